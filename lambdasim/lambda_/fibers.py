"""
Handlers that others run in between of: coroutines, and plain functions on a stack of their own (greenlets).

A `Fiber` runs an unmodified synchronous handler up to a scheduling point (a sleep, a call of a service, an operation on
something remote), lets the simulation go on, and comes back. Never do two run at once: what they see of each other is
decided by the order of events alone. A coroutine handler is driven in the same way through its `await`s.

When its time is over a handler gets `InvocationTimedOut` where it stands; a process that crashes gets an exception of
ours there. What then still runs of it, in a `finally` say, finds every further scheduling point refused.
"""

from __future__ import annotations

import contextvars
import importlib
import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from lambdasim.clock import Kind, Priority, Signal, Timer
from lambdasim.errors import UsageError
from lambdasim.lambda_.context import CoroutineContext, FiberContext, InvocationTimedOut
from lambdasim.lambda_.world import Sleeper, Turn
from lambdasim.units import Duration, seconds

if TYPE_CHECKING:
    from lambdasim.clock import Clock
    from lambdasim.lambda_.invocation import Invocation

T = TypeVar("T")

_COMPLETION: Final = Priority.COMPLETION.value
_TIMEOUT: Final = Priority.TIMEOUT.value
_WORK: Final = Priority.WORK.value
_ONLY_SIMULATED: Final = "only simulated waits can be awaited, such as context.sleep(…) or queue.wait_receive(…)"

_REFUSALS_MAX: Final = 1_000  # exceptions raised in a handler that swallows them

#: takes what a handler returned or raised, and for how long it blocked beside
Finished = Callable[["Invocation", Any, BaseException | None, int], object]


OPERATED: Final = Kind(
    "operation",
    lambda invocation, text, _: (invocation.function.name, {"request_id": invocation.request_id, "text": text}),
    lambda _invocation, _text, messages: messages,
    lambda invocation, text, _: f"{invocation.label}: {text}",
    lambda _invocation, text, _messages: text,
)


class ProcessEnded(BaseException):
    """Raised where a handler stands when its process crashes (`lambda.crash`)."""


def greenlets() -> Any:
    """
    Return the module `greenlet`.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module("greenlet")
    except ImportError as error:
        msg = (
            "execution='interleaved' needs greenlet; install it with: python -m pip install 'lambdasim[handlers]', or "
            "use execution='plain'"
        )
        raise UsageError(msg) from error


def _never_collect(stack: object) -> None:
    """
    Keep the stack of a handler that swallows every exception for good.

    To collect it, be it when the interpreter ends, would run its code once more: so it gets a reference that nobody
    gives back.
    """
    ctypes = importlib.import_module("ctypes")  # late: hardly anybody needs it
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(stack))


class Suspended:
    """
    What coroutine handlers and fibers share: a deadline, a place to go on from, and an end.

    Args:
        invocation: Whose handler it is.
        advance: Goes on with the code, up to where it stops next; raises the error in it, if there is one.
        finished: Takes the end.
    """

    def __init__(
        self, invocation: Invocation, advance: Callable[[BaseException | None], object], finished: Finished
    ) -> None:
        self.invocation = invocation
        self.clock: Clock = invocation.function.clock
        self._advance = advance
        self._finished = finished
        self._timer: Timer | None = None  # when it goes on
        self._signal: Signal[Any] | None = None  # what it waits for
        self._doom: type[BaseException] | None = None  # how it ended, whatever it still does
        self._has_begun = self._has_ended = False
        self._deadline_us = invocation.started_at_us + invocation.deployed.timeout_us
        self._deadline: Timer = self.clock.timer(self._deadline_us, self._on_deadline, priority=_TIMEOUT)
        self._blocked_us = 0
        self._now: Turn | None = None  # the stretch of its code that runs, or ran last

    @property
    def now_us(self) -> int:
        """What its clock shows."""
        return self.clock.now_us + self._blocked_us

    def begin(self, delay_us: int) -> None:
        """Start at once, or when the init is done that is repeated inside the invoke phase (LAM-083)."""
        if delay_us:
            self._resume_at(self.clock.now_us + delay_us)
        else:
            self._go_on(None)

    def _resume_at(self, at_us: int, *, is_wait: bool = False) -> None:
        """
        Go on at this instant, unless the time is over before.

        Who only lets others go before goes on among the new work of the instant (C5), after who sleeps or waits (C3):
        another delivery that begins now does so in between.
        """
        if at_us <= self._deadline_us:
            lets_others_go = not is_wait and at_us == self.clock.now_us < self._deadline_us
            priority = _WORK if lets_others_go else _COMPLETION
            self._timer = self.clock.timer(at_us, self._go_on, priority=priority)

    def _resume_after(self, signal: Signal[Any]) -> None:
        self._signal = signal
        signal.subscribe(self._woken)

    def _woken(self, _signal: object) -> None:
        """What it waits for has happened: it goes on as an event of this instant."""
        if self._signal is not None:
            self._signal = None
            self._resume_at(self.clock.now_us, is_wait=True)

    def _go_on(self, _argument: object) -> None:
        self._timer = None
        if not self._has_begun:
            self._has_begun = True
            if self._crashes("it begins"):
                self._doom = ProcessEnded
                self._end(None, None)
                return
        self._advance(None)

    def _on_deadline(self, _argument: object) -> None:
        self._doom = InvocationTimedOut
        self._give_up_waiting()
        if self._has_begun:
            self._advance(InvocationTimedOut())
        else:
            self._end(None, None)

    @property
    def label(self) -> str:
        """A short name: that of the invocation."""
        return self.invocation.label

    def _crashes(self, before: str = "") -> bool:
        """Ask whether the process ends here (`lambda.crash`)."""
        invocation = self.invocation
        luck = invocation.function.luck
        return luck is not None and luck.may_crash and luck.crashes_here(invocation, invocation.messages, before)

    def _give_up_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._signal is not None:
            signal, self._signal = self._signal, None
            signal.unsubscribe(self._woken)
            if signal.on_abandon is not None:
                signal.on_abandon()

    def _end(self, result: object, error: BaseException | None) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        self._deadline.cancel()
        self._give_up_waiting()
        is_outcome = error is None or isinstance(error, Exception | InvocationTimedOut | ProcessEnded | SystemExit)
        if self._doom is not None and is_outcome:
            error = self._doom()  # whatever it said afterwards, nobody was there to hear it
        self._finished(self.invocation, result, error, self._blocked_us)

    def _turn(self, sleeper: Sleeper) -> Turn:
        invocation = self.invocation
        version = invocation.deployed
        environment = invocation.environment
        names = version.names or environment.names
        machine = version.machine_of(environment)
        self._now = Turn(machine, sleeper, self.clock.start_us, names, invocation._note)
        return self._now


class Fiber(Suspended):
    """
    A plain handler on a stack of its own.

    Args:
        invocation: Whose handler it is.
        handler: Of event and context.
        event: For it.
        finished: Takes the end.
    """

    def __init__(
        self, invocation: Invocation, handler: Callable[[Any, Any], Any], event: object, finished: Finished
    ) -> None:
        super().__init__(invocation, self._switch, finished)
        self._handler = handler
        self._event = event
        self._result: object = None
        self._error: BaseException | None = None
        self._refusals = 0
        self._is_abandoned = False
        self._module = greenlets()
        self._greenlet: Any = self._module.greenlet(self._body)
        self._greenlet.gr_context = contextvars.copy_context()  # context variables are as for a plain handler

    # ---- called by the handler

    def sleep(self, duration: Duration) -> None:
        """Suspend the handler for so many seconds."""
        duration_us = seconds(duration)
        before = f"sleep({duration_us / 1e6:g})" if self.clock.trace.active else ""
        self._pause(duration_us, is_wait=True, before=before)
        self.note(before)

    def point(self, duration_us: int = 0, before: str = "") -> None:
        """Let others run before the handler goes on: a scheduling point, where its process may crash too."""
        self._pause(max(duration_us, self.clock.pace_us), is_wait=False, before=before)

    def note(self, text: str) -> None:
        """Take down what the handler has just done to the world outside."""
        clock = self.clock
        if clock.trace.active:
            clock.trace.add((clock.now_us, OPERATED, self.invocation, text, self.invocation.messages))

    def _pause(self, duration_us: int, *, is_wait: bool, before: str) -> None:
        """Suspend the handler for so long; at its deadline it gets `InvocationTimedOut` instead."""
        self._stop_if_doomed(before)
        luck, invocation = self.invocation.function.luck, self.invocation
        if luck is not None and luck.may_stall:
            stall_us = luck.stall_for_us(invocation, invocation.messages, before)
            if stall_us:
                duration_us, is_wait = duration_us + stall_us, True
            elif stall_us is None:
                duration_us = max(duration_us, self._deadline_us + 1 - self.clock.now_us)
        try:
            self._resume_at(self.clock.now_us + duration_us, is_wait=is_wait)
            self._suspend()
        except BaseException:  # of ours, or what the bottom of a recursion brings: nothing is to come for it any more
            self._give_up_waiting()
            raise

    def wait(self, signal: Signal[T]) -> T:
        """Suspend the handler until something has happened; return its result."""
        self._stop_if_doomed()
        if not signal.is_set:
            try:
                self._resume_after(signal)
                self._suspend()
            except BaseException:
                self._give_up_waiting()
                raise
        return signal.result()

    def _stop_if_doomed(self, before: str = "") -> None:
        if self._doom is None and self._crashes(before):
            self._doom = ProcessEnded
        if self._doom is not None:
            self._refusals += 1
            if self._refusals > _REFUSALS_MAX:  # it swallows them, and would go on for ever: it never runs again
                _never_collect(self._greenlet)
                self._is_abandoned = True
                self._suspend()
            raise self._doom

    def _suspend(self) -> None:
        self._greenlet.parent.switch()

    # ---- called by the simulation

    @property
    def is_here(self) -> bool:
        """Whether who asks runs on the stack of the handler."""
        return self._module.getcurrent() is self._greenlet

    def _switch(self, error: BaseException | None) -> None:
        """Run the handler up to where it stops next."""
        clock, greenlet = self.clock, self._greenlet
        try:
            greenlet.parent = self._module.getcurrent()
        except ValueError as failure:
            msg = (
                f"a handler of {self.invocation.function.name} is suspended in another thread; run the simulation there"
            )
            raise UsageError(msg) from failure
        with self._turn(self):
            before, clock._fiber = clock._fiber, self
            try:
                if error is None:
                    greenlet.switch()
                else:
                    greenlet.throw(error)
            finally:
                clock._fiber = before
        if greenlet.dead or self._is_abandoned:
            self._end(self._result, self._error)

    def _body(self) -> None:
        try:
            self._result = self._handler(self._event, FiberContext(self.invocation, self))
        except BaseException as error:
            self._error = error


class CoroutineRun(Suspended):
    """
    A coroutine handler under way.

    Args:
        invocation: Whose handler it is.
        handler: A coroutine function of event and context.
        event: For it.
        finished: Takes the end.
    """

    def __init__(
        self, invocation: Invocation, handler: Callable[[Any, Any], Any], event: object, finished: Finished
    ) -> None:
        super().__init__(invocation, self._send, finished)
        self._handler = handler
        self._event = event
        self._coroutine: Any = None
        self._refusals = 0

    def sleep(self, duration: float) -> None:
        """Take note of a blocking sleep: the answer comes so much later."""
        self._blocked_us += seconds(duration)
        if self._now is not None:
            self._now.show_time()

    def _send(self, error: BaseException | None) -> None:
        """Run the handler up to its next wait; at its end it is closed where it stands."""
        if error is not None:
            self._close(None)
            return
        if self._coroutine is None:
            wait, end = self._step(self._begin)
        else:
            wait, end = self._step(self._coroutine.send, None)
        clock, refused = self.clock, None
        for _ in range(_REFUSALS_MAX):
            if end is not None or wait is clock.sleep_mark or isinstance(wait, Signal):
                break
            refused = self._refusal(repr(wait))
            wait, end = self._step(self._coroutine.throw, refused)
        if end is not None:
            self._end(*end)
        elif wait is not clock.sleep_mark and not isinstance(wait, Signal):  # it swallows them, and asks again
            self._close(refused)
        else:
            self._wait_for(wait)

    def _begin(self) -> object:
        self._coroutine = self._handler(self._event, CoroutineContext(self.invocation))
        return self._coroutine.send(None)

    def _step(
        self, go: Callable[..., object], *arguments: object
    ) -> tuple[object, tuple[object, BaseException | None] | None]:
        """Run the handler up to its next wait; return that, or its end: what it returned or raised."""
        with self._turn(self):
            try:
                return go(*arguments), None
            except StopIteration as stop:
                return None, (stop.value, None)
            except RuntimeError as failure:
                # asyncio's own awaitables look for its event loop before they suspend.
                is_foreign = "event loop" in str(failure)
                return None, (None, self._refusal("what asyncio offers") if is_foreign else failure)
            except BaseException as failure:
                return None, (None, failure)

    def _wait_for(self, wait: object) -> None:
        asked_us = self.clock.asked_us
        if self._crashes():
            self._doom = ProcessEnded
            self._close(None)
        elif isinstance(wait, Signal):
            self._resume_after(wait)
        else:
            self._resume_at(self.clock.now_us + asked_us, is_wait=True)

    def _refusal(self, wait: str) -> UsageError:
        return UsageError(f"{self.invocation.function.name} awaits {wait}: {_ONLY_SIMULATED}")

    def _close(self, error: BaseException | None) -> None:
        """End the handler where it stands; it may swallow even that, again and again, and nobody hears of it."""
        with self._turn(self):
            for _ in range(_REFUSALS_MAX if self._coroutine is not None else 0):
                with suppress(BaseException):
                    self._coroutine.close()
                if inspect.getcoroutinestate(self._coroutine) == inspect.CORO_CLOSED:
                    break
            else:
                if self._coroutine is not None:
                    _never_collect(self._coroutine)
        self._end(None, error)
