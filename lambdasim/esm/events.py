"""The event that a function gets: plain dictionaries, every value as AWS has it (ESM-060 to ESM-066)."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final

from lambdasim.sqs import Message, Queue, State
from lambdasim.sqs.content import MessageAttributes, md5_hex
from lambdasim.sqs.receiving import carried_attributes

_VISIBLE: Final = State.VISIBLE


class EventMaker:
    """
    Makes events from the messages of one queue.

    Args:
        queue: The source.
        shows_empty_digest: Whether a record without message attributes has `md5OfMessageAttributes: null`: with a
            batching window it does, without one the key is absent (ESM-062).
    """

    __slots__ = ("_bare", "_laden", "_queue")

    def __init__(self, queue: Queue, *, shows_empty_digest: bool) -> None:
        self._queue = queue
        own = dict.fromkeys(("messageId", "receiptHandle", "body", "attributes", "messageAttributes"))
        same = {"eventSource": "aws:sqs", "eventSourceARN": queue.arn, "awsRegion": queue.config.region}
        # Records in which only what belongs to the message is missing: to copy one is faster than to make one.
        self._laden: dict[str, Any] = {**own, "md5OfMessageAttributes": None, "md5OfBody": None, **same}
        self._bare: dict[str, Any] = self._laden if shows_empty_digest else {**own, "md5OfBody": None, **same}

    def event(self, messages: Sequence[Message], receive_counts: Sequence[int]) -> dict[str, Any]:
        """Return `{"Records": [record, …]}`, fresh, in the order of the messages."""
        queue, bare = self._queue, self._bare
        start_us, sender_id = queue.clock.start_us, queue.config.sender_id
        by_handle, handle_text = queue._by_handle, queue._handles.text
        sent_us = first_us = delivery = -1
        common: dict[str, str] = {}  # attributes that every message has; those of one batch mostly share them
        records = []
        for message, receive_count in zip(messages, receive_counts, strict=True):
            received_us = message.first_received_at_us or 0
            if message.sent_at_us != sent_us or received_us != first_us or receive_count != delivery:
                sent_us, first_us, delivery = message.sent_at_us, received_us, receive_count
                common = {
                    "ApproximateReceiveCount": str(delivery),
                    "SentTimestamp": str((start_us + sent_us) // 1000),
                    "SenderId": sender_id,
                    "ApproximateFirstReceiveTimestamp": str((start_us + first_us) // 1000),
                }
            attributes = common.copy()
            if type(message) is Message and message._arrival is None:  # most have nothing else
                record = bare.copy()
                record["messageAttributes"] = {}
            else:
                attributes.update(carried_attributes(message))
                carried = message._carried
                record = bare.copy() if carried is None else self._laden.copy()
                record["messageAttributes"] = {} if carried is None else _in_event(carried)
                if carried is not None:
                    record["md5OfMessageAttributes"] = carried.digest()
            sequence = message._sequence
            if message._flight is not None or message._state is _VISIBLE:
                by_handle[sequence] = message
            record["messageId"] = message._series.text(message._number)
            record["receiptHandle"] = handle_text(sequence, receive_count)
            record["body"] = message.body
            record["attributes"] = attributes
            record["md5OfBody"] = md5_hex(message.body.encode())
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
