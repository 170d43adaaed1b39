"""
What a picture shows, before it is drawn: lanes with lives of messages, invocations and operations, and flags.

Nothing here knows of pixels. Everything has a *place* (see `lambdasim.timeline.axis`): an instant, and a step that
grows along what follows from one another at this instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import define, field

from lambdasim.clock.wording import listed, of_seconds, shown
from lambdasim.lambda_ import Invocation
from lambdasim.sqs import Message, Queue
from lambdasim.timeline.axis import Place
from lambdasim.timeline.happenings import (
    AVAILABLE,
    BEGUN,
    DELETED,
    DELIVERED,
    DROPPED,
    ENDED,
    EXPIRED,
    MOVED,
    OPERATED,
    PURGED,
    REDELIVERED,
    REDRIVEN,
    RETURNED,
    SENT,
    THROTTLED,
    Happening,
    Key,
    key_of,
)
from lambdasim.timeline.lines import Line

_HAPPENINGS_MAX: Final = 600
_ENDS: Final = frozenset({DELETED, EXPIRED, MOVED, PURGED, REDRIVEN})


@define(eq=False)
class Stretch:
    """A part of the life of a message in a queue: delayed, visible or in flight."""

    state: str
    begin: Place
    end: Place | None = None
    delivery: int = 0
    is_drawn: bool = True  #: whether its begin is


@define(eq=False)
class Life:
    """A message in a queue."""

    message: Message
    stretches: list[Stretch] = field(factory=list)
    ended_at: Place | None = None
    end_words: str = ""
    is_bad_end: bool = False

    def turn(self, place: Place, state: str, delivery: int = 0) -> None:
        """Let another stretch begin."""
        self.close(place)
        self.stretches.append(Stretch(state, place, None, delivery))

    def close(self, place: Place) -> None:
        """Let the stretch end that is open."""
        if self.stretches and self.stretches[-1].end is None:
            self.stretches[-1].end = place


@define(eq=False)
class Delivery:
    """One receipt of a message."""

    life: Life
    place: Place
    queue: str
    count: int
    is_done: bool = False  #: whether it is known what became of it


@define(eq=False)
class Mark:
    """Something at one place, in words."""

    place: Place
    words: str
    is_failure: bool = False
    is_end: bool = False
    reason: str = ""  #: the words without names


@define(eq=False)
class Run:
    """An invocation."""

    invocation: Invocation
    messages: Sequence[Message]
    begin: Place
    handler_at: Place | None = None  #: after the init of a cold start
    end: Place | None = None
    is_failure: bool = False
    marks: list[Mark] = field(factory=list)
    sources: list[tuple[Life, Place]] = field(factory=list)  #: the deliveries that it was handed
    gate: Gate | None = None


@define(eq=False)
class QueueLane:
    """A queue and its messages."""

    name: str
    lives: list[Life] = field(factory=list)


@define(eq=False)
class Gate:
    """A mapping: what it handed over, and what was refused."""

    queue: str
    function: str
    runs: list[Run] = field(factory=list)
    marks: list[Mark] = field(factory=list)


@define(eq=False)
class EnvironmentLane:
    """An execution environment and its invocations; or a function, for what happens in none."""

    function: str
    environment: str
    runs: list[Run] = field(factory=list)
    marks: list[Mark] = field(factory=list)


@define(eq=False)
class Flag:
    """A choice that was not the default."""

    place: Place
    words: str
    step: str
    lane: Life | QueueLane | Run | None = None


@define(eq=False)
class Picture:
    """All that is drawn."""

    queues: dict[str, QueueLane] = field(factory=dict)
    gates: dict[tuple[str, str], Gate] = field(factory=dict)
    environments: dict[tuple[str, str], EnvironmentLane] = field(factory=dict)
    flags: list[Flag] = field(factory=list)
    places: list[Place] = field(factory=list)
    folds: list[tuple[int, int]] = field(factory=list)  #: where rounds are left out, and how many
    end: Place = (0, 0)
    note: str = ""  #: what is to be known about what is left out

    def forget_before(self, at_us: int) -> None:
        """Leave out what was over before an instant, and lanes that have nothing left."""
        for queue in self.queues.values():
            queue.lives = [life for life in queue.lives if life.ended_at is None or life.ended_at[0] >= at_us]
        for gate in self.gates.values():
            gate.runs = [run for run in gate.runs if run.end is None or run.end[0] >= at_us]
            gate.marks = [mark for mark in gate.marks if mark.place[0] >= at_us]
        for lane in self.environments.values():
            lane.runs = [run for run in lane.runs if run.end is None or run.end[0] >= at_us]
            lane.marks = [mark for mark in lane.marks if mark.place[0] >= at_us]
            for run in lane.runs:
                run.marks = [mark for mark in run.marks if mark.place[0] >= at_us]
        self.flags = [flag for flag in self.flags if flag.place[0] >= at_us]
        self.queues = {key: queue for key, queue in self.queues.items() if queue.lives}
        self.gates = {key: gate for key, gate in self.gates.items() if gate.runs or gate.marks}
        self.environments = {key: lane for key, lane in self.environments.items() if lane.runs or lane.marks}

    def lanes(self) -> Iterator[QueueLane | Gate | EnvironmentLane]:
        """Yield the lanes from top to bottom: each queue that is polled above those that work on it, then the rest."""
        queues = [*self.queues.values()]
        polled = {gate.queue for gate in self.gates.values()}
        drawn: dict[str, None] = {}
        for queue in sorted(queues, key=lambda queue: queue.name not in polled):
            if queue.name not in polled:
                yield from self._environments_but(drawn)
                drawn.update((other.function, None) for other in self.environments.values())
            yield queue
            for gate in self.gates.values():
                if gate.queue != queue.name:
                    continue
                yield gate
                if gate.function not in drawn:
                    drawn[gate.function] = None
                    yield from (lane for lane in self.environments.values() if lane.function == gate.function)
        yield from self._environments_but(drawn)

    def _environments_but(self, drawn: Mapping[str, None]) -> list[EnvironmentLane]:
        return [lane for lane in self.environments.values() if lane.function not in drawn]


def paint(happenings: Iterable[Happening], start_us: int, end_us: int, folds: Sequence[Line] = ()) -> Picture:
    """Return the picture of what happened between two instants, without the rounds that *folds* leave out."""
    return _Painter(start_us, end_us, folds).paint(happenings)


class _Painter:
    def __init__(self, start_us: int, end_us: int, folds: Sequence[Line]) -> None:
        self._start_us = start_us
        self._end_us = end_us
        self._picture = Picture()
        self._hidden: dict[Happening, None] = {happening: None for line in folds for happening in line.tells}
        self._picture.folds = [(line.at_us, line.rounds) for line in folds]
        self._lives: dict[tuple[str, Key], Life] = {}
        self._deliveries: dict[Key, list[Delivery]] = {}  # oldest first
        self._runs: dict[Invocation, Run] = {}
        self._at_us = -1
        self._steps: dict[Any, int] = {}  # of this instant, by what was touched

    def paint(self, happenings: Iterable[Happening]) -> Picture:
        """Return the picture."""
        picture = self._picture
        picture.end = (self._start_us, 0)
        for happening in happenings:
            if happening.at_us > self._end_us:
                break
            if len(picture.places) == _HAPPENINGS_MAX:
                self._end_us = picture.end[0]
                ends = f"the picture ends at {of_seconds(self._end_us)} s"
                picture.note = f"there is too much to be drawn, so {ends}: narrow it with messages=, since= or until="
                break
            place = self._place(happening)
            if happening in self._hidden:
                self._pass_over(happening, place)
                continue
            if happening.at_us >= self._start_us:
                picture.places.append(place)
                picture.end = max(picture.end, place)
            self._take(happening, place)
        is_open = any(life.stretches and life.stretches[-1].end is None for life in self._lives.values())
        is_open = is_open or any(run.end is None for run in self._runs.values())
        if is_open and self._end_us > picture.end[0]:
            picture.end = (self._end_us, 0)
            picture.places.append(picture.end)
        if not picture.places:
            picture.note = picture.note or "nothing happened"
        if self._start_us:
            picture.forget_before(self._start_us)
        return picture

    def _place(self, happening: Happening) -> Place:
        """Return where something stands: one step after what it follows from."""
        if happening.at_us != self._at_us:
            self._at_us, self._steps = happening.at_us, {}
        tokens: list[Any] = [key_of(message) for message in happening.messages]
        if happening.invocation is not None:
            tokens.append(happening.invocation)
            tokens.append(happening.invocation.environment)
        if not tokens:
            tokens = [happening.subject or happening.function]
        step = 1 + max((self._steps.get(token, -1) for token in tokens), default=-1)
        if happening.choice is not None and not happening.messages:
            step = max(step, *self._steps.values(), 0) if self._steps else step
        self._steps.update((token, step) for token in tokens)
        return happening.at_us, step

    def _take(self, happening: Happening, place: Place) -> None:
        kind = happening.kind
        if happening.choice is not None:
            self._flag(happening, place)
        elif kind == BEGUN:
            self._begin(happening, place)
        elif kind == ENDED:
            self._end(happening, place)
        elif kind == OPERATED:
            run = None if happening.invocation is None else self._runs.get(happening.invocation)
            if run is not None:
                run.marks.append(Mark(place, happening.words))
        elif kind in {THROTTLED, DROPPED}:
            mark = Mark(place, _about(happening), is_failure=True, reason=happening.words)
            gate = self._gate_of(happening)
            (self._lane(happening.function, "").marks if gate is None else gate.marks).append(mark)
            if kind == DROPPED:
                for message in happening.messages:
                    self._source_of(message, None)
        elif happening.queue is not None:
            for message in happening.messages[:1]:
                self._live(happening, message, happening.queue, place)
        elif happening.function:
            self._lane(*happening.lane).marks.append(Mark(place, happening.words, is_failure=happening.is_failure))

    def _pass_over(self, happening: Happening, place: Place) -> None:
        """Take note of what is not drawn: messages go on with their lives, and deliveries are handed over."""
        if happening.queue is not None and happening.kind != DROPPED:
            for message in happening.messages[:1]:
                life = self._live(happening, message, happening.queue, place)
                for stretch in life.stretches[-1:]:
                    stretch.is_drawn = False
        elif happening.kind in {BEGUN, DROPPED}:
            counts = {} if happening.invocation is None else _counts_of(happening.invocation)
            for message in happening.messages:
                self._source_of(message, counts.get(message.message_id))

    def _lane(self, function: str, environment: str) -> EnvironmentLane:
        lanes = self._picture.environments
        return lanes.setdefault((function, environment), EnvironmentLane(function, environment))

    def _flag(self, happening: Happening, place: Place) -> None:
        lane: Life | Run | None = None
        for message in happening.messages:
            found = self._deliveries.get(key_of(message))
            lane = found[-1].life if found else None
        for run in self._runs.values():
            if run.invocation.label == happening.subject:
                lane = run
        words = f"{happening.subject}: {happening.words}" if happening.subject else happening.words
        self._picture.flags.append(Flag(place, words, str(happening.choice.text), lane))

    def _live(self, happening: Happening, message: Message, queue: Queue, place: Place) -> Life:
        lane = self._picture.queues.setdefault(queue.arn, QueueLane(queue.name))
        key = key_of(message)
        life = self._lives.get((queue.arn, key))
        if life is None:
            life = self._lives[queue.arn, key] = Life(message)
            lane.lives.append(life)
        if happening.kind == DELIVERED:
            life.turn(place, "in flight", happening.count)
            self._deliveries.setdefault(key, []).append(Delivery(life, place, queue.name, happening.count))
        elif happening.kind in {SENT, RETURNED, REDELIVERED}:
            life.turn(place, "visible")
            life.ended_at, life.end_words = None, ""
        elif happening.kind == AVAILABLE:
            for stretch in life.stretches[-1:]:
                stretch.state = "delayed"
            life.turn(place, "visible")
        elif happening.kind in _ENDS:
            life.close(place)
            life.ended_at, life.is_bad_end = place, happening.is_failure
            life.end_words = happening.words.partition(":")[0]
        if happening.target is not None and happening.kind == MOVED:
            there = self._picture.queues.setdefault(happening.target.arn, QueueLane(happening.target.name))
            arrived = self._lives[happening.target.arn, key] = Life(message)
            arrived.turn(place, "visible")
            there.lives.append(arrived)
        return life

    def _gate_of(self, happening: Happening) -> Gate | None:
        """Return the mapping by which messages came to a function, if one did."""
        if not happening.messages:
            return None
        known = (self._deliveries.get(key_of(message)) for message in happening.messages)
        queues = (deliveries[-1].queue for deliveries in known if deliveries)
        queue = next(queues, "") if happening.queue is None else happening.queue.name
        key = queue, happening.function
        return self._picture.gates.setdefault(key, Gate(*key))

    def _begin(self, happening: Happening, place: Place) -> None:
        invocation = happening.invocation
        assert invocation is not None
        run = self._runs[invocation] = Run(invocation, happening.messages, place)
        if invocation.started_at_us > happening.at_us and invocation.started_at_us <= self._end_us:
            run.handler_at = invocation.started_at_us, 0
            if run.handler_at[0] >= self._start_us:
                self._picture.places.append(run.handler_at)
        self._lane(*happening.lane).runs.append(run)
        gate = self._gate_of(happening)
        if gate is not None:
            run.gate = gate
            gate.runs.append(run)
            counts = _counts_of(invocation)
            for message in happening.messages:
                source = self._source_of(message, counts.get(message.message_id))
                if source is not None:
                    run.sources.append((source.life, source.place))

    def _source_of(self, message: Message, count: int | None) -> Delivery | None:
        """
        Return the delivery that was handed over or given up: the one with this number.

        Without a number it is the oldest of those of which nothing is known yet.
        """
        waiting = self._deliveries.get(key_of(message), [])
        for delivery in waiting:
            if not delivery.is_done and count in {None, delivery.count}:
                delivery.is_done = True
                return delivery
        return waiting[-1] if waiting and count is None else None

    def _end(self, happening: Happening, place: Place) -> None:
        assert happening.invocation is not None
        run = self._runs.get(happening.invocation)
        if run is None:
            return
        run.end, run.is_failure = place, happening.is_failure
        run.marks.append(Mark(place, happening.words, is_failure=happening.is_failure, is_end=True))


def _about(happening: Happening) -> str:
    names = listed(message.label for message in happening.messages)
    return f"{names}: {happening.words}" if names else happening.words


def _counts_of(invocation: Invocation) -> dict[str, int]:
    """Return which delivery of each message an invocation got, if its event says so still."""
    event = invocation.event
    if not isinstance(event, dict) or not isinstance(event.get("Records"), list):
        return {}
    counts = {}
    for record in event["Records"]:  # which its handler may have changed
        try:
            counts[str(record["messageId"])] = int(record["attributes"]["ApproximateReceiveCount"])
        except (TypeError, ValueError, KeyError, IndexError):
            continue
    return counts


def title_of(life: Life) -> str:
    """Return all that is known of a message, in a line for each stretch."""
    lines = [f"{life.message.label} {shown(life.message.body, 200)}"]
    for stretch in life.stretches:
        until = "" if stretch.end is None else f" to {of_seconds(stretch.end[0])}"
        number = f" (delivery {stretch.delivery})" if stretch.delivery else ""
        lines.append(f"{of_seconds(stretch.begin[0])}{until} s: {stretch.state}{number}")
    if life.ended_at is not None:
        lines.append(f"{of_seconds(life.ended_at[0])} s: {life.end_words}")
    return "\n".join(lines)
