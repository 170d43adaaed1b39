"""
A naive matcher of event patterns: lists and loops, written from the rules and not from our matcher.

Numbers are `Num`, with the text that they have in JSON; objects are dicts, and patterns are the Python of their JSON.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import NamedTuple

ABSENT = {"exists": False}


class Num(NamedTuple):
    """A number of a JSON text."""

    text: str


def to_json(value) -> str:
    """Return the text of a value."""
    match value:
        case Num(text):
            return text
        case dict():
            return "{" + ",".join(f"{json.dumps(key)}:{to_json(member)}" for key, member in value.items()) + "}"
        case list():
            return "[" + ",".join(map(to_json, value)) + "]"
    return json.dumps(value)


# ---- numbers, strings, addresses


def comparable(number) -> float | None:
    """Return the float of a number, if it says what the text says (FLT-063)."""
    value = float(number.text)
    return value if math.isfinite(value) and Decimal(repr(value)) == Decimal(number.text) else None


def equal_numbers(one, other) -> bool:
    """Whether two numbers are equal by value."""
    return comparable(one) is not None and comparable(one) == comparable(other)


def same_but_for_case(wanted, value) -> bool:
    """FLT-068, a character at a time."""
    if len(wanted) != len(value):
        return False
    for mine, theirs in zip(wanted, value, strict=True):
        variants = [mine.lower(), mine.upper()]
        if any(len(variant) != 1 for variant in variants):
            variants = []
        if theirs != mine and theirs not in variants:
            return False
    return True


def fits_wildcard(wanted, value) -> bool:
    """FLT-073, by trying everything."""
    if not wanted:
        return not value
    if wanted[0] == "*":
        return any(fits_wildcard(wanted[1:], value[skipped:]) for skipped in range(len(value) + 1))
    if wanted[0] == "\\":
        wanted = wanted[1:]
    return value[:1] == wanted[0] and fits_wildcard(wanted[1:], value[1:])


def address_of(text):
    """Return the address that a text is, or None."""
    try:
        return ip_address(text)
    except ValueError:
        return None


# ---- tests of a leaf


def accepts(test, leaf, dialect, equality) -> bool:
    """Whether one test, which is not `exists: false`, accepts a leaf (FLT-060 to FLT-075)."""
    if isinstance(test, dict):
        ((name, operand),) = test.items()
        return accepts_operator(name, operand, leaf)
    if isinstance(test, Num):
        if not isinstance(leaf, Num):
            return False
        return test.text == leaf.text or (equality == "value" and equal_numbers(test, leaf))
    if isinstance(test, str):
        if not isinstance(leaf, str):
            return False
        is_address = dialect == "eventbridge" and address_of(test) is not None
        return test == leaf or (is_address and address_of(test) == address_of(leaf))
    return test is leaf


def accepts_operator(name, operand, leaf) -> bool:
    """Whether a test object accepts a leaf."""
    if name == "exists":
        return True
    if name == "anything-but":
        return accepts_anything_but(operand, leaf)
    if name == "numeric":
        return accepts_number(operand, leaf)
    if not isinstance(leaf, str):
        return False
    if isinstance(operand, dict):  # `equals-ignore-case` of as many characters from the beginning, or from the end
        wanted = operand["equals-ignore-case"]
        if len(leaf) < len(wanted):
            return False
        part = leaf[: len(wanted)] if name == "prefix" else leaf[len(leaf) - len(wanted) :]
        return same_but_for_case(wanted, part)
    match name:
        case "prefix":
            return leaf[: len(operand)] == operand
        case "suffix":
            return leaf[max(0, len(leaf) - len(operand)) :] == operand
        case "equals-ignore-case":
            return same_but_for_case(operand, leaf)
        case "wildcard":
            return fits_wildcard(operand, leaf)
        case "exactly":
            return operand == leaf
        case "cidr":
            return address_of(leaf) is not None and address_of(leaf) in ip_network(operand, strict=False)
    raise AssertionError(name)


def accepts_anything_but(operand, leaf) -> bool:
    """FLT-069, FLT-070."""
    if isinstance(operand, dict):
        ((name, texts),) = operand.items()
        texts = texts if isinstance(texts, list) else [texts]
        return not any(accepts_operator(name, text, leaf) for text in texts)
    for member in operand if isinstance(operand, list) else [operand]:
        if isinstance(member, str) and isinstance(leaf, str) and member == leaf:
            return False
        if isinstance(member, Num) and isinstance(leaf, Num) and equal_numbers(member, leaf):
            return False
    return True


def accepts_number(operand, leaf) -> bool:
    """FLT-065."""
    if not isinstance(leaf, Num) or comparable(leaf) is None:
        return False
    value = comparable(leaf)
    for operator, bound in zip(operand[::2], operand[1::2], strict=True):
        limit = comparable(bound)
        holds = {
            "=": value == limit,
            "<": value < limit,
            "<=": value <= limit,
            ">": value > limit,
            ">=": value >= limit,
        }
        if not holds[operator]:
            return False
    return True


# ---- patterns and records


def branches_of(pattern, path="", branches=None) -> list[dict]:
    """Return the branches of a pattern: for each way through its `$or`s, the tests by path (FLT-029)."""
    branches = [{}] if branches is None else branches
    for key, member in pattern.items():
        if key == "$or":
            copies = [[dict(branch) for branch in branches] for _ in member]
            found = [branches_of(alternative, path, copy) for alternative, copy in zip(member, copies, strict=True)]
            branches = [branch for part in found for branch in part]
        elif isinstance(member, dict):
            branches = branches_of(member, f"{path}{key}.", branches)
        else:
            for branch in branches:
                branch[f"{path}{key}"] = member
    return branches


def leaves_of(record) -> list:
    """Return path, value and membership of every leaf of a record (FLT-040 to FLT-043)."""
    leaves, arrays = [], []

    def walk(value, keys, membership):
        if isinstance(value, dict):
            for key, member in value.items():
                walk(member, [*keys, key], membership)
        elif isinstance(value, list):
            arrays.append(value)
            mine = len(arrays)
            for index, member in enumerate(value):
                is_container = isinstance(member, dict | list)
                walk(member, keys, {**membership, mine: index} if is_container else membership)
        elif keys:
            leaves.append((".".join(keys), value, membership))

    walk(record, [], {})
    return leaves


def match_branch(branch, leaves, dialect, equality) -> bool:
    """FLT-052 to the letter."""
    paths = sorted(branch)

    def go(place, chosen):
        if place == len(paths):
            return True
        path = paths[place]
        here = [
            (value, {**chosen, **membership})
            for (where, value, membership) in leaves
            if where == path and all(chosen.get(array, index) == index for array, index in membership.items())
        ]
        if not here and any(test == ABSENT for test in branch[path]) and go(place + 1, chosen):
            return True
        for value, together in here:
            fits = any(test != ABSENT and accepts(test, value, dialect, equality) for test in branch[path])
            if fits and go(place + 1, together):
                return True
        return False

    return go(0, {})


def matches(pattern, record, dialect="eventbridge", equality="value") -> bool:
    """Whether a pattern accepts a record."""
    leaves = leaves_of(record)
    return any(match_branch(branch, leaves, dialect, equality) for branch in branches_of(pattern))


__all__ = ["Num", "branches_of", "matches", "to_json"]
