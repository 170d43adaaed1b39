"""No two deliveries share a receipt handle, and no two messages an id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation
from lambdasim.units import seconds
from tests.strategies import batch_limits, durations_us

actions = st.one_of(
    st.tuples(st.just("send"), st.integers(0, 2)),
    st.tuples(st.just("receive"), st.integers(0, 2), batch_limits, st.sampled_from((0, 0, 1, 5))),
    st.tuples(st.just("run"), durations_us(seconds(10))),
)


@pytest.mark.rule("SQS-029", "SQS-028")
@given(st.integers(1, 3), st.lists(actions, max_size=60))
def test_handles_never_repeat(count, program):
    sim = Simulation()
    dlq = sim.create_queue("dlq")
    policy = RedrivePolicy(dlq, count)
    queues = [dlq, *(sim.create_queue(name, redrive_policy=policy) for name in ("a", "b"))]
    sent, handles, deliveries = [], [], []
    for name, *arguments in program:
        if name == "send":
            sent.append(queues[arguments[0]].send_message("x").message_id)
        elif name == "run":
            sim.run(until_us=sim.now_us + arguments[0])
        else:
            place, limit, timeout_s = arguments
            found = queues[place].receive_message(max_number_of_messages=limit, visibility_timeout=timeout_s)
            deliveries += found
            handles += [delivery.receipt_handle for delivery in found]
    assert len(sent) == len(set(sent))
    assert len(handles) == len(set(handles))
    assert handles == [delivery.receipt_handle for delivery in deliveries]


@pytest.mark.rule("SQS-029")
def test_a_handle_names_queue_message_and_delivery():
    """What differs in one of the three has another handle, though everything else is the same."""
    sim = Simulation()
    queues = [sim.create_queue(name, visibility_timeout=0) for name in ("a", "b")]
    handles = set()
    for queue in queues:
        for _ in range(3):
            queue.send_message("same")
        for _ in range(4):
            handles |= {delivery.receipt_handle for delivery in queue.receive_message(max_number_of_messages=10)}
    assert 2 * 3 * 4 == len(handles)
