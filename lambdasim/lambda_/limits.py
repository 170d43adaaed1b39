"""Quotas and models of AWS Lambda: every figure that a user may change, in frozen objects (LAM-010)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal, Protocol, runtime_checkable

from attrs import Attribute, field, frozen

from lambdasim.errors import UsageError
from lambdasim.settings import flag, maybe, one_of, span, whole
from lambdasim.units import Duration, seconds


@runtime_checkable
class Distribution(Protocol):
    """Anything that can be drawn from, such as the distributions of `lambdasim.workload`."""

    def sample(self, random: Any) -> float:
        """Return one value in seconds; only `random.random()` may be used."""
        ...


DurationLike = int | float | Decimal | timedelta | Callable[[Any], Any] | Distribution

DEFAULT_DURATION_S: Final = Decimal("0.1")  # LAM-042


def _waits(_owner: object, field: Attribute[Any], value: tuple[Duration, ...]) -> None:
    if not isinstance(value, tuple) or len(value) != 2:
        msg = f"{field.name}={value!r} is no pair; give the waits after the first and the second failure in seconds"
        raise UsageError(msg)
    for wait in value:
        seconds(wait, name=field.name)


@frozen(kw_only=True)
class LambdaLimits:
    """Quotas of the account and of functions."""

    account_concurrency: int = field(default=1_000, validator=whole(1))  #: LAM-011
    unreserved_floor: int = field(default=100, validator=whole(0))  #: LAM-152
    rps_factor: int = field(default=10, validator=whole(1))  #: LAM-210
    timeout_min_s: int = field(default=1, validator=whole(1))
    timeout_max_s: int = field(default=900, validator=whole(1))
    timeout_default_s: int = field(default=3, validator=whole(1))
    memory_min_mb: int = field(default=128, validator=whole(1))
    memory_max_mb: int = field(default=10_240, validator=whole(1))
    memory_default_mb: int = field(default=128, validator=whole(1))
    sync_request_bytes: int = field(default=6_291_456, validator=whole(1))  #: LAM-066
    sync_response_bytes: int = field(default=6_291_556, validator=whole(1))  #: LAM-066
    env_vars_bytes: int = field(default=4_096, validator=whole(0))  #: compact JSON of all variables (LAM-024)
    log_tail_bytes: int = field(default=4_096, validator=whole(0))  #: LAM-062
    client_context_bytes: int = field(default=3_583, validator=whole(0))  #: base64 included


@frozen(kw_only=True)
class LambdaConfig:
    """How far away Lambda is."""

    call_latency_s: Duration = field(default=0, validator=span())  #: what a call through a client takes


@frozen(kw_only=True)
class ColdStartModel:
    """What a new execution environment costs in time (LAM-123)."""

    placement_s: Duration = field(default=0, validator=span())
    init_s: DurationLike = 0  #: a number, a callable of the event (None at init), or a distribution
    init_limit_s: Duration = field(default=10, validator=span())  #: LAM-126

    TYPICAL: ClassVar[ColdStartModel]


ColdStartModel.TYPICAL = ColdStartModel(placement_s=Decimal("0.1"), init_s=Decimal("0.25"))


@frozen(kw_only=True)
class EnvironmentModel:
    """How long execution environments live, and which idle one is taken (LAM-121, LAM-127, LAM-128)."""

    idle_ttl_s: Duration = field(default=600, validator=span())
    max_lifetime_s: Duration = field(default=7_200, validator=span())
    reuse: Literal["most_recent", "least_recent", "lowest_id"] = field(
        default="most_recent", validator=one_of("most_recent", "least_recent", "lowest_id")
    )


@frozen(kw_only=True)
class ScalingRate:
    """How fast a function gets new on-demand environments (LAM-230, LAM-233)."""

    capacity: int = field(default=1_000, validator=whole(1))
    refill_per_s: int = field(default=100, validator=whole(0))  #: or per `refill_period_s`
    refill_period_s: int = field(default=1, validator=whole(1))
    mode: Literal["bucket", "window", "off"] = field(default="bucket", validator=one_of("bucket", "window", "off"))
    window_s: int = field(default=10, validator=whole(1))  #: of mode `window`: [10k, 10k + 10) s, no carry-over
    scope: Literal["function", "account"] = field(default="function", validator=one_of("function", "account"))

    DEFAULT: ClassVar[ScalingRate]
    FIXED_WINDOW: ClassVar[ScalingRate]
    BURST_2023: ClassVar[ScalingRate]
    HALF: ClassVar[ScalingRate]
    OFF: ClassVar[ScalingRate]


ScalingRate.DEFAULT = ScalingRate()
ScalingRate.FIXED_WINDOW = ScalingRate(mode="window")
ScalingRate.BURST_2023 = ScalingRate(capacity=3_000, refill_per_s=500, refill_period_s=60, scope="account")
ScalingRate.HALF = ScalingRate(capacity=500, refill_per_s=50)
ScalingRate.OFF = ScalingRate(mode="off")


@frozen(kw_only=True)
class RpsModel:
    """The rate quota that comes with every concurrency quota (LAM-210, LAM-211)."""

    mode: Literal["window", "off"] = field(default="window", validator=one_of("window", "off"))
    window_s: int = field(default=1, validator=whole(1))
    linear_ramp: bool = field(default=False, validator=flag)  #: the account's rate grows with use (LAM-213)
    exempt_async: bool = field(default=False, validator=flag)  #: asynchronous invokes have no rate (LAM-212)


@frozen(kw_only=True)
class ProvisioningModel:
    """How fast provisioned environments come (LAM-172)."""

    prepare_s: Duration = field(default=60, validator=span())
    rate_per_s: int = field(default=100, validator=whole(1))  #: for each function


@frozen(kw_only=True)
class AsyncModel:
    """What the queue of asynchronous invocations does (ASY-130)."""

    payload_limit_bytes: int = field(default=1_048_576, validator=whole(1))  #: 262,144 is the older quota (ASY-012)
    dispatch_delay_s: Duration = field(default=0, validator=span())  #: from acceptance to the first try (ASY-020)
    delivery_delay_s: Duration = field(default=0, validator=span())  #: from the decision to the delivery (ASY-077)
    retry_waits_s: tuple[Duration, Duration] = field(default=(60, 120), validator=_waits)  #: ASY-031
    throttle_base_s: Duration = field(default=1, validator=span())  #: ASY-041
    throttle_factor: int = field(default=2, validator=whole(1))
    throttle_cap_s: Duration = field(default=300, validator=span())
    backlog_slowdown: bool = field(default=False, validator=flag)  #: ASY-045
    recursive_loop_limit: int | None = field(default=None, validator=maybe(whole(1)))  #: 16 is about AWS's


@frozen(kw_only=True)
class RuntimeModel:
    """What the runtime answers and what is billed (LAM-080, LAM-082, LAM-300)."""

    error_kind: Literal["Unhandled", "Handled"] = field(default="Unhandled", validator=one_of("Unhandled", "Handled"))
    error_format: Literal["current", "legacy"] = field(default="current", validator=one_of("current", "legacy"))
    billing: Literal["current", "pre_2025_08"] = field(default="current", validator=one_of("current", "pre_2025_08"))
    memory_used_mb: int = field(default=0, validator=whole(0))
    logs_kept: int = field(default=1_000, validator=whole(0))  #: newest invocations that a function keeps


FUNCTION_SETTINGS: Final = (
    LambdaLimits,
    ColdStartModel,
    EnvironmentModel,
    ScalingRate,
    RuntimeModel,
    ProvisioningModel,
    AsyncModel,
)
