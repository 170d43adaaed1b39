"""Numbers for people, at the borders of their units."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lambdasim.cli.texts import moment, money, span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.000001, "0.001 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (1.234, "1.23 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (61, "1 min 1 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h"),
        (86_369, "23 h 59 min"),
        (86_371, "1 d"),
        (90_000, "1 d 1 h"),
        (1_209_600, "14 d"),
    ],
)
def test_spans_have_their_two_largest_units(seconds, text):
    """What would round up to the next unit is shown in it."""
    assert text == span(seconds)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 min"), (59, "0 min"), (60, "1 min"), (3_600, "1 h"), (90_060, "1 d 1 h 1 min")]
)
def test_moments_are_exact_to_the_minute(seconds, text):
    """Parts that are nothing are left out."""
    assert text == moment(seconds)


def test_money_has_as_many_decimals_everywhere():
    """Cents, or more decimals for small sums; all amounts of a bill alike."""
    assert ["0.40", "1.00"] == money([Decimal("0.4"), Decimal(1)])
    assert ["0.0000", "0.9999"] == money([Decimal(0), Decimal("0.99994")])
    assert ["0.0100"] == money([Decimal("0.01")])
    assert ["0.009900", "0.000001"] == money([Decimal("0.0099"), Decimal("0.000001")])
