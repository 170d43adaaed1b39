from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim.esm.line import Asker, OpenReceives

WAIT, QUIET = 20, 30
MINUTE = 60_000_000


def line_of(*starts, latency_us=0, wait_us=WAIT, takes_turns=False):
    """Return a line in which slots 1, 2, … wait since these instants."""
    line = OpenReceives(wait_us, QUIET, latency_us, takes_turns=takes_turns)
    slots = [Asker(number) for number in range(1, len(starts) + 1)]
    for slot, start in zip(slots, starts, strict=True):
        line.begin(slot, start, slot.number)
    return line, slots


def gathers(line, number, asked_us, window_end_us, *, waits_whole=False):
    """Let another slot have an open batch, and a receive for it."""
    slot = Asker(number)
    slot.asked_us = slot.first_asked_us = asked_us
    slot.asked_number = number
    slot.window_end_us = window_end_us
    slot.waits_whole = waits_whole
    line.join(slot)
    return slot


def numbers(slots):
    return [slot.number for slot in slots]


# ---- order


@pytest.mark.rule("ESM-082", "ESM-083")
@pytest.mark.parametrize(
    ("ended_by_us", "order", "since"),
    [
        (0, [1, 2, 3], (0, 1)),
        (19, [1, 2, 3], (0, 1)),
        (20, [2, 3, 1], (5, 2)),  # the receive of 0 ended empty, and another began
        (24, [2, 3, 1], (5, 2)),
        (25, [1, 2, 3], (20, 1)),  # both of 5 ended at this instant
        (39, [1, 2, 3], (20, 1)),
        (40, [2, 3, 1], (25, 2)),
        (1_000, [2, 3, 1], (985, 2)),
    ],
)
def test_who_waits_longest_is_told_by_the_receive_that_is_open_now(ended_by_us, order, since):
    """Slots wait since 0, 5 and 5, for 20 each time; the third was the last to begin."""
    line, _ = line_of(0, 5, 5)
    assert line.since(ended_by_us) == since
    assert numbers(line.in_order(ended_by_us)) == order


@pytest.mark.rule("ESM-083")
@given(
    starts=st.lists(st.integers(0, 60), min_size=1, max_size=8).map(sorted),
    ended_by_us=st.integers(60, 200),
    gone=st.sets(st.integers(0, 7)),
)
def test_the_head_is_always_the_slot_whose_open_receive_began_first(starts, ended_by_us, gone):
    line, slots = line_of(*starts)
    for place in sorted(gone):
        if place < len(slots):
            line.call(slots[place])
    left = [(slot, start) for place, (slot, start) in enumerate(zip(slots, starts, strict=True)) if place not in gone]
    naive = min(((ended_by_us - (ended_by_us - start) % WAIT, slot.number) for slot, start in left), default=None)
    assert line.since(ended_by_us) == naive


@pytest.mark.rule("ESM-083")
def test_open_batches_come_first_by_the_end_of_their_window():
    line, _ = line_of(0)
    late, soon = gathers(line, 7, 0, 300), gathers(line, 8, 10, 200)
    assert numbers(line.in_order(10)) == [8, 7, 1]
    line.leave(soon)
    line.leave(soon)  # once is enough
    assert numbers(line.in_order(10)) == [7, 1]
    line.leave(late)
    assert line.since(10) == (0, 1)


@pytest.mark.rule("ESM-084")
@pytest.mark.parametrize(
    ("ended_by_us", "order"),
    [
        (10, [1, 7, 8]),  # since 0, 3 and 10
        (19, [1, 7, 8]),
        (20, [7, 8, 1]),  # 3, 10, 20
        (23, [8, 1, 7]),  # 10, 20, 23
        (39, [8, 1, 7]),  # 10, 20, 23: that of 8 waits as on a quiet queue, for 30
        (40, [7, 1, 8]),  # 23, 40, 40: two that began at one instant stand as before
    ],
)
def test_where_slots_take_turns_open_batches_wait_like_the_others(ended_by_us, order):
    line, _ = line_of(0, takes_turns=True)
    gathers(line, 7, 3, 1_000)
    gathers(line, 8, 10, 500, waits_whole=True)
    line.advance(ended_by_us)
    assert numbers(line.in_order(ended_by_us)) == order
    assert line.longest(ended_by_us).number == order[0]


@pytest.mark.rule("ESM-084")
def test_a_receive_of_a_batch_that_left_has_no_turn():
    line, _ = line_of(9, takes_turns=True)
    slot = gathers(line, 7, 0, 500)
    slot.asked_us, slot.asked_number = 5, 100  # it got something, and asks again
    line.join(slot)
    assert line.longest(9) is slot
    line.leave(slot)
    assert line.longest(9).number == 1


def test_what_receives_of_batches_leave_behind_is_swept_out():
    line, _ = line_of(0, takes_turns=True)
    slot = gathers(line, 7, 0, 500)
    for number in range(8, 1_000):
        slot.asked_number = number
        line.join(slot)
        assert len(line._asking) < 100
    assert line.longest(0) is not slot  # the last one is still there, and began after the one that waits
    line.call(line.waiting[0][2])
    assert line.longest(0) is slot


@pytest.mark.parametrize(
    ("now_us", "gone"), [(19, []), (20, [1]), (24, [1]), (25, [1, 2]), (29, [1, 2]), (30, [1, 2, 3])]
)
def test_slots_whose_receives_end_now_are_taken_out_in_order(now_us, gone):
    line, _ = line_of(0, 5, 10)
    found = []
    while (slot := line.pop_ended(now_us)) is not None:
        found.append(slot.number)
    assert found == gone
    assert len(line.waiting) == 3 - len(gone)


def test_a_slot_that_comes_back_with_the_receive_it_had_stands_where_it_stood():
    line, slots = line_of(0, 5, 10)
    line.call(slots[1])
    assert numbers(line.in_order(10)) == [1, 3]
    line.resume(slots[1])
    assert numbers(line.in_order(10)) == [1, 2, 3]


# ---- receives that take time


@pytest.mark.rule("ESM-092")
@pytest.mark.parametrize(
    ("ended_by_us", "in_time", "asked_us", "empty"),
    [
        (0, True, 0, 0),
        (16, True, 0, 0),
        (17, False, 20, 1),  # of 20 the last 3 are the way back: what comes then is for the next receive
        (19, False, 20, 1),
        (20, True, 20, 1),
        (36, True, 20, 1),
        (37, False, 40, 2),
        (40, True, 40, 2),
    ],
)
def test_a_receive_on_its_way_back_brings_nothing_that_comes_then(ended_by_us, in_time, asked_us, empty):
    line, (slot,) = line_of(0, latency_us=3)
    assert line.returns_in_time(slot, ended_by_us) is in_time
    line.call(slot)
    line.catch(slot, ended_by_us)
    assert (slot.asked_us, slot.first_asked_us) == (asked_us, asked_us)
    assert line.count_empty(ended_by_us) == empty


# ---- what ended empty


@pytest.mark.rule("ESM-082", "ESM-290")
@pytest.mark.parametrize(("ended_by_us", "empty"), [(3, 0), (22, 0), (23, 1), (42, 1), (43, 2), (1_003, 50)])
def test_empty_receives_are_counted_before_and_after_they_are_taken_down(ended_by_us, empty):
    """A slot waits since 3, each time for 20."""
    line, (slot,) = line_of(3)
    assert line.count_empty(ended_by_us) == empty
    line.settle(slot, ended_by_us)
    line.call(slot)
    assert line.count_empty(ended_by_us) == empty
    assert line.count_empty(ended_by_us + 10_000) == empty


@pytest.mark.rule("ESM-082", "ESM-088")
def test_a_batch_that_waits_as_on_a_quiet_queue_has_receives_of_another_length():
    line, _ = line_of()
    slot = gathers(line, 1, 0, 500, waits_whole=True)
    assert [line.count_empty(at) for at in (29, 30, 59, 60)] == [0, 1, 1, 2]
    slot.waits_whole = False
    assert [line.count_empty(at) for at in (19, 20, 39, 40)] == [0, 1, 1, 2]


@pytest.mark.rule("ESM-081", "ESM-082")
@pytest.mark.parametrize(
    ("now_us", "empty"),
    [
        (0, 0),  # the window ends as the receive begins: none was made
        (1, 1),
        (19, 1),
        (20, 1),  # the one that ends now is the last
        (21, 2),
        (40, 2),
        (41, 3),
    ],
)
def test_the_last_receive_of_a_batch_ends_with_its_window(now_us, empty):
    line, _ = line_of()
    slot = gathers(line, 1, 0, now_us)
    line.leave(slot)
    line.end_with_window(slot, now_us)
    assert line.count_empty(now_us) == empty


@pytest.mark.rule("ESM-290")
def test_empty_receives_stand_in_the_minutes_in_which_they_ended():
    line, (slot, _) = line_of(0, MINUTE, wait_us=MINUTE // 3)
    line.settle(slot, MINUTE)
    line.call(slot)
    line.end_empty(MINUTE + 1)
    assert line.empty_by_minute(2 * MINUTE - 1) == {0: 2, 1: 4}
    assert line.empty_by_minute(2 * MINUTE) == {0: 2, 1: 4, 2: 1}


@pytest.mark.rule("ESM-055")
def test_another_queue_begins_with_no_empty_receive_and_those_of_before_are_kept():
    line, (slot,) = line_of(0)
    line.settle(slot, 45)
    line.call(slot)
    line.enter_queue()
    line.begin(slot, 50, 2)
    assert (line.count_empty(70), line.count_past_empty()) == (1, 2)
    assert list(line.past_empty_by_minute()) == [{0: 2}]
