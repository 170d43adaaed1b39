"""SQS §6 and §7: content of messages, sending one."""

from __future__ import annotations

from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation, SqsConfig
from lambdasim.errors import UsageError
from lambdasim.errors.sqs import (
    InvalidMessageContents,
    InvalidParameterValueException,
    MissingRequiredParameterException,
)
from tests.strategies import bodies as legal_bodies
from tests.strategies import delays_s, illegal_characters

CHARACTERS_ERROR = (
    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | "
    "#x10000 to #x10FFFF"
)


def receive_one(queue, **parameters):
    (delivery,) = queue.receive_message(**parameters)
    return delivery


# ---- the body


@pytest.mark.rule("SQS-120")
@given(legal_bodies)
def test_a_body_arrives_as_it_was_sent(body):
    queue = Simulation().create_queue("orders")
    queue.send_message(body)
    assert body == receive_one(queue).body


@pytest.mark.rule("SQS-120", "SQS-121")
@pytest.mark.parametrize(
    ("code", "is_legal"),
    [
        (0x00, False),
        (0x08, False),
        (0x09, True),
        (0x0A, True),
        (0x0B, False),
        (0x0C, False),
        (0x0D, True),
        (0x0E, False),
        (0x1F, False),
        (0x20, True),
        (0x7E, True),
        (0x7F, True),
        (0x85, True),
        (0xD7FF, True),
        (0xD800, False),
        (0xDFFF, False),
        (0xE000, True),
        (0xFFFD, True),
        (0xFFFE, False),
        (0xFFFF, False),
        (0x10000, True),
        (0x1FFFE, True),
        (0x10FFFF, True),
    ],
)
def test_each_end_of_the_ranges_of_legal_characters(queue, code, is_legal):
    body = f"a{chr(code)}b"
    if is_legal:
        queue.send_message(body)
        assert body == receive_one(queue).body
    else:
        with pytest.raises(InvalidMessageContents) as caught:
            queue.send_message(body)
        assert CHARACTERS_ERROR == caught.value.message
        assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-121")
@given(st.lists(st.one_of(legal_bodies, illegal_characters), min_size=1, max_size=6))
def test_illegal_characters_are_replaced_where_the_configuration_says_so(parts):
    body = "".join(parts)
    expected = "".join("\ufffd" if is_illegal(character) else character for character in body)
    queue = Simulation(settings=[SqsConfig(invalid_chars="replace")]).create_queue("orders")
    answer = queue.send_message(body)
    delivery = receive_one(queue)
    assert expected == delivery.body
    assert md5(expected.encode()).hexdigest() == delivery.md5_of_body == answer.md5_of_message_body


def is_illegal(character):
    code = ord(character)
    return not (
        code in {0x9, 0xA, 0xD} or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
    )


@pytest.mark.rule("SQS-121")
@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=8))
def test_a_body_is_refused_exactly_when_a_character_of_it_is_illegal(body):
    queue = Simulation().create_queue("orders")
    if any(map(is_illegal, body)):
        with pytest.raises(InvalidMessageContents):
            queue.send_message(body)
    else:
        queue.send_message(body)
    assert (not any(map(is_illegal, body))) == queue.snapshot().visible


@pytest.mark.rule("SQS-122", "SQS-621")
@pytest.mark.parametrize("body", ["", None])
def test_a_body_must_be_there(queue, body):
    with pytest.raises(MissingRequiredParameterException) as caught:
        queue.send_message(body)
    assert "The request must contain the parameter MessageBody." == caught.value.message
    assert "MissingParameter" == caught.value.code


@pytest.mark.parametrize("body", [b"bytes", 7, {"a": 1}])
def test_a_body_is_text(queue, body):
    with pytest.raises(UsageError):
        queue.send_message(body)
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-123", "SQS-124")
@pytest.mark.parametrize("character", ["x", "é", "✓", "𝄞"])
@pytest.mark.parametrize("limit", [1_024, 262_144, 1_048_576])
def test_the_size_of_a_body_is_that_of_its_utf8_and_the_limit_itself_is_legal(sim, limit, character):
    queue = sim.create_queue("orders", maximum_message_size=limit)
    width = len(character.encode())
    body = character * (limit // width) + "x" * (limit % width)
    queue.send_message(body)
    with pytest.raises(InvalidParameterValueException) as caught:
        queue.send_message(f"{body}x")
    assert (
        f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."
        == caught.value.message
    )
    assert 1 == queue.snapshot().sent


@pytest.mark.rule("SQS-140")
@given(legal_bodies)
def test_the_digest_of_a_body_is_the_md5_of_its_utf8(body):
    queue = Simulation().create_queue("orders")
    answer = queue.send_message(body)
    expected = md5(body.encode()).hexdigest()
    assert expected == answer.md5_of_message_body == receive_one(queue).md5_of_body


@pytest.mark.rule("SQS-140")
@pytest.mark.parametrize(
    ("body", "digest"),
    [("a", "0cc175b9c0f1b6a831c399e269772661"), ("This is a test message", "fafb00f5732ab283681e124bf8747ed1")],
)
def test_digests_are_those_that_aws_answered(queue, body, digest):
    assert digest == queue.send_message(body).md5_of_message_body


# ---- system attributes


@pytest.mark.rule("SQS-150")
def test_system_attributes_tell_of_the_message_and_of_this_delivery():
    sim = Simulation(start="1970-01-01T00:00:00Z", settings=[SqsConfig(sender_id="AIDAEXAMPLE")])
    queue = sim.create_queue("orders", delay_seconds=2)
    sim.run(until=1)
    queue.send_message("a")
    sim.run(until=4)
    first = receive_one(queue, visibility_timeout=5, attribute_names=["All"])
    sim.run(until=9)
    second = receive_one(queue, visibility_timeout=5, attribute_names=["All"])
    assert {
        "SenderId": "AIDAEXAMPLE",
        "SentTimestamp": "1000",
        "ApproximateReceiveCount": "1",
        "ApproximateFirstReceiveTimestamp": "4000",
    } == first.attributes
    assert {**first.attributes, "ApproximateReceiveCount": "2"} == second.attributes
    assert (1, 2) == (first.receive_count, second.receive_count)
    assert 1_000_000 == second.sent_at_us
    assert 4_000_000 == second.first_received_at_us


@pytest.mark.rule("SQS-150")
def test_the_default_sender_is_that_of_the_configuration(queue):
    queue.send_message("a")
    assert {"SenderId": SqsConfig().sender_id} == receive_one(queue, attribute_names=["SenderId"]).attributes


@pytest.mark.rule("SQS-150", "SQS-433")
def test_a_message_that_was_moved_tells_from_where_and_others_do_not(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    before = receive_one(queue, attribute_names=["All"])
    assert [] == queue.receive_message()
    moved = receive_one(dlq, attribute_names=["All"])
    assert queue.arn == moved.attributes["DeadLetterQueueSourceArn"]
    assert "2" == moved.attributes["ApproximateReceiveCount"]
    assert "DeadLetterQueueSourceArn" not in before.attributes


# ---- sending


@pytest.mark.rule("SQS-160")
def test_an_answer_to_a_send_has_the_id_and_the_digest_and_no_sequence_number(queue):
    answer = queue.send_message("a")
    assert answer.message_id == receive_one(queue).message_id
    assert "0cc175b9c0f1b6a831c399e269772661" == answer.md5_of_message_body
    assert answer.sequence_number is None


@pytest.mark.rule("SQS-161")
@pytest.mark.parametrize(
    ("body", "delay_seconds", "error"),
    [
        ("", 901, MissingRequiredParameterException),
        ("\x00", 901, InvalidMessageContents),
        ("\x00" * 1_025, 0, InvalidMessageContents),
        ("x" * 1_025, 901, "DelaySeconds"),
        ("x" * 1_025, 900, "shorter than 1024 bytes"),
    ],
)
def test_the_first_failure_wins_and_a_failed_send_has_no_effect(sim, body, delay_seconds, error):
    queue = sim.create_queue("orders", maximum_message_size=1_024)
    expected, text = (error, None) if isinstance(error, type) else (InvalidParameterValueException, error)
    before = queue.snapshot(), sim.trace.to_json_lines()
    with pytest.raises(expected, match=text):
        queue.send_message(body, delay_seconds=delay_seconds)
    assert before == (queue.snapshot(), sim.trace.to_json_lines())


@pytest.mark.rule("SQS-162")
@pytest.mark.parametrize("delay_seconds", [-1, 901, 10**9, 1.5])
def test_a_delay_out_of_range_is_refused(queue, delay_seconds):
    with pytest.raises(InvalidParameterValueException) as caught:
        queue.send_message("a", delay_seconds=delay_seconds)
    assert (
        f"Value {delay_seconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
        == caught.value.message
    )


@pytest.mark.rule("SQS-162")
@pytest.mark.parametrize("delay_seconds", [0, 900])
def test_the_ends_of_the_range_of_delays_are_legal(sim, queue, delay_seconds):
    queue.send_message("a", delay_seconds=delay_seconds)
    sim.run(until=delay_seconds)
    assert 1 == queue.approximate_number_of_messages


@pytest.mark.rule("SQS-168")
@given(delays_s, st.none() | delays_s)
def test_a_delay_of_the_message_replaces_that_of_the_queue(queue_delay_s, delay_s):
    sim = Simulation()
    queue = sim.create_queue("orders", delay_seconds=queue_delay_s)
    queue.send_message("a", delay_seconds=delay_s)
    expected_s = queue_delay_s if delay_s is None else delay_s
    if expected_s:
        sim.run(until_us=expected_s * 1_000_000 - 1)
        assert (0, 1) == (queue.snapshot().visible, queue.snapshot().delayed)
    sim.run(until=expected_s)
    assert (1, 0) == (queue.snapshot().visible, queue.snapshot().delayed)


@pytest.mark.rule("SQS-169")
def test_a_message_is_there_from_the_instant_of_its_send(sim, queue):
    sim.run(until=3)
    queue.send_message("a")
    assert 1 == queue.snapshot().visible
    delivery = receive_one(queue)
    assert 3_000_000 == delivery.sent_at_us
    assert 1 == delivery.receive_count


@pytest.mark.rule("SQS-169")
def test_a_message_counts_as_sent_when_it_was_accepted_and_not_when_its_delay_ended(sim, queue):
    queue.send_message("a", delay_seconds=10)
    assert 1 == queue.snapshot().sent
    sim.run(until=10)
    assert 0 == receive_one(queue).sent_at_us


@pytest.mark.rule("SQS-120", "SQS-122", "SQS-124")
@pytest.mark.parametrize("body", ["", "\x00", "x" * 1_025])
def test_a_stream_of_messages_is_checked_as_one_message_is(sim, body):
    queue = sim.create_queue("orders", maximum_message_size=1_024)
    with pytest.raises((MissingRequiredParameterException, InvalidMessageContents, InvalidParameterValueException)):
        sim.feed(queue, [1, 2, 3], body)
    sim.run()
    assert 0 == queue.snapshot().sent
