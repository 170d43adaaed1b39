"""Queues and their attributes through real clients of boto3."""

from __future__ import annotations

import json

import pytest

from lambdasim import SqsConfig
from tests.bridge import answered, assert_refused, error_of, refusal

URL = "https://sqs.us-east-1.amazonaws.com/123456789012"
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*"}]}
NAME = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
FIFO_NAME = (
    "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo "
    "suffix and be 1 to 80 in length"
)
GONE = {
    "json": ("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."),
    "query": (
        "AWS.SimpleQueueService.NonExistentQueue",
        "The specified queue does not exist for this wsdl version.",
    ),
}


def attributes(sqs, url, *names):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names or ["All"]).get("Attributes")


# ---- making, finding, deleting


@pytest.mark.rule("SQS-022", "SQS-040", "SQS-050")
def test_new_queue_has_a_url_and_can_be_found(sim, sqs):
    created = sqs.create_queue(QueueName="orders")
    assert {"QueueUrl": f"{URL}/orders"} == answered(created)
    assert 200 == created["ResponseMetadata"]["HTTPStatusCode"]
    assert created["ResponseMetadata"]["RequestId"]
    assert f"{URL}/orders" == sqs.get_queue_url(QueueName="orders")["QueueUrl"] == sim.queue("orders").url


@pytest.mark.rule("SQS-041", "SQS-042")
def test_creating_again_asks_for_the_attributes_that_it_has_now(sqs):
    given = {"DelaySeconds": "1", "ReceiveMessageWaitTimeSeconds": "1"}
    url = sqs.create_queue(QueueName="orders", Attributes=given)["QueueUrl"]
    for same in ({}, {"DelaySeconds": "1"}, given, {"VisibilityTimeout": "30"}):
        assert url == sqs.create_queue(QueueName="orders", Attributes=same)["QueueUrl"]
    other = "A queue already exists with the same name and a different value for attribute DelaySeconds"
    with pytest.raises(sqs.exceptions.QueueNameExists) as raised:
        sqs.create_queue(QueueName="orders", Attributes=given | {"DelaySeconds": "2"})
    assert ("QueueAlreadyExists", other) == (
        raised.value.response["Error"]["Code"],
        raised.value.response["Error"]["Message"],
    )
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "2"})
    assert url == sqs.create_queue(QueueName="orders", Attributes=given | {"DelaySeconds": "2"})["QueueUrl"]
    assert ("QueueAlreadyExists", other) == error_of(sqs.create_queue, QueueName="orders", Attributes=given)


@pytest.mark.rule("SQS-041")
def test_messages_and_tags_do_not_make_another_queue(sqs, url):
    sqs.send_message(QueueUrl=url, MessageBody="a", DelaySeconds=1)
    sqs.send_message(QueueUrl=url, MessageBody="b")
    assert url == sqs.create_queue(QueueName="orders", tags={"a": "b"})["QueueUrl"]
    assert {} == answered(sqs.list_queue_tags(QueueUrl=url))


@pytest.mark.rule("SQS-041", "SQS-080")
def test_booleans_and_policies_are_compared_by_what_they_mean(sqs):
    given = {"FifoQueue": "True", "ContentBasedDeduplication": "TRUE", "Policy": json.dumps(POLICY)}
    url = sqs.create_queue(QueueName="orders.fifo", Attributes=given)["QueueUrl"]
    same = {"FifoQueue": "true", "ContentBasedDeduplication": "true", "Policy": json.dumps(POLICY, indent=1)}
    assert url == sqs.create_queue(QueueName="orders.fifo", Attributes=same)["QueueUrl"]
    assert {"FifoQueue": "true", "ContentBasedDeduplication": "true"} == attributes(
        sqs, url, "FifoQueue", "ContentBasedDeduplication"
    )
    code, message = error_of(
        sqs.create_queue, QueueName="orders.fifo", Attributes=same | {"ContentBasedDeduplication": "false"}
    )
    assert "QueueAlreadyExists" == code
    assert message.endswith("ContentBasedDeduplication")


@pytest.mark.rule("SQS-020", "SQS-021", "SQS-027")
@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("or ders", {}, NAME),
        ("or/ders/", {}, NAME),
        ("o" * 81, {}, NAME),
        ("", {}, NAME),
        ("öl", {}, NAME),
        ("orders.fifo", {}, NAME),
        ("orders.fifo", {"DelaySeconds": "1"}, NAME),
        ("orders.fifo", {"FifoQueue": "false"}, NAME),
        ("orders", {"FifoQueue": "true"}, FIFO_NAME),
        (".fifo", {"FifoQueue": "true"}, FIFO_NAME),
        ("o" * 76 + ".fifo", {"FifoQueue": "true"}, FIFO_NAME),
    ],
)
def test_names_that_no_queue_can_have(sqs, name, given, message):
    """The name alone makes no FIFO queue: a client says what it wants."""
    assert ("InvalidParameterValue", message) == error_of(sqs.create_queue, QueueName=name, Attributes=given)
    assert {} == answered(sqs.list_queues())


@pytest.mark.rule("SQS-020", "SQS-021")
@pytest.mark.parametrize(
    ("name", "given"), [("o" * 80, {}), ("A-z_0", {}), ("o" * 75 + ".fifo", {"FifoQueue": "true"})]
)
def test_names_at_the_limits(sqs, name, given):
    assert f"{URL}/{name}" == sqs.create_queue(QueueName=name, Attributes=given)["QueueUrl"]


@pytest.mark.rule("SQS-043", "SQS-060")
def test_deleted_queue_is_gone_and_its_name_waits(sim, sqs, url, protocol):
    assert {} == answered(sqs.delete_queue(QueueUrl=url))
    assert {} == answered(sqs.list_queues())
    for call, parameters in (
        (sqs.delete_queue, {"QueueUrl": url}),
        (sqs.get_queue_url, {"QueueName": "orders"}),
        (sqs.get_queue_attributes, {"QueueUrl": url, "AttributeNames": ["All"]}),
        (sqs.send_message, {"QueueUrl": url, "MessageBody": "a"}),
        (sqs.receive_message, {"QueueUrl": url}),
    ):
        assert GONE[protocol] == error_of(call, **parameters)
    too_soon = (
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
    )
    sim.run_for(59)
    assert too_soon == error_of(sqs.create_queue, QueueName="orders")
    sim.run_for(1)
    assert url == sqs.create_queue(QueueName="orders")["QueueUrl"]
    assert {} == answered(sqs.receive_message(QueueUrl=url))


@pytest.mark.rule("SQS-043")
def test_waiting_for_the_name_can_be_switched_off(world):
    """A client finds the new queue under the URL of the old one, not the old one."""
    _, sqs = world(settings=[SqsConfig(recreate_wait_s=0)])
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="a")
    sqs.delete_queue(QueueUrl=url)
    sqs.create_queue(QueueName="orders")
    assert {} == answered(sqs.receive_message(QueueUrl=url))
    sqs.send_message(QueueUrl=url, MessageBody="b")
    assert "b" == sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]


# ---- what a URL may look like


@pytest.mark.rule("SQS-024")
@pytest.mark.parametrize(
    "form",
    [
        f"{URL}/orders",
        f"{URL}/orders/",
        "https://sqs.amazonaws.com/123456789012/orders",
        "https://queue.amazonaws.com/123456789012/orders",
        "https://us-east-1.queue.amazonaws.com/123456789012/orders",
        "http://localhost:4566/123456789012/orders",
        "http://sqs.us-east-1.localhost.localstack.cloud:4566/123456789012/orders",
        "http://localhost:4566/queue/us-east-1/123456789012/orders",
        "https://vpce-0f-1a.sqs.us-east-1.vpce.amazonaws.com/123456789012/orders",
        "123456789012/orders",
        "orders",
    ],
)
def test_forms_of_a_url(sqs, url, form):
    """The last two parts count; a bare name will do."""
    sent = sqs.send_message(QueueUrl=form, MessageBody="a")
    assert sent["MessageId"] == sqs.receive_message(QueueUrl=url)["Messages"][0]["MessageId"]
    assert url == sqs.get_queue_url(QueueName="orders")["QueueUrl"]


@pytest.mark.rule("SQS-024", "SQS-025")
@pytest.mark.parametrize(
    "form",
    [
        f"{URL}/others",
        "https://sqs.us-east-1.amazonaws.com/000000000000/orders",
        "http://whatever-incorrect-queue-address",
        "orders/123456789012",
        "Orders",
        "arn:aws:sqs:us-east-1:123456789012:orders",
        "/",
        "",
    ],
)
def test_urls_of_no_queue(sqs, url, protocol, form):
    """An ARN is no URL either."""
    assert GONE[protocol] == error_of(sqs.send_message, QueueUrl=form, MessageBody="a")


@pytest.mark.rule("SQS-020", "SQS-026")
def test_each_region_has_queues_of_its_own(bridge, protocol):
    here, there = bridge.client("us-east-1"), bridge.client("eu-central-1")
    urls = [sqs.create_queue(QueueName="orders")["QueueUrl"] for sqs in (here, there)]
    assert [f"{URL}/orders", "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"] == urls
    for sqs, url in zip((here, there), urls, strict=True):
        assert [url] == sqs.list_queues()["QueueUrls"]
        assert url == sqs.get_queue_url(QueueName="orders")["QueueUrl"]
        sqs.send_message(QueueUrl="orders", MessageBody=url)  # a bare name is looked up where the client is
        assert url == sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]
    arn = attributes(there, urls[1], "QueueArn")["QueueArn"]
    assert "arn:aws:sqs:eu-central-1:123456789012:orders" == arn
    wrong = ("InvalidAddress", f"The address {urls[0]} is not valid for this endpoint.")
    assert wrong == error_of(there.send_message, QueueUrl=urls[0], MessageBody="a")
    there.delete_queue(QueueUrl=urls[1])
    assert [urls[0]] == here.list_queues()["QueueUrls"]
    assert GONE[protocol] == error_of(there.send_message, QueueUrl="orders", MessageBody="a")
    legacy = "https://queue.amazonaws.com/123456789012/orders"
    assert GONE[protocol] == error_of(there.send_message, QueueUrl=legacy, MessageBody="a")


@pytest.mark.rule("SQS-022", "SQS-023")
def test_regions_of_other_partitions(bridge):
    china = bridge.client("cn-north-1")
    url = china.create_queue(QueueName="orders")["QueueUrl"]
    assert "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/orders" == url
    assert "arn:aws-cn:sqs:cn-north-1:123456789012:orders" == attributes(china, url, "QueueArn")["QueueArn"]


@pytest.mark.rule("SQS-050")
def test_queue_of_another_account(sim, sqs, protocol):
    theirs = sim.create_queue("orders", account_id="111111111111")
    found = sqs.get_queue_url(QueueName="orders", QueueOwnerAWSAccountId="111111111111")["QueueUrl"]
    assert "https://sqs.us-east-1.amazonaws.com/111111111111/orders" == found == theirs.url
    sqs.send_message(QueueUrl=found, MessageBody="a")
    assert 1 == theirs.visible
    assert {} == answered(sqs.list_queues())
    assert GONE[protocol] == error_of(sqs.get_queue_url, QueueName="orders")


# ---- attributes


@pytest.mark.rule("SQS-002", "SQS-080", "SQS-089")
def test_attributes_of_a_fresh_queue(sqs, url):
    assert attributes(sqs, url) == {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "CreatedTimestamp": "1767225600",
        "DelaySeconds": "0",
        "LastModifiedTimestamp": "1767225600",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "QueueArn": "arn:aws:sqs:us-east-1:123456789012:orders",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "VisibilityTimeout": "30",
    }


@pytest.mark.rule("SQS-080", "SQS-089")
def test_attributes_of_a_fresh_fifo_queue(sqs, url, fifo_url):
    own = {
        "ContentBasedDeduplication": "false",
        "DeduplicationScope": "queue",
        "FifoQueue": "true",
        "FifoThroughputLimit": "perQueue",
        "QueueArn": "arn:aws:sqs:us-east-1:123456789012:orders.fifo",
    }
    assert attributes(sqs, url) | own == attributes(sqs, fifo_url)


@pytest.mark.rule("SQS-085", "SQS-089")
def test_changed_attributes_are_shown(sim, sqs, url):
    before = attributes(sqs, url)
    sim.run_for(10)
    changes = {
        "MaximumMessageSize": "2048",
        "VisibilityTimeout": "69",
        "DelaySeconds": "420",
        "MessageRetentionPeriod": "604800",
        "ReceiveMessageWaitTimeSeconds": "10",
    }
    assert {} == answered(sqs.set_queue_attributes(QueueUrl=url, Attributes=changes))
    assert before | changes | {"LastModifiedTimestamp": "1767225610"} == attributes(sqs, url)
    assert {"DelaySeconds": "420", "QueueArn": before["QueueArn"]} == attributes(sqs, url, "QueueArn", "DelaySeconds")


@pytest.mark.rule("SQS-088")
def test_attributes_that_nobody_asks_for_or_that_are_not_set(sqs, url):
    assert {} == answered(sqs.get_queue_attributes(QueueUrl=url))
    assert {} == answered(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[]))
    assert {} == answered(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy", "KmsMasterKeyId"]))
    assert {"DelaySeconds": "0"} == attributes(sqs, url, "Policy", "DelaySeconds", "FifoQueue")
    for names in (["QueueArn", "not-existing", "VisibilityTimeout"], ["not-existing"]):
        assert ("InvalidAttributeName", "Unknown Attribute not-existing.") == error_of(
            sqs.get_queue_attributes, QueueUrl=url, AttributeNames=names
        )
    assert ("InvalidAttributeName", "Unknown Attribute .") == error_of(
        sqs.get_queue_attributes, QueueUrl=url, AttributeNames=[""]
    )


@pytest.mark.rule("SQS-082", "SQS-083", "SQS-085", "SQS-087", "SQS-090")
@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({}, "MissingParameter", "The request must contain the parameter Attribute.Name."),
        ({"VisibilityTimeout": "43201"}, "InvalidAttributeValue", "Invalid value for the parameter VisibilityTimeout."),
        ({"VisibilityTimeout": "-1"}, "InvalidAttributeValue", "Invalid value for the parameter VisibilityTimeout."),
        ({"VisibilityTimeout": "many"}, "InvalidAttributeValue", "Invalid value for the parameter VisibilityTimeout."),
        ({"DelaySeconds": "901"}, "InvalidAttributeValue", "Invalid value for the parameter DelaySeconds."),
        (
            {"MaximumMessageSize": "1023"},
            "InvalidAttributeValue",
            "Invalid value for the parameter MaximumMessageSize.",
        ),
        (
            {"MaximumMessageSize": "1048577"},
            "InvalidAttributeValue",
            "Invalid value for the parameter MaximumMessageSize.",
        ),
        (
            {"MessageRetentionPeriod": "59"},
            "InvalidAttributeValue",
            "Invalid value for the parameter MessageRetentionPeriod.",
        ),
        (
            {"ReceiveMessageWaitTimeSeconds": "21"},
            "InvalidAttributeValue",
            "Invalid value for the parameter ReceiveMessageWaitTimeSeconds.",
        ),
        (
            {"SqsManagedSseEnabled": "yes"},
            "InvalidAttributeValue",
            "Invalid value for the parameter SqsManagedSseEnabled.",
        ),
        ({"Policy": "no JSON"}, "InvalidAttributeValue", "Invalid value for the parameter Policy."),
        ({"Unknown": "1"}, "InvalidAttributeName", "Unknown Attribute Unknown."),
        ({"VisibilityTimeout ": "1"}, "InvalidAttributeName", "Unknown Attribute VisibilityTimeout ."),
        ({"QueueArn": "arn"}, "InvalidAttributeName", "Unknown Attribute QueueArn."),
        ({"FifoQueue": "true"}, "InvalidAttributeName", "Unknown Attribute FifoQueue."),
        ({"FifoQueue": "false"}, "InvalidAttributeName", "Unknown Attribute FifoQueue."),
        (
            {"ContentBasedDeduplication": "true"},
            "InvalidAttributeName",
            "Unknown Attribute ContentBasedDeduplication.",
        ),
        (
            {"DeduplicationScope": "queue"},
            "InvalidAttributeName",
            "You can specify the DeduplicationScope only when FifoQueue is set to true.",
        ),
        (
            {"FifoThroughputLimit": "perQueue"},
            "InvalidAttributeName",
            "You can specify the FifoThroughputLimit only when FifoQueue is set to true.",
        ),
        (
            {"KmsMasterKeyId": "key", "SqsManagedSseEnabled": "true"},
            "InvalidAttributeName",
            (
                "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or "
                "SQS SSE."
            ),
        ),
        (
            {"KmsDataKeyReusePeriodSeconds": "59"},
            "InvalidAttributeValue",
            "Invalid value for the parameter KmsDataKeyReusePeriodSeconds.",
        ),
    ],
)
def test_attributes_that_a_standard_queue_cannot_have(sqs, url, given, code, message):
    """What is refused changes nothing."""
    before = attributes(sqs, url)
    assert (code, message) == error_of(sqs.set_queue_attributes, QueueUrl=url, Attributes=given)
    assert before == attributes(sqs, url)
    if given:
        created = error_of(sqs.create_queue, QueueName="others", Attributes=given)
        assert (code, message) == created or "FifoQueue" in given
        assert [url] == sqs.list_queues()["QueueUrls"]


@pytest.mark.rule("SQS-084", "SQS-087")
def test_type_of_a_queue_stays(sqs, fifo_url):
    sqs.set_queue_attributes(QueueUrl=fifo_url, Attributes={"FifoQueue": "true"})
    assert_refused(
        "InvalidAttributeValue",
        "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
        sqs.set_queue_attributes,
        QueueUrl=fifo_url,
        Attributes={"FifoQueue": "false"},
    )
    assert_refused(
        "InvalidAttributeValue",
        "Invalid value for the parameter FifoThroughputLimit. Reason: The perMessageGroupId value is allowed only when "
        "the value for DeduplicationScope is messageGroup.",
        sqs.set_queue_attributes,
        QueueUrl=fifo_url,
        Attributes={"FifoThroughputLimit": "perMessageGroupId"},
    )
    high = {"FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "messageGroup"}
    sqs.set_queue_attributes(QueueUrl=fifo_url, Attributes=high)
    assert high == attributes(sqs, fifo_url, *high)


@pytest.mark.rule("SQS-086")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Policy", json.dumps(POLICY)),
        ("RedriveAllowPolicy", '{"redrivePermission":"denyAll"}'),
        (
            "RedrivePolicy",
            '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:orders", "maxReceiveCount": "2"}',
        ),
        ("KmsMasterKeyId", "alias/mine"),
    ],
)
def test_empty_text_removes_what_is_set(sqs, url, name, value):
    """It comes back as it was given; to remove what is not there succeeds."""
    sqs.set_queue_attributes(QueueUrl=url, Attributes={name: ""})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={name: value})
    assert {name: value} == attributes(sqs, url, name)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={name: ""})
    assert attributes(sqs, url, name) is None
    assert name not in attributes(sqs, url)


@pytest.mark.rule("SQS-089", "SQS-090")
def test_encryption_is_echoed(sqs, url):
    names = ("KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled")
    assert {"SqsManagedSseEnabled": "true"} == attributes(sqs, url, *names)
    given = {"KmsMasterKeyId": "testKeyId", "KmsDataKeyReusePeriodSeconds": "6000", "SqsManagedSseEnabled": "false"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=given)
    assert given == attributes(sqs, url, *names)
    made = sqs.create_queue(QueueName="secret", Attributes={"KmsMasterKeyId": "key"})["QueueUrl"]
    assert attributes(sqs, made, *names) == {
        "KmsMasterKeyId": "key",
        "KmsDataKeyReusePeriodSeconds": "300",
        "SqsManagedSseEnabled": "false",
    }


@pytest.mark.rule("SQS-230", "SQS-600")
def test_counts(sim, sqs, url):
    def counts():
        return [attributes(sqs, url)[f"ApproximateNumberOfMessages{kind}"] for kind in ("", "NotVisible", "Delayed")]

    for delay in (0, 0, 5):
        sqs.send_message(QueueUrl=url, MessageBody="a", DelaySeconds=delay)
    assert ["2", "0", "1"] == counts()
    sqs.receive_message(QueueUrl=url)
    assert ["1", "1", "1"] == counts()
    sim.run_for(5)
    assert ["2", "1", "0"] == counts()
    sim.run_for(25)
    assert ["3", "0", "0"] == counts()


# ---- purging


@pytest.mark.rule("SQS-480", "SQS-481")
def test_purge_removes_everything_once_a_minute(sim, sqs, url):
    for delay in (0, 0, 5):
        sqs.send_message(QueueUrl=url, MessageBody="a", DelaySeconds=delay)
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert {} == answered(sqs.purge_queue(QueueUrl=url))
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    sim.run_for(59)
    assert {} == answered(sqs.receive_message(QueueUrl=url))
    with pytest.raises(sqs.exceptions.PurgeQueueInProgress):
        sqs.purge_queue(QueueUrl=url)
    response = refusal(sqs.purge_queue, QueueUrl=url)
    assert 403 == response["ResponseMetadata"]["HTTPStatusCode"]
    assert (
        "AWS.SimpleQueueService.PurgeQueueInProgress",
        "Only one PurgeQueue operation on orders is allowed every 60 seconds.",
    ) == (response["Error"]["Code"], response["Error"]["Message"])
    sqs.send_message(QueueUrl=url, MessageBody="b")
    sim.run_for(1)
    sqs.purge_queue(QueueUrl=url)
    assert {} == answered(sqs.receive_message(QueueUrl=url))
