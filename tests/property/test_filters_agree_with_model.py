"""
Whatever is asked of whatever record, in each dialect, our matcher agrees with a naive one, and it never raises.

Names and values are few, and there are many arrays of objects: what is asked for is often there, in another element.
"""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lambdasim import FilterModel, compile_pattern
from lambdasim.filtering import Filters
from tests.conftest import PROFILE
from tests.property import filter_model
from tests.property.filter_model import Num

EXAMPLES = 2_000 if PROFILE == "nightly" else settings().max_examples * 4 // 5

# ---- records

names = st.sampled_from(("a", "a", "b", "b", "c", "a.b"))
texts = st.sampled_from(("", "x", "X", "xy", "yx", "10.0.0.1", "::1", "0:0:0:0:0:0:0:1"))
numbers = st.sampled_from(("0", "-0.0", "1", "1.0", "10e-1", "2", "9007199254740993", "1e400")).map(Num)
leaves = st.one_of(
    st.sampled_from((Num("1"), Num("1"), "x", "x")), texts, numbers, st.sampled_from((None, True, False))
)
small_objects = st.dictionaries(st.sampled_from(("a", "b", "c")), st.sampled_from((Num("1"), "x", None)), max_size=3)
values = st.recursive(
    st.one_of(leaves, leaves, st.lists(small_objects, max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=8,
)
records = st.one_of(
    st.dictionaries(names, values, max_size=3),
    st.dictionaries(names, st.lists(small_objects, max_size=4), min_size=1, max_size=2),
    st.lists(st.dictionaries(names, values, max_size=2), max_size=2),
)

# ---- patterns

bounds = st.sampled_from(
    (
        ["=", Num("1")],
        ["<", Num("1.0")],
        ["<=", Num("1")],
        [">", Num("0")],
        [">=", Num("1e0")],
        [">", Num("0"), "<=", Num("2")],
        [">=", Num("-1"), "<", Num("1")],
    )
)
short_texts = st.sampled_from(("x", "X", "y", "xy"))
wildcards = st.sampled_from(("*", "x*", "*y", "x*y", "*x*", r"\*", "x"))
wider = st.builds(lambda name, text: {name: {"equals-ignore-case": text}}, st.sampled_from(("prefix", "suffix")), texts)
TESTS = {
    "lambda": st.one_of(
        leaves,
        leaves,
        st.sampled_from(({"exists": True}, {"exists": False})),
        st.just({"exists": False}),
        st.builds(lambda bound: {"numeric": bound}, bounds),
        st.builds(lambda name, text: {name: text}, st.sampled_from(("prefix", "suffix", "equals-ignore-case")), texts),
        st.builds(
            lambda operand: {"anything-but": operand},
            st.sampled_from(("x", ["x"], ["x", "", "xy"], Num("1"), [Num("1.0")], [Num("0"), Num("2")])),
        ),
    )
}
TESTS["pipes"] = st.one_of(TESTS["lambda"], TESTS["lambda"], wider)
TESTS["eventbridge"] = st.one_of(
    TESTS["lambda"],
    wider,
    st.builds(
        lambda name, text: {"anything-but": {name: text}},
        st.sampled_from(("prefix", "suffix", "equals-ignore-case", "wildcard")),
        st.one_of(short_texts, st.lists(short_texts, min_size=1, max_size=2)),
    ),
    st.builds(lambda text: {"wildcard": text}, wildcards),
    st.builds(lambda text: {"exactly": text}, texts),
    st.builds(lambda block: {"cidr": block}, st.sampled_from(("10.0.0.0/8", "10.0.0.1/31", "::/64", "0.0.0.0/0"))),
)


def patterns_of(dialect):
    """Patterns of a dialect; names come again as often as they like, and dots nest."""
    tests = st.lists(TESTS[dialect], min_size=1, max_size=2)

    def plain(inner):
        return st.dictionaries(names, inner, min_size=1, max_size=3)

    def with_or(inner):
        return st.builds(
            lambda before, both, after: {**before, "$or": both, **after},
            st.dictionaries(names, inner, max_size=1),
            st.lists(plain(inner), min_size=2, max_size=3),
            st.dictionaries(names, inner, max_size=1),
        )

    deep = st.one_of(tests, tests, plain(tests), plain(st.one_of(tests, plain(tests))), with_or(tests))
    return st.one_of(plain(deep), plain(deep), with_or(deep))


@pytest.mark.rule("FLT-052", "FLT-050", "FLT-053", "FLT-029", "FLT-043", "FLT-022")
@settings(max_examples=EXAMPLES)
@given(dialect=st.sampled_from(("lambda", "pipes", "eventbridge", "eventbridge")), data=st.data())
def test_a_pattern_accepts_what_the_model_accepts(dialect, data):
    pattern = data.draw(patterns_of(dialect), label="pattern")
    equality = data.draw(st.sampled_from(("value", "value", "literal")), label="number equality")
    assume(len(filter_model.branches_of(pattern)) <= 50)
    compiled = compile_pattern(filter_model.to_json(pattern), dialect, FilterModel(number_equality=equality))
    for record in data.draw(st.lists(records, min_size=4, max_size=6), label="records"):
        expected = filter_model.matches(pattern, record, dialect, equality)
        assert expected is compiled.matches_text(filter_model.to_json(record)), record


class Dice:
    """Patterns and records by the thousand, of three names and a dozen values."""

    def __init__(self, seed):
        self.random = Random(seed)

    def name(self):
        return self.random.choice(("a", "a", "b", "c", "a.b"))

    def leaf(self):
        return self.random.choice((*[Num("1"), "x", None] * 3, Num("1.0"), "", "xy", "X", True, "::1", "0::1"))

    def record(self, levels=3):
        kind = self.random.random()
        if levels == 0 or kind < 0.2:
            return self.leaf()
        count = self.random.randrange(1, 4)
        if kind < 0.55:
            return [self.record(levels - 1) for _ in range(count)]
        return {self.name(): self.record(levels - 1) for _ in range(count)}

    def test(self):
        kind = self.random.random()
        if kind < 0.6:
            return self.leaf()
        if kind < 0.85:
            return {"exists": kind > 0.8}
        text = self.random.choice(("x", "X", "y", "xy"))
        name = self.random.choice(("prefix", "suffix", "equals-ignore-case", "anything-but", "exactly"))
        return self.random.choice(
            (
                {name: text},
                {"anything-but": [Num("1"), Num("2")]},
                {"numeric": [">", Num("0")]},
                {"wildcard": f"*{text}"},
            )
        )

    def pattern(self, levels=3):
        members = {}
        for _ in range(self.random.randrange(1, 4)):
            kind = self.random.random()
            if levels == 1 or kind < 0.5:
                members[self.name()] = [self.test() for _ in range(self.random.randrange(1, 3))]
            elif kind < 0.9:
                members[self.name()] = self.pattern(levels - 1)
            else:
                members["$or"] = [self.pattern(1), self.pattern(1)]
        return members


@pytest.mark.rule("FLT-052", "FLT-043", "FLT-053", "FLT-060")
@pytest.mark.parametrize("seed", range(200 if PROFILE == "nightly" else 4))
def test_thousands_of_small_cases_agree(seed):
    dice = Dice(seed)
    answers = set()
    for _ in range(200):
        pattern = dice.pattern()
        equality = dice.random.choice(("value", "literal"))
        compiled = compile_pattern(filter_model.to_json(pattern), model=FilterModel(number_equality=equality))
        for _ in range(15):
            record = dice.record()
            expected = filter_model.matches(pattern, record, equality=equality)
            assert expected is compiled.matches_text(filter_model.to_json(record)), (pattern, record)
            answers.add(expected)
    assert {True, False} == answers


siblings = st.lists(st.lists(small_objects, max_size=3), max_size=3).map(
    lambda groups: [{"a": group, "b": Num("1"), "c": "x"} if group else {"c": None} for group in groups]
)


@pytest.mark.rule("FLT-052", "FLT-043", "FLT-053")
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_elements_of_nested_arrays_are_chosen_as_the_model_chooses_them(data):
    tests = st.sampled_from(([Num("1")], ["x"], [None], [{"exists": False}], ["x", {"exists": False}], [Num("1"), "x"]))
    inner = st.dictionaries(st.sampled_from(("a", "b", "c")), tests, min_size=1, max_size=3)
    group = st.dictionaries(st.sampled_from(("b", "c")), tests, max_size=2)
    pattern = {"o": {**data.draw(group, label="beside"), "a": data.draw(inner, label="inside")}}
    compiled = compile_pattern(filter_model.to_json(pattern))
    for elements in data.draw(st.lists(siblings, min_size=3, max_size=5), label="records"):
        record = {"o": elements}
        assert filter_model.matches(pattern, record) is compiled.matches_text(filter_model.to_json(record)), record


odd_names = st.text("ab.$\ud800", max_size=3)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text("ax.:1é\ud800", max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(odd_names, inner, max_size=3)),
    max_leaves=8,
)
odd_texts = st.one_of(
    st.text(alphabet='{}[]",:\\ab01eE+-. \n\ud800', max_size=25),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(('{"a":', "[", "")),
        st.text('ab1e+-.",:[{', max_size=8),
        st.sampled_from(("}", "]", "")),
    ),
    anything.map(json.dumps),
)


@pytest.mark.rule("FLT-002", "FLT-001")
@settings(max_examples=EXAMPLES)
@given(
    record=st.one_of(anything, st.builds(lambda value: {"a": value}, anything)),
    text=odd_texts,
    tests=st.lists(TESTS["eventbridge"], min_size=1, max_size=3),
)
def test_matching_never_raises_and_answers_alike(record, text, tests):
    pattern = filter_model.to_json({"a": tests, "b": [{"exists": False}]})
    compiled = compile_pattern(pattern)
    assert compiled.matches(record) is compiled.matches(record) is compile_pattern(pattern).matches(record)
    assert compiled.matches_text(text) in (True, False)
    body = filter_model.to_json({"body": {"a": tests}})
    filters = Filters([body, '{"messageId":[1,null]}'], source="sqs", model=FilterModel(dialect="eventbridge"))
    assert filters.accepts({"body": text, "messageId": "m"}) in (True, False)


@pytest.mark.rule("FLT-003")
@settings(max_examples=EXAMPLES)
@given(record=st.dictionaries(st.sampled_from(("a", "b")), anything, max_size=2), test=TESTS["eventbridge"])
def test_objects_and_their_json_are_one_record(record, test):
    compiled = compile_pattern(filter_model.to_json({"a": [test]}))
    text = json.dumps(record)
    if not any(constant in text for constant in ("NaN", "Infinity")):
        assert compiled.matches(record) is compiled.matches_text(text)
