"""Every run up to a bound, and many seeds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdasim import Faults, Scripted
from lambdasim.errors import UsageError
from lambdasim.testing import explore
from lambdasim.testing.building import build

DUPLICATES = Faults(duplicate_probability=0.5)


def count_runs(sim):
    """Let two messages be run; return how many runs there were, and when it was over."""
    orders = sim.create_queue("orders")
    worker = sim.create_function("worker", duration=2)
    sim.create_event_source_mapping(orders, worker, batch_size=1)
    for body in "ab":
        orders.send_message(body)
    sim.run()
    return worker.snapshot().invocations


def charge_once(sim):
    done, charges = sim.remote(set()), sim.remote([])

    def charge(event, _):
        for record in event["Records"]:
            if record["body"] not in done:
                charges.append(record["body"])
                done.add(record["body"])

    orders = sim.create_queue("orders")
    sim.create_event_source_mapping(orders, sim.create_function("charge", charge))
    for body in ("o-1", "o-2"):
        orders.send_message(body)
    sim.run()
    assert sorted(charges) == ["o-1", "o-2"]


@pytest.mark.parametrize(
    ("departures", "runs", "outcomes"), [(0, 1, {2: 1}), (1, 7, {2: 1, 3: 6}), (2, 34, {2: 1, 3: 6, 4: 27})]
)
def test_runs_and_distinct_outcomes_are_counted(departures, runs, outcomes):
    found = explore(count_runs, departures=departures, faults=DUPLICATES)
    assert (runs, True) == (found.runs, found.is_complete)
    assert outcomes == {outcome: seen.times for outcome, seen in found.outcomes.items()}
    assert [] == found.failures


def test_each_outcome_has_a_script_that_leads_there():
    found = explore(count_runs, departures=2, faults=DUPLICATES)
    for outcome, seen in found.outcomes.items():
        assert outcome == count_runs(build(Scripted(seen.script), DUPLICATES))


def test_outcomes_that_have_no_hash_are_told_apart_by_what_they_show():
    found = explore(lambda sim: {"runs": count_runs(sim)}, faults=DUPLICATES)
    assert ["{'runs': 2}", "{'runs': 3}"] == list(found.outcomes)


def test_budgets_end_it_before_it_is_complete():
    by_runs = explore(count_runs, faults=DUPLICATES, runs=3)
    by_time = explore(count_runs, faults=DUPLICATES, simulated=5)
    assert (3, False) == (by_runs.runs, by_runs.is_complete)
    assert (3, False) == (by_time.runs, by_time.is_complete)  # 2 s, 4 s: the third begins before 5 s are spent
    assert by_time.simulated_us >= 5_000_000
    assert "3 runs, and there are more; " in str(by_runs)


def test_a_run_that_raises_ends_it_with_the_simplest_of_its_kind():
    with pytest.raises(AssertionError) as raised:
        explore(charge_once, departures=2)
    last = raised.value.__notes__[-1]
    assert "@replay(" in last
    assert ";" not in last


def test_runs_that_raise_can_be_listed_instead():
    found = explore(charge_once, faults=DUPLICATES, fails=False)
    assert [AssertionError] * len(found.failures) == [type(failure.error) for failure in found.failures]
    assert "duplicate orders#1 @0" in [failure.script for failure in found.failures]
    assert f"{len(found.failures)} failures" in str(found)


def test_seeds_draw_lots_and_a_number_of_them_counts_from_0():
    few, listed = (
        explore(count_runs, seeds=20, faults=DUPLICATES),
        explore(count_runs, seeds=range(20), faults=DUPLICATES),
    )
    assert (few.runs, few.outcomes) == (20, listed.outcomes)
    assert len(few.outcomes) > 1
    for outcome, seen in few.outcomes.items():
        assert outcome == count_runs(build(None, DUPLICATES, seed=seen.seed))


def test_seeds_can_be_played_elsewhere_with_the_same_outcome():
    """Whoever executes them: chunks come back in order."""
    alone = explore(count_runs, seeds=150, faults=DUPLICATES)
    with ThreadPoolExecutor(1) as executor:
        apart = explore(count_runs, seeds=150, faults=DUPLICATES, executor=executor)
    assert alone == apart


def test_a_seed_that_fails_elsewhere_is_told_here():
    with ThreadPoolExecutor(1) as executor, pytest.raises(AssertionError) as raised:
        explore(charge_once, seeds=200, faults=DUPLICATES, executor=executor)
    assert "duplicate" in "\n".join(raised.value.__notes__)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"scenario": 5}, "scenario=5"), ({"executor": 5}, "executor="), ({"departures": -1}, "departures=-1")],
)
def test_what_means_nothing_is_refused(arguments, text):
    with pytest.raises(UsageError, match=text):
        explore(**{"scenario": count_runs, **arguments})


def test_a_long_one_shows_how_far_it_has_come(capsys):
    explore(count_runs, departures=2, faults=DUPLICATES, progress=True)
    shown = capsys.readouterr()
    assert "" == shown.out
    explore(count_runs, departures=2, faults=DUPLICATES, progress=False)
    assert ("", "") == capsys.readouterr()
