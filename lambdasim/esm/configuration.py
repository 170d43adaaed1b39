"""
What a mapping is told to do, and whether that is possible: pure, from values to values (ESM-020 to ESM-030).

`plan_configuration` looks in the order in which AWS does. What it must know of queue and function (`Ends`) it asks for
when their turn has come: a number out of its range is refused before anybody looks whether the function is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import evolve, frozen

from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import InvalidParameterValueException
from lambdasim.esm.limits import (
    BATCH_SIZE_MAX,
    BATCH_SIZE_MAX_WITHOUT_WINDOW,
    MAXIMUM_CONCURRENCY_MAX,
    MAXIMUM_CONCURRENCY_MIN,
    MINIMUM_POLLERS_MAX,
    OTHER_SOURCES,
    POLLERS_MIN,
    REPORT_BATCH_ITEM_FAILURES,
    WINDOW_MAX_S,
    ProvisionedModel,
)
from lambdasim.filtering import FilterModel, Filters
from lambdasim.filtering.criteria import parse_criteria
from lambdasim.lambda_.version import check_range

EVENT_COUNT: Final = "EventCount"
_NUMBERS: Final = (
    "batch_size",
    "maximum_batching_window_in_seconds",
    "maximum_concurrency",
    "minimum_pollers",
    "maximum_pollers",
)
_WORDS: Final = (("function_response_types", REPORT_BATCH_ITEM_FAILURES), ("metrics", EVENT_COUNT))


@frozen(kw_only=True)
class MappingConfiguration:
    """What a mapping is told to do (ESM-020)."""

    batch_size: int = 10
    maximum_batching_window_in_seconds: int = 0
    maximum_concurrency: int | None = None
    minimum_pollers: int | None = None
    maximum_pollers: int | None = None
    function_response_types: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    patterns: tuple[str | None, ...] = ()
    kms_key_arn: str | None = None

    def poller_limits(self, model: ProvisionedModel) -> tuple[int, int] | None:
        """Return how many pollers of its own a mapping has at least and at most; None outside provisioned mode."""
        least, most = self.minimum_pollers, self.maximum_pollers
        if least is None and most is None:
            return None
        return model.min_default if least is None else least, model.max_default if most is None else most


@frozen(kw_only=True)
class Ends:
    """What of queue and function decides whether a configuration is possible. Times are in seconds."""

    is_fifo: bool
    visibility_timeout: int
    timeout: int  #: of what is invoked, which may be another version than the newest
    is_one_region: bool


@frozen(kw_only=True)
class EventSourceMappingConfiguration:
    """A mapping as operations answer it (ESM-040); nested members are given flat."""

    uuid: str
    event_source_mapping_arn: str
    event_source_arn: str
    function_arn: str  #: with the qualifier
    batch_size: int
    maximum_batching_window_in_seconds: int
    function_response_types: tuple[str, ...]
    state: str
    state_transition_reason: str
    last_modified_at_us: int
    filter_criteria: Mapping[str, Any] | None
    maximum_concurrency: int | None
    minimum_pollers: int | None  #: of provisioned mode; None outside it
    maximum_pollers: int | None
    metrics: tuple[str, ...]
    kms_key_arn: str | None


@frozen(kw_only=True)
class ListEventSourceMappingsResult:
    """A page of mappings, in order of creation (ESM-035)."""

    event_source_mappings: tuple[EventSourceMappingConfiguration, ...]
    next_marker: str | None = None  #: where the next page begins; None on the last


def plan_configuration(
    before: MappingConfiguration,
    changes: Mapping[str, Any],
    ends: Callable[[], Ends],
    filtering: FilterModel,
    pollers: ProvisionedModel,
    *,
    looks_at_times: bool = True,
) -> tuple[MappingConfiguration, Filters]:
    """
    Return a configuration with changes, and its filters, in the order in which AWS looks (ESM-030).

    Args:
        before: What they change.
        changes: Parameters as the operation has them; `filter_criteria` in AWS's form.
        ends: Looks up queue and function, or refuses them.
        filtering: What filters may be.
        pollers: What pollers may be.
        looks_at_times: Whether it is to poll, so that the function must be done before the message comes back.
    """
    given = dict(changes)
    if "filter_criteria" in given:
        given["patterns"] = parse_criteria(given.pop("filter_criteria"))
    check_numbers(evolve(before, **{name: given[name] for name in _NUMBERS if name in given}), pollers)
    found = ends()
    for name, allowed in _WORDS:
        if name in given:
            given[name] = () if given[name] is None else given[name]
            _check_words(name, given[name], allowed)
            given[name] = tuple(given[name])
    after = evolve(before, **given)
    _check_sizes(after, found)
    if looks_at_times and found.visibility_timeout < found.timeout:
        msg = (
            f"Queue visibility timeout: {found.visibility_timeout} seconds is less than Function timeout: "
            f"{found.timeout} seconds"
        )
        raise InvalidParameterValueException(msg)
    filters = Filters(after.patterns, source="sqs", model=filtering)
    limits = after.poller_limits(pollers)
    if limits is not None and after.maximum_concurrency is not None:
        msg = "ScalingConfig and ProvisionedPollerConfig cannot be set together."
        raise InvalidParameterValueException(msg)
    if limits is not None and limits[0] > limits[1]:
        msg = "MinimumPollers must not be greater than MaximumPollers."
        raise InvalidParameterValueException(msg)
    if not found.is_one_region:
        msg = "Event source and function must be in the same region."
        raise InvalidParameterValueException(msg)
    return after, filters


def check_numbers(configuration: MappingConfiguration, pollers: ProvisionedModel) -> None:
    """Refuse numbers out of their ranges, as AWS does before it looks at anything else (ESM-030 row 1)."""
    check_range("batchSize", configuration.batch_size, 1, BATCH_SIZE_MAX)
    check_range("maximumBatchingWindowInSeconds", configuration.maximum_batching_window_in_seconds, 0, WINDOW_MAX_S)
    for name, value, least, most in (
        (
            "scalingConfig.maximumConcurrency",
            configuration.maximum_concurrency,
            MAXIMUM_CONCURRENCY_MIN,
            MAXIMUM_CONCURRENCY_MAX,
        ),
        ("provisionedPollerConfig.minimumPollers", configuration.minimum_pollers, POLLERS_MIN, MINIMUM_POLLERS_MAX),
        ("provisionedPollerConfig.maximumPollers", configuration.maximum_pollers, POLLERS_MIN, pollers.max_allowed),
    ):
        if value is not None:
            check_range(name, value, least, most)


def refuse_others(call: str, given: Mapping[str, object]) -> None:
    """
    Refuse parameters of other kinds of event source as AWS does, and unknown ones by name; None is not given.

    Raises:
        InvalidParameterValueException: AWS has it, and a queue does not (ESM-023).
        UsageError: Nobody has it.
    """
    names = [name for name, value in given.items() if value is not None]
    for name in names:
        if name in OTHER_SOURCES:
            msg = f"Unsupported {OTHER_SOURCES[name]} parameter for given event source mapping type."
            raise InvalidParameterValueException(msg)
    if names:
        msg = f"{call}() has no parameter {', '.join(names)} in this version; leave it out"
        raise UsageError(msg)


def check_enabled(given: object) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(given, bool):
        msg = f"enabled={given!r}: it is True or False"
        raise UsageError(msg)


def _check_sizes(configuration: MappingConfiguration, ends: Ends) -> None:
    """Refuse a window or a batch size that the kind of queue does not have (ESM-020)."""
    window_s, size = configuration.maximum_batching_window_in_seconds, configuration.batch_size
    if ends.is_fifo and window_s:
        msg = "Batching window is not supported for FIFO queues"
        raise InvalidParameterValueException(msg)
    if ends.is_fifo and size > BATCH_SIZE_MAX_WITHOUT_WINDOW:
        msg = "Batch size must not be greater than 10 for FIFO queues"
        raise InvalidParameterValueException(msg)
    if size > BATCH_SIZE_MAX_WITHOUT_WINDOW and not window_s:
        msg = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        raise InvalidParameterValueException(msg)


def _check_words(name: str, given: Sequence[str], allowed: str) -> None:
    if isinstance(given, str) or not isinstance(given, Iterable) or any(word != allowed for word in given):
        msg = f"{name}={given!r}: it is ({allowed!r},) or empty"
        raise UsageError(msg)
