"""Concurrency pools, admission, rates and throttles (LAM §9, §10)."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from lambdasim import LambdaLimits, RpsModel, ScalingRate, Simulation
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import InvalidParameterValueException, TooManyRequestsException, ValidationException

US = Decimal("0.000001")

ACCOUNT = "ConcurrentInvocationLimitExceeded"
ACCOUNT_RATE = "FunctionInvocationRateLimitExceeded"
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
RESERVED_RATE = "ReservedFunctionInvocationRateLimitExceeded"

FLOOR = (
    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
    "minimum value of [100]."
)


def requests(sim, function, times=1, *, at=None):
    """Make requests at one instant, and return what became of them: admitted, or the reason why not, each counted."""
    outcomes = Counter()

    async def request():
        try:
            await function.wait_invoke()
        except TooManyRequestsException as error:
            outcomes[error.reason] += 1
            outcomes["admitted"] -= 1

    def all_of_them():
        outcomes["admitted"] += times
        for _ in range(times):
            sim.spawn(request())

    if at is None:
        all_of_them()
        sim.run(until_us=sim.now_us)
    else:
        sim.call_at(at, all_of_them)
    return outcomes


def admitted(sim, function, times=1):
    return requests(sim, function, times)["admitted"]


# ---- LAM-150 to LAM-157: pools


@pytest.mark.rule("LAM-150")
def test_functions_without_a_reserve_share_what_is_not_reserved(sim):
    sim.create_function("reserved", reserved_concurrent_executions=700)
    first, second = (sim.create_function(name, duration=10, timeout=20) for name in ("first", "second"))
    assert admitted(sim, first, 200) == 200
    assert requests(sim, second, 101) == {"admitted": 100, ACCOUNT: 1}


@pytest.mark.rule("LAM-151")
def test_a_reserve_is_guaranteed_and_a_ceiling(sim):
    reserved = sim.create_function("reserved", duration=10, timeout=20, reserved_concurrent_executions=5)
    other = sim.create_function("other", duration=10, timeout=20)
    assert requests(sim, reserved, 6) == {"admitted": 5, RESERVED: 1}  # though nothing else runs
    assert requests(sim, other, 996) == {"admitted": 995, ACCOUNT: 1}
    sim.run(until=10)
    assert admitted(sim, other, 995) == 995
    assert admitted(sim, reserved, 5) == 5  # though all others are busy


@pytest.mark.rule("LAM-152")
@pytest.mark.parametrize(("limit", "most"), [(1_000, 900), (2_000, 1_900), (150, 50)])
def test_100_must_stay_unreserved(limit, most):
    sim = Simulation(concurrent_executions=limit)
    worker = sim.create_function("worker")
    worker.put_function_concurrency(most)
    assert worker.get_function_concurrency().reserved_concurrent_executions == most
    for refuses in (
        lambda: worker.put_function_concurrency(most + 1),
        lambda: sim.create_function("other", reserved_concurrent_executions=1),
    ):
        with pytest.raises(InvalidParameterValueException) as refusal:
            refuses()
        assert refusal.value.message == FLOOR
    assert worker.get_function_concurrency().reserved_concurrent_executions == most
    assert sim.functions == (worker,)


@pytest.mark.rule("LAM-152")
def test_a_reserve_of_0_is_always_legal():
    sim = Simulation(concurrent_executions=100)
    worker = sim.create_function("worker", reserved_concurrent_executions=0)
    with pytest.raises(InvalidParameterValueException):
        worker.put_function_concurrency(1)
    assert worker.get_function_concurrency().reserved_concurrent_executions == 0


@pytest.mark.rule("LAM-152")
def test_a_functions_old_reserve_does_not_count_against_its_new_one(sim):
    worker = sim.create_function("worker", reserved_concurrent_executions=900)
    worker.put_function_concurrency(899)
    worker.put_function_concurrency(900)
    assert worker.get_function_concurrency().reserved_concurrent_executions == 900


@pytest.mark.rule("LAM-152", "LAM-010")
def test_the_floor_can_be_changed():
    sim = Simulation(concurrent_executions=10, settings=[LambdaLimits(unreserved_floor=2)])
    sim.create_function("worker", reserved_concurrent_executions=8)
    with pytest.raises(InvalidParameterValueException, match=r"minimum value of \[2\]\."):
        sim.create_function("other", reserved_concurrent_executions=1)


@pytest.mark.rule("LAM-151")
@pytest.mark.parametrize("amount", [1.5, "5", True])
def test_a_reserve_is_a_whole_number(sim, amount):
    with pytest.raises(UsageError, match="whole number"):
        sim.create_function("worker").put_function_concurrency(amount)


@pytest.mark.rule("LAM-151")
def test_a_reserve_is_not_negative(sim):
    with pytest.raises(ValidationException, match="greater than or equal to 0"):
        sim.create_function("worker", reserved_concurrent_executions=-1)


@pytest.mark.rule("LAM-155")
def test_a_reserve_can_be_read_and_taken_back_any_number_of_times(sim):
    worker = sim.create_function("worker")
    assert worker.get_function_concurrency().reserved_concurrent_executions is None
    worker.delete_function_concurrency()
    worker.put_function_concurrency(7)
    assert worker.get_function_concurrency().reserved_concurrent_executions == 7
    for _ in range(2):
        worker.delete_function_concurrency()
        assert worker.get_function_concurrency().reserved_concurrent_executions is None
    assert admitted(sim, worker, 8) == 8


@pytest.mark.rule("LAM-156", "LAM-418")
def test_a_reserve_of_0_stops_the_function_with_the_reason_of_concurrency(sim):
    worker = sim.create_function("worker", reserved_concurrent_executions=0)
    for second in range(3):
        sim.run(until=second)
        assert requests(sim, worker, 20) == {"admitted": 0, RESERVED: 20}


@pytest.mark.rule("LAM-157")
def test_work_above_a_lowered_reserve_goes_on_and_nothing_is_admitted_until_it_has_drained_below(sim):
    durations = iter((1, 2, 3, 4))
    worker = sim.create_function(
        "worker",
        lambda event, context: None,
        duration=lambda event: next(durations, 0),
        timeout=20,
        reserved_concurrent_executions=4,
    )
    assert admitted(sim, worker, 4) == 4
    worker.put_function_concurrency(2)
    assert worker.snapshot().in_flight == 4
    for until, wanted in ((0.5, 0), (1, 0), (2, 0), (2.999999, 0), (3, 1)):
        sim.run(until=until)
        assert admitted(sim, worker) == wanted, until


@pytest.mark.rule("LAM-157", "LAM-150", "LAM-200")
def test_work_in_flight_counts_where_its_function_belongs_now():
    sim = Simulation(concurrent_executions=200)
    worker, other = (sim.create_function(name, duration=10, timeout=20) for name in ("worker", "other"))
    assert admitted(sim, worker, 60) == 60
    worker.put_function_concurrency(80)
    assert admitted(sim, other, 121) == 120  # what is reserved is not theirs, but the 60 no longer count against them
    assert admitted(sim, worker, 21) == 20
    worker.delete_function_concurrency()
    assert admitted(sim, worker) == 0
    assert sim.pool.unreserved_in_flight == 200
    sim.check_invariants()
    sim.run(until=10)
    assert admitted(sim, worker, 201) == 200


# ---- LAM-200 to LAM-203: admission


@pytest.mark.rule("LAM-200")
def test_the_rate_is_checked_before_the_concurrency():
    sim = Simulation(concurrent_executions=2)
    worker = sim.create_function("worker", duration=lambda event: 0)
    assert requests(sim, worker, 20) == {"admitted": 20}
    assert requests(sim, worker, 2) == {"admitted": 0, ACCOUNT_RATE: 2}
    slow = sim.create_function("slow", duration=5, timeout=9)
    sim.run(until=1)
    assert requests(sim, slow, 3) == {"admitted": 2, ACCOUNT: 1}


@pytest.mark.rule("LAM-200")
def test_what_is_refused_counts_in_no_window_and_takes_no_token():
    sim = Simulation(concurrent_executions=2, settings=[ScalingRate(capacity=3, refill_per_s=0)])
    worker = sim.create_function("worker", duration=Decimal("0.1"))
    assert requests(sim, worker, 100) == {"admitted": 2, ACCOUNT: 98}  # 98 refusals leave the window at 2 …
    for tenth in range(1, 10):
        sim.run(until=Decimal(tenth) / 10)
        assert admitted(sim, worker, 2) == 2  # … so that 18 more are admitted in this second
    other = sim.create_function("other", settings=[ScalingRate(capacity=1, refill_per_s=0)])
    sim.run(until=2)
    busy = sim.create_function("busy", duration=1)
    assert admitted(sim, busy, 2) == 2
    assert requests(sim, other) == {"admitted": 0, ACCOUNT: 1}  # refused by concurrency: its one token stays
    sim.run(until=3)
    assert requests(sim, other) == {"admitted": 1}


@pytest.mark.rule("LAM-200")
def test_requests_of_one_instant_are_admitted_in_order_of_creation():
    sim = Simulation(concurrent_executions=2)
    order = []
    functions = [
        sim.create_function(name, lambda event, context: order.append(context.function_name), duration=1)
        for name in ("a", "b", "c")
    ]

    async def call(function):
        await sim.sleep(1)
        await function.wait_invoke()

    for function in (functions[2], functions[0], functions[1]):
        sim.spawn(call(function))
    with pytest.raises(TooManyRequestsException):
        sim.run()
    sim.run()
    assert order == ["c", "a"]


@pytest.mark.rule("LAM-201", "LAM-202")
def test_a_refusal_is_immediate_and_says_why(sim):
    worker = sim.create_function("worker", reserved_concurrent_executions=0)
    with pytest.raises(TooManyRequestsException) as refusal:
        worker.invoke()
    error = refusal.value
    assert (error.message, error.code, error.http_status) == ("Rate Exceeded.", "TooManyRequestsException", 429)
    assert error.reason == RESERVED
    assert error.sender_fault
    assert sim.now == 0


@pytest.mark.rule("LAM-202", "LAM-200")
def test_each_limit_has_its_reason():
    sim = Simulation(concurrent_executions=102)
    reserved = sim.create_function("reserved", duration=0, reserved_concurrent_executions=1)
    free = sim.create_function("free", duration=0)
    assert requests(sim, reserved, 11) == {"admitted": 10, RESERVED_RATE: 1}
    assert requests(sim, free, 1_011) == {"admitted": 1_010, ACCOUNT_RATE: 1}
    slow = sim.create_function("slow", duration=1, reserved_concurrent_executions=1)
    sim.run(until=1)
    assert requests(sim, slow, 2) == {"admitted": 1, RESERVED: 1}
    slow_free = sim.create_function("slow_free", duration=1)
    assert requests(sim, slow_free, 101) == {"admitted": 100, ACCOUNT: 1}


@pytest.mark.rule("LAM-203", "LAM-230")
def test_a_lack_of_tokens_for_environments_is_told_as_one_of_concurrency():
    sim = Simulation(concurrent_executions=5_000)
    worker = sim.create_function("worker", duration=1)
    assert requests(sim, worker, 1_001) == {"admitted": 1_000, ACCOUNT: 1}


# ---- LAM-210, LAM-211: rates


@pytest.mark.rule("LAM-210")
def test_the_rate_is_no_limit_of_an_environment():
    sim = Simulation(concurrent_executions=100)
    worker = sim.create_function("worker", duration=Decimal("0.001"))
    outcomes = [requests(sim, worker, at=Decimal(number) / 1_000) for number in range(1_000)]
    sim.run()
    assert sum(outcome["admitted"] for outcome in outcomes) == 1_000
    assert worker.snapshot().cold_starts == 1


@pytest.mark.rule("LAM-210", "LAM-211")
@pytest.mark.parametrize("reserve", [None, 3])
def test_ten_times_the_concurrency_is_admitted_in_each_second_of_the_clock(reserve):
    sim = Simulation(concurrent_executions=3 if reserve is None else 103)
    worker = sim.create_function("worker", duration=0, reserved_concurrent_executions=reserve)
    reason = ACCOUNT_RATE if reserve is None else RESERVED_RATE
    sim.run(until=Decimal("0.5"))
    assert requests(sim, worker, 31) == {"admitted": 30, reason: 1}
    sim.run(until=1 - US)
    assert requests(sim, worker) == {"admitted": 0, reason: 1}
    sim.run(until=1)  # the window is the second, not a second since the first request
    assert requests(sim, worker, 31) == {"admitted": 30, reason: 1}
    sim.run(until=1 + US)
    assert admitted(sim, worker) == 0


@pytest.mark.rule("LAM-210")
def test_reserved_and_unreserved_requests_have_windows_of_their_own():
    sim = Simulation(concurrent_executions=101)
    reserved = sim.create_function("reserved", duration=0, reserved_concurrent_executions=1)
    free = sim.create_function("free", duration=0)
    assert admitted(sim, reserved, 11) == 10
    assert admitted(sim, free, 1_001) == 1_000


@pytest.mark.rule("LAM-210", "LAM-150")
def test_functions_without_a_reserve_share_one_window():
    sim = Simulation(concurrent_executions=1)
    first, second = (sim.create_function(name, duration=0) for name in ("first", "second"))
    assert admitted(sim, first, 6) == 6
    assert requests(sim, second, 6) == {"admitted": 4, ACCOUNT_RATE: 2}


@pytest.mark.rule("LAM-010", "LAM-211")
def test_the_model_of_rates_can_be_changed():
    off = Simulation(concurrent_executions=1, settings=[RpsModel(mode="off")])
    assert admitted(off, off.create_function("worker", duration=0), 100) == 100
    wide = Simulation(concurrent_executions=1, settings=[RpsModel(window_s=10)])
    worker = wide.create_function("worker", duration=0)
    assert admitted(wide, worker, 11) == 10
    wide.run(until=10 - US)
    assert admitted(wide, worker) == 0
    wide.run(until=10)
    assert admitted(wide, worker, 11) == 10
    steep = Simulation(concurrent_executions=1, settings=[LambdaLimits(rps_factor=3)])
    assert admitted(steep, steep.create_function("worker", duration=0), 11) == 3


# ---- LAM-230 to LAM-233: the scaling rate


def growing(**settings):
    sim = Simulation(concurrent_executions=10_000, settings=[ScalingRate(**settings)] if settings else [])
    return sim, sim.create_function("worker", duration=60, timeout=100)


@pytest.mark.rule("LAM-230", "LAM-231")
def test_the_bucket_is_full_at_first_and_refills_by_100_a_second():
    sim, worker = growing()
    assert admitted(sim, worker, 1_500) == 1_000
    sim.run(until=2)
    assert admitted(sim, worker, 500) == 200
    sim.run(until=20)
    assert admitted(sim, worker, 1_500) == 1_000  # never above 1,000


@pytest.mark.rule("LAM-231")
def test_tokens_are_kept_without_rounding():
    sim, worker = growing()
    assert admitted(sim, worker, 1_000) == 1_000
    sim.run(until=Decimal("0.009999"))
    assert admitted(sim, worker) == 0
    sim.run(until=Decimal("0.01"))
    assert admitted(sim, worker, 2) == 1
    sim.run(until=Decimal("0.014999"))  # looks in between lose nothing
    assert admitted(sim, worker) == 0
    sim.run(until=Decimal("0.019999"))
    assert admitted(sim, worker) == 0
    sim.run(until=Decimal("0.02"))
    assert admitted(sim, worker) == 1


@pytest.mark.rule("LAM-230")
def test_a_request_on_an_idle_environment_needs_no_token():
    sim, worker = growing(capacity=2, refill_per_s=0)
    assert admitted(sim, worker, 3) == 2
    for minute in range(1, 5):
        sim.run(until=60 * minute)
        assert admitted(sim, worker, 3) == 2
    assert worker.snapshot().cold_starts == 2


@pytest.mark.rule("LAM-232", "LAM-150")
def test_functions_scale_independently():
    sim = Simulation(concurrent_executions=10_000)
    first, second = (sim.create_function(name, duration=60, timeout=100) for name in ("first", "second"))
    assert admitted(sim, first, 1_500) == 1_000
    assert admitted(sim, second, 1_500) == 1_000


@pytest.mark.rule("LAM-231")
def test_the_bucket_of_a_function_is_full_when_it_is_created(sim):
    sim.run(until=100)
    worker = sim.create_function("worker", duration=60, timeout=100, settings=[ScalingRate(capacity=5)])
    assert admitted(sim, worker, 10) == 5


@pytest.mark.rule("LAM-233")
def test_the_fixed_window_gives_1000_in_each_ten_seconds_of_the_clock():
    sim, worker = growing(mode="window")
    assert ScalingRate(mode="window") == ScalingRate.FIXED_WINDOW
    sim.run(until=7)
    assert admitted(sim, worker, 600) == 600
    sim.run(until=10 - US)
    assert admitted(sim, worker, 600) == 400
    sim.run(until=10)
    assert admitted(sim, worker, 1_500) == 1_000
    sim.run(until=39)  # no carry-over
    assert admitted(sim, worker, 1_500) == 1_000


@pytest.mark.rule("LAM-233")
@pytest.mark.parametrize(
    ("preset", "at_once", "later"),
    [(ScalingRate.DEFAULT, 1_000, 500), (ScalingRate.HALF, 500, 250), (ScalingRate.OFF, 2_000, 2_000)],
)
def test_presets_of_the_scaling_rate_stand_for_published_figures(preset, at_once, later):
    sim = Simulation(concurrent_executions=10_000, settings=[preset])
    worker = sim.create_function("worker", duration=60, timeout=100)
    assert admitted(sim, worker, 2_000) == at_once
    sim.run(until=5)
    assert admitted(sim, worker, 2_000) == later
