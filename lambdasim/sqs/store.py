"""
How messages come to a queue, are received, and leave it.

**Order.** A receive takes from the two lines of a standard queue in order of rank (SQS-300), or from the order that
stands instead of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Final

from lambdasim.clock import Priority
from lambdasim.sqs.faults import Luck
from lambdasim.sqs.message import Arrival, Flight, Message, State
from lambdasim.sqs.records import (
    DELETED,
    DELIVERED,
    EXPIRED,
    KEPT,
    MOVED,
    PURGED,
    REDELIVERED,
    REDRIVEN,
    SENT,
)
from lambdasim.sqs.shelf import Shelf

_DELAYED: Final = State.DELAYED
_VISIBLE: Final = State.VISIBLE
_IN_FLIGHT: Final = State.IN_FLIGHT
_DELETED: Final = State.DELETED


class Store(Shelf):
    """What a queue is made of; `Queue` puts the operations of AWS on top."""

    # ---- coming

    def _send(self, body: str, size: int, delay_us: int, message: Message | None = None) -> Message:
        """Put a message in whose body, size and delay are known to be legal; *message* is one that carries more."""
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        if message is None:
            series = self._series
            number = series.last = series.last + 1
            message = Message(series, number, number, body, now_us, now_us)
        self.sent += 1
        if size == self._size_run:
            self._size_times += 1
        else:
            self._begin_run(size, now_us)
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
            alone = line.alone
            if alone is not None and not alone.waits and self._order is None and not self._is_waking:
                alone.notice_backlog()  # what `_wake` would come to
            elif line.consumers or line.polls:
                self._wake()
        return message

    def _send_all(self, bodies: Sequence[str]) -> list[Message]:
        """
        Put messages in that are known to be legal, all of ASCII: what `_send` does for each.

        For queues without a delay; the caller wakes who waits.
        """
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        series = self._series
        number = series.last
        messages = []
        for body in bodies:
            number += 1
            messages.append(Message(series, number, number, body, now_us, now_us))
        series.last = number
        count = len(messages)
        self.sent += count
        self.visible += count
        for size in map(len, bodies):
            if size == self._size_run:
                self._size_times += 1
            else:
                self._begin_run(size, now_us)
        if self._trace.active:
            for message in messages:
                self._trace.add((now_us, SENT, self, message))
        self._ages._by_age.extend(messages)
        if self._expiry is None:
            self._expiry = self.clock.timer(
                now_us + self._retention_us, self._on_expiry, priority=Priority.EXPIRY.value, background=True
            )
        if self._order is None:
            self._fresh.extend(messages)
        else:
            for message in messages:
                self._order.arrive(message)
        return messages

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
        self._begin_run(size, now_us)
        if self._trace.active:
            self._trace.add((now_us, SENT, self, message))
            self._trace.add((now_us, PURGED, self, message))
        return message

    # ---- being received

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
            timer = self._timer
            is_late = timer is None or flight.deadline_us < timer.at_us
            if is_late or (timer is not None and timer.background and not held and self._line.is_watched):
                self._retime()
        if exhausted:
            self._move(exhausted)
        if luck is not None and luck.duplicates and visibility_us:
            self._duplicate(luck, taken, now_us)
        return flight

    def _offer_again(self) -> None:
        """Let others in line have what was delivered and is visible at once, when this call is complete (SQS-208)."""
        if self.visible and self._line.is_watched:
            self.clock.soon(self._on_wake, None, Priority.WAKE.value)

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
        candidates: list[Message] = []
        window = max(1, luck.reorder_window)
        try:
            if window == 1:
                taken, exhausted = self._pull(limit, self._exhaustion, shards)
            while window > 1 and len(taken) < limit:
                candidates, _ = self._pull(window, None, shards)
                if not candidates:
                    break
                message = candidates.pop(luck.pick(candidates))
                self._put_back(candidates)
                candidates = []
                (exhausted if self._is_exhausted(message) else taken).append(message)
            kept = luck.keep(taken)
        except BaseException:  # whoever was asked failed, and nothing has happened
            self._put_back([*taken, *exhausted, *candidates])
            raise
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
        try:
            for message in messages:
                delay_us = luck.duplicate_delay_us(message)
                flight = message._flight
                if delay_us is None or flight is None or now_us + delay_us >= flight.deadline_us:
                    continue
                self._leave_flight(message)
                if delay_us:
                    self._fly(Flight(now_us + delay_us, [message], now_us, held=False))
                else:
                    self._make_visible(message)
        finally:  # whoever is asked may fail
            self._retime()

    # ---- leaving, and coming back

    def _move(self, messages: Sequence[Message]) -> None:
        """Move messages to the dead-letter queue, where whoever waits receives them at this instant (SQS-437)."""
        assert self._redrive is not None
        target, now_us = self._redrive.dead_letter_queue, self.clock.now_us
        for message in messages:
            self._remove(message, State.MOVED)
            self.moved += 1
            if self._trace.active:
                counts = message.queue_receive_count, self._redrive.max_receive_count
                self._trace.add((now_us, MOVED, self, message, target, *counts))
            target._take_in(message, self)
        self._ages.trim(self.visible + self.in_flight + self.delayed)
        target._wake()

    def _take_in(self, message: Message, source: Store) -> None:
        """Receive a message that a redrive policy moved here (SQS-433)."""
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        arrival = Arrival(source.arn, now_us, message.receive_count, self.arn)
        arrived = message._moved(self._series.next(), arrival)
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

    def _deliver_again(self, message: Message) -> None:
        """Let a message that is in flight, or was deleted, be visible now (SQS-278, SQS-306)."""
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
        is_plain = self._luck is None and message.receive_count == delivery
        if is_present:
            if is_plain or self._is_deletable(message, delivery):
                self._discard(message)
            elif self._trace.active:
                self._trace.add((self.clock.now_us, KEPT, self, message))
        return True

    def _is_deletable(self, message: Message, delivery: int) -> bool:
        """Return whether a delete that succeeds has an effect (SQS-273, SQS-274, SQS-278)."""
        luck = self._luck
        if message.receive_count != delivery and self.config.stale_delete == "ignore":
            return luck is not None and luck.deletes_stale(message)
        return luck is None or not luck.loses_delete(message)

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
        if self._on_deleted:
            self._tell_deleted(message)
        self._ages.trim(self.visible + self.in_flight + self.delayed)
        if self._timer is not None and not self._timer.background:
            self._relax()
        if self.visible and (makes_room or self._order is not None):
            self._wake()  # there is room again, or a group is no longer blocked (SQS-208, SQS-277)

    def _tell_deleted(self, message: Message) -> None:
        for callback in self._on_deleted:
            try:
                callback(message)
            except Exception as error:  # noqa: BLE001 - whatever it is, it leaves the run once the delete is done
                self.clock.raise_soon(error)

    def _revive(self, message: Message) -> None:
        """Put back a message that was deleted, as another object: the one that left stays what it was."""
        again = self._again[message._sequence] = message._copy()
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
        target._send(new.body, new.size_bytes, 0, new)

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
        self._again.clear()
        self._fresh.clear()
        self._returned.clear()
        self._ages.clear()
        if self._order is not None:
            self._order.clear()
        self._retime()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _chunks(self, messages: Sequence[Message]) -> int:
        """Return how many requests an answer with these messages is billed as (SQS-604)."""
        return self._requests_of(sum([message.size_bytes for message in messages]))

    def _requests_of(self, size_bytes: int) -> int:
        """Return how many requests a payload is billed as (SQS-604)."""
        return 1 if size_bytes <= self._chunk_bytes else -(-size_bytes // self._chunk_bytes)
