"""Nothing is lost: each message that was ever accepted is in exactly one place, at every instant."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation
from lambdasim.errors.sqs import InvalidParameterValueException
from lambdasim.units import seconds
from tests.strategies import batch_limits, delays_s, durations_us, queue_attributes, visibility_timeouts_s

actions = st.one_of(
    st.tuples(st.just("send"), st.integers(0, 2), delays_s),
    st.tuples(st.just("receive"), st.integers(0, 2), batch_limits, st.none() | visibility_timeouts_s),
    st.tuples(st.just("delete"), st.integers(0, 30)),
    st.tuples(st.just("change"), st.integers(0, 30), st.sampled_from((0, 1, 30))),
    st.tuples(st.just("run"), durations_us(seconds(400))),
)


def places(queues):
    """Where each message is, by id; nothing may be there twice."""
    found = Counter()
    for queue in queues:
        for message in queue.messages:
            found[message.message_id] += 1
    assert all(times == 1 for times in found.values())
    return found


@given(queue_attributes, queue_attributes, st.integers(1, 3), st.lists(actions, max_size=40))
def test_queues_lose_and_invent_no_message(attributes, dlq_attributes, count, program):
    sim = Simulation()
    dlq = sim.create_queue("dlq", **dlq_attributes)
    policy = RedrivePolicy(dlq, max_receive_count=count)
    queues = [dlq, *(sim.create_queue(name, redrive_policy=policy, **attributes) for name in "ab")]
    sent, gone, handles = [], set(), []

    def note(record):
        if record.kind in {"message deleted", "message expired"}:
            gone.add(record.details["message_id"])

    sim.subscribe(note)
    for name, *arguments in program:
        if name == "send":
            place, delay_s = arguments
            sent.append(queues[place].send_message("x", delay_seconds=delay_s).message_id)
        elif name == "receive":
            place, limit, timeout_s = arguments
            queue = queues[place]
            found = queue.receive_message(
                max_number_of_messages=limit, visibility_timeout=timeout_s, wait_time_seconds=0
            )
            handles += [(queue, delivery.receipt_handle) for delivery in found]
        elif name == "run":
            sim.run(until_us=sim.now_us + arguments[0])
        elif handles:
            queue, handle = handles[arguments[0] % len(handles)]
            if name == "delete":
                queue.delete_message(handle)
            else:
                with suppress(InvalidParameterValueException):  # gone, or beyond twelve hours
                    queue.change_message_visibility(handle, arguments[1])
        sim.check_invariants()
        assert set(sent) == set(places(queues)) | gone
        assert not set(places(queues)) & gone


@given(
    st.integers(1, 60),
    st.sampled_from((0.0, 0.3, 1.0)),
    st.integers(1, 10),
    st.integers(1, 3),
    st.sampled_from((0.1, 1.0, 2.5)),
)
def test_a_pipeline_deals_with_each_message_once_or_says_where_it_is(messages, failure_rate, batch, count, duration):
    sim = Simulation(concurrent_executions=5)
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=6, redrive_policy=RedrivePolicy(dlq, count))
    worker = sim.create_function("worker", duration=duration, failure_rate=failure_rate, timeout=3)
    sim.create_event_source_mapping(queue, worker, batch_size=batch)
    for number in range(messages):
        queue.send_message(f"{number}")
    for _ in range(40):
        sim.run_for(0.7)
        sim.check_invariants()
        snapshot, dead = queue.snapshot(), dlq.snapshot()
        assert messages == snapshot.total + snapshot.deleted + dead.total
    sim.run()
    sim.check_invariants()
    assert 0 == queue.snapshot().total
    assert messages == queue.snapshot().deleted + dlq.snapshot().visible
