"""Provisioned mode: pollers that a mapping has for itself (ESM §13)."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import pytest

from lambdasim import (
    EsmFaults,
    LifecycleModel,
    PollModel,
    PriceBook,
    ProvisionedModel,
    ScalingModel,
    ScalingRate,
    Simulation,
)
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceInUseException,
    ValidationException,
)
from tests.choosers import Says

OUT_OF_RANGE = "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: Member must have value {}"
TOGETHER = "ScalingConfig and ProvisionedPollerConfig cannot be set together."
ABOVE = "MinimumPollers must not be greater than MaximumPollers."
FIXED = ProvisionedModel(growth_per_minute=0)
NO_SHRINK = ProvisionedModel(scale_down_every_s=86_400)
MEGABYTE = 1_048_576


def provisioned(sim, messages=0, *, duration=100, settings=(), failure_rate=0, **given):
    """A queue with messages, a function that takes so long, and their mapping: 2 to 200 pollers, batches of one."""
    queue = sim.create_queue("orders", visibility_timeout=600)
    for number in range(messages):
        queue.send_message(str(number))
    worker = sim.create_function("worker", duration=duration, timeout=300, failure_rate=failure_rate)
    given = {"batch_size": 1, "minimum_pollers": 2, "settings": settings, **given}
    return queue, sim.create_event_source_mapping(queue, worker, **given)


def starts(sim):
    """How many invocations started at each instant, in seconds."""
    return dict(
        Counter(record.at_us / 1_000_000 for record in sim.trace.records if record.kind == "invocation started")
    )


def seen(mapping):
    """Pollers, slots, and invocations in flight."""
    found = mapping.snapshot()
    return found.provisioned_pollers, found.pollers, found.in_flight


def follow(sim, mapping, table):
    """Run along a table of (seconds, pollers, slots, in flight)."""
    for until, *wanted in table:
        sim.run(until=Decimal(str(until)))
        assert list(seen(mapping)) == wanted, until


# ---- the parameters: ESM-020 to ESM-022, ESM-030, ESM-040


@pytest.mark.rule("ESM-020", "ESM-040", "ESM-250")
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, (None, None)),
        ({"minimum_pollers": 5}, (5, 200)),
        ({"maximum_pollers": 5}, (2, 5)),
        ({"minimum_pollers": 5, "maximum_pollers": 5}, (5, 5)),
        ({"minimum_pollers": None, "maximum_pollers": None}, (None, None)),
    ],
)
def test_either_number_of_pollers_brings_provisioned_mode_and_the_other_has_a_default(sim, queue, given, wanted):
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker"), **given)
    answer = mapping.get_event_source_mapping()
    assert (mapping.minimum_pollers, mapping.maximum_pollers) == wanted
    assert (answer.minimum_pollers, answer.maximum_pollers) == wanted
    assert mapping.poller_limits == (None if wanted == (None, None) else wanted)
    sim.run(until=0)
    assert seen(mapping) == ((0, 5, 0) if wanted[0] is None else (wanted[0], 10 * wanted[0], 0))


@pytest.mark.rule("ESM-010", "ESM-020")
def test_the_defaults_of_the_two_can_be_changed_for_a_simulation_or_for_one_mapping():
    sim = Simulation(settings=[ProvisionedModel(min_default=3, max_default=30)])
    worker = sim.create_function("worker")
    wide = sim.create_event_source_mapping(sim.create_queue("wide"), worker, maximum_pollers=20)
    own = [ProvisionedModel(max_default=7)]
    narrow = sim.create_event_source_mapping(sim.create_queue("narrow"), worker, minimum_pollers=4, settings=own)
    assert [wide.poller_limits, narrow.poller_limits] == [(3, 20), (4, 7)]


@pytest.mark.rule("ESM-020", "ESM-030")
@pytest.mark.parametrize(
    ("name", "field", "high"),
    [("minimum_pollers", "minimumPollers", 200), ("maximum_pollers", "maximumPollers", 2_000)],
)
def test_the_numbers_of_pollers_have_ranges(sim, queue, name, field, high):
    worker = sim.create_function("worker")
    mapping = sim.create_event_source_mapping(sim.create_queue("other"), worker)
    sim.run(until=0)
    for value, bound in ((1, "greater than or equal to 2"), (high + 1, f"less than or equal to {high}")):
        for call in (
            lambda value=value: sim.create_event_source_mapping(queue, worker, **{name: value}),
            lambda value=value: mapping.update_event_source_mapping(**{name: value}),
        ):
            with pytest.raises(ValidationException) as refusal:
                call()
            assert refusal.value.message == OUT_OF_RANGE.format(value, f"provisionedPollerConfig.{field}", bound)
    assert sim.event_source_mappings == (mapping,)
    assert mapping.poller_limits is None
    for value in (2, high):
        assert getattr(mapping.update_event_source_mapping(**{name: value}), name) == value
        sim.run(until=0)


@pytest.mark.rule("ESM-021")
def test_the_ceiling_of_maximum_pollers_can_be_raised_to_10_000(sim, queue):
    worker = sim.create_function("worker")
    raised = [ProvisionedModel(max_allowed=10_000)]
    with pytest.raises(ValidationException, match=r"'10001' at 'provisionedPollerConfig\.maximumPollers' .* to 10000$"):
        sim.create_event_source_mapping(queue, worker, maximum_pollers=10_001, settings=raised)
    mapping = sim.create_event_source_mapping(queue, worker, maximum_pollers=10_000, settings=raised)
    assert mapping.maximum_pollers == 10_000
    for refused in (1, 10_001):
        with pytest.raises(UsageError, match="max_allowed"):
            ProvisionedModel(max_allowed=refused)


@pytest.mark.rule("ESM-022", "ESM-030", "ESM-250")
def test_pollers_of_its_own_and_a_maximum_concurrency_exclude_each_other(sim, queue):
    worker = sim.create_function("worker")
    for given in ({"minimum_pollers": 2}, {"maximum_pollers": 200}):
        with pytest.raises(InvalidParameterValueException) as refusal:
            sim.create_event_source_mapping(queue, worker, maximum_concurrency=2, **given)
        assert refusal.value.message == TOGETHER
    mapping = sim.create_event_source_mapping(queue, worker, maximum_concurrency=2)
    sim.run(until=0)
    with pytest.raises(InvalidParameterValueException) as refusal:
        mapping.update_event_source_mapping(minimum_pollers=2)
    assert refusal.value.message == TOGETHER
    assert (mapping.state, mapping.maximum_concurrency, mapping.poller_limits) == ("Enabled", 2, None)
    mapping.update_event_source_mapping(minimum_pollers=2, maximum_concurrency=None)
    sim.run(until=0)
    with pytest.raises(InvalidParameterValueException) as refusal:
        mapping.update_event_source_mapping(maximum_concurrency=2)
    assert refusal.value.message == TOGETHER
    mapping.update_event_source_mapping(minimum_pollers=None, maximum_concurrency=2)
    assert (mapping.maximum_concurrency, mapping.poller_limits) == (2, None)


@pytest.mark.rule("ESM-030")
@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({"minimum_pollers": 4, "maximum_pollers": 3}, ()),
        ({"minimum_pollers": 4}, [ProvisionedModel(max_default=3)]),
        ({"maximum_pollers": 3}, [ProvisionedModel(min_default=4)]),
    ],
)
def test_there_are_not_more_pollers_at_least_than_at_most(sim, queue, given, settings):
    worker = sim.create_function("worker")
    with pytest.raises(InvalidParameterValueException) as refusal:
        sim.create_event_source_mapping(queue, worker, settings=settings, **given)
    assert refusal.value.message == ABOVE
    mapping = sim.create_event_source_mapping(queue, worker, minimum_pollers=3, maximum_pollers=3)
    sim.run(until=0)
    with pytest.raises(InvalidParameterValueException) as refusal:
        mapping.update_event_source_mapping(minimum_pollers=4)
    assert refusal.value.message == ABOVE
    assert mapping.poller_limits == (3, 3)


@pytest.mark.rule("ESM-030")
def test_the_checks_of_pollers_come_last_but_for_the_second_mapping_of_the_same(sim, queue):
    worker, patient = sim.create_function("worker"), sim.create_function("patient", timeout=31)
    both = {"minimum_pollers": 4, "maximum_pollers": 3, "maximum_concurrency": 2}
    malformed = {"Filters": [{"Pattern": '{"body": 1}'}]}
    first = sim.create_event_source_mapping(queue, worker)
    table = [
        (patient, {**both, "minimum_pollers": 1}, "Value '1' at 'provisionedPollerConfig.minimumPollers'"),
        ("nobody", both, "Function does not exist"),
        (patient, {**both, "filter_criteria": malformed}, "Queue visibility timeout"),
        (worker, {**both, "filter_criteria": malformed}, "Invalid filter pattern definition."),
        (worker, both, TOGETHER),
        (worker, {**both, "maximum_concurrency": None}, ABOVE),
        (worker, {"minimum_pollers": 2}, "An event source mapping with SQS arn"),
    ]
    for function, given, text in table:
        with pytest.raises((ValidationException, InvalidParameterValueException, ResourceConflictException)) as refusal:
            sim.create_event_source_mapping(queue, function, **given)
        assert text in refusal.value.message
    assert sim.event_source_mappings == (first,)


# ---- ESM-250: what is always there


@pytest.mark.rule("ESM-250")
def test_the_pollers_poll_from_the_beginning_and_never_become_fewer_than_they_may(sim):
    _, mapping = provisioned(sim, minimum_pollers=3)
    follow(sim, mapping, [(0, 3, 30, 0), (299, 3, 30, 0), (301, 3, 30, 0), (100_000, 3, 30, 0)])
    found = mapping.snapshot()
    assert (found.phase, found.target, found.concurrency_limit) == ("idle", 30, 30)


@pytest.mark.rule("ESM-250", "ESM-251")
def test_a_poller_has_ten_invocations_in_flight_at_most(sim):
    _, mapping = provisioned(sim, 100, settings=[FIXED])
    follow(sim, mapping, [(0, 2, 20, 20), (99.999999, 2, 20, 20), (100, 2, 20, 20), (500, 2, 20, 0)])


@pytest.mark.rule("ESM-250", "ESM-010")
def test_how_many_slots_a_poller_has_can_be_changed(sim):
    _, mapping = provisioned(sim, 100, settings=[ProvisionedModel(invokes_per_poller=3, growth_per_minute=0)])
    follow(sim, mapping, [(0, 2, 6, 6)])


@pytest.mark.rule("ESM-250", "ESM-211")
def test_a_fifo_queue_has_no_more_batches_in_flight_than_groups(sim):
    queue = sim.create_queue("orders.fifo", visibility_timeout=600)
    for number in range(60):
        queue.send_message(str(number), message_group_id=str(number % 6), message_deduplication_id=str(number))
    order = []
    worker = sim.create_function(
        "worker", lambda event, _: order.extend(int(r["body"]) for r in event["Records"]), duration=1
    )
    mapping = sim.create_event_source_mapping(queue, worker, batch_size=1, minimum_pollers=2)
    follow(sim, mapping, [(0, 2, 20, 6), (9.5, 2, 20, 6), (10, 2, 20, 0)])
    assert queue.deleted == 60
    assert all([n for n in order if n % 6 == group] == list(range(group, 60, 6)) for group in range(6))


# ---- ESM-251: the pace of receives


@pytest.mark.rule("ESM-251")
def test_a_poller_receives_ten_times_at_once_and_then_ten_times_a_second(sim):
    provisioned(sim, 200, duration=Decimal("0.05"), settings=[FIXED])
    sim.run(until=Decimal("0.099999"))
    assert starts(sim) == {0: 20}
    sim.run(until=Decimal("0.1"))
    assert starts(sim) == {0: 20, 0.1: 2}
    sim.run(until=2)
    assert starts(sim) == {0: 20} | {place / 10: 2 for place in range(1, 21)}


@pytest.mark.rule("ESM-251", "ESM-010")
def test_the_pace_of_receives_can_be_changed(sim):
    model = ProvisionedModel(growth_per_minute=0, polls_per_s=3)
    provisioned(sim, 200, duration=Decimal("0.01"), settings=[model])
    sim.run(until=Decimal("0.999999"))
    # a third of a second is no whole number of microseconds: the receive is allowed when there is a whole one
    assert starts(sim) == {0: 6, 0.333334: 2, 0.666667: 2}
    sim.run(until=1)
    assert starts(sim)[1] == 2


@pytest.mark.rule("ESM-251")
def test_a_bucket_holds_no_more_than_the_receives_of_a_second(sim):
    queue, _ = provisioned(sim, duration=Decimal("0.05"), settings=[FIXED])
    sim.run(until=Decimal("1007.5"))  # long after the last empty receives, which began at 1000 s
    for number in range(100):
        queue.send_message(str(number))
    sim.run(until=Decimal("1007.849999"))
    # twenty receives were open; then ten of each poller, from a full bucket; then one by one
    assert starts(sim) == {1007.5: 20, 1007.55: 20, 1007.65: 2, 1007.75: 2}


@pytest.mark.rule("ESM-251", "ESM-082")
@pytest.mark.parametrize(("at", "again"), [("19.95", {20.0: 20}), ("20.05", {20.1: 2, 20.2: 2, 20.3: 2})])
def test_receives_that_follow_empty_ones_are_counted(sim, at, again):
    """At 20 s all twenty receives end empty and begin anew: what was in the two buckets is used up."""
    queue, _ = provisioned(sim, duration=Decimal("0.05"), settings=[FIXED])
    sim.run(until=Decimal(at))
    for number in range(100):
        queue.send_message(str(number))
    sim.run(until=Decimal(at) + Decimal("0.25") if at == "20.05" else Decimal("20.09"))
    assert starts(sim) == {float(at): 20} | again


@pytest.mark.rule("ESM-251", "ESM-082")
def test_a_receive_that_follows_an_empty_one_begins_at_once_and_may_leave_the_bucket_in_debt(sim):
    model = ProvisionedModel(invokes_per_poller=3, polls_per_s=2, growth_per_minute=0)
    queue, mapping = provisioned(sim, duration=Decimal("0.4"), settings=[model])
    sim.run(until=Decimal("19.7"))  # two slots of each poller poll since 0 s, the third since 0.5 s
    for _ in range(4):
        queue.send_message("order")
    # They end at 20.1 s and take both receives of each bucket. At 20.5 s the third slots begin anew: 0.8 - 1 = -0.2.
    sim.run(until=Decimal("20.6"))
    assert mapping.snapshot().empty_receives == 2
    for _ in range(20):
        queue.send_message("order")
    sim.run(until=Decimal("21.7"))
    # Six receives were open. At 21 s each bucket holds 0.8, so that the next receive begins at 21.1 s.
    assert starts(sim) == {19.7: 4, 20.6: 6, 21.1: 2, 21.6: 2}


@pytest.mark.rule("ESM-251", "ESM-086")
def test_each_receive_of_an_open_batch_is_counted(sim):
    """Two pollers of one slot each, one receive a second: a batch grows by ten records a second."""
    model = ProvisionedModel(invokes_per_poller=1, polls_per_s=1, growth_per_minute=0)
    sizes = []
    queue = sim.create_queue("orders")
    for number in range(100):
        queue.send_message(str(number))
    worker = sim.create_function("worker", lambda event, _: sizes.append((sim.now, len(event["Records"]))), duration=1)
    mapping = sim.create_event_source_mapping(
        queue,
        worker,
        batch_size=1_000,
        maximum_batching_window_in_seconds=3,
        minimum_pollers=2,
        settings=[model],
    )
    held = []
    for until in ("0", "0.999999", "1", "2", "2.999999", "3"):
        sim.run(until=Decimal(until))
        held.append(mapping.snapshot().held)
    assert held == [20, 20, 40, 60, 60, 60]
    assert sizes == [(3, 30), (3, 30)]


@pytest.mark.rule("ESM-251", "ESM-081")
def test_no_receive_follows_the_empty_one_that_ends_with_the_window(sim):
    """One receive a second: that at 1 s ends empty at 21 s, with the window, so that its slot may ask again then."""
    model = ProvisionedModel(invokes_per_poller=1, polls_per_s=1, growth_per_minute=0)
    window = {"batch_size": 10, "maximum_batching_window_in_seconds": 21}
    queue, mapping = provisioned(sim, 1, duration=0, settings=[model], **window)
    for until, polling, deleted in (("20.999999", 1, 0), ("21", 2, 1)):
        sim.run(until=Decimal(until))
        assert (mapping.snapshot().polling, queue.deleted) == (polling, deleted)


@pytest.mark.rule("ESM-251", "ESM-231")
def test_receives_of_nothing_but_filtered_messages_are_counted_too(sim):
    criteria = {"Filters": [{"Pattern": json.dumps({"body": ["wanted"]})}]}
    model = ProvisionedModel(invokes_per_poller=1, polls_per_s=1, growth_per_minute=0)
    queue, mapping = provisioned(sim, 100, batch_size=10, settings=[model], filter_criteria=criteria)
    filtered = []
    for until in ("0", "0.999999", "1", "3.999999", "4", "5"):
        sim.run(until=Decimal(until))
        filtered.append(mapping.snapshot().filtered_out_event_count)
    assert filtered == [20, 20, 40, 80, 100, 100]
    assert (queue.deleted, mapping.snapshot().attempts) == (100, 0)


# ---- ESM-251: the pace of bytes


def heavy(sim, messages, size, *, duration=100, **given):
    """A mapping of two pollers for large messages."""
    queue = sim.create_queue("orders", visibility_timeout=600)
    for _ in range(messages):
        queue.send_message("x" * size)
    worker = sim.create_function("worker", duration=duration, timeout=300)
    given = {"minimum_pollers": 2, "settings": [FIXED], **given}
    return queue, sim.create_event_source_mapping(queue, worker, **given)


@pytest.mark.rule("ESM-251")
def test_a_poller_in_debt_of_bytes_receives_nothing_until_its_balance_is_above_0(sim):
    """A receive of ten messages of 256 KB takes 2.5 times what comes in a second."""
    _, mapping = heavy(sim, 60, MEGABYTE // 4)
    sim.run(until=0)
    assert mapping.snapshot().in_flight == 2
    for until, in_flight in (("1.5", 2), ("1.500001", 4), ("4", 4), ("4.000001", 6)):
        sim.run(until=Decimal(until))
        assert mapping.snapshot().in_flight == in_flight, until


@pytest.mark.rule("ESM-251")
@pytest.mark.parametrize(("size", "at"), [(MEGABYTE - 1, 0), (MEGABYTE, 0.000001)])
def test_one_byte_left_is_enough_to_receive_anything(sim, size, at):
    heavy(sim, 4, size, batch_size=1)
    sim.run(until=1)
    assert starts(sim) == ({0: 4} if at == 0 else {0: 2, at: 2})


@pytest.mark.rule("ESM-251")
def test_a_balance_of_bytes_never_exceeds_what_comes_in_a_second(sim):
    queue, _ = heavy(sim, 20, 1, batch_size=1)
    sim.run(until=50)
    for _ in range(60):
        queue.send_message("x" * MEGABYTE)
    sim.run(until=Decimal("102.000001"))
    # At 100 s ten slots of each poller ask. The first leaves a balance of 0, the second one of a megabyte of debt.
    assert starts(sim) == {0: 20, 100: 2, 100.000001: 2, 101.000001: 2, 102.000001: 2}


@pytest.mark.rule("ESM-251", "ESM-010")
def test_the_pace_of_bytes_can_be_changed(sim):
    model = ProvisionedModel(growth_per_minute=0, bytes_per_s=100)
    heavy(sim, 60, 30, settings=[model])
    sim.run(until=10)
    # 300 bytes of ten messages: 200 in debt
    assert starts(sim) == {0: 2, 2.000001: 2, 5.000001: 2}


@pytest.mark.rule("ESM-251", "ESM-233")
def test_bytes_of_filtered_messages_count(sim):
    criteria = {"Filters": [{"Pattern": json.dumps({"body": ["wanted"]})}]}
    queue, _ = heavy(sim, 40, MEGABYTE // 4, filter_criteria=criteria)
    for until, deleted in (("0", 20), ("1.5", 20), ("1.500001", 40)):
        sim.run(until=Decimal(until))
        assert queue.deleted == deleted


# ---- ESM-252: growth


@pytest.mark.rule("ESM-252")
def test_while_messages_wait_there_is_one_poller_more_each_600_ms(sim):
    _, mapping = provisioned(sim, 1_000, settings=[NO_SHRINK])
    table = [(0, 2, 20, 20), (0.599999, 2, 20, 20), (0.6, 3, 30, 30), (1.199999, 3, 30, 30), (1.2, 4, 40, 40)]
    follow(sim, mapping, [*table, (30, 52, 520, 520), (58.199999, 98, 980, 980), (58.2, 99, 990, 990)])
    follow(sim, mapping, [(58.8, 100, 1_000, 1_000), (70, 100, 1_000, 1_000)])  # the last message is received


@pytest.mark.rule("ESM-252")
def test_pollers_are_added_up_to_the_maximum(sim):
    _, mapping = provisioned(sim, 1_000, maximum_pollers=4)
    follow(sim, mapping, [(1.199999, 3, 30, 30), (1.2, 4, 40, 40), (50, 4, 40, 40)])
    assert mapping.snapshot().target == 40


@pytest.mark.rule("ESM-252", "ESM-103")
def test_one_message_left_at_a_tick_is_demand_enough(sim):
    queue, mapping = provisioned(sim, 20)
    sim.run(until=Decimal("0.7"))
    assert seen(mapping) == (2, 20, 20)  # nothing was left at 0.6 s
    queue.send_message("order")
    follow(sim, mapping, [(1.199999, 2, 20, 20), (1.2, 3, 30, 21), (60, 3, 30, 21)])


@pytest.mark.rule("ESM-252", "ESM-103")
@pytest.mark.parametrize(("at", "pollers"), [("0.599999", 3), ("0.6", 3), ("0.600001", 2)])
def test_demand_is_what_is_left_after_all_else_of_the_instant(sim, at, pollers):
    queue, mapping = provisioned(sim, 20)
    sim.call_at(Decimal(at), queue.send_message, "order")
    sim.run(until=1)
    assert mapping.snapshot().provisioned_pollers == pollers


@pytest.mark.rule("ESM-252", "ESM-101")
def test_ticks_count_from_the_first_message_of_an_active_time(sim):
    queue, mapping = provisioned(sim, duration=2, settings=[NO_SHRINK])
    sim.run(until=Decimal("7.3"))
    for _ in range(21):
        queue.send_message("order")
    follow(sim, mapping, [(7.899999, 2, 20, 20), (7.9, 3, 30, 21)])
    sim.run(until=Decimal("12.05"))  # all ended at 9.3 and 9.9 s: it is idle, and has three pollers
    assert mapping.snapshot().phase == "idle"
    for _ in range(31):
        queue.send_message("order")
    follow(sim, mapping, [(12.649999, 3, 30, 30), (12.65, 4, 40, 31)])


@pytest.mark.rule("ESM-252", "ESM-101")
def test_a_poller_that_waits_for_its_bucket_does_not_make_the_mapping_idle(sim):
    queue, mapping = provisioned(sim, 21, duration=0, settings=[FIXED])
    sim.run(until=Decimal("0.05"))
    assert (queue.deleted, mapping.snapshot().phase) == (20, "active")
    sim.run(until=Decimal("0.1"))
    assert (queue.deleted, mapping.snapshot().phase) == (21, "active")
    sim.run(until=Decimal("1.099999"))  # the slot that got the last message is the eleventh to ask
    assert mapping.snapshot().phase == "active"
    sim.run(until=Decimal("1.1"))
    assert mapping.snapshot().phase == "idle"


@pytest.mark.rule("ESM-252", "ESM-010")
@pytest.mark.parametrize(
    ("per_minute", "ticks"), [(0, []), (60, [10, 20, 30]), (7_000, [0.085714, 0.171428, 0.257142])]
)
def test_the_pace_of_growth_can_be_changed(sim, per_minute, ticks):
    _, mapping = provisioned(sim, 10_000, settings=[ProvisionedModel(growth_per_minute=per_minute)])
    sim.run(until=31)
    changes = [
        (record.at_us / 1_000_000, record.details["target"])
        for record in sim.trace.records
        if record.kind == "concurrency limit changed" and record.subject == mapping.uuid
    ]
    assert changes[:4] == [(0, 20), *((at, 30 + 10 * place) for place, at in enumerate(ticks))]


@pytest.mark.rule("ESM-252", "ESM-103")
def test_where_receives_are_demand_pollers_are_added_though_nothing_waits(sim):
    queue, mapping = provisioned(sim, settings=[ScalingModel.EAGER])
    sim.run(until=0)
    queue.send_message("order")
    follow(sim, mapping, [(0.599999, 2, 20, 1), (0.6, 3, 30, 1), (10, 3, 30, 1)])


# ---- ESM-253: fewer again


@pytest.mark.rule("ESM-253")
def test_each_minute_what_the_busiest_moment_did_not_need_is_given_up():
    """Enabled at 7.3 s: the minutes end at 67.3, 127.3 and 187.3 s."""
    sim = Simulation()
    sim.run(until=Decimal("7.3"))
    queue, mapping = provisioned(sim, 50, duration=90)
    follow(sim, mapping, [(9.1, 5, 50, 50), (67.3, 5, 50, 50), (97.299999, 5, 50, 50), (99.2, 5, 50, 0)])
    for _ in range(31):
        queue.send_message("order")
    table = [(127.3, 5, 50, 31), (187.299999, 5, 50, 31)]  # in the second minute fifty were busy
    table += [(187.3, 4, 50, 31), (189.2, 4, 50, 0)]  # in the third thirty-one: four pollers are enough
    table += [(199.099999, 4, 50, 0), (199.1, 4, 40, 0)]  # the slots of the fifth have polled since 99.1 s
    table += [(247.3, 4, 40, 0), (307.299999, 4, 40, 0), (307.3, 2, 40, 0)]
    follow(sim, mapping, [*table, (309.2, 2, 29, 0), (318.499999, 2, 29, 0), (318.5, 2, 20, 0), (1_000, 2, 20, 0)])


@pytest.mark.rule("ESM-253")
@pytest.mark.parametrize(("busy", "pollers"), [(0, 2), (20, 2), (21, 3), (30, 3), (31, 4)])
def test_pollers_are_kept_for_as_many_slots_as_were_busy_at_once(sim, busy, pollers):
    queue, mapping = provisioned(sim, 60, duration=30)
    sim.run(until=Decimal("60.5"))
    assert seen(mapping) == (6, 60, 0)
    for _ in range(busy):
        queue.send_message("order")
    follow(sim, mapping, [(119.999999, 6, 60, 0)])
    sim.run(until=120)
    assert mapping.snapshot().provisioned_pollers == pollers


@pytest.mark.rule("ESM-253")
@pytest.mark.parametrize(("ends", "pollers"), [("59.999999", 2), ("60", 3), ("60.000001", 3)])
def test_a_batch_counts_in_each_minute_that_it_reaches(sim, ends, pollers):
    """A minute closes before anything else of its instant: what ends then has been busy in the next one."""
    queue, mapping = provisioned(sim, duration=lambda event: Decimal(event["Records"][0]["body"]))
    sim.run(until=1)
    for begins in ["1"] * 20 + ["1.6"]:
        queue.send_message(str(Decimal(ends) - Decimal(begins)))
    sim.run(until=Decimal(ends) - Decimal("0.000001"))
    assert seen(mapping) == (3, 30, 21)
    sim.run(until=Decimal(ends))
    assert mapping.snapshot().in_flight == 0
    follow(sim, mapping, [(119.999999, 3, 30, 0)])
    sim.run(until=120)
    assert mapping.snapshot().provisioned_pollers == pollers


@pytest.mark.rule("ESM-253", "ESM-010")
def test_how_often_pollers_are_given_up_can_be_changed(sim):
    _, mapping = provisioned(sim, 30, duration=10, settings=[ProvisionedModel(scale_down_every_s=7)])
    pollers = []
    for until in ("0.6", "6.999999", "7", "13.999999", "14", "20.999999", "21"):
        sim.run(until=Decimal(until))
        pollers.append(mapping.snapshot().provisioned_pollers)
    assert pollers == [3, 3, 3, 3, 3, 3, 2]


@pytest.mark.rule("ESM-253", "ESM-170")
def test_a_slot_that_waits_for_a_retry_is_busy(sim):
    queue, mapping = provisioned(sim, duration=1)
    sim.functions[0].update_function_configuration(timeout=1)
    sim.functions[0].put_function_concurrency(0)
    sim.run(until=2)
    for _ in range(21):
        queue.send_message("order")
    sim.run(until=299)
    assert (mapping.snapshot().dropped, mapping.snapshot().held, seen(mapping)) == (0, 21, (3, 30, 0))


@pytest.mark.rule("ESM-253")
def test_slots_that_are_given_up_may_receive_until_their_receives_end(sim):
    """They are taken back when the mapping grows again: there are never more slots than the maximum has."""
    queue, mapping = provisioned(sim, duration=lambda event: int(event["Records"][0]["body"]), maximum_pollers=3)
    sim.run(until=1)
    for _ in range(30):
        queue.send_message("1")
    follow(sim, mapping, [(1.6, 3, 30, 30), (119.999999, 3, 30, 0), (120, 2, 30, 0)])
    for _ in range(40):
        queue.send_message("100")
    follow(sim, mapping, [(120, 2, 30, 30), (120.6, 3, 30, 30), (130, 3, 30, 30), (220, 3, 30, 10), (340, 2, 20, 0)])


@pytest.mark.rule("ESM-253")
def test_slots_that_are_given_up_and_find_nothing_end_with_their_receives(sim):
    """The third poller was made at 0.6 s, worked until 10.6 s and polls since."""
    _, mapping = provisioned(sim, 30, duration=10)
    table = [(120, 2, 30, 0), (130.599999, 2, 30, 0), (130.6, 2, 20, 0), (1_000, 2, 20, 0)]
    follow(sim, mapping, [(119.999999, 3, 30, 0), *table])
    assert mapping.snapshot().empty_receives == 20 * 49 + 10 * 6  # the others since 10 s


# ---- ESM-254, ESM-255: errors and throttles


@pytest.mark.rule("ESM-254")
def test_errors_take_no_poller_away(sim):
    _, mapping = provisioned(sim, 100, duration=5, failure_rate=1.0, maximum_pollers=4)
    sim.run(until=50)
    assert seen(mapping) == (4, 40, 0)
    assert sim.functions[0].snapshot().errors == 100
    assert starts(sim) == {0: 20, 0.6: 10, 1.2: 10, 5: 20, 5.6: 10, 6.2: 10, 10: 20}
    assert mapping.snapshot().target == 40


@pytest.mark.rule("ESM-254", "ESM-170", "ESM-172", "ESM-255")
def test_throttled_batches_are_tried_again_as_usual(sim):
    queue = sim.create_queue("orders", visibility_timeout=30)
    for _ in range(20):
        queue.send_message("order")
    worker = sim.create_function("worker", duration=2, timeout=10, reserved_concurrent_executions=15)
    mapping = sim.create_event_source_mapping(queue, worker, batch_size=1, minimum_pollers=2)
    sim.run(until=0)
    assert (seen(mapping), worker.snapshot().throttles) == ((2, 20, 15), 5)
    sim.run(until=2)  # tried again at 1 s and, after the others ended, at 3 s
    assert (seen(mapping), worker.snapshot().throttles) == ((2, 20, 0), 10)
    sim.run(until=3)
    assert (seen(mapping), worker.snapshot().throttles) == ((2, 20, 5), 10)
    sim.run(until=100)
    assert (queue.deleted, mapping.snapshot().dropped, mapping.snapshot().target) == (20, 0, 20)


@pytest.mark.rule("ESM-255", "ESM-012")
def test_neither_the_cap_of_1250_nor_that_of_the_account_bounds_the_slots():
    sim = Simulation(concurrent_executions=1_500, settings=[ScalingModel(max=3), ScalingRate(capacity=2_000)])
    _, mapping = provisioned(sim, 3_000, minimum_pollers=200, settings=[FIXED])
    sim.run(until=0)
    assert seen(mapping) == (200, 2_000, 1_500)
    assert sim.functions[0].snapshot().throttles == 500
    assert mapping.snapshot().target == 2_000


# ---- ESM-256, ESM-280, ESM-293: cost, metric, requests


@pytest.mark.rule("ESM-256", "LAM-303", "LAM-340")
def test_pollers_are_billed_by_the_second_and_a_minute_each_at_least(sim):
    _, mapping = provisioned(sim)
    assert mapping.billed_poller_seconds == 0  # it is `Creating`
    billed = []
    for until in ("0", "59.999999", "60", "60.000001", "61", "3600"):
        sim.run(until=Decimal(until))
        billed.append(mapping.billed_poller_seconds)
    assert billed == [120, 120, 120, 122, 122, 7_200]
    assert PriceBook().poller_cost(seconds=billed[-1]) == Decimal("0.0185")  # two units, one hour


@pytest.mark.rule("ESM-256")
def test_each_poller_that_is_added_is_billed_for_a_minute_at_least(sim):
    _, mapping = provisioned(sim, 40, duration=10)
    sim.run(until=Decimal("1.2"))
    assert (mapping.snapshot().provisioned_pollers, mapping.billed_poller_seconds) == (4, 240)
    sim.run(until=60)
    assert (mapping.snapshot().provisioned_pollers, mapping.billed_poller_seconds) == (4, 240)
    sim.run(until=120)  # two of them end after 119.4 and 118.8 s
    assert (mapping.snapshot().provisioned_pollers, mapping.billed_poller_seconds) == (2, 120 + 120 + 120 + 119)
    sim.run(until=180)
    assert mapping.billed_poller_seconds == 180 + 180 + 120 + 119


@pytest.mark.rule("ESM-256")
def test_a_poller_that_ends_early_is_billed_for_a_minute(sim):
    _, mapping = provisioned(sim, minimum_pollers=9)
    sim.run(until=10)
    mapping.update_event_source_mapping(minimum_pollers=2, maximum_pollers=3)
    sim.run(until=600)
    # six end at 10 s, and one more at 60 s, since nothing was to do
    assert (mapping.snapshot().provisioned_pollers, mapping.billed_poller_seconds) == (2, 7 * 60 + 2 * 600)


def metric(sim, mapping, statistic="Maximum"):
    return list(sim.metrics.series("AWS/Lambda", "ProvisionedPollers", statistic, EventSourceMappingUUID=mapping.uuid))


@pytest.mark.rule("ESM-280")
def test_the_number_of_pollers_is_a_metric_at_each_change_and_for_each_minute(sim):
    _, mapping = provisioned(sim, 45, duration=70)
    sim.run(until=300)
    # five pollers from 1.8 s on, the last batch ends at 71.8 s; the minute that ends at 180 s needs two
    assert metric(sim, mapping) == [(0, 5), (60, 5), (120, 5), (180, 2), (240, 2), (300, 2)]
    assert metric(sim, mapping, "Minimum") == [(0, 2), (60, 5), (120, 5), (180, 2), (240, 2), (300, 2)]
    assert metric(sim, mapping, "SampleCount") == [(0, 4), (60, 1), (120, 1), (180, 2), (240, 1), (300, 1)]
    with pytest.raises(UsageError):
        sim.metrics.series("AWS/Lambda", "ProvisionedPollers", "Maximum", FunctionName="worker")


@pytest.mark.rule("ESM-280")
def test_outside_provisioned_mode_and_while_disabled_there_is_no_such_datum(sim):
    plain = sim.create_event_source_mapping(sim.create_queue("plain"), sim.create_function("other"))
    _, mapping = provisioned(sim)
    sim.run(until=70)
    mapping.update_event_source_mapping(enabled=False)
    sim.run(until=200)
    mapping.update_event_source_mapping(enabled=True)
    sim.run(until=250)
    assert metric(sim, plain) == []
    assert metric(sim, mapping) == [(0, 2), (60, 2), (180, 2), (240, 2)]


@pytest.mark.rule("ESM-293", "ESM-082", "ESM-291")
def test_two_idle_pollers_make_60_receives_a_minute_and_3600_an_hour(sim):
    queue, mapping = provisioned(sim)
    table = [("19.999999", 0), ("20", 20), ("60", 60), ("120", 120), ("3600", 3_600), ("86400", 86_400)]
    for until, receives in table:
        sim.run(until=Decimal(until))
        assert mapping.snapshot().empty_receives == receives
        found = queue.snapshot()
        assert (found.requests, found.billed_requests) == (receives, receives)
    minutes = sim.metrics.series("AWS/SQS", "NumberOfEmptyReceives", "Sum", QueueName="orders")
    assert set(minutes.values[1:-1]) == {60}
    sim.run(until=365 * 86_400)
    assert mapping.snapshot().empty_receives == queue.snapshot().billed_requests == 365 * 86_400
    assert sim.clock.pending == 0
    book = PriceBook()
    assert book.sqs_cost_exact(billed_requests=queue.snapshot().billed_requests) == Decimal("12.6144")
    assert book.poller_cost(seconds=mapping.billed_poller_seconds) == Decimal("162.06")


# ---- updates, and other ends: ESM-052 to ESM-054, ESM-250


@pytest.mark.rule("ESM-250", "ESM-052")
def test_a_higher_minimum_brings_pollers_at_once_and_a_lower_one_takes_them_at_the_end_of_a_minute(sim):
    _, mapping = provisioned(sim)
    sim.run(until=10)
    mapping.update_event_source_mapping(minimum_pollers=5)
    assert seen(mapping) == (2, 20, 0)  # it is `Updating`
    follow(sim, mapping, [(10, 5, 50, 0), (60, 5, 50, 0)])
    mapping.update_event_source_mapping(minimum_pollers=3)
    follow(sim, mapping, [(119.999999, 5, 50, 0), (120, 3, 50, 0), (129.999999, 3, 50, 0), (130, 3, 30, 0)])


@pytest.mark.rule("ESM-250", "ESM-109", "ESM-164")
def test_a_lower_maximum_takes_the_newest_pollers_and_lets_their_work_end(sim):
    queue, mapping = provisioned(sim, 80, maximum_pollers=5)
    follow(sim, mapping, [(2, 5, 50, 50)])
    mapping.update_event_source_mapping(maximum_pollers=3)
    table = [(2, 3, 50, 50), (99.999999, 3, 50, 50), (100, 3, 50, 50), (100.6, 3, 50, 50), (101.2, 3, 40, 40)]
    follow(sim, mapping, [*table, (101.8, 3, 30, 30), (201.2, 3, 30, 0)])
    assert queue.deleted == 80
    assert mapping.billed_poller_seconds == 60 + 60 + 202 + 202 + 201


@pytest.mark.rule("ESM-250", "ESM-252")
def test_a_higher_maximum_lets_the_growth_go_on(sim):
    _, mapping = provisioned(sim, 100, maximum_pollers=3)
    follow(sim, mapping, [(10, 3, 30, 30)])
    mapping.update_event_source_mapping(maximum_pollers=4)
    follow(sim, mapping, [(10.199999, 3, 30, 30), (10.2, 4, 40, 40), (50, 4, 40, 40)])


@pytest.mark.rule("ESM-250", "ESM-052")
def test_while_a_change_is_not_complete_the_old_numbers_hold(sim):
    _, mapping = provisioned(sim, 100, settings=[LifecycleModel(updating_s=10, creating_s=1)])
    follow(sim, mapping, [(0.999999, 0, 0, 0), (1, 2, 20, 20), (1.6, 3, 30, 30)])
    answer = mapping.update_event_source_mapping(minimum_pollers=8, maximum_pollers=9)
    assert (answer.state, answer.minimum_pollers, answer.maximum_pollers) == ("Updating", 8, 9)
    with pytest.raises(ResourceInUseException):
        mapping.update_event_source_mapping(minimum_pollers=2)
    follow(sim, mapping, [(5.8, 10, 100, 100), (11.599999, 10, 100, 100), (11.6, 9, 100, 100)])


@pytest.mark.rule("ESM-250", "ESM-052")
def test_a_mapping_can_go_over_to_provisioned_mode_while_it_works(sim):
    """What it had ends with its turns, and what it is given begins at once."""
    queue, mapping = provisioned(sim, 100, minimum_pollers=None, duration=10)
    sim.run(until=1)
    assert seen(mapping) == (0, 10, 10)
    mapping.update_event_source_mapping(minimum_pollers=2, maximum_pollers=3)
    table = [(1, 2, 30, 30), (1.599999, 2, 30, 30), (1.6, 3, 40, 40), (9.999999, 3, 40, 40), (10, 3, 35, 35)]
    follow(sim, mapping, [*table, (11, 3, 30, 30), (30, 3, 30, 30), (60, 3, 30, 0)])
    assert queue.deleted == 100
    assert mapping.billed_poller_seconds == 3 * 60


@pytest.mark.rule("ESM-250", "ESM-101")
def test_a_mapping_can_leave_provisioned_mode_while_it_works(sim):
    queue, mapping = provisioned(sim, 100, duration=10)
    follow(sim, mapping, [(1, 3, 30, 30)])
    mapping.update_event_source_mapping(minimum_pollers=None, maximum_pollers=None)
    answer = mapping.get_event_source_mapping()
    assert (answer.minimum_pollers, answer.maximum_pollers) == (None, None)
    # five slots at once, one more each 0.2 s; the slots of the pollers end at 10 and 10.6 s
    table = [(1, 0, 35, 35), (1.199999, 0, 35, 35), (1.2, 0, 36, 36), (9.999999, 0, 79, 79), (10, 0, 60, 60)]
    follow(sim, mapping, [*table, (10.599999, 0, 62, 62), (10.6, 0, 53, 53)])
    assert (mapping.snapshot().target, mapping.billed_poller_seconds) == (53, 180)
    sim.run(until=60)
    assert (queue.deleted, mapping.snapshot().phase, mapping.snapshot().target) == (100, "idle", 5)
    sim.run(until=1_000)
    assert (seen(mapping), mapping.billed_poller_seconds) == ((0, 2, 0), 180)
    assert metric(sim, mapping) == [(0, 3)]


@pytest.mark.rule("ESM-250", "ESM-101")
@pytest.mark.parametrize(
    ("given", "changes", "slots", "empty"),
    [  # two receives of each slot that was there from the beginning end empty by 40 s
        ({"minimum_pollers": None}, {"minimum_pollers": 2}, [5 + 20, 5 + 20, 20], 2 * 5),
        ({}, {"minimum_pollers": None}, [20 + 5, 20 + 5, 5], 2 * 20),
        ({"minimum_pollers": 4}, {"maximum_pollers": 3, "minimum_pollers": 3}, [40, 40, 30], 2 * 40),
    ],
)
def test_slots_that_poll_when_they_are_given_up_end_with_their_receives(sim, given, changes, slots, empty):
    queue, mapping = provisioned(sim, **given)
    sim.run(until=33)
    mapping.update_event_source_mapping(**changes)
    found = []
    for until in ("33", "39.999999", "40"):
        sim.run(until=Decimal(until))
        found.append(mapping.snapshot().pollers)
    assert found == slots
    assert queue.snapshot().requests == mapping.snapshot().empty_receives == empty
    sim.run(until=1_000)
    assert mapping.snapshot().pollers == (2 if changes == {"minimum_pollers": None} else slots[-1])


@pytest.mark.rule("ESM-250")
def test_back_and_forth_between_the_modes_leaves_nothing_behind(sim):
    queue, mapping = provisioned(sim, 30, duration=50)
    for second in range(1, 9):
        sim.run(until=second)
        mapping.update_event_source_mapping(minimum_pollers=None if second % 2 else 3)
    sim.run(until=9)
    assert (queue.deleted, mapping.snapshot().provisioned_pollers) == (0, 3)
    sim.check_invariants()
    sim.run(until=1_000)
    assert (seen(mapping), queue.deleted) == ((3, 30, 0), 30)
    mapping.update_event_source_mapping(minimum_pollers=2)
    sim.run(until=2_000)
    assert seen(mapping) == (2, 20, 0)


@pytest.mark.rule("ESM-053", "ESM-054", "ESM-253", "ESM-256")
def test_a_disabled_mapping_has_no_pollers_and_begins_anew_with_its_minimum(sim):
    queue, mapping = provisioned(sim, 50, duration=20)
    follow(sim, mapping, [(1.8, 5, 50, 50)])
    sim.run(until=5)
    mapping.update_event_source_mapping(enabled=False)
    assert (mapping.state, seen(mapping)) == ("Disabling", (0, 50, 50))
    assert mapping.billed_poller_seconds == 5 * 60
    follow(sim, mapping, [(20, 0, 30, 30), (21.8, 0, 0, 0)])
    assert (mapping.state, queue.deleted) == ("Disabled", 50)
    sim.run(until=100)
    assert (mapping.billed_poller_seconds, queue.snapshot().requests) == (300, 50 + 50 + 50)
    mapping.update_event_source_mapping(enabled=True)
    sim.run(until=100)
    assert (mapping.state, seen(mapping), mapping.snapshot().phase) == ("Enabled", (2, 20, 0), "idle")
    for _ in range(21):
        queue.send_message("order")
    follow(sim, mapping, [(100.6, 3, 30, 21), (219.999999, 3, 30, 0), (220, 2, 30, 0)])
    assert mapping.billed_poller_seconds == 300 + 120 + 120 + 120


@pytest.mark.rule("ESM-053", "ESM-054", "ESM-250")
def test_slots_that_were_leaving_when_the_mapping_stopped_are_forgotten(sim):
    _, mapping = provisioned(sim)
    sim.run(until=1)
    mapping.update_event_source_mapping(minimum_pollers=None)
    sim.run(until=2)
    assert mapping.snapshot().pollers == 20 + 5
    for enabled, slots in ((False, 0), (True, 5)):
        mapping.update_event_source_mapping(enabled=enabled)
        sim.run_for(1)
        assert mapping.snapshot().pollers == slots
        sim.check_invariants()


@pytest.mark.rule("ESM-250", "ESM-101")
def test_slots_that_leave_the_mode_lower_no_target(sim):
    """Three of twenty are at work when the receives of the others end; three slots were made since."""
    eager = ScalingModel(initial=1, demand="nonempty_receive")
    queue, mapping = provisioned(sim, duration=60, settings=[eager])
    sim.run(until=1)
    mapping.update_event_source_mapping(minimum_pollers=None)
    for at in (10, 10.3, 10.5):
        sim.call_at(at, queue.send_message, "order")
    follow(sim, mapping, [(10.6, 0, 24, 3), (19.999999, 0, 24, 3), (20, 0, 7, 3)])
    assert mapping.snapshot().target == 4


@pytest.mark.rule("ESM-250", "ESM-251", "ESM-053")
def test_a_slot_that_leaves_the_mode_while_its_batch_may_not_ask_invokes_with_it_first(sim):
    """One receive a second: each batch has a message, and waits for its next receive when the mode is left."""
    model = ProvisionedModel(invokes_per_poller=1, polls_per_s=1, growth_per_minute=0)
    window = {"batch_size": 10, "maximum_batching_window_in_seconds": 5}
    queue, mapping = provisioned(sim, 1, duration=1, settings=[model, ScalingModel(initial=1)], **window)
    sim.run(until=Decimal("0.5"))
    assert (mapping.snapshot().gathering, mapping.snapshot().held) == (1, 1)
    mapping.update_event_source_mapping(minimum_pollers=None)
    sim.run(until=30)
    assert (starts(sim), queue.deleted, mapping.snapshot().pollers) == ({5: 1}, 1, 1)
    sim.check_invariants()


@pytest.mark.rule("ESM-250", "ESM-092")
def test_a_slot_that_leaves_while_its_receive_is_on_its_way_ends_with_it_when_it_brings_nothing(sim):
    """Of two slots one received at 5.5 s, so that their receives end at 20.5 and at 26 s."""
    model = ProvisionedModel(invokes_per_poller=1, growth_per_minute=0)
    slow = PollModel(receive_latency_s=Decimal("0.5"))
    queue, mapping = provisioned(sim, duration=0, settings=[slow, model, ScalingModel(initial=1)])
    sim.call_at(5, queue.send_message, "order")
    sim.run(until=10)
    queue.send_message("for another consumer")
    assert len(queue.receive_message()) == 1
    mapping.update_event_source_mapping(minimum_pollers=None)
    follow(sim, mapping, [(10, 0, 3, 0), (20.499999, 0, 3, 0), (20.5, 0, 2, 0), (25.999999, 0, 2, 0), (26, 0, 1, 0)])


@pytest.mark.rule("ESM-250", "ESM-253")
def test_nobody_waits_when_the_last_slot_that_waited_is_given_up(sim):
    queue, mapping = provisioned(sim, 2, settings=[ProvisionedModel(invokes_per_poller=1)], minimum_pollers=3)
    sim.run(until=5)
    mapping.update_event_source_mapping(minimum_pollers=2, maximum_pollers=2)
    follow(sim, mapping, [(19.999999, 2, 3, 2), (20, 2, 2, 2)])
    sim.check_invariants()
    queue.send_message("order")
    sim.run(until=99)
    assert (mapping.snapshot().in_flight, queue.visible) == (2, 1)


@pytest.mark.rule("ESM-053", "ESM-251")
def test_what_waits_for_its_bucket_ends_at_once_when_the_mapping_stops(sim):
    queue, mapping = provisioned(sim, 60, duration=0, settings=[FIXED])
    sim.run(until=Decimal("0.05"))
    mapping.delete_event_source_mapping()
    sim.run()
    assert (sim.now, mapping.is_deleted, queue.deleted, queue.visible) == (0.05, True, 20, 40)
    assert mapping.billed_poller_seconds == 120


@pytest.mark.rule("ESM-082", "ESM-251")
@pytest.mark.parametrize("scaling", [ScalingModel.DEFAULT, ScalingModel.EAGER], ids=["backlog", "nonempty_receive"])
def test_nobody_waits_for_a_bucket_when_there_is_nothing_to_receive(sim, scaling):
    """What a slot would receive is nothing: a run ends without that. It waits as soon as there is something."""
    model = ProvisionedModel(invokes_per_poller=1, polls_per_s=1, growth_per_minute=0)
    queue, mapping = provisioned(sim, 2, duration=0, settings=[model, scaling])
    sim.run()
    assert (sim.now, queue.deleted, mapping.snapshot().phase) == (0, 2, "active")
    sim.run(until=Decimal("0.2"))
    for _ in range(2):
        queue.send_message("order")
    sim.run()
    assert (sim.now, queue.deleted) == (1, 4)
    queue.send_message("late", delay_seconds=1)
    sim.run()
    assert (sim.now, queue.deleted) == (2, 5)


# ---- with windows, faults, and other mappings


@pytest.mark.rule("ESM-250", "ESM-086", "ESM-083")
def test_batches_are_gathered_as_usual(sim):
    sizes = []
    queue = sim.create_queue("orders")
    worker = sim.create_function("worker", lambda event, _: sizes.append((sim.now, len(event["Records"]))), duration=1)
    sim.create_event_source_mapping(
        queue, worker, batch_size=25, maximum_batching_window_in_seconds=5, minimum_pollers=2
    )
    for _ in range(60):
        queue.send_message("order")
    sim.run()
    assert sizes == [(0, 25), (0, 25), (5, 10)]


@pytest.mark.rule("ESM-251", "ESM-087")
def test_a_batch_whose_slot_may_not_receive_is_closed_by_its_window(sim):
    queue, mapping = heavy(
        sim, 4, MEGABYTE // 2, batch_size=100, maximum_batching_window_in_seconds=1, settings=[FIXED]
    )
    sim.run(until=Decimal("0.999999"))
    # Four messages in one receive: a megabyte in debt. The next receive may begin 1 µs after the window.
    assert (mapping.snapshot().held, mapping.snapshot().in_flight) == (4, 0)
    queue.send_message("late")
    sim.run(until=1)
    assert (mapping.snapshot().held, mapping.snapshot().in_flight) == (5, 1)


@pytest.mark.rule("ESM-310", "ESM-250")
def test_a_slot_that_dies_is_replaced_in_its_poller():
    """After its receive, and before its delete."""
    sim = Simulation(faults=EsmFaults(poller_lost=0.5), choices=Says("esm.poller_lost", 1, 0, 0, 1))
    queue, mapping = provisioned(sim, 3, duration=1, settings=[FIXED])
    sim.run(until=10)
    sim.check_invariants()
    assert (seen(mapping), queue.deleted) == ((2, 20, 0), 1)
    sim.run(until=1_000)
    assert (seen(mapping), queue.deleted) == ((2, 20, 0), 3)


@pytest.mark.rule("ESM-310", "ESM-251")
def test_a_receive_that_fails_leaves_its_slot_to_its_poller():
    sim = Simulation(faults=EsmFaults(poll_error=0.5), choices=Says("esm.poll_error", *[1] * 20))
    queue, mapping = provisioned(sim, 20, duration=1, settings=[FIXED])
    sim.run(until=Decimal("0.999999"))
    assert (seen(mapping), queue.visible) == ((2, 20, 0), 20)
    sim.run(until=1)
    assert (seen(mapping), queue.visible) == ((2, 20, 20), 0)


@pytest.mark.rule("ESM-250", "ESM-270", "ESM-271")
def test_two_mappings_in_provisioned_mode_share_a_queue_and_grow_each_by_itself():
    sim = Simulation()
    queue, first = provisioned(sim, 180, maximum_pollers=3)
    other = sim.create_function("other", duration=100, timeout=300)
    second = sim.create_event_source_mapping(queue, other, batch_size=1, minimum_pollers=3, settings=[FIXED])
    sim.run(until=0)
    assert [seen(first), seen(second)] == [(2, 20, 20), (3, 30, 30)]
    sim.run(until=50)
    assert [seen(first), seen(second)] == [(3, 30, 30), (3, 30, 30)]
    sim.run(until=320)
    assert queue.deleted == 180
    assert [mapping.snapshot().polled_event_count for mapping in (first, second)] == [90, 90]


@pytest.mark.rule("ESM-250", "ESM-084")
def test_slots_of_pollers_can_take_turns(sim):
    queue, mapping = provisioned(sim, 0, batch_size=10, settings=[PollModel(dispatch="round_robin"), FIXED])
    sim.run(until=0)
    for _ in range(20):
        queue.send_message("order")
    sim.run(until=0)
    assert (seen(mapping), mapping.snapshot().attempts) == ((2, 20, 20), 20)
