"""What a FIFO queue remembers: the messages that were sent not long ago, and the receives that may be repeated."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from lambdasim.sqs.limits import ATTEMPT_MEMORY_S
from lambdasim.sqs.message import FifoMessage, Flight, Message, State
from lambdasim.units import MICROSECONDS

_ATTEMPT_MEMORY_US: Final = ATTEMPT_MEMORY_S * MICROSECONDS

Key = str | tuple[str, str]  # the id; with its group, where that is the scope


class SentIds:
    """
    The deduplication ids of one queue, each for a while after its first send.

    Args:
        window_us: For how long (SQS-340).
        propagation_us: How long a change of scope takes (SQS-346).
        scope: `queue` or `messageGroup` (SQS-342).
    """

    __slots__ = ("_by_key", "_in_order", "_next_scope", "_next_scope_at_us", "_propagation_us", "_scope", "_window_us")

    def __init__(self, window_us: int, propagation_us: int, scope: str) -> None:
        self._window_us = window_us
        self._propagation_us = propagation_us
        self._scope = self._next_scope = scope
        self._next_scope_at_us = 0
        self._by_key: dict[Key, FifoMessage] = {}
        self._in_order: deque[tuple[int, Key]] = deque()

    def find(self, now_us: int, group_id: str, deduplication_id: str) -> FifoMessage | None:
        """Return the message that a send is a duplicate of, or None. Runtime: `O(1)` amortised."""
        self._settle(now_us)
        return self._by_key.get(self._key(group_id, deduplication_id))

    def remember(self, now_us: int, message: FifoMessage, deduplication_id: str) -> None:
        """Take note of a message that was accepted. Nothing is known of this id: `find` was asked."""
        key = self._key(str(message._group_id), deduplication_id)
        self._by_key[key] = message
        self._in_order.append((now_us, key))

    def change_scope(self, now_us: int, scope: str) -> None:
        """Let sends go by this scope after a while, with an empty memory; a change back before that has no effect."""
        self._settle(now_us)
        self._next_scope = scope
        self._next_scope_at_us = now_us + self._propagation_us

    def forget(self, last: int) -> None:
        """Forget the ids of messages with a place up to this one: a purge took them. Runtime: `O(n)`."""
        kept = {key: message for key, message in self._by_key.items() if message._sequence > last}
        self._in_order = deque(entry for entry in self._in_order if entry[1] in kept)
        self._by_key = kept

    def clear(self) -> None:
        """Forget everything (SQS-341)."""
        self._by_key.clear()
        self._in_order.clear()

    def _key(self, group_id: str, deduplication_id: str) -> Key:
        return deduplication_id if self._scope == "queue" else (group_id, deduplication_id)

    def _settle(self, now_us: int) -> None:
        if self._next_scope != self._scope and now_us >= self._next_scope_at_us:
            self._scope = self._next_scope
            self.clear()
        in_order, over_us = self._in_order, now_us - self._window_us
        while in_order and in_order[0][0] <= over_us:
            _, key = in_order.popleft()
            del self._by_key[key]


class Attempt:
    """A receive that may be repeated (SQS-360)."""

    __slots__ = ("counts", "first_us", "flight", "messages")

    def __init__(self, first_us: int, messages: Sequence[Message], flight: Flight | None) -> None:
        self.first_us = first_us  # when its id was used first
        self.messages = tuple(messages)
        self.counts = tuple(message.receive_count for message in messages)
        self.flight = flight

    @property
    def is_under_way(self) -> bool:
        """Whether everything that it answered is still in flight under that very delivery (SQS-361)."""
        return bool(self.messages) and all(
            message._flight is not None and message._flight is self.flight for message in self.messages
        )

    @property
    def is_over(self) -> bool:
        """Whether its messages merely timed out, or there were none (SQS-363)."""
        return all(
            message._state is State.VISIBLE
            and message.receive_count == count
            and isinstance(message, FifoMessage)
            and message._altered_delivery != count
            for message, count in zip(self.messages, self.counts, strict=True)
        )


class Attempts:
    """The receives of one queue that may be repeated, by the id that came with them."""

    __slots__ = ("_by_id", "_in_order")

    def __init__(self) -> None:
        self._by_id: dict[str, Attempt] = {}
        self._in_order: deque[tuple[int, str]] = deque()

    def get(self, now_us: int, attempt_id: str) -> Attempt | None:
        """Return the receive that came with this id, if it is not too long ago. Runtime: `O(1)` amortised."""
        in_order, over_us = self._in_order, now_us - _ATTEMPT_MEMORY_US
        while in_order and in_order[0][0] <= over_us:
            _, old_id = in_order.popleft()
            del self._by_id[old_id]
        return self._by_id.get(attempt_id)

    def put(self, now_us: int, attempt_id: str, messages: Sequence[Message], flight: Flight | None) -> None:
        """Remember an answer; the time counts from the first use of the id."""
        before = self.get(now_us, attempt_id)
        if before is None:
            self._in_order.append((now_us, attempt_id))
        first_us = now_us if before is None else before.first_us
        self._by_id[attempt_id] = Attempt(first_us, messages, flight)
