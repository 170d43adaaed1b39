"""
Distributions of durations: how long the work of a message takes, in seconds.

A distribution is a frozen value without random state: `sample(random)` draws from the generator it is handed and calls
its `random()` alone, the only method that draws the same numbers on every Python. Draws are floats of seconds; whoever
uses one rounds it to whole microseconds, once (LAM-001).

Normal draws are made by the cosine branch of Box and Muller. Its sine branch would give a second draw for free, which
would have to be kept until the next call: hidden state, by which one function's draws would move another's.

`limited_mean(limit)` is the mean of the smaller of a draw and a limit, in closed form. It is what an invocation takes
on average under a timeout, and what the mean of a clamped distribution is made of.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from math import cos, erfc, exp, expm1, lgamma, log, log1p, sqrt, tau
from random import Random
from typing import Final, Protocol, Self, overload

from attrs import field, frozen

from lambdasim.errors import UsageError
from lambdasim.units import Duration
from lambdasim.workload._quantities import Number, exact, float_seconds

SECONDS_MIN: Final = 1e-18  #: of a mean or median: far below a microsecond, and far from where floats end
SIGMA_MAX: Final = 20  #: of a log-normal; its 99th percentile is then 10**20 times its median
CV_MIN: Final = Fraction(1, 1000)  #: of a gamma: beyond, it is as good as constant
CV_MAX: Final = 1000  #: beyond, a float cannot tell most draws from 0
SHAPE_MIN: Final = Fraction(1, 1_000_000)  #: of a gamma, where its cv is largest
SHAPE_MAX: Final = 1_000_000  #: of a gamma, where its cv is smallest
_Z99: Final = 2.3263478740408408  # of the standard normal distribution: the 99th percentile


class Distribution(Protocol):
    """What a distribution of durations offers."""

    def sample(self, random: Random) -> float:
        """Draw a duration: seconds, 0 or more. Only `random()` of *random* is called."""
        ...

    @property
    def mean(self) -> float:
        """Seconds that a draw takes on average."""
        ...

    def limited_mean(self, limit: Duration) -> float:
        """Return the seconds that the smaller of a draw and *limit* (seconds or timedelta) takes on average."""
        ...


def _positive(value: Duration, name: str) -> float:
    number = float_seconds(value, name=name)
    if number < SECONDS_MIN:
        raise UsageError(f"{name}={value!r} is too short; give at least {SECONDS_MIN} seconds, or constant(0)")
    return number


def _limit(value: Duration) -> float:
    return float_seconds(value, name="limit")


def _seconds(value: Duration) -> float:
    return float_seconds(value, name="seconds")


def _mean(value: Duration) -> float:
    return _positive(value, "mean")


def _median(value: Duration) -> float:
    return _positive(value, "median")


def _sigma(value: Number) -> float:
    return float(exact(value, name="sigma", least=0, most=SIGMA_MAX, unit="(the deviation of the logarithm)"))


def _cv(value: Number) -> float:
    return float(exact(value, name="cv", least=CV_MIN, most=CV_MAX, unit="(standard deviation by mean)"))


@frozen
class Constant:
    """
    Always the same duration.

    Args:
        seconds: Seconds or timedelta, 0 or more.
    Raises:
        UsageError: The duration is out of bounds.

    Runtime: `O(1)`; draws nothing.
    """

    seconds: float = field(converter=_seconds)

    def sample(self, random: Random) -> float:
        """Return the duration; *random* is not asked."""
        return self.seconds

    @property
    def mean(self) -> float:
        """The duration."""
        return self.seconds

    def limited_mean(self, limit: Duration) -> float:
        """Return the seconds that the smaller of the duration and *limit* takes."""
        return min(self.seconds, _limit(limit))


@frozen
class Exponential:
    """
    Durations without memory: how much longer one takes does not depend on how long it took so far.

    Args:
        mean: Seconds or timedelta, at least 1e-18.
    Raises:
        UsageError: The mean is out of bounds.

    Runtime: `O(1)`, one draw.
    """

    mean: float = field(converter=_mean)

    def sample(self, random: Random) -> float:
        """Draw a duration in seconds."""
        return -log(1.0 - random.random()) * self.mean

    def limited_mean(self, limit: Duration) -> float:
        """Return the seconds that the smaller of a draw and *limit* takes on average."""
        return -expm1(-_limit(limit) / self.mean) * self.mean


@frozen
class LogNormal:
    """
    Durations whose logarithm is normally distributed: most are near the median, a few take many times as long.

    `lognormal(…)` makes one of other figures too.

    Args:
        median: Seconds or timedelta, at least 1e-18: half of the draws are shorter.
        sigma: Standard deviation of the natural logarithm, 0 to 20.
    Raises:
        UsageError: A parameter is out of bounds.

    Runtime: `O(1)`, two draws.
    """

    median: float = field(converter=_median)
    sigma: float = field(converter=_sigma)

    @classmethod
    def from_p99(cls, median: Duration, p99: Duration) -> Self:
        """
        Return the one of which half of the draws are shorter than *median*, and 99 of 100 shorter than *p99*.

        Args:
            median: Seconds or timedelta, at least 1e-18.
            p99: Seconds or timedelta, not below the median.
        Raises:
            UsageError: A figure is out of bounds, or they are out of order.
        """
        low, high = _median(median), _positive(p99, "p99")
        if high < low:
            raise UsageError(f"p99={p99!r} is below median={median!r}; give figures in order")
        return cls(low, log(high / low) / _Z99)

    @classmethod
    def from_mean(cls, mean: Duration, cv: Number) -> Self:
        """
        Return the one of this mean and scatter.

        Args:
            mean: Seconds or timedelta, at least 1e-18.
            cv: Coefficient of variation, the standard deviation divided by the mean: 0.001 to 1000.
        Raises:
            UsageError: A figure is out of bounds.
        """
        ratio = _cv(cv)
        return cls(_mean(mean) / sqrt(1 + ratio * ratio), sqrt(log1p(ratio * ratio)))

    def sample(self, random: Random) -> float:
        """Draw a duration in seconds."""
        return self.median * exp(self.sigma * _normal(random))

    @property
    def mean(self) -> float:
        """Seconds that a draw takes on average."""
        return self.median * exp(self.sigma * self.sigma / 2)

    def limited_mean(self, limit: Duration) -> float:
        """Return the seconds that the smaller of a draw and *limit* takes on average."""
        bound = _limit(limit)
        if bound == 0 or self.sigma == 0:
            return min(bound, self.median)
        z = (log(bound) - log(self.median)) / self.sigma  # a quotient might vanish
        return self.mean * _normal_below(z - self.sigma) + bound * _normal_below(-z)


@frozen
class Gamma:
    """
    Durations between an exponential (cv 1) and a constant (small cv), or more scattered than both (cv above 1).

    Args:
        mean: Seconds or timedelta, at least 1e-18.
        cv: Coefficient of variation, the standard deviation divided by the mean: 0.001 to 1000.
    Raises:
        UsageError: A parameter is out of bounds.

    Runtime: `O(1)`, three draws as a rule and one more if cv is above 1. `limited_mean` takes up to `O(1 / cv)` steps
    and is right to eight digits.
    """

    mean: float = field(converter=_mean)
    cv: float = field(converter=_cv)

    @classmethod
    def from_shape(cls, shape: Number, scale: Duration) -> Self:
        """
        Return the one of this shape and scale.

        Args:
            shape: The exponent, 1e-6 to 1e6; 1 is an exponential distribution.
            scale: Seconds or timedelta, at least 1e-18: the mean divided by the shape.
        Raises:
            UsageError: A figure is out of bounds.
        """
        exponent = float(exact(shape, name="shape", least=SHAPE_MIN, most=SHAPE_MAX, unit="(the exponent)"))
        return cls(exponent * _positive(scale, "scale"), 1 / sqrt(exponent))

    @property
    def shape(self) -> float:
        """The exponent: 1 is an exponential distribution."""
        return 1 / (self.cv * self.cv)

    @property
    def scale(self) -> float:
        """Seconds: the mean divided by the shape."""
        return self.mean * self.cv * self.cv

    def sample(self, random: Random) -> float:
        """Draw a duration in seconds, by the method of Marsaglia and Tsang (2000)."""
        shape = self.shape
        if shape < 1:  # their method wants a shape of 1 or more; a power of one more draw brings it back down
            return self.scale * _standard_gamma(shape + 1, random) * exp(log(1.0 - random.random()) / shape)
        return self.scale * _standard_gamma(shape, random)

    def limited_mean(self, limit: Duration) -> float:
        """Return the seconds that the smaller of a draw and *limit* takes on average."""
        bound = _limit(limit)
        shape, x = self.shape, bound / self.scale
        if x == 0:
            return bound
        # the share of the whole mean that lies below is that of a gamma with one more in its shape
        return self.mean * _gamma_below(shape + 1, x) + bound * (1 - _gamma_below(shape, x))


# A mapping is invariant in its keys: without the first two, a variable of type dict[int, float] would not do.
Percentiles = Mapping[int, Duration] | Mapping[float, Duration] | Mapping[Number, Duration]


def _points(given: Percentiles) -> tuple[tuple[float, float], ...]:
    if not isinstance(given, Mapping):
        raise UsageError(f"percentiles={given!r} is no mapping; give one such as {{0: 0.05, 50: 0.2, 99: 1.5}}")
    points = sorted(
        (
            float(exact(rank, name="percentile", least=0, most=100, unit="percent")),
            float_seconds(value, name=f"percentiles[{rank!r}]"),
        )
        for rank, value in given.items()
    )
    if len(points) < 2:
        raise UsageError(f"percentiles={given!r} has fewer than two points; give two or more, or a constant")
    for (rank, value), (next_rank, next_value) in pairwise(points):
        if next_value < value:
            raise UsageError(
                f"percentiles[{next_rank}]={next_value} is below percentiles[{rank}]={value}; "
                "give durations that do not decrease"
            )
    return tuple(points)


@frozen
class Empirical:
    """
    Durations of which some percentiles are known, as dashboards show them; between two of them a straight line.

    Args:
        percentiles: Two or more durations (seconds or timedelta) by percentile, 0 to 100; they must not decrease. A
            draw below the lowest percentile given, or above the highest, has its duration.
    Raises:
        UsageError: There are fewer than two points, one is out of bounds, or durations decrease.

    >>> Empirical({0: 0.1, 50: 0.3, 100: 0.9}).mean
    0.4

    Runtime: `O(log n)` in the points, one draw.
    """

    percentiles: tuple[tuple[float, float], ...] = field(converter=_points, repr=lambda points: repr(dict(points)))
    _ranks: tuple[float, ...] = field(init=False, repr=False, eq=False)

    @_ranks.default
    def _ranks_of_points(self) -> tuple[float, ...]:
        return tuple(rank for rank, _ in self.percentiles)

    def sample(self, random: Random) -> float:
        """Draw a duration in seconds."""
        rank = random.random() * 100.0
        index = bisect_right(self._ranks, rank)
        if index == 0:
            return self.percentiles[0][1]
        low_rank, low = self.percentiles[index - 1]
        if index == len(self._ranks):
            return low
        high_rank, high = self.percentiles[index]
        return min(low + (high - low) * ((rank - low_rank) / (high_rank - low_rank)), high)

    @property
    def mean(self) -> float:
        """Seconds that a draw takes on average."""
        return self._limited_mean(self.percentiles[-1][1])

    def limited_mean(self, limit: Duration) -> float:
        """Return the seconds that the smaller of a draw and *limit* takes on average."""
        return self._limited_mean(_limit(limit))

    def _limited_mean(self, limit: float) -> float:
        (first_rank, first), (last_rank, last) = self.percentiles[0], self.percentiles[-1]
        total = first_rank * min(first, limit) + (100.0 - last_rank) * min(last, limit)
        for (low_rank, low), (high_rank, high) in pairwise(self.percentiles):
            width = high_rank - low_rank
            if high <= limit:
                total += width * (low + high) / 2
            elif low >= limit:
                total += width * limit
            else:
                below = width * (limit - low) / (high - low)
                total += below * (low + limit) / 2 + (width - below) * limit
        return total / 100.0


def _minimum(value: Duration) -> float:
    return float_seconds(value, name="minimum")


def _maximum(value: Duration | None) -> float | None:
    return None if value is None else float_seconds(value, name="maximum")


@frozen
class Clamped:
    """
    Another distribution whose draws are brought up to a minimum and down to a maximum.

    Args:
        distribution: Where draws come from.
        minimum: Seconds or timedelta: what a shorter draw becomes.
        maximum: Seconds or timedelta: what a longer draw becomes; None leaves long draws as they are.
    Raises:
        UsageError: A bound is no duration, or the maximum is below the minimum.

    >>> Clamped(Exponential(1), minimum=0.5, maximum=0.5).mean
    0.5

    Runtime: that of the other distribution.
    """

    distribution: Distribution
    minimum: float = field(default=0.0, converter=_minimum)
    maximum: float | None = field(default=None, converter=_maximum)

    def __attrs_post_init__(self) -> None:
        """Check the bounds against each other."""
        if self.maximum is not None and self.maximum < self.minimum:
            raise UsageError(f"maximum={self.maximum} is below minimum={self.minimum}; give bounds in order")

    def sample(self, random: Random) -> float:
        """Draw a duration in seconds."""
        duration = max(self.distribution.sample(random), self.minimum)
        return duration if self.maximum is None else min(duration, self.maximum)

    @property
    def mean(self) -> float:
        """Seconds that a draw takes on average."""
        if self.maximum is None:
            return self._raised_to_minimum(self.distribution.mean)
        return self._raised_to_minimum(self.distribution.limited_mean(self.maximum))

    def limited_mean(self, limit: Duration) -> float:
        """Return the seconds that the smaller of a draw and *limit* takes on average."""
        bound = _limit(limit)
        if bound <= self.minimum:
            return bound
        if self.maximum is not None:
            bound = min(bound, self.maximum)
        return self._raised_to_minimum(self.distribution.limited_mean(bound))

    def _raised_to_minimum(self, mean: float) -> float:
        """Add to the mean of draws that are already limited what bringing them up to the minimum adds."""
        return mean + (self.minimum - self.distribution.limited_mean(self.minimum))


def constant(seconds: Duration) -> Constant:
    """
    Return the distribution that is always *seconds* (seconds or timedelta, 0 or more).

    Raises:
        UsageError: The duration is out of bounds.
    """
    return Constant(seconds)


def exponential(mean: Duration) -> Exponential:
    """
    Return the exponential distribution of this mean (seconds or timedelta, at least 1e-18).

    Raises:
        UsageError: The mean is out of bounds.
    """
    return Exponential(mean)


@overload
def lognormal(*, median: Duration, p99: Duration) -> LogNormal: ...
@overload
def lognormal(*, median: Duration, sigma: Number) -> LogNormal: ...
@overload
def lognormal(*, mean: Duration, cv: Number) -> LogNormal: ...
def lognormal(
    *,
    median: Duration | None = None,
    p99: Duration | None = None,
    sigma: Number | None = None,
    mean: Duration | None = None,
    cv: Number | None = None,
) -> LogNormal:
    """
    Return a log-normal distribution by two of its figures: median and p99, median and sigma, or mean and cv.

    Args:
        median: Seconds or timedelta, at least 1e-18: half of the draws are shorter.
        p99: Seconds or timedelta, not below the median: 99 of 100 draws are shorter.
        sigma: Standard deviation of the natural logarithm, 0 to 20.
        mean: Seconds or timedelta, at least 1e-18.
        cv: Coefficient of variation, the standard deviation divided by the mean: 0.001 to 1000.
    Raises:
        UsageError: The two figures are none of these pairs, or out of bounds.

    >>> lognormal(median=0.2, sigma=0.5)
    LogNormal(median=0.2, sigma=0.5)
    """
    if median is not None and mean is None and cv is None:
        if sigma is not None and p99 is None:
            return LogNormal(median, sigma)
        if p99 is not None and sigma is None:
            return LogNormal.from_p99(median, p99)
    if mean is not None and cv is not None and median is None and p99 is None and sigma is None:
        return LogNormal.from_mean(mean, cv)
    raise UsageError(
        f"lognormal(median={median!r}, p99={p99!r}, sigma={sigma!r}, mean={mean!r}, cv={cv!r}) is not determined; "
        "give median and p99, median and sigma, or mean and cv"
    )


@overload
def gamma(*, mean: Duration, cv: Number) -> Gamma: ...
@overload
def gamma(*, shape: Number, scale: Duration) -> Gamma: ...
def gamma(
    *,
    mean: Duration | None = None,
    cv: Number | None = None,
    shape: Number | None = None,
    scale: Duration | None = None,
) -> Gamma:
    """
    Return a gamma distribution by two of its figures: mean and cv, or shape and scale.

    Args:
        mean: Seconds or timedelta, at least 1e-18.
        cv: Coefficient of variation, the standard deviation divided by the mean: 0.001 to 1000.
        shape: The exponent, 1e-6 to 1e6; 1 is an exponential distribution.
        scale: Seconds or timedelta, at least 1e-18.
    Raises:
        UsageError: The two figures are none of these pairs, or out of bounds.

    >>> gamma(shape=4, scale=0.5)
    Gamma(mean=2.0, cv=0.5)
    """
    if mean is not None and cv is not None and shape is None and scale is None:
        return Gamma(mean, cv)
    if shape is not None and scale is not None and mean is None and cv is None:
        return Gamma.from_shape(shape, scale)
    raise UsageError(
        f"gamma(mean={mean!r}, cv={cv!r}, shape={shape!r}, scale={scale!r}) is not determined; "
        "give mean and cv, or shape and scale"
    )


def percentiles(durations: Percentiles) -> Empirical:
    """
    Return the distribution of which some percentiles are known.

    Args:
        durations: Two or more, in seconds or timedelta, by percentile, 0 to 100; between two of them a straight line.
    Raises:
        UsageError: There are fewer than two points, one is out of bounds, or durations decrease.

    >>> percentiles({0: 0.05, 50: 0.2, 90: 0.8, 99: 1.5, 100: 4}).mean
    0.3935
    """
    return Empirical(durations)


def _normal(random: Random) -> float:
    """Draw from the standard normal distribution, with two draws."""
    radius = sqrt(-2.0 * log(1.0 - random.random()))
    return radius * cos(tau * random.random())


def _normal_below(z: float) -> float:
    """Return the share of a standard normal distribution that lies below *z*."""
    return erfc(-z / sqrt(2.0)) / 2


def _standard_gamma(shape: float, random: Random) -> float:
    """Draw from the gamma distribution of scale 1 and a *shape* of 1 or more."""
    d = shape - 1 / 3
    c = 1 / sqrt(9 * d)
    while True:
        x = _normal(random)
        root = 1.0 + c * x
        if root > 0:
            v = root * root * root
            if log(1.0 - random.random()) < x * x / 2 + d * (1 - v + log(v)):
                return d * v


def _gamma_below(shape: float, x: float) -> float:
    """Return the share of the gamma distribution of scale 1 that lies below *x*, which is more than 0."""
    if x > shape + sqrt(90 * shape) + 45:  # where less than exp(-45) is left, which 1.0 cannot show
        return 1.0
    term = total = 1 / shape
    divisor = shape
    while term > total * 1e-17:  # terms may grow at first, but not beyond the step where the divisor passes x
        divisor += 1
        term *= x / divisor
        total += term
    return min(total * exp(shape * log(x) - x - lgamma(shape)), 1.0)
