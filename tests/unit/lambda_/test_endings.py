"""How invocations begin and end, in the words of stories and timelines."""

from __future__ import annotations

import pytest

from lambdasim import ColdStartModel, LambdaFaults, LambdaLimits, Simulation

NOT_JSON = "Object of type set is not JSON serializable"


def told(handler, **options):
    """Return the words of the first end of an invocation."""
    sim = Simulation(settings=[LambdaLimits(sync_response_bytes=100)])
    worker = sim.create_function("worker", handler, timeout=3, **options)
    worker.invoke({"n": 1}, invocation_type="Event")
    sim.run(until=5)
    return first_end(sim)


def first_end(sim):
    """Return what a timeline says of the first end; a story says it of its function."""
    kind, *parts = next(entry[1:] for entry in sim.trace.entries() if entry[1].name == "invocation ended")
    assert kind.tell(*parts) == f"worker ended: {kind.brief(*parts)}"
    return kind.brief(*parts)


def fail(event, _context):
    raise ValueError(event["n"])


def leave(_event, _context):
    raise SystemExit(3)


def report(*places):
    """Make a handler that reports the messages at these places of its batch as failed; texts go as they are."""

    def handle(event, _context):
        ids = [record["messageId"] for record in event["Records"]]
        items = [{"itemIdentifier": ids[place] if isinstance(place, int) else place} for place in places]
        return {"batchItemFailures": items}

    return handle


@pytest.mark.parametrize(
    ("handler", "options", "words"),
    [
        (None, {}, "succeeded"),
        (None, {"failure_rate": 1}, "failed"),
        (lambda event, _: event, {}, "returned {'n': 1}"),
        (lambda _event, _: None, {}, "returned None"),
        (lambda _event, _: "x" * 90, {}, f"returned '{'x' * 69}...'"),
        (lambda _event, _: {"batchItemFailures": []}, {}, "returned {'batchItemFailures': []}"),
        (lambda _event, _: "x" * 200, {}, "returned more than an answer may hold"),
        (lambda _event, _: {1j}, {}, f"returned what JSON cannot hold: TypeError('{NOT_JSON}')"),
        (fail, {}, "raised ValueError(1)"),
        (leave, {}, "crashed: SystemExit(3)"),
        (lambda _event, _: None, {"duration": 4}, "timed out after 3 s"),
        (None, {"faults": LambdaFaults(crash=1, crash_at=(0.5,))}, "crashed"),
        (None, {"faults": LambdaFaults(response_lost=1)}, "succeeded; the answer was lost"),
    ],
)
def test_end_is_told(handler, options, words):
    """What it returned or raised, or what befell it."""
    assert words == told(handler, **options)


def test_init_that_fails_is_told():
    """The handler never began."""
    sim = Simulation()

    def init():
        raise OSError("no disk")

    worker = sim.create_function("worker", init=init)
    worker.invoke({})
    assert "did not start, its init failed: OSError('no disk')" == first_end(sim)


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ((), "reported no failure"),
        ((1,), "reported orders#2 as failed"),
        ((2, 0), "reported orders#1, #3 as failed"),
        ((0, 1, 2), "reported orders#1 to #3 as failed"),
        ((1, "wrong"), "reported orders#2, 'wrong' (not in the batch) as failed"),
        ((None,), "reported None (not in the batch) as failed"),
    ],
)
def test_reported_failures_go_by_name(places, words):
    """Also those that are none of the batch."""
    sim = Simulation()
    queue = sim.create_queue("orders")
    worker = sim.create_function("worker", report(*places))
    sim.create_event_source_mapping(queue, worker, function_response_types=("ReportBatchItemFailures",))
    queue.send_message_batch([{"id": each, "message_body": each} for each in "abc"])
    sim.run(until=1)
    assert words == first_end(sim)


def test_begin_is_told():
    """With a new environment and its init, and the event that it is for."""
    sim = Simulation(settings=[ColdStartModel(init_s=0.25)])
    worker = sim.create_function("worker")
    for _ in range(2):
        worker.invoke({})
    worker.invoke({}, invocation_type="Event")
    sim.run()
    begins = [entry[1].brief(*entry[2:]) for entry in sim.trace.entries() if entry[1].name == "invocation started"]
    assert ["started in a new environment, whose init takes 0.25 s", "started", "started on event 1"] == begins
