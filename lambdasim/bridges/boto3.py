"""
Real boto3 clients whose calls a simulation answers (extra `boto3`).

`Bridge` answers the requests of one simulation's clients; `client` and `resource` make such that ask nobody else, and
`Patch` lets every client of the process ask.
"""

from __future__ import annotations

import importlib
import inspect
import threading
import time
from collections.abc import Callable
from contextlib import ContextDecorator, aclosing
from functools import cache, partial, wraps
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast

from lambdasim.bridges import diversion
from lambdasim.errors import AwsError, ResponseLostError, UsageError
from lambdasim.lambda_.world import current_sleeper

if TYPE_CHECKING:
    from lambdasim.bridges.records import Call
    from lambdasim.lambda_.world import Machine
    from lambdasim.simulation import Simulation

# Attributes of our errors that are no members of AWS's: the text has one of its own, and where a filter is at fault.
_NOT_MEMBERS: Final = frozenset({"message", "reason", "path", "filter_index"})
_REAL_SLEEP: Final = time.sleep
_REASONED: Final = "TooManyRequestsException"  # the shape that has a reason; elsewhere it is an explanation of ours


class Bridge:
    """
    Answers the requests of botocore's clients for one simulation.

    Args:
        simulation: Who knows the answers.
        is_checked: Assert that each answer is one that the service model knows, for tests.
    """

    is_alone = False

    def __init__(self, simulation: Simulation, *, is_checked: bool = False) -> None:
        self._simulation = simulation
        self.is_checked = is_checked
        self.region = simulation.region
        self._services: dict[str, Any] = {}
        self._request_ids = simulation.clock.identifiers.series("request", "boto3")
        self._thread = threading.get_ident()
        self._turns: list[int] = []  # of the handlers whose code runs: how many had been put in before
        self.threads: Any = None  #: those that have the baton in turn, while that option is on

    def respond(self, request: Any, region: str | None) -> Any:
        """
        Return the answer to a prepared request.

        Args:
            region: Of the client, for requests that do not say it themselves.
        Raises:
            UsageError: The call is one that a simulation cannot answer, such as one from another thread.
        """
        if not self._is_here:
            msg = (
                f"{request.method} {request.url} comes from another thread than that of the simulation: events there "
                "happen one after the other; sim.patch_boto3(threads=True) lets threads call, one at a time"
            )
            raise UsageError(msg)
        if self.threads is not None:
            self.threads.let_others()
        wire = _wire()
        call = wire.parse(request)
        at = self._simulation.datetime
        request_id = self._request_ids.text(self._request_ids.next())
        try:
            result = self._service(call.service).answer(call if call.region else _in_region(call, region))
        except AwsError as error:
            answer = wire.render_error(call, _failure(error), request_id, at=at, check=self.is_checked)
        except ResponseLostError as error:
            timeout = importlib.import_module("botocore.exceptions").ReadTimeoutError
            raise timeout(endpoint_url=request.url, error=error) from error
        else:
            answer = wire.render(call, result, request_id, at=at, check=self.is_checked)
        return _library("lambdasim.bridges.wire").response_of(answer, request.url)

    def sleep(self, duration: float) -> None:
        """Let simulated time pass for whoever calls; in a callback it stands still, and elsewhere it is real."""
        strand = (
            None if self.threads is None else _library("lambdasim.bridges.strands").by_thread.get(threading.get_ident())
        )
        if strand is not None:
            strand.sleep(duration)
        elif current_sleeper() is not None:
            time.sleep(duration)
        elif not self._is_here:
            _REAL_SLEEP(duration)
        elif not self._simulation.clock.is_running:
            self._simulation.run_for(duration)

    def draw(self) -> float:
        """Return a number for the pauses of clients."""
        return self._simulation.random("boto3").random()

    def put_in(self) -> None:
        """Answer the calls of every client: a handler's code begins to run."""
        self._turns.append(diversion.put_in(self, for_handler=True))

    def take_out(self) -> None:
        """Answer no more, and nobody either whom the handler put in and left behind."""
        diversion.take_out(self._turns.pop())

    def forget(self, machine: Machine) -> None:
        """Let the threads of a process end with it."""
        if self.threads is not None:
            self.threads.forget(machine)

    def put_threads_in(self) -> Any:
        """Let threads that are started have the baton in turn, and return what ends that."""
        before = self.threads
        if before is None:
            self.threads = _library("lambdasim.bridges.strands").Threads(self._simulation.clock, self._thread)
        try:
            return before, _library("lambdasim.bridges.locks").Threading(self.threads, self.sleep).__enter__()
        except BaseException:
            self.threads = before
            raise

    def take_threads_out(self, put_in: Any) -> None:
        """Let threads be threads again."""
        before, threading_ = put_in
        try:
            threading_.__exit__(None, None, None)
        finally:
            self.threads = before

    @property
    def _is_here(self) -> bool:
        """Whether who asks runs on a thread of this simulation."""
        return threading.get_ident() == self._thread or (self.threads is not None and self.threads.is_here)

    def _service(self, name: str) -> Any:
        if name not in self._services:
            if name == "sqs":
                self._services[name] = _library("lambdasim.bridges.sqs").SqsService(self._simulation)
            else:
                self._services[name] = _library("lambdasim.bridges.functions").LambdaService(self._simulation)
        return self._services[name]


def _in_region(call: Call, region: str | None) -> Call:
    return _library("attrs").evolve(call, region=region)  # type: ignore[no-any-return]


def _failure(error: AwsError) -> Any:
    members = {name: value for name, value in vars(error).items() if name not in _NOT_MEMBERS and value is not None}
    if error.reason is not None and error.shape == _REASONED:
        members["Reason"] = error.reason
    return _library("lambdasim.bridges.records").Failure(
        error.code, error.shape, error.message, error.http_status, error.sender_fault, members
    )


# ---- clients that ask a simulation, and nobody else


def client(bridge: Bridge, service: str, **options: Any) -> Any:
    """
    Return a boto3 client whose calls a simulation answers.

    Args:
        bridge: Of the simulation.
        service: `sqs` or `lambda`.
        options: As of `boto3.client`: `region_name`, `config` …; None is as good as left out.
    Raises:
        UsageError: Another service, or boto3 is not installed.
    """
    _check_service(service)
    made = _session().client(service, **_given(bridge, options))
    _attach(made, bridge)
    return made


def resource(bridge: Bridge, service: str, **options: Any) -> Any:
    """Return a boto3 resource of the same kind; boto3 has one of `sqs` only."""
    _check_service(service)
    made = _session().resource(service, **_given(bridge, options))
    _attach(made.meta.client, bridge)
    return made


def _check_service(service: str) -> None:
    if service not in diversion.SERVICES:
        msg = f"{service!r}: a simulation answers for 'sqs' and 'lambda'"
        raise UsageError(msg)


def _given(bridge: Bridge, options: dict[str, Any]) -> dict[str, Any]:
    defaults = {
        "region_name": bridge.region,
        "aws_access_key_id": "AKIALAMBDASIM0000000",
        "aws_secret_access_key": "lambdasim",
    }
    given = {name: value for name, value in options.items() if value is not None}
    if getattr(given.get("config"), "region_name", None):
        del defaults["region_name"]  # which would have precedence
    return {**defaults, **given}


def _attach(made: Any, bridge: Bridge) -> None:
    endpoint = made._endpoint
    endpoint.__class__ = _endpoint_class()
    endpoint.bridge = bridge
    get_waiter = made.get_waiter

    def get_attached_waiter(waiter_name: str) -> Any:
        waiter = get_waiter(waiter_name)
        wait = waiter.wait

        def wait_simulated(**given: Any) -> Any:
            return diversion.wait(wait, bridge, **given)

        waiter.wait = wait_simulated
        return waiter

    made.get_waiter = get_attached_waiter


@cache
def _endpoint_class() -> type:
    """Return the class of endpoints that ask their own bridge, whoever else is put in."""
    base = _library("botocore.endpoint").Endpoint

    class SimulatedEndpoint(base):  # type: ignore[misc, valid-type]
        """An endpoint of a client that belongs to a simulation."""

        def _do_get_response(self, request: Any, operation_model: Any, context: Any) -> Any:
            found = diversion.original(base, "_do_get_response")
            diverted = diversion.Diverted(self, self.bridge, context.get("client_region"))
            return found(diverted, request, operation_model, context)

        def _needs_retry(
            self,
            attempts: int,
            operation_model: Any,
            request_dict: Any,
            response: Any = None,
            caught_exception: Any = None,
        ) -> Any:
            found = diversion.original(base, "_needs_retry")
            ask = partial(found, self, attempts, operation_model, request_dict, response, caught_exception)
            return diversion.needs_retry(ask, self.bridge, response)

    return SimulatedEndpoint


# ---- every client of the process


class Patch(ContextDecorator):
    """
    Lets a simulation answer SQS and Lambda for every client of the process: a context manager, and a decorator.

    Args:
        bridge: Of the simulation.
        others: Whether calls to other services go where they would have gone; if not, they are refused.
        sleep: Whether `time.sleep` lets simulated time pass.
        threads: Whether threads that are started have the baton in turn; time has to be simulated for them.
    """

    def __init__(self, bridge: Bridge, *, others: bool = True, sleep: bool = False, threads: bool = False) -> None:
        self._bridge = bridge
        self._others = others
        self._sleep = sleep or threads
        self._threads = threads
        self._entered: list[tuple[int, Any]] = []  # how many were put in before, and what `time.sleep` was
        self._threading: list[Any] = []

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:  # type: ignore[override]
        """
        Return a function during which the simulation answers: a coroutine or a generator until it is over.

        Raises:
            UsageError: A class, of which nobody knows when it begins.
        """
        if isinstance(function, type):
            msg = f"patch_boto3() decorates functions, and {function.__name__} is a class; decorate its methods"
            raise UsageError(msg)
        for is_one, make in _KINDS:
            if is_one(function):
                return wraps(function)(make(self, function))
        return super().__call__(function)

    def __enter__(self) -> Self:
        """Let the simulation answer from now on."""
        if find_spec("botocore") is None:
            _library("botocore")  # which says what is missing; it is found when it comes, else
        if self._threads:
            self._threading.append(self._bridge.put_threads_in())
        before = diversion.put_in(_Alone(self._bridge) if not self._others else self._bridge)
        self._entered.append((before, time.sleep))
        if self._sleep:
            time.sleep = cast("Any", self._bridge.sleep)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let whoever answered before answer again."""
        try:
            if self._threads:
                self._bridge.take_threads_out(self._threading.pop())
        finally:
            before, sleep = self._entered.pop()
            if diversion.take_out(before):
                time.sleep = sleep


def _coroutine_during(patch: Patch, function: Callable[..., Any]) -> Callable[..., Any]:
    async def during(*arguments: Any, **keywords: Any) -> Any:
        with patch:
            return await function(*arguments, **keywords)

    return during


def _generator_during(patch: Patch, function: Callable[..., Any]) -> Callable[..., Any]:
    def during(*arguments: Any, **keywords: Any) -> Any:
        with patch:
            return (yield from function(*arguments, **keywords))

    return during


def _async_generator_during(patch: Patch, function: Callable[..., Any]) -> Callable[..., Any]:
    async def during(*arguments: Any, **keywords: Any) -> Any:
        with patch:
            async with aclosing(function(*arguments, **keywords)) as items:
                async for item in items:
                    yield item

    return during


# Functions whose code runs later than they are called, and what makes one during which a patch is in.
_KINDS: Final = (
    (inspect.iscoroutinefunction, _coroutine_during),
    (inspect.isgeneratorfunction, _generator_during),
    (inspect.isasyncgenfunction, _async_generator_during),
)


class _Alone:
    """A bridge that refuses calls to other services."""

    is_alone = True

    def __init__(self, bridge: Bridge) -> None:
        self.region = bridge.region
        self.respond = bridge.respond
        self.sleep = bridge.sleep
        self.draw = bridge.draw


# ---- libraries


@cache
def _wire() -> Any:
    return _library("lambdasim.bridges.wire").Wire()


@cache
def _session() -> Any:
    return _library("boto3").session.Session()


@cache
def _library(name: str) -> Any:
    """Return a module that is imported when it is needed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] not in {"boto3", "botocore"}:
            raise
        msg = "real clients need boto3, which is not installed: python -m pip install 'lambdasim[boto3]'"
        raise UsageError(msg) from error
