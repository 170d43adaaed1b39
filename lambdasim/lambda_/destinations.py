"""
Where the fate of an asynchronous event is told: destinations and dead-letter queues (ASY §8, §9).

What a target is, is known to the simulation; here are the texts that it gets. `Directory` is what a function asks for a
target by its ARN.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from attrs import frozen

from lambdasim.errors.lambda_ import InvalidParameterValueException, ValidationException
from lambdasim.units import as_datetime

if TYPE_CHECKING:
    from lambdasim.lambda_.function import Function
    from lambdasim.lambda_.world import Companion

_EVENTBRIDGE_MAX_BYTES: Final = 262_144  # ASY-079
_SNS_MAX_BYTES: Final = 262_144
_ERROR_MESSAGE_BYTES: Final = 1_024  # ASY-094
_SUCCESS_SERVICES: Final = ("sqs", "sns", "lambda", "events")
_FAILURE_SERVICES: Final = (*_SUCCESS_SERVICES, "s3")

Deliver = Callable[[dict[str, Any]], object]
Attributes = Mapping[str, Mapping[str, str]]


class QueueTarget(Protocol):
    """A queue that texts are sent to."""

    @property
    def is_fifo(self) -> bool:
        """Whether it takes no records (ASY-078)."""
        ...

    def send(self, body: str, attributes: Attributes | None) -> object:
        """Send a message; raises an `AwsError` if the queue refuses it."""
        ...


class Directory(Protocol):
    """Finds targets by their ARNs; None where there is none."""

    companion: Companion | None  #: of handlers, while their code runs

    def queue(self, arn: str) -> QueueTarget | None:
        """Return a queue."""
        ...

    def function(self, arn: str) -> tuple[Function, str | None] | None:
        """Return a function and the qualifier in the ARN."""
        ...

    def other(self, arn: str) -> Deliver | None:
        """Return what was registered for a topic, a bus or a bucket."""
        ...


class Nowhere:
    """The directory of a function that lives by itself: it knows no targets."""

    companion: Companion | None = None

    def queue(self, arn: str) -> QueueTarget | None:
        """Return None."""
        del arn
        return None

    def function(self, arn: str) -> tuple[Function, str | None] | None:
        """Return None."""
        del arn
        return None

    def other(self, arn: str) -> Deliver | None:
        """Return None."""
        del arn
        return None


@frozen(kw_only=True)
class EventInvokeConfig:
    """How events of one qualifier are retried, and who hears of their end (ASY-060, ASY-063)."""

    function_arn: str  #: with the qualifier
    maximum_retry_attempts: int | None = None  #: None where it was not set: 2
    maximum_event_age_in_seconds: int | None = None  #: None where it was not set: 21,600
    on_success: str | None = None  #: ARN
    on_failure: str | None = None  #: ARN
    last_modified_at_us: int


class Fate(NamedTuple):
    """What became of an event, and what its last attempt said."""

    at_us: int  #: of the decision, since the Unix epoch
    request_id: str
    function_arn: str  #: with the qualifier that was invoked, `$LATEST` without one
    condition: str
    attempts: int
    payload: bytes
    executed_version: str | None  #: None when no attempt ran
    function_error: str | None
    response: bytes | None


def service_of(arn: str) -> str:
    """Return the service in an ARN; empty for what is none."""
    parts = arn.split(":", 5)
    return parts[2] if len(parts) == 6 and parts[0] == "arn" else ""


def timestamp(at_us: int) -> str:
    """Return an instant as records show it: UTC, three decimals."""
    return as_datetime(at_us).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_us // 1000 % 1000:03d}Z"


def record_of(fate: Fate, *, with_payloads: bool = True) -> str:
    """Return the record of an event as JSON text, members in AWS's order (ASY-072, ASY-073, ASY-080)."""
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": timestamp(fate.at_us),
        "requestContext": {
            "requestId": fate.request_id,
            "functionArn": fate.function_arn,
            "condition": fate.condition,
            "approximateInvokeCount": fate.attempts,
        },
    }
    if with_payloads:
        record["requestPayload"] = json.loads(fate.payload, parse_float=_finite)
    if fate.executed_version is not None:
        record["responseContext"] = {"statusCode": 200, "executedVersion": fate.executed_version}
        if fate.function_error is not None:
            record["responseContext"]["functionError"] = fate.function_error
        if with_payloads and fate.response is not None:
            record["responsePayload"] = json.loads(fate.response, parse_float=_finite)
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace").decode()  # half a pair of surrogates stays escaped, as it came


def _finite(text: str) -> float | None:
    """Return a number of a payload; None for one beyond floats, which Python could not write as JSON again."""
    value = float(text)
    return value if math.isfinite(value) else None


def eventbridge_event(fate: Fate, bus_arn: str) -> dict[str, Any]:
    """Return what is put on a bus (ASY-075)."""
    outcome = "Success" if fate.condition == "Success" else "Failure"
    return {
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {outcome}",
        "Resources": [bus_arn, fate.function_arn],
        "Detail": record_of(fate),
        "EventBusName": bus_arn,
    }


def s3_key(fate: Fate, function_name: str, uuid: str) -> str:
    """Return the key of a record in a bucket (ASY-074)."""
    moment = as_datetime(fate.at_us)
    return f"aws/lambda/async/{function_name}/{moment:%Y/%m/%d}/{moment:%Y-%m-%dT%H.%M.%S}-{uuid}"


def other_message(fate: Fate, arn: str, function_name: str, uuid: str) -> dict[str, Any] | None:
    """Return what a topic, a bus or a bucket gets; None where it is too large for it (ASY-074, ASY-075, ASY-079)."""
    service = service_of(arn)
    if service == "events":
        entry = eventbridge_event(fate, arn)
        parts = (entry["Source"], entry["DetailType"], entry["Detail"], *entry["Resources"])
        return None if sum(len(part.encode()) for part in parts) > _EVENTBRIDGE_MAX_BYTES else entry
    text = record_of(fate)
    if service == "sns":
        if len(text.encode()) > _SNS_MAX_BYTES:
            text = record_of(fate, with_payloads=False)
        if len(text.encode()) > _SNS_MAX_BYTES:
            return None
        return {"TopicArn": arn, "Message": text, "MessageAttributes": {}}
    bucket = arn.rsplit(":", 1)[-1]
    return {"Bucket": bucket, "Key": s3_key(fate, function_name, uuid), "Body": text}


def dead_letter_attributes(request_id: str, error_code: int, error_message: str) -> dict[str, dict[str, str]]:
    """Return the message attributes of a dead letter (ASY-094)."""
    legal = "".join([character if _is_legal(character) else "\ufffd" for character in error_message])
    cut = legal.encode()[:_ERROR_MESSAGE_BYTES].decode(errors="ignore")
    attributes = {
        "RequestID": {"DataType": "String", "StringValue": request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": str(error_code)},
    }
    if cut:  # no attribute may be empty
        attributes["ErrorMessage"] = {"DataType": "String", "StringValue": cut}
    return attributes


def _is_legal(character: str) -> bool:
    """Return whether SQS carries a character (SQS-121)."""
    return character.isprintable() or character in "\t\n\r" or _is_legal_code(ord(character))


def _is_legal_code(code: int) -> bool:
    return 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF


def is_too_large_for_sns(body: str, attributes: Attributes) -> bool:
    """Return whether a topic refuses a message: names, types and values of attributes count (ASY-095)."""
    size = len(body.encode())
    for name, attribute in attributes.items():
        size += sum(len(text.encode()) for text in (name, *attribute.values()))
    return size > _SNS_MAX_BYTES


def check_destinations(on_success: str | None, on_failure: str | None, function_arn: str, directory: Directory) -> None:
    """
    Refuse destinations that cannot be any (ASY-066, ASY-067).

    Raises:
        ValidationException: No ARN.
        InvalidParameterValueException: A service that gets no records, no such function, or the function itself.
    """
    for member, arn in (("onSuccess", on_success), ("onFailure", on_failure)):
        if arn is not None and not service_of(arn):
            msg = (
                f"1 validation error detected: Value '{arn}' at 'destinationConfig.{member}.destination' failed to "
                r"satisfy constraint: Member must satisfy regular expression pattern: ^$|arn:(aws[a-zA-Z0-9-]*):"
                r"([a-zA-Z0-9\-])+:([a-z]{2}(-gov)?-[a-z]+-\d{1})?:(\d{12})?:(.*)"
            )
            raise ValidationException(msg)
    for arn, services in ((on_success, _SUCCESS_SERVICES), (on_failure, _FAILURE_SERVICES)):
        if arn is None:
            continue
        if service_of(arn) not in services:
            success = "null" if on_success is None else f"OnSuccess(destination={on_success})"
            failure = "null" if on_failure is None else f"OnFailure(destination={on_failure})"
            msg = (
                f"The provided destination config DestinationConfig(onSuccess={success}, onFailure={failure}) is "
                "invalid."
            )
            raise InvalidParameterValueException(msg)
        if service_of(arn) == "lambda":
            if arn == function_arn or arn.startswith(f"{function_arn}:"):
                msg = "You can't specify the function as a destination for itself."
                raise InvalidParameterValueException(msg)
            if directory.function(arn) is None:
                msg = f"The destination ARN {arn} is invalid."
                raise InvalidParameterValueException(msg)
