"""A standard queue: the operations of AWS, with their checks and answers, over the messages of `Store`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from lambdasim.clock import Clock, Priority
from lambdasim.errors import UsageError
from lambdasim.errors.sqs import (
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidMessageContents,
    InvalidParameterValueException,
    MessageNotInflight,
    MissingRequiredParameterException,
    OverLimit,
)
from lambdasim.settings import Settings
from lambdasim.sqs.handles import Handles
from lambdasim.sqs.limits import (
    DELAY_MAX_S,
    MESSAGE_SIZE_MIN_BYTES,
    RECEIVE_MAX,
    RETENTION_MAX_S,
    RETENTION_MIN_S,
    VISIBILITY_MAX_S,
    WAIT_MAX_S,
    SqsConfig,
)
from lambdasim.sqs.line import Poll
from lambdasim.sqs.message import Delivery, Flight, Message, QueueSnapshot, SendMessageResult, State
from lambdasim.sqs.redrive import Redrive, RedrivePolicy, parse_policy
from lambdasim.sqs.store import Store, chunks
from lambdasim.units import MICROSECONDS

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ILLEGAL: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SYSTEM_ATTRIBUTES: Final = (
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


class Queue(Store):
    """
    A standard queue of Amazon SQS.

    Args:
        name: 1 to 80 characters of `A-Z a-z 0-9 _ -`.
        clock: The time it lives in.
        delay_seconds: 0 to 900.
        maximum_message_size: Bytes, 1,024 to 1,048,576 (the default).
        message_retention_period: Seconds, 60 to 1,209,600; 4 days by default.
        receive_message_wait_time_seconds: 0 to 20.
        visibility_timeout: Seconds, 0 to 43,200.
        redrive_policy: A `RedrivePolicy`, AWS's dictionary or its JSON text.
        settings: At most one `SqsConfig`.
    Raises:
        InvalidParameterValueException: The name or the policy is not allowed (SQS-027, SQS-101).
        InvalidAttributeValue: An attribute is out of its range (SQS-082).
        UsageError: Settings that a queue does not have.

    Rules: SQS-020 to SQS-029, SQS-080, SQS-100 to SQS-103.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        delay_seconds: int = 0,
        maximum_message_size: int | None = None,
        message_retention_period: int = 345_600,
        receive_message_wait_time_seconds: int = 0,
        visibility_timeout: int = 30,
        redrive_policy: RedrivePolicy | Mapping[str, Any] | str | None = None,
        settings: Iterable[object] | Settings = (),
        find_queue: Callable[[str], Queue | None] | None = None,
    ) -> None:
        if not isinstance(settings, Settings):
            settings = Settings(settings, allowed=(SqsConfig,), where=f"queue {name!r}")
        config = settings.get(SqsConfig)
        _check_name(name)
        limit = config.max_payload_bytes
        size = limit if maximum_message_size is None else maximum_message_size
        # In sorted order of their names: the first failure is reported (SQS-082).
        _check_attribute("DelaySeconds", delay_seconds, 0, DELAY_MAX_S)
        _check_attribute("MaximumMessageSize", size, MESSAGE_SIZE_MIN_BYTES, limit)
        _check_attribute("MessageRetentionPeriod", message_retention_period, RETENTION_MIN_S, RETENTION_MAX_S)
        _check_attribute("ReceiveMessageWaitTimeSeconds", receive_message_wait_time_seconds, 0, WAIT_MAX_S)
        redrive: Redrive | None = None
        if redrive_policy is not None:
            near = (config.partition, config.region, config.account_id)
            redrive = parse_policy(redrive_policy, find_queue or (lambda _arn: None), near)
            if redrive.dead_letter_queue.clock is not clock:
                msg = f"{redrive.dead_letter_queue!r} lives on another clock; make both queues with the same one"
                raise UsageError(msg)
        _check_attribute("VisibilityTimeout", visibility_timeout, 0, VISIBILITY_MAX_S)
        super().__init__(
            name,
            f"arn:{config.partition}:sqs:{config.region}:{config.account_id}:{name}",
            clock,
            config,
            visibility_timeout=visibility_timeout,
            message_retention_period=message_retention_period,
        )
        suffix = ".cn" if config.partition == "aws-cn" else ""
        self.url = f"https://sqs.{config.region}.amazonaws.com{suffix}/{config.account_id}/{name}"
        self.delay_seconds = delay_seconds
        self.maximum_message_size = size
        self.receive_message_wait_time_seconds = receive_message_wait_time_seconds
        self._redrive = redrive
        self._handles = Handles(clock.identifiers.series("simulation", ""), self._series)
        self.created_at_us = clock.now_us
        self._checked_body = ""  # senders mostly repeat themselves: the body checked last, and its size
        self._checked_size = 0

    def __repr__(self) -> str:
        """Show the name and the counts."""
        return f"<queue {self.name}: {self.visible} visible, {self.in_flight} in flight, {self.delayed} delayed>"

    # ---- operations

    def send_message(self, message_body: str, *, delay_seconds: int | None = None) -> SendMessageResult:
        """
        Put a message into the queue; whoever waits receives it before this returns.

        Args:
            message_body: Text of 1 byte up to `maximum_message_size` bytes of UTF-8.
            delay_seconds: 0 to 900; None is the queue's own delay.
        Raises:
            MissingRequiredParameterException: No body.
            InvalidMessageContents: Characters that SQS does not carry.
            InvalidParameterValueException: Delay out of range, or body too long.

        Rules: SQS-120 to SQS-124, SQS-160 to SQS-162, SQS-168, SQS-169. Runtime: `O(1)`, delayed `O(log n)`.
        """
        if message_body is self._checked_body and message_body:
            body, size = message_body, self._checked_size
        else:
            body, size = self._check_body(message_body)
        if delay_seconds is None:
            delay_seconds = self.delay_seconds
        elif not _is_whole(delay_seconds, 0, DELAY_MAX_S):
            msg = (
                f"Value {delay_seconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 "
                "and <= 900."
            )
            raise InvalidParameterValueException(msg)
        if size > self.maximum_message_size:
            msg = (
                "One or more parameters are invalid. Reason: Message must be shorter than "
                f"{self.maximum_message_size} bytes."
            )
            raise InvalidParameterValueException(msg)
        return SendMessageResult(self._send(body, size, delay_seconds))

    def sender(self, message_body: str) -> Callable[[object], object]:
        """
        Return a callable that sends this body each time it is called, whatever its argument: checked once, here.

        Raises:
            SqsError: As `send_message` would.
        """
        body, size = self._check_body(message_body)
        if size > self.maximum_message_size:
            self.send_message(body)
        return partial(self._send, body, size, self.delay_seconds)

    def receive_message(
        self,
        *,
        max_number_of_messages: int = 1,
        visibility_timeout: int | None = None,
        wait_time_seconds: int | None = None,
        attribute_names: Sequence[str] = (),
        message_system_attribute_names: Sequence[str] = (),
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
        Returns:
            Deliveries in the order of the queue; an empty list when there is nothing.
        Raises:
            InvalidParameterValueException: A number is out of its range.
            InvalidAttributeName: No such system attribute.
            OverLimit: As many messages as may be are in flight, and the call does not wait.

        Rules: SQS-200 to SQS-212, SQS-217, SQS-410, SQS-430 to SQS-437. Runtime: `O(k log n)` for k messages.
        """
        names = (*attribute_names, *message_system_attribute_names)
        wait = self._check_receive(max_number_of_messages, visibility_timeout, wait_time_seconds, names)
        is_long = wait > 0 and not self.clock.is_running
        found = self._receive_now(max_number_of_messages, visibility_timeout, names, is_long=wait > 0)
        if found or not is_long:
            if not found:
                self._answer_empty()
            return found
        poll = self._open_poll(max_number_of_messages, visibility_timeout, wait, names)
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
    ) -> list[Delivery]:
        """
        Receive as `receive_message` does, from a process: it is suspended until something comes or the wait is over.

        A process that is cancelled meanwhile takes nothing (SQS-218).
        """
        names = (*attribute_names, *message_system_attribute_names)
        wait = self._check_receive(max_number_of_messages, visibility_timeout, wait_time_seconds, names)
        found = self._receive_now(max_number_of_messages, visibility_timeout, names, is_long=wait > 0)
        if found or not wait:
            if not found:
                self._answer_empty()
            return found
        poll = self._open_poll(max_number_of_messages, visibility_timeout, wait, names)
        poll.answer.on_abandon = lambda: self._close_poll(poll)
        return await poll.answer

    def delete_message(self, receipt_handle: str) -> None:
        """
        Remove the message of which this is the newest handle, also when its visibility timeout is over.

        With an older handle, or when the message is gone, the call succeeds and nothing happens.

        Raises:
            ReceiptHandleIsInvalid: This queue never issued the handle.

        Rules: SQS-270 to SQS-276. Runtime: `O(1)`.
        """
        sequence, delivery = self._handles.parse(receipt_handle)
        self._begin_call()
        self._delete_successes += 1
        message = self._by_handle.get(sequence)
        if message is not None and (message.receive_count == delivery or self.config.stale_delete == "delete"):
            self._discard(message)

    def change_message_visibility(self, receipt_handle: str, visibility_timeout: int) -> None:
        """
        Let an in-flight message return *visibility_timeout* seconds from now.

        Args:
            receipt_handle: Of a delivery of the message; an older one acts on the current delivery (SQS-249).
            visibility_timeout: Seconds, 0 to 43,200; 0 makes it visible at this very instant.
        Raises:
            ReceiptHandleIsInvalid: This queue never issued the handle.
            InvalidParameterValueException: The message is gone, the timeout is out of range, or more than 12 hours
                would have passed since the delivery.

        Rules: SQS-240 to SQS-252. Runtime: `O(log n)` in the messages in flight.
        """
        if not _is_whole(visibility_timeout, 0, VISIBILITY_MAX_S):
            msg = (
                f"Value {visibility_timeout} for parameter VisibilityTimeout is invalid. Reason: Must be between 0 "
                "and 43200."
            )
            raise InvalidParameterValueException(msg)
        sequence, delivery = self._handles.parse(receipt_handle)
        message = self._by_handle.get(sequence)
        stale = message is not None and message.receive_count != delivery
        if message is None or (stale and self.config.stale_change_visibility == "error"):
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
            self._begin_call()
            return
        now_us = self.clock.now_us
        timeout_us = visibility_timeout * MICROSECONDS
        since_us = flight.received_at_us
        if self.config.visibility_total_base == "first_receive" and message.first_received_at_us is not None:
            since_us = message.first_received_at_us
        if now_us - since_us + timeout_us > VISIBILITY_MAX_S * MICROSECONDS:
            msg = (
                f"Value {visibility_timeout} for parameter VisibilityTimeout is invalid. Reason: Total "
                "VisibilityTimeout for the message is beyond the limit [43200 seconds]"
            )
            raise InvalidParameterValueException(msg)
        self._begin_call()
        self._leave_flight(message)
        if timeout_us:
            own = Flight(now_us + timeout_us, [message], flight.received_at_us, held=False)
            message._flight = own
            self.in_flight += 1
            self._add_flight(own)
        else:
            self._make_visible(message)
        self._retime()
        if not timeout_us:
            self._wake()

    # ---- looking

    def snapshot(self) -> QueueSnapshot:
        """Return the counts of this instant, exact and frozen. Runtime: `O(1)` amortised."""
        now_us = self.clock.now_us
        oldest = self._ages.oldest()
        return QueueSnapshot(
            at_us=now_us,
            visible=self.visible,
            delayed=self.delayed,
            in_flight=self.in_flight,
            oldest_age_us=0 if oldest is None else now_us - oldest.entered_at_us,
            sent=self.sent,
            received=self.received,
            deleted=self.deleted,
            expired=self.expired,
            moved=self.moved,
            arrived=self.arrived,
            requests=self.total_requests,
            billed_requests=self.billed_requests + self._background_empty_receives(),
        )

    @property
    def approximate_number_of_messages(self) -> int:
        """Visible messages; exact (SQS-600)."""
        return self.visible

    @property
    def approximate_number_of_messages_not_visible(self) -> int:
        """Messages in flight; exact (SQS-600)."""
        return self.in_flight

    @property
    def approximate_number_of_messages_delayed(self) -> int:
        """Delayed messages; exact (SQS-600)."""
        return self.delayed

    @property
    def redrive_policy(self) -> str | None:
        """The policy as AWS keeps it: JSON text, or None."""
        return None if self._redrive is None else self._redrive.text

    @property
    def dead_letter_queue(self) -> Queue | None:
        """Where messages go that were received too often, if there is a policy."""
        return None if self._redrive is None else self._redrive.dead_letter_queue

    @property
    def max_receive_count(self) -> int | None:
        """How often a message is delivered at most, if there is a policy."""
        return None if self._redrive is None else self._redrive.max_receive_count

    @property
    def total_requests(self) -> int:
        """API calls so far, those of idle pollers included, which are computed (SQS-604, ESM-082)."""
        return self.requests + self._background_empty_receives()

    def background_empty_receives_by_minute(self) -> dict[int, int]:
        """Return the empty receives of idle pollers by minute: computed, not simulated (ESM-082)."""
        found: dict[int, int] = {}
        for consumer in self._line.consumers:
            for minute, times in consumer.empty_receives_by_minute().items():
                found[minute] = found.get(minute, 0) + times
        return found

    def _background_empty_receives(self) -> int:
        return sum(consumer.count_empty_receives() for consumer in self._line.consumers)

    # ---- checks

    def _check_body(self, body: object) -> tuple[str, int]:
        if body is None or body == "":
            msg = "The request must contain the parameter MessageBody."
            raise MissingRequiredParameterException(msg)
        if not isinstance(body, str):
            msg = f"message_body={body!r} is no text; SQS carries strings, so json.dumps it"
            raise UsageError(msg)
        if not (body.isascii() and body.isprintable()) and _ILLEGAL.search(body):
            if self.config.invalid_chars == "reject":
                msg = (
                    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | "
                    "#xE000 to #xFFFD | #x10000 to #x10FFFF"
                )
                raise InvalidMessageContents(msg)
            body = _ILLEGAL.sub("\ufffd", body)
        self._checked_body = body
        self._checked_size = len(body) if body.isascii() else len(body.encode())
        return body, self._checked_size

    def _check_receive(
        self, limit: int, visibility_timeout: int | None, wait: int | None, names: tuple[str, ...]
    ) -> int:
        """Refuse what is out of range; return the seconds to wait."""
        if not _is_whole(limit, 1, RECEIVE_MAX):
            msg = (
                f"Value {limit} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if "
                "provided."
            )
            raise InvalidParameterValueException(msg)
        if wait is None:
            wait = self.receive_message_wait_time_seconds
        elif not _is_whole(wait, 0, WAIT_MAX_S):
            msg = f"Value {wait} for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."
            raise InvalidParameterValueException(msg)
        if visibility_timeout is not None and not _is_whole(visibility_timeout, 0, VISIBILITY_MAX_S):
            msg = (
                f"Value {visibility_timeout} for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= "
                "43200, if provided."
            )
            raise InvalidParameterValueException(msg)
        for name in names:
            if name not in _SYSTEM_ATTRIBUTES:
                msg = f"Unknown Attribute {name}."
                raise InvalidAttributeName(msg)
        return wait

    # ---- answers and polls

    def _visibility_us(self, visibility_timeout: int | None) -> int:
        return (self.visibility_timeout if visibility_timeout is None else visibility_timeout) * MICROSECONDS

    def _receive_now(
        self, limit: int, visibility_timeout: int | None, names: tuple[str, ...], *, is_long: bool
    ) -> list[Delivery]:
        if not is_long and self.in_flight >= self.config.inflight_limit_standard and self.config.overlimit == "error":
            msg = (
                "Too many messages have been received without being deleted. Please delete your received messages or "
                "let them timeout before receiving more."
            )
            raise OverLimit(msg)
        flight = self._select(limit, self._visibility_us(visibility_timeout), held=False)
        return [] if flight is None else self._answer(flight.messages, names)

    def _answer(self, messages: Sequence[Message], names: tuple[str, ...]) -> list[Delivery]:
        self.requests += 1
        self.billed_requests += chunks(messages)
        return [Delivery(self, message, names) for message in messages]

    def _answer_empty(self) -> None:
        self._begin_call()
        self.empty_receives += 1

    def _open_poll(self, limit: int, visibility_timeout: int | None, wait: int, names: tuple[str, ...]) -> Poll:
        clock = self.clock
        end = clock.timer(clock.now_us + wait * MICROSECONDS, self._on_poll_end, priority=Priority.POLL_END.value)
        poll = Poll(
            (clock.now_us, clock.count()), limit, self._visibility_us(visibility_timeout), names, self._serve_poll, end
        )
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
        self._answer_empty()
        poll.answer.set([])

    def _serve_poll(self, poll: Poll) -> bool:
        """Answer an open poll, if there is anything to receive."""
        flight = self._select(poll.limit, poll.visibility_us, held=False)
        if flight is None:
            return False
        self._close_poll(poll)
        poll.answer.set(self._answer(flight.messages, poll.names))
        return True

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
        source_arn = message.dead_letter_queue_source_arn
        if source_arn is not None:
            found["DeadLetterQueueSourceArn"] = source_arn
        return found


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _check_attribute(name: str, value: object, low: int, high: int) -> None:
    if not _is_whole(value, low, high):
        msg = f"Invalid value for the parameter {name}."
        raise InvalidAttributeValue(msg)


def _check_name(name: object) -> None:
    if isinstance(name, str) and name.endswith(".fifo"):
        msg = f"queue {name!r}: FIFO queues are not modelled in this version; use a standard queue"
        raise UsageError(msg)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        msg = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        raise InvalidParameterValueException(msg)
