"""
What is done to the simulator and to `tests.property.esm_model` alike, and how the two are compared.

Whatever users do has a method of the same name on both sides; it is called on both between two steps, or as an event of
a later instant. What is done, and when, is said by the rules of `test_mapping_agrees_with_model`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant

from lambdasim import (
    BackoffModel,
    BatchWindowModel,
    LambdaLimits,
    LifecycleModel,
    PollModel,
    RedrivePolicy,
    ScalingModel,
    Simulation,
    ThrottleRetry,
)
from lambdasim.errors import AwsError
from tests.property.esm_model import SECOND_US, STATES, Model, RefusedError, World, conduct

FAR_US = 400 * SECOND_US  # instants beyond are not looked for
FAULTS = ("bad", "once", "raises", "fails", "sleeps", "odd")
PATTERNS = ", ".join(f'{{"prefix": "{kind}"}}' for kind in ("fine", *FAULTS))  # all but `noise`
CRITERIA = {"Filters": [{"Pattern": f'{{"body": [{PATTERNS}]}}'}]}
REPORTS = "ReportBatchItemFailures"
FINE_ANSWERS = (None, {}, "", [], {"batchItemFailures": []}, {"batchItemFailures": None}, {"failures": ["x"]})
ODD_ANSWERS = (
    {"batchItemFailures": [{"itemIdentifier": ""}]},
    {"batchItemFailures": [{"itemIdentifier": None}]},
    {"batchItemFailures": [{"itemIdentifier": 7}]},
    {"batchItemFailures": [{"messageId": "x"}]},
    {"batchItemFailures": [{"itemIdentifier": "unknown"}]},
    {"batchItemFailures": "all of them"},
    {"batchItemFailures": ["x"]},
    ["x"],
    "x",
    1,
    True,
)


def span(us: int) -> timedelta:
    return timedelta(microseconds=us)


class BothSides(RuleBasedStateMachine):
    """The simulator and the model, one of each."""

    def begin(self, world: World, before) -> None:
        """Make the world, with messages that are sent before there is a mapping."""
        self.world, self.model = world, Model(world)
        self.bodies = 0
        self.runs: list[Any] = []
        self.refused: tuple[list[bool], list[bool]] = ([], [])  # whether each call was, here and there
        self.received: list[Any] = []  # by other consumers
        limits = LambdaLimits(account_concurrency=world.account, unreserved_floor=0)
        self.sim = Simulation(trace=0, settings=[limits])
        suffix = ".fifo" if world.is_fifo else ""
        self.dead = self.sim.create_queue(f"dead{suffix}")
        self.queue = self.sim.create_queue(
            f"orders{suffix}",
            visibility_timeout=world.visibility_s,
            message_retention_period=world.retention_s,
            redrive_policy=self.policy(world.receives),
        )
        self.configuration = {"duration": span(world.duration_us), "timeout": world.timeout_s}
        self.create_function(world.reserve)
        for given in before:
            self.send(given)
        self.mapping = self.sim.create_event_source_mapping(
            self.queue,
            self.function,
            batch_size=world.batch_size,
            maximum_batching_window_in_seconds=world.window_s,
            maximum_concurrency=world.concurrency,
            function_response_types=[REPORTS] * world.reports,
            filter_criteria=CRITERIA if world.filters else None,
            enabled=world.is_enabled,
            settings=self.settings_of(world),
        )
        if world.is_enabled:
            self.model.create()

    def settings_of(self, world: World) -> list[object]:
        return [
            ScalingModel(
                initial=world.initial,
                step_per_minute=world.step_per_minute,
                max=world.most,
                idle_floor=world.idle_floor,
                idle_optimise_after_s=span(world.idle_after_us),
                ramp=world.ramp,
                demand=world.demand,
            ),
            BackoffModel(
                enabled=world.backs_off,
                period_s=span(world.period_us),
                strength=world.strength,
                exponent=world.exponent,
                floor=world.floor,
            ),
            ThrottleRetry(
                base_s=span(world.base_us),
                factor=world.factor,
                max_delay_s=span(world.max_delay_us),
                drop_rule=world.drop_rule,
            ),
            BatchWindowModel(anchor=world.anchor, mode=world.mode),
            PollModel(wait_s=world.wait_s, max_per_receive=world.most_per_receive, dispatch=world.dispatch),
            LifecycleModel(
                creating_s=span(world.creating_us),
                enabling_s=span(world.enabling_us),
                updating_s=span(world.updating_us),
                disabling_s=span(world.disabling_us),
            ),
        ]

    def handle(self, event, context):
        records = event["Records"]
        given = [(record["body"], int(record["attributes"]["ApproximateReceiveCount"])) for record in records]
        self.runs.append((self.sim.now_us, tuple(given)))
        kind, named = conduct(given)
        if kind == "raises":
            raise LookupError
        if kind == "sleeps":
            context.sleep(1_000)
        if kind == "odd":
            return ODD_ANSWERS[len(self.runs) % len(ODD_ANSWERS)]
        if kind == "names":
            return {"batchItemFailures": [{"itemIdentifier": records[place]["messageId"]} for place in named * 2]}
        return FINE_ANSWERS[len(self.runs) % len(FINE_ANSWERS)]

    # ---- what users do on this side; the model has the same names

    def send_batch(self, sent) -> None:
        batch = []
        for place, (body, delay_us, group) in enumerate(sent):
            entry = {"id": f"e{place}", "message_body": body}
            if self.world.is_fifo:
                entry |= {"message_group_id": group, "message_deduplication_id": body.split()[1]}
            else:
                entry["delay_seconds"] = delay_us // SECOND_US
            batch.append(entry)
        self.queue.send_message_batch(batch)

    def consume(self, given) -> None:
        limit, deletes = given
        found = self.queue.receive_message(max_number_of_messages=limit)
        self.received.extend((delivery.body, delivery.receive_count) for delivery in found)
        if deletes and found:
            entries = [{"id": f"e{place}", "receipt_handle": each.receipt_handle} for place, each in enumerate(found)]
            self.queue.delete_message_batch(entries)

    def set_visibility(self, seconds) -> None:
        self.queue.set_queue_attributes(visibility_timeout=seconds)

    def policy(self, receives) -> RedrivePolicy | None:
        return None if receives is None else RedrivePolicy(self.dead, receives)

    def set_receives(self, receives) -> None:
        self.queue.set_queue_attributes(redrive_policy=self.policy(receives))

    def purge(self, _) -> None:
        self.queue.purge_queue()

    def set_reserve(self, amount) -> None:
        if amount is None:
            self.function.delete_function_concurrency()
        else:
            self.function.put_function_concurrency(amount)

    def update_function(self, given) -> None:
        duration_us, timeout_s = given
        configuration = {"duration": span(duration_us), "timeout": timeout_s}
        self.function.update_function_configuration(**configuration)
        self.configuration = configuration

    def delete_function(self, _) -> None:
        self.function.delete_function()

    def create_function(self, reserve=None) -> None:
        self.function = self.sim.create_function(
            "worker", self.handle, reserved_concurrent_executions=reserve, **self.configuration
        )

    def replace_function(self, _) -> None:
        """Delete it and make it again, as deployments do."""
        self.function.delete_function()
        self.create_function()

    def change(self, given) -> None:
        names: dict[str, Any] = {}
        for name, value in given.items():
            if name == "window_s":
                names["maximum_batching_window_in_seconds"] = value
            elif name == "concurrency":
                names["maximum_concurrency"] = value
            elif name == "reports":
                names["function_response_types"] = [REPORTS] * value
            elif name == "filters":
                names["filter_criteria"] = CRITERIA if value else None
            elif name == "is_enabled":
                names["enabled"] = value
            else:
                names[name] = value
        self.mapping.update_event_source_mapping(**names)

    # ---- on both sides, now or later

    def both(self, name, given, after_us=None) -> None:
        """Let users do something, between two steps or as an event of a later instant."""

        def call(side, refusal, refused) -> None:
            try:
                getattr(side, name)(given)
            except refusal:
                refused.append(True)
            else:
                refused.append(False)

        def ours() -> None:
            call(self, AwsError, self.refused[0])

        def models() -> None:
            call(self.model, RefusedError, self.refused[1])

        if after_us is None:
            ours()
            models()
        else:
            self.sim.call_later(span(after_us), ours)
            self.model.at(self.sim.now_us + after_us, models)

    def send(self, given, after_us=None) -> None:
        """Send (kind, delay, group) in one call."""
        sent = []
        for kind, delay_us, group in given:
            self.bodies += 1
            sent.append((f"{kind} {self.bodies}", 0 if self.world.is_fifo else delay_us, group))
        self.both("send_batch", sent, after_us)

    def time_to(self, place, off_us) -> int | None:
        """Return the time to an instant ahead, or None if that is over."""
        now_us = self.model.now_us
        ahead = [at_us for at_us in self.model.boundaries_us() if at_us < now_us + FAR_US]
        after_us = ahead[min(place, len(ahead) - 1)] - now_us if ahead else 20 * SECOND_US
        return after_us + off_us if after_us + off_us > 0 else None

    def pass_time(self, elapsed_us) -> None:
        to_us = self.model.now_us + elapsed_us
        self.model.advance(to_us)
        self.sim.run(until_us=to_us)

    # ---- what holds at every instant

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "mapping"):
            return
        self.sim.check_invariants()
        assert self.view() == self.model.view()
        assert self.runs == self.model.runs
        assert self.refused[0] == self.refused[1]
        assert self.received == self.model.consumed

    def view(self) -> dict[str, Any]:
        found, queue = self.mapping.snapshot(), self.queue.snapshot()
        is_stopped = found.phase == "stopped"
        return {
            "now_us": found.at_us,
            "status": found.state,
            "phase": found.phase,
            "target": None if is_stopped else found.target,
            "limit": None if is_stopped else found.concurrency_limit,
            "slots": found.pollers,
            "polling": found.polling,
            "gathering": found.gathering,
            "in_flight": found.in_flight,
            "retrying": found.retrying,
            "held": found.held,
            "dropped": found.dropped,
            "duplicates": found.duplicates,
            "attempts": found.attempts,
            "polled": found.polled_event_count,
            "filtered": found.filtered_out_event_count,
            "invoked": found.invoked_event_count,
            "failed": found.failed_invoke_event_count,
            "deleted": found.deleted_event_count,
            "empty": found.empty_receives,
            "queue": {state: getattr(queue, state.replace(" ", "_")) for state in STATES},
            "requests": queue.requests,
        }
