"""The event that a function gets: plain dictionaries, every value as AWS has it (ESM-060 to ESM-066)."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from lambdasim.sqs import Message, Queue, State
from lambdasim.sqs.content import MessageAttributes, md5_hex
from lambdasim.sqs.message import LadenMessage
from lambdasim.sqs.receiving import carried_attributes


class EventMaker:
    """
    Makes events from the messages of one queue.

    Args:
        queue: The source.
        shows_empty_digest: Whether a record without message attributes has `md5OfMessageAttributes: null`: with a
            batching window it does, without one the key is absent (ESM-062).
    """

    __slots__ = ("_queue", "_region", "_shows_empty_digest")

    def __init__(self, queue: Queue, *, shows_empty_digest: bool) -> None:
        self._queue = queue
        self._region = queue.config.region
        self._shows_empty_digest = shows_empty_digest

    def event(self, messages: Sequence[Message], receive_counts: Sequence[int]) -> dict[str, Any]:
        """Return `{"Records": [record, …]}`, fresh, in the order of the messages."""
        queue, start_us, shows_empty_digest = self._queue, self._queue.clock.start_us, self._shows_empty_digest
        by_handle, handle_text = queue._by_handle, queue._handles.text
        sender_id, arn, region = queue.config.sender_id, queue.arn, self._region
        sent_us = first_us = -1
        sent = first = ""
        records = []
        for message, receive_count in zip(messages, receive_counts, strict=True):
            # Messages of one batch mostly share their instants: a text is made when it changes.
            if message.sent_at_us != sent_us:
                sent_us = message.sent_at_us
                sent = str((start_us + sent_us) // 1000)
            if message.first_received_at_us != first_us:
                first_us = message.first_received_at_us or 0
                first = str((start_us + first_us) // 1000)
            attributes = {
                "ApproximateReceiveCount": "1" if receive_count == 1 else str(receive_count),
                "SentTimestamp": sent,
                "SenderId": sender_id,
                "ApproximateFirstReceiveTimestamp": first,
            }
            carried: MessageAttributes | None = None
            if message._arrival is not None or isinstance(message, LadenMessage):
                attributes.update(carried_attributes(message))
                carried = message._carried
            sequence = message._sequence
            if message._flight is not None or message._state is State.VISIBLE:
                by_handle[sequence] = message
            record: dict[str, Any] = {
                "messageId": message._series.text(message._number),
                "receiptHandle": handle_text(sequence, receive_count),
                "body": message.body,
                "attributes": attributes,
                "messageAttributes": {} if carried is None else _in_event(carried),
            }
            if carried is not None:
                record["md5OfMessageAttributes"] = carried.digest()
            elif shows_empty_digest:
                record["md5OfMessageAttributes"] = None
            record["md5OfBody"] = md5_hex(message.body.encode())
            record["eventSource"] = "aws:sqs"
            record["eventSourceARN"] = arn
            record["awsRegion"] = region
            records.append(record)
        return {"Records": records}

    def size_bytes(self, message: Message, receive_count: int) -> int:
        """Return the bytes of compact JSON that the record takes (ESM-066)."""
        (record,) = self.event((message,), (receive_count,))["Records"]
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        return len(text.encode())


def _in_event(attributes: MessageAttributes) -> dict[str, dict[str, Any]]:
    """Return message attributes as an event has them (ESM-061)."""
    found: dict[str, dict[str, Any]] = {}
    for name, data_type, value in attributes.items():
        member, text = ("stringValue", value) if isinstance(value, str) else ("binaryValue", b64encode(value).decode())
        found[name] = {member: text, "stringListValues": [], "binaryListValues": [], "dataType": data_type}
    return found
