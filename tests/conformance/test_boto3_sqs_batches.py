"""Batches through real clients of boto3: each entry its own success or failure, and errors of the whole."""

from __future__ import annotations

import hashlib

import pytest

from lambdasim import SqsConfig
from tests.bridge import answered, assert_refused, bodies, error_of

PREFIX = "AWS.SimpleQueueService."
ID = (
    "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters "
    "long."
)
TOO_LONG = "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes."
CHARACTERS = (
    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | "
    "#x10000 to #x10FFFF"
)
LIST = "Message attribute list values in SendMessage operation are not supported."


def entries(texts, **members):
    return [{"Id": f"id-{text}", "MessageBody": text, **members} for text in texts]


def failed(entry_id, code, message):
    return {"Id": entry_id, "SenderFault": True, "Code": code, "Message": message}


@pytest.fixture
def handles(sqs, url):
    """Of three messages that were received."""
    sqs.send_message_batch(QueueUrl=url, Entries=entries("abc"))
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [message["ReceiptHandle"] for message in received["Messages"]]


# ---- sends


@pytest.mark.rule("SQS-160", "SQS-180", "SQS-185")
def test_sends(sqs, url):
    """Where all succeeded nothing is said of failures."""
    result = answered(sqs.send_message_batch(QueueUrl=url, Entries=entries("abc")))
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert list("abc") == [message["Body"] for message in messages]
    assert result == {
        "Successful": [
            {
                "Id": f"id-{message['Body']}",
                "MessageId": message["MessageId"],
                "MD5OfMessageBody": hashlib.md5(message["Body"].encode()).hexdigest(),
            }
            for message in messages
        ]
    }


@pytest.mark.rule("SQS-180", "SQS-184")
def test_each_entry_fails_by_itself(sqs, url):
    """An entry fails as the same send would; all others are in."""
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": "1024"})
    bad = {
        "empty": {"MessageBody": ""},
        "long": {"MessageBody": "x" * 1_025},
        "strange": {"MessageBody": "\x01"},
        "delay": {"DelaySeconds": 901},
        "list": {"MessageAttributes": {"k": {"DataType": "String", "StringListValues": ["x"]}}},
        "group": {"MessageGroupId": " "},
        "dedup": {"MessageDeduplicationId": "d"},
    }
    given = [{"Id": name, "MessageBody": name, **members} for name, members in bad.items()]
    result = sqs.send_message_batch(QueueUrl=url, Entries=[*given[:3], *entries("ab"), *given[3:]])
    assert ["id-a", "id-b"] == [entry["Id"] for entry in result["Successful"]]
    assert result["Failed"] == [
        failed("empty", "MissingParameter", "The request must contain the parameter MessageBody."),
        failed("long", "InvalidParameterValue", TOO_LONG),
        failed("strange", "InvalidMessageContents", CHARACTERS),
        failed(
            "delay",
            "InvalidParameterValue",
            "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
        ),
        failed("list", "InvalidParameterValue", LIST),
        failed(
            "group",
            "InvalidParameterValue",
            "Value   for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and "
            "punctuation characters. 1 to 128 in length.",
        ),
        failed(
            "dedup",
            "InvalidParameterValue",
            "Value d for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is "
            "not valid for this queue type.",
        ),
    ]
    assert ["a", "b"] == bodies(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10))


@pytest.mark.rule("SQS-180")
def test_nothing_is_said_of_successes_where_all_failed(sqs, url):
    result = sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": ""}])
    assert {"Failed"} == set(answered(result))


@pytest.mark.rule("SQS-168", "SQS-185")
def test_members_of_an_entry(sim, sqs, url):
    """An entry has all that a send may have."""
    attributes = {"b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}}
    members = {"MessageAttributes": attributes, "MessageSystemAttributes": trace, "MessageGroupId": "tenant"}
    (sent,) = sqs.send_message_batch(QueueUrl=url, Entries=entries("a", DelaySeconds=2, **members))["Successful"]
    assert {} == answered(sqs.receive_message(QueueUrl=url))
    sim.run_for(2)
    (message,) = sqs.receive_message(QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"])["Messages"]
    assert attributes == message["MessageAttributes"]
    assert sent["MD5OfMessageAttributes"] == message["MD5OfMessageAttributes"]
    assert ("Root=1", "tenant") == (message["Attributes"]["AWSTraceHeader"], message["Attributes"]["MessageGroupId"])
    single = sqs.send_message(QueueUrl=url, MessageBody="a", MessageSystemAttributes=trace)
    assert single["MD5OfMessageSystemAttributes"] == sent["MD5OfMessageSystemAttributes"]


# ---- errors of the whole


@pytest.mark.rule("SQS-181", "SQS-182")
@pytest.mark.parametrize(
    ("operation", "shape", "members"),
    [
        ("send_message_batch", "SendMessageBatchRequestEntry", {"MessageBody": "a"}),
        ("delete_message_batch", "DeleteMessageBatchRequestEntry", {"ReceiptHandle": "a"}),
        (
            "change_message_visibility_batch",
            "ChangeMessageVisibilityBatchRequestEntry",
            {"ReceiptHandle": "a", "VisibilityTimeout": 1},
        ),
    ],
)
def test_batches_that_are_refused_as_a_whole(sim, sqs, url, operation, shape, members):
    call = getattr(sqs, operation)

    def error(*ids):
        return error_of(call, QueueUrl=url, Entries=[{"Id": entry_id, **members} for entry_id in ids])

    assert (f"{PREFIX}EmptyBatchRequest", f"There should be at least one {shape} in the request.") == error()
    many = [f"{number}" for number in range(20)]
    assert (
        f"{PREFIX}TooManyEntriesInBatchRequest",
        "Maximum number of entries per request are 10. You have sent 20.",
    ) == error(*many)
    for strange in ("", "x" * 81, "a:b", "a b", ".!@#$%^&*()+=", "ä"):
        assert (f"{PREFIX}InvalidBatchEntryId", ID) == error("fine", strange)
    assert (f"{PREFIX}BatchEntryIdsNotDistinct", "Id 2 repeated.") == error("1", "2", "2", "1")
    assert 0 == len(sim.queue("orders").messages)
    for entry_id in ("x" * 80, "A-z_0"):
        call(QueueUrl=url, Entries=[{"Id": entry_id, **members}])


@pytest.mark.rule("SQS-181", "SQS-183", "SQS-184")
def test_size_of_a_batch(sim, sqs, url):
    """The batch has a limit of its own, which that of the queue does not change."""
    attributes = {"k": {"DataType": "String", "StringValue": "x"}}
    large = {"Id": "1", "MessageBody": "a" * (1_048_576 - 8), "MessageAttributes": attributes}
    over = [large, {"Id": "2", "MessageBody": "b"}]
    assert_refused(
        f"{PREFIX}BatchRequestTooLong",
        "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
        sqs.send_message_batch,
        QueueUrl=url,
        Entries=over,
    )
    with pytest.raises(sqs.exceptions.BatchRequestTooLong):
        sqs.send_message_batch(QueueUrl=url, Entries=over)
    assert 0 == len(sim.queue("orders").messages)
    assert {"Successful"} == set(answered(sqs.send_message_batch(QueueUrl=url, Entries=over[:1])))


@pytest.mark.rule("SQS-081", "SQS-183")
def test_size_of_a_batch_before_2025(world):
    _, sqs = world(settings=[SqsConfig(max_payload_bytes=262_144)])
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    assert_refused(
        f"{PREFIX}BatchRequestTooLong",
        "Batch requests cannot be longer than 262144 bytes. You have sent 262145 bytes.",
        sqs.send_message_batch,
        QueueUrl=url,
        Entries=[{"Id": "1", "MessageBody": "b" * 262_145}],
    )
    assert_refused(
        "InvalidParameterValue",
        "One or more parameters are invalid. Reason: Message must be shorter than 262144 bytes.",
        sqs.send_message,
        QueueUrl=url,
        MessageBody="b" * 262_145,
    )


@pytest.mark.rule("SQS-186")
def test_fifo_batch_with_an_entry_that_lacks_an_id(sim, sqs, fifo_url):
    """It is refused as a whole, and with other codes than a single send."""
    full = {"Id": "1", "MessageBody": "a", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
    without_group = {"Id": "2", "MessageBody": "a", "MessageDeduplicationId": "e"}
    without_id = {"Id": "2", "MessageBody": "a", "MessageGroupId": "g"}
    assert ("InvalidParameterValue", "The request must contain the parameter MessageGroupId.") == error_of(
        sqs.send_message_batch, QueueUrl=fifo_url, Entries=[full, without_group]
    )
    assert_refused(
        "InvalidParameterValue",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        sqs.send_message_batch,
        QueueUrl=fifo_url,
        Entries=[full, without_id],
    )
    assert 0 == len(sim.queue("orders.fifo").messages)


@pytest.mark.rule("SQS-186", "SQS-187")
def test_fifo_batch(sqs, fifo_url):
    """Entries get rising sequence numbers; one that repeats another is answered like that one."""
    given = [
        {"Id": f"{number}", "MessageBody": body, "MessageGroupId": "g", "MessageDeduplicationId": body}
        for number, body in enumerate("aab")
    ]
    sent = sqs.send_message_batch(QueueUrl=fifo_url, Entries=given)["Successful"]
    assert ["0", "1", "2"] == [entry["Id"] for entry in sent]
    assert sent[0]["MessageId"] == sent[1]["MessageId"] != sent[2]["MessageId"]
    assert sent[0]["SequenceNumber"] == sent[1]["SequenceNumber"] < sent[2]["SequenceNumber"]
    assert ["a", "b"] == bodies(sqs.receive_message(QueueUrl=fifo_url, MaxNumberOfMessages=10))


# ---- deletes and changes of visibility


@pytest.mark.rule("SQS-180", "SQS-188")
def test_deletes(sim, sqs, url, handles):
    result = sqs.delete_message_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "fake-1", "ReceiptHandle": "fake"},
            {"Id": "a", "ReceiptHandle": handles[0]},
            {"Id": "b", "ReceiptHandle": handles[1]},
            {"Id": "again", "ReceiptHandle": handles[1]},
            {"Id": "fake-2", "ReceiptHandle": ""},
        ],
    )
    assert [{"Id": "a"}, {"Id": "b"}, {"Id": "again"}] == result["Successful"]
    assert result["Failed"] == [
        failed(
            f"fake-{number}",
            "ReceiptHandleIsInvalid",
            f'The input receipt handle "{handle}" is not a valid receipt handle.',
        )
        for number, handle in ((1, "fake"), (2, ""))
    ]
    assert ["c"] == [message.body for message in sim.queue("orders").messages]
    last = [{"Id": "c", "ReceiptHandle": handles[2]}]
    assert {"Successful": [{"Id": "c"}]} == answered(sqs.delete_message_batch(QueueUrl=url, Entries=last))


@pytest.mark.rule("SQS-180", "SQS-188", "SQS-189")
def test_changes_of_visibility(sim, sqs, url, handles):
    timeouts = {"now": 0, "later": 100, "too long": 43_201}
    given = [
        {"Id": name.replace(" ", "-"), "ReceiptHandle": handle, "VisibilityTimeout": timeout}
        for handle, (name, timeout) in zip(handles, timeouts.items(), strict=True)
    ]
    result = sqs.change_message_visibility_batch(
        QueueUrl=url, Entries=[*given, {"Id": "none", "ReceiptHandle": handles[0]}]
    )
    assert [{"Id": "now"}, {"Id": "later"}] == result["Successful"]
    assert result["Failed"] == [
        failed("too-long", "InvalidParameterValue", "VisibilityTimeout must be an integer between 0 and 43200."),
        failed("none", "MissingParameter", "The request must contain the parameter VisibilityTimeout."),
    ]
    assert ["a"] == bodies(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1_000))
    sim.run_for(30)
    assert ["c"] == bodies(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10))
    sim.run_for(70)
    assert ["b", "c"] == bodies(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10))


@pytest.mark.rule("SQS-188")
def test_expired_handles_of_a_fifo_queue(sim, sqs, fifo_url):
    sqs.send_message(QueueUrl=fifo_url, MessageBody="a", MessageGroupId="g", MessageDeduplicationId="a")
    (message,) = sqs.receive_message(QueueUrl=fifo_url, VisibilityTimeout=1)["Messages"]
    sim.run_for(1)
    old = [{"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}]
    assert {"Failed": [failed("a", "ReceiptHandleIsInvalid", "The receipt handle has expired")]} == answered(
        sqs.delete_message_batch(QueueUrl=fifo_url, Entries=old)
    )
