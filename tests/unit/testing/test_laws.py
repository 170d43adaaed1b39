"""Each law finds the violation that it is about, says whose it is, and lets everything else pass."""

from __future__ import annotations

from functools import partial

import pytest

from lambdasim import Faults, RedrivePolicy, Simulation
from lambdasim.errors import UsageError
from lambdasim.testing import (
    all_laws,
    check_laws,
    effect_exactly_once,
    failures_come_back,
    no_message_lost,
    no_run_after_deletion,
    nothing_dead_unrun,
    order_within_group,
)
from tests.choosers import Says

LAWS = (no_message_lost, order_within_group, nothing_dead_unrun, failures_come_back, no_run_after_deletion)
REPORTS = ("ReportBatchItemFailures",)


@pytest.fixture
def sim():
    return Simulation(trace=None)


def pipeline(sim, handler=None, *, fifo=False, receives=3, **mapping):
    """A queue with a dead-letter queue, and a function that reads it."""
    suffix = ".fifo" if fifo else ""
    dlq = sim.create_queue(f"orders-dlq{suffix}")
    orders = sim.create_queue(f"orders{suffix}", redrive_policy=RedrivePolicy(dlq, receives))
    timeout = mapping.pop("timeout", 3)
    worker = sim.create_function("worker", handler, timeout=timeout, duration=mapping.pop("duration", 0.1))
    sim.create_event_source_mapping(orders, worker, **mapping)
    return orders, dlq


def send(queue, *bodies, group="g"):
    """Send to one group of a FIFO queue, or to a standard queue."""
    for body in bodies:
        ids = {"message_group_id": group, "message_deduplication_id": f"{group}{body}"} if queue.is_fifo else {}
        queue.send_message(body, **ids)


def fail(event, context):
    raise ValueError("poison")


def failing(*bodies):
    """A handler that reports these bodies as failed the first time, and does the others."""
    failed = set()

    def handler(event, context):
        bad = [record for record in event["Records"] if record["body"] in set(bodies) - failed]
        failed.update(record["body"] for record in bad)
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in bad]}

    return handler


def broken(law, sim):
    """What a law says is broken, line by line."""
    with pytest.raises(AssertionError) as caught:
        law(sim)
    return str(caught.value).splitlines()


# ---- nothing is broken


@pytest.mark.parametrize("fifo", [False, True])
@pytest.mark.parametrize("law", LAWS)
def test_laws_hold_where_nothing_goes_wrong(sim, law, fifo):
    """A run in which every message is done at once, and one that has not begun."""
    law(sim)
    orders, _ = pipeline(sim, lambda event, context: None, fifo=fifo)
    send(orders, "o-1", "o-2", "o-3")
    law(sim)
    sim.run()
    assert 3 == orders.deleted
    law(sim)


@pytest.mark.parametrize("fifo", [False, True])
@pytest.mark.parametrize("law", LAWS)
def test_laws_hold_where_poison_is_dead_lettered_and_redriven(sim, law, fifo):
    """Errors, redelivery, the dead-letter queue and the way back break no law."""
    is_mended = []

    def handler(event, context):
        if not is_mended:
            raise ValueError("poison")

    orders, dlq = pipeline(sim, handler, fifo=fifo, receives=2)
    send(orders, "o-1", "o-2")
    sim.run()
    assert 2 == len(dlq.messages)
    law(sim)
    is_mended.append(True)
    sim.start_message_move_task(dlq)
    sim.run()
    assert [] == [*dlq.messages, *orders.messages]
    law(sim)


@pytest.mark.parametrize("law", LAWS)
def test_laws_hold_where_failures_are_reported_as_they_should_be(sim, law):
    """Partial answers on a standard queue, and whole rests on a FIFO queue."""
    orders, _ = pipeline(sim, failing("o-2"), function_response_types=REPORTS)
    send(orders, "o-1", "o-2", "o-3")
    sim.run()
    assert 3 == orders.deleted
    law(sim)


@pytest.mark.parametrize("law", LAWS)
def test_laws_hold_without_handlers(law):
    """A function without a handler runs too."""
    sim = Simulation(trace=None, seed=3)
    dlq = sim.create_queue("orders-dlq")
    orders = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, 2))
    sim.create_event_source_mapping(orders, sim.create_function("worker", failure_rate=0.5))
    send(orders, *map(str, range(20)))
    sim.run()
    assert orders.deleted
    assert dlq.messages
    law(sim)


# ---- no message lost


def test_message_deleted_before_its_work_failed_is_lost(sim):
    """The handler deletes by hand, then raises."""

    def handler(event, context):
        (record,) = event["Records"]
        orders.delete_message(record["receiptHandle"])
        raise ValueError("no")

    orders, _ = pipeline(sim, handler)
    send(orders, "o-1")
    sim.run_for(0.05)
    no_message_lost(sim)  # the run goes on: it may still be done
    sim.run()
    assert [
        "1 message is lost",
        "  orders#1 'o-1' was deleted from orders at 0 s, and no run had done it: worker#1 ended with error, ValueError: no",  # noqa: E501 - as it is read
    ] == broken(no_message_lost, sim)


def test_message_deleted_by_hand_during_a_run_that_succeeds_is_done(sim):
    """It does not matter who deletes it."""
    orders, _ = pipeline(
        sim, lambda event, context: [orders.delete_message(record["receiptHandle"]) for record in event["Records"]]
    )
    send(orders, "o-1", "o-2")
    sim.run()
    assert 2 == orders.deleted
    no_message_lost(sim)


def test_failure_that_the_mapping_does_not_read_is_lost(sim):
    """Without `ReportBatchItemFailures` what failed is deleted: a run that reports a message has not done it."""
    orders, _ = pipeline(sim, failing("o-2"))
    send(orders, "o-1", "o-2")
    with pytest.warns(match="batchItemFailures"):
        sim.run()
    assert [
        "1 message is lost",
        "  orders#2 'o-2' was deleted from orders at 0.1 s, and worker#1 had reported it as failed",
    ] == broken(no_message_lost, sim)


@pytest.mark.parametrize("way", ["expired in", "was purged from", "went with its queue"])
def test_message_that_leaves_without_a_run_is_lost(sim, way):
    """Retention, a purge and the end of the queue lose what nobody had done."""
    orders = sim.create_queue("orders", message_retention_period=60)
    send(orders, "o-1", "o-2")
    no_message_lost(sim)
    if way == "was purged from":
        orders.purge_queue()
    elif way == "went with its queue":
        orders.delete_queue()
    else:
        sim.run_for(59.999999)
        no_message_lost(sim)
    sim.run_for(1)
    headline, first, second = broken(no_message_lost, sim)
    assert "2 messages are lost" == headline
    assert first.startswith(f"  orders#1 'o-1' {way}")
    assert first.endswith(", and no function had run it")
    assert second.startswith("  orders#2 'o-2'")


def test_message_that_expires_in_the_dead_letter_queue_is_lost(sim):
    """It was safe there, as long as it was there."""
    orders, dlq = pipeline(sim, fail, receives=1)
    send(orders, "o-1")
    sim.run()
    assert 1 == len(dlq.messages)
    no_message_lost(sim)
    dlq.set_queue_attributes(message_retention_period=1_209_600)
    sim.run_for(14 * 86_400)
    assert "orders#1 'o-1' expired in orders-dlq at 1209600 s" in broken(no_message_lost, sim)[1]


def test_message_that_was_done_may_go_any_way(sim):
    """Its deletion was lost, and it expired long after a run had done it."""
    sim = Simulation(trace=None, faults=Faults(lost_delete_probability=0.5), choices=Says("sqs.lost_delete", *[1] * 9))
    orders = sim.create_queue("orders", message_retention_period=60)
    sim.create_event_source_mapping(orders, sim.create_function("worker"))
    send(orders, "o-1")
    sim.run_for(120)
    assert (0, 1) == (orders.deleted, orders.expired)
    no_message_lost(sim)


def test_message_that_a_filter_turned_away_is_not_lost(sim):
    """The mapping deletes it, as it was told; what nobody filtered is lost still."""
    pattern = '{"body": {"kind": ["order"]}}'
    orders, _ = pipeline(sim, filter_criteria={"Filters": [{"Pattern": pattern}]})
    send(orders, '{"kind": "order"}', '{"kind": "offer"}')
    sim.run()
    assert 2 == orders.deleted
    no_message_lost(sim)
    parcels = sim.create_queue("parcels")
    send(parcels, '{"kind": "offer"}')
    (delivery,) = parcels.receive_message()
    parcels.delete_message(delivery.receipt_handle)
    assert 2 == len(broken(no_message_lost, sim))


def test_message_that_a_filter_would_have_turned_away_may_be_lost(sim):
    """The mapping is off: the message expires, and no filter ever looked at it."""
    orders = sim.create_queue("orders", message_retention_period=60)
    criteria = {"Filters": [{"Pattern": '{"body": {"kind": ["order"]}}'}]}
    sim.create_event_source_mapping(orders, sim.create_function("worker"), filter_criteria=criteria, enabled=False)
    send(orders, '{"kind": "offer"}')
    sim.run_for(60)
    assert "expired in orders" in broken(no_message_lost, sim)[1]


def test_laws_look_at_the_queues_that_they_are_told(sim):
    """A queue that a test empties by hand is nobody's loss."""
    invoices, orders = sim.create_queue("invoices"), sim.create_queue("orders")
    for queue in (invoices, orders):
        send(queue, "o-1")
        queue.delete_message(queue.receive_message()[0].receipt_handle)
    assert 3 == len(broken(no_message_lost, sim))
    assert 2 == len(broken(partial(no_message_lost, queues=[orders]), sim))
    assert 2 == len(broken(partial(no_message_lost, queues=["orders"]), sim))
    no_message_lost(sim, queues=["parcels"])


# ---- effects


def test_effect_that_happens_twice_or_never_is_found(sim):
    """Keys are counted, and the messages that they belong to are named."""
    charges = sim.remote([])
    orders, _ = pipeline(sim, lambda event, context: [charges.append(record["body"]) for record in event["Records"]])
    send(orders, "o-1", "o-2")
    sim.run()
    effect_exactly_once(charges)(sim)
    effect_exactly_once(charges, expected=["o-2", "o-1"])(sim)
    charges.append("o-2")
    assert ["each effect must happen exactly once", "  'o-2' happened 2 times (orders#2)"] == broken(
        effect_exactly_once(charges), sim
    )
    assert "  'o-3' happened never" == broken(effect_exactly_once(charges, expected=iter(["o-3"])), sim)[2]


def test_keys_are_made_of_effects_and_of_messages(sim):
    """What should be unique is part of an effect; what should happen is part of a message."""
    orders = sim.create_queue("orders")
    send(orders, "1:a", "2:b", "ping")
    effects = [("charge", "1", 20.0), ("charge", "1", 20.5), ("refund", "1", 20.0)]

    def wanted(message):
        number, _, name = message.body.partition(":")
        return ("charge", number) if name else None

    law = effect_exactly_once(lambda: effects, key=lambda effect: effect[:2], expected=wanted)
    assert [
        "each effect must happen exactly once",
        "  ('charge', '1') happened 2 times (orders#1)",
        "  ('charge', '2') happened never (orders#2)",
    ] == broken(law, sim)


def test_effects_need_not_be_hashable(sim):
    """Dictionaries are compared one by one."""
    effects = [{"id": 1}, {"id": 2}, {"id": 1}]
    assert ["  {'id': 1} happened 2 times"] == broken(effect_exactly_once(effects), sim)[1:]
    effect_exactly_once(effects[:2], expected=[{"id": 2}])(sim)


def test_duplicate_delivery_doubles_the_effect_of_a_naive_handler():
    """The law finds what it is for, whichever law looks with it."""
    sim = Simulation(
        trace=None,
        faults=Faults(duplicate_probability=0.5, duplicate_delay_s=(0, 0)),
        choices=Says("sqs.duplicate", 1),
    )
    charges = []
    orders, _ = pipeline(sim, lambda event, context: charges.extend(record["body"] for record in event["Records"]))
    send(orders, "o-1")
    sim.run()
    assert ["o-1", "o-1"] == charges
    assert "  'o-1' happened 2 times (orders#1)" == broken(effect_exactly_once(charges), sim)[1]
    check_laws(sim)


# ---- order


def test_going_on_after_a_failure_breaks_the_order(sim):
    """The handler reports the failed message alone, so that the next of its group is done before it."""
    orders, _ = pipeline(sim, failing("o-1"), fifo=True, function_response_types=REPORTS)
    send(orders, "o-1", "o-2", "o-3")
    send(orders, "p-1", group="h")
    sim.run()
    assert [
        "the order within a group is broken",
        "  orders.fifo#2 'o-2' of group 'g' was done by worker#1 at 0.1 s, before orders.fifo#1 'o-1' was done",
        "  orders.fifo#3 'o-3' of group 'g' was done by worker#1 at 0.1 s, before orders.fifo#1 'o-1' was done",
    ] == broken(order_within_group, sim)
    order_within_group(sim, queues=["parcels.fifo"])


def test_stopping_at_a_failure_keeps_the_order(sim):
    """The failed message and all behind it come back; other groups go on."""
    seen = []

    def handler(event, context):
        for place, record in enumerate(event["Records"]):
            seen.append(record["body"])
            if record["body"] == "o-2" and seen.count("o-2") == 1:
                return {"batchItemFailures": [{"itemIdentifier": one["messageId"]} for one in event["Records"][place:]]}
        return None

    orders, _ = pipeline(sim, handler, fifo=True, function_response_types=REPORTS)
    send(orders, "o-1", "o-2", "o-3")
    sim.run()
    assert ["o-1", "o-2", "o-2", "o-3"] == seen
    order_within_group(sim)


def test_deleting_before_the_work_is_done_breaks_the_order(sim):
    """The group is free as soon as its message is gone: the next one begins while the first still runs."""

    def handler(event, context):
        (record,) = event["Records"]
        orders.delete_message(record["receiptHandle"])

    orders, _ = pipeline(sim, handler, fifo=True, batch_size=1, duration=2)
    send(orders, "o-1", "o-2")
    sim.run()
    (headline, line) = broken(order_within_group, sim)
    assert "the order within a group is broken" == headline
    assert line.startswith("  orders.fifo#2 'o-2' of group 'g' began in worker#2 at ")
    assert line.endswith(", before orders.fifo#1 'o-1' was done")


def test_next_may_begin_when_an_early_deletion_has_ended_with_its_run(sim):
    """The first is deleted early and fails: it is overtaken by what begins meanwhile, and by nothing later."""
    durations = {"o-1": 2, "o-2": 1, "o-3": 3}

    def handler(event, context):
        (record,) = event["Records"]
        if record["body"] == "o-1":
            orders.delete_message(record["receiptHandle"])
            raise ValueError("no")

    orders, _ = pipeline(
        sim, handler, fifo=True, batch_size=1, duration=lambda event: durations[event["Records"][0]["body"]]
    )
    send(orders, "o-1", "o-2", group="h")
    sim.run_for(2.5)
    send(orders, "o-3", group="h")
    sim.run()
    assert 3 == orders.deleted
    _, line = broken(order_within_group, sim)
    assert line.startswith("  orders.fifo#2 'o-2' of group 'h' began in worker#2 at ")


def test_early_deletion_has_ended_when_every_run_of_the_message_has(sim):
    """The handler lets go of its message, so that two runs have it at once; the longer one counts."""
    durations = {("o-1", "1"): 1, ("o-1", "2"): 4, ("o-2", "1"): 2, ("o-3", "1"): 0.5}

    def key(event):
        (record,) = event["Records"]
        return record["body"], record["attributes"]["ApproximateReceiveCount"]

    def handler(event, context):
        handle = event["Records"][0]["receiptHandle"]
        if key(event) == ("o-1", "1"):
            orders.change_message_visibility(handle, 0)
            raise ValueError("no")
        if key(event) == ("o-1", "2"):
            orders.delete_message(handle)

    orders, _ = pipeline(sim, handler, fifo=True, batch_size=1, timeout=5, duration=lambda event: durations[key(event)])
    send(orders, "o-1", "o-2", "o-3")
    sim.run()
    assert 3 == orders.deleted
    assert ["#2 'o-2'", "#3 'o-3'"] == [
        line.removeprefix("  orders.fifo")[:8] for line in broken(order_within_group, sim)[1:]
    ]


@pytest.mark.parametrize("way", ["deleted", "purged", "expired"])
def test_what_is_gone_blocks_nobody(sim, way):
    """The first of a group leaves without a run; the next may go."""
    orders = sim.create_queue("orders.fifo", message_retention_period=60)
    send(orders, "o-1")
    if way == "deleted":
        orders.delete_message(orders.receive_message()[0].receipt_handle)
    elif way == "purged":
        orders.purge_queue()
    sim.run_for(60)
    send(orders, "o-2")
    sim.create_event_source_mapping(orders, sim.create_function("worker"))
    sim.run()
    assert orders.deleted
    order_within_group(sim)


def test_what_is_purged_while_it_runs_overtakes_nobody(sim):
    """It left the line; its run ends while another message waits that was sent after the purge."""
    orders, _ = pipeline(sim, fifo=True, duration=2)
    send(orders, "o-1")
    sim.run_for(1)
    orders.purge_queue()
    send(orders, "o-2")
    sim.run()
    assert (1, 1) == (orders.purged, orders.deleted)
    order_within_group(sim)


def test_run_is_judged_in_the_queue_that_its_message_came_from(sim):
    """It ends when the visibility timeout does: its message is in the dead-letter queue by then, behind another."""
    orders, dlq = pipeline(sim, failing_always("o-1"), fifo=True, receives=1, batch_size=1, timeout=30, duration=30)
    send(orders, "o-1", "o-2")
    sim.run()
    assert ["o-1", "o-2"] == [message.body for message in dlq.messages]
    order_within_group(sim)


def test_what_a_move_task_takes_away_blocks_nobody(sim):
    """One of two messages is moved to another queue, where it waits: it is neither lost nor in the way."""
    orders, dlq = pipeline(sim, fail, fifo=True, receives=1, batch_size=1)
    spare = sim.create_queue("spare.fifo")
    send(orders, "o-1", "o-2")
    sim.run()
    task = sim.start_message_move_task(dlq, spare, max_number_of_messages_per_second=1)
    sim.cancel_message_move_task(task.task_handle)
    assert ["o-1"] == [message.body for message in spare.messages]
    sim.create_event_source_mapping(dlq, sim.create_function("salvage"))
    sim.run()
    assert [] == [*dlq.messages, *orders.messages]
    check_laws(sim)


def test_what_is_moved_away_blocks_nobody(sim):
    """The next of the group runs when the first is in the dead-letter queue."""
    orders, dlq = pipeline(sim, failing_always("o-1"), fifo=True, receives=1, batch_size=1)
    send(orders, "o-1", "o-2")
    sim.run()
    assert (1, 1) == (len(dlq.messages), orders.deleted)
    order_within_group(sim)


def failing_always(*bodies):
    def handler(event, context):
        if event["Records"][0]["body"] in bodies:
            raise ValueError("poison")

    return handler


def test_order_counts_in_a_dead_letter_queue_too(sim):
    """What is done there is done in the order in which it came."""
    orders, dlq = pipeline(sim, fail, fifo=True, receives=1, batch_size=1)
    send(orders, "o-1", "o-2")
    sim.run()
    assert ["o-1", "o-2"] == [message.body for message in dlq.messages]
    salvage = sim.create_function("salvage", failing("o-1"))
    sim.create_event_source_mapping(dlq, salvage, function_response_types=REPORTS)
    sim.run()
    assert "orders.fifo#2 'o-2' of group 'g' was done by salvage#1" in broken(order_within_group, sim)[1]
    order_within_group(sim, queues=[orders])


def test_a_repeat_of_what_was_done_is_no_violation():
    """The poller dies before its delete: both messages come again, and nothing came too early."""
    sim = Simulation(trace=None, faults=Faults(delete_fails=0.5), choices=Says("esm.delete_fails", 1))
    seen = []
    orders, _ = pipeline(sim, lambda event, context: seen.extend(r["body"] for r in event["Records"]), fifo=True)
    send(orders, "o-1", "o-2")
    sim.run()
    assert ["o-1", "o-2", "o-1"] == seen
    check_laws(sim)


# ---- the dead-letter queue


def test_message_that_dies_without_a_run_is_found(sim):
    """A reserved concurrency of 1 throttles one of two batches until its receives are used up."""
    dlq = sim.create_queue("jobs-dlq")
    jobs = sim.create_queue("jobs", redrive_policy=RedrivePolicy(dlq, 1))
    worker = sim.create_function("worker", duration=20, timeout=20, reserved_concurrent_executions=1)
    sim.create_event_source_mapping(jobs, worker, batch_size=1)
    send(jobs, *map(str, range(10)))
    sim.run()
    unrun = [message.label for message in dlq.messages if not message.invocations]
    assert unrun
    headline, *lines = broken(nothing_dead_unrun, sim)
    assert f"{len(unrun)} messages are dead without a run" == headline
    assert sorted(unrun) == sorted(line.split()[0] for line in lines)
    sim.create_event_source_mapping(dlq, sim.create_function("salvage"))
    sim.run()
    assert [headline, *lines] == broken(nothing_dead_unrun, sim)  # that it ran later does not mend it
    assert lines[0].endswith("after 1 delivery, and never ran")
    assert "was moved to jobs-dlq at " in lines[0]


def test_received_by_hand_is_not_run(sim):
    """A consumer that only looks uses the receives up."""
    dlq = sim.create_queue("orders-dlq")
    orders = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 2))
    send(orders, "o-1")
    for _ in range(3):
        orders.receive_message()
    assert "orders#1 'o-1' was moved to orders-dlq at 0 s after 2 deliveries" in broken(nothing_dead_unrun, sim)[1]


def test_init_that_fails_is_no_run(sim):
    """The handler never saw the message, however often its environment was tried."""

    def make():
        raise RuntimeError("no database")

    dlq = sim.create_queue("orders-dlq")
    orders = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, 1))
    sim.create_event_source_mapping(orders, sim.create_function("worker", init=make))
    send(orders, "o-1")
    sim.run()
    assert 1 == len(dlq.messages)
    assert 2 == len(broken(nothing_dead_unrun, sim))


# ---- failures


def test_failure_that_does_not_come_back_is_found(sim):
    """The mapping does not read `batchItemFailures`, and deletes the batch."""
    orders, _ = pipeline(sim, failing("o-2"))
    send(orders, "o-1", "o-2")
    with pytest.warns(match="batchItemFailures"):
        sim.run()
    headline, line = broken(failures_come_back, sim)
    assert "1 message is reported as failed, and did not come back" == headline
    assert line.startswith("  orders#2 'o-2' was reported as failed by worker#1 at 0.1 s, and did not come back: ")
    assert line.endswith("it was deleted from orders at 0.1 s")
    failures_come_back(sim, queues=["parcels"])


def test_failure_may_be_on_its_way(sim):
    """Until its visibility timeout ends it is in the queue, afterwards in the dead-letter queue."""

    def handler(event, context):
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]}

    orders, dlq = pipeline(sim, handler, receives=1, function_response_types=REPORTS)
    send(orders, "o-1")
    sim.run_for(29.999999)
    assert 1 == orders.in_flight
    failures_come_back(sim)
    sim.run()
    assert 1 == len(dlq.messages)
    sim.run_for(60)
    dlq.purge_queue()
    failures_come_back(sim)


def test_failure_that_came_back_may_go_any_way(sim):
    """It was delivered again; that it expires afterwards is the business of another law."""

    calls = []

    def report_then_raise(event, context):
        calls.append(event)
        if len(calls) > 1:
            raise ValueError("no")
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]}

    orders = sim.create_queue("orders", message_retention_period=60)
    worker = sim.create_function("worker", report_then_raise)
    sim.create_event_source_mapping(orders, worker, function_response_types=REPORTS)
    send(orders, "o-1")
    sim.run_for(120)
    assert (2, 1) == (len(calls), orders.expired)
    failures_come_back(sim)
    assert 2 == len(broken(no_message_lost, sim))


@pytest.mark.parametrize("answer", [{"batchItemFailures": 7}, {"batchItemFailures": ["x", {"itemIdentifier": 7}]}, "x"])
def test_answers_of_no_known_form_name_nobody(sim, answer):
    """They fail the whole batch, which comes back."""
    orders, dlq = pipeline(sim, lambda event, context: answer, function_response_types=REPORTS)
    send(orders, "o-1")
    sim.run()
    assert 1 == len(dlq.messages)
    check_laws(sim, *LAWS)


def test_failure_that_another_run_did_has_come_back():
    """The same message twice at once: one run fails, the other does it and deletes it."""
    sim = Simulation(
        trace=None,
        faults=Faults(duplicate_probability=0.5, duplicate_delay_s=(0, 0)),
        choices=Says("sqs.duplicate", 1),
    )
    orders, _ = pipeline(sim, failing("o-1"), function_response_types=REPORTS)
    send(orders, "o-1")
    sim.run()
    assert 1 == orders.deleted
    failures_come_back(sim)


# ---- after deletion


def test_run_after_a_lost_delete_is_found():
    """SQS acknowledges the delete, and delivers the message again."""
    sim = Simulation(trace=None, faults=Faults(lost_delete_probability=0.5), choices=Says("sqs.lost_delete", 1))
    orders, _ = pipeline(sim)
    send(orders, "o-1", "o-2")
    sim.run()
    assert [
        "messages were processed after their deletion",
        "  orders#1 'o-1' was processed by worker#2 at 30 s: its deletion had been acknowledged at 0.1 s",
    ] == broken(no_run_after_deletion, sim)
    check_laws(sim)
    nothing_dead_unrun(sim)


def test_run_after_a_delete_with_an_old_handle_is_found(sim):
    """The handler keeps the handle of the first delivery: SQS says yes, and nothing happens."""
    handles = {}

    def handler(event, context):
        (record,) = event["Records"]
        handle = handles.setdefault(record["messageId"], record["receiptHandle"])
        if len(orders_seen) > 1:
            orders.delete_message(handle)
        orders_seen.append(record["body"])
        raise ValueError("again")

    orders_seen = []
    orders, _ = pipeline(sim, handler)
    send(orders, "o-1")
    sim.run()
    assert ["o-1"] * 3 == orders_seen
    no_run_after_deletion(sim)  # the delete was in the last run
    orders_seen.clear()
    handles.clear()
    orders_seen.append("")
    send(orders, "o-2")
    sim.run()
    assert 2 == len(broken(no_run_after_deletion, sim))


def test_run_after_redelivery_of_what_was_deleted_is_found(sim):
    """A message that comes back from the dead, as it may on a standard queue."""
    orders, _ = pipeline(sim)
    send(orders, "o-1")
    (message,) = orders.messages
    sim.run()
    no_run_after_deletion(sim)
    for more in ("", ", and 1 more after it"):
        orders.redeliver(message)
        sim.run()
        _, line = broken(no_run_after_deletion, sim)
        assert line.startswith(f"  orders#1 'o-1' was processed by worker#2 at 0.1 s{more}: its deletion had been ")


def test_run_that_began_before_the_deletion_is_none_after_it():
    """Two deliveries at once: the second run ends after the deletion, but it began before."""
    sim = Simulation(
        trace=None,
        faults=Faults(duplicate_probability=0.5, duplicate_delay_s=(0, 0)),
        choices=Says("sqs.duplicate", 1),
    )
    orders, _ = pipeline(sim)
    send(orders, "o-1")
    sim.run()
    assert 1 == orders.deleted
    no_run_after_deletion(sim)


# ---- several laws


def test_all_laws_are_looked_at_and_every_violation_is_listed(sim):
    """One error has them all; a single broken law is raised as it is."""
    charges = ["o-1", "o-1"]
    orders, _ = pipeline(sim, failing("o-2"))
    send(orders, "o-1", "o-2")
    with pytest.warns(match="batchItemFailures"):
        sim.run()
    lines = broken(partial(check_laws, sim), effect_exactly_once(charges))
    assert 2 == len(lines)
    law = all_laws(no_message_lost, nothing_dead_unrun, effect_exactly_once(charges), failures_come_back)
    lines = broken(law, sim)
    assert ["3 laws are broken", "1 message is lost"] == lines[:2]
    assert "  'o-1' happened 2 times (orders#1)" in lines
    assert 7 == len(lines)
    assert "2 laws are broken" == broken(check_laws, sim)[0]


def test_laws_of_the_user_take_part(sim):
    """Any callable of the simulation will do; one without words is named."""

    def is_quick(sim):
        if sim.now >= 1:
            raise AssertionError("too slow")

    def is_quiet(sim):
        raise AssertionError

    check_laws(sim, is_quick)
    sim.run_for(1)
    assert ["2 laws are broken", "too slow", "is_quiet"] == broken(all_laws(is_quick, is_quiet), sim)


# ---- what the trace has to hold


@pytest.mark.parametrize("law", [*LAWS, check_laws, effect_exactly_once([])])
@pytest.mark.parametrize("trace", [0, 5])
def test_laws_need_the_whole_trace(law, trace):
    """Where records may be missing nobody can say that nothing is wrong."""
    sim = Simulation(trace=trace)
    orders, _ = pipeline(sim)
    send(orders, "o-1", "o-2")
    sim.run()
    with pytest.raises(UsageError, match="trace=None"):
        law(sim)


def test_limited_trace_will_do_until_it_is_full():
    """A short run with the usual trace is whole."""
    sim = Simulation()
    orders, _ = pipeline(sim)
    send(orders, "o-1")
    sim.run()
    check_laws(sim)


def test_asynchronous_and_direct_invocations_are_nobody_of_these(sim):
    """They have no messages, whatever they answer."""
    worker = sim.create_function("worker", lambda event, context: {"batchItemFailures": [{"itemIdentifier": "x"}]})
    worker.invoke({})
    worker.invoke({}, invocation_type="Event")
    sim.run()
    check_laws(sim)


def test_long_bodies_are_cut(sim):
    """A line stays legible."""
    orders = sim.create_queue("orders", message_retention_period=60)
    send(orders, "x" * 41)
    sim.run_for(60)
    assert f"orders#1 '{'x' * 37}...' expired" in broken(no_message_lost, sim)[1]
