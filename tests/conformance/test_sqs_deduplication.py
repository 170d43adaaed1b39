"""SQS §14: deduplication of what is sent to a FIFO queue."""

from __future__ import annotations

from hashlib import md5, sha256

import pytest

from lambdasim import RedrivePolicy, SqsConfig
from lambdasim.errors.sqs import InvalidParameterValueException, SqsError
from lambdasim.units import seconds


def fifo(sim, name="orders.fifo", **attributes):
    return sim.create_queue(name, **{"fifo_queue": True, **attributes})


def send(queue, body="a", group="A", key="d"):
    """Send with a deduplication ID, or with None for that of the content."""
    return queue.send_message(body, message_group_id=group, message_deduplication_id=key)


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def everything(queue, **parameters):
    return bodies(queue.receive_message(max_number_of_messages=10, **parameters))


def names(answer):
    return answer.message_id, answer.sequence_number


def sums(sim, name):
    return [value for _, value in sim.metrics.series("AWS/SQS", name, "Sum", QueueName="orders.fifo")]


# ---- the window


@pytest.mark.rule("SQS-340", "SQS-003")
@pytest.mark.parametrize(("off_us", "is_duplicate"), [(-1, True), (0, False), (1, False)])
def test_an_id_is_remembered_for_300_s_from_its_first_send(sim, off_us, is_duplicate):
    queue = fifo(sim)
    sim.run(until=7)
    first = send(queue)
    sim.run(until_us=seconds(307) + off_us)
    again = send(queue)
    assert is_duplicate == (names(first) == names(again))
    assert (1 if is_duplicate else 2) == queue.snapshot().total


@pytest.mark.rule("SQS-340")
def test_a_duplicate_never_extends_the_window(sim):
    queue = fifo(sim)
    first = send(queue)
    for at_s in (100, 200, 299):
        sim.run(until=at_s)
        assert names(first) == names(send(queue))
    sim.run(until=300)
    assert names(first) != names(send(queue))


@pytest.mark.rule("SQS-340")
def test_the_send_after_the_window_begins_a_new_one(sim):
    queue = fifo(sim)
    send(queue)
    sim.run(until=310)
    second = send(queue)
    sim.run(until_us=seconds(610) - 1)
    assert names(second) == names(send(queue))
    sim.run(until=610)
    assert names(second) != names(send(queue))


@pytest.mark.rule("SQS-340")
@pytest.mark.parametrize(("off_us", "total"), [(-1, 1), (0, 2)])
def test_the_window_can_be_set(sim, off_us, total):
    queue = fifo(sim, settings=[SqsConfig(dedup_window_s=10)])
    send(queue)
    sim.run(until_us=seconds(10) + off_us)
    send(queue)
    assert total == queue.snapshot().total


@pytest.mark.rule("SQS-340")
def test_each_id_has_a_window_of_its_own(sim):
    queue = fifo(sim)
    for at_s in range(0, 300, 50):
        sim.run(until=at_s)
        send(queue, key=f"{at_s}")
    for at_s in range(300, 600, 50):
        sim.run(until_us=seconds(at_s) - 1)
        before = queue.snapshot().sent
        send(queue, key=f"{at_s - 300}")
        assert before == queue.snapshot().sent
        sim.run(until=at_s)
        send(queue, key=f"{at_s - 300}")
        assert before + 1 == queue.snapshot().sent


# ---- what the memory outlives


def received(sim, queue):
    assert ["a"] == everything(queue)


def deleted(sim, queue):
    (delivery,) = queue.receive_message()
    queue.delete_message(delivery.receipt_handle)


def moved(sim, queue):
    (delivery,) = queue.receive_message()
    queue.change_message_visibility(delivery.receipt_handle, 0)
    assert [] == everything(queue)
    assert 1 == queue.snapshot().moved


def expired(sim, queue):
    sim.run(until=60)
    assert 1 == queue.snapshot().expired


@pytest.mark.rule("SQS-341")
@pytest.mark.parametrize("happens", [received, deleted, moved, expired])
def test_the_memory_outlives_the_message(sim, happens):
    dlq = fifo(sim, "dlq.fifo")
    queue = fifo(sim, message_retention_period=60, redrive_policy=RedrivePolicy(dlq, 1))
    first = send(queue)
    happens(sim, queue)
    before = queue.snapshot().total
    sim.run(until_us=seconds(300) - 1)
    assert names(first) == names(send(queue))
    sim.run(until=300)
    assert names(first) != names(send(queue))
    assert 1 == queue.snapshot().total
    assert before in {0, 1}


@pytest.mark.rule("SQS-341", "SQS-480")
def test_a_purge_clears_the_memory(sim):
    queue = fifo(sim)
    first = send(queue)
    queue.purge_queue()
    second = send(queue)
    assert first.message_id != second.message_id
    assert first.sequence_number < second.sequence_number
    assert 1 == queue.snapshot().total


# ---- scope


@pytest.mark.rule("SQS-342")
def test_in_the_scope_of_a_queue_the_group_makes_no_difference(sim):
    queue = fifo(sim)
    assert names(send(queue, "a", "A")) == names(send(queue, "b", "B"))
    assert ["a"] == everything(queue)


@pytest.mark.rule("SQS-342")
def test_in_the_scope_of_a_group_each_group_remembers_for_itself(sim):
    queue = fifo(sim, deduplication_scope="messageGroup")
    first, second = send(queue, "a", "A"), send(queue, "b", "B")
    assert names(first) != names(second)
    assert names(first) == names(send(queue, "c", "A"))
    assert names(second) == names(send(queue, "d", "B"))
    assert ["a", "b"] == everything(queue)


@pytest.mark.rule("SQS-342", "SQS-343")
def test_the_scope_holds_for_ids_of_the_content_too(sim):
    queue = fifo(sim, deduplication_scope="messageGroup", content_based_deduplication=True)
    assert names(send(queue, "a", "A", None)) != names(send(queue, "a", "B", None))
    assert ["a", "a"] == everything(queue)


@pytest.mark.rule("SQS-342")
def test_no_pair_of_group_and_id_is_taken_for_another(sim):
    queue = fifo(sim, deduplication_scope="messageGroup")
    for group, key in (("A", "BC"), ("AB", "C"), ("A:B", "C"), ("A", "B:C"), ("A/B", "C"), ("A", "B/C")):
        send(queue, "a", group, key)
    assert 6 == queue.snapshot().total


@pytest.mark.rule("SQS-346")
@pytest.mark.parametrize(
    ("before", "after", "groups_before"),
    [("queue", "messageGroup", ("A", "B")), ("messageGroup", "queue", ("A", "A"))],
)
@pytest.mark.parametrize(("off_us", "is_new"), [(-1, False), (0, True), (1, True)])
def test_a_change_of_the_scope_governs_sends_from_a_minute_on(sim, before, after, groups_before, off_us, is_new):
    """Until then the old scope is asked, with its memory; from then on the new one, whose memory is empty."""
    queue = fifo(sim, deduplication_scope=before)
    send(queue, "a", groups_before[0])
    sim.run(until=10)
    queue.set_queue_attributes(deduplication_scope=after)
    assert after == queue.get_queue_attributes(["DeduplicationScope"]).attributes["DeduplicationScope"]
    sim.run(until_us=seconds(70) + off_us)
    send(queue, "b", groups_before[1])  # a duplicate by the old scope; nothing that the new one knows
    assert (2 if is_new else 1) == queue.snapshot().total


@pytest.mark.rule("SQS-346")
def test_after_the_change_the_new_scope_remembers_by_its_own_keys(sim):
    queue = fifo(sim, deduplication_scope="messageGroup")
    send(queue, "a", "A")
    queue.set_queue_attributes(deduplication_scope="queue")
    sim.run(until=30)
    send(queue, "b", "B")  # still the old scope
    assert 2 == queue.snapshot().total
    sim.run(until=60)
    third = send(queue, "c", "C")
    assert names(third) == names(send(queue, "d", "D")) == names(send(queue, "e", "A"))
    sim.run(until_us=seconds(360) - 1)
    assert names(third) == names(send(queue, "f", "B"))
    sim.run(until=360)
    assert names(third) != names(send(queue, "f", "B"))


@pytest.mark.rule("SQS-346")
@pytest.mark.parametrize(("lag_s", "off_us", "total"), [(5, -1, 1), (5, 0, 2), (0, 0, 2)])
def test_how_long_a_change_of_the_scope_takes_can_be_set(sim, lag_s, off_us, total):
    queue = fifo(sim, settings=[SqsConfig(dedup_scope_propagation_s=lag_s)])
    send(queue, "a", "A")
    sim.run(until=10)
    queue.set_queue_attributes(deduplication_scope="messageGroup")
    sim.run(until_us=seconds(10 + lag_s) + off_us)
    send(queue, "b", "B")
    assert total == queue.snapshot().total


@pytest.mark.rule("SQS-346")
def test_a_scope_that_comes_back_finds_its_memory_empty_too(sim):
    queue = fifo(sim)
    send(queue, "a", "A")
    queue.set_queue_attributes(deduplication_scope="messageGroup")
    sim.run(until=60)
    queue.set_queue_attributes(deduplication_scope="queue")
    sim.run_for(60)
    send(queue, "b", "A")
    assert ["a", "b"] == everything(queue)


@pytest.mark.rule("SQS-346")
def test_setting_the_new_scope_again_postpones_nothing(sim):
    queue = fifo(sim)
    send(queue, "a", "A")
    queue.set_queue_attributes(deduplication_scope="messageGroup")
    sim.run(until=30)
    queue.set_queue_attributes(deduplication_scope="messageGroup", visibility_timeout=10)
    sim.run(until=60)
    send(queue, "b", "B")
    assert 2 == queue.snapshot().total


@pytest.mark.rule("SQS-346", "SQS-340")
def test_a_change_of_the_scope_that_is_taken_back_in_time_changes_nothing(sim):
    queue = fifo(sim)
    send(queue, "a", "A")
    queue.set_queue_attributes(deduplication_scope="messageGroup")
    sim.run(until=30)
    queue.set_queue_attributes(deduplication_scope="queue")
    for at_us in (seconds(60), seconds(90), seconds(300) - 1):
        sim.run(until_us=at_us)
        send(queue, "b", "B")
        assert 1 == queue.snapshot().total


# ---- content


@pytest.mark.rule("SQS-343")
@pytest.mark.parametrize("body", ["a", "é✓", "x" * 100_000])
def test_the_id_of_a_content_is_the_sha_256_of_the_body(sim, body):
    queue = fifo(sim, content_based_deduplication=True)
    send(queue, body, key=None)
    send(queue, body, key=None)
    (delivery,) = queue.receive_message(max_number_of_messages=10, attribute_names=["MessageDeduplicationId"])
    expected = sha256(body.encode()).hexdigest()
    assert {"MessageDeduplicationId": expected} == delivery.attributes
    assert expected == delivery.message_deduplication_id


@pytest.mark.rule("SQS-343")
def test_attributes_are_no_part_of_the_content(sim):
    queue = fifo(sim, content_based_deduplication=True)
    for value in "xy":
        queue.send_message(
            "a", message_group_id="A", message_attributes={"k": {"DataType": "String", "StringValue": value}}
        )
    (delivery,) = queue.receive_message(max_number_of_messages=10, message_attribute_names=["All"])
    assert "x" == delivery.message_attributes["k"]["StringValue"]


@pytest.mark.rule("SQS-343")
def test_an_id_that_is_given_overrides_that_of_the_content(sim):
    queue = fifo(sim, content_based_deduplication=True)
    send(queue, "a", key="one")
    send(queue, "a", key="two")
    send(queue, "b", key="one")
    send(queue, "a", key=None)
    assert ["a", "a", "a"] == everything(queue)


@pytest.mark.rule("SQS-343")
@pytest.mark.parametrize("is_hash_first", [True, False])
def test_an_id_that_is_given_may_be_the_hash_of_a_content(sim, is_hash_first):
    queue = fifo(sim, content_based_deduplication=True)
    key = sha256(b"a").hexdigest()
    calls = [("by hash", key), ("a", None)]
    first, second = (send(queue, body, key=key) for body, key in (calls if is_hash_first else reversed(calls)))
    assert names(first) == names(second)
    assert ["by hash" if is_hash_first else "a"] == everything(queue)


@pytest.mark.rule("SQS-343", "SQS-092")
def test_content_counts_for_later_sends_and_the_memory_is_kept(sim):
    queue = fifo(sim)
    send(queue, "x", key=sha256(b"a").hexdigest())
    queue.set_queue_attributes(content_based_deduplication=True)
    send(queue, "a", key=None)
    assert ["x"] == everything(queue)


# ---- the answer


@pytest.mark.rule("SQS-344", "SQS-141")
def test_a_duplicate_is_answered_with_the_first_message_and_its_own_digests(sim):
    queue = fifo(sim)
    attributes = {"k": {"DataType": "String", "StringValue": "x"}}
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    first = send(queue, "a")
    again = queue.send_message(
        "other",
        message_group_id="A",
        message_deduplication_id="d",
        message_attributes=attributes,
        message_system_attributes=trace,
    )
    assert names(first) == names(again)
    assert md5(b"other", usedforsecurity=False).hexdigest() == again.md5_of_message_body
    assert "a45daa70926828a2f0a1db3418e6feb4" == again.md5_of_message_attributes
    assert again.md5_of_message_system_attributes is not None
    assert (None, None) == (first.md5_of_message_attributes, first.md5_of_message_system_attributes)
    (delivery,) = queue.receive_message(max_number_of_messages=10, message_attribute_names=["All"])
    assert ("a", {}) == (delivery.body, dict(delivery.message_attributes))


@pytest.mark.rule("SQS-344", "SQS-601")
def test_a_duplicate_counts_as_one_and_not_as_sent(sim):
    queue = fifo(sim)
    for _ in range(4):
        send(queue)
    send(queue, key="e")
    sim.run(until=60)
    assert [2] == sums(sim, "NumberOfMessagesSent")
    assert [3] == sums(sim, "NumberOfDeduplicatedSentMessages")
    assert [2] == sums(sim, "SentMessageSize")
    assert (2, 5) == (queue.snapshot().sent, queue.snapshot().requests)


@pytest.mark.rule("SQS-344", "SQS-208")
def test_a_duplicate_wakes_nobody(sim):
    queue, log = fifo(sim), []

    async def listen():
        found = await queue.wait_receive(wait_time_seconds=10)
        log.append((sim.now, bodies(found)))

    send(queue)
    (delivery,) = queue.receive_message()
    queue.delete_message(delivery.receipt_handle)
    sim.spawn(listen())
    sim.call_at(5, send, queue)
    sim.run()
    assert [(10.0, [])] == log


@pytest.mark.rule("SQS-344", "SQS-187")
def test_duplicates_of_one_batch_are_told_by_the_first_of_them(sim):
    queue = fifo(sim)
    answer = queue.send_message_batch(
        [
            {"id": "1", "message_body": "a", "message_group_id": "A", "message_deduplication_id": "d"},
            {"id": "2", "message_body": "b", "message_group_id": "A", "message_deduplication_id": "e"},
            {"id": "3", "message_body": "c", "message_group_id": "B", "message_deduplication_id": "d"},
        ]
    )
    one, two, three = answer.successful
    assert names(one) == names(three) != names(two)
    assert one.md5_of_message_body != three.md5_of_message_body
    assert ["a", "b"] == everything(queue)


@pytest.mark.rule("SQS-345")
@pytest.mark.parametrize(
    "wrong",
    [
        {"message_body": ""},
        {"message_body": "\x00"},
        {"message_body": "x" * 1_025},
        {"delay_seconds": 901},
        {"delay_seconds": 1},
        {"message_group_id": None},
        {"message_group_id": "with space"},
        {"message_attributes": {"AWS.x": {"DataType": "String", "StringValue": "x"}}},
    ],
)
def test_what_is_not_valid_fails_though_its_id_is_known(sim, wrong):
    queue = fifo(sim, maximum_message_size=1_024)
    send(queue)
    parameters = {"message_body": "a", "message_group_id": "A", "message_deduplication_id": "d", **wrong}
    body = parameters.pop("message_body")
    with pytest.raises(SqsError):
        queue.send_message(body, **parameters)
    sim.run(until=60)
    assert [] == sums(sim, "NumberOfDeduplicatedSentMessages")


@pytest.mark.rule("SQS-345", "SQS-166")
def test_a_failed_send_is_not_remembered(sim):
    queue = fifo(sim, maximum_message_size=1_024)
    with pytest.raises(InvalidParameterValueException):
        send(queue, "x" * 1_025)
    send(queue, "a")
    assert ["a"] == everything(queue)


@pytest.mark.rule("SQS-347")
def test_a_retry_after_the_window_makes_a_second_message(sim):
    queue = fifo(sim)
    send(queue)
    sim.run(until=299)
    send(queue)
    sim.run(until=300)
    send(queue)
    assert ["a", "a"] == everything(queue)
