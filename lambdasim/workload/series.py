"""
Measured series: files of counts by time, brought onto a grid of equal intervals.

A file is text in UTF-8 with a header line and comma-separated columns, one row per interval: the instant at which the
interval starts, and what was counted in it. Only differences between instants matter. An instant without an offset is
taken as it stands, as if it were UTC; a file has an offset in every row or in none.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Final, NamedTuple

from lambdasim.errors import UsageError
from lambdasim.workload._quantities import COUNT_MAX, shown_seconds

INTERVALS_MAX: Final = 10_000_000  #: beyond, a mistaken timestamp is likelier than a series

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE: Final = re.compile(r"-?[0-9]{1,15}")
_MILLISECONDS_FROM: Final = 100_000_000_000  # as seconds the year 5138, as milliseconds 1973


class Row(NamedTuple):
    """One line of a file, read."""

    line: int  #: in the file, counted from 1
    at_us: int  #: since the Unix epoch
    has_offset: bool
    value: Fraction


def counts_from_csv(
    path: str | PathLike[str],
    *,
    interval_us: int | None,
    duration_us: int | None,
    timestamp_column: str,
    value_column: str,
) -> tuple[int, list[Fraction]]:
    """
    Return the interval of a series, and its counts by interval, gaps as zeros.

    Args:
        path: Of the file.
        interval_us: Rows of one interval are added up. None takes the most common difference of neighbouring rows (of
            equally common ones the smallest), and demands that each row starts an interval.
        duration_us: Only intervals that begin before this span is over; None takes all.
        timestamp_column: The name of the column of instants.
        value_column: The name of the column of counts.
    Raises:
        UsageError: The file is not such a series; the text names the file, the line and the value.
        OSError: The file cannot be read.

    Runtime: `O(rows + intervals)`.
    """
    rows = list(_rows(path, timestamp_column, value_column))
    if not rows:
        raise UsageError(f"{path} has no rows; a series has a header line and at least one row")
    for before, row in pairwise(rows):
        _check_neighbours(path, before, row)
    bucket_us = _common_difference_us(path, rows) if interval_us is None else interval_us
    wanted = None if duration_us is None else -(-duration_us // bucket_us)
    counts: list[Fraction] = []
    for row in rows:
        place, late_us = divmod(row.at_us - rows[0].at_us, bucket_us)
        if late_us and interval_us is None:
            raise UsageError(
                f"{path}, line {row.line}: the row lies {shown_seconds(late_us)} s behind the beginning of an interval "
                f"of {shown_seconds(bucket_us)} s; give interval= to add up rows in intervals of that length"
            )
        if wanted is not None and place >= wanted:
            counts.extend([Fraction(0)] * (wanted - len(counts)))
            break
        if place >= INTERVALS_MAX:
            raise UsageError(
                f"{path}, line {row.line}: {place} intervals of {shown_seconds(bucket_us)} s lie before this row, more "
                f"than {INTERVALS_MAX}; correct the timestamp, or give a longer interval or a duration"
            )
        counts.extend([Fraction(0)] * (place + 1 - len(counts)))
        counts[place] += row.value
    return bucket_us, counts


def _rows(path: str | PathLike[str], timestamp_column: str, value_column: str) -> Iterator[Row]:
    """Yield the rows in the order of the file; empty lines do not count."""
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        try:
            header = [name.strip() for name in next(reader, [])]
            timestamp_index = _column(path, header, timestamp_column)
            value_index = _column(path, header, value_column)
            for cells in reader:
                if cells:
                    place = f"{path}, line {reader.line_num}"
                    at_us, has_offset = _instant_us(place, _cell(cells, timestamp_index))
                    yield Row(reader.line_num, at_us, has_offset, _count(place, _cell(cells, value_index)))
        except (csv.Error, UnicodeDecodeError) as error:
            raise UsageError(
                f"{path}, after line {reader.line_num}: {error}; a series is comma-separated text in UTF-8"
            ) from error


def _column(path: str | PathLike[str], header: Sequence[str], name: str) -> int:
    if name not in header:
        raise UsageError(
            f"{path}, line 1: no column {name!r} among {', '.join(map(repr, header)) or 'no columns at all'}; name one"
        )
    return header.index(name)


def _cell(cells: Sequence[str], index: int) -> str:
    return cells[index].strip() if index < len(cells) else ""


def _instant_us(place: str, text: str) -> tuple[int, bool]:
    """Return the microseconds since the Unix epoch, and whether the text says how far from UTC it is."""
    if _WHOLE.fullmatch(text):
        number = int(text)
        return number * (1_000 if abs(number) >= _MILLISECONDS_FROM else 1_000_000), True
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{place}: {text!r} is no timestamp; write it like '2026-01-01T00:00:00Z' or '2026-01-01 00:00:00', "
            "or as whole seconds or milliseconds since 1970"
        ) from error
    has_offset = moment.tzinfo is not None
    aware = moment if has_offset else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1), has_offset


def _count(place: str, text: str) -> Fraction:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= COUNT_MAX:
        raise UsageError(
            f"{place}: {text!r} is no count; give 0 to {COUNT_MAX}, or leave the line out where none is known"
        )
    return Fraction(repr(number))


def _check_neighbours(path: str | PathLike[str], before: Row, row: Row) -> None:
    place = f"{path}, line {row.line}"
    if row.has_offset != before.has_offset:
        has, had = ("an offset from UTC", "none") if row.has_offset else ("no offset from UTC", "one")
        raise UsageError(
            f"{place}: this timestamp has {has}, the one of line {before.line} has {had}; write all of them alike"
        )
    if row.at_us == before.at_us:
        raise UsageError(f"{place}: the timestamp is that of line {before.line}; add up rows of one instant")
    if row.at_us < before.at_us:
        raise UsageError(f"{place}: the timestamp lies before that of line {before.line}; sort the rows by time")


def _common_difference_us(path: str | PathLike[str], rows: Sequence[Row]) -> int:
    differences = Counter(row.at_us - before.at_us for before, row in pairwise(rows))
    if not differences:
        raise UsageError(f"{path} has a single row, which does not say how long its interval is; give interval=")
    return min(differences, key=lambda difference_us: (-differences[difference_us], difference_us))
