"""Numbers for people: spans of time, instants and money, with their units."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_CENT: Final = Decimal("0.01")


def count(number: int) -> str:
    """
    Return a number with separators.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{number:,}"


def span(seconds: float) -> str:
    """
    Return a span of time with its two largest units, or three digits below a minute.

    >>> span(0), span(0.2), span(0.01234), span(12.345), span(90), span(5400), span(180000)
    ('0 s', '200 ms', '12.3 ms', '12.3 s', '1 min 30 s', '1 h 30 min', '2 d 2 h')
    """
    if seconds == 0:
        return "0 s"
    if seconds < 0.9995:  # what would show as 1,000 ms is a second
        return f"{seconds * 1000:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    if round(seconds) < _HOUR_S:
        return _in_two(round(seconds), 60, "min", "s")
    if round(seconds / _MINUTE_S) * _MINUTE_S < _DAY_S:
        return _in_two(round(seconds / _MINUTE_S), 60, "h", "min")
    return _in_two(round(seconds / _HOUR_S), 24, "d", "h")


def _in_two(parts: int, parts_of_unit: int, unit: str, part: str) -> str:
    whole, rest = divmod(parts, parts_of_unit)
    return f"{whole} {unit} {rest} {part}" if rest else f"{whole} {unit}"


def moment(seconds: int) -> str:
    """
    Return an instant since the start, to the minute.

    >>> moment(0), moment(3600), moment(120000)
    ('0 min', '1 h', '1 d 9 h 20 min')
    """
    minutes = seconds // _MINUTE_S
    parts = ((minutes // 1_440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 min"


def money(amounts: Sequence[Decimal]) -> list[str]:
    """
    Return amounts in cents, or all of them with four or six decimals if none reaches a dollar or a cent.

    >>> money([Decimal("1234.567"), Decimal("0.2")]), money([Decimal("0.01234")]), money([Decimal("0.00001")])
    (['1,234.57', '0.20'], ['0.0123'], ['0.000010'])
    """
    largest = max(amounts)
    decimals = 2 if largest >= 1 else 4 if largest >= _CENT else 6
    return [f"{usd:,.{decimals}f}" for usd in amounts]
