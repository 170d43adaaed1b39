"""
How long messages took from send to delete: exact percentiles of many millions of values in little room.

Values are counted: equal ones, of which constant durations make many, share one entry of a dict. When there are too
many different ones for that, the counts move to arrays of sixteen bytes a value, where only the percentiles look at
them again.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from math import ceil
from typing import Final, Protocol

from lambdasim.clock import Clock

_DISTINCT_MAX: Final = 1 << 18  # entries of a dict, about 100 bytes each
_BUCKET_BITS: Final = 10  # a bucket is about a millisecond wide


class Sent(Protocol):
    """What is looked at of a message."""

    @property
    def sent_at_us(self) -> int:
        """When it was sent."""
        ...


class Latencies:
    """Spans of time, counted. Iterates pairs (microseconds, how often), in no order, with repetitions."""

    def __init__(self, *, distinct_max: int = _DISTINCT_MAX) -> None:
        self._distinct_max = distinct_max
        self._counts: dict[int, int] = {}
        self._spans_us = array("q")
        self._times = array("q")

    def recorder(self, clock: Clock) -> Callable[[Sent], None]:
        """Return what takes down the time since a message was sent: for `Queue.on_deleted`."""
        counts, distinct_max, spill = self._counts, self._distinct_max, self._spill

        def record(message: Sent) -> None:
            span_us = clock.now_us - message.sent_at_us
            times = counts.get(span_us)
            if times is not None:
                counts[span_us] = times + 1
                return
            counts[span_us] = 1
            if len(counts) > distinct_max:
                spill()

        return record

    def _spill(self) -> None:
        self._spans_us.extend(self._counts)
        self._times.extend(self._counts.values())
        self._counts.clear()

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield (microseconds, how often)."""
        return chain(zip(self._spans_us, self._times, strict=True), self._counts.items())


def percentiles_us(parts: Sequence[Iterable[tuple[int, int]]], shares: Sequence[int]) -> list[int] | None:
    """
    Return percentiles by nearest rank: of n values, p percent is value number ceil(n p / 100) in order of size.

    Args:
        parts: Values and how often each came; read twice.
        shares: Percents, 0 to 100.
    Returns:
        A value for each share; None when there are no values.

    Runtime: `O(n)`, and `O(k log k)` for the k values in the buckets of the percentiles.

    >>> percentiles_us([[(5, 1), (7, 2), (9, 1)]], [50, 99])
    [7, 9]
    """
    buckets: dict[int, int] = {}
    for span_us, times in chain.from_iterable(parts):
        bucket = span_us >> _BUCKET_BITS
        buckets[bucket] = buckets.get(bucket, 0) + times
    total = sum(buckets.values())
    if not total:
        return None
    ranks = [max(1, ceil(total * share / 100)) for share in shares]
    below, places = 0, []  # for each rank the bucket it lies in, and how many values lie below that bucket
    waiting = sorted(range(len(ranks)), key=ranks.__getitem__)
    found_in = [(0, 0)] * len(ranks)
    for bucket in sorted(buckets):
        while waiting and ranks[waiting[0]] <= below + buckets[bucket]:
            found_in[waiting.pop(0)] = bucket, below
            places.append(bucket)
        below += buckets[bucket]
    wanted: dict[int, list[tuple[int, int]]] = {bucket: [] for bucket in places}
    for span_us, times in chain.from_iterable(parts):
        rows = wanted.get(span_us >> _BUCKET_BITS)
        if rows is not None:
            rows.append((span_us, times))
    for rows in wanted.values():
        rows.sort()
    return [_at_rank(wanted[bucket], rank - before) for rank, (bucket, before) in zip(ranks, found_in, strict=True)]


def _at_rank(rows: Sequence[tuple[int, int]], rank: int) -> int:
    """Return the value of a rank, 1 or more, among sorted values and how often each comes."""
    reached = list(accumulate(times for _, times in rows))
    return rows[bisect_left(reached, rank)][0]
