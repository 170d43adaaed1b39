"""SQS §25: the worked timelines, with their figures."""

from __future__ import annotations

import pytest

from lambdasim import RedrivePolicy, Simulation
from lambdasim.errors.sqs import InvalidParameterValueException
from lambdasim.units import seconds


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def counts(queue):
    snapshot = queue.snapshot()
    return snapshot.visible, snapshot.in_flight, snapshot.delayed


async def listen(queue, log, name, **parameters):
    found = await queue.wait_receive(**parameters)
    log.append((name, queue.clock.now_us, bodies(found)))


# ---- T1: visibility expiry against delete with an old handle


def first_delivery_ends(sim):
    queue = sim.create_queue("orders", visibility_timeout=30)
    queue.send_message("m")
    (first,) = queue.receive_message()
    assert ("m", 1) == (first.body, first.receive_count)
    sim.run(until_us=29_999_999)
    assert [] == queue.receive_message()
    assert (0, 1, 0) == counts(queue)
    sim.run(until=30)
    assert (1, 0, 0) == counts(queue)
    sim.run(until=31)
    return queue, first.receipt_handle


@pytest.mark.rule("SQS-240", "SQS-273")
def test_t1_a_the_handle_deletes_when_nobody_received_since(sim):
    queue, handle = first_delivery_ends(sim)
    queue.delete_message(handle)
    assert (0, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-249", "SQS-274", "SQS-276")
def test_t1_b_an_old_handle_deletes_nothing_and_releases_the_message_of_another_worker(sim):
    queue, old = first_delivery_ends(sim)
    (second,) = queue.receive_message()
    assert ("m", 2) == (second.body, second.receive_count)
    sim.run(until=32)
    queue.delete_message(old)
    assert (0, 1, 0) == counts(queue)
    sim.run(until=33)
    queue.change_message_visibility(old, 0)
    assert (1, 0, 0) == counts(queue)
    sim.run(until=34)
    queue.delete_message(second.receipt_handle)
    assert (0, 0, 0) == counts(queue)
    sim.run(until=35)
    queue.delete_message(second.receipt_handle)
    assert 1 == queue.snapshot().deleted


@pytest.mark.rule("SQS-240")
def test_t1_b_without_a_release_the_second_delivery_lasts_until_61(sim):
    queue, _ = first_delivery_ends(sim)
    queue.receive_message()
    sim.run(until_us=seconds(61) - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run(until=61)
    assert (1, 0, 0) == counts(queue)


# ---- T3: dead-letter queue off by one


def exhausted_pair(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=10, redrive_policy=RedrivePolicy(dlq, 2))
    return queue, dlq


@pytest.mark.rule("SQS-430", "SQS-431", "SQS-432", "SQS-433")
def test_t3_the_receive_after_the_last_permitted_one_moves_the_message(sim):
    queue, dlq = exhausted_pair(sim)
    sent = queue.send_message("m")
    (first,) = queue.receive_message()
    assert 1 == first.receive_count
    sim.run(until=10)
    (second,) = queue.receive_message()
    assert 2 == second.receive_count
    for at_s in (20, 500):
        sim.run(until=at_s)
        assert (1, 0, 0) == counts(queue)
        assert (0, 0, 0) == counts(dlq)
    sim.run(until=501)
    assert [] == queue.receive_message()
    assert (0, 0, 0) == counts(queue)
    assert (1, 0, 0) == counts(dlq)
    sim.run(until=502)
    (moved,) = dlq.receive_message(attribute_names=["All"])
    assert sent.message_id == moved.message_id
    assert "1767225600000" == moved.attributes["SentTimestamp"]
    assert "3" == moved.attributes["ApproximateReceiveCount"]
    assert queue.arn == moved.attributes["DeadLetterQueueSourceArn"]
    sim.run(until=503)
    queue.delete_message(second.receipt_handle)
    assert (0, 1, 0) == counts(dlq)


@pytest.mark.rule("SQS-202", "SQS-430")
def test_t3_one_receive_moves_one_message_and_returns_the_other(sim):
    queue, dlq = exhausted_pair(sim)
    queue.send_message("m1")
    for at_s in (0, 10):
        sim.run(until=at_s)
        queue.receive_message()
    queue.send_message("m2")
    sim.run(until=501)
    assert ["m2"] == bodies(queue.receive_message())
    assert ["m1"] == bodies(dlq.receive_message())


@pytest.mark.rule("SQS-208", "SQS-430")
def test_t3_a_long_poll_that_finds_only_the_used_up_message_moves_it_and_waits_on(sim):
    queue, dlq = exhausted_pair(sim)
    queue.send_message("m1")
    for at_s in (0, 10):
        sim.run(until=at_s)
        queue.receive_message()
    sim.run(until=501)
    log = []
    sim.spawn(listen(queue, log, "poll", wait_time_seconds=20))
    sim.run()
    assert [("poll", seconds(521), [])] == log
    assert (1, 0, 0) == counts(dlq)


# ---- T8: delay and visibility


@pytest.mark.rule("SQS-150", "SQS-168", "SQS-380")
def test_t8_a_delay_is_applied_once():
    sim = Simulation(start="1970-01-01T00:00:00Z")
    queue = sim.create_queue("orders", delay_seconds=5, visibility_timeout=3)
    queue.send_message("m1")
    queue.send_message("m2", delay_seconds=0)
    assert (1, 0, 1) == counts(queue)
    (delivery,) = queue.receive_message(max_number_of_messages=10)
    assert "m2" == delivery.body
    sim.run(until=1)
    queue.delete_message(delivery.receipt_handle)
    sim.run(until=4.9)
    assert [] == queue.receive_message()
    sim.run(until=5)
    (delivery,) = queue.receive_message(attribute_names=["All"])
    assert "m1" == delivery.body
    assert "0" == delivery.attributes["SentTimestamp"]
    assert "5000" == delivery.attributes["ApproximateFirstReceiveTimestamp"]
    sim.run(until_us=seconds(8) - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run(until=8)
    (delivery,) = queue.receive_message()
    assert ("m1", 2) == (delivery.body, delivery.receive_count)


# ---- T9: retention expires while in flight


@pytest.mark.rule("SQS-400", "SQS-401", "SQS-247", "SQS-276")
def test_t9_retention_expires_while_in_flight(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue(
        "orders", message_retention_period=60, visibility_timeout=120, redrive_policy=RedrivePolicy(dlq, 1)
    )
    queue.send_message("m")
    sim.run(until=50)
    (delivery,) = queue.receive_message()
    sim.run(until_us=seconds(60) - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run(until=60)
    assert (0, 0, 0) == counts(queue)
    assert (0, 0, 0) == counts(dlq)
    sim.run(until=65)
    with pytest.raises(InvalidParameterValueException, match="does not exist or is not available"):
        queue.change_message_visibility(delivery.receipt_handle, 60)
    sim.run(until=70)
    queue.delete_message(delivery.receipt_handle)
    assert 0 == queue.snapshot().deleted
    sim.run(until=170)
    assert [] == queue.receive_message()
    assert 0 == dlq.snapshot().total


# ---- T10: heartbeat and the twelve-hour ceiling


def heartbeat_until_43_160(sim):
    queue = sim.create_queue("orders", visibility_timeout=30)
    queue.send_message("m")
    (delivery,) = queue.receive_message()
    for at_s in range(20, 43_161, 20):
        sim.run(until=at_s)
        queue.change_message_visibility(delivery.receipt_handle, 30)
    sim.run(until=43_180)
    return queue, delivery.receipt_handle


@pytest.mark.rule("SQS-241", "SQS-244")
def test_t10_a_heartbeat_beyond_twelve_hours_is_refused_and_the_old_deadline_holds(sim):
    queue, handle = heartbeat_until_43_160(sim)
    with pytest.raises(InvalidParameterValueException, match="beyond the limit"):
        queue.change_message_visibility(handle, 30)
    sim.run(until_us=seconds(43_190) - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run(until=43_190)
    assert (1, 0, 0) == counts(queue)
    (delivery,) = queue.receive_message()
    sim.run(until=43_200)
    queue.change_message_visibility(delivery.receipt_handle, 43_190)
    with pytest.raises(InvalidParameterValueException, match="beyond the limit"):
        queue.change_message_visibility(delivery.receipt_handle, 43_191)


@pytest.mark.rule("SQS-244")
def test_t10_a_total_of_exactly_twelve_hours_succeeds(sim):
    queue, handle = heartbeat_until_43_160(sim)
    queue.change_message_visibility(handle, 20)
    sim.run(until_us=seconds(43_200) - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run(until=43_200)
    assert (1, 0, 0) == counts(queue)


# ---- T11: long polls


def two_polls(sim):
    queue, log = sim.create_queue("orders"), []
    sim.spawn(listen(queue, log, "W1", max_number_of_messages=2, wait_time_seconds=20))
    sim.call_at(1, lambda: sim.spawn(listen(queue, log, "W2", max_number_of_messages=10, wait_time_seconds=20)))
    return queue, log


@pytest.mark.rule("SQS-207", "SQS-208", "SQS-209")
def test_t11_polls_are_served_in_order_each_up_to_its_limit(sim):
    """Single sends at one instant would wake the first poll at once; ends of delays come together, as a batch does."""
    queue, log = two_polls(sim)
    for body in ("m1", "m2", "m3"):
        queue.send_message(body, delay_seconds=5)
    sim.run()
    assert [("W1", seconds(5), ["m1", "m2"]), ("W2", seconds(5), ["m3"])] == log


@pytest.mark.rule("SQS-004", "SQS-209")
def test_t11_each_single_send_wakes_who_waits_before_the_next(sim):
    queue, log = two_polls(sim)
    for body in ("m1", "m2", "m3"):
        sim.call_at(5, queue.send_message, body)
    sim.run()
    assert [("W1", seconds(5), ["m1"]), ("W2", seconds(5), ["m2"])] == log
    assert (1, 2, 0) == counts(queue)


@pytest.mark.rule("SQS-207", "SQS-209")
def test_t11_with_one_message_the_second_poll_waits_on(sim):
    queue, log = two_polls(sim)
    sim.call_at(5, queue.send_message, "m1")
    sim.run()
    assert [("W1", seconds(5), ["m1"]), ("W2", seconds(21), [])] == log


@pytest.mark.rule("SQS-004", "SQS-207")
@pytest.mark.parametrize(("visible_at_us", "expected"), [(None, []), (seconds(26), ["m"]), (seconds(26) + 1, [])])
def test_t11_a_third_poll_ends_at_26_and_gets_what_becomes_visible_then(sim, visible_at_us, expected):
    queue, log = sim.create_queue("orders"), []
    if visible_at_us is not None:
        sim.run(until_us=visible_at_us - seconds(25))
        queue.send_message("m", delay_seconds=25)
    sim.call_at(6, lambda: sim.spawn(listen(queue, log, "W3", wait_time_seconds=20)))
    sim.run()
    assert [("W3", seconds(26), expected)] == log


# ---- T15: back of the queue


@pytest.mark.rule("SQS-302", "SQS-303")
def test_t15_a_message_that_fails_three_times_goes_to_the_back(sim):
    queue = sim.create_queue("orders", visibility_timeout=10)
    queue.send_message("m1")
    received = []
    for at_s in (0, 10, 20, 30):
        sim.run(until=at_s)
        received += bodies(queue.receive_message())
        if at_s == 0:
            sim.run(until=1)
            queue.send_message("m2")
    assert ["m1", "m1", "m1", "m2"] == received
