"""
Lambda over the wire, held against the service model of the botocore that is installed.

`CALLS` are made one after the other by a real client, and every answer is checked by the bridge: no member that the
model does not know, none missing, the right types. Then the parameters that were passed are held against those that the
model has. What is passed nowhere has to be named in `OUTSIDE`, so whatever a newer botocore brings fails here.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.loaders import create_loader
from botocore.model import ServiceModel

from lambdasim import Simulation
from lambdasim.bridges.functions import LambdaService
from lambdasim.bridges.records import Call, Protocol
from lambdasim.errors import UsageError
from tests.bridge_lambda import ACCOUNT, ECHO, IS_TODAYS_BOTOCORE, REGION, ROLE, arn_of, client_of, create, zipped

MODEL = ServiceModel(create_loader().load_service_model("lambda", "service-2"), "lambda")

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
TARGET = f"arn:aws:sqs:{REGION}:{ACCOUNT}:failed"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
LAYER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:tools:1"
VPC = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"], "Ipv6AllowedForDualStack": True}
FILES = [{"Arn": f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-1", "LocalMountPath": "/mnt/a"}]
LOGGING = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "WARN", "LogGroup": "/group"}
IMAGE = {"EntryPoint": ["/run"], "Command": ["app"], "WorkingDirectory": "/"}
S3 = {"S3Bucket": "code", "S3Key": "worker.zip", "S3ObjectVersion": "1", "S3ObjectStorageMode": "COPY"}
DESTINATIONS = {"OnSuccess": {"Destination": TARGET}, "OnFailure": {"Destination": TARGET}}
REVISION = "<revision>"  # stands for the revision of `$LATEST`, or of the alias, at the time of the call
UUID = "<uuid>"  # stands for that of the mapping
PAYLOAD = b'{"n": 1}'

CONFIGURED = {
    "Description": "works",
    "Timeout": 5,
    "MemorySize": 256,
    "VpcConfig": VPC,
    "DeadLetterConfig": {"TargetArn": TARGET},
    "Environment": {"Variables": {"STAGE": "test"}},
    "KMSKeyArn": KEY,
    "TracingConfig": {"Mode": "Active"},
    "Layers": [LAYER],
    "FileSystemConfigs": FILES,
    "EphemeralStorage": {"Size": 1024},
    "SnapStart": {"ApplyOn": "PublishedVersions"},
    "LoggingConfig": LOGGING,
}
POLLED = {
    "Enabled": True,
    "BatchSize": 20,
    "MaximumBatchingWindowInSeconds": 1,
    "FilterCriteria": {"Filters": [{"Pattern": '{"body": {"n": [1]}}'}]},
    "KMSKeyArn": KEY,
    "MetricsConfig": {"Metrics": ["EventCount"]},
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
}
PERMISSION = {
    "Action": "lambda:InvokeFunction",
    "Principal": "s3.amazonaws.com",
    "SourceArn": "arn:aws:s3:::bucket",
    "SourceAccount": ACCOUNT,
    "EventSourceToken": "token",
    "FunctionUrlAuthType": "NONE",
    "InvokedViaFunctionUrl": True,
    "PrincipalOrgID": "o-1234567890",
}
POLLERS = {"MinimumPollers": 2, "MaximumPollers": 5}
ALL_CONFIGURED = {"Runtime": "python3.12", "Role": ROLE, "Handler": "app.handler", **CONFIGURED}

# Operation and parameters, in an order in which each of them succeeds.
CALLS: list[tuple[str, dict[str, Any]]] = [
    (
        "CreateFunction",
        {
            "FunctionName": "worker",
            "Code": {"ZipFile": zipped(app=ECHO), "SourceKMSKeyArn": KEY},
            "Publish": True,
            "PackageType": "Zip",
            "Tags": {"team": "orders"},
            "Architectures": ["arm64"],
            **ALL_CONFIGURED,
        },
    ),
    ("CreateFunction", {"FunctionName": "stored", "Code": S3, **ALL_CONFIGURED}),
    (
        "CreateFunction",
        {
            "FunctionName": "image",
            "Role": ROLE,
            "PackageType": "Image",
            "Code": {"ImageUri": "image:1"},
            "ImageConfig": IMAGE,
        },
    ),
    ("GetFunction", {"FunctionName": "worker", "Qualifier": "1"}),
    ("GetFunction", {"FunctionName": "image"}),
    ("GetFunctionConfiguration", {"FunctionName": "worker", "Qualifier": "$LATEST"}),
    ("ListFunctions", {"FunctionVersion": "ALL", "MaxItems": 1, "Marker": "d29ya2Vy"}),
    (
        "UpdateFunctionCode",
        {
            "FunctionName": "worker",
            "ZipFile": zipped(app=ECHO, more="N = 1"),
            "Architectures": ["x86_64"],
            "Publish": True,
            "DryRun": False,
            "RevisionId": REVISION,
            "SourceKMSKeyArn": KEY,
        },
    ),
    ("UpdateFunctionCode", {"FunctionName": "stored", **S3}),
    ("UpdateFunctionCode", {"FunctionName": "image", "ImageUri": "image:2"}),
    (
        "UpdateFunctionConfiguration",
        {"FunctionName": "worker", "RevisionId": REVISION, **ALL_CONFIGURED, "Description": "works better"},
    ),
    ("UpdateFunctionConfiguration", {"FunctionName": "image", "ImageConfig": IMAGE}),
    (
        "PublishVersion",
        {
            "FunctionName": "worker",
            "CodeSha256": "<sha256>",
            "Description": "third",
            "RevisionId": REVISION,
        },
    ),
    ("ListVersionsByFunction", {"FunctionName": "worker", "MaxItems": 1, "Marker": "MDA="}),
    (
        "CreateAlias",
        {
            "FunctionName": "worker",
            "Name": "live",
            "FunctionVersion": "1",
            "Description": "serves",
            "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}},
        },
    ),
    ("GetAlias", {"FunctionName": "worker", "Name": "live"}),
    (
        "UpdateAlias",
        {
            "FunctionName": "worker",
            "Name": "live",
            "FunctionVersion": "2",
            "Description": "serves more",
            "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}},
            "RevisionId": REVISION,
        },
    ),
    ("ListAliases", {"FunctionName": "worker", "FunctionVersion": "2", "MaxItems": 1, "Marker": "YQ=="}),
    ("GetAccountSettings", {}),
    ("PutFunctionConcurrency", {"FunctionName": "worker", "ReservedConcurrentExecutions": 10}),
    ("GetFunctionConcurrency", {"FunctionName": "worker"}),
    ("GetFunction", {"FunctionName": "worker"}),
    (
        "PutProvisionedConcurrencyConfig",
        {"FunctionName": "worker", "Qualifier": "3", "ProvisionedConcurrentExecutions": 2},
    ),
    ("GetProvisionedConcurrencyConfig", {"FunctionName": "worker", "Qualifier": "3"}),
    ("ListProvisionedConcurrencyConfigs", {"FunctionName": "worker", "MaxItems": 1, "Marker": "YQ=="}),
    ("DeleteProvisionedConcurrencyConfig", {"FunctionName": "worker", "Qualifier": "3"}),
    ("DeleteFunctionConcurrency", {"FunctionName": "worker"}),
    (
        "Invoke",
        {
            "FunctionName": "worker",
            "InvocationType": "RequestResponse",
            "LogType": "Tail",
            "ClientContext": "e30=",
            "Payload": PAYLOAD,
            "Qualifier": "live",
        },
    ),
    ("Invoke", {"FunctionName": "worker", "InvocationType": "Event", "Payload": PAYLOAD}),
    ("Invoke", {"FunctionName": "worker", "InvocationType": "DryRun"}),
    ("InvokeAsync", {"FunctionName": "worker", "InvokeArgs": PAYLOAD}),
    (
        "InvokeWithResponseStream",
        {
            "FunctionName": "worker",
            "InvocationType": "RequestResponse",
            "LogType": "Tail",
            "ClientContext": "e30=",
            "Payload": PAYLOAD,
            "Qualifier": "live",
        },
    ),
    (
        "PutFunctionEventInvokeConfig",
        {
            "FunctionName": "worker",
            "Qualifier": "live",
            "MaximumRetryAttempts": 1,
            "MaximumEventAgeInSeconds": 60,
            "DestinationConfig": DESTINATIONS,
        },
    ),
    (
        "UpdateFunctionEventInvokeConfig",
        {
            "FunctionName": "worker",
            "Qualifier": "live",
            "MaximumRetryAttempts": 0,
            "MaximumEventAgeInSeconds": 90,
            "DestinationConfig": DESTINATIONS,
        },
    ),
    ("GetFunctionEventInvokeConfig", {"FunctionName": "worker", "Qualifier": "live"}),
    ("ListFunctionEventInvokeConfigs", {"FunctionName": "worker", "MaxItems": 1, "Marker": "YQ=="}),
    ("DeleteFunctionEventInvokeConfig", {"FunctionName": "worker", "Qualifier": "live"}),
    (
        "CreateEventSourceMapping",
        {
            "EventSourceArn": QUEUE,
            "FunctionName": "worker",
            "ScalingConfig": {"MaximumConcurrency": 2},
            "Tags": {"team": "orders"},
            **POLLED,
        },
    ),
    (
        "CreateEventSourceMapping",
        {"EventSourceArn": QUEUE, "FunctionName": "stored", "ProvisionedPollerConfig": POLLERS},
    ),
    ("GetEventSourceMapping", {"UUID": UUID}),
    (
        "UpdateEventSourceMapping",
        {"UUID": UUID, "FunctionName": "worker:live", "ScalingConfig": {"MaximumConcurrency": 3}, **POLLED},
    ),
    (
        "UpdateEventSourceMapping",
        {"UUID": UUID, "ScalingConfig": {}, "ProvisionedPollerConfig": POLLERS},
    ),
    (
        "ListEventSourceMappings",
        {"EventSourceArn": QUEUE, "FunctionName": "worker", "MaxItems": 1, "Marker": "MDA="},
    ),
    ("DeleteEventSourceMapping", {"UUID": UUID}),
    ("AddPermission", {"FunctionName": "worker", "StatementId": "first", "Qualifier": "live", **PERMISSION}),
    (
        "AddPermission",
        {
            "FunctionName": "worker",
            "StatementId": "second",
            "Qualifier": "live",
            "RevisionId": "<policy>",
            **PERMISSION,
        },
    ),
    ("GetPolicy", {"FunctionName": "worker", "Qualifier": "live"}),
    (
        "RemovePermission",
        {
            "FunctionName": "worker",
            "StatementId": "first",
            "Qualifier": "live",
            "RevisionId": "<policy>",
        },
    ),
    ("TagResource", {"Resource": arn_of(), "Tags": {"stage": "test"}}),
    ("ListTags", {"Resource": arn_of()}),
    ("UntagResource", {"Resource": arn_of(), "TagKeys": ["stage"]}),
    ("DeleteAlias", {"FunctionName": "worker", "Name": "live"}),
    ("DeleteFunction", {"FunctionName": "worker", "Qualifier": "1"}),
    ("DeleteFunction", {"FunctionName": "worker"}),
]

# Members of modelled operations that are not modelled, by their path in the service model.
OUTSIDE = {
    "AcceleratorConfig",
    "CapacityProviderConfig",
    "CodeSigningConfigArn",
    "DurableConfig",
    "DurableExecutionName",
    "FileSystemConfigs.S3FilesConfig",  # kept and shown, as all of that member
    "MasterRegion",
    "PublishTo",
    "RuntimeConfig",
    "TenancyConfig",
    "TenantId",
}
# Members that are understood, and refused as AWS refuses them: they belong to other sources than queues.
OTHER_SOURCES = {
    "AmazonManagedKafkaEventSourceConfig": {"ConsumerGroupId": "a"},
    "BisectBatchOnFunctionError": True,
    "DestinationConfig": DESTINATIONS,
    "DocumentDBEventSourceConfig": {"DatabaseName": "a"},
    "LoggingConfig": {"SystemLogLevel": "INFO"},
    "MaximumRecordAgeInSeconds": 60,
    "MaximumRetryAttempts": 1,
    "ParallelizationFactor": 1,
    "ProvisionedPollerConfig.PollerGroupName": "a",
    "Queues": ["a"],
    "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["a:1"]}},
    "SelfManagedKafkaEventSourceConfig": {"ConsumerGroupId": "a"},
    "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": "arn:aws:secretsmanager:us-east-1:1:secret:a"}],
    "StartingPosition": "LATEST",
    "StartingPositionTimestamp": 0,
    "Topics": ["a"],
    "TumblingWindowInSeconds": 1,
}
OUTSIDE_OPERATIONS = re.compile(
    r"\w*(LayerVersion|LayerVersions|ListLayers|CodeSigningConfig|FunctionUrlConfig|CapacityProvider|DurableExecution|"
    r"ResourcePolicy|RecursionConfig|ScalingConfig|RuntimeManagementConfig)\w*|ListFunctionsByCodeSigningConfig"
)


def paths_of(value, prefix=""):
    """Yield the paths of all members in what is passed for a structure."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield f"{prefix}{name}"
        for each in inner if isinstance(inner, list) else [inner]:
            yield from paths_of(each, f"{prefix}{name}.")


def paths_in(shape, prefix="", depth=2):
    """Yield the paths of all members that a structure of the model may have, to a depth that matters here."""
    for name, member in shape.members.items():
        yield f"{prefix}{name}"
        inner = member.member if member.type_name == "list" else member
        if inner.type_name == "structure" and depth:
            yield from paths_in(inner, f"{prefix}{name}.", depth - 1)


def is_named(path, names):
    """Whether a path, or one that it begins with, is among the names."""
    parts = path.split(".")
    return any(".".join(parts[:count]) in names for count in range(1, len(parts) + 1))


@pytest.fixture(scope="module")
def made():
    """Make all calls, and return the simulation."""
    sim = Simulation()
    client = client_of(sim)
    for name in ("orders", "failed"):
        sim.create_queue(name)
    sim.register_handler("stored", lambda event, context: event)
    sim.register_handler("image", lambda event, context: event)
    uuid = None
    for operation, parameters in CALLS:
        given = dict(parameters)
        for name, value in parameters.items():
            if value == REVISION:
                qualified = {"Name": given["Name"]} if operation == "UpdateAlias" else {}
                get = client.get_alias if qualified else client.get_function_configuration
                given[name] = get(FunctionName=given["FunctionName"], **qualified)["RevisionId"]
            elif value == "<policy>":
                named = {name: given[name] for name in ("FunctionName", "Qualifier")}
                given[name] = client.get_policy(**named)["RevisionId"]
            elif value == "<sha256>":
                given[name] = client.get_function_configuration(FunctionName=given["FunctionName"])["CodeSha256"]
            elif value == UUID:
                given[name] = uuid
        method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()
        answer = getattr(client, method)(**given)
        if operation == "InvokeWithResponseStream":
            assert [{"PayloadChunk"}, {"InvokeComplete"}] == [set(event) for event in answer["EventStream"]]
        if operation == "CreateEventSourceMapping" and uuid is None:
            uuid = answer["UUID"]
        sim.run_for(0)  # so that changes of states complete
    return sim


@pytest.mark.skipif(not IS_TODAYS_BOTOCORE, reason="of an older botocore")
def test_every_call_is_answered_as_the_service_model_has_it(made):
    assert made.functions  # each answer was held against the model while the calls were made


@pytest.mark.parametrize("operation", sorted(LambdaService(Simulation()).operations))
def test_every_parameter_is_passed_or_named_as_outside(operation):
    passed = {path for called, parameters in CALLS if called == operation for path in paths_of(parameters)}
    assert passed or operation == "GetAccountSettings", "no call"
    refused = OTHER_SOURCES if operation.endswith("EventSourceMapping") else ()
    shape = MODEL.operation_model(operation).input_shape
    left = [
        path
        for path in paths_in(shape)
        if path not in passed and not is_named(path, OUTSIDE) and not is_named(path, refused)
    ]
    assert [] == left


@pytest.mark.skipif(not IS_TODAYS_BOTOCORE, reason="of an older botocore")
def test_what_the_service_knows_is_in_the_model():
    for operation, known in LambdaService(Simulation()).operations.items():
        assert not known - set(MODEL.operation_model(operation).input_shape.members)


def test_every_operation_is_modelled_or_named_as_outside():
    modelled = LambdaService(Simulation()).operations
    left = [name for name in MODEL.operation_names if name not in modelled and not OUTSIDE_OPERATIONS.fullmatch(name)]
    assert [] == left
    assert not [name for name in modelled if OUTSIDE_OPERATIONS.fullmatch(name)]


@pytest.mark.parametrize("name", sorted(OUTSIDE - {"FileSystemConfigs.S3FilesConfig"}))
def test_a_parameter_outside_of_the_model_is_refused_by_name(sim, name):
    for operation in LambdaService(sim).operations:
        shape = MODEL.operation_model(operation).input_shape
        if name in shape.members:
            call = Call("lambda", operation, {name: 1}, Protocol.REST_JSON, None, None, "", None)
            with pytest.raises(UsageError, match=f"{operation}: {name} is not modelled"):
                LambdaService(sim).answer(call)


@pytest.mark.rule("ESM-023")
@pytest.mark.parametrize("name", sorted(OTHER_SOURCES))
def test_parameters_of_other_sources_are_refused_as_aws_does(sim, name):
    client, value = client_of(sim), OTHER_SOURCES[name]
    create(client)
    queue = sim.create_queue("orders")
    outer, _, inner = name.partition(".")
    given = {outer: {inner: value} if inner else value}
    expected = f"Unsupported {inner or outer} parameter for given event source mapping type."
    with pytest.raises(ClientError, match=expected):
        client.create_event_source_mapping(EventSourceArn=queue.arn, FunctionName="worker", **given)
    if outer in MODEL.operation_model("UpdateEventSourceMapping").input_shape.members:
        mapping = client.create_event_source_mapping(EventSourceArn=queue.arn, FunctionName="worker")
        sim.run_for(0)
        with pytest.raises(ClientError, match=expected):
            client.update_event_source_mapping(UUID=mapping["UUID"], **given)


def test_an_operation_outside_of_the_model_is_refused_as_aws_refuses_one_that_it_does_not_know(sim):
    client = client_of(sim)
    with pytest.raises(ClientError, match="ListLayers is not modelled") as caught:
        client.list_layers()
    assert "UnknownOperationException" == caught.value.response["Error"]["Code"]
    assert 404 == caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
