"""
The rules: every one that is cited has an entry in `docs/rules`, and every entry has a test that names it.

Code and tests are read as text and with `ast`. Nothing is imported: what is broken elsewhere breaks nothing here.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
RULES: Final = ROOT / "docs" / "rules"

# Where the ids of each prefix have their entries.
FILES: Final = {
    "SQS": "sqs.md",
    "LAM": "lambda.md",
    "ASY": "asynchronous.md",
    "ESM": "esm.md",
    "FLT": "filtering.md",
}
STATUSES: Final = ("documented", "observed", "assumed")

ID: Final = re.compile(r"(SQS|LAM|ASY|ESM|FLT)-\d{3}")
CITATION: Final = re.compile(r"\b(SQS|LAM|ASY|ESM|FLT)-(\d{3}(?:, \d{3}\b)*)")  # `SQS-302, 303` cites two
SECTION: Final = re.compile(r"\b(SQS|LAM|ASY|ESM|FLT) §(\d+)(?: to §(\d+))?")
HEADING: Final = re.compile(r"^## (\d+)\. ", re.MULTILINE)


class Entry(NamedTuple):
    """One rule, as its row has it."""

    file: str
    id: str
    rule: str
    source: str
    status: str


def rows(text: str) -> list[list[str]]:
    """Return the cells of all rows of all tables of a page, without heads and rules."""
    lines = [line.strip() for line in text.splitlines()]
    found = []
    for place, line in enumerate(lines):
        is_head = place + 1 < len(lines) and re.fullmatch(r"\|(-+\|)+", lines[place + 1]) is not None
        if line.startswith("|") and not is_head and not re.fullmatch(r"\|(-+\|)+", line):
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


@cache
def entries() -> tuple[Entry, ...]:
    """Return all entries in the order of the files."""
    found = []
    for name in FILES.values():
        for cells in rows((RULES / name).read_text(encoding="utf-8")):
            assert 4 == len(cells), f"{name}: {cells} is no row of four cells"
            found.append(Entry(name, *cells))
    return tuple(found)


def not_yet_tested() -> dict[str, str]:
    """Return the reasons why some entries have no test, by id."""
    text = (RULES / "README.md").read_text(encoding="utf-8")
    _, _, part = text.partition("## Not yet tested")
    return {rule: reason for ids, reason in rows(part) for rule in ids.split(", ")}


def cited(text: str) -> Iterator[str]:
    """Yield the ids that a text cites, each as often as it does; of a range both ends."""
    for prefix, numbers in CITATION.findall(text):
        for number in numbers.split(", "):
            yield f"{prefix}-{number}"


def named(source: str) -> Iterator[tuple[str, bool]]:
    """Yield what `pytest.mark.rule(…)` is called with in a module, whatever it decorates; and whether that is slow."""
    slow: list[ast.expr] = []  # decorators of slow tests; a function comes before its decorators
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and any(is_mark(decorator, "slow") for decorator in node.decorator_list):
            slow += node.decorator_list
        if isinstance(node, ast.Call) and is_mark(node.func, "rule"):
            for argument in node.args:
                yield (argument.value if isinstance(argument, ast.Constant) else ast.unparse(argument)), node in slow


def is_mark(node: ast.expr, name: str) -> bool:
    """Whether this is `pytest.mark.name`."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "mark"
    )


def sources(folder: str) -> Iterator[tuple[str, str]]:
    """Yield (path inside the repository, text) of the Python files of a folder, in order."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        yield file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")


@cache
def marks() -> tuple[tuple[str, str, bool], ...]:
    """Return what the marks of the tests name: path, rule, and whether the test is slow."""
    return tuple((path, *found) for path, text in sources("tests") for found in named(text))


def names_of_tests() -> dict[str, list[str]]:
    """Return the files that name a rule in a mark, by what they name."""
    found: dict[str, list[str]] = {}
    for path, name, _ in marks():
        found.setdefault(name, []).append(path)
    return found


def test_each_rule_has_one_entry_in_its_file() -> None:
    """No id comes twice, and each stands in the file of its prefix."""
    counts = Counter(entry.id for entry in entries())
    assert [] == [rule for rule, count in counts.items() if count > 1]
    for entry in entries():
        assert ID.fullmatch(entry.id), f"{entry.file}: {entry.id!r} is no id"
        assert entry.file == FILES[entry.id[:3]], f"{entry.id} belongs into {FILES[entry.id[:3]]}"


@pytest.mark.parametrize("name", FILES.values())
def test_entries_are_in_order(name: str) -> None:
    """A reader who looks for a number finds it where it belongs."""
    ids = [entry.id for entry in entries() if entry.file == name]
    assert sorted(ids) == ids


def test_each_entry_says_what_holds_and_where_it_is_from() -> None:
    """Every entry is a sentence with a source and one of the three words."""
    problems = []
    for entry in entries():
        if not entry.rule.endswith(".") or len(entry.rule.split()) < 5:
            problems.append(f"{entry.file}: {entry.id}: {entry.rule!r} is no sentence")
        if not entry.source:
            problems.append(f"{entry.file}: {entry.id} has no source")
        if entry.status not in STATUSES:
            problems.append(f"{entry.file}: {entry.id}: {entry.status!r} is none of {', '.join(STATUSES)}")
    assert [] == problems


def test_each_rule_that_code_cites_has_an_entry() -> None:
    """A citation in the package leads somewhere."""
    known = {entry.id for entry in entries()}
    missing = [f"{path}: {rule}" for path, text in sources("lambdasim") for rule in cited(text) if rule not in known]
    assert [] == sorted(dict.fromkeys(missing))


def test_each_section_that_code_cites_exists() -> None:
    """So does `ESM §6`: the files have sections of these numbers."""
    sections = {
        prefix: set(HEADING.findall((RULES / name).read_text(encoding="utf-8"))) for prefix, name in FILES.items()
    }
    missing = [
        f"{path}: {prefix} §{number}"
        for path, text in sources("lambdasim")
        for prefix, *numbers in SECTION.findall(text)
        for number in numbers
        if number and number not in sections[prefix]
    ]
    assert [] == missing


def test_each_step_that_code_cites_is_listed() -> None:
    """And so does `(S6, S7)`: the steps of the state machine of a mapping stand below its entries."""
    steps = set(re.findall(r"^- \*\*(S\d+)\*\* ", (RULES / FILES["ESM"]).read_text(encoding="utf-8"), re.MULTILINE))
    missing = [
        f"{path}: {step}"
        for path, text in sources("lambdasim/esm")
        for step in re.findall(r"\bS\d{1,2}\b", text)
        if step not in steps
    ]
    assert [] == missing


def test_each_rule_that_tests_name_has_an_entry() -> None:
    """A test that would fail without a rule names one that there is."""
    known = {entry.id for entry in entries()}
    assert {} == {name: paths for name, paths in names_of_tests().items() if name not in known}


def test_each_entry_has_a_test_or_a_reason() -> None:
    """An entry that no test names stands in the table of those not yet tested, with a reason, and no other does."""
    tested, excused = names_of_tests(), not_yet_tested()
    assert [] == [entry.id for entry in entries() if entry.id not in tested and entry.id not in excused]
    assert [] == [rule for rule in excused if rule in tested], "these have a test: take them off the table"
    assert [] == [rule for rule, reason in excused.items() if not reason]
    known = {entry.id for entry in entries()}
    assert [] == [rule for rule in excused if rule not in known]


def test_no_rule_has_slow_tests_only() -> None:
    """Every run of the tests looks at every rule; slow tests look longer."""
    slow, others = ({name for _, name, is_slow in marks() if is_slow is wanted} for wanted in (True, False))
    assert slow
    assert [] == sorted(slow - others)


def test_citations_and_names_are_read() -> None:
    """Ids are found in all the forms in which code and tests write them."""
    assert ["SQS-302", "SQS-303", "LAM-001"] == list(cited("as (SQS-302, 303) and LAM-001 say"))
    assert ["SQS-020", "SQS-029"] == list(cited("Rules: SQS-020 to SQS-029."))
    assert [] == list(cited("ESM §6 and SQS-12"))
    source = '@pytest.mark.rule("SQS-240", "SQS-241")\ndef test(): pass\npytestmark = [pytest.mark.rule("LAM-001")]\n'
    assert [("SQS-240", False), ("SQS-241", False), ("LAM-001", False)] == list(named(source))
    assert [("SQS-240", True)] == list(named('@pytest.mark.slow\n@pytest.mark.rule("SQS-240")\ndef test(): pass\n'))
    assert [("IDS", False)] == list(named("pytest.mark.rule(IDS)"))
    assert [["a", "b"]] == rows("| id | x |\n|---|---|\n| a | b |\ntext | of | no table\n")
