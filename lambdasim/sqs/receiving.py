"""Receiving: what is asked for, who waits, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lambdasim.clock import Priority
from lambdasim.errors import ResponseLostError, SqsError
from lambdasim.errors.sqs import InvalidAttributeName, InvalidParameterValueException, OverLimit
from lambdasim.sqs.checks import check_number, check_texts, is_whole, lost_answer, not_for_this_type
from lambdasim.sqs.content import check_token
from lambdasim.sqs.deduplication import Attempt
from lambdasim.sqs.limits import RECEIVE_MAX, VISIBILITY_MAX_S, WAIT_MAX_S
from lambdasim.sqs.line import Ask, Poll
from lambdasim.sqs.message import Flight, Message, State
from lambdasim.sqs.results import Delivery
from lambdasim.sqs.sending import Sending
from lambdasim.units import MICROSECONDS

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
_ACTION: Final = "ReceiveMessage"


class Receiving(Sending):
    """The part of `Queue` that hands messages out."""

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
        fiber = self.clock.fiber
        if self.clock.is_running and fiber is None:
            return self._answer_empty(ask)
        poll = self._open_poll(ask)
        if fiber is not None:
            poll.answer.on_abandon = lambda: self._close_poll(poll)
            return fiber.wait(poll.answer)
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
        if not (type(limit) is int and 1 <= limit <= RECEIVE_MAX) and not is_whole(limit, 1, RECEIVE_MAX):
            check_number(limit, "max_number_of_messages")
            msg = (
                f"Value {limit} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if "
                "provided."
            )
            raise InvalidParameterValueException(msg)
        if wait is None:
            wait = self._wait_s
        elif not is_whole(wait, 0, WAIT_MAX_S):
            check_number(wait, "wait_time_seconds")
            msg = f"Value {wait} for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."
            raise InvalidParameterValueException(msg)
        if visibility_timeout is not None and not is_whole(visibility_timeout, 0, VISIBILITY_MAX_S):
            check_number(visibility_timeout, "visibility_timeout")
            msg = (
                f"Value {visibility_timeout} for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= "
                "43200, if provided."
            )
            raise InvalidParameterValueException(msg)
        if names != ():
            names = check_texts(names, "message_system_attribute_names")
            for name in names:
                if name not in _SYSTEM_ATTRIBUTES:
                    msg = f"Unknown Attribute {name}."
                    raise InvalidAttributeName(msg)
        if attribute_names is None:
            attribute_names = ()
        if attribute_names != ():
            attribute_names = check_texts(attribute_names, "message_attribute_names")
        if attempt_id is not None:
            attempt_id = check_token(attempt_id, "ReceiveRequestAttemptId")
            if not self.is_fifo:
                raise not_for_this_type("ReceiveRequestAttemptId", attempt_id)
        if self._throughput is not None:
            self._limit_rate(_ACTION)
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
        is_small = self.largest_body_bytes * len(messages) <= self._chunk_bytes
        self.billed_requests += 1 if is_small else self._chunks(messages)
        if ask.attempt_id is not None:
            self._attempts.put(self.clock.now_us, ask.attempt_id, messages, flight)
        if flight.live < len(messages):
            self._offer_again()
        if self._luck is not None and self._luck.loses_receive_response(messages, is_call=True):
            raise ResponseLostError(lost_answer("receive"))
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
            self.billed_requests += self._chunks(attempt.messages) - 1
            found = [Delivery(self, message, ask.names, ask.attribute_names) for message in attempt.messages]
            attempt.flight = self._prolong(attempt.flight, attempt.messages, self._visibility_of(ask))
            self._wake()  # with a timeout of 0 they are there for others (SQS-208)
            return found
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
        self._line.add(poll)
        self._retime()
        if self.has_receivable:  # its own look may have moved something here: a queue can be its own dead-letter queue
            self._wake()
        return poll

    def _close_poll(self, poll: Poll) -> None:
        self._line.remove(poll)
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

    # ---- texts for others

    def _handle_of(self, message: Message, delivery: int) -> str:
        """Return the handle of a delivery, and remember the message: somebody may come back with it."""
        sequence = message._sequence
        if message._flight is not None or message._state is State.VISIBLE:
            self._by_handle[sequence] = message
        return self._handles.show(sequence, delivery)

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


def _names(older: Sequence[str], newer: Sequence[str]) -> Sequence[str]:
    """Return the system attributes asked for under both names of the parameter (SQS-212)."""
    if not older:
        return () if newer is None else newer
    return (*check_texts(older, "attribute_names"), *check_texts(newer or (), "message_system_attribute_names"))
