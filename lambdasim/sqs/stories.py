"""The story of one message, told from the trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lambdasim.clock.wording import shown
from lambdasim.sqs.records import REDRIVEN

if TYPE_CHECKING:
    from lambdasim.sqs.message import Message


def tell_story(message: Message) -> str:
    """Return what the trace knows of a message, oldest first, under a line that names it."""
    lines = [f"message {shown(message.body)} ({message.message_id})"]
    owner = message._series.owner
    told: list[tuple[int, str]] = []
    known = [(message._series, message._number)]
    entries = () if owner is None else tuple(owner.clock.trace.entries())
    for at_us, kind, *parts in reversed(entries):
        messages: Sequence[Message] = () if kind.touches is None else kind.touches(*parts)
        if any((other._series, other._number) in known for other in messages):
            told.append((at_us, kind.tell(*parts)))
            if kind is REDRIVEN:  # what it was before is part of its story
                known.append((messages[0]._series, messages[0]._number))
    told.reverse()
    width = max((len(f"{at_us / 1e6:.6f}") for at_us, _ in told), default=0)
    lines += [f"  {at_us / 1e6:{width}.6f} s  {text}" for at_us, text in told]
    if not told:
        lines.append("  the trace has nothing of it: it is off, or keeps too few records (trace=None keeps all)")
    if not message.invocations:
        lines.append("  no function ever ran it")
    return "\n".join(lines)
