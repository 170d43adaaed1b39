"""The mapping as a resource, its figures, and the event that a function gets (ESM §1 to §4)."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal

import pytest
from attrs.exceptions import FrozenInstanceError

from lambdasim import (
    BackoffModel,
    BatchWindowModel,
    EventSourceMapping,
    Function,
    PollModel,
    Queue,
    RedrivePolicy,
    ScalingModel,
    ScalingRate,
    Simulation,
    SqsConfig,
    ThrottleRetry,
)
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
    ValidationException,
)

OUT_OF_RANGE = "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: Member must have value {}"
NO_QUEUE = (
    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
    "SQS Error Message: The specified queue does not exist."
)
NEEDS_WINDOW = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"


# ---- ESM-001 to ESM-003


@pytest.mark.rule("ESM-001")
def test_the_concurrency_of_a_mapping_is_its_slots_with_an_invocation_in_flight(sim, queue):
    worker = sim.create_function("worker", duration=1)
    mapping = sim.create_event_source_mapping(queue, worker, batch_size=1, settings=[ScalingModel(step_per_minute=0)])
    sim.run(until=0)
    for waiting, in_flight in ((0, 0), (1, 1), (2, 2), (9, 5)):
        while queue.snapshot().sent < waiting:
            queue.send_message("order")
        sim.run(until=0)
        assert (mapping.snapshot().in_flight, mapping.snapshot().pollers) == (in_flight, 5)
    sim.run(until=Decimal("0.999999"))
    assert worker.snapshot().invocations == 5  # a slot does one thing after the other
    sim.run(until=1)
    assert worker.snapshot().invocations == 9


@pytest.mark.rule("ESM-002")
def test_every_message_is_in_one_place_at_every_instant():
    sim = Simulation(seed=9)
    dead = sim.create_queue("dead", message_retention_period=600)
    queue = sim.create_queue(
        "orders",
        visibility_timeout=5,
        message_retention_period=60,
        redrive_policy=RedrivePolicy(dead, max_receive_count=2),
    )
    worker = sim.create_function("worker", failure_rate=0.5, duration=2, timeout=5, reserved_concurrent_executions=3)
    sim.create_event_source_mapping(queue, worker, batch_size=3)
    for number in range(120):
        queue.send_message(str(number), delay_seconds=number % 7 if number < 110 else 100)
    while sim.step():
        found = queue.snapshot()
        assert found.sent == 120
        assert (
            found.sent == found.deleted + found.visible + found.delayed + found.in_flight + found.moved + found.expired
        )
        assert found.moved == dead.snapshot().arrived
        sim.check_invariants()
    found = queue.snapshot()
    assert min(found.deleted, found.moved, found.expired, worker.snapshot().errors, worker.snapshot().throttles) > 0


@pytest.mark.rule("ESM-003", "ESM-103")
def test_a_message_out_of_receives_is_no_demand(sim):
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=10, redrive_policy=RedrivePolicy(dead, max_receive_count=1))
    worker = sim.create_function("worker", duration=9, timeout=10)
    queue.send_message("spent")
    queue.receive_message()  # comes back at 10, out of receives
    sim.run(until=5)
    mapping = sim.create_event_source_mapping(queue, worker, batch_size=1)
    for _ in range(5):
        queue.send_message("order")
    sim.run(until=12)
    assert queue.snapshot().visible == 1
    assert queue.receivable == 0
    assert mapping.snapshot().target == 5
    queue.send_message("order")
    sim.run(until=13)  # the slot of the first tick receives it, and moves the other away
    assert mapping.snapshot().target == 6
    assert queue.snapshot().moved == 1


@pytest.mark.rule("ESM-003", "ESM-093")
def test_at_the_in_flight_limit_nothing_is_receivable():
    sim = Simulation(settings=[SqsConfig(inflight_limit_standard=10)])
    queue = sim.create_queue("orders")
    for _ in range(60):
        queue.send_message("order")
    worker = sim.create_function("worker", duration=1)
    mapping = sim.create_event_source_mapping(queue, worker)
    sim.run(until=5.5)
    assert mapping.snapshot().target == 5
    assert mapping.snapshot().in_flight == 1
    assert queue.snapshot().deleted == 50


# ---- ESM-010 to ESM-012

FIGURES = [
    (ScalingModel(), {"initial": 5, "step_per_minute": 300, "max": 1_250, "idle_floor": 2}),
    (ScalingModel.DEFAULT, {"idle_optimise_after_s": 300, "ramp": "linear", "demand": "backlog"}),
    (PollModel(), {"wait_s": 20, "max_per_receive": 10}),
    (BatchWindowModel(), {"anchor": "previous_completion", "payload_bytes": 6_291_456}),
    (BackoffModel(), {"period_s": 1, "strength": 0.75, "exponent": 0.3, "floor": 2, "enabled": True}),
    (ThrottleRetry(), {"base_s": 1, "factor": 2, "max_delay_s": 20, "drop_rule": "remaining_below_timeout"}),
]


@pytest.mark.rule("ESM-010")
@pytest.mark.parametrize(("model", "figures"), FIGURES, ids=lambda value: type(value).__name__)
def test_the_figures_are_fields_of_frozen_objects(model, figures):
    assert {name: getattr(model, name) for name in figures} == figures
    with pytest.raises(FrozenInstanceError):
        setattr(model, next(iter(figures)), 1)


@pytest.mark.rule("ESM-010")
def test_a_figure_holds_for_a_simulation_or_for_one_mapping():
    sim = Simulation(settings=[ScalingModel(initial=3)])
    worker = sim.create_function("worker")
    wide = sim.create_event_source_mapping(sim.create_queue("wide"), worker)
    narrow = sim.create_event_source_mapping(sim.create_queue("narrow"), worker, settings=[ScalingModel(initial=4)])
    assert [mapping.snapshot().target for mapping in (wide, narrow)] == [3, 4]


@pytest.mark.rule("ESM-010")
@pytest.mark.parametrize("settings", [[ScalingRate()], [ScalingModel(), ScalingModel.SEED], ["fast"]])
def test_a_setting_without_meaning_for_a_mapping_and_a_second_one_of_a_class_are_refused(sim, queue, settings):
    with pytest.raises(UsageError, match="settings of an event source mapping"):
        sim.create_event_source_mapping(queue, sim.create_function("worker"), settings=settings)
    assert sim.event_source_mappings == ()


@pytest.mark.rule("ESM-011")
@pytest.mark.parametrize(
    ("preset", "changed"),
    [
        (ScalingModel.DEFAULT, ScalingModel()),
        (ScalingModel.SEED, ScalingModel(max=1_000)),
        (ScalingModel.LEGACY_2018, ScalingModel(step_per_minute=60, max=1_000)),
        (ScalingModel.STEP, ScalingModel(ramp="step")),
        (ScalingModel.EAGER, ScalingModel(demand="nonempty_receive")),
        (BackoffModel.OFF, BackoffModel(enabled=False)),
        (ThrottleRetry.SEED, ThrottleRetry(drop_rule="visibility_exceeded")),
    ],
)
def test_a_preset_changes_only_its_fields(preset, changed):
    assert preset == changed


@pytest.mark.rule("ESM-012")
@pytest.mark.parametrize(
    ("account", "most", "maximum_concurrency", "cap"),
    [
        (1_000, 1_250, None, 1_000),
        (1_250, 1_250, None, 1_250),
        (5_000, 1_250, None, 1_250),
        (5_000, 1_000, None, 1_000),
        (5_000, 1_250, 2, 2),
        (5_000, 1_250, 1_000, 1_000),
        (50, 1_250, 1_000, 50),
        (3, 1_250, None, 3),
        (5_000, 4, 1_000, 4),
    ],
)
def test_the_cap_is_the_least_of_maximum_concurrency_model_and_account(account, most, maximum_concurrency, cap):
    sim = Simulation(concurrent_executions=account, settings=[ScalingModel(initial=10_000, max=most)])
    mapping = sim.create_event_source_mapping(
        sim.create_queue("orders"), sim.create_function("worker"), maximum_concurrency=maximum_concurrency
    )
    sim.run(until=0)
    assert mapping.snapshot().pollers == mapping.snapshot().target == cap


@pytest.mark.rule("ESM-012", "ESM-104")
def test_growth_ends_at_the_cap(sim, queue):
    worker = sim.create_function("worker", duration=20, timeout=30)
    mapping = sim.create_event_source_mapping(queue, worker, batch_size=1, maximum_concurrency=7)
    for _ in range(20):
        queue.send_message("order")
    sim.run(until=10)
    found = mapping.snapshot()
    assert (found.target, found.pollers, found.in_flight) == (7, 7, 7)


# ---- ESM-020 to ESM-023


@pytest.mark.rule("ESM-020")
def test_what_is_not_said_about_a_mapping_has_awss_defaults(sim, queue):
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker"))
    assert (mapping.batch_size, mapping.maximum_batching_window_in_seconds) == (10, 0)
    assert (mapping.maximum_concurrency, mapping.function_response_types, mapping.metrics) == (None, (), ())
    sim.run(until=0)
    assert mapping.state == "Enabled"


@pytest.mark.rule("ESM-020", "ESM-030")
@pytest.mark.parametrize(
    ("given", "field", "low", "high"),
    [
        ({"batch_size": ...}, "batchSize", 1, 10_000),
        ({"maximum_batching_window_in_seconds": ...}, "maximumBatchingWindowInSeconds", 0, 300),
        ({"maximum_concurrency": ...}, "scalingConfig.maximumConcurrency", 2, 1_000),
    ],
)
def test_numbers_have_ranges_and_a_refusal_names_field_and_bound(sim, queue, given, field, low, high):
    worker = sim.create_function("worker")
    name = next(iter(given))
    for value, bound in ((low - 1, f"greater than or equal to {low}"), (high + 1, f"less than or equal to {high}")):
        with pytest.raises(ValidationException) as refusal:
            sim.create_event_source_mapping(queue, worker, **{name: value})
        assert refusal.value.message == OUT_OF_RANGE.format(value, field, bound)
        assert refusal.value.http_status == 400
    assert sim.event_source_mappings == ()
    for place, value in enumerate((low, high)):
        other = {"maximum_batching_window_in_seconds": 1} if name == "batch_size" else {}
        mapping = sim.create_event_source_mapping(sim.create_queue(f"queue-{place}"), worker, **{**other, name: value})
        assert getattr(mapping, name) == value


@pytest.mark.rule("ESM-020")
@pytest.mark.parametrize("name", ["batch_size", "maximum_batching_window_in_seconds", "maximum_concurrency"])
@pytest.mark.parametrize("value", ["10", 2.5, True])
def test_a_number_is_a_whole_number(sim, queue, name, value):
    with pytest.raises(UsageError, match="whole number"):
        sim.create_event_source_mapping(queue, sim.create_function("worker"), **{name: value})


@pytest.mark.rule("ESM-020")
@pytest.mark.parametrize(
    "given",
    [
        {"function_response_types": ["Everything"]},
        {"function_response_types": "ReportBatchItemFailures"},
        {"metrics": ["Count"]},
    ],
)
def test_a_word_that_means_nothing_is_refused(sim, queue, given):
    with pytest.raises(UsageError, match=next(iter(given))):
        sim.create_event_source_mapping(queue, sim.create_function("worker"), **given)


@pytest.mark.rule("ESM-020")
def test_source_and_function_are_given_as_objects_arns_or_names(sim, queue):
    mappings = []
    for place, form in enumerate((lambda thing: thing, lambda thing: thing.arn, lambda thing: thing.name)):
        worker = sim.create_function(f"worker-{place}")
        mappings.append(sim.create_event_source_mapping(form(queue), form(worker)))
    assert [(mapping.queue, mapping.function) for mapping in mappings] == [
        (queue, function) for function in sim.functions
    ]


OTHER_SOURCES = {
    "starting_position": "StartingPosition",
    "parallelization_factor": "ParallelizationFactor",
    "bisect_batch_on_function_error": "BisectBatchOnFunctionError",
    "maximum_retry_attempts": "MaximumRetryAttempts",
    "maximum_record_age_in_seconds": "MaximumRecordAgeInSeconds",
    "tumbling_window_in_seconds": "TumblingWindowInSeconds",
    "destination_config": "DestinationConfig",
    "topics": "Topics",
    "queues": "Queues",
    "source_access_configurations": "SourceAccessConfigurations",
}


@pytest.mark.rule("ESM-023")
@pytest.mark.parametrize("name", OTHER_SOURCES)
def test_a_parameter_of_another_kind_of_source_is_refused_in_awss_words(sim, queue, name):
    with pytest.raises(InvalidParameterValueException) as refusal:
        sim.create_event_source_mapping(queue, sim.create_function("worker"), **{name: 1})
    assert refusal.value.message == (
        f"Unsupported {OTHER_SOURCES[name]} parameter for given event source mapping type."
    )


@pytest.mark.parametrize("name", ["provisioned_poller_config", "scaling_config", "anything"])
def test_a_parameter_that_nobody_knows_is_refused_by_name(sim, queue, name):
    with pytest.raises(UsageError, match=name):
        sim.create_event_source_mapping(queue, sim.create_function("worker"), **{name: 1})
    assert sim.event_source_mappings == ()


# ---- ESM-030 to ESM-033


def refusal_of(call):
    with pytest.raises((InvalidParameterValueException, ValidationException, ResourceConflictException)) as refusal:
        call()
    return refusal.value


@pytest.mark.rule("ESM-030")
@pytest.mark.parametrize(
    ("source", "function", "given", "text"),
    [
        # each row breaks the rule of its text and all later ones that it can
        ("nowhere", "nobody", {"batch_size": 0, "starting_position": "LATEST"}, "Value '0' at 'batchSize'"),
        ("nowhere", "nobody", {"batch_size": 11, "starting_position": "LATEST"}, "Function does not exist"),
        (
            "arn:aws:kinesis:us-east-1:123456789012:stream/s",
            "patient",
            {"batch_size": 11, "starting_position": "LATEST"},
            "Unrecognized event source.",
        ),
        ("nowhere", "patient", {"batch_size": 11, "starting_position": "LATEST"}, NO_QUEUE),
        (
            "near",
            "patient",
            {"batch_size": 11, "starting_position": "LATEST"},
            "Unsupported StartingPosition parameter for given event source mapping type.",
        ),
        ("near", "patient", {"batch_size": 11}, NEEDS_WINDOW),
        (
            "near",
            "patient",
            {},
            "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds",
        ),
    ],
)
def test_checks_of_a_creation_run_in_their_order_with_awss_texts(source, function, given, text):
    sim = Simulation()
    sim.create_function("patient", timeout=31)
    queue = sim.create_queue("near")
    error = refusal_of(lambda: sim.create_event_source_mapping(source, function, **given))
    if isinstance(error, ValidationException):
        assert text in error.message
    else:
        assert error.message == text
    assert error.http_status == 400
    assert sim.event_source_mappings == ()
    sim.run(until=10)
    assert queue.snapshot().requests == 0


@pytest.mark.rule("ESM-030", "ESM-020")
def test_queue_and_function_must_be_of_one_region_and_may_be_of_two_accounts(clock):
    abroad = Queue("orders", clock, settings=[SqsConfig(region="eu-west-1")])
    foreign = Queue("orders", clock, settings=[SqsConfig(account_id="999999999999")])
    worker, patient = Function("worker", None, clock), Function("patient", None, clock, timeout=31)
    assert refusal_of(lambda: EventSourceMapping(abroad, worker)).message == (
        "Event source and function must be in the same region."
    )
    assert refusal_of(lambda: EventSourceMapping(abroad, patient)).message.startswith("Queue visibility timeout")
    foreign.send_message("order")
    EventSourceMapping(foreign, worker)
    clock.run()
    assert foreign.snapshot().deleted == 1


@pytest.mark.rule("ESM-030")
def test_a_second_mapping_of_the_same_queue_and_function_is_a_conflict_but_only_after_all_other_checks(sim, queue):
    worker = sim.create_function("worker", timeout=10)
    first = sim.create_event_source_mapping(queue, worker)
    again = refusal_of(lambda: sim.create_event_source_mapping(queue.arn, worker.arn, batch_size=5))
    assert isinstance(again, ResourceConflictException)
    assert again.http_status == 409
    assert again.message == (
        f'An event source mapping with SQS arn (" {queue.arn} ") and function (" worker ") already exists. Please '
        f"update or delete the existing mapping with UUID {first.uuid}"
    )
    assert refusal_of(lambda: sim.create_event_source_mapping(queue, worker, batch_size=11)).message == NEEDS_WINDOW
    queue.set_queue_attributes(visibility_timeout=9)
    late = refusal_of(lambda: sim.create_event_source_mapping(queue, worker))
    assert late.message == "Queue visibility timeout: 9 seconds is less than Function timeout: 10 seconds"
    assert sim.event_source_mappings == (first,)


@pytest.mark.rule("ESM-030")
@pytest.mark.parametrize(("visibility", "is_legal"), [(2, False), (3, True), (4, True)])
def test_the_visibility_timeout_must_not_be_below_the_functions_timeout(sim, visibility, is_legal):
    queue = sim.create_queue("orders", visibility_timeout=visibility)
    worker = sim.create_function("worker", timeout=3)
    if is_legal:
        sim.create_event_source_mapping(queue, worker)
    else:
        with pytest.raises(InvalidParameterValueException, match="Queue visibility timeout: 2 seconds"):
            sim.create_event_source_mapping(queue, worker)


@pytest.mark.rule("ESM-030")
@pytest.mark.parametrize(("size", "window", "is_legal"), [(10, 0, True), (11, 0, False), (11, 1, True)])
def test_a_batch_above_10_needs_a_window(sim, queue, size, window, is_legal):
    worker = sim.create_function("worker")
    call = lambda: sim.create_event_source_mapping(
        queue, worker, batch_size=size, maximum_batching_window_in_seconds=window
    )
    assert call().batch_size == size if is_legal else refusal_of(call).message == NEEDS_WINDOW


@pytest.mark.rule("ESM-031")
def test_visibility_against_timeout_is_checked_at_creation_only(sim, queue):
    worker = sim.create_function("worker", timeout=30, duration=10)
    mapping = sim.create_event_source_mapping(queue, worker)
    sim.run(until=0)
    queue.set_queue_attributes(visibility_timeout=5)
    queue.send_message("order")
    sim.run(until=9)
    assert mapping.state == "Enabled"
    assert worker.snapshot().invocations == 2  # it came back at 5, while the first ran


@pytest.mark.rule("ESM-032")
def test_two_mappings_of_one_queue_to_two_functions_are_allowed(sim, queue):
    mappings = [sim.create_event_source_mapping(queue, sim.create_function(name)) for name in ("a", "b")]
    assert sim.event_source_mappings == tuple(mappings)
    assert mappings[0].uuid != mappings[1].uuid


@pytest.mark.rule("ESM-033")
def test_an_unknown_uuid_is_not_found(sim, queue):
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker"))
    assert sim.event_source_mapping(mapping.uuid) is mapping
    with pytest.raises(ResourceNotFoundException) as refusal:
        sim.event_source_mapping("00000000-0000-4000-8000-000000000000")
    assert refusal.value.message == "The resource you requested does not exist."
    assert refusal.value.http_status == 404


@pytest.mark.rule("ESM-040")
def test_the_uuid_derives_from_seed_and_both_arns():
    def uuid(seed, function):
        sim = Simulation(seed=seed)
        return sim.create_event_source_mapping(sim.create_queue("q"), sim.create_function(function)).uuid

    assert uuid(0, "a") == uuid(0, "a")
    assert len({uuid(0, "a"), uuid(1, "a"), uuid(0, "b")}) == 3


# ---- ESM-050, ESM-051


@pytest.mark.rule("ESM-050", "ESM-051")
def test_a_new_mapping_is_creating_until_the_next_event_of_its_instant(sim, queue):
    sim.run(until=7)
    queue.send_message("order")
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker"))
    assert (mapping.state, mapping.snapshot().phase) == ("Creating", "stopped")
    assert queue.snapshot().visible == 1
    sim.step()
    assert mapping.state == "Enabled"
    sim.run(until=7)
    assert queue.snapshot().in_flight == 1


@pytest.mark.rule("ESM-050")
def test_a_mapping_made_disabled_does_nothing(sim, queue):
    queue.send_message("order")
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker"), enabled=False)
    assert mapping.state == "Disabled"
    sim.run(until=1_000)
    assert mapping.state == "Disabled"
    assert queue.snapshot().requests == 1
    found = mapping.snapshot()
    assert (found.phase, found.pollers, found.empty_receives) == ("stopped", 0, 0)


# ---- ESM-060 to ESM-067


def events_of(sim, queue, **given):
    """Let a handler gather its events."""
    events, contexts = [], []

    def handler(event, context):
        events.append(event)
        contexts.append(context)

    sim.create_event_source_mapping(queue, sim.create_function("worker", handler), **given)
    return events, contexts


@pytest.mark.rule("ESM-060")
def test_records_come_in_the_order_in_which_they_were_received(sim, queue):
    for number in range(25):
        queue.send_message(str(number))
    events, _ = events_of(sim, queue, batch_size=25, maximum_batching_window_in_seconds=1)
    sim.run()
    assert [list(event) for event in events] == [["Records"]]
    assert [record["body"] for record in events[0]["Records"]] == [str(number) for number in range(25)]


@pytest.mark.rule("ESM-061", "ESM-063", "ESM-064", "ESM-062")
def test_a_record_has_awss_fields_with_texts_as_attributes():
    sim = Simulation(region="eu-west-1", account_id="210987654321")
    queue = sim.create_queue("orders", visibility_timeout=30)
    sent = queue.send_message('{"n": 1}')
    sim.run(until=Decimal("1.0019"))
    (delivery,) = queue.receive_message()
    sim.run(until=10)
    events, _ = events_of(sim, queue)
    sim.run(until=60)
    (event,) = events
    (record,) = event["Records"]
    handle = record.pop("receiptHandle")
    assert record == {
        "messageId": sent.message_id,
        "body": '{"n": 1}',
        "attributes": {
            "ApproximateReceiveCount": "2",
            "SentTimestamp": "1767225600000",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1767225601001",
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(b'{"n": 1}', usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:210987654321:orders",
        "awsRegion": "eu-west-1",
    }
    assert isinstance(handle, str)
    assert handle != delivery.receipt_handle
    assert json.loads(json.dumps(event)) == event


@pytest.mark.rule("ESM-061")
def test_the_handle_of_a_record_works_on_the_queue(sim, queue):
    def handler(event, context):
        queue.delete_message(event["Records"][0]["receiptHandle"])
        msg = "deleted it myself"
        raise RuntimeError(msg)

    queue.send_message("order")
    sim.create_event_source_mapping(queue, sim.create_function("worker", handler))
    sim.run()
    assert queue.snapshot().deleted == 1
    assert sim.now == 0.1


@pytest.mark.rule("ESM-061")
def test_a_message_from_a_dead_letter_queue_names_its_source(sim, queue):
    source = sim.create_queue("source", visibility_timeout=0, redrive_policy=RedrivePolicy(queue, max_receive_count=1))
    source.send_message("order")
    source.receive_message()
    source.receive_message()
    events, _ = events_of(sim, queue)
    sim.run()
    attributes = events[0]["Records"][0]["attributes"]
    assert attributes["DeadLetterQueueSourceArn"] == source.arn
    assert attributes["ApproximateReceiveCount"] == "2"


@pytest.mark.rule("ESM-062")
@pytest.mark.parametrize("window", [0, 1])
def test_without_message_attributes_their_digest_is_absent_or_with_a_window_null(sim, queue, window):
    queue.send_message("order")
    events, _ = events_of(sim, queue, maximum_batching_window_in_seconds=window)
    sim.run()
    record = events[0]["Records"][0]
    assert ("md5OfMessageAttributes" in record) is bool(window)
    assert record.get("md5OfMessageAttributes") is None


@pytest.mark.rule("ESM-061")
def test_each_redelivery_has_a_new_handle_a_higher_count_and_the_same_first_receive(sim, queue):
    queue.send_message("order")
    events = []

    def handler(event, context):
        events.append(event)
        raise ValueError

    sim.create_event_source_mapping(queue, sim.create_function("worker", handler))
    sim.run(until=65)
    records = [event["Records"][0] for event in events]
    assert len({record["receiptHandle"] for record in records}) == 3
    assert len({record["messageId"] for record in records}) == 1
    attributes = [record["attributes"] for record in records]
    assert [each["ApproximateReceiveCount"] for each in attributes] == ["1", "2", "3"]
    assert {each["ApproximateFirstReceiveTimestamp"] for each in attributes} == {"1767225600000"}


@pytest.mark.rule("ESM-061")
def test_a_handler_that_changes_its_event_changes_nothing_else(sim, queue):
    seen = []

    def handler(event, context):
        record = event["Records"][0]
        seen.append((record["body"], record["attributes"]["ApproximateReceiveCount"], len(event["Records"])))
        record["body"] = record["messageId"] = "changed"
        record["attributes"].clear()
        event["Records"].clear()
        raise ValueError

    queue.send_message("one")
    queue.send_message("two")
    sim.create_event_source_mapping(queue, sim.create_function("worker", handler))
    sim.run(until=40)
    assert seen == [("one", "1", 2), ("one", "2", 2)]
    assert [message.body for message in queue.messages] == ["one", "two"]


@pytest.mark.rule("ESM-066", "ESM-089")
@pytest.mark.parametrize("body", ["x" * 200, "é✓𝄞" * 30, '{"quoted": "\\"\n\t"}' * 9], ids=["ascii", "wide", "escaped"])
@pytest.mark.parametrize("window", [0, 5])
def test_the_payload_is_measured_as_the_bytes_of_the_compact_json_of_the_event(body, window):
    def batches(limit):
        sim = Simulation(settings=[BatchWindowModel(payload_bytes=limit), ScalingModel(initial=1, step_per_minute=0)])
        queue = sim.create_queue("orders", visibility_timeout=300)
        for _ in range(4):
            queue.send_message(body)
        events, _ = events_of(sim, queue, maximum_batching_window_in_seconds=window)
        sim.run()
        return events

    (whole,) = batches(6_291_456)
    whole["Records"].pop()
    size = len(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode())
    assert [len(event["Records"]) for event in batches(size)] == [3, 1]
    assert [len(event["Records"]) for event in batches(size - 1)] == [2, 2]


@pytest.mark.rule("ESM-067")
def test_the_mapping_invokes_synchronously_under_the_functions_arn_without_client_context(sim, queue):
    queue.send_message("order")
    _, contexts = events_of(sim, queue)
    sim.run()
    assert contexts[0].client_context is None
    assert contexts[0].invoked_function_arn == sim.function("worker").arn
    assert queue.snapshot().deleted == 1  # at the end of the invocation, which it waited for
    assert sim.now == 0.1
