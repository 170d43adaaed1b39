"""
Arrival processes: when messages are sent, as whole microseconds since the beginning of the process.

A process is a frozen value. It holds no random state: `instants_us(random)` starts it anew, and a generator in the same
state gives the same instants on every supported Python, for `Random.random()` is the only method that is called.

Rates may be spelled as int, float, Decimal or Fraction and are exact: a float means the number that it is written as.
Nothing drifts. Evenly spaced arrivals come from whole numbers alone, each rounded down to its microsecond once; Poisson
arrivals add up their gaps in floats of microseconds, which are exact to far below a microsecond for centuries.

An interval holds its beginning and not its end, so that processes can be put end to end: an arrival at the border of
two intervals belongs to the later one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from fractions import Fraction
from heapq import merge
from itertools import count as count_from
from itertools import pairwise, repeat
from math import ceil, floor, lcm, log
from os import PathLike
from random import Random
from typing import Final, Literal, Protocol, Self, get_args, runtime_checkable

from attrs import field, frozen

from lambdasim.errors import UsageError
from lambdasim.units import MICROSECONDS, Duration
from lambdasim.workload._quantities import COUNT_MAX, Number, exact, shown, shown_seconds, span_us, whole
from lambdasim.workload.series import counts_from_csv

Spread = Literal["even", "poisson"]  #: how arrivals lie in an interval of known count

RATE_MIN: Final = Fraction(1, 1_000_000_000)  #: a second: one arrival in 31 years
RATE_MAX: Final = 1_000_000_000  #: a second: a thousand arrivals each microsecond
_SHOWN_WHOLE: Final = 6  # values of a sequence that its representation spells out


@runtime_checkable
class Arrivals(Protocol):
    """What an arrival process offers; anything that offers it can be fed to a queue."""

    def instants_us(self, random: Random) -> Iterator[int]:
        """
        Start the process anew.

        Args:
            random: Where all randomness comes from; only its `random()` is called.
        Returns:
            The instants of the arrivals, one by one as they are asked for: microseconds since the beginning of the
            process, non-decreasing, 0 or more.
        """
        ...

    @property
    def total(self) -> int | None:
        """How many arrivals there are; None when chance decides, or when they never end."""
        ...

    @property
    def duration_us(self) -> int | None:
        """Microseconds from the beginning of the process to its end, after which nothing arrives; None when endless."""
        ...


def _rate(value: Number) -> Fraction:
    return exact(value, name="rate_per_s", least=RATE_MIN, most=RATE_MAX, unit="arrivals a second")


def _start_us(value: Duration) -> int:
    return span_us(value, name="start")


def _duration_us(value: Duration | None) -> int | None:
    return None if value is None else span_us(value, name="duration")


def _count(value: int) -> int:
    return whole(value, name="count")


@frozen
class ConstantRate:
    """
    Evenly spaced arrivals: arrival k is at `start + floor(k / rate_per_s)`, in microseconds and exactly.

    Args:
        rate_per_s: Arrivals a second, 1e-9 to 1e9.
        duration: Seconds or timedelta from *start*, whose end is no longer part of it; None never ends.
        start: Seconds or timedelta from the beginning of the process to the first arrival.
    Raises:
        UsageError: A parameter is no number or out of bounds.

    >>> list(ConstantRate(3, duration=1).instants_us(Random(0)))
    [0, 333333, 666666]

    Runtime: `O(1)` per arrival, in constant memory; draws nothing.
    """

    rate_per_s: Fraction = field(converter=_rate)
    _length_us: int | None = field(default=None, alias="duration", converter=_duration_us)
    _start_us: int = field(default=0, alias="start", converter=_start_us)

    def instants_us(self, random: Random) -> Iterator[int]:
        """Yield the instants, evenly spaced; *random* is not asked."""
        del random
        return _evenly(self._start_us, self.duration_us, MICROSECONDS / self.rate_per_s)

    @property
    def total(self) -> int | None:
        """How many arrivals there are: the duration times the rate, rounded up; None when endless."""
        return None if self._length_us is None else ceil(self._length_us * self.rate_per_s / MICROSECONDS)

    @property
    def duration_us(self) -> int | None:
        """Microseconds to the end of the duration, *start* included; None when endless."""
        return None if self._length_us is None else self._start_us + self._length_us

    def __repr__(self) -> str:
        return (
            f"ConstantRate(rate_per_s={shown(self.rate_per_s)}, duration={shown_seconds(self._length_us)}, "
            f"start={shown_seconds(self._start_us)})"
        )


@frozen
class Poisson:
    """
    Independent arrivals at a mean rate: a Poisson process, whose gaps are exponential.

    Args:
        rate_per_s: Arrivals a second on average, 1e-9 to 1e9.
        duration: Seconds or timedelta from *start*, whose end is no longer part of it; None never ends.
        start: Seconds or timedelta from the beginning of the process to the first gap.
    Raises:
        UsageError: A parameter is no number or out of bounds.

    Runtime: `O(1)` and one draw per arrival, and one draw more for the end; constant memory.
    """

    rate_per_s: Fraction = field(converter=_rate)
    _length_us: int | None = field(default=None, alias="duration", converter=_duration_us)
    _start_us: int = field(default=0, alias="start", converter=_start_us)

    def instants_us(self, random: Random) -> Iterator[int]:
        """Yield the instants; each draws one number from *random*."""
        draw, begin_us, gap_us = random.random, self._start_us, float(MICROSECONDS / self.rate_per_s)
        length_us = float("inf") if self._length_us is None else self._length_us
        elapsed_us = -log(1.0 - draw()) * gap_us
        while elapsed_us < length_us:
            yield begin_us + int(elapsed_us)
            elapsed_us -= log(1.0 - draw()) * gap_us

    @property
    def total(self) -> int | None:
        """None: chance decides."""
        return None

    @property
    def duration_us(self) -> int | None:
        """Microseconds to the end of the duration, *start* included; None when endless."""
        return None if self._length_us is None else self._start_us + self._length_us

    def __repr__(self) -> str:
        return (
            f"Poisson(rate_per_s={shown(self.rate_per_s)}, duration={shown_seconds(self._length_us)}, "
            f"start={shown_seconds(self._start_us)})"
        )


def _segments(pairs: Iterable[tuple[Duration, Number]]) -> tuple[tuple[int, Fraction], ...]:
    segments: list[tuple[int, Fraction]] = []
    for index, pair in enumerate(pairs):
        try:
            duration, rate = pair
        except (TypeError, ValueError) as error:
            raise UsageError(f"segments[{index}]={pair!r} is no segment; give a pair (duration, rate_per_s)") from error
        name = f"segments[{index}]"
        length_us = span_us(duration, name=f"{name}.duration")
        least, unit = (RATE_MIN if rate else 0), "arrivals a second, or 0"
        rate_per_s = exact(rate, name=f"{name}.rate_per_s", least=least, most=RATE_MAX, unit=unit)
        segments.append((length_us, rate_per_s))
    return tuple(segments)


@frozen
class PiecewiseRate:
    """
    A rate that changes in steps, such as quiet hours, a peak and a break.

    Evenly spaced arrivals carry the part of a gap that has passed over the borders: before any instant there have been
    as many as the rates add up to until then, rounded up. The first is at the beginning of the first segment that has a
    rate. A Poisson process carries what is left of a gap in the same way; it stays a Poisson process.

    Args:
        segments: Pairs (duration, rate_per_s), in order; durations in seconds or timedelta, rates 0 or 1e-9 to 1e9.
        poisson: Whether arrivals are independent (True) or evenly spaced (False).
    Raises:
        UsageError: A part of a segment is no number or out of bounds; the text names the segment.

    >>> list(PiecewiseRate([(1, 2), (10, 0), (1, 3)]).instants_us(Random(0)))
    [0, 500000, 11000000, 11333333, 11666666]

    Runtime: `O(1)` per arrival and per segment, one draw per arrival and one more if *poisson*, else none.
    """

    segments: tuple[tuple[int, Fraction], ...] = field(converter=_segments)  #: (microseconds, arrivals a second)
    poisson: bool = field(default=False, kw_only=True)

    def instants_us(self, random: Random) -> Iterator[int]:
        """Yield the instants; *random* is asked for Poisson arrivals only."""
        return self._independent(random) if self.poisson else self._even()

    def _even(self) -> Iterator[int]:
        begin_us = 0
        owed = Fraction(0)  # arrivals still to come before the next one is due, as a part of one: 0 is due at once
        for length_us, rate_per_s in self.segments:
            end_us = begin_us + length_us
            if rate_per_s:
                gap_us = MICROSECONDS / rate_per_s
                yield from _evenly(begin_us + owed * gap_us, end_us, gap_us)
                owed = (owed - length_us / gap_us) % 1
            begin_us = end_us

    def _independent(self, random: Random) -> Iterator[int]:
        draw = random.random
        begin_us = 0
        owed = -log(1.0 - draw())  # what is left of the gap to the next arrival, at a rate of one
        for length_us, rate_per_s in self.segments:
            if rate_per_s:
                gap_us = float(MICROSECONDS / rate_per_s)
                elapsed_us = owed * gap_us
                while elapsed_us < length_us:
                    yield begin_us + int(elapsed_us)
                    elapsed_us -= log(1.0 - draw()) * gap_us
                owed = (elapsed_us - length_us) / gap_us
            begin_us += length_us

    @property
    def total(self) -> int | None:
        """How many arrivals there are: the sum of durations times rates, rounded up; None if chance decides."""
        if self.poisson:
            return None
        return ceil(sum((length_us * rate for length_us, rate in self.segments), Fraction(0)) / MICROSECONDS)

    @property
    def duration_us(self) -> int:
        """Microseconds of all segments together."""
        return sum(length_us for length_us, _ in self.segments)

    def __repr__(self) -> str:
        pairs = [f"({shown_seconds(length_us)}, {shown(rate)})" for length_us, rate in self.segments]
        return f"PiecewiseRate({_abbreviated(pairs, 'segments')}, poisson={self.poisson})"


def _at_us(value: Duration) -> int:
    return span_us(value, name="at")


@frozen
class Burst:
    """
    Many arrivals in one instant.

    Args:
        count: How many, 0 or more.
        at: Seconds or timedelta since the beginning of the process.
    Raises:
        UsageError: A parameter is no number or out of bounds.

    Runtime: `O(1)` per arrival, in constant memory; draws nothing.
    """

    count: int = field(converter=_count)
    _at_us: int = field(default=0, alias="at", converter=_at_us)

    def instants_us(self, random: Random) -> Iterator[int]:
        """Yield the one instant as often as there are arrivals; *random* is not asked."""
        del random
        return repeat(self._at_us, self.count)

    @property
    def total(self) -> int:
        """How many arrivals there are."""
        return self.count

    @property
    def duration_us(self) -> int:
        """Microseconds to the burst, which is the last instant of the process."""
        return self._at_us

    def __repr__(self) -> str:
        return f"Burst(count={self.count}, at={shown_seconds(self._at_us)})"


def _every_us(value: Duration) -> int:
    return span_us(value, name="every", least_us=1)


def _times(value: int | None) -> int | None:
    return None if value is None else whole(value, name="times")


@frozen
class Bursts:
    """
    Bursts at equal distances, as a timer or a nightly export makes them.

    Args:
        count: Arrivals in each burst, 0 or more.
        every: Seconds or timedelta from one burst to the next, at least a microsecond.
        times: How many bursts, 0 or more; None never ends.
        start: Seconds or timedelta from the beginning of the process to the first burst.
    Raises:
        UsageError: A parameter is no number or out of bounds.

    >>> list(Bursts(2, every=60, times=2).instants_us(Random(0)))
    [0, 0, 60000000, 60000000]

    Runtime: `O(1)` per arrival, in constant memory; draws nothing.
    """

    count: int = field(converter=_count)
    _every_us: int = field(alias="every", converter=_every_us)
    times: int | None = field(default=None, converter=_times)
    _start_us: int = field(default=0, alias="start", converter=_start_us)

    def instants_us(self, random: Random) -> Iterator[int]:
        """Yield the instant of each burst as often as it has arrivals; *random* is not asked."""
        del random
        if self.count == 0:  # or an endless series of empty bursts would look for its first arrival for ever
            return
        bursts = count_from() if self.times is None else range(self.times)
        for index in bursts:
            yield from repeat(self._start_us + index * self._every_us, self.count)

    @property
    def total(self) -> int | None:
        """How many arrivals there are; None when endless."""
        if self.count == 0:
            return 0
        return None if self.times is None else self.count * self.times

    @property
    def duration_us(self) -> int | None:
        """Microseconds to the last burst, which is the last instant of the process; None when endless."""
        return None if self.times is None else self._start_us + max(self.times - 1, 0) * self._every_us

    def __repr__(self) -> str:
        return (
            f"Bursts(count={self.count}, every={shown_seconds(self._every_us)}, times={self.times}, "
            f"start={shown_seconds(self._start_us)})"
        )


def _whole_counts(values: Iterable[Number]) -> tuple[int, ...]:
    """Make counts whole, carrying on what is cut off: every sum from the first on is right to within a half."""
    counts: list[int] = []
    half, owed = Fraction(1, 2), Fraction(0)
    for index, value in enumerate(values):
        owed += exact(value, name=f"counts[{index}]", least=0, most=COUNT_MAX, unit="arrivals")
        count = floor(owed + half)
        owed -= count
        counts.append(count)
    return tuple(counts)


def _interval_us(value: Duration) -> int:
    return span_us(value, name="interval", least_us=1)


def _spread(value: Spread) -> Spread:
    if value not in get_args(Spread):
        raise UsageError(f"spread={value!r} is unknown; give 'even' or 'poisson'")
    return value


@frozen
class IntervalCounts:
    """
    A known number of arrivals in each of many equal intervals: a measured series, played back.

    Args:
        counts: Arrivals in each interval, 0 to 1e12. Fractions are carried from interval to interval, so that the sum
            up to any interval is right to within a half, and the whole sum is rounded once, halves up.
        interval: Seconds or timedelta that each interval lasts, at least a microsecond.
        spread: "even" puts arrival i of N at `floor(i * interval / N)` behind the beginning of its interval, "poisson"
            puts N arrivals at independent, uniformly distributed instants: a Poisson process whose count is known.
    Raises:
        UsageError: A count is no number, negative or too large (the text names its place), or another parameter is.

    >>> list(IntervalCounts([2, 0, 1], interval=60).instants_us(Random(0)))
    [0, 30000000, 120000000]

    Runtime: "even" `O(1)` per arrival, in constant memory; "poisson" `O(log N)` and one draw per arrival, in memory for
    the arrivals of one interval.
    """

    counts: tuple[int, ...] = field(converter=_whole_counts)  #: made whole
    _interval_us: int = field(alias="interval", converter=_interval_us)
    spread: Spread = field(default="even", converter=_spread)

    @classmethod
    def from_csv(
        cls,
        path: str | PathLike[str],
        *,
        interval: Duration | None = None,
        spread: Spread = "even",
        duration: Duration | None = None,
        scale: Number = 1,
        timestamp_column: str = "timestamp",
        value_column: str = "value",
    ) -> Self:
        """
        Read a measured series: a file with a header line and columns of timestamps and counts.

        The process begins at the first row. Intervals without a row are empty.

        Args:
            path: Of the file: comma-separated text in UTF-8. Timestamps say when an interval begins, in ISO 8601 (with
                a blank or a T, with or without an offset from UTC and fractions of a second), or as whole seconds or
                milliseconds since 1970. Counts are numbers, 0 to 1e12. Further columns are left alone.
            interval: Seconds or timedelta. Rows of one interval are added up. None takes the most common difference of
                neighbouring rows (of equally common ones the smallest), and demands that each row begins an interval.
            spread: As for the class.
            duration: Seconds or timedelta: only intervals that begin before this span is over; None takes all.
            scale: What to multiply each count by, 0 to 1e9, before fractions are carried on.
            timestamp_column: Name of the column of timestamps.
            value_column: Name of the column of counts.
        Raises:
            UsageError: A parameter is out of bounds; or the file has no such column or no rows, has a timestamp or
                count that cannot be read (a blank one included), or rows out of order or of the same instant. The text
                names file, line and value.
            OSError: The file cannot be read.

        Runtime: `O(n)` in rows and intervals.
        """
        factor = exact(scale, name="scale", least=0, most=RATE_MAX, unit="times the counts")
        interval_us, counts = counts_from_csv(
            path,
            interval_us=None if interval is None else _interval_us(interval),
            duration_us=_duration_us(duration),
            timestamp_column=timestamp_column,
            value_column=value_column,
        )
        return cls([count * factor for count in counts], timedelta(microseconds=interval_us), spread)

    def instants_us(self, random: Random) -> Iterator[int]:
        """Yield the instants; *random* is asked once per arrival for spread "poisson" only."""
        return self._independent(random) if self.spread == "poisson" else self._even()

    def _even(self) -> Iterator[int]:
        interval_us, begin_us = self._interval_us, 0
        for count in self.counts:
            end_us = begin_us + interval_us
            # count times too large, so that one division per arrival is all the arithmetic
            for product in range(begin_us * count, end_us * count, interval_us):
                yield product // count
            begin_us = end_us

    def _independent(self, random: Random) -> Iterator[int]:
        draw, interval_us, begin_us = random.random, self._interval_us, 0
        for count in self.counts:
            instants_us = [begin_us + int(draw() * interval_us) for _ in range(count)]
            instants_us.sort()
            yield from instants_us
            begin_us += interval_us

    @property
    def total(self) -> int:
        """How many arrivals there are: the sum of the counts."""
        return sum(self.counts)

    @property
    def duration_us(self) -> int:
        """Microseconds of all intervals together."""
        return len(self.counts) * self._interval_us

    def __repr__(self) -> str:
        return (
            f"IntervalCounts({_abbreviated(list(map(str, self.counts)), 'counts')}, "
            f"interval={shown_seconds(self._interval_us)}, spread={self.spread!r})"
        )


def _instants_us(values: Iterable[Duration]) -> tuple[int, ...]:
    instants_us = tuple(span_us(value, name=f"instants[{index}]") for index, value in enumerate(values))
    for index, (before_us, at_us) in enumerate(pairwise(instants_us), start=1):
        if at_us < before_us:
            raise UsageError(
                f"instants[{index}]={shown_seconds(at_us)} lies before the one in front of it, "
                f"{shown_seconds(before_us)}; give instants in order"
            )
    return instants_us


@frozen
class Instants:
    """
    Arrivals at given instants.

    Args:
        instants: Seconds or timedelta since the beginning of the process, in order; equal ones are several arrivals.
    Raises:
        UsageError: An instant is no duration, out of bounds or out of order; the text names its place.

    >>> list(Instants([0, 0.5, 0.5]).instants_us(Random(0)))
    [0, 500000, 500000]

    Runtime: `O(1)` per arrival; draws nothing.
    """

    _instants_us: tuple[int, ...] = field(alias="instants", converter=_instants_us)

    def instants_us(self, random: Random) -> Iterator[int]:
        """Yield the instants; *random* is not asked."""
        del random
        return iter(self._instants_us)

    @property
    def total(self) -> int:
        """How many arrivals there are."""
        return len(self._instants_us)

    @property
    def duration_us(self) -> int:
        """Microseconds to the last arrival, which is the last instant of the process; 0 without arrivals."""
        return self._instants_us[-1] if self._instants_us else 0

    def __repr__(self) -> str:
        return f"Instants({_abbreviated(list(map(shown_seconds, self._instants_us)), 'instants')})"


@frozen(init=False)
class Merged:
    """
    Several processes at once.

    Each has a random stream of its own, seeded by one draw in the order given: what one of them draws moves no other,
    and one more at the end changes nothing for those before it.

    Args:
        arrivals: The processes, any number of them; they may be endless.
    Raises:
        UsageError: One of them is no arrival process.

    >>> list(Merged(Burst(1, at=0.5), ConstantRate(1, duration=2)).instants_us(Random(0)))
    [0, 500000, 1000000]

    Runtime: `O(log n)` per arrival in the number of processes.
    """

    arrivals: tuple[Arrivals, ...]

    def __init__(self, *arrivals: Arrivals) -> None:
        for index, part in enumerate(arrivals):
            if not isinstance(part, Arrivals):
                raise UsageError(
                    f"arrivals[{index}]={part!r} is no arrival process; give explicit instants as Instants([…])"
                )
        self.__attrs_init__(arrivals)

    def instants_us(self, random: Random) -> Iterator[int]:
        """Yield the instants of all processes in order; *random* is asked once per process, and at once."""
        streams = [Random(int(random.random() * 2**53)) for _ in self.arrivals]
        return merge(*(part.instants_us(stream) for part, stream in zip(self.arrivals, streams, strict=True)))

    @property
    def total(self) -> int | None:
        """How many arrivals there are; None when one of the processes does not know."""
        totals = [part.total for part in self.arrivals]
        known = [total for total in totals if total is not None]
        return sum(known) if len(known) == len(totals) else None

    @property
    def duration_us(self) -> int | None:
        """Microseconds to the end of the last process; None when one of them is endless."""
        durations_us = [part.duration_us for part in self.arrivals]
        known = [duration_us for duration_us in durations_us if duration_us is not None]
        return max(known, default=0) if len(known) == len(durations_us) else None

    def __repr__(self) -> str:
        return f"Merged({', '.join(map(repr, self.arrivals))})"


def _evenly(first_us: Fraction | int, end_us: int | None, gap_us: Fraction) -> Iterator[int]:
    """Return `floor(first_us + k * gap_us)` for k = 0, 1, … below *end_us*, without rounding anything else."""
    first_us = Fraction(first_us)
    parts = lcm(first_us.denominator, gap_us.denominator)  # of a microsecond, in which all is whole
    first, gap = int(first_us * parts), int(gap_us * parts)
    instants = count_from(first, gap) if end_us is None else range(first, end_us * parts, gap)
    return (instant // parts for instant in instants)


def _abbreviated(values: Sequence[str], what: str) -> str:
    """Return `[…]` for people: whole if short, else its beginning and its length."""
    if len(values) <= _SHOWN_WHOLE:
        return f"[{', '.join(values)}]"
    return f"[{', '.join(values[: _SHOWN_WHOLE // 2])}, … {len(values)} {what}]"
