"""Scripts that tests play: a decorator that plays one first and for ever, and what lets drawn simulations play it."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from lambdasim.clock import Scripted
from lambdasim.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

ATTRIBUTE: Final = "lambdasim_replay"  #: of a test that takes the fixture `sim`: the script that it plays


class ReplayWarning(UserWarning):
    """A step of a script that no longer applies: what it replays has changed, which need not be wrong."""


class Replay:
    """
    Scripts, and who plays them.

    Args:
        texts: The first simulation that a run draws plays the first one, and so on; one more plays nothing.
        is_for_all: Whether every simulation plays the first one.
    """

    def __init__(self, texts: Sequence[str], *, is_for_all: bool = False) -> None:
        self.texts = texts
        self._is_for_all = is_for_all
        self._run: object = None
        self._drawn = 0
        self._players: list[list[Scripted]] = [[] for _ in texts]

    def chooser(self, run: object) -> Scripted:
        """Return who chooses in the next simulation of a run."""
        if run is not self._run:
            self._run, self._drawn = run, 0
        place = 0 if self._is_for_all else self._drawn
        self._drawn += 1
        if place >= len(self.texts):
            return Scripted("")
        made = Scripted(self.texts[place])
        self._players[place].append(made)
        return made

    @property
    def is_played(self) -> bool:
        """Whether any simulation was drawn."""
        return any(self._players)

    @property
    def unused(self) -> list[str]:
        """The steps that nobody asked for, in any run."""
        found = []
        for text, players in zip(self.texts, self._players, strict=True):
            left = [player.unused for player in players or [Scripted(text)]]
            found += [step for step in left[0] if all(step in others for others in left[1:])]
        return found


_current: ContextVar[Replay | None] = ContextVar("lambdasim.replay", default=None)


def current() -> Replay | None:
    """Return what drawn simulations play now, if anything."""
    return _current.get()


@contextmanager
def playing(texts: Sequence[str], *, is_for_all: bool = False) -> Iterator[Replay]:
    """Let simulations that are drawn meanwhile play scripts."""
    made = Replay(texts, is_for_all=is_for_all)
    token = _current.set(made)
    try:
        yield made
    finally:
        _current.reset(token)


def complaint(unused: Sequence[str]) -> str:
    """Return in words that steps were not played."""
    return f"steps of a script that no longer apply: {'; '.join(unused)}"


def replay(script: str, *others: str) -> Callable[[F], F]:
    """
    Play a script before anything else that a test does: the run that broke it once, for ever.

    It stands above `@given` of a test that draws from `simulations()`, or above a test that takes the fixture `sim`
    (which then plays the script). Other arguments that Hypothesis draws are the simplest of their strategies, where the
    test accepts those.

    Args:
        script: What the report of a failure said, or `Simulation.script`.
        others: Of the second simulation that the test draws, and so on.
    Raises:
        UsageError: A text is no script; what is below is no test function.

    A step that no longer applies is a `ReplayWarning`, for a fix must not fail its own regression test.
    """
    scripts = (script, *others)
    for text in scripts:
        Scripted(text)

    def decorate(test: F) -> F:
        if not inspect.isfunction(test):
            msg = f"@replay stands above a test function; {test!r} is none"
            raise UsageError(msg)
        if not hasattr(test, "hypothesis"):
            if others or hasattr(test, ATTRIBUTE):
                msg = f"{test.__name__} takes one simulation, the fixture sim, which plays one script, not two"
                raise UsageError(msg)
            setattr(test, ATTRIBUTE, script)
            return test

        @functools.wraps(test)
        def replayed(*args: Any, **keywords: Any) -> Any:
            __tracebackhide__ = True
            _play(test, scripts, args, keywords)
            return test(*args, **keywords)

        return replayed  # type: ignore[return-value]

    return decorate


def _play(test: Any, scripts: Sequence[str], args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Let Hypothesis run a test that it drives once, with scripts in place of what would be drawn."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import Unsatisfiable

    __tracebackhide__ = True
    inner = test.hypothesis.inner_test

    @functools.wraps(inner, updated=())  # settings and examples are left behind
    def once(*args: Any, **keywords: Any) -> Any:
        __tracebackhide__ = True
        return inner(*args, **keywords)

    quick = settings(
        database=None,
        deadline=None,
        derandomize=True,
        max_examples=1,
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    with playing(scripts) as played:
        try:
            quick(given(**test.hypothesis._given_kwargs)(once))(*args, **keywords)
        except Unsatisfiable:
            unused = [text for text in scripts if text]
        else:
            unused = played.unused
    if unused:
        code = inspect.unwrap(test).__code__
        warnings.warn_explicit(complaint(unused), ReplayWarning, code.co_filename, code.co_firstlineno)
