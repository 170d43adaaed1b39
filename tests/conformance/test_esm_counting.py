"""What a mapping counts, publishes and costs (ESM §15, §16)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lambdasim import BackoffModel, BatchWindowModel, RedrivePolicy, ScalingModel
from lambdasim.errors import UsageError

COUNTS = ("PolledEventCount", "InvokedEventCount", "FailedInvokeEventCount", "DeletedEventCount")
ONE_SLOT = ScalingModel(initial=1, step_per_minute=0)


def published(sim, mapping, name):
    return list(sim.metrics.series("AWS/Lambda", name, "Sum", EventSourceMappingUUID=mapping.uuid))


def counted(mapping):
    found = mapping.snapshot()
    return (
        found.polled_event_count,
        found.invoked_event_count,
        found.failed_invoke_event_count,
        found.deleted_event_count,
    )


# ---- ESM-280 to ESM-283


@pytest.mark.rule("ESM-280")
def test_event_counts_are_published_only_when_asked_for(sim):
    worker = sim.create_function("worker")
    mappings = []
    for name, given in (("quiet", {}), ("loud", {"metrics": ["EventCount"]})):
        queue = sim.create_queue(name)
        queue.send_message("order")
        mappings.append(sim.create_event_source_mapping(queue, worker, **given))
    sim.run(until=1)
    for name in COUNTS:
        assert published(sim, mappings[0], name) == []
    assert [published(sim, mappings[1], name) for name in COUNTS] == [[(0, 1)], [(0, 1)], [], [(0, 1)]]
    assert [counted(mapping) for mapping in mappings] == [(1, 1, 0, 1)] * 2


@pytest.mark.rule("ESM-280")
def test_a_disabled_mapping_publishes_nothing(sim, queue):
    worker = sim.create_function("worker")
    mapping = sim.create_event_source_mapping(queue, worker, enabled=False, metrics=["EventCount"])
    sim.run(until=200)
    assert [published(sim, mapping, name) for name in COUNTS] == [[]] * 4


@pytest.mark.rule("ESM-280", "ESM-052")
def test_what_is_counted_while_nothing_is_published_stays_unpublished(sim, queue):
    """Switched on at 90 s and off at 210 s, by updates: neither what was before nor what comes after is a metric."""
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker"))
    for at in range(0, 300, 30):
        sim.call_at(at + 15, queue.send_message, f"at {at + 15}")
    sim.run(until=90)
    mapping.update_event_source_mapping(metrics=["EventCount"])
    sim.run(until=210)
    assert published(sim, mapping, "PolledEventCount") == [(60, 1), (120, 2), (180, 1)]
    mapping.update_event_source_mapping(metrics=None)
    sim.run(until=300)
    assert published(sim, mapping, "PolledEventCount") == [(60, 1), (120, 2), (180, 1)]
    assert published(sim, mapping, "DeletedEventCount") == [(60, 1), (120, 2), (180, 1)]
    assert published(sim, mapping, "FilteredOutEventCount") == []
    assert mapping.snapshot().polled_event_count == 10


@pytest.mark.rule("ESM-280")
def test_an_empty_poll_is_a_datum_of_0(sim, queue):
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker"), metrics=["EventCount"])
    sim.run(until=150)
    assert published(sim, mapping, "PolledEventCount") == [(0, 0), (60, 0), (120, 0)]
    assert published(sim, mapping, "InvokedEventCount") == []


@pytest.mark.rule("ESM-280")
def test_each_count_is_written_at_its_moment(sim):
    queue = sim.create_queue("orders", visibility_timeout=600)
    worker = sim.create_function("worker", failure_rate=0, duration=30, timeout=60)
    bad = sim.create_queue("bad", visibility_timeout=600)
    failing = sim.create_function("failing", failure_rate=1, duration=30, timeout=60)
    mappings = [
        sim.create_event_source_mapping(source, function, metrics=["EventCount"])
        for source, function in ((queue, worker), (bad, failing))
    ]
    sim.run(until=50)
    for source in (queue, bad):
        source.send_message("order")
        source.send_message("order")  # two receives
    sim.run(until=119)
    assert [published(sim, mappings[0], name) for name in COUNTS[1:]] == [[(0, 2)], [], [(60, 2)]]
    assert published(sim, mappings[0], "PolledEventCount") == [(0, 2), (60, 0)]
    # the failure bears the instant of the end, unlike `Errors`
    assert [published(sim, mappings[1], name) for name in COUNTS[1:]] == [[(0, 2)], [(60, 2)], []]
    errors = sim.metrics.series("AWS/Lambda", "Errors", "Sum", FunctionName="failing")
    assert list(errors) == [(0, 2)]


@pytest.mark.rule("ESM-280", "ESM-175")
def test_an_event_counts_as_invoked_and_failed_at_each_throttled_attempt(sim):
    queue = sim.create_queue("orders", visibility_timeout=600)
    for _ in range(7):
        queue.send_message("order")
    worker = sim.create_function("worker", reserved_concurrent_executions=0)
    mapping = sim.create_event_source_mapping(queue, worker, metrics=["EventCount"])
    sim.run(until=8)
    assert published(sim, mapping, "InvokedEventCount") == [(0, 28)]  # at 0, 1, 3 and 7
    assert published(sim, mapping, "FailedInvokeEventCount") == [(0, 28)]
    worker.delete_function_concurrency()
    sim.run(until=16)
    assert counted(mapping) == (7, 35, 28, 7)


@pytest.mark.rule("ESM-280", "ESM-090")
def test_a_record_too_large_for_any_event_is_a_failed_one_without_an_attempt(sim, queue):
    queue.send_message("x" * 2_000)
    settings = [BatchWindowModel(payload_bytes=1_000)]
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker"), settings=settings)
    sim.run(until=1)
    assert counted(mapping) == (1, 0, 1, 0)


@pytest.mark.rule("ESM-281")
@pytest.mark.parametrize("name", ["DroppedEventCount", "OnFailureDestinationDeliveredEventCount"])
def test_metrics_of_other_sources_do_not_exist(sim, queue, name):
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker"), metrics=["EventCount"])
    with pytest.raises(UsageError, match=name):
        published(sim, mapping, name)


@pytest.mark.rule("ESM-282")
def test_a_delete_with_an_old_handle_counts_as_accepted(sim):
    queue = sim.create_queue("orders", visibility_timeout=10)
    dead = sim.create_queue("dead")
    source = sim.create_queue("source", visibility_timeout=10, redrive_policy=RedrivePolicy(dead, max_receive_count=1))
    source.send_message("order")
    worker = sim.create_function("worker", duration=10, timeout=10)
    mapping = sim.create_event_source_mapping(source, worker)
    sim.run()
    # at 10 the message moved away (C2), before the delete (C4), which SQS accepts all the same
    assert counted(mapping) == (1, 1, 0, 1)
    assert (source.snapshot().deleted, source.snapshot().moved) == (0, 1)
    assert queue.snapshot().sent == 0
    deletes = sim.metrics.series("AWS/SQS", "NumberOfMessagesDeleted", "Sum", QueueName="source")
    assert list(deletes) == [(0, 1)]


@pytest.mark.rule("ESM-283")
def test_phase_limits_slots_held_records_drops_and_duplicates_can_be_read(sim):
    queue = sim.create_queue("orders", visibility_timeout=8)
    for _ in range(30):
        queue.send_message("order")
    worker = sim.create_function("worker", duration=8, timeout=8, reserved_concurrent_executions=2)
    mapping = sim.create_event_source_mapping(
        queue, worker, settings=[BackoffModel.OFF, ScalingModel(initial=3, step_per_minute=0)]
    )
    sim.run(until=0)
    found = mapping.snapshot()
    assert (found.phase, found.target, found.concurrency_limit, found.pollers) == ("active", 3.0, 3, 3)
    assert (found.in_flight, found.held, found.dropped, found.duplicates) == (2, 20, 10, 0)
    sim.run(until=8)
    found = mapping.snapshot()
    # At 8 all thirty come back, and the third slot takes the first ten again (C2), before the run that had them ends
    # (C3) and units of concurrency are free (C5). The second ten nobody has received since: their delete is in time.
    assert (found.in_flight, found.duplicates) == (2, 10)
    assert queue.snapshot().deleted == 10


@pytest.mark.rule("ESM-283", "ESM-080")
def test_what_each_slot_does_can_be_read(sim):
    queue = sim.create_queue("orders", visibility_timeout=60)
    worker = sim.create_function("worker", duration=3, timeout=8, reserved_concurrent_executions=1)
    settings = [BackoffModel.OFF, ScalingModel(initial=4, step_per_minute=0)]
    mapping = sim.create_event_source_mapping(
        queue, worker, batch_size=2, maximum_batching_window_in_seconds=5, settings=settings
    )
    sim.run(until=1)
    for _ in range(5):
        queue.send_message("order")
    found = []
    for at in (1, 6, 7, 9, 14):
        sim.run(until=at)
        now = mapping.snapshot()
        assert now.polling + now.gathering + now.in_flight + now.retrying == now.pollers == 4
        found.append((now.polling, now.gathering, now.in_flight, now.retrying))
    # Two batches are full at 1 s: one runs to 4 s, the other is tried again at 2, 4 and runs to 7 s. The third is open
    # to 6 s, and tried again at 7 s: retries come before the next turn of the slot whose run has just ended.
    assert found == [(1, 1, 1, 1), (2, 0, 1, 1), (3, 0, 1, 0), (3, 0, 1, 0), (4, 0, 0, 0)]


# ---- ESM-290 to ESM-292


@pytest.mark.rule("ESM-290")
@pytest.mark.parametrize(
    ("size", "units"), [(1_000, 1), (65_536, 1), (65_537, 2), (131_072, 2), (131_073, 3), (250_000, 4)]
)
def test_a_receive_is_billed_per_started_64_kib_and_at_least_once(sim, size, units):
    queue = sim.create_queue("orders")
    queue.send_message("x" * size)
    sent = queue.snapshot().billed_requests
    sim.create_event_source_mapping(queue, sim.create_function("worker"))
    sim.run(until=0)
    assert queue.snapshot().billed_requests - sent == units
    sim.run()
    assert queue.snapshot().billed_requests - sent == units + 1  # one delete
    assert queue.snapshot().requests == 3


@pytest.mark.rule("ESM-290")
def test_a_receive_of_several_messages_is_billed_by_their_sum(sim, queue):
    for _ in range(10):
        queue.send_message("x" * 10_000)
    sent = queue.snapshot().billed_requests
    sim.create_event_source_mapping(queue, sim.create_function("worker"))
    sim.run()
    assert queue.snapshot().billed_requests - sent == 2 + 1


@pytest.mark.rule("ESM-290", "ESM-082")
def test_an_empty_receive_is_billed_one_when_it_ends(sim, queue):
    sim.create_event_source_mapping(queue, sim.create_function("worker"))
    for until, billed in ((Decimal("19.999999"), 0), (20, 5), (Decimal("39.999999"), 5), (40, 10)):
        sim.run(until=until)
        assert (queue.snapshot().requests, queue.snapshot().billed_requests) == (billed, billed)


@pytest.mark.rule("ESM-291", "ESM-101")
def test_the_first_idle_hour_has_405_receives_and_each_later_one_360(sim, queue):
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker"))
    for hour in range(1, 25):
        sim.run(until=3_600 * hour)
        assert queue.snapshot().requests == mapping.snapshot().empty_receives == 405 + 360 * (hour - 1)


@pytest.mark.rule("ESM-291", "ESM-106")
def test_with_maximum_concurrency_an_idle_hour_has_900(sim, queue):
    sim.create_event_source_mapping(queue, sim.create_function("worker"), maximum_concurrency=10)
    sim.run(until=3_600)
    assert queue.snapshot().requests == 900
    sim.run(until=30 * 86_400)
    assert queue.snapshot().requests == 648_000


SECOND = 1_000_000
HOUR, MONTH, YEAR = 3_600, 30 * 86_400, 365 * 86_400  # seconds
ENDS = (20, 40, 280, 300, 320, HOUR, HOUR + 20, MONTH, YEAR)  # of receives
# in µs, around each of these, and in the middle of the receive:
LOOKS = sorted(end * SECOND + near_us for end in ENDS for near_us in (-7_500_000, -1, 0, 1))


def ended_by(at_us, slots=5, slots_later=2):
    """Return how many receives of an empty queue have ended: one every 20 s for each slot, of fewer from 300 s on."""
    first_us = min(at_us, 300 * SECOND)
    return first_us // (20 * SECOND) * slots + (at_us - first_us) // (20 * SECOND) * slots_later


@pytest.mark.rule("ESM-291", "ESM-082", "ESM-290")
@pytest.mark.parametrize(
    ("given", "slots", "slots_later"),
    [
        ({}, 5, 2),
        ({"maximum_concurrency": 2}, 2, 2),
        ({"maximum_concurrency": 10}, 5, 5),
        ({"minimum_pollers": 3}, 30, 30),
    ],
    ids=["defaults", "maximum concurrency 2", "maximum concurrency 10", "provisioned"],
)
def test_whoever_looks_at_an_idle_mapping_finds_every_receive_that_has_ended_and_what_it_cost(
    sim, queue, given, slots, slots_later
):
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker"), **given)
    for look_us in LOOKS:
        sim.run(until_us=look_us)
        wanted = ended_by(look_us, slots, slots_later)
        found = queue.snapshot()
        assert mapping.snapshot().empty_receives == wanted, look_us
        assert (found.requests, found.billed_requests) == (wanted, wanted), look_us
        cost = sim.prices.sqs_cost_exact(billed_requests=found.billed_requests)
        assert cost == wanted * Decimal("0.0000004"), look_us
        if look_us < 2 * HOUR * SECOND:
            empty = sim.metrics.series("AWS/SQS", "NumberOfEmptyReceives", "Sum", QueueName="orders")
            assert sum(empty.values) == wanted, look_us


@pytest.mark.rule("ESM-291", "ESM-082", "ESM-101")
def test_a_message_after_an_idle_month_loses_no_receive(sim, queue):
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker", duration=1))
    idle = ended_by(MONTH * SECOND)
    sim.call_at(MONTH + 7, queue.send_message, "order")
    table = [
        (MONTH + Decimal("6.999999"), 0, 0),
        (MONTH + 7, 2, 0),  # the send, and the receive that returns it
        (MONTH + 8, 3, 0),  # the delete
        (MONTH + 20, 3, 1),  # the other slot that polled all the time
        (MONTH + 27, 3, 4),  # and the three that came back
        (MONTH + Decimal("27.999999"), 3, 4),
        (MONTH + 28, 3, 5),  # and the one that worked
        (MONTH + 308, 3, 75),  # where the economy comes back
    ]
    for until, calls, ended in table:
        sim.run(until=until)
        assert queue.snapshot().requests == idle + calls + ended, until
        assert mapping.snapshot().empty_receives == idle + ended, until
    empty = sim.metrics.series("AWS/SQS", "NumberOfEmptyReceives", "Sum", QueueName="orders")
    assert sum(empty.values) == idle + 75
    assert [count for begin, count in empty if begin >= MONTH] == [2 + 10, 15, 15, 15, 15, 5]  # two at the very border


@pytest.mark.rule("ESM-291")
def test_two_slots_make_259200_receives_in_30_days(sim, queue):
    sim.create_event_source_mapping(queue, sim.create_function("worker"))
    sim.run(until=3_600)
    before = queue.snapshot().requests
    sim.run(until=3_600 + 30 * 86_400)
    assert queue.snapshot().requests - before == 259_200


@pytest.mark.rule("ESM-291")
def test_empty_receives_are_published_in_the_minutes_in_which_they_end(sim, queue):
    sim.create_event_source_mapping(queue, sim.create_function("worker"))
    sim.run(until=480)
    empty = sim.metrics.series("AWS/SQS", "NumberOfEmptyReceives", "Sum", QueueName="orders")
    assert list(empty) == [(0, 10), (60, 15), (120, 15), (180, 15), (240, 15), (300, 9), (360, 6), (420, 6), (480, 2)]


@pytest.mark.rule("ESM-292")
def test_a_backlog_costs_a_receive_and_a_delete_per_batch_and_an_open_receive_per_slot(sim):
    queue = sim.create_queue("orders")
    for _ in range(1_000):
        queue.send_message("order")
    worker = sim.create_function("worker", duration=1)
    mapping = sim.create_event_source_mapping(queue, worker)
    sim.run()
    assert queue.snapshot().requests - 1_000 == 200
    slots = mapping.snapshot().pollers
    sim.run_for(20)
    assert mapping.snapshot().empty_receives == slots
    assert queue.snapshot().requests - 1_000 == 200 + slots
