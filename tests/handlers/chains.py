"""Bugs of chains and of waiting: a second queue, an outbox, retries of one's own, visibility by hand."""

from __future__ import annotations

import time

from tests.handlers.case import bug, in_group
from tests.handlers.keys import Ledger


def bodies(queue):
    return lambda: [message.body for message in queue.messages]


@bug(*in_group("o-1"), by="crash stall throttle lost_send_ack", story=["invoices.send_message('o-1')"])
def two_queues_no_transaction(sim):
    """The invoice and the mail are two sends: when the process ends between them, the redelivery repeats the first."""
    invoices, mails = sim.create_queue("invoices"), sim.create_queue("mails")
    done = sim.remote(set(), name="done")

    def handle(event, context):
        for record in event["Records"]:
            if record["body"] not in done:
                invoices.send_message(record["body"])
                mails.send_message(record["body"])
                done.add(record["body"])

    return handle, bodies(invoices)


@bug("o-1", by="lost_send_ack", story=["lost"])
def retries_what_was_done(sim):
    """It tries a send again when no answer comes, and numbers its tries; but the first one may have gone through."""
    events = sim.create_queue("events.fifo")

    def handle(event, context):
        for record in event["Records"]:
            for attempt in range(3):
                try:
                    events.send_message(
                        record["body"],
                        message_group_id="events",
                        message_deduplication_id=f"{record['messageId']}/{attempt}",
                    )
                    break
                except TimeoutError:
                    time.sleep(0.1)

    return handle, bodies(events)


@bug(*in_group("o-1"), by="crash stall throttle", story=["orders.pay('o-1'"])
def outbox_without_flush(sim):
    """The order is stored and announced by the same delivery: who finds it stored believes that it is announced."""
    orders, events = sim.remote(Ledger(), name="orders"), sim.create_queue("events.fifo")

    def handle(event, context):
        for record in event["Records"]:
            if orders.pay(record["body"], record["body"]):
                events.send_message(
                    f"paid {record['body']}", message_group_id="events", message_deduplication_id=record["body"]
                )

    return handle, bodies(events)


@bug(
    "o-1",
    by="poller_lost lost_delete response_lost crash stall",
    queue={"visibility_timeout": 600},
    story=["events.fifo.send_message('"],
)
def deduplication_of_five_minutes(sim):
    """The second queue drops copies, but only for five minutes, and a redelivery comes after ten."""
    events = sim.create_queue("events.fifo", content_based_deduplication=True)

    def handle(event, context):
        for record in event["Records"]:
            events.send_message(f"paid {record['body']}", message_group_id="events")

    return handle, bodies(events)


@bug("o-1", by="duplicate poller_lost lost_delete", story=["events.fifo"])
def deduplication_id_of_the_delivery(sim):
    """The second queue would drop copies, but its deduplication id is made anew by every delivery."""
    events = sim.create_queue("events.fifo")
    client = sim.client("sqs")

    def handle(event, context):
        for record in event["Records"]:
            client.send_message(
                QueueUrl=events.url,
                MessageBody=f"paid {record['body']}",
                MessageGroupId="events",
                MessageDeduplicationId=context.aws_request_id,
            )

    return handle, bodies(events)


@bug("o-1", "o-2", by="duplicate", expected=["o-1", "o-2", "all done"], story=["o-1"])
def counts_taken_for_exact(sim):
    """Nothing visible and nothing in flight but its own batch: so it must be the last one, says the handler."""
    done = sim.remote({}, name="done")

    def handle(event, context):
        orders = sim.queue("orders")
        for record in event["Records"]:
            done.setdefault(record["body"], "done")
        waiting = orders.approximate_number_of_messages
        flying = orders.approximate_number_of_messages_not_visible
        if waiting == 0 and flying == len(event["Records"]):
            done.setdefault("all done", "done")

    return handle, lambda: list(done)


@bug("o-1", by="", function={"timeout": 20}, story=["change_message_visibility"])
def heartbeat_sets_instead_of_adding(sim):
    """It believes that 5 seconds are added to what is left; they are all that is left from then on."""
    charges = sim.remote([], name="charges")

    def handle(event, context):
        orders = sim.queue("orders")
        for record in event["Records"]:
            orders.change_message_visibility(record["receiptHandle"], 5)
            time.sleep(10)
            if record["body"] not in charges:
                charges.append(record["body"])

    return handle, lambda: charges


@bug(*in_group("+3", "+4"), by="stall", batch_size=1, story=["change_message_visibility"])
def visibility_cut_short(sim):
    """It shortens the visibility, to be retried soon: when it is held up, it writes over those who came after."""
    account = sim.remote({"balance": 0, "booked": ()}, name="account")

    def book(event, context):
        queue = sim.queue("orders.fifo")
        for record in event["Records"]:
            queue.change_message_visibility(record["receiptHandle"], 1)
            row = dict(account)
            if record["body"] not in row["booked"]:
                account.update(balance=row["balance"] + int(record["body"]), booked=(*row["booked"], record["body"]))

    return book, lambda: account["balance"]


@bug("o-1", by="crash stall poller_lost response_lost duplicate", story=["handed to the people"])
def gives_up_early(sim):
    """The second receive is taken for a second failure: the order is done, and handed to the people as well."""
    ledger, people = sim.remote(Ledger(), name="ledger"), sim.remote({}, name="people")

    def handle(event, context):
        for record in event["Records"]:
            if int(record["attributes"]["ApproximateReceiveCount"]) > 1:
                people.setdefault(record["body"], "handed to the people")
            else:
                ledger.pay(record["body"], record["body"])

    return handle, lambda: [*ledger, *people.values()]


@bug("o-1", by="lost_send_ack", story=["events.fifo.send_message('", "orders.send_message('o-1'"])
def requeues_by_hand(sim):
    """What failed is sent to the queue again, as another message with another id; but it may not have failed."""
    events = sim.create_queue("events.fifo")

    def handle(event, context):
        for record in event["Records"]:
            try:
                events.send_message(
                    record["body"], message_group_id="events", message_deduplication_id=record["messageId"]
                )
            except TimeoutError:
                sim.queue("orders").send_message(record["body"], delay_seconds=5)

    return handle, bodies(events)
