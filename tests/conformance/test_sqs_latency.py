"""SQS §1: what changes when a call takes time."""

from __future__ import annotations

import pytest

from lambdasim import Clock, Queue, Simulation, SqsConfig
from lambdasim.errors.sqs import (
    InvalidParameterValueException,
    MissingRequiredParameterException,
    QueueDoesNotExist,
    ReceiptHandleIsInvalid,
)
from lambdasim.units import seconds


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def make(latency_s, **attributes):
    sim = Simulation(settings=[SqsConfig(call_latency_s=latency_s)])
    return sim, sim.create_queue("orders", settings=[SqsConfig(call_latency_s=latency_s)], **attributes)


# Each call on a queue that holds one message in flight, by the handle of that.
CALLS = {
    "send": lambda queue, handle: queue.send_message("b"),
    "send batch": lambda queue, handle: queue.send_message_batch([{"id": "1", "message_body": "b"}]),
    "receive": lambda queue, handle: queue.receive_message(),
    "receive nothing": lambda queue, handle: queue.receive_message(wait_time_seconds=0),
    "delete": lambda queue, handle: queue.delete_message(handle),
    "delete batch": lambda queue, handle: queue.delete_message_batch([{"id": "1", "receipt_handle": handle}]),
    "change": lambda queue, handle: queue.change_message_visibility(handle, 100),
    "change batch": lambda queue, handle: queue.change_message_visibility_batch(
        [{"id": "1", "receipt_handle": handle, "visibility_timeout": 100}]
    ),
}


@pytest.mark.rule("SQS-005")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("latency_s", "latency_us"), [(0, 0), (0.000_001, 1), (0.000_003, 3), (0.1, 100_000), (2, 2_000_000)]
)
def test_a_call_from_outside_has_its_answer_after_the_latency(call, latency_s, latency_us):
    sim, queue = make(latency_s, visibility_timeout=900)
    queue.send_message("a")
    (delivery,) = queue.receive_message()
    before_us = sim.now_us
    CALLS[call](queue, delivery.receipt_handle)
    assert latency_us == sim.now_us - before_us


# Calls about a queue, or about queues.
OTHER_CALLS = {
    "get attributes": lambda sim, queue: queue.get_queue_attributes(["All"]),
    "set attributes": lambda sim, queue: queue.set_queue_attributes({"DelaySeconds": "1"}),
    "purge": lambda sim, queue: queue.purge_queue(),
    "tag": lambda sim, queue: queue.tag_queue({"a": "1"}),
    "untag": lambda sim, queue: queue.untag_queue(["a"]),
    "list tags": lambda sim, queue: queue.list_queue_tags(),
    "add permission": lambda sim, queue: queue.add_permission("label", ["123456789012"], ["SendMessage"]),
    "list sources": lambda sim, queue: queue.list_dead_letter_source_queues(),
    "delete queue": lambda sim, queue: queue.delete_queue(),
    "create queue": lambda sim, queue: sim.create_queue("another"),
    "create queue again": lambda sim, queue: sim.create_queue("orders"),
    "URL": lambda sim, queue: sim.get_queue_url("orders"),
    "list queues": lambda sim, queue: sim.list_queues(),
}


@pytest.mark.rule("SQS-005")
@pytest.mark.parametrize("call", OTHER_CALLS)
def test_calls_about_queues_take_their_time_too(call):
    sim = Simulation(settings=[SqsConfig(call_latency_s=1)])
    queue = sim.create_queue("orders")
    before_us = sim.now_us
    OTHER_CALLS[call](sim, queue)
    assert seconds(1) == sim.now_us - before_us


@pytest.mark.rule("SQS-005", "SQS-002")
def test_a_change_of_attributes_falls_on_half_of_the_latency():
    sim = Simulation(start="1970-01-01T00:00:00Z", settings=[SqsConfig(call_latency_s=4)])
    queue = sim.create_queue("orders")
    sim.run(until=10)
    queue.set_queue_attributes({"DelaySeconds": "1"})
    shown = queue.get_queue_attributes(["CreatedTimestamp", "LastModifiedTimestamp"]).attributes
    assert {"CreatedTimestamp": "2", "LastModifiedTimestamp": "12"} == shown


@pytest.mark.rule("SQS-005")
def test_looking_at_a_queue_is_no_call():
    sim, queue = make(1)
    before_us = sim.now_us
    assert 0 == queue.snapshot().total == len(queue.messages) == queue.approximate_number_of_messages
    assert queue is sim.queue("orders")
    assert before_us == sim.now_us


@pytest.mark.rule("SQS-005")
@pytest.mark.parametrize(("latency_us", "effect_us"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (100_001, 50_000)])
def test_the_effect_falls_on_half_of_the_latency_rounded_down(latency_us, effect_us):
    sim, queue = make(latency_us / 1_000_000, visibility_timeout=30)
    sim.run(until=10)
    queue.send_message("a")
    assert seconds(10) + latency_us == sim.now_us
    sim.run(until=20)
    (delivery,) = queue.receive_message()
    assert seconds(10) + effect_us == delivery.sent_at_us
    assert seconds(20) + effect_us == delivery.first_received_at_us
    assert seconds(20) + latency_us == sim.now_us


@pytest.mark.rule("SQS-005")
def test_the_visibility_clock_starts_with_the_effect_and_not_with_the_answer():
    sim, queue = make(1, visibility_timeout=30)
    queue.send_message("a")
    sim.run(until=10)
    queue.receive_message()
    assert 11.0 == sim.now
    sim.run(until_us=seconds(40.5) - 1)
    assert 1 == queue.snapshot().in_flight
    sim.run(until=40.5)
    assert 0 == queue.snapshot().in_flight


@pytest.mark.rule("SQS-005", "SQS-241")
def test_a_change_of_visibility_counts_from_its_effect():
    sim, queue = make(1, visibility_timeout=30)
    queue.send_message("a")
    (delivery,) = queue.receive_message()
    sim.run(until=10)
    queue.change_message_visibility(delivery.receipt_handle, 60)
    sim.run(until_us=seconds(70.5) - 1)
    assert 1 == queue.snapshot().in_flight
    sim.run(until=70.5)
    assert 0 == queue.snapshot().in_flight


@pytest.mark.rule("SQS-005")
@pytest.mark.parametrize(("sent_at_us", "is_seen"), [(seconds(10.5) - 1, True), (seconds(10.5) + 1, False)])
def test_a_short_poll_sees_what_is_there_at_the_instant_of_its_effect(sent_at_us, is_seen):
    sim, queue = make(1)
    sim.run(until=10)
    sim.clock.timer(sent_at_us, lambda _: queue.send_message("a"))
    assert is_seen == len(queue.receive_message())
    assert 11.0 == sim.now


@pytest.mark.rule("SQS-005")
def test_what_expires_on_the_way_is_gone_when_the_call_takes_effect():
    sim, queue = make(1, message_retention_period=60)
    sim.call_at(1, queue.send_message, "a")
    sim.run(until=60.5)
    assert 1 == queue.snapshot().visible
    assert [] == queue.receive_message()
    assert 61.5 == sim.now


@pytest.mark.rule("SQS-005", "SQS-207")
@pytest.mark.parametrize(("wait_s", "ends_at_s"), [(0, 11), (1, 12), (20, 31)])
def test_the_wait_of_a_long_poll_is_added(wait_s, ends_at_s):
    sim, queue = make(1)
    sim.run(until=10)
    assert [] == queue.receive_message(wait_time_seconds=wait_s)
    assert ends_at_s == sim.now


@pytest.mark.rule("SQS-005", "SQS-207")
@pytest.mark.parametrize(
    ("sent_at_us", "ends_at_us", "is_seen"),
    [
        (seconds(10.2), seconds(11), True),  # on the way there: it is there when the poll begins
        (seconds(15), seconds(15.5), True),
        (seconds(30.5) - 1, seconds(31) - 1, True),
        (seconds(30.5) + 1, seconds(31), False),
    ],
)
def test_a_long_poll_takes_its_message_when_it_comes_and_has_it_half_the_latency_later(sent_at_us, ends_at_us, is_seen):
    sim, queue = make(1, visibility_timeout=30)
    sim.run(until=10)
    sim.clock.timer(sent_at_us, lambda _: queue.send_message("a"))
    assert is_seen == len(queue.receive_message(wait_time_seconds=20))
    assert ends_at_us == sim.now_us
    if is_seen:
        taken_us = max(sent_at_us, seconds(10.5))
        sim.run(until_us=taken_us + seconds(30) - 1)
        assert 1 == queue.snapshot().in_flight
        sim.run(until_us=taken_us + seconds(30))
        assert 0 == queue.snapshot().in_flight


@pytest.mark.rule("SQS-005")
def test_an_odd_latency_is_no_microsecond_short_or_long_for_a_long_poll():
    sim, queue = make(0.000_003)
    sim.run(until=10)
    sim.clock.timer(seconds(15), lambda _: queue.send_message("a"))
    (delivery,) = queue.receive_message(wait_time_seconds=20)
    assert seconds(15) == delivery.first_received_at_us
    assert seconds(15) + 2 == sim.now_us
    before_us = sim.now_us
    assert [] == queue.receive_message(wait_time_seconds=20)
    assert seconds(20) + 3 == sim.now_us - before_us


# ---- processes


@pytest.mark.rule("SQS-005")
@pytest.mark.parametrize(("wait_s", "ends_at_s"), [(0, 11), (20, 31)])
def test_a_process_that_receives_waits_for_its_answer(wait_s, ends_at_s):
    sim, queue = make(1)
    log = []

    async def listen():
        log.append((bodies(await queue.wait_receive(wait_time_seconds=wait_s)), sim.now))

    sim.call_at(10, lambda: sim.spawn(listen()))
    sim.run()
    assert [([], ends_at_s)] == log


@pytest.mark.rule("SQS-005")
def test_two_processes_have_their_effects_in_between_of_one_another():
    sim, queue = make(1, visibility_timeout=900)
    log = []

    async def listen(name):
        delivered = await queue.wait_receive()
        log.append((name, bodies(delivered), [each.first_received_at_us for each in delivered], sim.now))

    queue.send_message("a")
    for at_s, name in ((10, "first"), (10.25, "second")):
        sim.call_at(at_s, lambda name=name: sim.spawn(listen(name)))
    sim.call_at(10.6, queue.send_message, "b")
    sim.run()
    assert [("first", ["a"], [seconds(10.5)], 11.0), ("second", ["b"], [seconds(10.75)], 11.25)] == log


@pytest.mark.rule("SQS-005", "SQS-209")
def test_polls_are_served_in_the_order_in_which_they_reach_the_queue():
    sim, queue = make(1)
    log = []

    async def listen(name):
        found = await queue.wait_receive(wait_time_seconds=20)
        log.append((name, bodies(found), sim.now))

    for at_s, name in ((10, "first"), (10.25, "second")):
        sim.call_at(at_s, lambda name=name: sim.spawn(listen(name)))
    sim.call_at(15, queue.send_message, "a")
    sim.run()
    assert [("first", ["a"], 15.5), ("second", [], 31.25)] == log


@pytest.mark.rule("SQS-005", "SQS-218")
def test_a_process_that_is_cancelled_on_the_way_there_takes_nothing():
    sim, queue = make(1)
    sim.call_at(5, queue.send_message, "a")

    async def listen():
        await queue.wait_receive(wait_time_seconds=20)

    sim.run(until=10)
    sim.call_at(10.4, sim.spawn(listen()).cancel)
    sim.run()
    assert (1, 0) == (queue.snapshot().visible, queue.snapshot().in_flight)


@pytest.mark.rule("SQS-005", "SQS-218")
def test_a_process_that_is_cancelled_on_the_way_back_leaves_its_messages_in_flight():
    sim, queue = make(1)
    sim.call_at(5, queue.send_message, "a")

    async def listen():
        await queue.wait_receive(wait_time_seconds=20)

    sim.run(until=10)
    sim.call_at(10.6, sim.spawn(listen()).cancel)
    sim.run(until=12)
    assert (0, 1) == (queue.snapshot().visible, queue.snapshot().in_flight)


# ---- callbacks


@pytest.mark.rule("SQS-005")
def test_inside_a_callback_a_call_takes_no_time():
    sim, queue = make(1, visibility_timeout=30)
    log = []

    def act():
        queue.send_message("a")
        (delivery,) = queue.receive_message()
        log.append((delivery.sent_at_us, delivery.first_received_at_us, sim.now_us))
        queue.delete_message(delivery.receipt_handle)
        log.append((queue.snapshot().total, sim.now_us))

    sim.call_at(10, act)
    sim.run()
    assert [(seconds(10), seconds(10), seconds(10)), (0, seconds(10))] == log
    assert 10.0 == sim.now


# ---- errors


@pytest.mark.rule("SQS-005")
@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda queue: queue.send_message(""), MissingRequiredParameterException),
        (lambda queue: queue.send_message("a", delay_seconds=901), InvalidParameterValueException),
        (lambda queue: queue.receive_message(max_number_of_messages=11), InvalidParameterValueException),
        (lambda queue: queue.delete_message("nonsense"), ReceiptHandleIsInvalid),
    ],
)
def test_a_refused_call_raises_the_same_error(call, error):
    sim, queue = make(1)
    sim.run(until=10)
    before = queue.snapshot().requests
    with pytest.raises(error):
        call(queue)
    assert before == queue.snapshot().requests
    assert 10 <= sim.now <= 11


@pytest.mark.rule("SQS-005", "SQS-025")
@pytest.mark.parametrize(("deleted_at_s", "is_accepted"), [(10.4, False), (10.6, True)])
def test_a_queue_that_is_deleted_on_the_way_is_not_there_for_the_call(deleted_at_s, is_accepted):
    sim, queue = make(1)
    sim.run(until=10)
    sim.call_at(deleted_at_s, queue.delete_queue)
    if is_accepted:
        queue.send_message("a")
        assert 11.0 == sim.now
    else:
        with pytest.raises(QueueDoesNotExist):
            queue.send_message("a")


@pytest.mark.rule("SQS-005", "SQS-275")
@pytest.mark.parametrize(("off_us", "is_expired"), [(-1, False), (0, True)])
def test_a_handle_that_expires_on_the_way_is_expired_for_the_call(off_us, is_expired):
    sim = Simulation(settings=[SqsConfig(call_latency_s=1)])
    queue = sim.create_queue("orders.fifo", visibility_timeout=30)
    sim.run(until=10)
    queue.send_message("a", message_group_id="g", message_deduplication_id="d")
    sim.run(until=20)
    (delivery,) = queue.receive_message()
    sim.run(until_us=seconds(50) + off_us)  # the deadline is 50.5
    if is_expired:
        with pytest.raises(InvalidParameterValueException, match="has expired"):
            queue.delete_message(delivery.receipt_handle)
    else:
        queue.delete_message(delivery.receipt_handle)
    assert is_expired == queue.snapshot().total


# ---- where it is set


@pytest.mark.rule("SQS-005")
def test_the_latency_of_a_queue_is_its_own():
    sim = Simulation(settings=[SqsConfig(call_latency_s=1)])
    slow = sim.create_queue("slow")
    fast = sim.create_queue("fast", settings=[SqsConfig(call_latency_s=0)])
    before_us = sim.now_us
    fast.send_message("a")
    assert before_us == sim.now_us
    slow.send_message("a")
    assert before_us + seconds(1) == sim.now_us


@pytest.mark.rule("SQS-005")
def test_a_queue_with_a_clock_alone_has_a_latency_too():
    clock = Clock()
    queue = Queue("orders", clock, settings=[SqsConfig(call_latency_s=1)])
    queue.send_message("a")
    assert 1.0 == clock.now
    assert ["a"] == bodies(queue.receive_message())
    assert 2.0 == clock.now


@pytest.mark.rule("SQS-005")
def test_by_default_a_call_takes_no_time(sim, queue):
    queue.send_message("a")
    (delivery,) = queue.receive_message()
    queue.delete_message(delivery.receipt_handle)
    assert 0.0 == sim.now
