"""Simulations that Hypothesis draws: what they are, what a failure says, and scripts that are played first."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, Phase, assume, event, given, note, settings, target
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from lambdasim import Faults, Scripted, Simulation
from lambdasim.errors import UsageError
from lambdasim.testing import FromHypothesis, ReplayWarning, checkpoint, replay, simulations
from lambdasim.testing.replaying import playing

SCRIPT = "duplicate orders#1 @0"
# Hypothesis's explanations of a failure take hundreds of runs, and nobody reads them here.
PHASES = [phase for phase in Phase if phase is not Phase.explain]
quick = settings(max_examples=60, database=None, derandomize=True, deadline=None, phases=PHASES)
with_fixtures = settings(quick, suppress_health_check=[HealthCheck.function_scoped_fixture])


def build_race(sim, name="orders"):
    """Build a handler that checks and then acts; return its queue and what it has charged."""
    done, charges = sim.remote(set(), name="done"), []

    def charge(_event, _context):
        for record in _event["Records"]:
            if record["body"] not in done:
                charges.append(record["body"])
                checkpoint("charge card")
                done.add(record["body"])

    orders = sim.create_queue(name)
    sim.create_event_source_mapping(orders, sim.create_function(f"charge-{name}", charge))
    return orders, charges


def charges_of(sim, name="orders"):
    orders, charges = build_race(sim, name)
    orders.send_message("o-1")
    sim.run()
    return charges


def failure_of(test, *args, **keywords):
    """Return what a test raises, and its notes as one text."""
    with pytest.raises(AssertionError) as caught:
        test(*args, **keywords)
    return caught.value, "\n".join(caught.value.__notes__)


# ---- what is drawn


@quick
@given(sim=simulations(region="eu-west-1"))
def test_what_is_drawn_is_interleaved_and_keeps_everything(sim):
    assert isinstance(sim, Simulation)
    assert (sim.execution, sim.trace.limit, sim.clock.pace_us, sim.region) == ("interleaved", None, 1_000, "eu-west-1")


@quick
@given(sim=simulations(at_most=1), other=simulations(at_most=0))
def test_misfortunes_are_bounded(sim, other):
    charges_of(sim)
    charges_of(other)
    assert len(sim.departures) <= 1
    assert not other.departures


@quick
@given(sim=simulations(Faults(crash=0.1), ties=False))
def test_faults_narrow_what_is_played(sim):
    charges_of(sim)
    assert {choice.point for choice in sim.departures} <= {"lambda.crash"}


@pytest.mark.parametrize("at_most", [-1, True, 1.5])
def test_bound_that_means_nothing_is_refused(at_most):
    with pytest.raises(UsageError, match="no number of departures"):
        FromHypothesis(None, at_most=at_most)


@quick
@given(data=st.data())
def test_chooser_takes_data_as_well_as_draw(data):
    sim = Simulation(choices=FromHypothesis(data, at_most=1), execution="interleaved")
    charges_of(sim)
    assert len(sim.departures) <= 1


# ---- what a failure says


def test_failure_carries_story_script_and_the_line_to_paste():
    @quick
    @given(sim=simulations())
    def test(sim):
        charges = charges_of(sim)
        assert charges == ["o-1"]

    error, notes = failure_of(test)
    assert "['o-1', 'o-1'] == ['o-1']" in str(error)  # pytest's words, for the assertion is the test's own
    happened, again, *_ = error.__notes__
    assert happened.startswith("what happened:\nseconds ")
    assert "checkpoint 'charge card'" in happened
    assert again.startswith('to play it again:\n@replay("')
    script = again.partition('"')[2].rpartition('"')[0]
    assert "what happened" not in notes.replace(happened, "").replace("what happened\n", "")
    assert len(Scripted(script).steps) == 1  # it is shrunk
    assert "@replay" not in str(error)

    played = Simulation(choices=Scripted(script), execution="interleaved", pace=0.001)
    assert charges_of(played) == ["o-1", "o-1"]

    repeated, _ = failure_of(replay(script)(test))
    assert repeated.__notes__[:2] == [happened, again]


def test_failure_without_misfortunes_says_so():
    @quick
    @given(sim=simulations())
    def test(sim):
        assert charges_of(sim) == []

    _, notes = failure_of(test)
    assert "nothing but the default was chosen" in notes
    assert "@replay" not in notes


def test_all_that_a_test_draws_is_told():
    @quick
    @given(one=simulations(), other=simulations())
    def test(one, other):
        assert not (charges_of(one) == ["o-1"] and charges_of(other, "others") == ["o-1", "o-1"])

    error, _ = failure_of(test)
    first, second, again, *_ = error.__notes__
    assert first.startswith("what happened in simulation 1 of 2:")
    assert second.startswith("what happened in simulation 2 of 2:")
    line = again.splitlines()[-1]
    assert line.startswith('@replay("", "')
    repeated, _ = failure_of(replay("", line.split('"')[3])(test))
    assert repeated.__notes__[:3] == [first, second, again]


def test_error_of_hypothesis_is_left_alone():
    @quick
    @given(sim=simulations(), data=st.data())
    def test(sim, data):
        data.draw(st.integers(3, 1))

    with pytest.raises(InvalidArgument) as caught:
        test()
    assert "what happened" not in "\n".join(getattr(caught.value, "__notes__", []))


# ---- scripts


def seen_by(above, *, max_examples=5):
    """Return the scripts of the simulations that a test with these decorators is given, in order."""
    seen = []

    @settings(quick, max_examples=max_examples)
    @given(sim=simulations(at_most=0))
    def test(sim):
        charges_of(sim)
        seen.append(sim.script)

    above(test)()
    return seen


def test_script_is_played_first_and_once():
    seen = seen_by(replay(SCRIPT))
    assert seen[0] == SCRIPT
    assert seen[1:]
    assert not any(seen[1:])


def test_scripts_stand_above_each_other():
    seen = seen_by(lambda test: replay(SCRIPT)(replay("duplicate=2 orders#1 @0; crash charge-orders#1 @0.001")(test)))
    assert seen[:2] == [SCRIPT, "duplicate=2 orders#1 @0; crash charge-orders#1 @0.001"]
    assert not any(seen[2:])


def test_delivery_may_be_called_so():
    assert seen_by(replay("duplicate_delivery orders#1 @0"))[0] == SCRIPT


@pytest.mark.parametrize("script", ["duplicate orders", "duplicate orders#1 @x", 7])
def test_text_that_is_no_script_is_refused(script):
    with pytest.raises(UsageError, match="is no s"):
        replay(script)
    with pytest.raises(UsageError, match="is no s"):
        replay(SCRIPT, script)


@pytest.mark.parametrize("test", [RuleBasedStateMachine, "test", len])
def test_what_is_no_test_is_refused(test):
    with pytest.raises(UsageError, match="stands above a test function"):
        replay(SCRIPT)(test)


def test_fixture_plays_one_script():
    def test(sim):
        pass

    with pytest.raises(UsageError, match="plays one script"):
        replay(SCRIPT, SCRIPT)(test)
    with pytest.raises(UsageError, match="plays one script"):
        replay(SCRIPT)(replay(SCRIPT)(test))


def test_step_that_no_longer_applies_is_a_warning_above_the_test():
    with pytest.warns(ReplayWarning, match="no longer apply: duplicate orders#9 @5") as caught:
        seen = seen_by(replay(f"{SCRIPT}; duplicate orders#9 @5"))
    assert seen[0] == SCRIPT
    (warning,) = caught
    assert warning.filename == __file__


def test_script_of_a_simulation_that_is_not_drawn_is_a_warning():
    with pytest.warns(ReplayWarning, match="no longer apply: duplicate others#1 @0"):
        seen_by(replay("", "duplicate others#1 @0"))


def test_script_that_makes_the_test_give_up_is_a_warning():
    @quick
    @given(sim=simulations(at_most=0))
    def test(sim):
        charges_of(sim)
        assume(not sim.departures)

    with pytest.warns(ReplayWarning, match=f"no longer apply: {SCRIPT}"):
        replay(SCRIPT)(test)()


def test_steps_are_played_wherever_one_simulation_of_all_runs_asks_for_them():
    with playing([SCRIPT], is_for_all=True) as played:
        assert not played.is_played
        assert played.unused == [SCRIPT]
        run = object()
        charges_of(Simulation(choices=played.chooser(run), faults=Faults(duplicate_probability=0.1)), "others")
        assert played.unused == [SCRIPT]
        charges_of(Simulation(choices=played.chooser(run), faults=Faults(duplicate_probability=0.1)))
        assert played.is_played
        assert played.unused == []


def test_everything_drawn_plays_the_script_meanwhile():
    seen = []

    @quick
    @given(one=simulations(), other=simulations())
    def test(one, other):
        charges_of(one)
        charges_of(other)
        seen.append((one.script, other.script))

    with playing([SCRIPT], is_for_all=True):
        test()
    assert {(SCRIPT, SCRIPT)} == set(seen)


@pytest.fixture
def number():
    return 3


class TestScripts:
    """In a class, with fixtures, and with strategies by position."""

    seen = ()

    @pytest.fixture
    def letter(self):
        return "a"

    @replay(SCRIPT)
    @with_fixtures
    @given(sim=simulations(at_most=0), drawn=st.integers(5, 9))
    def test_fixtures_stand_beside_what_is_drawn(self, number, letter, sim, drawn):
        charges_of(sim)
        assert (number, letter) == (3, "a")
        assert isinstance(self, TestScripts)
        if sim.departures:
            assert (sim.script, drawn) == (SCRIPT, 5)

    @replay(SCRIPT)
    @quick
    @given(st.integers(5, 9), simulations(at_most=0))
    def test_strategies_may_be_given_by_position(self, drawn, sim):
        charges_of(sim)
        if sim.departures:
            assert (sim.script, drawn) == (SCRIPT, 5)

    @replay(SCRIPT)
    @quick
    @given(st.data())
    def test_simulations_may_be_drawn_inside(self, data):
        """What belongs to Hypothesis works while a script is played, too."""
        sim = data.draw(simulations(at_most=0))
        charges_of(sim)
        assume(data.draw(st.booleans()) in {True, False})
        note("noted")
        event("seen")
        target(len(sim.departures))
        assert sim.script in {"", SCRIPT}


@replay(SCRIPT)
@pytest.mark.parametrize("place", [1, 2])
@quick
@given(sim=simulations(at_most=0))
def test_marks_stay_below_a_script(sim, place):
    charges_of(sim)
    assert place in {1, 2}


@pytest.mark.parametrize(("numbers", "played"), [(st.integers(4, 9), {4}), (st.integers(0, 3).filter(bool), {1, 2, 3})])
def test_arguments_are_the_simplest_that_the_test_accepts_at_once(numbers, played):
    seen = []

    @replay(SCRIPT)
    @quick
    @given(sim=simulations(at_most=0), number=numbers)
    def test(sim, number):
        charges_of(sim)
        if sim.departures:
            seen.append(number)

    test()
    (number,) = seen
    assert number in played


def test_arguments_of_a_script_that_fails_are_shrunk():
    @replay(SCRIPT)
    @quick
    @given(sim=simulations(at_most=0), number=st.integers(0, 1_000))
    def test(sim, number):
        charges = charges_of(sim)
        assume(number > 100)
        assert len(charges) == 1, number

    error, _ = failure_of(test)
    assert str(error).startswith("101\n")


def test_several_simulations_play_a_script_each():
    seen = []

    @replay(SCRIPT, "duplicate others#1 @0")
    @quick
    @given(one=simulations(at_most=0), other=simulations(at_most=0), third=simulations(at_most=0))
    def test(one, other, third):
        charges_of(one)
        charges_of(other, "others")
        charges_of(third)
        seen.append((one.script, other.script, third.script))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        test()
    assert seen[0] == (SCRIPT, "duplicate others#1 @0", "")
    assert set(seen[1:]) == {("", "", "")}


# ---- state machines


class Racing(RuleBasedStateMachine):
    """Sends orders to a handler that has a race, and looks what it charged."""

    @initialize(sim=simulations(at_most=2))
    def start(self, sim):
        self.sim = sim
        self.orders, self.charges = build_race(sim)

    @rule(number=st.integers(0, 3))
    def send(self, number):
        if f"o-{number}" not in self.charges:
            self.orders.send_message(f"o-{number}")
            self.sim.run()

    @invariant()
    def charges_nobody_twice(self):
        if hasattr(self, "charges"):
            charges = list(self.charges)
            assert len(charges) == len(set(charges))


def test_state_machine_that_fails_carries_the_story():
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(Racing, settings=settings(quick, max_examples=200, stateful_step_count=3))
    notes = "\n".join(caught.value.__notes__)
    assert notes.count("what happened:\nseconds ") == 1
    assert "sent: 'o-0'" in notes
    assert "  # above a test that takes the fixture sim and goes these steps\n" in notes
    assert "state.send(number=0)" in notes
    script = notes.partition('@replay("')[2].partition('"')[0]

    state = Racing()
    sim = Simulation(choices=Scripted(script), execution="interleaved", pace=0.001)
    state.start(sim)
    state.send(0)
    with pytest.raises(AssertionError):
        state.charges_nobody_twice()


class Benign(RuleBasedStateMachine):
    """A machine whose rules draw simulations, too."""

    sims = Bundle("sims")

    @initialize(target=sims, sim=simulations(at_most=0))
    def start(self, sim):
        return sim

    @rule(target=sims, sim=simulations(at_most=0))
    def more(self, sim):
        return sim

    @rule(sim=sims)
    def send(self, sim):
        if not sim.queues:
            assert charges_of(sim) == ["o-1"]


TestBenign = Benign.TestCase
TestBenign.settings = settings(quick, max_examples=10, stateful_step_count=10)
