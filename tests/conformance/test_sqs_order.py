"""SQS §13 to §16: order, delay, retention."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation, SqsConfig
from lambdasim.units import seconds
from tests.strategies import delays_s


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def everything(queue, **parameters):
    return bodies(queue.receive_message(max_number_of_messages=10, **parameters))


# ---- order


@pytest.mark.rule("SQS-300")
def test_messages_come_in_the_order_of_their_sends(sim, queue):
    for at_s in range(5):
        sim.run(until=at_s)
        queue.send_message(f"{at_s}a")
        queue.send_message(f"{at_s}b")
    assert ["0a", "0b", "1a", "1b", "2a", "2b", "3a", "3b", "4a", "4b"] == everything(queue)


@pytest.mark.rule("SQS-301")
@given(st.lists(delays_s, min_size=1, max_size=10))
def test_a_delayed_message_keeps_the_place_of_its_send(delays):
    sim = Simulation()
    queue = sim.create_queue("orders")
    for number, delay in enumerate(delays):
        queue.send_message(f"{number}", delay_seconds=delay)
    sim.run(until=900)
    assert [f"{number}" for number in range(len(delays))] == everything(queue)


@pytest.mark.rule("SQS-301")
def test_a_delayed_message_overtakes_later_ones_once_it_is_available(sim, queue):
    queue.send_message("delayed", delay_seconds=10)
    sim.run(until=5)
    queue.send_message("later")
    sim.run(until=10)
    assert ["delayed", "later"] == everything(queue)


@pytest.mark.rule("SQS-302")
@pytest.mark.parametrize("times", [1, 2])
def test_a_message_that_comes_back_keeps_its_place(sim, queue, times):
    queue.send_message("first")
    for _ in range(times):
        assert ["first"] == bodies(queue.receive_message(visibility_timeout=10))
        sim.run_for(5)
        queue.send_message("later")
        sim.run_for(5)
    assert ["first", *["later"] * times] == everything(queue)


@pytest.mark.rule("SQS-303")
@pytest.mark.parametrize("how", ["timeout", "release", "no timeout"])
def test_a_message_received_three_times_goes_to_the_back_when_it_comes_back(sim, queue, how):
    queue.send_message("poison")
    for _ in range(3):
        timeout_s = 0 if how == "no timeout" else 10
        (delivery,) = queue.receive_message(visibility_timeout=timeout_s)
        assert "poison" == delivery.body
        sim.run_for(4)
        queue.send_message(f"sent at {sim.now}")
        if how == "release":
            queue.change_message_visibility(delivery.receipt_handle, 0)
        sim.run_for(6)
    # Its new place is the instant at which it came back, where it stands before what was sent at that very instant.
    queue.send_message("last")
    came_back_at_s = {"timeout": 30, "release": 24, "no timeout": 20}[how]
    places = [(at_s, 2, f"sent at {at_s}.0") for at_s in (4, 14, 24)]
    places += [(30, 3, "last"), (came_back_at_s, 1, "poison")]
    assert [body for _, _, body in sorted(places)] == everything(queue)


@pytest.mark.rule("SQS-303")
@pytest.mark.parametrize("after", [1, 2, 3, 5, None])
def test_after_how_many_deliveries_a_message_goes_to_the_back_can_be_set(sim, after):
    queue = sim.create_queue("orders", settings=[SqsConfig(requeue_to_back_after=after)])
    queue.send_message("poison")
    deliveries = 0
    while deliveries < 8:
        sim.run_for(1)
        queue.send_message("fresh")
        if ["fresh"] == bodies(queue.receive_message(visibility_timeout=10)):
            break
        deliveries += 1
        sim.run_for(10)
    assert (8 if after is None else after) == deliveries


@pytest.mark.rule("SQS-304", "SQS-434")
def test_moved_messages_stand_in_the_order_of_their_moves_and_keep_their_time_of_sending(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("old")
    everything(queue, visibility_timeout=50)
    sim.run(until=10)
    dlq.send_message("sent to the dlq at 10")
    queue.send_message("young")
    everything(queue, visibility_timeout=10)
    sim.run(until=20)
    assert [] == everything(queue)
    sim.run(until=30)
    dlq.send_message("sent to the dlq at 30")
    sim.run(until=50)
    assert [] == everything(queue)
    found = dlq.receive_message(max_number_of_messages=10)
    assert [
        ("sent to the dlq at 10", seconds(10)),
        ("young", seconds(10)),
        ("sent to the dlq at 30", seconds(30)),
        ("old", 0),
    ] == [(delivery.body, delivery.sent_at_us) for delivery in found]


@pytest.mark.rule("SQS-304")
def test_a_moved_message_stands_behind_one_that_was_sent_before_the_move_and_came_back(sim):
    dlq = sim.create_queue("dlq", visibility_timeout=1)
    queue = sim.create_queue("orders", visibility_timeout=1, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("sent at 0, moved at 10")
    everything(queue)
    sim.run(until=5)
    dlq.send_message("sent at 5")
    everything(dlq)
    sim.run(until=10)
    everything(queue)
    for _ in range(2):
        assert ["sent at 5", "sent at 0, moved at 10"] == everything(dlq)
        sim.run_for(1)


@pytest.mark.rule("SQS-300", "SQS-304")
def test_messages_moved_by_one_receive_keep_the_order_of_the_queue(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=5, redrive_policy=RedrivePolicy(dlq, 1))
    for number in range(5):
        queue.send_message(f"{number}")
    everything(queue)
    sim.run(until=5)
    assert [] == everything(queue)
    assert ["0", "1", "2", "3", "4"] == everything(dlq)


# ---- delay


@pytest.mark.rule("SQS-380")
def test_a_delay_postpones_the_first_availability_only(sim):
    dlq = sim.create_queue("dlq", delay_seconds=100)
    queue = sim.create_queue("orders", delay_seconds=10, visibility_timeout=3, redrive_policy=RedrivePolicy(dlq, 2))
    queue.send_message("a")
    sim.run(until=10)
    assert ["a"] == everything(queue)
    sim.run(until=13)
    (delivery,) = queue.receive_message()
    queue.change_message_visibility(delivery.receipt_handle, 0)
    assert [] == everything(queue)
    assert ["a"] == everything(dlq)


@pytest.mark.rule("SQS-382")
def test_a_delayed_message_counts_as_delayed_and_cannot_be_received(sim, queue):
    queue.send_message("a", delay_seconds=10)
    sim.run(until_us=seconds(10) - 1)
    assert [] == everything(queue)
    snapshot = queue.snapshot()
    assert (0, 0, 1) == (snapshot.visible, snapshot.in_flight, snapshot.delayed)
    assert ["a"] == [message.body for message in queue.messages]


@pytest.mark.rule("SQS-382")
def test_retention_removes_a_delayed_message(sim):
    queue = sim.create_queue("orders", message_retention_period=60)
    queue.send_message("a", delay_seconds=900)
    sim.run(until=60)
    snapshot = queue.snapshot()
    assert (0, 1) == (snapshot.total, snapshot.expired)
    sim.run(until=900)
    assert [] == everything(queue)
    sim.check_invariants()


# ---- retention


@pytest.mark.rule("SQS-400")
@pytest.mark.parametrize("retention_s", [60, 345_600, 1_209_600])
def test_retention_counts_from_the_send_and_not_from_the_end_of_the_delay_or_a_delivery(sim, retention_s):
    queue = sim.create_queue("orders", message_retention_period=retention_s)
    sim.run(until=5)
    queue.send_message("a", delay_seconds=20)
    sim.run(until=30)
    everything(queue, visibility_timeout=10)
    sim.run(until_us=seconds(5 + retention_s) - 1)
    assert 1 == queue.snapshot().total
    sim.run(until=5 + retention_s)
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-400")
def test_each_message_ends_at_an_instant_of_its_own(sim):
    queue = sim.create_queue("orders", message_retention_period=60)
    for at_s in (0, 10, 20):
        sim.run(until=at_s)
        queue.send_message(f"{at_s}")
    left = []
    for at_s in (59, 60, 69, 70, 79, 80):
        sim.run(until=at_s)
        left.append([message.body for message in queue.messages])
        sim.check_invariants()
    assert [["0", "10", "20"], ["10", "20"], ["10", "20"], ["20"], ["20"], []] == left


@pytest.mark.rule("SQS-401")
def test_retention_is_silent(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", message_retention_period=60, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    everything(queue)
    sim.run(until=60)
    assert [] == everything(queue)
    snapshot = queue.snapshot()
    assert (1, 0, 0) == (snapshot.expired, snapshot.deleted, snapshot.moved)
    assert 0 == dlq.snapshot().total
    assert [] == list(sim.metrics.series("AWS/SQS", "NumberOfMessagesDeleted", "Sum", QueueName="orders"))


@pytest.mark.rule("SQS-402")
@pytest.mark.parametrize(("delay_s", "is_seen"), [(59, True), (60, False), (61, False), (900, False)])
def test_a_delay_that_ends_with_the_retention_or_after_it_hides_the_message_for_good(sim, delay_s, is_seen):
    queue = sim.create_queue("orders", message_retention_period=60)
    queue.send_message("a", delay_seconds=delay_s)
    seen = []

    async def watch():
        while sim.now < 1_000 and not seen:
            seen.extend(await queue.wait_receive(wait_time_seconds=20))

    sim.spawn(watch())
    sim.run()
    assert is_seen == bool(seen)


@pytest.mark.rule("SQS-403")
def test_a_queue_that_nobody_uses_stays(sim, queue):
    sim.run(until=400 * 86_400)
    assert queue is sim.queue("orders")
    queue.send_message("a")
    assert ["a"] == everything(queue)


def test_a_simulated_fortnight_of_retention_keeps_no_run_going(sim):
    queue = sim.create_queue("orders", message_retention_period=1_209_600)
    queue.send_message("a")
    everything(queue)
    sim.run()
    assert 0.0 == sim.now


# ---- FIFO queues


def fifo(sim, **attributes):
    return sim.create_queue("orders.fifo", **{"fifo_queue": True, "content_based_deduplication": True, **attributes})


def send(queue, *names):
    for name in names:
        queue.send_message(name, message_group_id=name[0])


@pytest.mark.rule("SQS-303", "SQS-320")
def test_a_fifo_message_keeps_its_place_however_often_it_was_received(sim):
    queue = fifo(sim, visibility_timeout=10)
    send(queue, "A1", "A2")
    for _ in range(6):
        assert ["A1", "A2"] == everything(queue)
        sim.run_for(10)


@pytest.mark.rule("SQS-381", "SQS-167")
@pytest.mark.parametrize("delay_s", [None, 0])
@pytest.mark.parametrize(("off_us", "expected"), [(-1, []), (0, ["A1"])])
def test_a_fifo_message_has_the_delay_of_its_queue_and_no_other(sim, delay_s, off_us, expected):
    queue = fifo(sim, delay_seconds=5)
    queue.send_message("A1", message_group_id="A", delay_seconds=delay_s)
    assert 1 == queue.snapshot().delayed
    sim.run(until_us=seconds(5) + off_us)
    assert expected == everything(queue)


@pytest.mark.rule("SQS-382")
@pytest.mark.parametrize("kind", ["standard", "fifo"])
@pytest.mark.parametrize("how", ["purge", "retention"])
def test_a_delayed_message_goes_with_a_purge_and_with_its_retention(sim, kind, how):
    attributes = {"delay_seconds": 900, "message_retention_period": 60}
    queue = fifo(sim, **attributes) if kind == "fifo" else sim.create_queue("orders", **attributes)
    queue.send_message("a", message_group_id="A")
    assert 1 == queue.snapshot().delayed
    if how == "purge":
        queue.purge_queue()
    else:
        sim.run(until=60)
    snapshot = queue.snapshot()
    assert (0, 0) == (snapshot.total, snapshot.delayed)
    sim.run(until=900)
    assert [] == everything(queue)
    sim.check_invariants()


@pytest.mark.rule("SQS-383", "SQS-092", "SQS-321")
def test_a_lower_queue_delay_frees_what_waits_in_its_order(sim):
    queue = fifo(sim, delay_seconds=100)
    send(queue, "A1")
    sim.run(until=10)
    send(queue, "A2")
    queue.set_queue_attributes(delay_seconds=20)
    sim.run(until_us=seconds(20) - 1)
    assert [] == everything(queue)
    sim.run(until=20)
    assert ["A1"] == everything(queue, visibility_timeout=1)
    sim.run(until=30)
    assert ["A1", "A2"] == everything(queue)


@pytest.mark.rule("SQS-400", "SQS-401")
def test_retention_counts_from_the_send_in_a_fifo_queue_too(sim):
    queue = fifo(sim, message_retention_period=60, visibility_timeout=1_000)
    send(queue, "A1")
    sim.run(until=20)
    send(queue, "A2")
    assert ["A1", "A2"] == everything(queue)
    for at_us, left in ((seconds(60) - 1, 2), (seconds(60), 1), (seconds(80) - 1, 1), (seconds(80), 0)):
        sim.run(until_us=at_us)
        assert left == queue.snapshot().total
    sim.check_invariants()
