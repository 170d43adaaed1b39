"""The forms of a handler (LAM-041), what they take (LAM-042), and what befalls one that cannot be made (LAM-081)."""

from __future__ import annotations

import functools
import gc
import importlib
import json
import sys
from decimal import Decimal
from textwrap import dedent
from unittest.mock import AsyncMock, Mock

import pytest

from lambdasim import ColdStartModel, Simulation
from lambdasim.errors import UsageError
from lambdasim.lambda_ import Outcome

US = Decimal("0.000001")
EXECUTIONS = ("plain", "interleaved")


def write(folder, files):
    """Write modules, given by path and text, below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    importlib.invalidate_caches()


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return a folder on `sys.path`: an import root such as a deployment package has."""
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def at_once(sim, function, count, payload=None):
    """Invoke so many times at this instant, each in a process; return the tasks, which are done."""

    async def call():
        return await function.wait_invoke(payload)

    tasks = [sim.spawn(call()) for _ in range(count)]
    sim.run()
    return tasks


def values(tasks):
    return [task.result().value for task in tasks]


COUNTING = """
    count = 0

    def handler(event, context):
        global count
        count += 1
        if event == ["exit"]:
            raise SystemExit(1)
        if event == ["sleep"]:
            context.sleep(100)
        return [context.environment.id, count]
"""


async def coroutine_handler(event, context):
    return {"got": event}


def plain_handler(event, context):
    return {"got": event}


class Service:
    async def wait_handler(self, event, context):
        return {"got": event}

    def handler(self, event, context):
        return {"got": event}

    def __call__(self, event, context):
        return {"got": event}


# ---- what is taken


PLAIN = {
    "function": plain_handler,
    "lambda": lambda event, context: {"got": event},
    "method": Service().handler,
    "object": Service(),
    "partial": functools.partial(lambda more, event, context: {"got": event}, 1),
    "mock": Mock(return_value={"got": [1]}),
}
COROUTINES = {
    "function": coroutine_handler,
    "method": Service().wait_handler,
    "partial": functools.partial(Service.wait_handler, Service()),
    "mock": AsyncMock(return_value={"got": [1]}),
}


@pytest.mark.rule("LAM-041", "LAM-042")
@pytest.mark.parametrize("form", PLAIN)
@pytest.mark.parametrize(("execution", "takes_us"), [("plain", 100_000), ("interleaved", 0)])
def test_any_callable_is_a_handler_and_takes_a_tenth_of_a_second_unless_interleaved(sim, form, execution, takes_us):
    result = sim.create_function("worker", PLAIN[form], execution=execution).invoke([1])
    assert {"got": [1]} == result.value
    assert takes_us == sim.now_us


@pytest.mark.rule("LAM-041", "LAM-042")
@pytest.mark.parametrize("form", COROUTINES)
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_whatever_makes_coroutines_is_a_coroutine_handler_and_takes_no_time(sim, form, execution):
    result = sim.create_function("worker", COROUTINES[form], execution=execution).invoke([1])
    assert {"got": [1]} == result.value
    assert sim.now_us == 0


@pytest.mark.rule("LAM-041", "LAM-040")
def test_a_mock_gets_event_and_context_and_may_raise(sim):
    handler = Mock(side_effect=[{"n": 1}, ValueError("poison")])
    worker = sim.create_function("worker", handler)
    assert {"n": 1} == worker.invoke({"a": [1]}).value
    assert "ValueError" == worker.invoke({"a": [2]}).value["errorType"]
    assert [{"a": [1]}, {"a": [2]}] == [call.args[0] for call in handler.call_args_list]
    ids = [call.args[1].aws_request_id for call in handler.call_args_list]
    assert [invocation.request_id for invocation in worker.invocations] == ids


@pytest.mark.rule("LAM-041", "LAM-081")
def test_a_mock_that_was_told_nothing_answers_with_what_json_cannot_hold(sim):
    assert "Runtime.MarshalError" == sim.create_function("worker", Mock()).invoke().value["errorType"]


@pytest.mark.rule("LAM-041", "LAM-042")
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_without_a_handler_nothing_runs_and_a_tenth_of_a_second_passes(sim, execution):
    result = sim.create_function("worker", None, execution=execution).invoke({"any": 1})
    assert (b"null", None) == (result.payload, result.function_error)
    assert sim.now_us == 100_000


@pytest.mark.rule("LAM-041", "LAM-081")
@pytest.mark.parametrize(("rate", "kind"), [(0.0, None), (1.0, "Unhandled")])
def test_without_a_handler_the_failure_rate_decides(sim, rate, kind):
    worker = sim.create_function("worker", failure_rate=rate)
    assert [kind] * 5 == [worker.invoke().function_error for _ in range(5)]


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("given", [{"handler": 5}, {"handler": object()}, {"init": 5}, {"init": "app.handler"}])
def test_what_cannot_be_called_is_no_handler_and_no_factory(sim, given):
    with pytest.raises(UsageError, match=next(iter(given))):
        sim.create_function("worker", **given)
    assert () == sim.functions


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("handler", [plain_handler, "app.handler"])
def test_a_handler_and_a_factory_exclude_each_other(sim, handler):
    with pytest.raises(UsageError, match="init"):
        sim.create_function("worker", handler, init=lambda: plain_handler)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("execution", ["", "threads", "Plain", 1])
def test_execution_is_plain_or_interleaved(sim, execution):
    with pytest.raises(UsageError, match="execution"):
        sim.create_function("worker", plain_handler, execution=execution)
    with pytest.raises(UsageError, match="execution"):
        Simulation(execution=execution)


@pytest.mark.rule("LAM-041", "LAM-010")
@pytest.mark.parametrize(
    ("wide", "narrow", "takes_us"),
    [
        ("plain", None, 100_000),
        ("interleaved", None, 0),
        ("interleaved", "plain", 100_000),
        ("plain", "interleaved", 0),
    ],
)
def test_the_execution_of_a_function_wins_over_that_of_the_simulation(wide, narrow, takes_us):
    sim = Simulation(execution=wide)
    sim.create_function("worker", plain_handler, execution=narrow).invoke()
    assert takes_us == sim.now_us


# ---- durations


@pytest.mark.rule("LAM-042")
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    ("form", "default_us"), [("plain", 100_000), ("interleaved", 0), ("coroutine", 0), ("factory", 100_000)]
)
@pytest.mark.parametrize("duration", [None, 0, 2, Decimal("0.000001"), lambda event: event["s"]])
def test_what_was_slept_and_the_duration_add_up_however_the_handler_ends(sim, fails, form, default_us, duration):
    def handler(event, context):
        context.sleep(Decimal("0.5"))
        if fails:
            raise ValueError

    async def coroutine(event, context):
        await context.sleep(Decimal("0.5"))
        if fails:
            raise ValueError

    given = {
        "plain": {"handler": handler, "execution": "plain"},
        "interleaved": {"handler": handler, "execution": "interleaved"},
        "coroutine": {"handler": coroutine},
        "factory": {"init": lambda: handler},
    }[form]
    worker = sim.create_function("worker", duration=duration, timeout=10, **given)
    assert ("Unhandled" if fails else None) == worker.invoke({"s": 1.25}).function_error
    own_us = default_us if duration is None else 1_250_000 if callable(duration) else int(Decimal(duration) / US)
    assert 500_000 + own_us == worker.invocations[0].duration_us == sim.now_us


@pytest.mark.rule("LAM-042", "LAM-101")
@pytest.mark.parametrize("form", ["plain", "interleaved", "coroutine"])
@pytest.mark.parametrize(
    ("rest", "is_timeout"), [("1.499999", False), ("1.5", False), ("1.500001", True), ("100", True)]
)
def test_who_slept_and_needs_more_than_what_is_left_times_out_with_its_work_done(sim, form, rest, is_timeout):
    done = []

    def handler(event, context):
        context.sleep(1.5)
        done.append(1)

    async def coroutine(event, context):
        await context.sleep(1.5)
        done.append(1)

    given = {"handler": coroutine} if form == "coroutine" else {"handler": handler, "execution": form}
    worker = sim.create_function("worker", duration=Decimal(rest), timeout=3, **given)
    assert is_timeout is (worker.invoke().function_error is not None)
    assert [1] == done
    assert (Outcome.TIMEOUT if is_timeout else Outcome.SUCCESS) is worker.invocations[0].outcome
    assert min(3_000_000, 1_500_000 + int(Decimal(rest) / US)) == sim.now_us


# ---- text


HELPED_BY_ONE = """
    import helper

    def handler(event, context):
        helper.count += 1
        return helper.count
"""


@pytest.mark.rule("LAM-041", "LAM-042")
def test_a_text_names_a_function_of_a_module(sim, root):
    write(root, {"app.py": "def handler(event, context):\n    return {'got': event, 'by': context.function_name}\n"})
    assert {"got": 7, "by": "worker"} == sim.create_function("worker", "app.handler").invoke(7).value
    assert sim.now_us == 100_000


@pytest.mark.rule("LAM-041")
def test_a_module_may_lie_in_packages_and_import_from_beside_it(sim, root):
    write(
        root,
        {
            "shop/__init__.py": "KIND = 'shop'\n",
            "shop/orders/__init__.py": "",
            "shop/orders/app.py": """
                from shop import KIND
                from . import store
                from ..prices import PRICE
                import tax

                def place(event, context):
                    return [KIND, store.NAME, PRICE, tax.RATE, __name__]
            """,
            "shop/orders/store.py": "NAME = 'store'\n",
            "shop/prices.py": "PRICE = 5\n",
            "tax.py": "RATE = 19\n",
        },
    )
    worker = sim.create_function("worker", "shop.orders.app.place")
    assert ["shop", "store", 5, 19, "shop.orders.app"] == worker.invoke().value


@pytest.mark.rule("LAM-041")
def test_folders_need_no_init_file(sim, root):
    write(
        root,
        {
            "functions/orders/app.py": """
                from functions.shared import store

                def handler(event, context):
                    store.count += 1
                    return store.count
            """,
            "functions/shared/store.py": "count = 0\n",
        },
    )
    worker = sim.create_function("worker", "functions.orders.app.handler", duration=1)
    before = set(sys.modules)
    assert [1, 1] == values(at_once(sim, worker, 2))
    assert [2, 2, 1] == values(at_once(sim, worker, 3))
    assert before == {name for name in sys.modules if not name.startswith("encodings")} | before


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("how", ["relative", "link", "current"])
def test_the_import_root_may_be_written_in_any_way(sim, root, tmp_path, monkeypatch, how):
    write(root, {"app.py": HELPED_BY_ONE, "helper.py": "count = 0\n"})
    monkeypatch.chdir(tmp_path if how == "relative" else root)
    if how == "link":
        (tmp_path / "link").symlink_to(root, target_is_directory=True)
    entry = {"relative": "root", "link": str(tmp_path / "link"), "current": ""}[how]
    monkeypatch.setattr(sys, "path", [entry, *(path for path in sys.path if path != str(root))])
    importlib.invalidate_caches()
    worker = sim.create_function("worker", "app.handler", duration=1)
    assert [1, 1] == values(at_once(sim, worker, 2))
    assert [2, 2, 1] == values(at_once(sim, worker, 3))


@pytest.mark.rule("LAM-041", "LAM-042")
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_text_may_name_a_coroutine_function(sim, root, execution):
    write(root, {"app.py": "async def handler(event, context):\n    await context.sleep(2)\n    return 'slept'\n"})
    assert "slept" == sim.create_function("worker", "app.handler", execution=execution).invoke().value
    assert 2 == sim.now


@pytest.mark.rule("LAM-041", "LAM-042")
def test_a_text_may_name_an_interleaved_handler(sim, root):
    write(root, {"app.py": "import time\ndef handler(event, context):\n    time.sleep(2)\n    return 'slept'\n"})
    worker = sim.create_function("worker", "app.handler", execution="interleaved")
    assert "slept" == worker.invoke().value
    assert 2 == sim.now


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_globals_are_the_state_of_their_environment(sim, root, execution):
    write(root, {"app.py": COUNTING})
    worker = sim.create_function("worker", "app.handler", execution=execution, duration=1)
    assert [["A", 1], ["B", 1]] == values(at_once(sim, worker, 2))
    assert [["A", 2], ["B", 2], ["C", 1]] == values(at_once(sim, worker, 3))
    assert 3 == worker.snapshot().cold_starts


@pytest.mark.rule("LAM-041", "LAM-083")
@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize(("how", "kind"), [("exit", "Runtime.ExitError"), ("sleep", "Sandbox.Timedout")])
def test_globals_survive_warm_starts_and_are_lost_at_a_reset(sim, root, execution, how, kind):
    write(root, {"app.py": COUNTING})
    worker = sim.create_function("worker", "app.handler", execution=execution)
    assert [["A", 1], ["A", 2]] == [worker.invoke().value for _ in range(2)]
    assert kind == worker.invoke([how]).value["errorType"]
    assert [["A", 1], ["A", 2]] == [worker.invoke().value for _ in range(2)]
    assert 1 == worker.snapshot().cold_starts


@pytest.mark.rule("LAM-041", "LAM-081")
def test_globals_survive_an_exception(sim, root):
    write(
        root,
        {
            "app.py": """
                runs = []

                def handler(event, context):
                    runs.append(event)
                    if event == ["bad"]:
                        raise ValueError(event)
                    return runs
            """
        },
    )
    worker = sim.create_function("worker", "app.handler")
    worker.invoke(["bad"])
    assert [["bad"], ["good"]] == worker.invoke(["good"]).value


@pytest.mark.rule("LAM-041", "LAM-127")
@pytest.mark.parametrize(("pause_us", "wanted"), [(599_999_999, ["A", 2]), (600_000_000, ["B", 1])])
def test_globals_go_with_their_environment(sim, root, pause_us, wanted):
    write(root, {"app.py": COUNTING})
    worker = sim.create_function("worker", "app.handler")
    worker.invoke()
    sim.run(until_us=sim.now_us + pause_us)
    assert wanted == worker.invoke().value


@pytest.mark.rule("LAM-041")
def test_two_functions_of_one_text_share_nothing(sim, root):
    write(root, {"app.py": COUNTING})
    first, second = (sim.create_function(name, "app.handler") for name in ("first", "second"))
    assert [1, 1, 2, 2] == [function.invoke().value[1] for function in (first, second) * 2]


@pytest.mark.rule("LAM-041")
def test_two_simulations_of_one_text_share_nothing(root):
    write(root, {"app.py": COUNTING})
    workers = [Simulation().create_function("worker", "app.handler") for _ in range(2)]
    assert [1, 1, 2, 2] == [worker.invoke().value[1] for worker in workers * 2]


@pytest.mark.rule("LAM-041")
def test_a_module_is_read_when_an_environment_is_made_and_not_before(sim, root):
    worker = sim.create_function("worker", "app.handler", duration=1)
    write(root, {"app.py": "def handler(event, context):\n    return 'first'\n"})
    assert "first" == worker.invoke().value
    write(root, {"app.py": "def handler(event, context):\n    return 'the second edition'\n"})
    assert ["first", "the second edition"] == values(at_once(sim, worker, 2))


HELPED = {
    "app.py": """
        import helper
        import installed_thing
        from tools.deep import inner

        def handler(event, context):
            helper.count += 1
            inner.count += 1
            installed_thing.count += 1
            return [helper.count, inner.count, installed_thing.count, len(installed_thing.loads)]
    """,
    "helper.py": "count = 0\n",
    "tools/__init__.py": "",
    "tools/deep/__init__.py": "",
    "tools/deep/inner.py": "count = 0\n",
}


@pytest.fixture
def installed(tmp_path, root, request):
    """Put a package that is installed, not deployed, on the path: by default outside of the import root."""
    folder = tmp_path.joinpath(*getattr(request, "param", ("elsewhere",)))
    folder.mkdir(parents=True)
    (folder / "installed_thing.py").write_text("count = 0\nloads = []\nloads.append(__name__)\n", encoding="utf-8")
    sys.path.append(str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("installed_thing", None)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize(
    "installed",
    [("elsewhere",), ("root", "venv", "lib", "site-packages")],
    indirect=True,
    ids=["elsewhere", "in a virtual environment below the root"],
)
def test_modules_below_the_import_root_are_fresh_and_installed_packages_are_shared(sim, root, installed):
    write(root, HELPED)
    worker = sim.create_function("worker", "app.handler", duration=1)
    assert [[1, 1, 1, 1], [1, 1, 2, 1]] == values(at_once(sim, worker, 2))
    assert [[2, 2, 3, 1], [2, 2, 4, 1], [1, 1, 5, 1]] == values(at_once(sim, worker, 3))


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("installed", [("venv", "lib", "site-packages")], indirect=True)
def test_a_project_that_is_installed_itself_is_fresh_and_its_neighbours_are_shared(sim, installed):
    """As `tox` and `nox` install it: its import root is the folder of all installed packages."""
    write(
        installed,
        {
            "myapp/__init__.py": "",
            "myapp/app.py": """
                import installed_thing
                from myapp import store

                def handler(event, context):
                    store.count += 1
                    installed_thing.count += 1
                    return [store.count, installed_thing.count, len(installed_thing.loads)]
            """,
            "myapp/store.py": "count = 0\n",
        },
    )
    worker = sim.create_function("worker", "myapp.app.handler", duration=1)
    assert [[1, 1, 1], [1, 2, 1]] == values(at_once(sim, worker, 2))
    assert [[2, 3, 1], [2, 4, 1], [1, 5, 1]] == values(at_once(sim, worker, 3))


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_what_a_handler_imports_while_it_runs_is_its_environments_too(sim, root, execution):
    write(
        root,
        {
            "app.py": """
                import time

                def handler(event, context):
                    time.sleep(1)
                    import late
                    late.count += 1
                    time.sleep(1)
                    from late import count
                    return count
            """,
            "late.py": "count = 0\n",
        },
    )
    worker = sim.create_function("worker", "app.handler", execution=execution, timeout=10)
    assert [1, 1] == values(at_once(sim, worker, 2))
    assert [2, 2, 1] == values(at_once(sim, worker, 3))


@pytest.mark.rule("LAM-041")
def test_a_handler_that_throws_out_one_module_while_it_imports_another_leaves_none_behind(sim, root, installed):
    write(
        root,
        {
            "app.py": """
                import sys
                import installed_thing

                def handler(event, context):
                    sys.modules.pop("installed_thing", None)
                    import late
                    late.count += 1
                    return late.count
            """,
            "late.py": "count = 0\n",
        },
    )
    importlib.import_module("installed_thing")
    worker = sim.create_function("worker", "app.handler", duration=1)
    assert [1, 1] == values(at_once(sim, worker, 2))
    assert "late" not in sys.modules
    assert [2, 2, 1] == values(at_once(sim, worker, 3))


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_module_finds_itself_among_the_modules_while_it_runs(sim, root, execution):
    """What pickle, dataclasses and type hints rely on."""
    write(
        root,
        {
            "app.py": """
                import sys
                import time
                from dataclasses import dataclass
                from typing import ClassVar, get_type_hints

                name = None
                while_importing = sys.modules[__name__].__dict__ is globals()

                @dataclass
                class Order:
                    number: "int"
                    kinds: "ClassVar[Order]" = None

                def handler(event, context):
                    global name
                    name = name or context.environment.id
                    first = sys.modules[__name__].name
                    time.sleep(1)
                    assert get_type_hints(Order)["number"] is int
                    return [while_importing, first, sys.modules[__name__].name]
            """,
        },
    )
    worker = sim.create_function("worker", "app.handler", execution=execution)
    assert [[True, "A", "A"], [True, "B", "B"]] == values(at_once(sim, worker, 2))


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_the_modules_of_the_test_program_stay_what_they_are(sim, root, execution):
    """It may have imported the handler itself, before or between."""
    write(root, {"app.py": COUNTING, "other.py": "from app import handler\n"})
    before = sys.modules.copy()
    app = importlib.import_module("app")
    try:
        app.count = 50
        worker = sim.create_function("worker", "app.handler", execution=execution)
        assert [1, 2] == [worker.invoke().value[1] for _ in range(2)]
        assert app.count == 50
        assert sys.modules["app"] is app
        assert "other" not in sys.modules
        fail = sim.create_function("fail", "other.nothing")
        assert fail.invoke().function_error == "Unhandled"
        assert sys.modules["app"] is app
        del sys.modules["app"]
        assert worker.invoke().value[1] == 3
        assert "app" not in sys.modules
        assert {} == {name: "new" for name in sys.modules if name not in before and name in ("app", "other")}
    finally:
        sys.modules.pop("app", None)


@pytest.mark.rule("LAM-041")
def test_the_library_itself_and_pytest_are_never_imported_anew(sim):
    """The import root of this very file is where `lambdasim` lies, in a checkout of it."""
    worker = sim.create_function("worker", f"{__name__}.refuses")
    worker.invoke()
    invocation = worker.invocations[0]
    assert Outcome.ERROR is invocation.outcome, invocation.payload
    assert isinstance(invocation.exception, UsageError)


def refuses(event, context):
    """Raise the error of a fresh copy of this module; used by the test above."""
    raise UsageError("here")


# ---- errors of init


BROKEN = {
    "no module": ({}, "gone.handler", "Runtime.ImportModuleError", "Unable to import module 'gone': "),
    "no package": ({}, "a.b.handler", "Runtime.ImportModuleError", "Unable to import module 'a.b': "),
    "missing helper": (
        {"app.py": "import helper_that_is_missing\n"},
        "app.handler",
        "Runtime.ImportModuleError",
        "Unable to import module 'app': No module named 'helper_that_is_missing'",
    ),
    "missing name": (
        {"app.py": "from json import no_such_name\n"},
        "app.handler",
        "Runtime.ImportModuleError",
        "Unable to import module 'app': cannot import name 'no_such_name'",
    ),
    "no function": (
        {"app.py": "def other(event, context):\n    pass\n"},
        "app.handler",
        "Runtime.HandlerNotFound",
        "Handler 'handler' missing on module 'app'",
    ),
    "no dot": (
        {"app.py": ""},
        "app",
        "Runtime.MalformedHandlerName",
        "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
    ),
}


@pytest.mark.rule("LAM-041", "LAM-081")
@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_text_that_leads_nowhere_is_an_error_of_init(sim, root, case, execution):
    modules, handler, kind, text = BROKEN[case]
    write(root, modules)
    worker = sim.create_function("worker", handler, execution=execution)
    result = worker.invoke()
    assert (200, "Unhandled") == (result.status_code, result.function_error)
    assert result.value["errorMessage"].startswith(text)
    assert {
        "errorMessage": result.value["errorMessage"],
        "errorType": kind,
        "requestId": "",
        "stackTrace": [],
    } == result.value
    assert Outcome.INIT_ERROR is worker.invocations[0].outcome


def raising(error):
    def factory():
        raise error

    return factory


@pytest.mark.rule("LAM-041", "LAM-081")
def test_another_exception_of_an_import_is_worded_as_one_of_a_handler(sim, root):
    write(root, {"app.py": "def connect():\n    raise ConnectionError('no database')\n\nconnect()\n"})
    value = sim.create_function("worker", "app.handler").invoke().value
    assert ["errorMessage", "errorType", "requestId", "stackTrace"] == list(value)
    assert ("no database", "ConnectionError", "") == (value["errorMessage"], value["errorType"], value["requestId"])
    assert "in connect" in value["stackTrace"][-1]


@pytest.mark.rule("LAM-041", "LAM-081")
def test_a_module_that_is_no_python_is_an_error_of_init(sim, root):
    write(root, {"app.py": "def handler(event, context)\n    return 1\n"})
    worker = sim.create_function("worker", "app.handler")
    assert "Unhandled" == worker.invoke().function_error
    assert Outcome.INIT_ERROR is worker.invocations[0].outcome


@pytest.mark.rule("LAM-081", "LAM-084", "LAM-301")
@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("error", [ValueError("no key"), OSError(), RecursionError("deep"), SystemExit(3)], ids=repr)
def test_an_exception_of_a_factory_destroys_the_environment_and_the_next_start_is_cold_again(error, execution):
    sim = Simulation(settings=[ColdStartModel(placement_s=1, init_s=2)])
    worker = sim.create_function("worker", init=raising(error), execution=execution, duration=5, timeout=10)
    for number in (1, 2):
        result = worker.invoke()
        assert (200, "Unhandled") == (result.status_code, result.function_error)
        snapshot = worker.snapshot()
        assert (number, number, number) == (snapshot.invocations, snapshot.errors, snapshot.cold_starts)
        assert (0, 0, 0) == (snapshot.in_flight, snapshot.environments, snapshot.idle)
        assert 3 * number == sim.now
    first, second = worker.invocations
    assert Outcome.INIT_ERROR is first.outcome is second.outcome
    assert ("A", "B") == (first.environment.id, second.environment.id)
    assert (0, 2_000_000, 2_000) == (first.duration_us, first.init_us, first.billed_ms)
    assert 2 * 2_000 * 128 == worker.billed_mb_ms
    sim.check_invariants()


@pytest.mark.rule("LAM-081")
def test_an_exception_of_a_factory_has_no_request_id_and_is_kept(sim):
    error = LookupError("no table")
    worker = sim.create_function("worker", init=raising(error))
    value = worker.invoke().value
    assert ("no table", "LookupError", "") == (value["errorMessage"], value["errorType"], value["requestId"])
    assert "factory" in value["stackTrace"][-1]
    assert error is worker.invocations[0].exception


@pytest.mark.rule("LAM-081", "LAM-041")
def test_an_init_that_fails_only_once_leaves_no_trace(sim, root):
    write(
        root,
        {
            "app.py": """
                import os

                if os.path.exists(os.environ["FLAG"]):
                    os.remove(os.environ["FLAG"])
                    raise ValueError("first time")

                def handler(event, context):
                    return "ran"
            """,
        },
    )
    flag = root / "flag"
    flag.write_text("", encoding="utf-8")
    worker = sim.create_function("worker", "app.handler", environment={"FLAG": str(flag)})
    assert ["Unhandled", None, None] == [worker.invoke().function_error for _ in range(3)]
    assert 2 == worker.snapshot().cold_starts


@pytest.mark.rule("LAM-081", "LAM-083")
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_an_init_that_fails_when_it_is_repeated_destroys_the_environment_too(execution):
    sim = Simulation(settings=[ColdStartModel(init_s=1)])
    made = []

    def factory():
        made.append(sim.now)
        if len(made) == 2:
            raise ValueError("second time")

        def handler(event, context):
            if event == ["exit"]:
                raise SystemExit(1)
            return context.environment.id

        return handler

    worker = sim.create_function("worker", init=factory, execution=execution, duration=0)
    worker.invoke(["exit"])
    sim.run(until=10)
    value = worker.invoke().value
    assert ("second time", "ValueError", "") == (value["errorMessage"], value["errorType"], value["requestId"])
    assert Outcome.INIT_ERROR is worker.invocations[1].outcome
    assert 0 == worker.snapshot().environments
    assert "B" == worker.invoke().value
    sim.check_invariants()


@pytest.mark.rule("LAM-126", "LAM-041")
@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize(
    ("slept", "timeout", "init_us", "duration_us", "runs"),
    [
        (10, 60, 10_000_000, 1_000_000, 1),
        ("10.000001", 60, 10_000_000, 11_000_001, 2),
        (12, 60, 10_000_000, 13_000_000, 2),
        (12, 5, 10_000_000, 5_000_000, 2),
    ],
)
def test_an_import_that_sleeps_too_long_is_cut_and_done_again_inside_the_invoke_phase(
    sim, root, execution, slept, timeout, init_us, duration_us, runs
):
    write(
        root,
        {
            "app.py": f"""
                import os
                import time
                from decimal import Decimal

                with open(os.environ["LOG"], "a") as log:
                    log.write("x")
                time.sleep(Decimal("{slept}"))

                def handler(event, context):
                    time.sleep(1)
            """
        },
    )
    log = root / "log"
    worker = sim.create_function(
        "worker",
        "app.handler",
        environment={"LOG": str(log)},
        timeout=timeout,
        duration=0,
        execution=execution,
    )
    result = worker.invoke()
    assert (duration_us == timeout * 1_000_000) is (result.function_error is not None)
    invocation = worker.invocations[0]
    assert (init_us, duration_us) == (invocation.init_us, invocation.duration_us)
    assert "x" * runs == log.read_text(encoding="utf-8")


# ---- factories


def counting_factory(made=None, *, form="plain"):
    """Return a factory whose handler counts its runs in a closure."""

    def factory():
        runs = []
        if made is not None:
            made.append(1)

        def handler(event, context):
            runs.append(event)
            if event == ["exit"]:
                raise SystemExit(1)
            if event == ["sleep"]:
                context.sleep(100)
            if event == ["raise"]:
                raise ValueError
            return [context.environment.id, len(runs)]

        async def coroutine(event, context):
            if event == ["sleep"]:
                await context.sleep(100)
            return handler(event, context)

        return coroutine if form == "coroutine" else handler

    return factory


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("form", ["plain", "interleaved", "coroutine"])
def test_a_factory_is_called_once_per_environment_and_what_it_closes_over_is_its_state(sim, form):
    made = []
    execution = "interleaved" if form == "interleaved" else "plain"
    worker = sim.create_function("worker", init=counting_factory(made, form=form), execution=execution, duration=1)
    assert [] == made
    assert [["A", 1], ["B", 1]] == values(at_once(sim, worker, 2))
    assert [["A", 2], ["B", 2], ["C", 1]] == values(at_once(sim, worker, 3))
    assert [1, 1, 1] == made


@pytest.mark.rule("LAM-041", "LAM-083")
@pytest.mark.parametrize("form", ["plain", "interleaved", "coroutine"])
@pytest.mark.parametrize(("how", "is_reset"), [("exit", True), ("sleep", True), ("raise", False)])
def test_the_closure_of_a_factory_is_lost_at_a_reset_only(sim, form, how, is_reset):
    made = []
    execution = "interleaved" if form == "interleaved" else "plain"
    worker = sim.create_function("worker", init=counting_factory(made, form=form), execution=execution)
    assert [["A", 1], ["A", 2]] == [worker.invoke().value for _ in range(2)]
    assert worker.invoke([how]).function_error
    assert ["A", 1 if is_reset else 4] == worker.invoke().value
    assert [1] * (2 if is_reset else 1) == made


@pytest.mark.rule("LAM-083", "LAM-041")
def test_a_reset_environment_calls_its_factory_again_inside_the_invoke_phase():
    sim = Simulation(settings=[ColdStartModel(init_s=2)])
    instants = []

    def factory():
        instants.append(sim.now)

        def handler(event, context):
            instants.append(("handler", sim.now, context.get_remaining_time_in_millis()))
            if event == ["exit"]:
                raise SystemExit

        return handler

    worker = sim.create_function("worker", init=factory, duration=0)
    worker.invoke(["exit"])
    sim.run(until=10)
    worker.invoke()
    assert instants[0] == 0
    assert instants[1] == ("handler", 2.0, 3_000)
    assert instants[2] == 10
    assert instants[3][2] == 1_000  # the init took two seconds of the timeout
    assert (2_000_000, None) == (worker.invocations[1].duration_us, worker.invocations[1].init_us)


@pytest.mark.rule("LAM-041")
def test_a_factory_is_called_at_the_begin_of_the_init_phase():
    sim = Simulation(settings=[ColdStartModel(placement_s=1, init_s=2)])
    instants = []

    def factory():
        instants.append(sim.now)
        return lambda event, context: instants.append(sim.now)

    worker = sim.create_function("worker", init=factory)
    task = sim.spawn(worker.wait_invoke())
    sim.run(until_us=999_999)
    assert [] == instants
    sim.run(until=1)
    assert [1] == instants
    sim.run(until_us=2_999_999)
    assert [1] == instants
    sim.run()
    assert [1, 3] == instants
    assert task.is_done


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_factory_may_return_any_other_form(sim, root, execution):
    write(root, {"app.py": "def handler(event, context):\n    return 'of the module'\n"})
    forms = {
        "mock": (Mock(return_value="of the mock"), "of the mock"),
        "coroutine": (coroutine_handler, {"got": {}}),
        "plain": (plain_handler, {"got": {}}),
        "none": (None, None),
        "text": ("app.handler", "of the module"),
    }
    for name, (form, wanted) in forms.items():
        worker = sim.create_function(name, init=lambda form=form: form, execution=execution)
        assert wanted == worker.invoke().value


@pytest.mark.rule("LAM-041", "LAM-042")
@pytest.mark.parametrize(
    ("form", "execution", "takes_us"),
    [
        (plain_handler, "plain", 100_000),
        (plain_handler, "interleaved", 0),
        (coroutine_handler, "plain", 0),
        (None, "plain", 100_000),
    ],
)
def test_what_a_factory_returns_decides_how_long_it_takes(sim, form, execution, takes_us):
    sim.create_function("worker", init=lambda: form, execution=execution).invoke()
    assert takes_us == sim.now_us


@pytest.mark.rule("LAM-041", "LAM-028")
def test_environments_that_are_gone_let_go_of_what_their_factory_made(sim):
    made = []

    class Big:
        pass

    def factory():
        big = Big()
        made.append(id(big))
        return lambda event, context: type(big).__name__

    worker = sim.create_function("worker", init=factory)
    worker.invoke()
    assert 1 == sum(isinstance(thing, Big) for thing in gc.get_objects())
    sim.run(until=3_600)
    gc.collect()
    assert 0 == worker.snapshot().environments
    assert 0 == sum(isinstance(thing, Big) for thing in gc.get_objects())


# ---- what crosses the boundary


@pytest.mark.rule("LAM-040")
@pytest.mark.parametrize("form", ["plain", "interleaved", "coroutine", "factory"])
def test_every_form_gets_a_fresh_event_and_cannot_change_its_callers_data(sim, form):
    payload = {"items": [1, {"a": 2}], "n": None}
    seen = []

    def handler(event, context):
        seen.append(json.dumps(event))
        event["items"].append(3)
        event["items"][1]["a"] = "changed"
        return event

    async def coroutine(event, context):
        return handler(event, context)

    given = {
        "plain": {"handler": handler, "execution": "plain"},
        "interleaved": {"handler": handler, "execution": "interleaved"},
        "coroutine": {"handler": coroutine},
        "factory": {"init": lambda: handler},
    }[form]
    worker = sim.create_function("worker", **given)
    answers = [worker.invoke(payload).value for _ in range(2)]
    assert {"items": [1, {"a": 2}], "n": None} == payload
    assert [json.dumps(payload)] * 2 == seen
    assert [{"items": [1, {"a": "changed"}, 3], "n": None}] * 2 == answers


@pytest.mark.rule("LAM-041", "LAM-006")
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_the_same_program_runs_the_same_twice(root, execution):
    write(root, {"app.py": COUNTING})
    runs = []
    for _ in range(2):
        sim = Simulation(seed=5, execution=execution)
        worker = sim.create_function("worker", "app.handler")
        queue = sim.create_queue("orders")
        sim.create_event_source_mapping(queue, worker, batch_size=1)
        for number in range(20):
            queue.send_message(str(number))
        sim.run()
        runs.append(sim.trace.to_json_lines())
    assert runs[0] == runs[1]
