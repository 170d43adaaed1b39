"""What calls of Lambda through clients take, and what may become of them."""

from __future__ import annotations

from functools import partial

import pytest
from botocore.exceptions import ReadTimeoutError

from lambdasim import Faults, LambdaConfig, LambdaFaults, Simulation
from lambdasim.errors import UsageError
from tests.bridge_lambda import arn_of, bare, client_of, create, refused

CALLS = {
    "create": lambda client: create(client, "other"),
    "look": lambda client: client.get_function_configuration(FunctionName="worker"),
    "invoke": lambda client: client.invoke(FunctionName="worker"),
    "reserve": lambda client: client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=1),
}


class Nth:
    """Takes the last option at the n-th question about a point, and knows who asked what."""

    def __init__(self, name, number=1):
        self.name, self.number = name, number
        self.asked = []

    def choose(self, point, options):
        self.asked.append((point.owner, point.name, tuple(options)))
        if point.name != self.name:
            return 0
        self.number -= 1
        return len(options) - 1 if self.number == 0 else 0


def world(name, knob, value=0.5, **options):
    """Return a chooser, a simulation with a function and one knob, and a client that does not try again."""
    chooser = Nth(f"lambda.{name}")
    sim = Simulation(faults=LambdaFaults(**{knob: value}), choices=chooser, **options)
    ran = []
    sim.create_function("worker", lambda event, _: ran.append(event), duration=0.2)
    return chooser, sim, client_of(sim), ran


@pytest.mark.parametrize("call", CALLS)
def test_a_call_of_a_test_takes_time_with_its_effect_half_way(call):
    sim = Simulation(settings=[LambdaConfig(call_latency_s=3)])
    sim.create_function("worker", duration=0.2)
    seen = []
    sim.call_at(1.4, lambda: seen.append((len(sim.functions), sim.function("worker").in_flight)))
    sim.call_at(1.6, lambda: seen.append((len(sim.functions), sim.function("worker").in_flight)))
    CALLS[call](client_of(sim))
    assert sim.now == (3.2 if call == "invoke" else 3)
    assert seen == [(1, 0), {"create": (2, 0), "invoke": (1, 1)}.get(call, (1, 0))]


def test_a_call_of_a_handler_suspends_it_and_nobody_else():
    sim = Simulation(settings=[LambdaConfig(call_latency_s=2)], execution="interleaved")
    log = []

    def ask(event, _):
        client = client_of(sim)
        log.append((event, "asks", sim.now))
        client.get_function_configuration(FunctionName="asker")
        log.append((event, "knows", sim.now))

    asker = sim.create_function("asker", ask, timeout=60)
    for number in (1, 2):
        sim.call_at(number, partial(asker.invoke, number, invocation_type="Event"))
    sim.run()
    assert log == [(1, "asks", 1), (2, "asks", 2), (1, "knows", 3), (2, "knows", 4)]


def test_a_call_that_takes_no_time_is_a_place_where_others_run():
    sim = Simulation(execution="interleaved")
    log = []

    def ask(event, _):
        log.append((event, 1))
        client_of(sim).list_functions()
        log.append((event, 2))

    asker = sim.create_function("asker", ask)
    for number in (1, 2):
        asker.invoke(number, invocation_type="Event")
    sim.run()
    assert log == [(1, 1), (2, 1), (1, 2), (2, 2)]


def test_a_plain_handler_has_its_answer_at_once():
    sim = Simulation(settings=[LambdaConfig(call_latency_s=2)])
    seen = []

    def ask(event, _):
        client_of(sim).list_functions()
        seen.append(sim.now)

    sim.create_function("asker", ask).invoke()
    assert seen == [0]


def test_a_call_is_refused_before_it_has_an_effect():
    chooser, sim, client, _ = world("call_error", "call_error")
    with refused("ServiceException", "Internal service error (injected)", http_status=500, Type="Service"):
        create(client, "other")
    assert [function.name for function in sim.functions] == ["worker"]
    create(client, "other")
    owner = "arn:aws:lambda:us-east-1:123456789012"
    assert chooser.asked == [(owner, "lambda.call_error", ("accepted", "refused"))] * 2


def test_a_call_is_throttled_before_it_has_an_effect():
    _, sim, client, ran = world("call_throttled", "call_throttled")
    with refused(
        "TooManyRequestsException", "Rate exceeded", http_status=429, Reason="CallerRateLimitExceeded", Type="User"
    ) as caught:
        client.invoke(FunctionName="worker")
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
    assert (ran, sim.function("worker").throttles) == ([], 0)
    assert 200 == client.invoke(FunctionName="worker")["StatusCode"]


def test_an_answer_is_lost_after_the_effect():
    _, sim, client, ran = world("call_lost", "call_lost")
    with pytest.raises(ReadTimeoutError):
        client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=1)
    assert sim.function("worker").reserved_concurrent_executions == 1
    assert ran == []


def test_who_tries_again_after_a_lost_answer_runs_twice():
    _, sim, _, ran = world("call_lost", "call_lost")
    answer = sim.client("lambda").invoke(FunctionName="worker", Payload=b"1")
    assert (answer["ResponseMetadata"]["RetryAttempts"], ran) == (1, [1, 1])


def test_lots_of_regions_are_drawn_apart():
    sim = Simulation(seed=5, faults=Faults(call_error=0.5))

    def results(region):
        client = client_of(sim, region_name=region)
        found = []
        for _ in range(20):
            try:
                client.list_functions()
            except client.exceptions.ServiceException:
                found.append(1)
            else:
                found.append(0)
        return found

    assert results("us-east-1") != results("eu-west-1")


def test_without_a_knob_nobody_is_asked():
    chooser, _, client, _ = world("call_lost", "env_recycle")
    create(client, "other")
    assert arn_of("other") == bare(client.get_function_configuration(FunctionName="other"))["FunctionArn"]
    assert chooser.asked == []


@pytest.mark.parametrize("knob", ["call_error", "call_throttled", "call_lost"])
def test_a_function_has_no_such_knob(sim, knob):
    with pytest.raises(UsageError, match=knob):
        sim.create_function("worker", faults=LambdaFaults(**{knob: 0.5}))
    assert sim.functions == ()
