"""Lists in pages through real clients of boto3, and their paginators."""

from __future__ import annotations

import json

import pytest

from tests.bridge import answered, error_of

RANGE = "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000."


def make(sqs, *names):
    return [sqs.create_queue(QueueName=name)["QueueUrl"] for name in names]


@pytest.mark.rule("SQS-051")
def test_prefix_and_order(sqs):
    b, a, other = make(sqs, "a-b", "a-a", "b-a")
    assert {"QueueUrls": sorted([a, b, other])} == answered(sqs.list_queues())
    assert {"QueueUrls": [a, b]} == answered(sqs.list_queues(QueueNamePrefix="a-"))
    assert {"QueueUrls": [other]} == answered(sqs.list_queues(QueueNamePrefix="b-a"))
    assert {} == answered(sqs.list_queues(QueueNamePrefix="A"))
    assert {"QueueUrls": sorted([a, b, other])} == answered(sqs.list_queues(QueueNamePrefix=""))


@pytest.mark.rule("SQS-051", "SQS-052")
def test_pages(sqs):
    """A token comes exactly when there is more, and a page goes on where the last one ended."""
    urls = make(sqs, *(f"q-{number}" for number in range(5)))
    make(sqs, "other")
    first = sqs.list_queues(QueueNamePrefix="q-", MaxResults=2)
    assert urls[:2] == first["QueueUrls"]
    second = sqs.list_queues(QueueNamePrefix="q-", MaxResults=2, NextToken=first["NextToken"])
    assert urls[2:4] == second["QueueUrls"]
    last = sqs.list_queues(QueueNamePrefix="q-", MaxResults=2, NextToken=second["NextToken"])
    assert {"QueueUrls": urls[4:]} == answered(last)
    assert {"QueueUrls": urls} == answered(sqs.list_queues(QueueNamePrefix="q-", MaxResults=5))


@pytest.mark.rule("SQS-052", "SQS-053")
def test_pages_that_there_are_not(sqs, url):
    for call, given in ((sqs.list_queues, {}), (sqs.list_dead_letter_source_queues, {"QueueUrl": url})):
        for wrong in (0, -1, 1_001):
            assert ("InvalidParameterValue", RANGE) == error_of(call, MaxResults=wrong, **given)
        assert ("InvalidParameterValue", "Invalid or expired next token.") == error_of(
            call, NextToken="nonsense", MaxResults=1, **given
        )


@pytest.mark.rule("SQS-051")
def test_a_thousand_at_most(sim, sqs):
    for number in range(1_001):
        sim.create_queue(f"q-{number:04}")
    result = answered(sqs.list_queues())
    assert {"QueueUrls"} == set(result)
    assert 1_000 == len(result["QueueUrls"])
    page = sqs.list_queues(MaxResults=1_000)
    assert ["q-1000"] == [
        url.rpartition("/")[2] for url in sqs.list_queues(MaxResults=1_000, NextToken=page["NextToken"])["QueueUrls"]
    ]


@pytest.mark.rule("SQS-051", "SQS-053")
def test_paginators(sqs, url):
    """A paginator gathers all pages, whatever their size."""
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})}
    sources = [sqs.create_queue(QueueName=f"s-{number}", Attributes=policy)["QueueUrl"] for number in range(5)]
    queues = sqs.get_paginator("list_queues")
    for size in (1, 2, 5, 10):
        pages = list(queues.paginate(QueueNamePrefix="s-", PaginationConfig={"PageSize": size}))
        assert sources == [found for page in pages for found in page["QueueUrls"]]
        assert -(-5 // size) == len(pages)
        found = sqs.get_paginator("list_dead_letter_source_queues").paginate(
            QueueUrl=url, PaginationConfig={"PageSize": size}
        )
        assert sources == found.build_full_result()["queueUrls"]
    assert (
        sources[:3]
        == queues.paginate(PaginationConfig={"PageSize": 2, "MaxItems": 4}).build_full_result()["QueueUrls"][1:]
    )
    assert [] == list(queues.paginate(QueueNamePrefix="none").search("QueueUrls || `[]`"))
