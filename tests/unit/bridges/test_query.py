"""The query protocol of SQS to the letter, as AWS's documentation shows it."""

from __future__ import annotations

import pytest

from lambdasim.bridges.records import Failure, Protocol
from lambdasim.bridges.wire import Wire
from tests.shapes import prepared

WIRE = Wire()
QUEUE_URL = "https://sqs.us-east-2.amazonaws.com/123456789012/MyQueue"
NO_QUEUE = Failure(
    "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "The specified queue does not exist."
)


def query_call(query, url=f"{QUEUE_URL}/"):
    """A GET as the documentation writes it, with a line for each parameter."""
    return WIRE.parse(prepared("GET", f"{url}?{''.join(query.split())}"))


def form_call(body, url="https://sqs.us-east-2.amazonaws.com/"):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return WIRE.parse(prepared("POST", url, headers, "".join(body.split())))


def test_send_message_batch():
    """Entries and their attributes are numbered; the queue is the address."""
    call = query_call(
        """Action=SendMessageBatch
        &SendMessageBatchRequestEntry.1.Id=test_msg_001
        &SendMessageBatchRequestEntry.1.MessageBody=test%20message%20body%201
        &SendMessageBatchRequestEntry.2.Id=test_msg_002
        &SendMessageBatchRequestEntry.2.MessageBody=test%20message%20body%202
        &SendMessageBatchRequestEntry.2.DelaySeconds=60
        &SendMessageBatchRequestEntry.2.MessageAttribute.1.Name=test_attribute_name_1
        &SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.StringValue=test_attribute_value_1
        &SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.DataType=String
        &Expires=2020-05-05T22%3A52%3A43PST&Version=2012-11-05"""
    )
    assert ("SendMessageBatch", Protocol.QUERY, "us-east-2") == (call.operation, call.protocol, call.region)
    assert call.parameters == {
        "QueueUrl": QUEUE_URL,
        "Entries": [
            {"Id": "test_msg_001", "MessageBody": "test message body 1"},
            {
                "Id": "test_msg_002",
                "MessageBody": "test message body 2",
                "DelaySeconds": 60,
                "MessageAttributes": {
                    "test_attribute_name_1": {"StringValue": "test_attribute_value_1", "DataType": "String"}
                },
            },
        ],
    }


def test_create_queue():
    """The bare host is no queue."""
    call = form_call("""Action=CreateQueue&QueueName=MyQueue&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=40
        &Tag.1.Key=QueueType&Tag.1.Value=Production&Version=2012-11-05""")
    assert call.parameters == {
        "QueueName": "MyQueue",
        "Attributes": {"VisibilityTimeout": "40"},
        "tags": {"QueueType": "Production"},
    }


def test_without_a_queue_there_is_none():
    assert {} == form_call("Action=PurgeQueue").parameters


def test_a_single_attribute_needs_no_number():
    call = query_call("Action=SetQueueAttributes&Attribute.Name=VisibilityTimeout&Attribute.Value=35")
    assert call.parameters == {"QueueUrl": QUEUE_URL, "Attributes": {"VisibilityTimeout": "35"}}


def test_receive_message():
    """A single name needs no number either; several are in the order of theirs, ten after nine."""
    call = query_call("""Action=ReceiveMessage&MaxNumberOfMessages=5&VisibilityTimeout=15&AttributeName=All
        &MessageSystemAttributeName.1=SentTimestamp&MessageAttributeName.10=b&MessageAttributeName.9=a.*""")
    assert call.parameters == {
        "QueueUrl": QUEUE_URL,
        "MaxNumberOfMessages": 5,
        "VisibilityTimeout": 15,
        "AttributeNames": ["All"],
        "MessageSystemAttributeNames": ["SentTimestamp"],
        "MessageAttributeNames": ["a.*", "b"],
    }


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        (
            ("Action=ChangeMessageVisibilityBatch"
            "&ChangeMessageVisibilityBatchRequestEntry.1.Id=change_visibility_msg_2"
            "&ChangeMessageVisibilityBatchRequestEntry.1.ReceiptHandle=gfk0T0R0"
            "&ChangeMessageVisibilityBatchRequestEntry.1.VisibilityTimeout=45"),
            {"Entries": [{"Id": "change_visibility_msg_2", "ReceiptHandle": "gfk0T0R0", "VisibilityTimeout": 45}]},
        ),
        (
            ("Action=DeleteMessageBatch&DeleteMessageBatchRequestEntry.1.Id=msg1"
            "&DeleteMessageBatchRequestEntry.1.ReceiptHandle=gfk0T0R0%2B%2F%3D"),
            {"Entries": [{"Id": "msg1", "ReceiptHandle": "gfk0T0R0+/="}]},
        ),
        (
            ("Action=AddPermission&Label=MyLabel&AWSAccountId.1=177715257436&AWSAccountId.2=111111111111"
            "&ActionName.1=SendMessage&ActionName.2=ReceiveMessage"),
            {
                "Label": "MyLabel",
                "AWSAccountIds": ["177715257436", "111111111111"],
                "Actions": ["SendMessage", "ReceiveMessage"],
            },
        ),
        ("Action=UntagQueue&TagKey.1=QueueType&TagKey.2=Owner", {"TagKeys": ["QueueType", "Owner"]}),
        (
            "Action=TagQueue&Tag.1.Key=QueueType&Tag.1.Value=Production&Tag.2.Key=Owner&Tag.2.Value=",
            {"Tags": {"QueueType": "Production", "Owner": ""}},
        ),
        (
            ("Action=SendMessage&MessageBody=This+is+a+test&MessageSystemAttribute.1.Name=AWSTraceHeader"
            "&MessageSystemAttribute.1.Value.StringValue=Root%3D1&MessageSystemAttribute.1.Value.DataType=String"
            "&MessageAttribute.1.Name=p&MessageAttribute.1.Value.DataType=Binary"
            "&MessageAttribute.1.Value.BinaryValue=AAH%2F"),
            {
                "MessageBody": "This is a test",
                "MessageSystemAttributes": {"AWSTraceHeader": {"StringValue": "Root=1", "DataType": "String"}},
                "MessageAttributes": {"p": {"DataType": "Binary", "BinaryValue": b"\x00\x01\xff"}},
            },
        ),
        ("Action=ReceiveMessage&AttributeNames=", {"AttributeNames": []}),
        ("Action=SendMessageBatch&Entries=", {"Entries": []}),
        ("Action=DeleteMessage&ReceiptHandle=h&A..B=1&.=2&ReceiptHandle.=3", {"ReceiptHandle": "h"}),
        ("Action=DeleteMessage&ReceiptHandle=h&QueueUrl=https%3A%2F%2Fq%2F1%2Fother",
         {"ReceiptHandle": "h", "QueueUrl": "https://q/1/other"}),
    ],
)  # fmt: skip
def test_flat_names(query, parameters):
    """Lists and maps go by the names that the API reference has for them, in an address and in a form."""
    expected = {"QueueUrl": QUEUE_URL} | parameters
    assert expected == query_call(query).parameters
    assert expected == form_call(query, QUEUE_URL).parameters


def test_result():
    answer = WIRE.render(query_call("Action=SendMessage&MessageBody=a"), {"MessageId": "m"}, "r", check=True)
    assert answer == (
        200,
        {"x-amzn-RequestId": "r", "Content-Type": "text/xml", "Content-Length": str(len(answer.body))},
        (
            b'<?xml version="1.0"?><SendMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/">'
            b"<SendMessageResult><MessageId>m</MessageId></SendMessageResult>"
            b"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></SendMessageResponse>"
        ),
    )


def test_messages_are_flat():
    """Messages and attributes are one element each, without one around them; what XML reserves is escaped."""
    message = {
        "MessageId": "m",
        "ReceiptHandle": "h",
        "Body": '<a b="c">&\r\n',
        "Attributes": {"SenderId": "AIDA", "SentTimestamp": "1"},
        "MessageAttributes": {"p": {"BinaryValue": b"\x00\x01\xff", "DataType": "Binary"}},
    }
    answer = WIRE.render(query_call("Action=ReceiveMessage"), {"Messages": [message] * 2}, "r", check=True)
    rendered = (
        "<Message><MessageId>m</MessageId><ReceiptHandle>h</ReceiptHandle>"
        "<Body>&lt;a b=&quot;c&quot;&gt;&amp;&#xD;\n</Body>"
        "<Attribute><Name>SenderId</Name><Value>AIDA</Value></Attribute>"
        "<Attribute><Name>SentTimestamp</Name><Value>1</Value></Attribute>"
        "<MessageAttribute><Name>p</Name><Value><BinaryValue>AAH/</BinaryValue><DataType>Binary</DataType></Value>"
        "</MessageAttribute></Message>"
    )
    assert f"<ReceiveMessageResult>{rendered * 2}</ReceiveMessageResult>" in answer.body.decode()


def test_batch_result():
    result = {
        "Successful": [{"Id": "1"}],
        "Failed": [{"Id": "2", "SenderFault": True, "Code": "ReceiptHandleIsInvalid", "Message": "No."}],
    }
    answer = WIRE.render(query_call("Action=DeleteMessageBatch"), result, "r", check=True)
    assert (
        b"<DeleteMessageBatchResult>"
        b"<DeleteMessageBatchResultEntry><Id>1</Id></DeleteMessageBatchResultEntry>"
        b"<BatchResultErrorEntry><Id>2</Id><SenderFault>true</SenderFault><Code>ReceiptHandleIsInvalid</Code>"
        b"<Message>No.</Message></BatchResultErrorEntry>"
        b"</DeleteMessageBatchResult>"
    ) in answer.body


def test_operation_without_result():
    answer = WIRE.render(query_call("Action=PurgeQueue"), {}, "r", check=True)
    assert answer.body == (
        b'<?xml version="1.0"?><PurgeQueueResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/">'
        b"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PurgeQueueResponse>"
    )


@pytest.mark.rule("SQS-025", "SQS-620")
def test_error():
    """The text about a missing queue is longer in this protocol."""
    answer = WIRE.render_error(query_call("Action=PurgeQueue"), NO_QUEUE, "r", check=True)
    assert 400 == answer.status
    assert answer.body == (
        b'<?xml version="1.0"?><ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error>'
        b"<Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>"
        b"<Message>The specified queue does not exist for this wsdl version.</Message><Detail/></Error>"
        b"<RequestId>r</RequestId></ErrorResponse>"
    )


@pytest.mark.rule("SQS-620")
def test_error_of_the_service():
    """The other side may be at fault; what XML cannot carry is replaced."""
    failure = Failure("InternalFailure", "InternalFailure", "Oh\x00", http_status=500, sender_fault=False)
    answer = WIRE.render_error(query_call("Action=PurgeQueue"), failure, "r", check=True)
    assert 500 == answer.status
    assert "<Type>Receiver</Type><Code>InternalFailure</Code><Message>Oh\ufffd</Message>" in answer.body.decode()
