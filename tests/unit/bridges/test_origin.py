"""Service, Region and key: read from signatures, or else from hosts."""

from __future__ import annotations

import pytest

from lambdasim.bridges.origin import Origin, credential_of, origin_of, place_of


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("sqs.us-east-1.amazonaws.com", ("sqs", "us-east-1")),
        ("SQS.EU-West-1.amazonaws.com:443", ("sqs", "eu-west-1")),
        ("sqs-fips.us-gov-west-1.amazonaws.com", ("sqs", "us-gov-west-1")),
        ("sqs.eu-central-1.api.aws", ("sqs", "eu-central-1")),
        ("sqs.cn-north-1.amazonaws.com.cn", ("sqs", "cn-north-1")),
        ("sqs.us-iso-east-1.c2s.ic.gov", ("sqs", "us-iso-east-1")),
        ("sqs.eusc-de-east-1.amazonaws.eu", ("sqs", "eusc-de-east-1")),
        ("us-west-2.queue.amazonaws.com", ("sqs", "us-west-2")),
        ("cn-north-1.queue.amazonaws.com.cn", ("sqs", "cn-north-1")),
        ("queue.amazonaws.com", ("sqs", "us-east-1")),
        ("vpce-0f1-2a.sqs.ap-south-1.vpce.amazonaws.com", ("sqs", "ap-south-1")),
        ("lambda.eu-west-1.amazonaws.com", ("lambda", "eu-west-1")),
        ("lambda-fips.us-east-2.amazonaws.com", ("lambda", "us-east-2")),
        ("lambda.us-west-1.api.aws", ("lambda", "us-west-1")),
        ("vpce-0f1-2a-us-east-1a.lambda.us-east-1.vpce.amazonaws.com", ("lambda", "us-east-1")),
        ("sqs.us-east-1.localhost.localstack.cloud:4566", ("sqs", "us-east-1")),
        ("localhost:4566", (None, None)),
        ("127.0.0.1", (None, None)),
        ("queue.example.com", (None, None)),
        ("sqs", ("sqs", None)),
        ("sqs.example.com", ("sqs", None)),
        ("s3.us-east-1.amazonaws.com", (None, None)),
    ],
)
def test_hosts(host, place):
    """Hosts of all kinds say what they are for; others say nothing."""
    assert place == place_of(host)


@pytest.mark.parametrize(
    ("authorization", "credential"),
    [
        (
            "AWS4-HMAC-SHA256 Credential=AKID/20240101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0f",
            "AKID/20240101/eu-west-1/sqs/aws4_request",
        ),
        (
            "AWS4-HMAC-SHA256 SignedHeaders=host, Credential=A/B/20240101/r/s/aws4_request",
            "A/B/20240101/r/s/aws4_request",
        ),
        ("Bearer token", None),
        (None, None),
    ],
)
def test_credentials(authorization, credential):
    """The credential is found wherever it stands in the header."""
    assert credential == credential_of(authorization)


@pytest.mark.parametrize(
    ("credential", "origin"),
    [
        ("AKID/20240101/eu-west-1/sqs/aws4_request", ("sqs", "eu-west-1", "AKID")),
        ("A/B/20240101/eu-west-1/s3/aws4_request", ("s3", "eu-west-1", "A/B")),
        ("AKID/20240101/lambda/aws4_request", ("lambda", "us-east-1", "AKID")),  # signed for several Regions
        ("AKID", ("sqs", "us-east-1", "AKID")),
        (None, ("sqs", "us-east-1", None)),
    ],
)
def test_the_signature_counts_before_the_host(credential, origin):
    assert Origin(*origin) == origin_of("sqs.us-east-1.amazonaws.com", credential)
