"""CloudWatch metrics and billing of functions (LAM §11, §12)."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import pytest

from lambdasim import ColdStartModel, PriceBook, RuntimeModel, Simulation
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import TooManyRequestsException

US = Decimal("0.000001")


def call_at(sim, function, *instants):
    async def call(at):
        await sim.sleep(at)
        with suppress(TooManyRequestsException):
            await function.wait_invoke()

    for at in instants:
        sim.spawn(call(at))


def series(sim, name, statistic="Sum", period=60, **dimensions):
    return list(sim.metrics.series("AWS/Lambda", name, statistic, period, **dimensions))


# ---- LAM-260 to LAM-262


@pytest.mark.rule("LAM-260")
def test_periods_are_minutes_of_the_clock_and_every_statistic_can_be_asked_for(sim):
    durations = iter((1, 2, 4, 5))
    worker = sim.create_function(
        "worker", lambda event, context: None, duration=lambda event: next(durations), timeout=9
    )
    call_at(sim, worker, 0, 60 - US, 60, 120)
    sim.run()
    found = {
        statistic: series(sim, "Duration", statistic, FunctionName="worker")
        for statistic in ("Sum", "Maximum", "Minimum", "Average", "SampleCount", "p50", "p100")
    }
    assert found == {
        "Sum": [(0, 3_000), (60, 4_000), (120, 5_000)],
        "Maximum": [(0, 2_000), (60, 4_000), (120, 5_000)],
        "Minimum": [(0, 1_000), (60, 4_000), (120, 5_000)],
        "Average": [(0, 1_500), (60, 4_000), (120, 5_000)],
        "SampleCount": [(0, 2), (60, 1), (120, 1)],
        "p50": [(0, 1_000), (60, 4_000), (120, 5_000)],
        "p100": [(0, 2_000), (60, 4_000), (120, 5_000)],
    }
    assert series(sim, "Duration", "Sum", 120, FunctionName="worker") == [(0, 7_000), (120, 5_000)]
    assert sim.metrics.series("AWS/Lambda", "Duration", "Sum", FunctionName="worker").unit == "Milliseconds"
    assert sim.metrics.series("AWS/Lambda", "Errors", "Sum", FunctionName="worker").unit == "Count"


@pytest.mark.rule("LAM-260")
@pytest.mark.parametrize(
    ("name", "dimensions"), [("Speed", {}), ("Errors", {"QueueName": "q"}), ("ClaimedAccountConcurrency", {"X": "y"})]
)
def test_a_metric_or_dimension_that_does_not_exist_is_refused(sim, name, dimensions):
    with pytest.raises(UsageError):
        series(sim, name, **dimensions)


@pytest.mark.rule("LAM-261")
def test_the_metrics_of_a_function_are_found_under_its_name_its_resource_and_the_region(sim):
    first, second = (sim.create_function(name, duration=1) for name in ("first", "second"))
    call_at(sim, first, 0, 0)
    call_at(sim, second, 0)
    sim.run()
    for name, statistic, of_first, of_all in (
        ("Invocations", "Sum", 2, 3),
        ("Duration", "SampleCount", 2, 3),
        ("Errors", "SampleCount", 2, 3),
        ("ConcurrentExecutions", "Maximum", 2, 3),
    ):
        assert series(sim, name, statistic, FunctionName="first") == [(0, of_first)]
        assert series(sim, name, statistic, FunctionName="first", Resource="first") == [(0, of_first)]
        assert series(sim, name, statistic, FunctionName="first", Resource="first:1") == []
        assert series(sim, name, statistic) == [(0, of_all)]


@pytest.mark.rule("LAM-262")
def test_invocations_errors_and_durations_bear_the_instant_of_admission(sim):
    worker = sim.create_function("worker", failure_rate=1, duration=Decimal("0.0012345"), timeout=200)
    slow = sim.create_function("slow", failure_rate=1, duration=100, timeout=200)
    call_at(sim, worker, 59, 60)
    call_at(sim, slow, 59)
    sim.run(until=90)
    assert series(sim, "Invocations", FunctionName="slow") == [(0, 1)]  # written at admission
    assert series(sim, "Errors", FunctionName="slow") == []  # at the end, with the timestamp of the begin
    assert series(sim, "Duration", FunctionName="slow") == []
    sim.run()
    assert series(sim, "Errors", FunctionName="slow") == [(0, 1)]
    assert series(sim, "Duration", FunctionName="slow") == [(0, 100_000)]
    assert series(sim, "Duration", FunctionName="worker") == [(0, 1.234), (60, 1.234)]
    assert series(sim, "Invocations", FunctionName="worker") == [(0, 1), (60, 1)]


@pytest.mark.rule("LAM-262")
def test_a_success_is_an_error_datum_of_0(sim):
    worker = sim.create_function("worker")
    call_at(sim, worker, 0, 1, 2)
    sim.run()
    assert series(sim, "Errors", FunctionName="worker") == [(0, 0)]
    assert series(sim, "Errors", "SampleCount", FunctionName="worker") == [(0, 3)]


@pytest.mark.rule("LAM-262", "LAM-266")
def test_throttles_are_written_when_they_happen_and_nowhere_else(sim):
    stopped = sim.create_function("stopped", reserved_concurrent_executions=0)
    call_at(sim, stopped, 1, 2, 60)
    sim.run()
    assert series(sim, "Throttles", FunctionName="stopped") == [(0, 2), (60, 1)]
    for name in ("Invocations", "Errors", "Duration", "ConcurrentExecutions"):
        assert series(sim, name, "SampleCount", FunctionName="stopped") == []


@pytest.mark.rule("LAM-262")
def test_concurrency_is_written_at_every_admission_and_every_end(sim):
    worker = sim.create_function("worker", duration=2, settings=[ColdStartModel(init_s=1)])
    call_at(sim, worker, 0, 1, 1)
    sim.run()
    # 1, 2, 3 at admissions (the init holds its unit), 2 at 3 s, 1 and 0 at 4 s
    assert series(sim, "ConcurrentExecutions", "SampleCount", FunctionName="worker") == [(0, 6)]
    assert series(sim, "ConcurrentExecutions", "Sum", FunctionName="worker") == [(0, 9)]
    assert series(sim, "ConcurrentExecutions", "Maximum", FunctionName="worker") == [(0, 3)]
    assert series(sim, "ConcurrentExecutions", "Minimum", FunctionName="worker") == [(0, 0)]


# ---- LAM-263 to LAM-266


@pytest.mark.rule("LAM-263")
def test_a_concurrency_above_0_is_carried_over_the_borders_of_minutes(sim):
    worker = sim.create_function("worker", duration=150, timeout=200)
    call_at(sim, worker, 30, 50, 310)
    sim.run()
    # ends at 180 and 200: minute 3 opens when the first has ended, with 1 left
    assert series(sim, "ConcurrentExecutions", "Maximum", FunctionName="worker") == [
        (0, 2),
        (60, 2),
        (120, 2),
        (180, 1),
        (300, 1),
        (360, 1),
        (420, 1),
    ]
    assert series(sim, "ConcurrentExecutions", "SampleCount", FunctionName="worker")[:4] == [
        (0, 2),
        (60, 1),
        (120, 1),
        (180, 3),  # carried; the end at 180; the end at 200
    ]


@pytest.mark.rule("LAM-263")
def test_a_minute_in_which_nothing_was_in_flight_has_no_datum(sim):
    worker = sim.create_function("worker", duration=1)
    call_at(sim, worker, 0, 59, 125)
    sim.run(until=600)
    # the second ends at 60 exactly: it was in flight in no part of minute 1, but its end is written there
    assert series(sim, "ConcurrentExecutions", "Maximum", FunctionName="worker") == [(0, 1), (60, 0), (120, 1)]


@pytest.mark.rule("LAM-262", "LAM-264", "LAM-411")
def test_claimed_concurrency_is_what_runs_unreserved_and_all_that_is_set_aside(sim):
    sim.run(until=30)
    orange = sim.create_function("orange", duration=30, timeout=60, reserved_concurrent_executions=600)
    others = sim.create_function("others", duration=30, timeout=60)
    call_at(sim, others, *[40] * 100)  # from now: 70 to 100
    call_at(sim, orange, *[100] * 300)  # 130 to 160
    sim.run(until=300)
    assert series(sim, "ClaimedAccountConcurrency", "Maximum") == [
        (0, 600),
        (60, 700),
        (120, 600),  # orange runs within its reserve
        (180, 600),  # idle minutes too
        (240, 600),
        (300, 600),
    ]
    assert series(sim, "UnreservedConcurrentExecutions", "Maximum") == [(60, 100)]
    assert series(sim, "ConcurrentExecutions", "Maximum") == [(60, 100), (120, 300)]


@pytest.mark.rule("LAM-264", "LAM-157")
def test_what_is_claimed_never_shows_a_value_that_did_not_hold(sim):
    worker = sim.create_function("worker", duration=30, timeout=60)
    call_at(sim, worker, *[0] * 100)
    sim.run(until=1)
    worker.put_function_concurrency(400)
    sim.run(until=10)
    assert series(sim, "ClaimedAccountConcurrency", "Maximum") == [(0, 400)]
    sim.run(until=60)
    worker.delete_function_concurrency()
    sim.run(until=61)
    assert series(sim, "ClaimedAccountConcurrency", "Minimum")[-1] == (60, 0)


@pytest.mark.rule("LAM-265", "LAM-262")
def test_unreserved_concurrency_leaves_reserved_functions_out(sim):
    reserved = sim.create_function("reserved", duration=10, timeout=20, reserved_concurrent_executions=5)
    free = sim.create_function("free", duration=10, timeout=20)
    call_at(sim, reserved, *[0] * 5)
    call_at(sim, free, 0, 0, 50)
    sim.run()
    assert series(sim, "UnreservedConcurrentExecutions", "Maximum") == [(0, 2), (60, 0)]
    assert series(sim, "UnreservedConcurrentExecutions", "SampleCount") == [(0, 5), (60, 1)]


@pytest.mark.rule("LAM-266")
def test_what_is_claimed_stays_within_the_account():
    sim = Simulation(concurrent_executions=300)
    reserved = sim.create_function("reserved", duration=5, timeout=20, reserved_concurrent_executions=150)
    free = sim.create_function("free", duration=5, timeout=20)
    call_at(sim, reserved, *[0] * 200, *[7] * 200)
    call_at(sim, free, *[1] * 200, *[8] * 200)
    sim.run()
    assert series(sim, "ClaimedAccountConcurrency", "Maximum") == [(0, 300)]
    assert series(sim, "Invocations") == [(0, 600)]
    assert series(sim, "Throttles") == [(0, 200)]


# ---- LAM-300, LAM-301, LAM-340, LAM-341

BILLS = [
    ("0.07967", None, 80),
    ("0.13361", "0.08", 214),
    ("3.01678", "0.084", 3_101),
    ("3.00492", "0.11123", 3_117),
    ("0.1", None, 100),
    ("0", None, 1),
    ("0.000001", None, 1),
    ("0.001", None, 1),
    ("0.001001", None, 2),
    ("0.0995", "0.0005", 100),  # rounded on the exact sum, not one by one
]


@pytest.mark.rule("LAM-300")
@pytest.mark.parametrize(("duration", "init", "billed"), BILLS)
def test_an_invocation_is_billed_its_duration_and_init_rounded_up_to_milliseconds(sim, duration, init, billed):
    model = ColdStartModel(init_s=Decimal(init or "0"))
    worker = sim.create_function("worker", duration=Decimal(duration), timeout=4, settings=[model])
    worker.invoke()
    assert worker.invocations[0].billed_ms == billed
    assert worker.billed_mb_ms == 128 * billed


@pytest.mark.rule("LAM-300", "LAM-010")
def test_the_older_bill_leaves_the_init_out():
    sim = Simulation(settings=[ColdStartModel(init_s=1), RuntimeModel(billing="pre_2025_08")])
    worker = sim.create_function("worker", duration=2)
    worker.invoke()
    assert worker.billed_mb_ms == 2_000 * 128


@pytest.mark.rule("LAM-300")
def test_placement_is_not_billed(sim):
    worker = sim.create_function("worker", duration=2, settings=[ColdStartModel(placement_s=5, init_s=1)])
    worker.invoke()
    assert worker.billed_mb_ms == 3_000 * 128


@pytest.mark.rule("LAM-301", "LAM-065")
def test_failures_and_timeouts_are_billed_and_refusals_are_free(sim):
    failing = sim.create_function("failing", failure_rate=1, duration=1, memory_size=512)
    late = sim.create_function("late", duration=10, memory_size=1_024)
    stopped = sim.create_function("stopped", reserved_concurrent_executions=0)
    failing.invoke()
    late.invoke()
    with pytest.raises(TooManyRequestsException):
        stopped.invoke()
    billed = [function.billed_mb_ms for function in (failing, late, stopped)]
    assert billed == [512_000, 3 * 1_024_000, 0]
    assert Fraction(billed[1], 1_024 * 1_000) == 3  # GB-seconds, without rounding
    assert [function.snapshot().invocations for function in (failing, late, stopped)] == [1, 1, 0]


@pytest.mark.rule("LAM-340")
def test_prices_are_those_of_us_east_1(sim):
    book = PriceBook()
    assert book.requests_per_million == Decimal("0.20")
    assert book.gb_second_x86 == Decimal("0.0000166667")
    assert book.gb_second_arm == Decimal("0.0000133334")
    assert book.sqs_requests_per_million == Decimal("0.40")
    assert sim.prices == book
    cheap = PriceBook(requests_per_million=Decimal("0.10"))
    assert Simulation(settings=[cheap]).prices is cheap


@pytest.mark.rule("LAM-340")
def test_arm_has_a_price_of_its_own_and_sqs_charges_by_request():
    book = PriceBook()
    gb_s = 1_000_000 * 1_024 * 1_000
    assert book.lambda_cost_exact(requests=0, mb_ms=gb_s) == Decimal("16.6667")
    assert book.lambda_cost_exact(requests=0, mb_ms=gb_s, architecture="arm64") == Decimal("13.3334")
    assert book.lambda_cost_exact(requests=1, mb_ms=0) == Decimal("0.0000002")
    assert book.sqs_cost_exact(billed_requests=2_500_000) == Decimal("1.00")


@pytest.mark.rule("LAM-341", "LAM-301")
def test_thirty_million_seconds_at_a_gigabyte_cost_506_dollars():
    book = PriceBook()
    assert book.lambda_cost(requests=30_000_000, mb_ms=30_000_000 * 1_000 * 1_024) == Decimal("506.00")
    assert book.lambda_cost(requests=0, mb_ms=30_000_000 * 1_000 * 1_024) == Decimal("500.00")
    assert book.lambda_cost(requests=30_000_000, mb_ms=0) == Decimal("6.00")
    gb_seconds = Fraction(3_000_000 * 500 * 1_536, 1_024 * 1_000)
    assert gb_seconds == 2_250_000
    assert book.lambda_cost_exact(requests=0, mb_ms=3_000_000 * 500 * 1_536) == 2_250_000 * book.gb_second_x86
