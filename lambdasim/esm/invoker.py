"""
What becomes of a closed batch: the function is invoked with it, and what succeeded is deleted (ESM §7, §9, §10).

```text
   attempt ──> invocation ──> result: delete what succeeded, leave the rest ──> end of the turn
      ^  C5         C3           C4
      │  │ refused
      └──┴─ wait, then again; or drop
```

What an answer means is decided in `responses`, when a refused batch is tried again in `batching`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

from lambdasim.clock import Kind, Priority
from lambdasim.esm.batching import plan_retry
from lambdasim.esm.limits import ThrottleRetry
from lambdasim.esm.machine import Phase
from lambdasim.esm.responses import FAILURE, SUCCESS, plan_response
from lambdasim.esm.slots import SlotState
from lambdasim.lambda_ import Outcome

if TYPE_CHECKING:
    from lambdasim.esm.faults import EsmLuck
    from lambdasim.esm.pollers import Pollers
    from lambdasim.esm.slots import Slot

_RESULT: Final = Priority.RESULT.value
_RETRY: Final = Priority.RETRY.value

DROPPED: Final = Kind(
    "batch dropped",
    lambda mapping, messages: (mapping.uuid, {"messages": len(messages)}),
    lambda _, messages: messages,
    lambda mapping, _: f"given up by the mapping to {mapping.function.name}: it comes back by its visibility timeout",
)


class Invoker:
    """Invokes the function of one mapping with batches of its slots."""

    def __init__(self, pollers: Pollers, retry: ThrottleRetry, luck: EsmLuck | None) -> None:
        self._pollers = pollers
        self._mapping = pollers.mapping
        self._clock = pollers.clock
        self._counts = pollers.counts
        self._ledger = pollers.counts.ledger
        self._machine = pollers.machine
        self._retry = retry
        self._luck = luck
        self.in_flight = 0  #: invocations
        self._throttled: dict[int, Slot] = {}  # RETRY_WAIT, by number
        self._has_warned = False

    @property
    def retrying(self) -> int:
        """Slots that wait to retry a throttled batch."""
        return len(self._throttled)

    # ---- attempts

    def attempt(self, slot: Slot) -> None:
        """Try to invoke (C5)."""
        now_us = self._clock.now_us
        if now_us >= self._ledger.border_us:
            self._ledger.turn(now_us)
        if slot.state is SlotState.RETRY_WAIT:
            del self._throttled[slot.number]
            slot.retry_timer = None
        elif slot.state is not SlotState.INVOKING:
            return
        counts = self._counts
        counts.attempts += 1
        counts.invoked += len(slot.messages)
        terms = slot.terms
        if terms.target.is_gone and not self._mapping.find_again(terms):
            self._fail_for_good(slot)
            return
        if self._luck is not None and self._luck.denies_access(slot.messages):
            self._fail_for_good(slot)
            return
        slot.state = SlotState.INVOKING
        if self._luck is not None and self._luck.fails_attempt(slot.messages):
            self._on_throttle(slot, now_us)
            return
        self.in_flight += 1
        try:
            reason = terms.function.begin(slot, terms.target)
        except BaseException:  # what a handler raised leaves `run()`; the invocation goes on to its end
            self._mark_runs(slot)
            raise
        if reason is None:
            self._mark_runs(slot)
        else:
            self.in_flight -= 1
            self._on_throttle(slot, now_us)

    def _mark_runs(self, slot: Slot) -> None:
        messages, arn = slot.messages, slot.terms.function.arn
        # A batch may hold a message twice (ESM-094), and still be one run of it.
        for message in dict.fromkeys(messages) if slot.terms.window_us else messages:
            if message._runs is None:
                message._runs = arn
            elif message._run_again(arn):
                self._counts.duplicates += 1

    def _fail_for_good(self, slot: Slot) -> None:
        """Stop: the function, version or alias is gone; messages are left to their visibility timeout (ESM-152)."""
        self._counts.failed += len(slot.messages)
        self._drop(slot)
        self._mapping._lifecycle.on_refusal()

    def _on_throttle(self, slot: Slot, now_us: int) -> None:
        """Keep a refused batch for a retry, or drop it (ESM-170 to ESM-174)."""
        self._machine.count_attempt(now_us, failed=True)
        self._counts.failed += len(slot.messages)
        timeout_us = slot.terms.target.version.timeout_us
        again = plan_retry(now_us, slot.retries, slot.deadline_us, timeout_us, self._retry, self._delayed)
        slot.retries += 1
        if again.at_us is None or self._machine.phase is Phase.STOPPED:
            self._drop(slot)
        else:
            slot.state = SlotState.RETRY_WAIT
            self._throttled[slot.number] = slot
            slot.retry_timer = self._clock.timer(again.at_us, self.attempt, slot, priority=_RETRY)

    def _delayed(self, delay_us: int) -> int:
        return delay_us if self._luck is None else self._luck.delay_us(delay_us)

    def drop_throttled(self) -> None:
        """Give up what waits for a retry (ESM-053)."""
        for slot in tuple(self._throttled.values()):
            self._drop(slot)

    def _drop(self, slot: Slot) -> None:
        """Forget the records of a slot; they come back at their own deadlines (ESM-173)."""
        if slot.retry_timer is not None:
            slot.retry_timer.cancel()
            slot.retry_timer = None
            del self._throttled[slot.number]
        self._counts.dropped += len(slot.messages)
        if self._clock.trace.active:
            self._clock.trace.add((self._clock.now_us, DROPPED, self._mapping, slot.messages))
        slot.terms.queue.let_go(slot.flights)
        self._pollers.end_turn(slot)

    # ---- ends of invocations

    def finished(self, slot: Slot) -> None:
        """Take the end of an invocation (C3); what follows from it is a C4 event."""
        self.in_flight -= 1
        invocation, now_us = slot.invocation, self._clock.now_us
        assert invocation is not None
        if invocation.is_answer_lost:  # the work is done, and the slot sees a failure of Lambda (ESM-150)
            self._clock.soon(self._on_lost, slot, _RESULT)
            return
        machine = self._machine
        is_failed = invocation.outcome is not Outcome.SUCCESS and not slot.terms.reports
        if is_failed or now_us >= machine.control_end_us:
            machine.count_attempt(now_us, failed=is_failed)
        else:
            machine.attempts_finished += 1
        self._clock.soon(self._on_result, slot, _RESULT)

    def _on_lost(self, slot: Slot) -> None:
        """Treat an invocation whose answer was lost like one that Lambda refused (C4)."""
        slot.invocation = None
        now_us = self._clock.now_us
        if now_us >= self._ledger.border_us:
            self._ledger.turn(now_us)
        self._on_throttle(slot, now_us)

    def _on_result(self, slot: Slot) -> None:
        """Delete what succeeded, leave the rest to its visibility timeout, and end the turn (C4)."""
        now_us = self._clock.now_us
        if now_us >= self._ledger.border_us:
            self._ledger.turn(now_us)
        invocation, slot.invocation = slot.invocation, None
        assert invocation is not None
        if self._luck is not None and self._luck.loses_poller("before its delete", slot.messages):
            self._pollers.lose(slot)
            return
        messages = slot.messages
        if invocation.outcome is not Outcome.SUCCESS:
            verdict = FAILURE
        elif slot.terms.reports and invocation.result is not None:
            verdict = plan_response(invocation.result, {message.message_id for message in messages})
        else:
            verdict = SUCCESS
        slot.previous_end_us = now_us
        if verdict.is_failure:
            self._counts.failed += len(messages)
        else:
            self._delete(slot, verdict.failed_ids)
        for flight in slot.flights:
            if flight.live:
                slot.terms.queue.let_go(slot.flights)
                break
        self._pollers.end_turn(slot)
        if invocation.result and not slot.terms.reports and not self._has_warned and _names_failures(invocation.result):
            self._has_warned = True
            msg = (
                f"{slot.terms.function.name} returned batchItemFailures, and the mapping of "
                f"{self._pollers.queue.name} has no ReportBatchItemFailures: the whole batch was deleted, as AWS does"
            )
            warnings.warn(msg, stacklevel=2)

    def _delete(self, slot: Slot, failed_ids: frozenset[str]) -> None:
        """Delete the batch but for these."""
        messages, receive_counts, counts = slot.messages, slot.receive_counts, self._counts
        if failed_ids:
            done = [message.message_id not in failed_ids for message in messages]
            messages = [message for message, is_done in zip(messages, done, strict=True) if is_done]
            receive_counts = [count for count, is_done in zip(receive_counts, done, strict=True) if is_done]
            counts.failed += len(done) - len(messages)
        refused = None if self._luck is None or not messages else self._luck.refused_entry(messages)
        if refused is not None:
            messages = [message for place, message in enumerate(messages) if place != refused]
            receive_counts = [count for place, count in enumerate(receive_counts) if place != refused]
        counts.delete_calls += bool(messages)
        queue, flight = slot.terms.queue, slot.flights[0]
        if not self._pollers.reads(queue):
            return  # nobody knows the handles any more
        if messages is flight.messages and flight.live == len(messages):
            counts.deleted += queue.delete_flight(flight)
        elif messages:
            counts.deleted += queue.delete_batch(messages, receive_counts)


def _names_failures(result: object) -> bool:
    return isinstance(result, dict) and bool(result.get("batchItemFailures"))
