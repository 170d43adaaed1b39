"""
The seam of chance: what AWS leaves open is a named choice, and who answers it is pluggable.

The engine asks `chooser.choose(point, options)` for an index; option 0 is always the documented, benign default.
What may happen at all is decided before: a point whose weight is 0 is not asked (LAM-006, LAM-360).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

from lambdasim.clock.streams import Streams
from lambdasim.errors import UsageError

if TYPE_CHECKING:
    from lambdasim.clock.clock import Clock


@frozen(kw_only=True)
class ChoicePoint:
    """A place where AWS leaves something open."""

    name: str  #: such as `lambda.failure`
    owner: str  #: the ARN of the queue, function or mapping that asks
    weight: float  #: probability of leaving option 0, for whoever draws lots


class Chooser(Protocol):
    """Who answers choices."""

    def choose(self, point: ChoicePoint, options: Sequence[str]) -> int:
        """Return the index of the option taken, 0 for the benign one."""
        ...


class Benign:
    """Always option 0."""

    def choose(self, point: ChoicePoint, options: Sequence[str]) -> int:
        """Return 0."""
        del point, options
        return 0


@frozen
class Seeded:
    """
    Weighted draws: option 0 is left with the probability that is the weight of the point; the others share it equally.

    There is one random stream per owner and point, so that no draw moves another (SQS-007).

    Args:
        seed: Of the draws; two choosers with one seed draw alike.
    """

    seed: int = 0
    _streams: Streams = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Open the streams, which start anew with every chooser."""
        object.__setattr__(self, "_streams", Streams(self.seed))

    def choose(self, point: ChoicePoint, options: Sequence[str]) -> int:
        """Draw one lot; a point with a single option draws nothing."""
        others = len(options) - 1
        if others <= 0:
            return 0
        draw = self._streams[f"{point.owner}/{point.name}"].random()
        if draw >= point.weight:
            return 0
        return 1 + min(int(draw / point.weight * others), others - 1)


class Lots:
    """Asks the chooser of a clock at points of one owner; a point whose weight is 0 is never asked."""

    __slots__ = ("_chooser", "_clock", "_owner", "_points")

    def __init__(self, clock: Clock, owner: str, weights: Mapping[str, float]) -> None:
        self._clock = clock
        self._chooser: Chooser = clock.lots
        self._owner = owner
        self._points = {
            name: ChoicePoint(name=name, owner=owner, weight=weight) for name, weight in weights.items() if weight
        }

    def may(self, name: str) -> bool:
        """Return whether there is anything to ask."""
        return name in self._points

    def ask(self, name: str, options: Sequence[str]) -> int:
        """
        Return the option that is chosen.

        Whoever chooses may be somebody's own code, and wrong: what it raises leaves the run, once what is under way is
        complete with option 0.
        """
        point = self._points.get(name)
        if point is None or len(options) < 2:
            return 0
        try:
            index = self._chooser.choose(point, options)
            if type(index) is not int or not 0 <= index < len(options):
                msg = f"{self._chooser!r} chose {index!r} at {name}; it must be an index from 0 to {len(options) - 1}"
                raise UsageError(msg)  # noqa: TRY301 - it takes the way of all others
        except Exception as error:  # noqa: BLE001 - whatever it is, it leaves the run once what is under way is done
            self._clock.raise_soon(error)
            return 0
        return index
