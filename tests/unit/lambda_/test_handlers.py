"""Handlers that misbehave: what they do is an outcome, and the simulation goes on."""

from __future__ import annotations

import pytest

from lambdasim import ColdStartModel, RedrivePolicy, ScalingModel, Simulation
from lambdasim.errors import UsageError
from lambdasim.lambda_ import Outcome


def mapped(sim, handler, *bodies, visibility=30, duration=1, settings=(), **given):
    queue = sim.create_queue("orders", visibility_timeout=visibility)
    worker = sim.create_function("worker", handler, duration=duration)
    mapping = sim.create_event_source_mapping(queue, worker, settings=settings, **given)
    for body in bodies:
        queue.send_message(body)
    return queue, worker, mapping


def raises(error):
    def handler(event, context):
        raise error

    return handler


class Unruly(Exception):  # noqa: N818
    """An exception that cannot be shown."""

    def __str__(self):
        raise ValueError

    __repr__ = __str__


@pytest.mark.parametrize(
    "error", [ValueError("x"), Unruly(), StopIteration(1), RecursionError(), MemoryError(), OSError(), UsageError("x")]
)
def test_an_exception_is_an_outcome_and_never_leaves_run(sim, error):
    queue, worker, _ = mapped(sim, raises(error), "a")
    sim.run(until=40)
    first = worker.invocations[0]
    assert first.outcome is Outcome.ERROR
    assert first.exception is error  # the object itself
    assert worker.snapshot().errors == worker.snapshot().invocations == 2
    assert queue.snapshot().in_flight == 1
    assert first.payload
    assert first.log_lines
    sim.check_invariants()


@pytest.mark.parametrize("code", [0, 1, None, "bye"])
def test_leaving_the_process_is_an_outcome_that_resets_the_environment(sim, code):
    seen = []

    def handler(event, context):
        seen.append(dict(context.environment.state))
        context.environment.state["kept"] = True
        raise SystemExit(code)

    _, worker, _ = mapped(sim, handler, "a")
    sim.run(until=35)
    assert worker.invocations[0].outcome is Outcome.EXIT
    assert worker.snapshot().errors == 2
    assert worker.snapshot().cold_starts == 1
    assert seen == [{}, {}]


LEAVING = {"assertion": AssertionError("wrong total"), "interrupt": KeyboardInterrupt(), "generator": GeneratorExit()}


@pytest.mark.parametrize("error", LEAVING.values(), ids=LEAVING)
@pytest.mark.parametrize("init", [0, 2], ids=["warm", "cold"])
def test_an_assertion_and_an_interrupt_leave_run_and_the_simulation_stays_usable(sim, error, init):
    ran = []

    def handler(event, context):
        ran.append(event["Records"][0]["body"])
        if len(ran) == 2:
            raise error

    queue, worker, mapping = mapped(sim, handler, "a", "b", "c", batch_size=1)
    worker = sim.function("worker")
    slow = sim.create_function("slow", settings=[ColdStartModel(init_s=init)])
    with pytest.raises(type(error)) as left:
        sim.run()
    assert left.value is error
    assert (sim.now, ran) == (0, ["a", "b"])
    sim.check_invariants()
    assert worker.snapshot().in_flight == 2  # the invocation goes on to its end, and fails there
    sim.run(until=0)
    assert ran == ["a", "b", "c"]
    sim.run(until=1)
    assert queue.snapshot().deleted == 2
    assert worker.snapshot().errors == 1
    assert worker.invocations[1].exception is error
    sim.run()
    assert ran == ["a", "b", "c", "b"]  # it came back
    assert queue.snapshot().deleted == 3
    assert mapping.snapshot().duplicates == 1
    assert slow.invoke().function_error is None
    sim.check_invariants()


@pytest.mark.parametrize("error", LEAVING.values(), ids=LEAVING)
def test_what_leaves_a_handler_behind_a_cold_start_leaves_run_too(error):
    sim = Simulation(settings=[ColdStartModel(init_s=2)])
    _, worker, _ = mapped(sim, raises(error), "a")
    with pytest.raises(type(error)):
        sim.run()
    assert sim.now == 2
    sim.check_invariants()
    sim.run(until=20)
    assert worker.snapshot().in_flight == 0
    sim.check_invariants()


@pytest.mark.parametrize("error", LEAVING.values(), ids=LEAVING)
def test_what_leaves_a_handler_leaves_invoke_and_the_step(sim, error):
    worker = sim.create_function("worker", raises(error))
    with pytest.raises(type(error)):
        worker.invoke()
    sim.run()
    assert (worker.snapshot().in_flight, worker.snapshot().errors) == (0, 1)

    async def call():
        await worker.wait_invoke()

    sim.spawn(call())
    with pytest.raises(type(error)):
        sim.step()
    sim.run()
    sim.check_invariants()
    assert (worker.snapshot().in_flight, worker.snapshot().errors) == (0, 2)


def test_a_handler_that_changes_its_event_changes_neither_the_message_nor_the_next_delivery(sim):
    bodies = []

    def handler(event, context):
        bodies.append(event["Records"][0]["body"])
        event["Records"][0]["body"] = "tampered"
        event["Records"] = None
        raise ValueError

    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=5, redrive_policy=RedrivePolicy(dead, max_receive_count=3))
    queue.send_message("genuine")
    sim.create_event_source_mapping(queue, sim.create_function("worker", handler))
    sim.run()
    assert bodies == ["genuine"] * 3
    assert [message.body for message in dead.messages] == ["genuine"]


def nest(depth):
    found = []
    for _ in range(depth):
        found = [found]
    return found


RESULTS = {
    "object": object(),
    "set": {1},
    "bytes": b"x",
    "nan": float("nan"),
    "tuple key": {(1, 2): 3},
    "surrogate": "\ud800",
    "deep": nest(100_000),
}


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
@pytest.mark.parametrize("reports", [False, True])
def test_an_answer_that_json_cannot_hold_fails_the_batch(sim, result, reports):
    types = ["ReportBatchItemFailures"] if reports else []
    queue, worker, mapping = mapped(sim, lambda *_: result, "a", "b", function_response_types=types)
    sim.run(until=2)
    assert worker.invocations[0].outcome is Outcome.UNSERIALISABLE
    assert queue.snapshot().in_flight == 2
    assert mapping.snapshot().failed_invoke_event_count == 2
    assert sim.create_function("other", lambda *_: result).invoke().value["errorType"] == "Runtime.MarshalError"


@pytest.mark.parametrize("depth", [*range(60, 1_200, 60), *range(930, 1_010)])
def test_an_answer_of_any_depth_is_an_answer_or_a_marshal_error_and_nothing_else(depth):
    result = Simulation(trace=0).create_function("worker", lambda *_: nest(depth)).invoke()
    if result.function_error is None:
        assert result.payload == b"[" * (depth + 1) + b"]" * (depth + 1)
    else:
        assert b"Runtime.MarshalError" in result.payload


def test_a_huge_answer_fails_the_batch_and_the_environment_stays_usable(sim):
    queue, worker, _ = mapped(sim, lambda *_: "x" * 7_000_000, "a")
    sim.run(until=2)
    assert worker.invocations[0].outcome is Outcome.TOO_LARGE
    assert queue.snapshot().in_flight == 1
    assert worker.snapshot().idle == 1


def test_deep_recursion_in_a_handler_is_its_own_error(sim):
    def handler(event, context):
        return handler(event, context)

    queue, worker, _ = mapped(sim, handler, "a")
    sim.run(until=2)
    assert isinstance(worker.invocations[0].exception, RecursionError)
    assert queue.snapshot().in_flight == 1
    sim.check_invariants()


@pytest.mark.parametrize("initial", [1, 5])
def test_a_handler_may_send_to_its_own_queue(sim, initial):
    seen = []

    def handler(event, context):
        for record in event["Records"]:
            seen.append((sim.now, record["body"]))
            left = int(record["body"]) - 1
            if left:
                queue.send_message(str(left))

    settings = [ScalingModel(initial=initial, step_per_minute=0)]
    queue, _, _ = mapped(sim, handler, "4", settings=settings)
    sim.run()
    # a waiting slot takes it at once; a single one when it is through
    assert seen == [(place if initial == 1 else 0, str(4 - place)) for place in range(4)]
    assert queue.snapshot().deleted == 4
    sim.check_invariants()


def test_a_handler_may_receive_and_delete_from_its_own_queue(sim):
    def handler(event, context):
        for delivery in queue.receive_message(max_number_of_messages=10, wait_time_seconds=20):
            queue.delete_message(delivery.receipt_handle)

    queue, _, _ = mapped(sim, handler, settings=[ScalingModel(initial=1, step_per_minute=0)], batch_size=1)
    for body in "abc":
        queue.send_message(body)
    sim.run()
    assert queue.snapshot().deleted == 3
    assert sim.now == 1


CALLS = {
    "run": lambda sim, other: sim.run(),
    "run until": lambda sim, other: sim.run(until=100),
    "run_for": lambda sim, other: sim.run_for(5),
    "run_until": lambda sim, other: sim.run_until(lambda: False),
    "run_until at once": lambda sim, other: sim.run_until(lambda: True),
    "step": lambda sim, other: sim.step(),
    "invoke": lambda sim, other: other.invoke(),
}


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("way", ["mapping", "invoke", "invoke cold", "process"])
def test_a_handler_that_drives_time_gets_a_usage_error_as_its_own_exception(call, way):
    sim = Simulation(settings=[ColdStartModel(init_s=1)] if way == "invoke cold" else [])
    other = sim.create_function("other")
    handler = lambda event, context: call(sim, other)
    if way == "mapping":
        _, worker, _ = mapped(sim, handler, "a")
        sim.run(until=2)
    else:
        worker = sim.create_function("worker", handler, duration=1)
        if way == "process":

            async def invoke():
                return await worker.wait_invoke()

            sim.spawn(invoke())
            sim.run()
        else:
            worker.invoke()
        assert sim.now == (2 if way == "invoke cold" else 1)
    assert isinstance(worker.invocations[0].exception, UsageError)
    assert other.snapshot().invocations == 0
    sim.check_invariants()


def test_a_handler_may_schedule_and_spawn(sim):
    heard = []

    async def later():
        await sim.sleep(1)
        heard.append(sim.now)

    def handler(event, context):
        sim.call_later(2, heard.append, "called")
        sim.spawn(later())

    worker = sim.create_function("worker", handler)
    worker.invoke()
    sim.run()
    assert heard == [1.0, "called"]


@pytest.mark.parametrize("handler", [None, lambda event, context: None], ids=["none", "plain"])
def test_a_duration_that_cannot_be_told_leaves_no_invocation_behind(sim, handler):
    def duration(event):
        raise LookupError

    worker = sim.create_function("worker", handler, duration=duration)
    with pytest.raises(LookupError):
        worker.invoke()
    sim.run()
    assert worker.snapshot().in_flight == 0
    sim.check_invariants()


def test_the_result_of_a_mapping_is_taken_as_json_when_the_handler_returns(sim):
    answer = {"batchItemFailures": []}

    def handler(event, context):
        sim.call_later(0.5, lambda: answer["batchItemFailures"].append({"itemIdentifier": "somebody"}))
        return answer

    queue, _, _ = mapped(sim, handler, "a", function_response_types=["ReportBatchItemFailures"])
    sim.run()
    assert queue.snapshot().deleted == 1
