"""Only what matters: what befell some messages, the invocations that ran them, and the choices about either."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lambdasim.errors import UsageError
from lambdasim.sqs import Message
from lambdasim.timeline.happenings import BEGUN, REDRIVEN, Happening, Key, key_of


def about(happenings: Sequence[Happening], messages: Iterable[Message | str] | Message | str) -> list[Happening]:
    """
    Return what touched these messages, the invocations that ran them, and the choices about either.

    Raises:
        UsageError: A name that no message has, or something that is no message.
    """
    keys = _with_redriven(happenings, [*_keys_of(happenings, messages)])
    runs: dict[Any, None] = {}
    names: dict[str, None] = {}
    for happening in happenings:
        if not _touches(happening, keys):
            continue
        for message in happening.messages:
            if key_of(message) in keys:
                names[message.label] = None
        if happening.kind == BEGUN:
            assert happening.invocation is not None
            runs[happening.invocation] = None
            names[happening.invocation.label] = names[happening.function] = None
        if happening.queue is not None:
            names[happening.queue.name] = None
    return [
        happening
        for happening in happenings
        if _touches(happening, keys)
        or (happening.invocation is not None and happening.invocation in runs)
        or (happening.choice is not None and not happening.messages and happening.subject in names)
    ]


def _touches(happening: Happening, keys: dict[Key, None]) -> bool:
    return any(key_of(message) in keys for message in happening.messages)


def _keys_of(happenings: Sequence[Happening], messages: Iterable[Message | str] | Message | str) -> Iterable[Key]:
    if isinstance(messages, str | Message):
        messages = (messages,)
    known: dict[str, Key] | None = None
    for message in messages:
        if isinstance(message, Message):
            yield key_of(message)
            continue
        if not isinstance(message, str):
            msg = f"messages={message!r}: give messages, or names of messages such as 'orders#1'"
            raise UsageError(msg)
        if known is None:
            known = {each.label: key_of(each) for happening in happenings for each in happening.messages}
        if message not in known:
            some = ", ".join([*known][:5]) or "none"
            msg = f"messages={message!r}: the trace has no message of this name; those it has: {some}"
            raise UsageError(msg if len(known) <= 5 else f"{msg}, …")
        yield known[message]


def _with_redriven(happenings: Sequence[Happening], wanted: Sequence[Key]) -> dict[Key, None]:
    """Add what messages were before a move task made new ones of them, and what became of them."""
    keys = dict.fromkeys(wanted)
    moves = [happening.messages for happening in happenings if happening.kind == REDRIVEN]
    for old, new in moves:
        if key_of(old) in keys:
            keys[key_of(new)] = None
    for old, new in reversed(moves):
        if key_of(new) in keys:
            keys[key_of(old)] = None
    return keys
