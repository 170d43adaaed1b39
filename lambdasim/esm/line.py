"""
Which receives of a mapping are open, in which order, and how many ended empty: arithmetic without clock or queue (§5).

**Receives in a row.** A receive that finds nothing ends after its wait, and its slot begins another at once. None of
this is simulated: the receives of a slot begin at first, first + wait, first + 2 × wait …, so that which of them is
open, and how many ended, are divisions. What ended is taken down (`Beats`) when a slot gets something or leaves.
Whoever asks in between gets that, and a division for each slot that is open.

**Order.** Slots that hold nothing stand in a heap by the start of their receive. A start in the heap may be that of a
receive that has ended since; `advance` brings those at the head up to now, and the others are later in any case. Slots
with an open batch stand by the end of their window. Where slots take turns (`PollModel.dispatch`), these stand in a
second heap by the start of their receive, too, whose entries are left behind when a slot leaves.

**Instants.** Time comes in as an argument. *ended_by_us* says up to when receives have ended that end by themselves:
that is now, or the microsecond before where those that end now are still open (C1 and C2).
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush, heapreplace
from typing import Final, Generic, TypeVar

from sortedcontainers import SortedList

from lambdasim.clock.meters import Beats

_SWEEP_MIN: Final = 64


class Asker:
    """Somebody whose receives stand in the line: what a slot is to it."""

    __slots__ = ("asked_number", "asked_us", "asks", "first_asked_us", "number", "waits_whole", "window_end_us")

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked_us = 0  # start of the open receive
        self.asked_number = 0  # its place among the receives that began at that instant
        self.first_asked_us = 0  # start of the first of the empty receives in a row
        self.asks = False  # whether a receive is open for the batch that it gathers
        self.waits_whole = False  # whether its window ends with a receive only (ESM-088)
        self.window_end_us = 0


A = TypeVar("A", bound=Asker)


class OpenReceives(Generic[A]):
    """
    The open receives of one mapping.

    Args:
        wait_us: From one receive to the next, if it is empty, with the time that it takes to return.
        quiet_wait_us: The same of a batch that waits as on a quiet queue (ESM-088).
        latency_us: How long a receive takes to return (ESM-092).
        takes_turns: Whether an open batch waits like the others, by the start of its receive (ESM-084).
    """

    __slots__ = (
        "_asking",
        "_beats",
        "_latency_us",
        "_past",
        "_takes_turns",
        "gathering",
        "least_wait_us",
        "quiet_wait_us",
        "wait_us",
        "waiting",
    )

    def __init__(self, wait_us: int, quiet_wait_us: int, latency_us: int = 0, *, takes_turns: bool = False) -> None:
        self.wait_us = wait_us
        self.quiet_wait_us = quiet_wait_us
        self.least_wait_us = min(wait_us, quiet_wait_us)
        self._latency_us = latency_us
        self._takes_turns = takes_turns
        self.waiting: list[tuple[int, int, A]] = []  #: hold nothing; a heap by start of the receive
        self.gathering: SortedList[tuple[int, int, A]] = SortedList()  #: have an open batch; by end of the window
        self._asking: list[tuple[int, int, A]] = []  # these by start of the receive, where slots take turns
        self._beats = Beats()
        self._past: list[Beats] = []  # on queues that are gone

    # ---- who comes and goes

    def begin(self, slot: A, now_us: int, number: int) -> None:
        """Let a slot that holds nothing receive from now on. Runtime: `O(log n)`."""
        slot.waits_whole = False
        slot.asked_us = slot.first_asked_us = now_us
        slot.asked_number = number
        heappush(self.waiting, (now_us, number, slot))

    def resume(self, slot: A) -> None:
        """Put a slot that holds nothing back, with the receive that it had."""
        heappush(self.waiting, (slot.asked_us, slot.asked_number, slot))

    def call(self, slot: A) -> None:
        """Take a slot that holds nothing out. Runtime: `O(log n)` for the first, `O(n)` for another."""
        waiting = self.waiting
        if waiting[0][2] is slot:
            heappop(waiting)
        else:
            waiting.remove((slot.asked_us, slot.asked_number, slot))
            heapify(waiting)

    def join(self, slot: A) -> None:
        """Let the receive of an open batch stand in line, or another one that it began. Runtime: `O(log n)`."""
        if not slot.asks:
            slot.asks = True
            self.gathering.add((slot.window_end_us, slot.number, slot))
        if self._takes_turns:
            asking = self._asking
            if len(asking) > 2 * len(self.gathering) + _SWEEP_MIN:
                asking[:] = [entry for entry in asking if _is_current(entry)]
                heapify(asking)
            heappush(asking, (slot.asked_us, slot.asked_number, slot))

    def leave(self, slot: A) -> None:
        """Take the receive of an open batch out, if it stands in line. Runtime: `O(log n)`."""
        if slot.asks:
            slot.asks = False
            self.gathering.remove((slot.window_end_us, slot.number, slot))

    def pop_ended(self, now_us: int) -> A | None:
        """Take out the slot whose receive ends empty now, if there is one at the head."""
        if self.waiting and self.waiting[0][0] + self.wait_us <= now_us:
            return heappop(self.waiting)[2]
        return None

    # ---- whose turn it is

    def wait_of(self, slot: A) -> int:
        """Return how long a slot waits from one receive to the next, if it is empty."""
        return self.quiet_wait_us if slot.waits_whole else self.wait_us

    def asked_us(self, slot: A, ended_by_us: int) -> int:
        """Return the start of the receive that is open for a batch."""
        wait_us = self.wait_of(slot)
        return slot.asked_us + max(0, ended_by_us - slot.asked_us) // wait_us * wait_us

    def advance(self, ended_by_us: int) -> None:
        """
        Let slots at the head whose receives ended empty begin others.

        Runtime: `O(log n)` for each slot whose receive ended.
        """
        waiting, wait_us = self.waiting, self.wait_us
        while waiting and waiting[0][0] + wait_us <= ended_by_us:
            asked_us, number, slot = waiting[0]
            slot.asked_us = asked_us + (ended_by_us - asked_us) // wait_us * wait_us
            heapreplace(waiting, (slot.asked_us, number, slot))

    def since(self, ended_by_us: int) -> tuple[int, int] | None:
        """Return the start of the receive that has been open longest (instant, and number among those of it)."""
        self.advance(ended_by_us)
        starts = [self.waiting[0][:2]] if self.waiting else []
        starts += [(self.asked_us(slot, ended_by_us), slot.asked_number) for _, _, slot in self.gathering]
        return min(starts, default=None)

    def in_order(self, ended_by_us: int) -> list[A]:
        """Return all slots in the order in which they receive (ESM-083, ESM-084)."""
        slots = [slot for _, _, slot in self.gathering]
        slots += [slot for _, _, slot in sorted(self.waiting, key=lambda entry: entry[:2])]
        if self._takes_turns:
            slots.sort(key=lambda slot: (self.asked_us(slot, ended_by_us), slot.asked_number))
        return slots

    def longest(self, ended_by_us: int) -> A:
        """Return the slot whose receive has been open longest, where slots take turns. Runtime: `O(log n)`."""
        waiting, asking = self.waiting, self._asking
        while asking:
            asked_us, number, slot = asking[0]
            current_us = self.asked_us(slot, ended_by_us)
            if not _is_current(asking[0]):
                heappop(asking)
            elif current_us > asked_us:
                heapreplace(asking, (current_us, number, slot))
            elif waiting and waiting[0][:2] < (asked_us, number):
                break
            else:
                return slot
        return waiting[0][2]

    def returns_in_time(self, slot: A, ended_by_us: int) -> bool:
        """Return whether the open receive of a slot may bring what is there: it is not on its way back (ESM-092)."""
        wait_us = self.wait_of(slot)
        return max(0, ended_by_us - slot.first_asked_us) % wait_us < wait_us - self._latency_us

    # ---- what ended empty

    def settle(self, slot: A, ended_by_us: int) -> None:
        """Take down the receives of a slot that ended empty before the one that is open."""
        wait_us = self.wait_of(slot)
        times = (ended_by_us - slot.first_asked_us) // wait_us
        if times > 0:
            self._beats.add(slot.first_asked_us + wait_us, wait_us, times)

    def catch(self, slot: A, ended_by_us: int) -> None:
        """
        Let the receive of a slot be the one that brings what is there; those before ended empty (ESM-092).

        One that is on its way back without a message is over, too: the one after it brings the message.
        """
        wait_us = self.wait_of(slot)
        times = max(0, ended_by_us - slot.first_asked_us) // wait_us
        asked_us = slot.first_asked_us + times * wait_us
        if ended_by_us - asked_us >= wait_us - self._latency_us:
            times += 1
            asked_us += wait_us
        if times:
            self._beats.add(slot.first_asked_us + wait_us, wait_us, times)
        slot.asked_us = slot.first_asked_us = asked_us

    def end_with_window(self, slot: A, now_us: int) -> None:
        """Take down the receives of a batch whose window ends now: so does the last of them, empty."""
        wait_us = self.wait_of(slot)
        times = -(-(now_us - slot.first_asked_us) // wait_us)
        if times > 1:
            self._beats.add(slot.first_asked_us + wait_us, wait_us, times - 1)
        if times:
            self._beats.add(now_us, wait_us, 1)

    def end_empty(self, now_us: int) -> None:
        """Take down one receive that ends empty now."""
        self._beats.add(now_us, 1, 1)

    def enter_queue(self) -> None:
        """Count from 0 for the queue that is read from now on."""
        self._past.append(self._beats)
        self._beats = Beats()

    def count_empty(self, ended_by_us: int) -> int:
        """Return how many receives from the queue have ended empty (ESM-082, ESM-290). Runtime: `O(slots)`."""
        return self._beats.total + sum(times for _, _, times in self._open_beats(ended_by_us))

    def count_past_empty(self) -> int:
        """Return how many there were on queues that are gone."""
        return sum(beats.total for beats in self._past)

    def empty_by_minute(self, ended_by_us: int) -> dict[int, int]:
        """Return the empty receives from the queue by the minute in which each ended. Runtime: `O(minutes)`."""
        return self._beats.minutes(self._open_beats(ended_by_us))

    def past_empty_by_minute(self) -> Iterator[dict[int, int]]:
        """Yield those on each queue that is gone."""
        return (beats.minutes(()) for beats in self._past)

    def _open_beats(self, ended_by_us: int) -> Iterator[tuple[int, int, int]]:
        for _, _, slot in (*self.waiting, *self.gathering):
            wait_us = self.wait_of(slot)
            times = max(0, ended_by_us - slot.first_asked_us) // wait_us
            yield slot.first_asked_us + wait_us, wait_us, times


def _is_current(entry: tuple[int, int, Asker]) -> bool:
    """Return whether an entry of the line of open batches is of the receive that is open now."""
    return entry[2].asks and entry[2].asked_number == entry[1]
