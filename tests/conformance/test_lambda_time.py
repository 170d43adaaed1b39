"""Time, order of events, choices, and the value objects that hold the figures (LAM §1, §2)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs.exceptions import FrozenInstanceError

from lambdasim import (
    ColdStartModel,
    EnvironmentModel,
    LambdaLimits,
    PriceBook,
    RpsModel,
    RuntimeModel,
    ScalingModel,
    ScalingRate,
    Seeded,
    Simulation,
)
from lambdasim.errors import SimulationStalledError, UsageError
from lambdasim.errors.lambda_ import TooManyRequestsException

US = Decimal("0.000001")


def kinds_at(sim, at_us):
    return [record.kind for record in sim.trace.records if record.at_us == at_us]


# ---- LAM-001


@pytest.mark.rule("LAM-001")
@pytest.mark.parametrize(
    ("given", "wanted_us"),
    [
        (2, 2_000_000),
        (0.1, 100_000),
        (Decimal("0.1"), 100_000),
        (timedelta(milliseconds=100), 100_000),
        (0.0000005, 0),
        (0.0000015, 2),
        (Decimal("0.0000025"), 2),
        (Decimal("0.0000035"), 4),
        (0.00000049, 0),
        (0.00000051, 1),
    ],
)
def test_durations_are_rounded_to_microseconds_once_half_to_even(sim, given, wanted_us):
    function = sim.create_function("worker", duration=given)
    function.invoke()
    assert function.invocations[0].duration_us == wanted_us
    assert sim.now_us == wanted_us


@pytest.mark.rule("LAM-001")
def test_instants_are_never_sums_of_binary_floats(sim):
    for _ in range(1_000):
        sim.run_for(0.1)
    assert sim.now_us == 100_000_000

    def handler(event, context):
        for _ in range(1_000):
            context.sleep(0.001)

    sleeper = sim.create_function("sleeper", handler, duration=0)
    sleeper.invoke()
    assert sleeper.invocations[0].duration_us == 1_000_000


# ---- LAM-002


@pytest.mark.rule("LAM-002", "LAM-005", "ESM-132")
def test_at_one_instant_visibility_ends_then_polls_are_served_then_invocations_end_then_new_work_begins(sim):
    queue = sim.create_queue("orders", visibility_timeout=10)
    worker = sim.create_function("worker", duration=10, timeout=10)
    queue.send_message("order")
    sim.create_event_source_mapping(queue, worker)
    sim.run(until=10)
    assert kinds_at(sim, 10_000_000) == [
        "message returned",  # C1
        "message delivered",  # C2
        "invocation ended",  # C3
        "message kept",  # C4: the delete comes with an old handle
        "invocation started",  # C5
    ]


@pytest.mark.rule("LAM-002")
def test_timeouts_come_after_all_other_completions_of_their_instant(sim):
    slow = sim.create_function("slow", duration=2, timeout=1)
    quick = sim.create_function("quick", duration=1, timeout=1)

    async def call(function):
        await function.wait_invoke()

    for function in (slow, quick, slow, quick):
        sim.spawn(call(function))
    sim.run()
    ended = [record.subject for record in sim.trace.records if record.kind == "invocation ended"]
    assert ended == ["quick", "quick", "slow", "slow"]


@pytest.mark.rule("LAM-002")
def test_control_ticks_come_after_completions_and_before_deletes(sim):
    def handler(event, context):
        if event["Records"][0]["body"] == "bad":
            raise ValueError

    queue = sim.create_queue("orders")
    worker = sim.create_function("worker", handler, duration=1)
    for body in ("bad", "good", "bad"):
        queue.send_message(body)
    sim.create_event_source_mapping(queue, worker, batch_size=1)
    sim.run(until=1)
    kinds = kinds_at(sim, 1_000_000)
    assert kinds[:5] == [*["invocation ended"] * 3, "concurrency limit changed", "message deleted"]


@pytest.mark.rule("LAM-002")
def test_growth_ticks_come_after_all_new_work_of_their_instant(sim):
    queue = sim.create_queue("orders")
    worker = sim.create_function("worker", duration=1)
    for _ in range(5):
        queue.send_message("order")
    sim.create_event_source_mapping(queue, worker, batch_size=1)
    sim.run(until=0.1)
    sim.call_at(0.2, queue.send_message, "late")  # C5 of the instant of the first tick
    sim.run(until=0.2)
    assert kinds_at(sim, 200_000) == [
        "message sent",
        "concurrency limit changed",  # C7
        "message delivered",  # by the slot that the tick made, in C5 of the same instant
        "environment started",
        "invocation started",
    ]


@pytest.mark.rule("LAM-002")
def test_ticks_of_several_mappings_run_in_order_of_their_creation_whenever_they_were_put_on_the_agenda(sim):
    worker = sim.create_function("worker", duration=100, timeout=100)
    queues = [sim.create_queue(name, visibility_timeout=100) for name in ("first", "second")]
    first = sim.create_event_source_mapping(queues[0], worker, batch_size=1)
    second = sim.create_event_source_mapping(queues[1], worker, batch_size=1, settings=[ScalingModel.STEP])
    sim.run(until=0)
    for _ in range(400):
        queues[1].send_message("order")  # its tick of 60 s is on the agenda from now on
    sim.run(until=59)
    for _ in range(20):
        queues[0].send_message("order")  # ticks at 59.2, …, 59.8, 60
    sim.run(until=60)
    changed = [r.subject for r in sim.trace.records if r.kind == "concurrency limit changed" and r.at_us == 60_000_000]
    assert changed == [first.uuid, second.uuid]


@pytest.mark.rule("LAM-002")
def test_a_minute_closes_after_all_events_of_its_last_instant(sim):
    queue = sim.create_queue("orders")
    sim.call_at(60, queue.send_message, "order")
    sim.run(until=61)
    visible = sim.metrics.series("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", QueueName="orders")
    assert list(visible) == [(0, 1)]


# ---- LAM-003, LAM-004


@pytest.mark.rule("LAM-003")
def test_an_instant_goes_back_to_earlier_classes_when_new_work_makes_them(sim):
    queue = sim.create_queue("orders")
    worker = sim.create_function("worker", duration=0)
    for _ in range(1_000):
        queue.send_message("order")
    sim.create_event_source_mapping(queue, worker)
    sim.run()
    assert sim.now_us == 0
    assert queue.snapshot().deleted == 1_000
    assert worker.snapshot().invocations == 100
    assert worker.snapshot().environments == 1  # each ended before the next began


@pytest.mark.rule("LAM-003")
def test_work_that_makes_itself_for_ever_in_no_time_is_an_error_that_names_it(sim):
    queue = sim.create_queue("orders")
    worker = sim.create_function("worker", lambda event, context: queue.send_message("again"), duration=0)
    sim.create_event_source_mapping(queue, worker, settings=[ScalingModel(initial=1)])
    sim.clock.same_instant_limit = 5_000
    queue.send_message("first")
    with pytest.raises(
        SimulationStalledError, match=r"5000 events ran at 0\.0 s without time moving; the last one was "
    ):
        sim.run()


@pytest.mark.rule("LAM-004")
def test_a_call_between_two_runs_takes_effect_now_after_what_has_run_at_this_instant(sim):
    queue = sim.create_queue("orders", visibility_timeout=30)
    worker = sim.create_function("worker", duration=10)
    sim.create_event_source_mapping(queue, worker)
    sim.run(until=20)  # the receives that began at 0 have ended empty, others have begun
    queue.send_message("order")
    assert [r.kind for r in sim.trace.records if r.at_us == 20_000_000] == ["message sent", "message delivered"]
    assert worker.snapshot().invocations == 0  # what the call leads to happens when time runs
    sim.run(until=20)
    assert worker.snapshot().invocations == 1


# ---- LAM-005


@pytest.mark.rule("LAM-005")
@pytest.mark.parametrize(("at", "is_admitted"), [(1 - US, False), (Decimal(1), True), (1 + US, True)])
def test_a_unit_of_concurrency_freed_at_an_instant_serves_a_request_of_that_instant(at, is_admitted):
    sim = Simulation(concurrent_executions=1)
    worker = sim.create_function("worker", duration=1)

    async def call(begin):
        await sim.sleep(begin)
        await worker.wait_invoke()

    sim.spawn(call(0))
    second = sim.spawn(call(at))
    if is_admitted:
        sim.run()
        assert worker.snapshot().throttles == 0
    else:
        with pytest.raises(TooManyRequestsException):
            sim.run()
    assert second.is_done


@pytest.mark.rule("LAM-005")
@pytest.mark.parametrize(("at", "cold_starts"), [(1 - US, 2), (Decimal(1), 1), (1 + US, 1)])
def test_an_environment_that_finishes_at_an_instant_is_idle_for_a_request_of_that_instant(sim, at, cold_starts):
    worker = sim.create_function("worker", duration=1)

    async def call(begin):
        await sim.sleep(begin)
        await worker.wait_invoke()

    sim.spawn(call(at))  # made first: order of creation does not decide
    sim.spawn(call(0))
    sim.run()
    assert worker.snapshot().cold_starts == cold_starts


@pytest.mark.rule("LAM-005", "LAM-002")
@pytest.mark.parametrize(("duration", "received"), [(3 - US, 0), (Decimal(3), 1)])
def test_a_message_whose_visibility_ends_is_offered_to_polls_before_an_invocation_that_ends_can_delete_it(
    sim, duration, received
):
    queue = sim.create_queue("orders", visibility_timeout=3)
    worker = sim.create_function("worker", duration=duration, timeout=3)
    queue.send_message("order")
    sim.create_event_source_mapping(queue, worker, settings=[ScalingModel(initial=1)])
    sim.run(until=1)

    async def poll():
        return await queue.wait_receive(wait_time_seconds=20)

    task = sim.spawn(poll())
    sim.run(until=22)
    assert len(task.result()) == received


# ---- LAM-006


def failures(sim, function, times):
    found = []
    for _ in range(times):
        found.append(function.invoke().function_error is not None)
        sim.run_for(1)
    return found


@pytest.mark.rule("LAM-006")
def test_failures_of_one_function_never_shift_those_of_another_or_its_durations():
    class Drawn:
        def sample(self, random):
            return random.random()

    alone = Simulation(seed=3)
    wanted = failures(alone, alone.create_function("worker", failure_rate=0.5, duration=Drawn()), 40)
    assert 5 < sum(wanted) < 35
    durations = [invocation.duration_us for invocation in alone.function("worker").invocations]

    crowded = Simulation(seed=3)
    other = crowded.create_function("other", failure_rate=0.5, duration=Drawn())
    worker = crowded.create_function("worker", failure_rate=0.5, duration=Drawn())
    found = []
    for _ in range(40):
        other.invoke()
        found += failures(crowded, worker, 1)
    assert found == wanted
    assert [invocation.duration_us for invocation in worker.invocations] == durations

    sure = Simulation(seed=3)
    worker = sure.create_function("worker", failure_rate=0.1, duration=Drawn())
    failures(sure, worker, 40)
    assert [invocation.duration_us for invocation in worker.invocations] == durations


@pytest.mark.rule("LAM-006")
def test_another_seed_gives_other_failures():
    runs = []
    for seed in (1, 2):
        sim = Simulation(seed=seed)
        runs.append(failures(sim, sim.create_function("worker", failure_rate=0.5), 40))
    assert runs[0] != runs[1]


@pytest.mark.rule("LAM-006")
def test_seeded_choices_leave_failures_to_the_workload():
    runs = []
    for choices in (None, Seeded(seed=7)):
        sim = Simulation(choices=choices)
        runs.append(failures(sim, sim.create_function("worker", failure_rate=0.5), 40))
    assert runs[0] == runs[1]


@pytest.mark.rule("LAM-006")
def test_a_scripted_chooser_is_asked_for_failures_and_for_nothing_else():
    class Script:
        asked = ()

        def choose(self, point, options):
            self.asked += ((point.name, point.owner, point.weight, tuple(options)),)
            return len(self.asked) % 2

    script = Script()
    sim = Simulation(choices=script)
    worker = sim.create_function("worker", failure_rate=0.25)
    sure = sim.create_function("sure")
    assert failures(sim, worker, 4) == [True, False, True, False]
    assert failures(sim, sure, 2) == [False, False]
    assert len(script.asked) == 4
    assert set(script.asked) == {("lambda.failure", worker.arn, 0.25, ("success", "function error"))}


@pytest.mark.rule("LAM-006")
@pytest.mark.parametrize(("rate", "fails"), [(0, False), (1, True)])
def test_a_failure_rate_of_0_never_fails_and_one_of_1_always_does(sim, rate, fails):
    assert failures(sim, sim.create_function("worker", failure_rate=rate), 20) == [fails] * 20


# ---- LAM-010, LAM-011

FIGURES = [
    (LambdaLimits(), {"account_concurrency": 1_000, "unreserved_floor": 100, "rps_factor": 10}),
    (LambdaLimits(), {"timeout_min_s": 1, "timeout_max_s": 900, "timeout_default_s": 3}),
    (LambdaLimits(), {"memory_min_mb": 128, "memory_max_mb": 10_240, "memory_default_mb": 128}),
    (LambdaLimits(), {"sync_request_bytes": 6_291_456, "sync_response_bytes": 6_291_556}),
    (ColdStartModel(), {"placement_s": 0, "init_s": 0, "init_limit_s": 10}),
    (ColdStartModel.TYPICAL, {"placement_s": Decimal("0.1"), "init_s": Decimal("0.25"), "init_limit_s": 10}),
    (EnvironmentModel(), {"idle_ttl_s": 600, "max_lifetime_s": 7_200, "reuse": "most_recent"}),
    (ScalingRate(), {"capacity": 1_000, "refill_per_s": 100, "mode": "bucket"}),
    (RpsModel(), {"mode": "window", "window_s": 1}),
    (RuntimeModel(), {"error_kind": "Unhandled", "error_format": "current", "billing": "current"}),
    (RuntimeModel(), {"memory_used_mb": 0, "logs_kept": 1_000}),
    (PriceBook(), {"requests_per_million": Decimal("0.20"), "gb_second_x86": Decimal("0.0000166667")}),
]


@pytest.mark.rule("LAM-010")
@pytest.mark.parametrize(("model", "figures"), FIGURES, ids=lambda value: type(value).__name__)
def test_the_figures_are_fields_of_frozen_objects(model, figures):
    assert {name: getattr(model, name) for name in figures} == figures
    with pytest.raises(FrozenInstanceError):
        setattr(model, next(iter(figures)), 1)


@pytest.mark.rule("LAM-010")
def test_of_two_settings_the_narrower_wins():
    sim = Simulation(settings=[ColdStartModel(init_s=1), RuntimeModel(error_kind="Handled")])
    wide = sim.create_function("wide")
    narrow = sim.create_function("narrow", settings=[ColdStartModel(init_s=2)])
    for function, ends in ((wide, 1.1), (narrow, 3.2)):
        function.invoke()
        assert sim.now == ends
    failing = sim.create_function("failing", failure_rate=1)
    assert failing.invoke().function_error == "Handled"


@pytest.mark.rule("LAM-010")
@pytest.mark.parametrize("settings", [[ScalingModel()], [ScalingRate(), ScalingRate.OFF], ["fast"], [ScalingRate]])
def test_a_setting_without_meaning_for_a_function_and_a_second_one_of_a_class_are_refused(sim, settings):
    with pytest.raises(UsageError, match="settings of function 'worker'"):
        sim.create_function("worker", settings=settings)
    assert sim.functions == ()


@pytest.mark.rule("LAM-011")
@pytest.mark.parametrize("limit", [1, 10, 1_000, 1_001, 5_000])
def test_the_account_has_as_much_concurrency_as_was_said(limit):
    sim = Simulation(concurrent_executions=limit, settings=[ScalingRate.OFF])
    worker = sim.create_function("worker", duration=1)
    refused = []

    async def call():
        try:
            await worker.wait_invoke()
        except TooManyRequestsException as error:
            refused.append(error.reason)

    for _ in range(limit + 1):
        sim.spawn(call())
    sim.run(until=0)
    assert worker.snapshot().in_flight == limit
    assert refused == ["ConcurrentInvocationLimitExceeded"]


@pytest.mark.rule("LAM-011")
@pytest.mark.parametrize("limit", [0, -1])
def test_an_account_without_concurrency_is_refused(limit):
    with pytest.raises(ValueError, match=str(limit)):
        Simulation(concurrent_executions=limit)
