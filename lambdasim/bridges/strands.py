"""
Threads of which exactly one runs at a time: who has the baton, and where it is handed on.

A `Strand` is a thread that somebody started while the option `threads` was on. It runs only while whoever drives it, on
the thread of the simulation, stands still, and stops where it calls a service, sleeps, or waits for another thread. So
it is to the simulation what a suspended handler is: code on a stack of its own that goes on as an event.

What drives it is a host:

| host | whose threads | what ends a wait of theirs |
|---|---|---|
| `OnClock` | those of a test, and of interleaved handlers | an event of the agenda |
| `InEvent` | those of a plain handler or callback, inside of which time stands still | a list of its own |

Threads get their turn in the order in which they were started, and then in the order in which they could go on.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import thread as pools
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from lambdasim.clock import Clock, Priority, Signal
from lambdasim.errors import SimulationStalledError
from lambdasim.lambda_ import world
from lambdasim.lambda_.world import Machine, Sleeper, Turn
from lambdasim.units import Duration, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

T = TypeVar("T")

_COMPLETION: Final = Priority.COMPLETION.value
_WORK: Final = Priority.WORK.value
_WORKER: Final = pools._worker.__code__
_GET: Final = queue._PySimpleQueue.get.__code__  # type: ignore[attr-defined]
_AT_ONCE_MAX: Final = 100_000  # turns of threads inside of an event, without time moving
_REFUSALS_MAX: Final = 1_000  # exceptions raised in a thread that swallows them

allocate_real: Final = threading._allocate_lock  # type: ignore[attr-defined]  # whatever stands for it later
join_real: Final = threading.Thread.join

by_thread: dict[int, Strand] = {}  #: strands that have not ended, by the identifiers of their threads


class ThreadEnded(SystemExit):
    """Raised where a thread stands when what it belongs to is over: its process, or the patch."""


class Freed(BaseException):
    """Raised where a thread waits when it is a thread like any other again."""


class Host(Protocol):
    """What drives threads."""

    @property
    def now_us(self) -> int:
        """The instant, in microseconds since the start."""
        ...

    def at(self, at_us: int, action: Callable[[Any], object], *, is_wait: bool) -> None:
        """Call an action at an instant; who waited or slept comes before who let others go first."""
        ...

    def turn_of(self, strand: Strand) -> AbstractContextManager[object]:
        """Return what puts the world of a strand in its place while it runs."""
        ...


class OnClock:
    """
    The agenda of the simulation.

    Args:
        clock: Of the simulation.
        turn: Of the handler whose threads these are; None for a test.
    """

    is_on_clock = True

    def __init__(self, clock: Clock, turn: Turn | None) -> None:
        self._clock = clock
        self._turn = turn

    @property
    def now_us(self) -> int:
        """The instant, in microseconds since the start."""
        return self._clock.now_us

    def at(self, at_us: int, action: Callable[[Any], object], *, is_wait: bool) -> None:
        """Call an action at an instant."""
        self._clock.schedule(at_us, action, None, _COMPLETION if is_wait else _WORK)

    @contextmanager
    def turn_of(self, strand: Strand) -> Iterator[None]:
        """Put in the world of the handler, and let the clock know who runs."""
        clock, before = self._clock, self._turn
        turn: Any = nullcontext()
        if before is not None:
            turn = Turn(before._machine, strand, before._start_us, before._names, before._note)
        with turn:
            if before is not None:
                turn._thread = strand.ident
            fiber, clock._fiber = clock._fiber, strand
            try:
                yield
            finally:
                clock._fiber = fiber
                if before is not None:
                    turn._thread = threading.get_ident()


class InEvent:
    """
    A list of what the threads of one plain handler do next: time stands still, or is that which the handler has slept.

    Args:
        clock: Of the simulation.
    """

    is_on_clock = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[tuple[int, int, Callable[[Any], object]]] = []
        self._number = count()

    @property
    def now_us(self) -> int:
        """The instant that the handler's clock shows."""
        turn = world._turn
        return self._clock.now_us if turn is None else turn.sleeper.now_us

    def at(self, at_us: int, action: Callable[[Any], object], *, is_wait: bool) -> None:
        """Call an action at an instant, after all that is due by then already."""
        del is_wait
        heappush(self._due, (at_us, next(self._number), action))

    def wait(self, signal: Signal[Any]) -> None:
        """Let the threads run until something has happened."""
        at_us, left = self.now_us, _AT_ONCE_MAX
        while not signal.is_set:
            if self.now_us != at_us:
                at_us, left = self.now_us, _AT_ONCE_MAX
            left -= 1
            if not left:
                msg = f"{waiting()}, {_AT_ONCE_MAX} turns long inside of one event, where time stands still"
                raise SimulationStalledError(msg)
            if not self._due:
                msg = f"{waiting()}: nothing is left that could end this inside of one event, where time stands still"
                raise SimulationStalledError(msg)
            self._next()

    def let_others(self) -> None:
        """Let those run who can go on at this instant, each of them up to where it stops next."""
        last = next(self._number)
        while self._due and self._due[0][0] <= self.now_us and self._due[0][1] < last:
            self._next()

    def _next(self) -> None:
        at_us, _, action = heappop(self._due)
        turn, late_us = world._turn, at_us - self.now_us
        if turn is not None and late_us > 0:
            turn.sleeper.sleep(timedelta(microseconds=late_us))  # type: ignore[arg-type]  # which takes durations
        action(None)

    @contextmanager
    def turn_of(self, strand: Strand) -> Iterator[None]:
        """Lend the world of the handler to one of its threads."""
        clock, turn = self._clock, world._turn
        fiber, clock._fiber = clock._fiber, None
        sleeper = strand.clock_of_handler = None if turn is None else turn.sleeper
        if turn is not None:
            turn.sleeper, turn._thread = strand, strand.ident
        try:
            yield
        finally:
            clock._fiber = fiber
            if turn is not None and sleeper is not None:
                turn.sleeper, turn._thread = sleeper, threading.get_ident()


class Strand:
    """
    A thread that runs while it has the baton.

    Args:
        thread: It.
        host: What drives it.
        machine: Of the handler that started it; None for one of a test.
    """

    def __init__(self, thread: threading.Thread, host: OnClock | InEvent, machine: Machine | None) -> None:
        self.thread = thread
        self.host = host
        self.machine = machine
        self.ident = 0
        self.done: Signal[None] = Signal()
        self.is_done = False
        self.is_free = False  #: a thread like any other again
        self.due_us: int | None = None  #: when it goes on, if that is known
        self.clock_of_handler: Sleeper | None = None
        self._doom: type[BaseException] | None = None
        self._refusals = 0
        self._is_abandoned = False
        self._has_baton = False
        self._go = allocate_real()
        self._go.acquire()
        self._hub = allocate_real()
        self._hub.acquire()

    # ---- on the thread of whoever drives it

    def begin(self) -> None:
        """Let it have its turn at this instant, after those who were there before."""
        self.ident = self.thread.ident or 0
        by_thread[self.ident] = self
        self._go_on_at(self.host.now_us, is_wait=False)

    def resume(self, _argument: object = None) -> None:
        """Give it the baton, and stand still until it gives it back."""
        if self.is_done or self.is_free or self._is_abandoned:
            return
        self.due_us = None
        interrupt: BaseException | None = None
        with self.host.turn_of(self):
            self._has_baton = True
            self._go.release()
            while self._has_baton:
                try:
                    self._hub.acquire()
                except BaseException as error:  # noqa: BLE001 - as KeyboardInterrupt; the baton has to come back first
                    interrupt = error
        if self.is_done:
            join_real(self.thread)  # what is left of it runs no code of anybody's
        if interrupt is not None:
            raise interrupt

    def end(self) -> None:
        """Let it end where it stands; one that swallows that again and again never runs any more."""
        self._doom = ThreadEnded
        if self.is_here:
            return  # it ends where it stands next
        while not (self.is_done or self.is_free or self._is_abandoned):
            self.resume()
        by_thread.pop(self.ident, None)
        if self._is_abandoned:  # nobody is to wait for it when the process ends
            pools._threads_queues.pop(self.thread, None)  # type: ignore[attr-defined]

    def free(self) -> None:
        """Let it be a thread like any other, which waits for another thread."""
        self.is_free = True
        by_thread.pop(self.ident, None)
        self._go.release()

    def _go_on_at(self, at_us: int, *, is_wait: bool) -> None:
        self.due_us = at_us
        self.host.at(at_us, self.resume_if_due, is_wait=is_wait)

    def resume_if_due(self, _argument: object = None) -> None:
        """Give it the baton, unless it was ended meanwhile."""
        if self.due_us is not None:
            self.resume()

    # ---- on its own thread

    def carry(self, run: Callable[[], object]) -> None:
        """Run what the thread is there for."""
        self._go.acquire()
        try:
            if self._doom is None:
                run()
        except ThreadEnded:
            pass
        except BaseException:  # noqa: BLE001 - what Python itself would do now
            self.thread._invoke_excepthook(self.thread)  # type: ignore[attr-defined]
        finally:
            self._finish()

    def _finish(self) -> None:
        self.is_done = True
        by_thread.pop(threading.get_ident(), None)
        if not self.is_free:
            with suppress(Exception):
                self.done.set(None)
            self._give_back()

    def _give_back(self) -> None:
        self._has_baton = False
        with suppress(RuntimeError):  # an interrupt came first, and nobody took what was given back last time
            self._hub.release()

    @property
    def is_here(self) -> bool:
        """Whether who asks runs on this thread."""
        return threading.get_ident() == self.ident

    @property
    def now_us(self) -> int:
        """What its clock shows."""
        shown = self.clock_of_handler
        return self.host.now_us if shown is None else shown.now_us

    def sleep(self, duration: Duration) -> None:
        """Go on after so many seconds."""
        self._pause(seconds(duration), is_wait=True)

    def point(self, duration_us: int = 0, before: str = "") -> None:
        """Let others run before it goes on."""
        del before  # a thread neither crashes nor stalls by itself
        self._pause(duration_us, is_wait=False)

    def note(self, text: str) -> None:
        """Take nothing down: stories tell what handlers do, not which of their threads."""

    def wait(self, signal: Signal[T]) -> T:
        """Go on when something has happened, with its result."""
        self._stop_if_doomed()
        if not signal.is_set:
            signal.subscribe(self._woken)
            try:
                self._suspend()
            except BaseException:
                if not signal.is_set:
                    signal.unsubscribe(self._woken)
                    if signal.on_abandon is not None:
                        signal.on_abandon()
                raise
        return signal.result()

    def _woken(self, _signal: object) -> None:
        self._go_on_at(self.host.now_us, is_wait=True)

    def _pause(self, duration_us: int, *, is_wait: bool) -> None:
        self._stop_if_doomed()
        self._go_on_at(self.now_us + duration_us, is_wait=is_wait)
        self._suspend()

    def _suspend(self) -> None:
        self._give_back()
        self._go.acquire()
        if self.is_free:
            raise Freed
        self._stop_if_doomed()

    def _stop_if_doomed(self) -> None:
        if self._doom is None:
            return
        if _waits_for_work(self):  # one of a pool, which is done with what it had to do
            self.is_free = True
            by_thread.pop(self.ident, None)
            self._give_back()
            raise Freed
        self._refusals += 1
        if self._refusals > _REFUSALS_MAX:
            self._is_abandoned = True
            self._give_back()
            self._go.acquire()  # for good: nobody gives it the baton any more
        raise self._doom


class Threads:
    """
    The threads of one simulation.

    Args:
        clock: Of the simulation.
        main: The thread of the simulation.
    """

    def __init__(self, clock: Clock, main: int) -> None:
        self.clock = clock
        self.main = main
        self.strands: list[Strand] = []
        self._in_events: dict[Machine | None, InEvent] = {}

    @property
    def strand(self) -> Strand | None:
        """The strand of who asks; None for one of another simulation, and for that thread itself."""
        strand = by_thread.get(threading.get_ident())
        return strand if strand in self.strands else None

    @property
    def is_here(self) -> bool:
        """Whether who asks runs on a thread of this simulation."""
        return threading.get_ident() == self.main or self.strand is not None

    @property
    def now_us(self) -> int:
        """The instant that the clock of who asks shows."""
        strand = by_thread.get(threading.get_ident())
        if strand is not None:
            return strand.now_us
        turn = world._turn
        return self.clock.now_us if turn is None or not turn.is_here else turn.sleeper.now_us

    def start(self, thread: threading.Thread) -> Strand:
        """Return the strand of a thread that is about to be started."""
        starter, turn = by_thread.get(threading.get_ident()), world._turn
        if starter is not None:
            starter._stop_if_doomed()
        machine = turn._machine if turn is not None and turn.is_here else None
        if starter is not None:
            host = starter.host
        elif self.clock.is_running and self.clock.fiber is None:
            host = self._in_event(machine)
        else:
            self.clock.interleave()
            host = OnClock(self.clock, turn if machine is not None else None)
        strand = Strand(thread, host, machine)
        self.strands = [*(other for other in self.strands if not other.is_done), strand]
        return strand

    def wait(self, signal: Signal[Any], timeout_us: int | None = None) -> bool:
        """
        Let others run until something has happened; return whether it has.

        Args:
            signal: What is waited for.
            timeout_us: For how long; None for as long as it takes.
        Raises:
            SimulationStalledError: All threads wait, and nothing can end that.
        """
        child: Signal[None] = Signal()

        def end(_: object) -> None:
            if not child.is_set:
                child.set(None)

        signal.subscribe(end)
        strand, fiber = by_thread.get(threading.get_ident()), self.clock.fiber
        try:
            if strand is not None:
                if timeout_us is not None:
                    strand.host.at(strand.now_us + timeout_us, end, is_wait=True)
                strand.wait(child)
            elif fiber is not None:
                if timeout_us is not None:
                    self.clock.timer(self.clock.now_us + timeout_us, end, priority=_COMPLETION)
                fiber.wait(child)
            elif self.clock.is_running:
                host = self._here_in_event()
                if timeout_us is not None:
                    host.at(host.now_us + timeout_us, end, is_wait=True)
                host.wait(child)
            else:
                self._drive(child, end, timeout_us)
        finally:
            if not signal.is_set:
                signal.unsubscribe(end)
        return signal.is_set

    def let_others(self) -> None:
        """Let those threads run which can go on at this instant: a call of theirs is one of the places for that."""
        clock, strand = self.clock, by_thread.get(threading.get_ident())
        if strand is not None:
            if not strand.host.is_on_clock:
                strand.point()
        elif clock.fiber is None:
            if clock.is_running:
                self._here_in_event().let_others()
            elif any(one.due_us is not None and one.due_us <= clock.now_us for one in self.strands):
                clock.run(until_us=clock.now_us)

    def forget(self, machine: Machine) -> None:
        """Let the threads of a process end that is over."""
        for strand in tuple(self.strands):
            if strand.machine is machine:
                strand.end()
        self.strands = [strand for strand in self.strands if strand.machine is not machine]

    def end(self) -> None:
        """Let all threads end; those of pools that wait for work go on as threads like any other."""
        for strand in tuple(self.strands):
            if not strand.is_done and _waits_for_work(strand):
                strand.free()
            else:
                strand.end()
        self.strands = []

    def _in_event(self, machine: Machine | None) -> InEvent:
        if machine not in self._in_events:
            self._in_events[machine] = InEvent(self.clock)
        return self._in_events[machine]

    def _here_in_event(self) -> InEvent:
        turn = world._turn
        return self._in_event(turn._machine if turn is not None and turn.is_here else None)

    def _drive(self, child: Signal[None], end: Callable[[object], None], timeout_us: int | None) -> None:
        clock = self.clock
        if timeout_us is not None:
            clock.timer(clock.now_us + timeout_us, end, priority=_COMPLETION)
        while not child.is_set:
            if not clock.step():
                msg = f"{waiting()}, and nothing is left that could end this at {clock.now} s"
                raise SimulationStalledError(msg)


def _waits_for_work(strand: Strand) -> bool:
    """Return whether a thread is one of a pool that has nothing to do."""
    frame: FrameType | None = sys._current_frames().get(strand.ident)
    inner: CodeType | None = None
    while frame is not None and frame.f_code is not _WORKER:
        inner = frame.f_code
        frame = frame.f_back
    return frame is not None and inner is _GET


def waiting() -> str:
    """Say who waits."""
    names = [strand.thread.name for strand in by_thread.values()]
    others = f", and so do the threads {', '.join(names)}" if names else ""
    return f"{threading.current_thread().name} waits for another thread{others}"


__all__ = ["Freed", "Strand", "ThreadEnded", "Threads", "allocate_real", "by_thread", "join_real"]
