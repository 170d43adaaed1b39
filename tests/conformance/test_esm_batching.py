"""Slots, polling and batching (ESM §5), with the worked timelines of batching windows."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from lambdasim import BatchWindowModel, PollModel, RedrivePolicy, ScalingModel, Simulation, SqsConfig

US = Decimal("0.000001")
ONE_SLOT = ScalingModel(initial=1, step_per_minute=0)


class Batches:
    """A mapping whose handler notes the instants and bodies of its batches."""

    def __init__(self, sim, queue, *, duration=1, timeout=30, answer=None, **given):
        self.sim = sim
        self.queue = queue
        self.events = []
        self.began = []
        self.answer = answer
        self.function = sim.create_function("worker", self._handle, duration=duration, timeout=timeout)
        self.mapping = sim.create_event_source_mapping(queue, self.function, **given)

    def _handle(self, event, context):
        self.began.append(self.sim.now)
        self.events.append(event["Records"])
        return self.answer

    @property
    def sizes(self):
        return [len(records) for records in self.events]

    @property
    def bodies(self):
        return [[record["body"] for record in records] for records in self.events]


def patient_queue(sim, **given):
    return sim.create_queue("orders", visibility_timeout=600, **given)


def send_at(sim, queue, *instants, body="order"):
    for at in instants:
        sim.call_at(at, queue.send_message, body)


# ---- ESM-080 to ESM-082: receives


@pytest.mark.rule("ESM-080")
def test_a_slot_polls_gathers_invokes_and_polls_again(sim):
    queue = patient_queue(sim)
    worker = Batches(sim, queue, maximum_batching_window_in_seconds=5, settings=[ONE_SLOT])
    send_at(sim, queue, 1, 2)
    table = [(0, "idle", 0, 0), (1, "active", 1, 0), (2, "active", 2, 0), (6, "active", 2, 1), (7, "idle", 0, 0)]
    for until, *wanted in table:
        sim.run(until=until)
        found = worker.mapping.snapshot()
        assert [found.phase, found.held, found.in_flight] == wanted
        assert found.pollers == 1


@pytest.mark.rule("ESM-081")
@pytest.mark.parametrize(
    ("batch_size", "window", "messages", "receives"),
    [(10, 0, 10, 1), (10, 0, 11, 2), (4, 0, 9, 3), (15, 1, 15, 2), (25, 1, 25, 3), (25, 1, 26, 4), (1, 0, 3, 3)],
)
def test_a_receive_asks_for_ten_or_for_what_is_left_of_the_batch(sim, batch_size, window, messages, receives):
    queue = patient_queue(sim)
    for _ in range(messages):
        queue.send_message("order")
    Batches(sim, queue, batch_size=batch_size, maximum_batching_window_in_seconds=window)
    sim.run(until=0)
    assert queue.snapshot().requests - messages == receives


@pytest.mark.rule("ESM-081", "ESM-010")
def test_a_receive_asks_for_no_more_than_the_model_says(sim):
    queue = patient_queue(sim)
    for _ in range(9):
        queue.send_message("order")
    worker = Batches(sim, queue, settings=[PollModel(max_per_receive=3)])
    sim.run(until=0)
    assert worker.sizes == [3, 3, 3]


@pytest.mark.rule("ESM-081")
def test_messages_are_in_flight_for_the_visibility_timeout_that_the_queue_has_at_that_moment(sim):
    queue = sim.create_queue("orders", visibility_timeout=40)
    worker = Batches(sim, queue, duration=30, answer=None)
    sim.run(until=0)
    queue.set_queue_attributes(visibility_timeout=35)
    queue.send_message("order")
    queue.set_queue_attributes(visibility_timeout=50)
    sim.run(until=34)
    assert worker.sizes == [1]
    worker.function.update_function_code(None)
    sim.run()
    assert queue.snapshot().deleted == 1


@pytest.mark.rule("ESM-081", "ESM-082", "ESM-290")
@pytest.mark.parametrize(
    ("at", "is_delay", "empty"),
    [
        (20 - US, False, 4),  # the first receive gets it; at 20 the other four end empty
        (Decimal(20), True, 4),  # a delay that ends with the receive: it is still returned
        (Decimal(20), False, 5),  # a call of that instant goes to the next receive
        (20 + US, False, 5),
    ],
)
def test_a_receive_ends_after_20_s_and_still_returns_what_becomes_visible_then(sim, at, is_delay, empty):
    queue = patient_queue(sim)
    worker = Batches(sim, queue)
    if is_delay:
        sim.run(until=0)
        queue.send_message("order", delay_seconds=20)
    else:
        send_at(sim, queue, at)
    sim.run(until=at + US)
    assert worker.began == [float(at)]
    sim.run(until=Decimal("20.5"))
    assert worker.mapping.snapshot().empty_receives == empty


@pytest.mark.rule("ESM-081")
def test_in_gathering_a_receive_lasts_what_is_left_of_the_window_but_at_most_20_s(sim):
    queue = patient_queue(sim)
    worker = Batches(sim, queue, batch_size=100, maximum_batching_window_in_seconds=50, settings=[ONE_SLOT])
    send_at(sim, queue, 3)
    counts = []
    for until in (Decimal("22.999999"), 23, Decimal("42.999999"), 43, Decimal("52.999999"), 53):
        sim.run(until=until)
        counts.append(worker.mapping.snapshot().empty_receives)
    assert counts == [0, 1, 1, 2, 2, 3]
    assert worker.began == [53]


@pytest.mark.rule("ESM-082")
def test_after_an_empty_receive_a_slot_polls_again_at_once_and_keeps_nothing_going(sim, queue):
    worker = Batches(sim, queue)
    sim.run()
    assert sim.now == 0
    for until, empty in ((Decimal("19.999999"), 0), (20, 5), (39, 5), (40, 10), (Decimal("299.999999"), 70), (300, 75)):
        sim.run(until=until)
        assert worker.mapping.snapshot().empty_receives == empty
        assert queue.snapshot().requests == empty


# ---- ESM-083: who gets a message


@pytest.mark.rule("ESM-083", "ESM-272")
@pytest.mark.parametrize(
    ("poll_at", "of_mapping"), [(Decimal("20.5"), True), (Decimal("19.5"), False), (Decimal(20), True)]
)
def test_the_place_of_a_mapping_in_line_is_that_of_its_longest_waiting_slot(sim, queue, poll_at, of_mapping):
    worker = Batches(sim, queue)  # the receives under way began at 20

    async def poll():
        await sim.sleep(poll_at)
        return await queue.wait_receive(wait_time_seconds=20)

    task = sim.spawn(poll())
    send_at(sim, queue, 25)
    sim.run(until=25)
    assert worker.sizes == ([1] if of_mapping else [])
    sim.run(until=41)
    assert len(task.result()) == (not of_mapping)


@pytest.mark.rule("ESM-083", "ESM-081")
def test_a_gathering_slot_waits_since_the_start_of_its_current_receive(sim):
    queue = patient_queue(sim)
    worker = Batches(sim, queue, batch_size=100, maximum_batching_window_in_seconds=60, settings=[ONE_SLOT])
    got = []

    async def poll():
        await sim.sleep(10)
        got.extend(await queue.wait_receive(wait_time_seconds=20))

    sim.spawn(poll())
    send_at(sim, queue, 0)
    sim.run(until=25)
    queue.send_message("order")
    assert worker.mapping.snapshot().held == 1  # it asks since 20
    sim.run(until=26)
    assert len(got) == 1


@pytest.mark.rule("ESM-083", "ESM-081")
@pytest.mark.parametrize("window", [0, 60], ids=["polling", "gathering"])
@pytest.mark.parametrize(("sent_at", "of_mapping"), [(Decimal(0), True), (US, False)])
def test_a_receive_that_ends_when_a_message_becomes_visible_still_has_its_place(sim, window, sent_at, of_mapping):
    """Receives of the one slot begin at 0 and 20 s, the poll at 10 s; the message is visible 20 s after it was sent."""
    queue = patient_queue(sim)
    worker = Batches(sim, queue, maximum_batching_window_in_seconds=window, settings=[ONE_SLOT])
    if window:
        queue.send_message("of the open batch")

    async def poll():
        await sim.sleep(10)
        return await queue.wait_receive(wait_time_seconds=20)

    task = sim.spawn(poll())
    sim.call_at(sent_at, lambda: queue.send_message("late", delay_seconds=20))
    sim.run(until=40)
    assert len(task.result()) == (not of_mapping)
    assert worker.mapping.snapshot().polled_event_count == bool(window) + of_mapping


@pytest.mark.rule("ESM-083", "ESM-082")
def test_a_receive_that_followed_an_empty_one_has_begun_at_its_end(sim):
    """At 20 s one slot has just begun another receive; the other asks since 5 s, and has a window to 25 s."""
    queue = patient_queue(sim)
    settings = [ScalingModel(initial=2, step_per_minute=0)]
    worker = Batches(sim, queue, batch_size=2, maximum_batching_window_in_seconds=20, settings=settings)
    send_at(sim, queue, 4, 4, 20)
    sim.run()
    assert worker.began == [4, 25]


@pytest.mark.rule("ESM-083")
def test_when_its_turn_comes_a_mapping_makes_as_many_receives_as_its_slots_want(sim, queue):
    worker = Batches(sim, queue, batch_size=1)
    got = []

    async def poll():
        await sim.sleep(1)
        got.extend(await queue.wait_receive(wait_time_seconds=20, max_number_of_messages=10))

    sim.spawn(poll())
    sim.run(until=0)
    for number in range(9):
        queue.send_message(str(number), delay_seconds=5)  # visible at one instant
    sim.run(until=5)
    assert worker.bodies == [["0"], ["1"], ["2"], ["3"], ["4"]]
    assert [delivery.body for delivery in got] == ["5", "6", "7", "8"]


@pytest.mark.rule("ESM-083", "ESM-086")
def test_one_batch_is_filled_before_the_next_is_begun(sim):
    queue = patient_queue(sim)
    worker = Batches(sim, queue, batch_size=12, maximum_batching_window_in_seconds=5)
    send_at(sim, queue, *range(1, 6), *[5] * 9)
    sim.run()
    assert worker.began == [5, 10]
    assert worker.sizes == [12, 2]


@pytest.mark.rule("ESM-083")
def test_a_message_goes_to_the_slot_that_waits_longest(sim):
    # With a window a slot shows by its history which it is: only one that has invoked has a window already running.
    two_slots = [ScalingModel(initial=2)]
    queue = patient_queue(sim)
    worker = Batches(sim, queue, batch_size=100, maximum_batching_window_in_seconds=10, settings=two_slots)
    send_at(sim, queue, 0)  # slot 1: window 0–10, ends 11, waits from there
    send_at(sim, queue, 12)  # slot 2 waits since 0: window 12–22
    send_at(sim, queue, 23)  # slot 1 waits since 11: its window since then is over at 21; 23–33
    send_at(sim, queue, 34)  # slot 2, waiting since 23
    sim.run()
    assert worker.began == [10, 22, 33, 44]


@pytest.mark.rule("ESM-083", "ESM-089")
def test_of_two_gathering_slots_the_one_whose_window_ends_first_is_served():
    sim = Simulation(settings=[BatchWindowModel(payload_bytes=3_000), ScalingModel(initial=2, step_per_minute=0)])
    queue = patient_queue(sim)
    for _ in range(2):
        queue.send_message("x" * 2_000)
    worker = Batches(sim, queue, batch_size=100, maximum_batching_window_in_seconds=10, duration=2)
    sim.run(until=0)  # slot 1 invokes the first record; the second is left over
    send_at(sim, queue, 1, body="early")  # slot 2: window 1–11
    send_at(sim, queue, 3, body="late")  # slot 1 gathers from 2 on: window 2–12
    sim.run()
    assert worker.bodies == [["x" * 2_000], ["early", "late"], ["x" * 2_000]]
    assert worker.began == [0, 11, 12]


# ---- ESM-085 to ESM-087: when a batch closes


@pytest.mark.rule("ESM-085")
def test_without_a_window_a_batch_is_what_one_receive_returned(sim, queue):
    worker = Batches(sim, queue)
    send_at(sim, queue, 1, 1)
    for _ in range(13):
        queue.send_message("order")
    sim.run(until=0)
    assert worker.sizes == [10, 3]
    sim.run(until=2)
    assert worker.sizes == [10, 3, 1, 1]
    assert worker.began == [0, 0, 1, 1]


@pytest.mark.rule("ESM-086")
def test_with_a_window_a_batch_closes_when_it_is_full(sim):
    queue = patient_queue(sim)
    worker = Batches(sim, queue, batch_size=3, maximum_batching_window_in_seconds=10)
    send_at(sim, queue, 1, 2, 4, 5)
    sim.run()
    assert worker.began == [4, 15]
    assert worker.sizes == [3, 1]


@pytest.mark.rule("ESM-087")
@pytest.mark.parametrize(
    ("anchor", "arrives", "invoked"),
    [
        # the slot's first batch: 0 to 10, invoked, ends at 12
        ("previous_completion", Decimal(15), 22),
        ("previous_completion", 22 - US, 22),
        ("previous_completion", Decimal(22), 32),
        ("previous_completion", Decimal(30), 40),
        ("first_record", Decimal(15), 25),
        ("first_record", Decimal(30), 40),
    ],
)
def test_a_window_opens_when_the_previous_invocation_ends_or_else_with_the_first_record(anchor, arrives, invoked):
    sim = Simulation(settings=[ONE_SLOT, BatchWindowModel(anchor=anchor)])
    queue = patient_queue(sim)
    worker = Batches(sim, queue, duration=2, batch_size=100, maximum_batching_window_in_seconds=10)
    send_at(sim, queue, 0, arrives)
    sim.run()
    assert worker.began == [10, invoked]


@pytest.mark.rule("ESM-087", "LAM-002")
@pytest.mark.parametrize(
    ("at", "is_delay", "sizes"),
    [(10 - US, False, [2]), (Decimal(10), True, [2]), (Decimal(10), False, [1, 1]), (10 + US, False, [1, 1])],
)
def test_what_is_granted_at_the_end_of_a_window_is_in_the_batch_and_what_is_sent_then_is_not(sim, at, is_delay, sizes):
    queue = patient_queue(sim)
    worker = Batches(sim, queue, batch_size=100, maximum_batching_window_in_seconds=10)
    sim.run(until=0)
    queue.send_message("first")
    if is_delay:
        queue.send_message("second", delay_seconds=10)
    else:
        send_at(sim, queue, at, body="second")
    sim.run()
    assert worker.sizes == sizes
    assert worker.began[0] == 10


# ---- ESM-089 to ESM-094


@pytest.mark.rule("ESM-089")
def test_what_does_not_fit_is_invoked_next_without_another_receive(sim):
    queue = patient_queue(sim)
    for letter in "abcde":
        queue.send_message(letter * 2_000)
    settings = [BatchWindowModel(payload_bytes=5_100), ONE_SLOT]
    worker = Batches(sim, queue, settings=settings)
    sim.run(until=0)
    requests = queue.snapshot().requests
    assert worker.mapping.snapshot().held == 5
    sim.run(until=Decimal("2.5"))
    assert worker.began == [0, 1, 2]
    assert [[body[0] for body in bodies] for bodies in worker.bodies] == [["a", "b"], ["c", "d"], ["e"]]
    assert queue.snapshot().requests == requests + 2  # two deletes and no receive


@pytest.mark.rule("ESM-089")
def test_what_does_not_fit_into_an_open_batch_closes_it_and_heads_the_next_whose_window_runs_from_the_completion(sim):
    queue = patient_queue(sim)
    worker = Batches(
        sim,
        queue,
        duration=2,
        batch_size=100,
        maximum_batching_window_in_seconds=10,
        settings=[BatchWindowModel(payload_bytes=5_100), ONE_SLOT],
    )
    for at, letter in ((1, "a"), (2, "b"), (3, "c"), (7, "d")):
        send_at(sim, queue, at, body=letter * 2_000)
    sim.run()
    assert worker.began == [3, 15]  # at 3 the third does not fit; from 5 the window of the next
    assert [[body[0] for body in bodies] for bodies in worker.bodies] == [["a", "b"], ["c", "d"]]


@pytest.mark.rule("ESM-089", "ESM-083")
def test_a_batch_that_begins_with_what_was_left_over_asks_the_queue_again_at_once(sim):
    queue = patient_queue(sim)
    for _ in range(40):
        queue.send_message("x" * 1_000)
    worker = Batches(
        sim,
        queue,
        batch_size=100,
        maximum_batching_window_in_seconds=5,
        settings=[BatchWindowModel(payload_bytes=8_000), ONE_SLOT],
    )
    sim.run()
    full = worker.sizes[0]
    assert worker.sizes[:-1] == [full] * (len(worker.sizes) - 1)
    assert worker.began[:-1] == [float(number) for number in range(len(worker.sizes) - 1)]
    assert sum(worker.sizes) == 40


@pytest.mark.rule("ESM-089", "ESM-052")
@pytest.mark.parametrize(("size", "window", "sizes"), [(1, 0, [4, *[1] * 6]), (3, 0, [4, 3, 3]), (3, 5, [4, 3, 3])])
def test_what_is_left_over_makes_no_batch_larger_than_batches_may_be_by_then(sim, size, window, sizes):
    queue = patient_queue(sim)
    for number in range(10):
        queue.send_message(f"{number}{'x' * 2_000}")
    settings = [BatchWindowModel(payload_bytes=10_600), ONE_SLOT]
    worker = Batches(sim, queue, batch_size=10, settings=settings)
    sim.run(until=0)
    worker.mapping.update_event_source_mapping(batch_size=size, maximum_batching_window_in_seconds=window)
    sim.run()
    assert worker.sizes == sizes
    assert [body[0] for bodies in worker.bodies for body in bodies] == list("0123456789")
    sim.check_invariants()
    assert (queue.deleted, worker.mapping.snapshot().held) == (10, 0)


@pytest.mark.rule("ESM-089")
def test_what_is_left_over_has_been_in_flight_since_it_was_received(sim):
    queue = sim.create_queue("orders", visibility_timeout=30)
    for letter in "abc":
        queue.send_message(letter * 2_000)
    worker = Batches(sim, queue, duration=20, settings=[BatchWindowModel(payload_bytes=3_000), ONE_SLOT], answer=None)
    sim.run(until=29)
    assert worker.sizes == [1, 1]  # "b" from 20 to 40, "c" waits in the slot
    sim.run(until=30)
    assert queue.snapshot().visible == 2
    sim.run()
    # Both came back at 30, and nobody else received them: the deletes at 40 and 60 are still in time (SQS-273).
    assert [bodies[0][0] for bodies in worker.bodies] == ["a", "b", "c"]
    assert worker.began == [0, 20, 40]
    assert queue.snapshot().deleted == 3


@pytest.mark.rule("ESM-090")
@pytest.mark.parametrize("waits", [False, True], ids=["found", "sent to a waiting slot"])
@pytest.mark.parametrize("window", [0, 5])
def test_a_record_too_large_for_any_event_fails_alone_and_comes_back(sim, waits, window):
    queue = sim.create_queue("orders", visibility_timeout=30)
    worker = Batches(
        sim,
        queue,
        maximum_batching_window_in_seconds=window,
        settings=[BatchWindowModel(payload_bytes=1_500), ScalingModel(initial=2)],
    )
    if waits:
        sim.run(until=0)
    for body in ("small", "x" * 2_000, "also small"):
        queue.send_message(body)
    sim.run(until=20)
    assert sorted(body for bodies in worker.bodies for body in bodies) == ["also small", "small"]
    found = worker.mapping.snapshot()
    assert (found.failed_invoke_event_count, found.deleted_event_count, found.held) == (1, 2, 0)
    assert queue.snapshot().in_flight == 1
    assert (found.phase, found.pollers) == ("idle", 2)
    sim.run(until=30)
    assert worker.mapping.snapshot().failed_invoke_event_count == 2  # received again at 30, and given up again
    sim.check_invariants()


@pytest.mark.rule("ESM-090")
def test_a_record_too_large_for_any_event_is_waited_for_until_it_is_a_dead_letter(sim):
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=30, redrive_policy=RedrivePolicy(dead, max_receive_count=2))
    worker = Batches(sim, queue, settings=[BatchWindowModel(payload_bytes=1_500)])
    queue.send_message("x" * 2_000)
    sim.run()
    assert (sim.now, len(dead.messages), worker.events) == (60, 1, [])


@pytest.mark.rule("ESM-090")
def test_records_too_large_for_any_event_wear_no_slot_out(sim):
    queue = sim.create_queue("orders", visibility_timeout=30)
    worker = Batches(sim, queue, settings=[BatchWindowModel(payload_bytes=1_000)])
    sim.run(until=0)
    for _ in range(12):
        queue.send_message("x" * 2_000)
    sim.run(until=5)
    queue.send_message("small")
    sim.run(until=6)
    assert worker.bodies == [["small"]]
    found = worker.mapping.snapshot()
    assert (found.phase, found.pollers, found.failed_invoke_event_count) == ("idle", 5, 12)


@pytest.mark.rule("ESM-091", "ESM-142")
def test_a_slot_does_not_notice_that_visibility_ends_while_its_window_is_open(sim):
    queue = sim.create_queue("orders", visibility_timeout=30)
    worker = Batches(sim, queue, batch_size=100, maximum_batching_window_in_seconds=40)
    queue.send_message("order")
    sim.run(until=25)
    assert queue.snapshot().in_flight == 1
    (message,) = queue.messages
    sim.run(until=41)
    assert worker.began == [40]
    assert [record["attributes"]["ApproximateReceiveCount"] for record in worker.events[0]] == ["1", "2"]
    assert message.receive_count == 2


@pytest.mark.rule("ESM-093")
def test_at_the_in_flight_limit_receives_stay_open_and_room_wakes_them():
    sim = Simulation(settings=[SqsConfig(inflight_limit_standard=5)])
    queue = patient_queue(sim)
    for _ in range(4):
        queue.send_message("other")
    others = queue.receive_message(max_number_of_messages=4)
    worker = Batches(sim, queue, batch_size=3, duration=1)
    for number in range(4):
        queue.send_message(str(number))
    sim.run(until=Decimal("0.5"))
    assert worker.bodies == [["0"]]  # room for one
    sim.run(until=Decimal("0.7"))
    queue.delete_message(others[0].receipt_handle)
    sim.run(until=Decimal("0.8"))
    assert worker.began == [0, 0.7]
    sim.run(until=10)
    assert queue.snapshot().in_flight == 3
    assert sum(worker.sizes) == 4
    assert worker.mapping.snapshot().phase == "idle"


@pytest.mark.rule("ESM-093")
def test_twelve_slots_with_batches_of_10000_fill_a_queues_120000_in_flight():
    sim = Simulation(trace=0, settings=[ScalingModel(initial=13, step_per_minute=0)])
    queue = patient_queue(sim)
    send = queue.sender("order")
    for number in range(120_001):
        send(number)
    worker = sim.create_function("worker", duration=1)
    mapping = sim.create_event_source_mapping(queue, worker, batch_size=10_000, maximum_batching_window_in_seconds=60)
    sim.run(until=0)
    assert mapping.snapshot().in_flight == 12
    assert (queue.snapshot().in_flight, queue.snapshot().visible) == (120_000, 1)
    sim.run(until=1)
    assert queue.snapshot().deleted == 120_000
    assert queue.snapshot().in_flight == 1


@pytest.mark.rule("ESM-094")
@pytest.mark.parametrize("names", [False, True], ids=["succeeds", "named"])
def test_a_batch_may_hold_a_message_twice(sim, names):
    queue = sim.create_queue("orders", visibility_timeout=30)
    queue.send_message("twice")
    events = []

    def handler(event, context):
        events.append(event["Records"])
        failures = [{"itemIdentifier": event["Records"][0]["messageId"]}] if names else []
        return {"batchItemFailures": failures}

    worker = sim.create_function("worker", handler, duration=1)
    mapping = sim.create_event_source_mapping(
        queue,
        worker,
        batch_size=100,
        maximum_batching_window_in_seconds=40,
        function_response_types=["ReportBatchItemFailures"],
    )
    sim.call_at(35, queue.send_message, "once")
    sim.run(until=42)
    (records,) = events
    assert [record["body"] for record in records] == ["twice", "twice", "once"]
    assert len({record["receiptHandle"] for record in records}) == 3
    found = mapping.snapshot()
    assert queue.snapshot().deleted == (1 if names else 2)
    assert found.deleted_event_count == (1 if names else 3)  # with both handles; the old one removes nothing
    assert found.failed_invoke_event_count == (2 if names else 0)  # naming the id fails both records
    assert found.duplicates == 0  # one run (ESM-283)


@pytest.mark.rule("ESM-094")
def test_a_message_may_move_to_the_dead_letter_queue_while_a_slot_still_holds_it(sim):
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=30, redrive_policy=RedrivePolicy(dead, max_receive_count=1))
    queue.send_message("order")
    worker = Batches(sim, queue, batch_size=100, maximum_batching_window_in_seconds=40)
    sim.run(until=35)
    assert dead.snapshot().visible == 1
    assert worker.mapping.snapshot().held == 1
    sim.run()
    assert worker.bodies == [["order"]]
    assert dead.snapshot().visible == 1
    assert queue.snapshot().deleted == 0


# ---- worked timelines


@pytest.mark.rule("ESM-410", "ESM-086")
def test_window_ends(sim):
    queue = patient_queue(sim)
    worker = Batches(sim, queue, maximum_batching_window_in_seconds=40)
    send_at(sim, queue, 7, 14, 22, 31, 40)
    sim.run()
    assert (worker.began, worker.sizes) == ([47], [5])


@pytest.mark.rule("ESM-411", "ESM-086")
def test_batch_full(sim):
    queue = patient_queue(sim)
    worker = Batches(sim, queue, maximum_batching_window_in_seconds=40)
    send_at(sim, queue, *range(7, 35, 3))
    sim.run()
    assert (worker.began, worker.sizes) == ([34], [10])


@pytest.mark.rule("ESM-412", "ESM-089", "ESM-066")
def test_payload_full():
    def run(sender_id):
        sim = Simulation(settings=[SqsConfig(sender_id=sender_id), ONE_SLOT])
        queue = patient_queue(sim)
        worker = Batches(sim, queue, batch_size=100, maximum_batching_window_in_seconds=40)
        send_at(sim, queue, *range(7, 33), body="x" * 250_000)
        sim.run()
        return worker

    def size_of(value):
        return len(json.dumps(value, separators=(",", ":")))

    # The rule counts 725 bytes beside the body; a longer sender id makes up for what ours have less.
    missing = 250_725 - size_of(run("A").events[0][0])
    assert missing > 0
    worker = run("A" * (1 + missing))
    assert size_of(worker.events[0][0]) == 250_725
    assert size_of({"Records": worker.events[0]}) == 6_268_163
    assert size_of({"Records": worker.events[0] + worker.events[1]}) == 6_518_889
    assert worker.sizes == [25, 1]
    assert worker.began == [32, 32 + 1 + 40]  # the 26th heads the next batch of that slot


@pytest.mark.rule("ESM-413")
def test_greedy_filling(sim):
    queue = patient_queue(sim)
    for _ in range(30):
        queue.send_message("order")
    worker = Batches(sim, queue, batch_size=20, maximum_batching_window_in_seconds=1)
    sim.run()
    assert (worker.began, worker.sizes) == ([0, 1], [20, 10])


@pytest.mark.rule("ESM-414", "ESM-083", "ESM-087")
@pytest.mark.parametrize(
    ("slots", "second", "invoked"),
    [(5, 15, 25), (1, 15, 22), (1, 30, 40)],
    ids=["another slot", "window", "new window"],
)
def test_next_window(slots, second, invoked):
    sim = Simulation(settings=[ScalingModel(initial=slots)])
    queue = patient_queue(sim)
    worker = Batches(sim, queue, duration=2, batch_size=100, maximum_batching_window_in_seconds=10)
    send_at(sim, queue, 0, second)
    sim.run()
    assert (worker.began, worker.sizes) == ([10, invoked], [1, 1])
    assert worker.function.invocations[0].ended_at_us == 12_000_000
