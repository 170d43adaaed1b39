"""moto, through boto3: what a test double without time costs."""

from __future__ import annotations

import io
import zipfile
from contextlib import contextmanager
from time import process_time

from benchmarks.timing import Measure, need, rate

ASSUME = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}


@contextmanager
def mocked(**config):
    need("moto", "boto3")
    import boto3
    from moto import mock_aws

    with mock_aws(config=config):
        yield lambda service: boto3.client(service, **KEYS)


def _entries(size, *, handles=None):
    if handles is None:
        return [{"Id": str(place), "MessageBody": "x" * 256} for place in range(size)]
    return [{"Id": str(place), "ReceiptHandle": handle} for place, handle in enumerate(handles)]


def _fill(client, url, waiting):
    for _ in range(waiting // 10):
        client.send_message_batch(QueueUrl=url, Entries=_entries(10))


def single(messages: int, *, waiting: int = 0, clients=mocked) -> float:
    """Messages per second sent, received and deleted one by one while so many others wait."""
    with clients() as connect:
        client = connect("sqs")
        url = client.create_queue(QueueName="orders")["QueueUrl"]
        _fill(client, url, waiting)

        def work():
            for _ in range(messages):
                client.send_message(QueueUrl=url, MessageBody="x" * 256)
                received = client.receive_message(QueueUrl=url)["Messages"]
                client.delete_message(QueueUrl=url, ReceiptHandle=received[0]["ReceiptHandle"])

        return rate(messages, work)


def batches(messages: int, *, waiting: int = 0, is_fifo: bool = False, clients=mocked) -> float:
    """The same in batches of ten; the messages of a FIFO queue are one group, with ids that differ."""
    with clients() as connect:
        client = connect("sqs")
        given = (
            {"QueueName": "orders.fifo", "Attributes": {"FifoQueue": "true"}} if is_fifo else {"QueueName": "orders"}
        )
        url = client.create_queue(**given)["QueueUrl"]
        _fill(client, url, waiting)

        def work():
            for first in range(0, messages // 10 * 10, 10):
                entries = _entries(10)
                if is_fifo:
                    for place, entry in enumerate(entries):
                        entry["MessageGroupId"] = "group"
                        entry["MessageDeduplicationId"] = f"new-{first + place}"
                client.send_message_batch(QueueUrl=url, Entries=entries)
                received = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
                assert len(received) == len(entries)
                handles = [message["ReceiptHandle"] for message in received]
                client.delete_message_batch(QueueUrl=url, Entries=_entries(10, handles=handles))

        return rate(messages // 10 * 10, work)


def _make_pipeline(connect, batch=10):
    role = connect("iam").create_role(RoleName="worker", AssumeRolePolicyDocument=ASSUME)["Role"]["Arn"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", "def handler(event, context):\n    return len(event['Records'])\n")
    connect("lambda").create_function(
        FunctionName="worker",
        Runtime="python3.12",
        Role=role,
        Handler="main.handler",
        Code={"ZipFile": packed.getvalue()},
    )
    url = connect("sqs").create_queue(QueueName="orders")["QueueUrl"]
    connect("lambda").create_event_source_mapping(
        EventSourceArn="arn:aws:sqs:us-east-1:123456789012:orders", FunctionName="worker", BatchSize=batch
    )
    return url


def mapping(messages: int, *, batch: int = 10, measure: Measure = rate) -> float:
    """
    Messages per second through moto's mapping, to a function that runs nothing.

    It invokes once for each message within its send, so that the size of a batch changes nothing.
    """
    with mocked(**{"lambda": {"use_docker": False}}) as connect:
        url = _make_pipeline(connect, batch)
        client = connect("sqs")

        def work():
            for _ in range(messages // 10):
                client.send_message_batch(QueueUrl=url, Entries=_entries(10))

        return measure(messages // 10 * 10, work)


def fixture_ms(times: int) -> float:
    """Milliseconds that a test needs to set up a queue, a function and a mapping."""
    need("moto", "boto3")
    begin = process_time()
    for _ in range(times):
        with mocked(**{"lambda": {"use_docker": False}}) as connect:
            _make_pipeline(connect)
    return (process_time() - begin) * 1_000 / times
