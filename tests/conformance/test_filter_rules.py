"""What the tables leave open: ground rules, flattening, each test of a leaf, dialects, classes of bodies, figures."""

from __future__ import annotations

import copy
import json
import math

import pytest

from lambdasim import FilterModel, compile_pattern
from lambdasim.errors import ParamValidationError, UsageError
from lambdasim.errors.events import InvalidEventPatternException
from lambdasim.errors.lambda_ import InvalidParameterValueException
from lambdasim.filtering import Filters
from lambdasim.filtering.criteria import parse_criteria


def matches(pattern, record, dialect="eventbridge", model=None):
    """Both are JSON texts."""
    return compile_pattern(pattern, dialect, model).matches_text(record)


def accepts(test, value):
    """Whether a test accepts a leaf; both are JSON texts."""
    return matches(f'{{"a":[{test}]}}', f'{{"a":{value}}}')


def message(body="hello", **more):
    return {"messageId": "m1", "body": body, "eventSource": "aws:sqs", "awsRegion": "us-east-1", **more}


def keeps(patterns, record, **given):
    return Filters([patterns] if isinstance(patterns, str) else patterns, source="sqs", **given).accepts(record)


# ---- ground rules


@pytest.mark.rule("FLT-001")
def test_matching_keeps_no_state_and_changes_no_record():
    record = message('{"k":[{"b":1,"a":2.0},{"a":1}],"z":{"y":null}}', attributes={"SentTimestamp": "1"})
    before = copy.deepcopy(record)
    order = json.dumps(record)
    filters = Filters(['{"body":{"k":{"a":[1],"b":[1]}}}', '{"body":{"k":{"a":[2]}}}'], source="sqs")
    other = message('{"k":{"a":3}}')
    assert [True, False, True, False] == [filters.accepts(each) for each in (record, other, record, other)]
    assert before == record
    assert order == json.dumps(record)


NOT_RAISING = [
    "null",
    "7",
    '"x"',
    "[]",
    "[[[]]]",
    '[{"a":1},{"a":{"b":[{}]}}]',
    '{"":{"":1},"a":{"":1}}',
    '{"a":"\\ud800"}',
    '{"a":1e999}',
    '{"a":-1E-99999999999999999999}',
    '{"a":0e99999999999999999999}',
    '{"a":' + "9" * 5_000 + "}",
    '{"a":"999.999.999.999"}',
    '{"a":"::%x"}',
    '{"$or":[1],"a":{"$or":1}}',
]
ALL_TESTS = (
    '"x",1,null,"10.0.0.1",{"exists":false},{"numeric":[">",0,"<",1]},{"numeric":["=",0]},{"prefix":"p"},{"suffix":"s"},'
    '{"prefix":{"equals-ignore-case":"p"}},{"equals-ignore-case":"ß"},{"anything-but":[1]},{"wildcard":"*a*"},'
    '{"anything-but":{"wildcard":"*"}},{"cidr":"10.0.0.0/8"},{"cidr":"::/8"},{"exactly":"e"}'
)


@pytest.mark.rule("FLT-002")
@pytest.mark.parametrize("record", NOT_RAISING, ids=lambda text: text[:24])
def test_matching_never_raises_whatever_the_record_is(record):
    pattern = compile_pattern(f'{{"a":[{ALL_TESTS}],"b":[{{"exists":false}}]}}')
    assert pattern.matches_text(record) in (True, False)
    assert pattern.matches(json.loads(record, parse_int=float)) in (True, False)
    filters = Filters([f'{{"body":{{"a":[{ALL_TESTS}]}}}}'], source="sqs", model=FilterModel(dialect="eventbridge"))
    assert filters.accepts(message(record)) in (True, False)


@pytest.mark.rule("FLT-002")
@pytest.mark.parametrize("record", [object(), {1, 2}, {"a": b"x"}, {("a",): 1}, 1j])
def test_what_json_cannot_hold_does_not_match(record):
    pattern = compile_pattern('{"b":[{"exists":false}]}')
    assert pattern.matches({})
    assert not pattern.matches(record)
    assert not keeps('{"more":{"b":[{"exists":false}]}}', message(more=record))


@pytest.mark.rule("FLT-002")
def test_a_record_inside_itself_does_not_match():
    record = {"a": "x"}
    record["b"] = record
    assert not compile_pattern('{"a":["x"]}').matches(record)


@pytest.mark.rule("FLT-002")
@pytest.mark.parametrize("text", ["", "{", '{"a":NaN}', '{"a":1} x'])
def test_a_text_that_is_no_json_does_not_match(text):
    assert not compile_pattern('{"b":[{"exists":false}]}').matches_text(text)


@pytest.mark.rule("FLT-002")
def test_a_pattern_may_have_more_paths_than_an_interpreter_has_frames():
    names = [f"k{number}" for number in range(5_000)]
    pattern = compile_pattern(json.dumps({name: [1] for name in names}))
    assert pattern.matches(dict.fromkeys(names, 1))
    assert not pattern.matches({**dict.fromkeys(names, 1), names[-1]: 2})
    assert pattern.matches([dict.fromkeys(names, 1)])


@pytest.mark.rule("FLT-003")
@pytest.mark.parametrize(("text", "same"), [("1.50", "1.5"), ("1e2", "100"), ("-0.0", "0.0"), ("1E2", "1e2")])
def test_numbers_keep_their_text(text, same):
    model = FilterModel(number_equality="literal")
    assert matches(f'{{"a":[{text}]}}', f'{{"a":{text}}}', model=model)
    assert not matches(f'{{"a":[{text}]}}', f'{{"a":{same}}}', model=model)
    assert matches(f'{{"a":[{text}]}}', f'{{"a":{same}}}')


@pytest.mark.rule("FLT-003")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_floats_that_are_not_finite_are_null(value):
    assert compile_pattern('{"a":[null],"b":{"c":[null]}}').matches({"a": value, "b": [{"c": value}]})
    assert not matches('{"a":[null]}', f'{{"a":{json.dumps(value)}}}')
    with pytest.raises(InvalidEventPatternException):
        compile_pattern(f'{{"a":[{json.dumps(value)}]}}')


@pytest.mark.rule("FLT-003")
def test_objects_of_python_are_read_as_their_json():
    pattern = compile_pattern('{"a":[1.5],"b":[true],"3":["x"]}')
    assert pattern.matches({"a": 1.5, "b": True, 3: "x"})
    assert pattern.matches({"a": (0, 1.5), "b": True, "3": "x"})


@pytest.mark.rule("FLT-004")
@pytest.mark.parametrize(
    ("wanted", "value", "result"),
    [
        ("x", "x ", False),
        ("x", " x", False),
        ("x\n", "x", False),
        ("\u00c5", "\u212b", False),
        ("ﬁ", "fi", False),
        ("é", "e\u0301", False),
        ("𝄞", "𝄞", True),
        ("\ud800", "\ud800", True),
        ("", "\u200b", False),
    ],
)
def test_strings_are_compared_character_by_character(wanted, value, result):
    assert result is accepts(json.dumps(wanted), json.dumps(value))
    assert result is accepts(json.dumps({"exactly": wanted}), json.dumps(value, ensure_ascii=False))


def nested(levels, *, inner="1"):
    """A JSON text of so many levels: an object, and arrays in it."""
    return '{"a":' + "[" * (levels - 1) + inner + "]" * (levels - 1) + "}"


@pytest.mark.rule("FLT-005")
@pytest.mark.parametrize(("levels", "is_json"), [(2, True), (199, True), (200, True), (201, False), (50_000, False)])
def test_json_has_up_to_200_levels(levels, is_json):
    assert is_json is matches('{"a":[1]}', nested(levels))
    assert is_json is keeps('{"body":{"a":[1]}}', message(nested(levels)))
    assert is_json is not keeps(json.dumps({"body": [{"prefix": '{"a":['}]}), message(nested(levels)))
    if levels < 500:
        assert is_json is compile_pattern('{"a":[1]}').matches(json.loads(nested(levels)))


@pytest.mark.rule("FLT-005")
@pytest.mark.parametrize(("levels", "is_json"), [(200, True), (201, False)])
def test_a_pattern_has_up_to_200_levels(levels, is_json):
    text = '{"a":' * (levels - 1) + "[1]" + "}" * (levels - 1)
    if is_json:
        assert matches(text, text)
    else:
        with pytest.raises(InvalidEventPatternException, match="Malformed JSON"):
            compile_pattern(text)


@pytest.mark.rule("FLT-005")
def test_brackets_inside_strings_are_no_levels():
    value = '[{"' * 300 + "\\"
    assert compile_pattern(json.dumps({"a": [value]})).matches_text(json.dumps({"a": value}))
    assert not matches('{"a":[1]}', '{"a":"' + "[" * 300)


# ---- criteria


@pytest.mark.rule("FLT-010")
@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, ()),
        ({}, ()),
        ({"Filters": []}, ()),
        ({"Filters": ()}, ()),
        ({"Filters": [{"Pattern": "{}"}, {"Pattern": " x"}]}, ("{}", " x")),
        ({"Filters": ({"Pattern": ""},)}, ("",)),
        ({"Filters": [{}]}, (None,)),
    ],
)
def test_criteria_are_filters_with_patterns_and_either_may_be_absent(given, found):
    assert found == parse_criteria(given)


@pytest.mark.rule("FLT-011")
def test_one_filter_that_matches_is_enough():
    patterns = [
        '{"body":["a"]}',
        '{"body":["b"],"awsRegion":["us-east-1"]}',
        '{"body":["b"],"awsRegion":["us-west-2"]}',
    ]
    results = {"a": True, "b": True, "c": False}
    for order in (patterns, patterns[::-1]):
        assert results == {body: keeps(order, message(body)) for body in results}
    assert not keeps(patterns[2:], message("b"))


# ---- flattening


@pytest.mark.rule("FLT-040", "FLT-042")
@pytest.mark.parametrize("value", ["{}", "[]", "[[],{}]", '{"c":1}', '[{"c":1}]'])
def test_what_holds_no_leaf_is_none(value):
    assert not accepts('{"exists":true},{"anything-but":"x"},null,""', value)
    assert accepts('{"exists":false}', value)


@pytest.mark.rule("FLT-040")
def test_a_record_that_is_a_leaf_has_no_path():
    for record in ("1", '"a"', "null", "[1]"):
        assert matches('{"a":[{"exists":false}]}', record)
        assert not matches('{"":[{"exists":true}]}', record)


@pytest.mark.rule("FLT-041")
def test_positions_in_arrays_add_nothing_to_a_path():
    for record in ('{"a":[[["x"]]]}', '[{"a":"x"}]', '[[{"a":["x"]}]]', '{"a":[{"b":1},"x"]}'):
        assert matches('{"a":["x"]}', record)
    for pattern in ('{"a":{"0":["x"]}}', '{"a":{"":["x"]}}'):
        assert not matches(pattern, '{"a":["x"]}')


@pytest.mark.rule("FLT-043")
@pytest.mark.parametrize(
    ("pattern", "record", "result"),
    [
        # Arrays inside arrays: all of them have to agree.
        ('{"a":{"b":{"x":[1],"y":[2]}}}', '{"a":[{"b":[{"x":1},{"y":2}]}]}', False),
        ('{"a":{"b":{"x":[1],"y":[2]}}}', '{"a":[{"b":[{"x":1,"y":2}]}]}', True),
        ('{"a":{"b":{"x":[1]},"c":[3]}}', '{"a":[{"b":[{"x":1}]},{"c":3}]}', False),
        ('{"a":{"b":{"x":[1]},"c":[3]}}', '{"a":[{"b":[{"x":0},{"x":1}],"c":[0,3]},{"c":4}]}', True),
        # Nested arrays are elements, too; scalars are in no element.
        ('{"a":{"x":[1],"y":[2]}}', '{"a":[[{"x":1}],[{"y":2}]]}', False),
        ('{"a":{"x":[1],"y":[2]}}', '{"a":[[{"x":1,"y":2}]]}', True),
        ('{"a":[1],"a.b":[2]}', '{"a":[1,{"b":2}]}', True),
        # Different occurrences of a name are different arrays.
        ('{"a":{"x":[1]},"b":{"y":[2]}}', '{"a":[{"x":1}],"b":[{"z":0},{"y":2}]}', True),
        ('{"a.x":[1],"a":{"y":[2]}}', '{"a.x":1,"a":[{"x":0},{"y":2}]}', True),
        # The root may be an array.
        ('{"a":[1],"b":[2]}', '[{"a":1},{"b":2}]', False),
        ('{"a":[1],"b":[2]}', '[{"a":1},{"a":1,"b":2}]', True),
        # Three paths, of which each two agree somewhere.
        ('{"a":{"x":[1],"y":[1],"z":[1]}}', '{"a":[{"x":1,"y":1},{"y":1,"z":1},{"x":1,"z":1}]}', False),
    ],
)
def test_siblings_are_met_by_one_element(pattern, record, result):
    assert result is matches(pattern, record)


@pytest.mark.rule("FLT-044")
def test_the_last_of_equal_keys_is_the_one_that_counts():
    assert matches('{"a":{"b":[1]}}', '{"a":{"b":2},"a":{"b":1}}')
    assert matches('{"a":{"b":[{"exists":false}]}}', '{"a":{"b":1},"a":{"c":1}}')
    assert keeps('{"body":{"k":["v"]}}', message('{"k":"u","k":"v"}'))


@pytest.mark.rule("FLT-022", "FLT-028")
def test_a_dot_in_a_name_nests():
    assert matches('{"a":{"b.c":["x"]}}', '{"a.b":{"c":"x"}}')
    assert matches('{".":["x"]}', '{"":{"":"x"}}')
    assert matches('{"a.b":["x"]}', '{"a":{"b":"y"},"a.b":"x"}')


@pytest.mark.rule("FLT-021", "FLT-028")
@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ('{"a":{"b":["x"]},"a.b":["y"]}', '{"a":{"b":"y"}}', '{"a":{"b":"x"}}'),
        ('{"a":["x"],"$or":[{"a":["y"]},{"b":["z"]}]}', '{"a":"y"}', '{"a":"x"}'),
        ('{"a":["x"],"$or":[{"a":["y"]},{"b":["z"]}]}', '{"a":"x","b":"z"}', '{"a":"w","b":"z"}'),
        ('{"$or":[{"a":["y"]},{"b":["z"]}],"a":["x"]}', '{"a":"x"}', '{"a":"y"}'),
        # A key that comes again takes its later place as well.
        ('{"a":{"b":["x"]},"a.b":["y"],"a":{"b":["z"]}}', '{"a":{"b":"z"}}', '{"a":{"b":"y"}}'),
        ('{"a":{},"a":["x"]}', '{"a":"x"}', '{"a":"y"}'),
    ],
)
def test_of_two_definitions_of_a_path_the_later_one_counts(pattern, yes, no):
    assert matches(pattern, yes)
    assert not matches(pattern, no)


# ---- matching


@pytest.mark.rule("FLT-050")
def test_all_paths_must_hold_in_any_order():
    for pattern in ('{"a":[1],"b":[2],"c":{"d":[3]}}', '{"c":{"d":[3]},"b":[2],"a":[1]}'):
        assert matches(pattern, '{"c":{"x":0,"d":3},"a":1,"b":2}')
        for record in ('{"a":1,"b":2}', '{"a":1,"b":2,"c":{"d":4}}', '{"a":2,"b":2,"c":{"d":3}}'):
            assert not matches(pattern, record)


@pytest.mark.rule("FLT-051")
def test_tests_of_a_path_are_alternatives_and_only_absence_needs_no_leaf():
    tests = '1,"x",{"prefix":"p"},{"exists":false}'
    assert [True, True, True, False] == [accepts(tests, value) for value in ("1", '"x"', '"pq"', '"q"')]
    assert matches(f'{{"a":[{tests}]}}', "{}")
    assert not matches('{"a":[{"exists":true},{"anything-but":"x"},null,"",{"prefix":""}]}', "{}")


@pytest.mark.rule("FLT-053")
@pytest.mark.parametrize(
    ("pattern", "record", "result"),
    [
        # What must be missing sorts after what is chosen: it is looked for in the chosen element only.
        ('{"a":{"b":[1],"c":[{"exists":false}]}}', '{"a":[{"b":1},{"c":1}]}', True),
        # Here it sorts before: nothing is chosen yet, so that it is looked for in all elements.
        ('{"a":{"c":[1],"b":[{"exists":false}]}}', '{"a":[{"c":1},{"b":1}]}', False),
        ('{"a":{"b":[1],"c":[{"exists":false}]}}', '{"a":[{"b":1,"c":1},{"b":1}]}', True),
        ('{"a":{"b":[1],"c":[{"exists":false}]}}', '{"a":[{"b":1,"c":1},{"b":2}]}', False),
        ('{"a":{"b":[1],"c":[{"exists":false},5]}}', '{"a":[{"b":1,"c":5},{"b":2,"c":1}]}', True),
        # Code points order the whole dotted path: upper case comes first.
        ('{"a":{"B":[{"exists":false}],"a":[1]}}', '{"a":[{"a":1},{"B":1}]}', False),
        ('{"a":{"a":[1],"b":[{"exists":false}]}}', '{"a":[{"a":1},{"b":1}]}', True),
        ('{"a":{"b.c":[{"exists":false}],"b":[1]}}', '{"a":[{"b":1},{"b":{"c":2}}]}', True),
        ('{"a":{"b":[1],"b-":[{"exists":false}]}}', '{"a":[{"b":1},{"b-":2}]}', True),
    ],
)
def test_what_must_be_missing_is_looked_for_beside_what_sorts_before_it(pattern, record, result):
    assert result is matches(pattern, record)


# ---- tests of a leaf


@pytest.mark.rule("FLT-060")
@pytest.mark.parametrize(
    ("wanted", "value", "result"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("2001:DB8::", "2001:db8:0::0", True),
        ("10.0.0.1", "10.0.0.01", False),
        ("10.0.0.1", "::ffff:10.0.0.1", False),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_addresses_are_equal_when_they_mean_the_same_but_only_for_eventbridge(wanted, value, result):
    pattern, record = json.dumps({"a": [wanted]}), json.dumps({"a": value})
    assert result is matches(pattern, record)
    for dialect in ("lambda", "pipes"):
        assert (wanted == value) is matches(pattern, record, dialect)


@pytest.mark.rule("FLT-061", "FLT-063")
@pytest.mark.parametrize(
    ("wanted", "value", "result"),
    [
        ("0.1", "1e-1", True),
        ("100", "1E+2", True),
        ("0", "-0.0", True),
        ("0", "0e99999999999999999999", True),
        ("0", "1e-99999999999999999999", False),
        ("0", "1e-400", False),
        ("1e400", "1e400", True),
        ("1e400", "1.0e400", False),
        ("9007199254740992", "9007199254740992.0", True),
        ("9007199254740993", "9007199254740992", False),
        ("0.30000000000000004", "0.3", False),
        ("0.1", "0.1000000000000000000001", False),
        ("123456789012345", "123456789012345.0", True),
        ("1234567890123456789", "1234567890123456768", False),
        ("5e-324", "5e-324", True),
        ("1", "true", False),
    ],
)
def test_numbers_are_equal_by_value_where_a_float_can_tell(wanted, value, result):
    assert result is accepts(wanted, value)
    assert accepts(wanted, wanted)


@pytest.mark.rule("FLT-061")
def test_operators_stay_numeric_when_literals_are_compared_as_texts():
    model = FilterModel(number_equality="literal")
    assert not matches('{"a":[1]}', '{"a":1.0}', model=model)
    assert matches('{"a":[1.0]}', '{"a":1.0}', model=model)
    assert not matches('{"a":[{"anything-but":1}]}', '{"a":1.0}', model=model)
    assert matches('{"a":[{"numeric":["=",1]}]}', '{"a":1.0}', model=model)
    assert not keeps('{"body":{"n":[1]}}', message('{"n":1.0}'), model=model)
    assert keeps('{"body":{"n":[1]}}', message('{"n":1.0}'))


@pytest.mark.rule("FLT-062", "FLT-064")
def test_nothing_is_turned_into_another_type():
    values = ["true", "false", "null", '"true"', '"null"', '""', "0", "1", '"0"', '"1"']
    for wanted in values:
        assert [wanted] == [value for value in values if accepts(wanted, value)]
        assert not matches(f'{{"a":[{wanted}]}}', "{}")


@pytest.mark.rule("FLT-063", "FLT-065", "FLT-069")
@pytest.mark.parametrize("number", ["9007199254740993", "1e400", "-1e400", "0.1000000000000000000001", "1e-400"])
def test_a_number_that_a_float_cannot_tell_passes_no_comparison_and_is_in_no_set(number):
    for operator in ("<", "<=", ">", ">="):
        assert not accepts(f'{{"numeric":["{operator}",9007199254740992]}}', number)
        assert not accepts(f'{{"numeric":["{operator}",-5]}}', number)
    assert accepts('{"anything-but":[9007199254740992,0,0.1]}', number)


@pytest.mark.rule("FLT-065")
@pytest.mark.parametrize(
    ("test", "below", "at", "above"),
    [
        ('["=",5]', False, True, False),
        ('["<",5]', True, False, False),
        ('["<=",5]', True, True, False),
        ('[">",5]', False, False, True),
        ('[">=",5]', False, True, True),
        ('[">",4.999,"<",5.001]', True, True, True),
        ('[">",5,"<=",6]', False, False, True),
        ('[">=",5,"<",5.0000000001]', False, True, False),
        ('[">=",4,"<=",5.0]', True, True, False),
    ],
)
def test_bounds_are_exact(test, below, at, above):
    results = tuple(accepts(f'{{"numeric":{test}}}', value) for value in ("4.9999999999", "5.0", "5.0000000001"))
    assert (below, at, above) == results


@pytest.mark.rule("FLT-065")
@pytest.mark.parametrize("value", ['"5"', "true", "null", '"5.0"'])
def test_only_numbers_are_compared(value):
    assert not accepts('{"numeric":[">=",-1e9]}', value)
    assert not accepts('{"numeric":["<=",1e9]}', value)


@pytest.mark.rule("FLT-066", "FLT-067")
@pytest.mark.parametrize(
    ("test", "yes", "no"),
    [
        ('{"prefix":"ab"}', ["ab", "abc", "abab"], ["", "a", "Ab", "cab"]),
        ('{"prefix":""}', ["", "x"], []),
        ('{"suffix":"ab"}', ["ab", "cab", "abab"], ["", "b", "aB", "abc"]),
        ('{"suffix":""}', ["", "x"], []),
        ('{"prefix":{"equals-ignore-case":"aB"}}', ["ab", "AB", "Abc", "aBab"], ["", "a", "cab"]),
        ('{"prefix":{"equals-ignore-case":""}}', ["", "x"], []),
        ('{"suffix":{"equals-ignore-case":"aB"}}', ["ab", "AB", "xAb", "abaB"], ["", "b", "abc"]),
        ('{"suffix":{"equals-ignore-case":""}}', ["", "x"], []),
    ],
)
def test_beginnings_and_ends(test, yes, no):
    assert [*yes] == [value for value in (*yes, *no) if accepts(test, json.dumps(value))]
    assert not any(accepts(test, value) for value in ("null", "1", "true"))


@pytest.mark.rule("FLT-068")
@pytest.mark.parametrize(
    ("wanted", "yes", "no"),
    [
        ("aB1-", ["aB1-", "AB1-", "ab1-"], ["ab1", "ab1--", "ab1_"]),
        ("ß", ["ß"], ["SS", "ss", "ẞ"]),
        ("ẞ", ["ẞ", "ß"], ["SS"]),
        ("İ", ["İ"], ["i", "I", "i\u0307"]),
        ("K", ["K", "k"], ["\u212a"]),
        ("\u212a", ["\u212a", "k"], ["K"]),
        ("\u03c3", ["\u03c3", "\u03a3"], ["\u03c2"]),
        ("é", ["é", "É"], ["e", "e\u0301"]),
        ("", [""], ["x"]),
    ],
)
def test_case_is_ignored_character_by_character(wanted, yes, no):
    found = [value for value in (*yes, *no) if accepts(json.dumps({"equals-ignore-case": wanted}), json.dumps(value))]
    assert [*yes] == found


@pytest.mark.rule("FLT-069")
@pytest.mark.parametrize(
    ("operand", "yes", "no"),
    [
        ('"x"', ['"X"', '""', "1", "null", "true"], ['"x"']),
        ("1", ['"1"', "2", "null", "true"], ["1", "1.0", "10e-1"]),
        ('["x","y"]', ['"z"', '["x","z"]', "[1]"], ['"x"', '["x","y","x"]', "[]", "{}", "[{}]"]),
        ("[0,-1]", ["1", '"0"', "false", "[0,2]"], ["0", "-0.0", "-1", "[0,-1]"]),
    ],
)
def test_anything_but_what_is_listed_passes_if_it_is_there(operand, yes, no):
    assert [*yes] == [value for value in (*yes, *no) if accepts(f'{{"anything-but":{operand}}}', value)]
    assert not matches(f'{{"a":[{{"anything-but":{operand}}}]}}', "{}")


@pytest.mark.rule("FLT-070")
@pytest.mark.parametrize(
    ("operand", "yes", "no"),
    [
        ('{"prefix":"ab"}', ['"a"', '"Ab"', '""', "1", "null"], ['"ab"', '"abc"']),
        ('{"prefix":["ab","c"]}', ['"a"', '"b"'], ['"abc"', '"c"']),
        ('{"suffix":"ab"}', ['"b"', '"aB"', "true"], ['"ab"', '"cab"']),
        ('{"suffix":["ab","c"]}', ['"a"'], ['"ab"', '"c"']),
        ('{"equals-ignore-case":"aB"}', ['"a"', '"abc"', "0"], ['"ab"', '"AB"']),
        ('{"equals-ignore-case":["aB",""]}', ['"a"', "null"], ['""', '"ab"']),
        ('{"wildcard":"a*b"}', ['"a"', '"abc"', "[1]"], ['"ab"', '"axb"', '["ab"]']),
        ('{"wildcard":["a*","*b"]}', ['"xbx"', '""'], ['"a"', '"xb"']),
    ],
)
def test_anything_but_what_is_alike_passes_if_it_is_there(operand, yes, no):
    assert [*yes] == [value for value in (*yes, *no) if accepts(f'{{"anything-but":{operand}}}', value)]
    assert not matches(f'{{"a":[{{"anything-but":{operand}}}]}}', "{}")


@pytest.mark.rule("FLT-071", "FLT-072")
@pytest.mark.parametrize("value", ["null", "0", '""', "false", "[null]", "[[0]]", '[{},"x"]'])
def test_a_leaf_exists_whatever_it_is(value):
    assert accepts('{"exists":true}', value)
    assert not accepts('{"exists":false}', value)


@pytest.mark.rule("FLT-073")
@pytest.mark.parametrize(
    ("wanted", "yes", "no"),
    [
        ("abc", ["abc"], ["", "ABC", "abcd", "xabc"]),
        ("", [""], ["x"]),
        ("*", ["", "x", "a*b", "\n"], []),
        ("a*", ["a", "ab", "a*"], ["", "ba"]),
        ("*a", ["a", "ba", "aa"], ["", "ab"]),
        ("a*a", ["aa", "aba", "aaa"], ["a", "ab"]),
        ("ab*ba", ["abba", "abxba"], ["aba"]),
        ("*ab*bc*", ["abbc", "xabxbcx"], ["abc", "bcab"]),
        ("a*b*c", ["abc", "axbxc", "abbcc"], ["acb", "ac", "abcd"]),
        (r"\*", ["*"], ["", "x", r"\*"]),
        (r"\\", ["\\"], [r"\\", ""]),
        (r"a\**", ["a*", "a*b"], ["a", "ab"]),
        (r"*\\*", ["\\", "x\\y"], ["", "xy"]),
        ("?.[a]*", ["?.[a]", "?.[a]b"], ["x.a", "aba"]),
    ],
)
def test_stars_stand_for_anything(wanted, yes, no):
    test = json.dumps({"wildcard": wanted})
    assert [*yes] == [value for value in (*yes, *no) if accepts(test, json.dumps(value))]
    assert not any(accepts(test, value) for value in ("null", "1", "true"))


@pytest.mark.rule("FLT-074")
@pytest.mark.parametrize(
    ("block", "yes", "no"),
    [
        ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0", "::ffff:10.0.0.1", "x", ""]),
        ("10.0.0.77/24", ["10.0.0.0", "10.0.0.255"], ["10.0.1.0", "10.0.0.0/24", "10.0.0"]),
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "256.0.0.0"]),
        ("1.2.3.5/31", ["1.2.3.4", "1.2.3.5"], ["1.2.3.3", "1.2.3.6"]),
        ("2001:db8::/32", ["2001:db8::", "2001:DB8:ffff::1"], ["2001:db9::", "10.0.0.1"]),
        ("::1/127", ["::", "::1"], ["::2", "0.0.0.1"]),
    ],
)
def test_addresses_inside_a_block(block, yes, no):
    test = json.dumps({"cidr": block})
    assert [*yes] == [value for value in (*yes, *no) if accepts(test, json.dumps(value))]
    assert not any(accepts(test, value) for value in ("null", "1", "167772161"))


@pytest.mark.rule("FLT-075")
def test_exactly_is_the_literal():
    assert ["x"] == [value for value in ("x", "X", "xx", "") if accepts('{"exactly":"x"}', json.dumps(value))]
    assert not accepts('{"exactly":"1"}', "1")


# ---- dialects

# Test, name of the operator, dialects that know it.
TESTS = [
    ('"x"', None, "lambda pipes eventbridge"),
    ("1", None, "lambda pipes eventbridge"),
    ("true", None, "lambda pipes eventbridge"),
    ("null", None, "lambda pipes eventbridge"),
    ('""', None, "lambda pipes eventbridge"),
    ('"x",1,null', None, "lambda pipes eventbridge"),
    ('{"numeric":["=",1]}', "numeric", "lambda pipes eventbridge"),
    ('{"exists":true}', "exists", "lambda pipes eventbridge"),
    ('{"prefix":"x"}', "prefix", "lambda pipes eventbridge"),
    ('{"suffix":"x"}', "suffix", "lambda pipes eventbridge"),
    ('{"equals-ignore-case":"x"}', "equals-ignore-case", "lambda pipes eventbridge"),
    ('{"anything-but":"x"}', "anything-but", "lambda pipes eventbridge"),
    ('{"anything-but":[1]}', "anything-but", "lambda pipes eventbridge"),
    ('{"prefix":{"equals-ignore-case":"x"}}', "prefix/equals-ignore-case", "pipes eventbridge"),
    ('{"suffix":{"equals-ignore-case":"x"}}', "suffix/equals-ignore-case", "pipes eventbridge"),
    ('{"anything-but":{"prefix":"x"}}', "anything-but/prefix", "eventbridge"),
    ('{"anything-but":{"suffix":"x"}}', "anything-but/suffix", "eventbridge"),
    ('{"anything-but":{"equals-ignore-case":"x"}}', "anything-but/equals-ignore-case", "eventbridge"),
    ('{"anything-but":{"wildcard":"x"}}', "anything-but/wildcard", "eventbridge"),
    ('{"wildcard":"x"}', "wildcard", "eventbridge"),
    ('{"cidr":"10.0.0.0/8"}', "cidr", "eventbridge"),
    ('{"exactly":"x"}', "exactly", "eventbridge"),
]


@pytest.mark.rule("FLT-080")
@pytest.mark.parametrize("dialect", ["lambda", "pipes", "eventbridge"])
@pytest.mark.parametrize(("test", "name", "known_to"), TESTS, ids=[test[0] for test in TESTS])
def test_each_dialect_has_its_tests(test, name, known_to, dialect):
    for pattern in (f'{{"a":[{test}]}}', f'{{"$or":[{{"a":["z",{test}]}},{{"b":[1]}}]}}'):
        if dialect in known_to.split():
            assert compile_pattern(pattern, dialect)
            assert Filters([pattern], source="sqs", model=FilterModel(dialect=dialect))
        else:
            with pytest.raises(InvalidEventPatternException) as caught:
                compile_pattern(pattern, dialect)
            assert f"Operator {name} is not supported by the {dialect} dialect" == caught.value.reason
            assert "a" == caught.value.path


@pytest.mark.rule("FLT-080")
def test_mappings_read_lambda_and_pipes_read_pipes_unless_told_otherwise():
    nested, wild = '{"body":[{"prefix":{"equals-ignore-case":"X"}}]}', '{"body":[{"wildcard":"x*"}]}'

    def reason(pattern, **given):
        try:
            Filters([pattern], source="sqs", **given)
        except Exception as error:  # noqa: BLE001 - its class depends on the caller
            return error.reason
        return None

    assert "Operator prefix/equals-ignore-case is not supported by the lambda dialect" == reason(nested)
    assert reason(nested, is_pipe=True) is None
    assert "Operator wildcard is not supported by the pipes dialect" == reason(wild, is_pipe=True)
    for is_pipe in (False, True):
        assert reason(wild, is_pipe=is_pipe, model=FilterModel(dialect="eventbridge")) is None
        lambda_ = reason(nested, is_pipe=is_pipe, model=FilterModel(dialect="lambda"))
        assert "Operator prefix/equals-ignore-case is not supported by the lambda dialect" == lambda_


@pytest.mark.rule("FLT-080")
def test_the_matcher_by_itself_reads_eventbridge_unless_told_otherwise():
    wild = '{"a":[{"wildcard":"x*"}]}'
    assert compile_pattern(wild)
    with pytest.raises(InvalidEventPatternException):
        compile_pattern(wild, model=FilterModel(dialect="pipes"))
    with pytest.raises(UsageError, match="lambda, pipes, eventbridge"):
        compile_pattern(wild, "sql")


# ---- messages of a queue


@pytest.mark.rule("FLT-090")
def test_each_field_of_a_message_may_be_tested_and_others_are_missing():
    record = message(
        '{"k":"v"}',
        receiptHandle="h",
        attributes={"SentTimestamp": "1545082649183"},
        messageAttributes={"n": {"dataType": "Number", "stringValue": "7"}},
        md5OfBody="d1",
        md5OfMessageAttributes="d2",
        eventSourceARN="arn:aws:sqs:us-east-1:123456789012:orders",
    )
    fields = {
        "messageId": "m1",
        "receiptHandle": "h",
        "attributes.SentTimestamp": "1545082649183",
        "messageAttributes.n.stringValue": "7",
        "md5OfBody": "d1",
        "md5OfMessageAttributes": "d2",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:orders",
        "awsRegion": "us-east-1",
        "body.k": "v",
    }
    for path, value in fields.items():
        assert keeps(json.dumps({path: [value]}), record)
        assert not keeps(json.dumps({path: [f"{value}!"]}), record)
    assert keeps(json.dumps({path: [value] for path, value in fields.items()}), record)
    del record["md5OfMessageAttributes"]
    assert keeps('{"md5OfMessageAttributes":[{"exists":false}]}', record)


@pytest.mark.rule("FLT-091")
@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "hello",
        "123",
        "-1.5e3",
        "true",
        "null",
        '"quoted"',
        ' "x" ',
        '{"k":"v"',
        '{"k":"v"}}',
        "{'k':'v'}",
        '{"k":NaN}',
        "[Infinity]",
        '\u00a0{"k":"v"}',
        '\ufeff{"k":"v"}',
        '\x0b{"k":"v"}',
        "{}{}",
        "[1,]",
    ],
)
def test_what_is_no_object_or_array_is_compared_as_it_stands(body):
    assert keeps(json.dumps({"body": [body]}), message(body))
    assert not keeps(json.dumps({"body": [body + " "]}), message(body))
    assert not keeps('{"body":{"k":[{"exists":false},"v"]}}', message(body))


@pytest.mark.rule("FLT-091")
@pytest.mark.parametrize("body", ["{}", "[]", ' \t\r\n{"a":1}\n ', "[1]", '{"a":{}}'])
def test_objects_and_arrays_are_looked_into(body):
    assert keeps('{"body":{"k":[{"exists":false}]}}', message(body))
    assert not keeps(json.dumps({"body": [body, {"exists": True}, {"exists": False}]}), message(body))


@pytest.mark.rule("FLT-092")
@pytest.mark.parametrize("body", ["hello", '{"k":"v"}'])
def test_a_branch_that_asks_for_both_classes_never_matches(body):
    exists = '[{"exists":true},{"exists":false}]'
    for pattern in (f'{{"body":{exists},"body.k":{exists}}}', f'{{"body.k":{exists},"body":{exists}}}'):
        assert not keeps(pattern, message(body))
    assert keeps(f'{{"body.k":{exists}}}', message('{"k":"v"}'))
    assert keeps(f'{{"bodyk":{exists},"Body":{exists}}}', message(body))


@pytest.mark.rule("FLT-093")
@pytest.mark.parametrize(
    ("body", "pattern", "result"),
    [
        ("hello", '{"body":["hello"]}', True),
        ("hello", '{"messageId":["m1"]}', True),
        ("hello", '{"body":{"k":[{"exists":false}]}}', False),
        ('{"k":"v"}', '{"body":[{"exists":false}]}', False),
        ('{"k":"v"}', '{"messageId":["m1"]}', True),
        ('{"k":"v"}', '{"body":{"k":["v"]}}', True),
    ],
)
def test_classes_of_body_and_branch_have_to_fit(body, pattern, result):
    assert result is keeps(pattern, message(body))
    assert result is keeps(f'{{"eventSource":["aws:sqs"],{pattern[1:]}', message(body))
    assert not keeps(f'{{"eventSource":["aws:s3"],{pattern[1:]}', message(body))


@pytest.mark.rule("FLT-094")
def test_a_misfit_fails_its_branch_only():
    patterns = ['{"body":["hello"]}', '{"body":{"k":["v"]}}', '{"$or":[{"body":["bye"]},{"body":{"k":["w"]}}]}']
    results = {"hello": True, "bye": True, '{"k":"v"}': True, '{"k":"w"}': True, '{"k":"x"}': False, "no": False}
    assert results == {body: keeps(patterns, message(body)) for body in results}


@pytest.mark.rule("FLT-095")
def test_attributes_are_strings():
    record = message(attributes={"ApproximateReceiveCount": "3", "SentTimestamp": "1545082649183"})
    assert keeps('{"attributes":{"ApproximateReceiveCount":[{"anything-but":["1","2"]}]}}', record)
    assert not keeps('{"attributes":{"ApproximateReceiveCount":[3,{"numeric":[">",0]}]}}', record)


@pytest.mark.rule("FLT-095", "FLT-130")
@pytest.mark.parametrize(("source", "data"), [("sqs", "body"), ("kinesis", "data"), ("dynamodb", "dynamodb")])
def test_strict_keys_allow_the_payload_only(source, data):
    strict = FilterModel(strict_keys=True)
    inside, beside = f'{{"{data}":{{"eventName":["x"]}}}}', f'{{"{data}":{{"k":["v"]}},"eventName":["INSERT"]}}'
    assert Filters([inside, f'{{"{data}.k":["v"]}}'], source=source, model=strict)
    for pattern in (beside, f'{{"$or":[{{"{data}":{{"k":[1]}}}},{{"eventName":["x"]}}]}}', '{"eventName.x":["x"]}'):
        with pytest.raises(InvalidParameterValueException, match="Invalid filter pattern definition"):
            Filters([pattern], source=source, model=strict)
        assert Filters([pattern], source=source)


@pytest.mark.rule("FLT-095")
@pytest.mark.parametrize(("source", "data"), [("kafka", "value"), ("mq", "data")])
def test_strict_keys_allow_tests_of_a_plain_payload(source, data):
    strict = FilterModel(strict_keys=True)
    assert Filters([f'{{"{data}":["x"]}}'], source=source, model=strict)
    with pytest.raises(InvalidParameterValueException):
        Filters([f'{{"{data}":["x"],"topic":["t1"]}}'], source=source, model=strict)


# ---- figures


@pytest.mark.rule("FLT-130")
def test_figures_have_the_defaults_of_the_table():
    model = FilterModel()
    assert (None, "value", False, 5, 0) == (
        model.dialect,
        model.number_equality,
        model.strict_keys,
        model.max_filters,
        model.update_delay_s,
    )


@pytest.mark.rule("FLT-130")
@pytest.mark.parametrize(
    "given",
    [
        {"dialect": "sql"},
        {"dialect": "Lambda"},
        {"number_equality": "text"},
        {"number_equality": None},
        {"strict_keys": 1},
        {"max_filters": 0},
        {"max_filters": 11},
        {"update_delay_s": -1},
    ],
)
def test_figures_are_checked_when_they_are_given(given):
    with pytest.raises(UsageError, match=next(iter(given))):
        FilterModel(**given)


@pytest.mark.rule("FLT-130")
def test_figures_may_be_anything_in_their_range():
    for given in ({"max_filters": 1}, {"max_filters": 10}, {"update_delay_s": 900}, {"dialect": "pipes"}):
        assert FilterModel(**given)
    with pytest.raises(ParamValidationError):
        parse_criteria(FilterModel())
