"""Send, receive and delete on the objects, while others wait, beside moto."""

from functools import partial

from benchmarks.floors import moto_models
from benchmarks.timing import Aim, Group, Row, rate
from lambdasim import Clock, Queue

BODY = "x" * 256


def filled(waiting: int) -> Queue:
    queue = Queue("orders", Clock(trace=0))
    for _ in range(waiting):
        queue.send_message(BODY)
    return queue


def single(messages: int, *, waiting: int = 0) -> float:
    queue = filled(waiting)

    def work():
        for _ in range(messages):
            queue.send_message(BODY)
            for delivery in queue.receive_message():
                queue.delete_message(delivery.receipt_handle)

    speed = rate(messages, work)
    assert queue.deleted == messages
    return speed


def tens(messages: int, *, waiting: int = 0) -> float:
    queue = filled(waiting)

    def work():
        for _ in range(messages // 10):
            for _ in range(10):
                queue.send_message(BODY)
            for delivery in queue.receive_message(max_number_of_messages=10):
                queue.delete_message(delivery.receipt_handle)

    speed = rate(messages // 10 * 10, work)
    assert queue.deleted == messages // 10 * 10
    return speed


GROUPS = (
    Group(
        sides={
            "100": partial(tens, waiting=100),
            "0": tens,
            "10,000": partial(tens, waiting=10_000),
            "1,000,000": partial(tens, waiting=1_000_000),
            "single": single,
        },
        rows=(
            Row("send + receive + delete, one by one, empty queue", "single", "0"),
            Row("send + receive + delete, up to 10 received, empty queue", "0", "100"),
            Row("send + receive + delete, 10,000 waiting, beside 100", "10,000", "100"),
            Row("send + receive + delete, 1,000,000 waiting, beside 100", "1,000,000", "100", Aim(0.8)),
        ),
        size=100_000,
        rounds=5,
    ),
    Group(
        sides={
            "moto": moto_models.batches,
            "ours": tens,
            "moto single": moto_models.single,
            "single": single,
            "moto 2000": partial(moto_models.batches, waiting=2_000),
            "ours 2000": partial(tens, waiting=2_000),
        },
        rows=(
            Row("send + receive + delete by tens, beside moto", "ours", "moto", Aim(300)),
            Row("send + receive + delete one by one, beside moto", "single", "moto single"),
            Row("send + receive + delete by tens, 2,000 waiting, beside moto", "ours 2000", "moto 2000"),
        ),
        size=50_000,
        per_side={"moto": 500, "moto single": 200, "moto 2000": 20},
        size_min=10,
        rounds=3,
    ),
)
