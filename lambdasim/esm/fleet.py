"""
The acting half of provisioned mode: pollers come and go, each with its slots (ESM §13).

How many there are, what each may do and what they cost is computed in `provisioned`; when there is one more is said by
the growth ticks of `machine`.

**Slots that leave.** Pollers are given up, and an update goes from one mode to the other: then some slots end with
their turn, whatever the target. `leaving` is how many these are, `Slot.leaves` says it of one. One that waits goes when
its receive ends empty, one that pauses goes at once.

**Slots that are held up.** A poller that is out of receives or bytes lets its slots pause, and go on in the order in
which they came, as soon as it may (ESM-251).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lambdasim.clock import Priority
from lambdasim.esm.limits import ProvisionedModel
from lambdasim.esm.machine import Phase
from lambdasim.esm.provisioned import Poller, PollerMeter, Provisioned
from lambdasim.esm.slots import SlotState

if TYPE_CHECKING:
    from lambdasim.esm.pollers import Pollers
    from lambdasim.esm.slots import Slot

_POLL_END: Final = Priority.POLL_END.value


class Fleet:
    """What a mapping does with pollers of its own; outside provisioned mode there are none."""

    def __init__(self, pollers: Pollers, model: ProvisionedModel) -> None:
        self._pollers = pollers
        self._clock = pollers.clock
        self.model = model
        self.meter = PollerMeter()
        self.generation = 0  #: of slots: another one in another mode
        self.leaving = 0  #: slots that end with their turn, whatever the target

    @property
    def _own(self) -> Provisioned | None:
        return self._pollers.machine.own

    @property
    def size(self) -> int:
        """Pollers; 0 outside provisioned mode."""
        return 0 if self._own is None else len(self._own.pollers)

    def billed_seconds(self) -> int:
        """Return the seconds of pollers that are charged for by now (ESM-256)."""
        return self.meter.billed_seconds(self._clock.now_us, () if self._own is None else self._own.pollers)

    # ---- how many there are

    def begin(self, limits: tuple[int, int]) -> None:
        """Have pollers from now on: at least, and at most, so many."""
        self._pollers.machine.own = Provisioned(self.model, *limits, self._clock.now_us)
        self._resize(limits[0])

    def grow(self) -> None:
        """Have one more."""
        self._resize(self.size + 1)

    def reconfigure(self, limits: tuple[int, int] | None) -> None:
        """Have as many pollers as there may be now, or go over from one mode to the other."""
        machine, own = self._pollers.machine, self._own
        if machine.phase is Phase.STOPPED:
            return
        if own is not None and limits is not None:
            own.minimum, own.maximum = limits
            self._resize(min(max(len(own.pollers), own.minimum), own.maximum))
        else:
            machine.cancel_timers()
            self._pollers.cancel_head()
            self.end()
            self.generation += 1
            self.leaving = self._pollers.slots
            if limits is None:
                machine.begin_growing()
            else:
                self.begin(limits)
            self._dismiss()
            if machine.phase is Phase.ACTIVE:
                machine.begin_ticks(self._clock.now_us)
        if self._pollers.queue.visible:
            self._pollers.notice_backlog()

    def end(self) -> None:
        """Have none any more."""
        own, self._pollers.machine.own = self._own, None
        if own is None:
            return
        if own.shrink is not None:
            own.shrink.cancel()
        self.meter.change(self._clock.now_us, 0, own.pollers)
        for poller in own.pollers:
            poller.is_over = True

    def _resize(self, count: int) -> None:
        """
        Have so many pollers; those made last end first, each slot with its turn.

        One that has not quite ended is taken back before another is made: no more slots than may be are ever at work.
        """
        own, now_us = self._own, self._clock.now_us
        assert own is not None
        ended = [own.pollers.pop() for _ in range(count, len(own.pollers))]
        for _ in range(len(own.pollers), count):
            if own.ending:
                poller = own.ending.pop()
                poller.is_over = False
                poller.since_us = now_us
                self.leaving -= len(poller.slots)
            else:
                poller = Poller(own.model, now_us, self._pollers.line.least_wait_us)
            missing = range(len(poller.slots), own.model.invokes_per_poller)
            poller.slots += [self._pollers.make_slot(poller) for _ in missing]
            own.pollers.append(poller)
        self._pollers.machine.set_target(float(own.slots))
        self.meter.change(now_us, count, ended)
        for poller in ended:
            poller.is_over = True
            self.leaving += len(poller.slots)
            own.ending.append(poller)
        if ended:
            self._dismiss()
        self._time_shrink()

    def _time_shrink(self) -> None:
        own = self._own
        if own is not None and own.shrink is None and len(own.pollers) > own.minimum:
            own.shrink = self._clock.timer(
                own.next_shrink_us(self._clock.now_us),
                self._shrink,
                priority=Priority.IDLE_TIMER.value,
                order=self._pollers.mapping.number,
                background=True,
            )

    def _shrink(self, _argument: object) -> None:
        """Give up pollers that nobody needed in the last minute (C1)."""
        own = self._own
        assert own is not None
        own.shrink = None
        enough = own.plan_shrink(self._clock.now_us)
        if enough < len(own.pollers):
            self._resize(enough)
            self._pollers.machine.notice_demand()
        else:
            self._time_shrink()

    # ---- slots that leave

    def _dismiss(self) -> None:
        """Let slots go that leave: those that wait when their receives end empty, those that pause at once."""
        pollers = self._pollers
        pollers.line.advance(pollers.ended_by_us())
        for _, _, slot in pollers.line.waiting:
            if slot.leaves:
                self.time_last_end(slot)
        for slot in pollers.pauses.slots:
            if slot.leaves and slot.state is SlotState.TURNING:
                pollers.pauses.end(slot)
                pollers.retire(slot)

    def time_last_end(self, slot: Slot) -> None:
        """Let a slot that leaves go when the receive ends that it waits with."""
        self._clock.timer(
            slot.asked_us + self._pollers.line.wait_us,
            self._on_last_end,
            slot,
            priority=_POLL_END,
            order=self._pollers.mapping.number,
            background=True,
        )

    def _on_last_end(self, slot: Slot) -> None:
        """Retire the slots that leave whose receives end empty at this instant, all of them at once (C2)."""
        if slot.state is not SlotState.POLLING or slot.pause is not None or not slot.leaves:
            return
        pollers, line, now_us = self._pollers, self._pollers.line, self._clock.now_us
        line.advance(now_us - 1)
        ended: list[Slot] = []
        while (other := line.pop_ended(now_us)) is not None:  # one by one, each would look at all that wait
            ended.append(other)
        for other in ended:
            if not other.leaves:
                line.resume(other)
        pollers.note_open_receives()
        for other in ended:
            if other.leaves:
                pollers.settle_empty(other, now_us)
                pollers.retire(other)

    def has_retired(self, slot: Slot) -> None:
        """Take note that a slot is gone that left."""
        self.leaving -= 1
        own = self._own
        if own is not None and slot.generation == self.generation:
            own.slot_has_ended(slot)

    # ---- what they may do

    def admits(self, slot: Slot, poller: Poller) -> bool:
        """Return whether a slot may begin a receive, which is counted; if not, it pauses."""
        now_us = self._clock.now_us
        poller.settle(self._pollers.ended_by_us())
        if not poller.held_up and poller.ready_at_us(now_us) <= now_us:
            poller.begin_receive(now_us)
            return True
        slot.state = SlotState.GATHERING if slot.messages else SlotState.TURNING
        self._pollers.pauses.begin(slot)
        poller.held_up.append(slot)
        self._time_held_up(poller)
        return False

    def _time_held_up(self, poller: Poller) -> None:
        if poller.timer is None and poller.held_up:
            ready_us, rests = poller.ready_at_us(self._clock.now_us), not self._pollers.queue.visible
            poller.timer = self._pollers.pauses.time(ready_us, self._resume_held_up, poller, rests=rests)

    def _resume_held_up(self, poller: Poller) -> None:
        """Let the slots of a poller ask that may by now, those first that have waited longest (C5)."""
        poller.timer = None
        now_us = self._clock.now_us
        poller.settle(now_us)
        while poller.held_up and poller.ready_at_us(now_us) <= now_us:
            slot = poller.held_up.popleft()
            poller.begin_receive(now_us)
            self._pollers.pauses.end(slot)
            self._pollers.resume(slot)
        self._time_held_up(poller)

    def begin_batch(self, slot: Slot) -> None:
        """Count a slot as busy that got a message."""
        own = self._own
        if own is not None and slot.generation == self.generation:
            slot.busy_in = own
            own.begins_batch(self._clock.now_us)

    def end_batch(self, slot: Slot) -> None:
        """Count it out, where it was counted."""
        if slot.busy_in is not None:
            slot.busy_in.ends_batch(self._clock.now_us)
            slot.busy_in = None

    def check_invariants(self, name: str) -> None:
        """Assert that there are as many pollers as there may be, and that they are whole (ESM-250)."""
        pollers, own = self._pollers, self._own
        assert 0 <= self.leaving <= pollers.slots, f"{name}: {self.leaving} of {pollers.slots} slots leave"
        if own is None:
            return
        count = len(own.pollers)
        assert pollers.machine.phase is not Phase.STOPPED
        assert own.minimum <= count <= own.maximum, f"{name}: {count} pollers"
        assert pollers.machine.target == own.slots == pollers.slots - self.leaving, (
            f"{name}: {pollers.slots} slots, {count} pollers"
        )
        slots = [slot for poller in own.pollers for slot in poller.slots]
        assert len({slot.number for slot in slots}) == own.slots, f"{name}: a slot of two pollers"
        assert not any(slot.leaves or slot.state is SlotState.RETIRED for slot in slots), f"{name}: a slot is gone"
        assert all(poller.is_over and poller.slots for poller in own.ending), f"{name}: a poller ended, and is kept"
        slots += [slot for poller in own.ending for slot in poller.slots]
        assert len(slots) <= pollers.slots, f"{name}: {pollers.slots} slots, {len(slots)} of its pollers"
        assert all((slot.busy_in is own) is bool(slot.messages) for slot in slots), (
            f"{name}: a busy slot is not counted"
        )
        own.check_invariants(sum(slot.busy_in is own for slot in slots))
