"""
The world of a handler (LAM-025): simulated clocks and its own environment variables while its code runs, and the real
ones whenever it does not.
"""

from __future__ import annotations

import calendar
import gc
import importlib
import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from os import environ, getenv
from textwrap import dedent
from time import monotonic, perf_counter, sleep
from unittest.mock import Mock, patch

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import ColdStartModel, InvocationTimedOut, Simulation

START = "2001-09-09T01:46:00Z"  # far from the real date
EPOCH = 999_999_960
REAL = 1_700_000_000  # whoever reads less reads no real clock

pytestmark = pytest.mark.filterwarnings("error")

TIME_FUNCTIONS = {name: getattr(time, name) for name in ("time", "time_ns", "sleep", "monotonic", "perf_counter")}
FORMS = ("plain", "interleaved", "coroutine", "factory")
SUSPENDED = ("interleaved", "coroutine")


@pytest.fixture
def sim():
    return Simulation(start=START)


class Outside:
    """What a program sees while no handler runs."""

    def __init__(self):
        self.variables = self._now(os.environ)
        self.monotonic, self.perf_counter = time.monotonic(), time.perf_counter()

    @staticmethod
    def _now(variables):
        """Return them without the one that pytest changes as it goes."""
        return {name: value for name, value in variables.items() if name != "PYTEST_CURRENT_TEST"}

    def set(self, monkeypatch, **variables):
        """Let the process have these variables; *monkeypatch* takes them back after the last check."""
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        self.variables |= variables

    def check(self):
        assert os.environ is environ
        assert os.getenv is getenv
        assert self.variables == self._now(os.environ)
        assert self.variables == self._now(
            {os.fsdecode(name): os.fsdecode(value) for name, value in os.environb.items()}
        )
        assert {name: getattr(time, name) for name in TIME_FUNCTIONS} == TIME_FUNCTIONS
        assert (sleep, monotonic, perf_counter) == (time.sleep, time.monotonic, time.perf_counter)
        assert time.time() > REAL
        assert time.time_ns() > REAL * 1_000_000_000
        assert datetime.now(UTC).timestamp() > REAL
        assert date.today().year >= 2024  # noqa: DTZ011
        assert time.gmtime().tm_year >= 2024
        assert 0 <= time.monotonic() - self.monotonic < 600
        assert 0 <= time.perf_counter() - self.perf_counter < 600


@pytest.fixture
def outside():
    found = Outside()
    found.check()
    yield found
    left, os.environ = os.environ, environ  # where a test fails, the next one begins with the right one all the same
    assert left is environ
    found.check()


def given_as(form, body):
    """
    Return arguments of `create_function`: a handler in this form that does what *body* does.

    *body* is a generator function of event and context: it yields seconds to sleep, and returns its answer.
    """

    def handler(event, context):
        steps = body(event, context)
        try:
            while True:
                time.sleep(next(steps))
        except StopIteration as stop:
            return stop.value
        finally:
            steps.close()

    async def coroutine(event, context):
        steps = body(event, context)
        try:
            while True:
                await context.sleep(next(steps))
        except StopIteration as stop:
            return stop.value
        finally:
            steps.close()

    return {
        "plain": {"handler": handler, "execution": "plain"},
        "interleaved": {"handler": handler, "execution": "interleaved"},
        "coroutine": {"handler": coroutine},
        "factory": {"init": lambda: handler},
    }[form]


def clocks_us():
    """Return what all clocks of the calendar show, in microseconds since the start of the simulation."""
    return {
        "time": round(time.time() * 1_000_000) - EPOCH * 1_000_000,
        "time_ns": time.time_ns() // 1_000 - EPOCH * 1_000_000,
        "now": round(datetime.now(UTC).timestamp() * 1_000_000) - EPOCH * 1_000_000,
        "local": round(datetime.now().timestamp() * 1_000_000) - EPOCH * 1_000_000,  # noqa: DTZ005
    }


def seconds_of_others():
    """Return what the clocks show that know only whole seconds."""
    return {
        "gmtime": calendar.timegm(time.gmtime()) - EPOCH,
        "strftime": int(time.strftime("%S", time.gmtime())),
        "localtime": int(time.mktime(time.localtime())) - EPOCH,
    }


# ---- clocks


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("at_us", [0, 1, 1_500_000, 59_999_999])
def test_clocks_show_the_instant_at_which_the_handler_starts(sim, outside, form, at_us):
    found = []

    def body(event, context):
        found.append((clocks_us(), seconds_of_others(), date.today()))  # noqa: DTZ011
        return
        yield

    worker = sim.create_function("worker", **given_as(form, body))
    sim.run(until_us=at_us)
    worker.invoke()
    instants, in_seconds, today = found[0]
    assert dict.fromkeys(instants, at_us) == instants
    assert dict.fromkeys(in_seconds, at_us // 1_000_000) == in_seconds
    assert date(2001, 9, 9) == today


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", FORMS)
def test_clocks_show_the_end_of_placement_in_the_init_and_of_the_init_in_the_handler(outside, form):
    sim = Simulation(start=START, settings=[ColdStartModel(placement_s=1, init_s=2)])
    found = []

    def body(event, context):
        found.append(clocks_us()["time"])
        return
        yield

    given = given_as(form, body)
    if form == "factory":
        init = given["init"]
        given["init"] = lambda: found.append(clocks_us()["time"]) or init()
    worker = sim.create_function("worker", **given)
    sim.run(until=4)
    worker.invoke()
    assert ([5_000_000] if form == "factory" else []) + [7_000_000] == found


@pytest.mark.rule("LAM-025", "LAM-044")
@pytest.mark.parametrize("form", FORMS)
def test_a_sleep_moves_all_clocks_by_what_it_takes(sim, outside, form):
    found = []

    def body(event, context):
        for seconds in (1.5, 0.000_001, 0, 0.25):
            before = clocks_us(), monotonic(), time.monotonic_ns(), perf_counter(), time.perf_counter_ns()
            yield seconds
            after = clocks_us(), monotonic(), time.monotonic_ns(), perf_counter(), time.perf_counter_ns()
            found.append((seconds, before, after))

    worker = sim.create_function("worker", **given_as(form, body))
    sim.run(until=10)
    worker.invoke()
    for seconds, before, after in found:
        passed_us = round(seconds * 1_000_000)
        assert {name: value + passed_us for name, value in before[0].items()} == after[0]
        assert [pytest.approx(seconds, abs=1e-7)] * 2 == [after[1] - before[1], after[3] - before[3]]
        assert [passed_us * 1_000] * 2 == [after[2] - before[2], after[4] - before[4]]
    assert 4 == len(found)
    assert found[-1][2][0]["time"] == 11_750_001


@pytest.mark.rule("LAM-025", "LAM-042")
@pytest.mark.parametrize("execution", ["plain", "interleaved"])
@pytest.mark.parametrize("how", ["time.sleep", "by name", "context"])
def test_every_sleep_takes_simulated_time_and_no_real_time(sim, outside, execution, how):
    def handler(event, context):
        {"time.sleep": time.sleep, "by name": sleep, "context": context.sleep}[how](2)
        return clocks_us()["time"]

    worker = sim.create_function("worker", handler, execution=execution, duration=0)
    assert 2_000_000 == worker.invoke().value
    assert 2 == sim.now
    assert time.monotonic() - outside.monotonic < 1.5


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("execution", ["plain", "interleaved"])
@pytest.mark.parametrize("seconds", [-1, -0.001])
def test_a_sleep_of_less_than_nothing_is_the_error_that_python_raises(sim, outside, execution, seconds):
    worker = sim.create_function("worker", lambda event, context: time.sleep(seconds), execution=execution)
    assert "ValueError" == worker.invoke().value["errorType"]


@pytest.mark.rule("LAM-025", "LAM-045")
@pytest.mark.parametrize("execution", ["plain", "interleaved"])
@pytest.mark.parametrize(("seconds", "goes_on"), [("2.999999", True), ("3", True), ("3.000001", False)])
def test_a_sleep_of_the_standard_library_that_ends_after_the_deadline_ends_the_handler(
    sim, outside, execution, seconds, goes_on
):
    reached = []

    def handler(event, context):
        try:
            time.sleep(float(seconds))
        except Exception:  # noqa: BLE001 - handlers do such things
            reached.append("swallowed")
        reached.append("went on")
        return "answer"

    worker = sim.create_function("worker", handler, execution=execution, duration=0)
    result = worker.invoke()
    assert (["went on"] if goes_on else []) == reached
    assert ("answer" if goes_on else "Sandbox.Timedout") == (result.value if goes_on else result.value["errorType"])
    assert min(3, Decimal(seconds)) == Decimal(sim.now_us) / 1_000_000


# ---- environment variables


def seen(name):
    """Return a variable in each way in which a program reads one."""
    return {
        "environ": os.environ.get(name),
        "by name": environ.get(name),
        "getenv": os.getenv(name),
        "getenv by name": getenv(name),
        "bytes": (os.environb.get(name.encode()) or b"").decode() or None,
        "item": os.environ[name] if name in os.environ else None,  # noqa: SIM401
        "copy": os.environ.copy().get(name),
        "all": {**environ}.get(name),
        "items": dict(environ.items()).get(name),
    }


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", FORMS)
def test_a_handler_reads_its_variables_however_it_asks(monkeypatch, sim, outside, form):
    found = []

    def body(event, context):
        for _ in range(2):
            found.append([set(seen(name).values()) for name in ("TABLE", "FROM_PROCESS", "BOTH", "NOWHERE")])
            yield 1

    outside.set(monkeypatch, FROM_PROCESS="process", BOTH="process")
    worker = sim.create_function(
        "worker", environment={"TABLE": "orders-ü", "BOTH": "function"}, **given_as(form, body)
    )
    worker.invoke()
    assert [[{"orders-ü"}, {"process"}, {"function"}, {None}]] * 2 == found


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", FORMS)
def test_the_variables_that_lambda_defines_are_there(outside, form):
    sim = Simulation(start=START, region="eu-west-1")
    found = {}

    def body(event, context):
        found.update(os.environ)
        found["context"] = [context.log_stream_name, context.log_group_name]
        return
        yield

    sim.create_function("worker", memory_size=512, **given_as(form, body)).invoke()
    stream, group = found["context"]
    wanted = {
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_NAME": "worker",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }
    assert wanted == {name: found.get(name) for name in wanted}
    assert "/aws/lambda/worker" == group
    assert all(found[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))


@pytest.mark.rule("LAM-025", "LAM-043")
@pytest.mark.parametrize("form", FORMS)
def test_the_same_mapping_is_on_the_context_and_cannot_be_changed(sim, outside, form):
    found = []

    def body(event, context):
        variables = context.environment.variables
        found.append(("orders", "worker") == (variables["TABLE"], variables["AWS_LAMBDA_FUNCTION_NAME"]))
        for change in (lambda: variables.__setitem__("TABLE", "x"), lambda: variables.__delitem__("TABLE")):
            try:
                change()
            except (TypeError, AttributeError):
                found.append(variables["TABLE"])
        return
        yield

    worker = sim.create_function("worker", environment={"TABLE": "orders"}, **given_as(form, body))
    worker.invoke()
    assert [True, "orders", "orders"] == found
    assert {"TABLE": "orders"} == dict(worker.environment_variables)


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", FORMS)
def test_changes_are_kept_for_the_next_turn_of_that_environment_and_never_leak(monkeypatch, sim, outside, form):
    found = []

    def body(event, context):
        table = os.environ.get("TABLE")
        found.append((context.environment.id, table, os.getenv("NEW"), "HOME_OF_ALL" in os.environ))
        os.environ["NEW"] = os.environ.get("NEW", "") + "x"
        os.environ.pop("TABLE", None)
        os.environ.pop("HOME_OF_ALL", None)
        yield 0.5
        found.append((context.environment.id, os.environ.get("TABLE"), os.getenv("NEW"), "HOME_OF_ALL" in environ))
        yield 0.5

    outside.set(monkeypatch, HOME_OF_ALL="process")
    worker = sim.create_function("worker", environment={"TABLE": "t"}, duration=0, **given_as(form, body))

    async def call(at):
        await sim.sleep(at)
        await worker.wait_invoke()

    for at in (0, 0.25, 2):
        sim.spawn(call(at))
    for at in (0.1, 0.25, 0.6, 1.1, 2.2):
        sim.call_at(at, outside.check)
    sim.run()
    first, gone = ("t", None, True), (None, "x", False)
    by_environment = {name: [entry[1:] for entry in found if entry[0] == name] for name in ("A", "B")}
    again = [(None, "x", False), (None, "xx", False)]
    idle_last = "B"  # it ended last, so the third takes it
    assert {"A": [first, gone], "B": [first, gone, *again]} == by_environment
    assert found[-1][0] == idle_last


@pytest.mark.rule("LAM-025", "LAM-083")
@pytest.mark.parametrize("form", FORMS)
def test_changes_are_lost_with_the_process(sim, outside, form):
    found = []

    def body(event, context):
        found.append((os.environ.get("TABLE"), os.environ.get("NEW")))
        os.environ["NEW"] = os.environ["TABLE"] = "changed"
        if event == ["exit"]:
            raise SystemExit(1)
        return
        yield

    worker = sim.create_function("worker", environment={"TABLE": "t"}, **given_as(form, body))
    for event in (["go on"], ["exit"], ["go on"]):
        worker.invoke(event)
    assert [("t", None), ("changed", "changed"), ("t", None)] == found
    assert 1 == worker.snapshot().cold_starts


CHANGES = {
    "set": lambda: os.environ.update(LEAK="1"),
    "by name": lambda: environ.__setitem__("LEAK", "1"),
    "default": lambda: environ.setdefault("LEAK", "1"),
    "bytes": lambda: os.environb.__setitem__(b"LEAK", b"1"),
    "delete": lambda: os.environ.__delitem__("PATH"),
    "pop": environ.popitem,
    "clear": environ.clear,
    "rebind": lambda: setattr(os, "environ", {"LEAK": "1"}),
    "merge": lambda: os.environ.__ior__({"LEAK": "1", "PATH": ""}),
}


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_a_handler_does_to_the_variables_the_process_gets_its_own_back(sim, outside, form, change):
    def body(event, context):
        change()
        yield 1
        change()
        return "done"

    worker = sim.create_function("worker", environment={"TABLE": "t"}, **given_as(form, body))
    for at in (0, 0.5, 1, 1.5):
        sim.call_at(at, outside.check)
    worker.invoke()
    outside.check()


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", FORMS)
def test_programs_started_afterwards_have_the_variables_of_the_process(monkeypatch, sim, outside, form):
    """They inherit what the C library has, which `os.environ` writes to."""

    def body(event, context):
        os.environ["LEAK"] = os.environ["FROM_PROCESS"] = "handler"
        del os.environ["REMOVED"]
        yield 1
        os.environ["LEAK"] = "again"

    outside.set(monkeypatch, FROM_PROCESS="process", REMOVED="there")
    sim.create_function("worker", **given_as(form, body)).invoke()
    program = "import os; print([os.environ.get(name) for name in ('LEAK', 'FROM_PROCESS', 'REMOVED')])"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "[None, 'process', 'there']" == printed.strip()


# ---- before, between and afterwards


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", SUSPENDED)
def test_nothing_is_patched_while_a_handler_is_suspended(sim, outside, form):
    def body(event, context):
        for _ in range(5):
            os.environ["TABLE"] = "changed"
            yield 0.5

    worker = sim.create_function("worker", environment={"TABLE": "t"}, **given_as(form, body))
    looked = []
    for at in (0, 0.1, 0.5, 0.7, 1, 2.4, 2.5):
        sim.call_at(at, lambda: looked.append(outside.check()))
    worker.invoke()
    sim.run()
    assert 7 == len(looked)


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("slept", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        AssertionError("x"),
        KeyboardInterrupt(),
        SystemExit(1),
        GeneratorExit(),
        StopAsyncIteration(),
        RecursionError(),
        MemoryError(),
        InvocationTimedOut(),
        type("Own", (BaseException,), {})(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_nothing_is_patched_after_a_handler_has_raised(sim, outside, form, slept, error):
    def handler(event, context):
        os.environ["TABLE"] = "changed"
        if slept:
            time.sleep(1)
        raise error

    async def coroutine(event, context):
        os.environ["TABLE"] = "changed"
        if slept:
            await context.sleep(1)
        raise error

    given = {
        "plain": {"handler": handler, "execution": "plain"},
        "interleaved": {"handler": handler, "execution": "interleaved"},
        "coroutine": {"handler": coroutine},
        "factory": {"init": lambda: handler},
    }[form]
    worker = sim.create_function("worker", environment={"TABLE": "t"}, **given)
    leaves = isinstance(error, AssertionError) or not isinstance(error, Exception | SystemExit | InvocationTimedOut)
    if leaves:
        with pytest.raises(type(error)):
            worker.invoke()
    else:
        assert worker.invoke().function_error
    outside.check()
    sim.run()
    outside.check()
    sim.check_invariants()


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("execution", ["plain", "interleaved"])
@pytest.mark.parametrize("error", [ValueError("x"), AssertionError("x"), KeyboardInterrupt(), SystemExit(1)], ids=repr)
def test_nothing_is_patched_after_an_init_has_raised(sim, outside, execution, error):
    def factory():
        os.environ["TABLE"] = "changed"
        raise error

    worker = sim.create_function("worker", init=factory, execution=execution, environment={"TABLE": "t"})
    if isinstance(error, AssertionError | KeyboardInterrupt):
        with pytest.raises(type(error)):
            worker.invoke()
    else:
        assert worker.invoke().function_error
    outside.check()


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", SUSPENDED)
@pytest.mark.parametrize("number", [1, 2])
def test_nothing_is_patched_when_the_run_stops_in_the_middle(sim, outside, form, number):
    ended = []

    def body(event, context):
        try:
            for _ in range(3):
                yield 1
        finally:
            ended.append(context.aws_request_id)

    for which in range(number):
        worker = sim.create_function(f"worker-{which}", environment={"WHO": str(which)}, **given_as(form, body))
        worker.invoke(invocation_type="Event")
    for until in (0, 0.5, 1, 1.5):
        sim.run(until=until)
        outside.check()
    sim.step()
    outside.check()
    assert [] == ended
    del sim, worker
    gc.collect()
    outside.check()


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", SUSPENDED)
def test_nothing_is_patched_after_a_timeout(sim, outside, form):
    def body(event, context):
        os.environ["TABLE"] = "changed"
        try:
            yield 10
        finally:
            os.environ["TABLE"] = "changed again"

    worker = sim.create_function("worker", environment={"TABLE": "t"}, timeout=1, **given_as(form, body))
    sim.call_at(0.5, outside.check)
    sim.call_at(1, outside.check)
    assert "Sandbox.Timedout" == worker.invoke().value["errorType"]
    outside.check()


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", FORMS)
def test_making_a_function_and_finding_it_throttled_patches_nothing(sim, outside, form):
    def body(event, context):
        raise AssertionError("it must not run")
        yield

    worker = sim.create_function(
        "worker", environment={"TABLE": "t"}, reserved_concurrent_executions=0, **given_as(form, body)
    )
    outside.check()
    worker.invoke(invocation_type="Event")
    sim.run()
    assert 0 == worker.snapshot().invocations


# ---- several handlers


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("forms", [("interleaved", "interleaved"), ("interleaved", "coroutine"), ("coroutine",) * 2])
def test_suspended_handlers_never_see_each_others_variables_or_clock(sim, outside, forms):
    found = {"ann": [], "bob": []}

    def body(event, context):
        who = os.environ["WHO"]
        for step in range(4):
            found[who].append((os.environ["WHO"], getenv("STEP"), clocks_us()["time"]))
            os.environ["STEP"] = f"{who} {step}"
            yield 0.5

    for name, form in zip(found, forms, strict=True):
        worker = sim.create_function(name, environment={"WHO": name}, **given_as(form, body))
        sim.call_at(0 if name == "ann" else 0.25, worker.invoke_async, "{}")
    sim.run()
    for name, first_us in (("ann", 0), ("bob", 250_000)):
        steps = [None, *(f"{name} {step}" for step in range(3))]
        assert [(name, step, first_us + 500_000 * count) for count, step in enumerate(steps)] == found[name]


@pytest.mark.rule("LAM-025", "LAM-041")
@given(data=st.data(), forms=st.lists(st.sampled_from(FORMS), min_size=2, max_size=4))
def test_any_handlers_side_by_side_see_their_own_world_and_leave_none(data, forms):
    outside = Outside()
    sim = Simulation(start=START)
    looked = []

    def body(event, context):
        who = os.environ["WHO"]
        instant_us = clocks_us()["time"]
        for step, sleep_us in enumerate(event["sleeps_us"]):
            assert who == os.environ["WHO"] == getenv("WHO") == event["who"]
            assert (str(step - 1) if step else None) == os.environ.pop("STEP", None)
            os.environ["STEP"] = str(step)
            yield sleep_us / 1_000_000
            instant_us += sleep_us
            assert instant_us == clocks_us()["time"]
            looked.append(who)
        os.environ.pop("STEP", None)

    sleeps = st.lists(st.sampled_from((0, 1, 500_000, 1_000_000)), min_size=1, max_size=4)
    total = 0
    for number, form in enumerate(forms):
        given = given_as(form, body)
        worker = sim.create_function(f"worker-{number}", environment={"WHO": str(number)}, timeout=60, **given)
        for at in data.draw(st.lists(st.sampled_from((0, 0.5, 1)), min_size=1, max_size=3)):
            event = {"who": str(number), "sleeps_us": data.draw(sleeps)}
            total += len(event["sleeps_us"])
            sim.call_at(at, lambda worker=worker, event=event: worker.invoke(event, invocation_type="Event"))
    while sim.step():
        outside.check()
    assert total == len(looked)
    assert all(function.snapshot().errors == 0 for function in sim.functions)


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", SUSPENDED)
def test_two_simulations_in_turns_have_worlds_of_their_own(outside, form):
    found = []

    def body(event, context):
        for _ in range(3):
            found.append((os.environ["WHO"], clocks_us()["time"]))
            yield 1

    sims = [Simulation(start=START) for _ in range(2)]
    for number, sim in enumerate(sims):
        sim.run(until=100 * number)
        worker = sim.create_function("worker", environment={"WHO": str(number)}, **given_as(form, body))
        worker.invoke(invocation_type="Event")
    while sum(sim.step() for sim in sims):
        outside.check()
    for number in range(2):
        assert [100_000_000 * number + step * 1_000_000 for step in range(3)] == [
            at_us for who, at_us in found if who == str(number)
        ]


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("outer", FORMS)
@pytest.mark.parametrize("inner", FORMS)
def test_a_handler_that_plays_a_simulation_of_its_own_gets_its_own_world_back(sim, outside, outer, inner):
    found = []

    def see():
        found.append((os.environ["WHO"], os.environ["AWS_LAMBDA_FUNCTION_NAME"], clocks_us()["time"]))

    def inner_body(event, context):
        see()
        os.environ["WHO"] = "changed"
        yield 0.5
        see()

    def body(event, context):
        see()
        yield 1
        other = Simulation(start=START)
        other.run(until=50)
        other.create_function("inner", environment={"WHO": "inner"}, **given_as(inner, inner_body)).invoke()
        see()
        yield 1
        see()

    sim.run(until=5)
    result = sim.create_function("outer", environment={"WHO": "outer"}, **given_as(outer, body)).invoke()
    assert result.function_error is None, result.value
    assert [
        ("outer", "outer", 5_000_000),
        ("inner", "inner", 50_000_000),
        ("changed", "inner", 50_500_000),
        ("outer", "outer", 6_000_000),
        ("outer", "outer", 7_000_000),
    ] == found


# ---- modules


@pytest.fixture
def app(tmp_path, monkeypatch):
    """Return a writer of the module `app`."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text):
        (tmp_path / "app.py").write_text(dedent(text), encoding="utf-8")
        importlib.invalidate_caches()

    return write


@pytest.mark.rule("LAM-025", "LAM-041")
@pytest.mark.parametrize("execution", ["plain", "interleaved"])
def test_a_module_lives_in_the_world_of_its_function_from_its_import_on(outside, app, execution):
    app(
        """
        import os
        import time
        from datetime import datetime, timezone
        from os import environ, getenv
        from time import sleep, time as now

        TABLE = os.environ["TABLE"]
        NAME = environ["AWS_LAMBDA_FUNCTION_NAME"]
        IMPORTED = now()
        IMPORTED_AT = datetime.now(timezone.utc).isoformat()
        environ["SET_BY_IMPORT"] = "yes"

        def handler(event, context):
            began = now()
            sleep(1)
            time.sleep(0.5)
            return [TABLE, NAME, getenv("TABLE"), environ.get("SET_BY_IMPORT"), IMPORTED, IMPORTED_AT, began, now()]
        """
    )
    sim = Simulation(start=START, settings=[ColdStartModel(placement_s=1, init_s=2)])
    worker = sim.create_function("worker", "app.handler", environment={"TABLE": "orders"}, execution=execution)
    outside.check()
    assert [
        "orders",
        "worker",
        "orders",
        "yes",
        EPOCH + 1,
        "2001-09-09T01:46:01+00:00",
        EPOCH + 3,
        EPOCH + 4.5,
    ] == worker.invoke().value
    outside.check()
    warm = worker.invoke().value
    assert "yes" == warm[3]
    assert EPOCH + 1 == warm[4]


@pytest.mark.rule("LAM-025", "LAM-123")
@pytest.mark.parametrize("execution", ["plain", "interleaved"])
def test_what_an_import_sleeps_is_part_of_the_init(outside, app, execution):
    app(
        """
        import time

        BEFORE = time.time()
        time.sleep(1.5)
        AFTER = time.time()

        def handler(event, context):
            return [BEFORE, AFTER, time.time(), context.get_remaining_time_in_millis()]
        """
    )
    sim = Simulation(start=START, settings=[ColdStartModel(placement_s=1, init_s=2)])
    worker = sim.create_function("worker", "app.handler", execution=execution, duration=0)
    assert [EPOCH + 1, EPOCH + 2.5, EPOCH + 4.5, 3_000] == worker.invoke().value
    invocation = worker.invocations[0]
    assert (3_500_000, 0) == (invocation.init_us, invocation.duration_us)
    assert 4.5 == sim.now


@pytest.mark.rule("LAM-025")
def test_local_time_is_utc_as_on_lambda_and_the_zone_of_the_process_comes_back(sim):
    found = []

    def handler(event, context):
        found.append((datetime.now().hour, time.localtime().tm_hour, time.strftime("%H:%M")))  # noqa: DTZ005

    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    try:
        sim.create_function("worker", handler).invoke()
        assert (9 * 3_600, "JST") == (-time.timezone, time.tzname[0])
        assert 9 == time.localtime(0).tm_hour
        assert "Asia/Tokyo" == os.environ["TZ"]
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
    assert [(1, 1, "01:46")] == found


@pytest.mark.rule("LAM-025")
def test_a_decorated_handler_sleeps_in_simulated_time_too(sim, outside):
    """The wrapper is of another module, as that of a library of decorators is."""
    library = {}
    exec(
        dedent(
            """
            from functools import wraps

            def traced(handler):
                @wraps(handler)
                def wrapper(event, context):
                    return handler(event, context)
                return wrapper
            """
        ),
        library,
    )

    @library["traced"]
    def handler(event, context):
        sleep(2)
        return clocks_us()["time"]

    assert 2_000_000 == sim.create_function("worker", handler, duration=0).invoke().value
    assert time.monotonic() - outside.monotonic < 1.5


@pytest.mark.rule("LAM-025", "LAM-026")
@pytest.mark.parametrize("form", FORMS)
def test_a_version_is_in_the_variables_by_its_number_and_an_alias_is_not(sim, outside, form):
    found = []

    def body(event, context):
        found.append((os.environ["AWS_LAMBDA_FUNCTION_VERSION"], os.environ["TABLE"]))
        return
        yield

    worker = sim.create_function("worker", environment={"TABLE": "old"}, **given_as(form, body))
    worker.publish_version()
    worker.create_alias("live", "1")
    worker.update_function_configuration(environment={"TABLE": "new"})
    for qualifier in ("1", "live", None):
        worker.invoke(qualifier=qualifier)
    assert [("1", "old"), ("1", "old"), ("$LATEST", "new")] == found


@pytest.mark.rule("LAM-025", "LAM-172")
@pytest.mark.parametrize("form", FORMS)
def test_provisioned_environments_say_that_they_are(sim, outside, form):
    found = []

    def body(event, context):
        found.append(os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"])
        return
        yield

    worker = sim.create_function("worker", **given_as(form, body))
    worker.publish_version()
    worker.put_provisioned_concurrency_config("1", 1)
    sim.run(until=120)
    outside.check()
    for qualifier in ("1", "$LATEST"):
        worker.invoke(qualifier=qualifier)
    assert ["provisioned-concurrency", "on-demand"] == found


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("execution", ["plain", "interleaved"])
def test_an_installed_package_that_a_handler_is_the_first_to_import_works_outside_too(
    tmp_path, monkeypatch, sim, outside, execution
):
    """It keeps what it found: clocks that must show real time to everybody else."""
    for folder, name, text in (
        ("site-packages", "installed_clock", "from time import monotonic, sleep, time\nfrom os import environ\n"),
        ("root", "app", "import installed_clock\ndef handler(event, context):\n    installed_clock.sleep(1)\n"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path / folder)
    try:
        sim.create_function("worker", "app.handler", execution=execution, duration=0).invoke()
        assert 1 == sim.now
        package = sys.modules["installed_clock"]
        assert package.time() > REAL
        assert abs(package.monotonic() - time.monotonic()) < 60
        before = time.monotonic()
        package.sleep(0.02)
        assert time.monotonic() - before >= 0.01
        assert package.environ is environ
    finally:
        sys.modules.pop("installed_clock", None)


@pytest.mark.rule("LAM-025")
def test_a_coroutine_that_blocks_takes_simulated_time_too(sim, outside):
    async def handler(event, context):
        time.sleep(2)  # noqa: ASYNC251 - that is what it does wrong
        return clocks_us()["time"]

    worker = sim.create_function("worker", handler)
    assert 2_000_000 == worker.invoke().value
    assert 2 == sim.now
    assert time.monotonic() - outside.monotonic < 1.5


WITHOUT_EXTRAS = """
import sys
import time
import warnings

for name in {missing!r}:
    sys.modules[name] = None
from lambdasim import Simulation
from lambdasim.errors import UsageError

sim = Simulation(start="2001-09-09T01:46:00Z")
found = []

def handler(event, context):
    found.append(time.time() > 1_700_000_000)
    time.sleep(2)

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    worker = sim.create_function("worker", handler, duration=0)
    for _ in range(3):
        worker.invoke()
    try:
        sim.create_function("other", handler, execution="interleaved").invoke()
    except UsageError as error:
        found.append("lambdasim[handlers]" in str(error))
print(found, sim.now, len(caught), ["lambdasim[handlers]" in str(warning.message) for warning in caught])
"""


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize(
    ("missing", "printed"),
    [
        (("time_machine",), "[True, True, True, True] 8.0 1 [True]"),
        (("greenlet",), "[False, False, False, True] 6.0 0 []"),
        (("time_machine", "greenlet"), "[True, True, True, True] 6.0 1 [True]"),
    ],
)
def test_without_the_extra_handlers_run_plain_and_one_warning_says_that_they_read_the_real_clock(missing, printed):
    program = WITHOUT_EXTRAS.format(missing=missing)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert printed == done.stdout.strip(), done.stderr


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", FORMS)
def test_what_the_test_program_has_patched_itself_is_there_again_afterwards(monkeypatch, sim, form):
    """Many a test suite lets sleeps take no time, or travels in time by itself."""
    fakes = {name: Mock(return_value=5.0) for name in ("sleep", "monotonic", "perf_counter")}
    for name, fake in fakes.items():
        monkeypatch.setattr(time, name, fake)
    seen = []

    def body(event, context):
        seen.append((os.environ["TABLE"], clocks_us()["time"]))
        yield 1
        seen.append((os.environ["TABLE"], clocks_us()["time"]))

    def look():
        assert {name: getattr(time, name) for name in fakes} == fakes
        assert os.environ["PATCHED"] == "yes"
        assert datetime.now(UTC).year == 2020

    worker = sim.create_function("worker", environment={"TABLE": "t"}, **given_as(form, body))
    with patch.dict(os.environ, {"PATCHED": "yes"}), time_machine.travel(datetime(2020, 6, 1, tzinfo=UTC), tick=False):
        look()
        for at in (0, 0.5, 1):
            sim.call_at(at, look)
        worker.invoke()
        look()
    assert [("t", 0), ("t", 1_000_000)] == seen
    assert 1 == worker.invocations[0].duration_us // 1_000_000


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize("form", FORMS)
def test_a_test_program_that_has_put_a_dictionary_in_place_of_the_variables_gets_it_back(sim, form):
    seen = []

    def body(event, context):
        seen.append((os.environ["TABLE"], os.environ.get("ONLY"), os.getenv("TABLE")))
        os.environ["LEAK"] = "1"
        yield 1
        seen.append((os.environ["TABLE"], os.environ.get("LEAK"), os.getenv("TABLE")))

    worker = sim.create_function("worker", environment={"TABLE": "t"}, **given_as(form, body))
    with patch("os.environ", {"ONLY": "this"}) as variables:
        for at in (0, 0.5, 1):
            sim.call_at(at, lambda: seen.append(os.environ is variables))
        result = worker.invoke()
        assert os.environ is variables
        assert {"ONLY": "this"} == variables
    assert os.environ is environ
    assert result.function_error is None
    assert [("t", "this", "t"), ("t", "1", "t")] == [entry for entry in seen if entry is not True]
