"""
The bare heap: what an agenda costs at least.

There are *pending* periodic actions; each puts itself on the agenda again, until so much time is over that about as
many events ran as were asked for. All loops here run the very same events.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from random import Random

from benchmarks.timing import rate

PERIOD_US = 1_000_000  #: on average


def periods(pending: int) -> list[int]:
    """Return the periods of the actions in µs: whole milliseconds, the same in every run."""
    random = Random(pending)
    return [1_000 * random.randint(1, 2 * PERIOD_US // 1_000 - 1) for _ in range(pending)]


def horizon(delays: list[int], events: int) -> tuple[int, int]:
    """Return until when to run so that about *events* events run, and how many exactly that is."""
    until_us = round(events / sum(1 / delay for delay in delays))
    return until_us, sum(until_us // delay for delay in delays)


def bare(pending: int, events: int) -> float:
    """Events per second of a loop over tuples (instant, number, function, argument)."""
    delays = periods(pending)
    until_us, total = horizon(delays, events)

    def work():
        number = count().__next__
        now_us = 0

        def act(delay_us):
            heappush(heap, (now_us + delay_us, number(), act, delay_us))

        heap = [(delay_us, number(), act, delay_us) for delay_us in delays]
        heapify(heap)
        while True:
            now_us, _, action, argument = heappop(heap)
            if now_us > until_us:
                break
            action(argument)

    return rate(total, work)


class Agenda:
    """The same loop behind a method."""

    def __init__(self):
        self.now_us = 0
        self.heap = []
        self.number = count().__next__

    def schedule(self, at_us, action, argument):
        heappush(self.heap, (at_us, self.number(), action, argument))

    def run(self, until_us):
        heap = self.heap
        while True:
            self.now_us, _, action, argument = heappop(heap)
            if self.now_us > until_us:
                break
            action(argument)


def behind_a_method(pending: int, events: int) -> float:
    """Events per second of the loop with a `schedule()` method."""
    delays = periods(pending)
    until_us, total = horizon(delays, events)

    def work():
        agenda = Agenda()

        def act(delay_us):
            agenda.schedule(agenda.now_us + delay_us, act, delay_us)

        for delay_us in delays:
            agenda.schedule(delay_us, act, delay_us)
        agenda.run(until_us)

    return rate(total, work)


class Handle:
    """A place in the agenda that can be given up."""

    __slots__ = ("action", "argument")

    def __init__(self, action, argument):
        self.action = action
        self.argument = argument

    def cancel(self):
        self.action = self.argument = None


class CancellableAgenda(Agenda):
    """The loop whose tuples hold a handle."""

    def schedule(self, at_us, action, argument):
        handle = Handle(action, argument)
        heappush(self.heap, (at_us, self.number(), handle))
        return handle

    def run(self, until_us):
        heap = self.heap
        while True:
            self.now_us, _, handle = heappop(heap)
            if self.now_us > until_us:
                break
            action = handle.action
            if action is not None:
                action(handle.argument)


def cancellable(pending: int, events: int) -> float:
    """Events per second of the loop whose events can be cancelled."""
    delays = periods(pending)
    until_us, total = horizon(delays, events)

    def work():
        agenda = CancellableAgenda()

        def act(delay_us):
            agenda.schedule(agenda.now_us + delay_us, act, delay_us)

        for delay_us in delays:
            agenda.schedule(delay_us, act, delay_us)
        agenda.run(until_us)

    return rate(total, work)
