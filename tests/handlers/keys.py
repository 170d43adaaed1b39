"""Bugs of keys and marks: what a handler takes for `already done`, and when it says so."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from tests.handlers.case import bug, in_group


@bug("o-1", by="duplicate", story=["'o-1' in done -> False", "charges.append('o-1')"])
def check_then_act(sim):
    """Two deliveries at once both look before either has written."""
    done, charges = sim.remote(set(), name="done"), sim.remote([], name="charges")

    def charge(event, context):
        for record in event["Records"]:
            if record["body"] not in done:
                charges.append(record["body"])
                done.add(record["body"])

    return charge, lambda: charges


@bug(*in_group("o-1"), by="crash stall", story=["claimed.setdefault("])
def mark_before_work(sim):
    """The order is marked as done first: when the process ends before the work, nobody ever does it."""
    claimed, charges = sim.remote({}, name="claimed"), sim.remote([], name="charges")

    def charge(event, context):
        for record in event["Records"]:
            if claimed.setdefault(record["body"], record["receiptHandle"]) == record["receiptHandle"]:
                charges.append(record["body"])

    return charge, lambda: charges


@bug(*in_group("o-1"), by="crash stall", story=["charges.append('o-1')"])
def work_before_mark(sim):
    """The order is marked as done last: when the process ends before that, it is charged once more."""
    done, charges = sim.remote(set(), name="done"), sim.remote([], name="charges")

    def charge(event, context):
        for record in event["Records"]:
            if record["body"] in done:
                continue
            charges.append(record["body"])
            done.add(record["body"])

    return charge, lambda: charges


class Ledger(dict):
    """A table in which the payment and its key are written in one transaction."""

    def pay(self, key, payment):
        """Pay, unless that was done under this key."""
        if key in self:
            return False
        self[key] = payment
        return True


@bug("o-1", by="duplicate poller_lost lost_delete", story=["ledger.pay("])
def key_from_receipt_handle(sim):
    """The key is the receipt handle, which is another one at every delivery."""
    ledger = sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        for record in event["Records"]:
            ledger.pay(record["receiptHandle"], record["body"])

    return pay, lambda: list(ledger.values())


@bug("o-1", by="duplicate poller_lost lost_delete", story=["ledger.pay("])
def key_from_request_id(sim):
    """The key is the id of the invocation, so that it only protects from the same invocation."""
    ledger = sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        for place, record in enumerate(event["Records"]):
            ledger.pay(f"{context.aws_request_id}/{place}", record["body"])

    return pay, lambda: list(ledger.values())


@bug("o-1", by="duplicate poller_lost lost_delete", story=["ledger.pay("])
def key_with_timestamp(sim):
    """The key is made of the body and of the time at which it is handled."""
    ledger = sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        for record in event["Records"]:
            ledger.pay(f"{record['body']}@{datetime.now(UTC).isoformat()}", record["body"])

    return pay, lambda: list(ledger.values())


@bug("o-1", by="poller_lost lost_delete delete_fails response_lost crash", misfortunes=2, story=["ledger.pay('o-1@"])
def key_of_the_minute(sim):
    """The key has the minute in it, to let the same order in again later: a late redelivery is later."""
    ledger = sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        for record in event["Records"]:
            ledger.pay(f"{record['body']}@{int(time.time()) // 60}", record["body"])

    return pay, lambda: list(ledger.values())


@bug("acme/7", "zeta/7", by="", expected=["acme/7", "zeta/7"], story=["ledger.pay('7'"])
def key_without_tenant(sim):
    """The key is the number of the order alone, and every tenant has an order 7."""
    ledger = sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        for record in event["Records"]:
            ledger.pay(record["body"].partition("/")[2], record["body"])

    return pay, lambda: list(ledger.values())


@bug("o-1", "o-1", by="", expected=["o-1"], story=["ledger.pay("])
def key_from_message_id(sim):
    """The key is the message id, and the producer has sent the same order twice."""
    ledger = sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        for record in event["Records"]:
            ledger.pay(record["messageId"], record["body"])

    return pay, lambda: list(ledger.values())


@bug("tick", "tick", by="", expected=["tick", "tick"], story=["ledger.pay("])
def key_from_body(sim):
    """The key is the body, and two messages may well say the same."""
    ledger = sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        for record in event["Records"]:
            ledger.pay(record["body"], record["body"])

    return pay, lambda: list(ledger.values())


class ExpiringLedger(list):
    """Payments, and keys that are forgotten after so many seconds."""

    def __init__(self, ttl_s):
        super().__init__()
        self.ttl_s = ttl_s
        self.paid_at = {}

    def pay(self, key, now_s):
        """Pay, unless that was done under this key not so long ago."""
        if now_s - self.paid_at.get(key, -self.ttl_s) >= self.ttl_s:
            self.paid_at[key] = now_s
            self.append(key)


@bug("o-1", by="poller_lost lost_delete delete_fails response_lost crash", story=["ledger.pay('o-1'"])
def ttl_shorter_than_redelivery(sim):
    """Keys live for 20 seconds, and a message comes back after 30."""
    ledger = sim.remote(ExpiringLedger(20), name="ledger")

    def pay(event, context):
        for record in event["Records"]:
            ledger.pay(record["body"], time.time())

    return pay, lambda: ledger


class Recent(list):
    """What was paid, and a memory of the last keys, the size of which is limited."""

    def __init__(self, size):
        super().__init__()
        self.keys = []
        self.size = size

    def pay(self, key):
        """Pay, unless the key is remembered."""
        if key not in self.keys:
            self.keys = [*self.keys, key][-self.size :]
            self.append(key)


@bug(
    "o-1",
    "o-2",
    by="duplicate poller_lost lost_delete crash stall response_lost",
    story=["recent.pay('o-1')"],
)
def memory_of_the_last_keys(sim):
    """Only the last key is remembered, and another message comes in between."""
    recent = sim.remote(Recent(1), name="recent")

    def pay(event, context):
        for record in event["Records"]:
            recent.pay(record["body"])

    return pay, lambda: recent


@bug("o-1", by="crash stall poller_lost response_lost", story=["received, for the 2nd time", "returned None"])
def first_receive_only(sim):
    """A receive count of one is taken for `never tried before`."""
    charges = sim.remote([], name="charges")

    def charge(event, context):
        for record in event["Records"]:
            if record["attributes"]["ApproximateReceiveCount"] == "1":
                charges.append(record["body"])

    return charge, lambda: charges


class Results(dict):
    """A table of results, and a list of all that was ever computed for it."""

    def __init__(self):
        super().__init__()
        self.computed = []

    def put(self, key, result):
        """Do the work and keep what came out, in one transaction."""
        self.computed.append((key, result))
        self[key] = result


@bug(*in_group("free"), by="crash stall poller_lost", story=["results.get('free') -> 0"])
def falsy_result_taken_for_none(sim):
    """Work and mark are one write; but a result of 0 is taken for `not done yet`."""
    results = sim.remote(Results(), name="results")

    def price(event, context):
        for record in event["Records"]:
            if not results.get(record["body"]):
                results.put(record["body"], 0 if record["body"] == "free" else 10)

    return price, lambda: results.computed


@bug("o-1", by="duplicate", story=["paid"])
def event_before_commit(sim):
    """The event goes out before the conditional write says who won."""
    ledger, events = sim.remote(Ledger(), name="ledger"), sim.remote([], name="events")

    def pay(event, context):
        for record in event["Records"]:
            if record["body"] not in ledger:
                events.append(f"paid {record['body']}")
                ledger.pay(record["body"], record["body"])

    return pay, lambda: events


@bug("o-1", by="duplicate poller_lost lost_delete crash", story=["rows.append("])
def insert_instead_of_upsert(sim):
    """Every delivery inserts a row under a number of its own."""
    rows = sim.remote([], name="rows")

    def store(event, context):
        for record in event["Records"]:
            rows.append({"order": record["body"]})

    return store, lambda: rows


class Unique(dict):
    """A table with a unique key."""

    def insert(self, key, row):
        """Insert a row."""
        if key in self:
            msg = f"there is a row {key} already"
            raise KeyError(msg)
        self[key] = row


@bug("o-1", by="duplicate crash stall poller_lost lost_delete", story=["there is a row o-1 already"])
def conflict_is_an_error(sim):
    """The unique key keeps the second row out, but its error is not understood: the message never goes away."""
    rows = sim.remote(Unique(), name="rows")

    def store(event, context):
        for record in event["Records"]:
            rows.insert(record["body"], context.aws_request_id)
            time.sleep(0.1)

    return store, lambda: sorted(rows)


@bug(*in_group("o-1"), by="crash stall", misfortunes=2, story=["tries"])
def gives_up_by_own_count(sim):
    """It counts its tries itself and gives up at the third, though the others never came to the work."""
    tries, charges = sim.remote({}, name="tries"), sim.remote(Ledger(), name="charges")

    def charge(event, context):
        for record in event["Records"]:
            count = tries.get(record["body"], 0) + 1
            tries[record["body"]] = count
            if count < 3:
                charges.pay(record["body"], record["body"])

    return charge, lambda: list(charges)
