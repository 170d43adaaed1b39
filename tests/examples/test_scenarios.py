"""The scenarios of the documents run, and print what lies beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lambdasim.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
SCENARIOS = sorted(EXAMPLES.glob("*.toml"))
LONG = {"order_pipeline": "duration=1 h", "backlog_drain": "arrivals.0.count=5000"}  # what makes them short


def test_there_are_scenarios_to_begin_with():
    """A steady pipeline, a backlog, and reserved concurrency, each with what it prints; and no answer without one."""
    names = {file.stem for file in SCENARIOS}
    assert {"order_pipeline", "backlog_drain", "reserved_concurrency"} <= names
    assert names == {file.stem for file in EXAMPLES.glob("*.out")}


@pytest.mark.parametrize(
    "file",
    [pytest.param(file, id=file.stem, marks=[pytest.mark.slow] if file.stem in LONG else []) for file in SCENARIOS],
)
def test_a_scenario_prints_what_lies_beside_it(file, capsys):
    """To the letter, on every Python."""
    with pytest.raises(SystemExit) as ended:
        main(["run", str(file)])
    assert not ended.value.code
    assert file.with_suffix(".out").read_text(encoding="utf-8") == capsys.readouterr().out


@pytest.mark.parametrize("name", LONG)
def test_a_long_scenario_made_short_loses_nothing(name, capsys):
    """Everything in it is known to this version, and what was sent is somewhere."""
    with pytest.raises(SystemExit) as ended:
        main(["run", str(EXAMPLES / f"{name}.toml"), "--json", "--set", LONG[name]])
    assert not ended.value.code
    total = json.loads(capsys.readouterr().out)["total"]
    assert 0 < total["sent"] == total["processed"] + total["expired"] + total["left"]


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_a_scenario_says_how_it_is_run(file):
    """Its comment holds the command."""
    assert f"#   lambdasim run docs/examples/{file.name}" in file.read_text(encoding="utf-8")


def test_the_cure_of_reserved_concurrency_is_one_line(capsys):
    """With the line that its comment names nothing is dead-lettered; without, messages that never ran are."""
    file = EXAMPLES / "reserved_concurrency.toml"
    text = file.read_text(encoding="utf-8")
    assert "# maximum_concurrency = 2 " in text
    outputs = []
    for options in ([], ["--set", "mappings.0.maximum_concurrency=2"]):
        with pytest.raises(SystemExit):
            main(["run", str(file), "--json", *options])
        outputs.append(capsys.readouterr().out)
    sick, cured = ({line.strip().rstrip(",") for line in output.splitlines()} for output in outputs)
    assert '"failed": 0' in sick
    assert '"dead_lettered": 26' in sick
    assert '"left_never_invoked": 26' in sick
    assert '"dead_lettered": 0' in cured
    assert '"processed": 300' in cured
