"""
The search for the run that breaks a scenario: first none, then one departure, then several, simplest first.

A scenario is a callable that plays one run with the chooser that it is given. `Planned` plays a plan of departures and
says which questions were asked; so the questions of a run are the places where its successors may depart. Every single
departure of the benign run is played; of the combinations of two and more so many as the budget allows, taken in turn
from each combination of points, so that no kind of misfortune waits behind another. A departure that changes nothing,
or nothing else than another one did, is combined with others less often.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heapreplace
from math import prod
from random import Random
from typing import Final, Generic, TypeVar

from attrs import define, field, frozen

from lambdasim.testing.choosers import SHARES, Planned, Question

R = TypeVar("R")

Key = tuple[str, str, int, int]  #: point, subject, instant, number at that instant
Plan = Mapping[Key, int]
_Waiting = dict[tuple[str, ...], deque[Plan]]  # by points

_RANKS: Final = {name: rank for rank, name in enumerate(SHARES)}
_SLOWNESS: Final = 4  # so much less often is a departure combined that did nothing new by itself
_OPTIONS_MAX: Final = 6  # options other than the default that are played of one question


@frozen
class Run(Generic[R]):
    """One run: its plan, what it asked, and what came of it."""

    plan: Plan
    asked: Sequence[Question]
    result: R

    @property
    def departures(self) -> int:
        """How many choices were not the default."""
        return len(self.plan)


@define
class Search(Generic[R]):
    """
    Plays runs until one is bad, or the budget is spent.

    Args:
        play: Plays a run with a chooser.
        is_bad: Whether what came of it breaks what must hold.
        at_most: Departures in a run.
        budget: Runs left to play; shared by several searches when they are given the same one.
        random: Mixes combinations of equal rank.
        shape: What tells two runs apart, of what came of them; every run is another one when not given.
    """

    play: Callable[[Planned], R]
    is_bad: Callable[[R], bool]
    at_most: int
    budget: Budget
    random: Random
    shape: Callable[[R], Hashable] | None = None
    _shapes: set[Hashable] = field(factory=set, init=False)
    _pools: list[_Pool[R]] = field(factory=list, init=False)
    benign: Run[R] | None = field(default=None, init=False)

    def runs(self, departures: int) -> Iterator[Run[R]]:
        """Play the runs with so many departures, as far as the budget goes; fewer ones have to be played before."""
        if not departures:
            if self.budget.take():
                self.benign = self._run({})
                self._pools.append(_Pool(self.random))
                self._pools[0].add(self.benign, is_new=self._is_new(self.benign))
                yield self.benign
            return
        if departures > self.at_most or departures > len(self._pools):
            return
        pool = self._pools[departures - 1]
        if len(self._pools) == departures:
            self._pools.append(_Pool(self.random))
        for plan in pool:
            if not self.budget.take():
                return
            run = self._run(plan)
            self._pools[departures].add(run, is_new=self._is_new(run))
            yield run

    def _is_new(self, run: Run[R]) -> bool:
        """Whether no run before it went as this one did."""
        if self.shape is None:
            return True
        shape = self.shape(run.result)
        is_new = shape not in self._shapes
        self._shapes.add(shape)
        return is_new

    def _run(self, plan: Plan) -> Run[R]:
        chooser = Planned(plan)
        result = self.play(chooser)
        return Run(plan, tuple(chooser.asked), result)

    def shrink(self, run: Run[R]) -> Run[R]:
        """Return the simplest bad run that comes of leaving departures out, and of taking earlier options."""
        plan = simplest(run.plan, lambda plan: self.is_bad(self._run(plan).result))
        return run if plan == run.plan else self._run(plan)


def simplest(plan: Plan, is_bad: Callable[[dict[Key, int]], bool]) -> Plan:
    """Return the simplest bad plan that comes of leaving departures out, and of taking earlier options."""
    simpler = True
    while simpler:
        simpler = False
        for tried in _simpler(plan):
            if is_bad(tried):
                plan, simpler = tried, True
                break
    return plan


@define
class Budget:
    """How many runs may be played, and how many were."""

    runs: int
    played: int = 0

    def take(self) -> bool:
        """Take one; False when none is left."""
        if self.played >= self.runs:
            return False
        self.played += 1
        return True


class _Pool(Generic[R]):
    """The plans with one departure more than those of the runs put in, in turn from each combination of points."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._waiting: tuple[_Waiting, _Waiting] = ({}, {})  # of new runs, and of others

    def add(self, run: Run[R], *, is_new: bool) -> None:
        """Put the successors of a run in: one more departure, at a question after its last one."""
        tier = self._waiting[0 if is_new else 1]
        last = max((place for place, one in enumerate(run.asked) if _key(one) in run.plan), default=-1)
        for question in run.asked[last + 1 :]:
            for option in range(1, min(question.options, _OPTIONS_MAX + 1)):
                plan = {**run.plan, _key(question): option}
                points = tuple(point for point, *_ in plan)
                tier.setdefault(points, deque()).append(plan)

    def __iter__(self) -> Iterator[Plan]:
        """Yield plans: single departures by rank, each point in turn; combinations by how much their points weigh."""
        classes = [
            (points, tier[points], _weight(points) / slowness)
            for tier, slowness in zip(self._waiting, (1, _SLOWNESS), strict=True)
            for points in sorted(tier, key=lambda points: (sum(map(_rank, points)), points))
        ]
        if classes and len(classes[0][0]) > 1:
            for _, plans, _ in classes:
                self._mix(plans)
            yield from _by_weight([plans for _, plans, _ in classes], [weight for *_, weight in classes])
            return
        while classes:
            for _, plans, weight in classes:
                for _ in range(min(len(plans), int(weight))):
                    yield plans.popleft()
            classes = [entry for entry in classes if entry[1]]

    def _mix(self, plans: deque[Plan]) -> None:
        """Shuffle with draws that are the same on every Python."""
        for place in range(len(plans) - 1, 0, -1):
            other = int(self._random.random() * (place + 1))
            plans[place], plans[other] = plans[other], plans[place]


def _by_weight(queues: Sequence[deque[Plan]], weights: Sequence[float]) -> Iterator[Plan]:
    """Empty several queues, each as often as its weight says of the others'."""
    turns = [(1 / weight, place, 1) for place, weight in enumerate(weights) if queues[place]]
    heapify(turns)
    while turns:
        _, place, nth = turns[0]
        yield queues[place].popleft()
        if queues[place]:
            heapreplace(turns, ((nth + 1) / weights[place], place, nth + 1))
        else:
            heappop(turns)


def _weight(points: tuple[str, ...]) -> int:
    return prod(SHARES.get(point, 1) for point in points)


def _rank(point: str) -> int:
    return _RANKS.get(point, len(_RANKS))


def _key(question: Question) -> Key:
    return question[:4]


def _simpler(plan: Plan) -> Iterator[dict[Key, int]]:
    """Yield plans with a departure less, then with an earlier option."""
    for key in plan:
        yield {other: option for other, option in plan.items() if other != key}
    for key, option in plan.items():
        for earlier in range(1, option):
            yield {**plan, key: earlier}
