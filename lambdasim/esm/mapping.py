"""The event source mapping as a resource: one queue, one function, and what the mapping was told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from attrs import frozen

from lambdasim.clock import Clock, Priority
from lambdasim.clock.meters import Ledger
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    ResourceConflictException,
)
from lambdasim.esm.limits import (
    BATCH_SIZE_MAX,
    BATCH_SIZE_MAX_WITHOUT_WINDOW,
    MAPPING_SETTINGS,
    MAXIMUM_CONCURRENCY_MAX,
    MAXIMUM_CONCURRENCY_MIN,
    REPORT_BATCH_ITEM_FAILURES,
    WINDOW_MAX_S,
    BackoffModel,
    BatchWindowModel,
    PollModel,
    ScalingModel,
    ThrottleRetry,
)
from lambdasim.esm.pollers import Pollers
from lambdasim.esm.scaling import plan_cap
from lambdasim.lambda_ import Function
from lambdasim.lambda_.version import check_range
from lambdasim.settings import Settings
from lambdasim.sqs import Queue

EVENT_COUNT: Final = "EventCount"


@frozen(kw_only=True)
class MappingSnapshot:
    """A mapping at one instant (ESM-283). The counts are those of its metrics, published or not (ESM-280)."""

    at_us: int
    state: str  #: `Creating`, `Enabled` or `Disabled`
    phase: str  #: `stopped`, `idle` or `active`
    target: float  #: L
    concurrency_limit: int  #: n, the slots that L stands for
    pollers: int  #: m, the slots there are
    in_flight: int  #: invocations
    held: int  #: records in batches: being gathered, waiting for a retry, or running
    dropped: int  #: records given up after throttles
    duplicates: int  #: messages that reached the function more than once
    attempts: int  #: invokes tried, throttled ones too; `invoked_event_count / attempts` is the mean size of a batch
    polled_event_count: int
    filtered_out_event_count: int
    invoked_event_count: int
    failed_invoke_event_count: int
    deleted_event_count: int
    empty_receives: int  #: receives that ended without a message


class EventSourceMapping:
    """
    Reads a queue on behalf of a function.

    Args:
        queue: The source.
        function: What is invoked.
        qualifier: The version or alias that is invoked; None for `$LATEST`.
        batch_size: 1 to 10,000; above 10 a batching window of 1 s or more is needed. On a FIFO queue at most 10.
        maximum_batching_window_in_seconds: 0 to 300; on a FIFO queue 0.
        maximum_concurrency: 2 to 1,000; None for no limit of its own.
        function_response_types: `("ReportBatchItemFailures",)` or nothing.
        enabled: Whether it polls.
        metrics: `("EventCount",)` publishes the counts of events as metrics.
        settings: `ScalingModel`, `PollModel`, `BatchWindowModel`, `BackoffModel`, `ThrottleRetry`, at most one of each.
        siblings: The mappings there are already; a second one of the same queue and function is refused.
    Raises:
        ValidationException: A number out of its range.
        InvalidParameterValueException: A combination that AWS refuses, such as a visibility timeout below the
            function's timeout.
        ResourceConflictException: The mapping exists already.
        UsageError: Two clocks, or a value that means nothing here.

    Rules: ESM-020, ESM-030, ESM-032, ESM-050, ESM-051.
    """

    def __init__(
        self,
        queue: Queue,
        function: Function,
        *,
        qualifier: str | None = None,
        batch_size: int = 10,
        maximum_batching_window_in_seconds: int = 0,
        maximum_concurrency: int | None = None,
        function_response_types: Sequence[str] = (),
        enabled: bool = True,
        metrics: Sequence[str] = (),
        settings: Iterable[object] | Settings = (),
        siblings: Iterable[EventSourceMapping] = (),
    ) -> None:
        if not isinstance(settings, Settings):
            settings = Settings(settings, allowed=MAPPING_SETTINGS, where="an event source mapping")
        if queue.clock is not function.clock:
            msg = f"{queue!r} and {function!r} live on two clocks; make both with the same one"
            raise UsageError(msg)
        check_numbers(batch_size, maximum_batching_window_in_seconds, maximum_concurrency)
        _check_words("function_response_types", function_response_types, REPORT_BATCH_ITEM_FAILURES)
        _check_words("metrics", metrics, EVENT_COUNT)
        if queue.is_fifo and maximum_batching_window_in_seconds:
            msg = "Batching window is not supported for FIFO queues"
            raise InvalidParameterValueException(msg)
        if queue.is_fifo and batch_size > BATCH_SIZE_MAX_WITHOUT_WINDOW:
            msg = "Batch size must not be greater than 10 for FIFO queues"
            raise InvalidParameterValueException(msg)
        if batch_size > BATCH_SIZE_MAX_WITHOUT_WINDOW and not maximum_batching_window_in_seconds:
            msg = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
            raise InvalidParameterValueException(msg)
        if queue.visibility_timeout < function.timeout:
            msg = (
                f"Queue visibility timeout: {queue.visibility_timeout} seconds is less than Function timeout: "
                f"{function.timeout} seconds"
            )
            raise InvalidParameterValueException(msg)
        if queue.config.region != function.region:
            msg = "Event source and function must be in the same region."
            raise InvalidParameterValueException(msg)
        for sibling in siblings:
            if sibling.queue is queue and sibling.function is function and sibling.qualifier == qualifier:
                msg = (
                    f'An event source mapping with SQS arn (" {queue.arn} ") and function (" {function.name} ") '
                    f"already exists. Please update or delete the existing mapping with UUID {sibling.uuid}"
                )
                raise ResourceConflictException(msg)

        self.clock: Clock = queue.clock
        self.queue: Queue = queue
        self.function: Function = function
        self.qualifier: str | None = qualifier
        self.function_arn: str = function.arn if qualifier is None else f"{function.arn}:{qualifier}"
        self.batch_size: int = batch_size
        self.maximum_batching_window_in_seconds: int = maximum_batching_window_in_seconds
        self.maximum_concurrency: int | None = maximum_concurrency
        self.function_response_types = tuple(function_response_types)
        self.metrics = tuple(metrics)
        identifiers = self.clock.identifiers
        series = identifiers.series("event source mapping", f"{queue.arn}/{function.arn}")
        self.uuid: str = series.text(series.next())
        self.number: int = identifiers.series("event source mapping", "").next()  #: order of creation
        scaling = settings.get(ScalingModel)
        self._pollers = Pollers(
            self,
            cap=plan_cap(scaling, maximum_concurrency, function.pool.account_concurrency),
            scaling=scaling,
            polling=settings.get(PollModel),
            window=settings.get(BatchWindowModel),
            backoff=settings.get(BackoffModel),
            retry=settings.get(ThrottleRetry),
        )
        self.state = "Creating" if enabled else "Disabled"
        if enabled:
            self.clock.schedule(self.clock.now_us, self._enable, None, Priority.RESULT.value)

    def __repr__(self) -> str:
        """Show both ends and the state."""
        return f"<event source mapping {self.queue.name} -> {self.function.name}, {self.state}>"

    @property
    def reports_batch_item_failures(self) -> bool:
        """Whether the function's answer says which records failed."""
        return REPORT_BATCH_ITEM_FAILURES in self.function_response_types

    @property
    def publishes_event_counts(self) -> bool:
        """Whether the counts of events are metrics."""
        return EVENT_COUNT in self.metrics

    @property
    def ledger(self) -> Ledger:
        """The counts of events by minute."""
        return self._pollers.ledger

    def empty_receives_by_minute(self) -> dict[int, int]:
        """Return the receives that ended empty, by the minute in which each did."""
        return self._pollers.empty_receives_by_minute()

    def snapshot(self) -> MappingSnapshot:
        """Return the state of this instant. Runtime: `O(slots)`."""
        pollers = self._pollers
        return MappingSnapshot(
            at_us=self.clock.now_us,
            state=self.state,
            phase=pollers.phase.value,
            target=pollers.target,
            concurrency_limit=pollers.allowed,
            pollers=pollers.slots,
            in_flight=pollers.in_flight,
            held=pollers.held,
            dropped=pollers.dropped,
            duplicates=pollers.duplicates,
            attempts=pollers.attempts,
            polled_event_count=pollers.polled,
            filtered_out_event_count=0,
            invoked_event_count=pollers.invoked,
            failed_invoke_event_count=pollers.failed,
            deleted_event_count=pollers.deleted,
            empty_receives=pollers.count_empty_receives(),
        )

    def check_invariants(self) -> None:
        """Assert that slots, target and concurrency agree (ESM-107, ESM-110)."""
        self._pollers.check_invariants()

    def on_stop(self) -> None:
        """Take note that the pollers stopped by themselves (ESM-152)."""
        self.state = "Disabled"

    def _enable(self, _argument: object) -> None:
        """End the transition of state (C4), and begin to poll (S1)."""
        self.state = "Enabled"
        self._pollers.start()


def check_numbers(batch_size: object, window_s: object, maximum_concurrency: object) -> None:
    """Refuse numbers out of their ranges, as AWS does before it looks at anything else (ESM-030 row 1)."""
    check_range("batchSize", batch_size, 1, BATCH_SIZE_MAX)
    check_range("maximumBatchingWindowInSeconds", window_s, 0, WINDOW_MAX_S)
    if maximum_concurrency is not None:
        name = "scalingConfig.maximumConcurrency"
        check_range(name, maximum_concurrency, MAXIMUM_CONCURRENCY_MIN, MAXIMUM_CONCURRENCY_MAX)


def _check_words(name: str, given: Sequence[str], allowed: str) -> None:
    if isinstance(given, str) or not isinstance(given, Iterable) or any(word != allowed for word in given):
        msg = f"{name}={given!r}: it is ({allowed!r},) or empty"
        raise UsageError(msg)
