"""Handlers that misbehave, in every form: what they do is an outcome (LAM-081), and the simulation stays usable."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import os
import sys
import time
import weakref
from contextlib import suppress
from decimal import Decimal

import pytest
from greenlet import greenlet

from lambdasim import RedrivePolicy, RuntimeModel, Simulation
from lambdasim.errors import LambdasimError, SimulationStalledError, UsageError
from lambdasim.lambda_ import InvocationTimedOut, Outcome

FORMS = ("plain", "interleaved", "coroutine", "factory")


def given_as(form, body):
    """Return arguments of `create_function`: a handler in this form that returns what *body* does, or raises it."""

    def handler(event, context):
        return body(event, context)

    async def coroutine(event, context):
        return body(event, context)

    return {
        "plain": {"handler": handler, "execution": "plain"},
        "interleaved": {"handler": handler, "execution": "interleaved"},
        "coroutine": {"handler": coroutine},
        "factory": {"init": lambda: handler},
    }[form]


def raising(error):
    def body(event, context):
        raise error

    return body


def assert_usable(sim, worker=None):
    """The simulation goes on: nothing is in flight, and another function does its work."""
    if worker is not None:
        assert 0 == worker.snapshot().in_flight
        assert 0 == worker.pool.in_flight
    sim.check_invariants()
    before_us = sim.now_us
    name = f"usable-{len(sim.functions)}"
    other = sim.create_function(name, lambda event, context: os.environ["AWS_LAMBDA_FUNCTION_NAME"], duration=1)
    assert name == other.invoke().value
    assert before_us + 1_000_000 == sim.now_us
    assert time.time() > 1_700_000_000
    assert "AWS_LAMBDA_FUNCTION_NAME" not in os.environ


# ---- exceptions of every kind


class Unprintable(Exception):  # noqa: N818
    def __str__(self):
        raise ValueError("cannot be printed")

    __repr__ = __str__


class UnprintableToo(Exception):  # noqa: N818
    def __str__(self):
        return 5  # noqa: PLE0307 - that is what is wrong with it

    def __repr__(self):
        sys.exit("nor shown")


class Uncopyable(Exception):  # noqa: N818
    def __init__(self, *, needed):
        super().__init__(needed)
        self.lock = needed

    def __reduce__(self):
        raise TypeError("cannot be copied")

    def __deepcopy__(self, memo):
        raise TypeError("cannot be copied")


class Falsy(Exception):  # noqa: N818
    def __bool__(self):
        raise RuntimeError("neither true nor false")

    def __eq__(self, other):
        raise RuntimeError("nor equal to anything")

    __hash__ = None


class NoName(type):
    @property
    def __name__(cls):
        raise RuntimeError("nameless")


ERRORS = {
    "unprintable": Unprintable(),
    "text that is no text": UnprintableToo(),
    "uncopyable": Uncopyable(needed=object()),
    "falsy": Falsy(),
    "nameless": NoName("Nameless", (Exception,), {})(),
    "group": ExceptionGroup("many", [ValueError("a"), KeyError("b")]),
    "huge": ValueError("x" * 1_000_000),
    "surrogate": ValueError("\udc80"),
    "many arguments": ValueError(1, [2], {"a": {3}}),
    "no text": ValueError(),
    "stop iteration": StopIteration(5),
    "stop async iteration": StopAsyncIteration(5),
    "recursion": RecursionError("deep"),
    "memory": MemoryError(),
    "operating system": FileNotFoundError(2, "No such file", "x"),
    "unicode": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    "ours": UsageError("of the simulator"),
    "of the engine": SimulationStalledError("of the simulator"),
    "cancelled": asyncio.InvalidStateError("x"),
    "timeout": TimeoutError("of its own"),
    "connection": ConnectionResetError("x"),
}


@pytest.mark.rule("LAM-081", "LAM-084")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_any_exception_is_an_outcome_with_an_answer_and_a_log(sim, form, error):
    worker = sim.create_function("worker", **given_as(form, raising(error)))
    result = worker.invoke()
    assert (200, "Unhandled") == (result.status_code, result.function_error)
    value = json.loads(result.payload)
    assert {"errorMessage", "errorType", "requestId", "stackTrace"} == set(value)
    assert isinstance(value["errorMessage"], str)
    assert isinstance(value["errorType"], str)
    invocation = worker.invocations[0]
    assert Outcome.ERROR is invocation.outcome
    assert invocation.log_lines[-1].startswith("REPORT RequestId: ")
    if form != "coroutine" or not isinstance(error, StopIteration | StopAsyncIteration):
        assert invocation.exception is error
    assert 1 == worker.snapshot().errors
    assert isinstance(repr(invocation), str)
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-081", "LAM-083")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "Runtime exited without providing a reason"),
        (None, "Runtime exited without providing a reason"),
        (1, "Runtime exited with error: exit status 1"),
        (255, "Runtime exited with error: exit status 255"),
        (True, "Runtime exited with error: exit status 1"),
        ("a message", "Runtime exited with error: exit status 1"),
        (["a list"], "Runtime exited with error: exit status 1"),
        (2.5, "Runtime exited with error: exit status 1"),
        ("", "Runtime exited with error: exit status 1"),
    ],
)
def test_leaving_the_process_is_an_outcome_with_the_status_that_python_would_give_it(sim, form, code, text):
    """Whatever is neither a number nor None is printed, and the status is 1."""
    worker = sim.create_function("worker", **given_as(form, lambda event, context: sys.exit(code)))
    value = worker.invoke().value
    request_id = worker.invocations[0].request_id
    assert {"errorMessage": f"RequestId: {request_id} Error: {text}", "errorType": "Runtime.ExitError"} == value
    assert Outcome.EXIT is worker.invocations[0].outcome
    assert (1, 1) == (worker.snapshot().cold_starts, worker.snapshot().idle)
    assert_usable(sim, worker)


LEAVING = {
    "assertion": AssertionError("wrong total"),
    "interrupt": KeyboardInterrupt(),
    "generator exit": GeneratorExit(),
    "cancelled": asyncio.CancelledError(),
    "own": type("Own", (BaseException,), {})("x"),
    "group": BaseExceptionGroup("many", [KeyboardInterrupt()]),
}


@pytest.mark.rule("LAM-081")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("slept", [0, 1])
@pytest.mark.parametrize("error", LEAVING.values(), ids=LEAVING)
def test_what_leaves_run_leaves_it_with_the_very_object_and_the_simulation_is_usable(sim, form, slept, error):
    queue = sim.create_queue("orders", visibility_timeout=30)

    def handler(event, context):
        context.sleep(slept)
        raise error

    async def coroutine(event, context):
        await context.sleep(slept)
        raise error

    given = given_as(form, handler) | ({"handler": coroutine} if form == "coroutine" else {})
    worker = sim.create_function("worker", **given)
    sim.create_event_source_mapping(queue, worker)
    queue.send_message("a")
    with pytest.raises(type(error)) as left:
        sim.run()
    assert left.value is error
    sim.check_invariants()
    sim.run(until=20)
    assert (0, 1) == (worker.snapshot().in_flight, worker.snapshot().errors)
    assert (Outcome.ERROR if isinstance(error, AssertionError) else Outcome.EXIT) is worker.invocations[0].outcome
    assert worker.invocations[0].exception is error
    assert 1 == queue.snapshot().in_flight  # to come back, as after any failure
    with pytest.raises(type(error)):
        sim.run(until=31)
    assert_usable(sim)


@pytest.mark.rule("LAM-081")
@pytest.mark.parametrize("form", FORMS)
def test_an_assertion_leaves_run_right_after_its_event_and_nothing_else_is_lost(sim, form):
    ran = []

    def body(event, context):
        ran.append(event)
        assert event != 1, "wrong"

    worker = sim.create_function("worker", **given_as(form, body))
    for number in range(3):
        worker.invoke(number, invocation_type="Event")
    worker.put_function_event_invoke_config(maximum_retry_attempts=0)
    with pytest.raises(AssertionError, match="wrong"):
        sim.run()
    sim.run()
    assert [0, 1, 2] == ran
    assert (3, 1) == (worker.snapshot().invocations, worker.snapshot().errors)
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-081")
@pytest.mark.parametrize("form", FORMS)
def test_an_assertion_leaves_every_way_of_running(sim, form):
    worker = sim.create_function("worker", **given_as(form, raising(AssertionError("x"))))
    worker.put_function_event_invoke_config(maximum_retry_attempts=0)
    ways = (
        worker.invoke,
        lambda: (worker.invoke(invocation_type="Event"), sim.run()),
        lambda: (worker.invoke(invocation_type="Event"), sim.run_for(1)),
        lambda: (worker.invoke(invocation_type="Event"), [sim.step() for _ in range(10)]),
        lambda: (worker.invoke(invocation_type="Event"), sim.run_until(lambda: False, timeout=1)),
    )
    for way in ways:
        with pytest.raises(AssertionError, match="x"):
            way()
        sim.run_for(1)
    assert len(ways) == worker.snapshot().errors
    assert_usable(sim, worker)


# ---- recursion


def recurse(depth):
    return recurse(depth + 1) + 1


def recurse_in_str(depth):
    class Deep:
        def __str__(self):
            return str(Deep())

    return str(Deep())


def recurse_in_json(depth):
    nest = []
    for _ in range(200_000):
        nest = [nest]
    return nest


@pytest.mark.rule("LAM-081")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (lambda event, context: recurse(0), "RecursionError"),
        (lambda event, context: recurse_in_str(0), "RecursionError"),
        (lambda event, context: recurse_in_json(0), "Runtime.MarshalError"),
    ],
    ids=["function", "str", "result"],
)
def test_infinite_recursion_is_an_outcome(sim, form, body, kind):
    worker = sim.create_function("worker", **given_as(form, body))
    for _ in range(2):
        assert kind == worker.invoke().value["errorType"]
    assert 1 == worker.snapshot().cold_starts
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-081")
def test_a_recursion_that_sleeps_at_its_bottom_is_one_too(sim):
    def deep(depth):
        try:
            return deep(depth + 1)
        except RecursionError:
            time.sleep(0.001)
            raise

    worker = sim.create_function("worker", lambda event, context: deep(0), execution="interleaved", timeout=60)
    tasks = [sim.spawn(worker.wait_invoke()) for _ in range(3)]
    sim.run()
    assert ["RecursionError"] * 3 == [task.result().value["errorType"] for task in tasks]
    assert_usable(sim, worker)


# ---- results


class Sly(dict):
    def items(self):
        raise KeyError("not today")


def circle():
    ring = {}
    ring["self"] = ring
    return ring


def generator(event, context):
    yield 1


async def async_generator(event, context):
    yield 1


RESULTS = {
    "set": lambda: {1, 2},
    "bytes": lambda: b"x",
    "object": object,
    "nan": lambda: float("nan"),
    "infinity": lambda: {"a": [float("-inf")]},
    "circle": circle,
    "tuple as key": lambda: {(1, 2): 3},
    "sly": lambda: {"a": Sly(b=1)},
    "function": lambda: circle,
    "class": lambda: Sly,
    "generator": lambda: (n for n in (1, 2)),
    "surrogate": lambda: "\ud800",
    "exception": lambda: ValueError("x"),
    "mixed keys": lambda: {object(): 1},
    "huge number": lambda: 10**5_000,
}


@pytest.mark.rule("LAM-081", "LAM-062")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("make", RESULTS.values(), ids=RESULTS)
def test_a_result_that_json_cannot_hold_is_a_marshal_error_and_the_environment_stays_warm(sim, form, make):
    runs = []

    def body(event, context):
        runs.append(context.environment.state.get("runs", 0))
        context.environment.state["runs"] = runs[-1] + 1
        return make()

    worker = sim.create_function("worker", **given_as(form, body))
    value = worker.invoke().value
    assert {
        "errorMessage": value["errorMessage"],
        "errorType": "Runtime.MarshalError",
        "requestId": worker.invocations[0].request_id,
        "stackTrace": [],
    } == value
    assert value["errorMessage"].startswith("Unable to marshal response: ")
    assert Outcome.UNSERIALISABLE is worker.invocations[0].outcome
    worker.invoke()
    assert [0, 1] == runs
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-081")
def test_a_marshal_error_says_what_could_not_be_marshalled(sim):
    worker = sim.create_function("worker", lambda event, context: [{"a": {1, 2}}])
    text = "Unable to marshal response: Object of type set is not JSON serializable"
    assert text == worker.invoke().value["errorMessage"]


@pytest.mark.rule("LAM-040")
@pytest.mark.parametrize("form", FORMS)
def test_decimals_are_numbers_as_in_awss_runtime(sim, form):
    worker = sim.create_function("worker", **given_as(form, lambda event, context: {"total": Decimal("12.50")}))
    assert b'{"total":12.5}' == worker.invoke().payload


@pytest.mark.rule("LAM-081", "LAM-041")
@pytest.mark.parametrize("execution", ["plain", "interleaved"])
@pytest.mark.parametrize("handler", [generator, async_generator])
def test_a_generator_function_is_a_marshal_error_and_never_runs(sim, execution, handler):
    worker = sim.create_function("worker", handler, execution=execution)
    assert "Runtime.MarshalError" == worker.invoke().value["errorType"]
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-081", "LAM-041")
@pytest.mark.parametrize("execution", ["plain", "interleaved"])
def test_a_plain_function_that_returns_a_coroutine_is_one_too(sim, execution):
    made = []

    async def wait():
        raise AssertionError("nobody awaits this")

    def handler(event, context):
        made.append(wait())
        return made[0]

    worker = sim.create_function("worker", handler, execution=execution)
    assert "Runtime.MarshalError" == worker.invoke().value["errorType"]
    made[0].close()
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-066", "LAM-081")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("size", "is_error"), [(6_291_556, False), (6_291_557, True), (30_000_000, True)])
def test_a_huge_result_is_a_function_error_and_the_environment_stays_warm(sim, form, size, is_error):
    worker = sim.create_function("worker", **given_as(form, lambda event, context: "x" * (event - 2)))
    result = worker.invoke(size)
    assert is_error is (result.function_error is not None)
    if is_error:
        assert (
            b'{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
            b'"errorType":"Function.ResponseSizeTooLarge"}'
        ) == result.payload
    assert 1 == worker.snapshot().idle
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-040", "LAM-062")
@pytest.mark.parametrize("form", FORMS)
def test_a_result_that_changes_after_the_return_has_crossed_the_boundary_before(sim, form):
    kept = {"list": [1]}
    worker = sim.create_function("worker", duration=1, **given_as(form, lambda event, context: kept))
    sim.call_at(0.5, kept["list"].append, 2)
    assert {"list": [1]} == worker.invoke().value


# ---- calls that a handler must not make


DRIVING = {
    "run": lambda sim: sim.run(),
    "run until": lambda sim: sim.run(until=100),
    "run for": lambda sim: sim.run_for(100),
    "run until it holds": lambda sim: sim.run_until(lambda: True),
    "step": lambda sim: sim.step(),
}


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("drive", DRIVING.values(), ids=DRIVING)
def test_a_handler_that_drives_time_is_told_that_it_cannot(sim, form, drive):
    worker = sim.create_function("worker", **given_as(form, lambda event, context: drive(sim)))
    assert "UsageError" == worker.invoke().value["errorType"]
    assert isinstance(worker.invocations[0].exception, UsageError)
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("form", ["plain", "coroutine", "factory"])
def test_a_handler_that_cannot_be_suspended_cannot_invoke_and_wait(sim, form):
    other = sim.create_function("other")
    worker = sim.create_function("worker", **given_as(form, lambda event, context: other.invoke().value))
    assert "UsageError" == worker.invoke().value["errorType"]
    assert 0 == other.snapshot().invocations
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-041", "LAM-063")
@pytest.mark.parametrize("form", FORMS)
def test_every_handler_may_hand_over_events_and_ask_whether_it_could(sim, form):
    other = sim.create_function("other")

    def body(event, context):
        return [other.invoke(invocation_type=kind).status_code for kind in ("Event", "DryRun")]

    assert [202, 204] == sim.create_function("worker", **given_as(form, body)).invoke().value
    sim.run()
    assert 1 == other.snapshot().invocations


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("form", FORMS)
def test_a_handler_that_invokes_itself_by_events_goes_on_until_it_stops(sim, form):
    ran = []

    def body(event, context):
        ran.append(event)
        if event:
            sim.function(context.function_name).invoke(event - 1, invocation_type="Event")

    worker = sim.create_function("worker", **given_as(form, body))
    worker.invoke(20)
    sim.run()
    assert list(range(20, -1, -1)) == ran
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-041", "LAM-150")
def test_a_handler_that_invokes_itself_without_end_runs_into_the_limit_of_the_account(sim):
    sim = Simulation(concurrent_executions=50, execution="interleaved")
    worker = sim.create_function("worker", lambda event, context: worker.invoke().value, timeout=900)
    assert "TooManyRequestsException" == worker.invoke().value["errorType"]
    assert 50 == worker.snapshot().invocations
    assert 1 == worker.snapshot().throttles
    assert 0 == sim.now
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("form", FORMS)
def test_a_handler_may_delete_its_queue(sim, form):
    queue = sim.create_queue("orders")

    def body(event, context):
        sim.queue("orders").delete_queue()

    worker = sim.create_function("worker", **given_as(form, body))
    sim.create_event_source_mapping(queue, worker)
    queue.send_message("a")
    sim.run(until=60)
    assert () == sim.queues
    assert 0 == worker.snapshot().errors
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-028")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fails", [False, True])
def test_a_handler_may_delete_its_function_and_runs_to_its_end(sim, form, fails):
    def body(event, context):
        worker.delete_function()
        if fails:
            raise ValueError
        return "last words"

    worker = sim.create_function("worker", duration=1, **given_as(form, body))
    result = worker.invoke()
    assert () == sim.functions
    assert "ValueError" == result.value["errorType"] if fails else "last words" == result.value
    assert 1 == sim.now
    assert 128 * 1_000 == worker.billed_mb_ms
    assert_usable(sim)


@pytest.mark.rule("LAM-028")
@pytest.mark.parametrize("form", FORMS)
def test_a_handler_of_a_mapping_may_delete_its_function(sim, form):
    queue = sim.create_queue("orders", visibility_timeout=5)

    def body(event, context):
        worker.delete_function()

    worker = sim.create_function("worker", duration=1, **given_as(form, body))
    sim.create_event_source_mapping(queue, worker)
    queue.send_message("a")
    sim.run(until=60)
    assert () == sim.functions
    assert 1 == worker.snapshot().invocations
    assert_usable(sim)


@pytest.mark.rule("LAM-157")
@pytest.mark.parametrize("form", FORMS)
def test_a_handler_may_change_its_own_reserve(sim, form):
    found = []

    def body(event, context):
        worker.put_function_concurrency(event)
        found.append(worker.reserved_concurrent_executions)
        worker.delete_function_concurrency()
        found.append(worker.reserved_concurrent_executions)
        worker.put_function_concurrency(event)

    worker = sim.create_function("worker", **given_as(form, body))
    for reserve in (5, 0):
        assert worker.invoke(reserve).function_error is None
        sim.check_invariants()
    assert [5, None, 0, None] == found
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-027")
@pytest.mark.parametrize("form", FORMS)
def test_a_handler_may_replace_itself(sim, form):
    def body(event, context):
        worker.update_function_code(lambda event, context: "new")
        worker.update_function_configuration(memory_size=256, timeout=10)
        return [context.memory_limit_in_mb, context.get_remaining_time_in_millis()]

    worker = sim.create_function("worker", **given_as(form, body))
    assert ["128", 3_000] == worker.invoke().value
    assert "new" == worker.invoke().value
    assert 2 == worker.snapshot().cold_starts
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("form", FORMS)
def test_a_handler_may_make_queues_functions_and_mappings(sim, form):
    def body(event, context):
        queue = sim.create_queue("made")
        made = sim.create_function("made", lambda event, context: len(event["Records"]))
        sim.create_event_source_mapping(queue, made)
        queue.send_message("x")
        sim.call_later(1, queue.send_message, "y")

    worker = sim.create_function("worker", **given_as(form, body))
    assert worker.invoke().function_error is None
    sim.run()
    assert 2 == sim.function("made").snapshot().invocations
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("form", FORMS)
def test_a_handler_that_floods_its_own_queue_is_stopped_by_the_test_program(sim, form):
    queue = sim.create_queue("orders")
    worker = sim.create_function(
        "worker",
        duration=1,
        **given_as(form, lambda event, context: queue.send_message("again", delay_seconds=1) and 1),
    )
    sim.create_event_source_mapping(queue, worker)
    queue.send_message("first")
    sim.run(until=10.5)
    assert (12, 11) == (queue.snapshot().sent, worker.snapshot().invocations)
    sim.check_invariants()


@pytest.mark.rule("LAM-041", "LAM-003")
@pytest.mark.parametrize("form", ["interleaved", "coroutine"])
def test_a_handler_that_sleeps_for_nothing_without_end_stops_the_run_with_an_error(form):
    sim = Simulation()
    sim.clock.same_instant_limit = 1_000

    def handler(event, context):
        while True:
            time.sleep(0)

    async def coroutine(event, context):
        while True:
            await context.sleep(0)

    given = {"handler": coroutine} if form == "coroutine" else {"handler": handler, "execution": "interleaved"}
    worker = sim.create_function("worker", **given)
    worker.invoke(invocation_type="Event")
    with pytest.raises(SimulationStalledError, match="without time moving"):
        sim.run()


# ---- those that will not end


def nagging(step):
    """Return a handler that swallows whatever it is told, and goes on."""

    def handler(event, context):
        told = context.environment.tmp.setdefault("told", [])
        while True:
            try:
                step(context)
            except BaseException as error:  # noqa: BLE001 - that is what it does
                if len(told) < 5:
                    told.append(type(error).__name__)

    return handler


@pytest.mark.rule("LAM-045")
@pytest.mark.parametrize(
    "step", [lambda context: time.sleep(1), lambda context: context.sleep(1)], ids=["time.sleep", "context.sleep"]
)
def test_an_endless_loop_that_swallows_its_end_ends_at_its_deadline(sim, step):
    worker = sim.create_function("worker", nagging(step), execution="interleaved", timeout=2)
    for number in (1, 2):
        assert "Sandbox.Timedout" == worker.invoke().value["errorType"]
        assert 2 * number == sim.now
        told = worker.invocations[0].environment.tmp["told"]
        assert {"InvocationTimedOut"} == set(told)
    assert (2, 1, 1) == (worker.snapshot().errors, worker.snapshot().cold_starts, worker.snapshot().idle)
    assert_usable(sim, worker)


STEPS = {
    "send": lambda queue, store, other: queue.send_message("x") and time.sleep(0.5),
    "receive": lambda queue, store, other: queue.receive_message(wait_time_seconds=20),
    "remote": lambda queue, store, other: store.update(x=store["x"] + 1),
    "invoke": lambda queue, store, other: other.invoke(),
}


@pytest.mark.rule("LAM-045")
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_an_endless_loop_of_calls_that_swallows_its_end_ends_too_and_calls_nothing_afterwards(sim, step):
    queue, own = sim.create_queue("orders"), {"x": 0}
    store, other = sim.remote(own, latency=0.1), sim.create_function("other", duration=0.3)

    def state():
        return queue.snapshot().sent, own["x"], other.snapshot().invocations

    worker = sim.create_function(
        "worker", nagging(lambda context: step(queue, store, other)), execution="interleaved", timeout=2
    )
    assert "Sandbox.Timedout" == worker.invoke().value["errorType"]
    assert 2 == sim.now
    before = state()
    assert before != (0, 0, 0) or step is STEPS["receive"]
    sim.run(until=60)
    assert before == state()
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-045")
def test_a_simulation_with_a_handler_that_never_ends_can_be_dropped():
    sim = Simulation(execution="interleaved")
    going_on = []

    def handler(event, context):
        while True:
            with suppress(BaseException):
                time.sleep(1)
            going_on.append(1)

    worker = sim.create_function("worker", handler, timeout=2)
    worker.invoke()
    seen = len(going_on)
    del sim, worker
    gc.collect()
    assert seen == len(going_on)


@pytest.mark.rule("LAM-045")
@pytest.mark.parametrize("form", ["interleaved", "coroutine"])
def test_a_simulation_that_is_dropped_in_the_middle_of_its_handlers_runs_none_of_them_on(form):
    """Nothing that they do when they are thrown away reaches anybody."""
    sim = Simulation()
    queue = sim.create_queue("orders")
    after = []

    def handler(event, context):
        try:
            time.sleep(10)
        except InvocationTimedOut:
            after.append("timed out")
        after.append("went on")

    async def coroutine(event, context):
        await context.sleep(10)
        after.append("went on")

    given = {"handler": coroutine} if form == "coroutine" else {"handler": handler, "execution": "interleaved"}
    worker = sim.create_function("worker", timeout=60, **given)
    worker.invoke(invocation_type="Event")
    sim.run(until=5)
    gone = weakref.ref(sim)
    del sim, worker, queue
    gc.collect()
    assert [] == after
    assert gone() is None or form == "interleaved"  # what is on the stack of a greenlet hides from the collector


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python says what it swallowed
@pytest.mark.rule("LAM-045")
@pytest.mark.parametrize("how", ["await", "await again", "return", "raise", "loop"])
def test_a_coroutine_that_swallows_its_end_is_closed_all_the_same(sim, how):
    after = []

    async def handler(event, context):
        try:
            await context.sleep(100)
        except BaseException as error:
            after.append(type(error).__name__)
            if how == "raise":
                raise ValueError("nobody hears this") from error
            if how == "return":
                return "nobody hears this"
            for _ in range({"await": 1, "await again": 5, "loop": 100_000}[how]):
                with suppress(BaseException):
                    await context.sleep(1)
        after.append("went on")
        return "nobody hears this"

    worker = sim.create_function("worker", handler)
    assert "Sandbox.Timedout" == worker.invoke().value["errorType"]
    assert 3 == sim.now
    sim.run(until=200)
    assert "GeneratorExit" == after[0]
    assert Outcome.TIMEOUT is worker.invocations[0].outcome
    assert 1 == worker.snapshot().invocations
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-045")
def test_a_coroutine_is_closed_at_its_deadline_and_runs_its_finally(sim):
    after = []

    async def handler(event, context):
        try:
            await context.sleep(2)
            await context.sleep(2)
            after.append("went on")
        finally:
            after.append(sim.now)

    worker = sim.create_function("worker", handler)
    assert "Sandbox.Timedout" == worker.invoke().value["errorType"]
    assert [3] == after


class Foreign:
    def __await__(self):
        yield "something"


AWAITED = {
    "asyncio.sleep": lambda: asyncio.sleep(1),
    "asyncio.sleep(0)": lambda: asyncio.sleep(0),
    "foreign": Foreign,
    "wait_for": lambda: asyncio.wait_for(Foreign(), 1),
}


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("make", AWAITED.values(), ids=AWAITED)
@pytest.mark.parametrize("slept", [0, 1])
def test_a_coroutine_that_awaits_what_is_not_simulated_is_told_so(sim, make, slept):
    async def handler(event, context):
        await context.sleep(slept)
        await make()

    worker = sim.create_function("worker", handler)
    value = worker.invoke().value
    assert "UsageError" == value["errorType"]
    assert "only simulated waits" in value["errorMessage"]
    assert slept == sim.now
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("make", [AWAITED["asyncio.sleep(0)"], AWAITED["foreign"]], ids=["asyncio.sleep(0)", "foreign"])
def test_the_error_is_raised_where_it_awaits_and_it_may_go_on(sim, make):
    async def handler(event, context):
        try:
            await make()
        except UsageError:
            await context.sleep(1)
            return "went on"

    assert "went on" == sim.create_function("worker", handler).invoke().value
    assert 1 == sim.now


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python says what it swallowed
@pytest.mark.rule("LAM-041")
def test_a_coroutine_that_awaits_strangers_without_end_ends(sim):
    async def handler(event, context):
        while True:
            with suppress(BaseException):
                await Foreign()

    worker = sim.create_function("worker", handler)
    assert "Unhandled" == worker.invoke().function_error
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-041")
def test_a_coroutine_that_awaits_another_simulation_is_told_so(sim):
    other = Simulation()

    async def handler(event, context):
        await other.sleep(1)

    worker = sim.create_function("worker", handler)
    assert "UsageError" == worker.invoke().value["errorType"]
    assert_usable(sim, worker)


# ---- what they keep and hand around


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("form", FORMS)
def test_a_context_kept_beyond_its_invocation_does_no_harm(sim, form):
    kept = []
    worker = sim.create_function("worker", **given_as(form, lambda event, context: kept.append(context)))
    worker.invoke()
    sim.run(until=100)
    (context,) = kept
    assert context.get_remaining_time_in_millis() >= 0
    assert context.function_name == "worker"
    context.log("too late")
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-041")
def test_a_sleep_of_a_context_kept_by_another_handler_is_refused_or_its_own(sim):
    """The second handler borrows the context of the first; whatever comes of it, nothing breaks."""
    kept = []

    def handler(event, context):
        kept.append(context)
        if event == ["borrow"]:
            kept[0].sleep(1)
        else:
            time.sleep(2)

    worker = sim.create_function("worker", handler, execution="interleaved", timeout=10)
    worker.invoke(["lend"], invocation_type="Event")
    sim.call_at(0.5, lambda: worker.invoke(["borrow"], invocation_type="Event"))
    worker.put_function_event_invoke_config(maximum_retry_attempts=0)
    sim.run()
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-041")
def test_a_copy_of_an_event_with_an_exception_that_cannot_be_copied_is_never_made(sim):
    error = Uncopyable(needed=object())
    with pytest.raises(TypeError):
        copy.deepcopy(error)
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=5, redrive_policy=RedrivePolicy(dead, max_receive_count=2))
    worker = sim.create_function("worker", raising(error))
    sim.create_event_source_mapping(queue, worker)
    queue.send_message("a")
    sim.run()
    assert ["a"] == [message.body for message in dead.messages]
    assert [True, True] == [invocation.exception is error for invocation in worker.invocations]


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("form", FORMS)
def test_a_handler_that_changes_interpreter_wide_settings_gets_what_it_asked_for_and_no_more(sim, form):
    """A recursion limit is the handler's own business; the simulator must live with a low one."""
    before = sys.getrecursionlimit()

    def body(event, context):
        sys.setrecursionlimit(before + 100)
        return "done"

    try:
        assert "done" == sim.create_function("worker", **given_as(form, body)).invoke().value
    finally:
        sys.setrecursionlimit(before)
    assert_usable(sim)


@pytest.mark.rule("LAM-041")
def test_stacks_of_handlers_that_have_ended_do_not_pile_up():
    def stacks():
        gc.collect()
        return sum(isinstance(thing, greenlet) for thing in gc.get_objects())

    sim = Simulation(execution="interleaved", settings=[RuntimeModel(logs_kept=10)], trace=0)

    def handler(event, context):
        time.sleep(event)
        if event == 5:
            raise ValueError

    worker = sim.create_function("worker", handler, timeout=6)
    before = stacks()
    for number in range(300):
        worker.invoke((0, 1, 5, 100)[number % 4])
    assert stacks() - before <= 10
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("argument", ["1", None, -1, float("nan"), float("inf"), [1], object()])
def test_a_sleep_of_nonsense_is_an_error_of_the_handler(sim, form, argument):
    def body(event, context):
        context.sleep(argument)

    async def coroutine(event, context):
        await context.sleep(argument)

    given = given_as(form, body) | ({"handler": coroutine} if form == "coroutine" else {})
    worker = sim.create_function("worker", **given)
    assert worker.invoke().function_error
    assert Outcome.ERROR is worker.invocations[0].outcome
    assert isinstance(worker.invocations[0].exception, LambdasimError | TypeError | ValueError | OverflowError)
    assert_usable(sim, worker)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("arguments", [(), ("event",), ("event", "context", "more")])
def test_a_function_of_the_wrong_number_of_parameters_is_a_type_error(sim, form, arguments):
    body = eval(f"lambda {', '.join(arguments)}: 1")
    given = {
        "plain": {"handler": body, "execution": "plain"},
        "interleaved": {"handler": body, "execution": "interleaved"},
        "factory": {"init": lambda: body},
    }.get(form)
    if form == "coroutine":
        names = {}
        exec(f"async def handler({', '.join(arguments)}):\n    return 1\n", names)
        given = {"handler": names["handler"]}
    worker = sim.create_function("worker", **given)
    assert "TypeError" == worker.invoke().value["errorType"]
    assert_usable(sim, worker)
