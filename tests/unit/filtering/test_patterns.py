"""Leaves, and how much work a match is."""

from __future__ import annotations

import pytest

from lambdasim.filtering import texts
from lambdasim.filtering.patterns import Branch, compile_text
from lambdasim.filtering.tests import EXISTS_FALSE
from tests.counting import Lines


def leaves(pattern, record):
    """The leaves that a pattern looks at: value and membership by path."""
    found = compile_text(pattern).leaves_of(texts.parse(record))
    return {path: [(str(value), list(element.values())) for value, element in values] for path, values in found.items()}


@pytest.mark.rule("FLT-040", "FLT-041", "FLT-042", "FLT-043")
def test_leaves_are_listed_with_the_elements_that_they_are_in():
    pattern = '{"a":{"b":[{"exists":true}],"c":{"d":[1]}},"e":[1]}'
    record = '{"a":[{"b":"x","c":[{"d":1},{"d":2}]},{"b":["y","z"]},[{"b":"w"}],"s"],"e":[1,[2],{},[]],"f":3}'
    assert leaves(pattern, record) == {
        "a.b": [("x", [0]), ("y", [1]), ("z", [1]), ("w", [2, 0])],
        "a.c.d": [("1", [0, 0]), ("2", [0, 1])],
        "e": [("1", []), ("2", [1])],
    }


@pytest.mark.rule("FLT-043")
def test_each_occurrence_of_an_array_is_another_array():
    found = compile_text('{"a":{"x":[1]},"b":{"x":[1]}}').leaves_of(texts.parse('{"a":[{"x":1}],"b":[{"x":1}]}'))
    ((_, one),), ((_, other),) = found["a.x"], found["b.x"]
    assert list(one) != list(other)


def test_only_what_a_pattern_names_is_walked():
    assert {"a.b": [("1", [])]} == leaves('{"a":{"b":[1]}}', '{"a":{"b":1,"c":2},"b":3,"a.b.c":4}')
    assert {} == leaves('{"a":{"b":[1]}}', '{"a":1,"x":{"a":{"b":1}}}')


@pytest.mark.rule("FLT-029")
def test_branches_are_the_ways_through_the_alternatives_in_the_order_of_the_text():
    pattern = compile_text('{"z":[1],"$or":[{"a":[1]},{"b":[1]}],"o":{"$or":[{"c":[1]},{"d":[1],"e":[1]}]}}')
    assert [branch.paths for branch in pattern.branches] == [
        ("a", "o.c", "z"),
        ("b", "o.c", "z"),
        ("a", "o.d", "o.e", "z"),
        ("b", "o.d", "o.e", "z"),
    ]


def counting(accepts, asked):
    def test(value):
        asked.append(value)
        return accepts(value)

    return test


def test_a_leaf_is_asked_once_however_many_elements_are_tried():
    asked = []
    branch = Branch((("a", (counting(bool, asked),)), ("b", (counting(bool, asked),))))
    elements = range(30)
    rows = {
        "a": [(f"a{index}", {1: index}) for index in elements],
        "b": [(f"b{index}", {1: index + 100}) for index in elements],
    }
    assert not branch.matches(rows)
    assert 60 == len(asked) == len({*asked})


def test_nothing_more_is_asked_once_a_path_has_failed():
    asked = []
    branch = Branch((("a", (lambda _: False,)), ("b", (counting(bool, asked),))))
    assert not branch.matches({"a": [("x", {})], "b": [("y", {})]})
    assert not Branch((("c", (bool,)), ("b", (counting(bool, asked),)))).matches({"b": [("y", {})]})
    assert [] == asked


def test_arrays_that_do_not_depend_on_each_other_are_not_multiplied():
    """Eight arrays of forty elements would be 6.5 billions of ways."""
    names = "abcdefgh"
    elements = ",".join(['{"x":1}'] * 40)
    body = ",".join(f'"{name}":[{elements}]' for name in names)
    members = ",".join(f'"{name}":{{"x":[1]}}' for name in names)
    failing = members.replace('"h":{"x":[1]}', '"h":{"x":[{"exists":false}]}')
    value = texts.parse(f"{{{body}}}")
    assert compile_text(f"{{{members}}}").matches_value(value)
    assert not compile_text(f"{{{failing}}}").matches_value(value)


# Pattern, and one element of the array that it fails on in the end, however many of them there are.
LONG = {
    "no element has both": ('{"p":{"f":["a"],"l":["b"]}}', '{"f":"a","l":"x"},{"f":"x","l":"b"}'),
    "half a match each": ('{"p":{"f":["a"],"l":[{"anything-but":"x"}]}}', '{"f":"a"},{"l":"y"}'),
    "nothing is missing": ('{"p":{"f":["a"],"l":[{"exists":false}]}}', '{"f":"a","l":"x"},{"f":"a","l":"y"}'),
    "arrays in elements": ('{"p":{"f":["a"],"l":{"c":[1],"d":[1]}}}', '{"f":"a","l":[{"c":1},{"d":1}]}'),
    "arrays of leaves": ('{"p":{"f":[1],"l":[2]}}', '{"f":[0,1,1],"l":[3,4]},{"l":[2,2]}'),
    "arrays in an array": ('{"p":{"f":["a"],"l":["b"]}}', '[{"f":"a"},{"l":"b"}],[[{"f":"a"}]]'),
}


@pytest.mark.rule("FLT-043", "FLT-052")
@pytest.mark.parametrize(("pattern", "elements"), LONG.values(), ids=LONG)
def test_a_long_array_of_objects_is_no_more_work_for_each_of_them(pattern, elements):
    """What fails has tried everything, and still no element was compared with all others."""

    def lines(times):
        record = texts.parse('{"p":[' + ",".join([elements] * times) + "]}")
        compiled = compile_text(pattern)
        with Lines() as work:
            assert not compiled.matches_value(record)
        return work.count / times

    assert lines(1_000) <= 1.1 * lines(50)


@pytest.mark.rule("FLT-052")
def test_absence_is_no_test_of_a_leaf():
    branch = Branch((("a", (EXISTS_FALSE,)),))
    assert branch.matches({})
    assert not branch.matches({"a": [("x", {})]})
    assert not branch.matches({"a": [("x", {1: 0})]})


def test_a_branch_can_do_without_some_paths():
    branch = compile_text('{"a":["x"],"b":["y"]}').branches[0].without(lambda path: path == "a")
    assert ("b",) == branch.paths
    assert branch.matches({"b": [("y", {})]})
    assert Branch(()).matches({})


def test_a_pattern_shows_its_text():
    assert '<pattern {"a":[1]}>' == repr(compile_text('{"a":[1]}'))
