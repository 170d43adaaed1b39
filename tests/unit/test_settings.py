"""The value objects of `settings=`: bad fields are refused when the object is made, as a `UsageError`."""

import pytest

from lambdasim import (
    BackoffModel,
    EnvironmentModel,
    LambdaLimits,
    PollModel,
    ScalingModel,
    ScalingRate,
    Simulation,
    SqsConfig,
    ThrottleRetry,
)
from lambdasim.errors import UsageError


@pytest.mark.rule("LAM-001", "LAM-010", "ESM-010")
@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (ThrottleRetry, "factor", 1.5),
        (ThrottleRetry, "base_s", 0),
        (PollModel, "wait_s", 2.5),
        (PollModel, "wait_s", 21),
        (ScalingModel, "initial", 2.5),
        (ScalingModel, "initial", 0),
        (ScalingModel, "ramp", "wavy"),
        (ScalingRate, "refill_per_s", 0.5),
        (SqsConfig, "inflight_limit_standard", True),
        (SqsConfig, "stale_delete", "xx"),
        (SqsConfig, "requeue_to_back_after", 0.5),
        (BackoffModel, "enabled", "no"),
        (BackoffModel, "strength", "a"),
        (BackoffModel, "strength", 1.5),
        (BackoffModel, "exponent", float("nan")),
        (BackoffModel, "period_s", 0),
        (LambdaLimits, "timeout_max_s", -5),
        (EnvironmentModel, "idle_ttl_s", "x"),
    ],
)
def test_a_bad_field_is_refused_by_name(kind, field, value):
    with pytest.raises(UsageError, match=field):
        kind(**{field: value})


@pytest.mark.parametrize("value", [0, 1.5, "many"])
def test_a_bad_account_concurrency_is_a_usage_error(value):
    with pytest.raises(UsageError, match="account_concurrency"):
        Simulation(concurrent_executions=value)


@pytest.mark.rule("LAM-010")
def test_what_concerns_the_account_is_refused_for_one_function():
    sim = Simulation()
    for field in ("account_concurrency", "unreserved_floor"):
        with pytest.raises(UsageError, match=field):
            sim.create_function("worker", settings=[LambdaLimits(**{field: 5})])
    assert sim.functions == ()


def test_other_settings_for_a_queue_that_exists_are_refused():
    sim = Simulation()
    queue = sim.create_queue("orders", settings=[SqsConfig(stale_delete="delete")])
    assert sim.create_queue("orders") is queue
    assert sim.create_queue("orders", settings=[SqsConfig(stale_delete="delete")]) is queue
    with pytest.raises(UsageError, match="settings"):
        sim.create_queue("orders", settings=[SqsConfig()])
