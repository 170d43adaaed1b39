"""
What SQS may do beside what it mostly does: the imperfections that AWS permits, and who is asked about each.

`SqsFaults` says what may happen. `Luck` asks the chooser of the simulation, at one choice point per knob; a knob at its
off value has no point, and nothing is asked (SQS-007).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import comb
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

from attrs import Attribute, field, frozen

from lambdasim.clock import Clock
from lambdasim.errors import UsageError
from lambdasim.settings import maybe, number, one_of, span, whole
from lambdasim.units import Duration, seconds

if TYPE_CHECKING:
    from lambdasim.clock.choices import Labelled
    from lambdasim.sqs.line import Party
    from lambdasim.sqs.message import Message

F = TypeVar("F", bound="SqsFaults")

_MINUTE_S: Final = 60
_probability: Final = number(0, 1)
_IDENTITY: Final = frozenset({"_arn", "_name", "_questions"})
Point = tuple[str, float]  #: name and weight


def _range(_owner: object, field: Attribute[Any], value: tuple[Duration, Duration]) -> None:
    is_pair = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2
    if not is_pair or seconds(value[0], name=field.name) > seconds(value[1], name=field.name):
        msg = f"{field.name}={value!r} is no range; give (from, to) in seconds, such as (0, 1)"
        raise UsageError(msg)


def _sample(owner: SqsFaults, field: Attribute[Any], value: int | None) -> None:
    shards = owner.short_poll_shards
    if value is not None and value > shards:
        msg = f"'{field.name}' must be <= short_poll_shards, which is {shards}: {value}"
        raise UsageError(msg)
    if value is not None and comb(shards, value) >= sys.maxsize:
        msg = f"short_poll_shards={shards} and short_poll_sample={value} leave too many choices; give fewer shards"
        raise UsageError(msg)


def _at_most_a_minute(_owner: object, field: Attribute[Any], value: Duration) -> None:
    if seconds(value, name=field.name) > _MINUTE_S * 1_000_000:
        msg = f"'{field.name}' must be <= {_MINUTE_S}: {value}"
        raise UsageError(msg)


@frozen(kw_only=True, slots=False)
class SqsFaults:
    """
    What may go wrong in SQS, for a simulation or for one queue; everything is off by default.

    A probability is that of leaving what mostly happens, for whoever draws lots. What AWS does not permit on a FIFO
    queue is not asked there.

    Rules: SQS §24.
    """

    reorder_window: int = field(default=0, validator=whole(0))
    """Each pick takes one of so many messages at the front, all alike; 0 is off. Standard only (SQS-305)."""
    duplicate_probability: float = field(default=0.0, validator=_probability)
    """A message that was received becomes visible long before its timeout. Standard only (SQS-306)."""
    duplicate_delay_s: tuple[Duration, Duration] = field(default=(0, 1), validator=_range)
    """When it does: at the beginning, in the middle or at the end of this range after its receive."""
    lost_delete_probability: float = field(default=0.0, validator=_probability)
    """A delete succeeds, and the message comes back. Standard only (SQS-278)."""
    stale_delete_success_probability: float = field(default=0.0, validator=_probability)
    """An older handle deletes after all. Standard only (SQS-274)."""
    short_poll_shards: int = field(default=1, validator=whole(1))
    """Messages lie on so many servers. Standard only (SQS-215)."""
    short_poll_sample: int | None = field(default=None, validator=[maybe(whole(1)), _sample])
    """A short poll asks so many of them; None: all."""
    receive_fewer_probability: float = field(default=0.0, validator=_probability)
    """A receive returns fewer messages than it could (SQS-216)."""
    long_poll_empty_probability: float = field(default=0.0, validator=_probability)
    """A long poll misses what comes in its last second (SQS-216)."""
    lost_receive_response_probability: float = field(default=0.0, validator=_probability)
    """Messages are in flight, and the answer is lost (SQS-216, SQS-439)."""
    lost_send_ack_probability: float = field(default=0.0, validator=_probability)
    """A message is accepted, and the answer is lost (SQS-170)."""
    poll_wakeup: Literal["fifo", "random"] = field(default="fifo", validator=one_of("fifo", "random"))
    """Which of several waiting polls is served next: the oldest, or any (SQS-209)."""
    approx_noise: float = field(default=0.0, validator=_probability)
    """Counts are off by this fraction. Standard only (SQS-600)."""
    purge_duration_s: Duration = field(default=0, validator=[span(), _at_most_a_minute])
    """A purge takes so long (SQS-482)."""
    purge_swallow_probability: float = field(default=0.0, validator=_probability)
    """A message sent meanwhile is lost (SQS-482)."""
    throttle_probability: float = field(default=0.0, validator=_probability)
    """A call on messages is refused (SQS-415)."""
    approx_staleness_s: Duration = field(default=0, validator=span())
    """Counts are those of so long ago. Standard only (SQS-600)."""
    attribute_propagation_s: Duration = field(default=0, validator=span())
    """Attributes take effect so long after they were set (SQS-091)."""
    retention_propagation_s: Duration = field(default=0, validator=span())
    """The same for `MessageRetentionPeriod` (SQS-091)."""
    create_ready_s: Duration = field(default=0, validator=span())
    """A new queue is not to be found for so long (SQS-044)."""
    delete_queue_linger_s: Duration = field(default=0, validator=[span(), _at_most_a_minute])
    """A deleted queue goes on for so long (SQS-061)."""
    cancel_move_task_s: Duration = field(default=0, validator=span())
    """A cancelled move task goes on for so long (SQS-467)."""

    @classmethod
    def at_least_once(cls) -> Self:
        """Return what tests of idempotency on standard queues should play (SQS-641)."""
        return cls(
            reorder_window=10,
            duplicate_probability=0.05,
            lost_delete_probability=0.02,
            short_poll_shards=4,
            short_poll_sample=3,
            lost_receive_response_probability=0.01,
        )


class Subsets(Sequence[tuple[int, ...]]):
    """
    All choices of *size* out of the numbers below *total*, in order, none of them made before it is asked for.

    >>> list(Subsets(3, 2))
    [(0, 1), (0, 2), (1, 2)]
    """

    __slots__ = ("_size", "_total")

    def __init__(self, total: int, size: int) -> None:
        self._total = total
        self._size = size

    def __len__(self) -> int:
        """Return how many there are."""
        return comb(self._total, self._size)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - no slices: what is asked for is one
        """Return the one at this place. Runtime: `O(total)`."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        found: list[int] = []
        missing = self._size
        for candidate in range(self._total):
            if not missing:
                break
            with_it = comb(self._total - candidate - 1, missing - 1)
            if index < with_it:
                found.append(candidate)
                missing -= 1
            else:
                index -= with_it
        return tuple(found)


class _SeenShards(Sequence[str]):
    """The options of a short poll in words: everything is seen, or what lies on these shards."""

    __slots__ = ("_subsets",)

    def __init__(self, subsets: Subsets) -> None:
        self._subsets = subsets

    def __len__(self) -> int:
        return 1 + len(self._subsets)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - no slices: what is asked for is one
        return "all" if not index else "shards " + ", ".join(map(str, self._subsets[index - 1]))


class Luck:
    """The choice points of one queue: those of the knobs that are on and that its type permits."""

    __slots__ = (
        "_arn",
        "_duplicate",
        "_fewer",
        "_long_poll_empty",
        "_lost_delete",
        "_lost_receive",
        "_lost_send",
        "_name",
        "_noise",
        "_questions",
        "_short_poll",
        "_stale_delete",
        "_subsets",
        "_swallow",
        "_throttle",
        "_wakeup",
        "duplicate_delays_us",
        "noise",
        "reorder_window",
    )

    def __init__(self, faults: SqsFaults, name: str, arn: str, clock: Clock, *, is_fifo: bool) -> None:
        self._name = name
        self._arn = arn
        self._questions = clock.questions

        def point(name: str, weight: float, *, on_fifo: bool = True) -> Point | None:
            return (f"sqs.{name}", weight) if weight and (on_fifo or not is_fifo) else None

        self._lost_send = point("lost_send_ack", faults.lost_send_ack_probability)
        self._lost_receive = point("lost_receive_response", faults.lost_receive_response_probability)
        self._fewer = point("receive_fewer", faults.receive_fewer_probability)
        self._long_poll_empty = point("long_poll_empty", faults.long_poll_empty_probability)
        self._swallow = point("purge_swallow", faults.purge_swallow_probability)
        self._throttle = point("throttle", faults.throttle_probability)
        self._wakeup = faults.poll_wakeup == "random"
        self._duplicate = point("duplicate", faults.duplicate_probability, on_fifo=False)
        self._lost_delete = point("lost_delete", faults.lost_delete_probability, on_fifo=False)
        self._stale_delete = point("stale_delete_success", faults.stale_delete_success_probability, on_fifo=False)
        sample, shards = faults.short_poll_sample, faults.short_poll_shards
        has_blind_spots = sample is not None and sample < shards
        self._short_poll = point("short_poll", float(has_blind_spots), on_fifo=False)
        self._subsets = Subsets(shards, sample) if self._short_poll is not None and sample is not None else None
        self.noise = 0.0 if is_fifo else faults.approx_noise
        self._noise = point("approx_noise", 2 / 3 if self.noise else 0.0, on_fifo=False)
        self.reorder_window = 0 if is_fifo else faults.reorder_window  #: candidates of a pick; below 2 nothing is open
        first_us, last_us = (seconds(delay, name="duplicate_delay_s") for delay in faults.duplicate_delay_s)
        self.duplicate_delays_us = (first_us, (first_us + last_us) // 2, last_us)

    @property
    def is_any(self) -> bool:
        """Whether anything is ever asked."""
        points = (name for name in self.__slots__ if name.startswith("_") and name not in _IDENTITY)
        return any(getattr(self, name) for name in points) or self.reorder_window > 1

    @property
    def shards(self) -> int:
        """On how many servers messages lie, where a short poll may not see all of them; else 1."""
        return 1 if self._subsets is None else self._subsets._total

    @property
    def is_about_polls(self) -> bool:
        """Whether it matters to those who wait: not the oldest may be served, or one may miss what comes."""
        return self._wakeup or self._long_poll_empty is not None

    @property
    def may_throttle(self) -> bool:
        """Whether calls may be refused."""
        return self._throttle is not None

    @property
    def duplicates(self) -> bool:
        """Whether a message may be delivered again while it is in flight."""
        return self._duplicate is not None

    def _ask(
        self,
        point: Point | None,
        options: Sequence[str],
        about: Sequence[Message] = (),
        *,
        is_call: bool = False,
    ) -> int:
        """Return the option that is chosen, of a point that is about the first of some messages, or the queue."""
        if point is None:
            return 0
        name, weight = point
        subject: Labelled | str = about[0] if about else self._name
        return self._questions.ask(name, self._arn, weight, options, subject, messages=about, is_call=is_call)

    def loses_send_ack(self, messages: Sequence[Message]) -> bool:
        """Ask whether the answer to a send is lost (SQS-170)."""
        return self._ask(self._lost_send, ("answered", "lost"), messages, is_call=True) == 1

    def loses_receive_response(self, messages: Sequence[Message], *, is_call: bool) -> bool:
        """Ask whether the answer to a receive is lost, whose messages are in flight (SQS-216)."""
        return self._ask(self._lost_receive, ("answered", "lost"), messages, is_call=is_call) == 1

    def misses_last_second(self) -> bool:
        """Ask whether a long poll misses what comes in its last second (SQS-216)."""
        return self._ask(self._long_poll_empty, ("served", "empty")) == 1

    def swallows(self) -> bool:
        """Ask whether a message sent during a purge is lost (SQS-482)."""
        return self._ask(self._swallow, ("kept", "swallowed")) == 1

    def throttles(self) -> bool:
        """Ask whether a call is refused (SQS-415)."""
        return self._ask(self._throttle, ("accepted", "refused"), is_call=True) == 1

    def loses_delete(self, message: Message) -> bool:
        """Ask whether a delete that succeeds does nothing (SQS-278)."""
        return self._ask(self._lost_delete, ("deleted", "lost"), (message,)) == 1

    def deletes_stale(self, message: Message) -> bool:
        """Ask whether an older handle deletes after all (SQS-274)."""
        return self._ask(self._stale_delete, ("ignored", "deleted"), (message,)) == 1

    def pick(self, candidates: Sequence[Message]) -> int:
        """Ask which of the messages at the front is taken (SQS-305)."""
        count = len(candidates)
        if count < 2:
            return 0
        point = ("sqs.reorder", (count - 1) / count)
        return self._ask(point, [f"{message.label} first" for message in candidates], candidates)

    def keep(self, messages: Sequence[Message]) -> int:
        """Ask how many of so many messages a receive returns (SQS-216)."""
        count = len(messages)
        if self._fewer is None or count < 2:
            return count
        options = ["all", *(f"{fewer} of {count}" for fewer in range(count - 1, 0, -1))]
        return count - self._ask(self._fewer, options, messages)

    def duplicate_delay_us(self, message: Message) -> int | None:
        """Ask whether a delivery is followed by another, and how long after it (SQS-306)."""
        if self._duplicate is None:
            return None
        first, middle, last = self.duplicate_delays_us
        options = ("none", *(f"once more after {delay_us / 1e6:g} s" for delay_us in (first, middle, last)))
        choice = self._ask(self._duplicate, options, (message,))
        return self.duplicate_delays_us[choice - 1] if choice else None

    def seen_shards(self) -> tuple[int, ...] | None:
        """Ask which servers a short poll sees (SQS-215); None: all."""
        if self._subsets is None or self._short_poll is None:
            return None
        choice = self._ask(self._short_poll, _SeenShards(self._subsets))
        return self._subsets[choice - 1] if choice else None

    def next_party(self, parties: Sequence[Party]) -> int:
        """Ask which of those who wait is served next (SQS-209)."""
        count = len(parties)
        if not self._wakeup or count < 2:
            return 0
        return self._ask(
            ("sqs.poll_wakeup", (count - 1) / count), [f"number {place} in line" for place in range(1, count + 1)]
        )

    def noisy(self, value: int) -> int:
        """Ask what a count of this value is said to be (SQS-600)."""
        if self._noise is None:
            return value
        below, above = max(0, round(value * (1 - self.noise))), round(value * (1 + self.noise))
        return (value, below, above)[self._ask(self._noise, (str(value), str(below), str(above)))]
