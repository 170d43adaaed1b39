"""What the test tools do when nobody says otherwise; the plugin for pytest says so for the length of a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from attrs import frozen

RUNS: Final[Mapping[str, int]] = {"everyday": 1_000, "nightly": 10_000}  #: of `assert_idempotent`, by profile


@frozen(kw_only=True)
class Defaults:
    """What holds where nothing is given."""

    seed: int = 0  #: of simulations, and of the choice among combinations
    runs: int = RUNS["everyday"]  #: that `assert_idempotent` plays at most


_current: ContextVar[Defaults] = ContextVar("lambdasim.defaults", default=Defaults())  # noqa: B039 - it never changes


def defaults() -> Defaults:
    """Return what holds now."""
    return _current.get()


@contextmanager
def defaulting(given: Defaults) -> Iterator[None]:
    """Let something else hold meanwhile."""
    token = _current.set(given)
    try:
        yield
    finally:
        _current.reset(token)
