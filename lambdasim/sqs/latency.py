"""Calls that take time (SQS-005)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from lambdasim.clock import Clock

F = TypeVar("F", bound=Callable[..., Any])


def take_time(clock: Clock, latency_us: int, operation: F) -> F:
    """
    Return an operation that takes time where its caller can wait, and has its effect half-way (SQS-005).

    Inside an event time stands still, and the call takes none.
    """

    @wraps(operation)
    def call(*args: Any, **keywords: Any) -> Any:  # noqa: ANN401 - it passes on whatever it gets
        if clock.is_running:
            return operation(*args, **keywords)
        clock.run(until_us=clock.now_us + latency_us // 2)
        try:
            return operation(*args, **keywords)
        finally:
            clock.run(until_us=clock.now_us + latency_us - latency_us // 2)

    return cast("F", call)
