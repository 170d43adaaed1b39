"""Scenario files: what is wrong with one is said with file, key, value and what is allowed, to the letter."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lambdasim.cli.loading import load
from lambdasim.cli.problems import ScenarioError

GOOD = """
duration = "1 h"
[queues.orders]
[functions.worker]
duration = 0.2
[[mappings]]
queue = "orders"
function = "worker"
[[arrivals]]
queue = "orders"
kind = "constant"
rate_per_s = 1
"""
SPAN = 'seconds, or a text such as "1 h 30 min" (units: us, ms, s, min, h, d)'
ABOVE = SPAN.replace("seconds,", "seconds more than 0,")
KINDS = '"constant", "poisson", "piecewise", "burst", "bursts" or "csv"'
DISTRIBUTIONS = '"constant", "exponential", "lognormal", "gamma" or "percentiles"'
QUEUE_KEYS = (
    "dead_letter_queue, delay_seconds, inflight_limit_standard, max_receive_count, message_retention_period, "
    "visibility_timeout"
)


@pytest.fixture
def complaints(tmp_path, monkeypatch):
    """Return what loading a text complains about, line by line, overrides given or not."""
    monkeypatch.chdir(tmp_path)

    def load_text(text, *overrides):
        file = tmp_path / "s.toml"
        file.write_text(text)
        with pytest.raises(ScenarioError) as caught:
            load(file.relative_to(tmp_path), overrides)
        return str(caught.value).splitlines()

    return load_text


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        # kinds of values
        ("duration=5 x", f's.toml, --set: duration = "5 x": must be {ABOVE}'),
        ("duration=0", f"s.toml, --set: duration = 0: must be {ABOVE}"),
        ("drain=1", "s.toml, --set: drain = 1: must be true or false"),
        ("seed=-1", "s.toml, --set: seed = -1: must be a whole number, 0 or more"),
        ('title=""', 's.toml, --set: title = "": must be a text that is not empty'),
        (
            "start=2026-01-01T00:00:30Z",
            "s.toml, --set: start = 2026-01-01T00:00:30+00:00: must be a whole minute, such as 2026-01-01T00:00:00Z",
        ),
        (
            "queues.orders.visibility_timeout=43_201",
            "s.toml, --set: queues.orders.visibility_timeout = 43201: must be a whole number of seconds, 0 to 43,200",
        ),
        (
            "functions.worker.timeout=0",
            "s.toml, --set: functions.worker.timeout = 0: must be a whole number of seconds, 1 to 900",
        ),
        (
            "functions.worker.memory_size=127",
            "s.toml, --set: functions.worker.memory_size = 127: must be a whole number of MB, 128 to 10,240",
        ),
        (
            "functions.worker.architecture=arm",
            's.toml, --set: functions.worker.architecture = "arm": must be "x86_64" or "arm64"; did you mean "arm64"?',
        ),
        (
            "functions.worker.failure_rate=1.5",
            "s.toml, --set: functions.worker.failure_rate = 1.5: must be a number, 0 to 1",
        ),
        (
            "mappings.0.batch_size=10.0",
            "s.toml, --set: mappings.0.batch_size = 10.0: must be a whole number of messages, 1 to 10,000",
        ),
        (
            'mappings.0.function_response_types=["X"]',
            (
                's.toml, --set: mappings.0.function_response_types = ["X"]: must be a list that is empty or holds '
                '"ReportBatchItemFailures"'
            ),
        ),
        (
            "arrivals.0.rate_per_s=0",
            "s.toml, --set: arrivals.0.rate_per_s = 0: must be a number of arrivals a second, 1e-09 to 1,000,000,000",
        ),
        # tables and lists where they belong
        ("queues={}", "s.toml, --set: queues = {  }: must not be empty"),
        ("queues=3", "s.toml, --set: queues = 3: must be a table"),
        ("queues.orders=3", "s.toml, --set: queues.orders = 3: must be a table"),
        ("account=3", "s.toml, --set: account = 3: must be a table"),
        ("mappings={}", "s.toml, --set: mappings = {  }: must be a list"),
        ("arrivals=[]", "s.toml, --set: arrivals = []: must not be empty"),
        ("arrivals=[3]", "s.toml, --set: arrivals.0 = 3: must be a table"),
        # unknown and missing keys
        (
            "queues.orders.visibility_timout=3",
            (
                "s.toml, --set: queues.orders.visibility_timout = 3: unknown key; did you mean "
                f'"visibility_timeout"? (there may be {QUEUE_KEYS})'
            ),
        ),
        (
            'queues."my queue".fifo_queue=true',
            f's.toml, --set: queues."my queue".fifo_queue = true: unknown key (there may be {QUEUE_KEYS})',
        ),
        (
            "account.concurrency=3",
            (
                's.toml, --set: account.concurrency = 3: unknown key; did you mean "concurrent_executions"? (there may '
                "be concurrent_executions, rps_factor, rps_limit, unreserved_floor)"
            ),
        ),
        (
            'arrivals=[{queue="orders", kind="constant"}]',
            (
                "s.toml, --set: arrivals.0.rate_per_s: missing; it must be a number of arrivals a second, 1e-09 to "
                "1,000,000,000"
            ),
        ),
        (
            'mappings=[{queue="orders"}]',
            "s.toml, --set: mappings.0.function: missing; it must be a text that is not empty",
        ),
        # tables of several kinds
        ("arrivals=[{}]", f"s.toml, --set: arrivals.0.kind: missing; it must be {KINDS}"),
        (
            "arrivals.0.kind=poison",
            f's.toml, --set: arrivals.0.kind = "poison": must be {KINDS}; did you mean "poisson"?',
        ),
        (
            "functions.worker.duration=true",
            f"s.toml, --set: functions.worker.duration = true: must be {SPAN}, or a table with the key distribution",
        ),
        (
            "functions.worker.duration={mean=3}",
            f"s.toml, --set: functions.worker.duration.distribution: missing; it must be {DISTRIBUTIONS}",
        ),
        (
            "functions.worker.duration={distribution=3}",
            f"s.toml, --set: functions.worker.duration.distribution = 3: must be {DISTRIBUTIONS}",
        ),
        (
            'functions.worker.duration={distribution="lognormal", median=1, p98=3}',
            (
                's.toml, --set: functions.worker.duration.p98 = 3: unknown key; did you mean "p99"? (there may be cv, '
                "distribution, maximum, mean, median, minimum, p99, sigma)"
            ),
        ),
        (
            'functions.worker.cold_start={init_s={distribution="exponential", mean="1 x"}}',
            f's.toml, --set: functions.worker.cold_start.init_s.mean = "1 x": must be {SPAN}',
        ),
        (
            "functions.worker.cold_start=typical",
            (
                's.toml, --set: functions.worker.cold_start = "typical": must be "TYPICAL", or a table; did you mean '
                '"TYPICAL"?'
            ),
        ),
        (
            'mappings.0.scaling={ramp="linea"}',
            's.toml, --set: mappings.0.scaling.ramp = "linea": must be "linear" or "step"; did you mean "linear"?',
        ),
        (
            'functions.worker.duration={distribution="percentiles", percentiles={50=1}}',
            (
                "s.toml, --set: functions.worker.duration.percentiles = { 50 = 1 }: must be a table of at least two "
                'spans of time by percentile, such as { 50 = 0.2, "99.9" = "1.5 s" }'
            ),
        ),
        # what the library refuses
        ("mappings.0.polling={wait_s=21}", "s.toml, --set: mappings.0.polling.wait_s = 21: must be <= 20"),
        (
            'functions.worker.duration={distribution="gamma", mean=1}',
            (
                "s.toml, --set: functions.worker.duration: gamma(mean=1, cv=None, shape=None, scale=None) is not "
                "determined; give mean and cv, or shape and scale"
            ),
        ),
        (
            'functions.worker.duration={distribution="exponential", mean=0}',
            (
                "s.toml, --set: functions.worker.duration.mean: mean=0 is too short; give at least 1e-18 seconds, or "
                "constant(0)"
            ),
        ),
        (
            'functions.worker.duration={distribution="constant", seconds=1, minimum=3, maximum=2}',
            "s.toml, --set: functions.worker.duration.maximum: maximum=2.0 is below minimum=3.0; give bounds in order",
        ),
        # references
        (
            "mappings.0.queue=order",
            's.toml, --set: mappings.0.queue = "order": no such queue; there is "orders"; did you mean "orders"?',
        ),
        (
            'queues.orders={dead_letter_queue="dlq", max_receive_count=3}',
            's.toml, --set: queues.orders.dead_letter_queue = "dlq": no such queue; there is "orders"',
        ),
        (
            "queues.orders.max_receive_count=3",
            "s.toml: queues.orders.dead_letter_queue: missing; max_receive_count needs one",
        ),
        (
            "queues.orders.dead_letter_queue=orders",
            (
                "s.toml: queues.orders.max_receive_count: missing; dead_letter_queue needs one\n"
                's.toml, --set: queues.orders.dead_letter_queue = "orders": messages would come back to where they were'
            ),
        ),
        (
            "queues.other.delay_seconds=1",
            (
                "s.toml, --set: queues.other: nothing comes here: no arrivals name it, nor does a dead_letter_queue; "
                "leave it out"
            ),
        ),
        (
            "functions.other.timeout=1",
            "s.toml, --set: functions.other: nothing invokes it, for no mapping names it; leave it out",
        ),
        (
            "functions={}",
            's.toml: mappings.0.function = "worker": no such function; there is none',
        ),
        (
            "arrivals.0.queue=jobs",
            (
                "s.toml: queues.orders: nothing comes here: no arrivals name it, nor does a dead_letter_queue; leave "
                'it out\ns.toml, --set: arrivals.0.queue = "jobs": no such queue; there is "orders"'
            ),
        ),
        (
            "arrivals.0.start=1 h",
            "s.toml, --set: arrivals.0.start = 3600: must be before the end of all arrivals, duration = 3600",
        ),
    ],
)
def test_one_wrong_key_is_told_to_the_letter(complaints, override, complaint):
    """Each kind of error names file, key, value and what is allowed."""
    assert complaint.splitlines() == complaints(GOOD, override)


def test_everything_wrong_is_told_at_once(complaints):
    """A line for each error, without a traceback in between."""
    lines = complaints(GOOD.replace("duration = 0.2", "duration = -1\ntimeout = 0") + "burst = 3\n")
    assert 3 == len(lines)


def test_text_that_is_no_toml(complaints):
    """The place of the slip is named."""
    (line,) = complaints("title is missing")
    assert line.startswith("s.toml: this is no TOML: Expected '=' after a key in a key/value pair (at line 1, column ")


def test_bytes_that_are_no_utf_8(tmp_path):
    """A file in another encoding is refused like one that is no TOML."""
    file = tmp_path / "s.toml"
    file.write_bytes(b'title = "\xff"')
    with pytest.raises(ScenarioError, match="this is no TOML: 'utf-8' codec can't decode byte 0xff"):
        load(file)


def test_missing_tables(complaints):
    """Without queues and arrivals there is nothing to simulate."""
    assert ["s.toml: queues: missing; it must be given", "s.toml: arrivals: missing; it must be given"] == complaints(
        ""
    )


def test_arrivals_without_end_need_a_duration(complaints):
    """A process that never ends, one that repeats itself, and a run that is to stop without draining."""
    endless = GOOD.replace('duration = "1 h"', "drain = false")
    assert [
        "s.toml: arrivals.0: they never end; give the scenario a duration, after which nothing arrives",
        "s.toml: duration: missing; drain = false needs to know when to stop",
    ] == complaints(endless)
    repeating = endless.replace("drain = false", "").replace(
        'kind = "constant"\nrate_per_s = 1',
        'kind = "piecewise"\nrepeat = true\nsegments = [{ duration = 1, rate_per_s = 1 }]',
    )
    assert [
        "s.toml: arrivals.0.repeat = true: needs a duration of the scenario, to know when to stop",
    ] == complaints(repeating)


def test_a_file_of_counts_is_looked_for_beside_the_scenario(complaints, tmp_path):
    """One that is not there, or is no such file, is an error of its key."""
    text = GOOD.replace('kind = "constant"\nrate_per_s = 1', 'kind = "csv"\nfile = "counts.csv"')
    assert [
        's.toml: arrivals.0.file: file="counts.csv" cannot be read: No such file or directory: counts.csv'
    ] == complaints(text)
    (tmp_path / "counts.csv").write_text("timestamp,value\n2026-01-01T00:00:00Z,-3\n")
    (line,) = complaints(text)
    assert line.startswith("s.toml: arrivals.0: counts.csv, line 2: '-3' is no count")


def test_long_values_are_cut(complaints):
    """A line stays a line."""
    (line,) = complaints(GOOD, f"duration={'x' * 500}")
    assert f's.toml, --set: duration = "{"x" * 58}…: must be {ABOVE}' == line


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("duration", "must be KEY=VALUE with a dotted key, such as queues.orders.visibility_timeout=60"),
        ("=3", "must be KEY=VALUE with a dotted key, such as queues.orders.visibility_timeout=60"),
        ("a..b=3", "must be KEY=VALUE with a dotted key, such as queues.orders.visibility_timeout=60"),
        ("x=1\ny=3", "'1\\ny=3' is no value of TOML"),
        ('title="x', "'\"x' is no value of TOML"),
        ("title=", "'' is no value of TOML"),
        ("mappings.1.queue=orders", "mappings is a list of 1; its places are numbers from 0 on"),
        ("mappings.queue=orders", "mappings is a list of 1; its places are numbers from 0 on"),
        ("duration.x=3", 'duration is "1 h", not a table'),
        ("functions.worker.duration.mean=3", "functions.worker.duration is 0.2, not a table"),
    ],
)
def test_overrides_that_cannot_be(complaints, override, complaint):
    """What is no key, no value, or leads nowhere is named as it was typed."""
    assert f"--set {override}: {complaint}" == "\n".join(complaints(GOOD, override))


def test_overrides_change_what_the_file_says(tmp_path):
    """Values are TOML, or bare texts; tables on the way are made; later ones see what earlier ones made."""
    file = tmp_path / "s.toml"
    file.write_text(GOOD)
    scenario, source = load(
        file,
        [
            "title=A title",
            "duration=90 min",
            "mappings.0.batch_size=5",
            "mappings.0.scaling=LEGACY_2018",
            "queues.orders={visibility_timeout=60, delay_seconds=5}",
            "queues.orders.visibility_timeout=90",
            'functions."worker".cold_start.init_s="250 ms"',
            "arrivals.0.rate_per_s=0.5",
        ],
    )
    assert "A title" == scenario.title
    assert Decimal(5400) == scenario.duration
    assert (5, "LEGACY_2018") == (scenario.mappings[0].batch_size, scenario.mappings[0].scaling)
    assert (90, 5) == (scenario.queues["orders"].visibility_timeout, scenario.queues["orders"].delay_seconds)
    assert Decimal("0.25") == scenario.functions["worker"].cold_start.init_s
    assert 0.5 == scenario.arrivals[0].rate_per_s
    assert ("functions", "worker", "cold_start", "init_s") == source.overridden[6]


def test_a_loop_of_dead_letter_queues_is_refused(complaints):
    """Messages that could come back to where they were have no order in which queues could be made."""
    loop = "\n".join(
        f'[queues.{name}]\ndead_letter_queue = "{to}"\nmax_receive_count = 1' for name, to in ("ab", "bc", "ca")
    )
    lines = complaints(loop + '\n[[arrivals]]\nqueue = "a"\nkind = "burst"\ncount = 1')
    assert [
        f's.toml: queues.{name}.dead_letter_queue = "{to}": messages would come back to where they were'
        for name, to in ("ab", "bc", "ca")
    ] == lines
