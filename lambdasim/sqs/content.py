"""
What a message carries: its body, its attributes, their sizes and digests, and the names that go with a send.

Pure functions over what users hand in. A wrong type is refused first, as a real client does before it calls; then come
the checks of AWS, one after the other.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from decimal import Context, Decimal
from functools import cache, partial
from hashlib import md5
from operator import itemgetter
from reprlib import repr as shown
from typing import Any, Final, Literal, NamedTuple

from attrs import frozen

from lambdasim.errors import ParamValidationError
from lambdasim.errors.sqs import (
    InvalidMessageContents,
    InvalidParameterValueException,
    MissingRequiredParameterException,
)

try:
    md5(b"")  # noqa: S324 - AWS asks for it, and no secret hangs on it
    _md5 = md5
except ValueError:  # a Python that keeps to FIPS wants to hear that nothing hangs on it
    _md5 = partial(md5, usedforsecurity=False)

ATTRIBUTES_MAX: Final = 10
DIGITS_MAX: Final = 38

_TOKEN: Final = re.compile("[!-~]{1,128}")
_WORDS: Final = {"ascii": "A-Za-z0-9_-", "observed": "A-Za-z0-9_\u00c0-\u017f-"}
_TYPE: Final = re.compile(r"(String|Number|Binary)(?:\.(?s:.+))?")
_TYPE_LENGTH_MAX: Final = 256

_NUMBER: Final = re.compile(r"[+-]?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NUMBER_MIN: Final = Decimal("1e-128")
_NUMBER_MAX: Final = Decimal("1e+126")
_QUIET: Final = Context(traps=[])  # the context of the thread is the user's, and may do anything

_BYTES: Final = (bytes, bytearray, memoryview)
_LISTS: Final = (list, tuple)
# What an attribute may have: the types of each member, and what to give.
_MEMBERS: Final[Mapping[object, tuple[type | tuple[type, ...], str]]] = {
    "DataType": (str, "text: 'String', 'Number' or 'Binary'"),
    "StringValue": (str, "text, of a number too: '7'"),
    "BinaryValue": (_BYTES, "bytes"),
    "StringListValues": (_LISTS, "nothing: SQS does not support lists yet"),
    "BinaryListValues": (_LISTS, "nothing: SQS does not support lists yet"),
}
_EVERY_NAME: Final = ("All", ".*", "*")
_TRACE_HEADER: Final = "AWSTraceHeader"


_CONTROLS: Final = bytes(code for code in range(0x20) if code not in b"\t\n\r")  # what SQS does not carry of ASCII
_MARKED: Final = bytes.maketrans(_CONTROLS, b"?" * len(_CONTROLS))


def is_plain_text(text: str) -> bool:
    """Return whether a text is ASCII that SQS carries. To translate bytes is faster than to look at characters."""
    if not text.isascii():
        return False
    data = text.encode()
    return data.translate(_MARKED) == data


@cache  # compiled when it is asked for: large classes take milliseconds, and most programs never need them
def _illegal() -> re.Pattern[str]:
    return re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@cache
def _name(charset: str) -> re.Pattern[str]:
    """Return what a name is: no period at either end, nor two in a row."""
    word = _WORDS[charset]
    return re.compile(rf"(?!(?:aws|amazon)\.)(?=.{{1,256}}\Z)[{word}]+(?:\.[{word}]+)*", re.IGNORECASE | re.ASCII)


@frozen(repr=False, weakref_slot=False)
class MessageAttributes:
    """
    The checked attributes of one message, in the order in which they were given.

    Millions of messages may have some: they lie in one flat tuple, and names and types are shared by all messages.
    """

    _parts: tuple[Any, ...]  # name, type and value of the first, of the second, …

    def items(self) -> Iterator[tuple[str, str, str | bytes]]:
        """Yield name, data type and value of each."""
        part = iter(self._parts)
        return zip(part, part, part, strict=True)

    def __len__(self) -> int:
        """Return how many there are: one at least."""
        return len(self._parts) // 3

    @property
    def size_bytes(self) -> int:
        """What they add to the size of the message: names, types with their labels, and values (SQS-123)."""
        return sum(map(_size_bytes, self._parts))

    def digest(self) -> str:
        """Return the lower-case hex MD5 that AWS answers; the order does not matter (SQS-141, SQS-142)."""
        fed = bytearray()
        for name, data_type, value in sorted(self.items(), key=itemgetter(0)):
            is_binary = isinstance(value, bytes)
            for part in (name.encode(), data_type.encode()):
                fed += len(part).to_bytes(4) + part
            data = value if isinstance(value, bytes) else value.encode()
            fed += (b"\x02" if is_binary else b"\x01") + len(data).to_bytes(4) + data
        return md5_hex(fed)

    def select(self, names: Iterable[str]) -> MessageAttributes | None:
        """
        Return those that a receive asks for, in their order here; None if there are none, itself if all are meant.

        Args:
            names: Exact names, beginnings of names followed by `.*`, or `All`, `.*` or `*` for every one. What
                matches nothing is ignored.

        Rules: SQS-213.
        """
        exact: list[str] = []
        beginnings: list[str] = []
        for name in names:
            if name in _EVERY_NAME:
                return self
            if name.endswith(".*"):
                beginnings.append(name[:-2])
            else:
                exact.append(name)
        start = tuple(beginnings)
        parts = [part for part in self.items() if part[0] in exact or part[0].startswith(start)]
        if len(parts) == len(self):
            return self
        return MessageAttributes(tuple(value for part in parts for value in part)) if parts else None

    def to_dict(self) -> dict[str, dict[str, str | bytes]]:
        """Return them in AWS's form, new each time: nobody can change a message through it."""
        return {
            name: {"DataType": data_type, "BinaryValue" if isinstance(value, bytes) else "StringValue": value}
            for name, data_type, value in self.items()
        }

    def __repr__(self) -> str:
        """Show the names."""
        return f"<attributes {', '.join(self._parts[::3])}>"


def md5_hex(data: bytes | bytearray) -> str:
    """Return the lower-case hex MD5."""
    return _md5(data).hexdigest()


def check_body(body: object, invalid_chars: str) -> str:
    """
    Return the text that the queue keeps: *body*, or with U+FFFD for characters that SQS does not carry.

    Args:
        body: Text of at least one character.
        invalid_chars: `"reject"` or `"replace"`, as in `SqsConfig`.
    Raises:
        ParamValidationError: It is no text.
        MissingRequiredParameterException: None, or empty.
        InvalidMessageContents: Characters that SQS does not carry, where they are rejected.

    Rules: SQS-120 to SQS-122.
    """
    if body is None:
        body = ""
    if not isinstance(body, str):
        raise ParamValidationError(f"message_body={shown(body)} is no text; SQS carries strings, so json.dumps it")
    if not body:
        raise MissingRequiredParameterException("The request must contain the parameter MessageBody.")
    if is_plain_text(body) or not _illegal().search(body):
        return body
    if invalid_chars == "replace":
        return _illegal().sub("\ufffd", body)
    raise InvalidMessageContents(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | "
        "#x10000 to #x10FFFF"
    )


def parse_message_attributes(given: object, charset: Literal["ascii", "observed"]) -> MessageAttributes | None:
    """
    Check the attributes of a send, given in AWS's form; None stands for no attributes.

    Args:
        given: None, or a mapping of names to `{"DataType": …, "StringValue": …}` or `{…, "BinaryValue": …}`.
        charset: Of the names, as in `SqsConfig.attribute_name_charset`.
    Raises:
        ParamValidationError: Something has the wrong type, or a member that attributes do not have.
        InvalidParameterValueException: Too many; or the first failure, attribute by attribute: name, type, lists,
            value missing, characters, number.

    Rules: SQS-130 to SQS-134. Runtime: `O(n)` in the bytes.
    """
    if given is None:
        return None
    attributes = _read(given, "message_attributes")
    if len(attributes) > ATTRIBUTES_MAX:
        raise InvalidParameterValueException(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{ATTRIBUTES_MAX}]."
        )
    parts: list[str | bytes] = []
    for attribute in attributes:
        name = attribute.name
        if not _name(charset).fullmatch(name):
            raise InvalidParameterValueException(f"Message (user) attribute name '{name}' is invalid.")
        kind = _kind_of(attribute)
        value = _value_of(attribute, "user", is_binary=kind == "Binary")
        if kind == "Number" and isinstance(value, str) and not _is_number(value):
            raise InvalidParameterValueException(
                f"Can't cast the value of message (user) attribute '{name}' to a number."
            )
        parts += _shared(name), _shared(attribute.data_type), value
    return MessageAttributes(tuple(parts)) if parts else None


def parse_system_attributes(given: object) -> MessageAttributes | None:
    """
    Check the system attributes of a send, given in AWS's form; there is one that may be sent, the trace header.

    Raises:
        ParamValidationError: Something has the wrong type, or a member that attributes do not have.
        InvalidParameterValueException: Another name or type, a list, no value, or characters that SQS does not carry.

    Rules: SQS-135, SQS-142.
    """
    if given is None:
        return None
    parts: list[str | bytes] = []
    for attribute in _read(given, "message_system_attributes"):
        if attribute.name != _TRACE_HEADER or attribute.data_type != "String":
            raise InvalidParameterValueException(f"Message system attribute name '{attribute.name}' is invalid.")
        parts += _TRACE_HEADER, "String", _value_of(attribute, "system", is_binary=False)
    return MessageAttributes(tuple(parts)) if parts else None


def rough_size_bytes(body: object, attributes: object) -> int:
    """
    Return the size of an entry that nobody has checked yet: exact where it is legal (SQS-123, SQS-183).

    What is no text where text belongs, and the like, counts 0: its own check will find it.
    """
    size = _rough(body, str)
    if isinstance(attributes, Mapping):
        for name, members in attributes.items():
            size += _rough(name, str)
            if isinstance(members, Mapping):
                data_type = members.get("DataType")
                is_binary = isinstance(data_type, str) and data_type.startswith("Binary")
                size += _rough(data_type, str)
                size += _rough(members.get("BinaryValue"), _BYTES) if is_binary else 0
                size += 0 if is_binary else _rough(members.get("StringValue"), str)
    return size


def check_token(value: object, name: str) -> str:
    """
    Return the id of a message group, a deduplication or a receive attempt, if it is one.

    Args:
        value: 1 to 128 characters from `!` to `~`.
        name: AWS's name of the parameter.
    Raises:
        ParamValidationError: It is no text.
        InvalidParameterValueException: Other characters, or another length.

    Rules: SQS-163, SQS-360.
    """
    if not isinstance(value, str):
        raise ParamValidationError(f"{name}={shown(value)} is no text; give a string, for instance str(…) of it")
    if not _TOKEN.fullmatch(value):
        raise InvalidParameterValueException(
            f"Value {value} for parameter {name} is invalid. Reason: {name} can only include alphanumeric and "
            "punctuation characters. 1 to 128 in length."
        )
    return value


def are_tokens(values: list[Any]) -> bool:
    """Return whether each of these is such an id."""
    try:
        return all(map(_TOKEN.fullmatch, values))
    except TypeError:
        return False


# ---- attributes, one by one


class _Given(NamedTuple):
    """One attribute as it was given: right in its Python types, and in nothing else so far."""

    name: str
    data_type: str  # empty: missing
    text: str | None
    data: bytes | None
    has_list: bool


def _read(given: object, parameter: str) -> list[_Given]:
    if not isinstance(given, Mapping):
        raise ParamValidationError(
            f"{parameter}={shown(given)} is no mapping; give {{'name': {{'DataType': 'String', 'StringValue': 'x'}}}}"
        )
    return [_read_one(name, members, parameter) for name, members in given.items()]


def _read_one(name: object, members: object, parameter: str) -> _Given:
    if not isinstance(name, str):
        raise ParamValidationError(f"{parameter} has the name {shown(name)}, which is no text; names are strings")
    if not isinstance(members, Mapping):
        raise ParamValidationError(
            f"{parameter}[{shown(name)}]={shown(members)} is no mapping; give {{'DataType': 'String', "
            "'StringValue': 'x'}"
        )
    for member, value in members.items():
        if member not in _MEMBERS:
            raise ParamValidationError(
                f"{parameter}[{shown(name)}] has the unknown member {shown(member)}; give DataType and StringValue, or "
                "DataType and BinaryValue"
            )
        kinds, wanted = _MEMBERS[member]
        if value is not None and not isinstance(value, kinds):
            raise ParamValidationError(
                f"{parameter}[{shown(name)}][{member!r}]={shown(value)} is of the wrong type; give {wanted}"
            )
    data = members.get("BinaryValue")
    return _Given(
        name,
        members.get("DataType") or "",
        members.get("StringValue"),
        None if data is None else bytes(data),
        members.get("StringListValues") is not None or members.get("BinaryListValues") is not None,
    )


def _kind_of(attribute: _Given) -> str:
    """Return `String`, `Number` or `Binary`: the data type without its label (SQS-132, SQS-134)."""
    data_type = attribute.data_type
    if not data_type:
        raise InvalidParameterValueException(
            f"Message (user) attribute '{attribute.name}' must contain a non-empty message attribute type."
        )
    found = _TYPE.fullmatch(data_type)
    if found is None or len(data_type) > _TYPE_LENGTH_MAX or _illegal().search(data_type):
        raise InvalidParameterValueException(
            f"The type of message (user) attribute '{attribute.name}' is invalid. You must use only the following "
            "supported type prefixes: Binary, Number, String."
        )
    return found[1]


def _value_of(attribute: _Given, whose: str, *, is_binary: bool) -> str | bytes:
    """Return the value that belongs to the type; one of the other kind is not looked at (SQS-134)."""
    if attribute.has_list:
        raise InvalidParameterValueException(
            "Message attribute list values in SendMessage operation are not supported."
        )
    value = attribute.data if is_binary else attribute.text
    if not value:
        raise InvalidParameterValueException(
            f"Message ({whose}) attribute '{attribute.name}' must contain a non-empty value of type "
            f"'{'Binary' if is_binary else 'String'}'."
        )
    if isinstance(value, str) and not is_plain_text(value) and _illegal().search(value):
        raise InvalidParameterValueException(
            f"Message ({whose}) attribute '{attribute.name}' contains invalid characters."
        )
    return value


def _is_number(text: str) -> bool:
    """Tell whether SQS takes it for a number; zeros at either end are no significant digits (SQS-133)."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return False
    digits = found[1].replace(".", "").strip("0")
    if not digits:
        return True
    if len(digits) > DIGITS_MAX:
        return False
    number = Decimal(text, _QUIET).copy_abs()  # NaN where the exponent is beyond everything
    return number.is_finite() and _NUMBER_MIN <= number <= _NUMBER_MAX


def _shared(text: str) -> str:
    """Return the one object that stands for this text everywhere: a million messages use the same few names."""
    return sys.intern(str.__str__(text))  # of a subclass, too, whatever its own `__str__` shows


def _size_bytes(part: str | bytes) -> int:
    return len(part) if isinstance(part, bytes) or part.isascii() else len(part.encode())


def _rough(value: object, kinds: type | tuple[type, ...]) -> int:
    if not isinstance(value, kinds):
        return 0
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode(errors="surrogatepass"))
    return memoryview(value).nbytes if isinstance(value, _BYTES) else 0
