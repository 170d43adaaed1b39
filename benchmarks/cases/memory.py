"""What a message costs in memory while it waits."""

from __future__ import annotations

import gc
import tracemalloc
from collections import deque

from benchmarks.floors.pipelines import Message
from benchmarks.timing import Aim, Group, Row
from lambdasim import Clock, Queue

BODY = "x" * 256


def bytes_each(times, fill) -> float:
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = fill()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return (after - before) / times


def ours(messages: int) -> float:
    queue = Queue("orders", Clock(trace=0))
    clock = queue.clock

    def send(_argument):
        queue.send_message(BODY)

    def fill():
        for at_us in range(messages):
            clock.schedule(1_000 * at_us, send)
            clock.run(until_us=1_000 * at_us)

    return bytes_each(messages, fill)


def slotted(messages: int) -> float:
    def fill():
        waiting = deque()
        for number in range(messages):
            waiting.append(Message(1_000_000 + number, BODY, 1_000 * number))
        return waiting

    return bytes_each(messages, fill)


GROUPS = (
    Group(
        sides={"ours": ours, "slotted": slotted},
        rows=(
            Row(
                "memory per queued message, shared body",
                "ours",
                "slotted",
                Aim(215, at_least=False, of_reading=True),
            ),
        ),
        size=50_000,
        unit=" B",
        rounds=1,
    ),
)
