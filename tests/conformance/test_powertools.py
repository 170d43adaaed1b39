"""
Code that nobody here wrote, unmodified: the batch processor and the idempotency utility of Powertools for AWS Lambda.

What Powertools asks of Lambda is a clock that all of it reads (LAM-025), events as they are on AWS (LAM-040), handlers
that end at their deadline and globals that belong to one environment (LAM-041), and answers that name what failed
(ESM-191). It is stubbed nowhere; only the table that keeps its records is ours.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import os
import sys
import time
from collections import Counter
from textwrap import dedent
from types import ModuleType

import pytest
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    SqsFifoPartialProcessor,
    process_partial_response,
)
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyItemAlreadyExistsError

from lambdasim import AsyncFaults, LambdaFaults, RedrivePolicy, Simulation, SqsFaults
from lambdasim.lambda_ import Outcome
from tests.powertools import Layer, Table

RBIF = ("ReportBatchItemFailures",)
START = dt.datetime(2030, 3, 1, 12, tzinfo=dt.UTC)
START_S = 1_898_596_800
UNIX = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
HOUR_S = 3_600

both = pytest.mark.parametrize("execution", ["plain", "interleaved"])


@pytest.fixture
def sim(execution):
    return Simulation(start=START, execution=execution)


# Three ways to write one handler: each is initialisation code, called once for each environment.


def record_by_record(table, work):
    """Each record of a batch counts once: what the documentation shows for SQS."""

    def init():
        config = IdempotencyConfig(event_key_jmespath="messageId", expires_after_seconds=HOUR_S)
        processor = BatchProcessor(event_type=EventType.SQS)

        @idempotent_function(data_keyword_argument="record", persistence_store=Layer(table), config=config)
        def process(record):
            return work(record.body)

        def handler(event, context):
            config.register_lambda_context(context)
            return process_partial_response(event=event, record_handler=process, processor=processor, context=context)

        return handler

    return init


def whole_event(table, work):
    """The whole handler counts once for each event."""

    def init():
        config = IdempotencyConfig(event_key_jmespath="Records[].messageId", expires_after_seconds=HOUR_S)

        @idempotent(persistence_store=Layer(table), config=config)
        def handler(event, context):
            for record in event["Records"]:
                work(record["body"])

        return handler

    return init


def without(table, work):
    """The batch processor alone: what happens without the utility."""

    def init():
        processor = BatchProcessor(event_type=EventType.SQS)

        def handler(event, context):
            return process_partial_response(
                event=event, record_handler=lambda record: work(record.body), processor=processor, context=context
            )

        return handler

    return init


IDEMPOTENT = {"function": record_by_record, "handler": whole_event}
forms = pytest.mark.parametrize("form", IDEMPOTENT.values(), ids=IDEMPOTENT)


def attach(sim, queue, init, *, timeout=6, batch_size=1, **given):
    """Attach a function of such a handler to the queue."""
    worker = sim.create_function("worker", init=init, timeout=timeout, **given)
    sim.create_event_source_mapping(queue, worker, batch_size=batch_size, function_response_types=RBIF)
    return worker


def row_of(table):
    """Return the only row there is."""
    (row,) = list(table.values())
    return row


def failures(*messages):
    return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message in messages]}


def began(worker):
    return [invocation.started_at_us / 1_000_000 for invocation in worker.invocations]


def outcomes(worker):
    return [invocation.outcome for invocation in worker.invocations]


# ---- the batch processor


def batches(done, **options):
    """Return initialisation code of a handler that notes bodies, and fails on `bad`."""

    def init():
        processor = BatchProcessor(event_type=EventType.SQS, **options)

        def process(record):
            time.sleep(0.25)
            if record.body.startswith("bad"):
                msg = f"cannot take {record.body}"
                raise ValueError(msg)
            done.append(record.body)

        def handler(event, context):
            return process_partial_response(event=event, record_handler=process, processor=processor, context=context)

        return handler

    return init


@pytest.mark.rule("ESM-191", "ESM-194", "LAM-041")
@both
def test_poison_comes_back_alone_and_the_rest_is_done_once(sim):
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=60, redrive_policy=RedrivePolicy(dead, max_receive_count=3))
    sent = {body: queue.send_message(body) for body in ("a", "bad 1", "b", "bad 2", "c")}
    done = []
    worker = attach(sim, queue, batches(done, raise_on_entire_batch_failure=False), batch_size=10)
    sim.run()
    named = failures(sent["bad 1"], sent["bad 2"])
    assert [named] * 3 == [invocation.result for invocation in worker.invocations]
    assert [5, 2, 2] == [len(invocation.event["Records"]) for invocation in worker.invocations]
    assert [0, 60, 120] == began(worker)
    assert ["a", "b", "c"] == done
    assert ["bad 1", "bad 2"] == [message.body for message in dead.messages]
    assert (3, 0) == (queue.snapshot().deleted, worker.snapshot().errors)
    sim.check_invariants()


@pytest.mark.rule("ESM-191")
@both
def test_a_batch_of_nothing_but_poison_is_an_error_as_powertools_has_it(sim):
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=60, redrive_policy=RedrivePolicy(dead, max_receive_count=2))
    good, bad = queue.send_message("a"), queue.send_message("bad")
    done = []
    worker = attach(sim, queue, batches(done), batch_size=10)
    sim.run()
    assert [Outcome.SUCCESS, Outcome.ERROR] == outcomes(worker)
    assert failures(bad) == worker.invocations[0].result
    assert "BatchProcessingError" == type(worker.invocations[1].exception).__name__
    assert good.message_id not in str(worker.invocations[1].event)
    assert (["a"], ["bad"], 1) == (done, [message.body for message in dead.messages], worker.snapshot().errors)


@pytest.mark.rule("ESM-191")
@both
def test_success_without_exception_names_nobody(sim):
    queue = sim.create_queue("orders", visibility_timeout=60)
    for body in "abc":
        queue.send_message(body)
    worker = attach(sim, queue, batches([]), batch_size=10)
    sim.run()
    assert [{"batchItemFailures": []}] == [invocation.result for invocation in worker.invocations]
    assert 3 == queue.snapshot().deleted


@pytest.mark.rule("ESM-191", "ESM-215")
@both
def test_the_processor_for_fifo_queues_keeps_the_order(sim):
    queue = sim.create_queue("orders.fifo", fifo_queue=True, visibility_timeout=60)
    sent = [
        queue.send_message(body, message_group_id="g", message_deduplication_id=body) for body in ("a", "flaky", "b")
    ]
    done, tried = [], []

    def init():
        processor = SqsFifoPartialProcessor()

        def process(record):
            tried.append(record.body)
            if tried == ["a", "flaky"]:
                raise ValueError(record.body)
            done.append(record.body)

        return lambda event, context: process_partial_response(
            event=event, record_handler=process, processor=processor, context=context
        )

    worker = attach(sim, queue, init, batch_size=10)
    sim.run()
    assert [failures(*sent[1:]), failures()] == [invocation.result for invocation in worker.invocations]
    assert (["a", "flaky", "b"], ["a", "flaky", "flaky", "b"]) == (done, tried)


@pytest.mark.rule("LAM-040")
@both
def test_its_records_and_its_context_read_as_on_aws(sim):
    queue = sim.create_queue("orders", visibility_timeout=60)
    sim.run(until=1.5)
    sent = queue.send_message(
        '{"order": 1}', message_attributes={"kind": {"DataType": "String", "StringValue": "urgent"}}
    )
    seen = {}

    def process(record, lambda_context):
        seen.update(
            body=record.json_body,
            id=record.message_id,
            md5=record.md5_of_body,
            count=record.attributes.approximate_receive_count,
            sent=record.attributes.sent_timestamp,
            kind=record.message_attributes["kind"].string_value,
            data_type=record.message_attributes["kind"].data_type,
            source=record.event_source,
            arn=record.event_source_arn,
            region=record.aws_region,
            queue=record.queue_url.rpartition("/")[2],
            left=lambda_context.get_remaining_time_in_millis(),
            request=lambda_context.aws_request_id,
        )

    def handler(event, context):
        processor = BatchProcessor(event_type=EventType.SQS)
        return process_partial_response(event=event, record_handler=process, processor=processor, context=context)

    worker = sim.create_function("worker", handler, timeout=6)
    sim.create_event_source_mapping(queue, worker, function_response_types=RBIF)
    sim.run()
    assert [failures()] == [invocation.result for invocation in worker.invocations]
    assert {
        "body": {"order": 1},
        "id": sent.message_id,
        "md5": sent.md5_of_message_body,
        "count": "1",
        "sent": str(START_S * 1_000 + 1_500),
        "kind": "urgent",
        "data_type": "String",
        "source": "aws:sqs",
        "arn": queue.arn,
        "region": "us-east-1",
        "queue": "orders",
        "left": 6_000,
        "request": worker.invocations[0].request_id,
    } == seen


# ---- duplicates


@pytest.mark.rule("LAM-025", "LAM-041")
@forms
@both
def test_a_message_that_was_deleted_and_comes_again_is_processed_once_until_its_record_expires(sim, form):
    queue = sim.create_queue("orders", visibility_timeout=60)
    table, done = sim.remote(Table()), []
    worker = attach(sim, queue, form(table, done.append))
    queue.send_message("a")
    (message,) = queue.messages
    sim.run()
    assert (["a"], 1) == (done, queue.snapshot().deleted)
    assert ("COMPLETED", START_S + HOUR_S) == (row_of(table)["status"], row_of(table)["expiry_timestamp"])
    first = worker.invocations[0].result
    for at_s, runs in ((HOUR_S, 1), (HOUR_S + 1, 2)):  # it expires after the second that it names
        sim.run(until=at_s)
        queue.redeliver(message)
        sim.run()
        assert (["a"] * runs, first) == (done, worker.invocations[-1].result)
    assert [0, HOUR_S, HOUR_S + 1] == began(worker)
    assert [Outcome.SUCCESS] * 3 == outcomes(worker)
    assert START_S + 2 * HOUR_S + 1 == row_of(table)["expiry_timestamp"]
    assert () == queue.messages


@pytest.mark.rule("LAM-025", "LAM-041")
@forms
@pytest.mark.parametrize(
    ("execution", "starts", "errors"),
    [
        # The duplicate at 1 s meets the first run. It is refused, and comes again 60 s later.
        ("interleaved", [0, 1, 61], 1),
        # The first run is whole at its start, so that the duplicate finds its answer.
        ("plain", [0, 1], 0),
    ],
)
def test_a_duplicate_that_comes_mid_run_is_processed_once(sim, form, starts, errors):
    queue = sim.create_queue("orders", visibility_timeout=60)
    table, done = sim.remote(Table()), []

    def work(body):
        time.sleep(3)
        done.append((body, time.time() - START_S))

    worker = attach(sim, queue, form(table, work))
    queue.send_message("a")
    sim.call_later(1, queue.redeliver, queue.messages[0])
    sim.run()
    assert [("a", 3)] == done
    assert starts == began(worker)[: len(starts)]
    assert errors == worker.snapshot().errors
    assert () == queue.messages


VISIBILITY = {
    # The first run has done its work at 5 s. Those at 2 s and 4 s are refused, and that at 6 s finds its answer.
    ("interleaved", record_by_record): ([0, 2, 4, 6], [5], 2),
    ("interleaved", whole_event): ([0, 2, 4, 6], [5], 2),
    # The first run is whole at its start.
    ("plain", record_by_record): ([0, 2], [5], 0),
    ("plain", whole_event): ([0, 2], [5], 0),
    # Nobody keeps what was done: each run does it again, and the message comes back for ever.
    ("interleaved", without): ([0, 2, 4, 6], [5, 7], 0),
    ("plain", without): ([0, 2, 4, 6], [5, 7, 9, 11], 0),
}


@pytest.mark.rule("LAM-025", "LAM-041")
@pytest.mark.parametrize(("execution", "form"), VISIBILITY)
def test_a_message_whose_visibility_ends_mid_run_is_processed_once(sim, execution, form):
    queue = sim.create_queue("orders", visibility_timeout=60)
    table, done = sim.remote(Table()), []

    def work(body):
        time.sleep(5)
        done.append(time.time() - START_S)

    worker = attach(sim, queue, form(table, work), timeout=10)
    queue.set_queue_attributes(visibility_timeout=2)
    queue.send_message("a")
    sim.run(until=7.5)
    assert VISIBILITY[execution, form] == (began(worker), done, worker.snapshot().errors)
    assert (form is without) == bool(queue.messages)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("seed", range(4))
@both
def test_lots_of_duplicates_are_processed_once(execution, seed):
    runs = {}
    for form in (record_by_record, without):
        sim = Simulation(start=START, execution=execution, seed=seed, faults=SqsFaults(duplicate_probability=0.3))
        queue = sim.create_queue("orders", visibility_timeout=60)
        table, done = sim.remote(Table(), latency=0.01), []

        def work(body, done=done):
            time.sleep(1.5)  # a duplicate comes within a second: mid-run
            done.append(body)

        worker = attach(sim, queue, form(table, work), batch_size=3)
        for number in range(30):
            queue.send_message(str(number))
        sim.run()
        sim.check_invariants()
        assert sum(len(run.event["Records"]) for run in worker.invocations) > 30
        assert () == queue.messages
        runs[form] = Counter(done)
    assert {str(number): 1 for number in range(30)} == runs[record_by_record]
    assert runs[record_by_record].keys() == runs[without].keys()
    assert runs[without].total() > 30


@pytest.mark.rule("LAM-025", "LAM-041")
@both
def test_an_event_that_runs_once_more_is_processed_once(execution):
    sim = Simulation(start=START, execution=execution, faults=AsyncFaults(duplicate=1.0))
    table, done = sim.remote(Table()), []

    @idempotent(persistence_store=Layer(table), config=IdempotencyConfig(event_key_jmespath="order"))
    def handler(event, context):
        time.sleep(0.5)
        done.append(event["order"])

    worker = sim.create_function("worker", handler, timeout=6)
    worker.invoke({"order": 1}, invocation_type="Event")
    sim.run()
    assert ([1], [0, 1]) == (done, began(worker))


class CheckThenPut(Layer):
    """A persistence layer that was written in a hurry: nothing holds its two steps together."""

    def _put_record(self, data_record):
        if self.table.get(data_record.idempotency_key) is not None:
            raise IdempotencyItemAlreadyExistsError
        self.table[data_record.idempotency_key] = self.row(data_record)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize(
    ("layer", "execution", "runs"),
    [(Layer, "plain", 1), (Layer, "interleaved", 1), (CheckThenPut, "plain", 1), (CheckThenPut, "interleaved", 2)],
)
def test_two_at_one_instant_are_kept_apart_by_a_conditional_write_only(sim, layer, runs):
    table, done = sim.remote(Table()), []

    @idempotent(persistence_store=layer(table), config=IdempotencyConfig(event_key_jmespath="order"))
    def handler(event, context):
        done.append(event["order"])

    worker = sim.create_function("worker", handler, timeout=6)
    for _ in range(2):
        worker.invoke({"order": 1}, invocation_type="Event")
    sim.run()
    assert [1] * runs == done
    assert [0, 0] == began(worker)[:2]


# ---- time


def forgetful(sim, table, done, *, slow_first=False):
    """Return a function, idempotent by its `order`, whose first run may take too long."""
    runs = []
    config = IdempotencyConfig(event_key_jmespath="order", expires_after_seconds=HOUR_S)

    @idempotent(persistence_store=Layer(table), config=config)
    def handler(event, context):
        runs.append(event["order"])
        if slow_first and len(runs) == 1:
            time.sleep(100)
        done.append(event["order"])
        return {"number": len(done)}

    return sim.create_function("worker", handler, timeout=6, duration=0)


@pytest.mark.rule("LAM-025")
@both
def test_an_answer_is_remembered_to_the_end_of_its_last_second(sim):
    table, done = sim.remote(Table()), []
    worker = forgetful(sim, table, done)
    assert {"number": 1} == worker.invoke({"order": 7}).value
    assert START_S + HOUR_S == row_of(table)["expiry_timestamp"]
    sim.run(until_us=3_600_999_999)
    assert {"number": 1} == worker.invoke({"order": 7}).value
    sim.run(until_us=3_601_000_000)
    assert {"number": 2} == worker.invoke({"order": 7}).value
    assert START_S + 3_601 + HOUR_S == row_of(table)["expiry_timestamp"]


@pytest.mark.rule("LAM-025", "LAM-045")
@both
def test_what_timed_out_is_in_progress_for_a_millisecond_more_than_its_deadline(sim):
    table, done = sim.remote(Table()), []
    worker = forgetful(sim, table, done, slow_first=True)
    assert "Sandbox.Timedout" == worker.invoke({"order": 7}).value["errorType"]
    assert 6 == sim.now
    assert ("INPROGRESS", START_S * 1_000 + 6_000) == (
        row_of(table)["status"],
        row_of(table)["in_progress_expiry_timestamp"],
    )
    sim.run(until_us=6_000_999)
    assert "IdempotencyAlreadyInProgressError" == worker.invoke({"order": 7}).value["errorType"]
    sim.run(until_us=6_001_000)
    assert {"number": 1} == worker.invoke({"order": 7}).value
    assert [7] == done


@pytest.mark.rule("LAM-025", "LAM-041", "LAM-045")
@forms
@pytest.mark.parametrize(("visibility", "starts"), [(60, [0, 60]), (6, [0, 6, 12])])
@both
def test_a_handler_that_times_out_once_succeeds_on_redelivery(sim, form, visibility, starts):
    """At 6 s, when the first run has just ended, its record still says that it is in progress."""
    dead = sim.create_queue("dead")
    redrive = RedrivePolicy(dead, max_receive_count=3)
    queue = sim.create_queue("orders", visibility_timeout=visibility, redrive_policy=redrive)
    table, done, runs = sim.remote(Table()), [], []

    def work(body):
        runs.append(dt.datetime.now(dt.UTC))
        if len(runs) == 1:
            time.sleep(100)
        done.append(body)

    worker = attach(sim, queue, form(table, work))
    queue.send_message("a")
    sim.run(until=5.9)
    row = row_of(table)
    assert "INPROGRESS" == row["status"]
    assert START_S * 1_000 + 6_000 == row["in_progress_expiry_timestamp"]
    assert START_S + HOUR_S == row["expiry_timestamp"]
    sim.run()
    assert starts == began(worker)
    assert [Outcome.TIMEOUT, *[Outcome.ERROR] * (len(starts) - 2), Outcome.SUCCESS] == outcomes(worker)
    assert [START, START + dt.timedelta(seconds=starts[-1])] == runs
    row = row_of(table)
    assert ("COMPLETED", START_S + starts[-1] + HOUR_S) == (row["status"], row["expiry_timestamp"])
    assert (["a"], 1, ()) == (done, queue.snapshot().deleted, dead.messages)


@pytest.mark.rule("LAM-025", "LAM-041")
@both
def test_a_failed_run_forgets_its_record_and_is_tried_again(sim):
    queue = sim.create_queue("orders", visibility_timeout=60)
    table, done, tried = sim.remote(Table()), [], []

    def work(body):
        tried.append(body)
        if tried.count(body) == 1 and body == "flaky":
            raise ValueError(body)
        done.append(body)

    sent = [queue.send_message(body) for body in ("a", "flaky")]
    worker = attach(sim, queue, record_by_record(table, work), batch_size=10)
    sim.run(until=59)
    assert (["a"], 1) == (done, len(table))
    sim.run()
    assert [failures(sent[1]), failures()] == [invocation.result for invocation in worker.invocations]
    assert (["a", "flaky"], ["a", "flaky", "flaky"], 2) == (done, tried, queue.snapshot().deleted)


class CrashAt:
    """It crashes a handler at one of its scheduling points: the *n*-th, from 1."""

    def __init__(self, place):
        self.place, self.asked = place, 0

    def choose(self, point, options):
        if point.name != "lambda.crash":
            return 0
        self.asked += 1
        return int(self.asked == self.place)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize(
    ("place", "runs"), [(1, 1), (2, 1), (3, 2)], ids=["start", "before it is noted", "before done"]
)
def test_only_a_crash_between_work_and_record_has_it_done_twice(place, runs):
    crash = LambdaFaults(crash=1.0)
    sim = Simulation(start=START, execution="interleaved", faults=crash, choices=CrashAt(place))
    queue = sim.create_queue("orders", visibility_timeout=60)
    table, done = sim.remote(Table()), []
    worker = attach(sim, queue, record_by_record(table, done.append))
    queue.send_message("a")
    sim.run()
    assert [Outcome.EXIT, Outcome.SUCCESS] == outcomes(worker)
    assert (["a"] * runs, 1) == (done, queue.snapshot().deleted)


# ---- deployed


APP = """
    import os
    import time

    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
    from aws_lambda_powertools.utilities.typing import LambdaContext

    import stores

    served = []
    imported_at = time.time()
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    layer = stores.Layer(stores.table(os.environ["TABLE_NAME"]))
    config = IdempotencyConfig(
        event_key_jmespath="body",
        expires_after_seconds=int(os.environ["EXPIRES_AFTER_SECONDS"]),
        use_local_cache=os.environ.get("LOCAL_CACHE") == "on",
    )


    @idempotent_function(data_keyword_argument="record", config=config, persistence_store=layer)
    def charge(record: SQSRecord):
        time.sleep(1)
        if record.json_body["order"] < 0:
            raise ValueError(record.body)
        served.append(record.json_body["order"])
        return {
            "served": served,
            "imported_at": imported_at,
            "function": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
            "stream": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
        }


    def lambda_handler(event: dict, context: LambdaContext):
        config.register_lambda_context(context)
        return process_partial_response(event=event, record_handler=charge, processor=processor, context=context)
"""


class Deployed:
    """A function whose code is a file, behind a queue."""

    def __init__(self, sim, batch_size, environment=(), **given):
        self.queue = sim.create_queue("orders", visibility_timeout=60)
        self.worker = sim.create_function(
            "worker",
            "app.lambda_handler",
            timeout=6,
            environment={"TABLE_NAME": "charges", "EXPIRES_AFTER_SECONDS": "900", **dict(environment)},
        )
        sim.create_event_source_mapping(
            self.queue, self.worker, batch_size=batch_size, function_response_types=RBIF, **given
        )

    def send(self, *orders):
        return [self.queue.send_message(json.dumps({"order": order})) for order in orders]


@pytest.fixture
def tables(sim, tmp_path, monkeypatch):
    """Deploy the app, and stand for the service that keeps its tables; return these by their names."""
    (tmp_path / "app.py").write_text(dedent(APP), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    tables = {"charges": Table()}
    stores = ModuleType("stores")
    stores.Layer = Layer
    stores.table = lambda name: sim.remote(tables[name], latency=0.01)
    monkeypatch.setitem(sys.modules, "stores", stores)
    return tables


def answers(table):
    """Return what the app answered, in order of the records."""
    return [json.loads(row["response_data"]) for row in table.values()]


@pytest.mark.rule("LAM-025", "LAM-041", "ESM-191")
@both
def test_a_deployed_module_reads_its_environment_and_the_clock_when_it_is_imported(sim, tables):
    sim.run(until=100)
    deployed = Deployed(sim, 1)
    deployed.send(1)
    (message,) = deployed.queue.messages
    sim.run()
    deployed.queue.redeliver(message)
    sim.run()
    (answer,) = answers(tables["charges"])
    assert answer.pop("stream").startswith("2030/03/01/[$LATEST]")
    assert {"served": [1], "imported_at": START_S + 100, "function": "worker"} == answer
    assert START_S + 101 + 900 == row_of(tables["charges"])["expiry_timestamp"]
    (key,) = tables["charges"]
    assert key.startswith("worker.app.charge#")  # Powertools takes the name from the environment variables too
    assert [failures()] * 2 == [invocation.result for invocation in deployed.worker.invocations]
    assert "app" not in sys.modules
    assert not {"TABLE_NAME", "EXPIRES_AFTER_SECONDS", "AWS_LAMBDA_FUNCTION_NAME"} & os.environ.keys()


@pytest.mark.rule("LAM-041", "ESM-191")
@both
def test_each_environment_has_a_processor_and_globals_of_its_own(sim, tables):
    """One processor for both would name the poison of one batch in the answer of the other."""
    deployed = Deployed(sim, 2)
    sent = deployed.send(1, -2, 3, 4)
    sim.run(until=10)
    first, second = deployed.worker.invocations
    assert ([0, 0], failures(sent[1]), failures()) == (began(deployed.worker), first.result, second.result)
    assert [[1], [3], [3, 4]] == sorted(answer["served"] for answer in answers(tables["charges"]))
    assert 2 == len({answer["stream"] for answer in answers(tables["charges"])})
    assert ["A", "B"] == [first.environment.id, second.environment.id]
    assert 3 == deployed.queue.snapshot().deleted
    assert "app" not in sys.modules


@pytest.mark.rule("LAM-041")
@both
def test_a_timeout_takes_the_globals_of_a_module_with_it(sim, tables):
    deployed = Deployed(sim, 10, maximum_batching_window_in_seconds=1)
    deployed.send(1, 2, 3, 4, 5, 6, 7)
    sim.run()
    first, second = deployed.worker.invocations
    assert ([Outcome.TIMEOUT, Outcome.SUCCESS], failures()) == (outcomes(deployed.worker), second.result)
    assert [1, 61] == began(deployed.worker)
    told = [(answer["served"], answer["imported_at"] - START_S) for answer in answers(tables["charges"])]
    assert [([1, 2, 3, 4, 5][:count], 1) for count in range(1, 6)] == told[:5]
    assert [([6], 61), ([6, 7], 61)] == told[5:]
    assert first.environment is second.environment
    assert 7 == deployed.queue.snapshot().deleted


@pytest.mark.rule("LAM-041")
@both
def test_the_local_cache_of_powertools_lives_as_long_as_its_environment(sim, tables):
    deployed = Deployed(sim, 1, {"LOCAL_CACHE": "on"})
    deployed.send(1)
    (message,) = deployed.queue.messages
    sim.run()
    table = tables["charges"]
    assert 1 == table.writes
    for at_s, writes in ((500, 1), (850, 1), (899, 1), (1_510, 2)):
        sim.run(until=at_s)
        deployed.queue.redeliver(message)
        sim.run()
        assert writes == table.writes
    names = [invocation.environment.id for invocation in deployed.worker.invocations]
    assert ["A", "A", "A", "A", "B"] == names


@pytest.mark.rule("LAM-025")
# Powertools says so whenever it is told to be no help, which is what this test tells it.
@pytest.mark.filterwarnings("ignore:Disabling idempotency:aws_lambda_powertools.warnings.PowertoolsUserWarning")
@both
def test_powertools_itself_reads_the_variables_of_the_function(sim, tables):
    deployed = Deployed(sim, 1, {"POWERTOOLS_IDEMPOTENCY_DISABLED": "true"})
    deployed.send(1)
    (message,) = deployed.queue.messages
    sim.run()
    deployed.queue.redeliver(message)
    sim.run()
    assert [failures()] * 2 == [invocation.result for invocation in deployed.worker.invocations]
    assert {} == tables["charges"]
    assert "POWERTOOLS_IDEMPOTENCY_DISABLED" not in os.environ
