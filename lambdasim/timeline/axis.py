"""
Where instants stand in a picture, when races of a millisecond and half a minute of nothing are to be seen side by side.

A place is an instant and a step: what follows from one another at the same instant stands side by side, in steps of
equal width. Between instants the axis is linear, but for long gaps, which are cut short; the axis says so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from math import fsum
from typing import Final

from attrs import frozen

_STEP_PX: Final = 18.0
_LEAST_PX: Final = 7.0
_CUT_PX: Final = 64.0
_CUT_ABOVE: Final = 8  # times what is usual
_MOST_PX: Final = 1.0  # of a microsecond

Place = tuple[int, int]  # an instant in microseconds, and a step at this instant


@frozen
class Cut:
    """A gap that is drawn shorter than it is."""

    left: float
    right: float
    gap_us: int


class Axis:
    """
    The way from places to pixels.

    Args:
        places: All that will be asked about.
        left, right: Where the first and the last of them stand.
    """

    def __init__(self, places: Iterable[Place], left: float, right: float) -> None:
        self._places = sorted(set(places)) or [(0, 0)]
        gaps = [after[0] - before[0] for before, after in pairwise(self._places)]
        real = sorted(gap for gap in gaps if gap)
        limit_us = _CUT_ABOVE * real[len(real) // 4] if real else 0
        # `fsum`, for what `sum` makes of floats differs between versions of Python, and with it the picture
        fixed = fsum(_STEP_PX if not gap else _CUT_PX if gap > limit_us else 0.0 for gap in gaps)
        linear_us = sum(gap for gap in gaps if gap <= limit_us)
        room = max(right - left - fixed, 0.0)
        scale = min(room / linear_us, _MOST_PX) if linear_us else 0.0
        widths = [_STEP_PX if not gap else _CUT_PX if gap > limit_us else max(gap * scale, _LEAST_PX) for gap in gaps]
        total = fsum(widths)
        shrink = min((right - left) / total, 1.0) if total else 1.0
        self._pixels = [left]
        self.cuts: list[Cut] = []  #: from left to right
        for gap, width in zip(gaps, widths, strict=True):
            self._pixels.append(self._pixels[-1] + width * shrink)
            if gap > limit_us:
                self.cuts.append(Cut(self._pixels[-2], self._pixels[-1], gap))

    def x(self, place: Place) -> float:
        """Return where a place stands; one that was not announced stands where the last one before it does."""
        return self._pixels[max(bisect_right(self._places, place) - 1, 0)]

    def gap_after(self, place: Place) -> float:
        """Return the middle between where a place stands, or the last one before it, and the next one."""
        after = bisect_right(self._places, place)
        before = max(after - 1, 0)
        return (self._pixels[before] + self._pixels[min(after, len(self._pixels) - 1)]) / 2

    def instants(self) -> list[tuple[int, float]]:
        """Return each instant and where it begins."""
        return [
            (place[0], pixel)
            for number, (place, pixel) in enumerate(zip(self._places, self._pixels, strict=True))
            if not number or self._places[number - 1][0] != place[0]
        ]
