"""A series: one value for each period that has data."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from lambdasim.clock.meters import check_statistic, statistic
from lambdasim.errors import UsageError

_MINUTE_S = 60


@frozen
class Series:
    """
    Values of one statistic by period.

    Iterates pairs (begin of the period in seconds since the start, value), in order.
    """

    times: tuple[int, ...]  #: begins of the periods that have data, in seconds since the start
    values: tuple[float, ...]
    unit: str  #: `Count`, `Seconds`, `Milliseconds` or `Bytes`

    def __iter__(self) -> Iterator[tuple[int, float]]:
        """Yield (begin of the period, value)."""
        return iter(zip(self.times, self.values, strict=True))

    def __len__(self) -> int:
        """Return the number of periods that have data."""
        return len(self.times)


def check_period(period: object) -> int:
    """Return the minutes of a period given in seconds; refuse what is no multiple of a minute."""
    if isinstance(period, bool) or not isinstance(period, int) or period < _MINUTE_S or period % _MINUTE_S:
        msg = f"period={period!r} is no whole number of minutes; give 60 or a multiple of it, in seconds"
        raise UsageError(msg)
    return period // _MINUTE_S


def make_series(
    data: dict[int, list[tuple[float, int]]], name: str, minutes: int, unit: str, *, scale: float = 1
) -> Series:
    """Return a statistic of data given by minute, over periods of so many minutes; values are divided by *scale*."""
    check_statistic(name)
    periods: dict[int, list[tuple[float, int]]] = {}
    for minute, rows in data.items():
        periods.setdefault(minute // minutes, []).extend(rows)
    begins = sorted(periods)
    values = []
    for begin in begins:
        value = statistic(name, periods[begin])
        values.append(value if name == "SampleCount" or scale == 1 else value / scale)
    return Series(tuple(begin * minutes * _MINUTE_S for begin in begins), tuple(values), unit)
