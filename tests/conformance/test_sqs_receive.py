"""SQS §9: receiving, long and short polls."""

from __future__ import annotations

import pytest

from lambdasim import RedrivePolicy, Simulation, SqsConfig
from lambdasim.errors import UsageError
from lambdasim.errors.sqs import InvalidAttributeName, InvalidParameterValueException
from lambdasim.units import seconds


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


async def listen(queue, log, name="", **parameters):
    found = await queue.wait_receive(**parameters)
    log.append((name, queue.clock.now_us, bodies(found)))
    return found


def fill(queue, count):
    for number in range(1, count + 1):
        queue.send_message(f"m{number}")


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
        *[("max_number_of_messages", value) for value in (0, 11, -1, 2.0)],
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
        queue.receive_message(receive_request_attempt_id="x")


def test_two_simulations_poll_by_themselves():
    left, right = Simulation(), Simulation()
    queues = [sim.create_queue("orders") for sim in (left, right)]
    left.call_at(5, queues[0].send_message, "left")
    assert [] == queues[1].receive_message(wait_time_seconds=20)
    assert (0.0, 20.0) == (left.now, right.now)
