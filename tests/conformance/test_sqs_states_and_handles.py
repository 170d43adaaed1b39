"""SQS §10 to §12: states, visibility timeouts, receipt handles, deletes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation, SqsConfig
from lambdasim.errors.sqs import InvalidParameterValueException, MessageNotInflight, ReceiptHandleIsInvalid
from lambdasim.units import seconds

NOT_THERE = (
    "Value {} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for "
    "visibility timeout change."
)
CEILING = (
    "Value {} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond "
    "the limit [43200 seconds]"
)


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def counts(queue):
    snapshot = queue.snapshot()
    return snapshot.visible, snapshot.in_flight, snapshot.delayed


def take(queue, **parameters):
    """Receive the one message that is there, and return its handle."""
    (delivery,) = queue.receive_message(**parameters)
    return delivery.receipt_handle


# ---- states


@pytest.mark.rule("SQS-230", "SQS-231", "SQS-600")
def test_a_message_is_in_exactly_one_state_and_counted_there(sim, queue):
    queue.send_message("a", delay_seconds=5)
    assert (0, 0, 1) == counts(queue)
    sim.run(until=5)
    assert (1, 0, 0) == counts(queue)
    take(queue, visibility_timeout=10)
    assert (0, 1, 0) == counts(queue)
    sim.run(until=15)
    assert (1, 0, 0) == counts(queue)
    handle = take(queue, visibility_timeout=10)
    queue.change_message_visibility(handle, 0)
    assert (1, 0, 0) == counts(queue)
    handle = take(queue, visibility_timeout=10)
    queue.change_message_visibility(handle, 20)
    assert (0, 1, 0) == counts(queue)
    queue.delete_message(handle)
    assert (0, 0, 0) == counts(queue)
    assert 1 == queue.snapshot().deleted
    sim.check_invariants()


@pytest.mark.rule("SQS-231")
@pytest.mark.parametrize("state", ["delayed", "visible", "in flight"])
def test_retention_ends_a_message_in_any_state(sim, state):
    queue = sim.create_queue("orders", message_retention_period=60)
    queue.send_message("a", delay_seconds=900 if state == "delayed" else 0)
    if state == "in flight":
        take(queue, visibility_timeout=900)
    sim.run(until_us=seconds(60) - 1)
    assert 1 == queue.snapshot().total
    sim.run(until=60)
    assert (0, 0, 0) == counts(queue)
    assert 1 == queue.snapshot().expired


@pytest.mark.rule("SQS-231", "SQS-273")
@pytest.mark.parametrize("how", ["in flight", "expired", "released"])
def test_a_delete_ends_a_message_that_is_in_flight_or_visible(sim, queue, how):
    queue.send_message("a")
    handle = take(queue, visibility_timeout=10)
    if how == "expired":
        sim.run(until=10)
    elif how == "released":
        queue.change_message_visibility(handle, 0)
    queue.delete_message(handle)
    assert (0, 0, 0) == counts(queue)
    sim.run(until=100)
    assert [] == queue.receive_message()
    assert 1 == queue.snapshot().deleted


@pytest.mark.rule("SQS-233")
def test_nothing_but_a_delete_or_retention_ends_redelivery(sim, queue):
    queue.send_message("a")
    for number in range(1, 101):
        (delivery,) = queue.receive_message(visibility_timeout=30)
        assert number == delivery.receive_count
        sim.run_for(30)
    assert 1 == queue.snapshot().visible


# ---- visibility


@pytest.mark.rule("SQS-240")
def test_each_delivery_has_a_timeout_of_its_own(sim, queue):
    for body in "ab":
        queue.send_message(body)
    take(queue, visibility_timeout=10)
    sim.run(until=4)
    take(queue, visibility_timeout=5)
    sim.run(until_us=seconds(9))
    assert ["b"] == bodies(queue.receive_message(max_number_of_messages=10, visibility_timeout=100))
    sim.run(until=10)
    assert ["a"] == bodies(queue.receive_message(max_number_of_messages=10))


@pytest.mark.rule("SQS-241")
@pytest.mark.parametrize("timeout_s", [1, 5, 26, 30, 600])
def test_a_change_counts_from_the_call_and_replaces_what_was_left(sim, queue, timeout_s):
    queue.send_message("a")
    handle = take(queue, visibility_timeout=30)
    sim.run(until=4)
    assert queue.change_message_visibility(handle, timeout_s) is None
    sim.run(until_us=seconds(4 + timeout_s) - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run(until_us=seconds(4 + timeout_s))
    assert (1, 0, 0) == counts(queue)
    sim.check_invariants()


@pytest.mark.rule("SQS-241")
def test_a_change_holds_for_this_delivery_only(sim, queue):
    queue.send_message("a")
    handle = take(queue)
    queue.change_message_visibility(handle, 5)
    sim.run(until=5)
    take(queue)
    sim.run(until_us=seconds(35) - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run(until=35)
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-241")
def test_the_last_of_several_changes_holds(sim, queue):
    queue.send_message("a")
    handle = take(queue)
    for timeout_s in (100, 2, 50, 7):
        queue.change_message_visibility(handle, timeout_s)
    sim.run(until_us=seconds(7) - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run(until=7)
    assert (1, 0, 0) == counts(queue)
    sim.run(until=200)
    sim.check_invariants()


@pytest.mark.rule("SQS-242")
def test_a_change_to_nought_releases_at_once_and_the_handle_stays_the_newest(queue):
    queue.send_message("a")
    handle = take(queue)
    queue.change_message_visibility(handle, 0)
    assert (1, 0, 0) == counts(queue)
    queue.delete_message(handle)
    assert (0, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-243")
@pytest.mark.parametrize("timeout_s", [-1, 43_201])
def test_a_timeout_out_of_range_is_refused_and_the_deadline_stays(sim, queue, timeout_s):
    queue.send_message("a")
    handle = take(queue)
    with pytest.raises(InvalidParameterValueException) as caught:
        queue.change_message_visibility(handle, timeout_s)
    assert (
        f"Value {timeout_s} for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200."
        == caught.value.message
    )
    sim.run(until=30)
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-244")
@pytest.mark.parametrize(("off_us", "is_legal"), [(-1, True), (0, True), (1, False)])
def test_no_delivery_lasts_longer_than_twelve_hours(sim, queue, off_us, is_legal):
    sim.run(until=7)
    queue.send_message("a")
    handle = take(queue, visibility_timeout=43_200)
    sim.run(until_us=seconds(7 + 43_000) + off_us)
    if is_legal:
        queue.change_message_visibility(handle, 200)
    else:
        with pytest.raises(InvalidParameterValueException) as caught:
            queue.change_message_visibility(handle, 200)
        assert CEILING.format(200) == caught.value.message
    sim.run(until_us=seconds(7 + 43_200) + min(off_us, 0) - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run(until_us=seconds(7 + 43_200) + min(off_us, 0))
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-244")
def test_extending_does_not_begin_the_twelve_hours_anew_and_a_delivery_does(sim, queue):
    queue.send_message("a")
    handle = take(queue, visibility_timeout=30_000)
    sim.run(until=20_000)
    queue.change_message_visibility(handle, 20_000)
    sim.run(until=30_000)
    with pytest.raises(InvalidParameterValueException):
        queue.change_message_visibility(handle, 13_201)
    sim.run(until=40_000)
    handle = take(queue)
    queue.change_message_visibility(handle, 43_200)
    assert (0, 1, 0) == counts(queue)


@pytest.mark.rule("SQS-244")
def test_the_twelve_hours_may_count_from_the_first_delivery_where_the_configuration_says_so(sim):
    queue = sim.create_queue("orders", settings=[SqsConfig(visibility_total_base="first_receive")])
    queue.send_message("a")
    take(queue, visibility_timeout=10)
    sim.run(until=10)
    handle = take(queue)
    queue.change_message_visibility(handle, 43_190)
    with pytest.raises(InvalidParameterValueException):
        queue.change_message_visibility(handle, 43_191)


@pytest.mark.rule("SQS-245", "SQS-621")
def test_checks_come_in_the_order_of_the_rule(sim, queue):
    other = sim.create_queue("other")
    other.send_message("x")
    strange = take(other)
    with pytest.raises(InvalidParameterValueException, match=r"Must be between 0 and 43200\.$"):
        queue.change_message_visibility("no handle", 43_201)
    with pytest.raises(ReceiptHandleIsInvalid, match=r"is not a valid receipt handle\.$"):
        queue.change_message_visibility("no handle", 1)
    with pytest.raises(ReceiptHandleIsInvalid, match=r"is not valid for this queue\.$"):
        queue.change_message_visibility(strange, 1)
    queue.send_message("a")
    handle = take(queue)
    sim.run(until=1)
    queue.delete_message(handle)
    with pytest.raises(InvalidParameterValueException, match=r"Message does not exist"):
        queue.change_message_visibility(handle, 43_200)


CALLS = {
    "change": lambda queue, handle: queue.change_message_visibility(handle, 1),
    "delete": lambda queue, handle: queue.delete_message(handle),
}


@pytest.mark.rule("SQS-246", "SQS-272")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("handle", ["", "x", "no handle", "AQEB" + "0" * 52, "é" * 56, "cut", "longer", "changed"])
def test_a_text_that_was_never_a_handle_is_refused(sim, queue, call, handle):
    queue.send_message("a")
    real = take(queue)
    handle = {"cut": real[:-1], "longer": f"{real}0", "changed": changed(real)}.get(handle, handle)
    with pytest.raises(ReceiptHandleIsInvalid) as caught:
        CALLS[call](queue, handle)
    assert f'The input receipt handle "{handle}" is not a valid receipt handle.' == caught.value.message
    assert (0, 1, 0) == counts(queue)


def changed(handle):
    """Return the handle with one character in the middle exchanged for another."""
    place = len(handle) - 12
    return handle[:place] + ("1" if handle[place] != "1" else "2") + handle[place + 1 :]


@pytest.mark.rule("SQS-246", "SQS-272")
@pytest.mark.parametrize("call", CALLS)
def test_a_handle_of_another_queue_is_refused(sim, queue, call):
    other = sim.create_queue("other")
    for each in (queue, other):
        each.send_message("a")
    handle = take(other)
    take(queue)
    with pytest.raises(ReceiptHandleIsInvalid) as caught:
        CALLS[call](queue, handle)
    assert f'The receipt handle "{handle}" is not valid for this queue.' == caught.value.message
    assert (0, 1, 0) == counts(queue) == counts(other)


@pytest.mark.rule("SQS-246", "SQS-272")
def test_a_handle_of_another_seed_is_refused():
    one, two = (Simulation(seed=seed).create_queue("orders") for seed in (1, 2))
    for each in (one, two):
        each.send_message("a")
    take(two)
    with pytest.raises(ReceiptHandleIsInvalid):
        two.delete_message(take(one))


def gone_by_delete(sim, queue, handle):
    queue.delete_message(handle)


def gone_by_retention(sim, queue, handle):
    sim.run(until=100)


def gone_by_move(sim, queue, handle):
    queue.change_message_visibility(handle, 0)
    assert [] == queue.receive_message()
    assert 1 == queue.snapshot().moved


@pytest.mark.rule("SQS-247", "SQS-276", "SQS-401", "SQS-433")
@pytest.mark.parametrize("go", [gone_by_delete, gone_by_retention, gone_by_move])
def test_a_message_that_is_gone_can_be_deleted_and_not_changed(sim, go):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", message_retention_period=100, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    handle = take(queue, visibility_timeout=100)
    go(sim, queue, handle)
    before = queue.snapshot(), dlq.snapshot().visible
    with pytest.raises(InvalidParameterValueException) as caught:
        queue.change_message_visibility(handle, 1)
    assert NOT_THERE.format(handle) == caught.value.message
    assert before[0] == queue.snapshot()
    assert queue.delete_message(handle) is None
    assert queue.delete_message(handle) is None
    assert before[0].deleted == queue.snapshot().deleted
    assert before[1] == dlq.snapshot().visible


@pytest.mark.rule("SQS-248")
@pytest.mark.parametrize("how", ["expired", "released"])
@pytest.mark.parametrize("timeout_s", [0, 60])
def test_a_change_after_the_message_came_back_succeeds_without_effect(sim, queue, how, timeout_s):
    queue.send_message("a")
    handle = take(queue, visibility_timeout=10)
    if how == "expired":
        sim.run(until=10)
    else:
        queue.change_message_visibility(handle, 0)
    queue.change_message_visibility(handle, timeout_s)
    assert (1, 0, 0) == counts(queue)
    assert ["a"] == bodies(queue.receive_message())


@pytest.mark.rule("SQS-248")
def test_a_change_after_the_message_came_back_fails_where_the_configuration_is_strict(sim):
    queue = sim.create_queue("orders", settings=[SqsConfig(strict_not_inflight=True)])
    queue.send_message("a")
    handle = take(queue, visibility_timeout=10)
    queue.change_message_visibility(handle, 20)
    sim.run(until=20)
    with pytest.raises(MessageNotInflight) as caught:
        queue.change_message_visibility(handle, 10)
    assert "The specified message isn't in flight." == caught.value.message
    assert "AWS.SimpleQueueService.MessageNotInflight" == caught.value.code


@pytest.mark.rule("SQS-249")
@pytest.mark.parametrize("timeout_s", [0, 5, 100])
def test_an_old_handle_changes_the_delivery_that_is_in_flight(sim, queue, timeout_s):
    queue.send_message("a")
    old = take(queue, visibility_timeout=10)
    sim.run(until=10)
    take(queue, visibility_timeout=30)
    sim.run(until=20)
    queue.change_message_visibility(old, timeout_s)
    if timeout_s:
        sim.run(until_us=seconds(20 + timeout_s) - 1)
        assert (0, 1, 0) == counts(queue)
    sim.run(until_us=seconds(20 + timeout_s))
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-244", "SQS-249")
def test_the_twelve_hours_of_an_old_handle_are_those_of_the_delivery_in_flight(sim, queue):
    queue.send_message("a")
    old = take(queue, visibility_timeout=10)
    sim.run(until=10)
    take(queue)
    queue.change_message_visibility(old, 43_200)
    sim.run(until=11)
    with pytest.raises(InvalidParameterValueException):
        queue.change_message_visibility(old, 43_200)


@pytest.mark.rule("SQS-249")
def test_an_old_handle_is_refused_where_the_configuration_says_so(sim):
    queue = sim.create_queue("orders", settings=[SqsConfig(stale_change_visibility="error")])
    queue.send_message("a")
    old = take(queue, visibility_timeout=10)
    sim.run(until=10)
    new = take(queue, visibility_timeout=10)
    with pytest.raises(InvalidParameterValueException) as caught:
        queue.change_message_visibility(old, 0)
    assert NOT_THERE.format(old) == caught.value.message
    assert (0, 1, 0) == counts(queue)
    queue.change_message_visibility(new, 0)
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-251")
def test_a_change_of_one_message_leaves_the_others_of_its_batch_alone(sim, queue):
    for body in "abc":
        queue.send_message(body)
    _, second, _ = queue.receive_message(max_number_of_messages=3, visibility_timeout=10)
    queue.change_message_visibility(second.receipt_handle, 20)
    sim.run(until=10)
    assert (2, 1, 0) == counts(queue)
    assert ["a", "c"] == bodies(queue.receive_message(max_number_of_messages=10, visibility_timeout=100))
    sim.run(until=20)
    assert ["b"] == bodies(queue.receive_message(max_number_of_messages=10))
    sim.check_invariants()


@pytest.mark.rule("SQS-252")
def test_a_change_touches_neither_counts_nor_retention_nor_the_place_in_line(sim):
    queue = sim.create_queue("orders", message_retention_period=60)
    queue.send_message("a")
    queue.send_message("b")
    handle = take(queue, visibility_timeout=10)
    sim.run(until=5)
    queue.change_message_visibility(handle, 30)
    queue.change_message_visibility(handle, 0)
    first, second = queue.receive_message(max_number_of_messages=2)
    assert [("a", 2), ("b", 1)] == [(d.body, d.receive_count) for d in (first, second)]
    queue.change_message_visibility(first.receipt_handle, 1_000)
    sim.run(until=60)
    assert 2 == queue.snapshot().expired


# ---- handles


@pytest.mark.rule("SQS-270")
def test_the_handle_and_not_the_message_id_is_the_key(queue):
    answer = queue.send_message("a")
    take(queue)
    with pytest.raises(ReceiptHandleIsInvalid):
        queue.delete_message(answer.message_id)
    assert (0, 1, 0) == counts(queue)


@pytest.mark.rule("SQS-270")
def test_a_handle_deletes_its_message_and_no_other(queue):
    for body in "abc":
        queue.send_message(body)
    _, second, _ = queue.receive_message(max_number_of_messages=3)
    assert queue.delete_message(second.receipt_handle) is None
    assert ["a", "c"] == [message.body for message in queue.messages]


@pytest.mark.rule("SQS-273")
def test_the_newest_handle_deletes_though_its_timeout_is_long_over(sim, queue):
    queue.send_message("a")
    handle = take(queue, visibility_timeout=10)
    sim.run(until=100_000)
    queue.delete_message(handle)
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-274")
@pytest.mark.parametrize("is_in_flight", [True, False])
def test_an_older_handle_is_accepted_and_deletes_nothing(sim, queue, is_in_flight):
    queue.send_message("a")
    old = take(queue, visibility_timeout=10)
    sim.run(until=10)
    new = take(queue, visibility_timeout=10)
    if not is_in_flight:
        sim.run(until=20)
    before = counts(queue)
    assert queue.delete_message(old) is None
    assert before == counts(queue)
    assert 0 == queue.snapshot().deleted
    queue.delete_message(new)
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-274")
def test_an_older_handle_deletes_where_the_configuration_says_so(sim):
    queue = sim.create_queue("orders", settings=[SqsConfig(stale_delete="delete")])
    queue.send_message("a")
    old = take(queue, visibility_timeout=10)
    sim.run(until=10)
    take(queue)
    queue.delete_message(old)
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-276")
def test_deleting_twice_succeeds_and_deletes_once(queue):
    for body in "ab":
        queue.send_message(body)
    handle = take(queue)
    for _ in range(3):
        queue.delete_message(handle)
    assert 1 == queue.snapshot().deleted
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-271", "SQS-274")
@given(st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_of_all_handles_of_a_message_only_the_newest_deletes(places):
    sim = Simulation()
    queue = sim.create_queue("orders", visibility_timeout=1)
    queue.send_message("a")
    handles = []
    for place in places:
        handles.append(take(queue))
        if place < len(handles) - 1:
            queue.delete_message(handles[place])
        sim.run_for(1)
    assert 1 == queue.snapshot().total
    queue.delete_message(handles[-1])
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-271")
def test_a_handle_may_be_read_late(sim, queue):
    """Handles are texts made when somebody looks: when that is makes no difference."""
    queue.send_message("a")
    (first,) = queue.receive_message(visibility_timeout=10)
    sim.run(until=10)
    (second,) = queue.receive_message(visibility_timeout=10)
    assert first.receipt_handle != second.receipt_handle
    queue.delete_message(first.receipt_handle)
    assert 1 == queue.snapshot().total
    queue.delete_message(second.receipt_handle)
    assert 0 == queue.snapshot().total
    queue.delete_message(first.receipt_handle)
    assert 1 == queue.snapshot().deleted


# ---- FIFO queues


EXPIRED = "Value {} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."


def fifo(sim, name="orders.fifo", **attributes):
    return sim.create_queue(name, **{"fifo_queue": True, "content_based_deduplication": True, **attributes})


def send(queue, *names):
    for name in names:
        queue.send_message(name, message_group_id=name[0])


def refused_change(queue, handle, timeout_s=10):
    with pytest.raises(InvalidParameterValueException) as caught:
        queue.change_message_visibility(handle, timeout_s)
    return caught.value.message


def refused_delete(queue, handle):
    with pytest.raises(InvalidParameterValueException) as caught:
        queue.delete_message(handle)
    return caught.value.message


@pytest.mark.rule("SQS-232", "SQS-230")
@pytest.mark.parametrize("how", ["in flight", "delayed"])
def test_a_fifo_message_that_is_blocked_is_visible_to_counts(sim, how):
    queue = fifo(sim, visibility_timeout=100)
    send(queue, "A1", "A2", "A3")
    assert (3, 0, 0) == counts(queue)
    handle = take(queue)
    assert (2, 1, 0) == counts(queue)
    if how == "delayed":
        queue.set_queue_attributes(delay_seconds=10)
        send(queue, "A4")
        assert (2, 1, 1) == counts(queue)
        sim.run(until=10)
        assert (3, 1, 0) == counts(queue)
    queue.delete_message(handle)
    assert 0 == queue.snapshot().in_flight
    sim.check_invariants()


@pytest.mark.rule("SQS-250", "SQS-275", "SQS-003")
@pytest.mark.parametrize(("off_us", "is_valid"), [(-1, True), (0, False), (1, False)])
def test_a_fifo_handle_is_valid_until_its_timeout_ends(sim, off_us, is_valid):
    queues = [fifo(sim, name, visibility_timeout=30) for name in ("deleted.fifo", "changed.fifo")]
    for queue in queues:
        send(queue, "A1")
    handles = [take(queue) for queue in queues]
    sim.run(until_us=seconds(30) + off_us)
    if is_valid:
        queues[0].delete_message(handles[0])
        queues[1].change_message_visibility(handles[1], 10)
        assert ((0, 0, 0), (0, 1, 0)) == (counts(queues[0]), counts(queues[1]))
    else:
        assert EXPIRED.format(handles[0]) == refused_delete(queues[0], handles[0])
        assert NOT_THERE.format(handles[1]) == refused_change(queues[1], handles[1])
        assert ((1, 0, 0), (1, 0, 0)) == (counts(queues[0]), counts(queues[1]))


@pytest.mark.rule("SQS-275", "SQS-241")
@pytest.mark.parametrize(("timeout_s", "ends_s"), [(50, 55), (10, 15)])
@pytest.mark.parametrize(("off_us", "is_valid"), [(-1, True), (0, False)])
def test_the_deadline_of_a_fifo_handle_is_that_of_the_last_change(sim, timeout_s, ends_s, off_us, is_valid):
    queue = fifo(sim, visibility_timeout=30)
    send(queue, "A1")
    handle = take(queue)
    sim.run(until=5)
    queue.change_message_visibility(handle, timeout_s)
    sim.run(until_us=seconds(ends_s) + off_us)
    if is_valid:
        queue.delete_message(handle)
        assert 0 == queue.snapshot().total
    else:
        assert EXPIRED.format(handle) == refused_delete(queue, handle)


@pytest.mark.rule("SQS-275", "SQS-250")
def test_a_superseded_fifo_handle_neither_deletes_nor_changes(sim):
    queue = fifo(sim, visibility_timeout=10)
    send(queue, "A1")
    old = take(queue)
    sim.run(until=10)
    new = take(queue)
    assert EXPIRED.format(old) == refused_delete(queue, old)
    assert NOT_THERE.format(old) == refused_change(queue, old, 0)
    assert (0, 1, 0) == counts(queue)
    queue.delete_message(new)
    assert 0 == queue.snapshot().total


@pytest.mark.rule("SQS-275", "SQS-274")
@pytest.mark.parametrize("config", [{"stale_delete": "delete"}, {"stale_change_visibility": "apply"}])
def test_what_may_be_set_about_old_handles_of_standard_queues_holds_for_no_fifo_queue(sim, config):
    queue = fifo(sim, visibility_timeout=10, settings=[SqsConfig(**config)])
    send(queue, "A1")
    old = take(queue)
    sim.run(until=10)
    take(queue)
    assert EXPIRED.format(old) == refused_delete(queue, old)
    assert NOT_THERE.format(old) == refused_change(queue, old)
    assert (0, 1, 0) == counts(queue)


@pytest.mark.rule("SQS-275", "SQS-205", "SQS-250")
def test_a_fifo_handle_without_a_visibility_timeout_is_expired_at_birth(sim):
    queue = fifo(sim)
    send(queue, "A1")
    handle = take(queue, visibility_timeout=0)
    assert EXPIRED.format(handle) == refused_delete(queue, handle)
    assert NOT_THERE.format(handle) == refused_change(queue, handle)


@pytest.mark.rule("SQS-242", "SQS-275", "SQS-250")
def test_a_fifo_handle_ends_with_a_release(sim):
    queue = fifo(sim)
    send(queue, "A1")
    handle = take(queue)
    queue.change_message_visibility(handle, 0)
    assert (1, 0, 0) == counts(queue)
    assert EXPIRED.format(handle) == refused_delete(queue, handle)
    assert NOT_THERE.format(handle) == refused_change(queue, handle)


@pytest.mark.rule("SQS-276", "SQS-247")
@pytest.mark.parametrize("go", [gone_by_delete, gone_by_retention, gone_by_move])
def test_a_fifo_message_that_is_gone_can_be_deleted_and_not_changed(sim, go):
    dlq = fifo(sim, "dlq.fifo")
    queue = fifo(sim, message_retention_period=100, redrive_policy=RedrivePolicy(dlq, 1))
    send(queue, "A1")
    handle = take(queue, visibility_timeout=100)
    go(sim, queue, handle)
    before = queue.snapshot().deleted
    assert NOT_THERE.format(handle) == refused_change(queue, handle)
    for _ in range(2):
        assert queue.delete_message(handle) is None
    assert before == queue.snapshot().deleted


@pytest.mark.rule("SQS-276", "SQS-275")
def test_a_superseded_fifo_handle_of_a_deleted_message_is_as_good_as_any(sim):
    queue = fifo(sim, visibility_timeout=10)
    send(queue, "A1")
    old = take(queue)
    sim.run(until=10)
    queue.delete_message(take(queue))
    assert queue.delete_message(old) is None


@pytest.mark.rule("SQS-245")
def test_a_fifo_handle_is_checked_before_the_twelve_hours(sim):
    queue = fifo(sim)
    send(queue, "A1")
    handle = take(queue, visibility_timeout=10)
    sim.run(until=9)
    assert CEILING.format(43_200) == refused_change(queue, handle, 43_200)
    sim.run(until=10)
    assert NOT_THERE.format(handle) == refused_change(queue, handle, 43_200)
    with pytest.raises(InvalidParameterValueException, match=r"Must be between 0 and 43200\.$"):
        queue.change_message_visibility(handle, 43_201)


@pytest.mark.rule("SQS-244")
@pytest.mark.parametrize(("timeout_s", "is_legal"), [(43_100, True), (43_101, False)])
def test_the_twelve_hours_hold_for_fifo_messages_too(sim, timeout_s, is_legal):
    queue = fifo(sim, visibility_timeout=200)
    send(queue, "A1")
    handle = take(queue)
    sim.run(until=100)
    if is_legal:
        queue.change_message_visibility(handle, timeout_s)
    else:
        assert CEILING.format(timeout_s) == refused_change(queue, handle, timeout_s)
    sim.run(until=43_200)
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-246", "SQS-272")
@pytest.mark.parametrize("call", CALLS)
def test_a_fifo_queue_refuses_what_is_no_handle_of_its_own(sim, call):
    queue, other = fifo(sim), fifo(sim, "other.fifo")
    for each in (queue, other):
        send(each, "A1")
    handle = take(other)
    take(queue)
    with pytest.raises(ReceiptHandleIsInvalid, match=r"is not valid for this queue\.$"):
        CALLS[call](queue, handle)
    with pytest.raises(ReceiptHandleIsInvalid, match=r"is not a valid receipt handle\.$"):
        CALLS[call](queue, "no handle")


@pytest.mark.rule("SQS-251", "SQS-252")
def test_a_change_of_one_fifo_message_leaves_the_others_of_its_group_alone(sim):
    queue = fifo(sim, visibility_timeout=10)
    send(queue, "A1", "A2", "A3")
    found = queue.receive_message(max_number_of_messages=3)
    queue.change_message_visibility(found[1].receipt_handle, 20)
    sim.run(until=10)
    assert (2, 1, 0) == counts(queue)
    again = queue.receive_message(max_number_of_messages=10, visibility_timeout=100)
    assert [("A1", 2)] == [(delivery.body, delivery.receive_count) for delivery in again]
    sim.run(until=20)
    assert [] == queue.receive_message()
    sim.check_invariants()


@pytest.mark.rule("SQS-277")
def test_any_fifo_message_in_flight_may_be_deleted_head_or_not(sim):
    queue = fifo(sim)
    send(queue, "A1", "A2", "A3", "A4")
    handles = [delivery.receipt_handle for delivery in queue.receive_message(max_number_of_messages=3)]
    for place, left in ((1, ["A1", "A3", "A4"]), (2, ["A1", "A4"]), (0, ["A4"])):
        assert [] == queue.receive_message()
        queue.delete_message(handles[place])
        assert left == [message.body for message in queue.messages]
    assert ["A4"] == bodies(queue.receive_message())
    sim.check_invariants()


@pytest.mark.rule("SQS-271", "SQS-275")
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=8))
def test_of_all_handles_of_a_fifo_message_only_the_newest_deletes_in_time(steps):
    sim = Simulation()
    queue = fifo(sim, visibility_timeout=1)
    send(queue, "A1")
    handles = []
    for place, is_late in steps:
        handles.append(take(queue))
        if is_late:
            sim.run_for(1)
        if place < len(handles) - 1 or is_late:
            refused_delete(queue, handles[min(place, len(handles) - 1)])
        if not is_late:
            sim.run_for(1)
    handles.append(take(queue))
    queue.delete_message(handles[-1])
    assert 0 == queue.snapshot().total


# ---- queues that are deleted and created again


@pytest.mark.rule("SQS-279", "SQS-028")
@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_on_a_queue_that_was_created_again_an_old_handle_refers_to_nothing(sim, suffix):
    def create():
        return fifo(sim, f"orders{suffix}") if suffix else sim.create_queue("orders")

    def fill(queue):
        queue.send_message("a", message_group_id="A")
        return take(queue, visibility_timeout=1_000)

    queue = create()
    old = fill(queue)
    queue.delete_queue()
    sim.run(until=60)
    again = create()
    assert again.delete_message(old) is None
    new = fill(again)
    assert old != new
    assert NOT_THERE.format(old) == refused_change(again, old, 0)
    assert again.delete_message(old) is None
    assert (0, 1, 0) == counts(again)
    assert 0 == again.snapshot().deleted
    again.delete_message(new)
    assert 0 == again.snapshot().total
