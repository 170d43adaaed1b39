"""
Provisioned mode: pollers that a mapping has for itself, whatever there is to do (ESM §13).

A poller is ten slots that share two buckets: receives, and bytes of messages. What the mapping does with them, the
slots' turns, is in `pollers`; here is what each may do, how many there are, and what they cost.
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
    """What the slots of one poller share."""

    __slots__ = ("_bytes", "_receives", "_settled_us", "held_up", "is_over", "since_us", "slots", "timer")

    def __init__(self, model: ProvisionedModel, now_us: int) -> None:
        self._receives = Bucket(model.polls_per_s, now_us)
        self._bytes = Bucket(model.bytes_per_s, now_us)
        self._settled_us = now_us
        self.since_us = now_us
        self.is_over = False  #: its slots end with their turns
        self.slots: list[Slot] = []
        self.held_up: deque[Slot] = deque()  #: they would receive, and may not yet
        self.timer: Timer | None = None  #: when the first of them may

    def ready_at_us(self, now_us: int) -> int:
        """Return when the next receive may begin: one in the bucket, and not out of bytes."""
        self._settle(now_us)
        return max(self._receives.ready_at_us(now_us, MICROSECONDS), self._bytes.ready_at_us(now_us, 1))

    def begin_receive(self, now_us: int) -> None:
        """Count a receive, when it begins."""
        self._receives.take(now_us, 1)

    def returned(self, now_us: int, size_bytes: int) -> None:
        """Count what a receive returned."""
        self._bytes.take(now_us, size_bytes)

    def _settle(self, now_us: int) -> None:
        """
        Count the receives that took the place of empty ones since somebody asked last.

        They begin whether there is one in the bucket or not (ESM-082). A slot's last one is enough: the bucket has
        long been full since the one before.
        """
        restarts = [at_us for slot in self.slots if (at_us := slot.restarted_at_us(now_us)) > self._settled_us]
        for at_us in sorted(restarts):
            self._receives.take(at_us, 1)
        self._settled_us = now_us


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
        "_enabled_us",
        "_peak",
        "_period",
        "_period_us",
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
        self.shrink: Timer | None = None
        self._enabled_us = now_us
        self._period_us = seconds(model.scale_down_every_s)
        self._busy = 0  # slots with a batch
        self._peak = 0  # of these in the period that is open
        self._period = 0

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

    # ---- how busy they are

    def begins_batch(self, now_us: int) -> None:
        """Count a slot that got a message."""
        self._enter(now_us)
        self._busy += 1
        self._peak = max(self._peak, self._busy)

    def ends_batch(self, now_us: int) -> None:
        """Count it out."""
        self._enter(now_us)
        self._busy -= 1

    def next_shrink_us(self, now_us: int) -> int:
        """Return the end of the period that is open."""
        return self._enabled_us + ((now_us - self._enabled_us) // self._period_us + 1) * self._period_us

    def plan_shrink(self, now_us: int) -> int:
        """Return how many pollers are enough, at the end of a period."""
        self._enter(now_us - 1)
        enough = min(len(self.pollers), plan_pollers(self._peak, self.minimum, self.model))
        self._enter(now_us)
        return enough

    def _enter(self, now_us: int) -> None:
        period = (now_us - self._enabled_us) // self._period_us
        if period != self._period:
            self._period, self._peak = period, self._busy


class PollerMeter:
    """How many provisioned pollers a mapping had when, and what they are charged for."""

    def __init__(self) -> None:
        self.steps = Steps()  #: the metric `ProvisionedPollers` (ESM-280)
        self._ended_s = 0

    def change(self, now_us: int, count: int, ended: Iterable[Poller] = ()) -> None:
        """Take down that there are so many from now on, and that these ended."""
        self.steps.change(now_us, count)
        self._ended_s += billed_seconds(now_us - poller.since_us for poller in ended)

    def billed_seconds(self, now_us: int, running: Iterable[Poller]) -> int:
        """Return the poller seconds charged for by now (ESM-256)."""
        return self._ended_s + billed_seconds(now_us - poller.since_us for poller in running)
