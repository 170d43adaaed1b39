"""
Execution environments: who is idle, which one is taken, when one is reclaimed.

Idle environments lie on a stack in groups by the instant at which they became idle, so that the newest group is on top
and, within it, the lowest id is taken first (LAM-121). Reclaims need one background timer per function, not one per
environment: it stands at the earliest end, and looks again when it fires.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final

from lambdasim.clock import Clock, Kind, Priority, Timer
from lambdasim.lambda_.limits import EnvironmentModel
from lambdasim.units import seconds

if TYPE_CHECKING:
    from lambdasim.lambda_.world import Machine, Names

_HEAP_SLACK: Final = 64  # entries of environments that are gone, at least, before they are swept out

STARTED: Final = Kind(
    "environment started",
    lambda name, environment: (name, {"environment": environment.id}),
    brief=lambda *_: "environment started",
)
REAPED: Final = Kind(
    "environment reaped",
    lambda name, environment: (name, {"environment": environment.id}),
    brief=lambda *_: "environment reclaimed",
)


class Environment:
    """
    One execution environment.

    *state* and *tmp* belong to the handler: a dict that lives with the process, and one that stands for `/tmp`; a reset
    loses the first and keeps the second (LAM-083).
    """

    __slots__ = (
        "handler",
        "home",
        "is_gone",
        "is_idle",
        "is_ready",
        "is_reset",
        "machine",
        "made_at_us",
        "names",
        "number",
        "retire_at_us",
        "served",
        "state",
        "tmp",
    )

    def __init__(self, number: int, home: Environments, made_at_us: int, retire_at_us: int) -> None:
        self.number = number  #: 1, 2, … in order of creation (LAM-122)
        self.home = home  #: those it belongs to
        self.made_at_us = made_at_us
        self.retire_at_us = retire_at_us  #: from then on it is not used again (LAM-128)
        self.served = 0  #: invocations begun on it
        self.is_idle = False
        self.is_gone = False  #: reclaimed while it was idle: whoever comes upon it skips it
        self.is_reset = False  #: its next invocation repeats the init
        self.is_ready = False  #: whether its init has run, where there is anything to run
        self.handler: Any = None  #: what the init made of it; None where the function has one for all
        self.names: Names = ()  #: where the module of that handler has imported clocks by name
        self.machine: Machine | None = None  #: variables and modules that its code sees, once some has run
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
        self.is_ready = False
        self.handler = None
        self.names = ()
        self.state = {}
        if self.machine is not None:
            self.machine.forget()


class Count:
    """Counts the environments of a function, whatever version they are of."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last = 0

    def next(self) -> int:
        """Count on, and return the new number."""
        self.last += 1
        return self.last


class Environments:
    """
    The environments of one version of a function, of one kind.

    Args:
        name: Of the function.
        clock: Of the simulation.
        model: How long they live, and which one is taken.
        count: Gives their numbers.
        is_kept: Provisioned ones are never reclaimed (LAM-177).
    """

    __slots__ = (
        "_by_retirement",
        "_clock",
        "_count",
        "_groups",
        "_lifetime_us",
        "_made",
        "_model",
        "_name",
        "_timer",
        "_ttl_us",
        "busy",
        "idle",
        "is_kept",
        "is_retired",
        "on_reclaim",
        "owner",
    )

    def __init__(
        self, name: str, clock: Clock, model: EnvironmentModel, count: Count, *, is_kept: bool = False
    ) -> None:
        self._name = name
        self._clock = clock
        self._model = model
        self._count = count
        self.is_kept = is_kept
        self._ttl_us = seconds(model.idle_ttl_s, name="idle_ttl_s")
        self._lifetime_us = seconds(model.max_lifetime_s, name="max_lifetime_s")
        self._groups: deque[tuple[int, list[Environment]]] = deque()  # idle since, those with the lowest id last
        self._by_retirement: list[tuple[int, int, Environment]] = []  # a heap of those not yet too old
        self.idle = 0  #: environments that wait for a request
        self._made = 0
        self._timer: Timer | None = None
        self.busy = 0
        self.is_retired = False  #: whether they belong to what is no longer deployed: each ends with its invocation
        self.owner: Any = None  #: of provisioned ones: the configuration that they were made for
        self.on_reclaim: Callable[[], object] | None = None  #: called after an idle one was reclaimed

    @property
    def alive(self) -> int:
        """All environments."""
        return self.busy + self.idle

    @property
    def cold_starts(self) -> int:
        """Environments ever made for a request."""
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

    def waiting(self) -> list[Environment]:
        """Return the idle environments, the one that `take` would take first. Runtime: `O(idle)`."""
        found = [environment for _, group in self._groups for environment in group if not environment.is_gone]
        if self._model.reuse == "most_recent":
            return found[::-1]
        if self._model.reuse == "least_recent":
            return [environment for _, group in self._groups for environment in group[::-1] if not environment.is_gone]
        return sorted(found, key=lambda environment: environment.number)

    def take_this(self, environment: Environment) -> None:
        """Take an idle environment that was chosen. Runtime: `O(idle)`."""
        for place, (_, group) in enumerate(self._groups):
            if environment in group:
                group.remove(environment)
                if not group:
                    del self._groups[place]
                break
        environment.is_idle = False
        self.idle -= 1
        self.busy += 1
        environment.served += 1

    def make(self) -> Environment:
        """Make a new environment, for a cold start."""
        self._made += 1
        environment = self._add()
        self.busy += 1
        environment.served = 1
        return environment

    def make_idle(self) -> Environment:
        """Make an environment that waits for a request."""
        environment = self._add()
        self.busy += 1
        self.give_back(environment)
        return environment

    def _add(self) -> Environment:
        now_us = self._clock.now_us
        environment = Environment(self._count.next(), self, now_us, now_us + self._lifetime_us)
        if not self.is_kept:
            heappush(self._by_retirement, (environment.retire_at_us, environment.number, environment))
        if self._clock.trace.active:
            self._clock.trace.add((now_us, STARTED, self._name, environment))
        return environment

    def discard(self, environment: Environment) -> None:
        """End an environment that was busy."""
        self.busy -= 1
        environment.is_gone = True
        self._reap(environment)
        by_retirement = self._by_retirement
        if len(by_retirement) > 2 * self.alive + _HEAP_SLACK:
            by_retirement[:] = [entry for entry in by_retirement if not entry[2].is_gone]
            heapify(by_retirement)

    def retire(self) -> None:
        """End the idle environments at once, and the busy ones as they finish."""
        self.is_retired = True
        self.trim(0)

    def trim(self, alive: int) -> None:
        """End idle environments until no more than so many are left, as far as that goes."""
        while self.idle and self.alive > alive:
            self.discard(self.take())

    def give_back(self, environment: Environment) -> None:
        """Let an environment become idle, or end it when it is too old (LAM-128), or of what is gone (LAM-027)."""
        now_us = self._clock.now_us
        self.busy -= 1
        if self.is_retired or (now_us >= environment.retire_at_us and not self.is_kept):
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
        if self.is_kept:
            return
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
        before = self.idle
        while groups and groups[0][0] + self._ttl_us <= now_us:
            for environment in groups.popleft()[1]:
                self._reap_idle(environment)
        while by_retirement and by_retirement[0][0] <= now_us:
            environment = heappop(by_retirement)[2]
            if environment.is_idle:
                self._reap_idle(environment)
        if self.idle:
            self._time(min(groups[0][0] + self._ttl_us, by_retirement[0][0]))
        if self.on_reclaim is not None and self._ttl_us:
            for _ in range(before - self.idle):
                self.on_reclaim()

    def _reap_idle(self, environment: Environment) -> None:
        if not environment.is_gone:
            environment.is_gone = True
            environment.is_idle = False
            self.idle -= 1
            self._reap(environment)

    def _reap(self, environment: Environment) -> None:
        environment.handler = environment.machine = None  # invocations that are kept know it by its name only
        environment.names = ()
        if self._clock.trace.active:
            self._clock.trace.add((self._clock.now_us, REAPED, self._name, environment))
