"""
How much work the operations of a queue are, counted in lines of Python that run: whoever is in the way costs nothing.

Seconds depend on the machine, lines do not. Each operation runs beside a small backlog and beside a large one; a heap
or a sorted list may add a few lines, a loop over what waits would add thousands.
"""

from __future__ import annotations

import sys
from statistics import median

import pytest

from lambdasim import Clock, Queue, RedrivePolicy, Simulation, SqsConfig, SqsFaults
from lambdasim.sqs import fifo as fifo_module

FEW, MANY = 100, 3_000
ROUNDS = 9
MARGIN = 1.25  # thirty times as much in the queue may cost so much more, and no more


def lines_of(work):
    """Count the lines, and the entries into functions and generators, that this call runs."""
    counted = 0

    def trace(_frame, event, _argument):
        nonlocal counted
        counted += event in {"line", "call"}
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)  # of whoever measures coverage
    return counted


class Bench:
    """A queue with a backlog, and what each operation on one more message costs."""

    def __init__(self, queue, *, sends=None):
        self.queue = queue
        self.sends = sends or {}  # how a message is sent that can be received next to the backlog
        self.number = 0
        self.lines = {}

    def count(self, name, work):
        self.lines.setdefault(name, []).append(lines_of(work))

    def receive(self):
        found = []
        self.count("receive", lambda: found.extend(self.queue.receive_message(visibility_timeout=1)))
        (delivery,) = found
        return delivery.receipt_handle

    def round(self):
        """Send, receive, change the visibility, delete; then receive one that comes back by itself."""
        queue, clock = self.queue, self.queue.clock
        self.number += 1
        self.count("send", lambda: queue.send_message(f"new {self.number}", **self.sends))
        handle = self.receive()
        self.count("change visibility", lambda: queue.change_message_visibility(handle, 2))
        self.count("delete", lambda: queue.delete_message(handle))
        in_flight = queue.in_flight
        queue.receive_message(visibility_timeout=1)
        assert queue.in_flight == in_flight + 1
        self.count("expiry", lambda: clock.run(until=clock.now + 1))
        assert queue.in_flight == in_flight

    def medians(self):
        for _ in range(ROUNDS):
            self.round()
        self.queue.check_invariants()
        return {name: median(counts) for name, counts in self.lines.items()}


def make(name, **given):
    return Queue(name, Clock(trace=0), visibility_timeout=43_200, **given)


def standard(waiting):
    queue = make("orders")
    for number in range(waiting):
        queue.send_message(f"{number}")
    return Bench(queue)


def returned(waiting):
    """All messages have been received once, and came back; a redrive policy counts their receives."""
    clock = Clock(trace=0)
    policy = RedrivePolicy(Queue("dead", clock), 1_000)
    queue = Queue("orders", clock, visibility_timeout=43_200, redrive_policy=policy)
    for number in range(waiting):
        queue.send_message(f"{number}")
    while queue.visible:
        queue.receive_message(max_number_of_messages=10, visibility_timeout=1)
    clock.run(until=2)
    return Bench(queue)


def in_flight(waiting):
    """Nearly all messages are in flight, each by a receive of its own that ends at an instant of its own."""
    queue = make("orders")
    for number in range(waiting):
        queue.send_message(f"{number}")
        queue.receive_message(visibility_timeout=43_200 - number)
    queue.send_message("spare")
    return Bench(queue)


def delayed(waiting):
    queue = make("orders")
    for number in range(waiting):
        queue.send_message(f"{number}", delay_seconds=900 - number % 300)
    queue.send_message("spare")
    return Bench(queue)


def groups(waiting):
    """Each message has a group of its own."""
    queue = make("orders.fifo", content_based_deduplication=True)
    for number in range(waiting):
        queue.send_message(f"{number}", message_group_id=f"{number}")
    return Bench(queue, sends={"message_group_id": "new"})


def one_group(waiting):
    """The whole backlog is one group, and the next message is its head."""
    queue = make("orders.fifo", content_based_deduplication=True)
    for number in range(waiting):
        queue.send_message(f"{number}", message_group_id="all")
    return Bench(queue, sends={"message_group_id": "all"})


def blocked(waiting):
    """The head of a group of all messages is in flight; another group is alive."""
    queue = make("orders.fifo", content_based_deduplication=True)
    for number in range(waiting):
        queue.send_message(f"{number}", message_group_id="blocked")
    queue.receive_message()
    queue.clock.run(until=1)
    for number in range(2):
        queue.send_message(f"live {number}", message_group_id="live")
    return Bench(queue, sends={"message_group_id": "live"})


def windowed(waiting):
    """More messages wait than a receive looks at."""
    queue = make("orders.fifo", content_based_deduplication=True, settings=[SqsConfig(fifo_scan_window=50)])
    for number in range(waiting):
        queue.send_message(f"{number}", message_group_id=f"{number % (waiting // 10)}")
    return Bench(queue, sends={"message_group_id": "new"})


def fair(waiting):
    """Ten messages of each tenant wait."""
    queue = make("orders")
    for number in range(waiting):
        queue.send_message(f"{number}", message_group_id=f"{number % (waiting // 10)}")
    return Bench(queue, sends={"message_group_id": "0"})


def noisy(waiting):
    """Nearly all messages are of a tenant that has had its share; a quiet one has a few."""
    queue = make("orders")
    for number in range(waiting):
        queue.send_message(f"{number}", message_group_id="noisy")
    for _ in range(4):
        queue.receive_message(max_number_of_messages=10)
    for number in range(3):
        queue.send_message(f"quiet {number}", message_group_id="quiet")
    return Bench(queue, sends={"message_group_id": "quiet"})


def sharded(waiting):
    """Short polls see three of four servers."""
    queue = make("orders", faults=SqsFaults(short_poll_shards=4, short_poll_sample=3))
    for number in range(waiting):
        queue.send_message(f"{number}")
    return Bench(queue)


KINDS = (
    standard,
    returned,
    in_flight,
    delayed,
    groups,
    one_group,
    blocked,
    windowed,
    fair,
    noisy,
    sharded,
)


@pytest.mark.rule("SQS-300", "SQS-312", "SQS-321", "SQS-324", "SQS-331")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_operation_looks_at_what_waits(kind):
    few, many = kind(FEW).medians(), kind(MANY).medians()
    assert few.keys() == {"send", "receive", "change visibility", "delete", "expiry"}
    assert {name: lines for name, lines in many.items() if lines > MARGIN * few[name]} == {}
    assert max(many.values()) < 500  # far less than a line for each of so many


def drain(queue):
    """Receive and delete by tens until nothing is left."""
    while queue.visible:
        found = queue.receive_message(max_number_of_messages=10)
        entries = [{"id": str(place), "receipt_handle": one.receipt_handle} for place, one in enumerate(found)]
        assert not queue.delete_message_batch(entries).failed


@pytest.mark.parametrize("kind", [standard, returned, groups, one_group, windowed, fair, noisy, sharded])
def test_the_whole_life_of_many_messages_is_no_more_work_for_each(kind):
    """What an operation puts off, such as sweeping out the dead, is paid here."""

    def lines_each(messages):
        made = []

        def live():
            made.append(kind(messages).queue)
            drain(made[0])

        lines = lines_of(live)
        assert made[0].deleted >= messages - 40  # forty of the noisy tenant stay in flight
        return lines / messages

    assert lines_each(1_600) <= MARGIN * lines_each(200)


@pytest.mark.rule("SQS-321", "SQS-322")
def test_a_receive_beside_a_blocked_group_takes_one_entry_from_the_heap(monkeypatch):
    queue = blocked(MANY).queue
    popped = []
    pop = fifo_module.heappop
    monkeypatch.setattr(fifo_module, "heappop", lambda heap: popped.append(1) or pop(heap))
    assert [one.body for one in queue.receive_message(max_number_of_messages=10)] == ["live 0", "live 1"]
    assert len(popped) == 1
    assert queue.receive_message() == []
    assert len(popped) == 1


@pytest.mark.rule("SQS-340", "SQS-344")
def test_a_duplicate_is_found_among_many_without_a_search():
    def lines(waiting):
        queue = groups(waiting).queue
        return lines_of(lambda: queue.send_message("7", message_group_id="7"))

    assert lines(MANY) == lines(FEW)


@pytest.mark.rule("SQS-360", "SQS-361")
def test_a_repeated_receive_is_found_among_many_without_a_search():
    def lines(attempts):
        queue = groups(attempts).queue
        for number in range(attempts):
            queue.receive_message(receive_request_attempt_id=f"{number}")
        return lines_of(lambda: queue.receive_message(receive_request_attempt_id="7"))

    assert lines(MANY) <= MARGIN * lines(FEW)


@pytest.mark.rule("SQS-207", "SQS-209")
def test_a_send_serves_the_poll_that_waits_longest_without_asking_the_others():
    def lines(polls):
        sim = Simulation(trace=0)
        queue = sim.create_queue("orders")
        for _ in range(polls):
            sim.spawn(queue.wait_receive(wait_time_seconds=20))
        sim.run(until=0)
        return lines_of(lambda: queue.send_message("x"))

    assert lines(1_000) <= MARGIN * lines(10)


@pytest.mark.rule("SQS-461", "SQS-463")
@pytest.mark.parametrize("is_fifo", [False, True], ids=["standard", "FIFO"])
def test_a_step_of_a_move_task_does_not_look_at_what_is_left(is_fifo):
    def lines(messages):
        sim = Simulation(trace=0)
        suffix = ".fifo" if is_fifo else ""
        dead, orders = (sim.create_queue(f"{name}{suffix}") for name in ("dead", "orders"))
        orders.set_queue_attributes(redrive_policy={"deadLetterTargetArn": dead.arn, "maxReceiveCount": 1})
        for number in range(messages):
            given = {"message_group_id": f"{number % 7}", "message_deduplication_id": f"{number}"} if is_fifo else {}
            dead.send_message(f"{number}", **given)
        sim.start_message_move_task(dead, orders, max_number_of_messages_per_second=1)
        sim.run(until=5)
        before = orders.sent
        counted = lines_of(lambda: sim.run(until=10))
        assert orders.sent == before + 5
        return counted

    assert lines(MANY) <= MARGIN * lines(FEW)


@pytest.mark.rule("SQS-601")
@pytest.mark.parametrize("kind", [fair, noisy])
def test_the_end_of_a_minute_does_not_look_at_every_tenant(kind):
    """The metrics of a fair queue are taken down by whoever comes first in the next minute."""

    def lines(waiting):
        bench = kind(waiting)
        bench.queue.clock.run(until=61)
        return lines_of(lambda: bench.queue.send_message("x", **bench.sends))

    assert lines(MANY) <= MARGIN * lines(FEW)


@pytest.mark.parametrize("kind", [standard, groups, fair])
def test_a_batch_is_less_work_than_its_messages_one_by_one(kind):
    bench = kind(FEW)
    queue, sends = bench.queue, bench.sends
    alone = lines_of(lambda: [queue.send_message(f"alone {number}", **sends) for number in range(10)])
    entries = [{"id": f"{number}", "message_body": f"batch {number}", **sends} for number in range(10)]
    together = lines_of(lambda: queue.send_message_batch(entries))
    assert together < 1.6 * alone
