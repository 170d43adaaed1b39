"""SQS §2 to §4: names, URLs, ARNs, identifiers, what `create_queue` takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import Clock, Queue, RedrivePolicy, Simulation, SqsConfig
from lambdasim.errors import UsageError
from lambdasim.errors.sqs import (
    InvalidAddress,
    InvalidAttributeValue,
    InvalidParameterValueException,
    QueueDoesNotExist,
    QueueNameExists,
)
from tests.strategies import queue_attributes, queue_names

NAME_ERROR = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
FIFO_NAME_ERROR = (
    "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo "
    "suffix and be 1 to 80 in length"
)
LEGAL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


# ---- names


@pytest.mark.rule("SQS-020")
@given(queue_names)
def test_a_name_has_up_to_80_letters_digits_underscores_and_hyphens(name):
    assert name == Simulation().create_queue(name).name


@pytest.mark.rule("SQS-020")
def test_every_legal_character_may_be_in_a_name(sim):
    assert 64 == len(LEGAL)
    for character in sorted(LEGAL):
        sim.create_queue(character)
    assert sorted(LEGAL) == [queue.name for queue in sim.queues]


@pytest.mark.rule("SQS-020", "SQS-027")
@pytest.mark.parametrize(("length", "is_legal"), [(0, False), (1, True), (79, True), (80, True), (81, False)])
def test_a_name_has_1_to_80_characters(sim, length, is_legal):
    name = "q" * length
    if is_legal:
        assert name == sim.create_queue(name).name
    else:
        with pytest.raises(InvalidParameterValueException) as caught:
            sim.create_queue(name)
        assert NAME_ERROR == caught.value.message


@pytest.mark.rule("SQS-020", "SQS-027")
@given(st.characters().filter(lambda character: character not in LEGAL), st.booleans())
def test_any_other_character_is_refused(character, is_last):
    sim = Simulation()
    with pytest.raises(InvalidParameterValueException) as caught:
        sim.create_queue(f"orders{character}" if is_last else f"{character}orders")
    assert NAME_ERROR == caught.value.message
    assert "InvalidParameterValue" == caught.value.code
    assert () == sim.queues


@pytest.mark.rule("SQS-020")
def test_names_differ_by_case(sim):
    assert sim.create_queue("orders") is not sim.create_queue("Orders")
    assert sim.queue("Orders").name == "Orders"


@pytest.mark.rule("SQS-020")
def test_a_name_is_unique_per_account_and_region(sim):
    places = [{}, {"region": "eu-west-1"}, {"account_id": "111122223333"}]
    here, *elsewhere = [sim.create_queue("orders", **place) for place in places]
    assert 3 == len({queue.arn for queue in (here, *elsewhere)})
    assert here is sim.queue("orders")
    for queue, place in zip((here, *elsewhere), places, strict=True):
        queue.send_message(queue.arn)
        assert queue is sim.create_queue("orders", **place)
        assert [queue.arn] == [message.body for message in queue.messages]
    assert 3 == len(sim.queues)


@pytest.mark.rule("SQS-021")
@given(queue_names.map(lambda name: f"{name[:75]}.fifo"))
def test_a_fifo_queue_has_the_suffix_after_a_name_of_up_to_75_characters(name):
    queue = Simulation().create_queue(name)
    assert name == queue.name
    assert queue.fifo_queue is True
    assert "true" == queue.get_queue_attributes(["FifoQueue"]).attributes["FifoQueue"]


@pytest.mark.rule("SQS-021", "SQS-027")
@pytest.mark.parametrize(("length", "is_legal"), [(0, False), (1, True), (74, True), (75, True), (76, False)])
def test_the_suffix_counts_towards_the_80_characters(sim, length, is_legal):
    name = "q" * length + ".fifo"
    if is_legal:
        assert name == sim.create_queue(name, attributes={"FifoQueue": "true"}).name
    else:
        with pytest.raises(InvalidParameterValueException) as caught:
            sim.create_queue(name, attributes={"FifoQueue": "true"})
        assert FIFO_NAME_ERROR == caught.value.message


@pytest.mark.rule("SQS-021", "SQS-027")
@pytest.mark.parametrize("name", ["a.b", "a.b.fifo", "orders.fifo.fifo", "a.fifob", "orders.FIFO", "orders.fifo ", "."])
def test_the_dot_is_legal_nowhere_else(sim, name):
    with pytest.raises(InvalidParameterValueException):
        sim.create_queue(name)
    assert () == sim.queues


@pytest.mark.rule("SQS-027")
@pytest.mark.parametrize(
    ("name", "attributes", "message"),
    [
        ("orders.fifo", {}, NAME_ERROR),
        ("orders.fifo", {"VisibilityTimeout": "30"}, NAME_ERROR),
        ("", {}, NAME_ERROR),
        ("a b", {}, NAME_ERROR),
        ("q" * 81, {}, NAME_ERROR),
        ("orders", {"FifoQueue": "true"}, FIFO_NAME_ERROR),
        ("orders.fif", {"FifoQueue": "true"}, FIFO_NAME_ERROR),
        ("orders-fifo", {"FifoQueue": "TRUE"}, FIFO_NAME_ERROR),
        ("", {"FifoQueue": "true"}, FIFO_NAME_ERROR),
        ("a b.fifo", {"FifoQueue": "true"}, FIFO_NAME_ERROR),
    ],
)
def test_the_suffix_and_the_attribute_go_together(sim, name, attributes, message):
    with pytest.raises(InvalidParameterValueException) as caught:
        sim.create_queue(name, attributes=attributes)
    assert message == caught.value.message
    assert "InvalidParameterValue" == caught.value.code
    assert () == sim.queues


@pytest.mark.rule("SQS-027")
def test_a_fifo_queue_asked_for_by_keyword_needs_the_suffix(sim):
    with pytest.raises(InvalidParameterValueException) as caught:
        sim.create_queue("orders", fifo_queue=True)
    assert FIFO_NAME_ERROR == caught.value.message
    assert sim.create_queue("orders.fifo", fifo_queue=True) is sim.create_queue("orders.fifo")


# ---- URLs and ARNs

PARTITIONS = [
    ("us-east-1", "aws", ""),
    ("eu-central-1", "aws", ""),
    ("cn-north-1", "aws-cn", ".cn"),
    ("cn-northwest-1", "aws-cn", ".cn"),
    ("us-gov-west-1", "aws-us-gov", ""),
]


@pytest.mark.rule("SQS-022", "SQS-023")
@pytest.mark.parametrize(("region", "partition", "suffix"), PARTITIONS)
def test_url_and_arn_name_region_account_and_queue(region, partition, suffix):
    queue = Simulation(region=region, account_id="111122223333").create_queue("orders")
    assert f"https://sqs.{region}.amazonaws.com{suffix}/111122223333/orders" == queue.url
    assert f"arn:{partition}:sqs:{region}:111122223333:orders" == queue.arn


@pytest.mark.rule("SQS-022", "SQS-023")
def test_a_queue_with_settings_of_its_own_stays_in_region_and_account_of_the_simulation():
    sim = Simulation(region="eu-west-1", account_id="111122223333")
    queue = sim.create_queue("orders", settings=[SqsConfig(stale_delete="delete")])
    assert "arn:aws:sqs:eu-west-1:111122223333:orders" == queue.arn
    assert "https://sqs.eu-west-1.amazonaws.com/111122223333/orders" == queue.url


@pytest.mark.rule("SQS-022", "SQS-023")
@pytest.mark.parametrize(("region", "partition", "suffix"), PARTITIONS)
def test_a_queue_may_be_made_in_another_region_and_account(sim, region, partition, suffix):
    queue = sim.create_queue("orders.fifo", region=region, account_id="111122223333")
    assert f"https://sqs.{region}.amazonaws.com{suffix}/111122223333/orders.fifo" == queue.url
    assert f"arn:{partition}:sqs:{region}:111122223333:orders.fifo" == queue.arn
    assert queue.arn == queue.get_queue_attributes(["QueueArn"]).attributes["QueueArn"]


@pytest.mark.rule("SQS-023")
def test_a_queue_without_a_simulation_has_the_default_account():
    assert "arn:aws:sqs:us-east-1:123456789012:orders" == Queue("orders", Clock()).arn


@pytest.mark.rule("SQS-024")
@pytest.mark.parametrize(
    "ref",
    [
        "orders",
        "arn:aws:sqs:us-east-1:123456789012:orders",
        "https://sqs.us-east-1.amazonaws.com/123456789012/orders",
        "https://sqs.us-east-1.amazonaws.com/123456789012/orders/",
        "https://sqs.amazonaws.com/123456789012/orders",
        "http://localhost:4566/123456789012/orders",
        "http://sqs.localhost:4566/123456789012/orders",
        "http://sqs/123456789012/orders",
        "123456789012/orders",
    ],
)
def test_a_queue_is_found_by_name_arn_and_the_last_two_segments_of_its_url(sim, queue, ref):
    assert queue is sim.queue(ref)
    assert queue is sim.queue(queue)


@pytest.mark.rule("SQS-025")
@pytest.mark.parametrize(
    "ref",
    [
        "",
        "order",
        "orders2",
        "ORDERS",
        "arn:aws:sqs:us-east-1:123456789012:other",
        "arn:aws:sqs:eu-west-1:123456789012:orders",
        "arn:aws:lambda:us-east-1:123456789012:orders",
        "https://sqs.us-east-1.amazonaws.com/999999999999/orders",
        "https://sqs.us-east-1.amazonaws.com/123456789012/other",
        "https://sqs.us-east-1.amazonaws.com/123456789012/orders//",
        "https://sqs.us-east-1.amazonaws.com/",
        "not a url",
    ],
)
def test_what_names_no_queue_raises_the_error_of_aws(sim, queue, ref):
    with pytest.raises(QueueDoesNotExist) as caught:
        sim.queue(ref)
    assert "The specified queue does not exist." == caught.value.message
    assert "AWS.SimpleQueueService.NonExistentQueue" == caught.value.code


@pytest.mark.rule("SQS-026")
@pytest.mark.parametrize(
    "url",
    [
        "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
        "https://sqs.us-east-2.amazonaws.com/123456789012/orders",
        "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/orders",
        "https://sqs.eu-west-1.amazonaws.com/123456789012/nowhere",
    ],
)
def test_a_url_of_another_region_is_not_valid_here(sim, queue, url):
    assert "orders" == queue.name
    with pytest.raises(InvalidAddress) as caught:
        sim.queue(url)
    assert f"The address {url} is not valid for this endpoint." == caught.value.message
    assert "InvalidAddress" == caught.value.code


# ---- identifiers


@pytest.mark.rule("SQS-028")
def test_a_message_id_is_a_lower_case_uuid_and_unique_in_the_simulation(sim):
    ids = [
        queue.send_message("a").message_id
        for queue in (sim.create_queue("a"), sim.create_queue("b"))
        for _ in range(200)
    ]
    form = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(form.fullmatch(text) for text in ids)
    assert 400 == len(set(ids))


@pytest.mark.rule("SQS-028")
def test_message_ids_depend_on_seed_queue_and_counter_alone():
    def ids(*, seed=0, name="orders", others=0, account_id="123456789012"):
        sim = Simulation(seed=seed, account_id=account_id)
        for number in range(others):
            sim.create_queue(f"other-{number}").send_message("a")
        queue = sim.create_queue(name)
        sim.run(until=others)
        return [queue.send_message("a" * number).message_id for number in range(1, 6)]

    assert ids() == ids(others=3)
    for other in ({"seed": 1}, {"name": "orders2"}, {"account_id": "111122223333"}):
        assert not {*ids()} & {*ids(**other)}


@pytest.mark.rule("SQS-028")
def test_a_message_keeps_its_id_at_every_delivery(sim, queue):
    sent = queue.send_message("a")
    for _ in range(3):
        (delivery,) = queue.receive_message(visibility_timeout=1)
        assert sent.message_id == delivery.message_id
        sim.run_for(1)


@pytest.mark.rule("SQS-028")
def test_a_queue_that_is_made_again_goes_on_counting_its_messages(sim):
    ids = []
    for name in ("orders", "orders.fifo"):
        for _ in range(3):
            queue = sim.create_queue(name)
            for number in range(3):
                fifo = {"message_group_id": "g", "message_deduplication_id": f"{number}"} if "." in name else {}
                ids.append(queue.send_message("a", **fifo).message_id)
            queue.delete_queue()
            sim.run_for(60)
    assert 18 == len(ids) == len(set(ids))


@pytest.mark.rule("SQS-028")
def test_the_messages_of_a_batch_have_the_ids_that_single_sends_would_have():
    def send(name, *, is_batch):
        queue = Simulation().create_queue(name)
        if is_batch:
            answer = queue.send_message_batch([{"id": f"{n}", "message_body": "a"} for n in range(3)])
            return [entry.message_id for entry in answer.successful]
        return [queue.send_message("a").message_id for _ in range(3)]

    assert send("orders", is_batch=True) == send("orders", is_batch=False)


@pytest.mark.rule("SQS-029", "SQS-279")
def test_handles_of_a_queue_and_of_the_one_made_after_it_are_told_apart(sim):
    handles = []
    for _ in range(3):
        queue = sim.create_queue("orders")
        queue.send_message("a")
        handles += [delivery.receipt_handle for delivery in queue.receive_message()]
        queue.delete_queue()
        sim.run_for(60)
    assert 3 == len(handles) == len(set(handles))


@pytest.mark.rule("SQS-029")
def test_a_receipt_handle_is_a_short_ascii_text_and_unique_per_delivery(sim):
    handles = []
    queues = [sim.create_queue(name, visibility_timeout=0) for name in ("a", "b")]
    for queue in queues:
        for number in range(5):
            queue.send_message(f"{number}")
    for _ in range(4):
        for queue in queues:
            handles += [d.receipt_handle for d in queue.receive_message(max_number_of_messages=10)]
    assert 40 == len(handles) == len(set(handles))
    for handle in handles:
        assert handle.isascii()
        assert 0 < len(handle) <= 1_024


# ---- creating


@pytest.mark.rule("SQS-041")
@given(queue_attributes)
def test_creating_a_queue_again_as_it_is_returns_it_and_changes_nothing(attributes):
    sim = Simulation()
    queue = sim.create_queue("orders", **attributes)
    queue.send_message("kept")
    before = queue.snapshot()
    assert queue is sim.create_queue("orders", **attributes)
    assert queue is sim.create_queue("orders")
    for name, value in attributes.items():
        assert queue is sim.create_queue("orders", **{name: value})
        assert value == getattr(queue, name)
    assert (queue,) == sim.queues
    assert before == queue.snapshot()


@pytest.mark.rule("SQS-041")
@pytest.mark.parametrize(
    ("given_now", "named"),
    [
        ({"delay_seconds": 1}, "DelaySeconds"),
        ({"maximum_message_size": 1_025}, "MaximumMessageSize"),
        ({"message_retention_period": 61}, "MessageRetentionPeriod"),
        ({"receive_message_wait_time_seconds": 1}, "ReceiveMessageWaitTimeSeconds"),
        ({"visibility_timeout": 31}, "VisibilityTimeout"),
        ({"visibility_timeout": 30, "delay_seconds": 1}, "DelaySeconds"),
        ({"visibility_timeout": 31, "receive_message_wait_time_seconds": 1}, "ReceiveMessageWaitTimeSeconds"),
        ({"maximum_message_size": 1_025, "message_retention_period": 61}, "MaximumMessageSize"),
    ],
)
def test_a_different_value_is_refused_and_the_first_in_sorted_order_is_named(sim, queue, given_now, named):
    with pytest.raises(QueueNameExists) as caught:
        sim.create_queue("orders", **given_now)
    assert (
        f"A queue already exists with the same name and a different value for attribute {named}" == caught.value.message
    )
    assert "QueueAlreadyExists" == caught.value.code
    assert (queue,) == sim.queues
    assert 30 == queue.visibility_timeout


@pytest.mark.rule("SQS-041")
def test_redrive_policies_are_compared_by_what_they_say(sim):
    dlq, other = sim.create_queue("dlq"), sim.create_queue("other")
    queue = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, max_receive_count=3))
    for same in (
        f'{{"maxReceiveCount":  3, "deadLetterTargetArn": "{dlq.arn}"}}',
        {"deadLetterTargetArn": dlq.arn, "maxReceiveCount": "3"},
        RedrivePolicy(dlq.arn, 3),
    ):
        assert queue is sim.create_queue("orders", redrive_policy=same)
    for different in (RedrivePolicy(dlq, 4), RedrivePolicy(other, 3)):
        with pytest.raises(QueueNameExists, match=r"attribute RedrivePolicy$"):
            sim.create_queue("orders", redrive_policy=different)
    with pytest.raises(QueueNameExists, match=r"attribute RedrivePolicy$"):
        sim.create_queue("dlq", redrive_policy=RedrivePolicy(other, 1))
    assert 3 == queue.max_receive_count


@pytest.mark.rule("SQS-041")
def test_a_value_out_of_range_is_refused_for_a_queue_that_exists_too(sim, queue):
    with pytest.raises(InvalidAttributeValue):
        sim.create_queue("orders", visibility_timeout=43_201)


@pytest.mark.rule("SQS-046", "SQS-622")
def test_a_refused_queue_leaves_no_trace():
    def run(*, fails):
        sim = Simulation()
        if fails:
            for wrong in ({"delay_seconds": 901}, {"redrive_policy": "{}"}, {"visibility_timeout": -1}):
                with pytest.raises((InvalidAttributeValue, InvalidParameterValueException)):
                    sim.create_queue("orders", **wrong)
            assert () == sim.queues
            with pytest.raises(QueueDoesNotExist):
                sim.queue("orders")
        queue = sim.create_queue("orders", visibility_timeout=5)
        queue.send_message("a")
        return queue.receive_message()[0].receipt_handle, sim.trace.to_json_lines()

    assert run(fails=True) == run(fails=False)


# ---- attributes

RANGES = [
    ("delay_seconds", "DelaySeconds", 0, 0, 900),
    ("maximum_message_size", "MaximumMessageSize", 1_048_576, 1_024, 1_048_576),
    ("message_retention_period", "MessageRetentionPeriod", 345_600, 60, 1_209_600),
    ("receive_message_wait_time_seconds", "ReceiveMessageWaitTimeSeconds", 0, 0, 20),
    ("visibility_timeout", "VisibilityTimeout", 30, 0, 43_200),
]


@pytest.mark.rule("SQS-080", "SQS-082")
@pytest.mark.parametrize(("name", "aws_name", "default", "low", "high"), RANGES)
def test_attributes_have_the_defaults_and_ranges_of_the_table(sim, name, aws_name, default, low, high):
    assert default == getattr(sim.create_queue("default"), name)
    for place, value in enumerate((low, high)):
        assert value == getattr(sim.create_queue(f"legal-{place}", **{name: value}), name)
    for value in (low - 1, high + 1, 10**9):
        with pytest.raises(InvalidAttributeValue) as caught:
            sim.create_queue("illegal", **{name: value})
        assert f"Invalid value for the parameter {aws_name}." == caught.value.message
        assert "InvalidAttributeValue" == caught.value.code


@pytest.mark.rule("SQS-082")
@pytest.mark.parametrize("first", range(len(RANGES)))
def test_the_first_wrong_attribute_in_sorted_order_is_named(sim, first):
    wrong = {name: high + 1 for name, _, _, _, high in reversed(RANGES[first:])}
    with pytest.raises(InvalidAttributeValue, match=f"parameter {RANGES[first][1]}\\.$"):
        sim.create_queue("orders", **wrong)


@pytest.mark.rule("SQS-082")
def test_a_redrive_policy_is_checked_in_its_place_of_the_sorted_order(sim):
    with pytest.raises(InvalidAttributeValue, match="RedrivePolicy"):
        sim.create_queue("orders", redrive_policy="x", visibility_timeout=-1)
    with pytest.raises(InvalidAttributeValue, match="ReceiveMessageWaitTimeSeconds"):
        sim.create_queue("orders", redrive_policy="x", receive_message_wait_time_seconds=-1)


@pytest.mark.rule("SQS-081")
def test_the_largest_payload_is_default_and_upper_bound_of_the_message_size():
    sim = Simulation(settings=[SqsConfig(max_payload_bytes=262_144)])
    queue = sim.create_queue("orders")
    assert 262_144 == queue.maximum_message_size
    queue.send_message("x" * 262_144)
    with pytest.raises(InvalidParameterValueException, match="shorter than 262144 bytes"):
        queue.send_message("x" * 262_145)
    assert 262_144 == sim.create_queue("other", maximum_message_size=262_144).maximum_message_size
    with pytest.raises(InvalidAttributeValue):
        sim.create_queue("large", maximum_message_size=262_145)


@pytest.mark.parametrize("name", ["visibilty_timeout", "VisibilityTimeout", "message_group_id"])
def test_a_parameter_that_is_not_there_is_refused_by_name(sim, name):
    with pytest.raises(UsageError, match=name):
        sim.create_queue("orders", **{name: None})
    assert () == sim.queues


# ---- other simulations


def test_a_queue_of_another_simulation_is_not_mistaken_for_one_of_the_same_name(sim, queue):
    stranger = Simulation().create_queue("orders")
    with pytest.raises((UsageError, QueueDoesNotExist)):
        sim.queue(stranger)
