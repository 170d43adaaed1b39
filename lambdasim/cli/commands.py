"""The commands: what is asked for on the command line, and what it answers there."""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Final, Self

import click
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from lambdasim import __version__
from lambdasim.cli.loading import load
from lambdasim.cli.problems import ScenarioError
from lambdasim.cli.report import as_json, console, foot, summary, write_csv
from lambdasim.cli.results import Report
from lambdasim.cli.run import Progress, Run
from lambdasim.cli.texts import count, span
from lambdasim.errors import LambdasimError
from lambdasim.units import to_seconds

_PATIENCE_S: Final = 1.0  # a run that ends sooner shows no progress
_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_PICTURES: Final = (".png", ".svg", ".pdf")


class Refused(click.ClickException):
    """Ends the command with exit code 2, for the user has to change something, and a text without a traceback."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """Print the text as it is: it names files and keys itself."""
        del file
        click.echo(self.message, err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="lambdasim", prog_name="lambdasim")
def group() -> None:
    """Amazon SQS and AWS Lambda in memory, on simulated time."""


@group.command()
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the scenario, such as mappings.0.batch_size=5; may be repeated.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Override the seed.")
@click.option("--json", "as_json_", is_flag=True, help="Print all figures as JSON instead of the summary.")
@click.option("--csv", "csv_file", type=_FILE, metavar="FILE", help="Write the one-minute series to a file.")
@click.option(
    "--plot", "plot_file", type=_FILE, metavar="FILE.png", help="Draw the series into a file: PNG, SVG or PDF."
)
@click.option("--quiet", is_flag=True, help="Print no summary and no progress; --json and files are still written.")
def run(
    scenario: Path,
    *,
    overrides: tuple[str, ...],
    seed: int | None,
    as_json_: bool,
    csv_file: Path | None,
    plot_file: Path | None,
    quiet: bool,
) -> None:
    """
    Run SCENARIO, a file in TOML, and say what came out.

    Exit codes: 0; 2 where the scenario or the command line is wrong.
    """
    for file in (csv_file, plot_file):
        if file is not None and not file.parent.is_dir():
            raise Refused(f"{file}: there is no folder {file.parent}")
    if plot_file is not None and plot_file.suffix.lower() not in _PICTURES:
        raise Refused(f"--plot {plot_file}: the name must end in {', '.join(_PICTURES)}")
    try:
        loaded, source = load(scenario, overrides)
        ready = Run(loaded, source, seed=seed, title=scenario.stem)
        began_s = monotonic()
        with _Shown(is_wanted=not quiet) as shown:
            ready.run(shown.look if shown.is_on else None)
        wall_s = monotonic() - began_s
        report = ready.report()
    except ScenarioError as error:
        raise Refused(str(error)) from error
    except LambdasimError as error:
        raise Refused(f"{scenario}: {error}") from error
    try:
        if csv_file is not None:
            write_csv(report, csv_file)
        if plot_file is not None:
            _plot(report, plot_file)
    except OSError as error:
        raise Refused(f"{error.filename}: {error.strerror}") from error
    if as_json_:
        click.echo(as_json(report))
    elif not quiet:
        out = console()
        for part in summary(report, out.width):
            out.print(part)
        console(is_error=True).print(f"\n{foot(report, wall_s)}", style="dim")


def _plot(report: Report, file: Path) -> None:
    from lambdasim.cli.plot import plot

    plot(report, file)


class _Shown:
    """
    A progress bar on the terminal, if there is one and the run takes long enough for it.

    While messages arrive it shows simulated time; afterwards, how many of them are gone.
    """

    def __init__(self, *, is_wanted: bool) -> None:
        self.is_on = is_wanted and sys.stderr.isatty()
        self._began_s = monotonic()
        self._bar: Bar | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def look(self, progress: Progress) -> None:
        """Show how far the run is."""
        if self._bar is None:
            if monotonic() - self._began_s < _PATIENCE_S:
                return
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[says]}"))
            self._bar = Bar(*columns, TimeElapsedColumn(), console=console(is_error=True), transient=True)
            self._task = self._bar.add_task("", says="")
            self._bar.start()
        is_arriving = progress.now_us < progress.arrivals_us
        self._bar.update(
            self._task,
            description="arriving" if is_arriving else "draining",
            completed=progress.now_us if is_arriving else progress.gone,
            total=progress.arrivals_us if is_arriving else progress.sent,
            says=said(progress),
        )


def said(progress: Progress) -> str:
    """Return how far a run is, in words: in time while messages arrive, in messages afterwards."""
    now = span(to_seconds(progress.now_us))
    if progress.now_us < progress.arrivals_us:
        return f"{now} of {span(to_seconds(progress.arrivals_us))}, {count(progress.sent)} messages"
    return f"{now}, {count(progress.gone)} of {count(progress.sent)} messages"
