"""The page about scenarios says everything that the models know, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from attrs import fields

from lambdasim import (
    BackoffModel,
    ColdStartModel,
    LambdaLimits,
    PriceBook,
    RpsModel,
    RuntimeModel,
    ScalingModel,
    ScalingRate,
    Simulation,
    SqsConfig,
    ThrottleRetry,
)
from lambdasim.cli import arrivals, tables
from lambdasim.cli.explanations import kind_of
from lambdasim.cli.results import FunctionMinutes, QueueMinutes
from lambdasim.cli.scenario import AccountTable, FunctionTable, MappingTable, QueueTable, Scenario
from lambdasim.cli.values import Span
from lambdasim.lambda_.limits import DEFAULT_DURATION_S

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "scenario.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \|(.*?)\|(.*?)\|(.*)\|$", re.MULTILINE)

SECTIONS = {
    "The scenario": Scenario,
    "account": AccountTable,
    "queues.NAME": QueueTable,
    "functions.NAME": FunctionTable,
    "functions.NAME.cold_start": tables.ColdStartTable,
    "functions.NAME.environments": tables.EnvironmentsTable,
    "functions.NAME.scaling_rate": tables.ScalingRateTable,
    "mappings": MappingTable,
    "mappings.scaling": tables.ScalingTable,
    "mappings.polling": tables.PollingTable,
    "mappings.batch_window": tables.BatchWindowTable,
    "mappings.backoff": tables.BackoffTable,
    "mappings.throttle_retry": tables.ThrottleRetryTable,
    "mappings.provisioned": tables.ProvisionedTable,
    "arrivals: constant": arrivals.ConstantArrivals,
    "arrivals: poisson": arrivals.PoissonArrivals,
    "arrivals: piecewise": arrivals.PiecewiseArrivals,
    "arrivals: burst": arrivals.BurstArrivals,
    "arrivals: bursts": arrivals.BurstsArrivals,
    "arrivals: csv": arrivals.CsvArrivals,
    "prices": tables.PricesTable,
}
DURATIONS = {
    "constant": tables.ConstantDuration,
    "exponential": tables.ExponentialDuration,
    "lognormal": tables.LogNormalDuration,
    "gamma": tables.GammaDuration,
    "percentiles": tables.PercentilesDuration,
}
#: Fields of value objects that are no matter for a scenario.
NOT_OFFERED = {
    PriceBook: {"cents", "provisioned_gb_second", "provisioned_duration_gb_second"},
}


def section(title):
    """Return the text below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def rows(title):
    """Return the rows of the tables below a heading, by key: value, default, meaning."""
    return {key: tuple(map(str.strip, cells)) for key, *cells in ROW.findall(section(title))}


def own_fields(model):
    """Return the fields that the page explains in the section of a model."""
    shared = set(arrivals.ArrivalsTable.model_fields) | {"kind"} if issubclass(model, arrivals.ArrivalsTable) else set()
    found = [name for name in model.model_fields if name not in shared]
    return found + [name for name in arrivals.SegmentTable.model_fields if model is arrivals.PiecewiseArrivals]


def test_every_table_has_its_section():
    """No model is left out: all subclasses are in the lists of this test."""

    def below(model) -> Iterator[type]:
        for child in model.__subclasses__():
            yield child
            yield from below(child)

    known = {*SECTIONS.values(), *DURATIONS.values(), arrivals.SegmentTable}
    abstract = {tables.DurationTable, tables.SettingsTable, arrivals.ArrivalsTable}
    assert known | abstract == set(below(tables.Table))


@pytest.mark.parametrize("title", SECTIONS)
def test_each_key_has_its_row(title):
    """Every field of a model stands in its section, and no other."""
    assert sorted(set(own_fields(SECTIONS[title]))) == sorted(rows(title))


def test_keys_that_all_arrivals_share_have_rows():
    """They are explained once."""
    assert {"queue", "kind", "message_size"} == set(rows("arrivals"))
    (kinds,) = (member for member in get_args(arrivals.AnyArrivals)[:1])
    listed = rows("arrivals")["kind"][0]
    assert [kind.tag for kind in get_args(kinds)] == re.findall(r'"(\w+)"', listed)


@pytest.mark.parametrize("title", [*SECTIONS, "arrivals"])
def test_each_row_says_what_is_allowed(title):
    """In the words of the error that a wrong value meets."""
    model = SECTIONS.get(title, arrivals.ArrivalsTable)
    for key, (value, _default, _meaning) in rows(title).items():
        field = model.model_fields.get(key)
        kind = None if field is None else kind_of(field.annotation, field.metadata)
        if kind is None:
            continue
        allowed = kind.allowed
        if isinstance(kind, Span):
            allowed = re.sub(r'a text such as "1 h 30 min" \(.*?\)', "a text with units", allowed)
        # A segment's duration stands below that of the whole, and so does the row that was found last.
        assert allowed == value, key


def test_durations_name_all_their_keys():
    """Each distribution has a row with its keys, and the bounds that all share have theirs."""
    text = section("Durations")
    assert {"minimum", "maximum"} == set(rows("Durations"))
    for tag, model in DURATIONS.items():
        (keys,) = re.findall(rf'^\| "{tag}" \| (.*?) \|', text, re.MULTILINE)
        wanted = set(model.model_fields) - {"distribution", "minimum", "maximum"}
        assert wanted == set(re.findall(r"`(\w+)`", keys))


def shown(value):
    """Return a default as the page shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:,}"


@pytest.mark.parametrize(
    "title", [title for title, model in SECTIONS.items() if issubclass(model, tables.SettingsTable)]
)
def test_defaults_of_value_objects_are_the_library_s(title):
    """Field for field; and every field of a value object can be given."""
    library = SECTIONS[title].library
    default = library()
    names = {field.name for field in fields(library)} - NOT_OFFERED.get(library, set())
    assert names == set(SECTIONS[title].model_fields)
    for key, (_value, said, _meaning) in rows(title).items():
        assert shown(getattr(default, key)) == said, key


def test_defaults_of_queues_functions_and_mappings_are_the_library_s():
    """Made with nothing but a name, they are as the page says."""
    sim = Simulation()
    queue, function = sim.create_queue("q"), sim.create_function("f")
    mapping = sim.create_event_source_mapping(queue, function)
    said = {key: default for key, (_, default, _) in rows("queues.NAME").items()}
    for key in ("visibility_timeout", "delay_seconds", "message_retention_period"):
        assert shown(getattr(queue, key)) == said[key]
    assert shown(SqsConfig().inflight_limit_standard) == said["inflight_limit_standard"]
    assert queue.dead_letter_queue is None is queue.max_receive_count
    assert "none" == said["dead_letter_queue"] == said["max_receive_count"]

    said = {key: default for key, (_, default, _) in rows("functions.NAME").items()}
    for key in ("timeout", "memory_size", "architecture", "failure_rate"):
        assert shown(getattr(function, key)).removesuffix(".0") == said[key]
    assert str(DEFAULT_DURATION_S) == said["duration"]
    assert shown(RuntimeModel().billing) == said["billing"]
    assert function.reserved_concurrent_executions is None
    assert "none" == said["reserved_concurrent_executions"]
    assert ScalingRate() == ScalingRate.DEFAULT

    said = {key: default for key, (_, default, _) in rows("mappings").items()}
    for key in ("batch_size", "maximum_batching_window_in_seconds"):
        assert shown(getattr(mapping, key)) == said[key]
    assert mapping.maximum_concurrency is None
    assert () == mapping.function_response_types
    assert ("none", "empty", "true") == (said["maximum_concurrency"], said["function_response_types"], said["enabled"])
    assert ScalingModel() == ScalingModel.DEFAULT

    said = {key: default for key, (_, default, _) in rows("account").items()}
    limits = LambdaLimits()
    assert shown(limits.account_concurrency) == said["concurrent_executions"]
    assert shown(limits.unreserved_floor) == said["unreserved_floor"]
    assert shown(limits.rps_factor) == said["rps_factor"]
    assert shown(RpsModel().mode) == said["rps_limit"]

    said = {key: default for key, (_, default, _) in rows("The scenario").items()}
    assert str(sim.seed) == said["seed"]
    assert sim.datetime.isoformat().replace("+00:00", "Z") == said["start"]
    assert shown(Scenario.model_fields["drain"].default) == said["drain"]


def test_presets_are_explained():
    """Each ready-made object that a key may name is named in its row and, but for the default, in words."""
    for title, key, kind in (
        ("functions.NAME", "cold_start", ColdStartModel),
        ("functions.NAME", "scaling_rate", ScalingRate),
        ("mappings", "scaling", ScalingModel),
        ("mappings", "backoff", BackoffModel),
        ("mappings", "throttle_retry", ThrottleRetry),
    ):
        for preset in tables.presets(kind):
            assert f'"{preset}"' in rows(title)[key][0]
    typical = ColdStartModel.TYPICAL
    assert f"a placement of {typical.placement_s} s and an init of {typical.init_s} s" in section(
        "functions.NAME.cold_start"
    )


def test_columns_of_the_series_are_explained():
    """Every series of `--csv` is named."""
    text = section("What comes out")
    for record in (QueueMinutes, FunctionMinutes):
        for field in fields(record):
            assert f"`{field.name}`" in text
