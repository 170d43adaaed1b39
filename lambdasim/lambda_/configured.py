"""A function as a resource: configuration, versions, aliases, and the concurrency that is set aside for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve, frozen

from lambdasim.clock import Clock
from lambdasim.errors import ParamValidationError, UsageError
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    ProvisionedConcurrencyConfigNotFoundException,
    ResourceConflictException,
    ResourceNotFoundException,
    ValidationException,
)
from lambdasim.lambda_.admission import Admission
from lambdasim.lambda_.concurrency import ConcurrencyPool
from lambdasim.lambda_.destinations import EventInvokeConfig
from lambdasim.lambda_.environments import Environments
from lambdasim.lambda_.faults import LambdaFaults
from lambdasim.lambda_.fibers import greenlets
from lambdasim.lambda_.limits import DurationLike, ProvisioningModel
from lambdasim.lambda_.names import LATEST, check_alias, check_qualifier
from lambdasim.lambda_.provisioned import Provisioned, ProvisionedConcurrencyConfig
from lambdasim.lambda_.targets import AliasConfiguration, Meters, Route, Target
from lambdasim.lambda_.version import (
    Code,
    Configuration,
    Execution,
    FunctionConfiguration,
    Handler,
    Version,
    check_code,
    check_details,
    check_package,
    check_range,
    check_variables,
)
from lambdasim.lambda_.world import warn_about_clock
from lambdasim.settings import Settings


def _nobody_hears(_function: object) -> None:
    """Stand for whoever wants to hear of the end of a function."""


class _NotGiven:
    """What a parameter is that is not there: in updates such a member stays, and None removes it."""

    def __repr__(self) -> str:
        """Show that it is none."""
        return "<not given>"


NOT_GIVEN: Final[Any] = _NotGiven()

_ONLY_FUNCTIONS: Final = (
    "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please "
    "specify either a function name or an unqualified function ARN."
)
_UNPUBLISHED: Final = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."


@frozen
class FunctionConcurrency:
    """Reserved concurrency, None when unset (LAM-155)."""

    reserved_concurrent_executions: int | None


class Configured(Admission):
    """The part of `Function` that is configured."""

    def __init__(
        self,
        name: str,
        arn: str,
        region: str,
        clock: Clock,
        pool: ConcurrencyPool,
        settings: Settings,
        faults: LambdaFaults,
        code: Code,
        configuration: Configuration,
    ) -> None:
        super().__init__(name, arn, region, clock, pool, settings, faults)
        self._provisioning = settings.get(ProvisioningModel)
        self.is_deleted = False
        self._on_close: Callable[[Any], object] = _nobody_hears  # called with the function once it is deleted
        self._event_configs: dict[str, EventInvokeConfig] = {}  # by qualifier
        self._published: tuple[Code, Configuration] | None = None  # `$LATEST` when it was published last
        self._last_number = 0
        self._alias_revisions = clock.identifiers.series("alias revision", arn)
        self._check_execution(code)
        self.latest: Version = self._deploy(LATEST, code, configuration)
        self._versions: dict[str, Version] = {}
        self._aliases: dict[str, AliasConfiguration] = {}
        self._unqualified = Target(self.latest, None)
        self._targets: dict[str, Target] = {}
        self._ever_targets: list[Target] = []  # their meters stay when they are gone

    # ---- what is deployed

    @property
    def handler(self) -> Handler | str | None:
        """What `$LATEST` runs; None also where a factory makes it."""
        return self.latest.code.handler

    @property
    def architecture(self) -> str:
        """Of `$LATEST`: a matter of price."""
        return self.latest.code.architecture

    @property
    def timeout(self) -> int:
        """Of `$LATEST`, in seconds."""
        return self.latest.timeout

    @property
    def timeout_us(self) -> int:
        """Of `$LATEST`, in microseconds."""
        return self.latest.timeout_us

    @property
    def memory_size(self) -> int:
        """Of `$LATEST`, in MB."""
        return self.latest.memory_size

    @property
    def failure_rate(self) -> float:
        """Of `$LATEST`: the share of invocations that fail, for a function without a handler."""
        return self.latest.failure_rate

    @property
    def needs_event(self) -> bool:
        """Whether events of `$LATEST` are looked at."""
        return self.latest.needs_event

    @property
    def description(self) -> str:
        """Of `$LATEST`."""
        return self.latest.configuration.description

    @property
    def log_group(self) -> str:
        """Of `$LATEST`."""
        return self.latest.configuration.log_group

    @property
    def environment_variables(self) -> Mapping[str, str]:
        """Of `$LATEST`, as they were given."""
        return MappingProxyType(dict(self.latest.configuration.environment))

    @property
    def environments(self) -> Environments:
        """The on-demand environments of `$LATEST`."""
        return self.latest.environments

    def target(self, qualifier: str | None = None) -> Target:
        """
        Return what a qualifier stands for (LAM-021).

        Raises:
            ValidationException: It is malformed.
            ResourceNotFoundException: There is no such version or alias, or the function is deleted (LAM-065).
        """
        if qualifier is None and not self.is_deleted:
            return self._unqualified
        check_qualifier(qualifier)
        found = None if self.is_deleted else self._targets.get(str(qualifier))
        if found is not None:
            return found
        version = None
        if not self.is_deleted:
            version = self.latest if qualifier == LATEST else self._versions.get(str(qualifier))
            alias = self._aliases.get(str(qualifier))
            if alias is not None:
                version = self._version(alias.function_version)
        if version is None:
            msg = f"Function not found: {self.arn}:{LATEST if qualifier is None else qualifier}"
            raise ResourceNotFoundException(msg)
        alias = self._aliases.get(str(qualifier))
        target = Target(version, qualifier, is_alias=alias is not None)
        if alias is not None:
            self._route(target, alias.additional_version_weights)
        self._targets[str(qualifier)] = target
        self._ever_targets.append(target)
        return target

    def _version(self, number: str) -> Version:
        if not isinstance(number, str):
            msg = f"function_version={number!r} is no text; give '1' or '$LATEST'"
            raise ParamValidationError(msg)
        if number == LATEST:
            return self.latest
        found = self._versions.get(number)
        if found is None:
            msg = f"Function not found: {self.arn}:{number}"
            raise ResourceNotFoundException(msg)
        return found

    def _guard(self) -> None:
        if self.is_deleted:
            msg = f"Function not found: {self.arn}:{LATEST}"
            raise ResourceNotFoundException(msg)

    def get_function_configuration(self, qualifier: str | None = None) -> FunctionConfiguration:
        """
        Return what a version or alias is configured as.

        Raises:
            ResourceNotFoundException: There is none.
        """
        version = self.target(qualifier).version
        return version.describe(self.arn if qualifier is None else f"{self.arn}:{qualifier}")

    def update_function_configuration(
        self,
        *,
        timeout: int = NOT_GIVEN,
        memory_size: int = NOT_GIVEN,
        environment: Mapping[str, str] | None = NOT_GIVEN,
        dead_letter_target_arn: Any = NOT_GIVEN,
        description: str | None = NOT_GIVEN,
        log_group: str | None = NOT_GIVEN,
        details: Mapping[str, Any] | None = NOT_GIVEN,
        handler: str = NOT_GIVEN,
        duration: DurationLike | None = NOT_GIVEN,
        failure_rate: float = NOT_GIVEN,
    ) -> FunctionConfiguration:
        """
        Change the configuration of `$LATEST`, for requests that are admitted from now on (LAM-027).

        What is not given stays; None removes. Environments of `$LATEST` that are idle end now, busy ones as they
        finish.

        Args:
            timeout, memory_size, environment, dead_letter_target_arn, description, log_group, details: See `Function`.
            handler: Another text, for the code that is deployed.
            duration, failure_rate: Ours: what belongs to the code.
        Raises:
            ValidationException, InvalidParameterValueException: A value that AWS refuses.
        """
        self._guard()
        given = {
            "timeout": timeout,
            "memory_size": memory_size,
            "environment": environment,
            "dead_letter_target_arn": dead_letter_target_arn,
            "description": description,
            "log_group": log_group,
            "details": details,
        }
        changes = {name: value for name, value in given.items() if value is not NOT_GIVEN}
        configuration = self._configure(self.latest.configuration, changes)
        if handler is not NOT_GIVEN and not (isinstance(handler, str) and isinstance(self.latest.code.handler, str)):
            msg = f"handler={handler!r}: a text takes the place of a text; update_function_code() deploys anything else"
            raise UsageError(msg)
        code = self._change_code(handler=handler, duration=duration, failure_rate=failure_rate)
        self._redeploy(code, configuration)
        return self.get_function_configuration()

    def update_function_code(
        self,
        handler: Handler | str | None = NOT_GIVEN,
        *,
        zip_file: bytes | None = NOT_GIVEN,
        architecture: str = NOT_GIVEN,
        init: Callable[[], Any] | None = NOT_GIVEN,
        execution: Execution = NOT_GIVEN,
        duration: DurationLike | None = NOT_GIVEN,
        failure_rate: float = NOT_GIVEN,
    ) -> FunctionConfiguration:
        """
        Deploy other code as `$LATEST`, for requests that are admitted from now on (LAM-027); what is not given stays.

        Args:
            handler, architecture, init, execution, duration, failure_rate: See `Function`; a handler takes the place of
                a factory, and a factory that of a handler, and each that of a package that is not given with it.
            zip_file: A package; its handler is the text there is, unless another one is given.
        Raises:
            InvalidParameterValueException: No package.
        """
        self._guard()
        package = zip_file if zip_file is NOT_GIVEN else check_package(zip_file)
        if package is NOT_GIVEN and not (handler is NOT_GIVEN and init is NOT_GIVEN):
            package = None
        code = self._change_code(
            handler=handler,
            package=package,
            architecture=architecture,
            init=init,
            execution=execution,
            duration=duration,
            failure_rate=failure_rate,
        )
        self._redeploy(code, self.latest.configuration)
        return self.get_function_configuration()

    def _change_code(self, **given: object) -> Code:
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not NOT_GIVEN}
        if "handler" in changes and "init" not in changes:
            changes["init"] = None
        if "init" in changes and "handler" not in changes:
            changes["handler"] = None
        code = evolve(self.latest.code, **changes)
        if code.failure_rate and "failure_rate" not in changes and (code.handler is not None or code.init is not None):
            code = evolve(code, failure_rate=0.0)  # it was that of a function without a handler
        check_code(code)
        return code

    def _configure(self, before: Configuration, changes: Mapping[str, Any]) -> Configuration:
        """Return a configuration with these changes, checked."""
        limits = self.limits
        changes = dict(changes)
        if "timeout" in changes:
            check_range("timeout", changes["timeout"], limits.timeout_min_s, limits.timeout_max_s)
        if "memory_size" in changes:
            check_range("memorySize", changes["memory_size"], limits.memory_min_mb, limits.memory_max_mb)
        if "environment" in changes:
            changes["environment"] = check_variables(changes["environment"], limits)
        if "dead_letter_target_arn" in changes:
            changes["dead_letter_target_arn"] = check_dead_letter_target(changes["dead_letter_target_arn"])
        for name in ("description", "log_group"):
            if changes.get(name) is not None and not isinstance(changes[name], str):
                msg = f"{name}={changes[name]!r} is no text"
                raise UsageError(msg)
        if "details" in changes:
            changes["details"] = check_details(changes["details"])
        if "description" in changes:
            changes["description"] = changes["description"] or ""
        if "log_group" in changes:
            changes["log_group"] = changes["log_group"] or f"/aws/lambda/{self.name}"
        return evolve(before, **changes)

    def _redeploy(self, code: Code, configuration: Configuration) -> None:
        self._check_execution(code)
        before = self.latest
        self.latest = self._unqualified.version = self._deploy(LATEST, code, configuration)
        for target in self._targets.values():
            if target.version is before:  # `$LATEST` by name, or by an alias
                target.version = self.latest
        self._retire(before.environments)

    def _check_execution(self, code: Code) -> None:
        warn_about_clock(code.init if code.handler is None else code.handler)
        if code.execution == "interleaved":
            greenlets()
            self.clock.interleave()

    def _retire(self, environments: Environments) -> None:
        environments.retire()
        self._past = [past for past in self._past if past.busy]
        if environments.busy:
            self._past.append(environments)

    # ---- versions and aliases

    def publish_version(self, description: str = "") -> FunctionConfiguration:
        """
        Freeze code and configuration of `$LATEST` under the next number (LAM-026).

        Where nothing changed since the version published last, that one is returned again.
        """
        self._guard()
        last = self._versions.get(str(self._last_number))
        current = self.latest.code, self.latest.configuration
        if last is None or current != self._published:
            self._last_number += 1
            number = str(self._last_number)
            configuration = self.latest.configuration
            if description:
                configuration = evolve(configuration, description=description)
            last = self._versions[number] = self._deploy(number, self.latest.code, configuration)
            self._published = current
        return last.describe(f"{self.arn}:{last.number}")

    def list_versions_by_function(self) -> tuple[FunctionConfiguration, ...]:
        """Return `$LATEST` and the published versions, by number."""
        self._guard()
        versions = (self.latest, *self._versions.values())
        return tuple(version.describe(f"{self.arn}:{version.number}") for version in versions)

    def create_alias(
        self,
        name: str,
        function_version: str,
        description: str = "",
        *,
        additional_version_weights: Mapping[str, float] | None = None,
    ) -> AliasConfiguration:
        """
        Give a version a name (LAM-026).

        Args:
            name: Of the alias.
            function_version: What it stands for.
            description: Any text.
            additional_version_weights: One more version at most, and its share of the requests, 0 to 1.
        Raises:
            ValidationException: No name for an alias, or no share.
            ResourceNotFoundException: No such version.
            ResourceConflictException: There is one of this name.
            InvalidParameterValueException: A second version that AWS refuses.
        """
        self._guard()
        check_alias(name)
        self._version(function_version)
        weights = self._check_weights(function_version, additional_version_weights)
        if name in self._aliases:
            msg = f"Alias already exists: {self.arn}:{name}"
            raise ResourceConflictException(msg)
        alias = AliasConfiguration(
            alias_arn=f"{self.arn}:{name}",
            name=name,
            function_version=function_version,
            description=description,
            additional_version_weights=weights,
            revision_id=self._new_alias_revision(),
        )
        self._aliases[name] = alias
        self._forget_target(name)
        return alias

    def get_alias(self, name: str) -> AliasConfiguration:
        """
        Return an alias.

        Raises:
            ResourceNotFoundException: There is none of this name.
        """
        self._guard()
        check_alias(name)
        found = self._aliases.get(name)
        if found is None:
            msg = f"Cannot find alias arn: {self.arn}:{name}"
            raise ResourceNotFoundException(msg)
        return found

    def update_alias(
        self,
        name: str,
        *,
        function_version: str = NOT_GIVEN,
        description: str | None = NOT_GIVEN,
        additional_version_weights: Mapping[str, float] | None = NOT_GIVEN,
    ) -> AliasConfiguration:
        """
        Let an alias stand for another version, for requests that are admitted from now on.

        Its provisioned environments are made anew, of the new version.

        Raises:
            ResourceNotFoundException: No such alias or version.
            InvalidParameterValueException: `$LATEST`, while environments are provisioned for the alias.
            ResourceConflictException: Something is provisioned for the other version already.
        """
        alias = self._alias_to_change(name)
        number = alias.function_version if function_version is NOT_GIVEN else function_version
        version, target = self._version(number), self.target(name)
        weights: Mapping[str, float] | None = alias.additional_version_weights
        if additional_version_weights is not NOT_GIVEN:
            weights = additional_version_weights
        weights = self._check_weights(number, weights)
        if function_version is not NOT_GIVEN:
            is_other = target.version is not version
            if is_other and target.provisioned is not None:
                if version is self.latest:
                    raise InvalidParameterValueException(_UNPUBLISHED)
                self._refuse_pointing(version.number, but=name)
            alias = evolve(alias, function_version=function_version)
            if is_other and target.provisioned is not None:
                target.provisioned.restart(version)
            target.version = version
        if description is not NOT_GIVEN:
            alias = evolve(alias, description=description or "")
        alias = evolve(alias, additional_version_weights=weights, revision_id=self._new_alias_revision())
        self._aliases[name] = alias
        self._route(target, weights)
        return alias

    def _alias_to_change(self, name: str) -> AliasConfiguration:
        """Return an alias; AWS has other words than for a look where there is none."""
        self._guard()
        found = self._aliases.get(check_alias(name))
        if found is None:
            msg = f"Alias not found: {self.arn}:{name}"
            raise ResourceNotFoundException(msg)
        return found

    def _revision_of(self, qualifier: str | None) -> str:
        """Return the revision of what a qualifier stands for."""
        target = self.target(qualifier)
        return self._aliases[str(qualifier)].revision_id if target.is_alias else target.version.revision

    def _turn_revision(self, qualifier: str | None) -> None:
        """Give what a qualifier stands for a new revision: something changed that is not kept here."""
        target = self.target(qualifier)
        if target.is_alias:
            alias = self._aliases[str(qualifier)]
            self._aliases[str(qualifier)] = evolve(alias, revision_id=self._new_alias_revision())
        else:
            target.version.revision = self._revisions.text(self._revisions.next())

    def _new_alias_revision(self) -> str:
        return self._alias_revisions.text(self._alias_revisions.next())

    def _check_weights(self, number: str, given: Mapping[str, float] | None) -> Mapping[str, float]:
        """Return what share of an alias goes to another version, if it may."""
        if not given:
            return MappingProxyType({})
        if len(given) > 1:
            msg = "Number of items in AdditionalVersionWeights cannot be greater than 1"
            raise InvalidParameterValueException(msg)
        ((other, share),) = given.items()
        if isinstance(share, bool) or not isinstance(share, int | float):
            msg = f"additional_version_weights={dict(given)!r}: a share is a number from 0 to 1"
            raise UsageError(msg)
        if not 0 <= share <= 1:
            msg = (
                f"1 validation error detected: Value '{{{other}={share}}}' at "
                "'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy "
                "constraint: [Member must have value less than or equal to 1.0, Member must have value greater than "
                "or equal to 0.0, Member must not be null]"
            )
            raise ValidationException(msg)
        if LATEST in (number, other):
            msg = "$LATEST is not supported for an alias pointing to more than 1 version"
            raise InvalidParameterValueException(msg)
        if other == number:
            msg = (
                f"Invalid function version {other}. Function version {other} is already included in routing "
                "configuration."
            )
            raise InvalidParameterValueException(msg)
        self._version(other)
        return MappingProxyType({other: float(share)})

    def _route(self, target: Target, weights: Mapping[str, float]) -> None:
        """Let a share of the requests to an alias go to another version; they draw from a stream of the alias."""
        target.route = None
        for number, share in weights.items():
            random = self.clock.streams[f"{self.arn}:{target.qualifier}/route"]
            target.route = Route(target.beside(self._version(number)), share, random)

    def delete_alias(self, name: str) -> None:
        """Remove an alias, and what is provisioned for it; does nothing when there is none."""
        self._guard()
        check_alias(name)
        if self._aliases.pop(name, None) is not None:
            self._unprovision(name)
            self._forget_target(name)

    def list_aliases(self, function_version: str | None = None) -> tuple[AliasConfiguration, ...]:
        """Return the aliases by name, or those of one version."""
        self._guard()
        aliases = (self._aliases[name] for name in sorted(self._aliases))
        return tuple(
            alias
            for alias in aliases
            if function_version in (None, alias.function_version, *alias.additional_version_weights)
        )

    def delete_function(self, qualifier: str | None = None) -> None:
        """
        Delete the function, or one version; what is in flight runs on to its end (LAM-028).

        A version that there is not is one that is deleted already.

        Raises:
            InvalidParameterValueException: `$LATEST` alone, or an alias.
            ResourceConflictException: An alias stands for the version.
            ResourceNotFoundException: It is gone already.
        """
        self._guard()
        if qualifier is None:
            self._close()
            return
        if qualifier == LATEST:
            msg = "$LATEST version cannot be deleted without deleting the function."
            raise InvalidParameterValueException(msg)
        check_qualifier(qualifier)
        if not qualifier.isdecimal():
            msg = "Deletion of aliases is not currently supported."
            raise InvalidParameterValueException(msg)
        if qualifier not in self._versions:
            return
        pointing = [alias.name for alias in self.list_aliases(qualifier)]
        if pointing:
            msg = f"Unable to delete version because the following aliases reference it: [{', '.join(pointing)}]"
            raise ResourceConflictException(msg)
        self._unprovision(qualifier)
        self._forget_target(qualifier)
        self._retire(self._versions.pop(qualifier).environments)

    def _close(self) -> None:
        for qualifier in tuple(self._provisioned):
            self._unprovision(qualifier)
        self.delete_function_concurrency()
        self.is_deleted = True
        self._unqualified.is_gone = True
        for qualifier in tuple(self._targets):
            self._forget_target(qualifier)
        self._event_configs.clear()
        for version in (self.latest, *self._versions.values()):
            self._retire(version.environments)
        self._on_close(self)

    def _forget_target(self, qualifier: str) -> None:
        self._event_configs.pop(qualifier, None)
        target = self._targets.pop(qualifier, None)
        if target is not None:
            target.is_gone = True

    # ---- reserved concurrency

    def put_function_concurrency(
        self, reserved_concurrent_executions: int, *, qualifier: str | None = None
    ) -> FunctionConcurrency:
        """
        Reserve concurrency: guaranteed to this function, and its ceiling; 0 stops it. Work in flight goes on.

        Args:
            reserved_concurrent_executions: 0 or more.
            qualifier: Refused: reserves are those of functions.
        Raises:
            InvalidParameterValueException: Too little would stay unreserved (LAM-152), the reserve is below what is
                provisioned (LAM-153), or a qualifier.

        Rules: LAM-151 to LAM-154, LAM-156, LAM-157.
        """
        self._guard_reserve(qualifier)
        self._reserve(reserved_concurrent_executions)
        return FunctionConcurrency(self.reserved_concurrent_executions)

    def get_function_concurrency(self, *, qualifier: str | None = None) -> FunctionConcurrency:
        """Return the reserved concurrency (LAM-155)."""
        self._guard_reserve(qualifier)
        return FunctionConcurrency(self.reserved_concurrent_executions)

    def delete_function_concurrency(self, *, qualifier: str | None = None) -> None:
        """Unset the reserved concurrency; does nothing when it is not set (LAM-155)."""
        self._guard_reserve(qualifier)
        if self.reserved_concurrent_executions is not None:
            self.reserved_concurrent_executions = None
            in_flight = self.in_flight - self.provisioned_in_flight
            self._set_provisioned_aside(is_noted=False)
            self.pool.release_reserve(self.name, self.clock.now_us, in_flight=in_flight)

    def _guard_reserve(self, qualifier: str | None) -> None:
        self._guard()
        if qualifier is not None:
            raise InvalidParameterValueException(_ONLY_FUNCTIONS)

    def _reserve(self, amount: int) -> None:
        check_whole("reserved_concurrent_executions", amount, "give 0 or more, or None for no reserve")
        check_range("reservedConcurrentExecutions", amount, 0, None)
        provisioned = sum(config.requested for config in self._provisioned.values())
        if amount < provisioned:
            msg = (
                f" ReservedConcurrentExecutions  {amount} should not be lower than function's total provisioned "
                f"concurrency [{provisioned}]."
            )
            raise InvalidParameterValueException(msg)
        in_flight = self.in_flight - self.provisioned_in_flight
        now_us, had_none = self.clock.now_us, self.reserved_concurrent_executions is None
        self.pool.check_reserve(self.name, amount)
        self.pool.provision(self.name, 0, now_us, is_noted=False)  # it is part of the reserve now
        self.pool.reserve(self.name, amount, now_us, in_flight=in_flight if had_none else 0)
        self.reserved_concurrent_executions = amount

    def _set_provisioned_aside(self, *, is_noted: bool = True) -> None:
        """Let the account know what is provisioned, unless it is part of a reserve (LAM-174)."""
        total = sum(config.requested for config in self._provisioned.values())
        amount = total if self.reserved_concurrent_executions is None else 0
        self.pool.provision(self.name, amount, self.clock.now_us, is_noted=is_noted)

    # ---- provisioned concurrency

    def put_provisioned_concurrency_config(
        self, qualifier: str, provisioned_concurrent_executions: int
    ) -> ProvisionedConcurrencyConfig:
        """
        Have environments made ahead for a version or alias; none serves before all are ready (LAM-172).

        Args:
            qualifier: A published version or an alias.
            provisioned_concurrent_executions: 1 or more.
        Raises:
            ValidationException, InvalidParameterValueException, ResourceNotFoundException, ResourceConflictException:
                As LAM-171 says.

        Rules: LAM-170 to LAM-175.
        """
        self._guard()
        check_whole("provisioned_concurrent_executions", provisioned_concurrent_executions, "give 1 or more")
        check_range("provisionedConcurrentExecutions", provisioned_concurrent_executions, 1, None)
        if check_qualifier(qualifier) is None:
            raise InvalidParameterValueException(_UNPUBLISHED)
        target = self._provisionable(qualifier)
        if target.version is self.latest:
            raise InvalidParameterValueException(_UNPUBLISHED)
        self._refuse_pointing(target.version.number, but=qualifier)
        self._check_room(qualifier, provisioned_concurrent_executions)
        config = self._provisioned.get(qualifier)
        if config is not None:
            config.put(provisioned_concurrent_executions)
        else:
            config = Provisioned(self, target, provisioned_concurrent_executions, self._provisioning)  # type: ignore[arg-type]
            self._provisioned[qualifier] = target.provisioned = config
            self.ever_provisioned.append(config)
        self._set_provisioned_aside()
        return evolve(
            config.describe(f"{self.arn}:{qualifier}"),
            allocated_provisioned_concurrent_executions=0,
            available_provisioned_concurrent_executions=0,
            status="IN_PROGRESS",
        )

    def get_provisioned_concurrency_config(self, qualifier: str) -> ProvisionedConcurrencyConfig:
        """
        Return what is provisioned for a version or alias, and how far it is.

        Raises:
            ProvisionedConcurrencyConfigNotFoundException: Nothing.
        """
        self._check_provisionable(qualifier)
        config = self._provisioned.get(qualifier)
        if config is None:
            msg = "No Provisioned Concurrency Config found for this function"
            raise ProvisionedConcurrencyConfigNotFoundException(msg)
        return config.describe(f"{self.arn}:{qualifier}")

    def delete_provisioned_concurrency_config(self, qualifier: str) -> None:
        """Let provisioned environments go, busy ones as they finish; does nothing without any (LAM-176)."""
        self._check_provisionable(qualifier)
        self._unprovision(qualifier)

    def list_provisioned_concurrency_configs(self) -> tuple[ProvisionedConcurrencyConfig, ...]:
        """Return what is provisioned, by qualifier."""
        self._guard()
        return tuple(
            self._provisioned[qualifier].describe(f"{self.arn}:{qualifier}") for qualifier in sorted(self._provisioned)
        )

    def _check_provisionable(self, qualifier: str) -> None:
        self._guard()
        if check_qualifier(qualifier) is None:
            msg = "The function resource provided must be an alias or a published version."
            raise InvalidParameterValueException(msg)
        self._provisionable(qualifier)

    def _provisionable(self, qualifier: str) -> Target:
        if not qualifier.isdecimal() and qualifier not in self._aliases:
            msg = f"Cannot find alias arn: {self.arn}:{qualifier}"
            raise ResourceNotFoundException(msg)
        return self.target(qualifier)

    def _refuse_pointing(self, number: str, *, but: str) -> None:
        """Refuse a second configuration for one version (LAM-171)."""
        if but in self._aliases and number in self._provisioned:
            msg = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
            raise ResourceConflictException(msg)
        for qualifier, config in self._provisioned.items():
            if qualifier not in (but, number) and config.target.version.number == number:
                if but in self._aliases:
                    msg = (
                        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned "
                        "version"
                    )
                else:
                    msg = "Version is pointed by a Provisioned Concurrency alias"
                raise ResourceConflictException(msg)

    def _check_room(self, qualifier: str, amount: int) -> None:
        """Refuse more than the reserve, or the account, has left (LAM-171)."""
        others = sum(config.requested for other, config in self._provisioned.items() if other != qualifier)
        reserved, pool = self.reserved_concurrent_executions, self.pool
        if reserved is not None:
            if others + amount > reserved:
                msg = (
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for "
                    "function"
                )
                raise InvalidParameterValueException(msg)
            return
        unreserved = pool.account_concurrency - pool.reserved
        if amount > unreserved:
            msg = (
                "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency "
                f"[{unreserved}]."
            )
            raise InvalidParameterValueException(msg)
        had = self._provisioned[qualifier].requested if qualifier in self._provisioned else 0
        if pool.unreserved_capacity + had - amount < pool.unreserved_floor:
            msg = (
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
                f"its minimum value of [{pool.unreserved_floor}]."
            )
            raise InvalidParameterValueException(msg)

    def _unprovision(self, qualifier: str) -> None:
        config = self._provisioned.pop(qualifier, None)
        if config is not None:
            config.end()
            config.target.provisioned = None
            self._set_provisioned_aside()

    def meters_for(self, qualifier: str, version: str | None) -> Iterator[Meters]:
        """Yield what was counted of a version or alias, of one executed version if that is asked for."""
        for target in self._ever_targets:
            if target.qualifier == qualifier:
                found = target.meters if version is None else target.meters_by_version(version)
                if found is not None:
                    yield found

    def qualified_meters(self) -> list[Meters]:
        """Return what was counted of all versions and aliases."""
        return [target.meters for target in self._ever_targets]

    def provisioned_mb_ms(self) -> int:
        """Return megabytes times milliseconds of what was set aside, by started five minutes (LAM-302)."""
        return sum(config.billed_mb_us for config in self.ever_provisioned) // 1000


def check_whole(name: str, value: object, advice: str) -> None:
    """Refuse what is no whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        msg = f"{name}={value!r} is no whole number; {advice}"
        raise UsageError(msg)


def check_dead_letter_target(arn: object) -> str | None:
    """Return the ARN of a dead-letter target, None for the empty text (ASY-097)."""
    arn = getattr(arn, "arn", arn)
    if arn is None or arn == "":
        return None
    if isinstance(arn, str):
        parts = arn.split(":")
        if len(parts) == 6 and parts[0] == "arn" and parts[2] in ("sqs", "sns"):
            return arn
    msg = (
        f"1 validation error detected: Value '{arn}' at 'deadLetterConfig.targetArn' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()"
    )
    raise ValidationException(msg)
