"""
The scenario format: what a scenario file may say, as typed tables; `docs/scenario.md` is the page for its readers.

Names are AWS's in snake_case; times are seconds. A key that is left out is left to the library: no default is repeated
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

from pydantic import Field, PlainValidator

from lambdasim import (
    BackoffModel,
    BatchWindowModel,
    ColdStartModel,
    EnvironmentModel,
    LambdaLimits,
    PollModel,
    ProvisionedModel,
    RuntimeModel,
    ScalingModel,
    ScalingRate,
    ThrottleRetry,
)
from lambdasim.cli.arrivals import AnyArrivals
from lambdasim.cli.tables import (
    Backoff,
    BatchWindowTable,
    ColdStart,
    Duration,
    EnvironmentsTable,
    FromOne,
    FromZero,
    Name,
    NewEnvironments,
    PollingTable,
    PricesTable,
    ProvisionedTable,
    Retry,
    Scaling,
    Table,
    TimeAboveZero,
    YesNo,
    make_settings,
)
from lambdasim.cli.values import Choice, Choices, Instant, Number, Whole
from lambdasim.esm.limits import (
    BATCH_SIZE_MAX,
    MAXIMUM_CONCURRENCY_MAX,
    MAXIMUM_CONCURRENCY_MIN,
    MAXIMUM_POLLERS_MAX,
    MINIMUM_POLLERS_MAX,
    POLLERS_MIN,
    REPORT_BATCH_ITEM_FAILURES,
    WINDOW_MAX_S,
)
from lambdasim.sqs.limits import DELAY_MAX_S, RECEIVE_COUNT_MAX, RETENTION_MAX_S, RETENTION_MIN_S, VISIBILITY_MAX_S
from lambdasim.units import seconds

#: Keys of tables and presets, and the value objects that they stand for.
FUNCTION_SETTINGS: Final[Mapping[str, type]] = {
    "cold_start": ColdStartModel,
    "environments": EnvironmentModel,
    "scaling_rate": ScalingRate,
}
MAPPING_SETTINGS: Final[Mapping[str, type]] = {
    "scaling": ScalingModel,
    "polling": PollModel,
    "batch_window": BatchWindowModel,
    "backoff": BackoffModel,
    "throttle_retry": ThrottleRetry,
    "provisioned": ProvisionedModel,
}

_LIMITS: Final = LambdaLimits()


class AccountTable(Table):
    """The limits of the account."""

    concurrent_executions: FromOne | None = None
    unreserved_floor: FromZero | None = None
    rps_factor: FromOne | None = None
    rps_limit: Annotated[str, PlainValidator(Choice(("window", "off")))] | None = None


class QueueTable(Table):
    """A standard queue."""

    visibility_timeout: Annotated[int, PlainValidator(Whole(0, VISIBILITY_MAX_S, "seconds"))] | None = None
    delay_seconds: Annotated[int, PlainValidator(Whole(0, DELAY_MAX_S, "seconds"))] | None = None
    message_retention_period: (
        Annotated[int, PlainValidator(Whole(RETENTION_MIN_S, RETENTION_MAX_S, "seconds"))] | None
    ) = None
    dead_letter_queue: Name | None = None
    max_receive_count: Annotated[int, PlainValidator(Whole(1, RECEIVE_COUNT_MAX, "receives"))] | None = None
    inflight_limit_standard: FromOne | None = None


class FunctionTable(Table):
    """A function that takes its time, and fails at times."""

    timeout: Annotated[int, PlainValidator(Whole(_LIMITS.timeout_min_s, _LIMITS.timeout_max_s, "seconds"))] | None = (
        None
    )
    memory_size: Annotated[int, PlainValidator(Whole(_LIMITS.memory_min_mb, _LIMITS.memory_max_mb, "MB"))] | None = None
    architecture: Annotated[str, PlainValidator(Choice(("x86_64", "arm64")))] | None = None
    duration: Duration | None = None
    failure_rate: Annotated[int | float, PlainValidator(Number(0, 1))] | None = None
    reserved_concurrent_executions: FromZero | None = None
    cold_start: ColdStart | None = None
    environments: EnvironmentsTable | None = None
    scaling_rate: NewEnvironments | None = None
    billing: Annotated[str, PlainValidator(Choice(("current", "pre_2025_08")))] | None = None

    def settings(self) -> list[object]:
        """Return the value objects that the table holds."""
        found = make_settings(self, FUNCTION_SETTINGS)
        if self.billing is not None:
            found.append(RuntimeModel(billing=self.billing))  # type: ignore[arg-type]  # its kind has checked it
        return found


class MappingTable(Table):
    """An event source mapping: one queue, one function."""

    queue: Name
    function: Name
    batch_size: Annotated[int, PlainValidator(Whole(1, BATCH_SIZE_MAX, "messages"))] | None = None
    maximum_batching_window_in_seconds: Annotated[int, PlainValidator(Whole(0, WINDOW_MAX_S, "seconds"))] | None = None
    maximum_concurrency: (
        Annotated[int, PlainValidator(Whole(MAXIMUM_CONCURRENCY_MIN, MAXIMUM_CONCURRENCY_MAX, "invocations"))] | None
    ) = None
    minimum_pollers: Annotated[int, PlainValidator(Whole(POLLERS_MIN, MINIMUM_POLLERS_MAX, "pollers"))] | None = None
    maximum_pollers: Annotated[int, PlainValidator(Whole(POLLERS_MIN, MAXIMUM_POLLERS_MAX, "pollers"))] | None = None
    function_response_types: (
        Annotated[tuple[str, ...], PlainValidator(Choices((REPORT_BATCH_ITEM_FAILURES,)))] | None
    ) = None
    enabled: YesNo | None = None
    scaling: Scaling | None = None
    polling: PollingTable | None = None
    batch_window: BatchWindowTable | None = None
    backoff: Backoff | None = None
    throttle_retry: Retry | None = None
    provisioned: ProvisionedTable | None = None

    def settings(self) -> list[object]:
        """Return the value objects that the table holds."""
        return make_settings(self, MAPPING_SETTINGS)


class Scenario(Table):
    """What a scenario file says."""

    title: Name | None = None
    seed: Annotated[int, PlainValidator(Whole(0))] | None = None
    start: Annotated[str | datetime, PlainValidator(Instant())] | None = None
    duration: TimeAboveZero | None = None
    drain: YesNo = True
    account: AccountTable | None = None
    prices: PricesTable | None = None
    queues: Annotated[dict[str, QueueTable], Field(min_length=1)]
    functions: dict[str, FunctionTable] = Field(default_factory=dict)
    mappings: list[MappingTable] = Field(default_factory=list)
    arrivals: Annotated[list[AnyArrivals], Field(min_length=1)]

    @property
    def duration_us(self) -> int | None:
        """How long arrivals are looked at, in microseconds; None: until they end."""
        return None if self.duration is None else seconds(self.duration)
