"""Each meter against a list of every datum, kept as it came."""

from __future__ import annotations

from collections import Counter as Multiset
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdasim.clock.meters import (
    Beats,
    Counter,
    Ledger,
    Samples,
    Spells,
    Steps,
    check_statistic,
    merge,
    percentile,
    statistic,
)
from lambdasim.errors import UsageError
from lambdasim.units import MINUTE_US
from tests.strategies import instants_us

values = st.integers(-5, 5)


def by_minute(data):
    """Return what a meter yields as {minute: {value: how often}}, and see that the minutes are in order."""
    rows = [(minute, list(rows)) for minute, rows in data]
    minutes = [minute for minute, _ in rows]
    assert sorted(set(minutes)) == minutes
    found = {}
    for minute, pairs in rows:
        counts = Multiset()
        for value, times in pairs:
            counts[value] += times
        found[minute] = counts
    return found


def gathered(events):
    """Return (instant, value) pairs as {minute: {value: how often}}."""
    found = {}
    for at_us, value in events:
        found.setdefault(at_us // MINUTE_US, Multiset())[value] += 1
    return found


# ---- statistics


@given(st.lists(st.tuples(values, st.integers(1, 4)), min_size=1, max_size=8))
def test_statistics_are_those_of_the_data_one_by_one(rows):
    data = [value for value, times in rows for _ in range(times)]
    assert sum(data) == statistic("Sum", rows)
    assert len(data) == statistic("SampleCount", rows)
    assert pytest.approx(sum(data) / len(data)) == statistic("Average", rows)
    assert min(data) == statistic("Minimum", rows)
    assert max(data) == statistic("Maximum", rows)


@example([(1, 1), (2, 1)], "50")
@example([(1, 999), (2, 1)], "99.9")
@given(
    st.lists(st.tuples(values, st.integers(1, 60)), min_size=1, max_size=6),
    st.sampled_from(("0", "1", "25", "33.3", "50", "90", "95", "99", "99.9", "99.99", "100")),
)
def test_a_percentile_is_the_smallest_value_that_so_many_percent_do_not_exceed(rows, share):
    data = sorted(value for value, times in rows for _ in range(times))
    expected = next(value for n, value in enumerate(data, 1) if n * 100 >= len(data) * Fraction(share))
    assert expected == percentile(float(share), rows)
    assert expected == statistic(f"p{share}", rows)


@pytest.mark.parametrize("share", ["99.9", "99.99", "0.1", "57.1"])
def test_a_percentile_is_right_where_the_share_hits_a_datum_exactly(share):
    for size in (*range(1, 300), 1_000, 2_000, 10_000):
        rows = [(value, 1) for value in range(1, size + 1)]
        assert max(1, ceil(Fraction(share) * size / 100)) == percentile(float(share), rows)


@pytest.mark.parametrize("name", ["sum", "p", "p101", "p-1", "pnan", "50", "Percentile", "", "p5x"])
def test_what_is_no_statistic_is_refused_by_name(name):
    with pytest.raises(UsageError, match="no statistic"):
        check_statistic(name)
    with pytest.raises(UsageError):
        statistic(name, [(1, 1)])


def test_a_percentile_is_known_by_its_number():
    assert 99.9 == check_statistic("p99.9")
    assert -1.0 == check_statistic("Sum")


# ---- counters and samples


@given(st.lists(st.tuples(instants_us(), st.integers(1, 3)), max_size=20))
def test_a_counter_counts_by_the_minute(events):
    counter = Counter()
    for at_us, times in events:
        counter.add(at_us, times)
    assert gathered((at_us, 1) for at_us, times in events for _ in range(times)) == by_minute(counter.data())
    assert sum(times for _, times in events) == counter.total


@given(st.lists(st.tuples(instants_us(), values, st.integers(1, 3)), max_size=30))
def test_samples_keep_every_datum(events):
    samples = Samples()
    for at_us, value, times in events:
        samples.add(at_us, value, times)
    assert gathered((at_us, value) for at_us, value, times in events for _ in range(times)) == by_minute(samples.data())


def test_equal_samples_in_a_row_take_no_room():
    samples = Samples()
    for _ in range(1_000):
        samples.add(1, 7)
    assert 2 == len(samples.minutes[0])


def test_the_last_microsecond_of_a_minute_belongs_to_it():
    counter = Counter()
    for at_us in (MINUTE_US - 1, MINUTE_US, MINUTE_US + 1):
        counter.add(at_us)
    assert {0: {1: 1}, 1: {1: 2}} == by_minute(counter.data())


@given(st.lists(st.lists(st.tuples(instants_us(), values), max_size=8), max_size=4))
def test_merged_data_are_those_of_all_parts(parts):
    meters = []
    for part in parts:
        meters.append(Samples())
        for at_us, value in part:
            meters[-1].add(at_us, value)
    merged = merge([meter.data() for meter in meters])
    assert gathered(event for part in parts for event in part) == by_minute((m, merged[m]) for m in sorted(merged))


# ---- steps


def naive_steps(changes, now_us):
    """Each change is a datum; so is the value above 0 that each minute finds when its first instant is over."""
    data = gathered(changes)
    for minute in range(1, now_us // MINUTE_US + 1):
        before = [value for at_us, value in changes if at_us <= minute * MINUTE_US]
        if before and before[-1] > 0:
            data.setdefault(minute, Multiset())[before[-1]] += 1
    return data


def in_order_of_time(rows):
    return sorted(rows, key=lambda row: row[0])


@pytest.mark.rule("LAM-263")
@example([(0, 1), (MINUTE_US, 0)], 0)
@example([(0, 1), (MINUTE_US, 2), (MINUTE_US + 1, 0)], 0)
@example([(MINUTE_US - 1, 3)], 3 * MINUTE_US)
@given(
    st.lists(st.tuples(instants_us(), st.integers(0, 4)), max_size=25).map(in_order_of_time),
    st.one_of(st.just(0), instants_us()),
)
def test_steps_have_a_datum_at_each_change_and_one_where_a_minute_opens_above_nought(changes, idle_us):
    steps = Steps()
    for place, (at_us, value) in enumerate(changes):
        steps.change(at_us, value)
        assert naive_steps(changes[: place + 1], at_us) == by_minute(steps.data(at_us))
    now_us = (changes[-1][0] if changes else 0) + idle_us
    assert naive_steps(changes, now_us) == by_minute(steps.data(now_us))
    assert (changes[-1][1] if changes else 0) == steps.value


@pytest.mark.rule("LAM-263")
@pytest.mark.parametrize(
    ("end_us", "expected"),
    [
        (MINUTE_US - 1, {0: {1: 1, 0: 1}}),
        (MINUTE_US, {0: {1: 1}, 1: {0: 1}}),
        (MINUTE_US + 1, {0: {1: 1}, 1: {1: 1, 0: 1}}),
    ],
)
def test_the_carried_datum_is_the_value_after_the_last_event_of_the_border(end_us, expected):
    steps = Steps()
    steps.change(5, 1)
    steps.change(end_us, 0)
    assert expected == by_minute(steps.data(end_us))


@pytest.mark.rule("LAM-263")
def test_idle_minutes_have_no_datum():
    steps = Steps()
    steps.change(5, 1)
    steps.change(6, 0)
    steps.change(4 * MINUTE_US + 1, 1)
    assert {0: {1: 1, 0: 1}, 4: {1: 1}} == by_minute(steps.data(4 * MINUTE_US + 1))


def test_looking_at_steps_changes_nothing():
    steps = Steps()
    steps.change(5, 2)
    assert by_minute(steps.data(3 * MINUTE_US)) == by_minute(steps.data(3 * MINUTE_US))
    steps.change(MINUTE_US, 3)
    assert {0: {2: 1}, 1: {3: 2}} == by_minute(steps.data(MINUTE_US))


# ---- ledgers


class Owner:
    """Keeps a ledger as queues do, and a list of every change."""

    def __init__(self, created_us):
        self.created_us = created_us
        self.count = 0
        self.level = 0
        self.ledger = Ledger(created_us, lambda: (0, self.count), lambda: (self.level, -self.level))
        self.changes = []

    def change(self, at_us, grow, level):
        if at_us >= self.ledger.border_us:
            self.ledger.turn(at_us)
        self.count += grow
        self.level = level
        self.changes.append((at_us, grow, level))

    def naive_sums(self):
        found = Multiset()
        for at_us, grow, _ in self.changes:
            found[at_us // MINUTE_US] += grow
        return {minute: total for minute, total in found.items() if total}

    def naive_gauge(self, now_us):
        found = {}
        for end_us in range(0, now_us + 1, MINUTE_US):
            if end_us > self.created_us:
                levels = [level for at_us, _, level in self.changes if at_us <= end_us]
                found[end_us] = levels[-1] if levels else 0
        return found


@pytest.mark.rule("SQS-602")
@example(0, [(MINUTE_US, 1, 5)], 0)
@example(MINUTE_US, [(MINUTE_US, 1, 5), (2 * MINUTE_US, 1, 6), (2 * MINUTE_US + 1, 1, 7)], 0)
@given(
    instants_us(2),
    st.lists(st.tuples(instants_us(), st.integers(0, 3), st.integers(0, 4)), max_size=25),
    st.one_of(st.just(0), instants_us()),
)
def test_ledger_sums_leave_the_end_out_and_gauges_are_taken_after_it(created_us, changes, idle_us):
    owner = Owner(created_us)
    now_us = created_us
    for at_us, grow, level in in_order_of_time(changes):
        now_us = created_us + at_us
        owner.change(now_us, grow, level)
        assert owner.naive_sums() == dict(owner.ledger.sums(1))
    now_us += idle_us
    assert owner.naive_sums() == dict(owner.ledger.sums(1))
    assert {} == dict(owner.ledger.sums(0))
    assert owner.naive_gauge(now_us) == dict(owner.ledger.gauge(0, now_us))
    assert {end: -level for end, level in owner.naive_gauge(now_us).items()} == dict(owner.ledger.gauge(1, now_us))


@pytest.mark.rule("SQS-602")
@pytest.mark.parametrize(
    ("at_us", "minute", "first_gauge"), [(MINUTE_US - 1, 0, 7), (MINUTE_US, 1, 7), (MINUTE_US + 1, 1, 0)]
)
def test_what_happens_at_the_border_counts_for_the_next_minute_and_shows_in_the_gauge_of_the_last(
    at_us, minute, first_gauge
):
    owner = Owner(0)
    owner.change(at_us, 1, 7)
    assert {minute: 1} == dict(owner.ledger.sums(1))
    assert {MINUTE_US: first_gauge, 2 * MINUTE_US: 7} == dict(owner.ledger.gauge(0, 2 * MINUTE_US))


def test_a_ledger_writes_nothing_down_for_minutes_in_which_nothing_changed():
    owner = Owner(0)
    owner.change(1, 1, 7)
    owner.change(10_000 * MINUTE_US + 1, 1, 7)
    assert 2 >= len(owner.ledger._sum_rows)
    assert 2 >= len(owner.ledger._gauge_rows)


def test_a_ledger_without_gauges_has_none():
    ledger = Ledger(0, lambda: (0,))
    ledger.turn(5 * MINUTE_US)
    assert [] == list(ledger.gauge(0, 5 * MINUTE_US))


# ---- beats


@example([(MINUTE_US - 1, 1, 2)])
@example([(0, MINUTE_US, 3)])
@given(st.lists(st.tuples(instants_us(), st.integers(1, 3 * MINUTE_US), st.integers(0, 30)), max_size=6))
def test_beats_are_events_at_equal_steps(rows):
    beats = Beats()
    for first_us, step_us, times in rows:
        beats.add(first_us, step_us, times)
    expected = Multiset((first + k * step) // MINUTE_US for first, step, times in rows for k in range(times))
    assert expected == beats.minutes()
    assert sum(times for _, _, times in rows) == beats.total


def test_many_beats_take_no_time():
    beats = Beats()
    beats.add(1, 20_000_000, 10**6)
    minutes = beats.minutes()
    assert 10**6 == sum(minutes.values())
    assert 3 == minutes[0] == minutes[1]


@pytest.mark.parametrize(
    ("minute", "touched"), [(0, False), (1, True), (2, True), (3, False), (4, False), (5, True), (6, True)]
)
def test_spells_touch_the_minutes_in_which_they_held(minute, touched):
    """From 119.999999 s to 180 s, and from 300 s on; an end at a border leaves the next minute alone."""
    spells = Spells()
    spells.turn(0, on=False)
    spells.turn(2 * MINUTE_US - 1, on=True)
    spells.turn(150_000_000, on=True)
    spells.turn(3 * MINUTE_US, on=False)
    spells.turn(5 * MINUTE_US, on=True)
    assert spells.is_on
    assert spells.touches(minute) is touched
