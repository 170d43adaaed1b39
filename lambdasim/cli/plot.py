"""
A picture of a run: backlog, concurrency, age and trouble, one below the other over the same time.

A short run is drawn minute by minute: values that are measured at the ends of minutes as lines through those instants,
sums and maxima of a minute as steps over it. In a long run there are more minutes than dots; then each step stands for
several minutes and shows the largest of them, so that the peaks of the picture are those of the summary, and an area
below it shows their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from lambdasim.cli.results import Numbers, Report

#: Told apart by people of all kinds of colour vision (Okabe and Ito); yellow is too faint for a line on white.
_COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
_DASHES: Final = ("-", "--", ":")
_INK: Final = "#333333"
_GRID: Final = "#DDDDDD"
_INCHES: Final = (10, 11)
_DOTS_PER_INCH: Final = 120
_MINUTE_S: Final = 60
# Where labels go is settled by what they take on average, in points, for what they take exactly is known too late.
_TITLE_POINTS: Final = 11
_TITLE_CHARACTER: Final = 6.0
_TITLE_PAD: Final = 6.0
_LABEL_POINTS: Final = 8
_LABEL_CHARACTER: Final = 4.6
_LABEL_MARK: Final = 40.0  # the piece of line before a label, and the gaps around it
_LABEL_ROW: Final = 13.0
_AXES_SHARE: Final = 0.92  # of the width of the figure
_LINE_WIDTH: Final = 1.2
_FEW: Final = 10  # units of time, below which their tenths and fifths are read more easily than their sixths
_AREAS: Final = 1.5  # what is drawn later lies above: the grid, areas, lines
_ABOVE_AREAS: Final = 2.5
_LIMITS: Final = 3
_ROOM_FOR_LABEL: Final = 0.15
_FAINT: Final = 0.2  # of the areas below lines
_STEPS_MAX: Final = 480
_STEP_MINUTES: Final = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440)


@frozen
class Scale:
    """A unit of time that makes an axis readable."""

    unit: str
    seconds: int
    steps: tuple[int, ...]  #: distances between ticks, in the unit, that people expect


_MINUTES: Final = Scale("minutes", 60, (1, 2, 5, 10, 15, 30, 60))
_HOURS: Final = Scale("hours", 3_600, (1, 2, 3, 6, 12, 24))
_DAYS: Final = Scale("days", 86_400, (1, 2, 7, 14, 28))
_SECONDS: Final = Scale("seconds", 1, (1, 2, 5, 10, 15, 30, 60))
_SCALES: Final = (_SECONDS, _MINUTES, _HOURS, _DAYS)


@frozen
class Line:
    """One thing on a panel."""

    label: str
    values: Numbers
    place: int  #: among its kind: the colour


def plot(report: Report, file: Path) -> None:
    """
    Draw the one-minute series of a report.

    Args:
        report: Of a run.
        file: What to write; its suffix says in which format.
    Raises:
        OSError: The file cannot be written.
    """
    figure = draw(report)
    figure.savefig(file, dpi=_DOTS_PER_INCH)


def draw(report: Report) -> Figure:
    """Return the picture: a figure of four panels that share their axis of time."""
    minutes = report.minutes
    figure = Figure(figsize=_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(report.title, fontsize=14, fontweight="bold", color=_INK, wrap=True)
    backlog, concurrency, age, trouble = axes = figure.subplots(4, 1, sharex=True)
    place = {name: index for index, name in enumerate(minutes.queues)}
    read = [queue.name for queue in report.queues if queue.is_read] or list(minutes.queues)

    width = _width(minutes.count)

    _lines(backlog, [Line(name, queue.backlog, place[name]) for name, queue in minutes.queues.items()], width)
    _dress(backlog, "Backlog: visible and in flight", "messages")

    functions = [
        Line(name, function.concurrency, index) for index, (name, function) in enumerate(minutes.functions.items())
    ]
    _steps(concurrency, functions, width)
    _limits(concurrency, report)
    _dress(concurrency, "Concurrency: most in a minute", "invocations")

    ages = [Line(name, minutes.queues[name].oldest_age_s, place[name]) for name in read]
    scale = _scale_of(max((value for line in ages for value in line.values if value is not None), default=0))
    _lines(age, [Line(line.label, _scaled(line.values, scale.seconds), line.place) for line in ages], width)
    _dress(age, "Age of the oldest message" + (", queues that are read" if len(read) < len(place) else ""), scale.unit)

    throttles = [
        Line(f"throttles of {name}", function.throttles, index)
        for index, (name, function) in enumerate(minutes.functions.items())
    ]
    letters = [
        Line(f"dead letters from {name}", queue.dead_lettered, len(throttles) + index)
        for index, (name, queue) in enumerate(minutes.queues.items())
    ]
    _steps(trouble, [*throttles, *letters], width)
    _dress(trouble, "Throttles and dead letters in a minute", "count")

    _time(axes, minutes.count, width)
    figure.align_ylabels()
    return figure


def _lines(axes: Axes, lines: Sequence[Line], width: int) -> None:
    """Draw values at the ends of minutes."""
    lines = [line for line in lines if any(line.values)]
    if width > 1:
        _steps(axes, lines, width)
        return
    for line in lines:
        at = [minute + 1 for minute, value in enumerate(line.values) if value is not None]
        values = [value for value in line.values if value is not None]
        colour, dashes = _look(line.place)
        axes.plot(
            at, values, color=colour, linestyle=dashes, linewidth=_LINE_WIDTH, label=line.label, zorder=_ABOVE_AREAS
        )
        axes.fill_between(at, values, color=colour, alpha=_FAINT, linewidth=0, zorder=_AREAS)


def _steps(axes: Axes, lines: Sequence[Line], width: int) -> None:
    """Draw values that hold for whole minutes, *width* minutes at a time."""
    lines = [line for line in lines if any(line.values)]
    for line in lines:
        colour, dashes = _look(line.place)
        parts = [line.values[begin : begin + width] for begin in range(0, len(line.values), width)]
        known = [[value for value in part if value is not None] for part in parts]
        highest = [max(part, default=0) for part in known]
        mean = [sum(part) / len(part) if part else 0 for part in known]
        edges = [*range(0, len(line.values), width), len(line.values)]
        axes.stairs(
            highest,
            edges,
            baseline=None,
            color=colour,
            linestyle=dashes,
            linewidth=_LINE_WIDTH,
            label=line.label,
            zorder=_ABOVE_AREAS,
        )
        axes.stairs(mean, edges, color=colour, alpha=_FAINT, fill=True, linewidth=0, zorder=_AREAS)


def _limits(axes: Axes, report: Report) -> None:
    """Draw the limits of concurrency that are near enough to matter."""
    top = max((f.concurrency_peak.value for f in report.functions if f.concurrency_peak is not None), default=0)
    limits = {"limit of the account": report.concurrent_executions}
    limits |= {
        f"reserved for {f.name}": f.reserved_concurrent_executions
        for f in report.functions
        if f.reserved_concurrent_executions is not None
    }
    near = {label: limit for label, limit in limits.items() if top and limit <= 1.5 * top}
    if near:
        axes.set_ymargin(_ROOM_FOR_LABEL)
    for label, limit in near.items():
        axes.axhline(limit, color=_INK, linestyle=(0, (6, 3)), linewidth=0.9, zorder=_LIMITS)
        axes.annotate(
            label,
            (1, limit),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 2),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=_LABEL_POINTS,
            color=_INK,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1},
        )


def _dress(axes: Axes, title: str, unit: str) -> None:
    _legend(axes, title)
    axes.set_ylabel(unit, color=_INK)
    has_data = axes.has_data()
    if not has_data:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center", color="#777777")
        axes.set_yticks([0])
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_INK, labelsize=9)
    if has_data:
        is_time = unit in {scale.unit for scale in _SCALES}
        steps = (1, 2, 3, 6, 10) if is_time and axes.get_ylim()[1] > _FEW else (1, 2, 5, 10)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=steps, integer=not is_time))
    axes.yaxis.set_major_formatter(FuncFormatter(_number))


def _time(axes: Sequence[Axes], minutes: int, width: int) -> None:
    """Label the shared axis in the unit that fits, with ticks where people look for them."""
    scale = _scale_of(minutes * _MINUTE_S)
    per_unit = scale.seconds / _MINUTE_S
    wanted = minutes / per_unit / 10  # about ten ticks
    step = next(
        (step for step in scale.steps if step >= wanted), scale.steps[-1] * max(1, round(wanted / scale.steps[-1]))
    )
    last = axes[-1]
    last.set_xlim(0, max(1, minutes))
    last.xaxis.set_major_locator(MultipleLocator(step * per_unit))
    last.xaxis.set_major_formatter(FuncFormatter(lambda minute, _: _number(minute / per_unit)))
    note = f" (lines: the largest of {width} minutes; areas: their mean)" if width > 1 else ""
    last.set_xlabel(f"{scale.unit} since the start{note}", color=_INK)


def _legend(axes: Axes, title: str) -> None:
    """Name the lines: beside the title if there is room, else in rows of their own below it, and never on the data."""
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        axes.set_title(title, loc="left", fontsize=_TITLE_POINTS, color=_INK)
        return
    width = max(map(len, labels)) * _LABEL_CHARACTER + _LABEL_MARK
    room = _INCHES[0] * 72 * _AXES_SHARE
    beside = int((room - len(title) * _TITLE_CHARACTER) // width)
    is_beside = len(labels) <= beside
    abreast = len(labels) if is_beside else max(1, int(room // width))
    rows = 0 if is_beside else -(-len(labels) // abreast)
    axes.set_title(title, loc="left", fontsize=_TITLE_POINTS, color=_INK, pad=_TITLE_PAD + rows * _LABEL_ROW)
    axes.legend(
        handles,
        labels,
        loc="lower right" if is_beside else "lower left",
        bbox_to_anchor=(1 if is_beside else 0, 1),
        borderaxespad=0.2,
        ncols=abreast,
        fontsize=_LABEL_POINTS,
        frameon=False,
        labelcolor=_INK,
    )


def _width(minutes: int) -> int:
    """Return how many minutes a step stands for."""
    return next((width for width in _STEP_MINUTES if minutes <= width * _STEPS_MAX), _STEP_MINUTES[-1])


def _look(place: int) -> tuple[str, str]:
    """Return colour and dashes: no two alike until there are more than 21."""
    return _COLOURS[place % len(_COLOURS)], _DASHES[place // len(_COLOURS) % len(_DASHES)]


def _scale_of(seconds: float) -> Scale:
    """Return the unit in which so much time is a number that is neither tiny nor huge."""
    if seconds < 3 * _MINUTES.seconds:
        return _SECONDS
    if seconds < 3 * _HOURS.seconds:
        return _MINUTES
    return _HOURS if seconds < 4 * _DAYS.seconds else _DAYS


def _scaled(values: Numbers, by: float) -> Numbers:
    return tuple(None if value is None else value / by for value in values)


def _number(value: float, _place: object = None) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.6g}"
