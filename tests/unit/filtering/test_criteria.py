"""What is read of a record, and how often."""

from __future__ import annotations

import pytest

from lambdasim import FilterModel
from lambdasim.filtering import Filters, texts, views

PLAIN, INSIDE, BESIDE = '{"body":["hello"]}', '{"body":{"k":["v"]}}', '{"messageId":["m2"]}'
RECORD = {"messageId": "m1", "body": '{"k":"w"}', "attributes": {"SentTimestamp": "1"}, "eventSource": "aws:sqs"}


@pytest.fixture
def read(monkeypatch):
    """What was parsed, and what was turned into JSON."""
    found = {"parsed": [], "normalised": []}

    def spy(name, function):
        def call(value):
            found[name].append(value)
            return function(value)

        return call

    monkeypatch.setattr(texts, "parse", spy("parsed", texts.parse))
    monkeypatch.setattr(texts, "normalise", spy("normalised", texts.normalise))
    return found


@pytest.mark.parametrize(
    ("patterns", "times"),
    [
        ([], 0),
        ([BESIDE], 0),
        ([BESIDE, '{"attributes":{"body":["x"]}}'], 0),
        ([PLAIN], 1),
        ([INSIDE], 1),
        ([INSIDE, PLAIN, INSIDE, '{"$or":[{"body":{"k":[1]}},{"body":{"k":[2]}}]}', BESIDE], 1),
    ],
)
def test_a_body_is_parsed_once_and_only_if_a_filter_asks(read, patterns, times):
    filters = Filters(patterns, source="sqs")
    read["parsed"].clear()
    for _ in range(3):
        filters.accepts(RECORD)
    assert [RECORD["body"]] * 3 * times == read["parsed"]


def test_a_body_that_cannot_be_json_is_not_even_parsed(read):
    filters = Filters([INSIDE, PLAIN], source="sqs")
    read["parsed"].clear()
    for body in ("hello", "", "123", '"{}"'):
        filters.accepts({**RECORD, "body": body})
    assert [] == read["parsed"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (INSIDE, []),
        (BESIDE, ["messageId"]),
        ('{"attributes":{"SentTimestamp":["1"]},"body":["x"]}', ["attributes"]),
        ('{"attributes.SentTimestamp":["1"]}', ["attributes"]),
        ('{"more":["x"]}', []),
    ],
)
def test_only_those_metadata_are_read_that_a_filter_names(read, pattern, names):
    Filters([pattern], source="sqs").accepts(RECORD)
    assert [names] * bool(names) == [[*value] for value in read["normalised"]]


def test_without_filters_nothing_is_read(read):
    assert Filters([], source="sqs").accepts({"body": object()})
    assert [] == read["normalised"]


def test_filters_keep_their_texts_and_know_whether_there_are_any():
    padded = f" {INSIDE}\n"
    assert (padded, PLAIN) == Filters([padded, PLAIN], source="sqs").texts
    assert Filters([padded], source="sqs")
    assert not Filters([], source="sqs", model=FilterModel(strict_keys=True))


@pytest.mark.rule("FLT-091")
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{}", views.Payload.JSON),
        (" \n[]", views.Payload.JSON),
        ("{", views.Payload.PLAIN),
        ("", views.Payload.PLAIN),
        ("null", views.Payload.PLAIN),
        ("\f{}", views.Payload.PLAIN),
    ],
)
def test_a_text_has_a_class(text, kind):
    found, seen = views.class_of(text)
    assert kind is found
    assert (kind is views.Payload.JSON) is isinstance(seen, dict | list)
    if kind is views.Payload.PLAIN:
        assert text == seen


@pytest.mark.rule("FLT-102")
@pytest.mark.parametrize(
    ("encoded", "kind", "seen"),
    [
        (None, views.Payload.PLAIN, None),
        ("aGVsbG8=", views.Payload.PLAIN, "hello"),
        ("e30=", views.Payload.JSON, {}),
        ("/w==", views.Payload.UNREADABLE, None),
        ("?", views.Payload.UNREADABLE, None),
        ("aGVsbG8", views.Payload.UNREADABLE, None),
    ],
)
def test_bytes_have_a_class(encoded, kind, seen):
    assert (kind, seen) == views.class_of_bytes(encoded)


ODD = (None, True, 5, 1.5, "", "no base64!", [], [1], {}, {"k": "v"})


@pytest.mark.rule("FLT-002")
@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("sqs", "body"),
        ("sqs", "attributes"),
        ("kinesis", "kinesis"),
        ("dynamodb", "dynamodb"),
        ("kafka", "value"),
        ("kafka", "key"),
        ("mq", "data"),
    ],
)
def test_no_record_makes_a_filter_raise(source, name, odd):
    """What stands where a payload should be may be anything that JSON has."""
    key = views.SOURCES[source].data_key
    patterns = [f'{{"{key}":{{"k":["v"]}}}}', '{"attributes":{"a":["b"]},"key":["c"]}']
    if views.SOURCES[source].allows_plain:
        patterns.append(f'{{"{key}":["hello"]}}')
    is_found = source == "dynamodb" and odd == {"k": "v"}
    assert Filters(patterns, source=source).accepts({name: odd, "messageId": "m1"}) is (
        is_found or Filters(patterns, source=source).accepts({"messageId": "m1"})
    )


@pytest.mark.rule("FLT-002", "FLT-102")
@pytest.mark.parametrize(
    ("record", "matches"), [({"body": None}, True), ({"body": 5}, False), ({"body": [None]}, False), ({}, False)]
)
def test_a_body_that_is_null_is_one(record, matches):
    assert Filters(['{"body":[null]}'], source="sqs").accepts(record) is matches
