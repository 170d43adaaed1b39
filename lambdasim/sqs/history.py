"""What the counts of a queue were some time ago, for answers that lag behind (SQS-600)."""

from __future__ import annotations

from collections import deque

Counts = tuple[int, int, int]  # visible, in flight, delayed


class History:
    """
    The counts of one queue, as far back as anybody may ask.

    Args:
        lag_us: How far.
    """

    __slots__ = ("_lag_us", "_past")

    def __init__(self, lag_us: int) -> None:
        self._lag_us = lag_us
        self._past: deque[tuple[int, Counts]] = deque()  # until when (exclusive), what they were

    def note(self, now_us: int, counts: Counts) -> None:
        """Take the counts down that held until now; to be called before anything changes at an instant."""
        past = self._past
        past.append((now_us, counts))
        while past[0][0] <= now_us - self._lag_us:
            past.popleft()

    def then(self, now_us: int, counts: Counts) -> Counts:
        """Return the counts of the instant that lies so far back, given those of now. Runtime: `O(1)` amortised."""
        past, at_us = self._past, now_us - self._lag_us
        while past and past[0][0] <= at_us:
            past.popleft()  # time only goes on: nobody will ask for what was before
        return past[0][1] if past else counts
