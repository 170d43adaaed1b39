"""How what happened is put in words: long texts are cut, names are listed shortly, errors show themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

CHARS: Final = 40


def shorten(text: str, chars: int = CHARS) -> str:
    """
    Return a text in one line of at most so many characters.

    >>> shorten("a long way to go", 10)
    'a long ...'
    """
    line = " ".join(text.split())
    return line if len(line) <= chars else f"{line[: chars - 3]}..."


def shown(value: object, chars: int = CHARS) -> str:
    """
    Return a value as Python writes it, cut short; also one that cannot be printed.

    >>> shown({"n": 1}), shown(ValueError("no"))
    ("{'n': 1}", "ValueError('no')")
    """
    if isinstance(value, str):
        return repr(value if len(value) <= chars else f"{value[: chars - 3]}...")
    try:
        return shorten(repr(value), chars)
    except Exception:  # noqa: BLE001 - it is somebody else's code
        return f"<unprintable {type(value).__name__}>"


def listed(labels: Iterable[str]) -> str:
    """
    Return labels such as `orders#1` as a short list; those that follow one another become a range.

    >>> listed(["orders#1", "orders#2", "orders#3", "orders#5", "jobs#1"])
    'orders#1 to #3, #5, jobs#1'
    """
    ranges: list[tuple[str, int, int]] = []
    for label in labels:
        name, _, digits = label.rpartition("#")
        if not name or not digits.isdecimal():
            ranges.append((label, -1, -1))
            continue
        number = int(digits)
        if ranges and ranges[-1][0] == name and ranges[-1][2] == number - 1:
            ranges[-1] = (name, ranges[-1][1], number)
        else:
            ranges.append((name, number, number))
    texts, before = [], ""
    for name, first, last in ranges:
        head = name if first < 0 else f"#{first}" if name == before else f"{name}#{first}"
        texts.append(head if last == first else f"{head}, #{last}" if last == first + 1 else f"{head} to #{last}")
        before = name if first >= 0 else ""
    return ", ".join(texts)


def of_seconds(duration_us: int) -> str:
    """
    Return microseconds as seconds, with as many digits as needed.

    >>> of_seconds(30_000_000), of_seconds(1_500), of_seconds(90_000_000_000)
    ('30', '0.0015', '90,000')
    """
    whole, rest = divmod(abs(duration_us), 1_000_000)
    sign = "-" if duration_us < 0 else ""
    return f"{sign}{whole:,}" + (f".{rest:06d}".rstrip("0") if rest else "")
