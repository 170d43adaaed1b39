"""Clients of boto3 whose calls a simulation answers; whoever needs none does not load boto3."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["json", "query"])
def protocol(request):
    """What clients write: JSON as those of today, or the query protocol as those before."""
    return request.param


@pytest.fixture
def bridge(sim, protocol):
    from tests.bridge import Bridge

    return Bridge(sim, protocol=protocol)


@pytest.fixture
def world(protocol):
    """What makes a simulation, and a client for it."""
    from lambdasim import Simulation
    from tests.bridge import Bridge

    def make(**options):
        sim = Simulation(**options)
        return sim, Bridge(sim, protocol=protocol).client()

    return make


@pytest.fixture
def sqs(bridge):
    return bridge.client()


@pytest.fixture
def url(sqs):
    """Of a standard queue."""
    return sqs.create_queue(QueueName="orders")["QueueUrl"]


@pytest.fixture
def fifo_url(sqs):
    """Of a FIFO queue that wants ids."""
    return sqs.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
