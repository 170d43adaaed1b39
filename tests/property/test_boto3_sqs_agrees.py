"""
A real client and the object API agree: the same calls lead to the same answers, errors and messages.

Two simulations with one seed are played side by side, one through boto3, one through the objects. What they answer is
compared by AWS's names: those of the objects in PascalCase, without what is None or empty.
"""

from __future__ import annotations

from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation
from lambdasim.errors import SqsError
from tests.bridge import Bridge, answered

NAMES = {"orders": {}, "lines.fifo": {"content_based_deduplication": True}}
TEXTS = st.sampled_from(("a", "b", "é", "", "\x00", "x" * 1_025))
GROUPS = st.sampled_from((None, "g", "h", "a b"))
ATTRIBUTES = st.sampled_from(
    (
        None,
        {"k": {"DataType": "String", "StringValue": "x"}},
        {"k": {"DataType": "Binary", "BinaryValue": b"\xff"}, "l": {"DataType": "Number", "StringValue": "1"}},
        {"k": {"DataType": "Number", "StringValue": "x"}},
    )
)
TIMEOUTS = st.sampled_from((None, 0, 1, 5, 43_201))
HANDLES = st.integers(0, 9)  # of those seen, the last ones first; or none of ours
NAMES_WANTED = st.sampled_from(((), ("All",), ("k",), ("SentTimestamp", "SequenceNumber"), ("Nope",)))


def optional(**members):
    return {name: value for name, value in members.items() if value is not None}


def send(body, group, dedup, delay, attributes):
    return optional(
        message_body=body,
        message_group_id=group,
        message_deduplication_id=dedup,
        delay_seconds=delay,
        message_attributes=attributes,
    )


SENDS = st.builds(send, TEXTS, GROUPS, GROUPS, st.sampled_from((None, 0, 2, 901)), ATTRIBUTES)


def entries(strategy):
    ids = st.sampled_from(("a", "b", "c", "d", ""))
    return st.lists(st.tuples(ids, strategy), max_size=4).map(lambda given: [{"id": i} | e for i, e in given])


CALLS = st.one_of(
    st.tuples(st.just("send_message"), SENDS),
    st.tuples(st.just("send_message_batch"), entries(SENDS).map(lambda given: {"entries": given})),
    st.tuples(
        st.just("receive_message"),
        st.builds(
            optional,
            max_number_of_messages=st.sampled_from((None, 1, 3, 10, 11)),
            visibility_timeout=TIMEOUTS,
            wait_time_seconds=st.sampled_from((None, 0, 1)),
            attribute_names=NAMES_WANTED,
            message_system_attribute_names=NAMES_WANTED,
            message_attribute_names=NAMES_WANTED,
            receive_request_attempt_id=st.sampled_from((None, None, "r")),
        ),
    ),
    st.tuples(st.just("delete_message"), st.fixed_dictionaries({"receipt_handle": HANDLES})),
    st.tuples(
        st.just("delete_message_batch"),
        entries(st.fixed_dictionaries({"receipt_handle": HANDLES})).map(lambda given: {"entries": given}),
    ),
    st.tuples(
        st.just("change_message_visibility"),
        st.fixed_dictionaries({"receipt_handle": HANDLES, "visibility_timeout": st.sampled_from((0, 1, 5, 43_201))}),
    ),
    st.tuples(
        st.just("change_message_visibility_batch"),
        entries(
            st.fixed_dictionaries({"receipt_handle": HANDLES}, optional={"visibility_timeout": st.sampled_from((0, 5))})
        ).map(lambda given: {"entries": given}),
    ),
    st.tuples(st.just("get_queue_attributes"), st.fixed_dictionaries({"attribute_names": NAMES_WANTED})),
    st.tuples(st.just("purge_queue"), st.just({})),
    st.tuples(st.just("wait"), st.sampled_from((0.5, 1, 60))),
)
PROGRAMS = st.lists(st.tuples(st.sampled_from(tuple(NAMES)), CALLS), max_size=25)

PASCAL = {"md5_of_": "MD5Of", "aws_": "AWS"}


def pascal(name):
    for short, long in PASCAL.items():
        if name.startswith(short):
            return long + pascal(name.removeprefix(short))
    return "".join(part.capitalize() for part in name.split("_"))


def as_parameters(given):
    """Keywords of ours by AWS's names; the attributes of messages have them already."""
    if isinstance(given, dict):
        return {
            pascal(name): value if name == "message_attributes" else as_parameters(value)
            for name, value in given.items()
        }
    return [as_parameters(item) for item in given] if isinstance(given, list) else given


def as_result(answer, names):
    """The members of an answer of ours by AWS's names, without what is None or empty."""
    values = {name: getattr(answer, name) for name in names}
    return {pascal(name): value for name, value in values.items() if value is not None and value not in ({}, ())}


SENT = ("message_id", "md5_of_message_body", "md5_of_message_attributes", "md5_of_message_system_attributes")
RECEIVED = ("message_id", "receipt_handle", "md5_of_body", "body", "attributes", "message_attributes")


def shown(operation, answer):
    """What the client would be answered."""
    if operation == "send_message":
        return as_result(answer, (*SENT, "sequence_number"))
    if operation == "receive_message":
        messages = [as_result(delivery, (*RECEIVED, "md5_of_message_attributes")) for delivery in answer]
        return {"Messages": messages} if messages else {}
    if operation == "get_queue_attributes":
        return as_result(answer, ("attributes",))
    if operation.endswith("_batch"):
        names = ("id", *SENT, "sequence_number") if operation == "send_message_batch" else ("id",)
        lists = {
            "Successful": [as_result(entry, names) for entry in answer.successful],
            "Failed": [as_result(entry, ("id", "code", "message", "sender_fault")) for entry in answer.failed],
        }
        return {name: items for name, items in lists.items() if items}
    return {}


def with_handles(given, handles):
    """The call with handles in place of their numbers."""
    if isinstance(given, dict):
        return {
            name: (
                ["nonsense", *handles][-1 - value % (len(handles) + 1)]
                if name == "receipt_handle"
                else with_handles(value, handles)
            )
            for name, value in given.items()
        }
    return [with_handles(item, handles) for item in given] if isinstance(given, list) else given


def world():
    sim = Simulation(seed=7)
    dlq = sim.create_queue("dead")
    for name, attributes in NAMES.items():
        policy = {} if name.endswith(".fifo") else {"redrive_policy": RedrivePolicy(dlq, 3)}
        sim.create_queue(name, maximum_message_size=1_024, visibility_timeout=5, **attributes, **policy)
    return sim


@given(PROGRAMS)
def test_client_and_objects_agree(program):
    ours, theirs = world(), world()
    client = Bridge(theirs).client()
    handles = []
    for name, (operation, parameters) in program:
        if operation == "wait":
            ours.run_for(parameters)
            theirs.run_for(parameters)
            continue
        queue = ours.queue(name)
        keywords = with_handles(parameters, handles[-8:])
        try:
            expected = shown(operation, getattr(queue, operation)(**keywords))
        except SqsError as error:
            expected = (error.code, error.message, error.http_status)
        try:
            found = answered(getattr(client, operation)(QueueUrl=queue.url, **as_parameters(keywords)))
        except ClientError as error:
            response = error.response
            status = response["ResponseMetadata"]["HTTPStatusCode"]
            found = (response["Error"]["Code"], response["Error"]["Message"], status)
        assert expected == found
        if operation == "receive_message" and isinstance(found, dict):
            handles += [message["ReceiptHandle"] for message in found.get("Messages", ())]
    assert ours.now_us == theirs.now_us
    assert ours.trace.to_json_lines() == theirs.trace.to_json_lines()
    assert [queue.snapshot() for queue in ours.queues] == [queue.snapshot() for queue in theirs.queues]
