"""The event source mapping as a resource: one queue, one function, and what the mapping was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import evolve, frozen

from lambdasim.clock import Clock, Priority
from lambdasim.clock.meters import Ledger, Steps
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from lambdasim.esm.advice import Finding, Setup, advise
from lambdasim.esm.configuration import (
    EVENT_COUNT,
    Ends,
    EventSourceMappingConfiguration,
    MappingConfiguration,
    check_enabled,
    plan_configuration,
    refuse_others,
)
from lambdasim.esm.faults import EsmFaults, EsmLuck
from lambdasim.esm.lifecycle import Lifecycle
from lambdasim.esm.limits import (
    MAPPING_SETTINGS,
    REPORT_BATCH_ITEM_FAILURES,
    BackoffModel,
    BatchWindowModel,
    LifecycleModel,
    PollModel,
    ProvisionedModel,
    ScalingModel,
    ThrottleRetry,
)
from lambdasim.esm.pollers import Pollers
from lambdasim.esm.slots import Terms
from lambdasim.filtering import FilterModel, Filters
from lambdasim.lambda_ import Function
from lambdasim.lambda_.configured import NOT_GIVEN
from lambdasim.lambda_.names import LATEST
from lambdasim.lambda_.tags import Tagged, Tags, check_tags
from lambdasim.lambda_.targets import Target
from lambdasim.settings import Settings
from lambdasim.sqs import Queue
from lambdasim.units import MICROSECONDS, Duration, seconds

_RESULT: Final = Priority.RESULT.value


@frozen(kw_only=True)
class MappingSnapshot:
    """A mapping at one instant (ESM-283). The counts are those of its metrics, published or not (ESM-280)."""

    at_us: int
    state: str  #: `Creating`, `Enabled`, `Updating`, `Disabling`, `Disabled`, `Enabling`, `Deleting` or `Deleted`
    phase: str  #: `stopped`, `idle` or `active`
    target: float  #: L
    concurrency_limit: int  #: n, the slots that L stands for
    pollers: int  #: m, the slots there are
    provisioned_pollers: int  #: P, of ten slots each; 0 outside provisioned mode
    polling: int  #: of these, with an open receive and nothing held (ESM-080)
    gathering: int  #: of these, with an open batch
    in_flight: int  #: of these, with an invocation in flight
    retrying: int  #: of these, with a throttled batch that waits for its next attempt
    held: int  #: records in batches: being gathered, waiting for a retry, or running
    dropped: int  #: records of batches given up: after throttles, or since the function is gone or denies access
    duplicates: int  #: messages that reached the function more than once
    attempts: int  #: invokes tried, throttled ones too; `invoked_event_count / attempts` is the mean size of a batch
    polled_event_count: int
    filtered_out_event_count: int
    invoked_event_count: int
    failed_invoke_event_count: int
    deleted_event_count: int
    empty_receives: int  #: receives that ended without a message


class EventSourceMapping(Tagged):
    """
    Reads a queue on behalf of a function.

    Args:
        queue: The source.
        function: What is invoked.
        qualifier: The version or alias that is invoked; None for `$LATEST`.
        batch_size: 1 to 10,000; above 10 a batching window of 1 s or more is needed. On a FIFO queue at most 10.
        maximum_batching_window_in_seconds: 0 to 300; on a FIFO queue 0.
        maximum_concurrency: 2 to 1,000; None for no limit of its own.
        minimum_pollers: 2 to 200; either of these two gives it pollers of its own (provisioned mode), and the other is
            2, or 200, then.
        maximum_pollers: 2 to 2,000, or `ProvisionedModel.max_allowed`.
        function_response_types: `("ReportBatchItemFailures",)` or nothing.
        filter_criteria: AWS's form: `{"Filters": [{"Pattern": "…"}]}`; None for none.
        enabled: Whether it polls.
        metrics: `("EventCount",)` publishes the counts of events as metrics.
        kms_key_arn: Kept, and shown; it changes nothing else (FLT-017).
        tags: Texts by name.
        faults: What may go wrong here.
        settings: `ScalingModel`, `PollModel`, `BatchWindowModel`, `BackoffModel`, `ThrottleRetry`, `ProvisionedModel`,
            `LifecycleModel`, `FilterModel`, at most one of each.
        siblings: The mappings there are already; a second one of the same queue and function is refused.
        find_function: Finds a function by its ARN, in case it is deleted and made again; None where nobody does that.
        await_queue: Calls back with the next queue that is made under an ARN, and when it is ready; None: nobody does.
    Raises:
        ValidationException: A number out of its range, or a pattern that is too long.
        InvalidParameterValueException: A combination that AWS refuses, such as a visibility timeout below the
            function's timeout, or a pattern that is not valid.
        ResourceConflictException: The mapping exists already.
        UsageError: Two clocks, or a value that means nothing here.

    Rules: ESM-020 to ESM-022, ESM-030, ESM-032, ESM-040, ESM-050 to ESM-055.
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
        minimum_pollers: int | None = None,
        maximum_pollers: int | None = None,
        function_response_types: Sequence[str] = (),
        filter_criteria: Mapping[str, Any] | None = None,
        enabled: bool = True,
        metrics: Sequence[str] = (),
        kms_key_arn: str | None = None,
        tags: Mapping[str, str] | None = None,
        faults: EsmFaults | None = None,
        settings: Iterable[object] | Settings = (),
        siblings: Iterable[EventSourceMapping] = (),
        find_function: Callable[[str], tuple[Function, str | None] | None] | None = None,
        await_queue: Callable[[str, Callable[[Queue, int], None]], None] | None = None,
    ) -> None:
        if not isinstance(settings, Settings):
            settings = Settings(settings, allowed=MAPPING_SETTINGS, where="an event source mapping")
        if queue.clock is not function.clock:
            msg = f"{queue!r} and {function!r} live on two clocks; make both with the same one"
            raise UsageError(msg)
        check_enabled(enabled)
        self._filter_model = settings.get(FilterModel)
        self._provisioned_model = settings.get(ProvisionedModel)
        target = function.target(qualifier)
        configuration, filters = plan_configuration(
            MappingConfiguration(),
            {
                "batch_size": batch_size,
                "maximum_batching_window_in_seconds": maximum_batching_window_in_seconds,
                "maximum_concurrency": maximum_concurrency,
                "minimum_pollers": minimum_pollers,
                "maximum_pollers": maximum_pollers,
                "function_response_types": function_response_types,
                "filter_criteria": filter_criteria,
                "metrics": metrics,
                "kms_key_arn": kms_key_arn,
            },
            lambda: _ends_of(queue, target),
            self._filter_model,
            self._provisioned_model,
        )
        checked_tags = check_tags({} if tags is None else tags)
        _refuse_twin(queue, function, qualifier, siblings)

        self.clock: Clock = queue.clock
        self.queue: Queue = queue
        self.function: Function = function
        self.qualifier: str | None = qualifier
        self.target: Target = target
        self.configuration: MappingConfiguration = configuration
        self.filters: Filters = filters
        self._tags = Tags(checked_tags)
        self._siblings = siblings
        self._find_function = find_function
        self._await_queue = await_queue
        identifiers = self.clock.identifiers
        series = identifiers.series("event source mapping", f"{queue.arn}/{function.arn}")
        self.uuid: str = series.text(series.next())
        self.number: int = identifiers.series("event source mapping", "").next()  #: order of creation
        self.last_modified_at_us: int = self.clock.now_us
        self._filters_set = filters
        luck = EsmLuck(EsmFaults() if faults is None else faults, self.clock, self._arn, self.label)
        self._pollers = Pollers(
            self,
            scaling=settings.get(ScalingModel),
            polling=settings.get(PollModel),
            window=settings.get(BatchWindowModel),
            backoff=settings.get(BackoffModel),
            retry=settings.get(ThrottleRetry),
            provisioned=self._provisioned_model,
            luck=luck if luck.is_any else None,
        )
        self._look_for_next_queue()
        self._lifecycle = Lifecycle(
            self.clock, settings.get(LifecycleModel), self._pollers, self._take_effect, enabled=enabled
        )

    def __repr__(self) -> str:
        """Show both ends and the state."""
        return f"<event source mapping {self.queue.name} -> {self.function.name}, {self.state}>"

    @property
    def state(self) -> str:
        """`Creating`, `Enabled`, `Updating`, `Disabling`, `Disabled`, `Enabling`, `Deleting` or `Deleted` (ESM-050)."""
        return self._lifecycle.state

    @property
    def state_transition_reason(self) -> str:
        """Who brought it into its state: `USER_INITIATED`, or `LAMBDA_INITIATED` (ESM-152)."""
        return self._lifecycle.reason

    @property
    def is_deleted(self) -> bool:
        """Whether it is gone."""
        return self._lifecycle.is_deleted

    # ---- what it is told

    @property
    def _arn(self) -> str:
        config = self.queue.config
        account_id = self.function.arn.split(":")[4]
        return f"arn:{config.partition}:lambda:{config.region}:{account_id}:event-source-mapping:{self.uuid}"

    @property
    def label(self) -> str:
        """A short name: `orders->charge`."""
        return f"{self.queue.name}->{self.function.name}"

    @property
    def function_arn(self) -> str:
        """Of what is invoked, with the qualifier."""
        return _with_qualifier(self.function, self.qualifier)

    @property
    def batch_size(self) -> int:
        """Records that a batch may have."""
        return self.configuration.batch_size

    @property
    def maximum_batching_window_in_seconds(self) -> int:
        """How long a batch is gathered."""
        return self.configuration.maximum_batching_window_in_seconds

    @property
    def maximum_concurrency(self) -> int | None:
        """How many invocations may be in flight; None for no limit of its own."""
        return self.configuration.maximum_concurrency

    @property
    def poller_limits(self) -> tuple[int, int] | None:
        """How many pollers of its own the mapping has at least and at most; None outside provisioned mode."""
        return self.configuration.poller_limits(self._provisioned_model)

    @property
    def minimum_pollers(self) -> int | None:
        """How many pollers of its own it has at least; None outside provisioned mode."""
        return None if self.poller_limits is None else self.poller_limits[0]

    @property
    def maximum_pollers(self) -> int | None:
        """How many pollers of its own it has at most; None outside provisioned mode."""
        return None if self.poller_limits is None else self.poller_limits[1]

    @property
    def billed_poller_seconds(self) -> int:
        """Seconds of pollers of its own charged for so far, for `PriceBook.poller_cost` (ESM-256)."""
        return self._pollers.fleet.billed_seconds()

    @property
    def function_response_types(self) -> tuple[str, ...]:
        """Whether the function says which records failed."""
        return self.configuration.function_response_types

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is published."""
        return self.configuration.metrics

    @property
    def filter_criteria(self) -> dict[str, Any] | None:
        """The filters in AWS's form; None without any."""
        patterns = self.configuration.patterns
        if not patterns:
            return None
        return {"Filters": [{} if pattern is None else {"Pattern": pattern} for pattern in patterns]}

    # ---- operations

    def get_event_source_mapping(self) -> EventSourceMappingConfiguration:
        """
        Return what the mapping is told to do, and its state.

        Raises:
            ResourceNotFoundException: It is deleted (ESM-033).
        """
        self._guard()
        configuration = self.configuration
        return EventSourceMappingConfiguration(
            uuid=self.uuid,
            event_source_mapping_arn=self._arn,
            event_source_arn=self.queue.arn,
            function_arn=self.function_arn,
            batch_size=configuration.batch_size,
            maximum_batching_window_in_seconds=configuration.maximum_batching_window_in_seconds,
            function_response_types=configuration.function_response_types,
            state=self.state,
            state_transition_reason=self.state_transition_reason,
            last_modified_at_us=self.last_modified_at_us,
            filter_criteria=self.filter_criteria,
            maximum_concurrency=configuration.maximum_concurrency,
            minimum_pollers=self.minimum_pollers,
            maximum_pollers=self.maximum_pollers,
            metrics=configuration.metrics,
            kms_key_arn=configuration.kms_key_arn,
        )

    def show_in_list(self) -> EventSourceMappingConfiguration:
        """Return the same as a list shows it: without filters where there is a key (FLT-017)."""
        found = self.get_event_source_mapping()
        return found if found.kms_key_arn is None else evolve(found, filter_criteria=None)

    def update_event_source_mapping(
        self,
        *,
        function: Function = NOT_GIVEN,
        qualifier: str | None = NOT_GIVEN,
        enabled: bool = NOT_GIVEN,
        batch_size: int = NOT_GIVEN,
        maximum_batching_window_in_seconds: int = NOT_GIVEN,
        maximum_concurrency: int | None = NOT_GIVEN,
        minimum_pollers: int | None = NOT_GIVEN,
        maximum_pollers: int | None = NOT_GIVEN,
        function_response_types: Sequence[str] | None = NOT_GIVEN,
        filter_criteria: Mapping[str, Any] | None = NOT_GIVEN,
        metrics: Sequence[str] | None = NOT_GIVEN,
        kms_key_arn: str | None = NOT_GIVEN,
        **others: object,
    ) -> EventSourceMappingConfiguration:
        """
        Change what is given; None removes. Slots work by it once the update is complete (ESM-052).

        Args:
            function: What is invoked from then on; with *qualifier*, else as it is.
            qualifier: The version or alias; `$LATEST` or None for none.
            enabled: Whether it polls; one that is disabled forgets how far it had grown (ESM-054).
            filter_criteria: Replaces all filters; `{}` removes them (FLT-016).
            minimum_pollers, maximum_pollers: As at creation; without both there is no provisioned mode any more.
            batch_size, maximum_batching_window_in_seconds, maximum_concurrency, function_response_types, metrics,
                kms_key_arn: As at creation.
        Raises:
            ResourceNotFoundException: It is deleted.
            ResourceInUseException: It is in a transition (ESM-034).
            ValidationException, InvalidParameterValueException, ResourceConflictException: As at creation.
        """
        self._guard()
        self._lifecycle.refuse_in_transition("update")
        if enabled is not NOT_GIVEN:
            check_enabled(enabled)
        if function is not NOT_GIVEN and (not isinstance(function, Function) or function.clock is not self.clock):
            msg = f"function={function!r}: give a function of the same simulation"
            raise UsageError(msg)
        given = {
            "batch_size": batch_size,
            "maximum_batching_window_in_seconds": maximum_batching_window_in_seconds,
            "maximum_concurrency": maximum_concurrency,
            "minimum_pollers": minimum_pollers,
            "maximum_pollers": maximum_pollers,
            "function_response_types": function_response_types,
            "filter_criteria": filter_criteria,
            "metrics": metrics,
            "kms_key_arn": kms_key_arn,
        }
        changes = {name: value for name, value in given.items() if value is not NOT_GIVEN}
        target = self._look_up() if function is NOT_GIVEN else function
        named = self.qualifier if qualifier is NOT_GIVEN and function is NOT_GIVEN else qualifier
        named = None if named is NOT_GIVEN or named == LATEST else named
        is_named = function is not NOT_GIVEN or qualifier is not NOT_GIVEN
        resolved = self.target

        def look_up() -> Ends:
            nonlocal resolved
            try:
                resolved = target.target(named)
            except ResourceNotFoundException as error:
                if is_named:
                    msg = "Function does not exist"
                    raise InvalidParameterValueException(msg) from error
                # Nobody asks for it here: an invoke will find it gone (ESM-152).
            refuse_others("update_event_source_mapping", others)
            return _ends_of(self.queue, resolved)

        configuration, filters = plan_configuration(
            self.configuration,
            changes,
            look_up,
            self._filter_model,
            self._provisioned_model,
            looks_at_times=enabled is not False,  # one that does harm can be switched off (ESM-031)
        )
        _refuse_twin(self.queue, target, named, [sibling for sibling in self._siblings if sibling is not self])
        self.function, self.qualifier, self.target = target, named, resolved
        self.configuration, self.filters = configuration, filters
        self.last_modified_at_us = self.clock.now_us
        self._lifecycle.update(None if enabled is NOT_GIVEN else enabled)
        return self.get_event_source_mapping()

    def delete_event_source_mapping(self) -> EventSourceMappingConfiguration:
        """
        Remove the mapping, once what it holds and runs is finished (ESM-050, ESM-053).

        Raises:
            ResourceNotFoundException: It is deleted already.
            ResourceInUseException: It is in a transition (ESM-034).
        """
        self._guard()
        self._lifecycle.refuse_in_transition("delete")
        self._lifecycle.delete()
        return self.get_event_source_mapping()

    def check_configuration(
        self, *, expected_groups: int | None = None, seconds_per_record: Duration | None = None
    ) -> tuple[Finding, ...]:
        """
        Return what is likely to go wrong with the mapping, the queue and the function as they are set.

        Args:
            expected_groups: Message groups at work at once, of a FIFO queue.
            seconds_per_record: What the function takes for one record.

        Rules: ESM-300.
        """
        queue, function = self.queue, self._look_up()
        version = self._resolve(function).version
        siblings = [sibling for sibling in (*self._siblings, self) if not sibling.is_deleted]
        siblings = list(dict.fromkeys(siblings))
        of_function = [sibling for sibling in siblings if sibling.function.arn == function.arn]
        of_queue = [sibling for sibling in siblings if sibling.queue.arn == queue.arn]
        provisioned = function.list_provisioned_concurrency_configs() if not function.is_deleted else ()
        return advise(
            Setup(
                visibility_timeout=queue.visibility_timeout,
                timeout=version.timeout,
                window=self.maximum_batching_window_in_seconds,
                batch_size=self.batch_size,
                max_receive_count=queue.max_receive_count,
                function_has_dead_letter_target=version.configuration.dead_letter_target_arn is not None,
                reserved=function.reserved_concurrent_executions,
                maximum_concurrency=self.maximum_concurrency,
                maximum_concurrencies=tuple(
                    sibling.maximum_concurrency for sibling in of_function if sibling.maximum_concurrency is not None
                ),
                cap=self._pollers.plan_cap(),
                is_fifo=queue.is_fifo,
                reports_batch_item_failures=self.reports_batch_item_failures,
                expected_groups=expected_groups,
                qualifier=self.qualifier,
                provisioned={
                    config.function_arn.rsplit(":", 1)[-1]: config.requested_provisioned_concurrent_executions
                    for config in provisioned
                },
                mappings_of_queue=len(of_queue),
                any_filter=any(sibling.configuration.patterns for sibling in of_queue),
                seconds_per_record=None if seconds_per_record is None else seconds(seconds_per_record) / MICROSECONDS,
            )
        )

    # ---- its two ends

    def _look_for_next_queue(self) -> None:
        if self._await_queue is not None:
            self._await_queue(self.queue.arn, self._meet)

    def _meet(self, queue: Queue, ready_at_us: int) -> None:
        """Read another queue that was made under the ARN (ESM-055)."""
        if not self.is_deleted:
            self.queue = queue
            self._pollers.meet(ready_at_us)
            self._look_for_next_queue()

    def _guard(self) -> None:
        if self.is_deleted:
            msg = "The resource you requested does not exist."
            raise ResourceNotFoundException(msg)

    def _look_up(self) -> Function:
        """Return the function of that name, which may have been deleted and made again (ESM-067)."""
        found = None
        if self.function.is_deleted and self._find_function is not None:
            found = self._find_function(self.function.arn)
        return self.function if found is None else found[0]

    def _resolve(self, function: Function) -> Target:
        """Return what the mapping invokes of a function; what it was, where that is gone."""
        try:
            return function.target(self.qualifier)
        except ResourceNotFoundException:
            return self.target

    def find_again(self, terms: Terms) -> bool:
        """Look up by its name what a batch is for, as each invoke does (ESM-067); return whether there is one."""
        qualifier = terms.target.qualifier
        arn = _with_qualifier(terms.function, qualifier)
        found = None if self._find_function is None else self._find_function(arn)
        function = terms.function if found is None else found[0]
        try:
            target = function.target(qualifier)
        except ResourceNotFoundException:
            return False
        terms.function, terms.target = function, target
        if self.function_arn == arn:
            self.function, self.target = function, target
        return True

    def _take_effect(self) -> None:
        """Let slots work by what is set from now on; filters that changed may follow later (FLT-019)."""
        self._pollers.reconfigure()
        if self.filters.texts == self._filters_set.texts:
            return
        self._filters_set = filters = self.filters
        use_filters, delay_us = self._pollers.gatherer.use_filters, seconds(self._filter_model.update_delay_s)
        if delay_us:
            at_us = self.clock.now_us + delay_us
            self.clock.timer(at_us, use_filters, filters, priority=_RESULT, background=True)
        else:
            use_filters(filters)

    # ---- looking

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
        """The published counts of events by minute."""
        return self._pollers.counts.ledger

    @property
    def provisioned_pollers(self) -> Steps:
        """The pollers of its own, by the minute: the metric `ProvisionedPollers` (ESM-280)."""
        return self._pollers.fleet.meter.steps

    def published_in(self, minute: int, *, filtered: bool = False) -> bool:
        """Return whether counts were published in a minute; *filtered*: those of filters, so that there were some."""
        return self._pollers.counts.published_in(minute, filtered=filtered)

    def empty_receives_by_minute(self) -> dict[int, int]:
        """Return the receives that ended empty, by the minute in which each did."""
        found = Counter(self._pollers.empty_receives_by_minute())
        for past in self._pollers.line.past_empty_by_minute():
            found.update(past)
        return dict(sorted(found.items()))

    def snapshot(self) -> MappingSnapshot:
        """Return the state of this instant. Runtime: `O(slots)`."""
        pollers = self._pollers
        machine, counts = pollers.machine, pollers.counts
        return MappingSnapshot(
            at_us=self.clock.now_us,
            state=self.state,
            phase=machine.phase.value,
            target=machine.target,
            concurrency_limit=machine.allowed,
            pollers=pollers.slots,
            provisioned_pollers=pollers.fleet.size,
            polling=pollers.polling,
            gathering=pollers.gathering,
            in_flight=pollers.invoker.in_flight,
            retrying=pollers.invoker.retrying,
            held=counts.held,
            dropped=counts.dropped,
            duplicates=counts.duplicates,
            attempts=counts.attempts,
            polled_event_count=counts.polled,
            filtered_out_event_count=counts.filtered,
            invoked_event_count=counts.invoked,
            failed_invoke_event_count=counts.failed,
            deleted_event_count=counts.deleted,
            empty_receives=pollers.empty_receives,
        )

    def check_invariants(self) -> None:
        """Assert that slots, target and concurrency agree (ESM-107, ESM-110)."""
        self._pollers.check_invariants()


def _with_qualifier(function: Function, qualifier: str | None) -> str:
    return function.arn if qualifier is None else f"{function.arn}:{qualifier}"


def _refuse_twin(
    queue: Queue, function: Function, qualifier: str | None, siblings: Iterable[EventSourceMapping]
) -> None:
    """Refuse a second mapping of one queue to one function, version or alias (ESM-030 row 12)."""
    # By their ARNs: a mapping outlives its function, and one made again under that name is the same to AWS.
    wanted = (queue.arn, _with_qualifier(function, qualifier))
    for sibling in siblings:
        if (sibling.queue.arn, sibling.function_arn) == wanted and not sibling.is_deleted:
            msg = (
                f'An event source mapping with SQS arn (" {queue.arn} ") and function (" {function.name} ") '
                f"already exists. Please update or delete the existing mapping with UUID {sibling.uuid}"
            )
            raise ResourceConflictException(msg)


def _ends_of(queue: Queue, target: Target) -> Ends:
    return Ends(
        is_fifo=queue.is_fifo,
        visibility_timeout=queue.visibility_timeout,
        timeout=target.version.timeout,
        is_one_region=queue.config.region == target.version.function.region,
    )
