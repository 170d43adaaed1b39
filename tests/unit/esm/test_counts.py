from __future__ import annotations

import pytest

from lambdasim.esm.counts import Counts

MINUTE = 60_000_000
POLLED = 0  # its place in the ledger


def published(counts, index=POLLED):
    return dict(counts.ledger.sums(index))


@pytest.mark.rule("ESM-280")
def test_counts_are_published_in_the_minute_in_which_they_grew_while_they_are_metrics():
    counts = Counts(0)
    rows = [  # minute, whether they are metrics from then on, how many are polled then
        (0, None, 1),
        (1, True, 2),
        (2, None, 4),
        (3, False, 8),
        (4, None, 16),
        (5, True, 32),
        (6, False, 64),
    ]
    for minute, on, polled in rows:
        if on is not None:
            counts.publish(minute * MINUTE, on=on)
        counts.ledger.turn(minute * MINUTE + 1)
        counts.polled += polled
    counts.ledger.turn(7 * MINUTE)
    assert counts.polled == 127
    assert published(counts) == {1: 2, 2: 4, 5: 32}
    assert [counts.published_in(minute) for minute in range(8)] == [False, True, True, False, False, True, False, False]


@pytest.mark.rule("ESM-280")
def test_to_publish_what_is_published_changes_nothing():
    counts = Counts(0)
    counts.publish(0, on=False)
    counts.publish(0, on=True)
    counts.polled += 3
    counts.publish(5, on=True)
    counts.polled += 4
    counts.publish(6, on=False)
    counts.polled += 5
    assert published(counts) == {0: 7}


@pytest.mark.rule("ESM-280")
@pytest.mark.parametrize(("minute", "any_count", "of_filters"), [(0, True, False), (1, True, True), (2, False, False)])
def test_counts_of_filters_are_published_while_there_are_some(minute, any_count, of_filters):
    counts = Counts(0)
    counts.publish(0, on=True)
    counts.filtering.turn(MINUTE + 1, on=True)
    counts.publish(2 * MINUTE - 1, on=False)
    assert counts.published_in(minute) is any_count
    assert counts.published_in(minute, filtered=True) is of_filters


@pytest.mark.rule("ESM-280")
def test_the_ledger_has_the_counts_in_the_order_in_which_metrics_name_them():
    counts = Counts(0)
    counts.publish(0, on=True)
    counts.polled, counts.invoked, counts.failed, counts.deleted, counts.filtered, counts.delete_calls = range(1, 7)
    assert [published(counts, index) for index in range(6)] == [{0: number} for number in range(1, 7)]
