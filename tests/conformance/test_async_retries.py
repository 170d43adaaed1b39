"""Retries after function errors (ASY §4)."""

from __future__ import annotations

import pytest

from lambdasim import ColdStartModel, Simulation
from lambdasim.lambda_ import AsyncModel
from tests.asynchronous import BAD, SECOND, Code, conditions, counts, create, records, send, total


@pytest.mark.rule("ASY-030")
@pytest.mark.parametrize("retries", [0, 1, 2])
def test_an_event_has_one_attempt_more_than_retries_and_no_more(sim, retries):
    worker, code = create(sim, BAD)
    worker.put_function_event_invoke_config(maximum_retry_attempts=retries)
    send(worker)
    sim.run(until=100_000)
    assert code.starts == [0, 62, 184][: retries + 1]
    assert total(sim, "Invocations") == total(sim, "Errors") == retries + 1
    assert counts(worker) == (1, 0, 1, 0, 0)


@pytest.mark.rule("ASY-030")
@pytest.mark.parametrize("failures", [0, 1, 2])
def test_a_success_ends_the_retries(sim, failures):
    worker, code = create(sim, *[BAD] * failures, None)
    send(worker)
    sim.run(until=100_000)
    assert len(code.starts) == failures + 1
    assert counts(worker) == (1, 1, 0, 0, 0)


@pytest.mark.rule("ASY-031")
@pytest.mark.parametrize("duration_us", [0, 1, 2 * SECOND, 2_345_678])
def test_the_waits_are_60_and_120_s_from_the_end_of_an_attempt(sim, duration_us):
    worker, code = create(sim, BAD, duration=duration_us / SECOND)
    send(worker)
    second_us = duration_us + 60 * SECOND
    third_us = second_us + duration_us + 120 * SECOND
    for at_us, attempts in (
        (second_us - 1, 1),
        (second_us, 2),
        (second_us + 1, 2),
        (third_us - 1, 2),
        (third_us, 3),
        (third_us + 1, 3),
    ):
        sim.run(until_us=at_us)
        assert len(code.starts) == attempts
    assert [invocation.started_at_us for invocation in worker.invocations] == [0, second_us, third_us]


@pytest.mark.rule("ASY-031")
def test_a_timeout_ends_the_attempt_and_the_wait_begins_there(sim):
    worker, code = create(sim, None, duration=500, timeout=3)
    send(worker)
    sim.run()
    assert code.starts == [0, 63, 186]


@pytest.mark.rule("ASY-031")
def test_the_next_try_can_be_seen_as_soon_as_the_attempt_has_failed(sim):
    worker, _ = create(sim, BAD)
    send(worker)
    seen = []
    for at_us in (2 * SECOND, 64 * SECOND):
        sim.run(until_us=at_us - 1)
        assert worker.events[0].state == "running"
        sim.run(until_us=at_us)
        seen.append((worker.events[0].state, worker.events[0].attempts, worker.events[0].next_at_us))
    assert seen == [("queued", 1, 62 * SECOND), ("queued", 2, 184 * SECOND)]


@pytest.mark.rule("ASY-031", "ASY-130")
def test_the_waits_can_be_set():
    sim = Simulation(settings=[AsyncModel(retry_waits_s=(5, 0.5))])
    worker, code = create(sim, BAD)
    other, diary = create(sim, BAD, name="other", settings=[AsyncModel(retry_waits_s=(0, 0))])
    send(worker)
    send(other)
    sim.run()
    assert code.starts == [0, 7, 9.5]
    assert diary.starts == [0, 2, 4]


@pytest.mark.rule("ASY-032")
@pytest.mark.parametrize(
    ("duration_us", "attempts", "end_us"),
    [
        (1_999_999, 2, 63_999_998),
        (2_000_000, 1, 2_000_000),
        (2_000_001, 1, 2_000_001),
    ],
)
def test_a_retry_at_the_end_of_the_age_or_later_is_not_waited_for(sim, queue, duration_us, attempts, end_us):
    """With an age of 62 s the retry would come at 60 s plus the duration."""
    worker, code = create(sim, BAD, duration=duration_us / SECOND)
    worker.put_function_event_invoke_config(maximum_event_age_in_seconds=62, on_failure=queue)
    send(worker)
    sim.run(until_us=end_us - 1)
    assert counts(worker)[2] == 0
    sim.run(until_us=end_us)
    assert counts(worker) == (1, 0, 1, 0, 0)
    assert conditions(queue) == [("EventAgeExceeded", attempts)]
    assert len(code.starts) == attempts
    assert queue.messages[0].sent_at_us == end_us


@pytest.mark.rule("ASY-032")
@pytest.mark.parametrize(
    ("duration_us", "attempts"),
    [(1_999_999, 3), (2_000_000, 2), (2_000_001, 2)],
)
def test_so_it_is_with_the_second_retry(sim, queue, duration_us, attempts):
    """It would come at 180 s plus two durations; the age is 184 s."""
    worker, code = create(sim, BAD, duration=duration_us / SECOND)
    worker.put_function_event_invoke_config(maximum_event_age_in_seconds=184, on_failure=queue)
    send(worker)
    sim.run()
    assert len(code.starts) == attempts
    condition = "RetriesExhausted" if attempts == 3 else "EventAgeExceeded"
    assert conditions(queue) == [(condition, attempts)]
    assert sim.now_us == 2 * duration_us + 60 * SECOND + (attempts == 3) * (duration_us + 120 * SECOND)


@pytest.mark.rule("ASY-032")
def test_the_last_attempt_drops_the_event_when_it_ends(sim, queue):
    worker, _ = create(sim, BAD)
    worker.put_function_event_invoke_config(on_failure=queue)
    send(worker)
    sim.run(until_us=186 * SECOND - 1)
    assert (counts(worker), conditions(queue)) == ((1, 0, 0, 0, 1), [])
    sim.run(until=186)
    assert (counts(worker), conditions(queue)) == ((1, 0, 1, 0, 0), [("RetriesExhausted", 3)])


@pytest.mark.rule("ASY-033")
@pytest.mark.parametrize(("retries", "condition"), [(0, "RetriesExhausted"), (1, "EventAgeExceeded")])
def test_when_both_hold_the_retries_are_what_is_exhausted(sim, queue, retries, condition):
    worker, _ = create(sim, BAD)
    worker.put_function_event_invoke_config(
        maximum_retry_attempts=retries, maximum_event_age_in_seconds=60, on_failure=queue
    )
    send(worker)
    sim.run()
    assert conditions(queue) == [(condition, 1)]
    assert sim.now == 2


@pytest.mark.rule("ASY-033")
@pytest.mark.parametrize("duration_us", [59_999_999, 60_000_000, 60_000_001, 90_000_000])
def test_so_it_is_at_whatever_age_the_attempt_ends(sim, queue, duration_us):
    worker, _ = create(sim, BAD, duration=duration_us / SECOND, timeout=900)
    worker.put_function_event_invoke_config(maximum_retry_attempts=0, maximum_event_age_in_seconds=60, on_failure=queue)
    send(worker)
    sim.run()
    assert conditions(queue) == [("RetriesExhausted", 1)]


@pytest.mark.rule("ASY-034")
@pytest.mark.parametrize("duration_us", [59_999_999, 60_000_000, 60_000_001, 90_000_000])
def test_an_attempt_may_end_after_the_age_and_its_success_is_one(sim, queue, duration_us):
    worker, code = create(sim, "done", duration=duration_us / SECOND, timeout=900)
    worker.put_function_event_invoke_config(maximum_event_age_in_seconds=60, on_success=queue, on_failure=queue)
    send(worker)
    sim.run()
    assert code.starts == [0]
    assert conditions(queue) == [("Success", 1)]
    assert records(queue)[0]["responsePayload"] == "done"
    assert queue.messages[0].sent_at_us == duration_us


@pytest.mark.rule("ASY-034", "ASY-032")
def test_a_failure_after_the_age_has_no_retry(sim, queue):
    worker, code = create(sim, BAD, duration=90, timeout=900)
    worker.put_function_event_invoke_config(maximum_event_age_in_seconds=60, on_failure=queue)
    send(worker)
    sim.run(until_us=90 * SECOND - 1)
    assert counts(worker) == (1, 0, 0, 0, 1)
    sim.run()
    assert (sim.now, code.starts) == (90, [0])
    assert conditions(queue) == [("EventAgeExceeded", 1)]


@pytest.mark.rule("ASY-031", "ASY-032")
def test_the_init_of_a_cold_start_is_part_of_an_attempt(sim):
    """It ends 1 s of init and 2 s of handler after its try; the retry finds the environment warm."""
    code = Code(sim, BAD)
    worker = sim.create_function("worker", code, duration=2, settings=[ColdStartModel(init_s=1)])
    send(worker)
    sim.run()
    assert code.starts == [1, 63, 185]


async def coroutine(event, context):
    await context.sleep(2)
    raise BAD


def interleaved(event, context):
    context.sleep(2)
    raise BAD


@pytest.mark.rule("ASY-026", "ASY-031")
@pytest.mark.parametrize(("handler", "execution"), [(coroutine, "plain"), (interleaved, "interleaved")])
def test_handlers_that_suspend_themselves_are_retried_alike(sim, queue, handler, execution):
    worker = sim.create_function("worker", handler, execution=execution)
    worker.put_function_event_invoke_config(on_failure=queue)
    send(worker, 1)
    send(worker, 2)
    sim.run()
    assert [invocation.started_at_us // SECOND for invocation in worker.invocations] == [0, 0, 62, 62, 184, 184]
    assert conditions(queue) == [("RetriesExhausted", 3)] * 2
