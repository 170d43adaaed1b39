"""Invocations through clients of boto3: payloads, errors, logs, throttles, and time."""

from __future__ import annotations

import base64
import json
import re

import boto3
import pytest

from lambdasim import Faults, Seeded, Simulation
from lambdasim.errors import UsageError
from tests.bridge_lambda import ECHO, NO_RETRIES, REGION, arn_of, bare, client_of, create, refused

RAISES = "def handler(event, context):\n    raise ValueError(event['text'])\n"


@pytest.fixture
def client(sim):
    return client_of(sim)


def payload(answer):
    return json.loads(answer["Payload"].read())


# ---- answers


@pytest.mark.rule("LAM-061", "LAM-062")
def test_a_synchronous_invoke_has_its_answer(client):
    create(client)
    answer = bare(client.invoke(FunctionName="worker", Payload=json.dumps({"n": [1, "ä"]})))
    assert {"StatusCode", "ExecutedVersion", "Payload"} == set(answer)
    assert (200, "$LATEST") == (answer["StatusCode"], answer["ExecutedVersion"])
    assert '{"n":[1,"ä"]}'.encode() == answer["Payload"].read()


@pytest.mark.rule("LAM-060")
@pytest.mark.parametrize("given", [{}, {"Payload": b""}])
def test_without_a_payload_the_handler_gets_an_empty_object(client, given):
    create(client)
    assert {} == payload(client.invoke(FunctionName="worker", **given))


@pytest.mark.rule("LAM-060")
@pytest.mark.parametrize("text", ["null", "1", '"text"', "[]", "true"])
def test_a_payload_is_any_json(client, text):
    create(client)
    assert text.encode() == client.invoke(FunctionName="worker", Payload=text)["Payload"].read()


@pytest.mark.rule("LAM-062")
def test_nothing_returned_is_null(client):
    create(client, code="def handler(event, context):\n    pass\n")
    assert b"null" == client.invoke(FunctionName="worker")["Payload"].read()


@pytest.mark.rule("LAM-061", "ASY-010")
def test_an_event_is_accepted_and_runs_later(sim, client):
    create(client, code="def handler(event, context):\n    print(event)\n")
    answer = bare(client.invoke(FunctionName="worker", InvocationType="Event", Payload=b'{"n": 1}'))
    assert (202, b"", {"StatusCode", "Payload"}) == (answer["StatusCode"], answer["Payload"].read(), set(answer))
    assert () == sim.function("worker").invocations
    sim.run()
    assert [["{'n': 1}"]] == [invocation.log for invocation in sim.function("worker").invocations]


@pytest.mark.rule("ASY-018")
def test_the_older_name_of_an_event(sim, client):
    create(client)
    assert 202 == client.invoke_async(FunctionName="worker", InvokeArgs=b'{"n": 1}')["Status"]
    sim.run()
    assert {"n": 1} == sim.function("worker").invocations[0].event


@pytest.mark.rule("LAM-063")
def test_a_dry_run_does_nothing(sim, client):
    create(client)
    answer = bare(client.invoke(FunctionName="worker", InvocationType="DryRun", Payload=b"{}"))
    assert (204, b"", {"StatusCode", "Payload"}) == (answer["StatusCode"], answer["Payload"].read(), set(answer))
    assert 0 == sim.function("worker").invocation_count


@pytest.mark.rule("LAM-043")
def test_a_handler_knows_how_it_was_invoked(client):
    code = (
        "def handler(event, context):\n"
        "    return [context.invoked_function_arn, context.function_version, context.client_context.custom,\n"
        "            context.aws_request_id, context.memory_limit_in_mb]\n"
    )
    create(client, code=code, Publish=True)
    context = base64.b64encode(b'{"custom": {"user": "anna"}}').decode()
    found = payload(client.invoke(FunctionName="worker", Qualifier="1", ClientContext=context))
    assert [f"{arn_of()}:1", "1", {"user": "anna"}] == found[:3]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found[3])
    assert "128" == found[4]


@pytest.mark.rule("LAM-062", "LAM-047")
def test_the_end_of_the_log_comes_when_it_is_asked_for(client):
    create(client, code="def handler(event, context):\n    print('hello', event['name'])\n")
    answer = client.invoke(FunctionName="worker", LogType="Tail", Payload=b'{"name": "anna"}')
    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    assert lines[0].startswith("START RequestId: ")
    assert lines[0].endswith(" Version: $LATEST")
    assert "hello anna" == lines[1]
    assert lines[2].startswith("END RequestId: ")
    assert "Duration: 100.00 ms\tBilled Duration: 100 ms\tMemory Size: 128 MB\tMax Memory Used: " in lines[3]
    assert "LogResult" not in client.invoke(FunctionName="worker", LogType="None", Payload=b'{"name": "anna"}')


@pytest.mark.rule("LAM-062")
def test_a_log_is_cut_at_its_head(client):
    create(client, code="def handler(event, context):\n    print('x' * 10_000)\n")
    answer = client.invoke(FunctionName="worker", LogType="Tail")
    log = base64.b64decode(answer["LogResult"])
    assert 4_096 == len(log)
    assert b"REPORT RequestId" in log


def test_a_function_that_does_not_stream_streams_its_answer_whole(client):
    create(client)
    answer = client.invoke_with_response_stream(FunctionName="worker", Payload=b'{"n": 1}', LogType="Tail")
    assert (200, "$LATEST") == (answer["StatusCode"], answer["ExecutedVersion"])
    first, last = list(answer["EventStream"])
    assert {"PayloadChunk": {"Payload": b'{"n":1}'}} == first
    assert ["LogResult"] == list(last["InvokeComplete"])


def test_a_stream_tells_of_an_error_at_its_end(client):
    create(client, code=RAISES)
    (end,) = client.invoke_with_response_stream(FunctionName="worker", Payload=b'{"text": "a"}')["EventStream"]
    assert "Unhandled" == end["InvokeComplete"]["ErrorCode"]
    assert "ValueError" == json.loads(end["InvokeComplete"]["ErrorDetails"])["errorType"]


# ---- errors of functions


@pytest.mark.rule("LAM-080", "LAM-081")
def test_an_exception_is_a_payload(client):
    create(client, code=RAISES)
    answer = client.invoke(FunctionName="worker", Payload=b'{"text": "no"}')
    assert (200, "Unhandled", "$LATEST") == (answer["StatusCode"], answer["FunctionError"], answer["ExecutedVersion"])
    found = payload(answer)
    assert ["errorMessage", "errorType", "requestId", "stackTrace"] == list(found)
    assert ("no", "ValueError") == (found["errorMessage"], found["errorType"])
    line = "  File \"/var/task/app.py\", line 2, in handler\n    raise ValueError(event['text'])\n"
    assert [line] == found["stackTrace"]


@pytest.mark.rule("LAM-081", "LAM-101")
def test_a_timeout_is_a_payload(sim, client):
    create(client, code="import time\n\ndef handler(event, context):\n    time.sleep(5)\n", Timeout=2)
    answer = client.invoke(FunctionName="worker")
    assert "Unhandled" == answer["FunctionError"]
    found = payload(answer)
    assert "Sandbox.Timedout" == found["errorType"]
    assert found["errorMessage"].endswith(" Error: Task timed out after 2.00 seconds")
    assert 2 == sim.now


@pytest.mark.rule("LAM-081")
@pytest.mark.parametrize(
    ("code", "handler", "kind", "message"),
    [
        (
            "import nowhere",
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named",
        ),
        (
            ECHO,
            "other.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'other': No module named 'other'",
        ),
        (ECHO, "app.other", "Runtime.HandlerNotFound", "Handler 'other' missing on module 'app'"),
        ("def handler(event, context)", "app.handler", "SyntaxError", "expected ':' (app.py, line 1)"),
        ("import sys\nsys.exit(3)", "app.handler", "Runtime.ExitError", "exit status 3"),
        (
            "def handler(event, context):\n    return {1, 2}",
            "app.handler",
            "Runtime.MarshalError",
            "Unable to marshal response: Object of type set is not JSON serializable",
        ),
        (
            "def handler(event, context):\n    return 'x' * 6_291_556",
            "app.handler",
            "Function.ResponseSizeTooLarge",
            "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        ),
    ],
)
def test_what_goes_wrong_in_a_function_is_a_payload(client, code, handler, kind, message):
    create(client, code=code, Handler=handler)
    answer = client.invoke(FunctionName="worker")
    assert (200, "Unhandled") == (answer["StatusCode"], answer["FunctionError"])
    found = payload(answer)
    if kind not in ("SyntaxError", "Runtime.ExitError"):  # what these are called differs between versions of Python
        assert kind == found["errorType"]
        assert found["errorMessage"].startswith(message)


# ---- errors of the call


@pytest.mark.rule("LAM-065")
@pytest.mark.parametrize(
    ("name", "qualifier", "arn"),
    [
        ("nobody", None, f"{arn_of('nobody')}:$LATEST"),
        ("nobody:1", None, f"{arn_of('nobody')}:1"),
        ("worker", "9", f"{arn_of()}:9"),
        ("worker:live", None, f"{arn_of()}:live"),
    ],
)
@pytest.mark.parametrize("kind", ["RequestResponse", "Event", "DryRun"])
def test_a_function_that_there_is_not(client, kind, name, qualifier, arn):
    create(client)
    given = {"FunctionName": name, "InvocationType": kind} | ({} if qualifier is None else {"Qualifier": qualifier})
    message = f"Function not found: {arn}"
    with refused("ResourceNotFoundException", message, http_status=404, Type="User", Message=message):
        client.invoke(**given)


@pytest.mark.rule("LAM-065")
@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
@pytest.mark.parametrize("text", [b"no json", b"{", b"{'n': 1}", b'"\xff"', b"NaN"])
def test_a_payload_that_is_no_json(sim, client, kind, text):
    create(client)
    with refused("InvalidRequestContentException", http_status=400, Type="User") as caught:
        client.invoke(FunctionName="worker", InvocationType=kind, Payload=text)
    assert caught.value.response["message"].startswith("Could not parse request body into json: ")
    assert 0 == sim.function("worker").invocation_count


@pytest.mark.rule("LAM-066", "ASY-012")
@pytest.mark.parametrize(
    ("kind", "limit", "message"),
    [
        ("RequestResponse", 6_291_456, "Request must be smaller than 6291456 bytes for the InvokeFunction operation"),
        (
            "Event",
            1_048_576,
            "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        ),
    ],
)
def test_a_payload_that_is_too_large(client, kind, limit, message):
    create(client)
    client.invoke(FunctionName="worker", InvocationType=kind, Payload=b'"' + b"x" * (limit - 2) + b'"')
    with refused("RequestTooLargeException", message, http_status=413, Type="User"):
        client.invoke(FunctionName="worker", InvocationType=kind, Payload=b'"' + b"x" * (limit - 1) + b'"')


@pytest.mark.parametrize(("member", "name"), [("invocationType", "InvocationType"), ("logType", "LogType")])
def test_words_that_mean_nothing(client, member, name):
    create(client)
    with refused("ValidationException", http_status=400) as caught:
        client.invoke(FunctionName="worker", **{name: "Sometimes"})
    start = f"1 validation error detected: Value 'Sometimes' at '{member}' failed to satisfy constraint: Member must"
    assert caught.value.response["Error"]["Message"].startswith(f"{start} satisfy enum value set: [")


@pytest.mark.rule("LAM-201", "LAM-156")
def test_a_throttle_tells_its_reason(client):
    create(client)
    client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=0)
    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
    with refused(
        "TooManyRequestsException",
        "Rate Exceeded.",
        http_status=429,
        Type="User",
        Reason=reason,
        message="Rate Exceeded.",
    ) as caught:
        client.invoke(FunctionName="worker")
    assert "Rate Exceeded." == caught.value.response["message"]
    assert "retryAfterSeconds" not in caught.value.response


@pytest.mark.rule("LAM-201", "LAM-210")
def test_a_throttle_of_a_rate_tells_when_to_come_back(sim, client):
    sim.register_handler("worker", duration=0)
    create(client)
    client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=1)
    for _ in range(10):
        client.invoke(FunctionName="worker")
    with refused("TooManyRequestsException", Reason="ReservedFunctionInvocationRateLimitExceeded") as caught:
        client.invoke(FunctionName="worker")
    assert "1" == caught.value.response["retryAfterSeconds"]
    assert "1" == caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]


@pytest.mark.rule("LAM-065", "LAM-360")
def test_a_failure_of_lambda_is_its_own_fault():
    sim = Simulation(faults=Faults(service_error=1.0), choices=Seeded(1))
    client = client_of(sim)
    create(client)
    with refused("ServiceException", "Internal service error (injected)", http_status=500, Type="Service"):
        client.invoke(FunctionName="worker")


def test_throttles_are_tried_again_by_the_client_in_simulated_time(sim):
    client = sim.client("lambda")
    create(client)
    client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=0)
    with refused("TooManyRequestsException") as caught:
        client.invoke(FunctionName="worker")
    assert 0 < caught.value.response["ResponseMetadata"]["RetryAttempts"] <= 4
    assert sim.function("worker").throttles == 1 + caught.value.response["ResponseMetadata"]["RetryAttempts"]
    assert sim.now > 0


# ---- time


@pytest.mark.rule("LAM-042")
def test_an_invoke_takes_simulated_time(sim, client):
    create(client, code="import time\n\ndef handler(event, context):\n    time.sleep(event)\n", Timeout=30)
    client.invoke(FunctionName="worker", Payload=b"10")
    assert 10.1 == sim.now


CALLER = f"""
import json

import boto3

def handler(event, context):
    client = boto3.client("lambda", region_name="{REGION}")
    answer = client.invoke(FunctionName="other", InvocationType=event["type"], Payload=json.dumps(event["n"]))
    return [answer["StatusCode"], answer["Payload"].read().decode()]
"""


def test_an_interleaved_handler_waits_for_the_function_that_it_invokes():
    sim = Simulation(execution="interleaved")
    client = client_of(sim)
    create(client, code=CALLER, Timeout=10)
    create(
        client, "other", code="import time\n\ndef handler(event, context):\n    time.sleep(2)\n    return event + 1\n"
    )
    assert [200, "8"] == payload(client.invoke(FunctionName="worker", Payload=b'{"type": "RequestResponse", "n": 7}'))
    assert 2 == sim.now


def test_a_plain_handler_can_invoke_for_later_only(sim, client):
    create(client, code=CALLER)
    create(client, "other")
    assert [202, ""] == payload(client.invoke(FunctionName="worker", Payload=b'{"type": "Event", "n": 7}'))
    sim.run()
    assert [7] == [invocation.event for invocation in sim.function("other").invocations]
    found = payload(client.invoke(FunctionName="worker", Payload=b'{"type": "RequestResponse", "n": 7}'))
    assert "UsageError" == found["errorType"]
    assert "execution='interleaved'" in found["errorMessage"]


def test_a_callback_can_invoke_for_later_only(sim, client):
    create(client)
    sim.call_later(1, lambda: client.invoke(FunctionName="worker"))
    with pytest.raises(UsageError, match="was called while an event runs"):
        sim.run()


def test_every_client_of_the_process_can_invoke(sim):
    sim.create_function("worker", lambda event, context: event)
    with sim.patch_boto3():
        client = boto3.client(
            "lambda", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x", config=NO_RETRIES
        )
        assert b'{"n":1}' == client.invoke(FunctionName="worker", Payload=b'{"n": 1}')["Payload"].read()
