"""A call of Lambda as those who answer it see it: its parameters, and the place where it is asked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    PreconditionFailedException,
    ResourceNotFoundException,
    ValidationException,
)
from lambdasim.lambda_ import Function
from lambdasim.lambda_.names import LATEST, Reference, one_qualifier, parse_reference
from lambdasim.lambda_.registry import LambdaEndpoint
from lambdasim.lambda_.version import check_range
from lambdasim.simulation import Simulation
from lambdasim.units import as_datetime

T = TypeVar("T")

Answer: TypeAlias = dict[str, Any]  # by the names of the service model

LIST_MAX: Final = 50  # what most lists have on a page
_MAX_ITEMS: Final = 10_000
_ONLY_FUNCTIONS: Final = (
    "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please "
    "specify either a function name or an unqualified function ARN."
)


class Named(NamedTuple):
    """What a caller named."""

    function: Function
    qualifier: str | None


class Asked(NamedTuple):
    """One call, and Lambda as its caller sees it."""

    simulation: Simulation
    endpoint: LambdaEndpoint
    region: str
    parameters: Mapping[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a parameter, or the default where it was not given."""
        return self.parameters.get(name, default)

    def named(self, default: str = "", missing: Callable[[str], str] | None = None) -> Named:
        """
        Return the function that `FunctionName` names, and the version or alias that this or `Qualifier` does.

        Args:
            default: The qualifier that the text of an error shows where none was given.
            missing: Makes the text of the error from the ARN, in place of "Function not found".
        Raises:
            ValidationException: No name of a function.
            InvalidParameterValueException: Two qualifiers that differ.
            ResourceNotFoundException: There is no such function here.
        """
        text = self.parameters["FunctionName"]
        reference = parse_reference(text)
        qualifier = one_qualifier(reference.qualifier, self.get("Qualifier"))
        if reference.region not in (None, self.region):
            msg = f"Functions from '{reference.region}' are not reachable in this region ('{self.region}')"
            raise ResourceNotFoundException(msg)
        try:
            function, _ = self.endpoint.find(text)
        except ResourceNotFoundException as error:
            shown = qualifier or default
            arn = self.arn(reference) + (f":{shown}" if shown else "")
            msg = f"Function not found: {arn}" if missing is None else missing(arn)
            raise ResourceNotFoundException(msg) from error
        return Named(function, qualifier)

    def function(self) -> Function:
        """
        Return the function that `FunctionName` names, of which there is no other version to speak of.

        Raises:
            InvalidParameterValueException: A version or an alias is named.
        """
        function, qualifier = self.named()
        if qualifier not in (None, LATEST):
            raise InvalidParameterValueException(_ONLY_FUNCTIONS)
        return function

    def arn(self, reference: Reference) -> str:
        """Return the ARN of what a reference names, without a qualifier; there need be no such function."""
        endpoint = self.endpoint
        account_id = reference.account_id or endpoint._account_id
        return f"arn:{endpoint._partition}:lambda:{self.region}:{account_id}:function:{reference.name}"

    def at(self, at_us: int) -> datetime:
        """Return an instant of the simulation."""
        return as_datetime(self.simulation.clock.start_us + at_us)

    def page(
        self,
        items: Iterable[T],
        key: Callable[[T], str],
        show: Callable[[T], Any],
        member: str,
        *,
        size: int = LIST_MAX,
        most: int = _MAX_ITEMS,
    ) -> Answer:
        """
        Return a page of a list, as `Marker` and `MaxItems` ask for it.

        Args:
            items: All that could be listed, by key.
            key: What an item is found again by; keys ascend.
            show: What the answer has of an item.
            member: Of the answer.
            size: What a page has at most.
            most: What may be asked for.
        Raises:
            ValidationException: Too many items, or none, are asked for.
            InvalidParameterValueException: No marker of a list.
        """
        wanted = self.get("MaxItems", size)
        check_range("maxItems", wanted, 1, most)
        marker = self.get("Marker")
        after = None if marker is None else _read_marker(marker)
        left = [item for item in items if after is None or key(item) > after]
        shown = left[: min(wanted, size)]
        found: Answer = {member: [show(item) for item in shown]}
        if len(shown) < len(left):
            found["NextMarker"] = base64.urlsafe_b64encode(key(shown[-1]).encode()).decode()
        return found


def check_revision(given: str | None, revision: str, operations: str = "GetFunction/GetAlias") -> None:
    """
    Refuse to change what has changed meanwhile.

    Raises:
        PreconditionFailedException: The revision is another one.
    """
    if given is not None and given != revision:
        msg = (
            "The Revision Id provided does not match the latest Revision Id. Call the "
            f"{operations} API to retrieve the latest Revision Id"
        )
        raise PreconditionFailedException(msg)


def check_words(member: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    """
    Refuse words that are none of those that are allowed.

    Raises:
        ValidationException: In AWS's words.
    """
    words, allowed = list(given), list(allowed)
    if any(word not in allowed for word in words):
        msg = (
            f"1 validation error detected: Value '[{', '.join(words)}]' at '{member}' failed to satisfy constraint: "
            f"Member must satisfy constraint: [Member must satisfy enum value set: [{', '.join(allowed)}], "
            "Member must not be null]"
        )
        raise ValidationException(msg)


def check_word(member: str, given: str, allowed: Iterable[str]) -> None:
    """Refuse a word that is none of those that are allowed."""
    allowed = list(allowed)
    if given not in allowed:
        msg = (
            f"1 validation error detected: Value '{given}' at '{member}' failed to satisfy constraint: Member must "
            f"satisfy enum value set: [{', '.join(allowed)}]"
        )
        raise ValidationException(msg)


def check_pattern(member: str, given: str, pattern: str, *, fits: bool) -> None:
    """Refuse a text that is not of its form."""
    if not fits:
        msg = (
            f"1 validation error detected: Value '{given}' at '{member}' failed to satisfy constraint: Member must "
            f"satisfy regular expression pattern: {pattern}"
        )
        raise ValidationException(msg)


def check_length(member: str, given: str, most: int) -> None:
    """Refuse a text that is too long."""
    if len(given) > most:
        msg = (
            f"1 validation error detected: Value '{given}' at '{member}' failed to satisfy constraint: Member must "
            f"have length less than or equal to {most}"
        )
        raise ValidationException(msg)


def _read_marker(marker: str) -> str:
    try:
        return base64.b64decode(marker.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        msg = "Invalid Marker"
        raise InvalidParameterValueException(msg) from error


__all__ = [
    "LIST_MAX",
    "Answer",
    "Asked",
    "Named",
    "check_length",
    "check_pattern",
    "check_revision",
    "check_word",
    "check_words",
]
