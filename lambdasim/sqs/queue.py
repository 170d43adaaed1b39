"""A queue of Amazon SQS: the operations on its messages, with their checks and answers, over what `Store` does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, Final, NamedTuple, TypeVar, Unpack, cast

from lambdasim.clock import Clock, Priority
from lambdasim.errors import ResponseLostError, SqsError
from lambdasim.errors.sqs import (
    BatchRequestTooLong,
    InvalidAttributeName,
    InvalidParameterValueException,
    MessageNotInflight,
    MissingRequiredParameterException,
    OverLimit,
    ReceiptHandleIsInvalid,
)
from lambdasim.settings import Settings
from lambdasim.sqs.attributes import QueueAttributes
from lambdasim.sqs.batch import (
    DELETE_MEMBERS,
    SEND_MEMBERS,
    VISIBILITY_MEMBERS,
    Entry,
    check_entries,
    failure,
)
from lambdasim.sqs.content import (
    MessageAttributes,
    check_body,
    check_token,
    parse_message_attributes,
    parse_system_attributes,
    rough_size_bytes,
)
from lambdasim.sqs.deduplication import Attempt
from lambdasim.sqs.faults import SqsFaults
from lambdasim.sqs.limits import DELAY_MAX_S, RECEIVE_MAX, REQUEST_CHUNK_BYTES, VISIBILITY_MAX_S, WAIT_MAX_S
from lambdasim.sqs.line import Ask, Poll
from lambdasim.sqs.message import FifoMessage, Flight, LadenMessage, Message, State, content_hash
from lambdasim.sqs.records import DEDUPLICATED
from lambdasim.sqs.resource import Home, Resource, check_texts
from lambdasim.sqs.results import (
    BatchResult,
    BatchResultEntry,
    BatchResultErrorEntry,
    Delivery,
    LadenSendMessageResult,
    SendMessageBatchResult,
    SendMessageBatchResultEntry,
    SendMessageResult,
)
from lambdasim.sqs.store import chunks, requests_of
from lambdasim.units import MICROSECONDS, seconds

F = TypeVar("F", bound=Callable[..., Any])

_SYSTEM_ATTRIBUTES: Final = frozenset(
    (
        "All",
        "SenderId",
        "SentTimestamp",
        "ApproximateReceiveCount",
        "ApproximateFirstReceiveTimestamp",
        "SequenceNumber",
        "MessageDeduplicationId",
        "MessageGroupId",
        "AWSTraceHeader",
        "DeadLetterQueueSourceArn",
    )
)
_PLAIN_MEMBERS: Final = 2  # of an entry of a batch: its id, and one other
_SEND: Final = "SendMessage"
_RECEIVE: Final = "ReceiveMessage"
_DELETE: Final = "DeleteMessage"
_CHANGE: Final = "ChangeMessageVisibility"
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


class _Draft(NamedTuple):
    """A message that was checked, and is not yet sent."""

    body: str
    size: int
    delay_us: int
    attributes: MessageAttributes | None
    system_attributes: MessageAttributes | None
    group_id: str | None
    deduplication_id: str | None

    @property
    def trace_header(self) -> str | None:
        """The only system attribute there is."""
        found = self.system_attributes
        return None if found is None else next(str(value) for _, _, value in found.items())


class Queue(Resource):
    """
    A queue of Amazon SQS, standard or FIFO.

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

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        settings: Iterable[object] | Settings = (),
        faults: SqsFaults | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        home: Home | None = None,
        is_free: Callable[[], object] = lambda: None,
        **keywords: Unpack[QueueAttributes],
    ) -> None:
        super().__init__(
            name,
            clock,
            settings=settings,
            faults=faults,
            attributes=attributes,
            tags=tags,
            home=home,
            is_free=is_free,
            **keywords,
        )
        self._checked_body = ""  # senders mostly repeat themselves: the body checked last, and its size
        self._checked_size = 0
        latency_us = seconds(self.config.call_latency_s, name="call_latency_s")
        self._latency_us = latency_us
        if latency_us:
            for operation in _OPERATIONS:
                setattr(self, operation, take_time(clock, latency_us, getattr(self, operation)))

    def __repr__(self) -> str:
        """Show the name and the counts."""
        return f"<queue {self.name}: {self.visible} visible, {self.in_flight} in flight, {self.delayed} delayed>"

    # ---- sending

    def send_message(
        self,
        message_body: str,
        *,
        delay_seconds: int | None = None,
        message_attributes: Mapping[str, Mapping[str, Any]] | None = None,
        message_system_attributes: Mapping[str, Mapping[str, Any]] | None = None,
        message_deduplication_id: str | None = None,
        message_group_id: str | None = None,
    ) -> SendMessageResult:
        """
        Put a message into the queue; whoever waits receives it before this returns.

        Args:
            message_body: Text of 1 byte up to `maximum_message_size` bytes of UTF-8, attributes included.
            delay_seconds: 0 to 900; None is the queue's own delay. Standard queues only.
            message_attributes: At most 10, in AWS's form: `{"k": {"DataType": "String", "StringValue": "x"}}`.
            message_system_attributes: `AWSTraceHeader` in the same form.
            message_deduplication_id: FIFO: a send with the same id within 300 s is a duplicate; 1 to 128 characters.
            message_group_id: FIFO: messages of a group are received one after the other. Standard: the tenant of a fair
                queue. 1 to 128 characters.
        Raises:
            MissingRequiredParameterException: No body; no group on a FIFO queue.
            InvalidMessageContents: Characters that SQS does not carry.
            InvalidParameterValueException: Anything else that is out of range, or not for this type of queue.
            ResponseLostError: The message is in, and the answer is lost (by chance, SQS-170).

        Rules: SQS-120 to SQS-135, SQS-160 to SQS-170, SQS-340 to SQS-345. Runtime: `O(1)`, delayed `O(log n)`.
        """
        if (
            self._is_plain
            and message_body is self._checked_body
            and message_body
            and delay_seconds is None
            and message_attributes is None
            and message_system_attributes is None
            and message_deduplication_id is None
            and message_group_id is None
            and self._checked_size <= self._max_bytes
        ):
            size = self._checked_size
            message = self._send(message_body, size, self._delay_us)
            self.requests += 1
            self.billed_requests += 1 if size <= REQUEST_CHUNK_BYTES else requests_of(size)
            return SendMessageResult(message)
        if self._is_guarded:
            self._guard(is_about_messages=True)
        draft = self._draft(
            message_body,
            delay_seconds,
            message_attributes,
            message_system_attributes,
            message_deduplication_id,
            message_group_id,
        )
        self._check_size(draft.size)
        if self._throughput is not None:
            self._limit_rate(_SEND, groups=(str(message_group_id),))
        result = self._accept(draft)
        self.requests += 1
        self.billed_requests += requests_of(draft.size)
        if self._luck is not None and self._luck.loses_send_ack():
            raise ResponseLostError(_lost("send"))
        return result

    def sender(self, message_body: str) -> Callable[[object], object]:
        """
        Return a callable that sends this body each time it is called, whatever its argument: checked once, here.

        Raises:
            SqsError: As `send_message` would.
        """
        body, size = self._check_body(message_body)
        if self.is_fifo or size > self._max_bytes:
            self._check_size(self._draft(body, None, None, None, None, None).size)

        def send(_argument: object) -> object:
            if not self._is_plain or size > self._max_bytes:
                return self.send_message(body)
            message = self._send(body, size, self._delay_us)
            self.requests += 1
            self.billed_requests += 1 if size <= REQUEST_CHUNK_BYTES else requests_of(size)
            return message

        return send

    def send_message_batch(self, entries: Iterable[Entry]) -> SendMessageBatchResult:
        """
        Send up to ten messages at once; whoever waits receives them once all are in.

        Args:
            entries: Mappings with `id`, `message_body` and the other parameters of `send_message`.
        Returns:
            Which succeeded and which failed, in the order given.
        Raises:
            EmptyBatchRequest, TooManyEntriesInBatchRequest, InvalidBatchEntryId, BatchEntryIdsNotDistinct: The batch.
            BatchRequestTooLong: The entries are too large together.
            InvalidParameterValueException: FIFO: an entry without a group or a deduplication id.
            SqsError: FIFO: whatever else is wrong with an entry, unless `fifo_batch_atomic` is False.

        Rules: SQS-180 to SQS-187.
        """
        if self._is_guarded:
            self._guard(is_about_messages=True)
        checked = check_entries(entries, "SendMessageBatchRequestEntry", SEND_MEMBERS)
        total = 0
        for entry in checked:
            body = entry.get("message_body")
            if len(entry) == _PLAIN_MEMBERS and isinstance(body, str) and body.isascii():
                total += len(body)
            else:
                total += rough_size_bytes(body, entry.get("message_attributes"))
        if total > self.config.max_payload_bytes:
            msg = (
                f"Batch requests cannot be longer than {self.config.max_payload_bytes} bytes. You have sent {total} "
                "bytes."
            )
            raise BatchRequestTooLong(msg)
        if self.is_fifo:
            for entry in checked:
                self._check_fifo_entry(entry)
        failed: list[BatchResultErrorEntry] = []
        drafts: list[tuple[str, str, int, _Draft | None]] = []  # id, body, size; what else there is to a message
        is_plain = self._is_plain
        for entry in checked:
            try:
                if is_plain and len(entry) == _PLAIN_MEMBERS:
                    body, size = self._check_body(entry.get("message_body"))
                    draft = None
                else:
                    draft = self._draft_entry(entry)
                    body, size = draft.body, draft.size
                if size > self._max_bytes:
                    raise _too_long_for_batch(self._max_bytes)
                drafts.append((entry["id"], body, size, draft))
            except SqsError as error:
                if self.is_fifo and self.config.fifo_batch_atomic:
                    raise
                failed.append(failure(entry, error))
        if self._throughput is not None:
            self._limit_rate(_SEND, groups=[str(draft.group_id) for _, _, _, draft in drafts if draft is not None])
        with self._holding_wakes():
            done = [self._accept_entry(*draft) for draft in drafts]
            self._begin_call()
            self.billed_requests += requests_of(sum([size for _, _, size, _ in drafts])) - 1
        if self._luck is not None and self._luck.loses_send_ack():
            raise ResponseLostError(_lost("send"))
        return SendMessageBatchResult(successful=tuple(done), failed=tuple(failed))

    # ---- receiving

    def receive_message(
        self,
        *,
        max_number_of_messages: int = 1,
        visibility_timeout: int | None = None,
        wait_time_seconds: int | None = None,
        attribute_names: Sequence[str] = (),
        message_system_attribute_names: Sequence[str] = (),
        message_attribute_names: Sequence[str] = (),
        receive_request_attempt_id: str | None = None,
    ) -> list[Delivery]:
        """
        Receive up to *max_number_of_messages*; the messages are in flight for *visibility_timeout* seconds.

        With a wait and nothing to receive, simulated time runs until something comes or the wait is over. Inside a
        handler or a callback time stands still: the answer is what there is; a process uses `wait_receive`.

        Args:
            max_number_of_messages: 1 to 10.
            visibility_timeout: Seconds, 0 to 43,200; None is the queue's.
            wait_time_seconds: 0 to 20; None is the queue's `receive_message_wait_time_seconds`.
            attribute_names: Older name of the next.
            message_system_attribute_names: What `Delivery.attributes` shall hold; `All` is everything.
            message_attribute_names: What `Delivery.message_attributes` shall hold: names, `prefix.*`, or `All`.
            receive_request_attempt_id: FIFO: with the same id within 300 s the same messages come again.
        Returns:
            Deliveries in the order of the queue; an empty list when there is nothing.
        Raises:
            InvalidParameterValueException: A number is out of its range, or the attempt cannot be repeated.
            InvalidAttributeName: No such system attribute.
            OverLimit: As many messages as may be are in flight, and the call does not wait.
            ResponseLostError: The messages are in flight, and the answer is lost (by chance, SQS-216).

        Rules: SQS-200 to SQS-218, SQS-320 to SQS-331, SQS-360 to SQS-364, SQS-410 to SQS-412, SQS-430 to SQS-437.
        Runtime: `O(k log n)` for k messages.
        """
        ask = self._check_receive(
            max_number_of_messages,
            visibility_timeout,
            wait_time_seconds,
            _names(attribute_names, message_system_attribute_names),
            message_attribute_names,
            receive_request_attempt_id,
        )
        found = self._receive_now(ask)
        if found is not None:
            return found
        if self.clock.is_running:
            return self._answer_empty(ask)
        poll = self._open_poll(ask)
        try:
            self.clock.run_until(lambda: poll.answer.is_set)
        finally:
            if not poll.answer.is_set:  # something else ended the wait: the poll must not take what nobody would get
                self._close_poll(poll)
        return poll.answer.result()

    async def wait_receive(
        self,
        *,
        max_number_of_messages: int = 1,
        visibility_timeout: int | None = None,
        wait_time_seconds: int | None = None,
        attribute_names: Sequence[str] = (),
        message_system_attribute_names: Sequence[str] = (),
        message_attribute_names: Sequence[str] = (),
        receive_request_attempt_id: str | None = None,
    ) -> list[Delivery]:
        """
        Receive as `receive_message` does, from a process: it is suspended until something comes or the wait is over.

        A process that is cancelled meanwhile takes nothing (SQS-218).
        """
        latency_us = self._latency_us
        if latency_us:
            await self.clock.sleep_us(latency_us // 2)
        try:
            ask = self._check_receive(
                max_number_of_messages,
                visibility_timeout,
                wait_time_seconds,
                _names(attribute_names, message_system_attribute_names),
                message_attribute_names,
                receive_request_attempt_id,
            )
            found = self._receive_now(ask)
            if found is None:
                poll = self._open_poll(ask)
                poll.answer.on_abandon = lambda: self._close_poll(poll)
                found = await poll.answer
        except (SqsError, ResponseLostError):
            if latency_us:
                await self.clock.sleep_us(latency_us - latency_us // 2)
            raise
        if latency_us:
            await self.clock.sleep_us(latency_us - latency_us // 2)
        return found

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
        sequence, delivery = self._parse(receipt_handle)
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
        checked = check_entries(entries, "DeleteMessageBatchRequestEntry", DELETE_MEMBERS)
        if self._throughput is not None:
            self._limit_rate(_DELETE, [self._named_by(entry) for entry in checked])
        self._begin_call()
        done: list[BatchResultEntry] = []
        failed = []
        with self._holding_wakes():
            for entry in checked:
                try:
                    sequence, delivery = self._parse(entry.get("receipt_handle"))
                    message = self._by_handle.get(sequence)
                    if message is None:
                        self._delete_successes += 1
                    elif not self._delete(message, delivery):
                        msg = "The receipt handle has expired"
                        raise ReceiptHandleIsInvalid(msg)
                except SqsError as error:
                    failed.append(failure(entry, error))
                else:
                    done.append(BatchResultEntry(entry["id"]))
        return BatchResult(successful=tuple(done), failed=tuple(failed))

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
        if not _is_whole(visibility_timeout, 0, VISIBILITY_MAX_S):
            msg = (
                f"Value {visibility_timeout} for parameter VisibilityTimeout is invalid. Reason: Must be between 0 "
                "and 43200."
            )
            raise InvalidParameterValueException(msg)
        if self._throughput is not None:
            self._limit_rate(_CHANGE, (self._by_handle.get(self._parse(receipt_handle)[0]),))
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
        checked = check_entries(entries, "ChangeMessageVisibilityBatchRequestEntry", VISIBILITY_MEMBERS)
        if self._throughput is not None:
            self._limit_rate(_CHANGE, [self._named_by(entry) for entry in checked])
        self._begin_call()
        done: list[BatchResultEntry] = []
        failed = []
        with self._holding_wakes():
            for entry in checked:
                try:
                    timeout = entry.get("visibility_timeout")
                    if timeout is None:
                        raise MissingRequiredParameterException(_NO_VISIBILITY_TIMEOUT)
                    if not _is_whole(timeout, 0, VISIBILITY_MAX_S):
                        msg = "VisibilityTimeout must be an integer between 0 and 43200."
                        raise InvalidParameterValueException(msg)
                    message = self._find_changeable(entry.get("receipt_handle"), cast("int", timeout))
                    if message is not None:
                        self._change(message, cast("int", timeout))
                except SqsError as error:
                    failed.append(failure(entry, error))
                else:
                    done.append(BatchResultEntry(entry["id"]))
        return BatchResult(successful=tuple(done), failed=tuple(failed))

    # ---- how a send is checked and done

    def _check_body(self, body: object) -> tuple[str, int]:
        if body is self._checked_body and body:
            return self._checked_body, self._checked_size
        checked = check_body(body, self.config.invalid_chars)
        self._checked_body = checked
        self._checked_size = len(checked) if checked.isascii() else len(checked.encode())
        return checked, self._checked_size

    def _draft(
        self,
        message_body: object,
        delay_seconds: object,
        message_attributes: object,
        message_system_attributes: object,
        deduplication_id: object,
        group_id: object,
    ) -> _Draft:
        """Check a message in the order of SQS-161, but for its size."""
        body, size = self._check_body(message_body)
        delay_us = self._delay_us
        if delay_seconds is not None:
            delay_us = self._check_delay(delay_seconds)
        attributes = parse_message_attributes(message_attributes, self.config.attribute_name_charset)
        system_attributes = parse_system_attributes(message_system_attributes)
        group = None if group_id is None else check_token(group_id, "MessageGroupId")
        given_id = None if deduplication_id is None else check_token(deduplication_id, "MessageDeduplicationId")
        if not self.is_fifo:
            if given_id is not None:
                raise _not_for_this_type("MessageDeduplicationId", given_id)
        elif group is None:
            msg = "The request must contain the parameter MessageGroupId."
            raise MissingRequiredParameterException(msg)
        elif given_id is None and not self._in_force.content_based_deduplication:
            raise InvalidParameterValueException(_NO_DEDUPLICATION_ID)
        if attributes is not None:
            size += attributes.size_bytes
        return _Draft(body, size, delay_us, attributes, system_attributes, group, given_id)

    def _draft_entry(self, entry: Entry) -> _Draft:
        get = entry.get
        return self._draft(
            get("message_body"),
            get("delay_seconds"),
            get("message_attributes"),
            get("message_system_attributes"),
            get("message_deduplication_id"),
            get("message_group_id"),
        )

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            msg = f"One or more parameters are invalid. Reason: Message must be shorter than {self._max_bytes} bytes."
            raise InvalidParameterValueException(msg)

    def _check_delay(self, delay_seconds: object) -> int:
        """Return the delay that a message asks for, in µs."""
        if not _is_whole(delay_seconds, 0, DELAY_MAX_S):
            msg = (
                f"Value {delay_seconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 "
                "and <= 900."
            )
            raise InvalidParameterValueException(msg)
        if not self.is_fifo:
            return cast("int", delay_seconds) * MICROSECONDS
        if delay_seconds:
            raise _not_for_this_type("DelaySeconds", delay_seconds)
        return self._delay_us  # a 0 is accepted, and the queue's own delay applies (SQS-167)

    def _check_fifo_entry(self, entry: Entry) -> None:
        """Refuse a whole batch for an entry without a group or a deduplication id (SQS-186)."""
        if entry.get("message_group_id") is None:
            msg = "The request must contain the parameter MessageGroupId."
            raise InvalidParameterValueException(msg)
        if entry.get("message_deduplication_id") is None and not self._in_force.content_based_deduplication:
            raise InvalidParameterValueException(_NO_DEDUPLICATION_ID)

    def _accept_entry(self, entry_id: str, body: str, size: int, draft: _Draft | None) -> SendMessageBatchResultEntry:
        if draft is None:
            return SendMessageBatchResultEntry(entry_id, self._send(body, size, self._delay_us))
        sent = self._accept(draft)
        return SendMessageBatchResultEntry(entry_id, sent._message, sent)

    def _accept(self, draft: _Draft) -> SendMessageResult:
        """Put a checked message in; a duplicate is not put in again (SQS-344)."""
        now_us = self.clock.now_us
        body, size = draft.body, draft.size
        if self.is_fifo:
            deduplication_id = content_hash(body) if draft.deduplication_id is None else draft.deduplication_id
            first = self._sent_ids.find(now_us, str(draft.group_id), deduplication_id)
            if first is not None:
                return self._answer_duplicate(first, draft)
            number = self._series.next()
            fifo = FifoMessage(self._series, number, number, body, now_us, now_us)
            fifo._group_id, fifo._attributes = draft.group_id, draft.attributes
            fifo._trace_header, fifo._deduplication_id = draft.trace_header, draft.deduplication_id
            self._sent_ids.remember(now_us, fifo, deduplication_id)
            message: Message | None = fifo
        elif draft.attributes is None and draft.group_id is None and draft.system_attributes is None:
            message = None
        else:
            number = self._series.next()
            laden = LadenMessage(self._series, number, number, body, now_us, now_us)
            laden._group_id, laden._attributes = draft.group_id, draft.attributes
            laden._trace_header = draft.trace_header
            message = laden
            if draft.group_id is not None:
                self._look_for_tenants()
        if message is not None:
            self._note_largest(message)
        if self._purges and self._luck is not None and self._luck.swallows():
            message = self._swallow(body, size, message)
        else:
            message = self._send(body, size, draft.delay_us, None, message)
        if draft.system_attributes is None:
            return SendMessageResult(message)
        return LadenSendMessageResult(message, body, draft.attributes, draft.system_attributes)

    def _answer_duplicate(self, first: FifoMessage, draft: _Draft) -> SendMessageResult:
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        self.deduplicated += 1
        if self._trace.active:
            self._trace.add((now_us, DEDUPLICATED, self, first, draft.body))
        return LadenSendMessageResult(first, draft.body, draft.attributes, draft.system_attributes)

    # ---- how a receive is checked and done

    def _check_receive(
        self,
        limit: object,
        visibility_timeout: object,
        wait: object,
        names: Sequence[str],
        attribute_names: Sequence[str],
        attempt_id: object,
    ) -> Ask:
        """Refuse what is out of range, in the order of the parameters."""
        if self._is_guarded:
            self._guard(is_about_messages=True)
        if not (type(limit) is int and 1 <= limit <= RECEIVE_MAX) and not _is_whole(limit, 1, RECEIVE_MAX):
            msg = (
                f"Value {limit} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if "
                "provided."
            )
            raise InvalidParameterValueException(msg)
        if wait is None:
            wait = self._wait_s
        elif not _is_whole(wait, 0, WAIT_MAX_S):
            msg = f"Value {wait} for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."
            raise InvalidParameterValueException(msg)
        if visibility_timeout is not None and not _is_whole(visibility_timeout, 0, VISIBILITY_MAX_S):
            msg = (
                f"Value {visibility_timeout} for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= "
                "43200, if provided."
            )
            raise InvalidParameterValueException(msg)
        if names:
            names = check_texts(names, "message_system_attribute_names")
            for name in names:
                if name not in _SYSTEM_ATTRIBUTES:
                    msg = f"Unknown Attribute {name}."
                    raise InvalidAttributeName(msg)
        if attribute_names:
            attribute_names = check_texts(attribute_names, "message_attribute_names")
        if attempt_id is not None:
            attempt_id = check_token(attempt_id, "ReceiveRequestAttemptId")
            if not self.is_fifo:
                raise _not_for_this_type("ReceiveRequestAttemptId", attempt_id)
        if self._throughput is not None:
            self._limit_rate(_RECEIVE)
        return Ask(limit, visibility_timeout, wait, tuple(names), tuple(attribute_names), attempt_id)  # type: ignore[arg-type]

    def _visibility_of(self, ask: Ask) -> int:
        return self._visibility_us if ask.visibility_timeout is None else ask.visibility_timeout * MICROSECONDS

    def _receive_now(self, ask: Ask) -> list[Delivery] | None:
        """Answer a receive at once, if that is what it gets; None: it has to wait."""
        if ask.attempt_id is not None:
            attempt = self._attempts.get(self.clock.now_us, ask.attempt_id)
            again = None if attempt is None else self._repeat(attempt, ask)
            if again is not None:
                return again
        is_short = not ask.wait_s
        if (
            is_short
            and self.in_flight >= self._inflight_limit
            and not self.is_fifo
            and self.config.overlimit == "error"
        ):
            msg = (
                "Too many messages have been received without being deleted. Please delete your received messages or "
                "let them timeout before receiving more."
            )
            raise OverLimit(msg)
        flight = self._select(ask.limit, self._visibility_of(ask), held=False, is_short=is_short)
        if flight is not None:
            return self._answer(flight, ask)
        return self._answer_empty(ask) if is_short else None

    def _answer(self, flight: Flight, ask: Ask) -> list[Delivery]:
        messages = flight.messages
        self.requests += 1
        self.billed_requests += chunks(messages)
        if ask.attempt_id is not None:
            self._attempts.put(self.clock.now_us, ask.attempt_id, messages, flight)
        if self._luck is not None and self._luck.loses_receive_response():
            raise ResponseLostError(_lost("receive"))
        return [Delivery(self, message, ask.names, ask.attribute_names) for message in messages]

    def _answer_empty(self, ask: Ask) -> list[Delivery]:
        self._begin_call()
        self.empty_receives += 1
        if ask.attempt_id is not None:
            self._attempts.put(self.clock.now_us, ask.attempt_id, (), None)
        return []

    def _repeat(self, attempt: Attempt, ask: Ask) -> list[Delivery] | None:
        """Answer a receive whose id was used before; None: it is one like others (SQS-361 to SQS-363)."""
        if attempt.is_under_way:
            assert attempt.flight is not None
            self._begin_call()
            self.billed_requests += chunks(attempt.messages) - 1
            attempt.flight = self._prolong(attempt.flight, attempt.messages, self._visibility_of(ask))
            return [Delivery(self, message, ask.names, ask.attribute_names) for message in attempt.messages]
        if attempt.is_over:
            return None
        msg = (
            f"Value {ask.attempt_id} for parameter ReceiveRequestAttemptId is invalid. Reason: The "
            "receiveRequestAttemptId is not valid anymore since the receive call is not retryable."
        )
        raise InvalidParameterValueException(msg)

    def _prolong(self, flight: Flight, messages: Sequence[Message], visibility_us: int) -> Flight:
        """Let messages be in flight for so long from now on, by the same delivery."""
        again = Flight(self.clock.now_us + visibility_us, list(messages), flight.received_at_us, held=False)
        for message in messages:
            self._leave_flight(message)
        if visibility_us:
            self._fly(again)
        else:
            for message in messages:
                self._make_visible(message)
        self._retime()
        return again

    def _open_poll(self, ask: Ask) -> Poll:
        clock = self.clock
        end = clock.timer(clock.now_us + ask.wait_s * MICROSECONDS, self._on_poll_end, priority=Priority.POLL_END.value)
        poll = Poll((clock.now_us, clock.count()), ask, self._serve_poll, end)
        end.argument = poll
        self._line.polls.append(poll)
        self._retime()
        return poll

    def _close_poll(self, poll: Poll) -> None:
        self._line.polls.remove(poll)
        poll.end.cancel()
        self._retime()

    def _on_poll_end(self, poll: Poll) -> None:
        self._close_poll(poll)
        poll.answer.set(self._answer_empty(poll.ask))

    def _serve_poll(self, poll: Poll) -> bool:
        """Answer an open poll, if there is anything to receive."""
        flight = self._select(poll.ask.limit, self._visibility_of(poll.ask), held=False)
        if flight is None:
            return False
        self._close_poll(poll)
        try:
            found = self._answer(flight, poll.ask)
        except ResponseLostError as error:
            poll.answer.fail(error)
        else:
            poll.answer.set(found)
        return True

    # ---- how a delete or a change of visibility is checked and done

    def _check_alive(self, message: Message | None, delivery: int, handle: str) -> None:
        """Refuse an expired handle of a FIFO queue (SQS-275)."""
        if message is not None and (message._flight is None or message.receive_count != delivery):
            msg = f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
            raise InvalidParameterValueException(msg)

    def _parse(self, handle: object) -> tuple[int, int]:
        """Return the place of the message, and the number of the delivery, that a handle means."""
        if handle is None:
            msg = "The request must contain the parameter ReceiptHandle."
            raise MissingRequiredParameterException(msg)
        return self._handles.parse(handle)

    def _named_by(self, entry: Entry) -> Message | None:
        """Return the message that an entry's handle names, if it is one."""
        try:
            return self._by_handle.get(self._parse(entry.get("receipt_handle"))[0])
        except SqsError:
            return None

    def _find_changeable(self, receipt_handle: object, visibility_timeout: int) -> Message | None:
        """Return the message whose visibility is to be changed; None: nothing is to be done, and nothing is wrong."""
        sequence, delivery = self._parse(receipt_handle)
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
            self._retime()
        else:
            self._make_visible(message)
            self._retime()
            self._wake()

    # ---- texts for others

    def _handle_of(self, message: Message, delivery: int) -> str:
        """Return the handle of a delivery, and remember the message: somebody may come back with it."""
        if message._flight is not None or message._state is State.VISIBLE:
            self._by_handle[message._sequence] = message
        return self._handles.text(message._sequence, delivery)

    def _system_attributes(self, message: Message, receive_count: int, first_us: int | None) -> dict[str, str]:
        start_us = self.clock.start_us
        found = {
            "ApproximateReceiveCount": str(receive_count),
            "SentTimestamp": str((start_us + message.sent_at_us) // 1000),
            "SenderId": self.config.sender_id,
            "ApproximateFirstReceiveTimestamp": str((start_us + (first_us or 0)) // 1000),
        }
        found.update(carried_attributes(message))
        return found


def carried_attributes(message: Message) -> dict[str, str]:
    """Return the system attributes that not every message has (SQS-150), by AWS's names."""
    values = {
        "SequenceNumber": message.sequence_number,
        "MessageGroupId": message.message_group_id,
        "MessageDeduplicationId": message.message_deduplication_id,
        "AWSTraceHeader": message.aws_trace_header,
        "DeadLetterQueueSourceArn": message.dead_letter_queue_source_arn,
    }
    return {name: value for name, value in values.items() if value is not None}


def take_time(clock: Clock, latency_us: int, operation: F) -> F:
    """
    Return an operation that takes time where its caller can wait, and has its effect half-way (SQS-005).

    Inside an event time stands still, and the call takes none.
    """

    @wraps(operation)
    def call(*args: Any, **keywords: Any) -> Any:  # noqa: ANN401 - it passes on whatever it gets
        if clock.is_running:
            return operation(*args, **keywords)
        clock.run(until_us=clock.now_us + latency_us // 2)
        try:
            return operation(*args, **keywords)
        finally:
            clock.run(until_us=clock.now_us + latency_us - latency_us // 2)

    return cast("F", call)


_NO_VISIBILITY_TIMEOUT: Final = "The request must contain the parameter VisibilityTimeout."
_NO_DEDUPLICATION_ID: Final = (
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
)


def _lost(call: str) -> str:
    return f"the {call} took effect, and its answer was lost on the way; a caller sees a read time-out"


def _too_long_for_batch(limit: int) -> InvalidParameterValueException:
    return InvalidParameterValueException(
        f"One or more parameters cannot be validated. Reason: Message must be shorter than {limit} bytes."
    )


def _not_for_this_type(parameter: str, value: object) -> InvalidParameterValueException:
    return InvalidParameterValueException(
        f"Value {value} for parameter {parameter} is invalid. Reason: The request include parameter that is not valid "
        "for this queue type."
    )


def _names(older: Sequence[str], newer: Sequence[str]) -> Sequence[str]:
    """Return the system attributes asked for under both names of the parameter (SQS-212)."""
    return (*check_texts(older, "attribute_names"), *newer) if older else newer


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
