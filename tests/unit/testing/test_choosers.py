"""Choosers that walk every combination, and those that play a plan."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import EsmFaults, Faults, Simulation, SqsFaults
from lambdasim.clock import ChoicePoint
from lambdasim.errors import UsageError
from lambdasim.faults import GROUPS
from lambdasim.testing import Exhaustive
from lambdasim.testing.choosers import Planned, points_of


def ask(chooser, name, options, subject="x"):
    return chooser.choose(ChoicePoint(name=name, owner="arn", weight=0.5, about=subject), range(options))


@given(st.lists(st.integers(1, 4), max_size=4), st.none() | st.integers(0, 4))
def test_every_combination_is_walked_once(counts, departures):
    """Beside a naive one: all tuples of options with so many of them not 0."""
    walked = [
        tuple(ask(chooser, f"p{place}", count) for place, count in enumerate(counts))
        for chooser in Exhaustive(departures)
    ]
    expected = [
        options
        for options in product(*map(range, counts))
        if departures is None or sum(option > 0 for option in options) <= departures
    ]
    assert sorted(walked) == expected
    assert len(set(walked)) == len(walked)


def test_what_is_asked_may_depend_on_what_was_chosen():
    """A tree: the second question is asked on one branch only."""
    walked = []
    for chooser in Exhaustive():
        first = ask(chooser, "first", 2)
        walked.append((first, ask(chooser, "second", 3)) if first else (first,))
    assert [(0,), (1, 0), (1, 1), (1, 2)] == walked


def test_a_scenario_that_is_not_the_same_in_every_run_is_refused():
    names = iter("ab")
    runs = iter(Exhaustive())
    ask(next(runs), next(names), 2)
    again = next(runs)
    with pytest.raises(UsageError, match="not the same in every run"):
        ask(again, next(names), 2)


def test_a_run_that_is_not_played_is_refused():
    runs = iter(Exhaustive())
    ask(next(runs), "a", 2)
    next(runs)
    with pytest.raises(UsageError, match="asked less"):
        next(runs)


@pytest.mark.parametrize("bound", [-1, 1.5, True, "2"])
def test_a_bound_is_a_number_of_choices(bound):
    with pytest.raises(UsageError, match="departures="):
        Exhaustive(bound)


@pytest.mark.rule("SQS-306")
@pytest.mark.parametrize(("departures", "expected"), [(0, 1), (1, 1 + 6), (2, 1 + 6 + 9 + 18)])
def test_two_messages_that_may_come_twice_are_as_many_runs_as_counted_by_hand(departures, expected):
    """
    Each delivery of two messages may be followed by another, at one of three instants while the first one runs.

    None: 1. One: either message, three instants, 2 * 3. Two: the first deliveries of both, 3 * 3; or the first and the
    second delivery of one of them, 2 * 3 * 3. Each run is distinct.
    """
    faults = SqsFaults(duplicate_probability=0.5, duplicate_delay_s=(0, 1))
    scripts, traces = [], []
    for choices in Exhaustive(departures):
        sim = Simulation(choices=choices, faults=faults)
        orders = sim.create_queue("orders")
        sim.create_event_source_mapping(orders, sim.create_function("worker", duration=2), batch_size=1)
        for body in "ab":
            orders.send_message(body)
        sim.run()
        assert 2 == orders.snapshot().deleted
        assert 2 + len(sim.departures) == sim.function("worker").snapshot().invocations
        scripts.append(sim.script)
        traces.append(sim.trace.to_json_lines())
    assert expected == len(scripts) == len(set(scripts)) == len(set(traces))


def test_a_plan_answers_the_questions_that_it_names_and_takes_all_down():
    chooser = Planned({("a", "x", 0, 1): 2, ("b", "y", 0, 1): 9})
    assert [2, 0, 0] == [ask(chooser, "a", 3), ask(chooser, "a", 3, "y"), ask(chooser, "b", 3, "y")]
    assert [("a", "x", 0, 1, 3), ("a", "y", 0, 1, 3), ("b", "y", 0, 1, 3)] == chooser.asked


# ---- the points that faults permit


def asked_points(faults, **options):
    """Return the names of the points that are asked in a run with everything in it."""

    class Looks:
        ties = True

        def __init__(self):
            self.names = set()

        def choose(self, point, options):
            del options
            self.names.add(point.name)
            return 0

    looks = Looks()
    sim = Simulation(choices=looks, faults=faults, execution="interleaved", **options)
    orders = sim.create_queue("orders")
    store = sim.remote([])
    worker = sim.create_function("worker", lambda event, _: store.append(event))
    sim.create_event_source_mapping(orders, worker)
    for number in range(4):
        orders.send_message(f"{number}")
    sim.run()
    orders.receive_message()
    return looks.names


@pytest.mark.parametrize("kind", GROUPS)
def test_the_points_of_faults_are_those_that_may_be_asked(kind):
    faults = Faults.permitted()
    assert asked_points(faults) <= set(points_of(faults))
    assert {"clock.tie", "lambda.failure"} == set(points_of(kind()))


def test_each_field_stands_for_its_point():
    assert "esm.poll_error" in points_of(EsmFaults(poll_error=0.1))
    assert "sqs.short_poll" in points_of(SqsFaults(short_poll_shards=4, short_poll_sample=3))
    assert "async.duplicate" in points_of(Faults(async_duplicate=0.1))
    assert "sqs.duplicate" not in points_of(Faults(async_duplicate=0.1))
    assert "esm.disabled_by_lambda" not in points_of(None)
    assert "lambda.stall" in points_of(None)


@pytest.mark.rule("SQS-641", "LAM-360", "ESM-310", "ASY-130")
def test_option_0_everywhere_is_the_run_without_faults():
    """With all that is permitted, whoever always takes the default sees the same as without faults at all."""

    def play(**options):
        sim = Simulation(execution="interleaved", pace=0.001, **options)
        orders, second = sim.create_queue("orders"), sim.create_queue("second.fifo", content_based_deduplication=True)
        store = sim.remote([])

        def handle(event, _):
            for record in event["Records"]:
                store.append(record["body"])
                if record["body"] == "poison" and len(store) < 40:
                    raise ValueError(record["body"])

        worker = sim.create_function("worker", handle, reserved_concurrent_executions=3)
        for queue in (orders, second):
            sim.create_event_source_mapping(queue, worker, batch_size=3)
        for number in range(20):
            orders.send_message("poison" if number % 7 == 3 else f"{number}")
            second.send_message(f"{number}", message_group_id=f"{number % 3}")
        worker.invoke({"Records": []}, invocation_type="Event")
        sim.run()
        return sim.trace.to_json_lines(), sim.now_us, sim.script

    class Zero:
        def choose(self, point, options):
            del point, options
            return 0

    assert play() == play(faults=Faults.permitted(), choices=Zero())
