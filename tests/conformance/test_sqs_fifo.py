"""SQS §14: FIFO queues: groups, their order, the window that is searched, sequence numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation, SqsConfig
from lambdasim.units import seconds
from tests.counting import Lines


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def fifo(sim, name="orders.fifo", **attributes):
    return sim.create_queue(name, **{"fifo_queue": True, "content_based_deduplication": True, **attributes})


def send(queue, *names):
    """Send messages whose groups are their first letters; return the answers."""
    return [queue.send_message(name, message_group_id=name[0]) for name in names]


def take(queue, limit=10, **parameters):
    """Receive up to so many, and return the handles by body."""
    found = queue.receive_message(max_number_of_messages=limit, **parameters)
    return {delivery.body: delivery.receipt_handle for delivery in found}


def everything(queue, **parameters):
    return list(take(queue, **parameters))


def counts(queue):
    snapshot = queue.snapshot()
    return snapshot.visible, snapshot.in_flight, snapshot.delayed


async def listen(queue, log, **parameters):
    found = await queue.wait_receive(max_number_of_messages=10, **parameters)
    log.append((queue.clock.now_us, bodies(found)))


# ---- groups


@pytest.mark.rule("SQS-320", "SQS-330")
@given(
    st.lists(st.sampled_from("ABCD"), min_size=1, max_size=30), st.lists(st.integers(1, 10), min_size=1, max_size=30)
)
def test_each_group_comes_in_the_order_of_its_sends_whoever_receives(groups, limits):
    sim = Simulation()
    queue = fifo(sim)
    sent = [f"{group}{number}" for number, group in enumerate(groups)]
    send(queue, *sent)
    seen = []
    for limit in limits * 30:
        handles = take(queue, limit)
        seen += handles
        for handle in handles.values():
            queue.delete_message(handle)
    assert len(sent) == len(seen)
    for group in "ABCD":
        assert [name for name in sent if name[0] == group] == [name for name in seen if name[0] == group]
    sim.check_invariants()


@pytest.mark.rule("SQS-320")
def test_a_group_in_flight_holds_up_no_other(sim):
    queue = fifo(sim)
    send(queue, "A1", "A2", "B1", "C1")
    assert ["A1"] == everything(queue, limit=1)
    assert ["B1"] == everything(queue, limit=1)
    assert ["C1"] == everything(queue, limit=10)


@pytest.mark.rule("SQS-321")
@pytest.mark.parametrize(("off_us", "expected"), [(-1, []), (0, ["A1", "A2"]), (1, ["A1", "A2"])])
def test_a_group_waits_until_the_visibility_of_its_head_ends(sim, off_us, expected):
    queue = fifo(sim, visibility_timeout=30)
    send(queue, "A1", "A2")
    everything(queue, limit=1)
    sim.run(until_us=seconds(30) + off_us)
    assert expected == everything(queue)


@pytest.mark.rule("SQS-321", "SQS-383")
@pytest.mark.parametrize(("off_us", "expected"), [(-1, []), (0, ["A1"]), (1, ["A1"])])
def test_a_group_waits_until_the_delay_of_its_head_ends(sim, off_us, expected):
    queue = fifo(sim, delay_seconds=5)
    send(queue, "A1")
    sim.run(until=1)
    send(queue, "A2")
    sim.run(until_us=seconds(5) + off_us)
    assert expected == everything(queue)


@pytest.mark.rule("SQS-321", "SQS-383", "SQS-380")
def test_what_arrives_by_a_move_waits_behind_a_delayed_head_of_its_group(sim):
    """A move applies no delay, so that the second message of the group is visible, and the first is not."""
    dlq = fifo(sim, "dlq.fifo", delay_seconds=100)
    queue = fifo(sim, visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    send(dlq, "A-delayed")
    send(queue, "A-moved", "B-moved")
    everything(queue)
    everything(queue)
    assert (2, 0, 1) == counts(dlq)
    assert ["B-moved"] == everything(dlq)
    sim.run(until=100)
    assert ["B-moved", "A-delayed", "A-moved"] == everything(dlq)  # B came back at 30


@pytest.mark.rule("SQS-322")
def test_a_group_is_delivered_up_to_its_first_message_in_flight(sim):
    queue = fifo(sim)
    send(queue, "A1", "A2", "A3", "A4", "B1")
    handles = take(queue, 4)
    for name in ("A1", "A2", "A4"):
        queue.change_message_visibility(handles[name], 0)
    assert ["A1", "A2", "B1"] == everything(queue)


@pytest.mark.rule("SQS-322")
def test_a_group_is_delivered_up_to_its_first_delayed_message(sim):
    queue = fifo(sim, delay_seconds=5)
    send(queue, "A1", "A2")
    sim.run(until=1)
    send(queue, "A3")
    sim.run(until=5)
    assert ["A1", "A2"] == everything(queue)


@pytest.mark.rule("SQS-323")
@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (1, ["A1"]),
        (2, ["A1", "A2"]),
        (3, ["A1", "A2", "A3"]),
        (4, ["A1", "A2", "A3", "B1"]),
        (6, ["A1", "A2", "A3", "B1", "B2", "C1"]),
        (10, ["A1", "A2", "A3", "B1", "B2", "C1"]),
    ],
)
def test_a_receive_takes_what_it_can_from_one_group_and_then_goes_on(sim, limit, expected):
    queue = fifo(sim)
    send(queue, "A1", "B1", "A2", "C1", "B2", "A3")
    assert expected == everything(queue, limit=limit)


# ---- order among groups


@pytest.mark.rule("SQS-324")
@pytest.mark.parametrize("how", ["timeout", "release"])
def test_a_group_whose_head_came_back_yields_to_those_that_have_waited_longer(sim, how):
    queue = fifo(sim)
    send(queue, "A1")
    sim.run(until=1)
    send(queue, "B1")
    sim.run(until=2)
    handles = take(queue, 1, visibility_timeout=5 if how == "timeout" else 100)
    assert ["A1"] == list(handles)
    sim.run(until=6)
    send(queue, "C1")
    sim.run(until=7)
    if how == "release":
        queue.change_message_visibility(handles["A1"], 0)
    sim.run(until=8)
    send(queue, "D1")
    assert ["B1", "C1", "A1", "D1"] == everything(queue)


@pytest.mark.rule("SQS-324")
@pytest.mark.parametrize(
    ("sent_us", "released_us", "expected"),
    [
        (seconds(5) - 1, seconds(5), ["B1", "A1"]),
        (seconds(5), seconds(5), ["A1", "B1"]),
        (seconds(5), seconds(5) - 1, ["A1", "B1"]),
    ],
)
def test_of_heads_that_have_waited_alike_the_lower_sequence_number_comes_first(sim, sent_us, released_us, expected):
    queue = fifo(sim)
    send(queue, "A1")
    (handle,) = take(queue).values()
    calls = {sent_us: [lambda: send(queue, "B1")]}
    calls.setdefault(released_us, []).append(lambda: queue.change_message_visibility(handle, 0))
    for at_us in sorted(calls):
        sim.run(until_us=at_us)
        for call in calls[at_us]:
            call()
    assert expected == everything(queue)


@pytest.mark.rule("SQS-324")
def test_a_head_that_was_never_delivered_has_waited_since_it_was_available_blocked_or_not(sim):
    queue = fifo(sim)
    send(queue, "A1", "A2")
    sim.run(until=1)
    send(queue, "B1")
    handles = take(queue, 1)
    sim.run(until=5)
    queue.delete_message(handles["A1"])
    assert ["A2", "B1"] == everything(queue)


@pytest.mark.rule("SQS-324")
def test_a_delay_postpones_the_wait_of_a_head(sim):
    queue = fifo(sim, delay_seconds=5)
    send(queue, "A1")
    sim.run(until=1)
    send(queue, "B1")  # available at 6
    sim.run(until=3)
    send(queue, "C1")  # available at 8
    sim.run(until=5)
    assert ["A1"] == everything(queue, visibility_timeout=2)  # back at 7
    sim.run(until=8)
    assert ["B1", "A1", "C1"] == everything(queue)


@pytest.mark.rule("SQS-324")
def test_a_second_message_that_becomes_head_brings_its_own_time(sim):
    """A2 came back at 10, after B1 was sent, and was no head then; it is one once A1 is deleted."""
    queue = fifo(sim)
    send(queue, "A1", "A2")
    handles = take(queue, 2, visibility_timeout=100)
    sim.run(until=5)
    send(queue, "B1")
    sim.run(until=10)
    queue.change_message_visibility(handles["A2"], 0)
    sim.run(until=20)
    send(queue, "C1")
    queue.delete_message(handles["A1"])
    assert ["B1", "A2", "C1"] == everything(queue)


# ---- blocked groups


@pytest.mark.rule("SQS-325")
def test_sends_to_a_blocked_group_wait_and_wake_nobody(sim):
    queue, log = fifo(sim), []
    send(queue, "A1")
    everything(queue)
    sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.call_at(3, send, queue, "A2", "A3")
    sim.run(until=19)
    assert [] == log
    assert (2, 1, 0) == counts(queue)
    sim.run()
    assert [(seconds(20), [])] == log


def unblock_by_delete(queue, handle):
    queue.delete_message(handle)


def unblock_by_release(queue, handle):
    queue.change_message_visibility(handle, 0)


def unblock_by_timeout(queue, handle):
    queue.change_message_visibility(handle, 5)


@pytest.mark.rule("SQS-325", "SQS-277", "SQS-208")
@pytest.mark.parametrize(
    ("unblock", "expected"),
    [
        (unblock_by_delete, (seconds(5), ["A2"])),
        (unblock_by_release, (seconds(5), ["A1", "A2"])),
        (unblock_by_timeout, (seconds(10), ["A1", "A2"])),
    ],
)
def test_what_unblocks_a_group_wakes_who_waits_at_that_instant(sim, unblock, expected):
    queue, log = fifo(sim), []
    send(queue, "A1", "A2")
    handles = take(queue, 1)
    sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.call_at(5, unblock, queue, handles["A1"])
    sim.run()
    assert [expected] == log


@pytest.mark.rule("SQS-325", "SQS-401", "SQS-208")
def test_the_end_of_the_retention_of_a_head_in_flight_unblocks_its_group(sim):
    queue, log = fifo(sim, message_retention_period=60, visibility_timeout=1_000), []
    send(queue, "A1")
    everything(queue)
    sim.run(until=30)
    send(queue, "A2")
    sim.run(until=45)
    sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.run(until_us=seconds(60) - 1)
    assert [] == log
    sim.run()
    assert [(seconds(60), ["A2"])] == log
    sim.check_invariants()


@pytest.mark.rule("SQS-325", "SQS-435", "SQS-208")
def test_the_move_of_a_head_unblocks_its_group(sim):
    dlq = fifo(sim, "dlq.fifo")
    queue, log = fifo(sim, visibility_timeout=10, redrive_policy=RedrivePolicy(dlq, 1)), []
    send(queue, "A1", "A2")
    everything(queue, limit=1)
    sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.run()
    assert [(seconds(10), ["A2"])] == log
    assert ["A1"] == everything(dlq)


@pytest.mark.rule("SQS-326")
def test_earlier_messages_that_came_back_are_delivered_though_later_ones_are_in_flight(sim):
    queue = fifo(sim)
    send(queue, "A1", "A2", "A3")
    handles = take(queue)
    queue.change_message_visibility(handles["A1"], 0)
    queue.change_message_visibility(handles["A2"], 0)
    assert ["A1", "A2"] == everything(queue)


@pytest.mark.rule("SQS-326")
def test_later_messages_that_came_back_wait_behind_one_in_flight(sim):
    queue = fifo(sim)
    send(queue, "A1", "A2", "A3")
    handles = take(queue)
    queue.change_message_visibility(handles["A2"], 0)
    queue.change_message_visibility(handles["A3"], 0)
    assert (2, 1, 0) == counts(queue)
    assert [] == everything(queue)
    queue.delete_message(handles["A1"])
    assert ["A2", "A3"] == everything(queue)


@pytest.mark.rule("SQS-326", "SQS-277")
def test_deleting_another_message_than_the_head_unblocks_nothing(sim):
    queue = fifo(sim)
    send(queue, "A1", "A2", "A3")
    handles = take(queue, 2)
    queue.delete_message(handles["A2"])
    assert (1, 1, 0) == counts(queue)
    assert [] == everything(queue)
    queue.delete_message(handles["A1"])
    assert ["A3"] == everything(queue)


@pytest.mark.rule("SQS-326", "SQS-277")
def test_deleting_the_head_while_the_next_is_in_flight_unblocks_nothing(sim):
    queue = fifo(sim)
    send(queue, "A1", "A2", "A3")
    handles = take(queue, 2)
    queue.delete_message(handles["A1"])
    assert [] == everything(queue)
    queue.delete_message(handles["A2"])
    assert ["A3"] == everything(queue)


@pytest.mark.rule("SQS-327", "SQS-205")
def test_a_receive_without_a_visibility_timeout_blocks_nothing(sim):
    queue = fifo(sim)
    send(queue, "A1", "A2")
    for number in (1, 2, 3):
        found = queue.receive_message(max_number_of_messages=1, visibility_timeout=0)
        assert [("A1", number)] == [(delivery.body, delivery.receive_count) for delivery in found]
    assert ["A1", "A2"] == everything(queue, visibility_timeout=0)
    assert (2, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-328")
def test_an_earlier_message_may_come_again_after_a_later_one_was_done(sim):
    queue = fifo(sim, visibility_timeout=30)
    send(queue, "A1", "A2")
    handles = take(queue)
    queue.delete_message(handles["A2"])
    sim.run(until=30)
    assert [("A1", 2)] == [(delivery.body, delivery.receive_count) for delivery in queue.receive_message()]


@pytest.mark.rule("SQS-330")
def test_consumers_are_not_bound_to_groups(sim):
    queue, seen = fifo(sim), []

    async def consumer(name):
        for _ in range(2):
            (delivery,) = await queue.wait_receive(wait_time_seconds=20)
            seen.append((name, delivery.body))
            await sim.sleep(1)
            queue.delete_message(delivery.receipt_handle)

    for name in ("first", "second"):
        sim.spawn(consumer(name))
    sim.call_at(1, send, queue, "A1", "A2")
    sim.call_at(5, send, queue, "B1", "A3")
    sim.run()
    assert [("first", "A1"), ("second", "A2"), ("first", "B1"), ("second", "A3")] == seen


# ---- the recorded examples


class Tick:
    """A queue whose every call comes 1 ms after the one before."""

    def __init__(self, sim, **attributes):
        self.sim = sim
        self.queue = fifo(sim, content_based_deduplication=True, **attributes)
        self.handles = {}

    def send(self, text):
        for name in text.split(", "):
            self.queue.send_message(name, message_group_id=name.split("-", maxsplit=1)[0])
            self.sim.run_for(0.001)

    def receive(self, limit, **parameters):
        found = self.queue.receive_message(max_number_of_messages=limit, **parameters)
        self.handles.update((delivery.body, delivery.receipt_handle) for delivery in found)
        self.sim.run_for(0.001)
        return ", ".join(bodies(found))

    def change(self, name, timeout_s):
        self.queue.change_message_visibility(self.handles[name], timeout_s)
        self.sim.run_for(0.001)

    def delete(self, name):
        self.queue.delete_message(self.handles[name])
        self.sim.run_for(0.001)


@pytest.mark.rule("SQS-329", "SQS-323")
def test_example_1_the_first_group_is_emptied_before_the_second(sim):
    tick = Tick(sim)
    tick.send("g1-m1, g2-m1, g1-m2, g1-m3")
    assert "g1-m1, g1-m2, g1-m3, g2-m1" == tick.receive(10)


@pytest.mark.rule("SQS-329", "SQS-327")
def test_example_2_what_was_received_without_a_timeout_stands_behind(sim):
    tick = Tick(sim)
    tick.send("g1-m1, g2-m1, g2-m2, g3-m1, g1-m2")
    assert "g1-m1, g1-m2, g2-m1" == tick.receive(3, visibility_timeout=0)
    assert "g3-m1, g1-m1, g1-m2, g2-m1, g2-m2" == tick.receive(10, visibility_timeout=0)


@pytest.mark.rule("SQS-329", "SQS-324")
def test_example_3_a_released_head_stands_behind_a_group_that_waits(sim):
    tick = Tick(sim)
    tick.send("g1-m1, g1-m2, g2-m1")
    assert "g1-m1, g1-m2" == tick.receive(2)
    tick.change("g1-m1", 0)
    assert "g2-m1, g1-m1" == tick.receive(3)


@pytest.mark.rule("SQS-329", "SQS-324")
def test_example_4_a_group_that_goes_on_stands_by_the_time_of_its_next_message(sim):
    tick = Tick(sim)
    tick.send("g1-m1, g2-m1, g1-m2, g2-m2, g1-m3, g1-m4, g3-m1")
    assert "g1-m1, g1-m2" == tick.receive(2)
    tick.delete("g1-m1")
    tick.delete("g1-m2")
    assert "g2-m1, g2-m2, g1-m3, g1-m4, g3-m1" == tick.receive(10)


@pytest.mark.rule("SQS-329", "SQS-326")
def test_example_5_a_group_with_a_message_in_flight_is_left_out(sim):
    tick = Tick(sim)
    tick.send("g1-m1, g2-m1, g1-m2, g2-m2, g1-m3, g1-m4, g3-m1")
    assert "g1-m1, g1-m2" == tick.receive(2)
    tick.delete("g1-m1")
    assert "g2-m1, g2-m2, g3-m1" == tick.receive(10)


@pytest.mark.rule("SQS-329", "SQS-324")
def test_example_6_groups_come_back_in_the_order_of_their_timeouts(sim):
    tick = Tick(sim, visibility_timeout=1)
    tick.send("g1-m1, g1-m2, g1-m3, g1-m4, g2-m1, g3-m1")
    assert "g1-m1, g1-m2" == tick.receive(2)
    assert "g2-m1" == tick.receive(1)
    sim.run_for(2)
    assert "g3-m1, g1-m1, g1-m2, g1-m3, g1-m4, g2-m1" == tick.receive(10, visibility_timeout=0)


@pytest.mark.rule("SQS-329", "SQS-322")
@pytest.mark.parametrize(("extended", "expected"), [("g-bar", "g-foo"), ("g-baz", "g-foo, g-bar"), ("g-foo", "")])
def test_example_7_an_extended_message_holds_up_those_behind_it(sim, extended, expected):
    tick = Tick(sim, visibility_timeout=1)
    tick.send("g-foo, g-bar, g-baz")
    assert "g-foo, g-bar, g-baz" == tick.receive(5)
    tick.change(extended, 4)
    sim.run(until=2.5)
    assert expected == tick.receive(5)


# ---- the window that is searched


def windowed(sim, window, **attributes):
    return fifo(sim, settings=[SqsConfig(fifo_scan_window=window)], **attributes)


@pytest.mark.rule("SQS-331")
@pytest.mark.parametrize(("window", "expected"), [(1, []), (3, []), (4, ["B1"]), (5, ["B1", "C1"])])
def test_only_the_first_messages_in_flight_or_not_are_searched_for_groups(sim, window, expected):
    queue = windowed(sim, window)
    send(queue, "A1", "A2", "A3", "B1", "C1")
    assert ["A1"] == everything(queue, limit=1)
    assert expected == everything(queue)


@pytest.mark.rule("SQS-331")
def test_a_group_behind_the_window_starves_until_the_front_drains(sim):
    queue = windowed(sim, 2)
    send(queue, "A1", "A2", "A3", "B1")
    for name in ("A1", "A2"):
        handles = take(queue, 1, visibility_timeout=1_000)
        assert [name] == list(handles)
        assert [] == everything(queue)
        queue.delete_message(handles[name])
    assert ["A3"] == everything(queue, limit=1)
    assert ["B1"] == everything(queue)


@pytest.mark.rule("SQS-331", "SQS-208")
def test_a_group_that_comes_into_the_window_wakes_who_waits(sim):
    queue, log = windowed(sim, 2), []
    send(queue, "A1", "A2", "B1")
    handles = take(queue, 2)
    assert ["A1", "A2"] == list(handles)
    sim.spawn(listen(queue, log, wait_time_seconds=20))
    sim.call_at(5, queue.delete_message, handles["A2"])  # A1 still blocks its group
    sim.run()
    assert [(seconds(5), ["B1"])] == log


@pytest.mark.rule("SQS-331")
@pytest.mark.parametrize("window", [1, 2])
def test_groups_come_into_the_window_one_by_one(sim, window):
    """There are always more messages than are searched, until the last turns."""
    queue = windowed(sim, window)
    names = ["A1", "B1", "C1", "D1", "E1"]
    send(queue, *names)
    in_flight = take(queue)
    assert names[:window] == list(in_flight)
    for number in range(window, len(names)):
        assert [] == everything(queue)
        queue.delete_message(in_flight.pop(names[number - window]))
        found = take(queue)
        assert [names[number]] == list(found)
        in_flight |= found
    sim.check_invariants()


@pytest.mark.rule("SQS-331")
def test_the_messages_of_a_group_that_takes_part_may_lie_behind_the_window(sim):
    queue = windowed(sim, 1)
    send(queue, "A1", "A2", "B1", "A3")
    assert ["A1", "A2", "A3"] == everything(queue)


@pytest.mark.rule("SQS-331")
@pytest.mark.parametrize("is_alone", [True, False])
def test_delayed_messages_take_no_place_in_the_window(sim, is_alone):
    dlq = windowed(sim, 1, name="dlq.fifo", delay_seconds=100)
    queue = fifo(sim, visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    send(dlq, "X1", "X2")
    send(queue, *(["A1"] if is_alone else ["A1", "B1", "C1"]))
    everything(queue)
    everything(queue)
    assert (1 if is_alone else 3, 0, 2) == counts(dlq)
    handles = take(dlq)
    assert ["A1"] == list(handles)
    dlq.delete_message(handles["A1"])
    if not is_alone:
        assert ["B1"] == everything(dlq)
    sim.run(until=100)
    assert ["X1", "X2"] == everything(dlq)


@pytest.mark.rule("SQS-331")
def test_by_default_120_000_messages_are_searched():
    assert 120_000 == SqsConfig().fifo_scan_window
    queue = fifo(Simulation(trace=0))
    for number in range(120_000):
        queue.send_message(f"{number}", message_group_id="A")
        if number == 119_998:
            queue.send_message("within", message_group_id="B")
    queue.send_message("behind", message_group_id="C")
    assert ["0"] == everything(queue, limit=1)
    assert ["within"] == everything(queue)


# ---- sequence numbers


@pytest.mark.rule("SQS-333")
def test_sequence_numbers_have_twenty_digits_and_rise_in_their_queue(sim):
    first, second = fifo(sim), fifo(sim, "other.fifo")
    found = [answer.sequence_number for answer in send(first, "A1", "B1", "A2")]
    assert ["18850000000000000256", "18850000000000000512", "18850000000000000768"] == found
    assert "18850000000000000256" == send(second, "A1")[0].sequence_number
    sim.run(until=10)
    deliveries = first.receive_message(max_number_of_messages=10, attribute_names=["SequenceNumber"])
    assert {"A1": found[0], "B1": found[1], "A2": found[2]} == {
        delivery.body: delivery.attributes["SequenceNumber"] for delivery in deliveries
    }


@pytest.mark.rule("SQS-333")
@given(st.lists(st.sampled_from(["send", "duplicate", "drain", "purge"]), max_size=30))
def test_sequence_numbers_rise_whatever_happens(steps):
    sim = Simulation(settings=[SqsConfig(purge_interval_s=0)])
    queue, found = fifo(sim), []
    for number, step in enumerate(steps):
        if step == "send":
            found.append(send(queue, f"A{number}")[0].sequence_number)
        elif step == "duplicate" and found:
            queue.send_message("same", message_group_id="A", message_deduplication_id="same")
        elif step == "drain":
            for handle in take(queue).values():
                queue.delete_message(handle)
        elif step == "purge":
            queue.purge_queue()
    assert all(20 == len(number) and number.isdigit() for number in found)
    assert sorted(set(found)) == found


# ---- what is visible and blocked


@pytest.mark.rule("SQS-232")
def test_a_message_that_is_blocked_counts_as_visible(sim):
    queue = fifo(sim)
    send(queue, "A1", "A2", "A3", "B1")
    take(queue, 1)
    assert (3, 1, 0) == counts(queue)
    assert ["visible", "visible", "visible"] == [
        message.state.value for message in queue.messages if message.body != "A1"
    ]
    assert 3 == queue.approximate_number_of_messages
    assert "3" == queue.get_queue_attributes(["All"]).attributes["ApproximateNumberOfMessages"]


# ---- what a FIFO queue counts besides


@pytest.mark.rule("SQS-601")
def test_groups_with_messages_in_flight_are_a_gauge(sim):
    queue = fifo(sim, visibility_timeout=1_000)
    send(queue, "A1", "A2", "B1", "C1")
    handles = take(queue, 3)  # A1, A2, B1
    sim.run(until=60)
    queue.delete_message(handles["A1"])
    sim.run(until=90)
    queue.delete_message(handles["A2"])
    sim.run(until=180)
    found = sim.metrics.series(
        "AWS/SQS", "ApproximateNumberOfGroupsWithInflightMessages", "Maximum", QueueName="orders.fifo"
    )
    assert [(0, 2), (60, 1), (120, 1)] == list(found)


# ---- how much work it takes


def work_beside(backlog):
    """Return the lines run for other groups, and for the tail of the blocked one, beside so long a backlog of it."""
    sim = Simulation(trace=0)
    queue = fifo(sim, visibility_timeout=40_000, settings=[SqsConfig(fifo_scan_window=10_000_000)])
    for number in range(backlog):
        queue.send_message(f"A{number}", message_group_id="A")
    take(queue, 1)
    for number in range(3):  # the first turns may settle what was put off
        with Lines() as lines:
            send(queue, f"B{number}", f"C{number}", f"A late {number}")
            handles = take(queue)
            queue.change_message_visibility(handles[f"B{number}"], 0)
            handles |= take(queue)
            found = list(handles), everything(queue), counts(queue)
            for handle in handles.values():
                queue.delete_message(handle)
        assert ([f"B{number}", f"C{number}"], [], (backlog + number, 3, 0)) == found
    return lines.count


@pytest.mark.rule("SQS-320", "SQS-325")
def test_a_backlog_of_a_blocked_group_costs_other_groups_nothing():
    assert work_beside(1_000) == work_beside(10_000)


@pytest.mark.rule("SQS-320", "SQS-325")
def test_a_backlog_of_many_blocked_groups_costs_other_groups_nothing():
    """Ten thousand groups, each with its head in flight and two messages behind it."""
    used = []
    for groups in (100, 10_000):
        sim = Simulation(trace=0)
        queue = fifo(sim, visibility_timeout=40_000)
        for number in range(3 * groups):
            queue.send_message(f"{number}", message_group_id=f"{number % groups}")
        while queue.receive_message():
            pass
        assert (2 * groups, groups, 0) == counts(queue)
        for number in range(3):
            with Lines() as lines:
                send(queue, f"B{number}")
                (handle,) = take(queue).values()
                queue.delete_message(handle)
                assert [] == everything(queue)
        used.append(lines.count)
    assert used[0] == used[1]
