from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdasim import Clock
from lambdasim.clock import Priority, tasks
from lambdasim.errors import SimulationStalledError, UsageError
from lambdasim.units import seconds
from tests.strategies import durations_us

WORK = Priority.WORK.value
CLASSES = [priority for priority in Priority if priority is not Priority.SETTLED]


class CallbackError(Exception):
    """Nothing but itself, so that no other error can be taken for it."""


def boom(_argument=None):
    raise CallbackError


def recorder(clock):
    """A list, and an action that notes in it when it was called and with what."""
    log = []
    return log, lambda argument=None: log.append((clock.now_us, argument))


# ---- order


@pytest.mark.rule("LAM-002", "SQS-004")
def test_events_of_one_instant_run_by_class_whatever_the_order_of_their_making(clock):
    log, note = recorder(clock)
    for priority in reversed(CLASSES):
        clock.schedule(5, note, priority.name, priority.value)
    clock.run()
    assert [priority.name for priority in CLASSES] == [name for _, name in log]


@pytest.mark.rule("LAM-002")
def test_the_classes_stand_in_the_order_of_the_specification():
    assert CLASSES == sorted(CLASSES)
    assert [
        "EXPIRY",
        "RETURN",
        "MOVE",
        "IDLE_TIMER",
        "WAKE",
        "POLL_END",
        "COMPLETION",
        "TIMEOUT",
        "CONTROL",
        "RESULT",
        "RETRY",
        "WORK",
        "IDLE_CHECK",
        "GROWTH",
        "MINUTE",
    ] == [priority.name for priority in CLASSES]


@pytest.mark.rule("LAM-002", "SQS-004")
def test_events_of_one_class_and_instant_run_in_order_of_creation(clock):
    log, note = recorder(clock)
    for number in range(20):
        put = clock.schedule if number % 3 else clock.timer
        put(7, note, number)
    clock.run()
    assert [(7, number) for number in range(20)] == log


def test_an_earlier_instant_goes_before_an_earlier_class(clock):
    log, note = recorder(clock)
    clock.schedule(2, note, "early class", Priority.EXPIRY.value)
    clock.schedule(1, note, "early instant", Priority.MINUTE.value)
    clock.run()
    assert [(1, "early instant"), (2, "early class")] == log


def test_foreground_and_background_share_one_order(clock):
    log, note = recorder(clock)
    clock.timer(3, note, "b1", background=True)
    clock.schedule(3, note, "f1")
    clock.timer(3, note, "b2", background=True)
    clock.schedule(3, note, "f2")
    clock.timer(3, note, "b0", priority=Priority.EXPIRY.value, background=True)
    clock.run()
    assert ["b0", "b1", "f1", "b2", "f2"] == [name for _, name in log]


@pytest.mark.rule("LAM-002")
def test_an_order_of_owners_replaces_the_order_of_creation(clock):
    log, note = recorder(clock)
    for owner in (3, 1, 2):
        clock.timer(5, note, owner, priority=Priority.GROWTH.value, order=owner)
    clock.run()
    assert [1, 2, 3] == [owner for _, owner in log]


def test_an_order_of_owners_holds_within_its_class_only(clock):
    log, note = recorder(clock)
    clock.timer(5, note, "last owner", priority=Priority.CONTROL.value, order=200_000)
    clock.timer(5, note, "next class", priority=Priority.RESULT.value)
    clock.timer(5, note, "first owner", priority=Priority.CONTROL.value, order=1, background=True)
    clock.run()
    assert ["first owner", "last owner", "next class"] == [name for _, name in log]


@pytest.mark.rule("LAM-003")
def test_an_event_may_make_one_of_an_earlier_class_for_the_same_instant(clock):
    log, note = recorder(clock)
    clock.schedule(4, lambda _: clock.schedule(4, note, "earlier class", Priority.EXPIRY.value), None, WORK)
    clock.schedule(4, note, "later in the class", WORK)
    clock.schedule(4, note, "later class", Priority.MINUTE.value)
    clock.run()
    assert ["earlier class", "later in the class", "later class"] == [name for _, name in log]


def test_an_action_gets_its_argument_and_sees_its_instant(clock):
    log, note = recorder(clock)
    marker = object()
    clock.schedule(9, note, marker)
    clock.timer(11, note)
    clock.run()
    assert [(9, marker), (11, None)] == log


@pytest.mark.parametrize("priority", CLASSES)
def test_has_passed_tells_the_classes_that_have_had_their_turn(clock, priority):
    seen = []
    clock.schedule(1, lambda _: seen.extend(p for p in CLASSES if clock.has_passed(p.value)), None, priority.value)
    clock.run()
    assert [p for p in CLASSES if p < priority] == seen


@pytest.mark.rule("LAM-002")
def test_within_a_class_with_orders_has_passed_tells_who_had_its_turn(clock):
    growth, seen = Priority.GROWTH.value, []

    def turn(owner):
        clock.reach(growth, owner)
        seen.append([other for other in (1, 2, 3) if clock.has_passed(growth, other)])

    for owner in (2, 1, 3):
        clock.timer(5, turn, owner, priority=growth, order=owner)
    clock.timer(5, lambda _: seen.append(clock.has_passed(growth, 1)), priority=Priority.CONTROL.value)
    clock.timer(5, lambda _: seen.append(clock.has_passed(growth, 9)), priority=Priority.MINUTE.value)
    clock.timer(6, lambda _: seen.append(clock.has_passed(growth, 1)), priority=Priority.CONTROL.value)
    clock.run()
    assert [False, [1], [1, 2], [1, 2, 3], True, False] == seen


def test_every_class_has_passed_once_run_reached_its_instant(clock):
    assert not any(clock.has_passed(priority.value) for priority in CLASSES)
    clock.run(until_us=5)
    assert all(clock.has_passed(priority.value) for priority in CLASSES)


def test_processes_go_on_in_the_class_of_new_work():
    assert WORK == tasks._WORK


# ---- run


@pytest.mark.rule("SQS-003")
@pytest.mark.parametrize(("off_us", "expected"), [(-1, []), (0, [(10, "x")]), (1, [(10, "x")])])
def test_run_includes_what_is_due_at_its_very_end(clock, off_us, expected):
    log, note = recorder(clock)
    clock.schedule(10, note, "x")
    clock.run(until_us=10 + off_us)
    assert expected == log
    assert 10 + off_us == clock.now_us


@pytest.mark.parametrize("background", [False, True])
def test_what_lies_beyond_the_end_of_a_run_waits_for_the_next(clock, background):
    log, note = recorder(clock)
    clock.timer(10, note, "x", background=background)
    clock.run(until_us=9)
    assert 1 == clock.pending
    clock.run(until_us=10)
    assert [(10, "x")] == log
    assert 0 == clock.pending


def test_run_without_an_end_stops_at_the_last_event(clock):
    clock.schedule(10, lambda _: clock.schedule(25, lambda _: None))
    clock.run()
    assert 25 == clock.now_us


def test_background_events_do_not_keep_run_going(clock):
    log, note = recorder(clock)
    clock.timer(10, note, "background", background=True)
    clock.run()
    assert [] == log
    assert 0 == clock.now_us
    assert 1 == clock.pending


def test_background_events_run_in_their_order_while_something_else_does(clock):
    log, note = recorder(clock)
    clock.timer(10, note, "b10", background=True)
    clock.timer(30, note, "b30", background=True)
    clock.schedule(5, note, "f5")
    clock.schedule(20, note, "f20")
    clock.run()
    assert ["f5", "b10", "f20"] == [name for _, name in log]
    assert 20 == clock.now_us


def test_a_background_event_may_bring_work_that_keeps_run_going(clock):
    log, note = recorder(clock)
    clock.timer(1, lambda _: clock.schedule(50, note, "work"), background=True)
    clock.schedule(2, note, "first")
    clock.run()
    assert [(2, "first"), (50, "work")] == log


def test_run_with_an_end_runs_background_events_up_to_it_and_what_they_bring(clock):
    log, note = recorder(clock)

    def on_background(_):
        note("b10")
        clock.schedule(15, note, "f15")
        clock.timer(18, note, "b18", background=True)
        clock.schedule(21, note, "f21")

    clock.timer(10, on_background, background=True)
    clock.run(until_us=20)
    assert [(10, "b10"), (15, "f15"), (18, "b18")] == log
    assert 20 == clock.now_us


def test_cancelling_the_last_foreground_event_ends_run_where_time_stands(clock):
    log, note = recorder(clock)
    timer = clock.timer(100, note, "never")
    clock.timer(50, note, "background", background=True)
    clock.schedule(10, lambda _: timer.cancel())
    clock.run()
    assert [] == log
    assert 10 == clock.now_us


@pytest.mark.parametrize(
    ("until", "at_us"),
    [
        (2, 2_000_000),
        (0.1, 100_000),
        (Decimal("0.0000015"), 2),
        (datetime(2026, 1, 1, 0, 1, tzinfo=UTC), 60_000_000),
    ],
)
def test_run_takes_seconds_or_an_aware_datetime(clock, until, at_us):
    clock.run(until)
    assert at_us == clock.now_us


@pytest.mark.parametrize("duration", [90, 90.0, Decimal(90), timedelta(seconds=90)])
def test_run_for_advances_exactly_that_far_even_when_nothing_happens(clock, duration):
    clock.run(until=1)
    clock.run_for(duration)
    assert 91.0 == clock.now
    assert datetime(2026, 1, 1, 0, 1, 31, tzinfo=UTC) == clock.datetime


def test_run_up_to_now_runs_what_is_due_now(clock):
    log, note = recorder(clock)
    clock.run(until_us=5)
    clock.schedule(5, note, "now")
    clock.run(until_us=5)
    assert [(5, "now")] == log


@pytest.mark.parametrize(
    "call",
    [
        lambda clock: clock.run(until=41),
        lambda clock: clock.run(until_us=41_999_999),
        lambda clock: clock.run(until=datetime(2026, 1, 1, tzinfo=UTC)),
        lambda clock: clock.run(until=-1),
        lambda clock: clock.run_for(-1),
        lambda clock: clock.call_at(41, boom),
        lambda clock: clock.call_later(-1, boom),
        lambda clock: clock.run_until(lambda: False, timeout=-1),
    ],
    ids=["until", "until_us", "datetime", "negative", "run_for", "call_at", "call_later", "timeout"],
)
def test_the_past_is_refused_and_nothing_moves(clock, call):
    clock.run(until=42)
    with pytest.raises(UsageError):
        call(clock)
    assert 42_000_000 == clock.now_us
    assert 0 == clock.pending


def test_a_refused_instant_is_named_with_now_and_what_to_use(clock):
    clock.run(until=42.5)
    with pytest.raises(UsageError, match=r"run\(until=30.0\) lies in the past: now is 42.5 s; use run_for"):
        clock.run(until=30)
    with pytest.raises(UsageError, match=r"call_at\(30\) lies in the past: now is 42.5 s; use call_later"):
        clock.call_at(30, boom)


@pytest.mark.rule("SQS-001", "LAM-001")
@pytest.mark.parametrize("until_us", [1.5, 2.0, True, "3", Decimal(4)])
def test_an_instant_in_microseconds_is_a_whole_number(clock, until_us):
    with pytest.raises(UsageError):
        clock.run(until_us=until_us)
    assert 0 == clock.now_us
    assert type(clock.now_us) is int


@pytest.mark.parametrize(
    "call",
    [
        lambda clock: clock.run(1, until_us=1),
        lambda clock: clock.run(timedelta(seconds=1)),
        lambda clock: clock.call_at(timedelta(seconds=1), boom),
        lambda clock: clock.run(until=float("nan")),
        lambda clock: clock.run(until=float("inf")),
        lambda clock: clock.run(until=True),
        lambda clock: clock.run(until="12:00"),
        lambda clock: clock.run(until=datetime(2026, 1, 1, 1)),  # noqa: DTZ001 - the point of it
        lambda clock: clock.run_for("1"),
    ],
    ids=["two ends", "duration", "call_at", "nan", "inf", "bool", "text", "naive", "run_for text"],
)
def test_what_is_no_instant_is_refused(clock, call):
    with pytest.raises(UsageError):
        call(clock)
    assert 0 == clock.now_us


# ---- run_until and step


def test_run_until_stops_right_after_the_event_that_makes_it_true(clock):
    log, note = recorder(clock)
    for number in range(3):
        clock.schedule(5, note, number)
    clock.run_until(lambda: len(log) == 2)
    assert [(5, 0), (5, 1)] == log
    assert 1 == clock.pending
    clock.run()
    assert 3 == len(log)


def test_run_until_runs_nothing_when_it_is_true_already(clock):
    log, note = recorder(clock)
    clock.schedule(0, note)
    clock.run_until(lambda: True)
    assert [] == log


def test_run_until_goes_on_with_background_events_alone(clock):
    log, note = recorder(clock)
    clock.timer(10, note, "b", background=True)
    clock.timer(20, note, "c", background=True)
    clock.run_until(lambda: log)
    assert [(10, "b")] == log
    assert 10 == clock.now_us


def test_run_until_is_stalled_when_nothing_is_left(clock):
    clock.schedule(3, lambda _: None)
    clock.timer(4, lambda _: None, background=True)
    with pytest.raises(SimulationStalledError, match=r"does not hold at 4e-06 s"):
        clock.run_until(lambda: False)
    assert 4 == clock.now_us


@pytest.mark.rule("SQS-003")
@pytest.mark.parametrize(("off_us", "in_time"), [(-1, True), (0, True), (1, False)])
@pytest.mark.parametrize("background", [False, True])
def test_the_timeout_of_run_until_is_inclusive(clock, off_us, in_time, background):
    log, note = recorder(clock)
    clock.run(until=1)
    clock.timer(seconds(6) + off_us, note, "x", background=background)
    if in_time:
        clock.run_until(lambda: log, timeout=5)
        assert seconds(6) + off_us == clock.now_us
    else:
        with pytest.raises(TimeoutError, match=r"does not hold after 5 simulated seconds"):
            clock.run_until(lambda: log, timeout=5)
        assert seconds(6) == clock.now_us


@pytest.mark.parametrize("background", [False, True])
def test_a_timeout_loses_no_event(clock, background):
    log, note = recorder(clock)
    clock.timer(seconds(10), note, "x", background=background)
    for timeout in (5, 4):
        with pytest.raises(TimeoutError):
            clock.run_until(lambda: log, timeout=timeout)
    clock.run(until=10)
    assert [(seconds(10), "x")] == log


def test_a_timeout_with_nothing_on_the_agenda_passes_the_time(clock):
    with pytest.raises(TimeoutError):
        clock.run_until(lambda: False, timeout=timedelta(minutes=1))
    assert 60.0 == clock.now


def test_a_background_event_stays_one_after_a_timeout(clock):
    clock.timer(seconds(10), boom, background=True)
    with pytest.raises(TimeoutError):
        clock.run_until(lambda: False, timeout=5)
    clock.run()
    assert 5.0 == clock.now


def test_step_runs_one_event(clock):
    log, note = recorder(clock)
    clock.schedule(5, note, "a")
    clock.schedule(5, note, "b")
    assert clock.step()
    assert [(5, "a")] == log
    assert clock.step()
    assert not clock.step()
    assert [(5, "a"), (5, "b")] == log


def test_step_runs_background_events_that_come_before_work_and_none_after_it(clock):
    log, note = recorder(clock)
    clock.timer(1, note, "b1", background=True)
    clock.schedule(2, note, "f2")
    clock.timer(3, note, "b3", background=True)
    assert clock.step()
    assert clock.step()
    assert not clock.step()
    assert [(1, "b1"), (2, "f2")] == log
    assert 2 == clock.now_us


def test_step_passes_over_cancelled_timers(clock):
    log, note = recorder(clock)
    clock.timer(1, note, "cancelled").cancel()
    clock.timer(1, note, "cancelled", background=True).cancel()
    clock.timer(2, note, "x")
    assert clock.step()
    assert [(2, "x")] == log


# ---- timers


@pytest.mark.parametrize("background", [False, True])
def test_a_cancelled_timer_never_runs(clock, background):
    log, note = recorder(clock)
    timer = clock.timer(5, note, "x", background=background)
    assert timer.is_pending
    timer.cancel()
    timer.cancel()
    assert not timer.is_pending
    assert 0 == clock.pending
    clock.run(until_us=10)
    assert [] == log


@pytest.mark.parametrize("heads", [(False,), (True,), (False, True)])
@pytest.mark.parametrize("drive", ["run", "run_until_us", "step", "run_until"])
def test_cancelled_timers_at_the_head_of_either_heap_are_no_event(clock, heads, drive):
    log, note = recorder(clock)
    for background in heads:
        clock.timer(1, boom, background=background).cancel()
    clock.timer(2, note, "b", background=True)
    clock.schedule(3, note, "f")
    if drive == "run":
        clock.run()
    elif drive == "run_until_us":
        clock.run(until_us=3)
    elif drive == "step":
        assert clock.step()
        assert clock.step()
    else:
        clock.run_until(lambda: len(log) == 2)
    assert [(2, "b"), (3, "f")] == log
    assert 3 == clock.now_us


def test_a_cancelled_timer_does_not_move_time(clock):
    clock.timer(5, boom).cancel()
    clock.run()
    assert 0 == clock.now_us
    assert not clock.step()


@pytest.mark.parametrize("background", [False, True])
def test_an_event_may_cancel_another_of_its_own_instant(clock, background):
    log, note = recorder(clock)
    later = clock.timer(5, note, "later", priority=Priority.MINUTE.value, background=background)
    clock.schedule(5, lambda _: later.cancel())
    clock.schedule(6, note, "next")
    clock.run()
    assert [(6, "next")] == log


def test_cancelling_a_timer_within_its_own_action_does_nothing(clock):
    log, note = recorder(clock)

    def act(_):
        assert not timer.is_pending
        timer.cancel()
        note("ran")

    timer = clock.timer(5, act)
    clock.run()
    assert [(5, "ran")] == log


def test_a_cancelled_timer_holds_nothing(clock):
    timer = clock.timer(5, boom, ["much"])
    timer.cancel()
    assert timer.action is None
    assert timer.argument is None


def test_a_timer_that_fired_may_be_used_once_more(clock):
    log, note = recorder(clock)
    timer = clock.timer(5, note, "first")
    clock.run()
    clock.rearm(timer, 9, note, "second", WORK)
    assert timer.is_pending
    assert 9 == timer.at_us
    clock.run()
    clock.rearm(timer, 12, note, "third", WORK)
    timer.cancel()
    clock.run()
    assert [(5, "first"), (9, "second")] == log


def test_call_at_and_call_later_hand_their_arguments_on(clock):
    log = []
    clock.run(until=1)
    clock.call_later(2.5, lambda *args: log.append((clock.now, args)), 1, "two")
    clock.call_at(2, lambda *args: log.append((clock.now, args)))
    clock.call_at(datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC), lambda *args: log.append((clock.now, args)), 3)
    clock.call_later(timedelta(seconds=9), boom).cancel()
    clock.run()
    assert [(2.0, ()), (3.0, (3,)), (3.5, (1, "two"))] == log


def test_call_at_now_runs_when_time_does(clock):
    log = []
    clock.call_at(0, log.append, "x")
    assert [] == log
    clock.run()
    assert ["x"] == log


# ---- soon

SPREAD_US = (0, 0, 0, 1, 2)


def play(program, drive, *, is_soon):
    """
    Run a program of events and return what it logs: who ran when, and which classes had passed.

    Each event of the program says (delay, class, background) of those that it makes; without a delay they are for this
    instant and for good. With *is_soon* these are made by `soon`, otherwise by `schedule`.
    """
    clock = Clock(trace=0)
    log = []
    left = [60]

    def act(place):
        log.append((clock.now_us, place, clock.pending, tuple(clock.has_passed(p.value) for p in CLASSES)))
        left[0] -= 1
        for number, (delay_us, priority, background) in enumerate(program[place] if left[0] > 0 else ()):
            child = (place * 7 + number * 3 + 1) % len(program)
            if delay_us is not None:
                clock.timer(clock.now_us + delay_us, act, child, priority=priority.value, background=background)
            elif is_soon:
                clock.soon(act, child, priority.value)
            else:
                clock.schedule(clock.now_us, act, child, priority.value)

    clock.schedule(1, act, 0)
    clock.timer(2, act, len(program) - 1, background=True)
    if drive == "run":
        clock.run()
    elif drive == "run until":
        clock.run(until_us=6)
    elif drive == "step":
        while clock.step():
            pass
    else:
        clock.run_until(lambda: left[0] <= 40 or clock.now_us > 1)
        clock.run()
    return log, clock.now_us, clock.pending


@example([[(0, Priority.WORK, True), (None, Priority.RESULT, False)], []], "run")
@example([[(1, Priority.EXPIRY, False), (None, Priority.EXPIRY, False)], [(0, Priority.MINUTE, False)]], "run until")
@example([[(None, Priority.WORK, False), (None, Priority.EXPIRY, False)], [(None, Priority.WORK, False)]], "run")
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from((None, None, None, *SPREAD_US)), st.sampled_from(CLASSES), st.booleans()),
            max_size=3,
        ),
        min_size=2,
        max_size=6,
    ),
    st.sampled_from(("run", "run until", "step", "run_until")),
)
def test_soon_does_what_schedule_does_for_this_instant(program, drive):
    assert play(program, drive, is_soon=False) == play(program, drive, is_soon=True)


@given(st.lists(st.sampled_from(CLASSES), min_size=2, max_size=6))
def test_what_comes_soon_is_an_event_of_its_own(classes):
    clock = Clock()
    log = []

    def act(place):
        log.append(place)
        if place < len(classes):
            clock.soon(act, place + 1, classes[place].value)

    clock.schedule(0, act, 0)
    for place in range(len(classes) + 1):
        assert list(range(place)) == log
        assert clock.step()
    assert not clock.step()


def test_run_until_may_stop_between_an_event_and_what_it_brings_soon(clock):
    log, note = recorder(clock)

    def act(_):
        note("event")
        clock.soon(note, "soon", WORK)

    clock.schedule(1, act)
    clock.run_until(lambda: log)
    assert [(1, "event")] == log
    clock.run()
    assert [(1, "event"), (1, "soon")] == log


@pytest.mark.parametrize("drive", ["run", "run until", "step"])
def test_what_comes_soon_from_outside_runs_when_time_does(clock, drive):
    log, note = recorder(clock)
    clock.run(until_us=7)
    clock.soon(note, "soon", WORK)
    assert [] == log
    assert 1 == clock.pending
    if drive == "run":
        clock.run()
    elif drive == "run until":
        clock.run(until_us=7)
    else:
        assert clock.step()
    assert [(7, "soon")] == log


def test_a_long_chain_of_events_that_come_soon_is_no_deeper_than_one(clock):
    left = [5_000]

    def act(_):
        left[0] -= 1
        if left[0]:
            clock.soon(act, None, WORK)

    clock.schedule(1, act)
    clock.run()
    assert [0] == left


# ---- perform


def test_what_is_performed_finds_that_time_stands_still(clock):
    log, note = recorder(clock)

    def act(argument):
        note(argument)
        assert clock.is_running
        with pytest.raises(UsageError, match=r"while an event runs"):
            clock.run()
        clock.perform(note, "within")
        assert clock.is_running
        clock.soon(note, "soon", WORK)

    clock.run(until_us=3)
    clock.perform(act, "performed")
    assert [(3, "performed"), (3, "within")] == log
    assert not clock.is_running
    clock.run()
    assert [(3, "performed"), (3, "within"), (3, "soon")] == log


def test_the_error_of_what_is_performed_leaves_the_clock_usable(clock):
    log, note = recorder(clock)
    clock.schedule(1, note, "x")
    with pytest.raises(CallbackError):
        clock.perform(boom, None)
    clock.run()
    assert [(1, "x")] == log


# ---- limits and errors


def spin(clock, *, is_soon=False, background=False):
    def spinning(_):
        if is_soon:
            clock.soon(spinning, None, WORK)
        else:
            clock.timer(clock.now_us, spinning, background=background)

    clock.timer(3, spinning, background=background)
    return spinning


@pytest.mark.rule("LAM-003")
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("is_soon", [False, True])
def test_an_instant_without_end_stops_the_run_with_the_name_of_the_event(clock, background, is_soon):
    clock.same_instant_limit = 2_000
    spin(clock, background=background, is_soon=is_soon)
    with pytest.raises(SimulationStalledError, match=r"2000 events ran at 3e-06 s without time moving; .*spinning"):
        clock.run(until=1)
    assert 3 == clock.now_us


@pytest.mark.rule("LAM-003")
@pytest.mark.parametrize("background", [False, True])
def test_an_instant_without_end_stops_run_until(clock, background):
    clock.same_instant_limit = 500
    spin(clock, background=background)
    with pytest.raises(SimulationStalledError, match=r"spinning"):
        clock.run_until(lambda: False)


@pytest.mark.rule("LAM-003")
def test_an_instant_without_end_stops_steps(clock):
    clock.same_instant_limit = 500
    spin(clock)
    for _ in range(500):
        assert clock.step()
    with pytest.raises(SimulationStalledError, match=r"spinning"):
        clock.step()


@pytest.mark.rule("LAM-003")
def test_the_error_names_the_function_of_the_user(clock):
    clock.same_instant_limit = 100

    def chase_its_tail():
        clock.call_later(0, chase_its_tail)

    chase_its_tail()
    with pytest.raises(SimulationStalledError, match=r"chase_its_tail"):
        clock.run()


@pytest.mark.parametrize("drive", ["run", "run until", "step", "run_until"])
def test_many_events_at_many_instants_are_no_standstill(clock, drive):
    """Each instant has its own count, whether its events are of the foreground or not and however time is driven."""
    clock.same_instant_limit = 10
    log = []

    def beat(_):
        log.append(clock.now_us)
        if clock.now_us < 100:
            clock.schedule(clock.now_us + 1, log.append)
            clock.timer(clock.now_us + 1, beat, priority=Priority.MINUTE.value, background=True)

    clock.timer(1, beat, background=True)
    clock.schedule(100, log.append)
    if drive == "run":
        clock.run()
    elif drive == "run until":
        clock.run(until_us=200)
    elif drive == "step":
        while clock.step():
            pass
    else:
        with pytest.raises(SimulationStalledError, match="does not hold"):
            clock.run_until(lambda: False)
    assert (200 if drive == "run until" else 100) == clock.now_us


def test_background_work_that_pulls_the_foreground_along_is_no_standstill(clock):
    clock.same_instant_limit = 10

    def beat(_):
        if clock.now_us < 100:
            clock.schedule(clock.now_us + 1, lambda _: None)
            clock.timer(clock.now_us + 1, beat, priority=Priority.MINUTE.value, background=True)

    clock.timer(1, beat, background=True)
    clock.run(until_us=200)
    assert 200 == clock.now_us


def test_steps_and_runs_in_turns_are_no_standstill(clock):
    clock.same_instant_limit = 5
    for at_us in range(1, 51):
        clock.schedule(at_us, lambda _: None)
        clock.schedule(at_us, lambda _: None)
        clock.run_until(lambda at_us=at_us: clock.now_us == at_us)
        clock.run()
    assert 50 == clock.now_us


DRIVES = {
    "run": lambda clock: clock.run(),
    "run_for": lambda clock: clock.run_for(1),
    "step": lambda clock: clock.step(),
    "run_until": lambda clock: clock.run_until(lambda: False),
}


@pytest.mark.parametrize("drive", DRIVES)
@pytest.mark.parametrize("background", [False, True])
def test_the_error_of_a_callback_leaves_the_call_that_drives_time(clock, drive, background):
    log, note = recorder(clock)
    clock.timer(3, boom, background=background)
    clock.schedule(3, note, "same instant")
    clock.schedule(4, note, "later")
    with pytest.raises(CallbackError):
        DRIVES[drive](clock)
    assert 3 == clock.now_us
    assert not clock.is_running
    clock.run()
    assert [(3, "same instant"), (4, "later")] == log


def test_an_error_loses_nothing_that_was_to_come_soon(clock):
    log, note = recorder(clock)

    def act(_):
        clock.soon(boom, None, WORK)
        clock.soon(note, "soon", Priority.GROWTH.value)

    def fail(_):
        clock.soon(note, "soon, from the one that failed", WORK)
        raise CallbackError

    clock.schedule(3, act)
    clock.schedule(4, fail)
    for _ in range(2):
        with pytest.raises(CallbackError):
            clock.run()
    clock.run()
    assert [(3, "soon"), (4, "soon, from the one that failed")] == log


NESTED = {
    "run": lambda clock: clock.run(),
    "run until": lambda clock: clock.run(until=99),
    "run_for": lambda clock: clock.run_for(1),
    "run_until": lambda clock: clock.run_until(lambda: False),
    "run_until, with a timeout": lambda clock: clock.run_until(lambda: False, timeout=1),
    "run_until, true already": lambda clock: clock.run_until(lambda: True),
    "step": lambda clock: clock.step(),
}


@pytest.mark.parametrize("nested", NESTED)
@pytest.mark.parametrize("drive", ["run", "step", "run_until"])
@pytest.mark.parametrize("others", ["nothing", "foreground", "background"])
def test_time_is_not_driven_from_within_an_event(clock, nested, drive, others):
    log, note = recorder(clock)

    def act(_):
        with pytest.raises(UsageError, match=r"while an event runs"):
            NESTED[nested](clock)
        note("refused")

    clock.schedule(1, act)
    if others != "nothing":
        clock.timer(5, note, "other", background=others == "background")
    if drive == "run":
        clock.run()
    elif drive == "step":
        clock.step()
    else:
        clock.run_until(lambda: log)
    assert [(1, "refused")] == log[:1]
    clock.run()
    assert ["refused", "other"][: 1 + (others == "foreground")] == [name for _, name in log]
    assert (5 if others == "foreground" else 1) == clock.now_us


# ---- making a clock


def test_a_clock_begins_at_zero_of_its_start():
    clock = Clock(start="2027-03-04T05:06:00+01:00")
    assert 0.0 == clock.now
    assert datetime(2027, 3, 4, 4, 6, tzinfo=UTC) == clock.datetime


@pytest.mark.rule("SQS-001")
@pytest.mark.parametrize("start", ["2026-01-01T00:00:01Z", "2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00", "now"])
def test_a_start_is_a_whole_minute_of_utc(start):
    with pytest.raises(UsageError, match="start="):
        Clock(start=start)


@pytest.mark.parametrize("seed", [1.0, "1", None, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(UsageError, match="seed="):
        Clock(seed=seed)


@given(st.lists(durations_us(), max_size=8))
def test_time_is_what_was_asked_for_to_the_microsecond(steps_us):
    clock = Clock()
    for step_us in steps_us:
        clock.run(until_us=clock.now_us + step_us)
    assert sum(steps_us) == clock.now_us
    assert datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=sum(steps_us)) == clock.datetime
