"""SQS §20: purging a queue."""

from __future__ import annotations

import pytest

from lambdasim import SqsConfig, SqsFaults
from lambdasim.errors.sqs import InvalidParameterValueException, PurgeQueueInProgress
from lambdasim.units import seconds

KINDS = ("standard", "fifo")


def create(sim, kind, name="orders", **attributes):
    if kind == "standard":
        return sim.create_queue(name, **attributes)
    return sim.create_queue(f"{name}.fifo", fifo_queue=True, content_based_deduplication=True, **attributes)


def send(queue, *names, **parameters):
    return [queue.send_message(name, message_group_id=name[0], **parameters) for name in names]


def everything(queue, **parameters):
    return [delivery.body for delivery in queue.receive_message(max_number_of_messages=10, **parameters)]


def counts(queue):
    snapshot = queue.snapshot()
    return snapshot.visible, snapshot.in_flight, snapshot.delayed


class Script:
    """Answers each choice with the next of a list, then with 0; remembers what was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def choose(self, point, options):
        self.asked.append((point.name, point.owner, point.weight, len(options)))
        return self.answers.pop(0) if self.answers else 0


# ---- everything goes


@pytest.mark.rule("SQS-480")
@pytest.mark.parametrize("kind", KINDS)
def test_a_purge_removes_what_is_visible_in_flight_and_delayed(sim, kind):
    queue = create(sim, kind)
    send(queue, "A in flight")
    everything(queue)
    send(queue, "B visible")
    if kind == "standard":
        send(queue, "C delayed", delay_seconds=60)
    else:
        queue.set_queue_attributes(delay_seconds=60)
        send(queue, "C delayed")
    assert (1, 1, 1) == counts(queue)
    assert queue.purge_queue() is None
    assert (0, 0, 0) == counts(queue)
    assert 3 == queue.snapshot().purged
    sim.run(until=100)
    assert [] == everything(queue)
    sim.check_invariants()


@pytest.mark.rule("SQS-480", "SQS-276", "SQS-247")
@pytest.mark.parametrize("kind", KINDS)
def test_handles_from_before_a_purge_delete_nothing_and_change_nothing(sim, kind):
    queue = create(sim, kind)
    send(queue, "A1")
    (delivery,) = queue.receive_message()
    queue.purge_queue()
    send(queue, "A2")
    assert queue.delete_message(delivery.receipt_handle) is None
    with pytest.raises(InvalidParameterValueException, match="Message does not exist or is not available"):
        queue.change_message_visibility(delivery.receipt_handle, 0)
    assert (1, 0, 0) == counts(queue)
    assert 0 == queue.snapshot().deleted


@pytest.mark.rule("SQS-480", "SQS-601")
def test_a_purge_counts_as_no_delete(sim, queue):
    for _ in range(3):
        queue.send_message("a")
    queue.purge_queue()
    sim.run(until=60)
    assert [] == list(sim.metrics.series("AWS/SQS", "NumberOfMessagesDeleted", "Sum", QueueName="orders"))
    assert (0, 3) == (queue.snapshot().deleted, queue.snapshot().purged)


@pytest.mark.rule("SQS-480", "SQS-341")
def test_a_purge_clears_the_memory_of_duplicates_and_numbers_go_on(sim):
    queue = create(sim, "fifo")
    (before,) = send(queue, "A1")
    queue.purge_queue()
    (after,) = send(queue, "A1")
    assert ["A1"] == everything(queue)
    assert int(before.sequence_number) + 256 == int(after.sequence_number)


@pytest.mark.rule("SQS-480")
def test_a_purge_frees_the_groups(sim):
    queue = create(sim, "fifo")
    send(queue, "A1", "A2")
    everything(queue, visibility_timeout=1_000)
    queue.purge_queue()
    send(queue, "A3")
    assert ["A3"] == everything(queue)


@pytest.mark.rule("SQS-480", "SQS-410")
def test_a_purge_makes_room_under_the_limit_of_messages_in_flight(sim):
    queue = create(sim, "standard", settings=[SqsConfig(inflight_limit_standard=1)])
    send(queue, "a")
    everything(queue)
    queue.purge_queue()
    send(queue, "b")
    assert ["b"] == everything(queue)


@pytest.mark.rule("SQS-480")
def test_a_purge_of_an_empty_queue_is_a_purge(sim, queue):
    queue.purge_queue()
    with pytest.raises(PurgeQueueInProgress):
        queue.purge_queue()


# ---- once a minute


@pytest.mark.rule("SQS-481", "SQS-003")
@pytest.mark.parametrize(("off_us", "is_refused"), [(-1, True), (0, False), (1, False)])
def test_a_queue_is_purged_once_a_minute(sim, queue, off_us, is_refused):
    sim.run(until=5)
    queue.purge_queue()
    queue.send_message("a")
    sim.run(until_us=seconds(65) + off_us)
    if is_refused:
        with pytest.raises(PurgeQueueInProgress) as caught:
            queue.purge_queue()
        assert (
            "Only one PurgeQueue operation on orders is allowed every 60 seconds.",
            "AWS.SimpleQueueService.PurgeQueueInProgress",
            403,
        ) == (caught.value.message, caught.value.code, caught.value.http_status)
        assert 1 == queue.snapshot().total
    else:
        queue.purge_queue()
        assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-481")
def test_a_purge_that_was_refused_does_not_count(sim, queue):
    queue.purge_queue()
    sim.run(until=50)
    with pytest.raises(PurgeQueueInProgress):
        queue.purge_queue()
    sim.run(until=60)
    queue.purge_queue()


@pytest.mark.rule("SQS-481")
def test_the_minute_counts_from_the_last_purge(sim, queue):
    for at_s in (0, 60):
        sim.run(until=at_s)
        queue.purge_queue()
    sim.run_for(59)
    with pytest.raises(PurgeQueueInProgress):
        queue.purge_queue()
    sim.run_for(1)
    queue.purge_queue()


@pytest.mark.rule("SQS-481")
def test_each_queue_has_a_minute_of_its_own(sim, queue):
    other = sim.create_queue("other")
    queue.purge_queue()
    other.purge_queue()
    with pytest.raises(PurgeQueueInProgress, match="on other is"):
        other.purge_queue()


@pytest.mark.rule("SQS-481")
@pytest.mark.parametrize(("interval_s", "off_us", "is_refused"), [(10, -1, True), (10, 0, False), (0, 0, False)])
def test_how_often_a_queue_may_be_purged_can_be_set(sim, interval_s, off_us, is_refused):
    queue = create(sim, "standard", settings=[SqsConfig(purge_interval_s=interval_s)])
    queue.purge_queue()
    sim.run(until_us=seconds(interval_s) + off_us)
    if is_refused:
        with pytest.raises(PurgeQueueInProgress):
            queue.purge_queue()
    else:
        queue.purge_queue()


# ---- a purge that takes its time


def slow(sim_of, kind, *answers, **faults):
    script = Script(*answers)
    sim = sim_of(faults=SqsFaults(purge_duration_s=10, **faults), choices=script)
    return sim, create(sim, kind), script


@pytest.fixture
def sim_of(sim):
    """What makes a simulation with other arguments."""
    return type(sim)


@pytest.mark.rule("SQS-482")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("off_us", "left"), [(-1, ["A1"]), (0, []), (1, [])])
def test_what_was_sent_before_a_slow_purge_can_be_received_until_its_end(sim_of, kind, off_us, left):
    sim, queue, script = slow(sim_of, kind)
    send(queue, "A1")
    sim.run(until=1)
    queue.purge_queue()
    assert 1 == queue.snapshot().total
    sim.run(until_us=seconds(11) + off_us)
    assert left == everything(queue)
    sim.run(until=100)
    assert 0 == queue.snapshot().total
    assert [] == script.asked
    sim.check_invariants()


@pytest.mark.rule("SQS-482")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_sent_during_a_slow_purge_stays(sim_of, kind):
    sim, queue, script = slow(sim_of, kind)
    send(queue, "A1")
    queue.purge_queue()
    sim.run(until=5)
    send(queue, "B1")
    sim.run(until=11)
    assert ["B1"] == everything(queue)
    assert [] == script.asked


@pytest.mark.rule("SQS-482", "SQS-601")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", [0, 1])
@pytest.mark.parametrize(
    ("at_us", "is_asked"), [(0, True), (seconds(10) - 1, True), (seconds(10), False), (seconds(10) + 1, False)]
)
def test_what_is_sent_during_a_slow_purge_may_be_swallowed(sim_of, kind, answer, at_us, is_asked):
    sim, queue, script = slow(sim_of, kind, answer, purge_swallow_probability=0.25)
    send(queue, "A1")
    queue.purge_queue()
    sim.run(until_us=at_us)
    (sent,) = send(queue, "B1")
    assert sent.message_id
    assert ([("sqs.purge_swallow", queue.arn, 0.25, 2)] if is_asked else []) == script.asked
    sim.run(until=60)
    assert ([] if is_asked and answer else ["B1"]) == everything(queue)
    assert [(0, 2)] == list(sim.metrics.series("AWS/SQS", "NumberOfMessagesSent", "Sum", QueueName=queue.name))
    sim.check_invariants()


@pytest.mark.rule("SQS-482", "SQS-481")
def test_a_purge_during_another_ends_none_later(sim_of):
    sim = sim_of(faults=SqsFaults(purge_duration_s=10))
    queue = create(sim, "standard", settings=[SqsConfig(purge_interval_s=5)])
    left = []
    send(queue, "before the first")
    queue.purge_queue()
    sim.run(until=5)
    send(queue, "before the second")
    queue.purge_queue()
    sim.run(until=7)
    send(queue, "after both")
    for at_us in (seconds(10) - 1, seconds(10), seconds(15) - 1, seconds(15)):
        sim.run(until_us=at_us)
        left.append([message.body for message in queue.messages])
    assert [
        ["before the first", "before the second", "after both"],
        ["before the second", "after both"],
        ["before the second", "after both"],
        ["after both"],
    ] == left


@pytest.mark.rule("SQS-482")
@pytest.mark.parametrize("duration_s", [0, 10])
def test_without_a_purge_that_takes_time_nothing_is_swallowed(sim_of, duration_s):
    script = Script(1, 1, 1)
    faults = SqsFaults(purge_duration_s=duration_s, purge_swallow_probability=1.0)
    queue = create(sim_of(faults=faults, choices=script), "standard")
    send(queue, "a")
    if not duration_s:
        queue.purge_queue()
        send(queue, "b")
    assert 1 == queue.snapshot().total
    assert [] == script.asked


@pytest.mark.rule("SQS-482")
def test_with_certainty_each_message_sent_meanwhile_is_swallowed(sim_of):
    sim = sim_of(faults=SqsFaults(purge_duration_s=10, purge_swallow_probability=1.0))
    queue = create(sim, "standard")
    queue.purge_queue()
    for at_s in range(20):
        sim.run(until=at_s)
        send(queue, f"{at_s}")
    assert [f"{at_s}" for at_s in range(10, 20)] == everything(queue)
