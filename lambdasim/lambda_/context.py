"""The context handed to a handler: what AWS's Python runtime gives it, and a few things of ours (LAM-043)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from lambdasim.units import Duration, seconds

if TYPE_CHECKING:
    from lambdasim.lambda_.environments import Environment
    from lambdasim.lambda_.invocation import Invocation

_NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})


class InvocationTimedOut(BaseException):
    """Raised from a sleep that would end after the deadline; `except Exception` cannot swallow it (LAM-045)."""


@frozen
class CognitoIdentity:
    """Both members are None: no identity is modelled."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


class ContextEnvironment:
    """The execution environment as its handler sees it; not part of AWS's context."""

    __slots__ = ("_environment", "is_cold_start")

    def __init__(self, environment: Environment, *, is_cold_start: bool) -> None:
        self._environment = environment
        self.is_cold_start = is_cold_start  #: whether this invocation is the first on it

    @property
    def id(self) -> str:
        """`A`, `B`, … in order of creation."""
        return self._environment.id

    @property
    def state(self) -> dict[Any, Any]:
        """A dict that lives as long as the process: lost when the environment is reset."""
        return self._environment.state

    @property
    def tmp(self) -> dict[Any, Any]:
        """A dict that stands for `/tmp`: kept when the environment is reset."""
        return self._environment.tmp

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables; none."""
        return _NO_VARIABLES


class Context:
    """The second argument of a handler."""

    __slots__ = ("_deadline_us", "_invocation", "_slept_us", "client_context", "environment", "identity", "tenant_id")

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._deadline_us = invocation.started_at_us + invocation.function.timeout_us
        self._slept_us = 0
        self.client_context: object | None = None
        self.identity = CognitoIdentity()
        self.tenant_id: str | None = None
        self.environment = ContextEnvironment(invocation.environment, is_cold_start=invocation.is_cold_start)

    @property
    def aws_request_id(self) -> str:
        """Of this invocation; the same in every run with one seed."""
        return self._invocation.request_id

    @property
    def function_name(self) -> str:
        """Without version."""
        return self._invocation.function.name

    @property
    def function_version(self) -> str:
        """`$LATEST`."""
        return "$LATEST"

    @property
    def invoked_function_arn(self) -> str:
        """As the caller named it."""
        return self._invocation.function.arn

    @property
    def memory_limit_in_mb(self) -> str:
        """A text, as on AWS."""
        return str(self._invocation.function.memory_size)

    @property
    def log_group_name(self) -> str:
        """`/aws/lambda/` and the name."""
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        """One per execution environment."""
        invocation = self._invocation
        day = invocation.function.clock.datetime.strftime("%Y/%m/%d")
        return f"{day}/[$LATEST]{invocation.function.name}-{invocation.environment.id}"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the timeout, never below 0 (LAM-044)."""
        now_us = self._invocation.started_at_us + self._slept_us
        return max(0, (self._deadline_us - now_us) // 1000)

    def log(self, message: object) -> None:
        """Write a line to the log of this invocation."""
        self._invocation.log.append(str(message).rstrip("\n"))

    def sleep(self, duration: Duration) -> None:
        """
        Let *duration* seconds of the invocation pass.

        A plain handler runs whole at one instant: the call returns at once, and the invocation lasts that much longer.

        Raises:
            InvocationTimedOut: The sleep would end after the deadline; nothing that follows runs.
        """
        self._slept_us += seconds(duration)
        if self._invocation.started_at_us + self._slept_us > self._deadline_us:
            raise InvocationTimedOut

    @property
    def slept_us(self) -> int:
        """What the handler has slept so far, in microseconds."""
        return self._slept_us
