"""
What happened, as frozen records: the newest are kept, observers see each.

The engine hands over raw entries, `(at_us, kind, …)`, whose parts are its own objects; texts and dictionaries are made
when somebody looks. Only what never changes may be a part of an entry. Free when off: callers look at `active` first.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from lambdasim.errors import UsageError


@frozen
class Kind:
    """A kind of record: its name, and how the parts of an entry after instant and kind become details."""

    name: str  #: such as `message sent`
    render: Callable[..., tuple[str, dict[str, Any]]]  #: parts -> (subject, details)
    touches: Callable[..., Sequence[Any]] | None = None  #: parts -> the messages that it is about
    tell: Callable[..., str] | None = None  #: parts -> what it was, in words, for the story of such a message
    brief: Callable[..., str] | None = None  #: the same without who and where, for a line that has columns for these


@frozen
class Record:
    """One thing that happened."""

    at_us: int  #: microseconds since the start
    kind: str
    subject: str  #: the name of the queue, function or mapping it happened to
    details: Mapping[str, Any]

    def to_json(self) -> str:
        """Return one line of JSON; the keys have a fixed order, so equal runs give equal bytes."""
        row = {"at_us": self.at_us, "kind": self.kind, "subject": self.subject, **self.details}
        return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


Observer = Callable[[Record], object]


class Subscription:
    """An observer's place; `cancel()` ends it."""

    __slots__ = ("_observer", "_trace")

    def __init__(self, trace: Trace, observer: Observer) -> None:
        self._trace = trace
        self._observer = observer

    def cancel(self) -> None:
        """Stop observing. Does nothing the second time."""
        observers = self._trace._observers
        if self in observers:
            observers.remove(self)
            self._trace._update()

    def tell(self, record: Record) -> None:
        """Hand the record to the observer."""
        self._observer(record)


class Trace:
    """
    The newest records of one simulation.

    Args:
        limit: How many are kept; None keeps all, 0 none.
        on_error: Takes what an observer raises; without it the exception leaves `add`.
    """

    __slots__ = ("_entries", "_limit", "_observers", "_on_error", "active")

    def __init__(self, limit: int | None = 10_000, on_error: Callable[[Exception], object] | None = None) -> None:
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            msg = f"trace={limit!r} is no number of records; give 0 (none) or more, or None for all"
            raise UsageError(msg)
        self._limit = limit
        self._on_error = on_error
        self._entries: deque[tuple[Any, ...]] = deque(maxlen=limit)
        self._observers: list[Subscription] = []
        self.active = limit != 0  #: whether anybody wants entries

    def add(self, entry: tuple[Any, ...]) -> None:
        """Take an entry `(at_us, kind, …)` down; callers have looked at `active`."""
        self._entries.append(entry)
        if self._observers:
            record = _record(entry)
            for subscription in tuple(self._observers):
                try:
                    subscription.tell(record)
                except Exception as error:
                    if self._on_error is None:
                        raise
                    self._on_error(error)

    def subscribe(self, observer: Observer) -> Subscription:
        """Call `observer(record)` for each record from now on, even if none is kept; the handle has `cancel()`."""
        subscription = Subscription(self, observer)
        self._observers.append(subscription)
        self._update()
        return subscription

    @property
    def limit(self) -> int | None:
        """How many records are kept; None for all."""
        return self._limit

    @property
    def records(self) -> tuple[Record, ...]:
        """The newest records, oldest first. Runtime: `O(n)`, with the texts made anew."""
        return tuple(_record(entry) for entry in self._entries)

    def entries(self) -> Iterator[tuple[Any, ...]]:
        """Yield the newest entries as they were handed over, oldest first."""
        return iter(tuple(self._entries))

    def to_json_lines(self) -> str:
        """Return one line of JSON per record kept; the same seed gives the same bytes on every Python."""
        return "".join(f"{_record(entry).to_json()}\n" for entry in self._entries)

    def _update(self) -> None:
        self.active = self._limit != 0 or bool(self._observers)


def _record(entry: tuple[Any, ...]) -> Record:
    at_us, kind, *parts = entry
    subject, details = kind.render(*parts)
    return Record(at_us, kind.name, subject, details)
