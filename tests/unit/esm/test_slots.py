from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import BatchWindowModel
from lambdasim.esm.slots import Fill, Fitting, Slot, SlotState

FRAME = len('{"Records":[]}')
EXACT = BatchWindowModel()


def slot_of(*, batch_size=10, window_us=100, payload_bytes=FRAME + 100):
    """Return a slot whose messages are the numbers of bytes that their records take."""
    terms = SimpleNamespace(
        batch_size=batch_size,
        window_us=window_us,
        payload_bytes=payload_bytes,
        events=SimpleNamespace(size_bytes=lambda message, receive_count: message),
    )
    pollers = SimpleNamespace(terms=terms, fleet=SimpleNamespace(generation=0), invoker=SimpleNamespace(finished=None))
    return Slot(pollers, 1)


def flight(deadline_us=1_000):
    return SimpleNamespace(deadline_us=deadline_us)


def add(slot, messages, now_us=0, deadline_us=1_000, *, is_cut=False):
    """Add messages, and open the window as a mapping does; return what became of the batch."""
    fill = slot.add(flight(deadline_us), list(messages), [1] * len(messages), now_us, is_cut=is_cut)
    if fill is Fill.OPENED:
        slot.open_window(now_us, EXACT, waits_whole=False)
    return fill


# ---- when a batch is closed


@pytest.mark.rule("ESM-085", "ESM-086")
@pytest.mark.parametrize(
    ("window_us", "receives", "fills", "room"),
    [
        (0, [3], [Fill.CLOSED], 7),  # without a window a receive is a batch
        (0, [10], [Fill.CLOSED], 0),
        (100, [3], [Fill.OPENED], 7),
        (100, [10], [Fill.CLOSED], 0),
        (100, [3, 6], [Fill.OPENED, Fill.JOINED], 1),
        (100, [3, 6, 1], [Fill.OPENED, Fill.JOINED, Fill.CLOSED], 0),
        (100, [0], [Fill.NOTHING], 10),
        (100, [3, 0], [Fill.OPENED, Fill.JOINED], 7),  # all of the second were too large for any event
    ],
    ids=str,
)
def test_a_batch_is_closed_when_it_is_full_or_has_no_window(window_us, receives, fills, room):
    slot = slot_of(window_us=window_us)
    assert [add(slot, [5] * count) for count in receives] == fills
    assert (slot.room, slot.records) == (room, sum(receives))


@pytest.mark.rule("ESM-086", "ESM-089")
def test_a_batch_is_closed_when_the_event_has_no_room_for_all_that_came():
    slot = slot_of()
    assert add(slot, [5]) is Fill.OPENED
    assert add(slot, [5], is_cut=True) is Fill.CLOSED
    assert add(slot_of(), [5], is_cut=True) is Fill.CLOSED


@pytest.mark.rule("ESM-088")
@pytest.mark.parametrize(("now_us", "fill"), [(99, Fill.JOINED), (100, Fill.CLOSED), (101, Fill.CLOSED)])
def test_on_a_quiet_queue_what_comes_when_the_window_is_over_closes_the_batch(now_us, fill):
    slot = slot_of()
    slot.add(flight(), [5], [1], 0, is_cut=False)
    slot.open_window(0, EXACT, waits_whole=True)
    assert add(slot, [5], now_us) is fill


@pytest.mark.rule("ESM-087")
@pytest.mark.parametrize(
    ("anchor", "previous_end_us", "ends_us"),
    [
        ("previous_completion", None, 300),
        ("previous_completion", 150, 250),  # the window opened when the invocation before ended
        ("previous_completion", 101, 201),
        ("previous_completion", 100, 300),  # that one is over at the instant of the record, to the microsecond
        ("first_record", 150, 300),
    ],
)
def test_when_the_window_of_a_batch_ends_whose_first_record_came_at_200(anchor, previous_end_us, ends_us):
    slot = slot_of()
    slot.previous_end_us = previous_end_us
    assert slot.add(flight(), [5], [1], 200, is_cut=False) is Fill.OPENED
    slot.open_window(200, BatchWindowModel(anchor=anchor), waits_whole=False)
    assert (slot.state, slot.window_end_us) == (SlotState.GATHERING, ends_us)


def test_a_batch_has_the_earliest_deadline_of_its_receives():
    slot = slot_of()
    for deadline_us, earliest in ((500, 500), (700, 500), (300, 300)):
        add(slot, [5], deadline_us=deadline_us)
        assert slot.deadline_us == earliest
    assert len(slot.flights) == 3


def test_others_that_join_do_not_join_the_flight():
    """The messages of a flight are those of its receive, whatever the batch has."""
    slot, first = slot_of(), [5]
    slot.add(flight(), first, [1], 0, is_cut=False)
    slot.add(flight(), [6], [1], 0, is_cut=False)
    assert (first, slot.messages) == ([5], [5, 6])


def test_a_cleared_slot_has_nothing_and_may_begin_again():
    slot = slot_of()
    slot.fit(flight(), [40, 50, 60], [1, 1, 1])
    add(slot, [40, 50], is_cut=True)
    slot.retries = 3
    assert slot.records == 3
    slot.clear()
    assert (slot.messages, slot.receive_counts, slot.flights, slot.held_bytes, slot.retries) == ([], [], [], 0, 0)
    assert slot.records == 1  # what was beyond the payload limit is for the next batch


# ---- the payload limit


@pytest.mark.rule("ESM-066", "ESM-089", "ESM-090")
@pytest.mark.parametrize(
    ("held", "sizes", "wanted", "left_over"),
    [
        ([], [49, 50], ([49, 50], False, 0), []),  # 100 with the comma
        ([], [50, 50], ([50], True, 0), [50]),
        ([], [50, 50, 1], ([50], True, 0), [50, 1]),  # all that is after it, whether it fits or not
        ([], [100], ([100], False, 0), []),
        ([], [101], ([], False, 1), []),
        ([], [101, 5, 200, 6], ([5, 6], False, 2), []),
        ([49], [49, 1], ([49], True, 0), [1]),
        ([49], [50], ([50], False, 0), []),
        ([49], [51], ([], True, 0), [51]),
        ([49], [101], ([], False, 1), []),
    ],
    ids=str,
)
def test_what_of_a_receive_fits_into_the_event(held, sizes, wanted, left_over):
    slot = slot_of()
    if held:
        slot.fit(flight(), held, [1] * len(held))
        add(slot, held)
    found = slot.fit(flight(), sizes, list(range(len(sizes))))
    assert (found.messages, found.is_cut, found.oversized) == wanted
    assert [sizes[place] for place in found.receive_counts] == found.messages
    assert [message for _, messages, _ in slot.left_over for message in messages] == left_over


@pytest.mark.rule("ESM-089", "ESM-090")
@given(sizes=st.lists(st.lists(st.integers(1, 110), min_size=1, max_size=10), min_size=1, max_size=5))
def test_no_event_is_above_the_limit_and_no_record_is_lost(sizes):
    slot = slot_of(batch_size=10_000)
    total = oversized = 0
    for receive in sizes:
        found = slot.fit(flight(), receive, [1] * len(receive))
        assert isinstance(found, Fitting)
        oversized += found.oversized
        total += len(receive)
        add(slot, found.messages, is_cut=found.is_cut)
        assert slot.records + oversized == total
        assert FRAME + sum(slot.messages) + max(0, len(slot.messages) - 1) <= slot.terms.payload_bytes
