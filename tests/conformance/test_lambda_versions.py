"""Versions, aliases, changes of a function while it works, and its deletion (LAM-026 to LAM-028, LAM-120)."""

from __future__ import annotations

from contextlib import nullcontext
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import ColdStartModel, Function, Simulation
from lambdasim.errors import LambdaError, ParamValidationError
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
    TooManyRequestsException,
)

US = Decimal("0.000001")
ARN = "arn:aws:lambda:us-east-1:123456789012:function:worker"


def says(text):
    """Return a handler that answers with the text."""
    return lambda event, context: text


async def call(sim, function, *, at=0, **parameters):
    await sim.sleep(at)
    return await function.wait_invoke(**parameters)


def metric(sim, name, statistic="Sum", **dimensions):
    return list(sim.metrics.series("AWS/Lambda", name, statistic, FunctionName="worker", **dimensions))


def reaped(sim):
    """Return the instants and names of the environments that ended."""
    kind = "environment reaped"
    return [(record.at_us, record.details["environment"]) for record in sim.trace.records if record.kind == kind]


# ---- LAM-026: versions


@pytest.mark.rule("LAM-026")
def test_versions_are_numbered_from_1_and_one_without_a_change_is_the_last_one_again(sim):
    worker = sim.create_function("worker", says("one"))
    first = worker.publish_version("the first")
    assert (first.version, first.description, first.function_arn) == ("1", "the first", f"{ARN}:1")
    assert worker.publish_version() == first
    worker.update_function_code(says("two"))
    assert worker.publish_version().version == "2"
    assert worker.publish_version().version == "2"
    worker.update_function_configuration(timeout=9)
    assert worker.publish_version().version == "3"
    assert [each.version for each in worker.list_versions_by_function()] == ["$LATEST", "1", "2", "3"]


@pytest.mark.rule("LAM-026")
@pytest.mark.parametrize(
    "change",
    [{"timeout": 5}, {"memory_size": 256}, {"environment": {"KEY": "v"}}, {"duration": 2}],
    ids=lambda change: next(iter(change)),
)
def test_any_change_makes_the_next_version_a_new_one(sim, change):
    worker = sim.create_function("worker", says("one"))
    worker.publish_version()
    worker.update_function_configuration(**change)
    assert worker.publish_version().version == "2"


@pytest.mark.rule("LAM-026")
def test_invoking_and_reserving_are_no_changes(sim):
    worker = sim.create_function("worker", says("one"))
    worker.publish_version()
    worker.invoke()
    worker.put_function_concurrency(3)
    worker.create_alias("live", "1")
    assert worker.publish_version().version == "1"


@pytest.mark.rule("LAM-026")
def test_a_number_is_never_given_twice(sim):
    worker = sim.create_function("worker", says("one"))
    worker.publish_version()
    worker.update_function_code(says("two"))
    worker.publish_version()
    worker.delete_function(qualifier="2")
    assert worker.publish_version().version == "3"
    worker.delete_function(qualifier="3")
    worker.update_function_code(says("four"))
    assert worker.publish_version().version == "4"
    assert [each.version for each in worker.list_versions_by_function()] == ["$LATEST", "1", "4"]


@pytest.mark.rule("LAM-026")
def test_more_than_nine_versions_are_listed_in_order_of_their_numbers(sim):
    worker = sim.create_function("worker", says("0"))
    for number in range(1, 13):
        worker.update_function_code(says(str(number)))
        worker.publish_version()
    listed = [each.version for each in worker.list_versions_by_function()]
    assert listed == ["$LATEST", *map(str, range(1, 13))]


@pytest.mark.rule("LAM-026")
def test_a_version_keeps_code_and_configuration_and_latest_goes_on(sim):
    worker = sim.create_function(
        "worker",
        lambda event, context: ["old", context.memory_limit_in_mb, context.get_remaining_time_in_millis()],
        timeout=5,
        environment={"KEY": "old"},
        description="old",
        duration=1,
    )
    worker.publish_version()
    frozen = worker.get_function_configuration("1")
    worker.update_function_code(
        lambda event, context: ["new", context.memory_limit_in_mb, context.get_remaining_time_in_millis()], duration=2
    )
    worker.update_function_configuration(timeout=6, memory_size=512, environment={"KEY": "new"}, description="new")
    assert worker.get_function_configuration("1") == frozen
    assert (frozen.version, frozen.timeout, frozen.memory_size, dict(frozen.environment)) == (
        "1",
        5,
        128,
        {"KEY": "old"},
    )
    latest = worker.get_function_configuration("$LATEST")
    assert (latest.version, latest.function_arn) == ("$LATEST", f"{ARN}:$LATEST")
    assert (latest.timeout, latest.memory_size, latest.description) == (6, 512, "new")
    assert worker.invoke(qualifier="1").value == ["old", "128", 5_000]
    assert sim.now == 1
    assert worker.invoke().value == ["new", "512", 6_000]
    assert sim.now == 3
    old, new = worker.invocations
    assert (old.version, old.billed_ms, new.version, new.billed_ms) == ("1", 1_000, "$LATEST", 2_000)
    assert worker.billed_mb_ms == 1_000 * 128 + 2_000 * 512


@pytest.mark.rule("LAM-026", "LAM-101")
def test_each_version_times_out_by_its_own_timeout(sim):
    worker = sim.create_function("worker", duration=2, timeout=1)
    worker.publish_version()
    worker.update_function_configuration(timeout=2)
    assert "timed out after 1.00 seconds" in worker.invoke(qualifier="1").value["errorMessage"]
    assert sim.now == 1
    assert worker.invoke().function_error is None
    assert sim.now == 3


@pytest.mark.rule("LAM-026")
def test_the_failure_rate_of_a_version_is_that_of_its_publishing(sim):
    worker = sim.create_function("worker", failure_rate=1)
    worker.publish_version()
    worker.update_function_configuration(failure_rate=0)
    assert worker.invoke(qualifier="1").function_error == "Unhandled"
    assert worker.invoke().function_error is None


@pytest.mark.rule("LAM-026", "LAM-062")
def test_each_form_of_qualifier_answers_with_the_version_that_ran(sim):
    worker = sim.create_function("worker", says("one"))
    worker.publish_version()
    worker.update_function_code(says("two"))
    worker.publish_version()
    worker.create_alias("live", "2")
    worker.update_function_code(says("three"))
    table = {None: ("$LATEST", "three"), "$LATEST": ("$LATEST", "three"), "1": ("1", "one"), "live": ("2", "two")}
    for qualifier, wanted in table.items():
        result = worker.invoke(qualifier=qualifier)
        assert (result.executed_version, result.value) == wanted


@pytest.mark.rule("LAM-120", "LAM-026")
def test_an_environment_belongs_to_one_version(sim):
    worker = sim.create_function("worker", says("one"))
    worker.publish_version()
    worker.create_alias("live", "1")
    for qualifier in (None, "1", "live", "$LATEST", "1"):
        worker.invoke(qualifier=qualifier)
    assert [invocation.is_cold_start for invocation in worker.invocations] == [True, True, False, False, False]
    assert worker.snapshot().cold_starts == 2


@pytest.mark.rule("LAM-120", "LAM-129")
def test_concurrency_counts_the_busy_environments_of_all_versions(sim):
    worker = sim.create_function("worker", says("one"), duration=1)
    worker.publish_version()
    for qualifier in (None, "1", "1"):
        sim.spawn(call(sim, worker, qualifier=qualifier))
    sim.run(until=0.5)
    snapshot = worker.snapshot()
    assert (snapshot.in_flight, snapshot.busy, snapshot.environments) == (3, 3, 3)
    assert worker.in_flight == 3
    sim.run()
    snapshot = worker.snapshot()
    assert (snapshot.in_flight, snapshot.busy, snapshot.idle, snapshot.invocations) == (0, 0, 3, 3)
    sim.check_invariants()


@pytest.mark.rule("LAM-127", "LAM-120")
@pytest.mark.parametrize(("at", "is_cold"), [(600.1 - 0.000001, False), (600.1, True)])
def test_environments_of_versions_are_reclaimed_too(sim, at, is_cold):
    worker = sim.create_function("worker", says("one"))
    worker.publish_version()
    worker.invoke(qualifier="1")
    sim.run(until=at)
    worker.invoke(qualifier="1")
    assert worker.invocations[1].is_cold_start is is_cold


# ---- LAM-026: aliases


@pytest.fixture
def worker(sim):
    """A function with versions 1 and 2, and the alias `live`, which points to 1."""
    worker = sim.create_function("worker", says("one"))
    worker.publish_version()
    worker.update_function_code(says("two"))
    worker.publish_version()
    worker.update_function_code(says("three"))
    worker.create_alias("live", "1", description="what customers get")
    return worker


@pytest.mark.rule("LAM-026")
def test_an_alias_points_to_one_version_and_can_be_moved(worker):
    alias = worker.get_alias("live")
    assert (alias.name, alias.alias_arn, alias.function_version) == ("live", f"{ARN}:live", "1")
    assert alias.description == "what customers get"
    moved = worker.update_alias("live", function_version="2")
    assert (moved.function_version, moved.description) == ("2", "what customers get")
    assert moved == worker.get_alias("live")
    assert worker.invoke(qualifier="live").value == "two"
    described = worker.update_alias("live", description="for all")
    assert (described.function_version, described.description) == ("2", "for all")


@pytest.mark.rule("LAM-026")
def test_aliases_are_listed_also_by_version(worker):
    worker.create_alias("test", "2")
    worker.create_alias("blue", "1")
    assert {alias.name for alias in worker.list_aliases()} == {"live", "test", "blue"}
    assert {alias.name for alias in worker.list_aliases(function_version="1")} == {"live", "blue"}
    assert [alias.name for alias in worker.list_aliases(function_version="2")] == ["test"]
    worker.delete_alias("test")
    assert worker.list_aliases(function_version="2") == ()


@pytest.mark.rule("LAM-026")
def test_the_configuration_behind_an_alias_is_that_of_its_version(worker):
    found = worker.get_function_configuration("live")
    assert (found.version, found.function_arn) == ("1", f"{ARN}:live")


@pytest.mark.rule("LAM-026", "LAM-065")
def test_a_deleted_alias_is_not_found(worker):
    worker.delete_alias("live")
    with pytest.raises(ResourceNotFoundException) as refusal:
        worker.invoke(qualifier="live")
    assert refusal.value.message == f"Function not found: {ARN}:live"
    assert worker.list_aliases() == ()
    assert worker.invoke(qualifier="1").value == "one"


@pytest.mark.rule("LAM-026")
def test_an_alias_does_not_point_to_an_alias(worker):
    with pytest.raises(LambdaError):
        worker.create_alias("dev", "live")
    with pytest.raises(LambdaError):
        worker.update_alias("live", function_version="live")
    assert [(alias.name, alias.function_version) for alias in worker.list_aliases()] == [("live", "1")]


@pytest.mark.rule("LAM-026", "LAM-027")
def test_an_alias_of_latest_follows_it(sim, worker):
    seen = []

    def look(event, context):
        seen.append((context.function_version, context.invoked_function_arn))

    worker.create_alias("dev", "$LATEST")
    assert worker.get_alias("dev").function_version == "$LATEST"
    assert worker.invoke(qualifier="dev").value == "three"
    worker.update_function_code(says("four"))
    result = worker.invoke(qualifier="dev")
    assert (result.value, result.executed_version) == ("four", "$LATEST")
    worker.update_function_configuration(timeout=9)
    assert worker.get_function_configuration("dev").timeout == 9
    worker.update_function_code(look)
    worker.invoke(qualifier="dev")
    assert seen == [("$LATEST", f"{ARN}:dev")]
    worker.update_alias("dev", function_version="1")
    worker.update_function_code(says("five"))
    assert worker.invoke(qualifier="dev").value == "one"
    worker.update_alias("dev", function_version="$LATEST")
    assert worker.invoke(qualifier="dev").value == "five"
    assert worker.invoke(qualifier="live").value == "one"


@pytest.mark.rule("LAM-026", "LAM-170", "LAM-171")
def test_nothing_is_provisioned_for_an_alias_of_latest(worker):
    text = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    worker.create_alias("dev", "$LATEST")
    with pytest.raises(InvalidParameterValueException) as refusal:
        worker.put_provisioned_concurrency_config("dev", 1)
    assert refusal.value.message == text
    worker.put_provisioned_concurrency_config("live", 1)
    with pytest.raises(InvalidParameterValueException) as refusal:
        worker.update_alias("live", function_version="$LATEST")
    assert refusal.value.message == text
    assert worker.get_alias("live").function_version == "1"


@pytest.mark.rule("LAM-026", "LAM-261")
def test_the_metrics_of_an_alias_and_a_version_outlive_them(sim, worker):
    for qualifier in ("live", "live", "2"):
        worker.invoke(qualifier=qualifier)
    worker.delete_alias("live")
    worker.create_alias("live", "2")
    worker.invoke(qualifier="live")
    worker.delete_alias("live")
    worker.delete_function(qualifier="2")
    sim.run(until=60)
    assert metric(sim, "Invocations") == [(0, 4)]
    assert metric(sim, "Invocations", Resource="worker:live") == [(0, 3)]
    assert metric(sim, "Invocations", Resource="worker:2") == [(0, 1)]
    assert metric(sim, "Invocations", Resource="worker:live", ExecutedVersion="1") == [(0, 2)]
    assert metric(sim, "Invocations", Resource="worker:live", ExecutedVersion="2") == [(0, 1)]
    assert metric(sim, "Duration", "SampleCount", Resource="worker:live") == [(0, 3)]


@pytest.mark.rule("LAM-026")
@pytest.mark.parametrize(
    ("at", "version"), [(1 - US, "1"), (Decimal(1), "2"), (1 + US, "2")], ids=["before", "at", "after"]
)
def test_a_moved_alias_counts_from_its_instant(sim, worker, at, version):
    sim.call_at(1, lambda: worker.update_alias("live", function_version="2"))
    task = sim.spawn(call(sim, worker, at=at, qualifier="live"))
    sim.run()
    assert task.result().executed_version == version


@pytest.mark.rule("LAM-026", "LAM-027")
def test_a_request_admitted_through_an_alias_stays_with_its_version(sim):
    worker = sim.create_function("worker", says("one"), settings=[ColdStartModel(init_s=5)])
    worker.publish_version()
    worker.update_function_code(says("two"))
    worker.publish_version()
    worker.create_alias("live", "1")
    task = sim.spawn(call(sim, worker, qualifier="live"))
    sim.run(until=1)
    worker.update_alias("live", function_version="2")
    sim.run()
    assert (task.result().executed_version, task.result().value) == ("1", "one")
    assert worker.invocations[0].qualifier == "live"


@pytest.mark.rule("LAM-026", "LAM-028")
def test_a_version_that_an_alias_points_to_cannot_be_deleted(worker):
    worker.create_alias("blue", "1")
    with pytest.raises(ResourceConflictException) as refusal:
        worker.delete_function(qualifier="1")
    assert refusal.value.message.startswith("Unable to delete version because the following aliases reference it: [")
    assert "live" in refusal.value.message
    assert "blue" in refusal.value.message
    assert worker.invoke(qualifier="1").value == "one"
    worker.delete_alias("live")
    worker.delete_alias("blue")
    worker.delete_function(qualifier="1")
    with pytest.raises(ResourceNotFoundException):
        worker.invoke(qualifier="1")
    assert [each.version for each in worker.list_versions_by_function()] == ["$LATEST", "2"]


@pytest.mark.rule("LAM-028")
def test_a_deleted_version_lets_its_work_end_and_leaves_the_function_alone(sim):
    worker = sim.create_function("worker", says("one"), duration=2)
    worker.publish_version()
    task = sim.spawn(call(sim, worker, qualifier="1"))
    sim.run(until=1)
    worker.delete_function(qualifier="1")
    sim.run(until=3)
    assert task.result().value == "one"
    assert worker.snapshot().environments == 0
    assert worker.invoke().value == "one"
    sim.check_invariants()


@pytest.mark.rule("LAM-026")
def test_latest_cannot_be_deleted_alone(worker):
    with pytest.raises(InvalidParameterValueException) as refusal:
        worker.delete_function(qualifier="$LATEST")
    assert refusal.value.message == "$LATEST version cannot be deleted without deleting the function."
    assert worker.invoke().value == "three"


# ---- LAM-027: changes while the function works


def new_code(worker):
    worker.update_function_code(says("new"))


def new_timeout(worker):
    worker.update_function_configuration(timeout=9)


def new_memory(worker):
    worker.update_function_configuration(memory_size=512)


def new_variables(worker):
    worker.update_function_configuration(environment={"KEY": "new"})


CHANGES = [new_code, new_timeout, new_memory, new_variables]


@pytest.mark.rule("LAM-027")
@pytest.mark.parametrize("change", CHANGES)
def test_idle_environments_of_latest_go_at_once_and_those_of_versions_stay(sim, change):
    worker = sim.create_function("worker", says("old"))
    worker.publish_version()
    for qualifier in (None, "1"):
        worker.invoke(qualifier=qualifier)
    assert worker.snapshot().idle == 2
    change(worker)
    assert (worker.snapshot().idle, worker.snapshot().environments) == (1, 1)
    assert reaped(sim) == [(200_000, "A")]
    worker.invoke(qualifier="1")
    worker.invoke()
    assert [invocation.is_cold_start for invocation in worker.invocations[2:]] == [False, True]
    sim.check_invariants()


@pytest.mark.rule("LAM-027")
@pytest.mark.parametrize("change", CHANGES)
def test_busy_environments_of_latest_go_when_they_finish_and_those_of_versions_stay(sim, change):
    worker = sim.create_function("worker", says("old"), duration=2)
    worker.publish_version()
    tasks = [sim.spawn(call(sim, worker, qualifier=qualifier)) for qualifier in (None, "1")]
    sim.run(until=1)
    change(worker)
    assert worker.snapshot().environments == 2
    sim.run(until=2 - US)
    assert worker.snapshot().busy == 2
    sim.run(until=2)
    assert (worker.snapshot().environments, worker.snapshot().idle) == (1, 1)
    assert reaped(sim) == [(2_000_000, "A")]
    assert [task.result().value for task in tasks] == ["old", "old"]
    worker.invoke()
    assert worker.invocations[-1].is_cold_start
    assert worker.invocations[-1].environment is not worker.invocations[0].environment
    sim.check_invariants()


@pytest.mark.rule("LAM-027")
@pytest.mark.parametrize(
    ("at", "wanted"), [(1 - US, "old"), (Decimal(1), "new"), (1 + US, "new")], ids=["before", "at", "after"]
)
def test_a_change_applies_to_requests_admitted_after_it(sim, at, wanted):
    worker = sim.create_function("worker", says("old"), settings=[ColdStartModel(init_s=5)])
    sim.call_at(1, worker.update_function_code, says("new"))
    task = sim.spawn(call(sim, worker, at=at))
    sim.run()
    assert task.result().value == wanted


@pytest.mark.rule("LAM-027", "LAM-002")
def test_of_one_instant_the_order_of_creation_decides(sim):
    worker = sim.create_function("worker", says("old"), settings=[ColdStartModel(init_s=5)])
    before = sim.spawn(call(sim, worker, at=1))
    sim.run(until=0)  # its turn of the first second is on the agenda
    sim.call_at(1, worker.update_function_code, says("new"))
    after = sim.spawn(call(sim, worker, at=1))
    sim.run()
    assert [task.result().value for task in (before, after)] == ["old", "new"]


@pytest.mark.rule("LAM-027")
def test_what_was_admitted_keeps_its_timeout_memory_and_duration(sim):
    worker = sim.create_function(
        "worker",
        lambda event, context: [context.memory_limit_in_mb, context.get_remaining_time_in_millis()],
        timeout=3,
        duration=2,
        settings=[ColdStartModel(init_s=5)],
    )
    task = sim.spawn(call(sim, worker))
    sim.run(until=1)
    worker.update_function_configuration(timeout=9, memory_size=512, duration=4)
    sim.run(until=20)
    assert task.result().value == ["128", 3_000]
    (invocation,) = worker.invocations
    assert invocation.duration_us == 2_000_000
    assert worker.billed_mb_ms == 7_000 * 128
    assert "Memory Size: 128 MB" in invocation.log_lines[-1]
    assert worker.invoke().value == ["512", 9_000]
    assert worker.invocations[1].duration_us == 4_000_000


@pytest.mark.rule("LAM-027", "LAM-101")
@pytest.mark.parametrize("handler", [None, says("done")], ids=["none", "plain"])
def test_a_longer_timeout_does_not_save_what_was_admitted_under_the_shorter_one(sim, handler):
    worker = sim.create_function("worker", handler, timeout=1, duration=5)
    task = sim.spawn(call(sim, worker))
    sim.run(until=0.5)
    worker.update_function_configuration(timeout=10)
    sim.run()
    assert "timed out after 1.00 seconds" in task.result().value["errorMessage"]
    assert worker.invocations[0].duration_us == 1_000_000
    assert worker.invoke().function_error is None


@pytest.mark.rule("LAM-027")
def test_a_handler_that_sleeps_while_its_code_is_changed_ends_as_it_began(sim):
    async def handler(event, context):
        await context.sleep(2)
        return "old"

    worker = sim.create_function("worker", handler)
    task = sim.spawn(call(sim, worker))
    sim.run(until=1)
    worker.update_function_code(says("new"))
    assert worker.invoke().value == "new"
    sim.run(until=5)
    assert task.result().value == "old"
    assert worker.snapshot().environments == 1


@pytest.mark.rule("LAM-027", "LAM-123")
def test_a_request_that_waits_for_its_placement_is_served_by_the_factory_of_its_admission(sim):
    made = []

    def factory(name):
        def make():
            made.append((name, sim.now))
            return says(name)

        return make

    worker = sim.create_function("worker", init=factory("old"), settings=[ColdStartModel(placement_s=2, init_s=2)])
    task = sim.spawn(call(sim, worker))
    sim.run(until=1)
    worker.update_function_code(init=factory("new"))
    other = sim.spawn(call(sim, worker))
    sim.run()
    assert made == [("old", 2), ("new", 3)]
    assert [task.result().value, other.result().value] == ["old", "new"]


@pytest.mark.rule("LAM-027")
def test_what_a_change_of_code_does_not_name_stays(sim):
    worker = sim.create_function("worker", says("old"), duration=2, environment={"KEY": "v"}, timeout=9)
    worker.update_function_code(says("new"))
    worker.invoke()
    assert sim.now == 2
    worker.update_function_code(duration=1)
    assert worker.invoke().value == "new"
    assert sim.now == 3
    found = worker.get_function_configuration()
    assert (found.timeout, dict(found.environment)) == (9, {"KEY": "v"})


@pytest.mark.rule("LAM-027")
def test_code_can_become_a_factory_and_plain_again(sim):
    worker = sim.create_function("worker", says("plain"))
    worker.update_function_code(init=lambda: says("made"))
    assert worker.invoke().value == "made"
    worker.update_function_code(says("plain again"))
    assert worker.invoke().value == "plain again"


@pytest.mark.rule("LAM-027", "LAM-026")
def test_state_of_an_old_environment_is_not_seen_by_new_code(sim):
    def handler(event, context):
        context.environment.state["runs"] = context.environment.state.get("runs", 0) + 1
        return context.environment.state["runs"]

    worker = sim.create_function("worker", handler)
    worker.publish_version()
    assert [worker.invoke(qualifier=qualifier).value for qualifier in (None, None, "1", "1")] == [1, 2, 1, 2]
    worker.update_function_configuration(environment={"KEY": "v"})
    assert [worker.invoke(qualifier=qualifier).value for qualifier in (None, "1")] == [1, 3]


# ---- LAM-028: deletion


def operations(sim, worker):
    """Every call on a function, by name."""
    return {
        "invoke": worker.invoke,
        "invoke event": lambda: worker.invoke(invocation_type="Event"),
        "dry run": lambda: worker.invoke(invocation_type="DryRun"),
        "invoke a version": lambda: worker.invoke(qualifier="$LATEST"),
        "invoke by name": lambda: sim.invoke("worker"),
        "invoke async": lambda: worker.invoke_async({}),
        "get": worker.get_function_configuration,
        "configure": lambda: worker.update_function_configuration(timeout=5),
        "code": lambda: worker.update_function_code(says("new")),
        "publish": worker.publish_version,
        "versions": worker.list_versions_by_function,
        "aliases": worker.list_aliases,
        "alias": lambda: worker.create_alias("blue", "1"),
        "reserve": lambda: worker.put_function_concurrency(1),
        "unreserve": worker.delete_function_concurrency,
        "reserved": worker.get_function_concurrency,
        "delete again": worker.delete_function,
        "find": lambda: sim.function("worker"),
        "find by arn": lambda: sim.function(ARN),
        "find by object": lambda: sim.function(worker),
    }


OPERATIONS = list(operations(Simulation(), Simulation().create_function("worker")))


@pytest.mark.rule("LAM-028", "LAM-065")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_can_be_called_on_a_deleted_function(sim, worker, operation):
    operations(sim, worker)["get"]()
    worker.delete_function()
    with pytest.raises(ResourceNotFoundException) as refusal:
        operations(sim, worker)[operation]()
    assert refusal.value.message == f"Function not found: {ARN}:$LATEST"
    assert sim.functions == ()
    assert sim.list_functions().functions == ()


@pytest.mark.rule("LAM-028", "LAM-065")
@pytest.mark.parametrize("qualifier", ["$LATEST", "1", "live"])
@pytest.mark.parametrize("kind", ["RequestResponse", "Event", "DryRun"])
def test_qualifiers_of_a_deleted_function_are_gone_with_it_though_they_were_used(sim, worker, qualifier, kind):
    worker.invoke(qualifier=qualifier, invocation_type=kind)
    sim.run()
    before = worker.snapshot().invocations
    worker.delete_function()
    with pytest.raises(ResourceNotFoundException) as refusal:
        worker.invoke(qualifier=qualifier, invocation_type=kind)
    assert refusal.value.message == f"Function not found: {ARN}:{qualifier}"
    sim.run()
    assert worker.snapshot().invocations == before


@pytest.mark.rule("LAM-028", "LAM-158")
def test_reserved_concurrency_is_given_back_at_once(sim):
    worker = sim.create_function("worker", reserved_concurrent_executions=900)
    assert sim.get_account_settings().unreserved_concurrent_executions == 100
    worker.delete_function()
    assert sim.get_account_settings().unreserved_concurrent_executions == 1_000
    other = sim.create_function("other")
    other.put_function_concurrency(900)
    sim.check_invariants()


@pytest.mark.rule("LAM-028", "LAM-129")
def test_environments_go_with_their_function_or_version_the_busy_ones_as_they_finish(sim):
    worker = sim.create_function("worker", says("done"), duration=1)
    worker.publish_version()
    for qualifier in (None, "1"):
        worker.invoke(qualifier=qualifier)  # A, and B
    tasks = [sim.spawn(call(sim, worker, qualifier=qualifier)) for qualifier in (None, "1", "1")]  # C is new
    sim.run(until=2.5)
    sim.spawn(call(sim, worker))  # D
    sim.run(until=3.25)
    assert (worker.snapshot().busy, worker.snapshot().idle) == (1, 3)
    worker.delete_function(qualifier="1")
    assert reaped(sim) == [(3_250_000, "C"), (3_250_000, "B")] or reaped(sim) == [(3_250_000, "B"), (3_250_000, "C")]
    worker.delete_function()
    assert len(reaped(sim)) == 3
    assert (worker.snapshot().busy, worker.snapshot().idle) == (1, 0)
    sim.run(until=4)
    assert reaped(sim)[3:] == [(3_500_000, "D")]
    assert worker.snapshot().environments == 0
    assert all(task.is_done for task in tasks)


@pytest.mark.rule("LAM-028", "LAM-174")
def test_provisioned_concurrency_is_given_back_at_once(sim):
    worker = sim.create_function("worker", says("one"))
    worker.publish_version()
    worker.put_provisioned_concurrency_config("1", 900)
    other = sim.create_function("other", says("one"))
    other.publish_version()
    with pytest.raises(InvalidParameterValueException):
        other.put_provisioned_concurrency_config("1", 900)
    worker.delete_function()
    other.put_provisioned_concurrency_config("1", 900)
    assert sim.claimed_share == 90
    sim.run(until=100)
    sim.check_invariants()


@pytest.mark.rule("LAM-028")
@pytest.mark.parametrize("reserved", [None, 2])
@pytest.mark.parametrize("handler", [None, says("done")], ids=["none", "plain"])
def test_work_in_flight_ends_is_answered_counted_and_billed(reserved, handler):
    sim = Simulation(concurrent_executions=102)
    worker = sim.create_function("worker", handler, duration=3, reserved_concurrent_executions=reserved)
    tasks = [sim.spawn(call(sim, worker)) for _ in range(2)]
    sim.run(until=1)
    worker.delete_function()
    assert worker.in_flight == 2
    sim.check_invariants()
    sim.run(until=3 - US)
    assert not any(task.is_done for task in tasks)
    sim.run(until=60)
    assert [task.result().status_code for task in tasks] == [200, 200]
    assert worker.in_flight == 0
    assert worker.billed_mb_ms == 2 * 3_000 * 128
    assert metric(sim, "Invocations") == [(0, 2)]
    assert metric(sim, "Errors") == [(0, 0)]
    assert metric(sim, "Duration") == [(0, 6_000)]
    assert metric(sim, "ConcurrentExecutions", "Maximum") == [(0, 2)]
    sim.check_invariants()


@pytest.mark.rule("LAM-028")
def test_work_in_flight_that_fails_after_the_deletion_is_an_error(sim):
    async def handler(event, context):
        await context.sleep(1)
        raise ValueError

    worker = sim.create_function("worker", handler)
    task = sim.spawn(call(sim, worker))
    sim.run(until=0.5)
    worker.delete_function()
    sim.run(until=60)
    assert task.result().value["errorType"] == "ValueError"
    assert metric(sim, "Errors") == [(0, 1)]


@pytest.mark.rule("LAM-028")
def test_work_in_flight_holds_its_concurrency_to_its_end():
    sim = Simulation(concurrent_executions=1)
    worker = sim.create_function("worker", duration=2)
    other = sim.create_function("other")
    sim.spawn(call(sim, worker))
    sim.run(until=1)
    worker.delete_function()
    with pytest.raises(TooManyRequestsException):
        other.invoke()
    sim.run(until=2)
    assert other.invoke().status_code == 200


@pytest.mark.rule("LAM-028")
def test_a_request_in_its_cold_start_runs_though_the_function_is_deleted_meanwhile(sim):
    ran = []
    worker = sim.create_function("worker", lambda *_: ran.append(sim.now), settings=[ColdStartModel(init_s=5)])
    task = sim.spawn(call(sim, worker))
    sim.run(until=1)
    worker.delete_function()
    sim.run()
    assert ran == [5]
    assert task.result().function_error is None


@pytest.mark.rule("LAM-028", "LAM-046", "LAM-026")
def test_a_function_made_again_is_new_but_goes_on_counting_its_requests(sim):
    seen = []

    def handler(event, context):
        seen.append((context.aws_request_id, dict(context.environment.state)))
        context.environment.state["kept"] = True

    first = sim.create_function("worker", handler, timeout=9)
    first.publish_version()
    first.create_alias("live", "1")
    first.update_function_configuration(description="changed")
    first.publish_version()
    for _ in range(2):
        first.invoke()
    first.delete_function()
    second = sim.create_function("worker", handler)
    assert sim.function("worker") is second
    assert second is not first
    assert (second.timeout, second.list_aliases(), len(second.list_versions_by_function())) == (3, (), 1)
    assert second.get_function_concurrency().reserved_concurrent_executions is None
    second.invoke()
    assert metric(sim, "Invocations") == [(0, 3)]
    assert second.invocations[0].is_cold_start
    assert seen[2][1] == {}
    assert len({request_id for request_id, _ in seen}) == 3
    assert second.publish_version().version == "1"
    with pytest.raises(ResourceNotFoundException):
        first.invoke()


@pytest.mark.rule("LAM-028", "LAM-046")
def test_requests_of_a_function_made_again_have_the_ids_of_one_that_was_never_deleted():
    def ids(*, deletes):
        sim = Simulation(seed=3)
        found = []

        def handler(event, context):
            found.append(context.aws_request_id)

        worker = sim.create_function("worker", handler)
        for number in range(4):
            if number == 2 and deletes:
                worker.delete_function()
                worker = sim.create_function("worker", handler)
            worker.invoke()
        return found

    assert ids(deletes=True) == ids(deletes=False)


@pytest.mark.rule("LAM-028", "ESM-055", "ESM-152")
def test_a_mapping_of_a_deleted_function_runs_nothing_more_and_loses_no_message(sim, queue):
    ran = []
    worker = sim.create_function("worker", lambda *_: ran.append(sim.now))
    sim.create_event_source_mapping(queue, worker)
    queue.send_message("before")
    sim.run(until=1)
    worker.delete_function()
    queue.send_message("after")
    sim.run(until=200)
    assert ran == [0]
    left = queue.snapshot()
    assert (left.deleted, left.visible + left.in_flight) == (1, 1)
    assert metric(sim, "Invocations") == [(0, 1)]
    assert metric(sim, "Throttles") == []


@pytest.mark.rule("LAM-021", "LAM-026")
def test_a_mapping_invokes_the_alias_that_it_was_made_for(sim, queue, worker):
    seen = []
    worker.update_function_code(lambda event, context: seen.append((context.function_version, sim.now)))
    for _ in range(2):
        worker.publish_version()
        worker.update_function_configuration(timeout=9)
    worker.update_alias("live", function_version="3")
    mapping = sim.create_event_source_mapping(queue, "worker:live", batch_size=1)
    assert (mapping.qualifier, mapping.function_arn) == ("live", f"{ARN}:live")
    queue.send_message("a")
    sim.run(until=1)
    worker.update_alias("live", function_version="4")
    queue.send_message("b")
    sim.run(until=2)
    assert seen == [("3", 0), ("4", 1)]
    assert [invocation.qualifier for invocation in worker.invocations] == ["live", "live"]
    assert queue.snapshot().deleted == 2


@pytest.mark.rule("LAM-021", "LAM-065")
@pytest.mark.parametrize("ref", ["worker:9", "worker:nobody", "nobody:live"])
def test_a_mapping_of_a_version_or_alias_that_is_not_there_is_refused(sim, queue, worker, ref):
    with pytest.raises(InvalidParameterValueException, match="Function does not exist"):
        sim.create_event_source_mapping(queue, ref)


@pytest.mark.rule("LAM-026", "ESM-152")
@pytest.mark.parametrize(
    ("qualifier", "remove"),
    [("live", lambda worker: worker.delete_alias("live")), ("2", lambda worker: worker.delete_function(qualifier="2"))],
    ids=["alias", "version"],
)
def test_a_mapping_of_a_deleted_alias_or_version_runs_nothing_more(sim, queue, worker, qualifier, remove):
    sim.create_event_source_mapping(queue, f"worker:{qualifier}")
    queue.send_message("before")
    sim.run(until=1)
    remove(worker)
    queue.send_message("after")
    sim.run(until=200)
    assert worker.snapshot().invocations == 1
    left = queue.snapshot()
    assert (left.deleted, left.visible + left.in_flight) == (1, 1)


# ---- all of it, against a model


NAMES = st.sampled_from(("live", "test"))
NUMBERS = st.integers(1, 4).map(str)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("code")),
        st.tuples(st.just("publish")),
        st.tuples(st.just("delete"), NUMBERS),
        st.tuples(st.just("create alias"), NAMES, NUMBERS),
        st.tuples(st.just("move alias"), NAMES, NUMBERS),
        st.tuples(st.just("delete alias"), NAMES),
    ),
    max_size=30,
)


class Naive:
    """Versions and aliases as three dictionaries; an operation returns the error that it should raise."""

    def __init__(self):
        self.code, self.published, self.last = 0, None, 0
        self.versions, self.aliases = {}, {}

    def apply(self, operation, *arguments):
        return getattr(self, operation.replace(" ", "_"))(*arguments)

    def publish(self):
        if self.published != self.code or str(self.last) not in self.versions:
            self.last += 1
            self.versions[str(self.last)] = self.published = self.code

    def delete(self, number):
        if number in self.aliases.values():
            return ResourceConflictException
        self.versions.pop(number, None)
        return None

    def create_alias(self, name, number):
        if number not in self.versions:
            return ResourceNotFoundException
        if name in self.aliases:
            return ResourceConflictException
        self.aliases[name] = number
        return None

    def move_alias(self, name, number):
        if name not in self.aliases or number not in self.versions:
            return ResourceNotFoundException
        self.aliases[name] = number
        return None

    def delete_alias(self, name):
        self.aliases.pop(name, None)

    def answers(self):
        """Return what each qualifier should run; None where there is nothing."""
        found = {qualifier: self.versions.get(qualifier) for qualifier in map(str, range(1, 6))}
        found |= {name: self.versions.get(self.aliases.get(name)) for name in ("live", "test")}
        return found | {"$LATEST": self.code, None: self.code}


@pytest.mark.rule("LAM-026", "LAM-027", "LAM-028")
@given(steps=STEPS)
def test_versions_and_aliases_are_what_three_dictionaries_would_be(steps):
    sim = Simulation(concurrent_executions=10_000)
    worker, naive = sim.create_function("worker", says(0), duration=0), Naive()

    def code():
        naive.code += 1
        worker.update_function_code(says(naive.code))

    real = {
        "publish": worker.publish_version,
        "delete": lambda number: worker.delete_function(qualifier=number),
        "create alias": worker.create_alias,
        "move alias": lambda name, number: worker.update_alias(name, function_version=number),
        "delete alias": worker.delete_alias,
    }
    for operation, *arguments in steps:
        if operation == "code":
            code()
        else:
            wanted = naive.apply(operation, *arguments)
            with nullcontext() if wanted is None else pytest.raises(wanted):
                real[operation](*arguments)
        for qualifier, text in naive.answers().items():
            if text is None:
                with pytest.raises(ResourceNotFoundException):
                    worker.invoke(qualifier=qualifier)
            else:
                assert worker.invoke(qualifier=qualifier).value == text
        listed = [each.version for each in worker.list_versions_by_function()]
        assert listed == ["$LATEST", *sorted(naive.versions, key=int)]
        assert {alias.name: alias.function_version for alias in worker.list_aliases()} == naive.aliases
        assert worker.snapshot().environments == 1 + len(naive.versions)
    sim.check_invariants()


@pytest.mark.rule("LAM-026", "LAM-028")
def test_a_function_without_a_simulation_has_versions_and_can_be_deleted(clock):
    worker = Function("worker", says("one"), clock)
    worker.publish_version()
    worker.create_alias("live", "1")
    worker.update_function_code(says("two"))
    assert [worker.invoke(qualifier=qualifier).value for qualifier in (None, "1", "live")] == ["two", "one", "one"]
    worker.delete_function()
    with pytest.raises(ResourceNotFoundException):
        worker.invoke()


@pytest.mark.rule("LAM-026")
@pytest.mark.parametrize("number", [1, [], 1.0])
def test_the_version_of_an_alias_is_a_text(sim, number):
    """When it is made and when it is moved; a refused move changes nothing."""
    worker = sim.create_function("worker")
    worker.publish_version()
    worker.create_alias("live", "1")
    for refused in (
        lambda: worker.create_alias("next", number),
        lambda: worker.update_alias("live", function_version=number),
    ):
        with pytest.raises(ParamValidationError, match="is no text; give '1' or"):
            refused()
    assert worker.get_alias("live").function_version == "1"
