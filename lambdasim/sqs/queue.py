"""
A standard queue: the operations of AWS, thin over the modules beside this one.

**Who is where.** A message that was never received waits in a deque, in order of arrival; one that came back (or was
delayed) in a heap by rank. A receive takes from the two in order of rank (SQS-300). What is in flight or delayed hangs on
`Deadlines`; `Ages` knows what is oldest.

**Time.** One timer per queue stands for the earliest end of a delay or a visibility timeout, another, in the background,
for retention. The first is in the foreground only while somebody waits for what comes back, and nobody else has events
to come for it: a flight that a mapping holds keeps the simulation going by its invocation.

**Waking.** Whatever makes a message visible ends with `_wake`: the parties in line receive before the call returns
(SQS-004). Ends of delays and timeouts are C1 events, so their wake-ups are events of C2.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, Final

from lambdasim.clock import Clock, Kind, Priority, Timer
from lambdasim.clock.meters import Ledger, Samples
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
from lambdasim.sqs.ages import Ages
from lambdasim.sqs.handles import Handles
from lambdasim.sqs.limits import (
    BATCH_MAX,
    DELAY_MAX_S,
    MESSAGE_SIZE_MIN_BYTES,
    RECEIVE_MAX,
    REQUEST_CHUNK_BYTES,
    RETENTION_MAX_S,
    RETENTION_MIN_S,
    VISIBILITY_MAX_S,
    WAIT_MAX_S,
    SqsConfig,
)
from lambdasim.sqs.line import Consumer, Line, Poll
from lambdasim.sqs.message import Arrival, Delivery, Flight, Message, QueueSnapshot, SendMessageResult, State
from lambdasim.sqs.redrive import Redrive, RedrivePolicy, parse_policy
from lambdasim.sqs.visibility import Deadlines
from lambdasim.units import MICROSECONDS

_DELAYED: Final = State.DELAYED
_VISIBLE: Final = State.VISIBLE
_IN_FLIGHT: Final = State.IN_FLIGHT
_NEVER: Final = 1 << 62

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

SENT: Final = Kind("message sent", lambda queue, message: (queue.name, {"message_id": message.message_id}))
DELIVERED: Final = Kind(
    "message delivered",
    lambda queue, message, count: (queue.name, {"message_id": message.message_id, "receive_count": count}),
)
RETURNED: Final = Kind("message returned", lambda queue, message: (queue.name, {"message_id": message.message_id}))
DELETED: Final = Kind("message deleted", lambda queue, message: (queue.name, {"message_id": message.message_id}))
EXPIRED: Final = Kind("message expired", lambda queue, message: (queue.name, {"message_id": message.message_id}))
MOVED: Final = Kind(
    "message moved",
    lambda queue, message, target: (queue.name, {"message_id": message.message_id, "to": target.name}),
)


class Queue:
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
        self.config = settings.get(SqsConfig)
        _check_name(name)
        limit = self.config.max_payload_bytes
        size = limit if maximum_message_size is None else maximum_message_size
        for attribute, value, low, high in (  # in sorted order: the first failure is reported (SQS-082)
            ("DelaySeconds", delay_seconds, 0, DELAY_MAX_S),
            ("MaximumMessageSize", size, MESSAGE_SIZE_MIN_BYTES, limit),
            ("MessageRetentionPeriod", message_retention_period, RETENTION_MIN_S, RETENTION_MAX_S),
            ("ReceiveMessageWaitTimeSeconds", receive_message_wait_time_seconds, 0, WAIT_MAX_S),
            ("VisibilityTimeout", visibility_timeout, 0, VISIBILITY_MAX_S),
        ):
            if not _is_whole(value, low, high):
                msg = f"Invalid value for the parameter {attribute}."
                raise InvalidAttributeValue(msg)
        self.clock = clock
        self.name = name
        config = self.config
        self.arn = f"arn:{config.partition}:sqs:{config.region}:{config.account_id}:{name}"
        suffix = ".cn" if config.partition == "aws-cn" else ""
        self.url = f"https://sqs.{config.region}.amazonaws.com{suffix}/{config.account_id}/{name}"
        self.delay_seconds = delay_seconds
        self.maximum_message_size = size
        self.message_retention_period = message_retention_period
        self.receive_message_wait_time_seconds = receive_message_wait_time_seconds
        self.visibility_timeout = visibility_timeout
        self._redrive: Redrive | None = None
        if redrive_policy is not None:
            near = (config.partition, config.region, config.account_id)
            self._redrive = parse_policy(redrive_policy, find_queue or (lambda _arn: None), near)

        identifiers = clock.identifiers
        self._series = identifiers.series("message", self.arn)
        self._handles = Handles(identifiers.series("simulation", ""), self._series)
        self._trace = clock.trace
        self.created_at_us = clock.now_us

        self._fresh: deque[Message] = deque()  # visible, never received, in order of rank
        self._returned: list[tuple[int, int, Message]] = []  # visible, others, by rank and place
        self._deadlines = Deadlines()
        self._ages = Ages(config.requeue_to_back_after)
        self._by_handle: dict[int, Message] = {}  # messages of which somebody has seen a handle
        self._line = Line()
        self._is_waking = False

        self.visible = 0
        self.in_flight = 0
        self.delayed = 0
        self._exhausted = 0  # visible messages that the next receive moves to the dead-letter queue
        self._loose_flights = 0  # flights under way that nobody holds
        self.sent = self.received = self.deleted = self.expired = self.moved = self.arrived = 0
        self._delete_successes = 0  # NumberOfMessagesDeleted also counts deletes that found nothing (SQS-601)
        self.empty_receives = 0
        self.requests = self.billed_requests = 0
        self.largest_body_chars = 0  #: longest body ever sent; bounds what a receive can return
        self._checked_body: str | None = None  # senders mostly repeat themselves: the body checked last, and its size
        self._checked_size = 0
        self.sent_sizes = Samples()
        self.ledger = Ledger(clock.now_us, self._counters, self._gauges)
        self._on_deleted: list[Callable[[Message], object]] = []

        self._timer: Timer | None = None  # the earliest end of a delay or a visibility timeout
        self._expiry: Timer | None = None

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
        return lambda _argument: self._send(body, size, self.delay_seconds)

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
        answer = self._open_poll(max_number_of_messages, visibility_timeout, wait, names).answer
        self.clock.run_until(lambda: answer.is_set)
        return answer.result()

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
            own = Flight(now_us + timeout_us, [message], flight.received_at_us, held=flight.held)
            message._flight = own
            self._add_flight(own)
        else:
            self._make_visible(message)
        self._retime()
        if not timeout_us:
            self._wake()

    # ---- looking

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is in the queue, in order of arrival, without receiving it. Runtime: `O(n log n)`."""
        found = list(self._fresh)
        found += [message for _, _, message in self._returned]
        found += [message for _, _, message in self._deadlines._delayed]
        found += [message for flight in self._deadlines.flights() for message in flight.messages]
        present = {
            message._sequence: message for message in found if message._state in (_DELAYED, _VISIBLE, _IN_FLIGHT)
        }
        return tuple(present[sequence] for sequence in sorted(present))

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
    def receivable(self) -> int:
        """Messages that a receive would return: visible, and not used up under the redrive policy (ESM-003)."""
        return self.visible - self._exhausted

    @property
    def total_requests(self) -> int:
        """API calls so far, those of idle pollers included, which are computed (SQS-604, ESM-082)."""
        return self.requests + self._background_empty_receives()

    def on_deleted(self, callback: Callable[[Message], object]) -> None:
        """Call `callback(message)` for each message that a delete removes, at that instant."""
        self._on_deleted.append(callback)

    def check_invariants(self) -> None:
        """
        Assert that no message is lost and every count is right. Runtime: `O(n log n)`.

        Raises:
            AssertionError: With what is wrong: a bug of lambdasim.
        """
        messages = self.messages
        for state, counted in ((_VISIBLE, self.visible), (_IN_FLIGHT, self.in_flight), (_DELAYED, self.delayed)):
            there = sum(message._state is state for message in messages)
            assert there == counted, f"{self.name}: {counted} {state.value} by count, {there} by looking"
        gone = self.deleted + self.expired + self.moved
        came = self.sent + self.arrived
        assert came == len(messages) + gone, f"{self.name}: {came} came, {gone} went, {len(messages)} are there"
        now_us = self.clock.now_us
        flights = list(self._deadlines.flights())
        for flight in flights:
            live = sum(message._flight is flight for message in flight.messages)
            assert live == flight.live, f"{self.name}: a flight counts {flight.live} messages and has {live}"
            assert flight.deadline_us >= now_us, f"{self.name}: a flight ended at {flight.deadline_us}, now is {now_us}"
        assert sum(flight.live for flight in flights) == self.in_flight, f"{self.name}: flights and messages differ"
        loose = sum(not flight.held for flight in flights)
        assert loose == self._loose_flights, f"{self.name}: {self._loose_flights} loose flights by count, {loose} there"
        exhausted = sum(message._state is _VISIBLE and self._is_exhausted(message) for message in messages)
        assert exhausted == self._exhausted, f"{self.name}: {self._exhausted} exhausted by count, {exhausted} there"
        earliest_us = self._deadlines.earliest_us()
        if earliest_us is not None:
            assert self._timer is not None, f"{self.name}: nothing will end at {earliest_us}"
            assert self._timer.at_us <= earliest_us, f"{self.name}: the timer comes after {earliest_us}"
        for message in messages:
            assert message.sent_at_us + self._retention_us > now_us or self._expiry is not None

    # ---- for consumers (event source mappings)

    def attach(self, consumer: Consumer) -> None:
        """Put a consumer in line."""
        self._line.consumers.append(consumer)
        self._retime()

    def take(self, limit: int) -> Flight | None:
        """
        Receive up to *limit* messages for a consumer, which holds them: one API call if it returns something.

        Returns:
            The flight, or None if there was nothing to receive; the call then stays open, and is not counted yet.
        """
        flight = self._select(limit, self.visibility_timeout * MICROSECONDS, held=True)
        if flight is not None:
            self.requests += 1
            self.billed_requests += 1 if self._is_small(limit) else _chunks(flight.messages)
        return flight

    def delete_batch(self, messages: Sequence[Message], receive_counts: Sequence[int]) -> None:
        """
        Delete messages by the deliveries with these numbers, in calls of at most ten entries (ESM-131).

        Entries with an old number succeed without effect, as those with an old handle do (SQS-274).
        """
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self.ledger.turn(now_us)
        calls = -(-len(messages) // BATCH_MAX)
        self.requests += calls
        self.billed_requests += calls
        self._delete_successes += len(messages)
        deletes_stale = self.config.stale_delete == "delete"
        flown = 0
        trace = self._trace
        for message, count in zip(messages, receive_counts, strict=True):
            if message.receive_count != count and not deletes_stale:
                continue
            flight = message._flight
            if flight is None:
                self._discard(message)
                continue
            message._state = State.DELETED
            message._flight = None
            flight.live -= 1
            if not flight.live and not flight.held:
                self._loose_flights -= 1
            flown += 1
            if trace.active:
                trace.add((now_us, DELETED, self, message))
        self.in_flight -= flown
        self.deleted += flown
        if self._by_handle:
            for message in messages:
                if message._state is State.DELETED:
                    self._by_handle.pop(message._sequence, None)
        if self._on_deleted:
            for message, count in zip(messages, receive_counts, strict=True):
                if message._state is State.DELETED and message.receive_count == count:
                    self._tell_deleted(message)
        self._ages.trim(self.visible + self.in_flight + self.delayed)
        self._relax()

    def let_go(self, flights: Iterable[Flight]) -> None:
        """Take note that the consumer no longer holds these flights: what is left of them comes back by itself."""
        for flight in flights:
            if flight.held:
                flight.held = False
                if flight.live:
                    self._loose_flights += 1
        self._retime()

    # ---- sending

    def _check_body(self, body: object) -> tuple[str, int]:
        if body is self._checked_body and self._checked_body is not None:
            return self._checked_body, self._checked_size
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

    def _send(self, body: str, size: int, delay_seconds: int) -> Message:
        """Put a message in whose body, size and delay are known to be legal."""
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self.ledger.turn(now_us)
        number = self._series.last = self._series.last + 1
        message = Message(self._series, number, number, body, now_us, now_us)
        self.sent += 1
        self.requests += 1
        self.billed_requests += 1 if size <= REQUEST_CHUNK_BYTES else -(-size // REQUEST_CHUNK_BYTES)
        self.sent_sizes.add(now_us, size)
        if len(body) > self.largest_body_chars:
            self.largest_body_chars = len(body)
        if self._trace.active:
            self._trace.add((now_us, SENT, self, message))
        self._ages._by_age.append(message)
        if self._expiry is None:
            self._expiry = self.clock.timer(
                now_us + self._retention_us, self._on_expiry, priority=Priority.EXPIRY.value, background=True
            )
        if delay_seconds:
            message._state = _DELAYED
            self.delayed += 1
            self._deadlines.add_delayed(message, now_us + delay_seconds * MICROSECONDS)
            self._retime()
        else:
            self.visible += 1
            self._fresh.append(message)
            line = self._line
            if line.consumers or line.polls:
                self._wake()
        return message

    # ---- receiving

    def _check_receive(
        self, limit: int, visibility_timeout: int | None, wait: int | None, names: tuple[str, ...]
    ) -> int:
        """Refuse what is out of range; return the seconds to wait."""
        if not _is_whole(limit, 1, RECEIVE_MAX):
            msg = f"Value {limit} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."
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
        self.billed_requests += _chunks(messages)
        return [Delivery(self, message, names) for message in messages]

    def _answer_empty(self) -> None:
        self._begin_call()
        self.empty_receives += 1

    def _open_poll(self, limit: int, visibility_timeout: int | None, wait: int, names: tuple[str, ...]) -> Poll:
        clock = self.clock
        end = clock.timer(clock.now_us + wait * MICROSECONDS, self._on_poll_end, priority=Priority.POLL_END.value)
        poll = Poll(clock.now_us, limit, self._visibility_us(visibility_timeout), names, end=end)
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
        flight = self._select(poll.limit, poll.visibility_us, held=False)
        if flight is None:
            return False
        self._close_poll(poll)
        poll.answer.set(self._answer(flight.messages, poll.names))
        return True

    def _wake(self, *, at_wake: bool = False) -> None:
        """Offer what is visible to the parties in line, longest-waiting first, until nobody wants more (SQS-209)."""
        if self._is_waking:
            return  # the loop below looks again
        line = self._line
        self._is_waking = True
        try:
            while self.visible and line.serve_first(self._serve_poll, at_wake=at_wake):
                pass
        finally:
            self._is_waking = False
        if self.visible:
            for consumer in line.consumers:
                consumer.notice_backlog()

    def _select(self, limit: int, visibility_us: int, *, held: bool) -> Flight | None:
        """
        Deliver up to *limit* messages in the order of the queue; move those away whose receives are used up.

        Rules: SQS-202 to SQS-205, SQS-300, SQS-412, SQS-430.
        """
        room = self.config.inflight_limit_standard - self.in_flight
        if limit > room:
            limit = room
        if limit <= 0 or not self.visible:
            return None
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self.ledger.turn(now_us)
        fresh, returned = self._fresh, self._returned
        taken: list[Message] = []
        exhausted: list[Message] = []
        if returned:
            self._pick(limit, taken, exhausted)
        else:
            while fresh and limit:
                message = fresh.popleft()
                if message._state is _VISIBLE:
                    taken.append(message)
                    limit -= 1
        flight: Flight | None = None
        if taken:
            flight = Flight(now_us + visibility_us, taken, now_us, held=held)
            for message in taken:
                message._state = _IN_FLIGHT
                message._flight = flight
                message.receive_count += 1
                if message.first_received_at_us is None:
                    message.first_received_at_us = now_us
            count = len(taken)
            self.visible -= count
            self.in_flight += count
            self.received += count
            if self._trace.active:
                for message in taken:
                    self._trace.add((now_us, DELIVERED, self, message, message.receive_count))
            self._add_flight(flight)
            if not visibility_us:  # never in flight: visible again for the next call (SQS-205)
                for message in taken:
                    self._leave_flight(message)
                    self._make_visible(message)
            timer = self._timer
            if timer is None or flight.deadline_us < timer.at_us or (timer.background and not held):
                self._retime()
        if exhausted:
            self._move(exhausted)
        return flight

    def _pick(self, limit: int, taken: list[Message], exhausted: list[Message]) -> None:
        """Take from the front of the deque and of the heap by rank; tell apart what a redrive policy moves away."""
        fresh, returned, redrive = self._fresh, self._returned, self._redrive
        while limit:
            while fresh and fresh[0]._state is not _VISIBLE:
                fresh.popleft()
            if returned and (not fresh or (returned[0][0], returned[0][1]) < (fresh[0]._rank_us, fresh[0]._sequence)):
                message = heappop(returned)[2]
                if message._state is not _VISIBLE:
                    continue
                if redrive is not None and self._is_exhausted(message):
                    exhausted.append(message)
                    continue
            elif fresh:
                message = fresh.popleft()
            else:
                return
            taken.append(message)
            limit -= 1

    def _is_exhausted(self, message: Message) -> bool:
        redrive = self._redrive
        return redrive is not None and message.queue_receive_count >= redrive.max_receive_count

    def _move(self, messages: Sequence[Message]) -> None:
        """Move messages to the dead-letter queue, where whoever waits receives them at this instant (SQS-437)."""
        assert self._redrive is not None
        target, now_us = self._redrive.dead_letter_queue, self.clock.now_us
        for message in messages:
            message._state = State.MOVED
            self._by_handle.pop(message._sequence, None)
            self.visible -= 1
            self._exhausted -= 1
            self.moved += 1
            if self._trace.active:
                self._trace.add((now_us, MOVED, self, message, target))
            target._take_in(message, self)
        self._ages.trim(self.visible + self.in_flight + self.delayed)
        target._wake()

    def _take_in(self, message: Message, source: Queue) -> None:
        """Receive a message that a redrive policy moved here (SQS-433)."""
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self.ledger.turn(now_us)
        arrived = Message(
            message._series,
            message._number,
            self._series.next(),
            message.body,
            message.sent_at_us,
            now_us,
            State.VISIBLE,
            message.receive_count,
            message.first_received_at_us,
            None,
            message.invocation_count,
            Arrival(source.arn, now_us, message.receive_count),
        )
        self.arrived += 1
        self.largest_body_chars = max(self.largest_body_chars, len(message.body))
        if message.sent_at_us + self._retention_us <= now_us:  # older than this queue keeps anything (SQS-434)
            arrived._state = State.EXPIRED
            self.expired += 1
            if self._trace.active:
                self._trace.add((now_us, EXPIRED, self, arrived))
            return
        self.visible += 1
        self._fresh.append(arrived)
        self._ages.add(arrived)
        self._time_expiry()

    # ---- leaving

    def _begin_call(self) -> None:
        """Count one request, after closing the minutes that ended."""
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self.ledger.turn(now_us)
        self.requests += 1
        self.billed_requests += 1

    def _discard(self, message: Message) -> None:
        """Delete a message wherever it is; does nothing when it is gone."""
        state = message._state
        if state is _IN_FLIGHT:
            self._leave_flight(message)
        elif state is _VISIBLE:
            self.visible -= 1
            if self._is_exhausted(message):
                self._exhausted -= 1
        else:
            return
        message._state = State.DELETED
        self.deleted += 1
        self._by_handle.pop(message._sequence, None)
        if self._trace.active:
            self._trace.add((self.clock.now_us, DELETED, self, message))
        self._tell_deleted(message)
        self._ages.trim(self.visible + self.in_flight + self.delayed)
        self._relax()

    def _tell_deleted(self, message: Message) -> None:
        for callback in self._on_deleted:
            callback(message)

    def _leave_flight(self, message: Message) -> None:
        flight = message._flight
        assert flight is not None
        message._flight = None
        flight.live -= 1
        if not flight.live and not flight.held:
            self._loose_flights -= 1
        self.in_flight -= 1

    def _make_visible(self, message: Message) -> None:
        """Put a message back in its place, or behind all others once it was received often enough (SQS-302, 303)."""
        message._state = _VISIBLE
        self.visible += 1
        limit = self.config.requeue_to_back_after
        if limit is not None and message.queue_receive_count >= limit:
            message._rank_us = self.clock.now_us
        if self._is_exhausted(message):
            self._exhausted += 1
        heappush(self._returned, (message._rank_us, message._sequence, message))
        if self._trace.active:
            self._trace.add((self.clock.now_us, RETURNED, self, message))

    def _add_flight(self, flight: Flight) -> None:
        if not flight.held:
            self._loose_flights += 1
        self._deadlines.add_flight(flight)

    # ---- what happens by itself

    @property
    def _retention_us(self) -> int:
        return self.message_retention_period * MICROSECONDS

    def _retime(self) -> None:
        """Put the timer where the earliest end is, in the foreground if somebody waits for it and nobody else does."""
        earliest_us = self._deadlines.earliest_us()
        timer = self._timer
        if earliest_us is None:
            if timer is not None:
                timer.cancel()
                self._timer = None
            return
        background = not (self._line.is_watched and (self._loose_flights or self.delayed))
        if timer is not None:
            if timer.at_us <= earliest_us and timer.background is background:
                return
            timer.cancel()
        self._timer = self.clock.timer(
            earliest_us, self._on_return, priority=Priority.RETURN.value, background=background
        )

    def _relax(self) -> None:
        """Take the timer out of the foreground when nothing that it stands for keeps the simulation going any more."""
        timer = self._timer
        if timer is not None and not timer.background and not (self._loose_flights or self.delayed):
            self._retime()

    def _on_return(self, _argument: object) -> None:
        """End the delays and visibility timeouts that are due (C1); wake-ups follow in C2."""
        self._timer = None
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self.ledger.turn(now_us)
        before = self.visible
        deadlines = self._deadlines
        for message in deadlines.pop_delayed(now_us):
            message._state = _VISIBLE
            self.delayed -= 1
            self.visible += 1
            heappush(self._returned, (message._rank_us, message._sequence, message))
        for flight in deadlines.pop_flights(now_us):
            for message in flight.messages:
                if message._flight is flight:
                    self._leave_flight(message)
                    self._make_visible(message)
        self._retime()
        if self.visible > before and self._line.is_watched:
            self.clock.schedule(now_us, self._on_wake, None, Priority.WAKE.value)

    def _on_wake(self, _argument: object) -> None:
        self._wake(at_wake=True)

    def _time_expiry(self) -> None:
        """See to it that a timer comes no later than the first retention ends."""
        first_us = self._ages.first_sent_at_us()
        if first_us is None:
            return
        at_us = first_us + self._retention_us
        timer = self._expiry
        if timer is None or at_us < timer.at_us:
            if timer is not None:
                timer.cancel()
            self._expiry = self.clock.timer(at_us, self._on_expiry, priority=Priority.EXPIRY.value, background=True)

    def _on_expiry(self, _argument: object) -> None:
        """Let go of the messages that have been here as long as the queue keeps any (SQS-400)."""
        self._expiry = None
        now_us = self.clock.now_us
        if now_us >= self.ledger.border_us:
            self.ledger.turn(now_us)
        for message in self._ages.pop_sent_by(now_us - self._retention_us):
            if message._state is _IN_FLIGHT:
                self._leave_flight(message)
            elif message._state is _VISIBLE:
                self.visible -= 1
                if self._is_exhausted(message):
                    self._exhausted -= 1
            else:
                self.delayed -= 1
            message._state = State.EXPIRED
            self.expired += 1
            self._by_handle.pop(message._sequence, None)
            if self._trace.active:
                self._trace.add((now_us, EXPIRED, self, message))
        fresh, returned = self._fresh, self._returned
        while fresh and fresh[0]._state is not _VISIBLE:
            fresh.popleft()
        while returned and returned[0][2]._state is not _VISIBLE:
            heappop(returned)
        self._relax()
        self._time_expiry()

    # ---- texts and numbers for others

    def _handle_of(self, message: Message, delivery: int) -> str:
        """Return the handle of a delivery, and remember the message: somebody may come back with it."""
        if message._state in (_IN_FLIGHT, _VISIBLE):
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

    def _is_small(self, limit: int) -> bool:
        """Whether no receive of up to *limit* messages can be billed as more than one request."""
        return self.largest_body_chars * limit * 4 <= REQUEST_CHUNK_BYTES

    def _counters(self) -> tuple[int, ...]:
        return self.sent, self.received, self._delete_successes, self.empty_receives, self.requests

    def _gauges(self) -> tuple[int, ...]:
        oldest = self._ages.oldest()
        return self.visible, self.in_flight, self.delayed, -1 if oldest is None else oldest.entered_at_us

    def background_empty_receives_by_minute(self) -> dict[int, int]:
        """Return the empty receives of idle pollers by minute: computed, not simulated (ESM-082)."""
        found: dict[int, int] = {}
        for consumer in self._line.consumers:
            for minute, times in consumer.empty_receives_by_minute().items():
                found[minute] = found.get(minute, 0) + times
        return found

    def _background_empty_receives(self) -> int:
        return sum(consumer.count_empty_receives() for consumer in self._line.consumers)


def _chunks(messages: Sequence[Message]) -> int:
    """Return how many requests an answer with these messages is billed as (SQS-604)."""
    return max(1, -(-sum(message.size_bytes for message in messages) // REQUEST_CHUNK_BYTES))


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _check_name(name: object) -> None:
    if isinstance(name, str) and name.endswith(".fifo"):
        msg = f"queue {name!r}: FIFO queues are not modelled in this version; use a standard queue"
        raise UsageError(msg)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        msg = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        raise InvalidParameterValueException(msg)
