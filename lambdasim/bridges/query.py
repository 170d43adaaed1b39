"""
The query protocol of SQS: parameters as a form or in the address, results as XML.

Clients wrote it before the JSON protocol, and pinned ones write it still. Lists and maps are flat in it, one parameter
for each leaf, numbered from 1: `SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.StringValue`. The service model
of today has lost the names of its elements; `_ELEMENTS`, `_MEMBERS` and `_KEYS` bring them back. Names in the model, as
older versions of it have them, come first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import unquote

from botocore.model import ServiceModel, Shape

from lambdasim.bridges.records import Answer, Failure
from lambdasim.bridges.shapes import from_text, to_text

# What one element of a list of strings or blobs is called; of all other lists it is called like its shape.
_ELEMENTS: Final = {
    "AWSAccountIdList": "AWSAccountId",
    "ActionNameList": "ActionName",
    "AttributeNameList": "AttributeName",
    "BinaryList": "BinaryListValue",
    "QueueUrlList": "QueueUrl",
    "StringList": "StringListValue",
}
# What one entry of a map is called, by the member that is the map.
_MEMBERS: Final = {
    "Attributes": "Attribute",
    "MessageAttributes": "MessageAttribute",
    "MessageSystemAttributes": "MessageSystemAttribute",
    "Tags": "Tag",
    "tags": "Tag",
}
_KEYS: Final = {"TagMap": "Key"}  # what the key of an entry is called, where that is not "Name"
_NAMESPACE: Final = "http://queue.amazonaws.com/doc/2012-11-05/"

# Texts that differ from those of the JSON protocol (SQS-025).
_TEXTS: Final = {"The specified queue does not exist.": "The specified queue does not exist for this wsdl version."}

_SPECIAL: Final = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
# An unescaped carriage return would be read as a line feed.
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#xD;"}

# The parameters below a name, by the part after the next dot; the text of the name itself is at "".
_Node: TypeAlias = dict[str, Any]
_Read: TypeAlias = Callable[[_Node], Any]
_Write: TypeAlias = Callable[[list[str], Any], None]  # appends pieces of XML


class _Plan(NamedTuple):
    """What is to be done for one operation, found out once."""

    read: _Read
    write: _Write | None
    has_queue_url: bool


class QueryProtocol:
    """Reads requests and writes answers as clients of SQS did before JSON."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._plans: dict[str, _Plan] = {}

    def read(self, operation: str, fields: Iterable[tuple[str, str]], address: str) -> dict[str, Any]:
        """
        Return the parameters among the fields of a form; a ValueError or KeyError if they make no sense.

        Args:
            address: What the request was sent to, without its query. If that is no bare host it is the URL of the
                queue, for operations that need one and are given none.
        """
        plan = self._plan(operation)
        parameters: dict[str, Any] = plan.read(_tree(fields))
        if plan.has_queue_url and "QueueUrl" not in parameters:
            address = address.rstrip("/")
            if "/" in address.partition("://")[2]:
                parameters["QueueUrl"] = unquote(address)
        return parameters

    def answer(self, operation: str, result: Mapping[str, Any], request_id: str) -> Answer:
        """Return the answer with this result."""
        parts = [f'<?xml version="1.0"?><{operation}Response xmlns="{_NAMESPACE}">']
        write = self._plan(operation).write
        if write is not None:
            write(parts, result)
        parts.append(f"<ResponseMetadata><RequestId>{_escape(request_id)}</RequestId></ResponseMetadata>")
        parts.append(f"</{operation}Response>")
        return _answer(200, parts, request_id)

    def refusal(self, failure: Failure, request_id: str) -> Answer:
        """Return the answer that is an error (SQS-620)."""
        parts = [
            f'<?xml version="1.0"?><ErrorResponse xmlns="{_NAMESPACE}"><Error>',
            f"<Type>{'Sender' if failure.sender_fault else 'Receiver'}</Type>",
            f"<Code>{_escape(failure.code)}</Code>",
            f"<Message>{_escape(_TEXTS.get(failure.message, failure.message))}</Message><Detail/></Error>",
            f"<RequestId>{_escape(request_id)}</RequestId></ErrorResponse>",
        ]
        return _answer(failure.http_status, parts, request_id)

    def _plan(self, operation: str) -> _Plan:
        plan = self._plans.get(operation)
        if plan is None:
            model = self._model.operation_model(operation)
            shape, output = model.input_shape, model.output_shape
            plan = self._plans[operation] = _Plan(
                _reader(shape),
                None if output is None else _writer(output, f"{operation}Result"),
                "QueueUrl" in shape.members,
            )
        return plan


def _answer(status: int, parts: list[str], request_id: str) -> Answer:
    body = "".join(parts).encode()
    headers = {"x-amzn-RequestId": request_id, "Content-Type": "text/xml", "Content-Length": str(len(body))}
    return Answer(status, headers, body)


def _name_in(member: Shape, name: str) -> str:
    """Return what a member of a structure is called on the wire."""
    if member.type_name == "list":
        element: str = member.member.serialization.get("name") or _ELEMENTS.get(member.name) or member.member.name
        return element
    carried: str = member.serialization.get("name") or _MEMBERS.get(name, name)
    return carried


def _names_of_entry(shape: Shape) -> tuple[str, str]:
    """Return what the key and the value of an entry of a map are called on the wire."""
    key = shape.key.serialization.get("name") or _KEYS.get(shape.name, "Name")
    return key, shape.value.serialization.get("name") or "Value"


def _tree(fields: Iterable[tuple[str, str]]) -> _Node:
    root: _Node = {}
    for name, text in fields:
        parts = name.split(".")
        if "" not in parts:
            node = root
            for part in parts:
                node = node.setdefault(part, {})
            node[""] = text
    return root


def _reader(shape: Shape) -> _Read:
    match shape.type_name:
        case "structure":
            members = []
            for name, member in shape.members.items():
                read = _reader(member)
                members.append((_name_in(member, name), name, read))
                if member.type_name == "list":
                    members.append((name, name, read))  # an empty list goes by the name of the whole
            return lambda node: {name: read(node[carried]) for carried, name, read in members if carried in node}
        case "list":
            read_element = _reader(shape.member)
            return lambda node: [read_element(element) for element in _numbered(node)]
        case "map":
            key, value = _names_of_entry(shape)
            read_key, read_value = _reader(shape.key), _reader(shape.value)
            return lambda node: {read_key(entry[key]): read_value(entry[value]) for entry in _numbered(node)}
        case _:
            convert = from_text(shape, "iso8601")
            return lambda node: convert(node[""])


def _numbered(node: _Node) -> list[_Node]:
    """Return what is in a list or map, by its numbers. Where there is but one, clients may leave its number out."""
    numbers = sorted((part for part in node if part.isdecimal()), key=int)
    if numbers:
        return [node[number] for number in numbers]
    return [] if node == {"": ""} else [node]


def _writer(shape: Shape, tag: str) -> _Write:
    opening, closing = f"<{tag}>", f"</{tag}>"
    match shape.type_name:
        case "structure":
            members = [(name, _writer(member, _name_in(member, name))) for name, member in shape.members.items()]

            def write_structure(parts: list[str], value: Mapping[str, Any]) -> None:
                parts.append(opening)
                for name, write in members:
                    if name in value:
                        write(parts, value[name])
                parts.append(closing)

            return write_structure
        case "list":
            write_element = _writer(shape.member, tag)

            def write_list(parts: list[str], value: Iterable[Any]) -> None:
                for element in value:
                    write_element(parts, element)

            return write_list
        case "map":
            key_name, value_name = _names_of_entry(shape)
            write_key, write_value = _writer(shape.key, key_name), _writer(shape.value, value_name)

            def write_map(parts: list[str], value: Mapping[str, Any]) -> None:
                for key, item in value.items():
                    parts.append(opening)
                    write_key(parts, key)
                    write_value(parts, item)
                    parts.append(closing)

            return write_map
        case _:
            convert = to_text(shape, "iso8601")
            return lambda parts, value: parts.append(f"{opening}{_escape(convert(value))}{closing}")


def _escape(text: str) -> str:
    """Return a text as XML can carry it. What XML cannot carry at all, SQS refuses before it could come here."""
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], "\ufffd"), text)


__all__ = ["QueryProtocol"]
