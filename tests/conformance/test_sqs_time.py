"""SQS §1: time, determinism, atomicity."""

from __future__ import annotations

from functools import partial

import pytest

from lambdasim import RedrivePolicy, Simulation
from lambdasim.units import seconds

START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


async def listen(queue, log, **parameters):
    """A process that polls once and notes when which bodies came."""
    found = await queue.wait_receive(**parameters)
    log.append((queue.clock.now_us, bodies(found)))


@pytest.mark.rule("SQS-001", "SQS-002", "SQS-150")
@pytest.mark.parametrize(
    ("at_us", "ms"), [(0, 0), (999, 0), (1_000, 1), (1_999, 1), (1_234_567, 1_234), (seconds(86_400) - 1, 86_399_999)]
)
def test_time_stamps_are_texts_of_epoch_milliseconds_rounded_down(sim, queue, at_us, ms):
    sim.run(until_us=at_us)
    queue.send_message("a")
    (delivery,) = queue.receive_message(attribute_names=["All"])
    assert str(START_MS + ms) == delivery.attributes["SentTimestamp"]
    assert str(START_MS + ms) == delivery.attributes["ApproximateFirstReceiveTimestamp"]
    assert at_us == delivery.sent_at_us


@pytest.mark.rule("SQS-001", "SQS-002")
def test_time_stamps_count_from_the_start_of_the_simulation():
    sim = Simulation(start="1970-01-01T00:01:00Z")
    queue = sim.create_queue("orders")
    sim.run(until=2)
    queue.send_message("a")
    (delivery,) = queue.receive_message(attribute_names=["SentTimestamp"])
    assert {"SentTimestamp": "62000"} == delivery.attributes


@pytest.mark.rule("SQS-001", "LAM-001")
def test_no_deadline_is_made_of_binary_floats(sim, queue):
    """0.1 s added up ten times is a second, to the microsecond."""
    queue.send_message("a")
    queue.receive_message(visibility_timeout=1)
    for _ in range(10):
        assert [] == queue.receive_message()
        sim.run_for(0.1)
    assert seconds(1) == sim.now_us
    assert ["a"] == bodies(queue.receive_message())


@pytest.mark.rule("SQS-003", "SQS-240")
@pytest.mark.parametrize(("off_us", "expected"), [(-1, []), (0, ["a"]), (1, ["a"])])
def test_a_message_returns_exactly_when_its_timeout_ends(sim, queue, off_us, expected):
    queue.send_message("a")
    queue.receive_message(visibility_timeout=30)
    sim.run(until_us=seconds(30) + off_us)
    assert expected == bodies(queue.receive_message())


@pytest.mark.rule("SQS-003", "SQS-380")
@pytest.mark.parametrize(("off_us", "expected"), [(-1, []), (0, ["a"]), (1, ["a"])])
def test_a_message_is_available_exactly_when_its_delay_ends(sim, queue, off_us, expected):
    queue.send_message("a", delay_seconds=900)
    sim.run(until_us=seconds(900) + off_us)
    assert expected == bodies(queue.receive_message())


@pytest.mark.rule("SQS-003", "SQS-400")
@pytest.mark.parametrize(("off_us", "visible"), [(-1, 1), (0, 0), (1, 0)])
def test_a_message_is_gone_exactly_when_its_retention_ends(sim, off_us, visible):
    queue = sim.create_queue("orders", message_retention_period=60)
    queue.send_message("a")
    sim.run(until_us=seconds(60) + off_us)
    assert visible == queue.approximate_number_of_messages


@pytest.mark.rule("SQS-004", "SQS-402")
def test_retention_goes_before_the_ends_of_delays_and_timeouts(sim):
    """A poll that is open when both end at one instant never sees the message."""
    queue = sim.create_queue("orders", message_retention_period=60)
    queue.send_message("delayed", delay_seconds=60)
    queue.send_message("in flight")
    queue.receive_message(visibility_timeout=60)
    log = []
    sim.call_at(50, lambda: sim.spawn(listen(queue, log, wait_time_seconds=20)))
    sim.run(until=100)
    assert [(seconds(70), [])] == log
    assert 2 == queue.snapshot().expired


@pytest.mark.rule("SQS-004")
def test_all_that_ends_at_one_instant_is_there_before_a_poll_is_woken(sim, queue):
    """One poll takes in one answer what comes back at one instant, in the order of the queue."""
    queue.send_message("a", delay_seconds=10)
    queue.send_message("b")
    queue.receive_message(visibility_timeout=10)
    queue.send_message("c", delay_seconds=10)
    log = []
    sim.spawn(listen(queue, log, max_number_of_messages=10, wait_time_seconds=20))
    sim.run()
    assert [(seconds(10), ["a", "b", "c"])] == log


@pytest.mark.rule("SQS-004", "SQS-207")
def test_polls_are_woken_before_polls_end(sim, queue):
    queue.send_message("a", delay_seconds=20)
    log = []
    sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.run()
    assert [(seconds(20), ["a"])] == log


@pytest.mark.rule("SQS-004")
def test_a_poll_has_ended_when_a_call_of_the_same_instant_sends(sim, queue):
    log = []
    sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.call_at(20, queue.send_message, "late")
    sim.run()
    assert [(seconds(20), [])] == log
    assert 1 == queue.approximate_number_of_messages


@pytest.mark.rule("SQS-004", "LAM-005")
def test_an_open_poll_goes_before_a_delete_of_the_instant_at_which_the_timeout_ends(sim, queue):
    queue.send_message("a")
    (first,) = queue.receive_message(visibility_timeout=10)
    log = []
    sim.call_at(10, queue.delete_message, first.receipt_handle)
    sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.run()
    assert [(seconds(10), ["a"])] == log
    assert 1 == queue.approximate_number_of_messages_not_visible


@pytest.mark.rule("SQS-004", "LAM-003")
def test_whoever_a_call_wakes_is_served_before_the_next_call_of_the_instant(sim, queue):
    log = []
    sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.call_at(5, queue.send_message, "a")
    sim.call_at(5, lambda: log.append(bodies(queue.receive_message())))
    sim.run()
    assert [[], (seconds(5), ["a"])] == log


@pytest.mark.rule("SQS-004")
def test_calls_of_one_instant_run_in_the_order_in_which_they_were_scheduled(sim, queue):
    for body in "cab":
        sim.call_at(5, queue.send_message, body)
    sim.run()
    assert ["c", "a", "b"] == bodies(queue.receive_message(max_number_of_messages=10))


@pytest.mark.rule("SQS-005", "LAM-004")
def test_calls_take_no_time_and_act_at_the_current_instant(sim, queue):
    sim.run(until=5)
    queue.send_message("a")
    (delivery,) = queue.receive_message(visibility_timeout=10)
    queue.change_message_visibility(delivery.receipt_handle, 20)
    queue.delete_message(delivery.receipt_handle)
    assert 5.0 == sim.now
    assert 5_000_000 == delivery.sent_at_us == delivery.first_received_at_us


@pytest.mark.rule("SQS-006")
def test_looking_changes_nothing():
    """What is read at each turn, and never before the end, is the same."""

    def run(*, looks):
        sim = Simulation()
        dlq = sim.create_queue("dlq", message_retention_period=120)
        policy = RedrivePolicy(dlq, max_receive_count=2)
        queue = sim.create_queue("orders", message_retention_period=90, redrive_policy=policy)
        for at_s in range(0, 100, 5):
            sim.call_at(at_s, partial(queue.send_message, f"{at_s}", delay_seconds=at_s % 3))
            sim.call_at(at_s + 1, lambda: queue.receive_message(max_number_of_messages=2, visibility_timeout=3))
        for at_us in range(0, seconds(200), 500_000):
            sim.run(until_us=at_us)
            if looks:
                for each in (queue, dlq):
                    _ = each.snapshot(), each.messages, each.approximate_number_of_messages, repr(each)
                    _ = each.approximate_number_of_messages_delayed, each.approximate_number_of_messages_not_visible
                sim.metrics.series("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", QueueName="orders")
                sim.check_invariants()
        gauges = [
            tuple(sim.metrics.series("AWS/SQS", name, "Maximum", QueueName=each.name))
            for each in (queue, dlq)
            for name in ("ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage")
        ]
        return sim.trace.to_json_lines(), queue.snapshot(), dlq.snapshot(), gauges

    assert run(looks=True) == run(looks=False)


@pytest.mark.rule("SQS-006")
def test_counts_follow_time_though_nobody_looked(sim):
    queue = sim.create_queue("orders", message_retention_period=60)
    queue.send_message("a")
    queue.send_message("b", delay_seconds=30)
    sim.run(until=40)
    queue.receive_message(visibility_timeout=10)
    sim.run(until=55)
    assert (2, 0, 0) == (queue.snapshot().visible, queue.snapshot().in_flight, queue.snapshot().delayed)
    sim.run(until=60)
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-007")
def test_the_seed_shapes_identifiers_and_nothing_else():
    def run(seed):
        sim = Simulation(seed=seed)
        queue = sim.create_queue("orders")
        sent = [queue.send_message(body, delay_seconds=len(body)) for body in ("aaa", "a", "aa")]
        log, handles = [], []
        for _ in range(8):
            sim.run_for(1)
            for delivery in queue.receive_message(max_number_of_messages=2, visibility_timeout=2):
                log.append((sim.now, delivery.body, delivery.receive_count, delivery.md5_of_body))
                handles.append(delivery.receipt_handle)
        return log, queue.snapshot(), [answer.message_id for answer in sent], handles

    one, two = run(1), run(2)
    assert one == run(1)
    assert one[:2] == two[:2]
    assert one[2] != two[2]
    assert not {*one[3]} & {*two[3]}


@pytest.mark.rule("SQS-009", "SQS-202", "SQS-300")
def test_the_default_service_is_well_behaved(sim, queue):
    """Every message is seen by every poll, in order of sending, once until its timeout ends."""
    sent = [f"{number}" for number in range(95)]
    for body in sent:
        queue.send_message(body)
    got = []
    while found := queue.receive_message(max_number_of_messages=10):
        assert min(10, 95 - len(got)) == len(found)
        got += bodies(found)
    assert sent == got
