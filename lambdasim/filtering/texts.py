"""JSON as filters read it: numbers keep their text, nesting has an end, and the last of equal keys counts (FLT-003)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NoReturn

DEPTH_MAX: Final = 200  # levels; what is nested deeper is no JSON here (FLT-005)
_SAFE_DIGITS: Final = 15  # a whole number of so many is exact as a float
_tokens: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL).finditer


class Number:
    """A number of a JSON text, as it stands there."""

    __slots__ = ("_value", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._value: float | bool | None = None  # False: not comparable; None: not looked at yet

    @property
    def value(self) -> float | None:
        """The number, if a float says no less than the text does (FLT-063); None otherwise."""
        if self._value is None:
            self._value = _comparable(self.text)
        return None if self._value is False else self._value

    def __repr__(self) -> str:
        """Show the text."""
        return self.text


def _comparable(text: str) -> float | bool:
    value = float(text)
    if len(text) <= _SAFE_DIGITS and text.isdecimal():
        return value
    if value == 0:  # its exponent may be more than a Decimal can hold
        is_zero = not text.lower().partition("e")[0].strip("-.0")
        return value if is_zero else False
    return value if math.isfinite(value) and Decimal(repr(value)) == Decimal(text) else False


def parse(text: str) -> Any:
    """
    Return the value of a JSON text: str, Number, bool, None, list or dict.

    Raises:
        ValueError: It is no JSON, or nested too deep.
    """
    return _load(text, _STRICT)


def normalise(value: object) -> Any:
    """
    Return Python objects as `parse` would return their JSON; what is not finite is null.

    Raises:
        ValueError: JSON cannot hold them, or they are nested too deep.
    """
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(*error.args) from error
    return _load(text, _LENIENT)


def _load(text: str, decoder: json.JSONDecoder) -> Any:
    if text.count("[") + text.count("{") > DEPTH_MAX and _depth(text) > DEPTH_MAX:
        msg = f"nested deeper than {DEPTH_MAX} levels"
        raise ValueError(msg)
    return decoder.decode(text)


def _nothing(_name: str) -> None:
    """Read what is not finite as null."""


def _refuse(name: str) -> NoReturn:
    msg = f"{name} is no JSON value"
    raise ValueError(msg)


def _last_of_equal_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; a key that comes again takes its later place too (FLT-021)."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found.pop(key, None)
        found[key] = value
    return found


def _decoder(constant: Callable[[str], None]) -> json.JSONDecoder:
    return json.JSONDecoder(
        parse_int=Number, parse_float=Number, parse_constant=constant, object_pairs_hook=_last_of_equal_keys
    )


# Made once: `json.loads` would make one for each text, which takes longer than to read a short one.
_STRICT: Final = _decoder(_refuse)
_LENIENT: Final = _decoder(_nothing)


def _depth(text: str) -> int:
    depth = deepest = 0
    for token in _tokens(text):
        if token[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in "]}":
            depth -= 1
    return deepest
