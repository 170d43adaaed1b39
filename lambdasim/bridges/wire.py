"""
From the requests of a real botocore client to operations and parameters, and from results to what the client parses.

Nothing here knows of a simulation. What a request says, and how, is read from the service models of the botocore that
is installed; the protocol is that of the request, so clients of all ages may call at the same time:

| request | protocol |
|---|---|
| header `X-Amz-Target: AmazonSQS.SendMessage` | JSON, of SQS |
| a form, or `Action=SendMessage` in the address | query, of SQS: answers are XML |
| anything else | REST-JSON, of Lambda |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cached_property
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.loaders import Loader, create_loader
from botocore.model import OperationNotFoundError, ServiceModel

from lambdasim.bridges.checks import Check, check_failure, check_of
from lambdasim.bridges.json_rpc import JsonProtocol
from lambdasim.bridges.origin import Origin, credential_of, origin_of
from lambdasim.bridges.query import QueryProtocol
from lambdasim.bridges.records import Answer, Call, Failure, Protocol
from lambdasim.bridges.rest_json import RestJsonProtocol
from lambdasim.bridges.shapes import error_shape
from lambdasim.errors import UsageError


class Wire:
    """
    Parses requests and renders answers.

    It keeps nothing of what goes through, only what it has found out about the service models, so one may serve many
    simulations.
    """

    def __init__(self, loader: Loader | None = None) -> None:
        """Take service models from a loader, which is best that of the session: it has loaded them already."""
        self._loader = create_loader() if loader is None else loader
        self._models: dict[str, ServiceModel] = {}
        self._checks: dict[tuple[str, str], Check | None] = {}

    def parse(self, request: AWSPreparedRequest) -> Call:
        """
        Return what a request asks for.

        Raises:
            UsageError: It is no request to SQS or Lambda that a client could have made.
        """
        try:
            call = self._parse(request)
        except (ValueError, KeyError, OperationNotFoundError) as error:
            raise UsageError(f"{request.method} {request.url} cannot be read: {error!r}") from error
        if call is None:
            raise UsageError(f"{request.method} {request.url} is no request to SQS or Lambda")
        return call

    def render(
        self,
        call: Call,
        result: Mapping[str, Any],
        request_id: str,
        *,
        at: datetime | None = None,
        check: bool = False,
    ) -> Answer:
        """
        Return the answer to a call.

        Args:
            result: By names in the service model, with the types that clients of botocore return: bytes for blobs,
                datetimes with a zone or seconds since 1970 for timestamps. What would be None is not in it. A stream
                of events is a list of them. `StatusCode` of an Invoke is the status of the answer.
            at: The time in the header `Date`, with a zone.
            check: Assert that the service model knows all that is in the result, and that nothing is missing.
        """
        if check:
            self._check(call, result)
        return _dated(self._protocol(call.protocol).answer(call.operation, result, request_id), at)

    def render_error(
        self, call: Call, failure: Failure, request_id: str, *, at: datetime | None = None, check: bool = False
    ) -> Answer:
        """Return the answer to a call that is an error; *at* and *check* are those of `render`."""
        if check:
            check_failure(failure, error_shape(self._model(call.service), failure.shape))
        return _dated(self._protocol(call.protocol).refusal(failure, request_id), at)

    def _parse(self, request: AWSPreparedRequest) -> Call | None:
        scheme, _, rest = request.url.partition("://")
        place, _, query = rest.partition("?")
        host, slash, path = place.partition("/")
        credential = credential_of(_header(request, "Authorization"))
        fields: list[tuple[str, str]] = []
        if credential is None and query:
            fields = parse_qsl(query, keep_blank_values=True)  # of a request that is presigned, or not signed at all
            credential = dict(fields).get("X-Amz-Credential")
        origin = origin_of(host, credential)
        target = _header(request, "X-Amz-Target")
        if target is not None:
            prefix, _, operation = target.partition(".")
            if prefix != self._json.target_prefix:
                return None
            parameters = self._json.read(operation, _body(request))
            return _call("sqs", operation, parameters, Protocol.JSON, origin, host, request)
        if origin.service == "sqs" or (origin.service is None and _is_form(request, fields)):
            fields = fields or parse_qsl(query, keep_blank_values=True)
            fields += parse_qsl(_body(request).decode(), keep_blank_values=True)
            operation = dict(fields)["Action"]
            parameters = self._query.read(operation, fields, f"{scheme}://{host}{slash}{path}")
            return _call("sqs", operation, parameters, Protocol.QUERY, origin, host, request)
        if origin.service in {"lambda", None}:
            found = self._rest_json.read(
                request.method, path, query, lambda name: _header(request, name), lambda: _body(request)
            )
            if found is not None:
                operation, parameters = found
                return _call("lambda", operation, parameters, Protocol.REST_JSON, origin, host, request)
        return None

    def _protocol(self, protocol: Protocol) -> JsonProtocol | QueryProtocol | RestJsonProtocol:
        if protocol is Protocol.JSON:
            return self._json
        return self._query if protocol is Protocol.QUERY else self._rest_json

    def _check(self, call: Call, result: Mapping[str, Any]) -> None:
        key = (call.service, call.operation)
        if key not in self._checks:
            shape = self._model(call.service).operation_model(call.operation).output_shape
            self._checks[key] = None if shape is None else check_of(shape)
        check = self._checks[key]
        if check is not None:
            check(result, call.operation)
        elif result:
            raise AssertionError(f"{call.operation} has no result, so no {list(result)}")

    def _model(self, service: str) -> ServiceModel:
        if service not in self._models:
            description = self._loader.load_service_model(service, "service-2")
            self._models[service] = ServiceModel(description, service)
        return self._models[service]

    @cached_property
    def _json(self) -> JsonProtocol:
        return JsonProtocol(self._model("sqs"))

    @cached_property
    def _query(self) -> QueryProtocol:
        return QueryProtocol(self._model("sqs"))

    @cached_property
    def _rest_json(self) -> RestJsonProtocol:
        return RestJsonProtocol(self._model("lambda"))


class _Raw(BytesIO):
    """A body as botocore reads it from a connection."""

    def stream(self, *_args: object, **_options: object) -> Iterator[bytes]:
        """Yield what is left of the body, in one piece."""
        yield self.read()


def response_of(answer: Answer, url: str) -> AWSResponse:
    """Return an answer as a client of botocore gets it, for handlers of its event `before-send`."""
    return AWSResponse(url, answer.status, answer.headers, _Raw(answer.body))


def _call(
    service: str,
    operation: str,
    parameters: dict[str, Any],
    protocol: Protocol,
    origin: Origin,
    host: str,
    request: AWSPreparedRequest,
) -> Call:
    return Call(service, operation, parameters, protocol, origin.region, origin.access_key_id, host, request)


def _header(request: AWSPreparedRequest, name: str) -> str | None:
    """Return a header as a text; some parts of botocore write bytes."""
    value = request.headers.get(name)
    return value.decode() if isinstance(value, bytes) else value


def _is_form(request: AWSPreparedRequest, fields: list[tuple[str, str]]) -> bool:
    content_type = _header(request, "Content-Type") or ""
    return content_type.startswith("application/x-www-form-urlencoded") or any(name == "Action" for name, _ in fields)


def _body(request: AWSPreparedRequest) -> bytes:
    """Return the body, which may be a text, a file or missing."""
    body = request.body
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    content: bytes = body.read() if hasattr(body, "read") else bytes(body)
    return content


def _dated(answer: Answer, at: datetime | None) -> Answer:
    if at is not None:
        answer.headers["Date"] = format_datetime(at.astimezone(UTC), usegmt=True)
    return answer


__all__ = ["Wire", "response_of"]
