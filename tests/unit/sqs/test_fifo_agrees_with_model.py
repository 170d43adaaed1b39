"""FIFO queues against a naive model: a list of messages that is searched from its front for everything."""

from __future__ import annotations

from attrs import Factory, define
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import RedrivePolicy, Simulation, SqsConfig
from lambdasim.errors.sqs import InvalidParameterValueException
from lambdasim.units import seconds
from tests.strategies import near

# ---- the naive model


@define(eq=False)
class NaiveMessage:
    body: str
    group: str
    sent_us: int
    available_us: int
    deadline_us: int = 0
    count: int = 0  # deliveries from this queue
    handle: object = None

    def state(self, now_us):
        if not self.count:
            return "delayed" if now_us < self.available_us else "visible"
        return "in flight" if now_us < self.deadline_us else "visible"

    @property
    def since_us(self):
        return self.deadline_us if self.count else self.available_us


@define(eq=False)
class NaiveQueue:
    window: int
    most_in_flight: int
    max_receive_count: int | None
    delay_us: int
    messages: list = Factory(list)  # by sequence
    moved: list = Factory(list)

    def send(self, now_us, body, group):
        self.messages.append(NaiveMessage(body, group, now_us, now_us + self.delay_us))

    def set_delay(self, now_us, delay_us):
        self.delay_us = delay_us
        for message in self.messages:
            if message.state(now_us) == "delayed":
                message.available_us = max(now_us, message.sent_us + delay_us)

    def receive(self, now_us, limit, timeout_us):
        messages = self.messages
        limit = min(limit, self.most_in_flight - self.counts(now_us)[1])
        if limit <= 0:
            return []
        searched = [message for message in messages if message.state(now_us) != "delayed"][: self.window]
        heads = {}
        for message in messages:
            heads.setdefault(message.group, message)
        eligible = [head for head in heads.values() if head in searched and head.state(now_us) == "visible"]
        taken, used_up = [], []
        for head in sorted(eligible, key=lambda head: (head.since_us, messages.index(head))):
            for message in [message for message in messages if message.group == head.group]:
                if message.state(now_us) != "visible" or len(taken) == limit:
                    break
                is_used_up = self.max_receive_count is not None and message.count >= self.max_receive_count
                (used_up if is_used_up else taken).append(message)
        for message in taken:
            message.count += 1
            message.deadline_us = now_us + timeout_us
        for message in used_up:
            messages.remove(message)
            self.moved.append(message.body)
        return taken

    def counts(self, now_us):
        states = [message.state(now_us) for message in self.messages]
        return tuple(states.count(state) for state in ("visible", "in flight", "delayed"))


# ---- both of them

timeouts_s = st.sampled_from((0, 1, 2, 3, 9, 10, 11, 30, 100))
steps = st.one_of(
    *[st.tuples(st.just("send"), st.sampled_from("ABCD"), st.just(0))] * 4,
    *[st.tuples(st.just("receive"), st.integers(1, 10), timeouts_s)] * 2,
    *[st.tuples(st.just("delete"), st.integers(0, 100), st.just(0))] * 3,
    st.tuples(st.just("change"), st.integers(0, 100), timeouts_s),
    st.tuples(st.just("wait"), near(seconds(1), seconds(3), seconds(10)), st.just(0)),
    st.tuples(st.just("set delay"), st.sampled_from((0, 1, 2, 3, 10)), st.just(0)),
    st.tuples(st.just("purge"), st.just(0), st.just(0)),
)


@given(
    st.lists(st.sampled_from("ABCDEF"), min_size=4, max_size=12),
    st.lists(steps, min_size=15, max_size=60),
    st.sampled_from((1, 2, 3, 5, 1_000)),
    st.sampled_from((1, 3, 1_000)),
    st.sampled_from((None, 1, 2)),
    st.sampled_from((0, 1, 3)),
)
def test_a_fifo_queue_does_what_the_naive_one_does(groups, steps, window, most_in_flight, max_receive_count, delay_s):
    sim = Simulation()
    dlq = sim.create_queue("dlq.fifo")
    policy = None if max_receive_count is None else RedrivePolicy(dlq, max_receive_count)
    queue = sim.create_queue(
        "orders.fifo",
        content_based_deduplication=True,
        delay_seconds=delay_s,
        redrive_policy=policy,
        settings=[SqsConfig(fifo_scan_window=window, inflight_limit_fifo=most_in_flight, purge_interval_s=0)],
    )
    naive = NaiveQueue(window, most_in_flight, max_receive_count, seconds(delay_s))
    delivered = []  # messages with a handle, in order of delivery
    beginning = [("send", group, 0) for group in groups]
    for number, (step, first, second) in enumerate([*beginning, *steps]):
        now_us = sim.now_us
        if step == "send":
            queue.send_message(f"{first}{number}", message_group_id=first)
            naive.send(now_us, f"{first}{number}", first)
        elif step == "receive":
            found = queue.receive_message(max_number_of_messages=first, visibility_timeout=second)
            expected = naive.receive(now_us, first, seconds(second))
            assert [message.body for message in expected] == [delivery.body for delivery in found]
            assert [message.count for message in expected] == [delivery.receive_count for delivery in found]
            for message, delivery in zip(expected, found, strict=True):
                message.handle = delivery.receipt_handle
                delivered.append((message, message.handle))
        elif step == "wait":
            sim.run(until_us=now_us + first)
        elif step == "set delay":
            queue.set_queue_attributes(delay_seconds=first)
            naive.set_delay(now_us, seconds(first))
        elif step == "purge":
            queue.purge_queue()
            naive.messages.clear()
        elif delivered:
            message, handle = delivered[-1 - first % min(len(delivered), 8)]  # mostly still in flight
            is_there = message in naive.messages
            is_valid = is_there and handle == message.handle and now_us < message.deadline_us
            try:
                if step == "delete":
                    queue.delete_message(handle)
                else:
                    queue.change_message_visibility(handle, second)
                is_done = True
            except InvalidParameterValueException:
                is_done = False
            assert is_done == (is_valid or (step == "delete" and not is_there))
            if is_valid and step == "delete":
                naive.messages.remove(message)
            elif is_valid:
                message.deadline_us = now_us + seconds(second)
        snapshot = queue.snapshot()
        assert naive.counts(sim.now_us) == (snapshot.visible, snapshot.in_flight, snapshot.delayed)
        assert [message.body for message in naive.messages] == [message.body for message in queue.messages]
        assert naive.moved == [message.body for message in dlq.messages]
    sim.check_invariants()
