"""Quotas and policies of Amazon SQS, one frozen object; its fields change what SQS is, not how lucky a run is."""

from __future__ import annotations

from typing import Final, Literal

from attrs import Factory, field, frozen

from lambdasim.errors import UsageError
from lambdasim.settings import flag, maybe, one_of, span, text, whole
from lambdasim.units import Duration

DELAY_MAX_S: Final = 900  # SQS-080
RETENTION_MIN_S: Final = 60  # SQS-080
RETENTION_MAX_S: Final = 1_209_600  # SQS-080
MESSAGE_SIZE_MIN_BYTES: Final = 1_024  # SQS-080
VISIBILITY_MAX_S: Final = 43_200  # SQS-080, SQS-244
WAIT_MAX_S: Final = 20  # SQS-200
RECEIVE_MAX: Final = 10  # SQS-200
BATCH_MAX: Final = 10  # SQS-180
RECEIVE_COUNT_MAX: Final = 1_000  # SQS-100
LIST_MAX: Final = 1_000  # SQS-051
MOVE_RATE_MAX: Final = 500  # SQS-461
MOVE_TASKS_MAX: Final = 100  # SQS-461
MOVE_TASK_LIST_MAX: Final = 10  # SQS-468
MOVE_TASK_RUN_MAX_S: Final = 129_600  # SQS-465
ATTEMPT_MEMORY_S: Final = 300  # SQS-360
NOISY_IN_FLIGHT_MIN: Final = 30  # SQS-311
NOISY_SHARE_PERCENT: Final = 10  # SQS-311
NOISY_SEND_MEMORY_S: Final = 300  # SQS-313
FIFO_CALLS_PER_SECOND: Final = 300  # SQS-414


def partition_of(region: str) -> str:
    """
    Return the partition that a region belongs to (SQS-023).

    >>> partition_of("cn-north-1"), partition_of("us-gov-west-1"), partition_of("eu-west-1")
    ('aws-cn', 'aws-us-gov', 'aws')
    """
    if not isinstance(region, str):
        msg = f"region={region!r} is no text; give one such as 'us-east-1'"
        raise UsageError(msg)
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


@frozen(kw_only=True)
class SqsCostModel:
    """How calls are billed (SQS-604, ESM-290)."""

    chunk_bytes: int = field(default=65_536, validator=whole(1))  #: payload that one request pays for, sent or received


@frozen(kw_only=True)
class SqsConfig:
    """
    What may be changed about the service, for a simulation or for one queue.

    Rules: SQS §24.
    """

    account_id: str = field(default="123456789012", validator=text)
    region: str = field(default="us-east-1", validator=text)
    partition: str = field(
        default=Factory(lambda self: partition_of(self.region), takes_self=True), validator=text
    )  #: follows the region (SQS-023)
    sender_id: str = field(default="AIDAIENQZJOLO23YVJ4VO", validator=text)  #: SQS-150
    max_payload_bytes: int = field(default=1_048_576, validator=whole(MESSAGE_SIZE_MIN_BYTES))  #: SQS-081
    invalid_chars: Literal["reject", "replace"] = field(
        default="reject", validator=one_of("reject", "replace")
    )  #: SQS-121
    attribute_name_charset: Literal["ascii", "observed"] = field(
        default="ascii", validator=one_of("ascii", "observed")
    )  #: SQS-131
    recreate_wait_s: int = field(default=60, validator=whole(0))  #: SQS-043; 0: a name is free at once
    purge_interval_s: int = field(default=60, validator=whole(0))  #: SQS-481
    dedup_window_s: int = field(default=300, validator=whole(0))  #: SQS-340
    dedup_scope_propagation_s: int = field(default=60, validator=whole(0))  #: SQS-346
    fifo_batch_atomic: bool = field(default=True, validator=flag)  #: SQS-186
    inflight_limit_standard: int = field(default=120_000, validator=whole(1))  #: SQS-410
    inflight_limit_fifo: int = field(default=120_000, validator=whole(1))  #: SQS-411
    fifo_scan_window: int = field(default=120_000, validator=whole(1))  #: SQS-331; messages
    overlimit: Literal["error", "empty"] = field(default="error", validator=one_of("error", "empty"))  #: SQS-410
    stale_delete: Literal["ignore", "delete"] = field(
        default="ignore", validator=one_of("ignore", "delete")
    )  #: SQS-274
    stale_change_visibility: Literal["apply", "error"] = field(
        default="apply", validator=one_of("apply", "error")
    )  #: SQS-249
    strict_not_inflight: bool = field(default=False, validator=flag)  #: SQS-248
    visibility_total_base: Literal["receive", "first_receive"] = field(
        default="receive", validator=one_of("receive", "first_receive")
    )  #: SQS-244
    requeue_to_back_after: int | None = field(default=3, validator=maybe(whole(1)))  #: SQS-303; None: never
    fair_queues: Literal["concurrency", "both", "off"] = field(
        default="concurrency", validator=one_of("concurrency", "both", "off")
    )  #: SQS-311
    fair_window_s: int = field(default=300, validator=whole(1))  #: SQS-311
    call_latency_s: Duration = field(default=0, validator=span())  #: SQS-005
    enforce_fifo_throughput: bool = field(default=False, validator=flag)  #: SQS-414
    redrive_default_rate: int = field(default=500, validator=whole(1, MOVE_RATE_MAX))  #: SQS-462; messages a second


QUEUE_SETTINGS: Final = (SqsConfig, SqsCostModel)
