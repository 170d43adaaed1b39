"""Sending: how a message is checked, put in, or found to be a duplicate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import repeat
from typing import Any, Final, NamedTuple, cast

from lambdasim.errors import ResponseLostError, SqsError
from lambdasim.errors.sqs import (
    BatchRequestTooLong,
    InvalidParameterValueException,
    MissingRequiredParameterException,
)
from lambdasim.sqs.batch import SEND_MEMBERS, Entry, check_entries, failure, plain_entries
from lambdasim.sqs.checks import check_number, is_whole, lost_answer, not_for_this_type
from lambdasim.sqs.content import (
    MessageAttributes,
    are_tokens,
    check_body,
    check_token,
    is_plain_text,
    parse_message_attributes,
    parse_system_attributes,
    rough_size_bytes,
)
from lambdasim.sqs.limits import DELAY_MAX_S
from lambdasim.sqs.message import FifoMessage, LadenMessage, Message, content_hash
from lambdasim.sqs.records import DEDUPLICATED
from lambdasim.sqs.resource import Resource
from lambdasim.sqs.results import (
    BatchResultErrorEntry,
    LadenSendMessageResult,
    SendMessageBatchResult,
    SendMessageResult,
)
from lambdasim.units import MICROSECONDS

_PLAIN_MEMBERS: Final = 2  # of an entry of a batch: its id, and one other
_PLAIN_FIFO_MEMBERS: Final = ("message_body", "message_group_id", "message_deduplication_id")
_ACTION: Final = "SendMessage"
_NO_DEDUPLICATION_ID: Final = (
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
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


class Sending(Resource):
    """The part of `Queue` that takes messages in."""

    _checked_body: object = object()  # senders mostly repeat themselves: the body checked last, and its size
    _checked_size = 0

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
            and delay_seconds is None
            and message_attributes is None
            and message_system_attributes is None
            and message_deduplication_id is None
            and message_group_id is None
        ):
            if message_body is self._checked_body:
                size = self._checked_size
            elif type(message_body) is str and message_body and is_plain_text(message_body):  # as most are: legal
                self._checked_body = message_body
                self._checked_size = size = len(message_body)
            else:
                message_body, size = self._check_body(message_body)
            if size <= self._max_bytes:
                message = self._send(message_body, size, self._delay_us)
                self.requests += 1
                self.billed_requests += 1 if size <= self._chunk_bytes else self._requests_of(size)
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
            self._limit_rate(_ACTION, groups=(str(message_group_id),))
        result = self._accept(draft)
        self.requests += 1
        self.billed_requests += self._requests_of(draft.size)
        if self._luck is not None and self._luck.loses_send_ack((result._message,)):
            raise ResponseLostError(lost_answer("send"))
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
            self.billed_requests += 1 if size <= self._chunk_bytes else self._requests_of(size)
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
        if self._is_plain and self._throughput is None and not self._delay_us:
            plain = plain_entries(entries, "message_body")
            size = None if plain is None else self._plain_size(plain[1])
            if plain is not None and size is not None:
                messages = self._send_all(plain[1])
                self.requests += 1
                self.billed_requests += self._requests_of(size)
                line = self._line
                if line.consumers or line.polls:
                    self._wake()
                return SendMessageBatchResult(zip(plain[0], messages, repeat(None)))
        elif self._is_plain_fifo and self._throughput is None and not self._purges:
            plain = self._plain_fifo_entries(entries)
            size = None if plain is None else self._plain_size(plain[1])
            if plain is not None and size is not None:
                with self._holding_wakes():
                    sent = [self._accept_plain(*entry) for entry in zip(*plain, strict=True)]
                    self._begin_call()
                    self.billed_requests += self._requests_of(size) - 1
                return SendMessageBatchResult(sent)
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
            self._limit_rate(_ACTION, groups=[str(draft.group_id) for _, _, _, draft in drafts if draft is not None])
        with self._holding_wakes():
            done = [self._accept_entry(*draft) for draft in drafts]
            self._begin_call()
            self.billed_requests += self._requests_of(sum([size for _, _, size, _ in drafts])) - 1
        if self._luck is not None and self._luck.loses_send_ack([message for _, message, _ in done]):
            raise ResponseLostError(lost_answer("send"))
        return SendMessageBatchResult(done, tuple(failed))

    # ---- how a send is checked and done

    def _check_body(self, body: object) -> tuple[str, int]:
        """Return the text that the queue keeps, and how many bytes it has."""
        if body is self._checked_body:
            return cast("str", body), self._checked_size
        text = check_body(body, self.config.invalid_chars)
        size = len(text) if text.isascii() else len(text.encode())
        self._checked_body, self._checked_size = text, size
        return text, size

    def _plain_size(self, bodies: list[Any]) -> int | None:
        """Return the size of bodies that are legal whatever their limit; None: look at each."""
        try:
            together = "".join(bodies)
        except TypeError:
            return None
        size = len(together)
        is_plain = is_plain_text(together) and all(bodies)
        return size if is_plain and size <= min(self._max_bytes, self.config.max_payload_bytes) else None

    def _plain_fifo_entries(self, entries: object) -> list[list[Any]] | None:
        """Return ids, bodies, groups and given ids of a batch with nothing wrong but maybe its bodies."""
        plain = plain_entries(entries, *_PLAIN_FIFO_MEMBERS)
        if plain is not None:
            return plain if are_tokens(plain[2]) and are_tokens(plain[3]) else None
        if self._in_force.content_based_deduplication:
            plain = plain_entries(entries, *_PLAIN_FIFO_MEMBERS[:-1])
        return [*plain, [None] * len(plain[0])] if plain is not None and are_tokens(plain[2]) else None

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
                raise not_for_this_type("MessageDeduplicationId", given_id)
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
        if not is_whole(delay_seconds, 0, DELAY_MAX_S):
            check_number(delay_seconds, "delay_seconds")
            msg = (
                f"Value {delay_seconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 "
                "and <= 900."
            )
            raise InvalidParameterValueException(msg)
        if not self.is_fifo:
            return cast("int", delay_seconds) * MICROSECONDS
        if delay_seconds:
            raise not_for_this_type("DelaySeconds", delay_seconds)
        return self._delay_us  # a 0 is accepted, and the queue's own delay applies (SQS-167)

    def _check_fifo_entry(self, entry: Entry) -> None:
        """Refuse a whole batch for an entry without a group or a deduplication id (SQS-186)."""
        if entry.get("message_group_id") is None:
            msg = "The request must contain the parameter MessageGroupId."
            raise InvalidParameterValueException(msg)
        if entry.get("message_deduplication_id") is None and not self._in_force.content_based_deduplication:
            raise InvalidParameterValueException(_NO_DEDUPLICATION_ID)

    def _accept_entry(
        self, entry_id: str, body: str, size: int, draft: _Draft | None
    ) -> tuple[str, Message, SendMessageResult | None]:
        if draft is None:
            return entry_id, self._send(body, size, self._delay_us), None
        sent = self._accept(draft)
        return entry_id, sent._message, sent

    def _accept(self, draft: _Draft) -> SendMessageResult:
        """Put a checked message in; a duplicate is not put in again (SQS-344)."""
        now_us = self.clock.now_us
        body, size = draft.body, draft.size
        message: Message | None = None
        if self.is_fifo:
            message, is_new = self._find_or_make(body, str(draft.group_id), draft.deduplication_id)
            if not is_new:
                return self._answer_duplicate(message, body, draft.attributes, draft.system_attributes)
            message._attributes = draft.attributes
        elif draft.attributes is not None or draft.group_id is not None or draft.system_attributes is not None:
            number = self._series.next()
            laden = LadenMessage(self._series, number, number, body, now_us, now_us)
            laden._group_id, laden._attributes = draft.group_id, draft.attributes
            message = laden
            if draft.group_id is not None:
                self._look_for_tenants()
        if draft.system_attributes is not None:
            assert isinstance(message, LadenMessage)
            message._trace_header = draft.trace_header
            self._note_largest(message)  # the trace header comes on top of the size
        if self._purges and self._luck is not None and self._luck.swallows():
            message = self._swallow(body, size, message)
        else:
            message = self._send(body, size, draft.delay_us, message)
        if draft.system_attributes is None:
            return SendMessageResult(message)
        return LadenSendMessageResult(message, body, draft.attributes, draft.system_attributes)

    def _accept_plain(
        self, entry_id: str, body: str, group_id: str, deduplication_id: str | None
    ) -> tuple[str, Message, SendMessageResult | None]:
        """Put in what was found to have these alone, and to be legal."""
        message, is_new = self._find_or_make(body, group_id, deduplication_id)
        if is_new:
            return entry_id, self._send(body, len(body), self._delay_us, message), None
        return entry_id, message, self._answer_duplicate(message, body, None, None)

    def _find_or_make(self, body: str, group_id: str, given_id: str | None) -> tuple[FifoMessage, bool]:
        """Return the message that this is a duplicate of, or a new one, whose id is known from now on; is it new?"""
        now_us = self.clock.now_us
        deduplication_id = content_hash(body) if given_id is None else given_id
        first = self._sent_ids.find(now_us, group_id, deduplication_id)
        if first is not None:
            return first, False
        number = self._series.next()
        message = FifoMessage(self._series, number, number, body, now_us, now_us)
        message._group_id, message._deduplication_id = group_id, given_id
        self._sent_ids.remember(now_us, message, deduplication_id)
        return message, True

    def _answer_duplicate(
        self,
        first: FifoMessage,
        body: str,
        attributes: MessageAttributes | None,
        system_attributes: MessageAttributes | None,
    ) -> SendMessageResult:
        now_us = self.clock.now_us
        if now_us >= self._border_us:
            self._turn(now_us)
        self.deduplicated += 1
        if self._trace.active:
            self._trace.add((now_us, DEDUPLICATED, self, first, body))
        return LadenSendMessageResult(first, body, attributes, system_attributes)


def _too_long_for_batch(limit: int) -> InvalidParameterValueException:
    return InvalidParameterValueException(
        f"One or more parameters cannot be validated. Reason: Message must be shorter than {limit} bytes."
    )
