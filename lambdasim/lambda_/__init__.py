"""AWS Lambda: a function, usable on its own."""

from lambdasim.lambda_.billing import PriceBook
from lambdasim.lambda_.concurrency import ConcurrencyPool
from lambdasim.lambda_.context import Context, InvocationTimedOut
from lambdasim.lambda_.faults import AsyncFaults, LambdaFaults
from lambdasim.lambda_.function import Function, FunctionSnapshot
from lambdasim.lambda_.invocation import Invocation, InvokeResult, Outcome, Request
from lambdasim.lambda_.limits import (
    AsyncModel,
    ColdStartModel,
    Distribution,
    EnvironmentModel,
    LambdaLimits,
    ProvisioningModel,
    RpsModel,
    RuntimeModel,
    ScalingRate,
)

__all__ = [
    "AsyncFaults",
    "AsyncModel",
    "ColdStartModel",
    "ConcurrencyPool",
    "Context",
    "Distribution",
    "EnvironmentModel",
    "Function",
    "FunctionSnapshot",
    "Invocation",
    "InvocationTimedOut",
    "InvokeResult",
    "LambdaFaults",
    "LambdaLimits",
    "Outcome",
    "PriceBook",
    "ProvisioningModel",
    "Request",
    "RpsModel",
    "RuntimeModel",
    "ScalingRate",
]
