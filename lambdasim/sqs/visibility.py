"""
What comes back by itself: delayed messages and flights, by the instant at which they end.

Deadlines mostly come in order (one timeout, time moving on), so flights live in a deque, and only those that are out of
order in a heap. Nothing is searched for: a message that leaves its flight is counted out of it, and a flight without
messages is dropped when it comes to the front, or when such flights are more than the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from lambdasim.sqs.message import Flight, Message, State

_SWEEP_MIN: Final = 256


class Deadlines:
    """The ends of delays and visibility timeouts of one queue."""

    __slots__ = ("_delayed", "_in_order", "_number", "_others", "_sweep_at")

    def __init__(self) -> None:
        self._in_order: deque[Flight] = deque()
        self._others: list[tuple[int, int, Flight]] = []
        self._delayed: list[tuple[int, int, Message]] = []
        self._number = 0
        self._sweep_at = _SWEEP_MIN  # flights kept, dead ones too, at which the dead are swept out

    def add_flight(self, flight: Flight) -> None:
        """Take a flight in. Runtime: `O(1)` when its deadline is the latest, else `O(log n)`."""
        in_order = self._in_order
        while in_order and not in_order[0].live:
            in_order.popleft()
        if not in_order or flight.deadline_us >= in_order[-1].deadline_us:
            in_order.append(flight)
        else:
            self._number += 1
            heappush(self._others, (flight.deadline_us, self._number, flight))
        if len(in_order) + len(self._others) > self._sweep_at:
            self._sweep()

    def _sweep(self) -> None:
        """Drop dead flights wherever they are: one long flight at the front must not keep all that came after it."""
        living = [flight for flight in self._in_order if flight.live]
        self._in_order.clear()
        self._in_order.extend(living)
        self._others = [entry for entry in self._others if entry[2].live]
        heapify(self._others)
        self._sweep_at = _SWEEP_MIN + 2 * (len(living) + len(self._others))

    def add_delayed(self, message: Message, available_at_us: int) -> None:
        """Take a delayed message in. Runtime: `O(log n)`."""
        heappush(self._delayed, (available_at_us, message._sequence, message))

    def delay_anew(self, delay_us: int) -> None:
        """Let every delayed message be so until this long after its send. Runtime: `O(n)`."""
        self._delayed = [
            (message.sent_at_us + delay_us, place, message)
            for _, place, message in self._delayed
            if message._state is State.DELAYED
        ]
        heapify(self._delayed)

    def earliest_us(self) -> int | None:
        """Return the first instant at which something ends. Runtime: `O(1)` amortised."""
        in_order, others, delayed = self._in_order, self._others, self._delayed
        while in_order and not in_order[0].live:
            in_order.popleft()
        while others and not others[0][2].live:
            heappop(others)
        while delayed and delayed[0][2]._state is not State.DELAYED:
            heappop(delayed)
        ends = [in_order[0].deadline_us] if in_order else []
        if others:
            ends.append(others[0][0])
        if delayed:
            ends.append(delayed[0][0])
        return min(ends, default=None)

    def pop_delayed(self, now_us: int) -> Iterator[Message]:
        """Take out and yield the messages whose delay is over."""
        delayed = self._delayed
        while delayed and delayed[0][0] <= now_us:
            message = heappop(delayed)[2]
            if message._state is State.DELAYED:
                yield message

    def pop_flights(self, now_us: int) -> Iterator[Flight]:
        """Take out and yield the flights whose visibility timeout is over."""
        in_order, others = self._in_order, self._others
        while in_order and in_order[0].deadline_us <= now_us:
            flight = in_order.popleft()
            if flight.live:
                yield flight
        while others and others[0][0] <= now_us:
            flight = heappop(others)[2]
            if flight.live:
                yield flight

    def flights(self) -> Iterator[Flight]:
        """Yield the flights that are still under way, in no particular order."""
        yield from (flight for flight in self._in_order if flight.live)
        yield from (flight for _, _, flight in self._others if flight.live)
