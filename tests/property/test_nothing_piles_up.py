"""Law: what is over leaves nothing behind, however long something else lasts. Counted, never timed."""

import pytest

from lambdasim import EnvironmentModel, LambdaLimits, PollModel, RedrivePolicy, ScalingModel, Simulation


def entries(sim):
    return len(sim.clock._agenda) + len(sim.clock._background)


def test_finished_receives_do_not_stay_behind_a_long_one():
    sim = Simulation(trace=0)
    queue = sim.create_queue("orders", visibility_timeout=43_200)
    queue.send_message("stuck")
    queue.receive_message()
    worker = sim.create_function("worker", duration=0.01)
    sim.create_event_source_mapping(queue, worker, batch_size=1)
    for number in range(5_000):
        sim.call_at(number / 100, queue.send_message, "quick")
    sim.run(until=60)
    assert queue.snapshot().deleted == 5_000
    assert len(queue._deadlines._in_order) + len(queue._deadlines._others) < 600
    sim.check_invariants()


def test_cancelled_timers_do_not_stay_until_their_time():
    sim = Simulation(trace=0)
    queue = sim.create_queue("orders", visibility_timeout=43_200)
    queue.send_message("stuck")
    queue.receive_message()

    async def poll_for_ever():
        for _ in range(1_500):
            await queue.wait_receive(wait_time_seconds=20)

    sim.spawn(poll_for_ever())
    sim.run()
    assert sim.now == 30_000
    assert entries(sim) < 3_000
    for _ in range(4_000):
        sim.call_later(1_000_000, print).cancel()
    assert entries(sim) < 3_000


@pytest.mark.rule("ESM-094", "ESM-444")
def test_a_record_of_a_message_that_is_gone_leaves_no_handle_behind():
    """It moved to the dead-letter queue while a window was open; its records run all the same."""
    sim = Simulation(trace=0)
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=30, redrive_policy=RedrivePolicy(dead, max_receive_count=2))
    handles = []
    worker = sim.create_function(
        "worker", lambda event, _: handles.extend(r["receiptHandle"] for r in event["Records"])
    )
    sim.create_event_source_mapping(queue, worker, batch_size=100, maximum_batching_window_in_seconds=60)
    queue.send_message("order")
    sim.run()
    assert (len(set(handles)), len(dead.messages)) == (2, 1)
    assert not queue._by_handle


@pytest.mark.rule("ESM-084")
def test_receives_of_batches_that_were_closed_do_not_stay_where_slots_take_turns():
    """Each message comes while the only slot is busy, so that nobody ever asks whose turn it is."""
    sim = Simulation(trace=0, settings=[PollModel(dispatch="round_robin"), ScalingModel(initial=1, step_per_minute=0)])
    queue = sim.create_queue("orders", visibility_timeout=600)
    worker = sim.create_function("worker", duration=1)
    mapping = sim.create_event_source_mapping(queue, worker, batch_size=10, maximum_batching_window_in_seconds=1)
    for number in range(500):
        sim.call_at(max(0, number * 2 - 0.5), queue.send_message, "order")
    sim.run()
    assert worker.snapshot().invocations == 500
    assert len(mapping._pollers.line._asking) < 100


@pytest.mark.rule("LAM-127")
def test_environments_are_reclaimed_one_by_one_without_a_look_at_the_others(monkeypatch):
    sim = Simulation(trace=0, concurrent_executions=5_000, settings=[EnvironmentModel(idle_ttl_s=10)])
    worker = sim.create_function("worker", duration=lambda event: 1 + event / 1_000, timeout=60)
    for number in range(900):

        async def call(number=number):
            await worker.wait_invoke(number)

        sim.spawn(call())
    sim.run()
    environments = worker.environments
    original, looked = type(environments)._reap_idle, []

    def counting(self, environment):
        looked.append(environment)
        original(self, environment)

    monkeypatch.setattr(type(environments), "_reap_idle", counting)
    sim.run_for(5)
    assert environments.idle == 900
    sim.run_for(10)
    assert environments.idle == 0
    assert len(looked) == 900


@pytest.mark.rule("LAM-128")
def test_an_idle_environment_that_grows_too_old_goes_though_it_was_used_a_moment_ago():
    sim = Simulation(settings=[EnvironmentModel(idle_ttl_s=100, max_lifetime_s=30), LambdaLimits()])
    worker = sim.create_function("worker", duration=1)
    worker.invoke({})
    sim.run(until=28)
    worker.invoke({})
    assert worker.snapshot().idle == 1
    sim.run(until_us=29_999_999)
    assert worker.snapshot().idle == 1
    sim.run(until=30)
    assert worker.snapshot().idle == 0
    worker.invoke({})
    assert worker.snapshot().cold_starts == 2
    worker.check_invariants()
