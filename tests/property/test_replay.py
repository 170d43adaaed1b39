"""
The same seed gives the same run, to the byte: in every process, under every `PYTHONHASHSEED`, on every Python.

`LAMBDASIM_PYTHONS` may name further interpreters, separated as in `PATH`; each needs the run-time dependencies.
"""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
OTHERS = os.environ.get("LAMBDASIM_PYTHONS", "").split(os.pathsep)
PYTHONS = list(dict.fromkeys([sys.executable, *filter(None, OTHERS)]))

# Written out as text, so that other interpreters can run it without the tests.
PROGRAM = '''
import json
from lambdasim import LambdaLimits, RedrivePolicy, Simulation
from lambdasim.workload import Poisson, exponential

def replay(seed):
    """Return the trace, and all that callers saw, of a fixed program: queues, functions, mappings, processes."""
    sim = Simulation(seed=seed, trace=None, settings=[LambdaLimits(account_concurrency=4, unreserved_floor=1)])
    dlq = sim.create_queue("dlq")
    orders = sim.create_queue("orders", visibility_timeout=6, redrive_policy=RedrivePolicy(dlq, 2))
    audit = sim.create_queue("audit", delay_seconds=3, message_retention_period=60, visibility_timeout=5)
    worker = sim.create_function("worker", duration=exponential(0.4), failure_rate=0.2, timeout=2)
    def handler(event, context):
        bodies = [record["body"] for record in event["Records"]]
        if len(bodies) == 3:
            raise RuntimeError("three is too many")
        failed = [r["messageId"] for r in event["Records"] if r["body"].endswith("7")]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
    checker = sim.create_function("checker", handler, timeout=3, reserved_concurrent_executions=2)
    sim.create_event_source_mapping(orders, worker, batch_size=4)
    sim.create_event_source_mapping(
        audit, checker, batch_size=5, maximum_batching_window_in_seconds=2,
        function_response_types=("ReportBatchItemFailures",),
    )
    sim.feed(orders, Poisson(4.0, 60.0), lambda number: f"order {number}")
    sim.feed(audit, [n * 0.37 for n in range(120)], lambda number: f"entry {number}")
    seen = []
    async def undertaker():
        while sim.now < 90:
            for delivery in await dlq.wait_receive(max_number_of_messages=3, wait_time_seconds=7):
                seen.append((sim.now_us, delivery.body, delivery.message_id, delivery.receipt_handle))
                await sim.sleep(sim.random("undertaker").random())
                if sim.random("undertaker").random() < 0.5:
                    dlq.delete_message(delivery.receipt_handle)
    task = sim.spawn(undertaker())
    sim.run(until=200)
    sim.check_invariants()
    assert task.is_done
    for queue in sim.queues:
        snapshot = queue.snapshot()
        seen.append([queue.name] + [getattr(snapshot, name) for name in (
            "visible", "delayed", "in_flight", "oldest_age_us", "sent", "received", "deleted", "expired", "moved",
            "requests",
        )])
    for namespace, name, statistic, dimensions in (
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", {"QueueName": "orders"}),
        ("AWS/SQS", "NumberOfMessagesReceived", "Sum", {"QueueName": "audit"}),
        ("AWS/Lambda", "Duration", "p90", {"FunctionName": "worker"}),
        ("AWS/Lambda", "ConcurrentExecutions", "Maximum", {}),
    ):
        seen.append([name, *sim.metrics.series(namespace, name, statistic, **dimensions)])
    return sim.trace.to_json_lines() + "".join(json.dumps(row) + chr(10) for row in seen)
'''

# Of what the program gives with seed 0. It changes with the behaviour or with what is traced, and with nothing else: a
# change here needs a line in the change log. The test that fails shows the new one.
DIGEST = "cc08901ad0174bc78daaf2a445b9ba1f2b2d4a3f7fe9cca4867851bb4058480b"


def replay(seed):
    namespace = {}
    exec(PROGRAM, namespace)
    return namespace["replay"](seed)


def replay_elsewhere(python, seed, hash_seed):
    """Return what another process gets."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    program = f"{PROGRAM}\nimport sys\nsys.stdout.write(replay({seed}))\n"
    run = subprocess.run(
        [python, "-W", "error", "-c", program], env=environment, cwd=ROOT, capture_output=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode().replace("\r\n", "\n")


def test_the_program_is_worth_replaying():
    """All that can befall a message befalls one, and the function is throttled."""
    text = replay(0)
    for kind in ("sent", "delivered", "returned", "deleted", "moved", "expired"):
        assert f'"kind":"message {kind}"' in text
    assert '"kind":"invocation throttled"' in text
    assert text.count("\n") > 1_000


def test_a_run_repeats_itself_in_one_process():
    assert replay(3) == replay(3)


def test_another_seed_is_another_run():
    assert replay(3) != replay(4)


@pytest.mark.rule("SQS-007", "SQS-008")
@pytest.mark.parametrize("hash_seed", ["0", "1", "12345"])
@pytest.mark.parametrize("python", PYTHONS)
def test_a_run_is_the_same_in_every_process(python, hash_seed):
    assert replay(0) == replay_elsewhere(python, 0, hash_seed)


@pytest.mark.rule("SQS-008")
def test_a_run_is_the_same_on_every_python_and_machine():
    assert sha256(replay(0).encode()).hexdigest() == DIGEST


@given(st.lists(st.sampled_from((0.1, 1.0, 3.3, 7.0, 60.0)), max_size=20))
def test_how_a_run_is_cut_into_pieces_makes_no_difference(pieces):
    from lambdasim import RedrivePolicy, Simulation
    from lambdasim.workload import Poisson

    def run(pieces):
        sim = Simulation(seed=5, trace=None)
        dlq = sim.create_queue("dlq")
        orders = sim.create_queue("orders", visibility_timeout=6, redrive_policy=RedrivePolicy(dlq, 2))
        worker = sim.create_function("worker", duration=0.4, failure_rate=0.3, timeout=2)
        sim.create_event_source_mapping(orders, worker, batch_size=3, maximum_batching_window_in_seconds=1)
        sim.feed(orders, Poisson(2.0, 30.0), lambda number: f"order {number}")
        for piece in pieces:
            sim.run_for(piece)
        sim.run(until=2_000)
        return sim.trace.to_json_lines(), orders.snapshot(), dlq.snapshot()

    assert run([]) == run(pieces)
