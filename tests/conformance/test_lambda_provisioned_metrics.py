"""CloudWatch metrics of versions, aliases and provisioned concurrency: dimensions, moments, time stamps (LAM §11)."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest

from lambdasim import ColdStartModel, LambdaLimits, Simulation
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import TooManyRequestsException
from lambdasim.lambda_ import ProvisioningModel

US = Decimal("0.000001")
AT_ONCE = ProvisioningModel(prepare_s=0, rate_per_s=1_000_000)

OF_EACH_INVOCATION = ("Invocations", "Errors", "Throttles", "Duration")
PROVISIONED = (
    "ProvisionedConcurrencyInvocations",
    "ProvisionedConcurrencySpilloverInvocations",
    "ProvisionedConcurrentExecutions",
    "ProvisionedConcurrencyUtilization",
)
OF_THE_ACCOUNT = ("UnreservedConcurrentExecutions", "ClaimedAccountConcurrency")


def make(sim, name="worker", *, provisioned=None, **more):
    """Make a function with version 1 and the alias `live` on it, and wait until what it has provisioned is ready."""
    function = sim.create_function(name, timeout=900, **more)
    function.publish_version()
    function.create_alias("live", "1")
    if provisioned:
        function.put_provisioned_concurrency_config("live", provisioned)
        sim.run_until(lambda: function.get_provisioned_concurrency_config("live").status == "READY")
    return function


def at_once(**more):
    return Simulation(settings=[AT_ONCE], **more)


def call_at(sim, function, *instants, qualifier="live"):
    """Invoke at these instants of the simulation."""

    async def call(wait_us):
        await sim.sleep(Decimal(wait_us) * US)
        with suppress(TooManyRequestsException):
            await function.wait_invoke(qualifier=qualifier)

    for at in instants:
        sim.spawn(call(round(Decimal(at) / US) - sim.now_us))


def series(sim, name, statistic="Sum", **dimensions):
    return list(sim.metrics.series("AWS/Lambda", name, statistic, **dimensions))


def found(sim, name, statistics=("SampleCount", "Sum", "Minimum", "Maximum"), **dimensions):
    """Return several statistics of the first minute."""
    return tuple(dict(series(sim, name, statistic, **dimensions)).get(0) for statistic in statistics)


# ---- LAM-260, LAM-261: dimensions


@pytest.mark.rule("LAM-261")
def test_each_metric_of_an_invocation_is_found_under_each_set_of_dimensions():
    sim = Simulation()
    worker = make(sim, reserved_concurrent_executions=5, duration=1)
    other = make(sim, "other", reserved_concurrent_executions=1, duration=1)
    worker.create_alias("also", "1")
    for qualifier, times in ((None, 1), ("1", 2), ("live", 1), ("also", 1)):
        call_at(sim, worker, *[0] * times, qualifier=qualifier)
    for qualifier, times in ((None, 1), ("1", 2), ("live", 3), ("also", 4)):  # refused, each of them
        call_at(sim, worker, *["0.5"] * times, qualifier=qualifier)
    call_at(sim, other, 0, qualifier="live")
    sim.run()
    runs = {"worker": 1, "worker:1": 2, "worker:live": 1, "worker:also": 1}
    refusals = {"worker": 1, "worker:1": 2, "worker:live": 3, "worker:also": 4}
    wanted = dict.fromkeys(OF_EACH_INVOCATION, runs) | {"Throttles": refusals}
    for name, counts in wanted.items():
        assert found(sim, name, ["SampleCount"]) == (sum(counts.values()) + (name != "Throttles"),), name
        assert found(sim, name, ["SampleCount"], FunctionName="worker") == (sum(counts.values()),), name
        for resource, count in counts.items():
            of_resource = {"FunctionName": "worker", "Resource": resource}
            assert found(sim, name, ["SampleCount"], **of_resource) == (count,), (name, resource)
            executed = count if resource in ("worker:live", "worker:also") else None
            assert found(sim, name, ["SampleCount"], **of_resource, ExecutedVersion="1") == (executed,), resource
            assert found(sim, name, ["SampleCount"], **of_resource, ExecutedVersion="2") == (None,)
        assert found(sim, name, ["SampleCount"], FunctionName="worker", Resource="other:live") == (None,)


@pytest.mark.rule("LAM-261")
def test_an_alias_that_moves_shows_which_version_was_executed(sim):
    worker = make(sim, duration=1)
    worker.update_function_configuration(description="other")
    worker.publish_version()
    worker.invoke(qualifier="live")
    worker.update_alias("live", function_version="2")
    for _ in range(2):
        worker.invoke(qualifier="live")
    of_alias = {"FunctionName": "worker", "Resource": "worker:live"}
    for name in ("Invocations", "Errors", "Duration"):
        assert found(sim, name, ["SampleCount"], **of_alias) == (3,)
        assert found(sim, name, ["SampleCount"], **of_alias, ExecutedVersion="1") == (1,)
        assert found(sim, name, ["SampleCount"], **of_alias, ExecutedVersion="2") == (2,)
        assert found(sim, name, ["SampleCount"], FunctionName="worker", Resource="worker:2") == (None,)


@pytest.mark.rule("LAM-261", "LAM-262")
def test_provisioned_metrics_are_found_under_the_function_and_its_resource():
    sim = at_once()
    worker = make(sim, provisioned=2, duration=5)
    call_at(sim, worker, 1, 1, 1)
    call_at(sim, worker, 1, qualifier="1")
    sim.run()
    sums = dict(zip(PROVISIONED, (2, 1, 4, 2), strict=True))  # busy 1, 2, 1, 0 of 2
    for name, wanted in sums.items():
        assert found(sim, name, ["Sum"], FunctionName="worker") == (wanted,), name
        assert found(sim, name, ["Sum"], FunctionName="worker", Resource="worker:live") == (wanted,), name
        for resource in ("worker", "worker:1", "live"):
            assert found(sim, name, ["Sum"], FunctionName="worker", Resource=resource) == (None,), name


@pytest.mark.rule("LAM-261", "LAM-262")
def test_each_config_has_metrics_of_its_own():
    sim = at_once()
    worker = make(sim, provisioned=4, duration=5)
    worker.update_function_configuration(description="other")
    worker.publish_version()
    worker.put_provisioned_concurrency_config("2", 2)
    call_at(sim, worker, 1, 2, 3)
    call_at(sim, worker, 2, qualifier="2")
    sim.run()
    assert series(sim, "ProvisionedConcurrencyInvocations", FunctionName="worker") == [(0, 4)]
    for resource, runs, peak, utilization in (("worker:live", 3, 3, 0.75), ("worker:2", 1, 1, 0.5)):
        of_resource = {"FunctionName": "worker", "Resource": resource}
        assert series(sim, "ProvisionedConcurrencyInvocations", **of_resource) == [(0, runs)]
        assert series(sim, "ProvisionedConcurrentExecutions", "Maximum", **of_resource) == [(0, peak)]
        assert series(sim, "ProvisionedConcurrencyUtilization", "Maximum", **of_resource) == [(0, utilization)]


@pytest.mark.rule("LAM-261")
def test_concurrency_is_found_under_the_function_and_the_region(sim):
    worker = make(sim, duration=5)
    other = make(sim, "other", duration=5)
    call_at(sim, worker, 0, 1)
    call_at(sim, worker, 2, qualifier=None)
    call_at(sim, other, 3)
    sim.run()
    maximum = {
        (): 4,
        (("FunctionName", "worker"),): 3,
        (("FunctionName", "worker"), ("Resource", "worker")): 3,
        (("FunctionName", "other"),): 1,
    }
    for dimensions, wanted in maximum.items():
        assert series(sim, "ConcurrentExecutions", "Maximum", **dict(dimensions)) == [(0, wanted)]


@pytest.mark.rule("LAM-260")
@pytest.mark.parametrize("name", PROVISIONED[:3] + OF_THE_ACCOUNT)
def test_counts_are_counts(sim, name):
    dimensions = {} if name in OF_THE_ACCOUNT else {"FunctionName": make(sim).name}
    assert sim.metrics.series("AWS/Lambda", name, "Sum", **dimensions).unit == "Count"


@pytest.mark.rule("LAM-260", "LAM-261")
@pytest.mark.parametrize(
    ("name", "dimensions"),
    [
        ("Invocations", {"Resource": "worker:live"}),
        ("Invocations", {"FunctionName": "worker", "ExecutedVersion": "1"}),
        ("ConcurrentExecutions", {"FunctionName": "worker", "Resource": "worker", "ExecutedVersion": "1"}),
        ("UnreservedConcurrentExecutions", {"FunctionName": "worker"}),
        ("ClaimedAccountConcurrency", {"FunctionName": "worker"}),
        ("ProvisionedConcurrencyInvocations", {}),
        ("ProvisionedConcurrencyUtilization", {"Resource": "worker:live"}),
    ],
)
def test_what_has_no_such_dimensions_has_no_data(sim, name, dimensions):
    worker = make(sim, provisioned=1)
    worker.invoke(qualifier="live")
    try:
        values = series(sim, name, **dimensions)
    except UsageError:
        values = []
    assert values == []


# ---- LAM-262: moments and time stamps


@pytest.mark.rule("LAM-262")
def test_what_happens_at_admission_bears_its_instant_what_happens_at_the_end_too():
    sim = at_once()
    worker = make(sim, provisioned=1, duration=100, settings=[ColdStartModel(init_s=1)])
    sim.run(until=10)
    call_at(sim, worker, 60 - US, 60 - US)  # the second spills over, and is cold
    sim.run(until=60 - US)
    for name in ("Invocations", "ProvisionedConcurrencyInvocations", "ProvisionedConcurrencySpilloverInvocations"):
        total = 2 if name == "Invocations" else 1
        assert series(sim, name, FunctionName="worker") == [(0, total)]  # as soon as it is admitted
    sim.run(until=160 - 2 * US)
    for name in ("Errors", "Duration"):
        assert series(sim, name, FunctionName="worker") == []
    sim.run(until=160 - US)
    assert series(sim, "Duration", "SampleCount", FunctionName="worker") == [(0, 1)]  # of the minute of its begin
    sim.run()
    for name in ("Errors", "Duration", "Invocations"):
        assert series(sim, name, "SampleCount", FunctionName="worker") == [(0, 2)]
    assert series(sim, "Duration", "Maximum", FunctionName="worker") == [(0, 100_000)]  # without the init


@pytest.mark.rule("LAM-262", "LAM-260")
@pytest.mark.parametrize(("at", "minute"), [(60 - US, 0), (Decimal(60), 60), (60 + US, 60)])
def test_an_instant_belongs_to_the_minute_that_it_lies_in(at, minute):
    sim = at_once()
    worker = make(sim, provisioned=1, duration=Decimal("0.1"))
    call_at(sim, worker, at, at)
    sim.run()
    for name in ("Invocations", "ProvisionedConcurrencyInvocations", "ProvisionedConcurrencySpilloverInvocations"):
        assert [begin for begin, _ in series(sim, name, FunctionName="worker")] == [minute], name


@pytest.mark.rule("LAM-262")
def test_spill_over_is_counted_for_targets_whose_config_is_ready_only():
    sim = Simulation()
    worker = make(sim, duration=Decimal("0.1"))
    worker.put_provisioned_concurrency_config("live", 1)  # ready at 60.01
    call_at(sim, worker, 1, Decimal("60.009999"))
    sim.run(until=Decimal("60.009999"))
    assert series(sim, "ProvisionedConcurrencySpilloverInvocations", FunctionName="worker") == []
    call_at(sim, worker, Decimal("60.01"), Decimal("60.01"))
    call_at(sim, worker, 61, qualifier="1")
    call_at(sim, worker, 61, qualifier=None)
    sim.run()
    assert series(sim, "ProvisionedConcurrencySpilloverInvocations", FunctionName="worker") == [(60, 1)]
    worker.delete_provisioned_concurrency_config("live")
    worker.invoke(qualifier="live")
    assert series(sim, "ProvisionedConcurrencySpilloverInvocations", FunctionName="worker") == [(60, 1)]


@pytest.mark.rule("LAM-262")
def test_a_refused_request_is_no_spill_over():
    sim = at_once()
    worker = make(sim, duration=5)
    worker.put_function_concurrency(2)
    worker.put_provisioned_concurrency_config("live", 1)
    call_at(sim, worker, *[1] * 5)
    sim.run()
    assert series(sim, "ProvisionedConcurrencyInvocations", FunctionName="worker") == [(0, 1)]
    assert series(sim, "ProvisionedConcurrencySpilloverInvocations", FunctionName="worker") == [(0, 1)]
    assert series(sim, "Throttles", FunctionName="worker", Resource="worker:live") == [(0, 3)]
    assert series(sim, "Invocations", FunctionName="worker") == [(0, 2)]


@pytest.mark.rule("LAM-262")
def test_provisioned_concurrency_is_written_at_every_begin_and_end_on_the_config():
    sim = at_once()
    worker = make(sim, provisioned=4, duration=2)
    sim.run(until=1)
    assert series(sim, "ProvisionedConcurrentExecutions", "SampleCount", FunctionName="worker") == []
    call_at(sim, worker, 1, 2, 2)
    call_at(sim, worker, 2, 2, qualifier=None)
    sim.run()
    # 1 at 1 s; 2 and 3 at 2 s; 2 at 3 s; 1 and 0 at 4 s
    of_config = {"FunctionName": "worker", "Resource": "worker:live"}
    assert found(sim, "ProvisionedConcurrentExecutions", **of_config) == (6, 9, 0, 3)
    assert found(sim, "ProvisionedConcurrencyUtilization", **of_config) == (6, 9 / 4, 0, 0.75)
    assert found(sim, "ConcurrentExecutions", FunctionName="worker") == (10, 25, 0, 5)


@pytest.mark.rule("LAM-262")
def test_utilization_is_the_busy_part_of_what_is_configured():
    sim = at_once()
    worker = make(sim, provisioned=3, duration=2)
    call_at(sim, worker, 1)
    sim.run()
    [(_, value)] = series(sim, "ProvisionedConcurrencyUtilization", "Maximum", FunctionName="worker")
    assert value == pytest.approx(1 / 3, abs=1e-12)


# ---- LAM-263: minutes


@pytest.mark.rule("LAM-263")
def test_provisioned_concurrency_above_0_is_carried_over_the_borders_of_minutes():
    sim = at_once()
    worker = make(sim, provisioned=4, duration=150)
    call_at(sim, worker, 30, 50, 310)  # until 180, 200 and 460
    sim.run(until=700)
    # the first ends at 180 exactly, before that minute is opened; then 1 is carried, and 0 is written
    carried = {0: 2, 60: 2, 120: 2, 180: 1, 300: 1, 360: 1, 420: 1}
    samples = {0: 2, 60: 1, 120: 1, 180: 3, 300: 1, 360: 1, 420: 2}
    of_config = {"FunctionName": "worker", "Resource": "worker:live"}
    for name, whole in (("ProvisionedConcurrentExecutions", 1), ("ProvisionedConcurrencyUtilization", 4)):
        assert {at: value * whole for at, value in series(sim, name, "Maximum", **of_config)} == carried
        assert dict(series(sim, name, "SampleCount", **of_config)) == samples


@pytest.mark.rule("LAM-263")
def test_an_idle_minute_has_no_provisioned_datum():
    sim = at_once()
    worker = make(sim, provisioned=4, duration=1)
    call_at(sim, worker, 10, 190)
    sim.run(until=600)
    for name in PROVISIONED[2:]:
        assert [begin for begin, _ in series(sim, name, "Maximum", FunctionName="worker")] == [0, 180]


@pytest.mark.rule("LAM-263", "LAM-262", "LAM-176")
def test_what_finishes_after_the_delete_of_its_config_is_not_carried_on():
    sim = at_once()
    worker = make(sim, provisioned=4, duration=100)
    call_at(sim, worker, 10, 20)
    sim.run(until=30)
    worker.delete_provisioned_concurrency_config("live")
    sim.run(until=600)
    for dimensions in ({"FunctionName": "worker"}, {"FunctionName": "worker", "Resource": "worker:live"}):
        for name in PROVISIONED[2:]:
            found_at = [begin for begin, _ in series(sim, name, "Maximum", **dimensions)]
            assert found_at in ([0], [0, 60], [0, 60, 120]), name  # it ends at 110 and 120
        assert series(sim, PROVISIONED[0], **dimensions) == [(0, 2)]


@pytest.mark.rule("LAM-260", "LAM-261")
def test_data_stay_when_what_they_are_about_is_gone():
    sim = at_once()
    worker = make(sim, provisioned=1, duration=5)
    call_at(sim, worker, 10, 10)
    sim.run(until=30)

    def data():
        return {
            (name, resource, executed): series(
                sim,
                name,
                "SampleCount",
                FunctionName="worker",
                Resource=resource,
                **({"ExecutedVersion": executed} if executed else {}),
            )
            for name in ("Invocations", "Duration", "Errors")
            for resource, executed in (("worker:live", None), ("worker:live", "1"))
        } | {(name,): series(sim, name, FunctionName="worker", Resource="worker:live") for name in PROVISIONED[:2]}

    before = data()
    assert {tuple(values) for values in before.values()} == {((0, 2),), ((0, 1),)}
    worker.delete_alias("live")
    assert data() == before
    worker.create_alias("live", "1")
    call_at(sim, worker, 70)
    sim.run(until=100)
    of_alias = {"FunctionName": "worker", "Resource": "worker:live"}
    assert series(sim, "Invocations", **of_alias) == [(0, 2), (60, 1)]
    worker.delete_function()
    assert series(sim, "Invocations", **of_alias) == [(0, 2), (60, 1)]
    again = make(sim, duration=5)
    call_at(sim, again, 100)
    sim.run(until=200)
    for dimensions in (of_alias, {"FunctionName": "worker"}, {}):
        assert series(sim, "Invocations", **dimensions) == [(0, 2), (60, 2)]
        assert series(sim, "Duration", "SampleCount", **dimensions) == [(0, 2), (60, 2)]


# ---- LAM-264, LAM-265, LAM-267: the account


@pytest.mark.rule("LAM-264", "LAM-174")
def test_what_is_provisioned_is_claimed_from_the_put_to_the_delete():
    sim = Simulation()
    worker = make(sim)
    sim.run(until=70)
    worker.put_provisioned_concurrency_config("live", 200)
    assert sim.claimed_share == 20
    sim.run(until=250)
    assert series(sim, "ClaimedAccountConcurrency", "Maximum") == [(60, 200), (120, 200), (180, 200), (240, 200)]
    worker.delete_provisioned_concurrency_config("live")
    sim.run(until=400)
    assert series(sim, "ClaimedAccountConcurrency", "Minimum")[-1] == (240, 0)
    assert sim.claimed_share == 0


@pytest.mark.rule("LAM-264", "LAM-262")
def test_each_change_of_what_is_set_aside_is_written():
    sim = Simulation()
    worker, other = make(sim), make(sim, "other")

    def claimed():
        return found(sim, "ClaimedAccountConcurrency")[3], sim.pool.claimed

    worker.put_provisioned_concurrency_config("live", 100)
    assert claimed() == (100, 100)
    other.put_function_concurrency(300)
    assert claimed() == (400, 400)
    other.put_provisioned_concurrency_config("live", 250)  # within its reserve
    assert claimed() == (400, 400)
    worker.put_function_concurrency(150)  # the 100 lie within the reserve now
    assert claimed() == (450, 450)
    worker.put_provisioned_concurrency_config("live", 150)
    assert claimed() == (450, 450)
    other.delete_function_concurrency()  # its 250 stand for themselves
    assert claimed() == (450, 400)
    worker.delete_function()
    assert claimed() == (450, 250)
    other.put_provisioned_concurrency_config("live", 500)
    assert claimed() == (500, 500)
    assert found(sim, "ClaimedAccountConcurrency", ["Minimum"])[0] <= 250


@pytest.mark.rule("LAM-265", "LAM-264")
def test_requests_on_provisioned_environments_are_not_unreserved_those_that_spill_over_are():
    sim = at_once()
    worker = make(sim, provisioned=3, duration=5)
    reserved = make(sim, "reserved", reserved_concurrent_executions=10, duration=5)
    call_at(sim, worker, *[1] * 3)
    call_at(sim, reserved, *[1] * 4)
    sim.run(until=2)
    assert sim.pool.unreserved_in_flight == 0
    assert series(sim, "UnreservedConcurrentExecutions", "SampleCount") == []
    assert sim.pool.claimed == 13
    call_at(sim, worker, *[2] * 2)
    sim.run(until=3)
    assert sim.pool.unreserved_in_flight == 2
    assert found(sim, "UnreservedConcurrentExecutions") == (2, 3, 1, 2)
    assert found(sim, "ClaimedAccountConcurrency")[3] == 15
    assert found(sim, "ConcurrentExecutions")[3] == 9
    sim.run()
    assert found(sim, "UnreservedConcurrentExecutions") == (4, 4, 0, 2)


@pytest.mark.rule("LAM-265", "LAM-264", "LAM-266")
def test_what_is_still_busy_when_its_config_goes_is_unreserved_then():
    sim = Simulation(settings=[LambdaLimits(account_concurrency=10, unreserved_floor=0), AT_ONCE])
    worker = make(sim, provisioned=4, duration=5)
    call_at(sim, worker, *[1] * 3)
    sim.run(until=2)
    worker.delete_provisioned_concurrency_config("live")
    assert (sim.pool.unreserved_capacity, sim.pool.unreserved_in_flight, sim.pool.claimed) == (10, 3, 3)
    call_at(sim, worker, *[2] * 8)
    sim.run(until=3)
    assert sim.pool.in_flight == 10  # never more than the account has
    assert series(sim, "Throttles") == [(0, 1)]
    sim.check_invariants()
    sim.run()
    assert sim.pool.claimed == 0


@pytest.mark.rule("LAM-267")
def test_the_share_of_the_account_in_use_is_what_is_claimed_of_its_limit():
    sim = Simulation(concurrent_executions=400, settings=[AT_ONCE])
    assert sim.claimed_share == 0
    worker = make(sim, provisioned=100, duration=5)
    assert sim.claimed_share == 25
    make(sim, "reserved", reserved_concurrent_executions=150)
    assert sim.claimed_share == 62.5
    call_at(sim, worker, *[1] * 101)
    sim.run(until=1)
    assert sim.claimed_share == pytest.approx(62.75, abs=1e-9)
    assert isinstance(sim.claimed_share, float)
    sim.run()
    assert sim.claimed_share == 62.5


# ---- LAM-266


@pytest.mark.rule("LAM-266")
def test_invocations_of_a_ready_target_are_provisioned_or_spilled_over():
    sim = Simulation(concurrent_executions=150, settings=[AT_ONCE])
    worker = make(sim, provisioned=20, duration=Decimal("0.3"))
    call_at(sim, worker, *(1 + Decimal(number) / 1_000 for number in range(2_000)))
    sim.run()
    of_target = {"FunctionName": "worker", "Resource": "worker:live"}
    counts = {name: series(sim, name, **of_target)[0][1] for name in ("Invocations", "Throttles", *PROVISIONED[:2])}
    assert counts["Invocations"] == counts[PROVISIONED[0]] + counts[PROVISIONED[1]]
    assert counts["Invocations"] + counts["Throttles"] == 2_000
    assert min(counts.values()) > 0
    for name in ("Errors", "Duration"):
        assert series(sim, name, "SampleCount", **of_target) == [(0, counts["Invocations"])]
    assert series(sim, "ClaimedAccountConcurrency", "Maximum") == [(0, 150)]
