"""
Message move tasks: they bring the messages of a dead-letter queue back, one after the other, at a rate.

A task is a timer that moves one message each time; its steps lie at start + floor(k / rate), so no error adds up. It
keeps the simulation going until it is done.

Rules: SQS-460 to SQS-469.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from lambdasim.clock import Clock, Priority, Timer
from lambdasim.errors.sqs import InvalidParameterValueException
from lambdasim.sqs.limits import MOVE_TASK_RUN_MAX_S
from lambdasim.sqs.results import MessageMoveTaskEntry
from lambdasim.units import MICROSECONDS, seconds

if TYPE_CHECKING:
    from lambdasim.sqs.message import Message
    from lambdasim.sqs.queue import Queue

RUNNING: Final = "RUNNING"
COMPLETED: Final = "COMPLETED"
CANCELLING: Final = "CANCELLING"
CANCELLED: Final = "CANCELLED"
FAILED: Final = "FAILED"

_NO_SOURCE: Final = "CouldNotDetermineMessageSource"
_NO_QUEUE: Final = "AWS.SimpleQueueService.NonExistentQueue"
_TOO_LONG: Final = "TimeoutExceeded"


class MoveTask:
    """One move task, from its start on."""

    __slots__ = (
        "_clock",
        "_destination",
        "_find",
        "_last",
        "_rate",
        "_source",
        "_timer",
        "destination_arn",
        "failure_reason",
        "given_rate",
        "handle",
        "moved",
        "source_arn",
        "started_us",
        "status",
        "to_move",
    )

    def __init__(
        self,
        task_id: str,
        source: Queue,
        destination: Queue | None,
        given_rate: int | None,
        find: Callable[[str], Queue | None],
    ) -> None:
        self._clock: Clock = source.clock
        self._source = source
        self._destination = destination
        self._find = find
        self.given_rate = given_rate
        self._rate = source.config.redrive_default_rate if given_rate is None else given_rate
        self.source_arn = source.arn
        self.destination_arn = None if destination is None else destination.arn
        self.started_us = self._clock.now_us
        self.to_move = source.visible
        self.moved = 0
        self.status = RUNNING
        self.failure_reason: str | None = None
        self.handle = _encode(task_id, source.arn)
        self._timer: Timer | None = None
        self._last: Timer | None = None  # the end of a cancelled task that goes on for a while
        self._step()

    @property
    def is_active(self) -> bool:
        """Whether it may still move messages."""
        return self.status in {RUNNING, CANCELLING}

    def cancel(self) -> None:
        """End it, at once unless cancelling takes time (SQS-467)."""
        lag_us = seconds(self._source.faults.cancel_move_task_s, name="cancel_move_task_s")
        if not lag_us:
            self._end(CANCELLED)
            return
        self.status = CANCELLING
        self._last = self._clock.timer(self._clock.now_us + lag_us, self._end, CANCELLED, priority=Priority.MOVE.value)

    def _on_time(self, _argument: object) -> None:
        self._step(in_c1=True)

    def _step(self, *, in_c1: bool = False) -> None:
        """Move one message, and see to the next (SQS-462, SQS-463)."""
        self._timer = None
        if self._last is not None and self._last.at_us <= self._clock.now_us:
            return  # it ends at this very instant
        if self._clock.now_us - self.started_us >= MOVE_TASK_RUN_MAX_S * MICROSECONDS:
            self._fail(_TOO_LONG)
            return
        if self._source._is_deleted:
            self._fail(_NO_QUEUE)
            return
        message = self._source._first_visible()
        if message is None:
            self._end(COMPLETED if self.status == RUNNING else CANCELLED)
            return
        target = self._target_of(message)
        if target is None:
            return
        self.moved += 1
        at_us = self.started_us + self.moved * MICROSECONDS // self._rate
        self._timer = self._clock.timer(at_us, self._on_time, priority=Priority.MOVE.value)
        with self._source._holding_wakes(in_c1=in_c1), target._holding_wakes(in_c1=in_c1):
            self._source._take_away(message, target)

    def _target_of(self, message: Message) -> Queue | None:
        """Return where a message goes; None: nowhere, and the task has failed."""
        target = self._destination
        if target is None:
            source_arn = message.dead_letter_queue_source_arn
            if source_arn is None:
                self._fail(_NO_SOURCE)
                return None
            target = self._find(source_arn)
        if target is None or target._is_deleted:
            self._fail(_NO_QUEUE)
            return None
        return target

    def _fail(self, reason: str) -> None:
        self.failure_reason = reason
        self._end(FAILED)

    def _end(self, status: str) -> None:
        self.status = status
        for timer in (self._timer, self._last):
            if timer is not None:
                timer.cancel()
        self._timer = self._last = None
        self._source._forget_first()

    def to_entry(self) -> MessageMoveTaskEntry:
        """Return it as it is listed (SQS-468)."""
        return MessageMoveTaskEntry(
            status=self.status,
            source_arn=self.source_arn,
            destination_arn=self.destination_arn,
            max_number_of_messages_per_second=self.given_rate,
            approximate_number_of_messages_moved=self.moved,
            approximate_number_of_messages_to_move=self.to_move,
            started_timestamp=(self._clock.start_us + self.started_us) // 1000,
            task_handle=self.handle if self.status == RUNNING else None,
            failure_reason=self.failure_reason,
        )


def _encode(task_id: str, source_arn: str) -> str:
    text = json.dumps({"taskId": task_id, "sourceArn": source_arn}, separators=(",", ":"))
    return b64encode(text.encode()).decode()


def parse_task_handle(handle: object) -> str:
    """
    Return the ARN of the source that a handle names (SQS-469).

    Raises:
        InvalidParameterValueException: The handle does not decode (SQS-466).
    """
    members: Any = None
    try:
        members = json.loads(b64decode(str(handle).encode(), validate=True))
    except (ValueError, RecursionError):
        members = None
    if isinstance(members, dict) and isinstance(members.get("sourceArn"), str) and "taskId" in members:
        return str(members["sourceArn"])
    msg = "Value for parameter TaskHandle is invalid."
    raise InvalidParameterValueException(msg)
