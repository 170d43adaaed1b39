"""
Simulated time: one agenda of events, and everything that must be the same in every run.

**Order.** An event has an instant (whole microseconds since the start), a class and a number of creation; events run in
that order, so a tie is settled by the class and then by who was there first (LAM-002, SQS-004). `Priority` lists the
classes under neutral names. They travel in a tuple, because nothing in Python compares faster:
`(at_us, class, number, action, argument)`.

**Foreground and background.** What waits for nothing but the passing of time (retention, the economy of idle pollers)
must not keep `run()` alive. Such events live in a heap of their own; `run()` ends when the other heap is empty, and
takes from both in order until then.

**Cancelling.** An entry whose action is None carries a `Timer`. A cancelled timer loses its action and its argument at
once, so that it holds nothing in memory, and is dropped when its entry comes to the top.

Nothing here knows of AWS.
"""

from __future__ import annotations

import datetime as dt
import itertools
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from enum import IntEnum
from heapq import heapify, heappop, heappush
from typing import Any, Final, Protocol, TypeVar

from lambdasim.clock.choices import Benign, Chooser, Questions, Seeded
from lambdasim.clock.identifiers import Identifiers
from lambdasim.clock.streams import Streams
from lambdasim.clock.tasks import Signal, Task
from lambdasim.clock.trace import Trace
from lambdasim.errors import SimulationStalledError, UsageError
from lambdasim.units import Duration, as_datetime, instant, seconds, to_seconds

T = TypeVar("T")
Action = Callable[[Any], object]
Entry = tuple[int, int, int, Action | None, Any]
SoonEntry = tuple[int, int, int, Action, Any]

_NEVER: Final = 1 << 62
_SWEEP_MIN: Final = 1_024
_new: Final = object.__new__


class Priority(IntEnum):
    """
    The classes of events of one instant, in the order in which they run (LAM-002).

    `Clock.position` says how far the instant has come.
    """

    EXPIRY = 10  #: C1: what ends by age
    RETURN = 11  #: C1: ends of delays and of visibility timeouts
    MOVE = 12  #: C1: steps of move tasks
    IDLE_TIMER = 13  #: C1: an idle mapping saves pollers
    WAKE = 20  #: C2: open polls are offered what came
    POLL_END = 21  #: C2: open polls end
    COMPLETION = 30  #: C3: ends of inits, sleeps of handlers, invocations; reclaims
    TIMEOUT = 31  #: C3: invocations that ran out of time
    CONTROL = 40  #: C4: control ticks
    RESULT = 41  #: C4: what follows from a result, ends of windows, transitions of state
    RETRY = 50  #: C5: throttled work comes again
    WORK = 51  #: C5: new work
    IDLE_CHECK = 60  #: C6: has a mapping nothing to do?
    GROWTH = 70  #: C7: growth ticks
    MINUTE = 80  #: C8: a minute closes
    SETTLED = 90  #: no event: everything due at this instant has run


class Timer:
    """A place in the agenda that can be given up. Made by `Clock.timer`; `cancel()` may be called at any time."""

    __slots__ = ("action", "argument", "at_us", "background")

    at_us: int
    action: Action | None
    argument: Any
    background: bool

    @property
    def is_pending(self) -> bool:
        """Whether the action is still to come."""
        return self.action is not None

    def cancel(self) -> None:
        """Give the place up. Does nothing when the action has run already. Runtime: `O(1)`."""
        self.action = self.argument = None

    def __lt__(self, other: Timer) -> bool:
        """Never asked: two entries of an agenda differ in their numbers (kept so that a bug would show as one)."""
        msg = f"two events have the same place in the agenda at {self.at_us} µs (bug of lambdasim)"
        raise AssertionError(msg)


class Suspendable(Protocol):
    """Code that runs on a stack of its own, and can let others run before it goes on."""

    @property
    def is_here(self) -> bool:
        """Whether who asks runs on that stack."""
        ...

    def point(self, duration_us: int = 0, before: str = "") -> None:
        """Go on after so many microseconds, before that which is said in words; others run in between."""
        ...

    def note(self, text: str) -> None:
        """Take down what it has just done to the world outside."""
        ...

    def sleep(self, duration: Duration) -> None:
        """Go on after so many seconds."""
        ...

    def wait(self, signal: Signal[T]) -> T:
        """Go on when something has happened, with its result."""
        ...


class Clock:
    """
    Simulated time, in whole microseconds since its start.

    Args:
        seed: Of every random stream and identifier of this clock.
        start: The instant of zero, a whole minute of UTC: ISO 8601 text with an offset, or an aware datetime.
        choices: Who answers what AWS leaves open; `Benign()` when nobody is given.
        trace: How many records are kept; None keeps all, 0 none.
    Raises:
        UsageError: A start that is no whole minute, or no seed.

    Rules: SQS-001, SQS-003, SQS-004, LAM-001 to LAM-004.
    """

    same_instant_limit = 10_000_000  #: events that may run without time moving (LAM-003)

    def __init__(
        self,
        *,
        seed: int = 0,
        start: str | dt.datetime = "2026-01-01T00:00:00Z",
        choices: Chooser | None = None,
        trace: int | None = 10_000,
    ) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            msg = f"seed={seed!r} is no integer; give a whole number, and the same one to see the same run again"
            raise UsageError(msg)
        self.start_us = instant(start)
        if self.start_us % 60_000_000:
            msg = f"start={start!r} is no whole minute of UTC; drop the seconds"
            raise UsageError(msg)
        self.seed = seed
        self.now_us = 0
        self.position: int = 0  #: class of the furthest event of this instant that has begun
        self._reached = (-1, 0, 0)  # instant, class and order of the last event that `reach` was told of
        self.streams = Streams(seed)
        self.identifiers = Identifiers(seed)
        self.choices: Chooser = Benign() if choices is None else choices
        self._lots: Chooser | None = choices
        self.questions = Questions(self)
        self._has_ties = bool(getattr(choices, "ties", False))
        self.pace_us = 0  #: what each scheduling point of an interleaved handler takes at least
        self.trace = Trace(trace, self.raise_soon)
        self._agenda: list[Entry] = []
        self._background: list[Entry] = []
        self._background_due = _NEVER  # instant of the first background entry: saves a look at that heap per event
        self._sweep_at = _SWEEP_MIN  # entries, cancelled ones too, at which the cancelled are swept out
        self._stop_us = _NEVER  # where the loop that drains the agenda has to look closer
        self._number = itertools.count().__next__
        self._running = False
        self._draining = False  # whether the loop that looks into the next list is at work
        self._soon: list[SoonEntry] = []  # of this instant, not yet in the agenda
        self._counted_us = -1  # the next is of this instant
        self._events_at_once = 0  # events at one instant, counted where they run one by one
        # What a sleep hands to the task that drives a process: an object that nobody else has, so that no foreign
        # awaitable (nor the sleep of another clock) is taken for it, and none is made per sleep.
        self.sleep_mark = object()
        self.asked_us = 0  #: of the sleep that a process is handing to its task at this moment
        self._tasks: dict[int, Task[Any]] = {}
        self._fiber: Suspendable | None = None  #: whose stack is at work, if it can be suspended
        self._interleaves = False
        self._on_interleaving: list[Callable[[], object]] = []

    @property
    def fiber(self) -> Suspendable | None:
        """Whose code asks, if it can be suspended: that of a thread which a handler has started cannot."""
        fiber = self._fiber
        return fiber if fiber is not None and fiber.is_here else None

    def on_interleaving(self, prepare: Callable[[], object]) -> None:
        """Call *prepare* once there is code that can be suspended in the middle: now, if there is already."""
        if self._interleaves:
            prepare()
        else:
            self._on_interleaving.append(prepare)

    def interleave(self) -> None:
        """Take note that there is code that can be suspended in the middle: calls become places where it is."""
        self._interleaves = True
        waiting, self._on_interleaving = self._on_interleaving, []
        for prepare in waiting:
            prepare()

    @property
    def lots(self) -> Chooser:
        """Who answers where faults are on: the chooser that was given, else draws with the seed of this clock."""
        if self._lots is None:
            self._lots = Seeded(self.seed)
        return self._lots

    # ---- the agenda

    def schedule(
        self, at_us: int, action: Action, argument: object = None, priority: int = Priority.WORK.value
    ) -> None:
        """
        Run `action(argument)` at *at_us*, for good: the cheapest way to put something on the agenda.

        *at_us* must not lie in the past; the caller sees to that. Runtime: `O(log n)`.
        """
        heappush(self._agenda, (at_us, priority, self._number(), action, argument))

    def timer(
        self,
        at_us: int,
        action: Action,
        argument: object = None,
        *,
        priority: int = Priority.WORK.value,
        order: int | None = None,
        background: bool = False,
    ) -> Timer:
        """
        Run `action(argument)` at *at_us* unless the timer that comes back is cancelled before. Runtime: `O(log n)`.

        Args:
            at_us: Not in the past.
            action: Called with *argument*.
            argument: For the action.
            priority: The class of the event.
            order: Replaces the number of creation among events of this instant and class: ticks of several owners run
                in order of the owners, whenever they were put on the agenda (LAM-002). At most one pending timer per
                class and order may exist for an instant.
            background: Does not keep `run()` alive.
        """
        timer = _new(Timer)  # and no __init__: a call less makes a timer a tenth cheaper
        timer.at_us = at_us
        timer.action = action
        timer.argument = argument
        timer.background = background
        # An order takes the upper half of the room for numbers, so that the number still tells two entries apart.
        number = self._number() if order is None else (order << 30) + (self._number() & 0x3FFFFFFF)
        if len(self._agenda) + len(self._background) > self._sweep_at:
            self._sweep()
        if background:
            heappush(self._background, (at_us, priority, number, None, timer))
            if at_us < self._background_due:
                self._background_due = at_us
                if at_us < self._stop_us:
                    self._stop_us = at_us
        else:
            heappush(self._agenda, (at_us, priority, number, None, timer))
        return timer

    def _sweep(self) -> None:
        """Drop cancelled timers wherever they are: those far in the future would stay until their time."""
        for heap in (self._agenda, self._background):
            heap[:] = [entry for entry in heap if entry[3] is not None or entry[4].action is not None]
            heapify(heap)
        self._background_due = self._background[0][0] if self._background else _NEVER
        self._sweep_at = _SWEEP_MIN + 2 * (len(self._agenda) + len(self._background))

    def rearm(self, timer: Timer, at_us: int, action: Action, argument: object, priority: int) -> None:
        """Use a foreground *timer* that has fired (never a cancelled one) once more: saves making another."""
        timer.at_us = at_us
        timer.action = action
        timer.argument = argument
        heappush(self._agenda, (at_us, priority, self._number(), None, timer))

    def soon(self, action: Action, argument: object, priority: int) -> None:
        """
        Run `action(argument)` at this instant, as an event of its class: what `schedule` does, for less.

        Where nothing else is due at this instant the loop that drains the agenda goes straight on with it, without a
        trip through the heap. Runtime: `O(1)` then, else `O(log n)`.
        """
        entry = (self.now_us, priority, self._number(), action, argument)
        if self._draining:
            self._soon.append(entry)
        else:
            heappush(self._agenda, entry)

    def count(self) -> int:
        """Return a number above all given before: who came first among those of one instant."""
        return self._number()

    def has_passed(self, priority: int, order: int | None = None) -> bool:
        """Whether events of this class (those up to this order) have had their turn at the current instant."""
        if self.position != priority or order is None:
            return self.position > priority
        at_us, of_priority, reached = self._reached
        return at_us == self.now_us and of_priority == priority and reached >= order

    def reach(self, priority: int, order: int) -> None:
        """Take note that the event of this order has its turn, in a class whose events have orders."""
        self._reached = (self.now_us, priority, order)

    def raise_soon(self, error: Exception) -> None:
        """
        Let an exception leave the run right after what is going on at this moment is complete.

        For what observers raise: the event that they look at must not be left half done.
        """
        self.soon(_raise, error, Priority.WORK.value)

    def perform(self, action: Action, argument: object) -> None:
        """Run `action(argument)` now, as if it were an event: whatever it calls finds that time stands still."""
        if self._running:
            action(argument)
            return
        self._enter("perform")
        try:
            action(argument)
        finally:
            self._running = False

    @property
    def is_running(self) -> bool:
        """Whether an event is being executed: then time stands still, and nothing may drive it."""
        return self._running

    @property
    def pending(self) -> int:
        """Events on the agenda, background ones included and cancelled ones left out. Runtime: `O(n)`."""
        return sum(
            action is not None or argument.action is not None
            for heap in (self._agenda, self._background, self._soon)
            for _, _, _, action, argument in heap
        )

    # ---- time for people

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return to_seconds(self.now_us)

    @property
    def datetime(self) -> dt.datetime:
        """The current instant as an aware datetime of UTC."""
        return as_datetime(self.start_us + self.now_us)

    def at_us(self, when: Duration | dt.datetime, *, name: str = "t") -> int:
        """Return an instant, given in seconds since the start or as an aware datetime, in microseconds."""
        if isinstance(when, dt.datetime):
            return instant(when, name=name) - self.start_us
        if isinstance(when, dt.timedelta):
            msg = f"{name}={when!r} is a duration, and an instant is wanted; use run_for or call_later"
            raise UsageError(msg)
        return seconds(when, name=name)

    def call_at(self, t: float | dt.datetime, fn: Callable[..., object], *args: object) -> Timer:
        """
        Call `fn(*args)` at instant *t* (seconds since the start, or an aware datetime).

        Returns:
            A handle with `cancel()`.
        Raises:
            UsageError: *t* lies in the past.
        """
        at_us = self.at_us(t)
        if at_us < self.now_us:
            msg = f"call_at({t!r}) lies in the past: now is {self.now} s; use call_later"
            raise UsageError(msg)
        return self.timer(at_us, _call, (fn, args))

    def call_later(self, delay: Duration, fn: Callable[..., object], *args: object) -> Timer:
        """Call `fn(*args)` in *delay* seconds (or a timedelta); returns a handle with `cancel()`."""
        return self.timer(self.now_us + seconds(delay, name="delay"), _call, (fn, args))

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
        """
        Start a process: a coroutine that awaits `clock.sleep(…)` and other simulated waits.

        It begins at this instant, when time runs, and its exception leaves `run()` unless another process awaits it.
        """
        return Task(self, coroutine)

    def sleep(self, duration: Duration) -> Awaitable[None]:
        """Return what a process awaits to let *duration* seconds (or a timedelta) pass."""
        return _pause(self, seconds(duration))

    def sleep_us(self, duration_us: int) -> Awaitable[None]:
        """The same in whole microseconds."""
        return _pause(self, duration_us)

    # ---- running

    def run(self, until: float | dt.datetime | None = None, *, until_us: int | None = None) -> None:
        """
        Run events: all that is due up to *until*, inclusive; or, without it, until only background events are left.

        Args:
            until: Seconds since the start, or an aware datetime. Now is *until* afterwards.
            until_us: The same in microseconds.
        Raises:
            UsageError: The instant lies in the past, both were given, or an event calls this.
            SimulationStalledError: A process waits for what cannot happen any more, or time stands still.
        """
        if until is not None and until_us is not None:
            msg = f"run(until={until!r}, until_us={until_us!r}): give one of the two"
            raise UsageError(msg)
        if until is not None:
            if isinstance(until, dt.timedelta):
                msg = f"run(until={until!r}) is a duration, and an instant is wanted; use run_for"
                raise UsageError(msg)
            until_us = self.at_us(until, name="until")
        if until_us is None:
            self._enter("run")
            try:
                if self._has_ties:
                    self._drain_by_choice(_NEVER)
                else:
                    self._drain(_NEVER)
            finally:
                self._running = False
            self._check_tasks()
        else:
            self._run_until_us(until_us)

    def run_for(self, duration: Duration) -> None:
        """Run all that is due in the next *duration* seconds (or timedelta), and advance exactly that far."""
        self._run_until_us(self.now_us + seconds(duration))

    def run_until(self, predicate: Callable[[], object], timeout: Duration | None = None) -> None:
        """
        Run events, background ones too, until *predicate* holds; other events of that instant may still be due.

        Raises:
            SimulationStalledError: The predicate does not hold, and nothing is left that could change it.
            TimeoutError: It does not hold after *timeout* simulated seconds; now is that instant.
        """
        self._refuse_nesting("run_until")
        deadline_us = _NEVER if timeout is None else self.now_us + seconds(timeout, name="timeout")
        while not predicate():
            heap = self._next_heap(include_background=True)
            if heap is None and timeout is None:
                msg = f"{predicate!r} does not hold at {self.now} s, and nothing is left that could change it"
                raise SimulationStalledError(msg)
            if heap is None or heap[0][0] > deadline_us:
                self.now_us, self.position = deadline_us, Priority.SETTLED.value
                msg = f"{predicate!r} does not hold after {timeout} simulated seconds"
                raise TimeoutError(msg)
            self._execute(heap)

    def step(self) -> bool:
        """Run one event; return False, and run none, when only background events are left."""
        self._refuse_nesting("step")
        heap = self._next_heap(include_background=False)
        if heap is None:
            return False
        self._execute(heap)
        return True

    def _run_until_us(self, until_us: int) -> None:
        if isinstance(until_us, bool) or not isinstance(until_us, int):
            msg = f"run(until_us={until_us!r}) is no whole number of microseconds; give an int, or until= in seconds"
            raise UsageError(msg)
        if until_us < self.now_us:
            msg = f"run(until={to_seconds(until_us)}) lies in the past: now is {self.now} s; use run_for"
            raise UsageError(msg)
        self._enter("run")
        try:
            while True:
                if self._has_ties:
                    self._drain_by_choice(until_us)
                else:
                    self._drain(until_us)
                if self._background_due > until_us:
                    break
                # Only background events are left up to there; each may put others on the agenda.
                entry = heappop(self._background)
                self._background_due = self._background[0][0] if self._background else _NEVER
                self._call_entry(entry)
        finally:
            self._running = False
        self.now_us, self.position = until_us, Priority.SETTLED.value

    def _drain(self, until_us: int) -> None:
        """Run everything that is due up to *until_us* while the foreground agenda has something to do."""
        agenda, background, soon = self._agenda, self._background, self._soon
        now_us = self.now_us
        left = limit = self.same_instant_limit
        self._draining = True
        self._stop_us = min(until_us + 1, self._background_due)
        try:
            while agenda:
                at_us, priority, _, action, argument = entry = heappop(agenda)
                if at_us >= self._stop_us:  # a background event may come first, or this is too late
                    if at_us >= self._background_due and background[0] < entry:
                        if action is None and argument.action is None:
                            continue
                        heappush(agenda, entry)
                        if self._background_due > until_us:
                            return
                        at_us, priority, _, action, argument = heappop(background)
                        self._background_due = background[0][0] if background else _NEVER
                        self._stop_us = min(until_us + 1, self._background_due)
                    elif at_us > until_us:
                        heappush(agenda, entry)
                        return
                if action is None:
                    timer = argument
                    action = timer.action
                    if action is None:
                        continue
                    argument = timer.argument
                    timer.action = timer.argument = None
                if at_us != now_us:
                    self.now_us = now_us = at_us
                    self.position = priority
                    left = limit
                elif left:
                    left -= 1
                    if priority > self.position:
                        self.position = priority
                else:
                    self._raise_standstill(action, argument)
                action(argument)
                while soon:  # what is due at this instant goes onto the agenda, where something else is due too
                    if len(soon) > 1 or (agenda and agenda[0][0] <= now_us) or self._background_due <= now_us:
                        for entry in soon:
                            heappush(agenda, entry)
                        soon.clear()
                        break
                    _, priority, _, action, argument = soon.pop()
                    if not left:
                        self._raise_standstill(action, argument)
                    left -= 1
                    if priority > self.position:
                        self.position = priority
                    action(argument)
        finally:
            self._draining = False
            for entry in soon:
                heappush(agenda, entry)
            soon.clear()

    def _next_heap(self, *, include_background: bool) -> list[Entry] | None:
        """Return the heap whose first entry is the next live one; None when only background ones are left, or none."""
        agenda, background = self._agenda, self._background
        for heap in (agenda, background):
            while heap and heap[0][3] is None and heap[0][4].action is None:
                heappop(heap)
        self._background_due = background[0][0] if background else _NEVER
        if background and (background[0] < agenda[0] if agenda else include_background):
            return background
        return agenda or None

    def _execute(self, heap: list[Entry]) -> None:
        """Run the first entry of a heap by itself."""
        self._running = True
        try:
            self._take_first(heap)
        finally:
            self._running = False

    def _take_first(self, heap: list[Entry]) -> None:
        entry = self._choose_entry(heap) if self._has_ties and heap is self._agenda else heappop(heap)
        self._background_due = self._background[0][0] if self._background else _NEVER
        self._call_entry(entry)

    def _drain_by_choice(self, until_us: int) -> None:
        """Do what `_drain` does where it is asked who goes first of those that are ready."""
        while self._agenda:
            heap = self._next_heap(include_background=False)
            if heap is None or heap[0][0] > until_us:
                return
            self._take_first(heap)

    def _choose_entry(self, heap: list[Entry]) -> Entry:
        """Take one of the first entries of an instant and class, whichever the chooser names (`clock.tie`)."""
        first = heappop(heap)
        at_us, priority = first[:2]
        if priority not in _TIES or first[3] is _raise:
            return first
        ready = [first]
        while heap and heap[0][:2] == (at_us, priority) and heap[0][2] < _ORDERED and len(ready) < _TIES_MAX:
            entry = heappop(heap)
            if entry[3] is not None or entry[4].action is not None:
                ready.append(entry)
        if len(ready) < 2:
            return first
        taken, now_us, self.now_us = None, self.now_us, at_us
        try:
            options = [_describe(entry) for entry in ready]
            taken = ready[self.questions.ask("clock.tie", "", 1 - 1 / len(ready), options, "")]
        finally:
            self.now_us = now_us
            for entry in ready:
                if entry is not taken:
                    heappush(heap, entry)
        return taken

    def _call_entry(self, entry: Entry) -> None:
        at_us, priority, _, action, argument = entry
        if action is None:
            timer = argument
            action, argument = timer.action, timer.argument
            if action is None:
                return
            timer.action = timer.argument = None
        if at_us != self._counted_us:
            self._counted_us, self._events_at_once = at_us, 0
        elif self._events_at_once >= self.same_instant_limit:
            self._raise_standstill(action, argument)
        self._events_at_once += 1
        self.position = max(priority, self.position) if at_us == self.now_us else priority
        self.now_us = at_us
        action(argument)

    def _refuse_nesting(self, name: str) -> None:
        if self._running:
            msg = f"{name}() was called while an event runs: time stands still then; return first, or spawn a process"
            raise UsageError(msg)

    def _enter(self, name: str) -> None:
        self._refuse_nesting(name)
        self._running = True

    def _check_tasks(self) -> None:
        stalled = next(iter(self._tasks.values()), None)
        if stalled is not None:
            msg = f"{stalled!r} waits at {self.now} s for what cannot happen any more"
            raise SimulationStalledError(msg)

    def _raise_standstill(self, action: Action, argument: Any) -> None:
        if action is _call:
            action = argument[0]
        msg = (
            f"{self.same_instant_limit} events ran at {self.now} s without time moving; the last one was "
            f"{getattr(action, '__qualname__', action)!s}"
        )
        raise SimulationStalledError(msg)


_ORDERED: Final = 1 << 30  # numbers from here on are orders of owners, which are no accident
_TIES_MAX: Final = 8  # of those that are ready at an instant, so many are told apart
_TIES: Final = frozenset(
    priority.value
    for priority in (Priority.COMPLETION, Priority.TIMEOUT, Priority.RESULT, Priority.RETRY, Priority.WORK)
)


def _describe(entry: Entry) -> str:
    """Return in words what an entry of the agenda is."""
    action, argument = entry[3:]
    if action is None:
        action, argument = argument.action, argument.argument
    if action is _call:
        action = argument[0]
    for one in (argument, getattr(action, "__self__", None)):
        label = getattr(one, "label", None)
        if isinstance(label, str):
            return label
    name: str = getattr(action, "__qualname__", type(action).__name__)
    return name


@types.coroutine
def _pause(clock: Clock, duration_us: int) -> Generator[object, None, None]:
    clock.asked_us = duration_us
    yield clock.sleep_mark


def _raise(error: Exception) -> None:
    raise error


def _call(call: tuple[Callable[..., object], tuple[object, ...]]) -> None:
    fn, args = call
    fn(*args)
