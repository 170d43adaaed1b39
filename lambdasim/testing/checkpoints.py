"""Named places in a handler where it may be overtaken, crash or time out."""

from __future__ import annotations

from lambdasim.lambda_.fibers import Fiber
from lambdasim.lambda_.world import current_sleeper


def checkpoint(name: str) -> None:
    """
    Say that a handler touches the outside here, in a way that the simulation does not see.

    In an interleaved handler it is a place where it may be overtaken, crash or time out; stories call it by its name.
    Anywhere else (in a plain handler, in production) it does nothing.

    Args:
        name: In words, such as `charge card`.
    """
    sleeper = current_sleeper()
    if isinstance(sleeper, Fiber) and sleeper.is_here:
        text = f"checkpoint {name!r}"
        sleeper.point(0, text)
        sleeper.note(text)
