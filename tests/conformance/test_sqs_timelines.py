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


# ---- T2: FIFO handles


def fifo(sim, name="orders.fifo", **attributes):
    return sim.create_queue(name, **{"fifo_queue": True, "content_based_deduplication": True, **attributes})


def send(queue, *names):
    """Send messages whose groups are their first letters; return the answers."""
    return [queue.send_message(name, message_group_id=name[0]) for name in names]


def take(queue, limit=10, **parameters):
    """Receive up to so many, and return the handles by body."""
    found = queue.receive_message(max_number_of_messages=limit, **parameters)
    return {delivery.body: delivery.receipt_handle for delivery in found}


def extended_until_40(sim):
    queue = fifo(sim, visibility_timeout=30)
    send(queue, "A1")
    (handle,) = take(queue).values()
    sim.run(until=10)
    queue.change_message_visibility(handle, 30)
    return queue, handle


@pytest.mark.rule("SQS-275")
def test_t2_a_a_fifo_handle_deletes_until_its_extended_timeout_ends(sim):
    queue, handle = extended_until_40(sim)
    sim.run(until_us=39_999_999)
    queue.delete_message(handle)
    assert (0, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-275", "SQS-250")
def test_t2_b_from_then_on_it_neither_deletes_nor_changes(sim):
    queue, handle = extended_until_40(sim)
    sim.run(until=40)
    with pytest.raises(InvalidParameterValueException, match=r"Reason: The receipt handle has expired\.$"):
        queue.delete_message(handle)
    with pytest.raises(
        InvalidParameterValueException,
        match=r"Reason: Message does not exist or is not available for visibility timeout change\.$",
    ):
        queue.change_message_visibility(handle, 30)
    sim.run(until=41)
    (again,) = queue.receive_message()
    assert ("A1", 2) == (again.body, again.receive_count)
    assert handle != again.receipt_handle


# ---- T4: a FIFO group that is blocked, and a batch deleted in part


def a1_and_a2_in_flight(sim):
    queue = fifo(sim, visibility_timeout=30)
    send(queue, "A1", "B1", "A2", "A3")
    sim.run(until=1)
    handles = take(queue, 2)
    assert ["A1", "A2"] == list(handles)
    sim.run(until=2)
    assert ["B1"] == list(take(queue))
    assert (1, 3, 0) == counts(queue)
    sim.run(until=3)
    return queue, handles


@pytest.mark.rule("SQS-321", "SQS-325", "SQS-326")
def test_t4_x_deleting_the_head_frees_what_is_behind_it_for_who_waits(sim):
    queue, handles = a1_and_a2_in_flight(sim)
    queue.delete_message(handles["A2"])
    sim.run(until=4)
    assert [] == queue.receive_message()
    log = []
    sim.spawn(listen(queue, log, "poll", wait_time_seconds=20))
    sim.call_at(5, queue.delete_message, handles["A1"])
    sim.run()
    assert [("poll", seconds(5), ["A3"])] == log


@pytest.mark.rule("SQS-321", "SQS-322", "SQS-328")
def test_t4_y_the_head_comes_again_after_the_second_message_was_finished(sim):
    queue, handles = a1_and_a2_in_flight(sim)
    queue.delete_message(handles["A2"])
    sim.run(until_us=seconds(31) - 1)
    assert [] == queue.receive_message()
    sim.run(until=31)
    found = queue.receive_message(max_number_of_messages=10)
    assert [("A1", 2), ("A3", 1)] == [(delivery.body, delivery.receive_count) for delivery in found]


@pytest.mark.rule("SQS-321", "SQS-326")
def test_t4_variant_deleting_the_head_while_the_second_message_is_in_flight_frees_nothing(sim):
    queue, handles = a1_and_a2_in_flight(sim)
    queue.delete_message(handles["A1"])
    sim.run(until=4)
    assert [] == queue.receive_message()
    sim.run(until=31)
    assert ["A2", "A3"] == list(take(queue))


# ---- T5: a change of the visibility inside a FIFO group


@pytest.mark.rule("SQS-322", "SQS-326", "SQS-251")
def test_t5_a_message_that_was_extended_holds_up_those_behind_it(sim):
    queue = fifo(sim, visibility_timeout=30)
    send(queue, "A1", "A2", "A3")
    handles = take(queue)
    assert ["A1", "A2", "A3"] == list(handles)
    sim.run(until=1)
    queue.change_message_visibility(handles["A2"], 99)
    sim.run(until=30)
    assert ["A1"] == list(take(queue))
    assert (1, 2, 0) == counts(queue)
    sim.run(until=61)
    (delivery,) = queue.receive_message(max_number_of_messages=10)
    assert ("A1", 3) == (delivery.body, delivery.receive_count)
    sim.run(until=62)
    queue.delete_message(delivery.receipt_handle)
    assert [] == queue.receive_message()
    sim.run(until_us=seconds(100) - 1)
    assert [] == queue.receive_message()
    sim.run(until=100)
    found = queue.receive_message(max_number_of_messages=10)
    assert [("A2", 2), ("A3", 2)] == [(delivery.body, delivery.receive_count) for delivery in found]


# ---- T6: the deduplication window counts from the first send


@pytest.mark.rule("SQS-340", "SQS-341", "SQS-344", "SQS-480")
def test_t6_the_deduplication_window_counts_from_the_first_send(sim):
    queue = fifo(sim)

    def send_with_d(body):
        answer = queue.send_message(body, message_group_id="A", message_deduplication_id="d")
        return answer.message_id, answer.sequence_number, answer.md5_of_message_body

    first_id, first_number, _ = send_with_d("X")
    sim.run(until=5)
    (handle,) = take(queue).values()
    queue.delete_message(handle)
    sim.run(until=200)
    md5_of_y = "57cec4137b614c87cb4e24a3d003a3e0"
    assert (first_id, first_number, md5_of_y) == send_with_d("Y")
    assert (0, 0, 0) == counts(queue)
    sim.run(until_us=299_999_999)
    assert (first_id, first_number) == send_with_d("Z")[:2]
    assert (0, 0, 0) == counts(queue)
    sim.run(until=300)
    second_id, second_number, _ = send_with_d("Z")
    assert second_id != first_id
    assert second_number > first_number
    assert (1, 0, 0) == counts(queue)
    sim.run(until=301)
    queue.purge_queue()
    assert (0, 0, 0) == counts(queue)
    sim.run(until=302)
    third_id, third_number, _ = send_with_d("Z")
    assert third_id not in {first_id, second_id}
    assert third_number > second_number
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-340")
@pytest.mark.parametrize(("at_us", "total"), [(seconds(600) - 1, 1), (seconds(600), 2)])
def test_t6_the_second_window_lasts_until_600(sim, at_us, total):
    queue = fifo(sim)
    for instant_us in (0, seconds(300), at_us):
        sim.run(until_us=instant_us)
        queue.send_message("Z", message_group_id="A", message_deduplication_id="d")
        if not instant_us:
            (handle,) = take(queue).values()
            queue.delete_message(handle)
    assert total == queue.snapshot().total


# ---- T7: the dead-letter queue of a FIFO queue


@pytest.mark.rule("SQS-434", "SQS-435", "SQS-431")
def test_t7_a_move_frees_the_group_and_begins_retention_anew(sim):
    dlq = fifo(sim, "dlq.fifo", message_retention_period=120, visibility_timeout=10)
    queue = fifo(sim, visibility_timeout=10, redrive_policy=RedrivePolicy(dlq, 1))
    sent, _ = send(queue, "A1", "A2")
    (first,) = queue.receive_message(max_number_of_messages=1, attribute_names=["All"])
    assert ("A1", 1) == (first.body, first.receive_count)
    assert [] == queue.receive_message(max_number_of_messages=10)
    sim.run(until=10)
    (second,) = queue.receive_message(max_number_of_messages=10)
    assert ("A2", 1) == (second.body, second.receive_count)
    assert (1, 0, 0) == counts(dlq)
    sim.run(until=11)
    (moved,) = dlq.receive_message(attribute_names=["All"])
    assert ("A1", sent.message_id, 2) == (moved.body, moved.message_id, moved.receive_count)
    assert sent.message_id == moved.attributes["MessageDeduplicationId"]
    assert "A" == moved.attributes["MessageGroupId"]
    assert 20 == len(moved.attributes["SequenceNumber"])
    assert first.attributes["MessageDeduplicationId"] != moved.attributes["MessageDeduplicationId"]
    sim.run(until_us=seconds(130) - 1)
    assert 1 == dlq.snapshot().total
    sim.run(until=130)
    assert (0, 1) == (dlq.snapshot().total, dlq.snapshot().expired)


@pytest.mark.rule("SQS-434")
def test_t7_in_a_standard_pair_it_expires_at_120(sim):
    dlq = sim.create_queue("dlq", message_retention_period=120)
    queue = sim.create_queue("orders", visibility_timeout=10, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("A1")
    queue.receive_message()
    sim.run(until=10)
    queue.receive_message()
    sim.run(until_us=seconds(120) - 1)
    assert (1, 0, 0) == counts(dlq)
    sim.run(until=120)
    assert (0, 0, 0) == counts(dlq)


# ---- T8, FIFO


@pytest.mark.rule("SQS-167", "SQS-380", "SQS-381", "SQS-322")
def test_t8_a_fifo_queue_applies_its_own_delay_whatever_the_message_says(sim):
    queue = fifo(sim, delay_seconds=5, visibility_timeout=3)
    send(queue, "A1")
    sim.run(until=3)
    queue.send_message("A2", message_group_id="A", delay_seconds=0)
    assert (0, 0, 2) == counts(queue)
    sim.run(until_us=seconds(5) - 1)
    assert [] == queue.receive_message()
    sim.run(until=5)
    assert ["A1"] == list(take(queue))
    sim.run(until_us=seconds(8) - 1)
    assert (0, 1, 1) == counts(queue)
    sim.run(until=8)
    assert ["A1", "A2"] == list(take(queue))


# ---- T11, with a batch


@pytest.mark.rule("SQS-207", "SQS-209", "SQS-185")
def test_t11_a_batch_is_sent_whole_before_who_waits_is_served(sim):
    queue, log = two_polls(sim)
    entries = [{"id": name, "message_body": name} for name in ("m1", "m2", "m3")]
    sim.call_at(5, queue.send_message_batch, entries)
    sim.run()
    assert [("W1", seconds(5), ["m1", "m2"]), ("W2", seconds(5), ["m3"])] == log


# ---- T12: a redrive task


def three_dead_letters(sim):
    """A queue with a fresh dead-letter queue that holds m1 to m3, at the instant 0."""
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    for body in ("m1", "m2", "m3"):
        queue.send_message(body)
        queue.receive_message()
        queue.receive_message()
    assert (3, 0, 0) == counts(dlq)
    return queue, dlq


def only_task(sim, dlq):
    (task,) = sim.list_message_move_tasks(dlq.arn).results
    return task


@pytest.mark.rule("SQS-462", "SQS-463", "SQS-464", "SQS-465")
def test_t12_one_message_a_second_and_done_when_nothing_is_left(sim):
    queue, dlq = three_dead_letters(sim)
    old_ids = [message.message_id for message in dlq.messages]
    sim.start_message_move_task(dlq.arn, max_number_of_messages_per_second=1)
    for at_us, moved in ((0, 1), (seconds(1) - 1, 1), (seconds(1), 2), (seconds(2) - 1, 2), (seconds(2), 3)):
        sim.run(until_us=at_us)
        assert (moved, 3 - moved) == (queue.snapshot().total, dlq.snapshot().total)
        assert ("RUNNING", moved) == (
            only_task(sim, dlq).status,
            only_task(sim, dlq).approximate_number_of_messages_moved,
        )
    sim.run(until_us=seconds(3) - 1)
    assert "RUNNING" == only_task(sim, dlq).status
    sim.run(until=3)
    task = only_task(sim, dlq)
    assert ("COMPLETED", 3, 3) == (
        task.status,
        task.approximate_number_of_messages_moved,
        task.approximate_number_of_messages_to_move,
    )
    found = queue.receive_message(max_number_of_messages=10, attribute_names=["All"])
    assert [("m1", 0, 1), ("m2", seconds(1), 1), ("m3", seconds(2), 1)] == [
        (delivery.body, delivery.sent_at_us, delivery.receive_count) for delivery in found
    ]
    assert not {delivery.message_id for delivery in found} & set(old_ids)
    assert "1767225600000" == found[0].attributes["SentTimestamp"]
    assert [] == queue.receive_message(max_number_of_messages=10)  # the second receive moves them all again
    assert (3, 0, 0) == counts(dlq)


@pytest.mark.rule("SQS-466", "SQS-467")
def test_t12_a_task_that_is_cancelled_leaves_the_rest(sim):
    queue, dlq = three_dead_letters(sim)
    handle = sim.start_message_move_task(dlq.arn, max_number_of_messages_per_second=1).task_handle
    sim.run(until=1.5)
    assert 2 == sim.cancel_message_move_task(handle).approximate_number_of_messages_moved
    assert "CANCELLED" == only_task(sim, dlq).status
    sim.run(until=10)
    assert ["m3"] == [message.body for message in dlq.messages]
    assert ["m1", "m2"] == [message.body for message in queue.messages]
    assert ("CANCELLED", 2) == (
        only_task(sim, dlq).status,
        only_task(sim, dlq).approximate_number_of_messages_moved,
    )


# ---- T13: a receive that is tried again


def attempt(queue):
    found = queue.receive_message(max_number_of_messages=10, receive_request_attempt_id="R")
    return [(delivery.body, delivery.receipt_handle, delivery.receive_count) for delivery in found]


@pytest.mark.rule("SQS-361", "SQS-362")
def test_t13_a_retry_brings_the_same_messages_until_one_of_them_is_deleted(sim):
    queue = fifo(sim, visibility_timeout=30)
    send(queue, "A1", "A2")
    first = attempt(queue)
    assert [("A1", 1), ("A2", 1)] == [(body, count) for body, _, count in first]
    sim.run(until=2)
    assert first == attempt(queue)
    sim.run(until=3)
    queue.delete_message(first[0][1])
    sim.run(until=4)
    with pytest.raises(InvalidParameterValueException, match=r"since the receive call is not retryable\.$"):
        attempt(queue)
    sim.run(until_us=seconds(32) - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run(until=32)
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-364")
def test_t13_without_an_id_the_group_is_blocked_until_30(sim):
    queue = fifo(sim, visibility_timeout=30)
    send(queue, "A1", "A2")
    take(queue)
    for at_us, expected in ((seconds(2), []), (seconds(30) - 1, []), (seconds(30), ["A1", "A2"])):
        sim.run(until_us=at_us)
        assert expected == list(take(queue))


# ---- T14: a fair queue


@pytest.mark.rule("SQS-311", "SQS-312")
@pytest.mark.parametrize(("in_flight", "expected"), [(40, ["Y", *["X"] * 9]), (20, ["X"] * 10)])
def test_t14_a_quiet_tenant_comes_before_a_noisy_one(sim, in_flight, expected):
    queue = sim.create_queue("orders")
    for number in range(100):
        queue.send_message(f"X{number}", message_group_id="X")
    for _ in range(in_flight // 10):
        queue.receive_message(max_number_of_messages=10)
    sim.run(until=1)
    queue.send_message("Y1", message_group_id="Y")
    found = queue.receive_message(max_number_of_messages=10)
    assert expected == [delivery.message_group_id for delivery in found]
    assert [f"X{in_flight + place}" for place in range(expected.count("X"))] == [
        body for body in bodies(found) if body != "Y1"
    ]
