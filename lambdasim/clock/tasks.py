"""Processes: coroutines that wait in simulated time."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from lambdasim.errors import TaskCancelledError, UsageError

if TYPE_CHECKING:
    from lambdasim.clock.clock import Clock, Timer

T = TypeVar("T")

_ONLY_SIMULATED: Final = "only simulated waits can be awaited, such as clock.sleep(…) or queue.wait_receive(…)"
_WORK: Final = 51  # Priority.WORK, which lives in a module that imports this one; a test compares the two


class Signal(Generic[T]):
    """
    Something that happens once, with a result or an exception, and that processes may await.

    The engine calls `set` or `fail`; whoever subscribed is called at once, in order of subscription.
    """

    __slots__ = ("_callbacks", "_error", "_is_set", "_value", "on_abandon")

    def __init__(self) -> None:
        self._callbacks: list[Callable[[Signal[T]], object]] = []
        self._is_set = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self.on_abandon: Callable[[], object] | None = None  #: called when the process that awaits this is cancelled

    @property
    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._is_set

    def set(self, value: T) -> None:
        """Let it happen, with this result."""
        self._value = value
        self._fire()

    def fail(self, error: BaseException) -> None:
        """Let it happen, with this exception."""
        self._error = error
        self._fire()

    def result(self) -> T:
        """Return the result, or raise the exception, of what has happened."""
        if not self._is_set:
            msg = "result() was asked for before it is there; run the simulation first"
            raise UsageError(msg)
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def subscribe(self, callback: Callable[[Signal[T]], object]) -> None:
        """Call *callback* when it happens."""
        self._callbacks.append(callback)

    def unsubscribe(self, callback: Callable[[Signal[T]], object]) -> None:
        """Do not call *callback* after all."""
        self._callbacks.remove(callback)

    def __await__(self) -> Generator[Signal[T], Any, T]:
        """Wait for it, unless it has happened; then its result or exception is that of the expression."""
        if not self._is_set:
            yield self
        return self.result()

    def _fire(self) -> None:
        self._is_set = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)


class Task(Generic[T]):
    """A process under way. Other processes may await it; `result()` has its answer once `is_done` holds."""

    __slots__ = ("_clock", "_coroutine", "_done", "_name", "_number", "_resume", "_timer", "_waits_for")

    def __init__(self, clock: Clock, coroutine: Coroutine[Any, Any, T]) -> None:
        if not inspect.iscoroutine(coroutine):
            msg = f"spawn({coroutine!r}) takes a coroutine; call the async function first: spawn(process())"
            raise UsageError(msg)
        self._clock = clock
        self._coroutine: Coroutine[Any, Any, T] = coroutine
        self._name = coroutine.__qualname__
        self._done: Signal[T] = Signal()
        self._waits_for: Signal[Any] | None = None
        self._number = clock._number()
        clock._tasks[self._number] = self
        self._resume = self._go_on  # bound once: a process may sleep a million times
        self._timer: Timer = clock.timer(clock.now_us, self._resume, priority=_WORK)

    def __repr__(self) -> str:
        """Name the coroutine and say how far it is."""
        return f"<process {self._name}, {'done' if self.is_done else 'waiting'}>"

    @property
    def is_done(self) -> bool:
        """Whether it has ended: with a result, an exception, or by `cancel`."""
        return self._done.is_set

    def result(self) -> T:
        """
        Return what the coroutine returned.

        Raises:
            UsageError: It is still running.
            TaskCancelledError: It was cancelled.
            BaseException: Whatever it raised itself.
        """
        return self._done.result()

    def cancel(self) -> None:
        """
        End the process where it stands; what it waited for is given up. Does nothing when it is done.

        Raises:
            UsageError: The process calls this on itself.
        """
        if self.is_done:
            return
        if inspect.getcoroutinestate(self._coroutine) == inspect.CORO_RUNNING:
            msg = f"{self._name} cancels itself; return from it instead"
            raise UsageError(msg)
        self._timer.cancel()
        if self._waits_for is not None:
            self._waits_for.unsubscribe(self._woken)
            if self._waits_for.on_abandon is not None:
                self._waits_for.on_abandon()
        self._waits_for = None
        del self._clock._tasks[self._number]
        try:
            self._coroutine.close()
        finally:
            self._done.fail(TaskCancelledError(f"{self._name} was cancelled"))

    def __await__(self) -> Generator[Signal[T], Any, T]:
        """Wait for its end; its result or exception is that of the expression."""
        return self._done.__await__()

    def _go_on(self, _argument: object = None) -> None:
        try:
            wait = self._coroutine.send(None)
        except StopIteration as stop:
            del self._clock._tasks[self._number]
            self._done.set(stop.value)
            return
        except RuntimeError as error:
            # asyncio's own awaitables look for its event loop before they suspend.
            self._fail(UsageError(f"{self._name}: {_ONLY_SIMULATED}") if "event loop" in str(error) else error)
            return
        except BaseException as error:
            self._fail(error)
            return
        clock = self._clock
        if wait is clock.sleep_mark:
            clock.rearm(self._timer, clock.now_us + clock.asked_us, self._resume, None, _WORK)
        elif isinstance(wait, Signal):
            self._waits_for = wait
            wait.subscribe(self._woken)
        else:
            self._refuse(wait)

    def _woken(self, _signal: object) -> None:
        if self._waits_for is not None:
            self._waits_for = None
            self._clock.rearm(self._timer, self._clock.now_us, self._resume, None, _WORK)

    def _refuse(self, wait: object) -> None:
        msg = f"{self._name} awaits {wait!r}: {_ONLY_SIMULATED}"
        try:
            self._coroutine.throw(UsageError(msg))
        except StopIteration as stop:
            del self._clock._tasks[self._number]
            self._done.set(stop.value)
        except BaseException as error:
            self._fail(error)
        else:
            self.cancel()
            raise UsageError(msg)

    def _fail(self, error: BaseException) -> None:
        del self._clock._tasks[self._number]
        somebody_awaits = bool(self._done._callbacks)
        self._done.fail(error)
        if not somebody_awaits or not isinstance(error, Exception):
            raise error
