"""FIFO queues through real clients of boto3: order, groups, deduplication, repeated receives."""

from __future__ import annotations

import hashlib

import pytest

from tests.bridge import answered, assert_refused, bodies, error_of

NO_ID = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"


def send(sqs, url, body, group="g", **parameters):
    parameters.setdefault("MessageDeduplicationId", body)
    return sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, **parameters)


def receive(sqs, url, limit=10, **parameters):
    return sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=limit, **parameters).get("Messages", [])


@pytest.fixture
def content_url(sqs):
    """Of a FIFO queue whose messages need no id."""
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    return sqs.create_queue(QueueName="content.fifo", Attributes=attributes)["QueueUrl"]


# ---- sends


@pytest.mark.rule("SQS-150", "SQS-160", "SQS-333")
def test_what_a_fifo_queue_says_of_a_message(sqs, fifo_url):
    first, second = send(sqs, fifo_url, "a"), send(sqs, fifo_url, "b")
    assert {"MessageId", "MD5OfMessageBody", "SequenceNumber"} == set(answered(first))
    assert 20 == len(first["SequenceNumber"])
    assert int(first["SequenceNumber"]) < int(second["SequenceNumber"])
    (message,) = receive(sqs, fifo_url, limit=1, AttributeNames=["All"])
    assert message["Attributes"] == {
        "ApproximateFirstReceiveTimestamp": "1767225600000",
        "ApproximateReceiveCount": "1",
        "MessageDeduplicationId": "a",
        "MessageGroupId": "g",
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "SentTimestamp": "1767225600000",
        "SequenceNumber": first["SequenceNumber"],
    }


@pytest.mark.rule("SQS-163", "SQS-166", "SQS-167")
def test_sends_that_a_fifo_queue_refuses(sim, sqs, fifo_url):
    send_message = sqs.send_message
    plain = {"QueueUrl": fifo_url, "MessageBody": "a"}
    assert ("InvalidParameterValue", NO_ID) == error_of(send_message, **plain, MessageGroupId="g")
    assert ("MissingParameter", "The request must contain the parameter MessageGroupId.") == error_of(
        send_message, **plain, MessageDeduplicationId="d"
    )
    full = plain | {"MessageGroupId": "g", "MessageDeduplicationId": "d"}
    assert_refused(
        "InvalidParameterValue",
        "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for "
        "this queue type.",
        send_message,
        **full,
        DelaySeconds=2,
    )
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        for wrong in ("", "a b", "ä", "x" * 129):
            assert_refused(
                "InvalidParameterValue",
                f"Value {wrong} for parameter {name} is invalid. Reason: {name} can only include alphanumeric and "
                "punctuation characters. 1 to 128 in length.",
                send_message,
                **full | {name: wrong},
            )
        assert "InvalidParameterValue" == error_of(send_message, **full | {name: "a\x08"})[0]
    assert 0 == len(sim.queue("orders.fifo").messages)
    send_message(**full | {"MessageGroupId": "!" * 128, "MessageDeduplicationId": "~" * 128}, DelaySeconds=0)


@pytest.mark.rule("SQS-167", "SQS-381")
def test_delay_of_the_queue(sim, sqs, fifo_url):
    sqs.set_queue_attributes(QueueUrl=fifo_url, Attributes={"DelaySeconds": "2"})
    for body in "ab":
        send(sqs, fifo_url, body, DelaySeconds=0)
    assert [] == receive(sqs, fifo_url, WaitTimeSeconds=1)
    sim.run_for(1)
    assert ["a", "b"] == [message["Body"] for message in receive(sqs, fifo_url)]


# ---- order and groups

# Bodies are a group and a number; times are those of one call a millisecond (SQS-329).
ORDERS = {
    "groups come one after the other": (["1a", "2a", "1b", "1c"], [(10, None, ["1a", "1b", "1c", "2a"])]),
    "a receive without a timeout does not block": (
        ["1a", "2a", "2b", "3a", "1b"],
        [(3, 0, ["1a", "1b", "2a"]), (10, 0, ["3a", "1a", "1b", "2a", "2b"])],
    ),
    "a group that is in flight waits": (["1a", "1b", "2a"], [(1, None, ["1a"]), (10, None, ["2a"])]),
}


@pytest.mark.rule("SQS-320", "SQS-321", "SQS-323", "SQS-324", "SQS-327", "SQS-329")
@pytest.mark.parametrize("case", ORDERS)
def test_order_of_groups(sim, sqs, fifo_url, case):
    sends, receives = ORDERS[case]
    for body in sends:
        send(sqs, fifo_url, body, group=body[0])
        sim.run_for(0.001)
    for limit, timeout, expected in receives:
        options = {} if timeout is None else {"VisibilityTimeout": timeout}
        assert expected == [message["Body"] for message in receive(sqs, fifo_url, limit=limit, **options)]
        sim.run_for(0.001)


@pytest.mark.rule("SQS-324", "SQS-326", "SQS-329")
def test_released_message_comes_after_groups_that_waited(sim, sqs, fifo_url):
    for body in ("1a", "1b", "2a"):
        send(sqs, fifo_url, body, group=body[0])
    sim.run_for(0.001)
    first, _ = receive(sqs, fifo_url, limit=2)
    sim.run_for(0.001)
    sqs.change_message_visibility(QueueUrl=fifo_url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    assert ["2a", "1a"] == [message["Body"] for message in receive(sqs, fifo_url, limit=3)]


@pytest.mark.rule("SQS-277", "SQS-325", "SQS-326")
def test_group_goes_on_when_its_messages_are_deleted(sqs, fifo_url):
    for body in ("1a", "1b", "1c", "2a"):
        send(sqs, fifo_url, body, group=body[0])
    first, second = receive(sqs, fifo_url, limit=2)
    sqs.delete_message(QueueUrl=fifo_url, ReceiptHandle=first["ReceiptHandle"])
    assert ["2a"] == [message["Body"] for message in receive(sqs, fifo_url)]
    sqs.delete_message(QueueUrl=fifo_url, ReceiptHandle=second["ReceiptHandle"])
    assert ["1c"] == [message["Body"] for message in receive(sqs, fifo_url)]


@pytest.mark.rule("SQS-320")
def test_messages_come_in_order_after_a_timeout(sim, sqs, fifo_url):
    for body in "abc":
        send(sqs, fifo_url, body)
    for _ in range(2):
        assert ["a", "b", "c"] == [message["Body"] for message in receive(sqs, fifo_url, VisibilityTimeout=1)]
        sim.run_for(1)


@pytest.mark.rule("SQS-232", "SQS-600")
def test_blocked_messages_count_as_visible(sqs, fifo_url):
    for body in ("1a", "1b", "2a"):
        send(sqs, fifo_url, body, group=body[0])
    receive(sqs, fifo_url, limit=1)
    found = sqs.get_queue_attributes(QueueUrl=fifo_url, AttributeNames=["ApproximateNumberOfMessages"])
    assert {"ApproximateNumberOfMessages": "2"} == found["Attributes"]


@pytest.mark.rule("SQS-250", "SQS-275")
def test_expired_handles(sim, sqs, fifo_url):
    """They can neither delete nor prolong, although nobody received the message again."""
    send(sqs, fifo_url, "a")
    (message,) = receive(sqs, fifo_url, VisibilityTimeout=1)
    handle = message["ReceiptHandle"]
    sim.run_for(1)
    assert_refused(
        "InvalidParameterValue",
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
        sqs.delete_message,
        QueueUrl=fifo_url,
        ReceiptHandle=handle,
    )
    assert_refused(
        "InvalidParameterValue",
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available "
        "for visibility timeout change.",
        sqs.change_message_visibility,
        QueueUrl=fifo_url,
        ReceiptHandle=handle,
        VisibilityTimeout=1,
    )


# ---- deduplication


@pytest.mark.rule("SQS-340", "SQS-341", "SQS-344")
def test_duplicate_is_answered_like_the_first(sim, sqs, fifo_url):
    """Also when the first was received and deleted; after five minutes it is a message of its own."""
    first = send(sqs, fifo_url, "a", MessageDeduplicationId="d")
    (message,) = receive(sqs, fifo_url)
    sqs.delete_message(QueueUrl=fifo_url, ReceiptHandle=message["ReceiptHandle"])
    sim.run(until_us=299_999_999)
    again = send(sqs, fifo_url, "other", MessageDeduplicationId="d")
    assert (first["MessageId"], first["SequenceNumber"]) == (again["MessageId"], again["SequenceNumber"])
    assert hashlib.md5(b"other").hexdigest() == again["MD5OfMessageBody"]
    assert [] == receive(sqs, fifo_url)
    sim.run(until=300)
    assert first["MessageId"] != send(sqs, fifo_url, "other", MessageDeduplicationId="d")["MessageId"]
    assert ["other"] == [message["Body"] for message in receive(sqs, fifo_url)]


@pytest.mark.rule("SQS-342", "SQS-343")
@pytest.mark.parametrize(
    ("bodies_sent", "ids", "count"),
    [
        (("x", "x"), ("1", "1"), 1),
        (("x", "x"), ("1", "2"), 2),
        (("x", "y"), ("1", "1"), 1),
        (("x", "y"), ("1", "2"), 2),
        (("x", "x"), (None, None), 1),
        (("x", "y"), (None, None), 2),
        (("x", "y"), (None, hashlib.sha256(b"x").hexdigest()), 1),
    ],
)
def test_ids_and_contents(sqs, content_url, bodies_sent, ids, count):
    """In another group, too."""
    for group, (body, given) in enumerate(zip(bodies_sent, ids, strict=True)):
        own = {} if given is None else {"MessageDeduplicationId": given}
        sqs.send_message(QueueUrl=content_url, MessageBody=body, MessageGroupId=f"{group}", **own)
    messages = receive(sqs, content_url, AttributeNames=["MessageDeduplicationId"])
    assert count == len(messages)
    expected = ids[0] or hashlib.sha256(bodies_sent[0].encode()).hexdigest()
    assert {"MessageDeduplicationId": expected} == messages[0]["Attributes"]


@pytest.mark.rule("SQS-342")
def test_ids_by_group(sqs):
    attributes = {
        "FifoQueue": "true",
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
    }
    url = sqs.create_queue(QueueName="groups.fifo", Attributes=attributes)["QueueUrl"]
    for body, group in (("a", "1"), ("b", "2"), ("c", "1")):
        send(sqs, url, body, group=group, MessageDeduplicationId="d")
    assert ["a", "b"] == bodies(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10))


@pytest.mark.rule("SQS-480")
def test_purge_clears_the_memory_of_ids(sqs, fifo_url):
    send(sqs, fifo_url, "a", MessageDeduplicationId="d")
    sqs.purge_queue(QueueUrl=fifo_url)
    send(sqs, fifo_url, "b", MessageDeduplicationId="d")
    assert ["b"] == [message["Body"] for message in receive(sqs, fifo_url)]


# ---- repeated receives


@pytest.mark.rule("SQS-360", "SQS-361", "SQS-362")
def test_repeated_receive(sim, sqs, url, fifo_url):
    for body in "ab":
        send(sqs, fifo_url, body)
    first = receive(sqs, fifo_url, ReceiveRequestAttemptId="attempt")
    sim.run_for(2)
    assert first == receive(sqs, fifo_url, ReceiveRequestAttemptId="attempt")
    assert [] == receive(sqs, fifo_url, ReceiveRequestAttemptId="another")
    sqs.delete_message(QueueUrl=fifo_url, ReceiptHandle=first[0]["ReceiptHandle"])
    assert_refused(
        "InvalidParameterValue",
        "Value attempt for parameter ReceiveRequestAttemptId is invalid. Reason: The receiveRequestAttemptId is not "
        "valid anymore since the receive call is not retryable.",
        sqs.receive_message,
        QueueUrl=fifo_url,
        ReceiveRequestAttemptId="attempt",
    )
    assert_refused(
        "InvalidParameterValue",
        "Value attempt for parameter ReceiveRequestAttemptId is invalid. Reason: The request include parameter that is "
        "not valid for this queue type.",
        sqs.receive_message,
        QueueUrl=url,
        ReceiveRequestAttemptId="attempt",
    )
