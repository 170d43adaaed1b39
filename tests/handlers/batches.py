"""Bugs of batches: what is said of a batch whose part is done, and what is done with its rest."""

from __future__ import annotations

import logging

from lambdasim import Faults
from tests.handlers.case import ONE_BY_ONE, PARTIAL, bug, in_group
from tests.handlers.keys import Ledger


def invoices_of(sim):
    """Make a queue that takes each invoice once, whoever sends it, and the record of what came out."""
    invoices = sim.create_queue("invoices.fifo", content_based_deduplication=True)

    def send(record):
        invoices.send_message(record["body"], message_group_id="invoices")

    return send, lambda: [message.body for message in invoices.messages]


@bug("o-1", "o-2", by="throttle lost_send_ack", **PARTIAL, story=["invoices.fifo.send_message('"])
def names_the_last_record(sim):
    """The name of what failed is read after the loop: it is that of the last record, whichever failed."""
    send, effects = invoices_of(sim)

    def invoice(event, context):
        has_failed = False
        for record in event["Records"]:
            try:
                send(record)
            except Exception:  # noqa: BLE001 - whatever it is, the message comes back
                has_failed = True
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]}] if has_failed else []}

    return invoice, effects


@bug("o-1", "o-2", by="throttle", faults=Faults(throttle_probability=0.1), **PARTIAL, story=["invoices.append('o-1')"])
def names_the_body(sim):
    """The name of what failed is taken from the body: Lambda does not know it, and the whole batch comes back."""
    mails, invoices = sim.create_queue("mails"), sim.remote([], name="invoices")

    def invoice(event, context):
        failures = []
        for record in event["Records"]:
            try:
                mails.send_message(record["body"])
            except Exception:  # noqa: BLE001 - whatever it is, the message comes back
                failures.append({"itemIdentifier": record["body"]})
            else:
                invoices.append(record["body"])
        return {"batchItemFailures": failures}

    return invoice, lambda: invoices


@bug("o-1", by="throttle", story=["invoices.fifo.send_message('"])
def failures_that_nobody_asked_for(sim):
    """It answers with `batchItemFailures`, but the mapping has no `ReportBatchItemFailures`: all are deleted."""
    send, effects = invoices_of(sim)

    def invoice(event, context):
        failures = []
        for record in event["Records"]:
            try:
                send(record)
            except Exception:  # noqa: BLE001 - whatever it is, the message comes back
                failures.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failures}

    return invoice, effects


@bug("o-1", by="throttle", **PARTIAL, story=["invoices.fifo.send_message('"])
def answers_like_a_web_server(sim):
    """It says 500, which means something behind a gateway; to a mapping the whole batch is done."""
    send, effects = invoices_of(sim)

    def invoice(event, context):
        try:
            for record in event["Records"]:
                send(record)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message comes back
            return {"statusCode": 500, "body": str(error)}
        return {"statusCode": 200}

    return invoice, effects


@bug("o-1", "o-2", by="throttle", story=["invoices.fifo.send_message('"])
def swallows_the_exception(sim):
    """One bad record must not stop the others: its exception goes to the log, and the record to nowhere."""
    send, effects = invoices_of(sim)

    def invoice(event, context):
        for record in event["Records"]:
            try:
                send(record)
            except Exception:  # the bug
                logging.getLogger(__name__).exception("could not send %s", record["body"])

    return invoice, effects


@bug("o-1", "o-2", by="throttle lost_send_ack", **PARTIAL, story=["invoices.fifo.send_message('"])
def stops_at_the_first_failure(sim):
    """`all` is lazy: after the first failure the rest is not even tried, and is not named either."""
    send, effects = invoices_of(sim)

    def invoice(event, context):
        failures = []

        def is_sent(record):
            try:
                send(record)
            except Exception:  # noqa: BLE001 - whatever it is, the message comes back
                failures.append({"itemIdentifier": record["messageId"]})
                return False
            return True

        if all(is_sent(record) for record in event["Records"]):
            return {}
        return {"batchItemFailures": failures}

    return invoice, effects


@bug("o-1", "o-2", by="", story=["ledger.pay('o-1'"])
def returns_inside_the_loop(sim):
    """The `return` stands one level too deep: of each batch only the first record is done."""
    ledger = sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        for record in event["Records"]:
            ledger.pay(record["body"], record["body"])
            return {"statusCode": 200}
        return None

    return pay, lambda: sorted(ledger)


@bug("o-1", "o-2", by="crash stall duplicate lost_delete poller_lost", story=["ledger.pay("])
def removes_while_iterating(sim):
    """What is done is removed from the list that is being walked: the record after it is skipped."""
    ledger = sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        records = event["Records"]
        for record in records:
            if record["body"] in ledger:
                records.remove(record)
            else:
                ledger.pay(record["body"], record["body"])

    return pay, lambda: sorted(ledger)


@bug(*in_group("o-1", "o-2"), by="crash stall throttle", story=["charges.append('o-1')"])
def marks_after_the_batch(sim):
    """Marks are written once, after the batch: when it fails in the middle, the first part is done once more."""
    done, charges = sim.remote(set(), name="done"), sim.remote([], name="charges")

    def charge(event, context):
        fresh = [record["body"] for record in event["Records"] if record["body"] not in done]
        for body in fresh:
            charges.append(body)
        done.update(fresh)

    return charge, lambda: charges


@bug(
    "o-1", "o-2", by="duplicate poller_lost lost_delete crash split_receive receive_fewer", story=["ledger.setdefault("]
)
def key_of_the_batch(sim):
    """One key for the whole batch: messages come back in other company, so that the key is another one."""
    ledger = sim.remote({}, name="ledger")

    def pay(event, context):
        bodies = [record["body"] for record in event["Records"]]
        ledger.setdefault("+".join(record["messageId"] for record in event["Records"]), bodies)

    return pay, lambda: [body for bodies in ledger.values() for body in bodies]


@bug("o-1", "o-2", by="stall", story=["ledger.pay("])
def runs_out_of_time(sim):
    """It stops in time, before the deadline of Lambda, and says nothing of what it left undone."""
    ledger = sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        for record in event["Records"]:
            if context.get_remaining_time_in_millis() < 2_500:
                break
            ledger.pay(record["body"], record["body"])

    return pay, lambda: sorted(ledger)


@bug("o-1", by="crash stall duplicate", **PARTIAL, story=["delete_message"])
def deletes_with_an_old_handle(sim):
    """It deletes by hand, with the handle of the first delivery, which is worth nothing after the second."""
    ledger, handles = sim.remote(Ledger(), name="ledger"), sim.remote({}, name="handles")

    def pay(event, context):
        orders = sim.queue("orders")
        for record in event["Records"]:
            handle = handles.setdefault(record["messageId"], record["receiptHandle"])
            ledger.pay(record["body"], record["body"])
            orders.delete_message(handle)
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]}

    return pay, lambda: list(ledger)


@bug("o-1", by="lost_delete crash stall duplicate", story=["delete_message"], **ONE_BY_ONE)
def deletes_before_the_work(sim):
    """The message is deleted first, so that nobody else gets it; if the process ends then, nobody at all has it."""
    ledger = sim.remote(Ledger(), name="ledger")
    client = sim.client("sqs")

    def pay(event, context):
        for record in event["Records"]:
            client.delete_message(QueueUrl=sim.queue("orders").url, ReceiptHandle=record["receiptHandle"])
            ledger.pay(record["body"], record["body"])

    return pay, lambda: list(ledger)
