"""Each known bug is found as people would look for it, told in few steps, and found again by its script."""

from __future__ import annotations

import re
from functools import cache

import pytest

from lambdasim.clock.choices import parse_script
from tests.handlers.bugs import BY_NAME

RUNS_MAX = 600
LONG = ("smallest_so_far", "price_kept_in_memory", "lease_ends_while_at_work")  # hundreds of runs
MESSAGES_MAX = 3

pytestmark = [
    pytest.mark.parametrize(
        "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in BY_NAME]
    ),
    pytest.mark.filterwarnings("ignore:.*returned batchItemFailures, and the mapping:UserWarning"),
    pytest.mark.filterwarnings("ignore:Couldn't determine the remaining time left:UserWarning"),
]


@cache
def found(name):
    """Return what `assert_idempotent` says of a bug when it is asked nothing special."""
    with pytest.raises(AssertionError) as raised:
        BY_NAME[name].play()
    return str(raised.value), tuple(raised.value.__notes__)


def script_of(notes):
    match = re.search(r'replay="(.*)"\)', notes[-1])
    return match[1] if match else ""


def without_head(text):
    """Return a failure without the line that says in which run it was found."""
    return text.partition("\n")[2]


def test_it_is_found_soon_and_with_little(name):
    text, notes = found(name)
    head = re.match(
        r"the handler is not idempotent: (\d) messages? and (\d|no) misfortunes? .*\(found in run (\d+)\)", text
    )
    messages, misfortunes, run = (0 if word == "no" else int(word) for word in head.groups())
    bug = BY_NAME[name]
    assert messages <= min(MESSAGES_MAX, len(bug.messages))
    assert bug.misfortunes == misfortunes
    assert run <= RUNS_MAX
    assert {step.name.rpartition(".")[2] for step in parse_script(script_of(notes))} <= bug.by


def test_its_story_tells_what_matters(name):
    _, notes = found(name)
    for phrase in BY_NAME[name].story:
        assert phrase in notes[0]


def test_its_script_finds_it_again(name):
    text, notes = found(name)
    with pytest.raises(AssertionError) as raised:
        BY_NAME[name].play(replay=script_of(notes), runs=0)
    assert without_head(text) == without_head(str(raised.value))
    assert notes == tuple(raised.value.__notes__)


def test_its_docstring_says_what_is_wrong(name):
    assert BY_NAME[name].docstring.endswith(".")
