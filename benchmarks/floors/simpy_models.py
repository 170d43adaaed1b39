"""SimPy: its wake-ups, and the queue M/M/c as its documentation would write it."""

from __future__ import annotations

from math import log
from random import Random

from benchmarks.floors.heaps import horizon, periods
from benchmarks.floors.invocations import CONCURRENCY, DURATION_S, GAP_US, handler, payloads
from benchmarks.timing import need, rate


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
