"""Execution environments against a naive model: a list of environments with two instants each."""

from __future__ import annotations

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import Clock, EnvironmentModel
from lambdasim.lambda_.environments import Count, Environment, Environments
from tests.strategies import near

SECOND = 1_000_000


@define
class Naive:
    number: int
    born_us: int
    idle_since_us: int | None = None


class NaiveEnvironments:
    def __init__(self, model):
        self.model = model
        self.all = []
        self.made = 0

    def reap(self, now_us):
        """Drop what has been idle, or has lived, too long."""
        self.all = [
            environment
            for environment in self.all
            if environment.idle_since_us is None
            or (
                now_us < environment.idle_since_us + self.model.idle_ttl_s * SECOND
                and now_us < environment.born_us + self.model.max_lifetime_s * SECOND
            )
        ]

    def idle(self):
        return [environment for environment in self.all if environment.idle_since_us is not None]

    def take(self, now_us):
        """Return the number of the environment that a request gets, and whether it is new."""
        idle = self.idle()
        if not idle:
            self.made += 1
            self.all.append(Naive(self.made, now_us))
            return self.made, True
        order = {
            "most_recent": lambda environment: (-environment.idle_since_us, environment.number),
            "least_recent": lambda environment: (environment.idle_since_us, environment.number),
            "lowest_id": lambda environment: environment.number,
        }[self.model.reuse]
        taken = min(idle, key=order)
        taken.idle_since_us = None
        return taken.number, False

    def give_back(self, number, now_us):
        next(environment for environment in self.all if environment.number == number).idle_since_us = now_us
        self.reap(now_us)


steps = st.lists(
    st.tuples(near(0, SECOND, 5 * SECOND, 10 * SECOND, 20 * SECOND, 40 * SECOND), st.integers(0, 3), st.integers(0, 9)),
    max_size=40,
)


@given(steps=steps, reuse=st.sampled_from(("most_recent", "least_recent", "lowest_id")))
def test_environments_are_taken_kept_and_reaped_as_a_list_would(steps, reuse):
    model = EnvironmentModel(reuse=reuse, idle_ttl_s=10, max_lifetime_s=40)
    clock, naive = Clock(), NaiveEnvironments(model)
    environments = Environments("worker", clock, model, Count())
    busy = []
    for elapsed_us, action, which in steps:
        clock.run(until_us=clock.now_us + elapsed_us)
        naive.reap(clock.now_us)
        if action:
            number, is_new = naive.take(clock.now_us)
            assert bool(environments.idle) is not is_new
            taken = environments.take() if environments.idle else environments.make()
            assert taken.number == number
            busy.append(taken)
        elif busy:
            done = busy.pop(which % len(busy))
            environments.give_back(done)
            naive.give_back(done.number, clock.now_us)
        found = (environments.busy, environments.idle, environments.alive, environments.cold_starts)
        assert found == (len(busy), len(naive.idle()), len(naive.all), naive.made)
    clock.run(until_us=clock.now_us + 10 * SECOND)
    assert environments.idle == 0


def test_no_timer_is_left_when_nothing_is_idle():
    clock = Clock()
    environments = Environments("worker", clock, EnvironmentModel(), Count())
    environments.give_back(environments.make())
    clock.run(until=600)
    assert (environments.alive, clock.pending) == (0, 0)


def test_reaping_is_in_the_trace():
    clock = Clock()
    environments = Environments("worker", clock, EnvironmentModel(idle_ttl_s=5), Count())
    environments.give_back(environments.make())
    clock.run(until=10)
    assert [(r.at_us, r.kind, r.details["environment"]) for r in clock.trace.records] == [
        (0, "environment started", "A"),
        (5_000_000, "environment reaped", "A"),
    ]


@pytest.mark.rule("LAM-122", "LAM-120")
def test_environments_of_several_versions_count_on_together():
    clock, count = Clock(), Count()
    latest, published = (Environments("worker", clock, EnvironmentModel(), count) for _ in range(2))
    assert [place.make().id for place in (latest, published, published, latest)] == ["A", "B", "C", "D"]
    assert (latest.busy, published.busy) == (2, 2)


@pytest.mark.rule("LAM-027")
@pytest.mark.parametrize("is_busy", [True, False])
def test_environments_of_what_is_no_longer_deployed_go_at_once_or_when_they_finish(is_busy):
    environments = Environments("worker", Clock(), EnvironmentModel(), Count())
    environment = environments.make()
    if not is_busy:
        environments.give_back(environment)
    environments.retire()
    assert environments.alive == int(is_busy)
    if is_busy:
        environments.give_back(environment)
    assert (environments.alive, environments.idle) == (0, 0)
    environments.check_invariants()


@pytest.mark.rule("LAM-122")
@given(number=st.integers(1, 10**6))
def test_the_name_of_an_environment_is_its_number_in_letters(number):
    home = Environments("worker", Clock(), EnvironmentModel(), Count())
    name = Environment(number, home, made_at_us=0, retire_at_us=SECOND).id
    value = 0
    for letter in name:
        value = value * 26 + ord(letter) - ord("A") + 1
    assert value == number
    assert name.isalpha()
    assert name.isupper()
