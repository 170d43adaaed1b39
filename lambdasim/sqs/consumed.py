"""What event source mappings do to a queue: they receive and delete without handles, and hold what they received."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from lambdasim.clock import Priority
from lambdasim.sqs.limits import BATCH_MAX
from lambdasim.sqs.line import Consumer
from lambdasim.sqs.message import Flight, Message, State
from lambdasim.sqs.records import DELETED, KEPT
from lambdasim.sqs.store import Store
from lambdasim.units import MICROSECONDS

_DELETED: Final = State.DELETED
_VISIBLE: Final = State.VISIBLE

_ASK_AGAIN_US: Final = MICROSECONDS  # after an answer was lost


class Consumed(Store):
    """The part of `Queue` that mappings use; each call here counts as the API calls that it stands for."""

    def attach(self, consumer: Consumer) -> None:
        """Put a consumer in line."""
        self._line.attach(consumer)
        self._retime()

    def detach(self, consumer: Consumer) -> None:
        """Take a consumer out of the line. What it counted stays counted."""
        if consumer in self._line.consumers:  # it is not after the end of the queue
            self._line.detach(consumer)
            self._retime()

    def take(self, limit: int) -> Flight | None:
        """
        Receive up to *limit* messages for a consumer, which holds them: one API call if it returns something.

        Returns:
            The flight, or None if there was nothing to receive; the call then stays open, and is not counted yet.
        """
        while True:
            flight = self._select(limit, self._visibility_us, held=True)
            if flight is None:
                return None
            self.requests += 1
            is_small = self.largest_body_bytes * limit <= self._chunk_bytes  # whatever was received
            self.billed_requests += 1 if is_small else self._chunks(flight.messages)
            if self._luck is None or not self._luck.loses_receive_response(flight.messages, is_call=False):
                if flight.live < len(flight.messages):
                    self._offer_again()
                return flight
            self.let_go((flight,))  # in flight, and nobody has them (SQS-439); the consumer asks again
            if not flight.live:  # they are there again at once; so that time goes on, it asks a little later
                self.clock.timer(self.clock.now_us + _ASK_AGAIN_US, self._on_wake, priority=Priority.WAKE.value)
                return None

    def delete_flight(self, flight: Flight) -> int:
        """Delete all messages of a flight none of which has left it: what `delete_batch` does, at once."""
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        messages = flight.messages
        count = len(messages)
        if self._trace.active or self._order is not None or self._luck is not None:
            return self.delete_batch(messages, [message.receive_count for message in messages])
        calls = -(-count // BATCH_MAX)
        self.requests += calls
        self.billed_requests += calls
        self._delete_successes += count
        by_handle = self._by_handle
        for message in messages:
            message._state = _DELETED
            message._flight = None
            if by_handle:
                by_handle.pop(message._sequence, None)
        flight.live = 0
        was_full = self.in_flight >= self._inflight_limit
        self.in_flight -= count
        self.deleted += count
        if self._on_deleted:
            for message in messages:
                self._tell_deleted(message)
        self._ages.trim(self.visible + self.in_flight + self.delayed)
        if was_full and self.visible:
            self._wake()  # there is room again (SQS-208)
        return count

    def delete_batch(self, messages: Sequence[Message], receive_counts: Sequence[int]) -> int:
        """
        Delete messages by the deliveries with these numbers, in calls of at most ten entries (ESM-131).

        Returns:
            How many entries were accepted: those with an old number succeed without effect, as those with an old handle
            do (SQS-274); on a FIFO queue an expired one fails (SQS-188).
        """
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        calls = -(-len(messages) // BATCH_MAX)
        self.requests += calls
        self.billed_requests += calls
        if self._order is not None or self._luck is not None:
            with self._holding_wakes():
                return sum(self._delete(*pair) for pair in zip(messages, receive_counts, strict=True))
        self._delete_all(messages, receive_counts)
        return len(messages)

    def _delete_all(self, messages: Sequence[Message], receive_counts: Sequence[int]) -> None:
        """Do for a queue without an order and without luck what `_delete` does, one message after the other."""
        now_us = self.clock.now_us
        self._delete_successes += len(messages)
        deletes_stale = self.config.stale_delete == "delete"
        flown: list[Message] = []
        for message, count in zip(messages, receive_counts, strict=True):
            if message.receive_count != count and not deletes_stale:
                if self._trace.active and (message._flight is not None or message._state is _VISIBLE):
                    self._trace.add((now_us, KEPT, self, message))
                continue
            flight = message._flight
            if flight is None:
                self._discard(message)
                continue
            message._state = _DELETED
            message._flight = None
            flight.live -= 1
            if not flight.live and not flight.held:
                self._loose_flights -= 1
            flown.append(message)
        self.in_flight -= len(flown)
        self.deleted += len(flown)
        if self._by_handle:
            for message in flown:
                self._by_handle.pop(message._sequence, None)
        if self._trace.active or self._on_deleted:
            for message in flown:
                if self._trace.active:
                    self._trace.add((now_us, DELETED, self, message))
                self._tell_deleted(message)
        self._ages.trim(self.visible + self.in_flight + self.delayed)
        self._relax()
        if self.visible and self.in_flight + len(flown) >= self._inflight_limit:
            self._wake()  # there is room again (SQS-208)

    def let_go(self, flights: Iterable[Flight]) -> None:
        """Take note that the consumer no longer holds these flights: what is left of them comes back by itself."""
        for flight in flights:
            if flight.held:
                flight.held = False
                if flight.live:
                    self._loose_flights += 1
        self._retime()
