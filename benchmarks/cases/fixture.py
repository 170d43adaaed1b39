"""What a test pays before it begins: the import, and a queue, a function and a mapping."""

from functools import cache

from benchmarks.floors import moto_models
from benchmarks.timing import Aim, Group, Row, in_fresh_process, need, seconds_of
from lambdasim import Simulation


def fixture_ms(times: int) -> float:
    def work():
        for _ in range(times):
            sim = Simulation()
            queue = sim.create_queue("orders")
            function = sim.create_function("worker", lambda event, context: None)
            sim.create_event_source_mapping(queue, function)

    return seconds_of(work) * 1_000 / times


@cache
def _compile(*modules: str) -> None:
    in_fresh_process("benchmarks.importing", *modules)


def import_ms(*modules: str) -> float:
    need(*modules)
    _compile(*modules)
    return in_fresh_process("benchmarks.importing", *modules)


GROUPS = (
    Group(
        sides={"ours": fixture_ms, "moto": moto_models.fixture_ms},
        rows=(
            Row(
                "fixture: simulation, queue, function, mapping",
                "ours",
                "moto",
                Aim(1, at_least=False, of_reading=True),
            ),
        ),
        size=500,
        size_min=10,
        per_side={"moto": 10},
        unit=" ms",
    ),
    Group(
        sides={
            "ours": lambda _size: import_ms("lambdasim"),
            "moto": lambda _size: import_ms("boto3", "moto"),
            "needed": lambda _size: import_ms("attrs", "sortedcontainers"),
        },
        rows=(
            Row("import lambdasim, beside boto3 and moto", "ours", "moto", Aim(0.35, at_least=False)),
            Row("import lambdasim, beside attrs and sortedcontainers", "ours", "needed"),
        ),
        size=1,
        unit=" ms",
    ),
)
