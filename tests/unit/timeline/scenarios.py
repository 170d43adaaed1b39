"""Small simulations whose timelines the tests look at."""

from __future__ import annotations

from typing import Any, Final

from lambdasim import RedrivePolicy, Scripted, Simulation

WORDS: Final = "SQS delivers it once more, though it is in flight"


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


def race(messages: int = 1, script: str = "duplicate orders#1 @0") -> Simulation:
    """Two deliveries of a message run at once, and both find nothing done."""
    sim = Simulation(execution="interleaved", pace=0.001, choices=Scripted(script), trace=None)
    done, charges = sim.remote(set()), sim.remote([])

    def handle(event: Any, context: object) -> None:
        for record in event["Records"]:
            if record["body"] not in done:
                charges.append(record["body"])
                done.add(record["body"])

    orders = sim.create_queue("orders")
    sim.create_event_source_mapping(orders, sim.create_function("charge", handle))
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
