"""
Who may run, and where: whatever is configured, invoked and waited for, the simulator agrees with a naive model.

The figures are small (`tests.property.lambda_model`), so that pools, windows, buckets and provisioned environments are
used up all the time, and time likes to stop beside the instants at which something changes.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.conftest import PROFILE
from tests.property.lambda_machine import BothSides
from tests.property.lambda_model import LATEST, SECOND_US

NAMES = ("a", "b", "c")
ALIASES = ("x", "y")

durations_us = st.sampled_from(
    (0, 1, 100_000, 400_000, 400_000, SECOND_US, 2 * SECOND_US, 3 * SECOND_US, 30 * SECOND_US)
)
inits_us = st.sampled_from((0, 0, 1, 600_000, 2 * SECOND_US))
capacities = st.sampled_from((1, 3, 8, 50, 50))
reserves = st.sampled_from((0, 1, 2, 3, 4, 5, 5, 7, 14, 15))
usual_reserves = st.sampled_from((None, None, None, 2, 4, 5, 14, 15))
amounts = st.sampled_from((1, 1, 2, 2, 3, 4, 5, 0, 11, 15, 20))
usual_amounts = st.integers(1, 4)
times = st.sampled_from((1, 2, 3, 5, 9, 14, 20))
changes = ("put", "put", "delete", "reserve", "unreserve", "wait", "wait", "wait", "nothing", "nothing")
offsets_us = st.sampled_from((0, 0, 0, -1, 1))


class FunctionsAgreeWithModel(BothSides):
    """Three functions of one account; each may be deleted and made again."""

    @initialize(data=st.data())
    def make(self, data) -> None:
        self.begin()
        self.changes = 0
        for name in NAMES:
            self.create(data, name)
        for name in NAMES[:2]:
            self.publish_version(name)
            self.create_alias(name, "x", "1")

    # ---- what is drawn

    def create(self, data, name) -> None:
        reserve = data.draw(usual_reserves, label=f"reserve of {name}")
        init_us, capacity, duration_us = data.draw(st.tuples(inits_us, capacities, durations_us), label=name)
        self.create_function(name, init_us=init_us, capacity=capacity, duration_us=duration_us, reserve=reserve)
        if name not in self.functions:  # there was no room for its reserve
            self.create_function(name, init_us=init_us, capacity=capacity, duration_us=duration_us, reserve=None)

    def function(self, data) -> str:
        """Mostly the first, so that a lot happens to it."""
        return data.draw(st.sampled_from((*[NAMES[0]] * 3, *NAMES)))

    def qualifiers(self, name) -> list[str]:
        """Return what there is besides `$LATEST`."""
        function = self.model.functions.get(name)
        if function is None:
            return []
        return [*[version.number for version in function.published], *function.aliases]

    def qualifier(self, data, name) -> str | None:
        """Mostly one that has provisioned concurrency, if any has."""
        function = self.model.functions.get(name)
        configured = [] if function is None else list(function.configs)
        if not data.draw(st.integers(0, 15)):
            return data.draw(st.sampled_from(("x", "y", "9")))  # there may be none
        return data.draw(st.sampled_from((*configured * 4, *self.qualifiers(name), None, None)))

    # ---- configuration

    @rule(data=st.data(), what=st.sampled_from(("update", "update", "publish", "alias", "alias", "create", "delete")))
    def deploy(self, data, what) -> None:
        name = self.function(data)
        function = self.model.functions.get(name)
        self.changes += 1
        if function is None or what == "create":
            self.create(data, name)
        elif what == "update":
            self.update_function(name, data.draw(durations_us), f"change {self.changes}")
        elif what == "publish":
            self.publish_version(name)
        elif what == "delete":
            if not data.draw(st.integers(0, 3)):
                self.delete_function(name)
        else:
            self.change_alias(data, name, function)

    def change_alias(self, data, name, function) -> None:
        alias = data.draw(st.sampled_from(ALIASES))
        number = data.draw(st.sampled_from([version.number for version in function.published] or ["1"]))
        if alias not in function.aliases:
            self.create_alias(name, alias, number)
        elif alias not in function.configs:  # what becomes of those that it has is said by no rule
            self.update_alias(name, alias, number)
        elif data.draw(st.booleans()):
            self.delete_alias(name, alias)

    @rule(data=st.data(), amount=st.none() | reserves)
    def reserve(self, data, amount) -> None:
        name = self.function(data)
        if amount is None:
            self.delete_reserve(name)
        else:
            self.put_reserve(name, amount)

    @rule(data=st.data(), amount=amounts)
    def provision(self, data, amount) -> None:
        name = self.function(data)
        self.put_config(name, data.draw(st.sampled_from((*self.qualifiers(name), "x", LATEST, "9"))), amount)

    @rule(data=st.data(), amount=usual_amounts, off_us=offsets_us)
    def provision_and_wait(self, data, amount, off_us) -> None:
        """The usual way: nothing is provisioned for a version and an alias of it."""
        name = self.function(data)
        qualifiers = self.qualifiers(name)
        if qualifiers:
            qualifier = data.draw(st.sampled_from(qualifiers))
            self.put_config(name, qualifier, amount)
            config = self.model.functions[name].configs.get(qualifier)
            if config is not None and config.ready_us > self.model.now_us:
                self.pass_time(config.ready_us + off_us)

    @rule(data=st.data(), amount=usual_amounts)
    def work_on_provisioned_environments(self, data, amount) -> None:
        """Requests for a ready configuration, which is changed meanwhile."""
        name = self.function(data)
        function = self.model.functions.get(name)
        if function is None:
            return
        if not function.published:
            self.publish_version(name)
        if (function.reserve or amount) < amount:
            self.delete_reserve(name)
        qualifier = data.draw(st.sampled_from((*function.configs, *self.qualifiers(name))))
        self.put_config(name, qualifier, amount)
        config = function.configs.get(qualifier)
        if config is None:
            return
        self.pass_time(max(self.model.now_us, config.ready_us + data.draw(offsets_us)))
        for what in data.draw(st.lists(st.sampled_from(changes), min_size=2, max_size=5)):
            other = data.draw(usual_amounts)
            if what == "put":
                self.put_config(name, qualifier, other)
            elif what == "delete":
                self.delete_config(name, qualifier)
            elif what == "reserve":
                self.put_reserve(name, amount + other - 1)
            elif what == "unreserve":
                self.delete_reserve(name)
            elif what == "wait":
                self.time_passes_to_a_boundary(which=other - 1, off_us=data.draw(offsets_us))
            self.begin_invocations(name, data.draw(st.sampled_from((qualifier, qualifier, None))), other + 1)

    @rule(data=st.data(), what=st.sampled_from(("get", "delete")))
    def unprovision(self, data, what) -> None:
        name = self.function(data)
        qualifier = self.qualifier(data, name) or LATEST
        if what == "get":
            self.get_config(name, qualifier)
        else:
            self.delete_config(name, qualifier)

    # ---- invocations

    @rule(data=st.data(), count=times)
    def request(self, data, count) -> None:
        name = self.function(data)
        self.begin_invocations(name, self.qualifier(data, name), count)

    @rule(data=st.data())
    def request_everything(self, data) -> None:
        for name in NAMES:
            self.begin_invocations(name, self.qualifier(data, name), data.draw(times))

    @rule(data=st.data(), steps_us=st.lists(st.sampled_from((0, 1, 100_000, 200_000)), min_size=2, max_size=6))
    def request_for_a_while(self, data, steps_us) -> None:
        """Enough within a second to meet its limits."""
        name = self.function(data)
        qualifier = self.qualifier(data, name)
        for elapsed_us in steps_us:
            self.begin_invocations(name, qualifier, 5)
            self.pass_time(self.model.now_us + elapsed_us)

    @rule(data=st.data())
    def call(self, data) -> None:
        name = self.function(data)
        self.invoke(name, self.qualifier(data, name))

    # ---- time

    @rule(which=st.sampled_from((0, 0, 1, 1, 2, 3, 5, 9)), off_us=offsets_us)
    def time_passes_to_a_boundary(self, which, off_us) -> None:
        ahead = self.model.boundaries_us()
        self.pass_time(max(self.model.now_us, ahead[min(which, len(ahead) - 1)] + off_us))

    @precondition(lambda self: self.model.running())
    @rule(off_us=offsets_us)
    def time_passes_to_the_end_of_a_run(self, off_us) -> None:
        self.pass_time(max(self.model.now_us, min(run.ends_us for run in self.model.running()) + off_us))

    @rule(elapsed_us=st.integers(0, 3 * SECOND_US))
    def time_passes(self, elapsed_us) -> None:
        self.pass_time(self.model.now_us + elapsed_us)


TestFunctionsAgreeWithModel = FunctionsAgreeWithModel.TestCase
if PROFILE != "nightly":
    examples = settings().max_examples * 9 // 5
    TestFunctionsAgreeWithModel.settings = settings(max_examples=examples, stateful_step_count=40)
