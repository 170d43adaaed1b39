"""SQS §23: the errors, by shape and code."""

from __future__ import annotations

import inspect
import pickle

import pytest

from lambdasim import RedrivePolicy, Simulation, SqsConfig
from lambdasim.errors import AwsError, LambdasimError, SqsError, sqs

PREFIX = "AWS.SimpleQueueService."

# Shape: code, HTTP status; as SQS-620 has them.
SHAPES = {
    "QueueDoesNotExist": (f"{PREFIX}NonExistentQueue", 400),
    "QueueNameExists": ("QueueAlreadyExists", 400),
    "QueueDeletedRecently": (f"{PREFIX}QueueDeletedRecently", 400),
    "PurgeQueueInProgress": (f"{PREFIX}PurgeQueueInProgress", 403),
    "EmptyBatchRequest": (f"{PREFIX}EmptyBatchRequest", 400),
    "TooManyEntriesInBatchRequest": (f"{PREFIX}TooManyEntriesInBatchRequest", 400),
    "BatchEntryIdsNotDistinct": (f"{PREFIX}BatchEntryIdsNotDistinct", 400),
    "InvalidBatchEntryId": (f"{PREFIX}InvalidBatchEntryId", 400),
    "BatchRequestTooLong": (f"{PREFIX}BatchRequestTooLong", 400),
    "MessageNotInflight": (f"{PREFIX}MessageNotInflight", 400),
    "UnsupportedOperation": (f"{PREFIX}UnsupportedOperation", 400),
    "OverLimit": ("OverLimit", 403),
    "ReceiptHandleIsInvalid": ("ReceiptHandleIsInvalid", 400),
    "InvalidMessageContents": ("InvalidMessageContents", 400),
    "InvalidAttributeName": ("InvalidAttributeName", 400),
    "InvalidAttributeValue": ("InvalidAttributeValue", 400),
    "InvalidParameterValueException": ("InvalidParameterValue", 400),
    "MissingRequiredParameterException": ("MissingParameter", 400),
    "ResourceNotFoundException": ("ResourceNotFoundException", 404),
    "RequestThrottled": ("RequestThrottled", 400),
    "InvalidAddress": ("InvalidAddress", 400),
    "InvalidSecurity": ("InvalidSecurity", 400),
    "InvalidIdFormat": ("InvalidIdFormat", 400),
    "KmsDisabled": ("KmsDisabled", 400),
    "KmsInvalidState": ("KmsInvalidState", 400),
    "KmsNotFound": ("KmsNotFound", 400),
    "KmsOptInRequired": ("KmsOptInRequired", 400),
    "KmsThrottled": ("KmsThrottled", 400),
    "KmsAccessDenied": ("KmsAccessDenied", 400),
    "KmsInvalidKeyUsage": ("KmsInvalidKeyUsage", 400),
}


@pytest.mark.rule("SQS-620")
@pytest.mark.parametrize("shape", SHAPES)
def test_each_error_has_the_shape_code_and_status_of_the_table(shape):
    code, http_status = SHAPES[shape]
    kind = getattr(sqs, shape)
    error = kind("what went wrong")
    assert shape == kind.__name__ == kind.shape == error.shape
    assert code == kind.code == error.code
    assert http_status == error.http_status
    assert error.sender_fault is True
    assert "what went wrong" == error.message == str(error)
    assert error.reason is None
    assert isinstance(error, SqsError)
    assert isinstance(error, AwsError)
    assert isinstance(error, LambdasimError)


@pytest.mark.rule("SQS-620")
def test_the_table_has_every_error_that_there_is():
    kinds = {name for name, kind in inspect.getmembers(sqs, inspect.isclass) if issubclass(kind, SqsError)}
    assert set(SHAPES) == kinds - {"SqsError"}
    assert sorted(SHAPES) == sorted(sqs.__all__)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_error_survives_pickling(shape):
    error = getattr(sqs, shape)("text", reason="why")
    copy = pickle.loads(pickle.dumps(error))
    assert type(error) is type(copy)
    assert ("text", "why") == (copy.message, copy.reason)


@pytest.mark.rule("SQS-621")
def test_a_required_parameter_comes_before_the_ranges_of_others(queue):
    with pytest.raises(sqs.MissingRequiredParameterException):
        queue.send_message("", delay_seconds=-1)


REFUSED = {
    "body": lambda queue, handle: queue.send_message(""),
    "characters": lambda queue, handle: queue.send_message("\x00"),
    "size": lambda queue, handle: queue.send_message("x" * 1_025),
    "delay": lambda queue, handle: queue.send_message("a", delay_seconds=901),
    "limit": lambda queue, handle: queue.receive_message(max_number_of_messages=11),
    "wait": lambda queue, handle: queue.receive_message(wait_time_seconds=21),
    "timeout": lambda queue, handle: queue.receive_message(visibility_timeout=43_201),
    "attribute": lambda queue, handle: queue.receive_message(attribute_names=["Nope"]),
    "over the limit": lambda queue, handle: queue.receive_message(max_number_of_messages=10),
    "delete of nonsense": lambda queue, handle: queue.delete_message("nonsense"),
    "change of nonsense": lambda queue, handle: queue.change_message_visibility("nonsense", 1),
    "change out of range": lambda queue, handle: queue.change_message_visibility(handle, -1),
    "change beyond twelve hours": lambda queue, handle: queue.change_message_visibility(handle, 43_200),
}


@pytest.mark.rule("SQS-622")
@pytest.mark.parametrize("call", REFUSED)
def test_a_refused_call_leaves_no_mark(call):
    def run(*, tries):
        sim = Simulation()
        dlq = sim.create_queue("dlq")
        queue = sim.create_queue(
            "orders",
            maximum_message_size=1_024,
            visibility_timeout=10,
            redrive_policy=RedrivePolicy(dlq, 1),
            settings=[SqsConfig(inflight_limit_standard=2)],
        )
        queue.send_message("delayed", delay_seconds=5)
        queue.send_message("a")
        (delivery,) = queue.receive_message()
        queue.send_message("b")
        queue.receive_message()
        queue.send_message("c")
        sim.run(until=1)
        if tries:
            with pytest.raises(SqsError):
                REFUSED[call](queue, delivery.receipt_handle)
        found = [queue.snapshot(), sim.trace.to_json_lines()]
        sim.run(until=60)
        found.append([d.receipt_handle for d in queue.receive_message(max_number_of_messages=10)])
        found.append([d.receipt_handle for d in dlq.receive_message(max_number_of_messages=10)])
        names = ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted", "NumberOfEmptyReceives")
        found += [list(sim.metrics.series("AWS/SQS", name, "Sum", QueueName="orders")) for name in names]
        return found, queue.snapshot(), sim.trace.to_json_lines()

    assert run(tries=True) == run(tries=False)
