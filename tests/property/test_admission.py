"""Admission (LAM-200) against a naive model: counts per second, fractions of tokens, a list of what runs until when."""

from __future__ import annotations

from fractions import Fraction

from attrs import Factory, define
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import LambdaLimits, ScalingRate, Simulation
from lambdasim.errors.lambda_ import InvalidParameterValueException, TooManyRequestsException
from tests.strategies import near

SECOND = 1_000_000
ACCOUNT = 8
FLOOR = 2
FACTOR = 3

# ---- the naive model


@define
class NaiveFunction:
    duration_us: int
    capacity: int
    tokens: Fraction
    reserve: int | None = None
    ends_us: list = Factory(list)  # of what runs
    environments: int = 0
    tokens_at_us: int = 0
    admitted: dict = Factory(dict)  # per second, while it had a reserve


class NaiveAccount:
    def __init__(self, functions):
        self.functions = functions
        self.admitted = {}  # per second, of functions without a reserve

    def unreserved_capacity(self):
        return ACCOUNT - sum(function.reserve or 0 for function in self.functions)

    def unreserved_in_flight(self):
        return sum(len(function.ends_us) for function in self.functions if function.reserve is None)

    def pass_time(self, now_us):
        for function in self.functions:
            function.ends_us = [end_us for end_us in function.ends_us if end_us > now_us]

    def reserve(self, which, amount):
        """Set or (None) unset a reserve; return whether that is legal."""
        function = self.functions[which]
        others = sum(other.reserve or 0 for other in self.functions if other is not function)
        if amount and ACCOUNT - others - amount < FLOOR:
            return False
        function.reserve = amount
        return True

    def request(self, which, now_us):
        """Return "admitted", or the reason why not."""
        self.pass_time(now_us)  # what takes no time has ended
        function, second = self.functions[which], now_us // SECOND
        if function.reserve is not None:
            if function.reserve and function.admitted.get(second, 0) >= FACTOR * function.reserve:
                return "ReservedFunctionInvocationRateLimitExceeded"
            if len(function.ends_us) >= function.reserve:
                return "ReservedFunctionConcurrentInvocationLimitExceeded"
        else:
            if self.admitted.get(second, 0) >= FACTOR * self.unreserved_capacity():
                return "FunctionInvocationRateLimitExceeded"
            if self.unreserved_in_flight() >= self.unreserved_capacity():
                return "ConcurrentInvocationLimitExceeded"
        if function.environments == len(function.ends_us):  # all of them are busy
            elapsed_us = now_us - function.tokens_at_us
            function.tokens = min(Fraction(function.capacity), function.tokens + Fraction(elapsed_us, SECOND))
            function.tokens_at_us = now_us
            if function.tokens < 1:
                return "ConcurrentInvocationLimitExceeded"
            function.tokens -= 1
            function.environments += 1
        window = self.admitted if function.reserve is None else function.admitted
        window[second] = window.get(second, 0) + 1
        function.ends_us.append(now_us + function.duration_us)
        return "admitted"


# ---- both

functions = st.lists(
    st.tuples(st.sampled_from((0, 1, 400_000, SECOND, 3 * SECOND)), st.integers(1, 6), st.none() | st.integers(0, 4)),
    min_size=1,
    max_size=4,
)
actions = st.one_of(
    st.tuples(st.just("request"), st.integers(0, 3), st.integers(1, 9)),
    st.tuples(st.just("request"), st.integers(0, 3), st.integers(1, 9)),
    st.tuples(st.just("reserve"), st.integers(0, 3), st.none() | st.integers(0, 7)),
)
scripts = st.lists(st.tuples(near(0, 100_000, 400_000, SECOND, 3 * SECOND), actions), max_size=30)


@given(made=functions, script=scripts)
def test_requests_are_admitted_and_refused_as_the_steps_of_the_rule_say(made, script):
    sim = Simulation(
        settings=[LambdaLimits(account_concurrency=ACCOUNT, unreserved_floor=FLOOR, rps_factor=FACTOR)], trace=0
    )
    naive = NaiveAccount([NaiveFunction(duration_us, tokens, Fraction(tokens)) for duration_us, tokens, _ in made])
    real = [
        sim.create_function(
            f"f{place}", duration=duration_us / SECOND, settings=[ScalingRate(capacity=tokens, refill_per_s=1)]
        )
        for place, (duration_us, tokens, _) in enumerate(made)
    ]

    def reserve(which, amount):
        is_legal = naive.reserve(which, amount)
        try:
            if amount is None:
                real[which].delete_function_concurrency()
            else:
                real[which].put_function_concurrency(amount)
        except InvalidParameterValueException:
            assert not is_legal
        else:
            assert is_legal

    for place, (_, _, amount) in enumerate(made):
        reserve(place, amount)
    outcomes = []

    async def request(function):
        try:
            await function.wait_invoke()
        except TooManyRequestsException as error:
            outcomes[outcomes.index(None)] = error.reason

    for elapsed_us, (action, number, amount) in script:
        which = number % len(real)
        sim.run(until_us=sim.now_us + elapsed_us)
        naive.pass_time(sim.now_us)
        if action == "reserve":
            reserve(which, amount)
        else:
            before = real[which].snapshot()
            outcomes.clear()
            outcomes.extend([None] * amount)
            for _ in range(amount):
                sim.spawn(request(real[which]))
            sim.run(until_us=sim.now_us)
            wanted = [naive.request(which, sim.now_us) for _ in range(amount)]
            refused = [outcome for outcome in wanted if outcome != "admitted"]
            assert [outcome for outcome in outcomes if outcome is not None] == refused
            after = real[which].snapshot()
            assert after.invocations - before.invocations == amount - len(refused)
            assert after.throttles - before.throttles == len(refused)
        naive.pass_time(sim.now_us)
        for function, model in zip(real, naive.functions, strict=True):
            found = function.snapshot()
            assert (found.in_flight, found.environments) == (len(model.ends_us), model.environments)
        assert sim.pool.unreserved_in_flight == naive.unreserved_in_flight()
        sim.check_invariants()
    sim.run()
    assert sim.pool.in_flight == 0
