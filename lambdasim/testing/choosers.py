"""
Choosers that look for trouble: one that walks every combination, and one that plays a plan.

Both go by *departures*, choices other than the default. A plan names a departure by the very question that it answers:
the point, the subject, the instant and the number of the question there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from attrs import define, field, fields, frozen

from lambdasim.clock import ChoicePoint
from lambdasim.errors import UsageError
from lambdasim.esm import EsmFaults
from lambdasim.lambda_ import AsyncFaults, LambdaFaults
from lambdasim.testing.building import FaultsLike, misfortunes

# How often a point is looked at, beside the others: what breaks handlers most comes first, and is what Hypothesis
# shrinks towards. A point that is not listed has one share, at the end.
SHARES: Final[Mapping[str, int]] = {
    "sqs.duplicate": 12,
    "lambda.crash": 16,
    "lambda.stall": 10,
    "test.later": 60,  # asked once or not at all, and then everything else changes
    "sqs.lost_delete": 4,
    "esm.poller_lost": 4,
    "lambda.env_recycle": 2,
    "sqs.reorder": 4,
    "esm.delete_fails": 4,
    "clock.tie": 6,
    "lambda.response_lost": 4,
    "lambda.environment": 2,
    "lambda.cold_start": 2,
    "sqs.throttle": 5,
    "sqs.lost_send_ack": 5,
    "lambda.call_throttled": 4,
    "lambda.call_lost": 4,
    "lambda.call_error": 4,
    "esm.split_receive": 4,
    "sqs.receive_fewer": 2,
}
_UNASKED: Final = {"clock.tie", "lambda.failure"}  # asked whatever the faults are

# Fields of Faults -> the points that they permit, where the names differ.
_POINTS: Final[Mapping[str, str]] = {
    "reorder_window": "sqs.reorder",
    "short_poll_sample": "sqs.short_poll",
    "approx_noise": "sqs.approx_noise",
    "poll_wakeup": "sqs.poll_wakeup",
    "async_retry_delay": "async.retry_delay",
    "async_duplicate": "async.duplicate",
    "esm_poll_error": "esm.poll_error",
    "esm_retry_delay": "esm.retry_delay",
}


def points_of(faults: FaultsLike | None) -> tuple[str, ...]:
    """
    Return the names of the points that faults permit, those that break handlers most first.

    >>> from lambdasim import Faults
    >>> points_of(Faults(crash=0.5, duplicate_probability=0.1))
    ('sqs.duplicate', 'lambda.crash', 'clock.tie', 'lambda.failure')
    """
    given = misfortunes() if faults is None else faults
    off = {entry.name: entry.default for entry in fields(type(given))}
    on = [_point_of(type(given).__name__, name) for name in off if getattr(given, name) != off[name]]
    found = {name for name in on if name is not None} | _UNASKED
    ranks = {name: rank for rank, name in enumerate(SHARES)}
    return tuple(sorted(found, key=lambda name: (ranks.get(name, len(ranks)), name)))


def _point_of(group: str, name: str) -> str | None:
    if name in _POINTS:
        return _POINTS[name]
    if name.endswith("_probability"):
        return f"sqs.{name.removesuffix('_probability')}"
    if group in ("AsyncFaults", "EsmFaults"):
        return f"{'async' if group == 'AsyncFaults' else 'esm'}.{name}"
    if name in _LAMBDA:
        return f"lambda.{name}"
    if name in _ASYNC:
        return f"async.{name}"
    return f"esm.{name}" if name in _ESM else None


_LAMBDA: Final = frozenset(entry.name for entry in fields(LambdaFaults) if entry.default == 0.0)  # no sizes
_ASYNC: Final = frozenset(entry.name for entry in fields(AsyncFaults))
_ESM: Final = frozenset(entry.name for entry in fields(EsmFaults))


class Question(NamedTuple):
    """A question that was asked: what a plan needs to answer it otherwise next time."""

    point: str
    subject: str
    at_us: int
    nth: int
    options: int  #: how many there are


class Planned:
    """
    Answers some questions as a plan says, the others by default, and takes down what is asked.

    Args:
        plan: The option for a question, by point, subject, instant and number at that instant.
    """

    explores = True
    ties = True

    def __init__(self, plan: Mapping[tuple[str, str, int, int], int]) -> None:
        self._plan = plan
        self.asked: list[Question] = []  #: in order

    def choose(self, point: ChoicePoint, options: Sequence[str]) -> int:
        """Return what the plan says, 0 where it says nothing."""
        key = (point.name, point.subject, point.at_us, point.nth)
        self.asked.append(Question(*key, len(options)))
        option = self._plan.get(key, 0)
        return option if option < len(options) else 0


@define
class _Turn:
    """A question on the path through the tree, and the option that is taken now."""

    question: Question
    option: int = 0


@define
class Walk:
    """One run of `Exhaustive`: takes the options of its path, and the default beyond it."""

    explores = True

    ties: bool
    _path: list[_Turn]
    _place: int = field(default=0, init=False)

    def choose(self, point: ChoicePoint, options: Sequence[str]) -> int:
        """Return the option of this place of the path."""
        if len(options) < 2:
            return 0
        question = Question(point.name, point.subject, point.at_us, point.nth, len(options))
        place, self._place = self._place, self._place + 1
        if place == len(self._path):
            self._path.append(_Turn(question))
        turn = self._path[place]
        if turn.question != question:
            msg = (
                f"the scenario is not the same in every run: {question} is asked where {turn.question} was; "
                "make it anew in each run, and let it read no clock and no chance of its own"
            )
            raise UsageError(msg)
        return turn.option

    def is_whole(self) -> bool:
        """Whether every question of the path was asked."""
        return self._place >= len(self._path)


@frozen
class Exhaustive:
    """
    Walks every combination of the choices of a small scenario, depth first, each once.

    Iterating yields a chooser for each run, which has to be played before the next one is asked for:

        for choices in Exhaustive(departures=1):
            sim = Simulation(choices=choices, faults=…)
            …

    Args:
        departures: So many choices of a run may differ from the default, at most; None: all of them, which grows
            exponentially, and has no end where a departure leads to another question of its kind (a duplicate may be
            delivered once more itself).
        ties: Whether it is also a choice who goes first of those that are ready at one instant.
    """

    departures: int | None = None
    ties: bool = field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the bound."""
        bound = self.departures
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int) or bound < 0):
            msg = f"departures={bound!r} is no number of choices; give 0 or more, or None for all"
            raise UsageError(msg)

    def __iter__(self) -> Iterator[Walk]:
        """Yield a chooser for each run."""
        path: list[_Turn] = []
        while True:
            walk = Walk(self.ties, path)
            yield walk
            if not walk.is_whole():
                msg = "the run before asked less than the one before it; play each run, and the same scenario"
                raise UsageError(msg)
            if not self._advance(path):
                return

    def _advance(self, path: list[_Turn]) -> bool:
        """Go to the next leaf of the tree; False when there is none."""
        while path:
            turn = path[-1]
            others = sum(before.option > 0 for before in path[:-1])
            may_depart = turn.option or self.departures is None or others < self.departures
            if may_depart and turn.option + 1 < turn.question.options:
                turn.option += 1
                return True
            path.pop()
        return False
