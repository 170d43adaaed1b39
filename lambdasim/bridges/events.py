"""Streams of events, as `InvokeWithResponseStream` answers: binary messages with headers and checksums."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from struct import pack
from typing import Any, TypeAlias
from zlib import crc32

from botocore.model import Shape

from lambdasim.bridges.shapes import encode_json, to_json

_STRING = 7  # the type of a header that is a text

Encode: TypeAlias = Callable[[Any], bytes]


def stream_writer(shape: Shape) -> Callable[[Iterable[Mapping[str, Any]]], bytes]:
    """Return what writes a list of events, each a dictionary from the name of an event to what is in it."""
    writers = {name: _event_writer(name, event) for name, event in shape.members.items()}
    return lambda events: b"".join(writers[name](value) for event in events for name, value in event.items())


def _event_writer(name: str, shape: Shape) -> Encode:
    payload = next(
        (member for member in shape.members if shape.members[member].serialization.get("eventpayload")), None
    )
    content_type = "application/json" if payload is None else "application/octet-stream"
    headers = b"".join(
        pack("!B", len(key)) + key + pack("!BH", _STRING, len(text)) + text
        for key, text in (
            (b":message-type", b"event"),
            (b":event-type", name.encode()),
            (b":content-type", content_type.encode()),
        )
    )
    convert = to_json(shape)

    def write(value: Mapping[str, Any]) -> bytes:
        if payload is not None:
            return _message(headers, bytes(value.get(payload, b"")))
        return _message(headers, encode_json(value if convert is None else convert(value)).encode())

    return write


def _message(headers: bytes, payload: bytes) -> bytes:
    prelude = pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + pack("!I", crc32(prelude)) + headers + payload
    return message + pack("!I", crc32(message))


__all__ = ["stream_writer"]
