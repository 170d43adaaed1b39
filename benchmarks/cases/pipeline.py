"""Send, receive, event, handler, delete: the whole pipeline beside the same by hand."""

from functools import partial

from benchmarks.floors import moto_models
from benchmarks.floors.pipelines import (
    BACKLOG,
    BATCH,
    DURATION_US,
    GAP_US,
    SLOTS,
    bodies,
    cohorts,
    handler,
    lean,
)
from benchmarks.timing import Aim, Group, Row, rate
from lambdasim import ScalingModel, Simulation


def ours(messages: int, *, per_instant: int = BATCH, handle=handler, trace: int = 0) -> float:
    """Messages per second, sent by callbacks of so many messages each, with bodies that differ."""
    texts = bodies(messages)
    sim = None

    def work():
        nonlocal sim
        sim = Simulation(trace=trace)
        queue = sim.create_queue("orders")
        function = sim.create_function("worker", handle, duration=DURATION_US / 1e6)
        sim.create_event_source_mapping(
            queue, function, maximum_concurrency=SLOTS, settings=[ScalingModel(initial=SLOTS)]
        )
        clock, send = sim.clock, queue.send_message
        sent = min(BACKLOG, messages)
        for body in texts[:sent]:
            send(body)

        def arrive(_argument):
            nonlocal sent
            for body in texts[sent : sent + per_instant]:
                send(body)
            sent += per_instant
            if sent < messages:
                clock.schedule(clock.now_us + GAP_US * per_instant, arrive)

        arrive(None)
        sim.run()

    speed = rate(messages, work)
    assert sim.queue("orders").deleted == messages
    return speed


def fed(messages: int, *, handle=handler) -> float:
    """Messages per second, fed by an arrival process one by one."""
    texts = bodies(messages)
    sim = None

    def work():
        nonlocal sim
        sim = Simulation(trace=0)
        queue = sim.create_queue("orders")
        function = sim.create_function("worker", handle, duration=DURATION_US / 1e6)
        sim.create_event_source_mapping(
            queue, function, maximum_concurrency=SLOTS, settings=[ScalingModel(initial=SLOTS)]
        )
        arrivals = Paced(messages)
        sim.feed(queue, arrivals, lambda number: texts[number - 1])
        sim.run()

    speed = rate(messages, work)
    assert sim.queue("orders").deleted == messages
    return speed


class Paced:
    """The arrivals of the pipeline: a backlog at once, then one message after the other."""

    def __init__(self, messages):
        self.messages = messages

    def instants_us(self, random):
        backlog = min(BACKLOG, self.messages)
        for _ in range(backlog):
            yield 0
        yield from range(0, GAP_US * (self.messages - backlog), GAP_US)


GROUPS = (
    Group(
        sides={
            "lean": lean,
            "handler": ours,
            "trace": partial(ours, trace=10_000),
            "no handler": partial(ours, handle=None),
            "lean, no event": partial(lean, with_event=False),
        },
        rows=(
            Row("pipeline: Python handler, whole event", "handler", "lean", Aim(0.6)),
            Row("pipeline: the same with trace, beside without", "trace", "handler", Aim(0.65)),
            Row("pipeline: handler=None", "no handler", "lean", Aim(1.6)),
            Row("pipeline: handler=None, beside lean without event", "no handler", "lean, no event"),
            Row("floor: lean without event, beside lean", "lean, no event", "lean"),
        ),
        size=150_000,
    ),
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
    Group(
        sides={"moto": moto_models.mapping, "handler": ours},
        rows=(Row("pipeline: Python handler, beside moto's mapping", "handler", "moto", Aim(150)),),
        size=100_000,
        per_side={"moto": 1_000},
        rounds=3,
    ),
)
