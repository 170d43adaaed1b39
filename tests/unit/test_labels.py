"""The short names of messages and invocations, as stories and replay texts use them."""

from __future__ import annotations

from lambdasim import RedrivePolicy, Simulation


def test_message_is_named_by_its_queue_and_number() -> None:
    """Messages count from 1 in each queue, those of batches too."""
    sim = Simulation()
    orders, jobs = sim.create_queue("orders"), sim.create_queue("jobs.fifo", content_based_deduplication=True)
    orders.send_message("a")
    orders.send_message_batch([{"id": "1", "message_body": "b"}, {"id": "2", "message_body": "c"}])
    jobs.send_message("d", message_group_id="g")
    labels = [(message.body, message.label) for queue in (orders, jobs) for message in queue.messages]
    assert [("a", "orders#1"), ("b", "orders#2"), ("c", "orders#3"), ("d", "jobs.fifo#1")] == labels


def test_message_keeps_its_name_in_a_dead_letter_queue() -> None:
    """Where a message came from stays legible; what a move task sends back is a new message."""
    sim = Simulation()
    dead = sim.create_queue("orders-dlq")
    orders = sim.create_queue("orders", visibility_timeout=1, redrive_policy=RedrivePolicy(dead, max_receive_count=1))
    orders.send_message("a")
    orders.receive_message()
    sim.run_for(2)
    assert [] == orders.receive_message()
    assert ["orders#1"] == [message.label for message in dead.messages]
    sim.start_message_move_task(dead.arn)
    sim.run()
    assert ["orders#2"] == [message.label for message in orders.messages]


def test_invocation_is_named_by_its_function_and_number() -> None:
    """Each attempt of an asynchronous event is an invocation of its own, though the request id is one."""
    sim = Simulation()

    def fail(event: object, context: object) -> None:
        raise ValueError(event, context)

    charge, ship = sim.create_function("charge", fail), sim.create_function("ship")
    charge.invoke({}, invocation_type="Event")
    sim.run()
    ship.invoke({})
    assert ["charge#1", "charge#2", "charge#3"] == [invocation.label for invocation in charge.invocations]
    assert 1 == len({invocation.request_id for invocation in charge.invocations})
    assert ["ship#1"] == [invocation.label for invocation in ship.invocations]


def test_refused_request_takes_no_number() -> None:
    """A throttle is no invocation."""
    sim = Simulation(concurrent_executions=1)
    slow = sim.create_function("slow", duration=2)
    for _ in range(2):
        slow.invoke({}, invocation_type="Event")
    sim.run()
    assert slow.throttles > 0
    assert ["slow#1", "slow#2"] == [invocation.label for invocation in slow.invocations]


def test_operations_are_in_the_stories_of_their_own_batch():
    """The slot that asked for an invocation goes on to another batch; what the first one did stays with its message."""
    sim = Simulation(execution="interleaved", pace=0.001)
    done = sim.remote([], name="done")
    orders = sim.create_queue("orders")
    worker = sim.create_function("worker", lambda event, _: done.append(event["Records"][0]["body"]))
    sim.create_event_source_mapping(orders, worker, batch_size=1, maximum_concurrency=2)
    for body in ("first", "second", "third"):
        orders.send_message(body)
    first = orders.messages[0]
    sim.run()
    assert "worker#1: done.append('first')" in first.story()
    assert "second" not in first.story()
    assert "third" not in first.story()
    assert [(), (), ()] == [invocation.messages for invocation in worker.invocations]
