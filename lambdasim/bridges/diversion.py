"""
Where the calls of botocore's clients go: to a simulation while one is put in, to the network else.

A client calls its `Endpoint` with a request that is signed and ready to be sent. While somebody is put in here, five
methods of botocore's classes are replaced, whose clients ask whoever was put in last:

| method | what the replacement does |
|---|---|
| `Endpoint._do_get_response` | lets the simulation answer, in place of the network and of handlers of `before-send` |
| `Endpoint._needs_retry` | draws pauses from the seed of the simulation, and lets simulated time pass for them |
| `Waiter.wait` | lets simulated time pass where botocore would sleep |
| `RequestSigner.sign` | leaves requests unsigned for which no credentials are at hand, but have to be fetched |
| `Session.create_client` | fills in a region, and looks for credentials where they are at hand |

The code of handlers needs no more than the first, the second and the fourth: `time.sleep` is simulated there, and there
is a region.

When the last one is taken out, the classes are what they were. botocore is not imported for this: if it comes while
somebody is put in, as when a handler's module imports it, it is found on its way in.
"""

from __future__ import annotations

import copy
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType, SimpleNamespace
from typing import Any, Final, Protocol

from lambdasim.errors import UsageError
from lambdasim.lambda_.world import current_sleeper

SERVICES: Final = frozenset({"sqs", "lambda"})
_MODULES: Final = ("botocore.endpoint", "botocore.waiter", "botocore.signers", "botocore.session")
_FOR_HANDLERS: Final = frozenset({"_do_get_response", "_needs_retry", "sign"})
_REDIRECTED: Final = 300  # status of what is no success
_NO_METADATA: Final = "AWS_EC2_METADATA_DISABLED"
# Where credentials are looked for: in variables and files. All others ask a network, a program or a person.
_AT_HAND: Final = frozenset({"env", "shared-credentials-file", "config-file", "ec2-credentials-file", "boto-config"})


class Target(Protocol):
    """Who answers calls."""

    region: str  #: of clients that have none
    is_alone: bool  #: whether calls to other services are refused

    def respond(self, request: Any, region: str | None) -> Any:
        """Return the answer to a prepared request, as botocore's `AWSResponse`."""
        ...

    def sleep(self, duration: float) -> None:
        """Let time pass for whoever calls."""
        ...

    def draw(self) -> float:
        """Return a random number."""
        ...


_targets: list[Target] = []
_places: list[tuple[Any, str, Any]] = []  # classes of botocore, names of methods, and what replaces them
_found: dict[str, Any] = {}  # by the name of the method: what was there
_waiting: dict[int, Callable[[float], object]] = {}  # how waiters sleep, by thread
_time_of_waiters: list[Any] = []  # what their module has for time when none waits
_is_whole = False  # whether all of them are replaced
_watched: set[str] = set(_MODULES)  # modules that have not come yet


def put_in(target: Target, *, for_handler: bool = False) -> int:
    """
    Let a target answer the calls of all clients from now on; *for_handler*: while its code runs.

    Returns:
        How many were put in before, for `take_out`.
    """
    global _is_whole  # noqa: PLW0603 - the classes are those of the process
    _targets.append(target)
    if len(_targets) == 1:
        _is_whole = not for_handler
        if _watched:
            for name in _MODULES:
                if name in _watched and name in sys.modules and not _is_loading(sys.modules[name]):
                    _note(name, sys.modules[name])
            if _watched:
                sys.meta_path.insert(0, _FINDER)
        for place in _places:
            _replace(*place)
    return len(_targets) - 1


def take_out(before: int) -> bool:
    """
    Take out a target.

    Args:
        before: How many there were before it: those that were put in after it, and left behind, go with it.

    Returns:
        Whether it was still in: it may have gone with another one.
    """
    is_in = len(_targets) > before
    del _targets[before:]
    if not _targets:
        for owner, name, _ in _places:
            if name in _found:
                setattr(owner, name, _found.pop(name))
        if _FINDER in sys.meta_path:
            sys.meta_path.remove(_FINDER)
    return is_in


def original(owner: Any, name: str) -> Any:
    """Return a method of botocore's as it is when nobody is put in."""
    return _found[name] if name in _found else getattr(owner, name)


def _replace(owner: Any, name: str, replacement: Any) -> None:
    if _is_whole or name in _FOR_HANDLERS:
        _found[name] = getattr(owner, name)
        setattr(owner, name, replacement)


class Diverted:
    """An `Endpoint` that sends its requests to a target: the rest is that of the one it stands for."""

    __slots__ = ("_endpoint", "_region", "_target")

    def __init__(self, endpoint: Any, target: Target, region: str | None) -> None:
        self._endpoint = endpoint
        self._target = target
        self._region = region

    def __getattr__(self, name: str) -> Any:
        return getattr(self._endpoint, name)

    @property
    def _event_emitter(self) -> Diverted:
        return self

    def emit(self, event_name: str, **given: Any) -> Any:
        """Emit an event of the endpoint; who sends it is we."""
        if event_name.startswith("before-send."):
            return [(None, self._target.respond(given["request"], self._region))]
        return self._endpoint._event_emitter.emit(event_name, **given)


@contextmanager
def sleeping(sleep: Callable[[float], object], module: ModuleType) -> Iterator[None]:
    """Let a module of botocore's sleep otherwise."""
    real: Any = module.time
    stand_in = SimpleNamespace(**vars(time))
    stand_in.sleep = sleep
    module.time = stand_in  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.time = real  # type: ignore[attr-defined]


def wait(found: Callable[..., Any], target: Target, **given: Any) -> Any:
    """Let a waiter wait in the time of a target."""
    if current_sleeper() is not None:  # all sleeps are simulated there
        return found(**given)
    module: Any = sys.modules["botocore.waiter"]
    thread = threading.get_ident()
    before = _waiting.get(thread)
    if not _waiting:
        _time_of_waiters.append(module.time)
        module.time = SimpleNamespace(**{**vars(time), "sleep": _sleep_of_waiter})
    _waiting[thread] = target.sleep
    try:
        return found(**given)
    finally:
        del _waiting[thread]
        if before is not None:
            _waiting[thread] = before
        if not _waiting:
            module.time = _time_of_waiters.pop()


def _sleep_of_waiter(duration: float) -> None:
    """Sleep as the waiter of this thread does; several may wait at once."""
    _waiting.get(threading.get_ident(), time.sleep)(duration)


def needs_retry(found: Callable[..., Any], target: Target, response: Any) -> bool:
    """
    Ask botocore whether a call is to be tried again, and pause before it is.

    The length of the pause is drawn from the random numbers of the process: the target gives them a seed, so that the
    same run has the same pauses. All is as it was when the pause begins, for others may run during it.
    """
    if response is not None and response[0].status_code < _REDIRECTED:
        return bool(found())
    module: Any = sys.modules["botocore.endpoint"]
    state = random.getstate()
    pause_s: list[float] = []
    random.seed(target.draw())
    try:
        with sleeping(pause_s.append, module):
            is_again = found()
    finally:
        random.setstate(state)
    if pause_s:
        target.sleep(pause_s[0])
    return bool(is_again)


# ---- what stands for the methods of botocore


def _do_get_response(self: Any, request: Any, operation_model: Any, context: Any) -> Any:
    found, target = _found["_do_get_response"], _targets[-1]
    service = operation_model.service_model.service_name
    if service in SERVICES:
        return found(Diverted(self, target, context.get("client_region")), request, operation_model, context)
    if target.is_alone:
        msg = (
            f"{service}.{operation_model.name} would leave the simulation: it answers SQS and Lambda only; "
            "patch_boto3(others=True) lets calls to other services go where they would have gone"
        )
        return None, UsageError(msg)
    return found(self, request, operation_model, context)


def _needs_retry(
    self: Any,
    attempts: int,
    operation_model: Any,
    request_dict: Any,
    response: Any = None,
    caught_exception: Any = None,
) -> Any:
    ask = partial(_found["_needs_retry"], self, attempts, operation_model, request_dict, response, caught_exception)
    if operation_model.service_model.service_name not in SERVICES:
        return ask()
    return needs_retry(ask, _targets[-1], response)


def _wait(self: Any, **given: Any) -> Any:
    found = _found["wait"]
    method = getattr(self._operation_method, "_client_method", None)
    client = getattr(method, "__self__", None)
    if client is None or client.meta.service_model.service_name not in SERVICES:
        return found(self, **given)
    return wait(partial(found, self), _targets[-1], **given)


def _sign(self: Any, operation_name: str, request: Any, *rest: Any, **given: Any) -> Any:
    if self._signing_name in SERVICES and not _is_at_hand(self._credentials):
        self = copy.copy(self)  # the same one may sign elsewhere, meanwhile
        self._choose_signer = _leave_unsigned  # nobody checks signatures here
    return _found["sign"](self, operation_name, request, *rest, **given)


def _is_at_hand(credentials: Any) -> bool:
    """Return whether there are credentials that need not be fetched: nobody asks a network for a simulation."""
    return credentials is not None and not isinstance(
        credentials, sys.modules["botocore.credentials"].RefreshableCredentials
    )


def _leave_unsigned(*_: object) -> Any:
    return sys.modules["botocore"].UNSIGNED


def _create_client(self: Any, service_name: str, region_name: str | None = None, *rest: Any, **given: Any) -> Any:
    found = _found["create_client"]
    if service_name not in SERVICES:
        return found(self, service_name, region_name, *rest, **given)
    if region_name is None and not _names_region(self, given.get("config")):
        region_name = _targets[-1].region
    before = os.environ.get(_NO_METADATA)
    os.environ[_NO_METADATA] = "true"
    resolver = self.get_component("credential_provider")
    providers = getattr(resolver, "providers", ())  # somebody may have put another kind in its place
    if providers:
        resolver.providers = [provider for provider in providers if provider.METHOD in _AT_HAND]
    try:
        return found(self, service_name, region_name, *rest, **given)
    finally:
        if providers:
            resolver.providers = providers
        if before is None:
            del os.environ[_NO_METADATA]
        else:
            os.environ[_NO_METADATA] = before


def _names_region(session: Any, config: Any) -> bool:
    """Return whether a client of a session will have a region; an empty variable names none."""
    configs = (config, session.get_default_client_config())
    return any(getattr(known, "region_name", None) for known in configs) or bool(session.get_config_variable("region"))


_REPLACEMENTS: Final[dict[str, tuple[str, tuple[Callable[..., Any], ...]]]] = {
    "botocore.endpoint": ("Endpoint", (_do_get_response, _needs_retry)),
    "botocore.waiter": ("Waiter", (_wait,)),
    "botocore.signers": ("RequestSigner", (_sign,)),
    "botocore.session": ("Session", (_create_client,)),
}
_NAMES: Final = {_wait: "wait", _sign: "sign", _create_client: "create_client"}


def _note(name: str, module: ModuleType) -> list[tuple[Any, str, Any]]:
    """Take note of the classes in a module that has come, and return what is to be replaced in it."""
    _watched.discard(name)
    class_name, functions = _REPLACEMENTS[name]
    owner = getattr(module, class_name)
    places = [(owner, _NAMES.get(function, function.__name__), function) for function in functions]
    _places.extend(places)
    return places


# ---- botocore comes while somebody is put in


class _Finder:
    """Finds the modules of botocore whose classes are to be replaced, and does so when they are loaded."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec that everybody else would find, with a loader that tells us."""
        if name not in _MODULES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


class _Loader:
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        """Load it, and replace what is to be replaced, if somebody is still put in."""
        self._loader.exec_module(module)
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        if module.__name__ in _watched:
            places = _note(module.__name__, module)
            for place in places if _targets else ():
                _replace(*place)
            if not _watched and _FINDER in sys.meta_path:
                sys.meta_path.remove(_FINDER)


def _is_loading(module: ModuleType) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))


_FINDER: Final = _Finder()
