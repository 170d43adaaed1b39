"""What calls of Lambda through a client take, and what may become of them on their way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lambdasim.clock import Clock
from lambdasim.clock.choices import Lots
from lambdasim.clock.words import show
from lambdasim.errors import ResponseLostError
from lambdasim.errors.lambda_ import ServiceException, TooManyRequestsException
from lambdasim.lambda_ import LambdaFaults
from lambdasim.lambda_.concurrency import CALLER_RATE
from lambdasim.units import Duration, seconds

T = TypeVar("T")


class Calls:
    """
    The way to Lambda in one Region, and back.

    Args:
        clock: Of the simulation.
        latency: Seconds that a call takes, half of them before its effect.
        faults: What may go wrong; None: nothing.
        owner: Who asks, for choosers.
    """

    __slots__ = ("_clock", "_half_us", "_lots", "_rest_us")

    def __init__(self, clock: Clock, latency: Duration, faults: LambdaFaults | None, owner: str) -> None:
        self._clock = clock
        latency_us = seconds(latency, name="call_latency_s")
        self._half_us, self._rest_us = latency_us // 2, latency_us - latency_us // 2
        faults = LambdaFaults() if faults is None else faults
        weights = {
            "lambda.call_error": faults.call_error,
            "lambda.call_throttled": faults.call_throttled,
            "lambda.call_lost": faults.call_lost,
        }
        self._lots = Lots(clock, owner, weights, "lambda")

    def make(self, act: Callable[[], T], *, is_point: bool, text: str = "") -> T:
        """
        Carry out a call: an interleaved handler is suspended on the way, and a test lets time pass.

        Args:
            act: Has the effect, and returns the answer.
            is_point: Whether others may run before the effect though the call takes no time.
            text: The call in words, for stories.
        Raises:
            ServiceException, TooManyRequestsException: Drawn, before there is an effect.
            ResponseLostError: Drawn, after it.
        """
        fiber = self._clock.fiber
        notes = fiber is not None and (is_point or self._half_us)
        if fiber is not None and notes:
            fiber.point(self._half_us, text)
        else:
            self._let_pass(self._half_us)
        try:
            answer = self._carry_out(act)
        except Exception as error:
            if fiber is not None and notes and text:
                fiber.note(f"{text} raised {show(error)}")
            raise
        else:
            if fiber is not None and notes and text:
                fiber.note(text)
            return answer
        finally:
            if fiber is not None and self._rest_us:
                fiber.point(self._rest_us)
            else:
                self._let_pass(self._rest_us)

    def _carry_out(self, act: Callable[[], T]) -> T:
        if self._lots.ask("lambda.call_error", ("accepted", "refused"), is_call=True):
            msg = "Internal service error (injected)"
            raise ServiceException(msg)
        if self._lots.ask("lambda.call_throttled", ("accepted", "refused"), is_call=True):
            msg = "Rate exceeded"
            raise TooManyRequestsException(msg, reason=CALLER_RATE)
        answer = act()
        if self._lots.ask("lambda.call_lost", ("answered", "lost"), is_call=True):
            msg = "the call had its effect, and its answer was lost (injected)"
            raise ResponseLostError(msg)
        return answer

    def _let_pass(self, duration_us: int) -> None:
        """Let time pass for a test; inside an event it stands still."""
        if duration_us and not self._clock.is_running:
            self._clock.run(until_us=self._clock.now_us + duration_us)


__all__ = ["Calls"]
