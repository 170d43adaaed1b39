"""
Who waits for messages of a queue: open polls, and consumers such as event source mappings, in one line.

A consumer is one party, however many pollers it has; its place is that of its longest-waiting poller (ESM-083).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from lambdasim.clock import Signal, Timer
from lambdasim.units import MICROSECONDS

if TYPE_CHECKING:
    from lambdasim.sqs.faults import Luck
    from lambdasim.sqs.results import Delivery


class Party(Protocol):
    """Whoever waits in line."""

    def serve(self, *, at_wake: bool) -> bool:
        """Receive while there are messages and somebody wants them; return whether anybody did, or left the line."""
        ...


class Consumer(Party, Protocol):
    """What a queue needs of an event source mapping."""

    waits: bool  #: whether a receive is open

    def waiting_since(self, *, at_wake: bool) -> tuple[int, int] | None:
        """
        Return when the receive began that has waited longest (instant, and number among those of it), or None.

        *at_wake*: asked in C2 of this instant, when receives that end at this very instant are still open.
        """
        ...

    def notice_backlog(self) -> None:
        """Take note that messages are left that nobody waits for."""
        ...

    def queue_is_gone(self) -> None:
        """Take note that the queue is deleted: receives fail."""
        ...

    def count_empty_receives(self) -> int:
        """Return how many receives have ended empty so far; they are computed, not simulated (ESM-082)."""
        ...

    def empty_receives_by_minute(self) -> dict[int, int]:
        """Return the same by the minute in which each ended."""
        ...


class Ask:
    """What a receive asks for, once it is checked."""

    __slots__ = ("attempt_id", "attribute_names", "limit", "names", "visibility_timeout", "wait_s")

    def __init__(
        self,
        limit: int,
        visibility_timeout: int | None,
        wait_s: int,
        names: tuple[str, ...],
        attribute_names: tuple[str, ...],
        attempt_id: str | None,
    ) -> None:
        self.limit = limit
        self.visibility_timeout = visibility_timeout  # seconds; None: the queue's
        self.wait_s = wait_s
        self.names = names
        self.attribute_names = attribute_names
        self.attempt_id = attempt_id


class Poll:
    """One open long poll (SQS-207)."""

    __slots__ = ("_serve", "answer", "ask", "end", "has_chance", "is_deaf", "since")

    def __init__(self, since: tuple[int, int], ask: Ask, serve: Callable[[Poll], bool], end: Timer) -> None:
        self._serve = serve
        self.since = since  # the instant at which it began, and its number among the receives of that instant
        self.ask = ask
        self.end = end
        self.has_chance = True  # nobody was asked yet whether it misses what comes in its last second (SQS-216)
        self.is_deaf = False  # it does
        self.answer: Signal[list[Delivery]] = Signal()

    def serve(self, *, at_wake: bool) -> bool:
        """Answer the poll, if there is anything to receive; return whether there was."""
        del at_wake
        return self._serve(self)

    def listens(self, luck: Luck | None, now_us: int) -> bool:
        """Return whether it takes what is there now; asked in its last second, it may miss it."""
        if luck is not None and self.has_chance and now_us >= self.end.at_us - MICROSECONDS:
            self.has_chance = False
            self.is_deaf = luck.misses_last_second()
        return not self.is_deaf


class Line:
    """The parties that wait at one queue, longest first (SQS-209)."""

    __slots__ = ("alone", "consumers", "former", "polls")

    def __init__(self) -> None:
        self.polls: OrderedDict[tuple[int, int], Poll] = OrderedDict()  # by their starts, in this order
        self.consumers: list[Consumer] = []  # in order of creation
        self.former: list[Consumer] = []  # those that left, for what they counted
        self.alone: Consumer | None = None  #: the only party in line, where that is a consumer: the usual case

    @property
    def is_watched(self) -> bool:
        """Whether somebody would notice a message that comes back."""
        return bool(self.polls or self.consumers)

    def attach(self, consumer: Consumer) -> None:
        """Put a consumer in line, or back there."""
        if consumer in self.former:
            self.former.remove(consumer)
        self.consumers.append(consumer)
        self._look_who_is_alone()

    def detach(self, consumer: Consumer) -> None:
        """Take a consumer out; what it counted stays counted."""
        self.consumers.remove(consumer)
        self.former.append(consumer)
        self._look_who_is_alone()

    def forget_consumers(self) -> None:
        """Take all consumers out, with what they counted."""
        self.former.clear()
        self.consumers.clear()
        self._look_who_is_alone()

    def add(self, poll: Poll) -> None:
        """Put a poll that has just begun at the end of the line."""
        self.polls[poll.since] = poll
        self.alone = None

    def remove(self, poll: Poll) -> None:
        """Take a poll out. Runtime: `O(1)`."""
        del self.polls[poll.since]
        self._look_who_is_alone()

    def take_polls(self) -> list[Poll]:
        """Take all polls out, and return them."""
        found = list(self.polls.values())
        self.polls.clear()
        self._look_who_is_alone()
        return found

    def _look_who_is_alone(self) -> None:
        self.alone = self.consumers[0] if len(self.consumers) == 1 and not self.polls else None

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
        if self.polls:
            since, poll = next(iter(self.polls.items()))
            if best_since is None or since < best_since:
                return poll.serve(at_wake=at_wake)
        return best is not None and best.serve(at_wake=at_wake)

    def serve_any(self, luck: Luck, now_us: int, *, at_wake: bool) -> bool:
        """Let one of the parties that wait receive, whichever luck names; return whether anything came of it."""
        parties: list[tuple[tuple[int, int], Party]] = []
        for consumer in self.consumers:
            since = consumer.waiting_since(at_wake=at_wake) if consumer.waits else None
            if since is not None:
                parties.append((since, consumer))
        parties += [(poll.since, poll) for poll in self.polls.values() if poll.listens(luck, now_us)]
        parties.sort(key=lambda party: party[0])
        return bool(parties) and parties[luck.next_party([p for _, p in parties])][1].serve(at_wake=at_wake)
