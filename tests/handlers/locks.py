"""Bugs of locks, leases and counters: two deliveries, or two messages, at one thing."""

from __future__ import annotations

import time

from tests.handlers.case import ONE_BY_ONE, bug, in_group
from tests.handlers.keys import Ledger, Results


class Locks(dict):
    """Locks by name; the conditional write of a table."""

    def acquire(self, name, owner):
        """Return whether the owner has the lock now."""
        return self.setdefault(name, owner) == owner

    def release(self, name):
        """Let the lock go."""
        self.pop(name, None)


@bug(*in_group("o-1"), by="crash stall", story=["locks.acquire("])
def lock_never_released(sim):
    """When the process ends under the lock, nobody releases it, and every redelivery waits for ever."""
    locks, ledger = sim.remote(Locks(), name="locks"), sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        for record in event["Records"]:
            if not locks.acquire(record["body"], context.aws_request_id):
                msg = f"{record['body']} is locked"
                raise RuntimeError(msg)
            try:
                ledger.pay(record["body"], record["body"])
            finally:
                locks.release(record["body"])

    return pay, lambda: list(ledger)


@bug("o-1", by="crash stall", story=["locks.acquire("])
def locked_taken_for_done(sim):
    """Whoever finds the lock taken believes that the work is done, and lets the message go."""
    locks, ledger = sim.remote(Locks(), name="locks"), sim.remote(Ledger(), name="ledger")

    def pay(event, context):
        for record in event["Records"]:
            if locks.acquire(record["body"], context.aws_request_id):
                ledger.pay(record["body"], record["body"])
                locks.release(record["body"])

    return pay, lambda: list(ledger)


@bug("o-1 by card", "o-1 by voucher", by="duplicate", story=["locks.release('o-1')"], **ONE_BY_ONE)
def releases_the_lock_of_another(sim):
    """Its `finally` releases the lock even where it was never got, while its owner is still at work."""
    locks, results = sim.remote(Locks(), name="locks"), sim.remote(Results(), name="results")

    def pay(event, context):
        for record in event["Records"]:
            order = record["body"].split()[0]
            try:
                if not locks.acquire(order, context.aws_request_id):
                    raise RuntimeError(order)
                if order not in results:
                    time.sleep(0.6)  # the bank thinks
                    results.put(order, "paid")
            finally:
                locks.release(order)

    return pay, lambda: results.computed


class Leases(dict):
    """Locks that end by themselves."""

    def acquire(self, name, owner, now_s, until_s):
        """Return whether the owner has the lock now."""
        holder, ends_s = self.get(name, (owner, 0))
        if holder != owner and ends_s > now_s:
            return False
        self[name] = owner, until_s
        return True


@bug("o-1", by="duplicate stall", misfortunes=2, story=["leases.acquire(", "-> True"])
def lease_ends_while_at_work(sim):
    """The lease is shorter than the work may take: there are two owners then, and both believe that they are alone."""
    leases, results = sim.remote(Leases(), name="leases"), sim.remote(Results(), name="results")

    def price(event, context):
        for record in event["Records"]:
            now_s = time.time()
            if not leases.acquire(record["body"], context.aws_request_id, now_s, now_s + 0.5):
                raise RuntimeError(record["body"])
            if record["body"] not in results:
                results.put(record["body"], 10)

    return price, lambda: results.computed


@bug("3", "4", by="", **ONE_BY_ONE, story=["account.update(balance=3", "account.update(balance=4"])
def read_modify_write(sim):
    """Two messages read the same row, and the second write overwrites the first; the mark in the row does not help."""
    account = sim.remote({"balance": 0, "booked": []}, name="account")

    def book(event, context):
        for record in event["Records"]:
            balance, booked = account["balance"], account["booked"]
            if record["messageId"] not in booked:
                account.update(balance=balance + int(record["body"]), booked=[*booked, record["messageId"]])

    return book, lambda: account["balance"]


class Counter(dict):
    """Numbers with an atomic ADD."""

    def add(self, name, amount):
        """Add to a number; return what it is now."""
        self[name] = self.get(name, 0) + amount
        return self[name]


@bug("3", by="duplicate poller_lost lost_delete crash stall", story=["counter.add('total', 3)"])
def atomic_but_not_idempotent(sim):
    """ADD is atomic, but adding twice is twice as much."""
    counter = sim.remote(Counter(), name="counter")

    def add(event, context):
        for record in event["Records"]:
            counter.add("total", int(record["body"]))

    return add, lambda: counter["total"]


class Versions(dict):
    """A row with a version, and a write that is refused where the version has changed meanwhile."""

    def replace(self, version, **values):
        """Return whether the row was replaced."""
        if self["version"] != version:
            return False
        self.update(values, version=version + 1)
        return True


@bug("milk", "eggs", by="", **ONE_BY_ONE, story=["basket.replace(", "-> False"])
def conflict_is_ignored(sim):
    """The optimistic lock finds the conflict, but nobody looks at what it says."""
    basket = sim.remote(Versions(version=0, items=[]), name="basket")

    def put(event, context):
        for record in event["Records"]:
            version, items = basket["version"], basket["items"]
            if record["body"] not in items:
                basket.replace(version, items=[*items, record["body"]])

    return put, lambda: basket["items"]


@bug("1/2", "2/2", by="", **ONE_BY_ONE, story=["len(parts) -> 2"])
def both_are_last(sim):
    """The one who brings the last part publishes; two who bring theirs at once both see that nothing is missing."""
    parts, published = sim.remote({}, name="parts"), sim.remote([], name="published")

    def gather(event, context):
        for record in event["Records"]:
            parts[record["body"]] = "here"
            if len(parts) == 2:
                published.append("report")

    return gather, lambda: published
