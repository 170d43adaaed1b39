"""What AWS leaves open in a mapping: each choice point with a scripted answer (ESM §18), and quiet queues (ESM-088)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lambdasim import (
    BackoffModel,
    BatchWindowModel,
    EsmFaults,
    Faults,
    PollModel,
    RedrivePolicy,
    ScalingModel,
    Simulation,
)
from lambdasim.errors import UsageError
from tests.choosers import Says

ALL = EsmFaults(
    dispatch=0.5,
    poll_error=0.5,
    split_receive=0.5,
    poller_lost=0.5,
    delete_fails=0.5,
    system_error=0.5,
    overshoot=0.5,
    retry_delay=0.5,
    window=0.5,
    disabled_by_lambda=0.5,
)
US = Decimal("0.000001")
ONE_SLOT = ScalingModel(initial=1, step_per_minute=0)


class Scene:
    """A queue, a function that takes a second and a mapping, with everything permitted and one point answered."""

    def __init__(self, point=None, *answers, faults=ALL, messages=1, duration=1, settings=(), visibility=30, **given):
        self.chooser = Says(point, *answers)
        self.sim = Simulation(choices=self.chooser, settings=[BackoffModel.OFF, *settings])
        self.queue = self.sim.create_queue("orders", visibility_timeout=visibility)
        self.batches = []
        self.worker = self.sim.create_function("worker", self.handle, duration=duration)
        for number in range(messages):
            self.queue.send_message(str(number))
        self.mapping = self.sim.create_event_source_mapping(self.queue, self.worker, faults=faults, **given)

    def handle(self, event, _context):
        self.batches.append((self.sim.now, [record["body"] for record in event["Records"]]))

    def run(self, until=None):
        self.sim.run(until=until)
        self.sim.check_invariants()
        return self.batches

    def asked(self, point):
        return [options for name, _, options in self.chooser.asked if name == point]


@pytest.mark.rule("ESM-310")
def test_option_0_everywhere_is_the_run_without_faults():
    plain = Scene(faults=None, messages=25, maximum_batching_window_in_seconds=2)
    benign = Scene(messages=25, maximum_batching_window_in_seconds=2)
    for scene in (plain, benign):
        scene.sim.call_at(40, scene.queue.send_message, "late")
    assert plain.run() == benign.run()
    assert plain.chooser.asked == []
    assert {"esm.dispatch", "esm.poll_error", "esm.split_receive", "esm.poller_lost", "esm.delete_fails"} < {
        name for name, _, _ in benign.chooser.asked
    }


@pytest.mark.rule("ESM-310")
def test_the_flat_class_prefixes_what_two_groups_share():
    faults = Faults(esm_poll_error=0.1, esm_retry_delay=0.2, async_retry_delay=0.3, dispatch=0.4)
    assert faults.mapping == EsmFaults(poll_error=0.1, retry_delay=0.2, dispatch=0.4)
    assert faults.asynchronous.retry_delay == 0.3
    with pytest.raises(UsageError):
        EsmFaults(dispatch=2)


@pytest.mark.rule("ESM-084", "ESM-310")
def test_another_waiting_slot_may_get_the_receive():
    """By ESM-083 a batch is filled before the next is begun; the second receive may go to another slot."""

    def sizes(*answers):
        scene = Scene("esm.dispatch", *answers, messages=0, batch_size=20, maximum_batching_window_in_seconds=5)
        for at in (1, 2):
            scene.sim.call_at(at, scene.queue.send_message, str(at))
        found = sorted(len(batch) for _, batch in scene.run())
        assert scene.asked("esm.dispatch") == [5, 5]
        return found

    assert sizes() == [2]
    assert sizes(0, 1) == [1, 1]


@pytest.mark.rule("ESM-084")
def test_in_turns_each_waiting_slot_gets_one_receive():
    def sizes(dispatch, messages):
        given = {"messages": 0, "batch_size": 30, "maximum_batching_window_in_seconds": 5, "faults": None}
        scene = Scene(settings=[PollModel(dispatch=dispatch)], **given)
        scene.sim.run(until=1)
        for number in range(messages):
            scene.queue.send_message(str(number))
        return sorted(len(batch) for _, batch in scene.run())

    assert sizes("greedy", 7) == [7]
    assert sizes("round_robin", 7) == [1, 1, 1, 2, 2]


@pytest.mark.rule("ESM-084", "ESM-083")
@pytest.mark.parametrize(("last", "with_first"), [(44, False), (47, True)])
def test_in_turns_the_receive_that_is_open_longest_comes_next_also_after_some_that_ended_empty(last, with_first):
    """Asked at 30 by the slot of the first message; at 5, 25 and 45 by the other: what ended 20 s later began anew."""
    scene = Scene(
        messages=0,
        faults=None,
        visibility=600,
        batch_size=100,
        maximum_batching_window_in_seconds=60,
        settings=[PollModel(dispatch="round_robin"), ScalingModel(initial=2, step_per_minute=0)],
    )
    for at in (1, 5, 30, last):
        scene.sim.call_at(at, scene.queue.send_message, str(at))
    first, second = ["1", "30"], ["5"]
    (first if with_first else second).append(str(last))
    assert scene.run() == [(61, first), (65, second)]


@pytest.mark.rule("ESM-310")
def test_a_poll_that_fails_is_tried_again_a_second_later():
    scene = Scene("esm.poll_error", 1, settings=[ScalingModel(initial=1)])
    assert scene.run() == [(1, ["0"])]


@pytest.mark.rule("ESM-310")
@pytest.mark.parametrize(
    ("fails", "batches"),
    [
        (0, [(9, ["0", "b"])]),
        (1, [(9, ["0", "b"])]),
        (5, [(9, ["0", "b"])]),  # the receives of 3, 4, 5, 6 and 7 s
        (6, [(9, ["0"]), (19, ["b"])]),  # that of 8 s, too; the next would begin at 9 s, after the end of the window
        (100, [(9, ["0"])]),
    ],
)
def test_a_poll_that_fails_for_an_open_batch_is_tried_again_a_second_later_while_its_window_runs(fails, batches):
    """Other slots have nothing to do with it here: there is one. The window of the second batch runs from 9 + 1 s."""
    given = {"batch_size": 3, "maximum_batching_window_in_seconds": 9, "settings": [ONE_SLOT]}
    scene = Scene("esm.poll_error", 0, *[1] * fails, **given)
    scene.sim.call_at(3, scene.queue.send_message, "b")
    assert scene.run(until=40) == batches
    snapshot = scene.mapping.snapshot()
    assert (snapshot.held, snapshot.empty_receives) == (0, sum(scene.mapping.empty_receives_by_minute().values()))


@pytest.mark.rule("ESM-310", "ESM-053", "ESM-082")
@pytest.mark.parametrize("stops_at", [25, Decimal("25.5")])
def test_a_mapping_stops_with_a_batch_whose_poll_failed(stops_at):
    """One receive of the batch ended empty, at 20 s; that of 25 s failed."""
    given = {"batch_size": 3, "maximum_batching_window_in_seconds": 60, "settings": [ONE_SLOT], "visibility": 300}
    scene = Scene("esm.poll_error", 0, *[1] * 9, **given)
    scene.sim.call_at(25, scene.queue.send_message, "b")
    scene.sim.run(until=stops_at)
    assert (scene.mapping.snapshot().gathering, scene.mapping.snapshot().empty_receives) == (1, 1)
    scene.mapping.update_event_source_mapping(enabled=False)
    assert scene.run(until=30) == [(stops_at, ["0"])]
    assert (scene.mapping.state, scene.queue.snapshot().visible) == ("Disabled", 1)
    assert scene.mapping.snapshot().empty_receives == 1


@pytest.mark.rule("ESM-310", "SQS-209")
def test_what_fails_for_one_is_offered_to_the_next_in_line():
    scene = Scene("esm.poll_error", *[1] * 100, messages=0, settings=[ONE_SLOT])
    got = []

    async def poll():
        for delivery in await scene.queue.wait_receive(wait_time_seconds=20):
            got.append((scene.sim.now, delivery.body))
            scene.queue.delete_message(delivery.receipt_handle)

    scene.sim.run(until=1)
    scene.sim.spawn(poll())
    scene.sim.call_at(5, scene.queue.send_message, "a")
    scene.sim.run(until=30)
    assert got == [(5, "a")]
    other = scene.sim.create_function("other", duration=1)
    second = scene.sim.create_event_source_mapping(scene.queue, other, faults=EsmFaults())
    scene.sim.call_at(42, scene.queue.send_message, "b")
    scene.sim.run(until=44)
    assert (second.snapshot().deleted_event_count, scene.mapping.snapshot().polled_event_count) == (1, 0)


@pytest.mark.rule("ESM-310", "ESM-082")
def test_empty_receives_before_a_poll_that_fails_are_counted():
    scene = Scene("esm.poll_error", 1, messages=0, settings=[ONE_SLOT])
    scene.sim.run(until=0)
    scene.sim.call_at(45, scene.queue.send_message, "a")
    assert scene.run(until=50) == [(46, ["a"])]
    assert scene.mapping.snapshot().empty_receives == 2
    assert scene.mapping.empty_receives_by_minute() == {0: 2}


@pytest.mark.rule("ESM-310")
@pytest.mark.parametrize(("answer", "first"), [(0, 10), (1, 1), (2, 5)])
def test_a_receive_may_take_fewer_than_it_could(answer, first):
    scene = Scene("esm.split_receive", answer, messages=10)
    assert len(scene.run()[0][1]) == first
    assert sum(len(batch) for _, batch in scene.batches) == 10


@pytest.mark.rule("ESM-310")
@pytest.mark.parametrize(("size", "is_asked"), [(1, False), (2, True), (3, True)])
def test_a_receive_takes_one_at_least(size, is_asked):
    """Half of two or three is one, and about one message nobody is asked."""
    scene = Scene("esm.split_receive", 2, messages=size, batch_size=size, settings=[ONE_SLOT])
    assert len(scene.run(until=0)[0][1]) == 1
    assert bool(scene.asked("esm.split_receive")) is is_asked


@pytest.mark.rule("ESM-310")
def test_a_slot_that_dies_after_a_receive_leaves_its_messages_to_their_timeout():
    scene = Scene("esm.poller_lost", 1, messages=3)
    assert scene.run() == [(30, ["0", "1", "2"])]
    assert scene.mapping.snapshot().pollers == 5
    assert scene.queue.snapshot().received == 6


@pytest.mark.rule("ESM-310")
def test_a_slot_that_dies_before_its_delete_runs_them_twice():
    scene = Scene("esm.poller_lost", 0, 1, messages=3)
    assert [now for now, _ in scene.run()] == [0, 30]
    assert scene.mapping.snapshot().duplicates == 3
    assert scene.queue.snapshot().deleted == 3


@pytest.mark.rule("ESM-310")
def test_a_slot_that_dies_takes_an_open_batch_with_it():
    scene = Scene("esm.poller_lost", 0, 1, messages=1, batch_size=5, maximum_batching_window_in_seconds=9)
    scene.sim.call_at(3, scene.queue.send_message, "late")
    assert scene.run() == [(39, ["0"]), (42, ["late"])] or scene.batches == [(39, ["0", "late"])]
    assert scene.queue.snapshot().deleted == 2


@pytest.mark.rule("ESM-310", "ESM-089")
def test_a_slot_that_dies_before_its_delete_loses_what_was_left_over_too():
    small = BatchWindowModel(payload_bytes=1_000)
    scene = Scene("esm.poller_lost", 0, 1, messages=3, settings=[small, ONE_SLOT])
    scene.sim.run(until=1)
    assert [len(batch) for _, batch in scene.batches] == [2]
    assert (scene.mapping.snapshot().held, scene.queue.snapshot().in_flight) == (0, 3)
    assert [now for now, _ in scene.run()] == [0, 30, 31]
    assert scene.queue.snapshot().deleted == 3


@pytest.mark.rule("ESM-310", "ESM-089")
def test_what_was_left_over_when_a_slot_died_is_waited_for():
    """The second message came with another receive, and did not fit; both are dead letters at their deadlines."""
    given = {"maximum_batching_window_in_seconds": 5, "settings": [BatchWindowModel(payload_bytes=700), ONE_SLOT]}
    scene = Scene("esm.poller_lost", 0, 0, 1, **given)
    dead = scene.sim.create_queue("dead")
    scene.queue.set_queue_attributes(redrive_policy=RedrivePolicy(dead, max_receive_count=1))
    scene.sim.call_at(2, scene.queue.send_message, "1")
    assert scene.run() == [(2, ["0"])]
    assert (len(dead.messages), scene.sim.now) == (2, 32)


@pytest.mark.rule("ESM-310")
def test_one_entry_of_a_delete_may_be_refused():
    scene = Scene("esm.delete_fails", 2, messages=3)
    assert scene.run() == [(0, ["0", "1", "2"]), (30, ["1"])]
    assert scene.asked("esm.delete_fails")[0] == 4
    assert scene.mapping.snapshot().deleted_event_count == 3


@pytest.mark.rule("ESM-150", "ESM-310")
def test_an_attempt_may_end_with_a_failure_of_lambda():
    scene = Scene("esm.system_error", 1)
    assert scene.run() == [(1, ["0"])]
    assert scene.worker.snapshot().throttles == 0
    assert scene.mapping.snapshot().failed_invoke_event_count == 1


@pytest.mark.rule("ESM-107", "ESM-310")
def test_a_slot_that_should_retire_may_live_for_one_more_turn():
    """Ten slots, of which eight are too many from 4.75 s on; their turns end from 5.0 to 5.8 s."""

    def in_flight(answer):
        scene = Scene("esm.overshoot", *[answer] * 50, messages=200, batch_size=1, maximum_concurrency=10)
        scene.run(until=4.75)
        scene.mapping.update_event_source_mapping(maximum_concurrency=2)
        found = []
        for at in (4.75, 5.7, 6.9):
            scene.run(until=at)
            found.append(scene.worker.snapshot().in_flight)
        return found

    assert in_flight(0) == [10, 2, 2]
    assert in_flight(1) == [10, 10, 2]


@pytest.mark.rule("ESM-101", "ESM-107", "ESM-310")
@pytest.mark.parametrize(
    ("answers", "pollers"),
    [
        ((), [5, 2, 2, 2]),
        ((1,) * 50, [5, 5, 2, 2]),  # each of the three is asked once
        ((1,), [5, 3, 2, 2]),
        ((0, 1), [5, 3, 2, 2]),
    ],
    ids=str,
)
def test_a_slot_may_live_for_one_more_receive_after_an_empty_one(answers, pollers):
    """Five slots wait from 0 on; after 300 s three of them are too many, and their receives end at that instant."""
    scene = Scene("esm.overshoot", *answers, messages=0)
    found = []
    for at in (299.999, 300, 320, 400):
        scene.run(until=at)
        found.append(scene.mapping.snapshot().pollers)
    assert found == pollers
    assert len(scene.asked("esm.overshoot")) == 3
    assert scene.mapping.snapshot().empty_receives == 5 * 15 + 2 * 5 + sum(answers[:3])


@pytest.mark.rule("ESM-170", "ESM-310")
@pytest.mark.parametrize(("answer", "second"), [(0, 1), (1, 0.5), (2, 1.5)])
def test_the_delay_of_a_retry_may_differ(answer, second):
    scene = Scene("esm.retry_delay", answer)
    scene.worker.put_function_concurrency(0)
    scene.sim.call_at(0.25, scene.worker.delete_function_concurrency)
    assert scene.run() == [(second, ["0"])]


@pytest.mark.rule("ESM-088", "ESM-310")
def test_a_batch_may_wait_as_on_a_quiet_queue():
    scene = Scene("esm.window", 1, batch_size=5, maximum_batching_window_in_seconds=5)
    assert scene.run() == [(20, ["0"])]


@pytest.mark.rule("ESM-152", "ESM-310")
def test_lambda_may_stop_a_mapping():
    scene = Scene("esm.disabled_by_lambda", 1, messages=2)
    assert scene.run() == []
    assert (scene.mapping.state, scene.mapping.state_transition_reason) == ("Disabled", "LAMBDA_INITIATED")
    found = scene.mapping.snapshot()
    assert (found.attempts, found.invoked_event_count, found.failed_invoke_event_count) == (1, 2, 2)
    scene.mapping.update_event_source_mapping(enabled=True)
    scene.sim.run(until=40)
    assert scene.batches == [(30, ["0", "1"])]


# ---- quiet queues


@pytest.mark.rule("ESM-415", "ESM-088")
@pytest.mark.parametrize(("sent_at", "invoked"), [((0,), [(20, 1)]), ((0, 3, 6), [(6, 3)]), ((0, 3), [(23, 2)])])
def test_on_a_quiet_queue_a_window_ends_with_a_receive(sent_at, invoked):
    """The worked timeline, and a message within the window, whose receive goes on for 20 s."""
    scene = Scene(
        faults=None,
        messages=0,
        settings=[BatchWindowModel.LOW_TRAFFIC],
        batch_size=10,
        maximum_batching_window_in_seconds=5,
    )
    for at in sent_at:
        scene.sim.call_at(at, scene.queue.send_message, str(at))
    assert [(now, len(batch)) for now, batch in scene.run()] == invoked


@pytest.mark.rule("ESM-088")
@pytest.mark.parametrize(("at", "first"), [(5 - US, 2), (Decimal(5), 2), (5 + US, 2)])
def test_the_window_is_looked_at_when_a_receive_returns(at, first):
    """A message at the end of the window or after it closes the batch at once, one before leaves it open."""
    scene = Scene(
        faults=None,
        messages=0,
        settings=[BatchWindowModel.LOW_TRAFFIC],
        batch_size=10,
        maximum_batching_window_in_seconds=5,
    )
    scene.sim.call_at(0, scene.queue.send_message, "a")
    scene.sim.call_later(at, scene.queue.send_message, "b")
    ((now, batch),) = scene.run()
    assert len(batch) == first
    assert now == (float(at) if at >= 5 else float(at + 20))


@pytest.mark.rule("ESM-088")
@pytest.mark.parametrize(("window", "invoked"), [(19, 20), (20, 20), (21, 40), (40, 40)])
def test_a_window_that_ends_with_a_receive_is_over(window, invoked):
    scene = Scene(
        faults=None,
        visibility=300,
        settings=[BatchWindowModel.LOW_TRAFFIC],
        maximum_batching_window_in_seconds=window,
    )
    assert scene.run() == [(invoked, ["0"])]


@pytest.mark.rule("ESM-088", "ESM-082")
def test_receives_of_a_batch_that_waits_as_on_a_quiet_queue_are_counted_by_their_own_length():
    """One slot, one batch with receives of 25 s, where those without a batch have 20 s."""
    quiet = BatchWindowModel(mode="low_traffic_20s", low_traffic_wait_s=25)
    scene = Scene(
        faults=None,
        visibility=300,
        settings=[quiet, ONE_SLOT],
        maximum_batching_window_in_seconds=60,
    )
    found = []
    for at in (24, 25, 49):
        scene.sim.run(until=at)
        found.append((scene.mapping.snapshot().empty_receives, scene.mapping.empty_receives_by_minute()))
    assert found == [(0, {}), (1, {0: 1}), (1, {0: 1})]
    scene.sim.call_at(49, scene.queue.send_message, "late")  # the receive that began at 25 s returns
    scene.sim.run(until=50)
    assert scene.mapping.snapshot().empty_receives == 1


@pytest.mark.rule("ESM-088", "ESM-290")
def test_a_window_longer_than_a_receive_goes_on_with_another():
    scene = Scene(
        faults=None,
        messages=1,
        visibility=300,
        settings=[BatchWindowModel.LOW_TRAFFIC],
        batch_size=10,
        maximum_batching_window_in_seconds=50,
    )
    assert scene.run() == [(60, ["0"])]
    assert scene.queue.snapshot().received == 1


@pytest.mark.rule("ESM-310", "ESM-002")
@pytest.mark.parametrize("seed", range(12))
def test_whatever_goes_wrong_no_message_is_lost(seed):
    faults = EsmFaults(
        dispatch=0.3,
        poll_error=0.2,
        split_receive=0.3,
        poller_lost=0.1,
        delete_fails=0.1,
        system_error=0.1,
        overshoot=0.3,
        retry_delay=0.3,
        window=0.3,
    )
    sim = Simulation(seed=seed, faults=faults)
    dead = sim.create_queue("dead")
    orders = sim.create_queue("orders", redrive_policy=RedrivePolicy(dead, max_receive_count=20))
    worker = sim.create_function("worker", duration=2, failure_rate=0.1)
    window = seed % 3
    mapping = sim.create_event_source_mapping(
        orders, worker, batch_size=20 if window else 10, maximum_batching_window_in_seconds=window
    )
    for number in range(200):
        orders.send_message(str(number))
        if number % 20 == 0:
            sim.run_for(number % 7)
            sim.check_invariants()
    sim.run()
    sim.check_invariants()
    assert orders.snapshot().deleted + dead.snapshot().total == 200
    assert mapping.snapshot().held == 0


@pytest.mark.rule("ESM-088", "ESM-082")
def test_a_slot_whose_batch_waited_as_on_a_quiet_queue_polls_as_usual_afterwards():
    """Five slots with receives of 10 s end fifty of them in 100 s, also those that had a batch with waits of 25 s."""
    quiet = BatchWindowModel(mode="low_traffic_20s", low_traffic_wait_s=25)
    sim = Simulation(settings=[PollModel(wait_s=10), quiet])
    orders = sim.create_queue("orders", visibility_timeout=60)
    mapping = sim.create_event_source_mapping(
        orders, sim.create_function("worker"), maximum_batching_window_in_seconds=1, maximum_concurrency=5
    )
    orders.send_message("order")
    sim.run(until=50)
    assert mapping.snapshot().deleted_event_count == 1
    before = mapping.snapshot().empty_receives
    sim.run(until=150)
    found = mapping.snapshot().empty_receives
    assert found - before == 50
    assert sum(mapping.empty_receives_by_minute().values()) == found
