"""What goes between the wire and those who answer calls: plain records, without any library of AWS."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from attrs import field, frozen


class Protocol(Enum):
    """How a request is written, and so its answer."""

    JSON = "json"  #: SQS, since 2023
    QUERY = "query"  #: SQS before that: a form in, XML out
    REST_JSON = "rest-json"  #: Lambda


@frozen(eq=False)
class Call:
    """One operation that a client asks for."""

    service: str  #: `sqs` or `lambda`
    operation: str  #: by its name in the service model, such as `SendMessage`
    parameters: dict[str, Any]  #: by their names in the service model, with the types that clients of botocore hand in
    protocol: Protocol
    region: str | None  #: of the signature, or else of the host; None if neither says
    access_key_id: str | None  #: whose signature it is; None if there is none
    host: str  #: with its port, if the address has one
    request: Any = field(repr=False)  #: the request itself


class Failure(NamedTuple):
    """An error as AWS would answer it. The attributes have the names of those of `lambdasim.errors.AwsError`."""

    code: str  #: what a client reads in `Error.Code`
    shape: str  #: the name of the shape in the service model, or what stands in its place
    message: str
    http_status: int = 400
    sender_fault: bool = True
    members: Mapping[str, Any] = {}  #: what the shape has beside its message and type, such as `Reason`


class Answer(NamedTuple):
    """What goes back over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


__all__ = ["Answer", "Call", "Failure", "Protocol"]
