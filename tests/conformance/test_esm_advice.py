"""Advice about a configuration, and the helper for order in FIFO queues (ESM §17, §11)."""

from __future__ import annotations

import pytest
from attrs import evolve

from lambdasim import LambdaLimits, LifecycleModel, RedrivePolicy, Simulation, fifo_failures
from lambdasim.errors import UsageError
from lambdasim.esm.advice import Setup, advise

# Nothing to say about this one.
SOUND = Setup(
    visibility_timeout=60,
    timeout=10,
    window=0,
    batch_size=10,
    max_receive_count=5,
    function_has_dead_letter_target=False,
    reserved=None,
    maximum_concurrency=None,
    maximum_concurrencies=(),
    cap=1_000,
    is_fifo=False,
    reports_batch_item_failures=False,
    expected_groups=None,
    qualifier=None,
    provisioned={},
    mappings_of_queue=1,
    any_filter=False,
    seconds_per_record=None,
)

ROWS = [
    # code, severity, what is set, is it said?
    ("VISIBILITY_BELOW_TIMEOUT", "error", {"visibility_timeout": 9}, True),
    ("VISIBILITY_BELOW_TIMEOUT", "error", {"visibility_timeout": 10}, False),
    ("VISIBILITY_BELOW_6X", "warning", {"visibility_timeout": 59}, True),
    ("VISIBILITY_BELOW_6X", "warning", {"visibility_timeout": 60}, False),
    ("VISIBILITY_BELOW_6X", "warning", {"visibility_timeout": 79, "window": 20}, True),
    ("VISIBILITY_BELOW_6X", "warning", {"visibility_timeout": 80, "window": 20}, False),
    ("VISIBILITY_BELOW_WINDOW_PLUS_TIMEOUT", "error", {"visibility_timeout": 29, "window": 20}, True),
    ("VISIBILITY_BELOW_WINDOW_PLUS_TIMEOUT", "error", {"visibility_timeout": 30, "window": 20}, False),
    ("VISIBILITY_BELOW_WINDOW_PLUS_TIMEOUT", "error", {"visibility_timeout": 9}, True),
    ("MAX_RECEIVE_COUNT_BELOW_5", "warning", {"max_receive_count": 4}, True),
    ("MAX_RECEIVE_COUNT_BELOW_5", "warning", {"max_receive_count": 5}, False),
    ("MAX_RECEIVE_COUNT_BELOW_5", "warning", {"max_receive_count": None}, False),
    ("NO_DLQ", "warning", {"max_receive_count": None}, True),
    ("NO_DLQ", "warning", {"max_receive_count": 1}, False),
    ("DLQ_ON_FUNCTION_ONLY", "error", {"max_receive_count": None, "function_has_dead_letter_target": True}, True),
    ("DLQ_ON_FUNCTION_ONLY", "error", {"max_receive_count": None}, False),
    ("DLQ_ON_FUNCTION_ONLY", "error", {"function_has_dead_letter_target": True}, False),
    ("RESERVED_BELOW_5", "warning", {"reserved": 4}, True),
    ("RESERVED_BELOW_5", "warning", {"reserved": 0}, True),
    ("RESERVED_BELOW_5", "warning", {"reserved": 5}, False),
    ("RESERVED_BELOW_ESM_CAP", "warning", {"reserved": 999}, True),
    ("RESERVED_BELOW_ESM_CAP", "warning", {"reserved": 1_000}, False),
    ("RESERVED_BELOW_ESM_CAP", "warning", {"reserved": 999, "maximum_concurrency": 9}, False),
    ("RESERVED_BELOW_ESM_CAP", "warning", {"reserved": 7, "is_fifo": True}, False),
    ("RESERVED_BELOW_ESM_CAP", "warning", {"reserved": 7, "is_fifo": True, "expected_groups": 8}, True),
    ("RESERVED_BELOW_ESM_CAP", "warning", {"reserved": 7, "is_fifo": True, "expected_groups": 7}, False),
    ("MAX_CONCURRENCY_SUM_ABOVE_RESERVED", "error", {"reserved": 9, "maximum_concurrencies": (5, 5)}, True),
    ("MAX_CONCURRENCY_SUM_ABOVE_RESERVED", "error", {"reserved": 10, "maximum_concurrencies": (5, 5)}, False),
    ("MAX_CONCURRENCY_SUM_ABOVE_RESERVED", "error", {"maximum_concurrencies": (5, 5)}, False),
    ("RESERVED_WITHOUT_MARGIN", "info", {"reserved": 14, "maximum_concurrency": 10}, True),
    ("RESERVED_WITHOUT_MARGIN", "info", {"reserved": 15, "maximum_concurrency": 10}, False),
    ("RESERVED_WITHOUT_MARGIN", "info", {"reserved": 14}, False),
    ("PC_NOT_USED", "warning", {"provisioned": {"live": 2}}, True),
    ("PC_NOT_USED", "warning", {"provisioned": {"live": 2}, "qualifier": "test"}, True),
    ("PC_NOT_USED", "warning", {"provisioned": {"live": 2}, "qualifier": "live"}, False),
    ("PC_NOT_USED", "warning", {"qualifier": "live"}, False),
    ("RESERVED_EQUALS_PC_ON_LATEST", "error", {"reserved": 9, "provisioned": {"live": 2, "1": 7}}, True),
    ("RESERVED_EQUALS_PC_ON_LATEST", "error", {"reserved": 10, "provisioned": {"live": 2, "1": 7}}, False),
    ("RESERVED_EQUALS_PC_ON_LATEST", "error", {"reserved": 9, "provisioned": {"1": 9}, "qualifier": "1"}, False),
    ("RESERVED_EQUALS_PC_ON_LATEST", "error", {"reserved": 0}, False),
    ("SEVERAL_ESM_WITH_FILTERS", "warning", {"mappings_of_queue": 2, "any_filter": True}, True),
    ("SEVERAL_ESM_WITH_FILTERS", "warning", {"mappings_of_queue": 1, "any_filter": True}, False),
    ("SEVERAL_ESM_WITH_FILTERS", "warning", {"mappings_of_queue": 2}, False),
    ("FIFO_PARTIAL_ORDER", "info", {"is_fifo": True, "reports_batch_item_failures": True}, True),
    ("FIFO_PARTIAL_ORDER", "info", {"is_fifo": True}, False),
    ("FIFO_PARTIAL_ORDER", "info", {"reports_batch_item_failures": True}, False),
    ("BATCH_TIME_RISK", "warning", {"seconds_per_record": 1.000001}, True),
    ("BATCH_TIME_RISK", "warning", {"seconds_per_record": 1}, False),
    ("BATCH_TIME_RISK", "warning", {"seconds_per_record": 0.1, "batch_size": 70, "timeout": 7}, False),
    ("BATCH_TIME_RISK", "warning", {"seconds_per_record": 0.1, "batch_size": 71, "timeout": 7}, True),
]


@pytest.mark.rule("ESM-300")
@pytest.mark.parametrize(("code", "severity", "given", "is_said"), ROWS)
def test_each_finding_begins_at_its_boundary(code, severity, given, is_said):
    found = {finding.code: finding for finding in advise(evolve(SOUND, **given))}
    assert (code in found) is is_said
    if is_said:
        assert found[code].severity == severity
        assert str(found[code]) == f"{severity}: {code}: {found[code].text}"
        assert all(isinstance(value, int | float) for value in found[code].numbers.values())


@pytest.mark.rule("ESM-300")
def test_nothing_is_said_about_what_is_sound():
    assert advise(SOUND) == ()
    assert {row[0] for row in ROWS if row[3]} == {row[0] for row in ROWS if not row[3]}
    assert len({row[0] for row in ROWS}) == 15


@pytest.mark.rule("ESM-300")
def test_findings_come_in_one_order_with_their_numbers():
    found = advise(
        evolve(SOUND, visibility_timeout=5, window=1, max_receive_count=2, reserved=3, maximum_concurrencies=(4,))
    )
    assert [(finding.code, dict(finding.numbers)) for finding in found] == [
        ("VISIBILITY_BELOW_TIMEOUT", {"visibility_timeout": 5, "timeout": 10, "window": 1}),
        ("VISIBILITY_BELOW_6X", {"visibility_timeout": 5, "timeout": 10, "window": 1}),
        ("VISIBILITY_BELOW_WINDOW_PLUS_TIMEOUT", {"visibility_timeout": 5, "timeout": 10, "window": 1}),
        ("MAX_RECEIVE_COUNT_BELOW_5", {"max_receive_count": 2}),
        ("RESERVED_BELOW_5", {"reserved": 3}),
        ("RESERVED_BELOW_ESM_CAP", {"reserved": 3, "cap": 1_000}),
        ("MAX_CONCURRENCY_SUM_ABOVE_RESERVED", {"reserved": 3, "sum": 4}),
    ]


# ---- the same through a mapping


class World:
    """A queue, a function and a mapping about which nothing is to be said, until somebody changes one of them."""

    def __init__(self, *, is_fifo=False, **given):
        self.sim = sim = Simulation(settings=[LambdaLimits(account_concurrency=1_500)])
        suffix = ".fifo" if is_fifo else ""
        self.dead = sim.create_queue(f"dead{suffix}")
        self.queue = sim.create_queue(
            f"orders{suffix}", visibility_timeout=80, redrive_policy=RedrivePolicy(self.dead, 5)
        )
        self.worker = sim.create_function("worker", timeout=10)
        self.worker.create_alias("live", self.worker.publish_version().version)
        self.worker.create_alias("test", "1")
        self.mapping = sim.create_event_source_mapping(self.queue, self.worker, **given)
        sim.run(until=0)

    def codes(self, **given):
        return [finding.code for finding in self.mapping.check_configuration(**given)]


THROUGH_MAPPINGS = [
    # the mapping, a change, what is said then, a change back, what is said after that
    (
        {},
        lambda w: w.worker.update_function_configuration(timeout=81),
        ["VISIBILITY_BELOW_TIMEOUT", "VISIBILITY_BELOW_6X", "VISIBILITY_BELOW_WINDOW_PLUS_TIMEOUT"],
        lambda w: w.worker.update_function_configuration(timeout=80),
        ["VISIBILITY_BELOW_6X"],
    ),
    (
        {"maximum_batching_window_in_seconds": 20},
        lambda w: w.queue.set_queue_attributes(visibility_timeout=29),
        ["VISIBILITY_BELOW_6X", "VISIBILITY_BELOW_WINDOW_PLUS_TIMEOUT"],
        lambda w: w.queue.set_queue_attributes(visibility_timeout=80),
        [],
    ),
    (
        {},
        lambda w: w.queue.set_queue_attributes(redrive_policy=RedrivePolicy(w.dead, 4)),
        ["MAX_RECEIVE_COUNT_BELOW_5"],
        lambda w: w.queue.set_queue_attributes(redrive_policy=None),
        ["NO_DLQ"],
    ),
    (
        {},
        lambda w: w.worker.update_function_configuration(dead_letter_target_arn=w.dead.arn),
        [],
        lambda w: w.queue.set_queue_attributes(redrive_policy=None),
        ["NO_DLQ", "DLQ_ON_FUNCTION_ONLY"],
    ),
    (
        {},
        lambda w: w.worker.put_function_concurrency(4),
        ["RESERVED_BELOW_5", "RESERVED_BELOW_ESM_CAP"],
        lambda w: w.worker.put_function_concurrency(1_249),
        ["RESERVED_BELOW_ESM_CAP"],
    ),
    (
        {},
        lambda w: w.worker.put_function_concurrency(1_250),
        [],
        lambda w: w.worker.put_function_concurrency(5),
        ["RESERVED_BELOW_ESM_CAP"],
    ),
    (
        {"maximum_concurrency": 10},
        lambda w: w.worker.put_function_concurrency(9),
        ["MAX_CONCURRENCY_SUM_ABOVE_RESERVED", "RESERVED_WITHOUT_MARGIN"],
        lambda w: w.worker.put_function_concurrency(10),
        ["RESERVED_WITHOUT_MARGIN"],
    ),
    (
        {"maximum_concurrency": 10},
        lambda w: w.worker.put_function_concurrency(15),
        [],
        lambda w: w.mapping.update_event_source_mapping(maximum_concurrency=None),
        ["RESERVED_BELOW_ESM_CAP"],
    ),
    (
        {},
        lambda w: w.worker.put_provisioned_concurrency_config("live", 2),
        ["PC_NOT_USED"],
        lambda w: w.mapping.update_event_source_mapping(qualifier="live"),
        [],
    ),
    (
        {"maximum_concurrency": 4},
        lambda w: (
            w.worker.put_function_concurrency(9),
            w.worker.put_provisioned_concurrency_config("live", 9),
        ),
        ["PC_NOT_USED", "RESERVED_EQUALS_PC_ON_LATEST"],
        lambda w: w.mapping.update_event_source_mapping(qualifier="test"),
        ["PC_NOT_USED"],
    ),
    (
        {"filter_criteria": {"Filters": [{"Pattern": '{"body": ["a"]}'}]}},
        lambda w: w.sim.create_event_source_mapping(w.queue, "worker:live"),
        ["SEVERAL_ESM_WITH_FILTERS"],
        lambda w: w.mapping.update_event_source_mapping(filter_criteria={}),
        [],
    ),
    (
        {"is_fifo": True},
        lambda w: w.mapping.update_event_source_mapping(function_response_types=["ReportBatchItemFailures"]),
        ["FIFO_PARTIAL_ORDER"],
        lambda w: (
            w.sim.run(until=1),
            w.mapping.update_event_source_mapping(function_response_types=None),
        ),
        [],
    ),
]


@pytest.mark.rule("ESM-300")
@pytest.mark.parametrize(("given", "change", "said", "back", "left"), THROUGH_MAPPINGS)
def test_a_mapping_looks_at_queue_and_function_as_they_are(given, change, said, back, left):
    world = World(**given)
    assert world.codes() == []
    change(world)
    assert world.codes() == said
    back(world)
    assert world.codes() == left


@pytest.mark.rule("ESM-300")
def test_what_only_users_know_is_given():
    world = World(is_fifo=True)
    world.worker.put_function_concurrency(7)
    assert world.codes() == world.codes(expected_groups=7) == []
    assert world.codes(expected_groups=8) == ["RESERVED_BELOW_ESM_CAP"]
    assert world.codes(seconds_per_record=1) == []
    assert world.codes(seconds_per_record=1.000001) == ["BATCH_TIME_RISK"]


@pytest.mark.rule("ESM-300", "ESM-271")
def test_the_sum_is_that_of_all_mappings_of_the_function_that_there_are():
    world = World(maximum_concurrency=10)
    world.worker.put_function_concurrency(20)
    others = [
        world.sim.create_event_source_mapping(world.sim.create_queue(f"q{number}"), function, maximum_concurrency=5)
        for number, function in enumerate((world.worker, "worker:live", world.sim.create_function("other")))
    ]
    assert world.codes() == []
    world.worker.put_function_concurrency(19)
    assert world.codes() == ["MAX_CONCURRENCY_SUM_ABOVE_RESERVED"]
    world.sim.run(until=1)
    others[0].delete_event_source_mapping()
    world.sim.run(until=2)
    assert world.codes() == []


@pytest.mark.rule("ESM-300")
def test_the_timeout_is_that_of_the_version_that_is_invoked():
    world = World()
    world.worker.update_function_configuration(timeout=30)
    live = world.sim.create_event_source_mapping(world.queue, "worker:live")
    assert [finding.code for finding in live.check_configuration()] == []
    assert world.codes() == ["VISIBILITY_BELOW_6X"]


@pytest.mark.rule("ESM-300")
def test_the_dead_letter_target_is_that_of_the_version_that_is_invoked():
    world = World()
    world.queue.set_queue_attributes(redrive_policy=None)
    world.worker.update_function_configuration(dead_letter_target_arn=world.dead.arn)
    live = world.sim.create_event_source_mapping(world.queue, "worker:live")
    assert [finding.code for finding in live.check_configuration()] == ["NO_DLQ"]
    assert world.codes() == ["NO_DLQ", "DLQ_ON_FUNCTION_ONLY"]


@pytest.mark.rule("ESM-067", "ESM-300")
def test_advice_is_about_the_function_that_has_the_name_now():
    """Deleted, by which its reserve is gone, and made again with a longer timeout."""
    sim = Simulation()
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=30, redrive_policy=RedrivePolicy(dead, 5))
    worker = sim.create_function("worker", timeout=5, reserved_concurrent_executions=4)
    mapping = sim.create_event_source_mapping(queue, worker, maximum_concurrency=4)
    assert [finding.code for finding in mapping.check_configuration()] == [
        "RESERVED_BELOW_5",
        "RESERVED_WITHOUT_MARGIN",
    ]
    worker.delete_function()
    assert mapping.check_configuration() == ()
    sim.create_function("worker", timeout=31)
    assert [finding.code for finding in mapping.check_configuration()] == [
        "VISIBILITY_BELOW_TIMEOUT",
        "VISIBILITY_BELOW_6X",
        "VISIBILITY_BELOW_WINDOW_PLUS_TIMEOUT",
    ]


@pytest.mark.rule("ESM-300")
def test_advice_follows_a_change_at_once_and_refuses_nothing():
    world = World(settings=[LifecycleModel.REALISTIC])
    world.sim.run(until=30)
    world.worker.put_function_concurrency(100)
    assert world.codes() == ["RESERVED_BELOW_ESM_CAP"]
    world.mapping.update_event_source_mapping(maximum_concurrency=95)
    assert world.codes() == []
    world.worker.delete_function()
    assert world.mapping.check_configuration() is not None
    world.sim.run(until=60)
    world.mapping.delete_event_source_mapping()
    world.sim.run(until=90)
    assert world.mapping.is_deleted
    assert world.codes() == []


# ---- ESM-214, ESM-215


@pytest.mark.rule("ESM-214", "ESM-215")
@pytest.mark.parametrize(
    ("names", "order"),
    [
        (lambda records: {"batchItemFailures": [{"itemIdentifier": records[1]["messageId"]}]}, ["a1", "a3", "a2"]),
        (lambda records: fifo_failures(records, 1), ["a1", "a2", "a3"]),
        (lambda records: fifo_failures(records, records[1]), ["a1", "a2", "a3"]),
        (lambda records: fifo_failures(records, records[1]["messageId"]), ["a1", "a2", "a3"]),
    ],
    ids=["only a2", "from the second", "from a2", "from its id"],
)
def test_order_is_kept_by_naming_the_first_failure_and_all_after_it(sim, names, order):
    done, deliveries = [], []

    def handler(event, context):
        records = event["Records"]
        deliveries.append([record["body"] for record in records])
        if len(deliveries) == 1:
            answer = names(records)
            failed = {entry["itemIdentifier"] for entry in answer["batchItemFailures"]}
            done.extend(record["body"] for record in records if record["messageId"] not in failed)
            return answer
        done.extend(deliveries[-1])
        return None

    queue = sim.create_queue("orders.fifo", content_based_deduplication=True)
    for body in ("a1", "a2", "a3"):
        queue.send_message(body, message_group_id="g1")
    sim.create_function("worker", handler, duration=1)
    sim.create_event_source_mapping(queue, "worker", function_response_types=["ReportBatchItemFailures"])
    sim.run(until_us=1_000_000)
    assert queue.snapshot().deleted == len(done)
    sim.run()
    assert done == order
    assert deliveries == [["a1", "a2", "a3"], order[order.index("a2") :]]
    assert queue.snapshot().deleted == 3


RECORDS = [{"messageId": name} for name in "abc"]


@pytest.mark.rule("ESM-214")
@pytest.mark.parametrize(
    ("first_bad", "named"), [(0, "abc"), (2, "c"), ("b", "bc"), (RECORDS[0], "abc"), ({"messageId": "c"}, "c")]
)
def test_the_first_bad_record_and_all_after_it_are_named(first_bad, named):
    assert fifo_failures(RECORDS, first_bad) == {"batchItemFailures": [{"itemIdentifier": name} for name in named]}


@pytest.mark.rule("ESM-214")
@pytest.mark.parametrize("first_bad", [-1, 3, "d", {"messageId": "d"}, True, "", None])
def test_a_record_that_is_not_in_the_batch_is_no_first_bad_one(first_bad):
    with pytest.raises(UsageError, match="none of the 3 records"):
        fifo_failures(RECORDS, first_bad)
