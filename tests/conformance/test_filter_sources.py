"""What patterns see of records of each source, and what becomes of those that no filter accepts (FLT-404)."""

from __future__ import annotations

import base64
import json

import pytest

from lambdasim import FilterModel
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import InvalidParameterValueException, ValidationException
from lambdasim.filtering import Filters, Settlement, settlement_of

NO_UTF8 = b"\xff"

# Id, source, pattern, payload, what comes of it, rule.
CASES = [
    ("D01", "kinesis", '{"data":{"k":["v"]}}', '{"k":"v"}', "match", "FLT-100"),
    ("D02", "kinesis", '{"data":{"k":["v"]}}', '{"k":"w"}', "no", "FLT-100"),
    ("D03", "kinesis", '{"data":{"k":["v"]}}', "hello", "no", "FLT-100"),
    ("D04", "kinesis", '{"data":{"k":["v"]}}', NO_UTF8, "no", "FLT-100"),
    ("D05", "kinesis", '{"data":["hello"]}', "hello", "invalid", "FLT-100"),
    ("D06", "kinesis", '{"partitionKey":["1"]}', "hello", "match", "FLT-100"),
    ("D07", "kinesis", '{"partitionKey":["2"]}', '{"k":"v"}', "no", "FLT-100"),
    ("D08", "kinesis", '{"partitionKey":["1"],"data":{"k":["v"]}}', "hello", "no", "FLT-100"),
    ("D09", "kinesis", '{"kinesis":{"partitionKey":["1"]}}', "hello", "no", "FLT-100"),
    ("D10", "dynamodb", '{"eventName":["INSERT"]}', '{"Keys":{"Id":{"N":"101"}}}', "match", "FLT-101"),
    ("D11", "dynamodb", '{"eventName":["REMOVE"]}', '{"Keys":{"Id":{"N":"101"}}}', "no", "FLT-101"),
    (
        "D12",
        "dynamodb",
        '{"dynamodb":{"Keys":{"Id":{"N":["101"]}}}}',
        '{"Keys":{"Id":{"N":"101"}}}',
        "match",
        "FLT-101",
    ),
    (
        "D13",
        "dynamodb",
        '{"dynamodb":{"Keys":{"Id":{"N":[{"numeric":["=",101]}]}}}}',
        '{"Keys":{"Id":{"N":"101"}}}',
        "no",
        "FLT-101",
    ),
    (
        "D14",
        "dynamodb",
        '{"dynamodb":{"ApproximateCreationDateTime":[{"numeric":[">",0]}]}}',
        '{"ApproximateCreationDateTime":1700000000}',
        "match",
        "FLT-101",
    ),
    (
        "D15",
        "dynamodb",
        '{"dynamodb":{"NewImage":{"G":[{"exists":false}]}}}',
        '{"NewImage":{"M":{"S":"x"}}}',
        "match",
        "FLT-072",
    ),
    (
        "D16",
        "dynamodb",
        '{"dynamodb":{"NewImage":{"M":[{"exists":false}]}}}',
        '{"NewImage":{"M":{"S":"x"}}}',
        "match",
        "FLT-072",
    ),
    (
        "D17",
        "dynamodb",
        '{"dynamodb":{"NewImage":{"M":{"S":[{"exists":false}]}}}}',
        '{"NewImage":{"M":{"S":"x"}}}',
        "no",
        "FLT-072",
    ),
    (
        "D18",
        "dynamodb",
        '{"dynamodb":{"NewImage":{"T":{"L":{"S":["red"]}}}}}',
        '{"NewImage":{"T":{"L":[{"S":"blue"},{"S":"red"}]}}}',
        "match",
        "FLT-041",
    ),
    (
        "D19",
        "dynamodb",
        '{"dynamodb":{"NewImage":{"T":{"SS":["b"]}}}}',
        '{"NewImage":{"T":{"SS":["a","b"]}}}',
        "match",
        "FLT-041",
    ),
    (
        "D20",
        "dynamodb",
        '{"dynamodb":{"NewImage":{"F":{"BOOL":[true]}}}}',
        '{"NewImage":{"F":{"BOOL":true}}}',
        "match",
        "FLT-062",
    ),
    ("D21", "dynamodb", '{"dynamodb":["x"]}', '{"Keys":{"Id":{"N":"101"}}}', "invalid", "FLT-101"),
    ("D22", "kafka", '{"value":{"k":["v"]}}', '{"k":"v"}', "match", "FLT-102"),
    ("D23", "kafka", '{"value":{"k":["v"]}}', '{"k":"w"}', "no", "FLT-102"),
    ("D24", "kafka", '{"value":{"k":["v"]}}', "hello", "match", "FLT-102"),
    ("D25", "kafka", '{"value":{"k":["v"]}}', NO_UTF8, "match", "FLT-102"),
    ("D26", "kafka", '{"value":{"k":["v"]},"topic":["t1"]}', "hello", "match", "FLT-102"),
    ("D27", "kafka", '{"value":{"k":["v"]},"topic":["t2"]}', "hello", "no", "FLT-102"),
    ("D28", "kafka", '{"value":["hello"]}', "hello", "match", "FLT-102"),
    ("D29", "kafka", '{"value":["hello"]}', "bye", "no", "FLT-102"),
    ("D30", "kafka", '{"value":["hello"]}', '{"k":"v"}', "match", "FLT-102"),
    ("D31", "mq", '{"data":{"k":["v"]}}', '{"k":"w"}', "no", "FLT-103"),
    ("D32", "mq", '{"data":{"k":["v"]}}', "hello", "match", "FLT-103"),
    ("D33", "mq", '{"data":["hello"],"messageID":["m2"]}', '{"k":"v"}', "no", "FLT-103"),
]


def encoded(payload):
    return base64.b64encode(payload if isinstance(payload, bytes) else payload.encode()).decode()


def kinesis(payload):
    inner = {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": "1",
        "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
        "data": encoded(payload),
        "approximateArrivalTimestamp": 1545084650.987,
    }
    return {
        "kinesis": inner,
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": "shardId-000000000006:49590338271490256608559692538361571095921575989136588898",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
        "awsRegion": "us-east-2",
        "eventSourceARN": "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream",
    }


def dynamodb(payload):
    return {"eventID": "1", "eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": json.loads(payload)}


def kafka(payload, *, key="a key"):
    return {
        "topic": "t1",
        "partition": 0,
        "offset": 15,
        "timestamp": 1545084650987,
        "timestampType": "CREATE_TIME",
        "key": None if key is None else encoded(key),
        "value": None if payload is None else encoded(payload),
        "headers": [{"kind": [118, 105, 112]}],
    }


def mq(payload):
    return {"messageID": "m1", "messageType": "jms/text-message", "redelivered": False, "data": encoded(payload)}


RECORDS = {"kinesis": kinesis, "dynamodb": dynamodb, "kafka": kafka, "mq": mq}


def passes(source, pattern, payload, **given):
    return Filters([pattern], source=source).accepts(RECORDS[source](payload, **given))


def refusal_of(pattern, source, kind=InvalidParameterValueException, **given):
    with pytest.raises(kind) as caught:
        Filters([pattern], source=source, **given)
    return caught.value


@pytest.mark.rule("FLT-404", "FLT-140", "FLT-041", "FLT-062", "FLT-072", "FLT-100", "FLT-101", "FLT-102", "FLT-103")
@pytest.mark.parametrize(
    ("source", "pattern", "payload", "result", "rule"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_record_passes_as_the_table_says(source, pattern, payload, result, rule):
    if result == "invalid":
        refusal_of(pattern, source)
    else:
        assert (result == "match") is passes(source, pattern, payload), rule


def test_no_case_is_missing():
    assert [f"D{number:02}" for number in range(1, 34)] == [case[0] for case in CASES]


# ---- Kinesis


@pytest.mark.rule("FLT-100")
@pytest.mark.parametrize(
    "field", ["kinesisSchemaVersion", "partitionKey", "sequenceNumber", "eventSource", "eventVersion"]
)
@pytest.mark.parametrize("payload", ["hello", '{"k":"v"}', NO_UTF8])
def test_fields_of_a_stream_record_stand_at_the_top(field, payload):
    record = kinesis(payload)
    value = record["kinesis"].get(field, record.get(field))
    assert passes("kinesis", json.dumps({field: [value]}), payload)
    assert not passes("kinesis", json.dumps({field: [value + "x"]}), payload)


@pytest.mark.rule("FLT-100")
def test_metadata_of_a_stream_record_keep_their_types():
    assert passes("kinesis", '{"approximateArrivalTimestamp":[{"numeric":[">",1545084650,"<",1545084651]}]}', "hello")
    for field in ("eventID", "eventName", "invokeIdentityArn", "awsRegion", "eventSourceARN"):
        assert passes("kinesis", f'{{"{field}":[{{"exists":true}}]}}', "hello")
    assert passes("kinesis", '{"kinesis":{"data":[{"exists":false}]}}', "hello")


@pytest.mark.rule("FLT-100")
@pytest.mark.parametrize(
    ("pattern", "is_allowed"),
    [
        ('{"data":{"k":["v"]}}', True),
        ('{"data.k":["v"]}', True),
        ('{"data":[{"exists":true}]}', False),
        ('{"$or":[{"partitionKey":["1"]},{"data":["x"]}]}', False),
    ],
)
def test_data_of_a_stream_are_tested_inside_only(pattern, is_allowed):
    if is_allowed:
        assert passes("kinesis", pattern, '{"k":"v"}')
    else:
        assert ("data", 0) == ((error := refusal_of(pattern, "kinesis")).path, error.filter_index)


@pytest.mark.rule("FLT-100")
def test_data_that_are_no_json_fail_each_branch_that_looks_inside():
    assert not passes("kinesis", '{"data":{"k":[{"exists":false}]}}', "hello")
    assert not passes("kinesis", '{"data":{"k":[{"exists":false}]}}', NO_UTF8)
    assert passes("kinesis", '{"data":{"k":[{"exists":false}]}}', "{}")
    assert passes("kinesis", '{"$or":[{"data":{"k":["v"]}},{"partitionKey":["1"]}]}', "hello")


# ---- DynamoDB


@pytest.mark.rule("FLT-101")
def test_an_item_keeps_its_typed_form():
    payload = '{"ApproximateCreationDateTime":1700000000,"Keys":{"Id":{"N":"101"}},"NewImage":{"P":{"NULL":true}}}'
    assert passes("dynamodb", '{"dynamodb":{"Keys":{"Id":{"N":[{"prefix":"10"}]}}}}', payload)
    assert not passes("dynamodb", '{"dynamodb":{"Keys":{"Id":{"N":[101]}}}}', payload)
    assert not passes("dynamodb", '{"dynamodb":{"Keys":{"Id":["101"]}}}', payload)
    assert passes("dynamodb", '{"dynamodb":{"ApproximateCreationDateTime":[1.7e9]}}', payload)
    assert passes("dynamodb", '{"dynamodb":{"NewImage":{"P":{"NULL":[true]}}},"eventID":["1"]}', payload)


@pytest.mark.rule("FLT-101")
@pytest.mark.parametrize(
    "pattern", ['{"dynamodb":[{"exists":true}]}', '{"$or":[{"eventName":["x"]},{"dynamodb":[null]}]}']
)
def test_an_item_is_tested_inside_only(pattern):
    assert "dynamodb" == refusal_of(pattern, "dynamodb").path


# ---- Kafka and MQ


@pytest.mark.rule("FLT-102")
def test_fields_of_a_kafka_record_may_be_tested():
    for pattern in (
        '{"topic":["t1"],"partition":[0],"offset":[{"numeric":[">=",15]}]}',
        '{"timestamp":[1545084650987],"timestampType":["CREATE_TIME"]}',
        '{"headers":{"kind":[105]}}',
        '{"key":["a key"]}',
    ):
        assert passes("kafka", pattern, "hello")
        assert passes("kafka", pattern, '{"k":"v"}')
    assert not passes("kafka", '{"offset":[16]}', "hello")


@pytest.mark.rule("FLT-102")
@pytest.mark.parametrize("key", ["k1", '{"id":7}', "[1]", "7"])
def test_a_key_stays_a_string(key):
    assert passes("kafka", json.dumps({"key": [key]}), "hello", key=key)
    assert not passes("kafka", '{"key":{"id":[7]}}', "hello", key=key)
    assert passes("kafka", '{"key":[null]}', "hello", key=None)


@pytest.mark.rule("FLT-102")
@pytest.mark.parametrize(
    ("pattern", "result"),
    [
        ('{"value":[null]}', True),
        ('{"value":["null"]}', False),
        ('{"value":[{"exists":true}]}', True),
        ('{"value":{"k":["v"]}}', True),  # it falls back to no test at all
        ('{"value":{"k":["v"]},"topic":["t2"]}', False),
    ],
)
def test_a_null_value_is_plain(pattern, result):
    assert result is passes("kafka", pattern, None)


@pytest.mark.rule("FLT-102", "FLT-103")
@pytest.mark.parametrize(("source", "data", "field"), [("kafka", "value", "topic"), ("mq", "data", "messageID")])
@pytest.mark.parametrize("payload", ["hello", '{"k":"w"}', NO_UTF8])
def test_a_branch_that_asks_for_both_classes_falls_back_to_metadata(source, data, field, payload):
    name = {"topic": "t1", "messageID": "m1"}[field]
    both = f'"{data}":["never"],"{data}.k":["never"]'
    assert passes(source, f"{{{both}}}", payload)
    assert passes(source, f'{{{both},"{field}":["{name}"]}}', payload)
    assert not passes(source, f'{{{both},"{field}":["another"]}}', payload)


@pytest.mark.rule("FLT-102", "FLT-103")
@pytest.mark.parametrize(("source", "data"), [("kafka", "value"), ("mq", "data")])
def test_bytes_that_are_no_text_are_not_tested(source, data):
    assert passes(source, f'{{"{data}":["never"]}}', NO_UTF8)
    assert passes(source, f'{{"{data}":{{"k":["never"]}}}}', NO_UTF8)
    assert not passes(source, f'{{"{data}":["never"],"more":["x"]}}', NO_UTF8)


@pytest.mark.rule("FLT-102", "FLT-103")
@pytest.mark.parametrize(("source", "data"), [("kafka", "value"), ("mq", "data")])
def test_a_payload_of_the_class_that_is_asked_for_is_tested(source, data):
    assert passes(source, f'{{"{data}":[{{"prefix":"he"}}]}}', "hello")
    assert not passes(source, f'{{"{data}":[{{"prefix":"he"}}]}}', "bye")
    assert passes(source, f'{{"{data}":{{"k":["v"]}}}}', '[{"k":"u"},{"k":"v"}]')
    assert not passes(source, f'{{"{data}":{{"k":["v"]}}}}', '{"k":"u"}')


@pytest.mark.rule("FLT-103")
def test_fields_of_a_broker_message_may_be_tested():
    assert passes("mq", '{"messageType":["jms/text-message"],"redelivered":[false],"data":["hello"]}', "hello")
    assert not passes("mq", '{"redelivered":[true],"data":{"k":["v"]}}', "hello")


# ---- what has no filters, and pipes


@pytest.mark.rule("FLT-104")
def test_change_streams_of_documents_have_no_filters():
    message = "Unsupported FilterCriteria parameter for given event source mapping type."
    assert message == refusal_of('{"a":["x"]}', "documentdb").message
    assert not Filters([], source="documentdb")


def test_there_is_no_other_source():
    with pytest.raises(UsageError, match="sqs, kinesis, dynamodb, kafka, mq or documentdb"):
        Filters([], source="s3")


FORBIDDEN = [
    "awsRegion",
    "eventSource",
    "eventSourceARN",
    "eventVersion",
    "eventID",
    "eventName",
    "invokeIdentityArn",
    "eventSourceKey",
]


@pytest.mark.rule("FLT-105")
@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_pipe_must_not_name_what_the_service_adds(name):
    for pattern in (
        f'{{"{name}":["x"]}}',
        f'{{"{name}":{{"a":["x"]}}}}',
        f'{{"$or":[{{"body":["x"]}},{{"{name}":["x"]}}]}}',
    ):
        error = refusal_of(pattern, "sqs", ValidationException, is_pipe=True)
        assert "Invalid filter pattern definition." == error.message
        assert error.path.startswith(name)
        assert Filters([pattern], source="sqs")
    assert Filters([f'{{"body":{{"{name}":["x"]}}}}', f'{{"{name}s":["x"]}}'], source="sqs", is_pipe=True)


@pytest.mark.rule("FLT-105", "FLT-012")
def test_a_pipe_has_up_to_five_filters_whatever_the_quota_of_mappings():
    model = FilterModel(max_filters=10)
    assert Filters(['{"body":["x"]}'] * 5, source="sqs", model=model, is_pipe=True)
    with pytest.raises(ValidationException, match="limit of 5"):
        Filters(['{"body":["x"]}'] * 6, source="sqs", model=model, is_pipe=True)


@pytest.mark.rule("FLT-105", "FLT-080")
def test_a_pipe_sees_the_same_view_and_reads_the_dialect_of_pipes():
    filters = Filters(['{"data":{"k":[{"prefix":{"equals-ignore-case":"V"}}]}}'], source="kinesis", is_pipe=True)
    assert filters.accepts(kinesis('{"k":"value"}'))
    assert not filters.accepts(kinesis("hello"))


# ---- what is left out


@pytest.mark.rule("FLT-113")
@pytest.mark.parametrize("source", ["kinesis", "dynamodb"])
@pytest.mark.parametrize("accepted_beside", [True, False])
def test_what_a_stream_leaves_out_counts_as_processed(source, accepted_beside):
    expected = Settlement(is_deleted=False, moves_checkpoint=True, waits_for_invocation=False, is_acknowledged=False)
    assert expected == settlement_of(source, accepted_beside=accepted_beside)


@pytest.mark.rule("FLT-114")
@pytest.mark.parametrize("accepted_beside", [True, False])
def test_offsets_wait_for_what_was_accepted_beside_them(accepted_beside):
    expected = Settlement(
        is_deleted=False, moves_checkpoint=True, waits_for_invocation=accepted_beside, is_acknowledged=False
    )
    assert expected == settlement_of("kafka", accepted_beside=accepted_beside)


@pytest.mark.rule("FLT-114")
def test_what_a_broker_leaves_out_is_acknowledged_at_once():
    expected = Settlement(is_deleted=False, moves_checkpoint=False, waits_for_invocation=False, is_acknowledged=True)
    assert expected == settlement_of("mq")


def test_a_queue_deletes_what_is_left_out():
    expected = Settlement(is_deleted=True, moves_checkpoint=False, waits_for_invocation=False, is_acknowledged=False)
    assert expected == settlement_of("sqs")
