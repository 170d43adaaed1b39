"""Which operation a method and a path stand for: the templates of a service model as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from attrs import define, field


class _Route(NamedTuple):
    """An operation at the end of a path."""

    operation: str
    labels: tuple[str, ...]  # what the variable parts of the path are called, in their order
    query: tuple[tuple[str, str], ...]  # what the address must say beside the path


@define
class _Crossing:
    """A place in the tree: what may come next, and what ends here, by method."""

    fixed: dict[str, _Crossing] = field(factory=dict)
    label: _Crossing | None = None
    greedy: _Crossing | None = None  # after a label that takes slashes too
    routes: dict[str, list[_Route]] = field(factory=dict)


class Paths:
    """
    All paths of a service.

    What is fixed in a template goes before a label, and a label before a greedy one, so that `/functions/{Name}` and
    `/functions/settings` can be told apart.
    """

    def __init__(self) -> None:
        self._root = _Crossing()

    def add(self, operation: str, method: str, template: str) -> None:
        """Let a method and a template, such as `/tags/{Resource}` or `/layers?find=LayerVersion`, find an operation."""
        path, _, query = template.partition("?")
        crossing, labels = self._root, []
        for part in _segments(path):
            if not part.startswith("{"):
                crossing = crossing.fixed.setdefault(part, _Crossing())
                continue
            name = part.strip("{}")
            labels.append(name.removesuffix("+"))
            if name.endswith("+"):
                crossing.greedy = crossing = crossing.greedy or _Crossing()
            else:
                crossing.label = crossing = crossing.label or _Crossing()
        routes = crossing.routes.setdefault(method, [])
        routes.append(_Route(operation, tuple(labels), tuple(parse_qsl(query, keep_blank_values=True))))
        routes.sort(key=lambda route: -len(route.query))

    def find(self, method: str, path: str, fields: Sequence[tuple[str, str]]) -> tuple[str, dict[str, str]] | None:
        """
        Return the operation and the texts of its labels; None if there is none.

        Args:
            path: Of an address, which may begin with that of the client's `endpoint_url`.
            fields: Of the query.
        """
        segments = _segments(path)
        found = _find(self._root, method, segments, [], fields)
        while found is None:
            del segments[:1]
            if not segments:
                return None
            found = _find(self._root, method, segments, [], fields)
        route, texts = found
        return route.operation, dict(zip(route.labels, map(unquote, texts), strict=True))


def _segments(path: str) -> list[str]:
    """Return the parts of a path; a slash at its end says nothing."""
    return path.removeprefix("/").removesuffix("/").split("/")


def _find(
    crossing: _Crossing, method: str, segments: list[str], texts: list[str], fields: Sequence[tuple[str, str]]
) -> tuple[_Route, list[str]] | None:
    if not segments:
        for route in crossing.routes.get(method, ()):
            if all(pair in fields for pair in route.query):
                return route, texts
        return None
    first, *rest = segments
    found = None
    if first in crossing.fixed:
        found = _find(crossing.fixed[first], method, rest, texts, fields)
    if found is None and crossing.label is not None:
        found = _find(crossing.label, method, rest, [*texts, first], fields)
    if found is None and crossing.greedy is not None:
        for taken in range(1, len(segments) + 1):  # what is fixed after it goes first
            text = "/".join(segments[:taken])
            found = _find(crossing.greedy, method, segments[taken:], [*texts, text], fields)
            if found is not None:
                break
    return found


__all__ = ["Paths"]
