"""
Who may run: the account's concurrency, its reserved parts, their rates, and the pace of new environments.

Admission is a handful of comparisons of integers (LAM-200).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Final

from lambdasim.clock.meters import Steps
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import InvalidParameterValueException
from lambdasim.lambda_.limits import LambdaLimits, RpsModel, ScalingRate
from lambdasim.units import MICROSECONDS

ACCOUNT_CONCURRENCY: Final = "ConcurrentInvocationLimitExceeded"
ACCOUNT_RATE: Final = "FunctionInvocationRateLimitExceeded"
RESERVED_CONCURRENCY: Final = "ReservedFunctionConcurrentInvocationLimitExceeded"
RESERVED_RATE: Final = "ReservedFunctionInvocationRateLimitExceeded"


CALLER_RATE: Final = "CallerRateLimitExceeded"
SERVICE_ERROR: Final = "ServiceException"  #: no reason of a throttle: Lambda itself failed

_RAMP_BEGINS_AT: Final = 10_000  # requests a second (LAM-213)
_RAMP_STEP: Final = 1_000


class RateWindow:
    """Admitted requests of the current second of the simulated clock (LAM-211)."""

    __slots__ = ("_length_us", "count", "end_us", "windows_in_use")

    def __init__(self, length_s: int = 1) -> None:
        self._length_us = length_s * MICROSECONDS
        self.end_us = 0
        self.count = 0
        self.windows_in_use = 0  #: windows in a row before this one in which there were requests

    def turn(self, now_us: int) -> None:
        """Begin the window that now lies in; to be called when now has reached `end_us`."""
        is_next = now_us < self.end_us + self._length_us
        self.windows_in_use = self.windows_in_use + 1 if is_next and self.count else 0
        self.end_us = (now_us // self._length_us + 1) * self._length_us
        self.count = 0


class EnvironmentTokens:
    """Tokens for new environments, kept exactly, in fractions of one that are whole numbers (LAM-231)."""

    __slots__ = ("_at_us", "_left", "_model", "_token")

    def __init__(self, model: ScalingRate, now_us: int) -> None:
        self._model = model
        self._token = model.refill_period_s * MICROSECONDS  # fractions in a token: a refill adds whole ones each µs
        self._left = model.capacity * self._token
        self._at_us = now_us

    def left(self, now_us: int) -> int:
        """Return the whole tokens there are at *now_us*."""
        model = self._model
        full = model.capacity * self._token
        if model.mode == "off":
            return model.capacity
        if model.mode == "bucket":
            self._left = min(full, self._left + (now_us - self._at_us) * model.refill_per_s)
        elif now_us // (model.window_s * MICROSECONDS) != self._at_us // (model.window_s * MICROSECONDS):
            self._left = full
        self._at_us = now_us
        return self._left // self._token

    def take(self, now_us: int) -> bool:
        """Use one token; return whether there was one."""
        if self._model.mode == "off":
            return True
        if not self.left(now_us):
            return False
        self._left -= self._token
        return True


class ConcurrencyPool:
    """
    The concurrency of one account in one Region, shared by its functions.

    Args:
        account_concurrency: Invocations that may be in flight together, 1 or more.
        unreserved_floor: What must stay unreserved.
        rates: The rate quota that comes with every concurrency quota.

    Rules: LAM-011, LAM-150 to LAM-158.
    """

    def __init__(
        self, account_concurrency: int = 1_000, *, unreserved_floor: int = 100, rates: RpsModel | None = None
    ) -> None:
        if isinstance(account_concurrency, bool) or not isinstance(account_concurrency, int) or account_concurrency < 1:
            msg = f"account_concurrency={account_concurrency!r} must be a whole number of 1 or more"
            raise UsageError(msg)
        self.account_concurrency = account_concurrency
        self.unreserved_floor = unreserved_floor
        self.in_flight = 0  #: of all functions
        self.unreserved_in_flight = 0  #: of functions without reserved concurrency
        self._reserved: dict[str, int] = {}
        self._reserved_total = 0
        self._provisioned: dict[str, int] = {}  # by function, of those without a reserve
        self._provisioned_total = 0
        self._tokens: dict[ScalingRate, EnvironmentTokens] = {}  # of rates that hold for the whole account
        self.rates = RpsModel() if rates is None else rates
        self.window = RateWindow(self.rates.window_s)
        self.all_steps = self.unreserved_steps = Steps()
        self._is_joined = False
        self.counts_apart = False  #: whether the account's meters differ from those of a single function
        self._claimed_steps: Steps | None = None  # until something is set aside it is the unreserved part

    @classmethod
    def of(cls, limits: LambdaLimits, rates: RpsModel | None = None) -> ConcurrencyPool:
        """Return the pool that these limits describe."""
        return cls(limits.account_concurrency, unreserved_floor=limits.unreserved_floor, rates=rates)

    @property
    def reserved(self) -> int:
        """Concurrency set aside for functions."""
        return self._reserved_total

    @property
    def unreserved_capacity(self) -> int:
        """What all functions without reserved concurrency share (LAM-150)."""
        return self.account_concurrency - self._reserved_total - self._provisioned_total

    @property
    def provisioned(self) -> int:
        """Provisioned concurrency of functions without a reserve."""
        return self._provisioned_total

    def rate_limit(self, factor: int) -> int:
        """Return how many requests a window admits of functions without a reserve (LAM-200, LAM-213)."""
        limit = factor * self.unreserved_capacity
        if self.rates.linear_ramp:
            limit = min(limit, _RAMP_BEGINS_AT + _RAMP_STEP * self.window.windows_in_use)
        return limit

    def tokens_for(self, model: ScalingRate, now_us: int) -> EnvironmentTokens:
        """Return the tokens that a new function takes: its own, or those of the account (LAM-232, LAM-233)."""
        if model.scope == "function":
            return EnvironmentTokens(model, now_us)
        if model not in self._tokens:
            self._tokens[model] = EnvironmentTokens(model, now_us)
        return self._tokens[model]

    def provision(self, function_name: str, amount: int, now_us: int, *, is_noted: bool = True) -> None:
        """
        Set provisioned concurrency of a function without a reserve aside, in place of what it had (LAM-174).

        Without *is_noted* a change of its reserve follows, and both are one change of what is claimed.
        """
        before = self._provisioned.pop(function_name, 0)
        if amount:
            self._provisioned[function_name] = amount
        if amount != before:
            self._count_claimed_apart()
            self._provisioned_total += amount - before
            if is_noted:
                self._note_claimed(now_us)

    def reserve(self, function_name: str, amount: int, now_us: int, *, in_flight: int = 0) -> None:
        """
        Set concurrency aside for a function, in place of what it had; it becomes its ceiling too (LAM-151).

        *in_flight* invocations of it, counted as unreserved so far, are within the reserve from now on.

        Raises:
            InvalidParameterValueException: Less than the floor would stay unreserved (LAM-152).
        """
        self.check_reserve(function_name, amount)
        self._count_claimed_apart()
        self._reserved_total += amount - self._reserved.get(function_name, 0)
        self._reserved[function_name] = amount
        self.count_unreserved(-in_flight, now_us)

    def check_reserve(self, function_name: str, amount: int) -> None:
        """
        Refuse a reserve that would leave too little for others.

        Raises:
            InvalidParameterValueException: Less than the floor would stay unreserved (LAM-152).
        """
        others = self.reserved - self._reserved.get(function_name, 0)
        others += self.provisioned - self._provisioned.get(function_name, 0)
        if amount and self.account_concurrency - others - amount < self.unreserved_floor:
            msg = (
                "Specified ReservedConcurrentExecutions for function decreases account's "
                f"UnreservedConcurrentExecution below its minimum value of [{self.unreserved_floor}]."
            )
            raise InvalidParameterValueException(msg)

    def release_reserve(self, function_name: str, now_us: int, *, in_flight: int = 0) -> None:
        """Give a function's reserved concurrency back; its invocations in flight are unreserved from now on."""
        self._reserved_total -= self._reserved.pop(function_name, 0)
        self.count_unreserved(in_flight, now_us)

    def join(self) -> Steps:
        """
        Return the concurrency meter of a new function.

        The only function of an account, while nothing is reserved, has the same concurrency as the account: the first
        one therefore gets the account's own meter, until another function or a reserve makes them differ.
        """
        if not self._is_joined:
            self._is_joined = True
            return self.all_steps
        self._count_apart()
        return Steps()

    def _count_apart(self) -> None:
        if not self.counts_apart:
            self.counts_apart = True
            self.unreserved_steps = deepcopy(self.all_steps)
            self.all_steps = deepcopy(self.all_steps)

    def _count_claimed_apart(self) -> None:
        self._count_apart()
        if self._claimed_steps is None:
            self._claimed_steps = deepcopy(self.unreserved_steps)

    def note(self, now_us: int, *, is_unreserved: bool) -> None:
        """Take a change of what is in flight down, where the account's meters are kept apart."""
        self.all_steps.change(now_us, self.in_flight)
        if is_unreserved:
            self.unreserved_steps.change(now_us, self.unreserved_in_flight)
            if self._claimed_steps is not None:
                self._claimed_steps.change(now_us, self.claimed)

    def count_unreserved(self, amount: int, now_us: int) -> None:
        """Count so many more invocations in flight as unreserved: a function gained or lost its reserve."""
        if amount:
            self.unreserved_in_flight += amount
            self.unreserved_steps.change(now_us, self.unreserved_in_flight)
        self._note_claimed(now_us)

    @property
    def claimed(self) -> int:
        """Unreserved invocations in flight and everything that is set aside (LAM-264)."""
        return self.unreserved_in_flight + self.reserved + self.provisioned

    @property
    def claimed_steps(self) -> Steps:
        """The meter of ClaimedAccountConcurrency."""
        return self.unreserved_steps if self._claimed_steps is None else self._claimed_steps

    def _note_claimed(self, now_us: int) -> None:
        if self._claimed_steps is not None:
            self._claimed_steps.change(now_us, self.claimed)
