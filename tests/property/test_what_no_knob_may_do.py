"""
Whatever is switched on, and whoever answers the choices, queues never do what AWS rules out (SQS-642).

There is no model here: all that is asserted can be seen from outside, by calls and by looking into the queues.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lambdasim import RedrivePolicy, Simulation, SqsFaults
from lambdasim.errors import ResponseLostError, SqsError
from lambdasim.errors.sqs import (
    InvalidParameterValueException,
    PurgeQueueInProgress,
    QueueDoesNotExist,
    RequestThrottled,
    ResourceNotFoundException,
)
from lambdasim.sqs import State
from lambdasim.units import seconds
from tests.strategies import batch_limits, near

WINDOW_US = seconds(300)  # SQS-340
chances = st.sampled_from((0.0, 0.0, 0.0, 0.3, 1.0))
knobs = st.fixed_dictionaries(
    {
        "reorder_window": st.sampled_from((0, 2, 10)),
        "duplicate_probability": chances,
        "duplicate_delay_s": st.sampled_from(((0, 1), (0, 0), (0, 43_200))),
        "lost_delete_probability": chances,
        "stale_delete_success_probability": chances,
        "short_poll_shards": st.sampled_from((1, 2, 4)),
        "short_poll_sample": st.sampled_from((None, 1)),
        "receive_fewer_probability": chances,
        "long_poll_empty_probability": chances,
        "lost_receive_response_probability": chances,
        "lost_send_ack_probability": chances,
        "poll_wakeup": st.sampled_from(("fifo", "random")),
        "approx_noise": chances,
        "purge_duration_s": st.sampled_from((0, 0, 1, 60)),
        "purge_swallow_probability": chances,
        "throttle_probability": st.sampled_from((0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.2, 1.0)),
        "approx_staleness_s": st.sampled_from((0, 60)),
        "attribute_propagation_s": st.sampled_from((0, 1, 60)),
        "retention_propagation_s": st.sampled_from((0, 900)),
        "create_ready_s": st.sampled_from((0, 0, 0, 1)),
        "delete_queue_linger_s": st.sampled_from((0, 5, 60)),
        "cancel_move_task_s": st.sampled_from((0, 2)),
    }
)
names = st.sampled_from(("a", "a", "a", "a.fifo", "a.fifo", "a.fifo", "b", "b.fifo", "spare.fifo"))
sources = st.sampled_from(("a", "a", "a", "a.fifo", "a.fifo", "a.fifo", "spare.fifo"))
timeouts_s = st.sampled_from((0, 0, 1, 5, 30, 400))
steps_us = near(0, *map(seconds, (1, 1, 2, 5, 5, 30, 60, 300)))
delays_s = st.sampled_from((None, None, 0, 1, 5))


class AnyOption:
    """Takes any option, however unlikely."""

    def __init__(self, seed) -> None:
        self._random = random.Random(seed)

    def choose(self, point, options) -> int:
        return self._random.randrange(len(options))


class LastOption:
    """Takes the last option always."""

    def choose(self, point, options) -> int:
        return len(options) - 1


choosers = st.one_of(st.none(), st.none(), st.integers(0, 9).map(AnyOption), st.builds(LastOption))


@dataclass(eq=False)
class Seen:
    """What one look into a queue shows of a message."""

    queue: str
    state: State
    count: int
    body: str
    sent_us: int
    group: str | None
    deduplication_id: str | None
    sequence: int


@dataclass(eq=False)
class Held:
    """A delivery that somebody has seen."""

    queue: str
    message_id: str
    count: int
    handle: str


class QueuesKeepTheLaw(RuleBasedStateMachine):
    """A standard pair and a FIFO pair of queues, each with its dead-letter queue, and one that may be deleted."""

    @initialize(
        given=knobs,
        chooser=choosers,
        seed=st.integers(0, 99),
        retention_s=st.sampled_from((60, 400, 900, 900)),
        delay_s=st.sampled_from((0, 0, 0, 2)),
        count=st.sampled_from((1, 2, 2, 3, 100)),
    )
    def make(self, given, chooser, seed, retention_s, delay_s, count) -> None:
        if given["short_poll_shards"] == 1:
            given["short_poll_sample"] = None
        self.faults = SqsFaults(**given)
        self.sim = Simulation(seed=seed, faults=self.faults, choices=chooser)
        self.retention_us, self.delay_s = seconds(retention_s), delay_s
        self.queues: dict[str, Any] = {}
        for suffix in ("", ".fifo"):
            attributes = {"message_retention_period": retention_s, "delay_seconds": delay_s}
            dlq = self.sim.create_queue(f"b{suffix}", **attributes)
            self.sim.run_for(given["create_ready_s"])
            policy = RedrivePolicy(dlq, max_receive_count=count)
            self.queues[f"b{suffix}"] = dlq
            self.queues[f"a{suffix}"] = self.sim.create_queue(f"a{suffix}", redrive_policy=policy, **attributes)
        self.queues["spare.fifo"] = self.sim.create_queue("spare.fifo", **attributes)
        self.is_spare_deleted = False
        self.bodies = 0
        self.entries: dict[str, int | None] = {}  # delay of what was sent, by body
        self.available_us: dict[str, int] = {}  # by id
        self.first_sends: dict[tuple[str, str], tuple[int, str]] = {}  # by queue and deduplication id
        self.purges_us: dict[str, list[int]] = {name: [] for name in self.queues}
        self.purge_us = seconds(given["purge_duration_s"])
        self.swallowed: dict[tuple[str, str | None], str] = {}  # what a purge took at once, by deduplication id
        self.handles: dict[str, Held] = {}
        self.until_us: dict[tuple[str, str], int] = {}  # how long a FIFO message is somebody's, by queue and id
        self.tasks: list[str] = []
        self.before: dict[str, Seen] = {}
        self.looked_us = 0
        self.redriven: dict[str, int] = {}
        self.begin()
        self.look()

    # ---- looking

    def begin(self) -> None:
        """Begin a step in which nothing has been done yet."""
        self.sends = 0
        self.deleting: set[str] = set()

    def messages(self) -> dict[str, Seen]:
        """All messages by id; none is in two places."""
        found: dict[str, Seen] = {}
        for name, queue in self.queues.items():
            for message in queue.messages:
                assert message.message_id not in found
                found[message.message_id] = Seen(
                    name,
                    message.state,
                    message.receive_count,
                    message.body,
                    message.sent_at_us,
                    message.message_group_id,
                    message.message_deduplication_id,
                    int(message.sequence_number or 0),
                )
        return found

    def look(self) -> None:
        """Compare with the last look: whatever came or went must have a reason."""
        now_us = self.sim.now_us
        after = self.messages()
        unexplained = dict.fromkeys(self.queues, 0)
        moves = {name: queue.snapshot().redriven - self.redriven.get(name, 0) for name, queue in self.queues.items()}
        for ident, seen in self.before.items():
            if ident not in after and ident not in self.deleting and not self.may_be_gone(seen):
                unexplained[seen.queue] += 1
        for name, count in unexplained.items():
            # A message that went to the dead-letter queue in this step may have gone on from there.
            onward = moves[name] + moves.get(name.replace("a", "b"), 0)
            assert count <= onward, f"{count} messages of {name} are lost"
        fresh = [(ident, seen) for ident, seen in after.items() if ident not in self.before]
        assert len(fresh) <= self.sends + sum(moves.values()), "messages came from nowhere"
        for ident, seen in fresh:
            delay_s = self.entries.pop(seen.body, 0)  # what a move task makes is not delayed (SQS-464)
            self.available_us[ident] = seen.sent_us + seconds(self.delay_s if delay_s is None else delay_s)
            if self.sends and seen.queue.endswith(".fifo") and not any(moves.values()):
                self.note_first_send(ident, seen)
        for ident, seen in after.items():
            if seen.count:
                assert now_us >= self.available_us[ident], "delivered before its delay was over"
        self.before = after
        self.looked_us = now_us
        self.redriven = {name: queue.snapshot().redriven for name, queue in self.queues.items()}

    def may_be_gone(self, seen) -> bool:
        """Retention, a purge and the end of its queue are reasons."""
        if self.sim.now_us - seen.sent_us >= self.retention_us:
            return True
        if seen.queue == "spare.fifo" and self.is_spare_deleted:
            return True
        return any(
            seen.sent_us <= purged_us and self.looked_us <= purged_us + self.purge_us
            for purged_us in self.purges_us[seen.queue]
        )

    def note_first_send(self, ident, seen) -> None:
        """Two messages with one deduplication id are the window apart, but for a purge (SQS-340, SQS-341)."""
        key = seen.queue, seen.deduplication_id
        first_us, first = self.first_sends.get(key, (None, None))
        if first_us is not None and first != ident and seen.sent_us - first_us < WINDOW_US:
            assert any(
                first_us <= purged_us and purged_us + self.purge_us <= seen.sent_us
                for purged_us in self.purges_us[seen.queue]
            ), "a duplicate inside the window"
        self.first_sends[key] = seen.sent_us, ident

    def call(self, call) -> Any:
        """Return the answer, or None if there is none; what was throttled has done nothing."""
        before = [(ident, seen.state, seen.count) for ident, seen in self.messages().items()]
        try:
            return call()
        except RequestThrottled:
            assert before == [(ident, seen.state, seen.count) for ident, seen in self.messages().items()]
        except (QueueDoesNotExist, ResourceNotFoundException):
            assert self.faults.create_ready_s or self.is_spare_deleted
        except ResponseLostError:
            assert self.faults.lost_send_ack_probability or self.faults.lost_receive_response_probability
        except (InvalidParameterValueException, PurgeQueueInProgress):
            pass  # an expired handle, a receive that cannot be repeated, a second task, a purge too soon
        finally:
            self.sim.run(until_us=self.sim.now_us)
        return None

    def examine(self, name, deliveries, timeout_s) -> None:
        """Look at an answer at the instant at which it was given."""
        now_us = self.sim.now_us
        is_fifo = name.endswith(".fifo")
        there = self.messages()
        own: list[str] = []
        for delivery in deliveries:
            ident, handle = delivery.message_id, delivery.receipt_handle
            assert ident not in own, "one answer has it twice"
            known = self.handles.get(handle)
            if known is not None:  # a receive that was repeated (SQS-361)
                assert is_fifo
                assert (known.queue, known.message_id, known.count) == (name, ident, delivery.receive_count)
            elif is_fifo:
                assert now_us >= self.until_us.get((name, ident), 0), "delivered while it is somebody's"
            self.handles[handle] = Held(name, ident, delivery.receive_count, handle)
            if is_fifo:
                self.until_us[name, ident] = now_us + seconds(timeout_s)
                sequence = int(delivery.sequence_number)
                for other, seen in there.items():
                    if seen.queue == name and seen.group == delivery.message_group_id and seen.sequence < sequence:
                        assert other in own, "an earlier message of its group is still there"
            own.append(ident)

    # ---- calls

    def entry(self, name, group, deduplication_id, delay_s) -> dict[str, Any]:
        self.bodies += 1
        self.sends += 1
        body = f"m{self.bodies}"
        if name.endswith(".fifo"):
            self.entries[body] = None
            return {
                "message_body": body,
                "message_group_id": group,
                "message_deduplication_id": deduplication_id or body,
            }
        self.entries[body] = delay_s
        return {"message_body": body, "delay_seconds": delay_s}

    def check_sent(self, name, ident, entry) -> None:
        """An accepted send is there, or was there before, or is swallowed by a purge."""
        if ident in self.messages() or ident in self.before:
            return
        if name.endswith(".fifo"):
            first = self.first_sends.get((name, entry["message_deduplication_id"]))
            if first is not None and first[1] == ident and self.sim.now_us - first[0] < WINDOW_US:
                return
        is_swallowed = any(self.sim.now_us <= purged_us + self.purge_us for purged_us in self.purges_us[name])
        swallowed = self.swallowed.get((name, entry.get("message_deduplication_id")))
        assert is_swallowed or swallowed == ident, "accepted and lost"
        self.swallowed[name, entry.get("message_deduplication_id")] = ident

    @rule(name=sources, group=st.sampled_from("gh"), ident=st.sampled_from((None, "d", "e")), delay_s=delays_s)
    def send(self, name, group, ident, delay_s) -> None:
        self.begin()
        entry = self.entry(name, group, ident, delay_s)
        sent = self.call(lambda: self.queues[name].send_message(**entry))
        if sent is not None:
            self.check_sent(name, sent.message_id, entry)
        self.look()

    @rule(
        name=sources, group=st.sampled_from("gh"), idents=st.lists(st.sampled_from((None, "d")), min_size=2, max_size=5)
    )
    def send_batch(self, name, group, idents) -> None:
        self.begin()
        entries = [{"id": f"e{place}", **self.entry(name, group, ident, 0)} for place, ident in enumerate(idents)]
        answer = self.call(lambda: self.queues[name].send_message_batch(entries))
        for sent, entry in zip(answer.successful if answer else (), entries, strict=False):
            self.check_sent(name, sent.message_id, entry)
        self.look()

    @rule(
        name=names,
        limit=batch_limits,
        timeout_s=timeouts_s,
        wait_s=st.sampled_from((0, 0, 0, 1, 20)),
        attempt=st.sampled_from((None, None, "r")),
    )
    def receive(self, name, limit, timeout_s, wait_s, attempt) -> None:
        self.begin()
        parameters = {
            "max_number_of_messages": limit,
            "visibility_timeout": timeout_s,
            "wait_time_seconds": wait_s,
            "receive_request_attempt_id": attempt if name.endswith(".fifo") else None,
        }
        if wait_s != 20:
            found = self.call(lambda: self.queues[name].receive_message(**parameters))
            self.examine(name, found or (), timeout_s)
        else:
            self.sim.spawn(self.poll(name, parameters, timeout_s))
            self.sim.run(until_us=self.sim.now_us)
        self.look()

    @rule(
        name=sources,
        count=st.integers(3, 9),
        times=st.integers(1, 5),
        limit=batch_limits,
        timeout_s=timeouts_s,
        data=st.data(),
    )
    def work(self, name, count, times, limit, timeout_s, data) -> None:
        """Send several, and receive again and again, so that much is under way at a time."""
        for _ in range(count):
            self.send(name, data.draw(st.sampled_from("ggh")), None, 0)
        for _ in range(times):
            self.receive(name, limit, timeout_s, 0, None)
            self.time_passes(data.draw(st.sampled_from((0, 0, seconds(1), seconds(timeout_s)))))
            if self.handles and data.draw(st.booleans()):
                self.delete([data.draw(st.integers(0, 3))])

    async def poll(self, name, parameters, timeout_s) -> None:
        try:
            found = await self.queues[name].wait_receive(**parameters)
        except (SqsError, ResponseLostError):
            return
        self.examine(name, found, timeout_s)

    def held(self, which) -> Held:
        handles = list(self.handles.values())
        return handles[-1 - which % len(handles)]

    @precondition(lambda self: self.handles)
    @rule(which=st.lists(st.integers(0, 8), min_size=1, max_size=3))
    def delete(self, which) -> None:
        self.begin()
        held = [self.held(place) for place in which]
        name = held[0].queue
        self.deleting = {each.message_id for each in held}
        before = self.messages()
        entries = [{"id": f"e{place}", "receipt_handle": each.handle} for place, each in enumerate(held)]
        answer = self.call(lambda: self.queues[name].delete_message_batch(entries))
        if answer is not None and name.endswith(".fifo"):
            for entry in answer.successful:
                each = held[int(entry.id[1:])]
                seen = before.get(each.message_id)
                if seen is not None and seen.queue == name:
                    assert each.message_id not in self.messages(), "deleted, and still there"
        self.look()

    @precondition(lambda self: self.handles)
    @rule(which=st.integers(0, 8), timeout_s=timeouts_s)
    def change_visibility(self, which, timeout_s) -> None:
        self.begin()
        held = self.held(which)
        queue = self.queues[held.queue]
        is_done: list[bool] = []
        place = held.queue, held.message_id
        before_us, after_us = self.until_us.get(place, 0), self.sim.now_us + seconds(timeout_s)
        self.until_us[place] = after_us  # who waits may have it before the call returns
        self.call(lambda: is_done.append(queue.change_message_visibility(held.handle, timeout_s) is None))
        if not is_done:
            self.until_us[place] = before_us
        self.look()

    @rule(name=names)
    def purge(self, name) -> None:
        self.begin()
        done: list[bool] = []
        self.call(lambda: done.append(self.queues[name].purge_queue() is None))
        if done:
            self.purges_us[name].append(self.sim.now_us)
        self.look()

    @rule(name=st.sampled_from(("b", "b.fifo")), is_back=st.booleans(), rate=st.sampled_from((1, 500)))
    def start_move_task(self, name, is_back, rate) -> None:
        for _ in range(3):  # wear some messages out, so that there is something to move
            self.receive(name.replace("b", "a"), 10, 0, 0, None)
        self.begin()
        answer = self.call(
            lambda: self.sim.start_message_move_task(
                self.queues[name].arn, self.queues[name.replace("b", "a")].arn if is_back else None, rate
            )
        )
        if answer is not None:
            self.tasks.append(answer.task_handle)
        self.look()

    @rule(name=st.sampled_from(("a", "a.fifo")), timeout_s=st.sampled_from((0, 30)))
    def set_queue_attributes(self, name, timeout_s) -> None:
        self.begin()
        self.call(lambda: self.queues[name].set_queue_attributes(visibility_timeout=timeout_s))
        self.look()

    @precondition(lambda self: not self.is_spare_deleted)
    @rule(lots=st.integers(0, 3))
    def delete_spare(self, lots) -> None:
        if not lots:
            self.begin()
            self.call(self.queues["spare.fifo"].delete_queue)
            self.is_spare_deleted = True
            self.look()

    @rule(elapsed_us=steps_us)
    def time_passes(self, elapsed_us) -> None:
        self.begin()
        self.sim.run(until_us=self.sim.now_us + elapsed_us)
        self.look()

    @invariant()
    def nothing_is_lost(self) -> None:
        self.sim.check_invariants()
        for queue in self.queues.values():
            snapshot = queue.snapshot()
            for count in (
                queue.approximate_number_of_messages,
                queue.approximate_number_of_messages_not_visible,
                queue.approximate_number_of_messages_delayed,
            ):
                assert count >= 0
            assert snapshot.total == len(queue.messages) or self.is_spare_deleted


@pytest.mark.rule("SQS-642")
def test_no_knob_produces_what_aws_forbids():
    """Order and exactly-once on FIFO queues, delays, handles and messages hold in every run."""
    run_state_machine_as_test(QueuesKeepTheLaw, settings=settings())
