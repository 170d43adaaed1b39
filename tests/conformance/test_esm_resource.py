"""The mapping as a resource: what it answers, its states, and changes while it works (ESM §3)."""

from __future__ import annotations

import pytest
from attrs.exceptions import FrozenInstanceError

from lambdasim import (
    BatchWindowModel,
    EventSourceMapping,
    FilterModel,
    Function,
    LifecycleModel,
    Queue,
    ScalingModel,
    Simulation,
    SqsConfig,
)
from lambdasim.errors import ParamValidationError, UsageError
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceInUseException,
    ResourceNotFoundException,
    ValidationException,
)

SECOND = 1_000_000
DELAYS = LifecycleModel(creating_s=1, enabling_s=2, updating_s=3, disabling_s=4, deleting_s=5)
ONE_SLOT = ScalingModel(initial=1, step_per_minute=0)
ODD, EVEN = '{"body": ["odd"]}', '{"body": ["even"]}'
NOT_THERE = "The resource you requested does not exist."


def criteria(*patterns):
    return {"Filters": [{"Pattern": pattern} for pattern in patterns]}


def settled(sim, queue, function="worker", **given):
    """Make a mapping and let it become what it was told to be."""
    mapping = sim.create_event_source_mapping(queue, function, **given)
    sim.run(until_us=sim.now_us)
    return mapping


@pytest.fixture
def ran():
    """Return (instant, function and version, bodies) of what was invoked."""
    return []


@pytest.fixture
def worker(sim, ran):
    def handler(event, context):
        name = context.invoked_function_arn.partition("function:")[2]
        ran.append((sim.now, name, [record["body"] for record in event["Records"]]))

    return sim.create_function("worker", handler, duration=1)


# ---- ESM-020, ESM-040, ESM-041, FLT-015 to FLT-017: what is asked for, and what is answered


@pytest.mark.rule("ESM-040", "ESM-041", "ESM-020")
def test_a_mapping_answers_all_that_it_was_told_and_nothing_that_it_was_not(sim, queue, worker):
    sim.run(until=3)
    mapping = settled(sim, queue)
    sim.run(until=9)
    answer = mapping.get_event_source_mapping()
    assert answer.uuid == mapping.uuid
    assert answer.event_source_mapping_arn == (
        f"arn:aws:lambda:us-east-1:123456789012:event-source-mapping:{mapping.uuid}"
    )
    assert (answer.event_source_arn, answer.function_arn) == (queue.arn, worker.arn)
    assert (answer.batch_size, answer.maximum_batching_window_in_seconds, answer.function_response_types) == (10, 0, ())
    assert (answer.state, answer.state_transition_reason) == ("Enabled", "USER_INITIATED")
    assert answer.last_modified_at_us == 3 * SECOND
    optional = (answer.filter_criteria, answer.maximum_concurrency, answer.metrics, answer.kms_key_arn)
    assert optional == (None, None, (), None)
    with pytest.raises(FrozenInstanceError):
        answer.batch_size = 1


@pytest.mark.rule("ESM-040", "ESM-020")
def test_every_parameter_is_echoed_with_the_qualifier_in_the_arn(sim, queue, worker):
    worker.create_alias("live", worker.publish_version().version)
    given = {
        "batch_size": 20,
        "maximum_batching_window_in_seconds": 5,
        "maximum_concurrency": 7,
        "function_response_types": ("ReportBatchItemFailures",),
        "filter_criteria": criteria(ODD),
        "metrics": ("EventCount",),
        "kms_key_arn": "arn:aws:kms:us-east-1:123456789012:key/k",
    }
    answer = settled(sim, queue, "worker:live", **given).get_event_source_mapping()
    assert {name: getattr(answer, name) for name in given} == given
    assert answer.function_arn == f"{worker.arn}:live"


@pytest.mark.rule("ESM-040")
@pytest.mark.usefixtures("worker")
def test_a_mapping_made_again_has_another_uuid(sim, queue):
    uuids = []
    for _ in range(2):
        mapping = settled(sim, queue)
        uuids.append(mapping.uuid)
        mapping.delete_event_source_mapping()
        sim.run(until=sim.now)
    assert len(set(uuids)) == 2
    again = Simulation()
    again.create_function("worker")
    assert settled(again, again.create_queue("orders")).uuid == uuids[0]


@pytest.mark.rule("FLT-015", "ESM-020")
@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("given", [None, {}, {"Filters": []}])
def test_no_filters_are_no_member_and_everything_passes(sim, queue, given):
    mapping = settled(sim, queue, filter_criteria=given)
    queue.send_message("anything")
    sim.run(until=2)
    assert mapping.filter_criteria is None
    assert mapping.get_event_source_mapping().filter_criteria is None
    assert mapping.snapshot().deleted_event_count == 1


@pytest.mark.rule("FLT-016", "ESM-052")
@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({}, (ODD,)),
        ({"batch_size": 3}, (ODD,)),
        ({"filter_criteria": {}}, ()),
        ({"filter_criteria": {"Filters": []}}, ()),
        ({"filter_criteria": None}, ()),
        ({"filter_criteria": criteria(EVEN)}, (EVEN,)),
        ({"filter_criteria": criteria(EVEN, ODD)}, (EVEN, ODD)),
    ],
)
def test_an_update_leaves_filters_alone_removes_or_replaces_them(sim, queue, change, left):
    mapping = settled(sim, queue, filter_criteria=criteria(ODD))
    answer = mapping.update_event_source_mapping(**change)
    assert answer.filter_criteria == (criteria(*left) if left else None)
    sim.run(until=1)
    queue.send_message("even")
    sim.run(until=5)
    assert mapping.snapshot().filtered_out_event_count == (0 if not left or EVEN in left else 1)


@pytest.mark.rule("FLT-017", "ESM-020")
@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("key", [None, "arn:aws:kms:us-east-1:123456789012:key/k"])
def test_patterns_are_echoed_as_they_were_written_and_with_a_key_hidden_in_lists(sim, queue, key):
    odd = '{ "body" :["odd" ] }\n'
    mapping = sim.create_event_source_mapping(queue, "worker", filter_criteria=criteria(odd), kms_key_arn=key)
    (listed,) = sim.list_event_source_mappings().event_source_mappings
    assert mapping.get_event_source_mapping().filter_criteria == criteria(odd)
    assert listed.filter_criteria == (criteria(odd) if key is None else None)
    assert listed.kms_key_arn == key
    sim.run(until=0)
    assert mapping.update_event_source_mapping(batch_size=2).filter_criteria == criteria(odd)
    for body in ("odd", "even"):
        queue.send_message(body)
    sim.run(until=2)
    assert mapping.snapshot().filtered_out_event_count == 1


@pytest.mark.rule("ESM-020")
@pytest.mark.usefixtures("worker")
def test_what_is_given_as_none_is_removed_and_what_is_not_given_stays(sim, queue):
    mapping = settled(
        sim,
        queue,
        maximum_concurrency=3,
        function_response_types=["ReportBatchItemFailures"],
        metrics=["EventCount"],
        kms_key_arn="k",
    )
    mapping.update_event_source_mapping()
    sim.run(until=0)
    assert (mapping.maximum_concurrency, mapping.metrics) == (3, ("EventCount",))
    answer = mapping.update_event_source_mapping(
        maximum_concurrency=None, function_response_types=None, metrics=None, kms_key_arn=None
    )
    assert (answer.maximum_concurrency, answer.metrics, answer.function_response_types) == (None, (), ())
    assert answer.kms_key_arn is None


# ---- ESM-030 to ESM-035: what is refused


@pytest.mark.rule("ESM-030")
@pytest.mark.parametrize(
    ("visibility", "pattern", "text"),
    [
        (30, "{", "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"),  # row 9 before 10
        (31, "{", "Invalid filter pattern definition."),  # row 10 before 11
        (31, ODD, "Event source and function must be in the same region."),  # row 11
    ],
)
def test_a_pattern_is_looked_at_after_the_timeouts_and_before_the_region(clock, visibility, pattern, text):
    queue = Queue("orders", clock, visibility_timeout=visibility, settings=[SqsConfig(region="eu-west-1")])
    patient = Function("patient", None, clock, timeout=31)
    with pytest.raises(InvalidParameterValueException) as refusal:
        EventSourceMapping(queue, patient, filter_criteria=criteria(pattern))
    assert refusal.value.message == text


@pytest.mark.rule("ESM-030")
@pytest.mark.usefixtures("worker")
def test_a_malformed_pattern_is_refused_before_a_second_mapping_is(sim, queue):
    first = settled(sim, queue)
    with pytest.raises(InvalidParameterValueException) as refusal:
        sim.create_event_source_mapping(queue, "worker", filter_criteria=criteria(ODD, '{"body": "odd"}'))
    assert refusal.value.message == "Invalid filter pattern definition."
    assert (refusal.value.http_status, refusal.value.filter_index, refusal.value.path) == (400, 1, "body")
    with pytest.raises(ResourceConflictException):
        sim.create_event_source_mapping(queue, "worker", filter_criteria=criteria(ODD))
    assert sim.event_source_mappings == (first,)


@pytest.mark.rule("ESM-030")
def test_criteria_that_no_client_would_send_are_refused_before_anything_else(sim):
    for given in (1, {"filters": []}, {"Filters": {}}, {"Filters": [{"pattern": ODD}]}, {"Filters": [{"Pattern": 1}]}):
        with pytest.raises(ParamValidationError):
            sim.create_event_source_mapping("nowhere", "nobody", batch_size=0, filter_criteria=given)


@pytest.mark.rule("ESM-020")
@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("given", [None, 0, 1, "false"])
def test_enabled_is_true_or_false(sim, queue, given):
    with pytest.raises(UsageError, match="True or False"):
        sim.create_event_source_mapping(queue, "worker", enabled=given)
    assert sim.event_source_mappings == ()


REFUSED_CHANGES = [
    ({"qualifier": "nobody", "batch_size": 0}, ValidationException, "Value '0' at 'batchSize'"),
    ({"maximum_concurrency": 1, "qualifier": "nobody"}, ValidationException, "'scalingConfig.maximumConcurrency'"),
    ({"qualifier": "nobody", "batch_size": 11}, InvalidParameterValueException, "Function does not exist"),
    ({"batch_size": 11}, InvalidParameterValueException, "Maximum batch window in seconds must be greater than 0"),
    ({"filter_criteria": criteria("[]")}, InvalidParameterValueException, "Invalid filter pattern definition."),
    ({"filter_criteria": {"Filter": []}, "batch_size": 0}, ParamValidationError, "Filters"),
    ({"qualifier": "live"}, ResourceConflictException, 'and function (" worker ") already exists'),
    ({"enabled": 1}, UsageError, "enabled=1"),
    ({"enabled": None}, UsageError, "enabled=None"),
    ({"function": "worker"}, UsageError, "function='worker'"),
    ({"function": Simulation().create_function("far")}, UsageError, "the same simulation"),
    ({"batch_size": None}, UsageError, "batchSize"),
]


@pytest.mark.rule("ESM-030")
@pytest.mark.parametrize(("change", "error", "text"), REFUSED_CHANGES)
def test_a_refused_change_changes_nothing(sim, queue, worker, change, error, text):
    worker.create_alias("live", worker.publish_version().version)
    settled(sim, queue, "worker:live")
    mapping = settled(sim, queue)
    sim.run(until=1)
    before = mapping.get_event_source_mapping()
    with pytest.raises(error) as refusal:
        mapping.update_event_source_mapping(**change)
    assert text in str(refusal.value)
    assert mapping.get_event_source_mapping() == before
    assert mapping.state == "Enabled"


@pytest.mark.rule("ESM-030")
def test_a_mapping_may_be_changed_to_what_it_is(sim, queue, worker):
    mapping = settled(sim, queue)
    assert mapping.update_event_source_mapping(function=worker, qualifier="$LATEST").function_arn == worker.arn


@pytest.mark.rule("ESM-031")
def test_timeouts_are_compared_again_when_a_mapping_changes(sim, queue, worker):
    mapping = settled(sim, queue)
    worker.update_function_configuration(timeout=31)
    sim.run(until=1)
    assert mapping.state == "Enabled"
    with pytest.raises(InvalidParameterValueException) as refusal:
        mapping.update_event_source_mapping(batch_size=5)
    assert refusal.value.message == "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"
    queue.set_queue_attributes(visibility_timeout=31)
    assert mapping.update_event_source_mapping(batch_size=5).batch_size == 5


@pytest.mark.rule("ESM-031", "ESM-030")
def test_the_timeout_compared_is_that_of_the_version_that_is_invoked(sim, queue, worker):
    """The newest code has 31 s, version 1 had 30 s, as the queue has; version 2 has 32 s."""
    worker.update_function_configuration(timeout=30)
    first = worker.publish_version().version
    worker.update_function_configuration(timeout=32)
    worker.create_alias("live", worker.publish_version().version)
    worker.update_function_configuration(timeout=31)
    for ref, timeout in (("worker", 31), ("worker:live", 32)):
        with pytest.raises(InvalidParameterValueException) as refusal:
            sim.create_event_source_mapping(queue, ref)
        assert refusal.value.message == (
            f"Queue visibility timeout: 30 seconds is less than Function timeout: {timeout} seconds"
        )
    mapping = settled(sim, queue, f"worker:{first}")
    with pytest.raises(InvalidParameterValueException) as refusal:
        mapping.update_event_source_mapping(qualifier="live")
    assert "Function timeout: 32 seconds" in refusal.value.message
    worker.update_alias("live", function_version=first)
    assert mapping.update_event_source_mapping(qualifier="live").function_arn == f"{worker.arn}:live"


@pytest.mark.rule("ESM-032")
def test_two_qualifiers_of_one_function_may_read_one_queue(sim, queue, worker):
    worker.create_alias("live", worker.publish_version().version)
    refs = ("worker", "worker:live", "worker:1")
    assert [settled(sim, queue, ref).qualifier for ref in refs] == [None, "live", "1"]
    for ref in refs:
        with pytest.raises(ResourceConflictException):
            sim.create_event_source_mapping(queue, ref)


@pytest.mark.rule("ESM-030", "ESM-035")
@pytest.mark.parametrize("ref", ["worker", "worker:live"])
def test_a_function_made_again_is_the_same_to_twins_and_to_lists(sim, queue, worker, ref):
    """Both go by ARN: the mapping of the function that is gone is still there, and will find the new one."""
    worker.create_alias("live", worker.publish_version().version)
    first = settled(sim, queue, ref)
    worker.delete_function()
    again = sim.create_function("worker")
    again.create_alias("live", again.publish_version().version)
    with pytest.raises(ResourceConflictException) as refusal:
        sim.create_event_source_mapping(queue, ref)
    assert refusal.value.message.endswith(f"with UUID {first.uuid}")
    listed = sim.list_event_source_mappings(function=ref).event_source_mappings
    assert [found.uuid for found in listed] == [first.uuid]
    other = "worker" if ref == "worker:live" else "worker:live"
    second = settled(sim, queue, other)
    codes = [finding.code for finding in second.check_configuration()]
    assert "MAX_CONCURRENCY_SUM_ABOVE_RESERVED" not in codes
    first.update_event_source_mapping(maximum_concurrency=9)
    sim.run(until=0)
    again.put_function_concurrency(8)
    codes = [finding.code for finding in second.check_configuration()]
    assert "MAX_CONCURRENCY_SUM_ABOVE_RESERVED" in codes


@pytest.mark.rule("ESM-030")
@pytest.mark.usefixtures("worker")
def test_a_queue_made_again_is_the_same_to_twins(sim, queue):
    first = settled(sim, queue)
    queue.delete_queue()
    sim.run(until=60)
    with pytest.raises(ResourceConflictException) as refusal:
        sim.create_event_source_mapping(sim.create_queue("orders"), "worker")
    assert refusal.value.message.endswith(f"with UUID {first.uuid}")


@pytest.mark.rule("ESM-033", "ESM-050")
@pytest.mark.usefixtures("worker")
def test_a_deleted_mapping_is_not_found(sim, queue):
    mapping = settled(sim, queue)
    mapping.delete_event_source_mapping()
    assert sim.event_source_mapping(mapping.uuid) is mapping  # `Deleting`
    assert mapping.is_deleted is False
    sim.run(until=0)
    calls = (
        lambda: sim.event_source_mapping(mapping.uuid),
        mapping.get_event_source_mapping,
        lambda: mapping.update_event_source_mapping(batch_size=0),
        mapping.delete_event_source_mapping,
    )
    for call in calls:
        with pytest.raises(ResourceNotFoundException) as refusal:
            call()
        assert (refusal.value.message, refusal.value.http_status) == (NOT_THERE, 404)
    assert mapping.is_deleted
    assert sim.event_source_mappings == ()
    assert sim.list_event_source_mappings().event_source_mappings == ()


@pytest.mark.rule("ESM-034")
@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("enabled", "begin", "state"),
    [
        (None, None, "Creating"),
        (False, lambda mapping: mapping.update_event_source_mapping(enabled=True), "Enabling"),
        (True, lambda mapping: mapping.update_event_source_mapping(enabled=False), "Disabling"),
        (True, lambda mapping: mapping.update_event_source_mapping(batch_size=2), "Updating"),
        (False, lambda mapping: mapping.update_event_source_mapping(batch_size=2), "Updating"),
        (True, lambda mapping: mapping.delete_event_source_mapping(), "Deleting"),
        (False, lambda mapping: mapping.delete_event_source_mapping(), "Deleting"),
    ],
)
@pytest.mark.parametrize("settings", [[DELAYS], []], ids=["slow", "at once"])
def test_a_mapping_in_a_transition_is_in_use(sim, queue, settings, enabled, begin, state):
    mapping = sim.create_event_source_mapping(queue, "worker", enabled=enabled is not False, settings=settings)
    if begin is not None:
        sim.run(until=2)
        begin(mapping)
    before = mapping.get_event_source_mapping()
    assert before.state == state
    for operation, call in (
        ("update", lambda: mapping.update_event_source_mapping(batch_size=0)),
        ("delete", mapping.delete_event_source_mapping),
    ):
        with pytest.raises(ResourceInUseException) as refusal:
            call()
        assert refusal.value.message == f"Cannot {operation} the event source mapping because it is in use."
        assert refusal.value.http_status == 400
    assert mapping.get_event_source_mapping() == before


@pytest.mark.rule("ESM-035")
def test_a_list_has_pages_of_100_in_order_of_creation(sim, worker):
    made = [sim.create_event_source_mapping(sim.create_queue(f"q{number}"), worker).uuid for number in range(205)]

    def pages(size):
        marker, found = None, []
        while True:
            page = sim.list_event_source_mappings(max_items=size, marker=marker)
            found.append([mapping.uuid for mapping in page.event_source_mappings])
            marker = page.next_marker
            if marker is None:
                return found

    assert sum(pages(None), []) == made  # noqa: RUF017
    assert [len(page) for page in pages(None)] == [len(page) for page in pages(10_000)] == [100, 100, 5]
    assert [len(page) for page in pages(99)] == [99, 99, 7]
    assert [len(page) for page in pages(41)] == [41] * 5  # no empty page at the end


@pytest.mark.rule("ESM-035")
def test_a_list_is_narrowed_by_queue_and_by_function(sim, queue, worker):
    worker.create_alias("live", worker.publish_version().version)
    other, parcels = sim.create_function("other"), sim.create_queue("parcels")
    plain, live, third, fourth = (
        sim.create_event_source_mapping(*pair)
        for pair in ((queue, "worker"), (queue, "worker:live"), (queue, other), (parcels, worker))
    )

    def found(**given):
        page = sim.list_event_source_mappings(**given)
        return [sim.event_source_mapping(mapping.uuid) for mapping in page.event_source_mappings]

    assert found() == [plain, live, third, fourth]
    assert found(event_source=queue) == found(event_source=queue.arn) == [plain, live, third]
    assert found(event_source="arn:aws:sqs:us-east-1:123456789012:nowhere") == []
    assert found(function=worker) == found(function="worker") == found(function=worker.arn) == [plain, live, fourth]
    assert found(function="worker:live") == [live]
    assert found(function="worker:$LATEST") == [plain, fourth]
    assert found(event_source=parcels, function="other") == []
    assert found(event_source=parcels, function=worker) == [fourth]


@pytest.mark.rule("ESM-035")
@pytest.mark.parametrize("size", [0, 10_001])
def test_a_page_has_1_to_10000_items_and_a_marker_is_one_of_a_page(sim, size):
    with pytest.raises(ValidationException, match="maxItems"):
        sim.list_event_source_mappings(max_items=size)
    with pytest.raises(InvalidParameterValueException, match="Marker"):
        sim.list_event_source_mappings(marker="x")
    with pytest.raises(InvalidParameterValueException):
        sim.list_event_source_mappings(marker=1)
    with pytest.raises(ResourceNotFoundException):
        sim.list_event_source_mappings(function="nobody")


# ---- ESM-050, ESM-051: states

TRANSITIONS = [
    (True, lambda mapping: mapping.update_event_source_mapping(enabled=False), "Disabling", "Disabled", 4),
    (False, lambda mapping: mapping.update_event_source_mapping(enabled=True), "Enabling", "Enabled", 2),
    (True, lambda mapping: mapping.update_event_source_mapping(batch_size=3), "Updating", "Enabled", 3),
    (True, lambda mapping: mapping.update_event_source_mapping(enabled=True), "Updating", "Enabled", 3),
    (False, lambda mapping: mapping.update_event_source_mapping(batch_size=3), "Updating", "Disabled", 3),
    (False, lambda mapping: mapping.update_event_source_mapping(enabled=False), "Updating", "Disabled", 3),
    (True, lambda mapping: mapping.delete_event_source_mapping(), "Deleting", "Deleted", 5),
    (False, lambda mapping: mapping.delete_event_source_mapping(), "Deleting", "Deleted", 5),
]


@pytest.mark.rule("ESM-050", "ESM-051", "ESM-041")
@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("enabled", "begin", "meanwhile", "then", "after"), TRANSITIONS)
def test_a_transition_lasts_as_long_as_it_is_said_to_the_microsecond(
    sim, queue, enabled, begin, meanwhile, then, after
):
    for delay_s, settings in ((after, [DELAYS]), (0, [])):
        mapping = settled(sim, queue, enabled=enabled, settings=settings)
        sim.run_for(2)
        begun_us = sim.now_us
        answer = begin(mapping)
        assert (answer.state, answer.state_transition_reason) == (meanwhile, "USER_INITIATED")
        assert mapping.state == meanwhile
        if delay_s:
            sim.run(until_us=begun_us + delay_s * SECOND - 1)
            assert mapping.state == meanwhile
        sim.run(until_us=begun_us + delay_s * SECOND)
        assert mapping.state == then
        sim.run_for(1)
        assert mapping.state == then
        assert mapping.is_deleted is (then == "Deleted")
        assert mapping.snapshot().phase == ("idle" if then == "Enabled" else "stopped")
        mapping.check_invariants()
        if not mapping.is_deleted:
            mapping.delete_event_source_mapping()
            sim.run_for(10)


@pytest.mark.rule("ESM-050")
@pytest.mark.usefixtures("worker")
def test_a_mapping_that_is_creating_or_enabling_reads_nothing_until_it_is_enabled(sim, queue):
    queue.send_message("order")
    mapping = sim.create_event_source_mapping(queue, "worker", settings=[LifecycleModel.REALISTIC])
    sim.run(until_us=30 * SECOND - 1)
    assert (mapping.state, queue.snapshot().in_flight) == ("Creating", 0)
    sim.run(until_us=30 * SECOND)
    assert (mapping.state, queue.snapshot().in_flight) == ("Enabled", 1)
    sim.run(until=40)
    mapping.update_event_source_mapping(enabled=False)
    sim.run(until=70)
    mapping.update_event_source_mapping(enabled=True)
    queue.send_message("order")
    sim.run(until_us=100 * SECOND - 1)
    assert (mapping.state, queue.snapshot().in_flight) == ("Enabling", 0)
    sim.run(until_us=100 * SECOND)
    assert (mapping.state, queue.snapshot().in_flight) == ("Enabled", 1)


@pytest.mark.rule("ESM-050")
def test_realistic_changes_take_half_a_minute_each():
    names = ("creating_s", "enabling_s", "updating_s", "disabling_s", "deleting_s")
    assert [getattr(LifecycleModel.REALISTIC, name) for name in names] == [30] * 5
    assert [getattr(LifecycleModel(), name) for name in names] == [0] * 5


@pytest.mark.rule("ESM-051", "ESM-052")
def test_a_change_without_delay_is_an_event_of_its_own(sim, queue, worker, ran):
    mapping = settled(sim, queue, batch_size=10)
    sim.run(until=1)
    mapping.update_event_source_mapping(batch_size=1)
    assert (mapping.state, mapping.batch_size) == ("Updating", 1)
    for number in range(2):
        queue.send_message(str(number))
    assert sim.step()
    assert mapping.state == "Enabled"


@pytest.mark.rule("ESM-050", "ESM-053")
@pytest.mark.parametrize(
    ("stop", "after"), [({"enabled": False}, "Disabled"), (None, "Deleted")], ids=["disable", "delete"]
)
@pytest.mark.parametrize(("delay", "end"), [(0, 10), (5, 10), (6, 10), (7, 11)])
def test_a_mapping_is_stopped_when_the_delay_is_over_and_nothing_runs_any_more(sim, queue, stop, after, delay, end):
    sim.create_function("slow", duration=10, timeout=20)
    queue.send_message("order")
    model = LifecycleModel(disabling_s=delay, deleting_s=delay)
    mapping = settled(sim, queue, "slow", settings=[model])
    sim.run(until=4)
    if stop is None:
        mapping.delete_event_source_mapping()
    else:
        mapping.update_event_source_mapping(**stop)
    sim.run(until_us=end * SECOND - 1)
    assert mapping.state in {"Disabling", "Deleting"}
    sim.run(until_us=end * SECOND)
    assert mapping.state == after
    assert queue.snapshot().deleted == 1


@pytest.mark.rule("ESM-480", "ESM-053", "ESM-034")
def test_disabled_while_it_runs(sim, queue):
    sim.create_function("slow", duration=10, timeout=20)
    queue.send_message("order")
    mapping = settled(sim, queue, "slow")
    sim.run(until=4)
    mapping.update_event_source_mapping(enabled=False)
    assert mapping.state == "Disabling"
    requests = queue.snapshot().requests
    queue.send_message("later")
    sim.run(until=5)
    assert mapping.state == "Disabling"
    with pytest.raises(ResourceInUseException, match="Cannot update the event source mapping because it is in"):
        mapping.update_event_source_mapping(enabled=True)
    sim.run(until_us=10 * SECOND - 1)
    assert (mapping.state, queue.snapshot().deleted) == ("Disabling", 0)
    sim.run(until_us=10 * SECOND)
    assert (mapping.state, queue.snapshot().deleted) == ("Disabled", 1)
    sim.run(until=200)
    found = queue.snapshot()
    assert (found.visible, found.requests) == (1, requests + 2)  # the send and the delete, no receive


# ---- ESM-053, ESM-054: what stopping does to what a mapping holds


@pytest.mark.rule("ESM-053", "ESM-290")
def test_open_polls_end_without_a_message_and_what_they_cost_stays_counted(sim, queue, worker):
    mapping = settled(sim, queue, metrics=["EventCount"])
    sim.run(until=50)
    before = queue.snapshot().requests
    assert before == 10  # five slots, ends at 20 and 40
    mapping.update_event_source_mapping(enabled=False)
    queue.send_message("order")
    sim.run(until=1_000)
    found = queue.snapshot()
    assert (found.visible, found.requests, mapping.snapshot().empty_receives) == (1, before + 1, before)
    empty = sim.metrics.series("AWS/SQS", "NumberOfEmptyReceives", "Sum", QueueName="orders")
    assert sum(empty.values) == before
    assert worker.snapshot().invocations == 0
    mapping.update_event_source_mapping(enabled=True)
    sim.run(until=1_002)
    assert queue.snapshot().requests == before + 3  # a receive and a delete


@pytest.mark.rule("ESM-053")
@pytest.mark.usefixtures("worker")
def test_a_batch_that_is_gathered_is_invoked_at_once(sim, queue, ran):
    mapping = settled(sim, queue, maximum_batching_window_in_seconds=60, settings=[ONE_SLOT])
    queue.set_queue_attributes(visibility_timeout=600)
    sim.run(until=1)
    queue.send_message("order")
    sim.run(until=45)
    empty = mapping.snapshot().empty_receives
    assert empty == 2
    mapping.update_event_source_mapping(enabled=False)
    sim.run(until=200)
    assert ran == [(45, "worker", ["order"])]
    assert (mapping.state, queue.snapshot().deleted) == ("Disabled", 1)
    assert mapping.snapshot().empty_receives == empty
    sim.check_invariants()


@pytest.mark.rule("ESM-053", "ESM-089")
@pytest.mark.parametrize("window", [0, 20])
@pytest.mark.usefixtures("worker")
def test_what_was_beyond_the_payload_limit_is_invoked_too_before_a_mapping_stops(sim, queue, ran, window):
    for name in "abc":
        queue.send_message(name * 700)
    settings = [BatchWindowModel(payload_bytes=1_500), ONE_SLOT]
    mapping = settled(sim, queue, maximum_batching_window_in_seconds=window, settings=settings)
    assert mapping.snapshot().held == 3
    mapping.delete_event_source_mapping()
    sim.run(until=60)
    assert [(at, [body[0] for body in bodies]) for at, _, bodies in ran] == [(0, ["a"]), (1, ["b"]), (2, ["c"])]
    assert (mapping.state, mapping.snapshot().held, queue.snapshot().deleted) == ("Deleted", 0, 3)


@pytest.mark.rule("ESM-053", "ESM-173")
@pytest.mark.usefixtures("worker")
def test_a_throttled_batch_is_dropped_and_its_messages_come_back_in_their_time(sim, queue, worker):
    worker.put_function_concurrency(0)
    queue.send_message("order")
    mapping = settled(sim, queue)
    sim.run(until=2)
    mapping.update_event_source_mapping(enabled=False)
    sim.run(until=2)
    assert (mapping.state, mapping.snapshot().dropped, mapping.snapshot().held) == ("Disabled", 1, 0)
    throttles = worker.throttles
    sim.run(until_us=30 * SECOND - 1)
    assert queue.snapshot().in_flight == 1
    sim.run(until_us=30 * SECOND)
    assert queue.snapshot().visible == 1
    assert worker.throttles == throttles == 2
    assert queue.messages[0].receive_count == 1


@pytest.mark.rule("ESM-053", "ESM-130")
def test_an_invocation_that_is_refused_while_a_mapping_stops_is_not_tried_again(sim, queue):
    slow = sim.create_function("slow", duration=10, timeout=20, reserved_concurrent_executions=1)
    slow.invoke(invocation_type="Event")
    sim.run(until=1)
    queue.send_message("order")
    mapping = settled(sim, queue, "slow", maximum_batching_window_in_seconds=60)
    sim.run(until=3)
    mapping.update_event_source_mapping(enabled=False)
    sim.run(until=3)
    assert (mapping.state, mapping.snapshot().dropped, slow.throttles) == ("Disabled", 1, 1)


@pytest.mark.rule("ESM-054", "ESM-160")
def test_a_mapping_that_is_enabled_again_starts_like_a_new_one(sim, queue):
    sim.create_function("failing", duration=2.5, failure_rate=1)
    for _ in range(50):
        queue.send_message("order")
    mapping = settled(sim, queue, "failing", batch_size=1)
    sim.run(until=2)
    assert mapping.snapshot().target > 10
    mapping.update_event_source_mapping(enabled=False)
    sim.run(until=25)  # the errors that came while it stopped change no target
    found = mapping.snapshot()
    assert (found.state, found.phase, found.target, found.pollers) == ("Disabled", "stopped", 0, 0)
    mapping.update_event_source_mapping(enabled=True)
    assert mapping.snapshot().pollers == 0
    queue.purge_queue()
    sim.run(until=26)
    found = mapping.snapshot()
    assert (found.phase, found.target, found.pollers) == ("idle", 5, 5)
    sim.run(until_us=325 * SECOND - 1)
    assert mapping.snapshot().target == 5
    sim.run(until_us=325 * SECOND)
    assert mapping.snapshot().target == 2  # the idle time counts from the enabling
    sim.check_invariants()


@pytest.mark.rule("ESM-050", "ESM-054", "ESM-002")
@pytest.mark.usefixtures("worker")
def test_a_mapping_is_deleted_and_made_again_as_often_as_one_likes(sim, queue, ran):
    for number in range(4):
        queue.send_message(str(number))
        mapping = settled(sim, queue)
        mapping.delete_event_source_mapping()
        with pytest.raises(ResourceConflictException):  # it is `Deleting`
            sim.create_event_source_mapping(queue, "worker")
        sim.run_for(5)
    assert [bodies for _, _, bodies in ran] == [["0"], ["1"], ["2"], ["3"]]
    assert len(sim.event_source_mappings) == 0
    sim.check_invariants()


@pytest.mark.rule("ESM-050")
@pytest.mark.usefixtures("worker")
def test_a_mapping_of_a_deleted_queue_can_be_disabled_and_deleted(sim, queue):
    mapping = settled(sim, queue)
    sim.run(until=30)
    queue.delete_queue()
    requests = queue.total_requests
    mapping.update_event_source_mapping(enabled=False)
    sim.run(until=31)
    assert mapping.state == "Disabled"
    mapping.delete_event_source_mapping()
    sim.run(until=32)
    assert mapping.is_deleted
    assert queue.total_requests == requests == 6  # five receives, and the end of the queue


# ---- ESM-052, ESM-109: changes while it works


@pytest.mark.rule("ESM-052")
@pytest.mark.usefixtures("worker")
def test_the_answer_shows_new_values_at_once_and_slots_use_them_when_the_update_is_complete(sim, queue, ran):
    mapping = settled(sim, queue, settings=[LifecycleModel(updating_s=3)])
    sim.run(until=1)
    answer = mapping.update_event_source_mapping(batch_size=1)
    assert (answer.state, answer.batch_size, answer.last_modified_at_us) == ("Updating", 1, SECOND)

    def send_three():
        for name in "abc":
            queue.send_message(name, delay_seconds=1)

    sim.call_at(2.999_999, send_three)  # visible 1 µs before the update ends
    sim.run(until=7)
    sim.call_at(8, send_three)
    sim.run(until=12)
    assert [(at, bodies) for at, _, bodies in ran] == [
        (3.999_999, ["a", "b", "c"]),
        (9, ["a"]),
        (9, ["b"]),
        (9, ["c"]),
    ]


@pytest.mark.rule("ESM-052", "ESM-051")
@pytest.mark.parametrize(("offset", "sizes"), [(-1, [3]), (0, [3]), (1, [1, 1, 1])])
@pytest.mark.usefixtures("worker")
def test_an_update_takes_effect_after_the_receives_of_its_last_instant(sim, queue, ran, offset, sizes):
    mapping = settled(sim, queue, settings=[LifecycleModel(updating_s=3)])
    mapping.update_event_source_mapping(batch_size=1)
    sim.run(until_us=2 * SECOND + offset)
    for name in "abc":
        queue.send_message(name, delay_seconds=1)
    sim.run(until_us=3 * SECOND - 1)
    assert mapping.state == "Updating"
    sim.run(until_us=3 * SECOND)
    assert mapping.state == "Enabled"
    sim.run(until=9)
    assert [len(bodies) for _, _, bodies in ran] == sizes


@pytest.mark.rule("ESM-052", "ESM-062")
def test_a_batch_that_is_open_keeps_what_it_began_with(sim, queue):
    seen = []

    def handler(event, context):
        first = event["Records"][0]
        bodies = "".join(record["body"] for record in event["Records"])
        seen.append((sim.now, context.function_name, bodies, "md5OfMessageAttributes" in first))

    for name in ("worker", "other"):
        sim.create_function(name, handler)
    mapping = settled(sim, queue, batch_size=3, maximum_batching_window_in_seconds=20, settings=[ONE_SLOT])
    queue.send_message("a")
    sim.run(until=5)
    mapping.update_event_source_mapping(
        function=sim.function("other"), batch_size=1, maximum_batching_window_in_seconds=0
    )
    sim.run(until=6)
    queue.send_message("b")
    sim.run(until=7)
    queue.send_message("c")
    sim.run(until=10)
    for name in "de":
        queue.send_message(name)
    sim.run(until=30)
    assert seen == [(7, "worker", "abc", True), (10, "other", "d", False), (10.1, "other", "e", False)]
    assert queue.snapshot().deleted == 5
    sim.check_invariants()


@pytest.mark.rule("ESM-052")
@pytest.mark.usefixtures("worker")
def test_the_window_of_an_open_batch_ends_when_it_was_to_end(sim, queue, ran):
    mapping = settled(sim, queue, maximum_batching_window_in_seconds=20, settings=[ONE_SLOT])
    queue.send_message("a")
    sim.run(until=5)
    mapping.update_event_source_mapping(maximum_batching_window_in_seconds=2)
    sim.run(until_us=20 * SECOND - 1)
    assert ran == []
    sim.run(until=30)
    queue.send_message("b")
    sim.run(until=40)
    assert [(at, bodies) for at, _, bodies in ran] == [(20, ["a"]), (32, ["b"])]


@pytest.mark.rule("ESM-052", "ESM-191")
@pytest.mark.filterwarnings("ignore:.* returned batchItemFailures")
@pytest.mark.parametrize(("before", "deleted"), [(["ReportBatchItemFailures"], 1), ([], 2)])
def test_an_answer_is_judged_by_what_held_when_its_batch_was_received(sim, queue, before, deleted):
    def handler(event, context):
        context.sleep(10)
        return {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}

    sim.create_function("slow", handler, timeout=20, duration=0)
    for name in "ab":
        queue.send_message(name)
    mapping = settled(sim, queue, "slow", function_response_types=before)
    sim.run(until=5)
    after = [] if before else ["ReportBatchItemFailures"]
    mapping.update_event_source_mapping(function_response_types=after)
    sim.run(until=11)
    assert queue.snapshot().deleted == deleted
    assert mapping.reports_batch_item_failures is bool(after)


@pytest.mark.rule("ESM-052")
@pytest.mark.usefixtures("worker")
def test_a_mapping_is_turned_to_another_function_or_alias(sim, queue, ran, worker):
    worker.create_alias("live", worker.publish_version().version)
    sim.create_function("other", worker.handler, duration=1)
    mapping = settled(sim, queue)
    steps = ({}, {"function": sim.function("other")}, {"function": worker, "qualifier": "live"}, {"qualifier": None})
    for place, change in enumerate(steps):
        if change:
            answer = mapping.update_event_source_mapping(**change)
            assert answer.function_arn == mapping.function_arn
            sim.run_for(0)
        queue.send_message(str(place))
        sim.run_for(5)
    assert [(name, bodies) for _, name, bodies in ran] == [
        ("worker", ["0"]),
        ("other", ["1"]),
        ("worker:live", ["2"]),
        ("worker", ["3"]),
    ]
    assert queue.snapshot().deleted == 4


@pytest.mark.rule("ESM-052", "ESM-170")
def test_a_throttled_batch_goes_on_asking_the_function_it_was_received_for(sim, queue, worker, ran):
    other = sim.create_function("other")
    worker.put_function_concurrency(0)
    queue.send_message("order")
    mapping = settled(sim, queue)
    sim.run(until=2)
    mapping.update_event_source_mapping(function=other)
    sim.run(until=6)
    worker.delete_function_concurrency()
    queue.send_message("next")
    sim.run(until=10)
    assert [(at, name) for at, name, _ in ran] == [(7, "worker")]
    assert (worker.throttles, other.snapshot().invocations, queue.snapshot().deleted) == (3, 1, 2)


@pytest.mark.rule("ESM-109", "ESM-107", "ESM-110")
def test_a_lower_maximum_concurrency_lowers_the_target_and_surplus_slots_end_with_their_turn(sim, queue):
    sim.create_function("slow", duration=10, timeout=20)
    for _ in range(60):
        queue.send_message("order")
    mapping = settled(sim, queue, "slow", batch_size=1, settings=[LifecycleModel(updating_s=1)])
    sim.run(until=1)
    assert mapping.snapshot().in_flight == 10
    mapping.update_event_source_mapping(maximum_concurrency=2)
    sim.run(until_us=2 * SECOND - 1)
    assert mapping.snapshot().target == 14
    sim.run(until_us=2 * SECOND)
    found = mapping.snapshot()
    assert (found.target, found.pollers, found.in_flight) == (2, 14, 14)
    sim.check_invariants()
    sim.run(until=10)
    assert mapping.snapshot().in_flight == 9  # the five of the beginning are gone
    sim.run(until=13)
    assert (mapping.snapshot().pollers, mapping.snapshot().in_flight) == (2, 2)
    sim.check_invariants()
    sim.run(until=31)
    assert mapping.snapshot().in_flight == 2
    mapping.update_event_source_mapping(maximum_concurrency=4)
    sim.run(until_us=32 * SECOND - 1)
    assert mapping.snapshot().target == 2
    sim.run(until_us=32 * SECOND)
    assert mapping.snapshot().target == 3  # growth goes on with its next tick
    sim.run(until=40)
    assert (mapping.snapshot().target, mapping.snapshot().in_flight) == (4, 4)
    sim.check_invariants()


@pytest.mark.rule("ESM-109", "ESM-101")
@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("changed_us", "gone_s"), [(20 * SECOND - 1, 20), (20 * SECOND, 40), (20 * SECOND + 1, 40)])
def test_surplus_slots_that_wait_go_with_the_receive_that_is_open_then(sim, queue, changed_us, gone_s):
    """Receives begin at 0 and at 20 s; at 20 s others have begun when somebody outside changes the mapping."""
    mapping = settled(sim, queue, maximum_concurrency=5)
    sim.run(until_us=changed_us)
    mapping.update_event_source_mapping(maximum_concurrency=2)
    sim.run(until_us=gone_s * SECOND - 1)
    assert (mapping.snapshot().concurrency_limit, mapping.snapshot().pollers) == (2, 5)
    sim.run(until_us=gone_s * SECOND)
    assert mapping.snapshot().pollers == 2


@pytest.mark.rule("ESM-109", "ESM-106", "ESM-110")
@pytest.mark.usefixtures("worker")
def test_a_mapping_that_idles_has_the_slots_of_its_new_maximum_concurrency(sim, queue):
    mapping = settled(sim, queue)
    sim.run(until=310)
    assert mapping.snapshot().target == 2  # S9
    mapping.update_event_source_mapping(maximum_concurrency=3)
    sim.run(until=311)
    assert (mapping.snapshot().target, mapping.snapshot().pollers) == (3, 3)
    mapping.update_event_source_mapping(maximum_concurrency=10)
    sim.run(until=312)
    assert (mapping.snapshot().target, mapping.snapshot().pollers) == (5, 5)
    mapping.update_event_source_mapping(maximum_concurrency=2)
    sim.run(until=312)
    assert (mapping.snapshot().target, mapping.snapshot().pollers) == (2, 5)
    sim.run(until=340)
    assert mapping.snapshot().pollers == 2  # their receives have ended
    mapping.update_event_source_mapping(maximum_concurrency=None)
    sim.run(until_us=640 * SECOND - 1)
    assert mapping.snapshot().target == 5
    sim.run(until_us=640 * SECOND)
    assert mapping.snapshot().target == 2
    sim.check_invariants()


@pytest.mark.rule("ESM-109", "ESM-110")
@pytest.mark.usefixtures("worker")
def test_a_disabled_mapping_may_be_given_a_lower_maximum_concurrency(sim, queue):
    mapping = settled(sim, queue, enabled=False)
    mapping.update_event_source_mapping(maximum_concurrency=2)
    sim.run(until=1)
    sim.check_invariants()
    mapping.update_event_source_mapping(enabled=True)
    sim.run(until=2)
    assert mapping.snapshot().pollers == 2


@pytest.mark.rule("ESM-052", "ESM-050")
@pytest.mark.usefixtures("worker")
def test_one_call_may_change_values_and_whether_it_polls(sim, queue, ran):
    mapping = settled(sim, queue)
    assert mapping.update_event_source_mapping(enabled=False, batch_size=2).state == "Disabling"
    sim.run(until=1)
    for name in "abcd":
        queue.send_message(name)
    answer = mapping.update_event_source_mapping(enabled=True, batch_size=3)
    assert (answer.state, answer.batch_size) == ("Enabling", 3)
    sim.run(until=3)
    assert [bodies for _, _, bodies in ran] == [["a", "b", "c"], ["d"]]


# ---- FLT-019


@pytest.mark.rule("FLT-019", "ESM-052")
@pytest.mark.parametrize("delay", [0, 2])
@pytest.mark.usefixtures("worker")
def test_new_filters_decide_about_what_is_received_from_then_on(sim, queue, ran, delay):
    settings = [LifecycleModel(updating_s=3), FilterModel(update_delay_s=delay)]
    mapping = settled(sim, queue, filter_criteria=criteria(ODD), settings=settings)
    sim.run(until=1)
    mapping.update_event_source_mapping(filter_criteria=criteria(EVEN))
    for offset in (-1, 1):
        sim.run(until_us=(4 + delay) * SECOND + offset)
        queue.send_message("odd")
        queue.send_message("even")
    sim.run(until=10)
    assert [bodies for _, _, bodies in ran] == [["odd"], ["even"]]
    assert mapping.snapshot().filtered_out_event_count == 2


@pytest.mark.rule("FLT-019")
@pytest.mark.usefixtures("worker")
def test_what_is_held_already_is_not_looked_at_again(sim, queue, ran, worker):
    queue.set_queue_attributes(visibility_timeout=600)
    gathering = settled(sim, queue, maximum_batching_window_in_seconds=20, filter_criteria=criteria(ODD))
    queue.send_message("odd")
    sim.run(until=5)
    gathering.update_event_source_mapping(filter_criteria=criteria(EVEN))
    sim.run(until=6)
    queue.send_message("odd")
    queue.send_message("even")
    sim.run(until=29)
    assert ran == [(20, "worker", ["odd", "even"])]
    worker.put_function_concurrency(0)
    queue.send_message("even")
    sim.run(until=53)  # it waits for a retry
    gathering.update_event_source_mapping(filter_criteria=criteria(ODD))
    worker.delete_function_concurrency()
    sim.run(until=69)
    assert len(ran) == 2
    assert gathering.snapshot().filtered_out_event_count == 1


# ---- ESM-152, ESM-041


@pytest.mark.rule("ESM-152", "ESM-050", "ESM-041", "ESM-280")
@pytest.mark.parametrize("updating", [False, True])
def test_a_mapping_that_finds_its_alias_gone_is_stopped_by_lambda_and_may_be_turned_elsewhere(
    sim, queue, worker, ran, updating
):
    worker.create_alias("live", worker.publish_version().version)
    mapping = settled(sim, queue, "worker:live", settings=[LifecycleModel(updating_s=30)])
    if updating:
        mapping.update_event_source_mapping(batch_size=5)
    worker.delete_alias("live")
    sim.run(until=10)
    assert mapping.state == ("Updating" if updating else "Enabled")  # ESM-055
    queue.send_message("order")
    sim.run(until=10)
    answer = mapping.get_event_source_mapping()
    assert (answer.state, answer.state_transition_reason) == ("Disabled", "LAMBDA_INITIATED")
    found = mapping.snapshot()  # an attempt was made, and failed (ESM-280)
    assert (found.attempts, found.invoked_event_count, found.failed_invoke_event_count) == (1, 1, 1)
    assert queue.snapshot().in_flight == 1
    assert mapping.check_configuration()
    sim.run(until=100)
    assert (mapping.state, mapping.snapshot().phase, queue.snapshot().visible) == ("Disabled", "stopped", 1)
    answer = mapping.update_event_source_mapping(qualifier="1", enabled=True)
    assert (answer.state, answer.state_transition_reason) == ("Enabling", "USER_INITIATED")
    sim.run(until=102)
    assert [(name, bodies) for _, name, bodies in ran] == [("worker:1", ["order"])]


@pytest.mark.rule("ESM-152")
def test_what_runs_when_lambda_stops_a_mapping_runs_to_its_end(sim, queue):
    slow = sim.create_function("slow", duration=10, timeout=20)
    version = slow.publish_version().version
    slow.create_alias("live", version)
    queue.send_message("a")
    mapping = settled(sim, queue, "slow:live")
    sim.run(until=2)
    slow.delete_alias("live")
    queue.send_message("b")
    sim.run(until=9)
    assert mapping.state == "Disabling"
    sim.run(until=10)
    assert (mapping.state, queue.snapshot().deleted) == ("Disabled", 1)


@pytest.mark.rule("ESM-030", "ESM-031", "ESM-067")
@pytest.mark.usefixtures("worker")
def test_a_change_looks_at_the_timeout_of_the_function_that_has_the_name_now(sim, queue):
    """Deleted and made again since the last invoke: what the one of before was told does not count."""
    mapping = settled(sim, queue)
    sim.function("worker").delete_function()
    again = sim.create_function("worker", timeout=31)
    text = "^Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds$"
    with pytest.raises(InvalidParameterValueException, match=text):
        mapping.update_event_source_mapping(batch_size=5)
    again.update_function_configuration(timeout=30)
    assert mapping.update_event_source_mapping(batch_size=5).batch_size == 5
    assert mapping.function is again


@pytest.mark.rule("ESM-030", "ESM-055")
def test_a_mapping_of_a_deleted_function_can_be_disabled_and_deleted(sim, queue, worker):
    mapping = settled(sim, queue)
    worker.delete_function()
    with pytest.raises(InvalidParameterValueException, match="Function does not exist"):
        mapping.update_event_source_mapping(function=worker)
    mapping.update_event_source_mapping(enabled=False)
    sim.run(until=1)
    assert (mapping.state, mapping.state_transition_reason) == ("Disabled", "USER_INITIATED")
    mapping.delete_event_source_mapping()
    sim.run(until=2)
    assert mapping.is_deleted


@pytest.mark.rule("ESM-053", "ESM-173", "ESM-089")
def test_a_throttled_batch_with_more_behind_it_is_dropped_once_and_for_all(sim, queue, worker):
    worker.put_function_concurrency(0)
    for name in "abc":
        queue.send_message(name * 700)
    mapping = settled(sim, queue, settings=[BatchWindowModel(payload_bytes=1_500), ONE_SLOT])
    sim.run(until=2)
    mapping.update_event_source_mapping(enabled=False)
    sim.run()
    assert sim.now == 2  # no retry is left on the agenda
    found = mapping.snapshot()
    assert (found.state, found.pollers, found.held, found.dropped) == ("Disabled", 0, 0, 3)
    sim.run(until=40)
    assert mapping.snapshot().attempts == 4  # at 0 and 1, and each of the two others once
    assert queue.snapshot().visible == 3
    sim.check_invariants()


@pytest.mark.rule("ESM-067", "ESM-152")
@pytest.mark.parametrize("what", ["alias", "function"])
def test_a_name_is_looked_up_at_each_invoke_so_that_one_made_again_serves(sim, queue, what):
    """Deleted and made again between two invokes, as deployments do: the mapping goes on as if nothing had happened."""
    ran = []
    worker = sim.create_function("worker", lambda _event, _context: ran.append("old"))
    worker.publish_version()
    worker.create_alias("live", "1")
    mapping = sim.create_event_source_mapping(queue, worker.arn + ":live" * (what == "alias"))
    queue.send_message("1")
    sim.run()
    if what == "alias":
        worker.delete_alias("live")
        worker.update_function_code(lambda _event, _context: ran.append("new"))
        worker.create_alias("live", worker.publish_version().version)
    else:
        worker.delete_function()
        again = sim.create_function("worker", lambda _event, _context: ran.append("new"))
    queue.send_message("2")
    sim.run()
    assert (ran, mapping.state, queue.snapshot().deleted) == (["old", "new"], "Enabled", 2)
    assert mapping.function is (worker if what == "alias" else again)
    mapping.function.delete_function()
    queue.send_message("3")
    sim.run()
    assert (len(ran), mapping.state) == (2, "Disabled")
    assert mapping.state_transition_reason == "LAMBDA_INITIATED"
    found = mapping.snapshot()
    assert (found.dropped, found.failed_invoke_event_count) == (1, 1)  # it was given up, and no throttle was the reason


@pytest.mark.rule("ESM-067", "ESM-052")
def test_what_is_looked_up_for_an_old_batch_does_not_turn_the_mapping_back(sim, queue, ran, worker):
    """The mapping has gone on to another function; a batch that waits for the first one finds it made again."""
    worker.put_function_concurrency(0)
    queue.send_message("old")
    mapping = settled(sim, queue)
    other = sim.create_function("other", duration=1)
    mapping.update_event_source_mapping(function=other)
    worker.delete_function()
    sim.create_function("worker", lambda event, _context: ran.append([r["body"] for r in event["Records"]]))
    sim.run(until=5)
    assert (ran, mapping.function, mapping.function_arn) == ([["old"]], other, other.arn)
    queue.send_message("new")
    sim.run(until=9)
    assert (len(ran), other.snapshot().invocations) == (1, 1)


@pytest.mark.rule("ESM-152", "ESM-050", "ESM-041")
def test_lambda_disables_as_soon_as_nothing_runs_and_a_later_delete_is_the_users(sim, queue, worker):
    mapping = settled(sim, queue, settings=[LifecycleModel(disabling_s=30)])
    worker.delete_function()
    queue.send_message("order")
    sim.run(until_us=sim.now_us)
    assert (mapping.state, mapping.state_transition_reason) == ("Disabled", "LAMBDA_INITIATED")
    answer = mapping.delete_event_source_mapping()
    assert (answer.state, answer.state_transition_reason) == ("Deleting", "USER_INITIATED")


@pytest.mark.rule("ESM-052", "ESM-040")
def test_another_function_comes_without_the_qualifier_of_the_first(sim, queue, worker):
    worker.create_alias("live", worker.publish_version().version)
    other = sim.create_function("other")
    other.create_alias("live", other.publish_version().version)
    mapping = settled(sim, queue, "worker:live")
    assert mapping.update_event_source_mapping(function=other).function_arn == other.arn
    sim.run(until=0)
    assert mapping.update_event_source_mapping(qualifier="live").function_arn == f"{other.arn}:live"


@pytest.mark.rule("FLT-019")
@pytest.mark.usefixtures("worker")
def test_filters_that_apply_later_keep_no_run_going(sim, queue):
    mapping = settled(sim, queue, settings=[FilterModel(update_delay_s=900)])
    mapping.update_event_source_mapping(filter_criteria=criteria(ODD))
    sim.run()
    assert sim.now == 0


# ---- what a review found


@pytest.mark.rule("ESM-023")
def test_an_update_refuses_parameters_of_other_sources_as_creation_does(sim):
    mapping = sim.create_event_source_mapping(sim.create_queue("orders"), sim.create_function("worker"))
    sim.run(until=0)
    with pytest.raises(InvalidParameterValueException) as refusal:
        mapping.update_event_source_mapping(maximum_retry_attempts=2)
    assert refusal.value.message == ("Unsupported MaximumRetryAttempts parameter for given event source mapping type.")
    with pytest.raises(UsageError, match=r"update_event_source_mapping\(\) has no parameter anything"):
        mapping.update_event_source_mapping(anything=1)
    mapping.update_event_source_mapping(starting_position=None)


@pytest.mark.rule("ESM-031")
def test_a_mapping_whose_times_do_not_fit_any_more_can_be_switched_off(sim):
    orders = sim.create_queue("orders", visibility_timeout=60)
    mapping = sim.create_event_source_mapping(orders, sim.create_function("worker", timeout=60))
    sim.run(until=0)
    orders.set_queue_attributes(visibility_timeout=10)
    with pytest.raises(InvalidParameterValueException, match="is less than Function timeout: 60 seconds"):
        mapping.update_event_source_mapping(batch_size=5)
    mapping.update_event_source_mapping(enabled=False)
    sim.run()
    assert mapping.state == "Disabled"
    with pytest.raises(InvalidParameterValueException, match="is less than Function timeout: 60 seconds"):
        mapping.update_event_source_mapping(enabled=True)


@pytest.mark.rule("ESM-035")
def test_mappings_are_listed_by_whatever_names_their_queue(sim):
    orders = sim.create_queue("orders")
    mapping = sim.create_event_source_mapping(orders, sim.create_function("worker"))
    for named in (orders, "orders", orders.arn, orders.url):
        (found,) = sim.list_event_source_mappings(named).event_source_mappings
        assert found.uuid == mapping.uuid
    assert sim.list_event_source_mappings("nowhere").event_source_mappings == ()
