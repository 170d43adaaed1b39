"""Who goes first of those that are ready at one instant is a choice, where the chooser wants it to be one."""

from __future__ import annotations

import pytest

from lambdasim import Benign, Clock, Scripted, Seeded, Simulation
from lambdasim.clock import Priority


class Last:
    """Takes the last option of each tie."""

    ties = True

    def __init__(self):
        self.asked = []

    def choose(self, point, options):
        assert "clock.tie" == point.name
        self.asked.append((point.at_us, list(options)))
        return len(options) - 1


def log_of(clock, times=(("a", 1), ("b", 1), ("c", 1), ("d", 2))):
    log = []
    for name, at in times:
        clock.call_at(at, log.append, name)
    clock.run()
    return log


def test_nobody_is_asked_unless_the_chooser_wants_to_be():
    chooser = Last()
    chooser.ties = False
    assert ["a", "b", "c", "d"] == log_of(Clock(choices=chooser))
    assert [] == chooser.asked
    assert list("abcd") == log_of(Clock(choices=Benign()))


def test_whoever_chooses_says_who_goes_first_of_one_instant_and_class():
    chooser = Last()
    assert ["c", "b", "a", "d"] == log_of(Clock(choices=chooser))
    assert [(1_000_000, 3), (1_000_000, 2)] == [(at_us, len(options)) for at_us, options in chooser.asked]


def test_the_default_is_the_usual_order():
    chooser = Last()
    chooser.choose = lambda *_: 0
    clock = Clock(choices=chooser)
    assert ["a", "b", "c", "d"] == log_of(clock)


@pytest.mark.parametrize("drive", ["run", "until", "step", "run_until"])
def test_ties_are_asked_however_time_is_driven(drive):
    clock, log = Clock(choices=Last()), []
    for name in "ab":
        clock.call_at(1, log.append, name)
    if drive == "run":
        clock.run()
    elif drive == "until":
        clock.run(until=1)
    elif drive == "step":
        while clock.step():
            pass
    else:
        clock.run_until(lambda: len(log) == 2)
    assert ["b", "a"] == log
    assert 1.0 == clock.now


def test_classes_keep_their_order_and_so_do_events_that_have_one():
    chooser, log = Last(), []
    clock = Clock(choices=chooser)
    for name, priority in (("work", Priority.WORK), ("end", Priority.COMPLETION), ("minute", Priority.MINUTE)):
        clock.timer(5, log.append, name, priority=priority.value)
    for order in (1, 0):
        clock.timer(5, log.append, f"tick {order}", priority=Priority.GROWTH.value, order=order)
    clock.run()
    assert ["end", "work", "tick 0", "tick 1", "minute"] == log
    assert [] == chooser.asked


def test_what_was_cancelled_is_no_option():
    chooser, log = Last(), []
    clock = Clock(choices=chooser)
    timers = [clock.call_at(1, log.append, name) for name in "abc"]
    timers[1].cancel()
    clock.run()
    assert ["c", "a"] == log
    assert [2] == [len(options) for _, options in chooser.asked]


def test_a_wrong_answer_loses_no_event():
    chooser = Last()
    chooser.choose = lambda *_: 7
    clock, log = Clock(choices=chooser), []
    for name in "ab":
        clock.call_at(1, log.append, name)
    with pytest.raises(ValueError, match=r"chose 7 at clock\.tie"):
        clock.run()
    chooser.choose = lambda *_: 0
    clock.run()
    assert ["a", "b"] == log


def test_handlers_that_are_ready_are_named():
    chooser = Last()
    sim = Simulation(choices=chooser, execution="interleaved", pace=0.001)
    done = sim.remote([])
    worker = sim.create_function("worker", lambda event, _: done.append(event))
    for number in range(2):
        worker.invoke(number, invocation_type="Event")
    sim.run()
    assert ["worker#1", "worker#2"] == next(options for at_us, options in chooser.asked if at_us == 1_000)
    assert done in ([1, 0], [0, 1])


def test_ties_are_written_down_and_played_again():
    def play(choices):
        sim = Simulation(choices=choices, execution="interleaved", pace=0.001)
        done = sim.remote([])
        worker = sim.create_function("worker", lambda event, _: done.append(event))
        for number in range(3):
            worker.invoke(number, invocation_type="Event")
        sim.run()
        return sim, list(done)

    drawn, order = play(Seeded(3, ties=True))
    again, same = play(Scripted(drawn.script))
    assert drawn.script
    assert (drawn.script, order) == (again.script, same)
