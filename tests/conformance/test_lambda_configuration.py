"""What a function is made of, how it is named, its environment variables, and what its handlers see (LAM §3, §4)."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys

import pytest

from lambdasim import LambdaLimits, Simulation
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    InvalidRequestContentException,
    ResourceNotFoundException,
    ValidationException,
)

ACCOUNT = "arn:aws:lambda:us-east-1:123456789012:function:"
RESERVED_KEYS = (
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
)


def handler_that(look):
    """Return a handler that looks, and the list of what it found."""
    found = []

    def handler(event, context):
        found.append(look(context))

    return handler, found


def compact(variables):
    return json.dumps(variables, ensure_ascii=False, separators=(",", ":"))


# ---- LAM-020: what a function has


@pytest.mark.rule("LAM-020", "LAM-022")
def test_the_configuration_of_a_bare_function_has_awss_defaults(sim):
    sim.run(until=5)
    worker = sim.create_function("worker")
    found = worker.get_function_configuration()
    assert (found.function_name, found.function_arn, found.version) == ("worker", f"{ACCOUNT}worker", "$LATEST")
    assert (found.timeout, found.memory_size, found.architecture) == (3, 128, "x86_64")
    assert (found.description, found.log_group) == ("", "/aws/lambda/worker")
    assert dict(found.environment) == {}
    assert (found.handler, found.dead_letter_target_arn) == (None, None)
    assert (found.state, found.last_modified_at_us) == ("Active", 5_000_000)
    assert (worker.description, worker.log_group, dict(worker.environment_variables)) == ("", "/aws/lambda/worker", {})


@pytest.mark.rule("LAM-020")
def test_the_configuration_has_what_was_given(sim):
    dlq = sim.create_queue("dead")
    worker = sim.create_function(
        "worker",
        lambda event, context: None,
        timeout=60,
        memory_size=512,
        architecture="arm64",
        environment={"TABLE": "orders", "STAGE": "test"},
        log_group="/shared/logs",
        description="Takes orders.",
        dead_letter_target_arn=dlq.arn,
        reserved_concurrent_executions=5,
    )
    found = worker.get_function_configuration()
    assert (found.timeout, found.memory_size, found.architecture) == (60, 512, "arm64")
    assert dict(found.environment) == dict(worker.environment_variables) == {"TABLE": "orders", "STAGE": "test"}
    assert (found.log_group, found.description) == ("/shared/logs", "Takes orders.")
    assert found.dead_letter_target_arn == dlq.arn
    assert (worker.log_group, worker.description) == ("/shared/logs", "Takes orders.")
    assert worker.reserved_concurrent_executions == 5


@pytest.mark.rule("LAM-020", "LAM-043")
def test_a_log_group_of_ones_own_is_what_the_handler_sees(sim):
    handler, found = handler_that(lambda context: (context.log_group_name, os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]))
    sim.create_function("worker", handler, log_group="/shared/logs").invoke()
    assert found == [("/shared/logs", "/shared/logs")]


@pytest.mark.rule("LAM-020", "LAM-021")
def test_a_function_of_another_region_and_account_has_its_own_arn(sim):
    here = sim.create_function("worker")
    handler, found = handler_that(lambda context: (context.invoked_function_arn, os.environ["AWS_REGION"]))
    there = sim.create_function("worker", handler, region="eu-west-1", account_id="210987654321")
    assert there.arn == "arn:aws:lambda:eu-west-1:210987654321:function:worker"
    assert (there.region, here.region) == ("eu-west-1", "us-east-1")
    assert sim.function(there) is there
    assert sim.function("worker") is sim.function(here.arn) is here
    assert sim.function(there.arn) is there
    with pytest.raises(ResourceNotFoundException):
        sim.function("arn:aws:lambda:eu-west-2:210987654321:function:worker")
    there.invoke()
    assert found == [(there.arn, "eu-west-1")]


@pytest.mark.rule("LAM-020")
def test_functions_are_listed_by_name_in_pages(sim):
    for name in ("c", "a", "d", "b"):
        sim.create_function(name, memory_size=256 if name == "a" else 128)
    whole = sim.list_functions()
    assert [each.function_name for each in whole.functions] == ["a", "b", "c", "d"]
    assert whole.next_marker is None
    assert whole.functions[0] == sim.function("a").get_function_configuration()
    first = sim.list_functions(max_items=3)
    assert [each.function_name for each in first.functions] == ["a", "b", "c"]
    assert first.next_marker is not None
    rest = sim.list_functions(max_items=3, marker=first.next_marker)
    assert [each.function_name for each in rest.functions] == ["d"]
    assert rest.next_marker is None
    exact = sim.list_functions(max_items=4)
    assert (len(exact.functions), exact.next_marker) == (4, None)


@pytest.mark.rule("LAM-020", "LAM-158")
def test_the_account_counts_its_functions(sim):
    assert sim.get_account_settings().function_count == 0
    for name in ("a", "b"):
        sim.create_function(name)
    assert sim.get_account_settings().function_count == 2
    sim.function("a").delete_function()
    assert sim.get_account_settings().function_count == 1


@pytest.mark.rule("LAM-022")
@pytest.mark.parametrize(
    ("given", "field", "bound"),
    [
        ({"timeout": 0}, "timeout", "greater than or equal to 1"),
        ({"timeout": 901}, "timeout", "less than or equal to 900"),
        ({"memory_size": 127}, "memorySize", "greater than or equal to 128"),
        ({"memory_size": 10_241}, "memorySize", "less than or equal to 10240"),
    ],
)
def test_a_change_out_of_range_is_refused_and_changes_nothing(sim, given, field, bound):
    worker = sim.create_function("worker")
    before = worker.get_function_configuration()
    with pytest.raises(ValidationException) as refusal:
        worker.update_function_configuration(**{"description": "new", **given})
    (value,) = given.values()
    assert refusal.value.message == (
        f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: "
        f"Member must have value {bound}"
    )
    assert worker.get_function_configuration() == before


@pytest.mark.rule("LAM-022")
@pytest.mark.parametrize(
    "given", [{"timeout": 1}, {"timeout": 900}, {"memory_size": 128}, {"memory_size": 10_240}], ids=str
)
def test_a_change_to_the_ends_of_the_range_is_taken(sim, given):
    worker = sim.create_function("worker", timeout=5, memory_size=256)
    ((name, value),) = given.items()
    assert getattr(worker.update_function_configuration(**given), name) == value
    assert getattr(worker, name) == value


@pytest.mark.rule("LAM-020", "LAM-027")
def test_a_change_of_configuration_touches_what_is_given_and_dates_it(sim):
    worker = sim.create_function("worker", timeout=5, memory_size=256, environment={"KEY": "v"}, description="old")
    before = worker.get_function_configuration()
    sim.run(until=7)
    answer = worker.update_function_configuration(timeout=6, log_group="/other")
    assert answer == worker.get_function_configuration()
    assert (answer.timeout, answer.log_group, answer.last_modified_at_us) == (6, "/other", 7_000_000)
    assert (answer.memory_size, dict(answer.environment), answer.description) == (256, {"KEY": "v"}, "old")
    assert answer.revision_id != before.revision_id
    assert (before.timeout, before.last_modified_at_us) == (5, 0)
    again = worker.update_function_configuration(environment={}, description="new", memory_size=512)
    assert (dict(again.environment), again.description, again.memory_size, again.timeout) == ({}, "new", 512, 6)


@pytest.mark.rule("LAM-020")
def test_the_name_of_a_handler_by_text_is_in_the_configuration(sim):
    assert sim.create_function("worker", "json.dumps").get_function_configuration().handler == "json.dumps"


# ---- LAM-021: names, ARNs and qualifiers

REFERENCES = ["worker", "123456789012:function:worker", f"{ACCOUNT}worker"]


@pytest.fixture
def published(sim):
    """A function with a version 1, and an alias that points to it."""
    worker = sim.create_function("worker", lambda event, context: [context.function_version, event])
    worker.publish_version()
    worker.create_alias("live", "1")
    return worker


@pytest.mark.rule("LAM-021")
@pytest.mark.parametrize("ref", REFERENCES)
@pytest.mark.parametrize("qualifier", ["$LATEST", "1", "live"])
def test_a_reference_with_a_qualifier_is_the_function(sim, published, ref, qualifier):
    assert sim.function(f"{ref}:{qualifier}") is published


@pytest.mark.rule("LAM-021", "LAM-060", "LAM-062")
@pytest.mark.parametrize("ref", REFERENCES)
@pytest.mark.parametrize(
    ("qualifier", "version"), [(None, "$LATEST"), ("$LATEST", "$LATEST"), ("1", "1"), ("live", "1")]
)
def test_a_function_is_invoked_by_any_reference_with_the_qualifier_inside_or_apart(
    sim, published, ref, qualifier, version
):
    inside = sim.invoke(ref if qualifier is None else f"{ref}:{qualifier}", {"n": 1})
    apart = sim.invoke(ref, {"n": 1}, qualifier=qualifier)
    assert inside == apart
    assert (apart.executed_version, apart.value) == (version, [version, {"n": 1}])


@pytest.mark.rule("LAM-021")
@pytest.mark.parametrize("ref", REFERENCES)
def test_the_same_qualifier_twice_is_one_and_two_that_differ_are_refused(sim, published, ref):
    assert sim.invoke(f"{ref}:live", qualifier="live").executed_version == "1"
    for inside, apart in (("live", "1"), ("1", "live"), ("$LATEST", "1"), ("live", "$LATEST"), ("1", "2")):
        with pytest.raises(InvalidParameterValueException) as refusal:
            sim.invoke(f"{ref}:{inside}", qualifier=apart)
        assert (
            refusal.value.message
            == "The derived qualifier from the function name does not match the specified qualifier."
        )
    assert published.snapshot().invocations == 1


@pytest.mark.rule("LAM-021")
def test_a_function_object_is_a_reference_too(sim, published):
    assert sim.invoke(published, qualifier="live").executed_version == "1"


@pytest.mark.rule("LAM-021")
@pytest.mark.parametrize("name", ["a", "a" * 128, "1a", "a1", "-", "_", "Az09-_", "LATEST"])
def test_legal_names_of_aliases_are_taken(sim, published, name):
    published.create_alias(name, "1")
    assert published.invoke(qualifier=name).executed_version == "1"
    assert sim.invoke(f"worker:{name}").executed_version == "1"


@pytest.mark.rule("LAM-021")
@pytest.mark.parametrize("name", ["", "a" * 129, "1", "123", "a b", "a.b", "a:b", "é", "a\n", "$LATEST", "a$"])
def test_illegal_names_of_aliases_are_refused(published, name):
    with pytest.raises(ValidationException, match="failed to satisfy constraint"):
        published.create_alias(name, "1")
    assert [alias.name for alias in published.list_aliases()] == ["live"]


@pytest.mark.rule("LAM-021", "LAM-065")
@pytest.mark.parametrize("qualifier", ["a" * 129, "a b", "a.b", "é", "a\n"])
def test_a_malformed_qualifier_is_a_validation_error(sim, published, qualifier):
    with pytest.raises(ValidationException, match="failed to satisfy constraint"):
        published.invoke(qualifier=qualifier)
    with pytest.raises(ValidationException, match="failed to satisfy constraint"):
        sim.invoke("worker", qualifier=qualifier)
    with pytest.raises(ValidationException, match="failed to satisfy constraint"):
        sim.invoke(f"worker:{qualifier}")
    assert published.snapshot().invocations == 0


@pytest.mark.rule("LAM-021", "LAM-065")
@pytest.mark.parametrize("name", ["a b", "a.b", "a" * 65, "é", ""])
def test_a_malformed_name_is_a_validation_error_of_the_invoke(sim, name):
    with pytest.raises(ValidationException, match="failed to satisfy constraint"):
        sim.invoke(name)


@pytest.mark.rule("LAM-021", "LAM-065")
@pytest.mark.parametrize("qualifier", ["2", "0", "99", "nobody", "a" * 128])
def test_a_qualifier_of_nothing_is_not_found_under_its_whole_arn(sim, published, qualifier):
    for call in (
        lambda: published.invoke(qualifier=qualifier),
        lambda: sim.invoke(f"worker:{qualifier}"),
        lambda: published.invoke(qualifier=qualifier, invocation_type="Event"),
        lambda: published.invoke(qualifier=qualifier, invocation_type="DryRun"),
    ):
        with pytest.raises(ResourceNotFoundException) as refusal:
            call()
        assert refusal.value.message == f"Function not found: {ACCOUNT}worker:{qualifier}"
        assert refusal.value.http_status == 404
    assert published.snapshot().invocations == 0
    assert published.events == ()


# ---- LAM-024: environment variables


@pytest.mark.rule("LAM-024")
@pytest.mark.parametrize("key", ["AB", "ab", "A1", "A_", "Az_09", "x" * 50, "AWS_THING", "LAMBDA_TASK", "PATH"])
def test_legal_keys_of_variables_are_taken(sim, key):
    worker = sim.create_function("worker", environment={key: "v"})
    assert dict(worker.environment_variables) == {key: "v"}
    other = sim.create_function("other")
    assert dict(other.update_function_configuration(environment={key: "v"}).environment) == {key: "v"}


@pytest.mark.rule("LAM-024")
@pytest.mark.parametrize("key", ["", "A", "1A", "_A", "A-B", "A B", "A.B", "ÄB", "AÄ", "AB\n", "A\u0661"])
def test_illegal_keys_of_variables_are_refused(sim, key):
    with pytest.raises(InvalidParameterValueException) as refusal:
        sim.create_function("worker", environment={"GOOD": "v", key: "v"})
    assert refusal.value.http_status == 400
    assert sim.functions == ()
    worker = sim.create_function("worker", environment={"GOOD": "v"})
    with pytest.raises(InvalidParameterValueException):
        worker.update_function_configuration(environment={key: "v"})
    assert dict(worker.environment_variables) == {"GOOD": "v"}


RESERVED_TEXT = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided "
    "contains reserved keys that are currently not supported for modification. Reserved keys used in this request: "
)


@pytest.mark.rule("LAM-024")
@pytest.mark.parametrize("key", RESERVED_KEYS)
def test_reserved_keys_of_variables_are_refused(sim, key):
    with pytest.raises(InvalidParameterValueException) as refusal:
        sim.create_function("worker", environment={"GOOD": "v", key: "v"})
    assert refusal.value.message == RESERVED_TEXT + key
    assert sim.functions == ()
    worker = sim.create_function("worker", environment={"GOOD": "v"})
    with pytest.raises(InvalidParameterValueException) as refusal:
        worker.update_function_configuration(environment={key: "v"})
    assert refusal.value.message == RESERVED_TEXT + key
    assert dict(worker.environment_variables) == {"GOOD": "v"}


@pytest.mark.rule("LAM-024")
def test_all_reserved_keys_of_a_request_are_named(sim):
    with pytest.raises(InvalidParameterValueException) as refusal:
        sim.create_function("worker", environment={"AWS_REGION": "v", "GOOD": "v", "LAMBDA_TASK_ROOT": "v"})
    start, named = refusal.value.message.split(": ")
    assert f"{start}: " == RESERVED_TEXT
    assert {key.strip() for key in named.split(",")} == {"AWS_REGION", "LAMBDA_TASK_ROOT"}


def variables_of(size, letter="x"):
    """Return variables whose compact JSON has so many bytes in UTF-8; the last letter is a plain one if need be."""
    frame = len(compact({"KEY": "", "OTHER": "é"}).encode())
    count, rest = divmod(size - frame, len(letter.encode()))
    found = {"KEY": letter * count + "x" * rest, "OTHER": "é"}
    assert len(compact(found).encode()) == size
    return found


@pytest.mark.rule("LAM-024")
@pytest.mark.parametrize("letter", ["x", "é", "✓", "😀"])
def test_4096_bytes_of_variables_pass_and_one_more_is_refused(sim, letter):
    worker = sim.create_function("worker", environment=variables_of(4_096, letter))
    assert dict(worker.environment_variables) == variables_of(4_096, letter)
    too_large = variables_of(4_097, letter)
    for call in (
        lambda: sim.create_function("other", environment=too_large),
        lambda: worker.update_function_configuration(environment=too_large),
    ):
        with pytest.raises(InvalidParameterValueException) as refusal:
            call()
        assert refusal.value.message == (
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {compact(too_large)}"
        )
    assert sim.functions == (worker,)
    assert dict(worker.environment_variables) == variables_of(4_096, letter)


@pytest.mark.rule("LAM-024", "LAM-010")
def test_the_limit_on_variables_is_a_figure_that_can_be_changed():
    sim = Simulation(settings=[LambdaLimits(env_vars_bytes=30)])
    sim.create_function("worker", environment={"KEY": "x" * 20})
    with pytest.raises(InvalidParameterValueException, match="exceeded"):
        sim.create_function("other", environment={"KEY": "x" * 21})


@pytest.mark.rule("LAM-024")
@pytest.mark.parametrize("environment", [{"KEY": 1}, {"KEY": None}, {1: "v"}, ["KEY"], "KEY"])
def test_what_are_no_variables_is_refused_by_name(sim, environment):
    with pytest.raises((UsageError, InvalidParameterValueException)):
        sim.create_function("worker", environment=environment)
    assert sim.functions == ()


@pytest.mark.rule("LAM-024")
def test_the_variables_of_a_function_are_its_own_and_read_only(sim):
    given = {"KEY": "v"}
    worker = sim.create_function("worker", environment=given)
    given["KEY"] = "changed"
    assert dict(worker.environment_variables) == {"KEY": "v"}
    with pytest.raises(TypeError):
        worker.environment_variables["KEY"] = "changed"


# ---- LAM-025: what os.environ shows


@pytest.mark.rule("LAM-025")
def test_the_environment_of_a_handler_has_its_variables_and_awss():
    sim = Simulation(region="eu-west-1")
    handler, found = handler_that(lambda context: (dict(os.environ), context.log_stream_name))
    sim.create_function("worker", handler, memory_size=256, environment={"TABLE": "orders", "EMPTY": ""}).invoke()
    ((variables, log_stream),) = found
    wanted = {
        "TABLE": "orders",
        "EMPTY": "",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_NAME": "worker",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/worker",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }
    assert {key: variables.get(key) for key in wanted} == wanted
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert variables.get(key)


@pytest.mark.rule("LAM-025")
def test_the_variables_lie_over_those_of_the_process_and_only_while_the_handler_runs(sim, monkeypatch):
    monkeypatch.setenv("ONLY_HERE", "process")
    monkeypatch.setenv("BOTH", "process")
    monkeypatch.setenv("AWS_REGION", "process")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a real secret")
    monkeypatch.delenv("ONLY_THERE", raising=False)
    keys = ("ONLY_HERE", "BOTH", "ONLY_THERE", "AWS_REGION", "AWS_SECRET_ACCESS_KEY")
    handler, found = handler_that(lambda context: [os.environ.get(key) for key in keys])
    worker = sim.create_function("worker", handler, environment={"BOTH": "function", "ONLY_THERE": "function"})
    before = dict(os.environ)
    worker.invoke()
    assert dict(os.environ) == before
    assert found[0][:4] == ["process", "function", "function", "us-east-1"]
    assert found[0][4] not in {None, "", "a real secret"}


def leave_by_return(context):
    return None


def leave_by_exception(context):
    raise ValueError


def leave_by_exit(context):
    raise SystemExit(1)


def leave_by_timeout(context):
    context.sleep(100)


def leave_by_assertion(context):
    raise AssertionError


@pytest.mark.rule("LAM-025")
@pytest.mark.parametrize(
    "leave", [leave_by_return, leave_by_exception, leave_by_exit, leave_by_timeout, leave_by_assertion]
)
def test_the_process_is_put_back_however_the_handler_is_left(sim, monkeypatch, leave):
    monkeypatch.setenv("KEPT", "process")
    monkeypatch.setenv("REMOVED", "process")

    def handler(event, context):
        os.environ["KEPT"] = "changed"
        os.environ["ADDED"] = "changed"
        del os.environ["REMOVED"]
        return leave(context)

    before = dict(os.environ)
    worker = sim.create_function("worker", handler, environment={"TABLE": "orders"})
    if leave is leave_by_assertion:
        with pytest.raises(AssertionError):
            worker.invoke()
    else:
        worker.invoke()
    assert dict(os.environ) == before


@pytest.mark.rule("LAM-025")
def test_a_handler_that_clears_its_environment_clears_its_own(sim, monkeypatch):
    monkeypatch.setenv("KEPT", "process")

    def handler(event, context):
        os.environ.clear()
        os.environ["LEFT"] = "here"
        return dict(os.environ), os.getenv("KEPT"), os.getenv("LEFT")

    before = dict(os.environ)
    worker = sim.create_function("worker", handler, environment={"TABLE": "orders"})
    assert worker.invoke().value == [{"LEFT": "here"}, None, "here"]
    assert dict(os.environ) == before


@pytest.mark.rule("LAM-025")
def test_programs_that_are_started_later_do_not_see_what_a_handler_changed(sim, monkeypatch):
    monkeypatch.setenv("KEPT", "process")
    monkeypatch.setenv("REMOVED", "process")

    def handler(event, context):
        os.environ["KEPT"] = os.environ["ADDED"] = "changed"
        del os.environ["REMOVED"]

    sim.create_function("worker", handler).invoke()
    code = "import os; print([os.environ.get(key) for key in ('KEPT', 'REMOVED', 'ADDED')])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert said.stdout.strip() == "['process', 'process', None]"


@pytest.mark.rule("LAM-025", "LAM-083")
def test_a_reset_environment_has_the_variables_it_was_made_with(sim):
    def handler(event, context):
        found = os.environ.get("MINE")
        os.environ["MINE"] = "changed"
        if event == "exit":
            raise SystemExit(1)
        return found

    worker = sim.create_function("worker", handler)
    assert [worker.invoke(1).value, worker.invoke(1).value] == [None, "changed"]
    worker.invoke('"exit"')
    assert worker.invoke(1).value is None
    assert worker.snapshot().cold_starts == 1


@pytest.mark.rule("LAM-025")
def test_what_a_handler_changes_is_there_at_its_next_turn_in_that_environment_only(sim, monkeypatch):
    monkeypatch.setenv("REMOVED", "process")
    seen = []

    def handler(event, context):
        keys = ("COUNT", "TABLE", "REMOVED")
        seen.append((context.environment.id, *(os.environ.get(key) for key in keys)))
        os.environ["COUNT"] = os.environ.get("COUNT", "") + "x"
        os.environ["TABLE"] = "changed"
        os.environ.pop("REMOVED", None)

    worker = sim.create_function("worker", handler, environment={"TABLE": "orders"}, duration=1)
    for at in (0, 0, 2, 4):
        sim.spawn(call(sim, worker, at=at))
    sim.run()
    assert seen == [
        ("A", None, "orders", "process"),
        ("B", None, "orders", "process"),
        ("A", "x", "changed", None),
        ("A", "xx", "changed", None),
    ]
    assert dict(worker.environment_variables) == {"TABLE": "orders"}


async def call(sim, function, payload=None, *, at=0):
    await sim.sleep(at)
    return await function.wait_invoke(payload)


@pytest.mark.rule("LAM-025", "LAM-041")
@pytest.mark.parametrize("form", ["coroutine", "interleaved"])
def test_the_process_is_put_back_at_each_suspension_and_the_handlers_own_comes_back_after_it(sim, form):
    seen = []

    def begin():
        seen.append(("begins", os.environ.get("TABLE"), os.environ.get("MINE")))
        os.environ["MINE"] = "x"

    def end():
        seen.append(("ends", os.environ.get("TABLE"), os.environ.get("MINE")))

    async def coroutine(event, context):
        begin()
        await context.sleep(1)
        end()

    def interleaved(event, context):
        begin()
        context.sleep(1)
        end()

    handler, execution = (coroutine, None) if form == "coroutine" else (interleaved, "interleaved")
    worker = sim.create_function("worker", handler, environment={"TABLE": "orders"}, execution=execution, duration=0)
    sim.call_at(0.5, lambda: seen.append(("outside", os.environ.get("TABLE"), os.environ.get("MINE"))))
    worker.invoke()
    assert seen == [("begins", "orders", None), ("outside", None, None), ("ends", "orders", "x")]
    assert "TABLE" not in os.environ


@pytest.mark.rule("LAM-025")
def test_two_suspended_handlers_do_not_see_each_others_environments(sim):
    seen = []

    async def handler(event, context):
        os.environ["MINE"] = event
        await context.sleep(1)
        seen.append((event, os.environ["MINE"], os.environ["AWS_LAMBDA_FUNCTION_NAME"]))

    for name in ("first", "second"):
        sim.spawn(call(sim, sim.create_function(name, handler), json.dumps(name)))
    sim.run()
    assert seen == [("first", "first", "first"), ("second", "second", "second")]


@pytest.mark.rule("LAM-025")
def test_the_factory_and_the_import_see_the_variables_too(sim, tmp_path, monkeypatch):
    seen = []

    def factory():
        seen.append((os.environ["TABLE"], os.environ["AWS_LAMBDA_FUNCTION_NAME"]))
        os.environ["BY_FACTORY"] = "yes"
        return lambda event, context: os.environ["BY_FACTORY"]

    made = sim.create_function("made", init=factory, environment={"TABLE": "orders"})
    assert made.invoke().value == "yes"
    assert seen == [("orders", "made")]
    (tmp_path / "an_app_of_variables.py").write_text(
        "import os\nTABLE = os.environ['TABLE']\ndef handler(event, context):\n    return TABLE, os.environ['TABLE']\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    by_text = sim.create_function("text", "an_app_of_variables.handler", environment={"TABLE": "orders"})
    assert by_text.invoke().value == ["orders", "orders"]
    assert "TABLE" not in os.environ
    assert "BY_FACTORY" not in os.environ


@pytest.mark.rule("LAM-025", "LAM-043")
def test_the_context_has_the_same_variables_read_only(sim):
    def handler(event, context):
        variables = context.environment.variables
        assert all(os.environ[key] == value for key, value in variables.items())
        with pytest.raises(TypeError):
            variables["TABLE"] = "changed"
        return [variables["TABLE"], variables["AWS_REGION"], variables["AWS_LAMBDA_FUNCTION_NAME"]]

    worker = sim.create_function("worker", handler, environment={"TABLE": "orders"})
    assert worker.invoke().value == ["orders", "us-east-1", "worker"]


@pytest.mark.rule("LAM-025", "LAM-026")
def test_a_version_runs_with_the_variables_it_was_published_with(sim):
    keys = ("TABLE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    worker = sim.create_function(
        "worker", lambda event, context: [os.environ[key] for key in keys], environment={"TABLE": "old"}
    )
    worker.publish_version()
    worker.create_alias("live", "1")
    worker.update_function_configuration(environment={"TABLE": "new"}, memory_size=256)
    assert worker.invoke().value == ["new", "$LATEST", "256"]
    assert worker.invoke(qualifier="1").value == ["old", "1", "128"]
    assert worker.invoke(qualifier="live").value == ["old", "1", "128"]


@pytest.mark.rule("LAM-025")
def test_a_provisioned_environment_says_so(sim):
    worker = sim.create_function(
        "worker", lambda event, context: os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], duration=0
    )
    worker.publish_version()
    worker.put_provisioned_concurrency_config("1", 1)
    assert worker.invoke(qualifier="1").value == "on-demand"  # not ready yet
    sim.run(until=100)
    assert worker.invoke(qualifier="1").value == "provisioned-concurrency"
    assert worker.invoke().value == "on-demand"


# ---- LAM-043: the context


@pytest.mark.rule("LAM-043")
@pytest.mark.parametrize(
    ("qualifier", "version", "suffix"), [(None, "$LATEST", ""), ("1", "1", ":1"), ("live", "1", ":live")]
)
@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
def test_the_context_names_the_version_that_runs_and_the_arn_that_the_caller_named(
    sim, qualifier, version, suffix, kind
):
    handler, found = handler_that(lambda context: (context.function_version, context.invoked_function_arn))
    worker = sim.create_function("worker", handler)
    worker.publish_version()
    worker.create_alias("live", "1")
    worker.invoke(qualifier=qualifier, invocation_type=kind)
    sim.run()
    assert found == [(version, f"{ACCOUNT}worker{suffix}")]
    (invocation,) = worker.invocations
    assert (invocation.version, invocation.qualifier) == (version, qualifier)


@pytest.mark.rule("LAM-043")
def test_the_context_says_memory_as_text_and_knows_no_tenant(sim):
    handler, found = handler_that(lambda context: (context.memory_limit_in_mb, context.tenant_id))
    sim.create_function("worker", handler, memory_size=10_240).invoke()
    assert found == [("10240", None)]


CLIENT_CONTEXT = {
    "client": {"installation_id": "i-1", "app_title": "shop", "app_version_name": "2", "app_version_code": "20"},
    "custom": {"trace": ["a", 1]},
    "env": {"locale": "de_DE"},
}


@pytest.mark.rule("LAM-043", "LAM-060")
@pytest.mark.parametrize("form", ["mapping", "base64"])
def test_a_client_context_reaches_the_handler_as_awss_runtime_gives_it(sim, form):
    seen = []

    def handler(event, context):
        sent = context.client_context
        seen.append((sent.client.installation_id, sent.client.app_title, sent.client.app_version_name))
        seen.append((sent.client.app_version_code, sent.client.app_package_name))
        seen.append((sent.custom, sent.env))

    given = CLIENT_CONTEXT
    if form == "base64":
        given = base64.b64encode(json.dumps(CLIENT_CONTEXT).encode()).decode()
    assert sim.create_function("worker", handler).invoke(client_context=given).function_error is None
    assert seen == [("i-1", "shop", "2"), ("20", None), ({"trace": ["a", 1]}, {"locale": "de_DE"})]


@pytest.mark.rule("LAM-043")
def test_what_a_client_context_leaves_out_is_none_and_without_one_there_is_none(sim):
    seen = []

    def handler(event, context):
        sent = context.client_context
        seen.append(None if sent is None else (sent.client, sent.custom, sent.env))

    worker = sim.create_function("worker", handler)
    worker.invoke(client_context={"custom": {"k": "v"}})
    worker.invoke()
    assert seen == [(None, {"k": "v"}, None), None]


@pytest.mark.rule("LAM-043", "LAM-060", "LAM-010")
@pytest.mark.parametrize("limit", [None, 3_584, 100])
def test_a_client_context_is_limited_by_the_bytes_of_its_base64(limit):
    sim = Simulation(settings=[] if limit is None else [LambdaLimits(client_context_bytes=limit)])
    handler, found = handler_that(lambda context: len(context.client_context.custom["k"]))
    worker = sim.create_function("worker", handler)
    longest = (limit or 3_583) // 4 * 4  # base64 comes by fours

    def context_of(size):
        frame = len('{"custom":{"k":""}}')
        text = base64.b64encode(compact({"custom": {"k": "x" * (size // 4 * 3 - frame)}}).encode()).decode()
        assert len(text) == size
        return text

    worker.invoke(client_context=context_of(longest))
    assert found == [longest // 4 * 3 - len('{"custom":{"k":""}}')]
    with pytest.raises(ValidationException):
        worker.invoke(client_context=context_of(longest + 4))
    assert worker.snapshot().invocations == 1


@pytest.mark.rule("LAM-043", "LAM-060")
@pytest.mark.parametrize("given", [{"custom": object()}, {"custom": float("nan")}, "[]", "é", 5])
def test_what_is_no_client_context_is_refused(sim, given):
    worker = sim.create_function("worker")
    with pytest.raises((InvalidRequestContentException, UsageError)):
        worker.invoke(client_context=given)
    assert worker.snapshot().invocations == 0


@pytest.mark.rule("LAM-043")
def test_a_client_context_is_not_shared_between_invocations(sim):
    seen = []
    given = {"custom": {"list": []}}

    def handler(event, context):
        context.client_context.custom["list"].append(1)
        seen.append(context.client_context.custom["list"])

    worker = sim.create_function("worker", handler)
    for _ in range(2):
        worker.invoke(client_context=given)
    assert seen == [[1], [1]]
    assert given == {"custom": {"list": []}}


@pytest.mark.rule("LAM-043", "ASY-015")
def test_an_asynchronous_event_has_no_client_context(sim):
    handler, found = handler_that(lambda context: context.client_context)
    worker = sim.create_function("worker", handler)
    worker.invoke(client_context=CLIENT_CONTEXT, invocation_type="Event")
    sim.run()
    assert found == [None]
