"""
How the code of a function runs: its init, its handler in each form, and what becomes of what it returns or raises.

A plain handler runs whole at the instant at which its invoke phase starts, and its answer takes effect at the end
(LAM-041). What suspends itself lives in `fibers`. Here everything ends with one call of `Function._finish`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeGuard

from lambdasim.lambda_.context import Context, InvocationTimedOut
from lambdasim.lambda_.fibers import CoroutineRun, Fiber, ProcessEnded
from lambdasim.lambda_.invocation import Outcome
from lambdasim.lambda_.modules import Modules
from lambdasim.lambda_.version import Version, is_coroutine_function, suspends
from lambdasim.lambda_.world import Turn, clock_names
from lambdasim.units import seconds

if TYPE_CHECKING:
    from lambdasim.lambda_.environments import Environment
    from lambdasim.lambda_.invocation import Invocation


class InitSleeper:
    """What a sleep means while an environment is made ready: the init takes so much longer."""

    __slots__ = ("_began_us", "slept_us", "turn")

    def __init__(self, began_us: int) -> None:
        self._began_us = began_us
        self.slept_us = 0
        self.turn: Turn | None = None

    @property
    def now_us(self) -> int:
        """What the clock shows."""
        return self._began_us + self.slept_us

    def sleep(self, duration: float) -> None:
        """Let so many seconds pass."""
        self.slept_us += seconds(duration)
        if self.turn is not None:
            self.turn.show_time()


def init(version: Version, environment: Environment, at_us: int) -> tuple[int, BaseException | None]:
    """
    Run what an environment does before its first invocation: import the module, or call the factory.

    Returns:
        How long it slept in microseconds, and what it raised, if anything.
    """
    environment.is_ready = True
    if not version.builds:
        return 0, None
    sleeper = InitSleeper(at_us)
    machine = version.machine_of(environment)
    with Turn(machine, sleeper, version.function.clock.start_us) as turn:
        sleeper.turn = turn
        try:
            handler = None
            if version.code.init is not None:
                handler = version.code.init()
                if isinstance(handler, str) and machine.modules is None:
                    machine.modules = Modules(handler)
                    machine.modules.put_in()
            if machine.modules is not None:
                handler = machine.modules.load()
        except BaseException as error:
            return sleeper.slept_us, error
    environment.handler = handler
    environment.names = clock_names(handler)
    return sleeper.slept_us, None


def run(invocation: Invocation, repeated_init_us: int) -> None:
    """Run the handler of an invocation, at the instant at which the invoke phase starts."""
    function, version = invocation.function, invocation.deployed
    environment = invocation.environment
    handler = version.handler
    if version.builds:
        if not environment.is_ready:  # the init is repeated inside the invoke phase (LAM-083, LAM-126)
            slept_us, error = init(version, environment, invocation.started_at_us + repeated_init_us)
            repeated_init_us += slept_us
            if error is not None:
                fail_init(invocation, error, repeated_init_us)
                return
        handler = environment.handler
        if handler is None:
            function._settle(invocation, repeated_init_us)
            return
    if version.is_suspendable or (version.builds and suspends(handler, version.code.execution)):
        _run_suspended(invocation, handler, repeated_init_us)
    else:
        _run_plain(invocation, handler, repeated_init_us)


def _run_plain(invocation: Invocation, handler: Any, slept_us: int) -> None:
    function, version = invocation.function, invocation.deployed
    duration_us = function._draw_duration(invocation, version.duration)  # before the handler can change the event
    crash = None
    if function.luck is not None and function.luck.may_crash:
        crash = function.luck.crash_share(invocation, invocation.messages)
    context = Context(invocation, slept_us)
    result: object = None
    error: BaseException | None = None
    if slept_us > version.timeout_us:
        error = InvocationTimedOut()  # the repeated init alone took longer (LAM-126)
    elif crash != 0:
        machine = version.machine_of(invocation.environment)
        names = version.names or invocation.environment.names
        with Turn(machine, context, function.clock.start_us, names, invocation._note) as turn:
            context._turn = turn
            try:
                result = handler(invocation.event, context)
            except BaseException as raised:
                error = raised
            context._turn = None
    required_us = context.slept_us + duration_us
    if crash is not None and not isinstance(error, InvocationTimedOut) and not leaves(error):
        invocation.outcome = Outcome.EXIT  # its side effects are done, its answer is not (LAM-360)
        function._finish(invocation, slept_us + round((required_us - slept_us) * crash))
        return
    conclude(invocation, result, error, required_us)


def _run_suspended(invocation: Invocation, handler: Any, delay_us: int) -> None:
    function, version = invocation.function, invocation.deployed
    duration_us = function._draw_duration(invocation, version.suspended_duration)

    def finished(_: Invocation, result: object, error: BaseException | None, blocked_us: int) -> None:
        took_us = function.clock.now_us - invocation.started_at_us
        if isinstance(error, ProcessEnded):
            invocation.outcome = Outcome.EXIT
            function._finish(invocation, took_us)
        else:
            conclude(invocation, result, error, took_us + blocked_us + duration_us)

    kind = CoroutineRun if is_coroutine_function(handler) else Fiber
    kind(invocation, handler, invocation.event, finished).begin(delay_us)


def conclude(invocation: Invocation, result: object, error: BaseException | None, required_us: int) -> None:
    """
    Decide how an invocation ends that returned or raised, and put its end on the agenda.

    Raises:
        AssertionError: Raised by the handler: a failed assertion is a failed test, not an outcome that Lambda retries.
        BaseException: `KeyboardInterrupt` and the like; `SystemExit` is an outcome (LAM-081).
    """
    function = invocation.function
    if isinstance(error, InvocationTimedOut):
        required_us = max(required_us, invocation.deployed.timeout_us + 1)
    elif error is None:
        _take_result(invocation, result)
    else:
        invocation.exception = error
        invocation.outcome = Outcome.ERROR if isinstance(error, Exception) else Outcome.EXIT
    function._finish(invocation, required_us)
    if leaves(error):
        raise error


def fail_init(invocation: Invocation, error: BaseException, required_us: int) -> None:
    """End an invocation whose environment could not be made ready: the environment is destroyed (LAM-081)."""
    function = invocation.function
    invocation.exception = error
    invocation.outcome = Outcome.INIT_ERROR
    function._finish(invocation, required_us)
    if leaves(error):
        raise error


def leaves(error: BaseException | None) -> TypeGuard[BaseException]:
    """Return whether an exception is no outcome, and leaves the run."""
    if error is None or isinstance(error, SystemExit | InvocationTimedOut | ProcessEnded):
        return False
    return isinstance(error, AssertionError) or not isinstance(error, Exception)


def _take_result(invocation: Invocation, result: object) -> None:
    if result is None:
        invocation.outcome = Outcome.SUCCESS
        return
    try:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_decimal).encode()
        if len(text) > invocation.function.limits.sync_response_bytes:
            invocation.outcome = Outcome.TOO_LARGE
            return
        invocation.result = json.loads(text)  # what crosses the boundary is JSON: later changes do not show
    except Exception as error:  # whatever its own parts raise when they are looked at
        invocation.outcome, invocation.exception = Outcome.UNSERIALISABLE, error
        return
    invocation.answer = text
    invocation.outcome = Outcome.SUCCESS


def _decimal(value: object) -> float:
    """Return what AWS's runtime makes of decimals."""
    if isinstance(value, Decimal):
        return float(value)
    msg = f"Object of type {type(value).__name__} is not JSON serializable"
    raise TypeError(msg)
