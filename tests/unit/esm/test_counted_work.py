"""
How many entries a mapping puts on the agenda: exact numbers, so that a loss of speed shows without a stop watch.

Each bound is what was counted when the test was written. A smaller count is welcome: lower the bound then.
"""

from __future__ import annotations

import pytest

from lambdasim import BackoffModel, Simulation
from lambdasim.clock import clock as clock_module


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


def backlog(messages, duration, *, trace=0, visibility=30, reserve=None, **given):
    sim = Simulation(trace=trace)
    queue = sim.create_queue("orders", visibility_timeout=visibility)
    for _ in range(messages):
        queue.send_message("order")
    worker = sim.create_function("worker", duration=duration, reserved_concurrent_executions=reserve)
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
    for messages in (1_000, 100_000):
        sim, _, worker, _ = backlog(messages, Uneven(), maximum_concurrency=5)
        pushes.clear()
        sim.run_until(lambda worker=worker: worker.snapshot().invocations == 90)
        counts.append(len(pushes))
    assert counts[0] == counts[1]
