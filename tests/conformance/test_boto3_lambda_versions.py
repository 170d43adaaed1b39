"""Versions and aliases through clients of boto3."""

from __future__ import annotations

import pytest

from tests.bridge_lambda import ECHO, arn_of, bare, client_of, create, refused, status, zipped

CONSTRAINT = "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: {}"
NO_ALIAS = f"Cannot find alias arn: {arn_of()}:nobody"


@pytest.fixture
def client(sim):
    """A client of a simulation with a function."""
    client = client_of(sim)
    create(client)
    return client


def change(client, text="N = 1"):
    client.update_function_code(FunctionName="worker", ZipFile=zipped(app=ECHO, more=text))


def versions(client, **given):
    return [one["Version"] for one in client.list_versions_by_function(FunctionName="worker", **given)["Versions"]]


# ---- versions


@pytest.mark.rule("LAM-026")
def test_versions_are_numbered_and_one_without_a_change_is_answered_again(client):
    first = client.publish_version(FunctionName="worker", Description="the first")
    assert (201, "1", f"{arn_of()}:1", "the first") == (
        status(first),
        first["Version"],
        first["FunctionArn"],
        first["Description"],
    )
    assert ("Pending", "Creating") == (first["State"], first["StateReasonCode"])
    again = client.publish_version(FunctionName="worker", Description="not this one")
    assert ("1", "the first", first["RevisionId"]) == (again["Version"], again["Description"], again["RevisionId"])
    assert ("Active", "Successful") == (again["State"], again["LastUpdateStatus"])
    change(client)
    assert "2" == client.publish_version(FunctionName="worker")["Version"]
    assert ["$LATEST", "1", "2"] == versions(client)


@pytest.mark.rule("LAM-026")
def test_what_is_sent_again_is_no_change(client):
    create(client, "again", Publish=True)
    again = client.update_function_code(FunctionName="again", ZipFile=zipped(app=ECHO), Publish=True)
    assert "1" == again["Version"]
    client.update_function_configuration(FunctionName="again", Timeout=3)
    assert "1" == client.publish_version(FunctionName="again")["Version"]
    client.update_function_configuration(FunctionName="again", Timeout=4)
    assert "2" == client.publish_version(FunctionName="again")["Version"]


def test_a_published_version_can_be_waited_for(sim, client):
    client.publish_version(FunctionName="worker")
    client.get_waiter("published_version_active").wait(FunctionName="worker", Qualifier="1")
    assert 0 == sim.now


@pytest.mark.rule("LAM-026")
def test_a_version_stays_as_it_was_published(client):
    client.update_function_configuration(FunctionName="worker", Timeout=5, Environment={"Variables": {"AA": "1"}})
    client.publish_version(FunctionName="worker")
    before = bare(client.get_function_configuration(FunctionName="worker", Qualifier="1"))
    client.update_function_configuration(
        FunctionName="worker", Timeout=9, Role="arn:aws:iam::123456789012:role/other", Environment={"Variables": {}}
    )
    change(client)
    assert before == bare(client.get_function_configuration(FunctionName="worker", Qualifier="1"))
    latest = client.get_function_configuration(FunctionName="worker")
    assert all(before[name] != latest[name] for name in ("Timeout", "Role", "CodeSha256", "RevisionId", "Environment"))


def test_a_version_is_published_only_of_the_code_that_is_meant(client):
    current = client.get_function_configuration(FunctionName="worker")["CodeSha256"]
    message = (
        f"CodeSHA256 (wrong) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the "
        "CodeSHA256 in $LATEST."
    )
    with refused("InvalidParameterValueException", message, http_status=400, Type="User"):
        client.publish_version(FunctionName="worker", CodeSha256="wrong")
    assert ["$LATEST"] == versions(client)
    assert "1" == client.publish_version(FunctionName="worker", CodeSha256=current)["Version"]


def test_versions_are_listed_by_pages_in_order_of_their_numbers(client):
    for number in range(11):
        change(client, f"N = {number}")
        client.publish_version(FunctionName="worker")
    expected = ["$LATEST", *(str(number) for number in range(1, 12))]
    assert expected == versions(client)
    pages = client.get_paginator("list_versions_by_function").paginate(
        FunctionName="worker", PaginationConfig={"PageSize": 5}
    )
    found = [[one["Version"] for one in page["Versions"]] for page in pages]
    assert [expected[:5], expected[5:10], expected[10:]] == found
    first = client.list_versions_by_function(FunctionName="worker", MaxItems=1)
    assert f"{arn_of()}:$LATEST" == first["Versions"][0]["FunctionArn"]


def test_functions_have_versions_of_both_worlds(sim, client):
    sim.function("worker").publish_version("ours")
    found = client.list_versions_by_function(FunctionName="worker")["Versions"]
    assert [("$LATEST", ""), ("1", "ours")] == [(one["Version"], one["Description"]) for one in found]


# ---- aliases


@pytest.fixture
def published(client):
    """The same, with two versions."""
    for number in range(2):
        change(client, f"N = {number}")
        client.publish_version(FunctionName="worker")
    return client


@pytest.mark.rule("LAM-026")
def test_an_alias_lives(published):
    made = published.create_alias(FunctionName="worker", Name="live", FunctionVersion="1", Description="serves")
    assert 201 == status(made)
    assert {
        "AliasArn": f"{arn_of()}:live",
        "Name": "live",
        "FunctionVersion": "1",
        "Description": "serves",
        "RevisionId": made["RevisionId"],
    } == bare(made)
    assert bare(made) == bare(published.get_alias(FunctionName="worker", Name="live"))
    changed = published.update_alias(FunctionName="worker", Name="live", FunctionVersion="2")
    assert ("2", "serves") == (changed["FunctionVersion"], changed["Description"])
    assert made["RevisionId"] != changed["RevisionId"]
    assert "" == published.update_alias(FunctionName="worker", Name="live", Description="")["Description"]
    assert 204 == status(published.delete_alias(FunctionName="worker", Name="live"))
    with refused("ResourceNotFoundException", f"Cannot find alias arn: {arn_of()}:live", http_status=404, Type="User"):
        published.get_alias(FunctionName="worker", Name="live")
    assert 204 == status(published.delete_alias(FunctionName="worker", Name="live"))


def test_an_alias_may_stand_for_latest(published):
    assert "" == published.create_alias(FunctionName="worker", Name="dev", FunctionVersion="$LATEST")["Description"]
    assert "$LATEST" == published.invoke(FunctionName="worker:dev")["ExecutedVersion"]


@pytest.mark.rule("LAM-026")
def test_an_alias_runs_what_it_stands_for(published):
    published.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")
    assert "1" == published.invoke(FunctionName="worker", Qualifier="live")["ExecutedVersion"]
    published.update_alias(FunctionName="worker", Name="live", FunctionVersion="2")
    assert "2" == published.invoke(FunctionName=f"{arn_of()}:live")["ExecutedVersion"]


def test_aliases_are_listed_by_name_by_page_and_by_version(published):
    for name, version in (("c", "1"), ("a", "2"), ("b", "1")):
        published.create_alias(FunctionName="worker", Name=name, FunctionVersion=version)
    found = published.list_aliases(FunctionName="worker")["Aliases"]
    assert ["a", "b", "c"] == [alias["Name"] for alias in found]
    assert bare(published.get_alias(FunctionName="worker", Name="a")) == found[0]
    only = published.list_aliases(FunctionName="worker", FunctionVersion="1")["Aliases"]
    assert ["b", "c"] == [alias["Name"] for alias in only]
    pages = published.get_paginator("list_aliases").paginate(FunctionName="worker", PaginationConfig={"PageSize": 2})
    assert [["a", "b"], ["c"]] == [[alias["Name"] for alias in page["Aliases"]] for page in pages]


def test_a_share_of_the_requests_goes_to_another_version(sim, published):
    made = published.create_alias(
        FunctionName="worker",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    assert {"AdditionalVersionWeights": {"2": 0.5}} == made["RoutingConfig"]
    found = [published.invoke(FunctionName="worker:live")["ExecutedVersion"] for _ in range(40)]
    assert {"1", "2"} == set(found)
    kept = published.update_alias(FunctionName="worker", Name="live", Description="serves")
    assert made["RoutingConfig"] == kept["RoutingConfig"]
    removed = published.update_alias(FunctionName="worker", Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
    assert "RoutingConfig" not in removed
    assert "1" == published.invoke(FunctionName="worker:live")["ExecutedVersion"]


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"Name": "live"}, "ResourceConflictException", f"Alias already exists: {arn_of()}:live"),
        ({"FunctionVersion": "7"}, "ResourceNotFoundException", f"Function not found: {arn_of()}:7"),
        (
            {"Name": "123"},
            "ValidationException",
            CONSTRAINT.format(
                "123", "name", "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
            ),
        ),
        (
            {"Description": "a" * 257},
            "ValidationException",
            CONSTRAINT.format("a" * 257, "description", "Member must have length less than or equal to 256"),
        ),
        (
            {"RoutingConfig": {"AdditionalVersionWeights": {"1": 0.8, "2": 0.2}}},
            "InvalidParameterValueException",
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ),
        (
            {"RoutingConfig": {"AdditionalVersionWeights": {"2": 2.0}}},
            "ValidationException",
            CONSTRAINT.format(
                "{2=2.0}",
                "routingConfig.additionalVersionWeights",
                "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must "
                "have value greater than or equal to 0.0, Member must not be null]",
            ),
        ),
        (
            {"RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}},
            "InvalidParameterValueException",
            "Invalid function version 1. Function version 1 is already included in routing configuration.",
        ),
        (
            {"RoutingConfig": {"AdditionalVersionWeights": {"$LATEST": 0.5}}},
            "InvalidParameterValueException",
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ),
        (
            {"FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}},
            "InvalidParameterValueException",
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ),
    ],
)
def test_aliases_that_cannot_be(published, given, code, message):
    published.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")
    parameters = {"FunctionName": "worker", "Name": "other", "FunctionVersion": "1", **given}
    with refused(code, message):
        published.create_alias(**parameters)
    assert ["live"] == [alias["Name"] for alias in published.list_aliases(FunctionName="worker")["Aliases"]]


def test_an_alias_that_there_is_not(published):
    with refused("ResourceNotFoundException", NO_ALIAS, http_status=404, Type="User", Message=NO_ALIAS):
        published.get_alias(FunctionName="worker", Name="nobody")
    for given in ({"FunctionVersion": "1"}, {"RevisionId": "old"}):
        with refused("ResourceNotFoundException", f"Alias not found: {arn_of()}:nobody"):
            published.update_alias(FunctionName="worker", Name="nobody", **given)


def test_a_revision_of_an_alias_that_has_passed_is_refused(published):
    old = published.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")["RevisionId"]
    new = published.update_alias(FunctionName="worker", Name="live", FunctionVersion="2", RevisionId=old)["RevisionId"]
    with refused("PreconditionFailedException", http_status=412, Type="User"):
        published.update_alias(FunctionName="worker", Name="live", FunctionVersion="1", RevisionId=old)
    assert new == published.get_alias(FunctionName="worker", Name="live")["RevisionId"]


def test_a_version_that_an_alias_stands_for_stays(published):
    published.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")
    message = "Unable to delete version because the following aliases reference it: [live]"
    with refused("ResourceConflictException", message, http_status=409):
        published.delete_function(FunctionName="worker", Qualifier="1")
