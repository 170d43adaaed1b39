"""Every exception of the library. Imports nothing of ours.

The two services share names of shapes, so their classes live apart: `lambdasim.errors.sqs` and
`lambdasim.errors.lambda_`.
"""

from __future__ import annotations

from typing import ClassVar


class LambdasimError(Exception):
    """The root of everything that this library raises on purpose."""


class UsageError(LambdasimError, ValueError):
    """The library was asked for something that has no meaning; the text names the value, the bound and what to do."""


class ParamValidationError(UsageError):
    """A value of the wrong type, which a real client refuses before it calls."""


class SimulationStalledError(LambdasimError):
    """The simulation waits for what cannot happen any more, or time stands still for ever."""


class TaskCancelledError(LambdasimError):
    """The process whose result was asked for was cancelled."""


class ResponseLostError(LambdasimError, TimeoutError):
    """The effect may have happened, the answer is lost."""


class AwsError(LambdasimError):
    """What AWS would have answered: tests may match the class, `code` or `shape`."""

    code: ClassVar[str] = ""  #: what a client reads in `Error.Code`
    shape: ClassVar[str] = ""  #: the name of the shape in the service model
    http_status: ClassVar[int] = 400
    sender_fault: ClassVar[bool] = True

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason

    def __init_subclass__(cls) -> None:
        """Shapes are named like their classes, and codes like their shapes where the class does not say otherwise."""
        cls.shape = cls.__name__
        if "code" not in cls.__dict__:
            cls.code = cls.__name__

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the reason, which is no positional argument, and whatever else the error says."""
        return _revive, (type(self), self.message, self.reason), vars(self)


class SqsError(AwsError):
    """An error of Amazon SQS."""


class LambdaError(AwsError):
    """An error of AWS Lambda."""


def _revive(cls: type[AwsError], message: str, reason: str | None) -> AwsError:
    return cls(message, reason=reason)


__all__ = [
    "AwsError",
    "LambdaError",
    "LambdasimError",
    "ParamValidationError",
    "ResponseLostError",
    "SimulationStalledError",
    "SqsError",
    "TaskCancelledError",
    "UsageError",
]
