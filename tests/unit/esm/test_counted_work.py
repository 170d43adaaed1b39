"""
What a mapping asks of the agenda: exact numbers, so that a loss of speed shows without a stop watch.

First the entries that go through the heap, then all operations: what is put on the agenda, for good or to be given up,
what follows at once (`soon`), and what is given up.

Each bound is what was counted when the test was written. A smaller count is welcome: lower the bound then.
"""

from __future__ import annotations

import pytest

from lambdasim import BackoffModel, ScalingModel, ScalingRate, Simulation
from lambdasim.clock import clock as clock_module
from tests.counting import AgendaWork


@pytest.fixture
def pushes(monkeypatch):
    """A list that grows by one with each entry put on the agenda."""
    counted = []
    push = clock_module.heappush

    def counting(heap, entry):
        counted.append(1)
        push(heap, entry)

    monkeypatch.setattr(clock_module, "heappush", counting)
    return counted


class Uneven:
    """Durations of half a second to one and a half: no two slots end at one instant."""

    def sample(self, random):
        return 0.5 + random.random()


def backlog(messages, duration, handler=None, *, trace=0, visibility=30, reserve=None, groups=0, **given):
    sim = Simulation(trace=trace)
    fifo = {"content_based_deduplication": True} if groups else {}
    queue = sim.create_queue("orders.fifo" if groups else "orders", visibility_timeout=visibility, **fifo)
    for number in range(messages):
        queue.send_message(f"order {number}", **({"message_group_id": f"{number % groups}"} if groups else {}))
    worker = sim.create_function("worker", handler, duration=duration, reserved_concurrent_executions=reserve)
    return sim, queue, worker, sim.create_event_source_mapping(queue, worker, **given)


def test_a_busy_slot_takes_one_entry_per_batch(pushes):
    sim, queue, worker, _ = backlog(10_000, Uneven(), maximum_concurrency=5)
    pushes.clear()
    sim.run()
    assert (queue.snapshot().deleted, worker.snapshot().invocations) == (10_000, 1_000)
    assert len(pushes) <= 1_025  # the end of each invocation, and what begins and ends the run


def test_growth_adds_one_entry_per_tick_that_matters(pushes):
    sim, _, worker, mapping = backlog(10_000, Uneven())
    pushes.clear()
    sim.run()
    assert (worker.snapshot().invocations, mapping.snapshot().pollers) == (1_000, 97)
    assert len(pushes) <= 1_202  # 92 ticks, and the first turn of 92 slots more


def test_slots_that_end_at_one_instant_take_four_entries_per_batch(pushes):
    """Where events of one instant have to be put in order, each step of a turn is an event of its own."""
    sim, _, worker, _ = backlog(10_000, 1, maximum_concurrency=5)
    pushes.clear()
    sim.run()
    assert worker.snapshot().invocations == 1_000
    assert len(pushes) <= 4_020


def test_a_batch_of_a_hundred_takes_no_more_entries_than_one_of_ten(pushes):
    sim, _, worker, _ = backlog(
        10_000, Uneven(), batch_size=100, maximum_batching_window_in_seconds=1, maximum_concurrency=5
    )
    pushes.clear()
    sim.run()
    assert worker.snapshot().invocations == 100
    assert len(pushes) <= 225  # the end of the window is a second one


def test_a_trickle_takes_five_entries_per_message(pushes):
    """Arrival, attempt, end, the check whether all slots wait, and the timer of the idle economy."""
    sim, queue, worker, _ = backlog(0, 0.2)
    sim.run(until=0)
    sim.feed(queue, range(1_000))
    pushes.clear()
    sim.run()
    assert worker.snapshot().invocations == 1_000
    assert len(pushes) <= 4_771


def test_a_throttled_mapping_takes_one_entry_per_attempt(pushes):
    sim, _, worker, mapping = backlog(50, 1, visibility=40_000, reserve=0, settings=[BackoffModel.OFF])
    pushes.clear()
    sim.run(until=10_000)
    assert (worker.snapshot().throttles, mapping.snapshot().pollers) == (2_520, 5)
    assert len(pushes) <= 2_536


@pytest.mark.rule("ESM-082", "ESM-291")
@pytest.mark.parametrize(("maximum_concurrency", "receives"), [(None, 405 + 360 * 8_759), (10, 900 * 8_760)])
def test_a_year_of_an_empty_queue_is_a_handful_of_entries_and_all_its_requests(pushes, maximum_concurrency, receives):
    sim, queue, _, mapping = backlog(0, 1, trace=None, maximum_concurrency=maximum_concurrency)
    sim.run(until=365 * 86_400)
    assert len(pushes) <= 9
    assert mapping.snapshot().empty_receives == receives
    assert queue.snapshot().requests == queue.snapshot().billed_requests == receives
    assert sim.trace.records == () or {r.kind for r in sim.trace.records} == {"concurrency limit changed"}


def test_an_idle_mapping_leaves_nothing_on_the_agenda():
    sim, *_ = backlog(0, 1)
    sim.run(until=3_600)
    assert sim.clock.pending == 0


def test_what_is_waited_for_does_not_depend_on_the_number_of_messages(pushes):
    counts = []
    for messages in (1_000, 10_000):
        sim, _, worker, _ = backlog(messages, Uneven(), maximum_concurrency=5)
        pushes.clear()
        sim.run_until(lambda worker=worker: worker.snapshot().invocations == 90)
        counts.append(len(pushes))
    assert counts[0] == counts[1]


# ---- operations


def counted_run(*args, until=None, **given):
    """Return what a run asks of the agenda by name, with its queue, function and mapping."""
    sim, *others = backlog(*args, **given)
    with AgendaWork() as work:
        sim.run(until=until)
    return (work.counts, *others)


def takes_all(event, context):
    """Succeed."""


def fails(event, context):
    raise ValueError


def names_half(event, context):
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"][::2]]}


@pytest.mark.parametrize("handler", [None, takes_all], ids=["no handler", "a handler"])
@pytest.mark.parametrize("duration", [Uneven(), 1], ids=["one by one", "together"])
@pytest.mark.parametrize(("batch_size", "groups"), [(1, 0), (10, 0), (1, 200), (10, 200)])
@pytest.mark.filterwarnings("ignore:handlers read the real clock")
def test_a_busy_mapping_asks_four_things_of_the_agenda_per_batch(batch_size, groups, duration, handler):
    """The end of the invocation; and at its instant what follows from it, the next turn, and the next attempt."""
    counts, queue, worker, _ = counted_run(
        200 * batch_size, duration, handler, batch_size=batch_size, maximum_concurrency=5, groups=groups
    )
    assert (queue.snapshot().deleted, worker.snapshot().invocations) == (200 * batch_size, 200)
    assert counts["schedule"] <= 200
    assert counts["soon"] <= 605
    assert counts["timer"] <= 9
    assert counts["cancel"] == 0


@pytest.mark.parametrize("slots", [10, 1_250])
def test_it_asks_no_more_with_1250_invocations_in_flight(slots):
    sim = Simulation(trace=0, concurrent_executions=2_000, settings=[ScalingRate(mode="off")])
    queue = sim.create_queue("orders")
    for _ in range(4 * slots):
        queue.send_message("order")
    worker = sim.create_function("worker", duration=Uneven())
    scaling = ScalingModel(initial=slots, step_per_minute=0)
    mapping = sim.create_event_source_mapping(queue, worker, batch_size=1, settings=[scaling])
    with AgendaWork() as work:
        sim.run(until=0)
        assert mapping.snapshot().in_flight == slots
        sim.run()
    assert (queue.snapshot().deleted, worker.snapshot().invocations) == (4 * slots, 4 * slots)
    assert work.total <= 4 * (4 * slots) + slots + 9  # the first turn of each slot


@pytest.mark.parametrize(("batch_size", "batches"), [(100, 100), (10_000, 1)])
def test_a_window_adds_one_timer_per_batch_however_many_receives_fill_it(batch_size, batches):
    counts, queue, worker, _ = counted_run(
        10_000, Uneven(), batch_size=batch_size, maximum_batching_window_in_seconds=1, maximum_concurrency=5
    )
    assert (queue.snapshot().deleted, worker.snapshot().invocations) == (10_000, batches)
    assert counts["schedule"] <= batches
    assert counts["soon"] <= 3 * batches + 5
    assert counts["timer"] <= batches + 5
    assert counts["cancel"] <= batches


def test_a_window_that_ends_by_itself_takes_no_more():
    """A batch for each message: arrival, window, attempt, end, result and turn, and the look whether all slots wait."""
    sim, queue, worker, _ = backlog(0, 0.2, batch_size=100, maximum_batching_window_in_seconds=1, maximum_concurrency=5)
    sim.run(until=0)
    with AgendaWork() as work:
        for number in range(1_000):
            sim.call_at(2 * number, queue.send_message, "order")
        sim.run()
    assert (queue.snapshot().deleted, worker.snapshot().invocations) == (1_000, 1_000)
    assert work.total <= 7_072  # and a timer for their visibility, every 30 s


@pytest.mark.filterwarnings("ignore:handlers read the real clock")
def test_half_of_a_batch_that_comes_back_is_one_more_timer_at_most():
    counts, queue, worker, _ = counted_run(
        1_000,
        Uneven(),
        names_half,
        maximum_concurrency=5,
        function_response_types=("ReportBatchItemFailures",),
        until=20,
    )
    batches = worker.snapshot().invocations
    assert (batches, queue.snapshot().deleted) == (100, 500)
    assert counts.total() <= 4 * batches + 20


@pytest.mark.filterwarnings("ignore:handlers read the real clock")
def test_a_batch_that_fails_adds_its_return_and_the_wake_up_after_it():
    """Beside a control tick a second, and five growth ticks, at most."""
    counts, queue, worker, _ = counted_run(1_000, Uneven(), fails, maximum_concurrency=5, until=300)
    batches = worker.snapshot().invocations
    assert (batches, queue.snapshot().deleted) == (1_005, 0)
    assert counts["schedule"] + counts["soon"] <= 5 * batches
    assert counts["timer"] <= batches + 6 * 300


@pytest.mark.parametrize("kept", [0, 1, 10], ids=lambda kept: f"{kept} of ten")
def test_records_that_are_filtered_are_asked_nothing_for(kept):
    """Each run of ten has a batch, if any of them is kept."""
    pattern = '{"body":[%s]}' % (",".join(f'{{"suffix":"{digit}"}}' for digit in range(kept)) or '"none"')
    counts, queue, worker, _ = counted_run(
        2_000, Uneven(), maximum_concurrency=5, filter_criteria={"Filters": [{"Pattern": pattern}]}
    )
    batches = 200 if kept else 0
    assert (queue.snapshot().deleted, worker.snapshot().invocations) == (2_000, batches)
    assert counts.total() <= 4 * batches + 16


@pytest.mark.parametrize("messages", [50, 5_000])
@pytest.mark.parametrize(("reserve", "visibility"), [(0, 40_000), (1, 40_000), (0, 30), (1, 30)])
def test_a_throttled_attempt_asks_two_things_of_the_agenda_at_most(reserve, visibility, messages):
    """The next retry; or, of a batch that is dropped, the return of its messages and the next turn."""
    counts, queue, worker, mapping = counted_run(
        messages, 1, batch_size=1, reserve=reserve, visibility=visibility, settings=[BackoffModel.OFF], until=100
    )
    found = worker.snapshot()
    assert found.throttles > 200
    assert (found.invocations > 0) is (reserve > 0)
    assert queue.snapshot().deleted == found.invocations - found.in_flight
    slots = mapping.snapshot().pollers
    assert counts.total() <= 2 * found.throttles + 4 * found.invocations + 2 * slots + 20


@pytest.mark.parametrize("messages", [50, 5_000])
@pytest.mark.parametrize(("reserve", "visibility"), [(0, 40_000), (1, 40_000), (0, 30), (1, 30)])
def test_back_off_adds_its_ticks_and_no_more(reserve, visibility, messages):
    """A control tick a second, and five growth ticks, at most."""
    counts, _, worker, _ = counted_run(messages, 1, batch_size=1, reserve=reserve, visibility=visibility, until=300)
    found = worker.snapshot()
    assert found.throttles > 50
    assert counts.total() <= 2 * found.throttles + 4 * found.invocations + 6 * 300


@pytest.mark.rule("ESM-082")
@pytest.mark.parametrize(
    ("given", "most"), [({}, 9), ({"maximum_concurrency": 10}, 9), ({"minimum_pollers": 20}, 201)], ids=str
)
def test_looking_at_an_idle_mapping_asks_nothing_of_the_agenda(given, most):
    """A year long nothing but the first turn of each slot, and the economy of idle slots."""
    totals = []
    for looks in (1, 200):
        sim, queue, _, mapping = backlog(0, 1, **given)
        with AgendaWork() as work:
            for look in range(1, looks + 1):
                sim.run(until=365 * 86_400 * look // looks)
                assert mapping.snapshot().empty_receives == queue.snapshot().requests > 0
        totals.append(work.total)
    assert totals[0] == totals[1] <= most
