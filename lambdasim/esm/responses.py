"""What a mapping makes of an answer: pure decisions (ESM-190 to ESM-194)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from attrs import frozen


@frozen
class Verdict:
    """What is deleted, and what comes back by its visibility timeout."""

    is_failure: bool  #: nothing is deleted
    failed_ids: frozenset[str] = frozenset()  #: named by a partial answer; all others are deleted


SUCCESS = Verdict(is_failure=False)
FAILURE = Verdict(is_failure=True)


def plan_response(result: Any, message_ids: Collection[str]) -> Verdict:
    """
    Judge what a handler returned to a mapping with `ReportBatchItemFailures`.

    Args:
        result: The answer as JSON values; None for `null`.
        message_ids: Of the batch.

    Rules: ESM-191, ESM-193.

    >>> plan_response({"batchItemFailures": [{"itemIdentifier": "id2"}]}, ["id1", "id2"]).failed_ids
    frozenset({'id2'})
    """
    if result is None or result in ("", []):
        return SUCCESS
    if not isinstance(result, Mapping):
        return FAILURE
    failures = result.get("batchItemFailures")
    if failures is None:
        return SUCCESS
    if not isinstance(failures, list):
        return FAILURE
    named = set()
    for entry in failures:
        identifier = entry.get("itemIdentifier") if isinstance(entry, Mapping) else None
        if not isinstance(identifier, str) or identifier not in message_ids:
            return FAILURE
        named.add(identifier)
    return Verdict(is_failure=False, failed_ids=frozenset(named))
