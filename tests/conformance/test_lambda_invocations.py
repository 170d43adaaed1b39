"""Invocations of every type and form of handler: logs, refusals, failures, time, environments (LAM §4 to §8)."""

from __future__ import annotations

import base64
import json
import time
from decimal import Decimal

import pytest

from lambdasim import ColdStartModel, LambdaLimits, RuntimeModel, Simulation
from lambdasim.errors.lambda_ import (
    InvalidRequestContentException,
    RequestTooLargeException,
    ResourceNotFoundException,
    ServiceException,
    TooManyRequestsException,
    ValidationException,
)
from lambdasim.lambda_ import LambdaFaults, Outcome
from tests.choosers import Says

US = Decimal("0.000001")
ARN = "arn:aws:lambda:us-east-1:123456789012:function:worker"
REQUEST_MAX = 6_291_456
RESPONSE_MAX = 6_291_556
FORMS = ["plain", "coroutine", "interleaved"]


def metric(sim, name, statistic="Sum", function_name="worker"):
    return list(sim.metrics.series("AWS/Lambda", name, statistic, FunctionName=function_name))


def function_of(sim, form, how, **parameters):
    """Create `worker` in a form of handler; `how(event, context)` is a generator that yields what it sleeps."""

    def synchronous(event, context):
        steps = how(event, context)
        try:
            while True:
                context.sleep(next(steps))
        except StopIteration as end:
            return end.value

    async def coroutine(event, context):
        steps = how(event, context)
        try:
            while True:
                await context.sleep(next(steps))
        except StopIteration as end:
            return end.value

    parameters = {"duration": 0, **parameters}
    if form == "interleaved":
        parameters["execution"] = "interleaved"
    return sim.create_function("worker", coroutine if form == "coroutine" else synchronous, **parameters)


async def call(sim, function, *, at=0, **parameters):
    await sim.sleep(at)
    return await function.wait_invoke(**parameters)


# ---- LAM-047 and LAM-062: logs


def tail_of(function, event=None, **parameters):
    return base64.b64decode(function.invoke(event, log_type="Tail", **parameters).log_result)


@pytest.mark.rule("LAM-062", "LAM-047")
def test_the_log_is_answered_when_it_is_asked_for(sim):
    def handler(event, context):
        context.log("first é line")
        context.log("second line")

    worker = sim.create_function("worker", handler)
    assert worker.invoke().log_result is None
    assert worker.invoke(log_type="None").log_result is None
    text = tail_of(worker).decode()
    assert text.splitlines() == worker.invocations[2].log_lines
    assert text.splitlines()[1:3] == ["first é line", "second line"]


@pytest.mark.rule("LAM-062")
@pytest.mark.parametrize("letter", ["x", "é"])
@pytest.mark.parametrize("limit", [4_096, 500])
def test_the_last_4096_bytes_of_the_log_are_answered(letter, limit):
    sim = Simulation(settings=[] if limit == 4_096 else [LambdaLimits(log_tail_bytes=limit)])
    worker = sim.create_function("worker", lambda event, context: context.log(letter * event[0] + "x" * event[1]))
    worker.invoke()  # what follows is warm, and has no init in its report
    frame = len(tail_of(worker, [0, 0]))
    count, rest = divmod(limit - frame, len(letter.encode()))
    whole = tail_of(worker, [count, rest])
    assert len(whole) == limit
    assert whole.startswith(b"START RequestId: ")
    assert whole.decode().splitlines() == worker.invocations[-1].log_lines
    cut = tail_of(worker, [count, rest + 1])
    assert len(cut) == limit
    assert cut.startswith(b"TART RequestId: ")
    assert cut.decode().splitlines()[1:] == worker.invocations[-1].log_lines[1:]
    long = tail_of(worker, [10_000, 0])
    assert limit - 1 <= len(long) <= limit
    assert long.decode(errors="replace").splitlines()[1:] == worker.invocations[-1].log_lines[2:]


@pytest.mark.rule("LAM-062", "LAM-081")
@pytest.mark.parametrize(
    ("how", "ending"),
    [
        (lambda context: {}["missing"], "\tStatus: error\tError Type: KeyError"),
        (lambda context: context.sleep(10), "\tStatus: timeout"),
    ],
    ids=["exception", "timeout"],
)
def test_a_function_that_failed_has_its_log_too(sim, how, ending):
    worker = sim.create_function("worker", lambda event, context: how(context))
    result = worker.invoke(log_type="Tail")
    assert result.function_error == "Unhandled"
    assert base64.b64decode(result.log_result).decode().splitlines() == worker.invocations[0].log_lines
    assert worker.invocations[0].log_lines[-1].endswith(ending)


@pytest.mark.rule("LAM-047", "LAM-062")
def test_a_function_without_a_handler_has_no_lines(sim):
    assert tail_of(sim.create_function("worker")) == b""


@pytest.mark.rule("LAM-047", "LAM-026")
def test_the_log_names_the_version(sim):
    worker = sim.create_function("worker", lambda event, context: None)
    worker.publish_version()
    worker.create_alias("live", "1")
    for qualifier in ("1", "live", None):
        worker.invoke(qualifier=qualifier)
    first_lines = [invocation.log_lines[0] for invocation in worker.invocations]
    assert [line.rsplit(" ", 1)[1] for line in first_lines] == ["1", "1", "$LATEST"]
    assert all(line.startswith("START RequestId: ") for line in first_lines)


@pytest.mark.rule("LAM-047")
@pytest.mark.parametrize("form", FORMS)
def test_the_log_of_every_form_of_handler_is_in_order(sim, form):
    def how(event, context):
        context.log("before")
        yield 1
        context.log("after")

    worker = function_of(sim, form, how)
    text = tail_of(worker).decode().splitlines()
    (invocation,) = worker.invocations
    assert text == invocation.log_lines
    assert [text[1], text[2], text[3]] == ["before", "after", f"END RequestId: {invocation.request_id}"]
    assert "\tDuration: 1000.00 ms\tBilled Duration: 1000 ms\t" in text[4]


@pytest.mark.rule("LAM-047")
def test_what_a_handler_logged_before_it_was_cut_off_is_kept(sim):
    async def handler(event, context):
        context.log("before")
        await context.sleep(10)
        context.log("after")

    worker = sim.create_function("worker", handler)
    worker.invoke()
    lines = worker.invocations[0].log_lines
    assert "before" in lines
    assert "after" not in lines
    assert lines[-1].endswith("\tStatus: timeout")


@pytest.mark.rule("LAM-047")
def test_lines_of_two_invocations_on_two_environments_do_not_mix(sim):
    async def handler(event, context):
        context.log(f"{event} begins")
        await context.sleep(1)
        context.log(f"{event} ends")

    worker = sim.create_function("worker", handler)
    tasks = [
        sim.spawn(call(sim, worker, payload=json.dumps(name), log_type="Tail", at=at))
        for name, at in (("a", 0), ("b", 0.5))
    ]
    sim.run()
    for task, name in zip(tasks, "ab", strict=True):
        lines = base64.b64decode(task.result().log_result).decode().splitlines()
        assert lines[1:3] == [f"{name} begins", f"{name} ends"]


# ---- LAM-060 to LAM-064: types of invocation


@pytest.mark.rule("LAM-061", "LAM-062", "LAM-064")
def test_an_event_is_202_at_once_and_runs_afterwards(sim):
    seen = []
    worker = sim.create_function("worker", lambda event, context: seen.append((sim.now, event)), duration=2)
    sim.run(until=1)
    result = worker.invoke({"n": 1}, invocation_type="Event")
    assert (result.status_code, result.payload, result.function_error) == (202, b"", None)
    assert (result.executed_version, result.log_result) == (None, None)
    assert (sim.now, seen) == (1, [])
    sim.run()
    assert seen == [(1, {"n": 1})]
    assert sim.now == 3
    assert worker.invocations[0].is_async


@pytest.mark.rule("LAM-060")
@pytest.mark.parametrize("payload", [None, "", b""])
def test_an_event_without_a_payload_is_an_empty_object(sim, payload):
    seen = []
    worker = sim.create_function("worker", lambda event, context: seen.append(event))
    worker.invoke(payload, invocation_type="Event")
    worker.invoke_async({} if payload is None else payload)
    sim.run()
    assert seen == [{}, {}]


@pytest.mark.rule("LAM-060")
@pytest.mark.parametrize("given", [{"invocation_type": "Sync"}, {"invocation_type": "event"}, {"log_type": "All"}])
def test_a_type_that_there_is_not_is_refused_in_awss_words(sim, given):
    worker = sim.create_function("worker")
    ((name, value),) = given.items()
    field = {"invocation_type": "invocationType", "log_type": "logType"}[name]
    with pytest.raises(ValidationException) as refusal:
        worker.invoke(**given)
    assert refusal.value.message.startswith(
        f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: "
    )
    assert worker.snapshot().invocations == 0


@pytest.mark.rule("LAM-063")
@pytest.mark.parametrize("qualifier", [None, "$LATEST", "1", "live"])
def test_a_dry_run_of_a_qualifier_is_204_and_does_nothing(sim, qualifier):
    ran = []
    worker = sim.create_function("worker", lambda event, context: ran.append(event))
    worker.publish_version()
    worker.create_alias("live", "1")
    for payload in (None, "{", "x" * (REQUEST_MAX + 1)):
        result = worker.invoke(payload, invocation_type="DryRun", qualifier=qualifier, log_type="Tail")
        assert (result.status_code, result.payload, result.log_result) == (204, b"", None)
        assert sim.invoke("worker", payload, invocation_type="DryRun", qualifier=qualifier) == result
    sim.run_for(60)
    assert ran == []
    assert worker.snapshot().environments == worker.billed_mb_ms == 0
    assert metric(sim, "Invocations") == metric(sim, "ConcurrentExecutions", "Maximum") == []


@pytest.mark.rule("LAM-063", "LAM-065")
def test_a_dry_run_checks_name_and_existence(sim):
    sim.create_function("worker")
    with pytest.raises(ValidationException):
        sim.invoke("a b", invocation_type="DryRun")
    for ref in ("nobody", "worker:1", "worker:live"):
        with pytest.raises(ResourceNotFoundException):
            sim.invoke(ref, invocation_type="DryRun")


@pytest.mark.rule("LAM-063", "LAM-064")
def test_event_and_dry_run_can_be_called_inside_a_handler_and_a_callback(sim):
    seen = []
    other = sim.create_function("other", lambda event, context: seen.append((sim.now, event)))

    def handler(event, context):
        kinds = ("Event", "DryRun")
        return [other.invoke('"from a handler"', invocation_type=kind).status_code for kind in kinds]

    assert sim.create_function("worker", handler, duration=1).invoke().value == [202, 204]
    sim.call_at(2, lambda: other.invoke('"from a callback"', invocation_type="Event"))
    sim.run()
    assert seen == [(0, "from a handler"), (2, "from a callback")]


@pytest.mark.rule("LAM-064", "LAM-200")
def test_a_throttle_of_an_event_is_returned_to_its_queue_and_never_to_the_caller():
    sim = Simulation(concurrent_executions=1)
    seen = []
    worker = sim.create_function("worker", lambda event, context: seen.append(event), duration=2)
    sim.spawn(call(sim, worker, payload='"first"'))
    sim.run(until=1)
    assert worker.invoke('"second"', invocation_type="Event").status_code == 202
    sim.run(until=1)
    assert worker.snapshot().throttles == 1
    assert len(worker.events) == 1
    sim.run(until=60)
    assert seen == ["first", "second"]
    assert metric(sim, "Throttles") == [(0, 1)]
    assert metric(sim, "Invocations") == [(0, 2)]
    assert worker.events == ()


@pytest.mark.rule("LAM-060")
def test_a_process_can_invoke_in_every_way(sim):
    worker = sim.create_function("worker", lambda event, context: [event, context.client_context.custom])
    worker.publish_version()

    async def process():
        parameters = {"client_context": {"custom": {"k": 1}}, "log_type": "Tail", "qualifier": "1"}
        answer = await worker.wait_invoke('"x"', **parameters)
        dry = await worker.wait_invoke("{", invocation_type="DryRun")
        event = await worker.wait_invoke(invocation_type="Event", qualifier="1")
        return answer, dry, event

    task = sim.spawn(process())
    sim.run(until=1)
    answer, dry, event = task.result()
    assert (answer.value, answer.executed_version) == (["x", {"k": 1}], "1")
    assert answer.log_result is not None
    assert (dry.status_code, event.status_code) == (204, 202)


@pytest.mark.rule("LAM-061", "LAM-062")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_handler_answers_alike(sim, form):
    def how(event, context):
        yield 1
        return {"a": [1, 2], "b": event}

    worker = function_of(sim, form, how)
    result = worker.invoke('"é"')
    assert (result.status_code, result.function_error, result.executed_version) == (200, None, "$LATEST")
    assert result.payload == '{"a":[1,2],"b":"é"}'.encode()
    assert sim.now == 1


# ---- LAM-065: the order of refusals


NOT_JSON = "{"
TOO_LARGE = "{" * (REQUEST_MAX + 1)


@pytest.fixture(scope="module")
def crowded():
    """
    A chooser that has yet to refuse once, and a function without a unit and a request of this second left.

    What is called with all the flaws from a row on shows by its error that this row is checked first.
    """
    chooser = Says("lambda.service_error")
    sim = Simulation(concurrent_executions=1, choices=chooser, faults=LambdaFaults(service_error=0.5))
    worker = sim.create_function("worker", duration=Decimal("0.1"))
    for number in range(10):
        sim.spawn(call(sim, worker, at=number / 10))
    sim.run(until=0.95)
    chooser.answers.append(1)
    return sim, worker, chooser


ROWS = [
    (lambda sim: sim.invoke("no body", TOO_LARGE), ValidationException, None),
    (lambda sim: sim.invoke("nobody:b d", TOO_LARGE), ValidationException, None),
    (lambda sim: sim.invoke("worker", TOO_LARGE, qualifier="b d"), ValidationException, None),
    (lambda sim: sim.invoke("nobody", TOO_LARGE), ResourceNotFoundException, None),
    (lambda sim: sim.invoke("worker:1", TOO_LARGE), ResourceNotFoundException, None),
    (lambda sim: sim.invoke("worker:live", TOO_LARGE), ResourceNotFoundException, None),
    (lambda sim: sim.invoke("worker", TOO_LARGE), RequestTooLargeException, None),
    (lambda sim: sim.invoke("worker", NOT_JSON), InvalidRequestContentException, None),
    (lambda sim: sim.invoke("worker", "{}"), ServiceException, None),
    (lambda sim: sim.invoke("worker", "{}"), TooManyRequestsException, "FunctionInvocationRateLimitExceeded"),
]


def count_records(sim):
    """How much the trace holds of what happened, beside the choices that were made."""
    return sum(record.kind != "choice made" for record in sim.trace.records)


@pytest.mark.rule("LAM-065", "LAM-200")
def test_refusals_come_in_the_order_of_the_table_and_leave_no_mark_but_throttles(crowded):
    sim, worker, chooser = crowded
    for row, kind, reason in ROWS:
        before, trace = worker.snapshot(), count_records(sim)
        with pytest.raises(kind) as refusal:
            row(sim)
        assert type(refusal.value) is kind
        assert refusal.value.reason == reason
        assert worker.snapshot().throttles - before.throttles == (kind is TooManyRequestsException)
        assert worker.snapshot().invocations == before.invocations == 10
        assert count_records(sim) - trace == (kind is TooManyRequestsException)
    assert chooser.answers == []
    sim.run(until=60)
    assert metric(sim, "Invocations") == [(0, 10)]
    assert metric(sim, "Errors") == [(0, 0)]
    assert metric(sim, "Throttles") == [(0, 1)]
    assert worker.billed_mb_ms == 10 * 100 * 128
    sim.check_invariants()


@pytest.mark.rule("LAM-065", "LAM-200")
@pytest.mark.parametrize(
    ("at", "reason"),
    [
        ("0.850000", "ConcurrentInvocationLimitExceeded"),
        ("0.899999", "ConcurrentInvocationLimitExceeded"),
        ("0.999999", "FunctionInvocationRateLimitExceeded"),
        ("1.000000", None),
    ],
)
def test_the_rate_is_looked_at_before_concurrency(at, reason):
    sim = Simulation(concurrent_executions=1)
    worker = sim.create_function("worker", duration=Decimal("0.1"))
    for number in range(10):
        sim.spawn(call(sim, worker, at=number / 10))
    sim.run(until=Decimal(at))
    if reason is None:
        worker.invoke()
    else:
        with pytest.raises(TooManyRequestsException) as refusal:
            worker.invoke()
        assert refusal.value.reason == reason


@pytest.mark.rule("LAM-065", "LAM-084")
def test_a_fault_of_the_service_is_neither_an_invocation_nor_an_error_nor_a_throttle():
    chooser = Says("lambda.service_error", 1)
    sim = Simulation(choices=chooser, faults=LambdaFaults(service_error=0.5))
    ran = []
    worker = sim.create_function("worker", lambda event, context: ran.append(event))
    with pytest.raises(ServiceException) as refusal:
        worker.invoke(1)
    assert (refusal.value.message, refusal.value.http_status) == ("Internal service error (injected)", 500)
    assert refusal.value.sender_fault is False
    sim.run(until=60)
    for name in ("Invocations", "Errors", "Throttles", "Duration"):
        assert metric(sim, name) == []
    assert worker.billed_mb_ms == 0
    worker.invoke(2)
    assert ran == [2]


@pytest.mark.rule("LAM-060", "LAM-065")
@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_bytes_of_a_payload_are_utf_8(sim, kind, encoding):
    seen = []
    worker = sim.create_function("worker", lambda event, context: seen.append(event))
    with pytest.raises(InvalidRequestContentException):
        worker.invoke('"é"'.encode(encoding), invocation_type=kind)
    worker.invoke('"é"'.encode(), invocation_type=kind)
    sim.run()
    assert seen == ["é"]


# ---- LAM-066: sizes


@pytest.mark.rule("LAM-066", "LAM-060")
@pytest.mark.parametrize("form", ["plain", "coroutine"])
def test_the_largest_response_passes_in_every_form_and_one_byte_more_leaves_the_environment_usable(sim, form):
    def how(event, context):
        yield 1
        return "x" * (event - 2)

    worker = function_of(sim, form, how)
    assert len(worker.invoke(RESPONSE_MAX).payload) == RESPONSE_MAX
    result = worker.invoke(RESPONSE_MAX + 1)
    assert (result.status_code, result.function_error) == (200, "Unhandled")
    assert result.value["errorType"] == "Function.ResponseSizeTooLarge"
    assert worker.invocations[1].outcome is Outcome.TOO_LARGE
    assert worker.invoke(100).function_error is None
    assert worker.snapshot().cold_starts == 1
    assert worker.billed_mb_ms == 3 * 1_000 * 128


@pytest.mark.rule("LAM-066")
def test_a_request_of_an_alias_has_the_same_limit(sim):
    worker = sim.create_function("worker")
    worker.publish_version()
    worker.create_alias("live", "1")
    assert worker.invoke('"' + "x" * (REQUEST_MAX - 2) + '"', qualifier="live").status_code == 200
    with pytest.raises(RequestTooLargeException):
        worker.invoke('"' + "x" * (REQUEST_MAX - 1) + '"', qualifier="live")


@pytest.mark.rule("LAM-067")
@pytest.mark.parametrize("form", FORMS)
def test_a_synchronous_call_that_failed_is_not_tried_again(sim, form):
    def how(event, context):
        yield 1
        raise OSError

    worker = function_of(sim, form, how)
    worker.invoke()
    sim.run_for(30_000)
    assert worker.snapshot().invocations == 1
    assert worker.events == ()


# ---- LAM-080 to LAM-084: failures of every form


def raises(error):
    def how(event, context):
        yield 0.5
        raise error

    return how


def returns(value):
    def how(event, context):
        yield 0.5
        return value

    return how


def sleeps(event, context):
    yield 0.5
    yield 100


CAUSES = {
    "exception": (raises(LookupError("no such order")), "LookupError", Outcome.ERROR, True),
    "unserialisable": (returns({1, 2}), "Runtime.MarshalError", Outcome.UNSERIALISABLE, True),
    "exit": (raises(SystemExit(3)), "Runtime.ExitError", Outcome.EXIT, False),
    "timeout": (sleeps, "Sandbox.Timedout", Outcome.TIMEOUT, False),
}


@pytest.mark.rule("LAM-080", "LAM-081", "LAM-083", "LAM-084")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("kind", ["Unhandled", "Handled"])
def test_each_cause_in_each_form_fails_alike(form, cause, kind):
    sim = Simulation(settings=[RuntimeModel(error_kind=kind)])
    how, error_type, outcome, stays_warm = CAUSES[cause]
    seen = []

    def handler(event, context):
        environment = context.environment
        seen.append((environment.id, context.log_stream_name, dict(environment.state), dict(environment.tmp)))
        environment.state["kept"] = environment.tmp["kept"] = len(seen)
        return (yield from how(event, context)) if event == "fails" else None

    worker = function_of(sim, form, handler)
    result = worker.invoke('"fails"')
    assert (result.status_code, result.function_error, result.value["errorType"]) == (200, kind, error_type)
    assert worker.invocations[0].outcome is outcome
    assert sim.now == (3 if cause == "timeout" else 0.5)
    assert worker.invoke('"works"').function_error is None
    (identity, stream, _, _), second = seen
    assert second == (identity, stream, {"kept": 1} if stays_warm else {}, {"kept": 1})
    assert worker.snapshot().errors == 1
    assert worker.snapshot().cold_starts == 1
    sim.run(until=60)
    assert metric(sim, "Errors") == [(0, 1)]
    assert metric(sim, "Invocations") == [(0, 2)]
    sim.check_invariants()


@pytest.mark.rule("LAM-081")
@pytest.mark.parametrize("form", FORMS)
def test_the_payload_of_an_exception_has_its_request_and_its_stack_in_every_form(sim, form):
    worker = function_of(sim, form, raises(LookupError("no such order")))
    value = worker.invoke().value
    assert list(value) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert (value["errorMessage"], value["requestId"]) == ("no such order", worker.invocations[0].request_id)
    assert "raise error" in value["stackTrace"][-1]


@pytest.mark.rule("LAM-081")
@pytest.mark.parametrize("form", [*FORMS, "factory"])
def test_a_stack_begins_with_the_code_of_the_user_as_that_of_awss_runtime_does(sim, form):
    async def coroutine(event, context):
        raise OSError

    def plain(*_):
        raise OSError

    if form == "factory":
        worker = sim.create_function("worker", init=plain)
    else:
        execution = "interleaved" if form == "interleaved" else "plain"
        worker = sim.create_function("worker", coroutine if form == "coroutine" else plain, execution=execution)
    (line,) = worker.invoke().value["stackTrace"]
    assert line.startswith(f'  File "{__file__}", line ')
    assert "raise OSError" in line


# ---- LAM-081 and LAM-083: init


@pytest.mark.rule("LAM-081", "LAM-084", "LAM-120")
def test_an_exception_in_the_factory_is_an_error_without_a_request_and_destroys_the_environment(sim):
    attempts = []

    def factory():
        attempts.append(sim.now)
        if len(attempts) < 3:
            msg = "no connection"
            raise ConnectionError(msg)
        return lambda event, context: context.environment.id

    worker = sim.create_function("worker", init=factory, settings=[ColdStartModel(init_s=1)])
    for number in range(2):
        result = worker.invoke()
        assert (result.status_code, result.function_error) == (200, "Unhandled")
        assert list(result.value) == ["errorMessage", "errorType", "requestId", "stackTrace"]
        assert (result.value["errorMessage"], result.value["errorType"]) == ("no connection", "ConnectionError")
        assert result.value["requestId"] == ""
        invocation = worker.invocations[number]
        assert (invocation.outcome, invocation.duration_us) == (Outcome.INIT_ERROR, 0)
        assert worker.snapshot().environments == 0
    assert worker.invoke().value == "C"
    assert worker.snapshot().errors == 2
    assert worker.snapshot().cold_starts == 3
    sim.run(until=60)
    assert metric(sim, "Errors") == [(0, 2)]
    assert metric(sim, "Invocations") == [(0, 3)]
    sim.check_invariants()


@pytest.mark.rule("LAM-081")
@pytest.mark.parametrize("kind", ["Unhandled", "Handled"])
def test_the_kind_of_an_error_of_init_is_that_of_all_errors(kind):
    sim = Simulation(settings=[RuntimeModel(error_kind=kind)])

    def factory():
        raise KeyError

    assert sim.create_function("worker", init=factory).invoke().function_error == kind


@pytest.mark.rule("LAM-081")
@pytest.mark.parametrize(
    ("handler", "error_type", "text"),
    [
        (
            "no_such_module_of_tests.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'no_such_module_of_tests': No module named 'no_such_module_of_tests'",
        ),
        ("json.nothing", "Runtime.HandlerNotFound", "Handler 'nothing' missing on module 'json'"),
        (
            "nodot",
            "Runtime.MalformedHandlerName",
            "Bad handler 'nodot': not enough values to unpack (expected 2, got 1)",
        ),
    ],
)
def test_a_handler_by_text_that_cannot_be_found_is_an_error_of_init(sim, handler, error_type, text):
    worker = sim.create_function("worker", handler)
    result = worker.invoke()
    assert result.function_error == "Unhandled"
    assert result.value == {"errorMessage": text, "errorType": error_type, "requestId": "", "stackTrace": []}
    assert worker.invocations[0].outcome is Outcome.INIT_ERROR
    assert worker.snapshot().environments == 0


@pytest.mark.rule("LAM-083")
def test_a_reset_makes_the_factory_run_again_inside_the_invoke_phase(sim):
    made = []

    def factory():
        made.append(sim.now)
        number = len(made)

        def handler(event, context):
            if event == "exit":
                raise SystemExit(1)
            context.sleep(event)
            return number

        return handler

    worker = sim.create_function("worker", init=factory, duration=0, settings=[ColdStartModel(init_s=2)], timeout=3)
    assert worker.invoke(0.5).value == 1
    worker.invoke('"exit"')
    assert sim.now == 2.5
    result = worker.invoke(1)
    assert result.value == 2
    again = worker.invocations[2]
    assert (again.duration_us, again.init_us, again.billed_ms) == (3_000_000, None, 3_000)
    assert "Init Duration" not in again.log_lines[-1]
    assert made == [0, 2.5]
    assert worker.invoke(0.25).value == 2
    assert worker.invocations[3].duration_us == 250_000
    worker.invoke('"exit"')
    assert worker.invoke(1.000001).value["errorType"] == "Sandbox.Timedout"
    assert worker.snapshot().cold_starts == 1


@pytest.mark.rule("LAM-083", "LAM-101")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cause", ["timeout", "exit"])
@pytest.mark.parametrize(
    ("needs", "is_timeout"), [(1 - US, False), (Decimal(1), False), (1 + US, True)], ids=["before", "at", "after"]
)
def test_the_init_repeated_after_a_reset_counts_against_the_timeout_in_every_form(sim, form, cause, needs, is_timeout):
    remaining = []

    def how(event, context):
        remaining.append(context.get_remaining_time_in_millis())
        if event == "exit":
            raise SystemExit(1)
        yield 100 if event == "timeout" else needs

    worker = function_of(sim, form, how, timeout=3, settings=[ColdStartModel(init_s=2)])
    worker.invoke(json.dumps(cause))
    worker.invoke(1)
    worker.invoke(1)
    _, second, third = worker.invocations
    assert remaining == [3_000, 1_000, 3_000 if not is_timeout else 1_000]
    assert second.is_error is is_timeout
    assert second.duration_us == (3_000_000 if is_timeout else int((2 + needs) / US))
    assert second.init_us is None
    assert third.is_error is is_timeout
    assert third.duration_us == (3_000_000 if is_timeout else int(needs / US))
    assert worker.snapshot().cold_starts == 1


@pytest.mark.rule("LAM-126", "LAM-101")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("init", "runs"), [(12 - US, True), (Decimal(12), True), (12 + US, False)], ids=["before", "at", "after"]
)
def test_a_handler_runs_if_the_repeated_init_leaves_it_an_instant(sim, form, init, runs):
    ran = []

    def how(event, context):
        ran.append(context.get_remaining_time_in_millis())
        yield 0

    worker = function_of(sim, form, how, timeout=12, settings=[ColdStartModel(init_s=init)])
    assert (worker.invoke().function_error is None) is runs
    assert ran == ([0] if runs else [])
    assert worker.invocations[0].duration_us == min(12_000_000, int(init / US))


@pytest.mark.rule("LAM-126")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("init", "init_us", "duration_us"),
    [(10, 10_000_000, 1_000_000), (10 + US, 10_000_000, 11_000_001)],
    ids=["at", "after"],
)
def test_an_init_that_is_cut_is_done_again_in_every_form(sim, form, init, init_us, duration_us):
    def how(event, context):
        yield 1

    worker = function_of(sim, form, how, timeout=30, settings=[ColdStartModel(init_s=init)])
    worker.invoke()
    (invocation,) = worker.invocations
    assert (invocation.init_us, invocation.duration_us) == (init_us, duration_us)
    assert sim.now_us == init_us + duration_us


# ---- LAM-100 to LAM-102: timeouts of every form


@pytest.mark.rule("LAM-100", "LAM-101")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("needs", "is_timeout", "ends_us"),
    [(3 - US, False, 6_999_999), (Decimal(3), False, 7_000_000), (3 + US, True, 7_000_000)],
    ids=["before", "at", "after"],
)
def test_the_timeout_counts_from_the_start_of_the_handler_in_every_form(sim, form, needs, is_timeout, ends_us):
    def how(event, context):
        yield 1
        yield needs - 1
        return "done"

    worker = function_of(sim, form, how, timeout=3, settings=[ColdStartModel(placement_s=1, init_s=3)])
    result = worker.invoke()
    assert (result.function_error is not None) is is_timeout
    assert sim.now_us == ends_us
    assert worker.invocations[0].duration_us == ends_us - 4_000_000
    assert worker.snapshot().in_flight == 0


@pytest.mark.rule("LAM-101")
@pytest.mark.parametrize("form", FORMS)
def test_a_timeout_in_every_form_frees_the_unit_at_its_deadline(form):
    sim = Simulation(concurrent_executions=1)
    worker = function_of(sim, form, sleeps, timeout=2)
    sim.spawn(call(sim, worker))
    sim.run(until=2 - US)
    with pytest.raises(TooManyRequestsException):
        worker.invoke()
    sim.run(until=2)
    assert worker.snapshot().in_flight == 0
    assert worker.invoke().value["errorType"] == "Sandbox.Timedout"


@pytest.mark.rule("LAM-101", "LAM-042")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("duration", "is_timeout"), [(1 - US, False), (Decimal(1), False), (1 + US, True)])
def test_sleeps_and_duration_together_decide(sim, form, duration, is_timeout):
    def how(event, context):
        yield 2
        return "done"

    worker = function_of(sim, form, how, duration=duration)
    assert (worker.invoke().function_error is not None) is is_timeout


@pytest.mark.rule("LAM-102", "LAM-045")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("needs", [3 - US, Decimal(3), 3 + US], ids=["before", "at", "after"])
def test_half_of_the_work_is_done_when_the_second_half_does_not_fit(sim, form, needs):
    queue = sim.create_queue("orders")

    def how(event, context):
        queue.send_message("first half")
        yield needs
        queue.send_message("second half")

    function_of(sim, form, how).invoke()
    wanted = ["first half"] if needs > 3 else ["first half", "second half"]
    assert [message.body for message in queue.messages] == wanted


@pytest.mark.rule("LAM-102", "LAM-041")
@pytest.mark.parametrize("form", FORMS)
def test_effects_after_a_sleep_happen_at_once_in_a_plain_handler_and_at_their_time_in_the_others(sim, form):
    queue = sim.create_queue("orders")

    def how(event, context):
        yield 2
        queue.send_message("late")

    function_of(sim, form, how).invoke()
    assert queue.messages[0].sent_at_us == (0 if form == "plain" else 2_000_000)


# ---- LAM-120 to LAM-129: environments


@pytest.mark.rule("LAM-120")
def test_an_environment_is_of_one_kind(sim):
    worker = sim.create_function("worker", lambda event, context: context.environment.id)
    worker.publish_version()
    worker.invoke(qualifier="1")
    worker.put_provisioned_concurrency_config("1", 1)
    sim.run(until=100)
    worker.invoke(qualifier="1")
    worker.delete_provisioned_concurrency_config("1")
    worker.invoke(qualifier="1")
    first, second, third = worker.invocations
    assert second.environment is not first.environment
    assert third.environment is first.environment
    assert [invocation.is_cold_start for invocation in worker.invocations] == [True, False, False]


@pytest.mark.rule("LAM-126")
def test_provisioned_init_may_take_longer_than_10_s(sim):
    worker = sim.create_function("worker", duration=1, settings=[ColdStartModel(init_s=100)])
    worker.publish_version()
    worker.put_provisioned_concurrency_config("1", 1)
    ready_us = 60_000_000 + 10_000 + 100_000_000
    sim.run(until_us=ready_us - 1)
    assert worker.get_provisioned_concurrency_config("1").status == "IN_PROGRESS"
    sim.run(until_us=ready_us)
    assert worker.get_provisioned_concurrency_config("1").status == "READY"
    worker.invoke(qualifier="1")
    (invocation,) = worker.invocations
    assert (invocation.duration_us, invocation.admitted_at_us) == (1_000_000, invocation.started_at_us)


@pytest.mark.rule("LAM-126", "LAM-083")
def test_a_factory_that_takes_too_long_is_made_again_inside_the_invoke_phase(sim):
    made = []

    def factory():
        made.append(sim.now)
        return lambda event, context: len(made)

    worker = sim.create_function("worker", init=factory, duration=1, timeout=20, settings=[ColdStartModel(init_s=12)])
    assert worker.invoke().value == 2
    assert made == [0, 10]
    (invocation,) = worker.invocations
    assert (invocation.init_us, invocation.duration_us) == (10_000_000, 13_000_000)
    assert "\tInit Duration: 10000.00 ms" in invocation.log_lines[-1]


@pytest.mark.rule("LAM-123", "LAM-041")
def test_the_factory_runs_at_the_begin_of_the_init_phase_and_its_sleeps_add_to_it(sim):
    made = []

    def factory():
        made.append(sim.now)
        time.sleep(0.5)
        return lambda event, context: sim.now

    worker = sim.create_function("worker", init=factory, duration=0, settings=[ColdStartModel(placement_s=1, init_s=2)])
    assert worker.invoke().value == 3.5
    assert made == [1]
    assert worker.invocations[0].init_us == 2_500_000


@pytest.mark.rule("LAM-126", "LAM-041")
@pytest.mark.parametrize(
    ("sleeps", "times", "init_us", "duration_us"),
    [(Decimal(3), 1, 10_000_000, 1_000_000), (3 + US, 2, 10_000_000, 11_000_001)],
    ids=["at", "after"],
)
def test_what_a_factory_sleeps_counts_to_the_limit_of_the_init_and_is_slept_again(
    sim, sleeps, times, init_us, duration_us
):
    made = []

    def factory():
        made.append(sim.now)
        time.sleep(float(sleeps))
        return lambda event, context: None

    worker = sim.create_function("worker", init=factory, duration=1, timeout=30, settings=[ColdStartModel(init_s=7)])
    assert worker.invoke().function_error is None
    (invocation,) = worker.invocations
    assert len(made) == times
    assert (invocation.init_us, invocation.duration_us) == (init_us, duration_us)
    assert worker.invoke().function_error is None
    assert worker.invocations[1].duration_us == 1_000_000


@pytest.mark.rule("LAM-122", "LAM-120")
def test_ids_of_environments_follow_creation_across_versions(sim):
    worker = sim.create_function("worker", lambda event, context: context.environment.id)
    worker.publish_version()
    answers = [worker.invoke(qualifier=qualifier).value for qualifier in (None, "1")]
    assert answers == ["A", "B"]
    assert [invocation.environment.number for invocation in worker.invocations] == [1, 2]


@pytest.mark.rule("LAM-129")
def test_the_environments_of_latest_can_be_counted(sim):
    worker = sim.create_function("worker", duration=1)
    for at in (0, 0.5):
        sim.spawn(call(sim, worker, at=at))
    for until, alive, busy, idle in ((0.5, 2, 2, 0), (1, 2, 1, 1), (1.5, 2, 0, 2), (601, 1, 0, 1), (601.5, 0, 0, 0)):
        sim.run(until=until)
        found = worker.environments
        assert (found.alive, found.busy, found.idle, found.cold_starts) == (alive, busy, idle, 2)


@pytest.mark.rule("LAM-121", "LAM-125")
@pytest.mark.parametrize("form", FORMS)
def test_environments_are_used_again_in_every_form(sim, form):
    def how(event, context):
        yield 1
        return context.environment.id

    worker = function_of(sim, form, how)
    tasks = [sim.spawn(call(sim, worker, at=at)) for at in (0, 0.5, 1, 2)]
    sim.run()
    assert [task.result().value for task in tasks] == ["A", "B", "A", "A"]


@pytest.mark.rule("LAM-062")
def test_results_are_json_of_the_answer(sim):
    worker = sim.create_function("worker", lambda event, context: event)
    for value in (None, True, 0, 1.5, "é", [], {"k": [None]}):
        result = worker.invoke(json.dumps(value))
        assert json.loads(result.payload) == result.value == value
