"""
What a pattern asks of one leaf: each test is a callable of the value (FLT-060 to FLT-075).

A value is a `str`, a `Number`, True, False or None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from operator import ge, gt, le, lt
from typing import Any, Final

from lambdasim.filtering.texts import Number

Test = Callable[[Any], bool]


class PatternError(Exception):
    """A defect of a pattern."""

    def __init__(self, reason: str, path: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


def EXISTS_FALSE(_value: object) -> bool:  # noqa: N802 - a constant that happens to be called like the other tests
    """Accept no leaf: what is asked for is that there is none (FLT-072)."""
    return False


def literal(value: Any, *, is_textual: bool, knows_addresses: bool) -> Test:
    """Return the test for a value as it stands in the pattern (FLT-060 to FLT-064)."""
    if isinstance(value, Number):
        return _number(value, is_textual=is_textual)
    if isinstance(value, str):
        address = _address(value) if knows_addresses else None
        if address is None:
            return lambda leaf: type(leaf) is str and leaf == value
        return lambda leaf: type(leaf) is str and (leaf == value or _address(leaf) == address)
    return lambda leaf: leaf is value


def _number(number: Number, *, is_textual: bool) -> Test:
    text, wanted = number.text, None if is_textual else number.value

    def accepts(leaf: Any) -> bool:
        if type(leaf) is not Number:
            return False
        return leaf.text == text or (wanted is not None and leaf.value == wanted)

    return accepts


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def exists(operand: Any, path: str) -> Test:
    """Return the test `exists` (FLT-071, FLT-072)."""
    if operand is True:
        return lambda _leaf: True
    if operand is False:
        return EXISTS_FALSE
    raise PatternError("exists match pattern must be either true or false.", path)


def exactly(operand: Any, path: str) -> Test:
    """Return the test `exactly` (FLT-075)."""
    wanted = _text("exactly", operand, path)
    return lambda leaf: type(leaf) is str and leaf == wanted


def equals_ignore_case(operand: Any, path: str) -> Test:
    """Return the test `equals-ignore-case` (FLT-068)."""
    matches = _caseless(_text("equals-ignore-case", operand, path))
    return lambda leaf: type(leaf) is str and matches(leaf)


def prefix(operand: Any, path: str) -> Test:
    """Return the test `prefix` (FLT-066)."""
    caseless = _nested_caseless("prefix", operand, path)
    if caseless is not None:
        length, matches = len(caseless), _caseless(caseless)
        return lambda leaf: type(leaf) is str and matches(leaf[:length])
    wanted = _text("prefix", operand, path)
    return lambda leaf: type(leaf) is str and leaf.startswith(wanted)


def suffix(operand: Any, path: str) -> Test:
    """Return the test `suffix` (FLT-067)."""
    caseless = _nested_caseless("suffix", operand, path)
    if caseless is not None:
        length, matches = len(caseless), _caseless(caseless)
        return lambda leaf: type(leaf) is str and matches(leaf[len(leaf) - length :])
    wanted = _text("suffix", operand, path)
    return lambda leaf: type(leaf) is str and leaf.endswith(wanted)


def wildcard(operand: Any, path: str) -> Test:
    """Return the test `wildcard` (FLT-073)."""
    matches = _wildcard(_text("wildcard", operand, path), path)
    return lambda leaf: type(leaf) is str and matches(leaf)


def numeric(operand: Any, path: str) -> Test:
    """Return the test `numeric` (FLT-065)."""
    if not isinstance(operand, list):
        raise PatternError("Value of numeric must be an array.", path)
    rest = list(operand)
    first = _operator(rest, path)
    if first == "=":
        wanted = _bound("equals", rest, path)
        _end(rest, path)
        return _compared(lambda value: value == wanted)
    bound = _bound(first, rest, path)
    if first in ("<", "<="):
        _end(rest, path)
        below = _COMPARISONS[first]
        return _compared(lambda value: below(value, bound))
    above = _COMPARISONS[first]
    if not rest:
        return _compared(lambda value: above(value, bound))
    second = _operator(rest, path)
    if second not in ("<", "<="):
        raise PatternError(f"Bad numeric range operator: {second}", path)
    top = _bound(second, rest, path)
    _end(rest, path)
    if not bound < top:
        raise PatternError("Bottom must be less than top", path)
    below = _COMPARISONS[second]
    return _compared(lambda value: above(value, bound) and below(value, top))


_COMPARISONS: Final = {"<": lt, "<=": le, ">": gt, ">=": ge}


def _compared(accepts: Callable[[float], bool]) -> Test:
    def test(leaf: Any) -> bool:
        value = leaf.value if type(leaf) is Number else None
        return value is not None and accepts(value)

    return test


def _operator(rest: list[Any], path: str) -> str:
    found = rest.pop(0) if rest else None
    if not isinstance(found, str) or found not in ("=", "<", "<=", ">", ">="):
        raise PatternError(f"Unrecognized numeric range operator: {found}", path)
    return found


def _bound(name: str, rest: list[Any], path: str) -> float:
    found = rest.pop(0) if rest else None
    if not isinstance(found, Number):
        raise PatternError(f"Value of {name} must be numeric", path)
    return _comparable(found, path)


def _comparable(number: Number, path: str) -> float:
    if number.value is None:
        raise PatternError(f"Cannot compare number : {number.text}", path)
    return number.value


def _end(rest: list[Any], path: str) -> None:
    if rest:
        raise PatternError("Too many elements in numeric expression", path)


def anything_but(operand: Any, path: str) -> Test:
    """Return the test `anything-but` (FLT-069, FLT-070)."""
    if isinstance(operand, dict):
        return _anything_but_like(operand, path)
    if isinstance(operand, str | Number):
        operand = [operand]
    if not isinstance(operand, list):
        raise PatternError("Value of anything-but must be an array or single string/number value.", path)
    if any(not isinstance(member, str | Number) for member in operand):
        raise PatternError("Inside anything but list, start|null|boolean is not supported.", path)
    texts = {member: None for member in operand if isinstance(member, str)}
    numbers = {_comparable(member, path): None for member in operand if isinstance(member, Number)}
    if bool(texts) == bool(numbers):
        raise PatternError(
            "Inside anything but list, either all values are number or string, mixed type is not supported", path
        )

    def test(leaf: Any) -> bool:
        if type(leaf) is str:
            return leaf not in texts
        return type(leaf) is not Number or leaf.value not in numbers

    return test


def _anything_but_like(operand: dict[str, Any], path: str) -> Test:
    if len(operand) != 1:
        what = "Only one key allowed in match expression" if operand else "Match expression name not found"
        raise PatternError(what, path)
    ((name, given),) = operand.items()
    if name not in _LIKE:
        raise PatternError(f"Unsupported anything-but pattern: {name}", path)
    texts = given if isinstance(given, list) else [given]
    if not texts or any(not isinstance(text, str) for text in texts):
        raise PatternError(f"{name} match pattern must be a string", path)
    if name in ("prefix", "suffix") and "" in texts:
        raise PatternError("Null prefix/suffix not allowed", path)
    tests = [_LIKE[name](text, path) for text in texts]
    return lambda leaf: type(leaf) is not str or not any(test(leaf) for test in tests)


_LIKE: Final[dict[str, Callable[[Any, str], Test]]] = {
    "prefix": prefix,
    "suffix": suffix,
    "equals-ignore-case": equals_ignore_case,
    "wildcard": wildcard,
}


def cidr(operand: Any, path: str) -> Test:
    """Return the test `cidr` (FLT-074)."""
    given = _text("cidr", operand, path)
    address, slash, bits = given.partition("/")
    if not slash or "/" in bits:
        raise PatternError("Malformed CIDR, one '/' required", path)
    found = _address(address)
    if found is None:
        raise PatternError(f"Nonstandard IP address: {address}", path)
    if not (bits.isdecimal() and bits.isascii()):
        raise PatternError("Malformed CIDR, mask bits must be an integer", path)
    if len(bits.lstrip("0")) > 3 or int(bits) >= found.max_prefixlen:
        raise PatternError(f"IPv{found.version} mask bits must be < {found.max_prefixlen}", path)
    network: IPv4Network | IPv6Network = ip_network(f"{address}/{int(bits)}", strict=False)

    def test(leaf: Any) -> bool:
        inside = _address(leaf) if type(leaf) is str else None
        return inside is not None and inside.version == network.version and inside in network

    return test


#: by operator: what makes the test of an operand
OPERATORS: Final[dict[str, Callable[[Any, str], Test]]] = {
    "anything-but": anything_but,
    "cidr": cidr,
    "equals-ignore-case": equals_ignore_case,
    "exactly": exactly,
    "exists": exists,
    "numeric": numeric,
    "prefix": prefix,
    "suffix": suffix,
    "wildcard": wildcard,
}


# ---- texts


def _text(name: str, operand: Any, path: str) -> str:
    if not isinstance(operand, str):
        raise PatternError(f"{name} match pattern must be a string", path)
    return operand


def _nested_caseless(name: str, operand: Any, path: str) -> str | None:
    """Return the text of `{"equals-ignore-case": text}`; None for another operand."""
    if not isinstance(operand, dict):
        return None
    if list(operand) != ["equals-ignore-case"] or not isinstance(operand["equals-ignore-case"], str):
        raise PatternError(f"{name} match pattern must be a string", path)
    return operand["equals-ignore-case"]


def _caseless(wanted: str) -> Callable[[str], bool]:
    allowed: Sequence[str] = [_variants(character) for character in wanted]

    def matches(text: str) -> bool:
        return len(text) == len(allowed) and all(map(str.__contains__, allowed, text))

    return matches


def _variants(character: str) -> str:
    lower, upper = character.lower(), character.upper()
    return character + lower + upper if len(lower) == len(upper) == 1 else character


def _wildcard(text: str, path: str) -> Callable[[str], bool]:
    parts, place = [""], 0
    while place < len(text):
        character = text[place]
        if character == "*":
            if text[place + 1 : place + 2] == "*":
                raise PatternError(f"Consecutive wildcard characters at pos {place + 1}", path)
            parts.append("")
        elif character == "\\":
            if text[place + 1 : place + 2] not in ("*", "\\"):
                raise PatternError(f"Invalid escape character at pos {place + 1}", path)
            place += 1
            parts[-1] += text[place]
        else:
            parts[-1] += character
        place += 1
    return _matcher_of(parts)


def _matcher_of(parts: Sequence[str]) -> Callable[[str], bool]:
    """Return what looks for the parts one after the other, anything in between: linear, however many stars."""
    first, *middle, last = parts if len(parts) > 1 else (parts[0], parts[0])
    if len(parts) == 1:
        return lambda text: text == first

    def matches(text: str) -> bool:
        if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
            return False
        place, end = len(first), len(text) - len(last)
        for part in middle:
            found = text.find(part, place, end)
            if found < 0:
                return False
            place = found + len(part)
        return True

    return matches
