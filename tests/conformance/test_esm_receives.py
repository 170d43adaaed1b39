"""Receives of mappings that take time, and receives from a queue that is gone and comes again (ESM-055, ESM-092)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lambdasim import BatchWindowModel, PollModel, ProvisionedModel, ScalingModel, Simulation
from lambdasim.errors.lambda_ import InvalidParameterValueException, ResourceConflictException
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


@pytest.mark.rule("ESM-092", "ESM-101")
def test_a_slot_too_many_goes_with_its_receive_though_all_were_away_when_another_ended(slow):
    """One receive ends at 20.5 s, two at 24.5 s; from 20.2 to 20.7 s none of them is in line."""
    orders, worker = slow.create_queue("orders"), slow.create_function("worker", duration=0)
    mapping = slow.create_event_source_mapping(orders, worker, batch_size=1, settings=[ScalingModel(initial=3)])
    for _ in range(2):
        slow.call_at(3.5, orders.send_message, "order")
    slow.run(until=5)
    mapping.update_event_source_mapping(maximum_concurrency=2)
    slow.run(until=Decimal("20.2"))
    for _ in range(3):
        orders.send_message("for another consumer")
    assert len(orders.receive_message(max_number_of_messages=3)) == 3
    for until, pollers, empty in ((Decimal("24.5") - US, 3, 1), (Decimal("24.5"), 2, 3)):
        slow.run(until=until)
        assert (mapping.snapshot().pollers, mapping.snapshot().empty_receives) == (pollers, empty)
    slow.check_invariants()


@pytest.mark.rule("ESM-092", "ESM-101")
def test_a_slot_too_many_goes_with_its_receive_though_others_were_first_while_it_was_away(slow):
    """Its receive ends at 20.5 s, those of the two others at 24.5 s; the maximum is lowered while it is away."""
    orders, worker = slow.create_queue("orders"), slow.create_function("worker", duration=0)
    mapping = slow.create_event_source_mapping(orders, worker, batch_size=1, settings=[ScalingModel(initial=3)])
    for _ in range(2):
        slow.call_at(3.5, orders.send_message, "order")
    slow.run(until=Decimal("19.9"))
    orders.send_message("for another consumer")
    assert len(orders.receive_message()) == 1
    mapping.update_event_source_mapping(maximum_concurrency=2)
    for until, pollers in ((Decimal("20.5") - US, 3), (Decimal("20.5"), 2), (Decimal("24.5"), 2)):
        slow.run(until=until)
        assert mapping.snapshot().pollers == pollers


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


@pytest.mark.rule("ESM-092", "ESM-083")
def test_a_receive_that_is_on_its_way_back_empty_gets_nothing_while_another_is_open(slow):
    """Two slots poll since 0 s, whose receives end at 20 s and return at 20.5 s; the others poll since 2 s."""
    orders, worker = slow.create_queue("orders"), slow.create_function("worker", duration=1)
    slow.create_event_source_mapping(orders, worker, batch_size=1)
    slow.run(until=0)
    for _ in range(3):
        orders.send_message("early")  # they return at 0.5 s, run for a second, and poll again from 1.5 s on
    slow.run(until=Decimal("20.2"))
    orders.send_message("late")
    slow.run(until=Decimal("20.7"))
    assert starts(worker) == [0.5, 0.5, 0.5, 20.7]


@pytest.mark.rule("ESM-092", "ESM-081")
@pytest.mark.parametrize(
    ("at", "run"),
    [("19.999999", "20.499999"), ("20", "21"), ("20.2", "21"), ("20.499999", "21"), ("20.5", "21"), ("20.6", "21.1")],
)
def test_what_comes_too_late_for_all_receives_goes_to_the_next_ones(slow, at, run):
    """The receives of an idle mapping end empty at 20 s and return at 20.5 s: then others begin."""
    orders, worker = slow.create_queue("orders"), slow.create_function("worker")
    slow.create_event_source_mapping(orders, worker)
    slow.run(until=Decimal(at))
    orders.send_message("order")
    slow.run(until=30)
    assert starts(worker) == [float(run)]


@pytest.mark.rule("ESM-092", "SQS-004")
def test_what_is_visible_when_the_wait_ends_is_still_received(slow):
    orders, worker = slow.create_queue("orders"), slow.create_function("worker")
    slow.create_event_source_mapping(orders, worker)
    orders.send_message("order", delay_seconds=20)
    slow.run(until=30)
    assert starts(worker) == [20.5]


@pytest.mark.rule("ESM-092", "ESM-086")
def test_a_window_does_not_wait_for_a_receive_that_is_on_its_way(slow):
    orders = slow.create_queue("orders")
    worker = slow.create_function("worker", duration=1)
    mapping = slow.create_event_source_mapping(orders, worker, batch_size=20, maximum_batching_window_in_seconds=2)
    slow.run(until=1)
    orders.send_message("first")  # received at 1.5 s: its window ends at 3.5 s
    slow.run(until=Decimal("3.2"))
    orders.send_message("second")  # the receive for it would return at 3.7 s
    slow.run(until=Decimal("3.5"))
    assert (mapping.snapshot().invoked_event_count, mapping.snapshot().empty_receives) == (1, 1)
    slow.run()
    assert (mapping.snapshot().invoked_event_count, orders.deleted) == (2, 2)
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


@pytest.mark.rule("ESM-055", "ESM-089", "ESM-052")
def test_what_was_beyond_the_payload_limit_stays_of_the_queue_that_is_gone(sim):
    """The second batch of one receive begins when there is another queue of that name."""
    orders, worker = sim.create_queue("orders", visibility_timeout=300), sim.create_function("worker", duration=100)
    worker.update_function_configuration(timeout=200)
    for _ in range(2):
        orders.send_message("x" * 600)
    given = {"batch_size": 2, "settings": [BatchWindowModel(payload_bytes=1_500)]}
    mapping = sim.create_event_source_mapping(orders, worker, **given)
    sim.run(until=1)
    assert (mapping.snapshot().in_flight, mapping.snapshot().held) == (1, 2)
    orders.delete_queue()
    sim.run(until=70)
    again = sim.create_queue("orders", visibility_timeout=300)
    sim.run(until=250)
    assert starts(worker) == [0, 100]
    assert (again.deleted, mapping.snapshot().deleted_event_count, mapping.snapshot().held) == (0, 0, 0)
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


@pytest.mark.rule("ESM-055")
@pytest.mark.parametrize("is_made_before", [True, False])
def test_a_disabled_mapping_reads_the_queue_that_is_there_when_it_is_enabled(sim, is_made_before):
    orders, worker = sim.create_queue("orders"), sim.create_function("worker", duration=1)
    mapping = sim.create_event_source_mapping(orders, worker, enabled=False)
    orders.delete_queue()
    sim.run(until=100)
    if is_made_before:
        sim.create_queue("orders").send_message("order")
    mapping.update_event_source_mapping(enabled=True)
    sim.run(until=110)
    assert (mapping.state, mapping.snapshot().pollers) == ("Enabled", 5)
    if not is_made_before:
        assert (starts(worker), mapping.snapshot().polling) == ([], 0)
        sim.create_queue("orders").send_message("order")
        sim.run(until=120 - US)
        assert starts(worker) == []
    sim.run(until=121)
    assert starts(worker) == ([100] if is_made_before else [120])
    assert sim.queue("orders").deleted == 1
    sim.check_invariants()


@pytest.mark.rule("ESM-055", "ESM-030")
def test_a_queue_that_is_made_again_is_the_same_one_to_its_mapping(sim):
    orders, worker = sim.create_queue("orders"), sim.create_function("worker", timeout=10)
    mapping = sim.create_event_source_mapping(orders, worker)
    sim.run(until=1)
    orders.delete_queue()
    sim.run(until=61)
    again = sim.create_queue("orders", visibility_timeout=9)
    with pytest.raises(InvalidParameterValueException, match="Queue visibility timeout: 9 seconds"):
        mapping.update_event_source_mapping(batch_size=5)
    again.set_queue_attributes(visibility_timeout=10)
    with pytest.raises(ResourceConflictException):
        sim.create_event_source_mapping(again, worker)


@pytest.mark.rule("ESM-055", "ESM-250")
def test_pollers_of_its_own_try_again_too_and_what_was_given_up_does_not_come_back(sim):
    orders, worker = sim.create_queue("orders"), sim.create_function("worker", duration=1)
    mapping = sim.create_event_source_mapping(orders, worker, minimum_pollers=4)
    sim.run(until=5)
    mapping.update_event_source_mapping(minimum_pollers=2, maximum_pollers=2)
    sim.run(until=7)
    assert mapping.snapshot().pollers == 40  # the receives of the others end at 20 s
    orders.delete_queue()
    assert mapping.snapshot().pollers == 20  # they ended at once
    sim.run(until=70)
    sim.create_queue("orders").send_message("order")
    sim.run(until=87)
    assert (starts(worker), mapping.snapshot().pollers) == ([87], 20)
    sim.check_invariants()


# ---- provisioned mode, the timeline


@pytest.mark.slow
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
