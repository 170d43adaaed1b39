"""
Random queues, functions and mappings, random sends and time: nothing is lost, and no limit is ever exceeded.

What a mapping does to the microsecond is compared with a naive one elsewhere (`test_mapping_agrees_with_model`); here
everything is mixed that users can mix, and only laws are asked for, all of them of what can be seen from outside.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import timedelta

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
    PollModel,
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
from lambdasim.errors.sqs import OverLimit, PurgeQueueInProgress
from tests.property.esm_machine import FINE_ANSWERS, ODD_ANSWERS
from tests.strategies import near

pytestmark = pytest.mark.filterwarnings("ignore:.* returned batchItemFailures")

SECOND = 1_000_000
SAMPLE = st.sampled_from
REPORTS = ("ReportBatchItemFailures",)
FAR_US = 400 * SECOND  # what comes later is not waited for

queues = st.fixed_dictionaries(
    {
        "visibility_timeout": SAMPLE((3, 4, 6, 18)),
        "message_retention_period": SAMPLE((60, 345_600)),
        "receives": SAMPLE((None, 1, 2, 3)),
        "is_fifo": SAMPLE((False, False, True)),
    }
)
queue_changes = st.one_of(
    st.fixed_dictionaries({"visibility_timeout": SAMPLE((1, 3, 7, 30))}),
    st.fixed_dictionaries({"message_retention_period": SAMPLE((60, 345_600))}),
    st.fixed_dictionaries({"receives": SAMPLE((None, 1, 4))}),
    st.just({"purge": True}),
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
    '{"messageAttributes": {"colour": {"stringValue": ["red"]}}}',
    '{"body": {"k": ["v"]}}',
    '{"body": ["fine"]}',
)
criteria = SAMPLE((None, None, {}, *({"Filters": [{"Pattern": pattern}]} for pattern in PATTERNS)))
common = {
    "function_response_types": SAMPLE(((), REPORTS)),
    "filter_criteria": criteria,
    "metrics": SAMPLE(((), ("EventCount",))),
    "kms_key_arn": SAMPLE((None, None, "arn:aws:kms:us-east-1:123456789012:key/k")),
}
changes = st.fixed_dictionaries(
    {},
    optional={
        **common,
        "batch_size": SAMPLE((1, 2, 10, 25)),
        "maximum_batching_window_in_seconds": SAMPLE((0, 0, 1, 7)),
        "maximum_concurrency": SAMPLE((None, 2, 4, 9)),
        "enabled": st.booleans(),
    },
)
pollers = SAMPLE((None, None, (2, 2), (2, 3)))
models = st.tuples(
    SAMPLE(
        (
            ScalingModel(idle_optimise_after_s=30),
            ScalingModel(initial=1),
            ScalingModel.EAGER,
            ScalingModel(ramp="step", step_per_minute=7),
            ScalingModel(max=3),
        )
    ),
    SAMPLE((BackoffModel(), BackoffModel(), BackoffModel.OFF)),
    SAMPLE((ThrottleRetry(), ThrottleRetry.SEED)),
    SAMPLE(
        (
            BatchWindowModel(),
            BatchWindowModel.LOW_TRAFFIC,
            BatchWindowModel(payload_bytes=1_500, anchor="first_record"),
        )
    ),
    SAMPLE((PollModel(), PollModel(), PollModel(wait_s=3, dispatch="round_robin"))),
    SAMPLE((LifecycleModel(), LifecycleModel(creating_s=1, updating_s=2, disabling_s=3, deleting_s=1))),
    SAMPLE((FilterModel(), FilterModel(update_delay_s=2))),
)
mappings = st.fixed_dictionaries(
    {
        **common,
        "batch_size": SAMPLE((1, 3, 10)),
        "maximum_batching_window_in_seconds": SAMPLE((0, 0, 1, 7)),
        "maximum_concurrency": SAMPLE((None, 2, 4)),
        "enabled": SAMPLE((True, True, True, False)),
    }
)
KINDS = (
    "bad",
    "once",
    "raises",
    "sleeps",
    "exits",
    "odd",
    "unspeakable",
    "sends",
    '{"k": "v"}',
    "x" * 300,
    "y" * 1_400,
)
bodies = SAMPLE((*["fine"] * 4, *KINDS))
places = st.integers(0, 3)
steps_us = near(0, 1, 200_000, SECOND, 3 * SECOND, 6 * SECOND, 20 * SECOND, 31 * SECOND)


class Mappings(RuleBasedStateMachine):
    @initialize(
        made_queues=st.lists(queues, min_size=1, max_size=2),
        made_functions=st.lists(functions, min_size=1, max_size=2),
        limit=SAMPLE((3, 25, 120_000)),
        account=SAMPLE((9, 15, 1_000)),
        seed=st.integers(0, 3),
        given=mappings,
        models=models,
        sent=st.lists(bodies, max_size=20),
    )
    def build(self, made_queues, made_functions, limit, account, seed, given, models, sent):
        self.seen = {}  # by mapping: what the last look has shown
        self.most = Counter()  # the highest target of each mapping since
        self.caps = {}  # the highest cap that each mapping ever had
        self.was_raised = {}  # whether its cap was
        self.models = {}
        self.place = {}  # by message id: the queue it is in, or what became of it
        self.done = set()  # ids of messages that a run did not fail, or that the test itself received
        self.calls = 0
        self.sim = sim = Simulation(
            seed=seed,
            trace=0,
            settings=[
                LambdaLimits(account_concurrency=account, unreserved_floor=1),
                SqsConfig(inflight_limit_standard=limit, inflight_limit_fifo=limit),
                ScalingRate(capacity=20),
            ],
        )
        sim.subscribe(self.hear)
        self.limit = limit
        self.dead = {False: sim.create_queue("dead"), True: sim.create_queue("dead.fifo")}
        self.queues = []
        for place, made in enumerate(made_queues):
            attributes = dict(made)
            receives, is_fifo = attributes.pop("receives"), attributes.pop("is_fifo")
            policy = self.policy(receives, is_fifo=is_fifo)
            queue = sim.create_queue(f"queue-{place}{'.fifo' * is_fifo}", redrive_policy=policy, **attributes)
            self.queues.append(queue)
        self.made_functions = made_functions
        self.functions = []
        for place in range(len(made_functions)):
            self.functions.append(None)
            self.make_function(place)
        self.mappings = []
        self.make_mapping(given, models, None, 0, is_live=False)
        self.send_to(self.queues[0], sent)

    def policy(self, receives, *, is_fifo):
        return None if receives is None else RedrivePolicy(self.dead[is_fifo], receives)

    def make_function(self, place):
        given = dict(self.made_functions[place])
        model = ColdStartModel(init_s=given.pop("init"))
        function = self.sim.create_function(f"function-{place}", self.handle, settings=[model], **given)
        function.create_alias("live", function.publish_version().version)
        self.functions[place] = function

    def hear(self, record):
        """Follow where each message is (ESM-002), and how high each mapping went."""
        details = record.details
        if record.kind == "concurrency limit changed":
            self.most[record.subject] = max(self.most[record.subject], details["target"])
        elif record.kind == "message sent":
            assert details["message_id"] not in self.place
            self.place[details["message_id"]] = record.subject
        elif record.kind == "message moved":
            assert self.place[details["message_id"]] == record.subject
            self.place[details["message_id"]] = details["to"]
        elif record.kind in {"message deleted", "message expired", "message purged"}:
            assert self.place[details["message_id"]] == record.subject
            self.place[details["message_id"]] = record.kind

    def handle(self, event, context):
        self.calls += 1
        failing = []
        for record in event["Records"]:
            body = record["body"]
            is_first = record["attributes"]["ApproximateReceiveCount"] == "1"
            if body == "raises":
                raise ValueError
            if body == "exits":
                raise SystemExit(1)
            if body == "sleeps":
                context.sleep(2)
            if body == "unspeakable":
                return {"batchItemFailures": [object()]}
            if body == "sends" and is_first:
                self.send_to(self.queues[0], ["fine"])
            if body == "bad" or (body == "once" and is_first):
                failing.append(record["messageId"])
        self.done.update({record["messageId"] for record in event["Records"]})
        is_odd = any(record["body"] == "odd" for record in event["Records"])
        event["Records"].clear()
        if is_odd:
            return ODD_ANSWERS[self.calls % len(ODD_ANSWERS)]
        if failing:
            return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failing * 2]}
        return FINE_ANSWERS[self.calls % len(FINE_ANSWERS)]

    def send_to(self, queue, sent, delay=0):
        for number, body in enumerate(sent):
            given = {}
            if number % 2:
                colour = ("red", "blue")[number % 3 % 2]
                given["message_attributes"] = {"colour": {"DataType": "String", "StringValue": colour}}
            if queue.is_fifo:
                self.calls += 1  # so that no two messages are duplicates
                given |= {"message_group_id": "gh"[number % 3 == 0], "message_deduplication_id": f"{self.calls}"}
            else:
                given["delay_seconds"] = delay
            queue.send_message(body, **given)

    def cap_of(self, mapping):
        scaling = self.models[mapping.uuid][0]
        return min(scaling.max, mapping.maximum_concurrency or 10_000, self.sim.pool.account_concurrency)

    def pick(self, things, which):
        return things[which % len(things)]

    # ---- what users do

    @rule(given=mappings, models=models, minimum=pollers, which=places, is_live=st.booleans())
    def create_mapping(self, given, models, minimum, which, is_live):
        self.make_mapping(given, models, minimum, which, is_live=is_live)

    def make_mapping(self, given, models, minimum, which, *, is_live):
        queue, place = self.pick(self.queues, which), which // 2 % len(self.functions)
        function = self.functions[place]
        if queue.is_fifo:
            given = {**given, "maximum_batching_window_in_seconds": 0}
        if minimum is not None and given["maximum_concurrency"] is None:
            given = {**given, "minimum_pollers": minimum[0], "maximum_pollers": minimum[1]}
        qualifier = "live" if is_live else None
        with suppress(ResourceConflictException, InvalidParameterValueException):
            mapping = self.sim.create_event_source_mapping(
                queue, function.arn + f":{qualifier}" * is_live, settings=models, **given
            )
            self.mappings.append(mapping)
            self.most[mapping.uuid] = mapping.snapshot().target
            self.models[mapping.uuid] = models
            self.caps[mapping.uuid] = self.cap_of(mapping)
            self.was_raised[mapping.uuid] = False

    @precondition(lambda self: self.mappings)
    @rule(
        which=places,
        given=changes,
        minimum=pollers,
        function=SAMPLE((None, None, 0, 1)),
        qualifier=SAMPLE((None, "live")),
    )
    def change_mapping(self, which, given, minimum, function, qualifier):
        mapping = self.pick(self.mappings, which)
        if function is not None:
            given = {**given, "function": self.pick(self.functions, function), "qualifier": qualifier}
        if minimum is not None:
            given = {**given, "minimum_pollers": minimum[0], "maximum_pollers": minimum[1]}
        with suppress(
            InvalidParameterValueException,
            ResourceConflictException,
            ResourceInUseException,
            ResourceNotFoundException,
        ):
            before = self.cap_of(mapping)
            mapping.update_event_source_mapping(**given)
            after = self.cap_of(mapping)
            self.caps[mapping.uuid] = max(self.caps[mapping.uuid], after)
            self.was_raised[mapping.uuid] |= after > before

    @precondition(lambda self: self.mappings)
    @rule(which=places, enabled=st.booleans())
    def turn_off_and_on(self, which, enabled):
        mapping = self.pick(self.mappings, which)
        with suppress(InvalidParameterValueException, ResourceInUseException, ResourceNotFoundException):
            mapping.update_event_source_mapping(enabled=enabled)

    @precondition(lambda self: self.mappings)
    @rule(which=places)
    def delete_mapping(self, which):
        mapping = self.pick(self.mappings, which)
        with suppress(ResourceInUseException, ResourceNotFoundException):
            mapping.delete_event_source_mapping()

    @rule(which=places, sent=st.lists(bodies, min_size=1, max_size=30), delay=SAMPLE((0, 0, 0, 1, 5)))
    def send(self, which, sent, delay):
        self.send_to(self.pick(self.queues, which), sent, delay)

    @rule(which=places, sent=st.lists(bodies, min_size=1, max_size=5), after_us=steps_us)
    def send_later(self, which, sent, after_us):
        queue = self.pick(self.queues, which)
        self.sim.call_later(timedelta(microseconds=after_us), self.send_to, queue, sent)

    @rule(which=places, deletes=st.booleans())
    def receive(self, which, deletes):
        queue = self.pick(self.queues, which)
        with suppress(OverLimit):
            for delivery in queue.receive_message(max_number_of_messages=3):
                self.done.add(delivery.message_id)
                if deletes:
                    queue.delete_message(delivery.receipt_handle)

    @rule(which=places, given=queue_changes)
    def change_queue(self, which, given):
        queue, given = self.pick(self.queues, which), dict(given)
        if "receives" in given:
            given["redrive_policy"] = self.policy(given.pop("receives"), is_fifo=queue.is_fifo)
        if "purge" in given:
            with suppress(PurgeQueueInProgress):
                queue.purge_queue()
        else:
            queue.set_queue_attributes(**given)

    @rule(which=places, amount=SAMPLE((None, 0, 1, 3)))
    def change_reserve(self, which, amount):
        function = self.pick(self.functions, which)
        with suppress(ResourceNotFoundException, InvalidParameterValueException):
            if amount is None:
                function.delete_function_concurrency()
            else:
                function.put_function_concurrency(amount)

    @rule(which=places, what=SAMPLE(("update", "update", "delete", "replace", "alias")), timeout=SAMPLE((1, 2, 5)))
    def deploy(self, which, what, timeout):
        place = which % len(self.functions)
        function = self.functions[place]
        with suppress(ResourceNotFoundException, ResourceConflictException, InvalidParameterValueException):
            if what == "update":
                function.update_function_configuration(timeout=timeout, duration=timeout / 2)
                function.update_alias("live", function_version=function.publish_version().version)
            elif what == "alias":
                function.delete_alias("live")
            else:
                if not function.is_deleted:
                    function.delete_function()
                if what == "replace":
                    self.make_function(place)

    # ---- time

    @rule(elapsed_us=steps_us)
    def time_passes(self, elapsed_us):
        self.sim.run(until_us=self.sim.now_us + elapsed_us)

    @rule(times=st.integers(1, 8), off_us=SAMPLE((0, 0, -1, 1)))
    def time_passes_to_what_comes_next(self, times, off_us):
        """Up to the ends of polls, windows, delays, visibility timeouts and runs, and to the ticks; or right beside."""
        for _ in range(times):
            heads = [heap[0][0] for heap in (self.sim.clock._agenda, self.sim.clock._background) if heap]
            next_us = min(heads, default=FAR_US)
            if next_us >= self.sim.now_us + FAR_US:
                break
            for at_us in (next_us + off_us, next_us):
                self.sim.run(until_us=max(self.sim.now_us, at_us))
                self.look()

    @rule(steps=st.integers(1, 60))
    def steps(self, steps):
        for _ in range(steps):
            if not self.sim.step():
                break
            self.look()

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
            gone = found.deleted + found.moved + found.expired + found.purged
            assert found.sent + found.arrived == here + gone  # ESM-002
            assert found.in_flight <= self.limit  # ESM-093
        for mapping in self.mappings:
            mapping.check_invariants()  # of those that are deleted, too
            self.look_at(mapping, mapping.snapshot())
        for function in self.functions:
            found = function.snapshot()
            assert found.in_flight == found.busy <= found.environments
            assert found.errors <= found.invocations
        assert self.sim.pool.in_flight <= self.sim.pool.account_concurrency

    def look_at(self, mapping, found):
        before, self.seen[mapping.uuid] = self.seen.get(mapping.uuid), found
        peak, self.most[mapping.uuid] = self.most[mapping.uuid], found.target  # since the last look
        scaling, backoff = self.models[mapping.uuid][:2]
        slots = found.polling + found.gathering + found.in_flight + found.retrying
        assert slots <= found.pollers  # no slot is in two states (ESM-110)
        assert found.target == round(found.target, 6)  # ESM-100
        assert found.phase in {"stopped", "idle", "active"}
        assert found.held <= found.polled_event_count - found.filtered_out_event_count
        assert found.deleted_event_count + found.failed_invoke_event_count <= (
            found.polled_event_count + found.invoked_event_count
        )
        if before is not None:
            for name in COUNTS:
                assert getattr(before, name) <= getattr(found, name), name
            if before.state == found.state == "Disabling":  # ESM-053
                assert before.polled_event_count == found.polled_event_count
                assert before.empty_receives == found.empty_receives
        if found.state in {"Disabled", "Deleted", "Creating", "Enabling"}:  # ESM-053, ESM-054
            assert (found.phase, found.pollers, found.held, found.in_flight) == ("stopped", 0, 0, 0)
        if found.state == "Enabled":
            assert found.phase != "stopped"
        if found.phase == "idle":
            assert (found.in_flight, found.held, found.retrying, found.gathering) == (0, 0, 0, 0)
        if mapping.configuration.minimum_pollers is not None or found.provisioned_pollers:
            return
        if before is not None and before.provisioned_pollers:
            return

        cap = self.cap_of(mapping) if found.state in {"Enabled", "Disabled"} else self.caps[mapping.uuid]
        assert 0 <= found.target <= cap  # ESM-110
        assert found.concurrency_limit == int(found.target)
        assert found.in_flight <= self.caps[mapping.uuid]  # ESM-107
        assert found.pollers <= max(int(peak), 0 if before is None else before.pollers)  # ESM-110
        initial = min(scaling.initial, cap)
        if found.state == "Enabled" and found.phase == "idle":  # S8, S9
            lowest = initial if mapping.maximum_concurrency else min(scaling.idle_floor, initial)
            assert found.target in {initial, lowest}
        if found.state == "Enabled" and found.phase == "active" and found.target < initial:  # ESM-110: only by S5
            assert (backoff.enabled and found.attempts) or self.was_raised[mapping.uuid]

    @invariant()
    def each_message_is_in_one_place(self):
        """ESM-002: in a queue, or deleted, or expired, or purged; and nothing is deleted that failed."""
        if not hasattr(self, "sim"):
            return
        here = {}
        for queue in (*self.queues, *self.dead.values()):
            for message in queue.messages:
                assert message.message_id not in here
                here[message.message_id] = queue.name
        assert here == {name: place for name, place in self.place.items() if not place.startswith("message ")}
        filtered = sum(mapping.snapshot().filtered_out_event_count for mapping in self.mappings)
        deleted = {name for name, place in self.place.items() if place == "message deleted"}
        assert len(deleted - self.done) <= filtered


COUNTS = (
    "polled_event_count",
    "filtered_out_event_count",
    "invoked_event_count",
    "failed_invoke_event_count",
    "deleted_event_count",
    "empty_receives",
    "attempts",
    "dropped",
    "duplicates",
)
TestMappings = Mappings.TestCase
