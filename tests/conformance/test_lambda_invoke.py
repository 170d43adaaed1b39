"""The synchronous invoke, function errors and timeouts (LAM §5 to §7)."""

from __future__ import annotations

import base64
import json
from decimal import Decimal

import pytest

from lambdasim import ColdStartModel, LambdaLimits, RuntimeModel, Simulation
from lambdasim.errors.lambda_ import (
    InvalidRequestContentException,
    RequestTooLargeException,
    ResourceNotFoundException,
    TooManyRequestsException,
)

REQUEST_MAX = 6_291_456
RESPONSE_MAX = 6_291_556


def metric(sim, name, statistic="Sum", **dimensions):
    return list(sim.metrics.series("AWS/Lambda", name, statistic, **dimensions))


def nothing_happened(sim, function):
    sim.run_for(1)
    assert function.snapshot().invocations == function.snapshot().errors == 0
    assert function.billed_mb_ms == 0
    assert metric(sim, "Invocations", FunctionName=function.name) == []
    assert metric(sim, "Errors", FunctionName=function.name) == []
    assert metric(sim, "ConcurrentExecutions", "Maximum", FunctionName=function.name) == []


# ---- LAM-060 to LAM-063


@pytest.mark.rule("LAM-060")
@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (None, {}),
        ("", {}),
        (b"", {}),
        ('{"k": [1, 2.5, null, true, "x"]}', {"k": [1, 2.5, None, True, "x"]}),
        ('{"k": "é✓"}'.encode(), {"k": "é✓"}),
        ('"text"', "text"),
        ({"k": 1}, {"k": 1}),
        ([], []),
        ({}, {}),
        (0, 0),
        (False, False),
        ((1, 2), [1, 2]),
    ],
)
def test_a_payload_is_json_text_or_a_json_value_and_an_empty_one_is_an_empty_object(sim, payload, event):
    seen = []
    sim.create_function("worker", lambda event, context: seen.append(event)).invoke(payload)
    assert seen == [event]
    assert type(seen[0]) is type(event)


@pytest.mark.rule("LAM-061", "LAM-062")
def test_a_success_is_200_with_compact_json_and_no_error(sim):
    worker = sim.create_function("worker", lambda event, context: {"a": [1, 2], "b": "é"})
    result = worker.invoke()
    assert (result.status_code, result.executed_version) == (200, "$LATEST")
    assert result.payload == '{"a":[1,2],"b":"é"}'.encode()
    assert (result.function_error, result.log_result) == (None, None)
    assert result.value == {"a": [1, 2], "b": "é"}


@pytest.mark.rule("LAM-062")
def test_a_handler_that_returns_nothing_gives_null(sim):
    result = sim.create_function("worker", lambda event, context: None).invoke()
    assert (result.payload, result.value) == (b"null", None)


@pytest.mark.rule("LAM-061")
def test_a_function_that_failed_is_200_too(sim):
    def handler(event, context):
        raise ValueError

    result = sim.create_function("worker", handler).invoke()
    assert (result.status_code, result.function_error) == (200, "Unhandled")


@pytest.mark.rule("LAM-061", "LAM-063")
@pytest.mark.parametrize("payload", [None, {"k": 1}, "no json {"])
def test_a_dry_run_is_204_and_leaves_no_trace(sim, payload):
    called = []
    worker = sim.create_function("worker", lambda event, context: called.append(event))
    result = worker.invoke(payload, invocation_type="DryRun")
    assert (result.status_code, result.payload, result.function_error) == (204, b"", None)
    assert called == []
    nothing_happened(sim, worker)


@pytest.mark.rule("LAM-063")
def test_a_dry_run_is_not_throttled(sim):
    stopped = sim.create_function("stopped", reserved_concurrent_executions=0)
    assert stopped.invoke(invocation_type="DryRun").status_code == 204
    assert stopped.snapshot().throttles == 0


# ---- LAM-065 to LAM-067


@pytest.mark.rule("LAM-065")
def test_an_unknown_function_is_404_with_its_arn_and_latest(sim):
    with pytest.raises(ResourceNotFoundException) as refusal:
        sim.function("nobody")
    assert refusal.value.message == "Function not found: arn:aws:lambda:us-east-1:123456789012:function:nobody:$LATEST"
    assert refusal.value.http_status == 404


@pytest.mark.rule("LAM-065")
@pytest.mark.parametrize("text", ["{", "nonsense", b"\xff", "NaN", '{"a": Infinity}', "[" * 100_000, "{} {}"])
def test_a_payload_that_is_not_json_is_400(sim, text):
    worker = sim.create_function("worker")
    with pytest.raises(InvalidRequestContentException) as refusal:
        worker.invoke(text)
    assert refusal.value.message.startswith("Could not parse request body into json: ")
    assert refusal.value.http_status == 400
    nothing_happened(sim, worker)


@pytest.mark.rule("LAM-065")
@pytest.mark.parametrize("value", [object(), {1, 2}, {"k": b"bytes"}, {(1, 2): 3}])
def test_a_value_that_json_cannot_hold_is_no_payload(sim, value):
    worker = sim.create_function("worker")
    with pytest.raises(InvalidRequestContentException):
        worker.invoke(value)
    nothing_happened(sim, worker)


def text_of(size):
    """JSON text of so many bytes, some of them in characters of two bytes."""
    return '"' + "é" * 10 + "x" * (size - 22) + '"'


@pytest.mark.rule("LAM-066", "LAM-065")
@pytest.mark.parametrize(
    "form",
    [text_of, lambda size: text_of(size).encode(), lambda size: ["é" * 10 + "x" * (size - 24)]],
    ids=["text", "bytes", "value"],
)
def test_6291456_bytes_of_request_pass_and_one_more_is_413(sim, form):
    worker = sim.create_function("worker")
    assert worker.invoke(form(REQUEST_MAX)).status_code == 200
    stopped = sim.create_function("stopped")
    with pytest.raises(RequestTooLargeException) as refusal:
        stopped.invoke(form(REQUEST_MAX + 1))
    assert refusal.value.message == "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    assert refusal.value.http_status == 413
    nothing_happened(sim, stopped)


@pytest.mark.rule("LAM-065")
def test_size_is_checked_before_json_and_json_before_limits(sim):
    stopped = sim.create_function("stopped", reserved_concurrent_executions=0)
    with pytest.raises(RequestTooLargeException):
        stopped.invoke("{" * (REQUEST_MAX + 1))
    with pytest.raises(InvalidRequestContentException):
        stopped.invoke("{")
    assert stopped.snapshot().throttles == 0
    with pytest.raises(TooManyRequestsException):
        stopped.invoke("{}")
    assert stopped.snapshot().throttles == 1
    assert metric(sim, "Throttles", FunctionName="stopped") == [(0, 1)]


@pytest.mark.rule("LAM-066", "LAM-081", "LAM-084")
def test_6291556_bytes_of_response_pass_and_one_more_is_a_function_error_that_is_billed(sim):
    def handler(event, context):
        context.environment.state["runs"] = context.environment.state.get("runs", 0) + 1
        return "é" * 10 + "x" * (event - 22)

    worker = sim.create_function("worker", handler, duration=1)
    assert len(worker.invoke(RESPONSE_MAX).payload) == RESPONSE_MAX
    result = worker.invoke(RESPONSE_MAX + 1)
    assert result.function_error == "Unhandled"
    assert result.payload == (
        b'{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
        b'"errorType":"Function.ResponseSizeTooLarge"}'
    )
    assert worker.billed_mb_ms == 2 * 1_000 * 128
    assert worker.snapshot().errors == 1
    assert worker.invoke(1_000).function_error is None
    assert worker.snapshot().cold_starts == 1  # the environment stayed usable, with its state


@pytest.mark.rule("LAM-067")
def test_the_service_never_retries(sim):
    def handler(event, context):
        raise OSError

    worker = sim.create_function("worker", handler)
    worker.invoke()
    sim.run_for(1_000)
    assert worker.snapshot().invocations == 1


# ---- LAM-080 to LAM-084


def failing(how):
    def handler(event, context):
        context.environment.state["before"] = event
        context.environment.tmp["before"] = event
        return how(context)

    return handler


def raises(error):
    def how(context):
        raise error

    return how


class Unprintable(Exception):  # noqa: N818
    def __str__(self):
        raise RuntimeError


CAUSES = {
    "exception": (raises(ValueError("bad order")), "ValueError", "bad order", True),
    "exception without text": (raises(KeyError()), "KeyError", "", True),
    "own exception": (raises(json.JSONDecodeError("no", "doc", 0)), "JSONDecodeError", None, True),
    "stop iteration": (raises(StopIteration("early")), "StopIteration", "early", True),
    "deep recursion": (lambda context: recurse(0), "RecursionError", None, True),
    "unprintable": (raises(Unprintable()), "Unprintable", None, True),
    "surrogate in the text": (raises(ValueError("\ud800")), "ValueError", None, True),
    "unserialisable": (lambda context: object(), "Runtime.MarshalError", None, True),
    "circular": (lambda context: circle(), "Runtime.MarshalError", None, True),
    "surrogate": (lambda context: "\ud800", "Runtime.MarshalError", None, True),
    "generator": (lambda context: (n for n in (1, 2)), "Runtime.MarshalError", None, True),
    "deep": (lambda context: deep(100_000), "Runtime.MarshalError", None, True),
    "exit": (raises(SystemExit(3)), "Runtime.ExitError", None, False),
    "timeout": (lambda context: context.sleep(5), "Sandbox.Timedout", None, False),
}


def recurse(depth):
    return recurse(depth + 1) + 1


def circle():
    ring = []
    ring.append(ring)
    return ring


def deep(depth):
    nest = []
    for _ in range(depth):
        nest = [nest]
    return nest


@pytest.mark.rule("LAM-080", "LAM-081", "LAM-084")
@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("kind", ["Unhandled", "Handled"])
def test_each_cause_is_a_function_error_of_its_type_and_counts_once(cause, kind):
    sim = Simulation(settings=[RuntimeModel(error_kind=kind)])
    how, error_type, text, _ = CAUSES[cause]
    worker = sim.create_function("worker", failing(how))
    result = worker.invoke({"n": 1})
    assert (result.status_code, result.function_error) == (200, kind)
    assert result.value["errorType"] == error_type
    if text is not None:
        assert result.value["errorMessage"] == text
    assert worker.snapshot().errors == 1
    assert metric(sim, "Errors", FunctionName="worker") == [(0, 1)]
    assert metric(sim, "Throttles", FunctionName="worker") == []
    sim.check_invariants()


@pytest.mark.rule("LAM-081", "LAM-083")
@pytest.mark.parametrize("cause", CAUSES)
def test_an_environment_stays_warm_with_its_state_or_is_reset_and_keeps_only_tmp(sim, cause):
    how, _, _, stays = CAUSES[cause]
    seen = []

    def handler(event, context):
        environment = context.environment
        seen.append((environment.id, dict(environment.state), dict(environment.tmp)))
        return failing(how)(event, context) if len(seen) == 1 else None

    worker = sim.create_function("worker", handler)
    worker.invoke(1)
    assert worker.snapshot().idle == 1
    worker.invoke(2)
    assert seen[1] == ("A", {"before": 1} if stays else {}, {"before": 1})
    assert worker.snapshot().cold_starts == 1


@pytest.mark.rule("LAM-081")
def test_an_exception_is_answered_with_its_text_class_request_and_stack(sim):
    def innermost(event):
        msg = f"no such order: {event}"
        raise LookupError(msg)

    worker = sim.create_function("worker", lambda event, context: innermost(event))
    value = worker.invoke(7).value
    assert list(value) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert (value["errorMessage"], value["errorType"]) == ("no such order: 7", "LookupError")
    assert value["requestId"] == worker.invocations[0].request_id
    assert all(isinstance(line, str) for line in value["stackTrace"])
    assert "innermost" in value["stackTrace"][-1]
    assert isinstance(worker.invocations[0].exception, LookupError)


@pytest.mark.rule("LAM-081")
def test_an_answer_that_json_cannot_hold_is_a_marshal_error(sim):
    worker = sim.create_function("worker", lambda event, context: {1, 2})
    value = worker.invoke().value
    assert value == {
        "errorMessage": value["errorMessage"],
        "errorType": "Runtime.MarshalError",
        "requestId": worker.invocations[0].request_id,
        "stackTrace": [],
    }
    assert value["errorMessage"].startswith("Unable to marshal response: ")


@pytest.mark.rule("LAM-081")
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (1, "Runtime exited with error: exit status 1"),
        (42, "Runtime exited with error: exit status 42"),
        (-1, "Runtime exited with error: exit status -1"),
        ("a message", "Runtime exited with error: exit status 1"),
        (0, "Runtime exited without providing a reason"),
        (None, "Runtime exited without providing a reason"),
    ],
)
def test_a_handler_that_ends_its_process_is_an_exit_error(sim, code, text):
    worker = sim.create_function("worker", failing(raises(SystemExit(code))))
    value = worker.invoke().value
    request_id = worker.invocations[0].request_id
    assert value == {"errorMessage": f"RequestId: {request_id} Error: {text}", "errorType": "Runtime.ExitError"}


@pytest.mark.rule("LAM-081")
@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, type("Own", (BaseException,), {})])
def test_any_other_base_exception_leaves_the_simulator(sim, error):
    worker = sim.create_function("worker", failing(raises(error())))
    with pytest.raises(error):
        worker.invoke()
    sim.run()
    sim.check_invariants()
    assert worker.snapshot().in_flight == 0


@pytest.mark.rule("LAM-081")
@pytest.mark.parametrize(("timeout", "text"), [(1, "1.00"), (3, "3.00"), (900, "900.00")])
def test_a_timeout_is_answered_with_the_seconds_in_two_decimals(sim, timeout, text):
    worker = sim.create_function("worker", duration=1_000, timeout=timeout)
    assert worker.invoke().value == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {worker.invocations[0].request_id} Error: Task timed out after {text} seconds",
    }


@pytest.mark.rule("LAM-082")
def test_the_older_timeout_payload_has_one_key_with_the_instant_of_the_end():
    sim = Simulation(settings=[RuntimeModel(error_format="legacy")])
    worker = sim.create_function("worker", duration=5)
    sim.run(until=1.5)
    assert worker.invoke().value == {
        "errorMessage": f"2026-01-01T00:00:04.500Z {worker.invocations[0].request_id} Task timed out after 3.00 seconds"
    }


@pytest.mark.rule("LAM-084")
def test_a_success_and_a_throttle_are_no_errors(sim):
    worker = sim.create_function("worker", reserved_concurrent_executions=0)
    with pytest.raises(TooManyRequestsException):
        worker.invoke()
    worker.delete_function_concurrency()
    worker.invoke()
    assert worker.snapshot().errors == 0
    assert metric(sim, "Errors", FunctionName="worker") == [(0, 0)]


# ---- LAM-100 to LAM-102


@pytest.mark.rule("LAM-100", "LAM-101")
def test_init_of_a_cold_start_uses_up_nothing_of_the_timeout(sim):
    worker = sim.create_function("worker", duration=3, settings=[ColdStartModel(placement_s=2, init_s=9)])
    assert worker.invoke().function_error is None
    assert sim.now == 14
    assert worker.invocations[0].started_at_us == 11_000_000


@pytest.mark.rule("LAM-101")
@pytest.mark.parametrize("handler", [None, lambda event, context: None], ids=["none", "plain"])
@pytest.mark.parametrize(
    ("needs", "is_timeout", "ends_us"),
    [("2.999999", False, 2_999_999), ("3", False, 3_000_000), ("3.000001", True, 3_000_000), ("900", True, 3_000_000)],
)
def test_an_invocation_times_out_iff_it_needs_more_than_its_timeout(sim, handler, needs, is_timeout, ends_us):
    worker = sim.create_function("worker", handler, duration=Decimal(needs))
    assert (worker.invoke().function_error is not None) is is_timeout
    assert sim.now_us == ends_us
    assert worker.invocations[0].duration_us == ends_us
    assert worker.snapshot().in_flight == 0


@pytest.mark.rule("LAM-101")
def test_a_timeout_frees_its_unit_of_concurrency_at_once():
    sim = Simulation(concurrent_executions=1)
    worker = sim.create_function("worker", duration=10)

    async def call(at):
        await sim.sleep(at)
        return await worker.wait_invoke()

    tasks = [sim.spawn(call(0)), sim.spawn(call(3))]
    sim.run()
    assert [task.result().function_error for task in tasks] == ["Unhandled"] * 2
    assert worker.snapshot().throttles == 0


@pytest.mark.rule("LAM-102")
def test_side_effects_of_a_plain_handler_stay_when_its_duration_exceeds_the_timeout(sim):
    queue = sim.create_queue("orders")
    worker = sim.create_function("worker", lambda event, context: queue.send_message("done"), duration=10)
    assert worker.invoke().value["errorType"] == "Sandbox.Timedout"
    assert queue.messages[0].sent_at_us == 0


@pytest.mark.rule("LAM-102", "LAM-045")
def test_work_after_a_sleep_beyond_the_deadline_is_not_done(sim):
    queue = sim.create_queue("orders")

    def handler(event, context):
        queue.send_message("first half")
        context.sleep(10)
        queue.send_message("second half")

    sim.create_function("worker", handler).invoke()
    assert [message.body for message in queue.messages] == ["first half"]


def test_a_limit_on_requests_of_ones_own_is_in_the_text():
    sim = Simulation(settings=[LambdaLimits(sync_request_bytes=10)])
    with pytest.raises(RequestTooLargeException, match="smaller than 10 bytes"):
        sim.create_function("worker").invoke(base64.b64encode(b"x" * 30).decode())
