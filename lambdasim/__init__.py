"""Amazon SQS and AWS Lambda in memory, on simulated time."""

from lambdasim.clock import Benign, Clock, Seeded
from lambdasim.esm import BackoffModel, BatchWindowModel, EventSourceMapping, PollModel, ScalingModel, ThrottleRetry
from lambdasim.faults import Faults
from lambdasim.lambda_ import (
    ColdStartModel,
    ConcurrencyPool,
    EnvironmentModel,
    Function,
    LambdaLimits,
    PriceBook,
    RpsModel,
    RuntimeModel,
    ScalingRate,
)
from lambdasim.simulation import Simulation
from lambdasim.sqs import Queue, RedrivePolicy, SqsConfig, SqsFaults

__version__ = "0.1.0"

__all__ = [
    "BackoffModel",
    "BatchWindowModel",
    "Benign",
    "Clock",
    "ColdStartModel",
    "ConcurrencyPool",
    "EnvironmentModel",
    "EventSourceMapping",
    "Faults",
    "Function",
    "LambdaLimits",
    "PollModel",
    "PriceBook",
    "Queue",
    "RedrivePolicy",
    "RpsModel",
    "RuntimeModel",
    "ScalingModel",
    "ScalingRate",
    "Seeded",
    "Simulation",
    "SqsConfig",
    "SqsFaults",
    "ThrottleRetry",
    "__version__",
]
