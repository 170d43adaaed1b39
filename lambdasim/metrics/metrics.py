"""
CloudWatch's metrics: which there are, what each is made of, and who is asked for it.

Namespaces, names, dimensions, units and statistics are AWS's; the moment and time stamp of each datum are those of
SQS-601, SQS-602, LAM-262 and ESM-280.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from lambdasim.clock import Clock
from lambdasim.clock.meters import Counter, Samples, merge
from lambdasim.errors import UsageError
from lambdasim.esm import EventSourceMapping
from lambdasim.lambda_ import ConcurrencyPool, Function
from lambdasim.lambda_.provisioned import Provisioned
from lambdasim.lambda_.registry import LambdaEndpoint
from lambdasim.lambda_.targets import Meters
from lambdasim.metrics.series import Series, check_period, make_series
from lambdasim.sqs import Endpoint, Queue
from lambdasim.units import MICROSECONDS, MINUTE_US

Data = dict[int, list[tuple[float, int]]]

SQS: Final = "AWS/SQS"
LAMBDA: Final = "AWS/Lambda"

#: name -> (place among the counters of a queue, unit); only sums are published
_QUEUE_SUMS: Final = {
    "NumberOfMessagesSent": 0,
    "NumberOfMessagesReceived": 1,
    "NumberOfMessagesDeleted": 2,
    "NumberOfEmptyReceives": 3,
}
_QUEUE_GAUGES: Final = {
    "ApproximateNumberOfMessagesVisible": 0,
    "ApproximateNumberOfMessagesNotVisible": 1,
    "ApproximateNumberOfMessagesDelayed": 2,
    "ApproximateAgeOfOldestMessage": 3,
}
_FIFO_SUMS: Final = {"NumberOfDeduplicatedSentMessages": 8}
_FIFO_GAUGES: Final = {"ApproximateNumberOfGroupsWithInflightMessages": 4}
#: of fair queues: name -> member of `lambdasim.sqs.lanes.Quiet`
_FAIR_GAUGES: Final = {
    "ApproximateNumberOfNoisyGroups": 0,
    "ApproximateNumberOfMessagesVisibleInQuietGroups": 1,
    "ApproximateNumberOfMessagesNotVisibleInQuietGroups": 2,
    "ApproximateNumberOfMessagesDelayedInQuietGroups": 3,
    "ApproximateAgeOfOldestMessageInQuietGroups": 4,
}
_AGES: Final = ("ApproximateAgeOfOldestMessage", "ApproximateAgeOfOldestMessageInQuietGroups")
_QUEUE_OTHERS: Final = ("SentMessageSize",)
_ALL_SUMS: Final = {**_QUEUE_SUMS, **_FIFO_SUMS}
_ALL_GAUGES: Final = {**_QUEUE_GAUGES, **_FIFO_GAUGES, **_FAIR_GAUGES}
_FUNCTION_METRICS: Final = ("Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions")
_PROVISIONED_METRICS: Final = (
    "ProvisionedConcurrencyInvocations",
    "ProvisionedConcurrencySpilloverInvocations",
    "ProvisionedConcurrentExecutions",
    "ProvisionedConcurrencyUtilization",
)
_ASYNC_METRICS: Final[Mapping[str, Callable[[Function], Counter | Samples]]] = {
    "AsyncEventsReceived": lambda function: function.async_received,
    "AsyncEventsDropped": lambda function: function.async_dropped,
    "AsyncEventAge": lambda function: function.async_ages,
    "DeadLetterErrors": lambda function: function.dead_letter_errors,
    "DestinationDeliveryFailures": lambda function: function.delivery_failures,
    "RecursiveInvocationsDropped": lambda function: function.recursive_dropped,
}
_REGION_METRICS: Final = ("UnreservedConcurrentExecutions", "ClaimedAccountConcurrency")
_DELETE_CALLS: Final = 5  # place of another counter of mappings, which is no metric
_POLLERS: Final = "ProvisionedPollers"  # a step function; of the other metrics of a mapping there are sums
_MAPPING_SUMS: Final = {
    "PolledEventCount": 0,
    "InvokedEventCount": 1,
    "FailedInvokeEventCount": 2,
    "DeletedEventCount": 3,
    "FilteredOutEventCount": 4,
}
_UNITS: Final = {
    "SentMessageSize": "Bytes",
    "ApproximateAgeOfOldestMessage": "Seconds",
    "ApproximateAgeOfOldestMessageInQuietGroups": "Seconds",
    "Duration": "Milliseconds",
    "AsyncEventAge": "Milliseconds",
    "ProvisionedConcurrencyUtilization": "None",
}
_IN_MICROSECONDS: Final = ("Duration", "AsyncEventAge")


class Metrics:
    """
    The metrics of one simulation, always on: nothing is recorded for them, they are read off the meters.

    Args:
        clock: Of the simulation.
        pool: The account's concurrency.
        queues, functions, mappings: What there is in its region and account, looked up at each call; queues and
            functions that are gone count too.
    """

    def __init__(
        self,
        clock: Clock,
        pool: ConcurrencyPool,
        queues: Endpoint,
        functions: LambdaEndpoint,
        mappings: Mapping[str, EventSourceMapping],
    ) -> None:
        self._clock = clock
        self._pool = pool
        self._queues = queues
        self._functions = functions
        self._mappings = mappings

    def series(self, namespace: str, metric_name: str, statistic: str, period: int = 60, **dimensions: str) -> Series:
        """
        Return one metric by period.

        Args:
            namespace: `AWS/SQS` or `AWS/Lambda`.
            metric_name: CloudWatch's, such as `NumberOfMessagesSent`.
            statistic: `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount`, or a percentile such as `p99`; counters of
                SQS and of mappings have `Sum` only.
            period: Seconds, a multiple of 60.
            dimensions: `QueueName=…`; `FunctionName=…`, with or without `Resource=…`, or none for the whole Region;
                `EventSourceMappingUUID=…`.
        Returns:
            A series, empty where there is no data (nor such a queue, function or mapping).
        Raises:
            UsageError: No such metric, statistic or dimension.

        Rules: SQS-601, SQS-602, LAM-260 to LAM-264, ESM-280. Runtime: `O(minutes)` and data asked for.
        """
        minutes = check_period(period)
        find = self._find(namespace, metric_name, statistic, dimensions)
        data = find()
        unit = _UNITS.get(metric_name, "Count")
        return make_series(data, statistic, minutes, unit, scale=1000 if metric_name in _IN_MICROSECONDS else 1)

    def to_dataframe(self, period: int = 60) -> Any:
        """
        Return every metric that has data as a pandas DataFrame (extra `planning`).

        The index is the begin of each period in seconds since the start; the columns are (resource, metric, statistic):
        sums of counters, maxima of gauges and concurrency, averages of the rest. Periods without data are NaN.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ImportError as error:
            msg = "to_dataframe() needs pandas; install it with: python -m pip install 'lambdasim[planning]'"
            raise UsageError(msg) from error
        columns = {}
        for resource, namespace, name, statistic, dimensions in self._all():
            series = self.series(namespace, name, statistic, period, **dimensions)
            if len(series):
                columns[resource, name, statistic] = pandas.Series(series.values, index=series.times, dtype=float)
        frame = pandas.DataFrame(columns).sort_index()
        frame.index.name = "seconds"
        return frame

    # ---- which there are

    def _all(self) -> Iterator[tuple[str, str, str, str, dict[str, str]]]:
        for queue_name in dict.fromkeys(queue.name for queue in self._queues.ever()):
            where = {"QueueName": queue_name}
            for name in _ALL_SUMS:
                yield queue_name, SQS, name, "Sum", where
            for name in _ALL_GAUGES:
                yield queue_name, SQS, name, "Maximum", where
            yield queue_name, SQS, "SentMessageSize", "Average", where
        for function_name in dict.fromkeys(function.name for function in self._functions.ever()):
            where = {"FunctionName": function_name}
            for name in ("Invocations", "Errors", "Throttles"):
                yield function_name, LAMBDA, name, "Sum", where
            yield function_name, LAMBDA, "Duration", "Average", where
            yield function_name, LAMBDA, "ConcurrentExecutions", "Maximum", where
            for name in _PROVISIONED_METRICS:
                yield function_name, LAMBDA, name, "Sum" if name.endswith("Invocations") else "Maximum", where
            for name in _ASYNC_METRICS:
                yield function_name, LAMBDA, name, "Average" if name == "AsyncEventAge" else "Sum", where
        for name in _REGION_METRICS:
            yield "account", LAMBDA, name, "Maximum", {}
        for mapping in self._mappings.values():
            for name in _MAPPING_SUMS:
                yield mapping.uuid, LAMBDA, name, "Sum", {"EventSourceMappingUUID": mapping.uuid}
            yield mapping.uuid, LAMBDA, _POLLERS, "Maximum", {"EventSourceMappingUUID": mapping.uuid}

    def _find(self, namespace: str, name: str, statistic: str, dimensions: Mapping[str, str]) -> Callable[[], Data]:
        """Return what gathers the data of a metric, after checking that there is such a metric."""
        names = tuple(sorted(dimensions))
        if namespace == SQS and name in (*_ALL_SUMS, *_ALL_GAUGES, *_QUEUE_OTHERS):
            _check_dimensions(name, names, (("QueueName",),))
            if name in _ALL_SUMS:
                _check_sum(name, statistic)
            # A queue that was made again goes on with the series of its name.
            queues = [queue for queue in self._queues.ever() if queue.name == dimensions["QueueName"]]
            return lambda: merge([iter(self._of_queue(queue, name).items()) for queue in queues])
        if namespace == LAMBDA and name in _FUNCTION_METRICS:
            return self._find_of_functions(name, dimensions)
        if namespace == LAMBDA and name in _PROVISIONED_METRICS:
            _check_dimensions(name, names, (("FunctionName",), ("FunctionName", "Resource")))
            found = self._named(dimensions)
            return lambda: self._of_provisioned(found, name, dimensions.get("Resource"))
        if namespace == LAMBDA and name in _ASYNC_METRICS:
            _check_dimensions(name, names, ((), ("FunctionName",)))
            found, meter = self._named(dimensions), _ASYNC_METRICS[name]
            return lambda: merge([meter(function).data() for function in found])
        if namespace == LAMBDA and name in _REGION_METRICS:
            _check_dimensions(name, names, ((),))
            pool = self._pool
            steps = pool.unreserved_steps if name == "UnreservedConcurrentExecutions" else pool.claimed_steps
            return lambda: merge([steps.data(self._clock.now_us)])
        if namespace == LAMBDA and name in _MAPPING_SUMS:
            _check_dimensions(name, names, (("EventSourceMappingUUID",),))
            _check_sum(name, statistic)
            mapping = self._mappings.get(dimensions["EventSourceMappingUUID"])
            return lambda: {} if mapping is None else self._of_mapping(mapping, name)
        if namespace == LAMBDA and name == _POLLERS:
            _check_dimensions(name, names, (("EventSourceMappingUUID",),))
            mapping = self._mappings.get(dimensions["EventSourceMappingUUID"])
            return lambda: {} if mapping is None else merge([mapping.provisioned_pollers.data(self._clock.now_us)])
        known = ", ".join((*_ALL_SUMS, *_ALL_GAUGES, *_QUEUE_OTHERS))
        known_lambda = ", ".join(
            (*_FUNCTION_METRICS, *_PROVISIONED_METRICS, *_ASYNC_METRICS, *_REGION_METRICS, *_MAPPING_SUMS, _POLLERS)
        )
        msg = f"no metric {namespace} {name}; {SQS} has {known}; {LAMBDA} has {known_lambda}"
        raise UsageError(msg)

    # ---- what each is made of

    def _of_queue(self, queue: Queue, name: str) -> Data:
        ledger = queue.ledger
        if name == "NumberOfEmptyReceives":
            sums = dict(ledger.sums(_QUEUE_SUMS[name]))
            for minute, times in queue.background_empty_receives_by_minute().items():
                sums[minute] = sums.get(minute, 0) + times
            return {minute: [(total, 1)] for minute, total in sums.items()}
        if not queue.is_fifo and (name in _FIFO_SUMS or name in _FIFO_GAUGES):
            return {}
        if name in _ALL_SUMS:
            return {minute: [(total, 1)] for minute, total in ledger.sums(_ALL_SUMS[name])}
        if name == "SentMessageSize":
            return merge([queue.sent_sizes.data()])
        if name in _FAIR_GAUGES:
            place = _FAIR_GAUGES[name]
            rows: Iterable[tuple[int, int]] = ((end_us, quiet[place]) for end_us, quiet in queue.quiet_minutes())
        else:
            rows = ledger.gauge(_ALL_GAUGES[name], queue.metrics_until_us)
        if name in _AGES:
            return {
                end_us // MINUTE_US - 1: [(0 if entered_us < 0 else (end_us - entered_us) / MICROSECONDS, 1)]
                for end_us, entered_us in rows
            }
        return {end_us // MINUTE_US - 1: [(value, 1)] for end_us, value in rows}

    def _named(self, dimensions: Mapping[str, str]) -> list[Function]:
        """Return the functions of a name, one that was made again after those that are gone; without one, all."""
        name = dimensions.get("FunctionName")
        return [function for function in self._functions.ever() if name in (None, function.name)]

    def _find_of_functions(self, name: str, dimensions: Mapping[str, str]) -> Callable[[], Data]:
        names = tuple(sorted(dimensions))
        sets: tuple[tuple[str, ...], ...] = ((), ("FunctionName",), ("FunctionName", "Resource"))
        if name != "ConcurrentExecutions":
            sets = (*sets, ("ExecutedVersion", "FunctionName", "Resource"))
        _check_dimensions(name, names, sets)
        found = self._named(dimensions)
        if name == "ConcurrentExecutions":
            if not names:
                return lambda: merge([self._pool.all_steps.data(self._clock.now_us)])
            if dimensions.get("Resource", dimensions["FunctionName"]) != dimensions["FunctionName"]:
                return dict
            return lambda: merge([function.steps.data(self._clock.now_us) for function in found])
        if "Resource" not in dimensions:
            return lambda: self._of_meters(found, name)
        resource, version = dimensions["Resource"], dimensions.get("ExecutedVersion")
        if resource == dimensions["FunctionName"] and version is None:
            return lambda: self._unqualified(found, name)
        name_of, _, qualifier = resource.partition(":")
        if name_of != dimensions["FunctionName"]:
            return dict
        return lambda: self._of_meters([m for f in found for m in f.meters_for(qualifier, version)], name)

    def _of_meters(self, owners: Sequence[Function | Meters], name: str) -> Data:
        if name in ("Invocations", "Throttles"):
            place = 0 if name == "Invocations" else 1
            return merge([(_ones(minute, total) for minute, total in m.ledger.sums(place)) for m in owners])
        if name == "Duration":
            return merge([owner.durations.data() for owner in owners])
        found: Data = {}
        for owner in owners:  # Errors: a datum of 1 or 0 per ended invocation, at its start (LAM-262)
            for minute, rows in owner.durations.data():
                ended = sum(times for _, times in rows)
                errors = owner.errors_by_minute.minutes.get(minute, 0)
                data = [(1.0, errors), (0.0, ended - errors)]
                found.setdefault(minute, []).extend((value, times) for value, times in data if times)
        return found

    def _unqualified(self, functions: Sequence[Function], name: str) -> Data:
        """Return what the functions have beyond what was invoked by version or alias."""
        counts: dict[int, dict[float, int]] = {}
        qualified = [meters for function in functions for meters in function.qualified_meters()]
        for sign, data in ((1, self._of_meters(functions, name)), (-1, self._of_meters(qualified, name))):
            for minute, rows in data.items():
                of_minute = counts.setdefault(minute, {})
                for value, times in rows:
                    of_minute[value] = of_minute.get(value, 0) + sign * times
        left = {minute: [row for row in rows.items() if row[1]] for minute, rows in counts.items()}
        return {minute: rows for minute, rows in sorted(left.items()) if rows}

    def _of_provisioned(self, functions: Sequence[Function], name: str, resource: str | None) -> Data:
        now_us = self._clock.now_us
        configs = [
            config
            for function in functions
            for config in function.ever_provisioned
            if resource in (None, f"{function.name}:{config.target.qualifier}")
        ]
        if name == "ProvisionedConcurrencyInvocations":
            return merge([config.invocations_by_minute.data() for config in configs])
        if name == "ProvisionedConcurrencySpilloverInvocations":
            return merge([config.spilled_by_minute.data() for config in configs])
        owners: Sequence[Function | Provisioned] = configs if resource is not None else functions
        if name == "ProvisionedConcurrentExecutions":
            return merge([owner.provisioned_steps.data(now_us) for owner in owners])
        return merge([owner.provisioned_shares.data(now_us) for owner in owners])

    def _of_mapping(self, mapping: EventSourceMapping, name: str) -> Data:
        if name not in _MAPPING_SUMS:
            return {}
        # A poll that found nothing is a datum of 0 (ESM-280).
        is_filtered = name == "FilteredOutEventCount"
        looked = list(mapping.empty_receives_by_minute()) if is_filtered or name == "PolledEventCount" else []
        if is_filtered:  # of a poll whose records all passed too
            looked += [minute for minute, _ in mapping.ledger.sums(_MAPPING_SUMS["PolledEventCount"])]
        if name == "DeletedEventCount":  # of a call that deleted nothing
            looked += [minute for minute, _ in mapping.ledger.sums(_DELETE_CALLS)]
        zeros = [minute for minute in sorted(looked) if mapping.published_in(minute, filtered=is_filtered)]
        sums = {**dict.fromkeys(zeros, 0), **dict(mapping.ledger.sums(_MAPPING_SUMS[name]))}
        return {minute: [(total, 1)] for minute, total in sums.items()}


def _ones(minute: int, total: int) -> tuple[int, list[tuple[float, int]]]:
    return minute, [(1, total)]


def _check_dimensions(name: str, given: tuple[str, ...], allowed: Sequence[tuple[str, ...]]) -> None:
    if given not in allowed:
        sets = " or ".join("{" + ", ".join(names) + "}" for names in allowed)
        msg = f"{name} has the dimensions {sets}, not {{{', '.join(given)}}}"
        raise UsageError(msg)


def _check_sum(name: str, statistic: str) -> None:
    if statistic != "Sum":
        msg = f"{name} is a counter: its statistic is Sum, not {statistic!r}"
        raise UsageError(msg)
