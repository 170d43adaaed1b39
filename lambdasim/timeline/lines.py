"""
Happenings as lines: what many messages have in common is one line, what repeats is said once with a count.

A line that says less than its happenings must not hide what is out of the ordinary: choices, operations, failures in
other words, and deliveries that are not the first ones keep lines of their own, or a fold of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from attrs import define, field

from lambdasim.clock.wording import listed, of_seconds, shown
from lambdasim.sqs import Message
from lambdasim.timeline.happenings import (
    AVAILABLE,
    BEGUN,
    DELIVERED,
    ENDED,
    OPERATED,
    RETURNED,
    SENT,
    THROTTLED,
    Happening,
    Key,
    key_of,
)

_INTRODUCING: Final = frozenset({SENT, AVAILABLE, DELIVERED, RETURNED})
_BODIES: Final = 3  # that a line shows
_PERIOD_MAX: Final = 16  # lines that may repeat together
_REPEATS_MIN: Final = 4
HEAD: Final = 600  # lines that are shown of what is longer: the first ones
TAIL: Final = 400  # and the last ones


@define(eq=False)
class Line:
    """What a line of a timeline says."""

    at_us: int
    kind: str
    queue: str
    messages: list[Message]
    who: str
    words: str
    is_choice: bool = False
    is_failure: bool = False
    until_us: int = 0  #: when the last of what it says was
    times: int = 1
    sign: tuple[Any, ...] = field(factory=tuple)  #: lines that differ in nothing that matters have the same
    subject: str = ""
    is_note: bool = False  #: about lines, not about what happened
    tells: list[Happening] = field(factory=list)  #: what it tells; of a note, what it leaves out
    rounds: int = 0  #: of a note, how often what is above it happened again

    @property
    def names(self) -> str:
        """The messages it is about, in short."""
        return listed(message.label for message in self.messages) or self.subject


def lines_of(happenings: Sequence[Happening]) -> list[Line]:
    """Return the lines that tell what happened."""
    lines = _introduce(_merge(_lines(happenings)))
    return _cut(_fold(lines))


def _lines(happenings: Iterable[Happening]) -> Iterable[Line]:
    attempts: dict[Any, int] = {}
    runs: dict[str, str] = {}  # by label, what names them in full
    for happening in happenings:
        words = happening.words
        if happening.kind == BEGUN and happening.event is not None:
            number = attempts[happening.event] = attempts.get(happening.event, 0) + 1
            words = f"{words}, attempt {number}" if number > 1 else words
        queue = "" if happening.queue is None else happening.queue.name
        line = Line(
            happening.at_us,
            happening.kind,
            queue,
            list(happening.messages),
            who_of(happening),
            words,
            is_failure=happening.is_failure,
            until_us=happening.at_us,
            tells=[happening],
        )
        if happening.kind == BEGUN and happening.invocation is not None:
            runs[happening.invocation.label] = line.who
        if happening.choice is not None:
            _place(line, happening)
            line.who = runs.get(line.who, line.who)
        else:
            line.sign = _sign(happening)
        yield line


def who_of(happening: Happening) -> str:
    """Return what names the invocation, environment or function of a happening."""
    if happening.invocation is not None:
        return f"{happening.invocation.label} env {happening.invocation.environment.id}"
    if happening.environment is not None:
        return f"{happening.function} env {happening.environment.id}"
    return happening.function


def _place(line: Line, happening: Happening) -> None:
    """Put a choice into the columns of whom it is about."""
    line.is_choice = True
    line.sign = (happening,)  # like no other
    owner = str(getattr(happening.choice, "owner", ""))
    if ":sqs:" in owner:
        line.queue = owner.rpartition(":")[2]
        line.subject = "" if happening.subject == line.queue else happening.subject
    elif all(message.label != happening.subject for message in line.messages):
        line.who = happening.subject


def _sign(happening: Happening) -> tuple[Any, ...]:
    queue = None if happening.queue is None else happening.queue.arn
    sign = (happening.kind, queue, happening.function)
    if happening.kind == DELIVERED:
        return (*sign, happening.count > 1)
    if happening.kind in {ENDED, OPERATED, THROTTLED}:
        return (*sign, happening.words)
    return sign


def _merge(lines: Iterable[Line]) -> list[Line]:
    """Let one line say what befell several messages alike at one instant, or what was throttled again and again."""
    merged: list[Line] = []
    seen: dict[Key, None] = {}  # messages of the last line
    for line in lines:
        last = merged[-1] if merged else None
        if last is None or line.sign != last.sign or line.words != last.words or line.who != last.who:
            merged.append(line)
            seen = {key_of(message): None for message in line.messages}
            continue
        keys = [key_of(message) for message in line.messages]
        if line.kind == THROTTLED:
            last.times += 1
            last.until_us = line.at_us
        elif line.at_us != last.at_us or not keys or any(key in seen for key in keys):
            merged.append(line)
            seen = {}
        last = merged[-1]
        if last is not line:
            last.tells += line.tells
        for key, message in zip(keys, line.messages, strict=True):
            if key not in seen:
                seen[key] = None
                if last is not line:
                    last.messages.append(message)
    for line in merged:
        if line.times > 1:
            until = f", until {of_seconds(line.until_us)} s" if line.until_us > line.at_us else ""
            line.messages = _sorted(line.messages)
            line.words = line.words.replace("throttled", f"throttled {line.times} times{until}", 1)
    return merged


def _introduce(lines: list[Line]) -> list[Line]:
    """Show the body of each message where it is first spoken of."""
    known: dict[Key, None] = {}
    for line in lines:
        if line.kind not in _INTRODUCING:
            continue
        new = [message for message in line.messages if key_of(message) not in known]
        if not new:
            continue
        known.update((key_of(message), None) for message in new)
        bodies = [shown(message.body) for message in new[:_BODIES]]
        if len(new) > _BODIES + 1:
            bodies.append("…")
        if len(new) > _BODIES:
            bodies.append(shown(new[-1].body))
        line.words = f"{line.words}: {', '.join(bodies)}"
    return lines


def _fold(lines: list[Line]) -> list[Line]:
    """Say once what repeats: the first and the last round stay, those between become a count."""
    numbers: dict[tuple[Any, ...], int] = {}
    signs = [numbers.setdefault(line.sign, len(numbers)) for line in lines]
    folded: list[Line] = []
    place, count = 0, len(lines)
    while place < count:
        best = (0, 0, 0)  # lines covered, less for longer periods; the period; how often
        for period in range(1, min(_PERIOD_MAX, (count - place) // _REPEATS_MIN) + 1):
            if signs[place] != signs[place + period]:
                continue
            block, times = signs[place : place + period], 1
            while signs[place + times * period : place + (times + 1) * period] == block:
                times += 1
            if times >= _REPEATS_MIN and times * period > best[0]:
                best = (times * period, period, times)
        covered, period, times = best
        if not covered:
            folded.append(lines[place])
            place += 1
            continue
        end = place + covered
        folded += lines[place : place + period]
        folded.append(_note_on(lines[place + period : end - period], period, times - 2))
        folded += lines[end - period : end]
        place = end
    return folded


def _note_on(hidden: Sequence[Line], period: int, times: int) -> Line:
    messages: dict[Key, Message] = {}
    for line in hidden:
        for message in line.messages:
            messages.setdefault(key_of(message), message)
    what = "the line above" if period == 1 else f"the {period} lines above"
    words = f"… {what} {times} times more, until {of_seconds(hidden[-1].until_us)} s"
    return Line(
        hidden[0].at_us,
        "",
        "",
        _sorted(messages.values()),
        "",
        words,
        is_failure=any(line.is_failure for line in hidden),
        until_us=hidden[-1].until_us,
        is_note=True,
        tells=[happening for line in hidden for happening in line.tells],
        rounds=times,
    )


def _sorted(messages: Iterable[Message]) -> list[Message]:
    """Return messages by queue and number, so that their names make a short list."""
    return sorted(messages, key=lambda message: (message.label.rpartition("#")[0], message._number))


def _cut(lines: list[Line]) -> list[Line]:
    """Keep beginning and end of what is too long to be read."""
    left_out = len(lines) - HEAD - TAIL
    if left_out <= 0:
        return lines
    first, last = lines[HEAD], lines[-TAIL - 1]
    words = f"… {left_out:,} lines are left out here: narrow it with messages=, since= or until="
    note = Line(first.at_us, "", "", [], "", words, until_us=last.until_us, is_note=True)
    return [*lines[:HEAD], note, *lines[-TAIL:]]
