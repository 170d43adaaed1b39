from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import Clock
from lambdasim.clock import Priority, Signal
from lambdasim.errors import SimulationStalledError, TaskCancelledError, UsageError
from lambdasim.units import to_seconds
from tests.strategies import durations_us


class ProcessError(Exception):
    """Nothing but itself, so that no other error can be taken for it."""

    def __init__(self, *, required):
        super().__init__(required)


def test_a_process_begins_when_time_runs_and_sleeps_exactly_as_long_as_it_says(clock):
    log = []

    async def process():
        log.append(clock.now)
        await clock.sleep(1.5)
        log.append(clock.now)
        await clock.sleep(timedelta(minutes=1))
        log.append(clock.now)
        return "done"

    clock.run(until=2)
    task = clock.spawn(process())
    assert [] == log
    assert not task.is_done
    clock.run()
    assert [2.0, 3.5, 63.5] == log
    assert task.is_done
    assert "done" == task.result()


@pytest.mark.parametrize(("off_us", "woke"), [(-1, False), (0, True), (1, True)])
def test_a_sleep_ends_at_its_very_instant(clock, off_us, woke):
    log = []

    async def process():
        await clock.sleep(5)
        log.append(clock.now_us)

    clock.spawn(process())
    clock.run(until_us=5_000_000 + off_us)
    assert [5_000_000] * woke == log


def test_a_sleep_of_nothing_lets_what_is_due_go_first(clock):
    log = []

    async def process(name):
        for _ in range(2):
            log.append(name)
            await clock.sleep(0)

    clock.spawn(process("a"))
    clock.spawn(process("b"))
    clock.run()
    assert ["a", "b", "a", "b"] == log
    assert 0 == clock.now_us


@pytest.mark.rule("LAM-002")
def test_a_process_goes_on_among_the_new_work_of_an_instant(clock):
    log = []

    async def process():
        await clock.sleep(1)
        log.append("process")

    clock.spawn(process())
    for priority in (Priority.IDLE_CHECK, Priority.RETRY):
        clock.schedule(1_000_000, log.append, priority.name, priority.value)
    clock.run()
    assert ["RETRY", "process", "IDLE_CHECK"] == log


@pytest.mark.parametrize("duration", [-1, float("nan"), "1", None])
def test_a_sleep_is_a_duration(clock, duration):
    async def process():
        await clock.sleep(duration)

    clock.spawn(process())
    with pytest.raises(UsageError):
        clock.run()
    assert 0 == clock.now_us


def test_the_sleep_of_another_clock_is_refused(clock):
    async def process():
        await clock.sleep(1)
        await Clock().sleep(5)

    clock.spawn(process())
    with pytest.raises(UsageError):
        clock.run()
    assert 1.0 == clock.now


@given(st.lists(st.lists(durations_us(), max_size=5), max_size=5))
def test_processes_wake_in_the_order_of_their_sleeps(sleeps_us):
    clock = Clock(trace=0)
    log = []

    async def process(name, durations):
        for duration_us in durations:
            await clock.sleep(to_seconds(duration_us))
            log.append((clock.now_us, name))

    for name, durations in enumerate(sleeps_us):
        clock.spawn(process(name, durations))
    clock.run()
    expected = []
    for name, durations in enumerate(sleeps_us):
        expected += [(sum(durations[: place + 1]), name) for place in range(len(durations))]
    assert sorted(expected) == sorted(log)
    assert sorted(at_us for at_us, _ in expected) == [at_us for at_us, _ in log]


# ---- results


def test_a_process_may_await_another_for_its_result(clock):
    async def child():
        await clock.sleep(3)
        return 42

    async def parent():
        task = clock.spawn(child())
        await clock.sleep(1)
        return await task, clock.now

    task = clock.spawn(parent())
    clock.run()
    assert (42, 3.0) == task.result()


def test_a_process_may_await_one_that_is_done_already(clock):
    async def child():
        return "early"

    async def parent(task):
        await clock.sleep(9)
        return await task, await task

    task = clock.spawn(parent(clock.spawn(child())))
    clock.run()
    assert ("early", "early") == task.result()


def test_several_processes_may_await_one_and_go_on_in_the_order_of_their_waits(clock):
    log = []

    async def child():
        await clock.sleep(3)
        return "x"

    async def parent(name, task):
        log.append((name, await task, clock.now))

    task = clock.spawn(child())
    for name in "abc":
        clock.spawn(parent(name, task))
    clock.run()
    assert [("a", "x", 3.0), ("b", "x", 3.0), ("c", "x", 3.0)] == log


def test_a_coroutine_may_await_coroutines_of_its_own(clock):
    async def inner():
        await clock.sleep(1)
        return "inner"

    async def outer():
        return [await inner(), await inner()]

    task = clock.spawn(outer())
    clock.run()
    assert ["inner", "inner"] == task.result()
    assert 2.0 == clock.now


def test_a_result_that_is_not_there_yet_is_refused(clock):
    async def process():
        await clock.sleep(1)

    task = clock.spawn(process())
    with pytest.raises(UsageError, match="run the simulation first"):
        task.result()
    clock.run()
    assert task.result() is None


@pytest.mark.parametrize("thing", [lambda: None, 7, "process"])
def test_only_a_coroutine_can_be_spawned(clock, thing):
    with pytest.raises(UsageError, match="takes a coroutine"):
        clock.spawn(thing)
    assert 0 == clock.pending


def test_an_async_function_that_was_not_called_is_no_coroutine(clock):
    async def process():
        pass

    with pytest.raises(UsageError, match="call the async function first"):
        clock.spawn(process)


def test_a_process_says_who_it_is(clock):
    async def refill():
        await clock.sleep(1)

    task = clock.spawn(refill())
    assert "refill" in repr(task)
    assert "waiting" in repr(task)
    clock.run()
    assert "done" in repr(task)


# ---- exceptions


def test_the_exception_of_a_process_that_nobody_awaits_leaves_run_itself(clock):
    async def process():
        await clock.sleep(2)
        raise ProcessError(required="kept")

    task = clock.spawn(process())
    log = []
    clock.call_at(3, log.append, "later")
    with pytest.raises(ProcessError, match="kept") as caught:
        clock.run()
    assert 2.0 == clock.now
    assert task.is_done
    with pytest.raises(ProcessError) as again:
        task.result()
    assert caught.value is again.value
    clock.run()
    assert ["later"] == log


def test_the_exception_of_a_process_goes_to_the_one_that_awaits_it(clock):
    async def child():
        await clock.sleep(2)
        raise ProcessError(required="kept")

    async def parent(task):
        try:
            await task
        except ProcessError as error:
            return str(error), clock.now

    task = clock.spawn(parent(clock.spawn(child())))
    clock.run()
    assert ("kept", 2.0) == task.result()


def test_an_exception_that_was_not_caught_leaves_run_once(clock):
    async def child():
        await clock.sleep(1)
        raise ProcessError(required="x")

    async def parent(task):
        await task

    tasks = [clock.spawn(child())]
    tasks.append(clock.spawn(parent(tasks[0])))
    with pytest.raises(ProcessError):
        clock.run()
    clock.run()
    assert all(task.is_done for task in tasks)


def test_an_exception_is_not_lost_with_the_process_that_awaited_it(clock):
    async def child():
        await clock.sleep(2)
        raise ProcessError(required="x")

    async def parent(task):
        await task

    parent = clock.spawn(parent(clock.spawn(child())))
    clock.call_at(1, parent.cancel)
    with pytest.raises(ProcessError):
        clock.run()


def test_an_interrupt_leaves_run_even_when_somebody_awaits_the_process(clock):
    async def child():
        await clock.sleep(2)
        raise KeyboardInterrupt

    async def parent(task):
        await task

    parent = clock.spawn(parent(clock.spawn(child())))
    with pytest.raises(KeyboardInterrupt):
        clock.run()
    parent.cancel()


# ---- cancelling


def test_a_cancelled_process_goes_no_further_and_cleans_up(clock):
    log = []

    async def process():
        try:
            await clock.sleep(10)
            log.append("never")
        finally:
            log.append(("cleaned", clock.now))

    task = clock.spawn(process())
    clock.call_at(4, task.cancel)
    clock.run()
    assert [("cleaned", 4.0)] == log
    assert 4.0 == clock.now
    assert task.is_done
    with pytest.raises(TaskCancelledError, match="process"):
        task.result()
    task.cancel()


def test_a_process_can_be_cancelled_before_it_begins(clock):
    log = []

    async def process():
        log.append("never")

    task = clock.spawn(process())
    task.cancel()
    clock.run()
    assert [] == log
    assert task.is_done


def test_cancelling_what_is_done_keeps_its_result(clock):
    async def process():
        return 1

    task = clock.spawn(process())
    clock.run()
    task.cancel()
    assert 1 == task.result()


def test_who_awaits_a_cancelled_process_learns_of_it(clock):
    async def child():
        await clock.sleep(10)

    async def parent(task):
        try:
            await task
        except TaskCancelledError:
            return clock.now

    child = clock.spawn(child())
    parent = clock.spawn(parent(child))
    clock.call_at(1, child.cancel)
    clock.run()
    assert 1.0 == parent.result()


def test_a_cancelled_process_no_longer_counts_as_waiting(clock):
    async def process():
        await Signal()

    task = clock.spawn(process())
    with pytest.raises(SimulationStalledError):
        clock.run()
    task.cancel()
    clock.run()


def test_a_process_cannot_cancel_itself(clock):
    async def process():
        await clock.sleep(1)
        try:
            task.cancel()
        except UsageError:
            await clock.sleep(1)
            return clock.now

    task = clock.spawn(process())
    clock.run()
    assert 2.0 == task.result()


def test_a_wait_that_is_given_up_says_so(clock):
    log = []
    signal = Signal()
    signal.on_abandon = lambda: log.append(clock.now)

    async def process():
        await signal

    task = clock.spawn(process())
    clock.call_at(5, task.cancel)
    clock.run()
    assert [5.0] == log


def test_cancelling_between_the_news_and_the_process_ends_it_without_the_news(clock):
    log = []
    signal = Signal()
    signal.on_abandon = lambda: log.append("abandoned")

    async def process():
        log.append(await signal)

    task = clock.spawn(process())
    clock.call_at(5, signal.set, "news")
    clock.call_at(5, task.cancel)
    clock.run()
    assert [] == log
    assert task.is_done


# ---- what cannot happen


def test_a_process_that_waits_for_ever_is_found_when_nothing_is_left(clock):
    async def hopeful():
        await Signal()

    clock.spawn(hopeful())
    clock.call_at(7, lambda: None)
    with pytest.raises(SimulationStalledError, match=r"hopeful.* waits at 7.0 s"):
        clock.run()


def test_two_processes_that_wait_for_each_other_are_found(clock):
    tasks = {}

    async def process(other):
        await clock.sleep(1)
        await tasks[other]

    tasks["a"] = clock.spawn(process("b"))
    tasks["b"] = clock.spawn(process("a"))
    with pytest.raises(SimulationStalledError):
        clock.run()


def test_a_run_with_an_end_does_not_mind_who_waits(clock):
    async def process():
        await Signal()

    clock.spawn(process())
    clock.run(until=10)
    assert 10.0 == clock.now


class Foreign:
    """An awaitable that hands something of its own to whoever drives the coroutine."""

    def __await__(self):
        yield "foreign"


FOREIGN = {
    "asyncio.sleep(0)": lambda: asyncio.sleep(0),
    "asyncio.sleep(1)": lambda: asyncio.sleep(1),
    "an awaitable of another library": Foreign,
}


@pytest.mark.parametrize("name", FOREIGN)
def test_only_simulated_waits_can_be_awaited(clock, name):
    async def process():
        await FOREIGN[name]()

    task = clock.spawn(process())
    with pytest.raises(UsageError, match=r"process.*clock\.sleep"):
        clock.run()
    assert task.is_done
    clock.run()


@pytest.mark.parametrize("name", FOREIGN)
def test_a_process_in_a_program_of_asyncio_still_waits_in_simulated_time_only(clock, name):
    async def process():
        await FOREIGN[name]()

    async def program():
        clock.spawn(process())
        with pytest.raises(UsageError):
            clock.run()

    asyncio.run(program())


def test_a_process_may_catch_the_refusal_and_end(clock):
    async def process():
        try:
            await Foreign()
        except UsageError:
            return "sorry"

    task = clock.spawn(process())
    clock.run()
    assert "sorry" == task.result()


def test_a_process_that_insists_is_ended(clock):
    async def process():
        try:
            await Foreign()
        except UsageError:
            await Foreign()

    task = clock.spawn(process())
    with pytest.raises(UsageError):
        clock.run()
    assert task.is_done
    clock.run()


def test_an_error_about_anything_else_stays_what_it_is(clock):
    async def process():
        raise RuntimeError("of my own")

    clock.spawn(process())
    with pytest.raises(RuntimeError, match="of my own"):
        clock.run()


# ---- signals


def test_a_signal_tells_its_subscribers_at_once_and_in_order():
    signal = Signal()
    log = []
    signal.subscribe(lambda s: log.append(("a", s.result())))
    signal.subscribe(lambda s: log.append(("b", s.result())))
    assert not signal.is_set
    signal.set(1)
    assert signal.is_set
    assert [("a", 1), ("b", 1)] == log


def test_a_signal_that_failed_raises_the_exception_itself():
    signal = Signal()
    error = ProcessError(required="x")
    signal.fail(error)
    with pytest.raises(ProcessError) as caught:
        signal.result()
    assert error is caught.value


def test_the_result_of_a_signal_that_was_not_given_is_refused():
    with pytest.raises(UsageError):
        Signal().result()
