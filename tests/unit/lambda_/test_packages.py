"""Deployment packages: modules that are imported from memory, each environment's for itself."""

from __future__ import annotations

import base64
import hashlib
import sys
import types

import pytest

from lambdasim import Simulation
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import InvalidParameterValueException
from lambdasim.lambda_.packages import Package
from tests.bridge_lambda import zipped

COUNTER = "count = 0\n\ndef handler(event, context):\n    global count\n    count += 1\n    return count\n"


def answer(sim, files, handler="app.handler", payload=None):
    return sim.create_function("worker", handler, zip_file=zipped(files)).invoke(payload).value


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize(
    ("files", "handler"),
    [
        ({"app.py": "def handler(e, c): return 'here'"}, "app.handler"),
        ({"deep/app.py": "def handler(e, c): return 'here'"}, "deep.app.handler"),
        ({"deep/app.py": "def handler(e, c): return 'here'"}, "deep/app.handler"),
        ({"deep/__init__.py": "def handler(e, c): return 'here'"}, "deep.handler"),
        ({"deep/__init__.py": "", "deep/app.py": "def handler(e, c): return 'here'"}, "deep.app.handler"),
        ({"app.py": "import more\nhandler = more.act", "more.py": "def act(e, c): return 'here'"}, "app.handler"),
        (
            {"app.py": "from .more import x"}
            | {"app.py": "from d.more import act as handler"}
            | {"d/__init__.py": "", "d/more.py": "from .last import act", "d/last.py": "def act(e, c): return 'here'"},
            "app.handler",
        ),
    ],
)
def test_a_handler_is_imported_from_its_package(sim, files, handler):
    assert "here" == answer(sim, files, handler)


@pytest.mark.rule("LAM-041")
def test_each_environment_has_globals_of_its_own(sim):
    worker = sim.create_function("worker", "app.handler", zip_file=zipped(app=COUNTER))
    assert [1, 2] == [worker.invoke().value for _ in range(2)]
    sim.run_for(3_600)  # the environment ends
    assert 1 == worker.invoke().value


@pytest.mark.rule("LAM-041")
def test_two_functions_may_have_modules_of_one_name(sim):
    one = sim.create_function("one", "app.handler", zip_file=zipped(app="def handler(e, c): return 1"))
    two = sim.create_function("two", "app.handler", zip_file=zipped(app="def handler(e, c): return 2"))
    assert [1, 2, 1] == [each.invoke().value for each in (one, two, one)]


@pytest.mark.rule("LAM-041")
def test_a_module_of_the_process_is_out_of_sight_and_comes_back(sim, monkeypatch):
    mine = types.ModuleType("app")
    monkeypatch.setitem(sys.modules, "app", mine)
    before = list(sys.meta_path)
    assert "package" == answer(sim, {"app.py": "def handler(e, c): return 'package'"})
    assert sys.modules["app"] is mine
    assert before == sys.meta_path


@pytest.mark.rule("LAM-041")
def test_a_package_shadows_what_is_installed_but_not_the_standard_library(sim):
    files = {
        "attr.py": "NAME = 'mine'",
        "json.py": "1/0",
        "app.py": "import attr, json\ndef handler(e, c): return attr.NAME",
    }
    assert "mine" == answer(sim, files)
    assert "attr" not in sys.modules or sys.modules["attr"].__name__ == "attr"
    assert not hasattr(sys.modules.get("attr"), "NAME")


@pytest.mark.rule("LAM-081")
def test_the_stack_of_an_error_has_aws_s_paths_and_lines_of_this_package(sim):
    for text in ("first", "other"):
        code = f"def handler(event, context):\n    raise ValueError({text!r})\n"
        found = sim.create_function(text, "app.handler", zip_file=zipped(app=code)).invoke().value
        assert [f"  File \"/var/task/app.py\", line 2, in handler\n    raise ValueError('{text}')\n"] == found[
            "stackTrace"
        ]


@pytest.mark.rule("LAM-081")
def test_the_stack_has_no_marks_below_its_lines(sim):
    code = "def handler(event, context):\n    return 1 + event['n'] / 0\n"
    found = answer(sim, {"app.py": code}, payload={"n": 1})
    assert ["  File \"/var/task/app.py\", line 2, in handler\n    return 1 + event['n'] / 0\n"] == found["stackTrace"]


@pytest.mark.rule("LAM-081")
@pytest.mark.parametrize(
    ("files", "handler", "kind", "message"),
    [
        ({"app.py": ""}, "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        (
            {"a.py": ""},
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'app'",
        ),
        (
            {"app.py": "import nowhere"},
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nowhere'",
        ),
        (
            {"app.py": ""},
            "app",
            "Runtime.MalformedHandlerName",
            "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
        ),
        ({"app.py": "1/0"}, "app.handler", "ZeroDivisionError", "division by zero"),
    ],
)
def test_a_package_that_cannot_start_says_why(sim, files, handler, kind, message):
    found = answer(sim, files, handler)
    assert (kind, message) == (found["errorType"], found["errorMessage"])


@pytest.mark.parametrize(
    ("code", "stack"),
    [
        ("1 / 0", ['  File "/var/task/app.py", line 1, in <module>\n    1 / 0\n']),
        ("def handler(event, context)", []),
    ],
)
def test_the_stack_of_an_import_says_nothing_of_this_machine(sim, code, stack):
    assert stack == answer(sim, {"app.py": code}, "app.handler")["stackTrace"]


@pytest.mark.rule("LAM-025")
def test_a_package_knows_its_place_and_its_data(sim):
    code = (
        "import os, pkgutil\n"
        "def handler(e, c):\n"
        "    data = pkgutil.get_data('d', 'names.txt').decode()\n"
        "    return [os.environ['LAMBDA_TASK_ROOT'], os.environ['_HANDLER'], __file__, data]\n"
    )
    files = {"app.py": code, "d/__init__.py": "", "d/names.txt": "anna"}
    assert ["/var/task", "app.handler", "/var/task/app.py", "anna"] == answer(sim, files)


@pytest.mark.rule("LAM-041")
def test_what_a_package_has_not_is_not_found(sim):
    code = (
        "import d\n"
        "def handler(e, c):\n"
        "    found = [__loader__.is_package('d'), __loader__.is_package('app')]\n"
        "    for call in (lambda: __import__('d.nothing'), lambda: __loader__.get_source('nothing'),\n"
        "                 lambda: __loader__.get_data('/var/task/nothing.txt')):\n"
        "        try:\n"
        "            call()\n"
        "        except (ImportError, FileNotFoundError) as error:\n"
        "            found.append(str(error))\n"
        "    return found\n"
    )
    assert [
        True,
        False,
        "No module named 'd.nothing'",
        "no module named 'nothing' in the package",
        "no file '/var/task/nothing.txt' in the package",
    ] == answer(sim, {"app.py": code, "d/__init__.py": ""})


def test_packages_are_the_same_if_they_are_to_the_byte():
    same = {Package(b"abc"), Package(b"abc")}
    assert 1 == len(same)
    assert Package(b"abc") != Package(b"abd")
    assert Package(b"abc") != b"abc"


def test_a_package_shows_its_size():
    assert "<package of 3 bytes>" == repr(Package(b"abc"))


def test_digest_and_size_are_those_of_the_package(sim):
    content = zipped(app=COUNTER)
    found = sim.create_function("worker", "app.handler", zip_file=content).get_function_configuration()
    assert base64.b64encode(hashlib.sha256(content).digest()).decode() == found.code_sha256
    assert len(content) == found.code_size


def test_code_that_is_no_package_has_the_digest_of_its_name(sim):
    one, two = (sim.create_function(name, handler) for name, handler in (("a", sorted), ("b", len)))
    none = sim.create_function("c")
    digests = [each.get_function_configuration().code_sha256 for each in (one, two, none)]
    assert 3 == len(dict.fromkeys(digests))
    assert all(44 == len(digest) for digest in digests)
    assert 0 == one.get_function_configuration().code_size


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no zip", "Could not unzip uploaded file. Please check your file, then try to upload again."),
        (zipped(), "Uploaded file must be a non-empty zip"),
    ],
)
def test_what_is_no_package_is_refused_and_changes_nothing(sim, content, message):
    with pytest.raises(InvalidParameterValueException, match=message):
        sim.create_function("worker", "app.handler", zip_file=content)
    assert () == sim.functions
    worker = sim.create_function("worker", "app.handler", zip_file=zipped(app=COUNTER))
    before = worker.get_function_configuration()
    with pytest.raises(InvalidParameterValueException, match=message):
        worker.update_function_code(zip_file=content)
    assert before == worker.get_function_configuration()


def test_what_is_too_large_unzipped_is_refused(sim):
    with pytest.raises(InvalidParameterValueException, match="Unzipped size must be smaller than 262144000 bytes"):
        sim.create_function("worker", "app.handler", zip_file=large())


def large():
    """Return a small package that says of itself that it is a large one."""
    content = bytearray(zipped(app=COUNTER))
    place = content.index(b"PK\x01\x02")
    content[place + 24 : place + 28] = (262_144_001).to_bytes(4, "little")
    return bytes(content)


def test_a_package_that_nobody_imports_may_be_anything(sim):
    worker = sim.create_function("worker", lambda event, context: "mine", zip_file=b"no zip")
    assert "mine" == worker.invoke().value
    assert 6 == worker.get_function_configuration().code_size


def test_other_code_takes_the_place_of_a_package_and_a_package_that_of_other_code(sim):
    worker = sim.create_function("worker", "app.handler", zip_file=zipped(app="def handler(e, c): return 1"))
    worker.publish_version()
    worker.update_function_code(zip_file=zipped(app="def handler(e, c): return 2"))
    assert [2, 1] == [worker.invoke().value, worker.invoke(qualifier="1").value]
    worker.update_function_code(lambda event, context: 3)
    assert (3, 0) == (worker.invoke().value, worker.get_function_configuration().code_size)
    worker.update_function_code("app.handler", zip_file=zipped(app="def handler(e, c): return 4"))
    assert 4 == worker.invoke().value


def test_another_handler_of_the_same_package(sim):
    code = "def one(e, c): return 1\ndef two(e, c): return 2\n"
    worker = sim.create_function("worker", "app.one", zip_file=zipped(app=code))
    assert "app.two" == worker.update_function_configuration(handler="app.two").handler
    assert 2 == worker.invoke().value
    plain = sim.create_function("plain", lambda event, context: 3)
    with pytest.raises(UsageError, match="a text takes the place of a text"):
        plain.update_function_configuration(handler="app.two")


def test_a_package_is_bytes(sim):
    with pytest.raises(UsageError, match="zip_file=str: give the bytes of a zip file"):
        sim.create_function("worker", "app.handler", zip_file="code.zip")


def test_a_package_runs_the_same_in_every_simulation():
    def play():
        sim = Simulation(seed=3)
        worker = sim.create_function("worker", "app.handler", zip_file=zipped(app="import x\n"))
        worker.invoke()
        return sim.trace.to_json_lines(), worker.invocations[0].payload

    assert play() == play()
