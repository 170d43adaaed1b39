"""SQS §4: attributes of queues, and what changing them does."""

from __future__ import annotations

import pytest

from lambdasim import Clock, Queue, RedrivePolicy, Simulation, SqsConfig, SqsFaults
from lambdasim.errors import ParamValidationError
from lambdasim.errors.sqs import (
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidParameterValueException,
    MissingRequiredParameterException,
)
from lambdasim.units import seconds

FRESH = {
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "DelaySeconds",
    "LastModifiedTimestamp",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "QueueArn",
    "ReceiveMessageWaitTimeSeconds",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
}
FIFO_ONLY = {"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"}
UNKNOWN = "Unknown Attribute {}."
INVALID = "Invalid value for the parameter {}."
ONE_ENCRYPTION = (
    "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."
)


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def shown(queue, *names):
    return dict(queue.get_queue_attributes(names or ["All"]).attributes)


def counts(queue):
    snapshot = queue.snapshot()
    return snapshot.visible, snapshot.in_flight, snapshot.delayed


def make(sim, kind, **parameters):
    """Make a queue of this type from AWS's map of strings."""
    attributes = parameters.pop("attributes", {})
    if kind == "fifo":
        return sim.create_queue("made.fifo", attributes={"FifoQueue": "true", **attributes}, **parameters)
    return sim.create_queue("made", attributes=attributes, **parameters)


def put(sim, queue, place, attributes):
    """Give these attributes to a new queue, or to this one."""
    if place == "create":
        sim.create_queue("other", attributes=attributes)
    else:
        queue.set_queue_attributes(attributes)


# ---- the table

# Attribute: default, lowest, highest.
NUMBERS = {
    "DelaySeconds": (0, 0, 900),
    "MaximumMessageSize": (1_048_576, 1_024, 1_048_576),
    "MessageRetentionPeriod": (345_600, 60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 0, 20),
    "VisibilityTimeout": (30, 0, 43_200),
}
TYPED = {
    "DelaySeconds": "delay_seconds",
    "MaximumMessageSize": "maximum_message_size",
    "MessageRetentionPeriod": "message_retention_period",
    "ReceiveMessageWaitTimeSeconds": "receive_message_wait_time_seconds",
    "VisibilityTimeout": "visibility_timeout",
}


@pytest.mark.rule("SQS-080")
@pytest.mark.parametrize("kind", ["standard", "fifo"])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_have_their_default_and_travel_as_strings(sim, kind, name):
    default, low, high = NUMBERS[name]
    queue = make(sim, kind)
    assert str(default) == shown(queue)[name] == shown(queue, name)[name]
    assert default == getattr(queue, TYPED[name])
    for value in (low, high, low + 1, high - 1):
        queue.set_queue_attributes({name: str(value)})
        assert {name: str(value)} == shown(queue, name)
        assert value == getattr(queue, TYPED[name])
    queue.set_queue_attributes(**{TYPED[name]: low})
    assert {name: str(low)} == shown(queue, name)


@pytest.mark.rule("SQS-080", "SQS-082")
@pytest.mark.parametrize("name", [*NUMBERS, "KmsDataKeyReusePeriodSeconds"])
@pytest.mark.parametrize("place", ["create", "set"])
def test_a_number_out_of_its_range_or_no_number_is_refused(sim, name, place):
    _, low, high = {**NUMBERS, "KmsDataKeyReusePeriodSeconds": (300, 60, 86_400)}[name]
    queue = sim.create_queue("orders", attributes={name: str(low)})
    before = shown(queue)
    for value in (
        str(low - 1),
        str(high + 1),
        "-1",
        "x",
        f"{low}.0",
        f"{low}.5",
        f"{low}x",
        "1e3",
        "0x400",
        "true",
    ):
        with pytest.raises(InvalidAttributeValue) as caught:
            put(sim, queue, place, {name: value})
        assert INVALID.format(name) == caught.value.message
        assert "InvalidAttributeValue" == caught.value.code
    assert before == shown(queue)
    assert (queue,) == sim.queues


@pytest.mark.rule("SQS-082")
@pytest.mark.parametrize("name", NUMBERS)
def test_an_empty_text_is_no_number(queue, name):
    with pytest.raises(InvalidAttributeValue) as caught:
        queue.set_queue_attributes({name: ""})
    assert INVALID.format(name) == caught.value.message


@pytest.mark.rule("SQS-080")
@pytest.mark.parametrize(
    ("kind", "name", "default", "keyword"),
    [
        ("standard", "SqsManagedSseEnabled", "true", "sqs_managed_sse_enabled"),
        ("fifo", "SqsManagedSseEnabled", "true", "sqs_managed_sse_enabled"),
        ("fifo", "ContentBasedDeduplication", "false", "content_based_deduplication"),
    ],
)
def test_booleans_accept_any_case_and_are_returned_in_lower_case(sim, kind, name, default, keyword):
    queue = make(sim, kind)
    assert default == shown(queue)[name]
    for value in ("TRUE", "False", "tRuE", "false", "true", "FALSE"):
        queue.set_queue_attributes({name: value})
        assert {name: value.lower()} == shown(queue, name)
        assert getattr(queue, keyword) is (value.lower() == "true")
    queue.set_queue_attributes(**{keyword: True})
    assert {name: "true"} == shown(queue, name)
    for value in ("yes", "1", "0", "", " true", "truee"):
        with pytest.raises(InvalidAttributeValue) as caught:
            queue.set_queue_attributes({name: value})
        assert INVALID.format(name) == caught.value.message
    assert {name: "true"} == shown(queue, name)


@pytest.mark.rule("SQS-080", "SQS-082")
@pytest.mark.parametrize("value", ["yes", "1", "", "truee"])
def test_the_type_of_a_queue_is_a_boolean(sim, value):
    for name in ("orders", "orders.fifo"):
        with pytest.raises((InvalidAttributeValue, InvalidAttributeName, InvalidParameterValueException)):
            sim.create_queue(name, attributes={"FifoQueue": value})
    queue = sim.create_queue("orders.fifo", attributes={"FifoQueue": "TrUe"})
    assert {"FifoQueue": "true"} == shown(queue, "FifoQueue")
    with pytest.raises(InvalidAttributeValue) as caught:
        queue.set_queue_attributes({"FifoQueue": value})
    assert caught.value.message.startswith("Invalid value for the parameter FifoQueue.")


@pytest.mark.rule("SQS-080")
def test_words_have_their_default_and_no_other_values_than_theirs(sim):
    queue = make(sim, "fifo")
    assert {"DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"} == shown(
        queue, "DeduplicationScope", "FifoThroughputLimit"
    )
    assert ("queue", "perQueue") == (queue.deduplication_scope, queue.fifo_throughput_limit)
    queue.set_queue_attributes({"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"})
    assert {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"} == shown(
        queue, "DeduplicationScope", "FifoThroughputLimit"
    )
    for name, values in {
        "DeduplicationScope": ("Queue", "messagegroup", "", "perQueue"),
        "FifoThroughputLimit": ("perqueue", "permessagegroupid", "", "queue"),
    }.items():
        for value in values:
            with pytest.raises(InvalidAttributeValue) as caught:
                queue.set_queue_attributes({name: value})
            assert INVALID.format(name) == caught.value.message


@pytest.mark.rule("SQS-080", "SQS-086")
@pytest.mark.parametrize("kind", ["standard", "fifo"])
def test_policies_and_keys_are_unset_until_they_are_set(sim, kind):
    queue = make(sim, kind)
    names = ["Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"]
    assert {} == shown(queue, *names)
    assert all(
        getattr(queue, name) is None
        for name in ("policy", "redrive_policy", "redrive_allow_policy", "kms_master_key_id")
    )
    assert not set(names) & set(shown(queue))


READ_ONLY = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
]


@pytest.mark.rule("SQS-080", "SQS-082")
@pytest.mark.parametrize("kind", ["standard", "fifo"])
@pytest.mark.parametrize("name", [*READ_ONLY, "Nope", "visibilityTimeout", "All", ""])
def test_unknown_and_read_only_attributes_are_refused_by_name(sim, kind, name):
    queue = make(sim, kind)
    before = shown(queue)
    for call in (
        lambda: queue.set_queue_attributes({"VisibilityTimeout": "31", name: "1"}),
        lambda: make(Simulation(), kind, attributes={name: "1"}),
    ):
        with pytest.raises(InvalidAttributeName) as caught:
            call()
        assert UNKNOWN.format(name) == caught.value.message
        assert "InvalidAttributeName" == caught.value.code
    assert before == shown(queue)


@pytest.mark.rule("SQS-002", "SQS-080", "SQS-085")
@pytest.mark.parametrize(("at_us", "shown_s"), [(0, "100"), (999_999, "100"), (1_000_000, "101"), (2_500_000, "102")])
def test_time_stamps_of_a_queue_are_whole_seconds_of_the_epoch(at_us, shown_s):
    sim = Simulation(start="1970-01-01T00:01:00Z")
    sim.run(until_us=seconds(40) + at_us)
    queue = sim.create_queue("orders")
    assert {"CreatedTimestamp": shown_s, "LastModifiedTimestamp": shown_s} == shown(
        queue, "CreatedTimestamp", "LastModifiedTimestamp"
    )
    sim.run(until=60)
    queue.set_queue_attributes({"VisibilityTimeout": "30"})
    assert {"CreatedTimestamp": shown_s, "LastModifiedTimestamp": "120"} == shown(
        queue, "CreatedTimestamp", "LastModifiedTimestamp"
    )


@pytest.mark.rule("SQS-085", "SQS-622")
def test_a_refused_change_does_not_count_as_a_modification(sim, queue):
    before = shown(queue)
    sim.run(until=60)
    for attributes in ({"VisibilityTimeout": "x"}, {"Nope": "1"}, {}):
        with pytest.raises((InvalidAttributeValue, InvalidAttributeName, MissingRequiredParameterException)):
            queue.set_queue_attributes(attributes)
    assert before == shown(queue)


@pytest.mark.rule("SQS-080", "SQS-600")
@pytest.mark.parametrize("kind", ["standard", "fifo"])
def test_counts_are_strings_of_what_is_there(sim, kind):
    queue = make(sim, kind)
    fifo = {"message_deduplication_id": "d"} if kind == "fifo" else {}
    for number in range(3):
        if kind == "fifo":
            fifo = {"message_group_id": f"{number}", "message_deduplication_id": f"{number}"}
        queue.send_message("a", **fifo)
    queue.receive_message(max_number_of_messages=2)
    assert {
        "ApproximateNumberOfMessages": "1",
        "ApproximateNumberOfMessagesNotVisible": "2",
        "ApproximateNumberOfMessagesDelayed": "0",
    } == shown(queue, *READ_ONLY[:3])


# ---- the size


@pytest.mark.rule("SQS-081")
@pytest.mark.parametrize(("settings", "size"), [((), 1_048_576), ([SqsConfig(max_payload_bytes=262_144)], 262_144)])
@pytest.mark.parametrize("kind", ["standard", "fifo"])
def test_the_largest_payload_is_default_and_upper_bound(settings, size, kind):
    sim = Simulation(settings=settings)
    queue = make(sim, kind)
    assert str(size) == shown(queue)["MaximumMessageSize"]
    queue.set_queue_attributes({"MaximumMessageSize": str(size)})
    with pytest.raises(InvalidAttributeValue) as caught:
        queue.set_queue_attributes({"MaximumMessageSize": str(size + 1)})
    assert INVALID.format("MaximumMessageSize") == caught.value.message


# ---- the order of checks


@pytest.mark.rule("SQS-082")
@pytest.mark.parametrize("place", ["create", "set"])
def test_attributes_are_checked_in_sorted_order_and_the_first_failure_is_reported(sim, place):
    queue = sim.create_queue("orders")
    wrong = {
        "VisibilityTimeout": "-1",
        "SqsManagedSseEnabled": "x",
        "ReceiveMessageWaitTimeSeconds": "21",
        "QueueArn": "arn",
        "Nope": "1",
        "MessageRetentionPeriod": "59",
        "MaximumMessageSize": "1023",
        "DelaySeconds": "901",
        "ApproximateNumberOfMessages": "1",
    }
    for name in sorted(wrong):
        expected = UNKNOWN if name in {"QueueArn", "Nope", "ApproximateNumberOfMessages"} else INVALID
        with pytest.raises((InvalidAttributeName, InvalidAttributeValue)) as caught:
            put(sim, queue, place, wrong)
        assert expected.format(name) == caught.value.message
        del wrong[name]


# ---- types of queue


@pytest.mark.rule("SQS-083")
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FifoQueue", "true", UNKNOWN.format("FifoQueue")),
        ("FifoQueue", "false", UNKNOWN.format("FifoQueue")),
        ("ContentBasedDeduplication", "true", UNKNOWN.format("ContentBasedDeduplication")),
        ("ContentBasedDeduplication", "false", UNKNOWN.format("ContentBasedDeduplication")),
        (
            "DeduplicationScope",
            "queue",
            "You can specify the DeduplicationScope only when FifoQueue is set to true.",
        ),
        (
            "DeduplicationScope",
            "messageGroup",
            "You can specify the DeduplicationScope only when FifoQueue is set to true.",
        ),
        (
            "FifoThroughputLimit",
            "perQueue",
            "You can specify the FifoThroughputLimit only when FifoQueue is set to true.",
        ),
    ],
)
def test_a_standard_queue_has_no_attributes_of_fifo_queues(sim, name, value, message):
    queue = sim.create_queue("orders")
    before = shown(queue)
    calls = [lambda: queue.set_queue_attributes({name: value})]
    if (name, value) != ("FifoQueue", "true"):
        calls.append(lambda: sim.create_queue("other", attributes={name: value}))
    for call in calls:
        with pytest.raises(InvalidAttributeName) as caught:
            call()
        assert message == caught.value.message
    assert before == shown(queue)
    assert (queue,) == sim.queues


PER_GROUP = (
    "Invalid value for the parameter FifoThroughputLimit. Reason: The perMessageGroupId value is allowed only when the "
    "value for DeduplicationScope is messageGroup."
)


@pytest.mark.rule("SQS-084")
@pytest.mark.parametrize(
    ("before", "change", "is_legal"),
    [
        ({}, {"FifoThroughputLimit": "perMessageGroupId"}, False),
        ({}, {"FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "queue"}, False),
        ({}, {"FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "messageGroup"}, True),
        ({"DeduplicationScope": "messageGroup"}, {"FifoThroughputLimit": "perMessageGroupId"}, True),
        ({}, {"FifoThroughputLimit": "perQueue", "DeduplicationScope": "messageGroup"}, True),
        ({}, {"FifoThroughputLimit": "perQueue"}, True),
        ({}, {"DeduplicationScope": "messageGroup"}, True),
        (
            {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"},
            {"DeduplicationScope": "queue"},
            False,
        ),
        (
            {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"},
            {"DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"},
            True,
        ),
    ],
)
def test_the_limit_per_group_needs_the_scope_of_the_group(sim, before, change, is_legal):
    queue = make(sim, "fifo", attributes=before)
    attributes = shown(queue)
    if is_legal:
        queue.set_queue_attributes(change)
        assert {**attributes, **change} == shown(queue)
    else:
        with pytest.raises(InvalidAttributeValue) as caught:
            queue.set_queue_attributes(change)
        assert PER_GROUP == caught.value.message
        assert attributes == shown(queue)
        with pytest.raises(InvalidAttributeValue) as caught:
            sim.create_queue("other.fifo", attributes={"FifoQueue": "true", **before, **change})
        assert PER_GROUP == caught.value.message


@pytest.mark.rule("SQS-087")
def test_setting_the_type_of_a_fifo_queue_to_what_it_is_succeeds_and_to_anything_else_does_not(sim):
    queue = make(sim, "fifo")
    before = shown(queue)
    for value in ("true", "TRUE"):
        queue.set_queue_attributes({"FifoQueue": value})
        assert before == shown(queue)
    for value in ("false", "False"):
        with pytest.raises(InvalidAttributeValue) as caught:
            queue.set_queue_attributes({"FifoQueue": value, "DelaySeconds": "7"})
        assert (
            "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."
            == caught.value.message
        )
    assert before == shown(queue)


# ---- SetQueueAttributes


@pytest.mark.rule("SQS-085")
@pytest.mark.parametrize("attributes", [{}, None])
def test_a_change_needs_an_attribute(queue, attributes):
    with pytest.raises(MissingRequiredParameterException) as caught:
        queue.set_queue_attributes(attributes)
    assert "The request must contain the parameter Attribute.Name." == caught.value.message
    assert "MissingParameter" == caught.value.code


@pytest.mark.rule("SQS-085", "SQS-622")
def test_attributes_are_all_validated_before_any_is_applied(queue):
    before = shown(queue)
    with pytest.raises(InvalidAttributeValue):
        queue.set_queue_attributes({"DelaySeconds": "1", "MaximumMessageSize": "2000", "VisibilityTimeout": "-1"})
    assert before == shown(queue)
    queue.set_queue_attributes({"DelaySeconds": "1", "MaximumMessageSize": "2000", "VisibilityTimeout": "1"})
    assert {**before, "DelaySeconds": "1", "MaximumMessageSize": "2000", "VisibilityTimeout": "1"} == shown(queue)


@pytest.mark.rule("SQS-086")
@pytest.mark.parametrize(
    ("name", "keyword", "text"),
    [
        ("Policy", "policy", '{"Version": "2008-10-17", "Statement": []}'),
        (
            "RedrivePolicy",
            "redrive_policy",
            '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dlq", "maxReceiveCount": 3}',
        ),
        ("RedriveAllowPolicy", "redrive_allow_policy", '{ "redrivePermission": "denyAll" }'),
    ],
)
def test_an_empty_text_removes_a_policy_that_is_set_or_not(sim, queue, name, keyword, text):
    sim.create_queue("dlq")
    before = shown(queue)
    queue.set_queue_attributes({name: ""})
    assert before == shown(queue)
    for remove in (
        lambda: queue.set_queue_attributes({name: ""}),
        lambda: queue.set_queue_attributes(**{keyword: None}),
    ):
        queue.set_queue_attributes({name: text})
        assert {**before, name: text} == shown(queue)
        remove()
        assert before == shown(queue)
        assert getattr(queue, keyword) is None


@pytest.mark.rule("SQS-082")
@pytest.mark.parametrize(
    "parameters", [{"visibility_timeout": 30.5}, {"delay_seconds": True}, {"visibility_timeout": "x"}, {"policy": 3}]
)
def test_keywords_of_a_change_are_checked_as_texts_are(queue, parameters):
    before = shown(queue)
    with pytest.raises((ParamValidationError, InvalidAttributeValue)):
        queue.set_queue_attributes(**parameters)
    assert before == shown(queue)


@pytest.mark.parametrize("attributes", [{"VisibilityTimeout": 30}, {1: "30"}, [("VisibilityTimeout", "30")], "x"])
def test_a_map_of_attributes_has_texts_only(sim, queue, attributes):
    for call in (
        lambda: queue.set_queue_attributes(attributes),
        lambda: sim.create_queue("other", attributes=attributes),
    ):
        with pytest.raises(ParamValidationError):
            call()
    assert (queue,) == sim.queues


# ---- GetQueueAttributes


@pytest.mark.rule("SQS-088")
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], set()),
        (["All"], FRESH),
        (["VisibilityTimeout", "All"], FRESH),
        (["VisibilityTimeout"], {"VisibilityTimeout"}),
        (["VisibilityTimeout", "VisibilityTimeout", "QueueArn"], {"VisibilityTimeout", "QueueArn"}),
        (["Policy", "RedrivePolicy", "RedriveAllowPolicy"], set()),
        (["KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"], set()),
        (["FifoQueue", "ContentBasedDeduplication"], set()),
        (["DeduplicationScope", "FifoThroughputLimit", "DelaySeconds"], {"DelaySeconds"}),
    ],
)
def test_the_attributes_that_are_named_and_set_are_shown(queue, names, expected):
    assert expected == set(queue.get_queue_attributes(names).attributes)
    assert not queue.get_queue_attributes().attributes


@pytest.mark.rule("SQS-088")
@pytest.mark.parametrize("name", ["Nope", "", "all", "visibilityTimeout", "SenderId"])
def test_an_unknown_attribute_is_refused(queue, name):
    for names in ([name], ["VisibilityTimeout", name], ["All", name]):
        with pytest.raises(InvalidAttributeName) as caught:
            queue.get_queue_attributes(names)
        assert UNKNOWN.format(name) == caught.value.message


@pytest.mark.rule("SQS-089")
def test_a_fresh_standard_queue_shows_twelve_attributes(queue):
    assert 12 == len(FRESH)
    assert set(shown(queue)) == FRESH
    assert all(isinstance(value, str) for value in shown(queue).values())


@pytest.mark.rule("SQS-089")
def test_a_fresh_fifo_queue_shows_four_more(sim):
    queue = sim.create_queue("orders.fifo")
    assert FRESH | FIFO_ONLY == set(shown(queue))
    assert {
        "FifoQueue": "true",
        "ContentBasedDeduplication": "false",
        "DeduplicationScope": "queue",
        "FifoThroughputLimit": "perQueue",
    } == shown(queue, *FIFO_ONLY)


@pytest.mark.rule("SQS-089", "SQS-090")
def test_the_attributes_of_a_key_are_shown_once_a_key_is_set(queue):
    queue.set_queue_attributes({"KmsDataKeyReusePeriodSeconds": "600"})
    assert set(shown(queue)) == FRESH
    queue.set_queue_attributes({"KmsMasterKeyId": "alias/key"})
    assert {*FRESH, "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"} == set(shown(queue))
    assert {"KmsMasterKeyId": "alias/key", "KmsDataKeyReusePeriodSeconds": "600"} == shown(
        queue, "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"
    )


@pytest.mark.rule("SQS-080", "SQS-089")
def test_the_default_of_the_reuse_period_is_300_seconds(sim):
    queue = sim.create_queue("orders", attributes={"KmsMasterKeyId": "alias/key"})
    assert {"KmsDataKeyReusePeriodSeconds": "300"} == shown(queue, "KmsDataKeyReusePeriodSeconds")
    for value in ("60", "86400"):
        queue.set_queue_attributes({"KmsDataKeyReusePeriodSeconds": value})
        assert {"KmsDataKeyReusePeriodSeconds": value} == shown(queue, "KmsDataKeyReusePeriodSeconds")


# ---- encryption


@pytest.mark.rule("SQS-090")
def test_a_key_turns_the_encryption_by_sqs_off_for_good(queue):
    assert "true" == shown(queue)["SqsManagedSseEnabled"]
    queue.set_queue_attributes({"KmsMasterKeyId": "alias/key"})
    assert "false" == shown(queue)["SqsManagedSseEnabled"]
    queue.set_queue_attributes({"KmsMasterKeyId": ""})
    assert set(shown(queue)) == FRESH
    assert "false" == shown(queue)["SqsManagedSseEnabled"]
    queue.set_queue_attributes({"SqsManagedSseEnabled": "true"})
    assert "true" == shown(queue)["SqsManagedSseEnabled"]


@pytest.mark.rule("SQS-090")
@pytest.mark.parametrize("place", ["create", "set"])
def test_both_kinds_of_encryption_in_one_call_are_refused(sim, queue, place):
    before = shown(queue)
    attributes = {"KmsMasterKeyId": "alias/key", "SqsManagedSseEnabled": "true"}
    with pytest.raises(InvalidAttributeName) as caught:
        put(sim, queue, place, attributes)
    assert ONE_ENCRYPTION == caught.value.message
    assert before == shown(queue)
    assert (queue,) == sim.queues


@pytest.mark.rule("SQS-090")
def test_a_key_with_the_other_kind_switched_off_is_legal(sim):
    attributes = {"KmsMasterKeyId": "alias/key", "SqsManagedSseEnabled": "false"}
    queue = sim.create_queue("orders", attributes=attributes)
    assert attributes == shown(queue, *attributes)
    queue.send_message("not encrypted")
    assert ["not encrypted"] == bodies(queue.receive_message())


# ---- what a change does to messages that are there


@pytest.mark.rule("SQS-092")
@pytest.mark.parametrize(("new_s", "kind"), [(1, "standard"), (100, "standard"), (0, "standard"), (1, "fifo")])
def test_a_change_of_the_visibility_timeout_holds_for_later_receives_only(sim, kind, new_s):
    queue = make(sim, kind, attributes={"VisibilityTimeout": "10"})
    fifo = {"message_group_id": "g", "message_deduplication_id": "d"} if kind == "fifo" else {}
    queue.send_message("a", **fifo)
    queue.receive_message()
    sim.run(until=1)
    queue.set_queue_attributes({"VisibilityTimeout": str(new_s)})
    sim.run(until_us=seconds(10) - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run(until=10)
    assert (1, 0, 0) == counts(queue)
    queue.receive_message()
    if new_s:
        sim.run(until_us=seconds(10 + new_s) - 1)
        assert (0, 1, 0) == counts(queue)
    sim.run(until=10 + new_s)
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-092", "SQS-400")
@pytest.mark.parametrize("kind", ["standard", "fifo"])
@pytest.mark.parametrize(("off_us", "left"), [(-1, 3), (0, 0), (1, 0)])
def test_a_shorter_retention_expires_messages_at_once_in_whatever_state(sim, kind, off_us, left):
    queue = make(sim, kind)
    for number in range(3):
        fifo = {"message_group_id": f"{number}", "message_deduplication_id": f"{number}"} if kind == "fifo" else {}
        queue.send_message("a", **fifo)
        if number == 0:
            queue.receive_message(visibility_timeout=1_000)
        if number == 1:
            queue.set_queue_attributes({"DelaySeconds": "900"})
    assert (1, 1, 1) == counts(queue)
    sim.run(until_us=seconds(100) + off_us)
    queue.set_queue_attributes({"MessageRetentionPeriod": "100"})
    assert (left, 3 - left) == (queue.snapshot().total, queue.snapshot().expired)
    sim.run(until=101)
    assert 0 == queue.snapshot().total
    sim.check_invariants()


@pytest.mark.rule("SQS-092", "SQS-400")
def test_a_longer_retention_keeps_what_is_there(sim):
    queue = sim.create_queue("orders", message_retention_period=60)
    queue.send_message("a")
    sim.run(until_us=seconds(60) - 1)
    queue.set_queue_attributes({"MessageRetentionPeriod": "100"})
    sim.run(until_us=seconds(100) - 1)
    assert 1 == queue.snapshot().visible
    sim.run(until=100)
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-092", "SQS-208", "SQS-400")
def test_a_waiting_poll_gets_the_group_that_a_shorter_retention_unblocks(sim):
    queue = make(sim, "fifo")
    queue.send_message("old", message_group_id="g", message_deduplication_id="1")
    queue.receive_message(visibility_timeout=1_000)
    sim.run(until=95)
    queue.send_message("new", message_group_id="g", message_deduplication_id="2")
    sim.call_at(100, queue.set_queue_attributes, {"MessageRetentionPeriod": "100"})
    assert ["new"] == bodies(queue.receive_message(wait_time_seconds=20))
    assert 100.0 == sim.now


@pytest.mark.rule("SQS-092")
@pytest.mark.parametrize("new_s", [0, 5, 100])
def test_a_change_of_the_delay_of_a_standard_queue_holds_for_later_sends_only(sim, new_s):
    queue = make(sim, "standard", attributes={"DelaySeconds": "10"})
    queue.send_message("a")
    sim.run(until=1)
    queue.set_queue_attributes({"DelaySeconds": str(new_s)})
    sim.run(until_us=seconds(10) - 1)
    assert (0, 0, 1) == counts(queue)
    sim.run(until=10)
    assert (1, 0, 0) == counts(queue)
    queue.send_message("b")
    if new_s:
        sim.run(until_us=seconds(10 + new_s) - 1)
        assert (1, 0, 1) == counts(queue)
    sim.run(until=10 + new_s)
    assert (2, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-092")
@pytest.mark.parametrize(("new_s", "first_s"), [(0, 7), (5, 7), (7, 7), (8, 8), (10, 10), (100, 100)])
def test_a_change_of_the_delay_of_a_fifo_queue_counts_from_the_send_of_each_delayed_message(sim, new_s, first_s):
    queue = make(sim, "fifo", attributes={"DelaySeconds": "10"})
    queue.send_message("a", message_group_id="a", message_deduplication_id="a")
    sim.run(until=7)
    queue.set_queue_attributes({"DelaySeconds": str(new_s)})
    if first_s > 7:
        assert (0, 0, 1) == counts(queue)
        sim.run(until_us=seconds(first_s) - 1)
        assert (0, 0, 1) == counts(queue)
        assert [] == queue.receive_message()
        sim.run(until=first_s)
    assert (1, 0, 0) == counts(queue)
    assert ["a"] == bodies(queue.receive_message())
    sim.check_invariants()


@pytest.mark.rule("SQS-092")
def test_a_change_of_the_delay_of_a_fifo_queue_does_not_delay_what_is_available_already(sim):
    queue = make(sim, "fifo", attributes={"DelaySeconds": "5"})
    for body in "ab":
        queue.send_message(body, message_group_id=body, message_deduplication_id=body)
    sim.run(until=5)
    assert ["a"] == bodies(queue.receive_message(visibility_timeout=2))
    queue.set_queue_attributes({"DelaySeconds": "900"})
    assert (1, 1, 0) == counts(queue)
    sim.run(until=7)
    assert (2, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-092", "SQS-208")
def test_a_waiting_poll_gets_what_a_shorter_delay_of_a_fifo_queue_makes_available(sim):
    queue = make(sim, "fifo", attributes={"DelaySeconds": "100"})
    queue.send_message("a", message_group_id="g", message_deduplication_id="1")
    queue.send_message("b", message_group_id="h", message_deduplication_id="2")
    sim.call_at(3, queue.set_queue_attributes, {"DelaySeconds": "2"})
    assert ["a", "b"] == bodies(queue.receive_message(wait_time_seconds=20, max_number_of_messages=10))
    assert 3.0 == sim.now


@pytest.mark.rule("SQS-092")
def test_a_change_of_the_size_holds_for_later_sends_only(sim, queue):
    queue.send_message("x" * 2_000)
    queue.set_queue_attributes({"MaximumMessageSize": "1024"})
    assert 1 == queue.snapshot().visible
    with pytest.raises(InvalidParameterValueException, match="shorter than 1024 bytes"):
        queue.send_message("x" * 1_025)
    queue.send_message("x" * 1_024)
    assert [2_000, 1_024] == [len(delivery.body) for delivery in queue.receive_message(max_number_of_messages=10)]


@pytest.mark.rule("SQS-092", "SQS-207")
@pytest.mark.parametrize(("old_s", "new_s"), [(10, 1), (10, 20), (10, 0)])
def test_a_change_of_the_wait_leaves_polls_that_wait_already_alone(sim, old_s, new_s):
    queue = sim.create_queue("orders", receive_message_wait_time_seconds=old_s)
    log = []

    async def listen():
        await queue.wait_receive()
        log.append(sim.now)

    sim.spawn(listen())
    sim.call_at(0.5, queue.set_queue_attributes, {"ReceiveMessageWaitTimeSeconds": str(new_s)})
    sim.call_at(30, lambda: sim.spawn(listen()))
    sim.run()
    assert [old_s, 30 + new_s] == log


@pytest.mark.rule("SQS-092", "SQS-438")
@pytest.mark.parametrize(
    ("before", "after", "is_moved"),
    [(None, 2, True), (None, 3, False), (3, 2, True), (2, 3, False), (2, None, False), (2, 2, True)],
)
def test_a_change_of_the_redrive_policy_looks_at_the_counts_that_are_there(sim, before, after, is_moved):
    dlq = sim.create_queue("dlq")
    policy = {count: RedrivePolicy(dlq, count) if count else None for count in (None, 2, 3)}
    queue = sim.create_queue("orders", visibility_timeout=0, redrive_policy=policy[before])
    queue.send_message("a")
    for _ in range(2):
        queue.receive_message()
    queue.set_queue_attributes(redrive_policy=policy[after])
    assert (1, 0) == (queue.snapshot().visible, dlq.snapshot().visible)
    assert (0 if is_moved else 1) == len(queue.receive_message())
    assert is_moved == dlq.snapshot().visible


@pytest.mark.rule("SQS-092", "SQS-343")
def test_a_change_of_content_based_deduplication_holds_for_later_sends_and_keeps_the_memory(sim):
    queue = make(sim, "fifo", attributes={"ContentBasedDeduplication": "true"})
    first = queue.send_message("a", message_group_id="g")
    queue.set_queue_attributes({"ContentBasedDeduplication": "false"})
    with pytest.raises(InvalidParameterValueException, match="ContentBasedDeduplication enabled"):
        queue.send_message("a", message_group_id="g")
    queue.set_queue_attributes({"ContentBasedDeduplication": "true"})
    sim.run(until_us=seconds(300) - 1)
    assert first.message_id == queue.send_message("a", message_group_id="g").message_id
    assert 1 == queue.snapshot().sent
    sim.run(until=300)
    assert first.message_id != queue.send_message("a", message_group_id="g").message_id


# ---- propagation


def change_after_10(kind, change, attributes=None, **faults):
    """Return a simulation, ten seconds after whose start the queue was changed."""
    sim = Simulation(faults=SqsFaults(**faults))
    queue = make(sim, kind, attributes=attributes or {})
    sim.run(until=10)
    queue.set_queue_attributes(change)
    assert change == shown(queue, *change)
    return sim, queue


@pytest.mark.rule("SQS-091")
@pytest.mark.parametrize(("off_us", "expected_s"), [(-1, 30), (0, 5), (1, 5)])
def test_a_visibility_timeout_is_shown_at_once_and_holds_later(off_us, expected_s):
    sim, queue = change_after_10("standard", {"VisibilityTimeout": "5"}, attribute_propagation_s=60)
    assert 5 == queue.visibility_timeout
    queue.send_message("a")
    sim.run(until_us=seconds(70) + off_us)
    queue.receive_message()
    sim.run(until_us=seconds(70 + expected_s) + off_us - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run_for(0.000_001)
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-091")
@pytest.mark.parametrize(("off_us", "expected"), [(-1, (1, 0, 0)), (0, (0, 0, 1)), (1, (0, 0, 1))])
def test_a_delay_holds_when_it_has_spread(off_us, expected):
    sim, queue = change_after_10("standard", {"DelaySeconds": "5"}, attribute_propagation_s=60)
    sim.run(until_us=seconds(70) + off_us)
    queue.send_message("a")
    assert expected == counts(queue)


@pytest.mark.rule("SQS-091", "SQS-092")
@pytest.mark.parametrize("kind", ["standard", "fifo"])
def test_the_delay_of_messages_that_are_there_changes_when_it_has_spread(kind):
    sim = Simulation(faults=SqsFaults(attribute_propagation_s=60))
    queue = make(sim, kind, attributes={"DelaySeconds": "100"})
    fifo = {"message_group_id": "g", "message_deduplication_id": "d"} if kind == "fifo" else {}
    queue.send_message("a", **fifo)
    sim.run(until=10)
    queue.set_queue_attributes({"DelaySeconds": "0"})
    sim.run(until_us=seconds(70) - 1)
    assert (0, 0, 1) == counts(queue)
    sim.run(until=70)
    assert ((1, 0, 0) if kind == "fifo" else (0, 0, 1)) == counts(queue)


@pytest.mark.rule("SQS-091")
@pytest.mark.parametrize(("off_us", "is_accepted"), [(-1, True), (0, False)])
def test_a_size_holds_when_it_has_spread(off_us, is_accepted):
    sim, queue = change_after_10("standard", {"MaximumMessageSize": "1024"}, attribute_propagation_s=60)
    sim.run(until_us=seconds(70) + off_us)
    if is_accepted:
        queue.send_message("x" * 1_025)
    else:
        with pytest.raises(InvalidParameterValueException, match="1024"):
            queue.send_message("x" * 1_025)


@pytest.mark.rule("SQS-091")
@pytest.mark.parametrize(("off_us", "wait_s"), [(-1, 0), (0, 7)])
def test_a_wait_holds_when_it_has_spread(off_us, wait_s):
    sim, queue = change_after_10("standard", {"ReceiveMessageWaitTimeSeconds": "7"}, attribute_propagation_s=60)
    sim.run(until_us=seconds(70) + off_us)
    assert [] == queue.receive_message()
    assert seconds(70 + wait_s) + off_us == sim.now_us


@pytest.mark.rule("SQS-091")
@pytest.mark.parametrize(("off_us", "is_moved"), [(-1, False), (0, True)])
def test_a_redrive_policy_holds_when_it_has_spread(off_us, is_moved):
    sim = Simulation(faults=SqsFaults(attribute_propagation_s=60))
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=0)
    queue.send_message("a")
    queue.receive_message()
    sim.run(until=10)
    queue.set_queue_attributes(redrive_policy=RedrivePolicy(dlq, 1))
    assert queue.redrive_policy is not None
    sim.run(until_us=seconds(70) + off_us)
    assert (not is_moved) == len(queue.receive_message())
    assert is_moved == dlq.snapshot().visible


@pytest.mark.rule("SQS-091")
@pytest.mark.parametrize(("off_us", "is_accepted"), [(-1, False), (0, True)])
def test_content_based_deduplication_holds_when_it_has_spread(off_us, is_accepted):
    sim, queue = change_after_10("fifo", {"ContentBasedDeduplication": "true"}, attribute_propagation_s=60)
    sim.run(until_us=seconds(70) + off_us)
    if is_accepted:
        queue.send_message("a", message_group_id="g")
    else:
        with pytest.raises(InvalidParameterValueException):
            queue.send_message("a", message_group_id="g")


@pytest.mark.rule("SQS-091", "SQS-400")
@pytest.mark.parametrize("retention_propagation_s", [0, 60, 900])
def test_a_retention_has_a_delay_of_its_own(retention_propagation_s):
    sim, queue = change_after_10(
        "standard",
        {"MessageRetentionPeriod": "60"},
        attribute_propagation_s=30,
        retention_propagation_s=retention_propagation_s,
    )
    sim.run(until=11)
    queue.send_message("a")
    gone_at_s = max(71, 10 + retention_propagation_s)
    sim.run(until_us=seconds(gone_at_s) - 1)
    assert (1, 0, 0) == counts(queue)
    sim.run(until=gone_at_s)
    assert (0, 0, 0) == counts(queue)
    assert 1 == queue.snapshot().expired


@pytest.mark.rule("SQS-091", "SQS-400")
def test_a_longer_retention_that_spreads_late_does_not_save_a_message():
    sim = Simulation(faults=SqsFaults(retention_propagation_s=900))
    queue = sim.create_queue("orders", message_retention_period=60)
    queue.send_message("a")
    queue.set_queue_attributes({"MessageRetentionPeriod": "100"})
    sim.run(until=60)
    assert 1 == queue.snapshot().expired


@pytest.mark.rule("SQS-091")
@pytest.mark.parametrize(
    ("at_us", "delay_s"),
    [(seconds(70) - 1, 0), (seconds(70), 5), (seconds(100) - 1, 5), (seconds(100), 7)],
)
def test_changes_that_follow_one_another_spread_one_after_the_other(at_us, delay_s):
    sim, queue = change_after_10("standard", {"DelaySeconds": "5"}, attribute_propagation_s=60)
    sim.run(until=40)
    queue.set_queue_attributes({"DelaySeconds": "7"})
    sim.run(until_us=at_us)
    assert {"DelaySeconds": "7"} == shown(queue, "DelaySeconds")
    queue.send_message("a")
    if delay_s:
        sim.run(until_us=at_us + seconds(delay_s) - 1)
        assert (0, 0, 1) == counts(queue)
    sim.run(until_us=at_us + seconds(delay_s))
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-091")
def test_without_the_knobs_a_change_holds_at_once(sim, queue):
    queue.send_message("a")
    queue.set_queue_attributes({"DelaySeconds": "5", "VisibilityTimeout": "3", "MessageRetentionPeriod": "60"})
    queue.send_message("b")
    queue.receive_message()
    assert (0, 1, 1) == counts(queue)
    sim.run(until=3)
    assert (1, 0, 1) == counts(queue)
    sim.run(until=60)
    assert (0, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-080")
def test_a_queue_with_a_clock_alone_takes_the_same_keywords():
    queue = Queue("orders.fifo", Clock(), content_based_deduplication=True, delay_seconds=3)
    assert {"ContentBasedDeduplication": "true", "DelaySeconds": "3", "FifoQueue": "true"} == shown(
        queue, "ContentBasedDeduplication", "DelaySeconds", "FifoQueue"
    )


@pytest.mark.rule("SQS-091", "SQS-063", "SQS-436")
@pytest.mark.parametrize("pending", ["the policy", "another attribute"])
def test_a_change_on_its_way_does_not_lead_back_to_a_dead_letter_queue_that_is_gone(pending):
    sim = Simulation(faults=SqsFaults(attribute_propagation_s=60), settings=[SqsConfig(recreate_wait_s=0)])
    dlq = sim.create_queue("dlq")
    policy = RedrivePolicy(dlq, 1)
    queue = sim.create_queue("orders", visibility_timeout=0, redrive_policy=None if pending == "the policy" else policy)
    if pending == "the policy":
        queue.set_queue_attributes(redrive_policy=policy)
    else:
        queue.set_queue_attributes({"DelaySeconds": "0"})
    sim.run(until=10)
    dlq.delete_queue()
    sim.run(until=20)
    again = sim.create_queue("dlq")
    sim.run(until=70)
    queue.send_message("a")
    queue.receive_message()
    assert [] == queue.receive_message()
    assert ["a"] == [message.body for message in again.messages]
    sim.check_invariants()
