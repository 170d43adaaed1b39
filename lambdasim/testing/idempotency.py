"""
`assert_idempotent`: whatever SQS and Lambda permit is played against a handler, in one line.

What must come out is not written down but computed: the record of effects of delivering every message exactly once, in
some permitted order. Messages of a standard queue may come in any order and at the same time, so the records that are
right are those of each order, and every way of running the records of single messages together; on a FIFO queue the
same holds of whole groups.
"""

from __future__ import annotations

import copy
import itertools
import re
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final

from attrs import define, field, frozen

from lambdasim.clock import Benign, Chooser, Scripted
from lambdasim.clock.words import show
from lambdasim.errors import UsageError
from lambdasim.lambda_.fibers import OPERATED
from lambdasim.simulation import Simulation
from lambdasim.sqs import Message, Queue, RedrivePolicy
from lambdasim.testing.building import FaultsLike, build
from lambdasim.testing.choosers import Planned
from lambdasim.testing.defaults import defaults
from lambdasim.testing.replaying import ReplayWarning
from lambdasim.testing.replaying import complaint as complaint_of_unused
from lambdasim.testing.searching import Budget, Run, Search
from lambdasim.testing.telling import tell

Make = Callable[[Simulation], tuple[Any, Callable[[], Any]]]

_ORDERS_MAX: Final = 720  # orders of messages that are played for the record that is right
_WITHIN_S: Final = 3_600
_FEWER_MAX: Final = 3
_SHRINKING_MAX: Final = 3_000  # runs that are spent on doing it with fewer messages
_SHRINKING_OF_ONE_MAX: Final = 200  # of them, on one choice of messages
_UNSTABLE: Final = (
    "the record depends on something else, such as what is kept from run to run outside of make, random numbers, "
    "uuid4(), or objects that are equal to themselves only"
)
LATER_S: Final = 1  #: how long after the one before it a message may be sent: less than `STALL_S`


class _Given:
    """Says that nothing was given."""

    def __repr__(self) -> str:
        return "not given"


NOT_GIVEN: Final = _Given()


@frozen
class Outcome:
    """What came of one run."""

    sim: Simulation
    effects: Any  #: the record, None where the run did not come that far
    left: tuple[str, ...]  #: messages that are neither done nor in a dead-letter queue
    dead: tuple[int, ...]  #: which of the messages that were sent are in the dead-letter queue, from 0
    error: BaseException | None  #: what left the run


@frozen(kw_only=True)
class Setting:
    """The queue, the mapping and the function around the handler; names and bounds are AWS's."""

    queue_name: str = "orders"
    function_name: str | None = None
    queue: Mapping[str, Any] = field(factory=dict)
    function: Mapping[str, Any] = field(factory=dict)
    mapping: Mapping[str, Any] = field(factory=dict)
    max_receive_count: int | None = None
    faults: FaultsLike | None = None
    options: Mapping[str, Any] = field(factory=dict)
    within_s: float = _WITHIN_S


def assert_idempotent(
    make: Make,
    messages: Sequence[str | Mapping[str, Any]],
    *,
    expected: Any = NOT_GIVEN,
    faults: FaultsLike | None = None,
    at_most: int = 3,
    runs: int | None = None,
    replay: str | None = None,
    seed: int | None = None,
    queue_name: str = "orders",
    function_name: str | None = None,
    batch_size: int = 10,
    function_response_types: Sequence[str] = (),
    max_receive_count: int | None = None,
    queue: Mapping[str, Any] | None = None,
    function: Mapping[str, Any] | None = None,
    mapping: Mapping[str, Any] | None = None,
    within: float = _WITHIN_S,
    **options: Any,
) -> Report:
    """
    Assert that a handler does the same to the outside, whatever SQS and Lambda do that they may.

    Args:
        make: Called with a fresh simulation for each run. Builds the outside world anew (put it behind
            `sim.remote(…)`, so that it can be overtaken there), and returns `(handler, effects)`. The handler is a
            function, plain or coroutine, the text `"app.handler"` of a deployed module, or a mapping of the keywords of
            `create_function` (`{"init": factory}`). `effects()` returns a record of all that was done to the outside,
            in order: a list, rather than the state in the end, so that effects that overwrite each other show.
        messages: Bodies, or mappings of parameters of `send_message`. With a `message_group_id` and no
            `queue_name`, the queue is a FIFO queue when every message has one and a deduplication id or none.
        expected: The record that is right; computed when not given: that of delivering every message exactly once, in
            some permitted order.
        faults: What may go wrong. Not given: all that AWS permits, except that calls which no handler makes are
            answered, and no mapping is disabled.
        at_most: Misfortunes in a run.
        runs: Runs to play, at most; 1,000 by default, and 10,000 with pytest's `--lambdasim-profile=nightly`. All with
            one misfortune come first, then combinations.
        replay: A script that is played before anything else: what a report said.
        seed: Of the simulations, and of the choice among combinations; 0, or that of pytest's `--lambdasim-seed`.
        queue_name, function_name: For stories; a name that ends in `.fifo` makes a FIFO queue.
        batch_size, function_response_types: Of the mapping.
        max_receive_count: With it there is a dead-letter queue, and what lands there need not be done.
        queue, function, mapping: More keywords of `create_queue`, `create_function` and
            `create_event_source_mapping`.
        within: Simulated seconds after which a message that is still there counts as never done.
        options: Of `Simulation`.
    Returns:
        How many runs were played.
    Raises:
        AssertionError: With the simplest run found that breaks the handler: what came out, what was expected, the
            story, and the text that replays it.
        UsageError: An argument that means nothing, or a `make` that does not return what it should.

    >>> def make(sim):
    ...     charges = sim.remote([], name="charges")
    ...
    ...     def charge(event, context):
    ...         for record in event["Records"]:
    ...             if record["body"] not in charges:
    ...                 charges.append(record["body"])
    ...
    ...     return charge, lambda: charges
    >>> try:
    ...     assert_idempotent(make, ["o-1"])
    ... except AssertionError as error:
    ...     print(error)
    the handler is not idempotent: 1 message and 1 misfortune are enough (found in run 2)
    expected: ['o-1']
    got:      ['o-1', 'o-1']
    messages: 'o-1'
    """
    runs = defaults().runs if runs is None else runs
    seed = defaults().seed if seed is None else seed
    for name, value in (("runs", runs), ("at_most", at_most)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            msg = f"{name}={value!r} is no number; give 0 or more"
            raise UsageError(msg)
    trial = trial_of(
        make,
        messages,
        expected=expected,
        faults=faults,
        queue_name=queue_name,
        function_name=function_name,
        batch_size=batch_size,
        function_response_types=function_response_types,
        max_receive_count=max_receive_count,
        queue=queue,
        function=function,
        mapping=mapping,
        within=within,
        seed=seed,
        **options,
    )
    trial.check()
    if replay is not None:
        trial.replay(replay)
    return trial.search(at_most, Budget(runs), Random(seed))


def trial_of(
    make: Make,
    messages: Sequence[str | Mapping[str, Any]],
    *,
    expected: Any = NOT_GIVEN,
    faults: FaultsLike | None = None,
    queue_name: str = "orders",
    function_name: str | None = None,
    batch_size: int = 10,
    function_response_types: Sequence[str] = (),
    max_receive_count: int | None = None,
    queue: Mapping[str, Any] | None = None,
    function: Mapping[str, Any] | None = None,
    mapping: Mapping[str, Any] | None = None,
    within: float = _WITHIN_S,
    **options: Any,
) -> Trial:
    """Return what plays the runs of `assert_idempotent` and judges them."""
    if not callable(make):
        msg = f"make={make!r} cannot be called; give a function of a simulation that returns (handler, effects)"
        raise UsageError(msg)
    if not messages or isinstance(messages, str):
        msg = f"messages={messages!r}: give at least one message, such as messages=['order-1']"
        raise UsageError(msg)
    sends = [_parameters(message) for message in messages]
    is_fifo = queue_name.endswith(".fifo") or all(
        "message_group_id" in send and "message_deduplication_id" in send for send in sends
    )
    if is_fifo and not queue_name.endswith(".fifo"):
        queue_name = f"{queue_name}.fifo"
    attributes: dict[str, Any] = dict(queue or {})
    if is_fifo:
        attributes.setdefault("content_based_deduplication", True)
        for send in sends:
            send.setdefault("message_group_id", "group")
    setting = Setting(
        queue_name=queue_name,
        function_name=function_name,
        queue=attributes,
        function=dict(function or {}),
        mapping={
            "batch_size": batch_size,
            "function_response_types": function_response_types,
            **(mapping or {}),
        },
        max_receive_count=max_receive_count,
        faults=faults,
        options=options,
        within_s=within,
    )
    return Trial(make, sends, setting, is_fifo=is_fifo, expected=expected)


@frozen
class Report:
    """What a search that found nothing has played."""

    runs: int  #: how many runs were played
    departures: Mapping[int, int]  #: how many runs by number of misfortunes


@define(eq=False)
class Trial:
    """One call of `assert_idempotent`."""

    make: Make
    sends: list[dict[str, Any]]
    setting: Setting
    is_fifo: bool = field(kw_only=True)
    expected: Any = field(kw_only=True)
    _right: dict[tuple[int, ...], _Right] = field(factory=dict, init=False)

    def check(self) -> None:
        """Let what is wrong with the world or the messages be said as it is, before it is taken for a finding."""
        _, queue, _ = self._build(Benign(), None)
        for send in self.sends:
            queue.send_message(**send)

    # ---- one run

    def play(self, choices: Chooser, places: Sequence[int]) -> Outcome:
        """Send the messages of these places at once, and run until none is left."""
        with_luck = None if isinstance(choices, Benign) else self.setting.faults
        sim, queue, effects = self._build(choices, with_luck)
        return self._finish(sim, queue, effects, lambda: self._send(sim, queue, places))

    def _send(self, sim: Simulation, queue: Queue, places: Sequence[int], sent: int = 0) -> None:
        """Send messages one after the other; before any but the first there may be a while (`test.later`)."""
        for place in range(sent, len(places)):
            if place > sent and self.setting.faults is None and self._is_later(sim, queue, place):
                sim.call_later(LATER_S, self._send, sim, queue, places, place)
                return
            queue.send_message(**self.sends[places[place]])

    def _is_later(self, sim: Simulation, queue: Queue, place: int) -> bool:
        label = f"{self.setting.queue_name}#{place + 1}"
        options = ("at once", f"{LATER_S:g} s after those before it")
        return sim.clock.questions.ask("test.later", queue.arn, 0.01, options, label) == 1

    def _build(self, choices: Chooser, faults: FaultsLike | None) -> tuple[Simulation, Queue, Callable[[], Any]]:
        setting = self.setting
        sim = build(choices, faults, **setting.options)
        handler, effects = _made(self.make(sim))
        attributes = dict(setting.queue)
        if setting.max_receive_count is not None:
            ending = ".fifo" if self.is_fifo else ""
            dead = sim.create_queue(f"{setting.queue_name.removesuffix('.fifo')}-dlq{ending}")
            attributes["redrive_policy"] = RedrivePolicy(dead, max_receive_count=setting.max_receive_count)
        queue = sim.create_queue(setting.queue_name, **attributes)
        given = {**(handler if isinstance(handler, Mapping) else {"handler": handler}), **setting.function}
        name = setting.function_name or _name_of(given.get("handler"))
        worker = sim.create_function(name, **given)
        sim.create_event_source_mapping(queue, worker, **setting.mapping)
        return sim, queue, effects

    def _finish(
        self, sim: Simulation, queue: Queue, effects: Callable[[], Any], begin: Callable[[], object]
    ) -> Outcome:
        deadline_us = round(self.setting.within_s * 1_000_000)
        try:
            begin()
            while sim.now_us <= deadline_us and sim.step():
                pass
            record = effects()
        except Exception as error:  # of the handler's own assertions, or of the world around it
            return Outcome(sim, None, (), (), error)
        record = _copied(record)
        dead = queue.dead_letter_queue
        return Outcome(
            sim,
            record,
            tuple(message.label for message in queue.messages),
            () if dead is None else tuple(message._number - 1 for message in dead.messages),
            None,
        )

    # ---- what is right

    def complaint(self, outcome: Outcome, places: tuple[int, ...]) -> str:
        """Return what is wrong with the outcome of a run; empty: nothing."""
        if outcome.error is not None:
            return f"{type(outcome.error).__name__} left the run: {outcome.error}"
        if outcome.left:
            within = f"{self.setting.within_s:g} simulated seconds"
            return f"after {within} there is still {', '.join(outcome.left)}: the handler never gets done with it"
        right = self._right.get(places)
        if right is None:
            right = self._right[places] = _Right(self, places)
        return right.complaint(outcome)

    # ---- the search

    def replay(self, script: str) -> None:
        """Play a script with few messages, as it may have been found, then with all."""
        everything = tuple(range(len(self.sends)))
        played = []
        for places in itertools.chain(self._fewer(everything), [everything]):
            choices = Scripted(script)
            outcome = self.play(choices, places)
            complaint = self.complaint(outcome, places)
            if complaint:
                self._fail(outcome, complaint, places, "the script that was given")
            played.append(choices)
        if all(choices.unused for choices in played):
            warnings.warn(complaint_of_unused(played[-1].unused), ReplayWarning, stacklevel=3)

    def _fewer(self, places: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the messages that may do as well as all of these: one, two or three of them."""
        if self.expected is NOT_GIVEN:
            for count in range(1, min(len(places), _FEWER_MAX + 1)):
                yield from itertools.combinations(places, count)

    def search(self, at_most: int, budget: Budget, random: Random) -> Report:
        """Play runs, simplest first, and raise of the first bad one, shrunk."""
        searches = [self._searcher(places, at_most, budget, random) for places in self._scopes()]
        counts: dict[int, int] = {}
        for departures in range(at_most + 1):
            for places, search, run in _in_turn(searches, departures):
                counts[departures] = counts.get(departures, 0) + 1
                if search.is_bad(run.result):
                    self._report(run, search, places, budget)
            records = [search.benign.result.effects for _, search in searches if search.benign is not None]
            if not departures and records and all(record is None for record in records):
                msg = "effects() returned None in every run; it must return a record of what was done, such as a list"
                raise UsageError(msg)
        return Report(budget.played, counts)

    def _scopes(self) -> list[tuple[int, ...]]:
        """Return which messages are played: the first, the first two, all."""
        count = len(self.sends)
        if self.expected is not NOT_GIVEN:  # which is right for all of them only
            return [tuple(range(count))]
        return [tuple(range(size)) for size in sorted({1, min(2, count), count})]

    def _searcher(
        self, places: tuple[int, ...], at_most: int, budget: Budget, random: Random
    ) -> tuple[tuple[int, ...], Search[Outcome]]:
        search = Search[Outcome](
            lambda chooser: self.play(chooser, places),
            lambda outcome: bool(self.complaint(outcome, places)),
            at_most,
            budget,
            random,
            shape_of,
        )
        return places, search

    def _report(self, run: Run[Outcome], search: Search[Outcome], places: tuple[int, ...], budget: Budget) -> None:
        found = f"run {budget.played}"
        run = search.shrink(run)
        run, places = self._with_fewer(run, places, search.at_most)
        complaint = self.complaint(run.result, places)
        again = self.play(Planned(run.plan), places)
        if not run.result.error and not again.error and run.result.effects != again.effects:
            complaint += f"\ngot:      {again.effects!r} when the same was played once more: {_UNSTABLE}"
        self._fail(run.result, complaint, places, found)

    def _with_fewer(
        self, run: Run[Outcome], places: tuple[int, ...], bound: int
    ) -> tuple[Run[Outcome], tuple[int, ...]]:
        """
        Return a bad run with as few messages as come of leaving some out.

        It has as many departures at most, or one, if so many may be, where there are more messages than anybody reads.
        """
        left = _SHRINKING_MAX
        at_most = max(run.departures, min(1, bound)) if len(places) > _FEWER_MAX else run.departures
        for fewer in self._fewer(places):
            budget = Budget(min(left, _SHRINKING_OF_ONE_MAX))
            _, search = self._searcher(fewer, at_most, budget, Random(0))
            for departures in range(at_most + 1):
                for tried in search.runs(departures):
                    if search.is_bad(tried.result):
                        return search.shrink(tried), fewer
            left -= budget.played
            if not left:
                break
        return run, places

    def _fail(self, outcome: Outcome, complaint: str, places: tuple[int, ...], found: str) -> None:
        count, departures = len(places), len(outcome.sim.departures)
        bodies = ", ".join(repr(self.sends[place]["message_body"]) for place in places)
        misfortunes = _count(departures, "misfortune") if departures else "no misfortune"
        enough = "is" if count + departures == 1 else "are"
        msg = (
            f"the handler is not idempotent: {_count(count, 'message')} and {misfortunes} {enough} enough (found in "
            f"{found})\n{complaint}\nmessages: {bodies}"
        )
        error = AssertionError(msg)
        if outcome.error is not None:
            error.__cause__ = outcome.error
        tell(error, outcome.sim, how="assert_idempotent(…, replay={script})")
        raise error


def _made(made: Any) -> tuple[Any, Callable[[], Any]]:
    """Return what `make` returned: a handler, and what tells of its effects."""
    if not isinstance(made, tuple) or len(made) != 2:
        msg = f"make(sim) returned {made!r}; it must return two things, (handler, effects)"
        raise UsageError(msg)
    handler, effects = made
    if handler is None:
        msg = "make(sim) returned no handler: None does nothing, so that there is nothing to find"
        raise UsageError(msg)
    if not callable(effects):
        msg = f"make(sim) returned {effects!r} as effects; it must be callable, such as lambda: {show(effects)}"
        raise UsageError(msg)
    return handler, effects


def _copied(record: Any) -> Any:
    """Return a copy of a record, for the world goes on."""
    try:
        return copy.deepcopy(record)
    except Exception as error:
        msg = (
            f"effects() returned a {type(record).__name__}, of which no copy can be made ({error}); "
            "return a record of what was done, such as a list"
        )
        raise UsageError(msg) from error


_Places = tuple[int, ...]


def _in_turn(
    searches: Sequence[tuple[_Places, Search[Outcome]]], departures: int
) -> Iterator[tuple[_Places, Search[Outcome], Run[Outcome]]]:
    """
    Yield the runs of several searches with so many departures.

    One search after the other, as long as each run of all of them is played; of combinations, of which there are more
    than the budget allows, one of each in turn.
    """
    waiting = deque((places, search, search.runs(departures)) for places, search in searches)
    while waiting:
        places, search, runs = waiting[0]
        run = next(runs, None)
        if run is None:
            waiting.popleft()
            continue
        yield places, search, run
        if departures > 1:
            waiting.rotate(-1)


def shape_of(outcome: Outcome) -> Hashable:
    """Return what tells one run from another: which invocations there were, and what they did when."""
    sim = outcome.sim
    invoked = [
        (
            invocation.label,
            invocation.started_at_us,
            invocation.ended_at_us,
            invocation.outcome.value,
            invocation.environment.id,
        )
        for function in sim.functions
        for invocation in function.invocations
    ]
    done = [(entry[0], entry[2].label, entry[3]) for entry in sim.trace.entries() if entry[1] is OPERATED]
    return tuple(invoked), tuple(done)


class _Right:
    """The records that are right for some of the messages."""

    def __init__(self, trial: Trial, places: tuple[int, ...]) -> None:
        self._trial = trial
        self._places = places
        self._orders: list[Any] = []
        self._coming: Iterator[Any] | None = None
        self._alone: list[Any] | None = None
        self._is_endless = False  # a message is never done by itself
        self._dead_anyway: Sequence[int] | None = None  # in the dead-letter queue without any misfortune

    def complaint(self, outcome: Outcome) -> str:
        """Return what is wrong with a record; empty: nothing."""
        trial, record = self._trial, outcome.effects
        if trial.expected is not NOT_GIVEN:
            wanted = trial.expected
            if record == wanted or (not trial.is_fifo and _same_elements(record, wanted)):
                return ""
            if self._has_more_dead(outcome) and _is_part(record, wanted):
                return ""  # nobody knows whose effects are missing
            return f"expected: {wanted!r}\ngot:      {record!r}"
        dead = [self._places[sent] for sent in outcome.dead]
        done = tuple(place for place in self._places if place not in dead)
        if done != self._places:
            return self._complaint_of_part(record, done)
        if any(record == right for right in self._orders) or self._is_blend(record):
            return ""
        if self._coming is None:
            self._coming = self._play_orders()
        for right in self._coming:
            self._orders.append(right)
            if record == right:
                return ""
        if not self._orders and self._is_endless:
            return "without any misfortune, and delivered one by one, the handler never gets done with a message"
        if not self._orders:
            return (
                "without any misfortune, and delivered one by one, a message is handled twice at the same time\n"
                f"got: {record!r}"
            )
        shown = f"{self._orders[0]!r}" + (" (or in another order)" if len(self._units()) > 1 else "")
        return f"expected: {shown}\ngot:      {record!r}"

    def _has_more_dead(self, outcome: Outcome) -> bool:
        """Whether a message is in the dead-letter queue that is not there without any misfortune."""
        if self._dead_anyway is None:
            self._dead_anyway = self._trial.play(Benign(), self._places).dead
        return any(sent not in self._dead_anyway for sent in outcome.dead)

    def _complaint_of_part(self, record: Any, done: tuple[int, ...]) -> str:
        """Look at a record where some messages ended in the dead-letter queue: those may be done or not."""
        for count in range(len(self._places) - len(done) + 1):
            dead = [place for place in self._places if place not in done]
            for others in itertools.combinations(dead, count):
                places = tuple(sorted((*done, *others)))
                right = self._trial._right.setdefault(places, _Right(self._trial, places))
                if not places:
                    if not record:
                        return ""
                elif not right.complaint(Outcome(None, record, (), (), None)):  # type: ignore[arg-type]
                    return ""
        return (
            f"got {record!r}, though {_count(len(self._places) - len(done), 'message')} went to the dead-letter queue"
        )

    def _is_blend(self, record: Any) -> bool:
        """
        Whether a list is the records of single messages (of whole groups on FIFO queues) run together.

        That is right only of messages that have nothing to do with each other: one after the other they must do no
        more and no less than each by itself.
        """
        if not isinstance(record, list):
            return False
        if self._alone is None:
            self._alone = [self._play([[place] for place in unit]) for unit in self._units()]
            singly = self._play([[place] for place in self._places])
            if not all(isinstance(part, list) for part in [singly, *self._alone]) or not is_blend(singly, self._alone):
                self._alone = []
        return bool(self._alone) and is_blend(record, self._alone)

    def _units(self) -> list[list[int]]:
        if not self._trial.is_fifo:
            return [[place] for place in self._places]
        groups: dict[str, list[int]] = {}
        for place in self._places:
            groups.setdefault(self._trial.sends[place]["message_group_id"], []).append(place)
        return list(groups.values())

    def _play_orders(self) -> Iterator[Any]:
        """Yield the records of delivering every message once, in each permitted order, one by one and in batches."""
        size = self._trial.setting.mapping["batch_size"]
        for order in itertools.islice(_orders(self._units()), _ORDERS_MAX):
            singly = self._play([[place] for place in order])
            if singly is not _NONE:
                yield singly
            if len(order) > 1 and size > 1:
                batches = [order[begin : begin + size] for begin in range(0, len(order), size)]
                together = self._play(batches, is_once=True)
                if together is not _NONE and (together == singly or together != self._play([order[:1]])):
                    yield together  # unless it does the first message of a batch, and forgets the others

    def _play(self, batches: Iterable[Sequence[int]], *, is_once: bool = False) -> Any:
        """
        Deliver batches one after the other, each once, without any misfortune; return the record.

        It says nothing of what is right, and is `_NONE`, where two invocations were at work at the same time after all,
        or a message was never done; with *is_once* also where the handler had a message come back.
        """
        trial = self._trial
        sim, queue, effects = trial._build(Benign(), None)
        sent: list[Message] = []

        def begin() -> None:
            for batch in batches:
                for place in batch:
                    queue.send_message(**trial.sends[place])
                sent.extend(queue.messages)
                sim.run_until(lambda: not queue.messages, timeout=trial.setting.within_s)
                sim.run_for(0)

        outcome = trial._finish(sim, queue, effects, begin)
        if isinstance(outcome.error, TimeoutError) and queue.messages:
            self._is_endless = True
            return _NONE
        if outcome.error is not None:
            raise outcome.error
        came_back = any(message.invocations > 1 for message in sent)
        return _NONE if _overlap(sim) or (is_once and came_back) else outcome.effects


_NONE: Final = object()  # no record


def _overlap(sim: Simulation) -> bool:
    """Whether two invocations of a function were at work at the same time."""
    for function in sim.functions:
        ended_us = 0
        for invocation in sorted(function.invocations, key=lambda invocation: invocation.started_at_us):
            if invocation.started_at_us < ended_us:
                return True
            ended_us = max(ended_us, invocation.ended_at_us or invocation.started_at_us)
    return False


def is_blend(whole: Sequence[Any], parts: Sequence[Sequence[Any]]) -> bool:
    """
    Return whether a sequence consists of some others run together, each in its own order.

    >>> is_blend(["a1", "b1", "a2"], [["a1", "a2"], ["b1"]]), is_blend(["a2", "a1"], [["a1", "a2"]])
    (True, False)
    """
    if len(whole) != sum(map(len, parts)):
        return False
    reached = [tuple(0 for _ in parts)]  # how much of each part is used up
    for item in whole:
        following: dict[tuple[int, ...], None] = {}
        for used in reached:
            for place, part in enumerate(parts):
                if used[place] < len(part) and part[used[place]] == item:
                    following[*used[:place], used[place] + 1, *used[place + 1 :]] = None
        reached = list(following)
        if not reached:
            return False
    return True


def _orders(units: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield every order of messages that keeps the order within each unit."""
    if not any(units):
        yield []
        return
    for place, unit in enumerate(units):
        if unit:
            rest = [*units[:place], unit[1:], *units[place + 1 :]]
            for order in _orders(rest):
                yield [unit[0], *order]


def _same_elements(record: Any, wanted: Any) -> bool:
    return isinstance(record, list) and isinstance(wanted, list) and is_blend(record, [[item] for item in wanted])


def _is_part(record: Any, wanted: Any) -> bool:
    """Whether a record may be one of effects some of which are missing; of others than lists nobody knows."""
    if not isinstance(record, list) or not isinstance(wanted, list):
        return True
    left = list(wanted)
    for item in record:
        if item not in left:
            return False
        left.remove(item)
    return True


def _parameters(message: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(message, str):
        return {"message_body": message}
    if isinstance(message, Mapping) and "message_body" in message:
        return dict(message)
    msg = f"message {message!r}: give a body, or parameters of send_message such as {{'message_body': 'order-1'}}"
    raise UsageError(msg)


def _name_of(handler: Any) -> str:
    """Return a name for the function: that of its handler, where it is one that AWS allows."""
    name = handler.rpartition(".")[2] if isinstance(handler, str) else getattr(handler, "__name__", "")
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", str(name)) else "worker"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
