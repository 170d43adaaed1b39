"""The steps of admission with every kind of pool, the rates, and the pace of new environments (LAM §10)."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from lambdasim import ColdStartModel, LambdaFaults, LambdaLimits, RpsModel, ScalingRate, Simulation
from lambdasim.errors.lambda_ import ServiceException, TooManyRequestsException
from lambdasim.lambda_ import ProvisioningModel
from tests.choosers import Says

US = Decimal("0.000001")

ACCOUNT = "ConcurrentInvocationLimitExceeded"
ACCOUNT_RATE = "FunctionInvocationRateLimitExceeded"
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
RESERVED_RATE = "ReservedFunctionInvocationRateLimitExceeded"
CALLER = "CallerRateLimitExceeded"

AT_ONCE = ProvisioningModel(prepare_s=0, rate_per_s=1_000_000)


def make(sim, name="worker", *, duration=0, provisioned=None, reserved=None, **more):
    """Make a function with version 1 and the alias `live` on it, and wait until what it has provisioned is ready."""
    function = sim.create_function(name, duration=duration, timeout=100, **more)
    function.publish_version()
    function.create_alias("live", "1")
    if reserved is not None:
        function.put_function_concurrency(reserved)
    if provisioned:
        function.put_provisioned_concurrency_config("live", provisioned)
        sim.run_until(lambda: function.get_provisioned_concurrency_config("live").status == "READY")
    return function


def small(account, *settings):
    """Return a simulation where so few may run, and nothing has to stay unreserved."""
    return Simulation(
        settings=[LambdaLimits(account_concurrency=account, unreserved_floor=0), AT_ONCE, *settings], trace=0
    )


def provisioned_so_far(sim, function):
    series = sim.metrics.series("AWS/Lambda", "ProvisionedConcurrencyInvocations", "Sum", FunctionName=function.name)
    return sum(value for _, value in series)


def ask(sim, function, times=1, qualifier=None):
    """Make requests now; return how many ran provisioned or on demand, or were refused, by reason."""
    outcomes = Counter()

    async def request():
        try:
            await function.wait_invoke(qualifier=qualifier)
        except TooManyRequestsException as error:
            outcomes[error.reason] += 1

    before, provisioned = function.snapshot().invocations, provisioned_so_far(sim, function)
    for _ in range(times):
        sim.spawn(request())
    sim.run(until_us=sim.now_us)
    outcomes["provisioned"] = provisioned_so_far(sim, function) - provisioned
    outcomes["on demand"] = function.snapshot().invocations - before - outcomes["provisioned"]
    return +outcomes


# ---- LAM-200: the steps, one after the other


@pytest.mark.rule("LAM-200", "LAM-210")
def test_a_provisioned_request_passes_the_rate_of_the_reserve_first():
    sim = small(100)
    worker = make(sim, provisioned=2, reserved=2)
    sim.run(until=1)
    assert ask(sim, worker, 21, "live") == {"provisioned": 20, RESERVED_RATE: 1}
    sim.run(until=2 - US)
    assert ask(sim, worker, 1, "live") == {RESERVED_RATE: 1}
    sim.run(until=2)
    assert ask(sim, worker, 1, "live") == {"provisioned": 1}


@pytest.mark.rule("LAM-200", "LAM-211")
def test_requests_of_all_versions_and_both_kinds_count_in_the_window_of_the_reserve():
    sim = small(100)
    worker = make(sim, provisioned=2, reserved=4)
    sim.run(until=1)
    assert ask(sim, worker, 5) == {"on demand": 5}
    assert ask(sim, worker, 5, "1") == {"on demand": 5}
    assert ask(sim, worker, 31, "live") == {"provisioned": 20, "on demand": 10, RESERVED_RATE: 1}
    for qualifier in (None, "1", "live"):
        assert ask(sim, worker, 1, qualifier) == {RESERVED_RATE: 1}
    sim.run(until=2)
    assert ask(sim, worker, 41) == {"on demand": 40, RESERVED_RATE: 1}
    assert ask(sim, worker, 1, "live") == {RESERVED_RATE: 1}  # though its config has admitted none


@pytest.mark.rule("LAM-200", "LAM-211")
def test_the_rate_of_the_reserve_is_told_before_its_concurrency():
    sim = small(100)
    durations = iter([0] * 18 + [5] * 2)
    worker = make(sim, duration=lambda event: next(durations, 0), reserved=2)
    sim.run(until=1)
    assert ask(sim, worker, 21) == {"on demand": 20, RESERVED_RATE: 1}  # both units are busy now
    sim.run(until=2)
    assert ask(sim, worker, 2) == {RESERVED: 2}


@pytest.mark.rule("LAM-200", "LAM-211")
def test_a_provisioned_request_counts_in_the_window_of_its_config_only():
    sim = small(5)
    worker = make(sim, provisioned=3)
    sim.run(until=1)
    assert ask(sim, worker, 30, "live") == {"provisioned": 30}
    assert ask(sim, worker, 21, "live") == {"on demand": 20, ACCOUNT_RATE: 1}  # U = 2
    assert ask(sim, worker, 1) == {ACCOUNT_RATE: 1}
    assert worker.snapshot().invocations == 10 * 5


@pytest.mark.rule("LAM-200", "LAM-211", "LAM-210")
def test_the_windows_together_never_admit_more_than_ten_times_the_account():
    sim = small(20)
    reserved, provisioned, both, free = (
        make(sim, "reserved", reserved=4),
        make(sim, "provisioned", provisioned=5),
        make(sim, "both", reserved=6, provisioned=2),
        make(sim, "free"),
    )
    for second in (1, 2):
        sim.run(until=second)
        assert ask(sim, provisioned, 60, "live") == {"provisioned": 50, "on demand": 10}
        assert ask(sim, reserved, 100) == {"on demand": 40, RESERVED_RATE: 60}
        assert ask(sim, both, 100, "live") == {"provisioned": 20, "on demand": 40, RESERVED_RATE: 40}
        assert ask(sim, free, 100) == {"on demand": 40, ACCOUNT_RATE: 60}  # 5 x 10, less what spilled over
        made = sum(function.snapshot().invocations for function in (reserved, provisioned, both, free))
        assert made == second * 20 * 10


@pytest.mark.rule("LAM-200")
def test_what_is_refused_changes_no_counter_of_a_config():
    sim = small(100, ScalingRate(capacity=1, refill_per_s=0))
    worker = make(sim, duration=Decimal("0.1"), provisioned=1)
    sim.run(until=1)
    assert ask(sim, worker, 50, "live") == {"provisioned": 1, "on demand": 1, ACCOUNT: 48}
    for tenth in range(1, 10):
        sim.run(until=1 + Decimal(tenth) / 10)
        assert ask(sim, worker, 50, "live") == {"provisioned": 1, "on demand": 1, ACCOUNT: 48}


@pytest.mark.rule("LAM-200", "LAM-203")
def test_a_lack_of_tokens_is_told_alike_with_a_reserve():
    sim = small(100, ScalingRate(capacity=2, refill_per_s=0))
    worker = make(sim, duration=10, reserved=5)
    assert ask(sim, worker, 3) == {"on demand": 2, ACCOUNT: 1}


@pytest.mark.rule("LAM-200", "LAM-230")
def test_all_versions_of_a_function_draw_from_one_bucket():
    sim = small(100, ScalingRate(capacity=3, refill_per_s=0))
    worker = make(sim, duration=10)
    assert ask(sim, worker, 2) == {"on demand": 2}
    assert ask(sim, worker, 2, "live") == {"on demand": 1, ACCOUNT: 1}
    sim.run(until=10)
    assert ask(sim, worker, 2) == {"on demand": 2}
    assert ask(sim, worker, 2, "1") == {"on demand": 1, ACCOUNT: 1}  # idle ones of another version are of no use


@pytest.mark.rule("LAM-200")
def test_requests_of_one_instant_lease_provisioned_environments_in_order_of_creation():
    sim = small(100)
    kinds = {}

    def handler(event, context):
        kinds[event] = context.environment.variables["AWS_LAMBDA_INITIALIZATION_TYPE"]

    worker = sim.create_function("worker", handler, duration=1)
    worker.publish_version()
    worker.put_provisioned_concurrency_config("1", 2)

    async def call(event):
        await sim.sleep(5)
        await worker.wait_invoke(event, qualifier="1")

    for event in (3, 1, 2, 0):
        sim.spawn(call(event))
    sim.run()
    assert kinds == {3: "provisioned-concurrency", 1: "provisioned-concurrency", 2: "on-demand", 0: "on-demand"}


# ---- LAM-201, LAM-202: refusals


@pytest.mark.rule("LAM-201", "LAM-202", "LAM-360")
def test_the_caller_may_be_too_fast_when_a_chooser_says_so():
    chooser = Says("lambda.caller_rate", 0, 1, 0)
    sim = Simulation(choices=chooser, faults=LambdaFaults(caller_rate=0.5))
    worker = sim.create_function("worker")
    worker.invoke()
    with pytest.raises(TooManyRequestsException) as refusal:
        worker.invoke()
    error = refusal.value
    assert (error.message, error.code, error.http_status) == ("Rate exceeded", "TooManyRequestsException", 429)
    assert error.reason == CALLER
    worker.invoke()
    assert worker.snapshot().invocations == 2
    assert [asked for asked in chooser.asked if asked[0] == "lambda.caller_rate"] == [
        ("lambda.caller_rate", worker.arn, 2)
    ] * 3


@pytest.mark.rule("LAM-202", "LAM-065")
def test_the_service_fails_before_the_caller_is_too_fast_and_both_before_any_limit():
    sim = Simulation(choices=Says("lambda.service_error", 1), faults=LambdaFaults(service_error=0.5, caller_rate=0.5))
    worker = sim.create_function("worker", reserved_concurrent_executions=0)
    with pytest.raises(ServiceException, match=r"Internal service error \(injected\)"):
        worker.invoke()
    with pytest.raises(TooManyRequestsException) as refusal:
        worker.invoke()
    assert refusal.value.reason == RESERVED
    always = Simulation(faults=LambdaFaults(caller_rate=1))
    stopped = always.create_function("stopped", reserved_concurrent_executions=0)
    with pytest.raises(TooManyRequestsException) as refusal:
        stopped.invoke()
    assert refusal.value.reason == CALLER


@pytest.mark.rule("LAM-202")
def test_nobody_is_too_fast_without_a_fault():
    chooser = Says("lambda.caller_rate", 1)
    sim = Simulation(choices=chooser)
    sim.create_function("worker").invoke()
    assert chooser.asked == []


@pytest.mark.rule("LAM-201")
@pytest.mark.parametrize("qualifier", [None, "1", "live"])
def test_a_refusal_of_any_version_is_immediate(qualifier):
    sim = small(10)
    worker = make(sim, duration=5, reserved=1, provisioned=1)
    sim.run(until=1)
    worker_is_busy = sim.spawn(worker.wait_invoke(qualifier="live"))
    sim.run(until=2)
    with pytest.raises(TooManyRequestsException) as refusal:
        worker.invoke(qualifier=qualifier)
    assert (refusal.value.message, refusal.value.reason) == ("Rate Exceeded.", RESERVED)
    assert sim.now == 2
    sim.run()
    assert worker_is_busy.result().status_code == 200


# ---- LAM-210 to LAM-213: requests per second


@pytest.mark.rule("LAM-210", "LAM-010")
def test_the_factor_holds_for_every_kind_of_pool():
    sim = Simulation(
        settings=[LambdaLimits(account_concurrency=10, unreserved_floor=0, rps_factor=3), AT_ONCE], trace=0
    )
    provisioned = make(sim, "provisioned", provisioned=2)
    reserved = make(sim, "reserved", reserved=3)
    sim.run(until=1)
    assert ask(sim, provisioned, 22, "live") == {"provisioned": 6, "on demand": 15, ACCOUNT_RATE: 1}
    assert ask(sim, reserved, 10) == {"on demand": 9, RESERVED_RATE: 1}


@pytest.mark.rule("LAM-210")
def test_one_environment_may_serve_more_than_ten_requests_a_second():
    sim = small(100)
    worker = make(sim, duration=Decimal("0.001"), provisioned=50)
    sim.run(until=1)
    for number in range(500):
        sim.run(until=1 + Decimal(number) / 500)
        assert ask(sim, worker, 1, "live") == {"provisioned": 1}
    assert worker.snapshot().in_flight == 1


@pytest.mark.rule("LAM-211")
def test_a_change_of_what_is_unreserved_changes_its_rate_at_once():
    sim = small(5)
    free, other = make(sim, "free"), make(sim, "other")
    assert ask(sim, free, 25) == {"on demand": 25}
    other.put_function_concurrency(3)
    assert ask(sim, free, 1) == {ACCOUNT_RATE: 1}  # 25 of 20
    other.put_function_concurrency(2)
    assert ask(sim, free, 6) == {"on demand": 5, ACCOUNT_RATE: 1}
    other.delete_function_concurrency()
    assert ask(sim, other, 21) == {"on demand": 20, ACCOUNT_RATE: 1}


@pytest.mark.rule("LAM-212")
@pytest.mark.parametrize("is_exempt", [False, True])
def test_asynchronous_requests_pass_the_rate_unless_they_are_exempt(is_exempt):
    sim = small(1, *([RpsModel(exempt_async=True)] if is_exempt else []))
    worker = make(sim)
    assert ask(sim, worker, 11) == {"on demand": 10, ACCOUNT_RATE: 1}
    assert worker.invoke(invocation_type="Event").status_code == 202
    sim.run(until=Decimal("0.5"))
    assert worker.snapshot().invocations == (11 if is_exempt else 10)
    assert ask(sim, worker, 1) == {ACCOUNT_RATE: 1}  # a synchronous one never is
    sim.run(until=5)
    assert worker.snapshot().invocations == 11
    assert worker.snapshot().throttles == (2 if is_exempt else 3)


@pytest.mark.rule("LAM-212")
@pytest.mark.parametrize("is_exempt", [False, True])
def test_requests_of_mappings_pass_the_rate_too(is_exempt):
    sim = small(1, *([RpsModel(exempt_async=True)] if is_exempt else []))
    worker, queue = make(sim), sim.create_queue("orders", visibility_timeout=600)
    sim.create_event_source_mapping(queue, worker, batch_size=1)
    sim.run(until=10)
    assert ask(sim, worker, 10) == {"on demand": 10}
    queue.send_message("order 1")
    sim.run(until=11 - US)
    assert worker.snapshot().invocations == 10  # the exemption is for asynchronous invocations
    assert worker.snapshot().throttles >= 1
    sim.run(until=60)
    assert worker.snapshot().invocations == 11


@pytest.mark.rule("LAM-212")
def test_an_exempt_request_still_needs_concurrency():
    sim = small(1, RpsModel(exempt_async=True))
    worker = make(sim, duration=10)
    for _ in range(2):
        worker.invoke(invocation_type="Event")
    sim.run(until=Decimal("0.5"))
    assert worker.snapshot().invocations == 1
    assert worker.snapshot().throttles == 1


@pytest.mark.rule("LAM-213")
def test_the_rate_of_the_account_may_rise_by_1000_a_second_up_to_ten_times_the_concurrency():
    sim = small(1_150, RpsModel(linear_ramp=True))
    worker = make(sim)
    admitted = []
    for second in range(4):
        sim.run(until=second)
        outcome = ask(sim, worker, 11_600)
        admitted.append(outcome["on demand"])
        assert outcome[ACCOUNT_RATE] == 11_600 - admitted[-1]
    assert admitted == [10_000, 11_000, 11_500, 11_500]


@pytest.mark.rule("LAM-213", "LAM-210")
def test_without_the_ramp_the_whole_rate_is_there_at_once():
    sim = small(1_050)
    worker = make(sim)
    assert ask(sim, worker, 10_501) == {"on demand": 10_500, ACCOUNT_RATE: 1}


@pytest.mark.rule("LAM-213")
def test_a_small_account_never_feels_the_ramp():
    sim = small(5, RpsModel(linear_ramp=True))
    worker = make(sim)
    for second in range(3):
        sim.run(until=second)
        assert ask(sim, worker, 51) == {"on demand": 50, ACCOUNT_RATE: 1}


# ---- LAM-230 to LAM-234: the pace of new environments


@pytest.mark.rule("LAM-230", "LAM-231")
@pytest.mark.parametrize(
    ("at", "cold"),
    [("9.999999", 999), ("10", 1_000), ("10.000001", 1_000), ("4.999999", 499), ("5", 500), ("5.000001", 500)],
)
def test_the_bucket_refills_continuously_up_to_its_size(at, cold):
    sim = Simulation(concurrent_executions=10_000, trace=0)
    worker = make(sim, duration=60)
    assert ask(sim, worker, 1_000) == {"on demand": 1_000}
    sim.run(until=Decimal(at))
    assert ask(sim, worker, 1_001) == {"on demand": cold, ACCOUNT: 1_001 - cold}


@pytest.mark.rule("LAM-230")
def test_a_request_that_finds_an_idle_environment_leaves_the_tokens_alone():
    sim = small(100, ScalingRate(capacity=3, refill_per_s=0))
    worker = make(sim, duration=1)
    for second in range(20):
        sim.run(until=second)
        assert ask(sim, worker, 2) == {"on demand": 2}
    assert ask(sim, worker, 2) == {"on demand": 1, ACCOUNT: 1}


@pytest.mark.rule("LAM-232")
def test_no_function_uses_the_tokens_of_another():
    sim = small(100, ScalingRate(capacity=2, refill_per_s=1))
    first, second = make(sim, "first", duration=60), make(sim, "second", duration=60)
    assert ask(sim, first, 3) == {"on demand": 2, ACCOUNT: 1}
    assert ask(sim, second, 3) == {"on demand": 2, ACCOUNT: 1}
    sim.run(until=1)
    assert ask(sim, first, 2) == {"on demand": 1, ACCOUNT: 1}
    sim.run(until=2)
    assert ask(sim, second, 3) == {"on demand": 2, ACCOUNT: 1}
    assert ask(sim, first, 2) == {"on demand": 1, ACCOUNT: 1}


@pytest.mark.rule("LAM-233")
def test_before_late_2023_all_functions_shared_3000_environments_and_500_more_a_minute():
    sim = Simulation(concurrent_executions=10_000, settings=[ScalingRate.BURST_2023], trace=0)
    first, second = make(sim, "first", duration=90), make(sim, "second", duration=90)
    assert ask(sim, first, 2_000) == {"on demand": 2_000}
    assert ask(sim, second, 1_001) == {"on demand": 1_000, ACCOUNT: 1}
    assert ask(sim, first, 1) == {ACCOUNT: 1}
    sim.run(until=60)
    assert ask(sim, second, 300) == {"on demand": 300}
    assert ask(sim, first, 300) == {"on demand": 200, ACCOUNT: 100}


@pytest.mark.rule("LAM-233")
def test_with_the_scope_account_a_new_function_brings_no_tokens():
    sim = small(100, ScalingRate(capacity=5, refill_per_s=0, scope="account"))
    assert ask(sim, make(sim, "first", duration=10), 6) == {"on demand": 5, ACCOUNT: 1}
    assert ask(sim, make(sim, "second", duration=10), 1) == {ACCOUNT: 1}
    assert ask(sim, make(sim, "third", duration=10, reserved=3), 1) == {ACCOUNT: 1}


@pytest.mark.rule("LAM-233", "LAM-010")
def test_tokens_may_come_back_in_any_period():
    sim = small(100, ScalingRate(capacity=2, refill_per_s=3, refill_period_s=60))
    worker = make(sim, duration=90)
    assert ask(sim, worker, 3) == {"on demand": 2, ACCOUNT: 1}
    sim.run(until=20 - US)
    assert ask(sim, worker, 1) == {ACCOUNT: 1}
    sim.run(until=20)
    assert ask(sim, worker, 2) == {"on demand": 1, ACCOUNT: 1}


@pytest.mark.rule("LAM-233")
def test_the_presets_are_the_figures_of_the_table():
    assert ScalingRate() == ScalingRate.DEFAULT
    assert ScalingRate(capacity=1_000, refill_per_s=100, scope="function", mode="bucket") == ScalingRate.DEFAULT
    burst = ScalingRate.BURST_2023
    assert (burst.scope, burst.capacity, burst.mode) == ("account", 3_000, "bucket")
    assert burst.refill_per_s * 60 / burst.refill_period_s == 500


@pytest.mark.rule("LAM-234")
def test_provisioned_environments_use_no_tokens():
    sim = small(100, ScalingRate(capacity=1, refill_per_s=0), ColdStartModel(init_s=1))
    worker = make(sim, duration=1, provisioned=5)
    sim.run(until=5)
    for second in (5, 10):
        sim.run(until=second)
        assert ask(sim, worker, 7, "live") == {"provisioned": 5, "on demand": 1, ACCOUNT: 1}
    worker.put_provisioned_concurrency_config("live", 8)
    sim.run(until=20)
    assert ask(sim, worker, 10, "live") == {"provisioned": 8, "on demand": 1, ACCOUNT: 1}
