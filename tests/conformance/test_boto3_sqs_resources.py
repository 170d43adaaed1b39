"""Resources of boto3: queues and messages as objects."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def sqs(bridge):
    return bridge.resource()


@pytest.fixture
def orders(sqs):
    return sqs.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "2"})


@pytest.mark.rule("SQS-022", "SQS-050", "SQS-089")
def test_queue(sqs, orders):
    assert "https://sqs.us-east-1.amazonaws.com/123456789012/orders" == orders.url
    found = sqs.get_queue_by_name(QueueName="orders")
    assert orders == found
    assert ("2", "arn:aws:sqs:us-east-1:123456789012:orders") == (
        found.attributes["VisibilityTimeout"],
        found.attributes["QueueArn"],
    )
    with pytest.raises(sqs.meta.client.exceptions.QueueDoesNotExist):
        sqs.get_queue_by_name(QueueName="none")
    with pytest.raises(ClientError, match="NonExistentQueue"):
        sqs.Queue("http://whatever-incorrect-queue-address").load()


@pytest.mark.rule("SQS-085", "SQS-600")
def test_attributes_are_loaded_again(sim, orders):
    """After whatever is done with the object itself, and when it is asked to."""

    def count():
        return orders.attributes["ApproximateNumberOfMessages"]

    assert "0" == count()
    orders.send_message(MessageBody="a")
    assert "1" == count()
    (message,) = orders.receive_messages()
    assert "0" == count()
    sim.run_for(2)
    assert "0" == count()
    orders.reload()
    assert "1" == count()
    message.delete()
    orders.load()
    assert "0" == count()
    orders.set_attributes(Attributes={"VisibilityTimeout": "45"})
    assert "45" == orders.attributes["VisibilityTimeout"]


@pytest.mark.rule("SQS-211")
def test_message(orders):
    attributes = {"k": {"DataType": "Binary", "BinaryValue": b"\xff"}}
    sent = orders.send_message(MessageBody="a", MessageAttributes=attributes)
    (message,) = orders.receive_messages(AttributeNames=["ApproximateReceiveCount"], MessageAttributeNames=["All"])
    assert (sent["MessageId"], "a", sent["MD5OfMessageBody"]) == (
        message.message_id,
        message.body,
        message.md5_of_body,
    )
    assert ({"ApproximateReceiveCount": "1"}, attributes, sent["MD5OfMessageAttributes"]) == (
        message.attributes,
        message.message_attributes,
        message.md5_of_message_attributes,
    )
    assert orders == message.Queue()
    message.change_visibility(VisibilityTimeout=0)
    (again,) = orders.receive_messages()
    assert (message.message_id, None, None) == (again.message_id, again.attributes, again.message_attributes)
    again.delete()
    assert [] == orders.receive_messages(WaitTimeSeconds=3)


@pytest.mark.rule("SQS-180")
def test_batches(sqs, orders):
    result = orders.send_messages(Entries=[{"Id": body, "MessageBody": body} for body in "abc"])
    assert ["a", "b", "c"] == [entry["Id"] for entry in result["Successful"]]
    messages = orders.receive_messages(MaxNumberOfMessages=10)
    visible = orders.change_message_visibility_batch(
        Entries=[{"Id": "c", "ReceiptHandle": messages[2].receipt_handle, "VisibilityTimeout": 0}]
    )
    assert [{"Id": "c"}] == visible["Successful"]
    deleted = orders.delete_messages(
        Entries=[{"Id": message.message_id, "ReceiptHandle": message.receipt_handle} for message in messages[:2]]
    )
    assert 2 == len(deleted["Successful"])
    (last,) = orders.receive_messages(MaxNumberOfMessages=10)
    sqs.Message(orders.url, last.receipt_handle).delete()
    orders.load()
    assert "0" == orders.attributes["ApproximateNumberOfMessagesNotVisible"]


@pytest.mark.rule("SQS-051", "SQS-053")
def test_collections(sqs, orders):
    assert [orders] == list(sqs.queues.all())
    others = [sqs.create_queue(QueueName=f"other-{number}") for number in range(3)]
    assert others == list(sqs.queues.filter(QueueNamePrefix="other"))
    assert others[:2] == list(sqs.queues.filter(QueueNamePrefix="other").limit(2))
    assert others == list(sqs.queues.filter(QueueNamePrefix="other").page_size(2))
    assert [] == list(sqs.queues.filter(QueueNamePrefix="none"))
    policy = json.dumps({"deadLetterTargetArn": orders.attributes["QueueArn"], "maxReceiveCount": 1})
    for other in others[:2]:
        other.set_attributes(Attributes={"RedrivePolicy": policy})
    assert others[:2] == list(orders.dead_letter_source_queues.all())


@pytest.mark.rule("SQS-060", "SQS-480", "SQS-550")
def test_the_rest_of_a_queue(sqs, orders):
    orders.add_permission(Label="them", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
    orders.remove_permission(Label="them")
    orders.send_message(MessageBody="a")
    orders.purge()
    assert [] == orders.receive_messages()
    orders.delete()
    assert [] == list(sqs.queues.all())
    with pytest.raises(sqs.meta.client.exceptions.QueueDoesNotExist):
        orders.send_message(MessageBody="a")
