"""
The order of a standard queue whose messages are not all alike: tenants of a fair queue, and servers of short polls.

**Lanes.** Visible messages stand in lanes, one for each tenant and shard; a lane is a line, and beside it a heap by
rank of those that do not belong behind all others. A heap of the fronts of all lanes gives the order of the queue, and
lets a receive pass over the lanes that it does not see, or that belong to a noisy tenant, without looking at what
stands in them.

**Tenants.** The messages of one group are a tenant; those without a group are all alike and never noisy (SQS-314). A
tenant is noisy by the shares that hold at the start of a receive; no flag is kept (SQS-313). More than a tenth of
anything can be had by nine at most, so the few with the most messages in flight are all that need be looked at.

**Processing time** (SQS-311 b) is the number of messages in flight, summed over the window; its steps are kept only
where the configuration asks for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from sortedcontainers import SortedList

from lambdasim.clock import Clock
from lambdasim.sqs.limits import (
    NOISY_IN_FLIGHT_MIN,
    NOISY_SEND_MEMORY_S,
    NOISY_SHARE_PERCENT,
    SqsConfig,
)
from lambdasim.sqs.message import Message, State
from lambdasim.units import MICROSECONDS, MINUTE_US

_VISIBLE: Final = State.VISIBLE
_DELAYED: Final = State.DELAYED
_PRESENT: Final = (State.DELAYED, State.VISIBLE, State.IN_FLIGHT)
_NO_TENANT: Final = ""  # no group can have this name
_SWEEP_MIN: Final = 64
_SEND_MEMORY_US: Final = NOISY_SEND_MEMORY_S * MICROSECONDS


class Quiet(NamedTuple):
    """What the metrics of a fair queue say at the end of a minute (SQS-601)."""

    noisy_groups: int
    visible: int
    in_flight: int
    delayed: int
    oldest_entered_at_us: int  # -1: there is none


class Flown:
    """How many messages of a tenant were in flight when, as far back as the window goes."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: deque[tuple[int, int, int]] = deque()  # since when, how many, their time in flight up to then

    def change(self, now_us: int, count: int, window_us: int) -> None:
        """Take down that so many are in flight from now on."""
        steps = self._steps
        total = self._until(now_us)
        if steps and steps[-1][0] == now_us:
            steps.pop()
        steps.append((now_us, count, total))
        while len(steps) > 1 and steps[1][0] <= now_us - window_us:
            steps.popleft()

    def time_us(self, at_us: int, window_us: int) -> int:
        """
        Return the time in flight, of all messages together, in the window that ends at *at_us*.

        Nothing has changed since then. Runtime: `O(1)` amortised: what lies before the window goes at the next change.
        """
        if not self._steps:
            return 0
        begin_us, before = at_us - window_us, self._steps[0][2]
        for since_us, count, total in self._steps:
            if since_us > begin_us:
                break
            before = total + count * (begin_us - since_us)
        return self._until(at_us) - before

    def _until(self, at_us: int) -> int:
        if not self._steps:
            return 0
        since_us, count, total = self._steps[-1]
        return total + count * (at_us - since_us)


class Tenant:
    """The messages of one group, in numbers."""

    __slots__ = ("by_age", "delayed", "flown", "in_flight", "lanes", "name", "number", "sent_at_us", "visible")

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.visible = 0
        self.in_flight = 0
        self.delayed = 0
        self.sent_at_us = -_SEND_MEMORY_US  # of the newest; a redrive policy's move is no send
        self.by_age: deque[Message] = deque()
        self.lanes: dict[int, Lane] = {}
        self.flown = Flown()

    @property
    def total(self) -> int:
        """Messages in the queue."""
        return self.visible + self.in_flight + self.delayed

    def oldest(self, left_out_after: int | None) -> Message | None:
        """Return the oldest message that the age metric counts. Runtime: `O(1)` amortised."""
        by_age = self.by_age
        while by_age:
            message = by_age[0]
            is_counted = left_out_after is None or message.queue_receive_count < left_out_after
            if message._state in _PRESENT and is_counted:
                return message
            by_age.popleft()
        return None


class Lane:
    """The visible messages of one tenant on one shard, by rank. Those that left are dropped when they come first."""

    __slots__ = ("front", "line", "others", "shard", "tenant")

    def __init__(self, tenant: Tenant, shard: int) -> None:
        self.tenant = tenant
        self.shard = shard
        self.line: deque[Message] = deque()
        self.others: list[tuple[int, int, Message]] = []  # a heap: they came back, or their delay is over
        self.front: tuple[int, int] | None = None  # rank and place of the first message

    def add(self, message: Message) -> None:
        """Put a message where it belongs."""
        line, rank_us, place = self.line, message._rank_us, message._sequence
        if not line or (line[-1]._rank_us, line[-1]._sequence) < (rank_us, place):
            line.append(message)
        else:
            heappush(self.others, (rank_us, place, message))

    def first(self) -> Message | None:
        """Return the first message. Runtime: `O(1)` amortised for those in line, else `O(log n)`."""
        line, others = self.line, self.others
        while line and line[0]._state is not _VISIBLE:
            line.popleft()
        while others and not (others[0][2]._state is _VISIBLE and others[0][2]._rank_us == others[0][0]):
            heappop(others)
        if others and not (line and (line[0]._rank_us, line[0]._sequence) < others[0][:2]):
            return others[0][2]
        return line[0] if line else None

    def pop(self) -> Message:
        """Take the first message out; it was just looked at."""
        others = self.others
        if others and others[0][:2] == self.front:
            return heappop(others)[2]
        return self.line.popleft()

    def __iter__(self) -> Iterator[Message]:
        """Yield what is visible, in no order."""
        yield from (message for message in self.line if message._state is _VISIBLE)
        for rank_us, _, message in self.others:
            if message._state is _VISIBLE and message._rank_us == rank_us:
                yield message


class Lanes:
    """
    The order of one standard queue; see `lambdasim.sqs.order.Order`.

    Args:
        clock: Of the queue.
        config: Its configuration.
        shards: On how many servers messages lie.
        counts: Returns how many messages of the queue are visible, in flight and delayed.
        oldest: Returns the oldest message that the age metric counts.

    Rules: SQS-215, SQS-300, SQS-310 to SQS-314.
    """

    __slots__ = (
        "_busy",
        "_clock",
        "_counts",
        "_empty",
        "_fronts",
        "_grouped_at_us",
        "_is_both",
        "_is_fair",
        "_large",
        "_left_out_after",
        "_oldest",
        "_rows",
        "_rows_until_us",
        "_shards",
        "_tenants",
        "_tenants_made",
        "_total_flown",
        "_window_us",
        "in_flight",
    )

    def __init__(
        self,
        clock: Clock,
        config: SqsConfig,
        *,
        shards: int,
        counts: Callable[[], tuple[int, int, int]],
        oldest: Callable[[], Message | None],
    ) -> None:
        self._clock = clock
        self._counts = counts
        self._oldest = oldest
        self._shards = shards
        self._is_fair = is_fair = config.fair_queues != "off"
        self._is_both = is_fair and config.fair_queues == "both"
        self._window_us = config.fair_window_s * MICROSECONDS
        self._left_out_after = config.requeue_to_back_after
        self._tenants: dict[str, Tenant] = {}
        self._tenants_made = 0
        self._empty: deque[tuple[int, Tenant]] = deque()  # since when; kept for their share of the processing time
        self._fronts: list[tuple[int, int, Lane]] = []  # a heap; what is no front any more goes when it comes first
        self._large: SortedList[tuple[int, int, Tenant]] = SortedList()  # with enough in flight, by how many
        self.in_flight = 0
        self._total_flown = Flown()
        self._busy: dict[str, Tenant] = {}  # tenants with messages in flight within the window
        self._grouped_at_us = -_SEND_MEMORY_US  # when a message of a group was sent last
        self._rows: list[tuple[int, Quiet]] = []  # end of a minute, what holds from there on
        self._rows_until_us = clock.now_us // MINUTE_US * MINUTE_US + MINUTE_US

    # ---- coming and going

    def arrive(self, message: Message) -> None:
        """Take a message in, visible or delayed."""
        name = message.message_group_id or _NO_TENANT
        tenant = self._tenants.get(name)
        if tenant is None:
            self._tenants_made += 1
            tenant = self._tenants[name] = Tenant(name, self._tenants_made)
        if message._arrival is None:
            tenant.sent_at_us = max(tenant.sent_at_us, message.sent_at_us)
            if name:
                self._grouped_at_us = max(self._grouped_at_us, message.sent_at_us)
        by_age = tenant.by_age
        by_age.append(message)
        if len(by_age) > 1 and by_age[-2]._sequence > message._sequence:  # it was here before
            tenant.by_age = deque(sorted(by_age, key=lambda other: other._sequence))
        if message._state is _DELAYED:
            tenant.delayed += 1
        elif message._state is _VISIBLE:
            tenant.visible += 1
            self._line_up(tenant, message)
        else:  # it was in flight when the queue got its lanes
            self._change_in_flight(tenant, 1)

    def ready(self, message: Message) -> None:
        """Line a message up whose delay is over, or that came back."""
        tenant = self._tenant_of(message)
        if not message.queue_receive_count:
            tenant.delayed -= 1
            tenant.visible += 1
        self._line_up(tenant, message)

    def fly(self, messages: Sequence[Message]) -> None:
        """Count messages in flight that were visible."""
        counts: dict[str, int] = {}
        for message in messages:
            name = message.message_group_id or _NO_TENANT
            counts[name] = counts.get(name, 0) + 1
        for name, count in counts.items():
            tenant = self._tenants[name]
            tenant.visible -= count
            self._change_in_flight(tenant, count)

    def land(self, message: Message) -> None:
        """Count a message among the visible again, which it is, or which it leaves from."""
        tenant = self._tenant_of(message)
        tenant.visible += 1
        self._change_in_flight(tenant, -1)

    def leave(self, message: Message) -> None:
        """Let a message go; the lane drops it when it comes to the front."""
        tenant = self._tenant_of(message)
        if message._state is _DELAYED:
            tenant.delayed -= 1
        else:
            tenant.visible -= 1
            lane = tenant.lanes.get(message._sequence % self._shards)
            if lane is not None and lane.front == (message._rank_us, message._sequence):
                lane.pop()
                self._renew_front(lane)
        by_age = tenant.by_age
        while by_age and (by_age[0] is message or by_age[0]._state not in _PRESENT):
            by_age.popleft()
        if not tenant.total:
            self._forget(tenant)
        elif len(by_age) > 2 * tenant.total + 64:
            living = [other for other in by_age if other is not message and other._state in _PRESENT]
            by_age.clear()
            by_age.extend(living)

    def clear(self) -> None:
        """Forget all messages."""
        self._tenants.clear()
        self._empty.clear()
        self._busy.clear()
        self._fronts.clear()
        self._large.clear()
        self._change_total(-self.in_flight)

    def _tenant_of(self, message: Message) -> Tenant:
        return self._tenants[message.message_group_id or _NO_TENANT]

    def _forget(self, tenant: Tenant) -> None:
        """Drop a tenant without messages; one that was busy not long ago keeps its share of the processing time."""
        if not self._is_both:
            del self._tenants[tenant.name]
            return
        now_us, empty = self._clock.now_us, self._empty
        empty.append((now_us, tenant))
        while empty and empty[0][0] <= now_us - self._window_us:
            _, other = empty.popleft()
            if not other.total and self._tenants.get(other.name) is other:
                del self._tenants[other.name]

    def _line_up(self, tenant: Tenant, message: Message) -> None:
        shard = message._sequence % self._shards
        lane = tenant.lanes.get(shard)
        if lane is None:
            lane = tenant.lanes[shard] = Lane(tenant, shard)
        lane.add(message)
        if lane.front is None or (message._rank_us, message._sequence) < lane.front:
            self._renew_front(lane)

    def _renew_front(self, lane: Lane) -> None:
        """Put a lane where its first message belongs."""
        first = lane.first()
        front = None if first is None else (first._rank_us, first._sequence)
        if front == lane.front:
            return
        lane.front = front
        if front is not None:
            fronts = self._fronts
            if len(fronts) > 2 * self._shards * len(self._tenants) + _SWEEP_MIN:
                fronts[:] = dict.fromkeys(entry for entry in fronts if _is_front(entry))
                heapify(fronts)
            heappush(fronts, (*front, lane))

    def _change_in_flight(self, tenant: Tenant, change: int) -> None:
        before = tenant.in_flight
        tenant.in_flight = after = before + change
        self._change_total(change)
        if not self._is_fair or not tenant.name:
            return
        if before >= NOISY_IN_FLIGHT_MIN:
            self._large.remove((before, tenant.number, tenant))
        if after >= NOISY_IN_FLIGHT_MIN:
            self._large.add((after, tenant.number, tenant))
        if self._is_both:
            tenant.flown.change(self._clock.now_us, after, self._window_us)
            self._busy[tenant.name] = tenant

    def _change_total(self, change: int) -> None:
        self.in_flight += change
        if self._is_both:
            self._total_flown.change(self._clock.now_us, self.in_flight, self._window_us)

    # ---- who is noisy

    def noisy(self, at_us: int) -> list[Tenant]:
        """
        Return the tenants that are noisy at an instant since whose beginning nothing has changed (SQS-311, SQS-313).

        Runtime: `O(log n)`; where processing time counts, `O(n)` in the tenants with any within the window.
        """
        if not self._is_fair or at_us - self._grouped_at_us >= _SEND_MEMORY_US:
            return []
        found: dict[str, Tenant] = {}
        for in_flight, _, tenant in reversed(self._large):
            if in_flight * 100 <= self.in_flight * NOISY_SHARE_PERCENT:
                break
            found[tenant.name] = tenant
        if self._is_both:
            total_us = self._total_flown.time_us(at_us, self._window_us)
            for tenant in list(self._busy.values()):
                own_us = tenant.flown.time_us(at_us, self._window_us)
                if own_us * 100 > total_us * NOISY_SHARE_PERCENT:
                    found[tenant.name] = tenant
                elif not own_us and not tenant.in_flight:
                    del self._busy[tenant.name]
        return [
            tenant
            for tenant in found.values()
            if tenant.visible + tenant.delayed and at_us - tenant.sent_at_us < _SEND_MEMORY_US
        ]

    # ---- which is next

    def has_some(self) -> bool:
        """Return whether anything is visible."""
        return self.first() is not None

    def pull(
        self,
        limit: int,
        is_exhausted: Callable[[Message], bool] | None,
        shards: tuple[int, ...] | None,
    ) -> tuple[list[Message], list[Message]]:
        """Take messages of quiet tenants by rank, then those of the noisy ones (SQS-312)."""
        taken: list[Message] = []
        exhausted: list[Message] = []
        noisy = {tenant.name: tenant for tenant in self.noisy(self._clock.now_us)}
        picked = dict.fromkeys(noisy, 0)
        while limit:
            lane = self._first_lane(noisy, picked, shards)
            if lane is None:
                break
            message = lane.pop()
            self._renew_front(lane)
            if is_exhausted is not None and is_exhausted(message):
                exhausted.append(message)
                continue
            taken.append(message)
            limit -= 1
            if lane.tenant.name in picked:
                picked[lane.tenant.name] += 1
        return taken, exhausted

    def _first_lane(
        self, noisy: dict[str, Tenant], picked: dict[str, int], shards: tuple[int, ...] | None
    ) -> Lane | None:
        """Return the lane whose first message is next: of a quiet tenant, else of the least busy noisy one."""
        fronts = self._fronts
        passed: list[tuple[int, int, Lane]] = []
        best: Lane | None = None
        best_in_flight = 0
        while fronts:
            if not _is_front(fronts[0]):
                heappop(fronts)
                continue
            lane = fronts[0][2]
            if shards is None or lane.shard in shards:
                tenant = lane.tenant
                if tenant.name not in noisy:
                    best = lane
                    break
                in_flight = tenant.in_flight + picked[tenant.name]
                if best is None or in_flight < best_in_flight:
                    best, best_in_flight = lane, in_flight
            passed.append(heappop(fronts))
        for entry in passed:
            heappush(fronts, entry)
        return best

    def put_back(self, messages: Sequence[Message]) -> None:
        """Line messages up again where they were."""
        for message in messages:
            self._line_up(self._tenant_of(message), message)

    def first(self) -> Message | None:
        """Return the visible message of the lowest rank."""
        fronts = self._fronts
        while fronts and not _is_front(fronts[0]):
            heappop(fronts)
        return fronts[0][2].first() if fronts else None

    # ---- metrics of fair queues

    def turn(self, now_us: int) -> None:
        """Take down the minutes that ended before now; to be called before anything changes."""
        self._rows += self._rows_before(now_us)
        self._rows_until_us = max(self._rows_until_us, -(-now_us // MINUTE_US) * MINUTE_US)

    def _rows_before(self, now_us: int) -> list[tuple[int, Quiet]]:
        """Return what is not taken down yet: a row where something may have changed, up to the last noisy minute."""
        found: list[tuple[int, Quiet]] = []
        last = self._rows[-1][1] if self._rows else None
        border_us = self._rows_until_us
        while border_us < now_us:
            quiet = self._quiet(border_us)
            if quiet != last:
                found.append((border_us, quiet))
                last = quiet
            if border_us - self._grouped_at_us >= _SEND_MEMORY_US:
                break  # nobody can be noisy any more: nothing changes by itself
            border_us += MINUTE_US
        return found

    def _quiet(self, at_us: int) -> Quiet:
        """Return what metrics say at an instant. Runtime: as `noisy`; with a noisy oldest, `O(n)` in the tenants."""
        noisy = {tenant.name: tenant for tenant in self.noisy(at_us)}
        visible, in_flight, delayed = self._counts()
        oldest = self._oldest()
        if oldest is not None and (oldest.message_group_id or _NO_TENANT) in noisy:
            firsts = (
                tenant.oldest(self._left_out_after) for name, tenant in self._tenants.items() if name not in noisy
            )
            oldest = min((first for first in firsts if first is not None), key=_age_us, default=None)
        return Quiet(
            len(noisy),
            visible - sum(tenant.visible for tenant in noisy.values()),
            in_flight - sum(tenant.in_flight for tenant in noisy.values()),
            delayed - sum(tenant.delayed for tenant in noisy.values()),
            -1 if oldest is None else oldest.entered_at_us,
        )

    def minutes(self, now_us: int) -> Iterator[tuple[int, Quiet]]:
        """Yield (end of a minute, what the metrics say) for each minute that has ended by now."""
        rows = [*self._rows, *self._rows_before(now_us + 1)]
        for place, (since_us, quiet) in enumerate(rows):
            until_us = rows[place + 1][0] if place + 1 < len(rows) else now_us + 1
            for end_us in range(since_us, until_us, MINUTE_US):
                yield end_us, quiet

    def check_invariants(self, visible: int, in_flight: int, delayed: int) -> None:
        """Assert that lanes and counts agree. Runtime: `O(n)`."""
        tenants = self._tenants.values()
        counts = tuple(sum(getattr(t, name) for t in tenants) for name in ("visible", "in_flight", "delayed"))
        assert counts == (visible, in_flight, delayed), f"tenants count {counts}, not {(visible, in_flight, delayed)}"
        for tenant in tenants:
            lined_up = [message._sequence for lane in tenant.lanes.values() for message in lane]
            living = set(lined_up)
            assert len(lined_up) == len(living), f"tenant {tenant.name!r}: some are in line twice, {lined_up}"
            assert len(living) == tenant.visible, f"tenant {tenant.name!r}: {tenant.visible} visible, {living} in lanes"
            for lane in tenant.lanes.values():
                first = lane.first()
                front = None if first is None else (first._rank_us, first._sequence)
                assert front == lane.front, f"tenant {tenant.name!r}: front {lane.front}, first {front}"
                assert front is None or (*front, lane) in self._fronts


def _is_front(entry: tuple[int, int, Lane]) -> bool:
    return entry[2].front == entry[:2]


def _age_us(message: Message) -> tuple[int, int]:
    return message.entered_at_us, message._sequence
