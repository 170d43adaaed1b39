"""The protocol of Lambda to the letter, as AWS's documentation shows it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.model import ServiceModel

from lambdasim.bridges.records import Failure, Protocol
from lambdasim.bridges.rest_json import RestJsonProtocol
from lambdasim.bridges.wire import Wire
from tests.shapes import prepared

WIRE = Wire()


def lambda_call(method, path, headers=(), body=None):
    return WIRE.parse(prepared(method, f"https://lambda.us-east-1.amazonaws.com{path}", headers, body))


def test_invoke():
    """Function, qualifier and the rest come from path, query and headers; the payload is the body as it is."""
    call = lambda_call(
        "POST",
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Aworker/invocations"
        "?Qualifier=%24LATEST",
        {"X-Amz-Invocation-Type": "RequestResponse", "X-Amz-Log-Type": "Tail", "X-Amz-Client-Context": "e30="},
        b'{"order": 1}',
    )
    assert ("lambda", "Invoke", Protocol.REST_JSON, "us-east-1") == (
        call.service,
        call.operation,
        call.protocol,
        call.region,
    )
    assert call.parameters == {
        "FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:worker",
        "Qualifier": "$LATEST",
        "InvocationType": "RequestResponse",
        "LogType": "Tail",
        "ClientContext": "e30=",
        "Payload": b'{"order": 1}',
    }


def test_answer_of_invoke():
    result = {
        "StatusCode": 200,
        "FunctionError": "Unhandled",
        "LogResult": "TE9H",
        "ExecutedVersion": "$LATEST",
        "Payload": b'{"errorMessage":"oh"}',
    }
    call = lambda_call("POST", "/2015-03-31/functions/worker/invocations")
    assert {"FunctionName": "worker"} == call.parameters
    assert WIRE.render(call, result, "r", check=True) == (
        200,
        {
            "x-amzn-RequestId": "r",
            "Content-Type": "application/json",
            "X-Amz-Function-Error": "Unhandled",
            "X-Amz-Log-Result": "TE9H",
            "X-Amz-Executed-Version": "$LATEST",
            "Content-Length": "21",
        },
        b'{"errorMessage":"oh"}',
    )


@pytest.mark.parametrize("status", [202, 204])
def test_other_types_of_invoke_have_another_status_and_no_payload(status):
    call = lambda_call("POST", "/2015-03-31/functions/worker/invocations", {"X-Amz-Invocation-Type": "Event"})
    answer = WIRE.render(call, {"StatusCode": status}, "r", check=True)
    assert (status, "0", b"") == (answer.status, answer.headers["Content-Length"], answer.body)


def test_payload_may_be_a_file(tmp_path):
    path = tmp_path / "event.json"
    path.write_bytes(b'{"a":1}')
    with path.open("rb") as file:
        call = lambda_call("POST", "/2015-03-31/functions/worker/invocations", body=file)
    assert b'{"a":1}' == call.parameters["Payload"]


@pytest.mark.parametrize("body", ["{}", bytearray(b"{}"), memoryview(b"{}")])
def test_an_empty_object_is_a_payload(body):
    call = lambda_call("POST", "/2015-03-31/functions/worker/invocations", body=body)
    assert b"{}" == call.parameters["Payload"]


def test_event_source_mapping():
    """Timestamps are seconds since 1970 in JSON, with decimals if there are some."""
    call = lambda_call(
        "POST",
        "/2015-03-31/event-source-mappings/",
        body='{"EventSourceArn": "arn", "FunctionName": "f", "StartingPositionTimestamp": 1700000000.25}',
    )
    assert call.parameters == {
        "EventSourceArn": "arn",
        "FunctionName": "f",
        "StartingPositionTimestamp": datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC),
    }
    modified = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    answer = WIRE.render(call, {"BatchSize": 10, "LastModified": modified, "UUID": "u"}, "r", check=True)
    assert (202, b'{"BatchSize":10,"LastModified":1700000000,"UUID":"u"}') == (answer.status, answer.body)
    answer = WIRE.render(call, {"LastModified": 1700000000.25}, "r", check=True)
    assert b'{"LastModified":1700000000.25}' == answer.body


@pytest.mark.parametrize(
    ("method", "path", "operation", "parameters"),
    [
        ("GET", "/2015-03-31/functions/", "ListFunctions", {}),
        ("GET", "/2015-03-31/functions?MaxItems=5&Marker=a%2Bb", "ListFunctions", {"MaxItems": 5, "Marker": "a+b"}),
        ("GET", "/2015-03-31/functions/f", "GetFunction", {"FunctionName": "f"}),
        (
            "DELETE",
            "/2015-03-31/functions/f?Qualifier=1",
            "DeleteFunction",
            {"FunctionName": "f", "Qualifier": "1"},
        ),
        ("GET", "/2015-03-31/functions/f/aliases/b", "GetAlias", {"FunctionName": "f", "Name": "b"}),
        ("GET", "/2018-10-31/layers", "ListLayers", {}),
        ("GET", "/2018-10-31/layers?find=LayerVersion&Arn=a", "GetLayerVersionByArn", {"Arn": "a"}),
        ("GET", "/2018-10-31/layers/l/versions/7", "GetLayerVersion", {"LayerName": "l", "VersionNumber": 7}),
        (
            "GET",
            "/2019-09-30/functions/f/provisioned-concurrency?List=ALL",
            "ListProvisionedConcurrencyConfigs",
            {"FunctionName": "f"},
        ),
        (
            "GET",
            "/2019-09-30/functions/f/provisioned-concurrency?Qualifier=b",
            "GetProvisionedConcurrencyConfig",
            {"FunctionName": "f", "Qualifier": "b"},
        ),
        (
            "DELETE",
            "/2017-03-31/tags/arn%3Aaws?tagKeys=a&tagKeys=b%26c",
            "UntagResource",
            {"Resource": "arn:aws", "TagKeys": ["a", "b&c"]},
        ),
    ],
)
def test_paths(method, path, operation, parameters):
    """Method, path and what is fixed in the query say which operation it is."""
    call = lambda_call(method, path)
    assert (operation, parameters) == (call.operation, call.parameters)


def test_no_content():
    call = lambda_call("DELETE", "/2017-10-31/functions/f/concurrency")
    answer = WIRE.render(call, {}, "r", check=True)
    assert (204, b"") == (answer.status, answer.body)


def test_error():
    """Resources that are not found have a Message, throttles a message: as the service model says."""
    call = lambda_call("GET", "/2015-03-31/functions/nonsense")
    text = "Function not found: arn:aws:lambda:us-west-2:123456789012:function:nonsense"
    failure = Failure("ResourceNotFoundException", "ResourceNotFoundException", text, http_status=404)
    assert WIRE.render_error(call, failure, "r", check=True) == (
        404,
        {
            "x-amzn-RequestId": "r",
            "x-amzn-ErrorType": "ResourceNotFoundException",
            "Content-Type": "application/json",
            "Content-Length": "103",
        },
        b'{"Type":"User","Message":"' + text.encode() + b'"}',
    )


def test_throttle():
    """Its reason is in the body, and when to come again in a header."""
    failure = Failure(
        "TooManyRequestsException",
        "TooManyRequestsException",
        "Rate Exceeded.",
        http_status=429,
        members={"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "retryAfterSeconds": "2"},
    )
    call = lambda_call("POST", "/2015-03-31/functions/worker/invocations")
    answer = WIRE.render_error(call, failure, "r", check=True)
    assert (429, "2") == (answer.status, answer.headers["Retry-After"])
    assert answer.body == (
        b'{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}'
    )


def test_error_of_the_service():
    failure = Failure("ServiceException", "ServiceException", "Oh", http_status=500, sender_fault=False)
    answer = WIRE.render_error(lambda_call("GET", "/2015-03-31/functions/f"), failure, "r", check=True)
    assert b'{"Type":"Service","Message":"Oh"}' == answer.body


def test_error_that_is_not_modelled():
    """Such an error comes from the framework below Lambda, and has a message only."""
    failure = Failure("ValidationException", "ValidationException", "1 validation error detected")
    answer = WIRE.render_error(lambda_call("GET", "/2015-03-31/functions/f"), failure, "r", check=True)
    assert (400, b'{"message":"1 validation error detected"}') == (answer.status, answer.body)
    assert "ValidationException" == answer.headers["x-amzn-ErrorType"]


def test_members_without_a_place_are_the_body():
    """A result may be in headers and body at once, which is so in no operation of today."""
    members = {
        "Name": {"shape": "Text"},
        "Part": {"shape": "Text", "location": "header", "locationName": "X-Part"},
        "At": {"shape": "Moment", "location": "header", "locationName": "X-At"},
    }
    model = ServiceModel(
        {
            "metadata": {},
            "operations": {"Get": {"http": {"method": "GET", "requestUri": "/"}, "output": {"shape": "Result"}}},
            "shapes": {
                "Result": {"type": "structure", "members": members},
                "Text": {"type": "string"},
                "Moment": {"type": "timestamp"},
            },
        }
    )
    answer = RestJsonProtocol(model).answer("Get", {"Name": "n", "Part": "p", "At": 1700000000}, "r")
    assert (200, b'{"Name":"n"}') == (answer.status, answer.body)
    assert ("p", "Tue, 14 Nov 2023 22:13:20 GMT") == (answer.headers["X-Part"], answer.headers["X-At"])


def test_null_says_nothing():
    call = lambda_call("POST", "/2015-03-31/functions", body='{"FunctionName":"null","Timeout":null}')
    assert {"FunctionName": "null"} == call.parameters


def test_members_of_an_error_that_is_not_modelled_are_told_all_the_same():
    failure = Failure("NewException", "NewException", "Oh", members={"Why": "w"})
    answer = WIRE.render_error(lambda_call("GET", "/2015-03-31/functions/f"), failure, "r")
    assert b'{"Why":"w","message":"Oh"}' == answer.body
