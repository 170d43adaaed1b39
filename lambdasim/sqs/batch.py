"""Batches: the checks of the whole request, and what an entry that failed looks like (SQS-180 to SQS-189)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from lambdasim.errors import ParamValidationError, SqsError, UsageError
from lambdasim.errors.sqs import (
    BatchEntryIdsNotDistinct,
    EmptyBatchRequest,
    InvalidBatchEntryId,
    TooManyEntriesInBatchRequest,
)
from lambdasim.sqs.limits import BATCH_MAX
from lambdasim.sqs.results import BatchResultErrorEntry

Entry = Mapping[str, Any]

_ID_CHARS_MAX: Final = 80
_is_id: Final = re.compile(r"[A-Za-z0-9_-]{1,80}").fullmatch
_are_ids: Final = re.compile(r"[A-Za-z0-9_-]+").fullmatch
_PLAIN_TYPES: Final = {dict}

SEND_MEMBERS: Final = frozenset(
    (
        "id",
        "message_body",
        "delay_seconds",
        "message_attributes",
        "message_system_attributes",
        "message_deduplication_id",
        "message_group_id",
    )
)
DELETE_MEMBERS: Final = frozenset(("id", "receipt_handle"))
VISIBILITY_MEMBERS: Final = frozenset(("id", "receipt_handle", "visibility_timeout"))


def check_entries(
    given: Iterable[Entry], shape: str, members: frozenset[str], *checks: tuple[str, Callable[[object, str], object]]
) -> Sequence[Entry]:
    """
    Return the entries of a batch, in order.

    Args:
        given: Mappings with `id` and the parameters of the single operation.
        shape: AWS's name for an entry.
        members: What an entry may have.
        checks: What refuses members of a wrong type, by the name of the member: a client does so before it calls.
    Raises:
        EmptyBatchRequest, TooManyEntriesInBatchRequest, InvalidBatchEntryId, BatchEntryIdsNotDistinct: As SQS-181 says.
        UsageError: An entry is no mapping, or has a member that the operation does not know.
    """
    if type(given) is not list and (not isinstance(given, Iterable) or isinstance(given, str | Mapping)):
        msg = f"entries={given!r} is no list; give mappings with 'id' and the parameters of the operation"
        raise ParamValidationError(msg)
    entries = given if isinstance(given, list | tuple) else list(given)
    if not entries:
        msg = f"There should be at least one {shape} in the request."
        raise EmptyBatchRequest(msg)
    if len(entries) > BATCH_MAX:
        msg = f"Maximum number of entries per request are 10. You have sent {len(entries)}."
        raise TooManyEntriesInBatchRequest(msg)
    ids: dict[str, None] = {}
    repeated: str | None = None
    for entry in entries:
        if type(entry) is not dict and not isinstance(entry, Mapping):  # to ask an ABC is slow
            msg = f"entry {entry!r} is no mapping; give 'id' and the parameters of the operation"
            raise ParamValidationError(msg)
        if not members.issuperset(entry):
            unknown = ", ".join(sorted(str(name) for name in entry if name not in members))
            msg = f"an entry has {unknown}; it may have {', '.join(sorted(members))}"
            raise UsageError(msg)
        entry_id = entry.get("id")
        if type(entry_id) is str and entry_id.isalnum() and entry_id.isascii() and len(entry_id) <= _ID_CHARS_MAX:
            pass  # as most are: a pattern takes longer
        elif not isinstance(entry_id, str) or not _is_id(entry_id):
            if entry_id is not None and not isinstance(entry_id, str):
                msg = f"id={entry_id!r} of an entry is no text"
                raise ParamValidationError(msg)
            msg = (
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most "
                "80 letters long."
            )
            raise InvalidBatchEntryId(msg)
        for name, check in checks:
            value = entry.get(name)
            if value is not None:
                check(value, name)
        if entry_id in ids and repeated is None:
            repeated = entry_id
        ids[entry_id] = None
    if repeated is not None:
        msg = f"Id {repeated} repeated."
        raise BatchEntryIdsNotDistinct(msg)
    return entries


def plain_entries(given: object, *members: str) -> list[list[Any]] | None:
    """
    Return the ids of a batch nothing is wrong with, and the values of *members*, which are all that its entries have.

    None: `check_entries` is to say what is wrong, if anything is. Here a few questions are asked of all entries at
    once, which takes a fifth of the time.
    """
    if type(given) is not list or not 0 < len(given) <= BATCH_MAX or set(map(type, given)) != _PLAIN_TYPES:
        return None
    try:
        columns = [[entry[member] for entry in given] for member in ("id", *members)]
        ids = columns[0]
        together = "".join(ids)
    except (KeyError, TypeError):
        return None
    if (
        set(map(len, given)) == {len(columns)}
        and together.isascii()
        and (together.isalnum() or _are_ids(together))
        and len(set(ids)) == len(ids)
        and all(ids)
        and max(map(len, ids)) <= _ID_CHARS_MAX
    ):
        return columns
    return None


def failure(entry: Entry, error: SqsError) -> BatchResultErrorEntry:
    """Return what is said of an entry that failed with this error."""
    return BatchResultErrorEntry(
        id=entry["id"], code=error.code, message=error.message, sender_fault=error.sender_fault
    )
