from __future__ import annotations

import pytest

from lambdasim import LifecycleModel
from lambdasim.clock import Clock
from lambdasim.errors.lambda_ import ResourceInUseException
from lambdasim.esm.lifecycle import Lifecycle, plan_update

MODEL = LifecycleModel(creating_s=1, enabling_s=2, updating_s=3, disabling_s=4, deleting_s=5)


class Workers:
    """Slots that run until they are told to end."""

    def __init__(self):
        self.is_drained = True
        self.calls = []

    def start(self):
        self.calls.append("start")
        self.is_drained = False

    def stop(self):
        self.calls.append("stop")


class World:
    """A lifecycle, and what it did when."""

    def __init__(self, *, enabled=True):
        self.clock = Clock()
        self.workers = Workers()
        self.effects = []
        self.life = Lifecycle(self.clock, MODEL, self.workers, self.note, enabled=enabled)

    def note(self):
        self.effects.append((self.clock.now, self.life.state))

    def drain(self):
        self.workers.is_drained = True
        self.life.on_drained()

    def states(self, *seconds):
        """Return the states just before, and at, these instants."""
        found = []
        for second in seconds:
            self.clock.run(until_us=round(second * 1_000_000) - 1)
            found.append(self.life.state)
            self.clock.run(until=second)
            found.append(self.life.state)
        return found


@pytest.mark.rule("ESM-050", "ESM-054")
@pytest.mark.parametrize(
    ("state", "enabled", "wanted"),
    [
        ("Enabled", None, ("Updating", "Enabled")),
        ("Enabled", True, ("Updating", "Enabled")),
        ("Enabled", False, ("Disabling", "Disabled")),
        ("Disabled", None, ("Updating", "Disabled")),
        ("Disabled", False, ("Updating", "Disabled")),
        ("Disabled", True, ("Enabling", "Enabled")),
    ],
)
def test_what_an_update_makes_of_a_state(state, enabled, wanted):
    assert plan_update(state, enabled) == wanted


@pytest.mark.rule("ESM-050")
def test_a_mapping_that_is_made_to_poll_begins_when_it_is_enabled():
    world = World()
    assert world.states(1) == ["Creating", "Enabled"]
    assert (world.effects, world.workers.calls) == ([(1, "Enabled")], ["start"])
    still = World(enabled=False)
    assert (still.states(1), still.effects, still.workers.calls) == (["Disabled"] * 2, [], [])


@pytest.mark.rule("ESM-050", "ESM-052")
@pytest.mark.parametrize(("enabled", "state"), [(True, "Enabled"), (False, "Disabled")])
def test_an_update_takes_effect_at_its_end_and_slots_work_on(enabled, state):
    world = World(enabled=enabled)
    world.clock.run(until=1)
    world.effects.clear()
    world.life.update(None)
    assert world.states(4) == ["Updating", state]
    assert world.effects == [(4, state)]
    assert world.workers.calls == ["start"] * enabled


@pytest.mark.rule("ESM-050", "ESM-053")
@pytest.mark.parametrize(("drained_at", "ends"), [(2, 5), (5, 5), (7, 7)])
def test_a_mapping_is_disabled_when_its_time_is_over_and_nothing_runs(drained_at, ends):
    world = World()
    world.clock.run(until=1)
    world.life.update(enabled=False)  # for 4 s
    assert world.workers.calls == ["start", "stop"]
    world.clock.call_at(drained_at, world.drain)
    assert world.states(ends) == ["Disabling", "Disabled"]
    assert world.effects == [(1, "Enabled"), (ends, "Disabled")]
    world.life.on_drained()  # nothing waits for it any more
    world.clock.run()
    assert world.life.state == "Disabled"


@pytest.mark.rule("ESM-050")
def test_a_deleted_mapping_is_deleted_when_nothing_runs_and_nothing_takes_effect():
    world = World()
    world.clock.run(until=1)
    world.life.delete()
    world.clock.call_at(2, world.drain)
    assert world.states(6) == ["Deleting", "Deleted"]
    assert world.life.is_deleted
    assert world.effects == [(1, "Enabled")]


@pytest.mark.rule("ESM-034")
def test_operations_are_refused_in_a_transition():
    world = World()
    with pytest.raises(ResourceInUseException, match="Cannot delete the event source mapping"):
        world.life.refuse_in_transition("delete")
    world.clock.run(until=1)
    world.life.refuse_in_transition("delete")
    world.life.update(None)
    with pytest.raises(ResourceInUseException, match="Cannot update the event source mapping"):
        world.life.refuse_in_transition("update")


@pytest.mark.rule("ESM-152")
@pytest.mark.parametrize("is_updating", [False, True])
def test_a_mapping_that_lambda_refuses_is_disabled_by_lambda_at_once(is_updating):
    world = World()
    world.clock.run(until=1)
    if is_updating:
        world.life.update(None)
    world.life.on_refusal()
    assert (world.life.state, world.life.reason, world.workers.calls) == (
        "Disabling",
        "LAMBDA_INITIATED",
        ["start", "stop"],
    )
    world.life.on_refusal()  # the next slot finds it, too
    world.clock.call_at(2, world.drain)
    world.clock.run(until=10)
    assert (world.life.state, world.effects) == ("Disabled", [(1, "Enabled"), (2, "Disabled")])
    world.life.update(enabled=True)
    assert world.life.reason == "USER_INITIATED"
    assert world.states(12) == ["Enabling", "Enabled"]
