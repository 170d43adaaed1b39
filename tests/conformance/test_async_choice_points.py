"""Figures, what AWS leaves open about asynchronous events, and who is asked about it (ASY §12)."""

from __future__ import annotations

from collections import Counter

import pytest

from lambdasim import Faults, Simulation
from lambdasim.errors import UsageError
from lambdasim.lambda_ import AsyncFaults, AsyncModel
from tests.asynchronous import (
    ARN,
    BAD,
    SECOND,
    TOPIC,
    Code,
    call,
    conditions,
    counts,
    create,
    send,
    series,
    total,
)

KEPT = {"order": 0, "retry_delay": 0, "duplicate": 0, "event_lost": 0, "delivery_fails": 0}
ONE = 1.0


class Script:
    """Answers one point with these indexes, one after the other, and all else with 0; remembers all it was asked."""

    def __init__(self, name, *answers):
        self.name = name
        self.answers = list(answers)
        self.points = []
        self.options = []

    def choose(self, point, options):
        self.points.append(point)
        self.options.append(tuple(options))
        return self.answers.pop(0) if point.name == self.name and self.answers else 0


def scripted(field, *answers, weight=0.5, settings=()):
    """Return a simulation in which one point is open, and the script that answers it."""
    script = Script(f"async.{field}", *answers)
    return Simulation(faults=AsyncFaults(**{field: weight}), choices=script, settings=settings), script


# ---- figures and defaults


@pytest.mark.rule("ASY-130")
def test_the_figures():
    model = AsyncModel()
    assert (model.payload_limit_bytes, model.dispatch_delay_s, model.delivery_delay_s) == (1_048_576, 0, 0)
    assert model.retry_waits_s == (60, 120)
    assert (model.throttle_base_s, model.throttle_factor, model.throttle_cap_s) == (1, 2, 300)
    assert (model.backlog_slowdown, model.recursive_loop_limit) == (False, None)
    faults = AsyncFaults()
    assert {name: getattr(faults, name) for name in KEPT} == KEPT
    flat = Faults()
    assert (flat.order, flat.async_retry_delay, flat.async_duplicate, flat.event_lost, flat.delivery_fails) == (0,) * 5


@pytest.mark.rule("ASY-130")
@pytest.mark.parametrize("faults", [None, AsyncFaults(), Faults()])
def test_by_default_nobody_is_asked_and_nothing_departs(faults):
    script = Script("async.duplicate", 1, 1, 1)
    sim = Simulation(faults=faults, choices=script)
    dead, failed = sim.create_queue("dead"), sim.create_queue("failures")
    worker, code = create(sim, BAD, reserved_concurrent_executions=1, dead_letter_target_arn=dead.arn)
    worker.put_function_event_invoke_config(maximum_retry_attempts=1, on_failure=failed)
    send(worker, 1)
    send(worker, 2)
    sim.run()
    assert script.points == []
    assert list(zip(code.starts, code.events, strict=True)) == [(0, 1), (3, 2), (62, 1), (65, 2)]
    assert conditions(failed) == [("RetriesExhausted", 2)] * 2
    assert dead.snapshot().sent == 2


@pytest.mark.rule("ASY-130")
@pytest.mark.parametrize("field", list(KEPT))
def test_each_point_is_asked_by_its_name_and_weight_and_changes_nothing_when_kept(field):
    sim, script = scripted(field, weight=0.25)
    dead = sim.create_queue("dead")
    worker, code = create(sim, BAD, reserved_concurrent_executions=1, dead_letter_target_arn=dead.arn)
    worker.put_function_event_invoke_config(maximum_retry_attempts=1, on_failure=dead)
    send(worker, 1)
    send(worker, 2)
    sim.run()
    assert {(point.name, point.owner, point.weight) for point in script.points} == {
        (f"async.{field}", f"{ARN}worker", 0.25)
    }
    assert list(zip(code.starts, code.events, strict=True)) == [(0, 1), (3, 2), (62, 1), (65, 2)]
    assert dead.snapshot().sent == 4


@pytest.mark.rule("ASY-130")
@pytest.mark.parametrize("weight", [-0.1, 1.1, "often"])
@pytest.mark.parametrize("field", list(KEPT))
def test_a_weight_is_a_probability(field, weight):
    with pytest.raises(UsageError):
        AsyncFaults(**{field: weight})


# ---- order


@pytest.mark.rule("ASY-130", "ASY-022")
def test_another_event_of_the_instant_is_tried_first():
    sim, script = scripted("order", 2)
    worker, code = create(sim)
    ids = [send(worker, name) for name in "ABC"]
    sim.run()
    assert code.events == ["C", "A", "B"]
    assert code.starts == [0, 0, 0]
    assert script.options[0] == tuple(ids)
    assert script.options[1:] == [(ids[0], ids[1])]  # a single one leaves nothing open


@pytest.mark.rule("ASY-130")
def test_an_event_alone_in_its_instant_leaves_nothing_open():
    sim, script = scripted("order")
    worker, code = create(sim)
    for number in range(3):
        send(worker, number)
        sim.run_for(1)
    sim.run()
    assert script.points == []
    assert code.events == [0, 1, 2]


@pytest.mark.rule("ASY-130")
def test_a_certain_reordering_swaps_two():
    sim = Simulation(faults=AsyncFaults(order=ONE))
    worker, code = create(sim)
    for number in range(2):
        send(worker, number)
    sim.run()
    assert code.events == [1, 0]


# ---- delays


@pytest.mark.rule("ASY-130", "ASY-031")
@pytest.mark.parametrize(
    ("answers", "starts"),
    [
        ((0, 0), [0, 62, 184]),
        ((1, 0), [0, 32, 154]),
        ((2, 0), [0, 92, 214]),
        ((0, 1), [0, 62, 124]),
        ((0, 2), [0, 62, 244]),
    ],
)
def test_a_retry_comes_after_half_or_one_and_a_half_times_the_wait(answers, starts):
    sim, script = scripted("retry_delay", *answers)
    worker, code = create(sim, BAD)
    send(worker)
    sim.run()
    assert code.starts == starts
    assert {len(options) for options in script.options} == {3}


@pytest.mark.rule("ASY-130", "ASY-041")
def test_so_does_a_try_after_a_throttle():
    sim, _ = scripted("retry_delay", 1, 2, 1, 0)
    worker, _ = create(sim, reserved_concurrent_executions=1, duration=100, timeout=900)
    call(sim, worker)
    send(worker)
    seen = []
    for _ in range(4):
        sim.run(until_us=worker.events[0].next_at_us)
        seen.append(worker.events[0].next_at_us / SECOND - sim.now)
    assert seen == [0.5, 3, 2, 8]


@pytest.mark.rule("ASY-130", "ASY-032")
@pytest.mark.parametrize(
    ("answer", "age", "attempts"),
    [(1, 60, 2), (0, 60, 1), (2, 92, 1), (2, 93, 2)],
)
def test_the_age_is_compared_with_the_changed_wait(answer, age, attempts):
    sim, _ = scripted("retry_delay", answer)
    queue = sim.create_queue("failures")
    worker, code = create(sim, BAD)
    worker.put_function_event_invoke_config(maximum_event_age_in_seconds=age, on_failure=queue)
    send(worker)
    sim.run()
    assert len(code.starts) == attempts
    assert conditions(queue) == [("EventAgeExceeded", attempts)]


# ---- twice


@pytest.mark.rule("ASY-130", "ASY-141")
@pytest.mark.parametrize("extra", [None, BAD])
def test_an_extra_run_comes_1_s_after_the_first_attempt_and_its_outcome_is_ignored(extra):
    sim, script = scripted("duplicate", 1)
    queue = sim.create_queue("results")
    worker, code = create(sim, "first", extra)
    worker.put_function_event_invoke_config(on_success=queue, on_failure=queue)
    request_id = send(worker, {"n": 1})
    sim.run(until_us=SECOND - 1)
    assert code.starts == [0]
    sim.run()
    assert code.starts == [0, 1]
    assert code.requests == [request_id] * 2
    assert code.events == [{"n": 1}] * 2
    assert conditions(queue) == [("Success", 1)]
    assert counts(worker) == (1, 1, 0, 0, 0)
    assert len(script.points) == 1
    assert total(sim, "Invocations") == 2


@pytest.mark.rule("ASY-130", "ASY-141")
def test_an_extra_run_saves_no_event_that_fails():
    sim, script = scripted("duplicate", 1)
    queue = sim.create_queue("results")
    worker, code = create(sim, BAD, "the extra run", BAD, BAD)
    worker.put_function_event_invoke_config(on_success=queue, on_failure=queue)
    request_id = send(worker)
    sim.run()
    assert code.starts == [0, 1, 62, 184]
    assert code.requests == [request_id] * 4
    assert conditions(queue) == [("RetriesExhausted", 3)]
    assert len(script.points) == 1  # once for an event, however often it is tried


@pytest.mark.rule("ASY-130")
def test_it_comes_1_s_after_the_first_attempt_and_not_after_the_first_try():
    sim, script = scripted("duplicate", 1)
    worker, code = create(sim, reserved_concurrent_executions=2)
    call(sim, worker)
    call(sim, worker)
    send(worker, "event")  # throttled at 0 and 1 s
    sim.run()
    assert list(zip(code.starts, code.events, strict=True)) == [(0, "other"), (0, "other"), (3, "event"), (4, "event")]
    assert len(script.points) == 1


@pytest.mark.rule("ASY-130")
def test_an_event_that_never_ran_does_not_run_twice():
    sim, _ = scripted("duplicate", 1)
    worker, code = create(sim, reserved_concurrent_executions=0)
    send(worker)
    sim.run()
    assert (code.starts, counts(worker)) == ([], (1, 0, 1, 0, 0))


@pytest.mark.rule("ASY-130", "ASY-141")
def test_each_event_is_asked_about_for_itself():
    sim, script = scripted("duplicate", 0, 1, 0)
    worker, code = create(sim)
    for name in "ABC":
        send(worker, name)
    sim.run()
    assert Counter(code.events) == {"A": 1, "B": 2, "C": 1}
    assert len(script.points) == 3
    assert counts(worker) == (3, 3, 0, 0, 0)


@pytest.mark.rule("ASY-130", "ASY-141")
@pytest.mark.parametrize("why", ["the reserve is used up", "the reserve is 0", "the alias is gone"])
def test_an_extra_run_that_cannot_be_does_not_happen(why):
    sim, _ = scripted("duplicate", 1)
    queue = sim.create_queue("results")
    worker, code = create(sim, reserved_concurrent_executions=1 if why == "the reserve is used up" else None)
    worker.publish_version()
    worker.create_alias("live", "1")
    worker.put_function_event_invoke_config("live", on_success=queue, on_failure=queue)
    send(worker, qualifier="live")
    sim.run(until=0.5)
    if why == "the reserve is 0":
        worker.put_function_concurrency(0)
    if why == "the alias is gone":
        worker.delete_alias("live")
    sim.run()
    assert code.starts == [0]
    assert counts(worker) == (1, 1, 0, 0, 0)
    assert worker.snapshot().throttles == (why == "the reserve is used up")  # a reserve of 0 is no throttle (ASY-055)
    sim.check_invariants()


@pytest.mark.rule("ASY-130", "ASY-044")
def test_an_event_is_asked_about_once_also_when_its_answer_was_lost():
    script = Script("lambda.response_lost", 1)
    sim = Simulation(faults=Faults(async_duplicate=0.5, response_lost=0.5), choices=script)
    worker, code = create(sim, duration=5, timeout=6)
    send(worker)
    sim.run()
    assert code.starts == [0, 6]
    assert [point.name for point in script.points].count("async.duplicate") == 1


@pytest.mark.rule("ASY-016", "ASY-130")
def test_an_extra_run_gets_the_payload_as_it_was_sent():
    sim, _ = scripted("duplicate", 1)
    seen = []

    def handler(event, context):
        seen.append(list(event))
        event.append("mine")

    worker = sim.create_function("worker", handler)
    send(worker, [1])
    sim.run()
    assert seen == [[1], [1]]


# ---- lost


@pytest.mark.rule("ASY-130", "ASY-121")
def test_an_event_may_be_lost_at_a_throttled_try():
    sim, script = scripted("event_lost", 0, 1)
    dead, failed = sim.create_queue("dead"), sim.create_queue("failures")
    worker, code = create(sim, reserved_concurrent_executions=1, dead_letter_target_arn=dead.arn)
    worker.put_function_event_invoke_config(on_failure=failed)
    call(sim, worker)
    send(worker, "event")
    sim.run(until_us=SECOND - 1)
    assert counts(worker) == (1, 0, 0, 1, 0)
    sim.run()
    assert code.events == ["other"]
    assert counts(worker) == (1, 0, 1, 0, 0)
    assert series(sim, "AsyncEventsDropped") == [(0, 1)]
    assert dead.snapshot().sent == failed.snapshot().sent == 0
    assert len(script.points) == 2
    assert total(sim, "Throttles") == 2


@pytest.mark.rule("ASY-130", "ASY-044")
@pytest.mark.parametrize("field", ["service_error", "response_lost"])
def test_a_system_error_loses_no_event(field):
    script = Script(f"lambda.{field}", 1)
    sim = Simulation(faults=Faults(event_lost=0.5, **{field: 0.5}), choices=script)
    worker, _ = create(sim)
    send(worker)
    sim.run()
    assert counts(worker) == (1, 1, 0, 0, 0)
    assert {point.name for point in script.points} == {f"lambda.{field}"}


@pytest.mark.rule("ASY-130")
def test_nobody_is_asked_where_nothing_is_throttled():
    sim, script = scripted("event_lost", 1)
    worker, code = create(sim, BAD)
    send(worker)
    sim.run()
    assert (script.points, code.starts) == ([], [0, 62, 184])


# ---- deliveries


@pytest.mark.rule("ASY-130", "ASY-078", "ASY-095")
@pytest.mark.parametrize(
    ("answers", "sent", "errors"),
    [((0, 0), (1, 1), (0, 0)), ((1, 0), (0, 1), (1, 0)), ((0, 1), (1, 0), (0, 1)), ((1, 1), (0, 0), (1, 1))],
)
def test_a_delivery_may_fail_message_and_record_for_themselves(answers, sent, errors):
    sim, script = scripted("delivery_fails", *answers)
    dead, failed = sim.create_queue("dead"), sim.create_queue("failures")
    worker, _ = create(sim, BAD, dead_letter_target_arn=dead.arn)
    worker.put_function_event_invoke_config(maximum_retry_attempts=0, on_failure=failed)
    send(worker)
    sim.run()
    assert (dead.snapshot().sent, failed.snapshot().sent) == sent
    assert (total(sim, "DeadLetterErrors"), total(sim, "DestinationDeliveryFailures")) == errors
    assert counts(worker) == (1, 0, 1, 0, 0)
    assert len(script.points) == 2


@pytest.mark.rule("ASY-130")
def test_nobody_is_asked_where_nothing_is_delivered():
    sim, script = scripted("delivery_fails", 1)
    worker, _ = create(sim, BAD)
    send(worker)
    sim.run()
    assert script.points == []
    assert total(sim, "DeadLetterErrors") == total(sim, "DestinationDeliveryFailures") == 0


@pytest.mark.rule("ASY-130")
def test_a_certain_failure_spares_no_kind_of_destination():
    sim = Simulation(faults=Faults(delivery_fails=ONE))
    got = []
    sim.register_target(TOPIC, got.append)
    other, code = create(sim, name="other")
    for on_success in (TOPIC, sim.create_queue("results"), other):
        worker, _ = create(sim, name=f"worker-{len(sim.functions)}")
        worker.put_function_event_invoke_config(on_success=on_success)
        send(worker)
        sim.run()
        assert worker.async_snapshot().destination_delivery_failures == 1
        assert counts(worker) == (1, 1, 0, 0, 0)
    assert (got, code.starts, sim.queue("results").snapshot().sent) == ([], [], 0)


@pytest.mark.rule("ASY-130")
def test_the_weights_of_the_flat_class_have_longer_names():
    sim = Simulation(faults=Faults(async_duplicate=ONE))
    worker, code = create(sim)
    send(worker)
    sim.run()
    assert code.starts == [0, 1]
    sim = Simulation(faults=Faults(async_retry_delay=ONE))
    worker, code = create(sim, BAD)
    send(worker)
    sim.run()
    assert code.starts[1] in (32, 92)


@pytest.mark.rule("ASY-130")
def test_a_weight_is_the_share_that_leaves_the_default():
    sim = Simulation(seed=2, faults=AsyncFaults(duplicate=0.3))
    worker, code = create(sim, duration=0.001)
    for number in range(500):
        send(worker, number)
    sim.run()
    twice = sum(count == 2 for count in Counter(code.events).values())
    assert 100 < twice < 200
    assert counts(worker) == (500, 500, 0, 0, 0)


# ---- chains


def ring(limit):
    """Two functions, each the destination of the other's successes."""
    settings = () if limit == "default" else [AsyncModel(recursive_loop_limit=limit)]
    sim = Simulation(settings=settings)
    f, code = create(sim, name="f", duration=1)
    g, diary = create(sim, name="g", duration=1)
    f.put_function_event_invoke_config(on_success=g)
    g.put_function_event_invoke_config(on_success=f)
    return sim, f, g, code, diary


@pytest.mark.rule("ASY-131", "ASY-130")
@pytest.mark.parametrize("limit", ["default", None])
def test_a_ring_of_destinations_is_not_stopped_by_default(limit):
    sim, f, g, code, diary = ring(limit)
    send(f)
    sim.run(until=100)
    assert (len(code.starts), len(diary.starts)) == (51, 50)
    assert f.async_snapshot().recursive_invocations_dropped == g.async_snapshot().recursive_invocations_dropped == 0


@pytest.mark.rule("ASY-130", "ASY-131")
@pytest.mark.parametrize("limit", [1, 2, 16])
def test_a_limit_drops_the_event_whose_chain_passed_so_often(limit):
    sim, f, g, code, diary = ring(limit)
    send(f)
    sim.run()
    assert (len(code.starts), len(diary.starts)) == (limit, limit)
    assert sim.now == 2 * limit
    dropped = f.async_snapshot().recursive_invocations_dropped, g.async_snapshot().recursive_invocations_dropped
    assert dropped == (1, 0)
    assert total(sim, "RecursiveInvocationsDropped", FunctionName="f") == 1
    assert counts(g) == (limit, limit, 0, 0, 0)
    received, succeeded, lost, queued, running = counts(f)
    assert received == succeeded + lost + queued + running
    assert (succeeded, queued, running) == (limit, 0, 0)
    sim.check_invariants()


@pytest.mark.rule("ASY-130")
def test_retries_are_no_chain():
    sim = Simulation(settings=[AsyncModel(recursive_loop_limit=1)])
    worker, code = create(sim, BAD)
    send(worker)
    send(worker)
    sim.run()
    assert len(code.starts) == 6
    assert worker.async_snapshot().recursive_invocations_dropped == 0


@pytest.mark.rule("ASY-131")
def test_calls_that_a_handler_makes_itself_are_not_seen():
    sim = Simulation(settings=[AsyncModel(recursive_loop_limit=2)])
    code = Code(sim)

    def handler(event, context):
        code(event, context)
        if event:
            worker.invoke(event - 1, invocation_type="Event")

    worker = sim.create_function("worker", handler)
    send(worker, 20)
    sim.run()
    assert code.events == list(range(20, -1, -1))
    assert worker.async_snapshot().recursive_invocations_dropped == 0
