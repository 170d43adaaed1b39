"""
Backlogs of one and two million messages, with the figures of the rules (ESM §19).

A million messages take some seconds, so that one backlog runs whole in every run of the tests, and the others with
`--slow`. How many invocations are in flight does not depend on how long each of them takes, as long as messages wait:
the growth of all of them is looked at every time, with a function that takes ten times as long, a message at a time.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from decimal import Decimal

import pytest

from lambdasim import ProvisionedModel, ScalingModel, Simulation


@contextmanager
def backlog(messages, *, duration=1, **given):
    """A queue with that many messages for a function of that duration, and a mapping."""
    gc.disable()  # a million messages without a cycle: looking for some takes half of the time
    try:
        sim = Simulation(concurrent_executions=2_000, trace=0)
        queue = sim.create_queue("orders", visibility_timeout=180)
        send = queue.sender("order")
        for number in range(messages):
            send(number)
        worker = sim.create_function("worker", duration=duration, timeout=30)
        yield sim, queue, worker, sim.create_event_source_mapping(queue, worker, **given)
    finally:
        gc.enable()


def follow(sim, queue, mapping, table):
    """Run along a table of (seconds, slots, in flight, done)."""
    for until, *wanted in table:
        sim.run(until=Decimal(str(until)))
        found = mapping.snapshot()
        assert [found.pollers, found.in_flight, queue.snapshot().deleted] == wanted, until


def busy(*rows):
    """Rows of a table at instants at which all slots run."""
    return [(until, slots, slots, done) for until, slots, done in rows]


def most_in_flight(sim):
    return max(sim.metrics.series("AWS/Lambda", "ConcurrentExecutions", "Maximum", FunctionName="worker").values)


STEP = ScalingModel(ramp="step", max=1_000)


@pytest.mark.rule("ESM-400", "ESM-401", "ESM-402", "ESM-403", "ESM-404", "ESM-011", "ESM-012", "ESM-101", "ESM-102")
@pytest.mark.parametrize(
    ("given", "table"),
    [
        ({}, ((0, 5), (1, 10), (60, 305), (198, 995), (199, 1_000), (248, 1_245), (249, 1_250), (280, 1_250))),
        ({"settings": [ScalingModel.SEED]}, ((0, 5), (1, 10), (198, 995), (199, 1_000), (249, 1_000))),
        (
            {"settings": [STEP]},
            (
                ("59.999999", 5),
                (60, 305),
                ("119.999999", 305),
                (120, 605),
                ("179.999999", 605),
                (180, 905),
                ("239.999999", 905),
                (240, 1_000),
                (301, 1_000),
            ),
        ),
        (
            {"settings": [ScalingModel.LEGACY_2018]},
            ((0, 5), (60, 65), (120, 125), (180, 185), (300, 305), (442, 447)),
        ),
        ({"maximum_concurrency": 50}, (("8.999999", 49), (9, 50), (10, 50), (60, 50), (240, 50))),
    ],
    ids=["cap 1250", "cap 1000", "steps", "before November 2023", "maximum concurrency 50"],
)
def test_growth_while_messages_wait(given, table):
    with backlog(22_000, duration=10, batch_size=1, **given) as (sim, queue, worker, mapping):
        for until, slots in table:
            sim.run(until=Decimal(until))
            assert (mapping.snapshot().pollers, mapping.snapshot().in_flight) == (slots, slots), until
        assert queue.visible > 0
        assert worker.throttles == 0


@pytest.mark.rule("ESM-405", "ESM-252", "ESM-255")
def test_growth_in_provisioned_mode_while_messages_wait():
    model = {"minimum_pollers": 2, "maximum_pollers": 200, "settings": [ProvisionedModel()]}
    with backlog(20_000, duration=10, batch_size=1, **model) as (sim, queue, worker, mapping):
        for until, pollers in ((0, 2), (30, 52), (60, 102), (118, 198), ("118.799999", 199), ("118.8", 200)):
            sim.run(until=Decimal(until))
            found = mapping.snapshot()
            assert (found.provisioned_pollers, found.pollers, found.in_flight) == (pollers, *[10 * pollers] * 2), until
        assert queue.visible > 0
        assert worker.throttles == 0


@pytest.mark.rule("ESM-400", "ESM-461", "ESM-292", "ESM-101", "ESM-131")
@pytest.mark.parametrize(
    "model",
    [pytest.param(ScalingModel.SEED, marks=pytest.mark.slow), ScalingModel.DEFAULT],
    ids=["cap 1000", "cap 1250"],
)
def test_a_million_messages_and_the_way_back(model):
    with backlog(1_000_000, settings=[model]) as (sim, queue, worker, mapping):
        table = busy((0, 5, 0), (1, 10, 50), (10, 55, 2_750), (30, 155, 23_250), (60, 305, 91_500), (120, 605, 363_000))
        table += busy((180, 905, 814_500), (198, 995, 985_050))
        formula = busy(*((second, 5 + 5 * second, 25 * second * (second + 1)) for second in range(199)))
        assert {*table} < {*formula}
        follow(sim, queue, mapping, [*formula, (199, 997, 500, 995_000), (199.6, 997, 0, 1_000_000)])
        assert (worker.snapshot().invocations, worker.snapshot().errors, worker.snapshot().throttles) == (100_000, 0, 0)
        assert queue.snapshot().requests - 1_000_000 == 100_000 + 100_000
        assert mapping.snapshot().phase == "idle"
        assert mapping.snapshot().target == 5
        sim.run()
        assert sim.now == 199.6
        # Every slot opens one receive more, and those above five retire by it: 500 worked until after 199, so 500 poll
        # until after 219.
        for until, slots in (("218.999999", 703), ("219", 500), ("219.4", 102), ("219.599999", 102), ("219.6", 5)):
            sim.run(until=Decimal(until))
            assert mapping.snapshot().pollers == slots
        assert mapping.snapshot().empty_receives == 997
        sim.run(until=Decimal("499.599999"))
        assert mapping.snapshot().target == 5
        sim.run(until=Decimal("499.6"))
        assert mapping.snapshot().target == 2
        sim.run(until=Decimal("519.6"))
        assert mapping.snapshot().pollers == 2
        assert most_in_flight(sim) == 997


@pytest.mark.slow
@pytest.mark.rule("ESM-401", "ESM-012", "ESM-011")
@pytest.mark.parametrize(
    ("model", "at_249", "done", "ends"),
    [(ScalingModel.SEED, 1_000, 1_495_000, 299.6), (ScalingModel.DEFAULT, 1_250, 1_556_250, 284.6)],
    ids=["cap 1000", "cap 1250"],
)
def test_two_million_messages(model, at_249, done, ends):
    with backlog(2_000_000, settings=[model]) as (sim, queue, worker, mapping):
        follow(sim, queue, mapping, busy((199, 1_000, 995_000), (249, at_249, done)))
        sim.run()
        assert sim.now == ends
        assert queue.snapshot().deleted == 2_000_000
        assert most_in_flight(sim) == at_249
        assert worker.snapshot().throttles == 0


@pytest.mark.slow
@pytest.mark.rule("ESM-402", "ESM-102")
def test_two_million_messages_in_steps_and_the_first_million_of_them():
    with backlog(2_000_000, settings=[STEP]) as (sim, queue, _, mapping):
        table = [
            ("59.999999", 5, 2_950),
            ("60", 305, 3_000),
            ("119.999999", 305, None),
            ("120", 605, None),
            ("179.999999", 605, None),
            ("180", 905, None),
            ("239.999999", 905, None),
            ("240", 1_000, None),
        ]
        million = []
        for until, slots, done in table:
            if until == "239.999999":  # messages are taken in order: the first million ends when it would end alone
                for at in ("229.999999", "230"):
                    sim.run(until=Decimal(at))
                    million.append(queue.snapshot().deleted >= 1_000_000)
            sim.run(until=Decimal(until))
            assert mapping.snapshot().pollers == slots
            assert done in {None, queue.snapshot().deleted}
        assert million == [False, True]
        sim.run()
        assert sim.now == 331
        assert queue.snapshot().deleted == 2_000_000


@pytest.mark.slow
@pytest.mark.rule("ESM-403", "ESM-011")
def test_a_million_messages_before_november_2023():
    with backlog(1_000_000, settings=[ScalingModel.LEGACY_2018]) as (sim, queue, _, mapping):
        follow(sim, queue, mapping, busy((60, 65, 20_700)))
        for until, slots in ((120, 125), (180, 185), (300, 305)):
            sim.run(until=until)
            assert mapping.snapshot().pollers == slots
        sim.run()
        assert sim.now == 443
        assert queue.snapshot().deleted == 1_000_000
        assert mapping.snapshot().pollers == most_in_flight(sim) == 446


@pytest.mark.slow
@pytest.mark.rule("ESM-404", "ESM-107")
def test_a_million_messages_with_maximum_concurrency_50():
    with backlog(1_000_000, maximum_concurrency=50) as (sim, queue, _, mapping):
        sim.run(until=Decimal("8.999999"))
        assert mapping.snapshot().pollers == 49
        follow(sim, queue, mapping, busy((9, 50, 2_250), (10, 50, 2_750), (60, 50, 27_750)))
        sim.run()
        assert sim.now == 2_004.6
        assert (queue.snapshot().deleted, mapping.snapshot().pollers) == (1_000_000, 50)
        assert most_in_flight(sim) == 50
