"""
The attributes of a queue: their names, ranges and defaults, and what becomes of those that are given.

`Attributes` is what a queue has; a change makes another one. Values come in as AWS's texts; keywords of ours are turned
into such texts first, so that there is one way to check them.

Rules: SQS-080 to SQS-090, SQS-100 to SQS-106.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypedDict

from attrs import evolve, frozen

from lambdasim.errors import ParamValidationError, UsageError
from lambdasim.errors.sqs import InvalidAttributeName, InvalidAttributeValue
from lambdasim.sqs.limits import (
    DELAY_MAX_S,
    MESSAGE_SIZE_MIN_BYTES,
    RETENTION_MAX_S,
    RETENTION_MIN_S,
    VISIBILITY_MAX_S,
    WAIT_MAX_S,
)
from lambdasim.sqs.permissions import check_policy
from lambdasim.sqs.redrive import (
    AllowPolicy,
    Redrive,
    RedrivePolicy,
    Source,
    parse_allow_policy,
    parse_redrive_policy,
    policy_text,
    same_json,
)
from lambdasim.sqs.shelf import Shelf

if TYPE_CHECKING:
    from lambdasim.sqs.queue import Queue

_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_KMS_REUSE_MIN_S: Final = 60
_KMS_REUSE_MAX_S: Final = 86_400


class QueueAttributes(TypedDict, total=False):
    """Attributes of a queue as keywords: AWS's names in snake_case, values as Python has them."""

    content_based_deduplication: bool
    """FIFO: the deduplication id of a message sent without one is the SHA-256 of its body."""
    deduplication_scope: str
    """FIFO: `queue` (default) or `messageGroup`."""
    delay_seconds: int
    """0 to 900; by default 0."""
    fifo_queue: bool | None
    """None goes by the name: FIFO queues end in `.fifo`."""
    fifo_throughput_limit: str
    """FIFO: `perQueue` (default) or `perMessageGroupId`."""
    kms_data_key_reuse_period_seconds: int
    """60 to 86,400; stored only."""
    kms_master_key_id: str | None
    """Stored only."""
    maximum_message_size: int
    """Bytes, 1,024 to 1,048,576 (default)."""
    message_retention_period: int
    """Seconds, 60 to 1,209,600; by default 345,600, four days."""
    policy: str | None
    """A policy document as JSON text; stored only."""
    receive_message_wait_time_seconds: int
    """0 to 20; by default 0."""
    redrive_allow_policy: Mapping[str, Any] | str | None
    """AWS's dictionary or its JSON text."""
    redrive_policy: RedrivePolicy | Mapping[str, Any] | str | None
    """A `RedrivePolicy`, AWS's dictionary or its JSON text."""
    sqs_managed_sse_enabled: bool
    """Stored only; by default True."""
    visibility_timeout: int
    """Seconds, 0 to 43,200; by default 30."""


@frozen(kw_only=True)
class Attributes:
    """The attributes of one queue, as `GetQueueAttributes` shows them."""

    maximum_message_size: int
    delay_seconds: int = 0
    message_retention_period: int = 345_600
    receive_message_wait_time_seconds: int = 0
    visibility_timeout: int = 30
    policy: str | None = None
    redrive_policy: Redrive | None = None
    redrive_allow_policy: AllowPolicy | None = None
    kms_master_key_id: str | None = None
    kms_data_key_reuse_period_seconds: int = 300
    sqs_managed_sse_enabled: bool = True
    fifo_queue: bool = False
    content_based_deduplication: bool = False
    deduplication_scope: str = "queue"
    fifo_throughput_limit: str = "perQueue"

    def to_texts(self) -> dict[str, str]:
        """Return those that are set, by AWS's names, sorted (SQS-089)."""
        found = {name: getattr(self, field) for name, field in FIELDS.items()}
        if not self.fifo_queue:
            for name in FIFO_ONLY:
                del found[name]
        if self.kms_master_key_id is None:
            del found["KmsDataKeyReusePeriodSeconds"]
        return {name: _text(value) for name, value in found.items() if value is not None}

    def is_same(self, other: Attributes, name: str) -> bool:
        """Return whether another queue has the same value for the attribute of this name (SQS-041)."""
        mine, yours = getattr(self, FIELDS[name]), getattr(other, FIELDS[name])
        if mine is None or yours is None or name not in _JSON:
            return bool(mine == yours)
        return same_json(_text(mine), _text(yours))


#: AWS's name of each attribute that can be set -> ours, in sorted order
FIELDS: Final = {
    "ContentBasedDeduplication": "content_based_deduplication",
    "DeduplicationScope": "deduplication_scope",
    "DelaySeconds": "delay_seconds",
    "FifoQueue": "fifo_queue",
    "FifoThroughputLimit": "fifo_throughput_limit",
    "KmsDataKeyReusePeriodSeconds": "kms_data_key_reuse_period_seconds",
    "KmsMasterKeyId": "kms_master_key_id",
    "MaximumMessageSize": "maximum_message_size",
    "MessageRetentionPeriod": "message_retention_period",
    "Policy": "policy",
    "ReceiveMessageWaitTimeSeconds": "receive_message_wait_time_seconds",
    "RedriveAllowPolicy": "redrive_allow_policy",
    "RedrivePolicy": "redrive_policy",
    "SqsManagedSseEnabled": "sqs_managed_sse_enabled",
    "VisibilityTimeout": "visibility_timeout",
}
_NAMES: Final = {field: name for name, field in FIELDS.items()}
#: Attributes that only a FIFO queue has
FIFO_ONLY: Final = ("ContentBasedDeduplication", "DeduplicationScope", "FifoQueue", "FifoThroughputLimit")
#: Attributes that cannot be set (SQS-080)
READ_ONLY: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
)
_RANGES: Final = {
    "DelaySeconds": (0, DELAY_MAX_S),
    "KmsDataKeyReusePeriodSeconds": (_KMS_REUSE_MIN_S, _KMS_REUSE_MAX_S),
    "MessageRetentionPeriod": (RETENTION_MIN_S, RETENTION_MAX_S),
    "ReceiveMessageWaitTimeSeconds": (0, WAIT_MAX_S),
    "VisibilityTimeout": (0, VISIBILITY_MAX_S),
}
_WORDS: Final = {
    "DeduplicationScope": ("queue", "messageGroup"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
}
_JSON: Final = ("Policy", "RedriveAllowPolicy", "RedrivePolicy")
_FLAGS: Final = ("ContentBasedDeduplication", "SqsManagedSseEnabled")


def to_texts(keywords: Mapping[str, object], where: str) -> dict[str, str]:
    """
    Return keywords of ours as AWS's map of texts; None, which removes an attribute, is the empty text (SQS-086).

    Raises:
        UsageError: No such keyword.
    """
    check_keywords(keywords, where)
    found = {}
    for keyword, value in keywords.items():
        name = _NAMES[keyword]
        if value is None:
            found[name] = ""
        elif name in _JSON and isinstance(value, RedrivePolicy | Mapping | Shelf):
            found[name] = policy_text(value)  # type: ignore[arg-type]
        else:
            found[name] = _text(value)
    return found


def check_keywords(keywords: Iterable[str], where: str) -> None:
    """
    Refuse keywords that are no attribute of a queue.

    Raises:
        UsageError: One of them.
    """
    for keyword in keywords:
        if keyword not in _NAMES:
            msg = f"{where}() has no parameter {keyword}; the attributes of a queue are {', '.join(_NAMES)}"
            raise UsageError(msg)


def merge(attributes: Mapping[str, str] | None, keywords: Mapping[str, object], where: str) -> dict[str, str]:
    """Return AWS's map and our keywords as one map of texts."""
    if attributes is None:
        return to_texts(keywords, where)
    if not isinstance(attributes, Mapping) or not all(
        isinstance(name, str) and isinstance(value, str) for name, value in attributes.items()
    ):
        msg = f"attributes={attributes!r}: give texts by AWS's names, such as {{'VisibilityTimeout': '30'}}"
        raise ParamValidationError(msg)
    given = to_texts(keywords, where)
    twice = next((name for name in given if name in attributes), None)
    if twice is not None:
        msg = f"{where}() was given {twice} in attributes and as a keyword; give it once"
        raise UsageError(msg)
    return {**attributes, **given}


def change(
    current: Attributes,
    given: Mapping[str, str],
    *,
    arn: str,
    max_payload_bytes: int,
    find: Callable[[str], Queue | None],
) -> Attributes:
    """
    Return the attributes of a queue after some were set; those given are checked in sorted order (SQS-082).

    Args:
        current: Of the queue, its type included; the defaults for a new one.
        given: Texts by AWS's names.
        arn: Of the queue.
        max_payload_bytes: The largest `MaximumMessageSize` (SQS-081).
        find: Returns the queue of an ARN, or None.
    Raises:
        InvalidAttributeName: No such attribute, or not on this type of queue.
        InvalidAttributeValue: A value that it cannot have.
        InvalidParameterValueException: A redrive policy, or allow policy, that cannot be.
    """
    is_fifo = current.fifo_queue
    changed: dict[str, Any] = {}
    for name in sorted(given):
        text = given[name]
        if name not in FIELDS or (not is_fifo and name in {"FifoQueue", "ContentBasedDeduplication"}):
            msg = f"Unknown Attribute {name}."
            raise InvalidAttributeName(msg)
        if not is_fifo and name in FIFO_ONLY:
            msg = f"You can specify the {name} only when FifoQueue is set to true."
            raise InvalidAttributeName(msg)
        value: Any
        if name in _RANGES or name == "MaximumMessageSize":
            low, high = _RANGES.get(name, (MESSAGE_SIZE_MIN_BYTES, max_payload_bytes))
            value = _parse_number(name, text, low, high)
        elif name in _FLAGS:
            value = _parse_flag(name, text)
        elif name in _WORDS:
            value = text
            if text not in _WORDS[name]:
                raise _refuse(name)
        elif name == "FifoQueue":
            value = _parse_flag(name, text)
            if not value:
                msg = "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."
                raise InvalidAttributeValue(msg)
        elif not text:
            value = None  # SQS-086
        elif name == "RedrivePolicy":
            value = parse_redrive_policy(text, Source(arn=arn, is_fifo=is_fifo), find)
        elif name == "RedriveAllowPolicy":
            value = parse_allow_policy(text)
        else:
            if name == "Policy":
                check_policy(text)
            value = text
        changed[FIELDS[name]] = value
        if name == "FifoThroughputLimit":
            _check_throughput(value, changed.get("deduplication_scope", current.deduplication_scope))
    if "deduplication_scope" in changed and "fifo_throughput_limit" not in changed:
        _check_throughput(current.fifo_throughput_limit, changed["deduplication_scope"])
    _settle_encryption(changed)
    return evolve(current, **changed)


def is_same_policy(name: str, text: str, current: str | None) -> bool:
    """Return whether an attribute is a policy that says what it says already (SQS-041)."""
    return name in _JSON and current is not None and same_json(text, current)


def check_names(names: Iterable[str]) -> None:
    """
    Refuse names that no attribute has (SQS-088).

    Raises:
        InvalidAttributeName: One of them.
    """
    for name in names:
        if name != "All" and name not in FIELDS and name not in READ_ONLY:
            msg = f"Unknown Attribute {name}."
            raise InvalidAttributeName(msg)


def _settle_encryption(changed: dict[str, Any]) -> None:
    """See to it that one kind of encryption at most is on (SQS-090)."""
    if changed.get("kms_master_key_id") is not None:
        if changed.get("sqs_managed_sse_enabled"):
            msg = (
                "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or "
                "SQS SSE."
            )
            raise InvalidAttributeName(msg)
        changed["sqs_managed_sse_enabled"] = False
    elif changed.get("sqs_managed_sse_enabled"):
        changed["kms_master_key_id"] = None


def _check_throughput(limit: str, scope: str) -> None:
    if limit == "perMessageGroupId" and scope != "messageGroup":
        msg = (
            "Invalid value for the parameter FifoThroughputLimit. Reason: The perMessageGroupId value is allowed only "
            "when the value for DeduplicationScope is messageGroup."
        )
        raise InvalidAttributeValue(msg)


def _parse_number(name: str, text: str, low: int, high: int) -> int:
    value = int(text) if _WHOLE.fullmatch(text) else None
    if value is None or not low <= value <= high:
        raise _refuse(name)
    return value


def _parse_flag(name: str, text: str) -> bool:
    word = text.lower()
    if word not in {"true", "false"}:
        raise _refuse(name)
    return word == "true"


def _refuse(name: str) -> InvalidAttributeValue:
    return InvalidAttributeValue(f"Invalid value for the parameter {name}.")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Redrive | AllowPolicy):
        return value.text
    return str(value)
