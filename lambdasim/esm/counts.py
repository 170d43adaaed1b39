"""What a mapping counts, and what of it is published (ESM-280, ESM-283)."""

from __future__ import annotations

from typing import Final

from lambdasim.clock.meters import Ledger, Spells

_NONE: Final = (0, 0, 0, 0, 0, 0)


class Counts:
    """
    The counters of one mapping, which only grow, but for `held`.

    The counts of events are metrics while the mapping is told to publish them; in between they stand still.
    """

    __slots__ = (
        "_before",
        "_since",
        "attempts",
        "delete_calls",
        "deleted",
        "dropped",
        "duplicates",
        "failed",
        "filtered",
        "filtering",
        "held",
        "invoked",
        "ledger",
        "polled",
        "published",
    )

    def __init__(self, now_us: int) -> None:
        self.polled = self.filtered = self.invoked = self.failed = self.deleted = 0
        self.attempts = 0  #: invokes tried, throttled ones too
        self.held = 0  #: records in batches, leftovers included
        self.delete_calls = 0  #: of what was invoked, for batches
        self.dropped = 0  #: records of batches given up
        self.duplicates = 0  #: messages that reached the function more than once
        self.published = Spells()  #: when the counts of events were metrics
        self.filtering = Spells()  #: when there were filters
        self._before: tuple[int, ...] = _NONE  # published in the stretches that are over
        self._since: tuple[int, ...] = _NONE  # the counters when the current one began
        self.ledger = Ledger(now_us, self._published)

    def publish(self, now_us: int, *, on: bool) -> None:
        """Let the counts of events be metrics from now on, or no longer."""
        if on is self.published.is_on:
            return
        self.ledger.turn(now_us)
        if on:
            self._since = self._counters()
        else:
            self._before = self._published()
        self.published.turn(now_us, on=on)

    def published_in(self, minute: int, *, filtered: bool = False) -> bool:
        """Return whether counts were published in a minute; *filtered*: those of filters, so that there were some."""
        return self.published.touches(minute) and (not filtered or self.filtering.touches(minute))

    def _counters(self) -> tuple[int, ...]:
        return self.polled, self.invoked, self.failed, self.deleted, self.filtered, self.delete_calls

    def _published(self) -> tuple[int, ...]:
        if not self.published.is_on:
            return self._before
        rows = zip(self._before, self._counters(), self._since, strict=True)
        return tuple(before + count - since for before, count, since in rows)
