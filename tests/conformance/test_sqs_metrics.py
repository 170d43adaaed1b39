"""SQS §22: counts, metrics, billing."""

from __future__ import annotations

import pytest

from lambdasim import RedrivePolicy
from lambdasim.errors import UsageError
from lambdasim.units import seconds

MINUTE_US = seconds(60)
SUMS = ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted", "NumberOfEmptyReceives")
GAUGES = (
    "ApproximateNumberOfMessagesVisible",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateAgeOfOldestMessage",
)


def series(sim, name, statistic="Maximum", queue="orders", **parameters):
    return list(sim.metrics.series("AWS/SQS", name, statistic, QueueName=queue, **parameters))


def sums(sim, name, queue="orders"):
    return series(sim, name, "Sum", queue)


# ---- counts


@pytest.mark.rule("SQS-600")
def test_counts_are_exact_at_each_instant(sim, queue):
    for number in range(5):
        queue.send_message(f"{number}", delay_seconds=10 * (number % 2))
    queue.receive_message(max_number_of_messages=2, visibility_timeout=10)
    found = []
    for at_us in (0, seconds(10) - 1, seconds(10)):
        sim.run(until_us=at_us)
        found.append(
            (
                queue.approximate_number_of_messages,
                queue.approximate_number_of_messages_not_visible,
                queue.approximate_number_of_messages_delayed,
            )
        )
    assert [(1, 2, 2), (1, 2, 2), (5, 0, 0)] == found


# ---- sums


@pytest.mark.rule("SQS-601")
def test_accepted_sends_are_counted(sim, queue):
    for at_s in (1, 2, 130):
        sim.run(until=at_s)
        queue.send_message("a", delay_seconds=900)
    with pytest.raises(Exception, match="MessageBody"):
        queue.send_message("")
    assert [(0, 2), (120, 1)] == sums(sim, "NumberOfMessagesSent")


@pytest.mark.rule("SQS-601")
def test_each_delivery_is_counted_and_each_empty_answer(sim, queue):
    for _ in range(3):
        queue.send_message("a")
    queue.receive_message(max_number_of_messages=10, visibility_timeout=10)
    queue.receive_message()
    sim.run(until=60)
    queue.receive_message(max_number_of_messages=10, visibility_timeout=10)
    assert [] == queue.receive_message(wait_time_seconds=5)
    assert [] == queue.receive_message()
    assert [(0, 3), (60, 3)] == sums(sim, "NumberOfMessagesReceived")
    assert [(0, 1), (60, 2)] == sums(sim, "NumberOfEmptyReceives")


@pytest.mark.rule("SQS-601", "SQS-217")
def test_an_empty_long_poll_counts_in_the_minute_in_which_it_ends(sim, queue):
    sim.run(until=50)
    queue.receive_message(wait_time_seconds=20)
    assert [(60, 1)] == sums(sim, "NumberOfEmptyReceives")


@pytest.mark.rule("SQS-601")
def test_deletes_that_succeed_are_counted_also_when_they_delete_nothing(sim, queue):
    for body in "ab":
        queue.send_message(body)
    (old, other) = queue.receive_message(max_number_of_messages=2, visibility_timeout=10)
    sim.run(until=10)
    (new, _) = queue.receive_message(max_number_of_messages=2)
    queue.delete_message(old.receipt_handle)  # superseded
    queue.delete_message(new.receipt_handle)
    queue.delete_message(new.receipt_handle)  # again
    with pytest.raises(Exception, match="not a valid receipt handle"):
        queue.delete_message("nonsense")
    assert [(0, 3)] == sums(sim, "NumberOfMessagesDeleted")
    assert 1 == queue.snapshot().deleted
    assert other.body == "b"


@pytest.mark.rule("SQS-601", "SQS-123")
def test_the_size_of_each_accepted_send_is_a_datum(sim, queue):
    for body in ("a", "é", "x" * 100, "x" * 100):
        queue.send_message(body)
    sim.run(until=60)
    queue.send_message("xyz")
    for statistic, expected in (("Sum", 203), ("Minimum", 1), ("Maximum", 100), ("p50", 2)):
        assert [(0, expected), (60, 3)] == series(sim, "SentMessageSize", statistic)
    assert [(0, 4), (60, 1)] == series(sim, "SentMessageSize", "SampleCount")
    assert [(0, 203 / 4), (60, 3.0)] == series(sim, "SentMessageSize", "Average")
    assert "Bytes" == sim.metrics.series("AWS/SQS", "SentMessageSize", "Sum", QueueName="orders").unit


@pytest.mark.rule("SQS-602")
@pytest.mark.parametrize(("off_us", "minute_s"), [(-1, 0), (0, 60), (1, 60)])
def test_a_sum_covers_its_minute_without_its_end(sim, queue, off_us, minute_s):
    sim.run(until_us=MINUTE_US + off_us)
    queue.send_message("a")
    (delivery,) = queue.receive_message()
    queue.delete_message(delivery.receipt_handle)
    queue.receive_message()
    sim.run(until=200)
    for name in SUMS:
        assert [(minute_s, 1)] == sums(sim, name)


# ---- gauges


@pytest.mark.rule("SQS-602")
@pytest.mark.parametrize(("off_us", "at_the_end"), [(-1, 1), (0, 1), (1, 0)])
def test_a_gauge_is_the_value_at_the_end_of_its_minute_after_all_events_of_that_instant(sim, queue, off_us, at_the_end):
    def act():
        for body in ("visible", "in flight", "delayed"):
            queue.send_message(body, delay_seconds=900 if body == "delayed" else 0)
        queue.receive_message(visibility_timeout=900)

    sim.call_at(1, lambda: None)
    sim.clock.timer(MINUTE_US + off_us, lambda _: act())
    sim.run(until=120)
    for name in GAUGES[:3]:
        assert [(0, at_the_end), (60, 1)] == series(sim, name)


@pytest.mark.rule("SQS-602")
@pytest.mark.parametrize("statistic", ["Maximum", "Minimum", "Average", "Sum"])
def test_a_gauge_has_one_datum_a_minute(sim, queue, statistic):
    for at_s in (10, 20, 30):
        sim.call_at(at_s, queue.send_message, "a")
    sim.run(until=180)
    assert [(0, 3), (60, 3), (120, 3)] == series(sim, GAUGES[0], statistic)
    assert [(0, 1), (60, 1), (120, 1)] == series(sim, GAUGES[0], "SampleCount")


@pytest.mark.rule("SQS-602")
def test_the_minute_that_is_open_has_no_gauge_yet(sim, queue):
    queue.send_message("a")
    sim.run(until_us=MINUTE_US - 1)
    assert [] == series(sim, GAUGES[0])
    sim.run(until_us=MINUTE_US)
    assert [(0, 1)] == series(sim, GAUGES[0])


@pytest.mark.rule("SQS-602")
def test_gauges_begin_with_the_queue(sim):
    sim.run(until=130)
    sim.create_queue("orders")
    sim.run(until=300)
    for name in GAUGES:
        assert [(120, 0), (180, 0), (240, 0)] == series(sim, name)
    for name in SUMS:
        assert [] == sums(sim, name)


@pytest.mark.rule("SQS-602")
def test_gauges_show_what_time_did_though_nobody_called(sim):
    queue = sim.create_queue("orders", message_retention_period=240)
    queue.send_message("a", delay_seconds=90)
    queue.send_message("b")
    queue.receive_message(visibility_timeout=130)
    sim.run(until=300)
    assert [(0, 0), (60, 1), (120, 2), (180, 0), (240, 0)] == series(sim, GAUGES[0])
    assert [(0, 1), (60, 1), (120, 0), (180, 0), (240, 0)] == series(sim, GAUGES[1])
    assert [(0, 1), (60, 0), (120, 0), (180, 0), (240, 0)] == series(sim, GAUGES[2])
    assert [(0, 60), (60, 120), (120, 180), (180, 0), (240, 0)] == series(sim, GAUGES[3])


@pytest.mark.rule("SQS-601")
def test_the_age_is_that_of_the_oldest_message_in_whatever_state(sim, queue):
    sim.run(until=10.5)
    queue.send_message("in flight")
    queue.receive_message(visibility_timeout=900)
    sim.run(until=30)
    queue.send_message("delayed", delay_seconds=900)
    sim.run(until=40)
    queue.send_message("visible")
    sim.run(until=60)
    assert [(0, 49.5)] == series(sim, GAUGES[3])
    assert 49_500_000 == queue.snapshot().oldest_age_us
    assert "Seconds" == sim.metrics.series("AWS/SQS", GAUGES[3], "Maximum", QueueName="orders").unit


@pytest.mark.rule("SQS-601")
def test_the_age_falls_when_the_oldest_message_is_deleted(sim, queue):
    queue.send_message("old")
    sim.run(until=30)
    queue.send_message("young")
    (delivery,) = queue.receive_message()
    sim.run(until=60)
    queue.delete_message(delivery.receipt_handle)
    assert 30_000_000 == queue.snapshot().oldest_age_us
    sim.run(until=120)
    assert [(0, 30), (60, 90)] == series(sim, GAUGES[3])


@pytest.mark.rule("SQS-601", "SQS-303")
@pytest.mark.parametrize(("deliveries", "expected_s"), [(2, 60), (3, 20), (4, 20)])
def test_the_age_leaves_messages_out_that_were_received_three_times(sim, queue, deliveries, expected_s):
    queue.send_message("poison")
    for _ in range(deliveries):
        queue.receive_message(visibility_timeout=0)
    sim.run(until=40)
    queue.send_message("young")
    sim.run(until=60)
    assert seconds(expected_s) == queue.snapshot().oldest_age_us
    assert [(0, expected_s)] == series(sim, GAUGES[3])


@pytest.mark.rule("SQS-601")
def test_in_a_dead_letter_queue_the_age_counts_from_the_move(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=5, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    queue.receive_message()
    sim.run(until=50)
    assert 50_000_000 == queue.snapshot().oldest_age_us
    queue.receive_message()
    sim.run(until=55)
    assert 0 == queue.snapshot().oldest_age_us
    assert 5_000_000 == dlq.snapshot().oldest_age_us
    sim.run(until=60)
    assert [(0, 10)] == series(sim, GAUGES[3], queue="dlq")


@pytest.mark.rule("SQS-601")
def test_a_move_counts_neither_as_sent_nor_as_received_nor_as_deleted(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    for _ in range(2):
        queue.receive_message()
    sim.run(until=60)
    assert {name: sums(sim, name) for name in SUMS} == {
        "NumberOfMessagesSent": [(0, 1)],
        "NumberOfMessagesReceived": [(0, 1)],
        "NumberOfMessagesDeleted": [],
        "NumberOfEmptyReceives": [(0, 1)],
    }
    assert all([] == sums(sim, name, "dlq") for name in SUMS)
    assert [] == series(sim, "SentMessageSize", "Sum", "dlq")


# ---- series


@pytest.mark.rule("SQS-601")
def test_longer_periods_put_minutes_together(sim, queue):
    for at_s in (0, 59, 60, 299, 300):
        sim.call_at(at_s, queue.send_message, "a")
    sim.run(until=600)
    assert [(0, 4), (300, 1)] == series(sim, "NumberOfMessagesSent", "Sum", period=300)
    assert [(0, 5), (300, 5)] == series(sim, GAUGES[0], "Maximum", period=300)
    assert [(0, 3), (300, 5)] == series(sim, GAUGES[0], "Minimum", period=300)


@pytest.mark.rule("SQS-601")
def test_queues_are_told_apart_by_their_dimension(sim, queue):
    sim.create_queue("other").send_message("a")
    assert [] == sums(sim, "NumberOfMessagesSent")
    assert [(0, 1)] == sums(sim, "NumberOfMessagesSent", "other")
    assert [] == sums(sim, "NumberOfMessagesSent", "no such queue")


def test_what_is_no_metric_is_refused(sim, queue):
    for call in (
        lambda: series(sim, "NumberOfMessages"),
        lambda: sim.metrics.series("AWS/SNS", "NumberOfMessagesSent", "Sum", QueueName="orders"),
        lambda: sim.metrics.series("AWS/SQS", "NumberOfMessagesSent", "Sum"),
        lambda: sim.metrics.series("AWS/SQS", "NumberOfMessagesSent", "Sum", FunctionName="orders"),
        lambda: series(sim, "NumberOfMessagesSent", "Mean"),
        lambda: series(sim, GAUGES[0], "Mean"),
        lambda: series(sim, GAUGES[0], period=90),
        lambda: series(sim, GAUGES[0], period=0),
    ):
        with pytest.raises(UsageError):
            call()


# ---- billing


@pytest.mark.rule("SQS-604")
def test_each_call_is_a_request(sim, queue):
    queue.send_message("a")
    (delivery,) = queue.receive_message()
    queue.change_message_visibility(delivery.receipt_handle, 10)
    queue.delete_message(delivery.receipt_handle)
    queue.delete_message(delivery.receipt_handle)
    queue.receive_message()
    queue.receive_message(wait_time_seconds=20)
    assert (7, 7) == (queue.snapshot().requests, queue.snapshot().billed_requests)


@pytest.mark.rule("SQS-604")
def test_a_receive_of_several_messages_is_one_request(queue):
    for _ in range(10):
        queue.send_message("a")
    before = queue.snapshot()
    queue.receive_message(max_number_of_messages=10)
    after = queue.snapshot()
    assert (1, 1) == (after.requests - before.requests, after.billed_requests - before.billed_requests)


@pytest.mark.rule("SQS-604")
@pytest.mark.parametrize(
    ("size", "billed"), [(1, 1), (65_535, 1), (65_536, 1), (65_537, 2), (131_072, 2), (1_048_576, 16)]
)
def test_a_payload_is_billed_per_started_64_kib(queue, size, billed):
    queue.send_message("x" * size)
    assert (1, billed) == (queue.snapshot().requests, queue.snapshot().billed_requests)
    queue.receive_message()
    assert (2, 2 * billed) == (queue.snapshot().requests, queue.snapshot().billed_requests)


@pytest.mark.rule("SQS-604")
def test_the_payload_of_an_answer_is_that_of_all_its_messages(queue):
    for _ in range(3):
        queue.send_message("é" * 16_384)
    before = queue.snapshot().billed_requests
    assert 3 == before
    queue.receive_message(max_number_of_messages=3)
    assert 2 == queue.snapshot().billed_requests - before


@pytest.mark.rule("SQS-604", "SQS-622")
def test_a_move_is_no_request(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    for _ in range(2):
        queue.receive_message()
    assert 3 == queue.snapshot().requests
    assert 0 == dlq.snapshot().requests
