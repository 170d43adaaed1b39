"""
What is done to the simulator and to `tests.property.sqs_model` alike, and how their answers are compared.

`BothSides` has one method per operation of SQS: it makes the call on both sides, and both must answer the same, or
refuse it with the same words. What is done, and when, is said by the rules of `test_sqs_agrees_with_model`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant

from lambdasim import Simulation, SqsConfig
from lambdasim.errors import SqsError
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

COUNTED = ("sent", "received", "deleted", "expired", "moved", "arrived", "purged", "redriven")
SUMS = {
    "NumberOfMessagesSent": "sent",
    "NumberOfMessagesReceived": "received",
    "NumberOfMessagesDeleted": "delete",
    "NumberOfEmptyReceives": "empty",
    "SentMessageSize": "size",
}
FIFO_SUMS = {"NumberOfDeduplicatedSentMessages": "deduplicated"}
GAUGES = (
    "ApproximateNumberOfMessagesVisible",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateAgeOfOldestMessage",
)
FIFO_GAUGES = ("ApproximateNumberOfGroupsWithInflightMessages",)
FAIR_GAUGES = (
    "ApproximateNumberOfNoisyGroups",
    "ApproximateNumberOfMessagesVisibleInQuietGroups",
    "ApproximateNumberOfMessagesNotVisibleInQuietGroups",
    "ApproximateNumberOfMessagesDelayedInQuietGroups",
    "ApproximateAgeOfOldestMessageInQuietGroups",
)
ALL = (("All",), ("All",))  # names of system attributes and of message attributes


@dataclass(eq=False)
class Waiting:
    """A process that polls, what it was answered, and what it should be."""

    process: Any
    queue: ModelQueue | None
    names: tuple[tuple[str, ...], tuple[str, ...]]
    answers: list[Any]
    expected: list[Any]


def error_of(call):
    """Return what a call answers and the error that it raises, one of them None."""
    try:
        return call(), None
    except SqsError as error:
        return None, error


def parameters(entry) -> dict[str, Any]:
    """Put what is sent in the words of the API."""
    found = dict(entry)
    trace = found.pop("trace", None)
    if trace is not None:
        found["message_system_attributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
    return found


def receive_parameters(limit, timeout_s, wait_s, attempt, names) -> dict[str, Any]:
    return {
        "max_number_of_messages": limit,
        "visibility_timeout": timeout_s,
        "wait_time_seconds": wait_s,
        "receive_request_attempt_id": attempt,
        "message_system_attribute_names": names[0],
        "message_attribute_names": names[1],
    }


def redrive_policy(target, count) -> str:
    return json.dumps({"deadLetterTargetArn": ARN + target, "maxReceiveCount": count})


class BothSides(RuleBasedStateMachine):
    """The simulator, the model, and what stands for what in them."""

    def begin(self) -> None:
        self.sim, self.model = Simulation(), Model()
        self.queues: dict[str, Any] = {}
        self.configs: dict[str, SqsConfig] = {}
        self.handles: list[Handle] = []
        self.tasks: list[Task] = []
        self.waiting: list[Waiting] = []
        self.ids: dict[int, str] = {}  # what stands for each number of the model
        self.numbers: dict[str, int] = {}
        self.sequences: dict[ModelQueue, dict[int, str]] = {}
        self.seen: list[Any] = []  # deliveries, to look at once more in the end

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

    # ---- how answers are compared

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

    def compare_batch(self, answers) -> None:
        if answers is not None:
            answer, (successful, failed) = answers
            assert [entry.id for entry in answer.successful] == successful
            self.compare_failed(answer, failed)

    def compare_failed(self, answer, failed) -> None:
        assert [(entry.id, entry.code, entry.message) for entry in answer.failed] == failed
        assert all(entry.sender_fault for entry in answer.failed)

    # ---- queues

    def create_queue(self, name, attributes) -> None:
        config = self.configs[name]
        given = {**attributes, "FifoQueue": "true"} if name.endswith(".fifo") else attributes
        is_new = name not in self.model.queues
        answers = self.both(
            lambda: self.sim.create_queue(name, attributes=given, settings=[config] if is_new else ()),
            lambda: self.model.create(name, given, config),
        )
        if answers is not None:
            assert answers[0].url == URL + name
            assert is_new or answers[0] is self.queues[name]
            self.queues[name] = answers[0]

    def delete_queue(self, name) -> None:
        self.both(self.queues[name].delete_queue, lambda: self.model.delete_queue(name))

    def set_queue_attributes(self, name, attributes) -> None:
        self.both(
            lambda: self.queues[name].set_queue_attributes(attributes),
            lambda: self.model.set_queue_attributes(name, attributes),
        )

    def get_queue_attributes(self, name) -> None:
        answers = self.both(
            lambda: self.queues[name].get_queue_attributes(["All"]), lambda: self.model.get_queue_attributes(name)
        )
        if answers is not None:
            assert answers[0].attributes == answers[1]

    def purge_queue(self, name) -> None:
        self.both(self.queues[name].purge_queue, lambda: self.model.purge(name))

    def find_queues(self, name, prefix) -> None:
        answers = self.both(lambda: self.sim.get_queue_url(name), lambda: self.model.get_queue_url(name))
        if answers is not None:
            assert answers[0].queue_url == answers[1]
        assert list(self.sim.list_queues(prefix).queue_urls) == self.model.list_queues(prefix)
        answers = self.both(
            self.queues[name].list_dead_letter_source_queues, lambda: self.model.list_dead_letter_source_queues(name)
        )
        if answers is not None:
            assert list(answers[0].queue_urls) == answers[1]

    # ---- messages

    def send_message(self, name, entry) -> None:
        queue = self.model.queues.get(name)
        answers = self.both(
            lambda: self.queues[name].send_message(**parameters(entry)), lambda: self.model.send(name, entry)
        )
        if answers is not None:
            self.compare_sent(queue, *answers)

    def send_message_batch(self, name, entries) -> None:
        queue = self.model.queues.get(name)
        answers = self.both(
            lambda: self.queues[name].send_message_batch([parameters(entry) for entry in entries]),
            lambda: self.model.send_batch(name, entries),
        )
        if answers is None:
            return
        answer, (successful, failed) = answers
        assert [entry.id for entry in answer.successful] == [ident for ident, _ in successful]
        for entry, (_, sent) in zip(answer.successful, successful, strict=True):
            self.compare_sent(queue, entry, sent)
        self.compare_failed(answer, failed)

    def receive_message(self, name, *, limit, timeout_s, wait_s=0, attempt=None, names=ALL) -> list[Handle]:
        """Receive, letting time pass if the call waits; return the handles that are new."""
        queue, before = self.model.queues.get(name), len(self.handles)
        expected = self.begin_receive(name, limit, timeout_s, wait_s, attempt)
        if not expected:
            wait_us = (queue.number("ReceiveMessageWaitTimeSeconds") if wait_s is None else wait_s) * SECOND_US
            self.model.advance(self.model.now_us + wait_us, stop=lambda: expected)
        given = receive_parameters(limit, timeout_s, wait_s, attempt, names)
        answer, error = error_of(lambda: self.queues[name].receive_message(**given))
        at_us = self.sim.now_us
        self.settle()
        self.compare_answer(queue, (at_us, error or answer), *expected, names)
        return self.handles[before:]

    def begin_receive(self, name, limit, timeout_s, wait_s, attempt) -> list[Any]:
        """Return where the model puts its answer, now or later."""
        expected: list[Any] = []
        try:
            self.model.receive(name, expected, limit=limit, timeout_s=timeout_s, wait_s=wait_s, attempt=attempt)
        except RefusedError as refusal:
            expected.append((self.model.now_us, refusal))
        return expected

    def begin_poll(self, name, *, limit, timeout_s, wait_s, attempt=None, names=ALL) -> None:
        """Let a process receive; it may be answered at once, later, or never while this runs."""
        answers: list[Any] = []
        given = receive_parameters(limit, timeout_s, wait_s, attempt, names)

        async def process() -> None:
            try:
                found = await self.queues[name].wait_receive(**given)
            except SqsError as error:
                answers.append((self.sim.now_us, error))
            else:
                answers.append((self.sim.now_us, found))

        task = self.sim.spawn(process())
        self.settle()
        queue = self.model.queues.get(name)
        expected = self.begin_receive(name, limit, timeout_s, wait_s, attempt)
        self.waiting.append(Waiting(task, queue, names, answers, expected))

    def cancel_poll(self, waiting: Waiting) -> None:
        waiting.process.cancel()
        self.model.polls = [poll for poll in self.model.polls if poll.answers is not waiting.expected]

    def delete_message(self, name, handle) -> None:
        self.both(lambda: self.queues[name].delete_message(handle.text), lambda: self.model.delete(name, handle))

    def delete_message_batch(self, name, handles) -> None:
        entries = [(f"e{place}", handle) for place, handle in enumerate(handles)]
        answers = self.both(
            lambda: self.queues[name].delete_message_batch(
                [{"id": ident, "receipt_handle": handle.text} for ident, handle in entries]
            ),
            lambda: self.model.delete_batch(name, entries),
        )
        self.compare_batch(answers)

    def change_message_visibility(self, name, handle, timeout_s) -> None:
        self.both(
            lambda: self.queues[name].change_message_visibility(handle.text, timeout_s),
            lambda: self.model.change(name, handle, timeout_s),
        )

    def change_message_visibility_batch(self, name, handles, timeouts_s) -> None:
        entries = [
            (f"e{place}", handle, timeout_s)
            for place, (handle, timeout_s) in enumerate(zip(handles, timeouts_s, strict=True))
        ]
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

    def redeliver(self, name, message: Msg) -> None:
        place = self.model.queues[name].messages.index(message)
        self.queues[name].redeliver(self.queues[name].messages[place])
        self.model.redeliver(message)
        self.settle()

    # ---- move tasks

    def start_move_task(self, source, destination, rate) -> None:
        arn = None if destination is None else ARN + destination
        answers = self.both(
            lambda: self.sim.start_message_move_task(ARN + source, arn, rate),
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

    def list_move_tasks(self, name, limit) -> None:
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

    def pass_time(self, to_us) -> None:
        """Let time pass up to an instant, and look at everything; an instant that is over is now."""
        to_us = max(to_us, self.model.now_us)
        self.sim.run(until_us=to_us)
        self.model.advance(to_us)
        self.polls_are_answered_alike()
        self.counts_agree()

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

    # ---- the end

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        self.model.take_gauges()
        for queue, delivery, given, names in self.seen:  # a delivery stays as it was
            self.compare_delivery(queue, delivery, given, names)
        for name in self.queues:
            self.list_move_tasks(name, 10)
            self.compare_metrics(name)

    def compare_metrics(self, name) -> None:
        """The series of a name go on when its queue is made again."""
        queues = [queue for queue in (*self.model.gone, *self.model.queues.values()) if queue.name == name]
        is_fifo = name.endswith(".fifo")
        for metric, kind in {**SUMS, **(FIFO_SUMS if is_fifo else {})}.items():
            sums: dict[int, int] = {}
            for at_us, noted, amount in [event for queue in queues for event in queue.events]:
                if noted == kind and amount:
                    minute_s = at_us // MINUTE_US * 60
                    sums[minute_s] = sums.get(minute_s, 0) + amount
            assert sorted(sums.items()) == self.series(metric, "Sum", name), f"{metric} of {name}"
        # At the very instant at which a queue is made or deleted there may be a datum or not.
        odd_us = [at_us for queue in queues for at_us in (queue.created_us, queue.deleted_us)]
        rows = sorted((at_us, row) for queue in queues for at_us, row in queue.gauges.items() if at_us not in odd_us)
        odd_s = [at_us // SECOND_US - 60 for at_us in odd_us if at_us is not None and at_us % MINUTE_US == 0]
        for metric in (*GAUGES, *(FIFO_GAUGES if is_fifo else FAIR_GAUGES)):
            is_fair = metric in FAIR_GAUGES
            expected = [(at_us // SECOND_US - 60, row[metric]) for at_us, row in rows if row["is fair"] or not is_fair]
            series = [row for row in self.series(metric, "Maximum", name) if row[0] not in odd_s]
            assert expected == series, f"{metric} of {name}"

    def series(self, metric, statistic, name) -> list[tuple[int, float]]:
        return list(self.sim.metrics.series("AWS/SQS", metric, statistic, QueueName=name))
