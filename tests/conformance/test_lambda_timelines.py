"""Worked timelines of functions, with the figures of the rules (LAM §14)."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest

from lambdasim import ColdStartModel, ScalingRate, Simulation
from lambdasim.errors.lambda_ import InvalidParameterValueException, TooManyRequestsException
from lambdasim.lambda_ import ProvisioningModel

US = Decimal("0.000001")

ACCOUNT = "ConcurrentInvocationLimitExceeded"
ACCOUNT_RATE = "FunctionInvocationRateLimitExceeded"
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"

AT_ONCE = ProvisioningModel(prepare_s=0, rate_per_s=1_000_000)
"""For timelines that begin when the environments are there: one microsecond for each."""


class Load:
    """Requests to one function: what became of each, by the second in which it was made."""

    def __init__(self, sim, function, qualifier=None):
        self.sim = sim
        self.function = function
        self.qualifier = qualifier
        self.by_second = Counter()
        self.peak = 0

    def at(self, *instants):
        self.sim.feed(self._request, instants)
        return self

    def count(self, second, outcome="admitted"):
        return self.by_second[second, outcome]

    def _request(self, _message):
        self.sim.spawn(self._one())

    async def _one(self):
        second = int(self.sim.now)
        try:
            self.by_second[second, "admitted"] += 1
            await self.function.wait_invoke(qualifier=self.qualifier)
        except TooManyRequestsException as error:
            self.by_second[second, "admitted"] -= 1
            self.by_second[second, error.reason] += 1


def with_alias(sim, name, *, provisioned, **more):
    """Make a function whose alias `live` has provisioned concurrency that is ready at the next whole second."""
    function = sim.create_function(name, **more)
    function.publish_version()
    function.create_alias("live", "1")
    function.put_provisioned_concurrency_config("live", provisioned)
    sim.run(until=int(sim.now) + 1)
    assert function.get_provisioned_concurrency_config("live").status == "READY"
    return function


def sums(sim, function, minute=0):
    """Return what ran provisioned and what spilled over, in a minute."""
    return tuple(
        dict(sim.metrics.series("AWS/Lambda", name, "Sum", FunctionName=function.name)).get(minute * 60, 0)
        for name in ("ProvisionedConcurrencyInvocations", "ProvisionedConcurrencySpilloverInvocations")
    )


def peak(sim, name):
    return max(
        value for _, value in sim.metrics.series("AWS/Lambda", "ConcurrentExecutions", "Maximum", FunctionName=name)
    )


@pytest.mark.rule("LAM-400")
def test_ten_requests():
    sim = Simulation()
    worker = sim.create_function("worker", duration=5, timeout=10, settings=[ColdStartModel(init_s=1)])
    arrivals = (0, 1, 2, 3, 4, 6.5, 7.5, 8.5, 8.75, 9.5)
    Load(sim, worker).at(*arrivals)
    concurrency = {}
    for at in (2, 2.999999, 8.749999, 8.75, 8.999999, 9, 9.499999, 9.5, 9.999999, 10):
        sim.run(until=at)
        concurrency[at] = worker.snapshot().in_flight
    sim.run()
    table = [
        (invocation.environment.id, invocation.is_cold_start, invocation.ended_at_us / 1_000_000)
        for invocation in worker.invocations
    ]
    assert table == [
        ("A", True, 6),
        ("B", True, 7),
        ("C", True, 8),
        ("D", True, 9),
        ("E", True, 10),
        ("A", False, 11.5),
        ("B", False, 12.5),
        ("C", False, 13.5),
        ("F", True, 14.75),
        ("D", False, 14.5),
    ]
    assert concurrency == {
        2: 3,
        2.999999: 3,
        8.749999: 5,
        8.75: 6,
        8.999999: 6,
        9: 5,
        9.499999: 5,
        9.5: 6,
        9.999999: 6,
        10: 5,
    }
    assert peak(sim, "worker") == 6
    assert worker.snapshot().cold_starts == 6
    assert list(sim.metrics.series("AWS/Lambda", "Duration", "Minimum", FunctionName="worker")) == [(0, 5_000)]
    assert list(sim.metrics.series("AWS/Lambda", "Duration", "Maximum", FunctionName="worker")) == [(0, 5_000)]
    assert all(earlier.admitted_at_us <= later.admitted_at_us for earlier, later in pairwise(worker.invocations))


@pytest.mark.rule("LAM-401")
@pytest.mark.parametrize(
    ("rate", "duration", "wanted"),
    [(100, Decimal(1), 100), (100, Decimal("0.5"), 50), (200, Decimal("0.25"), 50), (5_000, Decimal("0.2"), 1_000)],
)
def test_concurrency_settles_at_rate_times_duration(rate, duration, wanted):
    sim = Simulation(trace=0)
    worker = sim.create_function("worker", duration=duration)
    Load(sim, worker).at(*(Decimal(number) / rate for number in range(int(rate * duration * 2) + 1)))
    seen = set()
    for number in range(10):
        sim.run(until=duration + duration * number / 10)
        seen.add(worker.snapshot().in_flight)
    assert seen == {wanted}
    assert worker.snapshot().throttles == 0


@pytest.mark.rule("LAM-402", "LAM-211", "LAM-210")
@pytest.mark.parametrize("limit", [1_000, 2_000])
def test_50_ms_at_20000_a_second(limit):
    sim = Simulation(concurrent_executions=limit, trace=0)
    worker = sim.create_function("worker", duration=Decimal("0.05"))
    load = Load(sim, worker).at(*(50 * number * US for number in range(20_000 + 2_000)))
    sim.run()
    assert load.count(0) == (10_000 if limit == 1_000 else 20_000)
    assert load.count(0, ACCOUNT_RATE) == (10_000 if limit == 1_000 else 0)
    assert load.count(1) == 2_000  # the next second begins anew
    assert sum(load.by_second.values()) == 22_000
    assert peak(sim, "worker") == 1_000


@pytest.mark.rule("LAM-402")
def test_the_first_half_of_each_second_is_admitted_and_the_second_half_refused():
    sim = Simulation(trace=0)
    worker = sim.create_function("worker", duration=Decimal("0.05"))
    Load(sim, worker).at(*(50 * number * US for number in range(20_001)))
    for until, invocations, throttles in ((0.49995, 10_000, 0), (0.5, 10_000, 1), (0.99995, 10_000, 10_000)):
        sim.run(until=until)
        assert (worker.snapshot().invocations, worker.snapshot().throttles) == (invocations, throttles)
    sim.run(until=1)
    assert worker.snapshot().invocations == 10_001


@pytest.mark.rule("LAM-403", "LAM-210")
@pytest.mark.parametrize("limit", [1_000, 3_000])
def test_20_ms_at_30000_a_second(limit):
    sim = Simulation(concurrent_executions=limit, trace=0)
    worker = sim.create_function("worker", duration=Decimal("0.02"))
    load = Load(sim, worker).at(*(number * 1_000_000 // 30_000 * US for number in range(30_000)))
    sim.run()
    assert load.count(0) == (10_000 if limit == 1_000 else 30_000)
    assert load.count(0, ACCOUNT_RATE) == (20_000 if limit == 1_000 else 0)
    assert peak(sim, "worker") == 600


@pytest.mark.rule("LAM-404", "LAM-150", "LAM-152")
def test_two_reserved_functions(sim):
    blue, orange = (
        sim.create_function(name, duration=60, timeout=100, reserved_concurrent_executions=400)
        for name in ("blue", "orange")
    )
    others = [sim.create_function(f"other-{number}", duration=60, timeout=100) for number in range(3)]
    of_orange = Load(sim, orange).at(*[0] * 401)
    sim.run(until=0)
    assert of_orange.by_second == {(0, "admitted"): 400, (0, RESERVED): 1}
    loads = [Load(sim, function).at(*[1] * 67) for function in others]
    sim.run(until=1)
    assert sum(load.count(1) for load in loads) == 200
    assert sum(load.count(1, ACCOUNT) for load in loads) == 1
    of_blue = Load(sim, blue).at(*[2] * 400)
    sim.run(until=2)
    assert of_blue.by_second == {(2, "admitted"): 400}
    with pytest.raises(InvalidParameterValueException, match=r"below its minimum value of \[100\]"):
        sim.create_function("third", reserved_concurrent_executions=101)
    sim.create_function("third", reserved_concurrent_executions=100)


@pytest.mark.rule("LAM-404", "LAM-158")
def test_two_reserved_functions_leave_200_to_the_others(sim):
    for name in ("blue", "orange"):
        sim.create_function(name, reserved_concurrent_executions=400)
    assert sim.pool.unreserved_capacity == 200
    assert sim.get_account_settings().unreserved_concurrent_executions == 200
    third = sim.create_function("third")
    with pytest.raises(InvalidParameterValueException):
        third.put_function_concurrency(101)
    assert sim.pool.unreserved_capacity == 200
    third.put_function_concurrency(100)
    assert sim.pool.unreserved_capacity == 100


@pytest.mark.rule("LAM-405", "LAM-179")
@pytest.mark.parametrize(("of_others", "spilled"), [(0, 600), (500, 100)])
def test_provisioned_400_of_1000(of_others, spilled):
    sim = Simulation(settings=[AT_ONCE])
    orange = with_alias(sim, "orange", provisioned=400, duration=60, timeout=100)
    other = sim.create_function("other", duration=60, timeout=100)
    of_other = Load(sim, other).at(*[1] * of_others)
    load = Load(sim, orange, "live").at(*[1] * 1_001)
    sim.run(until=1)
    assert of_other.count(1) == of_others
    assert load.count(1) == 400 + spilled
    assert load.count(1, ACCOUNT) == 601 - spilled
    assert sums(sim, orange) == (400, spilled)
    assert orange.snapshot().cold_starts == spilled
    assert orange.snapshot().in_flight == 400 + spilled


@pytest.mark.rule("LAM-406", "LAM-174")
def test_reserve_400_with_provisioned_200():
    sim = Simulation(settings=[AT_ONCE])
    orange = with_alias(sim, "orange", provisioned=200, duration=60, timeout=100, reserved_concurrent_executions=400)
    load = Load(sim, orange, "live")
    for number, provisioned, cold in ((199, 199, 0), (1, 200, 0), (1, 200, 1), (199, 200, 200)):
        load.at(*[sim.now] * number)
        sim.run(until_us=sim.now_us)
        assert (sums(sim, orange), orange.snapshot().cold_starts) == ((provisioned, cold), cold)
    load.at(sim.now)
    sim.run(until_us=sim.now_us)
    assert load.by_second == {(1, "admitted"): 400, (1, RESERVED): 1}
    assert (sim.pool.unreserved_capacity, sim.pool.unreserved_in_flight) == (600, 0)


@pytest.mark.rule("LAM-407", "LAM-262")
def test_provisioned_10_and_spill_by_concurrency():
    sim = Simulation(settings=[AT_ONCE])
    worker = with_alias(sim, "worker", provisioned=10, duration=1)
    Load(sim, worker, "live").at(*[1] * 15)
    sim.run()
    assert sums(sim, worker) == (10, 5)
    series = sim.metrics.series
    assert list(series("AWS/Lambda", "ProvisionedConcurrencyUtilization", "Maximum", FunctionName="worker")) == [(0, 1)]
    assert list(series("AWS/Lambda", "ProvisionedConcurrentExecutions", "Maximum", FunctionName="worker")) == [(0, 10)]


@pytest.mark.rule("LAM-408", "LAM-179", "LAM-210")
def test_provisioned_10_and_spill_by_rate():
    sim = Simulation(settings=[AT_ONCE])
    worker = with_alias(sim, "worker", provisioned=10, duration=Decimal("0.01"))
    Load(sim, worker, "live").at(*(1 + number * 1_000_000 // 150 * US for number in range(450)))
    for second in (1, 2, 3):
        sim.run(until=second + Decimal("0.999999"))
        assert sums(sim, worker) == (100 * second, 50 * second)
    sim.run()
    assert peak(sim, "worker") <= 2
    assert worker.snapshot().throttles == 0


@pytest.mark.rule("LAM-409", "LAM-172")
def test_provisioning_ramp():
    sim = Simulation(concurrent_executions=10_000)
    large, small = sim.create_function("large"), sim.create_function("small")
    for function, amount in ((large, 5_000), (small, 100)):
        function.publish_version()
        function.put_provisioned_concurrency_config("1", amount)
    table = [
        ("59", 0, 0),
        ("60", 0, 0),
        ("60.009999", 0, 0),
        ("60.01", 1, 0),
        ("70", 1_000, 0),
        ("100", 4_000, 0),
        ("109.999999", 4_999, 0),
        ("110", 5_000, 5_000),
    ]
    of_small = {"60.01": (1, 0), "70": (100, 100)}
    for at, allocated, available in table:
        sim.run(until=Decimal(at))
        config = large.get_provisioned_concurrency_config("1")
        assert config.requested_provisioned_concurrent_executions == 5_000
        assert config.allocated_provisioned_concurrent_executions == allocated, at
        assert config.available_provisioned_concurrent_executions == available, at
        assert config.status == ("READY" if available else "IN_PROGRESS")
        if at in of_small:
            config = small.get_provisioned_concurrency_config("1")
            found = (
                config.allocated_provisioned_concurrent_executions,
                config.available_provisioned_concurrent_executions,
            )
            assert found == of_small[at]


@pytest.mark.rule("LAM-409", "LAM-172")
@pytest.mark.parametrize(("at", "status"), [("60.999999", "IN_PROGRESS"), ("61", "READY"), ("61.000001", "READY")])
def test_100_environments_are_ready_after_61_s(sim, at, status):
    worker = sim.create_function("worker")
    worker.publish_version()
    worker.put_provisioned_concurrency_config("1", 100)
    sim.run(until=Decimal(at))
    assert worker.get_provisioned_concurrency_config("1").status == status


@pytest.mark.rule("LAM-410", "LAM-230", "LAM-233")
@pytest.mark.parametrize(
    ("rate", "admitted"), [(ScalingRate.DEFAULT, [1_000, 500, 1_000]), (ScalingRate.FIXED_WINDOW, [1_000, 0, 1_000])]
)
def test_scaling_rate(rate, admitted):
    sim = Simulation(concurrent_executions=10_000, settings=[rate], trace=0)
    worker = sim.create_function("worker", duration=60, timeout=100)
    load = Load(sim, worker).at(*[0] * 3_000, *[5] * 600, *[15] * 1_200)
    sim.run(until=15)
    assert [load.count(second) for second in (0, 5, 15)] == admitted
    assert [load.count(second, ACCOUNT) for second in (0, 5, 15)] == [
        2_000,
        600 - admitted[1],
        200,
    ]
    assert worker.snapshot().environments == sum(admitted)


@pytest.mark.rule("LAM-411", "LAM-264")
def test_claimed_without_provisioned(sim):
    orange = sim.create_function("orange", duration=10, timeout=100, reserved_concurrent_executions=600)
    others = sim.create_function("others", duration=10, timeout=100)
    claimed = []
    for function, times in ((others, 0), (others, 100), (orange, 300)):
        Load(sim, function).at(*[sim.now] * times)
        sim.run(until_us=sim.now_us)
        claimed.append(list(sim.metrics.series("AWS/Lambda", "ClaimedAccountConcurrency", "Maximum"))[-1][1])
    assert claimed == [600, 700, 700]
    assert sim.pool.unreserved_capacity - sim.pool.unreserved_in_flight == 300


@pytest.mark.rule("LAM-411", "LAM-264", "LAM-265")
def test_claimed():
    sim = Simulation(settings=[AT_ONCE])
    orange = sim.create_function("orange", duration=30, timeout=100, reserved_concurrent_executions=600)
    blue = with_alias(sim, "blue", provisioned=200, duration=30, timeout=100)
    others = sim.create_function("others", duration=30, timeout=100)
    claimed, left = [], []
    for load, times in (
        (Load(sim, others), 0),
        (Load(sim, others), 100),
        (Load(sim, orange), 300),
        (Load(sim, blue, "live"), 150),
    ):
        load.at(*[sim.now] * times)
        sim.run(until_us=sim.now_us)
        claimed.append(list(sim.metrics.series("AWS/Lambda", "ClaimedAccountConcurrency", "Maximum"))[-1][1])
        left.append(sim.pool.unreserved_capacity - sim.pool.unreserved_in_flight)
        assert sim.claimed_share == claimed[-1] / 10
    assert claimed == [800, 900, 900, 900]
    assert left == [200, 100, 100, 100]
    assert sums(sim, blue) == (150, 0)
    assert sim.pool.in_flight == 550


@pytest.mark.rule("LAM-412", "LAM-262", "LAM-263")
def test_provisioned_metrics_per_minute():
    sim = Simulation(settings=[AT_ONCE])
    worker = with_alias(sim, "worker", provisioned=10, duration=120, timeout=300)
    Load(sim, worker, "live").at(*range(30, 600, 60))
    sim.run(until=599)
    series = sim.metrics.series
    begins = range(0, 600, 60)
    busy = list(series("AWS/Lambda", "ProvisionedConcurrentExecutions", "Maximum", FunctionName="worker"))
    assert busy == [(begin, 2 if begin else 1) for begin in begins]
    runs = list(series("AWS/Lambda", "ProvisionedConcurrencyInvocations", "Sum", FunctionName="worker"))
    assert runs == [(begin, 1) for begin in begins]


@pytest.mark.rule("LAM-413", "LAM-262")
@pytest.mark.parametrize(
    ("provisioned", "busy", "utilization"), [(100, 60, 0.6), (10, 7, 0.7), (100, 50, 0.5), (10, 10, 1.0)]
)
def test_utilization(provisioned, busy, utilization):
    sim = Simulation(settings=[AT_ONCE])
    worker = with_alias(sim, "worker", provisioned=provisioned, duration=2)
    Load(sim, worker, "live").at(*[5] * busy)
    sim.run()
    of_config = {"FunctionName": "worker", "Resource": "worker:live"}
    for name, wanted in (
        ("ProvisionedConcurrencyUtilization", utilization),
        ("ProvisionedConcurrentExecutions", busy),
    ):
        assert list(sim.metrics.series("AWS/Lambda", name, "Maximum", **of_config)) == [(0, wanted)]


@pytest.mark.rule("LAM-414", "LAM-127")
@pytest.mark.parametrize(("third", "is_cold"), [("1210", True), ("1202.9", True), ("1202.899999", False)])
def test_idle_reclaim(third, is_cold):
    sim = Simulation()
    worker = sim.create_function("worker", duration=1, settings=[ColdStartModel(init_s=1)])
    Load(sim, worker).at(0, Decimal("601.9"), Decimal(third))
    sim.run()
    invocations = worker.invocations
    assert [invocation.is_cold_start for invocation in invocations] == [True, False, is_cold]
    assert [invocation.ended_at_us for invocation in invocations[:2]] == [2_000_000, 602_900_000]


@pytest.mark.rule("LAM-415", "LAM-101", "LAM-300")
def test_timeout(sim):
    exact = sim.create_function("exact", duration=3)
    late = sim.create_function("late", duration=Decimal("3.000001"))
    cold = sim.create_function("cold", duration=Decimal("3.000001"), settings=[ColdStartModel(init_s=2)])
    assert exact.invoke().function_error is None
    for function, waited_us, billed_ms in ((late, 3_000_000, 3_000), (cold, 5_000_000, 5_000)):
        began_us = sim.now_us
        value = function.invoke().value
        assert value["errorType"] == "Sandbox.Timedout"
        assert value["errorMessage"].endswith("Task timed out after 3.00 seconds")
        assert sim.now_us - began_us == waited_us
        assert function.billed_mb_ms == billed_ms * 128
        assert function.snapshot().errors == 1
        assert list(sim.metrics.series("AWS/Lambda", "Duration", "Maximum", FunctionName=function.name)) == [(0, 3_000)]
    assert exact.invocations[0].duration_us == 3_000_000
    assert exact.billed_mb_ms == 3_000 * 128


@pytest.mark.rule("LAM-416", "LAM-083")
@pytest.mark.parametrize(("work", "ends", "is_timeout"), [("0.5", 8.5, False), ("1", 9, False), ("1.000001", 9, True)])
def test_reset_after_timeout(sim, work, ends, is_timeout):
    seen = []

    def handler(event, context):
        environment = context.environment
        seen.append((environment.id, environment.is_cold_start, dict(environment.state), dict(environment.tmp)))
        environment.state["kept"] = environment.tmp["kept"] = len(seen)
        context.sleep(10 if len(seen) == 1 else Decimal(work))

    worker = sim.create_function("worker", handler, duration=0, settings=[ColdStartModel(init_s=2)])
    worker.invoke()
    assert sim.now == 5
    sim.run(until=6)
    assert (worker.invoke().function_error is not None) is is_timeout
    assert sim.now == ends
    assert seen == [("A", True, {}, {}), ("A", False, {}, {"kept": 1})]
    second = worker.invocations[1]
    assert second.duration_us == (ends - 6) * 1_000_000
    assert not second.is_cold_start
    assert "Init Duration" not in second.log_lines[-1]
    assert worker.snapshot().cold_starts == 1


@pytest.mark.rule("LAM-416", "LAM-083")
def test_after_a_reset_1_5_s_of_work_do_not_fit_beside_the_repeated_init(sim):
    def handler(event, context):
        context.sleep(event)

    worker = sim.create_function("worker", handler, duration=0, settings=[ColdStartModel(init_s=2)])
    worker.invoke(10)
    assert worker.invoke(1.5).value["errorType"] == "Sandbox.Timedout"
    assert worker.invocations[1].billed_ms == 3_000


@pytest.mark.rule("LAM-417", "LAM-180")
@pytest.mark.parametrize("qualifier", ["$LATEST", None, "1"])
def test_reserve_equals_provisioned(qualifier):
    sim = Simulation(settings=[AT_ONCE])
    worker = with_alias(sim, "worker", provisioned=5, duration=2, reserved_concurrent_executions=5)
    live, latest = Load(sim, worker, "live"), Load(sim, worker, qualifier)
    live.at(*[1] * 6)
    latest.at(10)
    sim.run(until=1)
    assert live.by_second == {(1, "admitted"): 5, (1, RESERVED): 1}
    assert sums(sim, worker) == (5, 0)
    sim.run()
    assert worker.snapshot().in_flight == 0
    assert latest.by_second == {(10, "admitted"): 0, (10, RESERVED): 1}


@pytest.mark.rule("LAM-418", "LAM-156")
def test_reserve_0_holds_for_aliases_too(sim):
    stopped = sim.create_function("stopped")
    stopped.publish_version()
    stopped.create_alias("live", "1")
    stopped.put_function_concurrency(0)
    load = Load(sim, stopped, "live").at(*(number * Decimal("0.01") for number in range(100)))
    sim.run()
    assert load.by_second == {(0, "admitted"): 0, (0, RESERVED): 100}
    series = sim.metrics.series
    assert list(series("AWS/Lambda", "Throttles", "Sum", FunctionName="stopped", Resource="stopped:live")) == [(0, 100)]
    assert list(series("AWS/Lambda", "Invocations", "Sum")) == []
    assert list(series("AWS/Lambda", "ConcurrentExecutions", "Maximum")) == []


@pytest.mark.rule("LAM-418", "LAM-156")
def test_reserve_0(sim):
    stopped = sim.create_function("stopped", reserved_concurrent_executions=0)
    load = Load(sim, stopped).at(*range(100))
    sim.run(until=100)
    assert all(load.count(second, RESERVED) == 1 for second in range(100))
    series = sim.metrics.series
    assert list(series("AWS/Lambda", "Throttles", "Sum", FunctionName="stopped")) == [(0, 60), (60, 40)]
    assert list(series("AWS/Lambda", "Invocations", "Sum", FunctionName="stopped")) == []
    assert list(series("AWS/Lambda", "ConcurrentExecutions", "Maximum", FunctionName="stopped")) == []
