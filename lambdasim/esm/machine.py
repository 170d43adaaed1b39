"""
The state machine that says how many slots a mapping may have: phase, target and ticks (ESM §6 and §8).

It decides with the functions of `scaling` and knows of slots what the protocol `Crew` says: it has them made when there
may be more, and hears when all of them wait. Which slots go when there are too many is the crew's business.

```text
             start              a receive returns something: S2
  STOPPED ──────────> IDLE ───────────────────────────────────────> ACTIVE    growth ticks: S3, S4
     ^                 │  ^                                        │  │       control ticks: S5
     │                 │  └────────── all slots wait, in C6: S8 ───┘  │       empty receives: S6, S7
     │                 └─ a long time without a message: S9           │
     └──────────────────────────── stop: ESM-053 ─────────────────────┘
```

**Ticks.** A growth tick matters only while messages are left that nobody waits for, a control tick only after a failed
attempt. Each is put on the agenda then, on the grid that began with t0, the instant of S2 (ESM-102, ESM-160).

**Provisioned mode.** The target is what the pollers' slots add up to, and a growth tick adds a poller; there are no
control ticks and no economy. `own` is not None then.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from lambdasim.clock import Clock, Kind, Priority, Timer
from lambdasim.esm.limits import BackoffModel, ScalingModel
from lambdasim.esm.scaling import Grid, plan_backoff, plan_growth, plan_release, slots_of
from lambdasim.units import seconds

if TYPE_CHECKING:
    from lambdasim.esm.provisioned import Provisioned
    from lambdasim.sqs import Queue

_GROWTH: Final = Priority.GROWTH.value

LIMIT_CHANGED: Final = Kind("concurrency limit changed", lambda mapping, target: (mapping.uuid, {"target": target}))


class Phase(Enum):
    """What a mapping does (ESM-100)."""

    STOPPED = "stopped"
    IDLE = "idle"
    ACTIVE = "active"


class Crew(Protocol):
    """The slots of a mapping, as far as the machine is concerned."""

    queue: Queue

    @property
    def all_wait(self) -> bool:
        """Whether every slot has a receive open and holds nothing."""
        ...

    def make_slots(self) -> None:
        """Make the slots that are missing by the target."""
        ...

    def add_poller(self) -> None:
        """Make another poller, in provisioned mode."""
        ...

    def time_head(self) -> None:
        """See to it that slots which are too many go when their receives end."""
        ...


class Owner(Protocol):
    """The mapping, as far as the machine is concerned."""

    @property
    def clock(self) -> Clock:
        """Its clock."""
        ...

    @property
    def number(self) -> int:
        """Its place among the mappings."""
        ...


class Machine:
    """
    Phase and target of one mapping.

    Args:
        mapping: Whose target it is.
        crew: Its slots.
        scaling: How it grows and shrinks.
        backoff: How failed attempts lower the target.
        cap: Slots that there may be.
    """

    def __init__(self, mapping: Owner, crew: Crew, scaling: ScalingModel, backoff: BackoffModel, cap: int) -> None:
        self._mapping = mapping
        self._clock = mapping.clock
        self._crew = crew
        self._scaling = scaling
        self._backoff = backoff
        self._idle_optimise_us = seconds(scaling.idle_optimise_after_s, name="idle_optimise_after_s")
        self._control_period_us = seconds(backoff.period_s, name="period_s")
        self.is_eager = scaling.demand == "nonempty_receive"  #: whether a receive that returns something is demand
        self.own: Provisioned | None = None  #: its pollers, in provisioned mode
        self.phase = Phase.STOPPED
        self.cap = cap
        self.initial = min(scaling.initial, cap)  #: slots at the beginning
        self.target = float(self.initial)  #: L
        self.allowed = self.initial  #: n
        self._saves_pollers = False  # whether some go after a long idle time
        self._t0_us = 0
        self._grid: Grid | None = None  # of growth ticks
        self._growth: Timer | None = None
        self._control: Timer | None = None
        self.control_end_us = 0  #: of the period that the next two counters are of
        self.attempts_finished = 0
        self._attempts_failed = 0
        self._demand_at_us = -1  # the growth tick for which a receive is demand, where receives are (ESM-103)
        self._idle_timer: Timer | None = None
        self._idle_check_due = False

    # ---- the target

    def limit(self, cap: int, *, saves_pollers: bool) -> bool:
        """Have another cap; return whether the economy of idle mappings goes on or off by it."""
        is_other = saves_pollers is not self._saves_pollers
        self.cap = cap
        self.initial = min(self._scaling.initial, cap)
        self._saves_pollers = saves_pollers
        return is_other

    def reconfigure(self, *, is_other_economy: bool) -> None:
        """Bring the target within what it may be now (ESM-109)."""
        if self.target > self.cap:
            self.set_target(float(self.cap))  # surplus slots end by S6
        if self.phase is Phase.STOPPED:
            return
        is_low = not self._saves_pollers and self.target < self.initial  # only S9 may leave it so (ESM-106, ESM-110)
        if self.phase is Phase.IDLE and (is_low or is_other_economy):
            self._cancel_economy()
            self.set_target(float(self.initial))
            self._crew.make_slots()
            self._time_economy()
        self.notice_demand()
        self._crew.time_head()

    def set_target(self, target: float) -> None:
        """Have another target."""
        if target != self.target:
            self.target = target
            self.allowed = slots_of(target)
            if self._clock.trace.active:
                self._clock.trace.add((self._clock.now_us, LIMIT_CHANGED, self._mapping, target))

    def releases(self, staying: int) -> bool:
        """Return whether one of so many slots goes when its receive ends empty (S6, S7)."""
        return self.own is None and (staying > self.allowed or (self.phase is Phase.ACTIVE and staying > self.initial))

    def release(self) -> None:
        """S7: a slot goes, since an active mapping had nothing for it."""
        self.set_target(plan_release(self.target, self.initial))

    # ---- phases

    def start(self) -> None:
        """Poll from now on (S1)."""
        self.phase = Phase.IDLE

    def begin_growing(self) -> None:
        """Have the first slots made, and save some of them after a long idle time."""
        self.set_target(float(self.initial))
        self._crew.make_slots()
        if self.phase is Phase.IDLE:
            self._time_economy()

    def become_active(self, now_us: int) -> None:
        """S2: the first message after idle time brings the initial slots back and starts the ticks."""
        self.phase = Phase.ACTIVE
        self._cancel_economy()
        self.begin_ticks(now_us)
        if self.own is None:
            self.set_target(max(self.target, float(self.initial)))
            self._crew.make_slots()

    def begin_ticks(self, now_us: int) -> None:
        """Let this instant be t0."""
        self._t0_us = now_us
        own = self.own
        self._grid = Grid.of_growth(now_us, self._scaling) if own is None else own.growth_grid(now_us)
        self.control_end_us = now_us + self._control_period_us
        self.attempts_finished = self._attempts_failed = 0

    def consider_idle(self) -> None:
        """See to it that C6 of this instant looks whether the mapping has become idle, if it may have."""
        if not self._idle_check_due and self.phase is Phase.ACTIVE and self._crew.all_wait:
            self._idle_check_due = True
            self._clock.timer(
                self._clock.now_us,
                self._check_idle,
                priority=Priority.IDLE_CHECK.value,
                order=self._mapping.number,
            )

    def _check_idle(self, _argument: object) -> None:
        """S8: a mapping whose slots all wait becomes idle (C6)."""
        self._idle_check_due = False
        if self.phase is not Phase.ACTIVE or not self._crew.all_wait:
            return
        self.phase = Phase.IDLE
        self._cancel_ticks()
        if self.own is None:
            self.set_target(float(self.initial))
            self._time_economy()
            self._crew.time_head()

    def _time_economy(self) -> None:
        if self._saves_pollers:
            self._idle_timer = self._clock.timer(
                self._clock.now_us + self._idle_optimise_us,
                self._save_pollers,
                priority=Priority.IDLE_TIMER.value,
                order=self._mapping.number,
                background=True,
            )

    def _save_pollers(self, _argument: object) -> None:
        """S9: after a long idle time fewer slots poll (C1)."""
        self._idle_timer = None
        self.set_target(float(min(self._scaling.idle_floor, self.initial)))
        self._crew.time_head()

    def stop(self) -> None:
        """Poll no more: slots only finish what they have (ESM-053)."""
        self.phase = Phase.STOPPED
        self.cancel_timers()
        self.set_target(0.0)

    def cancel_timers(self) -> None:
        """Forget ticks and economy."""
        self._cancel_ticks()
        self._cancel_economy()

    def _cancel_ticks(self) -> None:
        for timer in (self._growth, self._control):
            if timer is not None:
                timer.cancel()
        self._growth = self._control = None

    def _cancel_economy(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    # ---- growth

    def notice_backlog(self) -> None:
        """See to it that the next growth tick comes, where there is room to grow (ESM-103)."""
        if self._growth is None and self.target < self.cap and self.phase is Phase.ACTIVE:
            self._time_growth(inclusive=not self._clock.has_passed(_GROWTH, self._mapping.number))

    def notice_demand(self) -> None:
        """Let the target, which is below the cap again, grow with the demand that there is already (ESM-103)."""
        if self._demand_at_us >= self._clock.now_us if self.is_eager else self._crew.queue.visible:
            self.notice_backlog()

    def note_receive(self, now_us: int) -> None:
        """Take note of a receive that returned something, where that is what demand means (ESM-103)."""
        grid = self._grid
        if grid is not None:
            has_passed = self._clock.has_passed(_GROWTH, self._mapping.number)
            self._demand_at_us = grid.first_from(now_us, inclusive=not has_passed)
            self.notice_backlog()

    def _time_growth(self, *, inclusive: bool) -> None:
        """Put the next growth tick on the agenda, one at this very instant only if *inclusive*."""
        grid = self._grid
        if grid is not None:
            self._growth = self._clock.timer(
                grid.first_from(self._clock.now_us, inclusive=inclusive),
                self._grow,
                priority=_GROWTH,
                order=self._mapping.number,
                background=True,
            )

    def _grow(self, _argument: object) -> None:
        """S3, S4: one more slot if there is demand (C7)."""
        self._growth = None
        self._clock.reach(_GROWTH, self._mapping.number)
        now_us, queue = self._clock.now_us, self._crew.queue
        has_demand = self._demand_at_us == now_us if self.is_eager else queue.has_receivable
        if not has_demand or self.target >= self.cap:
            return
        if self.own is None:
            self.set_target(plan_growth(self.target, self.cap, self._scaling))
            self._crew.make_slots()
        else:
            self._crew.add_poller()
        if self.target < self.cap and not self.is_eager:
            self._time_growth(inclusive=False)

    # ---- control

    def count_attempt(self, now_us: int, *, failed: bool) -> None:
        """
        Count a finished attempt in its control period.

        A control tick runs first in C4: what ended at its instant before (C3) is still of the period before, what was
        refused then (C5) is of the next.
        """
        if now_us >= self.control_end_us:
            is_late = self._clock.has_passed(Priority.CONTROL.value)
            if now_us > self.control_end_us or is_late:
                late_us = now_us - self._t0_us + is_late
                self.control_end_us = self._t0_us + -(-late_us // self._control_period_us) * self._control_period_us
                self.attempts_finished = self._attempts_failed = 0
        self.attempts_finished += 1
        if failed and self._backoff.enabled and self.own is None and self.phase is not Phase.STOPPED:
            self._attempts_failed += 1
            if self._control is None:
                self._control = self._clock.timer(
                    self.control_end_us,
                    self._on_control,
                    priority=Priority.CONTROL.value,
                    order=self._mapping.number,
                    background=True,
                )

    def _on_control(self, _argument: object) -> None:
        """S5: lower the target by the share of failed attempts (C4)."""
        self._control = None
        before = self.target
        self.set_target(plan_backoff(before, self.cap, self._attempts_failed, self.attempts_finished, self._backoff))
        self.attempts_finished = self._attempts_failed = 0
        self.control_end_us += self._control_period_us
        if self.target < before:
            self._crew.time_head()
            self.notice_demand()

    def check_invariants(self, name: str) -> None:
        """Assert that the target is within its bounds (ESM-110)."""
        assert 0 <= self.target <= self.cap, f"{name}: target {self.target} is not within 0 and the cap {self.cap}"
        assert self.allowed == slots_of(self.target), f"{name}: {self.allowed} slots allowed at target {self.target}"
