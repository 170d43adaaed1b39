"""The timeline of a simulation: what happened, for people."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from typing import Final

from lambdasim.clock import Clock
from lambdasim.sqs import Message
from lambdasim.timeline.happenings import Happening, read
from lambdasim.timeline.lines import Line, lines_of
from lambdasim.timeline.picture import paint
from lambdasim.timeline.selection import about
from lambdasim.timeline.svg import WIDTH, draw, escaped
from lambdasim.timeline.text import render

_OFF: Final = "nothing was recorded: make the simulation with trace=None, which keeps all, or with a number of records"
_PAGE_CHARS: Final = 140
_DRAWN_MAX: Final = 60  # happenings in rounds that repeat; more are left out of the picture, with a word on it


class Timeline:
    """
    What happened in a simulation, as the trace has it. Made by `Simulation.timeline`; what happens later is not in it.

    `str` is the table without colours; a notebook shows the picture.
    """

    __slots__ = ("_end_us", "_happenings", "_lines", "_note", "_start_us")

    def __init__(
        self,
        clock: Clock,
        *,
        messages: Iterable[Message | str] | Message | str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
    ) -> None:
        trace = clock.trace
        entries = tuple(trace.entries())
        happenings = read(entries)
        self._note = ""
        if trace.limit == 0:
            self._note = _OFF
        elif trace.limit is not None and len(entries) >= trace.limit:
            self._note = f"the trace keeps {trace.limit:,} records: what was before is not shown (trace=None keeps all)"
        if messages is not None:
            happenings = about(happenings, messages)
        self._start_us = 0 if since_us is None else since_us
        self._end_us = clock.now_us if until_us is None else min(until_us, clock.now_us)
        self._happenings = happenings
        self._lines: list[Line] | None = None  # made when somebody looks

    def _table(self) -> list[Line]:
        if self._lines is None:
            self._lines = lines_of([each for each in self._happenings if self._is_shown(each)])
        return self._lines

    def _is_shown(self, happening: Happening) -> bool:
        return self._start_us <= happening.at_us <= self._end_us

    def to_text(self, *, colour: bool = False, width: int | None = None) -> str:
        """
        Return a table: instant, queue, message, invocation, and what happened.

        Args:
            colour: Whether ANSI codes colour it for a terminal.
            width: Characters in a line; what is longer is broken. None breaks nothing.
        """
        parts = [f"({self._note})"] if self._note else []
        if self._table():
            parts.append(render(self._table(), colour=colour, width=width))
        elif not self._note:
            parts.append("nothing happened")
        steps = [each.choice for each in self._happenings if each.choice is not None and self._is_shown(each)]
        if steps:
            parts.append(f"!  not the default; to play it again: {'; '.join(step.text for step in steps)}")
        return "\n\n".join(parts)

    def to_svg(self) -> str:
        """Return the picture alone, for a file: on dark screens it is drawn in light colours."""
        return self._draw(is_alone=True)

    def _draw(self, *, is_alone: bool) -> str:
        folds = [line for line in self._table() if line.rounds and len(line.tells) >= _DRAWN_MAX]
        return draw(paint(self._happenings, self._start_us, self._end_us, folds), self._note, is_alone=is_alone)

    def to_html(self) -> str:
        """Return a page that needs nothing else: the picture, and the table below it."""
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>Timeline</title>'
            "<style>:root{color-scheme:light dark}body{margin:1em}</style></head>\n"
            f"<body>{self._repr_html_(is_open=True)}</body></html>\n"
        )

    def _repr_html_(self, *, is_open: bool = False) -> str:
        """Return what a notebook shows."""
        opened = ' open="open"' if is_open else ""
        table = escaped(self.to_text(width=_PAGE_CHARS))
        return (
            f'<div style="max-width:{WIDTH}px">{self._draw(is_alone=False)}\n<details{opened}>'
            f'<summary>in words</summary><pre style="white-space:pre;overflow-x:auto;line-height:1.3">{table}</pre>'
            "</details></div>"
        )

    def print(self, *, colour: bool | None = None, width: int | None = None) -> None:
        """
        Print the table, in colours and as wide as the terminal if it goes to one and `NO_COLOR` is not set.

        Args:
            colour: Whether it is coloured, whatever it goes to.
            width: Characters in a line.
        """
        is_terminal = sys.stdout.isatty()
        if colour is None:
            colour = is_terminal and not os.environ.get("NO_COLOR")
        if width is None and is_terminal:
            width = shutil.get_terminal_size().columns
        sys.stdout.write(f"{self.to_text(colour=colour, width=width)}\n")

    def __str__(self) -> str:
        """Return the table without colours."""
        return self.to_text()

    def __repr__(self) -> str:
        """Show the table: it is what whoever asks for a timeline wants to see."""
        return self.to_text()
