"""Reserved concurrency next to provisioned concurrency: configuration, the ramp, who runs where (LAM §9)."""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal

import pytest

from lambdasim import ColdStartModel, LambdaFaults, LambdaLimits, ScalingRate, Simulation
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    ProvisionedConcurrencyConfigNotFoundException,
    ResourceConflictException,
    ResourceNotFoundException,
    TooManyRequestsException,
    ValidationException,
)
from lambdasim.lambda_ import EnvironmentModel, Outcome, ProvisioningModel
from tests.choosers import Says

US = Decimal("0.000001")
START = 1_767_225_600  # 2026-01-01T00:00:00Z, the default start
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"

ACCOUNT = "ConcurrentInvocationLimitExceeded"
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"

FLOOR_OF_RESERVES = (
    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
    "minimum value of [100]."
)
FLOOR = (
    "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum "
    "value of [100]."
)
TOO_MUCH_RESERVED = (
    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
)
UNPUBLISHED = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
NEITHER = "The function resource provided must be an alias or a published version."
NO_CONFIG = "No Provisioned Concurrency Config found for this function"
ALIAS_OF_PROVISIONED = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
POINTED_AT = "Version is pointed by a Provisioned Concurrency alias"
UNQUALIFIED_ONLY = (
    "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
    "Please specify either a function name or an unqualified function ARN."
)

AT_ONCE = ProvisioningModel(prepare_s=0, rate_per_s=1_000_000)
"""One microsecond for each environment."""


def make(sim, name="worker", *, handler=None, duration=10, timeout=100, **more):
    """Make a function with version 1 and the alias `live` on it."""
    function = sim.create_function(name, handler, duration=duration, timeout=timeout, **more)
    function.publish_version()
    function.create_alias("live", "1")
    return function


def provision(sim, function, amount, qualifier="live"):
    """Provision and wait until it is ready."""
    function.put_provisioned_concurrency_config(qualifier, amount)
    sim.run_until(lambda: shown(function, qualifier)[3] != "IN_PROGRESS")


def shown(function, qualifier="live"):
    config = function.get_provisioned_concurrency_config(qualifier)
    return (
        config.requested_provisioned_concurrent_executions,
        config.allocated_provisioned_concurrent_executions,
        config.available_provisioned_concurrent_executions,
        config.status,
    )


def total(sim, name, **dimensions):
    return sum(value for _, value in sim.metrics.series("AWS/Lambda", name, "Sum", **dimensions))


def ask(sim, function, times=1, qualifier=None):
    """Make requests now; return how many ran provisioned, cold or warm on demand, or were refused, by reason."""
    outcomes = Counter()

    async def request():
        try:
            await function.wait_invoke(qualifier=qualifier)
        except TooManyRequestsException as error:
            outcomes[error.reason] += 1

    def counts():
        snapshot = function.snapshot()
        provisioned = total(sim, "ProvisionedConcurrencyInvocations", FunctionName=function.name)
        return snapshot.invocations, provisioned, snapshot.cold_starts

    before = counts()
    for _ in range(times):
        sim.spawn(request())
    sim.run(until_us=sim.now_us)
    admitted, outcomes["provisioned"], outcomes["cold"] = (
        now - then for now, then in zip(counts(), before, strict=True)
    )
    outcomes["warm"] = admitted - outcomes["provisioned"] - outcomes["cold"]
    return +outcomes


def refusal(exception, call):
    with pytest.raises(exception) as caught:
        call()
    return caught.value.message


# ---- LAM-150 to LAM-158


@pytest.mark.rule("LAM-150")
def test_the_unreserved_pool_is_what_is_neither_reserved_nor_provisioned(sim):
    reserved, provisioned, free = make(sim, "reserved"), make(sim, "provisioned"), sim.create_function("free")
    reserved.put_function_concurrency(200)
    assert sim.pool.unreserved_capacity == 800
    reserved.put_provisioned_concurrency_config("live", 150)  # within the reserve, which is taken already
    assert sim.pool.unreserved_capacity == 800
    provisioned.put_provisioned_concurrency_config("live", 100)
    assert sim.pool.unreserved_capacity == 700
    provisioned.put_provisioned_concurrency_config("live", 30)
    assert sim.pool.unreserved_capacity == 770
    free.put_function_concurrency(70)
    assert sim.pool.unreserved_capacity == 700
    reserved.delete_function_concurrency()  # what it provisioned counts by itself now
    assert sim.pool.unreserved_capacity == 1_000 - 150 - 30 - 70
    provisioned.delete_provisioned_concurrency_config("live")
    assert sim.pool.unreserved_capacity == 1_000 - 150 - 70
    reserved.delete_function()
    assert sim.pool.unreserved_capacity == 1_000 - 70


@pytest.mark.rule("LAM-150", "LAM-179")
def test_all_functions_without_a_reserve_share_the_unreserved_pool_for_their_requests_on_demand():
    sim = Simulation(concurrent_executions=110, settings=[AT_ONCE])
    provisioned, free = make(sim, "provisioned"), make(sim, "free")
    provision(sim, provisioned, 10)
    assert ask(sim, free, 60, "live") == {"cold": 60}
    assert ask(sim, provisioned, 51, "live") == {"provisioned": 10, "cold": 40, ACCOUNT: 1}
    assert sim.pool.unreserved_in_flight == 100


@pytest.mark.rule("LAM-151")
def test_a_reserve_holds_for_all_versions_of_a_function_together(sim):
    worker = make(sim, reserved_concurrent_executions=5)
    worker.update_function_code(lambda event, context: None)
    worker.publish_version()
    assert ask(sim, worker, 2) == {"cold": 2}
    assert ask(sim, worker, 2, "live") == {"cold": 2}
    assert ask(sim, worker, 2, "2") == {"cold": 1, RESERVED: 1}
    for qualifier in (None, "live", "1", "2"):
        assert ask(sim, worker, 1, qualifier) == {RESERVED: 1}


@pytest.mark.rule("LAM-152")
@pytest.mark.parametrize("fits", [True, False])
def test_what_functions_without_a_reserve_have_provisioned_counts_as_used(sim, fits):
    make(sim, "provisioned").put_provisioned_concurrency_config("live", 300)
    worker = sim.create_function("worker")
    if fits:
        assert worker.put_function_concurrency(600).reserved_concurrent_executions == 600
    else:
        refused = refusal(InvalidParameterValueException, lambda: worker.put_function_concurrency(601))
        assert refused == FLOOR_OF_RESERVES
        assert worker.get_function_concurrency().reserved_concurrent_executions is None
    assert sim.pool.unreserved_capacity == (100 if fits else 700)


@pytest.mark.rule("LAM-152")
def test_what_a_function_has_provisioned_lies_within_its_own_reserve(sim):
    worker = make(sim)
    worker.put_provisioned_concurrency_config("live", 300)
    assert refusal(InvalidParameterValueException, lambda: worker.put_function_concurrency(901)) == FLOOR_OF_RESERVES
    worker.put_function_concurrency(900)
    assert sim.pool.unreserved_capacity == 100


@pytest.mark.rule("LAM-152")
def test_what_another_provisions_within_its_reserve_counts_once(sim):
    other = make(sim, "other", reserved_concurrent_executions=300)
    other.put_provisioned_concurrency_config("live", 300)
    worker = sim.create_function("worker")
    worker.put_function_concurrency(600)
    assert sim.pool.unreserved_capacity == 100


@pytest.mark.rule("LAM-153")
@pytest.mark.parametrize(("reserve", "provisioned"), [(1, 2), (0, 1), (99, 100)])
def test_a_reserve_is_not_below_what_the_function_has_provisioned(sim, reserve, provisioned):
    worker = make(sim)
    worker.put_provisioned_concurrency_config("live", provisioned)
    assert refusal(InvalidParameterValueException, lambda: worker.put_function_concurrency(reserve)) == (
        f" ReservedConcurrentExecutions  {reserve} should not be lower than function's total provisioned concurrency "
        f"[{provisioned}]."
    )
    assert worker.get_function_concurrency().reserved_concurrent_executions is None
    worker.put_function_concurrency(provisioned)
    assert worker.reserved_concurrent_executions == provisioned


@pytest.mark.rule("LAM-153")
def test_all_that_a_function_has_provisioned_counts_from_the_moment_of_the_put(sim):
    worker = make(sim)
    worker.update_function_code(lambda event, context: None)
    worker.publish_version()
    worker.put_provisioned_concurrency_config("live", 3)
    worker.put_provisioned_concurrency_config("2", 4)
    assert refusal(InvalidParameterValueException, lambda: worker.put_function_concurrency(6)).endswith("[7].")
    worker.put_function_concurrency(7)
    worker.delete_provisioned_concurrency_config("2")
    worker.put_function_concurrency(3)
    assert worker.reserved_concurrent_executions == 3


@pytest.mark.rule("LAM-154")
@pytest.mark.parametrize("qualifier", ["$LATEST", "1", "live", "nothing"])
@pytest.mark.parametrize("operation", ["put", "get", "delete"])
def test_a_reserve_belongs_to_a_function_not_to_a_version(sim, operation, qualifier):
    worker = make(sim, reserved_concurrent_executions=7)
    call = {
        "put": lambda: worker.put_function_concurrency(1, qualifier=qualifier),
        "get": lambda: worker.get_function_concurrency(qualifier=qualifier),
        "delete": lambda: worker.delete_function_concurrency(qualifier=qualifier),
    }[operation]
    assert refusal(InvalidParameterValueException, call) == UNQUALIFIED_ONLY
    assert worker.get_function_concurrency().reserved_concurrent_executions == 7


@pytest.mark.rule("LAM-154", "LAM-028")
def test_a_function_that_is_gone_has_no_reserve(sim):
    worker = make(sim, reserved_concurrent_executions=7)
    worker.delete_function()
    for call in (
        lambda: worker.put_function_concurrency(1),
        worker.get_function_concurrency,
        worker.delete_function_concurrency,
    ):
        assert refusal(ResourceNotFoundException, call) == f"Function not found: {ARN}worker:$LATEST"


@pytest.mark.rule("LAM-155")
def test_a_reserve_is_answered_as_aws_does(sim):
    worker = sim.create_function("worker")
    assert worker.get_function_concurrency().reserved_concurrent_executions is None
    assert worker.put_function_concurrency(7).reserved_concurrent_executions == 7
    assert worker.get_function_concurrency().reserved_concurrent_executions == 7
    assert worker.put_function_concurrency(0).reserved_concurrent_executions == 0
    assert worker.get_function_concurrency().reserved_concurrent_executions == 0
    for _ in range(2):
        assert worker.delete_function_concurrency() is None
        assert worker.get_function_concurrency().reserved_concurrent_executions is None


@pytest.mark.rule("LAM-156")
@pytest.mark.parametrize("qualifier", [None, "$LATEST", "1", "live"])
def test_a_reserve_of_0_stops_every_version_and_alias(sim, qualifier):
    worker = make(sim, reserved_concurrent_executions=0)
    assert ask(sim, worker, 3, qualifier) == {RESERVED: 3}


@pytest.mark.rule("LAM-157")
def test_a_raised_reserve_holds_at_once(sim):
    worker = make(sim, reserved_concurrent_executions=1)
    assert ask(sim, worker, 2) == {"cold": 1, RESERVED: 1}
    worker.put_function_concurrency(3)
    assert sim.pool.unreserved_in_flight == 0
    assert ask(sim, worker, 3, "live") == {"cold": 2, RESERVED: 1}
    worker.delete_function_concurrency()
    assert ask(sim, worker, 3) == {"cold": 3}


@pytest.mark.rule("LAM-158")
def test_the_account_shows_its_limit_less_what_is_reserved_and_counts_functions():
    sim = Simulation(concurrent_executions=2_000)

    def settings():
        shown = sim.get_account_settings()
        return shown.concurrent_executions, shown.unreserved_concurrent_executions, shown.function_count

    assert settings() == (2_000, 2_000, 0)
    worker = make(sim)
    assert settings() == (2_000, 2_000, 1)  # versions are no functions
    worker.put_provisioned_concurrency_config("live", 100)
    assert settings() == (2_000, 2_000, 1)  # what is provisioned is not reserved
    worker.put_function_concurrency(400)
    sim.create_function("other", reserved_concurrent_executions=25)
    assert settings() == (2_000, 1_575, 2)
    worker.delete_function()
    assert settings() == (2_000, 1_975, 1)


# ---- LAM-170, LAM-171: the operations


@pytest.mark.rule("LAM-170")
@pytest.mark.parametrize("qualifier", ["live", "1"])
def test_a_put_answers_with_nothing_allocated_yet(sim, qualifier):
    sim.run(until=7)
    worker = make(sim)
    config = worker.put_provisioned_concurrency_config(qualifier, 5)
    assert config.function_arn == f"{ARN}worker:{qualifier}"
    assert config.requested_provisioned_concurrent_executions == 5
    assert config.allocated_provisioned_concurrent_executions == 0
    assert config.available_provisioned_concurrent_executions == 0
    assert config.status == "IN_PROGRESS"
    assert config.status_reason is None
    assert config.last_modified_at_us == 7_000_000
    assert worker.get_provisioned_concurrency_config(qualifier) == config
    sim.run(until=100)
    assert config.available_provisioned_concurrent_executions == 0  # an answer is what it was
    assert worker.get_provisioned_concurrency_config(qualifier).last_modified_at_us == 7_000_000


@pytest.mark.rule("LAM-170")
@pytest.mark.parametrize("amount", [1.0, "5", True, None])
def test_an_amount_is_a_whole_number(sim, amount):
    worker = make(sim)
    with pytest.raises(UsageError, match="whole number"):
        worker.put_provisioned_concurrency_config("live", amount)


@pytest.mark.rule("LAM-170")
def test_the_configs_of_a_function_are_listed_each_with_its_qualifier(sim):
    worker = make(sim)
    worker.update_function_code(lambda event, context: None)
    worker.publish_version()
    assert worker.list_provisioned_concurrency_configs() == ()
    worker.put_provisioned_concurrency_config("live", 3)
    worker.put_provisioned_concurrency_config("2", 4)
    listed = worker.list_provisioned_concurrency_configs()
    assert {config.function_arn: config.requested_provisioned_concurrent_executions for config in listed} == {
        f"{ARN}worker:live": 3,
        f"{ARN}worker:2": 4,
    }
    worker.delete_provisioned_concurrency_config("live")
    assert [config.function_arn for config in worker.list_provisioned_concurrency_configs()] == [f"{ARN}worker:2"]


def n_below_1(amount):
    return (
        f"1 validation error detected: Value '{amount}' at 'provisionedConcurrentExecutions' failed to satisfy "
        "constraint: Member must have value greater than or equal to 1"
    )


def above_unreserved(left):
    return f"Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{left}]."


def put(qualifier, amount):
    return lambda worker: worker.put_provisioned_concurrency_config(qualifier, amount)


def get(qualifier):
    return lambda worker: worker.get_provisioned_concurrency_config(qualifier)


def delete(qualifier):
    return lambda worker: worker.delete_provisioned_concurrency_config(qualifier)


# What was there before; the call; its error. `live` and `also` point to version 1, `next` to version 2.
NOTHING = ()
REFUSALS = [
    (NOTHING, put("live", 0), ValidationException, n_below_1(0)),
    (NOTHING, put("1", -3), ValidationException, n_below_1(-3)),
    (NOTHING, put("$LATEST", 1), InvalidParameterValueException, UNPUBLISHED),
    (NOTHING, get("$LATEST"), InvalidParameterValueException, NEITHER),
    (NOTHING, delete("$LATEST"), InvalidParameterValueException, NEITHER),
    (NOTHING, put("nothing", 1), ResourceNotFoundException, f"Cannot find alias arn: {ARN}worker:nothing"),
    (NOTHING, get("nothing"), ResourceNotFoundException, f"Cannot find alias arn: {ARN}worker:nothing"),
    (NOTHING, delete("nothing"), ResourceNotFoundException, f"Cannot find alias arn: {ARN}worker:nothing"),
    (NOTHING, put("3", 1), ResourceNotFoundException, f"Function not found: {ARN}worker:3"),
    (NOTHING, get("3"), ResourceNotFoundException, f"Function not found: {ARN}worker:3"),
    (NOTHING, delete("3"), ResourceNotFoundException, f"Function not found: {ARN}worker:3"),
    ([put("1", 1)], put("live", 1), ResourceConflictException, ALIAS_OF_PROVISIONED),
    ([put("live", 1)], put("1", 1), ResourceConflictException, POINTED_AT),
    ([put("next", 1), put("live", 1)], put("1", 1), ResourceConflictException, POINTED_AT),
    ([("reserve", 5)], put("live", 6), InvalidParameterValueException, TOO_MUCH_RESERVED),
    ([("reserve", 5), put("live", 3)], put("next", 3), InvalidParameterValueException, TOO_MUCH_RESERVED),
    ([("reserve", 5), put("live", 3)], put("live", 6), InvalidParameterValueException, TOO_MUCH_RESERVED),
    ([("reserve", 0)], put("live", 1), InvalidParameterValueException, TOO_MUCH_RESERVED),
    (NOTHING, put("live", 1_001), InvalidParameterValueException, above_unreserved(1_000)),
    ([("others", 400)], put("live", 601), InvalidParameterValueException, above_unreserved(600)),
    ([("others", 400)], put("live", 600), InvalidParameterValueException, FLOOR),
    ([("others", 400)], put("live", 501), InvalidParameterValueException, FLOOR),
    ([put("live", 1)], put("live", 901), InvalidParameterValueException, FLOOR),
    ([put("next", 400)], put("live", 501), InvalidParameterValueException, FLOOR),
    ([("provisioned", 400)], put("live", 501), InvalidParameterValueException, FLOOR),
    (NOTHING, get("live"), ProvisionedConcurrencyConfigNotFoundException, NO_CONFIG),
    (NOTHING, get("1"), ProvisionedConcurrencyConfigNotFoundException, NO_CONFIG),
    ([put("live", 1)], get("1"), ProvisionedConcurrencyConfigNotFoundException, NO_CONFIG),
    ([put("1", 1)], get("live"), ProvisionedConcurrencyConfigNotFoundException, NO_CONFIG),
    # of two that are wrong, the first of the table is told
    (NOTHING, put("$LATEST", 0), ValidationException, n_below_1(0)),
    (NOTHING, put("nothing", 0), ValidationException, n_below_1(0)),
    (NOTHING, put("$LATEST", 1_001), InvalidParameterValueException, UNPUBLISHED),
    (NOTHING, put("nothing", 1_001), ResourceNotFoundException, f"Cannot find alias arn: {ARN}worker:nothing"),
    (NOTHING, put("3", 1_001), ResourceNotFoundException, f"Function not found: {ARN}worker:3"),
    ([put("1", 1)], put("live", 1_001), ResourceConflictException, ALIAS_OF_PROVISIONED),
    ([("reserve", 5), put("live", 5)], put("1", 6), ResourceConflictException, POINTED_AT),
]


def prepared(sim, before):
    """Make a function with versions 1 and 2 and aliases on them, and what the case needs."""
    worker = make(sim)
    worker.create_alias("also", "1")
    worker.update_function_code(lambda event, context: None)
    worker.publish_version()
    worker.create_alias("next", "2")
    for step in before:
        if callable(step):
            step(worker)
        elif step[0] == "reserve":
            worker.put_function_concurrency(step[1])
        elif step[0] == "others":
            sim.create_function("other", reserved_concurrent_executions=step[1])
        else:
            make(sim, "other").put_provisioned_concurrency_config("live", step[1])
    return worker


@pytest.mark.rule("LAM-171")
@pytest.mark.parametrize(("before", "call", "exception", "message"), REFUSALS)
def test_what_cannot_be_is_refused_in_the_words_of_aws(sim, before, call, exception, message):
    worker = prepared(sim, before)
    configs = worker.list_provisioned_concurrency_configs()
    unreserved = sim.pool.unreserved_capacity
    with pytest.raises(exception) as caught:
        call(worker)
    error = caught.value
    assert (error.message, error.code) == (message, exception.__name__)
    assert error.http_status == {
        ResourceNotFoundException: 404,
        ProvisionedConcurrencyConfigNotFoundException: 404,
        ResourceConflictException: 409,
    }.get(exception, 400)
    assert worker.list_provisioned_concurrency_configs() == configs  # nothing has changed
    assert sim.pool.unreserved_capacity == unreserved
    sim.check_invariants()


@pytest.mark.rule("LAM-171")
@pytest.mark.parametrize(
    ("before", "call"),
    [
        ([("reserve", 5)], put("live", 5)),
        ([("reserve", 5), put("live", 3)], put("next", 2)),
        ([("reserve", 5), put("live", 5)], put("live", 5)),  # what it had does not count against what it gets
        ([("others", 400)], put("live", 500)),
        ([put("live", 900)], put("live", 900)),
        ([put("next", 400)], put("live", 500)),
        ([("provisioned", 400)], put("live", 500)),
        ([("reserve", 900)], put("live", 900)),  # with a reserve nothing is asked of the account
        ([put("1", 1)], put("next", 1)),
        ([put("live", 1)], put("2", 1)),
    ],
)
def test_what_just_fits_is_accepted(sim, before, call):
    assert call(prepared(sim, before)).status == "IN_PROGRESS"
    sim.check_invariants()


@pytest.mark.rule("LAM-171")
@pytest.mark.parametrize("qualifier", ["live", "1"])
def test_what_has_no_config_can_be_deleted_any_number_of_times(sim, qualifier):
    worker = make(sim)
    for _ in range(2):
        assert worker.delete_provisioned_concurrency_config(qualifier) is None
    worker.put_provisioned_concurrency_config(qualifier, 1)
    for _ in range(2):
        assert worker.delete_provisioned_concurrency_config(qualifier) is None


@pytest.mark.rule("LAM-171", "LAM-176")
def test_a_deleted_config_is_in_nobodys_way(sim):
    worker = make(sim)
    worker.put_provisioned_concurrency_config("1", 1)
    worker.delete_provisioned_concurrency_config("1")
    worker.put_provisioned_concurrency_config("live", 1)
    worker.delete_provisioned_concurrency_config("live")
    assert worker.put_provisioned_concurrency_config("1", 2).requested_provisioned_concurrent_executions == 2


@pytest.mark.rule("LAM-171", "LAM-010")
def test_the_floor_of_what_stays_unreserved_can_be_changed():
    sim = Simulation(concurrent_executions=10, settings=[LambdaLimits(unreserved_floor=2)])
    worker = make(sim)
    message = refusal(InvalidParameterValueException, lambda: worker.put_provisioned_concurrency_config("live", 9))
    assert message == FLOOR.replace("100", "2")
    worker.put_provisioned_concurrency_config("live", 8)
    assert sim.pool.unreserved_capacity == 2


# ---- LAM-172: the ramp


@pytest.mark.rule("LAM-172")
@pytest.mark.parametrize("put_at", [Decimal(0), Decimal("7.123456")])
def test_nothing_is_allocated_for_a_minute_then_100_environments_a_second_are_made(sim, put_at):
    worker = make(sim)
    sim.run(until=put_at)
    worker.put_provisioned_concurrency_config("live", 3)
    table = [
        ("59", 0, 0),
        ("60", 0, 0),
        ("60.009999", 0, 0),
        ("60.01", 1, 0),
        ("60.010001", 1, 0),
        ("60.019999", 1, 0),
        ("60.02", 2, 0),
        ("60.020001", 2, 0),
        ("60.029999", 2, 0),
        ("60.03", 3, 3),
        ("60.030001", 3, 3),
        ("61", 3, 3),
        ("10000", 3, 3),
    ]
    for at, allocated, available in table:
        sim.run(until=put_at + Decimal(at))
        status = "READY" if available else "IN_PROGRESS"
        assert shown(worker) == (3, allocated, available, status), at


@pytest.mark.rule("LAM-172")
def test_none_serves_before_all_have_run_their_init(sim):
    worker = make(sim, settings=[ColdStartModel(init_s=2)], duration=0)
    worker.put_provisioned_concurrency_config("live", 5)
    for at, allocated, available in (
        ("60.04", 4, 0),
        ("60.05", 5, 0),
        ("62.01", 5, 0),
        ("62.049999", 5, 0),
        ("62.05", 5, 5),
    ):
        sim.run(until=Decimal(at))
        assert shown(worker) == (5, allocated, available, "READY" if available else "IN_PROGRESS"), at


@pytest.mark.rule("LAM-172", "LAM-173")
@pytest.mark.parametrize(("off", "kind"), [(-US, "cold"), (Decimal(0), "provisioned"), (US, "provisioned")])
def test_requests_run_on_demand_until_it_is_ready(sim, off, kind):
    worker = make(sim, settings=[ColdStartModel(init_s=2)])
    worker.put_provisioned_concurrency_config("live", 5)
    sim.run(until=Decimal("62.05") + off)
    assert ask(sim, worker, 5, "live") == {kind: 5}


@pytest.mark.rule("LAM-172", "LAM-010")
def test_the_model_of_provisioning_can_be_changed():
    sim = Simulation(settings=[ProvisioningModel(prepare_s=5, rate_per_s=2)])
    worker = make(sim)
    worker.put_provisioned_concurrency_config("live", 3)
    for at, allocated, available in ((5, 0, 0), (5.499999, 0, 0), (5.5, 1, 0), (6.499999, 2, 0), (6.5, 3, 3)):
        sim.run(until=at)
        assert shown(worker)[1:3] == (allocated, available), at


@pytest.mark.rule("LAM-172", "LAM-041")
def test_each_provisioned_environment_runs_the_init_of_the_code_before_the_first_request(sim):
    made = []

    def init():
        state = {"number": len(made), "made_at": round(time.time() - START, 6)}
        made.append(state)
        return lambda event, context: (
            state["number"],
            context.environment.variables["AWS_LAMBDA_INITIALIZATION_TYPE"],
            context.environment.is_cold_start,
        )

    worker = sim.create_function("worker", init=init, settings=[ColdStartModel(init_s=1)])
    worker.publish_version()
    worker.put_provisioned_concurrency_config("1", 3)
    sim.run(until=61.03)
    assert [state["made_at"] for state in made] == [60.01, 60.02, 60.03]
    numbers = set()

    async def request():
        numbers.add(tuple((await worker.wait_invoke(qualifier="1")).value))

    for _ in range(3):
        sim.spawn(request())
    sim.run()
    assert numbers == {(number, "provisioned-concurrency", False) for number in range(3)}
    assert len(made) == 3
    assert worker.invoke(qualifier="$LATEST").value == [3, "on-demand", True]
    assert [invocation.is_cold_start for invocation in worker.invocations] == [False, False, False, True]
    assert [invocation.init_us for invocation in worker.invocations] == [None, None, None, 1_000_000]


@pytest.mark.rule("LAM-126", "LAM-172")
def test_a_provisioned_init_may_last_130_s(sim):
    worker = make(sim, settings=[ColdStartModel(init_s=130)], timeout=200)
    worker.put_provisioned_concurrency_config("live", 1)
    sim.run(until=Decimal("190.009999"))
    assert shown(worker) == (1, 1, 0, "IN_PROGRESS")
    sim.run(until=Decimal("190.01"))
    assert shown(worker) == (1, 1, 1, "READY")
    worker.invoke(qualifier="live")
    assert worker.invocations[-1].duration_us == 10_000_000  # without any init


# ---- LAM-173: failure


@pytest.mark.rule("LAM-173")
def test_when_the_init_raises_nothing_is_available_and_requests_run_on_demand(sim):
    is_broken = [True]

    def init():
        if is_broken[0]:
            msg = "no database"
            raise OSError(msg)

    worker = sim.create_function("worker", init=init, duration=1)
    worker.publish_version()
    worker.put_provisioned_concurrency_config("1", 5)
    sim.run(until=61)
    config = worker.get_provisioned_concurrency_config("1")
    assert (config.status, config.status_reason) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")
    assert config.available_provisioned_concurrent_executions == 0
    assert config.requested_provisioned_concurrent_executions == 5
    is_broken[0] = False
    assert ask(sim, worker, 1, "1") == {"cold": 1}
    sim.run()
    assert worker.invocations[-1].outcome is Outcome.SUCCESS
    sim.check_invariants()
    worker.put_provisioned_concurrency_config("1", 5)  # once more
    assert shown(worker, "1")[3] == "IN_PROGRESS"
    sim.run(until=sim.now + 61)
    config = worker.get_provisioned_concurrency_config("1")
    assert (config.status, config.status_reason) == ("READY", None)
    assert ask(sim, worker, 5, "1") == {"provisioned": 5}


# ---- LAM-174: what it takes from whom


@pytest.mark.rule("LAM-174")
def test_the_account_gives_its_units_from_the_moment_of_the_put():
    sim = Simulation(concurrent_executions=110)
    worker, other = make(sim), sim.create_function("other", duration=10, timeout=100)
    worker.put_provisioned_concurrency_config("live", 10)
    assert ask(sim, other, 101) == {"cold": 100, ACCOUNT: 1}
    sim.run(until=20)
    worker.delete_provisioned_concurrency_config("live")
    assert ask(sim, other, 111) == {"warm": 100, "cold": 10, ACCOUNT: 1}


@pytest.mark.rule("LAM-174", "LAM-179")
def test_a_reserve_is_split_when_the_provisioned_part_is_ready_not_before(sim):
    worker = make(sim, reserved_concurrent_executions=5)
    worker.put_provisioned_concurrency_config("live", 3)
    sim.run(until=Decimal("60.029999") - 10)
    assert ask(sim, worker, 6, "live") == {"cold": 5, RESERVED: 1}  # the whole reserve, on demand
    sim.run(until=Decimal("60.03"))
    assert shown(worker)[3] == "READY"
    assert ask(sim, worker, 3, "1") == {"warm": 2, RESERVED: 1}  # 5 - 3 on demand
    assert ask(sim, worker, 4, "live") == {"provisioned": 3, RESERVED: 1}


@pytest.mark.rule("LAM-174", "LAM-200")
def test_what_runs_on_demand_when_it_gets_ready_keeps_provisioned_environments_idle(sim):
    worker = make(sim, reserved_concurrent_executions=5)
    worker.put_provisioned_concurrency_config("live", 3)
    sim.run(until=55)
    assert ask(sim, worker, 4) == {"cold": 4}  # until 65
    sim.run(until=61)
    assert ask(sim, worker, 3, "live") == {"provisioned": 1, RESERVED: 2}  # never more than 5 in flight
    assert worker.snapshot().in_flight == 5
    sim.run(until=65)
    assert ask(sim, worker, 3, "live") == {"provisioned": 2, "cold": 1}
    assert ask(sim, worker, 2) == {"warm": 1, RESERVED: 1}


# ---- LAM-175, LAM-176: changes


@pytest.mark.rule("LAM-175")
def test_more_is_made_while_what_there_is_goes_on_serving():
    sim = Simulation(settings=[ColdStartModel(init_s=2)])
    worker = make(sim, duration=Decimal("0.1"))
    provision(sim, worker, 2)
    sim.run(until=100)
    config = worker.put_provisioned_concurrency_config("live", 5)
    assert config.requested_provisioned_concurrent_executions == 5
    assert (config.status, config.last_modified_at_us) == ("IN_PROGRESS", 100_000_000)
    assert shown(worker) == (5, 2, 2, "IN_PROGRESS")
    assert ask(sim, worker, 3, "live") == {"provisioned": 2, "cold": 1}
    for at, available in (("160.03", 2), ("162.029999", 2), ("162.03", 5)):
        sim.run(until=Decimal(at))
        assert shown(worker)[2:] == (available, "READY" if available == 5 else "IN_PROGRESS"), at
    assert ask(sim, worker, 6, "live") == {"provisioned": 5, "warm": 1}


@pytest.mark.rule("LAM-175")
def test_less_is_ready_at_once_and_busy_ones_go_when_they_finish():
    sim = Simulation(concurrent_executions=200)
    worker = make(sim)
    provision(sim, worker, 5)
    sim.run(until=100)
    assert ask(sim, worker, 4, "live") == {"provisioned": 4}
    worker.put_provisioned_concurrency_config("live", 2)
    assert shown(worker) == (2, 2, 2, "READY")
    assert sim.pool.unreserved_capacity == 198
    assert ask(sim, worker, 1, "live") == {"cold": 1}  # 4 are busy, of 2
    assert worker.snapshot().in_flight == 5  # and go on
    sim.run(until=110)
    assert worker.snapshot().in_flight == 0
    sim.check_invariants()  # there are two environments, no more
    assert ask(sim, worker, 3, "live") == {"provisioned": 2, "warm": 1}
    sim.check_invariants()


@pytest.mark.rule("LAM-175", "LAM-176", "LAM-129")
def test_idle_environments_beyond_a_lowered_amount_end_at_once(sim):
    worker = make(sim)
    provision(sim, worker, 5)
    assert worker.snapshot().idle == 5
    worker.put_provisioned_concurrency_config("live", 2)
    assert worker.snapshot().idle == 2
    worker.delete_provisioned_concurrency_config("live")
    assert worker.snapshot().environments == 0


@pytest.mark.rule("LAM-175", "LAM-177", "LAM-129")
def test_when_more_is_ready_there_are_never_more_than_asked_for_or_busy():
    sim = Simulation(settings=[AT_ONCE])
    worker = make(sim)
    provision(sim, worker, 4)
    for at in (1, 2, 3, 4):
        sim.run(until=at)
        assert ask(sim, worker, 1, "live") == {"provisioned": 1}  # until 11, 12, 13 and 14
    worker.put_provisioned_concurrency_config("live", 2)
    provision(sim, worker, 3)
    for at, busy, idle in ((5, 4, 0), (11, 3, 0), (12, 2, 1), (13, 1, 2), (14, 0, 3)):
        sim.run(until=at)
        snapshot = worker.snapshot()
        assert (snapshot.busy, snapshot.idle) == (busy, idle), at
    sim.check_invariants()


@pytest.mark.rule("LAM-120", "LAM-129", "LAM-172")
def test_environments_that_run_their_init_before_any_request_are_not_busy(sim):
    worker = make(sim, settings=[ColdStartModel(init_s=2)])
    worker.put_provisioned_concurrency_config("live", 5)
    for at, idle in (("60", 0), ("61", 0), ("62.05", 5)):
        sim.run(until=Decimal(at))
        snapshot = worker.snapshot()
        assert (snapshot.in_flight, snapshot.busy, snapshot.idle) == (0, 0, idle), at


@pytest.mark.rule("LAM-174", "LAM-200")
def test_on_demand_requests_leave_a_reserve_what_runs_provisioned_while_more_is_made(sim):
    worker = make(sim, reserved_concurrent_executions=5)
    provision(sim, worker, 4)
    assert ask(sim, worker, 4, "live") == {"provisioned": 4}
    worker.put_provisioned_concurrency_config("live", 2)
    worker.put_provisioned_concurrency_config("live", 4)  # two are available until the others are ready
    assert shown(worker) == (4, 2, 2, "IN_PROGRESS")
    assert ask(sim, worker, 3) == {"cold": 1, RESERVED: 2}  # never more than 5 in flight
    sim.check_invariants()


@pytest.mark.rule("LAM-175", "LAM-265")
def test_what_is_busy_beyond_a_lowered_amount_is_on_demand_then():
    sim = Simulation(settings=[LambdaLimits(account_concurrency=10, unreserved_floor=0), AT_ONCE])
    worker, other = make(sim), make(sim, "other")
    provision(sim, worker, 5)
    sim.run(until=1)
    assert ask(sim, worker, 4, "live") == {"provisioned": 4}
    worker.put_provisioned_concurrency_config("live", 1)
    assert (sim.pool.unreserved_capacity, sim.pool.unreserved_in_flight) == (9, 3)
    assert ask(sim, other, 7) == {"cold": 6, ACCOUNT: 1}  # ten run
    worker.put_function_concurrency(1)
    assert (sim.pool.unreserved_capacity, sim.pool.unreserved_in_flight) == (9, 6)
    worker.delete_function_concurrency()
    assert (sim.pool.unreserved_capacity, sim.pool.unreserved_in_flight) == (9, 9)
    sim.run(until=11)
    assert sim.pool.unreserved_in_flight == 0
    sim.check_invariants()


@pytest.mark.rule("LAM-174", "LAM-175")
def test_what_is_busy_beyond_a_lowered_amount_uses_the_on_demand_part_of_a_reserve():
    sim = Simulation(settings=[AT_ONCE])
    worker = make(sim, reserved_concurrent_executions=6)
    provision(sim, worker, 5)
    sim.run(until=1)
    assert ask(sim, worker, 4, "live") == {"provisioned": 4}
    worker.put_provisioned_concurrency_config("live", 2)
    assert ask(sim, worker, 3) == {"cold": 2, RESERVED: 1}  # 6 - 2, of which 2 are in use
    sim.check_invariants()


@pytest.mark.rule("LAM-175")
def test_the_same_amount_again_is_ready_at_once(sim):
    worker = make(sim)
    provision(sim, worker, 3)
    sim.run(until=100)
    worker.put_provisioned_concurrency_config("live", 3)
    assert shown(worker) == (3, 3, 3, "READY")
    assert ask(sim, worker, 4, "live") == {"provisioned": 3, "cold": 1}


@pytest.mark.rule("LAM-175", "LAM-172")
@pytest.mark.parametrize(
    ("lowered_at", "amount", "ready_at"),
    [
        ("30", 3, "62.03"),
        ("60.01", 2, "62.02"),
        ("60.02", 2, "62.02"),
        ("60.04", 2, "62.02"),  # more than that are made already
        ("61", 3, "62.03"),
        ("62.03", 1, "62.03"),  # that one has run its init
    ],
)
def test_less_in_the_middle_of_a_ramp_makes_it_shorter_never_longer(sim, lowered_at, amount, ready_at):
    worker = make(sim, settings=[ColdStartModel(init_s=2)])
    worker.put_provisioned_concurrency_config("live", 5)
    sim.run(until=Decimal(lowered_at))
    worker.put_provisioned_concurrency_config("live", amount)
    if lowered_at != ready_at:
        sim.run(until=Decimal(ready_at) - US)
        assert shown(worker)[2:] == (0, "IN_PROGRESS")
    sim.run(until=Decimal(ready_at))
    assert shown(worker) == (amount, amount, amount, "READY")
    assert ask(sim, worker, 5, "live") == {"provisioned": amount, "cold": 5 - amount}
    sim.check_invariants()


@pytest.mark.rule("LAM-175", "LAM-026")
def test_an_alias_that_moves_runs_the_new_version_only():
    sim = Simulation(settings=[AT_ONCE])
    worker = prepared(sim, ())
    provision(sim, worker, 2)
    sim.run(until=10)
    assert ask(sim, worker, 1, "live") == {"provisioned": 1}
    worker.update_alias("live", function_version="2")
    assert ask(sim, worker, 1, "live") == {"cold": 1}
    sim.run(until=30)
    assert shown(worker) == (2, 2, 2, "READY")
    assert ask(sim, worker, 3, "live") == {"provisioned": 2, "warm": 1}
    assert [invocation.version for invocation in worker.invocations] == ["1", "2", "2", "2", "2"]
    sim.check_invariants()


@pytest.mark.rule("LAM-175", "LAM-179")
def test_a_lowered_amount_counts_for_the_rate_at_once():
    sim = Simulation(settings=[AT_ONCE])
    worker = make(sim, duration=0)
    provision(sim, worker, 5)
    sim.run(until=1)
    assert ask(sim, worker, 30, "live") == {"provisioned": 30}
    worker.put_provisioned_concurrency_config("live", 3)
    assert "provisioned" not in ask(sim, worker, 1, "live")
    sim.run(until=2)
    assert ask(sim, worker, 31, "live")["provisioned"] == 30


@pytest.mark.rule("LAM-176")
def test_after_a_delete_idle_environments_are_gone_and_busy_ones_finish(sim):
    worker = make(sim)
    provision(sim, worker, 3)
    sim.run(until=100)
    assert ask(sim, worker, 2, "live") == {"provisioned": 2}
    worker.delete_provisioned_concurrency_config("live")
    assert refusal(ProvisionedConcurrencyConfigNotFoundException, lambda: shown(worker)) == NO_CONFIG
    assert sim.pool.unreserved_capacity == 1_000
    assert worker.snapshot().in_flight == 2
    assert ask(sim, worker, 1, "live") == {"cold": 1}
    sim.run(until=110)
    assert worker.snapshot().in_flight == 0
    assert [invocation.outcome for invocation in worker.invocations] == [Outcome.SUCCESS] * 3
    assert ask(sim, worker, 3, "live") == {"warm": 1, "cold": 2}
    sim.check_invariants()


@pytest.mark.rule("LAM-176")
def test_a_config_deleted_before_it_is_ready_never_comes(sim):
    worker = make(sim)
    worker.put_provisioned_concurrency_config("live", 3)
    sim.run(until=Decimal("60.02"))
    worker.delete_provisioned_concurrency_config("live")
    sim.run(until=200)
    assert worker.list_provisioned_concurrency_configs() == ()
    assert ask(sim, worker, 3, "live") == {"cold": 3}
    worker.put_provisioned_concurrency_config("live", 1)
    sim.run(until=Decimal("260.009999"))
    assert shown(worker) == (1, 0, 0, "IN_PROGRESS")
    sim.run(until=Decimal("260.01"))
    assert shown(worker) == (1, 1, 1, "READY")


@pytest.mark.rule("LAM-028", "LAM-176")
def test_a_function_takes_its_provisioned_environments_with_it(sim):
    worker = make(sim)
    provision(sim, worker, 300)
    sim.run(until=100)
    assert ask(sim, worker, 2, "live") == {"provisioned": 2}
    worker.delete_function()
    assert sim.pool.unreserved_capacity == 1_000
    assert sim.pool.in_flight == 2
    sim.run(until=110)
    assert sim.pool.in_flight == 0
    assert total(sim, "ProvisionedConcurrencyInvocations", FunctionName="worker") == 2
    assert total(sim, "Invocations", FunctionName="worker") == 2
    again = make(sim)
    assert again.list_provisioned_concurrency_configs() == ()
    assert ask(sim, again, 1, "live") == {"cold": 1}


# ---- LAM-177: they stay


@pytest.mark.rule("LAM-177")
def test_provisioned_environments_are_never_reclaimed():
    sim = Simulation(settings=[EnvironmentModel(idle_ttl_s=5, max_lifetime_s=20)])
    worker = make(sim, duration=1)
    provision(sim, worker, 2)
    for at in (100, 106, 200, 20_000):
        sim.run(until=at)
        assert shown(worker) == (2, 2, 2, "READY")
        assert ask(sim, worker, 3, "live") == {"provisioned": 2, "cold": 1}, at


@pytest.mark.rule("LAM-177")
@pytest.mark.parametrize(("after", "kind"), [("0", "cold"), ("4.999999", "cold"), ("5", "provisioned")])
def test_an_environment_that_was_recycled_is_rebuilt_in_the_time_of_its_init(after, kind):
    chooser = Says("lambda.env_recycle", 1)
    sim = Simulation(faults=LambdaFaults(env_recycle=0.5), choices=chooser, settings=[AT_ONCE])
    worker = make(sim, duration=1, settings=[ColdStartModel(init_s=5)])
    provision(sim, worker, 1)
    sim.run(until=10)
    assert ask(sim, worker, 1, "live") == {"provisioned": 1}
    sim.run(until=11 + Decimal(after))
    assert ask(sim, worker, 1, "live") == {kind: 1}
    sim.check_invariants()


@pytest.mark.rule("LAM-177", "LAM-083")
def test_after_a_reset_the_next_request_still_waits_for_the_init():
    sim = Simulation(settings=[ColdStartModel(init_s=2)])
    durations = iter((10, 1, 1))
    worker = make(sim, handler=lambda event, context: context.sleep(next(durations)), duration=0, timeout=4)
    provision(sim, worker, 1)
    sim.run(until=100)
    for _ in range(3):
        worker.invoke(qualifier="live")
    assert [invocation.duration_us for invocation in worker.invocations] == [4_000_000, 3_000_000, 1_000_000]
    assert {invocation.is_cold_start for invocation in worker.invocations} == {False}
    assert total(sim, "ProvisionedConcurrencyInvocations", FunctionName="worker") == 3


# ---- LAM-178 to LAM-180: who runs where


@pytest.mark.rule("LAM-178")
@pytest.mark.parametrize("provisioned", ["live", "1"])
@pytest.mark.parametrize("asked", [None, "$LATEST", "1", "live", "also", "2"])
def test_only_requests_that_name_the_alias_or_version_of_the_config_use_it(provisioned, asked):
    sim = Simulation(settings=[AT_ONCE])
    worker = prepared(sim, ())
    provision(sim, worker, 3, provisioned)
    sim.run(until=10)
    assert ask(sim, worker, 2, asked) == {"provisioned" if asked == provisioned else "cold": 2}


@pytest.mark.rule("LAM-178", "LAM-120")
def test_provisioned_environments_and_those_on_demand_do_not_mix():
    sim = Simulation(settings=[AT_ONCE])
    worker = make(sim, duration=1)
    provision(sim, worker, 1)
    sim.run(until=10)
    assert ask(sim, worker, 3, "live") == {"provisioned": 1, "cold": 2}
    sim.run(until=20)
    assert ask(sim, worker, 3, "1") == {"warm": 2, "cold": 1}  # what spilled over is shared with the version
    sim.run(until=30)
    assert ask(sim, worker, 4) == {"cold": 4}  # of another version


@pytest.mark.rule("LAM-179")
def test_what_finds_no_free_environment_spills_over_into_the_unreserved_pool():
    sim = Simulation(concurrent_executions=103, settings=[AT_ONCE])
    worker, other = make(sim), sim.create_function("other", duration=10, timeout=100)
    provision(sim, worker, 3)
    sim.run(until=1)
    assert ask(sim, other, 98) == {"cold": 98}
    assert ask(sim, worker, 6, "live") == {"provisioned": 3, "cold": 2, ACCOUNT: 1}


@pytest.mark.rule("LAM-179")
def test_what_spills_over_in_a_function_with_a_reserve_stays_within_it():
    sim = Simulation(settings=[AT_ONCE])
    worker = make(sim, reserved_concurrent_executions=5)
    provision(sim, worker, 3)
    sim.run(until=1)
    assert ask(sim, worker, 1) == {"cold": 1}
    assert ask(sim, worker, 5, "live") == {"provisioned": 3, "cold": 1, RESERVED: 1}


@pytest.mark.rule("LAM-179", "LAM-210")
def test_what_is_above_the_rate_of_the_config_spills_over_within_each_second():
    sim = Simulation(settings=[AT_ONCE])
    worker = make(sim, duration=0)
    provision(sim, worker, 2)
    sim.run(until=1)
    assert ask(sim, worker, 21, "live") == {"provisioned": 20, "cold": 1}
    sim.run(until=2 - US)
    assert ask(sim, worker, 1, "live") == {"warm": 1}
    sim.run(until=2)
    assert ask(sim, worker, 21, "live") == {"provisioned": 20, "warm": 1}
    sim.run(until=2 + US)
    assert ask(sim, worker, 1, "live") == {"warm": 1}


@pytest.mark.rule("LAM-179")
def test_what_spills_over_needs_a_token_for_its_cold_start():
    sim = Simulation(settings=[AT_ONCE, ScalingRate(capacity=1, refill_per_s=0)])
    worker = make(sim)
    provision(sim, worker, 2)
    sim.run(until=1)
    assert ask(sim, worker, 4, "live") == {"provisioned": 2, "cold": 1, ACCOUNT: 1}


@pytest.mark.rule("LAM-180")
@pytest.mark.parametrize("qualifier", [None, "1"])
def test_when_all_of_a_reserve_is_provisioned_nothing_runs_on_demand(qualifier):
    sim = Simulation(settings=[AT_ONCE])
    worker = make(sim, reserved_concurrent_executions=4)
    provision(sim, worker, 4)
    for at in (1, 2, 50):
        sim.run(until=at)
        assert ask(sim, worker, 2, qualifier) == {RESERVED: 2}
    assert ask(sim, worker, 5, "live") == {"provisioned": 4, RESERVED: 1}
    sim.run()
    worker.delete_provisioned_concurrency_config("live")
    assert ask(sim, worker, 5, qualifier) == {"cold": 4, RESERVED: 1}
