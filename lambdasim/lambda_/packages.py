"""
Deployment packages: code as AWS gets it, in a zip file (LAM-041).

Nothing is written to disk. The modules of a package are imported from memory, as if they lay in `/var/task`, so that
paths in tracebacks are those of AWS and the same everywhere. What is not Python code is there for `pkgutil.get_data`
and for `__loader__.get_data`, but not for `open`.
"""

from __future__ import annotations

import base64
import linecache
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import decode_source
from io import BytesIO
from types import CodeType, MappingProxyType, ModuleType, TracebackType
from typing import Final
from zipfile import BadZipFile, ZipFile

from lambdasim.errors.lambda_ import InvalidParameterValueException

TASK_ROOT: Final = "/var/task"
_UNZIPPED_BYTES_MAX: Final = 262_144_000  # Lambda Developer Guide, Lambda quotas


class Package:
    """
    A zip file that was uploaded. What is in it is looked at only where code of it is to run.

    Args:
        content: Its bytes.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __eq__(self, other: object) -> bool:
        """Whether the other one is the same to the byte: what was uploaded twice is no change."""
        return isinstance(other, Package) and other.content == self.content

    def __hash__(self) -> int:
        """Return what it is found by among others."""
        return len(self.content)

    def __repr__(self) -> str:
        """Show how large it is."""
        return f"<package of {self.size} bytes>"

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)

    @cached_property
    def sha256(self) -> str:
        """In AWS's form: base64 of the digest."""
        return digest_of(self.content)

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """
        What is in it, by path.

        Raises:
            InvalidParameterValueException: It is no zip file, an empty one, or too large.
        """
        try:
            with ZipFile(BytesIO(self.content)) as archive:
                entries = [entry for entry in archive.infolist() if not entry.is_dir()]
                if sum(entry.file_size for entry in entries) > _UNZIPPED_BYTES_MAX:
                    msg = f"Unzipped size must be smaller than {_UNZIPPED_BYTES_MAX} bytes"
                    raise InvalidParameterValueException(msg)
                found = {entry.filename: archive.read(entry) for entry in entries}
        except (BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
            msg = "Could not unzip uploaded file. Please check your file, then try to upload again."
            raise InvalidParameterValueException(msg) from error
        if not found:
            msg = "Uploaded file must be a non-empty zip"
            raise InvalidParameterValueException(msg)
        return MappingProxyType(found)

    @cached_property
    def top_names(self) -> frozenset[str]:
        """The modules and packages at its root. Those of the standard library are never taken from a package."""
        tops = (name.removesuffix(".py").partition("/")[0] for name in self.files if name.endswith(".py"))
        return frozenset(top for top in tops if top.isidentifier() and top not in sys.stdlib_module_names)

    @cached_property
    def finder(self) -> Finder:
        """What imports its modules, while it is among `sys.meta_path`."""
        return Finder(self)


class Finder(MetaPathFinder):
    """Finds the modules of a package."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._loader = Loader(package.files)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how a module is loaded; None if it is none of the package."""
        del path, target
        if fullname.partition(".")[0] not in self._package.top_names:
            return None
        place = fullname.replace(".", "/")
        for name, is_package in ((f"{place}/__init__.py", True), (f"{place}.py", False)):
            if name in self._package.files:
                spec = ModuleSpec(fullname, self._loader, origin=f"{TASK_ROOT}/{name}", is_package=is_package)
                spec.has_location = True  # so that the module has a `__file__`
                break
        else:
            if not any(name.startswith(f"{place}/") for name in self._package.files):
                return None
            spec = ModuleSpec(fullname, None, is_package=True)  # a folder without __init__.py
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(f"{TASK_ROOT}/{place}")
        return spec


class Loader(InspectLoader):
    """Loads modules from files in memory; each environment runs them anew, and they are compiled once."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._compiled: dict[str, CodeType] = {}

    def get_code(self, fullname: str) -> CodeType:
        """Return the compiled module."""
        code = self._compiled.get(fullname)
        if code is None:
            path = self.get_filename(fullname)
            code = compile(self.get_data(path), path, "exec", dont_inherit=True)
            self._compiled[fullname] = code
        return code

    def get_source(self, fullname: str) -> str:
        """Return the text of a module, for tracebacks."""
        return decode_source(self.get_data(self.get_filename(fullname)))

    def get_filename(self, fullname: str) -> str:
        """Return where a module seems to lie."""
        place = fullname.replace(".", "/")
        for name in (f"{place}/__init__.py", f"{place}.py"):
            if name in self._files:
                return f"{TASK_ROOT}/{name}"
        msg = f"no module named {fullname!r} in the package"
        raise ImportError(msg, name=fullname)

    def is_package(self, fullname: str) -> bool:
        """Whether a module has modules below it."""
        return self.get_filename(fullname).endswith("/__init__.py")

    def get_data(self, path: str) -> bytes:
        """Return the content of a file, given its path below `/var/task`."""
        found = self._files.get(path.removeprefix(f"{TASK_ROOT}/"))
        if found is None:
            msg = f"no file {path!r} in the package"
            raise FileNotFoundError(msg)
        return found


def digest_of(content: bytes) -> str:
    """Return the digest that AWS shows of code."""
    return base64.b64encode(sha256(content).digest()).decode()


def forget_lines(place: TracebackType | None) -> None:
    """Let a traceback read the lines of its own packages: modules of other packages have the same paths."""
    while place is not None:
        name = place.tb_frame.f_code.co_filename
        if name.startswith(f"{TASK_ROOT}/"):
            linecache.cache.pop(name, None)
        place = place.tb_next
