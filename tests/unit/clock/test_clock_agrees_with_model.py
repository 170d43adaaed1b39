"""The clock does what a list does that is sorted before each event."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdasim import Clock
from lambdasim.clock import Priority
from lambdasim.errors import SimulationStalledError
from lambdasim.units import to_seconds

# Where owners have an order, each has at most one timer per instant; here the classes with an order use nothing else.
ORDERED = (Priority.CONTROL, Priority.GROWTH)
PLAIN = (Priority.EXPIRY, Priority.RETURN, Priority.WAKE, Priority.WORK, Priority.MINUTE)
DELAYS_US = (0, 0, 1, 1, 2, 5, 1_000)
EVENTS_MAX = 200


@dataclass
class Planned:
    """What an event does when it runs: makes others, and gives some up."""

    delay_us: int
    priority: Priority
    background: bool
    kind: str  #: `timer`, or one of the two without a handle: `schedule`, and `soon`, which is for this instant
    fails: bool
    makes: list[int]  #: places in the program
    cancels: list[int]  #: how many events ago the one was made that is given up


@dataclass
class Place:
    """An event in the agenda of the model."""

    at_us: int
    rank: tuple[int, int, int]  #: class, order of the owner, number of creation
    background: bool
    plan: int
    is_pending: bool = True


class EventError(Exception):
    """An event of the program fails."""


@dataclass
class Model:
    """A list of events, searched from end to end."""

    program: list[Planned]
    now_us: int = 0
    made: list[Place] = field(default_factory=list)
    log: list[tuple[int, int]] = field(default_factory=list)

    def make(self, plan: int) -> None:
        if len(self.made) >= EVENTS_MAX:
            return
        planned = self.program[plan]
        is_timer = planned.kind == "timer"
        rank = planned.priority.value, 1 + plan if planned.priority in ORDERED and is_timer else 0, len(self.made)
        at_us = self.now_us + (0 if planned.kind == "soon" else planned.delay_us)
        self.made.append(Place(at_us, rank, planned.background and is_timer, plan))

    def pending(self) -> list[Place]:
        return sorted((place for place in self.made if place.is_pending), key=lambda place: (place.at_us, place.rank))

    def execute(self, place: Place) -> None:
        place.is_pending = False
        self.now_us = place.at_us
        self.log.append((self.now_us, place.plan))
        planned = self.program[place.plan]
        for plan in planned.makes:
            self.make(plan)
        for ago in planned.cancels:
            self.cancel(ago)
        if planned.fails:
            raise EventError

    def cancel(self, ago: int) -> None:
        if ago < len(self.made):
            place = self.made[-1 - ago]
            if self.program[place.plan].kind == "timer":
                place.is_pending = False

    def step(self, *, include_background: bool = False, until_us: int | None = None) -> bool:
        pending = self.pending()
        if not pending or (until_us is not None and pending[0].at_us > until_us):
            return False
        if not include_background and all(place.background for place in pending):
            return False
        self.execute(pending[0])
        return True

    def run(self) -> None:
        while self.step():
            pass

    def run_until_us(self, until_us: int) -> None:
        while self.step(include_background=True, until_us=until_us):
            pass
        self.now_us = until_us

    def run_until_count(self, count: int, timeout_us: int | None) -> str:
        deadline_us = None if timeout_us is None else self.now_us + timeout_us
        while len(self.log) < count:
            if not self.step(include_background=True, until_us=deadline_us):
                if deadline_us is None:
                    return "stalled"
                self.now_us = deadline_us
                return "timeout"
        return "true"


class Real:
    """The same program on a clock."""

    def __init__(self, program: list[Planned]) -> None:
        self.program = program
        self.clock = Clock(trace=0)
        self.handles = []
        self.log: list[tuple[int, int]] = []

    def make(self, plan: int) -> None:
        if len(self.handles) >= EVENTS_MAX:
            return
        planned, clock = self.program[plan], self.clock
        at_us = clock.now_us + planned.delay_us
        if planned.kind != "timer":
            self.handles.append(None)
        if planned.kind == "schedule":
            clock.schedule(at_us, self.execute, plan, planned.priority.value)
        elif planned.kind == "soon":
            clock.soon(self.execute, plan, planned.priority.value)
        else:
            order = 1 + plan if planned.priority in ORDERED else None
            priority, background = planned.priority.value, planned.background
            timer = clock.timer(at_us, self.execute, plan, priority=priority, order=order, background=background)
            self.handles.append(timer)

    def execute(self, plan: int) -> None:
        self.log.append((self.clock.now_us, plan))
        planned = self.program[plan]
        for other in planned.makes:
            self.make(other)
        for ago in planned.cancels:
            self.cancel(ago)
        if planned.fails:
            raise EventError

    def cancel(self, ago: int) -> None:
        if ago < len(self.handles) and self.handles[-1 - ago] is not None:
            self.handles[-1 - ago].cancel()

    def run_until_count(self, count: int, timeout_us: int | None) -> str:
        timeout = None if timeout_us is None else to_seconds(timeout_us)
        try:
            self.clock.run_until(lambda: len(self.log) >= count, timeout=timeout)
        except SimulationStalledError:
            return "stalled"
        except TimeoutError:
            return "timeout"
        return "true"


@st.composite
def programs(draw):
    size = draw(st.integers(1, 6))
    places = st.integers(0, size - 1)
    return [
        Planned(
            delay_us=draw(st.sampled_from(DELAYS_US)),
            priority=draw(st.sampled_from((*PLAIN, *ORDERED))),
            background=draw(st.booleans()),
            kind=draw(st.sampled_from(("timer", "timer", "schedule", "soon"))),
            fails=draw(st.integers(0, 9)) == 0,
            makes=draw(st.lists(places, max_size=3)),
            cancels=draw(st.lists(st.integers(0, 4), max_size=2)),
        )
        for _ in range(size)
    ]


calls = st.one_of(
    st.tuples(st.just("make"), st.integers(0, 5)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("step"), st.integers(1, 4)),
    st.tuples(st.just("run"), st.just(0)),
    st.tuples(st.just("run until"), st.sampled_from((0, 1, 2, 3, 7, 1_000))),
    st.tuples(st.just("run_until"), st.integers(0, 5), st.none() | st.sampled_from((0, 1, 3, 1_000))),
)


def drive(thing, call):
    """Make one call; return its answer, or `failed` when an event of the program failed."""
    name, number, *others = call
    with suppress(EventError):
        if name == "make":
            return thing.make(number % len(thing.program))
        if name == "cancel":
            return thing.cancel(number)
        if name == "step":
            return [(thing if isinstance(thing, Model) else thing.clock).step() for _ in range(number)]
        if name == "run":
            return (thing if isinstance(thing, Model) else thing.clock).run()
        if name == "run until" and isinstance(thing, Model):
            return thing.run_until_us(thing.now_us + number)
        if name == "run until":
            return thing.clock.run(until_us=thing.clock.now_us + number)
        return thing.run_until_count(len(thing.log) + number, *others)
    return "failed"


@settings(max_examples=settings().max_examples * 3)
@given(programs(), st.lists(calls, min_size=2, max_size=15))
def test_clock_agrees_with_a_sorted_list(program, calls):
    model, real = Model(program), Real(program)
    for plan in range(len(program)):
        model.make(plan)
        real.make(plan)
    for call in calls:
        assert drive(model, call) == drive(real, call), call
        assert model.log == real.log
        assert model.now_us == real.clock.now_us
        assert len(model.pending()) == real.clock.pending
