"""What the tables of a scenario say of each other: names that must be there, and times that must fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lambdasim.cli.arrivals import ArrivalsTable, PiecewiseArrivals
from lambdasim.cli.problems import Path_, Problem
from lambdasim.cli.scenario import Scenario
from lambdasim.cli.values import one_of, suggestion
from lambdasim.units import seconds


def check(scenario: Scenario) -> Iterator[Problem]:
    """Yield what is wrong between the tables."""
    queues, functions = list(scenario.queues), list(scenario.functions)
    for name in queues:
        yield from _check_queue(scenario, name)
    for name in functions:
        if all(mapping.function != name for mapping in scenario.mappings):
            yield Problem(("functions", name), "nothing invokes it, for no mapping names it; leave it out")
    for place, mapping in enumerate(scenario.mappings):
        if mapping.queue not in queues:
            yield _unknown(("mappings", place, "queue"), "queue", mapping.queue, queues)
        if mapping.function not in functions:
            yield _unknown(("mappings", place, "function"), "function", mapping.function, functions)
    for place, arrivals in enumerate(scenario.arrivals):
        if arrivals.queue not in queues:
            yield _unknown(("arrivals", place, "queue"), "queue", arrivals.queue, queues)
        yield from _check_times(scenario, ("arrivals", place), arrivals)
    if scenario.duration is None and not scenario.drain:
        yield Problem(("duration",), "missing; drain = false needs to know when to stop")


def _check_queue(scenario: Scenario, name: str) -> Iterator[Problem]:
    queue, path = scenario.queues[name], ("queues", name)
    target = queue.dead_letter_queue
    if target is None:
        if queue.max_receive_count is not None:
            yield Problem((*path, "dead_letter_queue"), "missing; max_receive_count needs one")
    else:
        if queue.max_receive_count is None:
            yield Problem((*path, "max_receive_count"), "missing; dead_letter_queue needs one")
        if target not in scenario.queues:
            yield _unknown((*path, "dead_letter_queue"), "queue", target, list(scenario.queues))
        elif _comes_back(scenario, name):
            yield Problem((*path, "dead_letter_queue"), "messages would come back to where they were", target)
    is_target = any(other.dead_letter_queue == name for other in scenario.queues.values())
    if not is_target and all(arrivals.queue != name for arrivals in scenario.arrivals):
        yield Problem(path, "nothing comes here: no arrivals name it, nor does a dead_letter_queue; leave it out")


def _check_times(scenario: Scenario, path: Path_, arrivals: ArrivalsTable) -> Iterator[Problem]:
    """Yield what is wrong between arrivals and the duration of the scenario."""
    end_us = scenario.duration_us
    if end_us is None:
        if isinstance(arrivals, PiecewiseArrivals) and arrivals.repeat:
            yield Problem((*path, "repeat"), "needs a duration of the scenario, to know when to stop", arrivals.repeat)
        elif arrivals.make(None).duration_us is None:
            yield Problem(path, "they never end; give the scenario a duration, after which nothing arrives")
    elif arrivals.first is not None and seconds(arrivals.first[1]) >= end_us:
        key, first = arrivals.first
        yield Problem((*path, key), f"must be before the end of all arrivals, duration = {scenario.duration}", first)


def _unknown(path: Path_, what: str, name: str, names: Sequence[str]) -> Problem:
    verb = "are" if len(names) > 1 else "is"
    there = f"there {verb} {' and '.join(one_of(names).rsplit(' or ', 1)) if names else 'none'}"
    return Problem(path, f"no such {what}; {there}{suggestion(name, names)}", name)


def _comes_back(scenario: Scenario, name: str) -> bool:
    """Return whether the messages that leave a queue for its dead-letter queue may come to it again."""
    seen: list[str] = []
    at = scenario.queues[name].dead_letter_queue
    while at is not None and at in scenario.queues and at not in seen:
        seen.append(at)
        at = scenario.queues[at].dead_letter_queue
    return name in seen
