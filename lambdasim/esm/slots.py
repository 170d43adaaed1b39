"""One slot of a mapping: a sequential loop, its state, and the terms by which its batch goes (ESM-001, ESM-080)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from lambdasim.clock import Priority, Timer
from lambdasim.esm.batching import largest_sure_message
from lambdasim.esm.events import EventMaker
from lambdasim.esm.limits import BatchWindowModel, PollModel
from lambdasim.esm.line import Asker
from lambdasim.lambda_ import Function, Outcome
from lambdasim.units import MICROSECONDS

if TYPE_CHECKING:
    from lambdasim.esm.mapping import EventSourceMapping
    from lambdasim.esm.pollers import Pollers
    from lambdasim.esm.provisioned import Poller, Provisioned
    from lambdasim.lambda_ import Invocation
    from lambdasim.lambda_.targets import Target
    from lambdasim.sqs import Flight, Message, Queue

_RESULT: Final = Priority.RESULT.value
_NEVER: Final = 1 << 62


class SlotState(Enum):
    """What a slot does (ESM-080)."""

    TURNING = "turning"  #: between two turns, or new: it receives at this instant
    POLLING = "polling"
    GATHERING = "gathering"
    INVOKING = "invoking"
    RETRY_WAIT = "retry wait"
    RETIRED = "retired"


class Terms:
    """What a mapping is told to do. A batch is gathered, invoked and judged by those it began with (ESM-052)."""

    __slots__ = (
        "batch_size",
        "events",
        "function",
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
        self.sure_bytes = largest_sure_message(mapping.batch_size, window.payload_bytes)
        self.reports = mapping.reports_batch_item_failures
        self.events = EventMaker(mapping.queue, shows_empty_digest=bool(self.window_us))


class Slot(Asker):
    """One sequential loop of receive, gather, invoke, handle the result (ESM-001)."""

    __slots__ = (
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

    def make_event(self) -> dict[str, Any]:
        """Return the event of the batch."""
        return self.terms.events.event(self.messages, self.receive_counts)

    def finished(self, invocation: Invocation) -> None:
        """Take the end of the invocation (C3); what follows from it is a C4 event."""
        pollers = self.pollers
        pollers.in_flight -= 1
        self.invocation = invocation
        if invocation.is_answer_lost:  # the work is done, and the slot sees a failure of Lambda (ESM-150)
            pollers.clock.soon(pollers.on_lost, self, _RESULT)
            return
        is_failed = invocation.outcome is not Outcome.SUCCESS and not self.terms.reports
        machine = pollers.machine
        if is_failed or pollers.clock.now_us >= machine.control_end_us:
            machine.count_attempt(pollers.clock.now_us, failed=is_failed)
        else:
            machine.attempts_finished += 1
        pollers.clock.soon(pollers.on_result, self, _RESULT)
