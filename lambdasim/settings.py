"""
Value objects that users hand in as `settings=`: at most one of a class, and the narrower place wins (LAM-010).

Here are also the checks of their fields: whatever is wrong is a `UsageError`, when the object is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from attrs import Attribute

from lambdasim.errors import UsageError
from lambdasim.units import seconds

T = TypeVar("T")

Check = Callable[[Any, "Attribute[Any]", Any], None]  #: a validator of attrs


def whole(low: int, high: int | None = None) -> Check:
    """Return a check that a field is a whole number within these bounds."""

    def check(_owner: object, field: Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            msg = f"'{field.name}' must be a whole number: {value!r}"
            raise UsageError(msg)
        _check_bounds(field.name, value, low, high)

    return check


def maybe(check: Check) -> Check:
    """Return a check that a field is None, or passes *check*."""

    def check_unless_none(owner: object, field: Attribute[Any], value: object) -> None:
        if value is not None:
            check(owner, field, value)

    return check_unless_none


def number(low: float, high: float | None = None) -> Check:
    """Return a check that a field is a number within these bounds."""

    def check(_owner: object, field: Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or value != value:  # noqa: PLR0124 - NaN
            msg = f"'{field.name}' must be a number: {value!r}"
            raise UsageError(msg)
        _check_bounds(field.name, value, low, high)

    return check


def one_of(*words: str) -> Check:
    """Return a check that a field is one of these words."""

    def check(_owner: object, field: Attribute[Any], value: object) -> None:
        if value not in words:
            msg = f"'{field.name}' must be in {words} (got {value!r})"
            raise UsageError(msg)

    return check


def text(_owner: object, field: Attribute[Any], value: object) -> None:
    """Check that a field is a text of ASCII characters, and not empty."""
    if not isinstance(value, str) or not value or not value.isascii():
        msg = f"'{field.name}' must be a text of ASCII characters: {value!r}"
        raise UsageError(msg)


def flag(_owner: object, field: Attribute[Any], value: object) -> None:
    """Check that a field is True or False."""
    if not isinstance(value, bool):
        msg = f"'{field.name}' must be True or False: {value!r}"
        raise UsageError(msg)


def span(*, is_positive: bool = False) -> Check:
    """Return a check that a field is a duration, above 0 if need be."""

    def check(_owner: object, field: Attribute[Any], value: Any) -> None:
        if not seconds(value, name=field.name) and is_positive:
            msg = f"{field.name}={value!r} leaves no time between two ticks; it must be above 0"
            raise UsageError(msg)

    return check


def _check_bounds(name: str, value: float | Decimal, low: float, high: float | None) -> None:
    if value < low:
        msg = f"'{name}' must be >= {low}: {value}"
        raise UsageError(msg)
    if high is not None and value > high:
        msg = f"'{name}' must be <= {high}: {value}"
        raise UsageError(msg)


class Settings:
    """
    The value objects in force at one place: those given here, then those of the wider place.

    `get(Class)` never fails: where nobody gave an object of the class, its defaults hold.
    """

    __slots__ = ("_by_class",)

    def __init__(
        self, given: Iterable[object] = (), *, allowed: tuple[type, ...], where: str, wider: Settings | None = None
    ) -> None:
        by_class: dict[type, object] = {}
        if not isinstance(given, Iterable) or isinstance(given, str):
            msg = f"settings of {where}: {given!r} is no collection; give a list of value objects"
            raise UsageError(msg)
        for value in given:
            if type(value) not in allowed:
                names = ", ".join(kind.__name__ for kind in allowed)
                msg = f"settings of {where}: {value!r} has no meaning there; it may hold one each of {names}"
                raise UsageError(msg)
            if type(value) in by_class:
                msg = f"settings of {where}: {type(value).__name__} is given twice; give one object of a class"
                raise UsageError(msg)
            by_class[type(value)] = value
        inherited: Mapping[type, object] = {} if wider is None else wider._by_class
        self._by_class: dict[type, object] = {**inherited, **by_class}

    def get(self, kind: type[T]) -> T:
        """Return the object of this class that is in force here, or one with the defaults."""
        found: Any = self._by_class.get(kind)
        return kind() if found is None else found
