"""M/M/c by hand: on a heap, and by a recurrence that has no events at all."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush, heapreplace
from itertools import count
from math import log
from random import Random

from benchmarks.timing import rate


def on_a_heap(jobs: int, *, arrivals_per_s: float, mean_s: float, servers: int, seed: int = 1) -> tuple[float, float]:
    """Return jobs per second of M/M/c with an event per arrival and per end, and the mean wait of a job."""
    random = Random(seed).random
    waited = 0.0

    def work():
        nonlocal waited
        number = count().__next__
        heap = []
        line = deque()
        free = servers
        left = jobs
        now = 0.0

        def arrive(_argument):
            nonlocal free, left
            left -= 1
            if left:
                heappush(heap, (now - log(1.0 - random()) / arrivals_per_s, number(), arrive, None))
            if free:
                free -= 1
                heappush(heap, (now - log(1.0 - random()) * mean_s, number(), end, now))
            else:
                line.append(now)

        def end(_came):
            nonlocal free, waited
            if line:
                came = line.popleft()
                waited += now - came
                heappush(heap, (now - log(1.0 - random()) * mean_s, number(), end, came))
            else:
                free += 1

        heappush(heap, (-log(1.0 - random()) / arrivals_per_s, number(), arrive, None))
        while heap:
            now, _, action, argument = heappop(heap)
            action(argument)

    speed = rate(jobs, work)
    return speed, waited / jobs


def by_recurrence(
    jobs: int, *, arrivals_per_s: float, mean_s: float, servers: int, seed: int = 1
) -> tuple[float, float]:
    """Return the same from a heap of the instants at which servers become free: a job starts at the first of them."""
    random = Random(seed).random
    waited = 0.0

    def work():
        nonlocal waited
        free_at = [0.0] * servers
        now = 0.0
        for _ in range(jobs):
            now -= log(1.0 - random()) / arrivals_per_s
            begin = free_at[0]
            if begin > now:
                waited += begin - now
            else:
                begin = now
            heapreplace(free_at, begin - log(1.0 - random()) * mean_s)

    speed = rate(jobs, work)
    return speed, waited / jobs
