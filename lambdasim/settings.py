"""Value objects that users hand in as `settings=`: at most one of a class, and the narrower place wins (LAM-010)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from lambdasim.errors import UsageError

T = TypeVar("T")


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
