"""
The machine that a handler sees: its clock, its environment variables and its modules, while its code runs.

`Turn` puts them in place of those of the process, and puts back what was there at its end; between the two runs the
code of one handler, whole or up to where it is suspended. Nothing is patched outside. Turns may nest (a handler that
plays a simulation of its own), and end in the order in which stacks do.

**Clocks.** `time.time`, `datetime.now` and the like are the business of the library `time-machine` (extra `handlers`);
`time.sleep` and the monotonic clocks are attributes of the module `time`, and replaced there, and in the module of the
handler where it has imported them by name. On Lambda local time is UTC, and so it is here.

**Variables.** `os.environ` is one object that other modules hold references to, so it stays, and what it reads from is
exchanged: a small view which shows the function's variables over those of the process, and keeps changes to itself.
"""

from __future__ import annotations

import datetime as dt
import importlib
import operator
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from decimal import Decimal
from functools import cache, lru_cache, partial
from typing import Any, Final, Protocol, Self

from lambdasim.lambda_.modules import Modules
from lambdasim.units import MICROSECONDS

_REAL_ENVIRON: Final[Any] = os.environ
_SETS_ZONE: Final = hasattr(time, "tzset")
_WRAPPERS_MAX: Final = 32  # decorators around a handler that are looked behind
_CLOCK_MODULES: Final = ("datetime", "time")
_TO_THE_CALLER: Final = 8  # frames of ours between a call of `Simulation.create_function` and a warning here


class Sleeper(Protocol):
    """Whoever knows what a handler's sleep means, and what its clock shows."""

    def sleep(self, duration: float) -> object:
        """Let time pass for the handler."""
        ...

    @property
    def now_us(self) -> int:
        """What its clock shows, in microseconds since the start."""
        ...


class Variables(MutableMapping[Any, Any]):
    """
    What `os.environ` reads from during a turn; keys and values are in the form in which the platform keeps them.

    Args:
        own: The variables of the function.
    """

    __slots__ = ("_changed", "_environ", "_own", "_process", "_rebound", "_removed", "_shown", "_touched")

    def __init__(self, own: Mapping[str, str]) -> None:
        codec = _REAL_ENVIRON
        self._own = {codec.encodekey(name): codec.encodevalue(value) for name, value in own.items()}
        self._changed: dict[Any, Any] = {}
        self._removed: dict[Any, None] = {}
        self._touched: dict[Any, None] = {}  # in this turn: `os.environ` told the C library too
        self._process: Mapping[Any, Any] = {}  # what the process has, as of this turn
        self._environ: Any = None  # the process's `os.environ`, during a turn
        self._shown: Any = None  # what the handler finds there at first
        self._rebound: Any = None  # what the handler put in its place, if it did

    def __getitem__(self, key: Any) -> Any:
        """Return the value that the handler set, else the function's, else the process's."""
        if key in self._changed:
            return self._changed[key]
        if key not in self._removed:
            if key in self._own:
                return self._own[key]
            if key in self._process:
                return self._process[key]
        raise KeyError(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._changed[key] = value
        self._removed.pop(key, None)
        self._touched[key] = None

    def __delitem__(self, key: Any) -> None:
        if key not in self:
            raise KeyError(key)
        self._changed.pop(key, None)
        self._removed[key] = None
        self._touched[key] = None

    def __contains__(self, key: object) -> bool:
        """Whether there is such a variable."""
        if key in self._changed:
            return True
        return key not in self._removed and (key in self._own or key in self._process)

    def __iter__(self) -> Iterator[Any]:
        return iter([key for key in {**self._process, **self._own, **self._changed} if key in self])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def put_in(self) -> None:
        """Let `os.environ` read from here."""
        environ: Any = os.environ
        if hasattr(environ, "_data"):
            self._process = environ._data
            self._environ = environ
            _let_environ_read(environ, self)
        else:  # somebody put a plain mapping in its place
            codec = _REAL_ENVIRON
            self._process = {codec.encodekey(name): codec.encodevalue(value) for name, value in environ.items()}
            self._environ = environ
            os.environ = type(codec)(self, codec.encodekey, codec.decodekey, codec.encodevalue, codec.decodevalue)  # noqa: B003
        self._shown = os.environ
        if self._rebound is not None:
            os.environ = self._rebound  # noqa: B003 - what the handler put there, back in its place

    def take_out(self) -> None:
        """Let `os.environ` read from where it did, and undo what was told to the C library beside us."""
        if self._environ is None:
            return  # nothing was put in
        process, self._process = self._process, {}
        self._rebound = None if os.environ is self._shown else os.environ
        os.environ, self._environ, self._shown = self._environ, None, None
        if hasattr(os.environ, "_data"):
            _let_environ_read(os.environ, process)
        for key in self._touched:
            if key in process:
                os.putenv(key, process[key])
            else:
                os.unsetenv(key)
        self._touched.clear()

    def forget(self) -> None:
        """Forget what handlers changed: the process that knew it is gone."""
        self._changed.clear()
        self._removed.clear()
        self._rebound = None


def _let_environ_read(environ: Any, values: Mapping[Any, Any]) -> None:
    environ._data = values
    if os.supports_bytes_environ:
        in_bytes: Any = os.environb
        in_bytes._data = values


class Companion(Protocol):
    """What else is to be in its place while the code of handlers runs."""

    def put_in(self) -> None:
        """Put it in."""
        ...

    def take_out(self) -> None:
        """Put back what was there."""
        ...

    def forget(self, machine: Machine) -> None:
        """Forget what belongs to a process that has ended."""
        ...


def _note_nothing(_line: str) -> None:
    """Stand for the log of a turn that is over."""


class Copied:
    """A stream of the process, of which the lines that are written to it are noted in a log too."""

    __slots__ = ("_begun", "note", "stream")

    def __init__(self) -> None:
        self.stream: Any = None  #: where all of it goes on to
        self.note: Callable[[str], object] = _note_nothing  #: takes each line, without its end
        self._begun = ""

    def write(self, text: str) -> int:
        """Write a text."""
        if self.stream is not None:
            self.stream.write(text)
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self.note(line)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def end(self) -> None:
        """Note a line that was begun, and let go of the log."""
        begun, self._begun = self._begun, ""
        if begun:
            self.note(begun)
        self.note = _note_nothing

    def __getattr__(self, name: str) -> Any:
        """Return what the stream has beside this."""
        return getattr(self.stream, name)


class Machine:
    """What the code in one execution environment sees, turn after turn."""

    __slots__ = ("companion", "copies", "loop", "modules", "variables")

    def __init__(
        self, own: Mapping[str, str], modules: Modules | None = None, companion: Companion | None = None
    ) -> None:
        self.companion = companion
        self.copies = Copied(), Copied()  #: of what it prints, and of its errors
        self.loop: Any = None  #: the event loop of asyncio in which its code is suspended, if it is
        self.variables = Variables(own)
        self.modules = modules  #: those below the import root; None where handlers are given as objects

    def forget(self) -> None:
        """Begin anew: the process has ended."""
        self.loop = None
        if self.companion is not None:
            self.companion.forget(self)
        self.variables.forget()
        if self.modules is not None:
            self.modules.forget()


Names = tuple[tuple[dict[str, Any], str], ...]  #: globals of a module, and a name in them


class Turn:
    """
    One stretch of a handler's code, from where it goes on to where it stops: a context manager.

    Args:
        machine: Of its environment.
        sleeper: What its sleeps mean.
        start_us: The instant of zero, since the Unix epoch.
        names: Where its module has imported sleeps and clocks by name.
        note: Takes each line that it prints.
    """

    __slots__ = (
        "_before",
        "_clocks",
        "_has_companion",
        "_is_in",
        "_loop",
        "_machine",
        "_names",
        "_note",
        "_replaced",
        "_sets_zone",
        "_start_us",
        "_streams",
        "_thread",
        "_travel",
        "sleeper",
    )

    def __init__(
        self,
        machine: Machine,
        sleeper: Sleeper,
        start_us: int,
        names: Names = (),
        note: Callable[[str], object] = _note_nothing,
    ) -> None:
        self._machine = machine
        self.sleeper = sleeper
        self._start_us = start_us
        self._names = names
        self._note = note
        self._streams: tuple[Any, Any] | None = None
        self._before: Turn | None = None
        self._replaced: list[tuple[dict[str, Any], str, object]] = []
        self._clocks: Mapping[str, Any] = {}
        self._is_in = False
        self._has_companion = False
        self._loop: Any = None  # of asyncio, that runs around us
        self._sets_zone = False
        self._thread = 0
        self._travel: Any = None

    @property
    def is_here(self) -> bool:
        """Whether who asks runs on the thread of the handler."""
        return threading.get_ident() == self._thread

    def show_time(self) -> None:
        """Let the clocks show what they should show now: a plain handler has slept."""
        if self._travel is not None:
            traveller = self._travel[1]
            late_us = self._start_us + self.sleeper.now_us - traveller.time_ns() // 1000
            traveller.shift(dt.timedelta(microseconds=late_us))

    def __enter__(self) -> Self:
        """Put the machine of the handler in place of that of the process; whatever fails, nothing of it stays."""
        global _turn
        self._before, _turn = _turn, self
        try:
            self._put_in()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _put_in(self) -> None:
        self._thread = threading.get_ident()
        self._machine.variables.put_in()
        whole, rest_us = divmod(self._start_us, MICROSECONDS)
        travel = _travel_to(whole)
        if travel is not None:
            traveller = travel.start()
            self._travel = (travel, traveller)
            traveller.shift(dt.timedelta(0, 0, rest_us + self.sleeper.now_us))
        if self._before is None:
            found = _clocks_in(_TIME)
            usual = found == _USUAL_CLOCKS  # a test may have put its own there
            self._clocks = _ORIGINALS if usual else dict(zip(_ORIGINALS, found, strict=True))
            _TIME.update(_REPLACEMENTS)
            if _SETS_ZONE and (time.timezone or time.daylight):
                self._sets_zone = True
                os.putenv("TZ", "UTC")
                time.tzset()
        for names, name in self._names:
            replacement = _replacement_of(names.get(name))
            if replacement is not None:
                self._replaced.append((names, name, names[name]))
                names[name] = replacement
        events = sys.modules.get("asyncio.events")
        if events is not None:  # an event loop that runs around us is not the handler's
            self._loop = events._get_running_loop()
            if self._loop is not self._machine.loop:
                events._set_running_loop(self._machine.loop)
        self._is_in = True
        self._streams = out, err = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = copies = self._machine.copies
        copies[0].stream, copies[1].stream = out, err
        copies[0].note = copies[1].note = self._note
        if self._machine.modules is not None:
            self._machine.modules.put_in()
        if self._machine.companion is not None:
            self._machine.companion.put_in()
            self._has_companion = True

    def __exit__(self, *_: object) -> None:
        """Put back what was there before, as far as it was replaced."""
        global _turn
        if self._has_companion and self._machine.companion is not None:
            self._machine.companion.take_out()
            self._has_companion = False
        if self._machine.modules is not None:
            self._machine.modules.take_out()
        if self._streams is not None:
            (sys.stdout, sys.stderr), self._streams = self._streams, None
            for copied in self._machine.copies:
                copied.end()
        events = sys.modules.get("asyncio.events")
        if events is not None and self._is_in:
            self._machine.loop = events._get_running_loop()
            if self._machine.loop is not self._loop:
                events._set_running_loop(self._loop)
        self._is_in, self._loop = False, None
        for names, name, original in self._replaced:
            names[name] = original
        self._replaced.clear()
        _TIME.update(self._clocks)
        self._clocks = {}
        if self._travel is not None:
            self._travel[0].stop()
            self._travel = None
        self._machine.variables.take_out()
        if self._sets_zone:
            self._sets_zone = False
            zone = os.environ.get("TZ")
            if zone is None:
                os.unsetenv("TZ")
            else:
                os.putenv("TZ", zone)
            time.tzset()
        _turn, self._before = self._before, None


_turn: Turn | None = None  # whose code runs at this moment
_has_warned = False


def current_sleeper() -> Sleeper | None:
    """Return what sleeps mean to the handler whose code runs at this moment; None outside handlers."""
    return None if _turn is None or not _turn.is_here else _turn.sleeper


@cache
def _clock_library() -> Any:
    """Return the module `time_machine`; None where it is not installed."""
    try:
        return importlib.import_module("time_machine")
    except ImportError:
        return None


@lru_cache(maxsize=16)
def _travel_to(second: int) -> Any:
    """Return what moves the clocks to a second since the Unix epoch each time it is started; None without library."""
    library = _clock_library()
    return None if library is None else library.travel(second, tick=False)


def warn_about_clock(handler: object) -> None:
    """Say once that handlers read the real clock, where the extra is missing and this one may read any."""
    global _has_warned  # noqa: PLW0603 - once for the process
    if _has_warned or handler is None or _clock_library() is not None:
        return
    if not isinstance(handler, str) and not any(_may_read_clocks(names) for names in _modules_of(handler)):
        return
    _has_warned = True
    msg = (
        "handlers read the real clock, not the simulated one: time-machine is not installed; install it with: "
        "python -m pip install 'lambdasim[handlers]'"
    )
    warnings.warn(msg, stacklevel=_TO_THE_CALLER)


def _may_read_clocks(names: Mapping[str, Any]) -> bool:
    return any(
        getattr(value, "__module__", None) in _CLOCK_MODULES or getattr(value, "__name__", None) in _CLOCK_MODULES
        for value in names.values()
    )


def clock_names(handler: object) -> Names:
    """
    Return where the module of a handler has imported sleeps and clocks by name.

    Handlers are looked for behind decorators, partial calls and objects that can be called.
    """
    return tuple(
        (names, name)
        for names in _modules_of(handler)
        for name, value in names.items()
        if _replacement_of(value) is not None
    )


def _modules_of(handler: Any) -> list[dict[str, Any]]:
    """Return the globals of the modules that a handler was written in."""
    modules: list[dict[str, Any]] = []
    for _ in range(_WRAPPERS_MAX):
        if handler is None:
            break
        code = handler if hasattr(handler, "__globals__") else getattr(type(handler), "__call__", None)  # noqa: B004
        names = getattr(getattr(handler, "__func__", code), "__globals__", None)
        if isinstance(names, dict) and not any(names is other for other in modules):
            modules.append(names)
        attributes = getattr(handler, "__dict__", {})
        handler = attributes.get("__wrapped__") or (handler.func if isinstance(handler, partial) else None)
    return modules


def _sleep(seconds: float, /) -> None:
    """Let time pass: simulated time for a handler, real time for everybody else."""
    turn = _turn
    if turn is None or not turn.is_here:
        _REAL_SLEEP(seconds)
    else:
        if not isinstance(seconds, int | float | Decimal):
            seconds = operator.index(seconds)
        if seconds < 0:
            msg = "sleep length must be non-negative"
            raise ValueError(msg)
        turn.sleeper.sleep(seconds + 0)  # True is a second, as it is to Python


def _simulated(original: Callable[[], Any], *, in_ns: bool) -> Callable[[], Any]:
    """
    Return what stands for a monotonic clock.

    The standard library keeps the real one: an event loop that waited by a clock which stands still would never end.
    """

    def read() -> float:
        turn = _turn
        if turn is None or not turn.is_here:
            return original()  # type: ignore[no-any-return]
        module = sys._getframe(1).f_globals.get("__name__", "")
        if str(module).partition(".")[0] in sys.stdlib_module_names:
            return original()  # type: ignore[no-any-return]
        return turn.sleeper.now_us * 1000 if in_ns else turn.sleeper.now_us / MICROSECONDS

    return read


_REAL_SLEEP: Final = time.sleep
_ORIGINALS: Final[Mapping[str, Any]] = {
    "sleep": time.sleep,
    "monotonic": time.monotonic,
    "monotonic_ns": time.monotonic_ns,
    "perf_counter": time.perf_counter,
    "perf_counter_ns": time.perf_counter_ns,
}
_REPLACEMENTS: Final[Mapping[str, Any]] = {
    name: _sleep if name == "sleep" else _simulated(function, in_ns=name.endswith("_ns"))
    for name, function in _ORIGINALS.items()
}


_TIME: Final[dict[str, Any]] = vars(time)
_clocks_in: Final = operator.itemgetter(*_ORIGINALS)
_USUAL_CLOCKS: Final = _clocks_in(_TIME)


def _replacement_of(value: object) -> Any:
    """Return what stands for one of the functions that are replaced; None for anything else."""
    for name, original in _ORIGINALS.items():
        if value is original:
            return _REPLACEMENTS[name]
    return None
