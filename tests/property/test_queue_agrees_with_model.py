"""
Queues agree with a model of them that is a list of messages and looks at all of them each time.

The model is written from the rules of the specification, not from the code: no heaps, no timers, no laziness.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lambdasim import RedrivePolicy, Simulation, SqsConfig
from lambdasim.errors import SqsError
from lambdasim.errors.sqs import InvalidParameterValueException, OverLimit, ReceiptHandleIsInvalid
from lambdasim.units import MINUTE_US, seconds
from tests.strategies import batch_limits, delays_s, durations_us, waits_s

VISIBILITY_MAX_US = seconds(43_200)


@dataclass(eq=False)
class Msg:
    """A message in one queue of the model; where it is follows from the numbers."""

    body: str
    sent_us: int
    entered_us: int
    available_us: int
    rank: tuple[int, int]
    seq: int
    count: int = 0
    own_count: int = 0
    first_us: int | None = None
    received_us: int = 0
    deadline_us: int | None = None
    source: str | None = None
    is_gone: bool = False

    def state(self, now_us: int) -> str:
        if self.own_count == 0 and now_us < self.available_us:
            return "delayed"
        if self.deadline_us is not None and now_us < self.deadline_us:
            return "in flight"
        return "visible"


@dataclass(eq=False)
class Poll:
    """An open long poll of the model."""

    queue: ModelQueue
    limit: int
    timeout_us: int
    end_us: int
    answers: list[Any]


@dataclass(eq=False)
class ModelQueue:
    """A queue of the model."""

    name: str
    delay_s: int
    retention_us: int
    wait_s: int
    timeout_s: int
    inflight_limit: int
    back_after: int | None
    dlq: ModelQueue | None = None
    count_max: int = 0
    seq: int = 0
    messages: list[Msg] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    events: list[tuple[int, str]] = field(default_factory=list)
    gauges: dict[int, tuple[int, int, int, float]] = field(default_factory=dict)

    def note(self, now_us: int, *names: str) -> None:
        for name in names:
            self.totals[name] = self.totals.get(name, 0) + 1
            self.events.append((now_us, name))

    def in_state(self, state: str, now_us: int) -> list[Msg]:
        return [message for message in self.messages if message.state(now_us) == state]

    def age_us(self, now_us: int) -> int:
        counted = [m.entered_us for m in self.messages if self.back_after is None or m.own_count < self.back_after]
        return now_us - min(counted) if counted else 0

    def leave(self, message: Msg) -> None:
        message.is_gone = True
        self.messages.remove(message)

    def come_back(self, message: Msg, at_us: int) -> None:
        """It is visible again: in its place, or behind all others (SQS-302, SQS-303)."""
        message.deadline_us = None
        if self.back_after is not None and message.own_count >= self.back_after:
            message.rank = at_us, message.seq


class Model:
    """Queues, open polls, and the instant it is."""

    def __init__(self) -> None:
        self.now_us = 0
        self.queues: list[ModelQueue] = []
        self.polls: list[Poll] = []

    # ---- time

    def boundaries_us(self) -> list[int]:
        """Instants to come at which something happens by itself."""
        found = [poll.end_us for poll in self.polls]
        for queue in self.queues:
            for message in queue.messages:
                found.append(message.sent_us + queue.retention_us)
                if message.state(self.now_us) == "delayed":
                    found.append(message.available_us)
                if message.deadline_us is not None:
                    found.append(message.deadline_us)
        return sorted({at_us for at_us in found if at_us > self.now_us})

    def advance(self, to_us: int, *, stop=lambda: False) -> None:
        """Let time pass; with *stop*, only until it holds."""
        while True:
            ahead = self.boundaries_us()
            at_us = min(ahead[0], to_us) if ahead else to_us
            self.take_gauges(range(-(-self.now_us // MINUTE_US) * MINUTE_US, at_us, MINUTE_US))
            self.now_us = at_us
            self.happen()
            if at_us == to_us or stop():
                return

    def happen(self) -> None:
        """What is due at this instant, in the order of SQS-004."""
        now_us = self.now_us
        for queue in self.queues:
            for message in list(queue.messages):
                if now_us - message.sent_us >= queue.retention_us:
                    queue.leave(message)
                    queue.note(now_us, "expired")
        for queue in self.queues:
            for message in queue.messages:
                if message.deadline_us is not None and message.deadline_us <= now_us:
                    queue.come_back(message, message.deadline_us)
        self.wake(self.polls)
        for poll in list(self.polls):
            if poll.end_us == now_us:
                self.polls.remove(poll)
                poll.queue.note(now_us, "empty", "request")
                poll.answers.append((now_us, []))

    def take_gauges(self, borders_us: range) -> None:
        """Gauges are those after all that happened at the instant at which the minute ended (SQS-602)."""
        for queue in self.queues if borders_us else ():
            counts = [len(queue.in_state(state, self.now_us)) for state in ("visible", "in flight", "delayed")]
            for border_us in borders_us:
                queue.gauges[border_us] = (*counts, queue.age_us(border_us) / 1_000_000)

    # ---- receiving

    def wake(self, polls: list[Poll]) -> None:
        for poll in list(polls):
            if poll not in self.polls:
                continue
            found = self.select(poll.queue, poll.limit, poll.timeout_us)
            if found:
                self.polls.remove(poll)
                poll.queue.note(self.now_us, "request")
                poll.answers.append((self.now_us, found))

    def wake_queue(self, queue: ModelQueue) -> None:
        self.wake([poll for poll in self.polls if poll.queue is queue])

    def select(self, queue: ModelQueue, limit: int, timeout_us: int) -> list[Any]:
        now_us = self.now_us
        room = queue.inflight_limit - len(queue.in_state("in flight", now_us))
        taken: list[Msg] = []
        moved: list[Msg] = []
        for message in sorted(queue.in_state("visible", now_us), key=lambda m: m.rank):
            if len(taken) >= min(limit, room):
                break
            if queue.dlq is not None and message.own_count >= queue.count_max:
                moved.append(message)
            else:
                taken.append(message)
        found = [self.deliver(queue, message, timeout_us) for message in taken]
        for message in moved:
            self.move(queue, message)
        if moved:
            self.wake_queue(queue.dlq)
        return found

    def deliver(self, queue: ModelQueue, message: Msg, timeout_us: int) -> Any:
        now_us = self.now_us
        message.count += 1
        message.own_count += 1
        message.first_us = now_us if message.first_us is None else message.first_us
        message.received_us = now_us
        queue.note(now_us, "received")
        if timeout_us:
            message.deadline_us = now_us + timeout_us
        else:
            queue.come_back(message, now_us)
        return message, message.count, (message.body, message.sent_us, message.first_us, message.source)

    def move(self, queue: ModelQueue, message: Msg) -> None:
        now_us, dlq = self.now_us, queue.dlq
        queue.leave(message)
        queue.note(now_us, "moved")
        dlq.seq += 1
        dlq.note(now_us, "arrived")
        arrived = Msg(
            message.body,
            message.sent_us,
            now_us,
            now_us,
            (now_us, dlq.seq),
            dlq.seq,
            message.count,
            first_us=message.first_us,
            source=queue.name,
        )
        if now_us - message.sent_us >= dlq.retention_us:
            arrived.is_gone = True
            dlq.note(now_us, "expired")
        else:
            dlq.messages.append(arrived)

    # ---- operations

    def send(self, queue: ModelQueue, body: str, delay_s: int | None) -> None:
        now_us = self.now_us
        queue.seq += 1
        delay_us = seconds(queue.delay_s if delay_s is None else delay_s)
        queue.messages.append(Msg(body, now_us, now_us, now_us + delay_us, (now_us, queue.seq), queue.seq))
        queue.note(now_us, "sent", "request")
        self.wake_queue(queue)

    def receive(self, queue: ModelQueue, limit: int, timeout_s: int | None, wait_s: int | None, answers: list) -> Any:
        """Answer at once, or with the poll that is open now."""
        timeout_us = seconds(queue.timeout_s if timeout_s is None else timeout_s)
        wait_s = queue.wait_s if wait_s is None else wait_s
        if not wait_s and len(queue.in_state("in flight", self.now_us)) >= queue.inflight_limit:
            return OverLimit
        found = self.select(queue, limit, timeout_us)
        if found:
            queue.note(self.now_us, "request")
            answers.append((self.now_us, found))
        elif not wait_s:
            queue.note(self.now_us, "empty", "request")
            answers.append((self.now_us, []))
        else:
            self.polls.append(Poll(queue, limit, timeout_us, self.now_us + seconds(wait_s), answers))
        return None

    def delete(self, queue: ModelQueue, message: Msg, delivery: int) -> None:
        queue.note(self.now_us, "delete", "request")
        if not message.is_gone and message.count == delivery:
            queue.leave(message)
            queue.note(self.now_us, "deleted")
            self.wake_queue(queue)

    def change(self, queue: ModelQueue, message: Msg, timeout_s: int) -> Any:
        now_us = self.now_us
        if message.is_gone:
            return InvalidParameterValueException
        if message.state(now_us) == "in flight":
            if now_us - message.received_us + seconds(timeout_s) > VISIBILITY_MAX_US:
                return InvalidParameterValueException
            message.deadline_us = now_us + seconds(timeout_s)
            if not timeout_s:
                queue.come_back(message, now_us)
        queue.note(now_us, "request")
        self.wake_queue(queue)
        return None


def error_of(call, *args, **parameters):
    """Return the class of the error that a call raises, or None."""
    try:
        call(*args, **parameters)
    except SqsError as error:
        return type(error)
    return None


queue_indices = st.sampled_from((2, 2, 2, 1, 1, 3, 0))  # mostly one source, and the queue that it feeds
attributes = st.fixed_dictionaries(
    {
        "delay_seconds": st.sampled_from((0, 0, 1, 5)),
        "message_retention_period": st.sampled_from((60, 61, 120, 900)),
        "receive_message_wait_time_seconds": st.sampled_from((0, 0, 2)),
        "visibility_timeout": st.sampled_from((0, 1, 5, 30)),
    }
)
configurations = st.builds(
    SqsConfig,
    inflight_limit_standard=st.sampled_from((120_000, 120_000, 1, 3)),
    requeue_to_back_after=st.sampled_from((3, 3, 1, None)),
)
message_delays_s = st.none() | st.sampled_from((0, 1, 2)) | delays_s
# A change to twelve hours succeeds only at the instant of the delivery.
timeouts_s = st.sampled_from((0, 0, 1, 2, 5, 30, 100, 43_199, 43_200))


class QueueAgreesWithModel(RuleBasedStateMachine):
    """Two queues share a dead-letter queue, which has one of its own."""

    @initialize(
        given=st.tuples(*[st.tuples(attributes, configurations)] * 4),
        counts=st.tuples(*[st.integers(1, 3)] * 3),
    )
    def make(self, given, counts) -> None:
        self.sim, self.model = Simulation(), Model()
        self.queues = []
        self.bodies = 0
        self.handles = []  # (place of the queue, text, message and delivery of the model)
        self.open = []  # (process, its answers here, those of the model)
        for place, (keywords, config) in enumerate(given):
            target = {0: None, 1: 0, 2: 1, 3: 1}[place]  # the last, the shared dead-letter queue, the two sources
            name = ("last", "dlq", "a", "b")[place]
            queue = ModelQueue(
                name,
                keywords["delay_seconds"],
                seconds(keywords["message_retention_period"]),
                keywords["receive_message_wait_time_seconds"],
                keywords["visibility_timeout"],
                config.inflight_limit_standard,
                config.requeue_to_back_after,
            )
            policy = None
            if target is not None:
                policy = RedrivePolicy(self.queues[target], counts[place - 1])
                queue.dlq, queue.count_max = self.model.queues[target], counts[place - 1]
            self.queues.append(self.sim.create_queue(name, settings=[config], redrive_policy=policy, **keywords))
            self.model.queues.append(queue)

    def settle(self) -> None:
        """Let processes that were just started or woken run at this instant."""
        self.sim.run(until_us=self.sim.now_us)

    def note_handles(self, place, deliveries, found) -> None:
        for delivery, (message, count, _) in zip(deliveries, found, strict=True):
            self.handles.append((place, delivery.receipt_handle, message, count))

    def compare(self, answer, expected) -> None:
        assert [(d.receive_count, d.body, d.sent_at_us, d.first_received_at_us) for d in answer] == [
            (count, *parts[:3]) for _, count, parts in expected
        ]
        for delivery, (_, count, parts) in zip(answer, expected, strict=True):
            attributes = delivery.attributes
            assert str(count) == attributes["ApproximateReceiveCount"]
            source = attributes.get("DeadLetterQueueSourceArn")
            assert (None if source is None else source.rsplit(":", 1)[1]) == parts[3]

    @rule(place=queue_indices, delay_s=message_delays_s)
    def send(self, place, delay_s) -> None:
        self.bodies += 1
        body = f"m{self.bodies}"
        self.queues[place].send_message(body, delay_seconds=delay_s)
        self.model.send(self.model.queues[place], body, delay_s)
        self.settle()

    @rule(place=queue_indices, count=st.integers(1, 5))
    def send_several(self, place, count) -> None:
        for _ in range(count):
            self.send(place, None)

    @rule(place=queue_indices, limit=batch_limits, timeout_s=st.none() | timeouts_s)
    def receive(self, place, limit, timeout_s) -> None:
        expected = []
        error = self.model.receive(self.model.queues[place], limit, timeout_s, 0, expected)
        answer = []

        def call() -> None:
            answer.extend(
                self.queues[place].receive_message(
                    max_number_of_messages=limit,
                    visibility_timeout=timeout_s,
                    wait_time_seconds=0,
                    attribute_names=["All"],
                )
            )

        assert error == error_of(call)
        if error is None:
            ((_, found),) = expected
            self.compare(answer, found)
            self.note_handles(place, answer, found)
        self.settle()

    @rule(place=queue_indices, limit=batch_limits, timeout_s=st.none() | timeouts_s, wait_s=st.none() | waits_s)
    def poll(self, place, limit, timeout_s, wait_s) -> None:
        """A process polls; it may be answered at once, later, or never while this runs."""
        queue, answers, expected = self.queues[place], [], []

        async def process() -> None:
            try:
                found = await queue.wait_receive(
                    max_number_of_messages=limit,
                    visibility_timeout=timeout_s,
                    wait_time_seconds=wait_s,
                    attribute_names=["All"],
                )
            except OverLimit:
                answers.append(OverLimit)
            else:
                answers.append((self.sim.now_us, found))

        task = self.sim.spawn(process())
        self.settle()
        error = self.model.receive(self.model.queues[place], limit, timeout_s, wait_s, expected)
        if error is not None:
            assert [error] == answers
        else:
            self.open.append((task, place, answers, expected))

    @rule(place=queue_indices, limit=batch_limits, timeout_s=st.none() | timeouts_s, wait_s=st.integers(1, 20))
    def blocking_receive(self, place, limit, timeout_s, wait_s) -> None:
        expected = []
        assert self.model.receive(self.model.queues[place], limit, timeout_s, wait_s, expected) is None
        if not expected:
            self.model.advance(self.model.now_us + seconds(wait_s), stop=lambda: expected)
        answer = self.queues[place].receive_message(
            max_number_of_messages=limit,
            visibility_timeout=timeout_s,
            wait_time_seconds=wait_s,
            attribute_names=["All"],
        )
        self.settle()
        ((at_us, found),) = expected
        assert at_us == self.sim.now_us
        self.compare(answer, found)
        self.note_handles(place, answer, found)

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 9))
    def cancel_a_poll(self, which) -> None:
        task, _, _, expected = self.open[which % len(self.open)]
        task.cancel()
        self.model.polls = [poll for poll in self.model.polls if poll.answers is not expected]

    @precondition(lambda self: self.handles)
    @rule(which=st.integers(0, 12), elsewhere=st.integers(0, 19))
    def delete(self, which, elsewhere) -> None:
        owner, handle, message, count = self.handles[-1 - which % len(self.handles)]
        place = elsewhere if elsewhere < len(self.queues) else owner
        error = error_of(self.queues[place].delete_message, handle)
        if place != owner:
            assert error is ReceiptHandleIsInvalid
        else:
            assert error is None
            self.model.delete(self.model.queues[place], message, count)
        self.settle()

    @precondition(lambda self: self.handles)
    @rule(which=st.integers(0, 12), timeout_s=timeouts_s)
    def change_visibility(self, which, timeout_s) -> None:
        place, handle, message, _ = self.handles[-1 - which % len(self.handles)]
        error = error_of(self.queues[place].change_message_visibility, handle, timeout_s)
        assert self.model.change(self.model.queues[place], message, timeout_s) == error
        self.settle()

    @rule(which=st.integers(0, 3), off_us=st.sampled_from((0, 0, -1, 1)))
    def time_passes_to_a_boundary(self, which, off_us) -> None:
        ahead = self.model.boundaries_us()
        if ahead:
            self.pass_time(max(self.model.now_us, ahead[min(which, len(ahead) - 1)] + off_us))

    @rule(elapsed_us=durations_us())
    def time_passes(self, elapsed_us) -> None:
        self.pass_time(self.model.now_us + elapsed_us)

    @rule(off_us=st.sampled_from((-1, 0, 1)))
    def time_passes_to_the_end_of_a_minute(self, off_us) -> None:
        border_us = (self.model.now_us // MINUTE_US + 1) * MINUTE_US
        self.pass_time(max(self.model.now_us, border_us + off_us))

    def pass_time(self, to_us) -> None:
        self.sim.run(until_us=to_us)
        self.model.advance(to_us)

    @invariant()
    def polls_are_answered_alike(self) -> None:
        waiting = []
        for task, place, answers, expected in self.open:
            assert [at_us for at_us, _ in answers] == [at_us for at_us, _ in expected]
            for (_, answer), (_, found) in zip(answers, expected, strict=True):
                self.compare(answer, found)
                self.note_handles(place, answer, found)
            assert task.is_done or not answers
            if not task.is_done:
                waiting.append((task, place, answers, expected))
        self.open = waiting

    @invariant()
    def counts_agree(self) -> None:
        now_us = self.model.now_us
        assert now_us == self.sim.now_us
        self.sim.check_invariants()
        for queue, model in zip(self.queues, self.model.queues, strict=True):
            snapshot = queue.snapshot()
            for state in ("visible", "in flight", "delayed"):
                assert len(model.in_state(state, now_us)) == getattr(snapshot, state.replace(" ", "_")), state
            for name in ("sent", "received", "deleted", "expired", "moved", "arrived"):
                assert model.totals.get(name, 0) == getattr(snapshot, name), name
            assert model.totals.get("request", 0) == snapshot.requests == snapshot.billed_requests
            assert model.age_us(now_us) == snapshot.oldest_age_us
            assert [(m.body, m.state(now_us), m.count) for m in model.messages] == [
                (m.body, m.state.value, m.receive_count) for m in queue.messages
            ]

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        now_us = self.model.now_us
        if now_us % MINUTE_US == 0:
            self.model.take_gauges(range(now_us, now_us + 1))
        for model in self.model.queues:
            self.compare_metrics(model)

    def compare_metrics(self, model: ModelQueue) -> None:
        for name, event in (
            ("NumberOfMessagesSent", "sent"),
            ("NumberOfMessagesReceived", "received"),
            ("NumberOfMessagesDeleted", "delete"),
            ("NumberOfEmptyReceives", "empty"),
        ):
            sums: dict[int, int] = {}
            for at_us, kind in model.events:
                if kind == event:
                    minute_s = at_us // MINUTE_US * 60
                    sums[minute_s] = sums.get(minute_s, 0) + 1
            series = self.sim.metrics.series("AWS/SQS", name, "Sum", QueueName=model.name)
            assert sorted(sums.items()) == list(series), name
        gauges = sorted((at_us, row) for at_us, row in model.gauges.items() if at_us)
        for place, name in enumerate(
            (
                "ApproximateNumberOfMessagesVisible",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
                "ApproximateAgeOfOldestMessage",
            )
        ):
            series = self.sim.metrics.series("AWS/SQS", name, "Maximum", QueueName=model.name)
            assert [(at_us // 1_000_000 - 60, row[place]) for at_us, row in gauges] == list(series), name


TestQueueAgreesWithModel = QueueAgreesWithModel.TestCase
TestQueueAgreesWithModel.settings = settings(max_examples=2 * settings().max_examples)
