"""
Execution environments: who is idle, which one is taken, when one is reclaimed.

Idle environments lie on a stack in groups by the instant at which they became idle, so that the newest group is on top
and, within it, the lowest id is taken first (LAM-121). Reclaims need one background timer per function, not one per
environment: it stands at the earliest end, and looks again when it fires.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from heapq import heappop, heappush
from typing import Any, Final

from lambdasim.clock import Clock, Kind, Priority, Timer
from lambdasim.lambda_.limits import EnvironmentModel
from lambdasim.units import seconds

STARTED: Final = Kind("environment started", lambda name, environment: (name, {"environment": environment.id}))
REAPED: Final = Kind("environment reaped", lambda name, environment: (name, {"environment": environment.id}))


class Environment:
    """
    One execution environment.

    *state* and *tmp* belong to the handler: a dict that lives with the process, and one that stands for `/tmp`; a reset
    loses the first and keeps the second (LAM-083).
    """

    __slots__ = ("is_gone", "is_idle", "is_reset", "number", "retire_at_us", "served", "state", "tmp")

    def __init__(self, number: int, retire_at_us: int) -> None:
        self.number = number  #: 1, 2, … in order of creation (LAM-122)
        self.retire_at_us = retire_at_us  #: from then on it is not used again (LAM-128)
        self.served = 0  #: invocations begun on it
        self.is_idle = False
        self.is_gone = False  #: reclaimed while it was idle: whoever comes upon it skips it
        self.is_reset = False  #: its next invocation repeats the init
        self.state: dict[Any, Any] = {}
        self.tmp: dict[Any, Any] = {}

    @property
    def id(self) -> str:
        """`A`, `B`, … `Z`, `AA`, … (LAM-122)."""
        text, rest = "", self.number
        while rest:
            rest, digit = divmod(rest - 1, 26)
            text = chr(ord("A") + digit) + text
        return text

    def reset(self) -> None:
        """Lose what the process held; the next invocation begins with its init again."""
        self.is_reset = True
        self.state = {}


class Environments:
    """The environments of one function."""

    __slots__ = (
        "_by_retirement",
        "_clock",
        "_groups",
        "_lifetime_us",
        "_made",
        "_model",
        "_name",
        "_timer",
        "_ttl_us",
        "busy",
        "idle",
    )

    def __init__(self, name: str, clock: Clock, model: EnvironmentModel) -> None:
        self._name = name
        self._clock = clock
        self._model = model
        self._ttl_us = seconds(model.idle_ttl_s, name="idle_ttl_s")
        self._lifetime_us = seconds(model.max_lifetime_s, name="max_lifetime_s")
        self._groups: deque[tuple[int, list[Environment]]] = deque()  # idle since, those with the lowest id last
        self._by_retirement: list[tuple[int, int, Environment]] = []  # a heap of those not yet too old
        self.idle = 0  #: environments that wait for a request
        self._made = 0
        self._timer: Timer | None = None
        self.busy = 0

    @property
    def alive(self) -> int:
        """All environments."""
        return self.busy + self.idle

    @property
    def cold_starts(self) -> int:
        """Environments ever made."""
        return self._made

    def take(self) -> Environment:
        """
        Take an idle environment by the rule of `EnvironmentModel.reuse`; there must be one.

        Runtime: `O(1)`; `O(idle)` for `lowest_id`.
        """
        groups = self._groups
        while True:
            if self._model.reuse == "most_recent":
                place = -1
            elif self._model.reuse == "least_recent":
                place = 0
            else:
                place = min(range(len(groups)), key=lambda index: groups[index][1][-1].number)
            group = groups[place][1]
            environment = group.pop()
            if not group:
                del groups[place]
            if not environment.is_gone:
                break
        environment.is_idle = False
        self.idle -= 1
        self.busy += 1
        environment.served += 1
        return environment

    def make(self) -> Environment:
        """Make a new environment, for a cold start."""
        self._made += 1
        environment = Environment(self._made, self._clock.now_us + self._lifetime_us)
        self.busy += 1
        environment.served = 1
        heappush(self._by_retirement, (environment.retire_at_us, environment.number, environment))
        if self._clock.trace.active:
            self._clock.trace.add((self._clock.now_us, STARTED, self._name, environment))
        return environment

    def give_back(self, environment: Environment) -> None:
        """Let an environment become idle, or end it when it is too old (LAM-128)."""
        now_us = self._clock.now_us
        self.busy -= 1
        if now_us >= environment.retire_at_us:
            self._reap(environment)
            return
        groups = self._groups
        if groups and groups[-1][0] == now_us:
            insort(groups[-1][1], environment, key=lambda other: -other.number)
        else:
            groups.append((now_us, [environment]))
        environment.is_idle = True
        self.idle += 1
        timer = self._timer
        if timer is None:
            self._time(min(now_us + self._ttl_us, environment.retire_at_us))
        elif environment.retire_at_us < timer.at_us:
            timer.cancel()
            self._time(environment.retire_at_us)

    def check_invariants(self) -> None:
        """Assert that the count of idle environments is right."""
        there = sum(not environment.is_gone for _, group in self._groups for environment in group)
        assert there == self.idle, f"{self._name}: {self.idle} environments idle by count, {there} there"

    def _time(self, at_us: int) -> None:
        self._timer = self._clock.timer(at_us, self._on_timer, priority=Priority.COMPLETION.value, background=True)

    def _on_timer(self, _argument: object) -> None:
        """
        End the idle environments that are due, and look when the next one may be.

        Those that waited too long are the oldest groups; those that lived too long come off a heap. Runtime: `O(log n)`
        amortised for each environment.
        """
        self._timer = None
        now_us = self._clock.now_us
        groups, by_retirement = self._groups, self._by_retirement
        while groups and groups[0][0] + self._ttl_us <= now_us:
            for environment in groups.popleft()[1]:
                self._reap_idle(environment)
        while by_retirement and by_retirement[0][0] <= now_us:
            environment = heappop(by_retirement)[2]
            if environment.is_idle:
                self._reap_idle(environment)
        if self.idle:
            self._time(min(groups[0][0] + self._ttl_us, by_retirement[0][0]))

    def _reap_idle(self, environment: Environment) -> None:
        if not environment.is_gone:
            environment.is_gone = True
            environment.is_idle = False
            self.idle -= 1
            self._reap(environment)

    def _reap(self, environment: Environment) -> None:
        if self._clock.trace.active:
            self._clock.trace.add((self._clock.now_us, REAPED, self._name, environment))
