"""Filters that are refused: which error, with which text, for what reason, and in which order (FLT-402)."""

from __future__ import annotations

import json
import pickle

import pytest

from lambdasim import FilterModel, compile_pattern
from lambdasim.errors import AwsError, ParamValidationError, UsageError
from lambdasim.errors.events import InvalidEventPatternException
from lambdasim.errors.lambda_ import InvalidParameterValueException, ValidationException
from lambdasim.filtering import Filters
from lambdasim.filtering.criteria import parse_criteria

LAMBDA, PIPES, EVENTBRIDGE = "lambda", "pipes", "eventbridge"
GOOD = '{"body":{"k":["v"]}}'
REFUSED = "Invalid filter pattern definition."

# Id, dialect, pattern, reason, rule.
CASES = [
    ("B01", LAMBDA, "", "Malformed JSON", "FLT-020"),
    ("B02", LAMBDA, '{"a":["x"]', "Malformed JSON", "FLT-020"),
    ("B03", LAMBDA, '{"a":[1]} x', "Malformed JSON", "FLT-020"),
    ("B04", LAMBDA, "null", "Filter is not an object", "FLT-023"),
    ("B05", LAMBDA, '"body"', "Filter is not an object", "FLT-023"),
    ("B06", LAMBDA, "[]", "Filter is not an object", "FLT-023"),
    ("B07", LAMBDA, "{}", "Empty objects are not allowed", "FLT-023"),
    ("B08", LAMBDA, '{"a":{}}', "Empty objects are not allowed", "FLT-023"),
    ("B09", LAMBDA, '{"a":[]}', "Empty arrays are not allowed", "FLT-024"),
    ("B10", LAMBDA, '{"a":"x"}', '"a" must be an object or an array', "FLT-023"),
    ("B11", LAMBDA, '{"a":null}', '"a" must be an object or an array', "FLT-023"),
    ("B12", LAMBDA, '{"a":[["x"]]}', "Match value must be String, number, true, false, or null", "FLT-024"),
    ("B13", LAMBDA, '{"a":[{}]}', "Match expression name not found", "FLT-025"),
    ("B14", LAMBDA, '{"a":[{"exists":true,"prefix":"x"}]}', "Only one key allowed in match expression", "FLT-025"),
    ("B15", LAMBDA, '{"a":[{"contains":"x"}]}', "Unrecognized match type contains", "FLT-025"),
    ("B16", LAMBDA, '{"a":[{"EXISTS":true}]}', "Unrecognized match type EXISTS", "FLT-025"),
    ("B17", LAMBDA, '{"a":[{"prefix":1}]}', "prefix match pattern must be a string", "FLT-066"),
    ("B18", LAMBDA, '{"a":[{"suffix":["x"]}]}', "suffix match pattern must be a string", "FLT-067"),
    (
        "B19",
        LAMBDA,
        '{"a":[{"equals-ignore-case":null}]}',
        "equals-ignore-case match pattern must be a string",
        "FLT-068",
    ),
    ("B20", LAMBDA, '{"a":[{"exists":"true"}]}', "exists match pattern must be either true or false.", "FLT-071"),
    ("B21", LAMBDA, '{"a":[{"numeric":">"}]}', "Value of numeric must be an array.", "FLT-065"),
    ("B22", LAMBDA, '{"a":[{"numeric":["!=",1]}]}', "Unrecognized numeric range operator: !=", "FLT-065"),
    ("B23", LAMBDA, '{"a":[{"numeric":["=","3"]}]}', "Value of equals must be numeric", "FLT-065"),
    ("B24", LAMBDA, '{"a":[{"numeric":["<","3"]}]}', "Value of < must be numeric", "FLT-065"),
    ("B25", LAMBDA, '{"a":[{"numeric":["=",3,4]}]}', "Too many elements in numeric expression", "FLT-065"),
    ("B26", LAMBDA, '{"a":[{"numeric":["<",5,">",1]}]}', "Too many elements in numeric expression", "FLT-065"),
    ("B27", LAMBDA, '{"a":[{"numeric":[">",5,">",1]}]}', "Bad numeric range operator: >", "FLT-065"),
    ("B28", LAMBDA, '{"a":[{"numeric":[">",5,"<",1]}]}', "Bottom must be less than top", "FLT-065"),
    (
        "B29",
        LAMBDA,
        '{"a":[{"numeric":["=",9007199254740993]}]}',
        "Cannot compare number : 9007199254740993",
        "FLT-063",
    ),
    (
        "B30",
        LAMBDA,
        '{"a":[{"anything-but":null}]}',
        "Value of anything-but must be an array or single string/number value.",
        "FLT-069",
    ),
    (
        "B31",
        LAMBDA,
        '{"a":[{"anything-but":[]}]}',
        "Inside anything but list, either all values are number or string, mixed type is not supported",
        "FLT-069",
    ),
    (
        "B32",
        LAMBDA,
        '{"a":[{"anything-but":["x",null]}]}',
        "Inside anything but list, start|null|boolean is not supported.",
        "FLT-069",
    ),
    (
        "B33",
        LAMBDA,
        '{"a":[{"anything-but":["x",1]}]}',
        "Inside anything but list, either all values are number or string, mixed type is not supported",
        "FLT-069",
    ),
    (
        "B34",
        LAMBDA,
        '{"a":[{"anything-but":{"numeric":[">",1]}}]}',
        "Unsupported anything-but pattern: numeric",
        "FLT-070",
    ),
    ("B35", EVENTBRIDGE, '{"a":[{"anything-but":{"prefix":""}}]}', "Null prefix/suffix not allowed", "FLT-070"),
    ("B36", EVENTBRIDGE, '{"a":[{"wildcard":"a**b"}]}', "Consecutive wildcard characters at pos 2", "FLT-073"),
    ("B37", EVENTBRIDGE, r'{"a":[{"wildcard":"a\\b"}]}', "Invalid escape character at pos 2", "FLT-073"),
    ("B38", EVENTBRIDGE, '{"a":[{"cidr":"10.0.0.0"}]}', "Malformed CIDR, one '/' required", "FLT-074"),
    ("B39", EVENTBRIDGE, '{"a":[{"cidr":"10.0.0.0/32"}]}', "IPv4 mask bits must be < 32", "FLT-074"),
    ("B40", LAMBDA, '{"$or":{"a":[1]}}', "It must be an Array followed with $or.", "FLT-026"),
    ("B41", LAMBDA, '{"$or":[{"a":[1]}]}', "There must have at least 2 Objects in $or relationship.", "FLT-026"),
    ("B42", LAMBDA, '{"$or":["x","y"]}', "Only JSON object is allowed in array of $or relationship.", "FLT-026"),
    (
        "B43",
        LAMBDA,
        '{"$or":[{"prefix":["x"]},{"b":[2]}]}',
        "prefix is Ruler reserved fieldName which cannot be used inside $or.",
        "FLT-027",
    ),
    ("B44", LAMBDA, '{"$or":[{},{"b":[2]}]}', "Empty objects are not allowed", "FLT-023"),
]


def refusal(text, dialect=EVENTBRIDGE):
    with pytest.raises(InvalidEventPatternException) as caught:
        compile_pattern(text, dialect)
    return caught.value


def refusal_of(patterns, kind=InvalidParameterValueException, source="sqs", **given):
    with pytest.raises(kind) as caught:
        Filters(patterns, source=source, **given)
    return caught.value


# ---- patterns


@pytest.mark.rule(
    "FLT-402",
    "FLT-140",
    "FLT-121",
    "FLT-020",
    "FLT-023",
    "FLT-024",
    "FLT-025",
    "FLT-026",
    "FLT-027",
    "FLT-063",
    "FLT-065",
    "FLT-066",
    "FLT-067",
    "FLT-068",
    "FLT-069",
    "FLT-070",
    "FLT-071",
    "FLT-073",
    "FLT-074",
)
@pytest.mark.parametrize(
    ("dialect", "pattern", "reason", "rule"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_pattern_is_refused_for_the_reason_in_the_table(dialect, pattern, reason, rule):
    assert reason == refusal(pattern, dialect).reason, rule
    model = FilterModel(dialect=dialect)
    assert (REFUSED, reason) == ((error := refusal_of([pattern], model=model)).message, error.reason), rule


def test_no_case_is_missing():
    assert [f"B{number:02}" for number in range(1, 45)] == [case[0] for case in CASES]


@pytest.mark.rule("FLT-020")
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "{'a':[1]}",
        '{"a":[1],}',
        '{"a":[01]}',
        '{"a":[NaN]}',
        '{"a":[-Infinity]}',
        '{"a":["\t"]}',
        '{"a":[1]}{"a":[1]}',
        '{"a":[1]}//',
        '\ufeff{"a":[1]}',
        '\u00a0{"a":[1]}',
    ],
)
def test_a_pattern_is_one_json_value(text):
    error = refusal(text)
    assert ("Malformed JSON", "") == (error.reason, error.path)


@pytest.mark.rule("FLT-020")
def test_white_space_may_stand_around_a_pattern():
    assert compile_pattern(' \t\r\n{"a":[1]}\n ').matches({"a": 1})


@pytest.mark.rule("FLT-023", "FLT-024", "FLT-025", "FLT-026", "FLT-121")
@pytest.mark.parametrize(
    ("text", "reason", "path"),
    [
        ("3", "Filter is not an object", ""),
        ("true", "Filter is not an object", ""),
        ('{"a":{"b":{}}}', "Empty objects are not allowed", "a.b"),
        ('{"a":{"b":[]}}', "Empty arrays are not allowed", "a.b"),
        ('{"a":{"b":7}}', '"b" must be an object or an array', "a.b"),
        ('{"a":true}', '"a" must be an object or an array', "a"),
        ('{"a.b":{"c":[["x"]]}}', "Match value must be String, number, true, false, or null", "a.b.c"),
        ('{"a":["x",[]]}', "Match value must be String, number, true, false, or null", "a"),
        ('{"a":["x",{}]}', "Match expression name not found", "a"),
        ('{"a":[{"Prefix":"x"}]}', "Unrecognized match type Prefix", "a"),
        ('{"a":[{"prefix ":"x"}]}', "Unrecognized match type prefix ", "a"),
        ('{"a":[{"":1}]}', "Unrecognized match type ", "a"),
        ('{"o":{"$or":{"a":[1]}}}', "It must be an Array followed with $or.", "o.$or"),
        ('{"$or":null}', "It must be an Array followed with $or.", "$or"),
        ('{"$or":"x"}', "It must be an Array followed with $or.", "$or"),
        ('{"$or":[]}', "There must have at least 2 Objects in $or relationship.", "$or"),
        ('{"$or":[{"a":[1]},null]}', "Only JSON object is allowed in array of $or relationship.", "$or"),
        ('{"o":{"$or":[{"a":[1]},{}]}}', "Empty objects are not allowed", "o"),
        ('{"$or":[{"a":[1]},{"b":[2]}],"c":{}}', "Empty objects are not allowed", "c"),
    ],
)
def test_a_defect_is_named_with_its_path(text, reason, path):
    error = refusal(text)
    assert (reason, path) == (error.reason, error.path)


RESERVED = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
]


@pytest.mark.rule("FLT-027")
@pytest.mark.parametrize("name", RESERVED)
def test_names_of_operators_are_no_fields_inside_or(name):
    reason = f"{name} is Ruler reserved fieldName which cannot be used inside $or."
    for text, path in (
        ('{"$or":[{"%s":["x"]},{"b":[2]}]}', name),
        ('{"$or":[{"b":[2]},{"%s":{"c":["x"]}}]}', name),
        ('{"$or":[{"b":[2]},{"c":{"%s":["x"]}}]}', f"c.{name}"),
        ('{"o":{"$or":[{"b":[2]},{"$or":[{"c":[1]},{"%s":["x"]}]}]}}', f"o.{name}"),
    ):
        error = refusal(text % name)
        assert (reason, path) == (error.reason, error.path)


@pytest.mark.rule("FLT-027")
@pytest.mark.parametrize("name", RESERVED)
def test_names_of_operators_are_fields_outside_or(name):
    assert compile_pattern(f'{{"{name}":["x"],"$or":[{{"a":[1]}},{{"b":[2]}}]}}').matches({name: "x", "b": 2})
    assert compile_pattern(f'{{"{name}":{{"{name}":["x"]}}}}').matches({name: {name: "x"}})


@pytest.mark.rule("FLT-027")
@pytest.mark.parametrize("name", ["Prefix", "==", "cidr2", "or", "$or ", "$and"])
def test_other_names_are_fields_inside_or_too(name):
    assert compile_pattern(f'{{"$or":[{{"{name}":["x"]}},{{"b":[2]}}]}}').matches({name: "x"})


@pytest.mark.rule("FLT-029")
@pytest.mark.parametrize(
    ("counts", "is_allowed"), [((10, 10, 10), True), ((7, 11, 13), False), ((1000,), True), ((1001,), False)]
)
def test_a_pattern_has_up_to_a_thousand_branches(counts, is_allowed):
    members = []
    for place, count in enumerate(counts):
        alternatives = ",".join(f'{{"a{index}":[1]}}' for index in range(count))
        members.append(f'"m{place}":{{"$or":[{alternatives}]}}')
    text = f"{{{','.join(members)}}}"
    if is_allowed:
        record = {f"m{place}": {f"a{count - 1}": 1} for place, count in enumerate(counts)}
        assert compile_pattern(text).matches(record)
    else:
        error = refusal(text)
        assert ("Too many $or combinations", f"m{len(counts) - 1}.$or") == (error.reason, error.path)


@pytest.mark.rule("FLT-030")
@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"b":[],"a":{}}', "b"),
        ('{"a":{"c":{"d":[{"prefix":1}]}},"b":[]}', "a.c.d"),
        ('{"z":[1],"a":["x",{"exists":1},[]],"b":1}', "a"),
        ('{"$or":[{"c":[1]},{"b":{}}],"a":[]}', "b"),
        ('{"c":{},"$or":[]}', "c"),
        ('{"$or":[],"c":{}}', "$or"),
        ('{"a":[],"b":{},"a":[1]}', "b"),
    ],
)
def test_the_first_defect_in_the_text_is_the_one_reported(text, path):
    assert path == refusal(text).path


@pytest.mark.rule("FLT-020", "FLT-030")
def test_what_is_no_json_is_reported_before_what_stands_in_front_of_it():
    assert "Malformed JSON" == refusal('{"a":[],"b":').reason


@pytest.mark.rule("FLT-065")
@pytest.mark.parametrize(
    ("operand", "reason"),
    [
        ('{"=":1}', "Value of numeric must be an array."),
        ("1", "Value of numeric must be an array."),
        ('["==",1]', "Unrecognized numeric range operator: =="),
        ('["="]', "Value of equals must be numeric"),
        ('[">="]', "Value of >= must be numeric"),
        ('[">",true]', "Value of > must be numeric"),
        ('[">",0,"<"]', "Value of < must be numeric"),
        ('[">",0,"<=","9"]', "Value of <= must be numeric"),
        ('[">",0,"=",9]', "Bad numeric range operator: ="),
        ('[">",0,"!",9]', "Unrecognized numeric range operator: !"),
        ('[">",5,"<",5]', "Bottom must be less than top"),
        ('[">=",5,"<=",5.0]', "Bottom must be less than top"),
        ('[">",0,"<",9,"<"]', "Too many elements in numeric expression"),
        ('["<=",3,">=",1]', "Too many elements in numeric expression"),
    ],
)
def test_comparisons_have_one_or_two_bounds_that_leave_room(operand, reason):
    assert reason == refusal(f'{{"a":[{{"numeric":{operand}}}]}}').reason


@pytest.mark.rule("FLT-063")
@pytest.mark.parametrize("number", ["9007199254740993", "1e400", "0.1000000000000000000001", "1e-400", "-1e999"])
def test_a_number_that_a_float_cannot_tell_is_no_operand(number):
    for operand in ('{"numeric":["=",%s]}', '{"anything-but":%s}', '{"anything-but":[1,%s]}'):
        assert f"Cannot compare number : {number}" == refusal(f'{{"a":[{operand % number}]}}').reason
    assert compile_pattern(f'{{"a":[{number}]}}').matches_text(f'{{"a":{number}}}')


@pytest.mark.rule("FLT-069", "FLT-070")
@pytest.mark.parametrize(
    ("operand", "reason"),
    [
        ("true", "Value of anything-but must be an array or single string/number value."),
        ('["x",true]', "Inside anything but list, start|null|boolean is not supported."),
        ('[1,"x",["y"]]', "Inside anything but list, start|null|boolean is not supported."),
        ('{"suffix":""}', "Null prefix/suffix not allowed"),
        ('{"prefix":["x",""]}', "Null prefix/suffix not allowed"),
        ('{"prefix":1}', "prefix match pattern must be a string"),
        ('{"wildcard":[]}', "wildcard match pattern must be a string"),
        ('{"exists":true}', "Unsupported anything-but pattern: exists"),
        ('{"cidr":"10.0.0.0/8"}', "Unsupported anything-but pattern: cidr"),
        ('{"wildcard":["a*","b**"]}', "Consecutive wildcard characters at pos 2"),
    ],
)
def test_what_a_leaf_must_not_be_is_given_plainly(operand, reason):
    assert reason == refusal(f'{{"a":[{{"anything-but":{operand}}}]}}').reason


@pytest.mark.rule("FLT-073")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"**", "Consecutive wildcard characters at pos 1"),
        (r"ab***", "Consecutive wildcard characters at pos 3"),
        (r"\\***", "Consecutive wildcard characters at pos 3"),
        (r"a\b", "Invalid escape character at pos 2"),
        ("\\", "Invalid escape character at pos 1"),
        ("*\\", "Invalid escape character at pos 2"),
        (r"\*\?", "Invalid escape character at pos 3"),
    ],
)
def test_stars_and_backslashes_of_wildcards_stand_apart(text, reason):
    assert reason == refusal(f'{{"a":[{{"wildcard":{json.dumps(text)}}}]}}').reason


@pytest.mark.rule("FLT-074")
@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("10.0.0.0/8/8", "Malformed CIDR, one '/' required"),
        ("10.0.0.0/33", "IPv4 mask bits must be < 32"),
        ("::1/128", "IPv6 mask bits must be < 128"),
        ("::1/999", "IPv6 mask bits must be < 128"),
        ("10.0.0.0/" + "9" * 5_000, "IPv4 mask bits must be < 32"),
    ],
)
def test_a_block_of_addresses_is_an_address_and_bits(block, reason):
    assert reason == refusal(f'{{"a":[{{"cidr":"{block}"}}]}}').reason


@pytest.mark.rule("FLT-074")
@pytest.mark.parametrize(
    "block", ["10.0.0/8", "localhost/8", "/8", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1", "10.0.0.0/٨"]
)
def test_a_block_that_is_none_is_refused(block):
    assert "a" == refusal(f'{{"a":[{{"cidr":"{block}"}}]}}').path


# ---- criteria


@pytest.mark.rule("FLT-012")
@pytest.mark.parametrize(("quota", "allowed"), [(None, 5), (1, 1), (5, 5), (10, 10)])
def test_a_mapping_has_as_many_filters_as_its_quota_says(quota, allowed):
    model = None if quota is None else FilterModel(max_filters=quota)
    assert Filters([GOOD] * allowed, source="sqs", model=model)
    error = refusal_of([GOOD] * (allowed + 1), model=model)
    assert f"The number of filters exceeds the limit of {allowed}." == error.message


@pytest.mark.rule("FLT-012", "FLT-130")
@pytest.mark.parametrize("quota", [0, 11, 5.0, True, "5"])
def test_the_quota_is_between_one_and_ten(quota):
    with pytest.raises(UsageError, match="max_filters"):
        FilterModel(max_filters=quota)


def padded(pattern, length):
    return pattern + " " * (length - len(pattern))


@pytest.mark.rule("FLT-013")
def test_a_pattern_has_up_to_4096_characters():
    assert Filters([padded(GOOD, 4_096)], source="sqs")
    for place in range(3):
        patterns = [GOOD] * 3
        patterns[place] = padded(GOOD, 4_097)
        assert refusal_of(patterns, ValidationException).message == (
            f"1 validation error detected: Value '{patterns[place]}' at "
            f"'filterCriteria.filters.{place + 1}.member.pattern' failed to satisfy constraint: "
            "Member must have length less than or equal to 4096"
        )


@pytest.mark.rule("FLT-013")
def test_characters_are_code_points_of_the_text_as_given():
    room = 4_096 - len('{"body":[""]}')
    assert Filters([f'{{"body":["{"𝄞" * room}"]}}'], source="sqs").accepts({"body": "𝄞" * room})
    refusal_of([f'{{"body":["{"é" * (room + 1)}"]}}'], ValidationException)
    refusal_of([f'{{"body":["{chr(92)}u00e9{"é" * (room - 5)}"]}}'], ValidationException)


@pytest.mark.rule("FLT-014")
@pytest.mark.parametrize(
    "given",
    [
        "x",
        [],
        7,
        {"filters": []},
        {"Filters": [], "More": 1},
        {"Filters": None},
        {"Filters": "x"},
        {"Filters": b""},
        {"Filters": {}},
        {"Filters": {"Pattern": GOOD}},
        {"Filters": [GOOD]},
        {"Filters": [None]},
        {"Filters": [{"pattern": GOOD}]},
        {"Filters": [{"Pattern": GOOD, "Name": "x"}]},
        {"Filters": [{"Pattern": None}]},
        {"Filters": [{"Pattern": 1}]},
        {"Filters": [{"Pattern": GOOD.encode()}]},
        {"Filters": [{"Pattern": {"body": ["x"]}}]},
        {"Filters": [{"Pattern": GOOD}, {"Pattern": ["x"]}]},
    ],
)
def test_wrong_types_are_found_before_anything_else(given):
    with pytest.raises(ParamValidationError):
        parse_criteria(given)


@pytest.mark.rule("FLT-014")
@pytest.mark.parametrize("text", [None, 1, b"{}", {"a": ["x"]}])
def test_a_pattern_is_a_text(text):
    with pytest.raises(ParamValidationError):
        compile_pattern(text)


@pytest.mark.rule("FLT-018")
@pytest.mark.parametrize("given", [{}, {"Pattern": ""}])
def test_a_filter_without_a_pattern_is_not_valid(given):
    error = refusal_of(parse_criteria({"Filters": [{"Pattern": GOOD}, given]}))
    assert (REFUSED, "Malformed JSON", 1, "") == (error.message, error.reason, error.filter_index, error.path)


@pytest.mark.rule("FLT-120")
def test_a_mapping_hides_what_is_wrong_with_a_pattern():
    error = refusal_of(['{"body":[]}'])
    assert (REFUSED, 400, "InvalidParameterValueException") == (error.message, error.http_status, error.code)


@pytest.mark.rule("FLT-120")
def test_a_pipe_calls_it_a_validation():
    error = refusal_of(['{"body":[]}'], ValidationException, is_pipe=True)
    assert (REFUSED, "Empty arrays are not allowed", 0, "body") == (
        error.message,
        error.reason,
        error.filter_index,
        error.path,
    )


@pytest.mark.rule("FLT-120", "FLT-121")
def test_the_matcher_by_itself_says_what_is_wrong():
    error = refusal('{"body":{"k":[]}}')
    assert "Event pattern is not valid. Reason: Empty arrays are not allowed" == error.message == str(error)
    assert ("InvalidEventPatternException", 400) == (error.code, error.http_status)
    assert ("Empty arrays are not allowed", "body.k") == (error.reason, error.path)
    assert isinstance(error, AwsError)
    copy = pickle.loads(pickle.dumps(error))
    assert (error.message, error.reason, error.path) == (copy.message, copy.reason, copy.path)


@pytest.mark.rule("FLT-121")
def test_a_refusal_tells_the_developer_which_filter_and_where():
    error = refusal_of([GOOD, GOOD, '{"body":{"k":[{"numeric":["~",1]}]}}', '{"body":1}'])
    assert (2, "body.k", "Unrecognized numeric range operator: ~") == (error.filter_index, error.path, error.reason)


LONG, MANY, BAD = padded(GOOD, 4_097), [GOOD] * 6, '{"body":[]}'


@pytest.mark.rule("FLT-122")
def test_length_is_checked_before_the_number_of_filters():
    refusal_of([*MANY, LONG], ValidationException, source="documentdb")


@pytest.mark.rule("FLT-122")
def test_the_number_of_filters_is_checked_before_the_source():
    assert refusal_of(MANY, source="documentdb").message.startswith("The number of filters")


@pytest.mark.rule("FLT-122", "FLT-104")
def test_the_source_is_checked_before_any_pattern():
    assert refusal_of([BAD], source="documentdb").message.startswith("Unsupported FilterCriteria")


@pytest.mark.rule("FLT-122")
def test_patterns_are_checked_in_the_order_of_the_list():
    late_in_one_early_in_the_next = ['{"data":["x"]}', "no JSON"]
    error = refusal_of(late_in_one_early_in_the_next, source="kinesis")
    assert 0 == error.filter_index


@pytest.mark.rule("FLT-122", "FLT-080")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"data":[{"wildcard":"a*"}],"b":{}}', "Empty objects are not allowed"),
        ('{"data":[{"wildcard":"a**"}]}', "Consecutive wildcard characters at pos 2"),
        ('{"data":["x",{"wildcard":"a*"}]}', "Operator wildcard is not supported by the lambda dialect"),
        ('{"data":["x"]}', '"data" must be an object'),
    ],
)
def test_of_one_pattern_grammar_comes_before_dialect_and_dialect_before_source(text, reason):
    assert reason == refusal_of([text], source="kinesis").reason


@pytest.mark.rule("FLT-121")
def test_a_refused_mapping_keeps_what_it_says_when_it_is_pickled(sim):
    """As test runners do that send failures from one process to another."""
    queue, worker = sim.create_queue("orders"), sim.create_function("worker")
    filters = {"Filters": [{"Pattern": '{"body": {"a": [1]}}'}, {"Pattern": '{"body": "paid"}'}]}
    with pytest.raises(AwsError) as refusal:
        sim.create_event_source_mapping(queue, worker, filter_criteria=filters)
    copy = pickle.loads(pickle.dumps(refusal.value))
    assert (copy.code, copy.filter_index, copy.path) == ("InvalidParameterValueException", 1, "body")
    assert (copy.message, copy.reason) == (refusal.value.message, refusal.value.reason)
