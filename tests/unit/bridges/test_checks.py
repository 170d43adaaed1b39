"""Answers that AWS would not give are bugs, and say where."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lambdasim.bridges.records import Call, Failure, Protocol
from lambdasim.bridges.wire import Wire

WIRE = Wire()
NAIVE = datetime(2024, 1, 1)  # noqa: DTZ001


def call(operation, protocol=Protocol.JSON):
    service = "lambda" if protocol is Protocol.REST_JSON else "sqs"
    return Call(service, operation, {}, protocol, None, None, "host", None)


@pytest.mark.parametrize(
    ("operation", "protocol", "result", "text"),
    [
        ("SendMessage", Protocol.JSON, {"Id": "1"}, "SendMessage has 'Id', which SendMessageResult has not"),
        ("SendMessage", Protocol.QUERY, {"MessageId": None}, "SendMessage.MessageId is None, which is no string"),
        ("SendMessage", Protocol.JSON, ["MessageId"], "SendMessage is ['MessageId'], which is no SendMessageResult"),
        ("DeleteMessage", Protocol.JSON, {"Id": "1"}, "DeleteMessage has no result, so no ['Id']"),
        ("DeleteMessageBatch", Protocol.JSON, {"Successful": []}, "DeleteMessageBatch lacks ['Failed'], which"),
        (
            "DeleteMessageBatch",
            Protocol.JSON,
            {"Successful": [{"Id": "1"}, {}], "Failed": []},
            "DeleteMessageBatch.Successful[1] lacks ['Id'], which DeleteMessageBatchResultEntry requires",
        ),
        (
            "DeleteMessageBatch",
            Protocol.JSON,
            {"Successful": [], "Failed": [{"Id": "1", "SenderFault": 1, "Code": "c"}]},
            "DeleteMessageBatch.Failed[0].SenderFault is 1, which is no boolean",
        ),
        ("ReceiveMessage", Protocol.JSON, {"Messages": {}}, "ReceiveMessage.Messages is {}, which is no list"),
        (
            "GetQueueAttributes",
            Protocol.JSON,
            {"Attributes": {"Delay": "0"}},
            "a key of GetQueueAttributes.Attributes is 'Delay', which is none of",
        ),
        (
            "GetQueueAttributes",
            Protocol.JSON,
            {"Attributes": {"DelaySeconds": 0}},
            "GetQueueAttributes.Attributes['DelaySeconds'] is 0, which is no string",
        ),
        (
            "GetQueueAttributes",
            Protocol.JSON,
            {"Attributes": []},
            "GetQueueAttributes.Attributes is [], which is no map",
        ),
        ("Invoke", Protocol.REST_JSON, {"StatusCode": True}, "Invoke.StatusCode is True, which is no integer"),
        ("Invoke", Protocol.REST_JSON, {"Payload": "{}"}, "Invoke.Payload is '{}', which is no blob"),
        ("GetAlias", Protocol.REST_JSON, {"FunctionVersion": 1}, "GetAlias.FunctionVersion is 1, which is no string"),
        (
            "GetEventSourceMapping",
            Protocol.REST_JSON,
            {"LastModified": NAIVE},
            "GetEventSourceMapping.LastModified is datetime.datetime(2024, 1, 1, 0, 0), which is in no time zone",
        ),
        (
            "InvokeWithResponseStream",
            Protocol.REST_JSON,
            {"EventStream": [{"Chunk": {}}]},
            "InvokeWithResponseStream.EventStream[0] has 'Chunk'",
        ),
    ],
)
def test_results_that_aws_would_not_give(operation, protocol, result, text):
    """Unknown and missing members, wrong types and names are found, wherever they are."""
    with pytest.raises(AssertionError) as found:
        WIRE.render(call(operation, protocol), result, "r", check=True)
    assert text in str(found.value)


def test_results_are_checked_where_that_is_asked_for():
    """A result is taken as it is otherwise: what the model of an older botocore does not know is no bug."""
    assert b'{"Newer":1}' == WIRE.render(call("SendMessage"), {"Newer": 1}, "r").body
    assert b"Newer" not in WIRE.render(call("SendMessage", Protocol.QUERY), {"Newer": 1}, "r").body


@pytest.mark.parametrize(
    ("protocol", "failure", "text"),
    [
        (
            Protocol.REST_JSON,
            Failure("ServiceException", "ServiceException", "Oh", sender_fault=False),
            "ServiceException has status 500, not 400",
        ),
        (
            Protocol.REST_JSON,
            Failure("ServiceException", "ServiceException", "Oh", http_status=500),
            "ServiceException is the fault of the service",
        ),
        (
            Protocol.REST_JSON,
            Failure("ResourceInUseException", "ResourceInUseException", "Oh", sender_fault=False),
            "ResourceInUseException is the fault of the sender",
        ),
        (
            Protocol.REST_JSON,
            Failure(
                "TooManyRequestsException",
                "TooManyRequestsException",
                "Oh",
                http_status=429,
                members={"Reason": "Tired"},
            ),
            "TooManyRequestsException.Reason is 'Tired', which is none of",
        ),
        (
            Protocol.JSON,
            Failure("OverLimit", "OverLimit", "Oh", members={"Reason": "r"}),
            "OverLimit has 'Reason', which OverLimit has not",
        ),
        (
            Protocol.JSON,
            Failure("InternalFailure", "InternalFailure", "Oh", members={"Reason": "r"}),
            "InternalFailure is not in the model, so it has no ['Reason']",
        ),
        (
            Protocol.JSON,
            Failure("Message", "Message", "Oh", members={"Body": "b"}),  # a shape, but no error
            "Message is not in the model, so it has no ['Body']",
        ),
    ],
)
def test_errors_that_aws_would_not_give(protocol, failure, text):
    """The status, the side at fault and the members of a modelled error are those of the model."""
    operation = "Invoke" if protocol is Protocol.REST_JSON else "SendMessage"
    with pytest.raises(AssertionError) as found:
        WIRE.render_error(call(operation, protocol), failure, "r", check=True)
    assert text in str(found.value)


def test_times_with_a_zone_pass():
    result = {"LastModified": datetime(2024, 1, 1, tzinfo=UTC)}
    answer = WIRE.render(call("GetEventSourceMapping", Protocol.REST_JSON), result, "r", check=True)
    assert b'{"LastModified":1704067200}' == answer.body
