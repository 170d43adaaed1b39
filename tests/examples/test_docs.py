"""
What the documents show: their Python blocks run and print what they say, their links lead somewhere.

A block fenced as `python` is a program of its own, run from the top of the repository. Functions in it that are named
like tests are called, unless they take the fixture `sim`. If the next thing after it is a block fenced as `text`, that
is what it prints. A block fenced as `python setup` is what the later programs of its section (`##`) begin with. A
picture that a program draws with matplotlib is rendered, but the file in the repository stays as it is.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import inspect
import io
import pkgutil
import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import attrs
import pytest
from matplotlib.figure import Figure

import lambdasim
from lambdasim import workload
from lambdasim.bridges import calls
from lambdasim.lambda_ import Context
from lambdasim.simulation import SETTINGS
from tests.unit.test_layers import MAY_IMPORT, OPEN_TO_ALL

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = sorted((ROOT / "docs").rglob("*.md"))
PAGES: Final = [ROOT / "README.md", *DOCS]
LINKED: Final = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "benchmarks").rglob("*.md"))]

SET_UP: Final = [
    "python -m pip install -e '.[cli]' && lambdasim run docs/examples/order_pipeline.toml",
    "python -m pip install -e '.[dev]' && pytest",
]

FENCE: Final = re.compile(r"^```(\w*(?: setup)?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTION: Final = re.compile(r"^## ", re.MULTILINE)
LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
IMAGE: Final = re.compile(r"!\[[^\]]+\]\(([^)\s]+)\)")
SHOWN_PATH: Final = re.compile(r"`((?:lambdasim|tests|docs|benchmarks)/[\w./-]*)`")
HEADING: Final = re.compile(r"^#+ (.*)$", re.MULTILINE)


class Block(NamedTuple):
    """One fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    prints: str | None  #: what a `text` block right after it shows
    setup: str  #: what it begins with, from earlier in its section


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    setup, setup_at = "", 0
    for place, match in enumerate(found):
        if SECTION.search(text, setup_at, match.start()):
            setup = ""
        after = found[place + 1] if place + 1 < len(found) else None
        is_shown = after is not None and after[1] == "text" and not text[match.end() : after.start()].strip()
        line = text.count("\n", 0, match.start()) + 2
        shown = after[2] if after is not None and is_shown else None
        yield Block(name_of(page), line, match[1], match[2], shown, setup)
        if match[1] == "python setup":
            setup, setup_at = match[2], match.start()


def prose(page: Path) -> str:
    """Return the text of a page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def name_of(page: Path) -> str:
    """Return the path of a page inside the repository."""
    return page.relative_to(ROOT).as_posix()


LANGUAGES: Final = {"python", "python setup"}
PROGRAMS: Final = [block for page in PAGES for block in blocks(page) if block.language in LANGUAGES]
LONG: Final = ("sim.feed(orders, [0] * 100_000)", "ConstantRate(1_200, duration=75)")


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(
            block,
            id=f"{block.page}:{block.line}",
            marks=[pytest.mark.slow] if any(load in block.text for load in LONG) else [],
        )
        for block in PROGRAMS
    ],
)
def test_programs_run_and_print_what_is_shown(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a page shows as a program runs as it stands."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(Figure, "savefig", into_memory(Figure.savefig))
    tree = ast.parse(block.text, filename=block.page)
    ast.increment_lineno(tree, block.line - 1)
    names: dict[str, object] = {"__name__": "__docs__"}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(block.setup, f"{block.page}, setup", "exec"), names)
        exec(compile(tree, block.page, "exec"), names)
        for name, value in list(names.items()):
            if name.startswith("test_") and inspect.isfunction(value) and f"{name}()" not in block.text:
                if "sim" in inspect.signature(value).parameters:
                    continue  # test_pytest_page.py runs it
                value()
    if block.prints is not None:
        assert block.prints == printed.getvalue()


def test_the_picture_of_the_race_is_what_its_program_draws() -> None:
    """The page on tests shows a picture of text, which is compared to the byte."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(str(ROOT / "docs" / "examples" / "race.py"))
    assert (ROOT / "docs" / "pictures" / "race.svg").read_text(encoding="utf-8") == printed.getvalue()


def into_memory(save: Callable[..., None]) -> Callable[..., None]:
    """Let pictures be drawn whole but not written: a run of the tests leaves the repository alone."""

    def savefig(figure: Figure, file: str, **options: object) -> None:
        assert Path(file).is_file(), f"{file} is not there yet: nox -s pictures"
        save(figure, io.BytesIO(), format=Path(file).suffix.removeprefix("."), **options)

    return savefig


def test_pictures_are_shown_by_the_program_that_draws_them() -> None:
    """A picture that a page shows is one that a program of that page draws, and there are no others."""
    shown = {(page, (page.parent / path).resolve()) for page in PAGES for path in IMAGE.findall(prose(page))}
    saved = [(block.page, path) for block in PROGRAMS for path in re.findall(r'savefig\("([^"]+)"', block.text)]
    saved.append(("docs/testing.md", "docs/pictures/race.svg"))  # by docs/examples/race.py
    assert sorted((name_of(page), name_of(picture)) for page, picture in shown) == sorted(saved)
    assert sorted(path for _, path in saved) == [name_of(file) for file in sorted((ROOT / "docs/pictures").iterdir())]


def test_long_programs_are_few_and_known() -> None:
    """What waits for `--slow` is two programs of the page that compares with AWS, none that users begin with."""
    long = [[block.page for block in PROGRAMS if load in block.text] for load in LONG]
    assert [["docs/validation.md"], ["docs/validation.md"]] == long


def test_the_pages_show_programs() -> None:
    """The README shows at least four programs, so that a change of its form does not silence the test above."""
    assert 4 <= sum(block.page == "README.md" for block in PROGRAMS)


def test_readme_begins_with_a_short_program() -> None:
    """The first program of the README has about fifteen lines."""
    first = next(block for block in PROGRAMS if block.page == "README.md")
    assert 16 >= sum(bool(line.strip()) for line in first.text.splitlines())
    assert first.prints is not None


def test_readme_has_exactly_the_two_set_up_commands() -> None:
    """Nobody has to choose: one command plays a scenario, another one runs the tests."""
    shells = [block for block in blocks(ROOT / "README.md") if block.language in {"sh", "bash", "console", "shell"}]
    commands = [line.removeprefix("$ ") for block in shells for line in block.text.splitlines() if line.strip()]
    assert SET_UP == commands
    assert "pip install" not in prose(ROOT / "README.md")


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_relative_links_lead_somewhere(page: Path) -> None:
    """A link names a file that exists, and a heading in it."""
    broken = []
    for link in LINK.findall(prose(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or ROOT not in (target, *target.parents):
            broken.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(target):
            broken.append(f"{link}: no such heading")
    assert [] == broken


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_paths_of_the_repository_exist(page: Path) -> None:
    """A path in code type, such as that of a module, is one that there is."""
    assert [] == [path for path in SHOWN_PATH.findall(prose(page)) if not (ROOT / path).exists()]


def anchors(page: Path) -> list[str]:
    """Return the anchors of the headings of a page."""
    headings = HEADING.findall(prose(page))
    return [re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings]


def modules() -> Iterator[str]:
    """Yield the names of all modules of the package, in order."""
    yield "lambdasim"
    for module in pkgutil.walk_packages(lambdasim.__path__, "lambdasim."):
        if not module.name.endswith("__main__"):
            yield module.name


@pytest.mark.parametrize("name", list(modules()))
def test_examples_in_docstrings_hold(name: str) -> None:
    """What a docstring shows is what the interpreter answers."""
    assert 0 == doctest.testmod(importlib.import_module(name)).failed


def test_design_shows_the_table_of_imports() -> None:
    """The layers in the design are those that the code is held to."""
    shown = {}
    for line in (ROOT / "docs" / "design.md").read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"\| `(\w+)` \| (.*?) \| .* \|", line)
        if match is not None and match[1] in MAY_IMPORT:
            shown[match[1]] = set(re.findall(r"`(\w+)`", match[2]))
    there = {layer for layer in MAY_IMPORT if is_there(layer)}
    assert {layer: MAY_IMPORT[layer] & there for layer in there} == shown
    assert OPEN_TO_ALL == {"errors", "units", "settings"}, "the sentence above the table names these"


def is_there(layer: str) -> bool:
    """Whether a layer of the table exists in this version, beside the front door."""
    place = ROOT / "lambdasim" / layer
    return not layer.startswith("__") and (place.with_suffix(".py").exists() or any(place.glob("*.py")))


def held() -> dict[str, tuple[object, ...]]:
    """Return what a user holds in hand, by the section of docs/api.md that lists its names."""
    sim = lambdasim.Simulation()
    orders = sim.create_queue("orders")
    contexts: list[Context] = []
    worker = sim.create_function("worker", lambda event, context: contexts.append(context))
    mapping = sim.create_event_source_mapping(sim.create_queue("parcels"), worker)
    result = worker.invoke()
    orders.send_message("order 1")
    (message,) = orders.messages
    (delivery,) = orders.receive_message()
    return {
        "Simulation": (sim, sim.feed(orders, ())),
        "Queue": (orders, orders.snapshot()),
        "Delivery": (delivery,),
        "Message": (message,),
        "Results": answers(),
        "Function": (worker, worker.snapshot()),
        "Answers of functions": answers_of_functions(),
        "Context": (contexts[0], contexts[0].environment),
        "Invocation": (worker.invocations[0],),
        "InvokeResult": (result,),
        "EventSourceMapping": (mapping, mapping.snapshot()),
        "Answers of mappings": (mapping.get_event_source_mapping(),),
        "Metrics": (sim.metrics, sim.metrics.series("AWS/SQS", "NumberOfMessagesSent", "Sum", QueueName="orders")),
        "Trace": (sim.trace, sim.trace.records[0]),
        "Timeline": (sim.timeline(),),
        "Clock": (sim.clock,),
        "ConcurrencyPool": (sim.pool,),
    }


def answers() -> tuple[object, ...]:
    """Return the answers of a queue that have more than one member."""
    sim = lambdasim.Simulation()
    spare = sim.create_queue("spare")
    orders = sim.create_queue("orders", redrive_policy=lambdasim.RedrivePolicy(spare, 1))
    batch = orders.send_message_batch([{"id": "a", "message_body": "order 1"}, {"id": "b"}])
    (delivery,) = orders.receive_message()
    deletes = orders.delete_message_batch([{"id": "a", "receipt_handle": delivery.receipt_handle}])
    sim.start_message_move_task(spare, orders)
    tasks = sim.list_message_move_tasks(spare)
    sent = orders.send_message("order 2")
    return sent, batch, *batch.successful, *batch.failed, deletes, *deletes.successful, tasks, *tasks.results


def answers_of_functions() -> tuple[object, ...]:
    """Return what operations of functions answer."""
    sim = lambdasim.Simulation()
    worker = sim.create_function("worker")
    alias = worker.create_alias("live", worker.publish_version().version)
    provisioned = worker.put_provisioned_concurrency_config("live", 1)
    events = worker.put_function_event_invoke_config(maximum_retry_attempts=0)
    return worker.get_function_configuration(), alias, provisioned, events


HELD: Final = held()
FAULTS: Final = (lambdasim.SqsFaults, lambdasim.LambdaFaults, lambdasim.AsyncFaults)


def sections(text: str) -> dict[str, str]:
    """Return the sections of a page by heading, those of the second and third level."""
    parts = re.split(r"^###? (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def shown_names(text: str) -> set[str]:
    """Return the names in code type, without arguments and units."""
    return {name for code in re.findall(r"`([^`]+)`", text) for name in re.findall(r"[A-Za-z_]\w*", code)}


@pytest.mark.parametrize("module", [lambdasim, workload], ids=lambda module: module.__name__)
def test_all_public_names_are_listed(module: object) -> None:
    """A name that can be imported is in docs/api.md."""
    names = shown_names(prose(ROOT / "docs" / "api.md"))
    exported: list[str] = module.__all__
    assert [] == [name for name in exported if name not in names and not name.startswith("__")]


@pytest.mark.parametrize("name", HELD)
def test_all_attributes_are_listed(name: str) -> None:
    """So is every attribute and method of what a user holds in hand, in the section of its class."""
    text = sections(prose(ROOT / "docs" / "api.md"))[name]
    public = {attribute for thing in HELD[name] for attribute in dir(thing) if not attribute.startswith("_")}
    assert [] == sorted(public - shown_names(text))


@pytest.mark.parametrize(("section", "kinds"), [("Settings", SETTINGS), ("Faults", FAULTS)])
def test_all_settings_are_listed(section: str, kinds: tuple[type, ...]) -> None:
    """The value objects are there with all their fields, defaults and presets."""
    text = sections(prose(ROOT / "docs" / "api.md"))[section]
    missing = []
    for kind in kinds:
        (row,) = re.findall(rf"^\| † `{kind.__name__}` \| (.*) \|$", text, re.MULTILINE)
        names = shown_names(row)
        missing += [f"{kind.__name__}.{name}" for name in public_members(kind) if name not in names]
        for field in attrs.fields(kind):
            if isinstance(field.default, int | str) and "=" in row and f"{field.name}=" in row:
                shown = re.search(rf"\b{field.name}=(\"?[\w.]+\"?)", row)
                assert shown is not None
                assert repr(field.default).replace("'", '"') == shown[1], f"{kind.__name__}.{field.name}"
    assert [] == missing


def public_members(kind: type) -> list[str]:
    """Return the fields, methods and presets of a value object."""
    return [name for name in dir(kind) if not name.startswith("_")] + [field.name for field in attrs.fields(kind)]


@pytest.mark.parametrize(("name", "kinds"), [("sqs.md", FAULTS[:1]), ("lambda.md", FAULTS[1:])])
def test_each_knob_is_shown_by_a_program(name: str, kinds: tuple[type, ...]) -> None:
    """The page on a service names each knob in bold, and the programs there, which run, switch it on."""
    page = ROOT / "docs" / name
    programs = "".join(block.text for block in blocks(page) if block.language in LANGUAGES)
    named = shown_names(" ".join(re.findall(r"\*\*(.*?)\*\*", prose(page))))
    knobs = [field.name for kind in kinds for field in attrs.fields(kind)]
    assert [] == [knob for knob in knobs if knob not in named or f"{knob}=" not in programs]


def test_each_policy_is_shown_with_its_default() -> None:
    """The same page has a row for each policy of SQS, with what holds when nobody says anything."""
    rows = dict(
        re.findall(r"^\| (`.*?`) \| (.*?) \|", sections(prose(ROOT / "docs" / "sqs.md"))["Policies"], re.MULTILINE)
    )
    shown = {name: default.strip("`") for names, default in rows.items() for name in shown_names(names)}
    places = {"account_id", "region", "partition", "sender_id"}
    policies = [field for field in attrs.fields(lambdasim.SqsConfig) if field.name not in places]
    defaults = {field.name: format(field.default, ",") for field in policies if type(field.default) is int}
    defaults |= {field.name: str(field.default) for field in policies if type(field.default) is bool}
    defaults |= {field.name: f'"{field.default}"' for field in policies if type(field.default) is str}
    assert {field.name for field in policies} == set(defaults)
    assert defaults == shown


def test_each_choice_point_is_listed() -> None:
    """So does it have a row for each choice point of a queue."""
    text = sections(prose(ROOT / "docs" / "sqs.md"))["Choice points"]
    source = inspect.getsource(lambdasim.sqs.faults)
    points = set(re.findall(r'point\("(\w+)"', source)) | set(re.findall(r'"sqs\.(\w+)", \(', source))
    assert 13 == len(points)
    assert points == set(re.findall(r"^\| `sqs\.(\w+)` \|", text, re.MULTILINE))


def test_each_choice_point_of_functions_is_listed() -> None:
    """The page on Lambda has a row for each choice point of a function, its events included."""
    text = sections(prose(ROOT / "docs" / "lambda.md"))["Choice points"]
    source = "".join(map(inspect.getsource, (lambdasim.lambda_.faults, lambdasim.lambda_.admission, calls)))
    points = set(re.findall(r'"((?:lambda|async)\.\w+)"', source))
    assert 18 == len(points)
    assert points == set(re.findall(r"^\| `((?:lambda|async)\.\w+)` \|", text, re.MULTILINE))
