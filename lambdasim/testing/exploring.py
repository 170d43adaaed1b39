"""`explore`: what Hypothesis is not for. Every run up to a bound, counted; or many seeds, on many processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Sized
from concurrent.futures import Executor
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, NamedTuple

from attrs import define, field, frozen

from lambdasim.clock import Choice, Chooser, Seeded
from lambdasim.errors import UsageError
from lambdasim.simulation import Simulation
from lambdasim.testing.building import FaultsLike, build, misfortunes
from lambdasim.testing.choosers import Exhaustive, Planned
from lambdasim.testing.searching import simplest
from lambdasim.testing.telling import tell
from lambdasim.units import Duration, to_seconds
from lambdasim.units import seconds as microseconds

Scenario = Callable[[Simulation], object]

_RUNS: Final = 10_000
_LONG: Final = 500  # runs after which it is worth showing how far it has come
_CHUNK: Final = 64  # seeds that a process is given at once


@frozen
class Sighting:
    """An outcome, and the run in which it was seen first."""

    times: int
    script: str  #: the departures of that run
    seed: int | None  #: of that run, where seeds were played


@frozen
class Failure:
    """A run that raised."""

    error: Exception
    script: str
    seed: int | None


@define
class Exploration:
    """What was seen."""

    runs: int = 0
    simulated_us: int = 0  #: together
    is_complete: bool = False  #: whether every run up to the bound was played
    outcomes: dict[Hashable, Sighting] = field(factory=dict)  #: in the order in which they were seen
    failures: list[Failure] = field(factory=list)

    def __str__(self) -> str:
        """Show a line for each outcome, the most frequent first."""
        kinds = len(self.outcomes)
        runs = f"{self.runs} runs{'' if self.is_complete else ', and there are more'}"
        outcomes = f"{kinds} distinct outcome{'' if kinds == 1 else 's'}"
        simulated = f"{to_seconds(self.simulated_us):g} simulated seconds"
        lines = [f"{runs}; {simulated}; {outcomes}; {len(self.failures)} failures"]
        ranked = sorted(self.outcomes.items(), key=lambda seen: -seen[1].times)
        lines += [f"{seen.times:8} {outcome!s}  first: {seen.script or 'no departure'}" for outcome, seen in ranked]
        lines += [f"  failed {type(one.error).__name__}: {one.error}  {one.script}" for one in self.failures]
        return "\n".join(lines)

    def _take(self, played: _Played) -> None:
        self.runs += 1
        self.simulated_us += played.ended_at_us
        if played.error is not None:
            self.failures.append(Failure(played.error, played.script, played.seed))
            return
        seen = self.outcomes.get(played.outcome)
        if seen is None:
            self.outcomes[played.outcome] = Sighting(1, played.script, played.seed)
        else:
            self.outcomes[played.outcome] = Sighting(seen.times + 1, seen.script, seen.seed)


class _Played(NamedTuple):
    """What came of one run, as it can travel between processes."""

    outcome: Hashable
    error: Exception | None
    script: str
    ended_at_us: int
    seed: int | None


@frozen(kw_only=True)
class _Stage:
    """What is played, and in what kind of simulation."""

    scenario: Scenario
    faults: FaultsLike | None
    options: dict[str, Any]

    def play(self, choices: Chooser, seed: int | None = None) -> tuple[_Played, Simulation]:
        """Play one run."""
        options = self.options if seed is None else {**self.options, "seed": seed}
        sim = build(choices, self.faults, **options)
        outcome: object = None
        error: Exception | None = None
        try:
            outcome = self.scenario(sim)
        except Exception as raised:
            error = raised
        return _Played(_hashable(outcome), error, sim.script, sim.now_us, seed), sim

    def play_seeds(self, seeds: Iterable[int]) -> list[_Played]:
        """Play a run for each seed."""
        return [self.play(Seeded(seed), seed)[0] for seed in seeds]


def explore(
    scenario: Scenario,
    *,
    departures: int | None = 1,
    ties: bool = False,
    seeds: int | Iterable[int] | None = None,
    faults: FaultsLike | None = None,
    runs: int | None = _RUNS,
    simulated: Duration | None = None,
    executor: Executor | None = None,
    progress: bool | None = None,
    fails: bool = True,
    **options: Any,
) -> Exploration:
    """
    Play a scenario in every way that is permitted, up to a bound; or with many seeds.

    Args:
        scenario: Called with a fresh simulation: builds on it, runs it, asserts, and may return an outcome, of which
            the distinct ones are counted.
        departures: So many choices of a run differ from the default, at most; None: all of them, which has no end where
            a departure leads to another question of its kind, as a duplicate does: then it goes down one branch only.
        ties: Whether it is also a choice who goes first of those that are ready at one instant.
        seeds: Lots are drawn instead, once with each of these seeds (a number: with 0, 1, 2, …).
        faults: What may go wrong; all that may befall messages and handlers when not given.
        runs: A budget; None: as many as there are.
        simulated: Another: simulated seconds of all runs together.
        executor: Plays seeds on its workers, such as those of `concurrent.futures.ProcessPoolExecutor`; the scenario
            then has to be a function of a module. What comes out is the same as without.
        progress: Shows how far it has come, on a terminal; None: of long ones.
        fails: Whether a run that raises ends it: its exception, of the simplest such run that comes of leaving
            departures out, carries the story. False: they are listed.
        options: Of `Simulation`.
    Returns:
        How many runs there were, and the distinct outcomes, each with a script that leads there.
    Raises:
        UsageError: An argument that means nothing; a scenario that is not the same in every run.

    >>> from lambdasim import Faults
    >>> def scenario(sim):
    ...     orders = sim.create_queue("orders")
    ...     worker = sim.create_function("worker")
    ...     sim.create_event_source_mapping(orders, worker)
    ...     orders.send_message("o-1")
    ...     sim.run()
    ...     return worker.snapshot().invocations
    >>> print(explore(scenario, faults=Faults(duplicate_probability=0.5, duplicate_delay_s=(0, 0.05))))
    4 runs; 0.475 simulated seconds; 2 distinct outcomes; 0 failures
           3 2  first: duplicate orders#1 @0
           1 1  first: no departure
    """
    if not callable(scenario):
        msg = f"scenario={scenario!r} cannot be called; give a function of a simulation"
        raise UsageError(msg)
    if executor is not None and seeds is None:
        msg = "executor= plays seeds; give seeds=1000, or leave it out"
        raise UsageError(msg)
    stage = _Stage(scenario=scenario, faults=misfortunes() if faults is None else faults, options=options)
    found = Exploration()
    limit_us = None if simulated is None else microseconds(simulated, name="simulated")
    total = None if seeds is None else _count(seeds, runs)
    with _shown(progress, total) as step:
        if seeds is None:
            played = _walk(stage, Exhaustive(departures, ties=ties))
        else:
            played = _draw(stage, range(seeds) if isinstance(seeds, int) else seeds, executor)
        for one, sim in played:
            if (runs is not None and found.runs >= runs) or (limit_us is not None and found.simulated_us >= limit_us):
                return found
            found._take(one)
            step(found)
            if one.error is not None and fails:
                _raise(stage, one, sim)
    found.is_complete = True
    return found


def _walk(stage: _Stage, tree: Exhaustive) -> Iterator[tuple[_Played, Simulation | None]]:
    for choices in tree:
        yield stage.play(choices)


def _draw(
    stage: _Stage, seeds: Iterable[int], executor: Executor | None
) -> Iterator[tuple[_Played, Simulation | None]]:
    if executor is None:
        for seed in seeds:
            yield stage.play(Seeded(seed), seed)
        return
    for chunk in executor.map(stage.play_seeds, _chunks(seeds)):
        for played in chunk:
            yield played, None


def _chunks(seeds: Iterable[int]) -> Iterator[list[int]]:
    left = iter(seeds)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk


def _raise(stage: _Stage, played: _Played, sim: Simulation | None) -> None:
    """Raise what the simplest run raises that comes of leaving departures out."""
    error = played.error
    assert error is not None
    if sim is None:  # it was played elsewhere
        again, sim = stage.play(Seeded(played.seed or 0), played.seed)
        error = again.error or error
    kind = type(error)

    def fails(plan: dict[tuple[str, str, int, int], int]) -> bool:
        tried, _ = stage.play(Planned(plan), played.seed)
        return type(tried.error) is kind

    plan = simplest(_plan_of(sim.departures), fails)
    simpler, sim_of_it = stage.play(Planned(plan), played.seed)
    if type(simpler.error) is kind and simpler.error is not None:
        error, sim = simpler.error, sim_of_it
    tell(error, sim, how="Simulation(choices=Scripted({script}), …), or @replay({script})")
    raise error


def _plan_of(departures: Iterable[Choice]) -> dict[tuple[str, str, int, int], int]:
    return {(choice.point, choice.subject, choice.at_us, choice.nth): choice.option for choice in departures}


def _count(seeds: int | Iterable[int], runs: int | None) -> int | None:
    count = seeds if isinstance(seeds, int) else len(seeds) if isinstance(seeds, Sized) else runs
    return count if runs is None or count is None else min(count, runs)


def _hashable(outcome: object) -> Hashable:
    try:
        return next(iter({outcome: None}))
    except TypeError:  # it has no hash
        return repr(outcome)


@contextmanager
def _shown(progress: bool | None, total: int | None) -> Iterator[Callable[[Exploration], object]]:
    """Give what is called after each run: it shows how far the exploration has come, where somebody looks on."""
    if progress is False or (progress is None and not sys.stderr.isatty()):
        yield lambda _: None
        return
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        yield lambda _: None
        return
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task("runs", total=total)

    def step(found: Exploration) -> None:
        if found.runs == (1 if progress else _LONG):
            bar.start()
        if not found.runs % 10:
            text = f"{found.runs} runs, {len(found.outcomes)} outcomes"
            bar.update(task, completed=found.runs, description=text)

    try:
        yield step
    finally:
        bar.stop()
