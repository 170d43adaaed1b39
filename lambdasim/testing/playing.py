"""Tests with Hypothesis: a chooser, a strategy of simulations, and a decorator that plays a script first."""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from hypothesis import HealthCheck, find, settings
from hypothesis import strategies as st
from hypothesis.control import cleanup, current_build_context

from lambdasim.clock import ChoicePoint, Scripted
from lambdasim.errors import UsageError
from lambdasim.simulation import Simulation
from lambdasim.testing.building import FaultsLike, build
from lambdasim.testing.choosers import SHARES, points_of
from lambdasim.testing.telling import tell

F = TypeVar("F", bound=Callable[..., Any])

PASTE: Final = "@replay({script})"

_script: ContextVar[_Replay | None] = ContextVar("lambdasim.replay", default=None)


class ReplayWarning(UserWarning):
    """A step of a script that no longer applies: what it replays has changed, which need not be wrong."""


class _Replay:
    """A script that is played, and the simulations that play it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.played: list[tuple[Scripted, Simulation]] = []

    def build(self, faults: FaultsLike | None, options: dict[str, Any]) -> Simulation:
        choices = Scripted(self.text)
        sim = build(choices, faults, **options)
        self.played.append((choices, sim))
        return sim


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
            all that AWS permits, but calls that no handler makes are answered.
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
    replay = _script.get()
    if replay is not None:
        return replay.build(faults, options)
    sim = build(FromHypothesis(draw, at_most=at_most, faults=faults, ties=ties), faults, **options)
    _tell_at_the_end(sim)
    return sim


def _tell_at_the_end(sim: Simulation) -> None:
    """Let the exception that ends the last run of a failing test carry the story."""

    def at_the_end() -> None:
        error = sys.exc_info()[1]
        if error is not None and not type(error).__module__.startswith("hypothesis"):
            tell(error, sim, how=PASTE)

    if current_build_context().is_final:
        cleanup(at_the_end)


def replay(text: str) -> Callable[[F], F]:
    """
    Play a script before anything else that a test does: the run that broke it once, for ever.

    It stands above `@given` of a test that draws from `simulations()`, or above a test that takes the fixture `sim`
    (which then plays the script). Other arguments that Hypothesis draws are the simplest of their strategy.

    Args:
        text: What the report of a failure said, or `Simulation.script`.
    Raises:
        UsageError: The text is no script.

    A step that no longer applies is a warning, for a fix must not fail its own regression test.
    """
    Scripted(text)

    def decorate(test: F) -> F:
        if not inspect.isfunction(test):
            msg = f"@replay stands above a test function; {test!r} is none"
            raise UsageError(msg)
        handle = getattr(test, "hypothesis", None)
        if handle is None:
            test.lambdasim_replay = text  # type: ignore[attr-defined]  # the fixture looks at it
            return test

        @functools.wraps(test)
        def replayed(*args: Any, **keywords: Any) -> Any:
            _play(handle, text, args, keywords)
            return test(*args, **keywords)

        return replayed  # type: ignore[return-value]

    return decorate


def _play(handle: Any, text: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Run the test that Hypothesis drives once, with the script in place of what it draws."""
    with playing(text) as replay:
        drawn = {name: _simplest(strategy) for name, strategy in handle._given_kwargs.items()}
        del replay.played[:-1]  # Hypothesis may have built others on its way to the simplest
        try:
            handle.inner_test(*args, **keywords, **drawn)
        except Exception as error:
            for _, sim in replay.played:
                tell(error, sim, how=PASTE)
            raise
        warn_of_unused(replay)


@contextmanager
def playing(text: str) -> Iterator[_Replay]:
    """Let every simulation that is drawn meanwhile play a script."""
    replay = _Replay(text)
    token = _script.set(replay)
    try:
        yield replay
    finally:
        _script.reset(token)


def warn_of_unused(replay: _Replay) -> None:
    """Warn of steps that nobody asked for."""
    for choices, _ in replay.played:
        if choices.unused:
            msg = f"steps of @replay that no longer apply: {'; '.join(choices.unused)}"
            warnings.warn(msg, ReplayWarning, stacklevel=4)


def _simplest(strategy: Any) -> Any:
    quick = settings(database=None, max_examples=1, derandomize=True, suppress_health_check=list(HealthCheck))
    return find(strategy, lambda _: True, settings=quick)


class FromHypothesis:
    """
    Lets Hypothesis choose: it draws at most so many departures, and shrinks towards none.

    Args:
        data: What `hypothesis.strategies.data()` gives, or the `draw` of a composite strategy.
        at_most: Departures in a run.
        faults: What may go wrong; all that AWS permits when not given.
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
        if option is None or len(options) < 2:
            return 0
        return 1 + option % (len(options) - 1)


# Early questions come more often, and late ones still do.
_PLACES: Final = tuple(place for place in range(24) for _ in range(max(1, 8 - place)))


def _departures(names: tuple[str, ...], at_most: int) -> Any:
    shared = [name for name in names for _ in range(SHARES.get(name, 1))]
    departure = st.tuples(st.sampled_from(shared), st.sampled_from(_PLACES), st.integers(0, 5))
    return st.lists(departure, max_size=at_most)
