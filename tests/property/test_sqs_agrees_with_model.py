"""
Queues of all kinds agree with `tests.property.sqs_model`, whatever is done to them and whenever somebody looks.

Time steps to the instants at which something changes, and one microsecond beside them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lambdasim import Simulation, SqsConfig
from lambdasim.errors import SqsError
from lambdasim.units import seconds
from tests.property.sqs_model import (
    ARN,
    MINUTE_US,
    SECOND_US,
    URL,
    Given,
    Handle,
    Model,
    ModelQueue,
    Msg,
    RefusedError,
    Sent,
    Task,
    digest,
    digest_of_attributes,
)
from tests.strategies import batch_limits, delays_s, durations_us, waits_s

COUNTED = ("sent", "received", "deleted", "expired", "moved", "arrived", "purged", "redriven")
SUMS = (
    ("NumberOfMessagesSent", "sent"),
    ("NumberOfMessagesReceived", "received"),
    ("NumberOfMessagesDeleted", "delete"),
    ("NumberOfEmptyReceives", "empty"),
)
GAUGES = (
    "ApproximateNumberOfMessagesVisible",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateAgeOfOldestMessage",
)
FAIR_GAUGES = (
    "ApproximateNumberOfNoisyGroups",
    "ApproximateNumberOfMessagesVisibleInQuietGroups",
    "ApproximateNumberOfMessagesNotVisibleInQuietGroups",
    "ApproximateNumberOfMessagesDelayedInQuietGroups",
    "ApproximateAgeOfOldestMessageInQuietGroups",
)


@dataclass(eq=False)
class Waiting:
    """A process that polls, what it was answered, and what it should be."""

    process: Any
    queue: ModelQueue | None
    names: tuple[tuple[str, ...], tuple[str, ...]]
    answers: list[Any]
    expected: list[Any]


# ---- values

timeouts_s = st.sampled_from((0, 0, 1, 2, 5, 30, 100, 43_199, 43_200))  # 12 h succeed only at the delivery's instant
retentions_s = st.sampled_from(("60", "61", "120", "900", "900", "86400"))
booleans = st.sampled_from(("true", "false"))
attribute_values = {
    "DelaySeconds": st.sampled_from(("0", "0", "1", "5")),
    "MessageRetentionPeriod": retentions_s,
    "ReceiveMessageWaitTimeSeconds": st.sampled_from(("0", "0", "2")),
    "VisibilityTimeout": st.sampled_from(("0", "1", "5", "30")),
}
fifo_attribute_values = {
    "ContentBasedDeduplication": st.sampled_from(("true", "true", "false")),
    "DeduplicationScope": st.sampled_from(("queue", "messageGroup")),
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
choices = st.integers(0, 15)
rates = st.sampled_from((None, 1, 1, 2, 3, 500))
what_happens_to_tasks = st.sampled_from(
    ("nothing", "delete its source", "delete its destination", "start", "cancel", "cancel", "send", "send")
)
management = st.sampled_from(
    (
        "change_attributes",
        "change_attributes",
        "change_attributes",
        "change_policy",
        "change_policy",
        "purge",
        "create_again",
        "delete_queue",
        "find_queues",
        "get_queue_attributes",
    )
)


def error_of(call):
    """Return what a call answers and the error that it raises, one of them None."""
    try:
        return call(), None
    except SqsError as error:
        return None, error


class QueuesAgreeWithModel(RuleBasedStateMachine):
    """A chain of dead-letter queues, a queue that is its own, and one that belongs to nobody."""

    names: tuple[str, ...] = ()
    targets: dict[str, str] = {}  # noqa: RUF012 - dead-letter queues by source

    # ---- the beginning

    @initialize(data=st.data(), is_plain=st.booleans())
    def make(self, data, is_plain) -> None:
        self.sim, self.model = Simulation(), Model()
        self.queues: dict[str, Any] = {}
        self.configs: dict[str, SqsConfig] = {}
        self.remade: set[str] = set()
        self.bodies = 0
        self.handles: list[Handle] = []
        self.tasks: list[Task] = []
        self.waiting: list[Waiting] = []
        self.ids: dict[int, str] = {}  # what stands for each number of the model
        self.numbers: dict[str, int] = {}
        self.sequences: dict[ModelQueue, dict[int, str]] = {}
        self.seen: list[Any] = []  # deliveries, to look at once more in the end
        for name in reversed(self.names):
            attributes = data.draw(usual_fifo if name.endswith(".fifo") else usual, label=f"attributes of {name}")
            self.configs[name] = SqsConfig(**({} if is_plain else data.draw(configurations, label="settings")))
            if name in self.targets and self.targets[name] != name:
                attributes["RedrivePolicy"] = self.policy(self.targets[name], data.draw(counts, label="receives"))
            self.create_queue(name, attributes)
            if self.targets.get(name) == name:
                self.set_queue_attributes(name, {"RedrivePolicy": self.policy(name, data.draw(counts))})

    def policy(self, target, count) -> str:
        return json.dumps({"deadLetterTargetArn": ARN + target, "maxReceiveCount": count})

    # ---- both sides

    def settle(self) -> None:
        """Let processes that were just started or woken run at this instant."""
        self.sim.run(until_us=self.sim.now_us)

    def both(self, ours, model):
        """Make a call on both sides; return both answers, or None if both refuse it with the same words."""
        expected = refusal = None
        try:
            expected = model()
        except RefusedError as error:
            refusal = error
        answer, error = error_of(ours)
        self.settle()
        if refusal is not None or error is not None:
            self.compare_errors(error, refusal)
            return None
        return answer, expected

    def compare_errors(self, error, refusal) -> None:
        assert error is not None, f"not refused, but should be: {refusal.text}"
        assert refusal is not None, f"refused, but should not be: {error.message}"
        assert (error.code, error.message) == (refusal.code, refusal.text)

    def compare_id(self, text, number) -> None:
        assert self.ids.setdefault(number, text) == text
        assert self.numbers.setdefault(text, number) == number

    def compare_sequence(self, queue, text, seq) -> None:
        known = self.sequences.setdefault(queue, {})
        if seq not in known:
            assert len(text) == 20
            assert text.isdigit()
            assert all((seq < other) == (text < other_text) for other, other_text in known.items())
        assert known.setdefault(seq, text) == text

    def compare_sent(self, queue, answer, sent: Sent) -> None:
        self.compare_id(answer.message_id, sent.number)
        assert answer.md5_of_message_body == sent.md5_of_body
        assert answer.md5_of_message_attributes == sent.md5_of_attributes
        assert answer.md5_of_message_system_attributes == sent.md5_of_system_attributes
        if sent.seq is None:
            assert answer.sequence_number is None
        else:
            self.compare_sequence(queue, answer.sequence_number, sent.seq)

    def compare_deliveries(self, queue, answer, found, names) -> None:
        assert [delivery.body for delivery in answer] == [given.body for given in found]
        for delivery, given in zip(answer, found, strict=True):
            self.compare_delivery(queue, delivery, given, names)
            if not given.handle.text:
                given.handle.text = delivery.receipt_handle
                assert delivery.receipt_handle not in [handle.text for handle in self.handles]
                self.handles.append(given.handle)
            assert delivery.receipt_handle == given.handle.text
            self.seen.append((queue, delivery, given, names))

    def compare_delivery(self, queue, delivery, given: Given, names) -> None:
        self.compare_id(delivery.message_id, given.number)
        assert delivery.md5_of_body == digest(given.body)
        assert delivery.receive_count == given.count
        assert delivery.sent_at_us == given.sent_us
        assert delivery.first_received_at_us == given.first_us
        assert delivery.message_group_id == given.group
        system = given.system_attributes(SqsConfig().sender_id)
        if queue.is_fifo:
            self.compare_sequence(queue, delivery.sequence_number, given.seq)
            if isinstance(given.deduplication_id, int):
                self.compare_id(delivery.message_deduplication_id, given.deduplication_id)
            else:
                assert delivery.message_deduplication_id == given.deduplication_id
            system["SequenceNumber"] = delivery.sequence_number
            system["MessageDeduplicationId"] = delivery.message_deduplication_id
        else:
            assert delivery.sequence_number is None
            assert delivery.message_deduplication_id is None
        system_names, names_of_attributes = names
        wanted = system if "All" in system_names else {name: system[name] for name in system_names if name in system}
        assert delivery.attributes == wanted
        chosen = given.chosen_attributes(names_of_attributes)
        assert delivery.message_attributes == chosen
        assert delivery.md5_of_message_attributes == digest_of_attributes(chosen)

    def compare_answer(self, queue, answer, expected, names) -> None:
        """Of a receive: deliveries or an error, each with its instant."""
        assert answer[0] == expected[0]
        if isinstance(expected[1], RefusedError):
            self.compare_errors(answer[1] if isinstance(answer[1], SqsError) else None, expected[1])
        else:
            assert not isinstance(answer[1], SqsError), f"refused, but should not be: {answer[1]}"
            self.compare_deliveries(queue, answer[1], expected[1], names)

    # ---- queues

    def create_queue(self, name, attributes) -> None:
        config = self.configs[name]
        given = {**attributes, "FifoQueue": "true"} if name.endswith(".fifo") else attributes
        is_new = name not in self.model.queues
        if is_new and name in self.model.deleted_us:
            self.remade.add(name)
        answers = self.both(
            lambda: self.sim.create_queue(name, attributes=given, settings=[config] if is_new else ()),
            lambda: self.model.create(name, given, config),
        )
        if answers is not None:
            assert answers[0].url == URL + name
            assert is_new or answers[0] is self.queues[name]
            self.queues[name] = answers[0]

    @rule(data=st.data(), what=management)
    def manage(self, data, what) -> None:
        """One rule for all that concerns a queue, so that messages have the others."""
        getattr(self, what)(data, data.draw(st.sampled_from(self.names)))

    def create_again(self, data, name) -> None:
        is_equal = data.draw(st.booleans())
        attributes = data.draw(fifo_changes if name.endswith(".fifo") else changes)
        if is_equal and name in self.model.queues:
            current = self.model.queues[name].attributes
            attributes = {attribute: current[attribute] for attribute in attributes}
            target = self.model.policy_of(self.model.queues[name])
            if target is not None and target[0] in self.model.queues:
                attributes["RedrivePolicy"] = current["RedrivePolicy"].replace(" ", "  ")
        self.create_queue(name, attributes)

    def delete_queue(self, data, name) -> None:
        name = data.draw(st.sampled_from((name, *[self.names[-1]] * 3)))
        self.both(self.queues[name].delete_queue, lambda: self.model.delete_queue(name))

    def find_queues(self, data, name) -> None:
        prefix = data.draw(st.sampled_from(("", "a", "own", "x")))
        answers = self.both(lambda: self.sim.get_queue_url(name), lambda: self.model.get_queue_url(name))
        if answers is not None:
            assert answers[0].queue_url == answers[1]
        assert list(self.sim.list_queues(prefix).queue_urls) == self.model.list_queues(prefix)
        answers = self.both(
            self.queues[name].list_dead_letter_source_queues, lambda: self.model.list_dead_letter_source_queues(name)
        )
        if answers is not None:
            assert list(answers[0].queue_urls) == answers[1]

    def get_queue_attributes(self, _data, name) -> None:
        answers = self.both(
            lambda: self.queues[name].get_queue_attributes(["All"]), lambda: self.model.get_queue_attributes(name)
        )
        if answers is not None:
            assert answers[0].attributes == answers[1]

    def change_attributes(self, data, name) -> None:
        attributes = data.draw(fifo_changes if name.endswith(".fifo") else changes)
        if attributes:
            self.set_queue_attributes(name, attributes)

    def change_policy(self, data, name) -> None:
        count, is_removed = data.draw(counts), not data.draw(st.integers(0, 3))
        target = data.draw(st.sampled_from((*[self.targets.get(name, name)] * 4, *self.names)))
        self.set_queue_attributes(name, {"RedrivePolicy": "" if is_removed else self.policy(target, count)})

    def set_queue_attributes(self, name, attributes) -> None:
        self.both(
            lambda: self.queues[name].set_queue_attributes(attributes),
            lambda: self.model.set_queue_attributes(name, attributes),
        )

    def purge(self, _data, name) -> None:
        self.both(self.queues[name].purge_queue, lambda: self.model.purge(name))

    # ---- sending

    def entry(self, data, name, *, may_fail=True) -> dict[str, Any]:
        """What is sent; with at most one mistake."""
        body = data.draw(texts)
        if body is None:
            self.bodies += 1
            body = f"m{self.bodies}"
        found = {"message_body": body}
        if (attributes := data.draw(carried)) is not None:
            found["message_attributes"] = attributes
        if (trace := data.draw(traces)) is not None:
            found["trace"] = trace
        if name.endswith(".fifo"):
            found["message_group_id"] = data.draw(groups)
            if (deduplication_id := data.draw(deduplication_ids)) is not None:
                found["message_deduplication_id"] = deduplication_id
            found["delay_seconds"] = data.draw(st.sampled_from((None, None, 0)))
            mistakes = [{"message_body": ""}, {"message_body": "\0"}, {"message_group_id": None}, {"delay_seconds": 1}]
        else:
            found["message_group_id"] = data.draw(tenants)
            found["delay_seconds"] = data.draw(message_delays_s)
            mistakes = [{"message_body": ""}, {"message_body": "\0"}, {"delay_seconds": 901}]
            mistakes.append({"message_deduplication_id": "d"})
        if may_fail and not data.draw(st.integers(0, 9)):
            found.update(data.draw(st.sampled_from((*mistakes, {"message_body": big}))))
        return {key: value for key, value in found.items() if value is not None}

    def parameters(self, entry) -> dict[str, Any]:
        """An entry of the model in the words of the API."""
        found = dict(entry)
        trace = found.pop("trace", None)
        if trace is not None:
            found["message_system_attributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
        return found

    def draw_source(self, data) -> str:
        """Mostly the first queue, which feeds the others."""
        return data.draw(st.sampled_from((*[self.names[0]] * 4, *self.names)))

    @rule(data=st.data())
    def send(self, data) -> None:
        name = self.draw_source(data)
        entry = self.entry(data, name)
        self.both_send(self.model.queues.get(name), name, entry)

    @rule(data=st.data(), count=st.sampled_from((2, 3, 4, 0, 11)), is_distinct=st.sampled_from((True,) * 9 + (False,)))
    def send_batch(self, data, count, is_distinct) -> None:
        name = self.draw_source(data)
        entries = [{"id": f"e{place}", **self.entry(data, name, may_fail=count < 10)} for place in range(count)]
        if not is_distinct and count:
            entries[-1]["id"] = data.draw(st.sampled_from(("e0", "", "no.dots")))
        queue = self.model.queues.get(name)
        answers = self.both(
            lambda: self.queues[name].send_message_batch([self.parameters(entry) for entry in entries]),
            lambda: self.model.send_batch(name, entries),
        )
        if answers is None:
            return
        answer, (successful, failed) = answers
        assert [entry.id for entry in answer.successful] == [ident for ident, _ in successful]
        for entry, (_, sent) in zip(answer.successful, successful, strict=True):
            self.compare_sent(queue, entry, sent)
        self.compare_failed(answer, failed)

    def compare_failed(self, answer, failed) -> None:
        assert [(entry.id, entry.code, entry.message) for entry in answer.failed] == failed
        assert all(entry.sender_fault for entry in answer.failed)

    @rule(data=st.data(), count=st.integers(2, 6), same_group=st.booleans())
    def send_several(self, data, count, same_group, name=None) -> None:
        """Without mistakes, so that something is there."""
        name = name or self.draw_source(data)
        group = data.draw(groups)
        queue = self.model.queues.get(name)
        for _ in range(count):
            self.bodies += 1
            entry = {"message_body": f"m{self.bodies}"}
            if name.endswith(".fifo"):
                entry["message_group_id"] = group if same_group else data.draw(groups)
                entry["message_deduplication_id"] = entry["message_body"]
            self.both_send(queue, name, entry)

    def both_send(self, queue, name, entry) -> None:
        answers = self.both(
            lambda: self.queues[name].send_message(**self.parameters(entry)), lambda: self.model.send(name, entry)
        )
        if answers is not None:
            self.compare_sent(queue, *answers)

    # ---- receiving

    def receive_both(self, name, *, limit, timeout_s, wait_s, attempt=None, names=(("All",), ("All",))) -> None:
        queue = self.model.queues.get(name)
        expected: list[Any] = []
        try:
            self.model.receive(name, expected, limit=limit, timeout_s=timeout_s, wait_s=wait_s, attempt=attempt)
        except RefusedError as refusal:
            expected.append((self.model.now_us, refusal))
        if not expected:
            wait_us = (queue.number("ReceiveMessageWaitTimeSeconds") if wait_s is None else wait_s) * SECOND_US
            self.model.advance(self.model.now_us + wait_us, stop=lambda: expected)
        answer, error = error_of(
            lambda: self.queues[name].receive_message(
                **self.receive_parameters(limit, timeout_s, wait_s, attempt, names)
            )
        )
        at_us = self.sim.now_us
        self.settle()
        self.compare_answer(queue, (at_us, error or answer), *expected, names)

    def receive_parameters(self, limit, timeout_s, wait_s, attempt, names) -> dict[str, Any]:
        return {
            "max_number_of_messages": limit,
            "visibility_timeout": timeout_s,
            "wait_time_seconds": wait_s,
            "receive_request_attempt_id": attempt,
            "message_system_attribute_names": names[0],
            "message_attribute_names": names[1],
        }

    def draw_attempt(self, data, name) -> str | None:
        is_odd = not name.endswith(".fifo") and data.draw(st.integers(0, 9))
        return None if is_odd else data.draw(attempts)

    @rule(data=st.data(), limit=batch_limits, timeout_s=st.none() | timeouts_s, names=asked)
    def receive(self, data, limit, timeout_s, names) -> None:
        name = self.draw_source(data)
        attempt = self.draw_attempt(data, name)
        self.receive_both(name, limit=limit, timeout_s=timeout_s, wait_s=0, attempt=attempt, names=names)

    @rule(data=st.data(), limit=batch_limits, timeout_s=st.none() | timeouts_s, wait_s=st.none() | st.integers(1, 20))
    def blocking_receive(self, data, limit, timeout_s, wait_s) -> None:
        name = self.draw_source(data)
        attempt = self.draw_attempt(data, name)
        self.receive_both(name, limit=limit, timeout_s=timeout_s, wait_s=wait_s, attempt=attempt)

    @rule(data=st.data(), limit=batch_limits, timeout_s=st.none() | timeouts_s, wait_s=st.none() | waits_s, names=asked)
    def poll(self, data, limit, timeout_s, wait_s, names, name=None) -> None:
        """A process polls; it may be answered at once, later, or never while this runs."""
        name = name or self.draw_source(data)
        attempt = self.draw_attempt(data, name)
        answers: list[Any] = []
        expected: list[Any] = []
        parameters = self.receive_parameters(limit, timeout_s, wait_s, attempt, names)

        async def process() -> None:
            try:
                found = await self.queues[name].wait_receive(**parameters)
            except SqsError as error:
                answers.append((self.sim.now_us, error))
            else:
                answers.append((self.sim.now_us, found))

        task = self.sim.spawn(process())
        self.settle()
        try:
            self.model.receive(name, expected, limit=limit, timeout_s=timeout_s, wait_s=wait_s, attempt=attempt)
        except RefusedError as refusal:
            expected.append((self.model.now_us, refusal))
        self.waiting.append(Waiting(task, self.model.queues.get(name), names, answers, expected))

    @precondition(lambda self: self.waiting)
    @rule(which=choices)
    def cancel_a_poll(self, which) -> None:
        waiting = self.waiting[which % len(self.waiting)]
        waiting.process.cancel()
        self.model.polls = [poll for poll in self.model.polls if poll.answers is not waiting.expected]

    # ---- handles

    def draw_handle(self, data) -> Handle:
        """Mostly a late one; sometimes one that nobody issued."""
        which = data.draw(st.sampled_from((0, 0, 0, 1, 1, 2, 2, 3, 4, 6, 9, 13, None)))
        if which is None:
            return Handle("", None, 0, "made up")
        return self.handles[-1 - which % len(self.handles)]

    def draw_place(self, data, handle) -> str:
        """Mostly where it belongs."""
        is_elsewhere = handle.message is None or not data.draw(choices)
        return data.draw(st.sampled_from(self.names)) if is_elsewhere else handle.queue

    @precondition(lambda self: self.handles)
    @rule(data=st.data())
    def delete(self, data) -> None:
        handle = self.draw_handle(data)
        self.delete_both(self.draw_place(data, handle), handle)

    def delete_both(self, name, handle) -> None:
        self.both(lambda: self.queues[name].delete_message(handle.text), lambda: self.model.delete(name, handle))

    @precondition(lambda self: self.handles)
    @rule(data=st.data(), timeout_s=timeouts_s | st.sampled_from((-1, 43_201)))
    def change_visibility(self, data, timeout_s) -> None:
        handle = self.draw_handle(data)
        self.change_both(self.draw_place(data, handle), handle, timeout_s)

    def change_both(self, name, handle, timeout_s) -> None:
        self.both(
            lambda: self.queues[name].change_message_visibility(handle.text, timeout_s),
            lambda: self.model.change(name, handle, timeout_s),
        )

    @precondition(lambda self: self.handles)
    @rule(data=st.data(), count=st.sampled_from((2, 3, 3, 10, 0)))
    def delete_batch(self, data, count) -> None:
        handles = [self.draw_handle(data) for _ in range(count)]
        name = self.draw_place(data, handles[0] if handles else self.handles[-1])
        answers = self.both(
            lambda: self.queues[name].delete_message_batch(
                [{"id": f"e{place}", "receipt_handle": handle.text} for place, handle in enumerate(handles)]
            ),
            lambda: self.model.delete_batch(name, [(f"e{place}", handle) for place, handle in enumerate(handles)]),
        )
        self.compare_batch(answers)

    @precondition(lambda self: self.handles)
    @rule(data=st.data(), timeouts=st.lists(timeouts_s | st.just(43_201), min_size=1, max_size=4))
    def change_visibility_batch(self, data, timeouts) -> None:
        entries = [(f"e{place}", self.draw_handle(data), timeout_s) for place, timeout_s in enumerate(timeouts)]
        name = self.draw_place(data, entries[0][1])
        answers = self.both(
            lambda: self.queues[name].change_message_visibility_batch(
                [
                    {"id": ident, "receipt_handle": handle.text, "visibility_timeout": timeout_s}
                    for ident, handle, timeout_s in entries
                ]
            ),
            lambda: self.model.change_batch(name, entries),
        )
        self.compare_batch(answers)

    def compare_batch(self, answers) -> None:
        if answers is not None:
            answer, (successful, failed) = answers
            assert [entry.id for entry in answer.successful] == successful
            self.compare_failed(answer, failed)

    # ---- what takes several calls to happen

    @rule(data=st.data(), times=st.integers(1, 4), timeout_s=st.sampled_from((0, 0, 1)), limit=st.sampled_from((1, 10)))
    def wear_out(self, data, times, timeout_s, limit) -> None:
        """Receive again and again, until a policy acts or messages go to the back of the queue."""
        name = self.draw_source(data)
        for _ in range(times):
            self.receive_both(name, limit=limit, timeout_s=timeout_s, wait_s=0)
            if timeout_s and data.draw(st.integers(0, 3)):
                self.pass_time(self.model.now_us + seconds(timeout_s))

    @rule(data=st.data(), limit=batch_limits, timeout_s=st.none() | st.sampled_from((1, 5, 30)))
    def work(self, data, limit, timeout_s) -> None:
        """Receive, and do something with each message at some time."""
        name = self.draw_source(data)
        before = len(self.handles)
        self.receive_both(name, limit=limit, timeout_s=timeout_s, wait_s=0)
        for handle in self.handles[before:]:
            what = data.draw(st.sampled_from(("delete", "delete", "release", "extend", "wait", "leave")))
            if what == "delete":
                self.delete_both(name, handle)
            elif what == "release":
                self.change_both(name, handle, 0)
            elif what == "extend":
                self.change_both(name, handle, data.draw(timeouts_s))
            elif what == "wait":
                off_us = data.draw(st.sampled_from((-1, 0, 1)))
                self.pass_time(max(self.model.now_us, handle.message.deadline_us + off_us))

    @rule(data=st.data(), elapsed_s=st.sampled_from((0, 1, 7, 60, 300)), off_us=st.sampled_from((0, 0, -1, 1)))
    def send_again(self, data, elapsed_s, off_us) -> None:
        """The same at another time: on FIFO queues a duplicate, or not."""
        name = self.draw_source(data)
        entry = self.entry(data, name, may_fail=False)
        queue = self.model.queues.get(name)
        self.both_send(queue, name, entry)
        if data.draw(st.booleans()):
            self.work(data=data, limit=10, timeout_s=30)
        self.pass_time(max(self.model.now_us, self.model.now_us + seconds(elapsed_s) + off_us))
        if "message_group_id" in entry:
            entry["message_group_id"] = data.draw(groups)
        self.both_send(queue, name, entry)

    @rule(data=st.data(), elapsed_s=st.sampled_from((0, 1, 5, 300)), off_us=st.sampled_from((0, 0, -1, 1)))
    def repeat_a_receive(self, data, elapsed_s, off_us) -> None:
        name = data.draw(st.sampled_from([name for name in self.names if name.endswith(".fifo")] or self.names))
        timeout_s = data.draw(st.sampled_from((5, 400)))
        before = len(self.handles)
        self.receive_both(name, limit=3, timeout_s=timeout_s, wait_s=0, attempt="r")
        for handle in self.handles[before:][: data.draw(st.sampled_from((0, 0, 1)))]:
            if data.draw(st.booleans()):
                self.delete_both(name, handle)
            else:
                self.change_both(name, handle, data.draw(timeouts_s))
        self.pass_time(max(self.model.now_us, self.model.now_us + seconds(elapsed_s) + off_us))
        self.receive_both(name, limit=3, timeout_s=None, wait_s=0, attempt="r")

    @rule(data=st.data(), off_us=st.sampled_from((0, 0, -1, 1)))
    def delete_and_create(self, data, off_us) -> None:
        name = data.draw(st.sampled_from((*self.names[1:], self.names[-1], self.names[-1])))
        if data.draw(st.booleans()):
            self.poll(data=data, limit=1, timeout_s=None, wait_s=20, names=(("All",), ()), name=name)
        if name in self.model.queues:
            self.both(self.queues[name].delete_queue, lambda: self.model.delete_queue(name))
        if data.draw(st.booleans()):
            self.find_queues(data, name)
        self.create_deleted(data, name, off_us)

    def create_deleted(self, data, name, off_us=0) -> None:
        """As soon as its name is free, or a little sooner or later (SQS-043)."""
        self.pass_time(max(self.model.now_us, self.model.deleted_us[name] + seconds(60) + off_us))
        attributes = data.draw(usual_fifo if name.endswith(".fifo") else usual)
        if (target := self.targets.get(name)) in self.model.queues and target != name:
            attributes["RedrivePolicy"] = self.policy(target, data.draw(counts))
        self.create_queue(name, attributes)

    @rule(data=st.data(), delay_s=st.sampled_from((2, 5)), later_s=st.sampled_from((0, 1, 2, 4, 9)))
    def delay_and_change_the_delay(self, data, delay_s, later_s) -> None:
        """Retroactive on FIFO queues, and only there (SQS-092)."""
        name = self.draw_source(data)
        self.set_queue_attributes(name, {"DelaySeconds": str(delay_s)})
        self.send_several(data=data, count=2, same_group=data.draw(st.booleans()), name=name)
        self.pass_time(self.model.now_us + data.draw(durations_us(seconds(3))))
        self.send_several(data=data, count=1, same_group=False, name=name)
        self.set_queue_attributes(name, {"DelaySeconds": str(later_s)})
        self.time_passes_to_a_boundary(which=0, off_us=data.draw(st.sampled_from((-1, 0))))
        self.receive_both(name, limit=10, timeout_s=5, wait_s=data.draw(st.sampled_from((0, 20))))

    # ---- move tasks

    @rule(data=st.data(), count=st.integers(0, 3), rate=rates, then=what_happens_to_tasks)
    def drain(self, data, count, rate, then) -> None:
        """Fill a dead-letter queue, start a task, and interfere."""
        first = data.draw(st.sampled_from(tuple(self.targets)))
        name = self.targets[first]
        self.set_queue_attributes(first, {"RedrivePolicy": self.policy(name, 1)})
        self.send_several(data=data, count=2, same_group=data.draw(st.booleans()), name=first)
        for _ in range(2):
            self.receive_both(first, limit=10, timeout_s=0, wait_s=0)
        if count:
            self.send_several(data=data, count=count, same_group=False, name=name)
        if data.draw(st.booleans()):
            self.receive_both(name, limit=1, timeout_s=data.draw(st.sampled_from((1, 5))), wait_s=0)
        destination = data.draw(st.sampled_from((None, None, *self.names)))
        self.start_task_both(name, destination, rate)
        self.time_passes_to_a_boundary(which=data.draw(st.integers(0, 2)), off_us=data.draw(st.integers(-1, 1)))
        if then == "delete its source":
            self.both(self.queues[name].delete_queue, lambda: self.model.delete_queue(name))
        elif then == "delete its destination":
            target = destination or first
            self.both(self.queues[target].delete_queue, lambda: self.model.delete_queue(target))
        elif then == "start":
            self.start_task_both(name, destination, rate)
        elif then == "cancel" and self.tasks:
            self.cancel_move_task(self.tasks[-1])
        elif then == "send":
            self.send_several(data=data, count=2, same_group=False, name=name)
        self.pass_time(self.model.now_us + data.draw(durations_us(seconds(5))))
        self.compare_tasks(name, 10)
        for other in self.names:
            if other not in self.model.queues:
                self.create_deleted(data, other)

    @rule(data=st.data(), what=st.sampled_from(("start", "start", "cancel", "list")))
    def move_tasks(self, data, what) -> None:
        if what == "start":
            self.start_move_task(data)
        elif what == "list":
            self.compare_tasks(data.draw(st.sampled_from(self.names)), data.draw(st.sampled_from((None, 2, 10))))
        elif self.tasks:
            self.cancel_move_task(self.tasks[-1 - data.draw(st.integers(0, 2)) % len(self.tasks)])

    def start_move_task(self, data) -> None:
        rate = data.draw(rates)
        source = data.draw(st.sampled_from((*[self.targets[self.names[0]]] * 3, *self.names)))
        self.start_task_both(source, data.draw(st.none() | st.sampled_from(self.names)), rate)

    def start_task_both(self, source, destination, rate) -> None:
        answers = self.both(
            lambda: self.sim.start_message_move_task(
                ARN + source, None if destination is None else ARN + destination, rate
            ),
            lambda: self.model.start_task(source, destination, rate),
        )
        if answers is not None:
            answer, task = answers
            task.text = answer.task_handle
            self.tasks.append(task)

    def cancel_move_task(self, task) -> None:
        answers = self.both(lambda: self.sim.cancel_message_move_task(task.text), lambda: self.model.cancel_task(task))
        if answers is not None:
            assert answers[0].approximate_number_of_messages_moved == answers[1]

    def compare_tasks(self, name, limit) -> None:
        answers = self.both(
            lambda: self.sim.list_message_move_tasks(ARN + name, limit), lambda: self.model.list_tasks(name, limit or 1)
        )
        if answers is None:
            return
        assert len(answers[0].results) == len(answers[1])
        for entry, task in zip(answers[0].results, answers[1], strict=True):
            assert entry.status == task.status
            assert entry.source_arn == ARN + task.source.name
            assert entry.destination_arn == (None if task.destination is None else ARN + task.destination)
            assert entry.max_number_of_messages_per_second == task.rate
            assert entry.approximate_number_of_messages_moved == task.moved
            assert entry.approximate_number_of_messages_to_move == task.to_move
            assert entry.started_timestamp == (self.sim.clock.start_us + task.started_us) // 1000
            assert entry.task_handle == (task.text if task.status == "RUNNING" else None)
            assert entry.failure_reason == task.reason

    # ---- time

    @rule(which=st.sampled_from((0, 0, 1, 1, 2, 3, 5)), off_us=st.sampled_from((0, 0, -1, 1)))
    def time_passes_to_a_boundary(self, which, off_us) -> None:
        ahead = self.model.boundaries_us()
        if ahead:
            self.pass_time(max(self.model.now_us, ahead[min(which, len(ahead) - 1)] + off_us))

    @rule(elapsed_us=durations_us(seconds(11)))
    def time_passes(self, elapsed_us) -> None:
        self.pass_time(self.model.now_us + elapsed_us)

    @rule(off_us=st.sampled_from((-1, 0, 1)), lots=st.integers(0, 3))
    def time_passes_to_the_end_of_a_minute(self, off_us, lots) -> None:
        if lots:
            return
        border_us = (self.model.now_us // MINUTE_US + 1) * MINUTE_US
        self.pass_time(max(self.model.now_us, border_us + off_us))

    def pass_time(self, to_us) -> None:
        self.sim.run(until_us=to_us)
        self.model.advance(to_us)

    # ---- what always holds

    @invariant()
    def polls_are_answered_alike(self) -> None:
        still = []
        for waiting in self.waiting:
            assert len(waiting.answers) == len(waiting.expected)
            for answer, expected in zip(waiting.answers, waiting.expected, strict=True):
                self.compare_answer(waiting.queue, answer, expected, waiting.names)
            assert waiting.process.is_done or not waiting.answers
            if not waiting.process.is_done:
                still.append(waiting)
        self.waiting = still

    @invariant()
    def counts_agree(self) -> None:
        assert self.model.now_us == self.sim.now_us
        self.sim.check_invariants()
        assert sorted(queue.name for queue in self.sim.queues) == sorted(self.model.queues)
        for name, model in self.model.queues.items():
            self.compare_queue(self.queues[name], model)

    def compare_queue(self, queue, model) -> None:
        now_us = self.model.now_us
        snapshot = queue.snapshot()
        for state in ("visible", "in flight", "delayed"):
            assert len(model.in_state(state, now_us)) == getattr(snapshot, state.replace(" ", "_")), state
        for kind in COUNTED:
            assert model.total(kind) == getattr(snapshot, kind), kind
        assert model.total("request") == snapshot.requests
        assert model.total("billed") == snapshot.billed_requests
        assert model.age_us(model.messages, now_us) == snapshot.oldest_age_us
        assert [(m.body, m.state(now_us), m.count, m.group) for m in model.messages] == [
            (m.body, m.state.value, m.receive_count, m.message_group_id) for m in queue.messages
        ]
        for message, given in zip(queue.messages, model.messages, strict=True):
            self.compare_id(message.message_id, given.number)
        queue.check_invariants()

    # ---- the end

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        if self.model.now_us % MINUTE_US == 0:
            self.model.take_gauges()
        for queue, delivery, given, names in self.seen:  # a delivery stays as it was
            self.compare_delivery(queue, delivery, given, names)
        for name in self.names:
            if name not in self.remade and name in self.model.queues:
                self.compare_tasks(name, 10)
                self.compare_metrics(self.model.queues[name])

    def compare_metrics(self, model: ModelQueue) -> None:
        for name, kind in (*SUMS, *([("NumberOfDeduplicatedSentMessages", "deduplicated")] if model.is_fifo else [])):
            self.compare_series(name, "Sum", model.name, self.by_minute(model, kind))
        self.compare_series("SentMessageSize", "Sum", model.name, self.by_minute(model, "size"))
        rows = sorted((at_us, row) for at_us, row in model.gauges.items() if at_us > model.created_us)
        extra = ("ApproximateNumberOfGroupsWithInflightMessages",) if model.is_fifo else ()
        for name in (*GAUGES, *extra):
            series = [(at_us // SECOND_US - 60, row[name]) for at_us, row in rows]
            self.compare_series(name, "Maximum", model.name, series)
        for name in FAIR_GAUGES if not model.is_fifo and model.config.fair_queues != "off" else ():
            series = [(at_us // SECOND_US - 60, row[name]) for at_us, row in rows if row["is fair"]]
            self.compare_series(name, "Maximum", model.name, series)

    def by_minute(self, model: ModelQueue, kind) -> list[tuple[int, int]]:
        sums: dict[int, int] = {}
        for at_us, noted, amount in model.events:
            if noted == kind and amount:
                minute_s = at_us // MINUTE_US * 60
                sums[minute_s] = sums.get(minute_s, 0) + amount
        return sorted(sums.items())

    def compare_series(self, name, statistic, queue_name, expected) -> None:
        series = self.sim.metrics.series("AWS/SQS", name, statistic, QueueName=queue_name)
        assert list(series) == expected, f"{name} of {queue_name}"


class StandardQueuesAgree(QueuesAgreeWithModel):
    names = ("a", "b", "c", "own", "spare")
    targets = {"a": "b", "b": "c", "own": "own"}  # noqa: RUF012

    @rule(data=st.data(), count=st.integers(30, 44), rounds=st.integers(2, 5))
    def a_tenant_is_loud(self, data, count, rounds) -> None:
        """Many messages of one tenant, most of them received: it may be noisy from here on (SQS-311)."""
        name = data.draw(st.sampled_from(("a", "own")))
        queue = self.model.queues.get(name)
        for _ in range(count):
            self.bodies += 1
            self.both_send(queue, name, {"message_body": f"m{self.bodies}", "message_group_id": "loud"})
        for _ in range(rounds):
            self.receive_both(name, limit=10, timeout_s=100, wait_s=0)

    @precondition(lambda self: any(model.in_state("in flight", self.model.now_us) for model in self.in_flight_models()))
    @rule(which=choices)
    def redeliver(self, which) -> None:
        flying: list[tuple[str, Msg]] = [
            (model.name, message)
            for model in self.in_flight_models()
            for message in model.in_state("in flight", self.model.now_us)
        ]
        name, message = flying[which % len(flying)]
        place = self.model.queues[name].messages.index(message)
        self.queues[name].redeliver(self.queues[name].messages[place])
        self.model.redeliver(name, message)
        self.settle()

    def in_flight_models(self) -> list[ModelQueue]:
        return list(self.model.queues.values())


class FifoQueuesAgree(QueuesAgreeWithModel):
    names = ("a.fifo", "b.fifo", "c.fifo", "own.fifo", "spare.fifo")
    targets = {"a.fifo": "b.fifo", "b.fifo": "c.fifo", "own.fifo": "own.fifo"}  # noqa: RUF012


class MixedQueuesAgree(QueuesAgreeWithModel):
    names = ("a", "b", "a.fifo", "b.fifo")
    targets = {"a": "b", "a.fifo": "b.fifo"}  # noqa: RUF012


TestStandardQueuesAgree = StandardQueuesAgree.TestCase
TestFifoQueuesAgree = FifoQueuesAgree.TestCase
TestMixedQueuesAgree = MixedQueuesAgree.TestCase
TestMixedQueuesAgree.settings = settings(max_examples=settings().max_examples // 2)
