"""
Queues of all kinds agree with `tests.property.sqs_model`, whatever is done to them and whenever somebody looks.

Time steps to the instants at which something changes, and one microsecond beside them. Some rules are one call; what
needs several calls at the right instants to happen at all is a scene, with whatever it leaves open drawn.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from lambdasim import SqsConfig
from lambdasim.units import seconds
from tests.property.sqs_machine import BothSides, redrive_policy
from tests.property.sqs_model import MINUTE_US, Handle
from tests.strategies import batch_limits, delays_s, durations_us, waits_s

timeouts_s = st.sampled_from((0, 0, 1, 2, 5, 30, 100, 43_199, 43_200))  # 12 h succeed only at the delivery's instant
retentions_s = st.sampled_from(("60", "61", "120", "900", "900", "86400"))
attribute_values = {
    "DelaySeconds": st.sampled_from(("0", "0", "1", "5")),
    "MessageRetentionPeriod": retentions_s,
    "ReceiveMessageWaitTimeSeconds": st.sampled_from(("0", "0", "2")),
    "VisibilityTimeout": st.sampled_from(("0", "1", "5", "30")),
}
scopes = ("queue", "messageGroup")
fifo_attribute_values = {
    "ContentBasedDeduplication": st.sampled_from(("true", "true", "false")),
    "DeduplicationScope": st.sampled_from(scopes),
}
usual = st.fixed_dictionaries(attribute_values)
usual_fifo = st.fixed_dictionaries({**attribute_values, **fifo_attribute_values})
changes = st.fixed_dictionaries({}, optional=attribute_values)
fifo_changes = st.fixed_dictionaries({}, optional={**attribute_values, **fifo_attribute_values})
configurations = st.fixed_dictionaries(
    {},
    optional={
        "inflight_limit_standard": st.sampled_from((1, 3)),
        "inflight_limit_fifo": st.sampled_from((1, 3)),
        "fifo_scan_window": st.sampled_from((1, 2, 4)),
        "requeue_to_back_after": st.sampled_from((1, None)),
        "overlimit": st.just("empty"),
        "stale_delete": st.just("delete"),
        "stale_change_visibility": st.just("error"),
        "strict_not_inflight": st.just(True),
        "visibility_total_base": st.just("first_receive"),
        "purge_interval_s": st.just(7),
        "dedup_window_s": st.just(7),
        "dedup_scope_propagation_s": st.sampled_from((0, 2)),
        "fifo_batch_atomic": st.just(False),
        "fair_queues": st.just("off"),
    },
)
carried = st.sampled_from(
    (
        None,
        None,
        None,
        {"k": {"DataType": "String", "StringValue": "x"}},
        {"k.2": {"DataType": "Number.int", "StringValue": "7"}, "b": {"DataType": "Binary", "BinaryValue": b"\0"}},
    )
)
traces = st.sampled_from((None, None, None, "Root=1-5759e988-bd862e3fe1be46a994272793"))
deduplication_ids = st.sampled_from((None, "d", "e"))
groups = st.sampled_from(("g", "g", "g", "h", "h", "i", "j"))
tenants = st.sampled_from((None, None, "g", "h"))
texts = st.sampled_from((None, None, "x", "y"))  # None: one that was not sent before
big = "ü" * 40_000  # billed as two requests
message_delays_s = st.none() | st.sampled_from((0, 1, 2)) | delays_s
attempts = st.sampled_from((None, None, "r1", "r2"))
asked = st.tuples(
    st.sampled_from((("All",), ("All",), (), ("SentTimestamp", "MessageGroupId", "AWSTraceHeader"))),
    st.sampled_from(((), ("All",), ("k.*",), ("k", "nothing"), ("b", ".*"))),
)
counts = st.integers(1, 3)
rates = st.sampled_from((None, 1, 1, 2, 3, 500))
what_happens_to_tasks = st.sampled_from(
    ("nothing", "delete its source", "delete its destination", "start", "cancel", "cancel", "send", "send")
)
offsets_us = st.sampled_from((0, 0, -1, 1))
management = st.sampled_from(
    ("attributes", "attributes", "attributes", "policy", "policy", "purge", "create", "delete", "find", "get")
)
scenes = (
    "wear_out",
    "wear_out",
    "work",
    "work",
    "send_again",
    "repeat_a_receive",
    "repeat_a_receive",
    "poll_what_moves_back",
    "delete_and_create",
    "change_the_delay",
    "drain",
    "purge_twice",
    "expire_in_flight",
    "many_groups",
)


class QueuesAgreeWithModel(BothSides):
    """A chain of dead-letter queues, a queue that is its own, and one that belongs to nobody."""

    names: tuple[str, ...] = ()
    targets: dict[str, str] = {}  # noqa: RUF012 - dead-letter queues by source
    scenes = scenes

    @initialize(data=st.data(), is_plain=st.booleans())
    def make(self, data, is_plain) -> None:
        self.begin()
        self.bodies = 0
        for name in reversed(self.names):
            attributes = data.draw(usual_fifo if name.endswith(".fifo") else usual, label=f"attributes of {name}")
            self.configs[name] = SqsConfig(**({} if is_plain else data.draw(configurations, label="settings")))
            if name in self.targets and self.targets[name] != name:
                attributes["RedrivePolicy"] = redrive_policy(self.targets[name], data.draw(counts, label="receives"))
            self.create_queue(name, attributes)
            if self.targets.get(name) == name:
                self.set_queue_attributes(name, {"RedrivePolicy": redrive_policy(name, data.draw(counts))})

    # ---- what is drawn

    def source(self, data) -> str:
        """Mostly the first queue, which feeds the others."""
        return data.draw(st.sampled_from((*[self.names[0]] * 4, *self.names)))

    def new_body(self) -> str:
        self.bodies += 1
        return f"m{self.bodies}"

    def entry(self, data, name, *, may_fail=True) -> dict[str, Any]:
        """What is sent; with at most one mistake."""
        found = {"message_body": data.draw(texts) or self.new_body()}
        found["message_attributes"] = data.draw(carried)
        found["trace"] = data.draw(traces)
        mistakes = [{"message_body": ""}, {"message_body": "\0"}, {"message_body": big}]
        if name.endswith(".fifo"):
            found["message_group_id"] = data.draw(groups)
            found["message_deduplication_id"] = data.draw(deduplication_ids)
            found["delay_seconds"] = data.draw(st.sampled_from((None, None, 0)))
            mistakes += [{"message_group_id": None}, {"delay_seconds": 1}]
        else:
            found["message_group_id"] = data.draw(tenants)
            found["delay_seconds"] = data.draw(message_delays_s)
            mistakes += [{"delay_seconds": 901}, {"message_deduplication_id": "d"}]
        if may_fail and not data.draw(st.integers(0, 9)):
            found.update(data.draw(st.sampled_from(mistakes)))
        return {key: value for key, value in found.items() if value is not None}

    def attempt(self, data, name) -> str | None:
        is_odd = not name.endswith(".fifo") and data.draw(st.integers(0, 9))
        return None if is_odd else data.draw(attempts)

    def handle(self, data) -> Handle:
        """Mostly a late one; sometimes one that nobody issued."""
        which = data.draw(st.sampled_from((0, 0, 0, 1, 1, 2, 2, 3, 4, 6, 9, 13, None)))
        if which is None:
            return Handle("", None, 0, "made up")
        return self.handles[-1 - which % len(self.handles)]

    def place(self, data, handle) -> str:
        """Mostly where it belongs."""
        is_elsewhere = handle.message is None or not data.draw(st.integers(0, 15))
        return data.draw(st.sampled_from(self.names)) if is_elsewhere else handle.queue

    # ---- rules of one call

    @rule(data=st.data(), what=management)
    def manage(self, data, what) -> None:
        """One rule for all that concerns a queue, so that messages have the others."""
        name = data.draw(st.sampled_from(self.names))
        attributes = data.draw(fifo_changes if name.endswith(".fifo") else changes)
        if what == "attributes" and attributes:
            self.set_queue_attributes(name, attributes)
        elif what == "policy":
            target = data.draw(st.sampled_from((*[self.targets.get(name, name)] * 4, *self.names)))
            policy = redrive_policy(target, data.draw(counts)) if data.draw(st.integers(0, 3)) else ""
            self.set_queue_attributes(name, {"RedrivePolicy": policy})
        elif what == "purge":
            self.purge_queue(name)
        elif what == "create":
            self.create_again(data, name, attributes)
        elif what == "delete":
            self.delete_queue(data.draw(st.sampled_from((name, *[self.names[-1]] * 3))))
        elif what == "find":
            self.find_queues(name, data.draw(st.sampled_from(("", "a", "own", "x"))))
        else:
            self.get_queue_attributes(name)

    def create_again(self, data, name, attributes) -> None:
        if name in self.model.queues and data.draw(st.booleans()):
            current = self.model.queues[name].attributes
            attributes = {attribute: current[attribute] for attribute in attributes}
            target = self.model.policy_of(self.model.queues[name])
            if target is not None and target[0] in self.model.queues:
                attributes["RedrivePolicy"] = current["RedrivePolicy"].replace(" ", "  ")
        self.create_queue(name, attributes)

    @rule(data=st.data())
    def send(self, data) -> None:
        name = self.source(data)
        self.send_message(name, self.entry(data, name))

    @rule(data=st.data(), count=st.sampled_from((2, 3, 4, 0, 11)), is_distinct=st.sampled_from((True,) * 9 + (False,)))
    def send_batch(self, data, count, is_distinct) -> None:
        name = self.source(data)
        entries = [{"id": f"e{place}", **self.entry(data, name, may_fail=count < 10)} for place in range(count)]
        if not is_distinct and count:
            entries[-1]["id"] = data.draw(st.sampled_from(("e0", "", "no.dots")))
        self.send_message_batch(name, entries)

    @rule(data=st.data(), count=st.integers(2, 6))
    def send_several(self, data, count, name=None) -> None:
        """Without mistakes, so that something is there."""
        name = name or self.source(data)
        group = data.draw(st.none() | groups)
        for _ in range(count):
            entry = {"message_body": self.new_body()}
            if name.endswith(".fifo"):
                entry["message_group_id"] = group or data.draw(groups)
                entry["message_deduplication_id"] = entry["message_body"]
            self.send_message(name, entry)

    @rule(data=st.data(), limit=batch_limits, timeout_s=st.none() | timeouts_s, names=asked)
    def receive(self, data, limit, timeout_s, names) -> None:
        name = self.source(data)
        self.receive_message(name, limit=limit, timeout_s=timeout_s, attempt=self.attempt(data, name), names=names)

    @rule(data=st.data(), limit=batch_limits, timeout_s=st.none() | timeouts_s, wait_s=st.none() | st.integers(1, 20))
    def blocking_receive(self, data, limit, timeout_s, wait_s) -> None:
        name = self.source(data)
        attempt = self.attempt(data, name)
        self.receive_message(name, limit=limit, timeout_s=timeout_s, wait_s=wait_s, attempt=attempt)

    @rule(data=st.data(), limit=batch_limits, timeout_s=st.none() | timeouts_s, wait_s=st.none() | waits_s, names=asked)
    def poll(self, data, limit, timeout_s, wait_s, names) -> None:
        name = self.source(data)
        attempt = self.attempt(data, name)
        self.begin_poll(name, limit=limit, timeout_s=timeout_s, wait_s=wait_s, attempt=attempt, names=names)

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 15))
    def cancel(self, which) -> None:
        self.cancel_poll(self.waiting[which % len(self.waiting)])

    @precondition(lambda self: self.handles)
    @rule(data=st.data())
    def delete(self, data) -> None:
        handle = self.handle(data)
        self.delete_message(self.place(data, handle), handle)

    @precondition(lambda self: self.handles)
    @rule(data=st.data(), timeout_s=timeouts_s | st.sampled_from((-1, 43_201)))
    def change_visibility(self, data, timeout_s) -> None:
        handle = self.handle(data)
        self.change_message_visibility(self.place(data, handle), handle, timeout_s)

    @precondition(lambda self: self.handles)
    @rule(data=st.data(), count=st.sampled_from((2, 3, 3, 10, 0)))
    def delete_batch(self, data, count) -> None:
        handles = [self.handle(data) for _ in range(count)]
        self.delete_message_batch(self.place(data, handles[0] if handles else self.handles[-1]), handles)

    @precondition(lambda self: self.handles)
    @rule(data=st.data(), timeouts=st.lists(timeouts_s | st.just(43_201), min_size=1, max_size=4))
    def change_visibility_batch(self, data, timeouts) -> None:
        handles = [self.handle(data) for _ in timeouts]
        self.change_message_visibility_batch(self.place(data, handles[0]), handles, timeouts)

    @rule(data=st.data(), what=st.sampled_from(("start", "start", "cancel", "list")))
    def move_tasks(self, data, what) -> None:
        if what == "start":
            source = data.draw(st.sampled_from((*[self.targets[self.names[0]]] * 3, *self.names)))
            self.start_move_task(source, data.draw(st.none() | st.sampled_from(self.names)), data.draw(rates))
        elif what == "list":
            self.list_move_tasks(data.draw(st.sampled_from(self.names)), data.draw(st.sampled_from((None, 2, 10))))
        elif self.tasks:
            self.cancel_move_task(self.tasks[-1 - data.draw(st.integers(0, 2)) % len(self.tasks)])

    @rule(which=st.sampled_from((0, 0, 1, 1, 2, 3, 5)), off_us=offsets_us)
    def time_passes_to_a_boundary(self, which, off_us) -> None:
        ahead = self.model.boundaries_us()
        if ahead:
            self.pass_time(ahead[min(which, len(ahead) - 1)] + off_us)

    @rule(elapsed_us=durations_us(seconds(11)))
    def time_passes(self, elapsed_us) -> None:
        self.pass_time(self.model.now_us + elapsed_us)

    def time_passes_to_the_end_of_a_minute(self, data) -> None:
        self.pass_time((self.model.now_us // MINUTE_US + 1) * MINUTE_US + data.draw(offsets_us))

    # ---- scenes

    @rule(data=st.data())
    def scene(self, data) -> None:
        name = self.source(data)
        for missing in self.names:
            if missing not in self.model.queues and data.draw(st.booleans()):
                self.create_deleted(data, missing)
        getattr(self, data.draw(st.sampled_from(self.scenes)))(data, name)

    @rule(data=st.data())
    def another_scene(self, data) -> None:
        """The same, so that it comes more often."""
        self.scene(data=data)

    def wait(self, data, *seconds_from_now) -> None:
        """To one of these instants, or right beside it."""
        self.pass_time(
            self.model.now_us + seconds(data.draw(st.sampled_from(seconds_from_now))) + data.draw(offsets_us)
        )

    def wear_out(self, data, name) -> None:
        """Receive again and again, until a policy acts or messages go to the back of the queue."""
        limit, timeout_s = data.draw(st.sampled_from((1, 2, 10))), data.draw(st.sampled_from((0, 0, 1)))
        for _ in range(data.draw(st.integers(1, 4))):
            self.receive_message(name, limit=limit, timeout_s=timeout_s)
            if timeout_s and data.draw(st.integers(0, 3)):
                self.wait(data, 1)
        if data.draw(st.booleans()):
            self.receive_message(name, limit=limit, timeout_s=timeout_s, wait_s=data.draw(st.sampled_from((1, 20))))

    def work(self, data, name) -> None:
        """Receive, and do something with each message at some time."""
        limit, timeout_s = data.draw(batch_limits), data.draw(st.sampled_from((None, 1, 5, 30)))
        for handle in self.receive_message(name, limit=limit, timeout_s=timeout_s):
            what = data.draw(st.sampled_from(("delete", "delete", "release", "extend", "wait", "leave")))
            if what == "delete":
                self.delete_message(name, handle)
            elif what == "release":
                self.change_message_visibility(name, handle, 0)
            elif what == "extend":
                self.change_message_visibility(name, handle, data.draw(timeouts_s))
            elif what == "wait":
                self.pass_time(handle.message.deadline_us + data.draw(offsets_us))

    def send_again(self, data, name) -> None:
        """The same once more and again: on FIFO queues duplicates, or not; the scope may change meanwhile."""
        entry = self.entry(data, name, may_fail=False)
        for _ in range(data.draw(st.integers(2, 4))):
            self.send_message(name, entry)
            what = data.draw(st.sampled_from(("nothing", "work", "purge", "group", "scope", "scope", "poll")))
            if what == "work":
                self.work(data, name)
            elif what == "purge":
                self.purge_queue(name)
            elif what == "poll":
                self.begin_poll(name, limit=1, timeout_s=0, wait_s=20)
            elif what == "group" and "message_group_id" in entry:
                entry = {**entry, "message_group_id": data.draw(groups)}
            elif what == "scope" and name.endswith(".fifo"):
                self.set_queue_attributes(name, {"DeduplicationScope": data.draw(st.sampled_from(scopes))})
            queue = self.model.queues.get(name)
            ends_us = [] if queue is None else [*queue.window_ends_us(), *(from_us for from_us, _ in queue.scopes)]
            later_us = [end_us for end_us in ends_us if end_us > self.model.now_us]
            if later_us and data.draw(st.integers(0, 3)):
                self.pass_time(data.draw(st.sampled_from(later_us)) + data.draw(offsets_us))

    def repeat_a_receive(self, data, name) -> None:
        """With one attempt id; what happens meanwhile decides what the repetition is (SQS-360 to SQS-363)."""
        fifo = [other for other in self.names if other.endswith(".fifo")]
        name = name if name in fifo or not fifo else data.draw(st.sampled_from(fifo))
        if data.draw(st.booleans()):
            self.send_message(name, self.entry(data, name))
            self.send_several(data=data, count=2, name=name)
        handles: list[Handle] = []
        for _ in range(data.draw(st.integers(2, 4))):
            timeout_s = data.draw(st.sampled_from((0, 5, 400, 400, None)))
            handles += self.receive_message(name, limit=3, timeout_s=timeout_s, attempt="r")
            what = data.draw(st.sampled_from(("nothing", "nothing", "delete", "change", "receive", "poll")))
            if what == "delete" and handles:
                self.delete_message(name, data.draw(st.sampled_from(handles)))
            elif what == "change" and handles:
                timeout_s = data.draw(st.sampled_from((0, 1, 43_199, 43_200, 43_200)))
                self.change_message_visibility(name, data.draw(st.sampled_from(handles)), timeout_s)
            elif what == "receive":
                self.receive_message(name, limit=1, timeout_s=5)
            elif what == "poll":
                self.begin_poll(name, limit=1, timeout_s=5, wait_s=20)
            queue = self.model.queues.get(name)
            ends_us = [] if queue is None else [attempt.first_us + seconds(300) for attempt in queue.attempts]
            if ends_us and data.draw(st.booleans()):
                self.pass_time(ends_us[-1] + data.draw(offsets_us))
            else:
                self.wait(data, 0, 0, 1, 5)

    def poll_what_moves_back(self, data, name) -> None:
        """A queue that is its own dead-letter queue: a receive does not look again, a poll in line does (SQS-107)."""
        self.set_queue_attributes(name, {"RedrivePolicy": redrive_policy(name, data.draw(counts)), "DelaySeconds": "0"})
        self.send_several(data=data, count=2, name=name)
        for _ in range(data.draw(st.integers(1, 3))):
            self.receive_message(name, limit=10, timeout_s=data.draw(st.sampled_from((0, 0, 1))))
        if data.draw(st.booleans()):
            self.begin_poll(name, limit=1, timeout_s=0, wait_s=20)
        self.receive_message(name, limit=1, timeout_s=1, wait_s=data.draw(st.sampled_from((0, 2))))
        self.wait(data, 1)

    def delete_and_create(self, data, _name) -> None:
        name = data.draw(st.sampled_from((*self.names[1:], self.names[-1], self.names[-1])))
        if data.draw(st.booleans()):
            self.begin_poll(name, limit=1, timeout_s=None, wait_s=20)
        if name in self.model.queues:
            self.delete_queue(name)
        self.find_queues(name, "")
        self.create_deleted(data, name)

    def create_deleted(self, data, name) -> None:
        """As soon as its name is free, or a little sooner or later (SQS-043)."""
        self.pass_time(self.model.deleted_us[name] + seconds(60) + data.draw(offsets_us))
        attributes = data.draw(usual_fifo if name.endswith(".fifo") else usual)
        target = self.targets.get(name)
        if target in self.model.queues and target != name:
            attributes["RedrivePolicy"] = redrive_policy(target, data.draw(counts))
        self.create_queue(name, attributes)

    def change_the_delay(self, data, name) -> None:
        """Retroactive on FIFO queues, and only there (SQS-092)."""
        self.set_queue_attributes(name, {"DelaySeconds": data.draw(st.sampled_from(("2", "5")))})
        self.send_several(data=data, count=2, name=name)
        self.pass_time(self.model.now_us + data.draw(durations_us(seconds(3))))
        self.send_several(data=data, count=1, name=name)
        if data.draw(st.booleans()):
            self.begin_poll(name, limit=2, timeout_s=5, wait_s=20)
        self.set_queue_attributes(name, {"DelaySeconds": data.draw(st.sampled_from(("0", "1", "2", "4", "9")))})
        self.time_passes_to_a_boundary(which=0, off_us=data.draw(st.sampled_from((-1, 0))))
        self.receive_message(name, limit=10, timeout_s=5, wait_s=data.draw(st.sampled_from((0, 20))))

    def drain(self, data, _name) -> None:
        """Fill a dead-letter queue, start a task, and interfere."""
        first = data.draw(st.sampled_from(tuple(self.targets)))
        name = self.targets[first]
        self.set_queue_attributes(first, {"RedrivePolicy": redrive_policy(name, 1)})
        self.send_several(data=data, count=data.draw(st.integers(1, 5)), name=first)
        for _ in range(2):
            self.receive_message(first, limit=10, timeout_s=0)
        if data.draw(st.booleans()):
            self.send_several(data=data, count=2, name=name)
        if data.draw(st.booleans()):
            self.receive_message(name, limit=1, timeout_s=data.draw(st.sampled_from((1, 5))))
        destination = data.draw(st.sampled_from((None, None, None, *self.names)))
        self.start_move_task(name, destination, data.draw(rates))
        then = data.draw(what_happens_to_tasks)
        for _ in range(data.draw(st.integers(0, 3))):
            self.time_passes_to_a_boundary(which=data.draw(st.integers(0, 1)), off_us=data.draw(offsets_us))
        if then == "delete its source":
            self.delete_queue(name)
        elif then == "delete its destination":
            self.delete_queue(destination or first)
        elif then == "start":
            self.start_move_task(name, destination, 1)
        elif then == "cancel" and self.tasks:
            self.cancel_move_task(self.tasks[-1])
        elif then == "send":
            self.send_several(data=data, count=2, name=name)
        self.pass_time(self.model.now_us + data.draw(durations_us(seconds(5))))
        self.list_move_tasks(name, 10)

    def purge_twice(self, data, name) -> None:
        """The second one succeeds no sooner than a while after the first (SQS-481)."""
        self.send_several(data=data, count=2, name=name)
        self.receive_message(name, limit=1, timeout_s=30)
        self.purge_queue(name)
        self.wait(data, 7, 60, 60)
        self.send_several(data=data, count=2, name=name)
        self.purge_queue(name)

    def expire_in_flight(self, data, name) -> None:
        """What waits behind a message in flight comes when retention takes that one (SQS-401)."""
        self.set_queue_attributes(name, {"MessageRetentionPeriod": "60", "DelaySeconds": "0"})
        group = data.draw(groups)
        for elapsed_s in (0, 10):
            self.pass_time(self.model.now_us + seconds(elapsed_s))
            entry = {"message_body": self.new_body()}
            if name.endswith(".fifo"):
                entry |= {"message_group_id": group, "message_deduplication_id": entry["message_body"]}
            self.send_message(name, entry)
            self.receive_message(name, limit=1, timeout_s=400)
        self.wait(data, 45)
        if data.draw(st.booleans()):
            retention_s = data.draw(st.sampled_from(("61", "900")))
            self.set_queue_attributes(name, {"MessageRetentionPeriod": retention_s})
        self.receive_message(name, limit=data.draw(st.integers(1, 3)), timeout_s=5, wait_s=20)

    def many_groups(self, data, name) -> None:
        """More groups than a scan window takes in (SQS-331); some are worn out."""
        for group in "ghijk":
            entry = {"message_body": self.new_body(), "message_group_id": group}
            if name.endswith(".fifo"):
                entry["message_deduplication_id"] = entry["message_body"]
            self.send_message(name, entry)
        for _ in range(data.draw(st.integers(2, 5))):
            timeout_s = data.draw(st.sampled_from((0, 0, 0, 5)))
            self.receive_message(name, limit=data.draw(st.sampled_from((1, 2, 4, 10))), timeout_s=timeout_s)


class StandardQueuesAgree(QueuesAgreeWithModel):
    names = ("a", "b", "c", "own", "spare")
    targets = {"a": "b", "b": "c", "own": "own"}  # noqa: RUF012
    scenes = (*scenes, "be_loud", "be_loud", "come_again", "come_again")

    def be_loud(self, data, name) -> None:
        """Most of what is in flight is one tenant's: it may be noisy from here on (SQS-311 to SQS-313)."""
        for _ in range(data.draw(st.sampled_from((0, 0, 0, 0, 0, 0, 27)))):  # others who are as busy, ten at a time
            self.send_message_batch(name, [{"id": f"e{n}", "message_body": self.new_body()} for n in range(10)])
        source = {target: source for source, target in self.targets.items()}.get(name, name)
        way = data.draw(st.sampled_from((name, name, source)))
        loud = data.draw(st.integers(30, 33))
        if way != name:
            self.set_queue_attributes(way, {"RedrivePolicy": redrive_policy(name, 1)})
        for _ in range(loud):
            self.send_message(way, {"message_body": self.new_body(), "message_group_id": "loud", "delay_seconds": 0})
        for _ in range(10 if way != name else 0):
            self.receive_message(way, limit=10, timeout_s=0)
        for _ in range(data.draw(st.integers(3, 4))):
            self.receive_message(name, limit=10, timeout_s=400)
        for _ in range(len(self.model.messages_in(name, "visible")) // 10 - 3):
            self.receive_message(name, limit=10, timeout_s=400)
        for group in ("loud", "h", None):
            entry = {"message_body": self.new_body(), "message_group_id": group}
            entry["delay_seconds"] = data.draw(st.sampled_from((0, 0, 2, 900)))
            if data.draw(st.booleans()):
                self.send_message(name, {key: value for key, value in entry.items() if value is not None})
        if data.draw(st.booleans()):
            self.time_passes_to_the_end_of_a_minute(data)
        if data.draw(st.booleans()):
            self.wait(data, 2, 300)
        timeout_s = data.draw(st.sampled_from((0, 5)))
        self.receive_message(name, limit=data.draw(st.integers(1, 10)), timeout_s=timeout_s)

    def come_again(self, data, name) -> None:
        """Let SQS deliver a message a second time that is in flight."""
        self.receive_message(name, limit=3, timeout_s=30)
        flying = self.model.messages_in(name, "in flight")
        if flying:
            self.redeliver(name, data.draw(st.sampled_from(flying)))


class FifoQueuesAgree(QueuesAgreeWithModel):
    names = ("a.fifo", "b.fifo", "c.fifo", "own.fifo", "spare.fifo")
    targets = {"a.fifo": "b.fifo", "b.fifo": "c.fifo", "own.fifo": "own.fifo"}  # noqa: RUF012


class MixedQueuesAgree(QueuesAgreeWithModel):
    names = ("a", "b", "a.fifo", "b.fifo")
    targets = {"a": "b", "a.fifo": "b.fifo"}  # noqa: RUF012


TestStandardQueuesAgree = StandardQueuesAgree.TestCase
TestFifoQueuesAgree = FifoQueuesAgree.TestCase
TestMixedQueuesAgree = MixedQueuesAgree.TestCase
TestFifoQueuesAgree.settings = settings(max_examples=settings().max_examples * 3 // 2)
