"""Functions and the handler contract (LAM §3, §4)."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from unittest.mock import Mock

import pytest

from lambdasim import ColdStartModel, RuntimeModel, Simulation
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import ResourceConflictException, ResourceNotFoundException, ValidationException
from lambdasim.lambda_ import InvocationTimedOut

US = Decimal("0.000001")
OUT_OF_RANGE = "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: Member must have value {}"


# ---- LAM-020 to LAM-023


@pytest.mark.rule("LAM-020", "LAM-022")
def test_what_is_not_said_about_a_function_has_awss_defaults():
    sim = Simulation(region="eu-west-1", account_id="210987654321")
    contexts = []
    function = sim.create_function("worker", lambda event, context: contexts.append(context))
    function.invoke()
    assert (function.name, function.timeout, function.memory_size, function.architecture) == (
        "worker",
        3,
        128,
        "x86_64",
    )
    assert function.reserved_concurrent_executions is None
    assert function.arn == "arn:aws:lambda:eu-west-1:210987654321:function:worker"
    assert contexts[0].log_group_name == "/aws/lambda/worker"


@pytest.mark.rule("LAM-020")
def test_the_architecture_is_one_of_two(sim):
    assert sim.create_function("arm", architecture="arm64").architecture == "arm64"
    with pytest.raises(UsageError, match="x86_64 or arm64"):
        sim.create_function("odd", architecture="riscv")


@pytest.mark.rule("LAM-021")
@pytest.mark.parametrize("name", ["a", "a" * 64, "Az09-_", "-", "_"])
def test_legal_names_are_taken(sim, name):
    assert sim.create_function(name).name == name


@pytest.mark.rule("LAM-021")
@pytest.mark.parametrize("name", ["", "a" * 65, "a b", "a.b", "a:b", "é", "a/b", "a\n"])
def test_illegal_names_are_refused(sim, name):
    with pytest.raises(ValidationException, match="failed to satisfy constraint"):
        sim.create_function(name)
    assert sim.functions == ()


@pytest.mark.rule("LAM-021")
def test_a_function_is_found_by_name_partial_arn_and_arn(sim):
    worker = sim.create_function("worker")
    for ref in ("worker", "123456789012:function:worker", worker.arn, worker):
        assert sim.function(ref) is worker


@pytest.mark.rule("LAM-021", "LAM-065")
@pytest.mark.parametrize("ref", ["other", "other:live", "999999999999:function:worker", "123456789012:function:other"])
def test_a_reference_that_names_no_function_is_not_found(sim, ref):
    sim.create_function("worker")
    with pytest.raises(ResourceNotFoundException):
        sim.function(ref)


@pytest.mark.rule("LAM-021", "LAM-065")
@pytest.mark.parametrize("ref", ["99:function:worker", "12:function:worker", "wor ker", "worker:a b", "", "a" * 65])
def test_a_reference_that_is_none_is_malformed(sim, ref):
    sim.create_function("worker")
    with pytest.raises(ValidationException, match="failed to satisfy constraint"):
        sim.function(ref)


@pytest.mark.rule("LAM-022")
@pytest.mark.parametrize("timeout", [1, 2, 899, 900])
def test_timeouts_of_1_to_900_seconds_are_taken(sim, timeout):
    assert sim.create_function("worker", timeout=timeout).timeout == timeout


@pytest.mark.rule("LAM-022")
@pytest.mark.parametrize("memory", [128, 129, 10_239, 10_240])
def test_memory_of_128_to_10240_mb_is_taken(sim, memory):
    assert sim.create_function("worker", memory_size=memory).memory_size == memory


@pytest.mark.rule("LAM-022")
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"timeout": 901}, OUT_OF_RANGE.format(901, "timeout", "less than or equal to 900")),
        ({"timeout": 0}, OUT_OF_RANGE.format(0, "timeout", "greater than or equal to 1")),
        ({"timeout": -1}, OUT_OF_RANGE.format(-1, "timeout", "greater than or equal to 1")),
        ({"memory_size": 127}, OUT_OF_RANGE.format(127, "memorySize", "greater than or equal to 128")),
        ({"memory_size": 10_241}, OUT_OF_RANGE.format(10_241, "memorySize", "less than or equal to 10240")),
    ],
)
def test_numbers_out_of_range_are_refused_in_awss_words(sim, given, text):
    with pytest.raises(ValidationException) as refusal:
        sim.create_function("worker", **given)
    assert refusal.value.message == text
    assert refusal.value.http_status == 400
    assert sim.functions == ()


@pytest.mark.rule("LAM-023")
def test_a_second_function_of_a_name_is_a_conflict(sim):
    first = sim.create_function("worker")
    with pytest.raises(ResourceConflictException) as refusal:
        sim.create_function("worker", timeout=5)
    assert refusal.value.message == "Function already exist: worker"
    assert refusal.value.http_status == 409
    assert sim.functions == (first,)


@pytest.mark.parametrize("other", [{"layers": ["arn"]}, {"vpc_config": {}}, {"runtime": "python3.13"}])
def test_a_parameter_that_has_no_meaning_here_is_refused_by_name(sim, other):
    with pytest.raises(UsageError, match=next(iter(other))):
        sim.create_function("worker", **other)


# ---- LAM-040: what crosses the boundary is JSON


@pytest.mark.rule("LAM-040")
def test_a_handler_gets_a_fresh_event_each_time_and_cannot_change_its_callers_data(sim):
    payload = {"items": [1, 2, 3]}
    seen = []

    def handler(event, context):
        seen.append(event)
        assert event == {"items": [1, 2, 3]}
        event["items"].clear()
        event["more"] = True

    worker = sim.create_function("worker", handler)
    worker.invoke(payload)
    worker.invoke(payload)
    assert payload == {"items": [1, 2, 3]}
    assert seen[0] is not seen[1]


@pytest.mark.rule("LAM-040")
def test_an_answer_is_taken_as_json_when_the_handler_returns(sim):
    kept = {"numbers": (1, 2)}

    def handler(event, context):
        return kept

    worker = sim.create_function("worker", handler)
    sim.call_later(0.05, kept.clear)
    assert worker.invoke().value == {"numbers": [1, 2]}


@pytest.mark.rule("LAM-040")
def test_keys_of_an_answer_become_texts_as_json_has_them(sim):
    worker = sim.create_function("worker", lambda event, context: {1: None, False: 2})
    assert worker.invoke().value == {"1": None, "false": 2}


# ---- LAM-041, LAM-042: forms of handlers and durations


@pytest.mark.rule("LAM-041")
def test_a_plain_handler_acts_when_it_starts_and_answers_when_it_ends(sim):
    queue = sim.create_queue("orders")

    def handler(event, context):
        queue.send_message(f"sent at {sim.now}")
        return "done"

    worker = sim.create_function("worker", handler, duration=2, settings=[ColdStartModel(init_s=1)])
    sim.call_at(1, lambda: None)
    sim.run(until=5)
    before = sim.now_us

    async def call():
        return await worker.wait_invoke()

    task = sim.spawn(call())
    sim.run(until=5.999999)
    assert queue.snapshot().visible == 0
    sim.run(until=6)
    assert [message.body for message in queue.messages] == ["sent at 6.0"]
    sim.run(until_us=before + 2_999_999)
    assert not task.is_done
    sim.run(until=8)
    assert task.result().value == "done"


@pytest.mark.rule("LAM-041")
def test_a_function_without_a_handler_succeeds_with_null(sim):
    result = sim.create_function("worker").invoke({"any": "event"})
    assert (result.payload, result.function_error) == (b"null", None)


@pytest.mark.rule("LAM-041")
def test_a_function_without_a_handler_fails_by_its_rate(sim):
    result = sim.create_function("worker", failure_rate=1).invoke()
    assert (result.status_code, result.function_error) == (200, "Unhandled")


@pytest.mark.rule("LAM-041")
def test_a_mock_is_a_handler(sim):
    handler = Mock(return_value={"ok": True})
    assert sim.create_function("worker", handler).invoke({"n": 1}).value == {"ok": True}
    handler.assert_called_once()
    assert handler.call_args.args[0] == {"n": 1}


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("handler", [5, ["app.handler"], b"app.handler", {}])
def test_what_is_no_handler_is_refused(sim, handler):
    with pytest.raises(UsageError, match="handler="):
        sim.create_function("worker", handler)


@pytest.mark.parametrize("rate", [-0.1, 1.1, True, "often"])
def test_a_failure_rate_is_a_share(sim, rate):
    with pytest.raises(UsageError, match="failure_rate"):
        sim.create_function("worker", failure_rate=rate)


class Halves:
    """A distribution: what its random stream says, at most half a second."""

    def sample(self, random):
        return random.random() / 2


@pytest.mark.rule("LAM-042")
@pytest.mark.parametrize("handler", [None, lambda event, context: None], ids=["none", "plain"])
@pytest.mark.parametrize(
    ("given", "wanted_us"),
    [
        ({}, 100_000),
        ({"duration": 0}, 0),
        ({"duration": 2}, 2_000_000),
        ({"duration": 0.25}, 250_000),
        ({"duration": Decimal("0.000001")}, 1),
        ({"duration": timedelta(minutes=1)}, 60_000_000),
        ({"duration": lambda event: event["seconds"] * 2}, 3_000_000),
    ],
)
def test_an_invocation_takes_what_its_duration_says(sim, handler, given, wanted_us):
    worker = sim.create_function("worker", handler, timeout=100, **given)
    worker.invoke({"seconds": 1.5})
    assert sim.now_us == wanted_us


@pytest.mark.rule("LAM-042")
def test_a_distribution_is_drawn_once_per_invocation_from_a_stream_of_the_function():
    drawn = []
    for _ in range(2):
        sim = Simulation(seed=11)
        worker = sim.create_function("worker", lambda event, context: None, duration=Halves())
        for _ in range(5):
            worker.invoke()
        drawn.append([invocation.duration_us for invocation in worker.invocations])
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 5
    assert all(0 <= value <= 500_000 for value in drawn[0])


@pytest.mark.rule("LAM-042")
def test_sleeps_add_to_the_duration_whether_the_handler_returns_or_raises(sim):
    def handler(event, context):
        context.sleep(0.5)
        context.sleep(timedelta(milliseconds=250))
        if event["fails"]:
            raise ValueError

    worker = sim.create_function("worker", handler, duration=1)
    for fails in (False, True):
        worker.invoke({"fails": fails})
    assert [invocation.duration_us for invocation in worker.invocations] == [1_750_000, 1_750_000]


@pytest.mark.rule("LAM-042")
def test_a_duration_by_event_sees_the_event_as_it_came(sim):
    def handler(event, context):
        event["seconds"] = 3

    worker = sim.create_function("worker", handler, duration=lambda event: event["seconds"])
    worker.invoke({"seconds": 1})
    assert sim.now == 1


@pytest.mark.parametrize("duration", ["fast", -1, float("nan"), float("inf"), True])
def test_what_is_no_duration_is_refused(sim, duration):
    with pytest.raises(UsageError, match="duration="):
        sim.create_function("worker", duration=duration)


# ---- LAM-043 to LAM-046: the context


@pytest.mark.rule("LAM-043")
def test_the_context_has_what_the_python_runtime_gives():
    sim = Simulation(region="eu-west-1")
    found = {}

    def handler(event, context):
        found.update({name: getattr(context, name) for name in dir(context) if not name.startswith("_")})

    sim.create_function("worker", handler, memory_size=256).invoke()
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:worker"
    wanted = {
        "function_name": "worker",
        "function_version": "$LATEST",
        "memory_limit_in_mb": "256",
        "invoked_function_arn": arn,
        "log_group_name": "/aws/lambda/worker",
        "client_context": None,
        "tenant_id": None,
    }
    assert {name: found[name] for name in wanted} == wanted
    assert isinstance(found["aws_request_id"], str)
    assert isinstance(found["log_stream_name"], str)
    assert found["identity"].cognito_identity_id is None
    assert found["identity"].cognito_identity_pool_id is None
    assert {"get_remaining_time_in_millis", "log", "sleep", "environment"} <= set(found)


@pytest.mark.rule("LAM-043")
def test_state_and_tmp_belong_to_the_environment(sim):
    seen = []

    def handler(event, context):
        environment = context.environment
        seen.append((environment.id, environment.is_cold_start, dict(environment.state), dict(environment.tmp)))
        environment.state["runs"] = environment.state.get("runs", 0) + 1
        environment.tmp["file"] = environment.id

    worker = sim.create_function("worker", handler, duration=1)

    async def call(at):
        await sim.sleep(at)
        await worker.wait_invoke()

    for at in (0, 0, 2):
        sim.spawn(call(at))
    sim.run()
    assert seen == [("A", True, {}, {}), ("B", True, {}, {}), ("A", False, {"runs": 1}, {"file": "A"})]


@pytest.mark.rule("LAM-043")
def test_log_streams_differ_between_environments_only(sim):
    streams = []

    def handler(event, context):
        streams.append(context.log_stream_name)

    worker = sim.create_function("worker", handler, duration=1)

    async def call(at):
        await sim.sleep(at)
        await worker.wait_invoke()

    for at in (0, 0, 2):
        sim.spawn(call(at))
    sim.run()
    assert streams[0] == streams[2] != streams[1]


@pytest.mark.rule("LAM-044")
@pytest.mark.parametrize(
    ("slept", "left"),
    [
        (0, 3_000),
        (US, 2_999),
        (Decimal("0.000999"), 2_999),
        (Decimal("0.001"), 2_999),
        (Decimal("0.001001"), 2_998),
        (Decimal("2.999"), 1),
        (Decimal("2.999001"), 0),
        (3, 0),
    ],
)
def test_remaining_time_is_rounded_down_to_milliseconds_and_shrinks_by_what_was_slept(sim, slept, left):
    found = []

    def handler(event, context):
        context.sleep(slept)
        found.append(context.get_remaining_time_in_millis())

    sim.create_function("worker", handler, duration=0, settings=[ColdStartModel(init_s=5)]).invoke()
    assert found == [left]
    assert type(found[0]) is int


@pytest.mark.rule("LAM-045")
@pytest.mark.parametrize(
    ("sleep", "goes_on"), [(Decimal("2.999999"), True), (Decimal(3), True), (Decimal("3.000001"), False)]
)
def test_a_sleep_that_would_end_after_the_deadline_ends_the_handler(sim, sleep, goes_on):
    reached = []

    def handler(event, context):
        try:
            context.sleep(sleep)
        except Exception:
            reached.append("swallowed")
            raise
        reached.append("went on")
        return "answer"

    worker = sim.create_function("worker", handler, duration=0)
    result = worker.invoke()
    assert reached == (["went on"] if goes_on else [])
    assert result.value == "answer" if goes_on else result.value["errorType"] == "Sandbox.Timedout"
    assert worker.invocations[0].duration_us == min(3_000_000, int(sleep / US))


@pytest.mark.rule("LAM-045")
def test_the_end_by_timeout_is_no_exception_that_a_handler_would_swallow():
    assert issubclass(InvocationTimedOut, BaseException)
    assert not issubclass(InvocationTimedOut, Exception)


@pytest.mark.rule("LAM-045")
def test_a_handler_that_swallows_the_end_by_timeout_times_out_all_the_same(sim):
    def handler(event, context):
        try:
            context.sleep(10)
        except BaseException:  # noqa: BLE001 - handlers do such things
            return "survived"
        return None

    assert sim.create_function("worker", handler).invoke().value["errorType"] == "Sandbox.Timedout"


UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def request_ids(seed, names=("worker",), *, times=3):
    sim = Simulation(seed=seed)
    found = {name: [] for name in names}
    for name in names:
        sim.create_function(name, lambda event, context, name=name: found[name].append(context.aws_request_id))
    for _ in range(times):
        for name in names:
            sim.function(name).invoke()
    return found


@pytest.mark.rule("LAM-046")
def test_request_ids_are_uuids_that_derive_from_seed_function_and_counter():
    once = request_ids(1)["worker"]
    assert all(UUID.fullmatch(text) for text in once)
    assert len(set(once)) == 3
    assert request_ids(1)["worker"] == once
    assert request_ids(1, ("other", "worker"))["worker"] == once
    assert not set(request_ids(2)["worker"]) & set(once)
    assert not set(request_ids(1, ("other",))["other"]) & set(once)


# ---- LAM-047: logs


def report(function, number=0):
    return function.invocations[number].log_lines[-1]


@pytest.mark.rule("LAM-047")
def test_the_log_of_an_invocation_has_start_what_was_logged_end_and_report(sim):
    def handler(event, context):
        context.log("one\n")
        context.log({"two": 2})

    worker = sim.create_function("worker", handler, duration=Decimal("0.07967"))
    worker.invoke()
    request_id = worker.invocations[0].request_id
    assert worker.invocations[0].log_lines == [
        f"START RequestId: {request_id} Version: $LATEST",
        "one",
        "{'two': 2}",
        f"END RequestId: {request_id}",
        "\t".join(
            (
                f"REPORT RequestId: {request_id}",
                "Duration: 79.67 ms",
                "Billed Duration: 80 ms",
                "Memory Size: 128 MB",
                "Max Memory Used: 0 MB",
                "Init Duration: 0.00 ms",
            )
        ),
    ]


@pytest.mark.rule("LAM-047")
def test_the_report_of_a_cold_start_has_its_init_and_that_of_a_warm_one_has_none():
    sim = Simulation(settings=[ColdStartModel(init_s=Decimal("0.08")), RuntimeModel(memory_used_mb=67)])
    worker = sim.create_function("worker", lambda event, context: None, duration=Decimal("0.13361"), memory_size=512)
    worker.invoke()
    worker.invoke()
    cold, warm = (report(worker, number) for number in (0, 1))
    assert cold.endswith(
        "\tDuration: 133.61 ms\tBilled Duration: 214 ms\tMemory Size: 512 MB\tMax Memory Used: 67 MB\t"
        "Init Duration: 80.00 ms"
    )
    assert warm.endswith("\tDuration: 133.61 ms\tBilled Duration: 134 ms\tMemory Size: 512 MB\tMax Memory Used: 67 MB")


@pytest.mark.rule("LAM-047")
def test_the_report_says_timeout_or_the_type_of_the_error(sim):
    def handler(event, context):
        context.sleep(event["sleep"])
        raise KeyError

    worker = sim.create_function("worker", handler, duration=0)
    worker.invoke({"sleep": 0})
    worker.invoke({"sleep": 10})
    assert report(worker, 0).endswith("\tStatus: error\tError Type: KeyError")
    assert report(worker, 1).endswith("\tStatus: timeout")


@pytest.mark.rule("LAM-047")
def test_the_newest_invocations_are_kept(sim):
    worker = sim.create_function("worker", lambda event, context: event, settings=[RuntimeModel(logs_kept=3)])
    for number in range(5):
        worker.invoke(number)
    assert [invocation.event for invocation in worker.invocations] == [2, 3, 4]
