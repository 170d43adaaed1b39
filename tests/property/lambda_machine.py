"""
What is done to the simulator and to `tests.property.lambda_model` alike, and how their answers are compared.

`BothSides` has one method per operation of Lambda: it makes the call on both sides, and both must answer the same, or
refuse it with the same words. What is done, and when, is said by the rules of `test_lambda_agrees_with_model`.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant

from lambdasim import ColdStartModel, EnvironmentModel, LambdaLimits, ScalingRate, Simulation
from lambdasim.errors import LambdaError
from lambdasim.lambda_ import ProvisioningModel, RuntimeModel
from tests.property.lambda_model import (
    ACCOUNT,
    FACTOR,
    FLOOR,
    IDLE_TTL_US,
    LIFETIME_US,
    MINUTE_US,
    PREPARE_US,
    RATE_PER_S,
    SECOND_US,
    TOKENS_PER_S,
    Model,
    ModelFunction,
    RefusedError,
    Run,
)

PROVISIONED = ("ProvisionedConcurrencyInvocations", "ProvisionedConcurrencySpilloverInvocations")
TIMEOUT_S = 60


def error_of(call):
    """Return what a call answers and the error that it raises, one of them None."""
    try:
        return call(), None
    except LambdaError as error:
        return None, error


class BothSides(RuleBasedStateMachine):
    """The simulator, the model, and what stands for what in them."""

    def begin(self) -> None:
        self.sim = Simulation(
            settings=[
                LambdaLimits(account_concurrency=ACCOUNT, unreserved_floor=FLOOR, rps_factor=FACTOR),
                EnvironmentModel(idle_ttl_s=IDLE_TTL_US // SECOND_US, max_lifetime_s=LIFETIME_US // SECOND_US),
                ProvisioningModel(prepare_s=PREPARE_US // SECOND_US, rate_per_s=RATE_PER_S),
                RuntimeModel(logs_kept=10_000),
            ],
            trace=0,
        )
        self.model = Model()
        self.functions: dict[str, Any] = {}  # those deleted last as well
        self.pairs: list[tuple[Any, ModelFunction]] = []  # all there ever were
        self.waiting: list[tuple[Run, Any]] = []  # what runs, and the process that waits for it
        self.claimed_before = 0

    def settle(self) -> None:
        """Let processes that were just started or woken run at this instant."""
        self.sim.run(until_us=self.sim.now_us)

    def both(self, ours, model):
        """Make a call on both sides; return both answers, or None if both refuse it with the same words."""
        expected = refusal = None
        try:
            expected = model()
        except RefusedError as error:
            refusal = error
        answer, error = error_of(ours)
        self.settle()
        self.claimed_before = self.model.claimed  # what is set aside may have changed
        if refusal is not None or error is not None:
            self.compare_errors(error, refusal)
            return None
        return answer, expected

    # ---- how answers are compared

    def compare_errors(self, error, refusal) -> None:
        assert error is not None, f"not refused, but should be: {refusal.text} {refusal.reason}"
        assert refusal is not None, f"refused, but should not be: {error.message} {getattr(error, 'reason', '')}"
        assert (error.code, error.message) == (refusal.code, refusal.text)
        if refusal.reason is not None:
            assert error.reason == refusal.reason

    def compare_config(self, config, shown) -> None:
        assert (
            config.function_arn,
            config.requested_provisioned_concurrent_executions,
            config.allocated_provisioned_concurrent_executions,
            config.available_provisioned_concurrent_executions,
            config.status,
            config.status_reason,
            config.last_modified_at_us,
        ) == shown

    # ---- functions, versions, aliases

    def create_function(self, name, *, init_us, capacity, duration_us, reserve) -> None:
        answers = self.both(
            lambda: self.sim.create_function(
                name,
                duration=timedelta(microseconds=duration_us),
                timeout=TIMEOUT_S,
                reserved_concurrent_executions=reserve,
                settings=[
                    ColdStartModel(init_s=timedelta(microseconds=init_us)),
                    ScalingRate(capacity=capacity, refill_per_s=TOKENS_PER_S),
                ],
            ),
            lambda: self.model.create(name, init_us, capacity, duration_us, reserve),
        )
        if answers is not None:
            self.functions[name] = answers[0]
            self.pairs.append((answers[0], self.model.functions[name]))

    def update_function(self, name, duration_us, description) -> None:
        self.both(
            lambda: self.functions[name].update_function_configuration(
                duration=timedelta(microseconds=duration_us), description=description
            ),
            lambda: self.model.update(name, duration_us, description),
        )

    def publish_version(self, name) -> None:
        answers = self.both(self.functions[name].publish_version, lambda: self.model.publish(name))
        if answers is not None:
            assert answers[0].version == answers[1]

    def create_alias(self, name, alias, number) -> None:
        answers = self.both(
            lambda: self.functions[name].create_alias(alias, number),
            lambda: self.model.create_alias(name, alias, number),
        )
        if answers is not None:
            assert (answers[0].name, answers[0].function_version) == (alias, number)

    def update_alias(self, name, alias, number) -> None:
        answers = self.both(
            lambda: self.functions[name].update_alias(alias, function_version=number),
            lambda: self.model.update_alias(name, alias, number),
        )
        if answers is not None:
            assert (answers[0].name, answers[0].function_version) == (alias, number)

    def delete_alias(self, name, alias) -> None:
        self.both(lambda: self.functions[name].delete_alias(alias), lambda: self.model.delete_alias(name, alias))

    def delete_function(self, name) -> None:
        self.both(self.functions[name].delete_function, lambda: self.model.delete(name))

    # ---- what is set aside

    def put_reserve(self, name, amount) -> None:
        answers = self.both(
            lambda: self.functions[name].put_function_concurrency(amount),
            lambda: self.model.put_reserve(name, amount),
        )
        if answers is not None:
            assert answers[0].reserved_concurrent_executions == amount

    def delete_reserve(self, name) -> None:
        self.both(self.functions[name].delete_function_concurrency, lambda: self.model.delete_reserve(name))

    def put_config(self, name, qualifier, amount) -> None:
        answers = self.both(
            lambda: self.functions[name].put_provisioned_concurrency_config(qualifier, amount),
            lambda: self.model.put_config(name, qualifier, amount),
        )
        if answers is not None:
            assert answers[0].requested_provisioned_concurrent_executions == amount

    def get_config(self, name, qualifier) -> None:
        answers = self.both(
            lambda: self.functions[name].get_provisioned_concurrency_config(qualifier),
            lambda: self.model.get_config(name, qualifier),
        )
        if answers is not None:
            self.compare_config(*answers)

    def delete_config(self, name, qualifier) -> None:
        self.both(
            lambda: self.functions[name].delete_provisioned_concurrency_config(qualifier),
            lambda: self.model.delete_config(name, qualifier),
        )

    # ---- invocations

    def begin_invocations(self, name, qualifier, times) -> None:
        """Let so many processes invoke at this instant, one after the other."""
        outcomes: list[Any] = [None] * times

        async def process(place: int) -> None:
            try:
                outcomes[place] = await self.functions[name].wait_invoke(qualifier=qualifier)
            except LambdaError as error:
                outcomes[place] = error

        for place in range(times):
            self.sim.spawn(process(place))
        self.settle()
        for place in range(times):
            outcome = outcomes[place]
            error = outcome if isinstance(outcome, LambdaError) else None
            run = self.expect(name, qualifier, error)
            if run is not None:
                assert (outcome is None) == (run.ends_us > self.sim.now_us)
                self.waiting.append((run, lambda place=place: outcomes[place]))

    def invoke(self, name, qualifier) -> None:
        """Invoke, and wait for the answer."""
        at_us = self.sim.now_us
        answer, error = error_of(lambda: self.functions[name].invoke(qualifier=qualifier))
        run = self.expect(name, qualifier, error)
        if run is None:
            assert self.sim.now_us == at_us
        else:
            assert self.sim.now_us == run.ends_us
            self.model.now_us = run.ends_us
            self.settle()
            self.waiting.append((run, lambda: answer))

    def expect(self, name, qualifier, error) -> Run | None:
        """Let the model invoke; it must be refused as the simulator was, or not at all."""
        try:
            run = self.model.invoke(name, qualifier)
        except RefusedError as refusal:
            self.compare_errors(error, refusal)
            return None
        assert error is None, f"refused, but should not be: {error.message} {getattr(error, 'reason', '')}"
        return run

    def pass_time(self, to_us) -> None:
        self.model.now_us = to_us
        self.sim.run(until_us=to_us)

    # ---- what holds at every instant

    @invariant()
    def both_are_at_the_same_instant(self) -> None:
        assert self.sim.now_us == self.model.now_us

    @invariant()
    def both_count_the_same(self) -> None:
        model, pool = self.model, self.sim.pool
        for ours, function in self.pairs:
            snapshot = ours.snapshot()
            runs = [run for run in model.runs if run.function is function]
            assert snapshot.in_flight == model.in_flight(function)
            assert snapshot.invocations == len(runs)
            assert snapshot.throttles == len(function.throttles)
            assert snapshot.cold_starts == len(function.environments)
            assert snapshot.busy == snapshot.in_flight
            if all(model.busy(config) <= config.available(model.now_us) for config in function.configs.values()):
                assert snapshot.idle == model.idle_environments(function)
        assert pool.in_flight == model.in_flight()
        assert pool.unreserved_in_flight == model.unreserved_in_flight()
        assert pool.unreserved_capacity == model.unreserved
        assert pool.claimed == model.claimed
        assert self.sim.claimed_share == model.claimed * 100 / ACCOUNT

    @invariant()
    def both_have_the_same_set_aside(self) -> None:
        for name, function in self.model.functions.items():
            ours = self.functions[name]
            assert ours.reserved_concurrent_executions == function.reserve
            shown = [function.configs[qualifier].shown(self.model.now_us) for qualifier in sorted(function.configs)]
            for config, wanted in zip(ours.list_provisioned_concurrency_configs(), shown, strict=True):
                self.compare_config(config, wanted)
        account = self.sim.get_account_settings()
        assert account.unreserved_concurrent_executions == ACCOUNT - self.model.reserved
        assert account.function_count == len(self.model.functions)

    @invariant()
    def the_simulator_agrees_with_itself(self) -> None:
        self.sim.check_invariants()

    @invariant()
    def admission_never_claims_more_than_the_account_has(self) -> None:
        """LAM-266: only a limit that was lowered below the work in flight can do that."""
        claimed = self.sim.pool.claimed
        assert claimed <= max(ACCOUNT, self.claimed_before)
        self.claimed_before = claimed

    # ---- the end

    def compare_runs(self) -> None:
        """How each invocation went, in order of admission."""
        for ours, function in self.pairs:
            runs = [run for run in self.model.runs if run.function is function]
            for invocation, run in zip(ours.invocations, runs, strict=True):
                assert (
                    invocation.is_cold_start,
                    invocation.admitted_at_us,
                    invocation.started_at_us,
                    invocation.ended_at_us,
                    invocation.version,
                    invocation.qualifier,
                ) == (run.is_cold, run.admitted_us, run.started_us, run.ends_us, run.version.number, run.qualifier)
        for run, answer in self.waiting:
            assert answer().executed_version == run.version.number

    def compare_metrics(self) -> None:
        """LAM-261, LAM-262, LAM-266: sums of each minute, under each set of dimensions."""
        wanted: Counter[tuple[Any, ...]] = Counter()

        def count(name, at_us, function_name, qualifier, executed) -> None:
            minute = at_us // MINUTE_US * 60
            resource = function_name if qualifier is None else f"{function_name}:{qualifier}"
            sets = [(), (function_name,), (function_name, resource)]
            if executed is not None:
                sets.append((function_name, resource, executed))
            for dimensions in sets[name in PROVISIONED :]:
                wanted[name, dimensions, minute] += 1

        for run in self.model.runs:
            is_alias = run.qualifier is not None and not run.qualifier.isdigit()
            executed = run.version.number if is_alias else None
            for name in ("Invocations", "Duration"):
                count(name, run.admitted_us, run.function.name, run.qualifier, executed)
            if run.config is not None or run.is_spilled:
                name = PROVISIONED[run.config is None]
                count(name, run.admitted_us, run.function.name, run.qualifier, None)
        for _, function in self.pairs:
            for at_us, qualifier, version in function.throttles:
                is_alias = qualifier is not None and not qualifier.isdigit()
                executed = version.number if is_alias else None
                count("Throttles", at_us, function.name, qualifier, executed)
        for name, dimensions in {key[:2] for key in wanted}:
            names = ("FunctionName", "Resource", "ExecutedVersion")[: len(dimensions)]
            statistic = "SampleCount" if name == "Duration" else "Sum"
            series = self.sim.metrics.series("AWS/Lambda", name, statistic, **dict(zip(names, dimensions, strict=True)))
            found = {minute: value for minute, value in series if value}
            assert found == {
                minute: value
                for (other, others, minute), value in wanted.items()
                if (other, others) == (name, dimensions)
            }, (name, dimensions)

    def compare_gauges(self) -> None:
        """LAM-262, LAM-263: the largest concurrency of each minute, where a name stood for one thing only."""
        runs = self.model.runs
        self.compare_gauge("ConcurrentExecutions", {}, runs)
        names = Counter(function.name for _, function in self.pairs)
        for name in (name for name, count in names.items() if count == 1):
            of_function = [run for run in runs if run.function.name == name]
            self.compare_gauge("ConcurrentExecutions", {"FunctionName": name}, of_function)
            provisioned = [run for run in of_function if run.config is not None]
            self.compare_gauge("ProvisionedConcurrentExecutions", {"FunctionName": name}, provisioned)
            for qualifier in {run.qualifier for run in provisioned}:
                of_resource = [run for run in provisioned if run.qualifier == qualifier]
                if len({run.config for run in of_resource}) == 1:
                    dimensions = {"FunctionName": name, "Resource": f"{name}:{qualifier}"}
                    self.compare_gauge("ProvisionedConcurrentExecutions", dimensions, of_resource)

    def compare_gauge(self, name, dimensions, runs) -> None:
        largest: dict[int, int] = {}

        def take(at_us, value) -> None:
            minute = at_us // MINUTE_US * 60
            largest[minute] = max(largest.get(minute, 0), value)

        for place, run in enumerate(runs):
            take(run.admitted_us, 1 + len([other for other in runs[:place] if other.ends_us > run.admitted_us]))
            if run.ends_us > run.admitted_us:  # the first of those that end together leaves all others
                there = [other for other in runs if other.admitted_us < run.ends_us <= other.ends_us]
                take(run.ends_us, len(there) - 1)
            for border_us in range((run.admitted_us // MINUTE_US + 1) * MINUTE_US, run.ends_us, MINUTE_US):
                take(border_us, len([other for other in runs if other.admitted_us < border_us < other.ends_us]))
        series = self.sim.metrics.series("AWS/Lambda", name, "Maximum", **dimensions)
        assert dict(series) == largest, (name, dimensions)

    def teardown(self) -> None:
        if not hasattr(self, "sim"):
            return
        last_us = max([run.ends_us for run in self.model.runs], default=self.model.now_us)
        self.pass_time(max(last_us, self.model.now_us))
        self.both_count_the_same()
        self.the_simulator_agrees_with_itself()
        self.compare_runs()
        self.compare_metrics()
        self.compare_gauges()
