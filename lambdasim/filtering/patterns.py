"""
Patterns: compiled once, matched against any JSON value (FLT-020 to FLT-053).

A pattern is a list of branches, one for each way through its `$or`s; a branch has a list of tests for each path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from lambdasim.filtering import texts
from lambdasim.filtering.tests import EXISTS_FALSE, OPERATORS, PatternError, Test, literal

BRANCHES_MAX: Final = 1_000

_RESERVED_IN_OR: Final = frozenset(
    (
        "exactly",
        "equals-ignore-case",
        "prefix",
        "suffix",
        "anything-but",
        "exists",
        "wildcard",
        "numeric",
        "cidr",
        "=",
        "<",
        "<=",
        ">",
        ">=",
        "regex",
        "not-wildcard",
        "not-equals-ignore-case",
        "date-after",
        "date-on-or-after",
        "date-before",
        "date-on-or-before",
        "in-date-range",
        "ip-address-in-range",
        "ip-address-not-in-range",
    )
)
_LAMBDA: Final = ("anything-but", "equals-ignore-case", "exists", "numeric", "prefix", "suffix")
_PIPES: Final = (*_LAMBDA, "prefix/equals-ignore-case", "suffix/equals-ignore-case")
#: operators of a dialect, nested ones joined with `/`; None: all (FLT-080)
DIALECTS: Final[Mapping[str, tuple[str, ...] | None]] = {"lambda": _LAMBDA, "pipes": _PIPES, "eventbridge": None}

Leaves = dict[str, list[tuple[Any, dict[int, int]]]]  #: by path: value, and which elements of which arrays it is in


class Branch(NamedTuple):
    """What all must hold together: the tests of each path, by path in code point order (FLT-052)."""

    tests: tuple[tuple[str, tuple[Test, ...]], ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that it names."""
        return tuple(path for path, _ in self.tests)

    def without(self, drops: Callable[[str], bool]) -> Branch:
        """Return it without the tests of some paths."""
        return Branch(tuple((path, tests) for path, tests in self.tests if not drops(path)))

    def matches(self, leaves: Leaves) -> bool:
        """Return whether all paths can be satisfied by elements of arrays that fit together; a leaf is tested once."""
        places: list[_Place] = []
        for path, tests in self.tests:
            here = leaves.get(path, ())
            accepted = [element for value, element in here if any(test(value) for test in tests)]
            may_be_missing = EXISTS_FALSE in tests
            if not accepted and not may_be_missing:
                return False
            if here:
                places.append(_Place([element for _, element in here], accepted, may_be_missing))
        return _fit_together(places)


class _Place(NamedTuple):
    """The leaves of one path: in which elements of arrays they are, and in which those are that a test accepts."""

    here: list[dict[int, int]]
    accepted: list[dict[int, int]]
    may_be_missing: bool


class _Tree:
    """Elements by the arrays that they are in, outermost first, so that those that fit are found and no others."""

    __slots__ = ("_below", "_element")

    def __init__(self) -> None:
        self._below: dict[int, dict[int, _Tree]] = {}  # by array and index
        self._element: dict[int, int] | None = None  # the one that is in no further array, if there is one

    @classmethod
    def of(cls, elements: Iterable[dict[int, int]]) -> _Tree:
        """Return the tree of these elements; equal ones are one."""
        root = cls()
        for element in elements:
            node = root
            for array, index in element.items():
                members = node._below.setdefault(array, {})
                node = members[index] if index in members else members.setdefault(index, cls())
            node._element = element
        return root

    def fitting(self, chosen: Mapping[int, int]) -> Iterator[dict[int, int]]:
        """Yield the elements that are in no other element of an array than the one that was chosen of it."""
        nodes = [self]
        while nodes:
            node = nodes.pop()
            if node._element is not None:
                yield node._element
            for array, members in node._below.items():
                if array not in chosen:
                    nodes += members.values()
                elif chosen[array] in members:
                    nodes.append(members[chosen[array]])


def _fit_together(places: Sequence[_Place]) -> bool:
    """
    Return whether a leaf of each place can be chosen so that no array has two elements chosen (FLT-052).

    Of what was chosen, a state keeps the arrays that later places know. Two ways to the same state are one, there is no
    recursion, and a state looks at the elements only that fit it: neither long arrays nor independent ones nor many
    paths make it costly.
    """
    last_known = {array: number for number, place in enumerate(places) for element in place.here for array in element}
    if not last_known:
        return all(place.accepted for place in places)
    trees = [_Tree.of(place.accepted) for place in places]
    start: tuple[int, tuple[tuple[int, int], ...]] = (0, ())
    states, seen = [start], {start}
    present: dict[int, _Tree] = {}
    while states:
        number, items = states.pop()
        if number == len(places):
            return True
        chosen = dict(items)
        fitting: Iterable[dict[int, int]] = trees[number].fitting(chosen)
        if places[number].may_be_missing:
            if number not in present:
                present[number] = _Tree.of(places[number].here)
            if next(present[number].fitting(chosen), None) is None:
                fitting = [{}]
        for element in fitting:
            both = {**chosen, **element}
            state = (number + 1, tuple(sorted(item for item in both.items() if last_known[item[0]] > number)))
            if state not in seen:
                seen.add(state)
                states.append(state)
    return False


class Pattern:
    """
    A compiled pattern.

    Args:
        text: As it was given.
        branches: What it asks for.
    """

    __slots__ = ("_wanted", "branches", "prefixes", "text")

    def __init__(self, text: str, branches: Sequence[Branch]) -> None:
        self.text = text
        self.branches = tuple(branches)
        self._wanted = {path: None for branch in branches for path in branch.paths}
        #: the paths, and all paths above them
        self.prefixes = {prefix: None for path in self._wanted for prefix in (path, *_prefixes_of(path))}

    def matches(self, record: object) -> bool:
        """Return whether a record, given as Python objects of JSON, is accepted; what JSON cannot hold is not."""
        try:
            value = texts.normalise(record)
        except ValueError:
            return False
        return self.matches_value(value)

    def matches_text(self, text: str) -> bool:
        """Return whether a record, given as JSON text, is accepted; a text that is no JSON is not."""
        try:
            value = texts.parse(text)
        except ValueError:
            return False
        return self.matches_value(value)

    def matches_value(self, value: Any) -> bool:
        """Return whether a record is accepted that `texts.parse` has read."""
        leaves = self.leaves_of(value)
        return any(branch.matches(leaves) for branch in self.branches)

    def leaves_of(self, value: Any) -> Leaves:
        """Return the leaves at the paths that the pattern names (FLT-040 to FLT-043)."""
        leaves: Leaves = {}
        arrays = 0

        def walk(value: Any, path: str | None, element: dict[int, int]) -> None:
            nonlocal arrays
            if isinstance(value, dict):
                for key, member in value.items():
                    below = key if path is None else f"{path}.{key}"
                    if below in self.prefixes:
                        walk(member, below, element)
            elif isinstance(value, list):
                arrays += 1
                array = arrays
                for index, member in enumerate(value):
                    is_leaf = not isinstance(member, dict | list)
                    walk(member, path, element if is_leaf else {**element, array: index})
            elif path is not None and path in self._wanted:
                leaves.setdefault(path, []).append((value, element))

        walk(value, None, {})
        return leaves

    def __repr__(self) -> str:
        """Show the text."""
        return f"<pattern {self.text}>"


def _prefixes_of(path: str) -> Iterator[str]:
    place = path.find(".")
    while place >= 0:
        yield path[:place]
        place = path.find(".", place + 1)


def compile_text(text: str, *, dialect: str = "eventbridge", is_textual: bool = False) -> Pattern:
    """
    Compile a pattern.

    Args:
        text: JSON.
        dialect: `lambda`, `pipes` or `eventbridge`.
        is_textual: Whether number literals need the same text (FLT-061).
    Raises:
        PatternError: What is wrong with it first.
    """
    try:
        root = texts.parse(text)
    except ValueError as error:
        raise PatternError("Malformed JSON", "") from error
    if not isinstance(root, dict):
        raise PatternError("Filter is not an object", "")
    compiler = _Compiler(is_textual=is_textual, knows_addresses=dialect == "eventbridge")
    branches = compiler.walk(root, None, [{}], in_or=False)
    allowed = DIALECTS[dialect]
    for name, path in compiler.operators:
        if allowed is not None and name not in allowed:
            raise PatternError(f"Operator {name} is not supported by the {dialect} dialect", path)
    return Pattern(text, [Branch(tuple(sorted(branch.items(), key=_path_of))) for branch in branches])


def _path_of(item: tuple[str, tuple[Test, ...]]) -> str:
    return item[0]


_Draft = dict[str, tuple[Test, ...]]  # a branch while it is compiled


class _Compiler:
    """Walks a pattern in the order of its text, and stops at the first defect (FLT-030)."""

    def __init__(self, *, is_textual: bool, knows_addresses: bool) -> None:
        self._is_textual = is_textual
        self._knows_addresses = knows_addresses
        self.operators: list[tuple[str, str]] = []  # in the order of the text, with their paths

    def walk(self, given: dict[str, Any], path: str | None, branches: list[_Draft], *, in_or: bool) -> list[_Draft]:
        """Put the tests of an object into the branches; return them, multiplied by each `$or` (FLT-029)."""
        if not given:
            raise PatternError("Empty objects are not allowed", path or "")
        for key, member in given.items():
            below = key if path is None else f"{path}.{key}"
            if key == "$or":
                branches = self._walk_or(member, path, branches)
                continue
            if in_or and key in _RESERVED_IN_OR:
                raise PatternError(f"{key} is Ruler reserved fieldName which cannot be used inside $or.", below)
            if isinstance(member, dict):
                branches = self.walk(member, below, branches, in_or=in_or)
            elif isinstance(member, list):
                tests = self._tests_of(member, below)
                for branch in branches:
                    branch[below] = tests
            else:
                raise PatternError(f'"{key}" must be an object or an array', below)
        return branches

    def _walk_or(self, given: Any, path: str | None, branches: list[_Draft]) -> list[_Draft]:
        where = "$or" if path is None else f"{path}.$or"
        if not isinstance(given, list):
            raise PatternError("It must be an Array followed with $or.", where)
        if any(not isinstance(alternative, dict) for alternative in given):
            raise PatternError("Only JSON object is allowed in array of $or relationship.", where)
        if len(given) < 2:
            raise PatternError("There must have at least 2 Objects in $or relationship.", where)
        found: list[_Draft] = []
        for alternative in given:
            found += self.walk(alternative, path, [dict(branch) for branch in branches], in_or=True)
            if len(found) > BRANCHES_MAX:
                raise PatternError("Too many $or combinations", where)
        return found

    def _tests_of(self, given: list[Any], path: str) -> tuple[Test, ...]:
        if not given:
            raise PatternError("Empty arrays are not allowed", path)
        return tuple([self._test_of(member, path) for member in given])

    def _test_of(self, given: Any, path: str) -> Test:
        if isinstance(given, list):
            raise PatternError("Match value must be String, number, true, false, or null", path)
        if not isinstance(given, dict):
            return literal(given, is_textual=self._is_textual, knows_addresses=self._knows_addresses)
        if not given:
            raise PatternError("Match expression name not found", path)
        if len(given) > 1:
            raise PatternError("Only one key allowed in match expression", path)
        ((name, operand),) = given.items()
        if name not in OPERATORS:
            raise PatternError(f"Unrecognized match type {name}", path)
        test = OPERATORS[name](operand, path)
        nested = next(iter(operand)) if isinstance(operand, dict) else None
        self.operators.append((name if nested is None else f"{name}/{nested}", path))
        return test


__all__ = ["BRANCHES_MAX", "DIALECTS", "Branch", "Leaves", "Pattern", "PatternError", "compile_text"]
