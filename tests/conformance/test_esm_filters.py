"""What a mapping does with messages that no filter accepts (ESM §12, FLT-110 to FLT-116)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lambdasim import RedrivePolicy, ScalingModel, Simulation, SqsConfig, SqsFaults
from lambdasim.filtering import texts
from tests.conformance.test_filter_bodies import CASES

KEPT = '{"body": ["keep"]}'
IN_JSON = '{"body": {"k": ["v"]}}'
COUNTS = ("PolledEventCount", "FilteredOutEventCount", "InvokedEventCount", "DeletedEventCount")
ONE_SLOT = ScalingModel(initial=1, step_per_minute=0)


def criteria(*patterns):
    return {"Filters": [{"Pattern": pattern} for pattern in patterns]}


def published(sim, mapping, name):
    return list(sim.metrics.series("AWS/Lambda", name, "Sum", EventSourceMappingUUID=mapping.uuid))


def counts_of(mapping):
    found = mapping.snapshot()
    return (
        found.polled_event_count,
        found.filtered_out_event_count,
        found.invoked_event_count,
        found.deleted_event_count,
    )


@pytest.fixture
def ran():
    """Return (instant, bodies) of each invocation."""
    return []


@pytest.fixture
def worker(sim, ran):
    def handler(event, context):
        ran.append((sim.now, [record["body"] for record in event["Records"]]))

    return sim.create_function("worker", handler, duration=1)


def send(queue, *bodies, **given):
    for body in bodies:
        queue.send_message(body, **given)


# ---- worked timelines


@pytest.mark.rule("ESM-470", "ESM-230", "FLT-115", "ESM-280")
def test_of_ten_messages_four_match(sim, queue, worker, ran):
    send(queue, *(["keep", "drop"] * 4 + ["drop"] * 2))
    mapping = sim.create_event_source_mapping(
        queue, worker, filter_criteria=criteria(KEPT), metrics=["EventCount"], settings=[ONE_SLOT]
    )
    sim.run(until=0)
    assert counts_of(mapping) == (10, 6, 4, 0)
    found = queue.snapshot()
    assert (found.received, found.deleted, found.in_flight) == (10, 6, 4)
    assert found.requests == 10 + 1 + 1  # the sends, one receive, one delete
    assert (mapping.snapshot().held, mapping.snapshot().attempts) == (4, 1)
    sim.run(until=1)
    assert counts_of(mapping) == (10, 6, 4, 4)
    assert ran == [(0, ["keep"] * 4)]
    assert [published(sim, mapping, name) for name in COUNTS] == [[(0, 10)], [(0, 6)], [(0, 4)], [(0, 4)]]


@pytest.mark.rule("FLT-116", "FLT-110", "FLT-115", "ESM-232")
def test_five_messages_of_which_two_do_not_match(sim, queue, worker, ran):
    bodies = ['{"k":"v"}', '{"k":"w"}', "oops", '{"k":"v"}', '{"k":"v"}']
    send(queue, *bodies)
    messages = queue.messages
    mapping = sim.create_event_source_mapping(queue, worker, filter_criteria=criteria(IN_JSON))
    sim.run(until=0)
    assert [message.receive_count for message in messages] == [1] * 5
    assert queue.snapshot().requests == 5 + 1 + 1  # the sends, one receive, one delete
    assert [message.state.name for message in messages] == ["IN_FLIGHT", "DELETED", "DELETED", "IN_FLIGHT", "IN_FLIGHT"]
    assert counts_of(mapping) == (5, 2, 3, 0)
    sim.run(until=Decimal("0.999999"))
    assert queue.snapshot().deleted == 2
    sim.run(until=1)
    assert counts_of(mapping) == (5, 2, 3, 3)
    assert (queue.snapshot().deleted, queue.messages) == (5, ())
    assert ran == [(0, [bodies[0], bodies[3], bodies[4]])]


# ---- ESM-230 to ESM-232


@pytest.mark.rule("ESM-230", "FLT-110")
def test_a_filtered_message_never_returns_and_never_reaches_the_dead_letter_queue(sim, worker, ran):
    dead = sim.create_queue("dead")
    queue = sim.create_queue("orders", visibility_timeout=5, redrive_policy=RedrivePolicy(dead, 1))
    send(queue, "drop", "keep", "drop")
    sim.create_event_source_mapping(queue, worker, filter_criteria=criteria(KEPT))
    sim.run(until=100)
    assert ran == [(0, ["keep"])]
    assert (queue.snapshot().deleted, dead.snapshot().arrived) == (3, 0)
    assert worker.snapshot().invocations == 1


@pytest.mark.rule("ESM-230", "FLT-110")
def test_a_filtered_message_is_deleted_at_the_instant_of_its_receive_also_while_the_function_is_throttled(
    sim, queue, worker, ran
):
    worker.put_function_concurrency(0)
    send(queue, "drop", "keep")
    mapping = sim.create_event_source_mapping(queue, worker, filter_criteria=criteria(KEPT))
    sim.run(until=0)
    assert (queue.snapshot().deleted, queue.snapshot().in_flight) == (1, 1)
    sim.run(until=2)
    worker.delete_function_concurrency()
    sim.run(until=5)
    assert ran == [(3, ["keep"])]
    assert counts_of(mapping) == (2, 1, 3, 1)  # three attempts


@pytest.mark.rule("ESM-230", "FLT-111")
def test_a_filtered_message_uses_no_room_in_the_batch(sim, queue, worker, ran):
    send(queue, *(["drop", "keep"] * 20))
    sim.create_event_source_mapping(
        queue,
        worker,
        batch_size=20,
        maximum_batching_window_in_seconds=30,
        filter_criteria=criteria(KEPT),
        settings=[ONE_SLOT],
    )
    sim.run(until=0)
    assert ran == [(0, ["keep"] * 20)]  # full at once
    sim.run(until=1)
    assert queue.snapshot().deleted == 40


@pytest.mark.rule("ESM-231", "FLT-111")
def test_a_receive_with_nothing_but_filtered_messages_is_followed_by_another_at_once(sim, queue, worker, ran):
    send(queue, *(["drop"] * 25), "keep")
    mapping = sim.create_event_source_mapping(queue, worker, filter_criteria=criteria(KEPT), settings=[ONE_SLOT])
    sim.run(until=0)
    assert ran == [(0, ["keep"])]
    found = queue.snapshot()
    assert found.requests == 26 + 3 + 3  # sends, receives, a delete after each
    assert counts_of(mapping) == (26, 25, 1, 0)


@pytest.mark.rule("ESM-231", "ESM-101", "FLT-111")
def test_a_filtered_message_makes_a_mapping_active_and_invokes_nothing(sim, queue, worker):
    mapping = sim.create_event_source_mapping(queue, worker, filter_criteria=criteria(KEPT))
    phases = []
    sim.subscribe(lambda record: phases.append((sim.now, record.kind, record.details.get("target"))))
    sim.run(until=310)
    assert mapping.snapshot().pollers == 2
    send(queue, "drop")
    assert mapping.snapshot().phase == "active"  # S2
    assert queue.snapshot().deleted == 1
    sim.run(until=310)
    found = mapping.snapshot()
    assert (found.phase, found.pollers, found.target, found.held) == ("idle", 5, 5, 0)
    assert worker.snapshot().invocations == 0
    assert [row for row in phases if row[1] == "concurrency limit changed"] == [
        (300, "concurrency limit changed", 2),
        (310, "concurrency limit changed", 5),
    ]
    sim.run(until_us=610_000_000 - 1)
    assert mapping.snapshot().target == 5  # it was idle without a break from 310 on
    sim.run(until=610)
    assert mapping.snapshot().target == 2
    sim.check_invariants()


@pytest.mark.rule("ESM-232")
@pytest.mark.parametrize(
    ("body", "pattern", "passes"),
    [
        ("plain", '{"body": ["plain"]}', True),
        ("plain", '{"body": ["other"]}', False),
        ("plain", '{"awsRegion": ["us-east-1"]}', True),
        ("plain", '{"awsRegion": ["eu-west-1"]}', False),
        ("plain", '{"body": {"k": ["v"]}}', False),
        ("plain", '{"body": {"k": [{"exists": false}]}}', False),
        ('{"k": "v"}', '{"body": ["{\\"k\\": \\"v\\"}"]}', False),
        ('{"k": "v"}', '{"eventSource": ["aws:sqs"]}', True),
        ('{"k": "v"}', '{"eventSource": ["aws:s3"]}', False),
        ('{"k": "v"}', '{"body": {"k": ["v"]}}', True),
        ('{"k": "v"}', '{"body": {"k": ["w"]}}', False),
    ],
)
def test_the_form_of_a_body_decides_by_itself(sim, queue, worker, ran, body, pattern, passes):
    send(queue, body)
    sim.create_event_source_mapping(queue, worker, filter_criteria=criteria(pattern))
    sim.run(until=2)
    assert ran == ([(0, [body])] if passes else [])
    assert queue.snapshot().deleted == 1


@pytest.mark.rule("FLT-403", "ESM-232", "FLT-090")
@pytest.mark.parametrize(
    ("patterns", "body", "result", "rule"),
    [case[1:] for case in CASES if case[2]],  # no message is empty
    ids=[case[0] for case in CASES if case[2]],
)
def test_a_mapping_keeps_and_drops_as_the_table_says(sim, queue, worker, ran, patterns, body, result, rule):
    """Each row once more, with a message as it really comes out of a queue."""
    send(queue, body, message_attributes={"kind": {"DataType": "String", "StringValue": "vip"}})
    mapping = sim.create_event_source_mapping(queue, worker, filter_criteria=criteria(*patterns))
    sim.run()
    assert ran == ([(0, [body])] if result == "keep" else []), rule
    assert counts_of(mapping) == ((1, 0, 1, 1) if result == "keep" else (1, 1, 0, 0)), rule
    assert queue.snapshot().deleted == 1


@pytest.mark.rule("ESM-232", "FLT-110")
def test_filters_see_attributes_of_the_message_and_the_number_of_its_receive(sim, queue, worker, ran):
    given = {"kind": {"DataType": "String", "StringValue": "urgent"}}
    send(queue, "a", message_attributes=given)
    send(queue, "b")
    queue.receive_message(visibility_timeout=0, max_number_of_messages=2)
    urgent = '{"messageAttributes": {"kind": {"stringValue": ["urgent"]}}}'
    again = '{"attributes": {"ApproximateReceiveCount": ["2"]}}'
    sim.create_event_source_mapping(queue, worker, filter_criteria=criteria(urgent))
    sim.run(until=2)
    assert ran == [(0, ["a"])]
    send(queue, "c", delay_seconds=5)
    parcels = sim.create_queue("parcels")
    send(parcels, "first", "second")
    parcels.receive_message(visibility_timeout=0)
    sim.create_event_source_mapping(parcels, worker, filter_criteria=criteria(again))
    sim.run(until=4)
    assert ran[1:] == [(2, ["first"])]


@pytest.mark.rule("ESM-230")
@pytest.mark.parametrize(
    ("pattern", "times"),
    [
        ('{"body": {"k": ["v"]}}', 1),
        ('{"body": {"k": ["v"], "n": [{"numeric": [">", 3]}]}}', 1),
        ('{"awsRegion": ["us-east-1"]}', 0),
    ],
)
def test_a_body_is_parsed_once_at_most_and_only_if_a_filter_asks_for_it(
    sim, queue, worker, ran, monkeypatch, pattern, times
):
    body = '{"k": "v", "n": 7}'
    send(queue, body)
    sim.create_event_source_mapping(
        queue, worker, filter_criteria=criteria('{"body": {"k": ["w"]}}', pattern) if times else criteria(pattern)
    )
    parsed = []
    parse = texts.parse

    def counting(text):
        parsed.append(text)
        return parse(text)

    monkeypatch.setattr(texts, "parse", counting)
    sim.run(until=2)
    assert parsed.count(body) == times
    assert ran == [(0, [body])]


# ---- ESM-233


@pytest.mark.rule("ESM-233", "ESM-290", "FLT-115")
@pytest.mark.parametrize(("kept", "dropped"), [(10, 0), (9, 1), (1, 9), (0, 10)])
def test_deletes_of_filtered_records_are_requests_that_cost_and_no_concurrency_is_used(
    sim, queue, worker, kept, dropped
):
    send(queue, *(["keep"] * kept + ["drop"] * dropped))
    mapping = sim.create_event_source_mapping(queue, worker, filter_criteria=criteria(KEPT), settings=[ONE_SLOT])
    sim.run(until=1)
    found = queue.snapshot()
    assert found.requests == found.billed_requests == 10 + 1 + bool(kept) + bool(dropped)
    assert mapping.snapshot().deleted_event_count == kept
    assert sim.metrics.series("AWS/SQS", "NumberOfMessagesDeleted", "Sum", QueueName="orders").values == (10,)
    assert worker.snapshot().invocations == bool(kept)
    cents = sim.prices.sqs_cost_exact(billed_requests=found.billed_requests)
    assert cents == sim.prices.sqs_cost_exact(billed_requests=1) * found.billed_requests


@pytest.mark.rule("FLT-115", "ESM-280")
def test_a_mapping_with_a_filter_publishes_a_0_where_all_matched_and_without_one_nothing(sim, worker):
    given = {
        "loud": {"filter_criteria": criteria(KEPT), "metrics": ["EventCount"]},
        "quiet": {"filter_criteria": criteria(KEPT)},
        "open": {"metrics": ["EventCount"]},
    }
    mappings = {name: sim.create_event_source_mapping(sim.create_queue(name), worker, **given[name]) for name in given}
    for bodies in (("keep", "drop"), ("keep",), (), ("drop",)):
        for name in given:
            send(sim.queue(name), *bodies)
        sim.run_for(60)
    found = {name: published(sim, mapping, "FilteredOutEventCount") for name, mapping in mappings.items()}
    assert found == {"loud": [(0, 1), (60, 0), (120, 0), (180, 1), (240, 0)], "quiet": [], "open": []}
    assert mappings["quiet"].snapshot().filtered_out_event_count == 2


# ---- FLT-111: windows


@pytest.mark.rule("FLT-111", "ESM-231")
def test_a_filtered_message_begins_no_window(sim, queue, worker, ran):
    sim.create_event_source_mapping(
        queue, worker, maximum_batching_window_in_seconds=10, filter_criteria=criteria(KEPT), settings=[ONE_SLOT]
    )
    for at, body in ((1, "drop"), (4, "keep"), (9, "drop")):
        sim.call_at(at, queue.send_message, body)
    sim.run(until=Decimal("13.999999"))
    assert ran == []
    assert queue.snapshot().deleted == 2
    sim.run(until=14)
    assert ran == [(14, ["keep"])]  # ten seconds after the one that was accepted


@pytest.mark.rule("FLT-111", "ESM-087")
def test_a_filtered_message_neither_extends_a_window_nor_closes_it(sim, queue, worker, ran):
    mapping = sim.create_event_source_mapping(
        queue,
        worker,
        batch_size=3,
        maximum_batching_window_in_seconds=10,
        filter_criteria=criteria(KEPT),
        settings=[ONE_SLOT],
    )
    send(queue, "keep", "drop", "drop", "drop", "keep")
    sim.run(until=9)
    send(queue, "drop")
    assert mapping.snapshot().held == 2
    sim.run(until=10)
    assert ran == [(10, ["keep", "keep"])]
    send(queue, "drop", "keep")
    sim.run(until=20)
    send(queue, "keep", "keep")
    sim.run(until=Decimal("20.999999"))
    assert ran[1:] == [(20, ["keep"] * 3)]  # full


@pytest.mark.rule("FLT-111", "ESM-087")
def test_a_window_that_opened_with_the_end_of_an_invocation_is_not_changed_by_filtered_messages(
    sim, queue, worker, ran
):
    sim.create_event_source_mapping(
        queue, worker, maximum_batching_window_in_seconds=10, filter_criteria=criteria(KEPT), settings=[ONE_SLOT]
    )
    send(queue, "keep")
    sim.run(until=11)  # the invocation of 10 has ended
    for at, body in ((12, "drop"), (15, "keep"), (20, "drop"), (33, "drop"), (34, "keep")):
        sim.call_at(at, queue.send_message, body)
    sim.run(until=50)
    assert ran == [(10, ["keep"]), (21, ["keep"]), (44, ["keep"])]


@pytest.mark.rule("FLT-111", "ESM-290")
def test_receives_of_an_open_batch_are_counted_also_where_all_was_filtered(sim, queue, worker):
    mapping = sim.create_event_source_mapping(
        queue, worker, maximum_batching_window_in_seconds=60, filter_criteria=criteria(KEPT), settings=[ONE_SLOT]
    )
    queue.set_queue_attributes(visibility_timeout=600)
    sim.run(until=0)
    before = queue.snapshot().requests
    send(queue, "keep")
    sim.run(until=25)  # one empty receive ended at 20
    send(queue, "drop")
    sim.run(until=50)  # another one at 45
    assert mapping.snapshot().empty_receives == 2
    assert queue.snapshot().requests == before + 2 + 2 + 2 + 1  # sends, receives, empty ones, the delete


@pytest.mark.rule("ESM-231", "SQS-209")
@pytest.mark.parametrize("window", [0, 60], ids=["polling", "gathering"])
def test_after_a_receive_of_nothing_but_filtered_messages_a_slot_is_last_in_line(sim, queue, worker, window):
    """It asks again at 10 s, after the poll that begins then."""
    queue.set_queue_attributes(visibility_timeout=600)
    mapping = sim.create_event_source_mapping(
        queue,
        worker,
        maximum_batching_window_in_seconds=window,
        filter_criteria=criteria(KEPT),
        settings=[ONE_SLOT],
    )

    async def poll():
        await sim.sleep(10)
        return await queue.wait_receive(wait_time_seconds=20)

    task = sim.spawn(poll())
    sim.run(until=5)
    if window:
        queue.send_message("keep")
    sim.call_at(10, queue.send_message, "drop")
    sim.call_at(12, queue.send_message, "keep")
    sim.run(until=12)
    assert mapping.snapshot().filtered_out_event_count == 1
    assert len(task.result()) == 1


# ---- FLT-112: FIFO


@pytest.mark.rule("FLT-112", "ESM-230")
def test_in_a_fifo_queue_the_delete_frees_the_group_and_order_stays(sim, worker, ran):
    queue = sim.create_queue("orders.fifo", content_based_deduplication=True)
    for number in range(3):
        for name in ("a", "b"):
            queue.send_message(f'{{"name": "{name}{number}", "odd": {number % 2}}}', message_group_id=name)
    mapping = sim.create_event_source_mapping(
        queue, worker, batch_size=1, filter_criteria=criteria('{"body": {"odd": [0]}}')
    )
    sim.run()
    found = [(at, body[10:12]) for at, bodies in ran for body in bodies]
    assert found == [(0, "a0"), (0, "b0"), (1, "a2"), (1, "b2")]
    assert counts_of(mapping) == (6, 2, 4, 4)
    assert queue.snapshot().deleted == 6


@pytest.mark.rule("FLT-112", "ESM-211")
def test_a_group_of_which_only_filtered_messages_were_received_is_free_at_once(sim, worker, ran):
    queue = sim.create_queue("orders.fifo", content_based_deduplication=True)
    for body in ("drop 1", "drop 2", "keep", "drop 3"):
        queue.send_message(body, message_group_id="g")
    sim.create_event_source_mapping(queue, worker, batch_size=2, filter_criteria=criteria(KEPT), settings=[ONE_SLOT])
    sim.run(until=0)
    assert (queue.snapshot().deleted, queue.snapshot().in_flight) == (3, 1)  # the third went beside the one kept
    sim.run()
    assert ran == [(0, ["keep"])]
    assert queue.snapshot().deleted == 4


# ---- ESM-270


@pytest.mark.rule("ESM-270", "ESM-230")
def test_what_the_filter_of_one_mapping_rejects_is_gone_for_all(sim, queue, ran, worker):
    other_ran = []
    other = sim.create_function("other", lambda event, _: other_ran.append([r["body"] for r in event["Records"]]))
    first = sim.create_event_source_mapping(queue, worker, filter_criteria=criteria('{"body": ["a"]}'))
    second = sim.create_event_source_mapping(queue, other, filter_criteria=criteria('{"body": ["b"]}'))
    sim.run(until=0)
    for number in range(60):
        send(queue, "aab"[number % 3])
        sim.run_for(5)
    sim.run(until=400)
    found = [mapping.snapshot() for mapping in (first, second)]
    assert sum(each.polled_event_count for each in found) == 60 == queue.snapshot().deleted
    assert sum(each.filtered_out_event_count for each in found) >= 10
    handled = sum(len(bodies) for _, bodies in ran) + sum(len(bodies) for bodies in other_ran)
    assert handled == 60 - sum(each.filtered_out_event_count for each in found)
    assert {body for _, bodies in ran for body in bodies} == {"a"}


# ---- corners


@pytest.mark.rule("ESM-230", "ESM-093")
@pytest.mark.parametrize("window", [0, 5])
def test_at_the_in_flight_limit_deletes_of_filtered_messages_make_room(window):
    sim = Simulation(settings=[SqsConfig(inflight_limit_standard=4)])
    queue = sim.create_queue("orders")
    sizes = []
    sim.create_function("worker", lambda event, _: sizes.append(len(event["Records"])))
    send(queue, *(["drop", "drop", "keep"] * 20))
    mapping = sim.create_event_source_mapping(
        queue,
        "worker",
        batch_size=3,
        maximum_batching_window_in_seconds=window,
        filter_criteria=criteria(KEPT),
    )
    sim.run()
    assert queue.snapshot().deleted == 60
    assert counts_of(mapping) == (60, 40, 20, 20)
    assert sum(sizes) == 20
    assert max(sizes) <= 3
    sim.check_invariants()


@pytest.mark.rule("ESM-230", "ESM-002")
def test_a_delete_that_is_lost_brings_a_filtered_message_back_and_time_does_not_stop_before(ran):
    sim = Simulation(faults=SqsFaults(lost_delete_probability=1.0))
    queue = sim.create_queue("orders", visibility_timeout=30, message_retention_period=60)
    mapping = sim.create_event_source_mapping(
        queue, sim.create_function("worker"), filter_criteria=criteria(KEPT), settings=[ONE_SLOT]
    )
    send(queue, "drop")
    sim.run()
    assert sim.now >= 30
    assert counts_of(mapping)[1] >= 2
    assert ran == []
    assert queue.snapshot().expired == 1


@pytest.mark.rule("ESM-230", "ESM-083")
def test_somebody_who_hears_of_a_delete_may_stop_the_mapping(sim, queue, worker, ran):
    mapping = sim.create_event_source_mapping(queue, worker, filter_criteria=criteria(KEPT))
    sim.run(until=0)
    queue.on_deleted(
        lambda message: mapping.update_event_source_mapping(enabled=False) if mapping.state == "Enabled" else None
    )
    send(queue, "drop")
    assert mapping.state == "Disabling"
    send(queue, "keep")
    sim.run(until=5)
    assert mapping.state == "Disabled"
    assert ran == []
    assert queue.snapshot().visible == 1
    sim.check_invariants()
