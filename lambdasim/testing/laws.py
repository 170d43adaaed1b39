"""
Laws: what should hold of a run, whatever SQS and Lambda did meanwhile.

A law is a callable of the simulation that raises `AssertionError`, with a line for each violation that names the
messages concerned. It is asked when the run is over, and reads the trace, which must hold all of it: `trace=None`.
`check_laws` asks several and reports everything that is broken; a callable of your own may be among them.

Parameters of a law are bound before: `partial(no_message_lost, queues=[orders])`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import define, field

from lambdasim.clock import Trace
from lambdasim.errors import UsageError
from lambdasim.esm.events import EventMaker
from lambdasim.lambda_ import Invocation, Outcome
from lambdasim.lambda_.admission import BEGUN, ENDED
from lambdasim.simulation import Simulation
from lambdasim.sqs import Message, Queue
from lambdasim.sqs.records import (
    DELETED,
    DELIVERED,
    EXPIRED,
    KEPT,
    MOVED,
    PURGED,
    REDRIVEN,
    SENT,
)
from lambdasim.units import MICROSECONDS

Law = Callable[[Simulation], object]
"""Raises `AssertionError` where something is wrong with a simulation."""

_BODY_CHARS: Final = 40


# ---- the laws


def no_message_lost(sim: Simulation, *, queues: Iterable[Queue | str] | None = None) -> None:
    """
    Hold that each message was done by a successful run, or is still in a queue, a dead-letter queue included.

    Lost is what expired, was purged, went with its queue, or was deleted by whomever, while no run had done it. A run
    has done a message if it succeeded and its answer does not name the message in `batchItemFailures`. What a filter of
    a mapping turned away was never meant to run, and what a run still holds may yet be done: neither is lost.

    Args:
        sim: When the run is over.
        queues: Look only at what was sent to these queues, or to queues of these names; None: to all.
    Raises:
        AssertionError: Names each message that is lost, and how it went.
        UsageError: The trace does not hold everything.
    """
    story = _read(sim)
    there = {_key(message) for queue in sim.queues for message in queue.messages}
    lost = [
        f"{life} {life.fate}, and {_never_done(life)}"
        for life in story.lives_of(queues)
        if not life.is_done and not life.is_running and not life.keys & there and not _was_filtered(sim, life)
    ]
    _report(f"{_messages(lost)} lost", lost)


def effect_exactly_once(
    effects: Iterable[Any] | Callable[[], Iterable[Any]],
    *,
    key: Callable[[Any], Hashable] | None = None,
    expected: Iterable[Hashable] | Callable[[Message], Hashable] | None = None,
) -> Law:
    """
    Return the law that each effect happened exactly once.

    Args:
        effects: What was done to the outside, each time it was done: a list, a `sim.remote([…])`, or a callable that
            returns one. It is read when the law is asked.
        key: Of an effect, what may happen once only; None: the effect itself.
        expected: The keys that must be there, or a callable that says which key a message sent should lead to; None:
            whatever is there must be there once.

    The law raises `AssertionError`: it says which key happened how often, and names the messages whose body or id is
    that key, or which should lead to it.
    """
    if isinstance(expected, Iterable):
        expected = list(expected)

    def exactly_once(sim: Simulation) -> None:
        lives = _read(sim).lives_of(None)
        tally = _Tally()
        for effect in effects if isinstance(effects, Iterable) else effects():  # what is remote can be called, too
            tally.entry(effect if key is None else key(effect)).count += 1
        if callable(expected):
            for life in lives:
                wanted = expected(life.first)
                if wanted is not None:
                    tally.entry(wanted).labels[life.first.label] = None
        else:
            for wanted in expected or ():
                tally.entry(wanted)
        wrong = []
        for entry in tally.entries:
            if entry.count != 1:
                ids = [life.first.label for life in lives if entry.key in (life.first.body, life.first.message_id)]
                labels = list(entry.labels) or ids
                often = f"{entry.count} times" if entry.count else "never"
                whose = f" ({', '.join(labels)})" if labels else ""
                wrong.append(f"{entry.key!r} happened {often}{whose}")
        _report("each effect must happen exactly once", wrong)

    return exactly_once


def order_within_group(sim: Simulation, *, queues: Iterable[Queue | str] | None = None) -> None:
    """
    Hold that functions do the messages of each group of a FIFO queue in the order in which they came to the queue.

    A message must not be begun before each earlier one of its group is done or has left the queue, and must not be done
    before it in the same batch. An earlier one that is deleted while its run goes on counts as not done until the run
    has ended. To run once more what was done before is no violation; it may happen at any time.

    Args:
        sim: When the run is over.
        queues: Look only at these queues, or queues of these names; None: at all.
    Raises:
        AssertionError: Names each message that came too early, and the one that it overtook.
        UsageError: The trace does not hold everything.
    """
    story = _read(sim)
    names = _names(queues)
    wrong = [text for name, text in story.overtakings if names is None or name in names]
    _report("the order within a group is broken", wrong)


def nothing_dead_unrun(sim: Simulation, *, queues: Iterable[Queue | str] | None = None) -> None:
    """
    Hold that no redrive policy moved a message to a dead-letter queue which no function had ever run.

    Such messages were received too often for other reasons: throttles, a visibility timeout that is too short, answers
    that were lost. It is the configuration that keeps this law, if no answer is lost, not the handler.

    Args:
        sim: When the run is over.
        queues: Look only at what was sent to these queues, or to queues of these names; None: to all.
    Raises:
        AssertionError: Names each such message.
        UsageError: The trace does not hold everything.
    """
    dead = [
        f"{life} was moved to {move.target} {_at(move.at_us)} after {_deliveries(move.receives)}, and never ran"
        for life in _read(sim).lives_of(queues)
        for move in life.moves
        if not any(run.began < move.place and run.is_real for run in life.runs)
    ]
    _report(f"{_messages(dead)} dead without a run", dead)


def failures_come_back(sim: Simulation, *, queues: Iterable[Queue | str] | None = None) -> None:
    """
    Hold that each message which a handler named in `batchItemFailures` comes back.

    It is delivered again, is still in a queue, came to a dead-letter queue, or was done by another run. The answers of
    handlers count even where the mapping does not read them, for want of `ReportBatchItemFailures`: such failures are
    deleted like successes.

    Args:
        sim: When the run is over.
        queues: Look only at what was sent to these queues, or to queues of these names; None: to all.
    Raises:
        AssertionError: Names each message that did not come back, and the invocation that failed it.
        UsageError: The trace does not hold everything.
    """
    there = {_key(message) for queue in sim.queues for message in queue.messages}
    gone = []
    for life in _read(sim).lives_of(queues):
        if life.is_done or life.keys & there:
            continue
        for run in life.runs:
            came_back = any(place > run.began for place in (*life.deliveries, *(move.place for move in life.moves)))
            if life in run.failed and not came_back:
                gone.append(
                    f"{life} was reported as failed by {run.invocation.label} {_at(run.ended_at_us)}, and did not come "
                    f"back: it {life.fate}"
                )
    _report(f"{_messages(gone)} reported as failed, and did not come back", gone)


def no_run_after_deletion(sim: Simulation, *, queues: Iterable[Queue | str] | None = None) -> None:
    """
    Hold that no run of a message begins after its deletion was acknowledged, to whomever.

    SQS acknowledges deletions without effect too: those with an old handle, and on a standard queue those that it
    loses. So no handler can keep this law whatever happens; it tells who has to cope with a message once more.

    Args:
        sim: When the run is over.
        queues: Look only at what was sent to these queues, or to queues of these names; None: to all.
    Raises:
        AssertionError: Names each message, the deletion and the invocation.
        UsageError: The trace does not hold everything.
    """
    wrong = []
    for life in _read(sim).lives_of(queues):
        if life.deleted_at is None:
            continue
        place, at_us = life.deleted_at
        late = [run for run in life.runs if run.began > place]
        if late:
            others = f", and {len(late) - 1} more after it" if late[1:] else ""
            wrong.append(
                f"{life} was processed by {late[0].invocation.label} {_at(late[0].began_at_us)}{others}: its deletion "
                f"had been acknowledged {_at(at_us)}"
            )
    _report("messages were processed after their deletion", wrong)


# ---- several laws


def check_laws(sim: Simulation, *laws: Law) -> None:
    """
    Look at all these laws.

    Args:
        sim: When the run is over.
        laws: Callables of the simulation; without any, those that a right handler keeps whatever AWS permits:
            `no_message_lost`, `order_within_group` and `failures_come_back`.
    Raises:
        AssertionError: Lists every violation of every law.
        UsageError: The trace does not hold everything.
    """
    broken: list[str] = []
    cause: AssertionError | None = None
    for law in laws or LASTING_LAWS:
        try:
            law(sim)
        except AssertionError as error:
            broken.append(str(error) or _name_of(law))
            cause = error if cause is None else cause
    if len(broken) == 1:
        assert cause is not None
        raise cause
    if broken:
        raise AssertionError(f"{len(broken)} laws are broken\n" + "\n".join(broken)) from cause


def all_laws(*laws: Law) -> Law:
    """Return one law that looks at all of these, as `check_laws` does."""

    def every_law(sim: Simulation) -> None:
        check_laws(sim, *laws)

    return every_law


LASTING_LAWS: Final[tuple[Law, ...]] = (no_message_lost, order_within_group, failures_come_back)


# ---- what happened, message by message

_Key = tuple[Any, int]  # the same for all objects that stand for a message, wherever it is moved


@define(eq=False)
class _Run:
    """One invocation that a mapping made; *began* and the like are places in the trace."""

    invocation: Invocation
    began: int
    began_at_us: int
    ended_at_us: int | None = None
    failed: tuple[_Life, ...] = ()  # that its answer named

    @property
    def is_real(self) -> bool:
        """Whether the handler ran at all."""
        return self.invocation.outcome is not Outcome.INIT_ERROR


@define(eq=False)
class _Move:
    """One move by a redrive policy."""

    place: int
    at_us: int
    target: str
    receives: int


@define(eq=False)
class _Life:
    """All that befell one message, those included that move tasks made of it."""

    first: Message
    sent_to: str
    keys: set[_Key] = field(factory=set)
    queue: Any = None  # the queue it is in, or was in last
    message: Any = None  # as it was there
    runs: list[_Run] = field(factory=list)
    deliveries: list[int] = field(factory=list)
    moves: list[_Move] = field(factory=list)
    deleted_at: tuple[int, int] | None = None  # the first acknowledged deletion: place, instant
    end: str = "went with its queue"
    ended_at_us: int | None = None
    is_done: bool = False

    @property
    def is_running(self) -> bool:
        """Whether a run has not ended."""
        return any(run.ended_at_us is None for run in self.runs)

    @property
    def fate(self) -> str:
        """How it left the last queue, once it is in none."""
        return self.end if self.ended_at_us is None else f"{self.end} {_at(self.ended_at_us)}"

    def __str__(self) -> str:
        """Name the message."""
        body = self.first.body if len(self.first.body) <= _BODY_CHARS else f"{self.first.body[: _BODY_CHARS - 3]}..."
        return f"{self.first.label} {body!r}"


class _Story:
    """The trace, read once from its beginning to its end."""

    def __init__(self, trace: Trace) -> None:
        self.lives: list[_Life] = []
        self.overtakings: list[tuple[str, str]] = []  # name of the queue, what is wrong
        self._by_key: dict[_Key, _Life] = {}
        self._runs: dict[Invocation, _Run] = {}
        self._lines: dict[tuple[Any, str], dict[_Life, None]] = {}  # by queue and group: what is there, in order
        self._deleted_early: set[_Life] = set()  # while a run went on: they are in line until it ends
        self._overtaken: set[tuple[_Life, _Life]] = set()
        readers: dict[str, Callable[..., None]] = {
            SENT.name: self._on_sent,
            DELIVERED.name: self._on_delivered,
            MOVED.name: self._on_moved,
            REDRIVEN.name: self._on_redriven,
            DELETED.name: self._on_deleted,
            KEPT.name: self._on_kept,
            EXPIRED.name: self._on_expired,
            PURGED.name: self._on_purged,
            BEGUN.name: self._on_begun,
            ENDED.name: self._on_ended,
        }
        for place, (at_us, kind, *parts) in enumerate(trace.entries()):
            reader = readers.get(kind.name)
            if reader is not None:
                reader(place, at_us, *parts)

    def lives_of(self, queues: Iterable[Queue | str] | None) -> list[_Life]:
        """Return what was sent to these queues, in order."""
        names = _names(queues)
        return [life for life in self.lives if names is None or life.sent_to in names]

    # ---- messages come and go

    def _on_sent(self, _place: int, _at_us: int, queue: Queue, message: Message) -> None:
        life = self._by_key.get(_key(message))
        if life is None:  # else a move task sends it
            life = _Life(message, queue.name)
            self.lives.append(life)
            self._by_key[_key(message)] = life
            life.keys.add(_key(message))
        self._enter(life, queue, message)

    def _on_delivered(self, place: int, _at_us: int, _queue: Queue, message: Message, _count: int) -> None:
        self._by_key[_key(message)].deliveries.append(place)

    def _on_moved(
        self, place: int, at_us: int, queue: Queue, message: Message, target: Queue, _count: int, _limit: int
    ) -> None:
        life = self._by_key[_key(message)]
        life.moves.append(_Move(place, at_us, target.name, message.receive_count))
        self._leave(life, queue)
        self._enter(life, target, message)

    def _on_redriven(
        self, _place: int, _at_us: int, queue: Queue, message: Message, _target: Queue, new: Message
    ) -> None:
        life = self._by_key[_key(message)]
        self._by_key[_key(new)] = life
        life.keys.add(_key(new))
        self._leave(life, queue)

    def _on_deleted(self, place: int, at_us: int, queue: Queue, message: Message) -> None:
        life = self._by_key[_key(message)]
        life.deleted_at = life.deleted_at or (place, at_us)
        self._go(life, queue, message, at_us, "was deleted from")
        if life.is_running:
            self._deleted_early.add(life)
        else:
            self._leave(life, queue)

    def _on_kept(self, place: int, at_us: int, _queue: Queue, message: Message) -> None:
        life = self._by_key[_key(message)]
        life.deleted_at = life.deleted_at or (place, at_us)

    def _on_expired(self, _place: int, at_us: int, queue: Queue, message: Message) -> None:
        life = self._by_key[_key(message)]
        self._go(life, queue, message, at_us, "expired in")
        self._leave(life, queue)

    def _on_purged(self, _place: int, at_us: int, queue: Queue, message: Message) -> None:
        life = self._by_key[_key(message)]
        self._go(life, queue, message, at_us, "was purged from")
        self._leave(life, queue)

    def _go(self, life: _Life, queue: Queue, message: Message, at_us: int, how: str) -> None:
        life.message, life.end, life.ended_at_us = message, f"{how} {queue.name}", at_us

    def _enter(self, life: _Life, queue: Queue, message: Message) -> None:
        life.queue, life.message = queue, message
        if queue.is_fifo:
            self._lines.setdefault((queue, str(message.message_group_id)), {})[life] = None

    def _leave(self, life: _Life, queue: Queue) -> None:
        if queue.is_fifo:
            self._line_of(life, queue).pop(life, None)

    def _line_of(self, life: _Life, queue: Queue) -> dict[_Life, None]:
        return self._lines.get((queue, str(life.message.message_group_id)), {})

    # ---- runs

    def _on_begun(self, place: int, at_us: int, invocation: Invocation, messages: Sequence[Message]) -> None:
        lives = {self._by_key[_key(message)]: message for message in messages}
        run = self._runs[invocation] = _Run(invocation, place, at_us)
        before: set[_Life] = set()
        for life, message in lives.items():
            self._judge(life, message, before, f"began in {invocation.label} {_at(at_us)}")
            before.add(life)
        for life in lives:
            life.runs.append(run)

    def _on_ended(self, _place: int, at_us: int, invocation: Invocation, messages: Sequence[Message]) -> None:
        run = self._runs[invocation]
        run.ended_at_us = at_us
        lives = {self._by_key[_key(message)]: message for message in messages}
        if invocation.outcome is Outcome.SUCCESS:
            named = _named_failures(invocation.result)
            run.failed = tuple(life for life, message in lives.items() if message.message_id in named)
            for life, message in lives.items():
                if life not in run.failed:
                    self._judge(life, message, (), f"was done by {invocation.label} {_at(at_us)}")
                    life.is_done = True
        for life in lives:
            if life in self._deleted_early and not life.is_running:
                self._deleted_early.remove(life)
                self._leave(life, life.queue)

    def _judge(self, life: _Life, message: Message, before: Collection[_Life], what: str) -> None:
        """Look for an earlier one of the group that is still to be done; those of *before* are about to be."""
        queue = life.queue
        if not queue.is_fifo or not message._belongs_to(queue._series, queue.arn):
            return
        line = self._line_of(life, queue)
        if life not in line:
            return
        for other in line:
            if other is life:
                return
            if not other.is_done and other not in before:
                if (life, other) not in self._overtaken:
                    self._overtaken.add((life, other))
                    group = message.message_group_id
                    self.overtakings.append((queue.name, f"{life} of group {group!r} {what}, before {other} was done"))
                return


def _read(sim: Simulation) -> _Story:
    """
    Return what happened.

    Raises:
        UsageError: The trace has lost, or may have lost, its beginning.
    """
    trace = sim.trace
    if trace._limit is not None and len(trace._entries) >= trace._limit:
        msg = "the trace no longer holds everything that happened; laws need it: Simulation(trace=None)"
        raise UsageError(msg)
    return _Story(trace)


# ---- words and small things


def _key(message: Message) -> _Key:
    return message._series, message._number


def _names(queues: Iterable[Queue | str] | None) -> set[str] | None:
    return None if queues is None else {queue if isinstance(queue, str) else queue.name for queue in queues}


def _named_failures(result: Any) -> set[str]:
    """Return the ids that an answer names as failed; what is no such answer names none."""
    entries = result.get("batchItemFailures") if isinstance(result, Mapping) else None
    if not isinstance(entries, list | tuple):
        return set()
    named = (entry.get("itemIdentifier") for entry in entries if isinstance(entry, Mapping))
    return {name for name in named if isinstance(name, str)}


def _was_filtered(sim: Simulation, life: _Life) -> bool:
    """Return whether it was deleted because a mapping's filter does not let it pass."""
    if life.runs or not life.end.startswith("was deleted"):
        return False
    for mapping in sim.event_source_mappings:
        if mapping.queue is life.queue:
            (record,) = EventMaker(mapping.queue, shows_empty_digest=False).event((life.message,), (1,))["Records"]
            if not mapping.filters.accepts(record):
                return True
    return False


def _never_done(life: _Life) -> str:
    if not any(run.is_real for run in life.runs):
        return "no function had run it"
    run = life.runs[-1]
    if life in run.failed:
        return f"{run.invocation.label} had reported it as failed"
    return f"no run had done it: {run.invocation.label} ended with {run.invocation.verdict}"


@define(eq=False)
class _Entry:
    """One key of effects."""

    key: Any
    count: int = 0
    labels: dict[str, None] = field(factory=dict)  # of messages that should lead to it


class _Tally:
    """Counts by key; keys that cannot be hashed are compared one by one."""

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self._by_key: dict[Any, _Entry] = {}

    def entry(self, key: Any) -> _Entry:
        """Return what there is of a key, from now on if there was nothing."""
        try:
            found = self._by_key.get(key)
        except TypeError:
            found = next((entry for entry in self.entries if entry.key == key), None)
            if found is None:
                self.entries.append(found := _Entry(key))
            return found
        if found is None:
            self.entries.append(found := _Entry(key))
            self._by_key[key] = found
        return found


def _messages(lines: Sequence[str]) -> str:
    return "1 message is" if len(lines) == 1 else f"{len(lines)} messages are"


def _deliveries(count: int) -> str:
    return "1 delivery" if count == 1 else f"{count} deliveries"


def _at(at_us: int | None) -> str:
    return "" if at_us is None else f"at {f'{at_us / MICROSECONDS:.6f}'.rstrip('0').rstrip('.')} s"


def _name_of(law: Law) -> str:
    return str(getattr(law, "__name__", repr(law)))


def _report(headline: str, lines: Sequence[str]) -> None:
    if lines:
        raise AssertionError("\n".join([headline, *(f"  {line}" for line in lines)]))
