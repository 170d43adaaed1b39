"""Names, ARNs and URLs of queues (SQS-020 to SQS-027)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from lambdasim.errors import ParamValidationError
from lambdasim.errors.sqs import InvalidAddress, InvalidParameterValueException

if TYPE_CHECKING:
    from lambdasim.sqs.limits import SqsConfig

_STANDARD: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FIFO: Final = re.compile(r"(?=.{1,80}\Z)[A-Za-z0-9_-]+\.fifo")
_is_region: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+").fullmatch


class Arn(NamedTuple):
    """The parts of the ARN of a queue."""

    partition: str
    service: str
    region: str
    account_id: str
    resource: str


class Address(NamedTuple):
    """Where a queue is looked for."""

    region: str
    account_id: str
    name: str


def check_name(name: object, given: Mapping[str, str]) -> bool:
    """
    Return whether a queue of this name and these attributes is a FIFO queue.

    Raises:
        InvalidParameterValueException: The name is not one for such a queue (SQS-027).
        ParamValidationError: It is no text.
    """
    if not isinstance(name, str):
        msg = f"queue_name={name!r} is no text"
        raise ParamValidationError(msg)
    if given.get("FifoQueue", "").lower() == "true":
        if _FIFO.fullmatch(name):
            return True
        msg = (
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with "
            ".fifo suffix and be 1 to 80 in length"
        )
        raise InvalidParameterValueException(msg)
    if _STANDARD.fullmatch(name):
        return False
    msg = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    raise InvalidParameterValueException(msg)


def queue_url(config: SqsConfig, name: str) -> str:
    """Return the URL of a queue (SQS-022)."""
    suffix = ".cn" if config.partition == "aws-cn" else ""
    return f"https://sqs.{config.region}.amazonaws.com{suffix}/{config.account_id}/{name}"


def parse_url(url: str, region: str, account_id: str) -> Address:
    """
    Return what a URL, or a bare name, means to a caller of this region and account (SQS-024).

    Raises:
        InvalidAddress: It is of another region (SQS-026).
    """
    parts = url.removesuffix("/").split("/")
    host = parts[2].split(".") if len(parts) > 3 else []
    named = host[1] if host[:1] == ["sqs"] and len(host) > 1 else region
    if named != region and _is_region(named):  # sqs.amazonaws.com names none
        msg = f"The address {url} is not valid for this endpoint."
        raise InvalidAddress(msg)
    return Address(region, parts[-2] if len(parts) > 1 else account_id, parts[-1])


def parse_arn(arn: str) -> Arn | None:
    """Return the parts of an ARN, or None if it is none."""
    parts = arn.split(":")
    if len(parts) != 6 or parts[0] != "arn" or not all(parts[1:]):
        return None
    return Arn(*parts[1:])
