from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim.clock import Clock, Kind, Record, Trace
from lambdasim.errors import UsageError

HAPPENED = Kind("it happened", lambda subject, detail: (subject, {"detail": detail}))


def filled(limit, count):
    trace = Trace(limit)
    for number in range(count):
        if trace.active:
            trace.add((number, HAPPENED, "thing", number * 2))
    return trace


@given(st.integers(0, 8) | st.none(), st.integers(0, 12))
def test_the_newest_records_are_kept_oldest_first(limit, count):
    records = filled(limit, count).records
    kept = count if limit is None else min(limit, count)
    assert list(range(count - kept, count)) == [record.at_us for record in records]


def test_a_record_names_what_happened_to_whom():
    (record,) = filled(1, 1).records
    assert Record(0, "it happened", "thing", {"detail": 0}) == record


def test_a_record_does_not_change():
    (record,) = filled(1, 1).records
    with pytest.raises(AttributeError):
        record.at_us = 1


def test_a_clock_keeps_ten_thousand_records_by_default():
    assert 10_000 == Clock().trace._limit
    assert not Clock(trace=0).trace.active


@pytest.mark.parametrize("limit", [-1, 1.0, "1", True])
def test_a_limit_is_a_number_of_records(limit):
    with pytest.raises(UsageError, match="trace="):
        Trace(limit)


def test_an_observer_sees_each_record_from_then_on():
    trace, seen = filled(2, 3), []
    trace.subscribe(seen.append)
    for number in (5, 6, 7):
        trace.add((number, HAPPENED, "thing", number))
    assert [5, 6, 7] == [record.at_us for record in seen]
    assert seen[-2:] == list(trace.records)


def test_an_observer_sees_records_where_none_are_kept():
    trace, seen = Trace(0), []
    assert not trace.active
    subscription = trace.subscribe(seen.append)
    assert trace.active
    trace.add((1, HAPPENED, "thing", 1))
    assert 1 == len(seen)
    assert () == trace.records
    subscription.cancel()
    assert not trace.active


def test_observers_are_told_in_order_of_subscription():
    trace, log = Trace(), []
    trace.subscribe(lambda _: log.append("a"))
    trace.subscribe(lambda _: log.append("b"))
    trace.add((1, HAPPENED, "thing", 1))
    assert ["a", "b"] == log


def test_a_cancelled_observer_sees_no_more_and_the_others_do():
    trace, log = Trace(), []
    first = trace.subscribe(lambda _: log.append("a"))
    trace.subscribe(lambda _: log.append("b"))
    first.cancel()
    first.cancel()
    trace.add((1, HAPPENED, "thing", 1))
    assert ["b"] == log
    assert trace.active


def test_one_observer_may_subscribe_twice_and_cancel_once():
    trace, seen = Trace(), []
    first, _ = trace.subscribe(seen.append), trace.subscribe(seen.append)
    first.cancel()
    trace.add((1, HAPPENED, "thing", 1))
    assert 1 == len(seen)


def test_an_observer_may_cancel_itself_while_it_is_told():
    trace, log = Trace(), []

    def once(record):
        log.append(record.at_us)
        subscription.cancel()

    subscription = trace.subscribe(once)
    trace.subscribe(lambda _: log.append("other"))
    trace.add((1, HAPPENED, "thing", 1))
    trace.add((2, HAPPENED, "thing", 1))
    assert [1, "other", "other"] == log


def test_json_lines_have_a_fixed_order_of_keys_and_keep_every_character():
    trace = Trace()
    trace.add((5, HAPPENED, "é", "✓"))
    trace.add((6, HAPPENED, "b", None))
    assert (
        '{"at_us":5,"kind":"it happened","subject":"é","detail":"✓"}\n'
        '{"at_us":6,"kind":"it happened","subject":"b","detail":null}\n'
    ) == trace.to_json_lines()


@given(st.lists(st.tuples(st.integers(0, 10**15), st.text(max_size=5), st.text(max_size=5)), max_size=5))
def test_json_lines_can_be_read_back(entries):
    trace = Trace(None)
    for at_us, subject, detail in entries:
        trace.add((at_us, HAPPENED, subject, detail))
    rows = [json.loads(line) for line in trace.to_json_lines().split("\n") if line]
    assert [
        {"at_us": at_us, "kind": "it happened", "subject": subject, "detail": detail}
        for at_us, subject, detail in entries
    ] == rows
