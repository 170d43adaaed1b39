"""
Random queues, functions and mappings, random sends and time: nothing is lost, and no limit is ever exceeded.

What a mapping does to the microsecond is compared with a naive one elsewhere; here everything is mixed that users can
mix, and only laws are asked for.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lambdasim import (
    BackoffModel,
    BatchWindowModel,
    ColdStartModel,
    FilterModel,
    LambdaLimits,
    LifecycleModel,
    RedrivePolicy,
    ScalingModel,
    ScalingRate,
    Simulation,
    SqsConfig,
    ThrottleRetry,
)
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceInUseException,
    ResourceNotFoundException,
)
from lambdasim.errors.sqs import OverLimit
from tests.strategies import near

pytestmark = pytest.mark.filterwarnings("ignore:.* returned batchItemFailures")

SECOND = 1_000_000
SAMPLE = st.sampled_from

queues = st.fixed_dictionaries(
    {
        "visibility_timeout": SAMPLE((3, 4, 6, 18)),
        "message_retention_period": SAMPLE((60, 345_600)),
        "receives": SAMPLE((None, 1, 2, 3)),
    }
)
functions = st.fixed_dictionaries(
    {
        "duration": SAMPLE((0, 0.2, 1, 3)),
        "timeout": SAMPLE((1, 3)),
        "reserved_concurrent_executions": SAMPLE((None, None, 0, 1, 4)),
        "init": SAMPLE((0, 0, 0.5, 11)),
    }
)
NO_LARGE = '{"body": [{"prefix": "f"}, {"prefix": "bad"}, {"prefix": "once"}, {"prefix": "s"}]}'
PATTERNS = (
    NO_LARGE,
    '{"attributes": {"ApproximateReceiveCount": ["1"]}}',
    '{"body": {"k": ["v"]}}',
    '{"body": ["fine"]}',
)
criteria = SAMPLE((None, None, *({"Filters": [{"Pattern": pattern}]} for pattern in PATTERNS)))
changes = st.fixed_dictionaries(
    {},
    optional={
        "batch_size": SAMPLE((1, 2, 10)),
        "maximum_batching_window_in_seconds": SAMPLE((0, 0, 1, 7)),
        "maximum_concurrency": SAMPLE((None, 2, 4, 9)),
        "function_response_types": SAMPLE(((), ("ReportBatchItemFailures",))),
        "filter_criteria": criteria,
        "enabled": st.booleans(),
    },
)
mappings = st.fixed_dictionaries(
    {
        "batch_size": SAMPLE((1, 3, 10)),
        "maximum_batching_window_in_seconds": SAMPLE((0, 0, 1, 7)),
        "maximum_concurrency": SAMPLE((None, 2, 4)),
        "function_response_types": SAMPLE(((), ("ReportBatchItemFailures",))),
        "scaling": SAMPLE(
            (
                ScalingModel(idle_optimise_after_s=30),
                ScalingModel(initial=1),
                ScalingModel.EAGER,
                ScalingModel(ramp="step", step_per_minute=7),
                ScalingModel(max=3),
            )
        ),
        "backoff": SAMPLE((BackoffModel(), BackoffModel(), BackoffModel.OFF)),
        "retry": SAMPLE((ThrottleRetry(), ThrottleRetry.SEED)),
        "window": SAMPLE((BatchWindowModel(), BatchWindowModel(payload_bytes=1_500, anchor="first_record"))),
        "lifecycle": SAMPLE(
            (LifecycleModel(), LifecycleModel(creating_s=1, updating_s=2, disabling_s=3, deleting_s=1))
        ),
        "filters": SAMPLE((FilterModel(), FilterModel(update_delay_s=2))),
        "filter_criteria": criteria,
        "enabled": SAMPLE((True, True, True, False)),
    }
)
bodies = SAMPLE(
    ("fine", "fine", "fine", "bad", "once", "raises", "sleeps", "exits", "odd", "sends", "x" * 300, "y" * 1_400)
)


class Mappings(RuleBasedStateMachine):
    @initialize(
        made_queues=st.lists(queues, min_size=1, max_size=2),
        made_functions=st.lists(functions, min_size=1, max_size=2),
        limit=SAMPLE((3, 25, 120_000)),
        account=SAMPLE((9, 15, 1_000)),
        seed=st.integers(0, 3),
    )
    def build(self, made_queues, made_functions, limit, account, seed):
        self.most = Counter()  # the highest target of each mapping
        self.runs = Counter()  # by message id
        self.caps = {}  # the highest cap that each mapping ever had
        self.fewest = {}  # what each has counted so far
        self.mine = set()  # ids of messages that the test itself received or deleted
        self.sim = sim = Simulation(
            seed=seed,
            trace=200,
            settings=[
                LambdaLimits(account_concurrency=account, unreserved_floor=1),
                SqsConfig(inflight_limit_standard=limit),
                ScalingRate(capacity=20),
            ],
        )
        sim.subscribe(self.hear)
        self.dead = sim.create_queue("dead")
        self.queues = []
        for place, given in enumerate(made_queues):
            given = dict(given)  # noqa: PLW2901
            receives = given.pop("receives")
            policy = None if receives is None else RedrivePolicy(self.dead, receives)
            self.queues.append(sim.create_queue(f"queue-{place}", redrive_policy=policy, **given))
        self.functions = []
        for place, given in enumerate(made_functions):
            given = dict(given)  # noqa: PLW2901
            model = ColdStartModel(init_s=given.pop("init"))
            self.functions.append(sim.create_function(f"function-{place}", self.handle, settings=[model], **given))
        self.mappings = []

    def hear(self, record):
        if record.kind == "concurrency limit changed":
            self.most[record.subject] = max(self.most[record.subject], record.details["target"])

    def handle(self, event, context):
        failures = []
        self.runs.update(record["messageId"] for record in event["Records"])
        for record in event["Records"]:
            body = record["body"]
            if body == "raises":
                raise ValueError
            if body == "exits":
                raise SystemExit(1)
            if body == "sleeps":
                context.sleep(2)
            if body == "odd":
                return {"batchItemFailures": "all of them"}
            if body == "sends" and record["attributes"]["ApproximateReceiveCount"] == "1":
                self.queues[0].send_message("fine")
            if body == "bad" or (body == "once" and record["attributes"]["ApproximateReceiveCount"] == "1"):
                failures.append({"itemIdentifier": record["messageId"]})
        if failures and "ReportBatchItemFailures" not in self.types_of(event):
            raise LookupError
        event["Records"].clear()
        return {"batchItemFailures": failures}

    def types_of(self, event):
        arn = event["Records"][0]["eventSourceARN"]
        return next((mapping.function_response_types for mapping in self.mappings if mapping.queue.arn == arn), ())

    def cap_of(self, mapping):
        settings = mapping._pollers._scaling
        return min(settings.max, mapping.maximum_concurrency or 10_000, self.sim.pool.account_concurrency)

    # ---- what users do

    @rule(given=mappings, which=st.integers(0, 3))
    def create_mapping(self, given, which):
        given = dict(given)
        settings = [given.pop(name) for name in ("scaling", "backoff", "retry", "window", "lifecycle", "filters")]
        queue = self.queues[which % len(self.queues)]
        function = self.functions[which // 2 % len(self.functions)]
        with suppress(ResourceConflictException):
            mapping = self.sim.create_event_source_mapping(queue, function, settings=settings, **given)
            self.mappings.append(mapping)
            self.caps[mapping.uuid] = self.cap_of(mapping)
            self.fewest[mapping.uuid] = (0, 0, 0, 0)

    @precondition(lambda self: self.mappings)
    @rule(which=st.integers(0, 3), given=changes, function=SAMPLE((None, None, 0, 1)))
    def change_mapping(self, which, given, function):
        mapping = self.mappings[which % len(self.mappings)]
        if function is not None:
            given = {**given, "function": self.functions[function % len(self.functions)]}
        with suppress(
            InvalidParameterValueException,
            ResourceConflictException,
            ResourceInUseException,
            ResourceNotFoundException,
        ):
            mapping.update_event_source_mapping(**given)
            self.caps[mapping.uuid] = max(self.caps[mapping.uuid], self.cap_of(mapping))

    @precondition(lambda self: self.mappings)
    @rule(which=st.integers(0, 3), enabled=st.booleans())
    def turn_off_and_on(self, which, enabled):
        mapping = self.mappings[which % len(self.mappings)]
        with suppress(ResourceInUseException, ResourceNotFoundException):
            mapping.update_event_source_mapping(enabled=enabled)

    @precondition(lambda self: self.mappings)
    @rule(which=st.integers(0, 3))
    def delete_mapping(self, which):
        mapping = self.mappings[which % len(self.mappings)]
        with suppress(ResourceInUseException, ResourceNotFoundException):
            mapping.delete_event_source_mapping()

    @rule(which=st.integers(0, 1), sent=st.lists(bodies, min_size=1, max_size=30), delay=SAMPLE((0, 0, 0, 1, 5)))
    def send(self, which, sent, delay):
        queue = self.queues[which % len(self.queues)]
        for body in sent:
            queue.send_message(body, delay_seconds=delay)

    @rule(which=st.integers(0, 1), sent=st.lists(bodies, min_size=1, max_size=5), after=near(0, 200_000, SECOND))
    def send_later(self, which, sent, after):
        queue = self.queues[which % len(self.queues)]
        for body in sent:
            self.sim.call_later(after / SECOND, queue.send_message, body)

    @rule(elapsed=near(0, 1, 200_000, SECOND, 3 * SECOND, 6 * SECOND, 20 * SECOND, 31 * SECOND))
    def time_passes(self, elapsed):
        self.sim.run(until_us=self.sim.now_us + elapsed)

    @rule(steps=st.integers(1, 60))
    def steps(self, steps):
        for _ in range(steps):
            if not self.sim.step():
                break
            self.look()

    @rule(which=st.integers(0, 1), amount=SAMPLE((None, 0, 1, 3)))
    def change_reserve(self, which, amount):
        function = self.functions[which % len(self.functions)]
        if amount is None:
            function.delete_function_concurrency()
        else:
            function.put_function_concurrency(amount)

    @rule(which=st.integers(0, 1), deletes=st.booleans())
    def receive(self, which, deletes):
        queue = self.queues[which % len(self.queues)]
        with suppress(OverLimit):
            for delivery in queue.receive_message(max_number_of_messages=3):
                self.mine.add(delivery.message_id)
                if deletes:
                    queue.delete_message(delivery.receipt_handle)

    @precondition(lambda self: self.mappings)
    @rule()
    def drain(self):
        """Run until nothing more happens, if that comes to an end."""
        with suppress(TimeoutError):
            self.sim.run_until(lambda: False, timeout=40)

    # ---- laws

    @invariant()
    def look(self):
        if not hasattr(self, "sim"):
            return
        self.sim.check_invariants()
        for queue in self.queues:
            found = queue.snapshot()
            here = found.visible + found.delayed + found.in_flight
            assert found.sent + found.arrived == here + found.deleted + found.moved + found.expired  # ESM-002
            assert found.in_flight <= queue.config.inflight_limit_standard
        for mapping in self.mappings:
            found = mapping.snapshot()
            mapping.check_invariants()  # of those that are deleted, too
            settings = mapping._pollers._scaling
            cap = self.caps[mapping.uuid]
            initial = min(settings.initial, cap)
            assert (
                0 <= found.target <= (self.cap_of(mapping) if found.state in {"Enabled", "Disabled"} else cap)
            )  # ESM-110
            assert found.concurrency_limit == int(found.target)
            assert found.in_flight <= min(found.pollers, cap)  # ESM-107
            assert found.pollers <= max(initial, int(self.most[mapping.uuid]))
            counted = (
                found.polled_event_count,
                found.filtered_out_event_count,
                found.invoked_event_count,
                found.empty_receives,
            )
            assert all(now >= before for now, before in zip(counted, self.fewest[mapping.uuid], strict=True))
            self.fewest[mapping.uuid] = counted
            if found.state in {"Disabled", "Deleted", "Creating", "Enabling"}:  # ESM-053, ESM-054
                assert (found.phase, found.pollers, found.held, found.in_flight) == ("stopped", 0, 0, 0)
            if found.state in {"Enabled", "Updating"} and found.phase == "stopped":
                assert found.state == "Updating"
                assert (found.pollers, found.held) == (0, 0)
            assert found.target == round(found.target, 6)
            assert found.deleted_event_count + found.failed_invoke_event_count <= found.polled_event_count + (
                found.invoked_event_count
            )
            assert found.held <= found.polled_event_count
            assert found.phase in {"stopped", "idle", "active"}
            if found.phase == "idle":
                assert (found.in_flight, found.held) == (0, 0)
        for function in self.functions:
            found = function.snapshot()
            assert found.in_flight == found.busy <= found.environments
            assert found.errors <= found.invocations
        assert self.sim.pool.in_flight <= self.sim.pool.account_concurrency

    def teardown(self):
        """In the end every deleted message was in a run, or filtered out, or the test's own."""
        if not hasattr(self, "sim"):
            return
        filtered = sum(mapping.snapshot().filtered_out_event_count for mapping in self.mappings)
        deleted = {
            record.details["message_id"] for record in self.sim.trace.records if record.kind == "message deleted"
        }
        assert len(deleted - set(self.runs) - self.mine) <= filtered


TestMappings = Mappings.TestCase
