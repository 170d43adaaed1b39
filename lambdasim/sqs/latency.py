"""Calls that take time (SQS-005), and calls before which whoever calls may be overtaken (LAM-041)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from lambdasim.clock import Clock
from lambdasim.clock.clock import Suspendable
from lambdasim.clock.words import describe_call, show

F = TypeVar("F", bound=Callable[..., Any])


def take_time(clock: Clock, latency_us: int, operation: F, name: str) -> F:
    """
    Return an operation that takes time where its caller can wait, and has its effect half-way (SQS-005).

    Inside an event time stands still, and the call takes none; an interleaved handler is suspended meanwhile.
    """

    @wraps(operation)
    def call(*args: Any, **keywords: Any) -> Any:  # noqa: ANN401 - it passes on whatever it gets
        half_us, rest_us = latency_us // 2, latency_us - latency_us // 2
        fiber = clock.fiber
        if fiber is not None:
            text = describe_call(f"{name}.{operation.__name__}", args, keywords) if clock.trace.active else ""
            fiber.point(half_us, text)
            try:
                return _noted(fiber, text, operation, args, keywords)
            finally:
                fiber.point(rest_us)
        if clock.is_running:
            return operation(*args, **keywords)
        clock.run(until_us=clock.now_us + half_us)
        try:
            return operation(*args, **keywords)
        finally:
            clock.run(until_us=clock.now_us + rest_us)

    return cast("F", call)


def be_point(clock: Clock, operation: F, name: str) -> F:
    """Return an operation before which an interleaved handler is suspended: others may run in between."""

    @wraps(operation, ("__name__", "__doc__"), ())  # the rest would cost more than all else here
    def call(*args: Any, **keywords: Any) -> Any:  # noqa: ANN401 - it passes on whatever it gets
        fiber = clock.fiber
        if fiber is None:
            return operation(*args, **keywords)
        text = describe_call(f"{name}.{operation.__name__}", args, keywords) if clock.trace.active else ""
        fiber.point(0, text)
        return _noted(fiber, text, operation, args, keywords)

    return cast("F", call)


def _noted(
    fiber: Suspendable, text: str, operation: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:  # noqa: ANN401 - it passes on whatever it gets
    """Do what a handler asks for, and take down what came of it."""
    try:
        result = operation(*args, **keywords)
    except BaseException as error:
        fiber.note(f"{text} raised {show(error)}")
        raise
    fiber.note(text)
    return result
