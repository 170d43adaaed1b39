"""
The operations of SQS as clients call them: parameters in, results out, both by their names in the service model.

What happens is decided by `Queue` and `Endpoint`; here names are translated, and what is None or empty is left out, as
AWS leaves it out. A call is about a queue, or about all that a caller of its Region sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeAlias

from lambdasim.bridges.records import Call
from lambdasim.clock.words import describe_call
from lambdasim.errors import ParamValidationError, SqsError, UsageError
from lambdasim.errors.sqs import MissingRequiredParameterException, QueueDoesNotExist
from lambdasim.simulation import Simulation
from lambdasim.sqs import Endpoint, Queue
from lambdasim.sqs.checks import check_text
from lambdasim.sqs.resource import NOT_THERE
from lambdasim.sqs.results import (
    BatchResult,
    BatchResultErrorEntry,
    Delivery,
    MessageMoveTaskEntry,
    SendMessageResult,
)

Found: TypeAlias = dict[str, Any]  # the result of a call

_ENTRY: Final = {
    "Id": "id",
    "MessageBody": "message_body",
    "DelaySeconds": "delay_seconds",
    "MessageAttributes": "message_attributes",
    "MessageSystemAttributes": "message_system_attributes",
    "MessageDeduplicationId": "message_deduplication_id",
    "MessageGroupId": "message_group_id",
    "ReceiptHandle": "receipt_handle",
    "VisibilityTimeout": "visibility_timeout",
}
_PLAIN_SEND: Final = 2  # parameters of a send that has nothing but a queue and a body


class UnknownOperationException(SqsError):  # noqa: N818 - it has the name of AWS's shape
    """An operation that SQS does not have, or that is not modelled."""

    code = "InvalidAction"


class SqsService:
    """
    Amazon SQS as its clients see it.

    Callers are of the simulation's account, and of the Region that they sign for.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._endpoints: dict[str | None, Endpoint] = {}
        self._queues: dict[tuple[str | None, str], Queue] = {}  # by the Region of callers and what they call it

    def answer(self, call: Call) -> Found:
        """
        Return the result of a call.

        Raises:
            AwsError: What SQS answers instead.
            ResponseLostError: The answer is lost on the way.
            UsageError: A value that no client would send, or a parameter that is not modelled.
        """
        operation, given = call.operation, call.parameters
        about_queue = _OF_QUEUES.get(operation)
        if about_queue is not None:
            act, members = about_queue
            if not members.issuperset(given):
                raise _unknown(operation, given, members)
            return act(self._queue(call.region, given.get("QueueUrl")), call)
        about_all = _OF_ENDPOINTS.get(operation)
        if about_all is None:
            msg = f"The action {operation} is not valid for this endpoint: it is not modelled."
            raise UnknownOperationException(msg)
        if not about_all.members.issuperset(given):
            raise _unknown(operation, given, about_all.members)
        fiber = self._simulation.clock.fiber
        text = ""
        if fiber is not None:
            text = describe_call(f"sqs.{operation}", (), given) if self._simulation.clock.trace.active else ""
            fiber.point(0, text)
        answer = about_all.act(self._endpoint(call.region), call)
        if fiber is not None and text:
            fiber.note(text)
        return answer

    def _queue(self, region: str | None, url: Any) -> Queue:
        """Return the queue that a caller in a Region means; it was mostly asked for before."""
        if type(url) is not str:
            if url is None:
                msg = "The request must contain the parameter QueueUrl."
                raise MissingRequiredParameterException(msg)
            check_text(url, "QueueUrl")
        queue = self._queues.get((region, url))
        if queue is None or queue._is_deleted:
            if url.startswith("arn:"):
                raise QueueDoesNotExist(NOT_THERE)  # an ARN is no URL (SQS-025)
            queue = self._queues[region, url] = self._endpoint(region).queue(url)
        return queue

    def _endpoint(self, region: str | None) -> Endpoint:
        """Return SQS as it is seen from a Region; None: that of the simulation."""
        endpoint = self._endpoints.get(region)
        if endpoint is None:
            simulation = self._simulation
            endpoint, _ = simulation._endpoint(region or simulation.region, simulation.account_id)
            self._endpoints[region] = endpoint
        return endpoint


# ---- messages


def _send_message(queue: Queue, call: Call) -> Found:
    given = call.parameters
    get = given.get
    trace = _trace_of(call)
    if len(given) == _PLAIN_SEND and trace is None:
        return _sent(queue.send_message(get("MessageBody")), {})  # type: ignore[arg-type]  # None: it says what is missing
    sent = queue.send_message(
        get("MessageBody"),  # type: ignore[arg-type]
        delay_seconds=get("DelaySeconds"),
        message_attributes=get("MessageAttributes"),
        message_system_attributes=get("MessageSystemAttributes") or trace,
        message_deduplication_id=get("MessageDeduplicationId"),
        message_group_id=get("MessageGroupId"),
    )
    return _sent(sent, {}, is_traced=trace is not None and not get("MessageSystemAttributes"))


def _send_message_batch(queue: Queue, call: Call) -> Found:
    entries = _entries(call)
    trace = _trace_of(call)
    if trace is not None:
        for entry in entries:
            entry["message_system_attributes"] = entry.get("message_system_attributes") or trace
    result = queue.send_message_batch(entries)
    traced = [] if trace is None else [entry["id"] for entry in entries if entry["message_system_attributes"] is trace]
    successful = [_sent(entry, {"Id": entry.id}, is_traced=entry.id in traced) for entry in result.successful]
    return _batch(successful, result.failed)


def _receive_message(queue: Queue, call: Call) -> Found:
    get = call.parameters.get
    names, attribute_names = get("AttributeNames"), get("MessageAttributeNames")
    newer_names = get("MessageSystemAttributeNames")
    deliveries = queue.receive_message(
        max_number_of_messages=get("MaxNumberOfMessages", 1),
        visibility_timeout=get("VisibilityTimeout"),
        wait_time_seconds=get("WaitTimeSeconds"),
        attribute_names=names or (),
        message_system_attribute_names=newer_names or (),
        message_attribute_names=attribute_names or (),
        receive_request_attempt_id=get("ReceiveRequestAttemptId"),
    )
    if not deliveries:
        return {}
    show = _laden if names or newer_names or attribute_names else _plain
    return {"Messages": [show(delivery) for delivery in deliveries]}


def _delete_message(queue: Queue, call: Call) -> Found:
    queue.delete_message(call.parameters.get("ReceiptHandle"))  # type: ignore[arg-type]
    return {}


def _delete_message_batch(queue: Queue, call: Call) -> Found:
    return _done(queue.delete_message_batch(_entries(call)))


def _change_message_visibility(queue: Queue, call: Call) -> Found:
    get = call.parameters.get
    queue.change_message_visibility(get("ReceiptHandle"), get("VisibilityTimeout"))  # type: ignore[arg-type]
    return {}


def _change_message_visibility_batch(queue: Queue, call: Call) -> Found:
    return _done(queue.change_message_visibility_batch(_entries(call)))


def _entries(call: Call) -> list[dict[str, Any]]:
    """Return the entries of a batch by the names of the object API."""
    names, given = _ENTRY, call.parameters.get("Entries", ())
    try:
        return [{names[name]: value for name, value in entry.items()} for entry in given]
    except KeyError as error:
        msg = f"an entry of {call.operation} has no member {error.args[0]} in this version; leave it out"
        raise UsageError(msg) from None
    except (AttributeError, TypeError):
        msg = f"Entries={given!r} of {call.operation}: they are a list of objects"
        raise ParamValidationError(msg) from None


def _trace_of(call: Call) -> dict[str, dict[str, str]] | None:
    """Return the system attribute that the tracing of the client adds to a send (SQS-135); None: there is none."""
    header = call.request.headers.get("X-Amzn-Trace-Id")
    if not header:
        return None
    text = header.decode() if isinstance(header, bytes) else header
    return {"AWSTraceHeader": {"DataType": "String", "StringValue": text}}


def _sent(sent: SendMessageResult, found: Found, *, is_traced: bool = False) -> Found:
    """Put what is said of a message beside what is there; there is no digest of a trace that nobody gave (SQS-142)."""
    found["MessageId"] = sent.message_id
    found["MD5OfMessageBody"] = sent.md5_of_message_body
    digest = sent.md5_of_message_attributes
    if digest is not None:
        found["MD5OfMessageAttributes"] = digest
    digest = sent.md5_of_message_system_attributes
    if digest is not None and not is_traced:
        found["MD5OfMessageSystemAttributes"] = digest
    number = sent.sequence_number
    if number is not None:
        found["SequenceNumber"] = number
    return found


def _plain(delivery: Delivery) -> Found:
    return {
        "MessageId": delivery.message_id,
        "ReceiptHandle": delivery.receipt_handle,
        "MD5OfBody": delivery.md5_of_body,
        "Body": delivery.body,
    }


def _laden(delivery: Delivery) -> Found:
    found = _plain(delivery)
    attributes = delivery.attributes
    if attributes:
        found["Attributes"] = attributes
    message_attributes = delivery.message_attributes
    if message_attributes:
        found["MessageAttributes"] = message_attributes
        found["MD5OfMessageAttributes"] = delivery.md5_of_message_attributes
    return found


def _done(result: BatchResult) -> Found:
    return _batch([{"Id": entry_id} for entry_id in result._ids], result.failed)  # without an object for each


def _batch(successful: list[Found], failed: Iterable[BatchResultErrorEntry]) -> Found:
    """Return the result of a batch; a list of nothing is not in it (SQS-180)."""
    found: Found = {}
    if successful:
        found["Successful"] = successful
    if failed:
        found["Failed"] = [
            {"Id": entry.id, "SenderFault": entry.sender_fault, "Code": entry.code, "Message": entry.message}
            for entry in failed
        ]
    return found


# ---- queues


def _create_queue(endpoint: Endpoint, call: Call) -> Found:
    get = call.parameters.get
    # A map of attributes, be it empty, says itself whether it is a FIFO queue (SQS-027).
    queue = endpoint.create_queue(_required(call, "QueueName"), attributes=get("Attributes") or {}, tags=get("tags"))
    return {"QueueUrl": queue.url}


def _delete_queue(queue: Queue, _call: Call) -> Found:
    queue.delete_queue()
    return {}


def _get_queue_url(endpoint: Endpoint, call: Call) -> Found:
    found = endpoint.get_queue_url(_required(call, "QueueName"), call.parameters.get("QueueOwnerAWSAccountId"))
    return {"QueueUrl": found.queue_url}


def _list_queues(endpoint: Endpoint, call: Call) -> Found:
    get = call.parameters.get
    listed = endpoint.list_queues(get("QueueNamePrefix"), get("MaxResults"), get("NextToken"))
    return _present(QueueUrls=list(listed.queue_urls), NextToken=listed.next_token)


def _list_dead_letter_source_queues(queue: Queue, call: Call) -> Found:
    get = call.parameters.get
    listed = queue.list_dead_letter_source_queues(get("MaxResults"), get("NextToken"))
    return {"queueUrls": list(listed.queue_urls), **_present(NextToken=listed.next_token)}  # SQS-053


def _get_queue_attributes(queue: Queue, call: Call) -> Found:
    return _present(Attributes=queue.get_queue_attributes(call.parameters.get("AttributeNames", ())).attributes)


def _set_queue_attributes(queue: Queue, call: Call) -> Found:
    queue.set_queue_attributes(call.parameters.get("Attributes"))
    return {}


def _purge_queue(queue: Queue, _call: Call) -> Found:
    queue.purge_queue()
    return {}


# ---- tags and permissions


def _tag_queue(queue: Queue, call: Call) -> Found:
    queue.tag_queue(call.parameters.get("Tags"))  # type: ignore[arg-type]
    return {}


def _untag_queue(queue: Queue, call: Call) -> Found:
    queue.untag_queue(call.parameters.get("TagKeys", ()))
    return {}


def _list_queue_tags(queue: Queue, _call: Call) -> Found:
    return _present(Tags=queue.list_queue_tags().tags)


def _add_permission(queue: Queue, call: Call) -> Found:
    get = call.parameters.get
    queue.add_permission(get("Label"), get("AWSAccountIds"), get("Actions"))  # type: ignore[arg-type]
    return {}


def _remove_permission(queue: Queue, call: Call) -> Found:
    queue.remove_permission(call.parameters.get("Label"))  # type: ignore[arg-type]
    return {}


# ---- move tasks


def _start_message_move_task(endpoint: Endpoint, call: Call) -> Found:
    get = call.parameters.get
    started = endpoint.start_message_move_task(
        get("SourceArn"),  # type: ignore[arg-type]
        get("DestinationArn"),
        get("MaxNumberOfMessagesPerSecond"),
    )
    return {"TaskHandle": started.task_handle}


def _cancel_message_move_task(endpoint: Endpoint, call: Call) -> Found:
    cancelled = endpoint.cancel_message_move_task(call.parameters.get("TaskHandle"))  # type: ignore[arg-type]
    return {"ApproximateNumberOfMessagesMoved": cancelled.approximate_number_of_messages_moved}


def _list_message_move_tasks(endpoint: Endpoint, call: Call) -> Found:
    get = call.parameters.get
    listed = endpoint.list_message_move_tasks(get("SourceArn"), get("MaxResults"))  # type: ignore[arg-type]
    return {"Results": [_task(entry) for entry in listed.results]}  # there, be it empty: AWS does not say


def _task(entry: MessageMoveTaskEntry) -> Found:
    return {
        "Status": entry.status,
        "SourceArn": entry.source_arn,
        "ApproximateNumberOfMessagesMoved": entry.approximate_number_of_messages_moved,
        "ApproximateNumberOfMessagesToMove": entry.approximate_number_of_messages_to_move,
        "StartedTimestamp": entry.started_timestamp,
        **_present(
            TaskHandle=entry.task_handle,
            DestinationArn=entry.destination_arn,
            MaxNumberOfMessagesPerSecond=entry.max_number_of_messages_per_second,
            FailureReason=entry.failure_reason,
        ),
    }


# ---- small things


def _present(**members: Any) -> Found:
    """Return the members that are there."""
    return {name: value for name, value in members.items() if value}


def _required(call: Call, name: str) -> Any:
    value = call.parameters.get(name)
    if value is None:
        msg = f"The request must contain the parameter {name}."
        raise MissingRequiredParameterException(msg)
    return value


def _unknown(operation: str, given: Iterable[str], members: frozenset[str]) -> UsageError:
    names = ", ".join(name for name in given if name not in members)
    return UsageError(f"{operation} has no parameter {names} in this version; leave it out")


class _OfQueue(NamedTuple):
    """An operation that is about a queue."""

    act: Callable[[Queue, Call], Found]
    members: frozenset[str]


class _OfEndpoint(NamedTuple):
    """An operation that is about all queues, or that names them otherwise."""

    act: Callable[[Endpoint, Call], Found]
    members: frozenset[str]


def _of_queue(act: Callable[[Queue, Call], Found], *members: str) -> _OfQueue:
    return _OfQueue(act, frozenset(("QueueUrl", *members)))


def _of_endpoint(act: Callable[[Endpoint, Call], Found], *members: str) -> _OfEndpoint:
    return _OfEndpoint(act, frozenset(members))


_OF_QUEUES: Final = {
    "AddPermission": _of_queue(_add_permission, "Label", "AWSAccountIds", "Actions"),
    "ChangeMessageVisibility": _of_queue(_change_message_visibility, "ReceiptHandle", "VisibilityTimeout"),
    "ChangeMessageVisibilityBatch": _of_queue(_change_message_visibility_batch, "Entries"),
    "DeleteMessage": _of_queue(_delete_message, "ReceiptHandle"),
    "DeleteMessageBatch": _of_queue(_delete_message_batch, "Entries"),
    "DeleteQueue": _of_queue(_delete_queue),
    "GetQueueAttributes": _of_queue(_get_queue_attributes, "AttributeNames"),
    "ListDeadLetterSourceQueues": _of_queue(_list_dead_letter_source_queues, "MaxResults", "NextToken"),
    "ListQueueTags": _of_queue(_list_queue_tags),
    "PurgeQueue": _of_queue(_purge_queue),
    "ReceiveMessage": _of_queue(
        _receive_message,
        "AttributeNames",
        "MaxNumberOfMessages",
        "MessageAttributeNames",
        "MessageSystemAttributeNames",
        "ReceiveRequestAttemptId",
        "VisibilityTimeout",
        "WaitTimeSeconds",
    ),
    "RemovePermission": _of_queue(_remove_permission, "Label"),
    "SendMessage": _of_queue(
        _send_message,
        "DelaySeconds",
        "MessageAttributes",
        "MessageBody",
        "MessageDeduplicationId",
        "MessageGroupId",
        "MessageSystemAttributes",
    ),
    "SendMessageBatch": _of_queue(_send_message_batch, "Entries"),
    "SetQueueAttributes": _of_queue(_set_queue_attributes, "Attributes"),
    "TagQueue": _of_queue(_tag_queue, "Tags"),
    "UntagQueue": _of_queue(_untag_queue, "TagKeys"),
}
_OF_ENDPOINTS: Final = {
    "CancelMessageMoveTask": _of_endpoint(_cancel_message_move_task, "TaskHandle"),
    "CreateQueue": _of_endpoint(_create_queue, "QueueName", "Attributes", "tags"),
    "GetQueueUrl": _of_endpoint(_get_queue_url, "QueueName", "QueueOwnerAWSAccountId"),
    "ListMessageMoveTasks": _of_endpoint(_list_message_move_tasks, "SourceArn", "MaxResults"),
    "ListQueues": _of_endpoint(_list_queues, "QueueNamePrefix", "MaxResults", "NextToken"),
    "StartMessageMoveTask": _of_endpoint(
        _start_message_move_task, "SourceArn", "DestinationArn", "MaxNumberOfMessagesPerSecond"
    ),
}

__all__ = ["SqsService", "UnknownOperationException"]
