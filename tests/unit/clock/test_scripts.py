"""Runs written down as text, and played from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import Faults, Scripted, Simulation, SqsFaults
from lambdasim.clock.choices import Choice, ChoicePoint, Step, parse_script, script_of
from lambdasim.errors import UsageError
from tests.choosers import Says

names = st.from_regex(r"[a-z_]{1,12}(\.[a-z_]{1,12})?", fullmatch=True)
subjects = st.from_regex(r"([A-Za-z0-9_-]{1,10}(\.fifo)?(#[0-9]{1,3})?)?", fullmatch=True)
steps = st.builds(Step, names, subjects, st.integers(0, 10**13), st.integers(1, 40), st.integers(1, 12))


@pytest.mark.rule("SQS-640")
@given(st.lists(steps, max_size=5), st.sampled_from(["; ", "\n", " ;\n\n  "]))
def test_what_is_written_down_is_read_as_it_was(written, between):
    assert tuple(written) == parse_script(between.join(map(str, written)))


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Step("duplicate", "orders#1", 0, 1, 1), "duplicate orders#1 @0"),
        (Step("duplicate", "orders#1", 30_000_000, 1, 3), "duplicate=3 orders#1 @30"),
        (Step("crash", "charge#2", 1_500, 1, 1), "crash charge#2 @0.0015"),
        (Step("crash", "charge#2", 1, 2, 1), "crash charge#2 @0.000001~2"),
        (Step("tie", "", 90_100_000, 1, 1), "tie @90.1"),
    ],
)
def test_a_step_is_short(step, text):
    assert text == str(step)


@pytest.mark.parametrize(
    "text",
    ["duplicate", "duplicate orders#1", "duplicate=0 orders#1 @0", "@0", "x y z @0", "Crash a#1 @0", "a @1.0000001"],
)
def test_what_is_no_step_is_refused_by_its_text(text):
    with pytest.raises(UsageError, match="is no step of a script") as refusal:
        Scripted(f"duplicate orders#1 @0; {text}")
    assert repr(text) in str(refusal.value)


def test_a_script_is_a_text():
    with pytest.raises(UsageError, match="5 is no script"):
        Scripted(5)


def run(choices, faults=None, *, before=lambda _: None, **options):
    """Let two messages be run by a function, one of which may come again."""
    sim = Simulation(choices=choices, faults=faults, **options)
    before(sim)
    orders = sim.create_queue("orders")
    sim.create_event_source_mapping(orders, sim.create_function("worker", duration=0.5), batch_size=1)
    orders.send_message("a")
    orders.send_message("b")
    sim.run()
    return sim


@pytest.mark.rule("SQS-640")
def test_a_run_is_played_again_from_what_was_not_the_default():
    faults = Faults(duplicate_probability=0.5, crash=0.2, poller_lost=0.2)
    drawn = run(None, faults, seed=4)
    assert len(drawn.departures) > 2
    again = run(Scripted(drawn.script), faults, seed=4)
    assert (drawn.trace.to_json_lines(), drawn.script) == (again.trace.to_json_lines(), again.script)
    assert () == again.clock.choices.unused


@pytest.mark.rule("SQS-640")
def test_a_script_needs_no_faults_beside_it():
    """What it names is permitted; everything else is as it mostly is."""
    faults = Faults(duplicate_probability=0.5)
    drawn = run(None, faults, seed=4)
    again = run(Scripted(drawn.script), seed=4)
    assert drawn.script == again.script
    assert drawn.trace.to_json_lines() == again.trace.to_json_lines()


@pytest.mark.rule("SQS-640")
def test_a_replay_survives_changes_elsewhere():
    """Another queue, which is asked at the same points first, moves nothing."""

    def another(sim):
        other = sim.create_queue("another")
        sim.create_event_source_mapping(other, sim.create_function("other"))
        for number in range(3):
            other.send_message(f"{number}")

    sim = run(Scripted("duplicate=2 orders#2 @0"), before=another)
    assert ["duplicate=2 orders#2 @0"] == [choice.text for choice in sim.departures]
    assert 3 == sim.function("worker").snapshot().invocations


def test_a_step_that_does_not_apply_is_left_over():
    sim = run(Scripted("duplicate orders#7 @0; duplicate orders#1 @0; crash worker#1 @5"))
    assert "duplicate orders#1 @0" == sim.script
    assert ("duplicate orders#7 @0", "crash worker#1 @5") == sim.clock.choices.unused
    with pytest.warns(UserWarning, match="duplicate orders#7 @0; crash worker#1 @5"):
        sim.clock.choices.warn_of_unused()


def test_an_option_that_there_is_not_is_left_over():
    sim = run(Scripted("duplicate=9 orders#1 @0"))
    assert ("", ("duplicate=9 orders#1 @0",)) == (sim.script, sim.clock.choices.unused)


def test_steps_may_name_the_service():
    """Where two services have a point of one name, the subject tells them apart; the full name is understood too."""
    assert "duplicate orders#1 @0" == run(Scripted("sqs.duplicate orders#1 @0")).script


def test_the_same_question_at_the_same_instant_is_told_apart_by_its_number():
    sim = Simulation(choices=Scripted("reorder orders#2 @0~2"), faults=SqsFaults(reorder_window=2))
    orders = sim.create_queue("orders")
    for body in "abcd":
        orders.send_message(body)
    first = orders.receive_message(visibility_timeout=0)  # asked of a, for it is first in line
    second = orders.receive_message(max_number_of_messages=4)
    assert ["a"] == [delivery.body for delivery in first]
    assert 4 == len(second)
    asked = Says("sqs.reorder", 1)
    assert asked.answers == [1]


def test_a_choice_names_its_point_its_subject_the_instant_and_the_option_in_words():
    sim = run(Scripted("duplicate=2 orders#2 @0"))
    arn = sim.queue("orders").arn
    assert (Choice("sqs.duplicate", arn, "orders#2", 0, 1, 2, "once more after 0.5 s"),) == sim.departures
    assert "duplicate=2 orders#2 @0" == script_of(sim.departures)


def test_a_choice_is_in_the_trace_and_in_the_story_of_its_message():
    sim = run(Scripted("duplicate orders#1 @0"))
    (record,) = [record for record in sim.trace.records if record.kind == "choice made"]
    assert ("orders#1", {"point": "sqs.duplicate", "option": 1, "words": "once more after 0 s"}) == (
        record.subject,
        record.details,
    )


def test_a_point_shows_its_subject_and_instant_to_whoever_chooses():
    seen = []

    class Looks:
        def choose(self, point, options):
            seen.append((point.name, point.subject, point.at_us, point.nth, tuple(options)))
            return 0

    run(Looks(), Faults(duplicate_probability=0.5, duplicate_delay_s=(0, 1)))
    options = ("none", "once more after 0 s", "once more after 0.5 s", "once more after 1 s")
    assert [
        ("sqs.duplicate", "orders#1", 0, 1, options),
        ("sqs.duplicate", "orders#2", 0, 1, options),
    ] == seen


def test_the_subject_of_a_point_may_be_a_text():
    assert "orders" == ChoicePoint(name="sqs.throttle", owner="arn", weight=0.5, about="orders").subject


def test_so_many_departures_are_kept(monkeypatch):
    """A long run with faults does not fill the memory with what nobody could read."""
    monkeypatch.setattr("lambdasim.clock.choices.DEPARTURES_MAX", 3)
    sim = Simulation(faults=SqsFaults(lost_delete_probability=1.0))
    orders = sim.create_queue("orders")
    for number in range(3):
        orders.send_message(f"{number}")
    for delivery in orders.receive_message(max_number_of_messages=3):
        orders.delete_message(delivery.receipt_handle)
    assert 3 == sim.script.count("lost_delete")
    orders.send_message("one more")
    (delivery,) = orders.receive_message()
    orders.delete_message(delivery.receipt_handle)
    assert 3 == len(sim.departures)
    with pytest.raises(UsageError, match="more than 100,000 departures"):
        sim.script  # noqa: B018
