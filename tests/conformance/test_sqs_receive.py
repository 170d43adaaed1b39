"""SQS §9: receiving, long and short polls."""

from __future__ import annotations

import pytest

from lambdasim import RedrivePolicy, Simulation, SqsConfig, SqsFaults
from lambdasim.errors import ResponseLostError, UsageError
from lambdasim.errors.sqs import InvalidAttributeName, InvalidParameterValueException
from lambdasim.units import seconds
from tests.choosers import Says


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


async def listen(queue, log, name="", **parameters):
    found = await queue.wait_receive(**parameters)
    log.append((name, queue.clock.now_us, bodies(found)))
    return found


def fill(queue, count):
    for number in range(1, count + 1):
        queue.send_message(f"m{number}")


NAMES = {"standard": "orders", "fifo": "orders.fifo"}

kinds = pytest.mark.parametrize("kind", NAMES)


def send(queue, body, group=None, **parameters):
    """Send to either type of queue; on a FIFO queue to this group, or to one of its own."""
    if queue.name.endswith(".fifo"):
        sent = queue.snapshot().sent
        parameters |= {"message_group_id": group or f"g{sent}", "message_deduplication_id": f"{sent}"}
    return queue.send_message(body, **parameters)


# ---- parameters


@pytest.mark.rule("SQS-200")
def test_a_receive_takes_one_message_by_default(queue):
    fill(queue, 3)
    assert ["m1"] == bodies(queue.receive_message())


@pytest.mark.rule("SQS-200", "SQS-202")
@pytest.mark.parametrize("limit", range(1, 11))
def test_a_receive_takes_up_to_as_many_as_it_asks_for(queue, limit):
    fill(queue, 10)
    assert limit == len(queue.receive_message(max_number_of_messages=limit))
    assert 10 - limit == len(queue.receive_message(max_number_of_messages=10))


@pytest.mark.rule("SQS-200", "SQS-240")
@pytest.mark.parametrize(("given_s", "expected_s"), [(None, 7), (0, 0), (1, 1), (43_200, 43_200)])
def test_the_visibility_timeout_is_that_of_the_call_or_else_of_the_queue(sim, given_s, expected_s):
    queue = sim.create_queue("orders", visibility_timeout=7)
    fill(queue, 1)
    queue.receive_message(visibility_timeout=given_s)
    if expected_s:
        sim.run(until_us=seconds(expected_s) - 1)
        assert 1 == queue.approximate_number_of_messages_not_visible
    sim.run(until=expected_s)
    assert 0 == queue.approximate_number_of_messages_not_visible


RANGES = {
    "max_number_of_messages": ("MaxNumberOfMessages", "Must be between 1 and 10, if provided."),
    "wait_time_seconds": ("WaitTimeSeconds", "Must be >= 0 and <= 20, if provided."),
    "visibility_timeout": ("VisibilityTimeout", "Must be >= 0 and <= 43200, if provided."),
}


@pytest.mark.rule("SQS-201")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("max_number_of_messages", value) for value in (0, 11, -1)],
        *[("wait_time_seconds", value) for value in (-1, 21)],
        *[("visibility_timeout", value) for value in (-1, 43_201)],
    ],
)
def test_a_number_out_of_range_is_refused(sim, queue, name, value):
    parameter, reason = RANGES[name]
    fill(queue, 1)
    before = queue.snapshot()
    with pytest.raises(InvalidParameterValueException) as caught:
        queue.receive_message(**{name: value})
    assert f"Value {value} for parameter {parameter} is invalid. Reason: {reason}" == caught.value.message
    assert before == queue.snapshot()
    task = sim.spawn(queue.wait_receive(**{name: value}))
    with pytest.raises(InvalidParameterValueException):
        sim.run()
    assert task.is_done
    assert before.visible == queue.snapshot().visible


@pytest.mark.rule("SQS-621")
def test_ranges_are_checked_in_the_order_of_the_parameters(queue):
    wrong = {
        "visibility_timeout": -1,
        "attribute_names": ["Nope"],
        "wait_time_seconds": -1,
        "max_number_of_messages": 0,
    }
    for named in ("MaxNumberOfMessages", "WaitTimeSeconds", "VisibilityTimeout"):
        with pytest.raises(InvalidParameterValueException, match=f"parameter {named} "):
            queue.receive_message(**wrong)
        wrong.popitem()
    with pytest.raises(InvalidAttributeName):
        queue.receive_message(attribute_names=["Nope"])


# ---- what a delivery is


@pytest.mark.rule("SQS-202", "SQS-430")
def test_a_message_that_is_used_up_is_moved_and_does_not_count_towards_the_limit(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, 1))
    fill(queue, 3)
    queue.receive_message(max_number_of_messages=3, visibility_timeout=1)
    sim.run(until=1)
    for number in range(4, 7):
        queue.send_message(f"m{number}")
    assert ["m4", "m5"] == bodies(queue.receive_message(max_number_of_messages=2))
    assert 3 == dlq.approximate_number_of_messages


@pytest.mark.rule("SQS-203", "SQS-271")
def test_a_delivery_raises_the_counts_and_brings_a_new_handle(sim, queue):
    fill(queue, 1)
    seen = []
    for number in range(1, 6):
        (delivery,) = queue.receive_message(visibility_timeout=2)
        assert number == delivery.receive_count
        assert 0 == delivery.first_received_at_us
        assert 2 * (number - 1) == sim.now
        seen.append(delivery.receipt_handle)
        sim.run_for(2)
    assert 5 == len(set(seen))


@pytest.mark.rule("SQS-203")
def test_a_delivery_stays_what_it_was(sim, queue):
    fill(queue, 1)
    (first,) = queue.receive_message(visibility_timeout=1, attribute_names=["All"])
    before = first.receive_count, first.receipt_handle, first.attributes
    sim.run(until=1)
    (second,) = queue.receive_message(visibility_timeout=1)
    queue.delete_message(second.receipt_handle)
    assert before == (first.receive_count, first.receipt_handle, first.attributes)
    assert "m1" == first.body


@pytest.mark.rule("SQS-204", "SQS-205")
def test_an_answer_holds_a_message_once_even_without_a_visibility_timeout(queue):
    fill(queue, 3)
    for _ in range(2):
        assert ["m1", "m2", "m3"] == bodies(queue.receive_message(max_number_of_messages=10, visibility_timeout=0))


@pytest.mark.rule("SQS-205", "SQS-439")
def test_without_a_visibility_timeout_a_message_is_counted_and_never_in_flight(sim, queue):
    fill(queue, 1)
    (first,) = queue.receive_message(visibility_timeout=0)
    assert (1, 0) == (queue.snapshot().visible, queue.snapshot().in_flight)
    (second,) = queue.receive_message(visibility_timeout=0)
    assert (1, 2) == (first.receive_count, second.receive_count)
    assert first.receipt_handle != second.receipt_handle
    queue.delete_message(first.receipt_handle)
    assert 1 == queue.snapshot().visible
    queue.delete_message(second.receipt_handle)
    assert 0 == queue.snapshot().visible


@pytest.mark.rule("SQS-211")
def test_a_delivery_has_id_handle_body_and_digest_and_only_the_attributes_asked_for(queue):
    answer = queue.send_message("a")
    (delivery,) = queue.receive_message()
    assert answer.message_id == delivery.message_id
    assert answer.md5_of_message_body == delivery.md5_of_body
    assert "a" == delivery.body
    assert delivery.receipt_handle
    assert {} == delivery.attributes
    assert {} == delivery.message_attributes
    for absent in ("message_group_id", "message_deduplication_id", "sequence_number", "md5_of_message_attributes"):
        assert getattr(delivery, absent) is None


PRESENT = {"SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp"}


@pytest.mark.rule("SQS-212")
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([], [], set()),
        (["All"], [], PRESENT),
        ([], ["All"], PRESENT),
        (["SenderId"], [], {"SenderId"}),
        (["SenderId"], ["SentTimestamp"], {"SenderId", "SentTimestamp"}),
        (["SenderId"], ["SenderId", "All"], PRESENT),
        (["DeadLetterQueueSourceArn", "MessageGroupId", "AWSTraceHeader"], ["SequenceNumber"], set()),
        ([], ["MessageDeduplicationId", "ApproximateReceiveCount"], {"ApproximateReceiveCount"}),
    ],
)
def test_system_attributes_are_those_that_either_list_names_and_that_are_there(queue, old, new, expected):
    fill(queue, 1)
    (delivery,) = queue.receive_message(attribute_names=old, message_system_attribute_names=new)
    assert expected == set(delivery.attributes)


@pytest.mark.rule("SQS-212")
@pytest.mark.parametrize("parameter", ["attribute_names", "message_system_attribute_names"])
@pytest.mark.parametrize("name", ["Nope", "all", "", "senderId"])
def test_an_unknown_system_attribute_is_refused(queue, parameter, name):
    fill(queue, 1)
    with pytest.raises(InvalidAttributeName) as caught:
        queue.receive_message(**{parameter: ["All", name]})
    assert f"Unknown Attribute {name}." == caught.value.message
    assert 1 == queue.approximate_number_of_messages


@pytest.mark.rule("SQS-212", "SQS-150")
def test_a_message_of_a_fifo_queue_has_three_system_attributes_more(sim):
    queue = sim.create_queue("orders.fifo")
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}}
    sent = send(queue, "a", "g", message_system_attributes=trace)
    (delivery,) = queue.receive_message(message_system_attribute_names=["All"])
    assert {*PRESENT, "MessageGroupId", "MessageDeduplicationId", "SequenceNumber", "AWSTraceHeader"} == set(
        delivery.attributes
    )
    assert ("g", "0", sent.sequence_number, "Root=1") == (
        delivery.attributes["MessageGroupId"],
        delivery.attributes["MessageDeduplicationId"],
        delivery.attributes["SequenceNumber"],
        delivery.attributes["AWSTraceHeader"],
    )


ATTRIBUTES = {
    name: {"DataType": "String", "StringValue": name}
    for name in ("Hello", "Help.Me", "Help", "hello", "other", "a.b.c")
}


@pytest.mark.rule("SQS-213", "SQS-211")
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], set()),
        (["All"], set(ATTRIBUTES)),
        ([".*"], set(ATTRIBUTES)),
        (["*"], set(ATTRIBUTES)),
        (["Hello"], {"Hello"}),
        (["hello"], {"hello"}),
        (["Hel"], set()),
        (["Hel.*"], {"Hello", "Help", "Help.Me"}),
        (["Help.*"], {"Help", "Help.Me"}),
        (["Help.M.*"], {"Help.Me"}),
        (["a.*"], {"a.b.c"}),
        (["a.b.*"], {"a.b.c"}),
        (["other", "Hel.*", "nope"], {"other", "Hello", "Help", "Help.Me"}),
        (["nope", "AWS.", "..foo", "", "x" * 300], set()),
        (["all"], set()),
        (["other", "All"], set(ATTRIBUTES)),
    ],
)
def test_message_attributes_are_those_that_the_names_and_prefixes_match(queue, asked, expected):
    queue.send_message("a", message_attributes=ATTRIBUTES)
    (delivery,) = queue.receive_message(message_attribute_names=asked)
    assert {name: ATTRIBUTES[name] for name in expected} == delivery.message_attributes
    assert bool(expected) == (delivery.md5_of_message_attributes is not None)


@pytest.mark.rule("SQS-214", "SQS-141", "SQS-143")
def test_the_digest_in_an_answer_is_that_of_the_attributes_in_it(queue):
    sent = queue.send_message(
        "a",
        message_attributes={
            "my_attribute_name_1": {"DataType": "String", "StringValue": "my_attribute_value_1"},
            "my_attribute_name_2": {"DataType": "String", "StringValue": "my_attribute_value_2"},
            "k": {"DataType": "String", "StringValue": "x"},
        },
    )
    found = [
        queue.receive_message(visibility_timeout=0, message_attribute_names=asked)[0].md5_of_message_attributes
        for asked in (["All"], ["my.*"], ["k"], ["nope"])
    ]
    assert [
        sent.md5_of_message_attributes,
        "c48838208d2b4e14e3ca0093a8443f09",
        "a45daa70926828a2f0a1db3418e6feb4",
        None,
    ] == found


# ---- short and long polls


@pytest.mark.rule("SQS-206", "SQS-210")
@pytest.mark.parametrize("queue_wait_s", [0, 20])
def test_an_explicit_wait_of_nought_answers_at_once(sim, queue_wait_s):
    queue = sim.create_queue("orders", receive_message_wait_time_seconds=queue_wait_s)
    assert [] == queue.receive_message(wait_time_seconds=0)
    assert 0.0 == sim.now


@pytest.mark.rule("SQS-200", "SQS-206", "SQS-207")
@pytest.mark.parametrize(("queue_wait_s", "wait_s", "ends_at_s"), [(0, None, 0), (7, None, 7), (7, 3, 3), (0, 20, 20)])
def test_a_poll_waits_as_long_as_the_call_or_else_the_queue_says(sim, queue_wait_s, wait_s, ends_at_s):
    queue = sim.create_queue("orders", receive_message_wait_time_seconds=queue_wait_s)
    assert [] == queue.receive_message(wait_time_seconds=wait_s)
    assert ends_at_s == sim.now


@pytest.mark.rule("SQS-003", "SQS-207")
@pytest.mark.parametrize(("off_us", "expected"), [(-1, ["a"]), (0, ["a"]), (1, [])])
def test_a_long_poll_takes_what_becomes_visible_up_to_its_very_end(sim, queue, off_us, expected):
    queue.send_message("a", delay_seconds=30)
    log = []
    sim.run(until_us=seconds(10) - off_us)
    sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.run()
    assert [("", seconds(30) - (off_us == 1), expected)] == log


@pytest.mark.rule("SQS-207", "SQS-217")
def test_a_long_poll_that_finds_something_answers_at_once_and_never_waits_to_fill_up(sim, queue):
    fill(queue, 2)
    assert ["m1", "m2"] == bodies(queue.receive_message(max_number_of_messages=10, wait_time_seconds=20))
    assert 0.0 == sim.now


@pytest.mark.rule("SQS-217")
def test_a_default_wait_does_not_delay_what_is_there(sim):
    queue = sim.create_queue("orders", receive_message_wait_time_seconds=20)
    fill(queue, 1)
    assert ["m1"] == bodies(queue.receive_message(max_number_of_messages=10))
    assert 0.0 == sim.now


@pytest.mark.rule("SQS-217", "SQS-601")
@pytest.mark.parametrize("wait_s", [0, 20])
def test_an_empty_answer_counts_once_however_long_the_poll_took(sim, queue, wait_s):
    assert [] == queue.receive_message(wait_time_seconds=wait_s)
    series = sim.metrics.series("AWS/SQS", "NumberOfEmptyReceives", "Sum", QueueName="orders")
    assert [(0, 1)] == list(series)
    assert 1 == queue.snapshot().requests


# ---- what wakes a poll


def wake_by_send(sim, queue):
    sim.call_at(5, queue.send_message, "m1")


def wake_by_end_of_delay(sim, queue):
    queue.send_message("m1", delay_seconds=5)


def wake_by_end_of_visibility(sim, queue):
    queue.send_message("m1")
    queue.receive_message(visibility_timeout=5)


def wake_by_release(sim, queue):
    queue.send_message("m1")
    (delivery,) = queue.receive_message(visibility_timeout=30)
    sim.call_at(5, queue.change_message_visibility, delivery.receipt_handle, 0)


def wake_by_shorter_visibility(sim, queue):
    queue.send_message("m1")
    (delivery,) = queue.receive_message(visibility_timeout=30)
    sim.call_at(2, queue.change_message_visibility, delivery.receipt_handle, 3)


def wake_by_arrival_through_a_dead_letter_move(sim, queue):
    source = sim.create_queue("source", visibility_timeout=0, redrive_policy=RedrivePolicy(queue, 1))
    source.send_message("m1")
    source.receive_message()
    sim.call_at(5, source.receive_message)


@pytest.mark.rule("SQS-208")
@pytest.mark.parametrize(
    "waker",
    [
        wake_by_send,
        wake_by_end_of_delay,
        wake_by_end_of_visibility,
        wake_by_release,
        wake_by_shorter_visibility,
        wake_by_arrival_through_a_dead_letter_move,
    ],
)
@pytest.mark.parametrize("is_blocking", [False, True])
def test_a_waiting_poll_is_woken_at_the_instant_at_which_something_comes(sim, queue, waker, is_blocking):
    waker(sim, queue)
    if is_blocking:
        assert ["m1"] == bodies(queue.receive_message(wait_time_seconds=20))
        assert 5.0 == sim.now
    else:
        log = []
        sim.spawn(listen(queue, log, wait_time_seconds=20))
        sim.run()
        assert [("", seconds(5), ["m1"])] == log
    assert 1 == queue.snapshot().in_flight


@pytest.mark.rule("SQS-208", "SQS-410")
@pytest.mark.parametrize("how", ["delete", "expiry", "release"])
def test_a_poll_that_waits_at_the_limit_of_messages_in_flight_is_woken_by_room(sim, how):
    queue = sim.create_queue(
        "orders", message_retention_period=60, settings=[SqsConfig(inflight_limit_standard=1, requeue_to_back_after=1)]
    )
    queue.send_message("m1")
    (delivery,) = queue.receive_message(visibility_timeout=100)
    sim.run(until=10)
    queue.send_message("m2")
    log = []
    sim.call_at(45, lambda: sim.spawn(listen(queue, log, wait_time_seconds=20)))
    if how == "delete":
        sim.call_at(60 - 1, queue.delete_message, delivery.receipt_handle)
    elif how == "release":
        sim.call_at(60 - 1, queue.change_message_visibility, delivery.receipt_handle, 0)
    sim.run()
    assert [("", seconds(60 if how == "expiry" else 59), ["m2"])] == log


@pytest.mark.rule("SQS-208", "SQS-430")
def test_a_wake_up_that_only_moves_messages_away_leaves_the_poll_waiting(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("used up")
    queue.receive_message(visibility_timeout=5)
    log = []
    sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.call_at(8, queue.send_message, "fresh")
    sim.run(until=5)
    assert [] == log
    assert 1 == dlq.approximate_number_of_messages
    sim.run()
    assert [("", seconds(8), ["fresh"])] == log


@pytest.mark.rule("SQS-208", "SQS-325")
@pytest.mark.parametrize("how", ["delete", "release", "timeout", "send to another group", "send to the same group"])
def test_a_poll_on_a_fifo_queue_is_woken_when_a_group_comes_free(sim, how):
    queue = sim.create_queue("orders.fifo", visibility_timeout=30)
    for body in ("m1", "m2"):
        send(queue, body, "g")
    (delivery,) = queue.receive_message(visibility_timeout=5 if how == "timeout" else 30)
    if how == "delete":
        sim.call_at(5, queue.delete_message, delivery.receipt_handle)
    elif how == "release":
        sim.call_at(5, queue.change_message_visibility, delivery.receipt_handle, 0)
    elif how == "send to another group":
        sim.call_at(5, send, queue, "m3", "h")
    elif how == "send to the same group":
        sim.call_at(5, send, queue, "m3", "g")
    expected = {
        "delete": ["m2"],
        "release": ["m1", "m2"],
        "timeout": ["m1", "m2"],
        "send to another group": ["m3"],
        "send to the same group": [],
    }[how]
    assert expected == bodies(queue.receive_message(max_number_of_messages=10, wait_time_seconds=20))
    assert (5.0 if expected else 20.0) == sim.now


@pytest.mark.rule("SQS-208", "SQS-464")
def test_a_poll_is_woken_by_what_a_move_task_brings(sim, queue):
    source = sim.create_queue("source", visibility_timeout=0, redrive_policy=RedrivePolicy(queue, 1))
    queue.send_message("m1")
    sim.call_at(5, lambda: sim.start_message_move_task(queue, source))
    assert ["m1"] == bodies(source.receive_message(wait_time_seconds=20))
    assert 5.0 == sim.now


@pytest.mark.rule("SQS-208", "SQS-304")
@kinds
def test_a_poll_on_a_dead_letter_queue_is_woken_by_what_is_moved_there(sim, kind):
    dlq = sim.create_queue(NAMES[kind].replace("orders", "dlq"))
    queue = sim.create_queue(NAMES[kind], visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    send(queue, "m1")
    queue.receive_message()
    sim.call_at(5, queue.receive_message)
    assert ["m1"] == bodies(dlq.receive_message(wait_time_seconds=20))
    assert 5.0 == sim.now


@pytest.mark.rule("SQS-209")
def test_polls_are_served_in_the_order_of_their_starts_each_up_to_its_limit(sim, queue):
    log = []
    for at_s, name, limit in ((3, "late", 10), (1, "early", 2), (2, "middle", 1)):
        sim.call_at(
            at_s,
            lambda name=name, limit=limit: sim.spawn(
                listen(queue, log, name, max_number_of_messages=limit, wait_time_seconds=20)
            ),
        )
    for number in range(1, 6):
        queue.send_message(f"m{number}", delay_seconds=10)
    sim.run()
    assert [
        ("early", seconds(10), ["m1", "m2"]),
        ("middle", seconds(10), ["m3"]),
        ("late", seconds(10), ["m4", "m5"]),
    ] == log


@pytest.mark.rule("SQS-209")
def test_a_poll_is_served_by_when_it_began_and_not_by_when_it_ends(sim, queue):
    log = []
    sim.spawn(listen(queue, log, "long", wait_time_seconds=20))
    sim.call_at(1, lambda: sim.spawn(listen(queue, log, "short", wait_time_seconds=5)))
    sim.call_at(2, queue.send_message, "m1")
    sim.run()
    assert [("long", seconds(2), ["m1"]), ("short", seconds(6), [])] == log


@pytest.mark.rule("SQS-209")
def test_polls_and_mappings_are_served_in_one_order_of_how_long_each_has_waited(sim, queue):
    log = []
    worker = sim.create_function("worker", lambda event, _: log.append(event["Records"][0]["body"]))
    sim.spawn(listen(queue, log, "before the mapping", wait_time_seconds=20))
    sim.run(until=1)
    sim.create_event_source_mapping(queue, worker)
    sim.run(until=2)
    sim.spawn(listen(queue, log, "after the mapping", wait_time_seconds=18))
    for number in (1, 2):
        sim.call_at(2 + number, queue.send_message, f"m{number}")
    sim.run(until=10)
    assert [("before the mapping", seconds(3), ["m1"]), "m2"] == log


@pytest.mark.rule("SQS-209")
@kinds
@pytest.mark.parametrize(
    ("answers", "order"),
    [
        ((0, 0, 0), ["w0", "w1", "w2"]),
        ((2, 0), ["w2", "w0", "w1"]),
        ((1, 1), ["w1", "w2", "w0"]),
        ((2, 1), ["w2", "w1", "w0"]),
    ],
)
def test_the_next_poll_may_be_any_that_waits(kind, answers, order):
    says = Says("sqs.poll_wakeup", *answers)
    sim = Simulation(faults=SqsFaults(poll_wakeup="random"), choices=says)
    queue = sim.create_queue(NAMES[kind])
    log = []
    for number in range(3):
        sim.spawn(listen(queue, log, f"w{number}", wait_time_seconds=20))
    for at_s in (5, 6, 7):
        sim.call_at(at_s, send, queue, f"at {at_s}")
    sim.run()
    assert [(name, seconds(5 + place), [f"at {5 + place}"]) for place, name in enumerate(order)] == log
    assert [("sqs.poll_wakeup", queue.arn, 3), ("sqs.poll_wakeup", queue.arn, 2)] == says.asked[:2]


@pytest.mark.rule("SQS-209", "SQS-007")
def test_who_is_served_next_is_no_question_by_default_nor_when_one_waits():
    says = Says("sqs.poll_wakeup", 1, 1, 1)
    for faults in (SqsFaults(), SqsFaults(poll_wakeup="random")):
        sim = Simulation(faults=faults, choices=says)
        queue = sim.create_queue("orders")
        for _ in range(2 if faults.poll_wakeup == "fifo" else 1):
            sim.spawn(listen(queue, [], wait_time_seconds=20))
        sim.call_at(5, queue.send_message, "a")
        sim.run()
    assert [] == [name for name, _, count in says.asked if count > 1]


# ---- who gives up


@pytest.mark.rule("SQS-218")
def test_a_poll_whose_process_is_cancelled_disappears_and_takes_nothing(sim, queue):
    log = []
    task = sim.spawn(listen(queue, log, "cancelled", wait_time_seconds=20))
    sim.call_at(1, lambda: sim.spawn(listen(queue, log, "other", wait_time_seconds=3)))
    sim.call_at(5, task.cancel)
    sim.call_at(6, queue.send_message, "m1")
    sim.run()
    assert [("other", seconds(4), [])] == log
    assert 6.0 == sim.now
    assert (1, 0) == (queue.snapshot().visible, queue.snapshot().in_flight)
    assert 1 == queue.snapshot().requests - queue.snapshot().sent


@pytest.mark.rule("SQS-218")
def test_cancelling_after_the_selection_is_a_lost_answer(sim, queue):
    log = []
    task = sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.call_at(5, lambda: (queue.send_message("m1"), task.cancel()))
    sim.run()
    assert [] == log
    assert 1 == queue.snapshot().in_flight
    sim.run(until=35)
    (delivery,) = queue.receive_message()
    assert 2 == delivery.receive_count


@pytest.mark.rule("SQS-218")
def test_a_blocking_receive_that_an_error_ends_takes_nothing(sim, queue):
    sim.call_at(5, lambda: 1 / 0)
    sim.call_at(7, queue.send_message, "m1")
    with pytest.raises(ZeroDivisionError):
        queue.receive_message(wait_time_seconds=20)
    assert 5.0 == sim.now
    sim.run()
    assert 7.0 == sim.now
    assert (1, 0) == (queue.snapshot().visible, queue.snapshot().in_flight)


# ---- luck


@pytest.mark.rule("SQS-215")
@pytest.mark.parametrize(("shard_count", "sample", "options"), [(2, 1, 3), (3, 1, 4), (3, 2, 4), (4, 2, 7), (4, 3, 5)])
def test_a_short_poll_sees_the_messages_of_the_servers_that_were_chosen(shard_count, sample, options):
    says = Says("sqs.short_poll", *range(options))
    sim = Simulation(
        faults=SqsFaults(short_poll_shards=shard_count, short_poll_sample=sample),
        choices=says,
        settings=[SqsConfig(requeue_to_back_after=None)],
    )
    queue = sim.create_queue("orders")
    for number in range(8):
        queue.send_message(f"{number}")
    seen = [
        [int(body) for body in bodies(queue.receive_message(max_number_of_messages=10, visibility_timeout=0))]
        for _ in range(options)
    ]
    assert [("sqs.short_poll", queue.arn, options)] * options == says.asked
    assert [*range(8)] == seen[0]
    sets = [frozenset(number % shard_count for number in found) for found in seen[1:]]
    assert {sample} == {len(chosen) for chosen in sets}
    assert len(sets) == len({*sets})
    for found, chosen in zip(seen[1:], sets, strict=True):
        assert [number for number in range(8) if number % shard_count in chosen] == found


@pytest.mark.rule("SQS-215")
def test_a_short_poll_may_see_nothing_of_what_is_there():
    says = Says("sqs.short_poll", 1, 2)
    sim = Simulation(faults=SqsFaults(short_poll_shards=2, short_poll_sample=1), choices=says)
    queue = sim.create_queue("orders")
    queue.send_message("a")
    found = [bodies(queue.receive_message(visibility_timeout=0)) for _ in range(2)]
    assert [[], ["a"]] == sorted(found)
    empty = sim.metrics.series("AWS/SQS", "NumberOfEmptyReceives", "Sum", QueueName="orders")
    assert [(0, 1)] == list(empty)


@pytest.mark.rule("SQS-215")
def test_a_draw_never_sees_all():
    sim = Simulation(
        faults=SqsFaults(short_poll_shards=3, short_poll_sample=2), settings=[SqsConfig(requeue_to_back_after=None)]
    )
    queue = sim.create_queue("orders")
    for number in range(9):
        queue.send_message(f"{number}")
    seen = [
        frozenset(bodies(queue.receive_message(max_number_of_messages=10, visibility_timeout=0))) for _ in range(100)
    ]
    assert {6} == {len(found) for found in seen}
    assert 3 == len({*seen})


@pytest.mark.rule("SQS-215", "SQS-430")
def test_a_short_poll_moves_only_what_it_sees_to_the_dead_letter_queue():
    says = Says("sqs.short_poll", 0, 1, 2)
    sim = Simulation(faults=SqsFaults(short_poll_shards=2, short_poll_sample=1), choices=says)
    dlq = sim.create_queue("dlq", faults=SqsFaults())
    queue = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, 1))
    fill(queue, 4)
    assert 4 == len(queue.receive_message(max_number_of_messages=10, visibility_timeout=0))
    moved = []
    for _ in range(2):
        assert [] == queue.receive_message(max_number_of_messages=10)
        moved.append({message.body for message in dlq.messages})
    assert {2, 4} == {len(found) for found in moved}
    assert moved[0] in ({"m1", "m3"}, {"m2", "m4"})


@pytest.mark.rule("SQS-216", "SQS-430")
def test_what_is_left_out_of_a_smaller_answer_is_not_counted_as_received():
    says = Says("sqs.receive_fewer", 2)
    sim = Simulation(faults=SqsFaults(receive_fewer_probability=0.5), choices=says)
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=5, redrive_policy=RedrivePolicy(dlq, 1))
    fill(queue, 3)
    assert ["m1"] == bodies(queue.receive_message(max_number_of_messages=10))
    assert (2, 1) == (queue.snapshot().visible, queue.snapshot().in_flight)
    received = sim.metrics.series("AWS/SQS", "NumberOfMessagesReceived", "Sum", QueueName="orders")
    assert [(0, 1)] == list(received)
    sim.run(until=5)
    assert ["m2", "m3"] == bodies(queue.receive_message(max_number_of_messages=10))
    assert ["m1"] == [message.body for message in dlq.messages]


@pytest.mark.rule("SQS-216", "SQS-322")
def test_a_smaller_answer_leaves_a_fifo_group_in_order_and_blocked():
    says = Says("sqs.receive_fewer", 1)
    sim = Simulation(faults=SqsFaults(receive_fewer_probability=0.5), choices=says)
    queue = sim.create_queue("orders.fifo", visibility_timeout=5)
    for number in range(1, 4):
        send(queue, f"m{number}", "g")
    assert ["m1", "m2"] == bodies(queue.receive_message(max_number_of_messages=10))
    assert [] == queue.receive_message(max_number_of_messages=10)
    sim.run(until=5)
    found = queue.receive_message(max_number_of_messages=10)
    assert [("m1", 2), ("m2", 2), ("m3", 1)] == [(each.body, each.receive_count) for each in found]
    sim.check_invariants()


@pytest.mark.rule("SQS-215")
@pytest.mark.parametrize(
    ("faults", "kind", "wait_s"),
    [
        ({"short_poll_shards": 4, "short_poll_sample": 1}, "standard", 1),
        ({"short_poll_shards": 4, "short_poll_sample": 4}, "standard", 0),
        ({"short_poll_shards": 4}, "standard", 0),
        ({"short_poll_shards": 4, "short_poll_sample": 1}, "fifo", 0),
    ],
)
def test_long_polls_and_fifo_queues_and_a_sample_of_all_see_everything(faults, kind, wait_s):
    says = Says("sqs.short_poll", 1, 1)
    sim = Simulation(faults=SqsFaults(**faults), choices=says)
    queue = sim.create_queue(NAMES[kind])
    for number in range(8):
        send(queue, f"{number}")
    assert 8 == len(queue.receive_message(max_number_of_messages=10, wait_time_seconds=wait_s))
    assert [] == says.asked


@pytest.mark.rule("SQS-216")
@kinds
@pytest.mark.parametrize("wait_s", [0, 20])
def test_a_receive_may_return_fewer_and_leaves_the_rest_as_it_is(kind, wait_s):
    says = Says("sqs.receive_fewer", 3, 0, 2, 1)
    sim = Simulation(faults=SqsFaults(receive_fewer_probability=0.5), choices=says)
    queue = sim.create_queue(NAMES[kind])
    for number in range(1, 8):
        send(queue, f"m{number}", "g" if number < 4 else None)

    def receive(limit):
        return bodies(queue.receive_message(max_number_of_messages=limit, wait_time_seconds=wait_s))

    assert ["m1"] == receive(4)
    if kind == "fifo":
        assert ["m4", "m5", "m6", "m7"] == receive(10)
        assert [4, 4] == [count for _, _, count in says.asked]
        assert [0, 0] == [message.receive_count for message in queue.messages if message.body in {"m2", "m3"}]
    else:
        assert [0] * 6 == [message.receive_count for message in queue.messages][1:]
        assert ["m2", "m3"] == receive(2)
        assert ["m4", "m5"] == receive(10)
        assert ["m6"] == receive(10)
        assert ["m7"] == receive(10)
        assert [("sqs.receive_fewer", queue.arn, count) for count in (4, 2, 4, 2)] == [
            asked for asked in says.asked if asked[2] > 1
        ]
    assert {0, 1} >= {message.receive_count for message in queue.messages}
    sim.check_invariants()


@pytest.mark.rule("SQS-216")
@kinds
@pytest.mark.parametrize(
    ("off_us", "ends_at_us", "is_missed"),
    [(-1, seconds(19) - 1, False), (0, seconds(20), True), (1, seconds(20), True), (1_000_000, seconds(20), True)],
)
def test_a_long_poll_may_miss_what_comes_in_its_last_second(kind, off_us, ends_at_us, is_missed):
    says = Says("sqs.long_poll_empty", 1)
    sim = Simulation(faults=SqsFaults(long_poll_empty_probability=0.5), choices=says)
    queue = sim.create_queue(NAMES[kind], delay_seconds=20 if off_us == 1_000_000 else 0)
    log = []
    if off_us == 1_000_000:
        send(queue, "a")  # a poll takes what becomes visible at its very end
    else:
        sim.clock.timer(seconds(19) + off_us, lambda _: send(queue, "a"))
    sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.run(until=20)
    assert [("", ends_at_us, [] if is_missed else ["a"])] == log
    assert ([("sqs.long_poll_empty", queue.arn, 2)] if is_missed else []) == says.asked
    if is_missed:
        assert (1, 0) == (queue.snapshot().visible, queue.snapshot().in_flight)
        assert ["a"] == bodies(queue.receive_message())


@pytest.mark.rule("SQS-216")
def test_a_long_poll_is_asked_once_at_its_first_wake_up_in_its_last_second():
    says = Says("sqs.long_poll_empty", 1, 0)
    sim = Simulation(faults=SqsFaults(long_poll_empty_probability=0.5), choices=says)
    queue = sim.create_queue("orders")
    log = []
    sim.spawn(listen(queue, log, "early", wait_time_seconds=20))
    sim.call_at(0.1, lambda: sim.spawn(listen(queue, log, "late", wait_time_seconds=20)))
    for at_s in (19.5, 19.6):
        sim.call_at(at_s, queue.send_message, f"at {at_s}")
    sim.run()
    assert [("late", seconds(19.5), ["at 19.5"]), ("early", seconds(20), [])] == log
    assert 2 == len(says.asked)
    assert ["at 19.6"] == bodies(queue.receive_message())


@pytest.mark.rule("SQS-216")
def test_a_long_poll_of_a_second_may_miss_everything_that_comes_and_nothing_that_is_there():
    says = Says("sqs.long_poll_empty", 1, 1)
    sim = Simulation(faults=SqsFaults(long_poll_empty_probability=0.5), choices=says)
    queue = sim.create_queue("orders")
    queue.send_message("there")
    assert ["there"] == bodies(queue.receive_message(wait_time_seconds=1))
    assert [] == says.asked
    sim.call_at(0.5, queue.send_message, "comes")
    assert [] == bodies(queue.receive_message(wait_time_seconds=1))
    assert ["comes"] == bodies(queue.receive_message())


@pytest.mark.rule("SQS-216", "SQS-439", "SQS-603")
@kinds
def test_an_answer_that_is_lost_leaves_its_messages_in_flight_and_counted(kind):
    says = Says("sqs.lost_receive_response", 1)
    sim = Simulation(faults=SqsFaults(lost_receive_response_probability=0.5), choices=says)
    dlq = sim.create_queue(NAMES[kind].replace("orders", "dlq"))
    queue = sim.create_queue(NAMES[kind], visibility_timeout=10, redrive_policy=RedrivePolicy(dlq, 2))
    for body in ("m1", "m2"):
        send(queue, body)
    with pytest.raises(ResponseLostError) as caught:
        queue.receive_message(max_number_of_messages=10)
    assert isinstance(caught.value, TimeoutError)
    assert 2 == queue.snapshot().in_flight
    assert [] == queue.receive_message(max_number_of_messages=10)
    sim.run(until_us=seconds(10) - 1)
    assert 2 == queue.snapshot().in_flight
    sim.run(until=10)
    assert [2, 2] == [delivery.receive_count for delivery in queue.receive_message(max_number_of_messages=10)]
    received = sim.metrics.series("AWS/SQS", "NumberOfMessagesReceived", "Sum", QueueName=queue.name)
    assert [(0, 4)] == list(received)
    assert ("sqs.lost_receive_response", queue.arn, 2) == says.asked[0]


@pytest.mark.rule("SQS-216", "SQS-439")
def test_with_one_receive_allowed_a_lost_answer_sends_an_unseen_message_to_the_dead_letter_queue():
    says = Says("sqs.lost_receive_response", 1)
    sim = Simulation(faults=SqsFaults(lost_receive_response_probability=0.5), choices=says)
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=10, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    with pytest.raises(ResponseLostError):
        queue.receive_message()
    sim.run(until=10)
    assert [] == queue.receive_message()
    assert ["a"] == [message.body for message in dlq.messages]


@pytest.mark.rule("SQS-216")
def test_a_process_has_its_answer_lost_too_and_an_empty_answer_cannot_be_lost():
    says = Says("sqs.lost_receive_response", 1)
    sim = Simulation(faults=SqsFaults(lost_receive_response_probability=0.5), choices=says)
    queue = sim.create_queue("orders")
    log = []

    async def poll():
        try:
            await queue.wait_receive(wait_time_seconds=20)
        except ResponseLostError:
            log.append(sim.now)

    assert [] == queue.receive_message()
    assert [] == says.asked
    sim.spawn(poll())
    sim.call_at(5, queue.send_message, "a")
    sim.run()
    assert [5.0] == log
    assert 1 == queue.snapshot().in_flight


@pytest.mark.rule("SQS-007", "SQS-009", "SQS-215", "SQS-216")
@kinds
def test_a_knob_that_is_off_is_not_asked(kind):
    says = Says("nothing")
    sim = Simulation(faults=SqsFaults(), choices=says)
    queue = sim.create_queue(NAMES[kind])
    for number in range(20):
        send(queue, f"{number}")
    for _ in range(2):
        for delivery in queue.receive_message(max_number_of_messages=10):
            queue.delete_message(delivery.receipt_handle)
    assert [] == queue.receive_message(wait_time_seconds=5)
    assert 20 == queue.snapshot().deleted
    assert [] == says.asked


# ---- who calls


@pytest.mark.rule("SQS-207")
def test_a_blocking_receive_drives_time_to_its_answer_and_no_further(sim, queue):
    log = []
    sim.call_at(4, log.append, 4)
    sim.call_at(5, queue.send_message, "m1")
    sim.call_at(5, log.append, "after the send")
    assert ["m1"] == bodies(queue.receive_message(wait_time_seconds=20))
    assert [4] == log
    assert 5.0 == sim.now


def test_within_an_event_time_stands_still_and_a_receive_answers_with_what_there_is(sim, queue):
    log = []
    sim.call_at(5, lambda: log.append((bodies(queue.receive_message(wait_time_seconds=20)), sim.now)))
    sim.call_at(6, queue.send_message, "m1")
    sim.call_at(7, lambda: log.append((bodies(queue.receive_message(wait_time_seconds=20)), sim.now)))
    sim.run()
    assert [([], 5.0), (["m1"], 7.0)] == log


def test_a_poll_keeps_a_run_going_until_it_ends(sim, queue):
    log = []
    sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.run()
    assert [("", seconds(20), [])] == log


def test_what_would_come_back_keeps_a_run_going_only_while_somebody_waits_for_it(sim, queue):
    fill(queue, 1)
    queue.receive_message(visibility_timeout=30)
    queue.send_message("delayed", delay_seconds=40)
    sim.run()
    assert 0.0 == sim.now
    log = []
    sim.call_at(15, lambda: sim.spawn(listen(queue, log, wait_time_seconds=20)))
    sim.run()
    assert [("", seconds(30), ["m1"])] == log
    assert 30.0 == sim.now


def test_a_consumer_may_be_a_process_that_polls_for_ever(sim, queue):
    log = []

    async def consumer():
        while sim.now < 100:
            for delivery in await queue.wait_receive(max_number_of_messages=2, wait_time_seconds=20):
                await sim.sleep(1)
                log.append((sim.now, delivery.body))
                queue.delete_message(delivery.receipt_handle)

    sim.spawn(consumer())
    for at_s in (30, 31, 70):
        sim.call_at(at_s, queue.send_message, f"{at_s}")
    sim.run()
    assert [(31.0, "30"), (32.0, "31"), (71.0, "70")] == log
    assert 3 == queue.snapshot().deleted
    sim.check_invariants()


def test_a_queue_works_with_a_clock_alone(clock, lone_queue):
    lone_queue.send_message("a", delay_seconds=5)
    (delivery,) = lone_queue.receive_message(wait_time_seconds=20)
    assert 5.0 == clock.now
    lone_queue.delete_message(delivery.receipt_handle)
    assert 0 == lone_queue.snapshot().total
    lone_queue.check_invariants()


def test_a_parameter_that_is_not_there_is_no_parameter(queue):
    with pytest.raises((TypeError, UsageError)):
        queue.receive_message(receive_request_attempt="x")


def test_two_simulations_poll_by_themselves():
    left, right = Simulation(), Simulation()
    queues = [sim.create_queue("orders") for sim in (left, right)]
    left.call_at(5, queues[0].send_message, "left")
    assert [] == queues[1].receive_message(wait_time_seconds=20)
    assert (0.0, 20.0) == (left.now, right.now)
