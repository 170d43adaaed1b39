"""Measure, and print one table: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.cases import GROUPS
from benchmarks.timing import Aim, Result, Row, measure

HEAD = ("what", "ours", "floor", "ratio", "aim", "met")


def number(value: float | None, unit: str) -> str:
    """Return a reading with three digits, in thousands or millions where it is a rate."""
    if value is None:
        return "–"
    if unit == "/s":
        for limit, letter in ((1e6, "M"), (1e3, "k")):
            if value >= limit:
                return f"{value / limit:.3g} {letter}/s"
    return f"{value:.3g}{' ' if unit == '/s' else ''}{unit}"


def text_of(aim: Aim | None, unit: str) -> str:
    if aim is None:
        return ""
    return f"{'≥' if aim.at_least else '≤'} {aim.bound:g}{unit if aim.of_reading else ''}"


def cells(result: Result) -> tuple[str, ...]:
    met = {None: "", True: "yes", False: "NO"}[result.is_met]
    ratio = "" if result.ratio is None else f"{result.ratio:,.3g}" if result.ratio < 100 else f"{result.ratio:,.0f}"
    return (
        result.row.what,
        number(result.reading, result.unit),
        number(result.floor, result.unit) if result.row.floor else "",
        ratio,
        text_of(result.row.aim, result.unit),
        f"skipped: {result.why}" if result.why else met,
    )


def print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for place, row in enumerate(rows):
        first, *numbers, last = row
        middle = "  ".join(cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True))
        print(f"{first.ljust(widths[0])}  {middle}  {last}".rstrip())
        if not place:
            print("-" * (sum(widths) + 2 * (len(HEAD) - 1)))


def machine() -> dict[str, object]:
    """Say on what this was measured, and how busy that was."""
    found: dict[str, object] = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
    for package in ("lambdasim", "simpy", "moto", "boto3"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def is_wanted(row: Row, pattern: str | None) -> bool:
    return pattern is None or fnmatch(row.what.lower(), f"*{pattern.lower()}*")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure lambdasim beside loops written by hand and beside peers, in one run.",
    )
    parser.add_argument("--only", metavar="PATTERN", help="rows whose name holds this text; * and ? as in a shell")
    parser.add_argument("--rounds", metavar="N", type=int, default=5, help="rounds per row, at most (default 5)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every reading there too")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: to see that everything runs")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: give 1 or more")

    found = machine()
    results: list[Result] = []
    for group in GROUPS:
        rows = tuple(row for row in group.rows if is_wanted(row, options.only))
        if rows:
            if sys.stderr.isatty():
                print(f"\r\x1b[K{rows[0].what} …", end="", file=sys.stderr, flush=True)
            results += measure(group, rows, rounds=options.rounds, quick=options.quick)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    if not results:
        parser.error(f"--only {options.only}: no row has this in its name")
    print_table([HEAD, *(cells(result) for result in results)])
    print()
    print(", ".join(f"{name} {value}" for name, value in found.items() if value is not None))
    if options.json:
        rows = [
            {
                "what": result.row.what,
                "unit": result.unit.strip(),
                "ours": result.reading,
                "floor": result.floor,
                "ratio": result.ratio,
                "aim": text_of(result.row.aim, result.unit) or None,
                "met": result.is_met,
                "skipped": result.why or None,
                "samples": result.samples,
                "floor_samples": result.floor_samples,
            }
            for result in results
        ]
        text = json.dumps({"machine": found, "rows": rows}, indent=1, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
