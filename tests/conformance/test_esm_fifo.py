"""Mappings on FIFO queues: events, blocked groups, and the order that a partial answer breaks (ESM §11)."""

from __future__ import annotations

import base64

import pytest

from lambdasim import Simulation
from lambdasim.errors.lambda_ import InvalidParameterValueException
from lambdasim.units import seconds


def peak(sim: Simulation, name: str) -> float:
    """Return how many invocations ran at once at most."""
    series = sim.metrics.series("AWS/Lambda", "ConcurrentExecutions", "Maximum", FunctionName=name)
    return max(value for _, value in series)


@pytest.mark.rule("ESM-065", "ESM-061")
def test_a_fifo_record_has_group_deduplication_id_and_sequence_number(sim):
    """In `attributes`, as texts, beside those that every record has."""
    events = []
    orders = sim.create_queue("orders.fifo")
    sim.create_event_source_mapping(orders, sim.create_function("worker", lambda event, _: events.append(event)))
    sent = orders.send_message("a", message_group_id="g", message_deduplication_id="d")
    sim.run()
    attributes = events[0]["Records"][0]["attributes"]
    assert (attributes["MessageGroupId"], attributes["MessageDeduplicationId"]) == ("g", "d")
    assert attributes["SequenceNumber"] == sent.sequence_number


@pytest.mark.rule("ESM-061", "ESM-062", "ESM-064")
def test_message_attributes_are_in_the_event_in_their_own_form(sim):
    """Names in lower camel case, bytes as base64, two empty lists, and the digest of them all."""
    events = []
    orders = sim.create_queue("orders")
    sim.create_event_source_mapping(orders, sim.create_function("worker", lambda event, _: events.append(event)))
    given = {
        "k": {"DataType": "String", "StringValue": "x"},
        "raw": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
    }
    sent = orders.send_message("a", message_attributes=given, message_group_id="tenant")
    sim.run()
    (record,) = events[0]["Records"]
    assert record["messageAttributes"] == {
        "k": {"stringValue": "x", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
        "raw": {
            "binaryValue": base64.b64encode(b"\x00\xff").decode(),
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "Binary.png",
        },
    }
    assert record["md5OfMessageAttributes"] == sent.md5_of_message_attributes
    assert record["attributes"]["MessageGroupId"] == "tenant"
    assert "SequenceNumber" not in record["attributes"]


@pytest.mark.rule("ESM-030", "ESM-210")
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"maximum_batching_window_in_seconds": 1}, "Batching window is not supported for FIFO queues"),
        (
            {"maximum_batching_window_in_seconds": 1, "batch_size": 11},
            "Batching window is not supported for FIFO queues",
        ),
        ({"batch_size": 11}, "Batch size must not be greater than 10 for FIFO queues"),
    ],
)
def test_a_fifo_mapping_has_no_window_and_small_batches(sim, given, text):
    """Rows 6 and 7 of the checks come before row 8."""
    orders = sim.create_queue("orders.fifo")
    worker = sim.create_function("worker")
    with pytest.raises(InvalidParameterValueException) as caught:
        sim.create_event_source_mapping(orders, worker, **given)
    assert caught.value.message == text
    assert sim.create_event_source_mapping(orders, worker, batch_size=10).batch_size == 10


@pytest.mark.rule("ESM-210")
def test_a_batch_holds_messages_of_several_groups_in_their_order(sim):
    """As the receive returned them: one group after the other, each in order."""
    batches = []
    orders = sim.create_queue("orders.fifo", content_based_deduplication=True)
    for body in ("a1", "b1", "a2", "b2"):
        orders.send_message(body, message_group_id=body[0])
    worker = sim.create_function("worker", lambda event, _: batches.append([r["body"] for r in event["Records"]]))
    sim.create_event_source_mapping(orders, worker)
    sim.run()
    assert batches == [["a1", "a2", "b1", "b2"]]


@pytest.mark.rule("ESM-211", "ESM-450")
def test_no_more_batches_are_in_flight_than_there_are_groups(sim):
    """6 groups of 10, one record a batch, 1 s each: five slots at 0, a sixth from 0.2 s, done at 10.2 s."""
    orders = sim.create_queue("orders.fifo", content_based_deduplication=True)
    for number in range(10):
        for group in "abcdef":
            orders.send_message(f"{group}{number}", message_group_id=group)
    worker = sim.create_function("worker", duration=1)
    sim.create_event_source_mapping(orders, worker, batch_size=1, maximum_concurrency=10)
    sim.run(until=0)
    assert worker.in_flight == 5
    sim.run(until_us=seconds(0.2) - 1)
    assert worker.in_flight == 5
    for tenth in range(2, 92):  # between two ends there are six
        sim.run(until=tenth / 10)
        assert worker.in_flight == 6
    sim.run(until_us=seconds(10))
    assert [message.body for message in orders.messages] == ["f9"]
    sim.run()
    assert (sim.now, peak(sim, "worker"), orders.snapshot().deleted) == (10.2, 6, 60)


@pytest.mark.rule("ESM-211", "ESM-212", "ESM-451")
def test_one_group_is_one_batch_at_a_time_and_does_not_make_the_mapping_grow(sim):
    """100 messages in one group: ten invocations one after the other, 10 s, in order; locked messages are no demand."""
    seen = []
    orders = sim.create_queue("orders.fifo", content_based_deduplication=True)
    for number in range(100):
        orders.send_message(f"{number}", message_group_id="g")
    worker = sim.create_function(
        "worker", lambda event, _: seen.extend(record["body"] for record in event["Records"]), duration=1
    )
    mapping = sim.create_event_source_mapping(orders, worker)
    sim.run(until=9.9)
    assert mapping.snapshot().target == 5
    sim.run()
    assert (sim.now, peak(sim, "worker"), worker.snapshot().invocations) == (10, 1, 10)
    assert seen == [str(number) for number in range(100)]


@pytest.mark.rule("ESM-213", "ESM-215")
@pytest.mark.parametrize(
    ("named", "deleted", "again"), [(("a2",), ["a1", "a3"], ["a2"]), (("a2", "a3"), ["a1"], ["a2", "a3"])]
)
def test_what_a_handler_does_not_name_is_deleted_even_behind_a_failure(sim, named, deleted, again):
    """Named records come back, in order, when their visibility timeout is over; the group is locked until then."""
    batches, gone = [], []
    orders = sim.create_queue("orders.fifo", content_based_deduplication=True)
    orders.on_deleted(lambda message: gone.append(message.body))

    def handler(event, _context):
        batches.append([record["body"] for record in event["Records"]])
        failed = [r["messageId"] for r in event["Records"] if r["body"] in named] if len(batches) == 1 else []
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    for body in ("a1", "a2", "a3"):
        orders.send_message(body, message_group_id="a")
    worker = sim.create_function("worker", handler, duration=1)
    sim.create_event_source_mapping(orders, worker, function_response_types=("ReportBatchItemFailures",))
    sim.run(until=1)
    assert gone == deleted
    orders.send_message("a4", message_group_id="a")
    sim.run(until_us=seconds(30) - 1)
    assert len(batches) == 1
    sim.run(until=30)
    assert batches[1:] == [[*again, "a4"]]


@pytest.mark.rule("ESM-141", "SQS-188")
def test_a_delete_that_comes_too_late_fails_and_is_not_counted(sim):
    """The function takes as long as the visibility timeout: the handle has expired, and the message is run again."""
    orders = sim.create_queue("orders.fifo", content_based_deduplication=True, visibility_timeout=5)
    orders.send_message("a", message_group_id="g")
    times = iter((5, 1))
    worker = sim.create_function("worker", lambda _event, _context: None, timeout=5, duration=lambda _: next(times))
    mapping = sim.create_event_source_mapping(orders, worker)
    sim.run()
    assert (sim.now, worker.snapshot().invocations) == (6, 2)
    assert (mapping.snapshot().deleted_event_count, orders.snapshot().deleted) == (1, 1)


@pytest.mark.rule("ESM-216")
def test_a_throttled_batch_keeps_its_group_locked_through_all_retries(sim):
    """What comes meanwhile in the same group waits behind the refused batch; another group does not."""
    batches = []
    orders = sim.create_queue("orders.fifo", content_based_deduplication=True, visibility_timeout=100)

    def handler(event, _context):
        batches.append((sim.now_us, [record["body"] for record in event["Records"]]))

    worker = sim.create_function("worker", handler, duration=1, reserved_concurrent_executions=0)
    sim.create_event_source_mapping(orders, worker)
    orders.send_message("a1", message_group_id="a")
    sim.run(until=1)
    orders.send_message("a2", message_group_id="a")
    sim.run(until=4)  # refused at 0, 1 and 3 s; the next attempt is at 7 s
    worker.delete_function_concurrency()
    orders.send_message("b1", message_group_id="b")
    sim.run(until_us=seconds(7) - 1)
    assert batches == [(seconds(4), ["b1"])]
    assert (orders.in_flight, orders.visible, orders.receivable) == (1, 1, 0)
    sim.run()
    assert batches[1:] == [(seconds(7), ["a1"]), (seconds(8), ["a2"])]
