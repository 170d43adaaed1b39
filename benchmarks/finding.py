"""
How soon known bugs of handlers are found: runs and seconds, three ways.

`python -m benchmarks.finding` prints the table. For each handler of `tests/handlers`:

- *search*: `assert_idempotent` as people call it; up to 1,000 runs, and what shrinking takes is in the seconds.
- *Hypothesis alone*: the handler is called with events of `sqs_events(duplicates=True)`, without a simulation, and must
  have done what each message asks for once; up to 100 examples, without shrinking.
- *random seeds*: what may happen happens with a probability of a hundredth, up to 1,000 runs, without shrinking.

A cell is the median over the seeds; `–` stands for a bug that more than half of them did not find.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import re
import sys
import warnings
from collections.abc import Mapping
from itertools import count
from random import Random
from statistics import median
from time import process_time
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from lambdasim import Seeded, Simulation
from lambdasim.testing import idempotency
from lambdasim.testing.building import misfortunes
from lambdasim.testing.strategies import sqs_events
from tests.handlers.bugs import BUGS

RUNS = 1_000
EXAMPLES = 100  # as Hypothesis has it by default
SEEDS = 5


def searched(bug, number):
    """Return in how many runs the search found it, and in how many seconds it was told."""
    begun = process_time()
    try:
        bug.play(seed=number)
    except AssertionError as error:
        return int(re.search(r"found in run (\d+)", str(error))[1]), process_time() - begun
    return None


class Context:
    """What a test of a handler alone has for a context."""

    function_name = "worker"
    log_stream_name = "stream"

    def __init__(self, number):
        self.aws_request_id = f"request-{number}"

    def get_remaining_time_in_millis(self):
        return 3_000


def alone(bug, number):
    """Return in how many examples Hypothesis found it in the handler alone."""
    bodies = [message["message_body"] if isinstance(message, dict) else message for message in bug.messages]
    is_fifo = isinstance(bug.messages[0], dict)
    events = sqs_events(duplicates=not is_fifo, fifo=is_fifo, bodies=st.sampled_from(bodies), max_records=4)
    examples = count(1)
    played = 0

    def done(batches):
        sim = Simulation(execution="plain")
        handler, effects = bug.make(sim)
        sim.create_queue("orders.fifo" if is_fifo else "orders")
        if isinstance(handler, Mapping):
            handler = handler["init"]()
        requests = count()
        for batch in batches:
            with contextlib.suppress(Exception), patch("time.sleep"):  # what it raises, Lambda hears of
                handler({"Records": [dict(record) for record in batch]}, Context(next(requests)))
        return sorted(map(repr, effects())) if isinstance(effects(), list) else effects()

    @seed(number)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(event=events)
    def test(event):
        nonlocal played
        played = next(examples)
        once = {record["messageId"]: record for record in reversed(event["Records"])}
        assert done([event["Records"]]) == done([[record] for record in reversed(once.values())])

    begun = process_time()
    try:
        test()
    except AssertionError:
        return played, process_time() - begun
    return None


class Lots:
    """Draws lots at every point, those of `clock.tie` too."""

    explores = True
    ties = True

    def __init__(self, number):
        self._seeded = Seeded(number, ties=True)

    def choose(self, point, options):
        return self._seeded.choose(point, options)


def at_random(bug, number):
    """Return in how many runs with seeds drawn from this one it showed."""
    trial = idempotency.trial_of(bug.make, list(bug.messages), **{"faults": misfortunes(), **bug.keywords})
    places = tuple(range(len(bug.messages)))
    random = Random(number)
    begun = process_time()
    for run in range(1, RUNS + 1):
        if trial.complaint(trial.play(Lots(random.getrandbits(32)), places), places):
            return run, process_time() - begun
    return None


WAYS = {"search": searched, "Hypothesis alone": alone, "random seeds": at_random}


def cell(found):
    """Return two cells: the median number of runs, and of seconds."""
    times = sorted(result or (float("inf"), 0.0) for result in found)
    runs = median(runs for runs, _ in times)
    if runs == float("inf"):
        return "–", "–"
    return f"{runs:,.0f}", f"{median(seconds for _, seconds in times if seconds):.2f}"


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finding", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds of each way (default {SEEDS})")
    parser.add_argument("--only", metavar="TEXT", default="", help="handlers whose name holds this text")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable()
    print("| bug | " + " | ".join(f"{way}: runs | s" for way in WAYS) + " |")
    print("|---|" + "---:|---:|" * len(WAYS))
    found_by = dict.fromkeys(WAYS, 0)
    bugs = [bug for bug in BUGS if options.only in bug.name]
    for bug in bugs:
        row = [bug.name.replace("_", " ")]
        for name, way in WAYS.items():
            with contextlib.redirect_stderr(io.StringIO()):
                cells = cell([way(bug, number) for number in range(options.seeds)])
            found_by[name] += cells[0] != "–"
            row += cells
        print("| " + " | ".join(row) + " |", flush=True)
    print("| found | " + " | ".join(f"{found} of {len(bugs)} | " for found in found_by.values()) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
