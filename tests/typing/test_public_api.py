"""
The public surface as users type it: mypy reads this file, and pytest runs it.

What an expression is for mypy stands in `assert_type`; what a user may not write has a `type: ignore` that mypy would
report if it were not needed.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, Literal, assert_type

import pytest
from hypothesis.strategies import SearchStrategy

import lambdasim
from lambdasim import (
    BackoffModel,
    BatchWindowModel,
    Benign,
    Clock,
    ColdStartModel,
    ConcurrencyPool,
    EnvironmentModel,
    EventSourceMapping,
    Faults,
    Function,
    LambdaLimits,
    PollModel,
    PriceBook,
    Queue,
    RedrivePolicy,
    RpsModel,
    RuntimeModel,
    ScalingModel,
    ScalingRate,
    Seeded,
    Simulation,
    SqsConfig,
    SqsFaults,
    ThrottleRetry,
)
from lambdasim.clock import ChoicePoint, Chooser, Record, Streams, Subscription, Task, Timer, Trace
from lambdasim.errors import AwsError, LambdaError, LambdasimError, SqsError, UsageError
from lambdasim.errors.lambda_ import TooManyRequestsException
from lambdasim.errors.sqs import QueueDoesNotExist
from lambdasim.esm import MappingSnapshot
from lambdasim.lambda_ import Context, FunctionSnapshot, Invocation, InvokeResult, Outcome
from lambdasim.metrics import Metrics, Series
from lambdasim.simulation import Feed
from lambdasim.sqs import Delivery, Message, QueueSnapshot, SendMessageResult, State
from lambdasim.sqs.results import BatchResult, BatchResultErrorEntry, SendMessageBatchResult
from lambdasim.testing import (
    Law,
    all_laws,
    arrival_times,
    check_laws,
    effect_exactly_once,
    fault_settings,
    message_bodies,
    no_message_lost,
    sqs_events,
)
from lambdasim.timeline import Timeline
from lambdasim.workload import (
    Arrivals,
    Burst,
    Bursts,
    Clamped,
    ConstantRate,
    Distribution,
    Empirical,
    Exponential,
    Gamma,
    Instants,
    IntervalCounts,
    LogNormal,
    Merged,
    PiecewiseRate,
    Poisson,
    constant,
    exponential,
    gamma,
    lognormal,
    percentiles,
)


def handler(event: dict[str, Any], context: Context) -> dict[str, list[dict[str, str]]]:
    """Answer as a handler with partial batch responses does."""
    assert_type(context.aws_request_id, str)
    assert_type(context.memory_limit_in_mb, str)
    assert_type(context.get_remaining_time_in_millis(), int)
    assert_type(context.environment.is_cold_start, bool)
    assert_type(context.environment.state, dict[Any, Any])
    context.sleep(0.5)
    context.log(f"{len(event['Records'])} records")
    return {"batchItemFailures": []}


def test_simulation() -> None:
    """Time, things and what there is to look at."""
    sim = Simulation(
        seed=7,
        start=datetime(2026, 1, 1, tzinfo=UTC),
        region="eu-west-1",
        account_id="210987654321",
        concurrent_executions=500,
        choices=Benign(),
        settings=(ScalingModel.LEGACY_2018, PriceBook(requests_per_million=Decimal("0.25"))),
        trace=None,
    )
    assert_type(sim.now, float)
    assert_type(sim.now_us, int)
    assert_type(sim.datetime, datetime)
    assert_type(sim.queues, tuple[Queue, ...])
    assert_type(sim.functions, tuple[Function, ...])
    assert_type(sim.event_source_mappings, tuple[EventSourceMapping, ...])
    assert_type(sim.metrics, Metrics)
    assert_type(sim.trace, Trace)
    assert_type(sim.random("mine"), Random)
    assert_type(sim.step(), bool)
    assert_type(sim.call_at(1.5, print, "later"), Timer)
    assert_type(sim.call_later(timedelta(seconds=2), print), Timer)
    sim.run(until=1)
    sim.run(until=datetime(2026, 1, 1, 0, 1, tzinfo=UTC))
    sim.run(until_us=90_000_000)
    sim.run_for(Decimal("0.5"))
    sim.run_until(lambda: True, timeout=10)
    sim.run()
    sim.check_invariants()
    assert lambdasim.__version__


def test_queue() -> None:
    """The operations of SQS and their answers."""
    sim = Simulation()
    dlq = sim.create_queue("orders-dlq", message_retention_period=1_209_600)
    policy = RedrivePolicy(dlq, max_receive_count=3)
    orders = sim.create_queue("orders", redrive_policy=policy, settings=[SqsConfig(stale_delete="delete")])
    assert_type(orders, Queue)
    assert_type(sim.queue("orders"), Queue)
    assert_type(sim.queue(orders), Queue)
    sent = orders.send_message("order 1", delay_seconds=0)
    assert_type(sent, SendMessageResult)
    assert_type(sent.message_id, str)
    assert_type(sent.md5_of_message_body, str)
    assert_type(sent.sequence_number, str | None)
    assert_type(orders.messages, tuple[Message, ...])
    assert_type(orders.messages[0].state, State)
    assert_type(orders.messages[0].first_received_at_us, int | None)
    got = orders.receive_message(max_number_of_messages=10, message_system_attribute_names=["All"])
    assert_type(got, list[Delivery])
    assert_type(got[0].receipt_handle, str)
    assert_type(got[0].receive_count, int)
    assert_type(got[0].attributes, dict[str, str])
    assert_type(got[0].message_attributes, dict[str, dict[str, Any]])
    orders.change_message_visibility(got[0].receipt_handle, 60)
    orders.delete_message(got[0].receipt_handle)
    snapshot = orders.snapshot()
    assert_type(snapshot, QueueSnapshot)
    assert_type(snapshot.oldest_age_us, int)
    assert_type(orders.approximate_number_of_messages, int)
    assert_type(orders.redrive_policy, str | None)
    assert_type(orders.dead_letter_queue, Queue | None)
    assert_type(orders.total_requests, int)


def test_all_of_sqs() -> None:
    """Operations beside those on single messages: keywords are checked, answers have types."""
    sim = Simulation(faults=Faults.at_least_once())
    assert_type(Faults.at_least_once(), Faults)
    assert_type(SqsFaults.at_least_once(), SqsFaults)
    dlq = sim.create_queue("jobs-dlq.fifo", fifo_queue=True)
    jobs = sim.create_queue(
        "jobs.fifo",
        content_based_deduplication=True,
        redrive_policy={"deadLetterTargetArn": dlq.arn, "maxReceiveCount": 3},
        faults=SqsFaults(lost_send_ack_probability=0.0),
        tags={"team": "jobs"},
        region="eu-west-1" if sim.region == "eu-west-1" else None,
    )
    with pytest.raises(UsageError):
        sim.create_queue("other", visibility_timout=30)  # type: ignore[call-arg]
    batch = jobs.send_message_batch([{"id": "a", "message_body": "job 1", "message_group_id": "g"}])
    assert_type(batch, SendMessageBatchResult)
    assert_type(batch.successful[0].sequence_number, str | None)
    assert_type(batch.failed, tuple[BatchResultErrorEntry, ...])
    (delivery,) = jobs.receive_message(receive_request_attempt_id="r", message_attribute_names=["All"])
    assert_type(delivery.message_group_id, str | None)
    handle = delivery.receipt_handle
    changed = jobs.change_message_visibility_batch([{"id": "a", "receipt_handle": handle, "visibility_timeout": 9}])
    assert_type(changed, BatchResult)
    assert_type(jobs.delete_message_batch([{"id": "a", "receipt_handle": handle}]).successful[0].id, str)
    jobs.set_queue_attributes(visibility_timeout=60, policy=None)
    assert_type(jobs.get_queue_attributes(["All"]).attributes, Mapping[str, str])
    assert_type(jobs.list_queue_tags().tags, Mapping[str, str])
    assert_type(sim.get_queue_url("jobs.fifo").queue_url, str)
    assert_type(sim.list_queues(max_results=1).next_token, str | None)
    assert_type(dlq.list_dead_letter_source_queues().queue_urls, tuple[str, ...])
    task = sim.start_message_move_task(dlq, max_number_of_messages_per_second=1)
    assert_type(task.task_handle, str)
    assert_type(sim.list_message_move_tasks(dlq).results[0].failure_reason, str | None)
    jobs.purge_queue()
    jobs.delete_queue()


def test_function() -> None:
    """A function, its answers and its invocations."""
    sim = Simulation()
    worker = sim.create_function(
        "worker",
        handler,
        timeout=10,
        memory_size=512,
        duration=lognormal(median=0.2, p99=1.5),
        reserved_concurrent_executions=5,
        architecture="arm64",
        settings=(ColdStartModel.TYPICAL, EnvironmentModel(idle_ttl_s=60), ScalingRate.OFF, RuntimeModel(logs_kept=5)),
    )
    assert_type(worker, Function)
    assert_type(sim.function("worker"), Function)
    result = worker.invoke({"Records": []})
    assert_type(result, InvokeResult)
    assert_type(result.payload, bytes)
    assert_type(result.function_error, str | None)
    assert_type(result.value, Any)
    assert_type(worker.get_function_concurrency().reserved_concurrent_executions, int | None)
    worker.put_function_concurrency(0)
    worker.delete_function_concurrency()
    assert_type(worker.invocations, tuple[Invocation, ...])
    invocation = worker.invocations[0]
    assert_type(invocation.outcome, Outcome)
    assert_type(invocation.exception, BaseException | None)
    assert_type(invocation.started_at_us, int)
    assert_type(invocation.ended_at_us, int | None)
    assert_type(invocation.billed_ms, int)
    assert_type(invocation.log_lines, list[str])
    assert_type(worker.snapshot(), FunctionSnapshot)
    assert_type(worker.throttle_reasons, dict[str, int])
    sim.create_function("plain", lambda event, _context: event, duration=lambda event: 0.1 * len(event))
    sim.create_function("model", duration=timedelta(milliseconds=200), failure_rate=0.01)
    with zipfile.ZipFile(package := io.BytesIO(), "w") as files:
        files.writestr("app.py", "def handler(event, context):\n    return event\n")
    zip_file = package.getvalue()
    sim.create_function(
        "package", "app.handler", zip_file=zip_file, details={"Role": "worker"}, tags={"team": "orders"}
    )
    sim.register_handler("worker", handler, execution="interleaved", duration=0.2)
    worker.tag_resource({"team": "orders"})
    assert_type(worker.list_tags(), dict[str, str])
    worker.publish_version()
    worker.update_function_configuration(description="another")
    worker.publish_version()
    alias = worker.create_alias("live", "1", additional_version_weights={"2": 0.1})
    assert_type(alias.additional_version_weights, Mapping[str, float])
    assert_type(worker.get_function_configuration().code_sha256, str)


def test_mapping_and_feed() -> None:
    """A mapping, and messages that arrive."""
    sim = Simulation(settings=(RpsModel(mode="off"), LambdaLimits(unreserved_floor=0)))
    orders, worker = sim.create_queue("orders"), sim.create_function("worker")
    mapping = sim.create_event_source_mapping(
        orders,
        worker,
        batch_size=100,
        maximum_batching_window_in_seconds=5,
        maximum_concurrency=10,
        function_response_types=["ReportBatchItemFailures"],
        metrics=("EventCount",),
        settings=[ScalingModel.STEP, PollModel(), BatchWindowModel(), BackoffModel.OFF, ThrottleRetry.SEED],
    )
    assert_type(mapping, EventSourceMapping)
    assert_type(sim.event_source_mapping(mapping.uuid), EventSourceMapping)
    assert_type(mapping.queue, Queue)
    assert_type(mapping.function, Function)
    assert_type(mapping.maximum_concurrency, int | None)
    assert_type(mapping.snapshot(), MappingSnapshot)
    assert_type(mapping.snapshot().target, float)
    feed = sim.feed(orders, ConstantRate(2, duration=5), message="order")
    assert_type(feed, Feed)
    assert_type(feed.sent, int)
    sim.feed(orders, [0, 0.5, timedelta(seconds=1)], message=lambda number: f"order {number}")
    sim.feed(lambda body: orders.send_message(body, delay_seconds=1), Burst(3))
    feed.cancel()
    sim.run()


def test_metrics_and_trace() -> None:
    """Series by period, records, observers."""
    sim = Simulation()
    orders = sim.create_queue("orders")
    seen: list[Record] = []
    subscription = sim.subscribe(seen.append)
    assert_type(subscription, Subscription)
    orders.send_message("order 1")
    subscription.cancel()
    series = sim.metrics.series("AWS/SQS", "NumberOfMessagesSent", "Sum", period=60, QueueName="orders")
    assert_type(series, Series)
    assert_type(series.times, tuple[int, ...])
    assert_type(series.values, tuple[float, ...])
    assert_type(series.unit, str)
    assert_type(list(series), list[tuple[int, float]])
    assert_type(len(series), int)
    assert_type(sim.trace.records, tuple[Record, ...])
    assert_type(sim.trace.to_json_lines(), str)
    timeline = sim.timeline(messages="orders#1", since=0, until=1.5)
    assert_type(timeline, Timeline)
    assert_type(sim.timeline(messages=[*orders.messages, "orders#1"]), Timeline)
    assert_type(timeline.to_text(colour=True, width=100), str)
    assert_type(timeline.to_html(), str)
    assert_type(timeline.to_svg(), str)
    timeline.print(colour=False)
    assert_type(seen[0].details, Mapping[str, Any])
    cost = sim.prices.lambda_cost(requests=1_000_000, mb_ms=0)
    assert_type(cost, Decimal)
    assert_type(sim.prices.sqs_cost_exact(billed_requests=orders.snapshot().billed_requests), Decimal)


def test_processes() -> None:
    """What a process awaits has the type of what it waits for."""
    sim = Simulation()
    orders, worker = sim.create_queue("orders"), sim.create_function("worker")

    async def consume() -> int:
        await sim.sleep(1)
        got = await orders.wait_receive(wait_time_seconds=20)
        assert_type(got, list[Delivery])
        result = await worker.wait_invoke({"body": got[0].body})
        assert_type(result, InvokeResult)
        return result.status_code

    async def await_it(task: Task[int]) -> str:
        status = await task
        assert_type(status, int)
        return f"status {status}"

    task = sim.spawn(consume())
    assert_type(task, Task[int])
    outer = sim.spawn(await_it(task))
    sim.call_later(2, orders.send_message, "order 1")
    sim.run()
    assert_type(task.is_done, bool)
    assert_type(outer.result(), str)


def test_every_class_works_alone() -> None:
    """A clock is all that a queue needs."""
    clock = Clock(seed=1, start="2026-01-01T00:00:00Z", choices=Seeded(3), trace=0)
    assert_type(clock.streams, Streams)
    assert_type(clock.streams["mine"], Random)
    assert_type(clock.at_us(1.5), int)
    assert_type(clock.same_instant_limit, int)
    queue = Queue("orders", clock, visibility_timeout=60)
    worker = Function("worker", None, clock, pool=ConcurrencyPool(100), duration=0.2)
    assert_type(worker.pool.unreserved_capacity, int)
    assert_type(EventSourceMapping(queue, worker).state, str)
    clock.run()


def test_choosers() -> None:
    """Anything with `choose` answers choices."""

    class Last:
        def choose(self, point: ChoicePoint, options: tuple[str, ...] | list[str] | Any) -> int:
            return len(options) - 1 if point.weight else 0

    chooser: Chooser = Last()
    Simulation(choices=chooser)
    assert_type(Seeded(1).choose(ChoicePoint(name="lambda.failure", owner="arn", weight=0.5), ["a", "b"]), int)


def test_workload() -> None:
    """Arrivals and durations fit the protocols of their kind."""
    arrivals: list[Arrivals] = [
        ConstantRate(2.5, duration=60),
        Poisson(Decimal(2)),
        PiecewiseRate([(60, 1), (timedelta(minutes=1), 2.5)], poisson=True),
        Burst(10, at=5),
        Bursts(10, every=60, times=3),
        IntervalCounts([1, 2, 3], interval=60, spread="poisson"),
        Instants([0, 1.5]),
        Merged(ConstantRate(1, duration=1), Burst(1)),
    ]
    assert_type(arrivals[0].total, int | None)
    assert_type(IntervalCounts([1], interval=60).total, int)
    assert_type(next(iter(arrivals[0].instants_us(Random(0)))), int)
    durations: list[Distribution] = [constant(0.1), exponential(1), percentiles({0: 0.1, 100: 1})]
    assert_type(durations[0].sample(Random(0)), float)
    assert_type(durations[0].mean, float)
    assert_type(exponential(1), Exponential)
    assert_type(lognormal(mean=1, cv=0.5), LogNormal)
    assert_type(gamma(shape=4, scale=0.5), Gamma)
    assert_type(percentiles({0: 0.1, 99.9: 1.5}), Empirical)
    assert_type(Clamped(exponential(1), maximum=5).maximum, float | None)


def test_laws_and_strategies() -> None:
    """Laws are callables of a simulation, own ones too; strategies say what they draw."""
    sim = Simulation(trace=None)
    orders = sim.create_queue("orders")

    def is_quick(sim: Simulation) -> None:
        assert sim.now < 1

    once = effect_exactly_once([("charge", 1)], key=lambda effect: effect[1], expected=lambda message: None)
    law: Law = all_laws(no_message_lost, partial(no_message_lost, queues=[orders, "parcels"]), is_quick, once)
    check_laws(sim, law)
    assert_type(message_bodies(), SearchStrategy[str])
    assert_type(sqs_events(fifo=True), SearchStrategy[dict[str, Any]])
    assert_type(fault_settings(["crash"]), SearchStrategy[Faults])
    assert_type(arrival_times(boundaries=(30, timedelta(minutes=1))), SearchStrategy[list[float]])


def test_settings_say_what_they_take() -> None:
    """A word that means nothing is an error for mypy before it is one at run time."""
    assert_type(SqsConfig().overlimit, Literal["error", "empty"])
    assert_type(ScalingModel.DEFAULT, ScalingModel)
    assert_type(ScalingRate.HALF.capacity, int)
    assert_type(BackoffModel.OFF.enabled, bool)
    with pytest.raises(ValueError, match="reuse"):
        EnvironmentModel(reuse="newest")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Simulation(faults=object())  # type: ignore[arg-type]


def test_errors() -> None:
    """What is caught by which class, and what an error has."""
    sim = Simulation()
    worker = sim.create_function("worker", reserved_concurrent_executions=0)
    with pytest.raises(TooManyRequestsException) as throttled:
        worker.invoke()
    assert_type(throttled.value, TooManyRequestsException)
    assert_type(throttled.value.code, str)
    assert_type(throttled.value.reason, str | None)
    assert_type(throttled.value.http_status, int)
    with pytest.raises(QueueDoesNotExist):
        sim.queue("nowhere")
    tree: list[type[LambdasimError]] = [AwsError, SqsError, LambdaError, UsageError]
    assert all(issubclass(kind, LambdasimError) for kind in tree)
