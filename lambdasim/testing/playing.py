"""Tests with Hypothesis: a chooser, and a strategy of simulations."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from traceback import walk_tb
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.control import cleanup, current_build_context

from lambdasim.clock import ChoicePoint, Chooser
from lambdasim.errors import UsageError
from lambdasim.simulation import Simulation
from lambdasim.testing.building import FaultsLike, build
from lambdasim.testing.choosers import SHARES, points_of
from lambdasim.testing.replaying import current
from lambdasim.testing.telling import tell

_DRAWN: Final = "lambdasim_drawn"  # attribute of what Hypothesis builds in: the simulations of this run
_PASTE: Final = "@replay({script})"
_PASTE_OF_STEPS: Final = "@replay({script})  # above a test that takes the fixture sim and goes these steps"


def simulations(
    faults: FaultsLike | None = None, *, at_most: int = 3, ties: bool = True, **options: Any
) -> st.SearchStrategy[Simulation]:
    """
    Return a strategy of simulations in which Hypothesis plays the misfortunes.

    The test builds queues, functions and mappings on what is drawn, runs it, and asserts in its own words. When it
    fails, its exception carries the story, and the line that replays it. Hypothesis shrinks towards the run without
    misfortunes. What is drawn is interleaved, with a pace of a millisecond, and keeps its whole trace.

    Args:
        faults: What may go wrong, such as `Faults(crash=0.1)`: any value that is not the default permits it. Not given:
            all that AWS permits, except that calls which no handler makes are answered, and no mapping is disabled.
        at_most: Departures from the default in a run.
        ties: Whether it is also a choice who goes first of those that are ready at one instant.
        options: Of `Simulation`.

    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, database=None)
    ... @given(sim=simulations())
    ... def test_each_message_is_deleted(sim):
    ...     orders = sim.create_queue("orders")
    ...     sim.create_event_source_mapping(orders, sim.create_function("worker"))
    ...     orders.send_message("o-1")
    ...     sim.run()
    ...     assert not orders.messages
    >>> test_each_message_is_deleted()
    """
    return _simulations(faults, at_most, options, ties=ties)


@st.composite
def _simulations(
    draw: st.DrawFn, faults: FaultsLike | None, at_most: int, options: dict[str, Any], *, ties: bool
) -> Simulation:
    context = current_build_context()
    replay = current()
    choices: Chooser
    if replay is None:
        choices = FromHypothesis(draw, at_most=at_most, faults=faults, ties=ties)
    else:
        choices = replay.chooser(context.data)
    sim = build(choices, faults, **options)
    if context.is_final:
        _tell_at_the_end(context, sim)
    return sim


def _tell_at_the_end(context: Any, sim: Simulation) -> None:
    """Let the exception that ends the last run of a failing test carry the story."""
    drawn = getattr(context, _DRAWN, None)
    if drawn is not None:
        drawn.append(sim)
        return
    drawn = [sim]
    setattr(context, _DRAWN, drawn)

    def at_the_end() -> None:
        error = sys.exc_info()[1]
        if error is not None and not type(error).__module__.startswith("hypothesis"):
            tell(error, drawn, how=_PASTE_OF_STEPS if _is_of_machine(error) else _PASTE)

    cleanup(at_the_end)


def _is_of_machine(error: BaseException) -> bool:
    """Return whether an exception came out of a state machine: there is no test above which a script could stand."""
    frames = walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__") == "hypothesis.stateful" for frame, _ in frames)


class FromHypothesis:
    """
    Lets Hypothesis choose: it draws at most so many departures, and shrinks towards none.

    Args:
        data: What `hypothesis.strategies.data()` gives, or the `draw` of a composite strategy.
        at_most: Departures in a run.
        faults: What may go wrong, as it is given to the simulation; all that `simulations()` plays when not given.
        ties: Whether it is also a choice who goes first of those that are ready at one instant.

    A departure is drawn as the name of a point, a place among its questions in this run, and an option, so that
    shrinking leads to fewer departures, of a more common kind, at earlier questions.
    """

    explores = True

    def __init__(self, data: Any, *, at_most: int = 3, faults: FaultsLike | None = None, ties: bool = True) -> None:
        if isinstance(at_most, bool) or not isinstance(at_most, int) or at_most < 0:
            msg = f"at_most={at_most!r} is no number of departures; give 0 or more"
            raise UsageError(msg)
        draw: Callable[[Any], Any] = getattr(data, "draw", data)
        names = [name for name in points_of(faults) if ties or name != "clock.tie"]
        self.ties = ties
        self._left = at_most
        self._wanted: dict[tuple[str, int], int] = {}
        self._asked: dict[str, int] = {}
        for name, place, option in draw(_departures(tuple(names), at_most)):
            self._wanted.setdefault((name, place), option)

    def choose(self, point: ChoicePoint, options: Sequence[str]) -> int:
        """Return what was drawn for this question of its point; 0 for most."""
        name = point.name
        place = self._asked.get(name, 0)
        self._asked[name] = place + 1
        option = self._wanted.get((name, place))
        if option is None or len(options) < 2 or not self._left:
            return 0
        self._left -= 1
        return 1 + option % (len(options) - 1)


_DRAWN_TIMES: Final = 4  # as many as there may be, for most of them are of questions that a run does not ask

# Early questions come more often, and late ones still do.
_PLACES: Final = tuple(place for place in range(24) for _ in range(max(1, 12 - 2 * place)))


def _departures(names: tuple[str, ...], at_most: int) -> Any:
    shared = [name for name in names for _ in range(SHARES.get(name, 1))]
    departure = st.tuples(st.sampled_from(shared), st.sampled_from(_PLACES), st.integers(0, 5))
    return st.lists(departure, max_size=_DRAWN_TIMES * at_most)
