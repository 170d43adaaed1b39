"""Event source mappings through clients of boto3."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from lambdasim import LifecycleModel, Simulation
from tests.bridge_lambda import (
    ACCOUNT,
    IS_TODAYS_BOTOCORE,
    REGION,
    arn_of,
    bare,
    client_of,
    create,
    refused,
    status,
)

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
CONSTRAINT = "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: Member must {}"
NOBODY = "The resource you requested does not exist."
UUID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def client(sim, queue):
    """A client of a simulation with a queue, and a function with an alias."""
    client = client_of(sim)
    create(client, Publish=True)
    client.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")
    return client


@pytest.fixture
def uuid(sim, client):
    """The UUID of a mapping that is enabled."""
    found = client.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="worker")["UUID"]
    sim.run_for(0)
    return found


# ---- making and looking


@pytest.mark.rule("ESM-040", "ESM-050", "ESM-051")
@pytest.mark.skipif(not IS_TODAYS_BOTOCORE, reason="an older botocore does not know the ARN of a mapping")
def test_a_mapping_is_made(sim, client):
    made = client.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="worker")
    assert 202 == status(made)
    uuid = made["UUID"]
    assert {
        "UUID": uuid,
        "EventSourceMappingArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{uuid}",
        "EventSourceArn": QUEUE,
        "FunctionArn": arn_of(),
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
        "LastModified": datetime(2026, 1, 1, tzinfo=UTC),
    } == bare(made)
    sim.run_for(0)
    assert {**bare(made), "State": "Enabled"} == bare(client.get_event_source_mapping(UUID=uuid))


@pytest.mark.rule("ESM-020", "ESM-040")
def test_what_a_mapping_is_told_is_kept_and_shown(client):
    given = {
        "Enabled": False,
        "BatchSize": 500,
        "MaximumBatchingWindowInSeconds": 5,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "FilterCriteria": {"Filters": [{"Pattern": json.dumps({"body": {"n": [1]}})}]},
        "ScalingConfig": {"MaximumConcurrency": 5},
        "MetricsConfig": {"Metrics": ["EventCount"]},
    }
    made = client.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="worker", **given)
    assert "Disabled" == made["State"]
    shown = {name: value for name, value in given.items() if name != "Enabled"}
    found = client.get_event_source_mapping(UUID=made["UUID"])
    assert shown == {name: found[name] for name in shown}


@pytest.mark.rule("ESM-020")
def test_pollers_of_its_own(client):
    made = client.create_event_source_mapping(
        EventSourceArn=QUEUE, FunctionName="worker", ProvisionedPollerConfig={"MinimumPollers": 3}
    )
    assert {"MinimumPollers": 3, "MaximumPollers": 200} == made["ProvisionedPollerConfig"]


@pytest.mark.rule("FLT-017")
def test_a_key_hides_the_filters_in_lists(client):
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    criteria = {"Filters": [{"Pattern": '{"body": {"n": [1]}}'}]}
    made = client.create_event_source_mapping(
        EventSourceArn=QUEUE, FunctionName="worker", KMSKeyArn=key, FilterCriteria=criteria
    )
    (listed,) = client.list_event_source_mappings()["EventSourceMappings"]
    assert (key, criteria) == (made["KMSKeyArn"], made["FilterCriteria"])
    assert "FilterCriteria" not in listed


@pytest.mark.rule("LAM-021", "ESM-020")
@pytest.mark.parametrize(
    ("name", "arn"),
    [
        ("worker", arn_of()),
        ("worker:live", f"{arn_of()}:live"),
        ("worker:1", f"{arn_of()}:1"),
        ("worker:$LATEST", arn_of()),
        (f"{ACCOUNT}:function:worker", arn_of()),
        (f"{ACCOUNT}:function:worker:live", f"{arn_of()}:live"),
        (arn_of(), arn_of()),
        (f"{arn_of()}:1", f"{arn_of()}:1"),
    ],
)
def test_all_names_of_a_function(client, name, arn):
    assert arn == client.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName=name)["FunctionArn"]


@pytest.mark.rule("ESM-030")
@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (
            {"BatchSize": 10_001},
            "ValidationException",
            CONSTRAINT.format(10_001, "batchSize", "have value less than or equal to 10000"),
        ),
        (
            {"MaximumBatchingWindowInSeconds": 301},
            "ValidationException",
            CONSTRAINT.format(301, "maximumBatchingWindowInSeconds", "have value less than or equal to 300"),
        ),
        (
            {"ScalingConfig": {"MaximumConcurrency": 1_001}},
            "ValidationException",
            CONSTRAINT.format(1_001, "scalingConfig.maximumConcurrency", "have value less than or equal to 1000"),
        ),
        (
            {"ProvisionedPollerConfig": {"MinimumPollers": 1}},
            "ValidationException",
            CONSTRAINT.format(1, "provisionedPollerConfig.minimumPollers", "have value greater than or equal to 2"),
        ),
        (
            {"FunctionResponseTypes": ["ReportAll"]},
            "ValidationException",
            CONSTRAINT.format(
                "[ReportAll]",
                "functionResponseTypes",
                "satisfy constraint: [Member must satisfy enum value set: [ReportBatchItemFailures], Member must not "
                "be null]",
            ),
        ),
        (
            {"MetricsConfig": {"Metrics": ["KafkaMetrics"]}},
            "ValidationException",
            CONSTRAINT.format(
                "[KafkaMetrics]",
                "metricsConfig.metrics",
                "satisfy constraint: [Member must satisfy enum value set: [EventCount], Member must not be null]",
            ),
        ),
        ({"EventSourceArn": "orders"}, "ValidationException", None),
        ({"FunctionName": "nobody"}, "InvalidParameterValueException", "Function does not exist"),
        ({"FunctionName": "worker:7"}, "InvalidParameterValueException", "Function does not exist"),
        (
            {"FunctionName": arn_of(region="eu-west-1")},
            "InvalidParameterValueException",
            "Function does not exist",
        ),
        ({"EventSourceArn": "arn:aws:s3:::bucket"}, "InvalidParameterValueException", "Unrecognized event source."),
        (
            {"EventSourceArn": f"{QUEUE}2"},
            "InvalidParameterValueException",
            (
                "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS "
                "Error Message: The specified queue does not exist."
            ),
        ),
        (
            {"BatchSize": 11},
            "InvalidParameterValueException",
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ),
        (
            {"FilterCriteria": {"Filters": [{"Pattern": "no pattern"}]}},
            "InvalidParameterValueException",
            "Invalid filter pattern definition.",
        ),
        (
            {"ScalingConfig": {"MaximumConcurrency": 2}, "ProvisionedPollerConfig": {"MinimumPollers": 2}},
            "InvalidParameterValueException",
            "ScalingConfig and ProvisionedPollerConfig cannot be set together.",
        ),
    ],
)
def test_mappings_that_cannot_be(client, given, code, message):
    with refused(code, message, http_status=400):
        client.create_event_source_mapping(**{"EventSourceArn": QUEUE, "FunctionName": "worker", **given})
    assert [] == client.list_event_source_mappings()["EventSourceMappings"]


def test_a_mapping_needs_a_source(client):
    with refused("InvalidParameterValueException", "Unrecognized event source.", Type="User"):
        client.create_event_source_mapping(FunctionName="nobody")


@pytest.mark.rule("ESM-030")
def test_a_queue_has_to_wait_as_long_as_its_function(sim, client):
    client.update_function_configuration(FunctionName="worker", Timeout=31)
    message = "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"
    with refused("InvalidParameterValueException", message, Type="User"):
        client.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="worker")


@pytest.mark.rule("ESM-030")
def test_windows_and_large_batches_are_not_for_fifo_queues(sim, client):
    fifo = sim.create_queue("orders.fifo").arn
    with refused("InvalidParameterValueException", "Batching window is not supported for FIFO queues"):
        client.create_event_source_mapping(EventSourceArn=fifo, FunctionName="worker", MaximumBatchingWindowInSeconds=1)


@pytest.mark.rule("ESM-030", "ESM-032")
def test_a_second_mapping_of_a_pair_is_refused(client, uuid):
    message = (
        f'An event source mapping with SQS arn (" {QUEUE} ") and function (" worker ") already exists. Please update '
        f"or delete the existing mapping with UUID {uuid}"
    )
    with refused("ResourceConflictException", message, http_status=409, Type="User"):
        client.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName=arn_of())
    client.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="worker:live")


# ---- changing and deleting


@pytest.mark.rule("ESM-050", "ESM-052")
def test_a_mapping_is_changed(sim, client, uuid):
    create(client, "other")
    changed = client.update_event_source_mapping(UUID=uuid, FunctionName="other", BatchSize=2)
    assert (202, "Updating", arn_of("other"), 2) == (
        status(changed),
        changed["State"],
        changed["FunctionArn"],
        changed["BatchSize"],
    )
    sim.run_for(0)
    assert "Enabled" == client.get_event_source_mapping(UUID=uuid)["State"]


@pytest.mark.rule("ESM-050")
def test_a_mapping_is_disabled_and_enabled(sim, client, uuid):
    for enabled, states in ((False, ("Disabling", "Disabled")), (True, ("Enabling", "Enabled"))):
        assert states[0] == client.update_event_source_mapping(UUID=uuid, Enabled=enabled)["State"]
        sim.run_for(0)
        assert states[1] == client.get_event_source_mapping(UUID=uuid)["State"]


@pytest.mark.rule("ESM-020", "FLT-016")
def test_what_is_given_as_nothing_is_removed(sim, client):
    made = client.create_event_source_mapping(
        EventSourceArn=QUEUE,
        FunctionName="worker",
        FilterCriteria={"Filters": [{"Pattern": '{"body": {"n": [1]}}'}]},
        ScalingConfig={"MaximumConcurrency": 5},
        FunctionResponseTypes=["ReportBatchItemFailures"],
        MetricsConfig={"Metrics": ["EventCount"]},
        KMSKeyArn=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1",
    )
    sim.run_for(0)
    changed = client.update_event_source_mapping(
        UUID=made["UUID"],
        FilterCriteria={},
        ScalingConfig={},
        FunctionResponseTypes=[],
        MetricsConfig={"Metrics": []},
        KMSKeyArn="",
    )
    assert not {"FilterCriteria", "ScalingConfig", "MetricsConfig", "KMSKeyArn"} & set(changed)
    assert [] == changed["FunctionResponseTypes"]
    sim.run_for(0)
    pollers = {"MinimumPollers": 4, "MaximumPollers": 8}
    changed = client.update_event_source_mapping(UUID=made["UUID"], ProvisionedPollerConfig=pollers)
    assert pollers == changed["ProvisionedPollerConfig"]
    sim.run_for(0)
    changed = client.update_event_source_mapping(UUID=made["UUID"], ProvisionedPollerConfig={"MaximumPollers": 9})
    assert {"MinimumPollers": 4, "MaximumPollers": 9} == changed["ProvisionedPollerConfig"]
    sim.run_for(0)
    changed = client.update_event_source_mapping(UUID=made["UUID"], ProvisionedPollerConfig={})
    assert "ProvisionedPollerConfig" not in changed


def test_a_mapping_is_turned_to_a_function_that_there_is(client, uuid):
    for name in ("nobody", "worker:7"):
        with refused("InvalidParameterValueException", "Function does not exist", Type="User"):
            client.update_event_source_mapping(UUID=uuid, FunctionName=name)
    assert arn_of() == client.get_event_source_mapping(UUID=uuid)["FunctionArn"]


@pytest.mark.rule("ESM-034")
def test_a_mapping_in_a_transition_is_in_use():
    sim = Simulation(settings=[LifecycleModel.REALISTIC])
    sim.create_queue("orders")
    client = client_of(sim)
    create(client)
    uuid = client.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="worker")["UUID"]
    message = "Cannot {} the event source mapping because it is in use."
    with refused("ResourceInUseException", message.format("update"), http_status=400, Type="User"):
        client.update_event_source_mapping(UUID=uuid, BatchSize=1)
    with refused("ResourceInUseException", message.format("delete"), http_status=400, Type="User"):
        client.delete_event_source_mapping(UUID=uuid)
    sim.run_for(60)
    assert "Deleting" == client.delete_event_source_mapping(UUID=uuid)["State"]


@pytest.mark.rule("ESM-033", "ESM-050")
def test_a_mapping_is_deleted(sim, client, uuid):
    deleted = client.delete_event_source_mapping(UUID=uuid)
    assert (202, "Deleting", uuid) == (status(deleted), deleted["State"], deleted["UUID"])
    sim.run_for(0)
    for operation in ("get_event_source_mapping", "update_event_source_mapping", "delete_event_source_mapping"):
        with refused("ResourceNotFoundException", NOBODY, http_status=404, Type="User", Message=NOBODY):
            getattr(client, operation)(UUID=uuid)
    assert [] == client.list_event_source_mappings()["EventSourceMappings"]


def test_a_mapping_that_there_is_not(client):
    with refused("ResourceNotFoundException", NOBODY, http_status=404, Type="User"):
        client.get_event_source_mapping(UUID=UUID)


# ---- listing


@pytest.mark.rule("ESM-035")
def test_mappings_are_listed(sim, client):
    other = sim.create_queue("other").arn
    create(client, "second")
    pairs = [(QUEUE, "worker"), (QUEUE, "worker:live"), (other, "worker"), (other, "second")]
    uuids = [
        client.create_event_source_mapping(EventSourceArn=source, FunctionName=name)["UUID"] for source, name in pairs
    ]

    def listed(**given):
        found = client.list_event_source_mappings(**given)["EventSourceMappings"]
        return [uuids.index(mapping["UUID"]) for mapping in found]

    assert [0, 1, 2, 3] == listed()
    assert [0, 1] == listed(EventSourceArn=QUEUE)
    assert [0, 1, 2] == listed(FunctionName="worker")
    assert [1] == listed(FunctionName="worker:live")
    assert [3] == listed(EventSourceArn=other, FunctionName=arn_of("second"))
    assert [] == listed(EventSourceArn=f"{QUEUE}2")
    pages = client.get_paginator("list_event_source_mappings").paginate(PaginationConfig={"PageSize": 3})
    assert [3, 1] == [len(page["EventSourceMappings"]) for page in pages]
    with refused("ResourceNotFoundException", f"Function not found: {arn_of('nobody')}"):
        listed(FunctionName="nobody")
    with refused("InvalidParameterValueException", "Invalid Marker"):
        listed(Marker="no marker")


def test_each_region_has_mappings_of_its_own(sim, client, uuid):
    there = client_of(sim, region_name="eu-west-1")
    assert [] == there.list_event_source_mappings()["EventSourceMappings"]
    with refused("ResourceNotFoundException", NOBODY):
        there.get_event_source_mapping(UUID=uuid)
    queue = sim.create_queue("orders", region="eu-west-1")
    create(there)
    made = there.create_event_source_mapping(EventSourceArn=queue.arn, FunctionName="worker")
    assert arn_of(region="eu-west-1") == made["FunctionArn"]
    assert [uuid] == [one["UUID"] for one in client.list_event_source_mappings()["EventSourceMappings"]]


# ---- at work


@pytest.mark.rule("ESM-060", "ESM-061")
def test_messages_reach_code_that_was_uploaded(sim, client):
    create(client, "printer", code="def handler(event, context):\n    print([r['body'] for r in event['Records']])\n")
    client.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="printer")
    for body in ("a", "b"):
        sim.queue("orders").send_message(body)
    sim.run()
    assert ["['a', 'b']"] == [line for run in sim.function("printer").invocations for line in run.log]
    assert 2 == sim.queue("orders").deleted


def test_what_a_client_sees_is_what_the_simulation_has(sim, client, uuid):
    ours, theirs = sim.event_source_mapping(uuid), client.get_event_source_mapping(UUID=uuid)
    found = ours.get_event_source_mapping()
    assert (found.function_arn, found.batch_size, found.state) == (
        theirs["FunctionArn"],
        theirs["BatchSize"],
        theirs["State"],
    )
    sim.function("worker").update_function_configuration(timeout=9)
    assert 9 == client.get_function_configuration(FunctionName="worker")["Timeout"]
