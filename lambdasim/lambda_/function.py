"""A function of AWS Lambda: what is below, and the operations that invoke it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from attrs import frozen

from lambdasim.clock import Clock, Priority, Signal
from lambdasim.clock.words import describe_call
from lambdasim.errors import AwsError, UsageError
from lambdasim.errors.lambda_ import (
    InvalidRequestContentException,
    RequestTooLargeException,
    ServiceException,
    ValidationException,
)
from lambdasim.lambda_.admission import refusal
from lambdasim.lambda_.asynchronous import Eventful, refuse_constant
from lambdasim.lambda_.concurrency import ConcurrencyPool
from lambdasim.lambda_.configured import check_dead_letter_target
from lambdasim.lambda_.context import ClientContext
from lambdasim.lambda_.destinations import Directory, Nowhere
from lambdasim.lambda_.environments import Environments
from lambdasim.lambda_.faults import AsyncFaults, LambdaFaults
from lambdasim.lambda_.invocation import Invocation, InvokeResult, dumps
from lambdasim.lambda_.limits import FUNCTION_SETTINGS, DurationLike, LambdaLimits
from lambdasim.lambda_.names import check_name
from lambdasim.lambda_.tags import Tagged, Tags, check_tags
from lambdasim.lambda_.targets import Target
from lambdasim.lambda_.version import (
    Code,
    Configuration,
    Execution,
    Handler,
    check_code,
    check_details,
    check_package,
    check_range,
    check_variables,
)
from lambdasim.lambda_.world import current_sleeper
from lambdasim.settings import Settings

_WORK: Final = Priority.WORK.value
_DEFAULTS: Final = LambdaLimits()
_TYPES: Final = ("RequestResponse", "Event", "DryRun")
_LOG_TYPES: Final = ("None", "Tail")


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


class Function(Eventful, Tagged):
    """
    A function of AWS Lambda.

    It is put together of classes that stand on each other, each in a module of its own: `Admission` runs invocations,
    `Configured` has versions, aliases and concurrency, `Eventful` the queue of asynchronous events; this class has the
    operations that invoke.

    Args:
        name: 1 to 64 characters of `a-z A-Z 0-9 - _`.
        handler: `handler(event, context)`, a coroutine function, the name of a function as text (`"module.function"`),
            or None for a function that takes its time and succeeds.
        clock: The time it lives in.
        init: A factory, instead of a handler: called once for each environment, it returns the handler of that one.
        execution: `"plain"`: a handler runs whole at the instant at which it starts; `"interleaved"`: it is suspended
            where it sleeps, calls a service or touches something remote (extra `handlers`).
        pool: The concurrency it shares with others; a pool of 1,000 of its own when none is given.
        timeout: Whole seconds, 1 to 900; 3 by default.
        memory_size: MB, 128 to 10,240.
        environment: Its environment variables.
        duration: What an invocation takes besides what its handler sleeps: seconds, a timedelta, a callable of the
            event, or anything with `sample(random)`; 0.1 s by default, 0 for handlers that are suspended.
        failure_rate: The share of invocations that fail, for a function without a handler.
        reserved_concurrent_executions: Concurrency guaranteed to the function, and its ceiling; None for none.
        architecture: `x86_64` or `arm64`: a matter of price.
        log_group: `/aws/lambda/` and the name, unless given.
        dead_letter_target_arn: Of a queue or topic that gets asynchronous events that failed.
        description: Any text.
        zip_file: A deployment package, as bytes. A handler that is a text is imported from it, and from nowhere else
            where the package has such a module; without one it is imported from where this process imports.
        details: What is kept, frozen with versions, shown, and changes nothing: members of AWS's answers by name.
        tags: Texts by name.
        faults, async_faults: What may go wrong here.
        directory: Finds destinations by ARN.
        settings: `LambdaLimits`, `ColdStartModel`, `EnvironmentModel`, `ScalingRate`, `RuntimeModel`,
            `ProvisioningModel`, `AsyncModel`, at most one of each; what concerns the account belongs to the pool.
        region, account_id, partition: For the ARN.
    Raises:
        ValidationException: A name, timeout or memory size out of range (LAM-021, LAM-022).
        InvalidParameterValueException: The reserve would leave too little for others (LAM-152), or environment
            variables that Lambda refuses (LAM-024).
        UsageError: A handler, duration or failure rate that is none.

    Rules: LAM-020 to LAM-028, LAM-040 to LAM-047.
    """

    def __init__(
        self,
        name: str,
        handler: Handler | str | None,
        clock: Clock,
        *,
        init: Callable[[], Any] | None = None,
        execution: Execution = "plain",
        pool: ConcurrencyPool | None = None,
        timeout: int | None = None,
        memory_size: int | None = None,
        environment: Mapping[str, str] | None = None,
        duration: DurationLike | None = None,
        failure_rate: float = 0.0,
        reserved_concurrent_executions: int | None = None,
        architecture: str = "x86_64",
        log_group: str | None = None,
        dead_letter_target_arn: str | None = None,
        description: str = "",
        zip_file: bytes | None = None,
        details: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        faults: LambdaFaults | None = None,
        async_faults: AsyncFaults | None = None,
        directory: Directory | None = None,
        settings: Iterable[object] | Settings = (),
        region: str = "us-east-1",
        account_id: str = "123456789012",
        partition: str = "aws",
    ) -> None:
        if not isinstance(settings, Settings):
            settings = Settings(settings, allowed=FUNCTION_SETTINGS, where=f"function {name!r}")
        limits = settings.get(LambdaLimits)
        check_name(name)
        configuration = Configuration(
            timeout=limits.timeout_default_s if timeout is None else timeout,
            memory_size=limits.memory_default_mb if memory_size is None else memory_size,
            environment=check_variables(environment, limits),
            description=description,
            dead_letter_target_arn=check_dead_letter_target(dead_letter_target_arn),
            log_group=log_group or f"/aws/lambda/{name}",
            details=check_details(details),
        )
        check_range("timeout", configuration.timeout, limits.timeout_min_s, limits.timeout_max_s)
        check_range("memorySize", configuration.memory_size, limits.memory_min_mb, limits.memory_max_mb)
        code = Code(
            handler=handler,
            init=init,
            execution=execution,
            duration=duration,
            failure_rate=failure_rate,
            package=check_package(zip_file),
            architecture=architecture,
        )
        check_code(code)
        checked_tags = check_tags({} if tags is None else tags)
        pool = ConcurrencyPool.of(limits) if pool is None else pool
        for field in ("account_concurrency", "unreserved_floor"):
            asked, there = getattr(limits, field), getattr(pool, field)
            if asked not in (getattr(_DEFAULTS, field), there):
                msg = f"LambdaLimits({field}={asked}) of {name!r}: the pool has {there}; say it to the simulation"
                raise UsageError(msg)
        super().__init__(
            name,
            f"arn:{partition}:lambda:{region}:{account_id}:function:{name}",
            region,
            clock,
            pool,
            settings,
            LambdaFaults() if faults is None else faults,
            code,
            configuration,
            AsyncFaults() if async_faults is None else async_faults,
            Nowhere() if directory is None else directory,
        )
        self._tags = Tags(checked_tags)
        if reserved_concurrent_executions is not None:
            self._reserve(reserved_concurrent_executions)

    def __repr__(self) -> str:
        """Show the name and what runs."""
        return f"<function {self.name}: {self.in_flight} in flight>"

    # ---- operations

    def invoke(
        self,
        payload: object = None,
        *,
        invocation_type: str = "RequestResponse",
        qualifier: str | None = None,
        log_type: str | None = None,
        client_context: str | Mapping[str, Any] | None = None,
    ) -> InvokeResult:
        """
        Invoke: simulated time runs until the answer is there, or an event is accepted for later.

        An interleaved handler that calls this is suspended until the answer is there. In a plain handler or a callback
        time stands still, and only `Event` and `DryRun` make sense.

        Args:
            payload: JSON text (str or bytes), or any other JSON value; None means `{}`.
            invocation_type: `RequestResponse`, `Event` (asynchronous), or `DryRun`, which only checks.
            qualifier: A version or alias; None for `$LATEST`.
            log_type: `Tail` asks for the end of the log.
            client_context: AWS's base64 of a JSON object, or the object.
        Returns:
            The answer; a function that failed shows only in `function_error`.
        Raises:
            ValidationException, ResourceNotFoundException, RequestTooLargeException, InvalidRequestContentException,
            ServiceException, TooManyRequestsException: In this order (LAM-065); `reason` names the limit.
            UsageError: A synchronous call while an event runs.

        Rules: LAM-060 to LAM-067, LAM-201, ASY-010 to ASY-018.
        """
        fiber = self.clock.fiber
        if fiber is not None:
            text = describe_call(f"{self.name}.invoke", (payload,), {}) if self.clock.trace.active else ""
            fiber.point(0, text)
            fiber.note(text)
        call = self._call(payload, invocation_type, qualifier, log_type, client_context)
        if isinstance(call, InvokeResult):
            return call
        if fiber is not None:
            call.is_call = False
            self.clock.soon(self._begin_apart, call, _WORK)
            return fiber.wait(call.answer)
        if self.clock.is_running:
            msg = (
                f"{self.name}.invoke() was called while an event runs: time stands still; use wait_invoke in a "
                "process, or execution='interleaved'"
            )
            raise UsageError(msg)
        self.clock.perform(self._refuse_or_begin, call)
        self.clock.run_until(lambda: call.answer.is_set)
        return call.answer.result()

    async def wait_invoke(
        self,
        payload: object = None,
        *,
        invocation_type: str = "RequestResponse",
        qualifier: str | None = None,
        log_type: str | None = None,
        client_context: str | Mapping[str, Any] | None = None,
    ) -> InvokeResult:
        """Invoke as `invoke` does, from a process or a coroutine handler: it is suspended until the answer is there."""
        call = self._call(payload, invocation_type, qualifier, log_type, client_context)
        if isinstance(call, InvokeResult):
            return call
        if current_sleeper() is None:
            self._refuse_or_begin(call)
        else:
            self.clock.soon(self._begin_apart, call, _WORK)
        return await call.answer

    def invoke_async(self, invoke_args: object) -> InvokeResult:
        """Invoke asynchronously, by the older name of it (ASY-018)."""
        return self._accept(invoke_args, None)

    # ---- looking

    @property
    def invocations(self) -> tuple[Invocation, ...]:
        """The newest invocations, oldest first, those that still run included."""
        return tuple(self._recent)

    def snapshot(self) -> FunctionSnapshot:
        """Return the counts of this instant. Runtime: `O(versions)`."""
        places = self._places()
        making = sum(config.making for config in self.ever_provisioned)
        busy = sum(environments.busy for environments in places) - making
        idle = sum(environments.idle for environments in places)
        return FunctionSnapshot(
            at_us=self.clock.now_us,
            in_flight=self.in_flight,
            environments=busy + idle,
            busy=busy,
            idle=idle,
            cold_starts=self.cold_starts,
            invocations=self.invocation_count,
            errors=self.error_count,
            throttles=self.throttles,
        )

    def check_invariants(self) -> None:
        """Assert that concurrency, environments and limits agree (LAM-120, LAM-266, ASY-121)."""
        name = self.name
        making = sum(config.making for config in self.ever_provisioned)
        busy = sum(environments.busy for environments in self._places())
        assert self.in_flight == busy - making, f"{name}: {self.in_flight} in flight, {busy - making} busy"
        on_provisioned = sum(config.covered for config in self.ever_provisioned)
        assert self.provisioned_in_flight == on_provisioned, f"{name}: in flight on provisioned environments differ"
        for environments in self._places():
            assert environments.idle >= 0
            environments.check_invariants()
        for config in self._provisioned.values():
            config.check_invariants()
        assert self.pool.in_flight >= self.in_flight, f"{name}: the pool counts less than the function"
        queued = sum(event.state.value == "queued" for event in self._events.values())
        assert queued == self._queued, f"{name}: {self._queued} events queued by count, {queued} there"
        events = self.async_snapshot()
        known = events.succeeded + events.dropped + events.queued + events.running
        assert events.received == known, f"{name}: {events.received} events received, {known} known"

    def _places(self) -> list[Environments]:
        """Return all environments there may be: of each version and kind."""
        places = [self.latest.environments, *(version.environments for version in self._versions.values())]
        places += [config.environments for config in self.ever_provisioned]
        return places + [past for past in self._past if not any(past is other for other in places)]

    # ---- small things

    def _call(
        self,
        payload: object,
        invocation_type: str,
        qualifier: str | None,
        log_type: str | None,
        client_context: str | Mapping[str, Any] | None,
    ) -> _Call | InvokeResult:
        """Check a call; return it, or the answer to one that does not wait."""
        _check_word("invocationType", invocation_type, _TYPES)
        _check_word("logType", "None" if log_type is None else log_type, _LOG_TYPES)
        target = self.target(qualifier)
        if invocation_type == "DryRun":
            return InvokeResult(status_code=204, executed_version=None, payload=b"")
        if invocation_type == "Event":
            return self._accept(payload, qualifier)
        call = _Call(self._parse(payload), target, self._read_client_context(client_context))
        call.wants_log = log_type == "Tail"
        return call

    def _refuse_or_begin(self, call: _Call) -> None:
        reason = self.begin(call, call.target)
        if reason is not None:
            raise refusal(reason)

    def _begin_apart(self, call: _Call) -> None:
        """Begin a call of a handler once that is suspended: no handler runs within the turn of another."""
        try:
            call.target = self.target(call.target.qualifier)  # it may be gone by now
            self._refuse_or_begin(call)
        except AwsError as error:
            call.answer.fail(error)

    def _parse(self, payload: object) -> Any:
        if payload is None or payload in ("", b""):
            return {}
        limit = self.limits.sync_request_bytes
        try:
            given = payload if isinstance(payload, str | bytes) else dumps(payload)
            size = len(given) if isinstance(given, bytes) else len(given.encode())
            if size <= limit:
                text = given.decode() if isinstance(given, bytes) else given
                return json.loads(text, parse_constant=refuse_constant)
        except (TypeError, ValueError, RecursionError) as error:
            msg = f"Could not parse request body into json: {error}"
            raise InvalidRequestContentException(msg) from error
        msg = f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
        raise RequestTooLargeException(msg)

    def _read_client_context(self, given: str | Mapping[str, Any] | None) -> ClientContext | None:
        if given is None:
            return None
        if isinstance(given, Mapping):
            try:
                given = base64.b64encode(dumps(dict(given)).encode()).decode()
            except (TypeError, ValueError, RecursionError) as error:
                msg = f"client_context={given!r} is no JSON object: {error}"
                raise UsageError(msg) from error
        if not isinstance(given, str):
            msg = f"client_context={given!r} is no text; give AWS's base64 of a JSON object, or the object"
            raise UsageError(msg)
        if len(given) > self.limits.client_context_bytes:
            msg = (
                f"1 validation error detected: Value '{given}' at 'clientContext' failed to satisfy constraint: Member "
                f"must have length less than or equal to {self.limits.client_context_bytes}"
            )
            raise ValidationException(msg)
        try:
            parsed = json.loads(base64.b64decode(given, validate=True))
        except (binascii.Error, ValueError) as error:
            msg = "Client context must be a valid Base64-encoded JSON object."
            raise InvalidRequestContentException(msg) from error
        if not isinstance(parsed, dict):
            msg = "Client context must be a valid Base64-encoded JSON object."
            raise InvalidRequestContentException(msg)
        return ClientContext(parsed)


class _Call:
    """A synchronous call under way."""

    __slots__ = ("_event", "answer", "client_context", "is_call", "target", "wants_log")

    def __init__(self, event: object, target: Target, client_context: ClientContext | None) -> None:
        self._event = event
        self.target = target
        self.client_context = client_context
        self.wants_log = False
        self.is_call = True  # of somebody who is no handler: exploring choosers spare it
        self.answer: Signal[InvokeResult] = Signal()

    def make_event(self) -> Any:
        return self._event

    def finished(self, invocation: Invocation) -> None:
        if invocation.is_answer_lost:
            self.answer.fail(ServiceException("The answer was lost (injected)"))
            return
        log = None
        if self.wants_log:
            text = "".join(f"{line}\n" for line in invocation.log_lines).encode(errors="backslashreplace")
            log = base64.b64encode(text[max(0, len(text) - invocation.function.limits.log_tail_bytes) :]).decode()
        self.answer.set(
            InvokeResult(
                status_code=200,
                executed_version=invocation.version,
                payload=invocation.payload,
                function_error=invocation.function_error,
                log_result=log,
            )
        )


def _check_word(member: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        msg = (
            f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must "
            f"satisfy enum value set: [{', '.join(allowed)}]"
        )
        raise ValidationException(msg)
