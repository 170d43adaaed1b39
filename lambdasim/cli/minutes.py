"""One-minute series of a run: CloudWatch's, and those of losses, for which CloudWatch has no metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lambdasim import Queue, Simulation
from lambdasim.cli.results import FunctionMinutes, Minutes, Numbers, Peak, QueueMinutes
from lambdasim.units import MICROSECONDS, MINUTE_US

ByMinute = dict[int, float]

_MINUTE_S = MINUTE_US // MICROSECONDS


def gather(simulation: Simulation, queues: Sequence[Queue]) -> Minutes:
    """Return the series of all functions and of these queues, in their order."""
    of_queues = {queue.name: _of_queue(simulation, queue) for queue in queues}
    of_functions = {function.name: _of_function(simulation, function.name) for function in simulation.functions}
    # What happened at the very end, if that is the end of a minute, lies in the minute after it.
    ends = [
        minute + 1
        for found in (*of_queues.values(), *of_functions.values())
        for series in found.values()
        for minute in series
    ]
    count = max(-(-simulation.now_us // MINUTE_US), *ends, 0)
    account = simulation.metrics.series("AWS/Lambda", "ConcurrentExecutions", "Maximum")
    concurrency = {begin // _MINUTE_S: value for begin, value in account}
    return Minutes(
        count=count,
        concurrency=_dense("concurrency", concurrency, count),
        queues={
            name: QueueMinutes(**{key: _dense(key, series, count) for key, series in found.items()})
            for name, found in of_queues.items()
        },
        functions={
            name: FunctionMinutes(**{key: _dense(key, series, count) for key, series in found.items()})
            for name, found in of_functions.items()
        },
    )


def peak(numbers: Numbers, *, is_gauge: bool) -> Peak | None:
    """
    Return the largest of the numbers by minute, where it comes first; None where there are none.

    Args:
        numbers: One for each minute.
        is_gauge: Whether they are values at the ends of the minutes.
    """
    known = [(value, -minute) for minute, value in enumerate(numbers) if value is not None]
    if not known:
        return None
    value, before = max(known)
    return Peak(value=value, at_s=((1 if is_gauge else 0) - before) * _MINUTE_S)


def _of_queue(simulation: Simulation, queue: Queue) -> dict[str, Mapping[int, float]]:
    def series(metric: str, statistic: str) -> ByMinute:
        return {
            begin // _MINUTE_S: value
            for begin, value in simulation.metrics.series("AWS/SQS", metric, statistic, QueueName=queue.name)
        }

    visible = series("ApproximateNumberOfMessagesVisible", "Maximum")
    in_flight = series("ApproximateNumberOfMessagesNotVisible", "Maximum")
    return {
        "sent": series("NumberOfMessagesSent", "Sum"),
        "received": series("NumberOfMessagesReceived", "Sum"),
        "deleted": series("NumberOfMessagesDeleted", "Sum"),
        "dead_lettered": queue.sums_by_minute("moved"),
        "expired": queue.sums_by_minute("expired"),
        "visible": visible,
        "in_flight": in_flight,
        "delayed": series("ApproximateNumberOfMessagesDelayed", "Maximum"),
        "backlog": {minute: count + in_flight[minute] for minute, count in visible.items()},
        "oldest_age_s": series("ApproximateAgeOfOldestMessage", "Maximum"),
    }


def _of_function(simulation: Simulation, name: str) -> dict[str, Mapping[int, float]]:
    def series(metric: str, statistic: str) -> ByMinute:
        return {
            begin // _MINUTE_S: value
            for begin, value in simulation.metrics.series("AWS/Lambda", metric, statistic, FunctionName=name)
        }

    return {
        "invocations": series("Invocations", "Sum"),
        "errors": series("Errors", "Sum"),
        "throttles": series("Throttles", "Sum"),
        "concurrency": series("ConcurrentExecutions", "Maximum"),
        "duration_s": {minute: value / 1000 for minute, value in series("Duration", "Average").items()},
    }


#: Series that say nothing about minutes without data; all others are 0 there.
_MAY_BE_UNKNOWN: Final = ("visible", "in_flight", "delayed", "backlog", "oldest_age_s", "duration_s")


def _dense(key: str, series: Mapping[int, float], count: int) -> Numbers:
    otherwise = None if key in _MAY_BE_UNKNOWN else 0
    return tuple(series.get(minute, otherwise) for minute in range(count))
