"""The simulations of the test tools: interleaved, wholly traced, and slow enough that handlers overtake each other."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from attrs import evolve

from lambdasim.clock import Chooser
from lambdasim.esm import EsmFaults
from lambdasim.faults import Faults
from lambdasim.lambda_ import AsyncFaults, LambdaFaults
from lambdasim.simulation import Simulation
from lambdasim.sqs import SqsFaults
from lambdasim.testing.defaults import defaults

PACE_S: Final = 0.001  #: what each scheduling point of a handler takes at least
STALL_S: Final = 2  #: for how long a handler is held up

FaultsLike = SqsFaults | LambdaFaults | AsyncFaults | EsmFaults


def build(choices: Chooser | None = None, faults: FaultsLike | None = None, **options: Any) -> Simulation:
    """
    Return a simulation as tests want it: interleaved, with the whole trace, and a pace of a millisecond.

    Args:
        choices: Who answers what AWS leaves open.
        faults: What may go wrong; an exploring chooser may play `misfortunes()` when it is not given.
        options: Of `Simulation`, in place of these.
    """
    chosen = {"seed": defaults().seed, "execution": "interleaved", "trace": None, "pace": PACE_S, **options}
    if faults is None and getattr(choices, "explores", False):
        faults = misfortunes()
    return Simulation(choices=choices, faults=faults, **chosen)


@cache
def misfortunes() -> Faults:
    """
    Return what may befall messages and handlers: all that AWS permits, except that it does not stop delivering.

    A mapping that Lambda disables (`disabled_by_lambda`) is no test of a handler: nothing ever runs again. Who is held
    up is held up for longer than what else may happen takes, or else the one comes just before the other each time.
    """
    return evolve(Faults.permitted(), disabled_by_lambda=0.0, stall_s=STALL_S)
