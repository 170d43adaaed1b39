"""Messages through real clients of boto3: sent, received and deleted, with what they carry."""

from __future__ import annotations

import hashlib

import pytest
from botocore.config import Config

from lambdasim import RedrivePolicy, Simulation, SqsConfig, SqsFaults
from tests.bridge import Bridge, answered, assert_refused, bodies, error_of, refusal

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def text(value, kind="String"):
    return {"DataType": kind, "StringValue": value}


def md5(body):
    return hashlib.md5(body.encode()).hexdigest()


def digest(attributes):
    """The MD5 of attributes, as AWS describes it."""
    fed = b""
    for name in sorted(attributes):
        data_type = attributes[name]["DataType"]
        is_binary = data_type.startswith("Binary")
        value = attributes[name]["BinaryValue"] if is_binary else attributes[name]["StringValue"].encode()
        for part in (name.encode(), data_type.encode()):
            fed += len(part).to_bytes(4, "big") + part
        fed += (b"\x02" if is_binary else b"\x01") + len(value).to_bytes(4, "big") + value
    return hashlib.md5(fed).hexdigest()


# ---- a message and its answers


@pytest.mark.rule("SQS-140", "SQS-160", "SQS-210", "SQS-211", "SQS-270")
def test_message_is_sent_received_and_deleted(sqs, url):
    """The answers have these members, and no others."""
    sent = sqs.send_message(QueueUrl=url, MessageBody="message")
    assert {"MessageId": sent["MessageId"], "MD5OfMessageBody": "78e731027d8fd50ed642340b7c9a63b3"} == answered(sent)
    received = sqs.receive_message(QueueUrl=url)
    (message,) = received["Messages"]
    assert {"Messages": [message]} == answered(received)
    assert message == {
        "MessageId": sent["MessageId"],
        "ReceiptHandle": message["ReceiptHandle"],
        "MD5OfBody": md5("message"),
        "Body": "message",
    }
    assert {} == answered(sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]))
    assert {} == answered(sqs.receive_message(QueueUrl=url))


@pytest.mark.rule("SQS-120", "SQS-140")
@pytest.mark.parametrize(
    "body",
    [
        " ",
        "\t\r\n",
        '"&quot;&quot;\r',
        '{\r\n"machineID" : "d357006e26ff47439e1ef894225d4307"}',
        '<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom"/>',
        "]]> & <!-- ; %41+%2B",
        "Héllo!😀",
        "\ud7ff\ue000\ufffd\U0010ffff",
        "null",
        "[]",
    ],
)
def test_any_text_comes_as_it_was_sent(sqs, url, body):
    attributes = {"name": text(body)}
    sent = sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert (body, attributes) == (message["Body"], message["MessageAttributes"])
    assert md5(body) == sent["MD5OfMessageBody"] == message["MD5OfBody"]
    assert digest(attributes) == sent["MD5OfMessageAttributes"] == message["MD5OfMessageAttributes"]


@pytest.mark.rule("SQS-121", "SQS-122")
@pytest.mark.parametrize("body", ["\x00", "a\x08", "\x0b", "\x1f", "\ufffe", "\uffff"])
def test_characters_that_sqs_does_not_carry(sqs, url, body):
    assert_refused(
        "InvalidMessageContents",
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | "
        "#x10000 to #x10FFFF",
        sqs.send_message,
        QueueUrl=url,
        MessageBody=body,
    )
    with pytest.raises(sqs.exceptions.InvalidMessageContents):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    assert {} == answered(sqs.receive_message(QueueUrl=url))


@pytest.mark.rule("SQS-122")
def test_message_without_a_body(sqs, url):
    assert ("MissingParameter", "The request must contain the parameter MessageBody.") == error_of(
        sqs.send_message, QueueUrl=url, MessageBody=""
    )


@pytest.mark.rule("SQS-081", "SQS-123", "SQS-124")
def test_size_of_a_message(sqs, url):
    """Name, type and value of attributes count; a message may be as large as the limit."""
    limit = 1_048_576
    attributes = {"k": text("x")}
    size = len("k") + len("String") + len("x")
    too_long = "One or more parameters are invalid. Reason: Message must be shorter than {} bytes."
    for maximum in (limit, 1_024):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": str(maximum)})
        sqs.send_message(QueueUrl=url, MessageBody="é" * (maximum // 2))
        sqs.send_message(QueueUrl=url, MessageBody="a" * (maximum - size), MessageAttributes=attributes)
        refused = {"QueueUrl": url, "MessageBody": "a" * (maximum - size + 1), "MessageAttributes": attributes}
        assert ("InvalidParameterValue", too_long.format(maximum)) == error_of(sqs.send_message, **refused)


# ---- message attributes


@pytest.mark.rule("SQS-133", "SQS-141", "SQS-143")
def test_attributes_of_all_types(sqs, url):
    attributes = {
        "String": text("s"),
        "String.custom": text("custom", "String.custom"),
        "Number": text("1493147359900", "Number"),
        "Number.long": text("-1.5e3", "Number.java.lang.Long"),
        "Binary": {"DataType": "Binary", "BinaryValue": bytes(range(256))},
        "Binary.png": {"DataType": "Binary.png", "BinaryValue": b"\x89PNG"},
    }
    sent = sqs.send_message(QueueUrl=url, MessageBody="a", MessageAttributes=attributes)
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert attributes == message["MessageAttributes"]
    assert digest(attributes) == sent["MD5OfMessageAttributes"] == message["MD5OfMessageAttributes"]
    assert "Attributes" not in message


@pytest.mark.rule("SQS-143")
@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"k": text("x")}, "a45daa70926828a2f0a1db3418e6feb4"),
        ({"timestamp": text("1493147359900", "Number")}, "235c5c510d26fb653d073faed50ae77c"),
        (
            {
                "attr1": {
                    "DataType": "Binary",
                    "BinaryValue": b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01",
                }
            },
            "8cbe4db156db8a94db8b801b7addb984",
        ),
    ],
)
def test_digests_that_aws_has_answered(sqs, url, attributes, expected):
    sent = sqs.send_message(QueueUrl=url, MessageBody="a", MessageAttributes=attributes)
    assert expected == sent["MD5OfMessageAttributes"] == digest(attributes)


@pytest.mark.rule("SQS-213", "SQS-214")
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ()),
        (["All"], ("General", "Hello", "Help.Me")),
        ([".*"], ("General", "Hello", "Help.Me")),
        (["*"], ("General", "Hello", "Help.Me")),
        (["Hel.*"], ("Hello", "Help.Me")),
        (["Help.*"], ("Help.Me",)),
        (["Hello", "General"], ("General", "Hello")),
        (["Hello", "Foo"], ("Hello",)),
        (["hello", "Help"], ()),
        (["AWS."], ()),
        (["..foo"], ()),
        ([""], ()),
    ],
)
def test_names_of_the_attributes_that_are_wanted(sqs, url, names, expected):
    """The digest is that of those that come; where none comes there is no trace of any."""
    attributes = {"Help.Me": text("Me"), "Hello": text("There"), "General": text("Kenobi")}
    sqs.send_message(QueueUrl=url, MessageBody="a", MessageAttributes=attributes)
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=names)["Messages"]
    wanted = {name: attributes[name] for name in expected}
    assert wanted == message.get("MessageAttributes", {})
    assert message.get("MD5OfMessageAttributes") == (digest(wanted) if wanted else None)
    assert ("MessageAttributes" in message) is bool(wanted)


@pytest.mark.rule("SQS-130", "SQS-131", "SQS-132", "SQS-134")
@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {f"a{number}": text("x") for number in range(11)},
            "Number of message attributes [11] exceeds the allowed maximum [10].",
        ),
        *(
            ({name: text("x")}, f"Message (user) attribute name '{name}' is invalid.")
            for name in ("aWs.x", "AMAZON.x", ".x", "x.", "x..y", "x!", "x y", "§", "öther_encodings", "L" * 257)
        ),
        *(
            (
                {"a": text("x", kind)},
                (
                    "The type of message (user) attribute 'a' is invalid. You must use only the following supported "
                    "type prefixes: Binary, Number, String."
                ),
            )
            for kind in ("Invalid", "string", "InvalidNumber", "Number." + "L" * 256, "Strings")
        ),
        ({"a": text("x", "")}, "Message (user) attribute 'a' must contain a non-empty message attribute type."),
        ({"a": text("")}, "Message (user) attribute 'a' must contain a non-empty value of type 'String'."),
        ({"a": text("", "Number")}, "Message (user) attribute 'a' must contain a non-empty value of type 'String'."),
        (
            {"a": {"DataType": "String"}},
            "Message (user) attribute 'a' must contain a non-empty value of type 'String'.",
        ),
        ({"a": text("x", "Binary")}, "Message (user) attribute 'a' must contain a non-empty value of type 'Binary'."),
        (
            {"a": {"DataType": "Binary", "BinaryValue": b""}},
            "Message (user) attribute 'a' must contain a non-empty value of type 'Binary'.",
        ),
        ({"a": text("12a", "Number")}, "Can't cast the value of message (user) attribute 'a' to a number."),
        ({"a": text("x\uffff")}, "Message (user) attribute 'a' contains invalid characters."),
        (
            {"a": {"DataType": "String", "StringListValues": ["x"]}},
            "Message attribute list values in SendMessage operation are not supported.",
        ),
    ],
)
def test_attributes_that_no_message_can_have(sqs, url, attributes, message):
    """What is refused is not sent."""
    assert ("InvalidParameterValue", message) == error_of(
        sqs.send_message, QueueUrl=url, MessageBody="a", MessageAttributes=attributes
    )
    assert {} == answered(sqs.receive_message(QueueUrl=url))


@pytest.mark.rule("SQS-130", "SQS-131")
def test_ten_attributes_with_the_longest_names(sqs, url):
    attributes = {f"{number}".ljust(256, "x"): text("x") for number in range(10)}
    sqs.send_message(QueueUrl=url, MessageBody="a", MessageAttributes=attributes)
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert attributes == message["MessageAttributes"]


@pytest.mark.rule("SQS-131")
def test_other_names_where_they_are_asked_for(world):
    _, sqs = world(settings=[SqsConfig(attribute_name_charset="observed")])
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    attributes = {"attr.1øßä": text("Valid")}
    sent = sqs.send_message(QueueUrl=url, MessageBody="a", MessageAttributes=attributes)
    assert digest(attributes) == sent["MD5OfMessageAttributes"]


# ---- system attributes


@pytest.mark.rule("SQS-002", "SQS-150", "SQS-211", "SQS-212")
@pytest.mark.parametrize("parameter", ["AttributeNames", "MessageSystemAttributeNames"])
def test_system_attributes_of_a_message(sim, sqs, url, parameter):
    """What is asked for comes, under both names of the parameter; what the message has not is left out."""
    sim.run_for(0.0015)
    sqs.send_message(QueueUrl=url, MessageBody="a", MessageAttributes={"k": text("x")})
    sim.run_for(1)

    def receive(*names):
        (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, **{parameter: names})["Messages"]
        assert "MessageAttributes" not in message
        return message.get("Attributes")

    assert receive("All") == {
        "ApproximateFirstReceiveTimestamp": "1767225601001",
        "ApproximateReceiveCount": "1",
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "SentTimestamp": "1767225600001",
    }
    assert {"ApproximateReceiveCount": "2"} == receive("ApproximateReceiveCount")
    sim.run_for(1)
    assert {"ApproximateFirstReceiveTimestamp": "1767225601001", "SentTimestamp": "1767225600001"} == receive(
        "SentTimestamp", "ApproximateFirstReceiveTimestamp", "SequenceNumber"
    )
    assert receive("MessageGroupId", "AWSTraceHeader") is None
    assert receive() is None


@pytest.mark.rule("SQS-212")
def test_both_names_of_the_parameter_at_once(sqs, url):
    sqs.send_message(QueueUrl=url, MessageBody="a")
    (message,) = sqs.receive_message(
        QueueUrl=url, AttributeNames=["SenderId"], MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )["Messages"]
    assert {"SenderId", "ApproximateReceiveCount"} == set(message["Attributes"])
    for names in ({"AttributeNames": ["Nope"]}, {"MessageSystemAttributeNames": ["All", "Nope"]}):
        assert ("InvalidAttributeName", "Unknown Attribute Nope.") == error_of(
            sqs.receive_message, QueueUrl=url, **names
        )


@pytest.mark.rule("SQS-135", "SQS-142")
def test_trace_header(sqs, url):
    """It has a digest of its own, counts for no other, and comes back when asked for."""
    plain = {"QueueUrl": url, "MessageBody": "a", "MessageAttributes": {"timestamp": text("1493147359900", "Number")}}
    first = sqs.send_message(**plain)
    sent = sqs.send_message(**plain, MessageSystemAttributes={"AWSTraceHeader": text(TRACE)})
    assert first["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert "MD5OfMessageSystemAttributes" not in first
    assert "5ae4d5d7636402d80f4eb6d213245a88" == sent["MD5OfMessageSystemAttributes"]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2, AttributeNames=["AWSTraceHeader"])["Messages"]
    assert [None, {"AWSTraceHeader": TRACE}] == [message.get("Attributes") for message in messages]
    for strange in ({"Other": text("x")}, {"AWSTraceHeader": text("x", "Number")}):
        (name,) = strange
        assert ("InvalidParameterValue", f"Message system attribute name '{name}' is invalid.") == error_of(
            sqs.send_message, QueueUrl=url, MessageBody="a", MessageSystemAttributes=strange
        )


@pytest.mark.rule("SQS-135", "SQS-142")
def test_trace_header_of_the_request(sqs, url):
    """A client that is traced sends it with the request; what is said explicitly wins. It has no digest then."""

    def trace(params, **_):
        params["headers"]["X-Amzn-Trace-Id"] = "Root=1-2-3"

    for operation in ("SendMessage", "SendMessageBatch"):
        sqs.meta.events.register(f"before-call.sqs.{operation}", trace)
    explicit = {"MessageSystemAttributes": {"AWSTraceHeader": text(TRACE)}}
    sent = [
        sqs.send_message(QueueUrl=url, MessageBody="a"),
        sqs.send_message(QueueUrl=url, MessageBody="b", **explicit),
        *sqs.send_message_batch(
            QueueUrl=url, Entries=[{"Id": "c", "MessageBody": "c"}, {"Id": "d", "MessageBody": "d", **explicit}]
        )["Successful"],
    ]
    assert [False, True, False, True] == ["MD5OfMessageSystemAttributes" in answer for answer in sent]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=4, AttributeNames=["All"])["Messages"]
    traces = [message["Attributes"]["AWSTraceHeader"] for message in messages]
    assert ["Root=1-2-3", TRACE, "Root=1-2-3", TRACE] == traces


@pytest.mark.rule("SQS-135")
def test_client_in_a_traced_environment(sqs, url, monkeypatch):
    """Botocore itself sends the header where Lambda traces a function."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "worker")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE)
    sqs.send_message(QueueUrl=url, MessageBody="a")
    (message,) = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["AWSTraceHeader"])["Messages"]
    assert {"AWSTraceHeader": TRACE} == message["Attributes"]


@pytest.mark.rule("SQS-165")
def test_group_on_a_standard_queue(sqs, url):
    """It makes a tenant of a fair queue; there is no sequence number."""
    sent = sqs.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="tenant")
    assert "SequenceNumber" not in sent
    (message,) = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
    assert "tenant" == message["Attributes"]["MessageGroupId"]
    assert "SequenceNumber" not in message["Attributes"]
    assert_refused(
        "InvalidParameterValue",
        "Value d for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not "
        "valid for this queue type.",
        sqs.send_message,
        QueueUrl=url,
        MessageBody="a",
        MessageDeduplicationId="d",
    )
    for wrong in ("", "x" * 129, "a b"):
        code, message = error_of(sqs.send_message, QueueUrl=url, MessageBody="a", MessageGroupId=wrong)
        assert "InvalidParameterValue" == code
        assert message == (
            f"Value {wrong} for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include "
            "alphanumeric and punctuation characters. 1 to 128 in length."
        )


# ---- delays


@pytest.mark.rule("SQS-162", "SQS-168", "SQS-380")
def test_delay_of_a_message(sim, sqs, url):
    """That of the message stands in place of the queue's, also when it is 0."""
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "5"})
    sqs.send_message(QueueUrl=url, MessageBody="queue")
    sqs.send_message(QueueUrl=url, MessageBody="own", DelaySeconds=2)
    sqs.send_message(QueueUrl=url, MessageBody="none", DelaySeconds=0)
    assert ["none"] == bodies(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10))
    assert ["own"] == bodies(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=3))
    assert 2 == sim.now
    assert [] == bodies(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2))
    assert 4 == sim.now
    sim.run_for(1)
    assert ["queue"] == bodies(sqs.receive_message(QueueUrl=url))
    for delay in (-1, 901):
        assert_refused(
            "InvalidParameterValue",
            f"Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
            sqs.send_message,
            QueueUrl=url,
            MessageBody="a",
            DelaySeconds=delay,
        )


# ---- receiving


@pytest.mark.rule("SQS-200", "SQS-202", "SQS-300")
def test_number_of_messages(sqs, url):
    for number in range(12):
        sqs.send_message(QueueUrl=url, MessageBody=f"{number}")
    assert ["0"] == bodies(sqs.receive_message(QueueUrl=url))
    assert ["1", "2"] == bodies(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2))
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [f"{number}" for number in range(3, 12)] == [message["Body"] for message in received]
    assert 9 == len({message["ReceiptHandle"] for message in received})


@pytest.mark.rule("SQS-201")
@pytest.mark.parametrize(
    ("parameter", "value", "reason"),
    [
        ("MaxNumberOfMessages", 0, "Must be between 1 and 10, if provided."),
        ("MaxNumberOfMessages", 11, "Must be between 1 and 10, if provided."),
        ("WaitTimeSeconds", -1, "Must be >= 0 and <= 20, if provided."),
        ("WaitTimeSeconds", 21, "Must be >= 0 and <= 20, if provided."),
        ("VisibilityTimeout", -1, "Must be >= 0 and <= 43200, if provided."),
        ("VisibilityTimeout", 43_201, "Must be >= 0 and <= 43200, if provided."),
    ],
)
def test_ranges_of_a_receive(sqs, url, parameter, value, reason):
    assert_refused(
        "InvalidParameterValue",
        f"Value {value} for parameter {parameter} is invalid. Reason: {reason}",
        sqs.receive_message,
        QueueUrl=url,
        **{parameter: value},
    )


@pytest.mark.rule("SQS-206", "SQS-207", "SQS-208")
def test_polls_wait_in_simulated_time(sim, sqs, url):
    """A long poll ends with what comes, or at its end; it does not wait for more."""
    sim.call_later(1.5, lambda: sqs.send_message(QueueUrl=url, MessageBody="late"))
    assert [] == bodies(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0))
    assert 0 == sim.now
    assert ["late"] == bodies(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20))
    assert 1.5 == sim.now
    assert {} == answered(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20))
    assert 21.5 == sim.now
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"ReceiveMessageWaitTimeSeconds": "2"})
    assert [] == bodies(sqs.receive_message(QueueUrl=url))
    assert 23.5 == sim.now
    assert [] == bodies(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0))  # the queue's own does not count then
    assert 23.5 == sim.now


@pytest.mark.rule("SQS-410", "SQS-412")
def test_too_many_in_flight(world):
    _, sqs = world(settings=[SqsConfig(inflight_limit_standard=1)])
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    for body in "ab":
        sqs.send_message(QueueUrl=url, MessageBody=body)
    assert ["a"] == bodies(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10))
    response = refusal(sqs.receive_message, QueueUrl=url)
    assert ("OverLimit", 403) == (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"])
    with pytest.raises(sqs.exceptions.OverLimit):
        sqs.receive_message(QueueUrl=url)
    assert {} == answered(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1))


# ---- deleting


@pytest.mark.rule("SQS-272", "SQS-274", "SQS-276")
def test_deletes_that_delete_nothing(sim, sqs, url):
    """Twice is fine; an old handle deletes nothing; what is no handle of this queue is refused."""
    other = sqs.create_queue(QueueName="others")["QueueUrl"]
    for queue_url in (url, other):
        sqs.send_message(QueueUrl=queue_url, MessageBody="a")
    handles = []
    for _ in range(2):
        (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=1)["Messages"]
        handles.append(message["ReceiptHandle"])
        sim.run_for(1)
    assert handles[0] != handles[1]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=handles[0])
    assert ["a"] == bodies(sqs.receive_message(QueueUrl=url, VisibilityTimeout=0))
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    for _ in range(2):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert 0 == len(sim.queue("orders").messages)
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=url, ReceiptHandle="garbage")
    assert_refused(
        "ReceiptHandleIsInvalid",
        'The input receipt handle "garbage" is not a valid receipt handle.',
        sqs.delete_message,
        QueueUrl=url,
        ReceiptHandle="garbage",
    )
    (theirs,) = sqs.receive_message(QueueUrl=other)["Messages"]
    assert_refused(
        "ReceiptHandleIsInvalid",
        f'The receipt handle "{theirs["ReceiptHandle"]}" is not valid for this queue.',
        sqs.delete_message,
        QueueUrl=url,
        ReceiptHandle=theirs["ReceiptHandle"],
    )


@pytest.mark.rule("SQS-273")
def test_newest_handle_deletes_after_its_timeout(sim, sqs, url):
    sqs.send_message(QueueUrl=url, MessageBody="a")
    (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=1)["Messages"]
    sim.run_for(2)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert 0 == len(sim.queue("orders").messages)


@pytest.mark.rule("SQS-400")
def test_messages_expire(sim, sqs, url):
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
    sqs.send_message(QueueUrl=url, MessageBody="a")
    sim.run(until_us=59_999_999)
    assert ["a"] == bodies(sqs.receive_message(QueueUrl=url, VisibilityTimeout=0))
    sim.run(until=60)
    assert {} == answered(sqs.receive_message(QueueUrl=url))


# ---- imperfections


@pytest.mark.rule("SQS-415")
def test_throttled_calls(protocol):
    sim = Simulation(faults=SqsFaults(throttle_probability=1.0))
    sqs = Bridge(sim, protocol=protocol).client(config=Config(retries={"total_max_attempts": 1}))
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    with pytest.raises(sqs.exceptions.RequestThrottled):
        sqs.send_message(QueueUrl=url, MessageBody="a")
    assert ("RequestThrottled", "Rate exceeded") == error_of(sqs.receive_message, QueueUrl=url)


@pytest.mark.rule("SQS-005")
def test_calls_take_time_where_they_shall(world):
    sim, sqs = world(settings=[SqsConfig(call_latency_s=0.01)])
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="a")
    (message,) = sqs.receive_message(QueueUrl=url, AttributeNames=["SentTimestamp"])["Messages"]
    assert "1767225600015" == message["Attributes"]["SentTimestamp"]
    assert 0.03 == sim.now


@pytest.mark.rule("SQS-430")
def test_object_and_client_see_the_same(sim, sqs):
    """Whoever calls, it is one queue."""
    dlq = sim.create_queue("dlq")
    orders = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, max_receive_count=1))
    sent = orders.send_message("a", message_attributes={"k": text("x")})
    (message,) = sqs.receive_message(QueueUrl=orders.url, MessageAttributeNames=["k"], VisibilityTimeout=0)["Messages"]
    assert (sent.message_id, sent.md5_of_message_attributes) == (
        message["MessageId"],
        message["MD5OfMessageAttributes"],
    )
    assert {} == answered(sqs.receive_message(QueueUrl=orders.url))
    (delivery,) = dlq.receive_message()
    sqs.delete_message(QueueUrl=dlq.url, ReceiptHandle=delivery.receipt_handle)
    assert (0, 0) == (len(orders.messages), len(dlq.messages))
