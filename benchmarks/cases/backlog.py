"""A backlog of a million messages, sent first and then worked off by a growing mapping (ESM-400), each afresh."""

from benchmarks.floors.pipelines import lean
from benchmarks.timing import Group, Row, in_fresh_process


def send(messages: int) -> float:
    """Messages per second put into the queue."""
    return messages / in_fresh_process("benchmarks.backlog", messages)["send_s"]


def drain(messages: int) -> float:
    """Messages per second received, handled and deleted."""
    return messages / in_fresh_process("benchmarks.backlog", messages)["drain_s"]


def both_s(messages: int) -> float:
    """Seconds for all of it."""
    found = in_fresh_process("benchmarks.backlog", messages)
    return found["send_s"] + found["drain_s"]


def lean_s(messages: int) -> float:
    """Seconds for the same by hand, without events."""
    return messages / lean(messages, backlog=messages, with_event=False)


def peak_mb(messages: int) -> float:
    """Megabytes that the process needed more at its peak than before."""
    return in_fresh_process("benchmarks.backlog", messages)["peak_bytes"] / 1e6


GROUPS = (
    Group(
        sides={"lean": lean_s, "ours": both_s},
        rows=(Row("backlog of 1,000,000 (ESM-400), handler=None: time", "ours", "lean"),),
        size=1_000_000,
        unit=" s",
        rounds=3,
    ),
    Group(
        sides={"send": send, "drain": drain},
        rows=(
            Row("backlog of 1,000,000 (ESM-400): sending", "send"),
            Row("backlog of 1,000,000 (ESM-400): working it off", "drain"),
        ),
        size=1_000_000,
        rounds=2,
    ),
    Group(
        sides={"peak": peak_mb},
        rows=(Row("backlog of 1,000,000 (ESM-400): memory at its peak", "peak"),),
        size=1_000_000,
        unit=" MB",
        rounds=1,
    ),
)
