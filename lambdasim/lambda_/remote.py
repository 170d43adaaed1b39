"""
Things behind a wire: what a handler works on, and where it may be overtaken, crash or time out meanwhile (LAM-041).

`Remote` wraps an object of yours (a dict, a fake of a service, a repository). Each operation on it is a scheduling
point of the interleaved handler that makes it; anybody else, a test say, reaches the object at once.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lambdasim.clock.words import describe, show
from lambdasim.lambda_.world import current_sleeper
from lambdasim.units import MICROSECONDS, Duration, seconds

if TYPE_CHECKING:
    from lambdasim.clock import Clock


class Wire:
    """How far away something is."""

    __slots__ = ("_clock", "_latency_us", "_name")

    def __init__(self, clock: Clock, latency: Duration, name: str | None = None) -> None:
        self._clock = clock
        self._latency_us = seconds(latency, name="latency")
        self._name = name  # of what is at the other end, for people

    def call(self, operation: Callable[..., Any], /, *args: Any, **keywords: Any) -> Any:
        """Do something at the other end: half of the latency before, half after it."""
        fiber, latency_us = self._clock.fiber, self._latency_us
        text = ""
        if fiber is not None:
            if self._clock.trace.active:
                text = describe(operation, args, keywords, self._name)
            fiber.point(latency_us // 2, text)
        elif latency_us:
            _sleep(latency_us // 2)
        try:
            result = operation(*args, **keywords)
        except BaseException as error:
            if text and fiber is not None:
                fiber.note(f"{text} raised {show(error)}")
            raise
        else:
            if text and fiber is not None:
                fiber.note(text if result is None else f"{text} -> {show(result)}")
            return result
        finally:
            if latency_us and fiber is not None:
                fiber.point(latency_us - latency_us // 2)
            elif latency_us:
                _sleep(latency_us - latency_us // 2)

    def reach(self, result: Any) -> Any:
        """Return a result as the near end has it: plain values as they are, iterators and context managers remote."""
        if isinstance(result, Iterator | AbstractContextManager):
            return Remote(result, self)
        return result


def _sleep(duration_us: int) -> None:
    sleeper = current_sleeper()
    if sleeper is not None:
        sleeper.sleep(duration_us / MICROSECONDS)


class Remote:
    """
    Stands for an object at the other end of a wire. Made by `Simulation.remote`.

    Attributes, items, methods, operators, iteration and `with` work as on the object itself; `isinstance` too. What
    comes back is a plain value; iterators and context managers come back remote.
    """

    __slots__ = ("_remote_object", "_remote_wire")

    def __init__(self, obj: Any, wire: Wire) -> None:
        object.__setattr__(self, "_remote_object", obj)
        object.__setattr__(self, "_remote_wire", wire)

    @property  # type: ignore[misc]  # it passes for what it stands for, and nobody assigns to it
    def __class__(self) -> type[Any]:
        """Pass for what it stands for."""
        return type(_object(self))

    def __getattr__(self, name: str) -> Any:
        """Return a method that is called at the other end, or the value of an attribute there."""
        obj, wire = _object(self), _wire(self)
        if callable(getattr(type(obj), name, None)) or callable(
            vars(obj).get(name) if hasattr(obj, "__dict__") else None
        ):
            return partial(_invoke, self, getattr(obj, name))
        value = wire.call(getattr, obj, name)
        return partial(_invoke, self, value) if callable(value) else wire.reach(value)

    def __setattr__(self, name: str, value: Any) -> None:
        _wire(self).call(setattr, _object(self), name, _near(value))

    def __delattr__(self, name: str) -> None:
        _wire(self).call(delattr, _object(self), name)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Call the object."""
        return _invoke(self, _object(self), *args, **keywords)

    def __iter__(self) -> Iterator[Any]:
        """Iterate, one step over the wire at a time."""
        wire = _wire(self)
        return Remote(wire.call(iter, _object(self)), wire)

    def __next__(self) -> Any:
        """Take the next step."""
        return _wire(self).call(next, _object(self))

    def __enter__(self) -> Any:
        """Enter the context at the other end."""
        obj, wire = _object(self), _wire(self)
        entered = wire.call(obj.__enter__)
        return self if entered is obj else wire.reach(entered)

    def __exit__(self, *raised: object) -> Any:
        """Leave the context at the other end."""
        return _wire(self).call(_object(self).__exit__, *raised)

    def __copy__(self) -> Any:
        """Return a copy of what it stands for, brought over the wire."""
        return _wire(self).call(copy.copy, _object(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Return a deep copy of what it stands for, brought over the wire."""
        return _wire(self).call(copy.deepcopy, _object(self), memo)

    def __format__(self, spec: str) -> str:
        """Return the text of what it stands for; for people, so at once."""
        return format(_object(self), spec)

    def __repr__(self) -> str:
        """Show what it stands for; for people, so at once."""
        return repr(_object(self))

    def __str__(self) -> str:
        """Return the text of what it stands for; for people, so at once."""
        return str(_object(self))

    def __hash__(self) -> int:
        """Return the hash of what it stands for."""
        make: Any = type(_object(self)).__hash__
        if make is None:
            msg = f"unhashable type: '{type(_object(self)).__name__}'"
            raise TypeError(msg)
        return int(make(_object(self)))


def _object(remote: Remote) -> Any:
    return object.__getattribute__(remote, "_remote_object")


def _wire(remote: Remote) -> Wire:
    return object.__getattribute__(remote, "_remote_wire")  # type: ignore[no-any-return]


def _near(value: Any) -> Any:
    """Return the object behind a remote one: two of them may meet at the other end."""
    return _object(value) if type(value) is Remote else value


def _invoke(remote: Remote, operation: Callable[..., Any], /, *args: Any, **keywords: Any) -> Any:
    """Do something at the other end with what is there in place of what stands for it, and bring the result back."""
    wire = _wire(remote)
    far = {name: _near(value) for name, value in keywords.items()}
    return wire.reach(wire.call(operation, *map(_near, args), **far))


def _forward(operation: Callable[..., Any]) -> Callable[..., Any]:
    def forwarded(self: Remote, *args: Any) -> Any:
        return _invoke(self, operation, _object(self), *args)

    return forwarded


def _forward_reflected(operation: Callable[..., Any]) -> Callable[..., Any]:
    def forwarded(self: Remote, other: Any) -> Any:
        return _wire(self).call(operation, _near(other), _object(self))

    return forwarded


def _forward_in_place(operation: Callable[..., Any]) -> Callable[..., Any]:
    def forwarded(self: Remote, other: Any) -> Remote:
        obj = _wire(self).call(operation, _object(self), _near(other))
        object.__setattr__(self, "_remote_object", obj)
        return self

    return forwarded


_UNARY: Final[dict[str, Callable[..., Any]]] = {
    "__len__": len,
    "__bool__": bool,
    "__neg__": operator.neg,
    "__pos__": operator.pos,
    "__abs__": abs,
    "__invert__": operator.invert,
    "__int__": int,
    "__float__": float,
    "__index__": operator.index,
    "__reversed__": reversed,
    "__round__": round,
}
_WITH_OTHERS: Final[dict[str, Callable[..., Any]]] = {
    "__getitem__": operator.getitem,
    "__setitem__": operator.setitem,
    "__delitem__": operator.delitem,
    "__contains__": operator.contains,
    "__eq__": operator.eq,
    "__ne__": operator.ne,
    "__lt__": operator.lt,
    "__le__": operator.le,
    "__gt__": operator.gt,
    "__ge__": operator.ge,
}
_BINARY: Final = (
    "add",
    "sub",
    "mul",
    "matmul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
)

for _name, _operation in {**_UNARY, **_WITH_OTHERS}.items():
    setattr(Remote, _name, _forward(_operation))
for _name in _BINARY:
    _operation = getattr(operator, f"__{_name}__")
    setattr(Remote, f"__{_name}__", _forward(_operation))
    setattr(Remote, f"__r{_name}__", _forward_reflected(_operation))
    setattr(Remote, f"__i{_name}__", _forward_in_place(getattr(operator, f"__i{_name}__")))
