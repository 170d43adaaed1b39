"""
Handlers as plain calls: the loop that calls the function of the handler, and nothing else.

The same handlers run as functions of lambdasim in `benchmarks.cases.invokes`. What they sleep takes no time here.
"""

from __future__ import annotations

import time
from unittest import mock

from benchmarks.timing import rate

DURATION_S = 0.1
GAP_US = 1_000  #: between asynchronous invokes, so that a hundred run at a time
CONCURRENCY = 1_000


def handler(event, context):
    """Read the event; the answer differs from one to the next."""
    return {"order": event["order"], "size": len(event["lines"])}


async def coroutine_handler(event, context):
    await context.sleep(0.1)
    return {"order": event["order"], "size": len(event["lines"])}


def sleeping_handler(event, context):
    time.sleep(0.1)
    return {"order": event["order"], "size": len(event["lines"])}


def payloads(size: int) -> list[dict[str, object]]:
    """Return so many events, no two of them equal."""
    return [{"order": number, "lines": "x" * 200} for number in range(size)]


def return_at_once(_seconds):
    """Take no time."""


def bare(invokes: int, *, handle=handler) -> float:
    """Calls per second of a handler that is a function; `time.sleep` does nothing meanwhile."""
    events = payloads(invokes)

    def work():
        for event in events:
            handle(event, None)

    with mock.patch.object(time, "sleep", return_at_once):
        return rate(invokes, work)


class Context:
    async def sleep(self, seconds):
        """Take no time."""


def bare_coroutine(invokes: int) -> float:
    """Calls per second of a handler that is a coroutine function, each driven to its end."""
    events = payloads(invokes)
    context = Context()

    def work():
        for event in events:
            try:
                coroutine_handler(event, context).send(None)
            except StopIteration:
                continue

    return rate(invokes, work)
