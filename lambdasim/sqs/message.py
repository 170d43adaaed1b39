"""
Messages, their states, and what callers see of them.

A `Message` is what a queue keeps; there may be millions, so it holds numbers and makes texts when somebody looks. All
messages that one receive delivered share a `Flight`: it is what ends when their visibility timeout does.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import partial
from hashlib import md5
from typing import TYPE_CHECKING

from attrs import define, field, frozen

if TYPE_CHECKING:
    from lambdasim.clock import Series
    from lambdasim.sqs.queue import Queue


try:
    md5(b"")  # noqa: S324 - AWS asks for it, and no secret hangs on it
    _md5 = md5
except ValueError:  # a Python that keeps to FIPS wants to hear that nothing hangs on it
    _md5 = partial(md5, usedforsecurity=False)


class State(Enum):
    """Where a message is (SQS-230): in a queue in one of three ways, or gone in one of several."""

    DELAYED = "delayed"
    VISIBLE = "visible"
    IN_FLIGHT = "in flight"
    DELETED = "deleted"
    EXPIRED = "expired"
    MOVED = "moved"


class Flight:
    """
    What one receive delivered, until its visibility timeout ends (SQS-240).

    *live* counts the messages that are still in flight under it; messages leave it when they are deleted, expire or get
    a timeout of their own. A flight that is *held* belongs to a mapping that has events of its own to come for it.
    """

    __slots__ = ("deadline_us", "held", "live", "messages", "received_at_us")

    def __init__(self, deadline_us: int, messages: list[Message], received_at_us: int, *, held: bool) -> None:
        self.deadline_us = deadline_us
        self.messages = messages
        self.live = len(messages)
        self.received_at_us = received_at_us
        self.held = held


@frozen
class Arrival:
    """How a message came to a dead-letter queue."""

    source_arn: str  #: of the queue it was moved from (SQS-433)
    at_us: int  #: when
    receives_before: int  #: deliveries up to then: the queue's own count begins at 0 (SQS-431)


@define(eq=False, repr=False, weakref_slot=False)
class Message:
    """
    A message in a queue. Look, but do not touch: what changes it are the operations of its queue.

    It stays what it was when it leaves the queue; in a dead-letter queue another object stands for it.
    """

    _series: Series
    _number: int
    _sequence: int  # its place in this queue, for what is ordered by arrival
    body: str
    sent_at_us: int  #: of the accepted send, not of the end of the delay (SQS-150)
    _rank_us: int  # its place in the queue's order (SQS-300)
    _state: State = State.VISIBLE
    receive_count: int = 0  #: deliveries so far, in all queues it was in (SQS-150)
    first_received_at_us: int | None = None
    _flight: Flight | None = None
    _runs: object = None  # who ran it: None nobody, an ARN one function once, a dict of ARNs and counts otherwise
    _arrival: Arrival | None = None

    @property
    def message_id(self) -> str:
        """The same at every delivery (SQS-028)."""
        return self._series.text(self._number)

    @property
    def invocation_count(self) -> int:
        """How many invocations of functions it was in."""
        runs = self._runs
        return sum(runs.values()) if isinstance(runs, dict) else int(runs is not None)

    def _run_again(self, function_arn: str) -> bool:
        """Take note of a run that is not the first; return whether it is the second by this function (ESM-283)."""
        if not isinstance(self._runs, dict):
            self._runs = {self._runs: 1}
        self._runs[function_arn] = times = self._runs.get(function_arn, 0) + 1
        return times == 2

    @property
    def state(self) -> State:
        """Where it is now."""
        return self._state

    @property
    def queue_receive_count(self) -> int:
        """Deliveries from the queue it is in, since it came there: what a redrive policy counts (SQS-431)."""
        return self.receive_count - (self._arrival.receives_before if self._arrival else 0)

    @property
    def entered_at_us(self) -> int:
        """When it came to the queue it is in: the send, or the move to a dead-letter queue."""
        return self._arrival.at_us if self._arrival else self.sent_at_us

    @property
    def dead_letter_queue_source_arn(self) -> str | None:
        """The ARN of the queue it was moved from, if a redrive policy moved it."""
        return self._arrival.source_arn if self._arrival else None

    @property
    def size_bytes(self) -> int:
        """What counts against the size limits (SQS-123)."""
        return len(self.body) if self.body.isascii() else len(self.body.encode())

    def __repr__(self) -> str:
        """Show the beginning of the body and the state."""
        body = self.body if len(self.body) <= 40 else f"{self.body[:37]}..."
        return f"<message {body!r}, {self._state.value}, received {self.receive_count} times>"


class SendMessageResult:
    """The answer to a send (SQS-160)."""

    __slots__ = ("_message",)

    def __init__(self, message: Message) -> None:
        self._message = message

    @property
    def message_id(self) -> str:
        """Of the message."""
        return self._message.message_id

    @property
    def md5_of_message_body(self) -> str:
        """Lower-case hex (SQS-140)."""
        return md5_of(self._message.body)

    @property
    def sequence_number(self) -> str | None:
        """None: only FIFO queues number their messages."""
        return None

    def __repr__(self) -> str:
        """Show the id."""
        return f"SendMessageResult(message_id={self.message_id!r})"


class Delivery:
    """
    One receipt of a message, as it was at that instant.

    `attributes` holds the system attributes that were asked for (SQS-150, SQS-212); their values are texts.
    """

    __slots__ = ("_message", "_names", "_queue", "first_received_at_us", "receive_count")

    def __init__(self, queue: Queue, message: Message, names: tuple[str, ...] = ()) -> None:
        self._queue = queue
        self._message = message
        self._names = names
        self.receive_count = message.receive_count  #: deliveries so far, this one included
        self.first_received_at_us = message.first_received_at_us

    @property
    def message_id(self) -> str:
        """The same at every delivery of the message."""
        return self._message.message_id

    @property
    def receipt_handle(self) -> str:
        """New at every delivery (SQS-203)."""
        return self._queue._handle_of(self._message, self.receive_count)

    @property
    def body(self) -> str:
        """As it was sent."""
        return self._message.body

    @property
    def md5_of_body(self) -> str:
        """Lower-case hex (SQS-140)."""
        return md5_of(self._message.body)

    @property
    def sent_at_us(self) -> int:
        """Microseconds since the start."""
        return self._message.sent_at_us

    @property
    def message_group_id(self) -> str | None:
        """None: only messages sent with a group have one."""
        return None

    @property
    def message_deduplication_id(self) -> str | None:
        """None on a standard queue."""
        return None

    @property
    def sequence_number(self) -> str | None:
        """None on a standard queue."""
        return None

    @property
    def attributes(self) -> dict[str, str]:
        """The system attributes asked for, by AWS's names; those that the message does not have are left out."""
        present = self._queue._system_attributes(self._message, self.receive_count, self.first_received_at_us)
        if "All" in self._names:
            return present
        return {name: present[name] for name in self._names if name in present}

    @property
    def message_attributes(self) -> Mapping[str, object]:
        """Empty: the message was sent without any."""
        return {}

    @property
    def md5_of_message_attributes(self) -> str | None:
        """None: the message was sent without attributes."""
        return None

    def __repr__(self) -> str:
        """Show the message and which delivery of it this is."""
        return f"<delivery {self.receive_count} of {self._message!r}>"


@frozen(kw_only=True)
class QueueSnapshot:
    """A queue at one instant. The counts are exact; those of AWS are approximate (SQS-600)."""

    at_us: int
    visible: int
    delayed: int
    in_flight: int
    oldest_age_us: int  #: of the metric ApproximateAgeOfOldestMessage: 0 when there is none
    sent: int  #: accepted sends; messages moved here from another queue are not among them
    received: int  #: deliveries
    deleted: int  #: messages that were removed by a delete
    expired: int  #: by retention
    moved: int  #: to the dead-letter queue
    arrived: int  #: from other queues, as their dead-letter queue
    requests: int  #: API calls, empty receives included (SQS-604)
    billed_requests: int = field()  #: requests with their payload counted per started 64 KiB (SQS-604)

    @property
    def total(self) -> int:
        """Messages in the queue."""
        return self.visible + self.delayed + self.in_flight


def md5_of(text: str) -> str:
    """Return the lower-case hex MD5 of the UTF-8 text (SQS-140)."""
    return _md5(text.encode()).hexdigest()
