"""SQS §3: creating, finding, listing and deleting queues."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation, SqsConfig, SqsFaults
from lambdasim.errors.sqs import (
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidParameterValueException,
    QueueDeletedRecently,
    QueueDoesNotExist,
    QueueNameExists,
)
from lambdasim.sqs import State
from lambdasim.units import seconds

NOT_THERE = "The specified queue does not exist."
TOO_SOON = "You must wait 60 seconds after deleting a queue before you can create another with the same name."


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def names(answer):
    return [url.rsplit("/", 1)[1] for url in answer.queue_urls]


# ---- CreateQueue


@pytest.mark.rule("SQS-040", "SQS-080")
def test_a_queue_is_made_of_a_name_a_map_of_strings_and_tags(sim):
    queue = sim.create_queue(
        "orders", attributes={"VisibilityTimeout": "7", "DelaySeconds": "3"}, tags={"team": "a", "stage": "test"}
    )
    shown = queue.get_queue_attributes(["All"]).attributes
    assert ("7", "3") == (shown["VisibilityTimeout"], shown["DelaySeconds"])
    assert ("345600", "1048576", "0") == (
        shown["MessageRetentionPeriod"],
        shown["MaximumMessageSize"],
        shown["ReceiveMessageWaitTimeSeconds"],
    )
    assert {"team": "a", "stage": "test"} == dict(queue.list_queue_tags().tags)
    queue.send_message("a")
    assert 1 == queue.snapshot().delayed


@pytest.mark.rule("SQS-040")
def test_a_map_of_strings_and_keywords_make_the_same_queue():
    written = Simulation().create_queue(
        "orders", attributes={"VisibilityTimeout": "7", "ReceiveMessageWaitTimeSeconds": "2"}
    )
    typed = Simulation().create_queue("orders", visibility_timeout=7, receive_message_wait_time_seconds=2)
    assert written.get_queue_attributes(["All"]).attributes == typed.get_queue_attributes(["All"]).attributes


SAME = {
    "nothing": {},
    "a number": {"VisibilityTimeout": "7"},
    "a number with noughts before it": {"VisibilityTimeout": "007"},
    "a default": {"DelaySeconds": "0"},
    "all numbers": {"VisibilityTimeout": "7", "DelaySeconds": "0", "MaximumMessageSize": "1048576"},
    "the type": {"FifoQueue": "true"},
    "the type in capitals": {"FifoQueue": "TRUE"},
    "a boolean": {"ContentBasedDeduplication": "True"},
    "a word": {"DeduplicationScope": "queue"},
    "a policy that is not set": {"RedrivePolicy": ""},
    "a key that is not set": {"KmsMasterKeyId": ""},
    "a policy": {"RedriveAllowPolicy": '{ "redrivePermission" :"denyAll"}'},
    "a policy of access": {"Policy": '{"Statement": [],"Version":"2008-10-17"}'},
}


@pytest.mark.rule("SQS-041")
@pytest.mark.parametrize("same", SAME)
def test_creating_again_with_equal_values_returns_the_queue_and_changes_nothing(sim, same):
    queue = sim.create_queue(
        "orders.fifo",
        attributes={
            "FifoQueue": "true",
            "VisibilityTimeout": "7",
            "ContentBasedDeduplication": "true",
            "RedriveAllowPolicy": '{"redrivePermission": "denyAll"}',
            "Policy": '{"Version": "2008-10-17", "Statement": []}',
        },
        tags={"a": "1"},
    )
    queue.send_message("kept", message_group_id="g")
    before = queue.get_queue_attributes(["All"]).attributes, queue.snapshot(), sim.trace.to_json_lines()
    sim.run(until=100)
    attributes = {"FifoQueue": "true", **SAME[same]}
    assert queue is sim.create_queue("orders.fifo", attributes=attributes, tags={"b": "2"})
    after = queue.get_queue_attributes(["All"]).attributes, queue.snapshot(), sim.trace.to_json_lines()
    assert before[0] == after[0]
    assert before[1].visible == after[1].visible
    assert before[2] == after[2]
    assert {"a": "1"} == dict(queue.list_queue_tags().tags)
    assert (queue,) == sim.queues


@pytest.mark.rule("SQS-041")
@pytest.mark.parametrize(
    ("different", "named"),
    [
        ({"VisibilityTimeout": "8"}, "VisibilityTimeout"),
        ({"VisibilityTimeout": "8", "DelaySeconds": "1"}, "DelaySeconds"),
        ({"VisibilityTimeout": "8", "DelaySeconds": "0"}, "VisibilityTimeout"),
        ({"ContentBasedDeduplication": "false", "DelaySeconds": "1"}, "ContentBasedDeduplication"),
        ({"DeduplicationScope": "messageGroup"}, "DeduplicationScope"),
        ({"SqsManagedSseEnabled": "false"}, "SqsManagedSseEnabled"),
        ({"KmsMasterKeyId": "alias/key"}, "KmsMasterKeyId"),
        ({"Policy": '{"Version": "2008-10-17", "Statement": [{}]}'}, "Policy"),
        (
            {"RedriveAllowPolicy": '{"redrivePermission": "allowAll"}', "SqsManagedSseEnabled": "true"},
            "RedriveAllowPolicy",
        ),
    ],
)
def test_the_first_differing_attribute_in_sorted_order_is_named(sim, different, named):
    queue = sim.create_queue(
        "orders.fifo",
        attributes={
            "FifoQueue": "true",
            "VisibilityTimeout": "7",
            "ContentBasedDeduplication": "true",
            "RedriveAllowPolicy": '{"redrivePermission": "denyAll"}',
            "Policy": '{"Version": "2008-10-17", "Statement": []}',
        },
    )
    before = queue.get_queue_attributes(["All"]).attributes
    with pytest.raises(QueueNameExists) as caught:
        sim.create_queue("orders.fifo", attributes={"FifoQueue": "true", **different})
    assert (
        f"A queue already exists with the same name and a different value for attribute {named}" == caught.value.message
    )
    assert before == queue.get_queue_attributes(["All"]).attributes


@pytest.mark.rule("SQS-041", "SQS-084")
def test_a_value_that_needs_another_is_compared_with_the_queue_that_has_both(sim):
    both = {"FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "messageGroup"}
    queue = sim.create_queue("orders.fifo", attributes={"FifoQueue": "true", **both})
    for name, value in both.items():
        assert queue is sim.create_queue("orders.fifo", attributes={"FifoQueue": "true", name: value})
    with pytest.raises(QueueNameExists, match="DeduplicationScope"):
        sim.create_queue("orders.fifo", attributes={"FifoQueue": "true", "DeduplicationScope": "queue"})


@pytest.mark.rule("SQS-041", "SQS-063", "SQS-106")
@pytest.mark.parametrize("what", ["forbids", "is gone"])
def test_a_policy_in_place_is_equal_to_itself_whatever_became_of_its_queue(sim, what):
    dlq = sim.create_queue("dlq")
    text = f'{{"deadLetterTargetArn": "{dlq.arn}", "maxReceiveCount": 3}}'
    queue = sim.create_queue("orders", attributes={"RedrivePolicy": text})
    if what == "forbids":
        dlq.set_queue_attributes({"RedriveAllowPolicy": '{"redrivePermission": "denyAll"}'})
    else:
        dlq.delete_queue()
    assert queue is sim.create_queue("orders", attributes={"RedrivePolicy": text})
    assert text == queue.redrive_policy


@pytest.mark.rule("SQS-041")
def test_tags_are_neither_compared_nor_changed(sim):
    queue = sim.create_queue("orders", tags={"a": "1"})
    assert queue is sim.create_queue("orders", tags={"a": "2", "b": "3"})
    assert {"a": "1"} == dict(queue.list_queue_tags().tags)


@pytest.mark.rule("SQS-042")
def test_the_current_values_are_compared_and_not_those_of_the_creation(sim):
    queue = sim.create_queue("orders", attributes={"VisibilityTimeout": "7"})
    queue.set_queue_attributes({"VisibilityTimeout": "8"})
    with pytest.raises(QueueNameExists, match="VisibilityTimeout"):
        sim.create_queue("orders", attributes={"VisibilityTimeout": "7"})
    assert queue is sim.create_queue("orders", attributes={"VisibilityTimeout": "8"})
    assert queue is sim.create_queue("orders")


@pytest.mark.rule("SQS-043", "SQS-003")
@pytest.mark.parametrize(("wait_s", "deadline_s"), [(None, 60), (60, 60), (1, 1), (3_600, 3_600)])
def test_a_name_is_free_again_only_when_the_wait_is_over(wait_s, deadline_s):
    settings = () if wait_s is None else [SqsConfig(recreate_wait_s=wait_s)]
    sim = Simulation(settings=settings)
    sim.create_queue("orders", visibility_timeout=7)
    sim.run(until=5)
    sim.queue("orders").delete_queue()
    for at_us in (seconds(5), seconds(5 + deadline_s) - 1):
        sim.run(until_us=at_us)
        with pytest.raises(QueueDeletedRecently) as caught:
            sim.create_queue("orders")
        assert caught.value.message == TOO_SOON
        assert "AWS.SimpleQueueService.QueueDeletedRecently" == caught.value.code
    sim.create_queue("other")
    sim.create_queue("orders", region="eu-west-1")
    sim.run(until=5 + deadline_s)
    assert 30 == sim.create_queue("orders").visibility_timeout


@pytest.mark.rule("SQS-043")
def test_a_wait_of_nought_is_none():
    sim = Simulation(settings=[SqsConfig(recreate_wait_s=0)])
    queue = sim.create_queue("orders")
    queue.delete_queue()
    assert queue is not sim.create_queue("orders")


@pytest.mark.rule("SQS-044")
def test_a_queue_is_usable_at_once(queue):
    queue.send_message("a")
    assert ["a"] == bodies(queue.receive_message())


CALLS = {
    "send": lambda queue: queue.send_message("a"),
    "send batch": lambda queue: queue.send_message_batch([{"id": "1", "message_body": "a"}]),
    "receive": lambda queue: queue.receive_message(),
    "delete": lambda queue: queue.delete_message("nonsense"),
    "delete batch": lambda queue: queue.delete_message_batch([{"id": "1", "receipt_handle": "nonsense"}]),
    "change": lambda queue: queue.change_message_visibility("nonsense", 0),
    "change batch": lambda queue: queue.change_message_visibility_batch(
        [{"id": "1", "receipt_handle": "nonsense", "visibility_timeout": 0}]
    ),
    "get attributes": lambda queue: queue.get_queue_attributes(["All"]),
    "set attributes": lambda queue: queue.set_queue_attributes({"DelaySeconds": "1"}),
    "purge": lambda queue: queue.purge_queue(),
    "delete queue": lambda queue: queue.delete_queue(),
    "tag": lambda queue: queue.tag_queue({"a": "1"}),
    "untag": lambda queue: queue.untag_queue(["a"]),
    "list tags": lambda queue: queue.list_queue_tags(),
    "add permission": lambda queue: queue.add_permission("label", ["123456789012"], ["SendMessage"]),
    "remove permission": lambda queue: queue.remove_permission("label"),
    "list sources": lambda queue: queue.list_dead_letter_source_queues(),
}


@pytest.mark.rule("SQS-044", "SQS-025")
@pytest.mark.parametrize("call", CALLS)
def test_a_queue_that_is_not_ready_yet_is_not_there(call):
    sim = Simulation(faults=SqsFaults(create_ready_s=2))
    sim.run(until=5)
    queue = sim.create_queue("orders")
    for at_us in (seconds(5), seconds(7) - 1):
        sim.run(until_us=at_us)
        with pytest.raises(QueueDoesNotExist) as caught:
            CALLS[call](queue)
        assert caught.value.message == NOT_THERE
    sim.run(until=7)
    queue.send_message("a")
    assert ["a"] == bodies(queue.receive_message())


@pytest.mark.rule("SQS-045", "SQS-087")
def test_the_type_is_fixed_when_the_queue_is_made(sim):
    fifo, standard = sim.create_queue("orders.fifo", attributes={"FifoQueue": "true"}), sim.create_queue("orders")
    assert "true" == fifo.get_queue_attributes(["All"]).attributes["FifoQueue"]
    assert "FifoQueue" not in standard.get_queue_attributes(["All"]).attributes
    with pytest.raises(InvalidAttributeValue):
        fifo.set_queue_attributes({"FifoQueue": "false"})
    with pytest.raises(InvalidAttributeName):
        standard.set_queue_attributes({"FifoQueue": "true"})
    fifo.send_message("a", message_group_id="g", message_deduplication_id="d")
    assert standard.send_message("a").sequence_number is None


@pytest.mark.rule("SQS-046", "SQS-622")
@pytest.mark.parametrize(
    "attributes",
    [
        {"DelaySeconds": "1", "VisibilityTimeout": "-1"},
        {"DelaySeconds": "1", "Nope": "1"},
        {"DelaySeconds": "1", "RedrivePolicy": "{}"},
        {"DelaySeconds": "1", "QueueArn": "x"},
    ],
)
def test_a_refused_creation_leaves_no_trace(sim, attributes):
    with pytest.raises((InvalidAttributeName, InvalidAttributeValue, InvalidParameterValueException)):
        sim.create_queue("orders", attributes=attributes)
    assert () == sim.queues
    assert [] == names(sim.list_queues())
    with pytest.raises(QueueDoesNotExist):
        sim.get_queue_url("orders")
    assert not sim.trace.to_json_lines()
    assert 0 == sim.create_queue("orders").delay_seconds


# ---- GetQueueUrl


@pytest.mark.rule("SQS-050")
@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_the_url_of_a_queue_is_found_by_its_name(sim, name):
    queue = sim.create_queue(name)
    assert queue.url == sim.get_queue_url(name).queue_url


@pytest.mark.rule("SQS-050")
def test_the_owner_says_which_account_is_searched(sim):
    own = sim.create_queue("orders")
    foreign = sim.create_queue("orders", account_id="111122223333")
    sim.create_queue("elsewhere", region="eu-west-1")
    assert own.url == sim.get_queue_url("orders").queue_url
    assert own.url == sim.get_queue_url("orders", queue_owner_aws_account_id="123456789012").queue_url
    assert foreign.url == sim.get_queue_url("orders", queue_owner_aws_account_id="111122223333").queue_url
    for name, owner in (("orders", "999999999999"), ("elsewhere", None), ("Orders", None), ("order", None)):
        with pytest.raises(QueueDoesNotExist) as caught:
            sim.get_queue_url(name, queue_owner_aws_account_id=owner)
        assert caught.value.message == NOT_THERE


@pytest.mark.rule("SQS-050", "SQS-060")
def test_a_deleted_queue_has_no_url(sim, queue):
    queue.delete_queue()
    with pytest.raises(QueueDoesNotExist):
        sim.get_queue_url("orders")


# ---- ListQueues


@pytest.mark.rule("SQS-051")
def test_queues_are_listed_by_their_urls_sorted_by_name(sim):
    assert () == sim.list_queues().queue_urls
    for name in ("b", "C", "a", "a-1", "a.fifo", "_", "1"):
        sim.create_queue(name)
    sim.create_queue("a2", region="eu-west-1")
    sim.create_queue("a2", account_id="111122223333")
    answer = sim.list_queues()
    assert ["1", "C", "_", "a", "a-1", "a.fifo", "b"] == names(answer)
    assert "https://sqs.us-east-1.amazonaws.com/123456789012/a.fifo" in answer.queue_urls
    assert answer.next_token is None


@pytest.mark.rule("SQS-051")
@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (None, ["Orders", "order", "orders", "orders-dlq", "reorders"]),
        ("", ["Orders", "order", "orders", "orders-dlq", "reorders"]),
        ("orders", ["orders", "orders-dlq"]),
        ("order", ["order", "orders", "orders-dlq"]),
        ("O", ["Orders"]),
        ("orders-dlq", ["orders-dlq"]),
        ("orders-dlqs", []),
        ("https", []),
        ("rders", []),
    ],
)
def test_a_prefix_is_that_of_the_name_in_its_case(sim, prefix, expected):
    for name in ("orders", "Orders", "reorders", "orders-dlq", "order"):
        sim.create_queue(name)
    assert expected == names(sim.list_queues(queue_name_prefix=prefix))


@pytest.mark.rule("SQS-051")
def test_without_a_page_size_there_are_at_most_1000_and_never_a_token(sim):
    for number in range(999):
        sim.create_queue(f"q{number:04}")
    assert (999, None) == (len(sim.list_queues().queue_urls), sim.list_queues().next_token)
    sim.create_queue("q0999")
    assert (1_000, None) == (len(sim.list_queues().queue_urls), sim.list_queues().next_token)
    sim.create_queue("q1000")
    answer = sim.list_queues()
    assert (1_000, None) == (len(answer.queue_urls), answer.next_token)
    assert ["q0000", "q0999"] == [names(answer)[0], names(answer)[-1]]
    page = sim.list_queues(max_results=1_000)
    assert 1_000 == len(page.queue_urls)
    assert ["q1000"] == names(sim.list_queues(max_results=1_000, next_token=page.next_token))


def listed(call, max_results):
    """Walk all pages: their sizes and their names together."""
    sizes, found, token = [], [], None
    while True:
        answer = call(max_results=max_results, next_token=token)
        sizes.append(len(answer.queue_urls))
        found += names(answer)
        token = answer.next_token
        if token is None:
            return sizes, found


@pytest.mark.rule("SQS-051", "SQS-053")
@pytest.mark.parametrize(
    ("count", "max_results", "sizes"),
    [
        (0, 1, [0]),
        (1, 1, [1]),
        (2, 1, [1, 1]),
        (5, 2, [2, 2, 1]),
        (4, 2, [2, 2]),
        (3, 4, [3]),
        (3, 3, [3]),
        (3, 1_000, [3]),
    ],
)
def test_a_page_has_a_token_exactly_when_more_remain(sim, count, max_results, sizes):
    dlq = sim.create_queue("dlq")
    for number in reversed(range(count)):
        sim.create_queue(f"q{number}", redrive_policy=RedrivePolicy(dlq, 1))
    expected = sizes, [f"q{number}" for number in range(count)]
    assert expected == listed(lambda **page: sim.list_queues(queue_name_prefix="q", **page), max_results)
    assert expected == listed(dlq.list_dead_letter_source_queues, max_results)


@pytest.mark.rule("SQS-052", "SQS-053")
@pytest.mark.parametrize("max_results", [0, -1, 1_001, 10**9])
def test_a_page_has_1_to_1000_results(sim, queue, max_results):
    for call in (sim.list_queues, queue.list_dead_letter_source_queues):
        with pytest.raises(InvalidParameterValueException) as caught:
            call(max_results=max_results)
        assert (
            "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000."
            == caught.value.message
        )


@pytest.mark.rule("SQS-052", "SQS-053")
@pytest.mark.parametrize("token", ["nonsense", "", "é", "bm9uc2Vuc2U="])
def test_a_token_that_nobody_gave_is_refused(sim, queue, token):
    for call in (sim.list_queues, queue.list_dead_letter_source_queues):
        with pytest.raises(InvalidParameterValueException) as caught:
            call(max_results=1, next_token=token)
        assert "Invalid or expired next token." == caught.value.message


@pytest.mark.rule("SQS-051")
def test_a_token_outlives_what_happens_between_two_pages(sim):
    for name in "abcde":
        sim.create_queue(name)
    first = sim.list_queues(max_results=2)
    sim.queue("b").delete_queue()
    sim.create_queue("a2")
    second = sim.list_queues(max_results=2, next_token=first.next_token)
    assert (["a", "b"], ["c", "d"]) == (names(first), names(second))
    assert ["e"] == names(sim.list_queues(max_results=2, next_token=second.next_token))


@pytest.mark.rule("SQS-051", "SQS-060")
def test_a_queue_that_is_deleted_is_listed_no_more(sim):
    for name in "abc":
        sim.create_queue(name)
    sim.queue("b").delete_queue()
    assert ["a", "c"] == names(sim.list_queues())
    assert ["a", "c"] == [queue.name for queue in sim.queues]


# ---- ListDeadLetterSourceQueues


@pytest.mark.rule("SQS-053")
def test_sources_are_the_queues_whose_current_policy_names_this_one(sim):
    dlq, other = sim.create_queue("dlq"), sim.create_queue("other")
    assert () == dlq.list_dead_letter_source_queues().queue_urls
    for name in ("c", "a", "b"):
        sim.create_queue(name, redrive_policy=RedrivePolicy(dlq, 3))
    sim.create_queue("d", redrive_policy=RedrivePolicy(other, 3))
    assert ["a", "b", "c"] == names(dlq.list_dead_letter_source_queues())
    sim.queue("b").set_queue_attributes(redrive_policy=RedrivePolicy(other, 3))
    sim.queue("c").set_queue_attributes({"RedrivePolicy": ""})
    dlq.set_queue_attributes(redrive_policy=RedrivePolicy(dlq, 3))
    assert ["a", "dlq"] == names(dlq.list_dead_letter_source_queues())
    assert ["b", "d"] == names(other.list_dead_letter_source_queues())
    sim.queue("a").delete_queue()
    answer = dlq.list_dead_letter_source_queues()
    assert (["dlq"], None) == (names(answer), answer.next_token)


# ---- DeleteQueue


@pytest.mark.rule("SQS-060")
def test_a_queue_is_deleted_whatever_it_contains(sim, queue):
    queue.send_message("delayed", delay_seconds=100)
    queue.send_message("in flight")
    (delivery,) = queue.receive_message()
    queue.send_message("visible")
    queue.delete_queue()
    assert () == sim.queues
    sim.run(until=60)
    again = sim.create_queue("orders")
    sim.run(until=200)
    assert [] == again.receive_message(max_number_of_messages=10)
    assert 0 == again.snapshot().total
    again.delete_message(delivery.receipt_handle)
    sim.check_invariants()


@pytest.mark.rule("SQS-060")
@pytest.mark.parametrize("kind", ["standard", "fifo"])
def test_messages_are_lost_with_their_queue_and_stay_so(sim, kind):
    queue = sim.create_queue("orders" if kind == "standard" else "orders.fifo", message_retention_period=60)
    for number in range(4):
        fifo = {"message_group_id": f"{number}", "message_deduplication_id": f"{number}"} if kind == "fifo" else {}
        queue.send_message("a", **fifo)
    first, _ = queue.receive_message(max_number_of_messages=2)
    messages = queue.messages
    queue.delete_message(first.receipt_handle)
    queue.delete_queue()
    expected = [State.DELETED, *[State.LOST_WITH_QUEUE] * 3]
    assert expected == [message.state for message in messages]
    assert () == queue.messages
    assert 0 == queue.snapshot().total
    sim.run(until=100)
    assert expected == [message.state for message in messages]
    assert 0 == queue.snapshot().expired
    queue.check_invariants()
    sim.check_invariants()


@pytest.mark.rule("SQS-060")
def test_nothing_is_redelivered_or_moved_from_a_deleted_queue(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=5, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    (delivery,) = queue.receive_message()
    queue.delete_queue()
    sim.run(until=60)
    again = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, 1))
    assert [] == again.receive_message(wait_time_seconds=20)
    with pytest.raises(InvalidParameterValueException):
        again.change_message_visibility(delivery.receipt_handle, 5)
    assert 0 == dlq.snapshot().total


@pytest.mark.rule("SQS-060", "SQS-601")
def test_the_metrics_of_a_queue_go_on_under_its_name(sim):
    for _ in range(2):
        queue = sim.create_queue("orders")
        queue.send_message("a")
        sim.run_for(90)
        queue.delete_queue()
        sim.run_for(90)
    sent = sim.metrics.series("AWS/SQS", "NumberOfMessagesSent", "Sum", QueueName="orders")
    assert [(0, 1), (180, 1)] == list(sent)
    visible = sim.metrics.series("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", QueueName="orders")
    assert {0: 1, 180: 1}.items() <= dict(visible).items()
    assert [120, 300] == [at_s for at_s in (120, 300) if not dict(visible).get(at_s)]


@pytest.mark.rule("SQS-060")
def test_tags_policies_and_attributes_vanish_with_the_queue(sim):
    queue = sim.create_queue(
        "orders",
        attributes={"VisibilityTimeout": "7", "Policy": '{"Version": "2008-10-17", "Statement": []}'},
        tags={"a": "1"},
    )
    fresh = sim.create_queue("fresh").get_queue_attributes(["All"]).attributes
    queue.delete_queue()
    sim.run(until=60)
    again = sim.create_queue("orders")
    assert {} == dict(again.list_queue_tags().tags)
    shown = again.get_queue_attributes(["All"]).attributes
    assert set(fresh) == set(shown)
    assert "30" == shown["VisibilityTimeout"]


@pytest.mark.rule("SQS-060", "SQS-025")
@pytest.mark.parametrize("call", CALLS)
def test_a_deleted_queue_is_not_there(sim, queue, call):
    queue.delete_queue()
    trace = sim.trace.to_json_lines()
    with pytest.raises(QueueDoesNotExist) as caught:
        CALLS[call](queue)
    assert caught.value.message == NOT_THERE
    assert "AWS.SimpleQueueService.NonExistentQueue" == caught.value.code
    assert trace == sim.trace.to_json_lines()


@pytest.mark.rule("SQS-060", "SQS-025")
def test_a_queue_that_was_made_again_is_another_one(sim, queue):
    queue.delete_queue()
    sim.run(until=60)
    again = sim.create_queue("orders")
    again.send_message("a")
    assert again is sim.queue("orders")
    assert again.url == queue.url
    assert ["a"] == [message.body for message in again.messages]
    assert () == tuple(message for message in queue.messages if message.body == "a")


@pytest.mark.rule("SQS-060", "SQS-436")
def test_a_deleted_queue_is_nobodys_dead_letter_queue(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    dlq.delete_queue()
    for number in range(1, 4):
        assert [number] == [delivery.receive_count for delivery in queue.receive_message()]


@pytest.mark.rule("SQS-063")
def test_a_source_keeps_the_text_of_its_policy_when_the_dead_letter_queue_goes(sim):
    dlq = sim.create_queue("dlq")
    text = f'{{ "deadLetterTargetArn":"{dlq.arn}",  "maxReceiveCount":"3" }}'
    queue = sim.create_queue("orders", attributes={"RedrivePolicy": text})
    dlq.delete_queue()
    assert text == queue.get_queue_attributes(["RedrivePolicy"]).attributes["RedrivePolicy"]
    sim.run(until=60)
    again = sim.create_queue("dlq")
    assert text == queue.get_queue_attributes(["RedrivePolicy"]).attributes["RedrivePolicy"]
    assert ["orders"] == names(again.list_dead_letter_source_queues())


@pytest.mark.rule("SQS-063", "SQS-436")
def test_a_dead_letter_queue_that_is_made_again_is_used_again(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 2))
    queue.send_message("a")
    queue.receive_message()
    dlq.delete_queue()
    for _ in range(3):
        assert 1 == len(queue.receive_message())
    sim.run(until=60)
    assert 1 == len(queue.receive_message())
    again = sim.create_queue("dlq")
    assert [] == queue.receive_message()
    assert ["a"] == [message.body for message in again.messages]
    sim.check_invariants()


@pytest.mark.rule("SQS-063", "SQS-436")
def test_two_queues_that_are_each_others_dead_letter_queue_may_both_be_made_again(sim):
    left = sim.create_queue("left", visibility_timeout=0)
    right = sim.create_queue("right", visibility_timeout=0, redrive_policy=RedrivePolicy(left, 1))
    left.set_queue_attributes(redrive_policy=RedrivePolicy(right, 1))
    left.delete_queue()
    right.delete_queue()
    sim.run(until=60)
    left = sim.create_queue("left", visibility_timeout=0)
    assert left.redrive_policy is None
    assert () == left.list_dead_letter_source_queues().queue_urls
    left.send_message("a")
    assert [1, 2, 3] == [left.receive_message()[0].receive_count for _ in range(3)]


@pytest.mark.rule("SQS-062")
@pytest.mark.parametrize("is_blocking", [False, True])
def test_long_polls_end_at_once_with_the_error(sim, queue, is_blocking):
    sim.call_at(5, queue.delete_queue)
    if is_blocking:
        with pytest.raises(QueueDoesNotExist) as caught:
            queue.receive_message(wait_time_seconds=20)
        assert caught.value.message == NOT_THERE
    else:
        log = []

        async def listen():
            try:
                await queue.wait_receive(wait_time_seconds=20)
            except QueueDoesNotExist as error:
                log.append((sim.now, error.message))

        for _ in range(2):
            sim.spawn(listen())
        sim.run()
        assert [(5.0, NOT_THERE), (5.0, NOT_THERE)] == log
    assert 5.0 == sim.now


# ---- a deletion that lingers


def lingering(linger_s):
    sim = Simulation(faults=SqsFaults(delete_queue_linger_s=linger_s))
    queue = sim.create_queue("orders", visibility_timeout=2)
    queue.send_message("before")
    sim.run(until=5)
    queue.delete_queue()
    return sim, queue


@pytest.mark.rule("SQS-061")
@pytest.mark.parametrize("linger_s", [1, 10, 60])
def test_a_deletion_that_lingers_leaves_the_queue_as_it_is_until_its_end(linger_s):
    sim, queue = lingering(linger_s)
    sim.run(until_us=seconds(5 + linger_s) - 1)
    queue.send_message("after")
    assert ["before", "after"] == bodies(queue.receive_message(max_number_of_messages=10))
    assert ["orders"] == names(sim.list_queues())
    sim.run(until=5 + linger_s)
    assert [] == names(sim.list_queues())
    assert () == sim.queues
    for call in (lambda: queue.send_message("late"), queue.receive_message, lambda: sim.get_queue_url("orders")):
        with pytest.raises(QueueDoesNotExist):
            call()
    sim.check_invariants()


@pytest.mark.rule("SQS-061", "SQS-043")
@pytest.mark.parametrize("linger_s", [0, 1, 59, 60])
def test_the_wait_for_the_name_counts_from_the_call(linger_s):
    sim, _ = lingering(linger_s)
    for at_us in (seconds(5), seconds(65) - 1):
        sim.run(until_us=at_us)
        with pytest.raises(QueueDeletedRecently):
            sim.create_queue("orders")
    sim.run(until=65)
    assert 0 == sim.create_queue("orders").snapshot().total


@pytest.mark.rule("SQS-061", "SQS-062")
def test_a_long_poll_on_a_queue_that_lingers_ends_with_it():
    sim, queue = lingering(10)
    queue.receive_message(visibility_timeout=900)
    with pytest.raises(QueueDoesNotExist):
        queue.receive_message(wait_time_seconds=20)
    assert 15.0 == sim.now


@pytest.mark.rule("SQS-061", "SQS-436")
def test_a_dead_letter_queue_that_lingers_still_takes_messages():
    sim = Simulation(faults=SqsFaults(delete_queue_linger_s=10))
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    queue.receive_message()
    dlq.delete_queue()
    sim.run(until_us=seconds(10) - 1)
    assert [] == queue.receive_message()
    assert 1 == dlq.snapshot().visible
    queue.send_message("b")
    sim.run(until=10)
    assert [["b"], ["b"], ["b"]] == [bodies(queue.receive_message()) for _ in range(3)]
    sim.check_invariants()


@pytest.mark.rule("SQS-061")
def test_calls_on_a_queue_that_lingers_see_it_as_it_was():
    sim, queue = lingering(10)
    assert queue.url == sim.get_queue_url("orders").queue_url
    assert "1" == queue.get_queue_attributes(["All"]).attributes["ApproximateNumberOfMessages"]
    (delivery,) = queue.receive_message()
    queue.delete_message(delivery.receipt_handle)
    sim.run(until=15)
    with pytest.raises(QueueDoesNotExist):
        queue.delete_message(delivery.receipt_handle)


@pytest.mark.rule("SQS-041", "SQS-051")
@given(st.lists(st.sampled_from(["a", "b", "ab", "B", "a.fifo"]), max_size=8))
def test_the_list_is_what_was_created_and_not_deleted(created):
    sim = Simulation(settings=[SqsConfig(recreate_wait_s=0)])
    expected = set()
    for name in created:
        if name in expected:
            sim.queue(name).delete_queue()
            expected.remove(name)
        else:
            sim.create_queue(name)
            expected.add(name)
        assert sorted(expected) == names(sim.list_queues())


@pytest.mark.rule("SQS-042", "SQS-091")
def test_a_value_that_is_still_on_its_way_is_the_current_one():
    sim = Simulation(faults=SqsFaults(attribute_propagation_s=60))
    queue = sim.create_queue("orders")
    queue.set_queue_attributes({"VisibilityTimeout": "8"})
    assert queue is sim.create_queue("orders", attributes={"VisibilityTimeout": "8"})
    with pytest.raises(QueueNameExists, match="VisibilityTimeout"):
        sim.create_queue("orders", attributes={"VisibilityTimeout": "30"})
