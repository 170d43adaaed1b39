"""
One queue, one function and the mapping between them as plain lists, to compare the simulator with.

It is written from the rules of the specification, not from the code, and does all that the code avoids: a slot makes
each of its empty receives, each tick of growth and of control happens, and which state a message is in, how many slots
there are and who is next follows from a look at all of them. An instant is the classes of LAM-002, one after the other:
whatever is due in the first of them that has something runs, and then it looks again. Comments name the rule that a
line stands for.

A body is a kind and a number, such as `bad 17`; what the function does with it is said by `conduct`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

SECOND_US = 1_000_000
QUIET_US = 20 * SECOND_US  # ESM-088
MINUTE_US = 60 * SECOND_US
REQUEUE_AFTER = 3  # SQS-303
REQUESTS_A_SECOND = 10  # LAM-210, for each unit of concurrency
STATES = ("visible", "delayed", "in flight", "deleted", "moved", "expired", "purged")
FUNCTION_ERRORS = ("raises", "sleeps")


class RefusedError(Exception):
    """AWS refuses the call."""


def conduct(records: Sequence[tuple[str, int]]) -> tuple[str, list[int]]:
    """
    Return what the function does with a batch of (body, receive count), and the places of the records that it names.

    It is no rule but the program of a user: `sleeps` is to run into the timeout, `odd` an answer of bad form.
    """
    kinds = [body.split()[0] for body, _ in records]
    if ("fails", 1) in [(kind, count) for kind, (_, count) in zip(kinds, records, strict=True)]:
        return "raises", []
    for kind in ("raises", "sleeps", "odd"):
        if kind in kinds:
            return kind, []
    bad = [place for place, kind in enumerate(kinds) if kind == "bad" or (kind == "once" and records[place][1] == 1)]
    return ("names", bad) if bad else ("fine", [])


@dataclass(frozen=True)
class World:
    """What both sides are told. Spans in µs, but those that AWS has in seconds."""

    # the queue
    is_fifo: bool = False
    visibility_s: int = 30
    retention_s: int = 345_600
    receives: int | None = None
    # the function
    duration_us: int = SECOND_US
    timeout_s: int = 3
    reserve: int | None = None
    account: int = 1_000
    # the mapping
    batch_size: int = 10
    window_s: int = 0
    concurrency: int | None = None
    reports: bool = False
    filters: bool = False
    is_enabled: bool = True
    # its models
    initial: int = 5
    step_per_minute: int = 300
    most: int = 1_250
    idle_floor: int = 2
    idle_after_us: int = 300 * SECOND_US
    ramp: str = "linear"
    demand: str = "backlog"
    anchor: str = "previous_completion"
    mode: str = "exact"
    wait_s: int = 20
    most_per_receive: int = 10
    dispatch: str = "greedy"
    backs_off: bool = True
    period_us: int = SECOND_US
    strength: float = 0.75
    exponent: float = 0.3
    floor: int = 2
    base_us: int = SECOND_US
    factor: int = 2
    max_delay_us: int = 20 * SECOND_US
    drop_rule: str = "remaining_below_timeout"
    # how long its changes of state take
    creating_us: int = 0
    enabling_us: int = 0
    updating_us: int = 0
    disabling_us: int = 0


@dataclass(eq=False)
class Message:
    """A message."""

    number: int
    body: str
    group: str
    sent_us: int
    free_us: int  # when its delay or its visibility timeout ends
    count: int = 0

    def state(self, now_us: int) -> str:
        if now_us >= self.free_us:
            return "visible"
        return "in flight" if self.count else "delayed"  # SQS-230

    @property
    def rank(self) -> tuple[int, int]:
        """SQS-300 to SQS-303."""
        return (self.free_us if self.count >= REQUEUE_AFTER else self.sent_us), self.number


@dataclass(eq=False)
class Record:
    """One delivery of a message."""

    message: Message
    count: int
    deadline_us: int


@dataclass(eq=False)
class Slot:
    """
    A slot (ESM-001, ESM-080), in one of these states.

    `starting` (a receive is among the work of this instant), `polling`, `gathering`, `closed` (an attempt is among the
    work of this instant), `waiting` (for a retry), `invoking`, `done` (its result is still to be handled).
    """

    number: int
    state: str = "starting"
    since_us: int = 0  # start of the open receive
    ends_us: int = 0  # and its end
    asked: int = 0  # its place in the order in which slots began to wait, empty receives or not
    batch: list[Record] = field(default_factory=list)
    batch_size: int = 0  # these three are the terms of the batch (ESM-052)
    window_us: int = 0
    reports: bool = False
    order: int = 0  # of what it waits for, among all that were begun
    window_ends_us: int = 0
    previous_us: int | None = None  # end of the previous invocation
    retries: int = 0
    due_us: int = 0  # of a retry, or the end of an invocation
    outcome: str = ""
    named: list[int] = field(default_factory=list)
    function: int = 0  # which of those made under the name is invoked


class Model:
    """The world, as far as it has come."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now_us = 0
        self.order = 0
        # the queue
        self.visibility_s = world.visibility_s
        self.receives = world.receives
        self.purged_us: int | None = None
        self.consumed: list[tuple[str, int]] = []  # by others
        self.messages: list[Message] = []  # those that are there
        self.gone: Counter[str] = Counter()
        self.sent = 0
        self.requests = 0
        # the function
        self.function = 1  # which of those made under the name it is
        self.has_function = True
        self.duration_us = world.duration_us
        self.timeout_us = world.timeout_s * SECOND_US
        self.reserve = world.reserve
        self.admitted: list[tuple[int, int, bool]] = []  # lately: instant, function, and whether it had a reserve
        self.runs: list[tuple[int, tuple[tuple[str, int], ...]]] = []
        self.delivered: Counter[int] = Counter()  # how often each message reached it
        # the mapping
        self.status = "Disabled"
        self.batch_size = world.batch_size
        self.concurrency = world.concurrency
        self.reports = world.reports
        self.window_s = world.window_s
        self.filters = world.filters
        self.drained_from_us = 0  # when it may be disabled at the earliest
        self.changes: dict[str, Any] = {}  # that are not yet complete
        self.phase = "stopped"
        self.target = 0.0
        self.slots: list[Slot] = []
        self.made = 0
        self.active_us = 0  # t0 of S2
        self.idle_us = 0
        self.is_saving = False
        self.growth_ticks = 0
        self.control_ticks = 0
        self.finished = 0
        self.failed = 0
        self.has_received = False
        self.polled = self.filtered = self.attempts = self.invoked = 0
        self.failed_events = self.deleted_events = self.empty = self.dropped = 0
        # what is to be done
        self.results: list[Callable[[], None]] = []  # C4 of this instant
        self.work: list[Callable[[], None]] = []  # C5 of this instant
        self.timers: list[tuple[int, int, Callable[[], None]]] = []  # C4 of later instants: instant, order
        self.calls: list[tuple[int, Callable[[], None]]] = []  # C5 of later instants

    # ---- what can be seen

    @property
    def cap(self) -> int:
        return min(self.concurrency or self.world.most, self.world.most, self.world.account)  # ESM-012

    @property
    def initial(self) -> int:
        return min(self.world.initial, self.cap)

    @property
    def n(self) -> int:
        return int(self.target)

    def slots_that(self, *states: str) -> list[Slot]:
        return [slot for slot in self.slots if slot.state in states]

    def in_state(self, state: str) -> list[Message]:
        return [message for message in self.messages if message.state(self.now_us) == state]

    def view(self) -> dict[str, Any]:
        """Return all that is compared."""
        is_stopped = self.phase == "stopped" or self.status == "Disabling"
        return {
            "now_us": self.now_us,
            "status": self.status,
            "phase": "stopped" if is_stopped else self.phase,
            "target": None if is_stopped else self.target,  # no rule says what it is of a mapping that does not poll
            "limit": None if is_stopped else self.n,
            "slots": len(self.slots),
            "polling": len(self.slots_that("polling")),
            "gathering": len(self.slots_that("gathering")),
            "in_flight": len(self.slots_that("invoking")),
            "retrying": len(self.slots_that("waiting")),
            "held": sum(len(slot.batch) for slot in self.slots),
            "dropped": self.dropped,
            "duplicates": len([number for number, runs in self.delivered.items() if runs > 1]),
            "attempts": self.attempts,
            "polled": self.polled,
            "filtered": self.filtered,
            "invoked": self.invoked,
            "failed": self.failed_events,
            "deleted": self.deleted_events,
            "empty": self.empty,
            "queue": {state: self.gone[state] or len(self.in_state(state)) for state in STATES},
            "requests": self.requests,
        }

    # ---- what users do, now

    def send_batch(self, entries: Sequence[tuple[str, int, str]]) -> None:
        """Send (body, delay in µs, group)."""
        self.requests += 1
        for body, delay_us, group in entries:
            self.sent += 1
            self.messages.append(Message(self.sent, body, group, self.now_us, self.now_us + delay_us))
        self.serve()  # SQS-004

    def set_visibility(self, seconds: int) -> None:
        self.requests += 1
        self.visibility_s = seconds

    def set_receives(self, receives: int | None) -> None:
        """SQS-438."""
        self.requests += 1
        self.receives = receives

    def purge(self, _: None) -> None:
        """SQS-480, SQS-481."""
        if self.purged_us is not None and self.now_us < self.purged_us + 60 * SECOND_US:
            raise RefusedError
        self.requests += 1
        self.purged_us = self.now_us
        for message in list(self.messages):
            self.leave(message, "purged")

    def consume(self, given: tuple[int, bool]) -> None:
        """Receive as another consumer, with a short poll, and perhaps delete (ESM-272)."""
        limit, deletes = given
        self.requests += 1
        records = self.receive(limit)
        self.consumed.extend((record.message.body, record.count) for record in records)
        if deletes:
            self.delete(records)
            self.serve()

    def set_reserve(self, amount: int | None) -> None:
        self.check_function()
        self.reserve = amount

    def update_function(self, given: tuple[int, int]) -> None:
        self.check_function()
        duration_us, timeout_s = given
        self.duration_us, self.timeout_us = duration_us, timeout_s * SECOND_US

    def delete_function(self, _: None) -> None:
        self.check_function()
        self.has_function, self.reserve = False, None

    def create_function(self, _: None) -> None:
        if self.has_function:
            raise RefusedError
        self.has_function, self.function = True, self.function + 1

    def replace_function(self, _: None) -> None:
        self.delete_function(None)
        self.create_function(None)

    def check_function(self) -> None:
        if not self.has_function:
            raise RefusedError

    def change(self, given: dict[str, Any]) -> None:
        """UpdateEventSourceMapping (ESM-050)."""
        if self.status not in {"Enabled", "Disabled"}:
            raise RefusedError  # ESM-034
        if given.get("is_enabled", True) and self.visibility_s * SECOND_US < self.timeout_us:
            raise RefusedError  # ESM-030, ESM-031
        given = dict(given)
        before, after = self.status, given.pop("is_enabled", self.status == "Enabled")
        if after == (before == "Enabled"):
            self.status, self.changes = "Updating", given

            def end() -> None:
                if self.changes is given and self.status == "Updating":
                    self.complete(before, given)

            self.in_c4(self.world.updating_us, end)
        elif after:
            self.start_later("Enabling", self.world.enabling_us, given)
        else:
            self.disable(given, self.world.disabling_us)

    def create(self) -> None:
        self.start_later("Creating", self.world.creating_us, {})

    def start_later(self, status: str, after_us: int, given: dict[str, Any]) -> None:
        self.status = status
        self.in_c4(after_us, lambda: self.start(given))

    def in_c4(self, after_us: int, action: Callable[[], None]) -> None:
        """ESM-051."""
        if after_us:
            self.timers.append((self.now_us + after_us, self.next_order(), action))
        else:
            self.results.append(action)

    def complete(self, status: str, given: dict[str, Any]) -> None:
        """ESM-052."""
        had_none = self.concurrency is None
        self.status = status
        for name, value in given.items():
            setattr(self, name, value)
        has_none = self.concurrency is None
        self.set_target(min(self.target, self.cap))  # ESM-109
        if self.phase == "idle" and (had_none != has_none or (not has_none and self.target < self.initial)):
            self.become_idle()  # a mapping that idles has its initial slots, or saves some (ESM-106, ESM-110)
            self.make_slots()

    def disable(self, given: dict[str, Any], after_us: int) -> None:
        """ESM-053, S10."""
        self.status, self.changes, self.drained_from_us = "Disabling", given, self.now_us + after_us
        if after_us:
            self.in_c4(after_us, self.check_drained)
        for slot in list(self.slots):
            if slot.state == "polling":
                self.slots.remove(slot)
            elif slot.state == "gathering":
                self.close(slot)
            elif slot.state == "waiting":
                self.drop(slot)
        self.check_drained()

    def at(self, at_us: int, call: Callable[[], None]) -> None:
        """Let the program do something at a later instant."""
        self.calls.append((at_us, call))

    # ---- time

    def boundaries_us(self) -> list[int]:
        """Return all instants ahead at which something may change, in order."""
        found = {at_us for at_us, _ in self.calls} | {at_us for at_us, _, _ in self.timers}
        for message in self.messages:
            found |= {message.free_us, message.sent_us + self.world.retention_s * SECOND_US}
        for slot in self.slots:
            if slot.state in {"polling", "gathering"}:
                found.add(slot.ends_us)
            if slot.state == "gathering":
                found.add(slot.window_ends_us)
            if slot.state in {"waiting", "invoking"}:
                found.add(slot.due_us)
        if self.phase == "idle":
            found.add(self.idle_us + self.world.idle_after_us)
        if self.is_ticking:
            if self.world.step_per_minute:
                found.add(self.growth_us(self.growth_ticks + 1))
            if self.world.backs_off:
                found.add(self.control_us(self.control_ticks + 1))
        return sorted(at_us for at_us in found if at_us > self.now_us)

    def advance(self, to_us: int) -> None:
        """Let everything happen that is due until an instant, the work of that instant included."""
        self.settle()
        while (ahead := self.boundaries_us()) and ahead[0] <= to_us:
            self.now_us = ahead[0]
            self.begin_instant()
            self.settle()
        self.now_us = to_us

    def begin_instant(self) -> None:
        """C1 and C2, and what was put on the agenda for C4 and C5 before this instant."""
        self.work.extend(call for at_us, call in self.calls if at_us == self.now_us)
        self.calls = [(at_us, call) for at_us, call in self.calls if at_us > self.now_us]
        for message in list(self.messages):
            if self.now_us >= message.sent_us + self.world.retention_s * SECOND_US:
                self.leave(message, "expired")  # SQS-400
        is_long = self.phase == "idle" and self.now_us >= self.idle_us + self.world.idle_after_us
        if is_long and not self.is_saving and self.concurrency is None:
            self.is_saving = True
            self.set_target(min(self.world.idle_floor, self.initial))  # S9
        self.serve()
        for slot in sorted(self.slots, key=lambda slot: (slot.since_us, slot.asked)):
            if slot.state in {"polling", "gathering"} and slot.since_us < self.now_us == slot.ends_us:
                self.end_empty(slot)  # one that has no time left is not made
        for slot in self.slots:
            if slot.state == "gathering" and slot.window_ends_us <= self.now_us and self.world.mode == "exact":
                self.timers.append((self.now_us, slot.order, lambda slot=slot: self.close(slot)))  # ESM-087
        due = sorted(timer for timer in self.timers if timer[0] == self.now_us)
        self.results.extend(action for _, _, action in due)
        self.timers = [timer for timer in self.timers if timer[0] > self.now_us]

    def settle(self) -> None:
        """C3 to C7 of this instant, until nothing is left to do (LAM-002, LAM-003)."""
        steps = (self.finish, self.control, self.next_result, self.retry, self.next_work, self.rest, self.grow)
        while any(step() for step in steps):
            pass

    # ---- the queue

    def leave(self, message: Message, fate: str) -> None:
        self.messages.remove(message)
        self.gone[fate] += 1

    def deliverable(self) -> list[Message]:
        """Return what a receive looks at, in its order, exhausted ones included."""
        if not self.world.is_fifo:
            return sorted(self.in_state("visible"), key=lambda message: message.rank)
        found = []
        here = self.messages
        groups = {message.group: [other for other in here if other.group == message.group] for message in here}
        eligible = [group for group in groups.values() if group[0].state(self.now_us) == "visible"]  # SQS-321
        for group in sorted(eligible, key=lambda group: (group[0].free_us, group[0].number)):  # SQS-324
            for message in group:
                if message.state(self.now_us) != "visible":
                    break  # SQS-322
                found.append(message)
        return found

    def is_spent(self, message: Message) -> bool:
        return self.receives is not None and message.count >= self.receives  # SQS-431

    def is_receivable(self) -> bool:
        return any(not self.is_spent(message) for message in self.deliverable())  # ESM-003

    def receive(self, limit: int) -> list[Record]:
        """SQS-202, SQS-203."""
        found: list[Record] = []
        for message in self.deliverable():
            if len(found) == limit:
                break
            if self.is_spent(message):
                self.leave(message, "moved")  # SQS-430
                continue
            message.count += 1
            message.free_us = self.now_us + self.visibility_s * SECOND_US
            found.append(Record(message, message.count, message.free_us))
        return found

    def delete(self, records: Sequence[Record]) -> int:
        """Return how many entries are accepted."""
        if not records:
            return 0
        self.requests += 1
        accepted = 0
        for record in records:
            message = record.message
            is_old = record.count != message.count
            if message in self.messages:
                if self.world.is_fifo and (is_old or self.now_us >= record.deadline_us):
                    continue  # SQS-275
                if not is_old:
                    self.leave(message, "deleted")  # SQS-273, SQS-274
            accepted += 1  # SQS-276, ESM-282
        return accepted

    # ---- receives of the mapping

    def serve(self) -> None:
        """Give open receives what there is (ESM-083)."""
        while True:
            waiting = self.slots_that("gathering", "polling")
            if not waiting:
                return
            slot = min(waiting, key=self.place)
            wanted = slot.batch_size if slot.batch else self.batch_size
            records = self.receive(min(self.world.most_per_receive, wanted - len(slot.batch)))
            if not records:
                return  # SQS-208
            self.take(slot, records)

    def place(self, slot: Slot) -> tuple[int, ...]:
        """ESM-083, ESM-084."""
        if slot.state == "gathering" and self.world.dispatch == "greedy":
            return 0, slot.window_ends_us, slot.number
        return 1, slot.since_us, slot.asked

    def ask(self, slot: Slot) -> None:
        """Begin a receive (ESM-081)."""
        slot.since_us, slot.asked = self.now_us, self.next_order()
        slot.ends_us = self.now_us + self.world.wait_s * SECOND_US
        if slot.state == "gathering":
            slot.ends_us = min(slot.ends_us, slot.window_ends_us)
            if self.world.mode != "exact":
                slot.ends_us = self.now_us + QUIET_US

    def take(self, slot: Slot, records: list[Record]) -> None:
        self.requests += 1
        self.polled += len(records)
        self.has_received = True
        if self.phase == "idle":
            self.become_active()
        if self.filters:  # ESM-230
            noise = [record for record in records if record.message.body.startswith("noise")]
            self.filtered += len(noise)
            self.delete(noise)
            records = [record for record in records if record not in noise]
        if not records:
            self.returned(slot)  # ESM-231
            return
        if not slot.batch:
            slot.batch_size, slot.reports, slot.retries = self.batch_size, self.reports, 0
            slot.window_us = window_us = self.window_s * SECOND_US
            slot.state, slot.order = "gathering", self.next_order()
            slot.window_ends_us = self.now_us + window_us
            if self.world.anchor == "previous_completion" and slot.previous_us is not None:
                ends_us = slot.previous_us + window_us
                if self.now_us < ends_us:
                    slot.window_ends_us = ends_us  # ESM-087
        slot.batch += records
        if not slot.window_us or len(slot.batch) >= slot.batch_size:
            self.close(slot)  # ESM-085, ESM-086
        else:
            self.returned(slot)

    def returned(self, slot: Slot) -> None:
        """Ask again at once, unless the batch has waited long enough."""
        if slot.state == "gathering" and self.world.mode != "exact" and self.now_us >= slot.window_ends_us:
            self.close(slot)  # ESM-088
        else:
            self.ask(slot)

    def end_empty(self, slot: Slot) -> None:
        """The wait of a receive is over (ESM-082)."""
        self.empty += 1
        self.requests += 1
        asked = slot.asked
        self.returned(slot)
        slot.asked = asked
        if slot.state != "polling":
            return
        if len(self.slots) > self.n:
            self.slots.remove(slot)  # S6
        elif self.phase == "active" and len(self.slots) > self.initial:
            self.slots.remove(slot)  # S7
            self.set_target(max(float(self.initial), self.target - 1))

    def poll(self, slot: Slot) -> None:
        """C5."""
        if self.status == "Disabling":
            self.slots.remove(slot)
            self.check_drained()
        else:
            slot.state = "polling"
            self.ask(slot)
            self.serve()

    # ---- invocations

    def close(self, slot: Slot) -> None:
        if slot.state == "gathering":
            slot.state = "closed"
            self.work.append(lambda: self.attempt(slot))  # ESM-130

    def attempt(self, slot: Slot) -> None:
        """C5."""
        self.attempts += 1
        self.invoked += len(slot.batch)
        if not self.has_function:
            self.give_up(slot)
            return
        if not self.admits():
            self.throttled(slot)
            return
        records = tuple((record.message.body, record.count) for record in slot.batch)
        self.runs.append((self.now_us, records))
        self.delivered.update({record.message.number for record in slot.batch})
        slot.outcome, slot.named = conduct(records)
        if self.duration_us > self.timeout_us:  # LAM-101
            slot.outcome = "sleeps"
        slot.state, slot.order, slot.function = "invoking", self.next_order(), self.function
        slot.due_us = self.now_us + (self.timeout_us if slot.outcome == "sleeps" else self.duration_us)  # ESM-135

    def give_up(self, slot: Slot) -> None:
        """ESM-152."""
        self.failed_events += len(slot.batch)
        self.drop(slot)
        if self.status != "Disabling":
            self.disable(self.changes if self.status == "Updating" else {}, 0)

    def admits(self) -> bool:
        """LAM-200, LAM-211."""
        self.admitted = [run for run in self.admitted if run[0] // SECOND_US == self.now_us // SECOND_US]
        if self.reserve is None:
            limit, requests = self.world.account, len([run for run in self.admitted if not run[2]])
            running = len(self.slots_that("invoking"))
        else:
            limit, requests = self.reserve, len([run for run in self.admitted if run[1] == self.function])
            running = len([slot for slot in self.slots_that("invoking") if slot.function == self.function])
        if running >= limit or requests >= REQUESTS_A_SECOND * limit:
            return False
        self.admitted.append((self.now_us, self.function, self.reserve is not None))
        return True

    def throttled(self, slot: Slot) -> None:
        self.finished += 1  # ESM-160
        self.failed += 1
        self.failed_events += len(slot.batch)  # ESM-280
        world = self.world
        retry_us = self.now_us + min(world.base_us * world.factor**slot.retries, world.max_delay_us)  # ESM-170
        left_us = min(record.deadline_us for record in slot.batch) - retry_us
        needed_us = self.timeout_us if world.drop_rule == "remaining_below_timeout" else 1  # ESM-172, ESM-174
        if left_us < needed_us or self.status == "Disabling":
            self.drop(slot)
        else:
            slot.state, slot.due_us, slot.order = "waiting", retry_us, self.next_order()
            slot.retries += 1

    def drop(self, slot: Slot) -> None:
        """ESM-173."""
        self.dropped += len(slot.batch)
        self.end_turn(slot)

    def retry(self) -> bool:
        """C5, before all else (ESM-171)."""
        due = [slot for slot in self.slots if slot.state == "waiting" and slot.due_us <= self.now_us]
        if not due:
            return False
        self.attempt(min(due, key=lambda slot: slot.order))
        return True

    def finish(self) -> bool:
        """C3: an invocation ends, timeouts last."""
        due = [slot for slot in self.slots_that("invoking") if slot.due_us <= self.now_us]
        if not due:
            return False
        slot = min(due, key=lambda slot: (slot.outcome == "sleeps", slot.order))
        slot.state = "done"
        self.finished += 1
        self.failed += slot.outcome in FUNCTION_ERRORS and not slot.reports  # ESM-160, ESM-163
        self.results.append(lambda: self.result(slot))
        return True

    def result(self, slot: Slot) -> None:
        """C4."""
        failing = list(range(len(slot.batch)))
        if slot.outcome == "fine" or (slot.outcome not in FUNCTION_ERRORS and not slot.reports):
            failing = []  # ESM-131, ESM-190
        elif slot.outcome == "names":
            named = {slot.batch[place].message for place in slot.named}
            failing = [place for place in failing if slot.batch[place].message in named]  # ESM-094, ESM-194
        self.failed_events += len(failing)
        slot.previous_us = self.now_us
        self.deleted_events += self.delete([r for place, r in enumerate(slot.batch) if place not in failing])
        self.serve()  # SQS-277
        self.end_turn(slot)

    def end_turn(self, slot: Slot) -> None:
        slot.batch = []
        if self.status == "Disabling":
            self.slots.remove(slot)
            self.check_drained()
        elif len(self.slots) > self.n:
            self.slots.remove(slot)  # S6
        else:
            slot.state = "starting"
            self.work.append(lambda: self.poll(slot))

    # ---- scaling

    @property
    def is_ticking(self) -> bool:
        return self.phase == "active" and self.status != "Disabling"

    def set_target(self, target: float) -> None:
        self.target = round(float(target), 6)  # ESM-100

    def make_slots(self) -> None:
        while len(self.slots) < self.n:
            self.made += 1
            slot = Slot(self.made)
            self.slots.append(slot)
            self.work.append(lambda slot=slot: self.poll(slot))

    def start(self, given: dict[str, Any]) -> None:
        """S1, C4."""
        self.complete("Enabled", given)
        self.become_idle()
        self.make_slots()

    def become_active(self) -> None:
        """S2."""
        self.phase, self.active_us = "active", self.now_us
        self.growth_ticks = self.control_ticks = self.finished = self.failed = 0
        self.set_target(max(self.target, self.initial))
        self.make_slots()

    def become_idle(self) -> None:
        self.phase, self.idle_us, self.is_saving = "idle", self.now_us, False
        self.set_target(self.initial)

    def check_drained(self) -> None:
        if self.status == "Disabling" and not self.slots and self.now_us >= self.drained_from_us:
            self.phase = "stopped"
            self.results.append(self.stop)

    def stop(self) -> None:
        """C4."""
        if self.status == "Disabling":
            self.complete("Disabled", self.changes)

    def growth_us(self, k: int) -> int:
        """ESM-102."""
        if self.world.ramp == "step":
            return self.active_us + k * MINUTE_US
        return self.active_us + k * MINUTE_US // self.world.step_per_minute

    def control_us(self, k: int) -> int:
        return self.active_us + k * self.world.period_us

    def control(self) -> bool:
        """S5, C4, before all else."""
        world = self.world
        if not self.is_ticking or not world.backs_off or self.control_us(self.control_ticks + 1) > self.now_us:
            return False
        self.control_ticks += 1
        if self.failed:
            f = self.failed / self.finished
            lower = self.target * (1 - world.strength * f**world.exponent)
            self.set_target(max(min(world.floor, self.cap), lower))  # ESM-160
        self.finished = self.failed = 0
        return True

    def grow(self) -> bool:
        """S3, S4, C7."""
        world = self.world
        if not self.is_ticking or not world.step_per_minute:
            return False
        if self.growth_us(self.growth_ticks + 1) > self.now_us:
            return False
        self.growth_ticks += 1
        has_demand = self.is_receivable() if world.demand == "backlog" else self.has_received  # ESM-103
        self.has_received = False
        if has_demand and self.target < self.cap:
            step = world.step_per_minute if world.ramp == "step" else 1
            self.set_target(min(float(self.cap), self.target + step))
            self.make_slots()
        return True

    def rest(self) -> bool:
        """S8, C6."""
        if self.phase != "active" or self.status == "Disabling":
            return False
        if any(slot.state != "polling" for slot in self.slots):
            return False
        self.become_idle()
        return True

    # ---- the work of an instant

    def next_order(self) -> int:
        self.order += 1
        return self.order

    def next_result(self) -> bool:
        """C4."""
        return bool(self.results) and (self.results.pop(0)() or True)

    def next_work(self) -> bool:
        """C5."""
        return bool(self.work) and (self.work.pop(0)() or True)
