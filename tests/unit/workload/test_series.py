from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim.errors import UsageError
from lambdasim.workload import IntervalCounts
from lambdasim.workload.series import INTERVALS_MAX, counts_from_csv


@pytest.fixture
def write(tmp_path: Path):
    """Return a function that writes lines to a file and returns its path."""

    def write_lines(*lines: str, header: str = "timestamp,value") -> Path:
        path = tmp_path / "series.csv"
        path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
        return path

    return write_lines


def read(path: Path, *, interval_us: int | None = None, duration_us: int | None = None) -> tuple[int, list[Fraction]]:
    return counts_from_csv(
        path,
        interval_us=interval_us,
        duration_us=duration_us,
        timestamp_column="timestamp",
        value_column="value",
    )


def refusal(path: Path, **options: object) -> str:
    """Return why a file is refused, without its folder."""
    with pytest.raises(UsageError) as caught:
        IntervalCounts.from_csv(path, **options)
    return str(caught.value).replace(str(path), path.name)


@pytest.mark.parametrize(
    "timestamps",
    [
        ("2014-04-10 00:04:00", "2014-04-10 00:09:00", "2014-04-10 00:14:00"),
        ("2014-04-10T00:04:00", "2014-04-10T00:09:00", "2014-04-10T00:14:00"),
        ("2014-04-10T00:04:00Z", "2014-04-10T00:09:00Z", "2014-04-10T00:14:00Z"),
        ("2014-04-10 00:04:00+02:00", "2014-04-10 02:09:00+04:00", "2014-04-09 22:14:00Z"),
        ("2014-04-10 00:04:00.500", "2014-04-10 00:09:00.500000", "2014-04-10 00:14:00.5"),
        ("2014-04-10 00:04", "2014-04-10 00:09", "2014-04-10 00:14"),
        ("1397088240", "1397088540", "1397088840"),
        ("1397088240000", "1397088540000", "1397088840000"),
        ("1397088240", "1397088540000", "2014-04-10T00:14:00Z"),
        ("-300", "0", "300"),
    ],
)
def test_timestamps_may_be_spelled_in_many_ways(write, timestamps) -> None:
    """ISO 8601 with a blank or a T, with or without offset and fractions, or whole (milli)seconds since 1970."""
    path = write(*(f"{timestamp},{count}" for count, timestamp in enumerate(timestamps, start=1)))
    assert (300_000_000, [1, 2, 3]) == read(path)


def test_fractions_of_a_second_are_kept(write) -> None:
    """Intervals are as exact as timestamps, which is a microsecond."""
    path = write("2014-04-10 00:00:00,1", "2014-04-10 00:00:00.000250,2")
    assert (250, [1, 2]) == read(path)


def test_days_may_stand_alone(write) -> None:
    """A date is its midnight."""
    assert (86_400_000_000, [1, 2]) == read(write("2014-04-10,1", "2014-04-11,2"))


def test_gaps_are_empty_intervals(write) -> None:
    """A row has its place relative to the first, whatever is missing between."""
    path = write("0,1", "60,2", "240,3", "300,4", "360,5")
    assert (60_000_000, [1, 2, 0, 0, 3, 4, 5]) == read(path)


def test_interval_is_the_most_common_difference(write) -> None:
    """Most pairs of neighbours decide; of equally common differences the smallest."""
    assert (60_000_000, [1, 0, 0, 2, 3, 4]) == read(write("0,1", "180,2", "240,3", "300,4"))
    assert (60_000_000, [1, 0, 2, 3]) == read(write("0,1", "120,2", "180,3"))


def test_row_inside_an_interval_is_refused_unless_the_interval_is_given(write) -> None:
    """Rows are not moved silently; with an interval of the caller's they are added up."""
    path = write("0,1", "60,2", "90,3", "150,4")
    assert "series.csv, line 4: the row lies 30 s behind the beginning of an interval of 60 s" in refusal(path)
    assert (60_000_000, [1, 5, 4]) == read(path, interval_us=60_000_000)
    assert (120_000_000, [6, 4]) == read(path, interval_us=120_000_000)
    assert (30_000_000, [1, 0, 2, 3, 0, 4]) == read(path, interval_us=30_000_000)


def test_single_row_needs_an_interval(write) -> None:
    """One row does not say how long its interval is."""
    path = write("0,7")
    assert "series.csv has a single row, which does not say how long its interval is; give interval=" == refusal(path)
    assert (60_000_000, [7]) == read(path, interval_us=60_000_000)


@pytest.mark.parametrize(
    ("duration_s", "counts"),
    [(0, []), (1, [1]), (60, [1]), (61, [1, 2]), (180, [1, 2, 0]), (240, [1, 2, 0, 0]), (300, [1, 2, 0, 0, 3])],
)
def test_duration_limits_to_the_intervals_that_begin_in_it(write, duration_s, counts) -> None:
    """An interval that begins within the duration is whole; nothing is made up behind the end of the series."""
    path = write("0,1", "60,2", "240,3")
    assert (60_000_000, counts) == read(path, interval_us=60_000_000, duration_us=duration_s * 1_000_000)
    assert [1, 2, 0, 0, 3] == read(path, interval_us=60_000_000, duration_us=10**15)[1]


def test_other_columns_and_names_and_empty_lines_do_not_matter(tmp_path) -> None:
    """Columns are found by name; blanks around cells, a byte-order mark and carriage returns do no harm."""
    path = tmp_path / "series.csv"
    path.write_bytes(b'\xef\xbb\xbfunit, when ,"how many"\r\nx, 0 ,"1.0"\r\n\r\nx,60,2e0,more\r\n')
    series = IntervalCounts.from_csv(path, timestamp_column="when", value_column="how many")
    assert IntervalCounts([1, 2], interval=60) == series


def test_path_may_be_text(write) -> None:
    """A path is whatever `open` takes."""
    assert 3 == IntervalCounts.from_csv(str(write("0,1", "60,2"))).total


def test_scale_multiplies_before_fractions_are_carried(write) -> None:
    """Each count is multiplied, and the total is right to within a half."""
    path = write("0,1", "60,1", "120,1", "180,1.5")
    assert (0, 1, 0, 1) == IntervalCounts.from_csv(path, scale=Fraction(1, 3)).counts
    assert (2, 2, 2, 3) == IntervalCounts.from_csv(path, scale=2).counts
    assert (0, 0, 0, 0) == IntervalCounts.from_csv(path, scale=0).counts


def test_spread_and_durations_are_handed_on(write) -> None:
    """The series is an ordinary process of counts; its options are those of the class."""
    series = IntervalCounts.from_csv(
        write("0,1", "60,2", "120,4"), spread="poisson", duration=timedelta(minutes=3), interval=90
    )
    assert IntervalCounts([3, 4], interval=90, spread="poisson") == series


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["0,1", "60,"], "series.csv, line 3: '' is no count; give 0 to 1000000000000"),
        (["0,1", "60, "], "series.csv, line 3: '' is no count"),
        (["0,1", "60"], "series.csv, line 3: '' is no count"),
        (["0,1", "60,many"], "series.csv, line 3: 'many' is no count"),
        (["0,1", "60,-2"], "series.csv, line 3: '-2' is no count"),
        (["0,nan", "60,1"], "series.csv, line 2: 'nan' is no count"),
        (["0,inf", "60,1"], "series.csv, line 2: 'inf' is no count"),
        (["0,1", "60,1000000000001"], "series.csv, line 3: '1000000000001' is no count"),
        (["0,1", ",2"], "series.csv, line 3: '' is no timestamp; write it like '2026-01-01T00:00:00Z' or"),
        (["0,1", "yesterday,2"], "series.csv, line 3: 'yesterday' is no timestamp"),
        (["0,1", "1.5,2"], "series.csv, line 3: '1.5' is no timestamp"),
        (["0,1", "1397088240000000,2"], "series.csv, line 3: '1397088240000000' is no timestamp"),
        (["2014-04-31,1"], "series.csv, line 2: '2014-04-31' is no timestamp"),
        (
            ["0,1", "60,2", "30,3"],
            "series.csv, line 4: the timestamp lies before that of line 3; sort the rows by time",
        ),
        (
            ["0,1", "60,2", "", "60,3"],
            "series.csv, line 5: the timestamp is that of line 3; add up rows of one instant",
        ),
        (
            ["2014-04-10 00:00:00,1", "2014-04-10 00:05:00Z,2"],
            "series.csv, line 3: this timestamp has an offset from UTC, the one of line 2 has none; write all",
        ),
        (
            ["0,1", "1970-01-01 00:05:00,2"],
            "series.csv, line 3: this timestamp has no offset from UTC, the one of line 2 has one; write all",
        ),
        (
            ["0,1", "1,1", "2,1", "10000002,1"],
            "series.csv, line 5: 10000002 intervals of 1 s lie before this row, more than 10000000; correct",
        ),
        ([], "series.csv has no rows; a series has a header line and at least one row"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(write, lines, text) -> None:
    """The error names the file, the line, the value and what to do."""
    assert refusal(write(*lines)).startswith(text)


def test_longest_gap_is_allowed(write) -> None:
    """Ten million intervals can be read, and a far row behind a duration does no harm."""
    path = write("0,1", "1,1", "2,1", f"{INTERVALS_MAX - 1},5", f"{INTERVALS_MAX},6")
    assert INTERVALS_MAX - 1 == len(read(path, duration_us=(INTERVALS_MAX - 1) * 1_000_000)[1])
    assert "line 6: 10000000 intervals of 1 s lie before" in refusal(path)


def test_missing_column_is_named_with_those_there_are(tmp_path, write) -> None:
    """The error says which columns there are."""
    expected = "series.csv, line 1: no column 'value' among 'timestamp', 'count'; name one"
    assert expected == refusal(write("0,1", header="timestamp,count"))
    empty = tmp_path / "series.csv"
    empty.write_text("")
    assert "series.csv, line 1: no column 'timestamp' among no columns at all; name one" == refusal(empty)


def test_file_that_is_no_text_is_refused(tmp_path) -> None:
    """Bytes that are not UTF-8, and cells without end, are errors of the file."""
    path = tmp_path / "series.csv"
    path.write_bytes(b"timestamp,value\n0,1\n60,\xff\n")
    assert refusal(path).endswith("a series is comma-separated text in UTF-8")
    path.write_text("timestamp,value\n0," + "1" * 200_000)
    assert "series.csv, after line 2: field larger than field limit" in refusal(path)


def test_missing_file_is_an_error_of_the_system(tmp_path) -> None:
    """It is not for us to reword what Python says."""
    with pytest.raises(FileNotFoundError):
        IntervalCounts.from_csv(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"interval": 0}, "interval=0 is too short; give at least 1e-06 seconds"),
        ({"scale": -1}, "scale=-1 is out of bounds; give 0 to 1000000000 times the counts"),
        ({"scale": True}, "scale=True is no number"),
        ({"duration": -1}, "duration=-1 is negative"),
        ({"spread": "random"}, "spread='random' is unknown; give 'even' or 'poisson'"),
    ],
)
def test_options_are_checked(write, options, text) -> None:
    """Options out of bounds are named with what to give instead."""
    assert refusal(write("0,1", "60,2"), **options).startswith(text)


@given(
    st.lists(st.none() | st.integers(0, 10**6), min_size=1, max_size=30).map(lambda counts: [1, *counts, 1]),
    st.integers(1, 10**5),
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - Hypothesis adds the zone
)
def test_every_written_series_is_read_back(tmp_path_factory, counts, interval_s, start) -> None:
    """Rows that are left out come back as zeros, all others as they were, wherever the series begins."""
    path = tmp_path_factory.mktemp("series") / "series.csv"
    begin = start.replace(tzinfo=UTC)
    with path.open("w") as file:
        file.write("timestamp,value\n")
        for index, count in enumerate(counts):
            if count is not None:
                file.write(f"{(begin + index * timedelta(seconds=interval_s)).isoformat()},{count}\n")
    assert (interval_s * 10**6, [count or 0 for count in counts]) == read(path, interval_us=interval_s * 10**6)
