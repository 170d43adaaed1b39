"""Does an answer say only what AWS says? What is not in the service model is a bug of ours, found by tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from botocore.model import Shape

from lambdasim.bridges.records import Failure

Check: TypeAlias = Callable[[Any, str], None]  # a value and where it stands; raises an AssertionError

_STATUS_OF_SERVICE: Final = 500  # from here on the service is at fault

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "character": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "blob": (bytes, bytearray),
    "timestamp": (datetime, int, float),
}


def check_of(shape: Shape) -> Check:
    """Return what asserts that a value is one of a shape: known members, those that are required, types and names."""
    match shape.type_name:
        case "structure":
            check = _structure_check(shape)
            return _list_check(check) if shape.serialization.get("eventstream") else check
        case "list":
            return _list_check(check_of(shape.member))
        case "map":
            return _map_check(check_of(shape.key), check_of(shape.value))
        case _:
            return _scalar_check(shape)


def check_failure(failure: Failure, shape: Shape | None) -> None:
    """Assert that an error is one of its *shape*: its members, its status, whose fault it is. None: not modelled."""
    if shape is None:
        if failure.members:
            raise AssertionError(f"{failure.shape} is not in the model, so it has no {list(failure.members)}")
        return
    check_of(shape)(dict.fromkeys(shape.required_members, "") | {**failure.members}, shape.name)
    status = shape.metadata.get("error", {}).get("httpStatusCode", failure.http_status)
    if failure.http_status != status:
        raise AssertionError(f"{shape.name} has status {status}, not {failure.http_status}")
    if failure.sender_fault is not (status < _STATUS_OF_SERVICE):
        raise AssertionError(f"{shape.name} is the fault of the {'service' if failure.sender_fault else 'sender'}")


def _scalar_check(shape: Shape) -> Check:
    type_name = shape.type_name
    types = _TYPES[type_name]
    names = shape.metadata.get("enum")

    def check(value: Any, where: str) -> None:
        if not isinstance(value, types) or isinstance(value, bool) is not (type_name == "boolean"):
            raise AssertionError(f"{where} is {value!r}, which is no {type_name}")
        if names is not None and value not in names:
            raise AssertionError(f"{where} is {value!r}, which is none of {names}")
        if isinstance(value, datetime) and value.tzinfo is None:
            raise AssertionError(f"{where} is {value!r}, which is in no time zone")

    return check


def _structure_check(shape: Shape) -> Check:
    members = {name: check_of(member) for name, member in shape.members.items()}
    required = shape.required_members

    def check(value: Any, where: str) -> None:
        if not isinstance(value, Mapping):
            raise AssertionError(f"{where} is {value!r}, which is no {shape.name}")  # noqa: TRY004
        for name, item in value.items():
            if name not in members:
                raise AssertionError(f"{where} has {name!r}, which {shape.name} has not")
            members[name](item, f"{where}.{name}")
        missing = [name for name in required if name not in value]
        if missing:
            raise AssertionError(f"{where} lacks {missing}, which {shape.name} requires")

    return check


def _list_check(check_item: Check) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, list | tuple):
            raise AssertionError(f"{where} is {value!r}, which is no list")  # noqa: TRY004
        for number, item in enumerate(value):
            check_item(item, f"{where}[{number}]")

    return check


def _map_check(check_key: Check, check_value: Check) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, Mapping):
            raise AssertionError(f"{where} is {value!r}, which is no map")  # noqa: TRY004
        for key, item in value.items():
            check_key(key, f"a key of {where}")
            check_value(item, f"{where}[{key!r}]")

    return check


__all__ = ["Check", "check_failure", "check_of"]
