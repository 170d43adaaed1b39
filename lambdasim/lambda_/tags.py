"""Tags of functions and mappings: texts by name, which change nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import InvalidParameterValueException

_TAGS_MAX: Final = 50  # Lambda Developer Guide, Using tags on Lambda functions


class Tags:
    """
    The tags of one resource.

    Args:
        given: At its creation, checked.
    """

    __slots__ = ("_tags",)

    def __init__(self, given: Mapping[str, str]) -> None:
        self._tags = dict(given)

    def add(self, given: Mapping[str, str]) -> None:
        """
        Add tags, or give them other values.

        Raises:
            InvalidParameterValueException: There are none, or more than 50 then.
        """
        if not given:
            msg = "An error occurred and the request cannot be processed."
            raise InvalidParameterValueException(msg)
        self._tags = check_tags({**self._tags, **check_tags(given)})

    def remove(self, keys: Iterable[str]) -> None:
        """Remove tags; keys that are not there are passed over."""
        if isinstance(keys, str) or not isinstance(keys, Iterable):
            msg = f"tag_keys={keys!r}: give a list of texts"
            raise UsageError(msg)
        for key in keys:
            self._tags.pop(key, None)

    def as_dict(self) -> dict[str, str]:
        """Return them."""
        return dict(self._tags)


class Tagged:
    """A resource that can be tagged: a function, a mapping."""

    _tags: Tags

    if TYPE_CHECKING:

        def _guard(self) -> None:
            """Refuse a call on what is deleted."""

    def tag_resource(self, tags: Mapping[str, str]) -> None:
        """
        Add tags, or give them other values.

        Raises:
            InvalidParameterValueException: No tags, or more than 50 then.
        """
        self._guard()
        self._tags.add(tags)

    def untag_resource(self, tag_keys: Sequence[str]) -> None:
        """Remove tags; keys that are not there are passed over."""
        self._guard()
        self._tags.remove(tag_keys)

    def list_tags(self) -> dict[str, str]:
        """Return the tags."""
        self._guard()
        return self._tags.as_dict()


def check_tags(given: Mapping[str, str]) -> dict[str, str]:
    """
    Return tags, if a resource may have them.

    Raises:
        InvalidParameterValueException: More than 50.
        UsageError: Not texts.
    """
    if not isinstance(given, Mapping) or not all(isinstance(text, str) for pair in given.items() for text in pair):
        msg = f"tags={given!r} is no mapping of texts; give names and values, such as {{'team': 'orders'}}"
        raise UsageError(msg)
    if len(given) > _TAGS_MAX:
        msg = "Number of tags exceeds resource tag limit."
        raise InvalidParameterValueException(msg)
    return dict(given)
