"""
Who waits for messages of a queue: open polls, and consumers such as event source mappings, in one line.

A consumer is one party, however many pollers it has; its place is that of its longest-waiting poller (ESM-083).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from lambdasim.clock import Signal, Timer

if TYPE_CHECKING:
    from lambdasim.sqs.message import Delivery


class Consumer(Protocol):
    """What a queue needs of an event source mapping."""

    waits: bool  #: whether a receive is open

    def waiting_since(self, *, at_wake: bool) -> tuple[int, int] | None:
        """
        Return when the receive began that has waited longest (instant, and number among those of it), or None.

        *at_wake*: asked in C2 of this instant, when receives that end at this very instant are still open.
        """
        ...

    def serve(self, *, at_wake: bool) -> bool:
        """Receive as often as there are messages and pollers that want them; return whether anything came."""
        ...

    def notice_backlog(self) -> None:
        """Take note that messages are left that nobody waits for."""
        ...

    def count_empty_receives(self) -> int:
        """Return how many receives have ended empty so far; they are computed, not simulated (ESM-082)."""
        ...

    def empty_receives_by_minute(self) -> dict[int, int]:
        """Return the same by the minute in which each ended."""
        ...


class Poll:
    """One open long poll (SQS-207)."""

    __slots__ = ("_serve", "answer", "end", "limit", "names", "since", "visibility_us")

    def __init__(
        self,
        since: tuple[int, int],
        limit: int,
        visibility_us: int,
        names: tuple[str, ...],
        serve: Callable[[Poll], bool],
        end: Timer,
    ) -> None:
        self._serve = serve
        self.since = since  # the instant at which it began, and its number among the receives of that instant
        self.limit = limit
        self.visibility_us = visibility_us
        self.names = names
        self.end = end
        self.answer: Signal[list[Delivery]] = Signal()

    def serve(self) -> bool:
        """Answer the poll, if there is anything to receive; return whether there was."""
        return self._serve(self)


class Line:
    """The parties that wait at one queue, longest first (SQS-209)."""

    __slots__ = ("consumers", "polls")

    def __init__(self) -> None:
        self.polls: list[Poll] = []  # in order of their starts
        self.consumers: list[Consumer] = []  # in order of creation

    @property
    def is_watched(self) -> bool:
        """Whether somebody would notice a message that comes back."""
        return bool(self.polls or self.consumers)

    def serve_first(self, *, at_wake: bool) -> bool:
        """Let the party that has waited longest receive; return whether anything came of it."""
        best: Consumer | None = None
        best_since: tuple[int, int] | None = None
        for consumer in self.consumers:
            if not consumer.waits:
                continue
            since = consumer.waiting_since(at_wake=at_wake)
            if since is not None and (best_since is None or since < best_since):
                best, best_since = consumer, since
        if self.polls and (best_since is None or self.polls[0].since < best_since):
            return self.polls[0].serve()
        return best is not None and best.serve(at_wake=at_wake)
