"""Errors as real clients of boto3 show them: codes, classes, status, and who is at fault."""

from __future__ import annotations

import json

import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from lambdasim import Simulation, SqsConfig, SqsFaults
from tests.bridge import Bridge, refusal

MODEL = Session().get_service_model("sqs")
PREFIX = "AWS.SimpleQueueService."


def world_of(protocol, **options):
    """A client whose calls are never repeated, and the URL of a queue."""
    sim = Simulation(**options)
    sqs = Bridge(sim, protocol=protocol).client(config=Config(retries={"total_max_attempts": 1}))
    return sim, sqs, sqs.create_queue(QueueName="orders")["QueueUrl"]


def over_limit(sqs, url):
    sqs.send_message(QueueUrl=url, MessageBody="a")
    sqs.receive_message(QueueUrl=url)
    sqs.receive_message(QueueUrl=url)


def not_in_flight(sqs, url):
    sqs.send_message(QueueUrl=url, MessageBody="a")
    (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=1)


def deleted_recently(sqs, url):
    sqs.delete_queue(QueueUrl=url)
    sqs.create_queue(QueueName="orders")


def too_many_tasks(sqs, url):
    for number in range(101):
        arn = "arn:aws:sqs:us-east-1:123456789012:"
        dlq = sqs.create_queue(QueueName=f"d-{number}")["QueueUrl"]
        policy = json.dumps({"deadLetterTargetArn": f"{arn}d-{number}", "maxReceiveCount": 1})
        sqs.create_queue(QueueName=f"s-{number}", Attributes={"RedrivePolicy": policy})
        for body in "ab":
            sqs.send_message(QueueUrl=dlq, MessageBody=body)
        sqs.start_message_move_task(
            SourceArn=f"{arn}d-{number}", DestinationArn=f"{arn}orders", MaxNumberOfMessagesPerSecond=1
        )


def twice(call, **parameters):
    for _ in range(2):
        call(**parameters)


ENTRY = {"Id": "a", "MessageBody": "a"}
# Shape: code, status, what provokes it, what is special about the simulation.
CASES = {
    "QueueDoesNotExist": (f"{PREFIX}NonExistentQueue", 400, lambda sqs, url: sqs.purge_queue(QueueUrl="none"), {}),
    "QueueNameExists": (
        "QueueAlreadyExists",
        400,
        lambda sqs, url: sqs.create_queue(QueueName="orders", Attributes={"DelaySeconds": "1"}),
        {},
    ),
    "QueueDeletedRecently": (f"{PREFIX}QueueDeletedRecently", 400, deleted_recently, {}),
    "PurgeQueueInProgress": (
        f"{PREFIX}PurgeQueueInProgress",
        403,
        lambda sqs, url: twice(sqs.purge_queue, QueueUrl=url),
        {},
    ),
    "EmptyBatchRequest": (
        f"{PREFIX}EmptyBatchRequest",
        400,
        lambda sqs, url: sqs.send_message_batch(QueueUrl=url, Entries=[]),
        {},
    ),
    "TooManyEntriesInBatchRequest": (
        f"{PREFIX}TooManyEntriesInBatchRequest",
        400,
        lambda sqs, url: sqs.send_message_batch(QueueUrl=url, Entries=[ENTRY] * 11),
        {},
    ),
    "BatchEntryIdsNotDistinct": (
        f"{PREFIX}BatchEntryIdsNotDistinct",
        400,
        lambda sqs, url: sqs.send_message_batch(QueueUrl=url, Entries=[ENTRY] * 2),
        {},
    ),
    "InvalidBatchEntryId": (
        f"{PREFIX}InvalidBatchEntryId",
        400,
        lambda sqs, url: sqs.send_message_batch(QueueUrl=url, Entries=[ENTRY | {"Id": ""}]),
        {},
    ),
    "BatchRequestTooLong": (
        f"{PREFIX}BatchRequestTooLong",
        400,
        lambda sqs, url: sqs.send_message_batch(QueueUrl=url, Entries=[ENTRY | {"MessageBody": "a" * 2_000_000}]),
        {},
    ),
    "MessageNotInflight": (
        f"{PREFIX}MessageNotInflight",
        400,
        not_in_flight,
        {"settings": [SqsConfig(strict_not_inflight=True)]},
    ),
    "UnsupportedOperation": (f"{PREFIX}UnsupportedOperation", 400, too_many_tasks, {}),
    "OverLimit": ("OverLimit", 403, over_limit, {"settings": [SqsConfig(inflight_limit_standard=1)]}),
    "ReceiptHandleIsInvalid": (
        "ReceiptHandleIsInvalid",
        400,
        lambda sqs, url: sqs.delete_message(QueueUrl=url, ReceiptHandle="x"),
        {},
    ),
    "InvalidMessageContents": (
        "InvalidMessageContents",
        400,
        lambda sqs, url: sqs.send_message(QueueUrl=url, MessageBody="\uffff"),
        {},
    ),
    "InvalidAttributeName": (
        "InvalidAttributeName",
        400,
        lambda sqs, url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["x"]),
        {},
    ),
    "InvalidAttributeValue": (
        "InvalidAttributeValue",
        400,
        lambda sqs, url: sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "x"}),
        {},
    ),
    "InvalidParameterValueException": (
        "InvalidParameterValue",
        400,
        lambda sqs, url: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=11),
        {},
    ),
    "MissingRequiredParameterException": (
        "MissingParameter",
        400,
        lambda sqs, url: sqs.send_message(QueueUrl=url, MessageBody=""),
        {},
    ),
    "ResourceNotFoundException": (
        "ResourceNotFoundException",
        404,
        lambda sqs, url: sqs.list_message_move_tasks(SourceArn="arn:aws:sqs:us-east-1:123456789012:none"),
        {},
    ),
    "RequestThrottled": (
        "RequestThrottled",
        400,
        lambda sqs, url: sqs.send_message(QueueUrl=url, MessageBody="a"),
        {"faults": SqsFaults(throttle_probability=1.0)},
    ),
    "InvalidAddress": (
        "InvalidAddress",
        400,
        lambda sqs, url: sqs.purge_queue(QueueUrl=url.replace("us-east-1", "eu-west-1")),
        {},
    ),
}
# Those that AWS answers and botocore has no class for.
NOT_MODELLED = {"InvalidParameterValueException", "MissingRequiredParameterException"}
# Those that only injection raises (SQS-553).
INJECTED = {
    "InvalidIdFormat",
    "InvalidSecurity",
    "KmsAccessDenied",
    "KmsDisabled",
    "KmsInvalidKeyUsage",
    "KmsInvalidState",
    "KmsNotFound",
    "KmsOptInRequired",
    "KmsThrottled",
}


@pytest.mark.rule("SQS-620")
@pytest.mark.parametrize("shape", CASES)
def test_what_a_client_sees_of_an_error(protocol, shape):
    """The class by its shape, both codes, the status, the sender's fault, and the id of the request."""
    code, status, provoke, options = CASES[shape]
    _, sqs, url = world_of(protocol, **options)
    response = refusal(provoke, sqs=sqs, url=url)
    error = response["Error"]
    assert (code, "Sender") == (error["Code"], error["Type"])
    if protocol == "json":
        assert shape == error["QueryErrorCode"]
    assert status == response["ResponseMetadata"]["HTTPStatusCode"]
    assert response["ResponseMetadata"]["RequestId"]
    assert error["Message"]


@pytest.mark.rule("SQS-620")
@pytest.mark.parametrize("shape", [shape for shape in CASES if shape not in NOT_MODELLED])
def test_errors_can_be_caught_by_their_class(protocol, shape):
    _, _, provoke, options = CASES[shape]
    _, sqs, url = world_of(protocol, **options)
    with pytest.raises(getattr(sqs.exceptions, shape)) as raised:
        provoke(sqs, url)
    assert shape == type(raised.value).__name__


@pytest.mark.rule("SQS-553", "SQS-620")
def test_these_are_all_errors(sqs):
    modelled = {shape.name for shape in sqs.meta.service_model.error_shapes}
    assert modelled | NOT_MODELLED == set(CASES) | INJECTED


@pytest.mark.rule("SQS-620")
def test_text_of_an_error(sqs, url):
    with pytest.raises(ClientError) as raised:
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=11)
    assert str(raised.value) == (
        "An error occurred (InvalidParameterValue) when calling the ReceiveMessage operation: Value 11 for parameter "
        "MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."
    )
    assert "ReceiveMessage" == raised.value.operation_name


# What other clients than botocore's may leave out, with a value for each.
REQUIRED = [
    (operation, name)
    for operation in MODEL.operation_names
    for name in MODEL.operation_model(operation).input_shape.required_members
]
VALUES = {
    "AWSAccountIds": ["111111111111"],
    "Actions": ["SendMessage"],
    "Attributes": {"DelaySeconds": "1"},
    "Entries": [],
    "Label": "them",
    "MessageBody": "a",
    "QueueName": "more",
    "ReceiptHandle": "x",
    "SourceArn": "arn:aws:sqs:us-east-1:123456789012:orders",
    "TagKeys": ["k"],
    "Tags": {"k": "v"},
    "TaskHandle": "x",
    "VisibilityTimeout": 1,
}


@pytest.mark.rule("SQS-621")
@pytest.mark.parametrize(("operation", "name"), REQUIRED)
def test_parameters_that_are_missing(bridge, url, operation, name):
    """SQS says what is missing, and does nothing. The queue is looked for first."""
    sqs = bridge.client(config=Config(parameter_validation=False))
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    required = [other for of, other in REQUIRED if of == operation and other != name]
    given = {other: url if other == "QueueUrl" else VALUES[other] for other in required}
    error = refusal(getattr(sqs, xform_name(operation)), **given)["Error"]
    if name == "Entries":
        assert f"{PREFIX}EmptyBatchRequest" == error["Code"]
    else:
        missing = "Attribute.Name" if (operation, name) == ("SetQueueAttributes", "Attributes") else name
        assert ("MissingParameter", f"The request must contain the parameter {missing}.") == (
            error["Code"],
            error["Message"],
        )
    assert before == sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert [url] == sqs.list_queues()["QueueUrls"]


@pytest.mark.rule("SQS-622")
def test_refused_call_leaves_the_client_as_it_was(sqs, url):
    """A client goes on after an error, on the same queue and on others."""
    for _ in range(3):
        refusal(sqs.send_message, QueueUrl=url, MessageBody="")
        refusal(sqs.send_message, QueueUrl=f"{url}s", MessageBody="a")
        sqs.send_message(QueueUrl=url, MessageBody="a")
    assert 3 == len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"])
