"""SQS §22: counts, metrics, billing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation, SqsConfig, SqsFaults
from lambdasim.errors import ResponseLostError, SqsError, UsageError
from lambdasim.units import seconds
from tests.choosers import Says

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


def send(queue, body="a", group=None):
    """Send to either type of queue; on a FIFO queue to this group, or to one of its own."""
    if not queue.name.endswith(".fifo"):
        return queue.send_message(body)
    sent = queue.snapshot().sent
    return queue.send_message(body, message_group_id=group or f"g{sent}", message_deduplication_id=f"{sent}")


NAMES = {"standard": "orders", "fifo": "orders.fifo"}

kinds = pytest.mark.parametrize("kind", NAMES)

# ---- counts


def counts(queue):
    """Return what AWS would say, in both ways in which it can be asked."""
    shown = queue.get_queue_attributes(["All"]).attributes
    return tuple(
        int(shown[name])
        for name in (
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        )
    )


@pytest.mark.rule("SQS-600")
def test_the_attributes_and_the_properties_of_a_queue_agree(sim, queue):
    for number in range(6):
        queue.send_message("a", delay_seconds=10 * (number == 5))
    queue.receive_message(max_number_of_messages=2)
    assert (3, 2, 1) == counts(queue)
    assert (3, 2, 1) == (
        queue.approximate_number_of_messages,
        queue.approximate_number_of_messages_not_visible,
        queue.approximate_number_of_messages_delayed,
    )


@pytest.mark.rule("SQS-600", "SQS-232")
def test_a_message_of_a_blocked_group_counts_as_visible(sim):
    queue = sim.create_queue("orders.fifo")
    for _ in range(3):
        send(queue, group="g")
    queue.receive_message()
    assert [] == queue.receive_message()
    assert (2, 1, 0) == counts(queue)


@pytest.mark.rule("SQS-600")
@pytest.mark.parametrize(
    ("at_us", "expected"),
    [
        (0, (0, 0, 0)),
        (seconds(10), (0, 0, 0)),
        (seconds(65) - 1, (0, 0, 0)),
        (seconds(65), (1, 0, 0)),
        (seconds(70) - 1, (1, 0, 0)),
        (seconds(70), (1, 0, 1)),
        (seconds(75) - 1, (1, 0, 1)),
        (seconds(75), (0, 1, 1)),
        (seconds(78) - 1, (0, 1, 1)),
        (seconds(78), (1, 1, 0)),
        (seconds(95) - 1, (1, 1, 0)),
        (seconds(95), (2, 0, 0)),
        (seconds(1_000), (2, 0, 0)),
    ],
)
def test_counts_may_be_those_of_a_while_ago(at_us, expected):
    sim = Simulation(faults=SqsFaults(approx_staleness_s=60))
    queue = sim.create_queue("orders", visibility_timeout=20)
    sim.call_at(5, queue.send_message, "a")
    sim.call_at(10, lambda: queue.send_message("b", delay_seconds=8))
    sim.call_at(15, queue.receive_message)
    sim.run(until_us=at_us)
    assert expected == (
        queue.approximate_number_of_messages,
        queue.approximate_number_of_messages_not_visible,
        queue.approximate_number_of_messages_delayed,
    )
    assert expected == counts(queue)


@pytest.mark.rule("SQS-600")
@given(
    st.lists(
        st.tuples(
            st.sampled_from((0, 1, 999_999, seconds(1), seconds(3), seconds(20))),
            st.sampled_from(
                ("send", "delayed", "batch", "receive", "delete", "release", "purge", "look", "look", "look")
            ),
        ),
        max_size=40,
    )
)
def test_stale_counts_are_those_that_were_exact_then(steps):
    lag_s = 5
    sims = [Simulation(faults=SqsFaults(approx_staleness_s=stale_s)) for stale_s in (lag_s, 0)]
    queues = [
        sim.create_queue(
            "orders", visibility_timeout=4, message_retention_period=60, settings=[SqsConfig(purge_interval_s=0)]
        )
        for sim in sims
    ]
    now_us, held, looks = 0, ([], []), []

    def act(queue, name, handles):
        if name == "send":
            queue.send_message("a")
        elif name == "delayed":
            queue.send_message("a", delay_seconds=2)
        elif name == "batch":
            queue.send_message_batch(
                [{"id": "1", "message_body": "a"}, {"id": "2", "message_body": "b", "delay_seconds": 3}]
            )
        elif name == "receive":
            handles += [delivery.receipt_handle for delivery in queue.receive_message(max_number_of_messages=2)]
        elif name == "purge":
            queue.purge_queue()
        elif handles and name == "delete":
            queue.delete_message(handles.pop(0))
        elif handles and name == "release":
            queue.change_message_visibility(handles[-1], 0)

    stale, exact = queues
    for pause_us, name in steps:
        now_us += pause_us
        sims[0].run(until_us=now_us)
        if name == "look":
            looks.append((now_us, counts(stale)))
            continue
        try:
            act(stale, name, held[0])
        except SqsError:
            continue
    now_us = 0
    pending = list(looks)
    expected = []

    def catch_up(until_us):
        while pending and pending[0][0] - seconds(lag_s) < until_us:
            at_us = pending.pop(0)[0] - seconds(lag_s)
            if at_us >= 0:
                sims[1].run(until_us=at_us)
            expected.append(counts(exact) if at_us >= 0 else (0, 0, 0))

    for pause_us, name in steps:
        now_us += pause_us
        catch_up(now_us)
        sims[1].run(until_us=now_us)
        try:
            act(exact, name, held[1])
        except SqsError:
            continue
    catch_up(now_us + 1)
    assert [found for _, found in looks] == expected


@pytest.mark.rule("SQS-600")
def test_stale_counts_fool_nobody_but_who_asks_for_them():
    sim = Simulation(faults=SqsFaults(approx_staleness_s=60))
    queue = sim.create_queue("orders")
    queue.send_message("a")
    assert (0, 0, 0) == counts(queue)
    assert 1 == queue.snapshot().visible
    assert 1 == len(queue.receive_message(visibility_timeout=900))
    sim.run(until=60)
    assert [(0, 0)] == series(sim, "ApproximateNumberOfMessagesVisible")
    assert [(0, 1)] == series(sim, "ApproximateNumberOfMessagesNotVisible")


@pytest.mark.rule("SQS-600")
@pytest.mark.parametrize(
    ("noise", "visible", "expected"),
    [
        (0.1, 10, (10, 9, 11)),
        (0.1, 4, (4, 4, 4)),
        (0.5, 9, None),
        (0.25, 8, (8, 6, 10)),
        (1.0, 7, (7, 0, 14)),
        (0.3, 0, (0, 0, 0)),
    ],
)
def test_counts_may_be_off_by_a_fraction_below_or_above(noise, visible, expected):
    found = []
    for answer in range(3):
        says = Says("sqs.approx_noise", answer)
        sim = Simulation(faults=SqsFaults(approx_noise=noise), choices=says)
        queue = sim.create_queue("orders")
        for _ in range(visible):
            queue.send_message("a")
        found.append(queue.approximate_number_of_messages)
        assert visible == queue.snapshot().visible
        assert ("sqs.approx_noise", queue.arn, 3) == says.asked[0]
    if expected is None:  # 4.5 and 13.5: rounding may go either way
        assert (found[0], {4, 5} >= {found[1]}, {13, 14} >= {found[2]}) == (visible, True, True)
    else:
        assert expected == tuple(found)


@pytest.mark.rule("SQS-600")
def test_noise_falls_on_each_count():
    says = Says("sqs.approx_noise", 1, 2, 1)
    sim = Simulation(faults=SqsFaults(approx_noise=0.5), choices=says)
    queue = sim.create_queue("orders")
    for number in range(12):
        queue.send_message("a", delay_seconds=10 * (number % 3 == 0))
    queue.receive_message(max_number_of_messages=4)
    assert {(2, 6, 2), (2, 2, 6), (6, 2, 2)} >= {counts(queue)}
    assert (4, 4, 4) == counts(queue)


@pytest.mark.rule("SQS-600", "SQS-007")
def test_seeded_noise_is_alike_for_a_seed_and_stays_within_the_fraction():
    def play(seed):
        queue = Simulation(seed=seed, faults=SqsFaults(approx_noise=0.1)).create_queue("orders")
        for _ in range(100):
            queue.send_message("a")
        return [queue.approximate_number_of_messages for _ in range(50)]

    assert play(1) == play(1)
    assert play(1) != play(2)
    assert {90, 100, 110} == {*play(1)}


@pytest.mark.rule("SQS-600")
def test_counts_of_fifo_queues_are_exact_whatever_the_knobs():
    says = Says("sqs.approx_noise", 1, 1, 1)
    sim = Simulation(faults=SqsFaults(approx_noise=0.5, approx_staleness_s=60), choices=says)
    queue = sim.create_queue("orders.fifo")
    for _ in range(10):
        send(queue)
    queue.receive_message(max_number_of_messages=4)
    assert (6, 4, 0) == counts(queue)
    assert [] == says.asked


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


# ---- FIFO queues and fair queues


@pytest.mark.rule("SQS-601", "SQS-344")
def test_duplicates_that_were_refused_are_counted_and_not_as_sent(sim):
    queue = sim.create_queue("orders.fifo")
    for token in ("a", "b", "a", "a"):
        queue.send_message("xyz", message_group_id="g", message_deduplication_id=token)
    assert [(0, 2)] == sums(sim, "NumberOfDeduplicatedSentMessages", "orders.fifo")
    assert [(0, 2)] == sums(sim, "NumberOfMessagesSent", "orders.fifo")
    assert [(0, 6)] == sums(sim, "SentMessageSize", "orders.fifo")
    assert 4 == queue.snapshot().requests


@pytest.mark.rule("SQS-601")
def test_groups_with_messages_in_flight_are_a_gauge(sim):
    queue = sim.create_queue("orders.fifo", visibility_timeout=100)
    for group in "aaabbc":
        send(queue, group=group)
    queue.receive_message(max_number_of_messages=4)
    sim.run(until=30)
    (delivery,) = queue.receive_message(max_number_of_messages=10)
    assert "c" == delivery.message_group_id
    sim.run(until=180)
    found = series(sim, "ApproximateNumberOfGroupsWithInflightMessages", queue="orders.fifo")
    assert [(0, 3), (60, 1), (120, 0)] == found


@pytest.mark.rule("SQS-601", "SQS-311")
def test_noisy_groups_and_what_is_in_quiet_ones_are_gauges(sim, queue):
    sim.run(until=10)
    for _ in range(50):
        queue.send_message("a", message_group_id="noisy")
    for _ in range(4):
        queue.receive_message(max_number_of_messages=10, visibility_timeout=900)
    sim.run(until=20)
    for group in ("q1", "q2"):
        queue.send_message("a", message_group_id=group)
    queue.send_message("a", message_group_id="q3", delay_seconds=900)
    (delivery,) = queue.receive_message(visibility_timeout=900)
    assert "q1" == delivery.message_group_id
    sim.run(until=60)
    assert [(0, 1)] == series(sim, "ApproximateNumberOfNoisyGroups")
    assert [(0, 11)] == series(sim, "ApproximateNumberOfMessagesVisible")
    assert [(0, 1)] == series(sim, "ApproximateNumberOfMessagesVisibleInQuietGroups")
    assert [(0, 1)] == series(sim, "ApproximateNumberOfMessagesNotVisibleInQuietGroups")
    assert [(0, 1)] == series(sim, "ApproximateNumberOfMessagesDelayedInQuietGroups")
    assert [(0, 50)] == series(sim, "ApproximateAgeOfOldestMessage")
    assert [(0, 40)] == series(sim, "ApproximateAgeOfOldestMessageInQuietGroups")


@pytest.mark.rule("SQS-601")
@kinds
def test_sums_and_gauges_are_those_of_either_type(sim, kind):
    queue = sim.create_queue(NAMES[kind], visibility_timeout=100)
    for _ in range(4):
        send(queue)
    first, _ = queue.receive_message(max_number_of_messages=2)
    queue.delete_message(first.receipt_handle)
    sim.run(until=60)
    found = {name: series(sim, name, "Sum", queue.name) for name in (*SUMS, *GAUGES)}
    assert {
        "NumberOfMessagesSent": [(0, 4)],
        "NumberOfMessagesReceived": [(0, 2)],
        "NumberOfMessagesDeleted": [(0, 1)],
        "NumberOfEmptyReceives": [],
        "ApproximateNumberOfMessagesVisible": [(0, 2)],
        "ApproximateNumberOfMessagesNotVisible": [(0, 1)],
        "ApproximateNumberOfMessagesDelayed": [(0, 0)],
        "ApproximateAgeOfOldestMessage": [(0, 60)],
    } == found


@pytest.mark.rule("SQS-601", "SQS-303")
def test_on_a_fifo_queue_the_age_leaves_nobody_out(sim):
    queue = sim.create_queue("orders.fifo", visibility_timeout=0)
    send(queue)
    for _ in range(5):
        queue.receive_message()
    sim.run(until=60)
    assert [(0, 60)] == series(sim, GAUGES[3], queue="orders.fifo")


@pytest.mark.rule("SQS-601", "SQS-400")
def test_neither_expiry_nor_a_purge_counts_as_a_deletion(sim):
    queue = sim.create_queue("orders", message_retention_period=60)
    queue.send_message("a")
    sim.run(until=70)
    queue.send_message("b")
    queue.purge_queue()
    sim.run(until=120)
    assert [] == sums(sim, "NumberOfMessagesDeleted")
    assert (1, 1, 0) == (queue.snapshot().expired, queue.snapshot().purged, queue.snapshot().deleted)


@pytest.mark.rule("SQS-601", "SQS-180")
def test_a_batch_counts_each_of_its_messages(sim, queue):
    queue.send_message_batch([{"id": f"{number}", "message_body": "abc"} for number in range(5)])
    handles = [delivery.receipt_handle for delivery in queue.receive_message(max_number_of_messages=10)]
    queue.delete_message_batch([{"id": f"{place}", "receipt_handle": handle} for place, handle in enumerate(handles)])
    assert [[(0, 5)]] * 3 == [sums(sim, name) for name in SUMS[:3]]
    assert [(0, 5)] == series(sim, "SentMessageSize", "SampleCount")


@pytest.mark.rule("SQS-601", "SQS-123")
def test_the_size_of_a_send_is_that_with_its_attributes(sim, queue):
    queue.send_message("é", message_attributes={"k": {"DataType": "String.x", "StringValue": "yz"}})
    assert [(0, 2 + 1 + 8 + 2)] == series(sim, "SentMessageSize", "Sum")


# ---- luck and move tasks


@pytest.mark.rule("SQS-603")
def test_a_lost_answer_counts_as_received_and_a_lost_acknowledgement_as_sent():
    sim = Simulation(faults=SqsFaults(lost_receive_response_probability=1.0, lost_send_ack_probability=1.0))
    queue = sim.create_queue("orders")
    with pytest.raises(ResponseLostError):
        queue.send_message("a")
    with pytest.raises(ResponseLostError):
        queue.receive_message()
    assert [(0, 1)] == sums(sim, "NumberOfMessagesSent")
    assert [(0, 1)] == sums(sim, "NumberOfMessagesReceived")
    assert [] == sums(sim, "NumberOfEmptyReceives")
    assert 2 == queue.snapshot().requests


@pytest.mark.rule("SQS-603", "SQS-278")
def test_a_lost_delete_counts_as_deleted():
    sim = Simulation(faults=SqsFaults(lost_delete_probability=1.0))
    queue = sim.create_queue("orders", visibility_timeout=10)
    queue.send_message("a")
    for _ in range(2):
        (delivery,) = queue.receive_message()
        queue.delete_message(delivery.receipt_handle)
        sim.run_for(10)
    assert [(0, 2)] == sums(sim, "NumberOfMessagesDeleted")
    assert 1 == queue.snapshot().visible


@pytest.mark.rule("SQS-603")
@kinds
def test_a_move_task_counts_as_received_and_deleted_there_and_as_sent_here(sim, kind):
    dlq = sim.create_queue(NAMES[kind].replace("orders", "dlq"))
    queue = sim.create_queue(NAMES[kind], visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    for _ in range(3):
        send(queue, "xyz")
    for _ in range(2):
        queue.receive_message(max_number_of_messages=10)
    sim.run(until=60)
    sim.start_message_move_task(dlq, queue)
    sim.run(until=120)
    assert (0, 3) == (dlq.snapshot().visible, queue.snapshot().visible)
    assert [(60, 3)] == sums(sim, "NumberOfMessagesReceived", dlq.name)
    assert [(60, 3)] == sums(sim, "NumberOfMessagesDeleted", dlq.name)
    assert [] == sums(sim, "NumberOfMessagesSent", dlq.name)
    assert [(0, 3), (60, 3)] == sums(sim, "NumberOfMessagesSent", queue.name)


@pytest.mark.rule("SQS-602")
@kinds
def test_metrics_are_published_however_long_a_queue_is_idle(sim, kind):
    queue = sim.create_queue(NAMES[kind])
    send(queue)
    sim.run(until=7 * 3_600)
    found = series(sim, GAUGES[0], queue=queue.name)
    assert 7 * 60 == len(found)
    assert {1} == {value for _, value in found}


# ---- billing of the rest


@pytest.mark.rule("SQS-604")
@pytest.mark.parametrize("settings", [(), [SqsConfig(requeue_to_back_after=None)]])
def test_calls_about_a_queue_are_requests_too(settings):
    sim = Simulation(settings=settings)
    queue = sim.create_queue("orders")
    before = queue.snapshot().requests
    calls = [
        lambda: queue.get_queue_attributes(["All"]),
        lambda: queue.set_queue_attributes({"DelaySeconds": "1"}),
        lambda: queue.tag_queue({"a": "1"}),
        queue.list_queue_tags,
        lambda: queue.untag_queue(["a"]),
        queue.purge_queue,
        queue.list_dead_letter_source_queues,
    ]
    for number, call in enumerate(calls, 1):
        call()
        assert before + number == queue.snapshot().requests


@pytest.mark.rule("SQS-604", "SQS-123")
@pytest.mark.parametrize(("size", "billed"), [(65_536 - 10, 1), (65_537 - 10, 2)])
def test_attributes_are_part_of_the_payload(queue, size, billed):
    queue.send_message("x" * size, message_attributes={"k": {"DataType": "String", "StringValue": "abc"}})
    assert billed == queue.snapshot().billed_requests
