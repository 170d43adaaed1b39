"""Kinds of values: what each takes, what it makes of it, and how it refuses."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lambdasim.cli.values import (
    Choice,
    Choices,
    Flag,
    Instant,
    Number,
    Percentiles,
    Span,
    Text,
    Whole,
    one_of,
    suggestion,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0 s", "0"),
        ("90min", "5400"),
        ("90 min", "5400"),
        ("14 d", "1209600"),
        ("1 h 30 min", "5400"),
        ("1h30min", "5400"),
        ("2 d 1 h 1 min 1 s 1 ms 1 us", "176461.001001"),
        ("0.5 h", "1800"),
        (" 250 ms ", "0.25"),
    ],
)
def test_texts_with_units_are_exact_spans(text, seconds):
    """Units add up, without rounding, with or without blanks."""
    assert Decimal(seconds) == Span()(text)


@pytest.mark.parametrize("number", [0, 3, 0.1, 10**400])
def test_numbers_are_seconds_as_they_stand(number):
    """A number is handed on as it was written, however large."""
    assert number == Span()(number)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "5",
        "5 x",
        "5 minutes",
        "-5 s",
        "1 h, 2 min",
        "h",
        "1 h 30",
        True,
        None,
        [],
        {},
        -1,
        float("nan"),
        float("inf"),
    ],
)
def test_what_is_no_span_is_refused(value):
    """Units are needed in texts; flags, tables and negative or endless numbers are no time."""
    with pytest.raises(ValueError, match="must be seconds, or a text such as"):
        Span()(value)


@pytest.mark.parametrize("value", [0, 0.0, "0 s", 1e-9, 5e-7])
def test_a_span_above_zero_is_at_least_a_microsecond_when_rounded(value):
    """What would be rounded to nothing is refused where there must be something."""
    with pytest.raises(ValueError, match="must be seconds more than 0, or a text"):
        Span(is_positive=True)(value)
    assert 6e-7 == Span(is_positive=True)(6e-7)


def test_whole_numbers_have_inclusive_bounds():
    """Both bounds are allowed, their neighbours are not; a float or a flag is no whole number."""
    kind = Whole(1, 900, "seconds")
    assert [1, 900] == [kind(1), kind(900)]
    for value in (0, 901, 5.0, True, "5", None):
        with pytest.raises(ValueError, match="must be a whole number of seconds, 1 to 900"):
            kind(value)
    assert 10**30 == Whole(0)(10**30)


def test_numbers_have_inclusive_bounds():
    """Both bounds are allowed, whole or not; zero may be allowed apart from them."""
    kind = Number(0, 1)
    assert [0, 0.5, 1] == [kind(0), kind(0.5), kind(1)]
    for value in (-0.1, 1.1, True, "1", float("nan"), 10**400):
        with pytest.raises(ValueError, match="must be a number, 0 to 1"):
            kind(value)
    assert 0 == Number(1, 2, or_zero=True)(0)
    with pytest.raises(ValueError, match="must be a number of USD, 0, or 1 or more"):
        Number(1, of="USD", or_zero=True)(0.5)


def test_choices_suggest_what_was_meant():
    """A near miss is answered with the word, whatever its case."""
    kind = Choice(("DEFAULT", "LEGACY_2018"), or_else="a table")
    assert "DEFAULT" == kind("DEFAULT")
    with pytest.raises(
        ValueError, match=r'must be "DEFAULT" or "LEGACY_2018", or a table; did you mean "LEGACY_2018"\?'
    ):
        kind("legacy_2018")
    with pytest.raises(ValueError, match=r'must be "DEFAULT" or "LEGACY_2018", or a table$'):
        kind(5)


def test_lists_of_choices_may_be_empty():
    """A list holds nothing, or words that are allowed."""
    kind = Choices(("ReportBatchItemFailures",))
    assert () == kind([])
    assert ("ReportBatchItemFailures",) == kind(["ReportBatchItemFailures"])
    for value in ("ReportBatchItemFailures", ["report"], 5):
        with pytest.raises(ValueError, match='must be a list that is empty or holds "ReportBatchItemFailures"'):
            kind(value)


def test_texts_flags_and_instants():
    """Each takes its own kind and nothing that merely looks like it."""
    assert "x" == Text()("x")
    assert Flag()(False) is False
    assert "2026-01-01T00:00:00Z" == Instant()("2026-01-01T00:00:00Z")
    for kind, value in ((Text(), ""), (Text(), 5), (Flag(), 0), (Flag(), "true"), (Instant(), 5)):
        with pytest.raises(ValueError, match=f"must be {kind.allowed}"):
            kind(value)
    for value in ("2026-01-01T00:00:30Z", "2026-01-01T00:00:00", "yesterday"):
        with pytest.raises(ValueError, match="must be a whole minute, such as 2026-01-01T00:00:00Z"):
            Instant()(value)


def test_percentiles_are_exact():
    """Ranks are the numbers that they are written as; times may have units."""
    assert {Decimal(50): 0.2, Decimal("99.9"): Decimal("1.5")} == Percentiles()({"50": 0.2, "99.9": "1.5 s"})
    for value in ({"50": 0.2}, {"50": 0.2, "x": 1}, {"50": 0.2, "99": "long"}, 5, []):
        with pytest.raises(ValueError, match="must be a table of at least two spans of time by percentile"):
            Percentiles()(value)


def test_words_are_listed_as_people_list_them():
    """One, two or more words, and the nearest of them."""
    assert ['"a"', '"a" or "b"', '"a", "b" or "c"'] == [one_of(["a"]), one_of(["a", "b"]), one_of(["a", "b", "c"])]
    assert '; did you mean "orders"?' == suggestion("order", ["jobs", "orders"])
    assert '; did you mean "delay_seconds"?' == suggestion("delay", ["visibility_timeout", "delay_seconds"])
    assert (
        "" == suggestion("xyz", ["jobs"]) == suggestion(5, ["jobs"]) == suggestion("", ["jobs"]) == suggestion("x", [])
    )
