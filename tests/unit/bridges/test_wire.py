"""Which protocol a request is in, whatever it comes from; and what is no request at all."""

from __future__ import annotations

import pytest

from lambdasim.bridges.records import Protocol
from lambdasim.bridges.wire import Wire
from lambdasim.errors import UsageError
from tests.shapes import prepared

WIRE = Wire()


def json_call(operation, body="{}"):
    headers = {"X-Amz-Target": f"AmazonSQS.{operation}"}
    return WIRE.parse(prepared("POST", "https://sqs.us-west-2.amazonaws.com/", headers, body))


def form_call(body, url="https://sqs.us-east-2.amazonaws.com/"):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return WIRE.parse(prepared("POST", url, headers, "".join(body.split())))


def lambda_call(method, path, headers=(), body=None):
    return WIRE.parse(prepared(method, f"https://lambda.us-east-1.amazonaws.com{path}", headers, body))


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("POST", "https://sqs.us-east-1.amazonaws.com/", {"X-Amz-Target": "DynamoDB_20120810.GetItem"}),
        (
            "GET",
            "https://host/2015-03-31/functions",
            {"Authorization": "Credential=A/20240101/us-east-1/s3/aws4_request"},
        ),
        ("GET", "https://lambda.us-east-1.amazonaws.com/1999-01-01/functions", {}),
        ("GET", "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/f/nothing", {}),
        ("PATCH", "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions", {}),
        ("GET", "https://lambda.us-east-1.amazonaws.com/", {}),
    ],
)
def test_other_requests(method, url, headers):
    """What is a request neither to SQS nor to Lambda is refused by its address."""
    with pytest.raises(UsageError, match="is no request to SQS or Lambda") as refused:
        WIRE.parse(prepared(method, url, headers))
    assert url in str(refused.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: json_call("NoSuchOperation"),
        lambda: json_call("NoSuchOperation", None),
        lambda: json_call("SendMessage", "{"),
        lambda: json_call("SendMessage", "[]"),
        lambda: json_call("SendMessage", b"\xff"),
        lambda: json_call("SendMessage", '{"MessageAttributes":{"a":{"BinaryValue":"A"}}}'),
        lambda: form_call("QueueName=q"),
        lambda: form_call("Action=NoSuchOperation"),
        lambda: form_call("Action=SendMessage&DelaySeconds=soon"),
        lambda: form_call("Action=SendMessage&MessageBody.1=a"),
        lambda: form_call("Action=SetQueueAttributes&Attribute.1.Name=DelaySeconds"),
        lambda: lambda_call("GET", "/2018-10-31/layers/l/versions/one"),
        lambda: lambda_call("GET", "/2015-03-31/functions?MaxItems=many"),
        lambda: lambda_call("POST", "/2015-03-31/functions", body="[]"),
    ],
)
def test_requests_that_no_client_makes(call):
    """An unknown operation, a body of another kind or a text of the wrong type is refused, with its cause."""
    with pytest.raises(UsageError, match="cannot be read") as refused:
        call()
    assert refused.value.__cause__ is not None


@pytest.mark.parametrize(
    ("url", "headers", "protocol"),
    [
        ("http://localhost:4566/", {"X-Amz-Target": b"AmazonSQS.ListQueues"}, Protocol.JSON),
        ("http://localhost:4566/?Action=ListQueues", {}, Protocol.QUERY),
        ("http://localhost:4566/2015-03-31/functions?MaxItems=1", {}, Protocol.REST_JSON),
        ("https://lambda.us-east-1.amazonaws.com/2015-03-31/functions?Action=ListQueues", {}, Protocol.REST_JSON),
    ],
)
def test_the_request_says_which_protocol_it_is_in(url, headers, protocol):
    """Where the host says nothing, the form of the request does; headers may be bytes."""
    assert protocol is WIRE.parse(prepared("GET", url, headers)).protocol


def test_a_form_to_an_unknown_host_is_meant_for_sqs():
    assert "ListQueues" == form_call("Action=ListQueues", "http://localhost:4566/").operation
