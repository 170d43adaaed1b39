"""
The layers of the package, as a table and a test that reads it.

Only statements are read, with `ast`: what a module imports for its types alone counts like any other import, for it is
knowledge of the other layer all the same.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]

OPEN_TO_ALL: Final = frozenset({"errors", "units", "settings"})
UP_TO_METRICS: Final = frozenset({"clock", "sqs", "lambda_", "filtering", "esm"})
UP_TO_SIMULATION: Final = UP_TO_METRICS | {"timeline", "metrics", "workload", "faults", "simulation"}

# Which layers a layer may import, beside itself and those open to all. A layer is a package or module of the top level.
MAY_IMPORT: Final = {
    "clock": frozenset[str](),
    "sqs": frozenset({"clock"}),  # sqs and lambda_ are siblings: neither knows the other
    "lambda_": frozenset({"clock"}),
    "filtering": frozenset[str](),  # pure: texts and records
    "esm": frozenset({"clock", "sqs", "lambda_", "filtering"}),
    "timeline": frozenset({"clock", "sqs", "lambda_", "esm"}),  # reads the trace of them all
    "metrics": UP_TO_METRICS,  # their meters and snapshots, never their insides
    "workload": frozenset({"clock"}),  # hands messages to a callable
    "faults": frozenset({"sqs", "lambda_", "esm"}),  # what may go wrong in all services; each knows its own part only
    "simulation": UP_TO_METRICS | {"timeline", "metrics", "workload", "faults"},
    "planning": UP_TO_SIMULATION,
    "testing": UP_TO_SIMULATION,
    "bridges": UP_TO_SIMULATION | {"testing"},
    "cli": UP_TO_SIMULATION | {"planning", "__init__"},  # __init__ for the version
    "__main__": frozenset({"cli"}),
    "__init__": UP_TO_SIMULATION | {"planning", "testing", "bridges", "cli"},  # the front door shows names of them all
}
# Those open to all stand below the rest, and among themselves in this order.
FOUNDATIONS: Final = {
    "errors": frozenset[str](),
    "units": frozenset({"errors"}),
    "settings": frozenset({"errors", "units"}),
}

# What may be imported inside a function, by layer, whatever the table above says: optional extras, and modules of ours
# that cannot do without one. Only those pay for them who use them. Everywhere else such an import dodges a cycle.
MAY_IMPORT_LATE: Final = {
    "lambda_": frozenset({"greenlet", "time_machine"}),
    "metrics": frozenset({"pandas"}),
    "simulation": frozenset({"lambdasim.bridges"}),
    "testing": frozenset({"hypothesis", "rich"}),
    "cli": frozenset({"click", "lambdasim.cli", "matplotlib", "pandas", "pydantic", "rich"}),
}

# All that `import lambdasim` may load beside the standard library; attrs goes by two names.
RUN_TIME_DEPENDENCIES: Final = frozenset({"attr", "attrs", "sortedcontainers"})


class Import(NamedTuple):
    """One imported module, in full, and where the statement stands."""

    module: str
    line: int
    is_late: bool


def layer_of(module: str) -> str:
    """Return the layer of a module of ours, given in full; that of the package itself is `__init__`."""
    _, _, inside = module.partition(".")
    layer = inside.partition(".")[0]
    return layer if layer in MAY_IMPORT or layer in FOUNDATIONS else "__init__"


def layer_at(path: PurePosixPath) -> str:
    """Return the layer that a file belongs to, given its path inside the package."""
    return path.parts[0].removesuffix(".py")


def imports(source: str, path: PurePosixPath) -> Iterator[Import]:
    """Yield what a module imports, relative imports resolved; *path* is inside the package."""
    package = ("lambdasim", *path.parts[:-1])

    def visit(node: ast.AST, *, is_late: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, is_late)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            for (
                alias
            ) in node.names:  # `from lambdasim import units` imports a module, `from lambdasim.units import x` a name
                yield Import(f"{base}.{alias.name}", node.lineno, is_late)
        within = is_late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, is_late=within)

    yield from visit(ast.parse(source), is_late=False)


def problems(source: str, path: PurePosixPath) -> list[str]:
    """Return what is wrong with the imports of one module, a line each; *path* is inside the package."""
    layer = layer_at(path)
    if layer not in MAY_IMPORT and layer not in FOUNDATIONS:
        return [f"{path}: layer {layer!r} is not in MAY_IMPORT; give it a place there"]
    allowed = FOUNDATIONS[layer] if layer in FOUNDATIONS else MAY_IMPORT[layer] | OPEN_TO_ALL
    allowed_late = MAY_IMPORT_LATE.get(layer, frozenset())
    found = []
    for module, line, is_late in imports(source, path):
        target = layer_of(module)
        if is_late and any(f"{module}.".startswith(f"{name}.") for name in allowed_late):
            continue
        if module.partition(".")[0] == "lambdasim" and target not in {layer, *allowed}:
            found.append(f"{path}:{line}: {layer} may not import {target} ({module}); it may import {sorted(allowed)}")
        elif is_late:
            found.append(
                f"{path}:{line}: {module} is imported inside a function; for a cycle, a record belongs one layer down"
            )
    return list(dict.fromkeys(found))


def test_layers_import_what_the_table_allows() -> None:
    """Every module of the package imports only its own layer, lower ones, and those open to all."""
    package = ROOT / "lambdasim"
    files = sorted(package.rglob("*.py"))
    assert package / "__init__.py" in files
    found = []
    for file in files:
        path = PurePosixPath(file.relative_to(package).as_posix())
        found += problems(file.read_text(encoding="utf-8"), path)
    assert [] == found


def test_table_has_no_cycle() -> None:
    """Layers can be put into one order, so that each imports only those before it."""
    below = MAY_IMPORT | FOUNDATIONS
    placed: set[str] = set()
    while rest := [layer for layer in below if layer not in placed and layer != "__init__"]:
        ready = [layer for layer in rest if below[layer] - {"__init__"} <= placed]
        assert ready, f"a cycle among {rest}"
        placed.update(ready)


def test_importing_the_package_loads_no_optional_dependency() -> None:
    """`import lambdasim` needs attrs, sortedcontainers and the standard library, and nothing that is an extra."""
    program = "import sys; before = set(sys.modules); import lambdasim; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {module.partition(".")[0] for module in run.stdout.split()}
    assert "lambdasim" in loaded
    assert [] == sorted(loaded - sys.stdlib_module_names - RUN_TIME_DEPENDENCIES - {"lambdasim"})


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("sqs/queue.py", "from lambdasim.esm.mapping import EventSourceMapping"),
        ("sqs/queue.py", "from lambdasim.lambda_ import Function"),
        ("sqs/queue.py", "import lambdasim.simulation"),
        ("sqs/queue.py", "from lambdasim import simulation"),
        ("sqs/queue.py", "from lambdasim import Simulation"),
        ("sqs/queue.py", "from ..esm import mapping"),
        ("sqs/queue.py", "from .. import esm"),
        ("sqs/queue.py", "if TYPE_CHECKING:\n    from lambdasim.esm import EventSourceMapping"),
        ("lambda_/function.py", "import lambdasim.sqs.queue as q"),
        ("clock/clock.py", "from lambdasim.metrics import Metrics"),
        ("workload/arrivals.py", "from lambdasim.sqs import Queue"),
        ("metrics/names.py", "from lambdasim.workload import Poisson"),
        ("errors/__init__.py", "from lambdasim.units import seconds"),
        ("units.py", "from lambdasim import settings"),
        ("settings.py", "from lambdasim.clock import Clock"),
        ("sqs/faults.py", "from lambdasim.faults import Faults"),
        ("faults.py", "from lambdasim.metrics import Metrics"),
        ("simulation.py", "from lambdasim.planning import sweep"),
        ("cli/__init__.py", "from lambdasim.testing import explore"),
    ],
)
def test_upward_and_sideways_imports_are_found(path: str, source: str) -> None:
    """Whatever its form, an import of a layer that the table does not allow is named with its line."""
    (problem,) = problems(source, PurePosixPath(path))
    assert f"{path}:" in problem
    assert "may not import" in problem


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("sqs/queue.py", "from lambdasim.clock import Clock"),
        ("sqs/queue.py", "from lambdasim import errors, units, settings"),
        ("sqs/queue.py", "from .message import Message"),
        ("sqs/queue.py", "from . import fifo"),
        ("sqs/queue.py", "from ..errors.sqs import OverLimit"),
        ("errors/sqs.py", "from . import SqsError"),
        ("units.py", "from .errors import UsageError"),
        ("esm/pollers.py", "from lambdasim.sqs.queue import Queue"),
        ("faults.py", "from lambdasim.sqs.faults import SqsFaults"),
        ("cli/__init__.py", "from lambdasim import __version__"),
        ("cli/run.py", "from lambdasim.planning import Scenario"),
        ("__init__.py", "from lambdasim.testing import explore"),
        ("clock/clock.py", "import lambdasimilar"),
    ],
)
def test_allowed_imports_pass(path: str, source: str) -> None:
    """Lower layers, the own layer and those open to all may be imported in any form."""
    assert [] == problems(source, PurePosixPath(path))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("sqs/queue.py", "def f():\n    import json"),
        ("sqs/queue.py", "class Queue:\n    async def f(self):\n        from lambdasim.clock import Clock"),
        ("simulation.py", "def f():\n    from lambdasim.esm import mapping"),
        ("cli/run.py", "def f():\n    import boto3"),
    ],
)
def test_late_imports_are_found(path: str, source: str) -> None:
    """An import inside a function is named, unless it is of an extra of that layer."""
    (problem,) = problems(source, PurePosixPath(path))
    assert "inside a function" in problem


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("metrics/frames.py", "def f():\n    import pandas as pd"),
        ("cli/run.py", "def f():\n    from matplotlib import pyplot"),
        ("cli/run.py", "def f():\n    import rich.progress"),
        ("cli/__init__.py", "def main():\n    from lambdasim.cli.commands import group"),
        ("simulation.py", "def client():\n    from lambdasim.bridges.boto3 import client"),
        ("sqs/queue.py", "if True:\n    import json"),
    ],
)
def test_late_imports_of_extras_pass(path: str, source: str) -> None:
    """Extras may be imported where they are used, by the layers that have some."""
    assert [] == problems(source, PurePosixPath(path))


def test_unknown_layer_is_a_problem() -> None:
    """A new module at the top level must be given its place in the table."""
    (problem,) = problems("", PurePosixPath("surprise/core.py"))
    assert "'surprise' is not in MAY_IMPORT" in problem
