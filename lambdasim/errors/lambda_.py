"""The errors of AWS Lambda, under the names of their shapes."""

from __future__ import annotations

from . import LambdaError


class ValidationException(LambdaError):
    """A number lies outside its range, or a name has illegal characters (LAM-022)."""


class ResourceNotFoundException(LambdaError):
    """No such function, version, alias or mapping (LAM-065)."""

    http_status = 404


class ResourceConflictException(LambdaError):
    """The resource exists already (LAM-023)."""

    http_status = 409


class ResourceInUseException(LambdaError):
    """The resource is in a state of transition (ESM-034)."""


class InvalidParameterValueException(LambdaError):
    """A parameter has no meaning here."""


class RequestTooLargeException(LambdaError):
    """The payload of an invocation is above its limit (LAM-065)."""

    http_status = 413


class InvalidRequestContentException(LambdaError):
    """The payload of an invocation is not JSON (LAM-065)."""


class TooManyRequestsException(LambdaError):
    """A concurrency limit or a rate refused the invocation; `reason` says which (LAM-201)."""

    http_status = 429


class ProvisionedConcurrencyConfigNotFoundException(LambdaError):
    """The version or alias has no provisioned concurrency (LAM-171)."""

    http_status = 404


class PreconditionFailedException(LambdaError):
    """The resource has another revision than the one that was to be changed."""

    http_status = 412


class UnknownOperationException(LambdaError):
    """There is no such operation, or it is not modelled."""

    http_status = 404


class ServiceException(LambdaError):
    """Lambda itself failed (LAM-065)."""

    http_status = 500
    sender_fault = False


__all__ = [
    "InvalidParameterValueException",
    "InvalidRequestContentException",
    "PreconditionFailedException",
    "ProvisionedConcurrencyConfigNotFoundException",
    "RequestTooLargeException",
    "ResourceConflictException",
    "ResourceInUseException",
    "ResourceNotFoundException",
    "ServiceException",
    "TooManyRequestsException",
    "UnknownOperationException",
    "ValidationException",
]
