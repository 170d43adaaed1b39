"""
What Lambda may do beside what it mostly does, and who is asked about each (LAM-360, ASY-130).

`LambdaFaults` and `AsyncFaults` say what may happen. `Luck` and `AsyncLuck` ask the chooser of the simulation, at one
choice point per field; where a weight is 0 there is no point, and nothing is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from attrs import Attribute, field, frozen

from lambdasim.clock import Clock
from lambdasim.clock.choices import Labelled, Lots
from lambdasim.errors import UsageError
from lambdasim.settings import number, span
from lambdasim.units import Duration, seconds

_probability: Final = number(0, 1)


def _durations(_owner: object, field: Attribute[Any], value: tuple[Duration, ...]) -> None:
    if not isinstance(value, tuple) or not value:
        msg = f"{field.name}={value!r} is no tuple of durations; give seconds, such as (1, 5)"
        raise UsageError(msg)
    for duration in value:
        seconds(duration, name=field.name)


def _fractions(_owner: object, field: Attribute[Any], value: tuple[float, ...]) -> None:
    if not isinstance(value, tuple) or not value:
        msg = f"{field.name}={value!r} is no tuple of shares; give shares of the duration, such as (0, 0.5, 1)"
        raise UsageError(msg)
    for share in value:
        _probability(_owner, field, share)


@frozen(kw_only=True, slots=False)
class LambdaFaults:
    """
    What may go wrong in Lambda, for a simulation or for one function; everything is off by default.

    A weight is the probability of leaving what mostly happens, for whoever draws lots; the other options share it.

    Rules: LAM-360.
    """

    service_error: float = field(default=0.0, validator=_probability)  #: a call is refused with 500 (LAM-065)
    caller_rate: float = field(default=0.0, validator=_probability)  #: refused as `CallerRateLimitExceeded`
    env_recycle: float = field(default=0.0, validator=_probability)  #: an environment ends with an invocation
    environment: float = field(default=0.0, validator=_probability)  #: another idle environment is taken (LAM-121)
    cold_start: float = field(default=0.0, validator=_probability)  #: an init is one of `slow_init_s`
    slow_init_s: tuple[Duration, ...] = field(default=(1, 5), validator=_durations)
    proactive_init: float = field(default=0.0, validator=_probability)  #: an environment is made before it is needed
    crash: float = field(default=0.0, validator=_probability)  #: the process ends in the middle
    crash_at: tuple[float, ...] = field(default=(0, 0.5, 1), validator=_fractions)  #: at these shares of a duration
    response_lost: float = field(default=0.0, validator=_probability)  #: the work is done, the caller gets a 500
    stall: float = field(default=0.0, validator=_probability)  #: an interleaved handler is held up where it can be
    stall_s: Duration = field(default=1, validator=span())  #: for so long, or until its time is over
    # of calls through clients, whichever they are; of a simulation only
    call_error: float = field(default=0.0, validator=_probability)  #: refused with 500
    call_throttled: float = field(default=0.0, validator=_probability)  #: refused with 429
    call_lost: float = field(default=0.0, validator=_probability)  #: the call has its effect, the answer never comes


@frozen(kw_only=True)
class AsyncFaults:
    """
    What may go wrong in the queue of asynchronous invocations; everything is off by default.

    Rules: ASY-130.
    """

    order: float = field(default=0.0, validator=_probability)  #: another event that is due is tried first
    retry_delay: float = field(default=0.0, validator=_probability)  #: half, or one and a half times the delay
    duplicate: float = field(default=0.0, validator=_probability)  #: one extra run (ASY-141)
    event_lost: float = field(default=0.0, validator=_probability)  #: a throttled event is lost
    delivery_fails: float = field(default=0.0, validator=_probability)  #: to a destination or a dead-letter queue


class Luck:
    """What the faults of one function leave to chance."""

    __slots__ = ("_crash_shares", "_crashes", "_lots", "_slow", "_stalls", "is_any", "slow_init_us", "stall_us")

    def __init__(self, faults: LambdaFaults, name: str, owner: str, clock: Clock) -> None:
        names = (
            "service_error",
            "caller_rate",
            "env_recycle",
            "environment",
            "cold_start",
            "proactive_init",
            "crash",
            "response_lost",
            "stall",
        )
        self._lots = Lots(clock, owner, {f"lambda.{each}": getattr(faults, each) for each in names}, name)
        self.is_any = any(self._lots.may(f"lambda.{each}") for each in names)
        self.slow_init_us = tuple(seconds(duration) for duration in faults.slow_init_s)
        self._slow = ("as modelled", *(f"{us / 1e6:g} s" for us in self.slow_init_us))
        self._crash_shares = faults.crash_at
        self._crashes = ("none", *(f"at {share:g}" for share in faults.crash_at))
        self.stall_us = seconds(faults.stall_s, name="stall_s")
        self._stalls = ("none", f"{self.stall_us / 1e6:g} s", "until its time is over")

    def is_refused(self, messages: Sequence[Labelled], *, is_call: bool) -> bool:
        """Ask whether Lambda fails before admission, of a request about some messages, if any."""
        about = messages[0] if messages else None
        options = ("accepted", "refused")
        return self._lots.ask("lambda.service_error", options, about, messages, is_call=is_call) == 1

    def is_too_fast(self, messages: Sequence[Labelled], *, is_call: bool) -> bool:
        """Ask whether the caller is told that it calls too often."""
        about = messages[0] if messages else None
        return self._lots.ask("lambda.caller_rate", ("accepted", "refused"), about, messages, is_call=is_call) == 1

    def recycles(self, invocation: Labelled) -> bool:
        """Ask whether an environment ends with its invocation."""
        return self._lots.ask("lambda.env_recycle", ("kept", "destroyed"), invocation) == 1

    @property
    def picks(self) -> bool:
        """Whether another idle environment than the usual one may be taken."""
        return self._lots.may("lambda.environment")

    def pick(self, idle: Sequence[str]) -> int:
        """Ask which of the idle environments is taken."""
        return self._lots.ask("lambda.environment", [f"environment {name}" for name in idle])

    def init_us(self, modelled_us: int) -> int:
        """Ask how long an init takes."""
        choice = self._lots.ask("lambda.cold_start", self._slow)
        return self.slow_init_us[choice - 1] if choice else modelled_us

    def is_proactive(self) -> bool:
        """Ask whether an environment is made in place of one that was reclaimed."""
        return self._lots.ask("lambda.proactive_init", ("none", "made")) == 1

    @property
    def may_crash(self) -> bool:
        """Whether processes may end in the middle."""
        return self._lots.may("lambda.crash")

    def crash_share(self, invocation: Labelled, messages: Sequence[object]) -> float | None:
        """Ask at which share of its duration a plain invocation crashes; None: not at all."""
        choice = self._lots.ask("lambda.crash", self._crashes, invocation, messages)
        return self._crash_shares[choice - 1] if choice else None

    def crashes_here(self, invocation: Labelled, messages: Sequence[object], before: str) -> bool:
        """Ask whether a handler that can be suspended crashes at this point."""
        words = f"crash before {before}" if before else "crash"
        return self._lots.ask("lambda.crash", ("none", words), invocation, messages) == 1

    @property
    def may_stall(self) -> bool:
        """Whether interleaved handlers may be held up."""
        return self._lots.may("lambda.stall")

    def stall_for_us(self, invocation: Labelled, messages: Sequence[object], before: str) -> int | None:
        """Ask how long a handler that can be suspended is held up here; None: until its time is over."""
        options = tuple(f"{words} before {before}" for words in self._stalls) if before else self._stalls
        choice = self._lots.ask("lambda.stall", options, invocation, messages)
        return (0, self.stall_us, None)[choice]

    def loses_response(self, invocation: Labelled, messages: Sequence[object], *, is_call: bool) -> bool:
        """Ask whether the answer is lost although the work is done."""
        options = ("answered", "lost")
        return self._lots.ask("lambda.response_lost", options, invocation, messages, is_call=is_call) == 1


class AsyncLuck:
    """What the faults of one function's asynchronous events leave to chance."""

    __slots__ = ("_lots",)

    def __init__(self, faults: AsyncFaults, name: str, owner: str, clock: Clock) -> None:
        names = ("order", "retry_delay", "duplicate", "event_lost", "delivery_fails")
        self._lots = Lots(clock, owner, {f"async.{each}": getattr(faults, each) for each in names}, name)

    def first(self, request_ids: Sequence[str]) -> int:
        """Ask which of the events due at this instant is tried first."""
        return self._lots.ask("async.order", request_ids)

    def delay_us(self, usual_us: int) -> int:
        """Ask how long a retry waits."""
        choice = self._lots.ask("async.retry_delay", ("as it is", "half", "one and a half"))
        return (usual_us, usual_us // 2, usual_us * 3 // 2)[choice]

    def duplicates(self) -> bool:
        """Ask whether an event gets an extra run."""
        return self._lots.ask("async.duplicate", ("none", "once more")) == 1

    def loses_event(self) -> bool:
        """Ask whether a throttled event is lost."""
        return self._lots.ask("async.event_lost", ("kept", "lost")) == 1

    def fails_delivery(self) -> bool:
        """Ask whether a delivery fails."""
        return self._lots.ask("async.delivery_fails", ("delivered", "failed")) == 1


def luck_of(faults: LambdaFaults, name: str, owner: str, clock: Clock) -> Luck | None:
    """Return who is asked, or None where nothing may go wrong."""
    luck = Luck(faults, name, owner, clock)
    return luck if luck.is_any else None
