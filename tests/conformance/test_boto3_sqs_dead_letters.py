"""Dead-letter queues and move tasks through real clients of boto3."""

from __future__ import annotations

import base64
import json
from uuid import UUID

import pytest

from tests.bridge import answered, assert_refused, bodies, error_of, refusal

ACCOUNT = "arn:aws:sqs:us-east-1:123456789012"
# Lists that are there when they are empty, where the protocol can say so.
NOTHING = {
    "json": {"queueUrls": {"queueUrls": []}, "Results": {"Results": []}},
    "query": {"queueUrls": {}, "Results": {}},
}
NO_SOURCE = "The resource that you specified for the SourceArn parameter doesn't exist."


def policy(target="dlq", count=1, **others):
    return json.dumps({"deadLetterTargetArn": f"{ACCOUNT}:{target}", "maxReceiveCount": count} | others)


def make(sqs, name, **attributes):
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def attribute(sqs, url, name):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]


def handle_of(task_id, source_arn):
    return base64.b64encode(json.dumps({"taskId": task_id, "sourceArn": source_arn}).encode()).decode()


@pytest.fixture
def dlq(sqs):
    return make(sqs, "dlq")


@pytest.fixture
def source(sqs, dlq):
    return make(sqs, "source", RedrivePolicy=policy())


@pytest.fixture
def dead(sqs, source, dlq):
    """The dead-letter queue with three messages from its source."""
    for body in "abc":
        sqs.send_message(
            QueueUrl=source, MessageBody=body, MessageAttributes={"k": {"DataType": "String", "StringValue": body}}
        )
    for _ in range(2):
        sqs.receive_message(QueueUrl=source, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return dlq


# ---- policies


@pytest.mark.rule("SQS-100")
@pytest.mark.parametrize("text", [policy(count=1), policy(count="1000"), policy(count=5).replace(" ", "")])
def test_policy_is_shown_as_it_was_given(sqs, dlq, text):
    url = make(sqs, "source", RedrivePolicy=text)
    assert text == attribute(sqs, url, "RedrivePolicy")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": text})
    assert text == attribute(sqs, url, "RedrivePolicy")
    assert url == make(sqs, "source", RedrivePolicy=text)


@pytest.mark.rule("SQS-101", "SQS-102", "SQS-103")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            json.dumps({"deadLetterTargetArn": f"{ACCOUNT}:dlq"}),
            "Redrive policy does not contain mandatory attribute: maxReceiveCount.",
        ),
        (
            json.dumps({"maxReceiveCount": "42"}),
            "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.",
        ),
        (
            policy(count="invalid"),
            "Invalid value for maxReceiveCount: invalid, valid values are from 1 to 1000 both inclusive.",
        ),
        (policy(count=0), "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive."),
        (
            policy(count=1_001),
            "Invalid value for maxReceiveCount: 1001, valid values are from 1 to 1000 both inclusive.",
        ),
        (policy(more=1), "Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn]."),
        ('{"deadLetterTargetArn": "dummy", "maxReceiveCount": 42}', "Invalid value for deadLetterTargetArn."),
        (
            '{"deadLetterTargetArn": "arn:aws:sns:us-east-1:123456789012:dlq", "maxReceiveCount": 1}',
            "Only SQS queues are valid resources for deadLetterTargetArn.",
        ),
        (policy("nope"), "Dead letter target does not exist."),
        (policy().replace("us-east-1", "eu-west-1"), "Dead letter target does not exist."),
    ],
)
def test_policies_that_are_refused(sqs, dlq, text, reason):
    wrong = ("InvalidParameterValue", f"Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}")
    assert wrong == error_of(sqs.create_queue, QueueName="source", Attributes={"RedrivePolicy": text})
    url = make(sqs, "source")
    assert wrong == error_of(sqs.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": text})
    assert {} == answered(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"]))


@pytest.mark.rule("SQS-102")
def test_policy_that_is_no_json(sqs):
    assert_refused(
        "InvalidAttributeValue",
        "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map.",
        sqs.create_queue,
        QueueName="source",
        Attributes={"RedrivePolicy": "[1]"},
    )


@pytest.mark.rule("SQS-101")
def test_both_queues_are_of_one_type(sqs, dlq):
    make(sqs, "dlq.fifo", FifoQueue="true")
    for target, attributes, name in (("dlq", {"FifoQueue": "true"}, "source.fifo"), ("dlq.fifo", {}, "source")):
        code, message = error_of(
            sqs.create_queue, QueueName=name, Attributes=attributes | {"RedrivePolicy": policy(target)}
        )
        assert "InvalidParameterValue" == code
        assert message.endswith("Reason: Dead-letter queue must be same type of queue as the source..")
    make(sqs, "source.fifo", FifoQueue="true", RedrivePolicy=policy("dlq.fifo"))


@pytest.mark.rule("SQS-104", "SQS-105", "SQS-106")
def test_allow_policies(sqs, dlq):
    allow = '{"redrivePermission": "byQueue", "sourceQueueArns": ["%s:friend"]}' % ACCOUNT  # noqa: UP031 - braces
    sqs.set_queue_attributes(QueueUrl=dlq, Attributes={"RedriveAllowPolicy": allow})
    assert allow == attribute(sqs, dlq, "RedriveAllowPolicy")
    make(sqs, "friend", RedrivePolicy=policy())
    code, message = error_of(sqs.create_queue, QueueName="other", Attributes={"RedrivePolicy": policy()})
    assert "InvalidParameterValue" == code
    assert message.endswith("Reason: Dead letter target does not allow this queue as a source.")
    prefix = "Invalid value for the parameter RedriveAllowPolicy. Reason: "
    for text, reason in (
        ("{}", "Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format."),
        (
            '{"redrivePermission": "byQueue"}',
            "When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values.",
        ),
        (
            json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [f"{ACCOUNT}:{n}" for n in range(11)]}),
            "The maximum number of source queue ARNs you can specify is 10.",
        ),
        (
            json.dumps({"redrivePermission": "allowAll", "sourceQueueArns": [f"{ACCOUNT}:q"]}),
            "To specify one or more source queue ARNs, you must set redrivePermission to byQueue.",
        ),
    ):
        assert ("InvalidParameterValue", prefix + reason) == error_of(
            sqs.set_queue_attributes, QueueUrl=dlq, Attributes={"RedriveAllowPolicy": text}
        )


@pytest.mark.rule("SQS-053")
def test_sources_of_a_dead_letter_queue(sqs, dlq, protocol):
    assert answered(sqs.list_dead_letter_source_queues(QueueUrl=dlq)) == NOTHING[protocol]["queueUrls"]
    urls = [make(sqs, name, RedrivePolicy=policy()) for name in ("b", "a", "c")]
    assert {"queueUrls": sorted(urls)} == answered(sqs.list_dead_letter_source_queues(QueueUrl=dlq))
    sqs.set_queue_attributes(QueueUrl=urls[0], Attributes={"RedrivePolicy": ""})
    sqs.delete_queue(QueueUrl=urls[2])
    assert {"queueUrls": [urls[1]]} == answered(sqs.list_dead_letter_source_queues(QueueUrl=dlq))


# ---- moves


@pytest.mark.rule("SQS-430", "SQS-432", "SQS-433")
def test_message_is_moved_by_the_receive_after_the_last_one(sim, sqs, dlq):
    """It keeps what it is; its counts go on."""
    source = make(sqs, "source", RedrivePolicy=policy(count=2), VisibilityTimeout="1")
    sent = sqs.send_message(
        QueueUrl=source, MessageBody="a", MessageAttributes={"k": {"DataType": "String", "StringValue": "x"}}
    )
    for _ in range(2):
        assert ["a"] == bodies(sqs.receive_message(QueueUrl=source))
        sim.run_for(1)
    assert {} == answered(sqs.receive_message(QueueUrl=dlq))
    assert {} == answered(sqs.receive_message(QueueUrl=source))
    (message,) = sqs.receive_message(QueueUrl=dlq, AttributeNames=["All"], MessageAttributeNames=["All"])["Messages"]
    assert (sent["MessageId"], sent["MD5OfMessageAttributes"]) == (
        message["MessageId"],
        message["MD5OfMessageAttributes"],
    )
    assert message["Attributes"] == {
        "ApproximateFirstReceiveTimestamp": "1767225600000",
        "ApproximateReceiveCount": "3",
        "DeadLetterQueueSourceArn": f"{ACCOUNT}:source",
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "SentTimestamp": "1767225600000",
    }


@pytest.mark.rule("SQS-107", "SQS-431")
def test_chain(sqs):
    urls = [make(sqs, name, VisibilityTimeout="0") for name in "abc"]
    for url, target in zip(urls, "bc", strict=False):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy(target)})
    sqs.send_message(QueueUrl=urls[0], MessageBody="m")
    for url in urls[:2]:
        assert [["m"], []] == [bodies(sqs.receive_message(QueueUrl=url)) for _ in range(2)]
    assert ["m"] == bodies(sqs.receive_message(QueueUrl=urls[2]))


@pytest.mark.rule("SQS-435")
def test_fifo_move(sqs):
    dlq = make(sqs, "dlq.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    source = make(
        sqs, "source.fifo", FifoQueue="true", ContentBasedDeduplication="true", RedrivePolicy=policy("dlq.fifo", 2)
    )
    sent = sqs.send_message(QueueUrl=source, MessageBody="a", MessageGroupId="g")
    sqs.send_message(QueueUrl=source, MessageBody="b", MessageGroupId="g")
    for expected in ("a", "a", "b"):
        assert [expected] == bodies(sqs.receive_message(QueueUrl=source, VisibilityTimeout=0))
    (message,) = sqs.receive_message(QueueUrl=dlq, WaitTimeSeconds=10, AttributeNames=["All"])["Messages"]
    assert ("a", sent["MessageId"], "g") == (
        message["Body"],
        message["MessageId"],
        message["Attributes"]["MessageGroupId"],
    )


# ---- move tasks


@pytest.mark.rule("SQS-460", "SQS-464", "SQS-465", "SQS-468", "SQS-469")
def test_task_moves_messages_to_another_queue(sim, sqs, dead):
    """They are new messages there. Of a task that is done no handle is shown, and nothing that was not given."""
    to = make(sqs, "destination")
    old = sqs.receive_message(QueueUrl=dead, VisibilityTimeout=0)["Messages"][0]
    started = sqs.start_message_move_task(SourceArn=f"{ACCOUNT}:dlq", DestinationArn=f"{ACCOUNT}:destination")
    assert {"TaskHandle"} == set(answered(started))
    handle = json.loads(base64.b64decode(started["TaskHandle"]))
    assert {"taskId", "sourceArn"} == set(handle)
    assert (f"{ACCOUNT}:dlq", str(UUID(handle["taskId"]))) == (handle["sourceArn"], handle["taskId"])
    sim.run()
    received = sqs.receive_message(
        QueueUrl=to, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
    )["Messages"]
    assert ["a", "b", "c"] == [message["Body"] for message in received]
    assert ["a", "b", "c"] == [message["MessageAttributes"]["k"]["StringValue"] for message in received]
    assert old["MessageId"] not in {message["MessageId"] for message in received}
    assert {"1"} == {message["Attributes"]["ApproximateReceiveCount"] for message in received}
    assert {} == answered(sqs.receive_message(QueueUrl=dead))
    (entry,) = sqs.list_message_move_tasks(SourceArn=f"{ACCOUNT}:dlq")["Results"]
    assert entry == {
        "Status": "COMPLETED",
        "SourceArn": f"{ACCOUNT}:dlq",
        "DestinationArn": f"{ACCOUNT}:destination",
        "ApproximateNumberOfMessagesMoved": 3,
        "ApproximateNumberOfMessagesToMove": 3,
        "StartedTimestamp": 1_767_225_600_000,
    }


@pytest.mark.rule("SQS-460", "SQS-462")
def test_task_brings_messages_back_at_its_rate(sim, sqs, source, dead, protocol):
    assert answered(sqs.list_message_move_tasks(SourceArn=f"{ACCOUNT}:dlq")) == NOTHING[protocol]["Results"]
    handle = sqs.start_message_move_task(SourceArn=f"{ACCOUNT}:dlq", MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    for moved in (1, 2, 3):
        (entry,) = sqs.list_message_move_tasks(SourceArn=f"{ACCOUNT}:dlq")["Results"]
        assert entry == {
            "Status": "RUNNING",
            "TaskHandle": handle,
            "SourceArn": f"{ACCOUNT}:dlq",
            "MaxNumberOfMessagesPerSecond": 1,
            "ApproximateNumberOfMessagesMoved": moved,
            "ApproximateNumberOfMessagesToMove": 3,
            "StartedTimestamp": 1_767_225_600_000,
        }
        sim.run_for(1)
    assert ["a", "b", "c"] == bodies(sqs.receive_message(QueueUrl=source, MaxNumberOfMessages=10))


@pytest.mark.rule("SQS-466", "SQS-467")
def test_cancelled_task(sim, sqs, dead):
    arn = f"{ACCOUNT}:dlq"
    handle = sqs.start_message_move_task(SourceArn=arn, MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    sim.run_for(1)
    assert {"ApproximateNumberOfMessagesMoved": 2} == answered(sqs.cancel_message_move_task(TaskHandle=handle))
    (entry,) = sqs.list_message_move_tasks(SourceArn=arn)["Results"]
    assert ("CANCELLED", 2) == (entry["Status"], entry["ApproximateNumberOfMessagesMoved"])
    assert "TaskHandle" not in entry
    assert ["c"] == bodies(sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10))
    assert ("ResourceNotFoundException", "Task does not exist.") == error_of(
        sqs.cancel_message_move_task, TaskHandle=handle
    )


@pytest.mark.rule("SQS-465")
def test_failed_tasks(sim, sqs, source, dead):
    """One whose destination goes, and one that does not know where a message came from."""
    to = make(sqs, "destination")
    arn = f"{ACCOUNT}:dlq"
    sqs.start_message_move_task(SourceArn=arn, DestinationArn=f"{ACCOUNT}:destination", MaxNumberOfMessagesPerSecond=1)
    sqs.delete_queue(QueueUrl=to)
    sim.run()
    sqs.purge_queue(QueueUrl=dead)
    sqs.send_message(QueueUrl=dead, MessageBody="direct")
    sqs.start_message_move_task(SourceArn=arn)
    newest, older = sqs.list_message_move_tasks(SourceArn=arn, MaxResults=10)["Results"]
    assert ("FAILED", "CouldNotDetermineMessageSource", 0) == (
        newest["Status"],
        newest["FailureReason"],
        newest["ApproximateNumberOfMessagesMoved"],
    )
    assert ("FAILED", "AWS.SimpleQueueService.NonExistentQueue") == (older["Status"], older["FailureReason"])
    assert ["direct"] == bodies(sqs.receive_message(QueueUrl=dead))


@pytest.mark.rule("SQS-461")
def test_tasks_that_cannot_start(sqs, source, dead):
    start, arn = sqs.start_message_move_task, f"{ACCOUNT}:dlq"
    make(sqs, "other.fifo", FifoQueue="true")
    form = "You must use this format to specify the {}: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
    rate = (
        "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a number that's between 1 "
        "and 500."
    )
    for given, message in (
        ({"SourceArn": "dlq"}, form.format("SourceArn")),
        ({"SourceArn": arn, "DestinationArn": "x"}, form.format("DestinationArn")),
        ({"SourceArn": arn, "MaxNumberOfMessagesPerSecond": 0}, rate),
        ({"SourceArn": arn, "MaxNumberOfMessagesPerSecond": 501}, rate),
        (
            {"SourceArn": arn, "DestinationArn": arn},
            "Source queue arn and destination queue arn cannot be the same.",
        ),
        (
            {"SourceArn": f"{ACCOUNT}:source", "DestinationArn": arn},
            "Source queue must be configured as a Dead Letter Queue.",
        ),
        (
            {"SourceArn": arn, "DestinationArn": f"{ACCOUNT}:other.fifo"},
            "The source queue and destination queue must be of the same queue type.",
        ),
    ):
        assert ("InvalidParameterValue", message) == error_of(start, **given)
    for given, parameter in (
        ({"SourceArn": f"{arn}-unknown"}, "SourceArn"),
        ({"SourceArn": arn, "DestinationArn": f"{arn}doesntexist"}, "DestinationArn"),
    ):
        missing = f"The resource that you specified for the {parameter} parameter doesn't exist."
        assert ("ResourceNotFoundException", missing) == error_of(start, **given)
        assert 404 == refusal(start, **given)["ResponseMetadata"]["HTTPStatusCode"]
    start(SourceArn=arn, MaxNumberOfMessagesPerSecond=1)
    assert_refused(
        "InvalidParameterValue",
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
        start,
        SourceArn=arn,
    )


@pytest.mark.rule("SQS-466", "SQS-468")
def test_tasks_that_cannot_be_found(sqs, source, dead):
    cancel, some = sqs.cancel_message_move_task, "10f57157-fc38-4da9-a113-4de7e12d05dd"
    assert ("InvalidParameterValue", "Value for parameter TaskHandle is invalid.") == error_of(
        cancel, TaskHandle="foobared"
    )
    assert ("ResourceNotFoundException", NO_SOURCE) == error_of(
        cancel, TaskHandle=handle_of(some, f"{ACCOUNT}:unknown-queue")
    )
    assert ("ResourceNotFoundException", "Task does not exist.") == error_of(
        cancel, TaskHandle=handle_of(some, f"{ACCOUNT}:source")
    )
    with pytest.raises(sqs.exceptions.ResourceNotFoundException):
        sqs.list_message_move_tasks(SourceArn=f"{ACCOUNT}:unknown-queue")
    for wrong in (0, 11):
        code, _ = error_of(sqs.list_message_move_tasks, SourceArn=f"{ACCOUNT}:dlq", MaxResults=wrong)
        assert "InvalidParameterValue" == code


@pytest.mark.rule("SQS-468")
def test_newest_tasks_come_first(sim, sqs, source, dead):
    arn = f"{ACCOUNT}:dlq"
    for rate in (1, 2, 3):
        sqs.start_message_move_task(SourceArn=arn, MaxNumberOfMessagesPerSecond=rate)
        sim.run()

    def rates(**parameters):
        results = sqs.list_message_move_tasks(SourceArn=arn, **parameters)["Results"]
        return [entry["MaxNumberOfMessagesPerSecond"] for entry in results]

    assert ([3], [3, 2], [3, 2, 1]) == (rates(), rates(MaxResults=2), rates(MaxResults=10))
