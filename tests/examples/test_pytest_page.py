"""docs/pytest.md shows tests: pytest runs them, and reports what the page says."""

from __future__ import annotations

from typing import Final

import pytest

from tests.examples.test_docs import ROOT, Block, blocks
from tests.unit.testing.test_plugin import LOADED

pytest_plugins = ["pytester"]

PAGE: Final = list(blocks(ROOT / "docs" / "pytest.md"))
MODULES: Final = [block for block in PAGE if block.language == "py"]
TESTS: Final = [each for each in zip(PAGE, [*PAGE[1:], None], strict=True) if each[0].language == "python"]


@pytest.fixture
def show(pytester, monkeypatch):
    """Return what shows the end of the report of a test that fails; None for one that passes."""
    for name in ("CI", "BUILD_NUMBER"):  # with which pytest shows all of a difference
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    for module in MODULES:
        name = module.text.splitlines()[0].removeprefix("# ")
        (pytester.path / name).write_text(module.text, encoding="utf-8")
    pytester.syspathinsert()

    def show(block):
        (pytester.path / "test_page.py").write_text(block.text, encoding="utf-8")
        result = pytester.runpytest_inprocess(*LOADED, "-p", "no:cacheprovider", "--strict-markers")
        if result.ret == pytest.ExitCode.OK:
            return None
        report = result.stdout.str().replace(f"{pytester.path}/", "/home/you/")
        lines = [f"{line.rstrip()}\n" for line in report.splitlines()]
        begin = next(place for place, line in enumerate(lines) if line.startswith(">  "))
        end = next(place for place, line in enumerate(lines) if line.startswith("====") and place > begin)
        return "".join(lines[begin:end])

    return show


@pytest.mark.parametrize(("block", "after"), [pytest.param(*each, id=str(each[0].line)) for each in TESTS])
def test_tests_of_the_page_are_reported_as_it_says(show, block: Block, after: Block | None):
    """A block of `console` after a test is the end of its report; without one the test passes."""
    expected = after.text if after is not None and after.language == "console" else None
    assert show(block) == expected
