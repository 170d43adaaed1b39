"""What is wrong with a scenario, in words for people: the file, the key, the value, and what is allowed instead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time
from pathlib import Path
from typing import Final

from attrs import frozen

from lambdasim.errors import LambdasimError

Path_ = tuple[str | int, ...]  #: keys, and places in lists, from the top of the file down

NOTHING: Final = object()  #: no value to show
_SHOWN_CHARS: Final = 60  # of a value; what is longer is cut
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


class ScenarioError(LambdasimError):
    """A scenario says what it may not say. The text has a line for each thing that is wrong."""


@frozen
class Problem:
    """One thing that is wrong."""

    path: Path_
    text: str
    value: object = NOTHING


@frozen
class Source:
    """Where a scenario comes from."""

    file: Path
    overridden: tuple[Path_, ...] = ()  #: keys whose values come from the command line

    def error(self, problems: Iterable[Problem]) -> ScenarioError:
        """Return the error that these problems make."""
        return ScenarioError("\n".join(map(self._line, problems)))

    def _line(self, problem: Problem) -> str:
        where = f"{self.file}, --set: " if self._is_overridden(problem.path) else f"{self.file}: "
        value = "" if problem.value is NOTHING else f" = {shown(problem.value)}"
        key = f"{dotted(problem.path)}{value}: " if problem.path else ""
        return f"{where}{key}{problem.text}"

    def _is_overridden(self, path: Path_) -> bool:
        """Return whether the command line has a part in what lies there: all of it, or one of its keys."""
        return bool(path) and any(path[: len(other)] == other[: len(path)] for other in self.overridden)


def dotted(path: Path_) -> str:
    """
    Return a path as TOML writes dotted keys; places in lists are numbers from 0 on.

    >>> dotted(("queues", "my queue", "delay_seconds")), dotted(("mappings", 0, "queue"))
    ('queues."my queue".delay_seconds', 'mappings.0.queue')
    """
    return ".".join(str(part) if isinstance(part, int) or _BARE_KEY.fullmatch(part) else f'"{part}"' for part in path)


def shown(value: object) -> str:
    """
    Return a value as TOML writes it, cut if it is long.

    >>> shown({"repeat": True, "segments": []})
    '{ repeat = true, segments = [] }'
    """
    text = _toml(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{dotted((str(key),))} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return value.isoformat() if isinstance(value, date | datetime | time) else str(value)
