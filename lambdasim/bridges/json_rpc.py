"""The JSON protocol of SQS: the operation in a header, parameters and result as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from botocore.model import ServiceModel

from lambdasim.bridges.records import Answer, Failure
from lambdasim.bridges.shapes import Convert, encode_json, error_shape, from_json, parse_object, to_json


class _Plan(NamedTuple):
    """What is to be done for one operation, found out once."""

    read: Convert | None
    write: Convert | None
    has_output: bool


class JsonProtocol:
    """Reads requests and writes answers as current clients of SQS do."""

    def __init__(self, model: ServiceModel) -> None:
        metadata = model.metadata
        self._model = model
        self._plans: dict[str, _Plan] = {}
        self._content_type = f"application/x-amz-json-{metadata.get('jsonVersion', '1.0')}"
        self.target_prefix: str = metadata.get("targetPrefix", "AmazonSQS")  #: before the operation, in the header

    def read(self, operation: str, body: bytes) -> dict[str, Any]:
        """Return the parameters of a request; a ValueError if it has none that could be read."""
        read = self._plan(operation).read
        parameters = parse_object(body) if body else {}
        converted: dict[str, Any] = parameters if read is None else read(parameters)
        return converted

    def answer(self, operation: str, result: Mapping[str, Any], request_id: str) -> Answer:
        """Return the answer with this result."""
        plan = self._plan(operation)
        body = b""
        if plan.has_output:
            body = encode_json(result if plan.write is None else plan.write(result)).encode()
        return self._answer(200, {}, body, request_id)

    def refusal(self, failure: Failure, request_id: str) -> Answer:
        """Return the answer that is an error (SQS-620)."""
        space = "com.amazonaws.sqs" if error_shape(self._model, failure.shape) else "com.amazon.coral.service"
        body = {"__type": f"{space}#{failure.shape}", "message": failure.message, **failure.members}
        fault = "Sender" if failure.sender_fault else "Receiver"
        headers = {"x-amzn-query-error": f"{failure.code};{fault}"}
        return self._answer(failure.http_status, headers, encode_json(body).encode(), request_id)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, request_id: str) -> Answer:
        headers["x-amzn-RequestId"] = request_id
        headers["Content-Type"] = self._content_type
        headers["Content-Length"] = str(len(body))
        return Answer(status, headers, body)

    def _plan(self, operation: str) -> _Plan:
        plan = self._plans.get(operation)
        if plan is None:
            model = self._model.operation_model(operation)
            plan = self._plans[operation] = _Plan(
                from_json(model.input_shape),
                None if model.output_shape is None else to_json(model.output_shape),
                model.output_shape is not None,
            )
        return plan


__all__ = ["JsonProtocol"]
