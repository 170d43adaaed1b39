"""A right handler keeps the laws, whatever SQS and Lambda do that they may do."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation, fifo_failures
from lambdasim.errors import ResponseLostError, SqsError
from lambdasim.testing import check_laws, fault_settings

REPORTS = ("ReportBatchItemFailures",)


def play(faults, seed, *, fifo, execution, reserved, receives, batch_size, timeout, sends):
    """A pipeline whose handler fails now and then, and says so as it should; the dead-letter queue is read too."""
    sim = Simulation(seed=seed, faults=faults, execution=execution, trace=None)
    suffix = ".fifo" if fifo else ""
    dlq = sim.create_queue(f"dlq{suffix}", visibility_timeout=5)
    policy = RedrivePolicy(dlq, receives)
    orders = sim.create_queue(f"orders{suffix}", visibility_timeout=5, redrive_policy=policy)
    luck = sim.random("handler")

    def handler(event, context):
        records = event["Records"]
        for place, record in enumerate(records):
            if luck.random() < 0.2:
                alone = {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
                return fifo_failures(records, place) if fifo else alone
        if luck.random() < 0.1:
            raise ValueError("all of them")
        return None

    worker = sim.create_function(
        "worker", handler, timeout=timeout, duration=timeout * 0.9, reserved_concurrent_executions=reserved
    )
    for queue in (orders, dlq):
        sim.create_event_source_mapping(queue, worker, batch_size=batch_size, function_response_types=REPORTS)
    for number, (group, gap) in enumerate(sends):
        ids = {"message_group_id": group, "message_deduplication_id": str(number)} if fifo else {}
        with suppress(SqsError, ResponseLostError):
            orders.send_message(f"o-{number}", **ids)
        sim.run_for(gap)
    sim.run(until=sim.now + 600)
    return sim


@given(
    fault_settings(at_most=4),
    st.integers(0, 2**16),
    st.fixed_dictionaries(
        {
            "fifo": st.booleans(),
            "execution": st.sampled_from(("plain", "interleaved")),
            "reserved": st.sampled_from((None, 1, 2)),
            "receives": st.sampled_from((1, 2, 4)),
            "batch_size": st.sampled_from((1, 2, 10)),
            "timeout": st.sampled_from((1, 3, 5)),
            "sends": st.lists(
                st.tuples(st.sampled_from("abc"), st.sampled_from((0, 0, 0.05, 2))), min_size=1, max_size=8
            ),
        }
    ),
)
def test_a_right_handler_keeps_the_lasting_laws(faults, seed, scene):
    check_laws(play(faults, seed, **scene))
