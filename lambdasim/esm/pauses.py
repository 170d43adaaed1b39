"""
Slots that may not ask: they stand nowhere in line, and something brings each of them back.

A slot pauses when its poller is out of receives or bytes (provisioned mode), when the queue is gone, when a receive for
its batch failed, or while its receive is on its way back (`receive_latency_s`). What ends a pause is in the background
while there is nothing to receive: nobody waits for it then (ESM-082). It is brought forward when there is something.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from lambdasim.clock import Clock, Priority, Timer
from lambdasim.esm.slots import SlotState

if TYPE_CHECKING:
    from lambdasim.esm.slots import Slot

_WORK: Final = Priority.WORK.value


class Pauses:
    """The slots of one mapping that pause."""

    __slots__ = ("_clock", "_slots", "called", "rests")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots: dict[int, Slot] = {}  # by number
        self.rests = False  #: whether pauses end in the background, since there is nothing to receive
        self.called = 0  #: messages that receives on their way back may bring

    def __contains__(self, slot: Slot) -> bool:
        """Whether a slot pauses."""
        return slot.number in self._slots

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Those that pause, in the order in which they began."""
        return tuple(self._slots.values())

    def count(self, state: SlotState) -> int:
        """Return how many pause in a state. Runtime: `O(n)`."""
        return sum(slot.state is state for slot in self._slots.values())

    def begin(self, slot: Slot, timer: Timer | None = None) -> None:
        """Let a slot pause; None: something else than a timer of its own ends that."""
        self._slots[slot.number] = slot
        slot.pause = timer

    def call(self, slot: Slot, limit: int, timer: Timer) -> None:
        """Let a slot pause until its receive returns, with so many messages at most."""
        slot.called = limit
        self.called += limit
        self.begin(slot, timer)

    def end(self, slot: Slot) -> None:
        """Take a slot out of those that pause, if it does."""
        if self._slots.pop(slot.number, None) is None:
            return
        if slot.pause is not None:
            slot.pause.cancel()
            slot.pause = None
        self.called -= slot.called
        slot.called = 0
        poller = slot.poller
        if poller is not None and slot in poller.held_up:
            poller.held_up.remove(slot)
            if not poller.held_up and poller.timer is not None:
                poller.timer.cancel()
                poller.timer = None

    def time(self, at_us: int, action: Callable[[Any], None], argument: object, *, rests: bool) -> Timer:
        """Return a timer that ends a pause; *rests*: there is nothing to receive."""
        self.rests = self.rests or rests
        return self._clock.timer(at_us, action, argument, priority=_WORK, background=rests)

    def bring_forward(self) -> None:
        """See to it that pauses end also where nothing else is waited for: there is something to receive now."""
        self.rests = False
        for slot in self._slots.values():
            slot.pause = self._in_foreground(slot.pause)
            if slot.poller is not None:
                slot.poller.timer = self._in_foreground(slot.poller.timer)

    def _in_foreground(self, timer: Timer | None) -> Timer | None:
        if timer is None or timer.action is None or not timer.background:
            return timer
        moved = self._clock.timer(timer.at_us, timer.action, timer.argument, priority=_WORK)
        timer.cancel()
        return moved

    def check_invariants(self, name: str, *, queue_is_gone: bool) -> None:
        """Assert that something ends each pause."""
        pausing = self._slots.values()
        assert self.called == sum(slot.called for slot in pausing), f"{name}: {self.called} messages called for"
        for slot in pausing:
            assert not slot.asks, f"{name}: a slot pauses and stands in line"
            usual = (
                (SlotState.POLLING, SlotState.GATHERING) if slot.called else (SlotState.TURNING, SlotState.GATHERING)
            )
            assert slot.state in usual, f"{name}: {slot.state} pauses"
            poller = slot.poller
            if poller is not None and slot in poller.held_up:
                assert slot.pause is None, f"{name}: a slot pauses for two reasons"
                assert poller.timer is not None, f"{name}: nothing lets a poller go on"
                timer: Timer | None = poller.timer
            else:
                timer = slot.pause
                assert timer is not None or queue_is_gone, f"{name}: a slot pauses for no reason"
            assert timer is None or timer.is_pending, f"{name}: a pause ended, and its slot did not go on"
            assert timer is None or not timer.background or self.rests, f"{name}: a pause is not brought forward"
