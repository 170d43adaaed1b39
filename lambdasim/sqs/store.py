"""
The messages of one queue: where each is, what takes it, and what happens to it by itself.

**Who is where.** A message that was never received waits in a deque, in order of arrival; one that came back (or was
delayed) in a heap by rank. A receive takes from the two in order of rank (SQS-300). What is in flight or delayed hangs
on `Deadlines`; `Ages` knows what is oldest.

**Time.** One timer stands for the earliest end of a delay or a visibility timeout, another, in the background, for
retention. The first is in the foreground only while somebody waits for what comes back, and nobody else has events to
come for it: a flight that a mapping holds keeps the simulation going by its invocation.

**Waking.** Whatever makes a message visible ends with `_wake`: the parties in line receive before the call returns
(SQS-004). Ends of delays and timeouts are C1 events, so their wake-ups are events of C2.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, Literal

from lambdasim.clock import Clock, Kind, Priority, Timer
from lambdasim.clock.meters import Ledger, Samples
from lambdasim.sqs.ages import Ages
from lambdasim.sqs.limits import BATCH_MAX, REQUEST_CHUNK_BYTES, SqsConfig
from lambdasim.sqs.line import Consumer, Line
from lambdasim.sqs.message import Arrival, Flight, Message, State
from lambdasim.sqs.visibility import Deadlines
from lambdasim.units import MICROSECONDS

if TYPE_CHECKING:
    from lambdasim.sqs.redrive import Redrive

_UTF8_MAX: Final = 4  # bytes that a character takes at most
_DELAYED: Final = State.DELAYED
_VISIBLE: Final = State.VISIBLE
_IN_FLIGHT: Final = State.IN_FLIGHT
_DELETED: Final = State.DELETED

SENT: Final = Kind("message sent", lambda queue, message: (queue.name, {"message_id": message.message_id}))
DELIVERED: Final = Kind(
    "message delivered",
    lambda queue, message, count: (queue.name, {"message_id": message.message_id, "receive_count": count}),
)
AVAILABLE: Final = Kind("message available", lambda queue, message: (queue.name, {"message_id": message.message_id}))
RETURNED: Final = Kind("message returned", lambda queue, message: (queue.name, {"message_id": message.message_id}))
DELETED: Final = Kind("message deleted", lambda queue, message: (queue.name, {"message_id": message.message_id}))
EXPIRED: Final = Kind("message expired", lambda queue, message: (queue.name, {"message_id": message.message_id}))
MOVED: Final = Kind(
    "message moved",
    lambda queue, message, target: (queue.name, {"message_id": message.message_id, "to": target.name}),
)


class Store:
    """What a queue is made of; `Queue` puts the operations of AWS on top."""

    def __init__(
        self,
        name: str,
        arn: str,
        clock: Clock,
        config: SqsConfig,
        *,
        visibility_timeout: int,
        message_retention_period: int,
    ) -> None:
        self.name = name
        self.arn = arn
        self.clock = clock
        self.config = config
        self.visibility_timeout = visibility_timeout
        self.message_retention_period = message_retention_period
        self._redrive: Redrive | None = None
        self._series = clock.identifiers.series("message", arn)
        self._trace = clock.trace

        self._fresh: deque[Message] = deque()  # visible, never received, in order of rank
        self._returned: list[tuple[int, int, Message]] = []  # visible, others, by rank and place
        self._deadlines = Deadlines()
        self._ages = Ages(config.requeue_to_back_after)
        self._by_handle: dict[int, Message] = {}  # messages of which somebody has seen a handle
        self._line = Line()
        self._is_waking = False

        self.visible = 0
        self.in_flight = 0
        self.delayed = 0
        self._exhausted = 0  # visible messages that the next receive moves to the dead-letter queue
        self._loose_flights = 0  # flights under way that nobody holds
        self.sent = self.received = self.deleted = self.expired = self.moved = self.arrived = 0
        self._delete_successes = 0  # NumberOfMessagesDeleted also counts deletes that found nothing (SQS-601)
        self.empty_receives = 0
        self.requests = self.billed_requests = 0
        self.largest_body_chars = 0  #: longest body ever sent; bounds what a receive can return
        self._sent_sizes = Samples()
        self._size_run = self._size_times = self._size_at_us = 0  # equal sizes in a row, since when: not yet in there
        self.ledger = Ledger(clock.now_us, self._counters, self._gauges)
        self._on_deleted: list[Callable[[Message], object]] = []

        self._timer: Timer | None = None  # the earliest end of a delay or a visibility timeout
        self._expiry: Timer | None = None

    # ---- looking

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is in the queue, in order of arrival, without receiving it. Runtime: `O(n log n)`."""
        found = list(self._fresh)
        found += [message for _, _, message in self._returned]
        found += [message for _, _, message in self._deadlines._delayed]
        found += [message for flight in self._deadlines.flights() for message in flight.messages]
        present = {
            message._sequence: message for message in found if message._state in (_DELAYED, _VISIBLE, _IN_FLIGHT)
        }
        return tuple(present[sequence] for sequence in sorted(present))

    @property
    def receivable(self) -> int:
        """Messages that a receive would return now (ESM-003): visible, not used up, and not kept back by the limit."""
        return 0 if self.in_flight >= self.config.inflight_limit_standard else self.visible - self._exhausted

    def on_deleted(self, callback: Callable[[Message], object]) -> None:
        """
        Call `callback(message)` for each message that a delete removes, at that instant.

        What it raises leaves the run once the delete is complete; after a call from outside, the next run.
        """
        self._on_deleted.append(callback)

    def check_invariants(self) -> None:
        """
        Assert that no message is lost and every count is right. Runtime: `O(n log n)`.

        Raises:
            AssertionError: With what is wrong: a bug of lambdasim.
        """
        messages = self.messages
        for state, counted in ((_VISIBLE, self.visible), (_IN_FLIGHT, self.in_flight), (_DELAYED, self.delayed)):
            there = sum(message._state is state for message in messages)
            assert there == counted, f"{self.name}: {counted} {state.value} by count, {there} by looking"
        gone = self.deleted + self.expired + self.moved
        came = self.sent + self.arrived
        assert came == len(messages) + gone, f"{self.name}: {came} came, {gone} went, {len(messages)} are there"
        now_us = self.clock.now_us
        flights = list(self._deadlines.flights())
        for flight in flights:
            live = sum(message._flight is flight for message in flight.messages)
            assert live == flight.live, f"{self.name}: a flight counts {flight.live} messages and has {live}"
            assert flight.deadline_us >= now_us, f"{self.name}: a flight ended at {flight.deadline_us}, now is {now_us}"
        assert sum(flight.live for flight in flights) == self.in_flight, f"{self.name}: flights and messages differ"
        loose = sum(not flight.held for flight in flights)
        assert loose == self._loose_flights, f"{self.name}: {self._loose_flights} loose flights by count, {loose} there"
        exhausted = sum(message._state is _VISIBLE and self._is_exhausted(message) for message in messages)
        assert exhausted == self._exhausted, f"{self.name}: {self._exhausted} exhausted by count, {exhausted} there"
        earliest_us = self._deadlines.earliest_us()
        if earliest_us is not None:
            assert self._timer is not None, f"{self.name}: nothing will end at {earliest_us}"
            assert self._timer.at_us <= earliest_us, f"{self.name}: the timer comes after {earliest_us}"
        for message in messages:
            assert message.sent_at_us + self._retention_us > now_us or self._expiry is not None

    # ---- for consumers (event source mappings)

    def attach(self, consumer: Consumer) -> None:
        """Put a consumer in line."""
        self._line.consumers.append(consumer)
        self._retime()

    def take(self, limit: int) -> Flight | None:
        """
        Receive up to *limit* messages for a consumer, which holds them: one API call if it returns something.

        Returns:
            The flight, or None if there was nothing to receive; the call then stays open, and is not counted yet.
        """
        flight = self._select(limit, self.visibility_timeout * MICROSECONDS, held=True)
        if flight is not None:
            self.requests += 1
            is_small = self.largest_body_chars * limit * _UTF8_MAX <= REQUEST_CHUNK_BYTES  # whatever was received
            self.billed_requests += 1 if is_small else chunks(flight.messages)
        return flight

    def delete_flight(self, flight: Flight) -> None:
        """Delete all messages of a flight none of which has left it: what `delete_batch` does, at once."""
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self._turn(now_us)
        messages = flight.messages
        count = len(messages)
        if self._trace.active:
            self.delete_batch(messages, [message.receive_count for message in messages])
            return
        calls = -(-count // BATCH_MAX)
        self.requests += calls
        self.billed_requests += calls
        self._delete_successes += count
        for message in messages:
            message._state = _DELETED
            message._flight = None
        if self._by_handle:
            for message in messages:
                self._by_handle.pop(message._sequence, None)
        flight.live = 0
        was_full = self.in_flight >= self.config.inflight_limit_standard
        self.in_flight -= count
        self.deleted += count
        if self._on_deleted:
            for message in messages:
                self._tell_deleted(message)
        self._ages.trim(self.visible + self.in_flight + self.delayed)
        if was_full and self.visible:
            self._wake()  # there is room again (SQS-208)

    def delete_batch(self, messages: Sequence[Message], receive_counts: Sequence[int]) -> None:
        """
        Delete messages by the deliveries with these numbers, in calls of at most ten entries (ESM-131).

        Entries with an old number succeed without effect, as those with an old handle do (SQS-274).
        """
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self._turn(now_us)
        calls = -(-len(messages) // BATCH_MAX)
        self.requests += calls
        self.billed_requests += calls
        self._delete_successes += len(messages)
        deletes_stale = self.config.stale_delete == "delete"
        flown: list[Message] = []
        for message, count in zip(messages, receive_counts, strict=True):
            if message.receive_count != count and not deletes_stale:
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
        if self.visible and self.in_flight + len(flown) >= self.config.inflight_limit_standard:
            self._wake()  # there is room again (SQS-208)

    def let_go(self, flights: Iterable[Flight]) -> None:
        """Take note that the consumer no longer holds these flights: what is left of them comes back by itself."""
        for flight in flights:
            if flight.held:
                flight.held = False
                if flight.live:
                    self._loose_flights += 1
        self._retime()

    # ---- coming and being received

    def _send(self, body: str, size: int, delay_seconds: int, _number: object = None) -> Message:
        """Put a message in whose body, size and delay are known to be legal."""
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self._turn(now_us)
        number = self._series.last = self._series.last + 1
        message = Message(self._series, number, number, body, now_us, now_us)
        self.sent += 1
        self.requests += 1
        self.billed_requests += 1 if size <= REQUEST_CHUNK_BYTES else -(-size // REQUEST_CHUNK_BYTES)
        if size == self._size_run:
            self._size_times += 1
        else:
            self._note_sizes()
            self._size_run, self._size_times, self._size_at_us = size, 1, now_us
        if len(body) > self.largest_body_chars:
            self.largest_body_chars = len(body)
        if self._trace.active:
            self._trace.add((now_us, SENT, self, message))
        self._ages._by_age.append(message)
        if self._expiry is None:
            self._expiry = self.clock.timer(
                now_us + self._retention_us, self._on_expiry, priority=Priority.EXPIRY.value, background=True
            )
        if delay_seconds:
            message._state = _DELAYED
            self.delayed += 1
            self._deadlines.add_delayed(message, now_us + delay_seconds * MICROSECONDS)
            self._retime()
        else:
            self.visible += 1
            self._fresh.append(message)
            line = self._line
            if line.consumers or line.polls:
                self._wake()
        return message

    def _wake(self, *, at_wake: bool = False) -> None:
        """Offer what is visible to the parties in line, longest-waiting first, until nobody wants more (SQS-209)."""
        if self._is_waking:
            return  # the loop below looks again
        line = self._line
        consumers = line.consumers
        self._is_waking = True
        try:
            if len(consumers) == 1 and not line.polls:
                consumer = consumers[0]
                while self.visible and consumer.waits and consumer.serve(at_wake=at_wake):
                    pass
            else:
                while self.visible and line.serve_first(at_wake=at_wake):
                    pass
        finally:
            self._is_waking = False
        if self.visible:
            for consumer in consumers:
                consumer.notice_backlog()

    def _select(self, limit: int, visibility_us: int, *, held: bool) -> Flight | None:
        """
        Deliver up to *limit* messages in the order of the queue; move those away whose receives are used up.

        Rules: SQS-202 to SQS-205, SQS-300, SQS-412, SQS-430.
        """
        room = self.config.inflight_limit_standard - self.in_flight
        if limit > room:
            limit = room
        if limit <= 0 or not self.visible:
            return None
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self._turn(now_us)
        fresh, returned = self._fresh, self._returned
        taken: list[Message] = []
        exhausted: list[Message] = []
        if returned:
            self._pick(limit, taken, exhausted)
        else:
            while fresh and limit:
                message = fresh.popleft()
                if message._state is _VISIBLE:
                    taken.append(message)
                    limit -= 1
        flight: Flight | None = None
        if taken:
            flight = Flight(now_us + visibility_us, taken, now_us, held=held)
            for message in taken:
                message._state = _IN_FLIGHT
                message._flight = flight
                message.receive_count += 1
                if message.first_received_at_us is None:
                    message.first_received_at_us = now_us
            count = len(taken)
            self.visible -= count
            self.in_flight += count
            self.received += count
            if self._trace.active:
                for message in taken:
                    self._trace.add((now_us, DELIVERED, self, message, message.receive_count))
            if not held:
                self._loose_flights += 1
            self._deadlines.add_flight(flight)
            if not visibility_us:  # never in flight: visible again for the next call (SQS-205)
                for message in taken:
                    self._leave_flight(message)
                    self._make_visible(message)
            timer = self._timer
            if timer is None or flight.deadline_us < timer.at_us or (timer.background and not held):
                self._retime()
        if exhausted:
            self._move(exhausted)
        return flight

    def _pick(self, limit: int, taken: list[Message], exhausted: list[Message]) -> None:
        """Take from the front of the deque and of the heap by rank; tell apart what a redrive policy moves away."""
        fresh, returned, redrive = self._fresh, self._returned, self._redrive
        while limit:
            while fresh and fresh[0]._state is not _VISIBLE:
                fresh.popleft()
            if returned and (not fresh or (returned[0][0], returned[0][1]) < (fresh[0]._rank_us, fresh[0]._sequence)):
                message = heappop(returned)[2]
                if message._state is not _VISIBLE:
                    continue
                if redrive is not None and self._is_exhausted(message):
                    exhausted.append(message)
                    continue
            elif fresh:
                message = fresh.popleft()
            else:
                return
            taken.append(message)
            limit -= 1

    def _is_exhausted(self, message: Message) -> bool:
        redrive = self._redrive
        return redrive is not None and message.queue_receive_count >= redrive.max_receive_count

    def _move(self, messages: Sequence[Message]) -> None:
        """Move messages to the dead-letter queue, where whoever waits receives them at this instant (SQS-437)."""
        assert self._redrive is not None
        target, now_us = self._redrive.dead_letter_queue, self.clock.now_us
        for message in messages:
            message._state = State.MOVED
            self._by_handle.pop(message._sequence, None)
            self.visible -= 1
            self._exhausted -= 1
            self.moved += 1
            if self._trace.active:
                self._trace.add((now_us, MOVED, self, message, target))
            target._take_in(message, self)
        self._ages.trim(self.visible + self.in_flight + self.delayed)
        target._wake()

    def _take_in(self, message: Message, source: Store) -> None:
        """Receive a message that a redrive policy moved here (SQS-433)."""
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self._turn(now_us)
        arrived = Message(
            message._series,
            message._number,
            self._series.next(),
            message.body,
            message.sent_at_us,
            now_us,
            State.VISIBLE,
            message.receive_count,
            message.first_received_at_us,
            None,
            dict(message._runs) if isinstance(message._runs, dict) else message._runs,
            Arrival(source.arn, now_us, message.receive_count),
        )
        self.arrived += 1
        self.largest_body_chars = max(self.largest_body_chars, len(message.body))
        if message.sent_at_us + self._retention_us <= now_us:  # older than this queue keeps anything (SQS-434)
            arrived._state = State.EXPIRED
            self.expired += 1
            if self._trace.active:
                self._trace.add((now_us, EXPIRED, self, arrived))
            return
        self.visible += 1
        self._fresh.append(arrived)
        self._ages.add(arrived)
        self._time_expiry()

    # ---- leaving

    def _begin_call(self) -> None:
        """Count one request, after closing the minutes that ended."""
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self._turn(now_us)
        self.requests += 1
        self.billed_requests += 1

    def _discard(self, message: Message) -> None:
        """Delete a message wherever it is; does nothing when it is gone."""
        state = message._state
        makes_room = False
        if state is _IN_FLIGHT:
            makes_room = self.in_flight >= self.config.inflight_limit_standard
            self._leave_flight(message)
        elif state is _VISIBLE:
            self.visible -= 1
            if self._is_exhausted(message):
                self._exhausted -= 1
        else:
            return
        message._state = _DELETED
        self.deleted += 1
        self._by_handle.pop(message._sequence, None)
        if self._trace.active:
            self._trace.add((self.clock.now_us, DELETED, self, message))
        self._tell_deleted(message)
        self._ages.trim(self.visible + self.in_flight + self.delayed)
        self._relax()
        if makes_room and self.visible:
            self._wake()  # there is room again (SQS-208)

    def _tell_deleted(self, message: Message) -> None:
        for callback in self._on_deleted:
            try:
                callback(message)
            except Exception as error:  # noqa: BLE001 - whatever it is, it leaves the run once the delete is done
                self.clock.raise_soon(error)

    def _leave_flight(self, message: Message) -> None:
        flight = message._flight
        assert flight is not None
        message._flight = None
        flight.live -= 1
        if not flight.live and not flight.held:
            self._loose_flights -= 1
        self.in_flight -= 1

    def _make_visible(self, message: Message) -> None:
        """Put a message back in its place, or behind all others once it was received often enough (SQS-302, 303)."""
        message._state = _VISIBLE
        self.visible += 1
        limit = self.config.requeue_to_back_after
        if limit is not None and message.queue_receive_count >= limit:
            message._rank_us = self.clock.now_us
        if self._is_exhausted(message):
            self._exhausted += 1
        heappush(self._returned, (message._rank_us, message._sequence, message))
        if self._trace.active:
            self._trace.add((self.clock.now_us, RETURNED, self, message))

    def _add_flight(self, flight: Flight) -> None:
        if not flight.held:
            self._loose_flights += 1
        self._deadlines.add_flight(flight)

    # ---- what happens by itself

    @property
    def _retention_us(self) -> int:
        return self.message_retention_period * MICROSECONDS

    def _retime(self) -> None:
        """Put the timer where the earliest end is, in the foreground if somebody waits for it and nobody else does."""
        earliest_us = self._deadlines.earliest_us()
        timer = self._timer
        if earliest_us is None:
            if timer is not None:
                timer.cancel()
                self._timer = None
            return
        background = not (self._line.is_watched and (self._loose_flights or self.delayed))
        if timer is not None:
            if timer.at_us <= earliest_us and timer.background is background:
                return
            timer.cancel()
        self._timer = self.clock.timer(
            earliest_us, self._on_return, priority=Priority.RETURN.value, background=background
        )

    def _relax(self) -> None:
        """Take the timer out of the foreground when nothing that it stands for keeps the simulation going any more."""
        timer = self._timer
        if timer is not None and not timer.background and not (self._loose_flights or self.delayed):
            self._retime()

    def _on_return(self, _argument: object) -> None:
        """End the delays and visibility timeouts that are due (C1); wake-ups follow in C2."""
        self._timer = None
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self._turn(now_us)
        before = self.visible
        deadlines = self._deadlines
        for message in deadlines.pop_delayed(now_us):
            message._state = _VISIBLE
            self.delayed -= 1
            self.visible += 1
            heappush(self._returned, (message._rank_us, message._sequence, message))
            if self._trace.active:
                self._trace.add((now_us, AVAILABLE, self, message))
        for flight in deadlines.pop_flights(now_us):
            for message in flight.messages:
                if message._flight is flight:
                    self._leave_flight(message)
                    self._make_visible(message)
        self._retime()
        if self.visible > before and self._line.is_watched:
            self.clock.soon(self._on_wake, None, Priority.WAKE.value)

    def _on_wake(self, _argument: object) -> None:
        self._wake(at_wake=True)

    def _time_expiry(self) -> None:
        """See to it that a timer comes no later than the first retention ends."""
        first_us = self._ages.first_sent_at_us()
        if first_us is None:
            return
        at_us = first_us + self._retention_us
        timer = self._expiry
        if timer is None or at_us < timer.at_us:
            if timer is not None:
                timer.cancel()
            self._expiry = self.clock.timer(at_us, self._on_expiry, priority=Priority.EXPIRY.value, background=True)

    def _on_expiry(self, _argument: object) -> None:
        """Let go of the messages that have been here as long as the queue keeps any (SQS-400)."""
        self._expiry = None
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self._turn(now_us)
        was_full = self.in_flight >= self.config.inflight_limit_standard
        for message in self._ages.pop_sent_by(now_us - self._retention_us):
            if message._state is _IN_FLIGHT:
                self._leave_flight(message)
            elif message._state is _VISIBLE:
                self.visible -= 1
                if self._is_exhausted(message):
                    self._exhausted -= 1
            else:
                self.delayed -= 1
            message._state = State.EXPIRED
            self.expired += 1
            self._by_handle.pop(message._sequence, None)
            if self._trace.active:
                self._trace.add((now_us, EXPIRED, self, message))
        fresh, returned = self._fresh, self._returned
        while fresh and fresh[0]._state is not _VISIBLE:
            fresh.popleft()
        while returned and returned[0][2]._state is not _VISIBLE:
            heappop(returned)
        self._relax()
        self._time_expiry()
        if was_full and self.visible and self._line.is_watched:
            self.clock.soon(self._on_wake, None, Priority.WAKE.value)

    # ---- numbers for meters

    def _turn(self, now_us: int) -> None:
        """Close the minutes that ended at or before now, before anything changes."""
        self._note_sizes()
        self._size_run = 0
        self.ledger.turn(now_us)

    def _note_sizes(self) -> None:
        if self._size_times:
            self._sent_sizes.add(self._size_at_us, self._size_run, self._size_times)
            self._size_times = 0

    @property
    def sent_sizes(self) -> Samples:
        """The sizes of accepted sends in bytes (SQS-601)."""
        self._note_sizes()
        self._size_run = 0
        return self._sent_sizes

    def _counters(self) -> tuple[int, ...]:
        return (
            self.sent,
            self.received,
            self._delete_successes,
            self.empty_receives,
            self.requests,
            self.deleted,
            self.moved,
            self.expired,
        )

    def sums_by_minute(self, name: Literal["deleted", "moved", "expired"]) -> dict[int, int]:
        """Return by the minute how many messages were deleted, moved to the dead-letter queue, or expired."""
        return dict(self.ledger.sums({"deleted": 5, "moved": 6, "expired": 7}[name]))

    def _gauges(self) -> tuple[int, ...]:
        oldest = self._ages.oldest()
        return self.visible, self.in_flight, self.delayed, -1 if oldest is None else oldest.entered_at_us


def chunks(messages: Sequence[Message]) -> int:
    """Return how many requests an answer with these messages is billed as (SQS-604)."""
    return max(1, -(-sum(message.size_bytes for message in messages) // REQUEST_CHUNK_BYTES))
