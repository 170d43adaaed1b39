"""The agenda of the clock beside a bare heap, and wake-ups beside SimPy's."""

from functools import partial

from benchmarks.floors import heaps, simpy_models
from benchmarks.floors.heaps import horizon, periods
from benchmarks.timing import Aim, Group, Row, rate
from lambdasim import Clock


def schedule(pending: int, events: int) -> float:
    delays = periods(pending)
    until_us, total = horizon(delays, events)

    def work():
        clock = Clock(trace=0)
        put = clock.schedule

        def act(delay_us):
            put(clock.now_us + delay_us, act, delay_us)

        for delay_us in delays:
            put(delay_us, act, delay_us)
        clock.run(until_us=until_us)

    return rate(total, work)


def timer(pending: int, events: int) -> float:
    delays = periods(pending)
    until_us, total = horizon(delays, events)

    def work():
        clock = Clock(trace=0)
        put = clock.timer

        def act(delay_us):
            put(clock.now_us + delay_us, act, delay_us)

        for delay_us in delays:
            put(delay_us, act, delay_us)
        clock.run(until_us=until_us)

    return rate(total, work)


def call_later(pending: int, events: int) -> float:
    delays = periods(pending)
    until_us, total = horizon(delays, events)

    def work():
        clock = Clock(trace=0)

        def act(delay):
            clock.call_later(delay, act, delay)

        for delay_us in delays:
            clock.call_later(delay_us / 1e6, act, delay_us / 1e6)
        clock.run(until_us=until_us)

    return rate(total, work)


def coroutines(pending: int, events: int) -> float:
    delays = periods(pending)
    until_us, total = horizon(delays, events)

    def work():
        clock = Clock(trace=0)

        async def sleep(delay):
            while True:
                await clock.sleep(delay)

        for delay_us in delays:
            clock.spawn(sleep(delay_us / 1e6))
        clock.run(until_us=until_us)

    return rate(total, work)


def agenda(pending: int, aim: float | None, aim_timer: float | None) -> Group:
    here = f"{pending:,} pending"
    return Group(
        sides={
            "bare": partial(heaps.bare, pending),
            "schedule": partial(schedule, pending),
            "timer": partial(timer, pending),
            "method": partial(heaps.behind_a_method, pending),
            "cancellable": partial(heaps.cancellable, pending),
        },
        rows=(
            Row(f"clock: schedule + run, {here}", "schedule", "bare", aim and Aim(aim)),
            Row(f"clock: timer (cancellable) + run, {here}", "timer", "bare", aim_timer and Aim(aim_timer)),
            Row(f"floor: heap behind a method, {here}", "method", "bare"),
            Row(f"floor: heap of cancellable handles, {here}", "cancellable", "bare"),
        ),
        size=400_000,
        size_min=4 * pending,
    )


GROUPS = (
    agenda(10, None, None),
    agenda(1_000, 0.85, 0.65),
    agenda(100_000, None, None),
    Group(
        sides={
            "simpy process": partial(simpy_models.wake_processes, 1_000),
            "callback": partial(schedule, 1_000),
            "coroutine": partial(coroutines, 1_000),
            "call_later": partial(call_later, 1_000),
            "simpy callback": partial(simpy_models.wake_callbacks, 1_000),
        },
        rows=(
            Row("wake-up: callback, beside SimPy's process", "callback", "simpy process", Aim(1.6)),
            Row("wake-up: callback, beside SimPy's callback", "callback", "simpy callback"),
            Row("wake-up: call_later, beside SimPy's callback", "call_later", "simpy callback"),
            Row("wake-up: coroutine, beside SimPy's process", "coroutine", "simpy process", Aim(1.5)),
        ),
        size=300_000,
    ),
)
