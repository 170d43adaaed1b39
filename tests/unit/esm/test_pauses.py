from __future__ import annotations

from collections import deque
from types import SimpleNamespace

import pytest

from lambdasim.clock import Clock
from lambdasim.esm.pauses import Pauses
from lambdasim.esm.slots import SlotState

SECOND = 1_000_000


class World:
    """Pauses of slots of which two share a poller, as in provisioned mode."""

    def __init__(self):
        self.clock = Clock()
        self.pauses = Pauses(self.clock)
        self.poller = SimpleNamespace(held_up=deque(), timer=None)
        self.slots = [
            SimpleNamespace(number=number, state=state, pause=None, called=0, poller=poller, asks=False)
            for number, state, poller in (
                (1, SlotState.TURNING, None),
                (2, SlotState.GATHERING, self.poller),
                (3, SlotState.TURNING, self.poller),
            )
        ]
        self.ended = []

    def end(self, slot):
        self.ended.append((self.clock.now_us // SECOND, slot.number))
        self.pauses.end(slot)

    def hold_up(self, second, *, rests):
        """Hold both slots of the poller up until then."""
        for slot in self.slots[1:]:
            self.pauses.begin(slot)
            self.poller.held_up.append(slot)
        self.poller.timer = self.pauses.time(second * SECOND, self.let_go, None, rests=rests)

    def let_go(self, _):
        for slot in tuple(self.poller.held_up):
            self.end(slot)

    def check(self):
        self.pauses.check_invariants("a mapping", queue_is_gone=False)


def test_a_slot_pauses_until_it_is_taken_out():
    world = World()
    first, second, _ = world.slots
    world.pauses.end(first)  # it does not pause, which is no matter
    world.pauses.begin(second, world.clock.timer(9 * SECOND, world.end, second))
    world.pauses.begin(first, world.clock.timer(5 * SECOND, world.end, first))
    assert world.pauses.slots == (second, first)
    assert [first in world.pauses, world.slots[2] in world.pauses] == [True, False]
    assert [world.pauses.count(state) for state in (SlotState.TURNING, SlotState.GATHERING)] == [1, 1]
    world.check()
    world.pauses.end(second)
    assert (second.pause, second in world.pauses) == (None, False)
    world.clock.run()
    assert world.ended == [(5, 1)]  # what would have ended the other pause is cancelled


@pytest.mark.rule("ESM-092")
def test_what_receives_on_their_way_back_may_bring_adds_up():
    world = World()
    for slot, limit in zip(world.slots, (10, 1, 3), strict=True):
        slot.state = SlotState.POLLING
        world.pauses.call(slot, limit, world.clock.timer(SECOND, world.end, slot))
    assert world.pauses.called == 14
    world.check()
    world.pauses.end(world.slots[0])
    assert (world.pauses.called, world.slots[0].called) == (4, 0)


@pytest.mark.rule("ESM-251")
def test_nothing_lets_a_poller_go_on_whose_slots_are_not_held_up_any_more():
    world = World()
    world.hold_up(5, rests=False)
    world.check()
    for slot, is_pending in ((world.slots[2], True), (world.slots[1], False)):
        world.pauses.end(slot)
        assert (world.poller.timer is not None) is is_pending
    world.clock.run()
    assert world.ended == []


@pytest.mark.rule("ESM-082")
@pytest.mark.parametrize(
    ("rests", "comes_at", "ended", "now"),
    [
        (False, None, [(5, 2), (5, 3), (7, 1)], 7),
        (True, None, [], 0),  # nobody waits for it
        (True, 3, [(5, 2), (5, 3), (7, 1)], 7),  # there is something to receive: pauses end when they would have
        (True, 6, [(5, 2), (5, 3), (7, 1)], 7),
    ],
)
def test_pauses_end_in_the_background_until_there_is_something_to_receive(rests, comes_at, ended, now):
    world = World()
    world.hold_up(5, rests=rests)
    first = world.slots[0]
    world.pauses.begin(first, world.pauses.time(7 * SECOND, world.end, first, rests=rests))
    assert world.pauses.rests is rests
    if comes_at is not None:
        world.clock.call_at(comes_at, world.pauses.bring_forward)
    world.clock.run()
    assert (world.ended, world.clock.now_us) == (ended, now * SECOND)
    assert not world.pauses.rests or comes_at is None
