"""What functions, provisioned environments and pollers cost (LAM §12)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from lambdasim import ColdStartModel, PriceBook, RuntimeModel, Simulation
from lambdasim.errors.lambda_ import (
    InvalidRequestContentException,
    RequestTooLargeException,
    ResourceNotFoundException,
    TooManyRequestsException,
)
from lambdasim.lambda_ import Outcome, ProvisioningModel

US = Decimal("0.000001")
CENT = Decimal("0.01")
AT_ONCE = ProvisioningModel(prepare_s=0, rate_per_s=1_000_000)
MB = 128
FIVE_MINUTES_MS = 300_000


def make(sim, *, handler=None, provisioned=None, name="worker", **more):
    """Make a function with version 1, provisioned for it if asked, and wait until that is ready."""
    function = sim.create_function(name, handler, **more)
    function.publish_version()
    if provisioned:
        function.put_provisioned_concurrency_config("1", provisioned)
        sim.run_until(lambda: function.get_provisioned_concurrency_config("1").status == "READY")
    return function


# ---- LAM-300, LAM-301: invocations on demand


@pytest.mark.rule("LAM-300")
@pytest.mark.parametrize(
    ("duration", "init", "billed"),
    [
        ("0.999999", None, 1_000),
        ("1", None, 1_000),
        ("1.000001", None, 1_001),
        ("1", "0.000001", 1_001),
        ("0.9995", "0.000499", 1_000),
        ("0.9995", "0.0005", 1_000),
        ("0.9995", "0.000501", 1_001),
    ],
)
def test_the_sum_of_duration_and_init_is_rounded_up_once(sim, duration, init, billed):
    worker = sim.create_function(
        "worker", duration=Decimal(duration), settings=[ColdStartModel(init_s=Decimal(init or 0))]
    )
    worker.invoke()
    assert worker.invocations[0].billed_ms == billed
    worker.invoke()  # warm
    assert worker.invocations[1].billed_ms == -(-round(Decimal(duration) * 1_000_000) // 1_000)


@pytest.mark.rule("LAM-300", "LAM-083")
def test_an_init_that_is_repeated_is_billed_within_the_duration(sim):
    durations = iter((10, 1, 1))
    worker = sim.create_function(
        "worker",
        lambda event, context: context.sleep(next(durations)),
        duration=0,
        timeout=4,
        settings=[ColdStartModel(init_s=2)],
    )
    for _ in range(3):
        worker.invoke()
    assert [invocation.billed_ms for invocation in worker.invocations] == [6_000, 3_000, 1_000]


@pytest.mark.rule("LAM-300", "LAM-126")
@pytest.mark.parametrize(("billing", "billed"), [("current", 10_000 + 13_000), ("pre_2025_08", 13_000)])
def test_a_cut_init_is_billed_10_s_and_once_more_within_the_duration(billing, billed):
    sim = Simulation(settings=[ColdStartModel(init_s=12), RuntimeModel(billing=billing)])
    worker = sim.create_function("worker", duration=1, timeout=20)
    worker.invoke()
    assert worker.invocations[0].billed_ms == billed
    assert worker.billed_mb_ms == billed * MB


@pytest.mark.rule("LAM-301")
def test_a_bill_is_memory_times_time_of_each_version(sim):
    worker = make(sim, duration=Decimal("0.5"), memory_size=1_536)
    worker.update_function_configuration(memory_size=512)
    worker.invoke(qualifier="1")
    assert worker.billed_mb_ms == 1_536 * 500
    worker.invoke()
    assert worker.billed_mb_ms == (1_536 + 512) * 500
    assert Fraction(worker.billed_mb_ms, 1_024 * 1_000) == 1  # GB-seconds


@pytest.mark.rule("LAM-301", "LAM-027")
def test_what_was_admitted_is_billed_by_the_configuration_of_its_admission(sim):
    worker = sim.create_function("worker", duration=1, memory_size=1_024)
    running = sim.spawn(worker.wait_invoke())
    sim.run(until=0.5)
    worker.update_function_configuration(memory_size=128)
    sim.run()
    assert running.result().status_code == 200
    assert worker.billed_mb_ms == 1_024 * 1_000


@pytest.mark.rule("LAM-301", "LAM-081")
def test_an_init_that_fails_is_billed_for_its_time(sim):
    def init():
        msg = "no database"
        raise OSError(msg)

    worker = sim.create_function("worker", init=init, duration=5, settings=[ColdStartModel(init_s=2)])
    assert worker.invoke().function_error == "Unhandled"
    [invocation] = worker.invocations
    assert invocation.outcome is Outcome.INIT_ERROR
    assert sim.now == 2
    assert (invocation.duration_us, invocation.billed_ms) == (0, 2_000)
    assert worker.billed_mb_ms == 2_000 * MB
    assert worker.snapshot().invocations == 1  # and one request


@pytest.mark.rule("LAM-301", "LAM-065", "LAM-063")
def test_what_never_ran_is_free(sim):
    worker = make(sim, reserved_concurrent_executions=0)
    for exception, arguments in (
        (TooManyRequestsException, {}),
        (ResourceNotFoundException, {"qualifier": "7"}),
        (InvalidRequestContentException, {"payload": "{"}),
        (RequestTooLargeException, {"payload": '"' + "x" * 6_291_456 + '"'}),
    ):
        with pytest.raises(exception):
            worker.invoke(**arguments)
    worker.invoke(invocation_type="DryRun")
    assert worker.billed_mb_ms == worker.billed_provisioned_mb_ms == worker.provisioned_mb_ms() == 0
    assert worker.snapshot().invocations == 0


@pytest.mark.rule("LAM-301", "LAM-028")
def test_what_runs_when_its_function_is_deleted_is_billed(sim):
    worker = make(sim, duration=2)
    running = sim.spawn(worker.wait_invoke())
    sim.run(until=1)
    worker.delete_function()
    sim.run()
    assert running.result().status_code == 200
    assert worker.billed_mb_ms == 2_000 * MB


# ---- LAM-302: provisioned


@pytest.mark.rule("LAM-302")
def test_provisioned_invocations_are_billed_apart_and_what_spills_over_as_usual():
    sim = Simulation(settings=[AT_ONCE])
    worker = make(sim, provisioned=2, duration=Decimal("1.0001"))
    for _ in range(3):
        sim.spawn(worker.wait_invoke(qualifier="1"))
    sim.run()
    assert worker.billed_provisioned_mb_ms == 2 * 1_001 * MB
    assert worker.billed_mb_ms == 1_001 * MB
    worker.invoke()
    assert worker.billed_mb_ms == 2 * 1_001 * MB
    assert worker.snapshot().invocations == 4  # four requests


@pytest.mark.rule("LAM-302")
def test_the_init_of_provisioned_environments_is_billed_as_provisioned_duration():
    sim = Simulation(settings=[AT_ONCE, ColdStartModel(init_s=Decimal("2.5"))])
    worker = make(sim, provisioned=3, duration=1)
    assert worker.billed_provisioned_mb_ms == 3 * 2_500 * MB
    worker.invoke(qualifier="1")
    assert worker.invocations[0].billed_ms == 1_000  # no init in its own bill
    assert worker.billed_provisioned_mb_ms == (3 * 2_500 + 1_000) * MB
    assert worker.billed_mb_ms == 0


@pytest.mark.rule("LAM-302")
@pytest.mark.parametrize(
    ("kept", "minutes"),
    [
        (US, 5),
        (Decimal(1), 5),
        (300 - US, 5),
        (Decimal(300), 5),
        (300 + US, 10),
        (600 - US, 10),
        (Decimal(600), 10),
        (600 + US, 15),
        (Decimal(7_200), 120),
    ],
)
def test_what_is_set_aside_is_charged_from_the_put_to_the_delete_in_steps_of_five_minutes(sim, kept, minutes):
    worker = make(sim, memory_size=1_024)
    sim.run(until=Decimal("17.5"))
    worker.put_provisioned_concurrency_config("1", 4)
    sim.run(until=Decimal("17.5") + kept)
    wanted = 4 * 1_024 * minutes * 60_000
    assert worker.provisioned_mb_ms() == wanted  # as of now
    worker.delete_provisioned_concurrency_config("1")
    assert worker.provisioned_mb_ms() == wanted
    sim.run(until=10_000)
    assert worker.provisioned_mb_ms() == wanted


@pytest.mark.rule("LAM-302")
def test_each_config_is_charged_by_itself(sim):
    worker = make(sim)
    worker.update_function_configuration(memory_size=256)
    worker.publish_version()
    worker.put_provisioned_concurrency_config("1", 2)
    sim.run(until=200)
    worker.put_provisioned_concurrency_config("2", 3)
    sim.run(until=400)
    # 400 s make 10 minutes, 200 s make 5
    assert worker.provisioned_mb_ms() == 2 * MB * 2 * FIVE_MINUTES_MS + 3 * 256 * FIVE_MINUTES_MS
    worker.delete_provisioned_concurrency_config("1")
    sim.run(until=900)
    worker.put_provisioned_concurrency_config("1", 1)
    # 700 s of the second make 15 minutes
    assert worker.provisioned_mb_ms() >= 2 * MB * 2 * FIVE_MINUTES_MS + 3 * 256 * 3 * FIVE_MINUTES_MS
    sim.run(until=900 + US)
    assert worker.provisioned_mb_ms() == (2 * 2 + 1) * MB * FIVE_MINUTES_MS + 3 * 256 * 3 * FIVE_MINUTES_MS


@pytest.mark.rule("LAM-302")
def test_what_was_charged_stays_charged_when_the_amount_or_the_alias_changes(sim):
    worker = make(sim)
    worker.update_function_configuration(memory_size=256)
    worker.publish_version()
    worker.create_alias("live", "1")
    worker.put_provisioned_concurrency_config("live", 4)
    charged = []
    for change in (
        lambda: worker.put_provisioned_concurrency_config("live", 6),
        lambda: worker.put_provisioned_concurrency_config("live", 2),
        lambda: worker.update_alias("live", function_version="2"),
        lambda: worker.delete_provisioned_concurrency_config("live"),
    ):
        sim.run(until=sim.now + 600)
        charged.append(worker.provisioned_mb_ms())
        change()
        assert worker.provisioned_mb_ms() == charged[-1]
    per_environment = 2 * MB * FIVE_MINUTES_MS  # of 600 s
    assert charged == [4 * per_environment, 10 * per_environment, 12 * per_environment, 16 * per_environment]


@pytest.mark.rule("LAM-302", "LAM-028")
def test_a_deleted_function_is_charged_no_further(sim):
    worker = make(sim)
    worker.put_provisioned_concurrency_config("1", 1)
    sim.run(until=10)
    worker.delete_function()
    sim.run(until=1_000)
    assert worker.provisioned_mb_ms() == MB * FIVE_MINUTES_MS


@pytest.mark.rule("LAM-302")
def test_what_is_provisioned_costs_its_time_its_requests_and_a_lower_price_of_duration():
    book = PriceBook()
    hour = 3_600 * 1_024 * 1_000  # GB-seconds of an hour, as MB-milliseconds
    assert book.lambda_cost_exact(requests=0, mb_ms=0, allocated_mb_ms=100 * hour) == 360_000 * Decimal("0.0000041667")
    assert book.lambda_cost_exact(requests=0, mb_ms=0, provisioned_mb_ms=hour) == 3_600 * Decimal("0.0000097222")
    together = book.lambda_cost_exact(
        requests=1_000_000, mb_ms=hour, provisioned_mb_ms=2 * hour, allocated_mb_ms=3 * hour
    )
    assert together == (
        Decimal("0.20")
        + 3_600 * Decimal("0.0000166667")
        + 7_200 * Decimal("0.0000097222")
        + 10_800 * Decimal("0.0000041667")
    )
    rounded = book.lambda_cost(requests=1_000_000, mb_ms=hour, provisioned_mb_ms=2 * hour, allocated_mb_ms=3 * hour)
    assert rounded == together.quantize(CENT)
    assert -2 == rounded.as_tuple().exponent


# ---- LAM-303: pollers of mappings in provisioned mode


@pytest.mark.rule("LAM-303", "LAM-341")
@pytest.mark.parametrize(
    ("seconds", "units", "cost"),
    [
        (3_600, 8_000, "74.00"),
        (8_000 * 3_600, 1, "74.00"),
        (60, 480_000, "74.00"),
        (1, 480_000, "74.00"),  # a minute at least
        (59, 480_000, "74.00"),
        (61, 480_000, "75.23"),
        (3_600, 0, "0.00"),
    ],
)
def test_pollers_are_charged_by_the_second_and_for_a_minute_at_least(seconds, units, cost):
    assert PriceBook().poller_cost(seconds=seconds, units=units).quantize(CENT) == Decimal(cost)


# ---- LAM-340, LAM-341


@pytest.mark.rule("LAM-340")
def test_prices_of_provisioned_concurrency_and_pollers_are_those_of_us_east_1():
    book = PriceBook()
    assert book.provisioned_gb_second == Decimal("0.0000041667")
    assert book.provisioned_duration_gb_second == Decimal("0.0000097222")
    assert book.event_poller_unit_hour == Decimal("0.00925")
    assert book.requests_per_million == Decimal("0.20")
    assert book.gb_second_x86 == Decimal("0.0000166667")
    assert book.gb_second_arm == Decimal("0.0000133334")
    assert book.sqs_requests_per_million == Decimal("0.40")


@pytest.mark.rule("LAM-340", "LAM-010")
def test_each_price_can_be_changed():
    book = PriceBook(
        provisioned_gb_second=Decimal(1), provisioned_duration_gb_second=Decimal(10), event_poller_unit_hour=Decimal(6)
    )
    gb_second = 1_024 * 1_000
    assert book.lambda_cost_exact(requests=0, mb_ms=0, allocated_mb_ms=3 * gb_second) == 3
    assert book.lambda_cost_exact(requests=0, mb_ms=0, provisioned_mb_ms=3 * gb_second) == 30
    assert book.poller_cost(seconds=1_800, units=1) == 3


@pytest.mark.rule("LAM-341", "LAM-301")
def test_the_checks_of_the_rule_hold_for_functions_that_ran(sim):
    second = make(sim, name="second", duration=1, memory_size=1_024)
    half = make(sim, name="half", duration=Decimal("0.5"), memory_size=1_536)
    for function, times in ((second, 30), (half, 30)):
        for _ in range(times):
            function.invoke()
    assert Fraction(second.billed_mb_ms, 1_024 * 1_000) == 30
    assert Fraction(half.billed_mb_ms, 1_024 * 1_000) == Fraction(45, 2)
    cost = sim.prices.lambda_cost(requests=30_000_000, mb_ms=second.billed_mb_ms * 1_000_000)
    assert cost == Decimal("506.00")
    assert half.billed_mb_ms * 100_000 == 2_250_000 * 1_024 * 1_000
