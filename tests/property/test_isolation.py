"""Simulations do not know of one another, and an extra queue changes nothing for the others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation
from lambdasim.units import seconds
from tests.strategies import delays_s, durations_us


class World:
    """A small world that a list of numbers drives: queues, a dead-letter queue, a function and a mapping."""

    def __init__(self, seed, *, extra=False):
        self.sim = sim = Simulation(seed=seed, trace=None)
        if extra:
            self.extra = sim.create_queue("extra", visibility_timeout=1)
        self.dlq = sim.create_queue("dlq")
        policy = RedrivePolicy(self.dlq, max_receive_count=2)
        self.orders = sim.create_queue("orders", visibility_timeout=12, redrive_policy=policy)
        self.plain = sim.create_queue("plain", visibility_timeout=3)
        if extra:
            self.more = sim.create_queue("more", redrive_policy=RedrivePolicy(self.extra, 1))
        worker = sim.create_function("worker", duration=0.3, failure_rate=0.3, timeout=2)
        sim.create_event_source_mapping(self.orders, worker, batch_size=3)
        self.has_extra = extra
        self.seen = []

    def turn(self, step):
        sim = self.sim
        elapsed_us, delay_s, count = step
        if self.has_extra:
            self.extra.send_message("extra", delay_seconds=delay_s % 5)
            self.more.receive_message(max_number_of_messages=10)
            self.extra.receive_message(max_number_of_messages=count)
            self.more.send_message("more")
        self.orders.send_message("x", delay_seconds=delay_s % 7)
        for _ in range(count):
            self.plain.send_message("y", delay_seconds=delay_s)
        for delivery in self.plain.receive_message(max_number_of_messages=count):
            self.seen.append((sim.now_us, delivery.message_id, delivery.receipt_handle, delivery.receive_count))
            if sim.random("acts").random() < 0.5:
                self.plain.delete_message(delivery.receipt_handle)
        sim.run(until_us=sim.now_us + elapsed_us)

    def result(self):
        names = {"dlq", "orders", "plain", "worker"}
        records = [
            (record.at_us, record.kind, record.subject, tuple(record.details.items()))
            for record in self.sim.trace.records
            if record.subject not in {"extra", "more"}
        ]
        assert {subject for _, _, subject, _ in records} & names
        snapshots = [queue.snapshot() for queue in (self.dlq, self.orders, self.plain)]
        gauges = [
            tuple(self.sim.metrics.series("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", QueueName=name))
            for name in ("dlq", "orders", "plain")
        ]
        return self.seen, records, snapshots, gauges


steps = st.lists(st.tuples(durations_us(seconds(70)), delays_s, st.integers(1, 4)), min_size=1, max_size=8)


@given(st.integers(0, 3), st.integers(0, 3), steps, steps)
def test_two_simulations_stepped_in_turns_equal_two_run_alone(left_seed, right_seed, left_steps, right_steps):
    left, right = World(left_seed), World(right_seed)
    for place in range(max(len(left_steps), len(right_steps))):
        if place < len(left_steps):
            left.turn(left_steps[place])
        if place < len(right_steps):
            right.turn(right_steps[place])
    for together, seed, program in ((left, left_seed, left_steps), (right, right_seed, right_steps)):
        alone = World(seed)
        for step in program:
            alone.turn(step)
        assert alone.result() == together.result()


def test_a_simulation_within_an_event_of_another_is_a_world_of_its_own():
    def inner():
        world = World(1)
        for _ in range(3):
            world.turn((seconds(20), 2, 2))
        return world.result()

    outer, found = Simulation(), []
    outer.call_at(5, lambda: found.append(inner()))
    outer.run()
    assert [inner()] == found
    assert 5.0 == outer.now


@given(st.integers(0, 3), steps)
def test_an_extra_queue_changes_nothing_for_the_others(seed, program):
    with_extra, without = World(seed, extra=True), World(seed)
    for step in program:
        with_extra.turn(step)
        without.turn(step)
    assert without.result() == with_extra.result()


def test_what_one_simulation_sets_no_other_sees():
    left, right = Simulation(), Simulation()
    left.clock.same_instant_limit = 5
    assert Simulation().clock.same_instant_limit == right.clock.same_instant_limit != 5
    left.create_queue("orders").send_message("x")
    assert () == right.queues
    assert left.queue("orders") is not right.create_queue("orders")
    assert left.random("x") is not right.random("x")
    assert left.random("x").random() == right.random("x").random()
