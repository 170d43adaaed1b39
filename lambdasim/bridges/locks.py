"""
What threads wait for each other with, made so that whoever waits hands on the baton.

While the option `threads` is on, Python's own primitives are made of `Lock`: events, conditions, semaphores, queues and
futures are all written in Python, upon locks.
"""

from __future__ import annotations

import concurrent.futures
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self

from lambdasim.bridges.strands import Freed, Threads, allocate_real, by_thread, join_real
from lambdasim.clock import Signal
from lambdasim.errors import UsageError
from lambdasim.lambda_ import world
from lambdasim.units import MICROSECONDS, seconds

if TYPE_CHECKING:
    from types import TracebackType

_MODULE: Final[dict[str, Any]] = vars(threading)
_LOCK_TYPE: Final = type(allocate_real())
_RLOCK_TYPE: Final = type(threading.RLock())
_start_real: Final = threading.Thread.start
_submit_real: Final = concurrent.futures.ThreadPoolExecutor.submit
_sleep_real: Final = world._REAL_SLEEP
_monotonic_real: Final[Callable[[], float]] = vars(queue)["time"]
_SIMPLE_QUEUE: Final = queue.SimpleQueue

_active: list[Threads] = []  # the innermost patch counts


def here() -> Threads | None:
    """Return the threads to which that of who asks belongs; None for one of no simulation."""
    strand = by_thread.get(threading.get_ident())
    for threads in reversed(_active):
        if strand in threads.strands if strand is not None else threads.is_here:
            return threads
    return None


class Lock:
    """A lock; whoever waits for it hands on the baton. Threads of no simulation wait for it as they always do."""

    __slots__ = ("__weakref__", "_lock", "_waiting")

    def __init__(self) -> None:
        self._lock = allocate_real()
        self._waiting: list[Signal[None]] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it; return whether that could be."""
        if self._lock.acquire(False):
            return True
        if not blocking or timeout == 0:
            return bool(self._lock.acquire(blocking, timeout))  # which refuses what makes no sense
        threads = here()
        if threads is None:
            return bool(self._lock.acquire(blocking, timeout))
        clock = threads.clock
        until_us = None if timeout < 0 else clock.now_us + max(1, seconds(timeout))  # or else it would ask for ever
        is_first = True
        while True:
            signal: Signal[None] = Signal()
            if is_first:
                self._waiting.append(signal)
            else:
                self._waiting.insert(0, signal)  # somebody was faster
            is_first = False
            try:
                is_woken = threads.wait(signal, None if until_us is None else max(0, until_us - clock.now_us))
            except Freed:
                return bool(self._lock.acquire())
            finally:
                if signal in self._waiting:
                    self._waiting.remove(signal)
            if self._lock.acquire(False):
                return True
            if not is_woken:
                return False

    def release(self) -> None:
        """Give it back; who has waited longest goes on."""
        self._lock.release()
        if self._waiting and here() is not None:
            self._waiting.pop(0).set(None)

    def locked(self) -> bool:
        """Return whether somebody has it."""
        return bool(self._lock.locked())

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        """Say whether somebody has it."""
        return f"<{'locked' if self.locked() else 'unlocked'} lock of a simulation>"

    def _at_fork_reinit(self) -> None:
        self._lock = allocate_real()
        self._waiting.clear()


class Threading:
    """
    Puts one's own in place of what the process has for threads: a context manager that may be entered again.

    Args:
        threads: Of the simulation.
        sleep: What stands for `time.sleep`.
    """

    def __init__(self, threads: Threads, sleep: Callable[[float], object]) -> None:
        self._threads = threads
        self._sleep = sleep
        self._modules: list[tuple[dict[str, Any], str, Any]] = []

    def __enter__(self) -> Self:
        """Let threads that are started from now on have the baton in turn."""
        _active.append(self._threads)
        if len(_active) == 1:
            _put_in()
            self._modules = _replace_names({**_BY_NAME, _sleep_real: self._sleep})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let threads be threads again, and those end that still run."""
        last = len(_active) - 1 - _active[::-1].index(self._threads)  # that of another may have been left behind
        try:
            if self._threads not in _active[:last]:
                self._threads.end()
        finally:
            del _active[last]
            if not _active:
                _take_out()
            for names, name, value in self._modules:
                names[name] = value
            self._modules = []


# ---- what stands for Python's own


def _start(thread: threading.Thread) -> None:
    threads = here()
    if threads is None or thread._started.is_set():  # type: ignore[attr-defined]
        _start_real(thread)
        return
    events = sys.modules.get("asyncio.events")
    if events is not None and events._get_running_loop() is not None:
        if getattr(getattr(thread, "_target", None), "__name__", "") == "_do_shutdown":
            with _real_names():
                thread._started = threading.Event()  # type: ignore[attr-defined]
                _start_real(thread)  # by which a loop ends its pool: it calls nobody
            return
        msg = (
            f"{thread.name} was started while an event loop of asyncio runs, which would wait for it without letting "
            "it run; call from the coroutine itself, or use threads outside of event loops"
        )
        raise UsageError(msg)
    strand = threads.start(thread)
    run, daemon = thread.run, thread._daemonic  # type: ignore[attr-defined]
    try:
        with _real_names():  # Python waits for the thread to come up, and so it does
            thread._started = threading.Event()  # type: ignore[attr-defined]
            thread._daemonic = True  # type: ignore[attr-defined]  # nobody waits for it when the process ends
            thread.run = partial(_carry, thread, strand.carry, run)  # type: ignore[method-assign]
            thread._strand = strand  # type: ignore[attr-defined]
            _start_real(thread)
    finally:
        thread._daemonic = daemon  # type: ignore[attr-defined]
    strand.begin()


@contextmanager
def _real_names() -> Iterator[None]:
    ours = {name: _MODULE[name] for name in _REPLACEMENTS}
    _MODULE.update(_ORIGINALS)
    try:
        yield
    finally:
        _MODULE.update(ours)


def _carry(thread: threading.Thread, carry: Callable[[Callable[[], object]], None], run: Callable[[], object]) -> None:
    del thread.run
    carry(run)


def _join(thread: threading.Thread, timeout: float | None = None) -> None:
    strand, threads = getattr(thread, "_strand", None), here()
    if (
        strand is not None
        and threads is not None
        and not (strand.is_done or strand.is_free)
        and thread is not threading.current_thread()
    ):
        with suppress(Freed):
            if not threads.wait(strand.done, None if timeout is None else seconds(max(0, timeout))):
                return
    join_real(thread, timeout)


def _submit(executor: Any, /, *arguments: Any, **keywords: Any) -> Any:
    """Submit work to a pool that may have been made before there was a simulation."""
    if here() is not None and type(executor._work_queue) is _SIMPLE_QUEUE and not executor._threads:
        executor._work_queue = queue.SimpleQueue()
    return _submit_real(executor, *arguments, **keywords)


def _make_rlock(*arguments: Any, **keywords: Any) -> Any:
    return _MODULE["_PyRLock"](*arguments, **keywords)


def _monotonic() -> float:
    """Return what time limits are counted from."""
    threads = here()
    return _monotonic_real() if threads is None else threads.now_us / MICROSECONDS


_REPLACEMENTS: Final[dict[str, Any]] = {
    "Lock": Lock,
    "_allocate_lock": Lock,
    "RLock": _make_rlock,
    "_time": _monotonic,
}
_ORIGINALS: Final[dict[str, Any]] = {name: _MODULE[name] for name in _REPLACEMENTS}


_PLACES: Final[tuple[tuple[Any, str, Any], ...]] = (
    *((threading, name, replacement) for name, replacement in _REPLACEMENTS.items()),
    (threading.Thread, "start", _start),
    (threading.Thread, "join", _join),
    (concurrent.futures.ThreadPoolExecutor, "submit", _submit),
    (concurrent.futures._base, "time", SimpleNamespace(monotonic=_monotonic)),
    (queue, "SimpleQueue", queue._PySimpleQueue),  # type: ignore[attr-defined]
    (queue, "time", _monotonic),
)
_FOUND: Final = tuple(vars(owner)[name] for owner, name, _ in _PLACES)


def _put_in() -> None:
    for owner, name, replacement in _PLACES:
        setattr(owner, name, replacement)


def _take_out() -> None:
    for (owner, name, _), found in zip(_PLACES, _FOUND, strict=True):
        setattr(owner, name, found)


def _replace_names(by_name: dict[Any, Any]) -> list[tuple[dict[str, Any], str, Any]]:
    """Replace, in modules of users, locks at their top and what they have imported by name; return what was there."""
    replaced = []
    for module_name, module in tuple(sys.modules.items()):
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict) or module_name.partition(".")[0] in _NOT_OF_USERS or _is_installed(names):
            continue
        for name, value in tuple(names.items()):
            replacement = _replacement_of(value, by_name)
            if replacement is not None:
                replaced.append((names, name, value))
                names[name] = replacement
    return replaced


def _is_installed(names: dict[str, Any]) -> bool:
    return "-packages" in str(names.get("__file__"))


def _replacement_of(value: Any, by_name: dict[Any, Any]) -> Any:
    kind = type(value)
    if kind is _LOCK_TYPE:
        return None if value.locked() else Lock()
    if kind is _RLOCK_TYPE:
        return _make_rlock()
    return by_name.get(value) if kind is _BUILTIN or kind is type or kind is _FUNCTION else None


_BUILTIN: Final = type(_sleep_real)
_FUNCTION: Final = type(_make_rlock)
_BY_NAME: Final[dict[Any, Any]] = {
    _ORIGINALS["Lock"]: Lock,
    _ORIGINALS["_allocate_lock"]: Lock,
    _ORIGINALS["RLock"]: _make_rlock,
    _SIMPLE_QUEUE: queue._PySimpleQueue,  # type: ignore[attr-defined]
}
_NOT_OF_USERS: Final = frozenset({*sys.stdlib_module_names, "lambdasim"})

__all__ = ["Lock", "Threading"]
