"""Asynchronous invocation: acceptance, the life of an event, who invokes so, and metrics (ASY §1 to §3, §10, §11)."""

from __future__ import annotations

import json

import pytest

from lambdasim import ColdStartModel, Simulation
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    InvalidRequestContentException,
    RequestTooLargeException,
    ResourceNotFoundException,
    ValidationException,
)
from lambdasim.lambda_ import AsyncModel
from tests.asynchronous import (
    BAD,
    BUCKET,
    SECOND,
    TOPIC,
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

LIMIT = 1_048_576


def text_of(size):
    """JSON text of so many bytes, some of them in characters of two bytes."""
    return '"' + "é" * 10 + "x" * (size - 22) + '"'


def no_trace(sim, function):
    """Whatever was refused is not there, and nothing comes of it."""
    sim.run_for(1)
    assert counts(function) == (0, 0, 0, 0, 0)
    assert function.events == ()
    assert total(sim, "AsyncEventsReceived") == total(sim, "Invocations") == 0


# ---- terms


@pytest.mark.rule("ASY-001")
def test_an_event_has_an_id_a_qualifier_a_payload_and_a_history(sim):
    worker, code = create(sim, BAD)
    sim.run(until=1)
    request_id = send(worker, '{"n":  1}')
    (event,) = worker.events
    assert (event.qualifier, event.payload, event.accepted_at_us) == (None, b'{"n":  1}', SECOND)
    assert (event.attempts, event.streak, event.next_at_us, event.state) == (0, 0, SECOND, "queued")
    sim.run(until=1)
    (event,) = worker.events
    assert (event.request_id, event.attempts, event.streak, event.state) == (request_id, 1, 0, "running")
    sim.run(until=3)
    (event,) = worker.events
    assert (event.attempts, event.next_at_us, event.state) == (1, 63 * SECOND, "queued")
    sim.run()
    assert worker.events == ()
    assert code.requests == [request_id] * 3


@pytest.mark.rule("ASY-001")
def test_events_are_listed_in_the_order_of_their_acceptance(sim):
    worker, _ = create(sim, reserved_concurrent_executions=1, timeout=20, duration=20)
    ids = [send(worker, number) for number in range(4)]
    assert len(dict.fromkeys(ids)) == 4
    sim.run(until=1)
    found = worker.events
    assert [event.request_id for event in found] == ids
    assert [event.payload for event in found] == [b"0", b"1", b"2", b"3"]
    assert [event.state for event in found] == ["running", "queued", "queued", "queued"]
    assert [event.streak for event in found] == [0, 2, 2, 2]


@pytest.mark.rule("ASY-001")
def test_an_event_has_the_qualifier_it_was_invoked_with(sim):
    worker, _ = create(sim)
    worker.publish_version()
    worker.create_alias("live", "1")
    for qualifier in (None, "$LATEST", "1", "live"):
        worker.invoke(invocation_type="Event", qualifier=qualifier)
    sim.invoke("worker:live", invocation_type="Event")
    assert [event.qualifier for event in worker.events] == [None, "$LATEST", "1", "live", "live"]


@pytest.mark.rule("ASY-002")
def test_refused_tries_do_not_count_against_the_retries(sim, queue):
    worker, code = create(sim, BAD, reserved_concurrent_executions=1, timeout=20, duration=20)
    worker.put_function_event_invoke_config(maximum_retry_attempts=0, on_failure=queue)
    send(worker, "first")
    send(worker, "second")
    sim.run()
    assert code.events == ["first", "second"]
    assert total(sim, "Throttles") == 5  # at 0, 1, 3, 7 and 15 s
    assert conditions(queue) == [("RetriesExhausted", 1), ("RetriesExhausted", 1)]


@pytest.mark.rule("ASY-003", "ASY-030")
@pytest.mark.parametrize(("retries", "attempts"), [(None, 3), (0, 1), (1, 2), (2, 3)])
def test_there_are_as_many_retries_as_the_configuration_says(sim, queue, retries, attempts):
    worker, code = create(sim, BAD)
    worker.put_function_event_invoke_config(maximum_retry_attempts=retries, on_failure=queue)
    send(worker)
    sim.run()
    assert len(code.starts) == attempts
    assert conditions(queue) == [("RetriesExhausted", attempts)]


@pytest.mark.rule("ASY-003")
@pytest.mark.parametrize(
    ("age", "delay_us", "runs"),
    [
        (None, 21_600 * SECOND - 1, True),
        (None, 21_600 * SECOND, False),
        (21_600, 21_600 * SECOND - 1, True),
        (100, 100 * SECOND - 1, True),
        (100, 100 * SECOND, False),
    ],
)
def test_the_age_is_that_of_the_configuration_and_six_hours_without_one(sim, age, delay_us, runs):
    worker, code = create(sim, settings=[AsyncModel(dispatch_delay_s=delay_us / SECOND)])
    if age is not None:
        worker.put_function_event_invoke_config(maximum_event_age_in_seconds=age)
    send(worker)
    sim.run()
    assert len(code.starts) == runs
    assert counts(worker) == (1, runs, not runs, 0, 0)


@pytest.mark.rule("ASY-004", "ASY-120")
def test_nothing_sets_the_age_back(sim):
    """Neither a throttle nor an attempt does: the samples count from the acceptance at 10 s."""
    worker, code = create(sim, BAD, reserved_concurrent_executions=1, duration=1)
    sim.run(until=9.5)
    call(sim, worker)
    sim.run(until=10)
    send(worker, "event")
    sim.run()
    assert code.starts == [9.5, 11, 72, 193]
    assert [value for _, value in series(sim, "AsyncEventAge", "Maximum")] == [1_000, 62_000, 183_000]


# ---- acceptance


@pytest.mark.rule("ASY-010")
@pytest.mark.parametrize("outcome", [{"ok": True}, BAD])
def test_the_answer_is_202_and_nothing_else(sim, outcome):
    worker, _ = create(sim, outcome)
    result = worker.invoke({"k": 1}, invocation_type="Event")
    assert (result.status_code, result.payload) == (202, b"")
    assert (result.function_error, result.log_result, result.executed_version) == (None, None, None)
    assert sim.now == 0


@pytest.mark.rule("ASY-010", "ASY-023")
def test_the_caller_does_not_wait_for_the_handler(sim):
    worker, code = create(sim)
    worker.invoke(invocation_type="Event")
    assert code.starts == []
    assert worker.snapshot().in_flight == 0
    sim.run()
    assert code.starts == [0]
    assert sim.now == 2


@pytest.mark.rule("ASY-010")
def test_the_simulation_answers_alike_and_so_do_processes(sim):
    _, code = create(sim)
    seen = []

    async def caller():
        seen.append(await sim.function("worker").wait_invoke(1, invocation_type="Event"))
        seen.append(sim.now)

    sim.spawn(caller())
    sim.run()
    assert sim.invoke("worker", 2, invocation_type="Event").status_code == 202
    sim.run()
    assert (seen[0].status_code, seen[1]) == (202, 0)
    assert code.events == [1, 2]


@pytest.mark.rule("ASY-011")
def test_an_unknown_function_or_qualifier_is_404(sim):
    worker, _ = create(sim)
    arn = "arn:aws:lambda:us-east-1:123456789012:function"
    for name, text in (("nobody", "nobody:$LATEST"), ("worker:7", "worker:7"), ("worker:live", "worker:live")):
        with pytest.raises(ResourceNotFoundException) as refusal:
            sim.invoke(name, invocation_type="Event")
        assert refusal.value.message == f"Function not found: {arn}:{text}"
        assert refusal.value.http_status == 404
    no_trace(sim, worker)


@pytest.mark.rule("ASY-011")
def test_a_malformed_name_or_qualifier_comes_before_everything_else(sim):
    worker, _ = create(sim)
    with pytest.raises(ValidationException):
        sim.invoke("no body", "{" * (LIMIT + 1), invocation_type="Event")
    with pytest.raises(ValidationException):
        worker.invoke("{" * (LIMIT + 1), invocation_type="Event", qualifier="no:body")
    no_trace(sim, worker)


@pytest.mark.rule("ASY-011")
def test_existence_comes_before_size_and_size_before_json(sim):
    worker, _ = create(sim)
    with pytest.raises(ResourceNotFoundException):
        worker.invoke("{" * (LIMIT + 1), invocation_type="Event", qualifier="7")
    with pytest.raises(RequestTooLargeException):
        worker.invoke("{" * (LIMIT + 1), invocation_type="Event")
    with pytest.raises(InvalidRequestContentException):
        worker.invoke("{" * LIMIT, invocation_type="Event")
    no_trace(sim, worker)


@pytest.mark.rule("ASY-011")
@pytest.mark.parametrize(
    "text", ["{", "nonsense", b"\xff", "NaN", "{} {}", '"text"'.encode("utf-16"), '"text"'.encode("utf-32-le")]
)
def test_a_payload_that_is_not_json_is_400_and_leaves_no_trace(sim, text):
    worker, _ = create(sim)
    with pytest.raises(InvalidRequestContentException) as refusal:
        worker.invoke(text, invocation_type="Event")
    assert refusal.value.message.startswith("Could not parse request body into json: ")
    assert refusal.value.http_status == 400
    no_trace(sim, worker)


@pytest.mark.rule("ASY-012")
@pytest.mark.parametrize(
    "form",
    [text_of, lambda size: text_of(size).encode(), lambda size: ["é" * 10 + "x" * (size - 24)]],
    ids=["text", "bytes", "value"],
)
def test_1048576_bytes_are_accepted_and_one_more_is_413(sim, form):
    worker, code = create(sim)
    with pytest.raises(RequestTooLargeException) as refusal:
        worker.invoke(form(LIMIT + 1), invocation_type="Event")
    assert refusal.value.message == (
        "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
    )
    assert refusal.value.http_status == 413
    no_trace(sim, worker)
    send(worker, form(LIMIT))
    assert [len(event.payload) for event in worker.events] == [LIMIT]
    sim.run()
    assert len(code.events) == 1


@pytest.mark.rule("ASY-012")
def test_the_older_quota_can_be_set():
    sim = Simulation(settings=[AsyncModel(payload_limit_bytes=262_144)])
    worker, _ = create(sim)
    with pytest.raises(RequestTooLargeException) as refusal:
        worker.invoke(text_of(262_145), invocation_type="Event")
    assert refusal.value.message == (
        "262145 byte payload is too large for the Event invocation type (limit 262144 bytes)"
    )
    send(worker, text_of(262_144))
    own, _ = create(sim, name="own", settings=[AsyncModel(payload_limit_bytes=1_000)])
    send(own, text_of(1_000))
    with pytest.raises(RequestTooLargeException):
        own.invoke(text_of(1_001), invocation_type="Event")


@pytest.mark.rule("ASY-013")
@pytest.mark.parametrize("payload", [None, "", b""])
def test_a_missing_or_empty_payload_is_an_empty_object(sim, payload):
    worker, code = create(sim)
    send(worker, payload)
    assert worker.events[0].payload == b"{}"
    sim.run()
    assert code.events == [{}]


@pytest.mark.rule("ASY-014")
@pytest.mark.parametrize("reserve", [0, 1])
def test_acceptance_never_throttles(sim, reserve):
    worker, _ = create(sim, reserved_concurrent_executions=reserve)
    for number in range(2_000):
        assert worker.invoke(number, invocation_type="Event").status_code == 202
    assert counts(worker) == (2_000, 0, 0, 2_000, 0)
    assert total(sim, "AsyncEventsReceived") == 2_000
    assert worker.snapshot().throttles == 0


@pytest.mark.rule("ASY-014")
def test_a_full_account_accepts_too():
    sim = Simulation(concurrent_executions=1)
    worker, code = create(sim)
    call(sim, worker, "synchronous")
    sim.run(until=1)
    send(worker, "event")
    assert worker.snapshot().throttles == 0
    sim.run()
    assert code.events == ["synchronous", "event"]


@pytest.mark.rule("ASY-015")
def test_a_client_context_is_dropped_and_no_log_is_returned(sim):
    seen = []
    worker = sim.create_function("worker", lambda event, context: seen.append(context.client_context))
    context = {"client": {"app_title": "shop"}, "custom": {"k": "v"}, "env": {}}
    result = worker.invoke(1, invocation_type="Event", client_context=context, log_type="Tail")
    assert (result.status_code, result.log_result) == (202, None)
    sim.run()
    assert seen == [None]
    assert worker.invoke(1, client_context=context, log_type="Tail").log_result is not None
    assert seen[1].custom == {"k": "v"}  # which a synchronous call has


@pytest.mark.rule("ASY-016")
def test_each_attempt_gets_the_payload_as_it_was_sent(sim):
    seen = []

    def handler(event, context):
        seen.append(json.dumps(event))
        event["items"].append("mine")
        event["more"] = True
        raise BAD

    worker = sim.create_function("worker", handler)
    given = {"items": [1]}
    send(worker, given)
    given["items"].append("the caller's")
    sim.run()
    assert seen == ['{"items": [1]}'] * 3


@pytest.mark.rule("ASY-017")
def test_attempts_of_one_event_have_one_request_id_and_events_have_their_own(sim):
    worker, code = create(sim, BAD)
    first, second = send(worker, 1), send(worker, 2)
    sim.run()
    assert first != second
    assert list(zip(code.events, code.requests, strict=True)) == [(1, first), (2, second)] * 3
    assert [invocation.request_id for invocation in worker.invocations] == [first, second] * 3
    assert all(invocation.is_async for invocation in worker.invocations)


@pytest.mark.rule("ASY-018")
def test_invoke_async_is_an_event(sim):
    worker, code = create(sim)
    result = worker.invoke_async('{"k": 1}')
    assert (result.status_code, result.payload, result.executed_version) == (202, b"", None)
    assert counts(worker) == (1, 0, 0, 1, 0)
    assert worker.events[0].qualifier is None
    sim.run()
    assert code.events == [{"k": 1}]
    assert counts(worker) == (1, 1, 0, 0, 0)


@pytest.mark.rule("ASY-018")
def test_invoke_async_refuses_what_an_event_refuses(sim):
    worker, _ = create(sim)
    with pytest.raises(InvalidRequestContentException):
        worker.invoke_async("{")
    with pytest.raises(RequestTooLargeException):
        worker.invoke_async(text_of(LIMIT + 1))
    no_trace(sim, worker)


@pytest.mark.rule("ASY-018")
def test_a_dry_run_queues_nothing(sim):
    worker, code = create(sim)
    assert worker.invoke(1, invocation_type="DryRun").status_code == 204
    no_trace(sim, worker)
    assert code.starts == []


# ---- the life of an event


@pytest.mark.rule("ASY-020", "ASY-121")
@pytest.mark.parametrize(("outcome", "end"), [(None, (1, 1, 0, 0, 0)), (BAD, (1, 0, 1, 0, 0))])
def test_an_event_is_queued_runs_and_ends_for_good(sim, outcome, end):
    worker, _ = create(sim, outcome)
    worker.put_function_event_invoke_config(maximum_retry_attempts=0)
    send(worker)
    assert counts(worker) == (1, 0, 0, 1, 0)
    sim.run(until_us=2 * SECOND - 1)
    assert counts(worker) == (1, 0, 0, 0, 1)
    sim.run(until=2)
    assert counts(worker) == end
    sim.run(until=50_000)
    assert counts(worker) == end


@pytest.mark.rule("ASY-020")
def test_a_failed_attempt_puts_the_event_back_into_the_queue(sim):
    worker, _ = create(sim, BAD, None)
    send(worker)
    seen = []
    for at_us in (0, 2 * SECOND - 1, 2 * SECOND, 62 * SECOND - 1, 62 * SECOND, 64 * SECOND - 1, 64 * SECOND):
        sim.run(until_us=at_us)
        seen.append(counts(worker)[1:])
    running, queued, succeeded = (0, 0, 0, 1), (0, 0, 1, 0), (1, 0, 0, 0)
    assert seen == [running, running, queued, queued, running, running, succeeded]


@pytest.mark.rule("ASY-020", "ASY-023")
def test_the_first_try_may_be_delayed():
    sim = Simulation(settings=[AsyncModel(dispatch_delay_s=0.25)])
    worker, code = create(sim)
    sim.run(until=1)
    send(worker)
    assert worker.events[0].next_at_us == 1_250_000
    sim.run(until_us=1_249_999)
    assert (code.starts, counts(worker)) == ([], (1, 0, 0, 1, 0))
    sim.run(until_us=1_250_000)
    assert code.starts == [1.25]
    assert series(sim, "AsyncEventAge", "Maximum") == [(0, 250)]


@pytest.mark.rule("ASY-021")
@pytest.mark.parametrize(
    ("delay_us", "reserve", "wanted"),
    [
        (59_999_999, None, []),
        (60_000_000, None, [("EventAgeExceeded", 0)]),
        (60_000_001, None, [("EventAgeExceeded", 0)]),
        (59_999_999, 0, [("ZeroReservedConcurrency", 0)]),
        (60_000_000, 0, [("EventAgeExceeded", 0)]),
    ],
)
def test_the_age_is_looked_at_before_the_reserve(queue, sim, delay_us, reserve, wanted):
    worker, code = create(
        sim, reserved_concurrent_executions=reserve, settings=[AsyncModel(dispatch_delay_s=delay_us / SECOND)]
    )
    worker.put_function_event_invoke_config(maximum_event_age_in_seconds=60, on_failure=queue)
    send(worker)
    sim.run()
    assert conditions(queue) == wanted
    assert len(code.starts) == (not wanted)
    assert total(sim, "Throttles") == 0


@pytest.mark.rule("ASY-021")
def test_a_reserve_of_0_is_looked_at_before_concurrency(sim, queue):
    worker, _ = create(sim, reserved_concurrent_executions=1)
    worker.put_function_event_invoke_config(on_failure=queue)
    send(worker, "runs")
    send(worker, "waits")
    sim.run(until=0.5)
    worker.put_function_concurrency(0)
    sim.run()
    assert conditions(queue) == [("ZeroReservedConcurrency", 0)]
    assert total(sim, "Throttles") == 1


@pytest.mark.rule("ASY-021", "ASY-027")
def test_what_is_gone_is_looked_at_before_the_age_and_the_reserve(sim, queue):
    worker, code = create(sim, reserved_concurrent_executions=0, settings=[AsyncModel(dispatch_delay_s=100)])
    worker.publish_version()
    worker.create_alias("live", "1")
    worker.put_function_event_invoke_config("live", maximum_event_age_in_seconds=60, on_failure=queue)
    worker.update_function_configuration(dead_letter_target_arn=queue.arn)
    send(worker, qualifier="live")
    sim.run(until=1)
    worker.delete_alias("live")
    sim.run()
    assert counts(worker) == (1, 0, 1, 0, 0)
    assert (queue.snapshot().sent, code.starts) == (0, [])


@pytest.mark.rule("ASY-022")
def test_tries_of_one_instant_run_in_the_order_in_which_they_were_scheduled(sim):
    worker, code = create(sim, BAD)
    for number in range(5):
        send(worker, number)
    sim.run()
    assert code.events == [0, 1, 2, 3, 4] * 3
    assert code.starts == [0] * 5 + [62] * 5 + [184] * 5


@pytest.mark.rule("ASY-022")
def test_the_order_is_that_of_the_scheduling_and_not_that_of_the_acceptance(sim):
    """At 63 s both are due: *late* since it failed at 3 s; *early*, accepted first, since a throttle at 31 s."""
    code = Code(sim, BAD, BAD, None)
    duration = {"holder": 63, "early": 1, "late": 3}.__getitem__
    full = sim.create_function("full", code, duration=duration, timeout=100, reserved_concurrent_executions=1)
    free = sim.create_function("free", code, duration=duration, timeout=100)
    call(sim, full, "holder")
    sim.run(until=0)
    send(full, "early")
    send(free, "late")
    sim.run()
    assert list(zip(code.starts, code.events, strict=True)) == [
        (0, "holder"),
        (0, "late"),
        (63, "late"),
        (63, "early"),
    ]


@pytest.mark.rule("ASY-022")
def test_an_event_that_waits_holds_back_nobody_behind_it(sim):
    worker, code = create(sim, BAD, BAD, None)
    send(worker, "waits")
    sim.run(until=10)
    send(worker, "waits too")
    sim.run(until=20)
    send(worker, "overtakes")
    sim.run()
    assert code.events == ["waits", "waits too", "overtakes", "waits", "waits too"]
    assert code.starts == [0, 10, 20, 62, 72]


@pytest.mark.rule("ASY-023")
def test_the_first_try_comes_after_the_caller_has_gone_on(sim):
    seen = []
    worker = sim.create_function("worker", lambda event, context: seen.append(("handler", sim.now)))

    def caller():
        worker.invoke(invocation_type="Event")
        seen.append(("caller", sim.now))

    sim.call_at(5, caller)
    sim.run()
    assert seen == [("caller", 5), ("handler", 5)]


@pytest.mark.rule("ASY-023")
def test_a_handler_may_invoke_itself_and_goes_on_first(sim):
    seen = []

    def handler(event, context):
        if event:
            context_function.invoke(event - 1, invocation_type="Event")
        seen.append((event, sim.now))

    context_function = sim.create_function("worker", handler, duration=1)
    send(context_function, 2)
    sim.run()
    assert seen == [(2, 0), (1, 0), (0, 0)]


@pytest.mark.rule("ASY-024")
@pytest.mark.parametrize(("duration_us", "starts"), [(2_999_999, [0, 3]), (3_000_000, [0, 3]), (3_000_001, [0, 7])])
def test_concurrency_freed_at_an_instant_is_there_for_an_event_due_then(sim, duration_us, starts):
    worker, code = create(sim, reserved_concurrent_executions=1, duration=duration_us / SECOND, timeout=4)
    send(worker, "first")
    send(worker, "second")  # tried at 0, 1, 3 and 7 s
    sim.run()
    assert code.starts == starts


@pytest.mark.rule("ASY-024")
def test_all_ends_of_an_instant_come_before_what_is_decided_about_them(sim):
    seen = []
    worker, _ = create(sim)
    sim.register_target(TOPIC, lambda message: seen.append((sim.now, worker.snapshot().in_flight)))
    worker.put_function_event_invoke_config(on_success=TOPIC)
    for _ in range(3):
        send(worker)
    sim.run()
    assert seen == [(2, 0)] * 3


@pytest.mark.rule("ASY-024", "ASY-077")
def test_decisions_and_deliveries_of_an_instant_come_before_its_tries(sim):
    seen = []
    worker = sim.create_function(
        "worker", lambda event, context: seen.append((sim.now, event)), reserved_concurrent_executions=1, duration=3
    )
    sim.register_target(TOPIC, lambda message: seen.append((sim.now, "record")))
    worker.put_function_event_invoke_config(on_success=TOPIC)
    send(worker, "first")
    send(worker, "second")
    sim.run(until=3)
    assert seen == [(0, "first"), (3, "record"), (3, "second")]


@pytest.mark.rule("ASY-025")
@pytest.mark.parametrize(("at_us", "new"), [(62 * SECOND - 1, True), (62 * SECOND, False), (62 * SECOND + 1, False)])
def test_an_attempt_runs_the_code_in_force_when_it_starts(sim, at_us, new):
    worker, old = create(sim, BAD)
    worker.put_function_event_invoke_config(maximum_retry_attempts=1)
    code = Code(sim)
    send(worker)
    sim.run(until_us=at_us)
    worker.update_function_code(code)
    sim.run()
    assert (old.starts, code.starts) == (([0], [62]) if new else ([0, 62], []))
    assert counts(worker) == ((1, 1, 0, 0, 0) if new else (1, 0, 1, 0, 0))


@pytest.mark.rule("ASY-025")
def test_an_attempt_has_the_settings_in_force_when_it_starts(sim):
    worker, code = create(sim, None, duration=2, timeout=1)
    send(worker)
    sim.run(until=30)
    worker.update_function_configuration(timeout=2)
    sim.run()
    assert code.starts == [0, 61]  # the first timed out after 1 s
    assert counts(worker) == (1, 1, 0, 0, 0)


@pytest.mark.rule("ASY-025")
def test_an_alias_is_resolved_for_each_attempt(sim, queue):
    worker, code = create(sim, BAD)
    worker.publish_version()
    worker.update_function_configuration(description="another")
    worker.publish_version()
    worker.create_alias("live", "1")
    worker.put_function_event_invoke_config("live", on_failure=queue)
    send(worker, qualifier="live")
    sim.run(until=30)
    worker.update_alias("live", function_version="2")
    sim.run()
    assert code.versions == ["1", "2", "2"]
    (record,) = records(queue)
    assert record["requestContext"]["functionArn"].endswith(":worker:live")
    assert record["responseContext"]["executedVersion"] == "2"


@pytest.mark.rule("ASY-025")
def test_a_published_version_keeps_its_code(sim):
    worker, old = create(sim, BAD, BAD, None)
    worker.publish_version()
    send(worker, qualifier="1")
    sim.run(until=30)
    new = Code(sim)
    worker.update_function_code(new)
    sim.run()
    assert (old.starts, new.starts) == ([0, 62, 184], [])


def raises(event, context):
    raise BAD


def exits(event, context):
    raise SystemExit(1)


FAILURES = {
    "exception": ({"handler": raises}, "ValueError"),
    "timeout": ({"handler": lambda event, context: context.sleep(4)}, "Sandbox.Timedout"),
    "declared duration": ({"duration": 4}, "Sandbox.Timedout"),
    "failed init": ({"init": lambda: 1 // 0}, "ZeroDivisionError"),
    "exit": ({"handler": exits}, "Runtime.ExitError"),
    "too large": ({"handler": lambda event, context: "x" * 6_291_557}, "Function.ResponseSizeTooLarge"),
    "unserialisable": ({"handler": lambda event, context: object()}, "Runtime.MarshalError"),
}


@pytest.mark.rule("ASY-026")
@pytest.mark.parametrize("name", FAILURES)
def test_each_failed_outcome_is_a_function_error(sim, queue, name):
    parameters, error = FAILURES[name]
    worker = sim.create_function("worker", **parameters)
    worker.put_function_event_invoke_config(on_failure=queue, maximum_retry_attempts=1)
    send(worker)
    sim.run()
    assert counts(worker) == (1, 0, 1, 0, 0)
    assert total(sim, "Errors") == 2
    assert conditions(queue) == [("RetriesExhausted", 2)]
    (record,) = records(queue)
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorType"] == error


@pytest.mark.rule("ASY-026", "ASY-121")
def test_an_assertion_of_a_test_leaves_the_run_and_the_event_goes_on(sim, queue):
    def handler(event, context):
        assert event == {"never": "so"}

    worker = sim.create_function("worker", handler, duration=2)
    worker.put_function_event_invoke_config(on_failure=queue)
    send(worker)
    for at in (0, 62, 184):
        with pytest.raises(AssertionError):
            sim.run()
        assert (sim.now, counts(worker)) == (at, (1, 0, 0, 0, 1))
    sim.run()
    assert (sim.now, counts(worker)) == (186, (1, 0, 1, 0, 0))
    assert conditions(queue) == [("RetriesExhausted", 3)]


@pytest.mark.rule("ASY-026")
@pytest.mark.parametrize(
    "value",
    [
        None,
        False,
        0,
        "error",
        {"errorMessage": "no", "errorType": "Error"},
        {"statusCode": 500},
        {"batchItemFailures": 1},
    ],
)
def test_whatever_is_returned_is_a_success(sim, value):
    worker, code = create(sim, value)
    send(worker)
    sim.run()
    assert code.starts == [0]
    assert counts(worker) == (1, 1, 0, 0, 0)
    assert total(sim, "Errors") == 0


@pytest.mark.rule("ASY-027")
@pytest.mark.parametrize("what", ["version", "alias", "function"])
@pytest.mark.parametrize("attempts", [0, 1])
def test_an_event_of_what_is_gone_disappears(sim, queue, what, attempts):
    failures = sim.create_queue("failures")
    settings = [AsyncModel(dispatch_delay_s=0 if attempts else 62)]
    worker, code = create(sim, BAD, settings=settings, dead_letter_target_arn=queue.arn)
    worker.publish_version()
    qualifier = {"version": "1", "alias": "live", "function": None}[what]
    if what == "alias":
        worker.create_alias("live", "1")
    worker.put_function_event_invoke_config(qualifier, on_failure=failures)
    send(worker, qualifier=qualifier)
    sim.run(until=30)
    if what == "alias":
        worker.delete_alias("live")
    else:
        worker.delete_function(qualifier)
    sim.run(until_us=62 * SECOND - 1)
    assert total(sim, "AsyncEventsDropped") == 0
    sim.run()
    assert sim.now == 62
    assert series(sim, "AsyncEventsDropped") == [(60, 1)]
    assert len(code.starts) == attempts
    assert queue.snapshot().sent == failures.snapshot().sent == 0
    assert total(sim, "DeadLetterErrors") == total(sim, "DestinationDeliveryFailures") == 0
    sim.check_invariants()


# ---- who invokes asynchronously


@pytest.mark.rule("ASY-110")
def test_a_mapping_invokes_synchronously_and_nothing_of_this_concerns_it(sim, queue):
    target = sim.create_queue("failures")
    worker, _ = create(sim, BAD, dead_letter_target_arn=target.arn)
    worker.put_function_event_invoke_config(maximum_retry_attempts=0, on_failure=target, on_success=target)
    sim.create_event_source_mapping(queue, worker)
    queue.send_message("a")
    sim.run(until=200)
    assert worker.snapshot().invocations > 3
    assert not any(invocation.is_async for invocation in worker.invocations)
    assert counts(worker) == (0, 0, 0, 0, 0)
    assert target.snapshot().sent == 0
    assert queue.snapshot().total == 1


@pytest.mark.rule("ASY-110", "ASY-111")
def test_a_service_that_hands_over_events_is_a_client_that_invokes_once(sim):
    """As a topic or a bucket does: it has its answer at once, and the retries are Lambda's."""
    worker, code = create(sim, BAD)
    handed_over = []

    def topic(message):
        handed_over.append((sim.now, worker.invoke({"Records": [message]}, invocation_type="Event").status_code))

    sim.feed(topic, [10, 20], lambda number: f"message {number}")
    sim.run()
    assert handed_over == [(10, 202), (20, 202)]
    assert code.starts == [10, 20, 72, 82, 194, 204]
    assert counts(worker) == (2, 0, 2, 0, 0)


@pytest.mark.rule("ASY-111")
def test_what_was_refused_is_the_business_of_the_client(sim):
    worker, code = create(sim, BAD)
    payloads = iter(["{", "{", "{}"])
    refused = []

    def client():
        try:
            worker.invoke(next(payloads), invocation_type="Event")
        except InvalidRequestContentException:
            refused.append(sim.now)
            sim.call_later(10, client)  # its own policy, and its own wait

    sim.call_at(0, client)
    sim.run()
    assert refused == [0, 10]
    assert code.starts == [20, 82, 204]
    assert counts(worker) == (1, 0, 1, 0, 0)


@pytest.mark.rule("ASY-112")
def test_a_gateway_gets_the_failure_of_its_call_and_nobody_retries(sim, queue):
    worker, code = create(sim, BAD, dead_letter_target_arn=queue.arn)
    worker.put_function_event_invoke_config(on_failure=queue)
    answers = []

    async def gateway():
        result = await worker.wait_invoke({"path": "/orders"})
        answers.append(502 if result.function_error else 200)

    sim.spawn(gateway())
    sim.run_for(50_000)
    assert answers == [502]
    assert code.starts == [0]
    assert counts(worker) == (0, 0, 0, 0, 0)
    assert queue.snapshot().sent == 0


@pytest.mark.rule("ASY-113")
@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:cloudfront::123456789012:distribution/EDFDVBD6EXAMPLE",
        "arn:aws:elasticache:us-east-1:123456789012:cluster:carts",
        "arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/fs-01234567",
    ],
)
def test_other_integrations_take_no_part_in_this(sim, arn):
    worker, _ = create(sim)
    with pytest.raises(InvalidParameterValueException):
        worker.put_function_event_invoke_config(on_failure=arn)
    with pytest.raises(ValidationException):
        worker.update_function_configuration(dead_letter_target_arn=arn)


# ---- metrics


@pytest.mark.rule("ASY-120")
def test_each_counter_changes_in_its_instant(sim, queue):
    """A handler of 2 s, without retries, whose messages and records find no target."""
    worker, _ = create(sim, BAD, duration=2, dead_letter_target_arn=f"{queue.arn}-missing")
    worker.put_function_event_invoke_config(maximum_retry_attempts=0, on_failure=BUCKET)
    names = ("AsyncEventsReceived", "AsyncEventsDropped", "DeadLetterErrors", "DestinationDeliveryFailures")

    def now():
        return [total(sim, name) for name in (*names, "Invocations", "Errors", "Throttles")]

    assert now() == [0, 0, 0, 0, 0, 0, 0]
    send(worker)
    assert now() == [1, 0, 0, 0, 0, 0, 0]
    assert series(sim, "AsyncEventAge", "SampleCount") == []
    sim.run(until=0)
    assert now()[:5] == [1, 0, 0, 0, 1]
    assert series(sim, "AsyncEventAge", "SampleCount") == [(0, 1)]
    sim.run(until_us=2 * SECOND - 1)
    assert now()[:5] == [1, 0, 0, 0, 1]
    sim.run(until=2)
    assert now() == [1, 1, 1, 1, 1, 1, 0]
    snapshot = worker.async_snapshot()
    assert (snapshot.dead_letter_errors, snapshot.destination_delivery_failures) == (1, 1)
    assert (snapshot.at_us, snapshot.recursive_invocations_dropped) == (2 * SECOND, 0)


@pytest.mark.rule("ASY-120")
def test_errors_are_dated_at_the_start_and_drops_at_the_end_of_the_attempt(sim):
    worker, _ = create(sim, BAD)
    worker.publish_version()
    for qualifier in ("$LATEST", "1"):  # the metrics are those of the function, however it was invoked
        worker.put_function_event_invoke_config(qualifier, maximum_retry_attempts=0)
    sim.run(until=59)
    send(worker)
    sim.run(until=179)
    send(worker, qualifier="1")
    sim.run(until=300)
    assert series(sim, "AsyncEventsReceived") == [(0, 1), (120, 1)]
    assert series(sim, "Invocations") == [(0, 1), (120, 1)]
    assert [pair for pair in series(sim, "Errors") if pair[1]] == [(0, 1), (120, 1)]
    assert series(sim, "AsyncEventsDropped") == [(60, 1), (180, 1)]
    assert sim.metrics.series("AWS/Lambda", "AsyncEventAge", "Average", FunctionName="worker").unit == "Milliseconds"


@pytest.mark.rule("ASY-120")
def test_the_age_is_sampled_when_an_attempt_starts_and_never_at_a_throttle(sim):
    worker, _ = create(sim, BAD, reserved_concurrent_executions=1, duration=0.5)
    sim.run(until=59)
    send(worker)
    send(worker)
    sim.run()
    # The second is throttled at 59 and starts at 60; its retries are due at 120.5 and 241 s, those of the first at
    # 119.5 and 240 s.
    found = [(at, round(value, 3)) for at, value in series(sim, "AsyncEventAge", "Sum")]
    assert found == [(0, 0), (60, 1_000 + 60_500), (120, 61_500), (240, 181_000 + 182_000)]
    assert series(sim, "AsyncEventAge", "SampleCount") == [(0, 1), (60, 2), (120, 1), (240, 2)]
    assert total(sim, "Throttles") == 1


@pytest.mark.rule("ASY-120")
def test_the_metrics_are_there_for_a_function_and_for_all(sim):
    names = ("AsyncEventsReceived", "AsyncEventsDropped", "DeadLetterErrors", "DestinationDeliveryFailures")
    for name in ("worker", "other"):
        worker, _ = create(sim, BAD, name=name, dead_letter_target_arn=TOPIC)
        worker.put_function_event_invoke_config(maximum_retry_attempts=0, on_failure=BUCKET)
        send(worker)
    sim.run()
    for name in names:
        assert series(sim, name, FunctionName="worker") == series(sim, name, FunctionName="other") == [(0, 1)]
        assert list(sim.metrics.series("AWS/Lambda", name, "Sum")) == [(0, 2)]
    assert list(sim.metrics.series("AWS/Lambda", "AsyncEventAge", "SampleCount")) == [(0, 2)]


@pytest.mark.rule("ASY-121")
def test_received_is_the_sum_of_the_rest_after_each_step():
    sim = Simulation(settings=[ColdStartModel(init_s=0.5)])
    dead = sim.create_queue("dead")
    worker, _ = create(sim, BAD, None, BAD, BAD, {"ok": True}, reserved_concurrent_executions=2)
    worker.update_function_configuration(dead_letter_target_arn=dead.arn)
    for number in range(12):
        sim.call_at(number * 0.7, lambda: worker.invoke(invocation_type="Event"))
    steps = 0
    while sim.step():
        received, succeeded, dropped, queued, running = counts(worker)
        assert received == succeeded + dropped + queued + running
        assert (queued + running, running >= worker.in_flight) == (len(worker.events), True)
        assert total(sim, "AsyncEventsReceived") == received
        assert total(sim, "AsyncEventsDropped") == dropped
        sim.check_invariants()
        steps += 1
    assert steps > 50
    assert counts(worker)[0] == 12
    assert counts(worker)[3:] == (0, 0)
