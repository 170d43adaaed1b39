"""A report in its three forms: a summary for people, JSON for programs, one-minute series as CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import AttrsInstance, asdict, fields, frozen
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from lambdasim.cli.results import (
    FunctionReport,
    Latency,
    MappingReport,
    Numbers,
    Peak,
    QueueReport,
    Report,
    Total,
)
from lambdasim.cli.texts import count, moment, money, span
from lambdasim.units import MICROSECONDS, MINUTE_US, as_datetime, to_seconds

Thing = TypeVar("Thing")
Cell = str | None  #: None: nothing to say

_GAP: Final = 2  # columns between two cells
_NOTHING: Final = "–"
_TROUBLE: Final = "bold yellow"


# ---- for people


@frozen
class Row:
    """A line of a table: a label, and a cell for each thing."""

    label: str
    cells: tuple[Cell, ...]
    is_trouble: bool = False  #: whether anything but 0 deserves a second look

    @property
    def is_empty(self) -> bool:
        """Whether no cell says anything."""
        return all(cell is None for cell in self.cells)


def summary(report: Report, width: int) -> Iterator[RenderableType]:
    """Yield what a person wants to read, to be printed by rich on so many columns."""
    yield Text(report.title, style="bold")
    arrivals = f"for {span(to_seconds(report.arrivals_us))}" if report.arrivals_us else "at the start"
    yield Text(f"arrivals {arrivals}, simulated {span(to_seconds(report.simulated_us))}, seed {report.seed}")
    yield from _section("Queues", [queue.name for queue in report.queues], _rows_of_queues(report.queues), width)
    if report.functions:
        functions = report.functions
        yield from _section("Functions", [f.name for f in functions], _rows_of_functions(functions), width)
    if report.mappings:
        mappings = report.mappings
        yield from _section("Mappings", [m.name for m in mappings], _rows_of_mappings(mappings), width)
    yield from _section("Cost estimate", ["USD"], _rows_of_cost(report.total), width)


def foot(report: Report, wall_s: float) -> str:
    """Return how fast it went, in words."""
    sent = report.total.sent
    speed = f": {count(round(sent / wall_s))} messages a second" if wall_s else ""
    return f"{span(to_seconds(report.simulated_us))} of simulated time in {span(wall_s)} of wall time{speed}"


def _rows_of_queues(queues: Sequence[QueueReport]) -> Iterator[Row]:
    def row(label: str, cell: Callable[[QueueReport], Cell], *, is_trouble: bool = False) -> Row:
        return Row(label, tuple(map(cell, queues)), is_trouble)

    yield row("sent", lambda queue: count(queue.sent))
    if any(queue.moved_in for queue in queues):
        yield row("moved in from other queues", lambda queue: count(queue.moved_in))
    yield row("processed (deleted)", lambda queue: count(queue.processed))
    yield row("dead-lettered", lambda queue: count(queue.dead_lettered), is_trouble=True)
    yield row("expired", lambda queue: count(queue.expired), is_trouble=True)
    yield row("left at the end", lambda queue: count(queue.left), is_trouble=True)
    if any(queue.left for queue in queues):
        yield row("  never invoked", lambda queue: count(queue.left_never_invoked), is_trouble=True)
    yield row("backlog, peak", lambda queue: _number(queue.backlog_peak))
    yield row("  first at", lambda queue: _at(queue.backlog_peak))
    yield row("age of the oldest, peak", lambda queue: _span(queue.oldest_age_peak_s))
    yield row("  first at", lambda queue: _at(queue.oldest_age_peak_s))
    yield row("send to delete, p50", lambda queue: _latency(queue.latency, "p50_s"))
    yield row("  p95", lambda queue: _latency(queue.latency, "p95_s"))
    yield row("  p99", lambda queue: _latency(queue.latency, "p99_s"))
    yield row("SQS requests", lambda queue: count(queue.sqs_requests))


def _rows_of_functions(functions: Sequence[FunctionReport]) -> Iterator[Row]:
    def row(label: str, cell: Callable[[FunctionReport], Cell], *, is_trouble: bool = False) -> Row:
        return Row(label, tuple(map(cell, functions)), is_trouble)

    yield row("invocations", lambda function: count(function.invocations))
    yield row("failed invocations", lambda function: count(function.failed), is_trouble=True)
    yield row("throttles", lambda function: count(function.throttles), is_trouble=True)
    reasons = sorted({reason for function in functions for reason in function.throttles_by_reason})
    for reason in reasons:
        cells = [count(function.throttles_by_reason.get(reason, 0)) for function in functions]
        yield Row(f"  {_words(reason)}", tuple(cells))
    yield row("cold starts", lambda function: count(function.cold_starts))
    yield row("concurrency, peak", lambda function: _number(function.concurrency_peak))
    yield row("  first at", lambda function: _at(function.concurrency_peak))
    yield row("billed GB-seconds", lambda function: f"{function.billed_gb_s:,.1f}")


def _rows_of_mappings(mappings: Sequence[MappingReport]) -> Iterator[Row]:
    def row(label: str, cell: Callable[[MappingReport], Cell], *, is_trouble: bool = False) -> Row:
        return Row(label, tuple(map(cell, mappings)), is_trouble)

    yield row("messages received", lambda mapping: count(mapping.polled))
    yield row("batch size, mean", lambda m: None if m.batch_size_mean is None else f"{m.batch_size_mean:,.2f}")
    yield row("ran more than once", lambda mapping: count(mapping.duplicates), is_trouble=True)
    yield row("given up after throttles", lambda mapping: count(mapping.given_up), is_trouble=True)
    yield row("seconds of its own pollers", lambda m: count(m.poller_seconds) if m.poller_seconds else None)


def _rows_of_cost(total: Total) -> Iterator[Row]:
    amounts = money([total.lambda_cost_usd, total.sqs_cost_usd, total.cost_usd])
    for label, amount in zip(("Lambda", "SQS", "total"), amounts, strict=True):
        yield Row(label, (amount,))


def _section(title: str, names: Sequence[str], rows: Iterable[Row], width: int) -> Iterator[RenderableType]:
    """Yield a table, or several below one another where the things are too many for the width."""
    lines = [row for row in rows if not row.is_empty]
    label_width = max(cell_len(text) for text in (title, *(row.label for row in lines)))
    widths = [
        max(cell_len(text) for text in (name, *(row.cells[place] or _NOTHING for row in lines)))
        for place, name in enumerate(names)
    ]
    place = 0
    while place < len(names):
        end, room = place + 1, width - label_width - _GAP - widths[place]
        while end < len(names) and room >= _GAP + widths[end]:
            room -= _GAP + widths[end]
            end += 1
        yield Text()
        yield _table(title, names[place:end], lines, slice(place, end))
        place = end


def _table(title: str, names: Sequence[str], rows: Iterable[Row], part: slice) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    table.add_column(Text(title), no_wrap=True)
    for name in names:
        table.add_column(Text(name), justify="right", overflow="fold")
    for row in rows:
        cells = [Text(cell or _NOTHING, style=_style(row, cell)) for cell in row.cells[part]]
        table.add_row(Text(row.label), *cells)
    return table


def _style(row: Row, cell: Cell) -> str:
    if cell is None:
        return "dim"
    return _TROUBLE if row.is_trouble and cell != "0" else ""


def _number(peak: Peak | None) -> Cell:
    return None if peak is None else count(round(peak.value))


def _span(peak: Peak | None) -> Cell:
    return None if peak is None else span(peak.value)


def _at(peak: Peak | None) -> Cell:
    return None if peak is None or not peak.value else moment(peak.at_s)


def _latency(latency: Latency | None, name: str) -> Cell:
    return None if latency is None else span(getattr(latency, name))


def _words(reason: str) -> str:
    """Return AWS's name of a reason as words: `ReservedFunctionConcurrentInvocationLimitExceeded` and the like."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in reason)
    return words.strip().removesuffix(" exceeded")


# ---- for programs


def as_json(report: Report) -> str:
    """Return all figures but the series, as indented JSON: raw numbers, units in the names, nothing of wall time."""
    found = {
        "title": report.title,
        "lambdasim_version": report.version,
        "seed": report.seed,
        "start": _timestamp(report.start_us),
        "concurrent_executions": report.concurrent_executions,
        "arrivals_s": to_seconds(report.arrivals_us),
        "simulated_s": to_seconds(report.simulated_us),
        "total": _plain(report.total) | {"cost_usd": float(report.total.cost_usd)},
        "queues": {queue.name: _plain(queue) for queue in report.queues},
        "functions": {function.name: _plain(function) for function in report.functions},
        "mappings": [_plain(mapping) for mapping in report.mappings],
    }
    return json.dumps(found, indent=2)


def _plain(record: AttrsInstance) -> dict[str, Any]:
    """Return a record as plain numbers, peaks as two keys, latencies as one for each percentile."""
    found: dict[str, Any] = {}
    for field in fields(type(record)):
        name, value = field.name, getattr(record, field.name)
        if name == "name":
            continue
        if name.endswith(("_peak", "_peak_s")):
            at = f"{name.removesuffix('_s')}_at_s"
            found |= {name: None, at: None} if value is None else {name: value.value, at: value.at_s}
        elif name == "latency":
            percentiles = asdict(value) if value is not None else dict.fromkeys(f.name for f in fields(Latency))
            found |= {f"latency_{percentile}": number for percentile, number in percentiles.items()}
        elif name.endswith("_usd"):
            found[name] = float(value)
        else:
            found[name] = value
    return found


# ---- series


def write_csv(report: Report, path: Path) -> None:
    """Write the one-minute series: a line for each minute, and an empty cell where a series says nothing."""
    columns = list(_columns(report))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time_s", "timestamp", *(name for name, _ in columns)])
        for minute in range(report.minutes.count):
            at_us = minute * MINUTE_US
            numbers = [_written(values[minute]) for _, values in columns]
            writer.writerow([at_us // MICROSECONDS, _timestamp(report.start_us + at_us), *numbers])


def _columns(report: Report) -> Iterator[tuple[str, Numbers]]:
    minutes = report.minutes
    yield "concurrency", minutes.concurrency
    for group, series in (("queues", minutes.queues), ("functions", minutes.functions)):
        for thing, record in series.items():
            for field in fields(type(record)):
                yield f"{group}.{thing}.{field.name}", getattr(record, field.name)


def _written(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if value == int(value) else str(value)


def _timestamp(epoch_us: int) -> str:
    return as_datetime(epoch_us).isoformat().replace("+00:00", "Z")


def console(*, is_error: bool = False) -> Console:
    """Return where to print: as wide as the terminal, and 80 columns where there is none."""
    found = Console(stderr=is_error, highlight=False, soft_wrap=False)
    return found if found.is_terminal else Console(stderr=is_error, highlight=False, width=80, no_color=True)
