"""Invokes of a function in each form that a handler may have, beside bare calls and SimPy's processes."""

from __future__ import annotations

import inspect
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.floors import simpy_models
from benchmarks.floors.invocations import (
    DURATION_S,
    GAP_US,
    bare,
    bare_coroutine,
    coroutine_handler,
    handler,
    payloads,
    sleeping_handler,
)
from benchmarks.timing import Group, Row, need, rate
from lambdasim import Simulation

WARM_UP = 200  #: invokes before those that are measured: the environments are there, and have run their init

FORMS = {
    "handler=None": {"handler": None, "duration": DURATION_S},
    "plain handler": {"handler": handler, "duration": DURATION_S},
    "coroutine handler": {"handler": coroutine_handler},
    "interleaved handler": {"handler": sleeping_handler, "execution": "interleaved"},
    "deployed module": {"handler": "deployed_worker.handler", "duration": DURATION_S},
}
BARE = {"coroutine handler": "bare coroutine", "interleaved handler": "bare sleep"}


@contextmanager
def deployed():
    """Let a module with the plain handler be imported from a folder of its own."""
    with TemporaryDirectory(prefix="lambdasim-benchmarks-") as folder:
        (Path(folder) / "deployed_worker.py").write_text(inspect.getsource(handler), encoding="utf-8")
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            sys.path.remove(folder)


def invoke_from_feed(sim, worker, events):
    """Invoke asynchronously at regular instants, until all is done."""
    clock, invoke = sim.clock, worker.invoke
    rest = iter(events)

    def arrive(_argument):
        event = next(rest, None)
        if event is not None:
            invoke(event, invocation_type="Event")
            clock.schedule(clock.now_us + GAP_US, arrive)

    arrive(None)
    sim.run()


def invoke_one_by_one(sim, worker, events):
    """Invoke synchronously, each when the one before has answered."""
    invoke = worker.invoke
    for event in events:
        invoke(event)


def ours(form: str, invoke_all, invokes: int) -> float:
    """Invokes per second of a function that is warm."""
    need(*(() if form == "handler=None" else ("greenlet", "time_machine")))
    events = payloads(invokes)
    with deployed():
        sim = Simulation(trace=0)
        worker = sim.create_function("worker", **FORMS[form])
        invoke_all(sim, worker, payloads(WARM_UP))
        environments = worker.snapshot().cold_starts
        speed = rate(invokes, lambda: invoke_all(sim, worker, events))
    found = worker.snapshot()
    assert found.invocations == WARM_UP + invokes
    assert (found.errors, found.throttles, found.cold_starts) == (0, 0, environments)
    return speed


def group_of(way, invoke_all, *, one_by_one):
    sides = {
        "bare": bare,
        "bare coroutine": bare_coroutine,
        "bare sleep": partial(bare, handle=sleeping_handler),
    }
    rows = []
    for form in FORMS:
        sides[form] = partial(ours, form, invoke_all)
        rows.append(Row(f"invoke {way}: {form}, beside SimPy", form, "simpy"))
        rows.append(Row(f"invoke {way}: {form}, beside bare calls", form, BARE.get(form, "bare")))
        if form == "plain handler":  # in the middle, so that none is far from it
            sides["simpy"] = partial(simpy_models.invokes, one_by_one=one_by_one)
    return Group(
        sides=sides,
        rows=tuple(rows),
        size=5_000,
        per_side={
            "bare": 300_000,
            "bare coroutine": 300_000,
            "bare sleep": 300_000,
            "simpy": 15_000,
            "handler=None": 10_000,
        },
    )


GROUPS = (
    group_of("asynchronously", invoke_from_feed, one_by_one=False),
    group_of("synchronously", invoke_one_by_one, one_by_one=True),
)
