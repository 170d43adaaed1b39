"""What anybody can see of a queue: its attributes as values, its counts, and what its metrics are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lambdasim.sqs.attributes import Attributes
from lambdasim.sqs.consumed import Consumed
from lambdasim.sqs.lanes import Quiet
from lambdasim.sqs.results import QueueSnapshot

if TYPE_CHECKING:
    from lambdasim.sqs.queue import Queue


class Shown(Consumed):
    """The part of `Queue` that only looks."""

    _attributes: Attributes
    _ended_at_us: int | None
    _empty_before: dict[int, int]

    # ---- attributes as values

    @property
    def visibility_timeout(self) -> int:
        """Seconds that a message is in flight, unless the receive says otherwise."""
        return self._attributes.visibility_timeout

    @property
    def delay_seconds(self) -> int:
        """Seconds after which a new message is visible."""
        return self._attributes.delay_seconds

    @property
    def maximum_message_size(self) -> int:
        """Bytes."""
        return self._attributes.maximum_message_size

    @property
    def message_retention_period(self) -> int:
        """Seconds."""
        return self._attributes.message_retention_period

    @property
    def receive_message_wait_time_seconds(self) -> int:
        """Seconds that a receive waits, unless it says otherwise."""
        return self._attributes.receive_message_wait_time_seconds

    @property
    def policy(self) -> str | None:
        """JSON text; stored only."""
        return self._attributes.policy

    @property
    def redrive_policy(self) -> str | None:
        """The policy as AWS keeps it: JSON text, or None."""
        policy = self._attributes.redrive_policy
        return None if policy is None else policy.text

    @property
    def redrive_allow_policy(self) -> str | None:
        """JSON text, or None."""
        policy = self._attributes.redrive_allow_policy
        return None if policy is None else policy.text

    @property
    def kms_master_key_id(self) -> str | None:
        """Stored only."""
        return self._attributes.kms_master_key_id

    @property
    def kms_data_key_reuse_period_seconds(self) -> int:
        """Stored only."""
        return self._attributes.kms_data_key_reuse_period_seconds

    @property
    def sqs_managed_sse_enabled(self) -> bool:
        """Stored only."""
        return self._attributes.sqs_managed_sse_enabled

    @property
    def fifo_queue(self) -> bool:
        """Whether it is a FIFO queue."""
        return self.is_fifo

    @property
    def content_based_deduplication(self) -> bool:
        """FIFO: whether the body stands for a deduplication id."""
        return self._attributes.content_based_deduplication

    @property
    def deduplication_scope(self) -> str:
        """FIFO: `queue` or `messageGroup`."""
        return self._attributes.deduplication_scope

    @property
    def fifo_throughput_limit(self) -> str:
        """FIFO: `perQueue` or `perMessageGroupId`."""
        return self._attributes.fifo_throughput_limit

    @property
    def dead_letter_queue(self) -> Queue | None:
        """Where messages go that were received too often, if there is a policy and such a queue."""
        policy = self._attributes.redrive_policy
        return None if policy is None or policy.dead_letter_queue._is_deleted else policy.dead_letter_queue

    @property
    def max_receive_count(self) -> int | None:
        """How often a message is delivered at most, if there is a policy."""
        policy = self._attributes.redrive_policy
        return None if policy is None else policy.max_receive_count

    @property
    def approximate_number_of_messages(self) -> int:
        """Visible messages; exact unless a knob is on (SQS-600)."""
        return self._approximate(0)

    @property
    def approximate_number_of_messages_not_visible(self) -> int:
        """Messages in flight; exact unless a knob is on (SQS-600)."""
        return self._approximate(1)

    @property
    def approximate_number_of_messages_delayed(self) -> int:
        """Delayed messages; exact unless a knob is on (SQS-600)."""
        return self._approximate(2)

    def _approximate(self, place: int) -> int:
        counts = (self.visible, self.in_flight, self.delayed)
        if self._history is not None:
            counts = self._history.then(self.clock.now_us, counts)
        return counts[place] if self._luck is None else self._luck.noisy(counts[place])

    # ---- looking

    def snapshot(self) -> QueueSnapshot:
        """Return the counts of this instant, exact and frozen. Runtime: `O(1)` amortised."""
        now_us = self.clock.now_us
        oldest = self._ages.oldest()
        return QueueSnapshot(
            at_us=now_us,
            visible=self.visible,
            delayed=self.delayed,
            in_flight=self.in_flight,
            oldest_age_us=0 if oldest is None else now_us - oldest.entered_at_us,
            sent=self.sent,
            received=self.received,
            deleted=self.deleted,
            expired=self.expired,
            moved=self.moved,
            arrived=self.arrived,
            purged=self.purged,
            redriven=self.redriven,
            requests=self.total_requests,
            billed_requests=self.billed_requests + self._background_empty_receives(),
        )

    @property
    def total_requests(self) -> int:
        """API calls so far, those of idle pollers included, which are computed (SQS-604, ESM-082)."""
        return self.requests + self._background_empty_receives()

    @property
    def metrics_until_us(self) -> int:
        """The instant up to which there are gauges: now, or the end of the queue."""
        return self.clock.now_us if self._ended_at_us is None else self._ended_at_us

    def quiet_minutes(self) -> Iterator[tuple[int, Quiet]]:
        """Yield (end of a minute, what the metrics of a fair queue say), once it has had a message with a group."""
        return iter(()) if self._lanes is None else self._lanes.minutes(self.metrics_until_us)

    def background_empty_receives_by_minute(self) -> dict[int, int]:
        """Return the empty receives of idle pollers by minute: computed, not simulated (ESM-082)."""
        found = dict(self._empty_before)
        for consumer in (*self._line.consumers, *self._line.former):
            for minute, times in consumer.empty_receives_by_minute().items():
                found[minute] = found.get(minute, 0) + times
        return found

    def _background_empty_receives(self) -> int:
        line = self._line
        now = sum(consumer.count_empty_receives() for consumer in (*line.consumers, *line.former))
        return now + sum(self._empty_before.values())
