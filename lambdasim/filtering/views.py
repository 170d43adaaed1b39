"""
What a pattern sees of a record, source by source, and what becomes of a record that no filter accepts.

A view is made for one record: its metadata as they are, and its payload as JSON where it is JSON. Whether the class of
a payload fits what a branch asks of it is decided before the branch is matched (FLT-093, FLT-100 to FLT-103).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from attrs import frozen

from lambdasim.filtering import texts
from lambdasim.filtering.patterns import Branch


class Payload(Enum):
    """What a payload is to filters (FLT-091)."""

    JSON = "JSON"  #: an object or an array
    PLAIN = "plain"  #: any other text
    UNREADABLE = "unreadable"  #: bytes that are no UTF-8, or nothing that could be a text (FLT-002)


class Misfit(Enum):
    """What a branch does whose tests do not fit the class of a payload."""

    FAILS = "fails"  #: it does not match (FLT-094, FLT-100)
    FALLS_BACK = "falls back"  #: it is matched without the tests of the payload (FLT-102, FLT-103)


@frozen(kw_only=True)
class Source:
    """A kind of event source, as filters see it."""

    name: str
    data_key: str  #: where the payload is in the view
    misfit: Misfit
    allows_plain: bool  #: whether a test may stand at the payload itself
    is_typed: bool = False  #: the payload is no text: DynamoDB


SOURCES: Final[Mapping[str, Source]] = {
    "sqs": Source(name="sqs", data_key="body", misfit=Misfit.FAILS, allows_plain=True),
    "kinesis": Source(name="kinesis", data_key="data", misfit=Misfit.FAILS, allows_plain=False),
    "dynamodb": Source(name="dynamodb", data_key="dynamodb", misfit=Misfit.FAILS, allows_plain=False, is_typed=True),
    "kafka": Source(name="kafka", data_key="value", misfit=Misfit.FALLS_BACK, allows_plain=True),
    "mq": Source(name="mq", data_key="data", misfit=Misfit.FALLS_BACK, allows_plain=True),
}


def class_of(text: str) -> tuple[Payload, Any]:
    """Return the class of a text and what a pattern sees of it (FLT-091)."""
    begin = text.lstrip(" \t\n\r")[:1]
    if begin in ("{", "["):
        try:
            return Payload.JSON, texts.parse(text)
        except (ValueError, RecursionError):
            pass
    return Payload.PLAIN, text


def class_of_bytes(encoded: object) -> tuple[Payload, Any]:
    """Return the class of base64 of a text; a null is plain (FLT-102)."""
    return _class_of(None if encoded is None else _text_of(encoded), is_null=encoded is None)


def _class_of(text: object, *, is_null: bool) -> tuple[Payload, Any]:
    if isinstance(text, str):
        return class_of(text)
    return Payload.PLAIN if is_null else Payload.UNREADABLE, None


def metadata_of(source: Source, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the view of a record without its payload, as Python objects."""
    if source.name == "kinesis":  # what is under `kinesis` in the event stands at the top (FLT-100)
        inner = {key: value for key, value in _inside_kinesis(record).items() if key != "data"}
        return {**{key: value for key, value in record.items() if key != "kinesis"}, **inner}
    view = {key: value for key, value in record.items() if key != source.data_key}
    if source.name == "kafka" and isinstance(view.get("key"), str):
        view["key"] = _text_of(view["key"])
    return view


def _inside_kinesis(record: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = record.get("kinesis")
    return inner if isinstance(inner, Mapping) else {}


def _text_of(encoded: Any) -> str | None:
    """Return what is base64 of UTF-8; None where it is not."""
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (ValueError, TypeError):  # no base64, no UTF-8, not even ASCII, or no text at all
        return None


def payload_of(source: Source, record: Mapping[str, Any]) -> tuple[Payload, Any]:
    """Return the class of the payload of a record and what a pattern sees of it."""
    if source.name == "sqs":
        body = record.get("body", "")
        return _class_of(body, is_null=body is None)
    if source.is_typed:
        return Payload.JSON, texts.normalise(record.get(source.data_key))
    if source.name == "kinesis":
        return class_of_bytes(_inside_kinesis(record).get("data"))
    return class_of_bytes(record.get(source.data_key))


def kinds_of(source: Source, branch: Branch) -> tuple[bool, bool]:
    """Return whether a branch asks for a plain payload, and whether for parts of a JSON one (FLT-092)."""
    inside = f"{source.data_key}."
    return source.data_key in branch.paths, any(path.startswith(inside) for path in branch.paths)


def fitted(source: Source, branch: Branch, kind: Payload) -> Branch | None:
    """Return a branch as it is matched against a payload of this class; None: it does not match (FLT-092, FLT-093)."""
    asks_plain, asks_json = kinds_of(source, branch)
    if not asks_plain and not asks_json:
        return branch
    fits = (asks_plain, asks_json) == ((False, True) if kind is Payload.JSON else (True, False))
    if fits and kind is not Payload.UNREADABLE:
        return branch
    if source.misfit is Misfit.FAILS:
        return None
    inside = f"{source.data_key}."
    return branch.without(lambda path: path == source.data_key or path.startswith(inside))


@frozen(kw_only=True)
class Settlement:
    """What becomes of a record that no filter accepts (FLT-110 to FLT-114)."""

    is_deleted: bool  #: from the source, at once
    moves_checkpoint: bool  #: it counts as processed once what is before it in its shard is settled
    waits_for_invocation: bool  #: its offset is committed with those of the records that were accepted beside it
    is_acknowledged: bool  #: to a broker, at once


_SETTLEMENTS: Final[Mapping[str, Settlement]] = {
    "sqs": Settlement(is_deleted=True, moves_checkpoint=False, waits_for_invocation=False, is_acknowledged=False),
    "kinesis": Settlement(is_deleted=False, moves_checkpoint=True, waits_for_invocation=False, is_acknowledged=False),
    "dynamodb": Settlement(is_deleted=False, moves_checkpoint=True, waits_for_invocation=False, is_acknowledged=False),
    "kafka": Settlement(is_deleted=False, moves_checkpoint=True, waits_for_invocation=True, is_acknowledged=False),
    "mq": Settlement(is_deleted=False, moves_checkpoint=False, waits_for_invocation=False, is_acknowledged=True),
}


def settlement_of(source: str, *, accepted_beside: bool = True) -> Settlement:
    """
    Return what becomes of a record that no filter accepts.

    Args:
        source: `sqs`, `kinesis`, `dynamodb`, `kafka` or `mq`.
        accepted_beside: Whether its poll returned records that were accepted; without any, nothing is waited for.
    """
    found = _SETTLEMENTS[source]
    if found.waits_for_invocation and not accepted_beside:
        return Settlement(is_deleted=False, moves_checkpoint=True, waits_for_invocation=False, is_acknowledged=False)
    return found
