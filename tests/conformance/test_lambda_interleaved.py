"""Interleaved handlers (LAM-041): unmodified synchronous code that others run in between of."""

from __future__ import annotations

import functools
import threading
import time
from decimal import Decimal
from time import sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import ColdStartModel, Simulation
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import TooManyRequestsException
from lambdasim.lambda_ import InvocationTimedOut, Outcome
from lambdasim.sqs import SqsConfig

TOGETHER = ColdStartModel(init_s=1)  # inits that end together: all handlers start as events of one class


@pytest.fixture
def sim():
    return Simulation(execution="interleaved")


def at(sim, function, *instants, payload=None):
    """Invoke at these instants, each in a process; return the tasks."""

    async def call(instant, event):
        await sim.sleep(instant)
        return await function.wait_invoke(event)

    return [
        sim.spawn(call(instant, payload if payload is not None else number)) for number, instant in enumerate(instants)
    ]


def values(tasks):
    return [task.result().value for task in tasks]


# ---- scheduling points


def invoke_other(world, context):
    return world["other"].invoke(invocation_type="Event")


POINTS = {
    "time.sleep": lambda world, context: time.sleep(0),
    "sleep by name": lambda world, context: sleep(0),
    "context.sleep": lambda world, context: context.sleep(0),
    "send": lambda world, context: world["queue"].send_message("x"),
    "send batch": lambda world, context: world["queue"].send_message_batch([{"id": "1", "message_body": "x"}]),
    "receive": lambda world, context: world["queue"].receive_message(),
    "receive with a wait": lambda world, context: world["full"].receive_message(wait_time_seconds=20),
    "delete": lambda world, context: world["full"].delete_message(world["handle"]),
    "visibility": lambda world, context: world["full"].change_message_visibility(world["handle"], 5),
    "attributes": lambda world, context: world["queue"].get_queue_attributes(["All"]),
    "invoke": invoke_other,
    "dry run": lambda world, context: world["other"].invoke(invocation_type="DryRun"),
    "remote": lambda world, context: "x" in world["remote"],
}
NO_POINTS = {
    "nothing": lambda world, context: None,
    "log": lambda world, context: context.log("x"),
    "remaining": lambda world, context: context.get_remaining_time_in_millis(),
    "clock": lambda world, context: time.time(),
    "what it holds itself": lambda world, context: "x" in world["own"],
}


def two_with(sim, point):
    """Let two handlers that start together do this; return who did what, in order."""
    full = sim.create_queue("full", visibility_timeout=100)
    for number in range(5):
        full.send_message(str(number))
    (delivery,) = full.receive_message()
    world = {
        "queue": sim.create_queue("orders"),
        "full": full,
        "handle": delivery.receipt_handle,
        "other": sim.create_function("other"),
        "remote": sim.remote(set()),
        "own": set(),
    }
    done = []

    def handler(event, context):
        done.append(f"{event} before")
        point(world, context)
        done.append(f"{event} after")

    worker = sim.create_function("worker", handler, settings=[TOGETHER])
    tasks = at(sim, worker, 0, 0)
    sim.run()
    assert [None, None] == [task.result().function_error for task in tasks]
    assert [1_000_000] * 2 == [invocation.ended_at_us for invocation in worker.invocations]
    return done


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_at_a_scheduling_point_others_run_in_between(sim, point):
    assert ["0 before", "1 before", "0 after", "1 after"] == two_with(sim, point)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("point", NO_POINTS.values(), ids=NO_POINTS)
def test_elsewhere_nobody_does(sim, point):
    assert ["0 before", "0 after", "1 before", "1 after"] == two_with(sim, point)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_a_plain_handler_is_never_overtaken(point):
    sim = Simulation()
    done = []
    full = sim.create_queue("full", visibility_timeout=100)
    full.send_message("a")
    (delivery,) = full.receive_message()
    world = {
        "queue": sim.create_queue("orders"),
        "full": full,
        "handle": delivery.receipt_handle,
        "other": sim.create_function("other"),
        "remote": sim.remote(set()),
    }

    def handler(event, context):
        done.append(f"{event} before")
        point(world, context)
        done.append(f"{event} after")

    worker = sim.create_function("worker", handler, duration=0, settings=[TOGETHER])
    at(sim, worker, 0, 0)
    sim.run()
    assert ["0 before", "0 after", "1 before", "1 after"] == done


@pytest.mark.rule("LAM-041", "LAM-002")
@pytest.mark.parametrize("how", ["sleep", "remote", "call"])
def test_work_that_begins_at_this_instant_begins_before_a_call_but_after_a_sleep_of_nothing(sim, how):
    """Warm starts are events of class C5: so is going on with a call; going on after a sleep is one of C3."""
    queue, remote = sim.create_queue("orders"), sim.remote(set())
    step_of = {"sleep": lambda: time.sleep(0), "remote": lambda: len(remote), "call": lambda: queue.send_message("a")}[
        how
    ]
    done = []

    def handler(event, context):
        for step in range(3):
            done.append((event, step))
            step_of()

    worker = sim.create_function("worker", handler)
    at(sim, worker, 0, 0)
    sim.run()
    one_by_one = [(event, step) for event in range(2) for step in range(3)]
    in_turns = [(event, step) for step in range(3) for event in range(2)]
    assert done == (one_by_one if how == "sleep" else in_turns)


@pytest.mark.rule("LAM-041")
def test_a_call_that_was_taken_from_its_queue_early_is_a_scheduling_point_too(sim):
    send = sim.create_queue("orders").send_message  # before there is a function that could be suspended
    done = []

    def handler(event, context):
        for step in range(2):
            done.append((event, step))
            send("a")

    at(sim, sim.create_function("worker", handler), 0, 0)
    sim.run()
    assert [(0, 0), (1, 0), (0, 1), (1, 1)] == done


@pytest.mark.rule("LAM-041", "LAM-002")
@pytest.mark.parametrize("how", ["sleep", "remote", "receive", "invoke"])
def test_who_has_waited_goes_on_before_new_work_of_that_instant_begins(sim, how):
    """It is an event of class C3, the start of a handler one of C5."""
    queue, inner, remote = (
        sim.create_queue("orders"),
        sim.create_function("inner", duration=1),
        sim.remote({}, latency=1),
    )
    waits = {
        "sleep": lambda: time.sleep(1),
        "remote": lambda: len(remote),
        "receive": lambda: queue.receive_message(wait_time_seconds=1),
        "invoke": inner.invoke,
    }
    done = []

    def handler(event, context):
        done.append(f"{event} begins")
        if event == 0:
            waits[how]()
        done.append(f"{event} goes on")

    async def call(instant, event):
        await sim.sleep(instant)
        await worker.wait_invoke(event)

    worker = sim.create_function("worker", handler)
    sim.spawn(call(1, 1))  # made first: the order of creation is not what decides
    sim.spawn(call(0, 0))
    sim.run()
    assert ["0 begins", "0 goes on", "1 begins", "1 goes on"] == done


@pytest.mark.rule("LAM-041", "LAM-101")
def test_at_the_very_deadline_calls_still_pass(sim):
    """Who needs exactly its timeout succeeds."""
    queue, own = sim.create_queue("orders"), []
    remote = sim.remote(own)

    def handler(event, context):
        time.sleep(3)
        queue.send_message("a")
        remote.append(1)
        time.sleep(0)
        return "answer"

    assert "answer" == sim.create_function("worker", handler).invoke().value
    assert (3, 1, [1]) == (sim.now, queue.snapshot().sent, own)


@pytest.mark.rule("LAM-041")
def test_a_call_takes_effect_after_the_others_had_their_turn(sim):
    queue = sim.create_queue("orders")
    seen = []

    def handler(event, context):
        seen.append(queue.snapshot().visible)
        queue.send_message(str(event))
        seen.append(queue.snapshot().visible)

    at(sim, sim.create_function("worker", handler, settings=[TOGETHER]), 0, 0)
    sim.run()
    assert [0, 0, 1, 2] == seen
    assert ["0", "1"] == [message.body for message in queue.messages]


@pytest.mark.rule("LAM-041")
def test_answers_and_errors_of_calls_reach_the_handler(sim):
    queue = sim.create_queue("orders")
    found = []

    def handler(event, context):
        sent = queue.send_message("a")
        (got,) = queue.receive_message()
        found.append(sent.message_id == got.message_id)
        queue.delete_message(got.receipt_handle)
        try:
            queue.delete_message("nonsense")
        except Exception as error:  # noqa: BLE001 - whatever it is, here it must come
            found.append(type(error).__name__)
        return queue.receive_message()

    assert [] == sim.create_function("worker", handler).invoke().value
    assert [True, "ReceiptHandleIsInvalid"] == found
    assert 0 == sim.now


@pytest.mark.rule("LAM-041")
def test_sleeps_of_many_are_interleaved_by_their_instants(sim):
    done = []

    def handler(event, context):
        for step in range(3):
            time.sleep(event)
            done.append((sim.now, event, step))

    worker = sim.create_function("worker", handler, timeout=60)
    for pause in (1.0, 1.5, 0.25):
        worker.invoke(pause, invocation_type="Event")
    sim.run()
    assert sorted(entry[0] for entry in done) == [entry[0] for entry in done]
    assert [1.5, 1.0] == [pause for instant, pause, _ in done if instant == 3]  # who fell asleep first wakes first
    assert [(pause * (step + 1), pause, step) for pause in (0.25, 1.0, 1.5) for step in range(3)] == sorted(
        done, key=lambda entry: entry[1:]
    )


@pytest.mark.rule("LAM-041", "LAM-042")
@pytest.mark.parametrize("duration", [None, 0, 1, Decimal("0.000001")])
def test_time_passed_and_the_duration_add_up(sim, duration):
    queue = sim.create_queue("orders")

    def handler(event, context):
        time.sleep(0.5)
        queue.receive_message(wait_time_seconds=1)
        context.sleep(0.25)
        return sim.now_us

    worker = sim.create_function("worker", handler, duration=duration)
    assert 1_750_000 == worker.invoke().value
    assert 1_750_000 + int(Decimal(duration or 0) * 1_000_000) == worker.invocations[0].duration_us == sim.now_us


@pytest.mark.rule("LAM-044")
def test_the_time_that_remains_shrinks_as_time_passes(sim):
    found = []

    def handler(event, context):
        for pause in (0, 0.0001, 1, 1.9999):
            time.sleep(pause)
            found.append(context.get_remaining_time_in_millis())

    sim.create_function("worker", handler, settings=[TOGETHER]).invoke()
    assert [3_000, 2_999, 1_999, 0] == found


@pytest.mark.rule("LAM-041")
def test_a_handler_may_be_suspended_deep_inside_of_anything(sim):
    def numbers():
        for number in range(3):
            time.sleep(0.25)
            yield number

    class Slow:
        def __enter__(self):
            time.sleep(0.25)
            return self

        def __exit__(self, *error):
            time.sleep(0.25)

        def __lt__(self, other):
            time.sleep(0.25)
            return False

        @functools.cached_property
        def number(self):
            time.sleep(0.25)
            return 7

    def deep(depth):
        if depth:
            return deep(depth - 1) + 1
        time.sleep(0.25)
        return 0

    def handler(event, context):
        with Slow() as slow:
            found = [sum(numbers()), slow.number, slow.number, deep(300)]
        sorted([Slow(), Slow()])
        found.append(sorted([3, 1, 2], key=lambda number: time.sleep(0.25) or number))
        return found

    worker = sim.create_function("worker", handler, timeout=60)
    tasks = at(sim, worker, 0, 0.1, 0.2)
    sim.run()
    assert [[3, 7, 7, 300, [1, 2, 3]]] * 3 == values(tasks)
    assert [2_750_000] * 3 == [invocation.duration_us for invocation in worker.invocations]


@pytest.mark.rule("LAM-041")
def test_an_exception_that_is_being_handled_stays_that_of_its_handler(sim):
    def handler(event, context):
        try:
            {}[event]
        except KeyError:
            time.sleep(1)
            raise

    worker = sim.create_function("worker", handler)
    tasks = at(sim, worker, 0, 0.25, 0.5)
    sim.run()
    assert [("KeyError", str(number)) for number in range(3)] == [
        (value["errorType"], value["errorMessage"]) for value in values(tasks)
    ]
    assert [(number,) for number in range(3)] == [invocation.exception.args for invocation in worker.invocations]
    assert all(invocation.exception.__context__ is None for invocation in worker.invocations)


@pytest.mark.rule("LAM-041", "LAM-081")
def test_an_exception_after_a_sleep_is_an_outcome_at_its_instant(sim):
    def handler(event, context):
        time.sleep(1.5)
        raise ValueError("late")

    worker = sim.create_function("worker", handler)
    value = worker.invoke().value
    assert ("late", "ValueError") == (value["errorMessage"], value["errorType"])
    assert "raise ValueError" in value["stackTrace"][-1]
    assert 1.5 == sim.now
    assert 1 == worker.snapshot().idle


@pytest.mark.rule("LAM-041")
def test_five_hundred_may_be_suspended_at_once(sim):
    def handler(event, context):
        time.sleep(1)
        return event

    worker = sim.create_function("worker", handler)
    tasks = at(sim, worker, *([0] * 500))
    sim.run(until=0.5)
    assert 500 == worker.snapshot().in_flight
    sim.run()
    assert list(range(500)) == values(tasks)
    assert 1 == sim.now


@pytest.mark.rule("LAM-041", "LAM-006")
def test_the_same_program_runs_the_same_twice():
    runs = []
    for _ in range(2):
        sim = Simulation(seed=3, execution="interleaved")
        queue, store = sim.create_queue("orders"), sim.remote({}, latency=0.01)

        def handler(event, context, store=store):
            for record in event["Records"]:
                store[record["body"]] = store.get(record["body"], 0) + 1
                time.sleep(0.1)

        sim.create_event_source_mapping(queue, sim.create_function("worker", handler), batch_size=2)
        for number in range(20):
            queue.send_message(str(number % 7))
        sim.run()
        runs.append(sim.trace.to_json_lines())
    assert runs[0] == runs[1]


# ---- races


def charging(done, charges, *, pause=0):
    def charge(event, context):
        for record in event["Records"]:
            if record["body"] not in done:
                time.sleep(pause)
                charges.append(record["body"])
                done.add(record["body"])

    return charge


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize(("apart", "charged"), [(0.05, 2), (0.199999, 2), (0.200001, 1), (1, 1)])
def test_check_then_act_loses_the_race_while_the_two_overlap(sim, apart, charged):
    """Each operation takes 0.1 s and acts in its middle: the check reads after 0.05 s, the mark is set after 0.25 s."""
    done, charges = sim.remote(set(), latency=0.1), sim.remote([], latency=0.1)
    worker = sim.create_function("worker", charging(done, charges), timeout=10)
    at(sim, worker, 0, apart, payload={"Records": [{"body": "o-1"}]})
    sim.run()
    assert charged == len(charges)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize(("execution", "charged"), [("interleaved", 2), ("plain", 1)])
def test_two_deliveries_at_once_charge_twice_only_where_they_are_interleaved(execution, charged):
    sim = Simulation(execution=execution)
    done, charges = sim.remote(set(), latency=0.1), sim.remote([])
    worker = sim.create_function("worker", charging(done, charges), duration=0, settings=[TOGETHER])
    at(sim, worker, 0, 0, payload={"Records": [{"body": "o-1"}]})
    sim.run()
    assert ["o-1"] * charged == charges


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize(("pause", "charged"), [("1.999999", 1), (2, 2), ("2.000001", 2), (3, 2)])
def test_a_message_that_comes_back_while_its_handler_is_at_work_is_charged_twice(sim, pause, charged):
    """At 2 s the first handler wakes (C3) before the second begins (C5), and lets it go before its next operation."""
    done, charges = sim.remote(set()), sim.remote([])
    queue = sim.create_queue("orders")
    worker = sim.create_function("worker", charging(done, charges, pause=float(pause)), timeout=10)
    sim.create_event_source_mapping(queue, worker)
    queue.set_queue_attributes({"VisibilityTimeout": "2"})  # less than AWS lets a mapping begin with
    queue.send_message("o-1")
    sim.run(until=1.9)
    assert [] == charges
    sim.run(until=20)
    assert charged == len(charges)
    sim.check_invariants()


@pytest.mark.rule("LAM-041")
def test_a_read_and_a_write_of_a_counter_lose_updates(sim):
    counter = sim.remote({"n": 0})

    def handler(event, context):
        counter["n"] += 1

    at(sim, sim.create_function("worker", handler, settings=[TOGETHER]), 0, 0, 0)
    sim.run()
    assert 1 == counter["n"]


@pytest.mark.rule("LAM-041")
def test_a_handler_that_writes_first_and_conditionally_is_safe(sim):
    """`setdefault` is one operation, as a conditional write is."""
    owners, charges = sim.remote({}, latency=0.1), sim.remote([], latency=0.1)

    def handler(event, context):
        if owners.setdefault("o-1", context.aws_request_id) == context.aws_request_id:
            charges.append("o-1")

    at(sim, sim.create_function("worker", handler), 0, 0.01, 0.05, 0.1)
    sim.run()
    assert ["o-1"] == charges


# ---- the deadline


@pytest.mark.rule("LAM-045", "LAM-101")
@pytest.mark.parametrize(
    ("first", "rest", "is_timeout"),
    [("1", "1.999999", False), ("1", "2", False), ("1", "2.000001", True), ("0", "3.000001", True), ("3", "0", False)],
)
def test_a_sleep_that_would_end_after_the_deadline_ends_the_handler_at_the_deadline(sim, first, rest, is_timeout):
    told = []

    def handler(event, context):
        time.sleep(float(first))
        try:
            context.sleep(Decimal(rest))
        except Exception:
            told.append("swallowed")
            raise
        except InvocationTimedOut:
            told.append(("timed out", sim.now, context.get_remaining_time_in_millis()))
            raise
        told.append("went on")

    worker = sim.create_function("worker", handler)
    value = worker.invoke().value
    assert told == ([("timed out", 3.0, 0)] if is_timeout else ["went on"])
    assert (value is None) is not is_timeout
    invocation = worker.invocations[0]
    assert (Outcome.TIMEOUT if is_timeout else Outcome.SUCCESS) is invocation.outcome
    assert min(3_000_000, int((Decimal(first) + Decimal(rest)) * 1_000_000)) == invocation.duration_us


@pytest.mark.rule("LAM-045", "LAM-083")
def test_what_ends_at_its_deadline_ends_as_aws_says_and_loses_its_state(sim):
    states = []

    def handler(event, context):
        states.append((dict(context.environment.state), dict(context.environment.tmp)))
        context.environment.state["a"] = context.environment.tmp["a"] = 1
        time.sleep(event)

    worker = sim.create_function("worker", handler, timeout=2)
    value = worker.invoke(5).value
    assert {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {worker.invocations[0].request_id} Error: Task timed out after 2.00 seconds",
    } == value
    assert (2, 1, 1) == (sim.now, worker.snapshot().idle, worker.snapshot().errors)
    worker.invoke(0)
    assert [({}, {}), ({}, {"a": 1})] == states


@pytest.mark.rule("LAM-045")
def test_finally_and_with_still_run_and_whatever_they_call_is_refused(sim):
    queue, store = sim.create_queue("orders"), sim.remote({})
    told = []

    def attempt(name, call):
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - that is what is asked for
            told.append((name, type(error).__name__))
        else:
            told.append((name, "went on"))

    def handler(event, context):
        try:
            time.sleep(10)
        finally:
            attempt("sleep", lambda: time.sleep(0))
            attempt("context", lambda: context.sleep(0))
            attempt("send", lambda: queue.send_message("too late"))
            attempt("receive", lambda: queue.receive_message(wait_time_seconds=5))
            attempt("invoke", lambda: worker.invoke(1))
            attempt("remote", lambda: store.update(late=1))
            told.append(sim.now)

    worker = sim.create_function("worker", handler)
    assert "Sandbox.Timedout" == worker.invoke(0).value["errorType"]
    sim.run()
    names = ("sleep", "context", "send", "receive", "invoke", "remote")
    assert [(name, "InvocationTimedOut") for name in names] + [3.0] == told
    assert 0 == queue.snapshot().sent
    assert {} == store
    assert 1 == worker.snapshot().invocations
    assert 3 == sim.now


@pytest.mark.rule("LAM-045")
@pytest.mark.parametrize("after", ["return", "raise", "exit"])
def test_who_swallows_its_end_has_timed_out_all_the_same(sim, after):
    def handler(event, context):
        try:
            time.sleep(10)
        except BaseException as error:
            if after == "raise":
                raise ValueError("nobody hears this") from error
            if after == "exit":
                raise SystemExit(0) from error
        return "nobody hears this"

    worker = sim.create_function("worker", handler)
    assert "Sandbox.Timedout" == worker.invoke().value["errorType"]
    assert Outcome.TIMEOUT is worker.invocations[0].outcome
    assert 3_000_000 == worker.invocations[0].duration_us == sim.now_us


@pytest.mark.rule("LAM-045", "LAM-042")
def test_a_duration_that_reaches_beyond_the_deadline_times_out_with_all_work_done(sim):
    done = []

    def handler(event, context):
        time.sleep(2)
        done.append(sim.now)
        return "unheard"

    worker = sim.create_function("worker", handler, duration=Decimal("1.000001"))
    assert "Sandbox.Timedout" == worker.invoke().value["errorType"]
    assert [2] == done
    assert 3 == sim.now


@pytest.mark.rule("LAM-100", "LAM-083")
def test_a_repeated_init_takes_its_time_from_the_deadline():
    sim = Simulation(execution="interleaved", settings=[ColdStartModel(init_s=2)])
    seen = []

    def handler(event, context):
        seen.append((sim.now, context.get_remaining_time_in_millis()))
        time.sleep(event)

    worker = sim.create_function("worker", handler)
    assert "Sandbox.Timedout" == worker.invoke(10).value["errorType"]
    assert [(2, 3_000)] == seen
    assert 5 == sim.now
    sim.run(until=6)
    assert worker.invoke(0.5).function_error is None
    assert (8, 1_000) == seen[1]
    assert 2_500_000 == worker.invocations[1].duration_us


@pytest.mark.rule("LAM-041", "SQS-005")
def test_a_call_that_takes_time_suspends_for_half_of_it_before_and_after_its_effect(sim):
    queue = sim.create_queue("orders", settings=[SqsConfig(call_latency_s=1)])

    def handler(event, context):
        queue.send_message("a")
        return sim.now

    worker = sim.create_function("worker", handler)
    tasks = at(sim, worker, 0)
    sim.run(until_us=499_999)
    assert 0 == queue.snapshot().visible
    sim.run(until_us=500_001)
    assert 1 == queue.snapshot().visible
    sim.run()
    assert [1] == values(tasks)


# ---- receiving with a wait


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("sent_at", [0, 2.5, 19.999999])
def test_a_receive_with_a_wait_suspends_until_a_message_is_there(sim, sent_at):
    queue = sim.create_queue("orders")

    def handler(event, context):
        found = [delivery.body for delivery in queue.receive_message(wait_time_seconds=20)]
        return [found, sim.now]

    worker = sim.create_function("worker", handler, timeout=60)
    sim.call_at(sent_at, queue.send_message, "a")
    assert [["a"], sent_at] == worker.invoke().value


@pytest.mark.rule("LAM-041")
def test_a_receive_with_a_wait_ends_empty_handed_at_its_end(sim):
    queue = sim.create_queue("orders")
    worker = sim.create_function(
        "worker", lambda event, context: [queue.receive_message(wait_time_seconds=20), sim.now], timeout=60
    )
    assert [[], 20] == worker.invoke().value


@pytest.mark.rule("LAM-041", "LAM-045")
@pytest.mark.parametrize(
    ("sent_at", "is_received"), [("2.999999", True), ("3", False), ("3.000001", False), ("4", False)]
)
def test_a_receive_that_waits_is_given_up_at_the_deadline(sim, sent_at, is_received):
    """A timeout is an event of class C3, a call that the test scheduled one of C5."""
    queue = sim.create_queue("orders")
    worker = sim.create_function("worker", lambda event, context: len(queue.receive_message(wait_time_seconds=20)))
    sim.call_at(float(sent_at), queue.send_message, "a")
    value = worker.invoke().value
    sim.run(until=10)
    assert (1 if is_received else "Sandbox.Timedout") == (value if is_received else value["errorType"])
    assert (int(is_received), int(not is_received)) == (queue.snapshot().in_flight, queue.snapshot().visible)


@pytest.mark.rule("LAM-041")
def test_what_waits_is_served_in_the_order_in_which_it_began_to_wait(sim):
    queue = sim.create_queue("orders")

    def handler(event, context):
        return [delivery.body for delivery in queue.receive_message(wait_time_seconds=20)]

    worker = sim.create_function("worker", handler, timeout=60)
    tasks = at(sim, worker, 0, 1, 2)
    for number in range(3):
        sim.call_at(5 + number, queue.send_message, str(number))
    sim.run()
    assert [["0"], ["1"], ["2"]] == values(tasks)


# ---- invoking other functions


@pytest.mark.rule("LAM-041", "LAM-061")
def test_an_invoke_suspends_until_the_answer_is_there(sim):
    inner = sim.create_function("inner", lambda event, context: time.sleep(1) or {"double": event * 2}, duration=0.5)

    def handler(event, context):
        began = sim.now
        result = inner.invoke(event)
        return [result.status_code, result.value, began, sim.now]

    outer = sim.create_function("outer", handler)
    assert [200, {"double": 14}, 0, 1.5] == outer.invoke(7).value
    assert 1_500_000 == outer.invocations[0].duration_us


@pytest.mark.rule("LAM-041", "LAM-061")
def test_a_function_error_of_the_other_is_a_value_and_a_throttle_an_exception(sim):
    failing = sim.create_function("failing", failure_rate=1)
    stopped = sim.create_function("stopped", reserved_concurrent_executions=0)

    def handler(event, context):
        found = [failing.invoke().function_error]
        try:
            stopped.invoke()
        except TooManyRequestsException as error:
            found.append(error.reason)
        return found

    assert ["Unhandled", "ReservedFunctionConcurrentInvocationLimitExceeded"] == (
        sim.create_function("outer", handler).invoke().value
    )
    assert 1 == stopped.snapshot().throttles


@pytest.mark.rule("LAM-041", "LAM-045", "LAM-101")
def test_who_times_out_while_it_waits_for_another_leaves_that_one_at_work(sim):
    inner = sim.create_function("inner", duration=5, timeout=10)
    outer = sim.create_function("outer", lambda event, context: inner.invoke().value, timeout=2)
    assert "Sandbox.Timedout" == outer.invoke().value["errorType"]
    assert (2, 1) == (sim.now, inner.snapshot().in_flight)
    sim.run()
    assert (5, 0) == (sim.now, inner.snapshot().in_flight)
    assert Outcome.SUCCESS is inner.invocations[0].outcome
    sim.check_invariants()


@pytest.mark.rule("LAM-041")
def test_an_event_is_handed_over_and_not_waited_for(sim):
    inner = sim.create_function("inner", duration=5, timeout=10)

    def handler(event, context):
        return [inner.invoke(1, invocation_type="Event").status_code, sim.now]

    assert [202, 0] == sim.create_function("outer", handler).invoke().value
    sim.run(until=5)
    assert 1 == inner.snapshot().invocations


@pytest.mark.rule("LAM-041")
def test_a_chain_of_invokes_takes_as_long_as_all_of_it(sim):
    def handler(event, context):
        time.sleep(0.5)
        return 0 if event == 0 else worker.invoke(event - 1).value + 1

    worker = sim.create_function("worker", handler, timeout=30)
    assert 10 == worker.invoke(10).value
    assert 5.5 == sim.now
    assert 11 == worker.snapshot().cold_starts


# ---- what coroutine handlers wait for


@pytest.mark.rule("LAM-041")
def test_a_coroutine_waits_for_sleeps_messages_and_answers_while_others_run(sim):
    queue = sim.create_queue("orders")
    inner = sim.create_function("inner", lambda event, context: event * 2, duration=1)
    seen = []

    async def handler(event, context):
        await context.sleep(0.5)
        seen.append(("slept", event, sim.now))
        (delivery,) = await queue.wait_receive(wait_time_seconds=20)
        seen.append(("received", event, sim.now))
        answer = await inner.wait_invoke(int(delivery.body))
        return [answer.value, sim.now]

    worker = sim.create_function("worker", handler, timeout=60)
    tasks = at(sim, worker, 0, 0.25)
    sim.call_at(2, queue.send_message, "1")
    sim.call_at(3, queue.send_message, "2")
    sim.run()
    assert [[2, 3], [4, 4]] == values(tasks)
    assert [("slept", 0, 0.5), ("slept", 1, 0.75), ("received", 0, 2), ("received", 1, 3)] == seen
    assert [3_000_000, 3_750_000] == [invocation.duration_us for invocation in worker.invocations]


@pytest.mark.rule("LAM-041", "LAM-045")
@pytest.mark.parametrize("sent_at", [2.999999, 3])
def test_what_a_coroutine_waits_for_is_given_up_when_it_is_closed(sim, sent_at):
    queue = sim.create_queue("orders")

    async def handler(event, context):
        return len(await queue.wait_receive(wait_time_seconds=20))

    worker = sim.create_function("worker", handler)
    sim.call_at(sent_at, queue.send_message, "a")
    value = worker.invoke().value
    sim.run(until=10)
    assert (1 if sent_at < 3 else "Sandbox.Timedout") == (value if sent_at < 3 else value["errorType"])
    assert (int(sent_at < 3), int(sent_at == 3)) == (queue.snapshot().in_flight, queue.snapshot().visible)


@pytest.mark.rule("LAM-045", "LAM-101")
@pytest.mark.parametrize(("sleep_us", "is_timeout"), [(2_999_999, False), (3_000_000, False), (3_000_001, True)])
def test_a_coroutine_is_closed_at_its_deadline_and_not_before(sim, sleep_us, is_timeout):
    told = []

    async def handler(event, context):
        try:
            await context.sleep(Decimal(sleep_us).scaleb(-6))
            told.append("went on")
        finally:
            told.append(sim.now_us)
        return "answer"

    value = sim.create_function("worker", handler).invoke().value
    assert ([3_000_000] if is_timeout else ["went on", sleep_us]) == told
    assert ("Sandbox.Timedout" if is_timeout else "answer") == (value["errorType"] if is_timeout else value)


@pytest.mark.rule("LAM-041", "LAM-045")
def test_a_coroutine_that_is_closed_while_it_waits_for_another_function_leaves_that_one_at_work(sim):
    inner = sim.create_function("inner", duration=5, timeout=10)

    async def handler(event, context):
        await inner.wait_invoke()

    outer = sim.create_function("outer", handler)
    assert "Sandbox.Timedout" == outer.invoke().value["errorType"]
    sim.run()
    assert (5, 0, 1) == (sim.now, inner.snapshot().in_flight, inner.snapshot().invocations)
    assert 0 == inner.snapshot().errors
    sim.check_invariants()


# ---- stopping and going on


@pytest.mark.rule("LAM-041", "LAM-004")
def test_a_run_may_stop_anywhere_in_a_handler_and_go_on_later(sim):
    done = []

    def handler(event, context):
        for _ in range(4):
            time.sleep(1)
            done.append(sim.now)

    worker = sim.create_function("worker", handler, timeout=30)
    worker.invoke(invocation_type="Event")
    sim.run(until=0)
    assert (1, []) == (worker.snapshot().in_flight, done)
    sim.run(until_us=999_999)
    assert [] == done
    sim.run(until=1)
    assert [1] == done
    sim.run(until=2.5)
    assert [1, 2] == done
    sim.check_invariants()
    sim.run()
    assert [1, 2, 3, 4] == done
    assert 0 == worker.snapshot().in_flight


@pytest.mark.rule("LAM-041")
def test_a_handler_that_is_suspended_in_one_thread_does_not_go_on_in_another(sim):
    worker = sim.create_function("worker", lambda event, context: time.sleep(1))
    worker.invoke(invocation_type="Event")
    sim.run(until=0.5)
    caught = []

    def run():
        try:
            sim.run()
        except UsageError as error:
            caught.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert ["thread" in text for text in caught] == [True]


@pytest.mark.rule("LAM-041")
def test_a_simulation_may_run_in_any_thread_as_a_whole(sim):
    worker = sim.create_function("worker", lambda event, context: time.sleep(1) or [event, sim.now])
    found = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: found.append(worker.invoke(7).value))
        thread.start()
        thread.join()
    found.append(worker.invoke(7).value)
    assert [[7, 1], [7, 2], [7, 3]] == found


@pytest.mark.rule("LAM-047", "LAM-041")
@pytest.mark.parametrize("form", ["plain", "interleaved", "coroutine", "factory"])
def test_the_log_has_the_lines_of_its_own_invocation_in_every_form(sim, form):
    def handler(event, context):
        context.log(f"{event} begins\n")
        context.sleep(1)
        context.log(f"{event} ends")

    async def coroutine(event, context):
        context.log(f"{event} begins\n")
        await context.sleep(1)
        context.log(f"{event} ends")

    given = {
        "plain": {"handler": handler, "execution": "plain"},
        "interleaved": {"handler": handler},
        "coroutine": {"handler": coroutine},
        "factory": {"init": lambda: handler},
    }[form]
    worker = sim.create_function("worker", duration=0, **given)
    at(sim, worker, 0, 0.5)
    sim.run()
    for number, invocation in enumerate(worker.invocations):
        first, *lines, last, report = invocation.log_lines
        assert [f"{number} begins", f"{number} ends"] == lines
        assert f"START RequestId: {invocation.request_id} Version: $LATEST" == first
        assert f"END RequestId: {invocation.request_id}" == last
        assert "\tDuration: 1000.00 ms\t" in report


@pytest.mark.rule("LAM-027", "LAM-041")
def test_new_code_does_not_touch_a_handler_that_is_suspended(sim):
    worker = sim.create_function("worker", lambda event, context: time.sleep(1) or "old")
    tasks = at(sim, worker, 0)
    sim.call_at(0.5, worker.update_function_code, lambda event, context: "new")
    sim.run()
    assert ["old"] == values(tasks)
    assert "new" == worker.invoke().value


@pytest.mark.rule("LAM-041", "LAM-045")
@given(data=st.data())
def test_any_mix_of_handlers_ends_at_the_instant_that_their_steps_add_up_to(data):
    """A handler that sleeps, calls and remotes takes the sum, or its timeout; nobody's time depends on the others."""
    sim = Simulation(execution="interleaved")
    queue, store = sim.create_queue("orders"), sim.remote([], latency=0.2)
    step = st.sampled_from([("sleep", 0), ("sleep", 500_000), ("sleep", 999_999), ("send", 0), ("remote", 200_000)])

    def handler(event, context):
        for kind, amount in event:
            if kind == "sleep":
                time.sleep(amount / 1_000_000)
            elif kind == "send":
                queue.send_message("x")
            else:
                store.append(1)
        return sim.now_us

    worker = sim.create_function("worker", handler, timeout=2)
    plans = data.draw(st.lists(st.tuples(st.sampled_from([0, 0.1, 0.5, 1]), st.lists(step, max_size=6)), max_size=6))
    tasks = [at(sim, worker, instant, payload=plan)[0] for instant, plan in plans]
    sim.run()
    sim.check_invariants()
    for (instant, plan), task in zip(plans, tasks, strict=True):
        began_us, needed_us = round(instant * 1_000_000), sum(amount for _, amount in plan)
        wanted = began_us + needed_us if needed_us <= 2_000_000 else "Sandbox.Timedout"
        value = task.result().value
        assert wanted == (value if isinstance(value, int) else value["errorType"])
    ends_us = [round(instant * 1_000_000) + min(2_000_000, sum(us for _, us in plan)) for instant, plan in plans]
    assert sorted(ends_us) == sorted(invocation.ended_at_us for invocation in worker.invocations)
