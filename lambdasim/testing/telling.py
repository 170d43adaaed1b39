"""What a failed test says: the story, the text that replays it, and where to put that."""

from __future__ import annotations

from collections.abc import Iterable

from lambdasim.simulation import Simulation


def tell(error: BaseException, sim: Simulation, *, how: str) -> None:
    """
    Add to an exception what happened in the simulation in which it was raised, and how to see it again.

    Args:
        error: Gets notes, once.
        sim: As it was left.
        how: The line to paste, with `{script}` where the script goes.
    """
    if getattr(error, "_lambdasim_told", False):
        return
    for note in notes(sim, how=how):
        error.add_note(note)
    error._lambdasim_told = True  # type: ignore[attr-defined]


def notes(sim: Simulation, *, how: str) -> Iterable[str]:
    """Yield the story of a run, and how to play it again."""
    yield f"what happened:\n{sim.timeline()}"
    script = sim.script
    if script:
        yield f"to play it again:\n{how.format(script=quoted(script))}"
    else:
        yield "nothing but the default was chosen: it fails without any misfortune"


def quoted(script: str) -> str:
    """Return a script as a Python text in double quotes."""
    return '"' + script.replace("\\", "\\\\").replace('"', '\\"') + '"'
