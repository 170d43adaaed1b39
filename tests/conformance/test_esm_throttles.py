"""Throttled attempts of a mapping: retries, drops, and what becomes of the messages (ESM §9)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lambdasim import BackoffModel, LambdaFaults, RedrivePolicy, ScalingModel, Simulation, ThrottleRetry
from tests.choosers import Says

ONE_SLOT = ScalingModel(initial=1, step_per_minute=0)


def throttled_at(sim):
    return [record.at_us / 1_000_000 for record in sim.trace.records if record.kind == "invocation throttled"]


def stopped_mapping(*, visibility, timeout=3, messages=1, settings=(), receives=None, **given):
    """A mapping with one slot for a function that is stopped."""
    sim = Simulation(trace=None, settings=[BackoffModel.OFF, ONE_SLOT, *settings])
    policy = None if receives is None else RedrivePolicy(sim.create_queue("dead"), max_receive_count=receives)
    queue = sim.create_queue("orders", visibility_timeout=visibility, redrive_policy=policy)
    for number in range(messages):
        queue.send_message(str(number))
    worker = sim.create_function("worker", timeout=timeout, reserved_concurrent_executions=0)
    mapping = sim.create_event_source_mapping(queue, worker, **given)
    return sim, queue, worker, mapping


@pytest.mark.rule("ESM-170")
def test_a_refused_batch_stays_in_its_slot_and_is_tried_again_after_1_2_4_8_16_20_20_s():
    sim, queue, worker, mapping = stopped_mapping(visibility=1_000)
    sim.run(until=120)
    assert throttled_at(sim) == [0, 1, 3, 7, 15, 31, 51, 71, 91, 111]
    assert (mapping.snapshot().held, mapping.snapshot().in_flight) == (1, 0)
    assert queue.snapshot().in_flight == 1
    worker.delete_function_concurrency()
    sim.run()
    assert [record.at_us for record in sim.trace.records if record.kind == "invocation started"] == [131_000_000]
    assert queue.snapshot().deleted == 1


@pytest.mark.rule("ESM-170", "ESM-010")
def test_the_delays_of_retries_can_be_changed():
    model = ThrottleRetry(base_s=Decimal("0.5"), factor=3, max_delay_s=10)
    sim, *_ = stopped_mapping(visibility=1_000, settings=[model])
    sim.run(until=40)
    assert throttled_at(sim) == [0, 0.5, 2, 6.5, 16.5, 26.5, 36.5]


@pytest.mark.rule("ESM-170", "LAM-202")
@pytest.mark.parametrize("reason", ["concurrency", "rate"])
def test_any_reason_of_a_refusal_is_a_throttle(reason):
    sim = Simulation(concurrent_executions=1)
    queue = sim.create_queue("orders")
    worker = sim.create_function("worker", duration=Decimal("0.7") if reason == "concurrency" else 0)
    for _ in range(1 if reason == "concurrency" else 10):
        if reason == "rate":
            worker.invoke()
    blocker = sim.create_function("blocker", duration=Decimal("0.7"))
    if reason == "concurrency":

        async def block():
            await blocker.wait_invoke()

        sim.spawn(block())
        sim.run(until=0)
    queue.send_message("order")
    sim.create_event_source_mapping(queue, worker)
    sim.run()
    assert throttled_at(sim) == [0]
    assert queue.snapshot().deleted == 1
    assert sim.now == (1.7 if reason == "concurrency" else 1)


@pytest.mark.rule("ESM-171", "LAM-002")
def test_due_retries_come_before_all_other_new_work_in_order_of_creation():
    sim = Simulation(settings=[BackoffModel.OFF])
    queue = sim.create_queue("orders", visibility_timeout=100)
    order = []

    def handler(event, context):
        order.append(event["Records"][0]["body"])

    worker = sim.create_function("worker", handler, duration=10, timeout=20, reserved_concurrent_executions=0)
    sim.call_at(1, lambda: order.append("call"))
    sim.create_event_source_mapping(queue, worker, batch_size=1)
    for body in ("first", "second"):
        queue.send_message(body)
    sim.call_at(Decimal("0.5"), worker.put_function_concurrency, 3)
    sim.call_at(1, queue.send_message, "fresh")
    sim.run(until=1)
    assert order == ["first", "second", "call", "fresh"]


@pytest.mark.rule("ESM-172")
@pytest.mark.parametrize(
    ("visibility", "attempts"),
    [
        (3, [0]),  # the retry at 1 would leave 2 s, less than the timeout of 3 s
        (4, [0, 1]),  # at 1 exactly 3 s are left; the next, at 3, would leave 1
        (5, [0, 1]),
        (6, [0, 1, 3]),
        (9, [0, 1, 3]),
        (10, [0, 1, 3, 7]),
        (18, [0, 1, 3, 7, 15]),
    ],
)
def test_a_batch_is_dropped_at_once_when_the_next_retry_would_leave_less_than_the_timeout(visibility, attempts):
    sim, queue, _, mapping = stopped_mapping(visibility=visibility)
    sim.run(until=attempts[-1])
    assert throttled_at(sim) == attempts
    assert (mapping.snapshot().dropped, mapping.snapshot().held) == (1, 0)
    assert queue.snapshot().in_flight == 1
    sim.run(until=Decimal(visibility) - Decimal("0.000001"))
    assert throttled_at(sim) == attempts


@pytest.mark.rule("ESM-172", "ESM-052")
def test_the_timeout_that_counts_is_that_of_the_function_the_batch_is_for():
    """The mapping goes on to a function that needs 20 s; what is tried again is for the one that needs 3 s."""
    sim, _, _, mapping = stopped_mapping(visibility=30)
    sim.run(until=2)
    mapping.update_event_source_mapping(function=sim.create_function("patient", timeout=20))
    sim.run(until=29)
    assert throttled_at(sim) == [0, 1, 3, 7, 15]
    assert mapping.snapshot().dropped == 1


@pytest.mark.rule("ESM-172")
def test_the_earliest_deadline_of_the_batch_counts():
    sim, queue, _, mapping = stopped_mapping(
        visibility=12, messages=0, batch_size=100, maximum_batching_window_in_seconds=5
    )
    for at in (0, 4):
        sim.call_at(at, queue.send_message, "order")
    sim.run(until=11)
    # received at 0 and 4, tried at 5, 6, 8; the next retry, at 12, is not 3 s before 12
    assert throttled_at(sim) == [5, 6, 8]
    assert mapping.snapshot().dropped == 2


@pytest.mark.rule("ESM-173")
def test_dropped_records_come_back_at_their_own_deadlines_with_their_raised_counts():
    sim, queue, worker, mapping = stopped_mapping(
        visibility=12, messages=0, batch_size=100, maximum_batching_window_in_seconds=5
    )
    for at in (0, 4):
        sim.call_at(at, queue.send_message, "order")
    sim.run(until=9)
    requests = queue.snapshot().requests
    assert mapping.snapshot().dropped == 2
    assert queue.snapshot().in_flight == 2
    returned = []
    sim.run(until=15.999999)
    returned = [record.at_us / 1_000_000 for record in sim.trace.records if record.kind == "message returned"]
    assert returned == [12]
    assert queue.snapshot().requests == requests + 1  # received again; nothing was deleted, no visibility changed
    assert [message.receive_count for message in queue.messages] == [2, 1]
    worker.delete_function_concurrency()
    sim.run(until=17)
    assert [message.receive_count for message in queue.messages] == [2, 2]


@pytest.mark.rule("ESM-173")
def test_after_a_drop_the_slot_takes_its_next_turn_at_once():
    sim, queue, _, mapping = stopped_mapping(visibility=3, messages=1_500, batch_size=1)
    sim.run(until=0)
    assert len(throttled_at(sim)) == 1_500
    assert mapping.snapshot().dropped == 1_500
    assert queue.snapshot().in_flight == 1_500


@pytest.mark.rule("ESM-173")
def test_a_message_can_reach_the_dead_letter_queue_without_ever_having_reached_the_function():
    sim, queue, worker, _ = stopped_mapping(visibility=30, receives=2)
    sim.run()
    assert queue.snapshot().moved == 1
    (message,) = sim.queue("dead").messages
    assert (message.receive_count, message.invocation_count) == (2, 0)
    assert worker.snapshot().invocations == 0
    assert sim.now == 60


@pytest.mark.rule("ESM-174", "ESM-011")
@pytest.mark.parametrize(
    ("visibility", "attempts"), [(7, [0, 1, 3]), (8, [0, 1, 3, 7]), (15, [0, 1, 3, 7]), (16, [0, 1, 3, 7, 15])]
)
def test_by_the_older_wording_a_batch_is_dropped_when_its_visibility_would_be_over(visibility, attempts):
    sim, _, _, mapping = stopped_mapping(visibility=visibility, settings=[ThrottleRetry.SEED])
    sim.run(until=Decimal(visibility) - Decimal("0.000001"))
    assert throttled_at(sim) == attempts
    assert mapping.snapshot().dropped == 1


@pytest.mark.rule("ESM-174")
def test_by_the_older_wording_an_invocation_may_overlap_with_the_next_delivery():
    sim = Simulation(settings=[ThrottleRetry.SEED, BackoffModel.OFF, ScalingModel(initial=2)])
    queue = sim.create_queue("orders", visibility_timeout=8)
    queue.send_message("order")
    worker = sim.create_function("worker", duration=3, reserved_concurrent_executions=0)
    mapping = sim.create_event_source_mapping(queue, worker)
    sim.run(until=5)
    worker.delete_function_concurrency()
    sim.run(until=8)
    assert worker.snapshot().in_flight == 2  # since 7, and since the visibility ended at 8
    assert mapping.snapshot().duplicates == 1


@pytest.mark.rule("ESM-175")
def test_each_throttled_attempt_counts_once_in_throttles_and_never_in_errors():
    sim, _, worker, mapping = stopped_mapping(visibility=18, messages=4)
    sim.run(until=17)
    assert (worker.snapshot().throttles, worker.snapshot().errors, worker.snapshot().invocations) == (5, 0, 0)
    assert list(sim.metrics.series("AWS/Lambda", "Throttles", "Sum", FunctionName="worker")) == [(0, 5)]
    found = mapping.snapshot()
    assert (found.invoked_event_count, found.failed_invoke_event_count) == (20, 20)


@pytest.mark.rule("ESM-175", "ESM-160")
def test_throttled_attempts_lower_the_limit():
    sim = Simulation()
    queue = sim.create_queue("orders", visibility_timeout=600)
    for _ in range(10):
        queue.send_message("order")
    worker = sim.create_function("worker", duration=Decimal("0.9"), reserved_concurrent_executions=5)
    settings = [ScalingModel(initial=10, step_per_minute=0)]
    mapping = sim.create_event_source_mapping(queue, worker, batch_size=1, settings=settings)
    sim.run(until=1)
    assert mapping.snapshot().target == round(10 * (1 - 0.75 * 0.5**0.3), 6)


@pytest.mark.rule("ESM-176", "ESM-172")
@pytest.mark.parametrize(("visibility", "is_done"), [(3, False), (18, True)])
def test_a_visibility_of_six_times_the_timeout_leaves_room_for_retries(visibility, is_done):
    sim, queue, worker, _ = stopped_mapping(visibility=visibility, receives=1)
    sim.call_at(10, worker.delete_function_concurrency)
    sim.run()
    assert (queue.snapshot().deleted, queue.snapshot().moved) == ((1, 0) if is_done else (0, 1))


# ---- worked timelines


def twenty_orders(visibility, receives, *settings, **given):
    """The load of ESM-420: B = 1, function and timeout 10 s, 20 messages m1 … m20 at 0."""
    sim = Simulation(trace=None, settings=settings)
    dead = sim.create_queue("dead")
    queue = sim.create_queue(
        "orders", visibility_timeout=visibility, redrive_policy=RedrivePolicy(dead, max_receive_count=receives)
    )
    for number in range(1, 21):
        queue.send_message(f"m{number}")
    ran = []
    worker = sim.create_function(
        "worker",
        lambda event, context: ran.append((sim.now, event["Records"][0]["body"])),
        duration=10,
        timeout=10,
        reserved_concurrent_executions=2,
    )
    sim.create_event_source_mapping(queue, worker, batch_size=1, **given)
    return sim, queue, worker, ran


# What befalls messages of ESM-420: when they are received, throttled, given up, run and deleted.
REFUSED = {
    **dict.fromkeys((1, 2), ([0], [], [], [0], [10])),
    **dict.fromkeys((3, 4, 5), ([0], [0, 1, 3, 7], [7], [], [])),
    **dict.fromkeys((6, 7), ([7], [7, 8], [], [10], [20])),
    8: ([7], [7, 8, 10, 14], [14], [], []),
    **dict.fromkeys((9, 10), ([10], [10, 11, 13, 17], [17], [], [])),
}
THEN = {12: (20, 30), 13: (20, 30), 17: (30, 40), 18: (30, 40)}  # run and deleted


def when(message, what):
    """Return the instants of those events in the story of a message that are called so, in seconds."""
    events = [line.split(" s  ") for line in message.story().splitlines()[1:] if " s  " in line]
    return [float(at) for at, text in events if what in text]


@pytest.mark.rule("ESM-420", "ESM-170", "ESM-171", "ESM-172", "ESM-173")
def test_throttled_by_reserved_concurrency():
    sim, queue, worker, ran = twenty_orders(20, 1, BackoffModel.OFF, ScalingModel(step_per_minute=0))
    messages = dict(enumerate(queue.messages, start=1))
    throttles = []
    for until in (0, 1, 3, 7, 8, 10, 14):
        sim.run(until=until)
        throttles.append(worker.snapshot().throttles)
    # 3 at 0, 1 and 3; at 7 m3–m5, then m6–m8; m6–m8 at 8; at 10 m8, then m9 and m10; at 14 m8, then who comes after
    assert throttles[:6] == [3, 6, 9, 15, 18, 21]
    sim.run()
    assert ran == [(0, "m1"), (0, "m2"), (10, "m6"), (10, "m7"), (20, "m12"), (20, "m13"), (30, "m17"), (30, "m18")]
    assert queue.snapshot().deleted == 8
    assert queue.snapshot().moved == 12
    assert (worker.snapshot().throttles, worker.snapshot().invocations) == (60, 8)
    assert sim.queue("dead").snapshot().visible == 12
    assert all(message.invocation_count == 0 for message in sim.queue("dead").messages)
    kinds = ("received from orders", "throttled", "given up", "started", "deleted")
    for number, wanted in REFUSED.items():
        assert tuple(when(messages[number], kind) for kind in kinds) == wanted, number
    for number, (began, deleted) in THEN.items():
        assert (when(messages[number], "started"), when(messages[number], "deleted")) == ([began], [deleted])
    # At 10 what is deleted makes room, retries take it, and what is received then is refused.
    at_10 = [record.kind for record in sim.trace.records if record.at_us == 10_000_000]
    begun, refused = "invocation started", "invocation throttled"
    assert at_10[:2] == ["invocation ended", "invocation ended"]
    assert [kind for kind in at_10 if kind in {begun, refused}] == [begun, begun, refused, refused, refused]
    assert at_10.index("message deleted") < at_10.index(begun) < at_10.index(refused) < at_10.index("message delivered")


@pytest.mark.rule("ESM-421", "ESM-160", "ESM-108")
@pytest.mark.parametrize(
    ("visibility", "receives", "backs_off", "maximum_concurrency", "processed", "throttles", "last_delete"),
    [
        (20, 1, False, None, 3, 71, 20),
        (20, 1, True, None, 4, 64, 20),
        (60, 1, False, None, 6, 101, 41),
        (60, 1, True, None, 9, 85, 51.6),
        (20, 3, True, None, 12, 146, 60.8),
        (60, 5, True, None, 20, 139, 161.8),
        (20, 1, True, 2, 20, 0, 100),
    ],
)
def test_the_same_load_with_other_settings(
    visibility, receives, backs_off, maximum_concurrency, processed, throttles, last_delete
):
    settings = () if backs_off else (BackoffModel.OFF,)
    sim, queue, worker, _ = twenty_orders(visibility, receives, *settings, maximum_concurrency=maximum_concurrency)
    sim.run()
    deletes = [record.at_us / 1_000_000 for record in sim.trace.records if record.kind == "message deleted"]
    assert (queue.snapshot().deleted, queue.snapshot().moved) == (processed, 20 - processed)
    assert worker.snapshot().throttles == throttles
    assert max(deletes) == last_delete


@pytest.mark.rule("ESM-422", "LAM-156")
def test_reserved_0():
    sim = Simulation()
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=30, redrive_policy=RedrivePolicy(dead, max_receive_count=1))
    queue.send_message("order")
    worker = sim.create_function("worker", reserved_concurrent_executions=0)
    mapping = sim.create_event_source_mapping(queue, worker)
    sim.run(until=14.999999)
    assert mapping.snapshot().dropped == 0
    sim.run(until=15)
    assert mapping.snapshot().dropped == 1
    sim.run()
    assert throttled_at(sim) == [0, 1, 3, 7, 15]
    assert [record.at_us for record in sim.trace.records if record.kind == "message moved"] == [30_000_000]
    assert (sim.now, dead.snapshot().visible) == (30, 1)
    assert (worker.snapshot().throttles, worker.snapshot().invocations) == (5, 0)


@pytest.mark.rule("ESM-150")
@pytest.mark.parametrize(("point", "runs"), [("lambda.service_error", 1), ("lambda.response_lost", 2)])
def test_a_failure_of_lambda_itself_is_handled_like_a_throttle(point, runs):
    """The slot keeps the batch and tries again a second after it heard of the failure; the message is run, and gone."""
    faults = LambdaFaults(service_error=0.5, response_lost=0.5)
    sim = Simulation(settings=[BackoffModel.OFF, ONE_SLOT], faults=faults, choices=Says(point, 1))
    queue = sim.create_queue("orders")
    started = []
    worker = sim.create_function("worker", lambda event, context: started.append(sim.now), duration=0.5)
    mapping = sim.create_event_source_mapping(queue, worker)
    queue.send_message("order 1")
    sim.run()
    assert started == ([1] if runs == 1 else [0, 1.5])
    assert queue.snapshot().deleted == 1
    assert mapping.snapshot().failed_invoke_event_count == 1
    assert worker.snapshot().throttles == 0
