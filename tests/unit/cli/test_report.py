"""A report in its three forms."""

from __future__ import annotations

import csv
import json
from decimal import Decimal

import pytest
from attrs import evolve
from rich.console import Console

from lambdasim.cli.loading import load
from lambdasim.cli.report import as_json, console, foot, summary, write_csv
from lambdasim.cli.run import Run

SCENARIO = """
title = "Three jobs"
duration = "2 min"
[queues.jobs]
visibility_timeout = 30
dead_letter_queue = "jobs-dlq"
max_receive_count = 1
[queues.jobs-dlq]
[functions.worker]
duration = 1
reserved_concurrent_executions = 1
[[mappings]]
queue = "jobs"
function = "worker"
batch_size = 1
[[arrivals]]
queue = "jobs"
kind = "burst"
count = 3
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """One job runs at 0 s; two are throttled then and again at 1 s, of which one runs; the last one runs at 3 s."""
    file = tmp_path_factory.mktemp("report") / "s.toml"
    file.write_text(SCENARIO)
    ready = Run(*load(file))
    ready.run()
    return ready.report()


def printed(report, width):
    out = Console(width=width, no_color=True, force_terminal=False)
    with out.capture() as capture:
        for part in summary(report, width):
            out.print(part)
    return capture.get()


def test_the_summary_is_aligned_and_has_units(report):
    """Labels to the left, figures to the right; a line that says nothing of anything is left out."""
    assert """\
Three jobs
arrivals for 2 min, simulated 2 min, seed 0

Queues                   jobs  jobs-dlq
sent                        3         0
processed (deleted)         3         0
dead-lettered               0         0
expired                     0         0
left at the end             0         0
backlog, peak               0         0
age of the oldest, peak   0 s       0 s
send to delete, p50       2 s         –
  p95                     4 s         –
  p99                     4 s         –
SQS requests               21         0

Functions                                        worker
invocations                                           3
failed invocations                                    0
throttles                                             3
  reserved function concurrent invocation limit       3
cold starts                                           1
concurrency, peak                                     1
  first at                                        0 min
billed GB-seconds                                   0.4

Mappings                  jobs > worker
messages received                     3
batch size, mean                   1.00
ran more than once                    0
given up after throttles              0

Cost estimate       USD
Lambda         0.000007
SQS            0.000008
total          0.000015
""" == "".join(f"{line.rstrip()}\n" for line in printed(report, 80).splitlines())


def test_pollers_have_a_line_where_there_are_some(report):
    """A mapping in provisioned mode shows for how many seconds of pollers it pays."""
    assert "pollers" not in printed(report, 80)
    mapping = evolve(report.mappings[0], poller_seconds=7_200)
    lines = printed(evolve(report, mappings=(mapping,)), 80).splitlines()
    assert ["seconds of its own pollers          7,200"] == [line.rstrip() for line in lines if "pollers" in line]


def test_without_functions_and_mappings_their_tables_are_left_out(report):
    """A queue alone has a summary too."""
    text = printed(evolve(report, functions=(), mappings=()), 80)
    assert ["Queues", "Cost"] == [word for word in ("Queues", "Functions", "Mappings", "Cost") if word in text]


def test_tables_that_are_too_wide_are_cut_into_several(report):
    """Each part has its labels; no figure is lost, and no line is longer than the terminal."""
    many = evolve(report, queues=tuple(evolve(report.queues[0], name=f"queue-number-{n}") for n in range(12)))
    for width in (60, 80, 120):
        text = printed(many, width)
        assert max(map(len, text.splitlines())) <= width
        for n in range(12):
            assert 1 == text.count(f"queue-number-{n} ") + text.count(f"queue-number-{n}\n")
    assert printed(many, 60).count("Queues") > printed(many, 120).count("Queues") > 1


def test_names_that_are_longer_than_the_terminal_are_folded(report):
    """A name is never cut off."""
    long = evolve(report, queues=(evolve(report.queues[0], name="q" * 80),))
    assert 80 == sum(line.count("q") for line in printed(long, 60).splitlines() if line.strip(" q") in {"", "Queues"})


def test_json_has_raw_numbers(report):
    """Times in seconds, money in USD, peaks with their instants, no series and no wall time."""
    found = json.loads(as_json(report))
    assert [
        "title",
        "lambdasim_version",
        "seed",
        "start",
        "concurrent_executions",
        "arrivals_s",
        "simulated_s",
    ] == list(found)[:7]
    assert ("Three jobs", 0, "2026-01-01T00:00:00Z", 1000, 120.0, 120.0) == (
        found["title"],
        found["seed"],
        found["start"],
        found["concurrent_executions"],
        found["arrivals_s"],
        found["simulated_s"],
    )
    jobs = found["queues"]["jobs"]
    assert (2.0, 4.0, 4.0) == (jobs["latency_p50_s"], jobs["latency_p95_s"], jobs["latency_p99_s"])
    assert (0, 60) == (jobs["backlog_peak"], jobs["backlog_peak_at_s"])
    assert None is found["queues"]["jobs-dlq"]["latency_p50_s"]
    worker = found["functions"]["worker"]
    assert {"ReservedFunctionConcurrentInvocationLimitExceeded": 3} == worker["throttles_by_reason"]
    assert 3 == worker["throttles"]
    assert float(3 * (Decimal("0.0000166667") / 8 + Decimal("0.0000002"))) == worker["cost_usd"]
    assert {"queue", "function", "polled", "attempted", "failed", "deleted", "given_up", "duplicates"} <= set(
        found["mappings"][0]
    )
    assert "minutes" not in found


def test_csv_has_a_line_for_each_minute(report, tmp_path):
    """Counts are whole, unknown cells empty, instants follow the start of the scenario."""
    file = tmp_path / "minutes.csv"
    write_csv(evolve(report, start_us=report.start_us + 60_000_000), file)
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert 2 == len(rows)
    assert ["time_s", "timestamp", "concurrency", "queues.jobs.sent"] == list(rows[0])[:4]
    assert ["0", "60"] == [row["time_s"] for row in rows]
    assert ["2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"] == [row["timestamp"] for row in rows]
    assert ["3", "0"] == [row["queues.jobs.sent"] for row in rows]
    assert ["1", "0"] == [row["functions.worker.concurrency"] for row in rows]
    assert ["1", ""] == [row["functions.worker.duration_s"] for row in rows]
    assert "\r" not in file.read_text()


def test_the_foot_says_how_fast_it_was(report):
    """Simulated time, wall time, and messages a second; no speed where no time has passed."""
    assert "2 min of simulated time in 500 ms of wall time: 6 messages a second" == foot(report, 0.5)
    assert "2 min of simulated time in 0 s of wall time" == foot(report, 0.0)


def test_without_a_terminal_lines_have_80_columns(monkeypatch):
    """Whatever the environment says, so that files are the same everywhere."""
    monkeypatch.setenv("COLUMNS", "133")
    assert 80 == console().width
