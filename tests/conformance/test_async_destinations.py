"""Destinations: which there are, what a record says, how it is delivered, and how that fails (ASY §8)."""

from __future__ import annotations

import json
import re

import pytest

from lambdasim import Simulation
from lambdasim.errors.lambda_ import InvalidRequestContentException
from lambdasim.lambda_ import AsyncModel
from tests.asynchronous import (
    ARN,
    BAD,
    BUCKET,
    BUS,
    SECOND,
    TOPIC,
    Code,
    conditions,
    counts,
    create,
    records,
    send,
    total,
)

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SNS_MAX = 262_144


class Target:
    """Stands for a topic, a bus or a bucket: keeps what it gets, and when."""

    def __init__(self, sim, arn):
        self.sim = sim
        self.messages = []
        self.instants = []
        sim.register_target(arn, self)

    def __call__(self, message):
        self.messages.append(message)
        self.instants.append(self.sim.now)


def failures(function):
    return function.async_snapshot().destination_delivery_failures


# ---- types


@pytest.mark.rule("ASY-070", "ASY-074")
@pytest.mark.parametrize(
    ("kind", "outcome"),
    [(kind, outcome) for kind in ("queue", "function", TOPIC, BUS) for outcome in ({"ok": True}, BAD)]
    + [(BUCKET, BAD)],
)
def test_each_type_takes_the_record(sim, queue, kind, outcome):
    worker, _ = create(sim, outcome)
    member = "on_failure" if outcome is BAD else "on_success"
    other, code = create(sim, name="other")
    target = Target(sim, kind) if kind.startswith("arn") else None
    destination = {"queue": queue, "function": other}.get(kind, kind)
    worker.put_function_event_invoke_config(maximum_retry_attempts=0, **{member: destination})
    request_id = send(worker, {"k": 1})
    sim.run()
    if kind == "queue":
        (found,) = records(queue)
    elif kind == "function":
        (found,) = code.events
    else:
        (message,) = target.messages
        found = json.loads(message[{TOPIC: "Message", BUS: "Detail", BUCKET: "Body"}[kind]])
        assert target.instants == [2]
    assert found["requestContext"]["requestId"] == request_id
    assert found["requestContext"]["condition"] == ("RetriesExhausted" if outcome is BAD else "Success")
    assert failures(worker) == 0


@pytest.mark.rule("ASY-070", "ASY-078")
@pytest.mark.parametrize("arn", [TOPIC, BUS, BUCKET])
def test_without_a_callable_the_target_is_missing(sim, arn):
    worker, _ = create(sim, BAD)
    worker.put_function_event_invoke_config(maximum_retry_attempts=0, on_failure=arn)
    send(worker)
    sim.run()
    assert failures(worker) == 1
    target = Target(sim, arn)
    send(worker)
    sim.run()
    assert (failures(worker), len(target.messages)) == (1, 1)
    sim.register_target(arn, None)
    send(worker)
    sim.run()
    assert (failures(worker), len(target.messages)) == (2, 1)
    assert counts(worker) == (3, 0, 3, 0, 0)


@pytest.mark.rule("ASY-071")
def test_a_success_has_one_record_in_one_place(sim, queue):
    failed = sim.create_queue("failures")
    worker, _ = create(sim, BAD, BAD, "done")
    worker.put_function_event_invoke_config(on_success=queue, on_failure=failed)
    send(worker)
    sim.run(until_us=186 * SECOND - 1)
    assert queue.snapshot().sent == failed.snapshot().sent == 0  # none of the failed attempts told anybody
    sim.run()
    assert conditions(queue) == [("Success", 3)]
    assert failed.snapshot().sent == 0


@pytest.mark.rule("ASY-071")
def test_a_drop_has_one_record_in_the_other_place(sim, queue):
    failed = sim.create_queue("failures")
    worker, _ = create(sim, BAD)
    worker.put_function_event_invoke_config(on_success=queue, on_failure=failed)
    send(worker)
    sim.run(until_us=186 * SECOND - 1)
    assert queue.snapshot().sent == failed.snapshot().sent == 0
    sim.run()
    assert conditions(failed) == [("RetriesExhausted", 3)]
    assert queue.snapshot().sent == 0


@pytest.mark.rule("ASY-071")
@pytest.mark.parametrize("outcome", [None, BAD])
def test_without_a_destination_of_its_kind_an_end_sends_nothing(sim, queue, outcome):
    worker, _ = create(sim, outcome)
    member = "on_success" if outcome is BAD else "on_failure"
    worker.put_function_event_invoke_config(**{member: queue})
    send(worker)
    sim.run()
    assert (queue.snapshot().sent, failures(worker)) == (0, 0)


# ---- the record


@pytest.mark.rule("ASY-072", "ASY-080")
def test_the_record_of_a_success_letter_by_letter(sim, queue):
    worker, _ = create(sim, {"ok": True, "text": "é✓"}, duration=1.234)
    worker.put_function_event_invoke_config(on_success=queue)
    request_id = send(worker, '{ "order":  [1, 2.5, null],  "name": "Zoë" }')
    sim.run()
    (message,) = queue.messages
    assert message.body == (
        '{"version":"1.0","timestamp":"2026-01-01T00:00:01.234Z","requestContext":{'
        f'"requestId":"{request_id}","functionArn":"arn:aws:lambda:us-east-1:123456789012:function:worker:$LATEST",'
        '"condition":"Success","approximateInvokeCount":1},"requestPayload":{"order":[1,2.5,null],"name":"Zoë"},'
        '"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},'
        '"responsePayload":{"ok":true,"text":"é✓"}}'
    )


@pytest.mark.rule("ASY-072", "ASY-080")
def test_the_record_of_a_failure_letter_by_letter(sim, queue):
    worker, _ = create(sim, ValueError("schlecht: ü"))
    worker.put_function_event_invoke_config(on_failure=queue, maximum_retry_attempts=1)
    request_id = send(worker, "[]")
    sim.run()
    (message,) = queue.messages
    error = worker.invocations[-1].payload.decode()
    assert message.body == (
        '{"version":"1.0","timestamp":"2026-01-01T00:01:04.000Z","requestContext":{'
        f'"requestId":"{request_id}","functionArn":"arn:aws:lambda:us-east-1:123456789012:function:worker:$LATEST",'
        '"condition":"RetriesExhausted","approximateInvokeCount":2},"requestPayload":[],'
        '"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},'
        f'"responsePayload":{error}}}'
    )
    (record,) = records(queue)
    assert record["responsePayload"]["errorMessage"] == "schlecht: ü"
    assert record["responsePayload"]["errorType"] == "ValueError"
    assert record["responsePayload"]["requestId"] == request_id
    assert isinstance(record["responsePayload"]["stackTrace"], list)


@pytest.mark.rule("ASY-072")
@pytest.mark.parametrize(
    ("qualifier", "version"), [(None, "$LATEST"), ("$LATEST", "$LATEST"), ("1", "1"), ("live", "1")]
)
def test_the_arn_has_the_qualifier_and_the_context_the_version(sim, queue, qualifier, version):
    worker, _ = create(sim)
    worker.publish_version()
    worker.create_alias("live", "1")
    worker.put_function_event_invoke_config(qualifier, on_success=queue)
    send(worker, qualifier=qualifier)
    sim.run()
    (record,) = records(queue)
    assert record["requestContext"]["functionArn"] == f"{ARN}worker:{qualifier or '$LATEST'}"
    assert record["responseContext"]["executedVersion"] == version


@pytest.mark.rule("ASY-072")
@pytest.mark.parametrize("payload", [None, "[]", '"text"', "0", b"null", '{"Records":[{"body":"{\\"k\\":1}"}]}'])
@pytest.mark.parametrize("answer", [None, 0, "", [1], {"a": {"b": "c"}}])
def test_payloads_are_json_values_and_not_texts_of_json(sim, queue, payload, answer):
    worker, _ = create(sim, answer)
    worker.put_function_event_invoke_config(on_success=queue)
    send(worker, payload)
    sim.run()
    (record,) = records(queue)
    assert record["requestPayload"] == json.loads(payload or "{}")
    assert record["responsePayload"] == answer
    assert "functionError" not in record["responseContext"]


@pytest.mark.rule("ASY-073")
def test_without_an_attempt_there_is_no_answer(sim, queue):
    worker, _ = create(sim, reserved_concurrent_executions=1, timeout=900, duration=100)
    worker.put_function_event_invoke_config(on_failure=queue, maximum_event_age_in_seconds=60)
    send(worker, "runs")
    send(worker, "waits in vain")
    sim.run()
    (record,) = records(queue)
    assert list(record) == ["version", "timestamp", "requestContext", "requestPayload"]
    assert record["requestPayload"] == "waits in vain"
    assert record["timestamp"] == "2026-01-01T00:00:31.000Z"
    assert record["requestContext"]["approximateInvokeCount"] == 0


@pytest.mark.rule("ASY-073")
@pytest.mark.parametrize("condition", ["RetriesExhausted", "EventAgeExceeded", "ZeroReservedConcurrency"])
def test_whatever_the_condition_the_last_attempt_is_what_is_told(sim, queue, condition):
    worker, _ = create(sim, ValueError("first"), ValueError("second"))
    worker.put_function_event_invoke_config(on_failure=queue, maximum_retry_attempts=2)
    send(worker)
    sim.run(until=65)
    if condition == "RetriesExhausted":
        worker.update_function_event_invoke_config(maximum_retry_attempts=2)
    elif condition == "EventAgeExceeded":
        worker.update_function_event_invoke_config(maximum_event_age_in_seconds=100)
    else:
        worker.put_function_concurrency(0)
    sim.run()
    (record,) = records(queue)
    assert record["requestContext"]["condition"] == condition
    assert record["requestContext"]["approximateInvokeCount"] == (3 if condition == "RetriesExhausted" else 2)
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert record["responsePayload"]["errorMessage"] == "second"


@pytest.mark.rule("ASY-073")
def test_the_error_object_is_that_of_the_outcome(sim, queue):
    worker = sim.create_function("worker", duration=10, timeout=3)
    worker.put_function_event_invoke_config(on_failure=queue, maximum_retry_attempts=0)
    request_id = send(worker)
    sim.run()
    (record,) = records(queue)
    assert record["responsePayload"] == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 3.00 seconds",
    }


# ---- delivery


@pytest.mark.rule("ASY-074")
def test_a_topic_gets_the_record_as_its_message(sim):
    worker, _ = create(sim)
    target = Target(sim, TOPIC)
    worker.put_function_event_invoke_config(on_success=TOPIC)
    send(worker)
    sim.run()
    (message,) = target.messages
    assert sorted(message) == ["Message", "MessageAttributes", "TopicArn"]
    assert (message["TopicArn"], message["MessageAttributes"]) == (TOPIC, {})
    assert message["Message"].startswith('{"version":"1.0","timestamp":"2026-01-01T00:00:02.000Z",')


@pytest.mark.rule("ASY-074")
def test_a_function_gets_an_event_of_its_own(sim):
    worker, code = create(sim, {"ok": True})
    other, diary = create(sim, name="other", duration=1)
    worker.put_function_event_invoke_config(on_success=other)
    request_id = send(worker, {"n": 1})
    sim.run(until_us=2 * SECOND - 1)
    assert (diary.starts, counts(other)) == ([], (0, 0, 0, 0, 0))
    sim.run()
    assert (code.starts, diary.starts, sim.now) == ([0], [2], 3)
    assert diary.requests != [request_id]
    assert counts(other) == (1, 1, 0, 0, 0)
    assert other.invocations[0].is_async
    assert diary.events[0]["requestContext"]["requestId"] == request_id
    assert diary.events[0]["responsePayload"] == {"ok": True}
    assert total(sim, "AsyncEventsReceived", FunctionName="other") == 1


@pytest.mark.rule("ASY-074")
def test_a_destination_may_name_a_version_or_alias(sim):
    worker, _ = create(sim)
    other, diary = create(sim, name="other")
    other.publish_version()
    other.create_alias("live", "1")
    for qualifier in ("live", "1"):
        found = worker.put_function_event_invoke_config(on_success=f"{ARN}other:{qualifier}")
        assert found.on_success == f"{ARN}other:{qualifier}"
        send(worker)
        sim.run()
    assert diary.versions == ["1", "1"]
    assert [invocation.qualifier for invocation in other.invocations] == ["live", "1"]


@pytest.mark.rule("ASY-074")
def test_a_bucket_gets_an_object_under_a_key_of_date_and_time(sim):
    worker, _ = create(sim, BAD)
    target = Target(sim, BUCKET)
    worker.put_function_event_invoke_config(on_failure=BUCKET, maximum_retry_attempts=0)
    sim.run(until=3_600 * 25 + 59)
    send(worker)
    send(worker)
    sim.run()
    first, second = target.messages
    assert sorted(first) == ["Body", "Bucket", "Key"]
    assert first["Bucket"] == "results"
    key = rf"aws/lambda/async/worker/2026/01/02/2026-01-02T01\.01\.01-{UUID}"
    assert re.fullmatch(key, first["Key"])
    assert re.fullmatch(key, second["Key"])
    assert first["Key"] != second["Key"]
    assert json.loads(first["Body"])["timestamp"] == "2026-01-02T01:01:01.000Z"


@pytest.mark.rule("ASY-075")
@pytest.mark.parametrize(("outcome", "word"), [(None, "Success"), (BAD, "Failure")])
def test_a_bus_gets_an_event_with_the_record_as_detail(sim, outcome, word):
    worker, _ = create(sim, outcome)
    target = Target(sim, BUS)
    worker.publish_version()
    worker.put_function_event_invoke_config("1", on_success=BUS, on_failure=BUS, maximum_retry_attempts=0)
    send(worker, qualifier="1")
    sim.run()
    (message,) = target.messages
    assert sorted(message) == ["Detail", "DetailType", "EventBusName", "Resources", "Source"]
    assert message["Source"] == "lambda"
    assert message["DetailType"] == f"Lambda Function Invocation Result - {word}"
    assert message["Resources"] == [BUS, f"{ARN}worker:1"]
    assert message["EventBusName"] == BUS
    assert json.loads(message["Detail"])["requestContext"]["functionArn"] == f"{ARN}worker:1"


@pytest.mark.rule("ASY-076")
def test_a_destination_that_fails_is_retried_by_its_own_rules(sim, queue):
    worker, code = create(sim, None, duration=1)
    other, diary = create(sim, BAD, name="other", duration=1)
    worker.put_function_event_invoke_config(on_success=other, on_failure=queue)
    other.put_function_event_invoke_config(maximum_retry_attempts=1, on_failure=queue)
    send(worker)
    sim.run()
    assert (code.starts, diary.starts) == ([0], [1, 62])
    assert (counts(worker), counts(other)) == ((1, 1, 0, 0, 0), (1, 0, 1, 0, 0))
    assert failures(worker) == 0
    (record,) = records(queue)
    assert record["requestContext"]["functionArn"] == f"{ARN}other:$LATEST"
    assert record["requestPayload"]["requestContext"]["functionArn"] == f"{ARN}worker:$LATEST"


@pytest.mark.rule("ASY-076")
def test_a_destination_that_is_throttled_waits_in_its_own_queue(sim):
    worker, _ = create(sim, None, duration=1)
    other, diary = create(sim, name="other", duration=1, reserved_concurrent_executions=1)
    worker.put_function_event_invoke_config(on_success=other)
    send(worker)
    send(worker)
    sim.run()
    assert diary.starts == [1, 2]
    assert (failures(worker), counts(worker)) == (0, (2, 2, 0, 0, 0))
    assert total(sim, "Throttles", FunctionName="other") == 1


@pytest.mark.rule("ASY-077")
def test_a_record_is_delivered_in_the_instant_of_the_decision(sim, queue):
    worker, _ = create(sim, duration=1.5)
    worker.put_function_event_invoke_config(on_success=queue)
    send(worker)
    sim.run(until_us=1_499_999)
    assert queue.snapshot().sent == 0
    sim.run(until_us=1_500_000)
    assert [message.sent_at_us for message in queue.messages] == [1_500_000]
    assert sim.now == 1.5


@pytest.mark.rule("ASY-077")
def test_or_later_by_a_delay_that_can_be_set():
    sim = Simulation(settings=[AsyncModel(delivery_delay_s=0.75)])
    queue = sim.create_queue("orders")
    worker, _ = create(sim)
    worker.put_function_event_invoke_config(on_success=queue)
    send(worker)
    sim.run(until_us=2_749_999)
    assert (counts(worker), queue.snapshot().sent) == ((1, 1, 0, 0, 0), 0)
    sim.run(until_us=2_750_000)
    assert [message.sent_at_us for message in queue.messages] == [2_750_000]
    assert records(queue)[0]["timestamp"] == "2026-01-01T00:00:02.000Z"  # of the decision


@pytest.mark.rule("ASY-077")
def test_a_delay_keeps_a_run_going():
    sim = Simulation(settings=[AsyncModel(delivery_delay_s=100)])
    queue = sim.create_queue("orders")
    worker, _ = create(sim)
    worker.put_function_event_invoke_config(on_success=queue)
    send(worker)
    sim.run()
    assert (sim.now, queue.snapshot().sent) == (102, 1)


@pytest.mark.rule("ASY-077", "ASY-078")
def test_a_delivery_is_tried_once(sim):
    tried = []

    def refuse(message):
        tried.append(sim.now)
        raise RuntimeError("no room")

    worker, _ = create(sim, BAD)
    sim.register_target(TOPIC, refuse)
    worker.put_function_event_invoke_config(on_failure=TOPIC, maximum_retry_attempts=0)
    send(worker)
    sim.run(until=50_000)
    assert tried == [2]
    assert failures(worker) == 1
    assert counts(worker) == (1, 0, 1, 0, 0)


# ---- how it fails


@pytest.mark.rule("ASY-078")
@pytest.mark.parametrize("outcome", [None, BAD])
@pytest.mark.parametrize(
    "how", ["missing queue", "fifo queue", "fifo topic", "missing topic", "function that is gone", "alias that is gone"]
)
def test_a_delivery_that_fails_costs_the_record_and_nothing_else(sim, how, outcome):
    sim.create_queue("results.fifo", content_based_deduplication=True)
    other, _ = create(sim, name="other")
    third, diary = create(sim, name="third")
    third.publish_version()
    third.create_alias("live", "1")
    target = Target(sim, f"{TOPIC}.fifo")
    arn = {
        "missing queue": "arn:aws:sqs:us-east-1:123456789012:nobody",
        "fifo queue": "arn:aws:sqs:us-east-1:123456789012:results.fifo",
        "fifo topic": f"{TOPIC}.fifo",
        "missing topic": TOPIC,
        "function that is gone": other.arn,
        "alias that is gone": f"{third.arn}:live",
    }[how]
    worker, _ = create(sim, outcome)
    worker.put_function_event_invoke_config(on_success=arn, on_failure=arn, maximum_retry_attempts=0)
    other.delete_function()
    third.delete_alias("live")
    send(worker)
    sim.run(until_us=2 * SECOND - 1)
    assert failures(worker) == 0
    sim.run()
    assert failures(worker) == total(sim, "DestinationDeliveryFailures") == 1
    assert counts(worker) == ((1, 0, 1, 0, 0) if outcome else (1, 1, 0, 0, 0))
    assert total(sim, "AsyncEventsDropped") == bool(outcome)
    assert target.messages == diary.starts == []
    assert sim.queue("results.fifo").snapshot().sent == 0
    assert worker.async_snapshot().dead_letter_errors == 0


@pytest.mark.rule("ASY-078")
def test_an_assertion_in_a_target_is_that_of_a_test(sim):
    def check(message):
        assert message is None, "seen"

    worker, _ = create(sim)
    sim.register_target(TOPIC, check)
    worker.put_function_event_invoke_config(on_success=TOPIC)
    send(worker)
    with pytest.raises(AssertionError, match="seen"):
        sim.run()


def fitting(size, make):
    """Return a payload such that the record, as `make(payload)` returns it, has exactly so many bytes."""
    return "é" + "x" * (size - len(make("é").encode()))


def delivered(payload, *, answer=None, size_max=1_048_576, kind="queue"):
    """Return the text of the record that a queue or another target got, or None, and the failures."""
    sim = Simulation()
    worker, _ = create(sim, answer)
    queue = sim.create_queue("orders", maximum_message_size=size_max)
    other = sim.create_function(
        "other", lambda event, context: None, settings=[AsyncModel(payload_limit_bytes=size_max)]
    )
    destination = {"queue": queue, "function": other}.get(kind, kind)
    target = Target(sim, destination) if isinstance(destination, str) else None
    worker.put_function_event_invoke_config(on_success=destination)
    send(worker, json.dumps(payload, ensure_ascii=False))
    sim.run(until=2)
    assert counts(worker) == (1, 1, 0, 0, 0)
    if target is not None:
        texts = [message["Message" if "Message" in message else "Detail"] for message in target.messages]
    elif kind == "queue":
        texts = [message.body for message in queue.messages]
    else:
        texts = [json.dumps(one.event, ensure_ascii=False, separators=(",", ":")) for one in other.invocations]
    return (texts or [None])[0], failures(worker)


@pytest.mark.rule("ASY-079", "ASY-078", "ASY-080")
@pytest.mark.parametrize("kind", ["queue", "function"])
@pytest.mark.parametrize("size_max", [2_048, 262_144, 1_048_576])
@pytest.mark.parametrize("over", [-1, 0, 1])
def test_a_queue_and_a_function_have_their_own_limit(kind, size_max, over):
    payload = fitting(min(size_max + over, 1_048_576 + over), lambda payload: delivered(payload)[0])
    text, failed = delivered(payload, size_max=size_max, kind=kind)
    if over > 0:
        assert (text, failed) == (None, 1)
    else:
        assert (len(text.encode()), failed) == (size_max + over, 0)


@pytest.mark.rule("ASY-079", "ASY-080")
@pytest.mark.parametrize("over", [-1, 0, 1])
def test_a_topic_gets_the_record_without_payloads_when_it_is_too_large(over):
    payload = fitting(SNS_MAX + over, lambda payload: delivered(payload, kind=TOPIC)[0])
    text, failed = delivered(payload, kind=TOPIC)
    record = json.loads(text)
    assert failed == 0
    if over > 0:
        assert list(record) == ["version", "timestamp", "requestContext", "responseContext"]
        assert record["requestContext"]["condition"] == "Success"
    else:
        assert len(text.encode()) == SNS_MAX + over
        assert (record["requestPayload"], record["responsePayload"]) == (payload, None)


@pytest.mark.rule("ASY-079")
def test_both_payloads_are_left_out_when_one_is_too_large():
    text, failed = delivered("small", answer="x" * SNS_MAX, kind=TOPIC)
    assert failed == 0
    assert sorted(json.loads(text)) == ["requestContext", "responseContext", "timestamp", "version"]


@pytest.mark.rule("ASY-079")
@pytest.mark.parametrize("over", [-1, 0, 1])
def test_a_bus_has_a_limit_for_an_entry_and_leaves_nothing_out(over):
    """An entry is its source, its type, its detail and its resources."""
    beside = len(f"lambdaLambda Function Invocation Result - Success{BUS}{ARN}worker:$LATEST")
    payload = fitting(262_144 - beside + over, lambda payload: delivered(payload, kind=BUS)[0])
    text, failed = delivered(payload, kind=BUS)
    if over > 0:
        assert (text, failed) == (None, 1)
    else:
        assert (json.loads(text)["requestPayload"], failed) == (payload, 0)


@pytest.mark.rule("ASY-079")
def test_a_bucket_has_no_limit(sim):
    worker, _ = create(sim, ValueError("y" * 5_000_000))
    target = Target(sim, BUCKET)
    worker.put_function_event_invoke_config(on_failure=BUCKET, maximum_retry_attempts=0)
    send(worker, json.dumps("x" * 1_048_574))
    sim.run()
    (message,) = target.messages
    record = json.loads(message["Body"])
    assert (len(record["requestPayload"]), len(record["responsePayload"]["errorMessage"])) == (1_048_574, 5_000_000)
    assert failures(worker) == 0


@pytest.mark.rule("ASY-080")
@pytest.mark.parametrize("payload", ["1e999", "[-1e999, 1E400]"])
def test_a_number_that_is_too_large_for_a_float_makes_no_record_that_is_no_json(sim, queue, payload):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    worker, _ = create(sim, BAD)
    worker.put_function_event_invoke_config(on_failure=queue, maximum_retry_attempts=0)
    try:
        send(worker, payload)
    except InvalidRequestContentException:
        return
    sim.run()
    assert (
        json.loads(queue.messages[0].body, parse_constant=refuse)["requestContext"]["condition"] == "RetriesExhausted"
    )


@pytest.mark.rule("ASY-080")
@pytest.mark.parametrize("kind", ["queue", "function", TOPIC, BUS, BUCKET])
def test_what_utf_8_cannot_carry_is_escaped_as_it_came(sim, queue, kind):
    worker, _ = create(sim, BAD)
    other, code = create(sim, name="other")
    target = Target(sim, kind) if kind.startswith("arn") else None
    destination = {"queue": queue, "function": other}.get(kind, kind)
    worker.put_function_event_invoke_config(on_failure=destination, maximum_retry_attempts=0)
    send(worker, '"a \\ud800 b"')
    sim.run()
    assert failures(worker) == 0
    if kind == "function":
        assert code.events[0]["requestPayload"] == "a \ud800 b"
        return
    text = (
        target.messages[0][{TOPIC: "Message", BUS: "Detail", BUCKET: "Body"}[kind]]
        if target
        else queue.messages[0].body
    )
    assert '"requestPayload":"a \\ud800 b"' in text


@pytest.mark.rule("ASY-080")
def test_equal_runs_make_equal_records():
    def run():
        sim = Simulation(seed=3)
        worker, _ = create(sim, {"b": 1, "a": [True, None, 1.5, "ü"]})
        target = Target(sim, BUS)
        worker.put_function_event_invoke_config(on_success=BUS)
        send(worker, '{"z": 1, "a": 2}')
        sim.run()
        return target.messages

    first = run()
    assert first == run()
    assert '"requestPayload":{"z":1,"a":2}' in first[0]["Detail"]
    assert '"responsePayload":{"b":1,"a":[true,null,1.5,"ü"]}' in first[0]["Detail"]


@pytest.mark.rule("ASY-074", "ASY-024")
def test_a_destination_runs_in_the_very_instant(sim):
    """The end of the first, its record, the acceptance by the other and its first try are all at 2 s."""
    seen = []
    second = sim.create_function("second", lambda event, context: seen.append(("second", sim.now)))
    first = sim.create_function("first", lambda event, context: seen.append(("first", sim.now)), duration=2)
    first.put_function_event_invoke_config(on_success=second)
    send(first)
    sim.run(until=2)
    assert seen == [("first", 0), ("second", 2)]


@pytest.mark.rule("ASY-065", "ASY-074")
def test_a_new_destination_function_gets_what_ends_after_it_was_set(sim):
    worker, _ = create(sim)
    diaries = []
    for name in ("one", "two"):
        code = Code(sim)
        diaries.append(code)
        other = sim.create_function(name, code)
        worker.put_function_event_invoke_config(on_success=other)
        send(worker)
        sim.run_for(1)
    sim.run()
    assert [len(code.starts) for code in diaries] == [0, 2]
