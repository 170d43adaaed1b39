"""The REST protocol of Lambda: the operation in method and path, parameters all over the request, bodies of JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from attrs import frozen
from botocore.model import OperationModel, ServiceModel, Shape

from lambdasim.bridges.events import stream_writer
from lambdasim.bridges.paths import Paths
from lambdasim.bridges.records import Answer, Failure
from lambdasim.bridges.shapes import encode_json, error_shape, from_json, from_text, parse_object, to_json, to_text

# A member that is a text on the wire: what it is called there, what in the model, and what reads or writes it.
_Reads: TypeAlias = list[tuple[str, str, Callable[[str], Any]]]
_Writes: TypeAlias = list[tuple[str, str, Callable[[Any], str]]]

_NO_CONTENT = 204


@frozen
class _Reading:
    """Where the parameters of one operation are, found out once."""

    labels: dict[str, tuple[str, Callable[[str], Any]]]  # of the path: what a label is called in the model
    query: _Reads
    lists: _Reads  # those of the query that may come more than once
    headers: _Reads
    body: Callable[[bytes], dict[str, Any]] | None


@frozen
class _Writing:
    """Where what is in a result of one operation goes, found out once."""

    status: int
    status_member: str | None  # the member that is the status of the answer
    headers: _Writes
    content_type: str
    body: Callable[[Mapping[str, Any]], bytes]


class RestJsonProtocol:
    """Reads requests and writes answers as clients of Lambda do."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._readings: dict[str, _Reading] = {}
        self._writings: dict[str, _Writing] = {}
        self._paths = Paths()
        for operation in model.operation_names:
            http = model.operation_model(operation).http
            self._paths.add(operation, http["method"], http["requestUri"])

    def read(
        self, method: str, path: str, query: str, header: Callable[[str], str | None], body: Callable[[], bytes]
    ) -> tuple[str, dict[str, Any]] | None:
        """Return the operation and the parameters of a request; None if it is none."""
        fields = parse_qsl(query, keep_blank_values=True) if query else []
        found = self._paths.find(method, path, fields)
        if found is None:
            return None
        operation, labels = found
        reading = self._reading(operation)
        parameters: dict[str, Any] = {}
        for label, text in labels.items():
            name, read = reading.labels[label]
            parameters[name] = read(text)
        if fields:
            texts = dict(fields)
            for carried, name, read in reading.query:
                if carried in texts:
                    parameters[name] = read(texts[carried])
            for carried, name, read in reading.lists:
                if carried in texts:
                    parameters[name] = [read(value) for key, value in fields if key == carried]
        for carried, name, read in reading.headers:
            value = header(carried)
            if value is not None:
                parameters[name] = read(value)
        if reading.body is not None:
            content = body()
            if content:
                parameters |= reading.body(content)
        return operation, parameters

    def answer(self, operation: str, result: Mapping[str, Any], request_id: str) -> Answer:
        """Return the answer with this result. A member of it may be the status, as `StatusCode` of Invoke."""
        writing = self._writing(operation)
        status = result.get(writing.status_member or "", writing.status)
        headers = {"x-amzn-RequestId": request_id, "Content-Type": writing.content_type}
        for carried, name, write in writing.headers:
            if name in result:
                headers[carried] = write(result[name])
        body = b"" if status == _NO_CONTENT else writing.body(result)
        headers["Content-Length"] = str(len(body))
        return Answer(status, headers, body)

    def refusal(self, failure: Failure, request_id: str) -> Answer:
        """Return the answer that is an error. Shapes differ in what they call their message."""
        shape = error_shape(self._model, failure.shape)
        members: Mapping[str, Shape] = {} if shape is None else shape.members
        headers = {
            "x-amzn-RequestId": request_id,
            "x-amzn-ErrorType": failure.shape,
            "Content-Type": "application/json",
        }
        body: dict[str, Any] = {}
        for name, value in failure.members.items():
            traits = members[name].serialization if name in members else {}
            if traits.get("location") == "header":
                headers[traits["name"]] = to_text(members[name], "rfc822")(value)
            else:
                body[traits.get("name", name)] = value
        if "Type" in members:
            body.setdefault("Type", "User" if failure.sender_fault else "Service")
        body["Message" if "Message" in members else "message"] = failure.message
        content = encode_json(body).encode()
        headers["Content-Length"] = str(len(content))
        return Answer(failure.http_status, headers, content)

    def _reading(self, operation: str) -> _Reading:
        reading = self._readings.get(operation)
        if reading is None:
            reading = self._readings[operation] = _reading_of(self._model.operation_model(operation))
        return reading

    def _writing(self, operation: str) -> _Writing:
        writing = self._writings.get(operation)
        if writing is None:
            writing = self._writings[operation] = _writing_of(self._model.operation_model(operation))
        return writing


def _reading_of(model: OperationModel) -> _Reading:
    shape = model.input_shape
    labels: dict[str, tuple[str, Callable[[str], Any]]] = {}
    query: _Reads = []
    lists: _Reads = []
    headers: _Reads = []
    for name, member in {} if shape is None else shape.members.items():
        carried = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri":
                labels[carried] = (name, from_text(member, "iso8601"))
            case "querystring" if member.type_name == "list":
                lists.append((carried, name, from_text(member.member, "iso8601")))
            case "querystring":
                query.append((carried, name, from_text(member, "iso8601")))
            case "header":
                headers.append((carried, name, from_text(member, "rfc822")))
            case location:
                assert location is None, f"{model.name} has {name} in {location}, where nothing is looked for"
    return _Reading(labels, query, lists, headers, None if shape is None else _body_reader(shape))


def _body_reader(shape: Shape) -> Callable[[bytes], dict[str, Any]] | None:
    """Return what reads the body of a request that has one; None if no parameter is in it."""
    name = shape.serialization.get("payload")
    if name is None:
        if all("location" in member.serialization for member in shape.members.values()):
            return None
        read = from_json(shape)
        return parse_object if read is None else lambda body: read(parse_object(body))
    payload = shape.members[name]
    if payload.type_name == "blob":
        return lambda body: {name: body}
    read_payload = from_json(payload) or dict
    # A payload that is not there is written as an empty object.
    return lambda body: {name: read_payload(parsed)} if (parsed := parse_object(body)) else {}


def _writing_of(model: OperationModel) -> _Writing:
    shape = model.output_shape
    status_member = None
    headers: _Writes = []
    content_type = "application/json"
    for name, member in {} if shape is None else shape.members.items():
        match member.serialization.get("location"):
            case "statusCode":
                status_member = name
            case "header":
                headers.append((member.serialization.get("name", name), name, to_text(member, "rfc822")))
            case location:
                assert location is None, f"{model.name} has {name} in {location}, where nothing is put"
        if member.serialization.get("eventstream"):
            content_type = "application/vnd.amazon.eventstream"
    body = _nothing if shape is None else _body_writer(shape)
    return _Writing(model.http.get("responseCode", 200), status_member, headers, content_type, body)


def _body_writer(shape: Shape) -> Callable[[Mapping[str, Any]], bytes]:
    """Return what writes the body of an answer."""
    name = shape.serialization.get("payload")
    if name is not None:
        payload = shape.members[name]
        if payload.type_name == "blob":
            return lambda result: bytes(result.get(name, b""))
        assert payload.serialization.get("eventstream"), f"{shape.name} has a payload of an unknown kind"
        write_events = stream_writer(payload)
        return lambda result: write_events(result.get(name, ()))
    located = [name for name, member in shape.members.items() if "location" in member.serialization]
    if len(located) == len(shape.members):
        return _nothing
    convert = to_json(shape)

    def write(result: Mapping[str, Any]) -> bytes:
        if located:
            result = {name: value for name, value in result.items() if name not in located}
        return encode_json(result if convert is None else convert(result)).encode()

    return write


def _nothing(_result: Mapping[str, Any]) -> bytes:
    return b""


__all__ = ["RestJsonProtocol"]
