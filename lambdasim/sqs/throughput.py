"""How many calls a second a FIFO queue takes, where that is enforced (SQS-414)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lambdasim.sqs.limits import FIFO_CALLS_PER_SECOND
from lambdasim.units import MICROSECONDS

_FULL: Final = FIFO_CALLS_PER_SECOND * MICROSECONDS  # millionths of a call; a microsecond brings 300 of them
_SWEEP_MIN: Final = 1_024


class Throughput:
    """
    One bucket of tokens for each action, of the queue or of a group: 300 calls a second, and as many at once.

    Whole numbers only: a token is counted in millionths.
    """

    __slots__ = ("_buckets", "_sweep_at")

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str | None], tuple[int, int]] = {}  # tokens, when
        self._sweep_at = _SWEEP_MIN

    def admits(self, now_us: int, action: str, groups: Sequence[str | None]) -> bool:
        """Take one token for each of the groups (None: the queue's own); take none if one of them has none."""
        keys = [(action, group) for group in dict.fromkeys(groups)]
        levels = [self._level(now_us, key) for key in keys]
        if min(levels, default=MICROSECONDS) < MICROSECONDS:
            return False
        for key, level in zip(keys, levels, strict=True):
            self._buckets[key] = (level - MICROSECONDS, now_us)
        if len(self._buckets) > self._sweep_at:
            self._buckets = {key: kept for key, kept in self._buckets.items() if self._level(now_us, key) < _FULL}
            self._sweep_at = _SWEEP_MIN + 2 * len(self._buckets)
        return True

    def _level(self, now_us: int, key: tuple[str, str | None]) -> int:
        tokens, at_us = self._buckets.get(key, (_FULL, now_us))
        return min(_FULL, tokens + (now_us - at_us) * FIFO_CALLS_PER_SECOND)
