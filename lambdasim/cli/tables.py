"""
What the tables of a scenario are made of: kinds of values by name, distributions of durations, value objects.

Each table that stands for a value object of the library makes it when it is read, so that the library itself refuses
what it would refuse later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, PlainValidator, Tag, model_validator

from lambdasim import (
    BackoffModel,
    BatchWindowModel,
    ColdStartModel,
    EnvironmentModel,
    PollModel,
    PriceBook,
    ProvisionedModel,
    ScalingModel,
    ScalingRate,
    ThrottleRetry,
)
from lambdasim.cli.values import Choice, Flag, Number, Percentiles, Seconds, Span, Text, Whole
from lambdasim.esm.limits import MAXIMUM_POLLERS_MAX, MINIMUM_POLLERS_MAX, POLLERS_MIN
from lambdasim.workload import (
    Clamped,
    Constant,
    Distribution,
    Empirical,
    Exponential,
    gamma,
    lognormal,
)

VALUE: Final = "value"  #: the tag of a plain value, where there may be a table instead

YesNo = Annotated[bool, PlainValidator(Flag())]
Name = Annotated[str, PlainValidator(Text())]
Time = Annotated[Seconds, PlainValidator(Span())]
TimeAboveZero = Annotated[Seconds, PlainValidator(Span(is_positive=True))]
FromZero = Annotated[int, PlainValidator(Whole(0))]
FromOne = Annotated[int, PlainValidator(Whole(1))]
Factor = Annotated[int | float, PlainValidator(Number(0))]
Price = Annotated[int | float, PlainValidator(Number(0, of="USD"))]


class Table(BaseModel):
    """A table of a scenario. Keys that it does not know are errors; keys left out are None."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tag: ClassVar[str | None] = None  #: what tells it from the other tables that its place may hold

    def given(self, *leave_out: str) -> dict[str, Any]:
        """Return what the scenario says, by key, tables as the objects of the library that they stand for."""
        return {
            name: _made(value)
            for name in type(self).model_fields
            if name not in leave_out and (value := getattr(self, name)) is not None
        }


def _made(value: object) -> object:
    return value.make() if isinstance(value, DurationTable | SettingsTable) else value


# ---- durations


class DurationTable(Table):
    """A distribution of durations. Shorter draws become *minimum*, longer ones *maximum*."""

    library: ClassVar[Callable[..., Distribution]]  #: what makes it of its other figures

    minimum: Time | None = None
    maximum: Time | None = None

    def make(self) -> Distribution:
        """Return the distribution."""
        found = self.library(**self.given("distribution", "minimum", "maximum"))
        bounds = {name: bound for name in ("minimum", "maximum") if (bound := getattr(self, name)) is not None}
        return Clamped(found, **bounds) if bounds else found

    @model_validator(mode="after")
    def _check(self) -> DurationTable:
        self.make()
        return self


class ConstantDuration(DurationTable):
    """Always the same."""

    tag = "constant"
    library = Constant
    distribution: Literal["constant"]
    seconds: Time


class ExponentialDuration(DurationTable):
    """Without memory."""

    tag = "exponential"
    library = Exponential
    distribution: Literal["exponential"]
    mean: Time


class LogNormalDuration(DurationTable):
    """By median and p99, median and sigma, or mean and cv."""

    tag = "lognormal"
    library = staticmethod(lognormal)
    distribution: Literal["lognormal"]
    median: Time | None = None
    p99: Time | None = None
    sigma: Factor | None = None
    mean: Time | None = None
    cv: Factor | None = None


class GammaDuration(DurationTable):
    """By mean and cv, or shape and scale."""

    tag = "gamma"
    library = staticmethod(gamma)
    distribution: Literal["gamma"]
    mean: Time | None = None
    cv: Factor | None = None
    shape: Factor | None = None
    scale: Time | None = None


class PercentilesDuration(DurationTable):
    """By some of its percentiles, with a straight line between two of them."""

    tag = "percentiles"
    library = Empirical
    distribution: Literal["percentiles"]
    percentiles: Annotated[dict[Decimal, Seconds], PlainValidator(Percentiles())]


def _form_of_duration(value: object) -> object:
    if isinstance(value, dict):
        return value.get("distribution")
    return value.tag if isinstance(value, DurationTable) else VALUE


Duration = Annotated[
    Annotated[Seconds, PlainValidator(Span(or_else="a table with the key distribution")), Tag(VALUE)]
    | Annotated[ConstantDuration, Tag("constant")]
    | Annotated[ExponentialDuration, Tag("exponential")]
    | Annotated[LogNormalDuration, Tag("lognormal")]
    | Annotated[GammaDuration, Tag("gamma")]
    | Annotated[PercentilesDuration, Tag("percentiles")],
    Discriminator(_form_of_duration),
]


# ---- value objects of the library


class SettingsTable(Table):
    """A table that stands for one of the library's value objects, field for field."""

    tag = "table"
    library: ClassVar[type[Any]]

    def make(self) -> object:
        """Return the value object."""
        return self.library(**self.given())

    @model_validator(mode="after")
    def _check(self) -> SettingsTable:
        self.make()
        return self


class ColdStartTable(SettingsTable):
    """What a new execution environment costs in time."""

    library = ColdStartModel
    placement_s: Time | None = None
    init_s: Duration | None = None
    init_limit_s: Time | None = None


class EnvironmentsTable(SettingsTable):
    """How long execution environments live, and which idle one is taken."""

    library = EnvironmentModel
    idle_ttl_s: Time | None = None
    max_lifetime_s: Time | None = None
    reuse: Annotated[str, PlainValidator(Choice(("most_recent", "least_recent", "lowest_id")))] | None = None


class ScalingRateTable(SettingsTable):
    """How fast a function gets new environments."""

    library = ScalingRate
    capacity: FromOne | None = None
    refill_per_s: FromZero | None = None
    refill_period_s: FromOne | None = None
    mode: Annotated[str, PlainValidator(Choice(("bucket", "window", "off")))] | None = None
    window_s: FromOne | None = None
    scope: Annotated[str, PlainValidator(Choice(("function", "account")))] | None = None


class ScalingTable(SettingsTable):
    """How a mapping grows and shrinks."""

    library = ScalingModel
    initial: FromOne | None = None
    step_per_minute: FromZero | None = None
    max: FromOne | None = None
    idle_floor: FromOne | None = None
    idle_optimise_after_s: Time | None = None
    ramp: Annotated[str, PlainValidator(Choice(("linear", "step")))] | None = None
    demand: Annotated[str, PlainValidator(Choice(("backlog", "nonempty_receive")))] | None = None


class PollingTable(SettingsTable):
    """How a mapping receives."""

    library = PollModel
    wait_s: FromOne | None = None
    max_per_receive: FromOne | None = None
    receive_latency_s: Time | None = None
    dispatch: Annotated[str, PlainValidator(Choice(("greedy", "round_robin")))] | None = None


class BatchWindowTable(SettingsTable):
    """When a batch closes."""

    library = BatchWindowModel
    anchor: Annotated[str, PlainValidator(Choice(("previous_completion", "first_record")))] | None = None
    payload_bytes: FromOne | None = None
    mode: Annotated[str, PlainValidator(Choice(("exact", "low_traffic_20s")))] | None = None
    low_traffic_wait_s: TimeAboveZero | None = None


class BackoffTable(SettingsTable):
    """How errors and throttles lower the concurrency of a mapping."""

    library = BackoffModel
    period_s: TimeAboveZero | None = None
    strength: Annotated[int | float, PlainValidator(Number(0, 1))] | None = None
    exponent: Factor | None = None
    floor: FromOne | None = None
    enabled: YesNo | None = None


class ThrottleRetryTable(SettingsTable):
    """When a throttled batch is tried again, and when it is given up."""

    library = ThrottleRetry
    base_s: TimeAboveZero | None = None
    factor: FromOne | None = None
    max_delay_s: TimeAboveZero | None = None
    drop_rule: Annotated[str, PlainValidator(Choice(("remaining_below_timeout", "visibility_exceeded")))] | None = None


class ProvisionedTable(SettingsTable):
    """What pollers do that a mapping has for itself."""

    library = ProvisionedModel
    invokes_per_poller: FromOne | None = None
    polls_per_s: FromOne | None = None
    bytes_per_s: FromOne | None = None
    growth_per_minute: FromZero | None = None
    scale_down_every_s: TimeAboveZero | None = None
    min_default: Annotated[int, PlainValidator(Whole(POLLERS_MIN, MINIMUM_POLLERS_MAX, "pollers"))] | None = None
    max_default: Annotated[int, PlainValidator(Whole(POLLERS_MIN, MAXIMUM_POLLERS_MAX, "pollers"))] | None = None
    max_allowed: Annotated[int, PlainValidator(Whole(POLLERS_MIN, MAXIMUM_POLLERS_MAX, "pollers"))] | None = None


class PricesTable(SettingsTable):
    """Prices in USD."""

    library = PriceBook
    requests_per_million: Price | None = None
    gb_second_x86: Price | None = None
    gb_second_arm: Price | None = None
    event_poller_unit_hour: Price | None = None
    sqs_requests_per_million: Price | None = None

    def make(self) -> PriceBook:
        """Return the prices, as exact as they were written."""
        return PriceBook(**{name: Decimal(str(price)) for name, price in self.given().items()})


def presets(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of the objects that a class of the library offers ready-made."""
    return tuple(name for name, value in vars(kind).items() if isinstance(value, kind))


def make_settings(table: Table, kinds: Mapping[str, type[Any]]) -> list[object]:
    """
    Return the value objects that a table holds.

    Args:
        table: Whose keys hold tables or names of presets.
        kinds: The class of the value object, by key.
    """
    found: list[object] = []
    for name, kind in kinds.items():
        value = getattr(table, name)
        if isinstance(value, SettingsTable):
            found.append(value.make())
        elif value is not None:
            found.append(getattr(kind, value))
    return found


def _table_or_preset(value: object) -> str:
    return "table" if isinstance(value, dict | SettingsTable) else VALUE


def _named(kind: type[Any]) -> PlainValidator:
    return PlainValidator(Choice(presets(kind), or_else="a table"))


_TABLE_OR_PRESET: Final = Discriminator(_table_or_preset)

ColdStart = Annotated[
    Annotated[str, _named(ColdStartModel), Tag(VALUE)] | Annotated[ColdStartTable, Tag("table")], _TABLE_OR_PRESET
]
NewEnvironments = Annotated[
    Annotated[str, _named(ScalingRate), Tag(VALUE)] | Annotated[ScalingRateTable, Tag("table")], _TABLE_OR_PRESET
]
Scaling = Annotated[
    Annotated[str, _named(ScalingModel), Tag(VALUE)] | Annotated[ScalingTable, Tag("table")], _TABLE_OR_PRESET
]
Backoff = Annotated[
    Annotated[str, _named(BackoffModel), Tag(VALUE)] | Annotated[BackoffTable, Tag("table")], _TABLE_OR_PRESET
]
Retry = Annotated[
    Annotated[str, _named(ThrottleRetry), Tag(VALUE)] | Annotated[ThrottleRetryTable, Tag("table")],
    _TABLE_OR_PRESET,
]
