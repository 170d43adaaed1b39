"""Filters and the bodies of messages: plain texts, JSON, and what a filter asks of either (FLT-403)."""

from __future__ import annotations

import pytest

from lambdasim.filtering import Filters

# Id, filters, body, what becomes of the message, rule.
CASES = [
    ("C01", ('{"body":["hello"]}',), "hello", "keep", "FLT-093 row 1"),
    ("C02", ('{"body":["hello"]}',), '"hello"', "drop", "FLT-091"),
    ("C03", ('{"body":[{"prefix":"ORD-"}]}',), "ORD-17", "keep", "FLT-093 row 1"),
    ("C04", ('{"body":["123"]}',), "123", "keep", "FLT-091"),
    ("C05", ('{"body":[123]}',), "123", "drop", "FLT-091"),
    ("C06", ('{"body":["true"]}',), "true", "keep", "FLT-091"),
    ("C07", ('{"body":[null]}',), "null", "drop", "FLT-091"),
    ("C08", ('{"eventSource":["aws:sqs"]}',), "hello", "keep", "FLT-093 row 2"),
    ("C09", ('{"eventSource":["aws:kinesis"]}',), "hello", "drop", "FLT-093 row 2"),
    ("C10", ('{"body":{"k":["v"]}}',), "hello", "drop", "FLT-093 row 3"),
    ("C11", ('{"body":{"k":[{"exists":false}]}}',), "hello", "drop", "FLT-093 row 3"),
    ("C12", ('{"body":{"k":[{"anything-but":"v"}]}}',), "hello", "drop", "FLT-093 row 3"),
    ("C13", ('{"body":["hello"]}',), '{"k":"v"}', "drop", "FLT-093 row 4"),
    ("C14", ('{"body":[{"exists":true}]}',), '{"k":"v"}', "drop", "FLT-093 row 4"),
    ("C15", ('{"body":[{"exists":true}]}',), "hello", "keep", "FLT-093 row 1"),
    ("C16", ('{"body":[{"exists":false}]}',), "hello", "drop", "FLT-093 row 1"),
    ("C17", ('{"eventSource":["aws:sqs"]}',), '{"k":"v"}', "keep", "FLT-093 row 5"),
    ("C18", ('{"body":{"k":["v"]}}',), '{"k":"v"}', "keep", "FLT-093 row 6"),
    ("C19", ('{"body":{"k":["v"]}}',), '{"k":"w"}', "drop", "FLT-093 row 6"),
    ("C20", ('{"body":{"k":[{"exists":false}]}}',), "{}", "keep", "FLT-093 row 6"),
    ("C21", ('{"body":{"k":["v"]}}',), '[{"k":"u"},{"k":"v"}]', "keep", "FLT-091"),
    ("C22", ('{"body":{"k":["v"]}}',), '{"k":"v"', "drop", "FLT-091"),
    ("C23", ('{"body":{"k":["v"]}}',), ' {"k": "v"} ', "keep", "FLT-091"),
    ("C24", ('{"body":{"k":["v"]}}',), '{"k":NaN}', "drop", "FLT-091"),
    ("C25", ('{"body":{"k":["v"]}}',), '{"k":"v"} {"k":"v"}', "drop", "FLT-091"),
    ("C26", ('{"body":{"k":["v"]}}',), "", "drop", "FLT-091"),
    ("C27", ('{"body":["hello"]}', '{"body":{"k":["v"]}}'), "hello", "keep", "FLT-094"),
    ("C28", ('{"body":["hello"]}', '{"body":{"k":["v"]}}'), '{"k":"v"}', "keep", "FLT-094"),
    ("C29", ('{"body":["hello"]}', '{"body":{"k":["v"]}}'), "bye", "drop", "FLT-094"),
    ("C30", ('{"$or":[{"body":["hello"]},{"body":{"k":["v"]}}]}',), "hello", "keep", "FLT-094"),
    ("C31", ('{"$or":[{"body":["hello"]},{"body":{"k":["v"]}}]}',), '{"k":"v"}', "keep", "FLT-094"),
    ("C32", ('{"body":["hello"],"body.k":["v"]}',), "hello", "drop", "FLT-092"),
    ("C33", ('{"body":{"k":["v"]},"eventSource":["aws:sqs"]}',), '{"k":"v"}', "keep", "FLT-093 row 6"),
    ("C34", ('{"body":{"k":["v"]},"awsRegion":["eu-west-1"]}',), '{"k":"v"}', "drop", "FLT-093 row 6"),
    ("C35", ('{"messageAttributes":{"kind":{"stringValue":["vip"]}}}',), "hello", "keep", "FLT-095"),
    ("C36", ('{"messageAttributes":{"kind":{"stringValue":["std"]}}}',), "hello", "drop", "FLT-095"),
    ("C37", ('{"attributes":{"ApproximateReceiveCount":["1"]}}',), "hello", "keep", "FLT-095"),
    ("C38", ('{"attributes":{"ApproximateReceiveCount":[{"numeric":["=",1]}]}}',), "hello", "drop", "FLT-095"),
    ("C39", (), "hello", "keep", "FLT-015"),
]


def record_of(body):
    return {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
        "messageAttributes": {
            "kind": {"stringValue": "vip", "dataType": "String", "stringListValues": [], "binaryListValues": []}
        },
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:orders",
        "awsRegion": "us-east-1",
    }


@pytest.mark.rule("FLT-403", "FLT-140", "FLT-091", "FLT-092", "FLT-093", "FLT-094", "FLT-095")
@pytest.mark.parametrize(
    ("patterns", "body", "result", "rule"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_message_is_kept_or_dropped_as_the_table_says(patterns, body, result, rule):
    assert result == ("keep" if Filters(patterns, source="sqs").accepts(record_of(body)) else "drop"), rule


def test_no_case_is_missing():
    assert [f"C{number:02}" for number in range(1, 40)] == [case[0] for case in CASES]
