"""The context handed to a handler: what AWS's Python runtime gives it, and a few things of ours (LAM-043)."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

from lambdasim.errors import UsageError
from lambdasim.lambda_.version import log_stream_name
from lambdasim.units import Duration, seconds

if TYPE_CHECKING:
    from lambdasim.lambda_.fibers import Fiber
    from lambdasim.lambda_.invocation import Invocation
    from lambdasim.lambda_.world import Turn


_SHOWN: Final = (
    "aws_request_id",
    "log_group_name",
    "log_stream_name",
    "function_name",
    "memory_limit_in_mb",
    "function_version",
    "invoked_function_arn",
    "client_context",
    "identity",
    "tenant_id",
)


class InvocationTimedOut(BaseException):
    """Raised from a sleep that would end after the deadline; `except Exception` cannot swallow it (LAM-045)."""


class CognitoIdentity:
    """Both members are None: no identity is modelled."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self) -> None:
        self.cognito_identity_id: str | None = None
        self.cognito_identity_pool_id: str | None = None

    def __repr__(self) -> str:
        """Show that there is nobody."""
        return f"CognitoIdentity(cognito_identity_id={self.cognito_identity_id!r})"


class Client:
    """Which application called: what AWS's mobile SDKs send; what they leave out is None."""

    __slots__ = ("app_package_name", "app_title", "app_version_code", "app_version_name", "installation_id")

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.installation_id = given.get("installation_id")
        self.app_title = given.get("app_title")
        self.app_version_name = given.get("app_version_name")
        self.app_version_code = given.get("app_version_code")
        self.app_package_name = given.get("app_package_name")

    def __repr__(self) -> str:
        """Show the parts."""
        return "Client(" + ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__) + ")"


class ClientContext:
    """What a caller sent along (LAM-060)."""

    __slots__ = ("client", "custom", "env")

    def __init__(self, parsed: Mapping[str, Any]) -> None:
        client = parsed.get("client")
        self.client = Client(client) if isinstance(client, Mapping) else None
        self.custom = parsed.get("custom")
        self.env = parsed.get("env")

    def __repr__(self) -> str:
        """Show the parts."""
        return f"ClientContext(custom={self.custom!r}, env={self.env!r}, client={self.client!r})"


class ContextEnvironment:
    """The execution environment as its handler sees it; not part of AWS's context."""

    __slots__ = ("_invocation", "_variables")

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._variables: Mapping[str, str] | None = None

    @property
    def id(self) -> str:
        """`A`, `B`, … in order of creation."""
        return self._invocation.environment.id

    @property
    def is_cold_start(self) -> bool:
        """Whether this invocation is the first on it."""
        return self._invocation.is_cold_start

    @property
    def state(self) -> dict[Any, Any]:
        """A dict that lives as long as the process: lost when the environment is reset."""
        return self._invocation.environment.state

    @property
    def tmp(self) -> dict[Any, Any]:
        """A dict that stands for `/tmp`: kept when the environment is reset."""
        return self._invocation.environment.tmp

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables that Lambda gives its code, read-only (LAM-025)."""
        if self._variables is None:
            invocation = self._invocation
            self._variables = MappingProxyType(dict(invocation.deployed.variables_in(invocation.environment)))
        return self._variables


class Context:
    """The second argument of a handler. As on AWS, handlers and libraries may put attributes of theirs on it."""

    def __init__(self, invocation: Invocation, slept_us: int = 0) -> None:
        self._invocation = invocation
        self._deadline_us = invocation.started_at_us + invocation.deployed.timeout_us
        self._slept_us = slept_us
        self._turn: Turn | None = None
        self._environment: ContextEnvironment | None = None
        self.identity = _NOBODY
        self.tenant_id: str | None = None

    @property
    def environment(self) -> ContextEnvironment:
        """The execution environment."""
        if self._environment is None:
            self._environment = ContextEnvironment(self._invocation)
        return self._environment

    @property
    def client_context(self) -> ClientContext | None:
        """What the caller sent along; None unless it did."""
        return self._invocation.client_context

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
        """`$LATEST` or a number, never the alias."""
        return self._invocation.version

    @property
    def invoked_function_arn(self) -> str:
        """As the caller named it."""
        invocation = self._invocation
        arn, qualifier = invocation.function.arn, invocation.qualifier
        return arn if qualifier is None else f"{arn}:{qualifier}"

    @property
    def memory_limit_in_mb(self) -> str:
        """A text, as on AWS."""
        return str(self._invocation.deployed.memory_size)

    @property
    def log_group_name(self) -> str:
        """`/aws/lambda/` and the name, unless the function has another."""
        return self._invocation.deployed.configuration.log_group

    @property
    def log_stream_name(self) -> str:
        """One per execution environment."""
        return log_stream_name(self._invocation.deployed, self._invocation.environment)

    def __repr__(self) -> str:
        """Show the members, as AWS's runtime does."""
        shown = ",".join(f"{name}={getattr(self, name)}" for name in _SHOWN)
        return f"LambdaContext([{shown}])"

    def __copy__(self) -> Self:
        """Return the context itself: it stands for something that there is once."""
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Return the context itself."""
        return self

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the timeout, never below 0 (LAM-044)."""
        return max(0, (self._deadline_us - self.now_us) // 1000)

    def log(self, message: object) -> None:
        """Write a line to the log of this invocation."""
        self._invocation.log.append(str(message).rstrip("\n"))

    def sleep(self, duration: Duration) -> Any:
        """
        Let *duration* seconds of the invocation pass.

        A plain handler runs whole at one instant: the call returns at once, and the invocation lasts that much longer.

        Raises:
            InvocationTimedOut: The sleep would end after the deadline; nothing that follows runs.
        """
        self._slept_us += seconds(duration)
        if self._invocation.started_at_us + self._slept_us > self._deadline_us:
            raise InvocationTimedOut
        if self._turn is not None:
            self._turn.show_time()

    @property
    def now_us(self) -> int:
        """What the handler's clock shows, in microseconds since the start."""
        return self._invocation.started_at_us + self._slept_us

    @property
    def slept_us(self) -> int:
        """What the handler has slept so far, in microseconds."""
        return self._slept_us


class CoroutineContext(Context):
    """The context of a coroutine: `await context.sleep(…)`."""

    def sleep(self, duration: Duration) -> Awaitable[None]:
        """Return what the handler awaits to let *duration* seconds pass."""
        return self._invocation.function.clock.sleep(duration)

    @property
    def now_us(self) -> int:
        """What the handler's clock shows, in microseconds since the start."""
        return self._invocation.function.clock.now_us


class FiberContext(Context):
    """The context of an interleaved handler: it is suspended while it sleeps."""

    def __init__(self, invocation: Invocation, fiber: Fiber) -> None:
        super().__init__(invocation)
        self._fiber = fiber

    def sleep(self, duration: Duration) -> None:
        """
        Let *duration* seconds pass; others run in between.

        Raises:
            InvocationTimedOut: At the deadline, if the sleep would end after it.
        """
        fiber = self._invocation.function.clock.fiber
        if fiber is None:
            msg = "sleep() of an interleaved handler's context was called outside of handlers; it is for that handler"
            raise UsageError(msg)
        fiber.sleep(duration)  # the handler that runs sleeps, whosever context it is

    @property
    def now_us(self) -> int:
        """What the handler's clock shows, in microseconds since the start."""
        return self._fiber.now_us


_NOBODY: Final = CognitoIdentity()
