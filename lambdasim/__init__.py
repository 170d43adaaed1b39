"""Amazon SQS and AWS Lambda in memory, on simulated time."""

from lambdasim.clock import Benign, Clock, Seeded
from lambdasim.esm import BackoffModel, BatchWindowModel, EventSourceMapping, PollModel, ScalingModel, ThrottleRetry
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
from lambdasim.sqs import Queue, RedrivePolicy, SqsConfig

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
    "ThrottleRetry",
    "__version__",
]
