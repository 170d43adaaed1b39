"""What is measured, in the order in which the table shows it."""

from benchmarks.cases import backlog, clients, clock, fixture, growth, invokes, memory, objects, pipeline, servers
from benchmarks.timing import Group

GROUPS: tuple[Group, ...] = (
    *clock.GROUPS,
    *pipeline.GROUPS,
    *servers.GROUPS,
    *invokes.GROUPS,
    *objects.GROUPS,
    *clients.GROUPS,
    *growth.GROUPS,
    *memory.GROUPS,
    *fixture.GROUPS,
    *backlog.GROUPS,
)
