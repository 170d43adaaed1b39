"""
The hooks of lambdasim in pytest, inert until a test asks for something.

pytest imports its plugins at each start, whatever the tests are about. So this module stands beside the package and
imports nothing of it: what there is to do is in `lambdasim.testing.plugin`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from lambdasim import Simulation
    from lambdasim.testing.plugin import Options

_MARKER: Final = (
    "lambdasim(seed=0, faults=None, choices=None, replay=None, boto3=True, **options): how the fixture sim is made. "
    "faults: what may go wrong; choices: who answers what AWS leaves open, a chooser or what makes one; "
    "replay: a script that it plays; boto3: whether it answers all clients of boto3; options: of lambdasim.Simulation."
)
_HELP: Final = {
    "seed": "seed of the simulations of tests (fixture sim, simulations(), assert_idempotent, explore) that do not "
    "say another one; 0 by default",
    "replay": "script that every fixture sim and everything drawn from simulations() plays, such as "
    "'duplicate orders#1 @0'",
    "profile": "how hard is tried: assert_idempotent plays at most 1,000 runs (everyday, the default) or 10,000 "
    "(nightly) where its call does not say; settings of Hypothesis stay as they are",
}
_OPTIONS: Final[pytest.StashKey[Options]] = pytest.StashKey()


def _is_used() -> bool:
    return "lambdasim.testing" in sys.modules


def _plugin() -> ModuleType:
    return importlib.import_module("lambdasim.testing.plugin")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, each with a twin in the configuration file."""
    group = parser.getgroup("lambdasim", "simulated Amazon SQS and AWS Lambda")
    group.addoption("--lambdasim-seed", type=int, metavar="N", help=_HELP["seed"])
    group.addoption("--lambdasim-replay", metavar="SCRIPT", help=_HELP["replay"])
    group.addoption("--lambdasim-profile", choices=("everyday", "nightly"), help=_HELP["profile"])
    for name, text in _HELP.items():
        parser.addini(f"lambdasim_{name}", text, default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Explain the marker, and take what was given."""
    config.addinivalue_line("markers", _MARKER)
    given = {}
    for name in _HELP:
        value = config.getoption(f"lambdasim_{name}")
        given[name] = (config.getini(f"lambdasim_{name}") or None) if value is None else value
    if any(value is not None for value in given.values()):
        config.stash[_OPTIONS] = _plugin().Options.of(given)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what was given."""
    options = config.stash.get(_OPTIONS, None)
    return None if options is None else f"lambdasim: {options}"


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    """A simulation of Amazon SQS and AWS Lambda: interleaved, and during the test it answers all clients of boto3."""
    yield from _plugin().simulated(request, request.config.stash.get(_OPTIONS, None))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let the options hold for everything that belongs to a test."""
    options = item.config.stash.get(_OPTIONS, None)
    if options is None:
        return (yield)
    with options.applied():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let simulations that a test draws play the script that was given, and miss whoever plays that of `@replay`."""
    if not _is_used():
        return (yield)
    with _plugin().watched(item, item.config.stash.get(_OPTIONS, None)):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell what happened in the simulation of a test that failed."""
    made = yield
    if _is_used():
        _plugin().report(item, call, made)
    return made
