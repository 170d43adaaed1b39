"""
Every operation of the service model of SQS, with every parameter, through real clients.

`play` is one long program. What it passes and what it is answered is compared with the model: a parameter, a value of
an enumeration or a member of an answer that comes nowhere makes a test fail, so that a newer botocore says what is new.
"""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from botocore.session import Session

from lambdasim import Simulation
from lambdasim.errors import sqs as errors
from tests.bridge import PROTOCOLS, Bridge

MODEL = Session().get_service_model("sqs")
# What SQS has in its model, and does not support.
LISTS = ("StringListValues", "BinaryListValues")
POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})


def play(sim, bridge):
    """Call everything."""
    sqs = bridge.client()
    attributes = {
        "DelaySeconds": "1",
        "MaximumMessageSize": "2048",
        "MessageRetentionPeriod": "3600",
        "Policy": POLICY,
        "ReceiveMessageWaitTimeSeconds": "2",
        "VisibilityTimeout": "40",
        "KmsMasterKeyId": "alias/aws/sqs",
        "KmsDataKeyReusePeriodSeconds": "60",
        "SqsManagedSseEnabled": "false",
        "RedriveAllowPolicy": '{"redrivePermission": "allowAll"}',
    }
    url = sqs.create_queue(QueueName="everything", Attributes=attributes, tags={"team": "a"})["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    fifo_attributes = {
        "FifoQueue": "true",
        "ContentBasedDeduplication": "true",
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
    }
    fifo = sqs.create_queue(QueueName="everything.fifo", Attributes=fifo_attributes)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=fifo, Attributes=fifo_attributes)
    play_queues(sqs, url, fifo)
    play_messages(sqs, fifo)
    play_move_tasks(sim, sqs)
    for queue_url in (url, fifo):
        sqs.purge_queue(QueueUrl=queue_url)
        sqs.delete_queue(QueueUrl=queue_url)


def play_queues(sqs, url, fifo):
    sqs.get_queue_url(QueueName="everything", QueueOwnerAWSAccountId="123456789012")
    token = sqs.list_queues(QueueNamePrefix="every", MaxResults=1)["NextToken"]
    sqs.list_queues(QueueNamePrefix="every", MaxResults=1, NextToken=token)
    sqs.tag_queue(QueueUrl=url, Tags={"stage": "test"})
    sqs.list_queue_tags(QueueUrl=url)
    sqs.untag_queue(QueueUrl=url, TagKeys=["team"])
    sqs.add_permission(QueueUrl=url, Label="them", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
    sqs.remove_permission(QueueUrl=url, Label="them")
    for queue_url in (url, fifo):
        names = MODEL.shape_for("QueueAttributeName").enum
        found = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        assert found == sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]


def play_messages(sqs, fifo):
    both = {
        "text": {"DataType": "String", "StringValue": "é"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    message = {"MessageAttributes": both, "MessageSystemAttributes": trace, "MessageGroupId": "g", "DelaySeconds": 0}
    sqs.send_message(QueueUrl=fifo, MessageBody="a", MessageDeduplicationId="a", **message)
    entries = [
        {"Id": "b", "MessageBody": "b", "MessageDeduplicationId": "b", **message},
        {"Id": "c", "MessageBody": "c", "MessageDeduplicationId": "c", **message, "MessageGroupId": "h"},
    ]
    sqs.send_message_batch(QueueUrl=fifo, Entries=entries)
    for strange in (
        {"DataType": "String", "StringListValues": ["a"]},
        {"DataType": "Binary", "BinaryListValues": [b"a"]},
        {"DataType": "Binary", "BinaryValue": b"a"},
    ):
        for given in ({"MessageAttributes": {"k": strange}}, {"MessageSystemAttributes": {"AWSTraceHeader": strange}}):
            if given != {"MessageAttributes": {"k": {"DataType": "Binary", "BinaryValue": b"a"}}}:
                refused(sqs.send_message, QueueUrl=fifo, MessageBody="x", MessageGroupId="g", **given)
                entry = {"Id": "x", "MessageBody": "x", "MessageGroupId": "g", **given}
                refused(sqs.send_message_batch, QueueUrl=fifo, Entries=[entry])
    standard = sqs.create_queue(QueueName="plain")["QueueUrl"]
    sent = sqs.send_message_batch(
        QueueUrl=standard, Entries=[{"Id": "d", "MessageBody": ""}, {"Id": "e", "MessageBody": "e"}]
    )
    assert (["e"], ["d"]) == ([entry["Id"] for entry in sent["Successful"]], [entry["Id"] for entry in sent["Failed"]])
    names = MODEL.shape_for("MessageSystemAttributeName").enum
    first = sqs.receive_message(
        QueueUrl=fifo,
        AttributeNames=["All"],
        MessageSystemAttributeNames=names,
        MessageAttributeNames=["All"],
        MaxNumberOfMessages=2,
        VisibilityTimeout=60,
        WaitTimeSeconds=1,
        ReceiveRequestAttemptId="attempt",
    )
    handles = [message["ReceiptHandle"] for message in first["Messages"]]
    sqs.change_message_visibility(QueueUrl=fifo, ReceiptHandle=handles[0], VisibilityTimeout=90)
    sqs.delete_message(QueueUrl=fifo, ReceiptHandle=handles[0])
    entries = [{"Id": "x", "ReceiptHandle": "nonsense"}, {"Id": "y", "ReceiptHandle": handles[1]}]
    sqs.change_message_visibility_batch(QueueUrl=fifo, Entries=[entry | {"VisibilityTimeout": 30} for entry in entries])
    sqs.delete_message_batch(QueueUrl=fifo, Entries=entries)


def play_move_tasks(sim, sqs):
    dlq = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dlq, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    sqs.create_queue(QueueName="source", Attributes={"RedrivePolicy": policy})
    spring = sqs.create_queue(QueueName="spring")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=spring, Attributes={"RedrivePolicy": policy})
    token = sqs.list_dead_letter_source_queues(QueueUrl=dlq, MaxResults=1)["NextToken"]
    sqs.list_dead_letter_source_queues(QueueUrl=dlq, MaxResults=1, NextToken=token)
    for number in range(3):
        sqs.send_message(QueueUrl=dlq, MessageBody=f"{number}")
    to = arn.replace("dead", "source")
    task = sqs.start_message_move_task(SourceArn=arn, DestinationArn=to, MaxNumberOfMessagesPerSecond=1)
    assert "RUNNING" == sqs.list_message_move_tasks(SourceArn=arn)["Results"][0]["Status"]
    sqs.cancel_message_move_task(TaskHandle=task["TaskHandle"])
    sqs.start_message_move_task(SourceArn=arn)
    sim.run()
    tasks = sqs.list_message_move_tasks(SourceArn=arn, MaxResults=10)["Results"]
    assert ["FAILED", "CANCELLED"] == [task["Status"] for task in tasks]


def refused(call, **parameters):
    with pytest.raises(ClientError):
        call(**parameters)


def paths_of(shape, path):
    """All members of a shape, and those inside them."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield f"{path}.{name}"
            yield from paths_of(member, f"{path}.{name}")
    elif shape.type_name == "list":
        yield from paths_of(shape.member, path)
    elif shape.type_name == "map":
        yield from paths_of(shape.value, path)


def paths_in(shape, value, path):
    """Those of them that a value has."""
    if shape.type_name == "structure":
        for name, item in value.items():
            yield f"{path}.{name}"
            yield from paths_in(shape.members[name], item, f"{path}.{name}")
    elif shape.type_name == "list":
        for item in value:
            yield from paths_in(shape.member, item, path)
    elif shape.type_name == "map":
        for item in value.values():
            yield from paths_in(shape.value, item, path)


@pytest.fixture(scope="module", params=PROTOCOLS)
def played(request):
    sim = Simulation()
    bridge = Bridge(sim, protocol=request.param)
    play(sim, bridge)
    return bridge


def test_every_operation_is_called(played):
    assert set(MODEL.operation_names) == {call.operation for call in played.calls}


@pytest.mark.parametrize("operation", MODEL.operation_names)
def test_every_parameter_is_passed(played, operation):
    shape = MODEL.operation_model(operation).input_shape
    passed = set()
    for call in played.calls:
        if call.operation == operation:
            passed.update(paths_in(shape, call.parameters, operation))
    assert set() == set(paths_of(shape, operation)) - passed


@pytest.mark.parametrize("operation", MODEL.operation_names)
def test_every_member_of_an_answer_comes(played, operation):
    """What comes is of the model: `Bridge` has it checked. What never comes is what SQS does not support."""
    shape = MODEL.operation_model(operation).output_shape
    expected = set() if shape is None else set(paths_of(shape, operation))
    seen = set()
    for call, result in zip(played.calls, played.results, strict=True):
        if call.operation == operation and isinstance(result, dict):
            seen.update(paths_in(shape, result, operation) if shape is not None else result)
    assert [] == sorted(path for path in expected - seen if not path.endswith(LISTS))


def test_every_attribute_is_set(played):
    """All attributes of the model but those that AWS keeps itself can be given to a new queue, and to one that is."""
    kept = {"All", "QueueArn", "CreatedTimestamp", "LastModifiedTimestamp"}
    kept |= {name for name in MODEL.shape_for("QueueAttributeName").enum if name.startswith("Approximate")}
    for operation in ("CreateQueue", "SetQueueAttributes"):
        given = set()
        for call in played.calls:
            if call.operation == operation:
                given.update(call.parameters.get("Attributes", ()))
        assert set(MODEL.shape_for("QueueAttributeName").enum) == given | kept


def test_every_system_attribute_of_a_send_is_given(played):
    given = set()
    for call in played.calls:
        given.update(call.parameters.get("MessageSystemAttributes", ()))
    assert set(MODEL.shape_for("MessageSystemAttributeNameForSends").enum) == given


@pytest.mark.rule("SQS-620")
def test_every_error_of_the_model_is_ours():
    """Each has a class under the name of its shape, and the other way round, but for two that the model lacks."""
    shapes = {shape.name for shape in MODEL.error_shapes}
    assert set(errors.__all__) - shapes == {"InvalidParameterValueException", "MissingRequiredParameterException"}
    assert set() == shapes - set(errors.__all__)
