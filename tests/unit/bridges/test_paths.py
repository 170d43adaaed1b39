"""Templates of paths: what is fixed comes first, then labels, then greedy ones."""

from __future__ import annotations

import pytest

from lambdasim.bridges.paths import Paths

TEMPLATES = {
    "List": ("GET", "/things"),
    "Find": ("GET", "/things?find=one"),
    "FindAll": ("GET", "/things?find=one&all"),
    "Get": ("GET", "/things/{Name}"),
    "Settings": ("GET", "/things/settings"),
    "Delete": ("DELETE", "/things/{Name}"),
    "Part": ("GET", "/things/{Thing}/parts/{Part}"),
    "Read": ("GET", "/files/{Path+}"),
    "Tags": ("GET", "/files/{Path+}/tags"),
    "Head": ("GET", "/files/{Disk}/head"),
    "Root": ("POST", "/"),
}


@pytest.fixture
def paths():
    paths = Paths()
    for name, (method, template) in TEMPLATES.items():
        paths.add(name, method, template)
    return paths


@pytest.mark.parametrize(
    ("method", "path", "fields", "found"),
    [
        ("GET", "/things", [], ("List", {})),
        ("GET", "/things/", [], ("List", {})),
        ("GET", "things", [], ("List", {})),
        ("GET", "/things", [("find", "two")], ("List", {})),
        ("GET", "/things", [("x", "1"), ("find", "one")], ("Find", {})),
        ("GET", "/things", [("all", ""), ("find", "one")], ("FindAll", {})),
        ("GET", "/things/settings", [], ("Settings", {})),
        ("DELETE", "/things/settings", [], ("Delete", {"Name": "settings"})),
        ("GET", "/things/a%2Fb%20%C3%A9", [], ("Get", {"Name": "a/b é"})),
        ("GET", "/things/settings/parts/1", [], ("Part", {"Thing": "settings", "Part": "1"})),
        ("GET", "/files/a", [], ("Read", {"Path": "a"})),
        ("GET", "/files/a/b%2Fc/d", [], ("Read", {"Path": "a/b/c/d"})),
        ("GET", "/files/a/tags/tags", [], ("Tags", {"Path": "a/tags"})),
        ("GET", "/files/a/head", [], ("Head", {"Disk": "a"})),
        ("GET", "/files/a/b/head", [], ("Read", {"Path": "a/b/head"})),
        ("POST", "/", [], ("Root", {})),
        ("POST", "/things", [], None),
        ("GET", "/things/a/parts", [], None),
        ("GET", "/files", [], None),
        ("POST", "/files/a/b", [], None),
        ("GET", "/others", [], None),
        ("GET", "/gateway/stage/things/a", [], ("Get", {"Name": "a"})),  # of an `endpoint_url` with a path
    ],
)
def test_paths(paths, method, path, fields, found):
    assert found == paths.find(method, path, fields)
