"""A handler as it is deployed: one module, its client and its settings are made when it is imported."""

from __future__ import annotations

import os

import boto3

sqs = boto3.client("sqs", region_name="us-east-1")
QUEUE_URL = os.environ["INVOICES_QUEUE_URL"]


def handler(event, context):
    for record in event["Records"]:
        sqs.send_message(
            QueueUrl=QUEUE_URL,
            MessageBody=f"invoice for {record['body']}",
            MessageGroupId=record["body"],
            MessageDeduplicationId=record["body"],
        )
