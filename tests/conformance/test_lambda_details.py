"""What a function has beside code and configuration: tags, details, architecture, shares of an alias, printed lines."""

from __future__ import annotations

import logging
import sys
from collections import Counter

import pytest

from lambdasim import Simulation
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
    ValidationException,
)


def says(text):
    """Return a handler that answers with the text."""
    return lambda event, context: text


def shared(sim, share=0.25):
    """Return a function whose alias sends a share of its requests to version 2."""
    worker = sim.create_function("worker", says("one"))
    worker.publish_version()
    worker.update_function_code(says("two"))
    worker.publish_version()
    worker.create_alias("live", "1", additional_version_weights={"2": share})
    return worker


# ---- details


def test_details_are_kept_shown_and_frozen_with_versions(sim):
    worker = sim.create_function("worker", details={"Role": "a", "Layers": [1]})
    worker.publish_version()
    worker.update_function_configuration(details={"Role": "b"})
    assert {"Role": "b"} == worker.get_function_configuration().details
    assert {"Role": "a", "Layers": [1]} == worker.get_function_configuration("1").details
    worker.update_function_configuration(details=None)
    assert {} == worker.get_function_configuration().details


def test_details_are_a_mapping(sim):
    with pytest.raises(UsageError, match="is no mapping"):
        sim.create_function("worker", details=["Role"])


@pytest.mark.rule("LAM-020")
def test_an_architecture_is_that_of_a_version(sim):
    worker = sim.create_function("worker")
    worker.publish_version()
    assert "arm64" == worker.update_function_code(architecture="arm64").architecture == worker.architecture
    assert "x86_64" == worker.get_function_configuration("1").architecture
    with pytest.raises(UsageError, match="it is x86_64 or arm64"):
        worker.update_function_code(architecture="z80")


# ---- tags


def test_tags_are_added_changed_and_removed(sim):
    worker = sim.create_function("worker", tags={"team": "orders"})
    worker.tag_resource({"team": "stock", "stage": "test"})
    assert {"team": "stock", "stage": "test"} == worker.list_tags()
    worker.untag_resource(["team", "nothing"])
    assert {"stage": "test"} == worker.list_tags()


@pytest.mark.rule("ESM-020")
def test_mappings_have_tags_too(sim, queue):
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker"), tags={"team": "orders"})
    mapping.tag_resource({"stage": "test"})
    mapping.untag_resource(["team"])
    assert {"stage": "test"} == mapping.list_tags()
    sim.run(until=0)
    mapping.delete_event_source_mapping()
    sim.run(until=1)
    with pytest.raises(ResourceNotFoundException):
        mapping.list_tags()


def test_there_are_50_tags_at_most_and_no_request_without_any(sim):
    worker = sim.create_function("worker", tags={str(number): "" for number in range(50)})
    with pytest.raises(InvalidParameterValueException, match="Number of tags exceeds resource tag limit"):
        worker.tag_resource({"more": ""})
    worker.tag_resource({"49": "again"})
    assert 50 == len(worker.list_tags())
    with pytest.raises(InvalidParameterValueException, match="An error occurred and the request cannot be processed"):
        worker.tag_resource({})


@pytest.mark.parametrize("tags", [["team"], {"team": 1}, {1: "team"}])
def test_tags_are_texts(sim, tags):
    with pytest.raises(UsageError, match="is no mapping of texts"):
        sim.create_function("worker", tags=tags)


def test_keys_of_tags_are_a_list(sim):
    with pytest.raises(UsageError, match="give a list of texts"):
        sim.create_function("worker").untag_resource("team")


def test_a_deleted_function_has_no_tags(sim):
    worker = sim.create_function("worker", tags={"team": "orders"})
    worker.delete_function()
    with pytest.raises(ResourceNotFoundException):
        worker.list_tags()
    assert {} == sim.create_function("worker").list_tags()


# ---- aliases


def test_an_alias_sends_a_share_of_its_requests_to_another_version(sim):
    worker = shared(sim)
    found = Counter(worker.invoke(qualifier="live").value for _ in range(400))
    assert 70 < found["two"] < 130
    assert 400 == found["one"] + found["two"]
    assert found["two"] == sum(
        sim.metrics.series(
            "AWS/Lambda", "Invocations", "Sum", FunctionName="worker", Resource="worker:live", ExecutedVersion="2"
        ).values
    )


@pytest.mark.parametrize(("share", "expected"), [(0, {"one"}), (1, {"two"})])
def test_a_share_of_nothing_or_all(sim, share, expected):
    worker = shared(sim, share)
    assert expected == {worker.invoke(qualifier="live").value for _ in range(20)}


def test_the_same_seed_sends_the_same_requests():
    found = []
    for _ in range(2):
        worker = shared(Simulation(seed=7), 0.5)
        found.append([worker.invoke(qualifier="live").value for _ in range(50)])
    assert found[0] == found[1]


def test_a_share_is_changed_kept_and_removed(sim):
    worker = shared(sim)
    before = worker.get_alias("live")
    kept = worker.update_alias("live", description="serves")
    assert {"2": 0.25} == kept.additional_version_weights
    assert before.revision_id != kept.revision_id
    assert {"2": 1.0} == worker.update_alias("live", additional_version_weights={"2": 1}).additional_version_weights
    assert "two" == worker.invoke(qualifier="live").value
    assert {} == worker.update_alias("live", additional_version_weights=None).additional_version_weights
    assert "one" == worker.invoke(qualifier="live").value


def test_a_version_that_has_a_share_is_found_and_stays(sim):
    worker = shared(sim)
    assert ["live"] == [alias.name for alias in worker.list_aliases("2")]
    with pytest.raises(ResourceConflictException, match=r"aliases reference it: \[live\]"):
        worker.delete_function("2")


@pytest.mark.parametrize(
    ("weights", "kind", "message"),
    [
        ({"1": 0.1, "2": 0.2}, InvalidParameterValueException, "Number of items in AdditionalVersionWeights cannot be"),
        ({"1": 0.1}, InvalidParameterValueException, "Invalid function version 1. Function version 1 is already"),
        ({"$LATEST": 0.1}, InvalidParameterValueException, r"\$LATEST is not supported for an alias pointing to more"),
        ({"3": 0.1}, ResourceNotFoundException, "Function not found: .*:worker:3"),
        ({"2": 1.1}, ValidationException, r"Value '{2=1.1}' at 'routingConfig.additionalVersionWeights'"),
        ({"2": "much"}, UsageError, "a share is a number from 0 to 1"),
    ],
)
def test_shares_that_aws_refuses(sim, weights, kind, message):
    worker = shared(sim)
    with pytest.raises(kind, match=message):
        worker.create_alias("other", "1", additional_version_weights=weights)
    with pytest.raises(kind, match=message):
        worker.update_alias("live", additional_version_weights=weights)
    assert {"2": 0.25} == worker.get_alias("live").additional_version_weights
    assert ["live"] == [alias.name for alias in worker.list_aliases()]


def test_an_alias_of_latest_takes_no_share(sim):
    worker = shared(sim)
    with pytest.raises(InvalidParameterValueException, match="more than 1 version"):
        worker.create_alias("other", "$LATEST", additional_version_weights={"2": 0.1})


# ---- what a handler prints


@pytest.mark.rule("LAM-047")
def test_what_a_handler_prints_is_in_its_log_and_where_it_goes(sim, capsys):
    def handler(event, context):
        print("one\ntwo")  # noqa: T201
        context.log("three")
        print("four", file=sys.stderr)  # noqa: T201
        sys.stdout.writelines(["fi", "ve"])
        assert sys.stdout.encoding

    worker = sim.create_function("worker", handler)
    worker.invoke()
    assert ["one", "two", "three", "four", "five"] == worker.invocations[0].log
    assert ("one\ntwo\nfive", "four\n") == capsys.readouterr()


@pytest.mark.rule("LAM-047")
def test_interleaved_handlers_print_each_to_its_own_log():
    def handler(event, context):
        print("before", event)  # noqa: T201
        context.sleep(1)
        print("after", event)  # noqa: T201

    sim = Simulation(execution="interleaved")
    worker = sim.create_function("worker", handler, timeout=5)
    real = sys.stdout
    for number in range(2):
        worker.invoke(number, invocation_type="Event")
    sim.run()
    assert [[f"before {n}", f"after {n}"] for n in range(2)] == [each.log for each in worker.invocations]
    assert sys.stdout is real


@pytest.mark.rule("LAM-047")
def test_what_the_init_makes_of_a_stream_writes_to_the_log_of_each_invocation(sim):
    def init():
        log = logging.Logger("mine")  # noqa: LOG001 - it is not to be that of the process
        log.addHandler(logging.StreamHandler(sys.stdout))

        def handler(event, context):
            log.warning("run %s", event)

        return handler

    worker = sim.create_function("worker", init=init)
    for number in range(2):
        worker.invoke(number)
    assert [["run 0"], ["run 1"]] == [invocation.log for invocation in worker.invocations]


@pytest.mark.rule("LAM-047")
def test_a_process_without_streams_has_logs_all_the_same(sim, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    worker = sim.create_function("worker", lambda event, context: print("one"))  # noqa: T201
    worker.invoke()
    assert ["one"] == worker.invocations[0].log


@pytest.mark.rule("LAM-047")
def test_a_stream_that_a_handler_puts_in_place_is_gone_after_its_turn(sim):
    def handler(event, context):
        sys.stdout = None

    real = sys.stdout
    sim.create_function("worker", handler).invoke()
    assert sys.stdout is real
