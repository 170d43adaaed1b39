"""Send, receive, event, handler, delete: the whole pipeline beside the same by hand, in SimPy and in moto."""

from functools import partial

from benchmarks.floors import moto_models, simpy_models
from benchmarks.floors.pipelines import (
    BATCH,
    DURATION_US,
    PER_INSTANT,
    SLOTS,
    backlog_of,
    bodies,
    cohorts,
    gap_of,
    handler,
    lean,
)
from benchmarks.timing import Aim, Group, Row, peak_mb, rate
from lambdasim import ScalingModel, Simulation

BATCH_WITHOUT_WINDOW = 10  #: larger batches need a batching window


def make(batch, handle, trace=0):
    """Return a simulation with a queue, a function and a mapping between them, and the queue."""
    sim = Simulation(trace=trace)
    queue = sim.create_queue("orders")
    function = sim.create_function("worker", handle, duration=DURATION_US / 1e6)
    sim.create_event_source_mapping(
        queue,
        function,
        batch_size=batch,
        maximum_batching_window_in_seconds=0 if batch <= BATCH_WITHOUT_WINDOW else 1,
        maximum_concurrency=SLOTS,
        settings=[ScalingModel(initial=SLOTS)],
    )
    return sim, queue


def ours(
    messages: int, *, batch: int = BATCH, handle=handler, trace: int = 0, one_body: bool = False, measure=rate
) -> float:
    """Messages per second, or what else is measured, sent by callbacks of ten each; bodies differ, if not said."""
    texts = ["x" * 256] * messages if one_body else bodies(messages)
    gap_us = gap_of(batch) * PER_INSTANT
    queue = None

    def work():
        nonlocal queue
        sim, queue = make(batch, handle, trace)
        clock, send = sim.clock, queue.send_message
        sent = min(backlog_of(batch), messages)
        for body in texts[:sent]:
            send(body)

        def arrive(_argument):
            nonlocal sent
            for body in texts[sent : sent + PER_INSTANT]:
                send(body)
            sent += PER_INSTANT
            if sent < messages:
                clock.schedule(clock.now_us + gap_us, arrive)

        arrive(None)
        sim.run()

    reading = measure(messages, work)
    assert queue.deleted == messages
    return reading


def fed(messages: int, *, handle=handler) -> float:
    """Messages per second, fed by an arrival process one by one."""
    texts = bodies(messages)
    queue = None

    def work():
        nonlocal queue
        sim, queue = make(BATCH, handle)
        sim.feed(queue, Paced(messages), lambda number: texts[number - 1])
        sim.run()

    speed = rate(messages, work)
    assert queue.deleted == messages
    return speed


class Paced:
    """The arrivals of the pipeline: a backlog at once, then one message after the other."""

    def __init__(self, messages):
        self.messages = messages

    def instants_us(self, random):
        backlog, gap_us = min(backlog_of(BATCH), self.messages), gap_of(BATCH)
        for _ in range(backlog):
            yield 0
        yield from range(0, gap_us * (self.messages - backlog), gap_us)


def name_of(batch: int) -> str:
    """Return how the rows of a batch size begin; nothing is said of the usual one."""
    return "pipeline" if batch == BATCH else f"pipeline, batch {batch:,}"


def sides_of(batch: int, measure=rate) -> dict:
    """Return ours and what stands beside it, with a handler that reads every body and without one."""
    return {
        "lean": partial(lean, batch=batch, measure=measure),
        "handler": partial(ours, batch=batch, measure=measure),
        "simpy": partial(simpy_models.pipeline, batch=batch, measure=measure),
        "no handler": partial(ours, batch=batch, handle=None, measure=measure),
        "lean, no event": partial(lean, batch=batch, with_event=False, measure=measure),
        "simpy, no event": partial(simpy_models.pipeline, batch=batch, with_event=False, measure=measure),
    }


def speed_of(batch: int) -> Group:
    name, floor = name_of(batch), "floor" if batch == BATCH else f"floor, batch {batch:,}"
    handler_aim, no_handler_aim = (Aim(0.6), Aim(1.6)) if batch == BATCH else (None, None)
    return Group(
        sides=sides_of(batch),
        rows=(
            Row(f"{name}: Python handler, whole event", "handler", "lean", handler_aim),
            Row(f"{name}: handler=None", "no handler", "lean", no_handler_aim),
            Row(f"{name}: handler=None, beside lean without event", "no handler", "lean, no event"),
            Row(f"{name}: Python handler, beside SimPy", "handler", "simpy"),
            Row(f"{name}: handler=None, beside SimPy without event", "no handler", "simpy, no event"),
            Row(f"{floor}: lean without event, beside lean", "lean, no event", "lean"),
            Row(f"{floor}: SimPy, beside lean", "simpy", "lean"),
        ),
        size={1: 30_000, BATCH: 150_000}.get(batch, 200_000),
        rounds=99 if batch == BATCH else 3,
    )


def beside_moto(batch: int) -> Group:
    """Return what stands beside moto's mapping, which always invokes once for each message, and runs nothing."""
    name = name_of(batch)
    return Group(
        sides={
            "moto": partial(moto_models.mapping, batch=batch),
            "handler": partial(ours, batch=batch),
            "no handler": partial(ours, batch=batch, handle=None),
        },
        rows=(
            Row(
                f"{name}: Python handler, beside moto's mapping",
                "handler",
                "moto",
                Aim(150) if batch == BATCH else None,
            ),
            Row(f"{name}: handler=None, beside moto's mapping", "no handler", "moto"),
        ),
        size={1: 20_000}.get(batch, 100_000),
        per_side={"moto": 1_000},
        rounds=3,
    )


def peak_of(batch: int) -> Group:
    name = f"{name_of(batch)}, peak memory"
    return Group(
        sides=sides_of(batch, measure=peak_mb),
        rows=(
            Row(f"{name}: Python handler, whole event", "handler", "lean"),
            Row(f"{name}: handler=None, beside lean without event", "no handler", "lean, no event"),
            Row(f"{name}: Python handler, beside SimPy", "handler", "simpy"),
            Row(f"{name}: handler=None, beside SimPy without event", "no handler", "simpy, no event"),
        ),
        size=50_000,
        unit=" MB",
        rounds=1,
    )


GROUPS = (
    speed_of(BATCH),
    Group(
        sides={
            "handler": ours,
            "trace": partial(ours, trace=10_000),
            "no handler": partial(ours, handle=None),
            "one body": partial(ours, handle=None, one_body=True),
        },
        rows=(
            Row("pipeline: Python handler, with trace, beside without", "trace", "handler", Aim(0.65)),
            Row("pipeline: handler=None, one body for all, beside bodies that differ", "one body", "no handler"),
        ),
        size=100_000,
    ),
    speed_of(1),
    speed_of(1_000),
    Group(
        sides={
            "lean": partial(lean, per_instant=1),
            "handler": fed,
            "no handler": partial(fed, handle=None),
        },
        rows=(
            Row("pipeline: Python handler, fed one by one", "handler", "lean"),
            Row("pipeline: handler=None, fed one by one", "no handler", "lean"),
        ),
        size=150_000,
    ),
    Group(
        sides={
            "lean": lean,
            "1": partial(cohorts, per_instant=1),
            "10": cohorts,
            "1000": partial(cohorts, per_instant=1_000),
        },
        rows=(
            Row("floor: cohorts, 1 message an instant, beside lean", "1", "lean"),
            Row("floor: cohorts, 10 messages an instant, beside lean", "10", "lean"),
            Row("floor: cohorts, 1,000 messages an instant, beside lean", "1000", "lean"),
        ),
        size=200_000,
        per_side={"10": 1_000_000, "1000": 2_000_000},
    ),
    beside_moto(BATCH),
    beside_moto(1),
    *(peak_of(batch) for batch in (BATCH, 1, 1_000)),
    Group(
        sides={
            "moto": partial(moto_models.mapping, measure=peak_mb),
            "handler": partial(ours, measure=peak_mb),
        },
        rows=(Row("pipeline, peak memory: Python handler, 1,000 messages, beside moto's mapping", "handler", "moto"),),
        size=1_000,
        unit=" MB",
        rounds=1,
    ),
)
