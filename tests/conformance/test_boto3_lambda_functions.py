"""Functions through clients of boto3: making, looking, listing, changing and deleting them."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from botocore.exceptions import ParamValidationError

from lambdasim import Simulation
from lambdasim.errors import UsageError
from tests.bridge_lambda import (
    ACCOUNT,
    ECHO,
    REGION,
    ROLE,
    arn_of,
    bare,
    client_of,
    create,
    refused,
    status,
    zipped,
)

CONSTRAINT = "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: Member must {}"
NO_BUCKET = (
    "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist"
)
MISMATCH = "The derived qualifier from the function name does not match the specified qualifier."


@pytest.fixture
def client(sim):
    return client_of(sim)


# ---- making


def test_what_a_function_is_made_of_is_answered(client):
    content = zipped(app=ECHO)
    answer = create(client, Code={"ZipFile": content})
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    revision = answer.pop("RevisionId")
    assert {
        "Architectures": ["x86_64"],
        "CodeSha256": digest,
        "CodeSize": len(content),
        "Description": "",
        "EphemeralStorage": {"Size": 512},
        "FunctionArn": arn_of(),
        "FunctionName": "worker",
        "Handler": "app.handler",
        "LastModified": "2026-01-01T00:00:00.000+0000",
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/worker"},
        "MemorySize": 128,
        "PackageType": "Zip",
        "Role": ROLE,
        "Runtime": "python3.12",
        "RuntimeVersionConfig": answer["RuntimeVersionConfig"],
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
        "Timeout": 3,
        "TracingConfig": {"Mode": "PassThrough"},
        "Version": "$LATEST",
    } == answer
    assert [8, 4, 4, 4, 12] == [len(part) for part in revision.split("-")]
    assert answer["RuntimeVersionConfig"]["RuntimeVersionArn"].startswith(f"arn:aws:lambda:{REGION}::runtime:")


def test_the_status_of_a_creation_is_201(client):
    answer = client.create_function(
        FunctionName="worker",
        Runtime="python3.12",
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped(app=ECHO)},
    )
    assert 201 == status(answer)


def test_a_function_is_active_when_it_is_looked_at(client):
    create(client)
    found = client.get_function_configuration(FunctionName="worker")
    assert ("Active", "Successful") == (found["State"], found["LastUpdateStatus"])
    assert "StateReason" not in found


@pytest.mark.parametrize(
    "waiter", ["function_active", "function_active_v2", "function_exists", "function_updated", "function_updated_v2"]
)
def test_waiters_find_a_function_ready_at_once(sim, client, waiter):
    create(client)
    client.get_waiter(waiter).wait(FunctionName="worker")
    assert 0 == sim.now


def test_a_waiter_waits_in_simulated_time_for_a_function_that_comes_later(sim, client):
    sim.call_later(3, lambda: create(client))
    client.get_waiter("function_exists").wait(FunctionName="worker")
    assert 3 <= sim.now <= 4


def test_what_is_configured_is_kept_and_shown(client):
    given = {
        "Description": "works",
        "Timeout": 30,
        "MemorySize": 512,
        "Environment": {"Variables": {"STAGE": "test"}},
        "DeadLetterConfig": {"TargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"},
        "KMSKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1",
        "TracingConfig": {"Mode": "Active"},
        "EphemeralStorage": {"Size": 1024},
        "Architectures": ["arm64"],
        "FileSystemConfigs": [{"Arn": f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:a/b", "LocalMountPath": "/mnt/a"}],
    }
    create(client, **given)
    found = client.get_function_configuration(FunctionName="worker")
    assert given == {name: found[name] for name in given}


def test_parts_of_the_configuration_have_more_in_answers(client):
    layer = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:tools:1"
    answer = create(
        client,
        Layers=[layer],
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        SnapStart={"ApplyOn": "PublishedVersions"},
        LoggingConfig={"LogFormat": "JSON", "LogGroup": "/mine"},
    )
    assert [{"Arn": layer, "CodeSize": 0}] == answer["Layers"]
    assert ["subnet-1"] == answer["VpcConfig"]["SubnetIds"]
    assert {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"} == answer["SnapStart"]
    assert {
        "LogFormat": "JSON",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "INFO",
        "LogGroup": "/mine",
    } == answer["LoggingConfig"]


def test_what_was_not_given_is_not_shown(client):
    answer = create(client)
    assert not {"Environment", "DeadLetterConfig", "KMSKeyArn", "Layers", "VpcConfig", "ImageConfigResponse"} & set(
        answer
    )


def test_no_variables_are_shown_as_none_where_an_environment_was_given(client):
    assert {"Variables": {}} == create(client, Environment={"Variables": {}})["Environment"]
    assert "VpcConfig" not in create(client, "other", VpcConfig={"SubnetIds": [], "SecurityGroupIds": []})


def test_a_function_can_be_published_as_it_is_made(client):
    answer = create(client, Publish=True)
    assert ("1", arn_of()) == (answer["Version"], answer["FunctionArn"])
    assert ["$LATEST", "1"] == [
        one["Version"] for one in client.list_versions_by_function(FunctionName="worker")["Versions"]
    ]


@pytest.mark.rule("LAM-021")
@pytest.mark.parametrize("name", ["worker", f"{ACCOUNT}:function:worker", arn_of()])
def test_a_function_may_be_named_by_its_arn_when_it_is_made(client, name):
    assert "worker" == create(client, name)["FunctionName"]


@pytest.mark.rule("LAM-023")
def test_a_second_function_of_a_name_is_refused(client):
    create(client)
    with refused("ResourceConflictException", "Function already exist: worker", http_status=409, Type="User"):
        create(client)


@pytest.mark.rule("LAM-022")
@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (
            {"Timeout": 901},
            "ValidationException",
            CONSTRAINT.format(901, "timeout", "have value less than or equal to 900"),
        ),
        (
            {"MemorySize": 10_241},
            "ValidationException",
            CONSTRAINT.format(10_241, "memorySize", "have value less than or equal to 10240"),
        ),
        (
            {"EphemeralStorage": {"Size": 3_000_000}},
            "ValidationException",
            CONSTRAINT.format(3_000_000, "ephemeralStorage.size", "have value less than or equal to 10240"),
        ),
        (
            {"Role": "r1"},
            "ValidationException",
            CONSTRAINT.format(
                "r1",
                "role",
                r"satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
            ),
        ),
        (
            {"Handler": "app handler"},
            "ValidationException",
            CONSTRAINT.format("app handler", "handler", r"satisfy regular expression pattern: [^\s]+"),
        ),
        (
            {"Handler": "a" * 129},
            "ValidationException",
            CONSTRAINT.format("a" * 129, "handler", "have length less than or equal to 128"),
        ),
        (
            {"Description": "a" * 257},
            "ValidationException",
            CONSTRAINT.format("a" * 257, "description", "have length less than or equal to 256"),
        ),
        (
            {"PackageType": "Tar"},
            "ValidationException",
            CONSTRAINT.format("Tar", "packageType", "satisfy enum value set: [Image, Zip]"),
        ),
        (
            {"TracingConfig": {"Mode": "On"}},
            "ValidationException",
            CONSTRAINT.format("On", "tracingConfig.mode", "satisfy enum value set: [Active, PassThrough]"),
        ),
        (
            {"SnapStart": {"ApplyOn": "All"}},
            "ValidationException",
            CONSTRAINT.format("All", "snapStart.applyOn", "satisfy enum value set: [PublishedVersions, None]"),
        ),
        (
            {"LoggingConfig": {"LogFormat": "text"}},
            "ValidationException",
            CONSTRAINT.format("text", "loggingConfig.logFormat", "satisfy enum value set: [JSON, Text]"),
        ),
        (
            {"LoggingConfig": {"LogFormat": "JSON", "SystemLogLevel": "ERROR"}},
            "ValidationException",
            CONSTRAINT.format("ERROR", "loggingConfig.systemLogLevel", "satisfy enum value set: [DEBUG, INFO, WARN]"),
        ),
        (
            {"LoggingConfig": {"LogGroup": "my group"}},
            "ValidationException",
            CONSTRAINT.format(
                "my group", "loggingConfig.logGroup", r"satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"
            ),
        ),
        (
            {"KMSKeyArn": "key"},
            "ValidationException",
            CONSTRAINT.format(
                "key", "kMSKeyArn", r"satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()"
            ),
        ),
        (
            {"Architectures": ["X86_64"]},
            "ValidationException",
            CONSTRAINT.format(
                "[X86_64]",
                "architectures",
                "satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
            ),
        ),
        (
            {"Architectures": ["x86_64", "arm64"]},
            "ValidationException",
            None,
        ),
        ({"Runtime": "PYTHON3.9"}, "InvalidParameterValueException", None),
        (
            {"Code": {"ZipFile": b"no zip"}},
            "InvalidParameterValueException",
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        ),
        ({"Code": {"ZipFile": zipped()}}, "InvalidParameterValueException", "Uploaded file must be a non-empty zip"),
        ({"Code": {}}, "InvalidParameterValueException", "Please provide a source for function code."),
        (
            {"Code": {"S3Bucket": "bucket"}},
            "InvalidParameterValueException",
            "Please provide a source for function code.",
        ),
        (
            {"Code": {"S3Bucket": "bucket", "S3Key": "key"}},
            "InvalidParameterValueException",
            NO_BUCKET,
        ),
        (
            {"PackageType": "Image", "Code": {"ImageUri": "image:1"}},
            "InvalidParameterValueException",
            "Source image image:1 does not exist. Provide a valid source image.",
        ),
        ({"Tags": {str(number): "" for number in range(51)}}, "InvalidParameterValueException", None),
    ],
)
def test_what_aws_refuses_is_refused_and_nothing_is_made(client, given, code, message):
    with refused(code, message, http_status=400):
        create(client, **given)
    assert [] == client.list_functions()["Functions"]


@pytest.mark.parametrize("runtime", ["non-existent-runtime", "PYTHON3.9", "python", "custom1"])
def test_a_runtime_is_one_that_there_is(client, runtime):
    start = f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["
    with refused("InvalidParameterValueException", Type="User") as caught:
        create(client, Runtime=runtime)
    message = caught.value.response["Error"]["Message"]
    assert message.startswith(start)
    assert message.endswith("] or be a valid ARN")


@pytest.mark.parametrize("missing", ["Runtime", "Handler"])
def test_code_needs_a_runtime_and_a_handler(client, missing):
    given = {
        "FunctionName": "worker",
        "Runtime": "python3.12",
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped(app=ECHO)},
    }
    del given[missing]
    expected = "Runtime and Handler are mandatory parameters for functions created with deployment packages."
    with refused("InvalidParameterValueException", expected):
        client.create_function(**given)


@pytest.mark.rule("LAM-024")
def test_reserved_variables_are_refused(client):
    with refused("InvalidParameterValueException") as caught:
        create(client, Environment={"Variables": {"AWS_REGION": "here"}})
    assert "Reserved keys used in this request: AWS_REGION" in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize("name", ["bad name", "a" * 65, "name:1:2", "wörker"])
def test_names_that_are_none_are_refused(client, name):
    with refused("ValidationException", http_status=400):
        create(client, name)
    with refused("ValidationException", http_status=400):
        client.get_function(FunctionName=name)


def test_the_client_itself_refuses_what_is_too_small(client):
    with pytest.raises(ParamValidationError):
        create(client, Timeout=0)


# ---- handlers of the test


def test_a_registered_handler_runs_in_place_of_the_code(sim, client):
    sim.register_handler("worker", lambda event, context: {"mine": event})
    create(client)
    assert b'{"mine":{"n":1}}' == client.invoke(FunctionName="worker", Payload=b'{"n": 1}')["Payload"].read()
    assert "app.handler" == client.get_function_configuration(FunctionName="worker")["Handler"]


def test_handlers_are_registered_by_the_name_of_the_function_or_the_text_of_its_handler(sim, client):
    sim.register_handler("app.handler", lambda event, context: "by handler")
    sim.register_handler("worker", lambda event, context: "by name")
    create(client)
    create(client, "other")
    found = [client.invoke(FunctionName=name)["Payload"].read() for name in ("worker", "other")]
    assert [b'"by name"', b'"by handler"'] == found


@pytest.mark.parametrize(
    "given",
    [
        {"Code": {"ZipFile": b"no zip"}},
        {"Code": {"S3Bucket": "bucket", "S3Key": "key"}},
        {"Code": {"ImageUri": "image:1"}, "PackageType": "Image"},
        {"Runtime": "nodejs22.x"},
    ],
)
def test_where_a_handler_is_registered_the_code_may_be_anywhere(sim, client, given):
    sim.register_handler("worker", lambda event, context: "mine")
    answer = create(client, **given)
    assert b'"mine"' == client.invoke(FunctionName="worker")["Payload"].read()
    assert 44 == len(answer["CodeSha256"])


def test_a_registered_function_may_have_a_duration_and_no_handler(sim, client):
    sim.register_handler("worker", duration=2)
    create(client, Timeout=5)
    assert b"null" == client.invoke(FunctionName="worker")["Payload"].read()
    assert 2 == sim.now


def test_a_handler_that_is_registered_later_comes_with_the_next_code(sim, client):
    create(client)
    sim.register_handler("worker", lambda event, context: "mine")
    assert b"{}" == client.invoke(FunctionName="worker")["Payload"].read()
    client.update_function_code(FunctionName="worker", ZipFile=zipped(app=ECHO))
    assert b'"mine"' == client.invoke(FunctionName="worker")["Payload"].read()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"ref": 1}, "give the name of a function, or the text of its Handler"),
        ({"ref": "worker", "handler": "app.handler"}, "give the function itself"),
        ({"ref": "worker", "handler": 1}, "cannot be called"),
        ({"ref": "worker", "failure_rate": 2}, "is no share"),
    ],
)
def test_what_is_registered_can_run(sim, given, expected):
    with pytest.raises(UsageError, match=expected):
        sim.register_handler(**given)


def test_code_of_other_runtimes_says_in_each_answer_that_it_does_not_run_here(client):
    create(client, Runtime="nodejs22.x", Handler="index.handler", Code={"ZipFile": zipped({"index.js": "…"})})
    answer = client.invoke(FunctionName="worker")
    assert (200, "Unhandled") == (answer["StatusCode"], answer["FunctionError"])
    found = json.loads(answer["Payload"].read())
    assert "Runtime.NotModelled" == found["errorType"]
    assert "sim.register_handler('worker', …)" in found["errorMessage"]


# ---- looking


def test_a_function_is_shown_with_its_code_tags_and_reserve(client):
    create(client, Tags={"team": "orders"})
    client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=5)
    found = bare(client.get_function(FunctionName="worker"))
    assert {"Configuration", "Code", "Tags", "Concurrency"} == set(found)
    assert "S3" == found["Code"]["RepositoryType"]
    assert found["Code"]["Location"].startswith(f"https://awslambda-{REGION}-tasks.s3.{REGION}.amazonaws.com/")
    assert {"team": "orders"} == found["Tags"]
    assert {"ReservedConcurrentExecutions": 5} == found["Concurrency"]


def test_tags_and_reserve_are_shown_only_where_there_are_any(client):
    create(client)
    assert {"Configuration", "Code"} == set(bare(client.get_function(FunctionName="worker")))


def test_the_code_of_an_image_is_its_address(sim, client):
    sim.register_handler("worker", lambda event, context: None)
    client.create_function(FunctionName="worker", Role=ROLE, PackageType="Image", Code={"ImageUri": "image:1"})
    code = client.get_function(FunctionName="worker")["Code"]
    assert {"RepositoryType": "ECR", "ImageUri": "image:1", "ResolvedImageUri": "image:1"} == code
    client.update_function_code(FunctionName="worker", ImageUri="image:2")
    assert "image:2" == client.get_function(FunctionName="worker")["Code"]["ImageUri"]


@pytest.mark.rule("LAM-021")
@pytest.mark.parametrize(
    ("name", "qualifier", "arn", "version"),
    [
        ("worker", None, arn_of(), "$LATEST"),
        ("worker", "$LATEST", f"{arn_of()}:$LATEST", "$LATEST"),
        ("worker:$LATEST", None, f"{arn_of()}:$LATEST", "$LATEST"),
        ("worker", "1", f"{arn_of()}:1", "1"),
        ("worker:1", None, f"{arn_of()}:1", "1"),
        ("worker:1", "1", f"{arn_of()}:1", "1"),
        ("worker:live", None, f"{arn_of()}:live", "1"),
        (f"{ACCOUNT}:function:worker", None, arn_of(), "$LATEST"),
        (f"{ACCOUNT}:function:worker:1", None, f"{arn_of()}:1", "1"),
        ("function:worker", None, arn_of(), "$LATEST"),
        (arn_of(), "live", f"{arn_of()}:live", "1"),
        (f"{arn_of()}:1", None, f"{arn_of()}:1", "1"),
    ],
)
def test_all_names_of_a_function(client, name, qualifier, arn, version):
    create(client, Publish=True)
    client.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")
    given = {"FunctionName": name} | ({} if qualifier is None else {"Qualifier": qualifier})
    for found in (client.get_function_configuration(**given), client.get_function(**given)["Configuration"]):
        assert (arn, version) == (found["FunctionArn"], found["Version"])


@pytest.mark.rule("LAM-065")
@pytest.mark.parametrize(
    ("name", "qualifier", "message"),
    [
        ("nobody", None, f"Function not found: {arn_of('nobody')}"),
        ("nobody", "1", f"Function not found: {arn_of('nobody')}:1"),
        (arn_of("nobody"), None, f"Function not found: {arn_of('nobody')}"),
        ("worker", "7", f"Function not found: {arn_of()}:7"),
        ("worker:live", None, f"Function not found: {arn_of()}:live"),
        (
            arn_of(region="eu-west-1"),
            None,
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        ),
    ],
)
@pytest.mark.parametrize("operation", ["get_function", "get_function_configuration", "delete_function"])
def test_a_function_that_there_is_not(client, operation, name, qualifier, message):
    create(client)
    given = {"FunctionName": name} | ({} if qualifier is None else {"Qualifier": qualifier})
    if operation == "delete_function" and "nobody" not in name and "eu-west-1" not in name:
        return  # there are other words for a version or an alias that there is not
    with refused("ResourceNotFoundException", message, http_status=404, Type="User", Message=message):
        getattr(client, operation)(**given)


@pytest.mark.rule("LAM-021")
@pytest.mark.parametrize("operation", ["get_function", "get_function_configuration", "delete_function", "invoke"])
def test_two_qualifiers_that_differ_are_refused(client, operation):
    create(client, Publish=True)
    with refused("InvalidParameterValueException", MISMATCH, http_status=400, Type="User"):
        getattr(client, operation)(FunctionName="worker:1", Qualifier="$LATEST")


def test_functions_of_the_simulation_are_shown_too(sim, client):
    sim.create_function("worker", sorted, timeout=7, environment={"STAGE": "test"})
    found = client.get_function_configuration(FunctionName="worker")
    assert (7, {"Variables": {"STAGE": "test"}}) == (found["Timeout"], found["Environment"])
    assert not {"Role", "Runtime", "Handler"} & set(found)


# ---- listing


def test_functions_are_listed_by_name_without_their_state(client):
    for name in ("worker", "Alpha", "beta"):
        create(client, name, Publish=name == "worker")
    found = client.list_functions()["Functions"]
    assert ["Alpha", "beta", "worker"] == [one["FunctionName"] for one in found]
    assert {"$LATEST"} == {one["Version"] for one in found}
    assert arn_of() == found[-1]["FunctionArn"]
    assert not {"State", "LastUpdateStatus", "RuntimeVersionConfig"} & set(found[0])


def test_all_versions_of_all_functions_are_listed_with_their_qualifiers(client):
    create(client, "one")
    create(client, "two", Publish=True)
    found = client.list_functions(FunctionVersion="ALL")["Functions"]
    assert [f"{arn_of('one')}:$LATEST", f"{arn_of('two')}:$LATEST", f"{arn_of('two')}:1"] == [
        one["FunctionArn"] for one in found
    ]


def test_functions_are_listed_by_pages(client):
    names = [f"f{number:02d}" for number in range(7)]
    for name in names:
        create(client, name)
    pages = client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 3})
    assert [names[:3], names[3:6], names[6:]] == [[one["FunctionName"] for one in page["Functions"]] for page in pages]
    assert "NextMarker" not in client.list_functions(MaxItems=7)


def test_a_page_has_50_functions_at_most(sim, client):
    for number in range(51):
        sim.create_function(f"f{number:02d}")
    first = client.list_functions(MaxItems=10_000)
    assert 50 == len(first["Functions"])
    assert ["f50"] == [one["FunctionName"] for one in client.list_functions(Marker=first["NextMarker"])["Functions"]]


def test_a_page_goes_on_where_the_last_one_ended_whatever_happened_meanwhile(client):
    for name in ("a", "b", "c"):
        create(client, name)
    marker = client.list_functions(MaxItems=2)["NextMarker"]
    client.delete_function(FunctionName="b")
    create(client, "bb")
    assert ["bb", "c"] == [one["FunctionName"] for one in client.list_functions(Marker=marker)["Functions"]]


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"Marker": "no marker!"}, "InvalidParameterValueException", "Invalid Marker"),
        (
            {"MaxItems": 10_001},
            "ValidationException",
            CONSTRAINT.format(10_001, "maxItems", "have value less than or equal to 10000"),
        ),
        (
            {"FunctionVersion": "invalid"},
            "ValidationException",
            CONSTRAINT.format("invalid", "functionVersion", "satisfy enum value set: [ALL]"),
        ),
    ],
)
def test_lists_that_cannot_be(client, given, code, message):
    with refused(code, message):
        client.list_functions(**given)


# ---- changing


def test_an_update_of_the_code_shows_as_under_way_and_holds_at_once(client):
    before = create(client)
    content = zipped(app="def handler(event, context):\n    return 'new'\n")
    answer = bare(client.update_function_code(FunctionName="worker", ZipFile=content))
    assert ("Active", "InProgress") == (answer["State"], answer["LastUpdateStatus"])
    assert "The function is being created." == answer["LastUpdateStatusReason"]
    assert before["RevisionId"] != answer["RevisionId"]
    assert (len(content), "$LATEST", arn_of()) == (answer["CodeSize"], answer["Version"], answer["FunctionArn"])
    assert b'"new"' == client.invoke(FunctionName="worker")["Payload"].read()


def test_an_update_of_the_code_can_be_published(client):
    create(client, Publish=True)
    answer = client.update_function_code(FunctionName="worker", ZipFile=zipped(app="N = 1"), Publish=True)
    assert ("2", f"{arn_of()}:2") == (answer["Version"], answer["FunctionArn"])


def test_a_dry_run_changes_nothing(client):
    before = create(client)
    client.update_function_code(FunctionName="worker", ZipFile=zipped(app="N = 1"), DryRun=True)
    assert before["CodeSha256"] == client.get_function_configuration(FunctionName="worker")["CodeSha256"]
    with refused("InvalidParameterValueException"):
        client.update_function_code(FunctionName="worker", ZipFile=b"no zip", DryRun=True)


def test_an_update_may_change_the_architecture(client):
    create(client)
    answer = client.update_function_code(FunctionName="worker", ZipFile=zipped(app=ECHO), Architectures=["arm64"])
    assert ["arm64"] == answer["Architectures"]


def test_a_zip_stays_a_zip(client):
    create(client)
    expected = "Please don't provide ImageUri when updating a function with packageType Zip."
    with refused("InvalidParameterValueException", expected):
        client.update_function_code(FunctionName="worker", ImageUri="image:1")


def test_the_configuration_is_changed_where_it_is_given(sim, client):
    create(client, Description="works", Timeout=10, Environment={"Variables": {"STAGE": "test"}})
    sim.run_for(1.5)
    answer = client.update_function_configuration(FunctionName="worker", Timeout=20)
    assert (20, "works", {"Variables": {"STAGE": "test"}}) == (
        answer["Timeout"],
        answer["Description"],
        answer["Environment"],
    )
    assert ("InProgress", "2026-01-01T00:00:01.500+0000") == (answer["LastUpdateStatus"], answer["LastModified"])
    found = client.get_function_configuration(FunctionName="worker")
    assert ("Successful", answer["RevisionId"]) == (found["LastUpdateStatus"], found["RevisionId"])


def test_what_is_given_as_nothing_is_removed(client):
    create(
        client,
        Environment={"Variables": {"STAGE": "test"}},
        KMSKeyArn=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1",
        DeadLetterConfig={"TargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"},
        Layers=[f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:tools:1"],
        Description="works",
    )
    answer = client.update_function_configuration(
        FunctionName="worker",
        Environment={},
        KMSKeyArn="",
        DeadLetterConfig={"TargetArn": ""},
        Layers=[],
        Description="",
        VpcConfig={"SubnetIds": [], "SecurityGroupIds": []},
    )
    assert not {"KMSKeyArn", "DeadLetterConfig", "Layers"} & set(answer)
    assert ({"Variables": {}}, "") == (answer["Environment"], answer["Description"])
    assert ([], "") == (answer["VpcConfig"]["SubnetIds"], answer["VpcConfig"]["VpcId"])


def test_another_handler_of_the_same_code(client):
    code = "def one(event, context):\n    return 1\n\ndef two(event, context):\n    return 2\n"
    create(client, code=code, Handler="app.one")
    answer = client.update_function_configuration(FunctionName="worker", Handler="app.two", Description="other")
    assert ("app.two", "other") == (answer["Handler"], answer["Description"])
    assert b"2" == client.invoke(FunctionName="worker")["Payload"].read()


def test_another_handler_of_a_function_of_the_simulation(sim, client):
    sim.create_function("named", "json.loads")
    sim.create_function("given", lambda event, context: "mine")
    assert "json.dumps" == client.update_function_configuration(FunctionName="named", Handler="json.dumps")["Handler"]
    assert "app.other" == client.update_function_configuration(FunctionName="given", Handler="app.other")["Handler"]
    assert b'"mine"' == client.invoke(FunctionName="given")["Payload"].read()


def test_a_log_group_of_one_s_own(sim, client):
    create(client)
    config = {"LogFormat": "Text", "LogGroup": "/mine"}
    assert config == client.update_function_configuration(FunctionName="worker", LoggingConfig=config)["LoggingConfig"]
    assert "/mine" == sim.function("worker").log_group


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("update_function_code", {"ZipFile": zipped(app="N = 1")}),
        ("update_function_configuration", {"Timeout": 9}),
        ("publish_version", {}),
    ],
)
def test_a_revision_that_has_passed_is_refused(client, operation, given):
    old = create(client)["RevisionId"]
    client.update_function_configuration(FunctionName="worker", Timeout=8)
    before = client.get_function_configuration(FunctionName="worker")
    expected = (
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve "
        "the latest Revision Id"
    )
    with refused("PreconditionFailedException", expected, http_status=412, Type="User"):
        getattr(client, operation)(FunctionName="worker", RevisionId=old, **given)
    assert bare(before) == bare(client.get_function_configuration(FunctionName="worker"))
    getattr(client, operation)(FunctionName="worker", RevisionId=before["RevisionId"], **given)


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("update_function_code", {"ZipFile": zipped(app=ECHO)}),
        ("update_function_configuration", {"Timeout": 9}),
        ("publish_version", {}),
        ("create_alias", {"Name": "live", "FunctionVersion": "1"}),
        ("list_aliases", {}),
        ("list_versions_by_function", {}),
        ("put_function_concurrency", {"ReservedConcurrentExecutions": 1}),
        ("get_function_concurrency", {}),
        ("delete_function_concurrency", {}),
        ("get_policy", {}),
        ("add_permission", {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*"}),
    ],
)
def test_operations_on_a_function_that_there_is_not(client, operation, given):
    message = f"Function not found: {arn_of('nobody')}"
    with refused("ResourceNotFoundException", message, http_status=404, Type="User"):
        getattr(client, operation)(FunctionName="nobody", **given)


def test_a_version_cannot_be_changed(client):
    create(client, Publish=True)
    with refused("InvalidParameterValueException", http_status=400):
        client.update_function_configuration(FunctionName=f"{arn_of()}:1", Timeout=9)
    client.update_function_configuration(FunctionName="worker:$LATEST", Timeout=9)


# ---- deleting


def test_a_function_is_deleted(client):
    create(client)
    assert 204 == status(client.delete_function(FunctionName="worker"))
    with refused("ResourceNotFoundException", f"Function not found: {arn_of()}"):
        client.get_function(FunctionName="worker")
    with refused("ResourceNotFoundException", f"Function not found: {arn_of()}"):
        client.delete_function(FunctionName="worker")
    create(client)


def test_one_version_is_deleted(client):
    create(client, Publish=True)
    client.delete_function(FunctionName="worker", Qualifier="1")
    assert ["$LATEST"] == [
        one["Version"] for one in client.list_versions_by_function(FunctionName="worker")["Versions"]
    ]
    expected = "$LATEST version cannot be deleted without deleting the function."
    with refused("InvalidParameterValueException", expected):
        client.delete_function(FunctionName="worker", Qualifier="$LATEST")


def test_a_version_that_there_is_not_is_deleted_already(client):
    create(client)
    assert 204 == status(client.delete_function(FunctionName="worker", Qualifier="9"))
    assert "worker" == bare(client.get_function_configuration(FunctionName="worker"))["FunctionName"]


def test_aliases_are_not_deleted_as_versions_are(client):
    create(client, Publish=True)
    client.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")
    with refused("InvalidParameterValueException", "Deletion of aliases is not currently supported."):
        client.delete_function(FunctionName="worker", Qualifier="live")
    assert "1" == client.get_alias(FunctionName="worker", Name="live")["FunctionVersion"]


# ---- places


def test_each_region_has_functions_of_its_own(sim):
    here, there = client_of(sim), client_of(sim, region_name="eu-west-1")
    create(here)
    assert arn_of(region="eu-west-1") == create(there, code="def handler(e, c): return 'there'")["FunctionArn"]
    assert b'"there"' == there.invoke(FunctionName="worker")["Payload"].read()
    there.delete_function(FunctionName="worker")
    assert [arn_of()] == [one["FunctionArn"] for one in here.list_functions()["Functions"]]
    assert [] == there.list_functions()["Functions"]


def test_clients_are_in_the_region_of_the_simulation():
    sim = Simulation(region="cn-north-1", account_id="210987654321")
    answer = create(client_of(sim))
    assert "arn:aws-cn:lambda:cn-north-1:210987654321:function:worker" == answer["FunctionArn"]


def test_the_account_is_told_with_what_is_in_use(client):
    create(client)
    client.publish_version(FunctionName="worker")
    client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=100)
    found = client.get_account_settings()
    assert {
        "TotalCodeSize": 80_530_636_800,
        "CodeSizeUnzipped": 262_144_000,
        "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": 1_000,
        "UnreservedConcurrentExecutions": 900,
    } == found["AccountLimit"]
    assert {"TotalCodeSize": 2 * len(zipped(app=ECHO)), "FunctionCount": 1} == found["AccountUsage"]


def test_the_same_calls_give_the_same_answers():
    def play():
        sim = Simulation(seed=5)
        client = client_of(sim)
        create(client, Publish=True)
        client.invoke(FunctionName="worker")
        return [
            bare(client.get_function(FunctionName="worker")),
            bare(client.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")),
            sim.trace.to_json_lines(),
        ]

    assert play() == play()
