"""The arithmetic of scaling: pure functions from values to values (ESM-100 to ESM-103, ESM-160)."""

from __future__ import annotations

from math import floor
from typing import Final

from lambdasim.esm.limits import BackoffModel, ScalingModel
from lambdasim.units import MINUTE_US

_DECIMALS: Final = 6  # so that runs agree across platforms (ESM-100)


def plan_cap(model: ScalingModel, maximum_concurrency: int | None, account_concurrency: int) -> int:
    """Return how many slots a mapping may have (ESM-012)."""
    cap = min(model.max, account_concurrency)
    return cap if maximum_concurrency is None else min(cap, maximum_concurrency)


def plan_growth(target: float, cap: int, model: ScalingModel) -> float:
    """Return the target after a growth tick with demand (S3)."""
    step = 1 if model.ramp == "linear" else model.step_per_minute
    return round(min(float(cap), target + step), _DECIMALS)


def plan_backoff(target: float, cap: int, failed: int, finished: int, model: BackoffModel) -> float:
    """
    Return the target after a control tick, given the attempts since the one before (ESM-160).

    >>> plan_backoff(1000.0, 1000, 10, 10, BackoffModel())
    250.0
    """
    if not model.enabled or not failed or not finished:
        return target
    share = failed / finished
    lowered: float = round(target * (1 - model.strength * share**model.exponent), _DECIMALS)
    return max(float(min(model.floor, cap)), lowered)


def plan_release(target: float, initial: int) -> float:
    """Return the target after a slot went because an active mapping had nothing for it (S7)."""
    return max(float(initial), round(target - 1, _DECIMALS))


def slots_of(target: float) -> int:
    """Return n: the slots that a target stands for."""
    return floor(target)


class Grid:
    """
    Ticks at t0 + k × step, k = 1, 2, … Only the next one that matters is ever put on the agenda (docs/decisions/0003).

    The k-th tick lies at `t0 + floor(k × span / ticks)` microseconds (ESM-102).
    """

    __slots__ = ("_span_us", "_ticks", "t0_us")

    def __init__(self, t0_us: int, span_us: int, ticks: int) -> None:
        self.t0_us = t0_us
        self._span_us = span_us
        self._ticks = ticks

    @classmethod
    def of_growth(cls, t0_us: int, model: ScalingModel) -> Grid | None:
        """Return the growth ticks of a mapping that became active at *t0_us*; None if it does not grow."""
        if not model.step_per_minute:
            return None
        return cls(t0_us, MINUTE_US, model.step_per_minute if model.ramp == "linear" else 1)

    def first_from(self, at_us: int, *, inclusive: bool) -> int:
        """Return the first tick at or after (not inclusive: after) *at_us*."""
        earliest_us = at_us if inclusive else at_us + 1
        # k is a lower bound by division; floor() in the definition can make the tick one step early
        k = max(1, (earliest_us - self.t0_us) * self._ticks // self._span_us)
        while (tick_us := self.t0_us + k * self._span_us // self._ticks) < earliest_us:
            k += 1
        return tick_us
