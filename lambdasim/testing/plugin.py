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
from lambdasim.testing.telling import quoted, raised, told_of


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
    has_failed: bool = field(default=False, init=False)


GUEST: Final = pytest.StashKey[Guest]()


def simulated(request: pytest.FixtureRequest, options: Options | None) -> Iterator[Simulation]:
    """Yield the simulation of a test; when it is over, nothing is patched any more."""
    item = request.node
    given = _given(item)
    is_patched = given.pop("boto3", True) and find_spec("botocore") is not None
    marked, choices, faults = (given.pop(name, None) for name in ("replay", "choices", "faults"))
    asked = None if options is None else options.replay
    script = next((text for text in (asked, script_of(item), marked) if text is not None), None)
    player = None if script is None else Scripted(script)
    sim = build(_chooser(choices) if player is None else player, faults, **given)
    guest = item.stash[GUEST] = Guest(sim, given)
    with sim.patch_boto3() if is_patched else nullcontext():
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
    """Add to the report of a failure what happened in the simulations of the test."""
    guest = item.stash.get(GUEST, None)
    if made.failed and call.excinfo is not None:
        for name, text in _sections(item, guest, call.excinfo.value, made.when):
            _add(made, name, text)
    if made.when == "teardown" and guest is not None:
        del item.stash[GUEST]


def _sections(
    item: pytest.Item, guest: Guest | None, error: BaseException, when: str | None
) -> Iterator[tuple[str, str]]:
    """Yield what there is to say; exceptions that were drawn from say the rest in their notes."""
    sims = list(told_of(error))
    if guest is not None and not (when == "teardown" and guest.has_failed):
        guest.has_failed = True
        sims.append(guest.sim)
        yield "lambdasim timeline", _safely(lambda: str(guest.sim.timeline()))
    errors = _safely(raised, sims, error)
    if errors:
        yield "exceptions raised by handlers", errors
    if guest is not None and guest.sim in sims:
        lines = _again(item, guest)
        if lines:
            yield "lambdasim: to play it again", lines


def _safely(tell: Callable[..., str], *args: Any) -> str:
    """Return a text; a report is worth more than what may go wrong while it is made."""
    try:
        return tell(*args)
    except Exception as error:
        return f"it cannot be told: {type(error).__name__}: {error}"


def _again(item: pytest.Item, guest: Guest) -> str:
    """Return the line to paste, and the command."""
    script, seed = guest.sim.script, guest.sim.seed
    wanted = [] if seed == 0 or "seed" in guest.given else [f"--lambdasim-seed={seed}"]
    lines = []
    if script:
        lines.append(f"@replay({quoted(script)})")
        wanted.append(f"--lambdasim-replay={shlex.quote(script)}")
    if wanted:
        lines.append(f"pytest {shlex.quote(item.nodeid)} {' '.join(wanted)}")
    return "\n".join(lines)


def _add(made: pytest.TestReport, name: str, text: str) -> None:
    """Add a section where it is shown whatever is captured, and kept by whoever keeps the report."""
    add = getattr(made.longrepr, "addsection", None)
    if add is None:
        made.sections.append((name, text))
    else:
        add(name, text, sep="-")
