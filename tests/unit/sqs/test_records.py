"""What the trace says of deletions that have no effect."""

from __future__ import annotations

import pytest

from lambdasim import Faults, Simulation
from tests.choosers import Says


def kinds(sim):
    return [record.kind for record in sim.trace.records if record.kind in {"message deleted", "message kept"}]


def by_itself(queue, handle):
    queue.delete_message(handle)


def in_batch(queue, handle):
    queue.delete_message_batch([{"id": "a", "receipt_handle": handle}])


@pytest.mark.rule("SQS-274")
@pytest.mark.parametrize("delete", [by_itself, in_batch])
def test_deletion_with_an_old_handle_is_told_while_the_message_is_there(delete):
    """It is acknowledged, and the message stays; when it is gone there is nothing to tell."""
    sim = Simulation()
    queue = sim.create_queue("orders", visibility_timeout=1)
    queue.send_message("a")
    (old,) = queue.receive_message()
    sim.run_for(1)
    (new,) = queue.receive_message()
    delete(queue, old.receipt_handle)
    assert ["message kept"] == kinds(sim)
    assert "acknowledged, and it stays" in queue.messages[0].story()
    sim.run_for(1)
    delete(queue, old.receipt_handle)
    assert ["message kept"] * 2 == kinds(sim)
    delete(queue, new.receipt_handle)
    delete(queue, old.receipt_handle)
    assert ["message kept", "message kept", "message deleted"] == kinds(sim)


@pytest.mark.rule("SQS-278")
def test_deletion_that_is_lost_is_told():
    """One record for the deletion that was lost, one for the next, which is not."""
    sim = Simulation(faults=Faults(lost_delete_probability=0.5), choices=Says("sqs.lost_delete", 1))
    queue = sim.create_queue("orders")
    queue.send_message("a")
    (delivery,) = queue.receive_message()
    queue.delete_message(delivery.receipt_handle)
    queue.delete_message(delivery.receipt_handle)
    assert ["message kept", "message deleted"] == kinds(sim)
