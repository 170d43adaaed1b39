"""The event source mapping: joins a queue and a function."""

from lambdasim.esm.limits import BackoffModel, BatchWindowModel, PollModel, ScalingModel, ThrottleRetry
from lambdasim.esm.mapping import EventSourceMapping, MappingSnapshot

__all__ = [
    "BackoffModel",
    "BatchWindowModel",
    "EventSourceMapping",
    "MappingSnapshot",
    "PollModel",
    "ScalingModel",
    "ThrottleRetry",
]
