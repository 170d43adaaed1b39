"""The event that a function gets: plain dictionaries, every value as AWS has it (ESM-060 to ESM-066)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lambdasim.sqs import Message, Queue
from lambdasim.sqs.message import md5_of


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
        return {"Records": [self.record(*pair) for pair in zip(messages, receive_counts, strict=True)]}

    def record(self, message: Message, receive_count: int) -> dict[str, Any]:
        """Return one record: the delivery of *message* with this number."""
        queue = self._queue
        record: dict[str, Any] = {
            "messageId": message.message_id,
            "receiptHandle": queue._handle_of(message, receive_count),
            "body": message.body,
            "attributes": queue._system_attributes(message, receive_count, message.first_received_at_us),
            "messageAttributes": {},
        }
        if self._shows_empty_digest:
            record["md5OfMessageAttributes"] = None
        record["md5OfBody"] = md5_of(message.body)
        record["eventSource"] = "aws:sqs"
        record["eventSourceARN"] = queue.arn
        record["awsRegion"] = self._region
        return record

    def size_bytes(self, message: Message, receive_count: int) -> int:
        """Return the bytes of compact JSON that the record takes (ESM-066)."""
        text = json.dumps(self.record(message, receive_count), ensure_ascii=False, separators=(",", ":"))
        return len(text.encode())
