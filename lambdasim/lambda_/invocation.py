"""One invocation: what was asked, what came of it, and how AWS would word it."""

from __future__ import annotations

import importlib
import json
import os
import traceback
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol

from attrs import frozen

from lambdasim.clock.wording import listed, of_seconds, shown
from lambdasim.lambda_.billing import billed_milliseconds
from lambdasim.lambda_.modules import RuntimeStartError
from lambdasim.lambda_.packages import forget_lines
from lambdasim.units import as_datetime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdasim.lambda_.context import ClientContext
    from lambdasim.lambda_.environments import Environment
    from lambdasim.lambda_.function import Function
    from lambdasim.lambda_.targets import Target
    from lambdasim.lambda_.version import Version


class Outcome(Enum):
    """How an invocation ended (LAM-081)."""

    RUNNING = "running"
    SUCCESS = "success"
    ERROR = "error"  #: the handler raised
    UNSERIALISABLE = "unserialisable"  #: the handler returned what JSON cannot hold
    EXIT = "exit"  #: the process ended: the handler ended it, or it crashed
    TIMEOUT = "timeout"
    TOO_LARGE = "too large"  #: the answer is above the limit (LAM-066)
    INIT_ERROR = "init error"  #: the environment could not be made ready


_RUNNING: Final = Outcome.RUNNING
_RESULT_CHARS: Final = 72
_OURS: Final = os.path.dirname(os.path.realpath(__file__))
_IMPORTS: Final = (os.path.dirname(importlib.__file__), "<frozen importlib")


class Request(Protocol):
    """Who asks for an invocation: a caller, or a slot of an event source mapping."""

    def make_event(self) -> Any:
        """Return the event, as a fresh object."""
        ...

    def finished(self, invocation: Invocation) -> None:
        """Take the end of the invocation."""
        ...


class Invocation:
    """
    One invocation of a function. Instants are microseconds since the start.

    `result` is what the handler returned; `exception` the very object it raised.
    """

    __slots__ = (
        "_log",
        "_nth",
        "_number",
        "_request",
        "_target",
        "admitted_at_us",
        "answer",
        "deployed",
        "ended_at_us",
        "environment",
        "event",
        "exception",
        "function",
        "init_us",
        "is_answer_lost",
        "outcome",
        "result",
        "started_at_us",
    )

    def __init__(
        self,
        function: Function,
        request: Request,
        number: int,
        target: Target,
        environment: Environment,
        admitted_at_us: int,
    ) -> None:
        self.function = function
        self._request = request
        self._number = number
        self._nth = function.invocation_count
        self._target = target
        self.deployed: Version = target.version  #: code and configuration as they were at admission
        self.environment = environment
        self.admitted_at_us = admitted_at_us  #: when it was accepted
        self.started_at_us = admitted_at_us  #: when the handler began: after the init of a cold start
        self.ended_at_us: int | None = None
        self.init_us: int | None = None  #: of a cold start, placement not included; None on a warm environment
        self.outcome = _RUNNING
        self.event: Any = None  #: None for a function without a handler
        self.result: Any = None
        self.answer = b"null"  #: the result as compact JSON
        self.exception: BaseException | None = None
        self.is_answer_lost = False  #: by `lambda.response_lost`
        self._log: list[str] | None = None

    @property
    def label(self) -> str:
        """A short name: `charge#2` is the second invocation of `charge`."""
        return f"{self.function.name}#{self._nth}"

    @property
    def messages(self) -> Sequence[Any]:
        """The messages of its batch while it runs; empty afterwards, and where no mapping asked for it."""
        if self.ended_at_us is not None:  # who asked for it may be at the next batch already
            return ()
        found: Sequence[Any] = getattr(self._request, "messages", ())
        return found

    @property
    def is_cold_start(self) -> bool:
        """Whether the environment was made for this invocation."""
        return self.init_us is not None

    def _note(self, line: str) -> None:
        """Add a line to the log."""
        self.log.append(line)

    @property
    def log(self) -> list[str]:
        """What the handler printed, and what it wrote through its context."""
        if self._log is None:
            self._log = []
        return self._log

    @property
    def request_id(self) -> str:
        """In UUID form; the same in every run with one seed (LAM-046)."""
        return self.function.request_ids.text(self._number)

    @property
    def version(self) -> str:
        """The version that runs: `$LATEST` or a number."""
        return self.deployed.number

    @property
    def qualifier(self) -> str | None:
        """The version or alias that the caller named; None without."""
        return self._target.qualifier

    @property
    def client_context(self) -> ClientContext | None:
        """What the caller sent along; None unless it did."""
        return getattr(self._request, "client_context", None)

    @property
    def is_async(self) -> bool:
        """Whether it came from the queue of asynchronous events."""
        return getattr(self._request, "is_async", False)

    @property
    def is_error(self) -> bool:
        """Whether it ended as a function error."""
        return self.outcome not in (Outcome.SUCCESS, Outcome.RUNNING)

    @property
    def verdict(self) -> str:
        """How it ended, in words."""
        if self.exception is not None and self.outcome in (Outcome.ERROR, Outcome.INIT_ERROR, Outcome.EXIT):
            return f"{self.outcome.value}, {_name_of(self.exception)}: {describe(self.exception)}"
        return self.outcome.value

    @property
    def duration_us(self) -> int:
        """From the begin of the handler to the end; 0 while it runs (LAM-124)."""
        return 0 if self.ended_at_us is None else self.ended_at_us - self.started_at_us

    @property
    def billed_ms(self) -> int:
        """Billed milliseconds (LAM-300)."""
        init_us = (self.init_us or 0) if self.function.runtime.billing == "current" else 0
        return billed_milliseconds(self.duration_us, init_us)

    @property
    def function_error(self) -> str | None:
        """`Unhandled` (or what the runtime model says) on a function error, else None (LAM-080)."""
        return self.function.runtime.error_kind if self.is_error else None

    @property
    def payload(self) -> bytes:
        """What a synchronous caller gets: compact JSON (LAM-062, LAM-081)."""
        if self.outcome is Outcome.SUCCESS:
            return self.answer
        return dumps(self._error_payload()).encode(errors="backslashreplace")

    def _error_payload(self) -> dict[str, Any]:
        request_id = self.request_id
        timeout_text = f"Task timed out after {self.deployed.timeout:.2f} seconds"
        if self.outcome is Outcome.TIMEOUT:
            if self.function.runtime.error_format == "legacy":
                ended_us = self.function.clock.start_us + (self.ended_at_us or 0)
                moment = as_datetime(ended_us).isoformat(timespec="milliseconds").replace("+00:00", "Z")
                return {"errorMessage": f"{moment} {request_id} {timeout_text}"}
            return {"errorMessage": f"RequestId: {request_id} Error: {timeout_text}", "errorType": "Sandbox.Timedout"}
        if self.outcome is Outcome.TOO_LARGE:
            limit = self.function.limits.sync_response_bytes
            text = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
            return {"errorMessage": text, "errorType": "Function.ResponseSizeTooLarge"}
        if self.outcome is Outcome.UNSERIALISABLE:
            return {
                "errorMessage": f"Unable to marshal response: {describe(self.exception)}",
                "errorType": "Runtime.MarshalError",
                "requestId": request_id,
                "stackTrace": [],
            }
        if self.outcome is Outcome.EXIT:
            code = self.exception.code if isinstance(self.exception, SystemExit) else 1
            status = int(code) if isinstance(code, int) else int(code is not None)
            why = f"with error: exit status {status}" if status else "without providing a reason"
            return {
                "errorMessage": f"RequestId: {request_id} Error: Runtime exited {why}",
                "errorType": "Runtime.ExitError",
            }
        if self.outcome is Outcome.INIT_ERROR:
            request_id = ""
            if isinstance(self.exception, RuntimeStartError):
                fault = self.exception
                return {
                    "errorMessage": str(fault),
                    "errorType": fault.kind,
                    "requestId": request_id,
                    "stackTrace": [],
                }
        if self.exception is None:  # a function without a handler that failed by its failure_rate
            text, kind, stack = "failed by failure_rate", "Error", []
        else:
            text, kind = describe(self.exception), _name_of(self.exception)
            stack = _stack_of(self.exception)
        return {"errorMessage": text, "errorType": kind, "requestId": request_id, "stackTrace": stack}

    @property
    def log_lines(self) -> list[str]:
        """START, what the handler wrote, END and REPORT (LAM-047); nothing of a function without a handler."""
        if self.deployed.handler is None and not self.deployed.builds:
            return []
        request_id = self.request_id
        lines = [f"START RequestId: {request_id} Version: {self.version}", *self.log]
        if self.ended_at_us is None:
            return lines
        parts = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {self.duration_us / 1000:.2f} ms",
            f"Billed Duration: {self.billed_ms} ms",
            f"Memory Size: {self.deployed.memory_size} MB",
            f"Max Memory Used: {self.function.runtime.memory_used_mb} MB",
        ]
        if self.init_us is not None:
            parts.append(f"Init Duration: {self.init_us / 1000:.2f} ms")
        if self.outcome is Outcome.TIMEOUT:
            parts.append("Status: timeout")
        elif self.is_error:
            parts += ["Status: error", f"Error Type: {self._error_payload()['errorType']}"]
        return [*lines, f"END RequestId: {request_id}", "\t".join(parts)]

    def __repr__(self) -> str:
        """Show the function and the outcome."""
        return f"<invocation of {self.function.name}, {self.outcome.value}>"


@frozen(kw_only=True)
class InvokeResult:
    """The answer to a synchronous invoke (LAM-061, LAM-062)."""

    status_code: int
    executed_version: str | None
    payload: bytes  #: compact JSON
    function_error: str | None = None  #: set when the function failed; the status is 200 all the same
    log_result: str | None = None

    @property
    def value(self) -> Any:
        """The payload, parsed; None when there is none."""
        return json.loads(self.payload) if self.payload else None


def dumps(value: object) -> str:
    """Return compact JSON text; NaN and infinities are no JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def tell_begin(invocation: Invocation) -> str:
    """Return how an invocation began, in words."""
    event = getattr(invocation._request, "sequence", None)  # of the queue of asynchronous events
    words = "started" if event is None else f"started on event {event}"
    if invocation.init_us is None:
        return words
    words, cold_us = f"{words} in a new environment", invocation.started_at_us - invocation.admitted_at_us
    return f"{words}, whose init takes {of_seconds(cold_us)} s" if cold_us else words


def tell_end(invocation: Invocation, messages: Sequence[Any]) -> str:
    """Return how an invocation ended, in words; *messages* are those of its batch, if it had one."""
    words = _tell_outcome(invocation, messages)
    return f"{words}; the answer was lost" if invocation.is_answer_lost else words


def _tell_outcome(invocation: Invocation, messages: Sequence[Any]) -> str:
    error = None if invocation.exception is None else shown(invocation.exception, _RESULT_CHARS)
    match invocation.outcome:
        case Outcome.SUCCESS if invocation.deployed.handler is None and not invocation.deployed.builds:
            return "succeeded"
        case Outcome.SUCCESS:
            return _tell_failures(invocation.result, messages) or f"returned {shown(invocation.result, _RESULT_CHARS)}"
        case Outcome.ERROR:
            return f"raised {error}" if error else "failed"
        case Outcome.UNSERIALISABLE:
            return f"returned what JSON cannot hold: {error}"
        case Outcome.EXIT:
            return f"crashed: {error}" if error else "crashed"
        case Outcome.TIMEOUT:
            return f"timed out after {invocation.deployed.timeout} s"
        case Outcome.TOO_LARGE:
            return "returned more than an answer may hold"
        case Outcome.INIT_ERROR:
            return f"did not start, its init failed: {error}" if error else "did not start, its init failed"
        case Outcome.RUNNING:
            return "is running"


def _tell_failures(result: Any, messages: Sequence[Any]) -> str | None:
    """Return which messages of its batch an invocation reported as failed; None if that is not what it returned."""
    if not messages or not isinstance(result, dict) or not isinstance(result.get("batchItemFailures"), list):
        return None
    labels = {message.message_id: message.label for message in messages}
    reported = [item.get("itemIdentifier") if isinstance(item, dict) else item for item in result["batchItemFailures"]]
    known = [label for message_id, label in labels.items() if message_id in reported]
    strange = [shown(item) for item in reported if not isinstance(item, str) or item not in labels]
    if strange:
        known.append(f"{', '.join(strange)} (not in the batch)")
    return f"reported {listed(known)} as failed" if known else "reported no failure"


def _name_of(error: BaseException) -> str:
    """Return the name of the class of an exception, also of one that hides it."""
    try:
        return str(type(error).__name__)
    except Exception:
        return "Exception"


def _stack_of(error: BaseException) -> list[str]:
    """
    Return the lines of a traceback from the code of the user on: ours are no part of the runtime's answer.

    Nor are those of imports, whose paths are those of this machine.
    """
    place = error.__traceback__
    while place is not None and place.tb_frame.f_code.co_filename.startswith((_OURS, *_IMPORTS)):
        place = place.tb_next
    forget_lines(place)
    lines = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in traceback.extract_tb(place)]
    return traceback.format_list(lines)  # type: ignore[arg-type]  # a line may be unknown


def describe(error: BaseException | None) -> str:
    """Return the text of an exception, also of one that cannot be printed."""
    try:
        return str(error)
    except Exception:
        return f"<unprintable {type(error).__name__}>"
