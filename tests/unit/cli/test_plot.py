"""The picture of a run: four panels over one axis of time, whatever there is to show."""

from __future__ import annotations

import struct
from itertools import cycle, islice

import pytest
from attrs import asdict, evolve

from lambdasim.cli.loading import load
from lambdasim.cli.plot import draw, plot
from lambdasim.cli.run import Run

TITLES = [
    "Backlog: visible and in flight",
    "Concurrency: most in a minute",
    "Age of the oldest message, queues that are read",
    "Throttles and dead letters in a minute",
]
SCENARIO = """
duration = "5 min"
[queues.jobs]
visibility_timeout = 20
dead_letter_queue = "dlq"
max_receive_count = 1
[queues.dlq]
[functions.worker]
duration = 3
reserved_concurrent_executions = 1
[[mappings]]
queue = "jobs"
function = "worker"
batch_size = 1
[[arrivals]]
queue = "jobs"
kind = "constant"
rate_per_s = 2
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A run with a backlog, throttles and dead letters."""
    file = tmp_path_factory.mktemp("plot") / "s.toml"
    file.write_text(SCENARIO)
    ready = Run(*load(file), title="A run")
    ready.run()
    return ready.report()


@pytest.fixture(scope="module")
def picture(report, tmp_path_factory):
    """The file with its picture."""
    file = tmp_path_factory.mktemp("picture") / "run.png"
    plot(report, file)
    return file


def labels(axes):
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def of_minutes(report, count):
    """Return a report of so many minutes: its own, again and again."""

    def repeated(series):
        return tuple(islice(cycle(series), count))

    def stretch(record):
        return evolve(record, **{name: repeated(series) for name, series in asdict(record, recurse=False).items()})

    minutes = report.minutes
    return evolve(
        report,
        minutes=evolve(
            minutes,
            count=count,
            concurrency=repeated(minutes.concurrency),
            queues={name: stretch(record) for name, record in minutes.queues.items()},
            functions={name: stretch(record) for name, record in minutes.functions.items()},
        ),
    )


def test_the_file_is_a_picture_of_1200_by_1320_dots(picture):
    """A PNG, large enough to read."""
    data = picture.read_bytes()
    assert b"\x89PNG\r\n\x1a\n" == data[:8]
    assert (1200, 1320) == struct.unpack(">II", data[16:24])


def test_the_same_run_gives_the_same_picture(report, picture, tmp_path):
    """Byte for byte."""
    plot(report, tmp_path / "again.png")
    assert picture.read_bytes() == (tmp_path / "again.png").read_bytes()


def test_four_panels_share_the_axis_of_time(report):
    """Each has a title and a unit; the unit of time stands below the last."""
    figure = draw(report)
    assert "A run" == figure.get_suptitle()
    panels = figure.axes
    assert TITLES == [axes.get_title(loc="left") for axes in panels]
    assert ["messages", "invocations", "minutes", "count"] == [axes.get_ylabel() for axes in panels]
    assert ["", "", "", "minutes since the start"] == [axes.get_xlabel() for axes in panels]
    assert {(0, report.minutes.count)} == {axes.get_xlim() for axes in panels}
    assert [["jobs", "dlq"], ["worker"], ["jobs"], ["throttles of worker", "dead letters from jobs"]] == [
        labels(axes) for axes in panels
    ]


def test_limits_that_are_near_are_drawn(report):
    """The reserve of the function is, the thousand of the account is not; both are when they are near."""
    concurrency = draw(report).axes[1]
    assert ["reserved for worker"] == [text.get_text() for text in concurrency.texts]
    both = draw(evolve(report, concurrent_executions=1)).axes[1]
    assert ["limit of the account", "reserved for worker"] == [text.get_text() for text in both.texts]


@pytest.mark.parametrize(
    ("count", "unit"),
    [
        (4, "minutes since the start"),
        (179, "minutes since the start"),
        (180, "hours since the start"),
        (480, "hours since the start"),
        (481, "hours since the start (lines: the largest of 2 minutes; areas: their mean)"),
        (5_759, "hours since the start (lines: the largest of 15 minutes; areas: their mean)"),
        (5_760, "days since the start (lines: the largest of 15 minutes; areas: their mean)"),
        (20_160, "days since the start (lines: the largest of 60 minutes; areas: their mean)"),
    ],
)
def test_the_unit_of_time_fits_the_span(report, count, unit):
    """Minutes, hours or days, with a readable number of ticks; long runs take several minutes together."""
    last = draw(of_minutes(report, count)).axes[-1]
    assert unit == last.get_xlabel()
    left, right = last.get_xlim()
    assert 4 <= sum(left <= tick <= right for tick in last.get_xticks()) <= 16


def test_peaks_of_a_long_run_are_those_of_its_minutes(report):
    """A step shows the largest of its minutes, so that nothing is smoothed away."""
    axes = draw(of_minutes(report, 5_000)).axes[0]
    assert report.queues[0].backlog_peak.value == max(axes.patches[0].get_data().values)


def test_nothing_to_show_is_said(report):
    """A panel without data says so, and the others stay as they are."""
    quiet = evolve(
        report.minutes,
        functions={
            name: evolve(record, throttles=(0,) * report.minutes.count)
            for name, record in report.minutes.functions.items()
        },
        queues={
            name: evolve(record, dead_lettered=(0,) * report.minutes.count)
            for name, record in report.minutes.queues.items()
        },
    )
    panels = draw(evolve(report, minutes=quiet)).axes
    assert ["none"] == [text.get_text() for text in panels[3].texts]
    assert [] == labels(panels[3])


def test_many_queues_are_told_apart(report):
    """Colours come again only with other dashes."""
    record = report.minutes.queues["jobs"]
    names = [f"queue-{n}" for n in range(21)]
    many = evolve(
        report,
        queues=tuple(evolve(report.queues[0], name=name) for name in names),
        minutes=evolve(report.minutes, queues=dict.fromkeys(names, record)),
    )
    lines = draw(many).axes[0].get_lines()
    assert 21 == len({(line.get_color(), line.get_linestyle()) for line in lines})


def test_runs_without_functions_or_minutes_have_pictures_too(report):
    """A queue that nobody reads, and a run that ended before its first minute."""
    lonely = evolve(
        report,
        functions=(),
        mappings=(),
        queues=(evolve(report.queues[0], is_read=False),),
        minutes=evolve(report.minutes, functions={}, queues={"jobs": report.minutes.queues["jobs"]}),
    )
    panels = draw(lonely).axes
    assert ["none"] == [text.get_text() for text in panels[1].texts]
    assert "Age of the oldest message" == panels[2].get_title(loc="left")
    empty = draw(of_minutes(report, 0))
    assert 4 == len(empty.axes)
