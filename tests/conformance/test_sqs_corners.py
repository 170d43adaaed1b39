"""Where two rules meet: what a review of SQS found, each with a test of its own."""

from __future__ import annotations

import pytest

from lambdasim import RedrivePolicy, Simulation, SqsConfig, SqsFaults
from lambdasim.errors import ParamValidationError, UsageError
from lambdasim.errors.sqs import QueueDoesNotExist
from lambdasim.units import seconds


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


class Says:
    """A chooser that says one thing at one point, and the benign thing elsewhere."""

    def __init__(self, name, answer):
        self.name = name
        self.answer = answer

    def choose(self, point, options):
        del options
        if point.name != self.name:
            return 0
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


# ---- redeliver


@pytest.mark.rule("SQS-278", "SQS-306")
def test_a_queue_delivers_again_only_what_is_or_was_its_own(sim):
    """A message of another queue, or one that has moved on, is refused, and nothing is changed."""
    dlq, other = sim.create_queue("dlq"), sim.create_queue("other")
    orders = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    orders.send_message("a")
    (there,) = orders.messages
    orders.receive_message()
    orders.receive_message()
    (moved,) = dlq.messages
    dlq.receive_message()
    for queue, message in ((orders, moved), (other, moved), (other, there), (orders, there), (orders, None)):
        with pytest.raises(UsageError):
            queue.redeliver(message)
        sim.check_invariants()
    dlq.redeliver(moved)
    assert dlq.visible == 1
    sim.check_invariants()


def test_a_deleted_message_comes_again_once_and_by_a_delivery_too(sim, queue):
    """What is back already stays as it is; its receive count goes on from where it was."""
    queue.send_message("a")
    (message,) = queue.messages
    (first,) = queue.receive_message()
    queue.delete_message(first.receipt_handle)
    queue.redeliver(message)
    queue.redeliver(message)
    queue.redeliver(first)
    assert queue.visible == 1
    (second,) = queue.receive_message()
    assert (second.receive_count, second.message_id) == (2, first.message_id)
    queue.redeliver(message)  # it is in flight: visible again
    assert queue.visible == 1
    queue.delete_message(second.receipt_handle)
    queue.redeliver(message)
    assert queue.receive_message()[0].receive_count == 3
    sim.check_invariants()
    queue.delete_queue()
    with pytest.raises(QueueDoesNotExist):
        queue.redeliver(message)


def test_a_queue_that_was_made_again_knows_nothing_of_the_messages_before():
    """Also where the name is free at once."""
    sim = Simulation(settings=[SqsConfig(recreate_wait_s=0)])
    orders = sim.create_queue("orders")
    orders.send_message("a")
    (message,) = orders.messages
    (delivery,) = orders.receive_message()
    orders.delete_message(delivery.receipt_handle)
    orders.delete_queue()
    again = sim.create_queue("orders")
    with pytest.raises(UsageError):
        again.redeliver(message)
    assert again.messages == ()


# ---- policies that are on their way


@pytest.mark.rule("SQS-436", "SQS-091")
@pytest.mark.parametrize("to_another", [True, False])
def test_a_policy_that_still_acts_stops_when_its_queue_is_deleted(sim, to_another):
    """The queue shown is another one, or none; the one in force is gone: the message is delivered."""
    first, second = sim.create_queue("first"), sim.create_queue("second")
    orders = sim.create_queue(
        "orders",
        visibility_timeout=0,
        redrive_policy=RedrivePolicy(first, 1),
        faults=SqsFaults(attribute_propagation_s=30),
    )
    orders.send_message("a")
    orders.receive_message()
    orders.set_queue_attributes(redrive_policy=RedrivePolicy(second, 1) if to_another else None)
    first.delete_queue()
    assert bodies(orders.receive_message()) == ["a"]
    sim.check_invariants()
    sim.run(until=30)
    assert bodies(orders.receive_message()) == ([] if to_another else ["a"])
    assert second.visible == to_another


@pytest.mark.rule("SQS-061", "SQS-043")
def test_a_queue_that_lingers_ends_when_its_name_is_used_again():
    """It ends once, and the end of its time does nothing to the new one."""
    sim = Simulation(settings=[SqsConfig(recreate_wait_s=0)], faults=SqsFaults(delete_queue_linger_s=50))
    orders = sim.create_queue("orders")
    orders.send_message("a")
    orders.delete_queue()
    sim.run(until=5)
    again = sim.create_queue("orders")
    again.send_message("b")
    sim.run(until=60)
    assert bodies(again.messages) == ["b"]
    assert [record.at_us for record in sim.trace.records if record.kind == "queue deleted"] == [seconds(5)]


@pytest.mark.rule("SQS-092", "SQS-400")
@pytest.mark.parametrize("how", ["delete", "purge"])
def test_a_shorter_retention_holds_for_what_comes_after_the_queue_was_empty(sim, how):
    """The end of retention that was due for a message long gone is not waited for."""
    orders = sim.create_queue("orders", message_retention_period=900)
    orders.send_message("a")
    if how == "purge":
        orders.purge_queue()
    else:
        orders.delete_message(orders.receive_message()[0].receipt_handle)
    sim.run(until=10)
    orders.set_queue_attributes(message_retention_period=60)
    orders.send_message("b")
    sim.run(until_us=seconds(70) - 1)
    assert bodies(orders.messages) == ["b"]
    sim.run(until=70)
    assert orders.messages == ()
    sim.check_invariants()


# ---- wakes


@pytest.mark.rule("SQS-208", "SQS-361")
def test_a_repeated_receive_without_a_timeout_is_there_for_who_waits(sim):
    """With a visibility timeout of 0 the messages are visible at once, and an open poll gets them."""
    orders = sim.create_queue("orders.fifo", content_based_deduplication=True)
    orders.send_message("a", message_group_id="g")
    (first,) = orders.receive_message(receive_request_attempt_id="r")
    waiting = sim.spawn(orders.wait_receive(wait_time_seconds=10))
    sim.run(until=1)
    (again,) = orders.receive_message(receive_request_attempt_id="r", visibility_timeout=0)
    assert again.receipt_handle == first.receipt_handle
    sim.run(until=1)
    assert bodies(waiting.result()) == ["a"]


@pytest.mark.rule("SQS-004", "SQS-462")
def test_steps_of_move_tasks_at_one_instant_come_before_the_polls_they_wake(sim):
    """Two tasks step at 1 s; the poll that waits gets both messages in one answer."""
    target = sim.create_queue("target")
    for name in ("one", "two"):
        dlq = sim.create_queue(name)
        sim.create_queue(f"{name}-source", redrive_policy=RedrivePolicy(dlq, 1))
        dlq.send_message(f"{name} 1")
        dlq.send_message(f"{name} 2")
        sim.start_message_move_task(dlq, target, max_number_of_messages_per_second=1)
    target.receive_message(max_number_of_messages=10)
    waiting = sim.spawn(target.wait_receive(max_number_of_messages=10, wait_time_seconds=10))
    sim.run(until=2)
    assert bodies(waiting.result()) == ["one 2", "two 2"]


@pytest.mark.rule("SQS-331", "SQS-202", "SQS-208")
@pytest.mark.parametrize("wait_s", [0, 20])
def test_a_message_that_moves_away_makes_room_in_the_scan_window_at_once(wait_s):
    """The receive that moves the only message of the window looks at the one behind it."""
    sim = Simulation(settings=[SqsConfig(fifo_scan_window=1)])
    dlq = sim.create_queue("dlq.fifo")
    orders = sim.create_queue(
        "orders.fifo", content_based_deduplication=True, visibility_timeout=5, redrive_policy=RedrivePolicy(dlq, 1)
    )
    orders.send_message("a1", message_group_id="a")
    orders.send_message("b1", message_group_id="b")
    assert bodies(orders.receive_message()) == ["a1"]
    assert orders.receive_message(max_number_of_messages=10) == []
    if wait_s:
        assert bodies(orders.receive_message(wait_time_seconds=wait_s)) == ["b1"]
        assert sim.now == 5
    else:
        sim.run(until=5)
        assert bodies(orders.receive_message()) == ["b1"]
    assert bodies(dlq.messages) == ["a1"]
    sim.check_invariants()


# ---- choosers, and knobs turned up


@pytest.mark.parametrize("answer", [99, -1, None, True, "1", RuntimeError("no")])
def test_a_chooser_that_is_wrong_changes_nothing(answer):
    """An answer that is no option is refused by name, and what was looked at is back in line."""
    sim = Simulation(faults=SqsFaults(reorder_window=3), choices=Says("sqs.reorder", answer))
    orders = sim.create_queue("orders")
    for body in "abcd":
        orders.send_message(body)
    with pytest.raises(RuntimeError if isinstance(answer, Exception) else UsageError, match=r"no|sqs\.reorder"):
        orders.receive_message(max_number_of_messages=2)
    sim.check_invariants()
    assert (orders.visible, orders.in_flight) == (4, 0)


@pytest.mark.rule("SQS-216", "SQS-439")
@pytest.mark.parametrize("timeout_s", [0, 30])
def test_a_mapping_whose_answers_are_always_lost_does_not_spin(timeout_s):
    """Messages are in flight and nobody has them; time goes on, even where they are visible again at once."""
    sim = Simulation(faults=SqsFaults(lost_receive_response_probability=1.0))
    dlq = sim.create_queue("dlq")
    orders = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, 3))
    worker = sim.create_function("worker", timeout=3)
    sim.create_event_source_mapping(orders, worker)
    orders.set_queue_attributes(visibility_timeout=timeout_s)
    for number in range(100):
        orders.send_message(str(number))
    sim.run(until=300)
    assert worker.snapshot().invocations == 0
    assert dlq.visible > 0
    sim.check_invariants()


class SaysOnce:
    """A chooser that says one thing at each of some points, once."""

    def __init__(self, **answers):
        self.answers = {f"sqs.{name}": answer for name, answer in answers.items()}

    def choose(self, point, options):
        del options
        return self.answers.pop(point.name, 0)


@pytest.mark.rule("SQS-208", "SQS-306", "SQS-439")
@pytest.mark.parametrize("is_lost", [True, False])
def test_a_message_that_is_visible_again_at_once_is_not_left_to_waiting_pollers(is_lost):
    """A duplicate after 0 s, its first answer lost or not: another slot of the mapping gets it, and nothing is left."""
    faults = SqsFaults(duplicate_probability=0.5, lost_receive_response_probability=0.5)
    sim = Simulation(faults=faults, choices=SaysOnce(duplicate=1, lost_receive_response=int(is_lost)))
    orders = sim.create_queue("orders")
    worker = sim.create_function("worker", duration=1)
    sim.create_event_source_mapping(orders, worker)
    sim.run(until=10)
    orders.send_message("a")
    sim.run()
    assert (orders.snapshot().total, orders.snapshot().received) == (0, 2)
    assert worker.snapshot().invocations == (1 if is_lost else 2)


@pytest.mark.rule("SQS-170", "SQS-415")
def test_arrivals_go_on_when_an_answer_is_lost_or_a_call_refused():
    """A feed has nobody who could hear of it: a lost answer is a message that is in, a refused call is none."""
    for faults, least in ((SqsFaults(lost_send_ack_probability=1.0), 10), (SqsFaults(throttle_probability=1.0), 0)):
        sim = Simulation(faults=faults)
        orders = sim.create_queue("orders")
        feed = sim.feed(orders, range(10))
        sim.run()
        assert (feed.is_done, orders.sent) == (True, least)


def test_a_fifo_queue_is_fed_through_a_callable(sim):
    """Arrivals have no group; the refusal says what to give."""
    orders = sim.create_queue("orders.fifo", content_based_deduplication=True)
    with pytest.raises(UsageError, match="message_group_id"):
        sim.feed(orders, range(3))
    sim.feed(lambda body: orders.send_message(body, message_group_id="g"), range(3), message=lambda n: f"order {n}")
    sim.run()
    assert bodies(orders.messages) == ["order 1", "order 2", "order 3"]


@pytest.mark.rule("SQS-217", "SQS-601")
def test_the_pollers_of_a_deleted_queue_make_no_empty_receives(sim, queue):
    """Their receives fail. What was counted before stays in the metric of the name."""
    sim.create_event_source_mapping(queue, sim.create_function("worker"))
    sim.run(until=60)
    requests = queue.snapshot().requests
    queue.delete_queue()
    sim.run(until=600)
    series = sim.metrics.series("AWS/SQS", "NumberOfEmptyReceives", "Sum", QueueName="orders")
    assert queue.snapshot().requests == requests + 1
    assert sum(value for _, value in series) == requests > 0


@pytest.mark.rule("SQS-313")
@pytest.mark.parametrize("later_s", [0, 400])
def test_a_tenant_that_only_came_by_a_redrive_policy_has_sent_nothing(sim, later_s):
    """In the dead-letter queue nobody is noisy, at the beginning of a simulation as at any other time."""
    dlq = sim.create_queue("dlq")
    orders = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    sim.run(until=later_s)
    for number in range(60):
        orders.send_message(f"x{number}", message_group_id="x")
    for _ in range(7):
        orders.receive_message(max_number_of_messages=10)
    for _ in range(4):
        dlq.receive_message(max_number_of_messages=10)
    dlq.send_message("y", message_group_id="y")
    assert bodies(dlq.receive_message()) == ["x40"]


# ---- what a client refuses before it calls


@pytest.mark.rule("SQS-621")
@pytest.mark.parametrize(
    "call",
    [
        lambda sim, queue: queue.receive_message(max_number_of_messages="10"),
        lambda sim, queue: queue.receive_message(max_number_of_messages=2.0),
        lambda sim, queue: queue.receive_message(wait_time_seconds=True),
        lambda sim, queue: queue.receive_message(visibility_timeout="30"),
        lambda sim, queue: queue.receive_message(message_system_attribute_names=0),
        lambda sim, queue: queue.receive_message(attribute_names=["All"], message_system_attribute_names="All"),
        lambda sim, queue: queue.send_message("a", delay_seconds=1.5),
        lambda sim, queue: queue.change_message_visibility("handle", 0.5),
        lambda sim, queue: queue.delete_message(5),
        lambda sim, queue: queue.list_dead_letter_source_queues(max_results="5"),
        lambda sim, queue: queue.tag_queue([]),
        lambda sim, queue: sim.create_queue(5),
        lambda sim, queue: sim.create_queue("orders", tags=5),
        lambda sim, queue: sim.list_queues(5),
        lambda sim, queue: sim.list_queues(max_results=5, next_token=5),
        lambda sim, queue: sim.get_queue_url(5),
        lambda sim, queue: sim.queue(5),
        lambda sim, queue: sim.start_message_move_task(queue, max_number_of_messages_per_second="5"),
        lambda sim, queue: sim.cancel_message_move_task(5),
        lambda sim, queue: sim.list_message_move_tasks(queue, max_results=1.0),
    ],
)
def test_values_of_a_wrong_type_are_refused_as_a_client_does(sim, queue, call):
    """Before anything else, and without a request."""
    before = queue.snapshot()
    with pytest.raises(ParamValidationError):
        call(sim, queue)
    assert queue.snapshot() == before


@pytest.mark.parametrize(
    "make",
    [
        lambda queue: RedrivePolicy(5, 1),
        lambda queue: {"redrive_policy": queue},
        lambda queue: {"redrive_policy": RedrivePolicy(queue, object())},
        lambda queue: {"redrive_policy": {"deadLetterTargetArn": queue, "maxReceiveCount": {1, 2}}},
        lambda queue: {"fifo_queue": []},
        lambda queue: {"settings": None},
        lambda queue: {"region": [1]},
        lambda queue: {"region": "\ud800"},
    ],
)
def test_what_cannot_be_a_queue_is_refused_in_words(sim, queue, make):
    """A UsageError that names the value, whatever it is."""

    def create():
        sim.create_queue("other", **make(queue))

    with pytest.raises(UsageError):
        create()


def test_a_queue_stands_for_its_arn_in_policies_and_for_its_name(sim):
    """Where AWS takes a name or an ARN, the object itself will do."""
    dlq = sim.create_queue("dlq")
    orders = sim.create_queue("orders", redrive_policy={"deadLetterTargetArn": dlq, "maxReceiveCount": 3})
    dlq.set_queue_attributes(redrive_allow_policy={"redrivePermission": "byQueue", "sourceQueueArns": [orders]})
    assert orders.dead_letter_queue is dlq
    assert orders.arn in dlq.redrive_allow_policy
    assert sim.get_queue_url(orders).queue_url == orders.url


@pytest.mark.rule("SQS-622")
@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_a_batch_with_a_wrong_type_in_it_does_nothing(sim, name):
    """A client refuses the whole of it: the entries before are not carried out."""
    orders = sim.create_queue(name, content_based_deduplication=True if name.endswith(".fifo") else None)
    group = "g" if orders.is_fifo else None
    orders.send_message("a", message_group_id=group)
    (delivery,) = orders.receive_message()
    good = {"id": "a", "receipt_handle": delivery.receipt_handle}
    before = orders.snapshot()
    for call in (
        lambda: orders.delete_message_batch([good, {"id": "b", "receipt_handle": 5}]),
        lambda: orders.change_message_visibility_batch(
            [{**good, "visibility_timeout": 0}, {"id": "b", "receipt_handle": "h", "visibility_timeout": "30"}]
        ),
        lambda: orders.send_message_batch(
            [
                {"id": "a", "message_body": "b", "message_group_id": group},
                {"id": "b", "message_body": 5, "message_group_id": group},
            ]
        ),
    ):
        with pytest.raises((ParamValidationError, UsageError)):
            call()
        assert orders.snapshot() == before


def test_the_url_of_a_queue_object_is_its_own(sim):
    """Also of one of another Region or account whose name exists here too."""
    here = sim.create_queue("orders")
    there = sim.create_queue("orders", region="eu-west-1", account_id="210987654321")
    assert sim.get_queue_url(here).queue_url == here.url
    assert sim.get_queue_url(there).queue_url == there.url != here.url
    there.delete_queue()
    with pytest.raises(QueueDoesNotExist):
        sim.get_queue_url(there)


# ---- nothing piles up


def test_a_message_that_stays_does_not_keep_those_that_came_after_it(sim):
    """One stuck message in a dead-letter queue, thousands moved there and deleted: the heap by send stays small."""
    dlq = sim.create_queue("dlq")
    orders = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    for number in range(2_000):
        orders.send_message(str(number))
        orders.receive_message()
        orders.receive_message()
        if number:
            (delivery,) = dlq.receive_message()
            dlq.delete_message(delivery.receipt_handle)
        else:
            dlq.receive_message(visibility_timeout=43_200)
    assert (dlq.in_flight, dlq.visible) == (1, 0)
    assert len(dlq._ages._by_send) < 200
