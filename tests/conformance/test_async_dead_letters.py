"""The dead-letter queue of a function (ASY §9)."""

from __future__ import annotations

import json

import pytest

from lambdasim import RedrivePolicy, Simulation
from lambdasim.lambda_ import AsyncModel
from tests.asynchronous import (
    BAD,
    BUCKET,
    SECOND,
    TOPIC,
    conditions,
    counts,
    create,
    records,
    send,
    series,
    total,
)


@pytest.fixture
def dead(sim):
    return sim.create_queue("dead")


def attributes(message):
    return {name: (one["DataType"], one["StringValue"]) for name, one in message.message_attributes.items()}


def bodies(queue):
    return [message.body for message in queue.messages]


# ---- what it is for


@pytest.mark.rule("ASY-090")
def test_a_dropped_event_goes_to_a_queue(sim, dead):
    worker, _ = create(sim, BAD, dead_letter_target_arn=dead.arn)
    send(worker, "lost")
    sim.run(until_us=186 * SECOND - 1)
    assert bodies(dead) == []
    sim.run()
    assert bodies(dead) == ['"lost"']
    assert dead.messages[0].sent_at_us == 186 * SECOND
    assert [delivery.body for delivery in dead.receive_message(message_attribute_names=["All"])] == ['"lost"']


@pytest.mark.rule("ASY-090", "ASY-094")
def test_or_to_a_topic(sim):
    got = []
    sim.register_target(TOPIC, lambda message: got.append((sim.now, message)))
    worker, _ = create(sim, BAD, dead_letter_target_arn=TOPIC)
    request_id = send(worker, '{"n":  1}')
    sim.run()
    ((at, message),) = got
    assert at == 186
    assert message == {
        "TopicArn": TOPIC,
        "Message": '{"n":  1}',
        "MessageAttributes": {
            "RequestID": {"DataType": "String", "StringValue": request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
            "ErrorMessage": {"DataType": "String", "StringValue": "bad order"},
        },
    }


@pytest.mark.rule("ASY-090")
def test_a_success_sends_nothing(sim, dead):
    worker, _ = create(sim, BAD, None, dead_letter_target_arn=dead.arn)
    send(worker)
    sim.run()
    assert (counts(worker), dead.snapshot().sent) == ((1, 1, 0, 0, 0), 0)
    assert worker.async_snapshot().dead_letter_errors == 0


@pytest.mark.rule("ASY-090")
def test_a_synchronous_call_that_fails_sends_nothing(sim, dead):
    worker, _ = create(sim, BAD, dead_letter_target_arn=dead.arn)
    assert worker.invoke().function_error == "Unhandled"
    sim.run_for(1_000)
    assert dead.snapshot().sent == 0


@pytest.mark.rule("ASY-090")
def test_messages_of_a_mapping_go_the_way_of_their_own_queue(sim, dead):
    own = sim.create_queue("own")
    orders = sim.create_queue("orders", redrive_policy=RedrivePolicy(own, 2))
    worker, _ = create(sim, BAD, dead_letter_target_arn=dead.arn)
    sim.create_event_source_mapping(orders, worker)
    orders.send_message("order")
    sim.run(until=1_000)
    assert (bodies(own), bodies(dead)) == (["order"], [])


@pytest.mark.rule("ASY-091")
def test_versions_and_aliases_have_the_target_that_latest_has_now(sim, dead):
    frozen = sim.create_queue("frozen")
    worker, _ = create(sim, BAD, dead_letter_target_arn=frozen.arn)
    worker.publish_version()
    worker.create_alias("live", "1")
    worker.update_function_configuration(dead_letter_target_arn=dead.arn)
    for qualifier in (None, "1", "live"):
        send(worker, [qualifier], qualifier=qualifier)
    sim.run()
    assert sorted(bodies(dead)) == ['["1"]', '["live"]', "[null]"]
    assert frozen.snapshot().sent == 0


@pytest.mark.rule("ASY-091")
def test_the_target_is_that_of_the_drop_and_not_of_the_acceptance(sim, dead):
    worker, _ = create(sim, BAD)
    send(worker)
    sim.run(until=185)
    worker.update_function_configuration(dead_letter_target_arn=dead.arn)
    sim.run()
    assert dead.snapshot().sent == 1


CONDITIONS = {
    "RetriesExhausted": {"maximum_retry_attempts": 0},
    "EventAgeExceeded": {"maximum_event_age_in_seconds": 60},
    "ZeroReservedConcurrency": {"maximum_retry_attempts": 2},
}


@pytest.mark.rule("ASY-092")
@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_message_comes_on_each_condition_right_before_the_record(sim, condition):
    got = []
    failed = f"{TOPIC}-2"
    sim.register_target(TOPIC, lambda message: got.append(("message", sim.now)))
    sim.register_target(failed, lambda message: got.append((json.loads(message["Message"]), sim.now)))
    worker, _ = create(sim, BAD, dead_letter_target_arn=TOPIC)
    worker.put_function_event_invoke_config(on_failure=failed, **CONDITIONS[condition])
    if condition == "ZeroReservedConcurrency":
        worker.put_function_concurrency(0)
    send(worker)
    sim.run()
    (first, at), (record, then) = got
    assert (first, at, record["requestContext"]["condition"]) == ("message", then, condition)
    assert at == (0 if condition == "ZeroReservedConcurrency" else 2)


@pytest.mark.rule("ASY-092")
@pytest.mark.parametrize("broken", ["dead", "failures"])
def test_either_may_fail_without_the_other(sim, broken):
    dead = sim.create_queue("dead") if broken != "dead" else None
    failed = sim.create_queue("failures") if broken != "failures" else None
    arn = "arn:aws:sqs:us-east-1:123456789012:"
    worker, _ = create(sim, BAD, dead_letter_target_arn=f"{arn}dead")
    worker.put_function_event_invoke_config(on_failure=f"{arn}failures", maximum_retry_attempts=0)
    send(worker)
    sim.run()
    snapshot = worker.async_snapshot()
    if broken == "dead":
        assert (conditions(failed), snapshot.dead_letter_errors) == ([("RetriesExhausted", 1)], 1)
        assert snapshot.destination_delivery_failures == 0
    else:
        assert (bodies(dead), snapshot.dead_letter_errors) == (["{}"], 0)
        assert snapshot.destination_delivery_failures == 1


@pytest.mark.rule("ASY-092", "ASY-077")
def test_a_delay_of_records_delays_no_dead_letter():
    sim = Simulation(settings=[AsyncModel(delivery_delay_s=5)])
    dead, failed = sim.create_queue("dead"), sim.create_queue("failures")
    worker, _ = create(sim, BAD, dead_letter_target_arn=dead.arn)
    worker.put_function_event_invoke_config(on_failure=failed, maximum_retry_attempts=0)
    send(worker)
    sim.run()
    assert [message.sent_at_us for message in dead.messages] == [2 * SECOND]
    assert [message.sent_at_us for message in failed.messages] == [7 * SECOND]


@pytest.mark.rule("ASY-092")
def test_one_queue_may_be_both(sim, dead):
    worker, _ = create(sim, BAD, dead_letter_target_arn=dead.arn)
    worker.put_function_event_invoke_config(on_failure=dead, maximum_retry_attempts=0)
    request_id = send(worker, "lost")
    sim.run()
    message, record = bodies(dead)
    assert message == '"lost"'
    assert json.loads(record)["requestContext"]["requestId"] == request_id


# ---- the message


@pytest.mark.rule("ASY-093")
@pytest.mark.parametrize(
    ("payload", "body"),
    [
        ('{"k":  [1,\t2.50 ]}', '{"k":  [1,\t2.50 ]}'),
        ('  "Zoë ✓"\n', '  "Zoë ✓"\n'),
        (b'{"n": 1}', '{"n": 1}'),
        ("1E5", "1E5"),
        (None, "{}"),
    ],
)
def test_the_body_is_the_payload_byte_for_byte(sim, dead, payload, body):
    worker, _ = create(sim, {"never": "seen"}, reserved_concurrent_executions=0, dead_letter_target_arn=dead.arn)
    send(worker, payload)
    sim.run()
    assert bodies(dead) == [body]


@pytest.mark.rule("ASY-094")
def test_attributes_after_a_function_error(sim, dead):
    worker, _ = create(sim, ValueError("first"), ValueError("second: ü"), dead_letter_target_arn=dead.arn)
    worker.put_function_event_invoke_config(maximum_retry_attempts=1)
    request_id = send(worker)
    sim.run()
    (message,) = dead.messages
    assert attributes(message) == {
        "RequestID": ("String", request_id),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "second: ü"),
    }


@pytest.mark.rule("ASY-094")
@pytest.mark.parametrize("reserve", [0, 1])
def test_attributes_when_no_attempt_ran(sim, dead, reserve):
    worker, _ = create(sim, dead_letter_target_arn=dead.arn, duration=100, timeout=100)
    worker.put_function_concurrency(reserve)
    worker.put_function_event_invoke_config(maximum_event_age_in_seconds=60)
    if reserve:
        send(worker, "runs")
    request_id = send(worker, "never runs")
    sim.run()
    (message,) = dead.messages
    assert attributes(message) == {
        "RequestID": ("String", request_id),
        "ErrorCode": ("Number", "429"),
        "ErrorMessage": ("String", "Rate Exceeded."),
    }


@pytest.mark.rule("ASY-094")
def test_a_timeout_is_worded_as_in_the_answer(sim, dead):
    worker = sim.create_function("worker", duration=10, dead_letter_target_arn=dead.arn)
    request_id = send(worker)
    sim.run()
    (message,) = dead.messages
    text = f"RequestId: {request_id} Error: Task timed out after 3.00 seconds"
    assert attributes(message)["ErrorMessage"] == ("String", text)
    assert attributes(message)["ErrorCode"] == ("Number", "200")


@pytest.mark.rule("ASY-094")
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * 1_023, "x" * 1_023),
        ("x" * 1_024, "x" * 1_024),
        ("x" * 1_025, "x" * 1_024),
        ("é" * 512, "é" * 512),
        ("é" * 513, "é" * 512),
        ("x" + "é" * 512, "x" + "é" * 511),  # the 1,024th byte is the first of an é
        ("xy" + "✓" * 400, "xy" + "✓" * 340),
        ("xyz" + "𝄞" * 300, "xyz" + "𝄞" * 255),
    ],
)
def test_an_error_is_cut_at_1024_bytes_and_between_characters(sim, dead, text, kept):
    worker, _ = create(sim, ValueError(text), dead_letter_target_arn=dead.arn)
    send(worker)
    sim.run()
    (message,) = dead.messages
    assert attributes(message)["ErrorMessage"] == ("String", kept)


@pytest.mark.rule("ASY-094", "ASY-095")
@pytest.mark.parametrize("target", ["queue", "topic"])
@pytest.mark.parametrize(
    ("error", "text"), [(ValueError(), None), (KeyError(), None), (ValueError("a\0b"), "a\ufffdb")]
)
def test_an_error_that_no_attribute_can_carry_costs_no_message(sim, dead, target, error, text):
    got = []
    sim.register_target(TOPIC, got.append)
    worker, _ = create(sim, error, dead_letter_target_arn=dead.arn if target == "queue" else TOPIC)
    send(worker)
    sim.run()
    assert total(sim, "DeadLetterErrors") == 0
    found = dead.messages[0].message_attributes if target == "queue" else got[0]["MessageAttributes"]
    assert found["ErrorCode"] == {"DataType": "Number", "StringValue": "200"}
    assert found.get("ErrorMessage") == (text and {"DataType": "String", "StringValue": text})


# ---- how it fails


@pytest.mark.rule("ASY-095")
@pytest.mark.parametrize("how", ["missing queue", "missing topic", "fifo queue", "fifo topic"])
def test_a_target_that_takes_nothing_costs_the_event(sim, queue, how):
    sim.create_queue("dead.fifo", content_based_deduplication=True)
    got = []
    sim.register_target(f"{TOPIC}.fifo", got.append)
    arn = {
        "missing queue": "arn:aws:sqs:us-east-1:123456789012:nobody",
        "missing topic": TOPIC,
        "fifo queue": "arn:aws:sqs:us-east-1:123456789012:dead.fifo",
        "fifo topic": f"{TOPIC}.fifo",
    }[how]
    worker, _ = create(sim, BAD, dead_letter_target_arn=arn)
    worker.put_function_event_invoke_config(maximum_retry_attempts=0, on_failure=queue)
    send(worker)
    sim.run(until_us=2 * SECOND - 1)
    assert total(sim, "DeadLetterErrors") == 0
    sim.run(until=50_000)
    assert series(sim, "DeadLetterErrors") == series(sim, "AsyncEventsDropped") == [(0, 1)]
    assert worker.async_snapshot().dead_letter_errors == 1
    assert worker.async_snapshot().destination_delivery_failures == 0
    assert counts(worker) == (1, 0, 1, 0, 0)
    assert conditions(queue) == [("RetriesExhausted", 1)]
    assert sim.queue("dead.fifo").snapshot().sent == 0
    assert got == []


def attributes_bytes(error):
    """Names, types and values, with a request id of 36 characters and a status of 3."""
    return sum(map(len, ("RequestID", "String", "ErrorCode", "Number", "ErrorMessage", "String", error))) + 36 + 3


@pytest.mark.rule("ASY-095", "ASY-094")
@pytest.mark.parametrize("size_max", [1_024, 262_144])
@pytest.mark.parametrize("over", [-1, 0, 1])
def test_body_and_attributes_count_against_the_limit_of_the_queue(sim, size_max, over):
    dead = sim.create_queue("dead", maximum_message_size=size_max)
    worker, _ = create(sim, BAD, dead_letter_target_arn=dead.arn)
    payload = '"' + "x" * (size_max + over - 2 - attributes_bytes("bad order")) + '"'
    send(worker, payload)
    sim.run()
    assert bodies(dead) == ([payload] if over <= 0 else [])
    assert total(sim, "DeadLetterErrors") == (over > 0)
    assert total(sim, "AsyncEventsDropped") == 1


@pytest.mark.rule("ASY-095")
@pytest.mark.parametrize("over", [-1, 0, 1])
def test_and_against_that_of_a_topic(sim, over):
    got = []
    sim.register_target(TOPIC, got.append)
    worker, _ = create(sim, BAD, dead_letter_target_arn=TOPIC)
    payload = '"' + "x" * (262_144 + over - 2 - attributes_bytes("bad order")) + '"'
    send(worker, payload)
    sim.run()
    assert [message["Message"] for message in got] == ([payload] if over <= 0 else [])
    assert total(sim, "DeadLetterErrors") == (over > 0)


@pytest.mark.rule("ASY-095")
def test_a_message_is_sent_once(sim):
    tried = []

    def refuse(message):
        tried.append(sim.now)
        raise RuntimeError("no room")

    sim.register_target(TOPIC, refuse)
    worker, _ = create(sim, BAD, dead_letter_target_arn=TOPIC)
    send(worker)
    sim.run(until=50_000)
    assert tried == [186]
    assert total(sim, "DeadLetterErrors") == 1


@pytest.mark.rule("ASY-096")
def test_without_any_of_it_a_drop_shows_in_one_metric_alone(sim, queue):
    worker, _ = create(sim, BAD)
    worker.put_function_event_invoke_config(on_success=queue)
    send(worker)
    sim.run()
    assert series(sim, "AsyncEventsDropped") == [(180, 1)]
    assert total(sim, "DeadLetterErrors") == total(sim, "DestinationDeliveryFailures") == 0
    assert (counts(worker), worker.events, queue.snapshot().sent) == ((1, 0, 1, 0, 0), (), 0)


@pytest.mark.rule("ASY-090", "ASY-092")
def test_the_dead_letter_queue_takes_what_a_bucket_takes_too():
    """Both in one instant, with what each says: the payload alone, and all that is known."""
    sim = Simulation()
    dead = sim.create_queue("dead")
    got = []
    sim.register_target(BUCKET, lambda message: got.append((sim.now, json.loads(message["Body"]))))
    worker, _ = create(sim, BAD, dead_letter_target_arn=dead.arn)
    worker.put_function_event_invoke_config(on_failure=BUCKET, maximum_retry_attempts=0)
    send(worker, {"n": 1})
    sim.run()
    ((at, record),) = got
    assert (at, dead.messages[0].sent_at_us) == (2, 2 * SECOND)
    assert record["requestPayload"] == records(dead)[0] == {"n": 1}
    assert "responsePayload" in record
