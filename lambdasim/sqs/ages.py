"""
The messages of a queue by age: which is the oldest, and which retention has reached.

Messages enter in order of age and leave in any order; those that have left stay in the deque until they come to its
front, or until they are more than those that remain. Two kinds live in a heap instead: messages that a redrive policy
moved here (on a standard queue their retention counts from the original send, SQS-434), and messages received so often
that the age metric leaves them out (SQS-601), which would otherwise block the front.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from lambdasim.sqs.message import Message, State

_PRESENT: Final = (State.DELAYED, State.VISIBLE, State.IN_FLIGHT)
_DELETED: Final = State.DELETED


class Ages:
    """
    The messages of one queue by age.

    Args:
        left_out_after: Deliveries from which on the age metric leaves a message out; None: never.
        keeps_moved_longer: Whether the retention of a message that was moved here counts from the move: on FIFO queues
            it does (SQS-434).
    """

    __slots__ = ("_by_age", "_by_send", "_keeps_moved_longer", "_left_out_after")

    def __init__(self, left_out_after: int | None, *, keeps_moved_longer: bool) -> None:
        self._by_age: deque[Message] = deque()
        self._by_send: list[tuple[int, int, Message]] = []
        self._keeps_moved_longer = keeps_moved_longer
        self._left_out_after = left_out_after

    def add(self, message: Message) -> None:
        """Take in a message that has just entered the queue. Runtime: `O(1)`, `O(log n)` for one that was moved."""
        self._by_age.append(message)
        if message._arrival is not None and not self._keeps_moved_longer:
            heappush(self._by_send, (message.sent_at_us, message._sequence, message))

    def add_again(self, message: Message) -> None:
        """Take in a message that has been here before, at the place that it had. Runtime: `O(n)`."""
        place = len(self._by_age)
        while place and self._by_age[place - 1]._sequence > message._sequence:
            place -= 1
        self._by_age.insert(place, message)
        if message._arrival is not None:
            heappush(self._by_send, (message.sent_at_us, message._sequence, message))

    def trim(self, present: int) -> None:
        """Drop what has left, given how many messages are in the queue. Runtime: `O(1)` amortised."""
        by_age = self._by_age
        while by_age and ((state := by_age[0]._state) is _DELETED or state not in _PRESENT):
            by_age.popleft()
        if len(by_age) > 2 * present + 64:
            remaining = [message for message in by_age if message._state in _PRESENT]
            by_age.clear()
            by_age.extend(remaining)
        if len(self._by_send) > 2 * present + 64:
            self._by_send = [entry for entry in self._by_send if entry[2]._state in _PRESENT]
            heapify(self._by_send)

    def oldest(self) -> Message | None:
        """Return the oldest message that the age metric counts. Runtime: `O(1)` amortised."""
        by_age, limit = self._by_age, self._left_out_after
        while by_age:
            message = by_age[0]
            if message._state in _PRESENT:
                if limit is None or message.queue_receive_count < limit:
                    return message
                if message._arrival is None:
                    heappush(self._by_send, (message.sent_at_us, message._sequence, message))
            by_age.popleft()
        return None

    def kept_since_us(self, message: Message) -> int:
        """Return the instant from which the retention of a message counts (SQS-400, SQS-434)."""
        return message.entered_at_us if self._keeps_moved_longer else message.sent_at_us

    def first_kept_since_us(self) -> int | None:
        """Return that instant of the message that retention reaches first. Runtime: `O(1)` amortised."""
        by_age, by_send = self._by_age, self._by_send
        while by_age and by_age[0]._state not in _PRESENT:
            by_age.popleft()
        while by_send and by_send[0][2]._state not in _PRESENT:
            heappop(by_send)
        # A moved message at the front of the deque is in the heap too, so the earlier of the two is right.
        if by_age and by_send:
            return min(self.kept_since_us(by_age[0]), by_send[0][0])
        if by_age:
            return self.kept_since_us(by_age[0])
        return by_send[0][0] if by_send else None

    def pop_kept_by(self, instant_us: int) -> Iterator[Message]:
        """
        Yield the messages whose retention counts from *instant_us* or before, each once.

        The caller lets each go before it takes the next.
        """
        by_age, by_send = self._by_age, self._by_send
        while by_send and by_send[0][0] <= instant_us:
            message = heappop(by_send)[2]
            if message._state in _PRESENT:
                yield message
        while by_age and (self.kept_since_us(by_age[0]) <= instant_us or by_age[0]._state not in _PRESENT):
            message = by_age.popleft()
            if message._state in _PRESENT:
                yield message

    def messages(self) -> list[Message]:
        """Return the messages that are in the queue, each once, in order of arrival. Runtime: `O(n log n)`."""
        present = {message._sequence: message for message in self._by_age if message._state in _PRESENT}
        present.update((place, message) for _, place, message in self._by_send if message._state in _PRESENT)
        return [present[place] for place in sorted(present)]

    def clear(self) -> None:
        """Forget everything."""
        self._by_age.clear()
        self._by_send.clear()
