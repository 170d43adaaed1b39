"""What happens when several wait, run or watch at once: places in line, counts per function, streams, observers."""

import pytest

from lambdasim import RedrivePolicy, ScalingModel, Simulation
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
def test_a_qualifier_makes_no_difference_to_which_function_it_is(sim):
    worker = sim.create_function("worker")
    for qualifier in ("$LATEST", "1", "live"):
        assert sim.function(f"worker:{qualifier}") is worker
        assert sim.function(f"{worker.arn}:{qualifier}") is worker
    with pytest.raises(ResourceNotFoundException):
        sim.function("other:$LATEST")
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


@pytest.mark.rule("ESM-103", "ESM-101")
@pytest.mark.parametrize(("first_s", "target"), [(10.1, 2), (10.5, 3)], ids=["stale", "fresh"])
def test_a_receive_at_the_cap_is_demand_for_the_next_growth_tick_only(first_s, target):
    """The last receive comes at first_s + 0.4; the control tick at 11 s brings L to 2, and a growth tick follows it."""
    sim = Simulation(settings=[ScalingModel(initial=2, max=4, demand="nonempty_receive")])
    queue = sim.create_queue("orders", visibility_timeout=200)

    def handler(event, context):
        if sim.now < 9:
            context.sleep(first_s)
            raise ValueError("the first ones fail")
        context.sleep(60)

    mapping = sim.create_event_source_mapping(
        queue, sim.create_function("worker", handler, duration=0, timeout=100), batch_size=1
    )
    for _ in range(60):
        queue.send_message("a")
    sim.run(until_us=10_999_999)
    assert mapping.snapshot().target == 4
    sim.run(until=11)
    assert mapping.snapshot().target == target


def test_a_watcher_of_deletes_sees_the_counts_as_they_are_then(sim):
    queue = sim.create_queue("orders")
    seen = []
    queue.on_deleted(lambda message: seen.append((queue.snapshot().deleted, queue.snapshot().in_flight)))
    queue.send_message("a")
    sim.create_event_source_mapping(queue, sim.create_function("worker"))
    sim.run()
    assert seen == [(1, 0)]


def test_a_moved_message_keeps_the_runs_that_it_had_when_it_left(sim):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, max_receive_count=2))
    sim.create_event_source_mapping(queue, sim.create_function("failing", failure_rate=1))
    queue.send_message("a")
    (left,) = queue.messages
    sim.run()
    sim.create_event_source_mapping(dlq, sim.create_function("rescue", failure_rate=1))
    sim.run(until=sim.now + 1)
    assert (left.invocation_count, dlq.messages[0].invocation_count) == (2, 3)
