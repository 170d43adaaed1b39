"""
Policies and tags: configuration that a queue keeps and shows, and that nothing enforces.

A policy is the text that the user or `add_permission` wrote; these functions read the text and write the next one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from reprlib import repr as shown
from typing import Any, Final, Never

from lambdasim.errors import ParamValidationError
from lambdasim.errors.sqs import (
    InvalidAttributeValue,
    InvalidParameterValueException,
    MissingRequiredParameterException,
    OverLimit,
)

ACTIONS_MAX: Final = 7

_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
# To Python, `\w` is every letter and digit of Unicode, and the underscore.
_TAG_KEY: Final = re.compile(r"[\w .:/=+@-]{1,128}")
_TAG_VALUE: Final = re.compile(r"[\w .:/=+@-]{0,256}")


def add_permission(
    policy: str | None, *, queue_arn: str, label: object, aws_account_ids: object, actions: object
) -> str:
    """
    Return the policy with one more statement; what it holds already stays.

    Args:
        policy: JSON text of the policy so far; None if there is none.
        queue_arn: Of the queue; the principals are of its partition.
        label: Of the statement: 1 to 80 characters of `A-Z a-z 0-9 _ -`, not yet taken.
        aws_account_ids: Account ids, as strings.
        actions: Up to 7 names of actions, `*` for all.
    Raises:
        ParamValidationError: Something has the wrong type.
        MissingRequiredParameterException: Something is None or empty.
        InvalidParameterValueException: The label has other characters, or is taken.
        OverLimit: Too many actions.

    Rules: SQS-550, SQS-551.
    """
    label = _required_text(label, "Label")
    account_ids = _required_texts(aws_account_ids, "AWSAccountIds")
    names = _required_texts(actions, "Actions")
    if not _LABEL.fullmatch(label):
        _refuse_label(label, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.")
    if len(names) > ACTIONS_MAX:
        raise OverLimit(f"{len(names)} Actions were found, maximum allowed is {ACTIONS_MAX}.")
    document = {"Version": "2008-10-17", "Id": f"{queue_arn}/SQSDefaultPolicy"} if policy is None else _load(policy)
    statements = _statements(document)
    if any(_is_labelled(statement, label) for statement in statements):
        _refuse_label(label, "Already exists.")
    partition = queue_arn.split(":")[1]
    statement = {
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": _one_or_many([f"arn:{partition}:iam::{account}:root" for account in account_ids])},
        "Action": _one_or_many([f"SQS:{name}" for name in names]),
        "Resource": queue_arn,
    }
    return _dump({**document, "Statement": [*statements, statement]})


def remove_permission(policy: str | None, label: object) -> str | None:
    """
    Return the policy without the statement of this label; None when it was the last one.

    Raises:
        ParamValidationError: The label is no text.
        MissingRequiredParameterException: The label is None or empty.
        InvalidParameterValueException: No statement has this label.

    Rules: SQS-550.
    """
    label = _required_text(label, "Label")
    document = {} if policy is None else _load(policy)
    statements = _statements(document)
    rest = [statement for statement in statements if not _is_labelled(statement, label)]
    if len(rest) == len(statements):
        _refuse_label(label, "can't find label.")
    return _dump({**document, "Statement": rest}) if rest else None


def check_policy(text: object) -> None:
    """
    Refuse a policy that is no JSON object; nothing else about it is checked.

    Raises:
        ParamValidationError: It is no text.
        InvalidAttributeValue: The text is no JSON object.

    Rules: SQS-550, SQS-551.
    """
    if not isinstance(text, str):
        raise ParamValidationError(f"Policy={shown(text)} is no text; a policy is JSON, so json.dumps it")
    _load(text)


def check_tags(tags: object) -> dict[str, str]:
    """
    Return a copy of the tags of a queue, if a queue can have them.

    Args:
        tags: A mapping; keys of 1 to 128 characters, values of up to 256: letters and digits of Unicode, spaces and
            `_ . : / = + - @`. Any number of them: AWS recommends 50 at most.
    Raises:
        ParamValidationError: Something has the wrong type.
        MissingRequiredParameterException: None.
        InvalidParameterValueException: Other characters, another length, or a key that begins with `aws:`.

    Rules: SQS-552.
    """
    if tags is None:
        raise MissingRequiredParameterException("The request must contain the parameter Tags.")
    if not isinstance(tags, Mapping):
        raise ParamValidationError(f"tags={shown(tags)} is no mapping; give {{'key': 'value'}}")
    found: dict[str, str] = {}
    for key, value in tags.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ParamValidationError(
                f"tags has {shown(key)}: {shown(value)}; keys and values of tags are strings, so str(…) them"
            )
        found[key] = value
    for key, value in found.items():
        for text, pattern, what, least, most in (
            (key, _TAG_KEY, "Tag keys", 1, 128),
            (value, _TAG_VALUE, "Tag values", 0, 256),
        ):
            if not pattern.fullmatch(text):
                raise InvalidParameterValueException(
                    f"Value {text} for parameter Tags is invalid. Reason: {what} can only include letters, digits, "
                    f"spaces and _.:/=+-@. {least} to {most} in length."
                )
        if key.lower().startswith("aws:"):
            raise InvalidParameterValueException(
                f"Value {key} for parameter Tags is invalid. Reason: Tag keys that start with aws: are reserved."
            )
    return found


# ---- the document


def _load(policy: str) -> dict[str, Any]:
    try:
        document = json.loads(policy, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise InvalidAttributeValue("Invalid value for the parameter Policy.")
    return document


def _refuse_constant(name: str) -> Never:
    raise ValueError(name)  # NaN and the infinities are Python's, not JSON's


def _dump(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _statements(document: Mapping[str, Any]) -> list[Any]:
    """Return the statements; a policy of one statement may have it without a list around it."""
    found = document.get("Statement", [])
    return found if isinstance(found, list) else [found]


def _is_labelled(statement: object, label: str) -> bool:
    return isinstance(statement, dict) and statement.get("Sid") == label


def _one_or_many(texts: list[str]) -> str | list[str]:
    return texts[0] if len(texts) == 1 else texts


# ---- parameters


def _required_text(value: object, name: str) -> str:
    if value is None or value == "":
        raise MissingRequiredParameterException(f"The request must contain the parameter {name}.")
    if not isinstance(value, str):
        raise ParamValidationError(f"{name}={shown(value)} is no text; give a string")
    return value


def _required_texts(values: object, name: str) -> list[str]:
    if values is None:
        values = ()
    if not isinstance(values, list | tuple):
        raise ParamValidationError(f"{name}={shown(values)} is no list; give a list of strings")
    for value in values:
        if not isinstance(value, str):
            raise ParamValidationError(f"{name} has {shown(value)}, which is no text; give a list of strings")
    if not values:
        raise MissingRequiredParameterException(f"The request must contain the parameter {name}.")
    return list(values)


def _refuse_label(label: str, reason: str) -> Never:
    raise InvalidParameterValueException(f"Value {label} for parameter Label is invalid. Reason: {reason}")
