"""Handlers that are right: nothing that SQS and Lambda may do changes what comes out."""

from __future__ import annotations

import sys
import time

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    SqsFifoPartialProcessor,
    process_partial_response,
)
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function

from lambdasim import fifo_failures
from tests.handlers.case import ONE_BY_ONE, PARTIAL, cases_of, correct, in_group
from tests.handlers.keys import Ledger
from tests.handlers.locks import Leases, Versions
from tests.handlers.powertools import DAY_S
from tests.powertools import Layer, Table


def bodies(queue):
    return lambda: [message.body for message in queue.messages]


@correct("o-1", "o-2", "o-3")
def conditional_write(sim):
    """The conditional write is the work and the mark in one."""
    charges = sim.remote({}, name="charges")

    def charge(event, context):
        for record in event["Records"]:
            charges.setdefault(record["body"], "paid")

    return charge, lambda: list(charges)


@correct("o-1", "o-2")
def one_transaction(sim):
    """Work and mark are one transaction at the other end."""
    ledger = sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        for record in event["Records"]:
            ledger.pay(record["messageId"], record["body"])

    return pay, lambda: list(ledger.values())


@correct("a=1", "b=2", "a=1")
def idempotent_upsert(sim):
    """It writes the same row again, whoever does it and how often."""
    rows = sim.remote({}, name="rows")

    def store(event, context):
        for record in event["Records"]:
            key, _, value = record["body"].partition("=")
            rows[key] = value

    return store, lambda: rows


@correct("milk", "eggs", **ONE_BY_ONE)
def optimistic_lock(sim):
    """Who finds that the row has changed meanwhile reads it again."""
    basket = sim.remote(Versions(version=0, items=[]), name="basket")

    def put(event, context):
        for record in event["Records"]:
            while True:
                version, items = basket["version"], basket["items"]
                if record["body"] in items or basket.replace(version, items=[*items, record["body"]]):
                    break

    return put, lambda: basket["items"]


class Account(dict):
    """A balance, and the keys that are booked."""

    def book(self, key, amount):
        """Add an amount once for each key."""
        if key not in self["booked"]:
            self.update(balance=self["balance"] + amount, booked=[*self["booked"], key])


@correct("3", "4", "5", **ONE_BY_ONE)
def counter_by_message(sim):
    """ADD under the condition that the message was not added before."""
    account = sim.remote(Account(balance=0, booked=[]), name="account")

    def add(event, context):
        for record in event["Records"]:
            account.book(record["messageId"], int(record["body"]))

    return add, lambda: account["balance"]


class Orders(dict):
    """Orders, and an outbox that is written in the same transaction."""

    def __init__(self):
        super().__init__()
        self.outbox = []

    def store(self, order):
        """Store an order and what is to be announced."""
        if order not in self:
            self[order] = "paid"
            self.outbox.append(order)

    def waiting(self):
        """Return what is not announced yet."""
        return tuple(self.outbox)

    def announced(self, order):
        """Strike an order off."""
        if order in self.outbox:
            self.outbox.remove(order)


@correct("o-1", "o-2")
def outbox(sim):
    """Whoever comes flushes what is in the outbox; the second queue drops copies."""
    orders, events = sim.remote(Orders(), name="orders"), sim.create_queue("events.fifo")

    def handle(event, context):
        for record in event["Records"]:
            orders.store(record["body"])
        for order in orders.waiting():
            events.send_message(order, message_group_id=order, message_deduplication_id=order)
            orders.announced(order)

    return handle, bodies(events)


@correct("o-1", "o-2", **PARTIAL)
def chain_with_deduplication(sim):
    """The second queue drops copies by the key of the order; what failed is named, and comes back."""
    invoices = sim.create_queue("invoices.fifo")
    client = sim.client("sqs")

    def handle(event, context):
        failures = []
        for record in event["Records"]:
            try:
                client.send_message(
                    QueueUrl=invoices.url,
                    MessageBody=f"invoice for {record['body']}",
                    MessageGroupId=record["body"],
                    MessageDeduplicationId=record["body"],
                )
            except Exception:  # noqa: BLE001 - whatever it is, the message comes back
                failures.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failures}

    return handle, bodies(invoices)


@correct(*in_group("open", "add", "close"), **PARTIAL)
def stops_at_the_first_failure(sim):
    """The first that fails, and all after it, come back; the second queue drops copies and keeps the order."""
    journal = sim.create_queue("journal.fifo")

    def copy(event, context):
        for place, record in enumerate(event["Records"]):
            try:
                journal.send_message(
                    record["body"], message_group_id="journal", message_deduplication_id=record["messageId"]
                )
            except Exception:  # noqa: BLE001 - whatever it is, the message comes back
                return fifo_failures(event["Records"], place)
        return {"batchItemFailures": []}

    return copy, bodies(journal)


@correct("o-1", "o-2", "bad", expected=["o-1", "o-2"], max_receive_count=3, **PARTIAL)
def poison_goes_aside(sim):
    """What can never be done is named each time, and alone: it ends in the dead-letter queue."""
    ledger = sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        failures = []
        for record in event["Records"]:
            if record["body"] == "bad":
                failures.append({"itemIdentifier": record["messageId"]})
            else:
                ledger.pay(record["body"], record["body"])
        return {"batchItemFailures": failures}

    return pay, lambda: list(ledger)


class Fenced(dict):
    """A table that refuses who comes with an older token than the newest it has seen."""

    def __init__(self):
        super().__init__()
        self.token = 0
        self.log = []

    def put(self, key, value, token):
        """Write, once for each key, unless somebody newer was here."""
        if token < self.token:
            msg = "an older token"
            raise PermissionError(msg)
        self.token = token
        if key not in self:
            self[key] = value
            self.log.append(key)


class Tokens(Leases):
    """Leases that come with a number which only grows."""

    def __init__(self):
        super().__init__()
        self.last = 0

    def take(self, name, owner, now_s, until_s):
        """Return a token, or None where somebody else has the lease."""
        if not self.acquire(name, owner, now_s, until_s):
            return None
        self.last += 1
        return self.last


@correct("o-1", "o-2")
def lease_with_fencing_token(sim):
    """A lease may end while its owner is at work; the table lets only the newest owner write."""
    leases, table = sim.remote(Tokens(), name="leases"), sim.remote(Fenced(), name="table")

    def pay(event, context):
        for record in event["Records"]:
            now_s = time.time()
            token = leases.take("table", context.aws_request_id, now_s, now_s + 0.5)
            if token is None:
                msg = "somebody else is at it"
                raise RuntimeError(msg)
            table.put(record["body"], "paid", token)

    return pay, lambda: table.log


@correct("1 created", "2 shipped", "3 received", expected={"o-1": (3, "received")}, **ONE_BY_ONE)
def newest_version_wins(sim):
    """The table itself compares the versions, at the moment of the write."""

    class States(dict):
        def write(self, key, number, state):
            if number > self.get(key, (0, ""))[0]:
                self[key] = number, state

    states = sim.remote(States(), name="states")

    def track(event, context):
        for record in event["Records"]:
            number, state = record["body"].split()
            states.write("o-1", int(number), state)

    return track, lambda: dict(states)


@correct("1", "2", "3", expected=[1, 2, 3], **PARTIAL)
def waits_for_its_turn(sim):
    """A step that comes early is sent back, and one that was taken is let go."""

    class Steps(list):
        def take(self, number):
            if number == len(self) + 1:
                self.append(number)
            return number <= len(self)

    steps = sim.remote(Steps(), name="steps")

    def take(event, context):
        return {
            "batchItemFailures": [
                {"itemIdentifier": record["messageId"]}
                for record in event["Records"]
                if not steps.take(int(record["body"]))
            ]
        }

    return take, lambda: list(steps)


@correct("o-1", "o-2")
def coroutine(sim):
    """A coroutine waits between its steps; the last one decides."""
    ledger = Ledger()

    async def pay(event, context):
        for record in event["Records"]:
            await context.sleep(0.05)
            ledger.pay(record["body"], record["body"])

    return pay, lambda: list(ledger)


@correct("o-1", "o-2")
def warm_cache_in_front(sim):
    """A global saves a call where it knows the answer; what decides is the conditional write."""
    ledger = sim.remote(Ledger(), name="ledger")

    def cold_start():
        paid = set()

        def pay(event, context):
            for record in event["Records"]:
                if record["body"] not in paid:
                    ledger.pay(record["body"], record["body"])
                    paid.add(record["body"])

        return pay

    return {"init": cold_start}, lambda: list(ledger)


@correct("o-1", "o-2")
def nothing_to_say(sim):
    """It raises where it cannot go on, and otherwise says what no mapping listens to."""
    invoices = sim.create_queue("invoices.fifo")

    def handle(event, context):
        for record in event["Records"]:
            invoices.send_message(
                record["body"], message_group_id=record["body"], message_deduplication_id=record["body"]
            )
        return {"statusCode": 200, "body": f"{len(event['Records'])} done"}

    return handle, bodies(invoices)


@correct("o-1", "o-2")
def deployed_module(sim):
    """A module as it is deployed: its client is made when it is imported, its queue is named by the environment."""
    invoices = sim.create_queue("invoices.fifo")
    given = {"handler": "tests.handlers.app.handler", "environment": {"INVOICES_QUEUE_URL": invoices.url}}
    return given, bodies(invoices)


class Claims(dict):
    """Who works at what, until when, and what is done."""

    def claim(self, key, owner, now_s, until_s):
        """Return `done`, `busy`, or `yours`."""
        state = self.get(key)
        if state == "done":
            return "done"
        if state is not None and state[0] != owner and state[1] > now_s:
            return "busy"
        self[key] = owner, until_s
        return "yours"

    def finish(self, key):
        """Say that it is done."""
        self[key] = "done"


@correct("o-1", "o-2")
def in_progress_with_expiry(sim):
    """A claim outlives the invocation that made it; the work itself is idempotent by its key."""
    claims, ledger = sim.remote(Claims(), name="claims"), sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        for record in event["Records"]:
            now_s = time.time()
            left_s = context.get_remaining_time_in_millis() / 1_000
            state = claims.claim(record["messageId"], context.aws_request_id, now_s, now_s + left_s)
            if state == "busy":
                msg = "somebody else is at it"
                raise RuntimeError(msg)
            if state == "yours":
                ledger.pay(record["messageId"], record["body"])
                claims.finish(record["messageId"])

    return pay, lambda: list(ledger.values())


# ---- the idempotency utility of Powertools, used as its manual says


def powertools(sim, processor):
    """Make initialisation code: each record counts once, and the processor names what failed."""
    table, ledger = sim.remote(Table(), name="table"), sim.remote(Ledger(), name="ledger")

    def cold_start():
        config = IdempotencyConfig(event_key_jmespath="messageId", expires_after_seconds=DAY_S)

        @idempotent_function(data_keyword_argument="record", persistence_store=Layer(table), config=config)
        def process(record):
            ledger.pay(record.message_id, record.body)
            return {"paid": record.body}

        def handler(event, context):
            config.register_lambda_context(context)
            return process_partial_response(event=event, record_handler=process, processor=processor(), context=context)

        return handler

    return {"init": cold_start}, lambda: list(ledger.values())


@correct("o-1", "o-2", **PARTIAL)
def powertools_on_a_standard_queue(sim):
    """Powertools for AWS Lambda: batch processor and idempotency, a record at a time."""
    return powertools(sim, lambda: BatchProcessor(event_type=EventType.SQS))


@correct(*in_group("o-1", "o-2", "o-3"), **PARTIAL)
def powertools_on_a_fifo_queue(sim):
    """The same with the processor for FIFO queues, which stops at the first failure."""
    return powertools(sim, SqsFifoPartialProcessor)


CORRECT = cases_of(sys.modules[__name__])
