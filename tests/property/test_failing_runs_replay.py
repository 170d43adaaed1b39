"""
The search for a bug, what it finds, the story and the replay are the same to the byte: under every hash seed, on every
Python.

`LAMBDASIM_PYTHONS` may name further interpreters, separated as in `PATH`; each needs the run-time dependencies and the
extra `handlers`.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.property.test_replay import PYTHONS, ROOT

# Written out as text, so that other interpreters can run it without the tests.
PROGRAM = '''
from lambdasim import Scripted
from lambdasim.testing import assert_idempotent
from lambdasim.testing.building import build

def make(sim):
    locks, charges = sim.remote(set(), name="locks"), sim.remote([], name="charges")
    def charge(event, context):
        for record in event["Records"]:
            if record["body"] in locks:
                raise RuntimeError("somebody is at it")
            locks.add(record["body"])
            if record["body"] not in charges:
                charges.append(record["body"])
            locks.remove(record["body"])
    return charge, lambda: charges

def find():
    """Return all that a user sees of a handler whose lock is never released after a crash, and of its replay."""
    try:
        assert_idempotent(make, ["o-1", "o-2"], within=300)
    except AssertionError as error:
        return str(error), list(error.__notes__)
    raise RuntimeError("nothing was found")

def trace(script):
    sim = build(Scripted(script))
    handler, _ = make(sim)
    orders = sim.create_queue("orders")
    sim.create_event_source_mapping(orders, sim.create_function("charge", handler))
    orders.send_message("o-1")
    sim.run_for(300)
    return sim.trace.to_json_lines() + sim.timeline().to_html()
'''
SHOW = "text, notes = find(); print(text, *notes, trace('crash charge#1 @0.002'), sep=chr(10))"


def shown(python: str, hash_seed: str) -> bytes:
    """Return what a process shows."""
    return subprocess.run(
        [python, "-c", f"{PROGRAM}\n{SHOW}"],
        cwd=ROOT,
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        check=True,
        capture_output=True,
    ).stdout


@pytest.mark.rule("SQS-640")
@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_found_and_told_is_the_same_everywhere(python):
    here = shown(sys.executable, "0")
    assert b"lock" in here
    assert b"to play it again" in here
    for hash_seed in ("1", "12345"):
        assert here == shown(python, hash_seed)
