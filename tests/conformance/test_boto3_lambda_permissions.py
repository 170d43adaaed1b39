"""Tags and resource policies through clients of boto3: both are kept and shown."""

from __future__ import annotations

import json

import pytest
from botocore.config import Config

from tests.bridge_lambda import ACCOUNT, REGION, arn_of, bare, client_of, create, refused, status

GRANT = {"StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}


@pytest.fixture
def client(sim):
    """A client of a simulation with a function that has a version and an alias."""
    client = client_of(sim)
    create(client, Publish=True)
    client.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")
    return client


def policy(client, **given):
    return json.loads(client.get_policy(FunctionName="worker", **given)["Policy"])


# ---- tags


def test_tags_are_added_listed_and_removed(client):
    assert {} == client.list_tags(Resource=arn_of())["Tags"]
    assert 204 == status(client.tag_resource(Resource=arn_of(), Tags={"team": "orders", "stage": "test"}))
    client.tag_resource(Resource=arn_of(), Tags={"team": "stock"})
    assert {"team": "stock", "stage": "test"} == client.list_tags(Resource=arn_of())["Tags"]
    assert 204 == status(client.untag_resource(Resource=arn_of(), TagKeys=["stage", "nothing"]))
    assert {"team": "stock"} == client.get_function(FunctionName="worker")["Tags"]


def test_tags_of_a_mapping(sim, client, queue):
    made = client.create_event_source_mapping(EventSourceArn=queue.arn, FunctionName="worker", Tags={"a": "b"})
    arn = made["EventSourceMappingArn"]
    client.tag_resource(Resource=arn, Tags={"c": "d"})
    client.untag_resource(Resource=arn, TagKeys=["a"])
    assert {"c": "d"} == client.list_tags(Resource=arn)["Tags"]


@pytest.mark.parametrize(
    ("resource", "code", "message"),
    [
        (arn_of("nobody"), "ResourceNotFoundException", f"Function not found: {arn_of('nobody')}"),
        (
            f"{arn_of()}:1",
            "InvalidParameterValueException",
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        ),
        (
            f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:00000000-0000-4000-8000-000000000000",
            "ResourceNotFoundException",
            "The resource you requested does not exist.",
        ),
        ("worker", "ValidationException", None),
    ],
)
def test_resources_that_have_no_tags(client, resource, code, message):
    for call in (
        lambda: client.list_tags(Resource=resource),
        lambda: client.tag_resource(Resource=resource, Tags={"a": "b"}),
        lambda: client.untag_resource(Resource=resource, TagKeys=["a"]),
    ):
        with refused(code, message):
            call()


def test_what_is_missing_is_null(sim, client):
    null = "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null"
    with refused("ValidationException", null.format("tagKeys"), http_status=400):
        client.untag_resource(Resource=arn_of("nobody"), TagKeys=[])
    trusting = sim.client("lambda", config=Config(parameter_validation=False, retries={"total_max_attempts": 1}))
    with refused("ValidationException", null.format("statementId")):
        trusting.add_permission(FunctionName="worker")


def test_50_tags_at_most(client):
    client.tag_resource(Resource=arn_of(), Tags={str(number): "" for number in range(50)})
    with refused("InvalidParameterValueException", "Number of tags exceeds resource tag limit.", Type="User"):
        client.tag_resource(Resource=arn_of(), Tags={"more": ""})
    with refused("InvalidParameterValueException", "An error occurred and the request cannot be processed."):
        client.tag_resource(Resource=arn_of(), Tags={})


# ---- policies


def test_a_statement_is_added_shown_and_removed(client):
    added = client.add_permission(
        FunctionName="worker", **GRANT, SourceArn="arn:aws:s3:::bucket", SourceAccount=ACCOUNT
    )
    statement = {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": arn_of(),
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": ACCOUNT},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        },
    }
    assert (201, statement) == (status(added), json.loads(added["Statement"]))
    assert {"Version": "2012-10-17", "Id": "default", "Statement": [statement]} == policy(client)
    assert 204 == status(client.remove_permission(FunctionName="worker", StatementId="s3"))
    message = "The resource you requested does not exist."
    with refused("ResourceNotFoundException", message, http_status=404, Type="User"):
        client.get_policy(FunctionName="worker")


@pytest.mark.parametrize(
    ("given", "principal"),
    [
        ("*", "*"),
        ("events.amazonaws.com", {"Service": "events.amazonaws.com"}),
        (ACCOUNT, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
        (f"arn:aws:iam::{ACCOUNT}:role/a", {"AWS": f"arn:aws:iam::{ACCOUNT}:role/a"}),
    ],
)
def test_who_may(client, given, principal):
    client.add_permission(FunctionName="worker", **{**GRANT, "Principal": given})
    (statement,) = policy(client)["Statement"]
    assert principal == statement["Principal"]
    assert "Condition" not in statement


@pytest.mark.parametrize(
    ("given", "condition"),
    [
        ({"EventSourceToken": "a"}, {"StringEquals": {"lambda:EventSourceToken": "a"}}),
        ({"PrincipalOrgID": "o-1234567890"}, {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}}),
        ({"FunctionUrlAuthType": "NONE"}, {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}),
        ({"InvokedViaFunctionUrl": True}, {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}),
    ],
)
def test_under_which_condition(client, given, condition):
    client.add_permission(FunctionName="worker", **GRANT, **given)
    assert condition == policy(client)["Statement"][0]["Condition"]


def test_functions_versions_and_aliases_have_policies_of_their_own(client):
    client.add_permission(FunctionName="worker", **GRANT)
    client.add_permission(FunctionName="worker", **GRANT, Qualifier="1")
    client.add_permission(FunctionName="worker:live", **{**GRANT, "StatementId": "other"})
    assert [arn_of(), f"{arn_of()}:1", f"{arn_of()}:live"] == [
        policy(client, **given)["Statement"][0]["Resource"] for given in ({}, {"Qualifier": "1"}, {"Qualifier": "live"})
    ]
    client.remove_permission(FunctionName="worker", StatementId="s3")
    assert ["s3"] == [statement["Sid"] for statement in policy(client, Qualifier="1")["Statement"]]


def test_a_function_that_is_made_again_has_no_policy(client):
    client.add_permission(FunctionName="worker", **GRANT)
    client.delete_function(FunctionName="worker")
    create(client)
    with refused("ResourceNotFoundException"):
        client.get_policy(FunctionName="worker")


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (
            {},
            "ResourceConflictException",
            (
                "The statement id (s3) provided already exists. Please provide a new statement id, or remove the "
                "existing statement."
            ),
        ),
        (
            {"Qualifier": "$LATEST"},
            "InvalidParameterValueException",
            "We currently do not support adding policies for $LATEST.",
        ),
        ({"Qualifier": "7"}, "ResourceNotFoundException", f"Function not found: {arn_of()}:7"),
        ({"FunctionName": "nobody"}, "ResourceNotFoundException", f"Function not found: {arn_of('nobody')}"),
        (
            {"Principal": "nobody"},
            "InvalidParameterValueException",
            "The provided principal was invalid. Please check the principal and try again.",
        ),
        (
            {"StatementId": "s.3"},
            "ValidationException",
            (
                "1 validation error detected: Value 's.3' at 'statementId' failed to satisfy constraint: Member must "
                "satisfy regular expression pattern: ([a-zA-Z0-9-_]+)"
            ),
        ),
        (
            {"Action": "InvokeFunction"},
            "ValidationException",
            (
                "1 validation error detected: Value 'InvokeFunction' at 'action' failed to satisfy constraint: Member "
                "must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])"
            ),
        ),
    ],
)
def test_statements_that_cannot_be(client, given, code, message):
    client.add_permission(FunctionName="worker", **GRANT)
    with refused(code, message):
        client.add_permission(**{"FunctionName": "worker", **GRANT, **given})
    assert ["s3"] == [statement["Sid"] for statement in policy(client)["Statement"]]


def test_statements_that_there_are_not(client):
    with refused("ResourceNotFoundException", "No policy is associated with the given resource.", Type="User"):
        client.remove_permission(FunctionName="worker", StatementId="s3")
    client.add_permission(FunctionName="worker", **GRANT)
    with refused("ResourceNotFoundException", "Statement s4 is not found in resource policy.", Type="User"):
        client.remove_permission(FunctionName="worker", StatementId="s4")


@pytest.mark.parametrize("qualifier", [None, "1", "live"])
def test_a_policy_has_the_revision_of_what_it_belongs_to(client, qualifier):
    named = {"FunctionName": "worker"} | ({} if qualifier is None else {"Qualifier": qualifier})

    def revision():
        if qualifier == "live":
            return client.get_alias(FunctionName="worker", Name="live")["RevisionId"]
        return client.get_function_configuration(**named)["RevisionId"]

    old = revision()
    client.add_permission(**named, **GRANT, RevisionId=old)
    new = revision()
    assert old != new == client.get_policy(**named)["RevisionId"]
    message = (
        "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest "
        "Revision Id"
    )
    with refused("PreconditionFailedException", message, http_status=412, Type="User"):
        client.remove_permission(**named, StatementId="s3", RevisionId=old)
    with refused("PreconditionFailedException", message, http_status=412, Type="User"):
        client.add_permission(**named, **{**GRANT, "StatementId": "s4"}, RevisionId=old)
    assert {"RevisionId"} < set(bare(client.get_policy(**named)))
    client.remove_permission(**named, StatementId="s3", RevisionId=new)
