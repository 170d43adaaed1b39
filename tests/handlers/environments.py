"""Bugs of what lives in an execution environment: globals, caches, buffers, default arguments."""

from __future__ import annotations

import time

from tests.handlers.case import ONE_BY_ONE, PARTIAL, bug, in_group
from tests.handlers.keys import Ledger


@bug("o-1", by="duplicate crash stall env_recycle", story=["charges.append('o-1')"])
def memory_of_a_warm_environment(sim):
    """What is done is kept in a global: another environment knows nothing of it."""
    charges = sim.remote([], name="charges")

    def cold_start():
        done = set()

        def charge(event, context):
            for record in event["Records"]:
                if record["body"] not in done:
                    charges.append(record["body"])
                    done.add(record["body"])

        return charge

    return {"init": cold_start}, lambda: charges


@bug("o-1", by="throttle lost_send_ack", story=["send_message(", "raised "])
def memory_of_what_failed(sim):
    """The global says `seen` before the work is done; the retry in the same environment believes it."""
    invoices = sim.create_queue("invoices.fifo", content_based_deduplication=True)

    def cold_start():
        seen = set()

        def invoice(event, context):
            for record in event["Records"]:
                if record["body"] in seen:
                    continue
                seen.add(record["body"])
                invoices.send_message(f"invoice for {record['body']}", message_group_id="invoices")

        return invoice

    return {"init": cold_start}, lambda: [message.body for message in invoices.messages]


@bug("o-1", by="poller_lost lost_delete response_lost duplicate", story=["orders["])
def mutable_default(sim):
    """A default argument that is changed keeps what earlier invocations put there."""
    orders = sim.remote({}, name="orders")

    def cold_start():
        def lines_of(record, lines=[]):  # noqa: B006 - the bug
            lines.append(record["body"])
            return lines

        def store(event, context):
            for record in event["Records"]:
                orders[record["messageId"]] = list(lines_of(record))

        return store

    return {"init": cold_start}, lambda: list(orders.values())


@bug("a", "b", by="env_recycle split_receive receive_fewer", story=["started in a new environment", "deleted"])
def buffer_in_memory(sim):
    """Messages are let go while they are only in a buffer of the environment, which may be the last of them."""
    archive = sim.remote({}, name="archive")

    def cold_start():
        buffer = set()

        def store(event, context):
            time.sleep(0.05)  # it unpacks them
            buffer.update(record["body"] for record in event["Records"])
            if len(buffer) >= 2:
                archive.update(dict.fromkeys(sorted(buffer), "kept"))
                buffer.clear()

        return store

    return {"init": cold_start}, lambda: dict(archive)


@bug(
    *in_group("sell 1", group="y"),
    *in_group("price 6", "sell 2", group="x"),
    by="environment crash stall env_recycle",
    **ONE_BY_ONE,
    story=["table['price']"],
)
def price_kept_in_memory(sim):
    """The price is read once and kept; it changes by a message that another environment handles."""
    table, sales = sim.remote({"price": 5}, name="table"), sim.remote({}, name="sales")

    def cold_start():
        cache = {}

        def sell(event, context):
            for record in event["Records"]:
                verb, value = record["body"].split()
                if verb == "price":
                    cache["price"] = table["price"] = int(value)
                    continue
                if "price" not in cache:
                    cache["price"] = table["price"]
                sales[value] = cache["price"]

        return sell

    return {"init": cold_start}, lambda: dict(sales)


@bug("o-1", "o-2", by="throttle lost_send_ack", **PARTIAL, story=["send_message(", "raised "])
def errors_of_the_invocation_before(sim):
    """The list of failures is a global that is never emptied: what failed once is named for ever."""
    invoices = sim.create_queue("invoices.fifo", content_based_deduplication=True)

    def cold_start():
        failures = []

        def invoice(event, context):
            for record in event["Records"]:
                try:
                    invoices.send_message(record["body"], message_group_id="invoices")
                except Exception:  # noqa: BLE001 - whatever it is, the message comes back
                    failures.append({"itemIdentifier": record["messageId"]})
            return {"batchItemFailures": failures}

        return invoice

    return {"init": cold_start}, lambda: [message.body for message in invoices.messages]


@bug("o-1", by="duplicate", story=["ledger.pay("])
def counter_of_an_environment_as_key(sim):
    """Keys are numbered in each environment, from one: two environments give the same number, or another one."""
    ledger = sim.remote(Ledger(), name="ledger")

    def cold_start():
        numbers = iter(range(1, 1_000))

        def pay(event, context):
            for record in event["Records"]:
                ledger.pay(f"{context.log_stream_name}/{next(numbers)}", record["body"])

        return pay

    return {"init": cold_start}, lambda: list(ledger.values())
