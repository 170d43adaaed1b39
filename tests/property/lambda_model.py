"""
Admission of AWS Lambda as plain lists that are scanned from end to end, to compare the simulator with.

It is written from the rules of the specification, not from the code: nothing is counted, and nothing happens by itself.
What was admitted is kept for ever, with the instants at which it begins and ends; who is in flight, which environment
is idle and how many tokens are left follows from these instants each time somebody asks. Comments name the rule that a
line stands for.

An operation returns what AWS would answer or raises `RefusedError`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"
LATEST = "$LATEST"

# Small figures, so that limits are met all the time.
ACCOUNT = 16
FLOOR = 2
FACTOR = 2  # requests a second for each unit of concurrency
IDLE_TTL_US = 20 * SECOND_US
LIFETIME_US = 50 * SECOND_US
PREPARE_US = 3 * SECOND_US
RATE_PER_S = 2  # environments that are provisioned in a second
TOKENS_PER_S = 1

RESERVED_RATE = "ReservedFunctionInvocationRateLimitExceeded"
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT_RATE = "FunctionInvocationRateLimitExceeded"
ACCOUNT_FULL = "ConcurrentInvocationLimitExceeded"


class RefusedError(Exception):
    """An error of AWS: its code and its text, and of a throttle the reason."""

    def __init__(self, code: str, text: str, reason: str | None = None) -> None:
        super().__init__(code, text, reason)
        self.code = code
        self.text = text
        self.reason = reason


def bad_parameter(text: str) -> RefusedError:
    return RefusedError("InvalidParameterValueException", text)


def not_found(text: str) -> RefusedError:
    return RefusedError("ResourceNotFoundException", text)


def conflict(text: str) -> RefusedError:
    return RefusedError("ResourceConflictException", text)


@dataclass(eq=False)
class Version:
    """Code and configuration: of `$LATEST` until the next change, or frozen under a number."""

    number: str
    duration_us: int
    description: str


@dataclass(eq=False)
class Environment:
    """An environment on demand; `runs` are those that it served."""

    number: int
    version: Version
    made_us: int
    runs: list[Run] = field(default_factory=list)

    def is_idle(self, now_us: int) -> bool:
        idle_since_us = self.runs[-1].ends_us
        return idle_since_us <= now_us < min(idle_since_us + IDLE_TTL_US, self.made_us + LIFETIME_US)  # LAM-127, 128


@dataclass(eq=False)
class Config:
    """Provisioned concurrency of one qualifier."""

    function: ModelFunction
    qualifier: str
    amount: int
    put_us: int
    ramp_from_us: int
    base: int = 0  # how many were available when the ramp began
    had: int = 0  # how many are available until the ramp is over

    @property
    def ready_us(self) -> int:
        """LAM-172."""
        if self.amount <= self.had:
            return self.put_us
        made_us = -(-(self.amount - self.base) * SECOND_US // RATE_PER_S)
        return max(self.put_us, self.ramp_from_us + PREPARE_US + made_us + self.function.init_us)

    def available(self, now_us: int) -> int:
        return self.amount if now_us >= self.ready_us else self.had

    def allocated(self, now_us: int) -> int:
        if now_us >= self.ready_us:
            return self.amount
        made = max(0, now_us - self.ramp_from_us - PREPARE_US) * RATE_PER_S // SECOND_US
        return min(self.amount, self.base + made)

    def shown(self, now_us: int) -> tuple[Any, ...]:
        """What `GetProvisionedConcurrencyConfig` answers."""
        status = "READY" if now_us >= self.ready_us else "IN_PROGRESS"
        arn = f"{self.function.arn}:{self.qualifier}"
        return arn, self.amount, self.allocated(now_us), self.available(now_us), status, None, self.put_us


@dataclass(eq=False)
class Run:
    """An invocation that was admitted."""

    function: ModelFunction
    version: Version
    qualifier: str | None
    config: Config | None
    is_cold: bool
    is_spilled: bool
    is_unreserved: bool  # on demand, of a function that had no reserve
    admitted_us: int
    started_us: int

    @property
    def ends_us(self) -> int:
        return self.started_us + self.version.duration_us


@dataclass(eq=False)
class ModelFunction:
    """A function; one that is deleted lives on in its runs."""

    name: str
    init_us: int
    capacity: int
    made_us: int
    latest: Version
    reserve: int | None = None
    is_deleted: bool = False
    published: list[Version] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    configs: dict[str, Config] = field(default_factory=dict)
    environments: list[Environment] = field(default_factory=list)
    throttles: list[tuple[int, str | None, Version]] = field(default_factory=list)

    @property
    def arn(self) -> str:
        return ARN + self.name

    @property
    def provisioned(self) -> int:
        return sum(config.amount for config in self.configs.values())

    def version(self, qualifier: str | None) -> Version:
        if qualifier in (None, LATEST):
            return self.latest
        number = self.aliases.get(qualifier, qualifier)
        for version in self.published:
            if version.number == number:
                return version
        raise not_found(f"Function not found: {self.arn}:{qualifier}")

    def tokens(self, now_us: int) -> Fraction:
        """LAM-231."""
        left, at_us = Fraction(self.capacity), self.made_us
        for environment in self.environments:
            left = min(Fraction(self.capacity), left + Fraction(environment.made_us - at_us, SECOND_US) * TOKENS_PER_S)
            left, at_us = left - 1, environment.made_us
        return min(Fraction(self.capacity), left + Fraction(now_us - at_us, SECOND_US) * TOKENS_PER_S)


class Model:
    """The account."""

    def __init__(self) -> None:
        self.now_us = 0
        self.functions: dict[str, ModelFunction] = {}
        self.deleted: list[ModelFunction] = []
        self.runs: list[Run] = []

    # ---- what follows from the instants

    @property
    def reserved(self) -> int:
        return sum(function.reserve or 0 for function in self.functions.values())

    @property
    def provisioned(self) -> int:
        """Of functions without a reserve."""
        return sum(function.provisioned for function in self.functions.values() if function.reserve is None)

    @property
    def unreserved(self) -> int:
        return ACCOUNT - self.reserved - self.provisioned  # LAM-150

    def running(self) -> list[Run]:
        return [run for run in self.runs if run.ends_us > self.now_us]

    def in_flight(self, function: ModelFunction | None = None) -> int:
        return len([run for run in self.running() if function in (None, run.function)])

    def busy(self, config: Config) -> int:
        return len([run for run in self.running() if run.config is config])

    def on_demand(self, function: ModelFunction) -> int:
        """Count what runs beside what is provisioned: also what is busy beyond it since it was lowered or deleted."""
        within = sum(min(self.busy(config), config.amount) for config in function.configs.values())
        return self.in_flight(function) - within

    def unreserved_in_flight(self) -> int:
        """LAM-265; what runs counts where its function belongs now, deleted ones to nobody's reserve."""
        functions = [*self.functions.values(), *self.deleted]
        return sum(self.on_demand(function) for function in functions if function.reserve is None)

    @property
    def claimed(self) -> int:
        return self.unreserved_in_flight() + self.reserved + self.provisioned  # LAM-264

    def this_second(self) -> list[Run]:
        """LAM-211."""
        return [run for run in self.runs if run.admitted_us // SECOND_US == self.now_us // SECOND_US]

    def idle(self, function: ModelFunction, version: Version) -> list[Environment]:
        return [
            environment
            for environment in function.environments
            if environment.version is version and environment.is_idle(self.now_us)
        ]

    def idle_environments(self, function: ModelFunction) -> int:
        """Of both kinds; those of a version that is no longer deployed have ended (LAM-027, LAM-028)."""
        versions = [] if function.is_deleted else [function.latest, *function.published]
        on_demand = sum(len(self.idle(function, version)) for version in versions)
        return on_demand + sum(
            config.available(self.now_us) - self.busy(config) for config in function.configs.values()
        )

    # ---- admission

    def invoke(self, name: str, qualifier: str | None) -> Run:
        """LAM-200."""
        function = self.find(name, qualifier)
        version = function.version(qualifier)
        try:
            run = self.admit(function, version, qualifier)
        except RefusedError:
            function.throttles.append((self.now_us, qualifier, version))
            raise
        self.runs.append(run)
        return run

    def admit(self, function: ModelFunction, version: Version, qualifier: str | None) -> Run:
        def refuse(reason: str) -> RefusedError:
            return RefusedError("TooManyRequestsException", "Rate Exceeded.", reason)

        now_us, reserve, lately = self.now_us, function.reserve, self.this_second()
        of_function = [run for run in lately if run.function is function]
        is_fast = bool(reserve) and len(of_function) >= FACTOR * reserve  # LAM-156: never with a reserve of 0
        config = None if qualifier is None else function.configs.get(qualifier)
        amount = 0 if config is None else config.available(now_us)

        # 1. provisioned lease
        if config is not None and amount:
            if is_fast:
                raise refuse(RESERVED_RATE)
            on_config = [run for run in lately if run.config is config]
            if (
                self.busy(config) < amount
                and len(on_config) < FACTOR * amount
                and (reserve is None or self.in_flight(function) < reserve)
            ):
                return self.run(function, version, qualifier, config=config)

        # 2. rate, 3. concurrency
        if reserve is not None:
            if is_fast:
                raise refuse(RESERVED_RATE)
            ready = sum(other.available(now_us) for other in function.configs.values())
            if self.on_demand(function) >= reserve - ready or self.in_flight(function) >= reserve:
                raise refuse(RESERVED)
        else:
            if len([run for run in lately if run.is_unreserved]) >= FACTOR * self.unreserved:
                raise refuse(ACCOUNT_RATE)
            if self.unreserved_in_flight() >= self.unreserved:
                raise refuse(ACCOUNT_FULL)

        # 4. environment
        is_spilled = amount > 0
        idle = self.idle(function, version)
        if idle:
            environment = min(idle, key=lambda found: (-found.runs[-1].ends_us, found.number))  # LAM-121
            run = self.run(function, version, qualifier, is_spilled=is_spilled)
        elif function.tokens(now_us) >= 1:
            environment = Environment(len(function.environments) + 1, version, now_us)
            function.environments.append(environment)
            run = self.run(function, version, qualifier, is_spilled=is_spilled, is_cold=True)
        else:
            raise refuse(ACCOUNT_FULL)  # LAM-203
        environment.runs.append(run)
        return run

    def run(self, function, version, qualifier, *, config=None, is_spilled=False, is_cold=False) -> Run:
        return Run(
            function=function,
            version=version,
            qualifier=qualifier,
            config=config,
            is_cold=is_cold,
            is_spilled=is_spilled,
            is_unreserved=config is None and function.reserve is None,
            admitted_us=self.now_us,
            started_us=self.now_us + (function.init_us if is_cold else 0),  # LAM-123
        )

    # ---- functions, versions, aliases

    def find(self, name: str, qualifier: str | None = None) -> ModelFunction:
        if name not in self.functions:
            raise not_found(f"Function not found: {ARN}{name}:{qualifier or LATEST}")
        return self.functions[name]

    def create(self, name: str, init_us: int, capacity: int, duration_us: int, reserve: int | None) -> None:
        if name in self.functions:
            raise conflict(f"Function already exist: {name}")  # LAM-023
        latest = Version(LATEST, duration_us, "")
        function = ModelFunction(name, init_us, capacity, self.now_us, latest)
        if reserve is not None:
            self.check_reserve(function, reserve)
        function.reserve = reserve
        self.functions[name] = function

    def update(self, name: str, duration_us: int, description: str) -> None:
        """LAM-027: whatever waits in environments of the version of before is not found again."""
        self.find(name).latest = Version(LATEST, duration_us, description)

    def publish(self, name: str) -> str:
        function = self.find(name)
        latest, published = function.latest, function.published
        if published and (published[-1].duration_us, published[-1].description) == (
            latest.duration_us,
            latest.description,
        ):
            return published[-1].number
        published.append(Version(str(len(published) + 1), latest.duration_us, latest.description))
        return published[-1].number

    def create_alias(self, name: str, alias: str, number: str) -> None:
        function = self.find(name)
        if alias in function.aliases:
            raise conflict(f"Alias already exists: {function.arn}:{alias}")
        if number not in [version.number for version in function.published]:
            raise not_found(f"Function not found: {function.arn}:{number}")
        function.aliases[alias] = number

    def update_alias(self, name: str, alias: str, number: str) -> None:
        function = self.find(name)
        if alias not in function.aliases:
            raise not_found(f"Alias not found: {function.arn}:{alias}")
        if number not in [version.number for version in function.published]:
            raise not_found(f"Function not found: {function.arn}:{number}")
        function.aliases[alias] = number

    def delete_alias(self, name: str, alias: str) -> None:
        function = self.find(name)
        function.aliases.pop(alias, None)
        function.configs.pop(alias, None)

    def delete(self, name: str) -> None:
        """LAM-028."""
        function = self.find(name)
        function.is_deleted, function.reserve = True, None
        function.configs.clear()
        del self.functions[name]
        self.deleted.append(function)

    # ---- reserves

    def check_reserve(self, function: ModelFunction, amount: int) -> None:
        if amount < function.provisioned:  # LAM-153
            raise bad_parameter(
                f" ReservedConcurrentExecutions  {amount} should not be lower than function's total provisioned "
                f"concurrency [{function.provisioned}]."
            )
        others = [other for other in self.functions.values() if other is not function]
        taken = sum(other.provisioned if other.reserve is None else other.reserve for other in others)
        if amount and ACCOUNT - taken - amount < FLOOR:  # LAM-152
            raise bad_parameter(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{FLOOR}]."
            )

    def put_reserve(self, name: str, amount: int) -> None:
        function = self.find(name)
        self.check_reserve(function, amount)
        function.reserve = amount

    def delete_reserve(self, name: str) -> None:
        self.find(name).reserve = None

    # ---- provisioned concurrency

    def check_target(self, function: ModelFunction, qualifier: str, of_latest: str) -> None:
        if qualifier == LATEST:
            raise bad_parameter(of_latest)
        if qualifier.isdigit():
            function.version(qualifier)
        elif qualifier not in function.aliases:
            raise not_found(f"Cannot find alias arn: {function.arn}:{qualifier}")

    def put_config(self, name: str, qualifier: str, amount: int) -> tuple[Any, ...]:
        """LAM-171, LAM-175."""
        function = self.find(name)
        if amount < 1:
            raise RefusedError(
                "ValidationException",
                f"1 validation error detected: Value '{amount}' at 'provisionedConcurrentExecutions' failed to satisfy "
                "constraint: Member must have value greater than or equal to 1",
            )
        self.check_target(
            function, qualifier, "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        )
        config = function.configs.get(qualifier)
        provisioned = [function.aliases.get(other, other) for other in function.configs if other != qualifier]
        if function.aliases.get(qualifier) in provisioned:
            raise conflict(
                "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
            )
        if qualifier in provisioned:
            raise conflict("Version is pointed by a Provisioned Concurrency alias")
        others = function.provisioned - (0 if config is None else config.amount)
        if function.reserve is not None:
            if others + amount > function.reserve:
                raise bad_parameter(
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for "
                    "function"
                )
        elif amount > ACCOUNT - self.reserved:
            raise bad_parameter(
                "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency "
                f"[{ACCOUNT - self.reserved}]."
            )
        elif self.unreserved + (0 if config is None else config.amount) - amount < FLOOR:
            raise bad_parameter(
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
                f"its minimum value of [{FLOOR}]."
            )
        now_us = self.now_us
        if config is None:
            config = function.configs[qualifier] = Config(function, qualifier, amount, now_us, now_us)
        else:
            had, is_ready = config.available(now_us), now_us >= config.ready_us
            if is_ready or amount > config.amount or amount <= had:
                config.ramp_from_us, config.base = now_us, had
            config.amount, config.had, config.put_us = amount, min(had, amount), now_us
        return config.shown(now_us)

    def get_config(self, name: str, qualifier: str) -> tuple[Any, ...]:
        function = self.find(name)
        self.check_target(function, qualifier, NEITHER)
        if qualifier not in function.configs:
            raise RefusedError(
                "ProvisionedConcurrencyConfigNotFoundException",
                "No Provisioned Concurrency Config found for this function",
            )
        return function.configs[qualifier].shown(self.now_us)

    def delete_config(self, name: str, qualifier: str) -> None:
        function = self.find(name)
        self.check_target(function, qualifier, NEITHER)
        function.configs.pop(qualifier, None)  # LAM-176

    # ---- time

    def boundaries_us(self) -> list[int]:
        """Return the instants ahead at which something happens by itself, or a window or a bucket gets room."""
        now_us = self.now_us
        found = {(now_us // SECOND_US + 1) * SECOND_US, (now_us // MINUTE_US + 1) * MINUTE_US}
        for run in self.runs[-40:]:
            found |= {run.started_us, run.ends_us}
        for function in self.functions.values():
            for environment in function.environments[-20:]:
                found |= {environment.runs[-1].ends_us + IDLE_TTL_US, environment.made_us + LIFETIME_US}
            lack = 1 - function.tokens(now_us)
            found.add(now_us + -(-lack * SECOND_US // TOKENS_PER_S))
            for config in function.configs.values():
                found |= {config.ready_us, config.ramp_from_us + PREPARE_US}
        return sorted(at_us for at_us in found if at_us > now_us)


NEITHER = "The function resource provided must be an alias or a published version."
