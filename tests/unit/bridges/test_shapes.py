"""Scalars as texts, and what of JSON is converted: also what no operation of today needs."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from botocore.model import ServiceModel

from lambdasim.bridges.shapes import from_json, from_text, to_json, to_text

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)


def shape(description, **others):
    """A shape by its description; *others* are those it refers to."""
    return ServiceModel({"metadata": {}, "shapes": {"It": description, **others}}).shape_for("It")


@pytest.mark.parametrize(
    ("description", "value", "text"),
    [
        ({"type": "string"}, "a", "a"),
        ({"type": "character"}, "a", "a"),
        ({"type": "integer"}, -7, "-7"),
        ({"type": "long"}, 2**40, "1099511627776"),
        ({"type": "double"}, 0.1, "0.1"),
        ({"type": "float"}, math.inf, "Infinity"),
        ({"type": "float"}, -math.inf, "-Infinity"),
        ({"type": "boolean"}, True, "true"),
        ({"type": "boolean"}, False, "false"),
        ({"type": "blob"}, b"\x00\x01\xff", "AAH/"),
        ({"type": "timestamp"}, NOON, "2024-02-29T12:00:00Z"),
        ({"type": "timestamp"}, NOON + timedelta(microseconds=5), "2024-02-29T12:00:00.000005Z"),
        ({"type": "timestamp", "timestampFormat": "rfc822"}, NOON, "Thu, 29 Feb 2024 12:00:00 GMT"),
        ({"type": "timestamp", "timestampFormat": "unixTimestamp"}, NOON, "1709208000"),
    ],
)
def test_scalars_as_texts(description, value, text):
    """What is written as a text is read from it again."""
    assert text == to_text(shape(description), "iso8601")(value)
    assert value == from_text(shape(description), "iso8601")(text)


def test_not_a_number():
    assert "NaN" == to_text(shape({"type": "double"}), "iso8601")(math.nan)
    assert math.isnan(from_text(shape({"type": "double"}), "iso8601")("NaN"))
    assert math.isnan(from_json(shape({"type": "double"}))("NaN"))


@pytest.mark.parametrize("value", [1709208000, 1709208000.0, NOON.astimezone(timezone(timedelta(hours=-5)))])
def test_times_are_what_they_are_wherever_they_come_from(value):
    """Seconds since 1970 do as well as a datetime, of whatever zone."""
    assert "2024-02-29T12:00:00Z" == to_text(shape({"type": "timestamp"}), "iso8601")(value)
    assert 1709208000 == to_json(shape({"type": "timestamp"}))(value)


@pytest.mark.parametrize(
    "description",
    [
        {"type": "string"},
        {"type": "list", "member": {"shape": "Text"}},
        {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}},
        {"type": "structure", "members": {"Name": {"shape": "Text"}}},
        {"type": "structure", "members": {"At": {"shape": "Moment", "location": "header", "locationName": "at"}}},
    ],
)
def test_nothing_is_done_where_json_says_it_all(description):
    """There is no converter for texts, in whatever they are, and none for what is not in the body."""
    others = {"Text": {"type": "string"}, "Moment": {"type": "timestamp"}}
    assert from_json(shape(description, **others)) is None
    assert to_json(shape(description, **others)) is None


def test_members_have_names_of_their_own_in_json():
    """A member may be called otherwise in JSON; the value that was handed in stays as it is."""
    members = {"Name": {"shape": "Text", "locationName": "name"}, "Data": {"shape": "Bytes"}, "Text": {"shape": "Text"}}
    description = {"type": "structure", "members": members}
    it = shape(description, Text={"type": "string"}, Bytes={"type": "blob"})
    value = {"Name": "n", "Data": b"d", "Text": "t"}
    written = {"name": "n", "Data": "ZA==", "Text": "t"}
    assert (written, value) == (to_json(it)(value), {"Name": "n", "Data": b"d", "Text": "t"})
    assert value == from_json(it)(written)
    assert {"Text": "t"} == to_json(it)({"Text": "t"})
