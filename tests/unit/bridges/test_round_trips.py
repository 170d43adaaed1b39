"""
What botocore writes, the wire reads; what the wire writes, botocore reads: for every operation of the models installed.

The serializers and parsers are botocore's own, of the protocol that the test is about.
"""

from __future__ import annotations

from functools import cache

import pytest
from botocore.endpoint import convert_to_response_dict
from botocore.loaders import create_loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdasim.bridges.records import Call, Failure, Protocol
from lambdasim.bridges.wire import Wire, response_of
from tests.shapes import request_of, texts, values
from tests.unit.bridges.old_sqs import old_model

LOADER = create_loader()
WIRE = Wire(LOADER)
DESCRIPTION = LOADER.load_service_model("sqs", "service-2")
MODELS = {
    Protocol.JSON: ServiceModel(DESCRIPTION, "sqs"),
    Protocol.QUERY: old_model(DESCRIPTION),
    Protocol.REST_JSON: ServiceModel(LOADER.load_service_model("lambda", "service-2"), "lambda"),
}
ENDPOINTS = {
    Protocol.JSON: "https://sqs.eu-west-1.amazonaws.com",
    Protocol.QUERY: "https://eu-west-1.queue.amazonaws.com",
    Protocol.REST_JSON: "https://lambda.eu-west-1.amazonaws.com",
}
SERIALIZERS = {protocol: create_serializer(protocol.value) for protocol in Protocol}
PARSERS = {protocol: create_parser(protocol.value) for protocol in Protocol}
MAPS = ("Attributes", "MessageAttributes", "MessageSystemAttributes", "Tags", "tags")  # empty ones are not written

OPERATIONS = [(protocol, name) for protocol, model in MODELS.items() for name in model.operation_names]
ERRORS = [(protocol, shape.name) for protocol, model in MODELS.items() for shape in model.error_shapes]

every_operation = pytest.mark.parametrize(
    ("protocol", "name"), OPERATIONS, ids=[f"{protocol.value}-{name}" for protocol, name in OPERATIONS]
)
# There are many operations, so a part of the usual examples for each is plenty.
few = settings(
    max_examples=settings.default.max_examples // 6,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@cache
def strategy(shape):
    """Values of a shape, many of them whole; those of no shape are empty."""
    return st.just({}) if shape is None else values(shape, is_whole=True) | values(shape)


def parse(protocol, operation, parameters):
    request = request_of(SERIALIZERS[protocol], operation, parameters, endpoint=ENDPOINTS[protocol])
    return WIRE.parse(request)


def call_of(protocol, operation):
    """A call of an operation, without any parameters."""
    service = "lambda" if protocol is Protocol.REST_JSON else "sqs"
    return Call(service, operation.name, {}, protocol, None, None, "host", None)


def parsed_by_botocore(protocol, operation, answer, shape):
    response = convert_to_response_dict(response_of(answer, ENDPOINTS[protocol]), operation)
    return PARSERS[protocol].parse(response, shape)


def without_empty(value, names):
    """A structure without those of the members named that are empty."""
    return {name: item for name, item in value.items() if item not in (b"", [], {}) or name not in names}


def flat(value):
    """A value as XML has it: a list or map that is empty is not there."""
    if isinstance(value, dict):
        items = {name: flat(item) for name, item in value.items()}
        return {name: item for name, item in items.items() if item not in ([], {})}
    return [flat(item) for item in value] if isinstance(value, list) else value


def with_payload(event):
    """An event as it arrives: its payload is there, if only empty."""
    return {name: {"Payload": b""} | item if name == "PayloadChunk" else item for name, item in event.items()}


@every_operation
@few
@given(data=st.data())
def test_parameters_are_read_as_botocore_wrote_them(protocol, name, data):
    """Any valid parameters of any operation arrive as they were handed to the client."""
    operation = MODELS[protocol].operation_model(name)
    shape = operation.input_shape
    parameters = data.draw(strategy(shape))
    call = parse(protocol, operation, parameters)
    expected = parameters
    if protocol is Protocol.REST_JSON and shape is not None:
        located = {member for member, at in shape.members.items() if "location" in at.serialization}
        expected = without_empty(parameters, located | {shape.serialization.get("payload")})
    if protocol is Protocol.QUERY:
        expected = without_empty(parameters, MAPS)
        if "Entries" in expected:
            expected["Entries"] = [without_empty(entry, MAPS) for entry in expected["Entries"]]
    assert (name, protocol, "eu-west-1") == (call.operation, call.protocol, call.region)
    assert expected == call.parameters


@every_operation
@few
@given(data=st.data())
def test_botocore_reads_results_as_they_were_written(protocol, name, data):
    """Any valid result of any operation reaches the client as it was, with the id of the request."""
    operation = MODELS[protocol].operation_model(name)
    shape = operation.output_shape
    result = data.draw(strategy(shape))
    answer = WIRE.render(call_of(protocol, operation), result, "request-1", check=True)
    parsed = parsed_by_botocore(protocol, operation, answer, shape)
    metadata = parsed.pop("ResponseMetadata")
    assert ("request-1", answer.status) == (metadata["RequestId"], metadata["HTTPStatusCode"])
    assert str(len(answer.body)) == metadata["HTTPHeaders"]["content-length"]
    expected = flat(result) if protocol is Protocol.QUERY else dict(result)
    for member, at in {} if shape is None else shape.members.items():
        if at.serialization.get("location") == "statusCode":
            expected.setdefault(member, operation.http.get("responseCode", 200))
        if at.serialization.get("name") == "Content-Type":
            expected.setdefault(member, "application/vnd.amazon.eventstream")
        if at.serialization.get("eventstream"):
            expected[member] = [with_payload(event) for event in expected.get(member, [])]
            parsed[member] = list(parsed[member])
        elif member == shape.serialization.get("payload"):
            expected.setdefault(member, b"")
            parsed[member] = parsed[member].read()
    assert expected == parsed


@pytest.mark.rule("SQS-620")
@pytest.mark.parametrize(("protocol", "name"), ERRORS, ids=[f"{protocol.value}-{name}" for protocol, name in ERRORS])
@few
@given(data=st.data(), message=texts)
def test_botocore_reads_errors_as_they_were_written(protocol, name, data, message):
    """Code, message, type and the other members of any error reach the client, with the id of the request."""
    model = MODELS[protocol]
    shape = model.shape_for(name)
    modelled = shape.metadata.get("error", {})
    code = name if protocol is Protocol.REST_JSON else f"Code.Of.{name}"
    failure = Failure(
        code,
        name,
        message,
        modelled.get("httpStatusCode", 400),
        modelled.get("httpStatusCode", 400) < 500,
        {
            member: data.draw(strategy(at))
            for member, at in shape.members.items()
            if member.lower() not in {"message", "type"}
        },
    )
    operation = model.operation_model(model.operation_names[0])
    answer = WIRE.render_error(call_of(protocol, operation), failure, "request-1", check=True)
    parsed = parsed_by_botocore(protocol, operation, answer, operation.output_shape)
    error = parsed["Error"]
    assert (code, message) == (error["Code"], error["Message"])
    assert failure.http_status == parsed["ResponseMetadata"]["HTTPStatusCode"]
    assert "request-1" == parsed["ResponseMetadata"]["RequestId"]
    if protocol is Protocol.JSON:
        assert (name, "Sender") == (error["QueryErrorCode"], error["Type"])
    if protocol is Protocol.QUERY:
        assert "Sender" == error["Type"]
    else:
        expected = dict(failure.members)
        for member in shape.members:
            if member.lower() == "message":
                expected[member] = message
            if member == "Type":
                expected[member] = "User" if failure.sender_fault else "Service"
        assert expected == parsed_by_botocore(protocol, operation, answer, shape)
