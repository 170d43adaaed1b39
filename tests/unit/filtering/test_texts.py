"""JSON as filters read it."""

from __future__ import annotations

import json
import math
import time

import pytest

from lambdasim.filtering import texts
from lambdasim.filtering.texts import Number


@pytest.mark.rule("FLT-063")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0),
        ("-0", 0.0),
        ("300", 300.0),
        ("3.0e2", 300.0),
        ("999999999999999", 999_999_999_999_999.0),
        ("9007199254740992", 9_007_199_254_740_992.0),
        ("9007199254740993", None),
        ("1e308", 1e308),
        ("1e309", None),
        ("-1e309", None),
        ("5e-324", 5e-324),
        ("1e-324", None),
        ("0.000e-99999999999999999999", 0.0),
        ("-0E99999999999999999999", 0.0),
        ("0.001e-99999999999999999999", None),
        ("9" * 5_000, None),
    ],
)
def test_a_number_has_a_value_where_a_float_says_all_of_it(text, value):
    number = Number(text)
    assert value == number.value
    assert value == number.value, "a second time, as it was found the first time"
    assert text == repr(number)


@pytest.mark.rule("FLT-003")
def test_numbers_keep_their_text_and_the_last_of_equal_keys_counts():
    value = texts.parse('{"b":1.50,"a":1,"b":[1E2,true,null,"1"]}')
    assert ["a", "b"] == list(value)
    number, *others = value["b"]
    assert ("1E2", [True, None, "1"]) == (number.text, others)


@pytest.mark.rule("FLT-003")
def test_python_objects_become_what_their_json_would():
    value = texts.normalise({"a": (1.0, math.nan, -math.inf, 7), "b": {1: "x"}, "c": "NaN"})
    first, *nothing, last = value["a"]
    assert ("1.0", [None, None], "7") == (first.text, nothing, last.text)
    assert ({"1": "x"}, "NaN") == (value["b"], value["c"])


def nested_list(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.rule("FLT-003", "FLT-005")
@pytest.mark.parametrize(
    "value", [object(), {1}, b"x", {(): 1}, nested_list(201), nested_list(100_000)], ids=lambda _: ""
)
def test_what_is_no_json_is_a_value_error(value):
    with pytest.raises(ValueError):
        texts.normalise(value)


@pytest.mark.rule("FLT-005")
def test_depth_is_counted_outside_strings():
    deepest = "[" * 200 + "]" * 200
    assert texts.parse(deepest)
    assert {"a": '[{"' * 100} == texts.parse(json.dumps({"a": '[{"' * 100}))
    assert 300 == len(texts.parse("[" + ",".join(["[]"] * 300) + "]"))
    for text in (f"[{deepest}]", f'{{"a":{deepest}}}', f'["\\"",{deepest}]'):
        with pytest.raises(ValueError, match="200 levels"):
            texts.parse(text)


@pytest.mark.rule("FLT-005")
def test_a_string_without_an_end_costs_no_more_than_its_length():
    text = "[" * 201 + '"' + '\\"' * 200_000
    begin = time.process_time()
    with pytest.raises(ValueError):
        texts.parse(text)
    assert time.process_time() - begin < 2
