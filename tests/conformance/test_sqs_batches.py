"""SQS §8: batches of sends, deletes and changes of visibility."""

from __future__ import annotations

from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import Simulation, SqsConfig
from lambdasim.errors import SqsError, UsageError
from lambdasim.errors.sqs import (
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InvalidBatchEntryId,
    InvalidParameterValueException,
    QueueDoesNotExist,
    TooManyEntriesInBatchRequest,
)
from lambdasim.units import seconds
from tests.strategies import bodies as legal_bodies

CHARACTERS_ERROR = (
    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | "
    "#x10000 to #x10FFFF"
)
NEEDS_DEDUPLICATION = (
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
)
ID_ERROR = (
    "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters "
    "long."
)
CEILING = (
    "Value {} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond "
    "the limit [43200 seconds]"
)
NO_HANDLE = 'The input receipt handle "{}" is not a valid receipt handle.'
OTHER_TYPE = (
    "Value {} for parameter {} is invalid. Reason: The request include parameter that is not valid for this queue type."
)
EXPIRED = "Value {} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
NOT_THERE = (
    "Value {} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for "
    "visibility timeout change."
)


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def ids(entries):
    return [entry.id for entry in entries]


def failures(answer):
    assert all(failed.sender_fault is True for failed in answer.failed)
    return [(failed.id, failed.code, failed.message) for failed in answer.failed]


def fill(queue, count):
    """Send messages and receive them: their deliveries."""
    for number in range(count):
        queue.send_message(f"m{number}")
    return queue.receive_message(max_number_of_messages=count)


def entry(number, body="a", **parameters):
    return {"id": f"{number}", "message_body": body, **parameters}


def fifo_entry(number, body="a", group="g", token=None, **parameters):
    return entry(
        number,
        body,
        message_group_id=group,
        message_deduplication_id=f"d{number}" if token is None else token,
        **parameters,
    )


# The three operations, by the members of an entry that are right for them.
BATCHES = {
    "SendMessageBatchRequestEntry": (lambda queue, entries: queue.send_message_batch(entries), {"message_body": "a"}),
    "DeleteMessageBatchRequestEntry": (
        lambda queue, entries: queue.delete_message_batch(entries),
        {"receipt_handle": "nonsense"},
    ),
    "ChangeMessageVisibilityBatchRequestEntry": (
        lambda queue, entries: queue.change_message_visibility_batch(entries),
        {"receipt_handle": "nonsense", "visibility_timeout": 1},
    ),
}


@pytest.fixture(params=BATCHES)
def batch(request, queue):
    """One of the operations as a callable of the ids of its entries."""
    call, members = BATCHES[request.param]
    return lambda *given: call(queue, [{"id": each, **members} for each in given])


# ---- whole requests


@pytest.mark.rule("SQS-180", "SQS-181")
@pytest.mark.parametrize("count", [1, 2, 9, 10])
def test_a_batch_has_up_to_ten_entries(batch, count):
    answer = batch(*(f"{number}" for number in range(count)))
    assert [f"{number}" for number in range(count)] == ids(answer.successful) + ids(answer.failed)


@pytest.mark.rule("SQS-181")
@pytest.mark.parametrize("shape", BATCHES)
def test_a_batch_without_entries_is_refused(queue, shape):
    call, _ = BATCHES[shape]
    with pytest.raises(EmptyBatchRequest) as caught:
        call(queue, [])
    assert f"There should be at least one {shape} in the request." == caught.value.message
    assert "AWS.SimpleQueueService.EmptyBatchRequest" == caught.value.code


@pytest.mark.rule("SQS-181")
@pytest.mark.parametrize("count", [11, 12, 100])
def test_a_batch_of_more_than_ten_is_refused(batch, queue, count):
    with pytest.raises(TooManyEntriesInBatchRequest) as caught:
        batch(*(f"{number}" for number in range(count)))
    assert f"Maximum number of entries per request are 10. You have sent {count}." == caught.value.message
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-181")
@pytest.mark.parametrize("legal", ["a", "A-z_09", "-", "_", "x" * 80])
def test_legal_ids(batch, legal):
    answer = batch(legal)
    assert [legal] == ids(answer.successful) + ids(answer.failed)


@pytest.mark.rule("SQS-181")
@pytest.mark.parametrize("illegal", ["", "x" * 81, "a b", "a.b", "é", "a\n", "a/b", "²"])
def test_an_illegal_id_refuses_the_whole_request(batch, queue, illegal):
    with pytest.raises(InvalidBatchEntryId) as caught:
        batch("fine", illegal)
    assert caught.value.message == ID_ERROR
    assert "AWS.SimpleQueueService.InvalidBatchEntryId" == caught.value.code
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-181")
@pytest.mark.parametrize(("given", "named"), [("11", "1"), ("1221", "2"), ("1213", "1"), ("1233", "3"), ("2112", "1")])
def test_the_first_entry_whose_id_was_seen_before_is_named(batch, queue, given, named):
    with pytest.raises(BatchEntryIdsNotDistinct) as caught:
        batch(*given)
    assert f"Id {named} repeated." == caught.value.message
    assert "AWS.SimpleQueueService.BatchEntryIdsNotDistinct" == caught.value.code
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-181")
def test_ids_differ_by_case(batch):
    answer = batch("a", "A")
    assert ["a", "A"] == ids(answer.successful) + ids(answer.failed)


@pytest.mark.rule("SQS-181", "SQS-183")
@pytest.mark.parametrize("max_bytes", [1_048_576, 262_144])
@pytest.mark.parametrize("kind", ["standard", "fifo"])
def test_the_total_size_may_be_the_limit_and_no_byte_more(max_bytes, kind):
    sim = Simulation(settings=[SqsConfig(max_payload_bytes=max_bytes)])
    queue = sim.create_queue("orders" if kind == "standard" else "orders.fifo")
    make = entry if kind == "standard" else fifo_entry
    half = max_bytes // 2
    with pytest.raises(BatchRequestTooLong) as caught:
        queue.send_message_batch([make(1, "x" * half), make(2, "x" * (half - 1)), make(3, "é")])
    assert (
        f"Batch requests cannot be longer than {max_bytes} bytes. You have sent {max_bytes + 1} bytes."
        == caught.value.message
    )
    assert "AWS.SimpleQueueService.BatchRequestTooLong" == caught.value.code
    assert 0 == queue.snapshot().total
    answer = queue.send_message_batch([make(1, "x" * half), make(2, "x" * (half - 2)), make(3, "é")])
    assert (["1", "2", "3"], ()) == (ids(answer.successful), answer.failed)


@pytest.mark.rule("SQS-123", "SQS-183")
def test_attributes_count_towards_the_total_and_ids_do_not(sim):
    sim = Simulation(settings=[SqsConfig(max_payload_bytes=2_048)])
    queue = sim.create_queue("orders")
    attributes = {
        "k": {"DataType": "String", "StringValue": "é"},
        "b": {"DataType": "Binary.x", "BinaryValue": b"123"},
    }
    size = len("k") + len("String") + 2 + len("b") + len("Binary.x") + 3
    entries = [
        entry(1, "x" * 1_024, message_attributes=attributes, message_group_id="g" * 128),
        entry(
            2,
            "x" * (1_024 - size),
            message_system_attributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}},
        ),
    ]
    with pytest.raises(BatchRequestTooLong, match=r"You have sent 2049 bytes\."):
        queue.send_message_batch([*entries, entry(3, "x")])
    assert ["1", "2"] == ids(queue.send_message_batch(entries).successful)


@pytest.mark.rule("SQS-183", "SQS-184")
def test_the_limit_of_the_total_is_not_the_size_limit_of_the_queue(sim):
    queue = sim.create_queue("orders", maximum_message_size=1_024)
    answer = queue.send_message_batch([entry(number, "x" * 1_024) for number in range(10)])
    assert 10 == len(answer.successful)


@pytest.mark.rule("SQS-182")
def test_whole_requests_are_checked_in_their_order(sim):
    sim = Simulation(settings=[SqsConfig(max_payload_bytes=2_048)])
    queue = sim.create_queue("orders.fifo")
    big = {"message_body": "x" * 2_049}
    wrong = [
        ([{"id": "!", **big}] * 11, TooManyEntriesInBatchRequest),
        ([{"id": "1", **big}, {"id": "1", **big}, {"id": "!", **big}], InvalidBatchEntryId),
        ([{"id": "1", **big}, {"id": "1", **big}], BatchEntryIdsNotDistinct),
        ([{"id": "1", **big}], BatchRequestTooLong),
        ([{"id": "1", "message_body": "\x00", "delay_seconds": 901}], InvalidParameterValueException),
    ]
    for entries, error in wrong:
        with pytest.raises(error):
            queue.send_message_batch(entries)
    with pytest.raises(InvalidParameterValueException, match="MessageGroupId"):
        queue.send_message_batch([entry(1, "\x00")])
    queue.delete_queue()
    for entries, _ in ([], None), *wrong:
        with pytest.raises(QueueDoesNotExist):
            queue.send_message_batch(entries)


@pytest.mark.parametrize(
    "entries",
    [
        "x",
        [["id", "1"]],
        [{"id": "1", "message_body": "a", "more": 1}],
        [{"Id": "1", "MessageBody": "a"}],
        [{"id": 1, "message_body": "a"}],
    ],
)
def test_entries_of_another_form_are_refused(queue, entries):
    with pytest.raises(UsageError):
        queue.send_message_batch(entries)
    assert 0 == queue.snapshot().total


# ---- sends to standard queues


@pytest.mark.rule("SQS-180", "SQS-185")
def test_entries_of_a_batch_are_sent_in_their_order_at_one_instant(sim, queue):
    sim.run(until=3)
    answer = queue.send_message_batch([entry(number, f"m{number}") for number in (3, 1, 2)])
    assert ["3", "1", "2"] == ids(answer.successful)
    assert () == answer.failed
    deliveries = queue.receive_message(max_number_of_messages=10)
    assert ["m3", "m1", "m2"] == bodies(deliveries)
    assert [sent.message_id for sent in answer.successful] == [delivery.message_id for delivery in deliveries]
    assert {seconds(3)} == {delivery.sent_at_us for delivery in deliveries}
    assert 3.0 == sim.now


@pytest.mark.rule("SQS-180", "SQS-140", "SQS-141", "SQS-142")
@given(st.lists(legal_bodies, min_size=1, max_size=10))
def test_an_entry_is_answered_as_a_single_send_is(found):
    def answers(*, is_batch):
        queue = Simulation().create_queue("orders")
        attributes = {"k": {"DataType": "String", "StringValue": "x"}}
        system = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}}
        given = [
            {"message_body": body, "message_attributes": attributes, "message_system_attributes": system}
            for body in found
        ]
        if is_batch:
            sent = queue.send_message_batch([{"id": f"{place}", **each} for place, each in enumerate(given)]).successful
        else:
            sent = [queue.send_message(**each) for each in given]
        return [
            (
                each.message_id,
                each.md5_of_message_body,
                each.md5_of_message_attributes,
                each.md5_of_message_system_attributes,
                each.sequence_number,
            )
            for each in sent
        ]

    single = answers(is_batch=False)
    assert single == answers(is_batch=True)
    assert [md5(body.encode()).hexdigest() for body in found] == [each[1] for each in single]
    assert {"a45daa70926828a2f0a1db3418e6feb4"} == {each[2] for each in single}


@pytest.mark.rule("SQS-168", "SQS-185")
def test_each_entry_may_have_a_delay_of_its_own(sim):
    queue = sim.create_queue("orders", delay_seconds=5)
    queue.send_message_batch([entry(1), entry(2, delay_seconds=0), entry(3, delay_seconds=7)])
    found = []
    for at_us in (0, seconds(5) - 1, seconds(5), seconds(7) - 1, seconds(7)):
        sim.run(until_us=at_us)
        found.append(queue.snapshot().visible)
    assert [1, 1, 2, 2, 3] == found


# What is wrong with an entry on a standard queue: code and message of its failure.
WRONG = {
    "size": (
        {"message_body": "x" * 1_025},
        "InvalidParameterValue",
        "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes.",
    ),
    "characters": ({"message_body": "\x00"}, "InvalidMessageContents", CHARACTERS_ERROR),
    "body": ({"message_body": ""}, "MissingParameter", "The request must contain the parameter MessageBody."),
    "delay": (
        {"message_body": "a", "delay_seconds": 901},
        "InvalidParameterValue",
        "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
    ),
    "attribute": (
        {"message_body": "a", "message_attributes": {"k": {"DataType": "String", "StringValue": ""}}},
        "InvalidParameterValue",
        "Message (user) attribute 'k' must contain a non-empty value of type 'String'.",
    ),
    "system attribute": (
        {"message_body": "a", "message_system_attributes": {"k": {"DataType": "String", "StringValue": "x"}}},
        "InvalidParameterValue",
        "Message system attribute name 'k' is invalid.",
    ),
    "group": (
        {"message_body": "a", "message_group_id": ""},
        "InvalidParameterValue",
        (
            "Value  for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and "
            "punctuation characters. 1 to 128 in length."
        ),
    ),
    "deduplication": (
        {"message_body": "a", "message_deduplication_id": "d"},
        "InvalidParameterValue",
        OTHER_TYPE.format("d", "MessageDeduplicationId"),
    ),
}


@pytest.mark.rule("SQS-180", "SQS-184", "SQS-185")
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_entry_fails_by_itself_and_the_others_are_sent(sim, wrong):
    members, code, message = WRONG[wrong]
    queue = sim.create_queue("orders", maximum_message_size=1_024)
    answer = queue.send_message_batch([entry(1, "one"), {"id": "2", **members}, entry(3, "three")])
    assert ["1", "3"] == ids(answer.successful)
    assert [("2", code, message)] == failures(answer)
    assert ["one", "three"] == bodies(queue.receive_message(max_number_of_messages=10))


@pytest.mark.rule("SQS-180", "SQS-184")
def test_failures_are_listed_in_the_order_of_the_entries(sim):
    queue = sim.create_queue("orders", maximum_message_size=1_024)
    answer = queue.send_message_batch([{"id": name, **WRONG[name][0]} for name in ("size", "delay", "body", "group")])
    assert ["size", "delay", "body", "group"] == ids(answer.failed)
    assert () == answer.successful
    assert 0 == queue.snapshot().sent


# ---- sends to FIFO queues


@pytest.fixture
def fifo(sim):
    return sim.create_queue("orders.fifo", maximum_message_size=1_024)


@pytest.mark.rule("SQS-186")
@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"message_deduplication_id": "d"}, "The request must contain the parameter MessageGroupId."),
        ({"message_group_id": "g"}, NEEDS_DEDUPLICATION),
        ({}, "The request must contain the parameter MessageGroupId."),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("is_atomic", [True, False])
def test_a_missing_id_in_any_entry_fails_the_whole_request(place, is_atomic, members, message):
    sim = Simulation(settings=[SqsConfig(fifo_batch_atomic=is_atomic)])
    fifo = sim.create_queue("orders.fifo")
    entries = [fifo_entry(number) for number in range(3)]
    entries[place] = entry(place, **members)
    before = fifo.snapshot(), sim.trace.to_json_lines()
    with pytest.raises(InvalidParameterValueException) as caught:
        fifo.send_message_batch(entries)
    assert message == caught.value.message
    assert "InvalidParameterValue" == caught.value.code
    assert before == (fifo.snapshot(), sim.trace.to_json_lines())


@pytest.mark.rule("SQS-186", "SQS-343")
def test_content_based_deduplication_makes_up_for_missing_ids(sim):
    queue = sim.create_queue("orders.fifo", content_based_deduplication=True)
    answer = queue.send_message_batch([entry(number, f"m{number}", message_group_id="g") for number in range(3)])
    assert ["0", "1", "2"] == ids(answer.successful)


FIFO_WRONG = {name: case for name, case in WRONG.items() if name not in {"deduplication", "group"}} | {
    "delay on FIFO": (
        {"message_body": "a", "delay_seconds": 1},
        "InvalidParameterValue",
        OTHER_TYPE.format(1, "DelaySeconds"),
    ),
}


@pytest.mark.rule("SQS-186")
@pytest.mark.parametrize("wrong", FIFO_WRONG)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_any_wrong_entry_fails_a_whole_batch_to_a_fifo_queue(sim, fifo, wrong, place):
    members, code, message = FIFO_WRONG[wrong]
    entries = [fifo_entry(number) for number in range(3)]
    entries[place] = {**entries[place], **members}
    before = fifo.snapshot(), sim.trace.to_json_lines()
    with pytest.raises(SqsError) as caught:
        fifo.send_message_batch(entries)
    assert code == caught.value.code
    if wrong == "size":
        assert caught.value.message.endswith("Reason: Message must be shorter than 1024 bytes.")
    else:
        assert message == caught.value.message
    assert before == (fifo.snapshot(), sim.trace.to_json_lines())
    del entries[place]
    assert 2 == len(fifo.send_message_batch(entries).successful)
    assert 2 == fifo.snapshot().visible


@pytest.mark.rule("SQS-184", "SQS-186", "SQS-187")
@pytest.mark.parametrize("wrong", FIFO_WRONG)
def test_entries_fail_by_themselves_where_the_configuration_says_so(wrong):
    members, code, message = FIFO_WRONG[wrong]
    sim = Simulation(settings=[SqsConfig(fifo_batch_atomic=False)])
    queue = sim.create_queue("orders.fifo", maximum_message_size=1_024)
    entries = [fifo_entry(number, f"m{number}") for number in range(3)]
    entries[1] = {**entries[1], **members}
    answer = queue.send_message_batch(entries)
    assert ["0", "2"] == ids(answer.successful)
    assert [("1", code, message)] == failures(answer)
    assert ["m0", "m2"] == bodies(queue.receive_message(max_number_of_messages=10))
    retry = queue.send_message("m1", message_group_id="g", message_deduplication_id="d1")
    assert 3 == queue.snapshot().sent
    assert int(retry.sequence_number) > int(answer.successful[1].sequence_number)


@pytest.mark.rule("SQS-187", "SQS-333")
def test_entries_have_increasing_sequence_numbers_in_their_order(fifo):
    answer = fifo.send_message_batch([fifo_entry(number, group=f"g{number % 3}") for number in (5, 3, 9, 1)])
    numbers = [int(sent.sequence_number) for sent in answer.successful]
    assert ["5", "3", "9", "1"] == ids(answer.successful)
    assert sorted(numbers) == numbers
    assert 4 == len({*numbers})
    assert {20} == {len(sent.sequence_number) for sent in answer.successful}


@pytest.mark.rule("SQS-187", "SQS-344")
@pytest.mark.parametrize(
    ("scope", "groups", "kept"),
    [
        ("queue", "gg", ["first"]),
        ("queue", "gh", ["first"]),
        ("messageGroup", "gg", ["first"]),
        ("messageGroup", "gh", ["first", "second"]),
    ],
)
def test_duplicates_in_a_batch_are_those_of_the_first_one_and_successful(sim, scope, groups, kept):
    queue = sim.create_queue("orders.fifo", deduplication_scope=scope)
    first, second = queue.send_message_batch(
        [fifo_entry(1, "first", group=groups[0], token="d"), fifo_entry(2, "second", group=groups[1], token="d")]
    ).successful
    is_duplicate = kept == ["first"]
    assert is_duplicate == (first.message_id == second.message_id)
    assert is_duplicate == (first.sequence_number == second.sequence_number)
    assert md5(b"second").hexdigest() == second.md5_of_message_body
    assert kept == bodies(queue.receive_message(max_number_of_messages=10))
    assert len(kept) == queue.snapshot().sent


# ---- deletes


@pytest.mark.rule("SQS-180", "SQS-188")
def test_a_batch_of_deletes_deletes_each_as_a_single_delete_would(sim, queue):
    other = sim.create_queue("other")
    foreign = fill(other, 1)[0].receipt_handle
    gone, first, second = (delivery.receipt_handle for delivery in fill(queue, 3))
    queue.delete_message(gone)
    answer = queue.delete_message_batch(
        [
            {"id": "nonsense", "receipt_handle": "nonsense"},
            {"id": "first", "receipt_handle": first},
            {"id": "foreign", "receipt_handle": foreign},
            {"id": "gone", "receipt_handle": gone},
            {"id": "second", "receipt_handle": second},
            {"id": "again", "receipt_handle": second},
        ]
    )
    assert ["first", "gone", "second", "again"] == ids(answer.successful)
    assert [
        ("nonsense", "ReceiptHandleIsInvalid", NO_HANDLE.format("nonsense")),
        ("foreign", "ReceiptHandleIsInvalid", f'The receipt handle "{foreign}" is not valid for this queue.'),
    ] == failures(answer)
    assert (0, 3) == (queue.snapshot().total, queue.snapshot().deleted)
    assert 1 == other.snapshot().in_flight


@pytest.mark.rule("SQS-188", "SQS-274")
def test_an_old_handle_in_a_batch_of_deletes_succeeds_and_deletes_nothing(sim, queue):
    queue.send_message("a")
    (old,) = queue.receive_message(visibility_timeout=1)
    sim.run(until=1)
    queue.receive_message()
    answer = queue.delete_message_batch([{"id": "old", "receipt_handle": old.receipt_handle}])
    assert (["old"], ()) == (ids(answer.successful), answer.failed)
    assert 1 == queue.snapshot().in_flight


@pytest.mark.rule("SQS-188", "SQS-275")
@pytest.mark.parametrize("off_us", [-1, 0, 1])
def test_an_expired_handle_of_a_fifo_queue_fails_with_a_code_of_its_own_in_a_batch(sim, fifo, off_us):
    for group in "gh":
        fifo.send_message("a", message_group_id=group, message_deduplication_id=group)
    first, second = fifo.receive_message(max_number_of_messages=2, visibility_timeout=10)
    fifo.change_message_visibility(second.receipt_handle, 20)
    sim.run(until_us=seconds(10) + off_us)
    answer = fifo.delete_message_batch(
        [{"id": "1", "receipt_handle": first.receipt_handle}, {"id": "2", "receipt_handle": second.receipt_handle}]
    )
    if off_us < 0:
        assert (["1", "2"], ()) == (ids(answer.successful), answer.failed)
    else:
        assert ["2"] == ids(answer.successful)
        assert [("1", "ReceiptHandleIsInvalid", "The receipt handle has expired")] == failures(answer)
        with pytest.raises(InvalidParameterValueException) as caught:
            fifo.delete_message(first.receipt_handle)
        assert EXPIRED.format(first.receipt_handle) == caught.value.message
    assert (off_us >= 0) == fifo.snapshot().total


@pytest.mark.rule("SQS-188", "SQS-325")
def test_a_group_that_a_batch_of_deletes_unblocks_wakes_a_poll_with_all_that_came_free(sim, fifo):
    for number in range(4):
        fifo.send_message(f"m{number}", message_group_id="g", message_deduplication_id=f"{number}")
    held = fifo.receive_message(max_number_of_messages=2)
    sim.call_at(
        3,
        fifo.delete_message_batch,
        [{"id": f"{place}", "receipt_handle": delivery.receipt_handle} for place, delivery in enumerate(held)],
    )
    assert ["m2", "m3"] == bodies(fifo.receive_message(max_number_of_messages=10, wait_time_seconds=20))
    assert 3.0 == sim.now


# ---- changes of visibility


@pytest.mark.rule("SQS-180", "SQS-188", "SQS-189")
def test_a_batch_of_changes_changes_each_as_a_single_change_would(sim, queue):
    gone, first, second = (delivery.receipt_handle for delivery in fill(queue, 3))
    queue.delete_message(gone)
    answer = queue.change_message_visibility_batch(
        [
            {"id": "high", "receipt_handle": second, "visibility_timeout": 43_201},
            {"id": "first", "receipt_handle": first, "visibility_timeout": 0},
            {"id": "gone", "receipt_handle": gone, "visibility_timeout": 1},
            {"id": "low", "receipt_handle": second, "visibility_timeout": -1},
            {"id": "second", "receipt_handle": second, "visibility_timeout": 100},
            {"id": "nonsense", "receipt_handle": "nonsense", "visibility_timeout": 1},
        ]
    )
    assert ["first", "second"] == ids(answer.successful)
    out_of_range = "VisibilityTimeout must be an integer between 0 and 43200."
    assert [
        ("high", "InvalidParameterValue", out_of_range),
        ("gone", "InvalidParameterValue", NOT_THERE.format(gone)),
        ("low", "InvalidParameterValue", out_of_range),
        ("nonsense", "ReceiptHandleIsInvalid", NO_HANDLE.format("nonsense")),
    ] == failures(answer)
    assert (1, 1) == (queue.snapshot().visible, queue.snapshot().in_flight)
    sim.run(until_us=seconds(100) - 1)
    assert 1 == queue.snapshot().in_flight
    sim.run(until=100)
    assert 0 == queue.snapshot().in_flight


@pytest.mark.rule("SQS-189", "SQS-244")
def test_the_ceiling_of_twelve_hours_holds_for_each_entry(sim, queue):
    first, second = (delivery.receipt_handle for delivery in fill(queue, 2))
    sim.run(until=20)
    answer = queue.change_message_visibility_batch(
        [
            {"id": "1", "receipt_handle": first, "visibility_timeout": 43_180},
            {"id": "2", "receipt_handle": second, "visibility_timeout": 43_181},
        ]
    )
    assert ["1"] == ids(answer.successful)
    assert [
        (
            "2",
            "InvalidParameterValue",
            CEILING.format(43_181),
        )
    ] == failures(answer)
    sim.run(until=30)
    assert (1, 1) == (queue.snapshot().visible, queue.snapshot().in_flight)


@pytest.mark.rule("SQS-188")
def test_entries_of_one_message_take_effect_one_after_the_other(sim, queue):
    (handle,) = (delivery.receipt_handle for delivery in fill(queue, 1))
    queue.change_message_visibility_batch(
        [
            {"id": "1", "receipt_handle": handle, "visibility_timeout": 100},
            {"id": "2", "receipt_handle": handle, "visibility_timeout": 5},
        ]
    )
    sim.run(until=5)
    assert 1 == queue.snapshot().visible


# ---- billing


@pytest.mark.rule("SQS-604")
def test_a_batch_is_one_request(queue):
    handles = [delivery.receipt_handle for delivery in fill(queue, 10)]
    before = queue.snapshot()
    queue.change_message_visibility_batch(
        [{"id": f"{place}", "receipt_handle": handle, "visibility_timeout": 9} for place, handle in enumerate(handles)]
    )
    queue.delete_message_batch([{"id": f"{place}", "receipt_handle": handle} for place, handle in enumerate(handles)])
    queue.send_message_batch([entry(number) for number in range(10)])
    after = queue.snapshot()
    assert (3, 3) == (after.requests - before.requests, after.billed_requests - before.billed_requests)


@pytest.mark.rule("SQS-604")
@pytest.mark.parametrize(("last", "billed"), [(65_535 - 9, 1), (65_536 - 9, 1), (65_537 - 9, 2), (131_072 - 9, 2)])
def test_the_payload_of_a_batch_is_billed_together(queue, last, billed):
    queue.send_message_batch([*(entry(number, "x") for number in range(9)), entry(9, "x" * last)])
    assert (1, billed) == (queue.snapshot().requests, queue.snapshot().billed_requests)


@pytest.mark.rule("SQS-604")
def test_an_entry_that_failed_has_sent_nothing_but_the_batch_is_a_request(queue):
    queue.delete_message_batch([{"id": "1", "receipt_handle": "nonsense"}])
    queue.send_message_batch([entry(1, "\x00")])
    assert 2 == queue.snapshot().requests
    assert 0 == queue.snapshot().sent
