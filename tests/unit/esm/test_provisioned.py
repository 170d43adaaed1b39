from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import ProvisionedModel
from lambdasim.esm.provisioned import Bucket, Poller, PollerMeter, Provisioned, billed_seconds, plan_pollers

SECOND = 1_000_000
MINUTE = 60 * SECOND
ONE = SECOND  # a bucket counts in millionths

# ---- a bucket


class Level:
    """What a bucket holds, in fractions."""

    def __init__(self, per_s):
        self.per_s, self.level, self.at_us = per_s, Fraction(per_s), 0

    def at(self, now_us):
        self.level = min(Fraction(self.per_s), self.level + Fraction((now_us - self.at_us) * self.per_s, SECOND))
        self.at_us = now_us
        return self.level


takes = st.lists(
    st.tuples(st.sampled_from((0, 1, 99_999, 100_000, 333_333, SECOND, 7 * SECOND)), st.integers(0, 40)), max_size=20
)


@pytest.mark.rule("ESM-251")
@given(per_s=st.sampled_from((1, 3, 7, 10, 1_048_576)), takes=takes, needed=st.sampled_from((1, ONE)))
def test_a_bucket_is_filled_evenly_up_to_what_comes_in_a_second_and_may_be_in_debt(per_s, takes, needed):
    bucket, level, now_us = Bucket(per_s, 0), Level(per_s), 0
    for after_us, amount in takes:
        now_us += after_us
        bucket.take(now_us, amount)
        level.level = level.at(now_us) - amount
        ready_us = bucket.ready_at_us(now_us, needed)
        assert ready_us >= now_us
        ahead = Level(per_s)
        ahead.level, ahead.at_us = level.level, now_us
        assert ahead.at(ready_us) * SECOND >= needed
        if ready_us > now_us:
            before = Level(per_s)
            before.level, before.at_us = level.level, now_us
            assert before.at(ready_us - 1) * SECOND < needed  # not a microsecond later than it must


@pytest.mark.rule("ESM-251")
def test_a_new_bucket_is_full():
    bucket = Bucket(10, 5)
    for _ in range(10):
        assert bucket.ready_at_us(5, ONE) == 5
        bucket.take(5, 1)
    assert bucket.ready_at_us(5, ONE) == 100_005
    assert bucket.ready_at_us(100_004, ONE) == 100_005
    assert bucket.ready_at_us(100_005, ONE) == 100_005


# ---- how many pollers, and what they cost


@pytest.mark.rule("ESM-253")
@given(peak=st.integers(0, 30_000), minimum=st.integers(2, 200), slots=st.integers(1, 30))
def test_pollers_are_enough_for_the_peak_and_one_less_would_not_be(peak, minimum, slots):
    enough = plan_pollers(peak, minimum, ProvisionedModel(invokes_per_poller=slots))
    assert enough >= minimum
    assert enough * slots >= peak
    assert enough == minimum or (enough - 1) * slots < peak


@pytest.mark.rule("ESM-256")
@pytest.mark.parametrize(
    ("lifetimes", "billed"),
    [([], 0), ([0], 60), ([MINUTE], 60), ([MINUTE + 1], 61), ([MINUTE + SECOND], 61), ([1, 90 * SECOND], 150)],
)
def test_a_poller_is_billed_by_the_started_second_and_for_a_minute_at_least(lifetimes, billed):
    assert billed_seconds(lifetimes) == billed


@pytest.mark.rule("ESM-256", "ESM-280")
def test_the_meter_adds_those_that_run_to_those_that_ended():
    meter = PollerMeter()
    pollers = [Poller(ProvisionedModel(), at * SECOND, 20 * SECOND) for at in (0, 0, 10)]
    meter.change(0, 2)
    meter.change(10 * SECOND, 3)
    meter.change(10 * SECOND, 3)  # no change is no datum
    assert meter.billed_seconds(10 * SECOND, pollers) == 180
    meter.change(100 * SECOND, 2, pollers[2:])
    assert meter.billed_seconds(100 * SECOND, pollers[:2]) == 90 + 100 + 100
    assert meter.billed_seconds(200 * SECOND, pollers[:2]) == 90 + 200 + 200
    assert [(minute, sorted(data)) for minute, data in meter.steps.data(100 * SECOND)] == [
        (0, [(2, 1), (3, 1)]),
        (1, [(2, 1), (3, 1)]),
    ]


# ---- the periods after which pollers are given up


def busy_at(own, busy, now_us):
    """Let so many slots be busy."""
    while own._busy < busy:
        own.begins_batch(now_us)
    while own._busy > busy:
        own.ends_batch(now_us)


def own_of(count, *, minimum=2, now_us=0, **figures):
    own = Provisioned(ProvisionedModel(**figures), minimum, 200, now_us)
    own.pollers = [Poller(own.model, now_us, 20 * SECOND) for _ in range(count)]
    return own


@pytest.mark.rule("ESM-253")
def test_periods_count_from_when_the_mapping_was_enabled():
    own = own_of(9, now_us=7)
    assert own.next_shrink_us(7) == MINUTE + 7
    assert own.next_shrink_us(MINUTE + 6) == MINUTE + 7
    assert own.next_shrink_us(MINUTE + 7) == 2 * MINUTE + 7
    assert own.next_shrink_us(10 * MINUTE) == 10 * MINUTE + 7


@pytest.mark.rule("ESM-253")
def test_each_period_has_a_peak_of_its_own_and_begins_with_what_is_busy():
    own = own_of(9)
    busy_at(own, 45, 10)
    busy_at(own, 21, 20)
    assert own.plan_shrink(MINUTE) == 5
    assert own.plan_shrink(2 * MINUTE) == 3
    busy_at(own, 0, 2 * MINUTE)  # this instant belongs to the third period
    assert own.plan_shrink(3 * MINUTE) == 3
    assert own.plan_shrink(4 * MINUTE) == 2
    own.check_invariants(0)


@pytest.mark.rule("ESM-253")
def test_periods_in_which_nothing_began_or_ended_have_the_peak_of_what_was_busy():
    own = own_of(9)
    busy_at(own, 90, 10)
    busy_at(own, 35, 20)
    assert own.next_shrink_us(10 * MINUTE + 1) == 11 * MINUTE
    assert own.plan_shrink(11 * MINUTE) == 4


@pytest.mark.rule("ESM-253")
def test_there_are_never_more_than_there_were_nor_fewer_than_there_must_be():
    own = own_of(3, minimum=3)
    busy_at(own, 200, 10)  # some are of pollers that were given up
    assert own.plan_shrink(MINUTE) == 3
    busy_at(own, 0, MINUTE)
    assert own.plan_shrink(3 * MINUTE) == 3


@pytest.mark.rule("ESM-250", "ESM-252")
def test_slots_cap_and_ticks_follow_from_the_figures():
    own = own_of(4, invokes_per_poller=3, growth_per_minute=70)
    assert (own.slots, own.cap) == (12, 600)
    grid = own.growth_grid(5)
    assert [grid.first_from(at, inclusive=False) for at in (5, 2_571_433, 10 * SECOND)] == [
        5 + 180 * SECOND // 70,
        5 + 360 * SECOND // 70,
        5 + 4 * 180 * SECOND // 70,
    ]
    assert own_of(4, growth_per_minute=0).growth_grid(5) is None


# ---- receives that take the place of empty ones


class FakeSlot:
    """A slot whose receive began then and is repeated each 20 s."""

    def __init__(self, asked_us, wait_us=20 * SECOND):
        self.asked_us, self.wait_us = asked_us, wait_us

    def repeated_at_us(self, until_us):
        times = max(0, until_us - self.asked_us) // self.wait_us
        at_us = self.asked_us + times * self.wait_us
        return (at_us if times else -1), at_us + self.wait_us


def ready_after(poller, now_us):
    poller.settle(now_us)
    return poller.ready_at_us(now_us)


@pytest.mark.rule("ESM-251", "ESM-082")
@pytest.mark.parametrize("looks", [(), (20 * SECOND - 1,), (20 * SECOND,), (20 * SECOND, 20 * SECOND + 1)])
def test_repeated_receives_are_counted_once_however_often_somebody_looks(looks):
    poller = Poller(ProvisionedModel(), 0, 20 * SECOND)
    poller.slots = [FakeSlot(0) for _ in range(10)]
    for _ in range(10):
        poller.begin_receive(0)
    for now_us in looks:
        poller.settle(now_us)
    now_us = 20 * SECOND + 50_000
    assert ready_after(poller, now_us) == 20 * SECOND + 100_000
    poller.slots[0].asked_us = now_us  # it was served, and asks again: no repetition before 40.05 s
    poller.begin_receive(now_us)
    assert ready_after(poller, 40 * SECOND + 40_000) == 40 * SECOND + 40_000  # nine at 40 s: 1.4 are left
    assert ready_after(poller, 40 * SECOND + 60_000) == 40 * SECOND + 100_000  # 1.6 - 1


@pytest.mark.rule("ESM-251", "ESM-082")
def test_repeated_receives_may_leave_a_debt():
    poller = Poller(ProvisionedModel(polls_per_s=2), 0, 20 * SECOND)
    poller.slots = [FakeSlot(0), FakeSlot(0), FakeSlot(500_000)]
    assert ready_after(poller, 20 * SECOND) == 20 * SECOND + 500_000
    poller.begin_receive(20 * SECOND)  # -1
    assert ready_after(poller, 20 * SECOND + 499_999) == 21 * SECOND
    assert ready_after(poller, 20 * SECOND + 500_000) == 21 * SECOND + 500_000  # -1 + 1 - 1


@pytest.mark.rule("ESM-251")
def test_both_buckets_must_allow_a_receive():
    poller = Poller(ProvisionedModel(polls_per_s=1, bytes_per_s=10), 0, 20 * SECOND)
    poller.begin_receive(0)
    assert poller.ready_at_us(0) == SECOND
    poller.returned(0, 35)
    assert poller.ready_at_us(0) == 2_500_001
    poller.returned(0, 0)
    assert poller.ready_at_us(3 * SECOND) == 3 * SECOND
