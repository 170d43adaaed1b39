"""How long an invocation takes: a number, a callable of the event, or anything that can be drawn from (LAM-042)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from lambdasim.clock import Streams
from lambdasim.errors import UsageError
from lambdasim.lambda_.limits import Distribution, DurationLike
from lambdasim.units import MICROSECONDS, seconds

_INFINITE: Final = float("inf")


class DurationModel:
    """
    A duration in one of its forms.

    Args:
        value: Seconds, a timedelta, a callable of the event that returns them, or an object with `sample(random)`.
        streams: The random streams of the simulation.
        stream: The name of the stream that samples draw from.
        name: What to call it in errors.
    Raises:
        UsageError: The value is none of these, or negative.
    """

    __slots__ = ("_name", "_of_event", "_random", "_sample", "constant_us", "needs_event")

    def __init__(self, value: DurationLike, streams: Streams, stream: str, *, name: str) -> None:
        self._name = name
        self._sample: Any = None
        self._of_event: Any = None
        self._random: Any = None
        self.constant_us: int | None = None  #: the duration, if it is always the same
        self.needs_event = False  #: whether `draw_us` looks at the event
        if isinstance(value, int | float | Decimal | timedelta):
            self.constant_us = seconds(value, name=name)
        elif isinstance(value, Distribution):
            self._sample = value.sample
            self._random = streams[stream]
        elif callable(value):
            self._of_event = value
            self.needs_event = True
        else:
            msg = f"{name}={value!r} is no duration; give seconds, a callable of the event, or an object with sample()"
            raise UsageError(msg)

    def draw_us(self, event: object) -> int:
        """Return the duration of one invocation in microseconds."""
        if self.constant_us is not None:
            return self.constant_us
        if self._sample is not None:
            drawn: float = self._sample(self._random)
            if 0 <= drawn < _INFINITE:
                return round(drawn * MICROSECONDS)
            msg = f"{self._name}: {self._sample.__self__!r} drew {drawn!r}; a duration is 0 or more, and finite"
            raise UsageError(msg)
        return seconds(self._of_event(event), name=self._name)
