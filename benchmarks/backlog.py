"""
ESM-400: a backlog of messages, a function of one second, a mapping that grows from 5 slots to 1,000.

`python -m benchmarks.backlog 1000000` prints what it took, as JSON, for it is run in a fresh process.
"""

import gc
import json
import resource
import sys
from pathlib import Path
from time import process_time

from lambdasim import Simulation


def resident_bytes() -> int:
    """Return what the process holds in memory now; its peak, where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return peak_bytes()
    return pages * resource.getpagesize()


def peak_bytes() -> int:
    """Return the most memory that the process held so far."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # on Linux, that of who started it, if that was more
        return peak if sys.platform == "darwin" else peak * 1024


def run(messages: int) -> dict:
    gc.collect()
    before = resident_bytes()
    begin = process_time()
    sim = Simulation(concurrent_executions=2_000, trace=0)
    queue = sim.create_queue("backlog")
    function = sim.create_function("worker", duration=1)
    body = "x" * 256
    for _ in range(messages):
        queue.send_message(body)
    sent = process_time()
    queued = resident_bytes()
    mapping = sim.create_event_source_mapping(queue, function)
    sim.run()
    end = process_time()
    assert queue.deleted == messages
    return {
        "messages": messages,
        "send_s": sent - begin,
        "drain_s": end - sent,
        "queued_bytes": queued - before,
        "peak_bytes": peak_bytes() - before,
        "simulated_s": sim.now,
        "slots": mapping.snapshot().pollers,
    }


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]))))
