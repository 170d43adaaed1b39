"""The records of the trace that queues make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lambdasim.clock import Kind

if TYPE_CHECKING:
    from lambdasim.sqs.message import Message
    from lambdasim.sqs.store import Store


def _of_message(queue: Store, message: Message) -> tuple[str, dict[str, Any]]:
    return queue.name, {"message_id": message.message_id}


def _of_delivery(queue: Store, message: Message, count: int) -> tuple[str, dict[str, Any]]:
    return queue.name, {"message_id": message.message_id, "receive_count": count}


def _of_move(queue: Store, message: Message, target: Store) -> tuple[str, dict[str, Any]]:
    return queue.name, {"message_id": message.message_id, "to": target.name}


def _of_redrive(queue: Store, message: Message, target: Store, new: Message) -> tuple[str, dict[str, Any]]:
    return queue.name, {"message_id": message.message_id, "to": target.name, "as": new.message_id}


def _of_duplicate(queue: Store, message: Message, body: str) -> tuple[str, dict[str, Any]]:
    return queue.name, {"message_id": message.message_id, "characters": len(body)}


def _of_queue(queue: Store) -> tuple[str, dict[str, Any]]:
    return queue.name, {}


SENT: Final = Kind("message sent", _of_message)
DEDUPLICATED: Final = Kind("message deduplicated", _of_duplicate)
DELIVERED: Final = Kind("message delivered", _of_delivery)
AVAILABLE: Final = Kind("message available", _of_message)
RETURNED: Final = Kind("message returned", _of_message)
DELETED: Final = Kind("message deleted", _of_message)
EXPIRED: Final = Kind("message expired", _of_message)
MOVED: Final = Kind("message moved", _of_move)
REDRIVEN: Final = Kind("message redriven", _of_redrive)
REDELIVERED: Final = Kind("message redelivered", _of_message)
PURGED: Final = Kind("message purged", _of_message)
QUEUE_DELETED: Final = Kind("queue deleted", _of_queue)
