"""What came out of a run: frozen records, without anything of the computer that it ran on."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from attrs import frozen

Numbers = tuple[float | None, ...]  #: one for each minute; None where there is nothing to say


@frozen(kw_only=True)
class Peak:
    """The largest value of a one-minute series, and the minute where it came first."""

    value: float
    at_s: int  #: since the start: when it was measured, or the begin of the minute of which it is the most


@frozen(kw_only=True)
class Latency:
    """Percentiles of the time from send to delete, exact by nearest rank, over all messages that were processed."""

    p50_s: float
    p95_s: float
    p99_s: float


@frozen(kw_only=True)
class QueueMinutes:
    """A queue by the minute. Counts are sums, the rest is the value at the end of the minute."""

    sent: Numbers
    received: Numbers
    deleted: Numbers  #: as CloudWatch counts: deletes that found nothing included
    dead_lettered: Numbers
    expired: Numbers
    visible: Numbers
    in_flight: Numbers
    delayed: Numbers
    backlog: Numbers  #: visible and in flight
    oldest_age_s: Numbers


@frozen(kw_only=True)
class FunctionMinutes:
    """A function by the minute. Counts are sums; concurrency is the most, duration the mean."""

    invocations: Numbers
    errors: Numbers  #: in the minute in which the invocation began
    throttles: Numbers
    concurrency: Numbers
    duration_s: Numbers


@frozen(kw_only=True)
class Minutes:
    """All series of a run."""

    count: int  #: minutes, from 0 on
    concurrency: Numbers  #: of all functions together, the most
    queues: Mapping[str, QueueMinutes]
    functions: Mapping[str, FunctionMinutes]


@frozen(kw_only=True)
class QueueReport:
    """What befell the messages of a queue."""

    name: str
    is_read: bool  #: whether a mapping reads it
    sent: int
    moved_in: int  #: as a dead-letter queue
    received: int  #: deliveries
    processed: int  #: deleted
    dead_lettered: int  #: moved to the dead-letter queue
    expired: int
    left: int  #: still there at the end
    left_visible: int
    left_in_flight: int
    left_delayed: int
    left_never_invoked: int  #: of those left: no invocation ever had them
    backlog_peak: Peak | None
    oldest_age_peak_s: Peak | None
    latency: Latency | None
    sqs_requests: int
    sqs_requests_billed: int
    cost_usd: Decimal


@frozen(kw_only=True)
class FunctionReport:
    """What a function did."""

    name: str
    reserved_concurrent_executions: int | None
    invocations: int
    failed: int  #: invocations that ended with an error, timeouts included
    throttles: int
    throttles_by_reason: Mapping[str, int]
    cold_starts: int
    concurrency_peak: Peak | None
    billed_gb_s: float
    cost_usd: Decimal


@frozen(kw_only=True)
class MappingReport:
    """What a mapping did. Counts are messages, but for the attempts."""

    queue: str
    function: str
    polled: int  #: received
    attempts: int  #: to invoke, throttled ones included
    attempted: int  #: in all attempts
    batch_size_mean: float | None  #: messages per attempt
    failed: int  #: in attempts that failed
    deleted: int
    given_up: int  #: in batches that were dropped after throttles
    duplicates: int  #: processed more than once
    concurrency_limit: int  #: at the end
    poller_seconds: int  #: of pollers of its own that are charged for
    cost_usd: Decimal  #: of these

    @property
    def name(self) -> str:
        """Both ends."""
        return f"{self.queue} > {self.function}"


@frozen(kw_only=True)
class Total:
    """Everything together."""

    sent: int
    processed: int
    dead_lettered: int
    expired: int
    left: int
    duplicates: int
    invocations: int
    failed: int
    throttles: int
    cold_starts: int
    concurrency_peak: Peak | None
    latency: Latency | None
    sqs_requests: int
    sqs_requests_billed: int
    billed_gb_s: float
    lambda_cost_usd: Decimal
    sqs_cost_usd: Decimal

    @property
    def cost_usd(self) -> Decimal:
        """Lambda and SQS."""
        return self.lambda_cost_usd + self.sqs_cost_usd


@frozen(kw_only=True)
class Report:
    """What came out of a run."""

    title: str
    version: str  #: of lambdasim
    seed: int
    start_us: int  #: the instant of zero, since the Unix epoch
    concurrent_executions: int  #: the limit of the account
    arrivals_us: int  #: how long arrivals were looked at
    simulated_us: int
    total: Total
    queues: tuple[QueueReport, ...]
    functions: tuple[FunctionReport, ...]
    mappings: tuple[MappingReport, ...]
    minutes: Minutes
