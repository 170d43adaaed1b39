"""The event source mapping: joins a queue and a function."""

from lambdasim.esm.advice import Finding
from lambdasim.esm.configuration import EventSourceMappingConfiguration
from lambdasim.esm.faults import EsmFaults
from lambdasim.esm.limits import (
    BackoffModel,
    BatchWindowModel,
    LifecycleModel,
    PollModel,
    ProvisionedModel,
    ScalingModel,
    ThrottleRetry,
)
from lambdasim.esm.mapping import EventSourceMapping, MappingSnapshot
from lambdasim.esm.responses import fifo_failures

__all__ = [
    "BackoffModel",
    "BatchWindowModel",
    "EsmFaults",
    "EventSourceMapping",
    "EventSourceMappingConfiguration",
    "Finding",
    "LifecycleModel",
    "MappingSnapshot",
    "PollModel",
    "ProvisionedModel",
    "ScalingModel",
    "ThrottleRetry",
    "fifo_failures",
]
