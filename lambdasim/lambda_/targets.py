"""What a caller can name: a function as it is, one of its versions, or an alias (LAM-021, LAM-026)."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from attrs import field, frozen

from lambdasim.clock.meters import Counter, Ledger, Samples

if TYPE_CHECKING:
    from lambdasim.lambda_.provisioned import Provisioned
    from lambdasim.lambda_.version import Version


class Meters:
    """Invocations of one resource, for metrics by `Resource` (LAM-261)."""

    __slots__ = ("durations", "errors_by_minute", "invocations", "ledger", "throttles")

    def __init__(self, now_us: int) -> None:
        self.invocations = self.throttles = 0
        self.durations = Samples()
        self.errors_by_minute = Counter()
        self.ledger = Ledger(now_us, lambda: (self.invocations, self.throttles))

    def admit(self, now_us: int) -> None:
        """Count an invocation."""
        if now_us >= self.ledger.border_us:
            self.ledger.turn(now_us)
        self.invocations += 1

    def refuse(self, now_us: int) -> None:
        """Count a throttle."""
        if now_us >= self.ledger.border_us:
            self.ledger.turn(now_us)
        self.throttles += 1

    def end(self, admitted_at_us: int, duration_us: int, *, is_error: bool) -> None:
        """Take the end of an invocation down, at the instant of its admission (LAM-262)."""
        self.durations.add(admitted_at_us, duration_us)
        if is_error:
            self.errors_by_minute.add(admitted_at_us)


class Target:
    """A function under one qualifier; what it stands for may change, as an alias does."""

    __slots__ = ("_by_version", "is_alias", "is_gone", "meters", "provisioned", "qualifier", "route", "version")

    def __init__(self, version: Version, qualifier: str | None, *, is_alias: bool = False) -> None:
        self.version = version
        self.qualifier = qualifier
        self.is_alias = is_alias
        self.is_gone = False  #: whether the version, the alias or the whole function is deleted
        self.provisioned: Provisioned | None = None
        self.route: Route | None = None
        self.meters = Meters(version.function.clock.now_us)  #: of {FunctionName, Resource}
        self._by_version: dict[str, Meters] = {}  # of {FunctionName, Resource, ExecutedVersion}

    def beside(self, version: Version) -> Target:
        """Return the same alias as it stands for another version; what is counted is counted once."""
        other = Target(version, self.qualifier, is_alias=True)
        other.meters, other._by_version = self.meters, self._by_version
        return other

    def meters_of(self, version: Version) -> tuple[Meters, ...]:
        """Return the meters that an invocation of this version counts in."""
        if not self.is_alias:
            return (self.meters,)
        found = self._by_version.get(version.number)
        if found is None:
            found = self._by_version[version.number] = Meters(version.function.clock.now_us)
        return self.meters, found

    def meters_by_version(self, number: str) -> Meters | None:
        """Return the meters of an alias for one version; None where there are none."""
        return self._by_version.get(number)


class Route(NamedTuple):
    """A share of the requests to an alias, which another version serves."""

    target: Target
    share: float
    random: Random

    def is_taken(self) -> bool:
        """Return whether the next request goes this way."""
        return self.random.random() < self.share


@frozen(kw_only=True)
class AliasConfiguration:
    """An alias, as operations answer it."""

    alias_arn: str
    name: str
    function_version: str
    description: str = ""
    additional_version_weights: Mapping[str, float] = field(factory=dict)  #: shares of another version, by its number
    revision_id: str
