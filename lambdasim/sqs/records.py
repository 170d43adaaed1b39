"""The records of the trace that queues make."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from lambdasim.clock import Kind

if TYPE_CHECKING:
    from lambdasim.sqs.message import Message
    from lambdasim.sqs.store import Store


def _of_message(queue: Store, message: Message) -> tuple[str, dict[str, Any]]:
    return queue.name, {"message_id": message.message_id}


def _of_delivery(queue: Store, message: Message, count: int) -> tuple[str, dict[str, Any]]:
    return queue.name, {"message_id": message.message_id, "receive_count": count}


def _of_move(queue: Store, message: Message, target: Store, *_counts: int) -> tuple[str, dict[str, Any]]:
    return queue.name, {"message_id": message.message_id, "to": target.name}


def _of_redrive(queue: Store, message: Message, target: Store, new: Message) -> tuple[str, dict[str, Any]]:
    return queue.name, {"message_id": message.message_id, "to": target.name, "as": new.message_id}


def _of_duplicate(queue: Store, message: Message, body: str) -> tuple[str, dict[str, Any]]:
    return queue.name, {"message_id": message.message_id, "characters": len(body)}


def _of_change(queue: Store, message: Message, timeout_s: int) -> tuple[str, dict[str, Any]]:
    return queue.name, {"message_id": message.message_id, "visibility_timeout": timeout_s}


def _of_queue(queue: Store) -> tuple[str, dict[str, Any]]:
    return queue.name, {}


def _one(_queue: Store, message: Message, *_others: object) -> tuple[Message]:
    return (message,)


def _both(_queue: Store, message: Message, _target: Store, new: Message) -> tuple[Message, Message]:
    return message, new


def _about(words: str, place: str) -> tuple[Callable[..., str], Callable[..., str]]:
    """Return how an event is told: with its queue, which goes into the gap of the words, and without."""
    briefly = words.format("")

    def tell(queue: Store, *_: object) -> str:
        return words.format(f" {place} {queue.name}")

    return tell, lambda *_: briefly


def _tell_delivery(queue: Store, _message: Message, count: int) -> str:
    return f"received from {queue.name}, for the {ordinal(count)} time"


def _brief_delivery(_queue: Store, _message: Message, count: int) -> str:
    return f"received, for the {ordinal(count)} time"


def _tell_change(queue: Store, _message: Message, timeout_s: int) -> str:
    return f"in flight in {queue.name} for {timeout_s} s from now on"


def _brief_change(_queue: Store, _message: Message, timeout_s: int) -> str:
    return f"in flight for {timeout_s} s from now on"


def _tell_move(queue: Store, _message: Message, target: Store, *counts: int) -> str:
    return f"moved from {queue.name} to {target.name}: {_why(*counts)}"


def _brief_move(_queue: Store, _message: Message, target: Store, *counts: int) -> str:
    return f"moved to {target.name}: {_why(*counts)}"


def _why(count: int, limit: int) -> str:
    return f"it was received {count} times, and maxReceiveCount is {limit}"


def _tell_redrive(queue: Store, message: Message, target: Store, new: Message) -> str:
    return f"moved from {queue.name} to {target.name} by a move task: {message.message_id} is {new.message_id} now"


def _brief_redrive(_queue: Store, _message: Message, target: Store, new: Message) -> str:
    return f"moved to {target.name} by a move task: it is {new.label} now"


def ordinal(number: int) -> str:
    """
    Return a number as an ordinal.

    >>> ordinal(1), ordinal(12), ordinal(22)
    ('1st', '12th', '22nd')
    """
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


SENT: Final = Kind("message sent", _of_message, _one, *_about("sent{}", "to"))
DEDUPLICATED: Final = Kind(
    "message deduplicated", _of_duplicate, _one, *_about("sent{} again: a duplicate, and not put in", "to")
)
DELIVERED: Final = Kind("message delivered", _of_delivery, _one, _tell_delivery, _brief_delivery)
AVAILABLE: Final = Kind("message available", _of_message, _one, *_about("visible{}: its delay is over", "in"))
CHANGED: Final = Kind("message visibility changed", _of_change, _one, _tell_change, _brief_change)
RETURNED: Final = Kind("message returned", _of_message, _one, *_about("visible{} again", "in"))
DELETED: Final = Kind("message deleted", _of_message, _one, *_about("deleted{}", "from"))
KEPT: Final = Kind("message kept", _of_message, _one, *_about("its deletion{} was acknowledged, and it stays", "from"))
EXPIRED: Final = Kind("message expired", _of_message, _one, *_about("expired{}: its retention is over", "in"))
MOVED: Final = Kind("message moved", _of_move, _one, _tell_move, _brief_move)
REDRIVEN: Final = Kind("message redriven", _of_redrive, _both, _tell_redrive, _brief_redrive)
REDELIVERED: Final = Kind("message redelivered", _of_message, _one, *_about("let loose{} once more", "in"))
PURGED: Final = Kind("message purged", _of_message, _one, *_about("purged{}", "from"))
QUEUE_DELETED: Final = Kind("queue deleted", _of_queue, brief=lambda _: "queue deleted")
