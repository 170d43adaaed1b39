"""The only place where units meet: inside, every instant and duration is a whole number of microseconds (LAM-001)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from lambdasim.errors import UsageError

Duration = int | float | Decimal | timedelta  #: seconds, or a timedelta

MICROSECONDS: Final = 1_000_000  #: in a second
MINUTE_US: Final = 60 * MICROSECONDS
_EXACT_BELOW: Final = 1e6  # seconds; a float of so many microseconds is exact to 0.0002

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def seconds(value: Duration, *, name: str = "duration") -> int:
    """
    Return *value* seconds as whole microseconds, rounded once, half to even.

    Args:
        value: Seconds as int, float or Decimal, or a timedelta; not negative, not NaN, not infinite.
        name: What to call the value in the error.
    Raises:
        UsageError: The value is negative, no number, or not finite.

    >>> seconds(0.1), seconds(2), seconds(Decimal("0.0000025")), seconds(timedelta(minutes=1))
    (100000, 2000000, 2, 60000000)

    Rules: LAM-001, SQS-001.
    """
    if type(value) is float and 0.0 <= value < _EXACT_BELOW:
        # Off by far less than a thousandth of a microsecond, so only what lies near a half needs the exact way below.
        scaled = value * 1e6
        microseconds = int(scaled + 0.5)
        if -0.499 < scaled - microseconds < 0.499:
            return microseconds
    if type(value) is int and value >= 0:
        return value * MICROSECONDS
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | timedelta):
        msg = f"{name}={value!r} is no duration; give seconds (int, float, Decimal) or a timedelta"
        raise UsageError(msg)
    if isinstance(value, int):
        microseconds = value * MICROSECONDS
    elif isinstance(value, timedelta):
        microseconds = value // timedelta(microseconds=1)
    else:
        # repr is what the user wrote: 0.0000025 means two and a half microseconds, not the binary number nearest to it
        exact = Decimal(repr(float(value))) if isinstance(value, float) else value
        if not exact.is_finite():
            msg = f"{name}={value!r} is not finite; give a number of seconds"
            raise UsageError(msg)
        microseconds = int((exact * MICROSECONDS).to_integral_value(rounding=ROUND_HALF_EVEN)) if exact >= 0 else -1
    if microseconds < 0:
        msg = f"{name}={value!r} is negative; it must be 0 or more"
        raise UsageError(msg)
    return microseconds


def milliseconds(value: float | Decimal, *, name: str = "duration") -> int:
    """Return *value* milliseconds as whole microseconds, rounded once, half to even; errors as for `seconds`."""
    return seconds(Decimal(repr(float(value))) / 1000 if isinstance(value, float) else Decimal(value) / 1000, name=name)


def to_seconds(microseconds: int) -> float:
    """Return *microseconds* as a float of seconds, for people; nothing inside is ever computed from it."""
    return microseconds / MICROSECONDS


def instant(text: str | datetime, *, name: str = "start") -> int:
    """
    Return the microseconds between the Unix epoch and an instant given as ISO 8601 text or an aware datetime.

    Raises:
        UsageError: No such date, or no offset from UTC was given.

    >>> instant("1970-01-01T00:01:00Z")
    60000000
    """
    try:
        moment = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        msg = f"{name}={text!r} is no instant; write it like '2026-01-01T00:00:00Z'"
        raise UsageError(msg) from error
    if moment.tzinfo is None:
        msg = f"{name}={text!r} says no time zone; write it like '2026-01-01T00:00:00Z'"
        raise UsageError(msg)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def as_datetime(epoch_us: int) -> datetime:
    """Return the aware UTC datetime of an instant given in microseconds since the Unix epoch."""
    return _EPOCH + timedelta(microseconds=epoch_us)
