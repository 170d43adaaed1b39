"""What a run reports, against figures worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lambdasim.cli.loading import load
from lambdasim.cli.problems import ScenarioError
from lambdasim.cli.results import Latency, Peak
from lambdasim.cli.run import Run

TEN_AT_ONCE = """
[queues.orders]
[functions.worker]
duration = 1
[[mappings]]
queue = "orders"
function = "worker"
[[arrivals]]
queue = "orders"
kind = "burst"
count = 10
"""
ALWAYS_FAILS = """
[queues.orders]
visibility_timeout = 30
dead_letter_queue = "dlq"
max_receive_count = 1
[queues.dlq]
message_retention_period = 120
[functions.worker]
failure_rate = 1
[[mappings]]
queue = "orders"
function = "worker"
[[arrivals]]
queue = "orders"
kind = "burst"
count = 1
"""
BUSY = """
duration = "10 min"
[queues.orders]
visibility_timeout = 20
dead_letter_queue = "dlq"
max_receive_count = 2
[queues.dlq]
[functions.worker]
timeout = 3
duration = { distribution = "lognormal", median = 0.3, p99 = 4 }
failure_rate = 0.2
reserved_concurrent_executions = 4
cold_start = "TYPICAL"
[[mappings]]
queue = "orders"
function = "worker"
[[arrivals]]
queue = "orders"
kind = "poisson"
rate_per_s = 8
[[arrivals]]
queue = "orders"
kind = "bursts"
count = 50
every = "2 min"
"""


@pytest.fixture
def made(tmp_path):
    """Return a run of a text, overrides given or not."""

    def make(text, *overrides, **options):
        file = tmp_path / "s.toml"
        file.write_text(text)
        return Run(*load(file, overrides), **options)

    return make


@pytest.fixture
def report(made):
    """Return what comes out of a text."""

    def run(text, *overrides, **options):
        ready = made(text, *overrides, **options)
        ready.run()
        ready.simulation.check_invariants()
        return ready.report()

    return run


def test_ten_messages_in_one_batch(report):
    """One receive, one invocation of a second, one delete; the run ends with the minute."""
    found = report(TEN_AT_ONCE, title="ten")
    assert ("ten", 0, 0, 60_000_000) == (found.title, found.seed, found.arrivals_us, found.simulated_us)
    (queue,), (function,), (mapping,) = found.queues, found.functions, found.mappings
    assert (10, 10, 10, 0, 0) == (queue.sent, queue.received, queue.processed, queue.dead_lettered, queue.left)
    assert Latency(p50_s=1.0, p95_s=1.0, p99_s=1.0) == queue.latency == found.total.latency
    # At the end of the minute nothing is left of the backlog.
    assert Peak(value=0, at_s=60) == queue.backlog_peak == queue.oldest_age_peak_s
    # 10 sends, a receive, a delete; four pollers wait from 0 on (empty at 20, 40, 60 s), one from 1 s on (at 21, 41 s).
    assert 10 + 1 + 1 + 4 * 3 + 2 == queue.sqs_requests == queue.sqs_requests_billed == found.total.sqs_requests
    assert (1, 0, 0, 1) == (function.invocations, function.failed, function.throttles, function.cold_starts)
    assert Peak(value=1, at_s=0) == function.concurrency_peak == found.total.concurrency_peak
    assert 128 / 1024 == function.billed_gb_s
    assert Decimal("0.0000166667") / 8 + Decimal("0.20") / 1_000_000 == function.cost_usd == found.total.lambda_cost_usd
    assert 26 * Decimal("0.40") / 1_000_000 == queue.cost_usd == found.total.sqs_cost_usd
    assert found.total.lambda_cost_usd + found.total.sqs_cost_usd == found.total.cost_usd
    assert (1, 10.0) == (mapping.attempts, mapping.batch_size_mean)
    assert (10, 10, 0, 10, 0, 0) == (
        mapping.polled,
        mapping.attempted,
        mapping.failed,
        mapping.deleted,
        mapping.given_up,
        mapping.duplicates,
    )
    assert "orders > worker" == mapping.name


def test_a_message_that_always_fails_ends_in_the_dead_letter_queue(report):
    """Failed at 0.1 s, visible and moved at 30 s, gone with its retention at 120 s from the send."""
    found = report(ALWAYS_FAILS, "duration=150")
    orders, dlq = found.queues
    assert (1, 0, 1, 0, 0) == (orders.sent, orders.processed, orders.dead_lettered, orders.expired, orders.left)
    assert (0, 1, 1, 0) == (dlq.sent, dlq.moved_in, dlq.expired, dlq.left)
    assert Peak(value=1, at_s=60) == dlq.backlog_peak
    assert Peak(value=30.0, at_s=60) == dlq.oldest_age_peak_s
    assert [1, 0, 0] == list(found.minutes.queues["orders"].dead_lettered)
    assert [0, 0, 1] == list(found.minutes.queues["dlq"].expired)
    assert (1, 1) == (found.functions[0].invocations, found.functions[0].failed)
    assert found.total.latency is None
    assert 150_000_000 == found.arrivals_us
    assert (True, False) == (orders.is_read, dlq.is_read)


def test_dead_letters_that_never_ran_are_counted(report):
    """Reserved 0: attempts at 0, 1, 3, 7, 15 s, all refused; the message moves at 30 s and was never invoked."""
    found = report(ALWAYS_FAILS, "functions.worker.reserved_concurrent_executions=0", "functions.worker.failure_rate=0")
    function, dlq = found.functions[0], found.queues[1]
    assert (0, 5, 0) == (function.invocations, function.throttles, function.cold_starts)
    assert (5, 1.0) == (found.mappings[0].attempts, found.mappings[0].batch_size_mean)
    assert {"ReservedFunctionConcurrentInvocationLimitExceeded": 5} == function.throttles_by_reason
    assert (1, 1) == (dlq.left, dlq.left_never_invoked)
    assert (1, 5, 5) == (found.mappings[0].given_up, found.mappings[0].attempted, found.mappings[0].failed)
    assert 0 == function.reserved_concurrent_executions
    assert [5] == list(found.minutes.functions["worker"].throttles)


def test_backlog_and_age_are_measured_at_the_ends_of_minutes(report):
    """One message a second for three minutes, each taking 150 s, alone in its batch."""
    found = report(
        TEN_AT_ONCE,
        "functions.worker={duration=150, timeout=200}",
        "queues.orders.visibility_timeout=200",
        "mappings.0.batch_size=1",
        "mappings.0.scaling={initial=500}",
        'arrivals=[{queue="orders", kind="constant", rate_per_s=1, duration="3 min"}]',
    )
    (queue,), minutes = found.queues, found.minutes.queues["orders"]
    # At the end of a minute everything of that instant counts: the 61st has come, and at 180 s the 31st is deleted.
    assert [61, 121, 180 - 31, 180 - 91, 180 - 151, 0] == list(minutes.backlog)
    assert [60, 60, 60, 0, 0, 0] == list(minutes.sent)
    assert Peak(value=149, at_s=180) == queue.backlog_peak
    assert Peak(value=149.0, at_s=180) == queue.oldest_age_peak_s
    assert Peak(value=150, at_s=120) == found.functions[0].concurrency_peak
    assert [60, 60, 60, 0, 0, 0] == list(found.minutes.functions["worker"].invocations)
    assert [150, 150, 150, None, None, None] == list(found.minutes.functions["worker"].duration_s)


def test_without_draining_a_run_stops_at_its_duration(report):
    """What is in flight then stays there."""
    found = report(TEN_AT_ONCE, "duration=0.5", "drain=false")
    (queue,) = found.queues
    assert 500_000 == found.simulated_us == found.arrivals_us
    assert (0, 10, 0, 10) == (queue.processed, queue.left, queue.left_visible, queue.left_in_flight)
    assert queue.backlog_peak is None
    assert [None] == list(found.minutes.queues["orders"].visible)
    assert [10] == list(found.minutes.queues["orders"].sent)


def test_arrivals_end_with_the_duration(report):
    """What would come at that very instant, or later, does not; a burst before it does."""
    found = report(
        TEN_AT_ONCE,
        "duration=10",
        'arrivals=[{queue="orders", kind="constant", rate_per_s=1}, {queue="orders", kind="bursts", count=3, every=5}]',
    )
    assert 10 + 3 * 2 == found.total.sent
    assert 10_000_000 == found.arrivals_us


def test_a_rhythm_repeats_itself_to_the_end(report):
    """Two segments of 10 and 20 s, over 65 s: the first one comes three times, the last time for 5 s."""
    found = report(
        TEN_AT_ONCE,
        "duration=65",
        'arrivals=[{queue="orders", kind="piecewise", repeat=true, '
        "segments=[{duration=10, rate_per_s=1}, {duration=20, rate_per_s=0}]}]",
    )
    assert 10 + 10 + 5 == found.total.sent
    assert [20, 5] == list(found.minutes.queues["orders"].sent)


def test_counts_of_a_file_are_played_back(report, tmp_path):
    """Each interval has its count, scaled, spread over it; the file lies beside the scenario."""
    (tmp_path / "counts.csv").write_text("timestamp,value\n2026-01-01 00:00:00,4\n2026-01-01 00:01:00,6\n")
    found = report(TEN_AT_ONCE, 'arrivals=[{queue="orders", kind="csv", file="counts.csv", scale=2.5}]')
    assert [10, 15] == list(found.minutes.queues["orders"].sent)
    assert 120_000_000 == found.arrivals_us


@pytest.mark.parametrize("overrides", [[], ["drain=false"], ["duration=25.5 s", "drain=false"], ["duration=30 min"]])
def test_watching_changes_nothing(made, overrides):
    """A run in slices is the run in one go, and who watches sees it move on, up to the end."""
    plain, watched = made(BUSY, *overrides), made(BUSY, *overrides)
    seen = []
    plain.run()
    watched.run(seen.append)
    assert plain.report() == watched.report()
    assert seen == sorted(seen, key=lambda progress: (progress.now_us, progress.sent, progress.gone))
    assert watched.simulation.now_us == seen[-1].now_us
    assert watched.report().total.sent == seen[-1].sent
    assert watched.report().total.left - watched.report().queues[1].left == seen[-1].sent - seen[-1].gone


def test_series_add_up_to_the_totals(report):
    """Minutes lose nothing and count nothing twice."""
    found = report(BUSY)
    orders, worker = found.minutes.queues["orders"], found.minutes.functions["worker"]
    total = found.total
    assert total.sent == sum(orders.sent)
    assert total.dead_lettered == sum(orders.dead_lettered) > 0
    assert total.invocations == sum(worker.invocations)
    assert total.failed == sum(worker.errors) > 0
    assert total.throttles == sum(worker.throttles) > 0
    assert total.sent == total.processed + total.expired + total.left
    assert {len(series) for record in (orders, worker) for series in _fields(record)} == {found.minutes.count}


def _fields(record):
    return [getattr(record, field.name) for field in type(record).__attrs_attrs__]


def test_the_seed_decides(report):
    """One seed gives one run; the command line's comes before the scenario's."""
    first, again, other = report(BUSY), report(BUSY, "seed=0"), report(BUSY, "seed=5")
    assert first == again
    assert first.total != other.total
    assert other == report(BUSY, seed=5)
    assert 5 == other.seed


def test_several_queues_functions_and_mappings_are_told_apart(report):
    """Each has its own figures, in the order of the file, and the total is their sum."""
    found = report(
        """
        [account]
        concurrent_executions = 300
        [prices]
        sqs_requests_per_million = 1_000_000
        requests_per_million = 0
        gb_second_arm = 8
        [queues.a]
        [queues.b]
        delay_seconds = 10
        [functions.x]
        duration = 1
        [functions.y]
        duration = 2
        architecture = "arm64"
        memory_size = 1024
        [[mappings]]
        queue = "a"
        function = "x"
        [[mappings]]
        queue = "b"
        function = "y"
        batch_size = 1
        [[arrivals]]
        queue = "a"
        kind = "burst"
        count = 3
        message_size = 65_537
        [[arrivals]]
        queue = "b"
        kind = "burst"
        count = 2
        """
    )
    a, b = found.queues
    x, y = found.functions
    assert (["a", "b"], ["x", "y"]) == ([a.name, b.name], [x.name, y.name])
    assert (1.0, 12.0) == (a.latency.p50_s, b.latency.p50_s)
    assert [3.0, 1.0] == [mapping.batch_size_mean for mapping in found.mappings]
    assert 12.0 == found.total.latency.p99_s
    assert 1.0 == found.total.latency.p50_s
    assert (0, 2 * 2 * 8) == (x.cost_usd - Decimal("0.0000166667") / 8, y.cost_usd)
    # Of 65,537 bytes each, a send is billed twice, and the receive of three as four.
    assert 3 + 3 == a.sqs_requests_billed - a.sqs_requests
    assert a.cost_usd == a.sqs_requests_billed
    assert 300 == found.concurrent_executions
    assert (5, 3) == (found.total.processed, found.total.invocations)
    assert Peak(value=2, at_s=0) == found.total.concurrency_peak


def test_a_queue_that_nobody_reads_keeps_what_comes(report):
    """Without functions and mappings messages stay until they expire; nothing is paid but the sends."""
    found = report(TEN_AT_ONCE, "functions={}", "mappings=[]", "account={rps_factor=3}", "duration=90")
    (queue,) = found.queues
    assert (10, 0, 10, 10, False) == (queue.sent, queue.processed, queue.left, queue.left_never_invoked, queue.is_read)
    assert [10, 10] == list(found.minutes.queues["orders"].visible)
    assert (90_000_000, 120_000_000) == (found.arrivals_us, found.simulated_us)
    assert 10 == queue.sqs_requests
    assert Peak(value=0, at_s=0) == found.total.concurrency_peak
    assert 1000 == found.concurrent_executions


def test_pollers_of_a_mapping_cost_what_the_prices_say(report):
    """Three for the minute of the run: the least that is charged for."""
    given = ("mappings.0.minimum_pollers=3", "mappings.0.maximum_pollers=4", "prices.event_poller_unit_hour=2")
    found = report(TEN_AT_ONCE, *given)
    (function,), (mapping,) = found.functions, found.mappings
    assert (180, Decimal("0.1")) == (mapping.poller_seconds, mapping.cost_usd)
    assert function.cost_usd + Decimal("0.1") == found.total.lambda_cost_usd
    plain = report(TEN_AT_ONCE)
    assert (0, Decimal(0)) == (plain.mappings[0].poller_seconds, plain.mappings[0].cost_usd)


def test_settings_of_pollers_reach_the_mapping(made):
    """The numbers, and the table of what each poller does."""
    ready = made(
        TEN_AT_ONCE,
        "mappings.0.minimum_pollers=3",
        "mappings.0.provisioned={invokes_per_poller=4, max_default=9}",
        'mappings.0.polling={receive_latency_s="250 ms"}',
    )
    ready.run()
    mapping = ready.simulation.event_source_mappings[0]
    assert ((3, 9), 12) == (mapping.poller_limits, mapping.snapshot().pollers)
    started = [r.at_us for r in ready.simulation.trace.records if r.kind == "invocation started"]
    assert [250_000] == started or not started  # a run may keep no trace
    assert 10 == mapping.snapshot().deleted_event_count


def test_settings_reach_what_they_are_for(made):
    """Presets and tables become the value objects of the library, where the scenario put them."""
    ready = made(
        BUSY,
        "start=2026-03-01T00:00:00Z",
        'account={concurrent_executions=500, unreserved_floor=50, rps_factor=7, rps_limit="off"}',
        "queues.orders.inflight_limit_standard=77",
        'functions.worker.environments={idle_ttl_s="1 min", reuse="lowest_id"}',
        "functions.worker.scaling_rate=HALF",
        "functions.worker.billing=pre_2025_08",
        "functions.worker.architecture=arm64",
        "mappings.0.scaling={initial=7}",
        "mappings.0.polling={wait_s=7}",
        'mappings.0.batch_window={anchor="first_record"}',
        "mappings.0.backoff=OFF",
        "mappings.0.throttle_retry=SEED",
        'mappings.0.function_response_types=["ReportBatchItemFailures"]',
        "mappings.0.enabled=false",
    )
    sim = ready.simulation
    assert "2026-03-01T00:00:00+00:00" == sim.datetime.isoformat()
    worker, mapping = sim.function("worker"), sim.event_source_mappings[0]
    assert (500, 50) == (sim.pool.account_concurrency, sim.pool.unreserved_floor)
    assert 7 == worker.limits.rps_factor
    assert 77 == sim.queue("orders").config.inflight_limit_standard
    assert "pre_2025_08" == worker.runtime.billing
    assert "arm64" == worker.architecture
    assert mapping.reports_batch_item_failures
    assert "Disabled" == mapping.state
    assert 7 == mapping.snapshot().concurrency_limit


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        (
            "mappings.0.batch_size=11",
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ),
        (
            "functions.worker.timeout=31",
            "mappings.0: Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds",
        ),
        (
            "functions.worker.reserved_concurrent_executions=950",
            (
                "functions.worker: Specified ReservedConcurrentExecutions for function decreases account's "
                "UnreservedConcurrentExecution below its minimum value of [100]."
            ),
        ),
    ],
)
def test_what_aws_refuses_is_an_error_of_the_scenario(made, override, complaint):
    """A combination that AWS does not allow is named with AWS's words and the table where it stands."""
    with pytest.raises(ScenarioError) as caught:
        made(TEN_AT_ONCE, override)
    assert str(caught.value).endswith(complaint)
