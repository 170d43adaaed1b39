"""Redrive policies: where messages go that were received too often."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from lambdasim.errors.sqs import InvalidAttributeValue, InvalidParameterValueException
from lambdasim.sqs.limits import RECEIVE_COUNT_MAX

if TYPE_CHECKING:
    from lambdasim.sqs.queue import Queue


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

    @property
    def dead_letter_target_arn(self) -> str:
        """The ARN of the dead-letter queue."""
        return self.dead_letter_queue if isinstance(self.dead_letter_queue, str) else self.dead_letter_queue.arn

    def to_json(self) -> str:
        """Return the text that AWS keeps."""
        return json.dumps(
            {"deadLetterTargetArn": self.dead_letter_target_arn, "maxReceiveCount": self.max_receive_count}
        )


class Redrive:
    """A redrive policy in force: the queue itself, and how many deliveries a message gets."""

    __slots__ = ("dead_letter_queue", "max_receive_count", "text")

    def __init__(self, dead_letter_queue: Queue, max_receive_count: int, text: str) -> None:
        self.dead_letter_queue = dead_letter_queue
        self.max_receive_count = max_receive_count
        self.text = text


def parse_policy(
    policy: RedrivePolicy | Mapping[str, Any] | str, find: Callable[[str], Queue | None], near: tuple[str, str, str]
) -> Redrive:
    """
    Check a policy given as an object, AWS's dictionary or its JSON text, and find its queue.

    Args:
        policy: To be checked.
        find: Returns the queue of an ARN, or None.
        near: Partition, region and account of the source queue: those of the dead-letter queue must be the same.
    Raises:
        InvalidParameterValueException: With the reasons of SQS-101 and SQS-103.
        InvalidAttributeValue: The text is no JSON object (SQS-102).
    """
    target: Queue | None = None
    if isinstance(policy, RedrivePolicy):
        text = policy.to_json()
        if not isinstance(policy.dead_letter_queue, str):
            target = policy.dead_letter_queue
    else:
        text = policy if isinstance(policy, str) else json.dumps(dict(policy))
    try:
        members = json.loads(text)
    except ValueError:
        members = None
    if not isinstance(members, dict):
        msg = "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map."
        raise InvalidAttributeValue(msg)

    def refuse(reason: str) -> InvalidParameterValueException:
        msg = f"Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}"
        return InvalidParameterValueException(msg)

    for name in ("maxReceiveCount", "deadLetterTargetArn"):
        if name not in members:
            raise refuse(f"Redrive policy does not contain mandatory attribute: {name}.")
    limit = _whole_number(members["maxReceiveCount"])
    if limit is None or not 1 <= limit <= RECEIVE_COUNT_MAX:
        raise refuse(
            f"Invalid value for maxReceiveCount: {members['maxReceiveCount']}, valid values are from 1 to 1000 both "
            "inclusive."
        )
    if len(members) > 2:
        raise refuse("Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn].")
    parts = str(members["deadLetterTargetArn"]).split(":")
    if len(parts) != 6 or parts[0] != "arn" or not all(parts[1:]):
        raise refuse("Invalid value for deadLetterTargetArn.")
    if parts[2] != "sqs":
        raise refuse("Only SQS queues are valid resources for deadLetterTargetArn.")
    if target is None:
        target = find(members["deadLetterTargetArn"])
    if target is None or (parts[1], parts[3], parts[4]) != near:
        raise refuse("Dead letter target does not exist.")
    return Redrive(target, limit, text)


def _whole_number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() else None
    return value if isinstance(value, int) else None
