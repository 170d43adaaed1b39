"""The composition root: wires and names things, and decides nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import Any, Final, Protocol, TypeVar, Unpack, cast, runtime_checkable

from attrs import evolve

from lambdasim.clock import (
    Choice,
    Chooser,
    Clock,
    Priority,
    Record,
    Subscription,
    Task,
    Timer,
    Trace,
    script_of,
)
from lambdasim.clock.choices import DEPARTURES_MAX
from lambdasim.errors import ResponseLostError, UsageError
from lambdasim.errors.lambda_ import InvalidParameterValueException, ResourceNotFoundException
from lambdasim.errors.sqs import QueueDoesNotExist, RequestThrottled
from lambdasim.esm import EsmFaults, EventSourceMapping
from lambdasim.esm.configuration import (
    ListEventSourceMappingsResult,
    MappingConfiguration,
    check_numbers,
    refuse_others,
)
from lambdasim.esm.limits import MAPPING_SETTINGS, ProvisionedModel
from lambdasim.faults import GROUPS, Faults, async_part, esm_part, lambda_part, sqs_part
from lambdasim.filtering.criteria import parse_criteria
from lambdasim.lambda_ import (
    AsyncFaults,
    Function,
    InvokeResult,
    LambdaConfig,
    LambdaFaults,
    LambdaLimits,
    PriceBook,
    RpsModel,
)
from lambdasim.lambda_.destinations import Attributes, Deliver
from lambdasim.lambda_.fibers import greenlets
from lambdasim.lambda_.limits import FUNCTION_SETTINGS, DurationLike
from lambdasim.lambda_.names import check_qualifier, one_qualifier
from lambdasim.lambda_.registry import AccountSettings, Functions, LambdaEndpoint, ListFunctionsResult
from lambdasim.lambda_.remote import Remote, Wire
from lambdasim.lambda_.version import Code, Handler, check_range
from lambdasim.metrics import Metrics
from lambdasim.settings import Settings
from lambdasim.sqs import Endpoint, Message, Queue, Registry, SqsConfig, SqsFaults
from lambdasim.sqs.attributes import QueueAttributes
from lambdasim.sqs.limits import QUEUE_SETTINGS, partition_of
from lambdasim.sqs.results import (
    CancelMessageMoveTaskResult,
    GetQueueUrlResult,
    ListMessageMoveTasksResult,
    ListQueuesResult,
    StartMessageMoveTaskResult,
)
from lambdasim.timeline import Timeline
from lambdasim.units import Duration, seconds

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_WORK: Final = Priority.WORK.value
SETTINGS: Final = (*QUEUE_SETTINGS, LambdaConfig, RpsModel, *FUNCTION_SETTINGS, *MAPPING_SETTINGS, PriceBook)


@runtime_checkable
class Arrivals(Protocol):
    """An arrival process, such as those of `lambdasim.workload`."""

    def instants_us(self, random: Random) -> Iterable[int]:
        """Yield instants in microseconds since the process began, never decreasing."""
        ...


class Patching(Protocol):
    """What `Simulation.patch_boto3` returns: a context manager, and a decorator of functions."""

    def __enter__(self) -> object:
        """Let the simulation answer from now on."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> bool | None:
        """Let whoever answered before answer again."""
        ...

    def __call__(self, function: F, /) -> F:
        """Return a function during whose calls the simulation answers."""
        ...


class Feed:
    """Arrivals under way. `sent` counts those so far; `cancel()` ends them."""

    __slots__ = ("_clock", "_instants", "_send", "_timer", "is_done", "sent")

    def __init__(self, clock: Clock, instants: Iterable[int], send: Callable[[int], object]) -> None:
        self._clock = clock
        self._instants = iter(instants)
        self._send = send
        self.sent = 0
        self.is_done = False
        self._timer: Timer | None = None
        self._go_on()

    def cancel(self) -> None:
        """Let nothing more arrive. Does nothing when the arrivals are over."""
        self.is_done = True
        if self._timer is not None:
            self._timer.cancel()

    def _arrive(self, _argument: object) -> None:
        send = self._send
        self.sent += 1
        send(self.sent)
        clock, timer = self._clock, self._timer
        assert timer is not None
        now_us = clock.now_us
        for at_us in self._instants:
            if self.is_done:
                return
            if at_us > now_us:
                clock.rearm(timer, at_us, self._arrive, None, _WORK)
                return
            if at_us < now_us:
                self._schedule(at_us)  # which refuses it
            self.sent += 1
            send(self.sent)
        self.is_done = True

    def _go_on(self) -> None:
        at_us = next(self._instants, None)
        if at_us is None:
            self.is_done = True
        else:
            self._schedule(at_us)

    def _schedule(self, at_us: int) -> None:
        clock = self._clock
        if at_us < clock.now_us:
            msg = f"an arrival at {at_us} µs lies before {clock.now_us} µs; instants must not decrease"
            raise UsageError(msg)
        if self._timer is None:
            self._timer = clock.timer(at_us, self._arrive)
        else:
            clock.rearm(self._timer, at_us, self._arrive, None, _WORK)


class Simulation:
    """
    Queues, functions and mappings on one clock.

    Args:
        seed: Of everything that looks random; the same seed gives the same run.
        start: The instant of zero: a whole minute of UTC.
        region, account_id: Of everything made here.
        concurrent_executions: The account's concurrency; 1,000 by default.
        faults: What may go wrong, such as `Faults(duplicate_probability=0.05)` or `Faults.at_least_once()`; nothing
            when not given.
        choices: Who answers what AWS leaves open. When nobody is given: the benign default, and where faults are on,
            draws with the seed of the simulation.
        settings: Value objects that hold for everything made here, at most one of a class.
        execution: `"plain"`: a handler runs whole at the instant at which it starts; `"interleaved"`: it is suspended
            where it sleeps, calls a service or touches something remote.
        trace: How many records are kept; None for all, 0 for none.
        pace: Seconds that each place takes at least where an interleaved handler is suspended: calls of services,
            operations on remote things, checkpoints.
    Raises:
        UsageError: A value that means nothing here.

    >>> sim = Simulation()
    >>> orders = sim.create_queue("orders")
    >>> worker = sim.create_function("worker", duration=0.2)
    >>> _ = sim.create_event_source_mapping(orders, worker)
    >>> _ = orders.send_message("order 1")
    >>> sim.run()
    >>> sim.now, orders.snapshot().deleted
    (0.2, 1)
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        start: str | dt.datetime = "2026-01-01T00:00:00Z",
        region: str = "us-east-1",
        account_id: str = "123456789012",
        concurrent_executions: int | None = None,
        faults: SqsFaults | LambdaFaults | AsyncFaults | EsmFaults | None = None,
        choices: Chooser | None = None,
        settings: Iterable[object] = (),
        execution: str = "plain",
        trace: int | None = 10_000,
        pace: Duration = 0,
    ) -> None:
        if faults is not None and not isinstance(faults, GROUPS):
            msg = f"faults={faults!r}: give Faults, such as Faults(duplicate_probability=0.05)"
            raise UsageError(msg)
        if execution not in ("plain", "interleaved"):
            msg = f"execution={execution!r}: it is 'plain' or 'interleaved'"
            raise UsageError(msg)
        given = list(settings)
        self._place: dict[str, Any] = {"region": region, "account_id": account_id, "partition": partition_of(region)}
        _add_or_evolve(given, SqsConfig, **self._place)
        if concurrent_executions is not None:
            _add_or_evolve(given, LambdaLimits, account_concurrency=concurrent_executions)
        self._settings = Settings(given, allowed=SETTINGS, where="the simulation")
        self.seed = seed
        self.region = region
        self.account_id = account_id
        if choices is not None and not callable(getattr(choices, "choose", None)):
            msg = f"choices={choices!r} cannot choose; give an object with choose(point, options), such as Seeded(1)"
            raise UsageError(msg)
        self.clock = Clock(seed=seed, start=start, choices=choices, trace=trace)
        self.clock.pace_us = seconds(pace, name="pace")
        if execution == "interleaved":
            greenlets()  # which says what is missing, if anything is
            self.clock.interleave()
        self.prices = self._settings.get(PriceBook)
        if faults is None and getattr(choices, "explores", False):
            faults = Faults.permitted()
        self.faults = faults
        self.execution = execution
        self._registry = Registry(self.clock)
        self._functions = Functions(self.clock, self._queue_target)
        self._bridge: Any = _bridges().Bridge(self)
        self._functions.companion = self._bridge
        self._endpoints: dict[tuple[str, str], tuple[Endpoint, LambdaEndpoint]] = {}
        self._sqs, self._lambda = self._endpoint(region, account_id)
        self.pool = self._lambda.pool
        self._mappings: dict[str, EventSourceMapping] = {}
        self._feeds: dict[str, int] = {}  # by the name of the target: no feed moves the arrivals of another
        self.metrics = Metrics(self.clock, self.pool, self._sqs, self._lambda, self._mappings)

    def __repr__(self) -> str:
        """Show the instant and how much there is."""
        return (
            f"<simulation at {self.now} s: {len(self._registry.queues)} queues, {len(self.functions)} functions, "
            f"{len(self.event_source_mappings)} mappings>"
        )

    # ---- time

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return self.clock.now

    @property
    def now_us(self) -> int:
        """Microseconds since the start."""
        return self.clock.now_us

    @property
    def datetime(self) -> dt.datetime:
        """The current instant, aware, in UTC."""
        return self.clock.datetime

    def run(self, until: float | dt.datetime | None = None, *, until_us: int | None = None) -> None:
        """
        Run until only background events are left; or all that is due up to *until*, inclusive, and be there afterwards.

        Args:
            until: Seconds since the start, or an aware datetime. Without it, polls that find nothing, retention and
                the like do not keep the simulation going.
            until_us: The same in microseconds.
        Raises:
            UsageError: The instant lies in the past, or this is called while an event runs.
            SimulationStalledError: A process waits for what cannot happen, or time stands still.
        """
        self.clock.run(until, until_us=until_us)

    def run_for(self, duration: Duration) -> None:
        """Advance exactly *duration* seconds (or a timedelta), even when nothing happens."""
        self.clock.run_for(duration)

    def run_until(self, predicate: Callable[[], object], timeout: Duration | None = None) -> None:
        """
        Stop right after the event, background or not, that makes *predicate* true.

        Raises:
            SimulationStalledError: No event is left that could.
            TimeoutError: It is not true after *timeout* simulated seconds.
        """
        self.clock.run_until(predicate, timeout)

    def step(self) -> bool:
        """Run one event; False when only background events are left."""
        return self.clock.step()

    def call_at(self, t: float | dt.datetime, fn: Callable[..., object], *args: object) -> Timer:
        """Call `fn(*args)` at *t*, in seconds since the start or as a datetime; returns a handle with `cancel()`."""
        return self.clock.call_at(t, fn, *args)

    def call_later(self, delay: Duration, fn: Callable[..., object], *args: object) -> Timer:
        """Call `fn(*args)` in *delay* seconds; returns a handle with `cancel()`."""
        return self.clock.call_later(delay, fn, *args)

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
        """Start a process that may await `sim.sleep`, `queue.wait_receive` and `function.wait_invoke`."""
        return self.clock.spawn(coroutine)

    def sleep(self, duration: Duration) -> Awaitable[None]:
        """Return what a process awaits to let time pass."""
        return self.clock.sleep(duration)

    def random(self, name: str) -> Random:
        """Return a named random stream of this simulation; only its `random()` is the same on every Python."""
        return self.clock.streams[f"user/{name}"]

    # ---- making things

    def create_queue(
        self,
        queue_name: str,
        *,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        settings: Iterable[object] = (),
        faults: SqsFaults | None = None,
        region: str | None = None,
        account_id: str | None = None,
        **keywords: Unpack[QueueAttributes],
    ) -> Queue:
        """
        Make a queue, or return the one of this name if every attribute given here is as it has it.

        Args:
            queue_name: 1 to 80 characters of `A-Z a-z 0-9 _ -`; the name of a FIFO queue ends in `.fifo`.
            attributes: AWS's map of texts, to the letter.
            tags: Of a new queue.
            settings: At most one `SqsConfig` and one `SqsCostModel`, for this queue.
            faults: What may go wrong in this queue, instead of what may in the simulation.
            region, account_id: Where and whose it is; those of the simulation by default.
            keywords: Attributes in our form, such as `visibility_timeout=30`: see `QueueAttributes`.
        Raises:
            QueueNameExists: There is one with another value for an attribute given (SQS-041).
            QueueDeletedRecently: There was one less than 60 s ago (SQS-043).
            InvalidParameterValueException: The name or a policy is not allowed (SQS-027, SQS-101).
            InvalidAttributeName: No such attribute, or not on this type of queue.
            InvalidAttributeValue: An attribute is out of its range.
            UsageError: A parameter that there is not, by name.

        Rules: SQS-040 to SQS-046.
        """
        endpoint, _ = self._endpoint(region or self.region, account_id or self.account_id)
        return endpoint.create_queue(
            queue_name, attributes=attributes, tags=tags, settings=settings, faults=faults, **keywords
        )

    def get_queue_url(
        self, queue_name: str | Queue, queue_owner_aws_account_id: str | None = None
    ) -> GetQueueUrlResult:
        """
        Return where a queue is (SQS-050).

        Args:
            queue_name: Of the queue.
            queue_owner_aws_account_id: Whose it is; the simulation's account when not given.
        Raises:
            QueueDoesNotExist: There is none.
        """
        return self._sqs.get_queue_url(queue_name, queue_owner_aws_account_id)

    def list_queues(
        self, queue_name_prefix: str | None = None, max_results: int | None = None, next_token: str | None = None
    ) -> ListQueuesResult:
        """
        Return the URLs of the queues of this region and account, sorted by name (SQS-051, SQS-052).

        Args:
            queue_name_prefix: What their names begin with.
            max_results: 1 to 1,000; None: 1,000 at most, and no further page.
            next_token: Of the page before.
        Raises:
            InvalidParameterValueException: Out of range, or no such token.
        """
        return self._sqs.list_queues(queue_name_prefix, max_results, next_token)

    def start_message_move_task(
        self,
        source_arn: str | Queue,
        destination_arn: str | Queue | None = None,
        max_number_of_messages_per_second: int | None = None,
    ) -> StartMessageMoveTaskResult:
        """
        Move the messages of a dead-letter queue, to the queues they came from or to another one (SQS-460 to SQS-465).

        Args:
            source_arn: Of a queue that is the dead-letter queue of some other; the queue itself will do.
            destination_arn: Where to; None: each back to where it came from.
            max_number_of_messages_per_second: 1 to 500; None: `SqsConfig.redrive_default_rate`.
        Raises:
            ResourceNotFoundException: A queue does not exist.
            InvalidParameterValueException: Anything else (SQS-461).
            UnsupportedOperation: 100 tasks are at work.
        """
        return self._sqs.start_message_move_task(source_arn, destination_arn, max_number_of_messages_per_second)

    def cancel_message_move_task(self, task_handle: str) -> CancelMessageMoveTaskResult:
        """
        End a move task; what it moved stays where it is (SQS-466, SQS-467).

        Raises:
            InvalidParameterValueException: No handle of a task.
            ResourceNotFoundException: The task, or its queue, does not exist, or the task has ended.
        """
        return self._sqs.cancel_message_move_task(task_handle)

    def list_message_move_tasks(
        self, source_arn: str | Queue, max_results: int | None = None
    ) -> ListMessageMoveTasksResult:
        """
        Return the newest move tasks of a queue (SQS-468).

        Args:
            source_arn: Of the queue; the queue itself will do.
            max_results: 1 (None) to 10.
        Raises:
            ResourceNotFoundException: No such queue.
            InvalidParameterValueException: Out of range, or no ARN.
        """
        return self._sqs.list_message_move_tasks(source_arn, max_results)

    def create_function(
        self,
        function_name: str,
        handler: Handler | str | None = None,
        *,
        init: Callable[[], Any] | None = None,
        execution: str | None = None,
        timeout: int | None = None,
        memory_size: int | None = None,
        environment: Mapping[str, str] | None = None,
        duration: DurationLike | None = None,
        failure_rate: float = 0.0,
        reserved_concurrent_executions: int | None = None,
        architecture: str = "x86_64",
        log_group: str | None = None,
        dead_letter_target_arn: str | Queue | None = None,
        description: str = "",
        zip_file: bytes | None = None,
        details: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        faults: LambdaFaults | AsyncFaults | None = None,
        settings: Iterable[object] = (),
        region: str | None = None,
        account_id: str | None = None,
        **others: object,
    ) -> Function:
        """
        Make a function; arguments are those of `Function`.

        Args:
            function_name: Of the function.
            handler: A function of event and context, its name as text, or None.
            execution: `"plain"` or `"interleaved"`; that of the simulation by default.
            faults: What may go wrong in this function, instead of what may in the simulation.
            settings: At most one of a class, for this function.
            region, account_id: Where and whose it is; those of the simulation by default.
        Raises:
            ResourceConflictException: There is one of this name (LAM-023).
            UsageError: A parameter that this version does not have, by name.
        """
        _refuse("create_function", others)
        if faults is not None and not isinstance(faults, LambdaFaults | AsyncFaults):
            msg = f"faults={faults!r} of function {function_name!r}: give Faults or LambdaFaults"
            raise UsageError(msg)
        if isinstance(faults, LambdaFaults):
            for name in ("call_error", "call_throttled", "call_lost"):
                if getattr(faults, name):
                    msg = f"{name} of function {function_name!r}: calls are those of all; give it to the simulation"
                    raise UsageError(msg)
        _, endpoint = self._endpoint(region or self.region, account_id or self.account_id)
        return endpoint.create_function(
            function_name,
            handler,
            init=init,
            execution=execution,
            timeout=timeout,
            memory_size=memory_size,
            environment=environment,
            duration=duration,
            failure_rate=failure_rate,
            reserved_concurrent_executions=reserved_concurrent_executions,
            architecture=architecture,
            log_group=log_group,
            dead_letter_target_arn=dead_letter_target_arn,
            description=description,
            zip_file=zip_file,
            details=details,
            tags=tags,
            faults=lambda_part(faults),
            async_faults=async_part(faults),
            settings=settings,
        )

    def list_functions(self, max_items: int | None = None, marker: str | None = None) -> ListFunctionsResult:
        """
        Return the functions of this region and account, by name.

        Args:
            max_items: 1 to 10,000; None: all.
            marker: Of the page before.
        """
        return self._lambda.list_functions(max_items, marker)

    def get_account_settings(self) -> AccountSettings:
        """Return the concurrency of the account, what of it is unreserved, and the number of functions (LAM-158)."""
        return self._lambda.get_account_settings()

    def invoke(
        self,
        function_name: str | Function,
        payload: object = None,
        *,
        invocation_type: str = "RequestResponse",
        qualifier: str | None = None,
        log_type: str | None = None,
        client_context: str | Mapping[str, Any] | None = None,
    ) -> InvokeResult:
        """
        Invoke a function by what a caller of AWS may name it: see `Function.invoke`.

        Args:
            function_name: A name, partial ARN or ARN, each with a qualifier or without; or the function.
            qualifier: A version or alias, unless the name has one.
        Raises:
            InvalidParameterValueException: Both have one, and they differ (LAM-021).
            ResourceNotFoundException: There is no such function.
        """
        function, derived = self._lambda.find(function_name, qualifier)
        return function.invoke(
            payload,
            invocation_type=invocation_type,
            qualifier=one_qualifier(derived, qualifier),
            log_type=log_type,
            client_context=client_context,
        )

    @property
    def claimed_share(self) -> float:
        """Percent of the account's concurrency that is claimed now (LAM-267)."""
        return self.pool.claimed * 100 / self.pool.account_concurrency

    def register_target(self, arn: str, target: Deliver | None) -> None:
        """
        Let a callable stand for a topic, an event bus or a bucket that records of asynchronous events go to.

        Args:
            arn: Of the topic, bus or bucket.
            target: Takes one message, a dictionary: `TopicArn`, `Message` and `MessageAttributes`; `Source`,
                `DetailType`, `Resources`, `Detail` and `EventBusName`; or `Bucket`, `Key` and `Body`. What it raises
                refuses the message. None: there is no such target any more.

        Rules: ASY-070, ASY-074, ASY-075.
        """
        self._functions.register(arn, target)

    def register_handler(
        self,
        ref: str,
        handler: Handler | None = None,
        *,
        init: Callable[[], Any] | None = None,
        execution: str | None = None,
        duration: DurationLike | None = None,
        failure_rate: float = 0.0,
    ) -> None:
        """
        Say what runs in functions that clients of boto3 create from now on, whatever code they send.

        Args:
            ref: The name of a function, or else the text of its `Handler`, such as `"app.handler"`.
            handler: A function of event and context; None for functions that take their time and succeed.
            init, execution, duration, failure_rate: As of `create_function`.
        Raises:
            UsageError: No handler, or a value that means nothing here.
        """
        if not isinstance(ref, str):
            msg = f"register_handler({ref!r}): give the name of a function, or the text of its Handler"
            raise UsageError(msg)
        if isinstance(handler, str):
            msg = f"register_handler({ref!r}, {handler!r}): give the function itself; texts are found in what is sent"
            raise UsageError(msg)
        self._functions.register_code(
            ref,
            Code(
                handler=handler,
                init=init,
                execution=cast("Any", self.execution if execution is None else execution),
                duration=duration,
                failure_rate=failure_rate,
            ),
        )

    def remote(self, obj: T, latency: Duration = 0, name: str | None = None) -> T:
        """
        Return *obj* as it is behind a wire.

        Each operation on it is a place where an interleaved handler may be overtaken, crash or time out.

        Args:
            obj: A dict, a list, a set, a fake of a service, anything.
            latency: Seconds that each operation takes, half of them before its effect.
            name: What stories call it; the name of its class when not given.
        """
        return cast("T", Remote(obj, Wire(self.clock, latency, name)))

    def client(self, service_name: str, **options: Any) -> Any:
        """
        Return a real boto3 client that this simulation answers, and that touches no other (extra `boto3`).

        Args:
            service_name: `sqs` or `lambda`.
            options: As of `boto3.client`; without `region_name` the client is in the region of the simulation.
        Raises:
            UsageError: Another service; boto3 is not installed.
        """
        return _bridges().client(self._bridge, service_name, **options)

    def resource(self, service_name: str, **options: Any) -> Any:
        """Return a real boto3 resource of the same kind; boto3 has one of `sqs`."""
        return _bridges().resource(self._bridge, service_name, **options)

    def patch_boto3(self, *, others: bool = True, sleep: bool = False, threads: bool = False) -> Patching:
        """
        Let this simulation answer SQS and Lambda for every botocore client of the process, whenever it was made.

        A context manager and a decorator. Handlers need none: while their code runs, this is so.

        Args:
            others: Whether calls to other services go where they would have gone; if not, they are refused.
            sleep: Whether `time.sleep` lets simulated time pass, too.
            threads: Whether threads that are started may call clients: one runs at a time, in an order that is the same
                in every run. Their sleeps are simulated, as with *sleep*.
        Raises:
            UsageError: boto3 is not installed.
        """
        return cast("Patching", _bridges().Patch(self._bridge, others=others, sleep=sleep, threads=threads))

    def create_event_source_mapping(
        self,
        event_source: Queue | str,
        function: Function | str,
        *,
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
        faults: EsmFaults | Faults | None = None,
        settings: Iterable[object] = (),
        **others: object,
    ) -> EventSourceMapping:
        """
        Let a function read a queue; arguments are those of `EventSourceMapping`. It polls from this instant on.

        Raises:
            InvalidParameterValueException: A parameter of another kind of source, or a combination that AWS refuses.
            UsageError: A parameter that this version does not have, by name.
        """
        # In the order in which AWS looks (ESM-030), after what no client would send (FLT-014).
        parse_criteria(filter_criteria)
        narrower = Settings(settings, allowed=MAPPING_SETTINGS, where="an event source mapping", wider=self._settings)
        check_numbers(
            MappingConfiguration(
                batch_size=batch_size,
                maximum_batching_window_in_seconds=maximum_batching_window_in_seconds,
                maximum_concurrency=maximum_concurrency,
                minimum_pollers=minimum_pollers,
                maximum_pollers=maximum_pollers,
            ),
            narrower.get(ProvisionedModel),
        )
        target, qualifier = self._target(function)
        source = self._source(event_source)
        refuse_others("create_event_source_mapping", others)
        mapping = EventSourceMapping(
            source,
            target,
            qualifier=qualifier,
            batch_size=batch_size,
            maximum_batching_window_in_seconds=maximum_batching_window_in_seconds,
            maximum_concurrency=maximum_concurrency,
            minimum_pollers=minimum_pollers,
            maximum_pollers=maximum_pollers,
            function_response_types=function_response_types,
            filter_criteria=filter_criteria,
            enabled=enabled,
            metrics=metrics,
            kms_key_arn=kms_key_arn,
            tags=tags,
            faults=esm_part(self.faults if faults is None else faults),
            settings=narrower,
            siblings=self._mappings.values(),
            find_function=self._functions.function,
            await_queue=self._registry.await_queue,
        )
        self._mappings[mapping.uuid] = mapping
        return mapping

    def list_event_source_mappings(
        self,
        event_source: Queue | str | None = None,
        function: Function | str | None = None,
        max_items: int | None = None,
        marker: str | None = None,
    ) -> ListEventSourceMappingsResult:
        """
        Return a page of the mappings, in order of creation (ESM-035).

        Args:
            event_source: Only those of this queue: itself, its name, ARN or URL.
            function: Only those of this function: itself, its name or ARN; with a qualifier only those of that.
            max_items: 1 to 100 (None).
            marker: Of the page before.
        Raises:
            ValidationException: Out of range.
            InvalidParameterValueException: No marker of such a list.
            ResourceNotFoundException: There is no such function.
        """
        check_range("maxItems", 100 if max_items is None else max_items, 1, 10_000)
        if marker is not None and not (isinstance(marker, str) and marker.isdecimal()):
            msg = "Invalid Marker"
            raise InvalidParameterValueException(msg)
        found = [mapping for mapping in self.event_source_mappings if marker is None or mapping.number > int(marker)]
        if event_source is not None:
            arn = event_source if isinstance(event_source, str) and event_source.startswith("arn:") else None
            with suppress(QueueDoesNotExist):
                arn = self._sqs.queue(event_source).arn if arn is None else arn
            found = [mapping for mapping in found if mapping.queue.arn == arn]
        if function is not None:
            target, qualifier = self._lambda.find(function)
            found = [mapping for mapping in found if mapping.function.arn == target.arn]
            if qualifier is not None:
                found = [mapping for mapping in found if mapping.qualifier == check_qualifier(qualifier)]
        size = min(100, 100 if max_items is None else max_items)
        page = found[:size]
        return ListEventSourceMappingsResult(
            event_source_mappings=tuple(mapping.show_in_list() for mapping in page),
            next_marker=str(page[-1].number) if len(page) < len(found) else None,
        )

    def feed(
        self,
        target: Queue | Callable[[str], object],
        arrivals: Arrivals | Iterable[Duration],
        message: str | Callable[[int], str] = "message",
    ) -> Feed:
        """
        Let messages arrive.

        Nobody hears of answers that get lost (SQS-170), and what a queue refuses as one call too many (SQS-415) is not
        sent again.

        Args:
            target: A standard queue, or a callable that takes the body.
            arrivals: Instants in seconds since the start, never decreasing; or an object of `lambdasim.workload`, whose
                instants count from now.
            message: The body, or a callable that makes it from the number of the arrival: 1, 2, …
        Returns:
            A handle with `sent`, `is_done` and `cancel()`.
        """
        if isinstance(arrivals, Arrivals):
            began_us = self.now_us
            name = target.arn if isinstance(target, Queue) else getattr(target, "__qualname__", "callable")
            self._feeds[name] = self._feeds.get(name, 0) + 1
            random = self.clock.streams[f"feed/{name}/{self._feeds[name]}"]
            instants: Iterable[int] = arrivals.instants_us(random)
            if began_us:
                instants = (began_us + at_us for at_us in instants)
        else:
            instants = (seconds(at, name="arrival") for at in arrivals)
        return Feed(self.clock, instants, _sender(target, message))

    # ---- finding things

    def queue(self, ref: str | Queue) -> Queue:
        """
        Return a queue by name, ARN or URL.

        Raises:
            QueueDoesNotExist: There is none (SQS-024, SQS-025).
            InvalidAddress: The URL is of another Region (SQS-026).
        """
        return self._sqs.queue(ref)

    def function(self, ref: str | Function) -> Function:
        """
        Return a function by name, partial ARN or ARN; a qualifier makes no difference.

        Raises:
            ResourceNotFoundException: There is none (LAM-065).
        """
        return self._lambda.find(ref)[0]

    def event_source_mapping(self, uuid: str) -> EventSourceMapping:
        """
        Return a mapping by its UUID.

        Raises:
            ResourceNotFoundException: There is none (ESM-033).
        """
        found = self._mappings.get(uuid)
        if found is None or found.is_deleted:
            msg = "The resource you requested does not exist."
            raise ResourceNotFoundException(msg)
        return found

    @property
    def queues(self) -> tuple[Queue, ...]:
        """All queues, in order of creation."""
        return tuple(self._registry.queues.values())

    @property
    def functions(self) -> tuple[Function, ...]:
        """All functions, in order of creation."""
        return tuple(self._functions.functions.values())

    @property
    def event_source_mappings(self) -> tuple[EventSourceMapping, ...]:
        """All mappings, in order of creation."""
        return tuple(mapping for mapping in self._mappings.values() if not mapping.is_deleted)

    # ---- looking

    @property
    def trace(self) -> Trace:
        """What happened: `records` (the newest) and `to_json_lines()`."""
        return self.clock.trace

    @property
    def departures(self) -> tuple[Choice, ...]:
        """What was chosen otherwise than by default, so far and in order; the first 100,000 are kept."""
        return tuple(self.clock.questions.departures)

    @property
    def script(self) -> str:
        """
        The departures as text, such as `duplicate orders#1 @0; crash charge#2 @0.002`.

        `Simulation(choices=Scripted(text))` takes them again, on whatever of it is still asked (SQS-640).

        Raises:
            UsageError: There were more departures than are kept.
        """
        if self.clock.questions.is_cut:
            msg = f"this run has more than {DEPARTURES_MAX:,} departures; no script of it is kept, but its seed is"
            raise UsageError(msg)
        return script_of(self.clock.questions.departures)

    def timeline(
        self,
        *,
        messages: Iterable[Message | str] | Message | str | None = None,
        since: float | dt.datetime | None = None,
        until: float | dt.datetime | None = None,
    ) -> Timeline:
        """
        Return what happened so far, for people: `print` it, or let a notebook show it as a picture.

        It is told from the trace, which keeps the newest records only, and none with `trace=0`.

        Args:
            messages: Only what befell these, the invocations that ran them, and choices about either; messages, or
                their names, such as `"orders#1"`.
            since, until: Only what happened between these instants, inclusive: seconds since the start, or datetimes.
        Raises:
            UsageError: The trace has no message of that name.

        Runtime: `O(records)`.
        """
        since_us = None if since is None else self.clock.at_us(since, name="since")
        until_us = None if until is None else self.clock.at_us(until, name="until")
        return Timeline(self.clock, messages=messages, since_us=since_us, until_us=until_us)

    def subscribe(self, observer: Callable[[Record], object]) -> Subscription:
        """
        Call `observer(record)` for each record from now on; returns a handle with `cancel()`.

        What it raises leaves the run once the event is complete; after a call from outside, the next run. It looks, and
        calls nothing that changes the simulation: what it looks at is under way. `call_later(0, …)` is for that.
        """
        return self.clock.trace.subscribe(observer)

    def check_invariants(self) -> None:
        """
        Assert that nothing is lost and all counts agree, everywhere. Runtime: `O(n log n)` in the messages.

        Raises:
            AssertionError: With what is wrong: a bug of lambdasim.
        """
        for queue in self.queues:
            queue.check_invariants()
        for function in self.functions:
            function.check_invariants()
        for mapping in self.event_source_mappings:
            mapping.check_invariants()
        moved = sum(queue.moved for queue in self._registry.ever())
        arrived = sum(queue.arrived for queue in self._registry.ever())
        assert moved == arrived, f"{moved} messages moved to dead-letter queues, {arrived} arrived"
        for _, endpoint in self._endpoints.values():
            pool = endpoint.pool
            in_flight = sum(function.in_flight for function in endpoint.ever())
            assert in_flight == pool.in_flight, f"{in_flight} in flight by function, {pool.in_flight} in the pool"

    # ---- small things

    def _endpoint(self, region: str, account_id: str) -> tuple[Endpoint, LambdaEndpoint]:
        """Return SQS and Lambda as a caller of this region and account sees them."""
        if not isinstance(region, str) or not isinstance(account_id, str):
            msg = (
                f"region={region!r} and account_id={account_id!r} must be texts, such as 'us-east-1' and '123456789012'"
            )
            raise UsageError(msg)
        found = self._endpoints.get((region, account_id))
        if found is None:
            place: dict[str, Any] = {"region": region, "account_id": account_id, "partition": partition_of(region)}
            config = evolve(self._settings.get(SqsConfig), **place)
            settings = Settings((config,), allowed=SETTINGS, where="the simulation", wider=self._settings)
            functions = LambdaEndpoint(
                self._functions,
                settings,
                **place,
                faults=lambda_part(self.faults),
                async_faults=async_part(self.faults),
                execution=self.execution,
            )
            queues = Endpoint(self._registry, settings, sqs_part(self.faults))
            found = self._endpoints[region, account_id] = queues, functions
        return found

    def _queue_target(self, arn: str) -> _QueueTarget | None:
        """Return a queue as a destination, by its ARN."""
        queue = self._registry.queues.get(arn)
        return None if queue is None else _QueueTarget(queue)

    def _source(self, ref: Queue | str) -> Queue:
        try:
            return self.queue(ref)
        except QueueDoesNotExist as error:
            if isinstance(ref, str) and ref.startswith("arn:") and ":sqs:" not in ref:
                msg = "Unrecognized event source."
                raise InvalidParameterValueException(msg) from error
            msg = (
                "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS "
                "Error Message: The specified queue does not exist."
            )
            raise InvalidParameterValueException(msg) from error

    def _target(self, ref: Function | str) -> tuple[Function, str | None]:
        """Return a function, and the version or alias that is named with it (`$LATEST` is none)."""
        try:
            function, qualifier = self._lambda.find(ref)
            qualifier = check_qualifier(qualifier)
            function.target(qualifier)
        except ResourceNotFoundException as error:
            msg = "Function does not exist"
            raise InvalidParameterValueException(msg) from error
        return function, qualifier


class _QueueTarget:
    """A queue that Lambda sends records and dead letters to."""

    __slots__ = ("_queue",)

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    @property
    def is_fifo(self) -> bool:
        return self._queue.is_fifo

    def send(self, body: str, attributes: Attributes | None) -> object:
        # The operation itself, whatever stands before it for handlers and for callers that can wait.
        return Queue.send_message(self._queue, body, message_attributes=attributes)


def _add_or_evolve(given: list[object], kind: type[Any], **fields: object) -> None:
    """Put fields of the simulation's own arguments into the value object of this class, making it if need be."""
    for place, value in enumerate(given):
        if type(value) is kind:
            given[place] = evolve(cast("Any", value), **fields)
            return
    given.append(kind(**fields))


def _refuse(call: str, others: Mapping[str, object]) -> None:
    if others:
        names = ", ".join(others)
        msg = f"{call}() has no parameter {names} in this version; leave it out"
        raise UsageError(msg)


def _sender(target: Queue | Callable[[str], object], message: str | Callable[[int], str]) -> Callable[[int], object]:
    """Return what sends the arrival of a number; a constant body is checked once."""
    if isinstance(target, Queue):
        if target.is_fifo:
            msg = (
                f"target={target!r} is a FIFO queue, whose messages need a group; give a callable, such as "
                "lambda body: queue.send_message(body, message_group_id=…, message_deduplication_id=…)"
            )
            raise UsageError(msg)
        if isinstance(message, str):
            return _unattended(target, target.sender(message))
        make = message
        return _unattended(target, lambda number: target.send_message(make(number)))
    if not callable(target):
        msg = f"target={target!r} is no queue and cannot be called"
        raise UsageError(msg)
    if isinstance(message, str):
        return lambda _number: target(message)
    return lambda number: target(message(number))


def _unattended(queue: Queue, send: Callable[[int], object]) -> Callable[[int], object]:
    """Return what sends without anybody to hear of a lost answer, or to send again what was refused as too much."""
    if queue.faults == SqsFaults():
        return send

    def send_anyway(number: int) -> None:
        with suppress(ResponseLostError, RequestThrottled):
            send(number)

    return send_anyway


def _bridges() -> Any:
    from lambdasim.bridges import boto3

    return boto3
