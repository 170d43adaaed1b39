"""
All queues of one simulation, and the operations of AWS that name no queue of theirs, or name it by a text.

`Registry` knows every queue by its ARN, whatever its region and account. `Endpoint` is the service as one caller sees
it: someone of one account who talks to one region.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

from attrs import evolve

from lambdasim.clock import Clock
from lambdasim.errors import ParamValidationError, UsageError
from lambdasim.errors.sqs import (
    InvalidParameterValueException,
    MissingRequiredParameterException,
    QueueDeletedRecently,
    QueueDoesNotExist,
    ResourceNotFoundException,
    UnsupportedOperation,
)
from lambdasim.settings import Settings
from lambdasim.sqs.checks import check_number, check_text
from lambdasim.sqs.faults import SqsFaults
from lambdasim.sqs.latency import take_time
from lambdasim.sqs.limits import MOVE_RATE_MAX, MOVE_TASK_LIST_MAX, MOVE_TASKS_MAX, QUEUE_SETTINGS, SqsConfig
from lambdasim.sqs.moves import MoveTask, parse_task_handle
from lambdasim.sqs.names import parse_arn, parse_url
from lambdasim.sqs.paging import page
from lambdasim.sqs.permissions import check_tags
from lambdasim.sqs.queue import Queue
from lambdasim.sqs.resource import NOT_THERE, Resource, merge_new
from lambdasim.sqs.results import (
    CancelMessageMoveTaskResult,
    GetQueueUrlResult,
    ListMessageMoveTasksResult,
    ListQueuesResult,
    StartMessageMoveTaskResult,
)
from lambdasim.units import MICROSECONDS, seconds

if TYPE_CHECKING:
    from lambdasim.sqs.attributes import QueueAttributes

_NO_SOURCE: Final = "The resource that you specified for the SourceArn parameter doesn't exist."
_OPERATIONS: Final = (
    "cancel_message_move_task",
    "create_queue",
    "get_queue_url",
    "list_message_move_tasks",
    "list_queues",
    "start_message_move_task",
)


class Registry:
    """Every queue of one simulation, by its ARN; and what is remembered of those that are gone."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.queues: dict[str, Queue] = {}  #: in order of creation
        self.tasks: dict[str, list[MoveTask]] = {}  #: by the ARN of the source, oldest first
        self.gone: list[Queue] = []  #: deleted, oldest first; they hold nothing but their meters
        self._deleted_at_us: dict[str, int] = {}
        self._awaited: dict[str, list[Callable[[Queue, int], None]]] = {}  # by the ARN: who wants to know the next one
        self._orphans: dict[str, list[Resource]] = {}  # by the ARN of a queue that is gone: those whose policy names it

    # ---- what queues ask: see `lambdasim.sqs.resource.Home`

    def find(self, arn: str) -> Queue | None:
        """Return the queue of an ARN, or None."""
        return self.queues.get(arn)

    def leaves(self, queue: Queue) -> None:
        """Take note that a queue was deleted: its name is taken for a while (SQS-043)."""
        self._deleted_at_us[queue.arn] = self.clock.now_us

    def is_gone(self, queue: Queue) -> None:
        """Forget a queue, but not that others still name it (SQS-063)."""
        if self.queues.get(queue.arn) is not queue:
            return
        del self.queues[queue.arn]
        self.gone.append(queue)
        orphans = {**queue._sources, **queue._followers}
        if orphans:
            self._orphans[queue.arn] = list(orphans)

    # ---- what there is and was

    def ever(self) -> Iterator[Queue]:
        """Yield every queue that there was or is: the deleted ones first."""
        yield from self.gone
        yield from self.queues.values()

    def add(self, queue: Queue) -> None:
        """Take in a new queue; policies that name its ARN lead to it again (SQS-436)."""
        self.queues[queue.arn] = queue
        for source in self._orphans.pop(queue.arn, ()):
            if not source._is_deleted:
                source._meet(queue)
        for callback in self._awaited.pop(queue.arn, ()):
            callback(queue, queue._ready_at_us)

    def await_queue(self, arn: str, callback: Callable[[Queue, int], None]) -> None:
        """Call back once, with the next queue made under an ARN, and when it is to be found."""
        self._awaited.setdefault(arn, []).append(callback)

    def check_free(self, arn: str, wait_s: int) -> None:
        """
        Refuse a name that was given up not long ago.

        Raises:
            QueueDeletedRecently: Less than `recreate_wait_s` ago.
        """
        deleted_at_us = self._deleted_at_us.get(arn)
        if deleted_at_us is not None and self.clock.now_us - deleted_at_us < wait_s * MICROSECONDS:
            msg = "You must wait 60 seconds after deleting a queue before you can create another with the same name."
            raise QueueDeletedRecently(msg)

    def active_tasks(self, account_id: str) -> int:
        """Return how many move tasks of an account are at work."""
        return sum(
            task.is_active
            for arn, tasks in self.tasks.items()
            if arn.split(":")[4] == account_id
            for task in tasks[-1:]  # one of a source at most
        )


class Endpoint:
    """
    Amazon SQS as one caller sees it.

    Args:
        registry: All queues there are.
        settings: Those of the simulation; `region` and `account_id` of its `SqsConfig` are the caller's.
        faults: Those of the simulation.
    """

    def __init__(self, registry: Registry, settings: Settings, faults: SqsFaults | None = None) -> None:
        self._registry = registry
        self._settings = settings
        self._faults = faults
        self._config = config = settings.get(SqsConfig)
        self._clock = registry.clock
        latency_us = seconds(config.call_latency_s, name="call_latency_s")
        if latency_us:
            for operation in _OPERATIONS:
                setattr(self, operation, take_time(self._clock, latency_us, getattr(self, operation), "sqs"))

    # ---- queues

    def create_queue(
        self,
        queue_name: str,
        *,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        settings: Iterable[object] = (),
        faults: SqsFaults | None = None,
        **keywords: Unpack[QueueAttributes],
    ) -> Queue:
        """Make a queue, or return the one of this name; see `Simulation.create_queue`."""
        own = settings
        if isinstance(settings, Iterable):
            own = [self._placed(value) if isinstance(value, SqsConfig) else value for value in settings]
        narrower = Settings(own, allowed=QUEUE_SETTINGS, where=f"queue {queue_name!r}", wider=self._settings)
        config = narrower.get(SqsConfig)
        arn = f"arn:{config.partition}:sqs:{config.region}:{config.account_id}:{queue_name}"
        existing = self._registry.find(arn)
        if existing is not None and existing._deleted_at_us is None:
            given = merge_new(queue_name, attributes, cast("Mapping[str, object]", keywords))
            existing._check_same(given, keywords.get("redrive_policy"))
            if tags is not None:
                check_tags(tags)
            if (own and config != existing.config) or (faults is not None and faults != existing.faults):
                msg = f"settings and faults of queue {queue_name!r}: it exists with others; leave them out"
                raise UsageError(msg)
            return existing
        queue = Queue(
            queue_name,
            self._clock,
            settings=narrower,
            faults=self._faults if faults is None else faults,
            attributes=attributes,
            tags=tags,
            home=self._registry,
            is_free=lambda: self._registry.check_free(arn, config.recreate_wait_s),
            **keywords,
        )
        if existing is not None:
            existing._vanish(None)  # it lingered, and the configuration does not make its name wait
        self._registry.add(queue)
        return queue

    def get_queue_url(
        self, queue_name: str | Queue, queue_owner_aws_account_id: str | None = None
    ) -> GetQueueUrlResult:
        """Return where a queue is; see `Simulation.get_queue_url`."""
        account_id = self._config.account_id if queue_owner_aws_account_id is None else queue_owner_aws_account_id
        if isinstance(queue_name, Queue):
            queue: Queue | None = self.queue(queue_name)
        else:
            name = check_text(queue_name, "queue_name")
            queue = self._find(name, check_text(account_id, "queue_owner_aws_account_id"))
        if queue is None:
            raise QueueDoesNotExist(NOT_THERE)
        queue._guard()
        queue._begin_call()
        return GetQueueUrlResult(queue.url)

    def list_queues(
        self, queue_name_prefix: str | None = None, max_results: int | None = None, next_token: str | None = None
    ) -> ListQueuesResult:
        """Return the URLs of the caller's queues; see `Simulation.list_queues`."""
        prefix = "" if queue_name_prefix is None else check_text(queue_name_prefix, "queue_name_prefix")
        mine = [
            queue
            for queue in self.ever()
            if queue.name.startswith(prefix) and not queue._is_deleted and queue._is_ready
        ]
        return page([queue.url for queue in sorted(mine, key=lambda queue: queue.name)], max_results, next_token)

    def queue(self, ref: str | Queue) -> Queue:
        """
        Return a queue by name, ARN or URL.

        Raises:
            QueueDoesNotExist: There is none (SQS-024, SQS-025).
            InvalidAddress: The URL is of another Region (SQS-026).
        """
        found: Queue | None = None
        if isinstance(ref, Queue):
            found = ref if self._registry.find(ref.arn) is ref else None
        elif check_text(ref, "queue").startswith("arn:"):
            found = self._registry.find(ref)
        else:
            address = parse_url(ref, self._config.region, self._config.account_id)
            found = self._find(address.name, address.account_id)
        if found is None:
            raise QueueDoesNotExist(NOT_THERE)
        return found

    def ever(self) -> Iterator[Queue]:
        """Yield every queue of this region and account that there was or is: the deleted ones first."""
        place = self._config.region, self._config.account_id
        for queue in self._registry.ever():
            if (queue.config.region, queue.config.account_id) == place:
                yield queue

    # ---- move tasks

    def start_message_move_task(
        self,
        source_arn: str | Queue,
        destination_arn: str | Queue | None = None,
        max_number_of_messages_per_second: int | None = None,
    ) -> StartMessageMoveTaskResult:
        """Move the messages of a dead-letter queue; see `Simulation.start_message_move_task`."""
        if source_arn is None:
            msg = "The request must contain the parameter SourceArn."
            raise MissingRequiredParameterException(msg)
        source_text = self._check_arn(source_arn, "SourceArn")
        destination_text = None if destination_arn is None else self._check_arn(destination_arn, "DestinationArn")
        rate = max_number_of_messages_per_second
        if rate is not None:
            check_number(rate, "max_number_of_messages_per_second")
        if rate is not None and not 1 <= rate <= MOVE_RATE_MAX:
            msg = (
                "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a number that's "
                "between 1 and 500."
            )
            raise InvalidParameterValueException(msg)
        if source_text == destination_text:
            msg = "Source queue arn and destination queue arn cannot be the same."
            raise InvalidParameterValueException(msg)
        source = self._source(source_text)
        if not source._sources:
            msg = "Source queue must be configured as a Dead Letter Queue."
            raise InvalidParameterValueException(msg)
        destination = None if destination_text is None else self._registry.find(destination_text)
        if destination_text is not None and (destination is None or not destination._is_ready):
            msg = "The resource that you specified for the DestinationArn parameter doesn't exist."
            raise ResourceNotFoundException(msg)
        if destination is not None and destination.is_fifo is not source.is_fifo:
            msg = "The source queue and destination queue must be of the same queue type."
            raise InvalidParameterValueException(msg)
        tasks = self._registry.tasks.setdefault(source_text, [])
        if tasks and tasks[-1].is_active:
            msg = (
                "There is already a task running. Only one active task is allowed for a source queue arn at a given "
                "time."
            )
            raise InvalidParameterValueException(msg)
        if self._registry.active_tasks(self._config.account_id) >= MOVE_TASKS_MAX:
            msg = f"The maximum number of active message move tasks is {MOVE_TASKS_MAX}."
            raise UnsupportedOperation(msg)
        source._begin_call()
        series = self._clock.identifiers.series("move task", source_text)
        task = MoveTask(series.text(series.next()), source, destination, rate, self._registry.find)
        tasks.append(task)
        return StartMessageMoveTaskResult(task.handle)

    def cancel_message_move_task(self, task_handle: str) -> CancelMessageMoveTaskResult:
        """End a move task; see `Simulation.cancel_message_move_task`."""
        if task_handle is None:
            msg = "The request must contain the parameter TaskHandle."
            raise MissingRequiredParameterException(msg)
        source = self._source(parse_task_handle(check_text(task_handle, "task_handle")))
        tasks = self._registry.tasks.get(source.arn, [])
        task = next((task for task in tasks if task.handle == task_handle and task.status == "RUNNING"), None)
        if task is None:
            msg = "Task does not exist."
            raise ResourceNotFoundException(msg)
        source._begin_call()
        task.cancel()
        return CancelMessageMoveTaskResult(task.moved)

    def list_message_move_tasks(
        self, source_arn: str | Queue, max_results: int | None = None
    ) -> ListMessageMoveTasksResult:
        """Return the newest move tasks of a queue; see `Simulation.list_message_move_tasks`."""
        if source_arn is None:
            msg = "The request must contain the parameter SourceArn."
            raise MissingRequiredParameterException(msg)
        text = self._check_arn(source_arn, "SourceArn")
        limit = 1 if max_results is None else max_results
        check_number(limit, "max_results")
        if not 1 <= limit <= MOVE_TASK_LIST_MAX:
            msg = (
                "Value for parameter MaxResults is invalid. Reason: You must enter a number that's between 1 and "
                f"{MOVE_TASK_LIST_MAX}."
            )
            raise InvalidParameterValueException(msg)
        source = self._source(text)
        source._begin_call()
        newest = self._registry.tasks.get(text, [])[: -limit - 1 : -1]
        return ListMessageMoveTasksResult(tuple(task.to_entry() for task in newest))

    # ---- small things

    def _find(self, name: object, account_id: str) -> Queue | None:
        config = self._config
        return self._registry.find(f"arn:{config.partition}:sqs:{config.region}:{account_id}:{name}")

    def _source(self, arn: str) -> Queue:
        source = self._registry.find(arn)
        if source is None or not source._is_ready:
            raise ResourceNotFoundException(_NO_SOURCE)
        return source

    def _check_arn(self, ref: object, parameter: str) -> str:
        text = ref.arn if isinstance(ref, Queue) else ref
        if not isinstance(text, str):
            msg = f"{ref!r} is no ARN; give a text or a queue as {parameter}"
            raise ParamValidationError(msg)
        arn = parse_arn(text)
        if arn is None or arn.service != "sqs":
            msg = (
                f"You must use this format to specify the {parameter}: "
                "arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
            )
            raise InvalidParameterValueException(msg)
        return text

    def _placed(self, config: SqsConfig) -> SqsConfig:
        """Return a queue's configuration in the region and account of this caller; refuse one that names others."""
        default = SqsConfig()
        place: dict[str, Any] = {name: getattr(self._config, name) for name in ("region", "account_id", "partition")}
        for name, own in place.items():
            if getattr(config, name) not in {getattr(default, name), own}:
                msg = f"SqsConfig({name}={getattr(config, name)!r}): queues here live in {own!r}; leave it out"
                raise UsageError(msg)
        return evolve(config, **place)
