"""SQS §16 and §17: retention, messages in flight, throughput."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation, SqsConfig, SqsFaults
from lambdasim.errors.sqs import InvalidParameterValueException, OverLimit, QueueDoesNotExist, RequestThrottled
from lambdasim.units import seconds
from tests.choosers import Says, happened

OVER = (
    "Too many messages have been received without being deleted. Please delete your received messages or let them "
    "timeout before receiving more."
)
GONE = (
    "Value {} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for "
    "visibility timeout change."
)
DAY_S = 86_400
NAMES = {"standard": "orders", "fifo": "orders.fifo"}

kinds = pytest.mark.parametrize("kind", NAMES)


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def counts(queue):
    snapshot = queue.snapshot()
    return snapshot.visible, snapshot.in_flight, snapshot.delayed


def fill(queue, count, group=None):
    """Send m1, m2, …; on a FIFO queue to one group, or each to a group of its own."""
    for number in range(1, count + 1):
        send(queue, f"m{number}", group or f"g{number}")


def send(queue, body, group="g", **parameters):
    if queue.name.endswith(".fifo"):
        parameters |= {"message_group_id": group, "message_deduplication_id": f"{queue.sent}"}
    return queue.send_message(body, **parameters)


# ---- retention


@pytest.mark.rule("SQS-400", "SQS-003")
@kinds
@pytest.mark.parametrize("state", ["visible", "in flight", "delayed"])
@pytest.mark.parametrize("retention_s", [60, 61, 345_600, 1_209_600])
def test_a_message_is_gone_when_its_retention_is_over_whatever_its_state(sim, kind, state, retention_s):
    delay_s = 900 if state == "delayed" else 0
    queue = sim.create_queue(NAMES[kind], message_retention_period=retention_s, delay_seconds=delay_s)
    sim.run(until=7)
    send(queue, "a")
    if state == "delayed":
        sim.run(until_us=seconds(7 + min(900, retention_s)) - 1)
        assert (0, 0, 1) == counts(queue)
    sim.run(until_us=seconds(7 + retention_s) - 1)
    if state == "in flight":
        assert ["a"] == bodies(queue.receive_message(visibility_timeout=43_200))
        assert (0, 1, 0) == counts(queue)
    assert (1, 0) == (queue.snapshot().total, queue.snapshot().expired)
    sim.run(until=7 + retention_s)
    assert (0, 0, 0) == counts(queue)
    assert (0, 1) == (queue.snapshot().total, queue.snapshot().expired)
    assert [] == queue.receive_message()
    sim.check_invariants()


@pytest.mark.rule("SQS-400")
@kinds
def test_neither_a_receive_nor_a_change_nor_a_redelivery_prolongs_the_retention(sim, kind):
    queue = sim.create_queue(NAMES[kind], message_retention_period=60)
    send(queue, "a")
    for at_s in (10, 30, 50):
        sim.run(until=at_s)
        (delivery,) = queue.receive_message(visibility_timeout=20)
    queue.change_message_visibility(delivery.receipt_handle, 900)
    sim.run(until_us=seconds(60) - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run(until=60)
    assert (0, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-400", "SQS-006")
@kinds
def test_each_message_expires_by_its_own_age(sim, kind):
    queue = sim.create_queue(NAMES[kind], message_retention_period=60)
    for at_us in (0, 1, 2):
        sim.run(until_us=at_us)
        send(queue, f"{at_us}", f"g{at_us}")
    for at_us, left in ((-1, 3), (0, 2), (1, 1), (2, 0)):
        sim.run(until_us=seconds(60) + at_us)
        assert left == queue.snapshot().total == len(queue.messages)


@pytest.mark.rule("SQS-401")
@kinds
def test_expiry_is_silent(sim, kind):
    dlq = sim.create_queue(NAMES[kind].replace("orders", "dlq"))
    queue = sim.create_queue(NAMES[kind], message_retention_period=60, redrive_policy=RedrivePolicy(dlq, 1))
    send(queue, "a")
    sim.run(until=50)
    (delivery,) = queue.receive_message(visibility_timeout=120)
    sim.run(until=60)
    with pytest.raises(InvalidParameterValueException) as caught:
        queue.change_message_visibility(delivery.receipt_handle, 60)
    assert GONE.format(delivery.receipt_handle) == caught.value.message
    queue.delete_message(delivery.receipt_handle)
    sim.run(until=200)
    assert [] == queue.receive_message()
    assert 0 == dlq.snapshot().total
    assert (0, 1, 0) == (queue.snapshot().deleted, queue.snapshot().expired, queue.snapshot().moved)
    deleted = sim.metrics.series("AWS/SQS", "NumberOfMessagesDeleted", "Sum", QueueName=queue.name)
    assert [(60, 1)] == list(deleted)  # the call, which succeeded


@pytest.mark.rule("SQS-401", "SQS-325")
@pytest.mark.parametrize(("off_us", "expected"), [(-1, []), (0, ["new"])])
def test_a_head_that_expires_in_flight_unblocks_its_group(sim, off_us, expected):
    queue = sim.create_queue("orders.fifo", message_retention_period=60)
    send(queue, "old")
    queue.receive_message(visibility_timeout=900)
    sim.run(until=5)
    send(queue, "new")
    sim.run(until_us=seconds(60) + off_us)
    assert expected == bodies(queue.receive_message())


@pytest.mark.rule("SQS-401", "SQS-208")
def test_a_head_that_expires_wakes_who_waits_for_its_group(sim):
    queue = sim.create_queue("orders.fifo", message_retention_period=60)
    send(queue, "old")
    queue.receive_message(visibility_timeout=900)
    sim.run(until=50)
    send(queue, "new")
    assert ["new"] == bodies(queue.receive_message(wait_time_seconds=20))
    assert 60.0 == sim.now


@pytest.mark.rule("SQS-402", "SQS-004")
@kinds
@pytest.mark.parametrize(("delay_s", "is_seen"), [(59, True), (60, False), (61, False), (900, False)])
def test_a_message_whose_delay_ends_at_or_after_its_retention_is_never_seen(sim, kind, delay_s, is_seen):
    queue = sim.create_queue(NAMES[kind], message_retention_period=60, delay_seconds=delay_s)
    send(queue, "a")
    log = []

    async def listen():
        while not log and sim.now < 1_000:
            log.extend(bodies(await queue.wait_receive(wait_time_seconds=20)))

    sim.spawn(listen())
    sim.run()
    assert (["a"] if is_seen else []) == log


@pytest.mark.rule("SQS-403")
@kinds
@pytest.mark.parametrize("days", [30, 31, 32, 400])
def test_a_queue_that_nobody_uses_is_not_deleted(sim, kind, days):
    queue = sim.create_queue(NAMES[kind], attributes=None, visibility_timeout=7)
    sim.run(until=days * DAY_S)
    assert queue is sim.queue(NAMES[kind])
    assert [queue.url] == [*sim.list_queues().queue_urls]
    assert "7" == queue.get_queue_attributes(["All"]).attributes["VisibilityTimeout"]
    send(queue, "a")
    assert ["a"] == bodies(queue.receive_message())


# ---- messages in flight


@pytest.mark.rule("SQS-410", "SQS-412")
@pytest.mark.parametrize("limit", [1, 3, 12])
def test_a_receive_is_cut_at_the_limit_and_the_next_short_poll_is_refused(limit):
    sim = Simulation(settings=[SqsConfig(inflight_limit_standard=limit)])
    queue = sim.create_queue("orders")
    fill(queue, limit + 1)
    received = []
    while len(received) < limit:
        received += queue.receive_message(max_number_of_messages=10)
    assert limit == len(received) == queue.snapshot().in_flight
    before = queue.snapshot()
    with pytest.raises(OverLimit) as caught:
        queue.receive_message()
    assert caught.value.message == OVER
    assert ("OverLimit", 403) == (caught.value.code, caught.value.http_status)
    assert before == queue.snapshot()
    queue.delete_message(received[0].receipt_handle)
    assert [f"m{limit + 1}"] == bodies(queue.receive_message(max_number_of_messages=10))
    with pytest.raises(OverLimit):
        queue.receive_message()


@pytest.mark.rule("SQS-410")
def test_the_limit_is_an_error_even_when_nothing_is_left_to_receive():
    sim = Simulation(settings=[SqsConfig(inflight_limit_standard=2)])
    queue = sim.create_queue("orders")
    fill(queue, 2)
    queue.receive_message(max_number_of_messages=10)
    with pytest.raises(OverLimit):
        queue.receive_message()


@pytest.mark.rule("SQS-410")
@pytest.mark.parametrize(("off_us", "is_over"), [(-1, True), (0, False), (1, False)])
def test_a_message_that_returns_makes_room(off_us, is_over):
    sim = Simulation(settings=[SqsConfig(inflight_limit_standard=1)])
    queue = sim.create_queue("orders")
    fill(queue, 2)
    queue.receive_message(visibility_timeout=10)
    sim.run(until_us=seconds(10) + off_us)
    if is_over:
        with pytest.raises(OverLimit):
            queue.receive_message()
    else:
        assert ["m1"] == bodies(queue.receive_message())


@pytest.mark.rule("SQS-410", "SQS-205")
def test_what_is_received_without_a_timeout_is_not_in_flight_and_needs_room_for_no_longer_than_its_receive():
    sim = Simulation(settings=[SqsConfig(inflight_limit_standard=1)])
    queue = sim.create_queue("orders")
    fill(queue, 2)
    for _ in range(3):
        assert bodies(queue.receive_message(visibility_timeout=0))
    assert 0 == queue.snapshot().in_flight


@pytest.mark.rule("SQS-410")
def test_a_short_poll_at_the_limit_is_empty_where_the_configuration_says_so():
    sim = Simulation(settings=[SqsConfig(inflight_limit_standard=1, overlimit="empty")])
    queue = sim.create_queue("orders")
    fill(queue, 2)
    queue.receive_message()
    assert [] == queue.receive_message()
    empty = sim.metrics.series("AWS/SQS", "NumberOfEmptyReceives", "Sum", QueueName="orders")
    assert [(0, 1)] == list(empty)


@pytest.mark.rule("SQS-410", "SQS-208")
def test_a_long_poll_at_the_limit_waits_and_answers_empty():
    sim = Simulation(settings=[SqsConfig(inflight_limit_standard=1)])
    queue = sim.create_queue("orders")
    fill(queue, 2)
    (delivery,) = queue.receive_message(visibility_timeout=900)
    assert [] == queue.receive_message(wait_time_seconds=20)
    assert 20.0 == sim.now
    sim.call_at(25, queue.delete_message, delivery.receipt_handle)
    assert ["m2"] == bodies(queue.receive_message(wait_time_seconds=20))
    assert 25.0 == sim.now


@pytest.mark.rule("SQS-411", "SQS-412")
@pytest.mark.parametrize("limit", [1, 3, 12])
def test_at_its_limit_a_fifo_queue_returns_nothing_more_and_no_error(limit):
    sim = Simulation(settings=[SqsConfig(inflight_limit_fifo=limit, inflight_limit_standard=10_000)])
    queue = sim.create_queue("orders.fifo")
    fill(queue, limit + 1)
    received = []
    while deliveries := queue.receive_message(max_number_of_messages=10):
        received += deliveries
    assert limit == len(received) == queue.snapshot().in_flight
    queue.delete_message(received[0].receipt_handle)
    assert [f"m{limit + 1}"] == bodies(queue.receive_message(max_number_of_messages=10))
    assert [] == queue.receive_message(max_number_of_messages=10)


@pytest.mark.rule("SQS-411", "SQS-208")
def test_room_under_the_limit_of_a_fifo_queue_wakes_a_poll():
    sim = Simulation(settings=[SqsConfig(inflight_limit_fifo=1)])
    queue = sim.create_queue("orders.fifo")
    fill(queue, 2)
    (delivery,) = queue.receive_message(visibility_timeout=900)
    sim.call_at(3, queue.delete_message, delivery.receipt_handle)
    assert ["m2"] == bodies(queue.receive_message(wait_time_seconds=20))
    assert 3.0 == sim.now


@pytest.mark.slow
@pytest.mark.rule("SQS-410", "SQS-411")
@kinds
def test_the_default_limit_is_120_000(sim, kind):
    queue = sim.create_queue(NAMES[kind])
    fill(queue, 120_001)
    found = 0
    for _ in range(12_000):
        found += len(queue.receive_message(max_number_of_messages=10))
    assert 120_000 == found == queue.snapshot().in_flight
    if kind == "standard":
        with pytest.raises(OverLimit):
            queue.receive_message()
    else:
        assert [] == queue.receive_message()
    assert 1 == queue.snapshot().visible


@pytest.mark.rule("SQS-412")
@kinds
def test_moves_to_the_dead_letter_queue_need_no_room(kind):
    sim = Simulation(settings=[SqsConfig(inflight_limit_standard=2, inflight_limit_fifo=2)])
    dlq = sim.create_queue(NAMES[kind].replace("orders", "dlq"))
    queue = sim.create_queue(NAMES[kind], redrive_policy=RedrivePolicy(dlq, 1))
    fill(queue, 2)
    queue.receive_message(max_number_of_messages=10, visibility_timeout=1)
    sim.run(until=1)
    for number in range(3, 8):
        send(queue, f"m{number}", f"g{number}")
    assert ["m3", "m4"] == bodies(queue.receive_message(max_number_of_messages=10))
    assert ["m1", "m2"] == [message.body for message in dlq.messages]
    sim.check_invariants()


@pytest.mark.rule("SQS-412")
def test_the_limit_is_checked_before_anything_is_selected_or_moved():
    sim = Simulation(settings=[SqsConfig(inflight_limit_standard=1, requeue_to_back_after=1)])
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders")
    queue.send_message("used up")
    queue.receive_message(visibility_timeout=10)
    sim.run(until=5)
    queue.send_message("fresh")
    sim.run(until=10)
    (fresh,) = queue.receive_message(visibility_timeout=900)
    assert "fresh" == fresh.body
    queue.set_queue_attributes(redrive_policy=RedrivePolicy(dlq, 1))
    with pytest.raises(OverLimit):
        queue.receive_message()
    assert (1, 1, 0) == counts(queue)
    assert 0 == dlq.snapshot().total
    queue.delete_message(fresh.receipt_handle)
    assert [] == queue.receive_message()
    assert 1 == dlq.snapshot().total


@pytest.mark.rule("SQS-413")
@kinds
def test_a_backlog_has_no_limit(kind):
    sim = Simulation(settings=[SqsConfig(inflight_limit_standard=1, inflight_limit_fifo=1, fifo_scan_window=10)])
    queue = sim.create_queue(NAMES[kind])
    fill(queue, 20_001)
    assert 20_001 == queue.snapshot().visible


# ---- throughput

ENFORCED = SqsConfig(enforce_fifo_throughput=True)


def fast_queue(**attributes):
    sim = Simulation(settings=[ENFORCED])
    queue = sim.create_queue("orders.fifo", **attributes)
    queue.send_message("gone", message_group_id="g", message_deduplication_id="gone")
    (delivery,) = queue.receive_message()
    queue.delete_message(delivery.receipt_handle)
    sim.run(until=10)
    return sim, queue, delivery.receipt_handle


def call(queue, action, handle):
    if action == "send":
        queue.send_message("a", message_group_id="g", message_deduplication_id="d")
    elif action == "receive":
        queue.receive_message(visibility_timeout=0)
    else:
        queue.delete_message(handle)


@pytest.mark.rule("SQS-414")
@pytest.mark.parametrize("action", ["send", "receive", "delete"])
def test_a_fifo_queue_takes_300_calls_of_an_action_at_once_and_then_300_a_second(action):
    sim, queue, handle = fast_queue()
    for _ in range(300):
        call(queue, action, handle)
    for at_us, accepted in ((0, 0), (3_333, 0), (3_334, 1), (6_666, 0), (6_667, 1), (10_000, 1), (1_010_000, 300)):
        sim.run(until_us=seconds(10) + at_us)
        for _ in range(accepted):
            call(queue, action, handle)
        before = queue.snapshot(), sim.trace.to_json_lines()
        with pytest.raises(RequestThrottled) as caught:
            call(queue, action, handle)
        assert "Rate exceeded" == caught.value.message
        assert "RequestThrottled" == caught.value.code
        assert before == (queue.snapshot(), sim.trace.to_json_lines())


@pytest.mark.rule("SQS-414")
def test_the_bucket_holds_300_however_long_nobody_calls():
    sim, queue, handle = fast_queue()
    sim.run(until=1_000)
    for _ in range(300):
        call(queue, "receive", handle)
    with pytest.raises(RequestThrottled):
        call(queue, "receive", handle)


@pytest.mark.rule("SQS-414")
def test_each_action_and_each_queue_has_a_bucket_of_its_own():
    sim, queue, handle = fast_queue()
    other = sim.create_queue("other.fifo")
    for action in ("send", "receive", "delete"):
        for _ in range(300):
            call(queue, action, handle)
    for _ in range(300):
        call(other, "send", handle)
        call(other, "receive", handle)


@pytest.mark.rule("SQS-414")
def test_a_batch_of_ten_is_one_call():
    _, queue, _ = fast_queue()
    for number in range(300):
        entries = [
            {"id": f"{n}", "message_body": "a", "message_group_id": "g", "message_deduplication_id": f"{number}-{n}"}
            for n in range(10)
        ]
        queue.send_message_batch(entries)
    assert 3_000 == queue.snapshot().visible
    with pytest.raises(RequestThrottled):
        queue.send_message_batch(entries)


@pytest.mark.rule("SQS-414")
def test_with_high_throughput_each_group_has_300_sends_a_second():
    sim, queue, _ = fast_queue(deduplication_scope="messageGroup", fifo_throughput_limit="perMessageGroupId")
    for number in range(300):
        for group in "gh":
            queue.send_message("a", message_group_id=group, message_deduplication_id=f"{number}")
    for group in "gh":
        with pytest.raises(RequestThrottled):
            queue.send_message("a", message_group_id=group, message_deduplication_id="more")
    queue.send_message("a", message_group_id="i", message_deduplication_id="more")
    sim.run_for(1)
    for number in range(300):
        queue.send_message("a", message_group_id="g", message_deduplication_id=f"later {number}".replace(" ", "-"))


@pytest.mark.rule("SQS-414")
def test_throughput_is_not_enforced_by_default_nor_on_standard_queues(sim):
    fifo = sim.create_queue("orders.fifo")
    for number in range(1_000):
        fifo.send_message("a", message_group_id="g", message_deduplication_id=f"{number}")
    queue = Simulation(settings=[ENFORCED]).create_queue("orders")
    for _ in range(1_000):
        queue.send_message("a")
        queue.receive_message(visibility_timeout=0)
    assert (1_000, 1_000) == (fifo.snapshot().sent, queue.snapshot().sent)


# ---- throttling by chance

DATA_PLANE = {
    "send": lambda queue, handle: send(queue, "x", "other"),
    "send batch": lambda queue, handle: queue.send_message_batch(
        [{"id": "1", "message_body": "x"}]
        if queue.name == "orders"
        else [{"id": "1", "message_body": "x", "message_group_id": "other", "message_deduplication_id": "x"}]
    ),
    "receive": lambda queue, handle: queue.receive_message(),
    "long poll": lambda queue, handle: queue.receive_message(wait_time_seconds=20),
    "delete": lambda queue, handle: queue.delete_message(handle),
    "delete batch": lambda queue, handle: queue.delete_message_batch([{"id": "1", "receipt_handle": handle}]),
    "change": lambda queue, handle: queue.change_message_visibility(handle, 0),
    "change batch": lambda queue, handle: queue.change_message_visibility_batch(
        [{"id": "1", "receipt_handle": handle, "visibility_timeout": 0}]
    ),
}


@pytest.mark.rule("SQS-415", "SQS-622")
@kinds
@pytest.mark.parametrize("case", DATA_PLANE)
def test_a_call_that_is_throttled_has_no_effect(kind, case):
    says = Says("sqs.throttle", 0, 0, 0, 1, 0)
    sim = Simulation(faults=SqsFaults(throttle_probability=0.5), choices=says)
    queue = sim.create_queue(NAMES[kind])
    send(queue, "a", "g")
    send(queue, "b", "h")
    (delivery,) = queue.receive_message()
    before = queue.snapshot(), happened(sim)
    with pytest.raises(RequestThrottled) as caught:
        DATA_PLANE[case](queue, delivery.receipt_handle)
    assert "Rate exceeded" == caught.value.message
    assert ("RequestThrottled", 400) == (caught.value.code, caught.value.http_status)
    assert before == (queue.snapshot(), happened(sim))
    assert 0.0 == sim.now
    assert [("sqs.throttle", queue.arn, 2)] * 4 == says.asked
    DATA_PLANE[case](queue, delivery.receipt_handle)
    assert 5 == len(says.asked)
    assert before != (queue.snapshot(), happened(sim))


@pytest.mark.rule("SQS-415")
def test_a_throttled_process_gets_the_error():
    sim = Simulation(faults=SqsFaults(throttle_probability=1.0))
    queue = sim.create_queue("orders")
    log = []

    async def listen():
        try:
            await queue.wait_receive(wait_time_seconds=20)
        except RequestThrottled as error:
            log.append((sim.now, error.message))

    sim.spawn(listen())
    sim.run()
    assert [(0.0, "Rate exceeded")] == log


@pytest.mark.rule("SQS-415")
def test_calls_about_queues_are_not_throttled():
    sim = Simulation(faults=SqsFaults(throttle_probability=1.0))
    queue = sim.create_queue("orders")
    queue.set_queue_attributes({"DelaySeconds": "1"})
    assert {"DelaySeconds": "1"} == queue.get_queue_attributes(["DelaySeconds"]).attributes
    queue.tag_queue({"a": "1"})
    assert queue.url == sim.get_queue_url("orders").queue_url
    queue.delete_queue()


@pytest.mark.rule("SQS-415", "SQS-025")
def test_a_queue_that_is_not_there_is_missed_before_anything_is_throttled():
    sim = Simulation(faults=SqsFaults(throttle_probability=1.0))
    queue = sim.create_queue("orders")
    queue.delete_queue()
    with pytest.raises(QueueDoesNotExist):
        queue.send_message("a")


@pytest.mark.rule("SQS-415", "SQS-007")
@given(st.integers(0, 5))
def test_seeded_throttles_come_about_as_often_as_they_should_and_alike_for_a_seed(seed):
    def play():
        queue = Simulation(seed=seed, faults=SqsFaults(throttle_probability=0.25)).create_queue("orders")
        found = []
        for _ in range(400):
            try:
                queue.send_message("a")
                found.append(0)
            except RequestThrottled:
                found.append(1)
        return found

    assert play() == play()
    assert 60 < sum(play()) < 140
