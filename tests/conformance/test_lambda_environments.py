"""Execution environments and cold starts (LAM §8)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lambdasim import ColdStartModel, EnvironmentModel, Simulation

US = Decimal("0.000001")


def call_at(sim, function, *instants):
    """Invoke at these instants; return the processes."""

    async def call(at):
        await sim.sleep(at)
        return await function.wait_invoke()

    return [sim.spawn(call(at)) for at in instants]


def environments_of(function):
    return [invocation.environment.id for invocation in function.invocations]


def cold_starts_of(function):
    return [invocation.is_cold_start for invocation in function.invocations]


@pytest.mark.rule("LAM-120")
def test_an_environment_serves_one_request_at_a_time_and_concurrency_is_how_many_are_busy(sim):
    worker = sim.create_function("worker", duration=2)
    call_at(sim, worker, 0, 0, 1, 1)
    for until, busy in ((0, 2), (1, 4), (2, 2), (3, 0)):
        sim.run(until=until)
        snapshot = worker.snapshot()
        assert (snapshot.busy, snapshot.in_flight) == (busy, busy)
    assert environments_of(worker) == ["A", "B", "C", "D"]


@pytest.mark.rule("LAM-120")
def test_environments_belong_to_one_function(sim):
    first, second = sim.create_function("first"), sim.create_function("second")
    first.invoke()
    second.invoke()
    assert cold_starts_of(second) == [True]


@pytest.mark.rule("LAM-121")
def test_a_request_takes_an_idle_environment_if_there_is_one(sim):
    worker = sim.create_function("worker", duration=1)
    call_at(sim, worker, 0, 1 - US, 1, 1)
    sim.run()
    assert environments_of(worker) == ["A", "B", "A", "C"]


@pytest.mark.rule("LAM-121", "LAM-010")
@pytest.mark.parametrize(
    ("reuse", "order"),
    [("most_recent", "ACDB"), ("least_recent", "BCDA"), ("lowest_id", "ABCD")],
)
def test_of_several_idle_environments_the_one_idle_last_is_taken_or_as_the_model_says(reuse, order):
    sim = Simulation(settings=[] if reuse == "most_recent" else [EnvironmentModel(reuse=reuse)])
    durations = iter((3, 1, 2, 2))
    worker = sim.create_function("worker", lambda event, context: None, duration=lambda event: next(durations, 1))
    call_at(sim, worker, 0, 0, 0, 0, *[5] * 4)  # idle since 3, 1, 2 and 2 s; of two, the lower id first
    sim.run()
    assert "".join(environments_of(worker)[4:]) == order


@pytest.mark.rule("LAM-122")
def test_environments_are_named_in_order_of_creation(sim):
    worker = sim.create_function("worker")
    call_at(sim, worker, *[0] * 703)
    sim.run()
    names = environments_of(worker)
    assert names[:3] == ["A", "B", "C"]
    assert names[24:29] == ["Y", "Z", "AA", "AB", "AC"]
    assert names[700:] == ["ZY", "ZZ", "AAA"]
    assert [invocation.environment.number for invocation in worker.invocations] == list(range(1, 704))


@pytest.mark.rule("LAM-123", "LAM-124")
def test_a_cold_start_has_placement_then_init_and_holds_its_unit_meanwhile():
    model = ColdStartModel(placement_s=Decimal("0.5"), init_s=2)
    sim = Simulation(concurrent_executions=1, settings=[model])
    seen = []
    worker = sim.create_function("worker", lambda event, context: seen.append(sim.now), duration=1)
    call_at(sim, worker, 1)
    sim.run(until=1)
    assert worker.snapshot().in_flight == 1
    sim.run(until=Decimal("3.499999"))
    assert seen == []
    assert worker.snapshot().in_flight == 1
    sim.run()
    invocation = worker.invocations[0]
    assert seen == [3.5]
    assert (invocation.admitted_at_us, invocation.started_at_us) == (1_000_000, 3_500_000)
    assert invocation.ended_at_us == 4_500_000  # the caller waited for 3.5 s …
    assert (invocation.duration_us, invocation.init_us) == (1_000_000, 2_000_000)  # … of which 1 s is the duration


@pytest.mark.rule("LAM-123")
def test_a_warm_request_starts_when_it_is_admitted(sim):
    worker = sim.create_function("worker", settings=[ColdStartModel.TYPICAL])
    for _ in range(2):
        worker.invoke()
    cold, warm = worker.invocations
    assert cold.started_at_us - cold.admitted_at_us == 350_000
    assert warm.started_at_us == warm.admitted_at_us
    assert (cold.is_cold_start, warm.is_cold_start) == (True, False)


@pytest.mark.rule("LAM-124")
def test_the_metric_duration_leaves_the_init_out(sim):
    worker = sim.create_function("worker", duration=1, settings=[ColdStartModel(init_s=5)])
    worker.invoke()
    assert list(sim.metrics.series("AWS/Lambda", "Duration", "Maximum", FunctionName="worker")) == [(0, 1_000)]


@pytest.mark.rule("LAM-123")
def test_init_may_be_a_callable_or_a_distribution():
    class Drawn:
        def sample(self, random):
            return 1 + random.random()

    for init, low, high in ((lambda event: 2, 2_000_000, 2_000_000), (Drawn(), 1_000_000, 2_000_000)):
        sim = Simulation(seed=5)
        worker = sim.create_function("worker", settings=[ColdStartModel(init_s=init)])
        worker.invoke()
        assert low <= worker.invocations[0].init_us <= high


@pytest.mark.rule("LAM-125")
def test_a_request_stays_with_its_new_environment_though_another_becomes_idle_meanwhile(sim):
    worker = sim.create_function("worker", duration=1, settings=[ColdStartModel(init_s=5)])
    call_at(sim, worker, 0, 5.5)  # A is idle from 6 on
    sim.run()
    assert environments_of(worker) == ["A", "B"]
    assert worker.invocations[1].started_at_us == 10_500_000


@pytest.mark.rule("LAM-126")
@pytest.mark.parametrize(
    ("init", "init_us", "duration_us"),
    [
        (Decimal("9.999999"), 9_999_999, 1_000_000),
        (10, 10_000_000, 1_000_000),
        (Decimal("10.000001"), 10_000_000, 11_000_001),
    ],
)
def test_an_init_longer_than_10_s_is_cut_and_done_again_inside_the_invoke_phase(sim, init, init_us, duration_us):
    worker = sim.create_function("worker", duration=1, timeout=30, settings=[ColdStartModel(init_s=init)])
    assert worker.invoke().function_error is None
    invocation = worker.invocations[0]
    assert (invocation.init_us, invocation.duration_us) == (init_us, duration_us)
    assert worker.invoke().function_error is None
    assert worker.invocations[1].duration_us == 1_000_000


@pytest.mark.rule("LAM-126", "LAM-100")
@pytest.mark.parametrize(("timeout", "is_timeout"), [(11, True), (12, False)])
def test_the_repeated_init_counts_against_the_timeout(sim, timeout, is_timeout):
    ran = []
    worker = sim.create_function(
        "worker",
        lambda event, context: ran.append(context.get_remaining_time_in_millis()),
        duration=1,
        timeout=timeout,
        settings=[ColdStartModel(init_s=11)],
    )
    assert (worker.invoke().function_error is not None) is is_timeout
    assert ran == [(timeout - 11) * 1_000]
    assert sim.now == (21 if is_timeout else 22)


@pytest.mark.rule("LAM-126")
def test_a_repeated_init_that_takes_the_whole_timeout_leaves_the_handler_unrun(sim):
    ran = []
    worker = sim.create_function("worker", lambda *_: ran.append(1), timeout=5, settings=[ColdStartModel(init_s=11)])
    assert worker.invoke().value["errorType"] == "Sandbox.Timedout"
    assert ran == []
    assert sim.now == 15


@pytest.mark.rule("LAM-127")
@pytest.mark.parametrize(("at", "is_cold"), [(601 - US, False), (Decimal(601), True), (601 + US, True)])
def test_an_idle_environment_is_reclaimed_600_s_after_it_became_idle(sim, at, is_cold):
    worker = sim.create_function("worker", duration=1)
    call_at(sim, worker, 0, at)
    sim.run()
    assert cold_starts_of(worker) == [True, is_cold]


@pytest.mark.rule("LAM-127", "LAM-129")
def test_reclaims_are_seen_at_their_instant_and_keep_nothing_going(sim):
    worker = sim.create_function("worker", duration=1)
    call_at(sim, worker, 0, 0.5)
    sim.run()
    assert sim.now == 1.5
    for until, idle in ((600.999999, 2), (601, 1), (601.499999, 1), (601.5, 0)):
        sim.run(until=until)
        assert worker.snapshot().idle == worker.snapshot().environments == idle
    assert [r.at_us for r in sim.trace.records if r.kind == "environment reaped"] == [601_000_000, 601_500_000]


@pytest.mark.rule("LAM-127", "LAM-010")
def test_the_idle_time_can_be_changed():
    sim = Simulation(settings=[EnvironmentModel(idle_ttl_s=5)])
    worker = sim.create_function("worker", duration=1)
    call_at(sim, worker, 0, 6 - US, 12)
    sim.run()
    assert cold_starts_of(worker) == [True, False, True]


@pytest.mark.rule("LAM-128")
@pytest.mark.parametrize(("at", "is_cold"), [(7_200 - US, False), (Decimal(7_200), True), (7_200 + US, True)])
def test_an_environment_of_7200_s_is_not_used_again(sim, at, is_cold):
    worker = sim.create_function("worker", duration=1)
    call_at(sim, worker, *range(0, 7_200, 500), at)  # never idle for 600 s
    sim.run()
    assert cold_starts_of(worker) == [True, *[False] * 14, is_cold]


@pytest.mark.rule("LAM-128")
def test_an_environment_that_grows_too_old_while_busy_ends_with_its_work(sim):
    worker = sim.create_function("worker", duration=500, timeout=900)
    call_at(sim, worker, *range(0, 7_200, 600), 7_199)
    sim.run(until=7_199.5)
    assert worker.snapshot().cold_starts == 1
    sim.run(until=7_699)
    assert worker.snapshot().environments == 0
    assert [r.at_us for r in sim.trace.records if r.kind == "environment reaped"] == [7_699_000_000]


@pytest.mark.rule("LAM-129")
def test_environments_can_be_counted_at_every_instant(sim):
    worker = sim.create_function("worker", duration=2, settings=[ColdStartModel(init_s=1)])
    call_at(sim, worker, 0, 1, 3.5)
    table = [(0, 1, 1, 0, 1), (1, 2, 2, 0, 2), (3, 2, 1, 1, 2), (3.5, 2, 2, 0, 2), (4, 2, 1, 1, 2), (5.5, 2, 0, 2, 2)]
    for until, *counts in table:
        sim.run(until=until)
        found = worker.snapshot()
        assert [found.environments, found.busy, found.idle, found.cold_starts] == counts
        assert found.at_us == sim.now_us
