"""
Where the messages of one queue are, in which order they stand, and what happens to them by themselves.

**Who is where.** On a standard queue a message that was never received waits in a deque, in order of arrival; one that
came back (or was delayed) in a heap by rank. Where there is more to order than one line (groups of a FIFO queue,
tenants, shards) an `Order` has the visible messages instead. What is in flight or delayed hangs on `Deadlines`; `Ages`
knows what is oldest.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, Literal

from lambdasim.clock import Clock, Priority, Timer
from lambdasim.clock.meters import Ledger, Samples
from lambdasim.sqs.ages import Ages
from lambdasim.sqs.faults import Luck, SqsFaults
from lambdasim.sqs.fifo import Groups
from lambdasim.sqs.history import History
from lambdasim.sqs.lanes import Lanes
from lambdasim.sqs.limits import SqsConfig
from lambdasim.sqs.line import Line
from lambdasim.sqs.message import Flight, Message, State
from lambdasim.sqs.order import Order
from lambdasim.sqs.records import AVAILABLE, EXPIRED, RETURNED
from lambdasim.sqs.visibility import Deadlines
from lambdasim.units import seconds

if TYPE_CHECKING:
    from lambdasim.sqs.redrive import Redrive

_DELAYED: Final = State.DELAYED
_VISIBLE: Final = State.VISIBLE
_IN_FLIGHT: Final = State.IN_FLIGHT


class Shelf:
    """The messages of one queue; `Store` puts them in and takes them out."""

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
        self._series.owner = self
        self._last_before = self._series.last  # of a queue that had this name before
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
        self._again: dict[int, Message] = {}  # messages that came back after they were deleted, by place
        self._line = Line()
        self._is_waking = False
        self._wakes_again = False  # something became visible meanwhile: a queue can be its own dead-letter queue
        luck = Luck(faults, name, arn, clock, is_fifo=is_fifo) if faults != SqsFaults() else None
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
        self._chunk_bytes = 0  # of a billed request; who knows the settings says it
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
        if messages:
            first_us = min(self._ages.kept_since_us(message) for message in messages) + self._retention_us
            assert self._expiry is not None, f"{self.name}: nothing will expire at {first_us}"
            assert self._expiry.at_us <= max(first_us, now_us), f"{self.name}: the expiry comes after {first_us}"
        line = self._line
        alone = line.consumers[0] if len(line.consumers) == 1 and not line.polls else None
        assert line.alone is alone, f"{self.name}: who is alone in line is wrong"
        if self._groups is not None:
            self._groups.check_invariants(self.in_flight)
        elif self._lanes is not None:
            self._lanes.check_invariants(self.visible, self.in_flight, self.delayed)
        else:
            lined_up = {m._sequence for m in self._fresh if m._state is _VISIBLE}
            lined_up |= {m._sequence for _, _, m in self._returned if m._state is _VISIBLE}
            assert len(lined_up) == self.visible, f"{self.name}: {self.visible} visible, {len(lined_up)} in line"

    # ---- moving between states

    def _use_lanes(self) -> None:
        """Let lanes have the visible messages, from now on: there are tenants, or shards."""
        shards = 1 if self._luck is None else self._luck.shards
        self._lanes = lanes = Lanes(
            self.clock,
            self.config,
            shards=shards,
            counts=lambda: (self.visible, self.in_flight, self.delayed),
            oldest=self._ages.oldest,
        )
        self._order = lanes
        for message in self.messages:
            lanes.arrive(message)
        self._fresh.clear()
        self._returned.clear()

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

    def _look_for_tenants(self) -> None:
        """See to it that a standard queue has lanes, now that a message with a group comes (SQS-310)."""
        if self._order is None and self.config.fair_queues != "off":
            self._use_lanes()

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

    # ---- waking who waits

    @contextmanager
    def _holding_wakes(self, *, in_c1: bool = False) -> Iterator[None]:
        """Let nobody in line receive before the call is complete, or before everything of C1 has happened (SQS-004)."""
        if self._is_waking:
            yield
            return
        self._is_waking = True
        try:
            yield
        finally:
            self._is_waking = self._wakes_again = False
            if not in_c1:
                self._wake()
            elif self.visible and self._line.is_watched:
                self.clock.soon(self._on_wake, None, Priority.WAKE.value)

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
            if luck is not None and luck.is_about_polls:
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
        if self._expiry is not None:  # it may be later than what comes next, though the queue is empty now
            self._expiry.cancel()
            self._expiry = None
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

    def _begin_run(self, size: int, now_us: int) -> None:
        """Take down the size of a send that differs from the one before."""
        self._note_sizes()
        self._size_run, self._size_times, self._size_at_us = size, 1, now_us
        if size > self.largest_body_bytes:
            self.largest_body_bytes = size

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
