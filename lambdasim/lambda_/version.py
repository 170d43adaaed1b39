"""What is deployed: code and configuration, as `$LATEST` has them or as a published version froze them (LAM-026)."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import field, frozen

from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import InvalidParameterValueException, ValidationException
from lambdasim.lambda_.duration import DurationModel
from lambdasim.lambda_.environments import Environment, Environments
from lambdasim.lambda_.limits import DEFAULT_DURATION_S, DurationLike, LambdaLimits
from lambdasim.lambda_.modules import Modules
from lambdasim.lambda_.packages import TASK_ROOT, Package, digest_of
from lambdasim.lambda_.world import Machine, Names, clock_names
from lambdasim.units import MICROSECONDS, as_datetime

if TYPE_CHECKING:
    from lambdasim.lambda_.function import Function

Handler = Callable[[Any, Any], Any]
Execution = Literal["plain", "interleaved"]

_RESERVED_KEYS: Final = frozenset(
    (
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    )
)
_NOT_CONFIGURED: Final = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided "
)


@frozen(kw_only=True)
class Code:
    """What runs, and for how long (LAM-041, LAM-042)."""

    handler: Handler | str | None = None
    init: Callable[[], Any] | None = None
    execution: Execution = "plain"
    duration: DurationLike | None = None
    failure_rate: float = 0.0
    package: Package | None = None
    architecture: str = "x86_64"

    @property
    def size(self) -> int:
        """Bytes of the package; 0 without one."""
        return 0 if self.package is None else self.package.size

    @property
    def sha256(self) -> str:
        """Of the package in AWS's form; without one, of the name of what runs."""
        if self.package is not None:
            return self.package.sha256
        runs = self.handler if self.init is None else self.init
        if isinstance(runs, str):
            return digest_of(runs.encode())
        return digest_of(f"{getattr(runs, '__module__', '')}.{getattr(runs, '__qualname__', '')}".encode())


@frozen(kw_only=True)
class Configuration:
    """What a function is told beside its code."""

    timeout: int
    memory_size: int
    environment: Mapping[str, str] = field(factory=dict)
    description: str = ""
    dead_letter_target_arn: str | None = None
    log_group: str
    details: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class FunctionConfiguration:
    """A function or one of its versions, as operations answer it."""

    function_name: str
    function_arn: str  #: with the qualifier that was asked for
    version: str  #: `$LATEST`, or a number
    handler: str | None  #: the text it was deployed with; None where it was given as an object
    timeout: int
    memory_size: int
    environment: Mapping[str, str]
    dead_letter_target_arn: str | None
    description: str
    architecture: str
    log_group: str
    last_modified_at_us: int
    revision_id: str
    code_sha256: str  #: of the package, in base64; without one, of the name of what runs
    code_size: int  #: bytes of the package; 0 without one
    details: Mapping[str, Any]  #: what was given to be kept and shown
    state: str = "Active"


class Version:
    """Code and configuration in force, with the environments that run them."""

    __slots__ = (
        "builds",
        "code",
        "configuration",
        "deployed_at_us",
        "duration",
        "environments",
        "failure_rate",
        "function",
        "handler",
        "is_suspendable",
        "memory_size",
        "names",
        "needs_event",
        "number",
        "revision",
        "suspended_duration",
        "timeout",
        "timeout_us",
    )

    def __init__(
        self,
        function: Function,
        number: str,
        code: Code,
        configuration: Configuration,
        environments: Environments,
        revision: str,
    ) -> None:
        self.function = function
        self.number = number
        self.code = code
        self.configuration = configuration
        self.environments = environments
        self.revision = revision
        self.deployed_at_us = function.clock.now_us
        self.timeout = configuration.timeout
        self.timeout_us = configuration.timeout * MICROSECONDS
        self.memory_size = configuration.memory_size
        self.failure_rate = code.failure_rate
        self.builds = code.init is not None or isinstance(code.handler, str)  # whether environments have an init to run
        self.handler: Any = None if self.builds else code.handler
        self.is_suspendable = suspends(self.handler, code.execution)
        self.names: Names = clock_names(self.handler)
        streams, stream = function.clock.streams, f"{function.arn}/duration"
        given = code.duration
        self.duration = DurationModel(DEFAULT_DURATION_S if given is None else given, streams, stream, name="duration")
        self.suspended_duration = DurationModel(0, streams, stream, name="duration") if given is None else self.duration
        self.needs_event = self.builds or self.handler is not None or self.duration.needs_event

    def machine_of(self, environment: Environment) -> Machine:
        """Return what code in this environment sees; made when it is first asked for."""
        if environment.machine is None:
            handler = self.code.handler
            modules = Modules(handler, self.code.package) if isinstance(handler, str) else None
            environment.machine = Machine(self.variables_in(environment), modules, self.function.companion)
        return environment.machine

    def variables_in(self, environment: Environment) -> Mapping[str, str]:
        """Return the environment variables that code in this environment has (LAM-025), read-only."""
        function = self.function
        handler = self.code.handler
        defined = {
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": self.number,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_size),
            "AWS_LAMBDA_LOG_GROUP_NAME": self.configuration.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": log_stream_name(self, environment),
            "AWS_LAMBDA_INITIALIZATION_TYPE": ("provisioned-concurrency" if environment.home.is_kept else "on-demand"),
            "AWS_ACCESS_KEY_ID": "ASIALAMBDASIM0000000",
            "AWS_ACCESS_KEY": "ASIALAMBDASIM0000000",
            "AWS_SECRET_ACCESS_KEY": "lambdasim",
            "AWS_SESSION_TOKEN": "lambdasim",
        }
        if isinstance(handler, str):
            defined["_HANDLER"] = handler
            if self.code.package is not None:
                defined["LAMBDA_TASK_ROOT"] = TASK_ROOT
        return MappingProxyType({**self.configuration.environment, **defined})

    def describe(self, arn: str) -> FunctionConfiguration:
        """Return what operations answer about it, under this ARN."""
        configuration = self.configuration
        return FunctionConfiguration(
            function_name=self.function.name,
            function_arn=arn,
            version=self.number,
            handler=self.code.handler if isinstance(self.code.handler, str) else None,
            timeout=configuration.timeout,
            memory_size=configuration.memory_size,
            environment=MappingProxyType(dict(configuration.environment)),
            dead_letter_target_arn=configuration.dead_letter_target_arn,
            description=configuration.description,
            architecture=self.code.architecture,
            log_group=configuration.log_group,
            last_modified_at_us=self.deployed_at_us,
            revision_id=self.revision,
            code_sha256=self.code.sha256,
            code_size=self.code.size,
            details=MappingProxyType(dict(configuration.details)),
        )


def log_stream_name(version: Version, environment: Environment) -> str:
    """Return the name of the log stream of an environment: it keeps it for life."""
    day = as_datetime(version.function.clock.start_us + environment.made_at_us).strftime("%Y/%m/%d")
    return f"{day}/[{version.number}]{version.function.name}-{environment.id}"


def suspends(handler: object, execution: str) -> bool:
    """Return whether the handler is one that others may run in between of."""
    return is_coroutine_function(handler) or (handler is not None and execution == "interleaved")


def is_coroutine_function(handler: object) -> bool:
    """Return whether calling the handler makes a coroutine."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


def check_code(code: Code) -> None:
    """
    Refuse what cannot be deployed.

    Raises:
        UsageError: No handler at all, two of them, or numbers out of range.
    """
    handler, rate = code.handler, code.failure_rate
    if code.init is not None and handler is not None:
        msg = f"handler={handler!r} and init={code.init!r}: the factory makes the handler; give one of the two"
        raise UsageError(msg)
    if code.init is not None and not callable(code.init):
        msg = f"init={code.init!r} cannot be called; give a factory that returns a handler"
        raise UsageError(msg)
    if handler is not None and not isinstance(handler, str) and not callable(handler):
        msg = f"handler={handler!r} cannot be called; give a function of event and context, its name as text, or None"
        raise UsageError(msg)
    if isinstance(handler, str) and not handler:
        msg = "handler='' names no function; give 'module.function'"
        raise UsageError(msg)
    if code.package is not None and isinstance(handler, str):
        _ = code.package.files  # which refuses what is no package
    if code.architecture not in ("x86_64", "arm64"):
        msg = f"architecture={code.architecture!r}: it is x86_64 or arm64"
        raise UsageError(msg)
    if code.execution not in ("plain", "interleaved"):
        msg = f"execution={code.execution!r}: it is 'plain' or 'interleaved'"
        raise UsageError(msg)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        msg = f"failure_rate={rate!r} is no share; give a number from 0 to 1"
        raise UsageError(msg)
    if rate and (handler is not None or code.init is not None):
        msg = f"failure_rate={rate!r} is for a function without a handler; let the handler raise instead"
        raise UsageError(msg)


def check_package(zip_file: object) -> Package | None:
    """Return a deployment package, if it is one that was uploaded."""
    if zip_file is None:
        return None
    if not isinstance(zip_file, bytes | bytearray):
        msg = f"zip_file={type(zip_file).__name__}: give the bytes of a zip file"
        raise UsageError(msg)
    return Package(bytes(zip_file))


def check_details(details: object) -> dict[str, Any]:
    """Return what is kept and shown of a function; None means nothing."""
    if details is None:
        return {}
    if not isinstance(details, Mapping) or not all(isinstance(name, str) for name in details):
        msg = f"details={details!r} is no mapping; give members of AWS's answers by name, such as {{'Runtime': …}}"
        raise UsageError(msg)
    return dict(details)


def check_range(field: str, value: object, low: int, high: int | None) -> None:
    """Refuse a number out of its range in AWS's words (LAM-022, ESM-030), and what is no whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        msg = f"{field}={value!r} is no whole number"
        raise UsageError(msg)
    bound = f"greater than or equal to {low}" if value < low else ""
    if high is not None and value > high:
        bound = f"less than or equal to {high}"
    if bound:
        msg = (
            f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: Member must have "
            f"value {bound}"
        )
        raise ValidationException(msg)


def check_variables(given: Mapping[str, str] | None, limits: LambdaLimits) -> dict[str, str]:
    """
    Return environment variables, if a function may have them (LAM-024).

    Raises:
        InvalidParameterValueException: A key that is malformed or reserved, or too much of it all.
        UsageError: Not texts.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(text, str) for pair in given.items() for text in pair):
        msg = f"environment={given!r} is no mapping of texts; give names and values, such as {{'STAGE': 'test'}}"
        raise UsageError(msg)
    for key in given:
        if not (len(key) >= 2 and key.isascii() and key[0].isalpha() and key.replace("_", "a").isalnum()):
            if key in _RESERVED_KEYS:
                continue
            msg = (
                f"1 validation error detected: Value '{key}' at 'environment.variables' failed to satisfy constraint: "
                "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: "
                "[a-zA-Z]([a-zA-Z0-9_])+]"
            )
            raise InvalidParameterValueException(msg)
    reserved = [key for key in given if key in _RESERVED_KEYS]
    if reserved:
        msg = (
            f"{_NOT_CONFIGURED}contains reserved keys that are currently not supported for modification. Reserved "
            f"keys used in this request: {', '.join(reserved)}"
        )
        raise InvalidParameterValueException(msg)
    text = json.dumps(dict(given), ensure_ascii=False, separators=(",", ":"))
    if len(text.encode(errors="surrogatepass")) > limits.env_vars_bytes:
        msg = f"{_NOT_CONFIGURED}exceeded the 4KB limit. String measured: {text}"
        raise InvalidParameterValueException(msg)
    return dict(given)
