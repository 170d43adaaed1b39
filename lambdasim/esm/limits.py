"""Models and limits of the SQS event source mapping: every figure that a user may change (ESM-010)."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from attrs import evolve, field, frozen

from lambdasim.filtering import FilterModel
from lambdasim.settings import flag, number, one_of, span, whole
from lambdasim.units import Duration

BATCH_SIZE_MAX: Final = 10_000  # ESM-020
BATCH_SIZE_MAX_WITHOUT_WINDOW: Final = 10  # ESM-020
WINDOW_MAX_S: Final = 300  # ESM-020
MAXIMUM_CONCURRENCY_MIN: Final = 2  # ESM-020
MAXIMUM_CONCURRENCY_MAX: Final = 1_000  # ESM-020
POLLERS_MIN: Final = 2  # ESM-020
MINIMUM_POLLERS_MAX: Final = 200  # ESM-020
MAXIMUM_POLLERS_MAX: Final = 10_000  # ESM-021: with the limit raised
REPORT_BATCH_ITEM_FAILURES: Final = "ReportBatchItemFailures"

#: Parameters of other kinds of event source: AWS says that a queue has none of these (ESM-023).
OTHER_SOURCES: Final = {
    "starting_position": "StartingPosition",
    "starting_position_timestamp": "StartingPositionTimestamp",
    "parallelization_factor": "ParallelizationFactor",
    "bisect_batch_on_function_error": "BisectBatchOnFunctionError",
    "maximum_retry_attempts": "MaximumRetryAttempts",
    "maximum_record_age_in_seconds": "MaximumRecordAgeInSeconds",
    "tumbling_window_in_seconds": "TumblingWindowInSeconds",
    "destination_config": "DestinationConfig",
    "topics": "Topics",
    "queues": "Queues",
    "source_access_configurations": "SourceAccessConfigurations",
    "self_managed_event_source": "SelfManagedEventSource",
    "amazon_managed_kafka_event_source_config": "AmazonManagedKafkaEventSourceConfig",
    "self_managed_kafka_event_source_config": "SelfManagedKafkaEventSourceConfig",
    "document_db_event_source_config": "DocumentDBEventSourceConfig",
    "logging_config": "LoggingConfig",
}


@frozen(kw_only=True)
class ScalingModel:
    """How a mapping grows and shrinks (ESM §6)."""

    initial: int = field(default=5, validator=whole(1))  #: slots at the beginning
    step_per_minute: int = field(default=300, validator=whole(0))  #: 0: no growth
    max: int = field(default=1_250, validator=whole(1))
    idle_floor: int = field(default=2, validator=whole(1))  #: slots after a long idle time
    idle_optimise_after_s: Duration = field(default=300, validator=span())
    ramp: Literal["linear", "step"] = field(default="linear", validator=one_of("linear", "step"))
    demand: Literal["backlog", "nonempty_receive"] = field(
        default="backlog", validator=one_of("backlog", "nonempty_receive")
    )

    DEFAULT: ClassVar[ScalingModel]
    SEED: ClassVar[ScalingModel]
    LEGACY_2018: ClassVar[ScalingModel]
    STEP: ClassVar[ScalingModel]
    EAGER: ClassVar[ScalingModel]


ScalingModel.DEFAULT = ScalingModel()
ScalingModel.SEED = evolve(ScalingModel.DEFAULT, max=1_000)
ScalingModel.LEGACY_2018 = evolve(ScalingModel.DEFAULT, step_per_minute=60, max=1_000)
ScalingModel.STEP = evolve(ScalingModel.DEFAULT, ramp="step")
ScalingModel.EAGER = evolve(ScalingModel.DEFAULT, demand="nonempty_receive")


@frozen(kw_only=True)
class PollModel:
    """How slots receive (ESM-081)."""

    wait_s: int = field(default=20, validator=whole(1, 20))
    max_per_receive: int = field(default=10, validator=whole(1, 10))
    receive_latency_s: Duration = field(default=0, validator=span())  #: from a message to the return (ESM-092)
    dispatch: Literal["greedy", "round_robin"] = field(default="greedy", validator=one_of("greedy", "round_robin"))
    #: who gets the next message: an open batch until it is full, or slots in turns (ESM-083, ESM-084)


@frozen(kw_only=True)
class BatchWindowModel:
    """When a batch closes (ESM-086 to ESM-089)."""

    anchor: Literal["previous_completion", "first_record"] = field(
        default="previous_completion", validator=one_of("previous_completion", "first_record")
    )
    payload_bytes: int = field(default=6_291_456, validator=whole(1))
    mode: Literal["exact", "low_traffic_20s"] = field(default="exact", validator=one_of("exact", "low_traffic_20s"))
    #: whether a window ends when it ends, or when the receive returns that is open then (ESM-088)
    low_traffic_wait_s: Duration = field(default=20, validator=span(is_positive=True))

    LOW_TRAFFIC: ClassVar[BatchWindowModel]


BatchWindowModel.LOW_TRAFFIC = BatchWindowModel(mode="low_traffic_20s")


@frozen(kw_only=True)
class BackoffModel:
    """How errors and throttles lower concurrency (ESM-160)."""

    period_s: Duration = field(default=1, validator=span(is_positive=True))
    strength: float = field(default=0.75, validator=number(0, 1))
    exponent: float = field(default=0.3, validator=number(0))
    floor: int = field(default=2, validator=whole(1))
    enabled: bool = field(default=True, validator=flag)

    OFF: ClassVar[BackoffModel]


BackoffModel.OFF = BackoffModel(enabled=False)


@frozen(kw_only=True)
class ThrottleRetry:
    """When a throttled batch is tried again, and when it is given up (ESM-170 to ESM-174)."""

    base_s: Duration = field(default=1, validator=span(is_positive=True))
    factor: int = field(default=2, validator=whole(1))
    max_delay_s: Duration = field(default=20, validator=span(is_positive=True))
    drop_rule: Literal["remaining_below_timeout", "visibility_exceeded"] = field(
        default="remaining_below_timeout",
        validator=one_of("remaining_below_timeout", "visibility_exceeded"),
    )

    SEED: ClassVar[ThrottleRetry]


ThrottleRetry.SEED = ThrottleRetry(drop_rule="visibility_exceeded")


@frozen(kw_only=True)
class ProvisionedModel:
    """What pollers do that a mapping has for itself (ESM-250 to ESM-256)."""

    invokes_per_poller: int = field(default=10, validator=whole(1))  #: slots of each
    polls_per_s: int = field(default=10, validator=whole(1))  #: receives of each
    bytes_per_s: int = field(default=1_048_576, validator=whole(1))  #: of messages, of each
    growth_per_minute: int = field(default=1_000, validator=whole(0))  #: slots; 0: no growth
    scale_down_every_s: Duration = field(default=60, validator=span(is_positive=True))
    min_default: int = field(default=2, validator=whole(POLLERS_MIN, MINIMUM_POLLERS_MAX))
    max_default: int = field(default=200, validator=whole(POLLERS_MIN, MAXIMUM_POLLERS_MAX))
    max_allowed: int = field(default=2_000, validator=whole(POLLERS_MIN, MAXIMUM_POLLERS_MAX))
    #: what `maximum_pollers` may be: AWS raises it on request (ESM-021)


@frozen(kw_only=True)
class LifecycleModel:
    """How long changes of state take (ESM-050)."""

    creating_s: Duration = field(default=0, validator=span())
    enabling_s: Duration = field(default=0, validator=span())
    updating_s: Duration = field(default=0, validator=span())
    disabling_s: Duration = field(default=0, validator=span())
    deleting_s: Duration = field(default=0, validator=span())

    REALISTIC: ClassVar[LifecycleModel]


LifecycleModel.REALISTIC = LifecycleModel(creating_s=30, enabling_s=30, updating_s=30, disabling_s=30, deleting_s=30)

MAPPING_SETTINGS: Final = (
    ScalingModel,
    PollModel,
    BatchWindowModel,
    BackoffModel,
    ThrottleRetry,
    ProvisionedModel,
    LifecycleModel,
    FilterModel,
)
