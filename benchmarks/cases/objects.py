"""Send, receive and delete on the objects, while others wait: standard and FIFO queues, one by one and in batches."""

from functools import partial

from benchmarks.floors import moto_models
from benchmarks.timing import Aim, Group, Row, rate
from lambdasim import Clock, Queue, SqsConfig

BODY = "x" * 256
IDS = [str(place) for place in range(10)]
GROUPS_OF_FIFO = 1_000


def standard(waiting: int) -> Queue:
    queue = Queue("orders", Clock(trace=0))
    for _ in range(waiting):
        queue.send_message(BODY)
    return queue


def fifo(waiting: int, *, by_content: bool = False, groups: int = 1, is_blocked: bool = False) -> Queue:
    """Make a FIFO queue; where its backlog is blocked, a receive looks beyond it, however long it is."""
    window = [SqsConfig(fifo_scan_window=10_000_000)] if is_blocked else []
    clock = Clock(trace=0)
    queue = Queue(
        "orders.fifo", clock, content_based_deduplication=by_content, visibility_timeout=43_200, settings=window
    )
    names = ["blocked"] if is_blocked else [f"group-{number}" for number in range(groups)]
    for number in range(waiting):
        queue.send_message(
            f"{number:256}", message_group_id=names[number % groups], message_deduplication_id=f"{number}"
        )
    clock.run(until=400)
    queue.send_message(BODY, message_group_id="other", message_deduplication_id="other")  # forgets the ids before it
    if is_blocked:
        queue.receive_message()
    return queue


def single(messages: int, *, waiting: int = 0) -> float:
    queue = standard(waiting)

    def work():
        for _ in range(messages):
            queue.send_message(BODY)
            for delivery in queue.receive_message():
                queue.delete_message(delivery.receipt_handle)

    speed = rate(messages, work)
    assert queue.deleted == messages
    return speed


def tens(messages: int, *, waiting: int = 0) -> float:
    """Send and delete one by one, and receive up to ten."""
    queue = standard(waiting)

    def work():
        for _ in range(messages // 10):
            for _ in range(10):
                queue.send_message(BODY)
            for delivery in queue.receive_message(max_number_of_messages=10):
                queue.delete_message(delivery.receipt_handle)

    speed = rate(messages // 10 * 10, work)
    assert queue.deleted == messages // 10 * 10
    return speed


def _delete_by_ten(queue):
    found = queue.receive_message(max_number_of_messages=10)
    queue.delete_message_batch(
        [{"id": entry_id, "receipt_handle": one.receipt_handle} for entry_id, one in zip(IDS, found, strict=True)]
    )


def batches(messages: int, *, waiting: int = 0) -> float:
    """Send, receive and delete by the batch operations."""
    queue = standard(waiting)

    def work():
        for _ in range(messages // 10):
            queue.send_message_batch([{"id": entry_id, "message_body": BODY} for entry_id in IDS])
            _delete_by_ten(queue)

    speed = rate(messages // 10 * 10, work)
    assert queue.deleted == messages // 10 * 10
    return speed


def fifo_single(messages: int) -> float:
    queue = fifo(0)

    def work():
        for number in range(messages):
            queue.send_message(BODY, message_group_id="live", message_deduplication_id=f"new-{number}")
            for delivery in queue.receive_message():
                queue.delete_message(delivery.receipt_handle)

    speed = rate(messages, work)
    assert queue.deleted == messages
    return speed


def fifo_batches(
    messages: int, *, waiting: int = 0, by_content: bool = False, groups: int = 1, is_blocked: bool = False
) -> float:
    queue = fifo(waiting, by_content=by_content, groups=groups, is_blocked=is_blocked)
    bodies = [f"new {number:252}" for number in range(messages)]
    names = [f"group-{number}" for number in range(groups)]

    def entry(entry_id, number):
        found = {"id": entry_id, "message_body": bodies[number], "message_group_id": names[number % groups]}
        if not by_content:
            found["message_deduplication_id"] = f"new-{number}"
        return found

    def work():
        for first in range(0, messages, 10):
            queue.send_message_batch([entry(entry_id, first + place) for place, entry_id in enumerate(IDS)])
            _delete_by_ten(queue)

    speed = rate(messages // 10 * 10, work)
    assert queue.deleted == messages // 10 * 10
    return speed


GROUPS = (
    Group(
        sides={
            "100": partial(batches, waiting=100),
            "0": batches,
            "10,000": partial(batches, waiting=10_000),
            "1,000,000": partial(batches, waiting=1_000_000),
            "tens": tens,
            "single": single,
            "single 100": partial(single, waiting=100),
            "single 1,000,000": partial(single, waiting=1_000_000),
        },
        rows=(
            Row("send + receive + delete, one by one, empty queue, beside batches", "single", "0"),
            Row("send + receive + delete, only received by tens, empty queue, beside batches", "tens", "0"),
            Row("send + receive + delete, batches of 10, empty queue", "0", "100"),
            Row("send + receive + delete, batches of 10, 10,000 waiting, beside 100", "10,000", "100"),
            Row("send + receive + delete, batches of 10, 1,000,000 waiting, beside 100", "1,000,000", "100", Aim(0.8)),
            Row(
                "send + receive + delete, one by one, 1,000,000 waiting, beside 100",
                "single 1,000,000",
                "single 100",
                Aim(0.8),
            ),
        ),
        size=50_000,
        rounds=5,
    ),
    Group(
        sides={
            "standard": batches,
            "ids": fifo_batches,
            "single": fifo_single,
            "content": partial(fifo_batches, by_content=True),
            "groups": partial(fifo_batches, groups=GROUPS_OF_FIFO),
            "groups 100": partial(fifo_batches, groups=GROUPS_OF_FIFO, waiting=100),
            "groups 1,000,000": partial(fifo_batches, groups=GROUPS_OF_FIFO, waiting=1_000_000),
            "blocked 100": partial(fifo_batches, is_blocked=True, waiting=100),
            "blocked 1,000,000": partial(fifo_batches, is_blocked=True, waiting=1_000_000),
        },
        rows=(
            Row("FIFO: batches of 10, ids given, 1 group, beside standard", "ids", "standard"),
            Row("FIFO: one by one, beside batches", "single", "ids"),
            Row("FIFO: ids by content, beside ids given", "content", "ids"),
            Row("FIFO: 1,000 groups, beside 1", "groups", "ids"),
            Row("FIFO: 1,000 groups, 1,000,000 waiting, beside 100", "groups 1,000,000", "groups 100", Aim(0.8)),
            Row("FIFO: 1,000,000 in a blocked group, beside 100", "blocked 1,000,000", "blocked 100", Aim(0.8)),
        ),
        size=20_000,
        rounds=3,
    ),
    Group(
        sides={
            "moto": moto_models.batches,
            "ours": batches,
            "ours tens": tens,
            "moto single": moto_models.single,
            "single": single,
            "moto 2000": partial(moto_models.batches, waiting=2_000),
            "ours 2000": partial(batches, waiting=2_000),
            "moto FIFO": partial(moto_models.batches, is_fifo=True),
            "ours FIFO": fifo_batches,
        },
        rows=(
            Row("send + receive + delete, batches of 10, beside moto", "ours", "moto", Aim(300)),
            Row("send + receive + delete, only received by tens, beside moto's batches", "ours tens", "moto", Aim(300)),
            Row("send + receive + delete, one by one, beside moto", "single", "moto single"),
            Row("send + receive + delete, batches of 10, 2,000 waiting, beside moto", "ours 2000", "moto 2000"),
            Row("FIFO: batches of 10, ids given, beside moto", "ours FIFO", "moto FIFO"),
        ),
        size=50_000,
        per_side={"moto": 500, "moto single": 200, "moto 2000": 20, "moto FIFO": 300, "ours FIFO": 20_000},
        size_min=10,
        rounds=3,
    ),
)
