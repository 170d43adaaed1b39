"""Tokens and pools, the arithmetic of admission."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import ConcurrencyPool, ScalingRate
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import InvalidParameterValueException
from lambdasim.lambda_.concurrency import EnvironmentTokens, RateWindow
from tests.strategies import durations_us

SECOND = 1_000_000


@pytest.mark.rule("LAM-231")
@given(
    capacity=st.integers(1, 20),
    refill=st.integers(0, 30),
    begin_us=durations_us(),
    steps=st.lists(st.tuples(st.integers(0, 400_000) | durations_us(), st.integers(0, 8)), max_size=30),
)
def test_a_bucket_holds_exactly_what_fractions_say(capacity, refill, begin_us, steps):
    tokens = EnvironmentTokens(ScalingRate(capacity=capacity, refill_per_s=refill), begin_us)
    now_us, left = begin_us, Fraction(capacity)
    for elapsed_us, wanted in steps:
        now_us += elapsed_us
        left = min(Fraction(capacity), left + Fraction(elapsed_us * refill, SECOND))
        assert tokens.left(now_us) == int(left)
        for _ in range(wanted):
            assert tokens.take(now_us) is (left >= 1)
            left -= left >= 1


@given(
    capacity=st.integers(1, 5),
    length=st.integers(1, 12),
    begin_us=durations_us(),
    steps=st.lists(st.tuples(durations_us(30 * SECOND), st.integers(0, 8)), max_size=30),
)
def test_a_window_gives_its_capacity_once_and_carries_nothing_over(capacity, length, begin_us, steps):
    tokens = EnvironmentTokens(ScalingRate(capacity=capacity, mode="window", window_s=length), begin_us)
    now_us, used = begin_us, {}
    for elapsed_us, wanted in steps:
        now_us += elapsed_us
        window = now_us // (length * SECOND)
        for _ in range(wanted):
            has = used.get(window, 0) < capacity
            assert tokens.take(now_us) is has
            used[window] = used.get(window, 0) + has
        assert tokens.left(now_us) == capacity - used.get(window, 0)


def test_without_a_model_there_are_always_tokens():
    tokens = EnvironmentTokens(ScalingRate.OFF, 0)
    assert all(tokens.take(0) for _ in range(5_000))


@given(length=st.integers(1, 5), steps=st.lists(durations_us(8 * SECOND), max_size=20))
def test_a_rate_window_is_a_part_of_the_clock_and_not_of_the_first_request(length, steps):
    window, now_us = RateWindow(length), 0
    for elapsed_us in steps:
        now_us += elapsed_us
        if now_us >= window.end_us:
            window.turn(now_us)
        assert window.end_us - length * SECOND <= now_us < window.end_us
        assert window.end_us % (length * SECOND) == 0


reservations = st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 160)), max_size=20)


@pytest.mark.rule("LAM-150", "LAM-152")
@given(account=st.integers(1, 300), floor=st.integers(0, 120), steps=reservations)
def test_reserves_are_kept_by_function_and_leave_the_floor(account, floor, steps):
    pool, reserved = ConcurrencyPool(account, unreserved_floor=floor), {}
    for name, amount in steps:
        if amount is None:
            reserved.pop(name, None)
            pool.release_reserve(name, 0, in_flight=0)
        else:
            others = sum(value for key, value in reserved.items() if key != name)
            if amount and account - others - amount < floor:
                with pytest.raises(InvalidParameterValueException):
                    pool.reserve(name, amount, 0, in_flight=0)
            else:
                pool.reserve(name, amount, 0, in_flight=0)
                reserved[name] = amount
        assert pool.reserved == sum(reserved.values())
        assert pool.unreserved_capacity == account - sum(reserved.values())


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, "10", True])
def test_a_pool_has_a_whole_number_of_units(concurrency):
    with pytest.raises(UsageError, match="account_concurrency"):
        ConcurrencyPool(concurrency)
