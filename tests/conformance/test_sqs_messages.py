"""SQS §6 and §7: content of messages, sending one."""

from __future__ import annotations

from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation, SqsConfig, SqsFaults
from lambdasim.errors import ResponseLostError, SqsError, UsageError
from lambdasim.errors.sqs import (
    InvalidMessageContents,
    InvalidParameterValueException,
    MissingRequiredParameterException,
    QueueDoesNotExist,
)
from tests.choosers import Says
from tests.strategies import bodies as legal_bodies
from tests.strategies import delays_s, illegal_characters

CHARACTERS_ERROR = (
    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | "
    "#x10000 to #x10FFFF"
)


TOKEN_ERROR = (
    "Value {} for parameter {} is invalid. Reason: {} can only include alphanumeric and punctuation characters. 1 to "
    "128 in length."
)
OTHER_TYPE = (
    "Value {} for parameter {} is invalid. Reason: The request include parameter that is not valid for this queue type."
)
NEEDS_DEDUPLICATION = (
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
)


@pytest.fixture
def fifo(sim):
    return sim.create_queue("orders.fifo")


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


@pytest.mark.rule("SQS-121")
@pytest.mark.parametrize("character", [chr(code) for code in range(0x80)])
def test_each_character_of_ascii_is_carried_or_refused_alone_and_among_others(queue, character):
    """The same by a send and by a batch."""
    bodies = [character, f"{character}b", f"a{character}", f"a{character}b"]
    entries = [{"id": str(place), "message_body": body} for place, body in enumerate(bodies)]
    if is_illegal(character):
        for body in bodies:
            with pytest.raises(InvalidMessageContents):
                queue.send_message(body)
        codes = [entry.code for entry in queue.send_message_batch(entries).failed]
        assert [InvalidMessageContents.code] * 4 == codes
        assert 0 == queue.snapshot().total
    else:
        for body in bodies:
            queue.send_message(body)
        assert [] == list(queue.send_message_batch(entries).failed)
        assert bodies * 2 == [message.body for message in queue.messages]


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
@pytest.mark.parametrize("delay_seconds", [-1, 901, 10**9])
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


@pytest.mark.rule("SQS-160", "SQS-141", "SQS-142")
def test_an_answer_has_the_digests_of_the_attributes_that_were_passed(queue):
    user = {"k": {"DataType": "String", "StringValue": "x"}}
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    system = {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}
    found = [
        (answer.md5_of_message_attributes, answer.md5_of_message_system_attributes)
        for answer in (
            queue.send_message("a"),
            queue.send_message("a", message_attributes=user),
            queue.send_message("a", message_system_attributes=system),
            queue.send_message("a", message_attributes=user, message_system_attributes=system),
            queue.send_message("a", message_attributes={}, message_system_attributes={}),
        )
    ]
    of_user, of_system = "a45daa70926828a2f0a1db3418e6feb4", "5ae4d5d7636402d80f4eb6d213245a88"
    assert [(None, None), (of_user, None), (None, of_system), (of_user, of_system), (None, None)] == found


@pytest.mark.rule("SQS-160", "SQS-333")
def test_an_answer_of_a_fifo_queue_has_the_sequence_number(fifo):
    answer = fifo.send_message("a", message_group_id="g", message_deduplication_id="d")
    assert "18850000000000000256" == answer.sequence_number == receive_one(fifo).sequence_number


@pytest.mark.rule("SQS-160")
def test_a_parameter_that_is_not_there_is_refused_by_name(queue):
    with pytest.raises((TypeError, UsageError), match="message_group"):
        queue.send_message("a", message_group="g")
    assert 0 == queue.snapshot().total


# What is wrong with a send to a FIFO queue, in the order of the checks, and what is said about it.
ORDER = [
    ({"message_body": ""}, "parameter MessageBody."),
    ({"message_body": "\x00"}, "Invalid characters found."),
    ({"delay_seconds": 901}, "for parameter DelaySeconds is invalid. Reason: DelaySeconds must be"),
    ({"message_attributes": {"k": {"DataType": "Nope", "StringValue": "x"}}}, "The type of message (user) attribute"),
    ({"message_system_attributes": {"k": {"DataType": "String", "StringValue": "x"}}}, "Message system attribute name"),
    ({"message_group_id": "a b"}, "parameter MessageGroupId is invalid. Reason: MessageGroupId can only"),
    ({"message_deduplication_id": "a b"}, "parameter MessageDeduplicationId is invalid. Reason: MessageDed"),
]


@pytest.mark.rule("SQS-161")
@pytest.mark.parametrize("kind", ["standard", "fifo"])
@pytest.mark.parametrize("first", range(len(ORDER)))
def test_checks_come_in_their_order(sim, kind, first):
    queue = sim.create_queue("orders.fifo" if kind == "fifo" else "orders", maximum_message_size=1_024)
    parameters = {"message_body": "x" * 1_025}
    for wrong, _ in reversed(ORDER[first:]):
        parameters |= wrong
    before = queue.snapshot(), sim.trace.to_json_lines()
    with pytest.raises(SqsError) as caught:
        queue.send_message(parameters.pop("message_body"), **parameters)
    assert ORDER[first][1] in caught.value.message
    assert before == (queue.snapshot(), sim.trace.to_json_lines())


@pytest.mark.rule("SQS-161")
@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"message_deduplication_id": "a b"}, "MessageDeduplicationId can only"),
        ({"delay_seconds": 1}, "MessageGroupId"),
        ({"message_group_id": "g"}, "ContentBasedDeduplication enabled"),
        ({"message_group_id": "g", "message_deduplication_id": "d"}, "shorter than 1024 bytes"),
    ],
)
def test_what_a_fifo_queue_needs_is_checked_after_the_ids_and_before_the_size(sim, parameters, named):
    queue = sim.create_queue("orders.fifo", maximum_message_size=1_024)
    if "delay_seconds" in parameters:
        named = "(MessageGroupId|DelaySeconds)"  # the rules leave open which of the two is missed first
    with pytest.raises(SqsError, match=named):
        queue.send_message("x" * 1_025, **parameters)
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-161", "SQS-621")
def test_a_queue_that_is_gone_comes_before_everything(queue):
    queue.delete_queue()
    with pytest.raises(QueueDoesNotExist):
        queue.send_message("", delay_seconds=-1, message_group_id="")


PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


@pytest.mark.rule("SQS-163")
@pytest.mark.parametrize("kind", ["standard", "fifo"])
@pytest.mark.parametrize("token", ["a", "!", "~", "x" * 127, "x" * 128, PUNCTUATION, "Az09"])
def test_ids_have_up_to_128_visible_ascii_characters(sim, kind, token):
    if kind == "fifo":
        queue = sim.create_queue("orders.fifo")
        queue.send_message("a", message_group_id=token, message_deduplication_id=token)
        delivery = receive_one(queue)
        assert (token, token) == (delivery.message_group_id, delivery.message_deduplication_id)
    else:
        queue = sim.create_queue("orders")
        queue.send_message("a", message_group_id=token)
        assert token == receive_one(queue).message_group_id


@pytest.mark.rule("SQS-163")
@pytest.mark.parametrize("kind", ["standard", "fifo"])
@pytest.mark.parametrize("token", ["", "x" * 129, " ", "a b", "\x7f", "\x1f", "é", "a\n", "日本", "²"])
@pytest.mark.parametrize("name", ["MessageGroupId", "MessageDeduplicationId"])
def test_any_other_id_is_refused_on_either_type(sim, kind, token, name):
    queue = sim.create_queue("orders.fifo" if kind == "fifo" else "orders")
    parameters = {"message_group_id": "g", "message_deduplication_id": "d"} if kind == "fifo" else {}
    parameters["message_group_id" if name == "MessageGroupId" else "message_deduplication_id"] = token
    with pytest.raises(InvalidParameterValueException) as caught:
        queue.send_message("a", **parameters)
    assert TOKEN_ERROR.format(token, name, name) == caught.value.message
    assert "InvalidParameterValue" == caught.value.code
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-164")
def test_a_standard_queue_takes_no_deduplication_id(queue):
    for parameters in ({}, {"message_group_id": "g"}):
        with pytest.raises(InvalidParameterValueException) as caught:
            queue.send_message("a", message_deduplication_id="d", **parameters)
        assert OTHER_TYPE.format("d", "MessageDeduplicationId") == caught.value.message
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-165")
def test_a_group_on_a_standard_queue_neither_orders_nor_deduplicates(queue):
    answers = [queue.send_message("same", message_group_id="g") for _ in range(3)]
    assert 3 == len({answer.message_id for answer in answers})
    assert {None} == {answer.sequence_number for answer in answers}
    (first,) = queue.receive_message(attribute_names=["All"])
    assert "g" == first.message_group_id == first.attributes["MessageGroupId"]
    assert not {"SequenceNumber", "MessageDeduplicationId"} & set(first.attributes)
    assert 2 == len(queue.receive_message(max_number_of_messages=10))


@pytest.mark.rule("SQS-165", "SQS-211")
def test_a_message_without_a_group_has_no_attribute_of_it(queue):
    queue.send_message("a")
    delivery = receive_one(queue, attribute_names=["All"])
    assert delivery.message_group_id is None
    assert "MessageGroupId" not in delivery.attributes


@pytest.mark.rule("SQS-166")
@pytest.mark.parametrize("is_content_based", [False, True])
def test_a_fifo_queue_needs_a_group(sim, is_content_based):
    queue = sim.create_queue("orders.fifo", content_based_deduplication=is_content_based)
    for parameters in ({}, {"message_deduplication_id": "d"}):
        with pytest.raises(MissingRequiredParameterException) as caught:
            queue.send_message("a", **parameters)
        assert "The request must contain the parameter MessageGroupId." == caught.value.message
        assert "MissingParameter" == caught.value.code
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-166")
def test_a_fifo_queue_needs_a_deduplication_id_or_content_based_deduplication(sim, fifo):
    with pytest.raises(InvalidParameterValueException) as caught:
        fifo.send_message("a", message_group_id="g")
    assert caught.value.message == NEEDS_DEDUPLICATION
    assert "InvalidParameterValue" == caught.value.code
    assert 0 == fifo.snapshot().total
    fifo.set_queue_attributes({"ContentBasedDeduplication": "true"})
    fifo.send_message("a", message_group_id="g")
    assert 1 == fifo.snapshot().total


@pytest.mark.rule("SQS-167", "SQS-381")
@pytest.mark.parametrize("delay_seconds", [1, 900])
@pytest.mark.parametrize("queue_delay_s", [0, 5])
def test_a_fifo_queue_takes_no_delay_of_a_message(sim, delay_seconds, queue_delay_s):
    queue = sim.create_queue("orders.fifo", delay_seconds=queue_delay_s)
    with pytest.raises(InvalidParameterValueException) as caught:
        queue.send_message("a", delay_seconds=delay_seconds, message_group_id="g", message_deduplication_id="d")
    assert OTHER_TYPE.format(delay_seconds, "DelaySeconds") == caught.value.message
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-162", "SQS-167")
@pytest.mark.parametrize("delay_seconds", [-1, 901])
def test_a_delay_out_of_range_is_so_on_a_fifo_queue_too(fifo, delay_seconds):
    with pytest.raises(InvalidParameterValueException, match="must be >= 0 and <= 900"):
        fifo.send_message("a", delay_seconds=delay_seconds, message_group_id="g", message_deduplication_id="d")


@pytest.mark.rule("SQS-167", "SQS-381")
@pytest.mark.parametrize("delay_seconds", [None, 0])
def test_a_delay_of_nought_leaves_a_fifo_queue_its_own(sim, delay_seconds):
    queue = sim.create_queue("orders.fifo", delay_seconds=5)
    queue.send_message("a", delay_seconds=delay_seconds, message_group_id="g", message_deduplication_id="d")
    sim.run(until_us=5_000_000 - 1)
    assert 1 == queue.snapshot().delayed
    sim.run(until=5)
    assert 1 == queue.snapshot().visible


@pytest.mark.rule("SQS-169", "SQS-345")
def test_a_failed_send_leaves_no_memory_of_its_id_and_uses_no_number(sim):
    queue = sim.create_queue("orders.fifo", maximum_message_size=1_024)
    with pytest.raises(InvalidParameterValueException):
        queue.send_message("x" * 1_025, message_group_id="g", message_deduplication_id="d")
    answer = queue.send_message("x", message_group_id="g", message_deduplication_id="d")
    other = Simulation().create_queue("orders.fifo")
    expected = other.send_message("x", message_group_id="g", message_deduplication_id="d")
    assert 1 == queue.snapshot().sent
    assert (expected.sequence_number, expected.message_id) == (answer.sequence_number, answer.message_id)


# ---- lost answers


@pytest.mark.rule("SQS-170")
def test_a_send_whose_answer_is_lost_took_effect_and_a_retry_makes_a_second_message():
    says = Says("sqs.lost_send_ack", 1)
    sim = Simulation(faults=SqsFaults(lost_send_ack_probability=0.5), choices=says)
    queue = sim.create_queue("orders")
    with pytest.raises(ResponseLostError) as caught:
        queue.send_message("a")
    assert isinstance(caught.value, TimeoutError)
    assert not isinstance(caught.value, SqsError)
    assert (1, 1) == (queue.snapshot().sent, queue.snapshot().visible)
    queue.send_message("a")
    first, second = queue.receive_message(max_number_of_messages=10)
    assert ("a", "a") == (first.body, second.body)
    assert first.message_id != second.message_id
    assert [("sqs.lost_send_ack", queue.arn, 2)] * 2 == says.asked


@pytest.mark.rule("SQS-170", "SQS-344")
def test_a_retry_on_a_fifo_queue_is_recognized():
    says = Says("sqs.lost_send_ack", 1)
    sim = Simulation(faults=SqsFaults(lost_send_ack_probability=0.5), choices=says)
    queue = sim.create_queue("orders.fifo")
    with pytest.raises(ResponseLostError):
        queue.send_message("a", message_group_id="g", message_deduplication_id="d")
    answer = queue.send_message("a", message_group_id="g", message_deduplication_id="d")
    delivery = receive_one(queue)
    assert (delivery.message_id, delivery.sequence_number) == (answer.message_id, answer.sequence_number)
    assert 1 == queue.snapshot().sent


@pytest.mark.rule("SQS-170")
@pytest.mark.parametrize("kind", ["standard", "fifo"])
def test_the_answer_to_a_batch_may_be_lost_whole(kind):
    says = Says("sqs.lost_send_ack", 1)
    sim = Simulation(faults=SqsFaults(lost_send_ack_probability=0.5), choices=says)
    queue = sim.create_queue("orders.fifo" if kind == "fifo" else "orders")
    entries = [{"id": f"{number}", "message_body": f"m{number}"} for number in range(3)]
    if kind == "fifo":
        entries = [{**each, "message_group_id": "g", "message_deduplication_id": each["id"]} for each in entries]
    with pytest.raises(ResponseLostError):
        queue.send_message_batch(entries)
    assert ["m0", "m1", "m2"] == [message.body for message in queue.messages]
    assert 1 == len(says.asked)
    assert 3 == len(queue.send_message_batch(entries).successful)
    assert (3 if kind == "fifo" else 6) == queue.snapshot().sent


@pytest.mark.rule("SQS-170", "SQS-622")
def test_a_refused_send_is_no_lost_answer():
    says = Says("sqs.lost_send_ack", 1)
    sim = Simulation(faults=SqsFaults(lost_send_ack_probability=0.5), choices=says)
    queue = sim.create_queue("orders")
    with pytest.raises(MissingRequiredParameterException):
        queue.send_message("")
    assert [] == says.asked


@pytest.mark.rule("SQS-170")
def test_a_poll_is_woken_by_a_send_whose_answer_is_lost():
    says = Says("sqs.lost_send_ack", 1)
    sim = Simulation(faults=SqsFaults(lost_send_ack_probability=0.5), choices=says)
    queue = sim.create_queue("orders")
    log = []

    async def listen():
        log.extend([each.body for each in await queue.wait_receive(wait_time_seconds=20)])

    sim.spawn(listen())
    sim.run(until=5)
    with pytest.raises(ResponseLostError):
        queue.send_message("a")
    sim.run()
    assert (["a"], 5.0) == (log, sim.now)
