"""One-minute series of a run: CloudWatch's, and those of what CloudWatch has no metric for."""

from __future__ import annotations

from collections.abc import Mapping

from lambdasim import Queue, Simulation
from lambdasim.cli.results import FunctionMinutes, Minutes, Numbers, Peak, QueueMinutes
from lambdasim.units import MICROSECONDS, MINUTE_US

ByMinute = dict[int, float]

_MINUTE_S = MINUTE_US // MICROSECONDS


class Losses:
    """
    Messages that left a queue without being processed, by the minute.

    The queue is asked how many there were so far, once a minute; what came since is of that minute.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._moved = self._expired = 0
        self.moved: ByMinute = {}
        self.expired: ByMinute = {}

    def look(self, minute: int) -> None:
        """Take down what was lost since the last look, all of it in this minute."""
        queue = self._queue
        if queue.moved != self._moved:
            self.moved[minute] = self.moved.get(minute, 0) + queue.moved - self._moved
            self._moved = queue.moved
        if queue.expired != self._expired:
            self.expired[minute] = self.expired.get(minute, 0) + queue.expired - self._expired
            self._expired = queue.expired


def gather(simulation: Simulation, losses: Mapping[str, Losses]) -> Minutes:
    """Return the series of all functions, and of the queues of which the losses are known, in that order."""
    queues = {name: _of_queue(simulation, name, lost) for name, lost in losses.items()}
    functions = {function.name: _of_function(simulation, function.name) for function in simulation.functions}
    # What happened at the very end, if that is the end of a minute, lies in the minute after it.
    ends = [
        minute + 1
        for found in (*queues.values(), *functions.values())
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
            for name, found in queues.items()
        },
        functions={
            name: FunctionMinutes(**{key: _dense(key, series, count) for key, series in found.items()})
            for name, found in functions.items()
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


def _of_queue(simulation: Simulation, name: str, losses: Losses) -> dict[str, ByMinute]:
    def series(metric: str, statistic: str) -> ByMinute:
        return {
            begin // _MINUTE_S: value
            for begin, value in simulation.metrics.series("AWS/SQS", metric, statistic, QueueName=name)
        }

    visible = series("ApproximateNumberOfMessagesVisible", "Maximum")
    in_flight = series("ApproximateNumberOfMessagesNotVisible", "Maximum")
    return {
        "sent": series("NumberOfMessagesSent", "Sum"),
        "received": series("NumberOfMessagesReceived", "Sum"),
        "deleted": series("NumberOfMessagesDeleted", "Sum"),
        "dead_lettered": losses.moved,
        "expired": losses.expired,
        "visible": visible,
        "in_flight": in_flight,
        "delayed": series("ApproximateNumberOfMessagesDelayed", "Maximum"),
        "backlog": {minute: count + in_flight[minute] for minute, count in visible.items()},
        "oldest_age_s": series("ApproximateAgeOfOldestMessage", "Maximum"),
    }


def _of_function(simulation: Simulation, name: str) -> dict[str, ByMinute]:
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
_MAY_BE_UNKNOWN = ("visible", "in_flight", "delayed", "backlog", "oldest_age_s", "duration_s")


def _dense(key: str, series: ByMinute, count: int) -> Numbers:
    otherwise = None if key in _MAY_BE_UNKNOWN else 0
    return tuple(series.get(minute, otherwise) for minute in range(count))
