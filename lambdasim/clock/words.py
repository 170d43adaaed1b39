"""
What a handler does to the world outside, in words: `'o-1' in done -> False`.

Texts are the same in every run: no addresses, no order of hashes, nothing that an object says of itself beyond the
plain values that it consists of; and short.
"""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

_CHARS_MAX: Final = 40
_ITEMS_MAX: Final = 4
_DEPTH_MAX: Final = 3
_PLAIN: Final = (type(None), bool, int, float, complex, Decimal, Fraction, UUID, dt.date, dt.time, dt.timedelta)

_BETWEEN: Final[Mapping[Any, str]] = {
    operator.eq: "==",
    operator.ne: "!=",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.iadd: "+=",
    operator.isub: "-=",
    operator.imul: "*=",
    operator.ior: "|=",
    operator.iand: "&=",
    operator.ixor: "^=",
}


def describe(
    operation: Callable[..., Any], args: Sequence[Any], keywords: Mapping[str, Any], name: str | None = None
) -> str:
    """
    Return an operation on something remote in words.

    Args:
        operation: A method of the thing, or a function whose first argument is the thing.
        args, keywords: It is called with these.
        name: Of the thing; the name of its class when not given.
    """
    target = getattr(operation, "__self__", None)
    if target is not None and not isinstance(target, type(operator)):
        return describe_call(f"{_name(target, name)}.{getattr(operation, '__name__', 'call')}", args, keywords)
    if not args or _is_of_ours(operation):
        thing, given = (args[0], args[1:]) if args else (operation, ())
    else:
        thing, given = operation, args
    called = _name(thing, name)
    if operation is getattr and given:
        return f"{called}.{given[0]}"
    if operation is setattr and len(given) == 2:
        return f"{called}.{given[0]} = {show(given[1])}"
    if operation is delattr and given:
        return f"del {called}.{given[0]}"
    return _operator(operation, called, given) or describe_call(
        called if thing is operation else f"{operation.__name__}({called})"[:-1] + ", " * bool(given), given, keywords
    )


def describe_call(called: str, args: Sequence[Any], keywords: Mapping[str, Any]) -> str:
    """Return a call in words: `orders.send_message('o-1')`."""
    given = [*map(show, args), *(f"{name}={show(value)}" for name, value in keywords.items())]
    return f"{called}({', '.join(given)})" if "(" not in called else f"{called}{', '.join(given)})"


def _is_of_ours(operation: Callable[..., Any]) -> bool:
    """Return whether the first argument of an operation is the thing that it is done to."""
    return getattr(operation, "__module__", None) in ("_operator", "operator", "builtins", "copy")


def _operator(operation: Callable[..., Any], called: str, given: Sequence[Any]) -> str:
    if operation is operator.contains:
        return f"{show(given[0])} in {called}"
    if operation is operator.getitem:
        return f"{called}[{show(given[0])}]"
    if operation is operator.setitem:
        return f"{called}[{show(given[0])}] = {show(given[1])}"
    if operation is operator.delitem:
        return f"del {called}[{show(given[0])}]"
    sign = _BETWEEN.get(operation)
    if sign is not None:
        return f"{called} {sign} {show(given[0])}"
    if operation is iter:
        return f"iterate over {called}"
    if operation is next:
        return f"next of {called}"
    return ""


def _name(thing: object, name: str | None) -> str:
    return type(thing).__name__ if name is None else name


def show(value: object, depth: int = 0) -> str:
    """
    Return a value in a few characters, the same in every run.

    >>> show({"b": [1, 2], "a": {"y", "x"}}), show(ValueError("no")), show(object())
    ("{'b': [1, 2], 'a': {'x', 'y'}}", "ValueError('no')", '<object>')
    """
    if isinstance(value, str | bytes):
        text = repr(value)
        return text if len(text) <= _CHARS_MAX else f"{text[: _CHARS_MAX - 2]}…{text[-1]}"
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, BaseException):
        return f"{type(value).__name__}({_items(map(_shower(depth), value.args), len(value.args))})"
    kind = type(value)
    if depth >= _DEPTH_MAX or kind not in _BRACKETS:
        return f"<{kind.__name__}>"
    begin, end = _BRACKETS[kind]
    if isinstance(value, dict):
        pairs = (f"{show(key, depth + 1)}: {show(item, depth + 1)}" for key, item in tuple(value.items())[:_ITEMS_MAX])
        return begin + _items(pairs, len(value)) + end
    if isinstance(value, set | frozenset):
        return (begin + _items(sorted(map(_shower(depth), value))[:_ITEMS_MAX], len(value)) + end) if value else "set()"
    assert isinstance(value, list | tuple)
    return begin + _items(map(_shower(depth), value[:_ITEMS_MAX]), len(value)) + end


def _shower(depth: int) -> Callable[[object], str]:
    return lambda value: show(value, depth + 1)


def _items(shown: Any, count: int) -> str:
    more = [f"… {count - _ITEMS_MAX} more"] if count > _ITEMS_MAX else []
    return ", ".join([*list(shown)[:_ITEMS_MAX], *more])


_BRACKETS: Final[Mapping[type, tuple[str, str]]] = {
    dict: ("{", "}"),
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
}
