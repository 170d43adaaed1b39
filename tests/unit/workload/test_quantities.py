from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim.errors import UsageError
from lambdasim.units import seconds
from lambdasim.workload._quantities import SPAN_US_MAX, exact, float_seconds, shown, shown_seconds, span_us, whole


def small(value: object) -> Fraction:
    return exact(value, name="rate", least=Fraction(1, 10), most=9, unit="a second")


@pytest.mark.parametrize("value", [0.1, Decimal("0.1"), Fraction(1, 10)])
def test_number_means_what_is_written(value) -> None:
    """A tenth is a tenth in every spelling, not the binary number nearest to it; a bound is part of what it bounds."""
    assert Fraction(1, 10) == small(value)


def test_numbers_of_other_libraries_are_numbers() -> None:
    """What registers as a number of the language counts as the int or float that it equals."""
    numpy = pytest.importorskip("numpy")
    assert Fraction(7) == small(numpy.int64(7))
    assert Fraction(1, 2) == small(numpy.float32(0.5))
    assert Fraction(1, 10) == small(numpy.float64(0.1))
    assert 7 == whole(numpy.int32(7), name="count")
    assert 0.1 == float_seconds(numpy.float64(0.1), name="mean")


@pytest.mark.parametrize("value", [True, "1", None, 1j, timedelta(seconds=1)])
def test_what_is_no_number_is_refused(value) -> None:
    """The error names the value and what to give instead."""
    with pytest.raises(UsageError) as caught:
        small(value)
    assert f"rate={value!r} is no number; give an int, a float, a Decimal or a Fraction" == str(caught.value)


@pytest.mark.parametrize(
    "value",
    [0, 0.0999, -1, 9.001, 10**400, *map(float, ("nan", "inf", "-inf")), *map(Decimal, ("NaN", "sNaN", "Infinity"))],
)
def test_number_out_of_bounds_is_refused(value) -> None:
    """The error names the value, both bounds and the unit."""
    with pytest.raises(UsageError) as caught:
        small(value)
    assert f"rate={value!r} is out of bounds; give 0.1 to 9 a second" == str(caught.value)


@pytest.mark.parametrize("value", [-1, 1.0, True, "1", None, Decimal(1)])
def test_count_is_a_whole_number(value) -> None:
    """Counts are ints of 0 or more, and nothing else."""
    assert 0 == whole(0, name="count")
    with pytest.raises(UsageError) as caught:
        whole(value, name="count")
    assert f"count={value!r} is no count; give a whole number, 0 or more" == str(caught.value)


def test_span_has_both_its_bounds() -> None:
    """The shortest and the longest span are allowed; one microsecond beyond is not."""
    assert 5 == span_us(timedelta(microseconds=5), name="every", least_us=5)
    with pytest.raises(UsageError, match=r"^every=4e-06 is too short; give at least 5e-06 seconds$"):
        span_us(0.000004, name="every", least_us=5)
    longest = timedelta(microseconds=SPAN_US_MAX)
    assert SPAN_US_MAX == span_us(longest, name="every")
    with pytest.raises(UsageError, match=r"is too long; give at most 9007199254 seconds \(285 years\)$"):
        span_us(longest + timedelta(microseconds=1), name="every")


@given(st.integers(0, 10**12))
def test_float_seconds_agree_with_whole_microseconds(microseconds) -> None:
    """A duration means the same as a timedelta, a Decimal and a float."""
    decimal = Decimal(microseconds) / 10**6
    assert (
        float_seconds(timedelta(microseconds=microseconds), name="mean")
        == float_seconds(decimal, name="mean")
        == float_seconds(float(decimal), name="mean")
    )
    assert microseconds == seconds(float_seconds(decimal, name="mean"))


@pytest.mark.parametrize(
    "value", [-1, -1e-9, 1e10, timedelta(-1), timedelta(200_000), float("nan"), Decimal("Infinity")]
)
def test_float_seconds_have_bounds(value) -> None:
    """The error names the value as it was given, and the bounds."""
    with pytest.raises(UsageError) as caught:
        float_seconds(value, name="mean")
    assert f"mean={value!r} is out of bounds; give 0 to 9007199254 seconds (285 years)" == str(caught.value)


@pytest.mark.parametrize("value", [False, "1", None])
def test_float_seconds_are_numbers_or_timedeltas(value) -> None:
    """Anything else is refused."""
    with pytest.raises(UsageError, match="is no duration; give seconds"):
        float_seconds(value, name="mean")


def test_numbers_are_shown_as_people_write_them() -> None:
    """What is shown can be typed again and means the same."""
    assert ["2", "0.1", "Fraction(1, 3)"] == [shown(Fraction(2)), shown(Fraction(1, 10)), shown(Fraction(1, 3))]
    assert ["None", "60", "0.000001"] == [
        shown_seconds(None),
        shown_seconds(60_000_000),
        f"{float(shown_seconds(1)):f}",
    ]
