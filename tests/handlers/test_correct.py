"""No false alarm: whatever is played against handlers that are right, nothing is found."""

from __future__ import annotations

import os

import pytest

from tests.handlers.correct import CORRECT

RUNS = {"nightly": 10_000, "thorough": 150}.get(os.environ.get("LAMBDASIM_HYPOTHESIS", ""), 60)
BY_NAME = {case.name: case for case in CORRECT}


@pytest.mark.parametrize("name", BY_NAME)
def test_nothing_is_found(name):
    report = BY_NAME[name].play(runs=RUNS)
    assert RUNS == report.runs == sum(report.departures.values())
    assert report.departures[1] >= 40


def test_there_are_many():
    assert len(CORRECT) >= 15
