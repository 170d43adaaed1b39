"""Fair queues against a naive model: every message is looked at for everything (SQS-310 to SQS-313)."""

from __future__ import annotations

from attrs import Factory, define
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import Simulation, SqsConfig
from lambdasim.units import seconds
from tests.strategies import near

WINDOW_US = seconds(20)
SEND_MEMORY_US = seconds(300)

# ---- the naive model


@define(eq=False)
class NaiveMessage:
    number: int
    tenant: str | None
    sent_us: int
    available_us: int
    rank_us: int
    deadline_us: int = 0
    count: int = 0
    handle: object = None

    def state(self, now_us):
        if not self.count:
            return "delayed" if now_us < self.available_us else "visible"
        return "in flight" if now_us < self.deadline_us else "visible"

    def rank(self):
        return (self.deadline_us if self.count >= 3 else self.rank_us, self.number)


@define(eq=False)
class NaiveQueue:
    is_both: bool
    messages: list = Factory(list)
    sent_us: dict = Factory(dict)  # by tenant, the last
    processed: list = Factory(list)  # of all deliveries: tenant, begin, end

    def send(self, now_us, number, tenant, delay_us):
        self.messages.append(NaiveMessage(number, tenant, now_us, now_us + delay_us, now_us))
        self.sent_us[tenant] = now_us

    def in_flight(self, now_us, tenant):
        return sum(message.tenant == tenant and message.state(now_us) == "in flight" for message in self.messages)

    def noisy(self, now_us):
        flying = sum(message.state(now_us) == "in flight" for message in self.messages)
        begin_us = now_us - WINDOW_US
        times = {}
        for tenant, from_us, until_us in self.processed:
            times[tenant] = times.get(tenant, 0) + max(0, min(until_us, now_us) - max(from_us, begin_us))
        found = set()
        for tenant in {message.tenant for message in self.messages} - {None}:
            own = self.in_flight(now_us, tenant)
            has_share = own >= 30 and own * 10 > flying
            if self.is_both:
                has_share |= times.get(tenant, 0) * 10 > sum(times.values())
            backlog = any(
                message.tenant == tenant and message.state(now_us) != "in flight" for message in self.messages
            )
            if has_share and backlog and now_us - self.sent_us[tenant] < SEND_MEMORY_US:
                found.add(tenant)
        return found

    def receive(self, now_us, limit, timeout_us):
        noisy = self.noisy(now_us)
        taken = []
        while len(taken) < limit:
            visible = [m for m in self.messages if m.state(now_us) == "visible"]
            if not visible:
                break
            quiet = [message for message in visible if message.tenant not in noisy]
            if quiet:
                message = min(quiet, key=NaiveMessage.rank)
            else:
                message = min(visible, key=lambda message: (self.in_flight(now_us, message.tenant), *message.rank()))
            message.rank_us = message.rank()[0]
            message.count += 1
            message.deadline_us = now_us + timeout_us
            taken.append(message)
            self.processed.append([message.tenant, now_us, now_us + timeout_us])
        return taken

    def end(self, message, at_us):
        """End the delivery of a message at this instant, if it is under way then."""
        for delivery in self.processed:
            if delivery[2] == message.deadline_us and delivery[0] == message.tenant:
                delivery[2] = at_us
                break
        message.deadline_us = at_us


# ---- both of them

steps = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(("X", "X", "Y", "Z", None)), st.sampled_from((1, 10, 20))),
    st.tuples(st.just("send late"), st.sampled_from(("X", "Y", None)), st.just(1)),
    st.tuples(st.just("receive"), st.integers(1, 10), st.sampled_from((1, 5, 400))),
    st.tuples(st.just("receive many"), st.integers(1, 5), st.sampled_from((5, 400))),
    st.tuples(st.just("delete"), st.integers(0, 200), st.just(0)),
    st.tuples(st.just("release"), st.integers(0, 200), st.just(0)),
    st.tuples(
        st.just("wait"), near(seconds(1), seconds(5), seconds(20), seconds(100), seconds(300), seconds(400)), st.just(0)
    ),
)

beginnings = st.sampled_from(
    (
        [],
        [("send", None, 20), ("receive many", 2, 5), ("wait", seconds(5), 0)],
        [("send", "X", 40), ("receive many", 3, 400), ("send", "Y", 10)],
        [("send", "X", 50), ("receive many", 4, 400), ("send", "Y", 50), ("receive many", 4, 400)],
        [("send", None, 30), ("send", "X", 40), ("receive many", 6, 400), ("send", "X", 20), ("send", "Y", 20)],
    )
)


@given(beginnings, st.lists(steps, min_size=10, max_size=40), st.booleans())
def test_a_fair_queue_does_what_the_naive_one_does(beginning, steps, is_both):
    sim = Simulation()
    config = SqsConfig(fair_queues="both" if is_both else "concurrency", fair_window_s=20)
    queue = sim.create_queue("orders", settings=[config])
    naive, number, delivered = NaiveQueue(is_both), 0, []

    def receive(limit, timeout_s):
        found = queue.receive_message(max_number_of_messages=limit, visibility_timeout=timeout_s)
        expected = naive.receive(sim.now_us, limit, seconds(timeout_s))
        assert [f"{message.number}" for message in expected] == [delivery.body for delivery in found]
        for message, delivery in zip(expected, found, strict=True):
            message.handle = delivery.receipt_handle
            delivered.append(message)

    for step, first, second in [*beginning, *steps]:
        if step in {"send", "send late"}:
            for _ in range(second):
                number += 1
                delay_s = 5 if step == "send late" else 0
                queue.send_message(f"{number}", message_group_id=first, delay_seconds=delay_s)
                naive.send(sim.now_us, number, first, seconds(delay_s))
        elif step == "receive":
            receive(first, second)
        elif step == "receive many":
            for _ in range(first):
                receive(10, second)
        elif step == "wait":
            sim.run(until_us=sim.now_us + first)
        elif delivered:
            message = delivered[first % len(delivered)]
            is_flying = message in naive.messages and message.state(sim.now_us) == "in flight"
            if is_flying and step == "release":
                queue.change_message_visibility(message.handle, 0)
                naive.end(message, sim.now_us)
            elif step == "delete":
                queue.delete_message(message.handle)
                if is_flying:
                    naive.end(message, sim.now_us)
                if message in naive.messages:
                    naive.messages.remove(message)
        states = [message.state(sim.now_us) for message in naive.messages]
        snapshot = queue.snapshot()
        assert [states.count(state) for state in ("visible", "in flight", "delayed")] == [
            snapshot.visible,
            snapshot.in_flight,
            snapshot.delayed,
        ]
    sim.check_invariants()
