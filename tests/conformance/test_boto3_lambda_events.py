"""Configurations of asynchronous invocation through clients of boto3, and what they do."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.bridge_lambda import ACCOUNT, REGION, arn_of, bare, client_of, create, refused, status

TARGET = f"arn:aws:sqs:{REGION}:{ACCOUNT}:failed"
NOTHING = {"OnSuccess": {}, "OnFailure": {}}
NO_FUNCTION = "The function doesn't exist."
NO_SETTING = "You must specify at least one of error handling or destination setting."


@pytest.fixture
def client(sim):
    """A client of a simulation with a function that has a version and an alias."""
    client = client_of(sim)
    create(client, code="def handler(event, context):\n    raise ValueError('no')\n", Publish=True)
    client.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")
    return client


def changed(answer):
    """Return an answer without its time, which is checked."""
    answer = bare(answer)
    assert datetime(2026, 1, 1, tzinfo=UTC) == answer.pop("LastModified")
    return answer


@pytest.mark.rule("ASY-062", "ASY-063", "ASY-064")
def test_a_configuration_lives(client):
    put = client.put_function_event_invoke_config(
        FunctionName="worker", MaximumRetryAttempts=0, MaximumEventAgeInSeconds=60
    )
    expected = {
        "FunctionArn": f"{arn_of()}:$LATEST",
        "MaximumRetryAttempts": 0,
        "MaximumEventAgeInSeconds": 60,
        "DestinationConfig": NOTHING,
    }
    assert (200, expected) == (status(put), changed(put))
    assert expected == changed(client.get_function_event_invoke_config(FunctionName="worker"))
    assert expected == changed(client.get_function_event_invoke_config(FunctionName="worker", Qualifier="$LATEST"))
    config = {"OnFailure": {"Destination": TARGET}}
    updated = client.update_function_event_invoke_config(FunctionName="worker", DestinationConfig=config)
    assert {**expected, "DestinationConfig": {"OnSuccess": {}, **config}} == changed(updated)
    replaced = client.put_function_event_invoke_config(FunctionName="worker", MaximumRetryAttempts=2)
    assert {
        "FunctionArn": f"{arn_of()}:$LATEST",
        "MaximumRetryAttempts": 2,
        "DestinationConfig": NOTHING,
    } == changed(replaced)
    assert 204 == status(client.delete_function_event_invoke_config(FunctionName="worker"))
    message = f"The function {arn_of()}:$LATEST doesn't have an EventInvokeConfig"
    for operation in ("get_function_event_invoke_config", "delete_function_event_invoke_config"):
        with refused("ResourceNotFoundException", message, http_status=404, Type="User"):
            getattr(client, operation)(FunctionName="worker")


@pytest.mark.rule("ASY-063")
def test_numbers_that_were_not_set_are_not_shown(client):
    config = {"OnSuccess": {"Destination": TARGET}, "OnFailure": {}}
    put = client.put_function_event_invoke_config(FunctionName="worker", DestinationConfig=config)
    assert {"FunctionArn": f"{arn_of()}:$LATEST", "DestinationConfig": config} == changed(put)


@pytest.mark.rule("ASY-064")
def test_configurations_are_listed_by_qualifier(client):
    for qualifier in ("live", "1", "$LATEST"):
        client.put_function_event_invoke_config(FunctionName="worker", Qualifier=qualifier, MaximumRetryAttempts=1)
    expected = [f"{arn_of()}:{qualifier}" for qualifier in ("$LATEST", "1", "live")]
    found = client.list_function_event_invoke_configs(FunctionName="worker")["FunctionEventInvokeConfigs"]
    assert expected == [config["FunctionArn"] for config in found]
    pages = client.get_paginator("list_function_event_invoke_configs").paginate(
        FunctionName="worker", PaginationConfig={"PageSize": 2}
    )
    found = [[config["FunctionArn"] for config in page["FunctionEventInvokeConfigs"]] for page in pages]
    assert [expected[:2], expected[2:]] == found


@pytest.mark.rule("ASY-061", "ASY-066", "ASY-067")
@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({}, "InvalidParameterValueException", NO_SETTING),
        (
            {"FunctionName": "nobody", "MaximumRetryAttempts": 1},
            "ResourceNotFoundException",
            "The function doesn't exist.",
        ),
        ({"Qualifier": "7", "MaximumRetryAttempts": 1}, "ResourceNotFoundException", NO_FUNCTION),
        (
            {"FunctionName": "worker:1", "Qualifier": "live", "MaximumRetryAttempts": 1},
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        ),
        (
            {"MaximumRetryAttempts": 3},
            "ValidationException",
            (
                "1 validation error detected: Value '3' at 'maximumRetryAttempts' failed to satisfy constraint: Member "
                "must have value less than or equal to 2"
            ),
        ),
        (
            {"MaximumEventAgeInSeconds": 21_601},
            "ValidationException",
            (
                "1 validation error detected: Value '21601' at 'maximumEventAgeInSeconds' failed to satisfy "
                "constraint: Member must have value less than or equal to 21600"
            ),
        ),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": arn_of("nobody")}}},
            "InvalidParameterValueException",
            f"The destination ARN {arn_of('nobody')} is invalid.",
        ),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": arn_of()}}},
            "InvalidParameterValueException",
            "You can't specify the function as a destination for itself.",
        ),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": f"arn:aws:iam::{ACCOUNT}:role/a"}}},
            "InvalidParameterValueException",
            (
                "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:iam::"
                f"{ACCOUNT}:role/a), onFailure=null) is invalid."
            ),
        ),
    ],
)
def test_configurations_that_cannot_be(client, given, code, message):
    with refused(code, message):
        client.put_function_event_invoke_config(**{"FunctionName": "worker", **given})
    assert [] == client.list_function_event_invoke_configs(FunctionName="worker")["FunctionEventInvokeConfigs"]


@pytest.mark.rule("ASY-066")
def test_an_update_needs_something_to_change(client):
    message = f"The function {arn_of()}:$LATEST doesn't have an EventInvokeConfig"
    with refused("ResourceNotFoundException", message):
        client.update_function_event_invoke_config(FunctionName="worker", MaximumRetryAttempts=1)
    client.put_function_event_invoke_config(FunctionName="worker", MaximumRetryAttempts=1)
    with refused("InvalidParameterValueException", NO_SETTING):
        client.update_function_event_invoke_config(FunctionName="worker")


@pytest.mark.rule("ASY-066")
def test_a_function_that_there_is_not(client):
    with refused("ResourceNotFoundException", "The function doesn't exist."):
        client.list_function_event_invoke_configs(FunctionName="nobody")
    message = f"The function {arn_of('nobody')}:$LATEST doesn't have an EventInvokeConfig"
    with refused("ResourceNotFoundException", message):
        client.get_function_event_invoke_config(FunctionName="nobody")


@pytest.mark.rule("ASY-031", "ASY-072")
def test_what_became_of_an_event_is_told(sim, client):
    failed = sim.create_queue("failed")
    client.put_function_event_invoke_config(
        FunctionName="worker",
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": failed.arn}},
    )
    client.invoke(FunctionName="worker", InvocationType="Event", Payload=b'{"n": 1}')
    sim.run()
    (message,) = failed.messages
    record = json.loads(message.body)
    assert ("RetriesExhausted", 2) == (
        record["requestContext"]["condition"],
        record["requestContext"]["approximateInvokeCount"],
    )
    assert ({"n": 1}, "ValueError") == (record["requestPayload"], record["responsePayload"]["errorType"])


@pytest.mark.rule("ASY-093")
def test_a_dead_letter_is_sent(sim, client):
    dead = sim.create_queue("dead")
    client.update_function_configuration(FunctionName="worker", DeadLetterConfig={"TargetArn": dead.arn})
    client.invoke(FunctionName="worker", InvocationType="Event", Payload=b'{"n": 1}')
    sim.run()
    assert ['{"n": 1}'] == [message.body for message in dead.messages]
