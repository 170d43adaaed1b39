"""
The messages of one queue: where each is, what takes it, and what happens to it by itself.

**Who is where.** On a standard queue a message that was never received waits in a deque, in order of arrival; one that
came back (or was delayed) in a heap by rank. A receive takes from the two in order of rank (SQS-300). Where there is
more to order than one line (groups of a FIFO queue, tenants, shards) an `Order` has the visible messages instead. What
is in flight or delayed hangs on `Deadlines`; `Ages` knows what is oldest.

**Time.** One timer stands for the earliest end of a delay or a visibility timeout, another, in the background, for
retention. The first is in the foreground only while somebody waits for what comes back, and nobody else has events to
come for it: a flight that a mapping holds keeps the simulation going by its invocation.

**Waking.** Whatever makes a message visible ends with `_wake`: the parties in line receive before the call returns
(SQS-004). Ends of delays and timeouts are C1 events, so their wake-ups are events of C2.

**Minutes.** Whoever is about to change something compares now with `_border_us` first, and calls `_turn` when a minute
has ended: counters and gauges are read then (`Ledger`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, Literal

from lambdasim.clock import Clock, Priority, Timer
from lambdasim.clock.meters import Ledger, Samples
from lambdasim.errors import UsageError
from lambdasim.sqs.ages import Ages
from lambdasim.sqs.faults import Luck, SqsFaults
from lambdasim.sqs.fifo import Groups
from lambdasim.sqs.history import History
from lambdasim.sqs.lanes import Lanes
from lambdasim.sqs.limits import BATCH_MAX, REQUEST_CHUNK_BYTES, SqsConfig
from lambdasim.sqs.line import Consumer, Line
from lambdasim.sqs.message import Flight, Message, State
from lambdasim.sqs.order import Order
from lambdasim.sqs.records import (
    AVAILABLE,
    DELETED,
    DELIVERED,
    EXPIRED,
    MOVED,
    PURGED,
    REDELIVERED,
    REDRIVEN,
    RETURNED,
    SENT,
)
from lambdasim.sqs.visibility import Deadlines
from lambdasim.units import seconds

if TYPE_CHECKING:
    from lambdasim.sqs.redrive import Redrive

_DELAYED: Final = State.DELAYED
_VISIBLE: Final = State.VISIBLE
_IN_FLIGHT: Final = State.IN_FLIGHT
_DELETED: Final = State.DELETED
_REDELIVERABLE: Final = (State.VISIBLE, State.IN_FLIGHT, State.DELETED)


class Store:
    """What a queue is made of; `Queue` puts the operations of AWS on top."""

    def __init__(
        self, name: str, arn: str, clock: Clock, config: SqsConfig, faults: SqsFaults, *, is_fifo: bool
    ) -> None:
        self.name = name
        self.arn = arn
        self.clock = clock
        self.config = config
        self.faults = faults
        self.is_fifo = is_fifo
        self._series = clock.identifiers.series("message", arn)
        self._trace = clock.trace

        # What is in force; an attribute that was set may take effect later (SQS-091).
        self._visibility_us = 0
        self._retention_us = 0
        self._redrive: Redrive | None = None

        self._fresh: deque[Message] = deque()  # visible, never received, in order of rank
        self._returned: list[tuple[int, int, Message]] = []  # visible, others, by rank and place
        self._groups = Groups(config.fifo_scan_window) if is_fifo else None
        self._lanes: Lanes | None = None
        self._order: Order | None = self._groups  # instead of the first two
        self._deadlines = Deadlines()
        back_after = None if is_fifo else config.requeue_to_back_after
        self._back_after = back_after
        self._ages = Ages(back_after, keeps_moved_longer=is_fifo)
        self._by_handle: dict[int, Message] = {}  # messages of which somebody has seen a handle
        self._line = Line()
        self._is_waking = False
        self._wakes_again = False  # something became visible meanwhile: a queue can be its own dead-letter queue
        luck = Luck(faults, arn, clock.lots, is_fifo=is_fifo) if faults != SqsFaults() else None
        self._luck = luck if luck is not None and luck.is_any else None
        self._inflight_limit = config.inflight_limit_fifo if is_fifo else config.inflight_limit_standard

        self.visible = 0
        self.in_flight = 0
        self.delayed = 0
        self._exhausted = 0  # visible messages that the next receive moves to the dead-letter queue
        self._loose_flights = 0  # flights under way that nobody holds
        self.sent = self.received = self.deleted = self.expired = self.moved = self.arrived = 0
        self.purged = self.redriven = self.revived = self.lost = self.deduplicated = 0
        self._delete_successes = 0  # NumberOfMessagesDeleted also counts deletes that found nothing (SQS-601)
        self.empty_receives = 0
        self.requests = self.billed_requests = 0
        self.largest_body_bytes = 0  #: largest message ever, with its attributes; bounds what a receive can return
        self._sent_sizes = Samples()
        self._size_run = self._size_times = self._size_at_us = 0  # equal sizes in a row, since when: not yet in there
        self.ledger = Ledger(clock.now_us, self._counters, self._gauges)
        is_stale = faults.approx_staleness_s and not is_fifo
        self._history = History(seconds(faults.approx_staleness_s)) if is_stale else None
        self._border_us = clock.now_us if is_stale else self.ledger.border_us
        self._on_deleted: list[Callable[[Message], object]] = []

        self._timer: Timer | None = None  # the earliest end of a delay or a visibility timeout
        self._expiry: Timer | None = None
        has_shards = self._luck is not None and self._luck.shards > 1
        if has_shards or (config.fair_queues == "both" and not is_fifo):
            self._use_lanes()

    # ---- looking

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is in the queue, in order of arrival, without receiving it. Runtime: `O(n log n)`."""
        return tuple(self._ages.messages())

    @property
    def receivable(self) -> int:
        """Messages that a receive would return now (ESM-003): visible, not used up, and not kept back by the limit."""
        if self.in_flight >= self._inflight_limit:
            return 0
        if self._groups is not None:
            return self._groups.receivable(self._exhaustion)
        return self.visible - self._exhausted

    @property
    def has_receivable(self) -> bool:
        """Whether a receive would return anything now. Runtime: `O(log n)`; FIFO with messages used up, `O(n)`."""
        if self.in_flight >= self._inflight_limit or self.visible <= self._exhausted:
            return False
        return self._groups is None or self._groups.has_receivable(self._exhaustion)

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
        gone = self.deleted + self.expired + self.moved + self.purged + self.redriven + self.lost
        came = self.sent + self.arrived + self.revived
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
            assert self._ages.kept_since_us(message) + self._retention_us > now_us or self._expiry is not None
        if self._groups is not None:
            self._groups.check_invariants(self.in_flight)
        elif self._lanes is not None:
            self._lanes.check_invariants(self.visible, self.in_flight, self.delayed)
        else:
            lined_up = {m._sequence for m in self._fresh if m._state is _VISIBLE}
            lined_up |= {m._sequence for _, _, m in self._returned if m._state is _VISIBLE}
            assert len(lined_up) == self.visible, f"{self.name}: {self.visible} visible, {len(lined_up)} in line"

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
        while True:
            flight = self._select(limit, self._visibility_us, held=True)
            if flight is None:
                return None
            self.requests += 1
            is_small = self.largest_body_bytes * limit <= REQUEST_CHUNK_BYTES  # whatever was received
            self.billed_requests += 1 if is_small else chunks(flight.messages)
            if self._luck is None or not self._luck.loses_receive_response():
                return flight
            self.let_go((flight,))  # in flight, and nobody has them (SQS-439); the consumer asks again

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
        for message in messages:
            message._state = _DELETED
            message._flight = None
        if self._by_handle:
            for message in messages:
                self._by_handle.pop(message._sequence, None)
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
        if self.visible and self.in_flight + len(flown) >= self._inflight_limit:
            self._wake()  # there is room again (SQS-208)
        return len(messages)

    def let_go(self, flights: Iterable[Flight]) -> None:
        """Take note that the consumer no longer holds these flights: what is left of them comes back by itself."""
        for flight in flights:
            if flight.held:
                flight.held = False
                if flight.live:
                    self._loose_flights += 1
        self._retime()

    # ---- coming and being received

    def _send(
        self, body: str, size: int, delay_us: int, _number: object = None, message: Message | None = None
    ) -> Message:
        """Put a message in whose body, size and delay are known to be legal; *message* is one that carries more."""
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        if message is None:
            number = self._series.last = self._series.last + 1
            message = Message(self._series, number, number, body, now_us, now_us)
        self.sent += 1
        if size == self._size_run:
            self._size_times += 1
        else:
            self._note_sizes()
            self._size_run, self._size_times, self._size_at_us = size, 1, now_us
        if size > self.largest_body_bytes:
            self.largest_body_bytes = size
        if self._trace.active:
            self._trace.add((now_us, SENT, self, message))
        self._ages._by_age.append(message)
        if self._expiry is None:
            self._expiry = self.clock.timer(
                now_us + self._retention_us, self._on_expiry, priority=Priority.EXPIRY.value, background=True
            )
        if delay_us:
            message._state = _DELAYED
            self.delayed += 1
            self._deadlines.add_delayed(message, now_us + delay_us)
            if self._order is not None:
                self._order.arrive(message)
            self._retime()
        else:
            self.visible += 1
            if self._order is None:
                self._fresh.append(message)
            else:
                self._order.arrive(message)
            line = self._line
            if line.consumers or line.polls:
                self._wake()
        return message

    def _note_largest(self, message: Message) -> None:
        """See to it that the bound on messages holds for this one, trace header included (ESM-066)."""
        size = message.size_bytes + len((message.aws_trace_header or "").encode())
        if size > self.largest_body_bytes:
            self.largest_body_bytes = size

    def _swallow(self, body: str, size: int, message: Message | None) -> Message:
        """Accept a message, and lose it to the purge that is under way (SQS-482)."""
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        if message is None:
            number = self._series.next()
            message = Message(self._series, number, number, body, now_us, now_us)
        message._state = State.PURGED
        self.sent += 1
        self.purged += 1
        self._note_sizes()
        self._size_run, self._size_times, self._size_at_us = size, 1, now_us
        if self._trace.active:
            self._trace.add((now_us, SENT, self, message))
            self._trace.add((now_us, PURGED, self, message))
        return message

    def _use_lanes(self) -> None:
        """Let lanes have the visible messages, from now on: there are tenants, or shards."""
        shards = 1 if self._luck is None else self._luck.shards
        self._lanes = lanes = Lanes(self.clock, self.config, shards=shards)
        self._order = lanes
        for message in self.messages:
            lanes.arrive(message)
        self._fresh.clear()
        self._returned.clear()

    @contextmanager
    def _holding_wakes(self) -> Iterator[None]:
        """Let nobody in line receive before the call is complete (SQS-004)."""
        if self._is_waking:
            yield
            return
        self._is_waking = True
        try:
            yield
        finally:
            self._is_waking = False
            self._wake()

    def _wake(self, *, at_wake: bool = False) -> None:
        """Offer what is visible to the parties in line, longest-waiting first, until nobody wants more (SQS-209)."""
        if self._is_waking:
            self._wakes_again = True  # the loop below looks again
            return
        order = self._order
        if order is not None and not order.has_some():
            return
        line, luck = self._line, self._luck
        consumers = line.consumers
        self._is_waking = True
        try:
            if luck is not None:
                while self.visible and (line.serve_any(luck, self.clock.now_us, at_wake=at_wake) or self._wakes_again):
                    self._wakes_again = False
            elif len(consumers) == 1 and not line.polls:
                consumer = consumers[0]
                while self.visible and consumer.waits and (consumer.serve(at_wake=at_wake) or self._wakes_again):
                    self._wakes_again = False
            else:
                while self.visible and (line.serve_first(at_wake=at_wake) or self._wakes_again):
                    self._wakes_again = False
        finally:
            self._is_waking = self._wakes_again = False
        if self.visible and consumers and (order is None or order.has_some()):
            for consumer in consumers:
                consumer.notice_backlog()

    def _select(self, limit: int, visibility_us: int, *, held: bool, is_short: bool = False) -> Flight | None:
        """
        Deliver up to *limit* messages in the order of the queue; move those away whose receives are used up.

        Rules: SQS-202 to SQS-205, SQS-300, SQS-412, SQS-430.
        """
        room = self._inflight_limit - self.in_flight
        if limit > room:
            limit = room
        if limit <= 0 or not self.visible:
            return None
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        fresh, returned, luck = self._fresh, self._returned, self._luck
        taken: list[Message] = []
        exhausted: list[Message] = []
        if luck is not None:
            taken, exhausted = self._pull_by_luck(luck, limit, is_short=is_short)
        elif self._order is not None:
            taken, exhausted = self._order.pull(limit, self._exhaustion, None)
        elif returned:
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
            if self._order is not None:
                self._order.fly(taken)
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
            elif luck is not None and luck.duplicates:
                self._duplicate(luck, taken, now_us)
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

    def _pull_by_luck(self, luck: Luck, limit: int, *, is_short: bool) -> tuple[list[Message], list[Message]]:
        """Take messages as `_pick` or the order does, except where luck has it otherwise (SQS-215, 216, 305)."""
        shards = luck.seen_shards() if is_short else None
        taken: list[Message] = []
        exhausted: list[Message] = []
        window = max(1, luck.reorder_window)
        if window == 1:
            taken, exhausted = self._pull(limit, self._exhaustion, shards)
        while window > 1 and len(taken) < limit:
            candidates, _ = self._pull(window, None, shards)
            if not candidates:
                break
            message = candidates.pop(luck.pick(candidates))
            self._put_back(candidates)
            (exhausted if self._is_exhausted(message) else taken).append(message)
        kept = luck.keep(len(taken))
        self._put_back(taken[kept:])
        return taken[:kept], exhausted

    def _pull(
        self, limit: int, is_exhausted: Callable[[Message], bool] | None, shards: tuple[int, ...] | None
    ) -> tuple[list[Message], list[Message]]:
        if self._order is not None:
            return self._order.pull(limit, is_exhausted, shards)
        taken: list[Message] = []
        exhausted: list[Message] = []
        self._pick(limit, taken, exhausted)
        if is_exhausted is None:  # they are all alike to who asks
            taken = sorted([*taken, *exhausted], key=lambda message: (message._rank_us, message._sequence))
            self._put_back(taken[limit:])
            return taken[:limit], []
        return taken, exhausted

    def _put_back(self, messages: Sequence[Message]) -> None:
        """Put messages back in line that are not delivered after all."""
        if self._order is not None:
            self._order.put_back(messages)
        else:
            for message in messages:
                heappush(self._returned, (message._rank_us, message._sequence, message))

    def _duplicate(self, luck: Luck, messages: Sequence[Message], now_us: int) -> None:
        """Let some of the messages that were just delivered become visible early (SQS-306)."""
        for message in messages:
            delay_us = luck.duplicate_delay_us()
            flight = message._flight
            if delay_us is None or flight is None or now_us + delay_us >= flight.deadline_us:
                continue
            self._leave_flight(message)
            if delay_us:
                self._fly(Flight(now_us + delay_us, [message], now_us, held=False))
            else:
                self._make_visible(message)
        self._retime()

    def _fly(self, flight: Flight) -> None:
        """Let messages that have left their flight be in flight by another."""
        messages = flight.messages
        for message in messages:
            message._state = _IN_FLIGHT
            message._flight = flight
        self.in_flight += len(messages)
        self._loose_flights += 1
        self._deadlines.add_flight(flight)
        if self._order is not None:
            self._order.fly(messages)

    @property
    def _exhaustion(self) -> Callable[[Message], bool] | None:
        return None if self._redrive is None else self._is_exhausted

    def _is_exhausted(self, message: Message) -> bool:
        redrive = self._redrive
        return redrive is not None and message.queue_receive_count >= redrive.max_receive_count

    def _use_redrive(self, redrive: Redrive | None) -> None:
        """Put a redrive policy in force, or none; it counts the receives that there were (SQS-438)."""
        self._redrive = redrive
        self._exhausted = sum(message._state is _VISIBLE and self._is_exhausted(message) for message in self.messages)

    def _move(self, messages: Sequence[Message]) -> None:
        """Move messages to the dead-letter queue, where whoever waits receives them at this instant (SQS-437)."""
        assert self._redrive is not None
        target, now_us = self._redrive.dead_letter_queue, self.clock.now_us
        for message in messages:
            self._remove(message, State.MOVED)
            self.moved += 1
            if self._trace.active:
                self._trace.add((now_us, MOVED, self, message, target))
            target._take_in(message, self)
        self._ages.trim(self.visible + self.in_flight + self.delayed)
        target._wake()

    def _take_in(self, message: Message, source: Store) -> None:
        """Receive a message that a redrive policy moved here (SQS-433)."""
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        arrived = message._moved(self._series.next(), now_us, source.arn)
        self.arrived += 1
        self._note_largest(arrived)
        if self._ages.kept_since_us(arrived) + self._retention_us <= now_us:  # older than this queue keeps anything
            arrived._state = State.EXPIRED
            self.expired += 1
            if self._trace.active:
                self._trace.add((now_us, EXPIRED, self, arrived))
            return
        if arrived.message_group_id is not None:
            self._look_for_tenants()
        self._ages.add(arrived)
        self.visible += 1
        if self._order is not None:
            self._order.arrive(arrived)
        else:
            self._fresh.append(arrived)
        self._time_expiry()

    def _look_for_tenants(self) -> None:
        """See to it that a standard queue has lanes, now that a message with a group comes (SQS-310)."""
        if self._order is None and self.config.fair_queues != "off":
            self._use_lanes()

    def redeliver(self, message: Message) -> None:
        """
        Let SQS deliver this message again now, as it may on a standard queue: although it is in flight, or was deleted.

        A message that is visible stays so.

        Raises:
            UsageError: The queue is a FIFO queue, the message is delayed, or it has left the queue in another way.

        Rules: SQS-278, SQS-306.
        """
        if self.is_fifo:
            msg = f"redeliver({message!r}): a FIFO queue delivers a message again only after its visibility timeout"
            raise UsageError(msg)
        is_own = message._series is self._series or message._arrival is not None
        if not is_own or message._state not in _REDELIVERABLE:
            msg = (
                f"redeliver({message!r}) to {self.name}: only a message that is in flight there, or was deleted "
                "there, can come again"
            )
            raise UsageError(msg)
        if message._state is _VISIBLE:
            return
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        if self._trace.active:
            self._trace.add((now_us, REDELIVERED, self, message))
        if message._state is _IN_FLIGHT:
            self._leave_flight(message)
            self._make_visible(message)
            self._retime()
        else:
            self._revive(message)
        self._wake()

    # ---- leaving

    def _begin_call(self) -> None:
        """Count one request, after closing the minutes that ended."""
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        self.requests += 1
        self.billed_requests += 1

    def _delete(self, message: Message, delivery: int) -> bool:
        """Delete a message that is or was here, by the number of a delivery; False: a FIFO queue refuses (SQS-275)."""
        state = message._state
        is_present = state is _IN_FLIGHT or state is _VISIBLE
        if is_present and self.is_fifo and (message._flight is None or message.receive_count != delivery):
            return False
        self._delete_successes += 1
        if is_present and self._is_deletable(message, delivery):
            self._discard(message)
        return True

    def _is_deletable(self, message: Message, delivery: int) -> bool:
        """Return whether a delete that succeeds has an effect (SQS-273, SQS-274, SQS-278)."""
        luck = self._luck
        if message.receive_count != delivery and self.config.stale_delete == "ignore":
            return luck is not None and luck.deletes_stale()
        return luck is None or not luck.loses_delete()

    def _discard(self, message: Message) -> None:
        """Delete a message wherever it is; does nothing when it is gone."""
        state = message._state
        if state is not _VISIBLE and state is not _IN_FLIGHT:
            return
        makes_room = state is _IN_FLIGHT and self.in_flight >= self._inflight_limit
        self._remove(message, _DELETED)
        self.deleted += 1
        if self._trace.active:
            self._trace.add((self.clock.now_us, DELETED, self, message))
        self._tell_deleted(message)
        self._ages.trim(self.visible + self.in_flight + self.delayed)
        self._relax()
        if self.visible and (makes_room or self._order is not None):
            self._wake()  # there is room again, or a group is no longer blocked (SQS-208, SQS-277)

    def _remove(self, message: Message, state: State) -> None:
        """Take a message out of the queue, wherever it is; who does so counts it."""
        before = message._state
        if before is _IN_FLIGHT:
            self._leave_flight(message)
        elif before is _VISIBLE:
            self.visible -= 1
            if self._redrive is not None and self._is_exhausted(message):
                self._exhausted -= 1
        else:
            self.delayed -= 1
        if self._order is not None:
            self._order.leave(message)
        message._state = state
        if self._by_handle:
            self._by_handle.pop(message._sequence, None)

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
        if self._order is not None:
            self._order.land(message)

    def _make_visible(self, message: Message) -> None:
        """Put a message back in its place, or behind all others once it was received often enough (SQS-302, 303)."""
        message._state = _VISIBLE
        self.visible += 1
        limit = self._back_after
        if self.is_fifo or (limit is not None and message.queue_receive_count >= limit):
            message._rank_us = self.clock.now_us  # on a FIFO queue it says since when the head is visible (SQS-324)
        if self._redrive is not None and self._is_exhausted(message):
            self._exhausted += 1
        self._line_up(message)
        if self._trace.active:
            self._trace.add((self.clock.now_us, RETURNED, self, message))

    def _line_up(self, message: Message) -> None:
        if self._order is None:
            heappush(self._returned, (message._rank_us, message._sequence, message))
        else:
            self._order.ready(message)

    def _revive(self, message: Message) -> None:
        """Put back a message that was deleted, as another object: the one that left stays what it was."""
        again = message._copy()
        self.revived += 1
        self.visible += 1
        if self._is_exhausted(again):
            self._exhausted += 1
        self._ages.add_again(again)
        if self._order is None:
            heappush(self._returned, (again._rank_us, again._sequence, again))
        else:
            self._order.arrive(again)
        self._time_expiry()

    def _purge(self, messages: Iterable[Message]) -> None:
        """Throw messages away (SQS-480)."""
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        for message in messages:
            self._remove(message, State.PURGED)
            self.purged += 1
            if self._trace.active:
                self._trace.add((now_us, PURGED, self, message))
        self._settle()

    def _take_away(self, message: Message, target: Store) -> None:
        """Let a move task make a new message of this one in another queue (SQS-464, SQS-603)."""
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        self._remove(message, State.REDRIVEN)
        self.redriven += 1
        self.received += 1
        self._delete_successes += 1
        new = message._redriven(target._series, target._series.next(), now_us)
        if self._trace.active:
            self._trace.add((now_us, REDRIVEN, self, message, target, new))
        self._settle()
        if new.message_group_id is not None:
            target._look_for_tenants()
        target._note_largest(new)
        target._send(new.body, new.size_bytes, 0, None, new)

    def _first_visible(self) -> Message | None:
        """Return the visible message that a move task takes next (SQS-463)."""
        if self._order is not None:
            return self._order.first()
        fresh, returned = self._fresh, self._returned
        while fresh and fresh[0]._state is not _VISIBLE:
            fresh.popleft()
        while returned and returned[0][2]._state is not _VISIBLE:
            heappop(returned)
        if returned and (not fresh or returned[0][:2] < (fresh[0]._rank_us, fresh[0]._sequence)):
            return returned[0][2]
        return fresh[0] if fresh else None

    def _forget_first(self) -> None:
        """Take note that no move task is at work here any more."""
        if self._groups is not None:
            self._groups.forget_places()

    def _settle(self) -> None:
        """See to timers and to who waits, after messages left by none of the common ways."""
        self._ages.trim(self.visible + self.in_flight + self.delayed)
        fresh, returned = self._fresh, self._returned
        while fresh and fresh[0]._state is not _VISIBLE:
            fresh.popleft()
        while returned and returned[0][2]._state is not _VISIBLE:
            heappop(returned)
        self._retime()
        if self.visible:
            self._wake()

    def _close(self) -> None:
        """Lose everything: the queue is deleted (SQS-060)."""
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        for message in self.messages:
            if message._flight is not None:
                message._flight.live -= 1
                message._flight = None
            message._state = State.LOST_WITH_QUEUE
        self.lost += self.visible + self.in_flight + self.delayed
        self.visible = self.in_flight = self.delayed = self._exhausted = self._loose_flights = 0
        self._by_handle.clear()
        self._fresh.clear()
        self._returned.clear()
        self._ages.clear()
        if self._order is not None:
            self._order.clear()
        self._retime()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    # ---- what happens by itself

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
        if now_us >= self._border_us:
            self._turn(now_us)
        before = self.visible
        self._end_delays()
        for flight in self._deadlines.pop_flights(now_us):
            for message in flight.messages:
                if message._flight is flight:
                    self._leave_flight(message)
                    self._make_visible(message)
        self._retime()
        if self.visible > before and self._line.is_watched:
            self.clock.soon(self._on_wake, None, Priority.WAKE.value)

    def _end_delays(self) -> None:
        now_us = self.clock.now_us
        for message in self._deadlines.pop_delayed(now_us):
            message._state = _VISIBLE
            self.delayed -= 1
            self.visible += 1
            if self.is_fifo:
                message._rank_us = now_us
            self._line_up(message)
            if self._trace.active:
                self._trace.add((now_us, AVAILABLE, self, message))

    def _delay_anew(self, delay_us: int) -> None:
        """Let what is still delayed be so for this long since its send (SQS-092)."""
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        self._deadlines.delay_anew(delay_us)
        self._end_delays()
        self._retime()
        self._wake()

    def _on_wake(self, _argument: object) -> None:
        self._wake(at_wake=True)

    def _time_expiry(self) -> None:
        """See to it that a timer comes no later than the first retention ends."""
        since_us = self._ages.first_kept_since_us()
        if since_us is None:
            return
        at_us = max(since_us + self._retention_us, self.clock.now_us)
        timer = self._expiry
        if timer is None or at_us < timer.at_us:
            if timer is not None:
                timer.cancel()
            self._expiry = self.clock.timer(at_us, self._on_expiry, priority=Priority.EXPIRY.value, background=True)

    def _keep_for(self, retention_us: int) -> None:
        """Keep messages so long from now on, those that are here too (SQS-092)."""
        self._retention_us = retention_us
        if self._expire():
            self._wake()

    def _on_expiry(self, _argument: object) -> None:
        """Let go of the messages that have been here as long as the queue keeps any (SQS-400)."""
        self._expiry = None
        if self._expire() and self.visible and self._line.is_watched:
            self.clock.soon(self._on_wake, None, Priority.WAKE.value)

    def _expire(self) -> bool:
        """Let go of what is too old; return whether others may be received because of it."""
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        was_full = self.in_flight >= self._inflight_limit
        for message in self._ages.pop_kept_by(now_us - self._retention_us):
            self._remove(message, State.EXPIRED)
            self.expired += 1
            if self._trace.active:
                self._trace.add((now_us, EXPIRED, self, message))
        fresh, returned = self._fresh, self._returned
        while fresh and fresh[0]._state is not _VISIBLE:
            fresh.popleft()
        while returned and returned[0][2]._state is not _VISIBLE:
            heappop(returned)
        self._relax()
        self._time_expiry()
        return was_full or self._groups is not None

    # ---- numbers for meters

    def _turn(self, now_us: int) -> None:
        """Close the minutes that ended at or before now, before anything changes."""
        if now_us >= self.ledger.border_us:
            self._note_sizes()
            self._size_run = 0
            self.ledger.turn(now_us)
            if self._lanes is not None:
                self._lanes.turn(now_us)
        if self._history is None:
            self._border_us = self.ledger.border_us
        else:
            self._history.note(now_us, (self.visible, self.in_flight, self.delayed))
            self._border_us = now_us + 1

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
            self.deduplicated,
        )

    def sums_by_minute(self, name: Literal["deleted", "moved", "expired"]) -> dict[int, int]:
        """Return by the minute how many messages were deleted, moved to the dead-letter queue, or expired."""
        return dict(self.ledger.sums({"deleted": 5, "moved": 6, "expired": 7}[name]))

    def _gauges(self) -> tuple[int, ...]:
        oldest = self._ages.oldest()
        groups_in_flight = 0 if self._groups is None else self._groups.groups_in_flight
        oldest_us = -1 if oldest is None else oldest.entered_at_us
        return self.visible, self.in_flight, self.delayed, oldest_us, groups_in_flight


def chunks(messages: Sequence[Message]) -> int:
    """Return how many requests an answer with these messages is billed as (SQS-604)."""
    return requests_of(sum([message.size_bytes for message in messages]))


def requests_of(size_bytes: int) -> int:
    """Return how many requests a payload is billed as (SQS-604)."""
    return 1 if size_bytes <= REQUEST_CHUNK_BYTES else -(-size_bytes // REQUEST_CHUNK_BYTES)
