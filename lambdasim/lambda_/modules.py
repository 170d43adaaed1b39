"""
Deployed code by its name: a module that is imported afresh for each execution environment (LAM-041).

What lies below the import root of the module (the folder from which it is imported) belongs to the deployment, so each
environment has copies of its own, with globals of their own. They are among `sys.modules` only while code of that
environment runs; whatever the process itself imported from there is out of sight meanwhile. Installed packages, the
standard library and this one are shared. Code that comes as a deployment package is all that lies below its root, and
goes before what is installed.
"""

from __future__ import annotations

import importlib
import os
import sys
from functools import cache
from types import ModuleType
from typing import Any, Final

from lambdasim.errors import LambdasimError
from lambdasim.lambda_.packages import TASK_ROOT, Package

_OURS: Final = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
_SHARED_FOLDERS: Final = ("site-packages", "dist-packages")


class RuntimeStartError(LambdasimError):
    """The runtime finds no handler; the kinds and texts are those of AWS's Python runtime."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Modules:
    """
    The modules of one execution environment.

    Args:
        handler: `module.function`, or `package.module.function`.
        package: Where its modules are; None: wherever the process finds them.
    """

    __slots__ = (
        "_handler",
        "_hidden",
        "_is_in",
        "_is_installed",
        "_known",
        "_loaded",
        "_outside",
        "_package",
        "_put_in",
        "_root",
    )

    def __init__(self, handler: str, package: Package | None = None) -> None:
        self._handler = handler
        self._package = package
        self._root: str | None = None if package is None else TASK_ROOT
        self._loaded: dict[str, ModuleType] = {}  # of this environment
        self._hidden: list[str] = []  # of the process, below the root
        self._known = self._put_in = (
            -1,
            "",
        )  # what there was when the hidden ones were looked up; at the begin of a turn
        self._outside: dict[str, ModuleType] = {}  # hidden at this moment
        self._is_in = False
        self._is_installed = False  # whether the root is where packages are installed

    def load(self) -> Any:
        """
        Import the module and return the handler; `put_in` has been called.

        Raises:
            RuntimeStartError: There is no such module or function, or the text names none.
            BaseException: Whatever the module raises while it is imported, but for `ImportError`.
        """
        module_name, dot, function_name = self._handler.rpartition(".")
        if not dot:
            msg = f"Bad handler '{self._handler}': not enough values to unpack (expected 2, got 1)"
            raise RuntimeStartError("Runtime.MalformedHandlerName", msg)
        module_name = module_name.replace("/", ".")
        importlib.invalidate_caches()
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            msg = f"Unable to import module '{module_name}': {error}"
            raise RuntimeStartError("Runtime.ImportModuleError", msg) from error
        try:
            return getattr(module, function_name)
        except AttributeError as error:
            msg = f"Handler '{function_name}' missing on module '{module_name}'"
            raise RuntimeStartError("Runtime.HandlerNotFound", msg) from error

    def put_in(self) -> None:
        """Let imports find the modules of this environment, and none of the process below the root."""
        if self._root is None:
            self._root = _find_root(self._handler)
            self._is_installed = self._root is not None and _is_installed(self._root)
        modules = sys.modules
        known = _state()
        if known != self._known:
            self._known = known
            self._hidden = self._below_root()
        for name in self._hidden:
            outside = modules.pop(name, None)
            if outside is not None:
                self._outside[name] = outside
        self._is_in = True
        modules.update(self._loaded)
        if self._package is not None:
            sys.meta_path.insert(0, self._package.finder)
        self._put_in = _state()

    def take_out(self) -> None:
        """Take the modules of this environment out again, those that were imported meanwhile too."""
        modules = sys.modules
        if not self._is_in:  # it failed half-way
            modules.update(self._outside)
            self._outside = {}
            return
        self._is_in = False
        if self._package is not None and self._package.finder in sys.meta_path:
            sys.meta_path.remove(self._package.finder)
        if _state() != self._put_in:
            self._loaded.update((name, modules[name]) for name in self._below_root())
        for name in self._loaded:
            modules.pop(name, None)
        modules.update(self._outside)
        self._outside = {}
        self._known = _state()

    def forget(self) -> None:
        """Begin anew: the process of the environment has ended."""
        self._loaded = {}

    def _below_root(self) -> list[str]:
        return [name for name, module in list(sys.modules.items()) if self._is_below(name, module)]

    def _is_below(self, name: str, module: ModuleType | None) -> bool:
        if name == "__main__" or self._root is None:
            return False
        if self._package is not None:
            return name.partition(".")[0] in self._package.top_names
        if self._is_installed and name.partition(".")[0] != self._handler.replace("/", ".").partition(".")[0]:
            return False  # among installed packages only the handler's own is its deployment
        try:
            place = getattr(module, "__file__", None)
            if place is None:  # a folder without __init__.py
                place = next(iter(getattr(module, "__path__", ())), None)
        except Exception:  # some modules make themselves when they are looked at, and fail
            return False
        if not isinstance(place, str) or not _is_inside(place, self._root) or _is_inside(place, _OURS):
            return False
        if self._is_installed:
            return True
        folders = place[len(self._root) :].split(os.sep)
        if any(folder in folders for folder in _SHARED_FOLDERS):
            return False
        shared = (root for root in _shared_roots() if root != self._root and _is_inside(root, self._root))
        return not any(_is_inside(place, root) for root in shared)


def _state() -> tuple[int, str]:
    """Return what differs once another module was imported: how many there are, and which came last."""
    return len(sys.modules), next(reversed(sys.modules), "")


def _is_inside(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip(os.sep) + os.sep)


def _is_installed(root: str) -> bool:
    """Whether a folder is, or lies in, one where packages are installed."""
    folders = root.split(os.sep)
    return any(folder in folders for folder in _SHARED_FOLDERS) or any(
        _is_inside(root, other) for other in _shared_roots()
    )


@cache
def _shared_roots() -> tuple[str, ...]:
    """Return where the standard library and installed packages are."""
    sysconfig = importlib.import_module("sysconfig")  # late: it is slow to import, and few need it
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({os.path.realpath(sysconfig.get_path(name)): None for name in names})


def _find_root(handler: str) -> str | None:
    """Return the folder that the module of a handler is imported from; None where there is none."""
    top = handler.replace("/", ".").partition(".")[0]
    util = importlib.import_module("importlib.util")  # late, as above
    try:
        spec = util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return os.path.dirname(str(next(iter(spec.submodule_search_locations))))
    return os.path.dirname(spec.origin) if spec.origin and spec.has_location else None
