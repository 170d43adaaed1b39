"""
A mapping scales, gathers, retries and backs off as `tests.property.esm_model` does, whatever happens when.

Both play the same world: one queue, one function, one mapping. Users send, and change what they may, at instants beside
those at which something changes; between two looks time goes by one such instant, or by many at once.
"""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.conftest import PROFILE
from tests.property.esm_machine import FAULTS, BothSides
from tests.property.esm_model import SECOND_US, World

pytestmark = pytest.mark.filterwarnings("ignore:.* returned batchItemFailures")

SAMPLE = st.sampled_from

worlds = st.builds(
    World,
    is_fifo=SAMPLE((False, False, False, True)),
    visibility_s=SAMPLE((3, 4, 6, 20, 30)),
    retention_s=SAMPLE((345_600, 345_600, 60)),
    receives=SAMPLE((None, None, 1, 2, 3)),
    duration_us=SAMPLE((0, 100_000, 200_000, 1_000_000, 1_000_000, 2_500_000, 3_000_000, 5_000_000)),
    timeout_s=SAMPLE((1, 3)),
    reserve=SAMPLE((None, None, None, 0, 1, 2, 4, 7)),
    account=SAMPLE((1_000, 1_000, 7, 12)),
    batch_size=SAMPLE((1, 1, 2, 3, 10)),
    window_s=SAMPLE((0, 0, 0, 1, 25)),
    concurrency=SAMPLE((None, None, None, 2, 3, 6, 9)),
    reports=st.booleans(),
    filters=SAMPLE((False, False, True)),
    is_enabled=SAMPLE((True, True, True, False)),
    initial=SAMPLE((5, 5, 1, 2)),
    step_per_minute=SAMPLE((300, 300, 300, 0, 7, 60)),
    most=SAMPLE((1_250, 12, 4, 1)),
    idle_floor=SAMPLE((2, 2, 1, 4)),
    idle_after_us=SAMPLE((300, 30, 20, 7)).map(lambda s: s * SECOND_US),
    ramp=SAMPLE(("linear", "linear", "step")),
    demand=SAMPLE(("backlog", "backlog", "nonempty_receive")),
    anchor=SAMPLE(("previous_completion", "previous_completion", "first_record")),
    mode=SAMPLE(("exact", "exact", "low_traffic_20s")),
    wait_s=SAMPLE((20, 20, 20, 1, 7)),
    most_per_receive=SAMPLE((10, 10, 3)),
    dispatch=SAMPLE(("greedy", "greedy", "greedy", "round_robin")),
    creating_us=SAMPLE((0, 0, 1_000_000)),
    enabling_us=SAMPLE((0, 0, 1_000_000)),
    updating_us=SAMPLE((0, 0, 2_000_000)),
    disabling_us=SAMPLE((0, 0, 3_000_000)),
    backs_off=SAMPLE((True, True, True, False)),
    period_us=SAMPLE((1_000_000, 1_000_000, 600_000)),
    floor=SAMPLE((2, 2, 1, 3)),
    base_us=SAMPLE((1_000_000, 1_000_000, 200_000)),
    drop_rule=SAMPLE(("remaining_below_timeout", "remaining_below_timeout", "visibility_exceeded")),
).filter(lambda world: world.visibility_s >= world.timeout_s and not (world.is_fifo and world.window_s))

KINDS = (*["fine"] * 6, *FAULTS, "noise")
DELAYS_US = (0, 0, 0, 0, 0, SECOND_US, 2 * SECOND_US)
entry = SAMPLE(tuple(product(KINDS, DELAYS_US, "gggh")))  # kind, delay, group
entries = st.lists(entry, min_size=1, max_size=10)

changes = st.fixed_dictionaries(
    {},
    optional={
        "batch_size": SAMPLE((1, 2, 10)),
        "window_s": SAMPLE((0, 1, 7)),
        "concurrency": SAMPLE((None, 2, 3, 8)),
        "reports": st.booleans(),
        "filters": st.booleans(),
        "is_enabled": st.booleans(),
    },
)
acts = st.one_of(
    st.tuples(st.just("set_visibility"), SAMPLE((3, 4, 7, 30))),
    st.tuples(st.just("set_receives"), SAMPLE((None, 1, 2, 5))),
    st.tuples(st.just("set_reserve"), SAMPLE((None, 0, 1, 2, 5))),
    st.tuples(st.just("update_function"), st.tuples(SAMPLE((0, 200_000, 1_000_000, 4_000_000)), SAMPLE((1, 3, 5)))),
    st.tuples(SAMPLE(("delete_function", "create_function", "replace_function", "purge")), st.none()),
)
places = SAMPLE((0, 0, 0, 1, 1, 2, 3, 5, 8))
instants = st.tuples(places, SAMPLE((0, 0, 0, -1, 1)))  # which of those ahead, and how far beside it


class MappingAgreesWithModel(BothSides):
    @initialize(world=worlds, before=st.lists(entries, max_size=8))
    def make(self, world, before) -> None:
        self.begin(world, before)

    # ---- what users do

    @rule(given=entries)
    def send_now(self, given) -> None:
        self.send(given)

    @rule(given=entries, instant=instants)
    def send_later(self, given, instant) -> None:
        self.send(given, self.time_to(*instant))

    @rule(given=entries, instant=instants)
    def send_one_by_one(self, given, instant) -> None:
        after_us = self.time_to(*instant)
        for each in given:
            self.send([each], after_us)

    @rule(given=entries, times=st.integers(3, 12))
    def send_many(self, given, times) -> None:
        for _ in range(times):
            self.send(given)

    @rule(limit=SAMPLE((1, 3, 10)), deletes=st.booleans(), instant=st.none() | instants)
    def receive(self, limit, deletes, instant) -> None:
        self.both("consume", (limit, deletes), instant and self.time_to(*instant))

    @rule(act=acts, instant=st.none() | instants)
    def act(self, act, instant) -> None:
        name, given = act
        self.both(name, given, instant and self.time_to(*instant))

    @rule(given=changes, instant=st.none() | instants)
    def change_mapping(self, given, instant) -> None:
        if self.world.is_fifo:
            given = {**given, "window_s": 0}
        self.both("change", given, instant and self.time_to(*instant))

    # ---- time

    @rule(instant=instants)
    def jump(self, instant) -> None:
        """Many instants at once."""
        self.pass_time(self.time_to(*instant) or 0)

    @rule(steps=st.integers(1, 20))
    def walk(self, steps) -> None:
        """Instant by instant."""
        for _ in range(steps):
            self.pass_time(self.time_to(0, 0) or 0)
            self.agree()

    @rule(elapsed_us=SAMPLE((0, 1, 200_000, 1_000_000, 7_000_000, 20_000_000, 31_000_000)))
    def leap(self, elapsed_us) -> None:
        self.pass_time(elapsed_us)


TestMappingAgreesWithModel = MappingAgreesWithModel.TestCase
if PROFILE != "nightly":
    examples = settings().max_examples * 6 // 5
    TestMappingAgreesWithModel.settings = settings(max_examples=examples, stateful_step_count=20)
