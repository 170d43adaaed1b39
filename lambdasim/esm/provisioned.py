"""
Provisioned mode: pollers that a mapping has for itself, whatever there is to do (ESM §13).

A poller is ten slots that share two buckets: receives, and bytes of messages. What the mapping does with them is in
`fleet`, and their slots' turns in `pollers`; here is what each may do, how many are enough, and what they cost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from lambdasim.clock.meters import Steps
from lambdasim.esm.limits import ProvisionedModel
from lambdasim.esm.scaling import Grid
from lambdasim.units import MICROSECONDS, MINUTE_US, seconds

if TYPE_CHECKING:
    from lambdasim.clock import Timer
    from lambdasim.esm.slots import Slot

_BILLED_MIN_S: Final = 60  # of each poller (ESM-256)


def plan_pollers(peak_busy: int, minimum: int, model: ProvisionedModel) -> int:
    """
    Return how many pollers are enough for so many busy slots (ESM-253).

    >>> plan_pollers(31, 2, ProvisionedModel())
    4
    """
    return max(minimum, -(-peak_busy // model.invokes_per_poller))


def billed_seconds(lifetimes_us: Iterable[int]) -> int:
    """Return what pollers that lived so long are charged for: by the second, a minute each at least (ESM-256)."""
    return sum(max(_BILLED_MIN_S, -(-lifetime_us // MICROSECONDS)) for lifetime_us in lifetimes_us)


class Bucket:
    """
    Is filled evenly and never holds more than what comes in a second; whoever takes may leave it in debt (ESM-251).

    Levels are in millionths: nothing is rounded.
    """

    __slots__ = ("_at_us", "_level", "_per_s")

    def __init__(self, per_s: int, now_us: int) -> None:
        self._per_s = per_s
        self._level = per_s * MICROSECONDS
        self._at_us = now_us

    def take(self, now_us: int, amount: int) -> None:
        """Take so much out."""
        self._level = self._level_at(now_us) - amount * MICROSECONDS
        self._at_us = now_us

    def ready_at_us(self, now_us: int, needed: int) -> int:
        """Return when it holds so many millionths: now, if it does already."""
        missing = needed - self._level_at(now_us)
        return now_us if missing <= 0 else now_us - (-missing // self._per_s)

    def _level_at(self, now_us: int) -> int:
        return min(self._per_s * MICROSECONDS, self._level + (now_us - self._at_us) * self._per_s)


class Poller:
    """
    What the slots of one poller share.

    A receive that takes the place of an empty one begins at once, whether there is one in the bucket or not (ESM-082);
    such receives are computed. They are counted, each at its instant, before anything else is.
    """

    __slots__ = (
        "_bytes",
        "_receives",
        "_repeats_from_us",
        "_settled_us",
        "_wait_us",
        "held_up",
        "is_over",
        "since_us",
        "slots",
        "timer",
    )

    def __init__(self, model: ProvisionedModel, now_us: int, wait_us: int) -> None:
        self._receives = Bucket(model.polls_per_s, now_us)
        self._bytes = Bucket(model.bytes_per_s, now_us)
        self._wait_us = wait_us  # from one receive to the next, if it is empty, at least
        self._settled_us = now_us - 1  # up to here all receives are counted
        self._repeats_from_us = now_us + wait_us  # no receive takes the place of an empty one before
        self.since_us = now_us
        self.is_over = False  #: its slots end with their turns
        self.slots: list[Slot] = []
        self.held_up: deque[Slot] = deque()  #: they would receive, and may not yet
        self.timer: Timer | None = None  #: when the first of them may

    def ready_at_us(self, now_us: int) -> int:
        """Return when the next receive may begin: one in the bucket, and not out of bytes."""
        return max(self._receives.ready_at_us(now_us, MICROSECONDS), self._bytes.ready_at_us(now_us, 1))

    def begin_receive(self, now_us: int) -> None:
        """Count a receive, when it begins."""
        self._receives.take(now_us, 1)

    def returned(self, now_us: int, size_bytes: int) -> None:
        """Count what a receive returned."""
        self._bytes.take(now_us, size_bytes)

    def settle(self, until_us: int) -> None:
        """
        Count the receives up to an instant that took the place of empty ones.

        Of each slot the last one is enough: the bucket has been full since the one before. (Unless more slots share a
        poller than may receive in the time that a receive waits.)
        """
        if until_us < self._repeats_from_us:
            self._settled_us = max(until_us, self._settled_us)
            return
        repeats: list[int] = []
        coming = [until_us + self._wait_us]
        for slot in self.slots:
            at_us, next_us = slot.repeated_at_us(until_us)
            coming.append(next_us)
            if at_us > self._settled_us:
                repeats.append(at_us)
        for at_us in sorted(repeats):
            self._receives.take(at_us, 1)
        self._settled_us = max(until_us, self._settled_us)
        self._repeats_from_us = min(coming)


class Provisioned:
    """
    The pollers of one mapping in provisioned mode: their number, and what it was made of.

    Args:
        model: The figures.
        minimum, maximum: How many there may be.
        now_us: When the mapping was enabled.
    """

    __slots__ = (
        "_billed_s",
        "_busy",
        "_ends_us",
        "_peak",
        "_period_us",
        "ending",
        "maximum",
        "minimum",
        "model",
        "pollers",
        "shrink",
    )

    def __init__(self, model: ProvisionedModel, minimum: int, maximum: int, now_us: int) -> None:
        self.model = model
        self.minimum = minimum
        self.maximum = maximum
        self.pollers: list[Poller] = []  #: the newest last, which goes first
        self.ending: list[Poller] = []  #: given up, with slots that have not ended their turns
        self.shrink: Timer | None = None
        self._period_us = seconds(model.scale_down_every_s)
        self._ends_us = now_us + self._period_us  # end of the period that is open
        self._busy = 0  # slots with a batch
        self._peak = 0  # of these in that period

    @property
    def cap(self) -> int:
        """Slots at most."""
        return self.maximum * self.model.invokes_per_poller

    @property
    def slots(self) -> int:
        """Slots that its pollers have."""
        return len(self.pollers) * self.model.invokes_per_poller

    def growth_grid(self, t0_us: int) -> Grid | None:
        """Return the instants at which a poller may be added (ESM-252)."""
        per_minute, slots = self.model.growth_per_minute, self.model.invokes_per_poller
        return Grid(t0_us, MINUTE_US * slots, per_minute) if per_minute else None

    def slot_has_ended(self, slot: Slot) -> None:
        """Take note that a slot of a poller that was given up is gone."""
        poller = slot.poller
        assert poller is not None
        poller.slots.remove(slot)
        if not poller.slots:
            self.ending.remove(poller)

    # ---- how busy they are

    def begins_batch(self, now_us: int) -> None:
        """Count a slot that got a message."""
        if now_us >= self._ends_us:
            self._enter(now_us)
        self._busy += 1
        if self._busy > self._peak:
            self._peak = self._busy

    def ends_batch(self, now_us: int) -> None:
        """Count it out."""
        if now_us >= self._ends_us:
            self._enter(now_us)
        self._busy -= 1

    def next_shrink_us(self, now_us: int) -> int:
        """Return the end of the period that is open."""
        self._enter(now_us)
        return self._ends_us

    def plan_shrink(self, now_us: int) -> int:
        """Return how many pollers are enough, at the end of a period."""
        self._enter(now_us - 1)
        enough = min(len(self.pollers), plan_pollers(self._peak, self.minimum, self.model))
        self._enter(now_us)
        return enough

    def check_invariants(self, busy: int) -> None:
        """Assert that all busy slots are counted."""
        assert busy == self._busy <= self._peak, (
            f"{busy} slots are busy, {self._busy} are counted, {self._peak} at most"
        )

    def _enter(self, now_us: int) -> None:
        """Begin another period if the one that was open is over; busy slots go over into it."""
        if now_us >= self._ends_us:
            self._ends_us += ((now_us - self._ends_us) // self._period_us + 1) * self._period_us
            self._peak = self._busy


class PollerMeter:
    """How many provisioned pollers a mapping had when, and what they are charged for."""

    def __init__(self) -> None:
        self.steps = Steps()  #: the metric `ProvisionedPollers` (ESM-280)
        self._ended_s = 0

    def change(self, now_us: int, count: int, ended: Iterable[Poller] = ()) -> None:
        """Take down that there are so many from now on, and that these ended."""
        if count != self.steps.value:
            self.steps.change(now_us, count)
        self._ended_s += billed_seconds(now_us - poller.since_us for poller in ended)

    def billed_seconds(self, now_us: int, running: Iterable[Poller]) -> int:
        """Return the poller seconds charged for by now (ESM-256)."""
        return self._ended_s + billed_seconds(now_us - poller.since_us for poller in running)
