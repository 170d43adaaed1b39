"""SQS §23: the errors, by shape and code."""

from __future__ import annotations

import base64
import inspect
import json
import pickle

import pytest
from attrs import evolve

from lambdasim import RedrivePolicy, Simulation, SqsConfig, SqsFaults
from lambdasim.errors import AwsError, LambdasimError, ParamValidationError, SqsError, sqs
from tests.choosers import happened

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


# ---- every refusal of the rules: who is called how, and what is answered

NO_QUEUE = "The specified queue does not exist."
CHARACTERS = (
    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | "
    "#x10000 to #x10FFFF"
)
NAME = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
FIFO_NAME = (
    "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo "
    "suffix and be 1 to 80 in length"
)
ENTRY_ID = (
    "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters "
    "long."
)
TOKEN = (
    "Value {value} for parameter {name} is invalid. Reason: {name} can only include alphanumeric and punctuation "
    "characters. 1 to 128 in length."
)
OTHER_TYPE = (
    "Value {value} for parameter {name} is invalid. Reason: The request include parameter that is not valid for this "
    "queue type."
)
UNAVAILABLE = (
    "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for "
    "visibility timeout change."
)
CEILING = (
    "Value {value} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is "
    "beyond the limit [43200 seconds]"
)
OVER = (
    "Too many messages have been received without being deleted. Please delete your received messages or let them "
    "timeout before receiving more."
)
ALLOW = "Invalid value for the parameter RedriveAllowPolicy. Reason: {}"
REDRIVE = "Value {} for parameter RedrivePolicy is invalid. Reason: {}"
LIST_VALUES = "Message attribute list values in SendMessage operation are not supported."
ARN_FORMAT = "You must use this format to specify the {}: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
ACCOUNT = "arn:aws:sqs:us-east-1:123456789012:"

VALUE, MISSING = "InvalidParameterValueException", "MissingRequiredParameterException"
ATTRIBUTE_VALUE, ATTRIBUTE_NAME = "InvalidAttributeValue", "InvalidAttributeName"
HANDLE = "ReceiptHandleIsInvalid"


class World:
    """A simulation with a queue for everything that can be refused."""

    def __init__(self):
        self.sim = sim = Simulation(settings=[SqsConfig(max_payload_bytes=4_096)])
        self.gone = sim.create_queue("gone")
        self.dlq = sim.create_queue("dlq")
        self.forbidding = sim.create_queue("forbidding", redrive_allow_policy={"redrivePermission": "denyAll"})
        self.orders = sim.create_queue("orders", maximum_message_size=1_024, redrive_policy=RedrivePolicy(self.dlq, 5))
        self.fifo = sim.create_queue("orders.fifo", maximum_message_size=1_024, visibility_timeout=10)
        self.other = sim.create_queue("other")
        self.full = sim.create_queue("full", settings=[SqsConfig(inflight_limit_standard=1)])
        self.strict = sim.create_queue("strict", settings=[SqsConfig(strict_not_inflight=True)])
        self.stale = sim.create_queue("stale", settings=[SqsConfig(stale_change_visibility="error")])
        self.throttled = sim.create_queue("throttled", faults=SqsFaults(throttle_probability=1.0))
        self.fast = sim.create_queue("fast.fifo", settings=[SqsConfig(enforce_fifo_throughput=True)])
        self.orders.add_permission("label", ["111122223333"], ["SendMessage"])
        for body in ("kept", "deleted"):
            self.orders.send_message(body)
        self.current, self.deleted = (
            delivery.receipt_handle for delivery in self.orders.receive_message(max_number_of_messages=2)
        )
        self.orders.delete_message(self.deleted)
        self.fifo.send_message("a", message_group_id="g", message_deduplication_id="d")
        self.attempt = self.fifo.receive_message(receive_request_attempt_id="R")[0].receipt_handle
        self.fifo.change_message_visibility(self.attempt, 20)
        self.fifo.send_message("b", message_group_id="h", message_deduplication_id="e")
        (delivery,) = self.fifo.receive_message(visibility_timeout=1)
        self.expired = delivery.receipt_handle
        for queue in (self.other, self.full, self.strict, self.stale):
            queue.send_message("a")
        self.foreign = self.other.receive_message()[0].receipt_handle
        self.full.receive_message()
        self.released = self.strict.receive_message(visibility_timeout=0)[0].receipt_handle
        self.superseded = self.stale.receive_message(visibility_timeout=0)[0].receipt_handle
        self.stale.receive_message()
        self.other.purge_queue()
        self.gone.delete_queue()
        sim.run(until=1)

    def state(self):
        """Return all that can be seen."""
        sim = self.sim
        return (
            [
                (
                    queue.snapshot(),
                    dict(queue.get_queue_attributes(["All"]).attributes),
                    dict(queue.list_queue_tags().tags),
                    [(each.message_id, each.state, each.receive_count) for each in queue.messages],
                )
                for queue in sim.queues
            ],
            happened(sim),
            sim.list_queues().queue_urls,
            sim.now_us,
        )


def send(**parameters):
    """Return a send to the standard queue, of a body unless another is given."""
    return lambda w: w.orders.send_message(parameters.get("message_body", "a"), **without_body(parameters))


def send_fifo(**parameters):
    """Return a send to the FIFO queue, with the ids that it needs unless others are given."""
    given = {"message_group_id": "g", "message_deduplication_id": "new", **parameters}
    return lambda w: w.fifo.send_message(parameters.get("message_body", "a"), **without_body(given))


def without_body(parameters):
    return {name: value for name, value in parameters.items() if name != "message_body"}


def with_attribute(name="k", **attribute):
    return send(message_attributes={name: attribute})


def configure(name, value):
    return lambda w: w.orders.set_queue_attributes({name: value})


def configure_fifo(name, value):
    return lambda w: w.fifo.set_queue_attributes({name: value})


def create(queue_name, **attributes):
    return lambda w: w.sim.create_queue(queue_name, attributes=attributes)


def redrive(arn="dlq", count=3, **more):
    """Return the text of a redrive policy; an ARN without colons is a name in the account."""
    target = {} if arn is None else {"deadLetterTargetArn": arn if ":" in arn or not arn else f"{ACCOUNT}{arn}"}
    counted = {} if count is None else {"maxReceiveCount": count}
    return json.dumps({**target, **counted, **more})


def refuse_redrive(policy, reason):
    return configure("RedrivePolicy", policy), VALUE, REDRIVE.format(policy, reason)


def refuse_allow(policy, reason):
    text = policy if isinstance(policy, str) else json.dumps(policy)
    return configure("RedriveAllowPolicy", text), VALUE, ALLOW.format(reason)


def batch_of(*ids, **members):
    return [{"id": each, "message_body": "a", **members} for each in ids]


def start(*arguments, **parameters):
    return lambda w: w.sim.start_message_move_task(*arguments, **parameters)


def task_handle(**members):
    return base64.b64encode(json.dumps(members).encode()).decode()


REFUSALS = {
    # §2 and §3
    "URL of nothing": (lambda w: w.sim.queue("https://sqs.us-east-1.amazonaws.com/1/x"), "QueueDoesNotExist", NO_QUEUE),
    "name of nothing": (lambda w: w.sim.get_queue_url("nowhere"), "QueueDoesNotExist", NO_QUEUE),
    "a deleted queue": (lambda w: w.gone.send_message("a"), "QueueDoesNotExist", NO_QUEUE),
    "deleting twice": (lambda w: w.gone.delete_queue(), "QueueDoesNotExist", NO_QUEUE),
    "URL of another region": (
        lambda w: w.sim.queue("https://sqs.eu-west-1.amazonaws.com/123456789012/orders"),
        "InvalidAddress",
        "The address https://sqs.eu-west-1.amazonaws.com/123456789012/orders is not valid for this endpoint.",
    ),
    "name: empty": (create(""), VALUE, NAME),
    "name: too long": (create("q" * 81), VALUE, NAME),
    "name: character": (create("a.b"), VALUE, NAME),
    "name: suffix without the attribute": (create("new.fifo"), VALUE, NAME),
    "name: attribute without the suffix": (create("new", FifoQueue="true"), VALUE, FIFO_NAME),
    "creating with other attributes": (
        create("orders", VisibilityTimeout="31", DelaySeconds="1"),
        "QueueNameExists",
        "A queue already exists with the same name and a different value for attribute DelaySeconds",
    ),
    "creating too soon": (
        create("gone"),
        "QueueDeletedRecently",
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
    ),
    "pages: none": (
        lambda w: w.sim.list_queues(max_results=0),
        VALUE,
        "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.",
    ),
    "pages: too large": (
        lambda w: w.dlq.list_dead_letter_source_queues(max_results=1_001),
        VALUE,
        "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.",
    ),
    "pages: token": (
        lambda w: w.sim.list_queues(max_results=1, next_token="nonsense"),
        VALUE,
        "Invalid or expired next token.",
    ),
    # §4
    **{
        f"attribute {name}: {value}": (
            configure(name, value),
            ATTRIBUTE_VALUE,
            f"Invalid value for the parameter {name}.",
        )
        for name, values in {
            "DelaySeconds": ("-1", "901", "x", "1.5"),
            "MaximumMessageSize": ("1023", "4097"),
            "MessageRetentionPeriod": ("59", "1209601"),
            "ReceiveMessageWaitTimeSeconds": ("-1", "21"),
            "VisibilityTimeout": ("-1", "43201"),
            "KmsDataKeyReusePeriodSeconds": ("59", "86401"),
            "SqsManagedSseEnabled": ("maybe",),
        }.items()
        for value in values
    },
    "attribute ContentBasedDeduplication": (
        configure_fifo("ContentBasedDeduplication", "x"),
        ATTRIBUTE_VALUE,
        "Invalid value for the parameter ContentBasedDeduplication.",
    ),
    "attribute DeduplicationScope": (
        configure_fifo("DeduplicationScope", "x"),
        ATTRIBUTE_VALUE,
        "Invalid value for the parameter DeduplicationScope.",
    ),
    "attribute FifoThroughputLimit": (
        configure_fifo("FifoThroughputLimit", "x"),
        ATTRIBUTE_VALUE,
        "Invalid value for the parameter FifoThroughputLimit.",
    ),
    "attribute: unknown": (configure("Nope", "1"), ATTRIBUTE_NAME, "Unknown Attribute Nope."),
    "attribute: read-only": (configure("QueueArn", "1"), ATTRIBUTE_NAME, "Unknown Attribute QueueArn."),
    "attribute: FifoQueue": (configure("FifoQueue", "true"), ATTRIBUTE_NAME, "Unknown Attribute FifoQueue."),
    "attribute: content-based": (
        configure("ContentBasedDeduplication", "true"),
        ATTRIBUTE_NAME,
        "Unknown Attribute ContentBasedDeduplication.",
    ),
    "attribute: scope": (
        configure("DeduplicationScope", "queue"),
        ATTRIBUTE_NAME,
        "You can specify the DeduplicationScope only when FifoQueue is set to true.",
    ),
    "attribute: limit": (
        configure("FifoThroughputLimit", "perQueue"),
        ATTRIBUTE_NAME,
        "You can specify the FifoThroughputLimit only when FifoQueue is set to true.",
    ),
    "attribute: limit without the scope": (
        configure_fifo("FifoThroughputLimit", "perMessageGroupId"),
        ATTRIBUTE_VALUE,
        (
            "Invalid value for the parameter FifoThroughputLimit. Reason: The perMessageGroupId value is allowed only "
            "when the value for DeduplicationScope is messageGroup."
        ),
    ),
    "attribute: type": (
        configure_fifo("FifoQueue", "false"),
        ATTRIBUTE_VALUE,
        "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
    ),
    "attributes: none": (
        lambda w: w.orders.set_queue_attributes({}),
        MISSING,
        "The request must contain the parameter Attribute.Name.",
    ),
    "attributes: asked for by an unknown name": (
        lambda w: w.orders.get_queue_attributes(["Nope"]),
        ATTRIBUTE_NAME,
        "Unknown Attribute Nope.",
    ),
    "attributes: asked for by no name": (
        lambda w: w.orders.get_queue_attributes([""]),
        ATTRIBUTE_NAME,
        "Unknown Attribute .",
    ),
    "attributes: both encryptions": (
        lambda w: w.orders.set_queue_attributes({"KmsMasterKeyId": "k", "SqsManagedSseEnabled": "true"}),
        ATTRIBUTE_NAME,
        "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.",
    ),
    # §5
    "redrive: no count": refuse_redrive(
        redrive(count=None), "Redrive policy does not contain mandatory attribute: maxReceiveCount."
    ),
    "redrive: no target": refuse_redrive(
        redrive(arn=None), "Redrive policy does not contain mandatory attribute: deadLetterTargetArn."
    ),
    "redrive: count": refuse_redrive(
        redrive(count=1_001),
        "Invalid value for maxReceiveCount: 1001, valid values are from 1 to 1000 both inclusive.",
    ),
    "redrive: keys": refuse_redrive(
        redrive(more=1), "Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn]."
    ),
    "redrive: malformed": refuse_redrive(redrive(""), "Invalid value for deadLetterTargetArn."),
    "redrive: service": refuse_redrive(
        redrive("arn:aws:sns:us-east-1:123456789012:dlq"),
        "Only SQS queues are valid resources for deadLetterTargetArn.",
    ),
    "redrive: nowhere": refuse_redrive(redrive("nowhere"), "Dead letter target does not exist."),
    "redrive: elsewhere": refuse_redrive(
        redrive("arn:aws:sqs:eu-west-1:123456789012:dlq"), "Dead letter target does not exist."
    ),
    "redrive: types": refuse_redrive(
        redrive("orders.fifo"), "Dead-letter queue must be same type of queue as the source.."
    ),
    "redrive: forbidden": refuse_redrive(
        redrive("forbidding"), "Dead letter target does not allow this queue as a source."
    ),
    "redrive: no map": (
        configure("RedrivePolicy", "[]"),
        ATTRIBUTE_VALUE,
        "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map.",
    ),
    "allow: no object": refuse_allow(
        "x", "Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format."
    ),
    "allow: permission": refuse_allow(
        {"redrivePermission": "some"},
        "Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.",
    ),
    "allow: no queues": refuse_allow(
        {"redrivePermission": "byQueue"},
        "When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values.",
    ),
    "allow: eleven queues": refuse_allow(
        {"redrivePermission": "byQueue", "sourceQueueArns": [f"{ACCOUNT}q{number}" for number in range(11)]},
        "The maximum number of source queue ARNs you can specify is 10.",
    ),
    "allow: queues of all": refuse_allow(
        {"redrivePermission": "allowAll", "sourceQueueArns": [f"{ACCOUNT}q"]},
        "To specify one or more source queue ARNs, you must set redrivePermission to byQueue.",
    ),
    # §6
    "body: missing": (send(message_body=""), MISSING, "The request must contain the parameter MessageBody."),
    "body: characters": (send(message_body="\x00"), "InvalidMessageContents", CHARACTERS),
    "body: size": (
        send(message_body="x" * 1_025),
        VALUE,
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
    ),
    "message attributes: eleven": (
        send(message_attributes={f"k{n}": {"DataType": "String", "StringValue": "x"} for n in range(11)}),
        VALUE,
        "Number of message attributes [11] exceeds the allowed maximum [10].",
    ),
    "message attribute: name": (
        with_attribute("AWS.k", DataType="String", StringValue="x"),
        VALUE,
        "Message (user) attribute name 'AWS.k' is invalid.",
    ),
    "message attribute: type": (
        with_attribute(DataType="Text", StringValue="x"),
        VALUE,
        (
            "The type of message (user) attribute 'k' is invalid. You must use only the following supported type "
            "prefixes: Binary, Number, String."
        ),
    ),
    "message attribute: no type": (
        with_attribute(DataType="", StringValue="x"),
        VALUE,
        "Message (user) attribute 'k' must contain a non-empty message attribute type.",
    ),
    "message attribute: no text": (
        with_attribute(DataType="String", StringValue=""),
        VALUE,
        "Message (user) attribute 'k' must contain a non-empty value of type 'String'.",
    ),
    "message attribute: no number": (
        with_attribute(DataType="Number"),
        VALUE,
        "Message (user) attribute 'k' must contain a non-empty value of type 'String'.",
    ),
    "message attribute: no bytes": (
        with_attribute(DataType="Binary", BinaryValue=b""),
        VALUE,
        "Message (user) attribute 'k' must contain a non-empty value of type 'Binary'.",
    ),
    "message attribute: not a number": (
        with_attribute(DataType="Number", StringValue="x"),
        VALUE,
        "Can't cast the value of message (user) attribute 'k' to a number.",
    ),
    "message attribute: characters": (
        with_attribute(DataType="String", StringValue="\x00"),
        VALUE,
        "Message (user) attribute 'k' contains invalid characters.",
    ),
    "message attribute: list of texts": (
        with_attribute(DataType="String", StringListValues=["x"]),
        VALUE,
        LIST_VALUES,
    ),
    "message attribute: list of bytes": (
        with_attribute(DataType="Binary", BinaryListValues=[b"x"]),
        VALUE,
        LIST_VALUES,
    ),
    "system attribute": (
        send(message_system_attributes={"k": {"DataType": "String", "StringValue": "x"}}),
        VALUE,
        "Message system attribute name 'k' is invalid.",
    ),
    # §7
    "send: delay": (
        send(delay_seconds=901),
        VALUE,
        "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
    ),
    "send: group": (send(message_group_id="a b"), VALUE, TOKEN.format(value="a b", name="MessageGroupId")),
    "send: deduplication": (
        send_fifo(message_deduplication_id=""),
        VALUE,
        TOKEN.format(value="", name="MessageDeduplicationId"),
    ),
    "send: deduplication on a standard queue": (
        send(message_deduplication_id="d"),
        VALUE,
        OTHER_TYPE.format(value="d", name="MessageDeduplicationId"),
    ),
    "send: no group": (
        lambda w: w.fifo.send_message("a", message_deduplication_id="d"),
        MISSING,
        "The request must contain the parameter MessageGroupId.",
    ),
    "send: no deduplication": (
        lambda w: w.fifo.send_message("a", message_group_id="g"),
        VALUE,
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    ),
    "send: delay on a FIFO queue": (
        send_fifo(delay_seconds=1),
        VALUE,
        OTHER_TYPE.format(value=1, name="DelaySeconds"),
    ),
    # §8
    "batch: empty send": (
        lambda w: w.orders.send_message_batch([]),
        "EmptyBatchRequest",
        "There should be at least one SendMessageBatchRequestEntry in the request.",
    ),
    "batch: empty delete": (
        lambda w: w.orders.delete_message_batch([]),
        "EmptyBatchRequest",
        "There should be at least one DeleteMessageBatchRequestEntry in the request.",
    ),
    "batch: empty change": (
        lambda w: w.orders.change_message_visibility_batch([]),
        "EmptyBatchRequest",
        "There should be at least one ChangeMessageVisibilityBatchRequestEntry in the request.",
    ),
    "batch: eleven": (
        lambda w: w.orders.send_message_batch(batch_of(*map(str, range(11)))),
        "TooManyEntriesInBatchRequest",
        "Maximum number of entries per request are 10. You have sent 11.",
    ),
    "batch: id": (lambda w: w.orders.send_message_batch(batch_of("1", "a b")), "InvalidBatchEntryId", ENTRY_ID),
    "batch: repeated": (
        lambda w: w.orders.send_message_batch(batch_of(*"1221")),
        "BatchEntryIdsNotDistinct",
        "Id 2 repeated.",
    ),
    "batch: size": (
        lambda w: w.orders.send_message_batch(batch_of("1", message_body="x" * 4_097)),
        "BatchRequestTooLong",
        "Batch requests cannot be longer than 4096 bytes. You have sent 4097 bytes.",
    ),
    "batch: no group": (
        lambda w: w.fifo.send_message_batch(batch_of("1", message_deduplication_id="x")),
        VALUE,
        "The request must contain the parameter MessageGroupId.",
    ),
    "batch: no deduplication": (
        lambda w: w.fifo.send_message_batch(batch_of("1", message_group_id="x")),
        VALUE,
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    ),
    # §9
    "receive: limit": (
        lambda w: w.orders.receive_message(max_number_of_messages=11),
        VALUE,
        "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
    ),
    "receive: wait": (
        lambda w: w.orders.receive_message(wait_time_seconds=21),
        VALUE,
        "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
    ),
    "receive: timeout": (
        lambda w: w.orders.receive_message(visibility_timeout=43_201),
        VALUE,
        "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= 43200, if provided.",
    ),
    "receive: attribute": (
        lambda w: w.orders.receive_message(message_system_attribute_names=["Nope"]),
        ATTRIBUTE_NAME,
        "Unknown Attribute Nope.",
    ),
    "receive: attempt": (
        lambda w: w.fifo.receive_message(receive_request_attempt_id="a b"),
        VALUE,
        TOKEN.format(value="a b", name="ReceiveRequestAttemptId"),
    ),
    "receive: attempt on a standard queue": (
        lambda w: w.orders.receive_message(receive_request_attempt_id="R"),
        VALUE,
        OTHER_TYPE.format(value="R", name="ReceiveRequestAttemptId"),
    ),
    "receive: attempt that cannot be retried": (
        lambda w: w.fifo.receive_message(receive_request_attempt_id="R"),
        VALUE,
        (
            "Value R for parameter ReceiveRequestAttemptId is invalid. Reason: The receiveRequestAttemptId is not "
            "valid anymore since the receive call is not retryable."
        ),
    ),
    # §11 and §12
    "change: range": (
        lambda w: w.orders.change_message_visibility(w.current, 43_201),
        VALUE,
        "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.",
    ),
    "change: ceiling": (
        lambda w: w.orders.change_message_visibility(w.current, 43_200),
        VALUE,
        CEILING.format(value=43_200),
    ),
    "change: nonsense": (
        lambda w: w.orders.change_message_visibility("nonsense", 1),
        HANDLE,
        'The input receipt handle "nonsense" is not a valid receipt handle.',
    ),
    "change: another queue": (
        lambda w: w.orders.change_message_visibility(w.foreign, 1),
        HANDLE,
        lambda w: f'The receipt handle "{w.foreign}" is not valid for this queue.',
    ),
    "change: gone": (
        lambda w: w.orders.change_message_visibility(w.deleted, 1),
        VALUE,
        lambda w: UNAVAILABLE.format(handle=w.deleted),
    ),
    "change: expired": (
        lambda w: w.fifo.change_message_visibility(w.expired, 1),
        VALUE,
        lambda w: UNAVAILABLE.format(handle=w.expired),
    ),
    "change: superseded": (
        lambda w: w.stale.change_message_visibility(w.superseded, 1),
        VALUE,
        lambda w: UNAVAILABLE.format(handle=w.superseded),
    ),
    "change: not in flight": (
        lambda w: w.strict.change_message_visibility(w.released, 1),
        "MessageNotInflight",
        "The specified message isn't in flight.",
    ),
    "delete: nonsense": (
        lambda w: w.orders.delete_message("nonsense"),
        HANDLE,
        'The input receipt handle "nonsense" is not a valid receipt handle.',
    ),
    "delete: another queue": (
        lambda w: w.orders.delete_message(w.foreign),
        HANDLE,
        lambda w: f'The receipt handle "{w.foreign}" is not valid for this queue.',
    ),
    "delete: expired": (
        lambda w: w.fifo.delete_message(w.expired),
        VALUE,
        lambda w: f"Value {w.expired} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
    ),
    # §17
    "over the limit": (lambda w: w.full.receive_message(), "OverLimit", OVER),
    "throughput": (
        lambda w: [w.fast.send_message("a", message_group_id="g", message_deduplication_id="d") for _ in range(301)],
        "RequestThrottled",
        "Rate exceeded",
    ),
    "throttled": (lambda w: w.throttled.send_message("a"), "RequestThrottled", "Rate exceeded"),
    # §19
    "task: source": (start("dlq"), VALUE, ARN_FORMAT.format("SourceArn")),
    "task: destination": (start(f"{ACCOUNT}dlq", "orders"), VALUE, ARN_FORMAT.format("DestinationArn")),
    **{
        f"task: rate {rate}": (
            start(f"{ACCOUNT}dlq", max_number_of_messages_per_second=rate),
            VALUE,
            (
                "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a number that's "
                "between 1 and 500."
            ),
        )
        for rate in (0, 501)
    },
    "task: one queue": (
        start(f"{ACCOUNT}dlq", f"{ACCOUNT}dlq"),
        VALUE,
        "Source queue arn and destination queue arn cannot be the same.",
    ),
    "task: no source": (
        start(f"{ACCOUNT}nowhere"),
        "ResourceNotFoundException",
        "The resource that you specified for the SourceArn parameter doesn't exist.",
    ),
    "task: no dead-letter queue": (
        start(f"{ACCOUNT}orders"),
        VALUE,
        "Source queue must be configured as a Dead Letter Queue.",
    ),
    "task: no destination": (
        start(f"{ACCOUNT}dlq", f"{ACCOUNT}nowhere"),
        "ResourceNotFoundException",
        "The resource that you specified for the DestinationArn parameter doesn't exist.",
    ),
    "task: types": (
        start(f"{ACCOUNT}dlq", f"{ACCOUNT}orders.fifo"),
        VALUE,
        "The source queue and destination queue must be of the same queue type.",
    ),
    "task: cancelling nonsense": (
        lambda w: w.sim.cancel_message_move_task("nonsense"),
        VALUE,
        "Value for parameter TaskHandle is invalid.",
    ),
    "task: cancelling an unknown one": (
        lambda w: w.sim.cancel_message_move_task(task_handle(taskId="x", sourceArn=f"{ACCOUNT}dlq")),
        "ResourceNotFoundException",
        "Task does not exist.",
    ),
    "task: cancelling one of no queue": (
        lambda w: w.sim.cancel_message_move_task(task_handle(taskId="x", sourceArn=f"{ACCOUNT}nowhere")),
        "ResourceNotFoundException",
        "The resource that you specified for the SourceArn parameter doesn't exist.",
    ),
    "task: listing those of no queue": (
        lambda w: w.sim.list_message_move_tasks(f"{ACCOUNT}nowhere"),
        "ResourceNotFoundException",
        "The resource that you specified for the SourceArn parameter doesn't exist.",
    ),
    # §20 and §21
    "purging twice": (
        lambda w: w.other.purge_queue(),
        "PurgeQueueInProgress",
        "Only one PurgeQueue operation on other is allowed every 60 seconds.",
    ),
    "permission: label twice": (
        lambda w: w.orders.add_permission("label", ["111122223333"], ["SendMessage"]),
        VALUE,
        "Value label for parameter Label is invalid. Reason: Already exists.",
    ),
    "permission: unknown label": (
        lambda w: w.orders.remove_permission("nope"),
        VALUE,
        "Value nope for parameter Label is invalid. Reason: can't find label.",
    ),
    "permission: eight actions": (
        lambda w: w.orders.add_permission("more", ["111122223333"], [f"Action{number}" for number in range(8)]),
        "OverLimit",
        "8 Actions were found, maximum allowed is 7.",
    ),
}


@pytest.mark.rule("SQS-620", "SQS-622")
@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_has_its_shape_code_status_and_text_and_changes_nothing(case):
    call, shape, message = REFUSALS[case]
    world = World()
    expected = message if isinstance(message, str) else message(world)
    if case == "throughput":  # the calls before the one that is refused have their effect
        with pytest.raises(SqsError):
            call(world)
    before = world.state()
    with pytest.raises(SqsError) as caught:
        call(world)
    error = caught.value
    code, http_status = SHAPES[shape]
    assert shape == type(error).__name__ == error.shape
    assert expected == error.message
    assert (code, http_status, True) == (error.code, error.http_status, error.sender_fault)
    assert before == without_requests(world.state(), before)


def without_requests(after, before):
    """Return what was seen *after*; asking for it was a request that *before* did not count yet."""
    queues = [
        (evolve(snapshot, requests=old.requests, billed_requests=old.billed_requests), *rest)
        for (snapshot, *rest), (old, *_) in zip(after[0], before[0], strict=True)
    ]
    return [tuple(each) for each in queues], *after[1:]


@pytest.mark.rule("SQS-461", "SQS-620")
def test_the_hundred_and_first_move_task_is_refused(sim):
    tasks = []
    for number in range(101):
        dlq = sim.create_queue(f"dlq-{number}")
        source = sim.create_queue(f"source-{number}", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
        for _ in range(2):
            source.send_message("a")
        for _ in range(2):
            source.receive_message(max_number_of_messages=10)
        tasks.append(dlq)
    for dlq in tasks[:100]:
        sim.start_message_move_task(dlq, max_number_of_messages_per_second=1)
    with pytest.raises(sqs.UnsupportedOperation) as caught:
        sim.start_message_move_task(tasks[100])
    assert "The maximum number of active message move tasks is 100." == caught.value.message
    assert ("AWS.SimpleQueueService.UnsupportedOperation", 400) == (caught.value.code, caught.value.http_status)
    with pytest.raises(sqs.InvalidParameterValueException) as caught:
        sim.start_message_move_task(tasks[0])
    assert (
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
        == caught.value.message
    )


@pytest.mark.rule("SQS-620")
def test_every_shape_that_a_call_can_raise_is_in_the_table_of_refusals():
    raised = {shape for _, shape, _ in REFUSALS.values()} | {"UnsupportedOperation"}
    injected = {shape for shape in SHAPES if shape.startswith("Kms")} | {"InvalidSecurity", "InvalidIdFormat"}
    assert set(SHAPES) - injected == raised


@pytest.mark.rule("SQS-621")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda queue: queue.change_message_visibility("nonsense", 43_201), "Must be between 0 and 43200."),
        (lambda queue: queue.change_message_visibility("nonsense", 43_200), "is not a valid receipt handle"),
        (lambda queue: queue.receive_message(max_number_of_messages=0, wait_time_seconds=21), "MaxNumberOfMessages"),
        (lambda queue: queue.receive_message(wait_time_seconds=21, visibility_timeout=-1), "WaitTimeSeconds"),
        (lambda queue: queue.receive_message(visibility_timeout=-1), "VisibilityTimeout"),
        (lambda queue: queue.receive_message(), "Too many messages have been received"),
    ],
)
def test_ranges_come_before_the_state(call, message):
    queue = Simulation(settings=[SqsConfig(inflight_limit_standard=1)]).create_queue("orders")
    queue.send_message("a")
    queue.receive_message()
    with pytest.raises(SqsError, match=message):
        call(queue)
    queue.delete_queue()
    with pytest.raises(sqs.QueueDoesNotExist):
        call(queue)


@pytest.mark.rule("SQS-621", "SQS-122")
@pytest.mark.parametrize(
    ("call", "parameter"),
    [
        (lambda queue: queue.send_message(None), "MessageBody"),
        (lambda queue: queue.send_message_batch(None), None),
        (lambda queue: queue.set_queue_attributes(), "Attribute.Name"),
    ],
)
def test_a_required_parameter_that_is_absent_is_missed(queue, call, parameter):
    if parameter is None:
        with pytest.raises((sqs.MissingRequiredParameterException, sqs.EmptyBatchRequest, ParamValidationError)):
            call(queue)
    else:
        with pytest.raises(sqs.MissingRequiredParameterException) as caught:
            call(queue)
        assert f"The request must contain the parameter {parameter}." == caught.value.message
