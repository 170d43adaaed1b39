"""
Whatever handlers do and limits refuse, an asynchronous event keeps its laws; a single one does what a naive loop does.

The laws are asked of many events that compete for one function; the loop is written from the rules alone and knows one
event, and other callers that keep the only unit of concurrency for a while.
"""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import Simulation
from lambdasim.errors.lambda_ import TooManyRequestsException
from lambdasim.lambda_ import AsyncFaults, Outcome
from lambdasim.units import seconds
from tests.strategies import near

SECOND = 1_000_000
WAITS_US = (60 * SECOND, 120 * SECOND)
SAMPLE = st.sampled_from

outcomes = st.lists(SAMPLE(("ok", "raises", "raises", "raises", "sleeps", "exits", "odd")), min_size=1, max_size=4)
ages = SAMPLE((None, 60, 61, 62, 63, 90, 184, 185, 300))
retries = SAMPLE((None, 0, 1, 2))
durations = SAMPLE((0, 1, 500_000, 2 * SECOND, 59_999_999, 60 * SECOND, 60_000_001))
plans = st.fixed_dictionaries(
    {
        "maximum_retry_attempts": retries,
        "maximum_event_age_in_seconds": ages,
        "reserve": SAMPLE((None, 0, 1, 1, 2)),
        "duration_us": durations,
        "events": st.lists(st.tuples(near(0, 0, SECOND, 2 * SECOND, 60 * SECOND), outcomes), min_size=1, max_size=5),
        "seed": st.integers(0, 3),
    }
)


class Run:
    """A plan carried out, looked at after each step: what befell each event."""

    def __init__(self, plan, faults=None):
        self.plan = plan
        self.sim = sim = Simulation(seed=plan["seed"], faults=faults, trace=None)
        self.dead, self.queue = sim.create_queue("dead"), sim.create_queue("results")
        self.runs = defaultdict(int)
        self.worker = worker = sim.create_function(
            "worker",
            self.handle,
            duration=plan["duration_us"] / SECOND,
            timeout=70,
            reserved_concurrent_executions=plan["reserve"],
            dead_letter_target_arn=self.dead.arn,
        )
        worker.put_function_event_invoke_config(
            maximum_retry_attempts=plan["maximum_retry_attempts"],
            maximum_event_age_in_seconds=plan["maximum_event_age_in_seconds"],
            on_success=self.queue,
            on_failure=self.queue,
        )
        at_us = 0
        self.accepted = {}
        for number, (gap_us, _) in enumerate(plan["events"]):
            at_us += gap_us
            sim.call_at(at_us / SECOND, self.send, number)
        while sim.step():
            self.look()

    def send(self, number):
        assert self.worker.invoke(number, invocation_type="Event").status_code == 202
        self.accepted[number] = self.worker.events[-1].request_id, self.sim.now_us

    def handle(self, event, context):
        wanted = self.plan["events"][event][1]
        outcome = wanted[min(self.runs[event], len(wanted) - 1)]
        self.runs[event] += 1
        if outcome == "raises":
            raise ValueError(event)
        if outcome == "sleeps":
            context.sleep(80)
        if outcome == "exits":
            raise SystemExit(1)
        return object() if outcome == "odd" else {"done": event}

    def look(self):
        self.sim.check_invariants()
        found = self.worker.async_snapshot()
        assert found.received == found.succeeded + found.dropped + found.queued + found.running  # ASY-121
        assert found.queued + found.running == len(self.worker.events)

    def check(self, extra_runs=0):
        """Assert the laws (a) to (f) and (h), with so many runs beyond those that count at most."""
        plan, found = self.plan, self.worker.async_snapshot()
        assert found.received == found.succeeded + found.dropped == len(plan["events"])  # (d)
        assert self.worker.events == ()
        records = [json.loads(message.body) for message in self.queue.messages]
        by_id = {record["requestContext"]["requestId"]: record for record in records}
        assert len(by_id) == len(records) == len(plan["events"])  # (d), (e)
        dead = [message.message_attributes["RequestID"]["StringValue"] for message in self.dead.messages]
        assert len(dict.fromkeys(dead)) == len(dead)  # (e)
        attempts = defaultdict(list)
        for invocation in self.worker.invocations:
            attempts[invocation.request_id].append(invocation)
        retries = 2 if plan["maximum_retry_attempts"] is None else plan["maximum_retry_attempts"]
        age_us = (plan["maximum_event_age_in_seconds"] or 21_600) * SECOND
        assert sorted(by_id) == sorted(request_id for request_id, _ in self.accepted.values())
        for number, (request_id, accepted_us) in self.accepted.items():
            runs, record = attempts.pop(request_id, []), by_id[request_id]
            count = record["requestContext"]["approximateInvokeCount"]
            condition = record["requestContext"]["condition"]
            assert record["requestPayload"] == number
            assert all(run.event == number for run in runs)  # (f)
            assert self.runs[number] == len(runs)
            assert 0 <= len(runs) - count <= extra_runs  # (h)
            if len(runs) > count:
                (extra,) = [run for run in runs if run.admitted_at_us == runs[0].admitted_at_us + SECOND]
                runs.remove(extra)
            assert len(runs) <= retries + 1  # (a)
            for place, run in enumerate(runs):
                assert run.admitted_at_us - accepted_us < age_us  # (b)
                if place:
                    assert run.admitted_at_us - runs[place - 1].ended_at_us >= WAITS_US[place - 1]  # (c)
                    assert runs[place - 1].outcome is not Outcome.SUCCESS
            assert (request_id in dead) == (condition != "Success")
            assert (condition == "Success") == bool(runs and runs[-1].outcome is Outcome.SUCCESS)
            assert (condition == "RetriesExhausted") == (len(runs) == retries + 1 and condition != "Success")
            assert (condition == "ZeroReservedConcurrency") == (plan["reserve"] == 0)
            assert ("responsePayload" in record) == bool(runs)
        assert not attempts


@pytest.mark.rule("ASY-140", "ASY-121")
@given(plans)
def test_events_keep_their_laws(plan):
    run = Run(plan)
    run.check()


@pytest.mark.rule("ASY-141", "ASY-121")
@given(plans, SAMPLE((0.5, 1.0)))
def test_so_they_do_when_some_run_twice(plan, weight):
    run = Run(plan, AsyncFaults(duplicate=weight))
    run.check(extra_runs=1)


@pytest.mark.rule("ASY-140", "ASY-141")
@given(plans, SAMPLE((None, 0.5)))
def test_equal_runs_have_equal_traces(plan, weight):
    def trace():
        run = Run(plan, None if weight is None else AsyncFaults(duplicate=weight))
        return run.sim.trace.to_json_lines(), [message.body for message in run.queue.messages]

    assert trace() == trace()


# ---- one event against a naive loop

#: Gap before another caller comes, and how long it stays; it never comes at an instant of the event.
holds = st.lists(st.tuples(SAMPLE((0, 1, 3, 57, 60, 120)), SAMPLE((0.5, 1.75, 2.75, 30.75, 100.75))), max_size=4)


def naive(durations, fails, retries, age, others):
    """Return starts, throttles, condition and end of one event accepted at 0, in seconds."""
    age = 21_600 if age is None else age
    retries = 2 if retries is None else retries
    starts, throttles, held, runs = [], [], [], []
    at, streak = 0, 0
    others = list(others)
    while True:
        while others and others[0][0] <= at:
            came, stays = others.pop(0)
            if not any(begin <= came < end for begin, end in held + runs):
                held.append((came, came + stays))
        if at >= age:
            return starts, throttles, "EventAgeExceeded", at
        if any(begin <= at < end for begin, end in held):
            throttles.append(at)
            delay = min(2**streak, 300)
            streak += 1
            if at + delay >= age:
                return starts, throttles, "EventAgeExceeded", at
            at += delay
            continue
        streak = 0
        place = len(starts)
        starts.append(at)
        end = at + durations[min(place, len(durations) - 1)]
        runs.append((at, end))
        if not fails[min(place, len(fails) - 1)]:
            return starts, throttles, "Success", end
        if place + 1 > retries:
            return starts, throttles, "RetriesExhausted", end
        at = end + (60, 120)[place]
        if at >= age:
            return starts, throttles, "EventAgeExceeded", end


@pytest.mark.rule("ASY-140", "ASY-032", "ASY-041", "ASY-042", "ASY-043")
@given(
    st.lists(SAMPLE((0, 0.5, 1, 2, 31, 60, 62)), min_size=1, max_size=3),
    st.lists(st.booleans(), min_size=1, max_size=3),
    retries,
    ages,
    holds,
)
def test_one_event_does_what_a_naive_loop_does(durations, fails, retries, age, others):
    sim = Simulation(trace=None)
    queue = sim.create_queue("results")
    starts = []

    def handler(event, context):
        if isinstance(event, list):
            context.sleep(event[0])
            return
        place = len(starts)
        starts.append(sim.now)
        context.sleep(durations[min(place, len(durations) - 1)])
        if fails[min(place, len(fails) - 1)]:
            raise ValueError

    worker = sim.create_function("worker", handler, duration=0, timeout=900, reserved_concurrent_executions=1)
    worker.put_function_event_invoke_config(
        maximum_retry_attempts=retries, maximum_event_age_in_seconds=age, on_success=queue, on_failure=queue
    )

    async def other(at, stays):
        await sim.sleep(at)
        with suppress(TooManyRequestsException):
            await worker.wait_invoke([stays])

    worker.invoke({}, invocation_type="Event")
    at, came = 0.25, []
    for gap, stays in others:
        at += gap
        came.append((at, stays))
        sim.spawn(other(at, stays))
        at += 1
    found = []
    sim.subscribe(lambda record: found.append(record.at_us) if record.kind == "invocation throttled" else None)
    while sim.step():
        sim.check_invariants()
        snapshot = worker.async_snapshot()
        assert snapshot.received == snapshot.succeeded + snapshot.dropped + snapshot.queued + snapshot.running
    wanted, throttles, condition, end = naive(durations, fails, retries, age, came)
    assert starts == wanted
    refused = [at for at, _ in came]
    assert [at_us for at_us in found if at_us / SECOND not in refused] == [seconds(at) for at in throttles]
    (message,) = queue.messages
    context = json.loads(message.body)["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == (condition, len(wanted))
    assert message.sent_at_us == seconds(end)
