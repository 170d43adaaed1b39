from __future__ import annotations

from types import SimpleNamespace

import pytest

from lambdasim import BackoffModel, ProvisionedModel, ScalingModel
from lambdasim.clock import Clock, Priority
from lambdasim.esm.machine import Machine, Phase
from lambdasim.esm.provisioned import Provisioned

SECOND = 1_000_000


class World:
    """A machine whose slots are as many as it says, and never do anything."""

    def __init__(self, *, cap=100, saves_pollers=True, own=None, backoff=None, **scaling):
        self.clock = Clock()
        self.number = 1
        self.uuid = "a mapping"
        self.queue = SimpleNamespace(visible=0, has_receivable=False)
        self.all_wait = False
        self.slots = self.pollers = self.looks = 0
        self.machine = Machine(self, self, ScalingModel(**scaling), backoff or BackoffModel(), cap)
        self.machine.own = own
        self.machine.limit(cap, saves_pollers=saves_pollers)
        self.machine.start()
        if own is None:
            self.machine.begin_growing()

    def make_slots(self):
        self.slots = max(self.slots, self.machine.allowed)

    def add_poller(self):
        self.pollers += 1
        self.machine.set_target(float(10 * self.pollers))

    def time_head(self):
        self.looks += 1

    def backlog(self, visible=1_000):
        """Let messages be there that nobody waits for."""
        self.queue.visible, self.queue.has_receivable = visible, visible > 0
        if visible:
            self.machine.notice_backlog()

    def at(self, second, action, *args, priority=Priority.WORK):
        """Do something then, in a class of the instant."""
        self.clock.schedule(round(second * SECOND), lambda _: action(*args), None, priority.value)

    def run(self, second):
        self.clock.run(until=second)

    def receive(self):
        self.machine.become_active(self.clock.now_us)

    def wait(self):
        """Let all slots wait."""
        self.all_wait = True
        self.machine.consider_idle()

    def finish(self, attempts, failed):
        """Let so many attempts end, of which so many failed."""
        for number in range(attempts):
            self.machine.count_attempt(self.clock.now_us, failed=number < failed)

    @property
    def seen(self):
        return self.machine.phase.value, self.machine.target, self.slots


# ---- phases


@pytest.mark.rule("ESM-100", "ESM-101")
def test_a_machine_starts_idle_is_active_with_the_first_message_and_idle_when_all_wait():
    world = World(initial=5)
    assert world.seen == ("idle", 5.0, 5)
    world.at(10, world.receive)
    world.run(10)
    assert world.seen == ("active", 5.0, 5)
    world.at(20, world.wait)
    world.run(20)
    assert world.seen == ("idle", 5.0, 5)
    world.machine.stop()
    assert world.seen == ("stopped", 0.0, 5)


@pytest.mark.rule("ESM-101")
def test_a_machine_stays_active_when_a_slot_gets_something_before_the_end_of_the_instant():
    """All slots wait in C5, and one of them waits no longer in C6."""
    world = World()
    world.at(1, world.receive)
    world.at(2, world.wait)
    world.at(2, lambda: setattr(world, "all_wait", False))
    world.run(3)
    assert world.machine.phase is Phase.ACTIVE
    world.at(4, world.wait)
    world.run(4)
    assert world.machine.phase is Phase.IDLE  # it is asked again


@pytest.mark.rule("ESM-101", "ESM-105")
@pytest.mark.parametrize(
    ("saves", "received_at", "table"),
    [
        (True, None, [(299, 5.0), (300, 2.0), (1_000, 2.0)]),
        (False, None, [(300, 5.0), (1_000, 5.0)]),
        (True, 299, [(300, 5.0), (1_000, 5.0)]),  # active, and all the time
        (True, 301, [(300, 2.0), (301, 5.0)]),  # S2 brings the initial slots back
    ],
)
def test_an_idle_machine_saves_pollers_after_a_long_time_without_a_message(saves, received_at, table):
    world = World(saves_pollers=saves)
    if received_at is not None:
        world.at(received_at, world.receive)
    for second, target in table:
        world.run(second)
        assert world.machine.target == target, second


@pytest.mark.rule("ESM-106", "ESM-109")
@pytest.mark.parametrize(
    ("cap", "saves", "target", "slots"),
    [
        (3, False, 3.0, 5),  # those that are too many go when their receives end
        (5, False, 5.0, 5),
        (50, False, 5.0, 5),
        (50, True, 2.0, 5),
    ],
)
def test_another_cap_of_an_idle_machine_whose_pollers_were_saved(cap, saves, target, slots):
    """S9 left a target of 2; it stays so only where the economy goes on."""
    world = World(cap=100)
    world.run(400)
    assert world.machine.target == 2.0
    changed = world.machine.limit(cap, saves_pollers=saves)
    world.machine.reconfigure(is_other_economy=changed)
    assert (world.machine.target, world.slots) == (target, slots)
    assert world.looks


# ---- growth


@pytest.mark.rule("ESM-102", "ESM-103")
@pytest.mark.parametrize(
    ("scaling", "table"),
    [
        ({}, [(10.199999, 5.0), (10.2, 6.0), (10.4, 7.0), (11, 10.0), (29, 100.0), (40, 100.0)]),
        ({"step_per_minute": 60}, [(10.999999, 5.0), (11, 6.0), (12, 7.0)]),
        ({"step_per_minute": 60, "ramp": "step"}, [(69.999999, 5.0), (70, 65.0), (130, 100.0)]),
        ({"step_per_minute": 0}, [(1_000, 5.0)]),
    ],
    ids=str,
)
def test_the_target_grows_at_each_tick_while_there_is_a_backlog(scaling, table):
    world = World(**scaling)
    world.at(10, world.receive)
    world.at(10, world.backlog)
    for second, target in table:
        world.run(second)
        assert (world.machine.target, world.slots) == (target, target), second


@pytest.mark.rule("ESM-103")
def test_a_tick_without_demand_is_not_made_up_for():
    world = World(step_per_minute=60)
    world.at(0, world.receive)
    world.at(0, world.backlog)
    world.at(1.5, world.backlog, 0)
    world.at(4.5, world.backlog)
    for second, target in [(1, 6.0), (4, 6.0), (5, 7.0), (6, 8.0)]:
        world.run(second)
        assert world.machine.target == target, second


@pytest.mark.rule("ESM-103")
@pytest.mark.parametrize(
    ("at", "priority", "tick"),
    [
        (3, Priority.WORK, 3),  # C5 comes before C7
        (3, Priority.MINUTE, 4),  # C8 after it
        (3.000001, Priority.WORK, 4),
    ],
)
def test_a_backlog_at_the_instant_of_a_tick_counts_if_it_comes_before_it(at, priority, tick):
    world = World(step_per_minute=60)
    world.at(0, world.receive)
    world.at(at, world.backlog, priority=priority)
    world.run(tick - 0.000001)
    assert world.machine.target == 5.0
    world.run(tick)
    assert world.machine.target == 6.0


@pytest.mark.rule("ESM-103")
def test_an_eager_machine_grows_once_for_the_receives_of_a_step_backlog_or_not():
    world = World(step_per_minute=60, demand="nonempty_receive")
    world.at(0, world.receive)
    for second in (2.1, 2.9):
        world.at(second, lambda: world.machine.note_receive(world.clock.now_us))
    for second, target in [(2, 5.0), (3, 6.0), (4, 6.0), (10, 6.0)]:
        world.run(second)
        assert world.machine.target == target, second


@pytest.mark.rule("ESM-252")
def test_in_provisioned_mode_a_growth_tick_adds_a_poller():
    own = Provisioned(ProvisionedModel(growth_per_minute=1_000), 2, 4, 0)
    world = World(cap=40, own=own)
    world.pollers = 2
    world.machine.set_target(20.0)
    world.at(0, world.receive)
    world.at(0, world.backlog)
    for second, pollers in [(0.599, 2), (0.6, 3), (1.2, 4), (5, 4)]:  # 1,000 invokes a minute, ten for each
        world.run(second)
        assert (world.pollers, world.machine.target) == (pollers, 10.0 * pollers)


@pytest.mark.rule("ESM-103", "ESM-252")
def test_a_growth_tick_adds_nothing_when_the_cap_came_down_to_the_target_before_it():
    own = Provisioned(ProvisionedModel(growth_per_minute=1_000), 2, 4, 0)
    world = World(cap=40, own=own)
    world.pollers = 3
    world.machine.set_target(30.0)
    world.at(0, world.receive)
    world.at(0, world.backlog)
    world.at(0.3, lambda: world.machine.limit(30, saves_pollers=False))
    world.run(5)
    assert (world.pollers, world.machine.target) == (3, 30.0)


# ---- errors and throttles


@pytest.mark.rule("ESM-160")
@pytest.mark.parametrize(
    ("attempts", "failed", "target"), [(10, 0, 50.0), (10, 10, 12.5), (10, 1, 31.205479), (1, 1, 12.5)]
)
def test_a_control_tick_lowers_the_target_by_the_share_of_failed_attempts(attempts, failed, target):
    world = World(initial=50)
    world.at(0, world.receive)
    world.at(0.5, world.finish, attempts, failed)
    world.run(0.999999)
    assert world.machine.target == 50.0
    world.run(1)
    assert world.machine.target == target
    world.run(10)
    assert world.machine.target == target  # each attempt counts once


@pytest.mark.rule("ESM-160")
@pytest.mark.parametrize(
    ("priority", "at_one", "at_two"),
    [
        (Priority.COMPLETION, 12.5, 12.5),  # C3: of the period that ends
        (Priority.WORK, 50.0, 12.5),  # C5: of the next
    ],
)
def test_what_fails_at_the_instant_of_a_control_tick_is_of_the_period_that_its_class_says(priority, at_one, at_two):
    world = World(initial=50)
    world.at(0, world.receive)
    world.at(1, world.finish, 4, 4, priority=priority)
    for second, target in ((1, at_one), (2, at_two)):
        world.run(second)
        assert world.machine.target == target


@pytest.mark.rule("ESM-160")
def test_attempts_of_a_period_without_failures_do_not_count_in_the_next():
    """Of 10 attempts in [0, 1) none failed, of 1 in [3, 4) one did: the share is 1, not 1/11."""
    world = World(initial=50)
    world.at(0, world.receive)
    world.at(0.5, world.finish, 10, 0)
    world.at(3.5, world.finish, 1, 1)
    world.run(4)
    assert world.machine.target == 12.5


@pytest.mark.rule("ESM-160")
def test_each_control_tick_looks_at_the_attempts_since_the_one_before():
    """In [1, 2) the one attempt failed: the share is 1, not 1/11. Slots that are too many are looked at."""
    world = World(initial=50)
    world.at(0, world.receive)
    world.at(0.5, world.finish, 10, 5)
    world.at(1.5, world.finish, 1, 1)
    world.run(1)
    first, looks = world.machine.target, world.looks
    assert (first, looks) == (pytest.approx(50 * (1 - 0.75 * 0.5**0.3)), 1)
    world.run(2)
    assert (world.machine.target, world.looks) == (pytest.approx(first / 4), 2)


@pytest.mark.rule("ESM-160", "ESM-255")
@pytest.mark.parametrize("kind", ["off", "provisioned", "stopped"])
def test_where_failures_do_not_count_nothing_is_lowered(kind):
    own = Provisioned(ProvisionedModel(), 2, 4, 0) if kind == "provisioned" else None
    world = World(initial=50, own=own, backoff=BackoffModel(enabled=kind != "off"))
    world.at(0, world.receive)
    if kind == "stopped":
        world.at(0.1, world.machine.stop)
    world.at(0.5, world.finish, 4, 4)
    world.run(0.4)
    before = world.machine.target
    world.run(2)
    assert world.machine.target == before


@pytest.mark.rule("ESM-103", "ESM-160")
def test_a_target_that_was_lowered_grows_again_with_the_backlog_there_is():
    world = World(initial=5, cap=5, step_per_minute=60)
    world.at(0, world.receive)
    world.at(0, world.backlog)
    world.at(2.5, world.finish, 1, 1)
    for second, target in [(2, 5.0), (2.999, 5.0), (3, 3.0), (4, 4.0), (5, 5.0), (9, 5.0)]:
        world.run(second)
        assert world.machine.target == target, second  # at 3: S5 makes it 2, S3 makes it 3


# ---- slots that are too many


@pytest.mark.rule("ESM-101")
@pytest.mark.parametrize(
    ("is_active", "target", "staying", "releases"),
    [
        (False, 5.0, 5, False),
        (False, 5.0, 6, True),  # S6: more than the target
        (True, 8.0, 8, True),  # S7: an active mapping has nothing for it
        (True, 8.0, 5, False),  # but the initial ones stay
        (True, 3.9, 3, False),
        (True, 3.9, 4, True),
    ],
)
def test_which_slots_go_when_their_receives_end_empty(is_active, target, staying, releases):
    world = World()
    if is_active:
        world.receive()
    world.machine.set_target(target)
    assert world.machine.releases(staying) is releases
    world.machine.own = Provisioned(ProvisionedModel(), 2, 4, 0)
    assert not world.machine.releases(staying)


@pytest.mark.rule("ESM-101")
@pytest.mark.parametrize(("target", "after"), [(8.0, 7.0), (6.0, 5.0), (5.5, 5.0), (5.0, 5.0), (7.25, 6.25)])
def test_a_release_lowers_the_target_by_one_down_to_the_initial_slots(target, after):
    world = World()
    world.machine.set_target(target)
    world.machine.release()
    assert world.machine.target == after


def test_a_changed_target_is_a_record_of_the_trace():
    world = World()
    world.machine.set_target(7.0)
    world.machine.set_target(7.0)
    (record,) = world.clock.trace.records
    assert (record.kind, record.subject, record.details) == ("concurrency limit changed", "a mapping", {"target": 7.0})
