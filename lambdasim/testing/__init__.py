"""
For people who test handlers: whatever SQS and Lambda permit is played against them, and what breaks them is told.

Names are loaded when they are asked for, so that nobody needs an extra for what goes without.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from lambdasim.errors import UsageError

if TYPE_CHECKING:
    from lambdasim.testing.checkpoints import checkpoint
    from lambdasim.testing.choosers import Exhaustive
    from lambdasim.testing.exploring import Exploration, explore
    from lambdasim.testing.idempotency import assert_idempotent
    from lambdasim.testing.playing import FromHypothesis, ReplayWarning, replay, simulations

_HOMES: Final = {
    "Exhaustive": "choosers",
    "Exploration": "exploring",
    "FromHypothesis": "playing",
    "ReplayWarning": "playing",
    "assert_idempotent": "idempotency",
    "checkpoint": "checkpoints",
    "explore": "exploring",
    "replay": "playing",
    "simulations": "playing",
}

__all__ = [
    "Exhaustive",
    "Exploration",
    "FromHypothesis",
    "ReplayWarning",
    "assert_idempotent",
    "checkpoint",
    "explore",
    "replay",
    "simulations",
]


def __getattr__(name: str) -> Any:
    """Load the module that has a name."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    try:
        module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "hypothesis":
            raise
        msg = f"{name} needs Hypothesis; install it with: python -m pip install 'lambdasim[testing]'"
        raise UsageError(msg) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
