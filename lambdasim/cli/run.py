"""
A scenario at work: build the simulation, let it run, gather what came out.

While somebody watches, time runs in slices of a minute. Slices change nothing: they end a microsecond before the minute
does, and what comes next comes next anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import takewhile
from random import Random
from typing import Any, Final, TypeVar

from attrs import frozen

from lambdasim import (
    EventSourceMapping,
    Function,
    LambdaLimits,
    PriceBook,
    Queue,
    RedrivePolicy,
    RpsModel,
    Simulation,
    __version__,
)
from lambdasim.cli.latencies import Latencies, percentiles_us
from lambdasim.cli.minutes import gather, peak
from lambdasim.cli.problems import Path_, Problem, Source
from lambdasim.cli.results import (
    FunctionMinutes,
    FunctionReport,
    Latency,
    MappingReport,
    QueueMinutes,
    QueueReport,
    Report,
    Total,
)
from lambdasim.cli.scenario import FUNCTION_SETTINGS, MAPPING_SETTINGS, QueueTable, Scenario
from lambdasim.errors import LambdasimError
from lambdasim.sqs import SqsConfig
from lambdasim.units import MINUTE_US, to_seconds
from lambdasim.workload import Arrivals

T = TypeVar("T")
Watch = Callable[["Progress"], object]

_SHARES: Final = (50, 95, 99)
_KB_PER_GB_MS_PER_S: Final = 1024 * 1000  # megabytes in a gigabyte times milliseconds in a second


@frozen
class Progress:
    """How far a run is."""

    now_us: int
    arrivals_us: int  #: the end of the arrivals
    sent: int
    gone: int  #: processed, expired or left for good in a queue that nobody reads


@frozen
class Until:
    """Another process, of which what lies at or after an instant is cut off."""

    arrivals: Arrivals
    end_us: int

    def instants_us(self, random: Random) -> Iterator[int]:
        """Yield the instants before the end."""
        return takewhile(self.end_us.__gt__, self.arrivals.instants_us(random))


class Run:
    """
    A scenario as a simulation, ready to run.

    Args:
        scenario: What to build.
        source: Names the scenario in errors.
        seed: Instead of the scenario's.
        title: Where the scenario has none.
    Raises:
        ScenarioError: The library refuses what the scenario asks for.
    """

    def __init__(self, scenario: Scenario, source: Source, *, seed: int | None = None, title: str = "") -> None:
        self._scenario = scenario
        self._source = source
        self.title = title if scenario.title is None else scenario.title
        self.simulation = sim = Simulation(**self._of_simulation(seed))
        self.queues: dict[str, Queue] = {}
        for name in _targets_first(scenario.queues):
            self.queues[name] = self._try(("queues", name), self._make_queue, name, scenario.queues[name])
        self.functions: dict[str, Function] = {
            name: self._try(("functions", name), self._make_function, name) for name in scenario.functions
        }
        self.mappings: list[EventSourceMapping] = [
            self._try(("mappings", place), self._make_mapping, place) for place in range(len(scenario.mappings))
        ]
        ends_us = [self._try(("arrivals", place), self._feed, place) for place in range(len(scenario.arrivals))]
        self.arrivals_us = max(ends_us) if scenario.duration_us is None else scenario.duration_us
        self.latencies: dict[str, Latencies] = {}
        for name in scenario.queues:
            latencies = self.latencies[name] = Latencies()
            self.queues[name].on_deleted(latencies.recorder(sim.clock))

    # ---- building

    def _of_simulation(self, seed: int | None) -> dict[str, Any]:
        scenario, settings = self._scenario, list[object]()
        found: dict[str, Any] = {"trace": 0, "settings": settings}
        if scenario.start is not None:
            found["start"] = scenario.start
        if seed is not None or scenario.seed is not None:
            found["seed"] = scenario.seed if seed is None else seed
        if scenario.account is not None:
            limits = scenario.account.given("rps_limit")
            if "concurrent_executions" in limits:
                limits["account_concurrency"] = limits.pop("concurrent_executions")
            settings.append(LambdaLimits(**limits))
            if scenario.account.rps_limit is not None:
                settings.append(RpsModel(mode=scenario.account.rps_limit))  # type: ignore[arg-type]  # its kind checked it
        if scenario.prices is not None:
            settings.append(scenario.prices.make())
        return found

    def _make_queue(self, name: str, table: QueueTable) -> Queue:
        given = table.given("dead_letter_queue", "max_receive_count", "inflight_limit_standard")
        if table.dead_letter_queue is not None and table.max_receive_count is not None:
            target = self.queues[table.dead_letter_queue]
            given["redrive_policy"] = RedrivePolicy(target, table.max_receive_count)
        if table.inflight_limit_standard is not None:
            given["settings"] = [SqsConfig(inflight_limit_standard=table.inflight_limit_standard)]
        return self.simulation.create_queue(name, **given)

    def _make_function(self, name: str) -> Function:
        table = self._scenario.functions[name]
        given = table.given("billing", *FUNCTION_SETTINGS)
        return self.simulation.create_function(name, **given, settings=table.settings())

    def _make_mapping(self, place: int) -> EventSourceMapping:
        table = self._scenario.mappings[place]
        given = table.given("queue", "function", *MAPPING_SETTINGS)
        queue, function = self.queues[table.queue], self.functions[table.function]
        return self.simulation.create_event_source_mapping(queue, function, **given, settings=table.settings())

    def _feed(self, place: int) -> int:
        """Let the messages of a table arrive; return when they end."""
        table, end_us = self._scenario.arrivals[place], self._scenario.duration_us
        arrivals = table.make(end_us)
        last_us = arrivals.duration_us
        body = {} if table.message_size is None else {"message": "x" * table.message_size}
        if end_us is not None and (last_us is None or last_us >= end_us):
            self.simulation.feed(self.queues[table.queue], Until(arrivals, end_us), **body)
            return end_us
        assert last_us is not None
        self.simulation.feed(self.queues[table.queue], arrivals, **body)
        return last_us

    def _try(self, path: Path_, make: Callable[..., T], *arguments: object) -> T:
        try:
            return make(*arguments)
        except (LambdasimError, ValueError) as error:
            raise self._source.error([Problem(path, str(error))]) from error

    # ---- running

    def run(self, watch: Watch | None = None) -> None:
        """
        Let time run to where the scenario ends.

        Args:
            watch: Called after each slice.
        Raises:
            LambdasimError: What the library refuses only when it comes to it.
        """
        sim, end_us = self.simulation, self.arrivals_us
        if self._scenario.drain:
            while watch is not None and sim.step():
                self._slice(_last_of_minute(sim.now_us), watch)
            sim.run()
            end_us = _last_of_minute(max(sim.now_us, end_us - 1)) + 1  # a whole minute, so that its series is whole
        while watch is not None and sim.now_us < end_us:
            self._slice(min(_last_of_minute(sim.now_us + 1), end_us), watch)
        sim.run(until_us=end_us)

    def _slice(self, until_us: int, watch: Watch) -> None:
        self.simulation.run(until_us=until_us)
        watch(self._progress())

    def _progress(self) -> Progress:
        queues = self.queues.values()
        unread = [queue for queue in queues if all(mapping.queue is not queue for mapping in self.mappings)]
        gone = sum(queue.deleted + queue.expired for queue in queues)
        gone += sum(queue.visible + queue.delayed for queue in unread)
        return Progress(self.simulation.now_us, self.arrivals_us, sum(queue.sent for queue in queues), gone)

    # ---- gathering

    def report(self) -> Report:
        """Return what came out so far."""
        sim = self.simulation
        minutes = gather(sim, [self.queues[name] for name in self._scenario.queues])
        queues = tuple(self._of_queue(name, minutes.queues[name]) for name in self._scenario.queues)
        functions = tuple(self._of_function(name, minutes.functions[name]) for name in self.functions)
        mappings = tuple(_of_mapping(mapping, self._prices) for mapping in self.mappings)
        total = Total(
            sent=sum(queue.sent for queue in queues),
            processed=sum(queue.processed for queue in queues),
            dead_lettered=sum(queue.dead_lettered for queue in queues),
            expired=sum(queue.expired for queue in queues),
            left=sum(queue.left for queue in queues),
            duplicates=sum(mapping.duplicates for mapping in mappings),
            invocations=sum(function.invocations for function in functions),
            failed=sum(function.failed for function in functions),
            throttles=sum(function.throttles for function in functions),
            cold_starts=sum(function.cold_starts for function in functions),
            concurrency_peak=peak(minutes.concurrency, is_gauge=False),
            latency=_latency(list(self.latencies.values())),
            sqs_requests=sum(queue.sqs_requests for queue in queues),
            sqs_requests_billed=sum(queue.sqs_requests_billed for queue in queues),
            billed_gb_s=sum(function.billed_gb_s for function in functions),
            lambda_cost_usd=sum(
                (*(function.cost_usd for function in functions), *(mapping.cost_usd for mapping in mappings)),
                Decimal(0),
            ),
            sqs_cost_usd=sum((queue.cost_usd for queue in queues), Decimal(0)),
        )
        return Report(
            title=self.title,
            version=__version__,
            seed=sim.seed,
            start_us=sim.clock.start_us,
            concurrent_executions=sim.pool.account_concurrency,
            arrivals_us=self.arrivals_us,
            simulated_us=sim.now_us,
            total=total,
            queues=queues,
            functions=functions,
            mappings=mappings,
            minutes=minutes,
        )

    @property
    def _prices(self) -> PriceBook:
        return self.simulation.prices

    def _of_queue(self, name: str, minutes: QueueMinutes) -> QueueReport:
        queue = self.queues[name]
        counts = queue.snapshot()
        return QueueReport(
            name=name,
            is_read=any(mapping.queue is queue for mapping in self.mappings),
            sent=counts.sent,
            moved_in=counts.arrived,
            received=counts.received,
            processed=counts.deleted,
            dead_lettered=counts.moved,
            expired=counts.expired,
            left=counts.total,
            left_visible=counts.visible,
            left_in_flight=counts.in_flight,
            left_delayed=counts.delayed,
            left_never_invoked=sum(not message.invocation_count for message in queue.messages),
            backlog_peak=peak(minutes.backlog, is_gauge=True),
            oldest_age_peak_s=peak(minutes.oldest_age_s, is_gauge=True),
            latency=_latency([self.latencies[name]]),
            sqs_requests=counts.requests,
            sqs_requests_billed=counts.billed_requests,
            cost_usd=self._prices.sqs_cost_exact(billed_requests=counts.billed_requests),
        )

    def _of_function(self, name: str, minutes: FunctionMinutes) -> FunctionReport:
        function = self.functions[name]
        counts = function.snapshot()
        return FunctionReport(
            name=name,
            reserved_concurrent_executions=function.reserved_concurrent_executions,
            invocations=counts.invocations,
            failed=counts.errors,
            throttles=counts.throttles,
            throttles_by_reason=dict(sorted(function.throttle_reasons.items())),
            cold_starts=counts.cold_starts,
            concurrency_peak=peak(minutes.concurrency, is_gauge=False),
            billed_gb_s=function.billed_mb_ms / _KB_PER_GB_MS_PER_S,
            cost_usd=self._prices.lambda_cost_exact(
                requests=counts.invocations, mb_ms=function.billed_mb_ms, architecture=function.architecture
            ),
        )


def _of_mapping(mapping: EventSourceMapping, prices: PriceBook) -> MappingReport:
    counts = mapping.snapshot()
    seconds = mapping.billed_poller_seconds
    return MappingReport(
        queue=mapping.queue.name,
        function=mapping.function.name,
        polled=counts.polled_event_count,
        attempts=counts.attempts,
        attempted=counts.invoked_event_count,
        batch_size_mean=counts.invoked_event_count / counts.attempts if counts.attempts else None,
        failed=counts.failed_invoke_event_count,
        deleted=counts.deleted_event_count,
        given_up=counts.dropped,
        duplicates=counts.duplicates,
        concurrency_limit=counts.concurrency_limit,
        poller_seconds=seconds,
        cost_usd=prices.poller_cost(seconds=seconds) if seconds else Decimal(0),
    )


def _latency(parts: Sequence[Latencies]) -> Latency | None:
    found = percentiles_us(parts, _SHARES)
    if found is None:
        return None
    p50_us, p95_us, p99_us = found
    return Latency(p50_s=to_seconds(p50_us), p95_s=to_seconds(p95_us), p99_s=to_seconds(p99_us))


def _targets_first(queues: Mapping[str, QueueTable]) -> list[str]:
    """Return the names of queues in an order in which each comes after its dead-letter queue."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        target = queues[name].dead_letter_queue
        if target is not None:
            add(target)
        found[name] = None

    for name in queues:
        add(name)
    return list(found)


def _last_of_minute(at_us: int) -> int:
    """Return the last microsecond of the minute in which an instant lies."""
    return (at_us // MINUTE_US + 1) * MINUTE_US - 1
