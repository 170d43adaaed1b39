"""What a mapping makes of an answer: pure decisions (ESM-190 to ESM-194)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import frozen

from lambdasim.errors import UsageError


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


def fifo_failures(records: Sequence[Mapping[str, Any]], first_bad: int | str | Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the answer of a handler that stopped at a record: that one failed, and all after it were not tried.

    A mapping deletes every record that is not named, so that naming the bad one alone breaks the order of its group.

    Args:
        records: Of the event.
        first_bad: The first record that failed: itself, its place in the batch, or its `messageId`.
    Raises:
        UsageError: It is none of the batch.

    >>> fifo_failures([{"messageId": "a"}, {"messageId": "b"}, {"messageId": "c"}], "b")
    {'batchItemFailures': [{'itemIdentifier': 'b'}, {'itemIdentifier': 'c'}]}

    Rules: ESM-214, ESM-215.
    """
    ids = [record["messageId"] for record in records]
    if isinstance(first_bad, int) and not isinstance(first_bad, bool):
        place = first_bad if 0 <= first_bad < len(ids) else -1
    else:
        wanted = first_bad["messageId"] if isinstance(first_bad, Mapping) else first_bad
        place = ids.index(wanted) if wanted in ids else -1
    if place < 0:
        msg = f"first_bad={first_bad!r} is none of the {len(ids)} records; give a record, its place or its messageId"
        raise UsageError(msg)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in ids[place:]]}
