"""
Asynchronous invocation: the queue of events that Lambda keeps for a function, its retries, and where the end is told.

An event is tried at once and, whatever becomes of it, either runs, waits for its next try or has ended (ASY-020). There
is no queue in between that could block: each event has its own instant on the agenda.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, NamedTuple

from attrs import evolve, frozen

from lambdasim.clock import Clock, Kind, Priority
from lambdasim.clock.meters import Counter, Samples
from lambdasim.clock.wording import shorten
from lambdasim.errors import AwsError, ResponseLostError
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    InvalidRequestContentException,
    RequestTooLargeException,
    ResourceNotFoundException,
)
from lambdasim.lambda_.concurrency import SERVICE_ERROR, ConcurrencyPool
from lambdasim.lambda_.configured import NOT_GIVEN, Configured, check_whole
from lambdasim.lambda_.destinations import (
    Directory,
    EventInvokeConfig,
    Fate,
    check_destinations,
    dead_letter_attributes,
    is_too_large_for_sns,
    other_message,
    record_of,
    service_of,
)
from lambdasim.lambda_.faults import AsyncFaults, AsyncLuck, LambdaFaults
from lambdasim.lambda_.invocation import Invocation, InvokeResult, Outcome, dumps
from lambdasim.lambda_.limits import AsyncModel
from lambdasim.lambda_.names import LATEST, check_qualifier
from lambdasim.lambda_.version import Code, Configuration, check_range
from lambdasim.settings import Settings
from lambdasim.units import MICROSECONDS, seconds

_WORK: Final = Priority.WORK.value
_RESULT: Final = Priority.RESULT.value
_RETRIES_MAX: Final = 2
_AGE_MIN_S: Final = 60
_AGE_MAX_S: Final = 21_600
_EXTRA_RUN_US: Final = MICROSECONDS  # after the first attempt started (ASY-130)

SUCCESS: Final = "Success"
RETRIES_EXHAUSTED: Final = "RetriesExhausted"
AGE_EXCEEDED: Final = "EventAgeExceeded"
ZERO_RESERVED: Final = "ZeroReservedConcurrency"

_ENDS: Final[dict[str | None, str]] = {SUCCESS: "done", None: "dropped, and nobody is told"}

ACCEPTED: Final = Kind(
    "event accepted",
    lambda event: (event.function_name, {"request_id": event.request_id}),
    brief=lambda event: f"event {event.sequence} accepted: {shorten(event.payload.decode())}",
)
SETTLED: Final = Kind(
    "event settled",
    lambda event, condition: (event.function_name, {"request_id": event.request_id, "condition": condition}),
    brief=lambda event, condition: f"event {event.sequence} {_ENDS.get(condition) or f'given up: {condition}'}",
)


class EventState(StrEnum):
    """Where an event is (ASY-020)."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    DROPPED = "dropped"


class AsyncEvent:
    """One accepted asynchronous request (ASY-001). Instants are microseconds since the start."""

    __slots__ = (
        "_function",
        "_number",
        "_outcome",
        "accepted_at_us",
        "asked_twice",
        "attempts",
        "chain",
        "next_at_us",
        "payload",
        "qualifier",
        "sequence",
        "state",
        "streak",
    )

    is_async = True
    client_context = None

    def __init__(
        self,
        function: Eventful,
        number: int,
        sequence: int,
        qualifier: str | None,
        payload: bytes,
        chain: tuple[str, ...],
    ) -> None:
        self._function = function
        self._number = number
        self._outcome: _Outcome | None = None  # of the latest attempt
        self.accepted_at_us = function.clock.now_us
        self.asked_twice = False  # whether an extra run was asked about (`async.duplicate`)
        self.attempts = 0  #: times the code was started
        self.chain = chain  #: ARNs of the functions whose destinations led here
        self.next_at_us = self.accepted_at_us
        self.payload = payload  #: JSON text, as it was sent
        self.qualifier = qualifier  #: version or alias that was invoked; None without
        self.sequence = sequence  #: 1, 2, … in order of acceptance
        self.state = EventState.QUEUED
        self.streak = 0  #: throttles and system errors in a row

    @property
    def function_name(self) -> str:
        """Of the function."""
        return self._function.name

    @property
    def request_id(self) -> str:
        """The same in all attempts (ASY-017)."""
        return self._function.request_ids.text(self._number)

    def make_event(self) -> Any:
        """Return what the handler gets: parsed anew for each attempt (ASY-016)."""
        return json.loads(self.payload)

    def finished(self, invocation: Invocation) -> None:
        """Take the end of an attempt (C3); what follows from it is a C4 event."""
        self._function.clock.soon(self._function._on_attempt_end, (self, invocation), _RESULT)

    def __repr__(self) -> str:
        """Show the function and how far it is."""
        return f"<event of {self.function_name}, {self.state.value}, {self.attempts} attempts>"


class _ExtraRun:
    """A second run of an event that nobody asked for: its outcome is ignored (`async.duplicate`)."""

    __slots__ = ("_event", "is_async")

    client_context = None

    def __init__(self, event: AsyncEvent) -> None:
        self._event = event
        self.is_async = True

    def make_event(self) -> Any:
        return self._event.make_event()

    def finished(self, invocation: Invocation) -> None:
        """Nothing follows."""


class _Outcome(NamedTuple):
    """What the latest attempt of an event said."""

    version: str
    function_error: str | None
    payload: bytes


@frozen(kw_only=True)
class AsyncSnapshot:
    """The asynchronous events of a function at one instant (ASY-121)."""

    at_us: int
    received: int
    succeeded: int
    dropped: int
    queued: int
    running: int
    dead_letter_errors: int
    destination_delivery_failures: int
    recursive_invocations_dropped: int


class Eventful(Configured):
    """The part of `Function` that takes asynchronous events."""

    def __init__(
        self,
        name: str,
        arn: str,
        region: str,
        clock: Clock,
        pool: ConcurrencyPool,
        settings: Settings,
        faults: LambdaFaults,
        code: Code,
        configuration: Configuration,
        async_faults: AsyncFaults,
        directory: Directory,
    ) -> None:
        super().__init__(name, arn, region, clock, pool, settings, faults, code, configuration)
        model = self._async = settings.get(AsyncModel)
        self._directory = directory
        self.companion = directory.companion
        self._async_luck = AsyncLuck(async_faults, name, arn, clock) if async_faults != AsyncFaults() else None
        self._dispatch_us = seconds(model.dispatch_delay_s)
        self._delivery_us = seconds(model.delivery_delay_s)
        self._retry_waits_us = tuple(seconds(wait) for wait in model.retry_waits_s)
        self._throttle_base_us = seconds(model.throttle_base_s)
        self._throttle_cap_us = seconds(model.throttle_cap_s)
        self._events: dict[int, AsyncEvent] = {}  # those that are not final, by sequence
        self._due: dict[int, deque[AsyncEvent]] = {}  # by the instant of their next try, in the order they got it
        self._queued = 0
        self._uuids = clock.identifiers.series("record", arn)
        self.async_received = Counter()
        self.async_dropped = Counter()
        self.async_ages = Samples()
        self.async_succeeded = 0
        self.dead_letter_errors = Counter()
        self.delivery_failures = Counter()
        self.recursive_dropped = Counter()

    # ---- looking

    @property
    def events(self) -> tuple[AsyncEvent, ...]:
        """The asynchronous events that have not ended, in order of acceptance."""
        return tuple(self._events.values())

    def async_snapshot(self) -> AsyncSnapshot:
        """Return the counts of this instant. Runtime: `O(1)`."""
        return AsyncSnapshot(
            at_us=self.clock.now_us,
            received=self.async_received.total,
            succeeded=self.async_succeeded,
            dropped=self.async_dropped.total,
            queued=self._queued,
            running=len(self._events) - self._queued,
            dead_letter_errors=self.dead_letter_errors.total,
            destination_delivery_failures=self.delivery_failures.total,
            recursive_invocations_dropped=self.recursive_dropped.total,
        )

    # ---- configuration

    def put_function_event_invoke_config(
        self,
        qualifier: str | None = None,
        *,
        maximum_retry_attempts: int | None = None,
        maximum_event_age_in_seconds: int | None = None,
        on_success: Any = NOT_GIVEN,
        on_failure: Any = NOT_GIVEN,
    ) -> EventInvokeConfig:
        """
        Say how events of a qualifier are retried, and who hears of their end; what is not given is removed (ASY-062).

        Args:
            qualifier: A version or alias; None for `$LATEST`.
            maximum_retry_attempts: 0 to 2; None: 2.
            maximum_event_age_in_seconds: 60 to 21,600; None: 21,600.
            on_success, on_failure: A destination: a queue, a function, or the ARN of one, or of a topic, a bus, or
                (failures only) a bucket.
        Raises:
            ValidationException, InvalidParameterValueException, ResourceNotFoundException: As ASY-061 and ASY-066 say.
        """
        return self._put_event_config(
            qualifier,
            None,
            maximum_retry_attempts=NOT_GIVEN if maximum_retry_attempts is None else maximum_retry_attempts,
            maximum_event_age_in_seconds=(
                NOT_GIVEN if maximum_event_age_in_seconds is None else maximum_event_age_in_seconds
            ),
            on_success=on_success,
            on_failure=on_failure,
        )

    def update_function_event_invoke_config(
        self,
        qualifier: str | None = None,
        *,
        maximum_retry_attempts: int | None = NOT_GIVEN,
        maximum_event_age_in_seconds: int | None = NOT_GIVEN,
        on_success: Any = NOT_GIVEN,
        on_failure: Any = NOT_GIVEN,
    ) -> EventInvokeConfig:
        """
        Change what is given of a configuration; destinations are replaced together (ASY-062). None removes.

        Raises:
            ResourceNotFoundException: There is no configuration to change; else as for a put.
        """
        return self._put_event_config(
            qualifier,
            lambda: self.get_function_event_invoke_config(qualifier),
            maximum_retry_attempts=maximum_retry_attempts,
            maximum_event_age_in_seconds=maximum_event_age_in_seconds,
            on_success=on_success,
            on_failure=on_failure,
        )

    def get_function_event_invoke_config(self, qualifier: str | None = None) -> EventInvokeConfig:
        """
        Return the configuration of a qualifier.

        Raises:
            ResourceNotFoundException: There is none (ASY-066).
        """
        check_qualifier(qualifier)
        name = LATEST if qualifier is None else qualifier
        found = None if self.is_deleted else self._event_configs.get(name)
        if found is None:
            msg = f"The function {self.arn}:{name} doesn't have an EventInvokeConfig"
            raise ResourceNotFoundException(msg)
        return found

    def delete_function_event_invoke_config(self, qualifier: str | None = None) -> None:
        """
        Remove the configuration of a qualifier.

        Raises:
            ResourceNotFoundException: There is none (ASY-066).
        """
        self.get_function_event_invoke_config(qualifier)
        del self._event_configs[LATEST if qualifier is None else qualifier]

    def list_function_event_invoke_configs(self) -> tuple[EventInvokeConfig, ...]:
        """Return the configurations, by qualifier (ASY-064)."""
        self._check_there(None)
        return tuple(self._event_configs[name] for name in sorted(self._event_configs))

    def _put_event_config(
        self,
        qualifier: str | None,
        find: Callable[[], EventInvokeConfig] | None,
        *,
        maximum_retry_attempts: int | None,
        maximum_event_age_in_seconds: int | None,
        on_success: Any,
        on_failure: Any,
    ) -> EventInvokeConfig:
        numbers = {
            "maximum_retry_attempts": (maximum_retry_attempts, "maximumRetryAttempts", 0, _RETRIES_MAX),
            "maximum_event_age_in_seconds": (
                maximum_event_age_in_seconds,
                "maximumEventAgeInSeconds",
                _AGE_MIN_S,
                _AGE_MAX_S,
            ),
        }
        changes: dict[str, Any] = {}
        for name, (value, member, low, high) in numbers.items():
            if value is NOT_GIVEN:
                continue
            if value is not None:
                check_whole(name, value, f"give {low} to {high}")
                check_range(member, value, low, high)
            changes[name] = value
        if on_success is not NOT_GIVEN or on_failure is not NOT_GIVEN:
            changes["on_success"] = _arn_of(on_success)
            changes["on_failure"] = _arn_of(on_failure)
        check_qualifier(qualifier)
        if find is None or self.is_deleted:
            self._check_there(qualifier)
        if not changes:
            msg = "You must specify at least one of error handling or destination setting."
            raise InvalidParameterValueException(msg)
        check_destinations(changes.get("on_success"), changes.get("on_failure"), self.arn, self._directory)
        now_us, name = self.clock.now_us, LATEST if qualifier is None else qualifier
        if find is None:
            config = EventInvokeConfig(function_arn=f"{self.arn}:{name}", last_modified_at_us=now_us, **changes)
        else:
            self._check_there(qualifier)
            config = evolve(find(), last_modified_at_us=now_us, **changes)
        self._event_configs[name] = config
        return config

    def _check_there(self, qualifier: str | None) -> None:
        try:
            self.target(qualifier)
        except ResourceNotFoundException as error:
            msg = "The function doesn't exist."
            raise ResourceNotFoundException(msg) from error

    # ---- accepting

    def _accept(self, payload: object, qualifier: str | None, chain: tuple[str, ...] = ()) -> InvokeResult:
        """Take an event in (ASY-010 to ASY-015)."""
        self.target(qualifier)
        text = self._check_event_payload(payload)
        now_us = self.clock.now_us
        event = AsyncEvent(self, self.request_ids.next(), self.async_received.total + 1, qualifier, text, chain)
        self.async_received.add(now_us)
        self._events[event.sequence] = event
        self._queued += 1
        if self.clock.trace.active:
            self.clock.trace.add((now_us, ACCEPTED, event))
        self._try_at(event, now_us + self._dispatch_us)
        return InvokeResult(status_code=202, executed_version=None, payload=b"")

    def _check_event_payload(self, payload: object) -> bytes:
        if payload is None or payload in ("", b""):
            return b"{}"
        limit = self._async.payload_limit_bytes
        try:
            given = payload if isinstance(payload, str | bytes) else dumps(payload)
            text = given if isinstance(given, bytes) else given.encode()
            size = len(text)
            if size <= limit:
                json.loads(text.decode(), parse_constant=refuse_constant)
                return text
        except (TypeError, ValueError, RecursionError) as error:
            msg = f"Could not parse request body into json: {error}"
            raise InvalidRequestContentException(msg) from error
        msg = f"{size} byte payload is too large for the Event invocation type (limit {limit} bytes)"
        raise RequestTooLargeException(msg)

    # ---- tries

    def _try_at(self, event: AsyncEvent, at_us: int) -> None:
        event.next_at_us = at_us
        due = self._due.get(at_us)
        if due is None:
            due = self._due[at_us] = deque()
        due.append(event)
        self.clock.schedule(at_us, self._try_next, at_us, _WORK)

    def _try_next(self, at_us: int) -> None:
        """Try the event that got this instant first, unless another one goes before it (`async.order`)."""
        due = self._due[at_us]
        place = 0
        if self._async_luck is not None and len(due) > 1:
            place = self._async_luck.first([event.request_id for event in due])
        event = due[place]
        del due[place]
        if not due:
            del self._due[at_us]
        self._try(event)

    def _try(self, event: AsyncEvent) -> None:
        """Offer an event to the function (ASY-020, ASY-021)."""
        now_us = self.clock.now_us
        try:
            target = self.target(event.qualifier)
        except ResourceNotFoundException:
            self._settle_event(event, EventState.DROPPED, None)
            return
        limit = self._async.recursive_loop_limit
        if limit is not None and event.chain.count(self.arn) >= limit:
            self.recursive_dropped.add(now_us)
            self._settle_event(event, EventState.DROPPED, None)
            return
        if now_us - event.accepted_at_us >= self._age_limit_us(event):
            self._drop(event, AGE_EXCEEDED)
            return
        if self.reserved_concurrent_executions == 0:
            self._drop(event, ZERO_RESERVED)
            return
        try:
            reason = self.begin(event, target, number=event._number, is_async=True)
        except BaseException:  # what a handler raises leaves `run()`; the attempt goes on to its end
            self._note_attempt(event)
            raise
        if reason is None:
            self._note_attempt(event)
            if self._async_luck is not None and not event.asked_twice:
                event.asked_twice = True
                if self._async_luck.duplicates():
                    self.clock.schedule(now_us + _EXTRA_RUN_US, self._run_again, event, _WORK)
        else:
            self._back_off(event, is_throttled=reason != SERVICE_ERROR)

    def _note_attempt(self, event: AsyncEvent) -> None:
        now_us = self.clock.now_us
        self._queued -= 1
        event.state = EventState.RUNNING
        event.attempts += 1
        event.streak = 0
        self.async_ages.add(now_us, now_us - event.accepted_at_us)

    def _run_again(self, event: AsyncEvent) -> None:
        """Run an event that is running, or has run, once more; a throttled extra run just does not happen."""
        try:
            target = self.target(event.qualifier)
        except ResourceNotFoundException:
            return
        if self.reserved_concurrent_executions != 0:
            self.begin(_ExtraRun(event), target, number=event._number, is_async=True)

    def _back_off(self, event: AsyncEvent, *, is_throttled: bool) -> None:
        """Keep an event that was refused for a later try (ASY-041 to ASY-045)."""
        luck, now_us = self._async_luck, self.clock.now_us
        if is_throttled and luck is not None and luck.loses_event():
            self._settle_event(event, EventState.DROPPED, None)
            return
        delay_us, model = self._throttle_base_us, self._async
        for _ in range(event.streak):
            delay_us *= model.throttle_factor
            if delay_us >= self._throttle_cap_us:
                break
        if model.backlog_slowdown:
            delay_us *= 1 + self._queued // 1000
        delay_us = min(delay_us, self._throttle_cap_us)
        event.streak += 1
        self._try_later(event, delay_us, now_us)

    def _try_later(self, event: AsyncEvent, delay_us: int, now_us: int) -> None:
        """Wait for the next try, or drop an event that would be too old by then (ASY-032, ASY-042)."""
        if self._async_luck is not None:
            delay_us = self._async_luck.delay_us(delay_us)
        if now_us + delay_us - event.accepted_at_us >= self._age_limit_us(event):
            self._drop(event, AGE_EXCEEDED)
        else:
            self._try_at(event, now_us + delay_us)

    def _on_attempt_end(self, ended: tuple[AsyncEvent, Invocation]) -> None:
        """Decide what follows from an attempt (C4)."""
        event, invocation = ended
        event.state = EventState.QUEUED
        self._queued += 1
        if invocation.is_answer_lost:  # the code ran, and nobody knows (ASY-044)
            event.attempts -= 1
            self._back_off(event, is_throttled=False)
            return
        event._outcome = _Outcome(invocation.version, invocation.function_error, invocation.payload)
        if invocation.outcome is Outcome.SUCCESS:
            self._settle_event(event, EventState.SUCCEEDED, SUCCESS)
            return
        config = self._config_of(event)
        retries = None if config is None else config.maximum_retry_attempts
        if event.attempts > (_RETRIES_MAX if retries is None else retries):
            self._drop(event, RETRIES_EXHAUSTED)
        else:
            wait_us = self._retry_waits_us[min(event.attempts, len(self._retry_waits_us)) - 1]
            self._try_later(event, wait_us, self.clock.now_us)

    def _config_of(self, event: AsyncEvent) -> EventInvokeConfig | None:
        return self._event_configs.get(LATEST if event.qualifier is None else event.qualifier)

    def _age_limit_us(self, event: AsyncEvent) -> int:
        config = self._config_of(event)
        age_s = None if config is None else config.maximum_event_age_in_seconds
        return (_AGE_MAX_S if age_s is None else age_s) * MICROSECONDS

    # ---- ends

    def _drop(self, event: AsyncEvent, condition: str) -> None:
        self._settle_event(event, EventState.DROPPED, condition)

    def _settle_event(self, event: AsyncEvent, state: EventState, condition: str | None) -> None:
        """End an event that is queued; without a condition nobody hears of it (ASY-027)."""
        now_us = self.clock.now_us
        self._queued -= 1
        event.state = state
        del self._events[event.sequence]
        if state is EventState.SUCCEEDED:
            self.async_succeeded += 1
        else:
            self.async_dropped.add(now_us)
        if self.clock.trace.active:
            self.clock.trace.add((now_us, SETTLED, event, condition))
        if condition is None:
            return
        fate = self._fate(event, condition)
        target = self.latest.configuration.dead_letter_target_arn
        if condition != SUCCESS and target is not None and not self._delivers_letter(target, fate):  # ASY-092
            self.dead_letter_errors.add(now_us)
        if self._delivery_us:
            self.clock.schedule(now_us + self._delivery_us, self._tell, (event, fate), _RESULT)
        else:
            self._tell((event, fate))

    def _fate(self, event: AsyncEvent, condition: str) -> Fate:
        outcome = event._outcome if event.attempts else None
        return Fate(
            at_us=self.clock.start_us + self.clock.now_us,
            request_id=event.request_id,
            function_arn=f"{self.arn}:{LATEST if event.qualifier is None else event.qualifier}",
            condition=condition,
            attempts=event.attempts,
            payload=event.payload,
            executed_version=None if outcome is None else outcome.version,
            function_error=None if outcome is None else outcome.function_error,
            response=None if outcome is None else outcome.payload,
        )

    def _tell(self, told: tuple[AsyncEvent, Fate]) -> None:
        """Send the record to the destination that is set by now (ASY-065)."""
        event, fate = told
        config = self._config_of(event)
        is_success = fate.condition == SUCCESS
        arn = None if config is None else config.on_success if is_success else config.on_failure
        if arn is not None and not self._delivers_record(arn, fate, event):
            self.delivery_failures.add(self.clock.now_us)

    def _is_delivery_lost(self) -> bool:
        return self._async_luck is not None and self._async_luck.fails_delivery()

    def _delivers_letter(self, arn: str, fate: Fate) -> bool:
        """Send a dead letter; return whether it arrived (ASY-093 to ASY-095)."""
        if self._is_delivery_lost():
            return False
        if fate.response is None:
            code, message = 429, "Rate Exceeded."
        else:
            answer = json.loads(fate.response)
            code, message = 200, str(answer.get("errorMessage", "")) if isinstance(answer, dict) else ""
        attributes = dead_letter_attributes(fate.request_id, code, message)
        body = fate.payload.decode()
        if service_of(arn) == "sqs":
            return self._sends(arn, body, attributes)
        deliver = None if arn.endswith(".fifo") else self._directory.other(arn)
        if deliver is None or is_too_large_for_sns(body, attributes):
            return False
        return self._calls(deliver, {"TopicArn": arn, "Message": body, "MessageAttributes": attributes})

    def _delivers_record(self, arn: str, fate: Fate, event: AsyncEvent) -> bool:
        """Send a record; return whether it arrived (ASY-074 to ASY-079)."""
        if self._is_delivery_lost():
            return False
        service = service_of(arn)
        if service == "sqs":
            return self._sends(arn, record_of(fate), None)
        if service == "lambda":
            found = self._directory.function(arn)
            if found is None:
                return False
            function, qualifier = found
            try:
                function._accept(record_of(fate), qualifier, (*event.chain, self.arn))
            except AwsError:
                return False
            return True
        deliver = None if arn.endswith(".fifo") else self._directory.other(arn)
        if deliver is None:
            return False
        message = other_message(fate, arn, self.name, self._uuids.text(self._uuids.next()))
        return message is not None and self._calls(deliver, message)

    def _sends(self, arn: str, body: str, attributes: dict[str, dict[str, str]] | None) -> bool:
        queue = self._directory.queue(arn)
        if queue is None or queue.is_fifo:
            return False
        try:
            queue.send(body, attributes)
        except ResponseLostError:  # it is in
            return True
        except AwsError:
            return False
        return True

    def _calls(self, deliver: Callable[[dict[str, Any]], object], message: dict[str, Any]) -> bool:
        try:
            deliver(message)
        except AssertionError as error:  # a failed assertion is a failed test
            self.clock.raise_soon(error)
        except Exception:
            return False
        return True


def refuse_constant(name: str) -> object:
    """Refuse what Python's parser takes and JSON has not."""
    msg = f"{name} is no JSON value"
    raise ValueError(msg)


def _arn_of(destination: Any) -> str | None:
    """Return the ARN of a destination, given as it is or by the queue or function itself; None for nothing."""
    if destination is NOT_GIVEN or destination is None or destination == "":
        return None
    return str(getattr(destination, "arn", destination))
