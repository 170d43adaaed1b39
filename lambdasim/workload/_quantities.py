"""
What the parameters of a workload are made of: exact numbers, whole counts, bounded spans of time.

A float means the number that it is written as: 0.1 is one tenth, not the binary number nearest to it. So a rate of 0.1
a second puts its arrivals at whole tens of seconds, and not a microsecond before.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import Final

from lambdasim.errors import UsageError
from lambdasim.units import MICROSECONDS, Duration, seconds

Number = int | float | Decimal | Fraction  #: a rate, a count or a factor

COUNT_MAX: Final = 1_000_000_000_000  #: arrivals in one interval

#: Up to here a float of microseconds is exact to the microsecond, so that bounds hold to the microsecond: 285 years.
SPAN_US_MAX: Final = 2**53
_SPAN_BOUND: Final = f"{SPAN_US_MAX // MICROSECONDS} seconds (285 years)"


def exact(value: object, *, name: str, least: Fraction | int, most: Fraction | int, unit: str) -> Fraction:
    """
    Return a number as the fraction that it is written as.

    Args:
        value: An int, float, Decimal or Fraction; numbers of other libraries count as the int or float that they equal.
        name: What to call the value in the error.
        least: The smallest number allowed.
        most: The largest number allowed.
        unit: What to call the number in the error, such as "arrivals a second".
    Raises:
        UsageError: The value is no number, not finite, or out of bounds.
    """
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise UsageError(f"{name}={value!r} is no number; give an int, a float, a Decimal or a Fraction")
    fraction = _fraction(value)
    if fraction is None or not least <= fraction <= most:
        bounds = f"{shown(Fraction(least))} to {shown(Fraction(most))}"
        raise UsageError(f"{name}={value!r} is out of bounds; give {bounds} {unit}")
    return fraction


def _fraction(value: Real | Decimal) -> Fraction | None:
    """Return a number as the fraction that it is written as; None if it is infinite or not a number at all."""
    if isinstance(value, Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    try:
        return Fraction(value if isinstance(value, Decimal) else repr(float(value)))
    except (OverflowError, ValueError):  # a Decimal and the text of a float fail in different ways
        return None


def whole(value: object, *, name: str) -> int:
    """
    Return a count.

    Raises:
        UsageError: The value is no whole number, or it is negative.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < 0:
        raise UsageError(f"{name}={value!r} is no count; give a whole number, 0 or more")
    return int(value)


def span_us(value: Duration, *, name: str, least_us: int = 0) -> int:
    """
    Return *value* seconds in whole microseconds.

    Raises:
        UsageError: As for `lambdasim.units.seconds`, or the span is below *least_us* or longer than 285 years.
    """
    microseconds = seconds(value, name=name)
    if microseconds < least_us:
        raise UsageError(f"{name}={value!r} is too short; give at least {least_us / MICROSECONDS} seconds")
    if microseconds > SPAN_US_MAX:
        raise UsageError(f"{name}={value!r} is too long; give at most {_SPAN_BOUND}")
    return microseconds


def float_seconds(value: Duration, *, name: str) -> float:
    """
    Return *value* seconds as a float, unrounded: distributions are rounded when they are drawn from, not before.

    Raises:
        UsageError: The value is no duration, not finite, negative, or longer than 285 years.
    """
    if isinstance(value, timedelta):
        fraction: Fraction | None = Fraction(value // timedelta(microseconds=1), MICROSECONDS)
    elif isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise UsageError(f"{name}={value!r} is no duration; give seconds (int, float, Decimal) or a timedelta")
    else:
        fraction = _fraction(value)
    if fraction is None or not 0 <= fraction <= SPAN_US_MAX // MICROSECONDS:
        raise UsageError(f"{name}={value!r} is out of bounds; give 0 to {_SPAN_BOUND}")
    return float(fraction)


def shown(number: Fraction) -> str:
    """Return a number as people write it: `2`, `0.1`, and `Fraction(1, 3)` where a float cannot say it."""
    if number.denominator == 1:
        return str(number.numerator)
    text = repr(float(number))
    return text if Fraction(text) == number else repr(number)


def shown_seconds(microseconds: int | None) -> str:
    """Return a span of time in seconds as people write it, or `None`."""
    return "None" if microseconds is None else shown(Fraction(microseconds, MICROSECONDS))
