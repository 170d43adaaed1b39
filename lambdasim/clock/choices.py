"""
The seam of chance: what AWS leaves open is a named choice, and who answers it is pluggable.

The engine asks `chooser.choose(point, options)` for an index; option 0 is always the documented, benign default.
What may happen at all is decided before: a point whose weight is 0 is not asked (LAM-006, LAM-360).

A choice other than 0 is a *departure*. `Questions` keeps them, and a run is written down as their texts: the step
`duplicate orders#1 @0` says that at 0 s, when point `sqs.duplicate` was asked of the first message sent to `orders`,
option 1 was taken. `Scripted` takes it again: a step finds its question by point, subject and instant, so that what
changes elsewhere does not change the replay (SQS-640).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from attrs import field, frozen

from lambdasim.clock.streams import Streams
from lambdasim.clock.trace import Kind
from lambdasim.errors import UsageError

if TYPE_CHECKING:
    from lambdasim.clock.clock import Clock

DEPARTURES_MAX: Final = 100_000  #: that are kept of one run

_MICROSECONDS: Final = 1_000_000


class Labelled(Protocol):
    """Whatever has a short name for people, such as `orders#1`."""

    @property
    def label(self) -> str:
        """The name: letters, digits and signs, no space."""
        ...


@frozen(kw_only=True)
class ChoicePoint:
    """A place where AWS leaves something open, and the question that is asked there at this moment."""

    name: str  #: such as `lambda.failure`
    owner: str  #: the ARN of the queue, function or mapping that asks
    weight: float  #: probability of leaving option 0, for whoever draws lots
    about: Labelled | str = ""  #: what it is about
    at_us: int = 0  #: when it is asked
    nth: int = 1  #: the how-manieth question of this name about this subject at this instant

    @property
    def subject(self) -> str:
        """What it is about, in a word: `orders#1` is the first message that was sent to the queue `orders`."""
        return self.about if isinstance(self.about, str) else self.about.label


@frozen
class Choice:
    """A choice that was not the default: a departure from what mostly happens."""

    point: str  #: the name of the point
    owner: str  #: the ARN of who asked
    subject: str  #: what it is about, such as `orders#1`
    at_us: int
    nth: int  #: the how-manieth question of this point about this subject at this instant
    option: int  #: its place among the options; never 0
    words: str  #: the option in words

    @property
    def text(self) -> str:
        """The step of a script that takes it again, such as `duplicate orders#1 @0`."""
        return str(Step(self.point.rpartition(".")[2], self.subject, self.at_us, self.nth, self.option))


@frozen
class Step:
    """
    One step of a script, as it is written: `name[=option] [subject] @seconds[~nth]`.

    >>> str(Step("duplicate", "orders#1", 0, 1, 1)), str(Step("crash", "charge#2", 1500, 2, 1))
    ('duplicate orders#1 @0', 'crash charge#2 @0.0015~2')
    """

    name: str
    subject: str
    at_us: int
    nth: int
    option: int

    def __str__(self) -> str:
        """Write it down."""
        name = self.name if self.option == 1 else f"{self.name}={self.option}"
        again = "" if self.nth == 1 else f"~{self.nth}"
        return " ".join(filter(None, (name, self.subject, f"@{_seconds(self.at_us)}{again}")))


_OTHER_WORDS: Final = {"duplicate_delivery": "duplicate"}  # names that a step may be written with, too
_STEP: Final = re.compile(
    r"(?P<name>[a-z_]+(?:\.[a-z_]+)?)(?:=(?P<option>[1-9]\d*))?(?:\s+(?P<subject>[^\s@;]\S*))?\s+"
    r"@(?P<whole>\d+)(?:\.(?P<part>\d{1,6}))?(?:~(?P<nth>[1-9]\d*))?"
)


def parse_script(text: str) -> tuple[Step, ...]:
    """
    Return the steps of a script; they stand on lines of their own, or between semicolons.

    Raises:
        UsageError: Something in it is no step.
    """
    if not isinstance(text, str):
        msg = f"{text!r} is no script; give the text of one, such as 'duplicate orders#1 @0'"
        raise UsageError(msg)
    steps = []
    for part in re.split(r"[;\n]", text):
        written = part.strip()
        if not written:
            continue
        found = _STEP.fullmatch(written)
        if found is None:
            msg = (
                f"{written!r} is no step of a script; a step is `name subject @seconds`, such as duplicate orders#1 @0"
            )
            raise UsageError(msg)
        at_us = int(found["whole"]) * _MICROSECONDS + int((found["part"] or "").ljust(6, "0"))
        name = _OTHER_WORDS.get(found["name"], found["name"])
        steps.append(Step(name, found["subject"] or "", at_us, int(found["nth"] or 1), int(found["option"] or 1)))
    return tuple(steps)


def script_of(departures: Iterable[Choice]) -> str:
    """Write the departures of a run down, so that `Scripted` can take them again."""
    return "; ".join(choice.text for choice in departures)


class Chooser(Protocol):
    """
    Who answers choices.

    A chooser may say more of itself: `explores = True` has everything asked that AWS permits where no faults are given
    (and calls that nobody's handler makes are spared); `ties = True` has it asked who goes first of those that are
    ready at one instant (`clock.tie`).
    """

    def choose(self, point: ChoicePoint, options: Sequence[str]) -> int:
        """Return the index of the option taken, 0 for the benign one."""
        ...


class Benign:
    """Always option 0."""

    def choose(self, point: ChoicePoint, options: Sequence[str]) -> int:
        """Return 0."""
        del point, options
        return 0


@frozen
class Seeded:
    """
    Weighted draws: option 0 is left with the probability that is the weight of the point; the others share it equally.

    There is one random stream per owner and point, so that no draw moves another (SQS-007).

    Args:
        seed: Of the draws; two choosers with one seed draw alike.
        ties: Whether it is asked who goes first of those that are ready at one instant.
    """

    seed: int = 0
    ties: bool = field(default=False, kw_only=True)
    _streams: Streams = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Open the streams, which start anew with every chooser."""
        object.__setattr__(self, "_streams", Streams(self.seed))

    def choose(self, point: ChoicePoint, options: Sequence[str]) -> int:
        """Draw one lot; a point with a single option draws nothing."""
        others = len(options) - 1
        if others <= 0:
            return 0
        draw = self._streams[f"{point.owner}/{point.name}"].random()
        if draw >= point.weight:
            return 0
        return 1 + min(int(draw / point.weight * others), others - 1)


class Scripted:
    """
    Takes the departures of a script, and the default everywhere else.

    Args:
        text: Steps such as `duplicate orders#1 @0`, on lines of their own or between semicolons: what
            `Simulation.script` says of a run.
    Raises:
        UsageError: Something in the text is no step.

    >>> Scripted("duplicate orders#1 @0; crash charge#2 @0.002").unused
    ('duplicate orders#1 @0', 'crash charge#2 @0.002')
    """

    explores = True

    def __init__(self, text: str) -> None:
        self.steps = parse_script(text)
        self._wanted: dict[tuple[str, str, int, int], list[int]] = {}  # places of steps
        for place, step in enumerate(self.steps):
            self._wanted.setdefault((step.name, step.subject, step.at_us, step.nth), []).append(place)
        self.ties = any(step.name in ("tie", "clock.tie") for step in self.steps)

    def __repr__(self) -> str:
        """Show the script."""
        return f"Scripted({'; '.join(map(str, self.steps))!r})"

    def choose(self, point: ChoicePoint, options: Sequence[str]) -> int:
        """Return the option of the step that asks for this question; 0 where none does."""
        if not self._wanted:
            return 0
        subject = point.subject
        for name in (point.name.rpartition(".")[2], point.name):
            found = self._wanted.get((name, subject, point.at_us, point.nth))
            if found and self.steps[found[0]].option < len(options):
                option = self.steps[found.pop(0)].option
                if not found:
                    del self._wanted[name, subject, point.at_us, point.nth]
                return option
        return 0

    @property
    def unused(self) -> tuple[str, ...]:
        """The steps that nobody has asked for so far."""
        return tuple(
            str(self.steps[place]) for place in sorted(place for places in self._wanted.values() for place in places)
        )

    def warn_of_unused(self, *, stacklevel: int = 2) -> None:
        """Warn of steps that do not apply any more: what they replay has changed, which need not be wrong."""
        if self.unused:
            msg = f"steps of a script that no longer apply: {'; '.join(self.unused)}"
            warnings.warn(msg, stacklevel=stacklevel + 1)


def _show_choice(choice: Choice, _messages: Sequence[object]) -> tuple[str, dict[str, Any]]:
    return choice.subject, {"point": choice.point, "option": choice.option, "words": choice.words}


CHOSEN: Final = Kind(
    "choice made",
    _show_choice,
    touches=lambda _choice, messages: messages,
    tell=lambda choice, _messages: f"! {choice.point}: {choice.words}",
)


class Questions:
    """Asks the chooser of a clock, checks what it says, and keeps what was not the default."""

    __slots__ = ("_asked", "_asked_at_us", "_clock", "departures", "is_cut")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: dict[tuple[str, object], int] = {}  # at this instant
        self._asked_at_us = -1
        self.departures: list[Choice] = []  #: so far, in order
        self.is_cut = False  #: there were more, which nobody has kept

    def ask(
        self,
        name: str,
        owner: str,
        weight: float,
        options: Sequence[str],
        about: Labelled | str,
        *,
        messages: Sequence[object] = (),
        is_call: bool = False,
    ) -> int:
        """
        Return the option that is chosen.

        Args:
            name, owner, weight: Of the point.
            options: In words, the default first; made when somebody looks.
            about: What the question is about: something with a `label`, or a text without spaces.
            messages: Those that it touches, for their stories.
            is_call: Whether an answer other than 0 reaches a caller as an error: an exploring chooser is not asked of
                calls that no handler makes, such as those of the test itself.
        Raises:
            UsageError: The chooser says what is no option.
        """
        clock = self._clock
        chooser = clock.lots
        if is_call and clock.fiber is None and getattr(chooser, "explores", False):
            return 0
        now_us = clock.now_us
        if now_us != self._asked_at_us:
            self._asked_at_us = now_us
            self._asked.clear()
        key = (name, about)
        self._asked[key] = nth = self._asked.get(key, 0) + 1
        point = ChoicePoint(name=name, owner=owner, weight=weight, about=about, at_us=now_us, nth=nth)
        index = chooser.choose(point, options)
        if type(index) is not int or not 0 <= index < len(options):
            msg = f"{chooser!r} chose {index!r} at {name}; it must be an index from 0 to {len(options) - 1}"
            raise UsageError(msg)
        if index:
            choice = Choice(name, owner, point.subject, now_us, nth, index, options[index])
            if len(self.departures) < DEPARTURES_MAX:
                self.departures.append(choice)
            else:
                self.is_cut = True
            if clock.trace.active:
                clock.trace.add((now_us, CHOSEN, choice, tuple(messages)))
        return index


class Lots:
    """Asks at points of one owner; a point whose weight is 0 is never asked."""

    __slots__ = ("_clock", "_label", "_owner", "_weights")

    def __init__(self, clock: Clock, owner: str, weights: Mapping[str, float], label: str = "") -> None:
        self._clock = clock
        self._owner = owner
        self._label = label
        self._weights = {name: weight for name, weight in weights.items() if weight}

    def may(self, name: str) -> bool:
        """Return whether there is anything to ask."""
        return name in self._weights

    def ask(
        self,
        name: str,
        options: Sequence[str],
        about: Labelled | str | None = None,
        messages: Sequence[object] = (),
        *,
        is_call: bool = False,
    ) -> int:
        """
        Return the option that is chosen, of a point that is about its owner unless *about* says otherwise.

        Whoever chooses may be somebody's own code, and wrong: what it raises leaves the run, once what is under way is
        complete with option 0.
        """
        weight = self._weights.get(name)
        if weight is None or len(options) < 2:
            return 0
        clock = self._clock
        subject = self._label if about is None else about
        try:
            return clock.questions.ask(name, self._owner, weight, options, subject, messages=messages, is_call=is_call)
        except Exception as error:  # noqa: BLE001 - whatever it is, it leaves the run once what is under way is done
            clock.raise_soon(error)
            return 0


def _seconds(at_us: int) -> str:
    """
    Return an instant in seconds, exactly and without needless digits.

    >>> _seconds(0), _seconds(1_500), _seconds(90_000_000)
    ('0', '0.0015', '90')
    """
    whole, part = divmod(at_us, _MICROSECONDS)
    return f"{whole}.{part:06}".rstrip("0").rstrip(".") if part else str(whole)
