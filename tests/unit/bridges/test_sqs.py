"""Calls that real clients hardly make, and how queues are looked up."""

from __future__ import annotations

import json

import pytest

from lambdasim import Simulation, SqsConfig, SqsFaults
from lambdasim.bridges.records import Call, Protocol
from lambdasim.bridges.sqs import SqsService, UnknownOperationException
from lambdasim.errors import AwsError, ParamValidationError, ResponseLostError, UsageError
from lambdasim.errors.sqs import (
    InvalidAddress,
    MissingRequiredParameterException,
    QueueDoesNotExist,
)
from lambdasim.sqs import Endpoint
from tests.shapes import prepared

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/orders"
REQUEST = prepared("POST", "https://sqs.us-east-1.amazonaws.com/")


@pytest.fixture
def service(sim):
    return SqsService(sim)


def ask(service, operation, region="us-east-1", request=REQUEST, **parameters):
    host = "sqs.us-east-1.amazonaws.com"
    return service.answer(Call("sqs", operation, parameters, Protocol.JSON, region, "x", host, request))


# ---- what is not modelled


def test_unknown_operation_is_an_error_of_aws(service):
    with pytest.raises(
        AwsError, match=r"The action FooBar is not valid for this endpoint: it is not modelled\."
    ) as raised:
        ask(service, "FooBar")
    error = raised.value
    assert isinstance(error, UnknownOperationException)
    assert ("InvalidAction", "UnknownOperationException", 400, True) == (
        error.code,
        error.shape,
        error.http_status,
        error.sender_fault,
    )


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("SendMessage", {"QueueUrl": URL, "MessageBody": "a"}),
        ("PurgeQueue", {"QueueUrl": URL}),
        ("ListQueues", {}),
        ("CreateQueue", {"QueueName": "more"}),
    ],
)
def test_unknown_parameter_is_named_and_nothing_happens(sim, queue, service, operation, parameters):
    with pytest.raises(UsageError, match=rf"{operation} has no parameter Fancy, New in this version; leave it out"):
        ask(service, operation, **parameters, Fancy=1, New=2)
    assert (0, 1) == (queue.snapshot().requests, len(sim.queues))


@pytest.mark.parametrize("operation", ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"])
def test_unknown_member_of_an_entry_is_named(queue, service, operation):
    with pytest.raises(UsageError, match=rf"an entry of {operation} has no member Fancy in this version"):
        ask(service, operation, QueueUrl=URL, Entries=[{"Id": "a", "Fancy": 1}])


@pytest.mark.parametrize("entries", [1, "ab", [1], ["a"], {"Id": "a"}])
def test_entries_that_are_no_list_of_objects(queue, service, entries):
    with pytest.raises(ParamValidationError):
        ask(service, "SendMessageBatch", QueueUrl=URL, Entries=entries)


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("ReceiveMessage", {"QueueUrl": 7}),
        ("ReceiveMessage", {"QueueUrl": [URL]}),
        ("ReceiveMessage", {"QueueUrl": URL, "MaxNumberOfMessages": "1"}),
        ("SendMessage", {"QueueUrl": URL, "MessageBody": 1}),
        ("GetQueueUrl", {"QueueName": 1}),
        ("ListQueues", {"MaxResults": "1"}),
        ("TagQueue", {"QueueUrl": URL, "Tags": ["a"]}),
    ],
)
def test_types_that_no_client_would_send(queue, service, operation, parameters):
    with pytest.raises(ParamValidationError):
        ask(service, operation, **parameters)


def test_call_without_a_queue(service):
    with pytest.raises(MissingRequiredParameterException, match="QueueUrl"):
        ask(service, "PurgeQueue")


@pytest.mark.rule("SQS-170", "SQS-216")
@pytest.mark.parametrize("knob", ["lost_send_ack_probability", "lost_receive_response_probability"])
def test_lost_answers_are_no_answers_of_sqs(knob):
    """Whoever carries the requests shows them as time-outs."""
    sim = Simulation(faults=SqsFaults(**{knob: 1.0}))
    queue, service = sim.create_queue("orders"), SqsService(sim)
    with pytest.raises(ResponseLostError):
        ask(service, "SendMessage", QueueUrl=URL, MessageBody="a") and ask(service, "ReceiveMessage", QueueUrl=URL)
    assert 1 == queue.sent


# ---- whose queue


def test_region_of_the_simulation_where_the_call_says_none():
    sim = Simulation(region="eu-west-1")
    service = SqsService(sim)
    assert {"QueueUrl": sim.create_queue("orders").url} == ask(service, "GetQueueUrl", region=None, QueueName="orders")
    with pytest.raises(QueueDoesNotExist):
        ask(service, "GetQueueUrl", QueueName="orders")


def test_same_name_in_two_regions(sim, service):
    """What was found for callers of one Region is not what those of another one mean."""
    here, there = sim.create_queue("orders"), sim.create_queue("orders", region="eu-west-1")
    for _ in range(2):
        ask(service, "SendMessage", QueueUrl="orders", MessageBody="here")
        ask(service, "SendMessage", region="eu-west-1", QueueUrl="orders", MessageBody="there")
        with pytest.raises(InvalidAddress):
            ask(service, "SendMessage", region="eu-west-1", QueueUrl=URL, MessageBody="a")
    assert (["here"] * 2, ["there"] * 2) == tuple([m.body for m in queue.messages] for queue in (here, there))


def test_queue_is_looked_up_once(sim, queue, service, monkeypatch):
    """However often it is called, until it is deleted; then the next one of this name is found."""
    looked = []
    find = Endpoint.queue

    def look(endpoint, ref):
        looked.append(ref)
        return find(endpoint, ref)

    monkeypatch.setattr(Endpoint, "queue", look)
    for _ in range(3):
        ask(service, "SendMessage", QueueUrl=URL, MessageBody="a")
    assert [URL] == looked
    queue.delete_queue()
    for _ in range(2):
        with pytest.raises(QueueDoesNotExist):
            ask(service, "SendMessage", QueueUrl=URL, MessageBody="a")
    sim.run_for(60)
    again = sim.create_queue("orders")
    ask(service, "SendMessage", QueueUrl=URL, MessageBody="b")
    assert (4, ["b"]) == (len(looked), [message.body for message in again.messages])


def test_arn_is_no_url(queue, service):
    with pytest.raises(QueueDoesNotExist):
        ask(service, "PurgeQueue", QueueUrl=queue.arn)


# ---- results


def test_results_are_new_each_time(queue, service):
    """Whoever changes an answer changes nothing else."""
    ask(service, "TagQueue", QueueUrl=URL, Tags={"k": "v"})
    ask(service, "ListQueueTags", QueueUrl=URL)["Tags"]["k"] = "changed"
    assert {"Tags": {"k": "v"}} == ask(service, "ListQueueTags", QueueUrl=URL)
    attributes = {"k": {"DataType": "String", "StringValue": "x"}}
    ask(service, "SendMessage", QueueUrl=URL, MessageBody="a", MessageAttributes=attributes)
    for _ in range(2):
        result = ask(service, "ReceiveMessage", QueueUrl=URL, VisibilityTimeout=0, MessageAttributeNames=["All"])
        assert attributes == result["Messages"][0]["MessageAttributes"]
        result["Messages"][0]["MessageAttributes"].clear()


def test_parameters_stay_as_they_are(queue, service):
    trace = prepared("POST", "https://sqs.us-east-1.amazonaws.com/", {"X-Amzn-Trace-Id": b"Root=1"})
    entries = [{"Id": "a", "MessageBody": "a"}]
    before = json.dumps(entries)
    ask(service, "SendMessageBatch", request=trace, QueueUrl=URL, Entries=entries)
    assert before == json.dumps(entries)
    assert "Root=1" == queue.messages[0].aws_trace_header


def test_refused_batch_of_a_traced_client(sim, service):
    """Ids are looked at by SQS alone."""
    sim.create_queue("orders")
    trace = prepared("POST", "https://sqs.us-east-1.amazonaws.com/", {"X-Amzn-Trace-Id": "Root=1"})
    with pytest.raises(AwsError, match="A batch entry id can only contain"):
        ask(service, "SendMessageBatch", request=trace, QueueUrl=URL, Entries=[{"MessageBody": "a"}])


def test_settings_of_the_simulation_hold_in_every_region():
    sim = Simulation(settings=[SqsConfig(max_payload_bytes=2_048)])
    made = ask(SqsService(sim), "CreateQueue", region="eu-west-1", QueueName="orders")
    assert 2_048 == sim.queues[0].maximum_message_size
    assert {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"} == made
