"""
Groups of sides that are measured in turns, and rows that compare two of them.

A side is a callable: it takes a size (how many events, messages, jobs), does that much work once and returns a reading,
such as messages per second. A round reads every side of a group once; the next round goes through them backwards, so
that a machine that becomes slower or faster meanwhile harms nobody. A ratio is the median of the ratios of the rounds,
whose two readings lie seconds apart; readings are medians of their own.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

Side = Callable[[int], float]
Measure = Callable[[int, Callable[[], object]], float]  #: of how many things are done, and the work that does them

ROOT = Path(__file__).resolve().parent.parent


class SkippedError(Exception):
    """A side cannot be measured here; the text says why."""


@dataclass(frozen=True)
class Aim:
    """What a row should reach: of its ratio, or of the reading of our side alone."""

    bound: float
    at_least: bool = True
    of_reading: bool = False

    def is_met(self, reading: float, ratio: float | None) -> bool | None:
        value = reading if self.of_reading else ratio
        if value is None:
            return None
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Row:
    """A line of the table: *ours* beside *floor*, both names of sides of one group."""

    what: str
    ours: str
    floor: str | None = None
    aim: Aim | None = None


@dataclass(frozen=True)
class Group:
    """
    Sides that are measured in turns.

    *size* goes to every side (a tenth of it with `--quick`), *unit* is that of the readings, *rounds* an upper limit.
    """

    sides: Mapping[str, Side]
    rows: tuple[Row, ...]
    size: int
    unit: str = "/s"
    rounds: int = 99
    size_min: int = 1
    per_side: Mapping[str, int] = field(default_factory=dict)  #: size of a side, where it is another


@dataclass(frozen=True)
class Result:
    """A measured row; without a reading, *why* tells what is missing."""

    row: Row
    unit: str
    reading: float | None
    floor: float | None
    ratio: float | None
    samples: tuple[float, ...] = ()
    floor_samples: tuple[float, ...] = ()
    why: str = ""

    @property
    def is_met(self) -> bool | None:
        if self.row.aim is None or self.reading is None:
            return None
        return self.row.aim.is_met(self.reading, self.ratio)


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds of the processor that *work* takes, begun with the garbage of others collected."""
    gc.collect()
    begin = process_time()
    work()
    return process_time() - begin


def rate(times: int, work: Callable[[], object]) -> float:
    """Return how often a second *work* does what it does *times* times."""
    return times / seconds_of(work)


def peak_mb(_times: int, work: Callable[[], object]) -> float:
    """Return the megabytes that *work* held at most at a time, beside what was there before it."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def need(*modules: str) -> None:
    """Skip the side where one of these modules is not installed."""
    for name in modules:
        if find_spec(name) is None:
            msg = f"{name} is not installed"
            raise SkippedError(msg)


@cache
def _bytecode() -> TemporaryDirectory[str]:
    """Return a folder where the processes of this run keep their bytecode, so that only the first one compiles."""
    return TemporaryDirectory(prefix="lambdasim-benchmarks-")


def in_fresh_process(module: str, *arguments: object) -> Any:
    """Run a module of ours in a process of its own; return the JSON that it prints."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": _bytecode().name}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure(group: Group, rows: tuple[Row, ...], *, rounds: int, quick: bool) -> Iterator[Result]:
    """Measure the sides that *rows* need, in turns, and yield the rows."""
    wanted = {name for row in rows for name in (row.ours, row.floor) if name is not None}
    names = [name for name in group.sides if name in wanted]
    samples: dict[str, list[float]] = {name: [] for name in names}
    missing: dict[str, str] = {}
    for turn in range(min(rounds, group.rounds)):
        for name in reversed(names) if turn % 2 else names:
            if name not in missing:
                size = group.per_side.get(name, group.size)
                try:
                    samples[name].append(group.sides[name](max(group.size_min, size // 10) if quick else size))
                except SkippedError as error:
                    missing[name] = str(error)
    for row in rows:
        why = "; ".join(missing[name] for name in (row.ours, row.floor) if name in missing)
        ours = samples[row.ours]
        floor = samples[row.floor] if row.floor is not None else []
        yield Result(
            row,
            group.unit,
            median(ours) if ours else None,
            median(floor) if floor else None,
            median(mine / other for mine, other in zip(ours, floor, strict=True)) if ours and floor else None,
            tuple(ours),
            tuple(floor),
            why,
        )
