"""A queue of Amazon SQS: what is below, and the operations that need a receipt handle."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from lambdasim.errors import SqsError, UsageError
from lambdasim.errors.sqs import (
    InvalidParameterValueException,
    MessageNotInflight,
    MissingRequiredParameterException,
    ReceiptHandleIsInvalid,
)
from lambdasim.sqs.batch import DELETE_MEMBERS, VISIBILITY_MEMBERS, Entry, check_entries, failure, plain_entries
from lambdasim.sqs.checks import check_number, check_text, is_whole
from lambdasim.sqs.limits import VISIBILITY_MAX_S
from lambdasim.sqs.message import FifoMessage, Flight, Message, State
from lambdasim.sqs.receiving import Receiving
from lambdasim.sqs.records import CHANGED
from lambdasim.sqs.results import BatchResult, BatchResultErrorEntry, Delivery
from lambdasim.units import MICROSECONDS

_HANDLE: Final = ("receipt_handle", check_text)
_DELETE: Final = "DeleteMessage"
_CHANGE: Final = "ChangeMessageVisibility"
_NO_VISIBILITY_TIMEOUT: Final = "The request must contain the parameter VisibilityTimeout."
_OPERATIONS: Final = (
    "add_permission",
    "change_message_visibility",
    "change_message_visibility_batch",
    "delete_message",
    "delete_message_batch",
    "delete_queue",
    "get_queue_attributes",
    "list_dead_letter_source_queues",
    "list_queue_tags",
    "purge_queue",
    "receive_message",
    "remove_permission",
    "send_message",
    "send_message_batch",
    "set_queue_attributes",
    "tag_queue",
    "untag_queue",
)


class Queue(Receiving):
    """
    A queue of Amazon SQS, standard or FIFO.

    It is put together of classes that stand on each other, each in a module of its own: `Shelf` has the messages,
    `Store` lets them come, be received and leave, `Consumed` is for mappings, `Shown` for whoever looks, `Resource` has
    attributes, tags and the end of a queue; `Sending`, `Receiving` and this class have the operations on messages.

    Args:
        name: 1 to 80 characters of `A-Z a-z 0-9 _ -`; the name of a FIFO queue ends in `.fifo`.
        clock: The time it lives in.
        settings: At most one `SqsConfig`.
        faults: What may go wrong here.
        attributes: Texts by AWS's names; `FifoQueue` is among them then, if it is a FIFO queue.
        tags: Texts by key.
        home: What finds other queues by their ARN.
        is_free: Called once everything is checked; raises where the name cannot be had.
        keywords: Attributes in our form: see `QueueAttributes`.
    Raises:
        InvalidParameterValueException: The name or a policy is not allowed (SQS-027, SQS-101).
        InvalidAttributeName: No such attribute, or not on this type of queue (SQS-082, SQS-083).
        InvalidAttributeValue: An attribute is out of its range (SQS-082).
        UsageError: Settings or keywords that a queue does not have.

    Rules: SQS-020 to SQS-029, SQS-040, SQS-080 to SQS-107.
    """

    _operations = _OPERATIONS

    def __repr__(self) -> str:
        """Show the name and the counts."""
        return f"<queue {self.name}: {self.visible} visible, {self.in_flight} in flight, {self.delayed} delayed>"

    # ---- deleting

    def delete_message(self, receipt_handle: str) -> None:
        """
        Remove the message that this handle came with.

        On a standard queue the newest handle deletes, also when its visibility timeout is over; with an older one, or
        when the message is gone, the call succeeds and nothing happens. On a FIFO queue a handle is good only while the
        message is in flight by it.

        Raises:
            ReceiptHandleIsInvalid: This queue never issued the handle.
            InvalidParameterValueException: FIFO: the handle has expired.

        Rules: SQS-270 to SQS-279. Runtime: `O(1)`.
        """
        if self._is_guarded:
            self._guard(is_about_messages=True)
        sequence, delivery = self._handles.parse(receipt_handle)
        message = self._by_handle.get(sequence)
        if self._throughput is not None:
            self._limit_rate(_DELETE, (message,))
        if self.is_fifo:
            self._check_alive(message, delivery, receipt_handle)
        self._begin_call()
        if message is None:
            self._delete_successes += 1
        else:
            self._delete(message, delivery)

    def delete_message_batch(self, entries: Iterable[Entry]) -> BatchResult:
        """
        Delete up to ten messages at once; each entry fares as by itself.

        Args:
            entries: Mappings with `id` and `receipt_handle`.
        Raises:
            EmptyBatchRequest, TooManyEntriesInBatchRequest, InvalidBatchEntryId, BatchEntryIdsNotDistinct: The batch.

        Rules: SQS-180 to SQS-182, SQS-188.
        """
        if self._is_guarded:
            self._guard(is_about_messages=True)
        plain = plain_entries(entries, "receipt_handle")
        shown = None if plain is None else self._handles.look_up(plain[1])
        checked = entries  # where all is plain
        if plain is None or shown is None:
            checked = check_entries(entries, "DeleteMessageBatchRequestEntry", DELETE_MEMBERS, _HANDLE)
        elif self._order is None and self._luck is None and self._throughput is None:
            self._begin_call()
            return self._delete_named(shown, plain[0], ())
        if self._throughput is not None:
            self._limit_rate(_DELETE, [self._named_by(entry) for entry in checked])
        self._begin_call()
        if self._order is None and self._luck is None:
            return self._delete_plain_batch(checked)
        done: list[str] = []
        failed = []
        with self._holding_wakes():
            for entry in checked:
                try:
                    sequence, delivery = self._handles.parse(entry.get("receipt_handle"))
                    message = self._by_handle.get(sequence)
                    if message is None:
                        self._delete_successes += 1
                    elif not self._delete(message, delivery):
                        msg = "The receipt handle has expired"
                        raise ReceiptHandleIsInvalid(msg)
                except SqsError as error:
                    failed.append(failure(entry, error))
                else:
                    done.append(entry["id"])
        return BatchResult(done, tuple(failed))

    def _delete_plain_batch(self, entries: Iterable[Entry]) -> BatchResult:
        """Delete from a queue without an order and without luck: all that is found at once."""
        named: list[tuple[int, int]] = []
        done: list[str] = []
        failed = []
        for entry in entries:
            try:
                named.append(self._handles.parse(entry.get("receipt_handle")))
            except SqsError as error:
                failed.append(failure(entry, error))
            else:
                done.append(entry["id"])
        return self._delete_named(named, done, tuple(failed))

    def _delete_named(
        self, named: Iterable[tuple[int, int]], done: list[str], failed: tuple[BatchResultErrorEntry, ...]
    ) -> BatchResult:
        """Delete by (place of the message, number of the delivery); what is gone already counts as deleted."""
        messages: list[Message] = []
        deliveries: list[int] = []
        find = self._by_handle.get
        for sequence, delivery in named:
            message = find(sequence)
            if message is None:
                self._delete_successes += 1
            else:
                messages.append(message)
                deliveries.append(delivery)
        self._delete_all(messages, deliveries)
        return BatchResult(done, failed)

    # ---- visibility

    def change_message_visibility(self, receipt_handle: str, visibility_timeout: int) -> None:
        """
        Let an in-flight message return *visibility_timeout* seconds from now.

        Args:
            receipt_handle: Of a delivery of the message; on a standard queue an older one acts on the current delivery
                (SQS-249).
            visibility_timeout: Seconds, 0 to 43,200; 0 makes it visible at this very instant.
        Raises:
            ReceiptHandleIsInvalid: This queue never issued the handle.
            InvalidParameterValueException: The message is gone, the handle has expired (FIFO), the timeout is out of
                range, or more than 12 hours would have passed since the delivery.

        Rules: SQS-240 to SQS-252. Runtime: `O(log n)` in the messages in flight.
        """
        if self._is_guarded:
            self._guard(is_about_messages=True)
        if visibility_timeout is None:
            raise MissingRequiredParameterException(_NO_VISIBILITY_TIMEOUT)
        if not is_whole(visibility_timeout, 0, VISIBILITY_MAX_S):
            check_number(visibility_timeout, "visibility_timeout")
            msg = (
                f"Value {visibility_timeout} for parameter VisibilityTimeout is invalid. Reason: Must be between 0 "
                "and 43200."
            )
            raise InvalidParameterValueException(msg)
        if self._throughput is not None:
            self._limit_rate(_CHANGE, (self._by_handle.get(self._handles.parse(receipt_handle)[0]),))
        message = self._find_changeable(receipt_handle, visibility_timeout)
        self._begin_call()
        if message is not None:
            self._change(message, visibility_timeout)

    def change_message_visibility_batch(self, entries: Iterable[Entry]) -> BatchResult:
        """
        Change the visibility of up to ten messages at once; each entry fares as by itself.

        Args:
            entries: Mappings with `id`, `receipt_handle` and `visibility_timeout`.
        Raises:
            EmptyBatchRequest, TooManyEntriesInBatchRequest, InvalidBatchEntryId, BatchEntryIdsNotDistinct: The batch.

        Rules: SQS-180 to SQS-182, SQS-188, SQS-189.
        """
        if self._is_guarded:
            self._guard(is_about_messages=True)
        checked = check_entries(
            entries,
            "ChangeMessageVisibilityBatchRequestEntry",
            VISIBILITY_MEMBERS,
            _HANDLE,
            ("visibility_timeout", check_number),
        )
        if self._throughput is not None:
            self._limit_rate(_CHANGE, [self._named_by(entry) for entry in checked])
        self._begin_call()
        done: list[str] = []
        failed = []
        with self._holding_wakes():
            for entry in checked:
                try:
                    timeout = entry.get("visibility_timeout")
                    if timeout is None:
                        raise MissingRequiredParameterException(_NO_VISIBILITY_TIMEOUT)
                    if not is_whole(timeout, 0, VISIBILITY_MAX_S):
                        check_number(timeout, "visibility_timeout")
                        msg = "VisibilityTimeout must be an integer between 0 and 43200."
                        raise InvalidParameterValueException(msg)
                    message = self._find_changeable(entry.get("receipt_handle"), cast("int", timeout))
                    if message is not None:
                        self._change(message, cast("int", timeout))
                except SqsError as error:
                    failed.append(failure(entry, error))
                else:
                    done.append(entry["id"])
        return BatchResult(done, tuple(failed))

    # ---- ours

    def redeliver(self, message: Message | Delivery) -> None:
        """
        Let SQS deliver this message again now, as it may on a standard queue: although it is in flight, or was deleted.

        A message that is visible, or that came back already and is visible, stays so.

        Args:
            message: One of `messages`, now or before, or a delivery of it.
        Raises:
            QueueDoesNotExist: The queue is deleted.
            UsageError: The queue is a FIFO queue, the message is of another one, delayed, or it left otherwise.

        Rules: SQS-278, SQS-306. Runtime: `O(log n)`; of a deleted message `O(n)`.
        """
        if self._is_guarded:
            self._guard()
        if self.is_fifo:
            msg = f"redeliver({message!r}): a FIFO queue delivers a message again only after its visibility timeout"
            raise UsageError(msg)
        if isinstance(message, Delivery):
            message = message._message
        is_own = isinstance(message, Message) and message._belongs_to(self._series, self.arn)
        if is_own and message._sequence > self._last_before:
            newest = self._again.get(message._sequence, message)
            if newest._state is State.VISIBLE:
                return
            if newest._state is State.IN_FLIGHT or newest._state is State.DELETED:
                self._deliver_again(newest)
                return
        msg = (
            f"redeliver({message!r}) to {self.name}: only a message that is in flight there, or was deleted there, can "
            "come again; take one of queue.messages"
        )
        raise UsageError(msg)

    # ---- how a delete or a change of visibility is checked and done

    def _check_alive(self, message: Message | None, delivery: int, handle: str) -> None:
        """Refuse an expired handle of a FIFO queue (SQS-275)."""
        if message is not None and (message._flight is None or message.receive_count != delivery):
            msg = f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
            raise InvalidParameterValueException(msg)

    def _named_by(self, entry: Entry) -> Message | None:
        """Return the message that an entry's handle names, if it is one."""
        try:
            return self._by_handle.get(self._handles.parse(entry.get("receipt_handle"))[0])
        except SqsError:
            return None

    def _find_changeable(self, receipt_handle: object, visibility_timeout: int) -> Message | None:
        """Return the message whose visibility is to be changed; None: nothing is to be done, and nothing is wrong."""
        sequence, delivery = self._handles.parse(receipt_handle)
        message = self._by_handle.get(sequence)
        is_stale = message is not None and message.receive_count != delivery
        is_dead = is_stale and self.config.stale_change_visibility == "error"
        if message is not None and self.is_fifo:
            is_dead = is_stale or message._flight is None
        if message is None or is_dead:
            msg = (
                f"Value {receipt_handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is "
                "not available for visibility timeout change."
            )
            raise InvalidParameterValueException(msg)
        flight = message._flight
        if flight is None:
            if self.config.strict_not_inflight:
                msg = "The specified message isn't in flight."
                raise MessageNotInflight(msg)
            return None
        since_us = flight.received_at_us
        if self.config.visibility_total_base == "first_receive" and message.first_received_at_us is not None:
            since_us = message.first_received_at_us
        if self.clock.now_us - since_us + visibility_timeout * MICROSECONDS > VISIBILITY_MAX_S * MICROSECONDS:
            msg = (
                f"Value {visibility_timeout} for parameter VisibilityTimeout is invalid. Reason: Total "
                "VisibilityTimeout for the message is beyond the limit [43200 seconds]"
            )
            raise InvalidParameterValueException(msg)
        return message

    def _change(self, message: Message, visibility_timeout: int) -> None:
        """Give a message in flight another deadline, or none."""
        flight = message._flight
        assert flight is not None
        if isinstance(message, FifoMessage):
            message._altered_delivery = message.receive_count
        self._leave_flight(message)
        if visibility_timeout:
            deadline_us = self.clock.now_us + visibility_timeout * MICROSECONDS
            self._fly(Flight(deadline_us, [message], flight.received_at_us, held=False))
            if self._trace.active:
                self._trace.add((self.clock.now_us, CHANGED, self, message, visibility_timeout))
            self._retime()
        else:
            self._make_visible(message)
            self._retime()
            self._wake()
