"""
A mapping against a naive one that does all that the real one avoids: an event per tick, per poll and per message.

The naive one is written from the rules alone (ESM §5 to §13, SQS-275 and SQS-320 to SQS-324, LAM-002). Hypothesis makes
up queues of both types, mappings, functions and sends; both must agree on every count, on the target L, and on every
batch and its instant.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from heapq import heappop, heappush
from itertools import count, takewhile

import pytest
from attrs import Factory, define, evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import (
    BackoffModel,
    BatchWindowModel,
    ProvisionedModel,
    RedrivePolicy,
    ScalingModel,
    Simulation,
    SqsConfig,
    ThrottleRetry,
)

pytestmark = pytest.mark.filterwarnings("ignore:.* returned batchItemFailures")

SECOND = 1_000_000
KINDS = ("good", "bad", "once", "boom")
NO_DROPS = {"Filters": [{"Pattern": f'{{"body": [{{"prefix": "{kind}"}}]}}'} for kind in KINDS]}

# ---- what both are told


@frozen
class Order:
    """What a function does with a record: how long it takes, and whether it fails."""

    duration_us: int
    kind: str  # "good", "bad" (always), "once" (fails at its first delivery), "boom" (raises, partial answers or not)
    group: str  # of its message, in a FIFO queue

    def body(self, number):
        return f"{self.kind} {self.duration_us} {number}"


def judge(records, *, reports):
    """Return (raises, places of the records that fail) for records given as (body, receive count)."""
    kinds = [(body.split()[0], times) for body, times in records]
    if any(kind == "boom" for kind, _ in kinds):
        return True, []
    failing = [place for place, (kind, times) in enumerate(kinds) if kind == "bad" or (kind == "once" and times == 1)]
    return (bool(failing), []) if not reports else (False, failing)


@frozen
class Config:
    """One mapping."""

    batch_size: int
    window_s: int
    maximum_concurrency: int | None
    pollers: tuple[int, int] | None  # with them it is in provisioned mode, and has no maximum concurrency
    provisioned: ProvisionedModel
    reports: bool
    initial: int
    step_per_minute: int
    ramp: str
    demand: str
    backs_off: bool
    retry: ThrottleRetry
    filters: bool  # out what is of the kind "drop"
    anchor: str

    def settings(self):
        scaling = ScalingModel(
            initial=self.initial,
            step_per_minute=self.step_per_minute,
            ramp=self.ramp,
            demand=self.demand,
            idle_optimise_after_s=45,
        )
        window = BatchWindowModel(anchor=self.anchor)
        return [scaling, BackoffModel(enabled=self.backs_off), self.retry, window, self.provisioned]

    def limits(self):
        if self.pollers is None:
            return {"maximum_concurrency": self.maximum_concurrency}
        return {"minimum_pollers": self.pollers[0], "maximum_pollers": self.pollers[1]}


@frozen
class World:
    """A queue, a function and what reads the one for the other."""

    visibility_s: int
    timeout_s: int
    reserve: int | None
    receives: int | None
    is_fifo: bool
    mappings: tuple[Config, ...]


# ---- the naive one

EXPIRED, IDLE_TIMER, WAKE, POLL_END, COMPLETION, TIMEOUT, CONTROL, RESULT, RETRY, WORK, IDLE_CHECK, GROWTH = range(12)


@define(eq=False)
class Message:
    number: int
    body: str
    group: str
    since_us: int  # when it became visible
    state: str = "visible"
    receives: int = 0
    deadline_us: int = -1


@define(eq=False)
class Slot:
    number: int
    state: str = "turning"
    since_us: int = -1  # when the open receive began
    place: int = -1  # among those of that instant: one that follows an empty receive keeps its own
    batch: list = Factory(list)  # (message, number of the delivery, deadline)
    window_us: int = -1  # its end
    previous_us: int | None = None
    retries: int = 0
    unit: Unit | None = None
    is_held_up: bool = False
    is_busy: bool = False  # and counted so, in provisioned mode

    @property
    def leaves(self):
        return self.unit is not None and self.unit.is_over


@define(eq=False)
class Unit:
    """A poller of provisioned mode."""

    model: ProvisionedModel
    made_us: int
    as_of_us: int
    receives: Fraction = field(init=False)
    left_bytes: Fraction = field(init=False)
    is_over: bool = False
    held_up: list = Factory(list)
    timer: tuple | None = None  # its instant, its number, whether there was nothing to receive when it was set

    def __attrs_post_init__(self):
        self.receives = Fraction(self.model.polls_per_s)
        self.left_bytes = Fraction(self.model.bytes_per_s)

    def fill(self, now_us):
        passed = Fraction(now_us - self.as_of_us, SECOND)
        self.as_of_us = now_us
        self.receives = min(self.receives + passed * self.model.polls_per_s, Fraction(self.model.polls_per_s))
        self.left_bytes = min(self.left_bytes + passed * self.model.bytes_per_s, Fraction(self.model.bytes_per_s))

    def ready_us(self, now_us):
        self.fill(now_us)
        until_one = -((self.receives - 1) * SECOND // self.model.polls_per_s)
        until_some = -self.left_bytes * SECOND // self.model.bytes_per_s + 1
        return now_us + max(0, until_one, until_some)


@define(eq=False)
class Naive:
    world: World
    now_us: int = 0
    events: list = Factory(list)
    counter: count = field(factory=count)
    places: count = field(factory=count)
    messages: list = Factory(list)
    dead: int = 0
    deleted: int = 0
    log: list = Factory(list)
    readers: list = Factory(list)
    is_waking: bool = False
    wakes_again: bool = False

    def at(self, at_us, kind, action, *, order=None):
        heappush(self.events, (at_us, kind, 0 if order is None else order, next(self.counter), action))

    def run_until(self, until_us):
        while self.events and self.events[0][0] <= until_us:
            self.now_us, *_, action = heappop(self.events)
            action()
        self.now_us = until_us

    # the queue

    def send(self, body, group):
        self.messages.append(Message(len(self.messages), body, group, self.now_us))
        self.wake()

    def is_spent(self, message):
        return self.world.receives is not None and message.receives >= self.world.receives

    def visible(self):
        return [message for message in self.messages if message.state == "visible"]

    def runs(self):
        """Return what may be received in a row: of a FIFO queue, the beginning of each group that is not locked."""
        if not self.world.is_fifo:
            return [self.visible()] if self.visible() else []
        groups = {}
        for message in self.messages:
            if message.state in {"visible", "in flight"}:
                groups.setdefault(message.group, []).append(message)
        runs = [list(takewhile(lambda message: message.state == "visible", group)) for group in groups.values()]
        return sorted(filter(None, runs), key=lambda run: (run[0].since_us, run[0].number))

    def receivable(self):
        return [message for run in self.runs() for message in run if not self.is_spent(message)]

    def receive(self, limit):
        taken = []
        while len(taken) < limit and (runs := self.runs()):
            for message in runs[0]:
                if len(taken) == limit:
                    break
                if self.is_spent(message):
                    message.state = "dead"
                    self.dead += 1
                    continue
                message.state = "in flight"
                message.receives += 1
                message.deadline_us = deadline_us = self.now_us + self.world.visibility_s * SECOND
                taken.append((message, message.receives, deadline_us))
                self.at(deadline_us, EXPIRED, lambda m=message, d=deadline_us: self.returns(m, d))
        return taken

    def returns(self, message, deadline_us):
        if message.state == "in flight" and message.deadline_us == deadline_us:
            message.state = "visible"
            message.since_us = self.now_us
            self.at(self.now_us, WAKE, self.wake)

    def delete(self, message, delivery):
        """Delete a message; return whether SQS says that it is (SQS-273 to SQS-276)."""
        if message.state in {"deleted", "dead"}:
            return True
        is_current = message.receives == delivery and (message.state == "in flight" or not self.world.is_fifo)
        if is_current:
            message.state = "deleted"
            self.deleted += 1
        return is_current or not self.world.is_fifo

    def deleted_some(self):
        """Deletes are done: on a FIFO queue they may have freed a group."""
        if self.world.is_fifo:
            self.wake()

    def wake(self):
        self.wakes_again = True
        if self.is_waking:
            return
        self.is_waking = True
        while self.wakes_again:
            self.wakes_again = False
            self.wake_once()
        self.is_waking = False
        if self.runs():
            for reader in self.readers:
                reader.bring_forward()

    def wake_once(self):
        while self.visible():
            waiting = [reader for reader in self.readers if reader.open_receives()]
            if not waiting:
                return
            first = min(waiting, key=lambda reader: min((s.since_us, s.place) for s in reader.open_receives()))
            if not first.serve():
                return


@define(eq=False)
class Reader:
    """A mapping and its function."""

    naive: Naive
    config: Config
    order: int
    cap: int
    phase: str = "stopped"
    target: float = 0.0
    slots: list = Factory(list)
    made: int = 0
    active_time: int = 0  # counts the times of activity: ticks of an earlier one mean nothing
    idle_time: int = 0
    finished: int = 0
    failed_attempts: int = 0
    received: bool = False
    polled: int = 0
    filtered: int = 0
    invoked: int = 0
    failed: int = 0
    deleted: int = 0
    dropped: int = 0
    empty: int = 0
    in_flight: int = 0
    admitted: dict = Factory(dict)  # per second
    units: list = Factory(list)
    given_up: list = Factory(list)
    pausing: list = Factory(list)
    busy: int = 0
    peak: int = 0
    billed_us: list = Factory(list)  # lives of units that are over
    invocations: int = 0
    errors: int = 0
    throttles: int = 0

    @property
    def initial(self):
        return min(self.config.initial, self.cap)

    @property
    def allowed(self):
        return int(self.target)

    def now(self):
        return self.naive.now_us

    def start(self):
        if self.config.pollers is not None:
            self.phase = "idle"
            self.have_units(self.config.pollers[0])
            self.next_shrink()
            return
        self.target = float(self.initial)
        self.become_idle()
        self.make_slots()

    def make_slots(self):
        while len(self.slots) < self.allowed:
            self.made += 1
            slot = Slot(self.made)
            self.slots.append(slot)
            self.soon(slot)

    def soon(self, slot):
        slot.state = "turning"
        self.naive.at(self.now(), WORK, lambda: self.turn(slot))

    # provisioned mode

    def have_units(self, wanted):
        while len(self.units) < wanted:
            ending = [unit for unit in self.given_up if any(slot.unit is unit for slot in self.slots)]
            unit = ending[-1] if ending else Unit(self.config.provisioned, self.now(), self.now())
            if ending:
                self.given_up.remove(unit)
                unit.is_over = False
                unit.made_us = self.now()
            self.units.append(unit)
            has = sum(slot.unit is unit for slot in self.slots)
            for _ in range(has, self.config.provisioned.invokes_per_poller):
                self.made += 1
                self.slots.append(Slot(self.made, unit=unit))
                self.soon(self.slots[-1])
        while len(self.units) > wanted:
            unit = self.units.pop()
            self.given_up.append(unit)
            unit.is_over = True
            self.billed_us.append(self.now() - unit.made_us)
        for slot in list(self.pausing):
            if slot.leaves and slot.state == "turning":
                self.go_on(slot)
                self.retire(slot)
        self.target = float(len(self.units) * self.config.provisioned.invokes_per_poller)

    def next_shrink(self):
        span_us = int(self.config.provisioned.scale_down_every_s * SECOND)
        self.naive.at(self.now() + span_us, IDLE_TIMER, self.shrink, order=self.order)

    def shrink(self):
        enough = max(self.config.pollers[0], -(-self.peak // self.config.provisioned.invokes_per_poller))
        self.peak = self.busy
        if enough < len(self.units):
            self.have_units(enough)
        self.next_shrink()

    def billed_seconds(self):
        lives = [*self.billed_us, *(self.now() - unit.made_us for unit in self.units)]
        return sum(max(60, -(-life // SECOND)) for life in lives)

    def may_ask(self, slot):
        """Return whether a slot may receive now; if not, it is held up."""
        unit = slot.unit
        if unit is None:
            return True
        if not unit.held_up and unit.ready_us(self.now()) <= self.now():
            unit.receives -= 1
            return True
        slot.is_held_up = True
        slot.state = "gathering" if slot.batch else "turning"
        unit.held_up.append(slot)
        self.pausing.append(slot)
        self.time_unit(unit)
        return False

    def time_unit(self, unit):
        if unit.held_up and unit.timer is None:
            self.set_timer(unit, unit.ready_us(self.now()))

    def set_timer(self, unit, at_us):
        number = next(self.naive.places)
        unit.timer = (at_us, number, not self.naive.visible())
        self.naive.at(at_us, WORK, lambda: self.resume(unit, number))

    def bring_forward(self):
        """A timer that nobody waited for counts as one that is set now, as soon as there is something to receive."""
        for slot in self.pausing:
            if slot.unit.timer is not None and slot.unit.timer[2]:
                self.set_timer(slot.unit, slot.unit.timer[0])

    def resume(self, unit, number):
        if unit.timer is None or unit.timer[1] != number:
            return
        unit.timer = None
        while unit.held_up and unit.ready_us(self.now()) <= self.now():
            slot = unit.held_up[0]
            unit.receives -= 1
            self.go_on(slot)
            if slot.state == "gathering":
                self.open(slot)
                self.serve()
            else:
                self.begin(slot)
        self.time_unit(unit)

    def go_on(self, slot):
        """Take a slot out of those that are held up, if it is."""
        if slot.is_held_up:
            slot.is_held_up = False
            slot.unit.held_up.remove(slot)
            self.pausing.remove(slot)
            if not slot.unit.held_up:
                slot.unit.timer = None

    # receiving

    def open_receives(self):
        return [slot for slot in self.slots if slot.state in {"polling", "gathering"} and not slot.is_held_up]

    def preferred(self):
        gathering = [slot for slot in self.slots if slot.state == "gathering" and not slot.is_held_up]
        if gathering:
            return min(gathering, key=lambda slot: (slot.window_us, slot.number))
        polling = [slot for slot in self.slots if slot.state == "polling"]
        return min(polling, key=lambda slot: (slot.since_us, slot.place), default=None)

    def serve(self):
        served = False
        while self.naive.visible() and (slot := self.preferred()) is not None:
            if not self.receive(slot):
                break
            served = True
        return served

    def receive(self, slot):
        """Let a slot receive what there is; return whether there was anything."""
        taken = self.naive.receive(min(10, self.config.batch_size - len(slot.batch)))
        if not taken:
            return False
        self.polled += len(taken)
        self.received = True
        if slot.unit is not None:
            slot.unit.fill(self.now())
            slot.unit.left_bytes -= sum(len(message.body) for message, *_ in taken)
        if self.phase == "idle":
            self.become_active()
        rejected = [entry for entry in taken if self.config.filters and entry[0].body.startswith("drop")]
        self.filtered += len(rejected)
        self.put(slot, [entry for entry in taken if entry not in rejected])
        for message, delivery, _ in rejected:
            self.naive.delete(message, delivery)
        if rejected:
            self.naive.deleted_some()
        return True

    def put(self, slot, taken):
        """Put what a receive returned into a batch; a slot that got nothing it may keep asks again."""
        opens = not slot.batch
        slot.batch += taken
        if slot.unit is not None and opens and taken:
            slot.is_busy = True
            self.busy += 1
            self.peak = max(self.peak, self.busy)
        window_us = self.config.window_s * SECOND
        if not taken:
            if slot.state == "polling" and slot.leaves:
                self.retire(slot)
            elif slot.state != "turning" and self.may_ask(slot):
                self.open(slot)
                self.naive.at(self.now(), IDLE_CHECK, self.check_idle, order=self.order)
        elif not window_us or len(slot.batch) == self.config.batch_size:
            slot.state = "closed"
            slot.window_us = -1
            self.go_on(slot)
            self.naive.at(self.now(), WORK, lambda: self.attempt(slot))
        else:
            if opens:
                slot.state = "gathering"
                previous_us = None if self.config.anchor == "first_record" else slot.previous_us
                running_us = -1 if previous_us is None else previous_us + window_us
                slot.window_us = running_us if running_us > self.now() else self.now() + window_us
                self.naive.at(slot.window_us, RESULT, lambda end_us=slot.window_us: self.close(slot, end_us))
            if self.may_ask(slot):
                self.open(slot)

    def open(self, slot, *, again=False):
        if not again:
            slot.place = next(self.naive.places)
        slot.since_us = since_us = self.now()
        ends_us = since_us + 20 * SECOND
        if slot.state == "gathering":
            ends_us = min(ends_us, slot.window_us)
        if ends_us > since_us:
            self.naive.at(ends_us, POLL_END, self.end_polls, order=self.order)

    def end_polls(self):
        """End all receives of this instant, those that began first before the others."""
        due = []
        for slot in self.open_receives():
            ends_us = slot.since_us + 20 * SECOND
            if slot.state == "gathering":
                ends_us = min(ends_us, slot.window_us)
            if ends_us == self.now() > slot.since_us:
                due.append(slot)
        for slot in sorted(due, key=lambda slot: (slot.since_us, slot.place)):
            self.empty += 1
            if slot.state == "polling" and slot.leaves:
                self.retire(slot)
            elif slot.unit is not None:
                if slot.window_us != self.now():  # nothing is asked for a batch that closes now
                    slot.unit.fill(self.now())
                    slot.unit.receives -= 1  # at once, whether there is one left or not
                self.open(slot, again=True)
            elif slot.state == "polling" and len(self.slots) > self.allowed:  # S6
                self.retire(slot)
            elif slot.state == "polling" and self.phase == "active" and len(self.slots) > self.initial:  # S7
                self.target = max(float(self.initial), round(self.target - 1, 6))
                self.retire(slot)
            else:
                self.open(slot, again=True)

    def turn(self, slot):
        if slot.leaves:
            self.retire(slot)
        elif self.may_ask(slot):
            self.begin(slot)

    def begin(self, slot):
        while slot.state == "turning" and not slot.is_held_up and self.receive(slot):
            if slot.state == "turning":  # all was filtered out: again at once
                self.may_ask(slot)
        if slot.state == "gathering":
            self.serve()
        if self.naive.visible():
            self.bring_forward()
        if slot.is_held_up or slot.state != "turning":
            return
        slot.state = "polling"
        self.open(slot)
        self.naive.at(self.now(), IDLE_CHECK, self.check_idle, order=self.order)

    def retire(self, slot):
        self.slots.remove(slot)
        self.naive.at(self.now(), IDLE_CHECK, self.check_idle, order=self.order)

    def end_turn(self, slot):
        slot.batch = []
        slot.retries = 0
        self.busy -= slot.is_busy
        slot.is_busy = False
        if slot.leaves or (slot.unit is None and len(self.slots) > self.allowed):
            self.retire(slot)
        else:
            self.soon(slot)

    def close(self, slot, end_us):
        if slot.state == "gathering" and slot.window_us == end_us:
            slot.state = "closed"
            slot.window_us = -1
            self.go_on(slot)
            self.naive.at(self.now(), WORK, lambda: self.attempt(slot))

    # invoking

    def admit(self):
        """Return whether a request may run now (LAM-200), and count it."""
        second = self.now() // SECOND
        limit = self.naive.world.reserve
        if limit is not None and (self.in_flight >= limit or self.admitted.get(second, 0) >= 10 * limit):
            self.throttles += 1
            return False
        self.admitted[second] = self.admitted.get(second, 0) + 1
        self.in_flight += 1
        self.invocations += 1
        return True

    def attempt(self, slot):
        self.invoked += len(slot.batch)
        if not self.admit():
            self.finished += 1
            self.failed_attempts += 1
            self.failed += len(slot.batch)
            self.throttled(slot)
            return
        slot.state = "invoking"
        records = [(message.body, delivery) for message, delivery, _ in slot.batch]
        self.naive.log.append((self.now(), tuple(records)))
        raises, failing = judge(records, reports=self.config.reports)
        takes_us = int(records[0][0].split()[1])
        limit_us = self.naive.world.timeout_s * SECOND
        raises = raises or takes_us > limit_us
        kind = TIMEOUT if takes_us > limit_us else COMPLETION
        self.naive.at(self.now() + min(takes_us, limit_us), kind, lambda: self.ends(slot, raises, failing))

    def throttled(self, slot):
        model = self.config.retry
        again_us = self.now() + min(model.factor**slot.retries, model.max_delay_s) * SECOND
        slot.retries += 1
        deadline_us = min(deadline_us for *_, deadline_us in slot.batch)
        if model.drop_rule == "visibility_exceeded":
            is_dropped = again_us >= deadline_us
        else:
            is_dropped = deadline_us - again_us < self.naive.world.timeout_s * SECOND
        if is_dropped:
            self.dropped += len(slot.batch)
            self.end_turn(slot)
        else:
            slot.state = "retry wait"
            self.naive.at(again_us, RETRY, lambda: self.attempt(slot))

    def ends(self, slot, raises, failing):
        self.in_flight -= 1
        self.errors += raises
        self.finished += 1
        self.failed_attempts += raises and not self.config.reports
        self.naive.at(self.now(), RESULT, lambda: self.result(slot, raises, failing))

    def result(self, slot, raises, failing):
        slot.previous_us = self.now()
        if raises:
            self.failed += len(slot.batch)
        else:
            # An answer names messages, not deliveries: one that is in the batch twice fails twice (ESM-094).
            named = {slot.batch[place][0].number for place in failing}
            self.failed += sum(message.number in named for message, *_ in slot.batch)
            for message, delivery, _ in slot.batch:
                if message.number not in named:
                    self.deleted += self.naive.delete(message, delivery)
            self.naive.deleted_some()
        self.end_turn(slot)

    # the state machine

    def become_idle(self):
        self.phase = "idle"
        self.active_time += 1
        if self.config.pollers is not None:
            return
        self.target = float(self.initial)
        self.idle_time += 1
        if self.config.maximum_concurrency is None:
            this = self.idle_time
            self.naive.at(self.now() + 45 * SECOND, IDLE_TIMER, lambda: self.save(this), order=self.order)

    def save(self, which):
        if self.phase == "idle" and self.idle_time == which:
            self.target = float(min(2, self.initial))

    def become_active(self):
        self.phase = "active"
        self.active_time += 1
        self.finished = self.failed_attempts = 0
        self.next_tick(self.now(), 1, self.active_time)
        if self.config.pollers is None:
            self.target = max(self.target, float(self.initial))
            self.make_slots()
            self.next_control(self.active_time)

    def check_idle(self):
        if self.phase == "active" and all(slot.state == "polling" for slot in self.slots):
            self.become_idle()

    def next_tick(self, t0_us, k, this):
        step, is_step = self.config.step_per_minute, self.config.ramp == "step"
        if self.config.pollers is not None:
            model = self.config.provisioned
            span_us = k * 60 * SECOND * model.invokes_per_poller // model.growth_per_minute
            self.naive.at(t0_us + span_us, GROWTH, lambda: self.tick(t0_us, k, this), order=self.order)
        elif step:
            span_us = k * 60 * SECOND // (1 if is_step else step)
            self.naive.at(t0_us + span_us, GROWTH, lambda: self.tick(t0_us, k, this), order=self.order)

    def tick(self, t0_us, k, this):
        if this != self.active_time or self.phase != "active":
            return
        has_demand = self.received if self.config.demand == "nonempty_receive" else bool(self.naive.receivable())
        self.received = False
        if self.config.pollers is not None:
            if has_demand:
                self.have_units(min(len(self.units) + 1, self.config.pollers[1]))
        elif has_demand and self.target < self.cap:
            grows = self.config.step_per_minute if self.config.ramp == "step" else 1
            self.target = round(min(float(self.cap), self.target + grows), 6)
            self.make_slots()
        self.next_tick(t0_us, k + 1, this)

    def next_control(self, this):
        self.naive.at(self.now() + SECOND, CONTROL, lambda: self.control(this), order=self.order)

    def control(self, this):
        if this != self.active_time or self.phase != "active":
            return
        if self.failed_attempts and self.config.backs_off:
            share = self.failed_attempts / self.finished
            lowered = round(self.target * (1 - 0.75 * share**0.3), 6)
            self.target = max(float(min(2, self.cap)), lowered)
        self.finished = self.failed_attempts = 0
        self.next_control(this)

    def snapshot(self):
        return {
            "phase": self.phase,
            "target": self.target,
            "pollers": len(self.slots),
            "in_flight": self.in_flight,
            "held": sum(len(slot.batch) for slot in self.slots),
            "dropped": self.dropped,
            "polled_event_count": self.polled,
            "filtered_out_event_count": self.filtered,
            "invoked_event_count": self.invoked,
            "failed_invoke_event_count": self.failed,
            "deleted_event_count": self.deleted,
            "empty_receives": self.empty,
            "provisioned_pollers": len(self.units),
        }


def make_naive(world):
    naive = Naive(world)
    for order, config in enumerate(world.mappings):
        most = 1_000 if config.maximum_concurrency is None else config.maximum_concurrency
        reader = Reader(naive, config, order, cap=most)
        naive.readers.append(reader)
        naive.at(0, RESULT, reader.start)
    return naive


# ---- the real one


def make_real(world):
    sim = Simulation(trace=None, settings=[SqsConfig(requeue_to_back_after=None)])
    end, more = (".fifo", {"content_based_deduplication": True}) if world.is_fifo else ("", {})
    policy = None if world.receives is None else RedrivePolicy(sim.create_queue(f"dead{end}"), world.receives)
    queue = sim.create_queue(f"orders{end}", visibility_timeout=world.visibility_s, redrive_policy=policy, **more)
    log = []
    for order, config in enumerate(world.mappings):

        def handler(event, context, config=config):
            records = event["Records"]
            seen = [(record["body"], int(record["attributes"]["ApproximateReceiveCount"])) for record in records]
            log.append((sim.now_us, tuple(seen)))
            raises, failing = judge(seen, reports=config.reports)
            if raises:
                raise ValueError
            return {"batchItemFailures": [{"itemIdentifier": records[place]["messageId"]} for place in failing]}

        worker = sim.create_function(
            f"worker-{order}",
            handler,
            timeout=world.timeout_s,
            duration=lambda event: int(event["Records"][0]["body"].split()[1]) / SECOND,
            reserved_concurrent_executions=world.reserve,
        )
        sim.create_event_source_mapping(
            queue,
            worker,
            batch_size=config.batch_size,
            maximum_batching_window_in_seconds=config.window_s,
            **config.limits(),
            function_response_types=["ReportBatchItemFailures"] if config.reports else [],
            filter_criteria=NO_DROPS if config.filters else None,
            settings=config.settings(),
        )
    return sim, queue, log


# ---- both

durations_us = st.sampled_from((0, 1, 100_000, 200_000, 999_999, 1_000_000, 1_500_000, 2_999_999, 3_000_000, 7_000_000))
kinds = st.sampled_from(("good", "good", "good", "bad", "once", "boom", "drop", "drop"))
orders = st.builds(Order, durations_us, kinds, st.sampled_from("abcd"))
configs = st.builds(
    Config,
    batch_size=st.sampled_from((1, 2, 3, 10)),
    window_s=st.sampled_from((0, 0, 1, 5, 30)),
    maximum_concurrency=st.sampled_from((None, None, 2, 6)),
    pollers=st.sampled_from((None, None, (2, 2), (2, 5), (4, 7))),
    provisioned=st.builds(
        ProvisionedModel,
        invokes_per_poller=st.sampled_from((1, 2, 10)),
        polls_per_s=st.sampled_from((1, 3, 10)),
        bytes_per_s=st.sampled_from((7, 40, 1_048_576)),
        growth_per_minute=st.sampled_from((70, 1_000)),
        scale_down_every_s=st.sampled_from((1, 3, 60)),
    ),
    reports=st.booleans(),
    initial=st.sampled_from((1, 2, 5)),
    step_per_minute=st.sampled_from((0, 60, 300, 300, 700)),
    ramp=st.sampled_from(("linear", "linear", "linear", "step")),
    demand=st.sampled_from(("backlog", "backlog", "nonempty_receive")),
    backs_off=st.sampled_from((True, True, False)),
    retry=st.sampled_from((ThrottleRetry(), ThrottleRetry.SEED, ThrottleRetry(max_delay_s=2))),
    filters=st.booleans(),
    anchor=st.sampled_from(("previous_completion", "previous_completion", "first_record")),
)


def without_windows(world):
    """A FIFO queue has none."""
    if not world.is_fifo:
        return world
    return evolve(world, mappings=tuple(evolve(mapping, window_s=0) for mapping in world.mappings))


worlds = st.builds(
    World,
    visibility_s=st.sampled_from((3, 4, 5, 18, 30)),
    timeout_s=st.sampled_from((1, 3)),
    reserve=st.sampled_from((None, None, 0, 1, 3)),
    receives=st.sampled_from((None, None, 1, 2, 5)),
    is_fifo=st.booleans(),
    mappings=st.lists(configs, min_size=1, max_size=2).map(tuple),
).map(without_windows)
steps_us = st.sampled_from((0, 1, 199_999, 200_000, 500_000, 1_000_000, 3_000_000, 20_000_000, 46_000_000))
# (time that passes, whether the sends are events of that instant or come after all of them, what is sent)
scripts = st.lists(st.tuples(steps_us, st.booleans(), st.lists(orders, max_size=12)), min_size=1, max_size=8)


def agree(sim, queue, log, naive):
    assert naive.log == log
    for mapping, reader in zip(sim.event_source_mappings, naive.readers, strict=True):
        found = mapping.snapshot()
        wanted = reader.snapshot()
        assert {name: getattr(found, name) for name in wanted} == wanted
        assert mapping.billed_poller_seconds == reader.billed_seconds()
    found = queue.snapshot()
    wanted = (
        len(naive.visible()),
        sum(message.state == "in flight" for message in naive.messages),
        naive.deleted,
        naive.dead,
    )
    assert (found.visible, found.in_flight, found.deleted, found.moved) == wanted
    for function, reader in zip(sim.functions, naive.readers, strict=True):
        counts = function.snapshot()
        assert (counts.in_flight, counts.invocations) == (reader.in_flight, reader.invocations)
        assert (counts.errors, counts.throttles) == (reader.errors, reader.throttles)
    sim.check_invariants()


@given(world=worlds, script=scripts, tail_us=steps_us)
def test_a_mapping_does_what_a_naive_one_does(world, script, tail_us):
    naive = make_naive(world)
    sim, queue, log = make_real(world)
    number = count()

    def send(body, group):
        queue.send_message(body, message_group_id=group if world.is_fifo else None)

    for step_us, is_event, sent in [*script, (tail_us, False, ()), (1_000_000, False, ()), (70_000_000, False, ())]:
        until_us = sim.now_us + step_us
        messages = [(order.body(next(number)), order.group) for order in sent]
        if is_event:
            for message in messages:
                sim.call_at(Decimal(until_us) / SECOND, send, *message)
                naive.at(until_us, WORK, lambda message=message: naive.send(*message))
        sim.run(until_us=until_us)
        naive.run_until(until_us)
        agree(sim, queue, log, naive)
        if not is_event:
            for message in messages:
                send(*message)
                naive.send(*message)
            agree(sim, queue, log, naive)
