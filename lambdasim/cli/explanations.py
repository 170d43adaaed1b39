"""
What pydantic found, said in the words of a scenario.

Pydantic says where in the models an error lies. Followed through the models, such a place gives the key as the file
has it (pydantic puts the tags of unions between the keys), the table that lies there, whose keys can be listed, and the
kind of value that belongs there, which knows what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from types import UnionType
from typing import Annotated, Any, Final, TypeGuard, Union, cast, get_args, get_origin

from attrs import frozen
from pydantic import PlainValidator
from pydantic_core import ErrorDetails

from lambdasim.cli.problems import NOTHING, Path_, Problem
from lambdasim.cli.scenario import Scenario
from lambdasim.cli.tables import VALUE, Table
from lambdasim.cli.values import Kind, one_of, suggestion

# How refusals of value objects name a parameter: `'wait_s' must be <= 20: 30` (settings), `mean=-1 is …` (the library).
_OF_ATTRS: Final = re.compile(r"'(\w+)' (must be .*): .*")
_OF_LIBRARY: Final = re.compile(r"(\w+)=")

_TEXTS: Final = {
    "dict_type": "must be a table",
    "list_type": "must be a list",
    "model_attributes_type": "must be a table",
    "model_type": "must be a table",
    "too_short": "must not be empty",
}


@frozen
class Place:
    """Where an error lies."""

    path: Path_  #: as the file has it
    table: type[Table]  #: that lies there, or around it
    kind: Kind | None  #: of the value that belongs there, unless that is a table
    tags: tuple[str, ...]  #: what tells the tables apart that may lie there


def explain(error: ErrorDetails, data: object) -> Problem:
    """
    Return what is wrong.

    Args:
        error: Of pydantic, about a `Scenario`.
        data: What the file says.
    """
    place = _find(error["loc"])
    path, context = place.path, error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            keys = sorted(place.table.model_fields)
            text = f"unknown key{suggestion(path[-1], keys)} (there may be {', '.join(keys)})"
            return Problem(path, text, _value_at(data, path))
        case "missing":
            return Problem(path, f"missing; it must be {place.kind.allowed if place.kind else 'given'}")
        case "union_tag_invalid" | "union_tag_not_found":
            path = (*path, "kind" if context["discriminator"] == "'kind'" else "distribution")
            value = _value_at(data, path)
            if value is NOTHING:
                return Problem(path, f"missing; it must be {one_of(place.tags)}")
            return Problem(path, f"must be {one_of(place.tags)}{suggestion(value, place.tags)}", value)
        case "value_error":
            return _explain_refusal(place, str(context["error"]), data)
        case kind:
            return Problem(path, _TEXTS.get(kind, error["msg"]), _value_at(data, path))


def _explain_refusal(place: Place, text: str, data: object) -> Problem:
    """Return what is wrong, given the words of a kind of value, of attrs or of the library."""
    if place.kind is not None:
        return Problem(place.path, text, _value_at(data, place.path))
    keys = place.table.model_fields
    if (named := _OF_ATTRS.fullmatch(text)) and named[1] in keys:
        path = (*place.path, named[1])
        return Problem(path, named[2], _value_at(data, path))
    if (named := _OF_LIBRARY.match(text)) and named[1] in keys:
        return Problem((*place.path, named[1]), text)
    return Problem(place.path, text)


def _find(loc: Sequence[str | int]) -> Place:
    """Follow a location of pydantic's through the models."""
    path: list[str | int] = []
    node: object = Scenario
    table: type[Table] = Scenario
    kind: Kind | None = None
    for part in loc:
        node = _bare(node)
        if _is_table(node):
            table = node
            path.append(part)
            field = node.model_fields.get(str(part))
            kind = None if field is None else kind_of(field.annotation, field.metadata)
            node = None if field is None else field.annotation
        elif get_origin(node) in {dict, list}:
            path.append(part)
            node, kind = get_args(node)[-1], None
        else:  # a union: the part is a tag
            node = next(member for member in get_args(node) if part == (_tag_of(member) or VALUE))
            kind = kind_of(node, ())
    node = _bare(node)
    tags = tuple(tag for member in get_args(node) if (tag := _tag_of(member)) is not None)
    return Place(tuple(path), node if _is_table(node) else table, kind, tags)


def _bare(node: object) -> object:
    """Return an annotation without `Annotated` and without `| None`."""
    while True:
        members = [member for member in get_args(node) if member is not type(None)]
        if get_origin(node) is Annotated or (_is_union(node) and len(members) == 1):
            node = members[0]
        else:
            return node


def _is_union(node: object) -> bool:
    return get_origin(node) in {Union, UnionType}


def _is_table(node: object) -> TypeGuard[type[Table]]:
    return isinstance(node, type) and issubclass(node, Table)


def _tag_of(member: object) -> str | None:
    """Return what tells a table of a union from the others; None for a plain value."""
    node = _bare(member)
    return node.tag if _is_table(node) else None


def kind_of(annotation: object, metadata: Iterable[object]) -> Kind | None:
    """Return the kind of value that a field holds; of a union, that of the plain value."""
    for item in metadata:
        if isinstance(item, PlainValidator):
            return cast("Kind", item.func)
    if get_origin(annotation) is Annotated:
        inner, *rest = get_args(annotation)
        return kind_of(inner, rest)
    if _is_union(annotation):
        kinds = [kind_of(member, ()) for member in get_args(annotation)]
        return next((kind for kind in kinds if kind is not None), None)
    return None


def _value_at(data: object, path: Path_) -> object:
    found: Any = data
    for part in path:
        try:
            found = found[part]
        except (IndexError, KeyError, TypeError):
            return NOTHING
    return found
