"""Reserved and provisioned concurrency through clients of boto3."""

from __future__ import annotations

import pytest

from tests.bridge_lambda import arn_of, bare, client_of, create, refused, status

ONLY_FUNCTIONS = (
    "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please "
    "specify either a function name or an unqualified function ARN."
)


@pytest.fixture
def client(sim):
    """A client of a simulation with a function that has a version and an alias."""
    client = client_of(sim)
    create(client, Publish=True)
    client.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")
    return client


# ---- reserved


@pytest.mark.rule("LAM-151", "LAM-155")
def test_a_reserve_is_put_told_and_taken_back(client):
    put = client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=10)
    assert (200, {"ReservedConcurrentExecutions": 10}) == (status(put), bare(put))
    assert {"ReservedConcurrentExecutions": 10} == bare(client.get_function_concurrency(FunctionName=arn_of()))
    assert 204 == status(client.delete_function_concurrency(FunctionName="worker"))
    assert {} == bare(client.get_function_concurrency(FunctionName="worker"))
    assert 204 == status(client.delete_function_concurrency(FunctionName="worker"))


def test_a_reserve_of_nothing_is_a_reserve(client):
    client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=0)
    assert {"ReservedConcurrentExecutions": 0} == bare(client.get_function_concurrency(FunctionName="worker"))
    assert {"ReservedConcurrentExecutions": 0} == client.get_function(FunctionName="worker")["Concurrency"]


@pytest.mark.rule("LAM-152")
def test_too_large_a_reserve_is_refused(client):
    message = (
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
        "its minimum value of [100]."
    )
    client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=900)
    with refused("InvalidParameterValueException", message, http_status=400, Type="User"):
        client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=901)
    assert {"ReservedConcurrentExecutions": 900} == bare(client.get_function_concurrency(FunctionName="worker"))


@pytest.mark.rule("LAM-154")
@pytest.mark.parametrize("name", ["worker:live", "worker:1", f"{arn_of()}:1"])
@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("put_function_concurrency", {"ReservedConcurrentExecutions": 1}),
        ("get_function_concurrency", {}),
        ("delete_function_concurrency", {}),
    ],
)
def test_versions_and_aliases_have_no_reserve(client, operation, given, name):
    with refused("InvalidParameterValueException", ONLY_FUNCTIONS, http_status=400, Type="User"):
        getattr(client, operation)(FunctionName=name, **given)


# ---- provisioned


@pytest.mark.rule("LAM-170", "LAM-172")
def test_environments_are_made_ahead(sim, client):
    named = {"FunctionName": "worker", "Qualifier": "live"}
    put = client.put_provisioned_concurrency_config(**named, ProvisionedConcurrentExecutions=5)
    expected = {
        "RequestedProvisionedConcurrentExecutions": 5,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "AvailableProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
        "LastModified": "2026-01-01T00:00:00+0000",
    }
    assert (202, expected) == (status(put), bare(put))
    sim.run_for(120)
    ready = {
        **expected,
        "AllocatedProvisionedConcurrentExecutions": 5,
        "AvailableProvisionedConcurrentExecutions": 5,
        "Status": "READY",
    }
    assert ready == bare(client.get_provisioned_concurrency_config(**named))
    assert 204 == status(client.delete_provisioned_concurrency_config(**named))
    message = "No Provisioned Concurrency Config found for this function"
    with refused("ProvisionedConcurrencyConfigNotFoundException", message, http_status=404, Type="User"):
        client.get_provisioned_concurrency_config(**named)


@pytest.mark.rule("LAM-172")
def test_environments_that_cannot_be_made_say_why(sim, client):
    create(client, "broken", code="raise ValueError", Publish=True)
    named = {"FunctionName": "broken", "Qualifier": "1"}
    client.put_provisioned_concurrency_config(**named, ProvisionedConcurrentExecutions=1)
    sim.run_for(120)
    found = client.get_provisioned_concurrency_config(**named)
    assert ("FAILED", "FUNCTION_ERROR_INIT_FAILURE") == (found["Status"], found["StatusReason"])


def test_what_is_made_ahead_is_listed(client):
    for number in (2, 3):
        client.update_function_configuration(FunctionName="worker", Timeout=number)
        client.publish_version(FunctionName="worker")
        client.put_provisioned_concurrency_config(
            FunctionName="worker", Qualifier=str(number), ProvisionedConcurrentExecutions=number
        )
    found = client.list_provisioned_concurrency_configs(FunctionName="worker")["ProvisionedConcurrencyConfigs"]
    assert [(f"{arn_of()}:2", 2), (f"{arn_of()}:3", 3)] == [
        (one["FunctionArn"], one["RequestedProvisionedConcurrentExecutions"]) for one in found
    ]
    pages = client.get_paginator("list_provisioned_concurrency_configs").paginate(
        FunctionName="worker", PaginationConfig={"PageSize": 1}
    )
    assert [1, 1] == [len(page["ProvisionedConcurrencyConfigs"]) for page in pages]
    message = (
        "1 validation error detected: Value '51' at 'maxItems' failed to satisfy constraint: Member must have value "
        "less than or equal to 50"
    )
    for operation in ("list_provisioned_concurrency_configs", "list_function_event_invoke_configs"):
        with refused("ValidationException", message):
            getattr(client, operation)(FunctionName="worker", MaxItems=51)


@pytest.mark.rule("LAM-171")
@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (
            {"Qualifier": "$LATEST"},
            "InvalidParameterValueException",
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
        ),
        ({"Qualifier": "7"}, "ResourceNotFoundException", f"Function not found: {arn_of()}:7"),
        ({"Qualifier": "nobody"}, "ResourceNotFoundException", f"Cannot find alias arn: {arn_of()}:nobody"),
        (
            {"FunctionName": "nobody"},
            "ResourceNotFoundException",
            f"Function not found: {arn_of('nobody')}:1",
        ),
        (
            {"ProvisionedConcurrentExecutions": 1_001},
            "InvalidParameterValueException",
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000].",
        ),
    ],
)
def test_what_cannot_be_made_ahead(client, given, code, message):
    parameters = {"FunctionName": "worker", "Qualifier": "1", "ProvisionedConcurrentExecutions": 1, **given}
    with refused(code, message, Type="User"):
        client.put_provisioned_concurrency_config(**parameters)
    assert [] == client.list_provisioned_concurrency_configs(FunctionName="worker")["ProvisionedConcurrencyConfigs"]


@pytest.mark.rule("LAM-171")
def test_latest_has_nothing_made_ahead(client):
    message = "The function resource provided must be an alias or a published version."
    for operation in ("get_provisioned_concurrency_config", "delete_provisioned_concurrency_config"):
        with refused("InvalidParameterValueException", message):
            getattr(client, operation)(FunctionName="worker", Qualifier="$LATEST")


@pytest.mark.rule("LAM-171")
def test_a_version_is_provisioned_once(client):
    client.put_provisioned_concurrency_config(FunctionName="worker", Qualifier="1", ProvisionedConcurrentExecutions=1)
    message = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
    with refused("ResourceConflictException", message, http_status=409, Type="User"):
        client.put_provisioned_concurrency_config(
            FunctionName="worker", Qualifier="live", ProvisionedConcurrentExecutions=1
        )
