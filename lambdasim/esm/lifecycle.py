"""
The states of a mapping: what an operation makes of one, and when that is complete (ESM-050 to ESM-054).

```text
   Creating ──> Enabled <──> Updating <──> Disabled        Enabled ──> Disabling ──> Disabled ──> Enabling ──> Enabled
                                                           both    ──> Deleting  ──> Deleted
```

What is set takes effect at the end of a transition. Disabling and Deleting stop the slots at once, and end when their
time is over and nothing runs any more, whichever comes last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from lambdasim.clock import Clock, Priority, Timer
from lambdasim.errors.lambda_ import ResourceInUseException
from lambdasim.esm.limits import LifecycleModel
from lambdasim.units import Duration, seconds

BY_USER: Final = "USER_INITIATED"
BY_LAMBDA: Final = "LAMBDA_INITIATED"
_RESULT: Final = Priority.RESULT.value


def plan_update(state: str, enabled: bool | None) -> tuple[str, str]:
    """
    Return the state that an update brings, and the one that follows.

    Args:
        state: `Enabled` or `Disabled`.
        enabled: Whether it is to poll then; None: as it is.

    >>> plan_update("Enabled", None)
    ('Updating', 'Enabled')
    """
    wanted = state if enabled is None else "Enabled" if enabled else "Disabled"
    if wanted == state:
        return "Updating", state
    return ("Enabling", "Enabled") if enabled else ("Disabling", "Disabled")


class Workers(Protocol):
    """What begins and ends with the states: the slots."""

    @property
    def is_drained(self) -> bool:
        """Whether nothing polls, holds or runs any more."""
        ...

    def start(self) -> None:
        """Begin to poll."""
        ...

    def stop(self) -> None:
        """Poll no more; `Lifecycle.on_drained` is to be called when nothing runs any more."""
        ...


class Lifecycle:
    """
    The state of one mapping.

    Args:
        clock: Its clock.
        model: How long transitions take.
        workers: What is started and stopped.
        take_effect: Is called when what is set takes effect.
        enabled: Whether the mapping is made to poll.
    """

    def __init__(
        self, clock: Clock, model: LifecycleModel, workers: Workers, take_effect: Callable[[], None], *, enabled: bool
    ) -> None:
        self._clock = clock
        self._model = model
        self._workers = workers
        self._take_effect = take_effect
        self.state = "Creating" if enabled else "Disabled"
        self.reason = BY_USER  #: who brought it there
        self._transition: Timer | None = None
        self._after_drain: str | None = None  # the state that waits for the workers
        self._drains_until_us = 0
        self._is_settling = False
        if enabled:
            self._later(model.creating_s, self._begin)

    @property
    def is_deleted(self) -> bool:
        """Whether the end is reached."""
        return self.state == "Deleted"

    def refuse_in_transition(self, operation: str) -> None:
        """Refuse an operation while another one is not complete (ESM-034)."""
        if self.state not in {"Enabled", "Disabled"}:
            msg = f"Cannot {operation} the event source mapping because it is in use."
            raise ResourceInUseException(msg)

    def update(self, enabled: bool | None) -> None:
        """Let what is set take effect after a while."""
        self.reason = BY_USER
        on_the_way, then = plan_update(self.state, enabled)
        if on_the_way == "Disabling":
            self._leave(on_the_way, self._model.disabling_s, then)
            return
        self.state = on_the_way
        if on_the_way == "Enabling":
            self._later(self._model.enabling_s, self._begin)
        else:
            self._later(self._model.updating_s, lambda: self._arrive(then))

    def delete(self) -> None:
        """Come to an end."""
        self.reason = BY_USER
        self._leave("Deleting", self._model.deleting_s, "Deleted")

    def on_refusal(self) -> None:
        """Take note that Lambda does not let the mapping go on (ESM-152)."""
        if self.state in {"Enabled", "Updating"}:
            self.reason = BY_LAMBDA
            self._leave("Disabling", 0, "Disabled")

    def on_drained(self) -> None:
        """End a transition that waited for the workers, if its time has come."""
        if (
            self._after_drain is not None
            and self._clock.now_us >= self._drains_until_us
            and self._workers.is_drained
            and not self._is_settling
        ):
            self._is_settling = True
            self._clock.soon(self._settle, None, _RESULT)

    def _later(self, delay: Duration, action: Callable[[], None]) -> None:
        """End a transition after so long, as a C4 event."""
        end_us = self._clock.now_us + seconds(delay)
        self._transition = self._clock.timer(end_us, lambda _: action(), priority=_RESULT)

    def _leave(self, on_the_way: str, delay: Duration, then: str) -> None:
        """Stop polling; the transition ends when the delay is over and nothing runs any more (ESM-050)."""
        self.state = on_the_way
        if self._transition is not None:
            self._transition.cancel()  # Lambda stops a mapping that is `Updating` (ESM-152)
        self._after_drain = then
        self._drains_until_us = self._clock.now_us + seconds(delay)
        self._workers.stop()
        self._clock.schedule(self._drains_until_us, lambda _: self.on_drained(), None, _RESULT)

    def _settle(self, _argument: object) -> None:
        self._is_settling = False
        then, self._after_drain = self._after_drain, None
        if then is not None:
            self._arrive(then)

    def _begin(self) -> None:
        """Poll from now on (S1)."""
        self._arrive("Enabled")
        self._workers.start()

    def _arrive(self, state: str) -> None:
        self.state = state
        if state != "Deleted":
            self._take_effect()
