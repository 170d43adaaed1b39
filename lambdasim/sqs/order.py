"""
What a store asks of an order that is more than one line: groups of a FIFO queue, or tenants and shards.

A plain standard queue has no such object; its order is part of the store, for speed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from lambdasim.sqs.message import Message


class Order(Protocol):
    """In which order the messages of a queue are received."""

    def arrive(self, message: Message) -> None:
        """Take in a message that has come to the queue, visible or delayed."""
        ...

    def ready(self, message: Message) -> None:
        """Line a message up that is visible: its delay is over, or it has landed."""
        ...

    def has_some(self) -> bool:
        """Return whether a receive would find anything. Runtime: `O(1)` amortised."""
        ...

    def pull(
        self,
        limit: int,
        is_exhausted: Callable[[Message], bool] | None,
        shards: tuple[int, ...] | None,
    ) -> tuple[list[Message], list[Message]]:
        """
        Take the next visible messages out of the order.

        Args:
            limit: How many at most.
            is_exhausted: Tells which ones a redrive policy moves away instead; they do not count.
            shards: Those that are seen; None: all.
        Returns:
            The messages to deliver, and those to move.
        """
        ...

    def put_back(self, messages: Sequence[Message]) -> None:
        """Put messages back that were pulled, and are not delivered after all."""
        ...

    def fly(self, messages: Sequence[Message]) -> None:
        """Take note that messages are in flight that were visible."""
        ...

    def land(self, message: Message) -> None:
        """Take note that a message is in flight no longer; `ready`, `fly` or `leave` comes next."""
        ...

    def leave(self, message: Message) -> None:
        """Forget a message that leaves the queue, from the state that it still has; one in flight has landed."""
        ...

    def first(self) -> Message | None:
        """Return the visible message that a move task takes next (SQS-463)."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...
