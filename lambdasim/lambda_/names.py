"""How functions are called: names, partial and full ARNs, qualifiers (LAM-021)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from lambdasim.errors import ParamValidationError
from lambdasim.errors.lambda_ import InvalidParameterValueException, ValidationException

LATEST: Final = "$LATEST"

_is_name: Final = re.compile(r"[a-zA-Z0-9-_]{1,64}").fullmatch
_is_qualifier: Final = re.compile(r"[a-zA-Z0-9$_-]{1,128}").fullmatch
_is_alias: Final = re.compile(r"(?!^[0-9]+$)[a-zA-Z0-9-_]{1,128}").fullmatch
_NAME_MAX: Final = 64
# What a function may be called, in words of AWS: in calls about one that there is, and in the one that makes it.
_REFERENCE_PATTERN: Final = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_NEW_PATTERN: Final = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
)
_ALIAS_PATTERN: Final = "(?!^[0-9]+$)([a-zA-Z0-9-_]+)"
_QUALIFIER_PATTERN: Final = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9$_-]+"
_REFERENCE: Final = re.compile(
    r"(?:arn:(?P<partition>aws[a-zA-Z-]*):lambda:(?P<region>[a-z0-9-]+):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?(?P<name>[a-zA-Z0-9-_]{1,64})(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]{1,128}))?"
)


class Reference(NamedTuple):
    """What a caller named."""

    name: str
    qualifier: str | None
    partition: str | None
    region: str | None
    account_id: str | None


def parse_reference(text: str, *, is_new: bool = False) -> Reference:
    """
    Take a name, partial ARN or ARN apart, with or without a qualifier.

    Args:
        is_new: Whether it is the name of a function that is to be made.
    Raises:
        ValidationException: It is none of these.
    """
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise _refusal(text, _NEW_PATTERN if is_new else _REFERENCE_PATTERN)
    return Reference(found["name"], found["qualifier"], found["partition"], found["region"], found["account"])


def one_qualifier(derived: str | None, given: str | None) -> str | None:
    """
    Return the qualifier of a call that may name it twice: with the function, and by itself.

    Raises:
        InvalidParameterValueException: The two differ.
    """
    if derived is not None and given is not None and derived != given:
        msg = "The derived qualifier from the function name does not match the specified qualifier."
        raise InvalidParameterValueException(msg)
    return given if derived is None else derived


def check_name(name: object) -> str:
    """Return the name of a function, if it is one."""
    if not isinstance(name, str) or not _is_name(name):
        raise _refusal(name, _NEW_PATTERN)
    return name


def _refusal(name: object, pattern: str) -> ValidationException:
    """Return what is said of something that is no name."""
    text = str(name)
    if re.fullmatch(pattern, text) and len(text) > _NAME_MAX:
        constraint = f"have length less than or equal to {_NAME_MAX}"
    else:
        constraint = f"satisfy regular expression pattern: {pattern}"
    return ValidationException(
        f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: Member must "
        f"{constraint}"
    )


def check_alias(name: object) -> str:
    """Return the name of an alias, if it is one."""
    if not isinstance(name, str) or not _is_alias(name):
        msg = (
            f"1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must satisfy "
            f"regular expression pattern: {_ALIAS_PATTERN}"
        )
        raise ValidationException(msg)
    return name


def check_qualifier(qualifier: object) -> str | None:
    """Return a qualifier, if it is one; `$LATEST` for None and for itself is None."""
    if qualifier is None or qualifier == LATEST:
        return None
    if not isinstance(qualifier, str):
        msg = f"qualifier={qualifier!r} is no text; give the number of a version as text, or an alias"
        raise ParamValidationError(msg)
    if not _is_qualifier(qualifier):
        msg = (
            f"1 validation error detected: Value '{qualifier}' at 'qualifier' failed to satisfy constraint: Member "
            f"must satisfy regular expression pattern: {_QUALIFIER_PATTERN}"
        )
        raise ValidationException(msg)
    return qualifier
