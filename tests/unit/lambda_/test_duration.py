from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim.clock import Streams
from lambdasim.errors import UsageError
from lambdasim.lambda_.duration import DurationModel
from lambdasim.units import seconds


def model(value, streams=None):
    return DurationModel(value, streams or Streams(0), "stream", name="duration")


class Fixed:
    def __init__(self, *values):
        self.values = iter(values)

    def sample(self, random):
        return next(self.values)


class Drawn:
    def sample(self, random):
        return random.random()


@given(value=st.one_of(st.integers(0, 10**6), st.floats(0, 10**6), st.decimals(0, 10**6), st.timedeltas(timedelta(0))))
def test_a_number_is_always_the_same(value):
    duration = model(value)
    assert duration.constant_us == duration.draw_us(None) == duration.draw_us({}) == seconds(value)
    assert not duration.needs_event


@given(values=st.lists(st.floats(0, 10**4), min_size=1, max_size=5))
def test_a_distribution_is_asked_each_time_and_rounded_to_microseconds(values):
    duration = model(Fixed(*values))
    for value in values:
        assert abs(duration.draw_us(None) - value * 1_000_000) <= 0.5 + value * 1e-9
    assert duration.constant_us is None
    assert not duration.needs_event


def test_a_distribution_draws_from_the_stream_of_its_name_alone():
    streams = Streams(7)
    other = streams["other"].random()
    drawn = [model(Drawn(), streams).draw_us(None) for _ in range(3)]
    fresh = Streams(7)
    assert [round(fresh["stream"].random() * 1_000_000) for _ in range(3)] == drawn
    assert fresh["other"].random() == other


def test_a_callable_sees_the_event():
    duration = model(lambda event: Decimal(event["n"]))
    assert duration.needs_event
    assert [duration.draw_us({"n": n}) for n in ("0.5", 2)] == [500_000, 2_000_000]


@pytest.mark.parametrize("value", [None, "1", -1, -0.5, float("nan"), float("inf"), True, [1], timedelta(seconds=-1)])
def test_what_is_no_duration_is_refused_at_once(value):
    with pytest.raises(UsageError, match="duration"):
        model(value)


@pytest.mark.parametrize("value", [-1.0, -1e-9, float("nan"), float("inf")])
def test_a_distribution_that_draws_no_duration_is_named(value):
    with pytest.raises(UsageError, match=r"duration: <.*Fixed.*drew"):
        model(Fixed(value)).draw_us(None)


@pytest.mark.parametrize("value", [-1, None, "1", float("nan")])
def test_a_callable_that_answers_no_duration_is_named(value):
    with pytest.raises(UsageError, match="duration="):
        model(lambda event: value).draw_us({})
