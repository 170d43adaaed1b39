"""Receives of mappings that take time, and receives from a queue that is gone and comes again (ESM-055, ESM-092)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lambdasim import PollModel, ProvisionedModel, Simulation
from lambdasim.lambda_ import Outcome

US = Decimal("0.000001")


def starts(function):
    """The instants at which a function began to run, in seconds."""
    return [invocation.started_at_us / 1_000_000 for invocation in function.invocations]


# ---- receives that take time


@pytest.fixture
def slow():
    """A simulation in which each receive takes half a second to return."""
    return Simulation(settings=[PollModel(receive_latency_s=Decimal("0.5"))])


@pytest.mark.rule("ESM-092")
def test_a_message_is_in_flight_from_the_return_of_its_receive_on(slow):
    orders, worker = slow.create_queue("orders"), slow.create_function("worker", duration=1)
    slow.create_event_source_mapping(orders, worker)
    slow.run(until=3)
    orders.send_message("order 1")
    slow.run(until=Decimal("3.5") - US)
    assert (orders.visible, orders.in_flight, starts(worker)) == (1, 0, [])
    slow.run(until=Decimal("3.5"))
    assert (orders.visible, orders.in_flight, starts(worker)) == (0, 1, [3.5])
    slow.run()
    assert (orders.deleted, slow.now) == (1, 4.5)
    slow.check_invariants()


@pytest.mark.rule("ESM-092")
def test_a_receive_brings_what_is_there_when_it_returns(slow):
    """One call is under way, and others are not made for what it can bring."""
    orders, worker = slow.create_queue("orders"), slow.create_function("worker")
    mapping = slow.create_event_source_mapping(orders, worker)
    slow.run(until=0)
    for at in ("1", "1.2", "1.49"):
        slow.call_at(float(at), orders.send_message, at)
    slow.run(until=Decimal("1.5"))
    assert (len(worker.invocations), mapping.snapshot().invoked_event_count) == (1, 3)


@pytest.mark.rule("ESM-092")
def test_what_others_took_meanwhile_is_not_there_any_more(slow):
    orders, worker = slow.create_queue("orders"), slow.create_function("worker")
    mapping = slow.create_event_source_mapping(orders, worker)
    slow.run(until=3)
    orders.send_message("order 1")
    slow.run(until=Decimal("3.2"))
    (mine,) = orders.receive_message()
    slow.run(until=5)
    assert (len(worker.invocations), mapping.snapshot().polled_event_count) == (0, 0)
    orders.delete_message(mine.receipt_handle)
    orders.send_message("order 2")
    slow.run()
    assert starts(worker) == [5.5]
    slow.check_invariants()


@pytest.mark.rule("ESM-092", "ESM-082")
def test_empty_receives_return_later_too(slow):
    """A receive of 20 s returns after 20.5 s: five slots make 5 in the first 20.5 s, and 10 in the first 41."""
    orders = slow.create_queue("orders")
    mapping = slow.create_event_source_mapping(orders, slow.create_function("worker"))
    counts = []
    for until in (Decimal("20.5") - US, Decimal("20.5"), 41 - US, 41):
        slow.run(until=until)
        counts.append(mapping.snapshot().empty_receives)
    assert counts == [0, 5, 5, 10]


@pytest.mark.rule("ESM-092")
def test_a_mapping_that_stops_takes_nothing_of_a_receive_that_is_on_its_way(slow):
    orders, worker = slow.create_queue("orders"), slow.create_function("worker")
    mapping = slow.create_event_source_mapping(orders, worker)
    slow.run(until=3)
    orders.send_message("order 1")
    slow.run(until=Decimal("3.2"))
    mapping.update_event_source_mapping(enabled=False)
    slow.run()
    assert (mapping.state, orders.visible, len(worker.invocations)) == ("Disabled", 1, 0)
    slow.check_invariants()


# ---- a queue that is gone


@pytest.mark.rule("ESM-055")
def test_each_slot_tries_again_20_s_after_its_receive_failed(sim):
    orders, worker = sim.create_queue("orders"), sim.create_function("worker", duration=1)
    mapping = sim.create_event_source_mapping(orders, worker, batch_size=1)
    sim.run(until=7)
    orders.delete_queue()
    sim.run(until=70)
    assert (mapping.state, mapping.queue.arn) == ("Enabled", orders.arn)
    again = sim.create_queue("orders")  # its name is free 60 s after the deletion
    again.send_message("order 1")
    sim.run(until=87 - US)
    assert starts(worker) == []
    sim.run(until=87)
    assert (starts(worker), mapping.queue) == ([87.0], again)  # 7 + 4 × 20
    sim.run()
    assert (again.deleted, again.messages) == (1, ())
    sim.check_invariants()


@pytest.mark.rule("ESM-055")
def test_a_slot_that_was_at_work_tries_again_20_s_after_it_was_done(sim):
    orders, worker = sim.create_queue("orders"), sim.create_function("worker", duration=3)
    mapping = sim.create_event_source_mapping(orders, worker, batch_size=1, maximum_concurrency=2)
    sim.run(until=0)
    for _ in range(2):
        orders.send_message("order")
    sim.run(until=1)
    orders.delete_queue()
    sim.run(until=61)
    again = sim.create_queue("orders")
    again.send_message("order 3")
    sim.run()
    assert starts(worker) == [0, 0, 63.0]  # they were done at 3 s, and failed at 3, 23 and 43 s
    assert [invocation.outcome for invocation in worker.invocations] == [Outcome.SUCCESS] * 3
    assert mapping.snapshot().deleted_event_count == 1
    sim.check_invariants()


@pytest.mark.rule("ESM-055", "ESM-290")
def test_receives_from_a_queue_that_is_gone_are_neither_requests_nor_empty(sim):
    orders = sim.create_queue("orders")
    mapping = sim.create_event_source_mapping(orders, sim.create_function("worker"), maximum_concurrency=5)
    sim.run(until=20)
    orders.delete_queue()
    sim.run(until=1_000)
    again = sim.create_queue("orders")
    sim.run(until=1_020)
    assert (mapping.snapshot().empty_receives, again.snapshot().requests) == (5, 0)
    sim.run(until=1_040)
    assert (mapping.snapshot().empty_receives, again.snapshot().requests) == (10, 5)


# ---- provisioned mode, the timeline


@pytest.mark.rule("ESM-405", "ESM-252", "ESM-255")
def test_a_backlog_of_two_million_in_provisioned_mode():
    sim = Simulation(concurrent_executions=2_000, trace=0)
    orders = sim.create_queue("orders", visibility_timeout=60)
    sim.feed(orders, [0] * 2_000_000)
    sim.run(until=0)
    worker = sim.create_function("worker", duration=1)
    mapping = sim.create_event_source_mapping(
        orders, worker, minimum_pollers=2, maximum_pollers=200, settings=[ProvisionedModel()]
    )
    rows = []
    for until in (0, 30, 60, 118, Decimal("118.8") - US, Decimal("118.8")):
        sim.run(until=until)
        found = mapping.snapshot()
        rows.append((float(until), found.provisioned_pollers, found.pollers, found.deleted_event_count))
    assert [(at, pollers) for at, pollers, *_ in rows] == [
        (0, 2), (30, 52), (60, 102), (118, 198), (118.799999, 199), (118.8, 200),
    ]  # fmt: skip
    assert [slots for _, _, slots, _ in rows] == [20, 520, 1_020, 1_980, 1_990, 2_000]
    assert [done for *_, done in rows][:3] == [0, 77_500, 305_000]
    sim.run_until(lambda: orders.deleted == 2_000_000)
    assert sim.now == 159.6
