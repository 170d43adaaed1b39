"""Bugs of order: what a handler believes about before and after."""

from __future__ import annotations

from tests.handlers.case import ONE_BY_ONE, PARTIAL, bug, in_group


@bug(
    "1 created",
    "2 shipped",
    by="reorder crash stall",
    expected={"o-1": "shipped"},
    **ONE_BY_ONE,
    story=["states['o-1']"],
)
def last_write_wins(sim):
    """Whatever comes last is taken for the newest, on a queue that promises no order."""
    states = sim.remote({}, name="states")

    def track(event, context):
        for record in event["Records"]:
            states["o-1"] = record["body"].split()[1]

    return track, lambda: dict(states)


@bug("1 created", "2 shipped", by="stall", expected={"o-1": (2, "shipped")}, **ONE_BY_ONE, story=["states.get('o-1'"])
def version_checked_too_early(sim):
    """It writes what is newer than what it has read; but somebody newer may have written since."""
    states = sim.remote({}, name="states")

    def track(event, context):
        for record in event["Records"]:
            number, state = record["body"].split()
            if int(number) > states.get("o-1", (0, ""))[0]:
                states["o-1"] = int(number), state

    return track, lambda: dict(states)


class Steps(list):
    """Numbered steps that were taken."""

    def take(self, number):
        """Take a step, if it is the next one."""
        if number != len(self) + 1:
            return False
        self.append(number)
        return True


@bug("1", "2", by="reorder", expected=[1, 2], story=["steps.take(2) -> False"])
def drops_what_comes_early(sim):
    """A step that is not the next one is taken for an old one, and let go."""
    steps = sim.remote(Steps(), name="steps")

    def take(event, context):
        for record in event["Records"]:
            steps.take(int(record["body"]))

    return take, lambda: list(steps)


def journal_of(sim):
    """Make a queue that takes each line once, whoever sends it, and the record of what came out."""
    journal = sim.create_queue("journal.fifo", content_based_deduplication=True)

    def write(record):
        journal.send_message(record["body"], message_group_id="journal")

    return write, lambda: [message.body for message in journal.messages]


@bug(*in_group("open", "add", "close"), by="throttle", **PARTIAL, story=["journal.fifo.send_message('"])
def goes_on_after_a_failure(sim):
    """A record of a group fails, and those after it are done all the same: it comes back behind them."""
    write, effects = journal_of(sim)

    def copy(event, context):
        failures = []
        for record in event["Records"]:
            try:
                write(record)
            except Exception:  # noqa: BLE001 - whatever it is, the message comes back
                failures.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failures}

    return copy, effects


@bug(*in_group("open", "add"), by="throttle lost_send_ack", **PARTIAL, story=["journal.fifo.send_message('"])
def names_only_the_first_failure(sim):
    """It stops at the first failure, as it must; but what it does not name, and never did, is deleted."""
    write, effects = journal_of(sim)

    def copy(event, context):
        for record in event["Records"]:
            try:
                write(record)
            except Exception:  # noqa: BLE001 - whatever it is, the message comes back
                return {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
        return None

    return copy, effects


@bug(
    *in_group("open", group="accounts"),
    *in_group("add", group="bookings"),
    by="later split_receive crash stall",
    misfortunes=2,
    expected=["open", "add"],
    story=["book.append('add')"],
)
def order_between_groups(sim):
    """It counts on an order between two groups of a FIFO queue; there is one within each only."""
    book = sim.remote([], name="book")

    def write(event, context):
        for record in event["Records"]:
            if record["body"] not in book:
                book.append(record["body"])

    return write, lambda: book


@bug("b", "a", by="later stall", misfortunes=2, story=["bids.append('a')"], **ONE_BY_ONE)
def smallest_so_far(sim):
    """Who finds the smallest of all writes it down; between finding and writing somebody finds a smaller one."""
    bids, best = sim.remote([], name="bids"), sim.remote({}, name="best")

    def bid(event, context):
        for record in event["Records"]:
            bids.append(record["body"])
            best["bid"] = min(bids)

    return bid, lambda: dict(best)
