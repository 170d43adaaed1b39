"""Redrive policies: where messages go that were received too often, and which queues may send them there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import frozen

from lambdasim.errors import UsageError
from lambdasim.errors.sqs import InvalidAttributeValue, InvalidParameterValueException
from lambdasim.sqs.limits import RECEIVE_COUNT_MAX
from lambdasim.sqs.shelf import Shelf

if TYPE_CHECKING:
    from lambdasim.sqs.queue import Queue

_MEMBERS: Final = ("maxReceiveCount", "deadLetterTargetArn")
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_SOURCES_MAX: Final = 10


@frozen
class RedrivePolicy:
    """
    Move a message to *dead_letter_queue* instead of delivering it more than *max_receive_count* times (SQS-430).

    Args:
        dead_letter_queue: A queue, or its ARN.
        max_receive_count: 1 to 1,000.
    """

    dead_letter_queue: Queue | str
    max_receive_count: int

    def __attrs_post_init__(self) -> None:
        """Refuse what is no queue, before it gets far."""
        if not isinstance(self.dead_letter_queue, str | Shelf):
            msg = f"RedrivePolicy({self.dead_letter_queue!r}, …): give a queue, or its ARN"
            raise UsageError(msg)

    @property
    def dead_letter_target_arn(self) -> str:
        """The ARN of the dead-letter queue."""
        return self.dead_letter_queue if isinstance(self.dead_letter_queue, str) else self.dead_letter_queue.arn

    def to_json(self) -> str:
        """Return the text that AWS keeps."""
        return json.dumps(
            {"deadLetterTargetArn": self.dead_letter_target_arn, "maxReceiveCount": self.max_receive_count}
        )


@frozen
class Redrive:
    """A redrive policy of a queue, checked: the dead-letter queue as it was then, and how many deliveries there are."""

    dead_letter_queue: Queue
    max_receive_count: int
    text: str  #: as it was given


@frozen
class AllowPolicy:
    """Which queues may name a queue as their dead-letter queue (SQS-104)."""

    permission: Literal["allowAll", "denyAll", "byQueue"]
    source_queue_arns: tuple[str, ...]
    text: str  #: as it was given

    def allows(self, source_arn: str) -> bool:
        """Return whether this queue may."""
        return self.permission == "allowAll" or (self.permission == "byQueue" and source_arn in self.source_queue_arns)


@frozen(kw_only=True)
class Source:
    """The queue that a redrive policy is set on, as far as the policy is checked against it."""

    arn: str
    is_fifo: bool


def parse_redrive_policy(text: str, source: Source, find: Callable[[str], Queue | None]) -> Redrive:
    """
    Check the text of a policy, and find its queue.

    Args:
        text: JSON.
        source: Where it shall be set.
        find: Returns the queue of an ARN, or None.
    Raises:
        InvalidParameterValueException: With the reasons of SQS-101, SQS-103 and SQS-106.
        InvalidAttributeValue: The text is no JSON object (SQS-102).
    """
    members = _json_object(text)
    if members is None:
        msg = "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map."
        raise InvalidAttributeValue(msg)

    def refuse(reason: str) -> InvalidParameterValueException:
        msg = f"Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}"
        return InvalidParameterValueException(msg)

    for name in _MEMBERS:
        if name not in members:
            raise refuse(f"Redrive policy does not contain mandatory attribute: {name}.")
    limit = _whole_number(members["maxReceiveCount"])
    if limit is None or not 1 <= limit <= RECEIVE_COUNT_MAX:
        raise refuse(
            f"Invalid value for maxReceiveCount: {members['maxReceiveCount']}, valid values are from 1 to 1000 both "
            "inclusive."
        )
    if len(members) > len(_MEMBERS):
        raise refuse("Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn].")
    arn = str(members["deadLetterTargetArn"])
    parts = arn.split(":")
    if parts[0] != "arn" or len(parts) < 6:
        raise refuse("Invalid value for deadLetterTargetArn.")
    if parts[2] != "sqs":
        raise refuse("Only SQS queues are valid resources for deadLetterTargetArn.")
    if len(parts) > 6 or not all(parts):
        raise refuse("Invalid value for deadLetterTargetArn.")
    near = source.arn.split(":")
    target = find(arn)
    if target is None or parts[:5] != near[:5]:
        raise refuse("Dead letter target does not exist.")
    if target.is_fifo is not source.is_fifo:
        raise refuse("Dead-letter queue must be same type of queue as the source..")
    if not target._allows(source.arn):
        raise refuse("Dead letter target does not allow this queue as a source.")
    return Redrive(target, limit, text)


def parse_allow_policy(text: str) -> AllowPolicy:
    """
    Check the text of a redrive allow policy.

    Raises:
        InvalidParameterValueException: With the reasons of SQS-105.
    """
    members = _json_object(text)
    permission = None if members is None else members.get("redrivePermission")
    if (
        members is None
        or not members.keys() <= {"redrivePermission", "sourceQueueArns"}
        or permission not in ("allowAll", "denyAll", "byQueue")
    ):
        raise _refuse_allow("Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.")
    arns = members.get("sourceQueueArns")
    if permission != "byQueue":
        if arns is not None:
            raise _refuse_allow("To specify one or more source queue ARNs, you must set redrivePermission to byQueue.")
        return AllowPolicy(permission, (), text)
    if not arns:
        raise _refuse_allow(
            "When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values."
        )
    if not isinstance(arns, list) or not all(isinstance(arn, str) for arn in arns):
        raise _refuse_allow("Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.")
    if len(arns) > _SOURCES_MAX:
        raise _refuse_allow("The maximum number of source queue ARNs you can specify is 10.")
    return AllowPolicy("byQueue", tuple(arns), text)


def policy_text(policy: RedrivePolicy | Mapping[str, Any] | str) -> str:
    """Return the JSON text of a policy in whatever form it was given; a queue stands for its ARN."""
    if isinstance(policy, str):
        return policy
    if isinstance(policy, Shelf):
        msg = f"{policy!r} is a queue; give RedrivePolicy(queue, max_receive_count=…)"
        raise UsageError(msg)
    try:
        if isinstance(policy, RedrivePolicy):
            return policy.to_json()
        return json.dumps(dict(policy), default=_arn_of)
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"policy {policy!r} cannot be written as JSON: {error}"
        raise UsageError(msg) from error


def _arn_of(value: object) -> str:
    if isinstance(value, Shelf):
        return value.arn
    msg = f"{value!r} is no text, number or list, and no queue"
    raise TypeError(msg)


def same_json(left: str, right: str) -> bool:
    """Return whether two texts say the same, numbers given as texts included (SQS-041)."""
    members = _json_object(left)
    return members is not None and _normal(members) == _normal(_json_object(right))


def _normal(members: dict[str, Any] | None) -> dict[str, Any] | None:
    if members is None or "maxReceiveCount" not in members:
        return members
    return {**members, "maxReceiveCount": _whole_number(members["maxReceiveCount"])}


def _refuse_allow(reason: str) -> InvalidParameterValueException:
    return InvalidParameterValueException(f"Invalid value for the parameter RedriveAllowPolicy. Reason: {reason}")


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _whole_number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) else None
