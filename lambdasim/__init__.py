"""Amazon SQS and AWS Lambda in memory, on simulated time."""

from lambdasim.clock import Benign, Clock, Scripted, Seeded
from lambdasim.esm import (
    BackoffModel,
    BatchWindowModel,
    EsmFaults,
    EventSourceMapping,
    LifecycleModel,
    PollModel,
    ProvisionedModel,
    ScalingModel,
    ThrottleRetry,
    fifo_failures,
)
from lambdasim.faults import Faults
from lambdasim.filtering import FilterModel, compile_pattern
from lambdasim.lambda_ import (
    AsyncFaults,
    AsyncModel,
    ColdStartModel,
    ConcurrencyPool,
    EnvironmentModel,
    Function,
    InvocationTimedOut,
    LambdaConfig,
    LambdaFaults,
    LambdaLimits,
    PriceBook,
    ProvisioningModel,
    RpsModel,
    RuntimeModel,
    ScalingRate,
)
from lambdasim.simulation import Simulation
from lambdasim.sqs import Queue, RedrivePolicy, SqsConfig, SqsCostModel, SqsFaults

__version__ = "0.1.0"

__all__ = [
    "AsyncFaults",
    "AsyncModel",
    "BackoffModel",
    "BatchWindowModel",
    "Benign",
    "Clock",
    "ColdStartModel",
    "ConcurrencyPool",
    "EnvironmentModel",
    "EsmFaults",
    "EventSourceMapping",
    "Faults",
    "FilterModel",
    "Function",
    "InvocationTimedOut",
    "LambdaConfig",
    "LambdaFaults",
    "LambdaLimits",
    "LifecycleModel",
    "PollModel",
    "PriceBook",
    "ProvisionedModel",
    "ProvisioningModel",
    "Queue",
    "RedrivePolicy",
    "RpsModel",
    "RuntimeModel",
    "ScalingModel",
    "ScalingRate",
    "Scripted",
    "Seeded",
    "Simulation",
    "SqsConfig",
    "SqsCostModel",
    "SqsFaults",
    "ThrottleRetry",
    "__version__",
    "compile_pattern",
    "fifo_failures",
]
