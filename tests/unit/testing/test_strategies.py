"""What the strategies for users draw is accepted, looks like what AWS sends, and shrinks to the simplest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from hashlib import md5
from pathlib import Path

import attrs
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import lambdasim.testing
from lambdasim import Faults, Simulation
from lambdasim.errors import ResponseLostError, SqsError, UsageError
from lambdasim.testing import (
    arrival_times,
    fault_settings,
    function_configurations,
    mapping_configurations,
    message_attributes,
    message_batches,
    message_bodies,
    messages,
    queue_configurations,
    sqs_events,
)

ROOT = Path(__file__).resolve().parents[3]


@st.composite
def pipelines(draw, fifo=None):
    """A queue, a function and a mapping that go together."""
    queue = draw(queue_configurations(fifo=fifo))
    return queue, draw(function_configurations(queue)), draw(mapping_configurations(queue))


def some(strategy, condition=lambda _: True, examples=1_000):
    """What is drawn first of all that fulfil a condition, as it is drawn."""
    quick = settings(database=None, derandomize=True, max_examples=examples, phases=[Phase.generate])
    return find(strategy, condition, settings=quick)


def simplest(strategy):
    """What a failing test would be shrunk to: Hypothesis tries it before anything else."""
    return some(strategy, examples=1)


# ---- messages


@given(message_bodies(), message_attributes())
def test_every_queue_takes_bodies_and_attributes(body, attributes):
    """Also the queue that takes the smallest messages only."""
    sim = Simulation()
    queue = sim.create_queue("orders", maximum_message_size=1_024)
    sent = queue.send_message(body, message_attributes=attributes)
    (message,) = queue.messages
    assert (body, attributes) == (message.body, message.message_attributes)
    assert md5(body.encode()).hexdigest() == sent.md5_of_message_body


@given(st.data(), st.booleans())
def test_queues_take_messages(data, fifo):
    """Standard and FIFO queues take what is made for them."""
    sim = Simulation()
    queue = sim.create_queue(**data.draw(queue_configurations(fifo=fifo)))
    by_content = queue.content_based_deduplication if fifo else False
    for given_message in data.draw(st.lists(messages(fifo=fifo, content_based_deduplication=by_content), max_size=3)):
        queue.send_message(**given_message)
    assert queue.is_fifo is fifo
    assert len(queue.messages) == queue.sent


@given(st.data(), st.booleans())
def test_queues_take_batches(data, fifo):
    """No entry of a batch fails."""
    queue = Simulation().create_queue("orders.fifo" if fifo else "orders")
    batch = data.draw(message_batches(fifo=fifo, min_size=2))
    answer = queue.send_message_batch(batch)
    assert () == tuple(answer.failed)
    assert [entry["id"] for entry in batch] == [entry.id for entry in answer.successful]


def test_number_of_attributes_and_entries_is_bounded():
    """A strategy keeps to the sizes that it is given."""
    for size in (1, 3):
        assert size == len(some(message_attributes(min_size=size, max_size=size)))
        assert size == len(some(message_batches(min_size=size, max_size=size)))


def test_attributes_have_all_types_and_labels():
    """Texts, numbers and binary values come, with a label of their own and without."""
    strategy = message_attributes(min_size=1, max_size=1)
    types = strategy.map(lambda attributes: next(iter(attributes.values()))["DataType"])
    for data_type in ("String", "Number", "Binary", "Number.int", "Binary.png"):
        assert data_type == some(types, data_type.__eq__)


@given(st.data())
def test_bodies_are_those_of_the_user(data):
    """Messages, batches and events have the bodies that they are told."""
    bodies = st.sampled_from(("x", "y"))
    assert data.draw(messages(bodies=bodies))["message_body"] in {"x", "y"}
    assert {entry["message_body"] for entry in data.draw(message_batches(bodies=bodies))} <= {"x", "y"}
    assert {record["body"] for record in data.draw(sqs_events(bodies=bodies))["Records"]} <= {"x", "y"}


# ---- events


def types_of(value):
    """The shape of a value: names of dictionaries, types of everything else."""
    if isinstance(value, dict):
        return {key: types_of(one) for key, one in value.items()}
    return [types_of(one) for one in value] if isinstance(value, list) else type(value).__name__


def delivered(queue_configuration, window, *sent):
    """The event that a handler gets from a simulation."""
    sim, events = Simulation(), []
    queue = sim.create_queue(**queue_configuration)
    worker = sim.create_function("worker", lambda event, context: events.append(event))
    sim.create_event_source_mapping(queue, worker, maximum_batching_window_in_seconds=window)
    for message in sent:
        queue.send_message(**message)
    sim.run()
    return events[0]


LADEN = {
    "message_attributes": {
        "text": {"DataType": "String", "StringValue": "x"},
        "data": {"DataType": "Binary", "BinaryValue": b"x"},
    },
    "message_system_attributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}},
}
MEMBERS = {"stringListValues": "list", "binaryListValues": "list", "dataType": "str"}


def shape_of(record, attributes, *, has_null_digest=False):
    """What a delivered record looks like, with the attributes of this one, which may be any."""
    shape = types_of(record)
    shape["messageAttributes"] = attributes
    if has_null_digest:
        shape["md5OfMessageAttributes"] = "NoneType"
    return shape


@given(st.data(), st.booleans())
def test_events_look_like_those_that_handlers_get(data, fifo):
    """Fields and their types are those of an event that a mapping of a simulation makes, with attributes or without."""
    queue = {"queue_name": "orders.fifo" if fifo else "orders"}
    group = {"message_group_id": "g", "message_deduplication_id": "d"} if fifo else {}
    event = data.draw(sqs_events(fifo=fifo, max_records=4))
    assert ["Records"] == list(event)
    for record in event["Records"]:
        attributes = record["attributes"]
        with_group = {"message_group_id": "g"} if "MessageGroupId" in attributes else {}
        laden = {
            "message_attributes": LADEN["message_attributes"] if record["messageAttributes"] else None,
            "message_system_attributes": LADEN["message_system_attributes"] if "AWSTraceHeader" in attributes else None,
        }
        window = int(record.get("md5OfMessageAttributes", "") is None)
        (real,) = delivered(queue, window, {"message_body": "x", **group, **with_group, **laden})["Records"]
        for name, value in record["messageAttributes"].items():
            kind = "binaryValue" if value["dataType"].startswith("Binary") else "stringValue"
            assert {kind: "str", "stringListValues": [], "binaryListValues": [], "dataType": "str"} == types_of(value)
            assert name
        expected = types_of({**real, "messageAttributes": None})
        assert expected == types_of({**record, "messageAttributes": None})
        assert list(expected) == list(record)
        assert list(real["attributes"]) == list(record["attributes"])
        same = ("eventSource", "eventSourceARN", "awsRegion")
        assert [real[name] for name in same] == [record[name] for name in same]
        assert real["attributes"]["SenderId"] == record["attributes"]["SenderId"]


def test_a_delivered_event_with_attributes_has_the_members_that_are_checked():
    """The comparison above would notice if the simulation made other members."""
    (record,) = delivered({"queue_name": "orders"}, 0, {"message_body": "x", **LADEN})["Records"]
    lists = {"stringListValues": [], "binaryListValues": []}
    assert {"stringValue": "x", **lists, "dataType": "String"} == record["messageAttributes"]["text"]
    assert {"binaryValue": "eA==", **lists, "dataType": "Binary"} == record["messageAttributes"]["data"]


@given(st.data(), st.booleans())
def test_events_are_consistent(data, fifo):
    """Digests are right, times are in order, counts fit, and an event survives JSON."""
    event = data.draw(sqs_events(fifo=fifo, duplicates=not fifo, min_records=2, max_records=6))
    assert 2 <= len(event["Records"]) <= 6
    assert event == json.loads(json.dumps(event))
    handles = [record["receiptHandle"] for record in event["Records"]]
    assert len(handles) == len(set(handles))
    first_us = {}
    for record in event["Records"]:
        attributes = record["attributes"]
        assert md5(record["body"].encode()).hexdigest() == record["md5OfBody"]
        digest = record.get("md5OfMessageAttributes")
        assert bool(digest) is bool(record["messageAttributes"])
        assert digest is None or len(digest) == 32
        assert int(attributes["SentTimestamp"]) <= int(attributes["ApproximateFirstReceiveTimestamp"])
        assert 1 <= int(attributes["ApproximateReceiveCount"])
        same = first_us.setdefault(record["messageId"], attributes["ApproximateFirstReceiveTimestamp"])
        assert same == attributes["ApproximateFirstReceiveTimestamp"]
    received = max(int(record["attributes"]["ApproximateFirstReceiveTimestamp"]) for record in event["Records"])
    for record in event["Records"]:
        if record["attributes"]["ApproximateReceiveCount"] == "1":
            assert received == int(record["attributes"]["ApproximateFirstReceiveTimestamp"])


@given(sqs_events(fifo=True, min_records=2))
def test_groups_of_fifo_events_are_in_order(event):
    """Within a group sequence numbers rise and counts do not; each group stands together; no id comes twice."""
    groups = {}
    for record in event["Records"]:
        groups.setdefault(record["attributes"]["MessageGroupId"], []).append(record["attributes"])
    assert [record["attributes"] for record in event["Records"]] == [one for group in groups.values() for one in group]
    for group in groups.values():
        numbers = [int(one["SequenceNumber"]) for one in group]
        assert sorted(set(numbers)) == numbers
        counts = [int(one["ApproximateReceiveCount"]) for one in group]
        assert sorted(counts, reverse=True) == counts
        times = [int(one["ApproximateFirstReceiveTimestamp"]) for one in group]
        assert sorted(times) == times
    ids = [record["attributes"]["MessageDeduplicationId"] for record in event["Records"]]
    assert len(ids) == len(set(ids))


def test_a_message_is_in_an_event_twice_only_where_that_is_wanted():
    """A duplicate has the id of the first, another handle and a higher count."""

    def has_duplicate(event):
        return len({record["messageId"] for record in event["Records"]}) < len(event["Records"])

    first, second = some(sqs_events(duplicates=True, max_records=2), has_duplicate)["Records"]
    assert first["messageId"] == second["messageId"]
    assert first["receiptHandle"] != second["receiptHandle"]
    counts = [int(record["attributes"]["ApproximateReceiveCount"]) for record in (first, second)]
    assert counts[0] + 1 == counts[1]
    assert first["md5OfBody"] == second["md5OfBody"]


@given(sqs_events(max_records=5))
def test_messages_differ_where_there_are_no_duplicates(event):
    """Without duplicates every record is another message."""
    assert len({record["messageId"] for record in event["Records"]}) == len(event["Records"])


@pytest.mark.parametrize(
    "arguments", [{"duplicates": True, "fifo": True}, {"min_records": 0}, {"min_records": 3, "max_records": 2}]
)
def test_events_that_cannot_be_are_refused(arguments):
    """AWS sends no empty event, and no FIFO message twice in one."""
    with pytest.raises(UsageError, match=next(iter(arguments))):
        sqs_events(**arguments)


# ---- queues, functions, mappings


@given(st.data(), st.sampled_from((None, False, True)))
def test_configurations_are_accepted_together_and_run(data, fifo):
    """Queue, function and mapping go together, and take a message to its end."""
    queue_configuration, function_configuration, mapping_configuration = data.draw(pipelines(fifo))
    sim = Simulation()
    queue = sim.create_queue(**queue_configuration)
    assert fifo is None or queue.is_fifo is fifo
    worker = sim.create_function("worker", lambda event, context: None, **function_configuration)
    sim.create_event_source_mapping(queue, worker, **mapping_configuration)
    queue.send_message(**data.draw(messages(fifo=queue.is_fifo)))
    sim.run()
    assert 1 == queue.deleted + queue.expired
    assert queue.visibility_timeout >= worker.timeout


@pytest.mark.parametrize("timeout", [1, 30, 31, 900])
def test_no_visibility_timeout_is_below_the_timeout_of_the_function(timeout):
    """A mapping would be refused otherwise."""
    shortest = some(
        queue_configurations(function_timeout=timeout), lambda found: found.get("visibility_timeout", 30) >= timeout
    )
    queue = Simulation().create_queue(**shortest)
    assert queue.visibility_timeout >= timeout


@given(queue_configurations(function_timeout=60))
def test_visibility_timeouts_leave_time_for_the_function(configuration):
    """Sixty seconds at least, for a function that may take so long."""
    assert 60 <= configuration["visibility_timeout"]


@given(queue_configurations(fifo=True, queue_name="jobs.fifo"))
def test_fifo_queues_keep_a_name_that_has_its_suffix(configuration):
    """The suffix is added once."""
    assert "jobs.fifo" == configuration["queue_name"]


# ---- arrivals and faults


@given(arrival_times(boundaries=(30,), min_size=2, max_size=5))
def test_arrivals_never_decrease(times):
    """They are whole microseconds, and the clock takes them."""
    assert 2 <= len(times) <= 5
    assert sorted(times) == times
    sim, seen = Simulation(), []
    for at in times:
        sim.call_at(at, lambda: seen.append(sim.now))
    sim.run()
    assert times == seen


@pytest.mark.parametrize("wanted", [29.999999, 30.0, 30.000001])
def test_arrivals_lie_at_boundaries_and_right_beside_them(wanted):
    """From the start, and from the arrival before."""
    assert [wanted] == some(arrival_times(boundaries=(30,), max_size=1), [wanted].__eq__)
    gaps = arrival_times(boundaries=(30,), min_size=2, max_size=2).map(lambda times: round(times[1] - times[0], 6))
    assert wanted == some(gaps, wanted.__eq__)


@given(fault_settings(), st.integers(0, 9))
def test_simulations_take_faults_and_come_to_an_end(faults, seed):
    """Whatever goes wrong, a run goes on and ends."""
    sim = Simulation(faults=faults, seed=seed)
    queue = sim.create_queue("orders")
    sim.run_for(60)
    sim.create_event_source_mapping(queue, sim.create_function("worker", lambda event, context: None))
    for _ in range(3):
        with suppress(SqsError, ResponseLostError):
            queue.send_message("x")
    sim.run()
    assert 3 >= queue.sent >= queue.deleted


def test_every_fault_can_be_drawn():
    """A new field of `Faults` is drawn too; those that only say how a fault looks are not faults by themselves."""
    looks = {"duplicate_delay_s", "slow_init_s", "stall_s", "crash_at", "short_poll_sample"}
    for field in attrs.fields(Faults):
        if field.name in looks:
            with pytest.raises(UsageError, match=field.name):
                fault_settings([field.name])
        else:
            drawn = some(fault_settings([field.name]), lambda faults: faults != Faults())
            assert getattr(drawn, field.name) != field.default


@given(fault_settings(("crash", "duplicate_probability"), at_most=1, highest=0.2))
def test_faults_are_those_that_are_named(faults):
    """No other is on, no more than so many, none more probable."""
    assert faults in {
        Faults(),
        Faults(crash=0.2),
        Faults(crash=0.02),
        Faults(duplicate_probability=0.2),
        Faults(duplicate_probability=0.02),
    }


# ---- the simplest


def test_everything_shrinks_to_the_simplest():
    """What a failing test shows has nothing in it that is not needed."""
    assert "0" == simplest(message_bodies())
    assert {} == simplest(message_attributes())
    assert {"message_body": "0"} == simplest(messages())
    assert {"message_body": "0", "message_group_id": "a", "message_deduplication_id": "a"} == simplest(
        messages(fifo=True)
    )
    (record,) = simplest(sqs_events())["Records"]
    assert ("0", "1", {}) == (
        record["body"],
        record["attributes"]["ApproximateReceiveCount"],
        record["messageAttributes"],
    )
    assert {"queue_name": "orders"} == simplest(queue_configurations())
    assert {"timeout": 3} == simplest(function_configurations())
    assert {} == simplest(mapping_configurations())
    assert [0.0] == simplest(arrival_times())
    assert Faults() == simplest(fault_settings())


@pytest.mark.slow
def test_lists_of_unique_things_shrink_to_the_simplest():
    """Batches and events of FIFO queues, which Hypothesis has to shrink."""
    whole = settings(database=None, derandomize=True, max_examples=50)
    assert [{"id": "a", "message_body": "0"}] == find(message_batches(), lambda _: True, settings=whole)
    (record,) = find(sqs_events(fifo=True), lambda _: True, settings=whole)["Records"]
    assert ("0", {}) == (record["body"], record["messageAttributes"])


# ---- the package


def test_names_are_there_and_others_are_not():
    """Every public name can be had, and `dir` shows it."""
    assert sorted(lambdasim.testing.__all__) == lambdasim.testing.__all__ == dir(lambdasim.testing)
    for name in lambdasim.testing.__all__:
        assert getattr(lambdasim.testing, name) is not None
    with pytest.raises(AttributeError, match="surprise"):
        lambdasim.testing.surprise  # noqa: B018


def test_only_strategies_need_hypothesis():
    """Without it laws work, and strategies say what to install."""
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import lambdasim.testing\n"
        "from lambdasim import Simulation\n"
        "from lambdasim.errors import UsageError\n"
        "lambdasim.testing.check_laws(Simulation(trace=None))\n"
        "try:\n"
        "    lambdasim.testing.sqs_events\n"
        "except UsageError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "lambdasim[testing]" in run.stdout
