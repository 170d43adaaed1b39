"""What a message costs in memory while it waits."""

from __future__ import annotations

import gc
import tracemalloc
from collections import deque
from functools import partial

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


def kept(messages: int, send, *, is_fifo: bool = False, seconds: float = 0) -> float:
    """
    Return the bytes that each message takes, sent by `send(queue, number)` a millisecond after the one before.

    Then time goes on for so many *seconds*, and one more is sent.
    """
    queue = Queue("orders.fifo" if is_fifo else "orders", Clock(trace=0))
    clock = queue.clock

    def send_one(number):
        send(queue, number)

    def fill():
        for number in range(messages):
            clock.schedule(1_000 * number, send_one, number)
            clock.run(until_us=1_000 * number)
        clock.run_for(seconds)
        send_one(messages)

    return bytes_each(messages + 1, fill)


def plain(queue, _number):
    queue.send_message(BODY)


def with_attributes(queue, number):
    attributes = {
        "customer": {"DataType": "String", "StringValue": f"customer-{number:06}"},
        "priority": {"DataType": "Number", "StringValue": "7"},
    }
    queue.send_message(BODY, message_attributes=attributes)


def of_tenant(queue, number):
    queue.send_message(BODY, message_group_id=f"tenant-{number % 1_000}")


def of_group(queue, number):
    queue.send_message(BODY, message_group_id=f"group-{number % 1_000}", message_deduplication_id=f"order-{number:06}")


def slotted(messages: int) -> float:
    def fill():
        waiting = deque()
        for number in range(messages):
            waiting.append(Message(1_000_000 + number, BODY, 1_000 * number))
        return waiting

    return bytes_each(messages, fill)


GROUPS = (
    Group(
        sides={
            "slotted": slotted,
            "plain": partial(kept, send=plain),
            "attributes": partial(kept, send=with_attributes),
            "tenant": partial(kept, send=of_tenant),
            "group": partial(kept, send=of_group, is_fifo=True, seconds=301),
            "id": partial(kept, send=of_group, is_fifo=True),
        },
        rows=(
            Row(
                "memory per queued message, shared body",
                "plain",
                "slotted",
                Aim(215, at_least=False, of_reading=True),
            ),
            Row("memory per queued message with two attributes", "attributes", "plain"),
            Row("memory per queued message of a fair queue, 1,000 tenants", "tenant", "plain"),
            Row("memory per queued message of a FIFO queue, 1,000 groups", "group", "plain"),
            Row("memory per queued message of a FIFO queue, in its first 5 minutes", "id", "plain"),
        ),
        size=50_000,
        unit=" B",
        rounds=1,
    ),
)
