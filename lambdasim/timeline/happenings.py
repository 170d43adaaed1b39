"""
What the trace has, read for people: each entry becomes a happening that knows where it belongs.

The places are found among the parts of an entry by what they are (a queue, messages, an invocation …), so a new kind of
record needs no word here. The words are those of its kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from attrs import define

from lambdasim.clock import Kind
from lambdasim.esm import EventSourceMapping
from lambdasim.lambda_ import Function, Invocation
from lambdasim.lambda_.asynchronous import AsyncEvent
from lambdasim.lambda_.environments import Environment
from lambdasim.sqs import Message, Queue
from lambdasim.timeline.departures import tell_departure

# The kinds that a timeline treats in a way of its own, by the names that records have.
SENT: Final = "message sent"
DELIVERED: Final = "message delivered"
AVAILABLE: Final = "message available"
RETURNED: Final = "message returned"
DELETED: Final = "message deleted"
EXPIRED: Final = "message expired"
MOVED: Final = "message moved"
REDRIVEN: Final = "message redriven"
REDELIVERED: Final = "message redelivered"
PURGED: Final = "message purged"
BEGUN: Final = "invocation started"
ENDED: Final = "invocation ended"
THROTTLED: Final = "invocation throttled"
NEW_ENVIRONMENT: Final = "environment started"
DROPPED: Final = "batch dropped"
CHOSEN: Final = "choice made"
OPERATED: Final = "operation"
_DULL: Final = frozenset({"concurrency limit changed"})  # of interest to who plans capacity, not to who reads a story

Key = tuple[Any, int]  # of a message, whatever queue it is in


def key_of(message: Message) -> Key:
    """Return what a message is known by, also where another object stands for it in a dead-letter queue."""
    return message._series, message._number


@define(eq=False)
class Happening:
    """One entry of the trace."""

    at_us: int
    kind: str
    words: str  #: what it was, without who and where
    queue: Queue | None = None
    messages: Sequence[Message] = ()
    target: Queue | None = None  #: where a message was moved to
    function: str = ""
    invocation: Invocation | None = None
    environment: Environment | None = None
    event: AsyncEvent | None = None
    choice: Any = None  #: a choice that was not the default
    subject: str = ""  #: what it happened to, where nothing else says so
    count: int = 0  #: which delivery of its message it is

    @property
    def is_failure(self) -> bool:
        """Whether something went wrong there."""
        if self.kind == ENDED:
            assert self.invocation is not None
            return self.invocation.is_error or (self.words.startswith("reported ") and "no failure" not in self.words)
        return self.kind in {THROTTLED, DROPPED, MOVED, EXPIRED}

    @property
    def lane(self) -> tuple[str, str]:
        """The function and the environment that it happened in; empty where it happened in none."""
        environment = self.environment or (None if self.invocation is None else self.invocation.environment)
        return self.function, "" if environment is None else environment.id


def read(entries: Iterable[tuple[Any, ...]]) -> list[Happening]:
    """Return what happened, in order; environments that start for an invocation are part of its begin."""
    found: list[Happening] = []
    for entry in entries:
        if entry[1].name in _DULL:
            continue
        happening = _read(*entry)
        found.append(happening)
        if happening.kind == BEGUN:
            _swallow(found, happening)
    return found


def _read(at_us: int, kind: Kind, *parts: object) -> Happening:
    happening = Happening(at_us, kind.name, _words(kind, parts))
    if kind.touches is not None and kind.name != OPERATED:  # its invocation says which messages it is about
        happening.messages = kind.touches(*parts)
    if kind.name == CHOSEN:
        happening.choice = choice = cast("Any", parts[0])
        happening.subject, happening.words = choice.subject, tell_departure(choice)
        return happening
    for part in parts:
        if isinstance(part, Queue):
            if happening.queue is None:
                happening.queue = part
            else:
                happening.target = part
        elif isinstance(part, Invocation):
            happening.invocation, happening.function = part, part.function.name
            happening.event = part._request if isinstance(part._request, AsyncEvent) else None
        elif isinstance(part, Function):
            happening.function = part.name
        elif isinstance(part, EventSourceMapping):
            happening.queue, happening.function = part.queue, part.function.name
        elif isinstance(part, AsyncEvent):
            happening.event, happening.function = part, part.function_name
        elif isinstance(part, Environment):
            happening.environment = part
            happening.function = str(parts[0])
        elif kind.name == DELIVERED and isinstance(part, int):
            happening.count = part
    return happening


def _words(kind: Kind, parts: Sequence[Any]) -> str:
    tell = kind.brief or kind.tell
    if tell is not None:
        return tell(*parts)
    _, details = kind.render(*parts)
    return ", ".join([kind.name, *(f"{name} {value}" for name, value in details.items())])


def _swallow(found: list[Happening], begun: Happening) -> None:
    """Take the start of an environment out if an invocation is what it started for."""
    assert begun.invocation is not None
    for place in range(len(found) - 2, max(len(found) - 6, -1), -1):
        other = found[place]
        if other.kind == NEW_ENVIRONMENT and other.environment is begun.invocation.environment:
            del found[place]
            return
