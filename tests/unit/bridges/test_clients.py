"""Real clients of boto3, with what they sign and what they make of answers."""

from __future__ import annotations

import io
import json

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from lambdasim.bridges.records import Failure, Protocol
from lambdasim.bridges.wire import Wire, response_of
from tests.shapes import prepared

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
SESSION = boto3.Session("AKIDEXAMPLE", "secret", region_name="eu-west-1")
WIRE = Wire()


class Remote:
    """Stands where AWS would, and gives one answer."""

    def __init__(self):
        self.calls = []
        self.answer = {}

    def __call__(self, request, **_):
        call = WIRE.parse(request)
        self.calls.append(call)
        render = WIRE.render_error if isinstance(self.answer, Failure) else WIRE.render
        return response_of(render(call, self.answer, "request-1", check=True), request.url)

    def client(self, service, **options):
        options.setdefault("config", Config(retries={"total_max_attempts": 1}))
        client = SESSION.client(service, **options)
        client.meta.events.register("before-send", self)
        return client


@pytest.fixture
def remote():
    return Remote()


def test_call_of_sqs(remote):
    """Parameters, Region and key arrive; the result comes back with the id of the request."""
    remote.answer = {"MessageId": "m", "MD5OfMessageBody": "0"}
    attributes = {"p": {"DataType": "Binary", "BinaryValue": b"\x00"}, "q": {"DataType": "String", "StringValue": "é"}}
    sqs = remote.client("sqs")
    result = sqs.send_message(QueueUrl=URL, MessageBody="a\r\nb", DelaySeconds=3, MessageAttributes=attributes)
    (call,) = remote.calls
    assert ("sqs", "SendMessage", Protocol.JSON) == (call.service, call.operation, call.protocol)
    assert ("eu-west-1", "AKIDEXAMPLE", "sqs.eu-west-1.amazonaws.com") == (call.region, call.access_key_id, call.host)
    assert call.parameters == {
        "QueueUrl": URL,
        "MessageBody": "a\r\nb",
        "DelaySeconds": 3,
        "MessageAttributes": attributes,
    }
    metadata = result.pop("ResponseMetadata")
    assert remote.answer == result
    assert ("request-1", 200) == (metadata["RequestId"], metadata["HTTPStatusCode"])


def test_error_of_sqs(remote):
    """Programs may catch the class of an error by its shape, or look at either of its codes."""
    remote.answer = Failure("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "No.")
    sqs = remote.client("sqs")
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as raised:
        sqs.purge_queue(QueueUrl=URL)
    error = raised.value.response["Error"]
    assert ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist") == (error["Code"], error["QueryErrorCode"])
    assert ("No.", "Sender") == (error["Message"], error["Type"])


def test_call_of_lambda(remote):
    """A payload is what was handed in, and the answer's is a stream."""
    remote.answer = {
        "StatusCode": 200,
        "ExecutedVersion": "7",
        "FunctionError": "Unhandled",
        "LogResult": "TE9H",
        "Payload": b'{"a": "\xc3\xa9"}',
    }
    result = remote.client("lambda").invoke(
        FunctionName="arn:aws:lambda:eu-west-1:123456789012:function:worker:live",
        LogType="Tail",
        Payload=json.dumps({"n": 1}),
    )
    (call,) = remote.calls
    assert ("lambda", "Invoke", "eu-west-1", "AKIDEXAMPLE") == (
        call.service,
        call.operation,
        call.region,
        call.access_key_id,
    )
    assert call.parameters == {
        "FunctionName": "arn:aws:lambda:eu-west-1:123456789012:function:worker:live",
        "LogType": "Tail",
        "Payload": b'{"n": 1}',
    }
    del result["ResponseMetadata"]
    assert {"a": "é"} == json.load(result["Payload"])
    assert remote.answer | {"Payload": result["Payload"]} == result


def test_payload_from_a_file(remote):
    remote.answer = {"StatusCode": 202}
    result = remote.client("lambda").invoke(FunctionName="f", InvocationType="Event", Payload=io.BytesIO(b'{"n": 1}'))
    assert b'{"n": 1}' == remote.calls[0].parameters["Payload"]
    assert (202, b"") == (result["StatusCode"], result["Payload"].read())


def test_payload_is_read_in_parts(remote):
    """The stream of an answer can be read as clients of AWS do: some of it, by lines, in chunks."""
    remote.answer = {"StatusCode": 200, "Payload": b"12\n34\n5"}
    client = remote.client("lambda")
    payload = client.invoke(FunctionName="f")["Payload"]
    assert (b"1", b"2\n34\n5", b"") == (payload.read(1), payload.read(), payload.read())
    assert [b"12", b"34", b"5"] == list(client.invoke(FunctionName="f")["Payload"].iter_lines())
    assert [b"12\n3", b"4\n5"] == list(client.invoke(FunctionName="f")["Payload"].iter_chunks(4))


def test_streamed_answer(remote):
    events = [{"PayloadChunk": {"Payload": b"a"}}, {"PayloadChunk": {"Payload": b"b"}}, {"InvokeComplete": {}}]
    remote.answer = {"StatusCode": 200, "ExecutedVersion": "$LATEST", "EventStream": events}
    result = remote.client("lambda").invoke_with_response_stream(FunctionName="f")
    assert events == list(result["EventStream"])


def test_error_of_lambda(remote):
    """The reason of a throttle is a member of the answer, as AWS has it."""
    remote.answer = Failure(
        "TooManyRequestsException",
        "TooManyRequestsException",
        "Rate Exceeded.",
        http_status=429,
        members={"Reason": "ConcurrentInvocationLimitExceeded"},
    )
    client = remote.client("lambda")
    with pytest.raises(client.exceptions.TooManyRequestsException) as raised:
        client.invoke(FunctionName="f")
    response = raised.value.response
    assert {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."} == response["Error"]
    assert ("ConcurrentInvocationLimitExceeded", "User") == (response["Reason"], response["Type"])
    assert 429 == response["ResponseMetadata"]["HTTPStatusCode"]


def test_error_that_is_not_modelled(remote):
    """Such an error is a plain ClientError."""
    remote.answer = Failure("ValidationException", "ValidationException", "1 validation error detected")
    with pytest.raises(ClientError) as raised:
        remote.client("lambda").get_function(FunctionName="f")
    assert "ValidationException" == raised.value.response["Error"]["Code"]


def test_resource(remote):
    """Resources are clients below."""
    queue = SESSION.resource("sqs").Queue(URL)
    queue.meta.client.meta.events.register("before-send", remote)
    remote.answer = {"Messages": [{"MessageId": "m", "ReceiptHandle": "h", "Body": "b"}]}
    (message,) = queue.receive_messages(MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"])
    assert ("m", "b") == (message.message_id, message.body)
    remote.answer = {}
    message.delete()
    assert {"QueueUrl": URL, "ReceiptHandle": "h"} == remote.calls[1].parameters


@pytest.mark.parametrize(
    ("options", "region", "key"),
    [
        ({"region_name": "us-west-2"}, "us-west-2", "AKIDEXAMPLE"),
        ({"endpoint_url": "http://localhost:4566"}, "eu-west-1", "AKIDEXAMPLE"),
        ({"endpoint_url": "https://us-west-2.queue.amazonaws.com"}, "eu-west-1", "AKIDEXAMPLE"),
        ({"endpoint_url": "http://localhost:4566", "config": Config(signature_version=UNSIGNED)}, None, None),
        ({"config": Config(signature_version=UNSIGNED)}, "eu-west-1", None),
    ],
)
@pytest.mark.parametrize("service", ["sqs", "lambda"])
def test_region_and_key_are_those_of_the_signature(remote, service, options, region, key):
    """The address counts only where nothing is signed; an address of one's own says nothing then."""
    client = remote.client(service, **options)
    client.list_queues() if service == "sqs" else client.list_functions()
    (call,) = remote.calls
    assert (service, region, key) == (call.service, call.region, call.access_key_id)


def test_presigned_address_of_a_queue(remote):
    """What is signed in the address counts like what is signed in a header."""
    url = f"{URL}?Action=PurgeQueue&X-Amz-Credential=AKID%2F20240101%2Fus-west-2%2Fsqs%2Faws4_request&X-Amz-Signature=0"
    call = WIRE.parse(prepared("GET", url))
    assert ("us-west-2", "AKID", {"QueueUrl": URL}) == (call.region, call.access_key_id, call.parameters)
