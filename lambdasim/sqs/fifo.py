"""
The order of a FIFO queue: groups, whose messages come one after the other, and which group is next.

**A group** is a chain of its messages in the order of their acceptance; its head is the oldest. What may be received is
the run from the head to the first message that is in flight or delayed, so a group whose head is not visible gives
nothing, however long it is, and costs nothing.

**Which group.** Groups whose head is visible stand in a heap by the time at which the head became visible, then by its
sequence (SQS-324). Entries are not searched for: one whose head has changed or is no longer visible is dropped at the
top. A message keeps the time at which it last became visible in its rank.

**The scan window.** Only groups whose head is among the first messages of the queue take part (SQS-331). While there
are more messages than that, the places of those behind the border are kept, and groups whose head is there wait in a
heap of their own.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, cast

from lambdasim.sqs.message import FifoMessage, Message, State

_VISIBLE: Final = State.VISIBLE
_DELAYED: Final = State.DELAYED
_SWEEP_MIN: Final = 64


class Group:
    """The messages of one group that are in the queue: a chain from the oldest to the newest."""

    __slots__ = ("head", "in_flight", "name", "tail")

    def __init__(self, name: str) -> None:
        self.name = name
        self.head: FifoMessage | None = None
        self.tail: FifoMessage | None = None
        self.in_flight = 0

    def __iter__(self) -> Iterator[FifoMessage]:
        """Yield the messages from the head on."""
        message = self.head
        while message is not None:
            yield message
            message = message._after


class ScanWindow:
    """
    Which messages of a queue are among the first: those that a receive looks at (SQS-331).

    Places come in order of arrival, so a message that is one too many stands behind all others, and the first of those
    behind moves up when one in front leaves: nothing is sorted, unless a place comes out of order.
    """

    __slots__ = ("_behind", "_border", "_gone", "_highest", "_within", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._within = 0  # messages that are looked at
        self._behind: deque[int] = deque()  # places of the others, in order; the first is one that is there
        self._gone: set[int] = set()  # places among those whose messages have left
        self._border = -1  # while there are others: none of them is before it, and none of the first is behind it
        self._highest = -1  # place that ever came

    def add(self, place: int, everything: Callable[[], Iterator[int]]) -> None:
        """
        Take in a message; *everything* yields the places of all, this one included.

        Runtime: `O(1)`; up to `O(n log n)` for one that comes after others that were sent later, where not all are
        looked at: delayed messages beside those that a move brought.
        """
        is_last = place > self._highest
        if is_last:
            self._highest = place
        if self._within < self.size:
            self._within += 1
        elif is_last:
            if not self._behind:
                self._border = place - 1
            self._behind.append(place)
        elif self._behind and place > self._border:
            insort(self._behind, place)
        else:
            places = sorted(everything())
            self._behind = deque(places[self.size :])
            self._gone.clear()
            self._border = places[self.size - 1]

    def remove(self, place: int) -> None:
        """Let a message go. Runtime: `O(1)` amortised."""
        behind, gone = self._behind, self._gone
        if not behind:
            self._within -= 1
        elif place > self._border:
            gone.add(place)
        else:
            self._border = behind.popleft()
        while behind and behind[0] in gone:
            gone.remove(behind.popleft())

    def border(self) -> int | None:
        """Return a place up to which messages are looked at, and behind which they are not; None: all are."""
        return self._border if self._behind else None


class Groups:
    """
    The groups of one FIFO queue; see `lambdasim.sqs.order.Order`.

    Rules: SQS-320 to SQS-331.
    """

    __slots__ = ("_by_place", "_eligible", "_groups", "_leaving", "_parked", "_window", "groups_in_flight")

    def __init__(self, scan_window: int) -> None:
        self._groups: dict[str, Group] = {}
        self._eligible: list[tuple[int, int, Group]] = []
        self._parked: list[tuple[int, Group]] = []  # behind the scan window, by the place of the head
        self._by_place: list[tuple[int, Group]] | None = None  # the same as eligible, while move tasks ask for it
        self._window = ScanWindow(scan_window)
        self._leaving: set[int] = set()  # places of messages that a receive is about to move away
        self.groups_in_flight = 0  #: groups with a message in flight (SQS-601)

    # ---- coming and going

    def arrive(self, message: Message) -> None:
        """Put a message at the end of its group."""
        message = cast("FifoMessage", message)
        name = cast("str", message._group_id)
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = Group(name)
        message._group_id = group.name  # one text for all of a group
        tail = group.tail
        group.tail = message
        if tail is None:
            group.head = message
        else:
            tail._after = message
            message._before = tail
        if message._state is not _DELAYED:
            self._window.add(message._sequence, self._places)
            if tail is None:
                self._offer(group)

    def ready(self, message: Message) -> None:
        """Offer the group again, if this message is its head. The store has put the instant into its rank."""
        message = cast("FifoMessage", message)
        if not message.queue_receive_count:
            self._window.add(message._sequence, self._places)  # its delay is over
        group = self._groups[cast("str", message._group_id)]
        if group.head is message:
            self._offer(group)

    def leave(self, message: Message) -> None:
        """Take a message out of its chain; the next one may be the head now."""
        message = cast("FifoMessage", message)
        group = self._groups[cast("str", message._group_id)]
        before, after = message._before, message._after
        message._before = message._after = None
        if message._sequence in self._leaving:
            self._leaving.remove(message._sequence)
        elif message._state is not _DELAYED:
            self._window.remove(message._sequence)
        if after is None:
            group.tail = before
        else:
            after._before = before
        if before is not None:
            before._after = after
        elif after is None:
            group.head = None
            del self._groups[group.name]
        else:
            group.head = after
            self._offer(group)

    def fly(self, messages: Sequence[Message]) -> None:
        """Count the messages in flight of their groups."""
        for message in messages:
            group = self._groups[cast("str", message.message_group_id)]
            group.in_flight += 1
            if group.in_flight == 1:
                self.groups_in_flight += 1

    def land(self, message: Message) -> None:
        """Count a message out."""
        group = self._groups[cast("str", message.message_group_id)]
        group.in_flight -= 1
        if not group.in_flight:
            self.groups_in_flight -= 1

    def clear(self) -> None:
        """Forget everything, and unchain the messages."""
        for group in self._groups.values():
            for message in list(group):
                message._before = message._after = None
        self._groups.clear()
        self._eligible.clear()
        self._parked.clear()
        self._by_place = None
        self._window = ScanWindow(self._window.size)
        self.groups_in_flight = 0

    # ---- which is next

    def _offer(self, group: Group) -> None:
        """Put a group in line if its head is visible."""
        head = group.head
        if head is None or head._state is not _VISIBLE:
            return
        eligible = self._eligible
        if len(eligible) > 2 * len(self._groups) + _SWEEP_MIN:
            eligible[:] = [entry for entry in eligible if _is_current(entry)]
            heapify(eligible)
        heappush(eligible, (head._rank_us, head._sequence, group))
        by_place = self._by_place
        if by_place is not None:
            if len(by_place) > 2 * len(self._groups) + _SWEEP_MIN:
                heads = {group.name: group for _, group in by_place if group.head is not None}
                by_place[:] = [(group.head._sequence, group) for group in heads.values() if group.head is not None]
                heapify(by_place)
            heappush(by_place, (head._sequence, group))

    def _next(self) -> Group | None:
        """Return the group that is next, which stays in line. Runtime: `O(log n)` amortised."""
        eligible, parked = self._eligible, self._parked
        border = self._window.border()
        while parked and (border is None or parked[0][0] <= border):
            place, group = heappop(parked)
            if group.head is not None and group.head._sequence == place:
                self._offer(group)
        while eligible:
            entry = eligible[0]
            if not _is_current(entry):
                heappop(eligible)
            elif border is not None and entry[1] > border:
                heappop(eligible)
                heappush(parked, entry[1:])
            else:
                return entry[2]
        return None

    def has_some(self) -> bool:
        """Return whether some group has a visible head within the scan window."""
        return self._next() is not None

    def pull(
        self,
        limit: int,
        is_exhausted: Callable[[Message], bool] | None,
        shards: tuple[int, ...] | None,
    ) -> tuple[list[Message], list[Message]]:
        """Take the runs of the next groups, as much of each as there is room for (SQS-322, SQS-323)."""
        del shards  # short polls of FIFO queues see everything
        taken: list[Message] = []
        exhausted: list[Message] = []
        while limit:
            group = self._next()
            if group is None:
                break
            heappop(self._eligible)
            message = group.head
            while message is not None and message._state is _VISIBLE and limit:
                if is_exhausted is not None and is_exhausted(message):
                    exhausted.append(message)
                    self._window.remove(message._sequence)  # makes room at once
                    self._leaving.add(message._sequence)
                else:
                    taken.append(message)
                    limit -= 1
                message = message._after
        return taken, exhausted

    def put_back(self, messages: Sequence[Message]) -> None:
        """Offer the groups again of which nothing was taken."""
        for message in messages:
            group = self._groups[cast("str", message.message_group_id)]
            if group.head is message:
                self._offer(group)

    def first(self) -> Message | None:
        """Return the visible head of a group with the lowest place. Runtime: `O(log n)` amortised, `O(n)` at first."""
        if self._by_place is None:
            groups = (group for group in self._groups.values() if group.head is not None)
            self._by_place = [(group.head._sequence, group) for group in groups if group.head is not None]
            heapify(self._by_place)
        by_place = self._by_place
        while by_place:
            place, group = by_place[0]
            head = group.head
            if head is not None and head._sequence == place and head._state is _VISIBLE:
                return head
            heappop(by_place)
        return None

    def forget_places(self) -> None:
        """Keep no line by place any more: no move task is at work."""
        self._by_place = None

    # ---- looking

    def receivable(self, is_exhausted: Callable[[Message], bool] | None) -> int:
        """Return how many messages receives without end would return now (ESM-003). Runtime: `O(n)` in these."""
        border = self._window.border()
        count = 0
        for group in self._groups.values():
            if border is not None and group.head is not None and group.head._sequence > border:
                continue
            for message in group:
                if message._state is not _VISIBLE:
                    break
                count += is_exhausted is None or not is_exhausted(message)
        return count

    def has_receivable(self, is_exhausted: Callable[[Message], bool] | None) -> bool:
        """Return whether a receive would return anything; mostly the first message tells."""
        group = self._next()
        if group is None:
            return False
        if is_exhausted is None or not is_exhausted(cast("FifoMessage", group.head)):
            return True
        return self.receivable(is_exhausted) > 0

    def check_invariants(self, in_flight: int) -> None:
        """Assert that chains, heaps and counts agree. Runtime: `O(n)`."""
        offered = {entry[2].name for entry in self._eligible if _is_current(entry)}
        offered |= {group.name for place, group in self._parked if group.head and group.head._sequence == place}
        flying = 0
        for name, group in self._groups.items():
            messages = list(group)
            places = [message._sequence for message in messages]
            assert messages, f"group {name} is empty and still there"
            assert places == sorted(places), f"group {name} is out of order: {places}"
            assert group.tail is messages[-1], f"group {name}: the tail is not the last"
            assert group.in_flight == sum(message._state is State.IN_FLIGHT for message in messages)
            flying += bool(group.in_flight)
            if messages[0]._state is _VISIBLE:
                assert name in offered, f"group {name} has a visible head and is not in line"
        assert flying == self.groups_in_flight, f"{self.groups_in_flight} groups in flight by count, {flying} there"
        assert sum(group.in_flight for group in self._groups.values()) == in_flight

    def _places(self) -> Iterator[int]:
        for group in self._groups.values():
            for message in group:
                if message._state is not _DELAYED:
                    yield message._sequence


def _is_current(entry: tuple[int, int, Group]) -> bool:
    rank_us, place, group = entry
    head = group.head
    return head is not None and head._sequence == place and head._state is _VISIBLE and head._rank_us == rank_us
