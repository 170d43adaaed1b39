"""Checks and texts that several operations of a queue share."""

from __future__ import annotations

from collections.abc import Iterable

from lambdasim.errors import ParamValidationError
from lambdasim.errors.sqs import InvalidParameterValueException


def is_whole(value: object, low: int, high: int) -> bool:
    """Return whether a value is a whole number within these bounds."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def check_number(value: object, name: str) -> None:
    """Refuse what is no whole number at all, as a client does before it calls; its range is another matter."""
    if isinstance(value, bool) or not isinstance(value, int):
        msg = f"{name}={value!r} is no whole number; give an int"
        raise ParamValidationError(msg)


def check_text(value: object, name: str) -> str:
    """Return a text; refuse what is none, as a client does before it calls."""
    if not isinstance(value, str):
        msg = f"{name}={value!r} is no text"
        raise ParamValidationError(msg)
    return value


def check_texts(values: object, name: str) -> tuple[str, ...]:
    """Return a collection of texts; refuse a single text, and whatever is not one."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        msg = f"{name}={values!r} is no collection of texts; give a list, such as ['All']"
        raise ParamValidationError(msg)
    texts = tuple(values)
    if not all(isinstance(text, str) for text in texts):
        msg = f"{name}={texts!r} must hold texts only"
        raise ParamValidationError(msg)
    return texts


def not_for_this_type(parameter: str, value: object) -> InvalidParameterValueException:
    """Return what SQS says to a parameter that the other type of queue has (SQS-164, SQS-167, SQS-360)."""
    return InvalidParameterValueException(
        f"Value {value} for parameter {parameter} is invalid. Reason: The request include parameter that is not valid "
        "for this queue type."
    )


def lost_answer(call: str) -> str:
    """Return the text of an error where a call took effect and nobody hears of it."""
    return f"the {call} took effect, and its answer was lost on the way; a caller sees a read time-out"
