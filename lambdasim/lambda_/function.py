"""
A function: its configuration, admission, and the life of an invocation.

An invocation is admitted or refused at once (LAM-200). Admitted, it holds a unit of concurrency and an environment from
there to its end. A function without a handler is settled at admission, with nothing but its end on the agenda; a
handler runs whole at the instant at which it starts, and its answer takes effect at the end.
"""

from __future__ import annotations

import inspect
import json
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from attrs import frozen

from lambdasim.clock import ChoicePoint, Clock, Kind, Priority, Seeded, Signal
from lambdasim.clock.choices import Benign
from lambdasim.clock.meters import Counter, Ledger, Samples
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import (
    InvalidRequestContentException,
    RequestTooLargeException,
    TooManyRequestsException,
    ValidationException,
)
from lambdasim.lambda_.concurrency import (
    ACCOUNT_CONCURRENCY,
    ACCOUNT_RATE,
    RESERVED_CONCURRENCY,
    RESERVED_RATE,
    ConcurrencyPool,
    EnvironmentTokens,
    RateWindow,
)
from lambdasim.lambda_.context import Context, InvocationTimedOut
from lambdasim.lambda_.duration import DurationModel
from lambdasim.lambda_.environments import Environments
from lambdasim.lambda_.invocation import Invocation, InvokeResult, Outcome, Request, dumps
from lambdasim.lambda_.limits import (
    DEFAULT_DURATION_S,
    FUNCTION_SETTINGS,
    ColdStartModel,
    DurationLike,
    EnvironmentModel,
    LambdaLimits,
    RuntimeModel,
    ScalingRate,
)
from lambdasim.settings import Settings
from lambdasim.units import MICROSECONDS, seconds

Handler = Callable[[Any, Any], Any]

_COMPLETION: Final = Priority.COMPLETION.value
_TIMEOUT: Final = Priority.TIMEOUT.value
_SUCCESS: Final = Outcome.SUCCESS
_UNLIMITED: Final = 1 << 40  # requests a second for each unit of concurrency: none is refused by rate
_DEFAULTS: Final = LambdaLimits()
_NAME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")

BEGUN: Final = Kind(
    "invocation started",
    lambda invocation: (
        invocation.function.name,
        {"request_id": invocation.request_id, "environment": invocation.environment.id},
    ),
)
ENDED: Final = Kind(
    "invocation ended",
    lambda invocation: (
        invocation.function.name,
        {"request_id": invocation.request_id, "outcome": invocation.outcome.value},
    ),
)
THROTTLED: Final = Kind("invocation throttled", lambda function, reason: (function.name, {"reason": reason}))


@frozen(kw_only=True)
class FunctionSnapshot:
    """A function at one instant."""

    at_us: int
    in_flight: int
    environments: int
    busy: int
    idle: int
    cold_starts: int
    invocations: int
    errors: int
    throttles: int


class Function:
    """
    A function of AWS Lambda.

    Args:
        name: 1 to 64 characters of `a-z A-Z 0-9 - _`.
        handler: `handler(event, context)`, or None for a function that takes its time and succeeds.
        clock: The time it lives in.
        pool: The concurrency it shares with others; a pool of 1,000 of its own when none is given.
        timeout: Whole seconds, 1 to 900; 3 by default.
        memory_size: MB, 128 to 10,240.
        duration: What an invocation takes besides what its handler sleeps: seconds, a timedelta, a callable of the
            event, or anything with `sample(random)`; 0.1 s by default.
        failure_rate: The share of invocations that fail, for a function without a handler.
        reserved_concurrent_executions: Concurrency guaranteed to the function, and its ceiling; None for none.
        architecture: `x86_64` or `arm64`: a matter of price.
        settings: `LambdaLimits`, `ColdStartModel`, `EnvironmentModel`, `ScalingRate`, `RuntimeModel`, at most one
            of each; what concerns the account belongs to the pool.
        region, account_id, partition: For the ARN.
    Raises:
        ValidationException: A name, timeout or memory size out of range (LAM-021, LAM-022).
        InvalidParameterValueException: The reserve would leave too little for others (LAM-152).
        UsageError: What the handler, the duration or the failure rate is, this version does not take.

    Rules: LAM-020 to LAM-022, LAM-040 to LAM-045.
    """

    def __init__(
        self,
        name: str,
        handler: Handler | None,
        clock: Clock,
        *,
        pool: ConcurrencyPool | None = None,
        timeout: int | None = None,
        memory_size: int | None = None,
        duration: DurationLike | None = None,
        failure_rate: float = 0.0,
        reserved_concurrent_executions: int | None = None,
        architecture: str = "x86_64",
        settings: Iterable[object] | Settings = (),
        region: str = "us-east-1",
        account_id: str = "123456789012",
        partition: str = "aws",
    ) -> None:
        if not isinstance(settings, Settings):
            settings = Settings(settings, allowed=FUNCTION_SETTINGS, where=f"function {name!r}")
        limits = self.limits = settings.get(LambdaLimits)
        self.runtime = settings.get(RuntimeModel)
        self._bills_init = self.runtime.billing == "current"
        self._cold_start = settings.get(ColdStartModel)
        _check_name(name)
        self.timeout = limits.timeout_default_s if timeout is None else timeout
        self.memory_size = limits.memory_default_mb if memory_size is None else memory_size
        check_range("timeout", self.timeout, limits.timeout_min_s, limits.timeout_max_s)
        check_range("memorySize", self.memory_size, limits.memory_min_mb, limits.memory_max_mb)
        if architecture not in ("x86_64", "arm64"):
            msg = f"architecture={architecture!r}: it is x86_64 or arm64"
            raise UsageError(msg)
        _check_handler(handler)
        if isinstance(failure_rate, bool) or not isinstance(failure_rate, int | float) or not 0 <= failure_rate <= 1:
            msg = f"failure_rate={failure_rate!r} is no share; give a number from 0 to 1"
            raise UsageError(msg)
        if failure_rate and handler is not None:
            msg = f"failure_rate={failure_rate!r} is for a function without a handler; let the handler raise instead"
            raise UsageError(msg)
        self.name = name
        self.arn = f"arn:{partition}:lambda:{region}:{account_id}:function:{name}"
        self.region = region
        self.clock = clock
        self.handler = handler
        self.architecture = architecture
        self.timeout_us = self.timeout * MICROSECONDS
        self.failure_rate = failure_rate
        given = DEFAULT_DURATION_S if duration is None else duration
        self._duration = DurationModel(given, clock.streams, f"{self.arn}/duration", name="duration")
        self._init = DurationModel(self._cold_start.init_s, clock.streams, f"{self.arn}/init", name="init_s")
        self._placement_us = seconds(self._cold_start.placement_s, name="placement_s")
        self._init_limit_us = seconds(self._cold_start.init_limit_s, name="init_limit_s")
        self._failures = clock.streams[f"{self.arn}/lambda.failure"]
        self._failure_point = ChoicePoint(name="lambda.failure", owner=self.arn, weight=failure_rate)
        self.needs_event = handler is not None or self._duration.needs_event

        self.pool = ConcurrencyPool.of(limits) if pool is None else pool
        for field in ("account_concurrency", "unreserved_floor"):
            asked, there = getattr(limits, field), getattr(self.pool, field)
            if asked not in (getattr(_DEFAULTS, field), there):
                msg = f"LambdaLimits({field}={asked}) of {name!r}: the pool has {there}; say it to the simulation"
                raise UsageError(msg)
        self.environments = Environments(name, clock, settings.get(EnvironmentModel))
        self._tokens = EnvironmentTokens(settings.get(ScalingRate), clock.now_us)
        self._window = RateWindow(self.pool.rates.window_s)
        self._rate_factor = limits.rps_factor if self.pool.rates.mode != "off" else _UNLIMITED
        self.reserved_concurrent_executions: int | None = None

        self.request_ids = clock.identifiers.series("request", self.arn)
        self.in_flight = 0
        if reserved_concurrent_executions is not None:
            self._reserve(reserved_concurrent_executions)
        self.invocation_count = 0
        self.error_count = 0
        self.throttles = 0
        self.billed_mb_ms = 0  #: billed milliseconds times megabytes (LAM-301)
        self.steps = self.pool.join()
        self.durations = Samples()
        self.errors_by_minute = Counter()
        self.ledger = Ledger(clock.now_us, self._counters)
        self.throttle_reasons: dict[str, int] = {}
        self._recent: deque[Invocation] = deque(maxlen=self.runtime.logs_kept)

    def __repr__(self) -> str:
        """Show the name and what runs."""
        return f"<function {self.name}: {self.in_flight} in flight>"

    # ---- operations

    def invoke(self, payload: object = None, *, invocation_type: str = "RequestResponse") -> InvokeResult:
        """
        Invoke synchronously: simulated time runs until the answer is there.

        Args:
            payload: JSON text (str or bytes), or any other JSON value; None means `{}`.
            invocation_type: `RequestResponse`, or `DryRun`, which only checks.
        Returns:
            The answer; a function that failed shows only in `function_error`.
        Raises:
            TooManyRequestsException: Refused by a limit; `reason` names it.
            InvalidRequestContentException: The text is not JSON.
            RequestTooLargeException: More than 6,291,456 bytes.
            UsageError: Called while an event runs, or for an invocation type that this version does not have.

        Rules: LAM-060 to LAM-067, LAM-201.
        """
        if invocation_type == "DryRun":
            return InvokeResult(status_code=204, executed_version=None, payload=b"")
        if invocation_type != "RequestResponse":
            msg = f"invocation_type={invocation_type!r} is not modelled in this version; use RequestResponse or DryRun"
            raise UsageError(msg)
        if self.clock.is_running:
            msg = (
                f"{self.name}.invoke() was called while an event runs: time stands still; use wait_invoke in a process"
            )
            raise UsageError(msg)
        call = _Call(self._parse(payload))
        self.clock.perform(self._refuse_or_begin, call)
        self.clock.run_until(lambda: call.answer.is_set)
        return call.answer.result()

    async def wait_invoke(self, payload: object = None) -> InvokeResult:
        """Invoke as `invoke` does, from a process, which is suspended until the answer is there."""
        call = _Call(self._parse(payload))
        self._refuse_or_begin(call)
        return await call.answer

    def put_function_concurrency(self, reserved_concurrent_executions: int) -> None:
        """
        Reserve concurrency: guaranteed to this function, and its ceiling; 0 stops it. Work in flight goes on.

        Raises:
            InvalidParameterValueException: Too little would stay unreserved (LAM-152).

        Rules: LAM-151, LAM-152, LAM-156, LAM-157.
        """
        self._reserve(reserved_concurrent_executions)

    def get_function_concurrency(self) -> int | None:
        """Return the reserved concurrency, None when unset (LAM-155)."""
        return self.reserved_concurrent_executions

    def delete_function_concurrency(self) -> None:
        """Unset the reserved concurrency; does nothing when it is not set (LAM-155)."""
        if self.reserved_concurrent_executions is not None:
            self.reserved_concurrent_executions = None
            self.pool.release_reserve(self.name, self.clock.now_us, in_flight=self.in_flight)

    # ---- looking

    @property
    def invocations(self) -> tuple[Invocation, ...]:
        """The newest invocations, oldest first, those that still run included."""
        return tuple(self._recent)

    def snapshot(self) -> FunctionSnapshot:
        """Return the counts of this instant. Runtime: `O(1)`."""
        environments = self.environments
        return FunctionSnapshot(
            at_us=self.clock.now_us,
            in_flight=self.in_flight,
            environments=environments.alive,
            busy=environments.busy,
            idle=environments.idle,
            cold_starts=environments.cold_starts,
            invocations=self.invocation_count,
            errors=self.error_count,
            throttles=self.throttles,
        )

    def check_invariants(self) -> None:
        """Assert that concurrency, environments and limits agree (LAM-120, LAM-266)."""
        assert self.in_flight == self.environments.busy, f"{self.name}: {self.in_flight} in flight, busy differ"
        assert self.in_flight >= 0
        assert self.environments.idle >= 0
        self.environments.check_invariants()
        assert self.pool.in_flight >= self.in_flight, f"{self.name}: the pool counts less than the function"

    # ---- the life of an invocation

    def begin(self, request: Request) -> str | None:
        """
        Admit a request and start it, or return the `Reason` of the refusal. Runtime: `O(1)`.

        Rules: LAM-200 to LAM-211, LAM-230, LAM-262.
        """
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self.ledger.turn(now_us)
        pool, environments = self.pool, self.environments
        reserved = self.reserved_concurrent_executions
        window = self._window  # counts always: a reserve may come in the middle of a second (LAM-200)
        if now_us >= window.end_us:
            window.turn(now_us)
        own_window = window
        if reserved is None:
            capacity, running, window = pool.unreserved_capacity, pool.unreserved_in_flight, pool.window
            if now_us >= window.end_us:
                window.turn(now_us)
        else:
            capacity, running = reserved, self.in_flight
        if (
            running >= capacity
            or window.count >= self._rate_factor * capacity
            or not (environments.idle or self._tokens.take(now_us))
        ):
            return self._refuse(
                now_us, is_full=running >= capacity, is_fast=window.count >= self._rate_factor * capacity
            )

        self.invocation_count += 1
        self.in_flight = in_flight = self.in_flight + 1
        own_window.count += 1
        pool.in_flight += 1
        if reserved is None:
            window.count += 1
            pool.unreserved_in_flight += 1
        if pool.counts_apart:
            pool.note(now_us, is_unreserved=reserved is None)
        self.steps.change(now_us, in_flight)
        number = self.request_ids.last = self.request_ids.last + 1
        is_warm = environments.idle > 0
        environment = environments.take() if is_warm else environments.make()
        invocation = Invocation(self, request, number, environment, now_us)
        self._recent.append(invocation)
        repeated_init_us = 0
        if not is_warm:
            repeated_init_us = self._begin_cold(invocation)
        elif environment.is_reset:  # the init is repeated inside the invoke phase (LAM-083)
            environment.is_reset = False
            repeated_init_us = self._init.draw_us(None)
        if self.clock.trace.active:
            self.clock.trace.add((now_us, BEGUN, invocation))
        if self.handler is None:
            self._settle(invocation, repeated_init_us)
        elif invocation.started_at_us == now_us:
            self._run_handler((invocation, repeated_init_us))
        else:
            self.clock.schedule(
                invocation.started_at_us, self._run_handler, (invocation, repeated_init_us), _COMPLETION
            )
        return None

    def _begin_cold(self, invocation: Invocation) -> int:
        """Put placement and init before the invoke phase; return what of the init falls into it (LAM-123, LAM-126)."""
        init_us, repeated_init_us = self._init.draw_us(None), 0
        if init_us > self._init_limit_us:  # cut, and done again inside the invoke phase
            repeated_init_us, init_us = init_us, self._init_limit_us
        invocation.init_us = init_us
        invocation.started_at_us += self._placement_us + init_us
        return repeated_init_us

    def _refuse(self, now_us: int, *, is_full: bool, is_fast: bool) -> str:
        """Count a refusal and return its reason: the rate comes first, but not with a reserve of 0 (LAM-156)."""
        if self.reserved_concurrent_executions is None:
            reason = ACCOUNT_RATE if is_fast else ACCOUNT_CONCURRENCY
        else:
            is_fast = is_fast and self.reserved_concurrent_executions > 0
            reason = RESERVED_RATE if is_fast else RESERVED_CONCURRENCY if is_full else ACCOUNT_CONCURRENCY
        self.throttles += 1
        self.throttle_reasons[reason] = self.throttle_reasons.get(reason, 0) + 1
        if self.clock.trace.active:
            self.clock.trace.add((now_us, THROTTLED, self, reason))
        return reason

    def _settle(self, invocation: Invocation, repeated_init_us: int) -> None:
        """Decide duration and outcome of an invocation without a handler, and put its end on the agenda."""
        duration_us = self._duration.constant_us
        if duration_us is None:
            duration_us = self._draw_duration(invocation)
        required_us = duration_us + repeated_init_us
        if required_us > self.timeout_us:
            self._schedule_end(invocation, required_us)
            return
        invocation.outcome = Outcome.ERROR if self.failure_rate and self._draws_failure() else _SUCCESS
        self.clock.schedule(invocation.started_at_us + required_us, self._end, invocation, _COMPLETION)

    def _draw_duration(self, invocation: Invocation) -> int:
        """Draw how long an invocation takes; a duration model that raises ends it at once, and leaves `run()`."""
        if self.needs_event:
            invocation.event = invocation._request.make_event()
        try:
            return self._duration.draw_us(invocation.event)
        except BaseException as error:
            invocation.outcome, invocation.exception = Outcome.EXIT, error
            self._schedule_end(invocation, 0)
            raise

    def _draws_failure(self) -> bool:
        choices = self.clock.choices
        if isinstance(choices, Benign | Seeded):  # failures are workload: a stream of their own (LAM-006)
            return self._failures.random() < self.failure_rate
        return choices.choose(self._failure_point, ("success", "function error")) == 1

    def _run_handler(self, work: tuple[Invocation, int]) -> None:
        """Run the handler whole, at the instant at which the invoke phase starts."""
        invocation, slept_us = work
        assert self.handler is not None
        duration_us = self._draw_duration(invocation)  # before the handler can change the event
        event = invocation.event
        context = Context(invocation)
        if slept_us:
            context._slept_us = slept_us
        leaves: BaseException | None = None
        try:
            if slept_us > self.timeout_us:
                raise InvocationTimedOut  # noqa: TRY301 - the repeated init alone took longer (LAM-126)
            result = self.handler(event, context)
        except InvocationTimedOut:
            self._schedule_end(invocation, self.timeout_us + 1)
            return
        except Exception as error:
            invocation.outcome, invocation.exception = Outcome.ERROR, error
            # A failed assertion inside a handler is a failed test, not an outcome that Lambda would retry.
            leaves = error if isinstance(error, AssertionError) else None
        except BaseException as error:
            invocation.outcome, invocation.exception = Outcome.EXIT, error
            leaves = None if isinstance(error, SystemExit) else error
        else:
            self._take_result(invocation, result)
        self._schedule_end(invocation, context.slept_us + duration_us)
        if leaves is not None:
            raise leaves

    def _take_result(self, invocation: Invocation, result: object) -> None:
        if result is None:
            invocation.outcome = Outcome.SUCCESS
            return
        try:
            text = dumps(result).encode()
            if len(text) > self.limits.sync_response_bytes:
                invocation.outcome = Outcome.TOO_LARGE
                return
            invocation.result = json.loads(text)  # what crosses the boundary is JSON: later changes do not show
        except (TypeError, ValueError, RecursionError) as error:
            invocation.outcome, invocation.exception = Outcome.UNSERIALISABLE, error
            return
        invocation.answer = text
        invocation.outcome = Outcome.SUCCESS

    def _schedule_end(self, invocation: Invocation, required_us: int) -> None:
        """Put the end on the agenda; who needs longer than the timeout ends there, side effects done (LAM-101, 102)."""
        if required_us > self.timeout_us:
            invocation.outcome = Outcome.TIMEOUT
            end_us, priority = invocation.started_at_us + self.timeout_us, _TIMEOUT
        else:
            end_us, priority = invocation.started_at_us + required_us, _COMPLETION
        self.clock.schedule(end_us, self._end, invocation, priority)

    def _end(self, invocation: Invocation) -> None:
        now_us = invocation.ended_at_us = self.clock.now_us
        self.in_flight = in_flight = self.in_flight - 1
        pool, is_unreserved = self.pool, self.reserved_concurrent_executions is None
        pool.in_flight -= 1
        if is_unreserved:
            pool.unreserved_in_flight -= 1
        if pool.counts_apart:
            pool.note(now_us, is_unreserved=is_unreserved)
        self.steps.change(now_us, in_flight)
        environment = invocation.environment
        if invocation.outcome is not _SUCCESS:
            self.error_count += 1
            self.errors_by_minute.add(invocation.admitted_at_us)
            if invocation.outcome in (Outcome.TIMEOUT, Outcome.EXIT):
                environment.reset()
        self.environments.give_back(environment)
        duration_us = now_us - invocation.started_at_us
        self.durations.add(invocation.admitted_at_us, duration_us)
        billed_us = duration_us + (invocation.init_us or 0) if self._bills_init else duration_us
        self.billed_mb_ms += (-(-billed_us // 1000) or 1) * self.memory_size
        if self.clock.trace.active:
            self.clock.trace.add((now_us, ENDED, invocation))
        invocation._request.finished(invocation)

    # ---- small things

    def _refuse_or_begin(self, call: _Call) -> None:
        reason = self.begin(call)
        if reason is not None:
            msg = "Rate Exceeded."
            raise TooManyRequestsException(msg, reason=reason)

    def _parse(self, payload: object) -> Any:
        if payload is None or payload in ("", b""):
            return {}
        limit = self.limits.sync_request_bytes
        try:
            text = payload if isinstance(payload, str | bytes) else dumps(payload)
            size = len(text) if isinstance(text, bytes) else len(text.encode())
            if size <= limit:
                return json.loads(text, parse_constant=_refuse_constant)
        except (TypeError, ValueError, RecursionError) as error:
            msg = f"Could not parse request body into json: {error}"
            raise InvalidRequestContentException(msg) from error
        msg = f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
        raise RequestTooLargeException(msg)

    def _reserve(self, amount: int) -> None:
        if isinstance(amount, bool) or not isinstance(amount, int):
            msg = (
                f"reserved_concurrent_executions={amount!r} is no whole number; give 0 or more, or None for no reserve"
            )
            raise UsageError(msg)
        check_range("reservedConcurrentExecutions", amount, 0, None)
        in_flight = self.in_flight if self.reserved_concurrent_executions is None else 0
        self.pool.reserve(self.name, amount, self.clock.now_us, in_flight=in_flight)
        self.reserved_concurrent_executions = amount

    def _counters(self) -> tuple[int, ...]:
        return self.invocation_count, self.throttles


class _Call:
    """A synchronous call under way."""

    __slots__ = ("_event", "answer")

    def __init__(self, event: object) -> None:
        self._event = event
        self.answer: Signal[InvokeResult] = Signal()

    def make_event(self) -> Any:
        return self._event

    def finished(self, invocation: Invocation) -> None:
        self.answer.set(
            InvokeResult(
                status_code=200,
                executed_version="$LATEST",
                payload=invocation.payload,
                function_error=invocation.function_error,
            )
        )


def _refuse_constant(name: str) -> object:
    msg = f"{name} is no JSON value"
    raise ValueError(msg)


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= 64 or not _NAME_CHARACTERS.issuperset(name):
        msg = (
            f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: [a-zA-Z0-9-_]+ and have length between 1 and 64"
        )
        raise ValidationException(msg)


def check_range(field: str, value: object, low: int, high: int | None) -> None:
    """Refuse a number out of its range in AWS's words (LAM-022, ESM-030), and what is no whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        msg = f"{field}={value!r} is no whole number"
        raise UsageError(msg)
    bound = f"greater than or equal to {low}" if value < low else ""
    if high is not None and value > high:
        bound = f"less than or equal to {high}"
    if bound:
        msg = (
            f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: Member must have "
            f"value {bound}"
        )
        raise ValidationException(msg)


def _check_handler(handler: object) -> None:
    if isinstance(handler, str):
        msg = f"handler={handler!r}: handlers by module name are not modelled in this version; give the function itself"
        raise UsageError(msg)
    if handler is not None and not callable(handler):
        msg = f"handler={handler!r} cannot be called; give a function of event and context, or None"
        raise UsageError(msg)
    if inspect.iscoroutinefunction(handler):
        msg = f"handler={handler!r}: coroutine handlers are not modelled in this version; give a plain function"
        raise UsageError(msg)
