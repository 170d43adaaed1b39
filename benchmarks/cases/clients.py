"""Real boto3 clients: what a simulation answers them, beside moto and beside the time that botocore takes anyway."""

from contextlib import contextmanager
from functools import partial

from benchmarks.floors import moto_models
from benchmarks.timing import Aim, Group, Row, need
from lambdasim import Simulation


@contextmanager
def simulated():
    """Give clients that a simulation answers."""
    need("boto3")
    yield Simulation(trace=0).client


@contextmanager
def canned():
    """
    Give clients that get the answers of before again: what is left is botocore.

    The first call of each operation is answered by a simulation; a receive that found a message is kept.
    """
    need("boto3")

    from lambdasim.bridges.records import Answer
    from lambdasim.bridges.wire import response_of

    simulation = Simulation(trace=0)
    bridge, answers = simulation._bridge, {}
    respond = bridge.respond

    def replay(request, region):
        name = request.headers["X-Amz-Target"]
        if name not in answers:
            response = respond(request, region)
            answers[name] = (response.status_code, dict(response.headers), response.content)
        status, headers, body = answers[name]
        return response_of(Answer(status, headers, body), request.url)

    bridge.respond = replay
    yield simulation.client


GROUPS = (
    Group(
        sides={
            "moto": moto_models.single,
            "ours": partial(moto_models.single, clients=simulated),
            "botocore": partial(moto_models.single, clients=canned),
            "moto batches": moto_models.batches,
            "ours batches": partial(moto_models.batches, clients=simulated),
            "botocore batches": partial(moto_models.batches, clients=canned),
            "moto 2000": partial(moto_models.batches, waiting=2_000),
            "ours 2000": partial(moto_models.batches, waiting=2_000, clients=simulated),
        },
        rows=(
            Row("real client: one by one, empty queue, beside moto", "ours", "moto", Aim(2)),
            Row("real client: batches of 10, empty queue, beside moto", "ours batches", "moto batches", Aim(2)),
            Row("real client: batches of 10, 2,000 waiting, beside moto", "ours 2000", "moto 2000", Aim(100)),
            Row("real client: one by one, beside botocore with answers that are there", "ours", "botocore"),
            Row(
                "real client: batches of 10, beside botocore with answers that are there",
                "ours batches",
                "botocore batches",
            ),
        ),
        size=2_000,
        per_side={"moto": 300, "moto batches": 500, "moto 2000": 20},
        size_min=10,
        rounds=3,
    ),
)
