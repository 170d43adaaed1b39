"""What a failed test says: the story, what handlers raised, the text that replays it, and where to put that."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from traceback import TracebackException
from typing import Final

from lambdasim.clock.wording import of_seconds
from lambdasim.lambda_.invocation import Invocation
from lambdasim.simulation import Simulation

_RAISED_MAX: Final = 5
_NAMED_MAX: Final = 4

_OURS: Final = Path(__file__).resolve().parents[1]
_LIBRARIES: Final = tuple(
    Path(path).resolve()
    for name, path in sysconfig.get_paths().items()
    if name in {"stdlib", "platstdlib", "purelib", "platlib"}
)


def tell(error: BaseException, sims: Simulation | Sequence[Simulation], *, how: str) -> None:
    """
    Add to an exception what happened in the simulation in which it was raised, and how to see it again.

    Args:
        error: Gets notes, once.
        sims: As they were left: one, or all that the test has drawn, in order.
        how: The line to paste, with `{script}` where the scripts go.
    """
    if told_of(error):
        return
    given = (sims,) if isinstance(sims, Simulation) else tuple(sims)
    for note in notes(given, how=how):
        error.add_note(note)
    error._lambdasim_told = given  # type: ignore[attr-defined]


def told_of(error: BaseException) -> tuple[Simulation, ...]:
    """Return the simulations that the notes of an exception tell of."""
    return getattr(error, "_lambdasim_told", ())


def notes(sims: Sequence[Simulation], *, how: str) -> Iterator[str]:
    """Yield the story of a run, and how to play it again."""
    for number, sim in enumerate(sims, 1):
        which = f" in simulation {number} of {len(sims)}" if len(sims) > 1 else ""
        yield f"what happened{which}:\n{sim.timeline()}"
    scripts = [sim.script for sim in sims]
    while scripts and not scripts[-1]:
        scripts.pop()
    if scripts:
        yield f"to play it again:\n{how.format(script=', '.join(map(quoted, scripts)))}"
    else:
        yield "nothing but the default was chosen: it fails without any misfortune"


def raised(sims: Sequence[Simulation], besides: BaseException | None = None) -> str:
    """
    Return what handlers raised, each distinct exception once, with the part of its traceback that is the user's code.

    Args:
        sims: The simulations.
        besides: An exception that is told elsewhere.
    """
    found: dict[str, list[Invocation]] = {}
    for sim in sims:
        invocations = [invocation for function in sim.functions for invocation in function.invocations]
        for invocation in sorted(invocations, key=lambda each: each.started_at_us):
            error = invocation.exception
            if error is not None and error is not besides:
                found.setdefault(traceback_of(error), []).append(invocation)
    parts = [f"{_named(found[text])}:\n{text}" for text in list(found)[:_RAISED_MAX]]
    if len(found) > _RAISED_MAX:
        parts.append(f"… and {len(found) - _RAISED_MAX} others")
    return "\n\n".join(parts)


def traceback_of(error: BaseException) -> str:
    """Return a traceback without what is not the user's code: ours, the standard library's, installed packages'."""
    shown = TracebackException.from_exception(error)
    waiting: list[TracebackException | None] = [shown]
    while waiting:
        each = waiting.pop()
        if each is None:
            continue
        each.stack[:] = [frame for frame in each.stack if _is_of_user(frame.filename)]
        waiting += [each.__cause__, each.__context__, *(each.exceptions or ())]
    return "".join(shown.format()).rstrip()


def _is_of_user(filename: str) -> bool:
    path = Path(filename).resolve()
    return not filename.startswith("<frozen ") and not any(map(path.is_relative_to, (_OURS, *_LIBRARIES)))


def _named(invocations: Sequence[Invocation]) -> str:
    shown = [f"{each.label} @{of_seconds(each.started_at_us)}" for each in invocations[:_NAMED_MAX]]
    left = len(invocations) - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left else "")


def quoted(script: str) -> str:
    """Return a script as a Python text in double quotes."""
    return '"' + script.replace("\\", "\\\\").replace('"', '\\"') + '"'
