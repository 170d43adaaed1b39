"""A queue, a function and a mapping as the queue M/M/50, beside SimPy and by hand."""

from functools import partial

from benchmarks.floors import servers, simpy_models
from benchmarks.timing import Aim, Group, Row, seconds_of
from lambdasim import ScalingModel, Simulation
from lambdasim.workload import Exponential, Poisson

MODEL = {"arrivals_per_s": 45.0, "mean_s": 1.0, "servers": 50}


def ours(jobs: int, *, with_event: bool = False) -> float:
    sim = None

    def work():
        nonlocal sim
        sim = Simulation(trace=0)
        queue = sim.create_queue("jobs", visibility_timeout=900)
        function = sim.create_function(
            "server",
            (lambda event, context: None) if with_event else None,
            timeout=900,
            duration=Exponential(MODEL["mean_s"]),
        )
        sim.create_event_source_mapping(
            queue,
            function,
            batch_size=1,
            maximum_concurrency=MODEL["servers"],
            settings=[ScalingModel(initial=MODEL["servers"])],
        )
        sim.feed(queue, Poisson(MODEL["arrivals_per_s"], duration=jobs / MODEL["arrivals_per_s"]))
        sim.run()

    seconds = seconds_of(work)
    done = sim.queue("jobs").deleted
    assert done == sim.queue("jobs").sent
    return done / seconds


def simpy(jobs: int) -> float:
    return simpy_models.servers(jobs, **MODEL)[0]


def heap(jobs: int) -> float:
    return servers.on_a_heap(jobs, **MODEL)[0]


def recurrence(jobs: int) -> float:
    return servers.by_recurrence(jobs, **MODEL)[0]


GROUPS = (
    Group(
        sides={
            "simpy": simpy,
            "ours": ours,
            "event": partial(ours, with_event=True),
            "heap": heap,
            "recurrence": recurrence,
        },
        rows=(
            Row("M/M/50: handler=None, beside SimPy", "ours", "simpy", Aim(1.6)),
            Row("M/M/50: whole event, beside SimPy", "event", "simpy", Aim(1.1)),
            Row("M/M/50: handler=None, beside a heap by hand", "ours", "heap"),
            Row("floor: M/M/50 on a heap by hand, beside SimPy", "heap", "simpy"),
            Row("floor: M/M/50 by recurrence, beside SimPy", "recurrence", "simpy"),
        ),
        size=50_000,
    ),
)
