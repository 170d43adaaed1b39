"""
Who may run: admission, and the life of an invocation from there to its end.

A request is admitted or refused at once (LAM-200). Admitted, it holds a unit of concurrency and an environment until
its end. A function without a handler is settled at admission, with nothing but its end on the agenda; what code does is
in `running`.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from lambdasim.clock import Clock, Kind, Priority, Seeded
from lambdasim.clock.choices import Benign
from lambdasim.clock.meters import Counter, Ledger, Samples, Steps
from lambdasim.errors.lambda_ import ServiceException, TooManyRequestsException
from lambdasim.lambda_ import running
from lambdasim.lambda_.concurrency import (
    ACCOUNT_CONCURRENCY,
    ACCOUNT_RATE,
    CALLER_RATE,
    RESERVED_CONCURRENCY,
    RESERVED_RATE,
    SERVICE_ERROR,
    ConcurrencyPool,
    RateWindow,
)
from lambdasim.lambda_.duration import DurationModel
from lambdasim.lambda_.environments import Count, Environment, Environments
from lambdasim.lambda_.faults import LambdaFaults, luck_of
from lambdasim.lambda_.invocation import Invocation, Outcome, Request, tell_begin, tell_end
from lambdasim.lambda_.limits import ColdStartModel, EnvironmentModel, LambdaLimits, RuntimeModel, ScalingRate
from lambdasim.lambda_.provisioned import Provisioned
from lambdasim.lambda_.targets import Target
from lambdasim.lambda_.version import Code, Configuration, Version
from lambdasim.settings import Settings
from lambdasim.units import seconds

_COMPLETION: Final = Priority.COMPLETION.value
_TIMEOUT: Final = Priority.TIMEOUT.value
_SUCCESS: Final = Outcome.SUCCESS
_INIT_ERROR: Final = Outcome.INIT_ERROR
_UNLIMITED: Final = 1 << 40  # requests a second for each unit of concurrency: none is refused by rate
_RESETS: Final = (Outcome.TIMEOUT, Outcome.EXIT)  # the process is gone, the environment is not (LAM-083)

# The last part of an entry are the messages of the batch, if it is one.
BEGUN: Final = Kind(
    "invocation started",
    lambda invocation, _: (
        invocation.function.name,
        {"request_id": invocation.request_id, "environment": invocation.environment.id},
    ),
    lambda _, messages: messages,
    lambda invocation, _: (
        f"{invocation.function.name} started: request {invocation.request_id}, environment {invocation.environment.id}"
    ),
    lambda invocation, _: tell_begin(invocation),
)
ENDED: Final = Kind(
    "invocation ended",
    lambda invocation, _: (
        invocation.function.name,
        {"request_id": invocation.request_id, "outcome": invocation.outcome.value},
    ),
    lambda _, messages: messages,
    lambda invocation, messages: f"{invocation.function.name} ended: {tell_end(invocation, messages)}",
    tell_end,
)
THROTTLED: Final = Kind(
    "invocation throttled",
    lambda function, reason, _: (function.name, {"reason": reason}),
    lambda _function, _reason, messages: messages,
    lambda function, reason, _: f"{function.name} throttled: {reason}",
    lambda _function, reason, _: f"throttled: {reason}",
)


class Admission:
    """The part of `Function` that runs invocations."""

    def __init__(
        self,
        name: str,
        arn: str,
        region: str,
        clock: Clock,
        pool: ConcurrencyPool,
        settings: Settings,
        faults: LambdaFaults,
    ) -> None:
        self.name = name
        self.arn = arn
        self.region = region
        self.clock = clock
        self.pool = pool
        self.limits = settings.get(LambdaLimits)
        self.runtime = settings.get(RuntimeModel)
        self._bills_init = self.runtime.billing == "current"
        cold_start = settings.get(ColdStartModel)
        self._init = DurationModel(cold_start.init_s, clock.streams, f"{arn}/init", name="init_s")
        self._placement_us = seconds(cold_start.placement_s, name="placement_s")
        self._init_limit_us = seconds(cold_start.init_limit_s, name="init_limit_s")
        self._environment_model = settings.get(EnvironmentModel)
        self._count = Count()
        self.faults = faults
        self.luck = luck_of(faults, name, arn, clock) if faults != LambdaFaults() else None

        self._tokens = pool.tokens_for(settings.get(ScalingRate), clock.now_us)
        self._window = RateWindow(pool.rates.window_s)
        self._rate_factor = self.limits.rps_factor if pool.rates.mode != "off" else _UNLIMITED
        self._has_ramp = pool.rates.linear_ramp and pool.rates.mode != "off"
        self.reserved_concurrent_executions: int | None = None
        self.request_ids = clock.identifiers.series("request", arn)
        self._failures = clock.streams[f"{arn}/lambda.failure"]

        self._past: list[Environments] = []  # of what is no longer deployed, while something runs on them
        self._provisioned: dict[str, Provisioned] = {}  # by qualifier
        self.ever_provisioned: list[Provisioned] = []
        self.cold_starts = 0
        self.in_flight = 0
        self.provisioned_in_flight = 0
        self.invocation_count = 0
        self.error_count = 0
        self.throttles = 0
        self.billed_mb_ms = 0  #: of on-demand invocations: billed milliseconds times megabytes (LAM-301)
        self.billed_provisioned_mb_ms = 0  #: of those on provisioned environments (LAM-302)
        self.steps = pool.join()
        self.provisioned_steps = Steps()
        self.provisioned_shares = Steps()
        self.durations = Samples()
        self.errors_by_minute = Counter()
        self.ledger = Ledger(clock.now_us, self._counters)
        self.throttle_reasons: dict[str, int] = {}
        self._recent: deque[Invocation] = deque(maxlen=self.runtime.logs_kept)
        self._revisions = clock.identifiers.series("revision", arn)

    def _deploy(self, number: str, code: Code, configuration: Configuration) -> Version:
        """Return a version of the function, with no environment yet."""
        revision = self._revisions.text(self._revisions.next())
        version = Version(self, number, code, configuration, self.new_environments(), revision)  # type: ignore[arg-type]
        if self.luck is not None:
            version.environments.on_reclaim = lambda: self._replace(version)
        return version

    def new_environments(self, *, is_kept: bool = False) -> Environments:
        """Return a place for environments of one version and kind."""
        return Environments(self.name, self.clock, self._environment_model, self._count, is_kept=is_kept)

    def draw_init_us(self) -> int:
        """Return how long an init takes, beside what its code sleeps."""
        init_us = self._init.draw_us(None)
        return init_us if self.luck is None else self.luck.init_us(init_us)

    # ---- admission

    def begin(
        self, request: Request, target: Target, *, number: int | None = None, is_async: bool = False
    ) -> str | None:
        """
        Admit a request and start it, or return the `Reason` of the refusal. Runtime: `O(1)`.

        Args:
            request: Who asks.
            target: What it named.
            number: Of the request id, where it has one already.
            is_async: Whether it comes from the queue of asynchronous events.

        Rules: LAM-200 to LAM-211, LAM-230, LAM-262.
        """
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self.ledger.turn(now_us)
        if self.luck is not None:
            messages = getattr(request, "messages", ())
            is_call = getattr(request, "is_call", False)
            if self.luck.is_refused(messages, is_call=is_call):
                return SERVICE_ERROR
            if self.luck.is_too_fast(messages, is_call=is_call):
                return self._refuse(now_us, request, target, CALLER_RATE)
        own_window = self._window  # counts always: a reserve may come in the middle of a second (LAM-200)
        if now_us >= own_window.end_us:
            own_window.turn(now_us)
        if target.route is not None and target.route.is_taken():
            target = target.route.target
        pool, version = self.pool, target.version
        reserved = self.reserved_concurrent_executions
        has_rate = not (is_async and pool.rates.exempt_async)
        if target.provisioned is not None and target.provisioned.available:
            refusal = self._lease(request, target, number, has_rate=has_rate)
            if refusal is not _SPILLS:
                return refusal
        environments = version.environments
        if reserved is None:
            window = pool.window
            if now_us >= window.end_us:
                window.turn(now_us)
            capacity, running_now = pool.unreserved_capacity, pool.unreserved_in_flight
            rate = pool.rate_limit(self._rate_factor) if self._has_ramp else self._rate_factor * capacity
        else:
            window, rate = own_window, self._rate_factor * reserved
            capacity, running_now = reserved, self.in_flight
            if self._provisioned:
                capacity, running_now = self._on_demand_share(reserved)
        if (
            running_now >= capacity
            or (window.count >= rate and has_rate)
            or not (environments.idle or self._tokens.take(now_us))
        ):
            is_fast = window.count >= rate and has_rate
            reason = self._reason(is_fast=is_fast, is_full=running_now >= capacity)
            return self._refuse(now_us, request, target, reason)

        self.invocation_count += 1
        self.in_flight = in_flight = self.in_flight + 1
        if has_rate:
            own_window.count += 1
        pool.in_flight += 1
        if reserved is None:
            if has_rate:
                window.count += 1
            pool.unreserved_in_flight += 1
        if pool.counts_apart:
            pool.note(now_us, is_unreserved=reserved is None)
        self.steps.change(now_us, in_flight)
        if target.qualifier is not None:
            self._admit_qualified(target, now_us)
        if number is None:
            number = self.request_ids.last = self.request_ids.last + 1
        is_warm = environments.idle > 0
        if not is_warm:
            environment = environments.make()
            self.cold_starts += 1
        elif self.luck is not None and self.luck.picks and environments.idle > 1:
            environment = self._pick(environments)
        else:
            environment = environments.take()
        invocation = Invocation(self, request, number, target, environment, now_us)  # type: ignore[arg-type]
        self._start(invocation, is_warm=is_warm)
        return None

    def _start(self, invocation: Invocation, *, is_warm: bool) -> None:
        """Run what was admitted: placement and init of a cold start, and the handler."""
        now_us, environment, version = self.clock.now_us, invocation.environment, invocation.deployed
        self._recent.append(invocation)
        if self.clock.trace.active:
            self.clock.trace.add((now_us, BEGUN, invocation, invocation.messages))
        repeated_init_us = 0
        if not is_warm:
            if version.builds and self._placement_us:
                self.clock.schedule(now_us + self._placement_us, self._begin_init, invocation, _COMPLETION)
                return
            if version.builds:
                self._begin_init(invocation)
                return
            repeated_init_us = self._time_init(invocation, self._draw_init(invocation))
        elif environment.is_reset:  # the init is repeated inside the invoke phase (LAM-083)
            environment.is_reset = False
            repeated_init_us = self._draw_init(invocation)
        self._invoke(invocation, repeated_init_us)

    def _begin_init(self, invocation: Invocation) -> None:
        """Run the code of the init at the begin of the init phase; what it sleeps is part of it."""
        environment, version = invocation.environment, invocation.deployed
        slept_us, error = running.init(version, environment, self.clock.now_us)
        init_us = slept_us + self._draw_init(invocation)
        if error is not None:
            self._time_init(invocation, init_us)
            running.fail_init(invocation, error, 0)
            return
        repeated_us = self._time_init(invocation, init_us)
        if repeated_us:
            environment.reset()
            environment.is_reset = False
            repeated_us -= slept_us  # it sleeps anew when it runs again
        self._invoke(invocation, repeated_us)

    def _time_init(self, invocation: Invocation, init_us: int) -> int:
        """Put placement and init before the invoke phase; return what of the init falls into it (LAM-123, LAM-126)."""
        repeated_init_us = 0
        if init_us > self._init_limit_us:  # cut, and done again
            repeated_init_us, init_us = init_us, self._init_limit_us
        invocation.init_us = init_us
        invocation.started_at_us += self._placement_us + init_us
        return repeated_init_us

    def _invoke(self, invocation: Invocation, repeated_init_us: int) -> None:
        """Begin the invoke phase, at once or when the init is over."""
        version = invocation.deployed
        if version.handler is None and not version.builds:
            self._settle(invocation, repeated_init_us)
        elif invocation.started_at_us == self.clock.now_us:
            running.run(invocation, repeated_init_us)
        else:
            self.clock.schedule(invocation.started_at_us, self._run, (invocation, repeated_init_us), _COMPLETION)

    def _run(self, work: tuple[Invocation, int]) -> None:
        running.run(*work)

    def _pick(self, environments: Environments) -> Environment:
        """Take the idle environment that is chosen (LAM-121)."""
        assert self.luck is not None
        waiting = environments.waiting()
        environment = waiting[self.luck.pick([environment.id for environment in waiting])]
        environments.take_this(environment)
        return environment

    def _replace(self, version: Version) -> None:
        """Make an environment in place of one that was reclaimed, if Lambda does so (`lambda.proactive_init`)."""
        if self.luck is not None and not version.environments.is_retired and self.luck.is_proactive():
            environment = version.environments.make_idle()
            _, error = running.init(version, environment, self.clock.now_us)
            if error is not None:  # its first invocation repeats the init, and hears of it
                environment.reset()
            if running.leaves(error):
                raise error

    # ---- provisioned environments

    def _lease(self, request: Request, target: Target, number: int | None, *, has_rate: bool) -> str | None:
        """Admit a request on a provisioned environment; `_SPILLS` where it has to run on demand (LAM-200 step 1)."""
        now_us, pool, config = self.clock.now_us, self.pool, target.provisioned
        assert config is not None
        reserved, own_window, window = self.reserved_concurrent_executions, self._window, config.window
        if reserved is not None and has_rate and own_window.count >= self._rate_factor * reserved:
            reason = self._reason(is_fast=True, is_full=self.in_flight >= reserved)
            return self._refuse(now_us, request, target, reason)
        if now_us >= window.end_us:
            window.turn(now_us)
        if (
            config.in_flight >= config.available
            or not config.environments.idle
            or (has_rate and window.count >= self._rate_factor * config.available)
            or (reserved is not None and self.in_flight >= reserved)
        ):
            return _SPILLS
        self.invocation_count += 1
        self.in_flight += 1
        pool.in_flight += 1
        if has_rate:
            own_window.count += 1
            window.count += 1
        if pool.counts_apart:
            pool.note(now_us, is_unreserved=False)
        self.steps.change(now_us, self.in_flight)
        self._change_provisioned(config, 1)
        config.invocations_by_minute.add(now_us)
        for meters in target.meters_of(target.version):
            meters.admit(now_us)
        if number is None:
            number = self.request_ids.next()
        environment = config.environments.take()
        invocation = Invocation(self, request, number, target, environment, now_us)  # type: ignore[arg-type]
        self._start(invocation, is_warm=True)
        return None

    def _admit_qualified(self, target: Target, now_us: int) -> None:
        """Count an on-demand invocation of a version or alias."""
        for meters in target.meters_of(target.version):
            meters.admit(now_us)
        if target.provisioned is not None and target.provisioned.available:
            target.provisioned.spilled_by_minute.add(now_us)

    def _on_demand_share(self, reserved: int) -> tuple[int, int]:
        """Return what of a reserve is left for on-demand requests, and what of it is in use (LAM-174)."""
        on_demand = reserved - sum(config.available for config in self._provisioned.values())
        in_use = self.in_flight - self.provisioned_in_flight
        return (on_demand, in_use) if reserved - self.in_flight > on_demand - in_use else (reserved, self.in_flight)

    def _change_provisioned(self, config: Provisioned, by: int) -> None:
        now_us = self.clock.now_us
        config.change(by)
        in_flight = sum(other.in_flight for other in self.ever_provisioned)
        self.provisioned_steps.change(now_us, in_flight)
        available = sum(other.available for other in self._provisioned.values())
        if available or self.provisioned_shares.value:
            self.provisioned_shares.change(now_us, in_flight / available if available else 0)

    def count_on_demand(self, by: int) -> None:
        """Count so many more invocations on provisioned environments as on-demand (LAM-265)."""
        if self.reserved_concurrent_executions is None:
            self.pool.count_unreserved(by, self.clock.now_us)

    def bill_provisioned(self, duration_us: int, version: Version) -> None:
        """Bill an init of a provisioned environment (LAM-302)."""
        self.billed_provisioned_mb_ms += -(-duration_us // 1000) * version.memory_size

    # ---- refusals

    def _reason(self, *, is_fast: bool, is_full: bool) -> str:
        """Return the reason of a refusal: the rate comes first, but not with a reserve of 0 (LAM-156)."""
        if self.reserved_concurrent_executions is None:
            return ACCOUNT_RATE if is_fast else ACCOUNT_CONCURRENCY
        if is_fast and self.reserved_concurrent_executions > 0:
            return RESERVED_RATE
        return RESERVED_CONCURRENCY if is_full else ACCOUNT_CONCURRENCY

    def _refuse(self, now_us: int, request: Request, target: Target, reason: str) -> str:
        """Count a refusal."""
        self.throttles += 1
        self.throttle_reasons[reason] = self.throttle_reasons.get(reason, 0) + 1
        if target.qualifier is not None:
            for meters in target.meters_of(target.version):
                meters.refuse(now_us)
        if self.clock.trace.active:
            self.clock.trace.add((now_us, THROTTLED, self, reason, getattr(request, "messages", ())))
        return reason

    # ---- duration, outcome, end

    def _settle(self, invocation: Invocation, repeated_init_us: int) -> None:
        """Decide duration and outcome of an invocation without a handler, and put its end on the agenda."""
        version = invocation.deployed
        duration_us = version.duration.constant_us
        if duration_us is None:
            duration_us = self._draw_duration(invocation, version.duration)
        required_us = duration_us + repeated_init_us
        if self.luck is not None and self.luck.may_crash:
            crash = self.luck.crash_share(invocation, invocation.messages)
            if crash is not None:
                invocation.outcome = Outcome.EXIT
                self._finish(invocation, repeated_init_us + round(duration_us * crash))
                return
        if required_us > version.timeout_us:
            self._finish(invocation, required_us)
            return
        fails = version.failure_rate and self._draws_failure(version.failure_rate, invocation)
        invocation.outcome = Outcome.ERROR if fails else _SUCCESS
        self.clock.schedule(invocation.started_at_us + required_us, self._end, invocation, _COMPLETION)

    def _draw_duration(self, invocation: Invocation, model: DurationModel) -> int:
        """Draw how long an invocation takes; a duration model that raises ends it at once, and leaves `run()`."""
        if invocation.deployed.needs_event:
            invocation.event = invocation._request.make_event()
        try:
            return model.draw_us(invocation.event)
        except BaseException as error:
            invocation.outcome, invocation.exception = Outcome.EXIT, error
            self._finish(invocation, 0)
            raise

    def _draw_init(self, invocation: Invocation) -> int:
        """Draw how long an init takes; a model that raises ends the invocation at once, and leaves `run()`."""
        try:
            return self.draw_init_us()
        except BaseException as error:
            invocation.outcome, invocation.exception = Outcome.EXIT, error
            self._finish(invocation, 0)
            raise

    def _draws_failure(self, rate: float, invocation: Invocation) -> bool:
        choices = self.clock.choices
        if isinstance(choices, Benign | Seeded):  # failures are workload: a stream of their own (LAM-006)
            return self._failures.random() < rate
        options, messages = ("success", "function error"), invocation.messages
        return self.clock.questions.ask("lambda.failure", self.arn, rate, options, invocation, messages=messages) == 1

    def _finish(self, invocation: Invocation, required_us: int) -> None:
        """Put the end on the agenda; who needs longer than the timeout ends there, side effects done (LAM-101, 102)."""
        if required_us > invocation.deployed.timeout_us:
            invocation.outcome = Outcome.TIMEOUT
            end_us, priority = invocation.started_at_us + invocation.deployed.timeout_us, _TIMEOUT
        else:
            end_us, priority = invocation.started_at_us + required_us, _COMPLETION
        self.clock.schedule(end_us, self._end, invocation, priority)

    def _end(self, invocation: Invocation) -> None:
        messages = invocation.messages if self.luck is not None or self.clock.trace.active else ()
        now_us = invocation.ended_at_us = self.clock.now_us
        environment, version = invocation.environment, invocation.deployed
        is_provisioned = environment.home.is_kept
        self.in_flight = in_flight = self.in_flight - 1
        pool, is_unreserved = self.pool, self.reserved_concurrent_executions is None and not is_provisioned
        pool.in_flight -= 1
        if is_unreserved:
            pool.unreserved_in_flight -= 1
        if pool.counts_apart:
            pool.note(now_us, is_unreserved=is_unreserved)
        self.steps.change(now_us, in_flight)
        duration_us = now_us - invocation.started_at_us
        is_error = invocation.outcome is not _SUCCESS
        if is_error:
            self.error_count += 1
            self.errors_by_minute.add(invocation.admitted_at_us)
        self._release(invocation, environment)
        self.durations.add(invocation.admitted_at_us, duration_us)
        target = invocation._target
        if target.qualifier is not None:
            for meters in target.meters_of(version):
                meters.end(invocation.admitted_at_us, duration_us, is_error=is_error)
        billed_us = duration_us + (invocation.init_us or 0) if self._bills_init else duration_us
        if is_provisioned:
            self.billed_provisioned_mb_ms += (-(-billed_us // 1000) or 1) * version.memory_size
        else:
            self.billed_mb_ms += (-(-billed_us // 1000) or 1) * version.memory_size
        if self.luck is not None:
            invocation.is_answer_lost = self.luck.loses_response(
                invocation, messages, is_call=getattr(invocation._request, "is_call", False)
            )
        if self.clock.trace.active:
            self.clock.trace.add((now_us, ENDED, invocation, messages))
        invocation._request.finished(invocation)

    def _release(self, invocation: Invocation, environment: Environment) -> None:
        """Give an environment back as its last invocation left it, or end it."""
        outcome = invocation.outcome
        if outcome is not _SUCCESS and outcome in _RESETS:
            environment.reset()
        is_destroyed = outcome is _INIT_ERROR or (self.luck is not None and self.luck.recycles(invocation))
        home = environment.home
        if home.is_kept:
            config: Provisioned = home.owner
            self._change_provisioned(config, -1)
            config.give_back(environment, is_destroyed=is_destroyed)
        elif is_destroyed:
            home.discard(environment)
        else:
            home.give_back(environment)

    def _counters(self) -> tuple[int, ...]:
        return self.invocation_count, self.throttles


def refusal(reason: str) -> TooManyRequestsException | ServiceException:
    """Return the error that a caller gets for a refusal (LAM-201, LAM-202, LAM-065)."""
    if reason == SERVICE_ERROR:
        return ServiceException("Internal service error (injected)")
    text = "Rate exceeded" if reason == CALLER_RATE else "Rate Exceeded."
    return TooManyRequestsException(text, reason=reason)


_SPILLS: Final = "SpillsOver"  # no reason that anybody sees
