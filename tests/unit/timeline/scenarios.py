"""Small simulations whose timelines the tests look at."""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen

from lambdasim import Faults, RedrivePolicy, Simulation
from lambdasim.clock import Kind

WORDS: Final = "SQS delivers it once more, though it is in flight"


@frozen
class Choice:
    """What the trace holds of a choice that was not the default."""

    point: str
    owner: str
    subject: str
    words: str
    text: str


CHOSEN: Final = Kind("choice made", lambda choice, _: (choice.subject, {}), lambda _, messages: messages)
OPERATED: Final = Kind("operation", lambda run, text: (run.function.name, {"text": text}), brief=lambda _, text: text)


class DuplicateOnce:
    """Lets the first message be delivered again at once, and says so in the trace."""

    def __init__(self) -> None:
        self.sim: Any = None
        self.is_done = False

    def choose(self, point: Any, options: Any) -> int:
        if point.name != "sqs.duplicate" or self.is_done:
            return 0
        self.is_done = True
        (queue,) = self.sim.queues
        message = queue.messages[0]
        choice = Choice("sqs.duplicate", queue.arn, message.label, WORDS, f"duplicate {message.label} @0")
        self.sim.trace.add((self.sim.now_us, CHOSEN, choice, (message,)))
        return 1


def poison() -> Simulation:
    """A message that fails whenever it is run, and ends in a dead-letter queue."""
    sim = Simulation()
    dead = sim.create_queue("orders-dlq")
    orders = sim.create_queue("orders", redrive_policy=RedrivePolicy(dead, max_receive_count=3))

    def fail(event: object, context: object) -> None:
        msg = "poison"
        raise ValueError(msg)

    sim.create_event_source_mapping(orders, sim.create_function("worker", fail))
    orders.send_message("bad")
    sim.run()
    return sim


def race(messages: int = 1) -> Simulation:
    """Two deliveries of a message run at once, and both find nothing done."""
    choices = DuplicateOnce()
    sim = choices.sim = Simulation(
        execution="interleaved", faults=Faults(duplicate_probability=0.5), choices=choices, trace=None
    )
    done, charges = sim.remote(set(), latency=0.001), sim.remote([], latency=0.001)

    def note(context: Any, text: str) -> None:
        (run,) = [run for run in charge.invocations if run.request_id == context.aws_request_id]
        sim.trace.add((sim.now_us, OPERATED, run, text))

    def handle(event: Any, context: Any) -> None:
        for record in event["Records"]:
            order = record["body"]
            is_done = order in done
            note(context, f"{order!r} in set -> {is_done}")
            if not is_done:
                charges.append(order)
                note(context, f"list.append({order!r})")
                done.add(order)
                note(context, f"set.add({order!r})")

    orders = sim.create_queue("orders")
    charge = sim.create_function("charge", handle)
    sim.create_event_source_mapping(orders, charge)
    for number in range(1, messages + 1):
        orders.send_message(f"o-{number}")
    sim.run()
    return sim


def fifo() -> Simulation:
    """The second of three messages of a group fails once; it and what follows come back."""
    sim = Simulation()
    orders = sim.create_queue("orders.fifo", content_based_deduplication=True)
    failed = []

    def ship(event: Any, context: object) -> Any:
        ids = [record["messageId"] for record in event["Records"]]
        if failed:
            return {"batchItemFailures": []}
        failed.append(ids[1])
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in ids[1:]]}

    function = sim.create_function("ship", ship)
    sim.create_event_source_mapping(orders, function, function_response_types=("ReportBatchItemFailures",))
    for body in "abc":
        orders.send_message(body, message_group_id="g")
    sim.run()
    return sim


def retries() -> Simulation:
    """An asynchronous event fails three times, and a record of it goes to a queue."""
    sim = Simulation()

    def fail(event: Any, context: object) -> None:
        event["price"]

    bill = sim.create_function("bill", fail)
    bill.put_function_event_invoke_config(on_failure=sim.create_queue("failed"))
    bill.invoke({"order": 1}, invocation_type="Event")
    sim.run()
    return sim


def throttles() -> Simulation:
    """Two messages, of which one waits for the other to end."""
    sim = Simulation()
    jobs = sim.create_queue("jobs")
    worker = sim.create_function("worker", duration=5, timeout=5, reserved_concurrent_executions=1)
    sim.create_event_source_mapping(jobs, worker, batch_size=1)
    for number in range(2):
        jobs.send_message(f"job {number}")
    sim.run()
    return sim
