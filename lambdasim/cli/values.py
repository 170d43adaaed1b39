"""
The kinds of values that a scenario may hold, each with a sentence that says what is allowed.

TOML knows numbers, texts and flags; it does not know that a visibility timeout ends at twelve hours. Each kind here is
a callable that returns the value as the library wants it, or raises a `ValueError` whose text is "must be …".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from math import isfinite
from typing import Final, Protocol

from attrs import frozen

from lambdasim.errors import UsageError
from lambdasim.units import MICROSECONDS, instant

Seconds = int | float | Decimal  #: as the library takes durations

#: Seconds in each unit of a text such as `2 h 30 min`.
UNITS: Final = {
    "us": Decimal(1) / MICROSECONDS,
    "ms": Decimal(1) / 1_000,
    "s": Decimal(1),
    "min": Decimal(60),
    "h": Decimal(3_600),
    "d": Decimal(86_400),
}
_SPAN: Final = re.compile(rf"\s*(\d+(?:\.\d+)?)\s*({'|'.join(UNITS)})(?![a-z])")


class Kind(Protocol):
    """What all kinds of values offer."""

    @property
    def allowed(self) -> str:
        """What is allowed, to go on after "must be"."""
        ...

    def __call__(self, value: object) -> object:
        """Return the value, checked; raise a `ValueError` that says what is allowed."""
        ...


@frozen
class Whole:
    """A whole number within bounds."""

    least: int
    most: int | None = None
    of: str = ""  #: the unit, such as `seconds`

    @property
    def allowed(self) -> str:
        """What is allowed."""
        of = f" of {self.of}" if self.of else ""
        return f"a whole number{of}, {_bounds(self.least, self.most)}"

    def __call__(self, value: object) -> int:
        """Return the number."""
        if isinstance(value, bool) or not isinstance(value, int) or not _is_within(value, self.least, self.most):
            raise ValueError(f"must be {self.allowed}")
        return value


@frozen
class Number:
    """A finite number within bounds."""

    least: float | Fraction
    most: float | Fraction | None = None
    of: str = ""  #: the unit, such as `arrivals a second`
    or_zero: bool = False  #: whether 0 is allowed below the least

    @property
    def allowed(self) -> str:
        """What is allowed."""
        of = f" of {self.of}" if self.of else ""
        return f"a number{of}, {'0, or ' if self.or_zero else ''}{_bounds(self.least, self.most)}"

    def __call__(self, value: object) -> int | float:
        """Return the number."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise ValueError(f"must be {self.allowed}")
        if not _is_within(value, self.least, self.most) and not (self.or_zero and value == 0):
            raise ValueError(f"must be {self.allowed}")
        return value


@frozen
class Span:
    """A span of time: a number of seconds, or a text with units."""

    is_positive: bool = False  #: whether 0 is refused
    or_else: str = ""  #: what is allowed beside it, such as a table

    @property
    def allowed(self) -> str:
        """What is allowed."""
        least = " more than 0" if self.is_positive else ""
        or_else = f", or {self.or_else}" if self.or_else else ""
        return f'seconds{least}, or a text such as "1 h 30 min" (units: {", ".join(UNITS)}){or_else}'

    def __call__(self, value: object) -> Seconds:
        """Return the seconds, as exact as they were written."""
        span = _span_of(value) if isinstance(value, str) else value
        if isinstance(span, bool) or not isinstance(span, int | float | Decimal) or not _is_finite(span):
            raise ValueError(f"must be {self.allowed}")
        # Half a microsecond and less is rounded to none (LAM-001).
        if span < 0 or (self.is_positive and span * 2 * MICROSECONDS <= 1):
            raise ValueError(f"must be {self.allowed}")
        return span


@frozen
class Choice:
    """One of a few texts."""

    among: Sequence[str]
    or_else: str = ""  #: what is allowed beside them, such as a table

    @property
    def allowed(self) -> str:
        """What is allowed."""
        return one_of(self.among) + (f", or {self.or_else}" if self.or_else else "")

    def __call__(self, value: object) -> str:
        """Return the text."""
        if isinstance(value, str) and value in self.among:
            return value
        raise ValueError(f"must be {self.allowed}{suggestion(value, self.among)}")


@frozen
class Choices:
    """A list of texts, each one of a few."""

    among: Sequence[str]

    @property
    def allowed(self) -> str:
        """What is allowed."""
        return f"a list that is empty or holds {one_of(self.among)}"

    def __call__(self, value: object) -> tuple[str, ...]:
        """Return the texts."""
        if isinstance(value, list | tuple) and all(word in self.among for word in value):
            return tuple(value)
        raise ValueError(f"must be {self.allowed}")


@frozen
class Text:
    """A text that is not empty."""

    what: str = "a text"

    @property
    def allowed(self) -> str:
        """What is allowed."""
        return f"{self.what} that is not empty"

    def __call__(self, value: object) -> str:
        """Return the text."""
        if isinstance(value, str) and value:
            return value
        raise ValueError(f"must be {self.allowed}")


@frozen
class Flag:
    """True or false."""

    allowed = "true or false"

    def __call__(self, value: object) -> bool:
        """Return the flag."""
        if isinstance(value, bool):
            return value
        raise ValueError(f"must be {self.allowed}")


@frozen
class Instant:
    """A whole minute of UTC or of another zone that is named."""

    allowed = "a whole minute, such as 2026-01-01T00:00:00Z"

    def __call__(self, value: object) -> str | datetime:
        """Return the instant."""
        if isinstance(value, str | datetime):
            try:
                instant_us = instant(value)
            except UsageError:
                instant_us = 1  # no whole minute either
            if instant_us % (60 * MICROSECONDS) == 0:
                return value
        raise ValueError(f"must be {self.allowed}")


@frozen
class Percentiles:
    """Durations by percentile."""

    allowed = 'a table of at least two spans of time by percentile, such as { 50 = 0.2, "99.9" = "1.5 s" }'

    def __call__(self, value: object) -> dict[Decimal, Seconds]:
        """Return the durations by exact percentile, in the order given."""
        try:
            found = {Decimal(rank): Span()(span) for rank, span in value.items()}  # type: ignore[attr-defined]
        except (ArithmeticError, AttributeError, TypeError, ValueError):
            found = {}
        if len(found) < 2:
            raise ValueError(f"must be {self.allowed}")
        return found


def one_of(words: Sequence[str]) -> str:
    """Return `"a", "b" or "c"`."""
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def suggestion(value: object, words: Sequence[str]) -> str:
    """Return `; did you mean "b"?` if the value looks like one of the words, or begins one, else nothing."""
    if not isinstance(value, str) or not value:
        return ""
    by_folded = {word.casefold(): word for word in words}
    folded = value.casefold()
    close = get_close_matches(folded, list(by_folded), n=1) or [word for word in by_folded if word.startswith(folded)]
    return f'; did you mean "{by_folded[close[0]]}"?' if close else ""


def _span_of(text: str) -> Decimal | None:
    total, place = Decimal(0), 0
    while match := _SPAN.match(text, place):
        total += Decimal(match[1]) * UNITS[match[2]]
        place = match.end()
    return total if place and not text[place:].strip() else None


def _is_finite(value: Seconds) -> bool:
    return isinstance(value, int) or isfinite(value)  # a large int has no float


def _bounds(least: float | Fraction, most: float | Fraction | None) -> str:
    return f"{_shown(least)} or more" if most is None else f"{_shown(least)} to {_shown(most)}"


def _shown(bound: float | Fraction) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{float(bound):g}"


def _is_within(value: float, least: float | Fraction, most: float | Fraction | None) -> bool:
    return least <= value and (most is None or value <= most)
