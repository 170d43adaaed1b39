"""Choices that were not the default, as sentences."""

from __future__ import annotations

import pytest

from lambdasim.clock import Choice
from lambdasim.testing.choosers import points_of
from lambdasim.timeline.departures import SENTENCES, tell_departure
from tests.unit.timeline.scenarios import race

HELD_UP = "charge#1 env A  the handler is held up for 1 s before list.append('o-1')"


def sentence(point, words):
    return tell_departure(Choice(point, "arn", "orders#1", 0, 1, 1, words))


@pytest.mark.parametrize(
    ("point", "words", "told"),
    [
        ("sqs.duplicate", "once more after 0 s", "SQS delivers it once more, though it is in flight"),
        ("sqs.duplicate", "once more after 0.5 s", "SQS delivers it once more in 0.5 s, though it is in flight"),
        ("sqs.reorder", "orders#2 first", "SQS delivers orders#2 first"),
        ("lambda.crash", "crash", "the process crashes"),
        ("lambda.crash", "crash before set.add('o-1')", "the process crashes before set.add('o-1')"),
        ("lambda.crash", "at 0", "the process crashes before it begins"),
        ("lambda.crash", "at 0.5", "the process crashes after 0.5 of its time"),
        ("lambda.crash", "at 1", "the process crashes when all is done"),
        ("lambda.stall", "1 s before x", "the handler is held up for 1 s before x"),
        ("lambda.stall", "until its time is over", "the handler is held up until its time is over"),
        ("esm.poller_lost", "lost before its delete", "the poller of the mapping is lost before its delete"),
        ("esm.retry_delay", "half", "the next try comes after half the usual wait"),
        ("async.retry_delay", "one and a half", "the next try comes after one and a half times the usual wait"),
        ("clock.tie", "charge#2", "charge#2 goes first, of those that are ready"),
        ("clock.tie", "Pollers._turn", "another one goes first, of those that are ready"),
        ("sqs.unheard_of", "so", "sqs.unheard_of: so"),
    ],
)
def test_departure_is_a_sentence(point, words, told):
    """Which needs no question before it."""
    assert told == sentence(point, words)


def test_each_point_has_a_sentence():
    """All that may be played against a handler, and all that may be asked beside."""
    assert {*points_of(None)} <= {*SENTENCES}


@pytest.mark.parametrize(
    ("script", "line"),
    [
        (
            "crash charge#1 @0.002",
            "0.002   !          orders#1 to #3  charge#1 env A  the process crashes before set.add('o-1')",
        ),
        (
            "stall charge#1 @0.001",
            f"0.001    !{'':10}orders#1 to #3  {HELD_UP}",
        ),
        (
            "poller_lost orders#1 @0",
            "0       !          orders#1 to #3                  the poller of the mapping is lost after a receive",
        ),
        ("reorder orders#2 @0", "0        !  orders  orders#2, #3                      SQS delivers orders#3 first"),
        (
            "tie @0",
            "0        !                                          another one goes first, of those that are ready",
        ),
    ],
)
def test_choice_stands_in_the_columns_of_whom_it_is_about(script, line):
    """Messages, the queue or the invocation; and in the picture with a flag."""
    timeline = race(3, script).timeline()
    assert line in map(str.strip, str(timeline).splitlines())
    assert str(timeline).endswith(f"!  not the default; to play it again: {script}")
    assert f"<title>{script}\n" in timeline.to_svg()
