"""
The resource policies of functions, as clients of boto3 call them.

They are kept and shown, and nobody asks them: there is no access control in a simulation.
"""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar, Final, TypeAlias

from lambdasim.bridges.asking import Answer, Asked, check_pattern, check_revision
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from lambdasim.lambda_ import Function
from lambdasim.lambda_.names import LATEST

_ACCOUNT_DIGITS: Final = 12
_ID_PATTERN: Final = "([a-zA-Z0-9-_]+)"
_ACTION_PATTERN: Final = "(lambda:[*]|lambda:[a-zA-Z]+|[*])"
_SERVICE_HOSTS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".amazon.com")
# Parameters that make a statement hold under a condition: the operator and the key.
_CONDITIONS: Final = {
    "SourceAccount": ("StringEquals", "AWS:SourceAccount"),
    "EventSourceToken": ("StringEquals", "lambda:EventSourceToken"),
    "FunctionUrlAuthType": ("StringEquals", "lambda:FunctionUrlAuthType"),
    "PrincipalOrgID": ("StringEquals", "aws:PrincipalOrgID"),
    "InvokedViaFunctionUrl": ("Bool", "lambda:InvokedViaFunctionUrl"),
    "SourceArn": ("ArnLike", "AWS:SourceArn"),
}


Statements: TypeAlias = dict[str, dict[str, Any]]  # by their ids


class Permissions:
    """Resource policies. A change of one is a new revision of the function, version or alias that has it."""

    OPERATIONS: ClassVar = {
        "AddPermission": (
            "FunctionName StatementId Action Principal SourceArn FunctionUrlAuthType InvokedViaFunctionUrl "
            "SourceAccount EventSourceToken Qualifier RevisionId PrincipalOrgID"
        ),
        "RemovePermission": "FunctionName StatementId Qualifier RevisionId",
        "GetPolicy": "FunctionName Qualifier",
    }

    def __init__(self) -> None:
        self._policies: dict[Function, dict[str | None, Statements]] = {}

    def add_permission(self, asked: Asked) -> Answer:
        """Add a statement."""
        function, qualifier = asked.named()
        if qualifier == LATEST:
            msg = "We currently do not support adding policies for $LATEST."
            raise InvalidParameterValueException(msg)
        resource = function.get_function_configuration(qualifier).function_arn
        _check_statement(asked)
        statements = self._policies.get(function, {}).get(qualifier, {})
        check_revision(asked.get("RevisionId"), function._revision_of(qualifier), "GetPolicy")
        sid = asked.parameters["StatementId"]
        if sid in statements:
            msg = (
                f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the "
                "existing statement."
            )
            raise ResourceConflictException(msg)
        statements[sid] = statement = _statement(asked, resource)
        self._policies.setdefault(function, {})[qualifier] = statements
        function._turn_revision(qualifier)
        return {"Statement": _dumps(statement)}

    def remove_permission(self, asked: Asked) -> Answer:
        """Remove a statement."""
        function, qualifier = asked.named()
        function.target(qualifier)
        statements = self._policies.get(function, {}).get(qualifier)
        if not statements:
            msg = "No policy is associated with the given resource."
            raise ResourceNotFoundException(msg)
        sid = asked.parameters["StatementId"]
        if sid not in statements:
            msg = f"Statement {sid} is not found in resource policy."
            raise ResourceNotFoundException(msg)
        check_revision(asked.get("RevisionId"), function._revision_of(qualifier), "GetPolicy")
        del statements[sid]
        function._turn_revision(qualifier)
        return {}

    def get_policy(self, asked: Asked) -> Answer:
        """Return the policy as a JSON text."""
        function, qualifier = asked.named()
        function.target(qualifier)
        statements = self._policies.get(function, {}).get(qualifier)
        if not statements:
            msg = "The resource you requested does not exist."
            raise ResourceNotFoundException(msg)
        text = _dumps({"Version": "2012-10-17", "Id": "default", "Statement": list(statements.values())})
        return {"Policy": text, "RevisionId": function._revision_of(qualifier)}


def _check_statement(asked: Asked) -> None:
    """Refuse what AWS refuses by its form alone."""
    for name, member, pattern in (("StatementId", "statementId", _ID_PATTERN), ("Action", "action", _ACTION_PATTERN)):
        text = asked.parameters[name]
        check_pattern(member, text, pattern, fits=re.fullmatch(pattern, text) is not None)
    principal = asked.parameters["Principal"]
    is_account = len(principal) == _ACCOUNT_DIGITS and principal.isdecimal()
    if not (is_account or principal == "*" or principal.startswith("arn:") or principal.endswith(_SERVICE_HOSTS)):
        msg = "The provided principal was invalid. Please check the principal and try again."
        raise InvalidParameterValueException(msg)


def _statement(asked: Asked, resource: str) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": asked.parameters["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(asked.parameters["Principal"], resource.split(":")[1]),
        "Action": asked.parameters["Action"],
        "Resource": resource,
    }
    conditions: dict[str, dict[str, Any]] = {}
    for name, (operator, key) in _CONDITIONS.items():
        if name in asked.parameters:
            value = asked.parameters[name]
            conditions.setdefault(operator, {})[key] = str(value).lower() if isinstance(value, bool) else value
    if conditions:
        statement["Condition"] = conditions
    return statement


def _principal(given: str, partition: str) -> str | dict[str, str]:
    if given == "*":
        return given
    if len(given) == _ACCOUNT_DIGITS and given.isdecimal():
        return {"AWS": f"arn:{partition}:iam::{given}:root"}
    return {"AWS" if given.startswith("arn:") else "Service": given}


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


__all__ = ["Permissions"]
