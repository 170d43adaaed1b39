"""
A picture as SVG: no script, no outside resource, readable on light and dark pages and without telling colours apart.

Text and lines take the colour of the text around (`currentColor`); other colours are those of Okabe and Ito, and none
is the only sign of anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from xml.sax.saxutils import escape

from lambdasim.clock.wording import listed, of_seconds, shorten, shown
from lambdasim.timeline.axis import Axis, Place
from lambdasim.timeline.picture import (
    EnvironmentLane,
    Flag,
    Gate,
    Life,
    Mark,
    Picture,
    QueueLane,
    Run,
    title_of,
)

WIDTH: Final = 900
_LEFT: Final = 150
_MARGIN: Final = 70.0  # right of the last instant, for the words of ends
_MARGIN_MOST: Final = 220.0
_TAIL: Final = 24.0  # of what goes on after the last instant
_ROW: Final = 20
_TEXT_ROW: Final = 14
_LIVES_MAX: Final = 16  # rows of a queue
_TEXT_ROWS_MAX: Final = 10  # rows of words below a bar
_LANES_MAX: Final = 24  # environments
_RUNS_IN_WORDS: Final = 8  # in an environment, of which each end is put in words
_TITLE_CHARS: Final = 24
_GRID_MOST: Final = 40  # lines

_FONT: Final = 'font-family="system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif" font-size="11"'
_CLASS: Final = "lambdasim-timeline"
_ALONE: Final = f"<style>@media (prefers-color-scheme: dark) {{ .{_CLASS} {{ color: #ddd }} }}</style>\n"
_BAD: Final = "#D55E00"
_RUN: Final = "#8899AA"
_FLAG: Final = "#CC79A7"
_COLOURS: Final = ("#56B4E9", "#E69F00", "#009E73", "#0072B2", "#A6761D")
_ON: Final = ("#000", "#000", "#fff", "#fff", "#fff")  # text on these


class _Rows:
    """Puts texts side by side where they fit, and into another row where they do not."""

    def __init__(self, most: int) -> None:
        self._ends: list[float] = []
        self._most = most

    def place(self, left: float, right: float) -> int | None:
        """Return the row of what reaches from *left* to *right*; None if there is no room."""
        for row, end in enumerate(self._ends):
            if left >= end:
                self._ends[row] = right
                return row
        if len(self._ends) == self._most:
            return None
        self._ends.append(right)
        return len(self._ends) - 1

    def __len__(self) -> int:
        return len(self._ends)


def draw(picture: Picture, note: str = "", *, is_alone: bool = True) -> str:
    """Return the SVG of a picture; *note* is said above it. If it stands *alone*, it looks for its colour itself."""
    return _Drawing(picture, note).draw(_ALONE if is_alone else "")


class _Drawing:
    def __init__(self, picture: Picture, note: str) -> None:
        self._notes = [words for words in (note, picture.note) if words]
        self._picture = picture
        self._right = WIDTH - self._margin()
        self._axis = Axis([*picture.places, picture.end], _LEFT + 14, self._right)
        self._below: list[str] = []  # lanes and grid
        self._middle: list[str] = []  # lines from lane to lane
        self._above: list[str] = []
        self._y = 4.0
        self._lane_count = self._environments = 0
        self._colours: dict[str, int] = {}
        self._rows: dict[Life | Run, float] = {}

    def draw(self, style: str) -> str:
        """Return the SVG element."""
        for words in self._notes:
            self._note(words)
        flags_at = self._flag_rows()
        axis_y = self._y + 14
        self._y += 32 if self._axis.cuts or self._picture.folds else 22
        top = self._y
        gates: dict[Gate, float] = {}
        left_out = 0
        for lane in self._picture.lanes():
            match lane:
                case QueueLane():
                    self._queue(lane)
                case Gate():
                    gates[lane] = self._gate(lane)
                case _ if self._environments < _LANES_MAX:
                    self._environments += 1
                    self._environment(lane)
                case _:
                    left_out += 1
        if left_out:
            self._note(f"+ {left_out} more environments, which are not drawn")
        self._links(gates)
        if self._picture.places:
            self._time(axis_y, top)
            self._flags(flags_at)
            self._legend()
        height = round(self._y + 4)
        body = "\n".join([*self._below, *self._middle, *self._above])
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'class="{_CLASS}" role="img" style="max-width:100%;height:auto" fill="currentColor" {_FONT}>\n'
            f"{style}{body}\n</svg>"
        )

    # ---- lanes

    def _open_lane(self, height: float, title: str, kind: str) -> float:
        """Lay a lane out; return its top."""
        y = self._y
        opacity = ".05" if self._lane_count % 2 == 0 else ".02"
        self._below.append(_rect(0, y, WIDTH, height, f'fill-opacity="{opacity}"'))
        name = escaped(shorten(title, _TITLE_CHARS))
        self._above.append(
            f'<text x="6.0" y="{y + 14:.1f}"><title>{escaped(title)}</title><tspan font-weight="600">{name}</tspan>'
            f'<tspan dx="5" font-size="10" opacity=".6">{kind}</tspan></text>'
        )
        self._lane_count += 1
        self._y = y + height + 2
        return y

    def _queue(self, lane: QueueLane) -> None:
        lives = lane.lives[:_LIVES_MAX]
        left_out = len(lane.lives) - len(lives)
        height = 20 + _ROW * len(lives) + (_TEXT_ROW if left_out else 0) + 2
        y = self._open_lane(height, lane.name, "queue") + 20
        for life in lives:
            self._life(life, y + _ROW / 2)
            y += _ROW
        if left_out:
            self._above.append(_text(6, y + 10, f"+ {left_out:,} more messages, which are not drawn", 'opacity=".6"'))

    def _life(self, life: Life, y: float) -> None:
        colour, on = self._colour_of(life.message.label)
        self._rows[life] = y
        label = shorten(f"{life.message.label}  {shown(life.message.body)}", 23)
        parts = [_text(14, y + 4, label, "", title_of(life))]
        parts.append(_dot(8, y, 3, f'fill="{colour}"'))
        for stretch in life.stretches:
            left, right = self._x(stretch.begin), self._x_end(stretch.end)
            if left == right and not stretch.is_drawn:
                continue
            if stretch.state == "in flight":
                style = f'rx="3" fill="{colour}" fill-opacity=".75"'
                parts.append(_rect(left, y - 5, max(right - left, 2), 10, style))
            else:
                dashes = ' stroke-dasharray="2 3"' if stretch.state == "delayed" else ""
                style = f'stroke="{colour}" stroke-width="2"{dashes}'
                parts.append(_line(left, y, max(right, left + 2), y, style))
        for stretch in life.stretches:
            if not stretch.is_drawn:
                continue
            x = self._x(stretch.begin)
            if stretch.state == "in flight":
                number = str(stretch.delivery) if stretch.delivery else ""
                parts.append(_dot(x, y, 7, f'fill="{colour}" stroke="currentColor" stroke-width=".7"'))
                size = 10 if len(number) < 3 else 7
                parts.append(_text(x, y + 3.5, number, f'fill="{on}" font-size="{size}" text-anchor="middle"'))
            else:
                parts.append(_line(x, y - 5, x, y + 5, f'stroke="{colour}" stroke-width="2"'))
        if life.ended_at is not None:
            x = self._x(life.ended_at)
            parts.append(_rect(x - 3, y - 6, 5, 12, f'fill="{_BAD if life.is_bad_end else colour}"'))
            fill = f' fill="{_BAD}"' if life.is_bad_end else ' opacity=".75"'
            parts.append(_text(x + 6, y + 3.5, life.end_words, f'font-size="10"{fill}'))
        self._above.append(_group(parts, title_of(life)))

    def _gate(self, gate: Gate) -> float:
        """Draw the lane of a mapping; return where its line is."""
        rows = _Rows(3)
        placed = []
        before = ""
        for mark in _gathered(gate.marks):
            x = self._x(mark.place)
            is_new = mark.reason != before  # the same again needs no words
            width = _width(shorten(mark.reason, 60), 10) + 16
            left = _beside(x, width)
            row = rows.place(left, left + width) if is_new else None
            before = mark.reason if row is not None else before
            placed.append((mark, x, left, row))
        height = 24 + _TEXT_ROW * len(rows) + (4 if rows else 0)
        title = f"{gate.queue} → {gate.function}"
        y = self._open_lane(height, title, "mapping" if len(title) < _TITLE_CHARS - 8 else "") + 12
        self._below.append(_line(_LEFT + 14, y, self._right, y, 'stroke="currentColor" stroke-opacity=".25"'))
        for mark, x, left, row in placed:
            parts = [_cross(x, y)]
            if row is not None:
                parts.append(
                    _text(left + 2, y + 20 + row * _TEXT_ROW, shorten(mark.reason, 60), f'fill="{_BAD}" font-size="10"')
                )
            self._above.append(_group(parts, f"{of_seconds(mark.place[0])} s: {mark.words}"))
        return y

    def _environment(self, lane: EnvironmentLane) -> None:
        rows = _Rows(_TEXT_ROWS_MAX)
        marks = [mark for run in lane.runs for mark in run.marks] + lane.marks
        placed: list[tuple[Mark, str, float, float, int | None]] = []
        is_crowded = len(lane.runs) > _RUNS_IN_WORDS
        before = ""
        for mark in sorted(marks, key=lambda mark: mark.place):
            x = self._x(mark.place)
            if is_crowded and mark.is_end and mark.words == before:  # the same again needs no words
                placed.append((mark, "", x, x, None))
                continue
            before = mark.words
            words = shorten(mark.words, 60)
            width = _width(words, 10) + 14
            left = _beside(x, width)
            placed.append((mark, words, x, left, rows.place(left, left + width)))
        height = 28 + _TEXT_ROW * len(rows) + (4 if rows else 0)
        kind = f"environment {lane.environment}" if lane.environment else "function"
        y = self._open_lane(height, lane.function, kind) + 14
        for run in lane.runs:
            self._run(run, y)
        for mark, words, x, left, row in placed:
            colour = f'fill="{_BAD}"' if mark.is_failure else 'fill="currentColor"'
            parts = []
            if row is not None:
                text_y = y + 22 + row * _TEXT_ROW
                parts.append(_line(x, y - 8, x, y + 8, 'stroke="currentColor" stroke-opacity=".6"'))
                self._below.append(_line(x, y + 8, x, text_y - 1, 'stroke="currentColor" stroke-opacity=".3"'))
                sign = ("✗ " if mark.is_failure else "✓ ") if mark.is_end else ""
                weight = ' font-weight="600"' if mark.is_end else ""
                style = f'{colour} font-size="10"{weight}'
                parts.append(_words_beside(x, left, text_y, f"{sign}{words}", style))
            else:
                parts.append(_line(x, y - 8, x, y + 8, 'stroke="currentColor" stroke-opacity=".5"'))
            self._above.append(_group(parts, f"{of_seconds(mark.place[0])} s: {mark.words}"))

    def _run(self, run: Run, y: float) -> None:
        self._rows[run] = y
        left, right = self._x(run.begin), self._x_end(run.end)
        width = max(right - left, 3)
        colour = _BAD if run.is_failure else _RUN
        style = f'rx="2" fill="{colour}" fill-opacity=".35" stroke="{colour}" stroke-width="1.2"'
        parts = [_rect(left, y - 8, width, 16, style)]
        if run.handler_at is not None:
            init = self._x(run.handler_at) - left
            parts.append(_rect(left, y - 8, init, 16, 'fill="currentColor" fill-opacity=".18"'))
        for number, message in enumerate(run.messages[:10]):
            if 5 * number + 5 > width:
                break
            parts.append(_rect(left + 1 + 5 * number, y - 7, 4, 14, f'fill="{self._colour_of(message.label)[0]}"'))
        start = left + 4 + 5 * min(len(run.messages), 10)
        if start + _width(run.invocation.label) < right:
            parts.append(_text(start, y + 4, run.invocation.label))
        names = listed(message.label for message in run.messages)
        until = "" if run.end is None else f" to {of_seconds(run.end[0])}"
        title = [f"{run.invocation.label} in environment {run.invocation.environment.id}"]
        title.append(f"{of_seconds(run.begin[0])}{until} s{f', with {names}' if names else ''}")
        title += [mark.words for mark in run.marks if mark.is_end]
        self._above.append(_group(parts, "\n".join(title)))

    def _links(self, gates: dict[Gate, float]) -> None:
        """Draw lines from each delivery through its mapping to its invocation."""
        for gate, gate_y in gates.items():
            for run in gate.runs:
                run_y = self._rows.get(run)
                x = self._x(run.begin)
                for life, place in run.sources:
                    life_y = self._rows.get(life)
                    if life_y is None:
                        continue
                    colour, _ = self._colour_of(life.message.label)
                    from_x = self._x(place)
                    style = f'stroke="{colour}" stroke-width="1.6" fill="none" stroke-opacity=".8"'
                    bend = f"M{from_x:.1f} {life_y:.1f} Q{from_x:.1f} {gate_y:.1f} {x:.1f} {gate_y:.1f}"
                    self._middle.append(f'<path d="{bend}" {style}/>')
                colour = self._colour_of(run.messages[0].label)[0] if run.messages else "currentColor"
                if run_y is not None:
                    tip = run_y - 9
                    self._middle.append(_line(x, gate_y, x, tip - 4, f'stroke="{colour}" stroke-width="1.6"'))
                    points = f"{x - 3.5:.1f},{tip - 6:.1f} {x + 3.5:.1f},{tip - 6:.1f} {x:.1f},{tip:.1f}"
                    self._above.append(f'<polygon points="{points}" fill="{colour}"/>')
                names = listed(message.label for message in run.messages)
                dot = _dot(x, gate_y, 4.5, f'fill="{colour}" stroke="currentColor" stroke-width=".7"')
                self._above.append(_group([dot], f"hands {names} to {run.invocation.label}"))

    # ---- time, flags, words

    def _time(self, y: float, top: float) -> None:
        bottom = self._y - 2
        self._below.append(_line(_LEFT + 14, y + 4, self._right, y + 4, 'stroke="currentColor" stroke-opacity=".5"'))
        taken: list[tuple[float, float]] = []
        for at_us, rounds in self._picture.folds:
            words = f"{rounds:,} rounds more"
            style = 'text-anchor="middle" font-size="9" font-style="italic" font-weight="600"'
            x, half = self._axis.gap_after((at_us, 0)), _width(words, 9.5) / 2
            if all(x - half > right or x + half < left for left, right in taken):
                taken.append((x - half, x + half))
                self._below.append(_text(x, y + 18, words, style))
        for cut in self._axis.cuts:
            middle, words = (cut.left + cut.right) / 2, f"{of_seconds(cut.gap_us)} s"
            band = _rect(cut.left + 8, top, cut.right - cut.left - 16, bottom - top, 'fill-opacity=".05"')
            slashes = "".join(
                _line(middle + shift - 3, y + 9, middle + shift + 3, y - 1, 'stroke="currentColor" stroke-width="1.3"')
                for shift in (-2.5, 2.5)
            )
            self._below.append(_group([band, slashes], f"{words} are cut short here"))
            half = _width(words, 9) / 2
            if all(middle - half > right or middle + half < left for left, right in taken) and (
                2 * half < cut.right - cut.left
            ):
                self._below.append(
                    _text(middle, y + 18, words, 'text-anchor="middle" font-size="9" font-style="italic" opacity=".65"')
                )
        free = 0.0
        instants = self._axis.instants()
        style = 'stroke="currentColor" stroke-opacity=".18" stroke-dasharray="1 3"'
        for at_us, x in instants:
            words = f"{of_seconds(at_us)} s"
            half = _width(words, 10) / 2
            is_labelled = x - half >= free
            if is_labelled or len(instants) <= _GRID_MOST:
                self._below.append(_line(x, y + 4, x, bottom, style))
            if is_labelled:
                self._above.append(_text(x, y, words, 'text-anchor="middle" font-size="10"'))
                free = x + half + 5

    def _flag_rows(self) -> list[tuple[Flag, float, float, float]]:
        """Find room for the words of the flags; return where they stand."""
        flags = self._picture.flags[:12]
        rows, placed = _Rows(len(flags)), []
        for flag in flags:
            x = self._x(flag.place)
            width = _width(flag.words, 12.5) + 20
            left = _beside(x, width)
            placed.append((flag, x, left, rows.place(left, left + width) or 0))
        top = self._y
        self._y += 17 * len(rows)
        return [(flag, x, left, top + 17 * row + 12) for flag, x, left, row in placed]

    def _flags(self, placed: Iterable[tuple[Flag, float, float, float]]) -> None:
        for flag, x, left, y in placed:
            to_y = self._rows.get(flag.lane) if isinstance(flag.lane, Life | Run) else None
            to_y = self._y - 2 if to_y is None else to_y
            style = f'stroke="{_FLAG}" stroke-width="1.8" stroke-dasharray="4 2"'
            self._middle.append(_line(x, y - 8, x, to_y, style))
            head = (
                f'<polygon points="{x:.1f},{y - 9:.1f} {x + 11:.1f},{y - 5:.1f} {x:.1f},{y - 1:.1f}" fill="{_FLAG}"/>'
            )
            style = 'font-weight="600" font-size="11.5"'
            text = _words_beside(x, left, y, flag.words, style, 14)
            self._above.append(_group([head, text], f"{flag.step}\n{of_seconds(flag.place[0])} s: {flag.words}"))

    def _note(self, words: str) -> None:
        self._above.append(_text(6, self._y + 12, words, 'opacity=".6"'))
        self._y += 18

    def _legend(self) -> None:
        y, x = self._y + 12, 8.0
        grey = 'stroke="currentColor" stroke-opacity=".7"'
        entries: Sequence[tuple[str, str]] = (
            (_line(0, 0, 16, 0, f'{grey} stroke-width="2"'), "visible in the queue"),
            (
                _rect(0, -5, 18, 10, 'rx="3" fill-opacity=".5"') + _dot(3, 0, 5, ""),
                "in flight, with the number of the delivery",
            ),
            (_rect(8, -6, 5, 12, ""), "gone"),
            (_rect(0, -7, 18, 14, f'rx="2" fill="{_RUN}" fill-opacity=".35" stroke="{_RUN}"'), "invocation"),
            (_rect(0, -7, 18, 14, f'rx="2" fill="{_BAD}" fill-opacity=".35" stroke="{_BAD}"'), "… that failed"),
            (_cross(9, 0), "refused"),
            (f'<polygon points="3,-6 14,-2 3,2" fill="{_FLAG}"/>', "not the default"),
        )
        for drawn, words in entries:
            self._above.append(f'<g transform="translate({x:.1f} {y:.1f})">{drawn}</g>')
            self._above.append(_text(x + 23, y + 4, words, 'font-size="10" opacity=".8"'))
            x += 23 + _width(words, 10) + 14
        self._y = y + 10

    # ---- helpers

    def _x(self, place: Place) -> float:
        return self._axis.x(place)

    def _x_end(self, place: Place | None) -> float:
        """Return where something ends; what goes on reaches beyond the last instant."""
        return self._x(self._picture.end) + _TAIL if place is None else self._x(place)

    def _margin(self) -> float:
        """Return how much room the words of what ends last need."""
        words = [life.end_words for lane in self._picture.queues.values() for life in lane.lives[:_LIVES_MAX]]
        return min(max((_width(each, 10) + 16 for each in words), default=0.0) + _MARGIN / 4, _MARGIN_MOST) + _TAIL

    def _colour_of(self, label: str) -> tuple[str, str]:
        number = self._colours.setdefault(label, len(self._colours)) % len(_COLOURS)
        return _COLOURS[number], _ON[number]


def _gathered(marks: Sequence[Mark]) -> list[Mark]:
    """Put marks of one place together."""
    found: dict[Place, Mark] = {}
    for mark in marks:
        other = found.get(mark.place)
        if other is None:
            found[mark.place] = Mark(mark.place, mark.words, mark.is_failure, mark.is_end, mark.reason)
        else:
            other.words = f"{other.words}\n{mark.words}"
    return [*found.values()]


def _beside(x: float, width: float) -> float:
    """Return where the room for words begins: at what they are about, or before it where there is too little after."""
    return x if x + width <= WIDTH - 4 else max(x - width, 0.0)


def _words_beside(x: float, left: float, y: float, words: str, style: str, shift: float = 3.0) -> str:
    """Return words after what they are about, or before it if their room begins there."""
    if left < x:
        return _text(x - 5, y, words, f'text-anchor="end" {style}')
    return _text(x + shift, y, words, style)


def _width(text: str, size: float = 11.0) -> float:
    return len(text) * size * 0.56


def _text(x: float, y: float, words: str, style: str = "", title: str = "") -> str:
    inside = f"<title>{escaped(title)}</title>" if title and title != words else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{" " if style else ""}{style}>{inside}{escaped(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def _rect(x: float, y: float, width: float, height: float, style: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" {style}/>'


def _dot(x: float, y: float, radius: float, style: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" {style}/>'


def _cross(x: float, y: float) -> str:
    style = f'stroke="{_BAD}" stroke-width="2"'
    return _line(x - 4, y - 4, x + 4, y + 4, style) + _line(x - 4, y + 4, x + 4, y - 4, style)


def _group(parts: Iterable[str], title: str) -> str:
    return f"<g><title>{escaped(title)}</title>{''.join(parts)}</g>"


def escaped(text: str) -> str:
    """Return text for XML, which has no room for control characters."""
    return escape("".join(char if char >= " " or char == "\n" else "\ufffd" for char in text))
