"""All functions of a simulation, and Lambda as a caller of one region and account sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen

from lambdasim.clock import Clock
from lambdasim.errors import ParamValidationError, UsageError
from lambdasim.errors.lambda_ import ResourceConflictException, ResourceNotFoundException, ValidationException
from lambdasim.lambda_.concurrency import ConcurrencyPool
from lambdasim.lambda_.destinations import Deliver, QueueTarget
from lambdasim.lambda_.faults import AsyncFaults, LambdaFaults
from lambdasim.lambda_.function import Function
from lambdasim.lambda_.limits import FUNCTION_SETTINGS, LambdaLimits, RpsModel
from lambdasim.lambda_.names import LATEST, Reference, check_name, parse_reference
from lambdasim.lambda_.version import Code, FunctionConfiguration, check_code, check_range
from lambdasim.lambda_.world import Companion
from lambdasim.settings import Settings

_PAGE_MAX: int = 10_000


@frozen(kw_only=True)
class AccountSettings:
    """The quotas of an account and what is in use (LAM-158)."""

    concurrent_executions: int
    unreserved_concurrent_executions: int
    function_count: int


@frozen(kw_only=True)
class ListFunctionsResult:
    """A page of functions, by name."""

    functions: tuple[FunctionConfiguration, ...]
    next_marker: str | None = None  #: where the next page begins; None on the last


class Functions:
    """
    The functions of one simulation, and whatever else records of asynchronous events may be sent to.

    Args:
        clock: Of the simulation.
        find_queue: Returns a queue by its ARN, None where there is none.
    """

    def __init__(self, clock: Clock, find_queue: Callable[[str], QueueTarget | None]) -> None:
        self.clock = clock
        self._find_queue = find_queue
        self.functions: dict[str, Function] = {}  #: by ARN, in order of creation
        self.gone: list[Function] = []  #: deleted ones: their metrics stay
        self.companion: Companion | None = None
        self._others: dict[str, Deliver] = {}
        self._codes: dict[str, Code] = {}  # by the name of a function, or the text of its handler

    def register(self, arn: str, deliver: Deliver | None) -> None:
        """Let a callable stand for a topic, a bus or a bucket; None takes it back."""
        if not isinstance(arn, str) or not arn.startswith("arn:"):
            msg = f"register_target({arn!r}): give the ARN of a topic, an event bus or a bucket"
            raise UsageError(msg)
        if deliver is None:
            self._others.pop(arn, None)
        elif callable(deliver):
            self._others[arn] = deliver
        else:
            msg = f"register_target({arn!r}, {deliver!r}): give a callable that takes one message, or None"
            raise UsageError(msg)

    def register_code(self, ref: str, code: Code) -> None:
        """Say what runs in functions of this name, or with this text as their handler, that clients create."""
        check_code(code)
        self._codes[ref] = code

    def code_for(self, function_name: str, handler: str | None) -> Code | None:
        """Return what was registered for a function, by its name or else by the text of its handler."""
        found = self._codes.get(function_name)
        return found if found is not None or handler is None else self._codes.get(handler)

    def queue(self, arn: str) -> QueueTarget | None:
        """Return a queue by its ARN."""
        return self._find_queue(arn)

    def function(self, arn: str) -> tuple[Function, str | None] | None:
        """Return a function and the qualifier in the ARN; None where there is no such function, version or alias."""
        head, separator, tail = arn.partition(":function:")
        name, _, qualifier = tail.partition(":")
        found = self._live(f"{head}{separator}{name}")
        if found is None:
            return None
        try:
            found.target(qualifier or None)
        except (ResourceNotFoundException, ValidationException):
            return None
        return found, qualifier or None

    def other(self, arn: str) -> Deliver | None:
        """Return what was registered for an ARN."""
        return self._others.get(arn)

    def ever(self) -> Iterator[Function]:
        """Yield every function that there was or is."""
        yield from self.gone
        yield from self.functions.values()

    def forget(self, function: Function) -> None:
        """Put a function aside that was deleted."""
        if self.functions.get(function.arn) is function:
            self.gone.append(self.functions.pop(function.arn))

    def _live(self, arn: str) -> Function | None:
        found = self.functions.get(arn)
        return None if found is None or found.is_deleted else found


class LambdaEndpoint:
    """
    Lambda, as a caller of one region and account sees it: they have a pool of concurrency of their own.

    Args:
        registry: All functions.
        settings: Of the simulation.
        region, account_id, partition: Where and whose.
        faults, async_faults: What may go wrong in the simulation.
        execution: How handlers run unless a function says otherwise.
    """

    def __init__(
        self,
        registry: Functions,
        settings: Settings,
        *,
        region: str,
        account_id: str,
        partition: str,
        faults: LambdaFaults | None,
        async_faults: AsyncFaults | None,
        execution: str,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._region = region
        self._account_id = account_id
        self._partition = partition
        self._faults = faults
        self._async_faults = async_faults
        self._execution: Any = execution
        self.pool = ConcurrencyPool.of(settings.get(LambdaLimits), settings.get(RpsModel))

    def create_function(
        self,
        function_name: str,
        handler: Any,
        *,
        execution: str | None,
        faults: LambdaFaults | None,
        async_faults: AsyncFaults | None,
        settings: Iterable[object],
        **keywords: Any,
    ) -> Function:
        """Make a function; arguments are those of `Function`."""
        narrower = Settings(
            settings, allowed=FUNCTION_SETTINGS, where=f"function {function_name!r}", wider=self._settings
        )
        check_name(function_name)
        arn = self._arn(function_name)
        if arn in self._registry.functions:
            msg = f"Function already exist: {function_name}"
            raise ResourceConflictException(msg)
        given: Any = self._execution if execution is None else execution
        function = Function(
            function_name,
            handler,
            self._registry.clock,
            pool=self.pool,
            execution=given,
            faults=self._faults if faults is None else faults,
            async_faults=self._async_faults if async_faults is None else async_faults,
            directory=self._registry,
            settings=narrower,
            region=self._region,
            account_id=self._account_id,
            partition=self._partition,
            **keywords,
        )
        self._registry.functions[arn] = function
        function._on_close = self._registry.forget
        return function

    def find(self, ref: str | Function, qualifier: str | None = None) -> tuple[Function, str | None]:
        """
        Return a function by name, partial ARN or ARN, and the qualifier that the text has.

        Raises:
            ValidationException: The text is none of these.
            ResourceNotFoundException: There is no such function here (LAM-065).
        """
        if isinstance(ref, Function):
            reference = Reference(ref.name, None, None, None, None)
            found = self._registry.functions.get(ref.arn)
            found = found if found is ref and not ref.is_deleted else None
        elif not isinstance(ref, str):
            msg = f"function({ref!r}): give a name, an ARN or the function itself"
            raise ParamValidationError(msg)
        else:
            reference = parse_reference(ref)
            partition, region = reference.partition or self._partition, reference.region or self._region
            account_id = reference.account_id or self._account_id
            found = self._registry._live(f"arn:{partition}:lambda:{region}:{account_id}:function:{reference.name}")
        if found is None:
            partition, region = reference.partition or self._partition, reference.region or self._region
            place = f"arn:{partition}:lambda:{region}:{reference.account_id or self._account_id}"
            named = reference.qualifier or qualifier or LATEST
            msg = f"Function not found: {place}:function:{reference.name}:{named}"
            raise ResourceNotFoundException(msg)
        return found, reference.qualifier

    def functions(self) -> tuple[Function, ...]:
        """Return the functions here, in order of creation."""
        prefix = self._arn("")
        return tuple(function for arn, function in self._registry.functions.items() if arn.startswith(prefix))

    def ever(self) -> Iterator[Function]:
        """Yield every function that there was or is here."""
        prefix = self._arn("")
        for function in self._registry.ever():
            if function.arn.startswith(prefix):
                yield function

    def list_functions(self, max_items: int | None, marker: str | None) -> ListFunctionsResult:
        """
        Return a page of the functions here, by name.

        Raises:
            ValidationException: Out of range.
        """
        if max_items is not None:
            check_range("maxItems", max_items, 1, _PAGE_MAX)
        names: Mapping[str, Function] = {function.name: function for function in self.functions()}
        wanted = [name for name in sorted(names) if marker is None or name > marker]
        page = wanted if max_items is None else wanted[:max_items]
        return ListFunctionsResult(
            functions=tuple(names[name].get_function_configuration() for name in page),
            next_marker=page[-1] if len(page) < len(wanted) else None,
        )

    def get_account_settings(self) -> AccountSettings:
        """Return the quotas and what is in use."""
        return AccountSettings(
            concurrent_executions=self.pool.account_concurrency,
            unreserved_concurrent_executions=self.pool.account_concurrency - self.pool.reserved,
            function_count=len(self.functions()),
        )

    def _arn(self, name: str) -> str:
        return f"arn:{self._partition}:lambda:{self._region}:{self._account_id}:function:{name}"
