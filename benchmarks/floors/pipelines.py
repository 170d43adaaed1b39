"""
The pipeline by hand: send, receive, event, handler, delete, with nothing that one run does not need.

There are 10 slots; each receives as many messages as a batch has (10, unless it is said otherwise), hands them to the
handler, deletes them 100 ms later and receives again. Messages arrive as fast as they are handled, ten at an instant;
1,000, and at least two batches for each slot, are there from the beginning, so batches are full. The same workload runs
through lambdasim in `benchmarks.cases.pipeline`, and through SimPy in `benchmarks.floors.simpy_models`.
"""

from __future__ import annotations

from collections import deque
from hashlib import md5
from heapq import heappop, heappush
from itertools import count

from benchmarks.timing import Measure, rate

SLOTS = 10
BATCH = 10
DURATION_US = 100_000
PER_INSTANT = 10
BACKLOG = 1_000
VISIBILITY_US = 30_000_000
ARN = "arn:aws:sqs:us-east-1:123456789012:orders"
START_MS = 1_767_225_600_000

_bodies: list[str] = []


def gap_of(batch: int) -> int:
    """Return the microseconds between two messages, so that they arrive as fast as batches are handled."""
    return DURATION_US // (SLOTS * batch)


def backlog_of(batch: int) -> int:
    """Return how many messages are there from the beginning."""
    return max(BACKLOG, 2 * SLOTS * batch)


def bodies(size: int) -> list[str]:
    """Return so many bodies of 256 characters, no two of them equal."""
    while len(_bodies) < size:
        _bodies.append(f'{{"order": {len(_bodies):9d}, "lines": "'.ljust(254, "x") + '"}')
    return _bodies[:size]


def handler(event, context):
    """Read every body."""
    total = 0
    for record in event["Records"]:
        total += len(record["body"])


class Message:
    __slots__ = ("body", "first_received_us", "number", "receive_count", "sent_us", "state")

    def __init__(self, number, body, sent_us):
        self.number = number
        self.body = body
        self.sent_us = sent_us
        self.receive_count = 0
        self.first_received_us = None
        self.state = 0


def make_event(messages):
    records = []
    for message in messages:
        number = message.number
        receives = message.receive_count
        records.append(
            {
                "messageId": f"8d1f4e2a-93c5-4b7e-8f00-{number:012x}",
                "receiptHandle": f"AQEB8d1f4e2a93c54b7e8f00{number:012x}{receives:08x}",
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": str(receives),
                    "SentTimestamp": str(START_MS + message.sent_us // 1000),
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": str(START_MS + message.first_received_us // 1000),
                },
                "messageAttributes": {},
                "md5OfBody": md5(message.body.encode(), usedforsecurity=False).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": ARN,
                "awsRegion": "us-east-1",
            }
        )
    return {"Records": records}


def lean(
    messages: int,
    *,
    batch: int = BATCH,
    per_instant: int = PER_INSTANT,
    backlog: int | None = None,
    with_event: bool = True,
    visibility_us: int = VISIBILITY_US,
    measure: Measure = rate,
) -> float:
    """Messages per second, or what else is measured; with an event and a handler that reads it, or neither."""
    gap_us = gap_of(batch)
    backlog = backlog_of(batch) if backlog is None else backlog
    texts = bodies(messages) if with_event else ["x" * 256] * messages
    handled = 0

    def work():
        nonlocal handled
        heap = []
        number = count().__next__
        waiting = deque()
        flights = deque()
        free = SLOTS
        now_us = 0
        sent = 0

        def send(times):
            nonlocal sent, free
            for body in texts[sent : sent + times]:
                sent += 1
                waiting.append(Message(sent, body, now_us))
            while free and waiting:
                free -= 1
                receive()

        def arrive(_argument):
            send(per_instant)
            if sent < messages:
                heappush(heap, (now_us + gap_us * per_instant, number(), arrive, None))

        def receive():
            taken = []
            for _ in range(min(batch, len(waiting))):
                message = waiting.popleft()
                message.state = 1
                message.receive_count += 1
                if message.first_received_us is None:
                    message.first_received_us = now_us
                taken.append(message)
            flights.append((now_us + visibility_us, taken))
            if with_event:
                handler(make_event(taken), None)
            heappush(heap, (now_us + DURATION_US, number(), end, taken))

        def end(taken):
            nonlocal free, handled
            for message in taken:
                message.state = 2
            handled += len(taken)
            while flights and flights[0][1][-1].state == 2:
                flights.popleft()
            if waiting:
                receive()
            else:
                free += 1

        send(min(backlog, messages))
        arrive(None)
        while heap:
            now_us, _, action, argument = heappop(heap)
            action(argument)

    reading = measure(messages, work)
    assert handled == messages
    return reading


def cohorts(messages: int, *, per_instant: int = PER_INSTANT) -> float:
    """Messages per second where identical messages are one list of [instant, count], and a batch is a count."""
    handled = 0

    def work():
        nonlocal handled
        heap = []
        number = count().__next__
        waiting = deque()
        visible = 0
        free = SLOTS
        now_us = 0
        sent = 0

        def send(times):
            nonlocal sent, visible, free
            sent += times
            visible += times
            waiting.append([now_us, times])
            while free and visible:
                free -= 1
                receive()

        def arrive(_argument):
            send(min(per_instant, messages - sent))
            if sent < messages:
                heappush(heap, (now_us + gap_of(BATCH) * per_instant, number(), arrive, None))

        def receive():
            nonlocal visible
            left = size = min(visible, BATCH)
            visible -= size
            while left:
                cohort = waiting[0]
                if cohort[1] > left:
                    cohort[1] -= left
                    break
                left -= cohort[1]
                waiting.popleft()
            heappush(heap, (now_us + DURATION_US, number(), end, size))

        def end(size):
            nonlocal free, handled
            handled += size
            if visible:
                receive()
            else:
                free += 1

        send(min(BACKLOG, messages))
        if sent < messages:
            arrive(None)
        while heap:
            now_us, _, action, argument = heappop(heap)
            action(argument)

    speed = rate(messages, work)
    assert handled == messages
    return speed
