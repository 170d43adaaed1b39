"""What happens when several wait, run or watch at once: places in line, counts per function, streams, observers."""

import pytest

from lambdasim import RedrivePolicy, Simulation
from lambdasim.errors import ParamValidationError, UsageError
from lambdasim.errors.lambda_ import ResourceNotFoundException, TooManyRequestsException
from lambdasim.errors.sqs import InvalidAddress
from lambdasim.workload import Poisson


@pytest.mark.rule("SQS-209", "ESM-083")
@pytest.mark.parametrize("poll_first", [True, False])
def test_of_two_who_begin_to_wait_at_one_instant_the_first_gets_the_message(sim, poll_first):
    queue = sim.create_queue("orders")
    worker = sim.create_function("worker")
    got = []

    async def poll():
        got.extend(await queue.wait_receive(wait_time_seconds=10))

    if poll_first:
        sim.spawn(poll())
        sim.step()
    sim.create_event_source_mapping(queue, worker)
    if not poll_first:
        while not queue._line.is_watched or not queue._line.consumers[0].waits:
            sim.step()
        sim.spawn(poll())
    sim.call_at(1, queue.send_message, "a")
    sim.run(until=5)
    assert (len(got), worker.snapshot().invocations) == ((1, 0) if poll_first else (0, 1))


@pytest.mark.rule("ESM-283")
def test_duplicates_are_counted_by_the_function_that_saw_the_message_twice(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, max_receive_count=1))
    failing = sim.create_event_source_mapping(queue, sim.create_function("failing", failure_rate=1))
    outcomes = iter([True, False])

    def second_time_lucky(event, context):
        if next(outcomes):
            raise ValueError("not yet")

    rescue = sim.create_event_source_mapping(dlq, sim.create_function("rescue", second_time_lucky))
    queue.send_message("a")
    sim.run(until=59)
    assert (failing.snapshot().duplicates, rescue.snapshot().duplicates) == (0, 0)
    sim.run()
    assert (failing.snapshot().duplicates, rescue.snapshot().duplicates) == (0, 1)


@pytest.mark.rule("SQS-007")
def test_the_arrivals_of_one_queue_do_not_move_those_of_another():
    def instants(*, with_another):
        sim = Simulation()
        seen = []
        if with_another:
            sim.feed(sim.create_queue("other"), Poisson(5, duration=10))
        sim.feed(sim.create_queue("orders"), Poisson(5, duration=10))
        sim.subscribe(lambda record: seen.append(record.at_us) if record.subject == "orders" else None)
        sim.run()
        return seen

    assert instants(with_another=True) == instants(with_another=False)


@pytest.mark.rule("LAM-200", "LAM-211")
def test_a_reserve_in_the_middle_of_a_second_counts_what_was_admitted_in_it(sim):
    worker = sim.create_function("worker", duration=0.01)
    for _ in range(10):
        worker.invoke({})
    assert sim.now == 0.1
    worker.put_function_concurrency(1)
    with pytest.raises(TooManyRequestsException) as caught:
        worker.invoke({})
    assert caught.value.reason == "ReservedFunctionInvocationRateLimitExceeded"
    sim.run(until=1)
    assert worker.invoke({}).status_code == 200


def test_an_observer_that_raises_stops_the_run_and_loses_nothing(sim):
    queue = sim.create_queue("orders")
    for _ in range(3):
        queue.send_message("a")
    seen = []

    def observe(record):
        seen.append(record.kind)
        if seen.count("message delivered") == 2:
            raise ZeroDivisionError("in the observer")

    subscription = sim.subscribe(observe)
    sim.create_event_source_mapping(queue, sim.create_function("worker"))
    with pytest.raises(ZeroDivisionError, match="in the observer"):
        sim.run()
    subscription.cancel()
    sim.check_invariants()
    sim.run()
    assert queue.snapshot().deleted == 3
    sim.check_invariants()


def test_a_watcher_of_deletes_that_raises_stops_the_run_and_loses_nothing(sim):
    queue = sim.create_queue("orders")
    queue.on_deleted(lambda message: 1 / 0)
    queue.send_message("a")
    sim.create_event_source_mapping(queue, sim.create_function("worker"))
    with pytest.raises(ZeroDivisionError):
        sim.run()
    sim.run()
    assert queue.snapshot().deleted == 1
    sim.check_invariants()


@pytest.mark.rule("LAM-021")
def test_the_unpublished_version_may_be_named(sim):
    worker = sim.create_function("worker")
    assert sim.function("worker:$LATEST") is worker
    assert sim.function(f"{worker.arn}:$LATEST") is worker
    with pytest.raises(ResourceNotFoundException):
        sim.function("worker:1")
    with pytest.raises(ParamValidationError, match="function"):
        sim.function(5)


@pytest.mark.rule("SQS-026")
def test_the_url_of_another_region_is_no_address_here(sim):
    queue = sim.create_queue("orders")
    url = queue.url.replace("us-east-1", "eu-west-1")
    with pytest.raises(InvalidAddress) as caught:
        sim.queue(url)
    assert caught.value.message == f"The address {url} is not valid for this endpoint."
    assert sim.queue(queue.url) is queue


@pytest.mark.parametrize("given", [5, None, "text"])
def test_settings_that_are_no_collection_are_refused(given):
    with pytest.raises(UsageError, match="settings"):
        Simulation().create_function("worker", settings=given)


def test_somebody_who_cannot_choose_is_refused():
    with pytest.raises(UsageError, match="choices=5"):
        Simulation(choices=5)
