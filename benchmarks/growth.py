"""
What each operation costs while more and more messages wait: microseconds, for 100 up to a million of them.

`python -m benchmarks.growth` prints the table, for a standard queue, a FIFO queue with 1,000 groups, and a fair queue
with 1,000 tenants. With a kind, a backlog and a number of messages it prints one column as JSON: each is measured in a
fresh process.
"""

import gc
import json
import sys
from statistics import median
from time import perf_counter

from benchmarks.timing import in_fresh_process
from lambdasim import Clock, Queue

BODY = "x" * 256
CHUNK = 50  # messages per stretch of one operation: the backlog stays nearly what it is
GROUPS = 1_000
ROUNDS = 3
KINDS = ("standard", "FIFO", "fair")
OPERATIONS = ("send", "receive", "change visibility", "delete", "expiry")
SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)


class Sender:
    """Sends messages to a queue of one kind: their groups take turns, their ids differ."""

    def __init__(self, kind):
        self.is_fifo = kind == "FIFO"
        self.queue = Queue("orders.fifo" if self.is_fifo else "orders", Clock(trace=0), visibility_timeout=1)
        self.has_groups = kind != "standard"
        self.groups = [f"group-{number}" for number in range(GROUPS)]
        self.sent = 0

    def send(self, times):
        queue, groups = self.queue, self.groups
        first = self.sent
        self.sent += times
        if self.is_fifo:
            for number in range(first, first + times):
                queue.send_message(BODY, message_group_id=groups[number % GROUPS], message_deduplication_id=f"{number}")
        elif self.has_groups:
            for number in range(first, first + times):
                queue.send_message(BODY, message_group_id=groups[number % GROUPS])
        else:
            for _ in range(times):
                queue.send_message(BODY)


def receive(queue, times):
    return [queue.receive_message() for _ in range(times)]


def change(queue, handles):
    for handle in handles:
        queue.change_message_visibility(handle, 2)


def delete(queue, handles):
    for handle in handles:
        queue.delete_message(handle)


def measure(kind: str, waiting: int, messages: int) -> dict[str, float]:
    """Return the microseconds that each operation takes while so many others wait: medians over stretches."""
    sender = Sender(kind)
    queue, clock = sender.queue, sender.queue.clock
    sender.send(waiting)
    clock.run(until=400)  # ids of sends are forgotten by now
    readings = {name: [] for name in OPERATIONS}

    def timed(name, work, *arguments):
        begin = perf_counter()
        result = work(*arguments)
        readings[name].append((perf_counter() - begin) / CHUNK * 1e6)
        return result

    gc.collect()
    for stretch in range(messages // CHUNK + 1):
        timed("send", sender.send, CHUNK)
        found = timed("receive", receive, queue, CHUNK)
        handles = [delivery.receipt_handle for (delivery,) in found]
        timed("change visibility", change, queue, handles)
        timed("delete", delete, queue, handles)
        for _ in range(CHUNK):
            queue.receive_message()
            clock.run_for(0.001)
        timed("expiry", clock.run_for, 1)
        if not stretch:  # the first one pays for what was put off
            for several in readings.values():
                several.clear()
    assert len(queue.messages) == waiting
    return {name: median(several) for name, several in readings.items()}


def main() -> None:
    for kind in KINDS:
        columns = {size: [] for size in SIZES}
        for turn in range(ROUNDS):
            for size in reversed(SIZES) if turn % 2 else SIZES:
                columns[size].append(in_fresh_process("benchmarks.growth", kind, size, 5_000))
        print(f"{kind + ', µs':24}" + "".join(f"{size:>11,}" for size in SIZES) + "   last / first")
        for name in OPERATIONS:
            readings = [median(column[name] for column in columns[size]) for size in SIZES]
            print(f"  {name:22}" + "".join(f"{it:11.2f}" for it in readings) + f"{readings[-1] / readings[0]:15.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
    else:
        main()
