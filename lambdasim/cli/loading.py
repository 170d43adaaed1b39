"""From a file to a scenario: TOML, overrides from the command line, types, references. All errors are told at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from lambdasim.cli.explanations import explain
from lambdasim.cli.problems import Path_, ScenarioError, Source, dotted, shown
from lambdasim.cli.references import check
from lambdasim.cli.scenario import Scenario

_BARE_TEXT: Final = re.compile(r"[^\s\"'\[\]{}=#,][^\"'\[\]{}=#\n]*")


def load(file: Path, overrides: Sequence[str] = ()) -> tuple[Scenario, Source]:
    """
    Return the scenario of a file, and what names it in errors that are found later.

    Args:
        file: TOML in UTF-8; files that it names are looked for beside it.
        overrides: Texts `key=value`: a dotted path, and a value in TOML or a bare text.
    Raises:
        ScenarioError: With a line for everything that is wrong.
        OSError: The file cannot be read.
    """
    try:
        data = tomllib.loads(file.read_bytes().decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{file}: this is no TOML: {error}") from error
    source = Source(file, tuple(_override(data, text) for text in overrides))
    try:
        scenario = Scenario.model_validate(data, context={"folder": file.parent})
    except ValidationError as error:
        raise source.error(explain(detail, data) for detail in error.errors()) from error
    problems = list(check(scenario))
    if problems:
        raise source.error(problems)
    return scenario, source


def _override(data: dict[str, Any], text: str) -> Path_:
    """Put the value of a text `key=value` into the data; return the path of the key."""
    key, equals, written = text.partition("=")
    names = _names(key)
    if not equals or not names:
        raise ScenarioError(
            f"--set {text}: must be KEY=VALUE with a dotted key, such as queues.orders.visibility_timeout=60"
        )
    value = _value_of(text, written)
    place: Any = data
    path: list[str | int] = []
    for name in names[:-1]:
        step = _step(text, place, path, name)
        path.append(step)
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    step = _step(text, place, path, names[-1])
    place[step] = value
    return (*path, step)


def _step(text: str, place: object, path: Sequence[str | int], name: str) -> str | int:
    """Return how to get from a table or list to what a name stands for in it."""
    if isinstance(place, dict):
        return name
    here = dotted(tuple(path))
    if not isinstance(place, list):
        raise ScenarioError(f"--set {text}: {here} is {shown(place)}, not a table")
    if not name.isdecimal() or int(name) >= len(place):
        raise ScenarioError(f"--set {text}: {here} is a list of {len(place)}; its places are numbers from 0 on")
    return int(name)


def _names(key: str) -> list[str]:
    """Return the parts of a dotted key, none if it is no such key."""
    try:
        inner: Any = tomllib.loads(f"{key} = 0") if "\n" not in key else {}
    except tomllib.TOMLDecodeError:
        return []
    names: list[str] = []
    while isinstance(inner, dict) and len(inner) == 1:
        ((name, inner),) = inner.items()
        names.append(name)
    return names


def _value_of(text: str, written: str) -> object:
    """Return a value written in TOML, or a bare text, which a shell has stripped of its quotes."""
    try:
        found = tomllib.loads(f"value = {written}")
    except tomllib.TOMLDecodeError:
        found = {}
    if len(found) == 1:
        return found["value"]
    bare = written.strip()
    if _BARE_TEXT.fullmatch(bare):
        return bare
    raise ScenarioError(f"--set {text}: {written!r} is no value of TOML")
