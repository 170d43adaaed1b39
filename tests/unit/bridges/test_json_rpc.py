"""The JSON protocol of SQS to the letter, as AWS's documentation shows it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lambdasim.bridges.records import Failure, Protocol
from lambdasim.bridges.wire import Wire
from tests.shapes import prepared

WIRE = Wire()
NO_QUEUE = Failure(
    "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "The specified queue does not exist."
)


def json_call(operation, body="{}"):
    headers = {"X-Amz-Target": f"AmazonSQS.{operation}", "Content-Type": "application/x-amz-json-1.0"}
    return WIRE.parse(prepared("POST", "https://sqs.us-west-2.amazonaws.com/", headers, body))


def test_create_queue_with_attributes_and_tags():
    """Every attribute and tag of the documented example arrives."""
    call = json_call(
        "CreateQueue",
        """{
            "QueueName":"MyQueue",
            "Attributes": {
                "VisibilityTimeout": "40"
            },
            "tags": {
                "QueueType": "Production"
            }
        }""",
    )
    assert ("sqs", "CreateQueue", Protocol.JSON, "us-west-2") == (
        call.service,
        call.operation,
        call.protocol,
        call.region,
    )
    assert call.parameters == {
        "QueueName": "MyQueue",
        "Attributes": {"VisibilityTimeout": "40"},
        "tags": {"QueueType": "Production"},
    }


def test_only_blobs_are_not_what_they_look_like():
    """The value of a binary attribute comes as Base64, all else as it is."""
    call = json_call(
        "SendMessage",
        '{"QueueUrl":"u","MessageBody":"b","DelaySeconds":5,"MessageAttributes":'
        '{"p":{"DataType":"Binary","BinaryValue":"AAH/"},"q":{"DataType":"String","StringValue":"AAH/"}}}',
    )
    assert call.parameters == {
        "QueueUrl": "u",
        "MessageBody": "b",
        "DelaySeconds": 5,
        "MessageAttributes": {
            "p": {"DataType": "Binary", "BinaryValue": b"\x00\x01\xff"},
            "q": {"DataType": "String", "StringValue": "AAH/"},
        },
    }


def test_null_says_nothing():
    """A member that is null is as one that is missing, wherever it stands; the text null is a text."""
    call = json_call(
        "SendMessageBatch",
        '{"QueueUrl":"u","Entries":[{"Id":"1","MessageBody":"null","DelaySeconds":null}],"Other":null}',
    )
    assert call.parameters == {"QueueUrl": "u", "Entries": [{"Id": "1", "MessageBody": "null"}]}


def test_no_body_is_no_parameters():
    assert {} == json_call("ListQueues", None).parameters


def test_result():
    """The id of the request is a header, the result is the body."""
    answer = WIRE.render(
        json_call("CreateQueue"),
        {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/111122223333/MyQueue"},
        "66916324-67ca-54bb-a410-3f567a7a0571",
        at=datetime(2024, 2, 29, 12, 0, 1, 500_000, tzinfo=UTC),
        check=True,
    )
    assert answer == (
        200,
        {
            "x-amzn-RequestId": "66916324-67ca-54bb-a410-3f567a7a0571",
            "Content-Type": "application/x-amz-json-1.0",
            "Content-Length": "71",
            "Date": "Thu, 29 Feb 2024 12:00:01 GMT",
        },
        b'{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/111122223333/MyQueue"}',
    )


def test_operation_without_result_has_no_body():
    answer = WIRE.render(json_call("DeleteMessage"), {}, "r", check=True)
    assert (200, "0", b"") == (answer.status, answer.headers["Content-Length"], answer.body)


def test_nothing_received_is_an_empty_object():
    assert b"{}" == WIRE.render(json_call("ReceiveMessage"), {}, "r", check=True).body


@pytest.mark.rule("SQS-620")
def test_error():
    """The code of old is in a header, the shape in the body."""
    answer = WIRE.render_error(json_call("SendMessage"), NO_QUEUE, "66916324-67ca-54bb-a410-3f567a7a0571", check=True)
    assert answer == (
        400,
        {
            "x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender",
            "x-amzn-RequestId": "66916324-67ca-54bb-a410-3f567a7a0571",
            "Content-Type": "application/x-amz-json-1.0",
            "Content-Length": "96",
        },
        b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}',
    )


@pytest.mark.rule("SQS-620")
def test_error_that_is_not_modelled():
    """What is no shape of SQS is one of the framework below it, and may be the fault of the service."""
    failure = Failure("InternalFailure", "InternalFailure", "Oh", http_status=500, sender_fault=False)
    answer = WIRE.render_error(json_call("SendMessage"), failure, "r", check=True)
    assert b'{"__type":"com.amazon.coral.service#InternalFailure","message":"Oh"}' == answer.body
    assert (500, "InternalFailure;Receiver") == (answer.status, answer.headers["x-amzn-query-error"])
