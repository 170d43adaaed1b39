"""SQS §6: what a message carries beside its body, and what it all weighs."""

from __future__ import annotations

import decimal
import gc
from collections import OrderedDict
from decimal import Decimal
from hashlib import md5
from types import MappingProxyType

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lambdasim import SqsConfig
from lambdasim.errors import ParamValidationError
from lambdasim.errors.sqs import (
    InvalidMessageContents,
    InvalidParameterValueException,
    MissingRequiredParameterException,
)
from lambdasim.sqs.content import (
    MessageAttributes,
    check_body,
    check_token,
    md5_hex,
    parse_message_attributes,
    parse_system_attributes,
    rough_size_bytes,
)
from tests.strategies import bodies as texts
from tests.strategies import illegal_characters


def string(value, label=""):
    return {"DataType": f"String{label}", "StringValue": value}


def number(value, label=""):
    return {"DataType": f"Number{label}", "StringValue": value}


def binary(value, label=""):
    return {"DataType": f"Binary{label}", "BinaryValue": value}


def parse(given, charset="ascii"):
    return parse_message_attributes(given, charset)


def refusal(given, charset="ascii"):
    with pytest.raises(InvalidParameterValueException) as caught:
        parse(given, charset)
    assert "InvalidParameterValue" == caught.value.code
    return caught.value.message


names = st.one_of(
    st.sampled_from(("k", "Hello", "Help.Me", "a-b_c.d", "AWS", "awsome.x", "x" * 256)),
    st.lists(st.text("abcXYZ019_-", min_size=1, max_size=6), min_size=1, max_size=3).map(".".join),
).filter(lambda name: not name.lower().startswith(("aws.", "amazon.")))
"""Names of message attributes (SQS-131)."""

labels = st.one_of(st.just(""), texts.map(lambda text: f".{text}"))

values = st.one_of(
    st.builds(string, texts, labels),
    st.builds(number, st.integers(-(10**37), 10**37).map(str), labels),
    st.builds(binary, st.binary(min_size=1, max_size=12), labels),
)
"""Legal attributes, without their names (SQS-132, SQS-133)."""

attribute_maps = st.dictionaries(names, values, min_size=1, max_size=10)


# ---- the body


@pytest.mark.rule("SQS-120", "SQS-121")
@pytest.mark.parametrize("policy", ["reject", "replace"])
@given(body=texts)
def test_a_legal_body_is_kept_as_it_is(policy, body):
    assert body is check_body(body, policy)


@pytest.mark.rule("SQS-121")
@given(before=texts, illegal=illegal_characters, after=texts)
def test_an_illegal_character_is_refused_or_replaced(before, illegal, after):
    body = before + illegal + after
    with pytest.raises(InvalidMessageContents) as caught:
        check_body(body, "reject")
    assert (
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | "
        "#x10000 to #x10FFFF"
    ) == caught.value.message
    assert f"{before}\ufffd{after}" == check_body(body, "replace")


@pytest.mark.rule("SQS-122")
@pytest.mark.parametrize("body", [None, ""])
@pytest.mark.parametrize("policy", ["reject", "replace"])
def test_a_body_must_be_there(policy, body):
    with pytest.raises(MissingRequiredParameterException) as caught:
        check_body(body, policy)
    assert "The request must contain the parameter MessageBody." == caught.value.message


@pytest.mark.parametrize("body", [b"", b"bytes", 0, 7, {}, {"a": 1}, []])
def test_a_body_of_another_type_is_refused_before_the_call(body):
    with pytest.raises(ParamValidationError, match=r"is no text; SQS carries strings, so json\.dumps it"):
        check_body(body, "replace")


# ---- size


@pytest.mark.rule("SQS-123")
@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"k": string("x")}, 1 + 6 + 1),
        ({"k": number("10")}, 1 + 6 + 2),
        ({"k": number("1", ".int")}, 1 + 10 + 1),
        ({"k": binary(b"\xff\x00\xff")}, 1 + 6 + 3),
        ({"k": string("é✓𝄞")}, 1 + 6 + 2 + 3 + 4),
        ({"k": string("x", ".é")}, 1 + 6 + 3 + 1),
        ({"k": string("x"), "Hello": string("There")}, 8 + 16),
    ],
)
def test_the_size_counts_names_types_with_labels_and_values_in_bytes(given, size):
    assert size == parse(given).size_bytes


@pytest.mark.rule("SQS-123")
def test_a_name_counts_its_utf8():
    assert len("é".encode()) + 6 + 1 == parse({"é": string("x")}, "observed").size_bytes


@pytest.mark.rule("SQS-123")
@given(attribute_maps)
def test_sizes_add_up(given):
    alone = [parse({name: value}).size_bytes for name, value in given.items()]
    assert sum(alone) == parse(given).size_bytes


@pytest.mark.rule("SQS-123", "SQS-183")
@given(texts, attribute_maps)
def test_the_rough_size_of_what_is_legal_is_its_size(body, given):
    assert len(body.encode()) + parse(given).size_bytes == rough_size_bytes(body, given)


anything = st.recursive(
    st.one_of(st.none(), st.integers(), st.binary(max_size=3), st.text(st.characters(), max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.one_of(st.sampled_from(("k", "DataType", "StringValue", "BinaryValue")), st.text(max_size=2)), inner
        ),
    ),
    max_leaves=6,
)


@pytest.mark.rule("SQS-183")
@given(anything, anything)
def test_the_rough_size_never_raises(body, given):
    assert 0 <= rough_size_bytes(body, given)


@pytest.mark.rule("SQS-183")
@pytest.mark.parametrize(
    ("body", "given", "size"),
    [
        (None, None, 0),
        (b"bytes", 7, 0),
        ("\x00\ud800", None, 4),
        ("a", {"..bad": string("xy")}, 1 + 5 + 6 + 2),
        ("a", {"k": {"DataType": 7, "StringValue": "xy"}}, 1 + 1 + 2),
        ("a", {7: string(8), "k": "x"}, 1 + 6 + 1),
        ("a", {"k": {"StringValue": "xy", "BinaryValue": b"not of this type"}}, 1 + 1 + 2),
        ("a", {"k": {"DataType": "Binary", "StringValue": "not this", "BinaryValue": memoryview(b"xyz")}}, 1 + 1 + 9),
        ("a", {"k": binary("text")}, 1 + 1 + 6),
    ],
)
def test_the_rough_size_counts_what_is_countable(body, given, size):
    assert size == rough_size_bytes(body, given)


# ---- attributes as they were given


@pytest.mark.rule("SQS-130")
@pytest.mark.parametrize("given", [None, {}])
def test_no_attributes_are_none(given):
    assert parse(given) is None
    assert parse_system_attributes(given) is None


@pytest.mark.rule("SQS-130")
@pytest.mark.parametrize("count", [11, 12])
def test_ten_attributes_are_the_most(count):
    given = {f"k{number}": string("x") for number in range(count)}
    assert f"Number of message attributes [{count}] exceeds the allowed maximum [10]." == refusal(given)
    assert 10 == len(parse(dict(list(given.items())[:10])))


@given(attribute_maps)
def test_attributes_come_back_in_order_and_in_a_form_that_can_be_sent_again(given):
    parsed = parse(given)
    shown = parsed.to_dict()
    assert given == shown
    assert list(given) == list(shown)
    assert parsed == parse(shown)
    assert [
        (name, value["DataType"], value.get("StringValue", value.get("BinaryValue"))) for name, value in given.items()
    ] == list(parsed.items())
    assert len(given) == len(parsed)


def test_nobody_can_change_attributes_afterwards():
    given = {"k": string("x"), "b": binary(bytearray(b"y"))}
    parsed = parse(given)
    given["k"]["StringValue"] = "z"
    given["b"]["BinaryValue"][0] = 0
    given.clear()
    shown = parsed.to_dict()
    shown["k"]["StringValue"] = "z"
    del shown["b"]
    assert {"k": string("x"), "b": binary(b"y")} == parsed.to_dict()
    with pytest.raises(AttributeError):
        parsed.more = 1
    with pytest.raises(AttributeError):
        parsed._parts = ()


@pytest.mark.parametrize("mapping", [dict, OrderedDict, lambda given: MappingProxyType(dict(given))])
def test_any_mapping_will_do(mapping):
    assert {"k": string("x")} == parse(mapping({"k": mapping(string("x"))})).to_dict()


def test_attributes_show_their_names():
    assert "<attributes k, Help.Me>" == repr(parse({"k": string("x"), "Help.Me": binary(b"secret")}))


def test_messages_share_the_names_and_types_of_their_attributes():
    first, second = (
        parse({f"trace-{word}": string("x", f".{word}")}) for word in ("".join(letters) for letters in ("id", "id"))
    )
    ((name, data_type, _),) = first.items()
    ((same_name, same_type, _),) = second.items()
    assert name is same_name
    assert data_type is same_type


def test_attributes_are_two_small_objects():
    """The tuple holds texts only, so that the garbage collector has nothing to look at in it."""
    parsed = parse({"k": string("x"), "b": binary(b"y")})
    assert not hasattr(parsed, "__dict__")
    assert not hasattr(parsed, "__weakref__")
    gc.collect()
    assert not gc.is_tracked(parsed._parts)


# ---- names


@pytest.mark.rule("SQS-131")
@pytest.mark.parametrize(
    "name",
    [
        "k",
        "K9_-.x",
        "0",
        "_",
        "-",
        "a.b.c",
        "x" * 256,
        "AWS",
        "aws",
        "amazon",
        "AWS-x",
        "Amazonas.x",
        "awss.x",
        "x.AWS.y",
    ],
)
def test_legal_names(name):
    for charset in ("ascii", "observed"):
        assert [name] == list(parse({name: string("x")}, charset).to_dict())


@pytest.mark.rule("SQS-131", "SQS-134")
@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 257,
        ".",
        ".x",
        "x.",
        "a..b",
        "AWS.x",
        "aws.x",
        "aWs.x",
        "AWS.",
        "Amazon.x",
        "AMAZON.x",
        "amazon.x.y",
        "a b",
        "a\n",
        "a/b",
        "a:b",
        "a*",
        "漢",
        "\u00bf",
        "\u0180",
        "\u212a",  # the sign of the kelvin, which Unicode lower-cases to k
        "\ud800",
        "\x00",
    ],
)
def test_illegal_names(name):
    for charset in ("ascii", "observed"):
        assert f"Message (user) attribute name '{name}' is invalid." == refusal({name: string("x")}, charset)


@pytest.mark.rule("SQS-131")
@pytest.mark.parametrize("name", ["\u00c0", "\u017f", "Größe", "a.é", "é" * 256, "AW\u017f.x"])
def test_latin_letters_are_legal_where_the_configuration_says_so(name):
    assert [name] == list(parse({name: string("x")}, "observed").to_dict())
    assert f"Message (user) attribute name '{name}' is invalid." == refusal({name: string("x")})


@pytest.mark.rule("SQS-131")
def test_names_of_different_case_are_different():
    assert ["k", "K"] == list(parse({"k": string("x"), "K": string("y")}).to_dict())


# ---- types

TYPE_ERROR = (
    "The type of message (user) attribute 'k' is invalid. You must use only the following supported type prefixes: "
    "Binary, Number, String."
)


@pytest.mark.rule("SQS-132")
@pytest.mark.parametrize("label", ["", ".x", ".x.y", "..", ". \t\n", ".é✓", f".{'x' * 249}"])
@pytest.mark.parametrize("make", [string, number])
def test_legal_types(make, label):
    assert {"k": make("7", label)} == parse({"k": make("7", label)}).to_dict()
    assert {"k": binary(b"7", label)} == parse({"k": binary(b"7", label)}).to_dict()


@pytest.mark.rule("SQS-132", "SQS-134")
@pytest.mark.parametrize(
    "data_type",
    [
        "string",
        "Stringy",
        "Text",
        "String.",
        ".String",
        " String",
        "String\n",
        "Number.\x00",
        "Binary.\ud800",
        "StringArray",
        f"String.{'x' * 250}",
    ],
)
def test_illegal_types(data_type):
    given = {"k": {"DataType": data_type, "StringValue": "7", "BinaryValue": b"7"}}
    assert TYPE_ERROR == refusal(given)


@pytest.mark.rule("SQS-134")
@pytest.mark.parametrize("given", [{}, {"DataType": ""}, {"DataType": None}])
def test_a_type_must_be_there(given):
    assert "Message (user) attribute 'k' must contain a non-empty message attribute type." == refusal(
        {"k": {**given, "StringValue": "x"}}
    )


# ---- values


@pytest.mark.rule("SQS-133", "SQS-134")
@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"DataType": "String"}, "String"),
        ({"DataType": "String", "StringValue": ""}, "String"),
        ({"DataType": "String", "StringValue": None}, "String"),
        ({"DataType": "String", "BinaryValue": b"x"}, "String"),
        ({"DataType": "Number.int"}, "String"),
        ({"DataType": "Number", "StringValue": ""}, "String"),
        ({"DataType": "Number", "BinaryValue": b"7"}, "String"),
        ({"DataType": "Binary"}, "Binary"),
        ({"DataType": "Binary.png", "BinaryValue": b""}, "Binary"),
        ({"DataType": "Binary", "StringValue": "x"}, "Binary"),
    ],
)
def test_a_value_of_the_type_must_be_there(given, kind):
    assert f"Message (user) attribute 'k' must contain a non-empty value of type '{kind}'." == refusal({"k": given})


@pytest.mark.rule("SQS-133")
def test_a_value_of_the_other_kind_is_not_looked_at():
    given = {"k": {"DataType": "String", "StringValue": "x", "BinaryValue": b"y"}}
    assert {"k": string("x")} == parse(given).to_dict()


@pytest.mark.rule("SQS-133", "SQS-134")
@pytest.mark.parametrize("make", [string, number])
@given(before=texts, illegal=illegal_characters, after=texts)
def test_a_text_value_has_the_characters_of_a_body(make, before, illegal, after):
    assert "Message (user) attribute 'k' contains invalid characters." == refusal({"k": make(before + illegal + after)})
    assert {"k": string(before + after)} == parse({"k": string(before + after)}).to_dict()


@pytest.mark.rule("SQS-133")
@given(st.binary(min_size=1))
def test_binary_values_are_any_bytes_in_any_wrapping(data):
    for wrapped in (data, bytearray(data), memoryview(data)):
        ((_, _, value),) = parse({"k": binary(wrapped)}).items()
        assert data == value
        assert type(value) is bytes


@pytest.mark.rule("SQS-134")
@pytest.mark.parametrize("member", ["StringListValues", "BinaryListValues"])
@pytest.mark.parametrize("given", [[], (), ["x"]])
def test_lists_are_refused(member, given):
    text = "Message attribute list values in SendMessage operation are not supported."
    assert text == refusal({"k": {**string("x"), member: given}})
    assert {"k": string("x")} == parse({"k": {**string("x"), member: None}}).to_dict()


# ---- numbers

NUMBER_ERROR = "Can't cast the value of message (user) attribute 'k' to a number."


@pytest.mark.rule("SQS-133")
@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-0",
        "+7",
        "007",
        "7.",
        ".5",
        "-1.50",
        "1e3",
        "1E+3",
        "1e-3",
        "0e999999999999999999999",
        "9" * 38,
        "0." + "9" * 38,
        "9" * 19 + "." + "9" * 19,
        "1" + "0" * 126,
        "0" * 500 + "1." + "0" * 500,
        "1e126",
        "-1e126",
        "10e125",
        "1e-128",
        "-1e-128",
        "0.1e-127",
        "1.0000000000000000000000000000000000001e-128",
        "0." + "0" * 127 + "1",
    ],
)
def test_numbers_that_are_numbers_are_kept_as_they_were_given(text):
    assert {"k": number(text)} == parse({"k": number(text)}).to_dict()


@pytest.mark.rule("SQS-133", "SQS-134")
@pytest.mark.parametrize(
    "text",
    [
        "seven",
        " 7",
        "7 ",
        "7\n",
        "1_000",
        "1,5",
        "٣",
        "0x7",
        "NaN",
        "Infinity",
        "-inf",
        "sNaN",
        ".",
        "-",
        "e5",
        "1e",
        "1e5.0",
        "1.2.3",
        "--1",
        "9" * 39,
        "1" + "0" * 37 + "1",
        "0." + "1" * 39,
        "1.0000000000000000000000000000000000001e126",
        "1" + "0" * 127,
        "-1.1e126",
        "1e127",
        "9.9999999999999999999999999999999999999e-129",
        "-1e-129",
        "1e999999999999999999999",
        "1e-999999999999999999999",
        f"1e{'9' * 5_000}",
    ],
)
def test_numbers_that_are_none(text):
    assert NUMBER_ERROR == refusal({"k": number(text)})
    assert {"k": string(text)} == parse({"k": string(text)}).to_dict()


@pytest.mark.rule("SQS-133")
@given(st.text("0123456789", min_size=1, max_size=45), st.integers(-140, 140), st.sampled_from(("", "+", "-")))
def test_a_number_has_38_digits_and_an_exponent_at_most(digits, exponent, sign):
    text = f"{sign}{digits}e{exponent}"
    with decimal.localcontext(decimal.Context(prec=100)):
        magnitude = abs(Decimal(text))
        is_legal = len(digits.strip("0")) <= 38 and (
            not magnitude or Decimal(10) ** -128 <= magnitude <= Decimal(10) ** 126
        )
    if is_legal:
        assert text == parse({"k": number(text)}).to_dict()["k"]["StringValue"]
    else:
        assert NUMBER_ERROR == refusal({"k": number(text)})


def test_the_decimal_context_of_the_user_changes_nothing():
    with decimal.localcontext(decimal.Context(prec=1, Emax=1, Emin=-1, traps=list(decimal.Context().flags))) as context:
        assert {"k": number("1.23456e100")} == parse({"k": number("1.23456e100")}).to_dict()
        assert NUMBER_ERROR == refusal({"k": number("1e999999999999999999999")})
        assert not any(context.flags.values())


def test_a_long_text_is_no_number_soon():
    """A million digits take milliseconds: no pattern here tries them twice."""
    assert NUMBER_ERROR == refusal({"k": number("1" * 1_000_000 + "x")})
    assert NUMBER_ERROR == refusal({"k": number("1" * 1_000_000)})


# ---- which failure comes first


@pytest.mark.rule("SQS-134")
def test_the_checks_of_one_attribute_have_an_order():
    lists = {"StringListValues": ["x"]}
    name = {"..": {"DataType": "Text", **lists}}
    assert "Message (user) attribute name '..' is invalid." == refusal(name)
    assert TYPE_ERROR == refusal({"k": {"DataType": "Text", **lists}})
    assert "list values" in refusal({"k": {"DataType": "String", **lists}})
    assert "non-empty value" in refusal({"k": number("")})
    assert "invalid characters" in refusal({"k": number("x\x00")})
    assert NUMBER_ERROR == refusal({"k": number("x")})


@pytest.mark.rule("SQS-130", "SQS-134")
def test_attributes_are_checked_one_after_the_other_and_counted_before():
    bad_number, bad_name = {"k": number("x")}, {"..": string("x")}
    assert NUMBER_ERROR == refusal({**bad_number, **bad_name})
    assert "name '..'" in refusal({**bad_name, **bad_number})
    many = {f"k{number}": string("x") for number in range(10)}
    assert "Number of message attributes [11]" in refusal({**bad_name, **many})


# ---- wrong types, which a client refuses before it calls


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("text", "message_attributes='text' is no mapping"),
        ([], r"message_attributes=\[\] is no mapping"),
        (7, "message_attributes=7 is no mapping"),
        ({7: string("x")}, "has the name 7, which is no text"),
        ({"k": "x"}, r"message_attributes\['k'\]='x' is no mapping; give {'DataType': 'String', 'StringValue': 'x'}"),
        ({"k": None}, "is no mapping"),
        ({"k": {"DataType": 7}}, r"message_attributes\['k'\]\['DataType'\]=7 is of the wrong type; give text"),
        ({"k": string(7)}, r"\['StringValue'\]=7 is of the wrong type; give text"),
        ({"k": number(7)}, r"\['StringValue'\]=7 is of the wrong type; give text, of a number too: '7'"),
        ({"k": string(b"x")}, r"\['StringValue'\]=b'x' is of the wrong type; give text"),
        ({"k": binary("x")}, r"\['BinaryValue'\]='x' is of the wrong type; give bytes"),
        ({"k": binary(7)}, r"\['BinaryValue'\]=7 is of the wrong type; give bytes"),
        ({"k": binary([7])}, r"\['BinaryValue'\]=\[7\] is of the wrong type; give bytes"),
        ({"k": {**string("x"), "StringListValues": "x"}}, "'StringListValues'"),
        ({"k": {**string("x"), "stringValue": "x"}}, "has the unknown member 'stringValue'; give DataType and"),
        ({"k": {**string("x"), 7: "x"}}, "has the unknown member 7"),
    ],
)
def test_wrong_types_are_named_and_say_what_to_give(given, part):
    with pytest.raises(ParamValidationError, match=part):
        parse(given)
    with pytest.raises(ParamValidationError, match=part.replace("message_attributes", "message_system_attributes")):
        parse_system_attributes(given)


def test_wrong_types_come_before_the_checks_of_aws():
    with pytest.raises(ParamValidationError):
        parse({"..": string("x"), "k": string(7)})
    with pytest.raises(ParamValidationError):
        parse({**{f"k{number}": string("x") for number in range(10)}, "k": string(7)})


def test_errors_stay_short_whatever_was_given():
    with pytest.raises(ParamValidationError) as caught:
        parse({"k": string(b"x" * 1_000_000)})
    assert len(str(caught.value)) < 300


# ---- system attributes

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


@pytest.mark.rule("SQS-135")
def test_a_trace_header_may_be_sent():
    parsed = parse_system_attributes({"AWSTraceHeader": string(TRACE)})
    assert {"AWSTraceHeader": string(TRACE)} == parsed.to_dict()


@pytest.mark.rule("SQS-135")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWSTraceHeade", string(TRACE)),
        ("awsTraceHeader", string(TRACE)),
        ("SenderId", string("x")),
        ("k", string("x")),
        ("", string("x")),
        ("AWSTraceHeader", string(TRACE, ".x")),
        ("AWSTraceHeader", number("7")),
        ("AWSTraceHeader", binary(b"x")),
        ("AWSTraceHeader", {"StringValue": TRACE}),
    ],
)
def test_no_other_system_attribute_may_be_sent(name, value):
    with pytest.raises(InvalidParameterValueException) as caught:
        parse_system_attributes({name: value})
    assert f"Message system attribute name '{name}' is invalid." == caught.value.message
    with pytest.raises(InvalidParameterValueException):
        parse_system_attributes({"AWSTraceHeader": string(TRACE), name: value})


@pytest.mark.rule("SQS-135")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (string(""), "Message (system) attribute 'AWSTraceHeader' must contain a non-empty value of type 'String'."),
        (string("\x00"), "Message (system) attribute 'AWSTraceHeader' contains invalid characters."),
        (
            {**string("x"), "BinaryListValues": []},
            "Message attribute list values in SendMessage operation are not supported.",
        ),
    ],
)
def test_the_value_of_a_trace_header_is_checked_like_others(value, text):
    with pytest.raises(InvalidParameterValueException) as caught:
        parse_system_attributes({"AWSTraceHeader": value})
    assert text == caught.value.message


# ---- digests


@pytest.mark.rule("SQS-140", "SQS-143")
@pytest.mark.parametrize(
    ("body", "digest"),
    [("a", "0cc175b9c0f1b6a831c399e269772661"), ("This is a test message", "fafb00f5732ab283681e124bf8747ed1")],
)
def test_digests_of_bodies_are_those_that_aws_answered(body, digest):
    assert digest == md5_hex(body.encode())


@pytest.mark.rule("SQS-141", "SQS-143")
@pytest.mark.parametrize(
    ("given", "digest"),
    [
        ({"k": string("x")}, "a45daa70926828a2f0a1db3418e6feb4"),
        ({"Foo": string("Bar")}, "ae7155c6026991b6d54b11589678bf9c"),
        ({"Hello": string("There")}, "a311262e065454b75da111d535b8dacd"),
        ({"timestamp": number("1493147359900")}, "235c5c510d26fb653d073faed50ae77c"),
        ({"UserId": number("1234567890123456789012", ".bigint")}, "797ab158d73dcb5242dedc4412c8e855"),
        (
            {
                "my_attribute_name_1": string("my_attribute_value_1"),
                "my_attribute_name_2": string("my_attribute_value_2"),
            },
            "c48838208d2b4e14e3ca0093a8443f09",
        ),
        (
            {"attr1": binary(b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01")},
            "8cbe4db156db8a94db8b801b7addb984",
        ),
    ],
)
def test_digests_of_attributes_are_those_that_aws_answered(given, digest):
    assert digest == parse(given).digest()


@pytest.mark.rule("SQS-142", "SQS-143")
def test_the_digest_of_system_attributes_is_the_one_that_aws_answered():
    assert "5ae4d5d7636402d80f4eb6d213245a88" == parse_system_attributes({"AWSTraceHeader": string(TRACE)}).digest()


@pytest.mark.rule("SQS-141")
@given(attribute_maps, st.randoms(use_true_random=False))
def test_the_order_does_not_change_the_digest(given, random):
    shuffled = list(given.items())
    random.shuffle(shuffled)
    assert parse(given).digest() == parse(dict(shuffled)).digest()


@pytest.mark.rule("SQS-141")
@given(attribute_maps)
def test_the_digest_is_the_md5_of_all_parts_with_their_lengths(given):
    fed = b""
    for name in sorted(given, key=lambda name: [ord(character) for character in name]):
        value = given[name]
        is_binary = "BinaryValue" in value
        data = value["BinaryValue"] if is_binary else value["StringValue"].encode()
        for part in (name.encode(), value["DataType"].encode()):
            fed += len(part).to_bytes(4, "big") + part
        fed += (b"\x02" if is_binary else b"\x01") + len(data).to_bytes(4, "big") + data
    assert md5(fed).hexdigest() == parse(given).digest()


@pytest.mark.rule("SQS-141")
@given(attribute_maps, attribute_maps)
def test_other_attributes_have_another_digest(first, second):
    assume(first != second)
    assert parse(first).digest() != parse(second).digest()


# ---- what a receive asks for

PAIR = {"Hello": string("There"), "other": number("7"), "Help.Me": binary(b"x")}


@pytest.mark.rule("SQS-213")
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["Hello"], ["Hello"]),
        (["other", "Hello"], ["Hello", "other"]),
        (["Hello", "Hello"], ["Hello"]),
        (["Hel.*"], ["Hello", "Help.Me"]),
        (["Help.*"], ["Help.Me"]),
        (["Help.Me.*"], ["Help.Me"]),
        (["Help.Me.x.*"], []),
        (["Hel.*", "oth.*"], ["Hello", "other", "Help.Me"]),
        (["Hel*"], []),
        (["hel.*"], []),
        (["Hel"], []),
        (["All"], ["Hello", "other", "Help.Me"]),
        ([".*"], ["Hello", "other", "Help.Me"]),
        (["*"], ["Hello", "other", "Help.Me"]),
        (["nothing", "All"], ["Hello", "other", "Help.Me"]),
        (["all"], []),
        (["AWS.", "..foo", "", "other"], ["other"]),
        (["AWS.", "..foo", ""], []),
        ([], []),
    ],
)
def test_attributes_are_selected_by_name_or_beginning(asked, found):
    selected = parse(PAIR).select(asked)
    assert found == (list(selected.to_dict()) if selected else [])
    assert (selected is None) == (not found)
    if selected:
        assert {name: PAIR[name] for name in found} == selected.to_dict()


@pytest.mark.rule("SQS-213")
@given(attribute_maps, st.sampled_from((["All"], [".*"], ["*"])))
def test_all_selects_the_very_object(given, asked):
    parsed = parse(given)
    assert parsed is parsed.select(asked)
    assert parsed is parsed.select(list(given))


@pytest.mark.rule("SQS-213")
@given(attribute_maps, st.lists(st.one_of(names, names.map(lambda name: f"{name[:2]}.*")), max_size=4))
def test_a_selection_is_what_matches_in_the_order_of_the_message(given, asked):
    expected = [
        name
        for name in given
        if any(name == wish or (wish.endswith(".*") and name.startswith(wish[:-2])) for wish in asked)
    ]
    selected = parse(given).select(iter(asked))
    assert expected == (list(selected.to_dict()) if selected else [])


@pytest.mark.rule("SQS-214")
def test_the_digest_of_a_selection_is_that_of_a_message_with_nothing_else():
    selected = parse(PAIR).select(["Hello"])
    assert "a311262e065454b75da111d535b8dacd" == selected.digest() != parse(PAIR).digest()
    assert isinstance(selected, MessageAttributes)


# ---- group and deduplication ids

TOKEN_NAMES = ("MessageGroupId", "MessageDeduplicationId", "ReceiveRequestAttemptId")


@pytest.mark.rule("SQS-163")
@pytest.mark.parametrize("name", TOKEN_NAMES)
@pytest.mark.parametrize("token", ["!", "~", "a" * 128, "".join(map(chr, range(0x21, 0x7F)))])
def test_legal_ids(name, token):
    assert token is check_token(token, name)


@pytest.mark.rule("SQS-163")
@pytest.mark.parametrize("name", TOKEN_NAMES)
@pytest.mark.parametrize("token", ["", "a" * 129, " ", "a b", "a\n", "\x7f", "\x00", "é", "\ud800"])
def test_illegal_ids(name, token):
    with pytest.raises(InvalidParameterValueException) as caught:
        check_token(token, name)
    assert (
        f"Value {token} for parameter {name} is invalid. Reason: {name} can only include alphanumeric and punctuation "
        "characters. 1 to 128 in length."
    ) == caught.value.message


@pytest.mark.rule("SQS-163")
@given(st.text(st.characters(max_codepoint=0x100), min_size=1, max_size=3))
def test_an_id_is_legal_exactly_when_all_its_characters_are(token):
    if all("!" <= character <= "~" for character in token):
        assert token == check_token(token, "MessageGroupId")
    else:
        with pytest.raises(InvalidParameterValueException):
            check_token(token, "MessageGroupId")


@pytest.mark.parametrize("token", [None, 7, b"x", ["x"]])
def test_an_id_of_another_type_is_refused_before_the_call(token):
    with pytest.raises(ParamValidationError, match=r"MessageGroupId=.* is no text; give a string"):
        check_token(token, "MessageGroupId")


# ---- through a queue


def receive_one(queue, *wanted, **parameters):
    (delivery,) = queue.receive_message(message_attribute_names=wanted, **parameters)
    return delivery


@pytest.mark.rule("SQS-123", "SQS-124")
def test_attributes_count_against_the_limit_of_a_queue(sim):
    queue = sim.create_queue("orders", maximum_message_size=1_024)
    attributes = {"k": string("x", ".é"), "b": binary(b"\xff\xff")}
    body = "x" * (1_024 - parse(attributes).size_bytes)
    queue.send_message(body, message_attributes=attributes)
    with pytest.raises(InvalidParameterValueException) as caught:
        queue.send_message(f"{body}x", message_attributes=attributes)
    assert (
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes." == caught.value.message
    )
    assert 1 == queue.snapshot().sent


@pytest.mark.rule("SQS-123", "SQS-135")
def test_system_attributes_and_groups_count_nothing(sim):
    queue = sim.create_queue("orders", maximum_message_size=1_024)
    queue.send_message(
        "x" * 1_024, message_system_attributes={"AWSTraceHeader": string(TRACE)}, message_group_id="g" * 128
    )
    assert 1 == queue.snapshot().sent


@pytest.mark.rule("SQS-131")
def test_the_configuration_says_which_names_a_queue_takes(sim):
    queue = sim.create_queue("orders", settings=[SqsConfig(attribute_name_charset="observed")])
    queue.send_message("a", message_attributes={"é": string("x")})
    assert {"é": string("x")} == receive_one(queue, "All").message_attributes
    strict = sim.create_queue("strict")
    with pytest.raises(InvalidParameterValueException):
        strict.send_message("a", message_attributes={"é": string("x")})
    assert 0 == strict.snapshot().total


@pytest.mark.rule("SQS-130", "SQS-134", "SQS-135", "SQS-161", "SQS-163", "SQS-622")
@pytest.mark.parametrize(
    ("parameters", "part"),
    [
        ({"delay_seconds": 901}, "DelaySeconds"),
        ({"message_attributes": {"k": number("x")}}, "Can't cast"),
        ({"message_system_attributes": {"k": string("x")}}, "Message system attribute name 'k' is invalid."),
        ({"message_group_id": "a b"}, "MessageGroupId can only include"),
        ({"message_deduplication_id": "a b"}, "MessageDeduplicationId can only include"),
    ],
)
def test_a_failure_leaves_no_message_and_comes_in_this_order(queue, parameters, part):
    later = {
        "message_attributes": {"..": string("x")},
        "message_system_attributes": {"SenderId": string("x")},
        "message_group_id": "",
        "message_deduplication_id": "",
    }
    names = ["delay_seconds", *later]
    (name,) = parameters
    after = {other: later[other] for other in names[names.index(name) + 1 :]}
    with pytest.raises(InvalidParameterValueException) as caught:
        queue.send_message("a", **parameters, **after)
    assert part in caught.value.message
    assert 0 == queue.snapshot().sent


@pytest.mark.rule("SQS-141", "SQS-142", "SQS-143", "SQS-160")
def test_the_answer_to_a_send_has_the_digests_of_what_was_sent(queue):
    system = {"AWSTraceHeader": string(TRACE)}
    nothing = queue.send_message("a", message_attributes={}, message_system_attributes={})
    assert (None, None) == (nothing.md5_of_message_attributes, nothing.md5_of_message_system_attributes)
    user = queue.send_message("a", message_attributes={"k": string("x")})
    assert "a45daa70926828a2f0a1db3418e6feb4" == user.md5_of_message_attributes
    assert user.md5_of_message_system_attributes is None
    both = queue.send_message("a", message_attributes={"k": string("x")}, message_system_attributes=system)
    assert "a45daa70926828a2f0a1db3418e6feb4" == both.md5_of_message_attributes
    assert "5ae4d5d7636402d80f4eb6d213245a88" == both.md5_of_message_system_attributes
    alone = queue.send_message("a", message_system_attributes=system)
    assert alone.md5_of_message_attributes is None
    assert "5ae4d5d7636402d80f4eb6d213245a88" == alone.md5_of_message_system_attributes


@pytest.mark.rule("SQS-135", "SQS-142", "SQS-150")
def test_a_trace_header_arrives_as_a_system_attribute_and_as_no_other(queue):
    queue.send_message("a", message_system_attributes={"AWSTraceHeader": string(TRACE)})
    queue.send_message("b")
    first = receive_one(queue, "All", attribute_names=["AWSTraceHeader"])
    assert {"AWSTraceHeader": TRACE} == first.attributes
    assert ({}, None) == (first.message_attributes, first.md5_of_message_attributes)
    assert {} == receive_one(queue, "All", attribute_names=["AWSTraceHeader"]).attributes


@pytest.mark.rule("SQS-211", "SQS-213", "SQS-214")
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], []),
        (["..foo", "AWS.", "nothing"], []),
        (["Hello"], ["Hello"]),
        (["Hel.*"], ["Hello", "Help.Me"]),
        (["All"], list(PAIR)),
        ([".*"], list(PAIR)),
        (["*"], list(PAIR)),
    ],
)
def test_a_delivery_has_the_attributes_that_were_asked_for_and_their_digest(queue, asked, found):
    sent = queue.send_message("a", message_attributes=PAIR)
    delivery = receive_one(queue, *asked)
    assert {name: PAIR[name] for name in found} == delivery.message_attributes
    assert found == list(delivery.message_attributes)
    expected = parse({name: PAIR[name] for name in found}).digest() if found else None
    assert expected == delivery.md5_of_message_attributes
    assert (sent.md5_of_message_attributes == expected) == (len(PAIR) == len(found))


@pytest.mark.rule("SQS-213")
def test_each_delivery_has_attributes_of_its_own_that_change_no_message(queue):
    queue.send_message("a", message_attributes={"k": string("x")})
    first = receive_one(queue, "All", visibility_timeout=0)
    first.message_attributes["k"]["StringValue"] = "y"
    first.message_attributes.clear()
    assert {"k": string("x")} == receive_one(queue, "All").message_attributes


@pytest.mark.rule("SQS-163", "SQS-165")
def test_a_standard_queue_takes_a_legal_group(queue):
    queue.send_message("a", message_group_id="~" * 128)
    with pytest.raises(InvalidParameterValueException):
        queue.send_message("a", message_group_id="~" * 129)
    assert {"MessageGroupId": "~" * 128} == receive_one(queue, attribute_names=["MessageGroupId"]).attributes
