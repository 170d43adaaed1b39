"""SQS §14: receive request attempts of FIFO queues."""

from __future__ import annotations

import pytest

from lambdasim.errors.sqs import InvalidParameterValueException
from lambdasim.units import seconds

ILLEGAL = (
    "Value {} for parameter ReceiveRequestAttemptId is invalid. Reason: ReceiveRequestAttemptId can only include "
    "alphanumeric and punctuation characters. 1 to 128 in length."
)
WRONG_TYPE = (
    "Value {} for parameter ReceiveRequestAttemptId is invalid. Reason: The request include parameter that is not "
    "valid for this queue type."
)
NOT_RETRYABLE = (
    "Value {} for parameter ReceiveRequestAttemptId is invalid. Reason: The receiveRequestAttemptId is not valid "
    "anymore since the receive call is not retryable."
)


@pytest.fixture
def queue(sim):
    return sim.create_queue("orders.fifo", fifo_queue=True, content_based_deduplication=True, visibility_timeout=30)


def send(queue, *names):
    for name in names:
        queue.send_message(name, message_group_id=name[0])


def attempt(queue, attempt_id="R", limit=10, **parameters):
    """Receive, and return what was delivered: body, handle and count of each."""
    found = queue.receive_message(max_number_of_messages=limit, receive_request_attempt_id=attempt_id, **parameters)
    return [(delivery.body, delivery.receipt_handle, delivery.receive_count) for delivery in found]


def names(found):
    return [body for body, _, _ in found]


def refused(queue, attempt_id="R"):
    with pytest.raises(InvalidParameterValueException) as caught:
        attempt(queue, attempt_id)
    return caught.value.message


# ---- the ID


@pytest.mark.rule("SQS-360")
@pytest.mark.parametrize("attempt_id", ["x", "x" * 128, "!", "~", "a-b_c.d/e"])
def test_an_id_is_1_to_128_characters_that_can_be_seen(queue, attempt_id):
    send(queue, "A1")
    assert ["A1"] == names(attempt(queue, attempt_id))


@pytest.mark.rule("SQS-360")
@pytest.mark.parametrize("attempt_id", ["", "x" * 129, "a b", "é", "\x7f", " "])
def test_any_other_id_is_refused_and_nothing_is_delivered(queue, attempt_id):
    send(queue, "A1")
    assert ILLEGAL.format(attempt_id) == refused(queue, attempt_id)
    assert (1, 0) == (queue.snapshot().visible, queue.snapshot().in_flight)


@pytest.mark.rule("SQS-360")
def test_a_standard_queue_takes_no_id(sim):
    queue = sim.create_queue("orders")
    queue.send_message("a")
    assert WRONG_TYPE.format("R") == refused(queue)
    assert 1 == queue.snapshot().visible


# ---- the same answer again


@pytest.mark.rule("SQS-361")
def test_a_retry_brings_the_same_messages_with_the_same_handles_and_counts(sim, queue):
    send(queue, "A1", "A2", "B1", "B2")
    first = attempt(queue, limit=3)
    assert ["A1", "A2", "B1"] == names(first)
    for at_s in (2, 5):
        sim.run(until=at_s)
        assert first == attempt(queue)
    assert (1, 3) == (queue.snapshot().visible, queue.snapshot().in_flight)
    queue.delete_message(first[0][1])
    assert 3 == queue.snapshot().total


@pytest.mark.rule("SQS-361")
@pytest.mark.parametrize(("call_s", "lasts_s"), [(None, 30), (5, 5), (100, 100)])
def test_a_retry_sets_the_deadlines_by_its_own_timeout(sim, queue, call_s, lasts_s):
    send(queue, "A1", "A2")
    attempt(queue, visibility_timeout=20)
    sim.run(until=2)
    attempt(queue, visibility_timeout=call_s)
    sim.run(until_us=seconds(2 + lasts_s) - 1)
    assert 2 == queue.snapshot().in_flight
    sim.run(until_us=seconds(2 + lasts_s))
    assert 2 == queue.snapshot().visible


@pytest.mark.rule("SQS-361")
def test_the_timeout_is_no_second_delivery_but_counts_its_twelve_hours_from_the_first(sim, queue):
    """The count does not rise, so that the next real delivery is the second."""
    send(queue, "A1")
    attempt(queue)
    sim.run(until=10)
    attempt(queue)
    sim.run(until=40)
    ((body, _, count),) = attempt(queue, "another")
    assert ("A1", 2) == (body, count)


@pytest.mark.rule("SQS-361")
def test_each_id_has_an_answer_of_its_own(queue):
    send(queue, "A1", "B1")
    first, second = attempt(queue, "one", 1), attempt(queue, "two", 1)
    assert (["A1"], ["B1"]) == (names(first), names(second))
    assert (first, second) == (attempt(queue, "one"), attempt(queue, "two"))


@pytest.mark.rule("SQS-361")
def test_a_retry_may_be_a_long_poll_and_does_not_wait(sim, queue):
    send(queue, "A1")
    first = attempt(queue)
    sim.run(until=3)
    assert first == attempt(queue, wait_time_seconds=20)
    assert 3.0 == sim.now


# ---- no longer


def by_delete(sim, queue, handle):
    queue.delete_message(handle)


def by_release(sim, queue, handle):
    queue.change_message_visibility(handle, 0)


def by_change(sim, queue, handle):
    queue.change_message_visibility(handle, 20)


def by_another_receive(sim, queue, handle):
    sim.run(until=30)
    assert 2 == len(queue.receive_message(max_number_of_messages=10))


@pytest.mark.rule("SQS-362")
@pytest.mark.parametrize("change", [by_delete, by_release, by_change, by_another_receive])
def test_a_retry_is_refused_when_a_message_of_its_answer_was_touched(sim, queue, change):
    send(queue, "A1", "A2")
    first = attempt(queue)
    sim.run(until=4)
    change(sim, queue, first[-1][1])
    before = queue.snapshot()
    assert NOT_RETRYABLE.format("R") == refused(queue)
    after = queue.snapshot()
    assert (before.visible, before.in_flight) == (after.visible, after.in_flight)


@pytest.mark.rule("SQS-362", "SQS-363")
@pytest.mark.parametrize(("timeout_s", "waits_s"), [(0, 0), (0, 60), (5, 5), (50, 60)])
@pytest.mark.parametrize("names_sent", [["A1"], ["A1", "A2"]])
def test_a_message_that_was_touched_and_is_visible_again_did_not_merely_time_out(
    sim, queue, timeout_s, waits_s, names_sent
):
    send(queue, *names_sent)
    for _, handle, _ in attempt(queue):
        queue.change_message_visibility(handle, timeout_s)
    sim.run_for(waits_s)
    assert len(names_sent) == queue.snapshot().visible
    assert NOT_RETRYABLE.format("R") == refused(queue)
    assert len(names_sent) == queue.snapshot().visible


@pytest.mark.rule("SQS-362")
def test_a_retry_is_refused_when_all_messages_of_its_answer_were_deleted(queue):
    send(queue, "A1", "A2")
    for _, handle, _ in attempt(queue):
        queue.delete_message(handle)
    send(queue, "A3")
    assert NOT_RETRYABLE.format("R") == refused(queue)
    assert ["A3"] == names(attempt(queue, "another"))


@pytest.mark.rule("SQS-362")
def test_a_retry_is_refused_after_another_receive_though_that_one_timed_out_as_well(sim, queue):
    send(queue, "A1")
    attempt(queue, visibility_timeout=1)
    sim.run(until=1)
    assert 1 == len(queue.receive_message(visibility_timeout=1))
    sim.run(until=2)
    assert NOT_RETRYABLE.format("R") == refused(queue)


@pytest.mark.rule("SQS-362", "SQS-361")
def test_a_retry_before_is_no_touch(sim, queue):
    send(queue, "A1")
    first = attempt(queue)
    assert first == attempt(queue, visibility_timeout=10)
    sim.run(until=9)
    assert first == attempt(queue)


# ---- timed out, empty, forgotten


@pytest.mark.rule("SQS-363")
@pytest.mark.parametrize(("off_us", "count"), [(-1, 1), (0, 2), (1, 2)])
def test_a_retry_after_the_timeout_is_an_ordinary_receive_that_is_remembered_instead(sim, queue, off_us, count):
    send(queue, "A1")
    first = attempt(queue)
    sim.run(until_us=seconds(30) + off_us)
    second = attempt(queue)
    assert [("A1", count)] == [(body, number) for body, _, number in second]
    assert (first == second) == (count == 1)
    sim.run_for(5)
    assert second == attempt(queue)


@pytest.mark.rule("SQS-363")
def test_a_retry_after_an_empty_answer_is_an_ordinary_receive_that_is_remembered(sim, queue):
    assert [] == attempt(queue)
    sim.run(until=5)
    send(queue, "A1")
    first = attempt(queue)
    assert ["A1"] == names(first)
    sim.run(until=10)
    send(queue, "B1")
    assert first == attempt(queue)


@pytest.mark.rule("SQS-360", "SQS-363")
@pytest.mark.parametrize(("off_us", "expected"), [(-1, ["A1"]), (0, []), (1, [])])
def test_an_id_is_forgotten_five_minutes_after_its_first_use(sim, queue, off_us, expected):
    """What it is then is an ordinary receive, which finds the group blocked."""
    send(queue, "A1", "A2")
    sim.run(until=3)
    attempt(queue, limit=1, visibility_timeout=1_000)
    for at_s in (100, 250):
        sim.run(until=at_s)
        assert ["A1"] == names(attempt(queue, visibility_timeout=1_000))
    sim.run(until_us=seconds(303) + off_us)
    assert expected == names(attempt(queue, visibility_timeout=1_000))


@pytest.mark.rule("SQS-363")
@pytest.mark.parametrize(("off_us", "expected"), [(-1, ["A1"]), (0, [])])
@pytest.mark.parametrize("why", ["empty", "timed out"])
def test_an_answer_that_took_the_place_of_another_does_not_begin_the_five_minutes_anew(
    sim, queue, why, off_us, expected
):
    if why == "timed out":
        send(queue, "A1")
        attempt(queue, visibility_timeout=10)
    else:
        assert [] == attempt(queue)
    sim.run(until=200)
    if why == "empty":
        send(queue, "A1")
    assert ["A1"] == names(attempt(queue, visibility_timeout=1_000))
    sim.run(until_us=seconds(300) + off_us)
    assert expected == names(attempt(queue, visibility_timeout=1_000))


@pytest.mark.rule("SQS-362", "SQS-363")
def test_a_forgotten_id_is_as_good_as_new(sim, queue):
    send(queue, "A1", "B1")
    ((_, handle, _),) = attempt(queue, limit=1, visibility_timeout=1_000)
    queue.delete_message(handle)
    sim.run(until_us=seconds(300) - 1)
    assert NOT_RETRYABLE.format("R") == refused(queue)
    sim.run(until=300)
    assert ["B1"] == names(attempt(queue))


@pytest.mark.rule("SQS-364")
def test_without_an_id_a_repeated_receive_cannot_get_what_was_lost(sim, queue):
    send(queue, "A1", "A2")
    assert 2 == len(queue.receive_message(max_number_of_messages=10))
    sim.run(until_us=seconds(30) - 1)
    assert [] == queue.receive_message(max_number_of_messages=10)
    sim.run(until=30)
    assert 2 == len(queue.receive_message(max_number_of_messages=10))
