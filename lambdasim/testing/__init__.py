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
    from lambdasim.testing.laws import (
        Law,
        all_laws,
        check_laws,
        effect_exactly_once,
        failures_come_back,
        no_message_lost,
        no_run_after_deletion,
        nothing_dead_unrun,
        order_within_group,
    )
    from lambdasim.testing.playing import FromHypothesis, simulations
    from lambdasim.testing.replaying import ReplayWarning, replay
    from lambdasim.testing.strategies import (
        arrival_times,
        fault_settings,
        function_configurations,
        mapping_configurations,
        message_attributes,
        message_batches,
        message_bodies,
        messages,
        queue_configurations,
        sqs_events,
    )

_HOMES: Final = {
    "Exhaustive": "choosers",
    "Exploration": "exploring",
    "FromHypothesis": "playing",
    "Law": "laws",
    "ReplayWarning": "replaying",
    "all_laws": "laws",
    "arrival_times": "strategies",
    "assert_idempotent": "idempotency",
    "check_laws": "laws",
    "checkpoint": "checkpoints",
    "effect_exactly_once": "laws",
    "explore": "exploring",
    "failures_come_back": "laws",
    "fault_settings": "strategies",
    "function_configurations": "strategies",
    "mapping_configurations": "strategies",
    "message_attributes": "strategies",
    "message_batches": "strategies",
    "message_bodies": "strategies",
    "messages": "strategies",
    "no_message_lost": "laws",
    "no_run_after_deletion": "laws",
    "nothing_dead_unrun": "laws",
    "order_within_group": "laws",
    "queue_configurations": "strategies",
    "replay": "replaying",
    "simulations": "playing",
    "sqs_events": "strategies",
}

__all__ = [
    "Exhaustive",
    "Exploration",
    "FromHypothesis",
    "Law",
    "ReplayWarning",
    "all_laws",
    "arrival_times",
    "assert_idempotent",
    "check_laws",
    "checkpoint",
    "effect_exactly_once",
    "explore",
    "failures_come_back",
    "fault_settings",
    "function_configurations",
    "mapping_configurations",
    "message_attributes",
    "message_batches",
    "message_bodies",
    "messages",
    "no_message_lost",
    "no_run_after_deletion",
    "nothing_dead_unrun",
    "order_within_group",
    "queue_configurations",
    "replay",
    "simulations",
    "sqs_events",
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
