"""SQS §13: fair queues: groups on a standard queue."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import Benign, RedrivePolicy, Simulation, SqsConfig, SqsFaults
from lambdasim.units import seconds
from tests.counting import Lines

LONG_S = 40_000


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def tenants(deliveries):
    return [delivery.message_group_id for delivery in deliveries]


def fair(sim, name="orders", **config):
    settings = [SqsConfig(**config)] if config else []
    return sim.create_queue(name, visibility_timeout=LONG_S, settings=settings)


def send(queue, tenant, count=1, **parameters):
    for _ in range(count):
        queue.send_message(f"{tenant}", message_group_id=tenant, **parameters)


def take(queue, count, **parameters):
    """Receive so many, in several calls, and return the deliveries."""
    found = []
    while len(found) < count:
        found += queue.receive_message(max_number_of_messages=min(10, count - len(found)), **parameters)
    return found


def in_flight(queue, tenant, count):
    """Send so many of a tenant and receive them, before anything else is there."""
    send(queue, tenant, count)
    return take(queue, count)


def gauge(sim, name):
    return [value for _, value in sim.metrics.series("AWS/SQS", name, "Maximum", QueueName="orders")]


# ---- who is noisy


@pytest.mark.rule("SQS-311", "SQS-312")
@pytest.mark.parametrize(("own", "first"), [(29, "X"), (30, "Y"), (31, "Y"), (100, "Y")])
def test_a_tenant_is_noisy_from_30_messages_in_flight_on(sim, own, first):
    queue = fair(sim)
    in_flight(queue, "X", own)
    send(queue, "X")
    send(queue, "Y")
    assert [first] == tenants(queue.receive_message())


@pytest.mark.rule("SQS-310", "SQS-311")
@pytest.mark.parametrize("group", ["each its own", "one each", "one"])
@pytest.mark.parametrize(("others", "first"), [(271, "X"), (270, "X"), (269, "Y"), (0, "Y")])
def test_a_tenant_is_noisy_above_ten_percent_of_what_is_in_flight(sim, group, others, first):
    """30 of 300 are no more than ten percent; 30 of 299 are. Whoever else is there makes no difference."""
    queue = fair(sim)
    for number in range(others):
        group_id = {"each its own": None, "one each": f"{number}", "one": "Z"}[group]
        queue.send_message("other", message_group_id=group_id)
    take(queue, others)
    in_flight(queue, "X", 30)
    send(queue, "X")
    send(queue, "Y")
    assert [first] == tenants(queue.receive_message())


@pytest.mark.rule("SQS-311")
def test_a_large_share_of_few_messages_is_no_noise(sim):
    queue = fair(sim)
    in_flight(queue, "X", 29)
    send(queue, "X", 10)
    send(queue, "Y")
    assert ["X"] * 10 == tenants(queue.receive_message(max_number_of_messages=10))


@pytest.mark.rule("SQS-310", "SQS-314")
def test_messages_without_a_group_are_never_noisy_together(sim):
    queue = fair(sim)
    for number in range(100):
        queue.send_message(f"{number}")
    take(queue, 60)
    send(queue, "Y")
    assert [f"{number}" for number in range(60, 70)] == bodies(queue.receive_message(max_number_of_messages=10))


@pytest.mark.rule("SQS-314", "SQS-300")
@given(st.lists(st.tuples(st.sampled_from(["send", "receive", "delete", "wait"]), st.integers(1, 10)), max_size=30))
def test_without_groups_nothing_depends_on_fairness(steps):
    answers = []
    for mode in ("off", "concurrency", "both"):
        sim = Simulation()
        queue = sim.create_queue("orders", visibility_timeout=5, settings=[SqsConfig(fair_queues=mode)])
        seen, handles = [], []
        for step, number in steps:
            if step == "send":
                for _ in range(10 * number):
                    queue.send_message("a")
            elif step == "receive":
                for _ in range(number):
                    found = queue.receive_message(max_number_of_messages=10)
                    handles += [delivery.receipt_handle for delivery in found]
                    seen.append([delivery.message_id for delivery in found])
            elif step == "delete" and handles:
                queue.delete_message(handles.pop(number % len(handles)))
            else:
                sim.run_for(number)
        answers.append(seen)
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.rule("SQS-311")
@pytest.mark.parametrize("mode", ["off", "concurrency", "both"])
def test_whether_a_queue_is_fair_can_be_set(sim, mode):
    queue = fair(sim, fair_queues=mode)
    in_flight(queue, "X", 40)
    send(queue, "X")
    send(queue, "Y")
    assert ["X" if mode == "off" else "Y"] == tenants(queue.receive_message())


@pytest.mark.rule("SQS-311", "SQS-215")
@pytest.mark.parametrize(("mode", "first"), [("off", "X"), ("concurrency", "Y")])
def test_whether_a_queue_is_fair_does_not_depend_on_the_shards_of_short_polls(mode, first):
    faults = SqsFaults(short_poll_shards=4, short_poll_sample=1)
    queue = fair(Simulation(faults=faults, choices=Benign()), fair_queues=mode)
    in_flight(queue, "X", 40)
    send(queue, "X")
    send(queue, "Y")
    assert [first] == tenants(queue.receive_message())


# ---- the share of processing time


def processed(sim, queue, x_us, others_us):
    """One message of X in flight for so long, one of another from the same instant on; both are deleted."""
    send(queue, "X")
    send(queue, "other")
    first, second = take(queue, 2)
    start_us = sim.now_us
    for at_us, delivery in sorted([(x_us, first), (others_us, second)], key=lambda pair: pair[0]):
        sim.run(until_us=start_us + at_us)
        queue.delete_message(delivery.receipt_handle)


@pytest.mark.rule("SQS-311")
@pytest.mark.parametrize("mode", ["concurrency", "both"])
@pytest.mark.parametrize(("off_us", "is_noisy"), [(-1, False), (0, False), (1, True)])
def test_a_tenant_with_more_than_ten_percent_of_the_processing_time_is_noisy(sim, mode, off_us, is_noisy):
    queue = fair(sim, fair_queues=mode)
    processed(sim, queue, seconds(10) + off_us, seconds(90))
    send(queue, "X")
    send(queue, "Y")
    assert ["Y" if is_noisy and mode == "both" else "X"] == tenants(queue.receive_message())


@pytest.mark.rule("SQS-311")
@pytest.mark.parametrize(("window_s", "waits_s", "first"), [(300, 200, "Y"), (300, 400, "X"), (50, 200, "X")])
def test_processing_time_counts_within_the_window(sim, window_s, waits_s, first):
    queue = fair(sim, fair_queues="both", fair_window_s=window_s)
    processed(sim, queue, seconds(20), seconds(90))
    sim.run(until=waits_s)
    send(queue, "X")
    send(queue, "Y")
    assert [first] == tenants(queue.receive_message())


@pytest.mark.rule("SQS-311")
def test_what_is_still_being_processed_counts_so_far(sim):
    queue = fair(sim, fair_queues="both")
    send(queue, "X")
    for number in range(8):
        send(queue, f"other-{number}")
    take(queue, 9)
    sim.run(until=10)
    send(queue, "X")
    send(queue, "Y")
    assert ["Y"] == tenants(queue.receive_message())  # one ninth of the time is above ten percent


@pytest.mark.rule("SQS-310", "SQS-311")
@pytest.mark.parametrize("sent_at_s", [85, 95])  # while the message without a group is still in flight, and after it
@pytest.mark.parametrize(("off_us", "first"), [(0, "X"), (1, "Y")])
def test_processing_time_counts_from_before_there_were_groups(sim, sent_at_s, off_us, first):
    queue = fair(sim, fair_queues="both")
    queue.send_message("no group")
    (other,) = queue.receive_message()
    sim.call_at(90, queue.delete_message, other.receipt_handle)
    sim.run(until=sent_at_s)
    send(queue, "X")
    (own,) = queue.receive_message()
    sim.run(until_us=seconds(sent_at_s + 10) + off_us)  # 10 s of 100
    queue.delete_message(own.receipt_handle)
    send(queue, "X")
    send(queue, "Y")
    assert [first] == tenants(queue.receive_message())


# ---- what comes first


@pytest.mark.rule("SQS-312")
def test_quiet_tenants_come_first_in_their_order_and_then_the_noisy_one(sim):
    queue = fair(sim)
    in_flight(queue, "X", 40)
    for tenant in ("X", "A", None, "X", "B", "A"):
        queue.send_message(f"{tenant}", message_group_id=tenant)
    assert ["A", "None", "B", "A", "X", "X"] == bodies(queue.receive_message(max_number_of_messages=10))


@pytest.mark.rule("SQS-312")
def test_noisy_messages_come_in_their_order(sim):
    queue = fair(sim)
    in_flight(queue, "X", 40)
    for number in range(10):
        queue.send_message(f"{number}", message_group_id="X")
    assert [f"{number}" for number in range(10)] == bodies(queue.receive_message(max_number_of_messages=10))


@pytest.mark.rule("SQS-312")
def test_of_noisy_tenants_the_one_with_the_fewest_in_flight_comes_first_pick_by_pick(sim):
    queue = fair(sim)
    in_flight(queue, "X", 42)
    send(queue, "X", 10)
    send(queue, "Z", 50)
    assert ["Z"] * 30 == tenants(take(queue, 30))  # quiet, and so before X
    assert ["Z"] * 10 == tenants(take(queue, 10))  # noisy as X is, with 30 to 40 against 42
    found = tenants(queue.receive_message(max_number_of_messages=8))
    assert ["Z", "Z"] == found[:2]
    assert {"Z": 5, "X": 3} == Counter(found)  # 45 and 45


@pytest.mark.rule("SQS-312")
def test_noise_is_judged_at_the_start_of_each_receive(sim):
    """The 30th message in flight makes X noisy for the next receive, not for the one that takes it."""
    queue = fair(sim)
    in_flight(queue, "X", 25)
    send(queue, "X", 20)
    send(queue, "Y")
    assert ["X"] * 10 == tenants(queue.receive_message(max_number_of_messages=10))
    assert ["Y", *["X"] * 9] == tenants(queue.receive_message(max_number_of_messages=10))


@pytest.mark.rule("SQS-312", "SQS-302")
def test_a_message_that_came_back_keeps_its_rank_in_its_tenant(sim):
    queue = fair(sim)
    send(queue, "X", 35)
    for number in range(3):
        queue.send_message(f"late {number}", message_group_id="X")
    found = take(queue, 35)
    queue.change_message_visibility(found[4].receipt_handle, 0)
    again = queue.receive_message(max_number_of_messages=10)
    assert found[4].message_id == again[0].message_id
    assert ["late 0", "late 1", "late 2"] == bodies(again[1:])


# ---- quiet again


@pytest.mark.rule("SQS-313")
@pytest.mark.parametrize("how", ["delete", "release", "timeout"])
@pytest.mark.parametrize(("freed", "first"), [(10, "Y"), (11, "X")])
def test_a_tenant_is_quiet_when_its_share_is_no_longer_above_the_threshold(sim, how, freed, first):
    queue = fair(sim)
    found = in_flight(queue, "X", 40)
    send(queue, "X")
    send(queue, "Y")
    for delivery in found[:freed]:
        if how == "delete":
            queue.delete_message(delivery.receipt_handle)
        else:
            queue.change_message_visibility(delivery.receipt_handle, 0 if how == "release" else 5)
    sim.run(until=5)
    assert [first] == tenants(queue.receive_message())


@pytest.mark.rule("SQS-313", "SQS-003")
@pytest.mark.parametrize(("off_us", "first"), [(-1, "Y"), (0, "X"), (1, "X")])
def test_a_tenant_is_quiet_five_minutes_after_its_last_send(sim, off_us, first):
    queue = fair(sim)
    in_flight(queue, "X", 40)
    sim.run(until=20)
    send(queue, "X")
    sim.run(until=100)
    send(queue, "Y")
    sim.run(until_us=seconds(320) + off_us)
    assert [first] == tenants(queue.receive_message())


@pytest.mark.rule("SQS-313")
def test_nothing_is_remembered_of_former_noise(sim):
    """Below the threshold, and above it again: each receive judges by what is in flight then."""
    queue = fair(sim)
    found = in_flight(queue, "X", 30)
    send(queue, "X", 3)
    send(queue, "Y", 3)
    seen = tenants(queue.receive_message())
    queue.delete_message(found[0].receipt_handle)
    seen += tenants(queue.receive_message())  # 29 of X: in order of sending, so that it is 30 again
    seen += tenants(queue.receive_message())
    assert ["Y", "X", "Y"] == seen


@pytest.mark.rule("SQS-313")
def test_redrive_goes_on_as_ever(sim):
    """A used-up message of a noisy tenant is moved when its turn comes, and takes no place in the answer."""
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=LONG_S, redrive_policy=RedrivePolicy(dlq, 1))
    found = in_flight(queue, "X", 40)
    queue.change_message_visibility(found[0].receipt_handle, 0)
    send(queue, "X", 2)
    send(queue, "Y")
    assert ["Y", "X", "X"] == tenants(queue.receive_message(max_number_of_messages=10))
    assert ["X"] == tenants(dlq.receive_message())


# ---- how much work it takes


@pytest.mark.rule("SQS-312")
def test_the_backlog_of_a_noisy_tenant_costs_the_quiet_ones_nothing():
    used = []
    for backlog in (1_000, 50_000):
        queue = fair(Simulation(trace=0))
        in_flight(queue, "X", 40)
        send(queue, "X", backlog)
        for _ in range(3):  # the first turns may settle what was put off
            send(queue, "Y")
            with Lines() as lines:
                (delivery,) = queue.receive_message()
            assert "Y" == delivery.message_group_id
            queue.delete_message(delivery.receipt_handle)
        used.append(lines.count)
    assert used[0] == used[1]


# ---- metrics


@pytest.mark.rule("SQS-601", "SQS-311")
def test_noisy_groups_and_what_is_in_the_quiet_ones_are_gauges(sim):
    queue = fair(sim)
    in_flight(queue, "X", 40)
    sim.run(until=10)
    in_flight(queue, "Y", 2)
    sim.run(until=30)
    send(queue, "X", 5)
    send(queue, "X", delay_seconds=900)
    send(queue, "Y", 3)
    send(queue, "Z", delay_seconds=900)
    sim.run(until=60)
    assert [1] == gauge(sim, "ApproximateNumberOfNoisyGroups")
    assert [3] == gauge(sim, "ApproximateNumberOfMessagesVisibleInQuietGroups")
    assert [2] == gauge(sim, "ApproximateNumberOfMessagesNotVisibleInQuietGroups")
    assert [1] == gauge(sim, "ApproximateNumberOfMessagesDelayedInQuietGroups")
    assert [50] == gauge(sim, "ApproximateAgeOfOldestMessageInQuietGroups")
    assert [8] == gauge(sim, "ApproximateNumberOfMessagesVisible")
    assert [60] == gauge(sim, "ApproximateAgeOfOldestMessage")


@pytest.mark.rule("SQS-601", "SQS-313")
@pytest.mark.parametrize("backlog", ["none", "visible", "delayed"])
def test_a_tenant_without_a_backlog_is_quiet(sim, backlog):
    queue = fair(sim)
    in_flight(queue, "X", 40)
    if backlog != "none":
        send(queue, "X", delay_seconds=900 if backlog == "delayed" else 0)
    sim.run(until=60)
    is_noisy = backlog != "none"
    assert [int(is_noisy)] == gauge(sim, "ApproximateNumberOfNoisyGroups")
    assert [0 if is_noisy else 40] == gauge(sim, "ApproximateNumberOfMessagesNotVisibleInQuietGroups")


@pytest.mark.rule("SQS-601", "SQS-313")
def test_a_tenant_is_no_longer_counted_as_noisy_five_minutes_after_its_last_send(sim):
    queue = fair(sim)
    in_flight(queue, "X", 40)
    send(queue, "X")
    sim.run(until=360)
    assert [1, 1, 1, 1, 0, 0] == gauge(sim, "ApproximateNumberOfNoisyGroups")
    assert [0, 0, 0, 0, 1, 1] == gauge(sim, "ApproximateNumberOfMessagesVisibleInQuietGroups")


@pytest.mark.rule("SQS-310", "SQS-165")
def test_the_group_of_a_standard_message_is_an_attribute_and_no_more(sim):
    queue = sim.create_queue("orders")
    answers = [queue.send_message("a", message_group_id="A") for _ in range(3)]
    assert [None] * 3 == [answer.sequence_number for answer in answers]
    found = queue.receive_message(max_number_of_messages=10, attribute_names=["All"])
    assert ["A"] * 3 == [delivery.attributes["MessageGroupId"] for delivery in found]
    assert all({"SequenceNumber", "MessageDeduplicationId"}.isdisjoint(delivery.attributes) for delivery in found)
