"""Tags and permissions through real clients of boto3."""

from __future__ import annotations

import json

import pytest

from tests.bridge import answered, assert_refused, error_of, refusal

ARN = "arn:aws:sqs:us-east-1:123456789012:orders"


def tags(sqs, url):
    return sqs.list_queue_tags(QueueUrl=url).get("Tags")


def statement(label, *accounts, actions=("SQS:ReceiveMessage",)):
    roots = [f"arn:aws:iam::{account}:root" for account in accounts]
    return {
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": roots if len(roots) > 1 else roots[0]},
        "Action": list(actions) if len(actions) > 1 else actions[0],
        "Resource": ARN,
    }


# ---- tags


@pytest.mark.rule("SQS-040", "SQS-552")
def test_tags_of_a_new_queue(sqs):
    given = {"tag_key_1": "tag_value_1", "tag_key_2": ""}
    url = sqs.create_queue(QueueName="orders", tags=given)["QueueUrl"]
    assert given == tags(sqs, url)


@pytest.mark.rule("SQS-552")
def test_tags_are_added_overwritten_and_removed(sqs, url):
    assert {} == answered(sqs.list_queue_tags(QueueUrl=url))
    assert {} == answered(sqs.tag_queue(QueueUrl=url, Tags={"tag1": "value1", "tag2": "value2", "Tag1": ""}))
    sqs.tag_queue(QueueUrl=url, Tags={"tag1": "VALUE1", "tag3": "é_.:/=+-@ "})
    assert {"tag1": "VALUE1", "tag2": "value2", "Tag1": "", "tag3": "é_.:/=+-@ "} == tags(sqs, url)
    assert {} == answered(sqs.untag_queue(QueueUrl=url, TagKeys=["tag1", "not-there", "tag3"]))
    assert {"tag2": "value2", "Tag1": ""} == tags(sqs, url)
    sqs.untag_queue(QueueUrl=url, TagKeys=["tag2", "Tag1"])
    assert {} == answered(sqs.list_queue_tags(QueueUrl=url))


@pytest.mark.rule("SQS-552")
def test_tags_that_are_refused(sqs, url):
    sqs.tag_queue(QueueUrl=url, Tags={"k": "v"})
    assert ("MissingParameter", "The request must contain the parameter Tags.") == error_of(
        sqs.tag_queue, QueueUrl=url, Tags={}
    )
    assert ("MissingParameter", "The request must contain the parameter TagKeys.") == error_of(
        sqs.untag_queue, QueueUrl=url, TagKeys=[]
    )
    for wrong in ({"": "v"}, {"x" * 129: "v"}, {"a": "x" * 257}, {"aws:a": "v"}, {"a#": "v"}):
        assert "InvalidParameterValue" == error_of(sqs.tag_queue, QueueUrl=url, Tags={"fine": "v"} | wrong)[0]
    assert {"k": "v"} == tags(sqs, url)


@pytest.mark.rule("SQS-025", "SQS-552")
def test_tags_of_no_queue(sqs, url):
    for call, parameters in (
        (sqs.tag_queue, {"Tags": {"k": "v"}}),
        (sqs.untag_queue, {"TagKeys": ["k"]}),
        (sqs.list_queue_tags, {}),
    ):
        code, _ = error_of(call, QueueUrl=f"{url}-not-existing", **parameters)
        assert "AWS.SimpleQueueService.NonExistentQueue" == code


# ---- permissions


@pytest.mark.rule("SQS-550")
def test_permissions_make_a_policy(sqs, url):
    """A statement for each label; with the last one the policy goes."""

    def document():
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes")
        return None if found is None else json.loads(found["Policy"])

    def policy(*statements):
        return {"Version": "2008-10-17", "Id": f"{ARN}/SQSDefaultPolicy", "Statement": list(statements)}

    add = {"QueueUrl": url, "Actions": ["ReceiveMessage"]}
    both = ["123456789012", "668614515564"]
    assert {} == answered(sqs.add_permission(Label="one", AWSAccountIds=both, **add))
    assert policy(statement("one", *both)) == document()
    sqs.add_permission(QueueUrl=url, Label="two", AWSAccountIds=both[:1], Actions=["*", "SendMessage"])
    two = statement("two", both[0], actions=("SQS:*", "SQS:SendMessage"))
    assert policy(statement("one", *both), two) == document()
    assert {} == answered(sqs.remove_permission(QueueUrl=url, Label="one"))
    assert policy(two) == document()
    sqs.remove_permission(QueueUrl=url, Label="two")
    assert document() is None


@pytest.mark.rule("SQS-550")
def test_permissions_that_are_refused(sqs, url):
    add = {"QueueUrl": url, "AWSAccountIds": ["111111111111"], "Actions": ["ReceiveMessage"]}
    sqs.add_permission(Label="test", **add)
    assert ("InvalidParameterValue", "Value test for parameter Label is invalid. Reason: Already exists.") == error_of(
        sqs.add_permission, Label="test", **add
    )
    assert ("MissingParameter", "The request must contain the parameter Actions.") == error_of(
        sqs.add_permission, Label="more", **add | {"Actions": []}
    )
    assert "MissingParameter" == error_of(sqs.add_permission, Label="more", **add | {"AWSAccountIds": []})[0]
    many = ["SendMessage", "DeleteMessage", "ReceiveMessage", "GetQueueUrl", "PurgeQueue", "ListDeadLetterSourceQueues"]
    many += ["ChangeMessageVisibility", "GetQueueAttributes"]
    response = refusal(sqs.add_permission, Label="more", **add | {"Actions": many})
    assert ("OverLimit", "8 Actions were found, maximum allowed is 7.", 403) == (
        response["Error"]["Code"],
        response["Error"]["Message"],
        response["ResponseMetadata"]["HTTPStatusCode"],
    )
    assert_refused(
        "InvalidParameterValue",
        "Value nope for parameter Label is invalid. Reason: can't find label.",
        sqs.remove_permission,
        QueueUrl=url,
        Label="nope",
    )
