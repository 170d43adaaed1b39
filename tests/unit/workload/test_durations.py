from __future__ import annotations

import pickle
from datetime import timedelta
from decimal import Decimal
from math import exp, sqrt
from random import Random
from statistics import NormalDist

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdasim.errors import UsageError
from lambdasim.workload import (
    Clamped,
    Constant,
    Distribution,
    Empirical,
    Exponential,
    Gamma,
    LogNormal,
    constant,
    exponential,
    gamma,
    lognormal,
    percentiles,
)


class Recorder(Random):
    """Counts what is asked of it, and allows `random()` alone, the one method that is the same on every Python."""

    draws = 0

    def random(self) -> float:
        self.draws += 1
        return super().random()

    def getrandbits(self, bits: int) -> int:
        raise AssertionError(f"{bits} bits were asked for")


class Scripted(Random):
    """Answers what it was told, over and over."""

    def __init__(self, *answers: float) -> None:
        super().__init__()
        self._answers = list(answers)

    def random(self) -> float:
        self._answers.append(self._answers[0])
        return self._answers.pop(0)


def samples(distribution: Distribution, count: int = 100_000, seed: int = 0) -> list[float]:
    stream = Random(seed)
    return [distribution.sample(stream) for _ in range(count)]


points = (
    st.lists(
        st.tuples(st.integers(0, 100), st.floats(0, 100)), min_size=2, max_size=6, unique_by=lambda point: point[0]
    )
    .map(lambda pairs: (sorted(rank for rank, _ in pairs), sorted(value for _, value in pairs)))
    .map(lambda lists: dict(zip(*lists, strict=True)))
)
seconds = st.floats(0.001, 100)
plain = st.one_of(
    st.builds(Constant, st.floats(0, 100)),
    st.builds(Exponential, seconds),
    st.builds(LogNormal, seconds, st.floats(0, 5)),
    st.builds(Gamma, seconds, st.floats(0.01, 10)),
    st.builds(Empirical, points),
)
clamped = st.builds(
    lambda inner, low, width: Clamped(inner, low, None if width is None else low + width),
    plain,
    st.floats(0, 10),
    st.none() | st.floats(0, 10),
)
distributions = plain | clamped

MEASURED = percentiles({0: 0.05, 50: 0.2, 90: 0.8, 99: 1.5, 100: 4})

# The same on every supported Python, in microseconds. A change here changes the results of all who have fixed a seed.
PINNED = [
    (constant(0.25), [250000, 250000, 250000, 250000, 250000]),
    (exponential(0.25), [465152, 354657, 136428, 74911, 178989]),
    (lognormal(median=0.2, p99=1.5), [217410, 190119, 84890, 121509, 85196]),
    (lognormal(median=0.2, sigma=0.5), [209873, 194235, 121949, 150000, 122203]),
    (lognormal(mean=0.2, cv=0.5), [187217, 174010, 112096, 136314, 112317]),
    (gamma(mean=0.2, cv=0.5), [192716, 118894, 133580, 311306, 186189]),
    (gamma(mean=0.2, cv=2), [244212, 48666, 12516, 238650, 366]),
    (MEASURED, [716633, 586932, 176171, 127675, 216912]),
    (Clamped(exponential(0.25), minimum=0.1, maximum=0.4), [400000, 354657, 136428, 100000, 178989]),
]


class TestEveryDistribution:
    @pytest.mark.parametrize(("distribution", "expected"), PINNED)
    def test_has_these_very_draws(self, distribution, expected) -> None:
        """Seed 0 gives the same durations on every Python and in every release."""
        assert expected == [round(duration * 1_000_000) for duration in samples(distribution, 5)]

    @given(distributions, st.integers(0, 2**32))
    def test_is_never_negative(self, distribution, seed) -> None:
        """Draws are floats of seconds, 0 or more, and finite."""
        for duration in samples(distribution, 20, seed):
            assert isinstance(duration, float)
            assert 0 <= duration < float("inf")

    @pytest.mark.parametrize("draw", [0.0, 2.0**-53, 0.5, 1 - 2.0**-53])
    @given(distribution=distributions)
    def test_extreme_draws_do_no_harm(self, draw, distribution) -> None:
        """The smallest and the largest answers of a generator give durations like any other."""
        assert 0 <= distribution.sample(Scripted(draw, 0.25, 0.5)) < float("inf")

    @given(distributions)
    def test_asks_for_random_alone_and_keeps_nothing(self, distribution) -> None:
        """No other method of the generator is called, and what was drawn before does not matter to what comes next."""
        recorder, stream = Recorder(5), Random(5)
        for _ in range(3):
            expected = distribution.sample(stream)
            assert expected == pickle.loads(pickle.dumps(distribution)).sample(recorder)

    @given(distributions)
    def test_is_a_value(self, distribution) -> None:
        """It can be compared, hashed, and pickled for other processes."""
        copy = pickle.loads(pickle.dumps(distribution))
        assert distribution == copy
        assert hash(distribution) == hash(copy)
        assert repr(distribution) == repr(copy)

    @given(distributions, st.floats(0, 1000), st.floats(0, 1000))
    @example(Gamma(1, 1000), 1e-9, 1e6)
    @example(Gamma(1, 1000), 0.0, 5e-324)
    @example(LogNormal(2, 1), 0.0, 5e-324)
    @example(Gamma(1e-18, 0.001), 5e-324, 1000.0)
    @example(Gamma(1, 0.001), 0.999, 1.001)
    def test_limited_mean_grows_up_to_the_mean(self, distribution, one, other) -> None:
        """It is no more than the limit, no more than the mean, and grows with the limit."""
        low, high = sorted([one, other])
        small, large = distribution.limited_mean(low), distribution.limited_mean(high)
        slack = 1e-9 * (1 + distribution.mean)
        assert 0 <= small <= large + slack
        assert small <= low + slack
        assert large <= distribution.mean + slack
        assert 0 == distribution.limited_mean(0)
        assert distribution.limited_mean(timedelta(seconds=1)) == distribution.limited_mean(Decimal(1))

    @pytest.mark.parametrize(
        "distribution",
        [
            Constant(0.3),
            Exponential(0.3),
            LogNormal(0.3, 1),
            LogNormal(0.3, 0),
            Gamma(0.3, 0.3),
            Gamma(0.3, 1),
            Gamma(0.3, 2),
            MEASURED,
            Empirical({10: 0.1, 20: 0.1, 60: 0.5}),
            Clamped(Exponential(0.3), minimum=0.2),
            Clamped(LogNormal(0.3, 1), maximum=0.6),
            Clamped(Gamma(0.3, 2), minimum=0.1, maximum=0.5),
            Clamped(Constant(0.3), minimum=0.5),
            Clamped(Clamped(MEASURED, 0.1), 0.2, 0.9),
        ],
        ids=repr,
    )
    def test_draws_have_the_mean_that_is_promised(self, distribution) -> None:
        """The mean of many draws, and of many draws under a limit, is the one computed."""
        drawn = samples(distribution, 40_000)

        def agrees(mean: float, values: list[float]) -> bool:
            average = sum(values) / len(values)
            deviation = sqrt(sum((value - average) ** 2 for value in values) / len(values))
            return mean == pytest.approx(average, abs=4 * deviation / sqrt(len(values)) + 1e-6)

        assert agrees(distribution.mean, drawn)
        for limit in (0.05, 0.15, 0.3, 0.55, 1, 100):
            assert agrees(distribution.limited_mean(limit), [min(duration, limit) for duration in drawn]), limit

    @pytest.mark.parametrize("distribution", [Exponential(1), LogNormal(1, 1), Gamma(1, 2), MEASURED])
    @pytest.mark.parametrize("limit", [-1, float("nan"), float("inf"), "1"])
    def test_limit_is_checked(self, distribution, limit) -> None:
        """A limit is a duration like any other."""
        with pytest.raises(UsageError, match=r"^limit="):
            distribution.limited_mean(limit)


class TestConstant:
    def test_is_what_it_was_given_and_draws_nothing(self) -> None:
        """A constant of any spelling is its seconds."""
        assert 0.2 == constant(Decimal("0.2")).sample(Recorder(0)) == constant(timedelta(milliseconds=200)).mean
        recorder = Recorder(0)
        assert 0.0 == constant(0).sample(recorder)
        assert 0 == recorder.draws


class TestExponential:
    def test_has_no_memory(self) -> None:
        """The share of draws above t is exp(-t / mean), for every t."""
        drawn = samples(exponential(2))
        for t in (0.1, 1, 2, 5):
            assert exp(-t / 2) == pytest.approx(sum(duration > t for duration in drawn) / len(drawn), abs=0.006)

    def test_one_draw_each(self) -> None:
        """One duration costs one draw."""
        recorder = Recorder(0)
        exponential(2).sample(recorder)
        assert 1 == recorder.draws


class TestLogNormal:
    def test_median_and_p99_are_as_given(self) -> None:
        """Half of the draws are below the median, 99 of 100 below the other figure."""
        drawn = sorted(samples(lognormal(median=0.2, p99=1.5)))
        assert drawn[50_000] == pytest.approx(0.2, rel=0.02)
        assert drawn[99_000] == pytest.approx(1.5, rel=0.03)

    def test_logarithm_is_normally_distributed(self) -> None:
        """Every percentile is where the normal distribution puts it."""
        drawn = sorted(samples(lognormal(median=1, sigma=0.5)))
        for percent in (1, 10, 25, 75, 90, 99):
            expected = exp(0.5 * NormalDist().inv_cdf(percent / 100))
            assert drawn[percent * 1000] == pytest.approx(expected, rel=0.03)

    def test_mean_and_scatter_are_as_given(self) -> None:
        """Made from mean and cv, it has them."""
        made = lognormal(mean=0.4, cv=0.5)
        assert made.mean == pytest.approx(0.4)
        drawn = samples(made)
        mean = sum(drawn) / len(drawn)
        assert sqrt(sum((duration - mean) ** 2 for duration in drawn) / len(drawn)) / mean == pytest.approx(
            0.5, rel=0.02
        )

    def test_p99_that_is_the_median_is_a_constant(self) -> None:
        """Without scatter every draw is the median."""
        made = lognormal(median=0.5, p99=0.5)
        assert LogNormal(0.5, 0) == made
        assert [0.5] * 5 == samples(made, 5)

    @pytest.mark.parametrize(
        "figures",
        [
            {},
            {"median": 1},
            {"mean": 1},
            {"median": 1, "cv": 1},
            {"mean": 1, "sigma": 1},
            {"median": 1, "p99": 2, "sigma": 1},
            {"median": 1, "sigma": 1, "cv": 1},
            {"median": 1, "mean": 1, "cv": 1},
            {"mean": 1, "cv": 1, "p99": 3},
        ],
    )
    def test_two_figures_that_belong_together_are_demanded(self, figures) -> None:
        """Too few, too many or strange pairs are refused, with the pairs that would do."""
        with pytest.raises(
            UsageError, match=r"is not determined; give median and p99, median and sigma, or mean and cv$"
        ):
            lognormal(**figures)

    def test_two_draws_each(self) -> None:
        """One duration costs two draws, and none is kept for the next."""
        recorder = Recorder(0)
        lognormal(median=1, sigma=1).sample(recorder)
        assert 2 == recorder.draws


class TestGamma:
    @pytest.mark.parametrize("cv", [0.05, 0.5, 1, 1.5, 3])
    def test_mean_and_scatter_are_as_given(self, cv) -> None:
        """Draws have the mean and the coefficient of variation that were asked for."""
        drawn = samples(gamma(mean=2, cv=cv))
        mean = sum(drawn) / len(drawn)
        assert mean == pytest.approx(2, rel=0.015 * max(cv, 1))
        deviation = sqrt(sum((duration - mean) ** 2 for duration in drawn) / len(drawn))
        assert deviation / mean == pytest.approx(cv, rel=0.03)

    def test_shape_of_one_is_exponential(self) -> None:
        """The share of draws above t is exp(-t / mean), for every t; so is the limited mean."""
        drawn = samples(gamma(shape=1, scale=2))
        for t in (0.1, 1, 2, 5):
            assert exp(-t / 2) == pytest.approx(sum(duration > t for duration in drawn) / len(drawn), abs=0.006)
            assert exponential(2).limited_mean(t) == pytest.approx(gamma(shape=1, scale=2).limited_mean(t), rel=1e-12)

    def test_shape_and_scale_say_the_same_as_mean_and_cv(self) -> None:
        """Either pair makes the same distribution."""
        made = gamma(shape=4, scale=0.5)
        assert Gamma(2, 0.5) == made
        assert (4, 0.5) == (made.shape, made.scale)
        assert Gamma.from_shape(1e-6, 1e6).cv == pytest.approx(1000)
        assert Gamma.from_shape(1_000_000, 1e-6).cv == pytest.approx(0.001)

    @pytest.mark.parametrize(
        ("cv", "limit", "expected"),
        [  # computed with 30 digits by another library
            (0.001, 0.999, 0.9989167652132004),
            (0.5, 0.5, 0.48121474759298468),
            (2, 1e-9, 9.9649043002914799e-10),
            (10, 100, 0.84942847201237815),
            (1000, 1e6, 0.8515042859693731),
        ],
    )
    def test_limited_mean_is_right_at_the_extremes(self, cv, limit, expected) -> None:
        """Eight digits are right, however small or large scatter and limit are."""
        assert expected == pytest.approx(gamma(mean=1, cv=cv).limited_mean(limit), rel=1e-8)

    def test_draws_are_few(self) -> None:
        """Nearly always three draws make a duration, and one more with a shape below one."""
        for cv, least in ((0.5, 3), (2, 4)):
            recorder = Recorder(0)
            for _ in range(1000):
                gamma(mean=1, cv=cv).sample(recorder)
            assert least * 1000 <= recorder.draws <= (least + 0.3) * 1000

    @pytest.mark.parametrize(
        "figures",
        [
            {},
            {"mean": 1},
            {"shape": 1},
            {"mean": 1, "scale": 1},
            {"mean": 1, "cv": 1, "shape": 1},
            {"scale": 1, "cv": 1},
        ],
    )
    def test_two_figures_that_belong_together_are_demanded(self, figures) -> None:
        """Too few, too many or strange pairs are refused, with the pairs that would do."""
        with pytest.raises(UsageError, match=r"is not determined; give mean and cv, or shape and scale$"):
            gamma(**figures)


class TestEmpirical:
    def test_percentiles_are_as_given(self) -> None:
        """The share of draws at or below each duration is its percentile."""
        drawn = sorted(samples(MEASURED))
        assert 0.05 <= drawn[0]
        assert drawn[-1] <= 4
        for percent, duration in ((50, 0.2), (90, 0.8), (99, 1.5)):
            assert drawn[percent * 1000] == pytest.approx(duration, rel=0.03)

    @pytest.mark.parametrize(
        ("draw", "expected"),
        [(0.0, 1), (0.1, 1), (0.2, 1), (0.25, 2), (0.3, 3), (0.45, 4), (0.6, 5), (0.75, 5), (1 - 2.0**-53, 5)],
    )
    def test_straight_lines_join_the_points(self, draw, expected) -> None:
        """Between two points the inverse is linear; below the first and above the last it is their value."""
        made = percentiles({20: 1, 30: 3, 60: 5})
        assert expected == pytest.approx(made.sample(Scripted(draw)))

    def test_mean_is_exact(self) -> None:
        """Each piece contributes its width times its middle, what lies outside the value of the end."""
        assert percentiles({20: 1, 30: 3, 60: 5}).mean == pytest.approx(0.2 * 1 + 0.1 * 2 + 0.3 * 4 + 0.4 * 5)
        assert MEASURED.mean == pytest.approx(0.5 * 0.125 + 0.4 * 0.5 + 0.09 * 1.15 + 0.01 * 2.75)

    @given(points, st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
    def test_durations_grow_with_the_draw(self, given_points, one, other) -> None:
        """It is an inverse distribution function: it does not decrease, and stays within its points."""
        made = Empirical(given_points)
        low, high = sorted([one, other])
        small, large = made.sample(Scripted(low)), made.sample(Scripted(high))
        durations = list(given_points.values())
        assert durations[0] <= small <= large * (1 + 1e-12)
        assert large <= durations[-1]

    def test_order_and_spelling_of_points_do_not_matter(self) -> None:
        """Points are sorted by percentile; durations may be timedeltas, percentiles fractions of a percent."""
        one = percentiles({99.9: timedelta(seconds=2), 0: 0.1})
        assert percentiles({0: Decimal("0.1"), Decimal("99.9"): 2}) == one
        assert "Empirical(percentiles={0.0: 0.1, 99.9: 2.0})" == repr(one)

    @pytest.mark.parametrize(
        ("given_points", "text"),
        [
            ({}, "percentiles={} has fewer than two points; give two or more, or a constant"),
            ({50: 1}, "percentiles={50: 1} has fewer than two points"),
            ([1, 2], "percentiles=[1, 2] is no mapping; give one such as {0: 0.05, 50: 0.2, 99: 1.5}"),
            ({0: 1, 101: 2}, "percentile=101 is out of bounds; give 0 to 100 percent"),
            ({"p50": 1, "p99": 2}, "percentile='p50' is no number"),
            ({0: 1, 50: -2}, "percentiles[50]=-2 is out of bounds"),
            ({0: 2, 50: 1}, "percentiles[50.0]=1.0 is below percentiles[0.0]=2.0; give durations that do not decrease"),
        ],
    )
    def test_bad_points_are_named(self, given_points, text) -> None:
        """The error names the point and what is wrong with it."""
        with pytest.raises(UsageError) as caught:
            percentiles(given_points)
        assert str(caught.value).startswith(text)


class TestClamped:
    def test_draws_are_brought_to_the_bounds(self) -> None:
        """A draw outside becomes the bound, one inside stays, and both bounds may be the same."""
        inner = exponential(1)
        for drawn, brought in zip(samples(inner, 1000), samples(Clamped(inner, 0.5, 2), 1000), strict=True):
            assert min(max(drawn, 0.5), 2) == brought
        assert samples(inner, 100) == samples(Clamped(inner), 100)
        assert {3.0} == set(samples(Clamped(inner, 3, timedelta(seconds=3)), 100))

    def test_limit_below_the_minimum_is_all_there_is(self) -> None:
        """Every draw is at least the minimum, so the smaller of it and a lower limit is the limit."""
        assert 0.5 == Clamped(exponential(1), minimum=1).limited_mean(0.5)

    def test_bounds_are_checked(self) -> None:
        """Bounds are durations, in order."""
        with pytest.raises(UsageError, match=r"^maximum=1.0 is below minimum=2.0; give bounds in order$"):
            Clamped(exponential(1), 2, 1)
        with pytest.raises(UsageError, match=r"^minimum=-1 is out of bounds"):
            Clamped(exponential(1), -1)
        with pytest.raises(UsageError, match=r"^maximum=nan is out of bounds"):
            Clamped(exponential(1), maximum=float("nan"))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: constant(-1), "seconds=-1 is out of bounds; give 0 to 9007199254 seconds (285 years)"),
        (lambda: constant("1"), "seconds='1' is no duration; give seconds (int, float, Decimal) or a timedelta"),
        (lambda: exponential(0), "mean=0 is too short; give at least 1e-18 seconds, or constant(0)"),
        (lambda: exponential(float("inf")), "mean=inf is out of bounds"),
        (lambda: lognormal(median=0, sigma=1), "median=0 is too short"),
        (lambda: lognormal(median=1, sigma=21), "sigma=21 is out of bounds; give 0 to 20 (the deviation of the"),
        (lambda: lognormal(median=1, sigma=-1), "sigma=-1 is out of bounds"),
        (lambda: lognormal(median=2, p99=1), "p99=1 is below median=2; give figures in order"),
        (lambda: lognormal(median=1, p99=0), "p99=0 is too short"),
        (lambda: lognormal(mean=1, cv=0), "cv=0 is out of bounds; give 0.001 to 1000 (standard deviation by mean)"),
        (lambda: gamma(mean=1, cv=1001), "cv=1001 is out of bounds"),
        (lambda: gamma(mean=0, cv=1), "mean=0 is too short"),
        (lambda: gamma(shape=0, scale=1), "shape=0 is out of bounds; give 1e-06 to 1000000 (the exponent)"),
        (lambda: gamma(shape=1, scale=0), "scale=0 is too short"),
    ],
)
def test_bad_parameter_is_named(make, text) -> None:
    """The error names the parameter, its value, the bound and what to give."""
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value).startswith(text)
