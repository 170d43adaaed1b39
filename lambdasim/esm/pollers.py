"""
The slots of a mapping, and their turns: the acting half (ESM §5 to §7).

A slot receives, gathers, invokes and handles the result, again and again. Here is who receives when, and how a turn
begins and ends; each other part of it has a module:

| module | what it has |
|---|---|
| `line` | which receives are open, in which order, how many ended empty: arithmetic |
| `gatherer` | what a receive returned becomes a batch |
| `invoker` | a batch that is closed is invoked, tried again or dropped, and deleted |
| `machine` | how many slots there may be: phase, target and ticks |
| `fleet` | pollers of its own, in provisioned mode |
| `pauses` | slots that may not ask at the moment |
| `slots` | a slot: its state and its batch |
| `batching`, `scaling`, `responses`, `provisioned` | the pure decisions of these |

**Slots that wait** stand in the line, and their empty receives are not simulated. Only where the end of an empty
receive would retire the slot (S6, S7) does a background timer stand at the head of the line.

**One turn.** receive → (gather) → attempt (C5) → invocation → end (C3) → result (C4) → next turn (C5). Where nothing
else happens at that instant, `Clock.soon` lets the steps follow one another without the heap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lambdasim.clock import Clock, Priority, Timer
from lambdasim.esm.counts import Counts
from lambdasim.esm.fleet import Fleet
from lambdasim.esm.gatherer import Gatherer
from lambdasim.esm.invoker import Invoker
from lambdasim.esm.limits import (
    BackoffModel,
    BatchWindowModel,
    PollModel,
    ProvisionedModel,
    ScalingModel,
    ThrottleRetry,
)
from lambdasim.esm.line import OpenReceives
from lambdasim.esm.machine import Machine, Phase
from lambdasim.esm.pauses import Pauses
from lambdasim.esm.scaling import plan_cap
from lambdasim.esm.slots import Slot, SlotState, Terms
from lambdasim.units import MICROSECONDS, seconds

if TYPE_CHECKING:
    from lambdasim.esm.faults import EsmLuck
    from lambdasim.esm.mapping import EventSourceMapping
    from lambdasim.esm.provisioned import Poller
    from lambdasim.sqs import Queue

_WORK: Final = Priority.WORK.value
_POLL_AGAIN_US: Final = MICROSECONDS  # after a receive that failed (ESM-310)
_QUEUE_GONE_US: Final = 20 * MICROSECONDS  # between receives from a queue that is not there (ESM-055)


class Pollers:
    """The slots of one mapping."""

    def __init__(
        self,
        mapping: EventSourceMapping,
        *,
        scaling: ScalingModel,
        polling: PollModel,
        window: BatchWindowModel,
        backoff: BackoffModel,
        retry: ThrottleRetry,
        provisioned: ProvisionedModel,
        luck: EsmLuck | None,
    ) -> None:
        self.mapping = mapping
        self._luck = luck
        takes_turns = polling.dispatch == "round_robin"
        self._picks = takes_turns or (luck is not None and luck.picks)
        self.clock: Clock = mapping.clock
        self.queue: Queue = mapping.queue
        self._scaling = scaling
        self._polling = polling
        self._window = window
        self._latency_us = seconds(polling.receive_latency_s, name="receive_latency_s")
        self.line: OpenReceives[Slot] = OpenReceives(
            polling.wait_s * MICROSECONDS + self._latency_us,
            seconds(window.low_traffic_wait_s, name="low_traffic_wait_s") + self._latency_us,
            self._latency_us,
            takes_turns=takes_turns,
        )
        self._waiting, self._gathering = self.line.waiting, self.line.gathering
        self.pauses = Pauses(self.clock)
        self.fleet = Fleet(self, provisioned)
        self.machine = Machine(mapping, self, scaling, backoff, self.plan_cap())
        self.counts = Counts(self.clock.now_us)
        self.invoker = Invoker(self, retry, luck)
        self.gatherer = Gatherer(self, window, luck)
        self._attempt, self._take = self.invoker.attempt, self.gatherer.take
        self.waits = False  #: whether a receive is open
        self.slots = 0  #: m
        self._ceiling = 0  # of invocations; above the cap while slots go that were made under a higher one
        self._queue_is_gone = False
        self._next_number = 0
        self._head_timer: Timer | None = None
        self._configure()
        self.gatherer.use_filters(mapping.filters)
        self._ceiling = self.machine.cap

    # ---- life

    def _configure(self) -> bool:
        """Take over what the mapping is told to do; return whether the economy of idle mappings goes on or off."""
        mapping = self.mapping
        self.terms = Terms(mapping, self._polling, self._window)
        saves_pollers = mapping.maximum_concurrency is None and mapping.poller_limits is None
        is_other_economy = self.machine.limit(self.plan_cap(), saves_pollers=saves_pollers)
        self.counts.publish(self.clock.now_us, on=mapping.publishes_event_counts)
        return is_other_economy

    def plan_cap(self) -> int:
        """Return how many slots there may be by what the mapping is told to do (ESM-012, ESM-255)."""
        mapping = self.mapping
        if mapping.poller_limits is not None:
            return mapping.poller_limits[1] * self.fleet.model.invokes_per_poller
        return plan_cap(self._scaling, mapping.maximum_concurrency, mapping.function.pool.account_concurrency)

    def reconfigure(self) -> None:
        """Work by what the mapping is told to do from now on; batches that are open go on as they began (ESM-052)."""
        is_other_economy = self._configure()
        machine, limits = self.machine, self.mapping.poller_limits
        is_other_mode = (machine.own is None) is not (limits is None)
        self._ceiling = machine.cap + self.slots if is_other_mode else max(machine.cap, self.slots)
        if machine.own is not None or limits is not None:
            self.fleet.reconfigure(limits)
        else:
            machine.reconfigure(is_other_economy=is_other_economy)

    def start(self) -> None:
        """Begin to poll (S1)."""
        self.machine.start()
        self._queue_is_gone = self.queue._is_deleted
        if not self._queue_is_gone:
            self.queue.attach(self)
        if self.mapping.poller_limits is None:
            self.machine.begin_growing()
        else:
            self.fleet.begin(self.mapping.poller_limits)

    def stop(self) -> None:
        """
        Poll no more (ESM-053).

        Open receives end without a message, batches that are gathered are invoked at once, throttled ones are dropped,
        what runs is finished. The mapping hears when no slot is left.
        """
        if self.machine.phase is Phase.STOPPED:
            return
        self.machine.stop()
        self.cancel_head()
        self.fleet.end()
        for _, _, slot in self._waiting:
            self.settle_empty(slot, self.clock.now_us)
        ending = [slot for _, _, slot in self._waiting]
        self._waiting.clear()
        for _, _, slot in tuple(self._gathering):
            self.settle_empty(slot, self.clock.now_us)
            self.close(slot)
        for slot in self.pauses.slots:
            if slot.state is SlotState.GATHERING:
                self.close(slot)
            else:
                self.pauses.end(slot)
                ending.append(slot)
        for slot in ending:
            slot.state = SlotState.RETIRED
        self.slots -= len(ending)
        self.fleet.leaving = 0
        self.invoker.drop_throttled()
        self.waits = False
        self.queue.detach(self)

    @property
    def is_drained(self) -> bool:
        """Whether nothing polls, holds or runs any more."""
        return self.machine.phase is Phase.STOPPED and not self.slots

    # ---- what the machine asks for (see `lambdasim.esm.machine.Crew`)

    @property
    def all_wait(self) -> bool:
        """Whether every slot has a receive open and holds nothing."""
        return len(self._waiting) == self.slots

    def make_slots(self) -> None:
        """Make the slots that are missing; they poll at this instant."""
        for _ in range(self.slots - self.fleet.leaving, self.machine.allowed):
            self.make_slot(None)

    def add_poller(self) -> None:
        """Make another poller with its slots, in provisioned mode."""
        self.fleet.grow()

    def make_slot(self, poller: Poller | None) -> Slot:
        """Make a slot, of a poller in provisioned mode; it polls at this instant."""
        self._next_number += 1
        self.slots += 1
        slot = Slot(self, self._next_number, poller)
        self.clock.soon(self._turn, slot, _WORK)
        return slot

    # ---- waiting for messages: what the queue asks (see `lambdasim.sqs.line.Consumer`)

    def waiting_since(self, *, at_wake: bool) -> tuple[int, int] | None:
        """Return the start of the receive that has been open longest."""
        return self.line.since(self.clock.now_us - at_wake)

    def serve(self, *, at_wake: bool) -> bool:
        """Receive in a row: slots with an open batch first, then those that wait longest (ESM-083)."""
        queue, line, waiting, gathering = self.queue, self.line, self._waiting, self._gathering
        now_us, least_wait_us = self.clock.now_us, line.least_wait_us
        ended_by_us = now_us - at_wake
        if waiting and waiting[0][0] + least_wait_us <= now_us:
            line.advance(ended_by_us)
        served = False
        while queue.visible and (gathering or waiting):
            slot = self._pick(ended_by_us) if self._picks else gathering[0][2] if gathering else waiting[0][2]
            if self._luck is not None and self._luck.fails_poll():
                self._fail_poll(slot, ended_by_us)
                served = True  # somebody else may be next in line
                continue
            if self._latency_us:
                if queue.visible <= self.pauses.called:
                    break
                self._call(self._first_open(slot, ended_by_us), ended_by_us)
                continue
            flight = queue.take(self._limit_of(slot))
            if flight is None:
                break
            served = True
            if slot.state is SlotState.POLLING:
                line.call(slot)
            if slot.first_asked_us + least_wait_us <= now_us:
                self.settle_empty(slot, ended_by_us)
            self._go_on(slot, closed=self._take(slot, flight))
        self.waits = bool(gathering or waiting)
        return served

    def _go_on(self, slot: Slot, *, closed: bool) -> None:
        """Let a slot invoke, or ask again at once where nothing came that an event may hold."""
        if closed:
            self.clock.soon(self._attempt, slot, _WORK)
        elif slot.state is SlotState.POLLING:
            if self.fleet.leaving and slot.leaves:
                self.retire(slot)
            elif self._may_ask(slot):
                self._wait(slot)

    def _limit_of(self, slot: Slot) -> int:
        """Return how many messages a receive of this slot asks for."""
        is_open = slot.state is SlotState.GATHERING
        limit = min(slot.terms.per_receive, slot.room) if is_open else self.terms.per_receive
        return limit if self._luck is None else self._luck.limit(limit, self.queue.visible)

    def _pick(self, ended_by_us: int) -> Slot:
        """Return the slot that gets the next receive, where that is not the usual one (ESM-084)."""
        if self._luck is None or not self._luck.picks:
            return self.line.longest(ended_by_us)
        slots = self.line.in_order(ended_by_us)
        return slots[self._luck.pick([slot.number for slot in slots])]

    def _fail_poll(self, slot: Slot, ended_by_us: int) -> None:
        """Let the open receive of a slot fail; it asks again after a while (`esm.poll_error`)."""
        again_us = self.clock.now_us + _POLL_AGAIN_US
        self.settle_empty(slot, ended_by_us)
        if slot.state is SlotState.GATHERING:  # its batch stays open
            self.leave_line(slot)
            self.pauses.begin(slot, self.clock.timer(again_us, self._ask_again_later, slot, priority=_WORK))
        else:
            self.line.call(slot)
            slot.state = SlotState.TURNING
            self.clock.schedule(again_us, self._turn, slot, _WORK)

    def notice_backlog(self) -> None:
        """Messages are left that nobody waits for: the next growth tick will find demand (ESM-103)."""
        if self.pauses.rests:
            self.pauses.bring_forward()
        self.machine.notice_backlog()

    def count_empty_receives(self) -> int:
        """Return how many receives from this queue have ended empty by now (ESM-082, ESM-290)."""
        return self.line.count_empty(self.ended_by_us())

    @property
    def empty_receives(self) -> int:
        """Receives that have ended empty, on this queue and on those of its name before."""
        return self.count_empty_receives() + self.line.count_past_empty()

    def empty_receives_by_minute(self) -> dict[int, int]:
        """Return the empty receives from this queue by the minute in which each ended. Runtime: `O(minutes)`."""
        return self.line.empty_by_minute(self.ended_by_us())

    def settle_empty(self, slot: Slot, ended_by_us: int) -> None:
        """Take down the receives of a slot that ended empty before the one that returned something."""
        if slot.poller is not None:
            slot.poller.settle(self.ended_by_us())
        self.line.settle(slot, ended_by_us)

    # ---- one turn

    def _turn(self, slot: Slot) -> None:
        """Begin a turn (C5): receive what is there, or wait in line."""
        if self.machine.phase is Phase.STOPPED:
            self._finish(slot)
            return
        if slot.left_over:
            closed = self.gatherer.take_left_over(slot)
            if slot.state is SlotState.GATHERING and self.queue.visible:
                self.serve(at_wake=False)
            elif closed:
                self.clock.soon(self._attempt, slot, _WORK)
            if slot.state is not SlotState.TURNING:
                if self.queue.visible:
                    self.notice_backlog()
                return
        elif self.fleet.leaving and slot.leaves:
            self.retire(slot)
            return
        if self._luck is not None and self.queue.visible and self._luck.fails_poll():
            self.clock.schedule(self.clock.now_us + _POLL_AGAIN_US, self._turn, slot, _WORK)
        elif (slot.poller is None and not self._queue_is_gone) or self._may_ask(slot):
            self._receive(slot)

    def _receive(self, slot: Slot) -> None:
        """Receive what is there, or wait in line; that a receive may begin is known."""
        queue = self.queue
        closed = False
        while queue.visible and slot.state is SlotState.TURNING and not self._latency_us:
            flight = queue.take(self._limit_of(slot))
            if flight is None:
                break
            closed = self._take(slot, flight)
            if slot.state is SlotState.TURNING and not self._may_ask(slot):
                break
        if slot.state is SlotState.GATHERING and queue.visible:
            self.serve(at_wake=False)  # a batch that is open asks again at once, and is filled before others begin
        if queue.visible:
            self.notice_backlog()
        if closed and slot.state is SlotState.INVOKING:
            self.clock.soon(self._attempt, slot, _WORK)
        elif slot.state is SlotState.TURNING and slot not in self.pauses:
            self._wait(slot)
            if self._latency_us and queue.visible > self.pauses.called:
                self.serve(at_wake=False)

    def _finish(self, slot: Slot) -> None:
        """Invoke what a slot of a stopped mapping still holds from its last receive, or let it go (ESM-053)."""
        if slot.left_over:
            self.gatherer.take_left_over(slot)
        if slot.state is SlotState.GATHERING:
            self.gatherer.stop(slot)
            slot.state = SlotState.INVOKING
        if slot.state is SlotState.INVOKING:
            self.clock.soon(self._attempt, slot, _WORK)
        else:
            self.retire(slot)

    def _wait(self, slot: Slot) -> None:
        """Stand in line with an open receive."""
        if self.machine.phase is Phase.STOPPED:  # by whoever heard of a delete
            self.retire(slot)
            return
        slot.state = SlotState.POLLING
        self.line.begin(slot, self.clock.now_us, self.clock.count())
        self.waits = True
        machine = self.machine
        if len(self._waiting) == self.slots and machine.phase is Phase.ACTIVE:
            machine.consider_idle()
        if self._head_timer is None and (self.slots > machine.allowed or self.slots > machine.initial):
            self.time_head()

    # ---- receives that take time (ESM-092)

    def _first_open(self, slot: Slot, ended_by_us: int) -> Slot:
        """Return the slot that gets what is there: one whose receive is not on its way back, if there is such."""
        if self._picks or self.line.returns_in_time(slot, ended_by_us):
            return slot
        others = self.line.in_order(ended_by_us)
        return next((other for other in others if self.line.returns_in_time(other, ended_by_us)), slot)

    def _call(self, slot: Slot, ended_by_us: int) -> None:
        """Let the open receive of a slot return with what there is when it returns."""
        if slot.poller is not None:
            slot.poller.settle(ended_by_us)
        if slot.state is SlotState.POLLING:
            self.line.call(slot)
        else:
            self.leave_line(slot)
        self.line.catch(slot, ended_by_us)
        returns_us = max(self.clock.now_us, slot.asked_us) + self._latency_us
        limit = self._limit_of(slot)
        self.pauses.call(slot, limit, self.clock.timer(returns_us, self._on_return, slot, priority=_WORK))

    def _on_return(self, slot: Slot) -> None:
        """Take what is there now; without anything the receive goes on to wait (C5)."""
        if slot.poller is not None:
            slot.poller.settle(self.clock.now_us)
        self.pauses.end(slot)
        flight = self.queue.take(self._limit_of(slot)) if self.queue.visible else None
        if flight is not None:
            self._go_on(slot, closed=self._take(slot, flight))
        elif slot.state is SlotState.GATHERING:
            self._join_line(slot)
        else:
            self.line.resume(slot)
            self.waits = True
            if self.fleet.leaving and slot.leaves:
                self.fleet.time_last_end(slot)
            self.machine.consider_idle()
            self.cancel_head()  # this one may end before the head of the time in which it was away
            self.time_head()
        if flight is not None and self.queue.visible > self.pauses.called:
            self.serve(at_wake=False)
        if self.queue.visible:
            self.notice_backlog()

    # ---- pauses

    def _may_ask(self, slot: Slot) -> bool:
        """Return whether a receive may begin; if not, the slot pauses. In provisioned mode it is counted here."""
        if self._queue_is_gone:
            self._stray(slot)
            return False
        return slot.poller is None or self.fleet.admits(slot, slot.poller)

    def _ask_again_later(self, slot: Slot) -> None:
        """Let a slot ask that has paused, if it may (C5)."""
        self.pauses.end(slot)
        if self._may_ask(slot):
            self.resume(slot)

    def resume(self, slot: Slot) -> None:
        """Begin the receive that a slot has paused for."""
        if self._queue_is_gone:
            self._stray(slot)
            return
        if slot.state is SlotState.GATHERING:
            self._begin_receive(slot)
            if self.queue.visible:
                self.serve(at_wake=False)
        else:
            self._receive(slot)

    def ended_by_us(self) -> int:
        """Return up to when receives have ended that end by themselves: in C1 and C2 those of now are still open."""
        return self.clock.now_us - (not self.clock.has_passed(Priority.POLL_END.value))

    # ---- the queue goes, and comes again (ESM-055)

    def queue_is_gone(self) -> None:
        """Let receives fail: each slot tries again every 20 seconds."""
        self._queue_is_gone = True
        ended_by_us = self.ended_by_us()
        failing = [slot for _, _, slot in (*self._waiting, *self._gathering)]
        for slot in failing:
            self.settle_empty(slot, ended_by_us)
            self.leave_line(slot)
        failing += [slot for slot in self.pauses.slots if slot.called]
        self._waiting.clear()
        self.waits = False
        for slot in failing:
            self.pauses.end(slot)
            self._stray(slot)

    def _stray(self, slot: Slot) -> None:
        """Take down when a receive of a slot failed, because there is no queue."""
        slot.state = SlotState.GATHERING if slot.messages else SlotState.TURNING
        if slot.leaves and slot.state is SlotState.TURNING:
            self.retire(slot)
            return
        slot.asked_us = self.clock.now_us
        self.pauses.begin(slot)

    def meet(self, ready_at_us: int) -> None:
        """Receive from the queue that the mapping has now, each slot when it tries again."""
        self._queue_is_gone = False
        self.queue = self.mapping.queue
        self.line.enter_queue()
        self.terms = Terms(self.mapping, self._polling, self._window)
        if self.machine.phase is Phase.STOPPED:
            return
        self.queue.attach(self)
        for slot in self.pauses.slots:
            if slot.pause is None and (slot.poller is None or slot not in slot.poller.held_up):
                tries = (ready_at_us - slot.asked_us) // _QUEUE_GONE_US + 1
                at_us = slot.asked_us + tries * _QUEUE_GONE_US
                rests = not self.queue.visible
                slot.pause = self.pauses.time(at_us, self._ask_again_later, slot, rests=rests)

    def reads(self, queue: Queue) -> bool:
        """Return whether receives are from this queue, and it is still there."""
        return not self._queue_is_gone and queue is self.queue

    # ---- open batches

    def close(self, slot: Slot) -> None:
        """Invoke with a batch that was open until now."""
        self.gatherer.stop(slot)
        slot.state = SlotState.INVOKING
        self.clock.soon(self._attempt, slot, _WORK)

    def ask(self, slot: Slot) -> None:
        """Begin the next receive for a batch that is open, if one may begin."""
        if (slot.poller is None and not self._queue_is_gone) or self._may_ask(slot):
            self._begin_receive(slot)
        else:
            self.leave_line(slot)

    def _begin_receive(self, slot: Slot) -> None:
        slot.asked_us = slot.first_asked_us = self.clock.now_us
        slot.asked_number = self.clock.count()
        self._join_line(slot)

    def _join_line(self, slot: Slot) -> None:
        self.line.join(slot)
        self.waits = True

    def leave_line(self, slot: Slot) -> None:
        """Let the receive of an open batch not be open any more."""
        self.line.leave(slot)
        self.note_open_receives()

    # ---- the end of a turn, and of a slot

    def end_turn(self, slot: Slot) -> None:
        """Let a slot go on with its next turn, or retire when there are too many (S6)."""
        self.counts.held -= len(slot.messages)
        if slot.busy_in is not None:
            self.fleet.end_batch(slot)
        slot.clear()
        is_over = self.slots - self.fleet.leaving > self.machine.allowed or (self.fleet.leaving and slot.leaves)
        if is_over and not slot.left_over and not self._overshoots(slot):
            self.retire(slot)
        else:
            slot.state = SlotState.TURNING
            self.clock.soon(self._turn, slot, _WORK)

    def _overshoots(self, slot: Slot) -> bool:
        """Ask, once for each slot, whether it lives for one more turn (`esm.overshoot`)."""
        if self._luck is None or slot.overshot or self.machine.phase is Phase.STOPPED:
            return False
        slot.overshot = self._luck.overshoots()
        return slot.overshot

    def retire(self, slot: Slot) -> None:
        """Count a slot out. The last one that did not wait may leave a mapping that has become idle."""
        if self.fleet.leaving and slot.leaves:
            self.fleet.has_retired(slot)
        slot.state = SlotState.RETIRED
        self.slots -= 1
        self._ceiling = max(self.machine.cap, min(self._ceiling, self.slots))
        if self.machine.phase is Phase.STOPPED:
            if not self.slots:
                self.mapping._lifecycle.on_drained()
            return
        self.machine.consider_idle()

    def lose(self, slot: Slot) -> None:
        """Let a slot die with all it holds: that comes back by its visibility timeout, another takes its place."""
        self.counts.held -= slot.records
        slot.terms.queue.let_go([*slot.flights, *(flight for flight, _, _ in slot.left_over)])
        if slot.busy_in is not None:
            self.fleet.end_batch(slot)
        slot.clear()
        slot.left_over = []
        if self.fleet.leaving and slot.leaves:
            self.retire(slot)
            return
        slot.state = SlotState.RETIRED
        self.slots -= 1
        other = self.make_slot(slot.poller)
        if slot.poller is not None:
            slot.poller.slots[slot.poller.slots.index(slot)] = other

    # ---- slots that wait, and are too many

    def note_open_receives(self) -> None:
        """Take down whether a receive is open, after some of them ended."""
        self.waits = bool(self._gathering or self._waiting)

    def time_head(self) -> None:
        """Put a timer at the end of the oldest open receive, if a slot would retire by it (S6, S7)."""
        if self._head_timer is None and self._waiting and self.machine.releases(self.slots - self.fleet.leaving):
            # Asked after C2 of this instant, receives that end now have ended; asked before (S9, C1), they are open.
            self.line.advance(self.ended_by_us())
            self._head_timer = self.clock.timer(
                self._waiting[0][0] + self.line.wait_us,
                self._on_head_end,
                priority=Priority.POLL_END.value,
                order=self.mapping.number,
                background=True,
            )

    def cancel_head(self) -> None:
        """Forget when the receive at the head ends."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_head_end(self, _argument: object) -> None:
        """Retire the slots whose receives end empty at this instant, as far as there are too many (C2)."""
        self._head_timer = None
        line, machine, now_us = self.line, self.machine, self.clock.now_us
        staying = self.slots - self.fleet.leaving
        living_on = []
        line.advance(now_us - 1)
        while machine.releases(staying) and (slot := line.pop_ended(now_us)) is not None:
            leaves = slot.leaves
            if not leaves and self._overshoots(slot):
                living_on.append(slot)
            else:
                self.settle_empty(slot, now_us)
                if not leaves and staying <= machine.allowed:
                    machine.release()
                self.retire(slot)
            staying -= not leaves
        for slot in living_on:  # each with another receive, for others may be too many then
            line.resume(slot)
        self.note_open_receives()
        line.advance(now_us)
        self.time_head()
        machine.notice_demand()

    # ---- numbers for others

    @property
    def polling(self) -> int:
        """Slots with an open receive and nothing held."""
        return len(self._waiting) + self.pauses.count(SlotState.POLLING)

    @property
    def gathering(self) -> int:
        """Slots with an open batch."""
        return len(self._gathering) + self.pauses.count(SlotState.GATHERING)

    def check_invariants(self) -> None:
        """Assert what must hold between two events (ESM-107, ESM-110)."""
        name = self.mapping.uuid
        self.machine.check_invariants(name)
        in_flight = self.invoker.in_flight
        assert in_flight <= self.slots, f"{name}: {in_flight} in flight with {self.slots} slots"
        if self._luck is None:  # slots that live beyond their time are over the cap for a turn (ESM-107)
            assert in_flight <= self._ceiling, f"{name}: {in_flight} in flight, the cap is {self.machine.cap}"
        assert len(self._waiting) + len(self._gathering) <= self.slots, f"{name}: more slots wait than there are"
        assert all(slot.state is SlotState.POLLING for _, _, slot in self._waiting)
        assert all(slot.state is SlotState.GATHERING for _, _, slot in self._gathering)
        assert self.waits == bool(self._waiting or self._gathering), f"{name}: whether a receive is open is wrong"
        assert self.counts.held >= 0, f"{name}: {self.counts.held} records held"
        in_line = [slot for _, _, slot in (*self._waiting, *self._gathering)]
        pausing = self.pauses.slots
        assert not any(slot in self.pauses for slot in in_line), f"{name}: a slot pauses and stands in line"
        assert len(in_line) + len(pausing) <= self.slots, f"{name}: more slots wait and pause than there are"
        if self.machine.phase is Phase.STOPPED:
            assert not in_line, f"{name}: stopped, and slots wait"
            assert not pausing, f"{name}: stopped, and slots pause"
        self.pauses.check_invariants(name, queue_is_gone=self._queue_is_gone)
        self.fleet.check_invariants(name)
        if self.machine.phase is Phase.IDLE and self.slots:
            assert not in_flight, f"{name}: idle with {in_flight} in flight"
