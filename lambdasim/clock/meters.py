"""
Meters by the minute: what metrics are made of.

No datum is kept by itself. A sum is a counter that its owner keeps anyway, written down at the end of each minute
(`Ledger`); data of which every statistic may be asked are kept as values and how often each came (`Samples`, `Steps`).
Minutes are those of the simulated clock, [60k, 60k + 60) seconds; they are numbered from 0.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from lambdasim.errors import UsageError
from lambdasim.units import MINUTE_US

Weighted = Iterable[tuple[float, int]]  #: values, and how often each came

STATISTICS: Final = ("Sum", "Average", "Minimum", "Maximum", "SampleCount")


def statistic(name: str, data: Weighted) -> float:
    """
    Return a statistic of data given as values and how often each came; there must be some.

    Args:
        name: `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount`, or a percentile such as `p50` or `p99.9`: the
            smallest value that at least so many percent of the data do not exceed.
        data: Pairs (value, count).
    Raises:
        UsageError: No such statistic.

    >>> statistic("p50", [(1, 1), (7, 1), (9, 1)])
    7
    """
    rows = list(data)
    if name == "Sum":
        return sum(value * times for value, times in rows)
    if name == "SampleCount":
        return sum(times for _, times in rows)
    if name == "Average":
        return sum(value * times for value, times in rows) / sum(times for _, times in rows)
    if name == "Minimum":
        return min(value for value, _ in rows)
    if name == "Maximum":
        return max(value for value, _ in rows)
    return percentile(check_statistic(name), rows)


def check_statistic(name: str) -> float:
    """Return the percentage of a percentile's name, and -1 for the other statistics; refuse what is neither."""
    if name in STATISTICS:
        return -1.0
    try:
        share = float(name[1:]) if name[:1] == "p" else -1.0
    except ValueError:
        share = -1.0
    if not 0 <= share <= 100:
        msg = f"no statistic {name!r}; there are {', '.join(STATISTICS)} and percentiles such as p50 or p99.9"
        raise UsageError(msg)
    return share


def percentile(share: float, data: Weighted) -> float:
    """Return the smallest value that at least *share* percent of the data do not exceed. Runtime: `O(n log n)`."""
    rows = sorted(data)
    wanted = max(1, math.ceil(sum(times for _, times in rows) * share / 100))
    seen = 0
    for value, times in rows:
        seen += times
        if seen >= wanted:
            return value
    return rows[-1][0]


class Counter:
    """Events per minute, for things too rare to deserve a place in a `Ledger`."""

    __slots__ = ("minutes", "total")

    def __init__(self) -> None:
        self.minutes: dict[int, int] = {}
        self.total = 0

    def add(self, at_us: int, times: int = 1) -> None:
        """Count *times* events at *at_us*."""
        minute = at_us // MINUTE_US
        self.minutes[minute] = self.minutes.get(minute, 0) + times
        self.total += times

    def data(self) -> Iterator[tuple[int, Weighted]]:
        """Yield (minute, data) in order of time: each event is a datum of 1."""
        for minute in sorted(self.minutes):
            yield minute, ((1, self.minutes[minute]),)


class Samples:
    """
    Data with values, in any order of time, such as durations.

    Equal values that follow each other share one entry, so constant durations take no room; others take 16 bytes.
    """

    __slots__ = ("minutes",)

    def __init__(self) -> None:
        self.minutes: dict[int, array[int]] = {}  # value, times, value, times …

    def add(self, at_us: int, value: int, times: int = 1) -> None:
        """Take one datum down, or several equal ones. Runtime: `O(1)`."""
        minute = at_us // MINUTE_US
        runs = self.minutes.get(minute)
        if runs is None:
            self.minutes[minute] = array("q", (value, times))
        elif runs[-2] == value:
            runs[-1] += times
        else:
            runs.extend((value, times))

    def data(self) -> Iterator[tuple[int, Weighted]]:
        """Yield (minute, data) in order of time."""
        for minute in sorted(self.minutes):
            runs = self.minutes[minute]
            yield minute, zip(runs[::2], runs[1::2], strict=True)


class Steps:
    """
    A step function with a datum at each change, and one at the beginning of each minute that it enters above 0.

    This is what a concurrency metric is (LAM-263).
    """

    __slots__ = ("_border_us", "_counts", "_minute", "_owes_carried", "_past", "value")

    def __init__(self) -> None:
        self.value: float = 0
        self._border_us = MINUTE_US
        self._minute = 0
        self._counts: defaultdict[float, int] = defaultdict(int)  # of the minute that is open: value -> how often
        self._past: dict[int, dict[float, int]] = {}
        self._owes_carried = False  # the datum of the open minute's begin waits for the last event of that instant

    def change(self, now_us: int, value: float) -> None:
        """Take down that the value is *value* from now on. Runtime: `O(1)`, and `O(1)` per minute entered."""
        if now_us >= self._border_us:
            self._roll(now_us)
        self.value = value
        self._counts[value] += 1

    def _roll(self, now_us: int) -> None:
        """Close the minutes that ended, and settle the carried datum of the open one once its first instant is over."""
        minute = now_us // MINUTE_US
        if minute > self._minute:
            self._carry()
            if self._counts:
                self._past[self._minute] = self._counts
            for between in range(self._minute + 1, minute) if self.value else ():
                self._past[between] = {self.value: 1}
            self._counts = defaultdict(int)
            self._minute = minute
            self._owes_carried = True
        if now_us > minute * MINUTE_US:
            self._carry()
        self._border_us = minute * MINUTE_US if self._owes_carried else (minute + 1) * MINUTE_US

    def _carry(self) -> None:
        if self._owes_carried and self.value:
            self._counts[self.value] += 1
        self._owes_carried = False

    def data(self, now_us: int) -> Iterator[tuple[int, Weighted]]:
        """Yield (minute, data) in order of time, up to now, taking it that every event of now has run."""
        for past, counts in self._past.items():
            yield past, counts.items()
        counts = dict(self._counts)
        if self._owes_carried and self.value:
            counts[self.value] = counts.get(self.value, 0) + 1
        if counts:
            yield self._minute, counts.items()
        for later in range(self._minute + 1, now_us // MINUTE_US + 1) if self.value else ():
            yield later, ((self.value, 1),)


class Ledger:
    """
    Counters and gauges of one owner, read at the borders of minutes and kept only where something changed.

    The owner looks at `border_us` before it changes anything, and calls `turn` when now has reached it: one comparison
    of integers is all that a minute costs on the hot path. Sums cover [begin, end) of a minute, gauges are the value
    at its end after all events of that instant (SQS-602).

    Args:
        now_us: When the owner came to be.
        counters: Returns the counters, which only grow.
        gauges: Returns the values of the gauges.
    """

    __slots__ = ("_counters", "_gauge_rows", "_gauges", "_sum_border_us", "_sum_rows", "border_us", "created_us")

    def __init__(
        self, now_us: int, counters: Callable[[], tuple[int, ...]], gauges: Callable[[], tuple[int, ...]] | None = None
    ) -> None:
        self.created_us = now_us
        self.border_us = self._sum_border_us = now_us // MINUTE_US * MINUTE_US + MINUTE_US
        self._counters = counters
        self._gauges = gauges
        self._sum_rows: list[tuple[int, tuple[int, ...]]] = [(-1, counters())]  # minute, counters at its end
        self._gauge_rows: list[tuple[int, tuple[int, ...]]] = []  # end of a minute, gauges from there on

    def turn(self, now_us: int) -> None:
        """Close what ended at or before now; to be called before the owner changes at an instant >= `border_us`."""
        if now_us >= self._sum_border_us:
            counters = self._counters()
            if counters != self._sum_rows[-1][1]:
                self._sum_rows.append((self._sum_border_us // MINUTE_US - 1, counters))
            self._sum_border_us = now_us // MINUTE_US * MINUTE_US + MINUTE_US
        if now_us > self.border_us:
            if self._gauges is not None:
                gauges = self._gauges()
                if not self._gauge_rows or gauges != self._gauge_rows[-1][1]:
                    self._gauge_rows.append((self.border_us, gauges))
            self.border_us = -(-now_us // MINUTE_US) * MINUTE_US

    def sums(self, index: int) -> Iterator[tuple[int, int]]:
        """Yield (minute, sum) of the counter at *index*, for the minutes in which it grew, the open one included."""
        rows = [*self._sum_rows, (self._sum_border_us // MINUTE_US - 1, self._counters())]
        before = rows[0][1][index]
        for minute, counters in rows[1:]:
            if counters[index] != before:
                yield minute, counters[index] - before
            before = counters[index]

    def gauge(self, index: int, now_us: int) -> Iterator[tuple[int, int]]:
        """Yield (end of a minute in µs, value) for each minute that has ended by now, in order of time."""
        first_us = self.created_us // MINUTE_US * MINUTE_US + MINUTE_US
        rows = list(self._gauge_rows)
        if self._gauges is not None:
            rows.append((self.border_us, self._gauges()))
        borders = [border_us for border_us, _ in rows]
        for end_us in range(first_us, now_us + 1, MINUTE_US):
            place = bisect_right(borders, end_us)
            if place:
                yield end_us, rows[place - 1][1][index]


class Spells:
    """Stretches of time during which something held, such as that counts are published."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []  # one fewer while it holds

    @property
    def is_on(self) -> bool:
        """Whether it holds now."""
        return len(self._starts) > len(self._ends)

    def turn(self, now_us: int, *, on: bool) -> None:
        """Say whether it holds from now on."""
        if on is not self.is_on:
            (self._starts if on else self._ends).append(now_us)

    def touches(self, minute: int) -> bool:
        """Return whether it held at some time of a minute. Runtime: `O(log n)` in the number of stretches."""
        place = bisect_left(self._starts, (minute + 1) * MINUTE_US)  # those that began before its end
        return place > 0 and (place > len(self._ends) or self._ends[place - 1] > minute * MINUTE_US)


class Beats:
    """Events that came at equal steps, kept as (first, step, times): what idle pollers leave behind (ESM-082)."""

    __slots__ = ("_rows", "total")

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, int]] = []
        self.total = 0

    def add(self, first_us: int, step_us: int, times: int) -> None:
        """Take down *times* events: at first, first + step and so on."""
        self._rows.append((first_us, step_us, times))
        self.total += times

    def minutes(self, others: Iterable[tuple[int, int, int]] = ()) -> dict[int, int]:
        """Return the events per minute, with others given as (first, step, times). Runtime: `O(minutes)` with any."""
        found: dict[int, int] = {}
        for first_us, step_us, times in (*self._rows, *others):
            at_us, left = first_us, times
            while left:
                minute = at_us // MINUTE_US
                here = min(left, ((minute + 1) * MINUTE_US - 1 - at_us) // step_us + 1)
                found[minute] = found.get(minute, 0) + here
                at_us += here * step_us
                left -= here
        return found


def merge(parts: Sequence[Iterator[tuple[int, Weighted]]]) -> dict[int, list[tuple[float, int]]]:
    """Put data of several meters together, by minute."""
    found: dict[int, list[tuple[float, int]]] = {}
    for part in parts:
        for minute, rows in part:
            found.setdefault(minute, []).extend(rows)
    return found
