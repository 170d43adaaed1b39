"""
House rules that a reader would have to notice, and a test need not: nothing real leaks into a simulation.

The source is read with `ast`, so that comments and texts may speak of what code may not use. Names are followed through
imports, under whatever alias. Sets are followed as far as one module shows them: expressions, names, and attributes of
`self`; that is no proof, but it finds the slips that happen.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "lambdasim"

TIME: Final = "use the clock of the simulation: now_us, and start_us + now_us for a time stamp"
CHANCE: Final = "use a choice point, or random() of a named stream of the simulation"
IDENTIFIER: Final = "use Identifiers: ids are derived from seed, owner and a counter, so that a run replays"
ORDER: Final = "use a dict, whose order is that of insertion, or sorted()"
ADDRESS: Final = "use a number from a counter of the simulation: addresses and hashes differ from run to run"

# What code may not use, in full, and what to use instead. A name that ends in a dot stands for all that begins with it.
BANNED: Final = {
    "time.time": TIME,
    "time.time_ns": TIME,
    "time.monotonic": TIME,
    "time.monotonic_ns": TIME,
    "time.perf_counter": TIME,
    "time.perf_counter_ns": TIME,
    "time.process_time": TIME,
    "time.process_time_ns": TIME,
    "datetime.datetime.now": TIME,
    "datetime.datetime.today": TIME,
    "datetime.datetime.utcnow": TIME,
    "datetime.date.today": TIME,
    "uuid.uuid1": IDENTIFIER,
    "uuid.uuid4": IDENTIFIER,
    "random.": CHANCE,
    "secrets.": CHANCE,
    "os.urandom": CHANCE,
    "os.getrandom": CHANCE,
}
ALLOWED: Final = ("random.Random",)  # seeded by us, it is what streams are made of

BANNED_BUILTINS: Final = frozenset({"id", "hash"})

SET_TYPES: Final = frozenset({"set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"})
SET_METHODS: Final = frozenset({"union", "intersection", "difference", "symmetric_difference", "copy"})
SET_OPERATORS: Final = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
# What keeps the order of its arguments; `sorted`, `sum`, `len`, `min`, `any` and the like do not.
ORDERED: Final = frozenset({"list", "tuple", "deque", "iter", "enumerate", "zip", "map", "filter"})
ORDERED_METHODS: Final = frozenset({"join", "extend", "extendleft", "fromkeys"})

FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SCOPES: Final = (*FUNCTIONS, ast.ClassDef, ast.Module)

UNFINISHED: Final = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X)\b")  # the brackets keep this line out of what it finds
TEXTS: Final = frozenset({".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".ipynb"})


class Finding(NamedTuple):
    """Something banned, where it stands, and what to use instead."""

    line: int
    what: str
    instead: str


def aliases_of(tree: ast.AST) -> dict[str, str]:
    """Return what each imported name of a module stands for, in full."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                found[name] = alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of one scope, without those of the scopes in it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, SCOPES):
            yield from own_nodes(child)


def instead_of(name: str) -> str | None:
    """Return what to use instead of something given in full, or None if it is allowed."""
    if any(f"{name}.".startswith(f"{allowed}.") for allowed in ALLOWED):
        return None
    module, dot, _ = name.partition(".")
    return BANNED.get(name) or BANNED.get(module + dot)


def is_set_type(annotation: ast.AST | None) -> bool:
    """Tell whether an annotation is that of a set, or of a set among others."""
    if isinstance(annotation, ast.BinOp):
        return is_set_type(annotation.left) or is_set_type(annotation.right)
    if isinstance(annotation, ast.Subscript):
        return is_set_type(annotation.value) or (
            isinstance(annotation.value, ast.Name)
            and annotation.value.id in {"Final", "ClassVar"}
            and is_set_type(annotation.slice)
        )
    if isinstance(annotation, ast.Attribute):
        return annotation.attr in SET_TYPES
    return isinstance(annotation, ast.Name) and annotation.id in SET_TYPES


class Checker(ast.NodeVisitor):
    """Collects the findings in one module."""

    def __init__(self, tree: ast.AST) -> None:
        self.findings: list[Finding] = []
        self._aliases = aliases_of(tree)
        self._names: list[dict[str, bool]] = []  # of each open scope: is it a set?
        self._attributes: list[dict[str, bool]] = [{}]  # of `self`, of each open class: is it a set?

    def visit(self, node: ast.AST) -> None:
        """Look at one node, and at what is inside it."""
        if not isinstance(node, SCOPES):
            super().visit(node)
            return
        names = self._bindings(own_nodes(node), of_self=False)
        if isinstance(node, FUNCTIONS):
            arguments = node.args
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                names[argument.arg] = is_set_type(argument.annotation)
        if isinstance(node, ast.ClassDef):
            self._attributes.append(names | self._bindings(ast.walk(node), of_self=True))
        self._names.append(names)
        self.generic_visit(node)
        self._names.pop()
        if isinstance(node, ast.ClassDef):
            self._attributes.pop()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if not node.level:
                self._use(node, f"{node.module}.{alias.name}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._use(node, self._in_full(node))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in BANNED_BUILTINS:
                self._find(node, f"{name}()", ADDRESS)
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in ORDERED:
                self._iterate(*arguments)
            case ast.Call(func=ast.Attribute(attr=name), args=arguments) if name in ORDERED_METHODS:
                self._iterate(*arguments)
            case ast.Call(func=ast.Attribute(value=popped, attr="pop"), args=[]) if self._is_set(popped):
                self._find(node, "pop() of a set", ORDER)
        for keyword in node.keywords:
            if keyword.arg == "key" and isinstance(keyword.value, ast.Name) and keyword.value.id in BANNED_BUILTINS:
                self._find(node, f"key={keyword.value.id}", ADDRESS)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self._iterate(node.iter)
        self.generic_visit(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self._iterate(node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._iterate(node.iter)
        self.generic_visit(node)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        self._iterate(node.value)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        self._iterate(node.value)
        self.generic_visit(node)

    def visit_Set(self, node: ast.Set) -> None:
        for element in node.elts:  # {*a, *b}: from set to set, nobody sees an order
            self.visit(element.value if isinstance(element, ast.Starred) else element)

    def _find(self, node: ast.AST, what: str, instead: str) -> None:
        self.findings.append(Finding(node.lineno, what, instead))

    def _use(self, node: ast.AST, name: str | None) -> None:
        if name and (instead := instead_of(name)):
            self._find(node, name, instead)

    def _iterate(self, *iterables: ast.AST) -> None:
        for iterable in iterables:
            if self._is_set(iterable):
                self._find(iterable, "the order of a set", ORDER)

    def _in_full(self, node: ast.AST) -> str | None:
        """Return what a chain of attributes stands for, if it begins with an imported name."""
        match node:
            case ast.Name(id=name):
                return self._aliases.get(name)
            case ast.Attribute(value=value, attr=name) if of := self._in_full(value):
                return f"{of}.{name}"
        return None

    def _is_set(self, node: ast.AST | None) -> bool:
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Call(func=ast.Name(id="set" | "frozenset")):
                return True
            case ast.Call(func=ast.Name(id="field" | "Factory"), args=arguments, keywords=keywords):  # of attrs
                made_by = [*arguments, *(keyword.value for keyword in keywords if keyword.arg == "factory")]
                return any(isinstance(maker, ast.Name) and maker.id in SET_TYPES for maker in made_by)
            case ast.Call(func=ast.Attribute(value=value, attr=method)):
                return method in SET_METHODS and self._is_set(value)
            case ast.BinOp(left=left, op=operator, right=right) if isinstance(operator, SET_OPERATORS):
                return any(self._is_set(side) or self._is_view_of_keys(side) for side in (left, right))
            case ast.IfExp(body=body, orelse=orelse):
                return self._is_set(body) or self._is_set(orelse)
            case ast.NamedExpr(value=value):
                return self._is_set(value)
            case ast.Name(id=name):
                return next((names[name] for names in reversed(self._names) if name in names), False)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self._attributes[-1].get(name, False)
        return False

    @staticmethod
    def _is_view_of_keys(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys"

    def _bindings(self, nodes: Iterable[ast.AST], *, of_self: bool) -> dict[str, bool]:
        """
        Return the names that these nodes bind, or the attributes of `self`: is it a set?

        It is if it is declared as one, and else if all that is bound to it is one.
        """
        found: dict[str, bool] = {}
        declared: dict[str, bool] = {}

        def bind(target: ast.AST, *, is_set: bool, is_declared: bool = False) -> None:
            bound = declared if is_declared else found
            match target:
                case ast.Name(id=name) if not of_self:
                    bound[name] = is_set and bound.get(name, True)
                case ast.Attribute(value=ast.Name(id="self"), attr=name) if of_self:
                    bound[name] = is_set and bound.get(name, True)
                case ast.Tuple(elts=parts) | ast.List(elts=parts):
                    for part in parts:
                        bind(part, is_set=False)
                case ast.Starred(value=part):
                    bind(part, is_set=False)

        for node in nodes:
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        bind(target, is_set=self._is_set(value))
                case ast.AnnAssign(target=target, annotation=annotation, value=value):
                    is_declared = is_set_type(annotation)
                    bind(target, is_set=is_declared or self._is_set(value), is_declared=is_declared)
                case ast.NamedExpr(target=target, value=value):
                    bind(target, is_set=self._is_set(value))
                case ast.For(target=target) | ast.AsyncFor(target=target) | ast.comprehension(target=target):
                    bind(target, is_set=False)
                case ast.withitem(optional_vars=ast.AST() as target):
                    bind(target, is_set=False)
        return found | declared


def findings(source: str) -> list[Finding]:
    """Return what is banned in a module, in the order of its lines."""
    tree = ast.parse(source)
    checker = Checker(tree)
    checker.visit(tree)
    return sorted(dict.fromkeys(checker.findings))


def complaints(source: str, path: PurePosixPath) -> list[str]:
    """Return what is banned in a file, a line each; *path* is inside the package."""
    # The command has a progress bar; the world of handlers keeps what it puts others in the place of.
    may_read_the_clock = path.parts[0].removesuffix(".py") == "cli" or path.as_posix() == "lambda_/world.py"
    # Clients of AWS draw their pauses from the chance of the process: it is given a seed meanwhile, and put back.
    may_exchange_chance = path.as_posix() == "bridges/diversion.py"
    return [
        f"{path}:{line}: {what}: {instead}"
        for line, what, instead in findings(source)
        if not (may_read_the_clock and instead == TIME) and not (may_exchange_chance and instead == CHANCE)
    ]


def test_package_is_tidy() -> None:
    """Nothing in the package reads real time, chance of the process, addresses, or the order of a set."""
    files = sorted(PACKAGE.rglob("*.py"))
    assert PACKAGE / "__init__.py" in files
    found = []
    for file in files:
        found += complaints(file.read_text(encoding="utf-8"), PurePosixPath(file.relative_to(PACKAGE).as_posix()))
    assert [] == found


def test_nothing_is_left_unfinished() -> None:
    """No text of the project says that something is still to be done; what is not whole is not there."""
    folders = [ROOT / name for name in ("lambdasim", "tests", "benchmarks", "docs")]
    files = [file for folder in folders for file in sorted(folder.rglob("*"))]
    files += sorted(ROOT.glob("*"))
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in files
        if file.suffix in TEXTS and file.is_file()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    assert [] == found


@pytest.mark.parametrize("name", ["T" + "ODO", "F" + "IXME", "X" + "XX"])
def test_unfinished_work_is_found(name: str) -> None:
    """The three customary marks are found as words, and only as words."""
    assert UNFINISHED.search(f"# {name}: later")
    assert not UNFINISHED.search(f"{name}S are many")


@pytest.mark.parametrize("name", [f"{name}choice" if name.endswith(".") else name for name in BANNED])
def test_each_banned_name_is_found(name: str) -> None:
    """A banned name is found in each form that an import can give it, called or handed on."""
    module, _, rest = name.partition(".")
    first = rest.partition(".")[0]
    sources = {
        f"import {module}\n{name}()": 2,
        f"import {module}\ncallback = {name}": 2,
        f"import {module} as alias\nx = [alias.{rest}() for _ in y]": 2,
        f"def f():\n    from {module} import {first}\n    return {rest}()": 2 if rest == first else 3,
        f"from {module} import {first} as alias\nprint(alias{rest.removeprefix(first)})": 1 if rest == first else 2,
    }
    for source, line in sources.items():
        (finding,) = findings(source)
        assert (line, name) == (finding.line, finding.what), source
        assert finding.instead.startswith("use ")


@pytest.mark.parametrize(
    "source",
    [
        "order = id(message)",
        "key = hash((a, b))",
        "messages.sort(key=id)",
        "first = min(messages, key=hash)",
    ],
)
def test_addresses_and_hashes_are_found(source: str) -> None:
    """`id` and `hash` are found where they are called, and where they order something."""
    (finding,) = findings(source)
    assert ADDRESS == finding.instead


@pytest.mark.parametrize(
    "source",
    [
        "for x in {1, 2}: pass",
        "for x in set(y): pass",
        "for x in frozenset(y): pass",
        "for x in {z for z in y}: pass",
        "for x in set(y) | z: pass",
        "for x in set(y).union(z): pass",
        "for x in a.keys() & b.keys(): pass",
        "for x in set(y) if z else []: pass",
        "for x in (found := set(y)): pass",
        "async def f():\n    async for x in set(y): pass",
        "[x for x in {1, 2}]",
        "{x: 1 for x in set(y)}",
        "{x for x in set(y)}",
        "sum(x for x in frozenset(y))",
        "list({1, 2})",
        "enumerate(set(y))",
        "next(iter(set(y)))",
        "', '.join({a, b})",
        "found.extend(set(y))",
        "dict.fromkeys(set(y))",
        "print(*set(y))",
        "def f():\n    yield from set(y)",
        "names = set()\nfor name in names: pass",
        "names = set()\nnames.pop()",
        "NAMES: Final = frozenset({1})\ndef f():\n    return [x for x in NAMES]",
        "NAMES: Final[frozenset[int]] = g()\ndef f():\n    return list(NAMES)",
        "def f(names: set[str] | None) -> None:\n    names = names or set()\n    for name in names: pass",
        "class A:\n    def f(self, x):\n        self.x: set[int] = x\n        self.x = g()\n        list(self.x)",
        "def f(names: set[str] | None) -> None:\n    for name in names: pass",
        "def f(names: collections.abc.Set[str]) -> None:\n    for name in names: pass",
        "class A:\n    def __init__(self):\n        self.x = set()\n    def f(self):\n        return list(self.x)",
        "@define\nclass A:\n    x: set[str] = field(factory=set)\n    def f(self):\n        return list(self.x)",
        "@define\nclass A:\n    x = field(factory=set)\n    def f(self):\n        return tuple(self.x)",
    ],
)
def test_orders_of_sets_are_found(source: str) -> None:
    """Whatever shows in which order a set keeps its elements is found."""
    (finding,) = findings(source)
    assert ORDER == finding.instead


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep",
        "from random import Random\nstream = Random(7)\nstream.random()",
        "import random\nstream: random.Random = random.Random(7)",
        "import datetime\nstart = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)",
        "from datetime import datetime\ndatetime.fromisoformat(text)",
        "from uuid import UUID\nUUID(bytes=digest)",
        "self.clock.time()",
        "entry.id\nf(id=7)",
        "def f(id):\n    return [id]",
        "text = 'time.time() and uuid4() for x in {1, 2}'  # random.random()",
        "from .secrets import token\nfrom . import random",
        "x in {1, 2}",
        "for x in sorted({1, 2}): pass",
        "len(set(y)), min({1, 2}), any(set(y))",
        "both = {*a, *set(b)}",
        "for x in [1, 2]: pass",
        "for x in a - b: pass",
        "names = set()\nnames = sorted(names)\nfor name in names: pass",
        "names = set()\ndef f(names):\n    return list(names)",
        "names = {}\nfor name in names: pass",
        "stack.pop()",
        "class A:\n    def __init__(self):\n        self.x = {}\n    def f(self):\n        return [y for y in self.x]",
    ],
)
def test_what_is_allowed_passes(source: str) -> None:
    """Seeded streams, derived time, texts, and sets whose order nobody sees are no findings."""
    assert [] == findings(source)


def test_only_the_command_line_may_read_the_wall_clock() -> None:
    """The progress bar of `cli` may know real time; nothing else may, and `cli` may nothing else."""
    source = "import time, uuid\ntime.monotonic()\nuuid.uuid4()"
    assert 2 == len(complaints(source, PurePosixPath("sqs/queue.py")))
    (complaint,) = complaints(source, PurePosixPath("cli/progress.py"))
    assert f"cli/progress.py:3: uuid.uuid4: {IDENTIFIER}" == complaint
