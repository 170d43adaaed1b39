"""
Messages, their states, and how they come to be in flight.

A `Message` is what a queue keeps; there may be millions, so it holds numbers and makes texts when somebody looks. Most
are a body and nothing else; what else a message may carry lives in subclasses, so that it takes no room in the others.
All messages that one receive delivered share a `Flight`: it is what ends when their visibility timeout does.
"""

from __future__ import annotations

from copy import copy
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from attrs import define, frozen

from lambdasim.sqs.stories import tell_story

if TYPE_CHECKING:
    from lambdasim.clock import Series
    from lambdasim.sqs.content import MessageAttributes

_SEQUENCE_NUMBER_BASE: Final = 18_850_000_000_000_000_000  # SQS-333
_SEQUENCE_NUMBER_STEP: Final = 256


class State(Enum):
    """Where a message is (SQS-230): in a queue in one of three ways, or gone in one of several."""

    DELAYED = "delayed"
    VISIBLE = "visible"
    IN_FLIGHT = "in flight"
    DELETED = "deleted"
    EXPIRED = "expired"
    MOVED = "moved"  #: to the dead-letter queue
    PURGED = "purged"
    REDRIVEN = "redriven"  #: by a message move task
    LOST_WITH_QUEUE = "lost with its queue"


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
    target_arn: str  #: of the queue it came to


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
    _rank_us: int  # its place in the queue's order (SQS-300); FIFO: when it last became visible (SQS-324)
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
    def label(self) -> str:
        """A short name: `orders#2` is the second message that came to `orders`, and keeps it where it is moved."""
        owner = self._series.owner
        return f"{'message' if owner is None else owner.name}#{self._number}"

    @property
    def invocations(self) -> int:
        """How many invocations of functions it was in."""
        runs = self._runs
        return sum(runs.values()) if isinstance(runs, dict) else int(runs is not None)

    @property
    def invocation_count(self) -> int:
        """The older name of `invocations`."""
        return self.invocations

    def story(self) -> str:
        """
        Tell what befell it, a line for each event: when it was received, run, throttled, moved and why.

        It is told from the trace, which keeps the newest records only, and none with `trace=0`. Runtime: `O(records)`.
        """
        return tell_story(self)

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
    def message_group_id(self) -> str | None:
        """The group it was sent with, if any (SQS-165, SQS-320)."""
        return None

    @property
    def message_deduplication_id(self) -> str | None:
        """On FIFO queues: the id given, or the SHA-256 of the body (SQS-343)."""
        return None

    @property
    def sequence_number(self) -> str | None:
        """On FIFO queues: 20 digits, growing (SQS-333)."""
        return None

    @property
    def aws_trace_header(self) -> str | None:
        """The trace header it was sent with, if any (SQS-135)."""
        return None

    @property
    def message_attributes(self) -> dict[str, dict[str, Any]]:
        """The attributes it was sent with, in AWS's form; empty without."""
        return {}

    @property
    def _carried(self) -> MessageAttributes | None:
        return None

    @property
    def size_bytes(self) -> int:
        """What counts against the size limits (SQS-123)."""
        return len(self.body) if self.body.isascii() else len(self.body.encode())

    def _copy(self) -> Message:
        """Return the message as it would be visible again: another object, for this one has left the queue."""
        again = copy(self)
        again._state, again._flight = State.VISIBLE, None
        again._runs = dict(self._runs) if isinstance(self._runs, dict) else self._runs
        return again

    def _belongs_to(self, series: Series, queue_arn: str) -> bool:
        """Return whether it is or was in the queue with these message ids and this ARN, and came nowhere else since."""
        return self._series is series if self._arrival is None else self._arrival.target_arn == queue_arn

    def _moved(self, sequence: int, arrival: Arrival) -> Message:
        """Return what stands for it in a dead-letter queue (SQS-433)."""
        return Message(*self._on_arrival(sequence, arrival))

    def _redriven(self, series: Series, number: int, now_us: int) -> Message:
        """Return the new message that a move task makes of it (SQS-464)."""
        return Message(series, number, number, self.body, now_us, now_us)

    def _on_arrival(self, sequence: int, arrival: Arrival) -> tuple[Any, ...]:
        """Return the fields of what stands for it in a dead-letter queue: a copy with its own place and count."""
        return (
            self._series,
            self._number,
            sequence,
            self.body,
            self.sent_at_us,
            arrival.at_us,
            State.VISIBLE,
            self.receive_count,
            self.first_received_at_us,
            None,
            dict(self._runs) if isinstance(self._runs, dict) else self._runs,
            arrival,
        )

    def __lt__(self, other: Message) -> bool:
        """Heaps ask only of a message and what it was before it was delivered again: either may come first."""
        return False

    def __repr__(self) -> str:
        """Show the beginning of the body and the state."""
        body = self.body if len(self.body) <= 40 else f"{self.body[:37]}..."
        return f"<message {body!r}, {self._state.value}, received {self.receive_count} times>"


@define(eq=False, repr=False, weakref_slot=False)
class LadenMessage(Message):
    """A message that carries more than its body: a group, attributes or a trace header."""

    _group_id: str | None = None
    _attributes: MessageAttributes | None = None
    _trace_header: str | None = None

    @property
    def message_group_id(self) -> str | None:
        """The group it was sent with, if any."""
        return self._group_id

    @property
    def aws_trace_header(self) -> str | None:
        """The trace header it was sent with, if any."""
        return self._trace_header

    @property
    def message_attributes(self) -> dict[str, dict[str, Any]]:
        """The attributes it was sent with, in AWS's form; empty without."""
        return {} if self._attributes is None else self._attributes.to_dict()

    @property
    def _carried(self) -> MessageAttributes | None:
        return self._attributes

    @property
    def size_bytes(self) -> int:
        """What counts against the size limits (SQS-123)."""
        return _size(self)

    def _moved(self, sequence: int, arrival: Arrival) -> Message:
        """Return what stands for it in a dead-letter queue (SQS-433)."""
        message = LadenMessage(*self._on_arrival(sequence, arrival))
        self._load(message)
        return message

    def _redriven(self, series: Series, number: int, now_us: int) -> Message:
        """Return the new message that a move task makes of it (SQS-464)."""
        message = LadenMessage(series, number, number, self.body, now_us, now_us)
        self._load(message)
        return message

    def _load(self, message: LadenMessage) -> None:
        """Let another message carry what this one does."""
        message._group_id, message._attributes = self._group_id, self._attributes
        message._trace_header = self._trace_header


@define(eq=False, repr=False, weakref_slot=False)
class FifoMessage(LadenMessage):
    """A message of a FIFO queue: one in the chain of its group."""

    _deduplication_id: str | None = None  # None: that of its body
    _before: FifoMessage | None = None
    _after: FifoMessage | None = None
    _altered_delivery: int = 0  # the delivery whose visibility timeout was changed last (SQS-362)

    @property
    def message_deduplication_id(self) -> str | None:
        """The id given, or the SHA-256 of the body (SQS-343)."""
        return content_hash(self.body) if self._deduplication_id is None else self._deduplication_id

    @property
    def sequence_number(self) -> str | None:
        """20 digits, growing (SQS-333)."""
        return sequence_number(self._sequence)

    def _moved(self, sequence: int, arrival: Arrival) -> Message:
        """Return what stands for it in a dead-letter queue; its id becomes the deduplication id (SQS-435)."""
        message = FifoMessage(*self._on_arrival(sequence, arrival))
        self._load(message)
        message._deduplication_id = self.message_id
        return message

    def _redriven(self, series: Series, number: int, now_us: int) -> Message:
        """Return the new message that a move task makes of it (SQS-464)."""
        message = FifoMessage(series, number, number, self.body, now_us, now_us)
        self._load(message)
        message._deduplication_id = self._deduplication_id
        return message


def _size(message: Message) -> int:
    body, attributes = message.body, message._carried
    size = len(body) if body.isascii() else len(body.encode())
    return size if attributes is None else size + attributes.size_bytes


def content_hash(body: str) -> str:
    """Return the deduplication id that stands for a body (SQS-343)."""
    return sha256(body.encode()).hexdigest()


def sequence_number(place: int) -> str:
    """Return the sequence number of the message with this place in a FIFO queue (SQS-333)."""
    return str(_SEQUENCE_NUMBER_BASE + _SEQUENCE_NUMBER_STEP * place)
