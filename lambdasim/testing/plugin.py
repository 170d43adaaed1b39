"""
What the plugin for pytest does once a test wants something of it: the fixture `sim`, and what is told of a failure.

The hooks themselves are in `_lambdasim_pytest`, which imports this when it is needed and not before.
"""

from __future__ import annotations

import copy
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from typing import Any, Final

import pytest
from attrs import define, field, frozen

from lambdasim.clock import Chooser, Scripted
from lambdasim.errors import UsageError
from lambdasim.simulation import Simulation
from lambdasim.testing.building import build
from lambdasim.testing.defaults import RUNS, Defaults, defaulting
from lambdasim.testing.replaying import ATTRIBUTE, ReplayWarning, complaint, playing
from lambdasim.testing.telling import quoted, raised, story


@frozen(kw_only=True)
class Options:
    """What the command line and the configuration say; None: nothing."""

    seed: int | None
    replay: str | None
    profile: str | None

    @classmethod
    def of(cls, given: dict[str, Any]) -> Options:
        """
        Return options, checked.

        Raises:
            pytest.UsageError: A value means nothing.
        """
        seed, replay, profile = given["seed"], given["replay"], given["profile"]
        try:
            seed = None if seed is None else int(seed)
        except ValueError:
            msg = f"lambdasim_seed: {seed!r} is no whole number"
            raise pytest.UsageError(msg) from None
        if profile is not None and profile not in RUNS:
            msg = f"lambdasim_profile: {profile!r} is none of {', '.join(RUNS)}"
            raise pytest.UsageError(msg)
        try:
            Scripted(replay or "")
        except UsageError as error:
            msg = f"lambdasim_replay: {error}"
            raise pytest.UsageError(msg) from None
        return cls(seed=seed, replay=replay, profile=profile)

    def __str__(self) -> str:
        """Show what was given."""
        shown = {"profile": self.profile, "seed": self.seed, "replay": self.replay}
        return ", ".join(f"{name} {value}" for name, value in shown.items() if value is not None)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let them hold meanwhile."""
        with defaulting(Defaults(seed=self.seed or 0, runs=RUNS[self.profile or "everyday"])):
            yield


@contextmanager
def watched(item: pytest.Item, options: Options | None) -> Iterator[None]:
    """Let what a test draws play the script of the command line, and warn of scripts that nobody played."""
    if options is None or options.replay is None:
        yield
    else:
        with playing([options.replay], is_for_all=True) as replay:
            yield
        if replay.is_played and replay.unused:
            item.warn(ReplayWarning(complaint(replay.unused)))
    if script_of(item) and item.stash.get(GUEST, None) is None:
        msg = "this @replay plays nothing: it stands above @given, or above a test that takes our fixture sim"
        item.warn(ReplayWarning(msg))


# ---- the fixture


@define
class Guest:
    """The simulation that a test was given."""

    sim: Simulation
    given: dict[str, Any]  #: by the marker
    player: Scripted | None  #: who plays the script, if the test has one
    has_failed: bool = field(default=False, init=False)


GUEST: Final = pytest.StashKey[Guest]()


def simulated(request: pytest.FixtureRequest, options: Options | None) -> Iterator[Simulation]:
    """Yield the simulation of a test; when it is over, nothing is patched any more."""
    item = request.node
    given = _given(item)
    is_patched = given.pop("boto3", True)
    script = script_of(item)
    marked = given.pop("replay", None)
    script = marked if script is None else script
    if options is not None and options.replay is not None:
        script = options.replay
    player = None if script is None else Scripted(script)
    choices = _chooser(given.pop("choices", None)) if player is None else player
    given.pop("choices", None)
    faults = given.pop("faults", None)
    sim = build(choices, faults, **given)
    guest = item.stash[GUEST] = Guest(sim, given, player)
    with sim.patch_boto3() if is_patched and find_spec("botocore") is not None else nullcontext():
        yield sim
    if player is not None and player.unused and not guest.has_failed:
        item.warn(ReplayWarning(complaint(player.unused)))


def script_of(item: pytest.Item) -> str | None:
    """Return what stands in `@replay(…)` above a test."""
    return getattr(getattr(item, "obj", None), ATTRIBUTE, None)


def _given(item: pytest.Item) -> dict[str, Any]:
    """Return what the markers of a test say together; the nearest has the last word."""
    given: dict[str, Any] = {}
    for marker in reversed(list(item.iter_markers("lambdasim"))):
        if marker.args:
            msg = f"{item.nodeid}: the marker lambdasim takes keywords, such as lambdasim(seed=1); got {marker.args!r}"
            raise pytest.UsageError(msg)
        given.update(marker.kwargs)
    return given


def _chooser(given: Any) -> Chooser | None:
    """Return a chooser of this test's own: a copy, or what a callable makes."""
    if callable(given) and (isinstance(given, type) or not hasattr(given, "choose")):
        make: Callable[[], Any] = given
        return make()  # type: ignore[no-any-return]
    return copy.deepcopy(given)  # type: ignore[no-any-return]


# ---- the report


def report(item: pytest.Item, call: pytest.CallInfo[None], made: pytest.TestReport) -> None:
    """Add to the report of a failure what happened in the simulation of the test."""
    guest = item.stash.get(GUEST, None)
    if guest is None:
        return
    if made.failed and call.excinfo is not None and (made.when != "teardown" or not guest.has_failed):
        guest.has_failed = True
        for name, text in _sections(item, guest, call.excinfo.value):
            _add(made, name, text)
    if made.when == "teardown":
        del item.stash[GUEST]


def _sections(item: pytest.Item, guest: Guest, error: BaseException) -> Iterator[tuple[str, str]]:
    sim = guest.sim
    try:
        told, errors = story(sim), raised(sim, error)
    except Exception as broken:  # a report is worth more than what went wrong while it was made
        told, errors = f"it cannot be told: {type(broken).__name__}: {broken}", ""
    yield "lambdasim timeline", told
    if errors:
        yield "exceptions raised by handlers", errors
    script, seed = sim.script, sim.seed
    wanted = [] if seed == 0 or "seed" in guest.given else [f"--lambdasim-seed={seed}"]
    lines = [f"@replay({quoted(script)})"] if script else []
    if script:
        wanted.append(f"--lambdasim-replay={shlex.quote(script)}")
    if wanted:
        lines.append(f"pytest {shlex.quote(item.nodeid)} {' '.join(wanted)}")
    if lines:
        yield "lambdasim: to play it again", "\n".join(lines)


def _add(made: pytest.TestReport, name: str, text: str) -> None:
    """Add a section where it is shown whatever is captured, and kept by whoever keeps the report."""
    add = getattr(made.longrepr, "addsection", None)
    if add is None:
        made.sections.append((name, text))
    else:
        add(name, text, sep="-")
