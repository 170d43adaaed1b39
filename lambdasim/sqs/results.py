"""
What the operations of a queue answer: frozen values with AWS's members in snake_case.

What AWS leaves out is None or empty. Answers about messages look at the message, and make their texts when they are
read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from lambdasim.sqs.content import MessageAttributes, md5_hex

if TYPE_CHECKING:
    from lambdasim.sqs.message import Message
    from lambdasim.sqs.receiving import Receiving


class SendMessageResult:
    """The answer to a send (SQS-160)."""

    __slots__ = ("_message",)

    def __init__(self, message: Message) -> None:
        self._message = message

    @property
    def message_id(self) -> str:
        """Of the message; of the first one, when this was a duplicate of it (SQS-344)."""
        return self._message.message_id

    @property
    def md5_of_message_body(self) -> str:
        """Lower-case hex (SQS-140)."""
        return md5_hex(self._message.body.encode())

    @property
    def md5_of_message_attributes(self) -> str | None:
        """Lower-case hex; None without attributes (SQS-141)."""
        attributes = self._message._carried
        return None if attributes is None else attributes.digest()

    @property
    def md5_of_message_system_attributes(self) -> str | None:
        """Lower-case hex; None unless a system attribute was passed (SQS-142)."""
        return None

    @property
    def sequence_number(self) -> str | None:
        """Of a message of a FIFO queue (SQS-333)."""
        return self._message.sequence_number

    def __repr__(self) -> str:
        """Show the id."""
        return f"{type(self).__name__}(message_id={self.message_id!r})"


class LadenSendMessageResult(SendMessageResult):
    """The answer to a send with system attributes, or to a duplicate: its digests are those of what was sent."""

    __slots__ = ("_attributes", "_body", "_system_attributes")

    def __init__(
        self,
        message: Message,
        body: str,
        attributes: MessageAttributes | None,
        system_attributes: MessageAttributes | None,
    ) -> None:
        super().__init__(message)
        self._body = body
        self._attributes = attributes
        self._system_attributes = system_attributes

    @property
    def md5_of_message_body(self) -> str:
        """Lower-case hex, of what was sent (SQS-344)."""
        return md5_hex(self._body.encode())

    @property
    def md5_of_message_attributes(self) -> str | None:
        """Lower-case hex, of what was sent; None without attributes (SQS-344)."""
        return None if self._attributes is None else self._attributes.digest()

    @property
    def md5_of_message_system_attributes(self) -> str | None:
        """Lower-case hex; None unless a system attribute was passed (SQS-142)."""
        return None if self._system_attributes is None else self._system_attributes.digest()


class Delivery:
    """
    One receipt of a message, as it was at that instant.

    `attributes` and `message_attributes` hold what was asked for (SQS-211 to SQS-213).
    """

    __slots__ = ("_attribute_names", "_first_received_at_us", "_message", "_names", "_queue", "_receive_count")

    def __init__(
        self, queue: Receiving, message: Message, names: tuple[str, ...] = (), attribute_names: tuple[str, ...] = ()
    ) -> None:
        self._queue = queue
        self._message = message
        self._names = names
        self._attribute_names = attribute_names
        self._receive_count = message.receive_count
        self._first_received_at_us = message.first_received_at_us

    @property
    def receive_count(self) -> int:
        """Deliveries so far, this one included."""
        return self._receive_count

    @property
    def first_received_at_us(self) -> int | None:
        """Microseconds since the start."""
        return self._first_received_at_us

    @property
    def message_id(self) -> str:
        """The same at every delivery of the message."""
        return self._message.message_id

    @property
    def receipt_handle(self) -> str:
        """New at every delivery (SQS-203)."""
        return self._queue._handle_of(self._message, self._receive_count)

    @property
    def body(self) -> str:
        """As it was sent."""
        return self._message.body

    @property
    def md5_of_body(self) -> str:
        """Lower-case hex (SQS-140)."""
        return md5_hex(self._message.body.encode())

    @property
    def sent_at_us(self) -> int:
        """Microseconds since the start."""
        return self._message.sent_at_us

    @property
    def message_group_id(self) -> str | None:
        """The group it was sent with; None without."""
        return self._message.message_group_id

    @property
    def message_deduplication_id(self) -> str | None:
        """On a FIFO queue: the id given, or the SHA-256 of the body (SQS-343)."""
        return self._message.message_deduplication_id

    @property
    def sequence_number(self) -> str | None:
        """On a FIFO queue (SQS-333)."""
        return self._message.sequence_number

    @property
    def attributes(self) -> dict[str, str]:
        """The system attributes asked for, by AWS's names; those that the message does not have are left out."""
        if not self._names:
            return {}
        present = self._queue._system_attributes(self._message, self._receive_count, self._first_received_at_us)
        if "All" in self._names:
            return present
        return {name: present[name] for name in self._names if name in present}

    @property
    def message_attributes(self) -> dict[str, dict[str, Any]]:
        """The message attributes asked for, in AWS's form (SQS-213)."""
        selected = self._selected
        return {} if selected is None else selected.to_dict()

    @property
    def md5_of_message_attributes(self) -> str | None:
        """Lower-case hex, of the attributes that came with this answer; None without (SQS-214)."""
        selected = self._selected
        return None if selected is None else selected.digest()

    @property
    def _selected(self) -> MessageAttributes | None:
        carried = self._message._carried if self._attribute_names else None
        return None if carried is None else carried.select(self._attribute_names)

    def __repr__(self) -> str:
        """Show the message and which delivery of it this is."""
        return f"<delivery {self._receive_count} of {self._message!r}>"


@frozen(kw_only=True)
class QueueSnapshot:
    """A queue at one instant. The counts are exact; those of AWS are approximate (SQS-600)."""

    at_us: int
    visible: int
    delayed: int
    in_flight: int
    oldest_age_us: int  #: of the metric ApproximateAgeOfOldestMessage: 0 when there is none
    sent: int  #: accepted sends, and messages that a move task brought; not those from a redrive policy
    received: int  #: deliveries, and messages that a move task took away (SQS-603)
    deleted: int  #: messages that were removed by a delete
    expired: int  #: by retention
    moved: int  #: to the dead-letter queue, by the redrive policy
    arrived: int  #: from other queues, as their dead-letter queue
    purged: int  #: by a purge
    redriven: int  #: to other queues, by move tasks
    requests: int  #: API calls, empty receives included (SQS-604)
    billed_requests: int  #: requests with their payload counted per started 64 KiB (SQS-604)

    @property
    def total(self) -> int:
        """Messages in the queue."""
        return self.visible + self.delayed + self.in_flight


# ---- batches


@frozen(kw_only=True)
class BatchResultErrorEntry:
    """An entry of a batch that failed (SQS-184)."""

    id: str
    code: str  #: as an SDK shows it in `Error.Code`
    message: str
    sender_fault: bool


@frozen
class BatchResultEntry:
    """An entry of a batch that succeeded."""

    id: str


class SendMessageBatchResultEntry(SendMessageResult):
    """A message of a batch that was accepted."""

    __slots__ = ("_id", "_sent")

    def __init__(self, entry_id: str, message: Message, sent: SendMessageResult | None = None) -> None:
        self._id = entry_id
        self._message = message
        self._sent = sent  # the answer as to a single send, where the message does not say it all

    @property
    def id(self) -> str:
        """Of the entry."""
        return self._id

    @property
    def md5_of_message_body(self) -> str:
        """Lower-case hex, of what was sent (SQS-140, SQS-344)."""
        return super().md5_of_message_body if self._sent is None else self._sent.md5_of_message_body

    @property
    def md5_of_message_attributes(self) -> str | None:
        """Lower-case hex, of what was sent; None without attributes (SQS-141)."""
        return super().md5_of_message_attributes if self._sent is None else self._sent.md5_of_message_attributes

    @property
    def md5_of_message_system_attributes(self) -> str | None:
        """Lower-case hex; None unless a system attribute was passed (SQS-142)."""
        return None if self._sent is None else self._sent.md5_of_message_system_attributes

    def __repr__(self) -> str:
        """Show the ids."""
        return f"SendMessageBatchResultEntry(id={self.id!r}, message_id={self.message_id!r})"


class SendMessageBatchResult:
    """The answer to a batch of sends: entries in the order given (SQS-180)."""

    __slots__ = ("_accepted", "_entries", "_failed")

    def __init__(
        self,
        accepted: Iterable[tuple[str, Message, SendMessageResult | None]],
        failed: tuple[BatchResultErrorEntry, ...] = (),
    ) -> None:
        self._accepted = accepted
        self._entries: tuple[SendMessageBatchResultEntry, ...] | None = None  # made when somebody looks
        self._failed = failed

    @property
    def successful(self) -> tuple[SendMessageBatchResultEntry, ...]:
        """The messages that are in."""
        if self._entries is None:
            self._entries = tuple([SendMessageBatchResultEntry(*entry) for entry in self._accepted])
            self._accepted = ()
        return self._entries

    @property
    def failed(self) -> tuple[BatchResultErrorEntry, ...]:
        """What was refused."""
        return self._failed

    def __repr__(self) -> str:
        """Show the entries."""
        return f"SendMessageBatchResult(successful={self.successful!r}, failed={self.failed!r})"


@frozen
class BatchResult:
    """The answer to a batch of deletes or of visibility changes: entries in the order given (SQS-180)."""

    _ids: Sequence[str] = field(repr=False)
    failed: tuple[BatchResultErrorEntry, ...] = ()

    @property
    def successful(self) -> tuple[BatchResultEntry, ...]:
        """The entries that were done."""
        return tuple([BatchResultEntry(entry_id) for entry_id in self._ids])


# ---- queues


@frozen
class GetQueueAttributesResult:
    """Attributes of a queue by AWS's names; their values are texts (SQS-080, SQS-088)."""

    attributes: Mapping[str, str]


@frozen
class GetQueueUrlResult:
    """Where a queue is (SQS-050)."""

    queue_url: str


@frozen
class ListQueuesResult:
    """A page of URLs, sorted by name (SQS-051, SQS-053)."""

    queue_urls: tuple[str, ...]
    next_token: str | None = None  #: where the next page begins; None on the last


@frozen
class ListQueueTagsResult:
    """The tags of a queue (SQS-552)."""

    tags: Mapping[str, str]


# ---- move tasks


@frozen
class StartMessageMoveTaskResult:
    """A move task that has begun (SQS-460)."""

    task_handle: str


@frozen
class CancelMessageMoveTaskResult:
    """What a cancelled move task had done (SQS-466)."""

    approximate_number_of_messages_moved: int


@frozen(kw_only=True)
class MessageMoveTaskEntry:
    """A move task as it is listed (SQS-468)."""

    status: str  #: RUNNING, COMPLETED, CANCELLING, CANCELLED or FAILED
    source_arn: str
    destination_arn: str | None  #: as given
    max_number_of_messages_per_second: int | None  #: as given
    approximate_number_of_messages_moved: int
    approximate_number_of_messages_to_move: int  #: visible messages at the start
    started_timestamp: int  #: milliseconds since the epoch
    task_handle: str | None  #: only while RUNNING
    failure_reason: str | None  #: only when FAILED


@frozen
class ListMessageMoveTasksResult:
    """Move tasks of a queue, newest first (SQS-468)."""

    results: tuple[MessageMoveTaskEntry, ...]
