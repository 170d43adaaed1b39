"""What is likely to go wrong with a mapping as it is set: pure, from values to findings (ESM-300)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from attrs import frozen

from lambdasim.units import MICROSECONDS, seconds

_RECEIVES_AT_LEAST: Final = 5
_RESERVED_AT_LEAST: Final = 5
_MARGIN: Final = 5
_TIMEOUTS: Final = 6


@frozen(kw_only=True)
class Setup:
    """What is looked at. Times are in seconds."""

    visibility_timeout: int
    timeout: int
    window: int
    batch_size: int
    max_receive_count: int | None  #: None without a redrive policy
    function_has_dead_letter_target: bool
    reserved: int | None
    maximum_concurrency: int | None
    maximum_concurrencies: tuple[int, ...]  #: of all mappings of the function that have one
    cap: int
    is_fifo: bool
    reports_batch_item_failures: bool
    expected_groups: int | None
    qualifier: str | None
    provisioned: Mapping[str, int]  #: by qualifier
    mappings_of_queue: int
    any_filter: bool
    seconds_per_record: float | None


@frozen
class Finding:
    """Something that is likely to go wrong."""

    code: str
    severity: Literal["error", "warning", "info"]
    text: str
    numbers: Mapping[str, float]

    def __str__(self) -> str:
        """Return one line for people."""
        return f"{self.severity}: {self.code}: {self.text}"


def advise(setup: Setup) -> tuple[Finding, ...]:
    """Return what is likely to go wrong, in the order of the rule."""
    return (*_of_times(setup), *_of_dead_letters(setup), *_of_concurrency(setup), *_of_records(setup))


def _of_times(setup: Setup) -> Iterator[Finding]:
    visibility, timeout, window = setup.visibility_timeout, setup.timeout, setup.window
    numbers = {"visibility_timeout": visibility, "timeout": timeout, "window": window}
    if visibility < timeout:
        text = f"the visibility timeout of {visibility} s is below the function's timeout of {timeout} s"
        yield Finding("VISIBILITY_BELOW_TIMEOUT", "error", text, numbers)
    if visibility < _TIMEOUTS * timeout + window:
        text = (
            f"the visibility timeout of {visibility} s is below {_TIMEOUTS} times the function's timeout plus the "
            f"window, {_TIMEOUTS * timeout + window} s: there is little room for retries of throttled batches"
        )
        yield Finding("VISIBILITY_BELOW_6X", "warning", text, numbers)
    if visibility < window + timeout:
        text = (
            f"the visibility timeout of {visibility} s is below window plus timeout, {window + timeout} s: messages "
            "are delivered twice without any error"
        )
        yield Finding("VISIBILITY_BELOW_WINDOW_PLUS_TIMEOUT", "error", text, numbers)


def _of_dead_letters(setup: Setup) -> Iterator[Finding]:
    count = setup.max_receive_count
    if count is not None and count < _RECEIVES_AT_LEAST:
        text = f"maxReceiveCount is {count}: throttles alone may use it up; give {_RECEIVES_AT_LEAST} or more"
        yield Finding("MAX_RECEIVE_COUNT_BELOW_5", "warning", text, {"max_receive_count": count})
    if count is None:
        text = "the queue has no redrive policy: a message that always fails is tried until its retention is over"
        yield Finding("NO_DLQ", "warning", text, {})
        if setup.function_has_dead_letter_target:
            text = "the function has a dead-letter target and the queue has none: a mapping never uses the function's"
            yield Finding("DLQ_ON_FUNCTION_ONLY", "error", text, {})


def _of_concurrency(setup: Setup) -> Iterator[Finding]:
    reserved, maximum = setup.reserved, setup.maximum_concurrency
    if reserved is not None:
        if reserved < _RESERVED_AT_LEAST:
            text = f"reserved concurrency is {reserved}, and a mapping begins with {_RESERVED_AT_LEAST} pollers"
            yield Finding("RESERVED_BELOW_5", "warning", text, {"reserved": reserved})
        wanted = setup.expected_groups if setup.is_fifo else setup.cap
        if maximum is None and wanted is not None and reserved < wanted:
            text = f"reserved concurrency is {reserved}, and without maximum concurrency the mapping may want {wanted}"
            yield Finding("RESERVED_BELOW_ESM_CAP", "warning", text, {"reserved": reserved, "cap": wanted})
        total = sum(setup.maximum_concurrencies)
        if total > reserved:
            text = f"the mappings of the function may want {total} together, and {reserved} are reserved"
            yield Finding("MAX_CONCURRENCY_SUM_ABOVE_RESERVED", "error", text, {"reserved": reserved, "sum": total})
        if maximum is not None and reserved < maximum + _MARGIN:
            text = (
                f"reserved concurrency of {reserved} leaves less than {_MARGIN} above the maximum concurrency of "
                f"{maximum}, which real mappings exceed for moments"
            )
            numbers = {"reserved": reserved, "maximum_concurrency": maximum}
            yield Finding("RESERVED_WITHOUT_MARGIN", "info", text, numbers)
    if setup.provisioned and setup.qualifier not in setup.provisioned:
        named = "$LATEST" if setup.qualifier is None else setup.qualifier
        text = f"the mapping invokes {named}, and concurrency is provisioned for {', '.join(sorted(setup.provisioned))}"
        yield Finding("PC_NOT_USED", "warning", text, {"provisioned": sum(setup.provisioned.values())})
    total = sum(setup.provisioned.values())
    if reserved is not None and total and reserved == total and setup.qualifier is None:
        text = f"all {reserved} of the reserve are provisioned for others: every invoke of $LATEST is throttled"
        yield Finding("RESERVED_EQUALS_PC_ON_LATEST", "error", text, {"reserved": reserved, "provisioned": total})


def _of_records(setup: Setup) -> Iterator[Finding]:
    if setup.mappings_of_queue > 1 and setup.any_filter:
        text = "several mappings read the queue: what the filter of one rejects is deleted for all"
        yield Finding("SEVERAL_ESM_WITH_FILTERS", "warning", text, {"mappings": setup.mappings_of_queue})
    if setup.is_fifo and setup.reports_batch_item_failures:
        text = (
            "a record that is not named is deleted, also a later one of its group: name the first failure and all after"
        )
        yield Finding("FIFO_PARTIAL_ORDER", "info", text, {})
    per_record = setup.seconds_per_record
    # In whole microseconds: 70 times 0.1 s are 7 s.
    needed_us = 0 if per_record is None else setup.batch_size * seconds(per_record)
    if needed_us > setup.timeout * MICROSECONDS:
        needed = needed_us / MICROSECONDS
        text = f"a full batch needs {needed:g} s, and the function has {setup.timeout} s"
        yield Finding("BATCH_TIME_RISK", "warning", text, {"seconds": needed, "timeout": setup.timeout})
