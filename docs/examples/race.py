"""Draw the race of docs/testing.md: `python docs/examples/race.py > docs/pictures/race.svg`."""

from __future__ import annotations

from lambdasim import Scripted
from lambdasim.testing.building import build

sim = build(Scripted("duplicate orders#1 @0"))
done, charges = sim.remote(set(), name="done"), sim.remote([], name="charges")


def charge(event, context):
    """Look first, charge then, and take it down last."""
    for record in event["Records"]:
        if record["body"] not in done:
            charges.append(record["body"])
            done.add(record["body"])


orders = sim.create_queue("orders")
sim.create_event_source_mapping(orders, sim.create_function("charge", charge))
orders.send_message("order-1")
sim.run()
print(sim.timeline().to_svg())
