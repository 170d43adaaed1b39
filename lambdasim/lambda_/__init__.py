"""AWS Lambda: a function, usable on its own."""

from lambdasim.lambda_.asynchronous import AsyncEvent, AsyncSnapshot
from lambdasim.lambda_.billing import PriceBook
from lambdasim.lambda_.concurrency import ConcurrencyPool
from lambdasim.lambda_.configured import FunctionConcurrency
from lambdasim.lambda_.context import Context, InvocationTimedOut
from lambdasim.lambda_.destinations import EventInvokeConfig
from lambdasim.lambda_.faults import AsyncFaults, LambdaFaults
from lambdasim.lambda_.function import Function, FunctionSnapshot
from lambdasim.lambda_.invocation import Invocation, InvokeResult, Outcome, Request
from lambdasim.lambda_.limits import (
    AsyncModel,
    ColdStartModel,
    Distribution,
    EnvironmentModel,
    LambdaConfig,
    LambdaLimits,
    ProvisioningModel,
    RpsModel,
    RuntimeModel,
    ScalingRate,
)
from lambdasim.lambda_.provisioned import ProvisionedConcurrencyConfig
from lambdasim.lambda_.registry import AccountSettings, ListFunctionsResult
from lambdasim.lambda_.targets import AliasConfiguration
from lambdasim.lambda_.version import FunctionConfiguration

__all__ = [
    "AccountSettings",
    "AliasConfiguration",
    "AsyncEvent",
    "AsyncFaults",
    "AsyncModel",
    "AsyncSnapshot",
    "ColdStartModel",
    "ConcurrencyPool",
    "Context",
    "Distribution",
    "EnvironmentModel",
    "EventInvokeConfig",
    "Function",
    "FunctionConcurrency",
    "FunctionConfiguration",
    "FunctionSnapshot",
    "Invocation",
    "InvocationTimedOut",
    "InvokeResult",
    "LambdaConfig",
    "LambdaFaults",
    "LambdaLimits",
    "ListFunctionsResult",
    "Outcome",
    "PriceBook",
    "ProvisionedConcurrencyConfig",
    "ProvisioningModel",
    "Request",
    "RpsModel",
    "RuntimeModel",
    "ScalingRate",
]
