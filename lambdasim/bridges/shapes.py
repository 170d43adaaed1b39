"""
How values of a service model are carried: in JSON, and as texts in headers, addresses, forms and XML.

A converter is made once for a shape, and is None where JSON says all there is to say, so that nobody walks through
values that stay as they are.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from json import JSONDecoder, JSONEncoder
from typing import Any, Final, TypeAlias

from botocore.model import NoShapeFoundError, ServiceModel, Shape

Convert: TypeAlias = Callable[[Any], Any]

# Made once, not for each text.
encode_json: Final = JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_decode_json: Final = JSONDecoder().decode


def error_shape(model: ServiceModel, name: str) -> Shape | None:
    """Return the shape of an error; None if the model has none of this name."""
    try:
        shape = model.shape_for(name)  # to list all errors of a model would be to make all of its shapes
    except NoShapeFoundError:
        return None
    return shape if shape.metadata.get("exception") else None


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the members of an object in JSON. What is null is not there; a ValueError if it is no object."""
    parsed = _decode_json(body.decode())
    if type(parsed) is not dict:
        raise ValueError(f"the body is no object: {body[:80]!r}")
    return _without_nulls(parsed) if b"null" in body else parsed


def from_json(shape: Shape) -> Convert | None:
    """Return what turns parsed JSON into the value of a shape. None: nothing to do."""
    return _converter(shape, _leaf_from_json, is_inward=True)


def to_json(shape: Shape) -> Convert | None:
    """Return what turns the value of a shape into what JSON can say; the value stays as it is. None: nothing to do."""
    return _converter(shape, _leaf_to_json, is_inward=False)


def from_text(shape: Shape, timestamp_format: str) -> Callable[[str], Any]:
    """Return what reads a scalar from a text; *timestamp_format* counts where the shape has none of its own."""
    match shape.type_name:
        case "string" | "character":
            return str
        case "integer" | "long":
            return int
        case "float" | "double":
            return float
        case "boolean":
            return {"true": True, "false": False}.__getitem__
        case "blob":
            return b64decode
        case _:
            assert shape.type_name == "timestamp", f"no text can be a {shape.type_name}: {shape.name}"
            return _timestamp_reader(_format_of(shape, timestamp_format))


def to_text(shape: Shape, timestamp_format: str) -> Callable[[Any], str]:
    """Return what writes a scalar as a text; *timestamp_format* counts where the shape has none of its own."""
    match shape.type_name:
        case "string" | "character" | "integer" | "long":
            return str
        case "float" | "double":
            return _float_text
        case "boolean":
            return {True: "true", False: "false"}.__getitem__
        case "blob":
            return _blob_text
        case _:
            assert shape.type_name == "timestamp", f"no text can be a {shape.type_name}: {shape.name}"
            write = _timestamp_writer(_format_of(shape, timestamp_format))
            return lambda value: str(write(value))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _converter(shape: Shape, leaf: Callable[[Shape], Convert | None], *, is_inward: bool) -> Convert | None:
    """Return the converter of a shape, given that of its leaves; members that are not in the body are left out."""
    match shape.type_name:
        case "structure":
            members: list[tuple[str, str, Convert | None]] = []
            for name, member in shape.members.items():
                if "location" not in member.serialization:
                    convert = _converter(member, leaf, is_inward=is_inward)
                    carried = member.serialization.get("name", name)
                    if convert is not None or carried != name:
                        members.append((carried, name, convert) if is_inward else (name, carried, convert))
            return _structure_converter(members) if members else None
        case "list":
            return _list_converter(_converter(shape.member, leaf, is_inward=is_inward))
        case "map":
            return _map_converter(_converter(shape.value, leaf, is_inward=is_inward))
        case _:
            return leaf(shape)


def _structure_converter(members: list[tuple[str, str, Convert | None]]) -> Convert:
    def structure(value: dict[str, Any]) -> dict[str, Any]:
        converted = value
        for source, target, convert in members:
            if source in value:
                if converted is value:
                    converted = dict(value)
                if source != target:
                    del converted[source]
                converted[target] = value[source] if convert is None else convert(value[source])
        return converted

    return structure


def _list_converter(convert: Convert | None) -> Convert | None:
    return None if convert is None else lambda value: [convert(item) for item in value]


def _map_converter(convert: Convert | None) -> Convert | None:
    return None if convert is None else lambda value: {key: convert(item) for key, item in value.items()}


def _leaf_from_json(shape: Shape) -> Convert | None:
    match shape.type_name:
        case "blob":
            return b64decode
        case "float" | "double":
            return lambda value: float(value) if isinstance(value, str) else value  # "NaN" and the infinities
        case "timestamp":
            return _timestamp_reader(_format_of(shape, "unixtimestamp"))
        case _:
            return None


def _leaf_to_json(shape: Shape) -> Convert | None:
    match shape.type_name:
        case "blob":
            return _blob_text
        case "timestamp":
            return _timestamp_writer(_format_of(shape, "unixtimestamp"))
        case _:
            return None


def _blob_text(value: bytes) -> str:
    return b64encode(value).decode()


def _float_text(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _format_of(shape: Shape, default: str) -> str:
    found: str = shape.serialization.get("timestampFormat", default)
    return found.lower()


def _timestamp_reader(name: str) -> Callable[[Any], datetime]:
    if name == "unixtimestamp":
        return lambda value: datetime.fromtimestamp(float(value), UTC)
    return datetime.fromisoformat if name == "iso8601" else parsedate_to_datetime


def _timestamp_writer(name: str) -> Callable[[datetime | float], float | str]:
    """Return what writes a timestamp, a datetime with a zone or seconds since 1970, in the format of this name."""
    if name == "unixtimestamp":
        return lambda value: _whole(value.timestamp()) if isinstance(value, datetime) else value
    if name == "iso8601":
        return lambda value: _moment(value).isoformat().replace("+00:00", "Z")
    return lambda value: format_datetime(_moment(value), usegmt=True)


def _moment(value: datetime | float) -> datetime:
    return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value


__all__ = ["Convert", "encode_json", "error_shape", "from_json", "from_text", "parse_object", "to_json", "to_text"]
