"""Throttles, system errors and a reserve of 0 (ASY §5 and §6)."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest

from lambdasim import LambdaLimits, ScalingRate, Simulation
from lambdasim.lambda_ import AsyncModel, LambdaFaults
from tests.asynchronous import (
    BAD,
    SECOND,
    Code,
    call,
    conditions,
    counts,
    create,
    records,
    send,
    series,
    total,
)
from tests.choosers import Says

DELAYS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300)
TRIES = (0, *accumulate(DELAYS))


def full(sim, *outcomes, **others):
    """Return a function whose reserve of 1 another caller keeps for 900 s, and the diary of its own events."""
    code = Code(sim, *outcomes)

    def handler(event, context):
        return None if event == "other" else code(event, context)

    worker = sim.create_function(
        "worker",
        handler,
        duration=lambda event: 900 if event == "other" else 2,
        reserved_concurrent_executions=1,
        timeout=900,
        **others,
    )
    call(sim, worker)
    sim.run(until=0)
    return worker, code


# ---- what is a throttle


@pytest.mark.rule("ASY-040")
def test_a_try_is_throttled_by_the_reserve(sim):
    worker, code = full(sim)
    send(worker)
    sim.run(until=0)
    assert counts(worker) == (1, 0, 0, 1, 0)
    assert total(sim, "Throttles") == worker.snapshot().throttles == 1
    assert total(sim, "Invocations") == 1  # the other caller's
    assert (worker.events[0].attempts, worker.events[0].streak) == (0, 1)
    assert code.starts == []


@pytest.mark.rule("ASY-040")
def test_a_try_is_throttled_by_the_account():
    sim = Simulation(concurrent_executions=1)
    worker, code = create(sim)
    send(worker, 1)
    send(worker, 2)
    sim.run()
    assert list(zip(code.starts, code.events, strict=True)) == [(0, 1), (3, 2)]
    assert total(sim, "Throttles") == 2


@pytest.mark.rule("ASY-040")
def test_a_try_is_throttled_by_the_rate_of_a_reserve(sim):
    """A reserve of 1 brings 10 requests a second; the eleventh waits a second and is the first of the next."""
    worker, code = create(sim, reserved_concurrent_executions=1, duration=0.01)
    for number in range(11):
        sim.call_at(number * 0.02, lambda: worker.invoke(invocation_type="Event"))
    sim.run()
    assert code.starts == [*(number / 50 for number in range(10)), 1.2]
    assert total(sim, "Throttles") == 1


@pytest.mark.rule("ASY-040")
def test_a_try_is_throttled_by_the_rate_of_the_account():
    sim = Simulation(settings=[LambdaLimits(account_concurrency=2, unreserved_floor=1, rps_factor=2)])
    worker, code = create(sim, duration=0.01)
    for number in range(5):
        sim.call_at(number * 0.02, lambda: worker.invoke(invocation_type="Event"))
    sim.run()
    assert code.starts == [0, 0.02, 0.04, 0.06, 1.08]
    assert total(sim, "Throttles") == 1


@pytest.mark.rule("ASY-040")
def test_a_try_is_throttled_by_the_pace_of_new_environments(sim):
    worker, code = create(sim, settings=[ScalingRate(capacity=1, refill_per_s=1)])
    send(worker, 1)
    send(worker, 2)
    sim.run()
    assert list(zip(code.starts, code.events, strict=True)) == [(0, 1), (1, 2)]
    assert total(sim, "Throttles") == 1


# ---- how long it waits


@pytest.mark.rule("ASY-041", "ASY-042")
def test_the_waits_double_from_1_s_to_300_s(sim):
    worker, _ = full(sim)
    send(worker)
    for number, (at, then) in enumerate(pairwise(TRIES), start=1):
        if at >= 900:
            break
        if at:
            sim.run(until_us=at * SECOND - 1)
        assert total(sim, "Throttles") == number - 1
        sim.run(until=at)
        assert total(sim, "Throttles") == number
        (event,) = worker.events
        assert (event.streak, event.next_at_us, event.state) == (number, then * SECOND, "queued")
    assert at == 1_111
    sim.run()
    assert counts(worker) == (1, 1, 0, 0, 0)
    assert series(sim, "AsyncEventAge", "Maximum") == [(1_080, 1_111_000)]


@pytest.mark.rule("ASY-041", "ASY-130")
def test_base_factor_and_cap_can_be_set():
    sim = Simulation(settings=[AsyncModel(throttle_base_s=0.5, throttle_factor=3, throttle_cap_s=10)])
    worker, _ = full(sim)
    send(worker)
    seen = []
    for _ in range(6):
        sim.run(until_us=worker.events[0].next_at_us)
        seen.append(worker.events[0].next_at_us / SECOND - sim.now)
    assert seen == [0.5, 1.5, 4.5, 10, 10, 10]


@pytest.mark.rule("ASY-041")
def test_a_free_unit_wakes_no_event_that_waits(sim):
    worker, code = create(sim, reserved_concurrent_executions=1, duration=4, timeout=4)
    send(worker, 1)
    send(worker, 2)
    sim.run(until=6.999999)
    assert code.events == [1]
    assert (worker.snapshot().in_flight, counts(worker)) == (0, (2, 1, 0, 1, 0))
    sim.run(until=7)
    assert code.events == [1, 2]


@pytest.mark.rule("ASY-042")
@pytest.mark.parametrize(("age", "end", "tries"), [(63, 31, 6), (64, 63, 7), (62, 31, 6), (60, 31, 6), (127, 63, 7)])
def test_a_try_at_the_end_of_the_age_or_later_is_not_waited_for(sim, queue, age, end, tries):
    """Throttled at 31 s the next try would be at 63 s, throttled there at 127 s."""
    worker, code = full(sim)
    worker.put_function_event_invoke_config(maximum_event_age_in_seconds=age, on_failure=queue)
    send(worker)
    sim.run(until_us=end * SECOND - 1)
    assert counts(worker) == (1, 0, 0, 1, 0)
    sim.run(until=end)
    assert counts(worker) == (1, 0, 1, 0, 0)
    assert conditions(queue) == [("EventAgeExceeded", 0)]
    assert (total(sim, "Throttles"), code.starts) == (tries, [])


@pytest.mark.rule("ASY-042")
@pytest.mark.parametrize(("delay_us", "tries"), [(59_999_999, 2), (60_000_000, 1), (60_000_001, 1)])
def test_so_it_is_to_the_microsecond(sim, queue, delay_us, tries):
    worker, _ = full(sim, settings=[AsyncModel(throttle_base_s=delay_us / SECOND)])
    worker.put_function_event_invoke_config(maximum_event_age_in_seconds=60, on_failure=queue)
    send(worker)
    sim.run()
    assert conditions(queue) == [("EventAgeExceeded", 0)]
    assert total(sim, "Throttles") == tries
    assert queue.messages[0].sent_at_us == (tries - 1) * delay_us


@pytest.mark.rule("ASY-042")
def test_only_the_age_limits_them_and_not_the_retries(sim, queue):
    worker, code = full(sim)
    worker.put_function_event_invoke_config(maximum_retry_attempts=0, on_success=queue)
    send(worker)
    sim.run()
    assert code.starts == [1_111]
    assert total(sim, "Throttles") == 11
    assert conditions(queue) == [("Success", 1)]


@pytest.mark.rule("ASY-042")
def test_a_throttled_retry_may_end_by_age_and_counts_its_attempts(sim, queue):
    """It failed at 2 s, was due at 62 s, was throttled there with 1 s to go: the age is 63 s."""
    worker, code = create(sim, BAD, reserved_concurrent_executions=1)
    worker.put_function_event_invoke_config(maximum_event_age_in_seconds=63, on_failure=queue)
    send(worker)
    call(sim, worker, at_s=61)
    sim.run(until=62)
    assert conditions(queue) == [("EventAgeExceeded", 1)]
    assert code.starts == [0, 61]
    assert total(sim, "Throttles") == 1


@pytest.mark.rule("ASY-043")
def test_an_attempt_sets_the_waits_back_to_1_s(sim):
    worker, _ = create(sim, BAD, reserved_concurrent_executions=1)
    call(sim, worker)
    send(worker, "event")
    sim.run(until=2)
    assert worker.events[0].streak == 2  # throttled at 0 and 1, due at 3
    sim.run(until=3)
    assert (worker.events[0].streak, worker.events[0].attempts) == (0, 1)


@pytest.mark.rule("ASY-043")
def test_a_throttled_retry_begins_with_1_s_again(sim):
    durations = {"first": 5, "second": 2, "event": 1}
    code = Code(sim, BAD)
    worker = sim.create_function(
        "worker", code, duration=durations.__getitem__, timeout=10, reserved_concurrent_executions=1
    )
    call(sim, worker, "first")
    call(sim, worker, "second", at_s=67)
    send(worker, "event")  # throttled at 0, 1 and 3, runs at 7, fails at 8, due at 68
    sim.run(until=68)
    (event,) = worker.events
    assert (event.attempts, event.streak, event.next_at_us) == (1, 1, 69 * SECOND)
    sim.run()
    assert [at for at, event in zip(code.starts, code.events, strict=True) if event == "event"] == [7, 69, 190]


# ---- system errors


@pytest.mark.rule("ASY-044")
def test_a_system_error_waits_like_a_throttle_and_is_none():
    chooser = Says("lambda.service_error", 1, 1, 1)
    sim = Simulation(faults=LambdaFaults(service_error=0.5), choices=chooser)
    worker, code = create(sim)
    send(worker)
    assert chooser.asked == []  # acceptance does not ask
    seen = []
    for at in (0, 1, 3):
        sim.run(until=at)
        seen.append((worker.events[0].attempts, worker.events[0].streak, worker.events[0].next_at_us / SECOND))
    assert seen == [(0, 1, 1), (0, 2, 3), (0, 3, 7)]
    sim.run()
    assert code.starts == [7]
    assert counts(worker) == (1, 1, 0, 0, 0)
    assert (total(sim, "Throttles"), total(sim, "Invocations"), total(sim, "Errors")) == (0, 1, 0)


@pytest.mark.rule("ASY-044")
def test_system_errors_end_by_age():
    sim = Simulation(faults=LambdaFaults(service_error=1.0))
    worker, code = create(sim)
    queue = sim.create_queue("failures")
    worker.put_function_event_invoke_config(maximum_event_age_in_seconds=60, on_failure=queue)
    send(worker)
    sim.run()
    assert (sim.now, code.starts, total(sim, "Throttles")) == (31, [], 0)
    assert conditions(queue) == [("EventAgeExceeded", 0)]


@pytest.mark.rule("ASY-044", "ASY-043")
def test_after_a_lost_answer_the_handler_did_run_and_the_event_does_not_count_it():
    chooser = Says("lambda.response_lost", 1, 1)
    sim = Simulation(faults=LambdaFaults(response_lost=0.5), choices=chooser)
    worker, code = create(sim)
    queue = sim.create_queue("results")
    worker.put_function_event_invoke_config(maximum_retry_attempts=0, on_success=queue, on_failure=queue)
    request_id = send(worker)
    sim.run(until=2)
    (event,) = worker.events
    assert (event.attempts, event.next_at_us, event.state) == (0, 3 * SECOND, "queued")
    sim.run()
    assert code.starts == [0, 3, 6]
    assert code.requests == [request_id] * 3
    assert conditions(queue) == [("Success", 1)]
    assert (total(sim, "Invocations"), total(sim, "Throttles"), total(sim, "Errors")) == (3, 0, 0)
    assert worker.billed_mb_ms == 3 * 2_000 * 128


@pytest.mark.rule("ASY-044")
def test_a_lost_answer_near_the_end_of_the_age_ends_the_event():
    sim = Simulation(faults=LambdaFaults(response_lost=1.0))
    worker, code = create(sim, duration=30, timeout=60)
    queue = sim.create_queue("failures")
    worker.put_function_event_invoke_config(maximum_event_age_in_seconds=61, on_failure=queue)
    send(worker)
    sim.run()
    assert code.starts == [0, 31]  # it ends at 61 s, and the next would be at 62 s
    assert [condition for condition, _ in conditions(queue)] == ["EventAgeExceeded"]
    assert sim.now == 61


@pytest.mark.rule("ASY-044")
def test_a_lost_answer_of_a_failure_is_no_function_error_for_the_event():
    chooser = Says("lambda.response_lost", 1)
    sim = Simulation(faults=LambdaFaults(response_lost=0.5), choices=chooser)
    worker, code = create(sim, BAD)
    send(worker)
    sim.run()
    assert code.starts == [0, 3, 65, 187]
    assert counts(worker) == (1, 0, 1, 0, 0)


# ---- a long queue


@pytest.mark.rule("ASY-045")
@pytest.mark.parametrize(
    ("backlog", "slows", "delay"),
    [(999, True, 1), (1_000, True, 2), (1_999, True, 2), (2_000, True, 3), (2_000, False, 1)],
)
def test_a_long_queue_slows_down_only_when_told_to(backlog, slows, delay):
    sim = Simulation(settings=[AsyncModel(backlog_slowdown=slows)], trace=0)
    worker, _ = full(sim)
    for _ in range(backlog):
        worker.invoke(invocation_type="Event")
    sim.run(until=0)
    assert counts(worker) == (backlog, 0, 0, backlog, 0)
    assert {event.next_at_us for event in worker.events} == {delay * SECOND}


@pytest.mark.rule("ASY-045")
def test_the_slower_wait_is_capped_too():
    sim = Simulation(settings=[AsyncModel(backlog_slowdown=True, throttle_base_s=200)], trace=0)
    worker, _ = full(sim)
    for _ in range(1_000):
        worker.invoke(invocation_type="Event")
    sim.run(until=0)
    assert {event.next_at_us for event in worker.events} == {300 * SECOND}


@pytest.mark.rule("ASY-045")
def test_a_backlog_is_that_of_one_function():
    sim = Simulation(settings=[AsyncModel(backlog_slowdown=True)], trace=0)
    worker, _ = full(sim)
    other, _ = create(sim, name="other", duration=0.5, reserved_concurrent_executions=1)
    for _ in range(1_500):
        worker.invoke(invocation_type="Event")
    send(other)
    send(other)
    sim.run(until=0)
    assert other.events[1].next_at_us == SECOND


@pytest.mark.rule("ASY-045")
def test_the_waits_after_function_errors_are_not_lengthened():
    sim = Simulation(settings=[AsyncModel(backlog_slowdown=True)], trace=0)
    worker, _ = create(sim, BAD, reserved_concurrent_executions=1)
    for _ in range(1_500):
        worker.invoke(invocation_type="Event")
    sim.run(until=2)
    assert next(event for event in worker.events if event.attempts).next_at_us == 62 * SECOND


# ---- a reserve of 0


@pytest.mark.rule("ASY-055")
def test_a_reserve_of_0_drops_an_event_at_once(sim, queue):
    dead = sim.create_queue("dead")
    worker, code = create(sim, reserved_concurrent_executions=0, dead_letter_target_arn=dead.arn)
    worker.put_function_event_invoke_config(on_failure=queue)
    send(worker, '{"n": 1}')
    sim.run()
    assert sim.now == 0
    assert (code.starts, counts(worker)) == ([], (1, 0, 1, 0, 0))
    assert conditions(queue) == [("ZeroReservedConcurrency", 0)]
    (record,) = records(queue)
    assert list(record) == ["version", "timestamp", "requestContext", "requestPayload"]
    assert [message.body for message in dead.messages] == ['{"n": 1}']
    assert (total(sim, "Throttles"), total(sim, "Invocations"), worker.snapshot().throttles) == (0, 0, 0)


@pytest.mark.rule("ASY-055", "ASY-056")
def test_a_retry_is_dropped_at_its_next_try_and_counts_its_attempts(sim, queue):
    worker, code = create(sim, BAD)
    worker.put_function_event_invoke_config(on_failure=queue)
    send(worker)
    sim.run(until=30)
    worker.put_function_concurrency(0)
    sim.run(until_us=62 * SECOND - 1)
    assert counts(worker) == (1, 0, 0, 1, 0)
    sim.run(until=62)
    assert (code.starts, counts(worker)) == ([0], (1, 0, 1, 0, 0))
    assert conditions(queue) == [("ZeroReservedConcurrency", 1)]
    assert total(sim, "Throttles") == 0


@pytest.mark.rule("ASY-056")
def test_a_running_attempt_is_not_disturbed(sim, queue):
    worker, _ = create(sim, "done")
    worker.put_function_event_invoke_config(on_success=queue)
    send(worker)
    sim.run(until=1)
    worker.put_function_concurrency(0)
    sim.run()
    assert conditions(queue) == [("Success", 1)]


@pytest.mark.rule("ASY-056")
def test_raising_the_reserve_brings_nothing_back(sim, queue):
    worker, code = create(sim, reserved_concurrent_executions=0)
    worker.put_function_event_invoke_config(on_failure=queue)
    send(worker, "lost")
    sim.run(until=1)
    worker.put_function_concurrency(5)
    send(worker, "runs")
    sim.run(until=50_000)
    assert code.events == ["runs"]
    assert counts(worker) == (2, 1, 1, 0, 0)
    send(worker, records(queue)[0]["requestPayload"])  # its record is where it is read from
    sim.run()
    assert code.events == ["runs", "lost"]


@pytest.mark.rule("ASY-056")
@pytest.mark.parametrize("lifts", ["raises", "removes"])
def test_a_reserve_lifted_before_the_try_was_never_there(sim, lifts):
    worker, code = create(sim, reserved_concurrent_executions=0)
    send(worker)
    if lifts == "raises":
        worker.put_function_concurrency(1)
    else:
        worker.delete_function_concurrency()
    sim.run()
    assert (code.starts, counts(worker)) == ([0], (1, 1, 0, 0, 0))
