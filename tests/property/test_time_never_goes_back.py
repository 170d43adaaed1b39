"""Time never goes back: not for events, not in the trace, not in what callers see."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation
from lambdasim.errors import SimulationStalledError
from lambdasim.units import seconds, to_seconds
from tests.strategies import delays_s, durations_us

drives = st.one_of(
    st.tuples(st.just("run_for"), durations_us(seconds(70))),
    st.tuples(st.just("step"), st.integers(1, 30)),
    st.tuples(st.just("run_until"), st.integers(1, 5), st.none() | durations_us(seconds(20))),
    st.tuples(st.just("run"), st.just(0)),
    st.tuples(st.just("receive"), st.integers(0, 20)),
    st.tuples(st.just("send"), delays_s),
)


@given(st.lists(drives, min_size=1, max_size=20), st.sampled_from((0.0, 0.5)))
def test_however_time_is_driven_it_only_goes_on(program, failure_rate):
    sim = Simulation(trace=None)
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=10, redrive_policy=RedrivePolicy(dlq, 2))
    worker = sim.create_function("worker", duration=0.25, failure_rate=failure_rate, timeout=5)
    sim.create_event_source_mapping(queue, worker, batch_size=2, maximum_batching_window_in_seconds=1)
    seen = []
    sim.subscribe(lambda record: seen.append(record.at_us))
    for at_s in (0, 1, 1, 30):
        sim.call_at(at_s, queue.send_message, "x")
    for name, *arguments in program:
        before_us = sim.now_us
        if name == "run_for":
            sim.run_for(to_seconds(arguments[0]))
            assert before_us + arguments[0] == sim.now_us
        elif name == "step":
            for _ in range(arguments[0]):
                sim.step()
        elif name == "run_until":
            count, timeout_us = len(seen) + arguments[0], arguments[1]
            with suppress(SimulationStalledError, TimeoutError):
                sim.run_until(
                    lambda count=count: len(seen) >= count or sim.now > 10_000,
                    timeout=None if timeout_us is None else to_seconds(timeout_us),
                )
        elif name == "run":
            sim.run()
        elif name == "receive":
            dlq.receive_message(wait_time_seconds=arguments[0])
        else:
            queue.send_message("x", delay_seconds=arguments[0])
        assert before_us <= sim.now_us
        assert not seen or seen[-1] <= sim.now_us
        sim.check_invariants()
    assert all(earlier <= later for earlier, later in pairwise(seen))
    assert seen == [record.at_us for record in sim.trace.records]
