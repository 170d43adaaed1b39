"""SQS §17 and §18: limits of messages in flight, dead-letter queues."""

from __future__ import annotations

import pytest

from lambdasim import RedrivePolicy, Simulation, SqsConfig
from lambdasim.errors.sqs import InvalidParameterValueException, OverLimit
from lambdasim.units import seconds

OVER_LIMIT = (
    "Too many messages have been received without being deleted. Please delete your received messages or let them "
    "timeout before receiving more."
)


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def everything(queue, **parameters):
    return bodies(queue.receive_message(max_number_of_messages=10, **parameters))


def pair(sim, count, *, settings=(), **attributes):
    """A queue with a visibility timeout of 10 s, and its dead-letter queue."""
    dlq = sim.create_queue("dlq")
    policy = RedrivePolicy(dlq, max_receive_count=count)
    attributes = {"visibility_timeout": 10, "redrive_policy": policy, **attributes}
    return sim.create_queue("orders", settings=settings, **attributes), dlq


# ---- the limit of messages in flight


@pytest.mark.rule("SQS-410")
def test_a_standard_queue_has_up_to_120_000_messages_in_flight():
    queue = Simulation(trace=0).create_queue("orders")
    for _ in range(120_001):
        queue.send_message("a")
    for _ in range(12_000):
        assert 10 == len(queue.receive_message(max_number_of_messages=10, visibility_timeout=43_200))
    assert 120_000 == queue.snapshot().in_flight
    with pytest.raises(OverLimit) as caught:
        queue.receive_message()
    assert OVER_LIMIT == caught.value.message
    assert 403 == caught.value.http_status
    assert 1 == queue.snapshot().visible


@pytest.mark.rule("SQS-410", "SQS-622")
def test_at_the_limit_a_short_poll_is_refused_and_leaves_no_mark(sim):
    queue = sim.create_queue("orders", settings=[SqsConfig(inflight_limit_standard=2)])
    for body in "abc":
        queue.send_message(body)
    assert ["a", "b"] == everything(queue)
    before = queue.snapshot(), sim.trace.to_json_lines()
    for wait_s in (None, 0):
        with pytest.raises(OverLimit):
            queue.receive_message(wait_time_seconds=wait_s)
    assert before == (queue.snapshot(), sim.trace.to_json_lines())
    sim.run(until=30)
    assert ["a", "b"] == everything(queue)


@pytest.mark.rule("SQS-410")
def test_at_the_limit_a_long_poll_waits_and_answers_empty(sim):
    queue = sim.create_queue("orders", settings=[SqsConfig(inflight_limit_standard=1)])
    for body in "ab":
        queue.send_message(body)
    everything(queue, visibility_timeout=100)
    assert [] == queue.receive_message(wait_time_seconds=20)
    assert 20.0 == sim.now


@pytest.mark.rule("SQS-410")
def test_at_the_limit_a_short_poll_may_be_answered_empty_where_the_configuration_says_so(sim):
    queue = sim.create_queue("orders", settings=[SqsConfig(inflight_limit_standard=1, overlimit="empty")])
    for body in "ab":
        queue.send_message(body)
    everything(queue)
    assert [] == queue.receive_message()
    assert (1, 1) == (queue.snapshot().visible, queue.snapshot().in_flight)


@pytest.mark.rule("SQS-412")
def test_a_receive_is_cut_so_that_the_limit_holds(sim):
    queue = sim.create_queue("orders", settings=[SqsConfig(inflight_limit_standard=3)])
    for body in "abcde":
        queue.send_message(body)
    assert ["a", "b"] == bodies(queue.receive_message(max_number_of_messages=2))
    assert ["c"] == everything(queue)
    assert 3 == queue.snapshot().in_flight


@pytest.mark.rule("SQS-412")
def test_moves_to_the_dead_letter_queue_need_no_room(sim):
    queue, dlq = pair(sim, 1, settings=[SqsConfig(inflight_limit_standard=4)])
    for body in "abc":
        queue.send_message(body)
    everything(queue)
    sim.run(until=10)
    for body in "xyz":
        queue.send_message(body)
    assert ["x"] == everything(queue, visibility_timeout=100)[:1]
    assert 3 == dlq.approximate_number_of_messages


@pytest.mark.rule("SQS-412")
def test_the_limit_is_checked_before_the_selection(sim):
    """At the limit a receive moves nothing away, though that would need no room."""
    queue, dlq = pair(sim, 1, settings=[SqsConfig(inflight_limit_standard=2, requeue_to_back_after=1)])
    for body in ("used up", "x", "y"):
        queue.send_message(body)
    queue.receive_message(visibility_timeout=1)
    queue.receive_message(visibility_timeout=100)
    sim.run(until=1)
    assert ["y"] == bodies(queue.receive_message(visibility_timeout=100))
    with pytest.raises(OverLimit):
        queue.receive_message()
    assert [] == queue.receive_message(wait_time_seconds=20)
    assert 0 == dlq.snapshot().total
    assert ["used up"] == [message.body for message in queue.messages if message.state.value == "visible"]


@pytest.mark.rule("SQS-413")
def test_a_backlog_has_no_limit():
    queue = Simulation(trace=0).create_queue("orders")
    for _ in range(150_000):
        queue.send_message("a")
    assert 150_000 == queue.snapshot().visible


# ---- dead letters


@pytest.mark.rule("SQS-430", "SQS-431")
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_message_is_delivered_so_often_and_moved_by_the_next_receive(sim, count):
    queue, dlq = pair(sim, count)
    sent = queue.send_message("a")
    for number in range(1, count + 1):
        (delivery,) = queue.receive_message()
        assert number == delivery.receive_count
        sim.run_for(10)
    assert 0 == dlq.snapshot().total
    before = queue.snapshot().received
    assert [] == queue.receive_message()
    assert before == queue.snapshot().received
    assert (0, 1) == (queue.snapshot().total, queue.snapshot().moved)
    (moved,) = dlq.receive_message()
    assert count + 1 == moved.receive_count
    assert sent.message_id == moved.message_id


@pytest.mark.rule("SQS-430")
def test_the_greatest_count_is_a_thousand_deliveries(sim):
    queue, dlq = pair(sim, 1_000, visibility_timeout=0)
    queue.send_message("a")
    for _ in range(1_000):
        assert ["a"] == everything(queue)
    assert [] == everything(queue)
    assert 1 == dlq.snapshot().visible


@pytest.mark.rule("SQS-107", "SQS-431", "SQS-433")
def test_each_queue_of_a_chain_counts_for_itself_and_the_total_goes_on(sim):
    last = sim.create_queue("last")
    middle = sim.create_queue("middle", visibility_timeout=1, redrive_policy=RedrivePolicy(last, 3))
    first = sim.create_queue("first", visibility_timeout=1, redrive_policy=RedrivePolicy(middle, 2))
    first.send_message("a")
    seen = []
    for queue in (first, middle, last):
        while found := queue.receive_message(attribute_names=["All"]):
            (delivery,) = found
            seen.append((queue.name, delivery.receive_count, delivery.attributes.get("DeadLetterQueueSourceArn")))
            sim.run_for(1)
            if queue is last:
                break
    assert [
        ("first", 1, None),
        ("first", 2, None),
        ("middle", 3, first.arn),
        ("middle", 4, first.arn),
        ("middle", 5, first.arn),
        ("last", 6, middle.arn),
    ] == seen
    sim.check_invariants()


@pytest.mark.rule("SQS-432")
def test_nothing_moves_until_somebody_receives(sim):
    queue, dlq = pair(sim, 1)
    queue.send_message("a")
    everything(queue)
    sim.run(until=100_000)
    assert (1, 0) == (queue.snapshot().visible, queue.snapshot().moved)
    assert 0 == dlq.snapshot().total
    (message,) = queue.messages
    assert "a" == message.body


@pytest.mark.rule("SQS-433")
def test_a_move_keeps_the_message_and_says_whence_it_came(sim):
    queue, dlq = pair(sim, 1)
    sim.run(until=3)
    sent = queue.send_message("a")
    sim.run(until=5)
    (before,) = queue.receive_message(attribute_names=["All"])
    sim.run(until=15)
    assert [] == everything(queue)
    sim.run(until=20)
    (moved,) = dlq.receive_message(attribute_names=["All"])
    assert sent.message_id == moved.message_id
    assert ("a", before.md5_of_body) == (moved.body, moved.md5_of_body)
    assert (seconds(3), seconds(5)) == (moved.sent_at_us, moved.first_received_at_us)
    assert {
        **before.attributes,
        "ApproximateReceiveCount": "2",
        "DeadLetterQueueSourceArn": queue.arn,
    } == moved.attributes


@pytest.mark.rule("SQS-433")
def test_the_delay_of_the_dead_letter_queue_is_not_applied(sim):
    dlq = sim.create_queue("dlq", delay_seconds=900)
    queue = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    everything(queue)
    everything(queue)
    assert 1 == dlq.snapshot().visible


@pytest.mark.rule("SQS-434")
@pytest.mark.parametrize(("dlq_retention_s", "ends_at_s"), [(120, 120), (60, 60), (345_600, 345_600)])
def test_retention_in_the_dead_letter_queue_counts_from_the_send(sim, dlq_retention_s, ends_at_s):
    dlq = sim.create_queue("dlq", message_retention_period=dlq_retention_s)
    queue = sim.create_queue("orders", visibility_timeout=10, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    everything(queue)
    sim.run(until=50)
    assert [] == everything(queue)
    assert 1 == dlq.snapshot().visible
    sim.run(until_us=seconds(ends_at_s) - 1)
    assert 1 == dlq.snapshot().visible
    sim.run(until=ends_at_s)
    assert (0, 1) == (dlq.snapshot().total, dlq.snapshot().expired)


@pytest.mark.rule("SQS-434")
@pytest.mark.parametrize(("off_us", "visible"), [(-1, 1), (0, 0), (1, 0)])
def test_a_message_too_old_for_the_dead_letter_queue_expires_on_arrival(sim, off_us, visible):
    dlq = sim.create_queue("dlq", message_retention_period=60)
    queue = sim.create_queue("orders", visibility_timeout=10, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    everything(queue)
    sim.run(until_us=seconds(60) + off_us)
    assert [] == everything(queue)
    assert visible == dlq.snapshot().visible
    assert 1 - visible == dlq.snapshot().expired
    sim.check_invariants()


@pytest.mark.rule("SQS-434")
def test_retention_ends_moved_and_sent_messages_each_at_its_instant(sim):
    """In the dead-letter queue the order of arrival is not the order of age."""
    dlq = sim.create_queue("dlq", message_retention_period=100)
    queue = sim.create_queue("orders", visibility_timeout=10, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("sent at 0")
    everything(queue)
    sim.run(until=20)
    dlq.send_message("sent at 20")
    sim.run(until=40)
    everything(queue)
    dlq.send_message("sent at 40")
    left = []
    for at_s in (99, 100, 119, 120, 139, 140):
        sim.run(until=at_s)
        left.append([message.body for message in dlq.messages])
        sim.check_invariants()
    both = ["sent at 20", "sent at 40"]
    assert [["sent at 20", "sent at 0", "sent at 40"], both, both, both[1:], both[1:], []] == left


@pytest.mark.rule("SQS-437")
@pytest.mark.parametrize("is_long", [False, True])
def test_a_move_happens_at_one_instant_and_wakes_who_waits_at_the_other_end(sim, is_long):
    queue, dlq = pair(sim, 1)
    queue.send_message("a")
    everything(queue)
    log = []

    async def rescue():
        found = await dlq.wait_receive(wait_time_seconds=20)
        log.append((sim.now, bodies(found)))

    sim.run(until=5)
    sim.spawn(rescue())
    sim.call_at(12, everything, queue)
    if is_long:
        sim.spawn(queue.wait_receive(wait_time_seconds=6))
    sim.run()
    assert [(10.0 if is_long else 12.0, ["a"])] == log
    assert 0 == queue.snapshot().total
    assert 1 == dlq.snapshot().in_flight


@pytest.mark.rule("SQS-437")
def test_a_move_is_no_send(sim):
    queue, dlq = pair(sim, 1, visibility_timeout=0)
    queue.send_message("a")
    everything(queue)
    everything(queue)
    assert (0, 1, 1) == (dlq.snapshot().sent, dlq.snapshot().arrived, dlq.snapshot().visible)
    sim.run(until=60)
    assert [] == list(sim.metrics.series("AWS/SQS", "NumberOfMessagesSent", "Sum", QueueName="dlq"))
    visible = sim.metrics.series("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", QueueName="dlq")
    assert [(0, 1)] == list(visible)


@pytest.mark.rule("SQS-439")
def test_a_delivery_that_nobody_saw_counts(sim):
    """The poll is answered at 5 s, and its process dies at the same instant: with a count of 1 that was all."""
    queue, dlq = pair(sim, 1)
    task = sim.spawn(queue.wait_receive(wait_time_seconds=20))
    sim.call_at(5, lambda: (queue.send_message("a"), task.cancel()))
    sim.run(until=15)
    assert [] == everything(queue)
    assert 1 == dlq.snapshot().visible


@pytest.mark.rule("SQS-433", "SQS-276")
def test_old_handles_die_with_the_move(sim):
    queue, dlq = pair(sim, 1)
    queue.send_message("a")
    (old,) = queue.receive_message()
    sim.run(until=10)
    everything(queue)
    (new,) = dlq.receive_message()
    assert old.receipt_handle != new.receipt_handle
    queue.delete_message(old.receipt_handle)
    assert 1 == dlq.snapshot().in_flight
    dlq.delete_message(new.receipt_handle)
    assert 0 == dlq.snapshot().total


def test_used_up_messages_do_not_hide_fresh_ones_behind_them(sim):
    queue, dlq = pair(sim, 1)
    for number in range(30):
        queue.send_message(f"used {number}")
    while everything(queue):
        pass
    sim.run(until=5)
    queue.send_message("fresh")
    sim.run(until=10)
    assert ["fresh"] == bodies(queue.receive_message())
    assert 30 == dlq.snapshot().visible
    sim.check_invariants()


def test_a_queue_may_be_the_dead_letter_queue_of_several():
    sim = Simulation()
    dlq = sim.create_queue("dlq")
    sources = [
        sim.create_queue(name, visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1)) for name in ("a", "b")
    ]
    for source in sources:
        source.send_message(source.name)
        everything(source)
        everything(source)
    found = dlq.receive_message(max_number_of_messages=10, attribute_names=["All"])
    assert [(source.name, source.arn) for source in sources] == [
        (delivery.body, delivery.attributes["DeadLetterQueueSourceArn"]) for delivery in found
    ]


# ---- without a dead-letter queue to move to


@pytest.mark.rule("SQS-436", "SQS-063")
def test_without_its_dead_letter_queue_a_message_is_delivered_as_if_there_were_no_policy(sim):
    queue, dlq = pair(sim, 1)
    queue.send_message("a")
    everything(queue)
    dlq.delete_queue()
    for number in (2, 3, 4):
        sim.run_for(10)
        assert [("a", number)] == [(found.body, found.receive_count) for found in queue.receive_message()]
    assert 0 == queue.snapshot().moved


@pytest.mark.rule("SQS-436")
def test_a_dead_letter_queue_that_is_created_again_is_used_again(sim):
    queue, dlq = pair(sim, 1)
    queue.send_message("a")
    everything(queue)
    dlq.delete_queue()
    sim.run(until=60)
    assert ["a"] == everything(queue)
    again = sim.create_queue("dlq")
    sim.run(until=70)
    assert [] == everything(queue)
    assert ["a"] == everything(again)


# ---- changes of the policy


def use_up(sim, queue, times):
    for _ in range(times):
        assert ["a"] == everything(queue)
        sim.run_for(10)


@pytest.mark.rule("SQS-438", "SQS-092")
def test_a_higher_count_gives_new_deliveries_to_what_was_used_up_and_not_yet_moved(sim):
    queue, dlq = pair(sim, 2)
    queue.send_message("a")
    use_up(sim, queue, 2)
    queue.set_queue_attributes(redrive_policy=RedrivePolicy(dlq, 4))
    use_up(sim, queue, 2)
    assert [] == everything(queue)
    assert 1 == dlq.snapshot().visible


@pytest.mark.rule("SQS-438", "SQS-092")
@pytest.mark.parametrize(("count", "moved"), [(4, 0), (3, 1), (1, 1)])
def test_a_lower_count_moves_more_at_the_next_receive_and_not_before(sim, count, moved):
    queue, dlq = pair(sim, 10)
    queue.send_message("a")
    use_up(sim, queue, 3)
    queue.set_queue_attributes(redrive_policy=RedrivePolicy(dlq, count))
    sim.run_for(10)
    assert 0 == dlq.snapshot().total
    everything(queue)
    assert moved == dlq.snapshot().total


@pytest.mark.rule("SQS-438", "SQS-086")
def test_without_a_policy_nothing_moves(sim):
    queue, dlq = pair(sim, 1)
    queue.send_message("a")
    use_up(sim, queue, 1)
    queue.set_queue_attributes(redrive_policy=None)
    use_up(sim, queue, 5)
    assert 0 == dlq.snapshot().total


@pytest.mark.rule("SQS-438", "SQS-431")
def test_a_policy_that_comes_later_counts_the_deliveries_there_were(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=10)
    queue.send_message("a")
    use_up(sim, queue, 3)
    queue.set_queue_attributes(redrive_policy=RedrivePolicy(dlq, 3))
    assert [] == everything(queue)
    assert 1 == dlq.snapshot().total


@pytest.mark.rule("SQS-438")
def test_another_dead_letter_queue_takes_what_is_used_up_from_then_on(sim):
    queue, dlq = pair(sim, 1)
    other = sim.create_queue("other")
    queue.send_message("a")
    use_up(sim, queue, 1)
    queue.set_queue_attributes(redrive_policy=RedrivePolicy(other, 1))
    assert [] == everything(queue)
    assert (0, 1) == (dlq.snapshot().total, other.snapshot().total)


# ---- a queue that is its own dead-letter queue, and cycles


@pytest.mark.rule("SQS-107", "SQS-304", "SQS-431")
def test_a_queue_that_is_its_own_dead_letter_queue_takes_messages_in_again_at_the_back(sim):
    queue = sim.create_queue("orders", visibility_timeout=10)
    queue.set_queue_attributes(redrive_policy=RedrivePolicy(queue, 2))
    queue.send_message("a")
    use_up(sim, queue, 2)
    queue.send_message("b")
    sim.run_for(1)
    assert ["b"] == everything(queue)  # which moved the other one, and does not look at it again
    found = queue.receive_message(attribute_names=["All"])
    assert [("a", 3, queue.arn)] == [
        (each.body, each.receive_count, each.attributes["DeadLetterQueueSourceArn"]) for each in found
    ]
    sim.run_for(10)
    assert ["b", "a"] == everything(queue)
    assert 2 == queue.snapshot().total
    sim.check_invariants()


@pytest.mark.rule("SQS-107", "SQS-431")
def test_in_a_cycle_each_queue_counts_anew(sim):
    first = sim.create_queue("first", visibility_timeout=0)
    second = sim.create_queue("second", visibility_timeout=0, redrive_policy=RedrivePolicy(first, 2))
    first.set_queue_attributes(redrive_policy=RedrivePolicy(second, 1))
    first.send_message("a")
    seen = []
    for queue in (first, first, second, second, second, first, first, second):
        found = queue.receive_message()
        seen.append((queue.name, found[0].receive_count if found else None))
    assert [
        ("first", 1),
        ("first", None),  # moved
        ("second", 2),
        ("second", 3),
        ("second", None),  # moved back
        ("first", 4),
        ("first", None),
        ("second", 5),
    ] == seen
    sim.check_invariants()


# ---- FIFO queues


def fifo(sim, name, **attributes):
    return sim.create_queue(name, **{"fifo_queue": True, "content_based_deduplication": True, **attributes})


def fifo_pair(sim, count=1, *, dlq_attributes=None, **attributes):
    dlq = fifo(sim, "dlq.fifo", **(dlq_attributes or {}))
    policy = RedrivePolicy(dlq, max_receive_count=count)
    return fifo(sim, "orders.fifo", **{"visibility_timeout": 10, "redrive_policy": policy, **attributes}), dlq


def send(queue, *names):
    return [queue.send_message(name, message_group_id=name[0]) for name in names]


@pytest.mark.rule("SQS-435", "SQS-430")
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_fifo_message_is_delivered_so_often_and_the_receive_that_moves_it_goes_on_with_its_group(sim, count):
    queue, dlq = fifo_pair(sim, count)
    send(queue, "A1", "A2", "B1")
    for number in range(1, count + 1):
        (delivery,) = queue.receive_message(visibility_timeout=100)
        assert ("A1", number) == (delivery.body, delivery.receive_count)
        if number == 1:
            assert ["B1"] == everything(queue, visibility_timeout=40_000)
        queue.change_message_visibility(delivery.receipt_handle, 0)
    assert 0 == dlq.snapshot().total
    (delivery,) = queue.receive_message()
    assert ("A2", 1) == (delivery.body, delivery.receive_count)
    (moved,) = dlq.receive_message()
    assert ("A1", count + 1) == (moved.body, moved.receive_count)
    sim.check_invariants()


@pytest.mark.rule("SQS-435", "SQS-433")
def test_a_moved_fifo_message_goes_to_the_tail_of_its_group_with_names_of_its_own(sim):
    queue, dlq = fifo_pair(sim)
    send(dlq, "A-there", "B-there")
    sent, _ = send(queue, "A1", "A2")
    (before,) = queue.receive_message(attribute_names=["All"])
    sim.run(until=10)
    everything(queue)
    found = dlq.receive_message(max_number_of_messages=10, attribute_names=["All"])
    assert ["A-there", "A1", "B-there"] == bodies(found)
    moved = found[1]
    assert sent.message_id == moved.message_id == moved.attributes["MessageDeduplicationId"]
    assert "A" == moved.attributes["MessageGroupId"]
    assert "18850000000000000768" == moved.attributes["SequenceNumber"]  # the third of the dead-letter queue
    assert queue.arn == moved.attributes["DeadLetterQueueSourceArn"]
    assert "2" == moved.attributes["ApproximateReceiveCount"]
    for name in ("SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"):
        assert before.attributes[name] == moved.attributes[name]
    sim.check_invariants()


@pytest.mark.rule("SQS-435")
def test_the_window_of_the_dead_letter_queue_is_not_asked(sim):
    """Its memory knows the ID that the message had, and even the one that it gets."""
    queue, dlq = fifo_pair(sim)
    (sent,) = send(queue, "A1")
    send(dlq, "A1")
    dlq.send_message("by id", message_group_id="A", message_deduplication_id=sent.message_id)
    everything(queue)
    sim.run(until=10)
    everything(queue)
    assert ["A1", "by id", "A1"] == everything(dlq)


@pytest.mark.rule("SQS-435", "SQS-341")
def test_a_move_is_not_remembered_by_the_dead_letter_queue(sim):
    queue, dlq = fifo_pair(sim)
    (sent,) = send(queue, "A1")
    everything(queue)
    sim.run(until=10)
    everything(queue)
    dlq.send_message("by id", message_group_id="A", message_deduplication_id=sent.message_id)
    assert ["A1", "by id"] == everything(dlq)


@pytest.mark.rule("SQS-435", "SQS-322")
def test_one_receive_moves_a_whole_group_and_goes_on_with_the_next(sim):
    queue, dlq = fifo_pair(sim)
    send(queue, "A1", "A2", "A3")
    everything(queue)
    sim.run(until=5)
    send(queue, "B1", "A4")
    sim.run(until=10)
    assert ["B1", "A4"] == everything(queue)
    assert ["A1", "A2", "A3"] == everything(dlq)
    sim.check_invariants()


@pytest.mark.rule("SQS-434")
@pytest.mark.parametrize("retention_s", [60, 120])
def test_retention_of_a_moved_fifo_message_begins_with_the_move(sim, retention_s):
    queue, dlq = fifo_pair(sim, dlq_attributes={"message_retention_period": retention_s})
    send(queue, "A1")
    everything(queue)
    sim.run(until=300)
    everything(queue)
    assert 1 == dlq.snapshot().visible
    sim.run(until_us=seconds(300 + retention_s) - 1)
    assert 1 == dlq.snapshot().visible
    sim.run(until=300 + retention_s)
    assert (0, 1) == (dlq.snapshot().total, dlq.snapshot().expired)


@pytest.mark.rule("SQS-433", "SQS-276", "SQS-247")
def test_old_fifo_handles_die_with_the_move(sim):
    queue, dlq = fifo_pair(sim)
    send(queue, "A1")
    (old,) = queue.receive_message()
    sim.run(until=10)
    everything(queue)
    queue.delete_message(old.receipt_handle)
    with pytest.raises(InvalidParameterValueException, match="Message does not exist"):
        queue.change_message_visibility(old.receipt_handle, 10)
    assert 1 == dlq.snapshot().visible


@pytest.mark.rule("SQS-437")
def test_a_move_wakes_who_waits_at_a_fifo_dead_letter_queue(sim):
    queue, dlq = fifo_pair(sim)
    send(queue, "A1")
    everything(queue)
    log = []

    async def rescue():
        found = await dlq.wait_receive(wait_time_seconds=20)
        log.append((sim.now, bodies(found)))

    sim.spawn(rescue())
    sim.call_at(12, everything, queue)
    sim.run()
    assert [(12.0, ["A1"])] == log


@pytest.mark.rule("SQS-107", "SQS-435")
def test_a_fifo_queue_that_is_its_own_dead_letter_queue_puts_messages_behind_their_group(sim):
    queue = fifo(sim, "orders.fifo", visibility_timeout=10)
    queue.set_queue_attributes(redrive_policy=RedrivePolicy(queue, 1))
    send(queue, "A1", "A2")
    assert ["A1"] == bodies(queue.receive_message())
    sim.run(until=10)
    assert ["A2"] == everything(queue)
    sim.run(until=20)
    found = everything(queue)
    assert ["A1"] == found  # A2 went behind it, and is not looked at again
    assert ["A1", "A2"] == [message.body for message in queue.messages]
    sim.check_invariants()


# ---- the limit of FIFO messages in flight


@pytest.mark.rule("SQS-411", "SQS-412")
def test_at_its_limit_a_fifo_queue_delivers_nothing_more_and_refuses_nothing(sim):
    queue = fifo(sim, "orders.fifo", settings=[SqsConfig(inflight_limit_fifo=3)])
    send(queue, "A1", "A2", "B1", "B2")
    found = queue.receive_message(max_number_of_messages=10)
    assert ["A1", "A2", "B1"] == bodies(found)
    for wait_s in (0, 5):
        assert [] == everything(queue, wait_time_seconds=wait_s)
    assert 5.0 == sim.now
    queue.delete_message(found[2].receipt_handle)
    assert ["B2"] == everything(queue)


@pytest.mark.rule("SQS-411", "SQS-208")
def test_room_under_the_limit_wakes_who_waits_at_a_fifo_queue(sim):
    queue = fifo(sim, "orders.fifo", settings=[SqsConfig(inflight_limit_fifo=1)])
    send(queue, "A1", "B1")
    (first,) = queue.receive_message()
    log = []

    async def listen():
        log.extend(bodies(await queue.wait_receive(wait_time_seconds=20)))
        log.append(sim.now)

    sim.spawn(listen())
    sim.call_at(5, queue.delete_message, first.receipt_handle)
    sim.run()
    assert ["B1", 5.0] == log


@pytest.mark.rule("SQS-411")
def test_a_fifo_queue_has_120_000_messages_in_flight_by_default():
    assert 120_000 == SqsConfig().inflight_limit_fifo
    queue = fifo(Simulation(trace=0), "orders.fifo", visibility_timeout=43_200)
    for number in range(12_000):
        for place in range(10):
            queue.send_message(f"{number}/{place}", message_group_id=f"{number}")
    queue.send_message("one more", message_group_id="one-more")
    for _ in range(12_000):
        queue.receive_message(max_number_of_messages=10)
    assert (1, 120_000) == (queue.snapshot().visible, queue.snapshot().in_flight)
    assert [] == everything(queue)
