"""Latencies are counted exactly, whether they stay in the dict or move to the arrays."""

from __future__ import annotations

from math import ceil
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim.cli.latencies import Latencies, percentiles_us

SHARES = (0, 1, 50, 95, 99, 100)


def recorded(spans_us, **options):
    latencies = Latencies(**options)
    clock = SimpleNamespace(now_us=0)
    record = latencies.recorder(clock)
    for span_us in spans_us:
        clock.now_us += 7
        record(SimpleNamespace(sent_at_us=clock.now_us - span_us))
    return latencies


def by_sorting(spans_us, shares):
    ordered = sorted(spans_us)
    return [ordered[max(1, ceil(len(ordered) * share / 100)) - 1] for share in shares]


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=60), st.integers(1, 8))
def test_percentiles_are_those_of_the_sorted_values(spans_us, distinct_max):
    """However often counts moved to the arrays, percentiles are exact by nearest rank."""
    latencies = recorded(spans_us, distinct_max=distinct_max)
    assert by_sorting(spans_us, SHARES) == percentiles_us([latencies], SHARES)


@given(st.lists(st.lists(st.integers(0, 10**12), max_size=20), min_size=1, max_size=4))
def test_percentiles_of_several_parts_are_those_of_all_values(parts):
    """Values of several queues count as one collection; without any there are no percentiles."""
    everything = [span_us for part in parts for span_us in part]
    expected = by_sorting(everything, SHARES) if everything else None
    assert expected == percentiles_us([recorded(part) for part in parts], SHARES)


def test_constant_latencies_take_no_room():
    """A million equal values are one entry."""
    assert [(200_000, 100_000)] == list(recorded([200_000] * 100_000))


def test_shares_may_come_in_any_order():
    """Each answer stands where its share stands."""
    assert [9, 5, 7, 5] == percentiles_us([[(5, 1), (7, 2), (9, 1)]], [99, 0, 50, 25])


@pytest.mark.parametrize(("share", "expected"), [(94, 1), (95, 1), (96, 10_000)])
def test_nearest_rank_at_its_border(share, expected):
    """Of twenty values, p95 is the nineteenth; a little more is the twentieth."""
    assert [expected] == percentiles_us([[(1, 19), (10_000, 1)]], [share])
