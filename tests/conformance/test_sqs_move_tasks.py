"""SQS §19: tasks that move messages out of a dead-letter queue."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode

import pytest

from lambdasim import RedrivePolicy, Simulation, SqsConfig, SqsFaults
from lambdasim.errors.sqs import InvalidParameterValueException, ResourceNotFoundException, UnsupportedOperation
from lambdasim.units import seconds
from tests.counting import Lines

FORMAT = "You must use this format to specify the {}: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
RATE = (
    "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a number that's between 1 "
    "and 500."
)
SAME = "Source queue arn and destination queue arn cannot be the same."
NO_SOURCE = "The resource that you specified for the SourceArn parameter doesn't exist."
NO_DLQ = "Source queue must be configured as a Dead Letter Queue."
NO_DESTINATION = "The resource that you specified for the DestinationArn parameter doesn't exist."
TYPES = "The source queue and destination queue must be of the same queue type."
ACTIVE = "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
TOO_MANY = "The maximum number of active message move tasks is 100."
MISSING = "arn:aws:sqs:us-east-1:123456789012:missing"
SUMS = ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted")


def bodies(messages):
    return [message.body for message in messages]


def everything(queue, **parameters):
    return bodies(queue.receive_message(max_number_of_messages=10, **parameters))


def pair(sim, name="orders", **attributes):
    """A queue whose messages are used up at once, and its dead-letter queue."""
    dlq = sim.create_queue(f"{name}-dlq", **attributes)
    return sim.create_queue(name, visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1)), dlq


def fifo(sim, name, **attributes):
    return sim.create_queue(name, **{"fifo_queue": True, "content_based_deduplication": True, **attributes})


def fifo_pair(sim, **attributes):
    dlq = fifo(sim, "dlq.fifo", **attributes)
    return fifo(sim, "orders.fifo", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1)), dlq


def use_up(queue, *names):
    """Send messages and receive them until all of them are in the dead-letter queue."""
    for name in names:
        queue.send_message(name, message_group_id=name[0] if queue.name.endswith(".fifo") else None)
    while queue.receive_message(max_number_of_messages=10):
        pass


def start(sim, source, destination=None, rate=None):
    return sim.start_message_move_task(
        source, destination_arn=destination, max_number_of_messages_per_second=rate
    ).task_handle


def tasks(sim, source, limit=10):
    return sim.list_message_move_tasks(source, max_results=limit).results


def last(sim, source):
    return tasks(sim, source)[0]


def progress(sim, source):
    task = last(sim, source)
    return task.status, task.approximate_number_of_messages_moved


def text_of(call, error=InvalidParameterValueException):
    with pytest.raises(error) as caught:
        call()
    return caught.value.message


# ---- what cannot be started


@pytest.mark.rule("SQS-461")
@pytest.mark.parametrize(
    "arn", ["", "x", "orders-dlq", "arn:aws:sqs:us-east-1:123456789012", "https://sqs.us-east-1.amazonaws.com/1/q"]
)
def test_what_is_no_arn_is_refused(sim, arn):
    _, dlq = pair(sim)
    assert FORMAT.format("SourceArn") == text_of(lambda: start(sim, arn))
    assert FORMAT.format("DestinationArn") == text_of(lambda: start(sim, dlq.arn, arn))


@pytest.mark.rule("SQS-461")
@pytest.mark.parametrize(("rate", "is_legal"), [(-1, False), (0, False), (1, True), (500, True), (501, False)])
def test_a_rate_is_1_to_500_messages_a_second(sim, rate, is_legal):
    _, dlq = pair(sim)
    if is_legal:
        start(sim, dlq.arn, rate=rate)
    else:
        assert RATE == text_of(lambda: start(sim, dlq.arn, rate=rate))
        assert () == tasks(sim, dlq.arn)


@pytest.mark.rule("SQS-461")
def test_a_queue_is_not_moved_to_itself(sim):
    _, dlq = pair(sim)
    assert SAME == text_of(lambda: start(sim, dlq.arn, dlq.arn))


@pytest.mark.rule("SQS-461", "SQS-460")
def test_the_source_has_to_be_there_and_to_be_a_dead_letter_queue(sim):
    queue, dlq = pair(sim)
    with pytest.raises(ResourceNotFoundException) as caught:
        start(sim, MISSING)
    assert (NO_SOURCE, "ResourceNotFoundException", 404) == (
        caught.value.message,
        caught.value.code,
        caught.value.http_status,
    )
    assert NO_DLQ == text_of(lambda: start(sim, queue.arn))
    queue.set_queue_attributes(redrive_policy=None)
    assert NO_DLQ == text_of(lambda: start(sim, dlq.arn))


@pytest.mark.rule("SQS-461", "SQS-060")
def test_a_queue_whose_only_source_was_deleted_is_no_dead_letter_queue(sim):
    queue, dlq = pair(sim)
    other, _ = pair(sim, "other")
    other.set_queue_attributes(redrive_policy=RedrivePolicy(dlq, 1))
    use_up(queue, "1")
    queue.delete_queue()
    start(sim, dlq.arn, other.arn)
    sim.run(until=1)
    assert ["1"] == bodies(other.messages)
    other.delete_queue()
    assert NO_DLQ == text_of(lambda: start(sim, dlq.arn))


@pytest.mark.rule("SQS-461")
def test_the_destination_has_to_be_there_and_of_the_same_type(sim):
    _, dlq = pair(sim)
    ordered, ordered_dlq = fifo_pair(sim)
    assert NO_DESTINATION == text_of(lambda: start(sim, dlq.arn, MISSING), ResourceNotFoundException)
    assert TYPES == text_of(lambda: start(sim, dlq.arn, ordered.arn))
    assert TYPES == text_of(lambda: start(sim, ordered_dlq.arn, dlq.arn))


@pytest.mark.rule("SQS-461")
def test_one_task_is_active_for_a_source_at_a_time(sim):
    queue, dlq = pair(sim)
    use_up(queue, "1", "2")
    start(sim, dlq.arn, rate=1)
    for at_us in (0, seconds(2) - 1):
        sim.run(until_us=at_us)
        assert ACTIVE == text_of(lambda: start(sim, dlq.arn))
    sim.run(until=2)
    assert ("COMPLETED", 2) == progress(sim, dlq.arn)
    start(sim, dlq.arn)
    assert 2 == len(tasks(sim, dlq.arn))


@pytest.mark.rule("SQS-461")
def test_a_hundred_tasks_are_active_in_an_account(sim):
    pairs = [pair(sim, f"orders-{number}") for number in range(101)]
    for queue, _ in pairs:
        use_up(queue, "1", "2")
    handles = [start(sim, dlq.arn, rate=1) for _, dlq in pairs[:100]]
    *_, (_, one_more) = pairs
    with pytest.raises(UnsupportedOperation) as caught:
        start(sim, one_more.arn)
    assert (TOO_MANY, "AWS.SimpleQueueService.UnsupportedOperation") == (caught.value.message, caught.value.code)
    sim.cancel_message_move_task(handles[50])
    start(sim, one_more.arn)


@pytest.mark.rule("SQS-461")
def test_checks_come_in_the_order_of_the_table(sim):
    """Each call is wrong in two ways that stand beside each other in the table."""
    queue, dlq = pair(sim)
    ordered, _ = fifo_pair(sim)
    use_up(queue, "1", "2")
    assert FORMAT.format("SourceArn") == text_of(lambda: start(sim, "x", "y", 501))
    assert FORMAT.format("DestinationArn") == text_of(lambda: start(sim, dlq.arn, "y", 501))
    assert RATE == text_of(lambda: start(sim, MISSING, MISSING, 501))
    assert SAME == text_of(lambda: start(sim, MISSING, MISSING))
    assert NO_SOURCE == text_of(lambda: start(sim, MISSING, f"{MISSING}-too"), ResourceNotFoundException)
    assert NO_DLQ == text_of(lambda: start(sim, queue.arn, MISSING))
    start(sim, dlq.arn, rate=1)
    assert NO_DESTINATION == text_of(lambda: start(sim, dlq.arn, MISSING), ResourceNotFoundException)
    assert TYPES == text_of(lambda: start(sim, dlq.arn, ordered.arn))
    for number in range(99):
        source, its_dlq = pair(sim, f"orders-{number}")
        use_up(source, "1", "2")
        start(sim, its_dlq.arn, rate=1)
    assert ACTIVE == text_of(lambda: start(sim, dlq.arn))


@pytest.mark.rule("SQS-622", "SQS-461")
def test_what_could_not_be_started_leaves_no_trace(sim):
    queue, dlq = pair(sim)
    use_up(queue, "1")
    for arguments in ((dlq.arn, MISSING), (dlq.arn, None, 0), (dlq.arn, dlq.arn)):
        with pytest.raises((InvalidParameterValueException, ResourceNotFoundException)):
            start(sim, *arguments)
    sim.run(until=10)
    assert () == tasks(sim, dlq.arn)
    assert 1 == dlq.snapshot().visible


# ---- where messages go


@pytest.mark.rule("SQS-460")
def test_without_a_destination_each_message_returns_whence_it_came(sim):
    dlq = sim.create_queue("dlq")
    sources = [
        sim.create_queue(name, visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1)) for name in ("a", "b")
    ]
    for number in range(3):
        for source in sources:
            use_up(source, f"{source.name}{number}")
    start(sim, dlq.arn)
    sim.run(until=1)
    assert [["a0", "a1", "a2"], ["b0", "b1", "b2"]] == [bodies(source.messages) for source in sources]
    assert ("COMPLETED", 6) == progress(sim, dlq.arn)


@pytest.mark.rule("SQS-460")
def test_with_a_destination_all_messages_go_there_and_a_queue_will_do_for_its_arn(sim):
    queue, dlq = pair(sim)
    other = sim.create_queue("other")
    use_up(queue, "1", "2")
    dlq.send_message("sent straight")
    start(sim, dlq, other)
    sim.run(until=1)
    assert ["1", "2", "sent straight"] == bodies(other.messages)
    assert 0 == queue.snapshot().total


# ---- pace


@pytest.mark.rule("SQS-462")
@pytest.mark.parametrize("rate", [1, 3, 7, 30, 499, 500])
def test_steps_come_at_the_whole_microsecond(sim, rate):
    queue, dlq = pair(sim)
    other = sim.create_queue("other")
    use_up(queue, *(f"{number}" for number in range(10)))
    start_us = 12_345_678
    sim.run(until_us=start_us)
    start(sim, dlq.arn, other.arn, rate)
    sim.run(until=100)
    found = other.receive_message(max_number_of_messages=10)
    assert [start_us + step * 1_000_000 // rate for step in range(10)] == [each.sent_at_us for each in found]


@pytest.mark.rule("SQS-462")
@pytest.mark.parametrize(("config", "rate"), [({}, 500), ({"redrive_default_rate": 4}, 4)])
def test_without_a_rate_it_is_that_of_the_configuration(config, rate):
    sim = Simulation(settings=[SqsConfig(**config)])
    queue, dlq = pair(sim)
    other = sim.create_queue("other")
    use_up(queue, *"abcde")
    start(sim, dlq.arn, other.arn)
    sim.run(until=100)
    found = other.receive_message(max_number_of_messages=10)
    assert [step * 1_000_000 // rate for step in range(5)] == [each.sent_at_us for each in found]


@pytest.mark.rule("SQS-462", "SQS-463")
@pytest.mark.parametrize(("at_us", "status"), [(seconds(2) // 3 - 1, "RUNNING"), (seconds(2) // 3, "COMPLETED")])
def test_the_step_that_finds_nothing_completes_the_task(sim, at_us, status):
    queue, dlq = pair(sim)
    use_up(queue, "1", "2")
    start(sim, dlq.arn, rate=3)
    sim.run(until_us=at_us)
    assert (status, 2) == progress(sim, dlq.arn)


@pytest.mark.rule("SQS-463", "SQS-465")
def test_a_task_that_finds_nothing_at_all_is_completed_at_its_start(sim):
    _, dlq = pair(sim)
    start(sim, dlq.arn, rate=1)
    sim.run(until=0)
    task = last(sim, dlq.arn)
    assert ("COMPLETED", 0, 0) == (
        task.status,
        task.approximate_number_of_messages_moved,
        task.approximate_number_of_messages_to_move,
    )


@pytest.mark.rule("SQS-004", "SQS-462")
def test_a_step_comes_after_the_end_of_a_timeout_and_before_calls_of_its_instant(sim):
    queue, dlq = pair(sim)
    other = sim.create_queue("other")
    use_up(queue, "1", "2", "3")
    dlq.receive_message(visibility_timeout=1)  # message 1 comes back at 1
    seen = []
    sim.call_at(1, lambda: seen.extend(bodies(other.messages)))
    start(sim, dlq.arn, other.arn, 1)
    sim.run(until=10)
    assert ["2", "1"] == seen
    assert ["2", "1", "3"] == bodies(other.messages)


# ---- which messages


@pytest.mark.rule("SQS-463")
def test_what_is_in_flight_or_delayed_is_skipped(sim):
    queue, dlq = pair(sim)
    use_up(queue, "1", "2", "3", "4")
    dlq.send_message("delayed", delay_seconds=900)
    dlq.receive_message(visibility_timeout=1_000)
    start(sim, dlq.arn, rate=10)
    sim.run(until=100)
    task = last(sim, dlq.arn)
    assert ("COMPLETED", 3, 3) == (
        task.status,
        task.approximate_number_of_messages_moved,
        task.approximate_number_of_messages_to_move,
    )
    assert ["1", "delayed"] == bodies(dlq.messages)
    assert ["2", "3", "4"] == bodies(queue.messages)


@pytest.mark.rule("SQS-463", "SQS-303")
def test_messages_go_in_the_order_of_the_queue(sim):
    """A message that was received three times stands at the back."""
    queue, dlq = pair(sim)
    other = sim.create_queue("other")
    use_up(queue, "1")
    sim.run(until=1)
    for _ in range(2):
        dlq.receive_message(visibility_timeout=0)
    sim.run(until=2)
    use_up(queue, "2")
    sim.run(until=5)
    assert ["1"] == bodies(dlq.receive_message(visibility_timeout=0))
    sim.run(until=6)
    use_up(queue, "3")
    start(sim, dlq.arn, other.arn)
    sim.run(until=100)
    assert ["2", "1", "3"] == bodies(other.messages)


@pytest.mark.rule("SQS-463")
def test_what_arrives_meanwhile_is_moved_too(sim):
    queue, dlq = pair(sim)
    other = sim.create_queue("other")
    use_up(queue, "1", "2")
    start(sim, dlq.arn, other.arn, 1)
    sim.call_at(1.5, use_up, queue, "late")
    sim.call_at(3, use_up, queue, "too late")
    sim.run(until=10)
    assert ["1", "2", "late"] == bodies(other.messages)
    assert ("COMPLETED", 3) == progress(sim, dlq.arn)
    assert 2 == last(sim, dlq.arn).approximate_number_of_messages_to_move
    assert ["too late"] == bodies(dlq.messages)


@pytest.mark.rule("SQS-463", "SQS-321")
@pytest.mark.parametrize(
    ("in_flight", "expected"),
    [
        ((), ["A1", "B1", "A2", "C1", "B2"]),
        (("B1",), ["A1", "A2", "C1"]),
        (("B2",), ["A1", "B1", "A2", "C1"]),
        (("A1", "B1"), ["C1"]),
    ],
)
def test_of_a_fifo_queue_go_the_heads_that_are_free_by_sequence_number(sim, in_flight, expected):
    _, dlq = fifo_pair(sim)
    other = fifo(sim, "other.fifo")
    names = ["A1", "B1", "A2", "C1", "B2"]
    for name in names:
        dlq.send_message(name, message_group_id=name[0])
    for delivery in dlq.receive_message(max_number_of_messages=10, visibility_timeout=1_000):
        if delivery.body not in in_flight:
            dlq.change_message_visibility(delivery.receipt_handle, 0)
    start(sim, dlq.arn, other.arn, 10)
    sim.run(until=100)
    assert expected == bodies(other.messages)
    assert [name for name in names if name not in expected] == bodies(dlq.messages)
    assert ("COMPLETED", len(expected)) == progress(sim, dlq.arn)


@pytest.mark.rule("SQS-463")
def test_a_fifo_head_that_came_back_goes_before_those_that_waited_longer(sim):
    """A receive would take group B first (SQS-324); a task goes by sequence numbers."""
    queue, dlq = fifo_pair(sim)
    other = fifo(sim, "other.fifo")
    use_up(queue, "A1", "B1")
    (delivery,) = dlq.receive_message()
    assert "A1" == delivery.body
    sim.run(until=5)
    dlq.change_message_visibility(delivery.receipt_handle, 0)
    start(sim, dlq.arn, other.arn, 1)
    sim.run_for(0)
    assert ["A1"] == bodies(other.messages)
    sim.run(until=6)
    assert ["A1", "B1"] == bodies(other.messages)


@pytest.mark.rule("SQS-463", "SQS-208", "SQS-437")
def test_what_arrives_by_a_task_wakes_who_waits(sim):
    queue, dlq = pair(sim)
    use_up(queue, "1", "2")
    log = []

    async def listen():
        for _ in range(2):
            found = await queue.wait_receive(wait_time_seconds=20, visibility_timeout=100)
            log.append((sim.now, bodies(found)))

    sim.spawn(listen())
    sim.run(until=3)
    start(sim, dlq.arn, rate=1)
    sim.run(until=10)
    assert [(3.0, ["1"]), (4.0, ["2"])] == log


@pytest.mark.rule("SQS-463")
@pytest.mark.parametrize("kind", ["standard", "fifo"])
def test_a_step_costs_the_same_however_long_the_queue_is(kind):
    used = []
    for backlog in (1_000, 20_000):
        sim = Simulation(trace=0)
        queue, dlq = fifo_pair(sim) if kind == "fifo" else pair(sim)
        for number in range(backlog):
            dlq.send_message(f"{number}", message_group_id=f"{number % 100}" if kind == "fifo" else None)
        start(sim, dlq.arn, queue.arn, 1)
        sim.run(until=3)
        with Lines() as lines:
            sim.run(until=13)
        assert 14 == queue.snapshot().total
        used.append(lines.count)
    assert used[0] == used[1]


# ---- what a moved message is


@pytest.mark.rule("SQS-464")
def test_a_moved_message_is_a_new_one_with_the_content_of_the_old(sim):
    queue, dlq = pair(sim)
    other = sim.create_queue("other", delay_seconds=900)
    attributes = {"k": {"DataType": "String", "StringValue": "x"}}
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793"
    sent = queue.send_message(
        "a",
        message_attributes=attributes,
        message_group_id="tenant",
        message_system_attributes={"AWSTraceHeader": {"DataType": "String", "StringValue": trace}},
    )
    queue.receive_message()
    queue.receive_message()
    sim.run(until=50)
    start(sim, dlq.arn, other.arn)
    sim.run(until=51)
    (found,) = other.receive_message(attribute_names=["All"], message_attribute_names=["All"])
    assert sent.message_id != found.message_id
    assert ("a", attributes) == (found.body, dict(found.message_attributes))
    assert (seconds(50), seconds(51), 1) == (found.sent_at_us, found.first_received_at_us, found.receive_count)
    expected = {
        "SenderId": found.attributes["SenderId"],
        "SentTimestamp": "1767225650000",
        "ApproximateFirstReceiveTimestamp": "1767225651000",
        "ApproximateReceiveCount": "1",
        "MessageGroupId": "tenant",
        "AWSTraceHeader": trace,
    }
    assert expected == found.attributes


@pytest.mark.rule("SQS-464", "SQS-430")
def test_a_moved_message_has_its_deliveries_before_it_once_more(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 3))
    use_up(queue, "a")
    start(sim, dlq.arn)
    sim.run(until=1)
    assert [1, 2, 3] == [queue.receive_message()[0].receive_count for _ in range(3)]
    assert [] == queue.receive_message()
    assert 1 == dlq.snapshot().visible


@pytest.mark.rule("SQS-464", "SQS-400")
@pytest.mark.parametrize(("off_us", "left"), [(-1, 1), (0, 0)])
def test_retention_begins_with_the_move(sim, off_us, left):
    queue, dlq = pair(sim)
    other = sim.create_queue("other", message_retention_period=60)
    use_up(queue, "a")
    sim.run(until=500)
    start(sim, dlq.arn, other.arn)
    sim.run(until_us=seconds(560) + off_us)
    assert left == other.snapshot().total


@pytest.mark.rule("SQS-464", "SQS-435")
def test_a_moved_fifo_message_gets_a_new_number_and_no_duplicate_is_looked_for(sim):
    queue, dlq = fifo_pair(sim)
    other = fifo(sim, "other.fifo", delay_seconds=900)
    use_up(queue, "A1", "A2", "B1")
    moved_ids = [message.message_id for message in dlq.messages]
    for name in ("A1", *moved_ids):
        other.send_message(name, message_group_id="Z", message_deduplication_id=name)
    start(sim, dlq.arn, other.arn)
    sim.run(until=1)
    found = other.receive_message(max_number_of_messages=10, attribute_names=["All"])
    assert ["A1", "A2", "B1"] == bodies(found)
    assert ["A", "A", "B"] == [each.attributes["MessageGroupId"] for each in found]
    numbers = [each.attributes["SequenceNumber"] for each in found]
    assert sorted(numbers) == numbers
    assert numbers[0] == "18850000000000001280"  # the fifth of that queue
    assert all("DeadLetterQueueSourceArn" not in each.attributes for each in found)
    assert not set(moved_ids) & {each.message_id for each in found}


@pytest.mark.rule("SQS-464", "SQS-276", "SQS-247")
def test_handles_from_before_the_move_refer_to_nothing(sim):
    queue, dlq = pair(sim)
    use_up(queue, "a")
    (delivery,) = dlq.receive_message(visibility_timeout=0)
    start(sim, dlq.arn)
    sim.run(until=1)
    dlq.delete_message(delivery.receipt_handle)
    with pytest.raises(InvalidParameterValueException, match="Message does not exist"):
        dlq.change_message_visibility(delivery.receipt_handle, 0)
    assert (0, 1) == (dlq.snapshot().total, queue.snapshot().visible)
    assert 1 == dlq.snapshot().redriven
    sim.check_invariants()


@pytest.mark.rule("SQS-603")
def test_a_move_by_a_task_is_a_send_there_and_a_receive_and_a_delete_here(sim):
    queue, dlq = pair(sim)
    other = sim.create_queue("other")
    use_up(queue, "a", "b")
    start(sim, dlq.arn, other.arn, 1)
    sim.run(until=60)

    def sums(name):
        return [
            sum(value for _, value in sim.metrics.series("AWS/SQS", metric, "Sum", QueueName=name)) for metric in SUMS
        ]

    assert [0, 2, 2] == sums("orders-dlq")
    assert [2, 0, 0] == sums("other")


# ---- states


@pytest.mark.rule("SQS-465")
def test_a_message_that_was_sent_straight_to_the_source_fails_a_task_without_a_destination(sim):
    queue, dlq = pair(sim)
    use_up(queue, "1")
    sim.run(until=1)
    dlq.send_message("sent straight")
    sim.run(until=2)
    use_up(queue, "3")
    start(sim, dlq.arn, rate=1)
    sim.run(until_us=seconds(3) - 1)
    assert ("RUNNING", 1) == progress(sim, dlq.arn)
    assert last(sim, dlq.arn).failure_reason is None
    sim.run(until=10)
    assert ("FAILED", 1) == progress(sim, dlq.arn)
    assert "CouldNotDetermineMessageSource" == last(sim, dlq.arn).failure_reason
    assert ["1"] == bodies(queue.messages)
    assert ["sent straight", "3"] == bodies(dlq.messages)
    start(sim, dlq.arn, queue.arn)
    sim.run(until=11)
    assert ("COMPLETED", 2) == progress(sim, dlq.arn)


@pytest.mark.rule("SQS-465")
@pytest.mark.parametrize("is_named", [True, False])
def test_a_task_fails_when_its_destination_is_deleted(sim, is_named):
    queue, dlq = pair(sim)
    use_up(queue, "1", "2", "3")
    other = sim.create_queue("other")
    start(sim, dlq.arn, other.arn if is_named else None, 1)
    sim.run(until=1.5)
    (other if is_named else queue).delete_queue()
    if not is_named:
        sim.create_queue("yet-another", redrive_policy=RedrivePolicy(dlq, 1))
    sim.run(until_us=seconds(2) - 1)
    assert 2 == last(sim, dlq.arn).approximate_number_of_messages_moved
    sim.run(until=10)
    task = last(sim, dlq.arn)
    assert ("FAILED", "AWS.SimpleQueueService.NonExistentQueue", 2) == (
        task.status,
        task.failure_reason,
        task.approximate_number_of_messages_moved,
    )
    assert ["3"] == bodies(dlq.messages)


@pytest.mark.rule("SQS-465", "SQS-466", "SQS-468")
def test_a_task_ends_with_its_source(sim):
    queue, dlq = pair(sim)
    use_up(queue, "1", "2", "3")
    handle = start(sim, dlq.arn, rate=1)
    sim.run(until=1.5)
    dlq.delete_queue()
    assert NO_SOURCE == text_of(lambda: sim.cancel_message_move_task(handle), ResourceNotFoundException)
    assert NO_SOURCE == text_of(lambda: tasks(sim, dlq.arn), ResourceNotFoundException)
    sim.run(until=100)
    assert 2 == queue.snapshot().total
    sim.create_queue("orders-dlq")
    assert "Task does not exist." == text_of(lambda: sim.cancel_message_move_task(handle), ResourceNotFoundException)


@pytest.mark.rule("SQS-465")
def test_a_task_runs_for_36_hours_and_no_longer():
    """129,600 steps at one a second; the step at 36 h moves nothing."""
    sim = Simulation(trace=0)
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, 1))
    entries = [{"id": f"{number}", "message_body": "a"} for number in range(10)]
    for _ in range(12_961):
        dlq.send_message_batch(entries)
    start(sim, dlq.arn, queue.arn, 1)
    sim.run(until_us=seconds(129_600) - 1)
    assert ("RUNNING", 129_600) == progress(sim, dlq.arn)
    sim.run(until=129_600)
    assert ("FAILED", 129_600) == progress(sim, dlq.arn)
    sim.run(until=129_700)
    assert 10 == dlq.snapshot().total


# ---- cancelling


@pytest.mark.rule("SQS-466", "SQS-467")
def test_a_task_is_cancelled_at_once_and_says_how_many_it_moved(sim):
    queue, dlq = pair(sim)
    use_up(queue, *"abcdef")
    handle = start(sim, dlq.arn, rate=2)
    sim.run(until=1)
    assert 3 == sim.cancel_message_move_task(handle).approximate_number_of_messages_moved
    assert ("CANCELLED", 3) == progress(sim, dlq.arn)
    sim.run(until=100)
    assert ("CANCELLED", 3) == progress(sim, dlq.arn)
    assert (3, 3) == (queue.snapshot().total, dlq.snapshot().total)
    start(sim, dlq.arn)
    sim.run(until=101)
    assert ("COMPLETED", 3) == progress(sim, dlq.arn)


@pytest.mark.rule("SQS-466")
@pytest.mark.parametrize("how", ["completed", "cancelled", "failed"])
def test_a_task_that_is_over_cannot_be_cancelled(sim, how):
    queue, dlq = pair(sim)
    use_up(queue, "1")
    if how == "failed":
        dlq.send_message("sent straight")
    handle = start(sim, dlq.arn, rate=1)
    if how == "cancelled":
        sim.cancel_message_move_task(handle)
    sim.run(until=10)
    assert how.upper() == last(sim, dlq.arn).status
    with pytest.raises(ResourceNotFoundException) as caught:
        sim.cancel_message_move_task(handle)
    assert ("Task does not exist.", 404) == (caught.value.message, caught.value.http_status)


@pytest.mark.rule("SQS-466", "SQS-469")
def test_a_handle_is_checked_for_its_form_then_its_queue_then_its_task(sim):
    def handle(task_id, arn):
        return b64encode(json.dumps({"taskId": task_id, "sourceArn": arn}).encode()).decode()

    _, dlq = pair(sim)
    for text in ("", "x", "no handle", "=", b64encode(b"[]").decode(), b64encode(b'{"taskId": "x"}').decode()):
        assert "Value for parameter TaskHandle is invalid." == text_of(
            lambda text=text: sim.cancel_message_move_task(text)
        )
    assert NO_SOURCE == text_of(
        lambda: sim.cancel_message_move_task(handle("unknown", MISSING)), ResourceNotFoundException
    )
    assert "Task does not exist." == text_of(
        lambda: sim.cancel_message_move_task(handle("unknown", dlq.arn)), ResourceNotFoundException
    )


@pytest.mark.rule("SQS-467")
def test_with_the_knob_a_cancelled_task_goes_on_for_a_while():
    sim = Simulation(faults=SqsFaults(cancel_move_task_s=3))
    queue, dlq = pair(sim)
    use_up(queue, *"abcdefghij")
    handle = start(sim, dlq.arn, rate=1)
    sim.run(until=1.5)
    assert 2 == sim.cancel_message_move_task(handle).approximate_number_of_messages_moved
    assert ("CANCELLING", 2) == progress(sim, dlq.arn)
    assert last(sim, dlq.arn).task_handle is None
    sim.run(until_us=seconds(4.5) - 1)
    assert ("CANCELLING", 5) == progress(sim, dlq.arn)
    sim.run(until=4.5)
    assert ("CANCELLED", 5) == progress(sim, dlq.arn)
    sim.run(until=100)
    assert (5, 5) == (queue.snapshot().total, dlq.snapshot().total)


@pytest.mark.rule("SQS-467", "SQS-003")
@pytest.mark.parametrize("lag_s", [1, 2, 3])
def test_a_step_at_the_very_end_of_a_slow_cancel_moves_nothing(lag_s):
    sim = Simulation(faults=SqsFaults(cancel_move_task_s=lag_s))
    queue, dlq = pair(sim)
    use_up(queue, *"abcdefghij")
    handle = start(sim, dlq.arn, rate=1)
    sim.run(until=2)
    sim.cancel_message_move_task(handle)
    sim.run(until=100)
    assert ("CANCELLED", 2 + lag_s) == progress(sim, dlq.arn)


@pytest.mark.rule("SQS-467", "SQS-466")
def test_a_task_that_is_being_cancelled_is_no_longer_running():
    sim = Simulation(faults=SqsFaults(cancel_move_task_s=30))
    queue, dlq = pair(sim)
    use_up(queue, *"ab")
    handle = start(sim, dlq.arn, rate=1)
    sim.cancel_message_move_task(handle)
    assert "Task does not exist." == text_of(lambda: sim.cancel_message_move_task(handle), ResourceNotFoundException)
    sim.run(until=100)
    assert 0 == dlq.snapshot().total


# ---- listing


@pytest.mark.rule("SQS-468")
def test_tasks_are_listed_from_the_newest_one_by_default(sim):
    _, dlq = pair(sim)
    for at_s in range(12):
        sim.run(until=at_s)
        start(sim, dlq.arn)
    sim.run(until=20)

    def started(results):
        return [task.started_timestamp for task in results]

    first_ms = 1_767_225_600_000
    assert [first_ms + 11_000] == started(sim.list_message_move_tasks(dlq.arn).results)
    for limit in (1, 2, 10):
        expected = [first_ms + 1_000 * (11 - place) for place in range(limit)]
        assert expected == started(sim.list_message_move_tasks(dlq, max_results=limit).results)


@pytest.mark.rule("SQS-468")
@pytest.mark.parametrize("limit", [-1, 0, 11])
def test_at_most_ten_tasks_are_listed(sim, limit):
    _, dlq = pair(sim)
    with pytest.raises(InvalidParameterValueException):
        sim.list_message_move_tasks(dlq.arn, max_results=limit)


@pytest.mark.rule("SQS-468")
def test_tasks_of_a_queue_that_is_not_there_cannot_be_listed(sim):
    assert NO_SOURCE == text_of(lambda: tasks(sim, MISSING), ResourceNotFoundException)


@pytest.mark.rule("SQS-468")
def test_a_queue_without_tasks_lists_none(sim, queue):
    assert () == tasks(sim, queue.arn)


@pytest.mark.rule("SQS-468", "SQS-002")
def test_an_entry_says_what_was_asked_for_and_how_far_it_got(sim):
    queue, dlq = pair(sim)
    other = sim.create_queue("other")
    use_up(queue, "1", "2", "3")
    sim.run(until_us=1_234_567)
    handle = start(sim, dlq.arn, other.arn, 1)
    sim.run_for(1)
    task = last(sim, dlq.arn)
    assert ("RUNNING", dlq.arn, other.arn, 1, 2, 3, 1_767_225_601_234, handle, None) == (
        task.status,
        task.source_arn,
        task.destination_arn,
        task.max_number_of_messages_per_second,
        task.approximate_number_of_messages_moved,
        task.approximate_number_of_messages_to_move,
        task.started_timestamp,
        task.task_handle,
        task.failure_reason,
    )
    assert type(task.started_timestamp) is int
    sim.run(until=100)
    task = last(sim, dlq.arn)
    assert ("COMPLETED", None, None) == (task.status, task.task_handle, task.failure_reason)


@pytest.mark.rule("SQS-468")
def test_an_entry_leaves_out_what_was_not_asked_for(sim):
    queue, dlq = pair(sim)
    use_up(queue, "1")
    start(sim, dlq.arn)
    task = last(sim, dlq.arn)
    assert (None, None) == (task.destination_arn, task.max_number_of_messages_per_second)


@pytest.mark.rule("SQS-469")
def test_a_task_handle_is_base64_of_json(sim):
    queue, dlq = pair(sim)
    found = []
    for at_s in (0, 1):
        sim.run(until=at_s)
        use_up(queue, "1")
        found.append(json.loads(b64decode(start(sim, dlq.arn), validate=True)))
        sim.run_for(0.5)
    assert all({"taskId", "sourceArn"} == set(each) and dlq.arn == each["sourceArn"] for each in found)
    assert found[0]["taskId"] != found[1]["taskId"]
