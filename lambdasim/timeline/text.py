"""Lines as text in columns."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from lambdasim.clock.wording import of_seconds
from lambdasim.timeline.lines import Line

_HEADS: Final = ("seconds", "", "queue", "message", "invocation", "what happened")
_MARK: Final = "!"
_NAMES_CHARS: Final = 36
_WORDS_MIN: Final = 30

_BOLD: Final = "\x1b[1m"
_DIM: Final = "\x1b[2m"
_RED: Final = "\x1b[31m"
_YELLOW: Final = "\x1b[1;33m"
_OFF: Final = "\x1b[0m"


def render(lines: Sequence[Line], *, colour: bool, width: int | None) -> str:
    """
    Return lines as a table.

    Args:
        lines: What it says.
        colour: Whether ANSI codes mark choices, failures and what is less important.
        width: Longer lines are broken; None never breaks any.
    """
    instants = _align([of_seconds(line.at_us) for line in lines])
    rows = [
        (instant, _MARK if line.is_choice else "", line.queue, _short(line.names), line.who, line.words)
        for instant, line in zip(instants, lines, strict=True)
    ]
    columns = [
        place for place, head in enumerate(_HEADS) if any(row[place] for row in rows) or head in (_HEADS[0], _HEADS[-1])
    ]
    widths = {place: max(len(_HEADS[place]), *(len(row[place]) for row in rows)) for place in columns[:-1]}
    indent = sum(widths.values()) + 2 * len(widths)
    room = None if width is None else max(width - indent, _WORDS_MIN)
    paint = _painter(colour)

    def put(row: tuple[str, ...]) -> str:
        return "".join(f"{row[place]:{widths[place]}}  " for place in columns[:-1])

    table = [paint(f"{put(_HEADS)}{_HEADS[-1]}".rstrip(), _BOLD)]
    for line, row, gap_us in zip(lines, rows, _gaps(lines), strict=True):
        if gap_us:
            table.append(paint(f"{'':{widths[0]}}  … {of_seconds(gap_us)} s later", _DIM))
        style = _YELLOW if line.is_choice else _RED if line.is_failure else _DIM if line.is_note else ""
        first, *others = [row[-1]] if room is None else textwrap.wrap(row[-1], room) or [""]
        table.append(paint(put(row), _YELLOW if line.is_choice else "") + paint(first, style))
        table += [" " * indent + paint(other, style) for other in others]
    return "\n".join(line.rstrip() for line in table)


def _painter(colour: bool) -> Callable[[str, str], str]:
    def paint(text: str, code: str) -> str:
        return f"{code}{text}{_OFF}" if colour and code and text else text

    return paint


def _short(names: str) -> str:
    """Cut a list of names where a name ends."""
    if len(names) <= _NAMES_CHARS:
        return names
    return f"{names[: names.rfind(', ', 0, _NAMES_CHARS - 2)]}, …" if ", " in names[: _NAMES_CHARS - 2] else names


def _align(numbers: Sequence[str]) -> list[str]:
    """Put the points of numbers below each other."""
    wholes = [number.partition(".")[0] for number in numbers]
    most = max(map(len, wholes), default=0)
    padded = [" " * (most - len(whole)) + number for whole, number in zip(wholes, numbers, strict=True)]
    width = max(map(len, padded), default=0)
    return [f"{number:{width}}" for number in padded]


def _gaps(lines: Sequence[Line]) -> list[int]:
    """Return for each line how long nothing happened before it, where that is much; 0 elsewhere."""
    gaps = [0, *(line.at_us - before.until_us for before, line in pairwise(lines))]
    usual = sorted(gap for gap in gaps if gap > 0)
    if not usual:
        return gaps
    much_us = max(1_000_000, 5 * usual[len(usual) // 4])
    return [gap if gap >= much_us else 0 for gap in gaps]
