"""Worked timelines of asynchronous events, with the figures of the rules (ASY §14)."""

from __future__ import annotations

import json

import pytest

from lambdasim import Simulation
from tests.asynchronous import (
    BAD,
    BUCKET,
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

TRIES = (0, 1, 3, 7, 15, 31, 63, 127, 255, 511, *range(811, 21_512, 300))


def throttles(sim):
    """Let instants of throttles be kept; return the list."""
    found = []
    sim.subscribe(lambda record: found.append(record.at_us / SECOND) if record.kind == "invocation throttled" else None)
    return found


@pytest.mark.rule("ASY-401")
def test_t1_three_failures(sim, queue):
    worker, code = create(sim, BAD)
    worker.put_function_event_invoke_config(on_failure=queue)
    request_id = send(worker)
    table = []
    for at in (0, 2, 62, 64, 184, 186):
        sim.run(until_us=max(0, at * SECOND - 1))
        before = counts(worker)[1:]
        sim.run(until=at)
        event = worker.events[0] if worker.events else None
        table.append((at, before, counts(worker)[1:], event and event.attempts, event and event.next_at_us // SECOND))
    queued, running, dropped = (0, 0, 1, 0), (0, 0, 0, 1), (0, 1, 0, 0)
    assert [row[1] for row in table[1:]] == [running, queued, running, queued, running]
    assert [row[2] for row in table] == [running, queued, running, queued, running, dropped]
    assert [row[3] for row in table] == [1, 1, 2, 2, 3, None]
    assert (table[1][4], table[3][4]) == (62, 184)
    assert (code.starts, code.requests) == ([0, 62, 184], [request_id] * 3)
    sim.run()
    assert sim.now == 186
    assert conditions(queue) == [("RetriesExhausted", 3)]
    assert (total(sim, "Invocations"), total(sim, "Errors"), total(sim, "AsyncEventsDropped")) == (3, 3, 1)
    assert series(sim, "AsyncEventsDropped") == [(180, 1)]
    assert series(sim, "AsyncEventAge") == [(0, 0), (60, 62_000), (180, 184_000)]
    assert series(sim, "AsyncEventAge", "SampleCount") == [(0, 1), (60, 1), (180, 1)]


@pytest.mark.parametrize(
    ("given", "ends", "condition", "count"),
    [
        pytest.param({"maximum_retry_attempts": 0}, 2, "RetriesExhausted", 1, marks=pytest.mark.rule("ASY-402")),
        pytest.param({"maximum_event_age_in_seconds": 60}, 2, "EventAgeExceeded", 1, marks=pytest.mark.rule("ASY-403")),
        pytest.param(
            {"maximum_event_age_in_seconds": 90}, 64, "EventAgeExceeded", 2, marks=pytest.mark.rule("ASY-404")
        ),
        pytest.param({"maximum_event_age_in_seconds": 62}, 2, "EventAgeExceeded", 1, marks=pytest.mark.rule("ASY-405")),
        pytest.param(
            {"maximum_event_age_in_seconds": 63}, 64, "EventAgeExceeded", 2, marks=pytest.mark.rule("ASY-405")
        ),
    ],
)
def test_t2_to_t5_fewer_retries_and_shorter_ages(sim, queue, given, ends, condition, count):
    worker, code = create(sim, BAD)
    worker.put_function_event_invoke_config(on_failure=queue, **given)
    send(worker)
    sim.run(until_us=ends * SECOND - 1)
    assert counts(worker) == (1, 0, 0, 0, 1)
    sim.run()
    assert sim.now == ends
    assert counts(worker) == (1, 0, 1, 0, 0)
    assert conditions(queue) == [(condition, count)]
    assert code.starts == [0, 62][:count]


@pytest.mark.rule("ASY-406")
def test_t6_recovery(sim, queue):
    worker, code = create(sim, BAD, {"ok": True})
    worker.put_function_event_invoke_config(on_success=queue)
    send(worker)
    sim.run(until_us=64 * SECOND - 1)
    assert counts(worker) == (1, 0, 0, 0, 1)
    sim.run()
    assert (code.starts, sim.now, counts(worker)) == ([0, 62], 64, (1, 1, 0, 0, 0))
    assert conditions(queue) == [("Success", 2)]
    (record,) = records(queue)
    assert record["responsePayload"] == {"ok": True}
    assert "functionError" not in record["responseContext"]


@pytest.mark.rule("ASY-407")
def test_t7_two_events_and_a_reserve_of_1(sim, queue):
    worker, code = create(sim, reserved_concurrent_executions=1, duration=10, timeout=20)
    worker.put_function_event_invoke_config(on_success=queue)
    found = throttles(sim)
    send(worker, "A")
    send(worker, "B")
    seen = []
    for at in (0, 1, 3, 7):
        sim.run(until=at)
        seen.append(worker.events[1].next_at_us / SECOND)
    assert seen == [1, 3, 7, 15]
    sim.run(until_us=15 * SECOND - 1)
    assert (worker.in_flight, counts(worker)) == (0, (2, 1, 0, 1, 0))  # a free unit since 10 s wakes nobody
    sim.run()
    assert list(zip(code.starts, code.events, strict=True)) == [(0, "A"), (15, "B")]
    assert [message.sent_at_us for message in queue.messages] == [10 * SECOND, 25 * SECOND]
    assert conditions(queue) == [("Success", 1), ("Success", 1)]
    assert (found, total(sim, "Throttles")) == ([0, 1, 3, 7], 4)
    assert series(sim, "AsyncEventAge", "Maximum") == [(0, 15_000)]


@pytest.mark.rule("ASY-408")
def test_t8_the_same_instant(sim, queue):
    worker, code = create(sim, reserved_concurrent_executions=1, duration=15, timeout=20)
    worker.put_function_event_invoke_config(on_success=queue)
    found = throttles(sim)
    for name in "ABC":
        send(worker, name)
    sim.run(until=15)
    (b, c) = worker.events
    assert (b.state, b.attempts, c.state, c.streak, c.next_at_us) == ("running", 1, "queued", 5, 31 * SECOND)
    sim.run()
    assert list(zip(code.starts, code.events, strict=True)) == [(0, "A"), (15, "B"), (31, "C")]
    assert [message.sent_at_us for message in queue.messages] == [15 * SECOND, 30 * SECOND, 46 * SECOND]
    assert found == [0, 0, 1, 1, 3, 3, 7, 7, 15]


@pytest.mark.rule("ASY-409")
def test_t9_a_reserve_of_0_with_dead_letter_queue_and_destination(sim, queue):
    dead = sim.create_queue("dead")
    worker, code = create(sim, reserved_concurrent_executions=0, dead_letter_target_arn=dead.arn)
    worker.put_function_event_invoke_config(on_failure=queue)
    request_id = send(worker, '{"order": 7}')
    assert counts(worker) == (1, 0, 0, 1, 0)
    sim.run()
    assert (sim.now, code.starts, counts(worker)) == (0, [], (1, 0, 1, 0, 0))
    (message,) = dead.messages
    assert message.body == '{"order": 7}'
    assert message.message_attributes == {
        "RequestID": {"DataType": "String", "StringValue": request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "429"},
        "ErrorMessage": {"DataType": "String", "StringValue": "Rate Exceeded."},
    }
    assert conditions(queue) == [("ZeroReservedConcurrency", 0)]
    assert "responseContext" not in records(queue)[0]
    assert (total(sim, "Throttles"), total(sim, "Invocations"), total(sim, "AsyncEventsDropped")) == (0, 0, 1)


@pytest.mark.rule("ASY-410")
def test_t10_six_hours_of_throttling():
    sim = Simulation(concurrent_executions=1)
    queue = sim.create_queue("failures")
    blocker = sim.create_function("blocker", duration=900, timeout=900)
    for at in range(0, 22_500, 900):
        call(sim, blocker, at_s=at)
    worker, code = create(sim)
    worker.put_function_event_invoke_config(on_failure=queue)
    found = throttles(sim)
    sim.run(until=0)
    send(worker)
    sim.run(until_us=21_511 * SECOND - 1)
    assert counts(worker) == (1, 0, 0, 1, 0)
    sim.run(until=21_511)
    assert (tuple(found), len(TRIES)) == (TRIES, 80)
    assert counts(worker) == (1, 0, 1, 0, 0)
    assert conditions(queue) == [("EventAgeExceeded", 0)]
    assert (total(sim, "Throttles"), total(sim, "Invocations"), code.starts) == (80, 0, [])


@pytest.mark.rule("ASY-411")
def test_t11_throttles_and_errors_mixed(sim, queue):
    code = Code(sim, BAD)
    worker = sim.create_function(
        "worker",
        lambda event, context: None if isinstance(event, float) else code(event, context),
        duration=lambda event: event if isinstance(event, float) else 1,
        reserved_concurrent_executions=1,
    )
    worker.put_function_event_invoke_config(on_failure=queue)
    found = throttles(sim)
    call(sim, worker, 2.5)
    call(sim, worker, 1.5, at_s=63.5)
    send(worker, "event")
    seen = []
    for at in (0, 1, 3, 4, 64, 65, 66, 186):
        sim.run(until=at)
        (event,) = worker.events
        seen.append((at, event.attempts, event.streak, event.state == "queued" and event.next_at_us // SECOND))
    assert seen == [
        (0, 0, 1, 1),
        (1, 0, 2, 3),
        (3, 1, 0, False),
        (4, 1, 0, 64),
        (64, 1, 1, 65),
        (65, 2, 0, False),
        (66, 2, 0, 186),
        (186, 3, 0, False),
    ]
    sim.run()
    assert (sim.now, code.starts) == (187, [3, 65, 186])
    assert conditions(queue) == [("RetriesExhausted", 3)]
    assert (found, total(sim, "Throttles")) == ([0, 1, 64], 3)


@pytest.mark.rule("ASY-412")
def test_t12_a_dead_letter_queue_that_is_too_small(sim):
    dead = sim.create_queue("dead", maximum_message_size=262_144)
    got = []
    sim.register_target(BUCKET, lambda message: got.append((sim.now, message)))
    worker, _ = create(sim, BAD, dead_letter_target_arn=dead.arn)
    worker.put_function_event_invoke_config(maximum_retry_attempts=0, on_failure=BUCKET)
    payload = json.dumps("x" * (262_100 - 2))
    assert len(payload) == 262_100
    send(worker, payload)
    sim.run()
    assert (dead.snapshot().sent, total(sim, "DeadLetterErrors"), total(sim, "AsyncEventsDropped")) == (0, 1, 1)
    ((at, message),) = got
    assert at == 2
    assert len(json.loads(message["Body"])["requestPayload"]) == 262_098


@pytest.mark.rule("ASY-413")
def test_t13_settings_change_in_flight(sim, queue):
    worker, code = create(sim, BAD)
    worker.put_function_event_invoke_config(on_failure=queue)
    send(worker)
    sim.run(until=30)
    worker.update_function_event_invoke_config(maximum_retry_attempts=0)
    sim.run(until_us=64 * SECOND - 1)
    assert (code.starts, counts(worker)) == ([0, 62], (1, 0, 0, 0, 1))
    sim.run()
    assert sim.now == 64
    assert conditions(queue) == [("RetriesExhausted", 2)]


@pytest.mark.rule("ASY-414")
def test_t14_code_update_in_flight(sim, queue):
    worker, code = create(sim, BAD)
    worker.put_function_event_invoke_config(on_success=queue)
    send(worker)
    sim.run(until=40)
    new = Code(sim, "new")
    worker.update_function_code(new, duration=1)
    sim.run()
    assert (code.starts, new.starts, sim.now) == ([0], [62], 63)
    assert conditions(queue) == [("Success", 2)]
    assert records(queue)[0]["responsePayload"] == "new"


@pytest.mark.rule("ASY-415")
def test_t15_a_chain_of_functions(sim):
    f, code = create(sim, 7, name="f", duration=1)
    g, diary = create(sim, BAD, name="g", duration=0.5)
    f.put_function_event_invoke_config(on_success=g)
    request_id = send(f, {"n": 1})
    sim.run(until=1)
    (event,) = g.events
    assert (event.accepted_at_us, event.state) == (SECOND, "running")
    record = json.loads(event.payload)
    assert (record["responsePayload"], record["requestPayload"]) == (7, {"n": 1})
    assert record["requestContext"]["requestId"] == request_id != event.request_id
    sim.run()
    assert diary.starts == [1, 61.5, 182]  # 60 s and 120 s after the ends at 1.5 s and 62 s
    assert code.starts == [0]
    assert (counts(f), counts(g)) == ((1, 1, 0, 0, 0), (1, 0, 1, 0, 0))
