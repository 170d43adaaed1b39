"""
What becomes of what a receive returned: it is filtered, and gathered to a batch until that is closed (ESM §5 and §12).

What makes a batch full is settled in `slots`, when its window ends in `batching`, what a filter lets through in
`lambdasim.filtering`. Here stand the timers, and what is done with records that are in no batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lambdasim.clock import Priority
from lambdasim.esm.limits import BatchWindowModel
from lambdasim.esm.machine import Phase
from lambdasim.esm.slots import Fill, SlotState

if TYPE_CHECKING:
    from lambdasim.esm.faults import EsmLuck
    from lambdasim.esm.pollers import Pollers
    from lambdasim.esm.slots import Slot
    from lambdasim.filtering import Filters
    from lambdasim.sqs import Flight, Message

_RESULT: Final = Priority.RESULT.value


class Gatherer:
    """Fills the batches of one mapping."""

    def __init__(self, pollers: Pollers, window: BatchWindowModel, luck: EsmLuck | None) -> None:
        self._pollers = pollers
        self._clock = pollers.clock
        self._line = pollers.line
        self._machine = pollers.machine
        self._fleet = pollers.fleet
        self._counts = pollers.counts
        self._ledger = pollers.counts.ledger
        self._window = window
        self._luck = luck
        self._filters: Filters | None = None

    def use_filters(self, filters: Filters) -> None:
        """Let these decide about what is received from now on."""
        self._filters = filters or None
        self._counts.filtering.turn(self._clock.now_us, on=bool(filters))

    def take(self, slot: Slot, flight: Flight) -> bool:
        """Put what a receive returned into the batch of a slot; return whether the batch is closed."""
        now_us = self._clock.now_us
        if now_us >= self._ledger.border_us:
            self._ledger.turn(now_us)
        messages = flight.messages
        if slot.poller is not None:
            slot.poller.returned(now_us, sum([message.size_bytes for message in messages]))
        count, counts, machine = len(messages), self._counts, self._machine
        counts.polled += count
        counts.held += count
        if machine.phase is Phase.IDLE:
            machine.become_active(now_us)
        if machine.is_eager:
            machine.note_receive(now_us)
        if self._luck is not None and self._luck.loses_poller("after a receive", flight.messages):
            if slot.state is SlotState.GATHERING:
                self.stop(slot)
            counts.held -= count
            self._pollers.queue.let_go((flight,))
            self._pollers.lose(slot)
            return False
        receive_counts = [message.receive_count for message in messages]
        if slot.state is not SlotState.GATHERING:
            slot.terms = self._pollers.terms
        if self._filters is not None:
            return self._take_accepted(self._filters, slot, flight, receive_counts, now_us)
        return self._put(slot, flight, messages, receive_counts, now_us)

    def take_left_over(self, slot: Slot) -> bool:
        """Begin the next batch with what was beyond the payload limit of the last; return whether it is closed."""
        left_over, slot.left_over = slot.left_over, []
        if slot.terms.queue is self._pollers.queue:
            slot.terms = self._pollers.terms
        closed = False
        for flight, messages, receive_counts in left_over:
            room = 0 if closed else slot.room  # for fewer than before, maybe (ESM-052)
            if room:
                closed = self._add(slot, flight, messages[:room], receive_counts[:room], self._clock.now_us)
            if len(messages) > room:
                slot.left_over.append((flight, messages[room:], receive_counts[room:]))
        return closed

    def _take_accepted(
        self, filters: Filters, slot: Slot, flight: Flight, receive_counts: list[int], now_us: int
    ) -> bool:
        """Put what a filter accepts into the batch, and delete the rest (ESM-230); return whether it is closed."""
        kept: list[tuple[Message, int]] = []
        rejected: list[tuple[Message, int]] = []
        for pair in zip(flight.messages, receive_counts, strict=True):
            (record,) = slot.terms.events.event(pair[:1], pair[1:])["Records"]
            (kept if filters.accepts(record) else rejected).append(pair)
        if not rejected:
            return self._put(slot, flight, flight.messages, receive_counts, now_us)
        self._counts.filtered += len(rejected)
        self._counts.held -= len(rejected)
        closed = False
        if kept:
            closed = self._put(slot, flight, [message for message, _ in kept], [count for _, count in kept], now_us)
        elif slot.state is SlotState.GATHERING:
            self._pollers.ask(slot)  # it got nothing that it may keep (ESM-231)
        # The batch comes first: what a delete makes visible may be received before the call returns.
        queue = self._pollers.queue
        queue.delete_batch([message for message, _ in rejected], [count for _, count in rejected])
        if not kept and flight.live:
            queue.let_go((flight,))  # a delete was lost
        return closed

    def _put(self, slot: Slot, flight: Flight, messages: list[Message], receive_counts: list[int], now_us: int) -> bool:
        """Put deliveries into the batch of a slot; return whether it is closed."""
        if slot.terms.window_us or self._pollers.queue.largest_body_bytes > slot.terms.sure_bytes:
            return self._add(slot, flight, messages, receive_counts, now_us)
        slot.hold(flight, messages, receive_counts)
        if slot.poller is not None:
            self._fleet.begin_batch(slot)
        return True

    def _add(self, slot: Slot, flight: Flight, messages: list[Message], receive_counts: list[int], now_us: int) -> bool:
        """Add deliveries to a batch, up to the payload limit; return whether it is closed."""
        is_cut = False
        if self._pollers.queue.largest_body_bytes > slot.terms.sure_bytes:
            messages, receive_counts, is_cut, oversized = slot.fit(flight, messages, receive_counts)
            if oversized:
                self._fail_oversized(flight, oversized)
        fill = slot.add(flight, messages, receive_counts, now_us, is_cut=is_cut)
        if fill is Fill.NOTHING:
            return False
        if slot.poller is not None and slot.busy_in is None:
            self._fleet.begin_batch(slot)
        if fill is Fill.CLOSED:
            if slot.state is SlotState.GATHERING:
                self.stop(slot)
            slot.state = SlotState.INVOKING
            return True
        if fill is Fill.OPENED:
            is_quiet = self._window.mode == "low_traffic_20s" or (
                self._luck is not None and self._luck.waits_as_on_quiet_queue(flight.messages)
            )
            slot.open_window(now_us, self._window, waits_whole=is_quiet)
            self._time_window(slot, now_us + self._line.quiet_wait_us if is_quiet else slot.window_end_us)
        elif slot.waits_whole:  # a new receive, which waits as long as one does
            self._time_window(slot, now_us + self._line.quiet_wait_us)
        self._pollers.ask(slot)
        return False

    def _fail_oversized(self, flight: Flight, count: int) -> None:
        """Count records that are too large for any event as failed invocations (ESM-090)."""
        self._counts.failed += count
        self._counts.held -= count
        self._pollers.queue.let_go((flight,))

    # ---- the window

    def _time_window(self, slot: Slot, ends_us: int) -> None:
        if slot.window_timer is not None:
            slot.window_timer.cancel()
        slot.window_timer = self._clock.timer(ends_us, self._on_window_end, slot, priority=_RESULT)

    def _on_window_end(self, slot: Slot) -> None:
        """Close a batch whose window is over (C4); where it waits for whole receives one may end before that."""
        slot.window_timer = None
        now_us = self._clock.now_us
        if slot.waits_whole and now_us < slot.window_end_us:
            self._time_window(slot, now_us + self._line.quiet_wait_us)
        else:
            self._pollers.close(slot)

    def stop(self, slot: Slot) -> None:
        """Take a slot out of the line of open batches; the receive that was open for it ends, empty or not at all."""
        if not slot.asks:
            if slot.called and slot.window_timer is None:  # what is on its way back ends with the window, too
                self._line.end_empty(self._clock.now_us)
            self._pollers.pauses.end(slot)
            if slot.window_timer is not None:
                slot.window_timer.cancel()
                slot.window_timer = None
            return
        now_us = self._clock.now_us
        if slot.poller is not None:
            slot.poller.settle(now_us - 1)  # what ends now is the last one
        self._pollers.leave_line(slot)
        if slot.window_timer is None:  # the window ended: so did its last receive, empty, at this instant
            self._line.end_with_window(slot, now_us)
        else:
            slot.window_timer.cancel()
            slot.window_timer = None
