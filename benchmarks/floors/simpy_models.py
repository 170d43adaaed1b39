"""SimPy: its wake-ups, and the pipeline, the queue M/M/c and invokes as its documentation would write them."""

from __future__ import annotations

from collections import deque
from math import log
from random import Random

from benchmarks.floors import pipelines
from benchmarks.floors.heaps import horizon, periods
from benchmarks.floors.invocations import CONCURRENCY, DURATION_S, GAP_US, handler, payloads
from benchmarks.timing import Measure, need, rate


def wake_callbacks(pending: int, events: int) -> float:
    """Wake-ups per second by a callback of a Timeout."""
    need("simpy")
    import simpy

    delays = periods(pending)
    until_us, total = horizon(delays, events)

    def work():
        env = simpy.Environment()

        def sleep(delay):
            def wake(_event):
                env.timeout(delay).callbacks.append(wake)

            env.timeout(delay).callbacks.append(wake)

        for delay_us in delays:
            sleep(delay_us / 1e6)
        env.run(until=(until_us + 1) / 1e6)

    return rate(total, work)


def wake_processes(pending: int, events: int) -> float:
    """Wake-ups per second of processes, which are generators."""
    need("simpy")
    import simpy

    delays = periods(pending)
    until_us, total = horizon(delays, events)

    def work():
        env = simpy.Environment()

        def sleep(delay):
            while True:
                yield env.timeout(delay)

        for delay_us in delays:
            env.process(sleep(delay_us / 1e6))
        env.run(until=(until_us + 1) / 1e6)

    return rate(total, work)


def servers(jobs: int, *, arrivals_per_s: float, mean_s: float, servers: int, seed: int = 1) -> tuple[float, float]:
    """Return jobs per second of M/M/c, and the mean wait of a job."""
    need("simpy")
    import simpy

    random = Random(seed).random
    waited = 0.0

    def work():
        env = simpy.Environment()
        server = simpy.Resource(env, servers)

        def job():
            nonlocal waited
            came = env.now
            with server.request() as request:
                yield request
                waited += env.now - came
                yield env.timeout(-log(1.0 - random()) * mean_s)

        def source():
            for _ in range(jobs):
                yield env.timeout(-log(1.0 - random()) / arrivals_per_s)
                env.process(job())

        env.process(source())
        env.run()

    speed = rate(jobs, work)
    return speed, waited / jobs


def pipeline(messages: int, *, batch: int = pipelines.BATCH, with_event: bool = True, measure: Measure = rate) -> float:
    """
    Messages per second through the pipeline of `benchmarks.floors.pipelines`.

    The queue is a store, each slot a process that waits for a message and takes what else is there; time is in µs.
    """
    need("simpy")
    import simpy

    texts = pipelines.bodies(messages) if with_event else ["x" * 256] * messages
    per_instant = pipelines.PER_INSTANT
    backlog = min(pipelines.backlog_of(batch), messages)
    handled = 0

    def work():
        env = simpy.Environment()
        waiting = simpy.Store(env)
        flights = deque()

        def slot():
            nonlocal handled
            while True:
                taken = [(yield waiting.get()), *waiting.items[: batch - 1]]
                del waiting.items[: batch - 1]
                for message in taken:
                    message.state = 1
                    message.receive_count += 1
                    if message.first_received_us is None:
                        message.first_received_us = env.now
                flights.append((env.now + pipelines.VISIBILITY_US, taken))
                if with_event:
                    pipelines.handler(pipelines.make_event(taken), None)
                yield env.timeout(pipelines.DURATION_US)
                for message in taken:
                    message.state = 2
                handled += len(taken)
                while flights and flights[0][1][-1].state == 2:
                    flights.popleft()

        def send(first, last):
            for number, body in enumerate(texts[first:last], first):
                waiting.put(pipelines.Message(number, body, env.now))

        def source():
            send(0, backlog)
            for first in range(backlog, messages, per_instant):
                send(first, first + per_instant)
                yield env.timeout(pipelines.gap_of(batch) * per_instant)

        env.process(source())
        for _ in range(pipelines.SLOTS):
            env.process(slot())
        env.run()

    reading = measure(messages, work)
    assert handled == messages
    return reading


def invokes(times: int, *, one_by_one: bool = False) -> float:
    """Invokes per second: processes that hold one of a thousand units for as long as an invocation takes."""
    need("simpy")
    import simpy

    events = payloads(times)
    done = 0

    def work():
        env = simpy.Environment()
        concurrency = simpy.Resource(env, CONCURRENCY)

        def invoke(event):
            nonlocal done
            with concurrency.request() as request:
                yield request
                answer = handler(event, None)
                yield env.timeout(DURATION_S)
            done += 1
            return answer

        def source():
            for event in events:
                env.process(invoke(event))
                yield env.timeout(GAP_US / 1e6)

        if one_by_one:
            for event in events:
                env.run(until=env.process(invoke(event)))
        else:
            env.process(source())
            env.run()

    speed = rate(times, work)
    assert done == times
    return speed
