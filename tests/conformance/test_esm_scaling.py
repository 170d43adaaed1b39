"""The scaling state machine, and back-off on errors (ESM §6, §8)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lambdasim import BackoffModel, ScalingModel, Simulation

US = Decimal("0.000001")
NO_GROWTH = ScalingModel(step_per_minute=0)


def limits(sim, mapping):
    """The changes of L: pairs (seconds, L)."""
    return [
        (record.at_us / 1_000_000, record.details["target"])
        for record in sim.trace.records
        if record.kind == "concurrency limit changed" and record.subject == mapping.uuid
    ]


def by_body(event):
    """A function's duration: what the body of the first record says, in seconds."""
    return Decimal(event["Records"][0]["body"])


def busy_mapping(sim, messages, *, duration=100, **given):
    """A queue with messages, a function that takes long, and their mapping with batches of one."""
    queue = sim.create_queue("orders", visibility_timeout=600)
    for _ in range(messages):
        queue.send_message("order")
    worker = sim.create_function("worker", duration=duration, timeout=300)
    mapping = sim.create_event_source_mapping(queue, worker, **{"batch_size": 1, **given})
    return queue, mapping


def seen(mapping):
    found = mapping.snapshot()
    return found.phase, found.target, found.pollers


# ---- ESM-100, ESM-101


@pytest.mark.rule("ESM-100")
def test_a_mapping_has_a_phase_a_target_a_limit_and_slots(sim):
    queue, mapping = busy_mapping(sim, 0)
    found = mapping.snapshot()
    assert (found.phase, found.pollers) == ("stopped", 0)
    sim.run(until=0)
    found = mapping.snapshot()
    assert (found.phase, found.target, found.concurrency_limit, found.pollers) == ("idle", 5.0, 5, 5)
    queue.send_message("order")
    assert mapping.snapshot().phase == "active"
    assert mapping.snapshot().at_us == 0


@pytest.mark.rule("ESM-101")
def test_s1_an_enabled_mapping_is_idle_with_its_initial_slots_polling(sim):
    queue, mapping = busy_mapping(sim, 0)
    sim.run(until=5)
    assert seen(mapping) == ("idle", 5, 5)
    queue.send_message("order")  # one of them receives it before the send is over
    assert queue.snapshot().in_flight == 1


@pytest.mark.rule("ESM-101", "ESM-105")
def test_s2_the_first_message_brings_the_initial_slots_back_at_once(sim):
    queue, mapping = busy_mapping(sim, 0)
    sim.run(until=400)
    assert seen(mapping) == ("idle", 2, 2)
    for _ in range(5):
        queue.send_message("order")
    assert queue.snapshot().in_flight == 2
    sim.run(until=400)
    assert seen(mapping) == ("active", 5, 5)
    assert queue.snapshot().in_flight == 5


@pytest.mark.rule("ESM-101", "ESM-102")
def test_s2_ticks_count_from_the_first_message_of_an_active_time(sim):
    queue, mapping = busy_mapping(sim, 0)
    sim.run(until=Decimal("7.3"))
    for _ in range(20):
        queue.send_message("order")
    sim.run(until=Decimal("8.2"))
    assert limits(sim, mapping) == [(7.5, 6), (7.7, 7), (7.9, 8), (8.1, 9)]


@pytest.mark.rule("ESM-101")
def test_s2_each_active_time_has_ticks_of_its_own(sim):
    queue, mapping = busy_mapping(sim, 7, duration=1)
    sim.run(until=Decimal("3.05"))
    for _ in range(8):  # one more than there are slots
        queue.send_message("order")
    sim.run(until=10)
    assert limits(sim, mapping) == [(0.2, 6), (0.4, 7), (1.4, 5), (3.25, 6), (3.45, 7), (3.65, 8), (4.65, 5)]


@pytest.mark.rule("ESM-101", "ESM-103", "ESM-104")
def test_s3_a_growth_tick_with_demand_adds_a_slot_that_polls_at_that_instant(sim):
    queue, mapping = busy_mapping(sim, 100)
    sim.run(until=Decimal("0.199999"))
    assert seen(mapping) == ("active", 5, 5)
    sim.run(until=Decimal("0.2"))
    assert seen(mapping) == ("active", 6, 6)
    assert queue.snapshot().in_flight == 6
    sim.run(until=10)
    assert seen(mapping) == ("active", 55, 55)
    assert queue.snapshot().in_flight == 55


@pytest.mark.rule("ESM-101")
def test_s4_a_missed_step_is_not_made_up_later(sim):
    queue, mapping = busy_mapping(sim, 5)
    sim.run(until=Decimal("1.05"))
    assert seen(mapping) == ("active", 5, 5)
    queue.send_message("order")
    queue.send_message("order")
    sim.run(until=5)
    assert limits(sim, mapping) == [(1.2, 6), (1.4, 7)]


@pytest.mark.rule("ESM-101", "ESM-164")
def test_s6_a_slot_retires_at_the_end_of_its_turn_when_there_are_too_many(sim):
    queue = sim.create_queue("orders", visibility_timeout=600)

    def handler(event, context):
        if event["Records"][0]["body"] == "1":
            raise ValueError

    for seconds in ("1", "4", "5", "6", "7"):
        queue.send_message(seconds)
    worker = sim.create_function("worker", handler, duration=by_body, timeout=100)
    mapping = sim.create_event_source_mapping(queue, worker, batch_size=1, settings=[NO_GROWTH])
    table = [
        (Decimal("0.999999"), 5, 5, 5),
        (1, 2, 4, 4),  # one of one attempt failed: L = 5 × 0.25, at least 2; the slot that failed is gone
        (Decimal("3.999999"), 2, 4, 4),  # work is not interrupted
        (4, 2, 3, 3),
        (5, 2, 2, 2),
        (6, 2, 2, 1),
    ]
    for until, target, pollers, in_flight in table:
        sim.run(until=until)
        found = mapping.snapshot()
        assert (found.target, found.pollers, found.in_flight) == (target, pollers, in_flight)


@pytest.mark.rule("ESM-101")
def test_s6_a_slot_retires_after_an_empty_receive_too(sim):
    queue, mapping = busy_mapping(sim, 20, duration=1)
    sim.run(until=3)
    peak = mapping.snapshot().pollers
    assert peak > 5
    sim.run()
    ended = sim.now
    assert seen(mapping) == ("idle", 5, peak)
    sim.run(until=ended + 20)
    assert seen(mapping) == ("idle", 5, 5)
    assert queue.snapshot().deleted == 20


@pytest.mark.rule("ESM-101")
def test_s7_a_slot_without_work_in_an_active_mapping_retires_and_takes_its_place_with_it(sim):
    queue = sim.create_queue("orders", visibility_timeout=600)
    worker = sim.create_function("worker", lambda event, context: None, duration=by_body, timeout=300)
    for seconds in ("100", *["2"] * 5):
        queue.send_message(seconds)
    settings = [ScalingModel(initial=2)]
    mapping = sim.create_event_source_mapping(queue, worker, batch_size=1, settings=settings)
    sim.run(until=Decimal("0.6"))
    assert seen(mapping) == ("active", 5, 5)
    table = [
        # slots: 1 busy to 100; the others end at 2.0 (and take the last message, to 4.0), 2.2, 2.4, 2.6 and wait
        (Decimal("22.199999"), 5, 5),
        (Decimal("22.2"), 4, 4),
        (Decimal("22.4"), 3, 3),
        (Decimal("22.6"), 2, 2),
        (24, 2, 2),  # never below the initial slots
        (99, 2, 2),
    ]
    for until, target, pollers in table:
        sim.run(until=until)
        assert seen(mapping) == ("active", target, pollers), until
    sim.run(until=100)
    assert seen(mapping) == ("idle", 2, 2)


@pytest.mark.rule("ESM-101")
def test_s8_a_mapping_is_idle_when_all_its_slots_poll_and_starts_anew(sim):
    queue, mapping = busy_mapping(sim, 12, duration=1)
    sim.run(until=Decimal("1.999999"))
    assert seen(mapping) == ("active", 9, 9)
    sim.run(until=2)
    assert seen(mapping) == ("idle", 5, 9)
    assert queue.snapshot().deleted == 12
    sim.run()
    assert sim.now == 2


@pytest.mark.rule("ESM-101")
def test_s8_is_judged_after_the_new_work_of_its_instant(sim):
    queue, mapping = busy_mapping(sim, 1, duration=1)
    sim.call_at(1, queue.send_message, "order")  # when the only invocation ends
    sim.run(until=1)
    assert seen(mapping)[0] == "active"
    sim.run(until=Decimal("1.5"))
    for _ in range(6):
        queue.send_message("order")
    sim.run(until=2)
    assert limits(sim, mapping) == [(1.6, 6), (1.8, 7)]  # still the ticks that began at 0


@pytest.mark.rule("ESM-101")
@pytest.mark.parametrize("until", [Decimal("299.999999"), Decimal(300)])
def test_s9_after_300_idle_seconds_without_a_break_two_slots_poll(sim, until):
    _, mapping = busy_mapping(sim, 0)
    sim.run(until=until)
    assert seen(mapping) == (("idle", 2, 2) if until == 300 else ("idle", 5, 5))


@pytest.mark.rule("ESM-101")
def test_s9_counts_from_the_last_break(sim):
    queue, mapping = busy_mapping(sim, 0, duration=1)
    sim.run(until=295)
    queue.send_message("order")
    table = [
        (Decimal("595.999999"), 5, 5),
        (596, 2, 4),  # the slot that worked polls since 296: its receive ends at this very instant
        (Decimal("599.999999"), 2, 4),
        (600, 2, 2),  # the receives of the others
    ]
    for until, target, pollers in table:
        sim.run(until=until)
        assert seen(mapping) == ("idle", target, pollers), until


@pytest.mark.rule("ESM-101", "ESM-010")
def test_the_economy_of_idle_slots_can_be_changed(sim):
    model = ScalingModel(initial=4, idle_floor=1, idle_optimise_after_s=30)
    _, mapping = busy_mapping(sim, 0, settings=[model])
    sim.run(until=30)
    assert seen(mapping) == ("idle", 1, 4)
    sim.run(until=40)
    assert seen(mapping) == ("idle", 1, 1)
    small = sim.create_event_source_mapping(
        sim.create_queue("small", visibility_timeout=600),
        mapping.function,
        settings=[ScalingModel(initial=1, idle_floor=2, idle_optimise_after_s=30)],
    )
    sim.run(until=200)
    assert seen(small) == ("idle", 1, 1)


# ---- ESM-102 to ESM-108


@pytest.mark.rule("ESM-102")
@pytest.mark.parametrize("step", [7, 60, 300, 1_000, 7_919])
def test_the_kth_tick_falls_on_the_whole_microsecond_below_k_times_60_s_by_steps(sim, step):
    sim.run(until=Decimal("1.234567"))
    busy_mapping(sim, 200, settings=[ScalingModel(step_per_minute=step)])
    sim.run(until=20)
    changes = [record.at_us for record in sim.trace.records if record.kind == "concurrency limit changed"]
    count = min(195, (20_000_000 - 1_234_567) * step // 60_000_000)
    assert changes == [1_234_567 + k * 60_000_000 // step for k in range(1, count + 1)]


@pytest.mark.rule("ESM-102", "ESM-011")
def test_by_steps_a_whole_minutes_growth_comes_at_once(sim):
    _, mapping = busy_mapping(sim, 700, settings=[ScalingModel.STEP])
    sim.run(until=Decimal("59.999999"))
    assert mapping.snapshot().in_flight == 5
    sim.run(until=60)
    assert mapping.snapshot().in_flight == 305
    sim.run(until=99)
    assert limits(sim, mapping) == [(60, 305)]


@pytest.mark.rule("ESM-102")
def test_a_step_of_0_is_no_growth(sim):
    _, mapping = busy_mapping(sim, 100, settings=[NO_GROWTH])
    sim.run(until=99)
    assert limits(sim, mapping) == []


@pytest.mark.rule("ESM-103")
def test_one_message_left_is_demand_enough_and_a_thousand_are_no_more():
    changes = []
    for left in (30, 1_000):
        sim = Simulation()
        _, mapping = busy_mapping(sim, 5 + left)
        sim.run(until=5)
        changes.append(limits(sim, mapping))
    assert changes[0] == changes[1] == [(round(0.2 * k, 1), 5 + k) for k in range(1, 26)]
    sim = Simulation()
    queue, mapping = busy_mapping(sim, 5)
    for tick in (1, 2, 3):
        sim.run(until=Decimal(tick) / 5 - US)
        queue.send_message("order")
        sim.run(until=Decimal(tick) / 5)
    assert limits(sim, mapping) == [(0.2, 6), (0.4, 7), (0.6, 8)]


@pytest.mark.rule("ESM-103")
@pytest.mark.parametrize(("at", "grows"), [(Decimal("0.2"), True), (Decimal("0.200001"), False)])
def test_demand_is_judged_after_all_receives_of_the_instant(sim, at, grows):
    queue, mapping = busy_mapping(sim, 5)
    sim.call_at(at, queue.send_message, "order")
    sim.run(until=Decimal("0.3"))
    assert limits(sim, mapping) == ([(0.2, 6)] if grows else [])


@pytest.mark.rule("ESM-103")
def test_a_message_that_is_received_at_the_instant_of_the_tick_is_no_demand(sim):
    queue, mapping = busy_mapping(sim, 4)
    sim.call_at(Decimal("0.2"), queue.send_message, "order")  # the fifth slot waits for it
    sim.run(until=Decimal("0.3"))
    assert limits(sim, mapping) == []


@pytest.mark.rule("ESM-103", "ESM-101")
@pytest.mark.parametrize("way", ["a slot retires", "the cap is raised"])
def test_a_receive_at_the_cap_is_demand_when_the_target_is_below_it_again_before_the_tick(sim, way):
    """Ticks are at 60 s, 120 s, …; the receive at 79 s is demand at 120 s, whatever took the target below the cap."""
    model = ScalingModel(demand="nonempty_receive", ramp="step", step_per_minute=2, initial=1)
    cap = 3 if way == "a slot retires" else 2
    queue, mapping = busy_mapping(sim, 1, duration=250, maximum_concurrency=cap, settings=[model])
    sim.call_at(79, queue.send_message, "order")
    sim.run(until=79)
    assert seen(mapping) == ("active", cap, cap)
    sim.run(until=80)
    if way == "a slot retires":
        assert seen(mapping) == ("active", 2, 2)  # S7
    else:
        mapping.update_event_source_mapping(maximum_concurrency=3)
    sim.run(until_us=120_000_000 - 1)
    assert mapping.snapshot().target == 2
    sim.run(until=120)
    assert seen(mapping) == ("active", 3, 3)


@pytest.mark.rule("ESM-103", "ESM-104", "ESM-011")
def test_eager_demand_is_a_receive_since_the_last_tick_that_returned_a_message(sim):
    queue, mapping = busy_mapping(sim, 0, settings=[ScalingModel.EAGER])
    sim.run(until=0)
    for at in (0, Decimal("0.45"), Decimal("0.5"), Decimal("0.65")):
        sim.call_at(at, queue.send_message, "order")
    sim.run(until=5)
    # ticks at 0.2 (the receive at 0), 0.6 (two receives), 0.8; nothing lies in the queue at any of them
    assert limits(sim, mapping) == [(0.2, 6), (0.6, 7), (0.8, 8)]
    assert mapping.snapshot().pollers == 8  # the new ones found nothing, stayed, and poll
    assert mapping.snapshot().in_flight == 4


@pytest.mark.rule("LAM-003", "ESM-103")
def test_what_one_mapping_grows_for_is_gone_when_the_next_ones_tick_comes(sim):
    queue = sim.create_queue("orders", visibility_timeout=600)
    mappings = []
    for name in ("first", "second"):
        worker = sim.create_function(name, duration=100, timeout=300)
        mappings.append(sim.create_event_source_mapping(queue, worker, batch_size=1))
    sim.run(until=0)
    for _ in range(10):
        queue.send_message("order")
    sim.run(until=Decimal("0.1"))
    assert [mapping.snapshot().in_flight for mapping in mappings] == [5, 5]
    queue.send_message("order")  # the clock goes back to C5 for the slot of the first tick before the second tick
    sim.run(until=Decimal("0.2"))
    assert [mapping.snapshot().pollers for mapping in mappings] == [6, 5]


@pytest.mark.rule("ESM-106")
def test_with_maximum_concurrency_idle_slots_are_not_saved(sim):
    _, mapping = busy_mapping(sim, 0, maximum_concurrency=10)
    sim.run(until=5_000)
    assert seen(mapping) == ("idle", 5, 5)


@pytest.mark.rule("ESM-107", "ESM-012")
def test_maximum_concurrency_holds_at_every_instant(sim):
    queue, mapping = busy_mapping(sim, 100, duration=1, maximum_concurrency=8)
    peak = 0
    while sim.step():
        peak = max(peak, mapping.snapshot().in_flight)
        sim.check_invariants()
    assert peak == 8
    assert queue.snapshot().deleted == 100


@pytest.mark.rule("ESM-108")
def test_a_mapping_scales_past_the_functions_reserve_and_the_surplus_is_throttled(sim):
    queue = sim.create_queue("orders", visibility_timeout=600)
    for _ in range(200):
        queue.send_message("order")
    worker = sim.create_function("worker", duration=100, timeout=200, reserved_concurrent_executions=3)
    mapping = sim.create_event_source_mapping(
        queue, worker, batch_size=1, maximum_concurrency=50, settings=[BackoffModel.OFF]
    )
    sim.run(until=10)
    assert mapping.snapshot().target == 50
    assert worker.snapshot().in_flight == 3
    assert worker.snapshot().throttles > 47


# ---- ESM-160 to ESM-164


def failing_load(settings, *, messages=20_000, response_types=()):
    """A backlog for a function all of whose invocations fail, after half a second."""
    sim = Simulation(concurrent_executions=2_000, seed=1)
    queue = sim.create_queue("orders", visibility_timeout=600)
    send = queue.sender("order")
    for number in range(messages):
        send(number)
    worker = sim.create_function("worker", duration=Decimal("0.5"), failure_rate=1)
    mapping = sim.create_event_source_mapping(
        queue, worker, batch_size=1, settings=settings, function_response_types=response_types
    )
    return sim, mapping


@pytest.mark.rule("ESM-162", "ESM-160", "ESM-101")
def test_when_every_attempt_fails_the_limit_falls_to_its_floor():
    sim, mapping = failing_load([ScalingModel(initial=1_000, max=1_000, step_per_minute=0)])
    sim.run(until=6)
    assert limits(sim, mapping) == [(1, 250), (2, 62.5), (3, 15.625), (4, 3.90625), (5, 2)]
    assert mapping.snapshot().target == 2


@pytest.mark.rule("ESM-162", "ESM-160", "ESM-100")
def test_growth_goes_on_between_control_ticks_and_the_limit_has_six_decimals():
    sim, mapping = failing_load([ScalingModel(initial=1_000, max=1_000)])
    before = []
    for second in range(2, 7):
        sim.run(until=second - US)
        before.append(mapping.snapshot().target)
    sim.run(until=6)
    changes = limits(sim, mapping)
    at_ticks = [target for at, target in changes if at in range(1, 7)][::2]  # the first change of each such instant
    assert at_ticks == [250, 63.75, 17.1875, 5.546875, 2.636719, 2]
    assert before == [255, 68.75, 22.1875, 10.546875, 7.636719]


@pytest.mark.rule("ESM-160")
def test_the_share_of_failures_is_that_of_the_period_and_throttles_count():
    sim = Simulation()
    queue = sim.create_queue("orders", visibility_timeout=600)
    for body in ("0.1 bad", "0.4 good", "0.5 good", "0.6 good", "9 good"):
        queue.send_message(body)

    def handler(event, context):
        seconds, kind = event["Records"][0]["body"].split()
        context.sleep(Decimal(seconds))
        if kind == "bad":
            raise ValueError

    worker = sim.create_function("worker", handler, duration=0, timeout=100)
    settings = [ScalingModel(initial=10, step_per_minute=0)]
    mapping = sim.create_event_source_mapping(queue, worker, batch_size=1, settings=settings)
    sim.call_at(Decimal("2.5"), worker.put_function_concurrency, 0)
    sim.call_at(Decimal("2.6"), queue.send_message, "1 good")  # throttled at 2.6, 3.6, …
    sim.run(until=Decimal("3.5"))
    first = round(10 * (1 - 0.75 * (1 / 4) ** 0.3), 6)  # one of four; nothing finished in the second period
    second = round(first * 0.25, 6)  # one throttled attempt of one, in the third
    assert limits(sim, mapping) == [(1, first), (3, max(2, second))]


@pytest.mark.rule("ESM-160")
@pytest.mark.parametrize(("seconds", "change"), [(Decimal("0.999999"), 1), (Decimal(1), 1), (Decimal("1.000001"), 2)])
def test_what_ends_at_the_instant_of_a_control_tick_is_of_the_period_before(seconds, change):
    sim = Simulation()
    queue = sim.create_queue("orders", visibility_timeout=600)

    def handler(event, context):
        if event["Records"][0]["body"] != "9":
            raise ValueError

    for body in ("9", str(seconds)):
        queue.send_message(body)
    worker = sim.create_function("worker", handler, duration=by_body, timeout=100)
    mapping = sim.create_event_source_mapping(queue, worker, batch_size=1, settings=[NO_GROWTH])
    sim.run(until=5)
    assert limits(sim, mapping) == [(change, 2)]


@pytest.mark.rule("ESM-160", "ESM-171", "LAM-002")
def test_what_is_refused_at_the_instant_of_a_control_tick_is_of_the_next_period():
    sim = Simulation()
    queue = sim.create_queue("orders", visibility_timeout=600)
    queue.send_message("order")
    worker = sim.create_function("worker", duration=50, timeout=100)
    mapping = sim.create_event_source_mapping(queue, worker, settings=[NO_GROWTH])
    sim.run(until=0)
    worker.put_function_concurrency(1)
    sim.call_at(1, queue.send_message, "refused")
    sim.run(until=3)
    assert limits(sim, mapping)[0][0] == 2


@pytest.mark.rule("ESM-160", "LAM-003")
def test_what_fails_in_no_time_at_the_instant_of_a_control_tick_is_of_the_next_period():
    sim = Simulation()
    queue = sim.create_queue("orders", visibility_timeout=100)

    def handler(event, context):
        body = event["Records"][0]["body"]
        if body == "long":
            context.sleep(50)
        if body == "bad":
            raise ValueError

    worker = sim.create_function("worker", handler, duration=0, timeout=100)
    mapping = sim.create_event_source_mapping(queue, worker)
    sim.run(until=0)
    queue.send_message("long")  # keeps the mapping active
    queue.send_message("good")
    sim.call_at(1, queue.send_message, "bad")
    sim.run(until=3)
    assert limits(sim, mapping) == [(2, 2)]


def one_that_fails(messages, **given):
    """A function that takes 50 s for a message "long" and no time for others, and fails with "bad"; five slots."""
    sim = Simulation()
    queue = sim.create_queue("orders", visibility_timeout=600)

    def handler(event, context):
        body = event["Records"][0]["body"]
        if body == "long":
            context.sleep(50)
        if body == "bad":
            raise ValueError

    for body in messages:
        queue.send_message(body)
    worker = sim.create_function("worker", handler, duration=0, timeout=100)
    return sim, sim.create_event_source_mapping(queue, worker, batch_size=1, **given)


@pytest.mark.rule("ESM-160", "LAM-003")
def test_what_succeeds_in_no_time_at_the_instant_of_a_control_tick_is_of_the_next_period():
    """It comes after the tick of 1 s: of the two attempts of the second period one failed."""
    settings = [ScalingModel(initial=20, step_per_minute=0)]
    sim, mapping = one_that_fails(["long"], settings=settings)
    for at, body in ((1, "good"), (Decimal("1.5"), "bad")):
        sim.call_at(at, mapping.queue.send_message, body)
    sim.run(until=3)
    assert limits(sim, mapping) == [(2, round(20 * (1 - 0.75 * 0.5**0.3), 6))]


@pytest.mark.rule("ESM-160", "ESM-101", "ESM-164")
def test_slots_that_wait_go_with_their_receives_when_errors_lower_the_limit():
    """Of five slots one runs; at 1 s there may be two, and at 20 s the receives of the others end."""
    sim, mapping = one_that_fails(["long", "bad"], settings=[NO_GROWTH])
    found = []
    for until_us in (1_000_000, 19_999_999, 20_000_000):
        sim.run(until_us=until_us)
        found.append((mapping.snapshot().concurrency_limit, mapping.snapshot().pollers))
    assert found == [(2, 5), (2, 5), (2, 2)]


@pytest.mark.rule("ESM-160", "ESM-101", "ESM-103")
def test_growth_goes_on_where_errors_have_lowered_a_limit_that_was_at_its_cap():
    """At 1 s the control tick comes before the growth tick of that instant, which finds a backlog."""
    sim, mapping = one_that_fails(["bad", *["long"] * 20], maximum_concurrency=5)
    found = []
    for at in (Decimal("0.9"), 1, Decimal("1.2"), Decimal("1.4"), Decimal("1.6")):
        sim.run(until=at)
        found.append(mapping.snapshot().target)
    assert found == [5, 3, 4, 5, 5]


@pytest.mark.rule("ESM-160", "ESM-103")
def test_what_an_eager_mapping_received_at_its_cap_is_demand_when_errors_have_lowered_its_limit():
    """The receive of 0.9 s is demand for the growth tick of 1 s, which comes after the control tick of that instant."""
    sim, mapping = one_that_fails(["bad", *["long"] * 4], maximum_concurrency=5, settings=[ScalingModel.EAGER])
    sim.call_at(Decimal("0.9"), mapping.queue.send_message, "long")
    found = []
    for at in (Decimal("0.9"), 1, 2):
        sim.run(until=at)
        found.append(mapping.snapshot().target)
    assert found == [5, 3, 3]


@pytest.mark.rule("ESM-160")
def test_each_control_tick_looks_at_the_attempts_of_its_own_period():
    settings = [ScalingModel(initial=100, step_per_minute=0)]
    sim, mapping = one_that_fails(["long"], settings=settings)
    for at, body in (("0.5", "bad"), ("1.2", "good"), ("1.5", "bad")):
        sim.call_at(Decimal(at), mapping.queue.send_message, body)
    sim.run(until=5)
    assert limits(sim, mapping) == [(1, 25), (2, round(25 * (1 - 0.75 * 0.5**0.3), 6))]


@pytest.mark.rule("ESM-160")
def test_a_period_without_failures_leaves_the_limit_alone(sim):
    _, mapping = busy_mapping(sim, 50, duration=Decimal("0.3"), settings=[NO_GROWTH])
    sim.run()
    assert limits(sim, mapping) == []


@pytest.mark.rule("ESM-160", "ESM-010")
def test_the_period_of_control_can_be_changed():
    sim, mapping = failing_load([NO_GROWTH, BackoffModel(period_s=Decimal("2.5"), floor=3)], messages=500)
    sim.run(until=6)
    assert limits(sim, mapping) == [(2.5, 3)]


@pytest.mark.rule("ESM-011", "ESM-160")
def test_without_back_off_errors_change_nothing():
    sim, mapping = failing_load([NO_GROWTH, BackoffModel.OFF], messages=100)
    sim.run(until=9)
    assert limits(sim, mapping) == []


@pytest.mark.rule("ESM-163")
def test_with_partial_answers_errors_never_lower_the_limit():
    sim, mapping = failing_load([NO_GROWTH], messages=100, response_types=["ReportBatchItemFailures"])
    sim.run(until=9)
    assert limits(sim, mapping) == []
    assert mapping.function.snapshot().errors > 50


@pytest.mark.rule("ESM-163")
def test_with_partial_answers_throttles_still_lower_the_limit(sim):
    queue = sim.create_queue("orders", visibility_timeout=600)
    for _ in range(5):
        queue.send_message("order")
    worker = sim.create_function("worker", reserved_concurrent_executions=0)
    mapping = sim.create_event_source_mapping(
        queue,
        worker,
        batch_size=1,
        function_response_types=["ReportBatchItemFailures"],
        settings=[NO_GROWTH],
    )
    sim.run(until=1)
    assert limits(sim, mapping) == [(1, 2)]


@pytest.mark.rule("ESM-163", "ESM-191")
def test_records_named_in_a_partial_answer_are_no_failed_attempt(sim):
    def handler(event, context):
        return {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}

    queue = sim.create_queue("orders", visibility_timeout=600)
    for _ in range(50):
        queue.send_message("order")
    worker = sim.create_function("worker", handler, duration=Decimal("0.3"))
    mapping = sim.create_event_source_mapping(
        queue, worker, function_response_types=["ReportBatchItemFailures"], settings=[NO_GROWTH]
    )
    sim.run(until=5)
    assert limits(sim, mapping) == []
    assert mapping.snapshot().failed_invoke_event_count == 5


@pytest.mark.rule("ESM-164")
def test_a_lower_limit_never_interrupts_work():
    sim, mapping = failing_load([ScalingModel(initial=20, step_per_minute=0)], messages=100)
    sim.run(until=Decimal("0.9"))
    sim.run(until=1)
    # 20 slots end their second turn at 1.0, 15 of them retire; L = 5
    found = mapping.snapshot()
    assert (found.target, found.pollers, found.in_flight) == (5, 5, 5)
    assert mapping.function.snapshot().invocations == 45


# ---- worked timelines


@pytest.mark.rule("ESM-406", "ESM-160")
def test_account_limit_1000_others_hold_800():
    sim = Simulation(concurrent_executions=1_000, trace=None)
    others = sim.create_function("others", duration=900, timeout=900)

    async def hold():
        await others.wait_invoke()

    for _ in range(800):
        sim.spawn(hold())
    queue = sim.create_queue("orders")
    send = queue.sender("order")
    for number in range(45_000):
        send(number)
    worker = sim.create_function("worker", duration=1)
    mapping = sim.create_event_source_mapping(queue, worker)
    sim.run(until=39)
    assert (worker.snapshot().in_flight, mapping.snapshot().pollers) == (200, 200)
    sim.run(until=Decimal("39.199999"))
    assert worker.snapshot().throttles == 0
    sim.run(until=Decimal("39.2"))
    assert (mapping.snapshot().pollers, worker.snapshot().throttles) == (201, 1)
    sim.run(until=Decimal("39.999999"))
    assert (mapping.snapshot().pollers, worker.snapshot().throttles) == (204, 4)
    sim.run(until=40)
    lowered = limits(sim, mapping)[-1 if mapping.snapshot().target < 157 else -2]
    assert lowered == (40, round(204 * (1 - 0.75 * (4 / 204) ** 0.3), 6))
    assert round(lowered[1], 2) == 156.97


@pytest.mark.rule("ESM-460", "ESM-101", "ESM-291")
def test_idle_economy(sim, queue):
    worker = sim.create_function("worker", duration=1)
    mapping = sim.create_event_source_mapping(queue, worker)
    ended = 0
    for ends in range(20, 1_001, 20):  # receives of five slots up to 300 s, of two from there on
        sim.run(until=ends - US)
        assert (mapping.snapshot().pollers, mapping.snapshot().empty_receives) == (5 if ends <= 300 else 2, ended)
        ended += 5 if ends <= 300 else 2
        sim.run(until=ends)
        assert (mapping.snapshot().pollers, mapping.snapshot().empty_receives) == (5 if ends < 300 else 2, ended)
    sim.run(until=1_005)
    queue.send_message("order")
    sim.run(until=1_005)
    found = mapping.snapshot()
    assert (found.phase, found.pollers, found.in_flight) == ("active", 5, 1)
    sim.run(until=1_006)
    assert seen(mapping) == ("idle", 5, 5)
    sim.run(until=Decimal("1305.999999"))
    assert seen(mapping) == ("idle", 5, 5)
    # Who is above two goes with a receive: the slot that worked, the one that polled all the time, one that came back.
    for until, pollers in ((1_306, 4), (1_320 - US, 4), (1_320, 3), (1_325 - US, 3), (1_325, 2), (1_326, 2)):
        sim.run(until=until)
        assert seen(mapping) == ("idle", 2, pollers), until
    assert worker.snapshot().invocations == 1


@pytest.mark.rule("ESM-460", "ESM-106")
def test_idle_economy_with_maximum_concurrency(sim, queue):
    worker = sim.create_function("worker", duration=1)
    mapping = sim.create_event_source_mapping(queue, worker, maximum_concurrency=10)
    sim.call_at(1_005, queue.send_message, "order")
    for until in (0, 300, 320, 1_005, 1_006, 1_306, 1_326, 5_000):
        sim.run(until=until)
        assert mapping.snapshot().pollers == 5
    assert queue.snapshot().deleted == 1
