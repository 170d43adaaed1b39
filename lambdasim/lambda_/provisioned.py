"""
Provisioned concurrency: environments that are made ahead, for one version or alias (LAM-170 to LAM-180).

A put begins a ramp. Nothing of it may serve before all of it exists, so that two events are enough: all environments
are made, and all are ready. How many are made in between is arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from lambdasim.clock import Priority, Timer
from lambdasim.clock.meters import Counter, Steps
from lambdasim.lambda_ import running
from lambdasim.lambda_.concurrency import RateWindow
from lambdasim.lambda_.environments import Environment, Environments
from lambdasim.lambda_.limits import ProvisioningModel
from lambdasim.units import MICROSECONDS, seconds

if TYPE_CHECKING:
    from lambdasim.lambda_.function import Function
    from lambdasim.lambda_.targets import Target
    from lambdasim.lambda_.version import Version

_COMPLETION: Final = Priority.COMPLETION.value
_INIT_MAX_US: Final = 130 * MICROSECONDS  # or the timeout of the function, if that is longer (LAM-126)
_BILLED_US: Final = 300 * MICROSECONDS  # what was set aside is charged by started five minutes (LAM-302)
IN_PROGRESS: Final = "IN_PROGRESS"
READY: Final = "READY"
FAILED: Final = "FAILED"


@frozen(kw_only=True)
class ProvisionedConcurrencyConfig:
    """Provisioned concurrency of a version or alias, as operations answer it (LAM-170)."""

    function_arn: str  #: with the qualifier
    requested_provisioned_concurrent_executions: int
    allocated_provisioned_concurrent_executions: int
    available_provisioned_concurrent_executions: int
    status: str  #: `IN_PROGRESS`, `READY` or `FAILED`
    status_reason: str | None
    last_modified_at_us: int


class Provisioned:
    """
    Environments of one version or alias that are made ahead.

    Args:
        function: Whose they are.
        target: The version or alias.
        amount: How many.
        model: How fast they come.
    """

    def __init__(self, function: Function, target: Target, amount: int, model: ProvisioningModel) -> None:
        self._function = function
        self._clock = function.clock
        self.target = target
        self._prepare_us = seconds(model.prepare_s, name="prepare_s")
        self._rate_per_s = model.rate_per_s
        self.requested = 0
        self.available = 0  #: how many may serve (LAM-172)
        self.status = IN_PROGRESS
        self.status_reason: str | None = None
        self.put_at_us = self._clock.now_us
        self._ramp_from_us = self._clock.now_us
        self._base = 0  # environments there were when the ramp began
        self._timer: Timer | None = None
        self._made: list[Environment] = []  # not ready yet
        self._inits_end_us: list[int] = []  # when each of them is
        self._rebuilding = 0  # environments that stand for lost ones, and are not ready yet
        self.environments = self._new_environments()
        self.window = RateWindow(function.pool.rates.window_s)
        self.in_flight = 0  #: invocations on them
        self._surplus = 0  # those beyond what is requested: it was lowered meanwhile
        self.provisioned_steps = Steps()  #: of ProvisionedConcurrentExecutions
        self.provisioned_shares = Steps()  #: of ProvisionedConcurrencyUtilization
        self.invocations_by_minute = Counter()
        self.spilled_by_minute = Counter()
        self._billed_mb_us = 0  # of what was requested before
        self._billed_from_us = self._clock.now_us
        self.put(amount)

    def _new_environments(self) -> Environments:
        environments = self._function.new_environments(is_kept=True)
        environments.owner = self
        return environments

    def put(self, amount: int) -> None:
        """Ask for another number of environments (LAM-175); one that is not higher goes on with the ramp under way."""
        now_us = self._clock.now_us
        self._close_bill()
        before, self.requested = self.requested, amount
        self.put_at_us = now_us
        self.status_reason = None
        if amount <= self.available:
            self._stop_ramp()
            self.available = amount
            self.status = READY
            self.environments.trim(amount)
        elif amount <= before and self._made:  # they run their init: some of them are too many
            self.status = IN_PROGRESS
            for environment in self._made[amount - self._base :]:
                self.environments.discard(environment)
            del self._made[amount - self._base :]
            del self._inits_end_us[amount - self._base :]
            self._time_ready()
        else:
            self.status = IN_PROGRESS
            goes_on = self._timer is not None and amount <= before
            self._stop_ramp()
            if not goes_on:
                self._ramp_from_us = now_us
                self._base = self.available
            made_us = max(self._made_at_us(amount - self._base), now_us)
            self._timer = self._clock.timer(made_us, self._on_made, priority=_COMPLETION)
        self._settle_surplus()

    def restart(self, version: Version) -> None:
        """Begin anew: the alias stands for another version from now on."""
        amount = self.requested
        self._close_bill()
        self._stop_ramp()
        self.environments.retire()
        self.environments = self._new_environments()
        self.requested = self.available = 0
        self.target.version = version
        self.put(amount)  # with nothing to go on with: a ramp of its own

    def _made_at_us(self, number: int) -> int:
        """Return when so many environments of the ramp exist."""
        return self._ramp_from_us + self._prepare_us - (-number * MICROSECONDS // self._rate_per_s)

    def end(self) -> None:
        """Remove it: idle environments vanish, busy ones as they finish (LAM-176)."""
        self._stop_ramp()
        self._close_bill()
        self.requested = self.available = 0
        self.environments.retire()
        self._settle_surplus()
        if self.provisioned_shares.value:
            self.provisioned_shares.change(self._clock.now_us, 0)

    def _stop_ramp(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for environment in self._made:
            self.environments.discard(environment)
        self._made = []
        self._inits_end_us = []

    def _on_made(self, _argument: object) -> None:
        """All environments exist: they have run their init, each from its own instant on, or will have soon."""
        function, version = self._function, self.target.version
        self._timer = None
        for number in range(1, self.requested - self._base + 1):
            environment = self.environments.make()
            environment.made_at_us = self._made_at_us(number)
            self._made.append(environment)
            slept_us, error = running.init(version, environment, environment.made_at_us)
            init_us = slept_us + function.draw_init_us()
            function.bill_provisioned(init_us, version)
            self._inits_end_us.append(environment.made_at_us + init_us)
            if error is not None or init_us > max(_INIT_MAX_US, version.timeout_us):
                self._stop_ramp()
                self.status, self.status_reason = FAILED, "FUNCTION_ERROR_INIT_FAILURE"
                if running.leaves(error):
                    raise error
                return
        self._time_ready()

    def _time_ready(self) -> None:
        """Put the end of the ramp where the last init ends."""
        if self._timer is not None:
            self._timer.cancel()
        ready_us = max(*self._inits_end_us, self._clock.now_us)
        self._timer = self._clock.timer(ready_us, self._on_ready, priority=_COMPLETION)

    def _on_ready(self, _argument: object) -> None:
        """They have run it, and may serve."""
        self._timer = None
        made, self._made = self._made, []
        self._inits_end_us = []
        for environment in reversed(made):
            self.environments.give_back(environment)
        self.available = self.requested
        self.status = READY
        self.environments.trim(max(self.requested, self.in_flight + self._rebuilding))

    @property
    def allocated(self) -> int:
        """How many exist by now (LAM-172)."""
        if self.status == READY:
            return self.requested
        if self.status == FAILED:
            return self.available
        since_us = self._clock.now_us - self._ramp_from_us - self._prepare_us
        made = max(0, since_us * self._rate_per_s // MICROSECONDS)
        return min(self.requested, self._base + made)

    def give_back(self, environment: Environment, *, is_destroyed: bool) -> None:
        """Let an environment wait for the next request, unless there are too many, or it is lost (LAM-177)."""
        home = environment.home
        if home is not self.environments:
            home.give_back(environment)
        elif home.alive > self.available + len(self._made):
            home.discard(environment)
        elif is_destroyed:
            home.discard(environment)
            again = home.make()
            slept_us, error = running.init(self.target.version, again, self._clock.now_us)
            init_us = slept_us + self._function.draw_init_us()
            if error is not None:  # its first invocation repeats the init, and hears of it
                again.reset()
            self._function.bill_provisioned(init_us, self.target.version)
            ready_us = self._clock.now_us + init_us
            self._rebuilding += 1
            self._clock.timer(ready_us, self._on_rebuilt, again, priority=_COMPLETION)
            if running.leaves(error):
                raise error
        else:
            home.give_back(environment)

    def _on_rebuilt(self, environment: Environment) -> None:
        self._rebuilding -= 1
        home = environment.home
        if home is self.environments and home.alive > self.available + len(self._made):
            home.discard(environment)
        else:
            home.give_back(environment)

    # ---- numbers

    @property
    def making(self) -> int:
        """Environments that exist and serve nobody yet."""
        return len(self._made) + self._rebuilding

    @property
    def covered(self) -> int:
        """Invocations on them whose units are set aside."""
        return self.in_flight - self._surplus

    def check_invariants(self) -> None:
        """Assert that there are as many environments as were asked for (LAM-177)."""
        alive = self.environments.alive
        wanted = max(self.available, self.in_flight) + len(self._made)
        assert alive <= max(wanted, self.in_flight + self.making + self.environments.idle)
        if self.status == READY and not self.in_flight and not self._rebuilding:
            assert alive == self.available == self.requested, f"{alive} environments alive, {self.requested} asked for"

    def change(self, by: int) -> None:
        """Take a change of what runs on them down."""
        now_us = self._clock.now_us
        self.in_flight += by
        self._function.provisioned_in_flight += by
        self._settle_surplus()
        self.provisioned_steps.change(now_us, self.in_flight)
        if self.available:
            self.provisioned_shares.change(now_us, self.in_flight / self.available)
        elif self.provisioned_shares.value:
            self.provisioned_shares.change(now_us, 0)

    def _settle_surplus(self) -> None:
        """Count what runs beyond what is set aside any more as on-demand: its units belong to others (LAM-265)."""
        surplus = max(0, self.in_flight - self.requested)
        if surplus != self._surplus:
            by, self._surplus = surplus - self._surplus, surplus
            self._function.provisioned_in_flight -= by
            self._function.count_on_demand(by)

    def describe(self, arn: str) -> ProvisionedConcurrencyConfig:
        """Return what operations answer about it, under this ARN."""
        return ProvisionedConcurrencyConfig(
            function_arn=arn,
            requested_provisioned_concurrent_executions=self.requested,
            allocated_provisioned_concurrent_executions=self.allocated,
            available_provisioned_concurrent_executions=self.available,
            status=self.status,
            status_reason=self.status_reason,
            last_modified_at_us=self.put_at_us,
        )

    def _close_bill(self) -> None:
        self._billed_mb_us = self.billed_mb_us
        self._billed_from_us = self._clock.now_us

    @property
    def billed_mb_us(self) -> int:
        """Megabytes times microseconds of what was set aside, by started five minutes (LAM-302)."""
        lasted_us = self._clock.now_us - self._billed_from_us
        rounded_us = -(-lasted_us // _BILLED_US) * _BILLED_US
        return self._billed_mb_us + self.requested * self.target.version.memory_size * rounded_us
