"""LAM §13: what may go wrong in Lambda, who is asked about it, and what comes of each answer."""

from __future__ import annotations

import time
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import ColdStartModel, Faults, LambdaFaults, RuntimeModel, Seeded, Simulation
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import (
    InvalidRequestContentException,
    ResourceNotFoundException,
    ServiceException,
    TooManyRequestsException,
)
from lambdasim.lambda_ import Outcome
from tests.choosers import Says

POINTS = {
    "service_error": ("accepted", "refused"),
    "caller_rate": ("accepted", "refused"),
    "env_recycle": ("kept", "destroyed"),
    "cold_start": ("as modelled", "1 s", "5 s"),
    "crash": ("none", "at 0", "at 0.5", "at 1"),
    "response_lost": ("answered", "lost"),
}
"""Those that every invocation of a function without a handler meets, on its first environment."""
WEIGHTS = (*POINTS, "environment", "proactive_init")


class Script(Says):
    """Answers one point from a list; remembers points and options of all."""

    def __init__(self, name, *answers):
        super().__init__(f"lambda.{name}", *answers)
        self.options = []
        self.points = []

    def choose(self, point, options):
        self.points.append(point)
        self.options.append(tuple(options))
        return super().choose(point, options)

    def options_of(self, name):
        return [options for point, options in zip(self.points, self.options, strict=True) if point.name == name]


class Refusing:
    def choose(self, point, options):
        raise AssertionError(f"{point.name} was asked")


class Listening:
    """Lets another chooser answer, and keeps the answers by owner and point."""

    def __init__(self, chooser):
        self.chooser = chooser
        self.answers = {}

    def choose(self, point, options):
        answer = self.chooser.choose(point, options)
        self.answers.setdefault((point.owner, point.name), []).append(answer)
        return answer


def scripted(name, *answers, settings=(), execution="plain", **faults):
    """Return a simulation in which one point may leave its default, and the script that answers."""
    script = Script(name, *answers)
    given = LambdaFaults(**({name: 0.5} | faults))
    return Simulation(faults=given, choices=script, settings=settings, execution=execution), script


def metric(sim, name):
    return sum(value for _, value in sim.metrics.series("AWS/Lambda", name, "Sum", FunctionName="worker"))


def together(sim, function, count, payload=None):
    """Invoke so many times at this instant, and run."""

    async def call():
        return await function.wait_invoke(payload)

    tasks = [sim.spawn(call()) for _ in range(count)]
    sim.run()
    return tasks


# ---- who is asked, and who is not


@pytest.mark.rule("LAM-360", "LAM-006")
@pytest.mark.parametrize("point", POINTS)
def test_a_point_is_asked_by_its_name_with_the_arn_of_its_function_its_weight_and_its_options(point):
    sim, script = scripted(point, **{point: 0.25})
    worker = sim.create_function("worker")
    worker.invoke()
    asked = script.points[0]
    assert (f"lambda.{point}", worker.arn, 0.25) == (asked.name, asked.owner, asked.weight)
    assert [POINTS[point]] == script.options
    assert worker.snapshot().errors == 0


@pytest.mark.rule("LAM-360", "LAM-006")
@pytest.mark.parametrize("execution", ["plain", "interleaved"])
@pytest.mark.parametrize(
    "faults", [None, LambdaFaults(), Faults(), LambdaFaults(crash=0, slow_init_s=(9,), crash_at=(1,))]
)
def test_without_faults_nobody_is_asked_whoever_is_there_to_answer(execution, faults):
    sim = Simulation(faults=faults, choices=Refusing(), execution=execution)
    queue = sim.create_queue("orders")
    worker = sim.create_function("worker", lambda event, context: time.sleep(0.5))
    sim.create_event_source_mapping(queue, worker, batch_size=1)
    for number in range(5):
        queue.send_message(str(number))
    worker.invoke(invocation_type="Event")
    sim.run()
    together(sim, worker, 2)
    worker.invoke()
    sim.run(until=3_600)
    worker.invoke()
    assert 10 == worker.snapshot().invocations


@pytest.mark.rule("LAM-360")
@pytest.mark.parametrize("point", WEIGHTS)
def test_a_point_whose_weight_is_0_is_not_asked_while_another_is(point):
    others = {name: 0.5 for name in WEIGHTS if name != point}
    script = Script("none")
    sim = Simulation(faults=LambdaFaults(**others), choices=script)
    worker = sim.create_function("worker", lambda event, context: None)
    together(sim, worker, 3)
    together(sim, worker, 2)
    sim.run(until=3_600)
    worker.invoke()
    asked = {name for name, _, _ in script.asked}
    assert {f"lambda.{name}" for name in others} == asked
    assert 6 == worker.snapshot().invocations
    assert 0 == worker.snapshot().errors


@pytest.mark.rule("LAM-360")
def test_what_holds_for_one_function_is_asked_of_that_one_only():
    script = Script("crash", 0, 0)
    sim = Simulation(choices=script)
    one = sim.create_function("one", faults=LambdaFaults(crash=0.5))
    other = sim.create_function("other")
    for function in (one, other, one):
        function.invoke()
    assert [("lambda.crash", one.arn, 4)] * 2 == script.asked


@pytest.mark.rule("LAM-360")
def test_faults_of_a_function_are_in_place_of_those_of_the_simulation():
    script = Script("crash")
    sim = Simulation(faults=LambdaFaults(crash=0.5), choices=script)
    sim.create_function("safe", faults=LambdaFaults()).invoke()
    assert [] == script.asked
    lossy = sim.create_function("lossy", faults=LambdaFaults(response_lost=0.5))
    lossy.invoke()
    usual = sim.create_function("usual")
    usual.invoke()
    assert [("lambda.response_lost", lossy.arn, 2), ("lambda.crash", usual.arn, 4)] == script.asked


@pytest.mark.rule("LAM-360")
def test_the_flat_class_has_the_fields_under_their_own_names():
    script = Script("crash", 1)
    sim = Simulation(faults=Faults(crash=0.5, crash_at=(0.25,), response_lost=0.1), choices=script)
    worker = sim.create_function("worker", duration=1)
    worker.invoke()
    assert Outcome.EXIT is worker.invocations[0].outcome
    assert 0.25 == sim.now
    assert ["lambda.crash", "lambda.response_lost"] == [name for name, _, _ in script.asked]


@pytest.mark.rule("LAM-360")
@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("value", [-0.1, 1.1, "often", None, float("nan")])
def test_a_weight_is_a_probability(name, value):
    for kind in (LambdaFaults, Faults):
        with pytest.raises((UsageError, ValueError, TypeError), match=name):
            kind(**{name: value})


@pytest.mark.rule("LAM-360")
@pytest.mark.parametrize(
    "given", [{"crash_at": (2,)}, {"crash_at": (-0.1,)}, {"crash_at": ()}, {"slow_init_s": (-1,)}, {"slow_init_s": ()}]
)
def test_shares_and_durations_are_checked(given):
    with pytest.raises((UsageError, ValueError), match=next(iter(given))):
        LambdaFaults(**given)


@pytest.mark.rule("LAM-360")
def test_everything_is_off_by_default():
    faults = LambdaFaults()
    assert [0] * len(WEIGHTS) == [getattr(faults, name) for name in WEIGHTS]
    assert ((1, 5), (0, 0.5, 1)) == (faults.slow_init_s, faults.crash_at)


@pytest.mark.rule("LAM-360", "LAM-006")
@pytest.mark.parametrize("answer", [-1, 4, True, None, 1.0, "1"])
def test_an_answer_that_is_no_index_stops_the_run_by_name(answer):
    sim, _ = scripted("crash", answer)
    worker = sim.create_function("worker")
    with pytest.raises(UsageError, match=r"lambda\.crash"):
        worker.invoke()


class Broken:
    """A chooser that raises when it is asked the second time."""

    def __init__(self, error):
        self.error = error
        self.asked = 0

    def choose(self, point, options):
        self.asked += 1
        if self.asked == 2:
            raise self.error
        return 0


@pytest.mark.rule("LAM-360", "LAM-006")
@pytest.mark.parametrize("form", ["interleaved", "coroutine"])
@pytest.mark.parametrize("error", [RuntimeError("broken"), UsageError("broken"), KeyboardInterrupt()], ids=repr)
def test_what_a_chooser_raises_leaves_the_run_whatever_the_handler_catches(form, error):
    def handler(event, context):
        with suppress(Exception):
            time.sleep(1)
        return "swallowed"

    async def coroutine(event, context):
        with suppress(Exception):
            await context.sleep(1)
        return "swallowed"

    sim = Simulation(faults=LambdaFaults(crash=0.5), choices=Broken(error))
    worker = sim.create_function("worker", coroutine if form == "coroutine" else handler, execution="interleaved")
    with pytest.raises(type(error)) as left:
        worker.invoke()
    assert left.value is error
    sim.run()
    sim.check_invariants()
    assert 0 == worker.snapshot().in_flight


# ---- refusals


@pytest.mark.rule("LAM-360", "LAM-065")
def test_a_service_error_refuses_before_admission_and_leaves_no_mark():
    sim, script = scripted("service_error", 1, 0)
    worker = sim.create_function("worker", lambda event, context: "ran")
    with pytest.raises(ServiceException) as refusal:
        worker.invoke()
    assert ("Internal service error (injected)", 500) == (refusal.value.message, refusal.value.http_status)
    snapshot = worker.snapshot()
    assert (0, 0, 0, 0) == (snapshot.invocations, snapshot.errors, snapshot.throttles, snapshot.environments)
    assert (0, 0, 0) == tuple(metric(sim, name) for name in ("Invocations", "Errors", "Throttles"))
    assert 0 == worker.billed_mb_ms == sim.now
    assert "ran" == worker.invoke().value
    assert 2 == len(script.asked)


@pytest.mark.rule("LAM-065", "LAM-360")
@pytest.mark.parametrize("point", ["service_error", "caller_rate"])
def test_a_call_that_is_wrong_is_refused_for_that_before_anybody_is_asked(point):
    sim, script = scripted(point, 1)
    worker = sim.create_function("worker")
    with pytest.raises(InvalidRequestContentException):
        worker.invoke("{")
    with pytest.raises(ResourceNotFoundException):
        worker.invoke(qualifier="7")
    worker.invoke(invocation_type="DryRun")
    assert [] == script.asked


@pytest.mark.rule("LAM-065", "LAM-360")
@pytest.mark.parametrize(("point", "error"), [("service_error", ServiceException), ("caller_rate", None)])
def test_they_come_before_the_limits(point, error):
    sim, _ = scripted(point, 1)
    worker = sim.create_function("worker", reserved_concurrent_executions=0)
    with pytest.raises(error or TooManyRequestsException) as refusal:
        worker.invoke()
    if error is None:
        assert "CallerRateLimitExceeded" == refusal.value.reason
    with pytest.raises(TooManyRequestsException) as refusal:
        worker.invoke()
    assert "ReservedFunctionConcurrentInvocationLimitExceeded" == refusal.value.reason


@pytest.mark.rule("LAM-360", "LAM-202")
def test_a_caller_that_calls_too_often_is_told_so():
    sim, _ = scripted("caller_rate", 1)
    worker = sim.create_function("worker")
    with pytest.raises(TooManyRequestsException) as refusal:
        worker.invoke()
    error = refusal.value
    assert ("Rate exceeded", "CallerRateLimitExceeded", 429) == (error.message, error.reason, error.http_status)
    assert (0, 0) == (worker.snapshot().invocations, worker.billed_mb_ms)
    assert worker.invoke().function_error is None


@pytest.mark.rule("LAM-360")
def test_a_refusal_uses_up_no_request_id_and_no_token():
    ids = []
    for answers in ((0, 0), (1, 0, 0)):
        sim, _ = scripted("service_error", *answers)
        worker = sim.create_function("worker")
        for answer in answers:
            if answer:
                with pytest.raises(ServiceException):
                    worker.invoke()
            else:
                worker.invoke()
        ids.append([invocation.request_id for invocation in worker.invocations])
    assert ids[0] == ids[1]


# ---- environments


@pytest.mark.rule("LAM-360")
@pytest.mark.parametrize("form", ["plain", "interleaved", "none"])
def test_a_recycled_environment_is_destroyed_after_the_completion_and_the_next_start_is_cold(form):
    sim, script = scripted("env_recycle", 0, 1, 0, settings=[ColdStartModel(init_s=1)])
    handler = None if form == "none" else lambda event, context: context.environment.id
    worker = sim.create_function("worker", handler, execution="interleaved" if form == "interleaved" else "plain")
    for _ in range(3):
        assert worker.invoke().function_error is None
    assert ["A", "A", "B"] == [invocation.environment.id for invocation in worker.invocations]
    assert [True, False, True] == [invocation.is_cold_start for invocation in worker.invocations]
    assert (2, 1) == (worker.snapshot().cold_starts, worker.snapshot().environments)
    assert [("kept", "destroyed")] * 3 == script.options
    sim.check_invariants()


@pytest.mark.rule("LAM-360")
def test_it_is_asked_at_the_end_of_an_invocation_and_the_environment_is_gone_then():
    sim, script = scripted("env_recycle", 1)
    worker = sim.create_function("worker", duration=1)
    task = sim.spawn(worker.wait_invoke())
    sim.run(until_us=999_999)
    assert ([], 1) == (script.asked, worker.snapshot().environments)
    sim.run(until=1)
    assert (1, 0, 0) == (len(script.asked), worker.snapshot().environments, worker.snapshot().idle)
    assert task.result().function_error is None


@pytest.mark.rule("LAM-360", "LAM-121")
@pytest.mark.parametrize("answer", [0, 1, 2])
def test_another_idle_environment_may_be_taken(answer):
    sim, script = scripted("environment", answer)
    worker = sim.create_function("worker", duration=lambda event: event)

    async def call(seconds):
        await worker.wait_invoke(seconds)

    for seconds in (1, 2, 3):
        sim.spawn(call(seconds))
    sim.run()
    assert [] == script.asked  # nothing was idle
    worker.invoke(1)
    (options,) = script.options
    assert "environment C" == options[0]
    assert {"environment A", "environment B"} == set(options[1:])
    assert 3 == worker.snapshot().cold_starts
    assert f"environment {worker.invocations[-1].environment.id}" == options[answer]
    sim.check_invariants()


@pytest.mark.rule("LAM-360", "LAM-121")
def test_with_one_idle_environment_or_none_nothing_is_left_open():
    sim, script = scripted("environment", 1)
    worker = sim.create_function("worker")
    for _ in range(3):
        worker.invoke()
    assert [] == script.asked


@pytest.mark.rule("LAM-360", "LAM-121", "LAM-127")
def test_an_environment_that_was_left_waiting_is_reclaimed_in_its_time():
    sim, _ = scripted("environment", 1)
    worker = sim.create_function("worker", duration=1)
    together(sim, worker, 2)  # both idle from 1 s on
    sim.run(until=500)
    worker.invoke()
    taken = worker.invocations[-1].environment.id
    sim.run(until_us=600_999_999)
    assert 2 == worker.snapshot().idle
    sim.run(until=601)
    assert 1 == worker.snapshot().idle
    worker.invoke()
    assert taken == worker.invocations[-1].environment.id
    sim.check_invariants()


@pytest.mark.rule("LAM-360", "LAM-123")
@pytest.mark.parametrize(("answer", "init_s"), [(0, "0.25"), (1, "1"), (2, "5")])
@pytest.mark.parametrize("form", ["none", "plain", "interleaved", "factory"])
def test_a_cold_start_may_be_slow(answer, init_s, form):
    sim, script = scripted("cold_start", answer, settings=[ColdStartModel(placement_s=1, init_s=Decimal("0.25"))])
    given = {
        "none": {},
        "plain": {"handler": lambda event, context: None},
        "interleaved": {"handler": lambda event, context: None, "execution": "interleaved", "duration": 0.1},
        "factory": {"init": lambda: lambda event, context: None},
    }[form]
    worker = sim.create_function("worker", **given)
    worker.invoke()
    invocation = worker.invocations[0]
    assert int(Decimal(init_s) * 1_000_000) == invocation.init_us
    assert 1_000_000 + invocation.init_us == invocation.started_at_us
    assert 100_000 == invocation.duration_us
    assert [("as modelled", "1 s", "5 s")] == script.options
    worker.invoke()
    assert 1 == len(script.asked)  # a warm start asks nothing


@pytest.mark.rule("LAM-360", "LAM-126")
def test_the_slow_inits_are_those_that_the_faults_list():
    sim, script = scripted("cold_start", 1, slow_init_s=(Decimal("12.5"), 0.5))
    worker = sim.create_function("worker", timeout=60)
    worker.invoke()
    assert [("as modelled", "12.5 s", "0.5 s")] == script.options
    invocation = worker.invocations[0]
    assert (10_000_000, 12_600_000) == (invocation.init_us, invocation.duration_us)  # cut at 10 s, and done again


@pytest.mark.rule("LAM-360", "LAM-127")
@pytest.mark.parametrize(("answer", "is_cold", "environment"), [(0, True, "B"), (1, False, "B")])
@pytest.mark.parametrize("form", ["none", "factory"])
def test_after_a_reclaim_an_environment_may_be_made_at_once(answer, is_cold, environment, form):
    sim, script = scripted("proactive_init", answer, settings=[ColdStartModel(init_s=2)])
    made = []

    def factory():
        made.append(sim.now)
        return lambda event, context: None

    worker = sim.create_function("worker", **({"init": factory} if form == "factory" else {}))
    worker.invoke()
    ended = sim.now
    sim.run_for(Decimal("599.999999"))
    assert [] == script.asked
    sim.run_for(Decimal("0.000001"))
    assert [("none", "made")] == script.options
    assert answer == worker.snapshot().idle == worker.snapshot().environments
    sim.run_for(10)
    before_us = sim.now_us
    worker.invoke()
    invocation = worker.invocations[-1]
    assert (is_cold, environment) == (invocation.is_cold_start, invocation.environment.id)
    assert before_us + (2_100_000 if is_cold else 100_000) == sim.now_us
    if form == "factory":
        assert [0, ended + 600 if answer else ended + 610] == made
    sim.check_invariants()


@pytest.mark.rule("LAM-360")
def test_an_environment_made_ahead_is_reclaimed_too_and_may_be_made_again():
    sim, script = scripted("proactive_init", 1, 1, 0)
    worker = sim.create_function("worker", duration=1)
    worker.invoke()
    for number, idle in ((1, 1), (2, 1), (3, 0)):
        sim.run(until=1 + 600 * number)
        assert (number, idle) == (len(script.asked), worker.snapshot().idle)
    sim.run(until=10_000)
    assert 3 == len(script.asked)


@pytest.mark.rule("LAM-360")
@pytest.mark.parametrize("change", ["deleted", "updated"])
def test_in_place_of_what_an_update_discards_nothing_is_made(change):
    sim, script = scripted("proactive_init", 1)
    worker = sim.create_function("worker")
    worker.invoke()
    if change == "deleted":
        worker.delete_function()
    else:
        worker.update_function_configuration(memory_size=256)
    sim.run(until=3_600)
    assert [] == script.asked
    assert 0 == worker.snapshot().environments


# ---- crashes


EXIT = "Runtime exited with error: exit status 1"


def assert_crashed(result, worker, number=-1):
    invocation = worker.invocations[number]
    assert (200, "Unhandled") == (result.status_code, result.function_error)
    assert {
        "errorMessage": f"RequestId: {invocation.request_id} Error: {EXIT}",
        "errorType": "Runtime.ExitError",
    } == result.value
    assert Outcome.EXIT is invocation.outcome


@pytest.mark.rule("LAM-360", "LAM-102", "LAM-081")
@pytest.mark.parametrize(("answer", "ends_us", "runs"), [(1, 0, 0), (2, 1_000_000, 1), (3, 2_000_000, 1)])
@pytest.mark.parametrize("form", ["plain", "none", "sleeping", "failing", "factory"])
def test_a_crash_ends_a_plain_invocation_at_a_share_of_its_duration_with_its_side_effects_done(
    answer, ends_us, runs, form
):
    sim, script = scripted("crash", answer)
    queue = sim.create_queue("orders")

    def handler(event, context):
        queue.send_message("done")
        context.environment.state["ran"] = True
        context.environment.tmp["ran"] = True
        if form == "sleeping":
            context.sleep(1.5)
        if form == "failing":
            raise ValueError("unheard")
        return "unheard"

    given = {
        "plain": {"handler": handler, "duration": 2},
        "none": {"duration": 2},
        "sleeping": {"handler": handler, "duration": 0.5},
        "failing": {"handler": handler, "duration": 2},
        "factory": {"init": lambda: handler, "duration": 2},
    }[form]
    worker = sim.create_function("worker", **given)
    assert_crashed(worker.invoke(), worker)
    assert [POINTS["crash"]] == script.options
    assert ends_us == sim.now_us == worker.invocations[0].duration_us
    assert (0 if form == "none" else runs) == queue.snapshot().sent
    assert max(1, ends_us // 1_000) * 128 == worker.billed_mb_ms
    environment = worker.invocations[0].environment
    assert {} == environment.state
    assert (bool(runs) and form != "none") is bool(environment.tmp)
    assert (1, 1, 1) == (worker.snapshot().errors, worker.snapshot().idle, worker.snapshot().cold_starts)
    assert worker.invoke().value in (None, "unheard") or form == "failing"
    sim.check_invariants()


@pytest.mark.rule("LAM-360", "LAM-101")
@pytest.mark.parametrize(
    ("share", "is_timeout", "ends"), [(0.2, False, 2), (0.3, False, 3), (0.5, True, 3), (1, True, 3)]
)
def test_a_crash_after_the_deadline_is_a_timeout(share, is_timeout, ends):
    sim, _ = scripted("crash", 1, crash_at=(share,))
    worker = sim.create_function("worker", duration=10)
    worker.invoke()
    assert (Outcome.TIMEOUT if is_timeout else Outcome.EXIT) is worker.invocations[0].outcome
    assert ends == sim.now


@pytest.mark.rule("LAM-360")
def test_the_shares_are_those_that_the_faults_list():
    sim, script = scripted("crash", 2, crash_at=(0.25, 0.75))
    worker = sim.create_function("worker", duration=2)
    assert_crashed(worker.invoke(), worker)
    assert [("none", "at 0.25", "at 0.75")] == script.options
    assert 1.5 == sim.now


@pytest.mark.rule("LAM-360", "LAM-083")
def test_a_crash_resets_the_environment_and_the_next_invocation_repeats_the_init():
    sim, _ = scripted("crash", 3, 3, settings=[ColdStartModel(init_s=2)])
    worker = sim.create_function("worker", lambda event, context: None, duration=1, timeout=10)
    for duration_us, init_us in ((1_000_000, 2_000_000), (3_000_000, None)):
        assert_crashed(worker.invoke(), worker)
        invocation = worker.invocations[-1]
        assert (duration_us, init_us) == (invocation.duration_us, invocation.init_us)
    worker.invoke()
    assert (3_000_000, None) == (worker.invocations[2].duration_us, worker.invocations[2].init_us)


def stepping(done):
    """Return a handler of three steps: before, between and after two sleeps."""

    def handler(event, context):
        done.append(1)
        time.sleep(1)
        done.append(2)
        context.sleep(1)
        done.append(3)
        return "answer"

    async def coroutine(event, context):
        done.append(1)
        await context.sleep(1)
        done.append(2)
        await context.sleep(1)
        done.append(3)
        return "answer"

    return {
        "interleaved": {"handler": handler, "execution": "interleaved"},
        "coroutine": {"handler": coroutine},
        "factory": {"init": lambda: handler, "execution": "interleaved"},
    }


@pytest.mark.rule("LAM-360", "LAM-081")
@pytest.mark.parametrize("form", ["interleaved", "coroutine", "factory"])
@pytest.mark.parametrize(
    ("answers", "ends", "steps"),
    [((1,), 0, []), ((0, 1), 0, [1]), ((0, 0, 1), 1, [1, 2]), ((0, 0, 0), 2, [1, 2, 3])],
)
def test_a_crash_ends_a_suspended_handler_at_its_start_or_at_a_scheduling_point(form, answers, ends, steps):
    sim, script = scripted("crash", *answers)
    done = []
    worker = sim.create_function("worker", **stepping(done)[form])
    result = worker.invoke()
    assert [("none", "crash")] * len(answers) == [(usual, other.split()[0]) for usual, other in script.options]
    assert steps == done
    assert ends == sim.now
    assert 1_000_000 * ends == worker.invocations[0].duration_us
    if 1 in answers:
        assert_crashed(result, worker)
        assert {} == worker.invocations[0].environment.state
        assert 1 == worker.snapshot().idle
    else:
        assert "answer" == result.value
    sim.check_invariants()


@pytest.mark.rule("LAM-360")
def test_each_call_and_each_remote_operation_is_asked_and_a_crash_leaves_what_was_done_before():
    kept = []
    for crash_at in range(7):
        sim, script = scripted("crash", *([0] * crash_at), 1, execution="interleaved")
        queue, own = sim.create_queue("orders"), []
        store = sim.remote(own)

        def handler(event, context, queue=queue, store=store):
            store.append("a")
            queue.send_message("b")
            time.sleep(0)
            store.append("c")
            queue.send_message("d")

        worker = sim.create_function("worker", handler)
        worker.invoke()
        kept.append((len(script.asked), len(own), queue.snapshot().sent, worker.invocations[0].outcome.value))
    assert [
        (1, 0, 0, "exit"),
        (2, 0, 0, "exit"),
        (3, 1, 0, "exit"),
        (4, 1, 1, "exit"),
        (5, 1, 1, "exit"),
        (6, 2, 1, "exit"),
        (6, 2, 2, "success"),
    ] == kept


@pytest.mark.rule("LAM-360")
@pytest.mark.parametrize("swallows", [False, True])
def test_what_a_crashed_handler_still_tries_is_refused(swallows):
    sim, _ = scripted("crash", 0, 1, execution="interleaved")
    queue = sim.create_queue("orders")
    told = []

    def handler(event, context):
        try:
            time.sleep(1)
        except Exception:  # noqa: BLE001 - handlers do such things
            told.append("caught")
        except BaseException:
            told.append("told")
            if not swallows:
                raise
        finally:
            told.append("finally")
        queue.send_message("too late")
        return "unheard"

    worker = sim.create_function("worker", handler)
    assert_crashed(worker.invoke(), worker)
    sim.run()
    assert 0 == queue.snapshot().sent
    assert "caught" not in told


@pytest.mark.rule("LAM-360")
def test_a_crash_in_a_mapping_brings_the_messages_back():
    sim, _ = scripted("crash", 3)
    queue = sim.create_queue("orders", visibility_timeout=30)
    done = []
    worker = sim.create_function("worker", lambda event, context: done.append(event["Records"][0]["body"]))
    sim.create_event_source_mapping(queue, worker)
    queue.send_message("a")
    sim.run()
    assert ["a", "a"] == done
    assert 1 == queue.snapshot().deleted
    assert 30.1 == sim.now


# ---- lost answers


@pytest.mark.rule("LAM-360")
@pytest.mark.parametrize("form", ["plain", "none", "interleaved", "coroutine"])
def test_an_answer_that_is_lost_is_a_500_after_work_that_was_done_and_billed(form):
    sim, script = scripted("response_lost", 1, 0)
    done = []

    async def coroutine(event, context):
        done.append(1)

    given = {
        "plain": {"handler": lambda event, context: done.append(1)},
        "none": {},
        "interleaved": {"handler": lambda event, context: done.append(1), "execution": "interleaved"},
        "coroutine": {"handler": coroutine},
    }[form]
    worker = sim.create_function("worker", duration=1, **given)
    with pytest.raises(ServiceException) as lost:
        worker.invoke()
    assert 500 == lost.value.http_status
    assert 1 == sim.now
    assert (form != "none") == len(done)
    assert Outcome.SUCCESS is worker.invocations[0].outcome
    assert (1, 0) == (worker.snapshot().invocations, worker.snapshot().errors)
    assert 128 * 1_000 == worker.billed_mb_ms
    assert (1, 0) == (metric(sim, "Invocations"), metric(sim, "Errors"))
    assert worker.invoke().function_error is None
    assert [("answered", "lost")] * 2 == script.options


@pytest.mark.rule("LAM-360")
def test_a_process_that_waits_for_an_answer_that_is_lost_gets_the_error_too():
    sim, _ = scripted("response_lost", 1, execution="interleaved")
    inner = sim.create_function(
        "inner", lambda event, context: "done", duration=1, faults=LambdaFaults(response_lost=0.5)
    )

    def handler(event, context):
        try:
            inner.invoke()
        except ServiceException as error:
            return [error.http_status, sim.now]

    outer = sim.create_function("outer", handler, faults=LambdaFaults())
    assert [500, 1] == outer.invoke().value


@pytest.mark.rule("LAM-360", "LAM-067")
def test_a_mapping_that_does_not_hear_the_answer_delivers_again():
    sim, _ = scripted("response_lost", 1, 0)
    queue = sim.create_queue("orders", visibility_timeout=30)
    done = []
    worker = sim.create_function("worker", lambda event, context: done.append(event["Records"][0]["body"]))
    sim.create_event_source_mapping(queue, worker)
    queue.send_message("a")
    sim.run(until=120)
    assert ["a", "a"] == done
    assert 1 == queue.snapshot().deleted
    sim.check_invariants()


# ---- failures by rate


@pytest.mark.rule("LAM-360", "LAM-006")
def test_failures_by_rate_are_answered_by_a_script():
    script = Script("failure", 1, 0)
    sim = Simulation(choices=script)
    worker = sim.create_function("worker", failure_rate=0.25)
    assert ["Unhandled", None] == [worker.invoke().function_error for _ in range(2)]
    assert [("success", "function error")] * 2 == script.options
    assert [("lambda.failure", worker.arn, 0.25)] * 2 == [
        (point.name, point.owner, point.weight) for point in script.points
    ]


# ---- drawn by lot


def attempt(function):
    """Invoke once, whatever comes of it."""
    with suppress(ServiceException, TooManyRequestsException):
        function.invoke()


@pytest.mark.rule("LAM-360")
@pytest.mark.parametrize("point", POINTS)
def test_a_seed_decides_and_the_weight_is_the_share(point):
    """In 400 draws of 0.25, between a sixth and a third leave the default, alike for all other options."""
    runs = []
    for seed in (1, 1, 2):
        listening = Listening(Seeded(seed))
        sim = Simulation(faults=LambdaFaults(**{"env_recycle": 1.0} | {point: 0.25}), choices=listening)
        worker = sim.create_function("worker", timeout=60)
        for _ in range(400):
            attempt(worker)
        runs.append(listening.answers[worker.arn, f"lambda.{point}"][:300])
    assert runs[0] == runs[1] != runs[2]
    share = sum(answer > 0 for answer in runs[0]) / len(runs[0])
    assert 1 / 6 < share < 1 / 3
    assert set(range(len(POINTS[point]))) == set(runs[0])


@pytest.mark.rule("LAM-360")
def test_the_default_chooser_of_faults_is_seeded_with_the_seed_of_the_simulation():
    runs = []
    for seed, choices in ((1, None), (1, Seeded(1)), (2, None)):
        sim = Simulation(seed=seed, faults=LambdaFaults(crash=0.5), choices=choices)
        worker = sim.create_function("worker")
        for _ in range(50):
            worker.invoke()
        runs.append([invocation.outcome for invocation in worker.invocations])
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.rule("LAM-360", "LAM-006")
@given(data=st.data())
def test_no_point_moves_the_draws_of_another_and_no_function_those_of_another(data):
    """Each function has a stream for each point: with more points or functions there, a point draws as it did."""
    watched = data.draw(st.sampled_from(sorted(POINTS)))
    others = data.draw(st.sets(st.sampled_from(sorted(WEIGHTS)), max_size=4)) - {watched}
    weights = {name: data.draw(st.sampled_from((0.1, 0.5, 1.0)), label=name) for name in sorted(others)}
    has_another = data.draw(st.booleans())
    seed = data.draw(st.integers(0, 9))
    answers = []
    for more in ({}, weights):
        listening = Listening(Seeded(seed))
        sim = Simulation(faults=LambdaFaults(**{watched: 0.5}, **more), choices=listening)
        another = sim.create_function("another") if has_another and more else None
        worker = sim.create_function("worker", timeout=60)
        for number in range(25):
            for function in (worker, another):
                if function is not None:
                    attempt(function)
            sim.run_for(700 if number % 7 == 0 else 0)
        answers.append(listening.answers.get((worker.arn, f"lambda.{watched}"), []))
    shared = min(map(len, answers))
    assert answers[0][:shared] == answers[1][:shared]


@pytest.mark.rule("LAM-360", "LAM-042")
@pytest.mark.parametrize("point", ["service_error", "env_recycle", "response_lost", "caller_rate"])
def test_faults_move_neither_durations_nor_failures_by_rate(point):
    class Drawn:
        def sample(self, random):
            return random.random()

    runs = []
    for faults in (None, LambdaFaults(**{point: 0.5})):
        sim = Simulation(seed=4, faults=faults)
        worker = sim.create_function("worker", duration=Drawn(), failure_rate=0.5)
        while worker.snapshot().invocations < 20:
            attempt(worker)
        runs.append([(invocation.duration_us, invocation.outcome) for invocation in worker.invocations])
    assert runs[0] == runs[1]


@pytest.mark.rule("LAM-360")
@given(
    weights=st.fixed_dictionaries({name: st.sampled_from((0.0, 0.2, 1.0)) for name in WEIGHTS}),
    execution=st.sampled_from(("plain", "interleaved")),
    seed=st.integers(0, 5),
)
def test_whatever_goes_wrong_nothing_is_lost_and_all_counts_agree(weights, execution, seed):
    sim = Simulation(
        seed=seed,
        execution=execution,
        faults=LambdaFaults(**weights),
        settings=[ColdStartModel(init_s=1), RuntimeModel(logs_kept=1_000_000)],
    )
    queue = sim.create_queue("orders", visibility_timeout=20)
    worker = sim.create_function("worker", lambda event, context: time.sleep(0.5), timeout=5)
    sim.create_event_source_mapping(queue, worker, batch_size=2)
    for number in range(6):
        queue.send_message(str(number))
    worker.invoke(invocation_type="Event")
    for until in (0, 1, 1.5, 10, 60, 700, 1_400):
        sim.run(until=until)
        sim.check_invariants()
    sim.run(until=1_500)
    snapshot = worker.snapshot()
    ended = [invocation for invocation in worker.invocations if invocation.ended_at_us is not None]
    assert snapshot.invocations - snapshot.in_flight == len(ended)
    assert snapshot.errors == sum(invocation.outcome is not Outcome.SUCCESS for invocation in ended)
