"""
One slot of a mapping: its state, its batch, and the terms by which that goes (ESM-001, ESM-080).

What makes a batch full is settled here: a slot is given deliveries, and answers whether its batch is open or closed.
Timers, places in line and messages that nobody holds any more are the business of `gatherer`, which acts on the answer.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambdasim.clock import Timer
from lambdasim.esm.batching import largest_sure_message, plan_cut, plan_window_end
from lambdasim.esm.events import EventMaker
from lambdasim.esm.limits import BatchWindowModel, PollModel
from lambdasim.esm.line import Asker
from lambdasim.lambda_ import Function
from lambdasim.units import MICROSECONDS

if TYPE_CHECKING:
    from lambdasim.esm.mapping import EventSourceMapping
    from lambdasim.esm.pollers import Pollers
    from lambdasim.esm.provisioned import Poller, Provisioned
    from lambdasim.lambda_ import Invocation
    from lambdasim.lambda_.targets import Target
    from lambdasim.sqs import Flight, Message, Queue

_NEVER: Final = 1 << 62


class SlotState(Enum):
    """What a slot does (ESM-080)."""

    TURNING = "turning"  #: between two turns, or new: it receives at this instant
    POLLING = "polling"
    GATHERING = "gathering"
    INVOKING = "invoking"
    RETRY_WAIT = "retry wait"
    RETIRED = "retired"


class Fill(Enum):
    """What deliveries made of a batch."""

    NOTHING = "nothing"  #: there is none: no delivery is fit for an event
    OPENED = "opened"
    JOINED = "joined"  #: it was open before, and still is
    CLOSED = "closed"


class Fitting(NamedTuple):
    """What of a receive goes into an event."""

    messages: list[Message]
    receive_counts: list[int]
    is_cut: bool  #: the rest stays with the slot, for its next batch
    oversized: int  #: records too large for any event


class Terms:
    """What a mapping is told to do. A batch is gathered, invoked and judged by those it began with (ESM-052)."""

    __slots__ = (
        "batch_size",
        "events",
        "function",
        "payload_bytes",
        "per_receive",
        "queue",
        "reports",
        "sure_bytes",
        "target",
        "window_us",
    )

    def __init__(self, mapping: EventSourceMapping, polling: PollModel, window: BatchWindowModel) -> None:
        self.queue: Queue = mapping.queue
        self.function: Function = mapping.function
        self.target: Target = mapping.target
        self.batch_size = mapping.batch_size
        self.per_receive = min(polling.max_per_receive, mapping.batch_size)
        self.window_us = mapping.maximum_batching_window_in_seconds * MICROSECONDS
        self.payload_bytes = window.payload_bytes
        self.sure_bytes = largest_sure_message(mapping.batch_size, window.payload_bytes)
        self.reports = mapping.reports_batch_item_failures
        self.events = EventMaker(mapping.queue, shows_empty_digest=bool(self.window_us))


class Slot(Asker):
    """One sequential loop of receive, gather, invoke, handle the result (ESM-001)."""

    __slots__ = (
        "_finished",
        "busy_in",
        "called",
        "deadline_us",
        "flights",
        "generation",
        "held_bytes",
        "invocation",
        "left_over",
        "messages",
        "overshot",
        "pause",
        "poller",
        "pollers",
        "previous_end_us",
        "receive_counts",
        "retries",
        "retry_timer",
        "state",
        "terms",
        "window_timer",
    )

    def __init__(self, pollers: Pollers, number: int, poller: Poller | None = None) -> None:
        super().__init__(number)
        self.pollers = pollers
        self._finished = pollers.invoker.finished
        self.poller = poller  # in provisioned mode
        self.generation = pollers.fleet.generation
        self.busy_in: Provisioned | None = None  # where it is counted as busy
        self.state = SlotState.TURNING
        self.terms = pollers.terms  # of the batch
        self.called = 0  # messages that its receive may bring, which is on its way back
        self.pause: Timer | None = None  # when it asks again, or when its receive returns
        self.messages: list[Message] = []
        self.receive_counts: list[int] = []  # which delivery of each message it is
        self.flights: list[Flight] = []
        self.deadline_us = 0  # earliest end of a visibility timeout in the batch, as its receives gave it
        self.held_bytes = 0
        self.left_over: list[tuple[Flight, list[Message], list[int]]] = []  # received, but beyond the payload limit
        self.overshot = False  # whether it lives beyond its time (ESM-107)
        self.window_timer: Timer | None = None
        self.previous_end_us: int | None = None
        self.retries = 0
        self.retry_timer: Timer | None = None
        self.invocation: Invocation | None = None

    @property
    def leaves(self) -> bool:
        """Whether it ends with its turn, because its poller or the mode was given up."""
        return self.generation != self.pollers.fleet.generation or (self.poller is not None and self.poller.is_over)

    def repeated_at_us(self, until_us: int) -> tuple[int, int]:
        """Return when its open receive took the place of an empty one (-1: it did not), and when the next one will."""
        if self.called:  # its receive returns soon; it may be one that only begins
            return (self.asked_us, _NEVER) if self.asked_us <= until_us else (-1, self.asked_us)
        if self.state is not SlotState.POLLING and not self.asks:
            return -1, _NEVER
        wait_us = self.pollers.line.wait_of(self)
        times = (until_us - self.first_asked_us) // wait_us
        at_us = self.first_asked_us + times * wait_us
        return at_us if times > 0 else -1, at_us + wait_us

    # ---- the batch

    @property
    def room(self) -> int:
        """How many more records the batch may have."""
        return self.terms.batch_size - len(self.messages)

    @property
    def records(self) -> int:
        """How many records it holds, those included that were beyond the payload limit."""
        return len(self.messages) + sum(len(messages) for _, messages, _ in self.left_over)

    def hold(self, flight: Flight, messages: list[Message], receive_counts: list[int]) -> None:
        """Have a batch of what one receive returned, and nothing else; it is closed."""
        self.messages = messages
        self.receive_counts = receive_counts
        self.flights = [flight]
        self.deadline_us = flight.deadline_us
        self.state = SlotState.INVOKING

    def fit(self, flight: Flight, messages: list[Message], receive_counts: list[int]) -> Fitting:
        """Keep what does not fit into the event any more for the next one, and sort out what fits into none."""
        limit, size_bytes = self.terms.payload_bytes, self.terms.events.size_bytes
        sizes = [size_bytes(*pair) for pair in zip(messages, receive_counts, strict=True)]
        kept = [place for place, size in enumerate(sizes) if plan_cut(0, 0, (size,), limit)]
        oversized = len(sizes) - len(kept)
        if oversized:
            messages = [messages[place] for place in kept]
            receive_counts = [receive_counts[place] for place in kept]
            sizes = [sizes[place] for place in kept]
        room = plan_cut(self.held_bytes, len(self.messages), sizes, limit)
        self.held_bytes += sum(sizes[:room])
        if room == len(messages):
            return Fitting(messages, receive_counts, is_cut=False, oversized=oversized)
        self.left_over.append((flight, messages[room:], receive_counts[room:]))
        return Fitting(messages[:room], receive_counts[:room], is_cut=True, oversized=oversized)

    def add(
        self, flight: Flight, messages: list[Message], receive_counts: list[int], now_us: int, *, is_cut: bool
    ) -> Fill:
        """
        Add deliveries to the batch (ESM-085 to ESM-088).

        Args:
            flight: What they came with.
            messages, receive_counts: The deliveries.
            now_us: When they came.
            is_cut: There were more, and the event has no room for them.
        """
        terms = self.terms
        opens = not self.messages
        if opens:
            if not messages:
                return Fill.NOTHING
            self.messages = messages[:] if terms.window_us else messages  # others may join a copy only
            self.receive_counts = receive_counts
            self.flights = [flight]
            self.deadline_us = flight.deadline_us
        elif messages:
            self.messages += messages
            self.receive_counts += receive_counts
            self.flights.append(flight)
            self.deadline_us = min(self.deadline_us, flight.deadline_us)
        is_late = self.waits_whole and self.state is SlotState.GATHERING and now_us >= self.window_end_us
        if not terms.window_us or is_cut or is_late or len(self.messages) >= terms.batch_size:
            return Fill.CLOSED
        return Fill.OPENED if opens else Fill.JOINED

    def open_window(self, now_us: int, model: BatchWindowModel, *, waits_whole: bool) -> None:
        """Gather from now on; *waits_whole*: until a receive ends, rather than to the microsecond (ESM-088)."""
        self.state = SlotState.GATHERING
        self.window_end_us = plan_window_end(now_us, self.previous_end_us, self.terms.window_us, model)
        self.waits_whole = waits_whole

    def clear(self) -> None:
        """Have no batch any more."""
        self.messages = []
        self.receive_counts = []
        self.flights = []
        self.held_bytes = 0
        self.retries = 0

    def make_event(self) -> dict[str, Any]:
        """Return the event of the batch."""
        return self.terms.events.event(self.messages, self.receive_counts)

    # ---- its invocation

    def finished(self, invocation: Invocation) -> None:
        """Take the end of the invocation (C3)."""
        self.invocation = invocation
        self._finished(self)
