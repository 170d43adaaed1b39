"""Invocations of a mapping, their results, and partial batch answers (ESM §7, §10)."""

from __future__ import annotations

import time

import pytest

from lambdasim import ColdStartModel, LambdaFaults, RedrivePolicy, ScalingModel, Simulation, SqsCostModel
from lambdasim.errors.lambda_ import TooManyRequestsException

RBIF = ("ReportBatchItemFailures",)


class Runs:
    """A mapping whose handler notes when it ran, with which bodies and counts, and then does as it is told."""

    def __init__(self, sim, queue, behave=lambda bodies: None, *, duration=1, timeout=3, reserve=None, **given):
        self.sim = sim
        self.queue = queue
        self.behave = behave
        self.began = []
        self.bodies = []
        self.counts = []
        self.function = sim.create_function(
            "worker", self._handle, duration=duration, timeout=timeout, reserved_concurrent_executions=reserve
        )
        self.mapping = sim.create_event_source_mapping(queue, self.function, **given)

    def _handle(self, event, context):
        records = event["Records"]
        self.began.append(self.sim.now)
        self.bodies.append([record["body"] for record in records])
        self.counts.append([record["attributes"]["ApproximateReceiveCount"] for record in records])
        return self.behave(records)


def deliver(queue, *bodies):
    for body in bodies:
        queue.send_message(body)


def fails_on(body):
    def behave(records):
        if any(record["body"] == body for record in records):
            msg = f"cannot take {body}"
            raise ValueError(msg)

    return behave


def names(body):
    def behave(records):
        return {
            "batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in records if r["body"] == body],
        }

    return behave


def deaths(sim, queue_name="dead"):
    return [
        record.at_us / 1_000_000
        for record in sim.trace.records
        if record.kind == "message moved" and record.details["to"] == queue_name
    ]


def deletes(sim):
    return [record.at_us / 1_000_000 for record in sim.trace.records if record.kind == "message deleted"]


def receives(sim):
    return [record.at_us / 1_000_000 for record in sim.trace.records if record.kind == "message delivered"]


# ---- ESM-130 to ESM-135


@pytest.mark.rule("ESM-130", "ESM-131")
def test_one_batch_is_one_invocation(sim, queue):
    deliver(queue, *"abc")
    runs = Runs(sim, queue)
    sim.run()
    assert runs.bodies == [["a", "b", "c"]]
    assert queue.snapshot().deleted == 3


@pytest.mark.rule("ESM-131", "ESM-292")
@pytest.mark.parametrize(("messages", "calls"), [(1, 1), (10, 1), (11, 2), (25, 3)])
def test_a_success_deletes_the_batch_in_record_order_in_calls_of_ten_when_it_ends(sim, queue, messages, calls):
    sent = [queue.send_message(str(number)).message_id for number in range(messages)]
    Runs(sim, queue, batch_size=26, maximum_batching_window_in_seconds=1)
    sim.run(until=1.999999)
    before = queue.snapshot().requests
    sim.run(until=2)
    assert queue.snapshot().requests - before == calls
    deleted = [record for record in sim.trace.records if record.kind == "message deleted"]
    assert [record.details["message_id"] for record in deleted] == sent
    assert {record.at_us for record in deleted} == {2_000_000}


@pytest.mark.rule("ESM-131", "LAM-002")
def test_a_slot_takes_its_next_turn_after_its_delete(sim, queue):
    deliver(queue, *"ab")
    Runs(sim, queue, batch_size=1, settings=[ScalingModel(initial=1, step_per_minute=0)])
    sim.run(until=1)
    kinds = [record.kind for record in sim.trace.records if record.at_us == 1_000_000]
    assert kinds == ["invocation ended", "message deleted", "message delivered", "invocation started"]


@pytest.mark.rule("ESM-132", "ESM-443")
@pytest.mark.parametrize(("duration", "is_late"), [(2.999999, False), (3, True)])
def test_a_completion_at_the_end_of_visibility_is_too_late_if_a_slot_waits(sim, duration, is_late):
    queue = sim.create_queue("orders", visibility_timeout=3)
    deliver(queue, "a")
    runs = Runs(sim, queue, duration=duration)
    sim.run(until=3.5)
    assert runs.began == ([0, 3] if is_late else [0])
    assert queue.snapshot().deleted == (not is_late)


@pytest.mark.rule("ESM-133")
def test_after_an_error_all_records_come_back_at_their_visibility_with_a_higher_count(sim, queue):
    deliver(queue, *"abc")
    runs = Runs(sim, queue, fails_on("b"))
    sim.run(until=29.999999)
    assert queue.snapshot().in_flight == 3
    assert queue.snapshot().requests == 3 + 1 + 4  # sends, one receive, four empty ones at 20: no call for the failed
    sim.run(until=35)
    assert runs.began == [0, 30]
    assert runs.counts == [["1"] * 3, ["2"] * 3]
    assert queue.snapshot().deleted == 0


@pytest.mark.rule("ESM-134")
@pytest.mark.parametrize("receives", [1, 2, 5])
def test_the_redrive_policy_alone_bounds_the_attempts(sim, receives):
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=5, redrive_policy=RedrivePolicy(dead, receives))
    deliver(queue, "a")
    runs = Runs(sim, queue, fails_on("a"))
    sim.run()
    assert runs.began == [5 * number for number in range(receives)]
    assert deaths(sim) == [5 * receives]


@pytest.mark.rule("ESM-134")
def test_or_else_retention(sim):
    queue = sim.create_queue("orders", visibility_timeout=7, message_retention_period=60)
    deliver(queue, "a")
    runs = Runs(sim, queue, fails_on("a"))
    sim.run(until=600)
    assert runs.began == [7 * number for number in range(9)]
    assert queue.snapshot().expired == 1


@pytest.mark.rule("ESM-135")
def test_a_timeout_is_a_function_error_at_the_timeout(sim, queue):
    deliver(queue, "a")
    runs = Runs(sim, queue, duration=10)
    sim.run(until=31)
    assert runs.began == [0, 30]
    assert runs.function.invocations[0].ended_at_us == 3_000_000
    assert runs.function.snapshot().errors == 1
    assert runs.mapping.snapshot().failed_invoke_event_count == 1


# ---- ESM-140 to ESM-142


@pytest.mark.rule("ESM-140", "ESM-141", "ESM-282", "ESM-283")
def test_the_delete_with_an_old_handle_reports_success_and_removes_nothing(sim):
    queue = sim.create_queue("orders", visibility_timeout=10)
    deliver(queue, "a")
    runs = Runs(sim, queue, duration=lambda event: 9 if event["Records"][0]["body"] == "a" else 1, timeout=10)
    queue.set_queue_attributes(visibility_timeout=5)
    sim.run(until=0)
    sim.run(until=9.5)
    # received at 0 and at 5; the run that ends at 9 has the old handle
    assert runs.began == [0, 5]
    assert queue.snapshot().deleted == 0
    assert runs.mapping.snapshot().deleted_event_count == 1
    assert runs.mapping.snapshot().duplicates == 1
    queue.set_queue_attributes(visibility_timeout=30)
    sim.run()
    assert queue.snapshot().deleted == 1
    assert runs.began == [0, 5, 10]


@pytest.mark.rule("ESM-061", "SQS-273")
def test_the_handle_of_a_record_that_is_visible_again_can_be_used(sim, queue):
    """The init takes longer than the visibility timeout, and nobody else has received the message meanwhile."""
    found = []

    def behave(records):
        queue.delete_message(records[0]["receiptHandle"])
        found.append((sim.now, queue.snapshot().visible))

    worker = sim.create_function(
        "worker", lambda event, _: behave(event["Records"]), settings=[ColdStartModel(init_s=8)]
    )
    sim.create_event_source_mapping(queue, worker, settings=[ScalingModel(initial=1, step_per_minute=0)])
    queue.set_queue_attributes(visibility_timeout=5)
    deliver(queue, "a")
    sim.run(until=6)
    assert queue.snapshot().visible == 1
    sim.run(until=20)
    assert (found, queue.deleted) == ([(8, 0)], 1)


@pytest.mark.rule("ESM-283")
@pytest.mark.parametrize("error", [AssertionError, KeyboardInterrupt])
def test_a_run_whose_error_leaves_the_simulation_is_a_run(sim, queue, error):
    """It is the first of two, and a story has it."""

    def behave(records):
        if records[0]["attributes"]["ApproximateReceiveCount"] == "1":
            raise error

    deliver(queue, "a")
    (message,) = queue.messages
    runs = Runs(sim, queue, behave)
    with pytest.raises(error):
        sim.run()
    assert (runs.mapping.snapshot().duplicates, message.story().count("no function ever ran it")) == (0, 0)
    sim.run()
    assert (runs.began, runs.mapping.snapshot().duplicates) == ([0, 30], 1)


@pytest.mark.rule("ESM-141")
def test_a_late_delete_removes_a_message_that_nobody_has_received_since(sim):
    queue = sim.create_queue("orders", visibility_timeout=10)
    deliver(queue, "a")
    runs = Runs(sim, queue, duration=9, timeout=10, settings=[ScalingModel(initial=1, step_per_minute=0)])
    queue.set_queue_attributes(visibility_timeout=5)
    sim.run(until=8.999999)
    assert queue.snapshot().visible == 1
    sim.run(until=9)
    assert queue.snapshot().deleted == 1
    assert runs.began == [0]


@pytest.mark.rule("ESM-142", "ESM-091")
def test_the_age_of_records_is_not_checked_before_the_first_attempt(sim):
    queue = sim.create_queue("orders", visibility_timeout=5)
    deliver(queue, "a")
    runs = Runs(
        sim,
        queue,
        timeout=5,
        batch_size=100,
        maximum_batching_window_in_seconds=4,
        settings=[ScalingModel(initial=1, step_per_minute=0)],
    )
    sim.run()
    assert runs.began == [4]  # with 1 s of visibility left, and a timeout of 5 s
    assert queue.snapshot().deleted == 1


# ---- ESM-190 to ESM-194

B5 = ("id1", "id2", "id3", "id4", "id5")


def item(number):
    return lambda ids: {"batchItemFailures": [{"itemIdentifier": ids[number - 1]}]}


def failing(*entries):
    return lambda ids: {"batchItemFailures": [entry(ids) if callable(entry) else entry for entry in entries]}


def fixed(value):
    return lambda ids: value


def entry(number, **more):
    return lambda ids: {"itemIdentifier": ids[number - 1], **more}


def raising(error):
    def do(ids):
        raise error

    return do


# row of ESM-191 -> (what the handler does with the ids of the batch, class, positions deleted, Errors)
ROWS = {
    "1": (fixed(None), "success", "12345", 0),
    "2": (fixed({}), "success", "12345", 0),
    "3": (fixed(""), "success", "12345", 0),
    "4": (fixed([]), "success", "12345", 0),
    "5": (fixed({"batchItemFailures": []}), "success", "12345", 0),
    "6": (fixed({"batchItemFailures": None}), "success", "12345", 0),
    "7": (fixed({"failures": [{"itemIdentifier": "id1"}]}), "success", "12345", 0),
    "8": (failing(entry(2), entry(4)), "partial", "135", 0),
    "9": (failing(entry(2), entry(4), entry(2)), "partial", "135", 0),
    "10": (failing(*map(entry, range(1, 6))), "partial", "", 0),
    "11": (failing({"itemIdentifier": ""}), "failure", "", 0),
    "12": (failing({"itemIdentifier": None}), "failure", "", 0),
    "13": (failing({"itemIdentifier": 2}), "failure", "", 0),
    "14": (failing(lambda ids: {"messageId": ids[1]}), "failure", "", 0),
    "15": (failing({"itemIdentifier": "somebody else"}), "failure", "", 0),
    "16": (failing(entry(2), {"itemIdentifier": "somebody else"}), "failure", "", 0),
    "17 string": (fixed({"batchItemFailures": "id2"}), "failure", "", 0),
    "17 number": (fixed({"batchItemFailures": 0}), "failure", "", 0),
    "17 object": (lambda ids: {"batchItemFailures": {"itemIdentifier": ids[1]}}, "failure", "", 0),
    "17 empty string": (fixed({"batchItemFailures": ""}), "failure", "", 0),
    "17 false": (fixed({"batchItemFailures": False}), "failure", "", 0),
    "18 text": (failing(lambda ids: ids[1]), "failure", "", 0),
    "18 null": (failing(None), "failure", "", 0),
    "18 list": (failing(lambda ids: [ids[1]]), "failure", "", 0),
    "19 text": (fixed("x"), "failure", "", 0),
    "19 number": (fixed(1), "failure", "", 0),
    "19 zero": (fixed(0), "failure", "", 0),
    "19 true": (fixed(True), "failure", "", 0),
    "19 false": (fixed(False), "failure", "", 0),
    "19 list": (fixed([1]), "failure", "", 0),
    "20": (fixed({1, 2}), "failure", "", 1),
    "21 exception": (raising(ValueError()), "failure", "", 1),
    "21 timeout": (lambda ids: time.sleep(5), "failure", "", 1),
    "21 crash": (raising(SystemExit(1)), "failure", "", 1),
    # ESM-193
    "193 beside the key": (lambda ids: {**failing(entry(2), entry(4))(ids), "ok": 3}, "partial", "135", 0),
    "193 beside the id": (failing(entry(2, why="late"), entry(4, itemIdentifiers=[])), "partial", "135", 0),
}


def batch_of_five(sim, answer, function_response_types, *, duration=1):
    queue = sim.create_queue("orders", visibility_timeout=30)
    deliver(queue, *B5)
    return Runs(
        sim,
        queue,
        lambda records: answer([record["messageId"] for record in records]),
        duration=duration,
        function_response_types=function_response_types,
    )


@pytest.mark.rule("ESM-191", "ESM-192", "ESM-193", "ESM-194")
@pytest.mark.parametrize("row", ROWS)
def test_with_partial_answers_what_the_handler_returns_decides(sim, row):
    answer, kind, deleted, errors = ROWS[row]
    runs = batch_of_five(sim, answer, RBIF)
    sim.run(until=0.999999)
    assert runs.queue.snapshot().deleted == 0
    sim.run(until=29.999999)
    left = [message.body for message in runs.queue.messages]
    assert left == [body for body in B5 if body[2] not in deleted]
    assert runs.queue.snapshot().in_flight == len(left)  # until their visibility ends
    assert deletes(sim) == [1.0] * len(deleted)
    found = runs.mapping.snapshot()
    failed = {"success": 0, "partial": 5 - len(deleted), "failure": 5}[kind]
    assert (found.failed_invoke_event_count, found.deleted_event_count) == (failed, len(deleted))
    assert runs.function.snapshot().errors == errors
    sim.run(until=30)
    assert runs.bodies[1:] == ([left] if left else [])


@pytest.mark.rule("ESM-191", "ESM-192")
@pytest.mark.parametrize("ends", [0, 0.5, 1])
def test_with_partial_answers_a_crash_fails_the_batch_whenever_it_comes(ends):
    """Also where the answer was ready."""
    faults = LambdaFaults(crash=1.0, crash_at=(ends,))
    sim = Simulation(faults=faults)
    runs = batch_of_five(sim, fixed({"batchItemFailures": []}), RBIF)
    sim.run(until=2)
    assert runs.queue.snapshot().in_flight == 5
    assert runs.mapping.snapshot().failed_invoke_event_count == 5
    assert runs.function.snapshot().errors == 1
    assert runs.function.invocations[0].ended_at_us == round(ends * 1_000_000)


@pytest.mark.rule("ESM-190")
@pytest.mark.filterwarnings("ignore:.* returned batchItemFailures")
@pytest.mark.parametrize("row", [row for row in ROWS if row[:2] not in {"20", "21"}])
def test_without_partial_answers_the_return_value_is_ignored(sim, row):
    runs = batch_of_five(sim, ROWS[row][0], ())
    sim.run(until=1)
    assert runs.queue.snapshot().deleted == 5
    assert runs.mapping.snapshot().failed_invoke_event_count == 0


@pytest.mark.rule("ESM-190")
def test_a_partial_answer_that_nobody_asked_for_is_warned_of_once(sim):
    runs = batch_of_five(sim, fixed({"batchItemFailures": [{"itemIdentifier": "x"}]}), ())
    sim.call_at(5, runs.queue.send_message, "again")
    with pytest.warns(UserWarning, match="no ReportBatchItemFailures") as warned:
        sim.run()
    assert len(warned) == 1
    assert runs.queue.snapshot().deleted == 6


@pytest.mark.rule("ESM-190")
def test_without_partial_answers_an_answer_that_json_cannot_hold_fails_the_batch(sim):
    runs = batch_of_five(sim, fixed(object()), ())
    sim.run(until=2)
    assert runs.queue.snapshot().in_flight == 5


# ---- worked timelines


def poisoned(sim, behave, **given):
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=30, redrive_policy=RedrivePolicy(dead, max_receive_count=3))
    deliver(queue, *(f"m{number}" for number in range(1, 11)))
    return dead, Runs(sim, queue, behave, timeout=5, **given)


@pytest.mark.rule("ESM-430", "ESM-133")
def test_poison_message_without_partial_answers(sim):
    dead, runs = poisoned(sim, fails_on("m4"))
    sim.run()
    assert [began + 1 for began in runs.began] == [1, 31, 61]
    assert [len(bodies) for bodies in runs.bodies] == [10, 10, 10]
    assert deaths(sim) == [90] * 10
    assert dead.snapshot().visible == 10
    found = runs.function.snapshot()
    assert (found.invocations, found.errors, runs.mapping.snapshot().deleted_event_count) == (3, 3, 0)
    assert (sim.now, deletes(sim)) == (90, [])
    assert [invocation.ended_at_us for invocation in runs.function.invocations] == [1_000_000, 31_000_000, 61_000_000]


@pytest.mark.rule("ESM-430", "ESM-194")
def test_poison_message_with_partial_answers(sim):
    dead, runs = poisoned(sim, names("m4"), function_response_types=RBIF)
    sim.run()
    assert deletes(sim) == [1] * 9
    assert runs.began == [0, 30, 60]
    assert runs.bodies[1:] == [["m4"], ["m4"]]
    assert deaths(sim) == [90]
    assert [message.body for message in dead.messages] == ["m4"]
    assert (runs.function.snapshot().invocations, runs.function.snapshot().errors) == (3, 0)


@pytest.mark.rule("ESM-430")
def test_poison_message_in_batches_of_one(sim):
    dead, runs = poisoned(sim, fails_on("m4"), batch_size=1)
    sim.run(until=2)
    assert len(deletes(sim)) == 9
    sim.run()
    assert [bodies for bodies in runs.bodies if bodies == ["m4"]] == [["m4"]] * 3
    assert (deaths(sim), [message.body for message in dead.messages]) == ([90], ["m4"])
    assert (runs.function.snapshot().invocations, runs.function.snapshot().errors) == (12, 3)


@pytest.mark.rule("ESM-431", "ESM-061")
def test_succeeds_at_the_third_delivery(sim, queue):
    deliver(queue, "a")

    def behave(records):
        if records[0]["attributes"]["ApproximateReceiveCount"] != "3":
            raise ValueError

    runs = Runs(sim, queue, behave)
    sim.run()
    assert runs.began == [0, 30, 60]
    assert runs.counts == [["1"], ["2"], ["3"]]
    assert deletes(sim) == [61]


@pytest.mark.rule("ESM-432", "ESM-280", "ESM-163")
def test_partial_answer(sim, queue):
    deliver(queue, *B5)

    def behave(records):
        return {"batchItemFailures": [{"itemIdentifier": records[place]["messageId"]} for place in (1, 3)]}

    runs = Runs(sim, queue, behave, function_response_types=RBIF, metrics=("EventCount",))
    sim.run(until=2)  # a control tick
    assert deletes(sim) == [1, 1, 1]
    assert runs.mapping.snapshot().target == 5
    sim.run(until=29.999999)
    assert [message.body for message in queue.messages] == ["id2", "id4"]
    assert queue.snapshot().in_flight == 2

    def total(name):
        series = sim.metrics.series("AWS/Lambda", name, "Sum", EventSourceMappingUUID=runs.mapping.uuid)
        return sum(series.values)

    counts = [total(name) for name in ("InvokedEventCount", "FailedInvokeEventCount", "DeletedEventCount")]
    assert counts == [5, 2, 3]
    assert runs.function.snapshot().errors == 0
    assert runs.mapping.snapshot().target == 5
    assert not [record for record in sim.trace.records if record.kind == "concurrency limit changed"]
    sim.run(until=30)
    assert runs.bodies[1] == ["id2", "id4"]


@pytest.mark.rule("ESM-440", "ESM-141", "ESM-282")
@pytest.mark.parametrize("visibility", [40, 200])
def test_duplicate_by_visibility(sim, visibility):
    queue = sim.create_queue("orders", visibility_timeout=visibility)
    deliver(queue, "a")
    runs = Runs(
        sim,
        queue,
        duration=lambda event: 25 if event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1" else 10,
        timeout=30,
        batch_size=100,
        maximum_batching_window_in_seconds=20,
    )
    sim.run()
    found = runs.mapping.snapshot()
    if visibility == 200:
        assert (runs.began, deletes(sim), found.duplicates) == ([20], [45], 0)
        assert (receives(sim), found.deleted_event_count) == ([0], 1)
        return
    assert receives(sim) == [0, 40]
    assert runs.began == [20, 60]
    assert runs.counts == [["1"], ["2"]]
    assert [invocation.ended_at_us for invocation in runs.function.invocations] == [45_000_000, 70_000_000]
    assert deletes(sim) == [70]
    assert (found.deleted_event_count, found.duplicates) == (2, 1)


@pytest.mark.rule("ESM-441")
def test_endless_duplicates(sim):
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=30, redrive_policy=RedrivePolicy(dead, max_receive_count=3))
    deliver(queue, "a")
    runs = Runs(sim, queue, duration=15, timeout=30, batch_size=100, maximum_batching_window_in_seconds=20)
    sim.run()
    assert runs.began == [20, 50, 80]
    assert [invocation.ended_at_us for invocation in runs.function.invocations] == [35_000_000, 65_000_000, 95_000_000]
    assert deaths(sim) == [90]
    assert deletes(sim) == []
    assert (runs.function.snapshot().errors, runs.mapping.snapshot().deleted_event_count) == (0, 3)


@pytest.mark.rule("ESM-442", "ESM-135", "LAM-101")
def test_timeout(sim):
    queue = sim.create_queue("orders", visibility_timeout=18)
    deliver(queue, "a")
    runs = Runs(sim, queue, duration=10)
    sim.run(until=60)
    assert runs.began == [0, 18, 36, 54]
    assert [invocation.ended_at_us for invocation in runs.function.invocations] == [
        3_000_000,
        21_000_000,
        39_000_000,
        57_000_000,
    ]
    assert runs.function.snapshot().errors == 4
    assert all(invocation.outcome.value == "timeout" for invocation in runs.function.invocations)


@pytest.mark.rule("ESM-443", "ESM-132")
@pytest.mark.parametrize("duration", [29.999999, 30])
def test_boundary(sim, duration):
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=30, redrive_policy=RedrivePolicy(dead, max_receive_count=3))
    deliver(queue, "a")
    runs = Runs(sim, queue, duration=duration, timeout=30)
    sim.run()
    if duration == 30:
        assert (runs.began, deletes(sim), deaths(sim)) == ([0, 30, 60], [], [90])
    else:
        assert (runs.began, deletes(sim), deaths(sim)) == ([0], [29.999999], [])


@pytest.mark.rule("ESM-444", "ESM-094")
@pytest.mark.parametrize("max_receive_count", [None, 2])
def test_window_longer_than_visibility(sim, max_receive_count):
    dead = sim.create_queue("dead")
    policy = None if max_receive_count is None else RedrivePolicy(dead, max_receive_count=max_receive_count)
    queue = sim.create_queue("orders", visibility_timeout=30, redrive_policy=policy)
    deliver(queue, "a")
    runs = Runs(sim, queue, timeout=10, batch_size=100, maximum_batching_window_in_seconds=60)
    sim.run()
    assert runs.began == [60]
    assert len({record["messageId"] for record in runs.function.invocations[0].event["Records"]}) == 1
    assert (runs.function.snapshot().invocations, runs.function.snapshot().errors) == (1, 0)
    if max_receive_count is None:
        assert runs.counts == [["1", "2", "3"]]
        assert (receives(sim), deletes(sim), deaths(sim)) == ([0, 30, 60], [61], [])
    else:
        assert receives(sim) == [0, 30]
        assert runs.counts == [["1", "2"]]
        assert deaths(sim) == [60]
        assert deletes(sim) == []
        assert dead.snapshot().visible == 1


# ---- a mapping among others


@pytest.mark.rule("ESM-270", "ESM-032")
def test_a_message_goes_to_one_of_the_mappings_of_its_queue_per_delivery(sim, queue):
    seen = []
    for name in ("first", "second"):
        worker = sim.create_function(name, lambda event, context: seen.append(context.function_name), duration=1)
        sim.create_event_source_mapping(queue, worker)
    sim.run(until=0)
    for _ in range(8):
        queue.send_message("order")
        sim.run_for(0.01)
    sim.run()
    assert len(seen) == 8
    assert {"first", "second"} == set(seen)
    assert queue.snapshot().deleted == 8


@pytest.mark.rule("ESM-270", "ESM-083")
def test_of_two_mappings_the_one_that_waits_longer_is_served_first(sim, queue):
    seen = []
    for name in ("first", "second"):
        worker = sim.create_function(name, lambda event, context: seen.append(context.function_name), duration=1)
        sim.create_event_source_mapping(queue, worker, settings=[ScalingModel(initial=1, step_per_minute=0)])
        sim.run_for(1)
    for _ in range(3):
        queue.send_message("order")
        sim.run_for(5)
    # first waits since 0, second since 1; then first since 3: second is next; then first again
    assert seen == ["first", "second", "first"]


@pytest.mark.rule("ESM-271")
def test_one_function_of_several_queues_is_shared_in_order_of_attempt_and_each_mapping_scales_by_itself(sim):
    worker = sim.create_function("worker", duration=100, timeout=300, reserved_concurrent_executions=12)
    queues = [sim.create_queue(name, visibility_timeout=600) for name in ("first", "second")]
    mappings = [
        sim.create_event_source_mapping(queue, worker, batch_size=1, maximum_concurrency=limit)
        for queue, limit in zip(queues, (8, 9), strict=True)
    ]
    for queue in queues:
        deliver(queue, *["order"] * 20)
    sim.run(until=0.7)
    assert [mapping.snapshot().in_flight for mapping in mappings] == [6, 6]
    assert worker.snapshot().throttles > 0
    with pytest.raises(TooManyRequestsException):
        worker.invoke()


@pytest.mark.rule("ESM-272")
def test_other_consumers_compete_with_a_mapping(sim, queue):
    runs = Runs(sim, queue)
    got = []

    async def consume():
        await sim.sleep(1)
        while True:
            for delivery in await queue.wait_receive(wait_time_seconds=20):
                got.append(delivery.body)
                queue.delete_message(delivery.receipt_handle)

    task = sim.spawn(consume())
    sim.run(until=2)
    for number in range(7):  # the mapping waits since 0, as long as one of its five slots does
        queue.send_message(str(number))
    assert (queue.snapshot().in_flight, queue.snapshot().visible) == (6, 1)
    sim.run(until=2)
    assert got == ["5", "6"]
    assert queue.snapshot().in_flight == 5
    task.cancel()
    sim.run()
    assert runs.bodies == [["0"], ["1"], ["2"], ["3"], ["4"]]


@pytest.mark.rule("ESM-280")
def test_a_delete_of_which_nothing_is_accepted_counts_as_nothing_deleted(sim):
    queue = sim.create_queue("orders.fifo", visibility_timeout=5, content_based_deduplication=True)
    worker = sim.create_function("worker", duration=10, timeout=5)
    mapping = sim.create_event_source_mapping(queue, worker, metrics=("EventCount",))
    worker.update_function_configuration(timeout=60)
    queue.send_message("order 1", message_group_id="anna")
    sim.run(until=12)
    found = sim.metrics.series("AWS/Lambda", "DeletedEventCount", "Sum", EventSourceMappingUUID=mapping.uuid)
    assert list(found) == [(0, 0)]


@pytest.mark.rule("ESM-055")
def test_a_queue_that_is_gone_deletes_nothing(sim):
    queue = sim.create_queue("orders")
    mapping = sim.create_event_source_mapping(queue, sim.create_function("worker", duration=1))
    queue.send_message("order 1")
    sim.run(until=0.5)
    queue.delete_queue()
    sim.run()
    assert mapping.snapshot().deleted_event_count == 0


@pytest.mark.rule("ESM-290")
def test_how_much_a_request_pays_for_can_be_said():
    sim = Simulation(settings=[SqsCostModel(chunk_bytes=1_000)])
    orders = sim.create_queue("orders")
    orders.send_message("x" * 2_001)
    orders.receive_message()
    assert (orders.requests, orders.billed_requests) == (2, 6)
    usual = sim.create_queue("usual", settings=[SqsCostModel()])
    usual.send_message("x" * 2_001)
    assert usual.billed_requests == 1
