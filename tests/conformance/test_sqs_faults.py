"""SQS §24: what may go wrong, and who is asked about it."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import Faults, RedrivePolicy, Seeded, Simulation, SqsFaults
from lambdasim.errors import ResponseLostError, SqsError, UsageError
from lambdasim.errors.sqs import InvalidParameterValueException, RequestThrottled
from lambdasim.units import seconds

KINDS = ("standard", "fifo")


class Script:
    """Answers each choice point with the next of its list, then with 0; remembers what was asked."""

    def __init__(self, **answers):
        self.answers = {f"sqs.{name}": list(indices) for name, indices in answers.items()}
        self.points = []
        self.options = []

    def choose(self, point, options):
        self.points.append(point)
        self.options.append(tuple(options))
        answers = self.answers.get(point.name)
        return answers.pop(0) if answers else 0

    @property
    def asked(self):
        """Name, weight and number of options of all that was asked."""
        return [
            (point.name, point.weight, len(options)) for point, options in zip(self.points, self.options, strict=True)
        ]


class Refusing:
    """Whoever asks it is wrong."""

    def choose(self, point, options):
        raise AssertionError(f"{point.name} was asked")


class Listening:
    """A chooser that lets another answer, and keeps the answers by owner and point."""

    def __init__(self, chooser):
        self.chooser = chooser
        self.answers = {}

    def choose(self, point, options):
        answer = self.chooser.choose(point, options)
        self.answers.setdefault((point.owner, point.name), []).append(answer)
        return answer


def create(sim, kind="standard", name="orders", **attributes):
    if kind == "standard":
        return sim.create_queue(name, **attributes)
    return sim.create_queue(f"{name}.fifo", fifo_queue=True, content_based_deduplication=True, **attributes)


def scripted(faults, kind="standard", attributes=None, **answers):
    """Return a simulation with these faults, its queue, and the script that answers."""
    script = Script(**answers)
    sim = Simulation(faults=SqsFaults(**faults), choices=script)
    return sim, create(sim, kind, **(attributes or {})), script


def send(queue, *names):
    is_fifo = queue.name.endswith(".fifo")
    return [queue.send_message(name, message_group_id=name[0] if is_fifo else None) for name in names]


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def everything(queue, **parameters):
    return bodies(queue.receive_message(max_number_of_messages=10, **parameters))


def counts(queue):
    snapshot = queue.snapshot()
    return snapshot.visible, snapshot.in_flight, snapshot.delayed


def sums(sim, name, queue):
    return sum(value for _, value in sim.metrics.series("AWS/SQS", name, "Sum", QueueName=queue.name))


# ---- out of order


@pytest.mark.rule("SQS-305")
def test_each_pick_takes_one_of_those_at_the_front(sim):
    _, queue, script = scripted({"reorder_window": 3}, reorder=[2, 1, 2, 0])
    send(queue, *"abcde")
    assert ["c", "b", "e", "a", "d"] == everything(queue)
    assert [("sqs.reorder", (n - 1) / n, n) for n in (3, 3, 3, 2)] == script.asked[:4]
    assert {queue.arn} == {point.owner for point in script.points}


@pytest.mark.rule("SQS-305")
def test_benign_answers_leave_the_order_as_it_is():
    _, queue, script = scripted({"reorder_window": 10})
    send(queue, *"abc")
    assert ["a", "b", "c"] == everything(queue)
    assert [3, 2] == [count for _, _, count in script.asked]


@pytest.mark.rule("SQS-305")
@pytest.mark.parametrize("window", [0, 1])
def test_a_window_of_one_message_leaves_nothing_open(window):
    queue = create(Simulation(faults=SqsFaults(reorder_window=window), choices=Refusing()))
    send(queue, *"abc")
    assert ["a", "b", "c"] == everything(queue)


@pytest.mark.rule("SQS-305")
def test_drawn_by_lot_all_of_the_window_come_alike_and_no_others():
    sim = Simulation(seed=1, faults=SqsFaults(reorder_window=4))
    found = Counter()
    for number in range(2_000):
        queue = sim.create_queue(f"orders-{number % 20}-{number}")
        send(queue, *"abcdef")
        found += Counter(bodies(queue.receive_message()))
    assert set("abcd") == set(found)
    assert all(abs(count - 500) < 100 for count in found.values())


@pytest.mark.rule("SQS-305")
def test_what_is_not_visible_is_no_candidate():
    _, queue, script = scripted({"reorder_window": 3}, reorder=[2, 2])
    send(queue, *"abcdef")
    assert ["c"] == bodies(queue.receive_message())
    queue.send_message("delayed", delay_seconds=10)
    assert ["d"] == bodies(queue.receive_message())
    assert [3, 3] == [count for _, _, count in script.asked]


# ---- twice


@pytest.mark.rule("SQS-306")
@pytest.mark.parametrize("answer", [0, 1, 2, 3])
@pytest.mark.parametrize("delays_s", [(0, 1), (2, 5), (4, 4)])
def test_a_message_in_flight_becomes_visible_within_the_range(answer, delays_s):
    sim, queue, script = scripted({"duplicate_probability": 0.5, "duplicate_delay_s": delays_s}, duplicate=[answer])
    send(queue, "a")
    sim.run(until=1)
    (first,) = queue.receive_message()
    assert [("sqs.duplicate", 0.5, 4)] == script.asked
    first_us, last_us = map(seconds, delays_s)
    after_us = (seconds(30), first_us, (first_us + last_us) // 2, last_us)[answer]
    if after_us:
        sim.run(until_us=seconds(1) + after_us - 1)
        assert (0, 1, 0) == counts(queue)
    sim.run(until_us=seconds(1) + after_us)
    assert (1, 0, 0) == counts(queue)
    (second,) = queue.receive_message()
    assert ("a", 2) == (second.body, second.receive_count)
    assert first.receipt_handle != second.receipt_handle
    queue.delete_message(first.receipt_handle)
    assert (0, 1, 0) == counts(queue)
    queue.delete_message(second.receipt_handle)
    assert 0 == queue.snapshot().total
    sim.check_invariants()


@pytest.mark.rule("SQS-306")
@pytest.mark.parametrize(("answer", "at_s"), [(1, 2), (2, 3), (3, 3)])
def test_a_duplicate_never_comes_after_the_old_deadline(answer, at_s):
    """The range is 2 to 6 s, the timeout 3 s: neither the middle nor the end is waited for."""
    faults = {"duplicate_probability": 0.5, "duplicate_delay_s": (2, 6)}
    sim, queue, _ = scripted(faults, attributes={"visibility_timeout": 3}, duplicate=[answer])
    send(queue, "a")
    queue.receive_message()
    sim.run(until_us=seconds(at_s) - 1)
    assert (0, 1, 0) == counts(queue)
    sim.run(until=at_s)
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-306", "SQS-204")
def test_a_duplicate_at_once_is_for_the_next_receive():
    _, queue, _ = scripted({"duplicate_probability": 1.0}, duplicate=[1, 0, 1])
    send(queue, *"abc")
    assert ["a", "b", "c"] == everything(queue)
    assert ["a", "c"] == everything(queue)


@pytest.mark.rule("SQS-306")
def test_with_certainty_each_delivery_has_another():
    sim = Simulation(seed=3, faults=SqsFaults(duplicate_probability=1.0))
    queue = create(sim)
    send(queue, "a")
    for number in range(1, 6):
        (delivery,) = queue.receive_message(wait_time_seconds=20)
        assert number == delivery.receive_count
    assert sim.now <= 5


@pytest.mark.rule("SQS-306", "SQS-208")
def test_a_duplicate_wakes_who_waits():
    sim, queue, _ = scripted({"duplicate_probability": 0.5}, duplicate=[2])
    send(queue, "a")
    queue.receive_message()
    assert ["a"] == everything(queue, wait_time_seconds=20)
    assert 0.5 == sim.now


# ---- deletes


@pytest.mark.rule("SQS-278", "SQS-603")
def test_a_lost_delete_leaves_the_message_in_flight_until_its_deadline():
    sim, queue, script = scripted({"lost_delete_probability": 0.5}, lost_delete=[1, 0])
    send(queue, "a")
    (first,) = queue.receive_message()
    assert queue.delete_message(first.receipt_handle) is None
    assert [("sqs.lost_delete", 0.5, 2)] == script.asked
    assert (0, 1, 0) == counts(queue)
    assert 0 == queue.snapshot().deleted
    sim.run(until_us=seconds(30) - 1)
    assert [] == everything(queue)
    sim.run(until=30)
    (second,) = queue.receive_message()
    assert 2 == second.receive_count
    queue.delete_message(second.receipt_handle)
    assert 0 == queue.snapshot().total
    sim.run(until=60)
    assert 2 == sums(sim, "NumberOfMessagesDeleted", queue)
    sim.check_invariants()


@pytest.mark.rule("SQS-278", "SQS-274")
def test_a_delete_that_finds_nothing_to_delete_is_not_lost():
    """Gone, or by an older handle: there is nothing to lose."""
    sim, queue, script = scripted({"lost_delete_probability": 0.5})
    send(queue, "a")
    (old,) = queue.receive_message(visibility_timeout=1)
    sim.run(until=1)
    (new,) = queue.receive_message()
    queue.delete_message(old.receipt_handle)
    assert [] == script.asked
    for expected in (1, 1):
        queue.delete_message(new.receipt_handle)
        assert expected == len(script.asked)


@pytest.mark.rule("SQS-278", "SQS-188")
def test_each_delete_of_a_batch_may_be_lost():
    _, queue, script = scripted({"lost_delete_probability": 0.5}, lost_delete=[0, 1, 0])
    send(queue, *"abc")
    found = queue.receive_message(max_number_of_messages=3)
    answer = queue.delete_message_batch(
        [{"id": delivery.body, "receipt_handle": delivery.receipt_handle} for delivery in found]
    )
    assert ["a", "b", "c"] == [entry.id for entry in answer.successful]
    assert ["b"] == [message.body for message in queue.messages]
    assert 3 == len(script.asked)


@pytest.mark.rule("SQS-278")
def test_with_certainty_every_delete_is_lost():
    sim = Simulation(faults=SqsFaults(lost_delete_probability=1.0))
    queue = create(sim)
    send(queue, "a")
    for _ in range(5):
        (delivery,) = queue.receive_message()
        queue.delete_message(delivery.receipt_handle)
        sim.run_for(30)
    assert (1, 0, 0) == counts(queue)


@pytest.mark.rule("SQS-274")
@pytest.mark.parametrize(("answer", "left"), [(0, 1), (1, 0)])
def test_an_older_handle_may_delete_after_all(answer, left):
    sim, queue, script = scripted({"stale_delete_success_probability": 0.3}, stale_delete_success=[answer])
    send(queue, "a")
    (old,) = queue.receive_message(visibility_timeout=1)
    sim.run(until=1)
    (new,) = queue.receive_message()
    assert [] == script.asked
    queue.delete_message(old.receipt_handle)
    assert [("sqs.stale_delete_success", 0.3, 2)] == script.asked
    assert left == queue.snapshot().total
    queue.delete_message(new.receipt_handle)
    assert 0 == queue.snapshot().total
    assert 1 == queue.snapshot().deleted
    assert 1 == len(script.asked)


@pytest.mark.rule("SQS-274")
def test_with_certainty_every_older_handle_deletes():
    sim = Simulation(faults=SqsFaults(stale_delete_success_probability=1.0))
    queue = create(sim)
    for _ in range(5):
        send(queue, "a")
        (old,) = queue.receive_message(visibility_timeout=0)
        queue.receive_message()
        queue.delete_message(old.receipt_handle)
        assert 0 == queue.snapshot().total


# ---- receives that see less


@pytest.mark.rule("SQS-215")
@pytest.mark.parametrize(("shards", "sample"), [(4, 3), (4, 1), (3, 2), (2, 1)])
def test_a_short_poll_sees_what_lies_on_the_shards_that_were_chosen(shards, sample):
    hidden = set()
    count = sum(1 for _ in combinations(range(shards), sample))
    for answer in range(1 + count):
        _, queue, script = scripted({"short_poll_shards": shards, "short_poll_sample": sample}, short_poll=[answer])
        send(queue, *(f"{number}" for number in range(shards)), *(f"{number}" for number in range(shards)))
        seen = everything(queue)
        assert [("sqs.short_poll", 1.0, 1 + count)] == script.asked
        if answer == 0:
            assert 2 * shards == len(seen)
            continue
        assert all(2 == number for number in Counter(seen).values())  # message seq lies on shard seq mod N
        assert sample == len(set(seen))
        hidden.add(frozenset(map(str, range(shards))) - frozenset(seen))
        assert shards * 2 - len(seen) == queue.snapshot().visible
    assert count == len(hidden)


@pytest.mark.rule("SQS-215")
def test_a_long_poll_sees_everything():
    queue = create(Simulation(faults=SqsFaults(short_poll_shards=4, short_poll_sample=1), choices=Refusing()))
    send(queue, *"abcd")
    assert ["a", "b", "c", "d"] == everything(queue, wait_time_seconds=1)


@pytest.mark.rule("SQS-215")
@pytest.mark.parametrize("faults", [{"short_poll_shards": 4}, {"short_poll_shards": 4, "short_poll_sample": 4}])
def test_a_short_poll_that_asks_all_shards_leaves_nothing_open(faults):
    queue = create(Simulation(faults=SqsFaults(**faults), choices=Refusing()))
    send(queue, *"abcd")
    assert ["a", "b", "c", "d"] == everything(queue)


@pytest.mark.rule("SQS-215")
def test_drawn_by_lot_a_short_poll_never_sees_all():
    sim = Simulation(seed=2, faults=SqsFaults(short_poll_shards=4, short_poll_sample=3))
    found = Counter()
    for number in range(400):
        queue = sim.create_queue(f"orders-{number}")
        send(queue, *"abcd")
        (hidden,) = set("abcd") - set(everything(queue))
        found[hidden] += 1
    assert set("abcd") == set(found)
    assert all(count > 50 for count in found.values())


@pytest.mark.rule("SQS-216")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", range(5))
def test_a_receive_may_return_fewer_and_leaves_the_rest_untouched(kind, answer):
    sim, queue, script = scripted({"receive_fewer_probability": 0.1}, kind, receive_fewer=[answer])
    send(queue, "A1", "A2", "A3", "B1", "B2")
    assert ["A1", "A2", "A3", "B1", "B2"][: 5 - answer] == everything(queue)
    assert [("sqs.receive_fewer", 0.1, 5)] == script.asked
    assert (answer, 5 - answer, 0) == counts(queue)
    assert [0] * answer == [message.receive_count for message in queue.messages][5 - answer :]
    sim.run(until=60)
    assert 5 - answer == sums(sim, "NumberOfMessagesReceived", queue)
    sim.check_invariants()


@pytest.mark.rule("SQS-216", "SQS-321")
def test_what_a_fifo_receive_left_out_waits_behind_what_it_took():
    _, queue, _ = scripted({"receive_fewer_probability": 0.1}, "fifo", receive_fewer=[2])
    send(queue, "A1", "A2", "A3")
    assert ["A1"] == everything(queue)
    assert [] == everything(queue)


@pytest.mark.rule("SQS-216")
@pytest.mark.parametrize("kind", KINDS)
def test_of_one_message_there_are_no_fewer(kind):
    queue = create(Simulation(faults=SqsFaults(receive_fewer_probability=1.0), choices=Refusing()), kind)
    send(queue, "A1", "B1")
    assert ["A1"] == bodies(queue.receive_message())
    assert ["B1"] == everything(queue)
    assert [] == everything(queue)


@pytest.mark.rule("SQS-216")
def test_with_certainty_every_receive_returns_fewer():
    queue = create(Simulation(seed=1, faults=SqsFaults(receive_fewer_probability=1.0)))
    send(queue, *(f"{number}" for number in range(200)))
    found = [len(queue.receive_message(max_number_of_messages=4)) for _ in range(60)]
    assert {1, 2, 3} == set(found)


# ---- long polls that miss


def polling(kind, answer):
    sim, queue, script = scripted({"long_poll_empty_probability": 0.4}, kind, long_poll_empty=[answer])
    log = []

    async def poll():
        found = await queue.wait_receive(wait_time_seconds=20, max_number_of_messages=10)
        log.append((sim.now_us, bodies(found)))

    sim.spawn(poll())
    return sim, queue, script, log


@pytest.mark.rule("SQS-216")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", [0, 1])
@pytest.mark.parametrize(
    ("at_us", "is_asked"),
    [
        (seconds(10), False),
        (seconds(19) - 1, False),
        (seconds(19), True),
        (seconds(19) + 1, True),
        (seconds(20) - 1, True),
    ],
)
def test_a_long_poll_may_miss_what_comes_in_its_last_second(kind, answer, at_us, is_asked):
    sim, queue, script, log = polling(kind, answer)
    sim.clock.timer(at_us, lambda _: send(queue, "A1"))
    sim.run()
    assert ([("sqs.long_poll_empty", 0.4, 2)] if is_asked else []) == script.asked
    is_missed = is_asked and answer == 1
    assert [(seconds(20), []) if is_missed else (at_us, ["A1"])] == log
    assert (["A1"] if is_missed else []) == everything(queue)


@pytest.mark.rule("SQS-216")
def test_a_poll_is_asked_once_whatever_comes_after():
    sim, queue, script, log = polling("standard", 1)
    for at_s in (19.1, 19.2, 19.3):
        sim.call_at(at_s, send, queue, "a")
    sim.run()
    assert [(seconds(20), [])] == log
    assert 1 == len(script.asked)
    assert 3 == len(everything(queue))


@pytest.mark.rule("SQS-216")
def test_a_long_poll_that_finds_something_at_once_misses_nothing():
    queue = create(Simulation(faults=SqsFaults(long_poll_empty_probability=1.0), choices=Refusing()))
    send(queue, "a")
    assert ["a"] == everything(queue, wait_time_seconds=1)


@pytest.mark.rule("SQS-216")
@pytest.mark.parametrize("kind", KINDS)
def test_with_certainty_every_long_poll_misses_its_last_second(kind):
    sim = Simulation(faults=SqsFaults(long_poll_empty_probability=1.0))
    queue, log = create(sim, kind), []

    def note(found):
        return sim.now, bodies(found)

    async def poll():
        log.append(note(await queue.wait_receive(wait_time_seconds=5)))
        log.append(note(await queue.wait_receive(wait_time_seconds=5)))  # finds something at once
        log.append(note(await queue.wait_receive(wait_time_seconds=5)))

    sim.spawn(poll())
    for at_s, name in ((4.5, "A1"), (9.5, "B1")):
        sim.call_at(at_s, send, queue, name)
    sim.run()
    assert [(5.0, []), (5.0, ["A1"]), (10.0, [])] == log
    assert ["B1"] == everything(queue)


# ---- answers that are lost


@pytest.mark.rule("SQS-216", "SQS-439", "SQS-603")
@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_answer_leaves_messages_in_flight_without_a_holder(kind):
    sim, queue, script = scripted({"lost_receive_response_probability": 0.2}, kind, lost_receive_response=[1])
    send(queue, "A1", "A2")
    with pytest.raises(ResponseLostError):
        queue.receive_message(max_number_of_messages=10)
    assert [("sqs.lost_receive_response", 0.2, 2)] == script.asked
    assert (0, 2, 0) == counts(queue)
    assert [1, 1] == [message.receive_count for message in queue.messages]
    sim.run(until_us=seconds(30) - 1)
    assert [] == everything(queue)
    sim.run(until=30)
    found = queue.receive_message(max_number_of_messages=10)
    assert [("A1", 2), ("A2", 2)] == [(delivery.body, delivery.receive_count) for delivery in found]
    sim.run(until=60)
    assert 4 == sums(sim, "NumberOfMessagesReceived", queue)
    sim.check_invariants()


@pytest.mark.rule("SQS-439", "SQS-430")
@pytest.mark.parametrize("kind", KINDS)
def test_with_a_count_of_one_a_lost_answer_sends_a_message_to_the_dead_letter_queue(kind):
    script = Script(lost_receive_response=[1])
    sim = Simulation(faults=SqsFaults(lost_receive_response_probability=0.2), choices=script)
    dlq = create(sim, kind, "dlq")
    queue = create(sim, kind, redrive_policy=RedrivePolicy(dlq, 1))
    send(queue, "A1")
    with pytest.raises(ResponseLostError):
        queue.receive_message()
    sim.run(until=30)
    assert [] == everything(queue)
    assert 1 == dlq.snapshot().visible


@pytest.mark.rule("SQS-216")
@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_to_a_poll_that_waits_may_be_lost_too(kind):
    sim, queue, script = scripted({"lost_receive_response_probability": 0.2}, kind, lost_receive_response=[1])
    log = []

    async def poll():
        try:
            await queue.wait_receive(wait_time_seconds=20)
        except ResponseLostError:
            log.append(sim.now)

    sim.spawn(poll())
    sim.call_at(5, send, queue, "A1")
    sim.run()
    assert [5.0] == log
    assert (0, 1, 0) == counts(queue)
    assert [("sqs.lost_receive_response", 0.2, 2)] == script.asked


@pytest.mark.rule("SQS-216")
def test_an_empty_answer_is_not_lost():
    queue = create(Simulation(faults=SqsFaults(lost_receive_response_probability=1.0), choices=Refusing()))
    assert [] == everything(queue)
    assert [] == everything(queue, wait_time_seconds=1)


@pytest.mark.rule("SQS-216", "SQS-360")
def test_an_attempt_whose_answer_was_lost_can_be_made_again():
    _, queue, _ = scripted({"lost_receive_response_probability": 0.2}, "fifo", lost_receive_response=[1])
    send(queue, "A1", "A2")
    with pytest.raises(ResponseLostError):
        queue.receive_message(max_number_of_messages=10, receive_request_attempt_id="R")
    assert [] == everything(queue)
    found = queue.receive_message(max_number_of_messages=10, receive_request_attempt_id="R")
    assert [("A1", 1), ("A2", 1)] == [(delivery.body, delivery.receive_count) for delivery in found]


@pytest.mark.rule("SQS-170")
def test_a_lost_acknowledgement_makes_two_messages_of_a_standard_queue_when_tried_again():
    _, queue, script = scripted({"lost_send_ack_probability": 0.2}, lost_send_ack=[1, 0])
    with pytest.raises(ResponseLostError) as caught:
        send(queue, "a")
    assert not isinstance(caught.value, SqsError)
    assert [("sqs.lost_send_ack", 0.2, 2)] == script.asked
    assert 1 == queue.snapshot().total
    send(queue, "a")
    assert ["a", "a"] == everything(queue)


@pytest.mark.rule("SQS-170", "SQS-347")
def test_a_lost_acknowledgement_makes_one_message_of_a_fifo_queue_within_the_window():
    sim, queue, _ = scripted({"lost_send_ack_probability": 0.2}, "fifo", lost_send_ack=[1, 0, 0])
    with pytest.raises(ResponseLostError):
        send(queue, "A1")
    sim.run(until=299)
    send(queue, "A1")
    assert 1 == queue.snapshot().total
    sim.run(until=300)
    send(queue, "A1")
    assert 2 == queue.snapshot().total


@pytest.mark.rule("SQS-170", "SQS-208")
def test_a_message_whose_acknowledgement_was_lost_wakes_who_waits():
    sim, queue, _ = scripted({"lost_send_ack_probability": 0.2}, lost_send_ack=[1])
    log = []

    async def poll():
        log.extend(bodies(await queue.wait_receive(wait_time_seconds=20)))

    sim.spawn(poll())
    sim.run(until=1)
    with pytest.raises(ResponseLostError):
        send(queue, "a")
    sim.run()
    assert ["a"] == log


@pytest.mark.rule("SQS-170", "SQS-216")
@pytest.mark.parametrize("kind", KINDS)
def test_with_certainty_every_answer_is_lost(kind):
    faults = SqsFaults(lost_send_ack_probability=1.0, lost_receive_response_probability=1.0)
    queue = create(Simulation(faults=faults), kind)
    for number in range(1, 4):
        with pytest.raises(ResponseLostError):
            send(queue, f"A{number}")
        assert number == queue.snapshot().total
    with pytest.raises(ResponseLostError):
        queue.receive_message()
    assert 1 == queue.snapshot().in_flight


# ---- who is served first


def three_polls(sim, queue):
    log = []

    async def poll(name):
        log.append((name, *bodies(await queue.wait_receive(wait_time_seconds=20))))

    for name in ("first", "second", "third"):
        sim.spawn(poll(name))
    return log


@pytest.mark.rule("SQS-209")
@pytest.mark.parametrize("kind", KINDS)
def test_any_of_the_polls_that_wait_may_be_served_next(kind):
    sim, queue, script = scripted({"poll_wakeup": "random"}, kind, poll_wakeup=[2, 1])
    log = three_polls(sim, queue)
    for at_s, name in ((1, "A1"), (2, "B1"), (3, "C1")):
        sim.call_at(at_s, send, queue, name)
    sim.run()
    assert [("third", "A1"), ("second", "B1"), ("first", "C1")] == log
    assert [("sqs.poll_wakeup", 2 / 3, 3), ("sqs.poll_wakeup", 1 / 2, 2)] == script.asked
    assert {queue.arn} == {point.owner for point in script.points}


@pytest.mark.rule("SQS-209")
def test_without_the_knob_polls_are_served_in_order_and_nobody_is_asked():
    sim = Simulation(faults=SqsFaults(poll_wakeup="fifo"), choices=Refusing())
    queue = create(sim)
    log = three_polls(sim, queue)
    for at_s in (1, 2, 3):
        sim.call_at(at_s, send, queue, "a")
    sim.run()
    assert ["first", "second", "third"] == [name for name, _ in log]


@pytest.mark.rule("SQS-209")
def test_drawn_by_lot_each_poll_is_served_first_at_times():
    found = Counter()
    for seed in range(60):
        sim = Simulation(seed=seed, faults=SqsFaults(poll_wakeup="random"))
        queue = create(sim)
        log = three_polls(sim, queue)
        sim.call_at(1, send, queue, "a")
        sim.run(until=2)
        found[log[0][0]] += 1
    assert {"first", "second", "third"} == set(found)
    assert all(count >= 8 for count in found.values())


# ---- counts


@pytest.mark.rule("SQS-600")
@pytest.mark.parametrize(
    ("noise", "answer", "expected"),
    [(0.2, 0, 10), (0.2, 1, 8), (0.2, 2, 12), (1.0, 1, 0), (1.0, 2, 20), (0.04, 1, 10)],
)
def test_counts_may_be_off_by_a_fraction(noise, answer, expected):
    _, queue, script = scripted({"approx_noise": noise}, approx_noise=[answer])
    send(queue, *(f"{number}" for number in range(10)))
    assert expected == queue.approximate_number_of_messages
    ((name, _, options),) = script.asked
    assert ("sqs.approx_noise", 3) == (name, options)
    assert 10 == queue.snapshot().visible


@pytest.mark.rule("SQS-600")
def test_the_attributes_that_are_asked_for_may_be_off():
    _, queue, script = scripted({"approx_noise": 0.5}, approx_noise=[1])
    send(queue, *"abcd")
    name = "ApproximateNumberOfMessages"
    assert {name: "2"} == queue.get_queue_attributes([name]).attributes
    assert ["sqs.approx_noise"] == [point.name for point in script.points]
    assert {"QueueArn": queue.arn} == queue.get_queue_attributes(["QueueArn"]).attributes
    assert 1 == len(script.points)


@pytest.mark.rule("SQS-600")
@pytest.mark.parametrize(("at_us", "expected"), [(seconds(60) - 1, 0), (seconds(60), 1), (seconds(60) + 1, 1)])
def test_counts_may_be_those_of_a_while_ago(at_us, expected):
    sim = Simulation(faults=SqsFaults(approx_staleness_s=50), choices=Refusing())
    standard, ordered = create(sim), create(sim, "fifo")
    sim.run(until=10)
    for queue in (standard, ordered):
        send(queue, "A1")
    sim.run(until_us=at_us)
    assert (expected, 1) == (standard.approximate_number_of_messages, ordered.approximate_number_of_messages)


# ---- refused calls


def calls(queue):
    """All calls on messages that the rule means, each by its name."""
    send(queue, "A1")
    (delivery,) = queue.receive_message()
    handle = delivery.receipt_handle
    group = {"message_group_id": "B"} if queue.name.endswith(".fifo") else {}
    entry = {"id": "1", "receipt_handle": handle}
    return {
        "send_message": lambda: send(queue, "B1"),
        "send_message_batch": lambda: queue.send_message_batch([{"id": "1", "message_body": "B2", **group}]),
        "receive_message": queue.receive_message,
        "change_message_visibility": lambda: queue.change_message_visibility(handle, 100),
        "change_message_visibility_batch": lambda: queue.change_message_visibility_batch(
            [{**entry, "visibility_timeout": 100}]
        ),
        "delete_message": lambda: queue.delete_message(handle),
        "delete_message_batch": lambda: queue.delete_message_batch([entry]),
    }


CALLS = (
    "send_message",
    "send_message_batch",
    "receive_message",
    "change_message_visibility",
    "change_message_visibility_batch",
    "delete_message",
    "delete_message_batch",
)


@pytest.mark.rule("SQS-415")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CALLS)
def test_a_call_may_be_refused_and_has_no_effect(kind, name):
    sim, queue, script = scripted({"throttle_probability": 0.05}, kind, throttle=[0, 0, 1, 0])
    call = calls(queue)[name]
    before = [(message.body, message.state, message.receive_count) for message in queue.messages], counts(queue)
    with pytest.raises(RequestThrottled) as caught:
        call()
    assert ("RequestThrottled", "RequestThrottled", 400) == (
        caught.value.code,
        caught.value.shape,
        caught.value.http_status,
    )
    assert before == (
        [(message.body, message.state, message.receive_count) for message in queue.messages],
        counts(queue),
    )
    call()
    assert [("sqs.throttle", 0.05, 2)] * 4 == script.asked
    sim.run(until=30)
    sim.check_invariants()


@pytest.mark.rule("SQS-415")
@pytest.mark.parametrize("kind", KINDS)
def test_with_certainty_every_call_is_refused(kind):
    queue = create(Simulation(faults=SqsFaults(throttle_probability=1.0)), kind)
    for _ in range(3):
        with pytest.raises(RequestThrottled):
            send(queue, "A1")
    assert 0 == queue.snapshot().total


# ---- what is off asks nobody


POINTS = {
    "sqs.reorder": {"reorder_window": 5},
    "sqs.duplicate": {"duplicate_probability": 0.5},
    "sqs.lost_delete": {"lost_delete_probability": 0.5},
    "sqs.stale_delete_success": {"stale_delete_success_probability": 0.5},
    "sqs.short_poll": {"short_poll_shards": 4, "short_poll_sample": 3},
    "sqs.receive_fewer": {"receive_fewer_probability": 0.5},
    "sqs.long_poll_empty": {"long_poll_empty_probability": 0.5},
    "sqs.lost_receive_response": {"lost_receive_response_probability": 0.5},
    "sqs.lost_send_ack": {"lost_send_ack_probability": 0.5},
    "sqs.poll_wakeup": {"poll_wakeup": "random"},
    "sqs.approx_noise": {"approx_noise": 0.5},
    "sqs.purge_swallow": {"purge_duration_s": 5, "purge_swallow_probability": 0.5},
    "sqs.throttle": {"throttle_probability": 0.5},
}
STANDARD_ONLY = {
    "sqs.reorder",
    "sqs.duplicate",
    "sqs.lost_delete",
    "sqs.stale_delete_success",
    "sqs.short_poll",
    "sqs.approx_noise",
}
SETTINGS = {
    "approx_staleness_s": 5,
    "attribute_propagation_s": 5,
    "retention_propagation_s": 5,
    "delete_queue_linger_s": 5,
    "cancel_move_task_s": 5,
}
ALL_ON = {name: value for faults in POINTS.values() for name, value in faults.items()}


def play(sim, queue):
    """Do everything that may ask somebody; return what came of it."""
    log, handles = [], []

    def attempt(call, *arguments, **parameters):
        try:
            log.append(call(*arguments, **parameters))
        except (ResponseLostError, RequestThrottled, InvalidParameterValueException) as error:
            log.append(type(error).__name__)

    def send_one(name):
        return send(queue, name)[0].message_id

    def receive(**parameters):
        found = queue.receive_message(max_number_of_messages=10, **parameters)
        handles.extend(delivery.receipt_handle for delivery in found)
        return bodies(found)

    async def poll():
        try:
            log.append(bodies(await queue.wait_receive(wait_time_seconds=3)))
        except (ResponseLostError, RequestThrottled) as error:
            log.append(type(error).__name__)

    for turn in range(12):
        for number in range(4):
            attempt(send_one, f"{number}/{turn}")
        attempt(receive, visibility_timeout=0)
        attempt(receive)
        attempt(receive)
        for handle in handles[-6:]:
            attempt(queue.change_message_visibility, handle, 1)
            attempt(queue.delete_message, handle)
        for _ in range(3):
            sim.spawn(poll())
        sim.run_for(2.5)
        attempt(send_one, f"last second {turn}")
        sim.run_for(2)
        log.append(queue.approximate_number_of_messages)
        if turn in {3, 9}:
            sim.run_for(100)
            attempt(send_one, f"before the purge {turn}")
            attempt(queue.purge_queue)
            attempt(send_one, f"during the purge {turn}")
            sim.run_for(10)
        for handle in handles:
            attempt(queue.delete_message, handle)
    sim.check_invariants()
    return log


@pytest.mark.rule("SQS-007")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("faults", [None, SqsFaults(), Faults(), SqsFaults(**SETTINGS)], ids=repr)
def test_with_notef_nobody_is_asked(kind, faults):
    sim = Simulation(faults=faults, choices=Refusing())
    assert play(sim, create(sim, kind))


@pytest.mark.rule("SQS-007", "SQS-642")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", POINTS)
def test_a_knob_asks_its_own_point_and_no_other_and_none_that_its_queue_does_not_permit(kind, name):
    sim, queue, script = scripted(POINTS[name], kind)
    other = create(sim, kind, "other")
    play(sim, queue)
    expected = set() if kind == "fifo" and name in STANDARD_ONLY else {name}
    assert expected == {point.name for point in script.points}
    assert {queue.arn} >= {point.owner for point in script.points}
    assert 0 == other.snapshot().total
    assert all(len(options) >= 2 and all(isinstance(text, str) for text in options) for options in script.options)


@pytest.mark.rule("SQS-007", "SQS-642")
def test_on_a_fifo_queue_nothing_is_asked_that_aws_does_not_permit_there():
    sim, queue, script = scripted(ALL_ON, "fifo")
    play(sim, queue)
    assert set(POINTS) - STANDARD_ONLY == {point.name for point in script.points}


@pytest.mark.rule("SQS-007")
@pytest.mark.parametrize("kind", KINDS)
def test_benign_answers_are_the_run_without_the_knobs(kind):
    """Option 0 of each point; only that a purge takes time is no matter of choice."""
    faults = {**ALL_ON, "purge_duration_s": 0}
    plain, benign = Simulation(), Simulation(faults=SqsFaults(**faults), choices=Script())
    assert play(plain, create(plain, kind)) == play(benign, create(benign, kind))


# ---- faults of one queue


@pytest.mark.rule("SQS-007")
def test_faults_may_be_those_of_one_queue():
    script = Script(reorder=[1])
    sim = Simulation(choices=script)
    plain, wild = sim.create_queue("plain"), sim.create_queue("wild", faults=SqsFaults(reorder_window=2))
    for queue in (plain, wild):
        send(queue, *"ab")
    assert (["a", "b"], ["b", "a"]) == (everything(plain), everything(wild))
    assert [wild.arn] == [point.owner for point in script.points]


@pytest.mark.rule("SQS-007")
def test_faults_of_a_queue_take_the_place_of_those_of_the_simulation():
    sim = Simulation(faults=SqsFaults(reorder_window=2), choices=Refusing())
    queue = sim.create_queue("calm", faults=SqsFaults())
    send(queue, *"ab")
    assert ["a", "b"] == everything(queue)


# ---- draws that move no others


@pytest.mark.rule("SQS-007", "SQS-640")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", POINTS)
def test_a_knob_of_one_queue_moves_no_draw_of_another(kind, name):
    runs = []
    for faults in ({}, POINTS[name]):
        chooser = Listening(Seeded(5))
        sim = Simulation(seed=5, choices=chooser)
        first = create(sim, kind, "first", faults=SqsFaults(**faults))
        second = create(sim, kind, "second", faults=SqsFaults(**ALL_ON))
        play(sim, first)
        sim.run(until=2_000)
        log = play(sim, second)
        runs.append((log, {key: found for key, found in chooser.answers.items() if key[0] == second.arn}))
    assert runs[0] == runs[1]


@pytest.mark.rule("SQS-007", "SQS-640")
@pytest.mark.parametrize("name", ["sqs.lost_delete", "sqs.approx_noise", "sqs.short_poll", "sqs.lost_send_ack"])
def test_a_knob_moves_no_draw_of_another_point_of_its_queue(name):
    """As far as both runs ask: what is answered may change how often another point is asked."""
    runs = []
    for faults in ({**ALL_ON}, {key: value for key, value in ALL_ON.items() if key not in POINTS[name]}):
        chooser = Listening(Seeded(8))
        sim = Simulation(seed=8, faults=SqsFaults(**faults), choices=chooser)
        queue = create(sim)
        play(sim, queue)
        runs.append(chooser.answers)
    both, without = runs
    assert (queue.arn, name) in both
    assert (queue.arn, name) not in without
    fixed = {"sqs.throttle", "sqs.lost_send_ack", "sqs.lost_receive_response", "sqs.lost_delete", "sqs.duplicate"}
    compared = 0
    for point in fixed - {name}:
        pairs = list(zip(both[queue.arn, point], without[queue.arn, point], strict=False))
        assert all(one == other for one, other in pairs)
        compared += len(pairs)
    assert compared > 100


@pytest.mark.rule("SQS-007", "SQS-640")
@given(st.integers(0, 1_000_000), st.sampled_from(KINDS))
def test_a_seed_plays_the_same_run_again(seed, kind):
    runs = []
    for _ in range(2):
        sim = Simulation(seed=seed, faults=SqsFaults(**ALL_ON))
        runs.append((play(sim, create(sim, kind)), sim.trace.to_json_lines()))
    assert runs[0] == runs[1]


@pytest.mark.rule("SQS-007")
def test_with_faults_and_no_chooser_lots_are_drawn_by_the_seed_of_the_simulation():
    faults = SqsFaults(**ALL_ON)
    runs = []
    for choices in ({}, {"choices": Seeded(7)}):
        sim = Simulation(seed=7, faults=faults, **choices)
        runs.append(play(sim, create(sim)))
    assert runs[0] == runs[1]
    other = Simulation(seed=8, faults=faults)
    assert runs[0] != play(other, create(other))


# ---- the preset, and what no knob may be


@pytest.mark.rule("SQS-641")
def test_the_preset_for_tests_of_idempotency():
    expected = {
        "reorder_window": 10,
        "duplicate_probability": 0.05,
        "lost_delete_probability": 0.02,
        "short_poll_shards": 4,
        "short_poll_sample": 3,
        "lost_receive_response_probability": 0.01,
    }
    assert SqsFaults(**expected) == SqsFaults.at_least_once()
    assert Faults(**expected) == Faults.at_least_once()
    sim = Simulation(faults=SqsFaults.at_least_once(), choices=(script := Script()))
    play(sim, create(sim))
    assert {
        "sqs.reorder",
        "sqs.duplicate",
        "sqs.lost_delete",
        "sqs.short_poll",
        "sqs.lost_receive_response",
    } == {point.name for point in script.points}


@pytest.mark.rule("SQS-641", "SQS-642")
def test_the_preset_delivers_everything_at_least_once_and_loses_nothing():
    sim = Simulation(seed=1, faults=SqsFaults.at_least_once())
    queue = sim.create_queue("orders", visibility_timeout=10)
    send(queue, *(f"{number}" for number in range(300)))
    seen = Counter()
    while queue.snapshot().total:
        try:
            found = queue.receive_message(max_number_of_messages=10, wait_time_seconds=5)
        except ResponseLostError:
            continue
        for delivery in found:
            seen[delivery.body] += 1
            queue.delete_message(delivery.receipt_handle)
    assert {f"{number}" for number in range(300)} == set(seen)
    assert any(count > 1 for count in seen.values())


@pytest.mark.rule("SQS-641")
def test_everything_is_off_by_default():
    off = {
        "reorder_window": 0,
        "duplicate_probability": 0.0,
        "duplicate_delay_s": (0, 1),
        "lost_delete_probability": 0.0,
        "stale_delete_success_probability": 0.0,
        "short_poll_shards": 1,
        "receive_fewer_probability": 0.0,
        "long_poll_empty_probability": 0.0,
        "lost_receive_response_probability": 0.0,
        "lost_send_ack_probability": 0.0,
        "poll_wakeup": "fifo",
        "approx_noise": 0.0,
        "purge_duration_s": 0,
        "purge_swallow_probability": 0.0,
        "throttle_probability": 0.0,
        "approx_staleness_s": 0,
        "attribute_propagation_s": 0,
        "retention_propagation_s": 0,
        "create_ready_s": 0,
        "delete_queue_linger_s": 0,
        "cancel_move_task_s": 0,
    }
    assert SqsFaults(**off) == SqsFaults()


@pytest.mark.rule("SQS-640")
@pytest.mark.parametrize(
    "wrong",
    [
        {"duplicate_probability": 1.1},
        {"duplicate_probability": -0.1},
        {"lost_delete_probability": "0.5"},
        {"duplicate_delay_s": (1, 0)},
        {"duplicate_delay_s": 1},
        {"short_poll_shards": 0},
        {"short_poll_shards": 2, "short_poll_sample": 3},
        {"short_poll_shards": 2, "short_poll_sample": 0},
        {"reorder_window": -1},
        {"reorder_window": 1.5},
        {"poll_wakeup": "lifo"},
        {"purge_duration_s": 61},
        {"delete_queue_linger_s": 61},
        {"approx_staleness_s": -1},
    ],
    ids=repr,
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError):
        SqsFaults(**wrong)


# ---- what no knob may bring about


@pytest.mark.rule("SQS-642")
@given(st.integers(0, 1_000_000))
def test_no_knob_brings_about_what_aws_forbids_on_a_fifo_queue(seed):
    """Order in a group, no duplicate while a message is in flight, no message lost, no two handles alike."""
    faults = {**ALL_ON, "purge_duration_s": 0, "throttle_probability": 0.1}
    sim = Simulation(seed=seed, faults=SqsFaults(**faults))
    queue = create(sim, "fifo", visibility_timeout=10)
    sent = [f"{'ABC'[number % 3]}{number}" for number in range(30)]
    for name in sent:
        for _ in range(100):
            try:
                send(queue, name)
                break
            except (ResponseLostError, RequestThrottled):
                continue
    assert len(sent) == queue.snapshot().total
    done, handles, held_until_us = [], set(), {}
    while queue.snapshot().total:
        try:
            found = queue.receive_message(max_number_of_messages=10)
        except (ResponseLostError, RequestThrottled):
            found = []
        for delivery in found:
            assert held_until_us.get(delivery.body, 0) <= sim.now_us
            held_until_us[delivery.body] = sim.now_us + seconds(10)
            assert delivery.receipt_handle not in handles
            handles.add(delivery.receipt_handle)
        for delivery in found:
            try:
                queue.delete_message(delivery.receipt_handle)
            except RequestThrottled:
                break
            done.append(delivery.body)
        sim.run_for(2)
    for group in "ABC":
        assert [name for name in sent if name[0] == group] == [name for name in done if name[0] == group]


@pytest.mark.rule("SQS-642")
@given(st.integers(0, 1_000_000))
def test_no_knob_brings_about_what_aws_forbids_on_a_standard_queue(seed):
    """No message is lost, none comes before its delay is over, no two handles are alike."""
    sim = Simulation(seed=seed, faults=SqsFaults(**{**ALL_ON, "purge_duration_s": 0}))
    queue = create(sim, visibility_timeout=10)
    ready_us = {}
    while len(ready_us) < 30:
        delay_s = len(ready_us) % 7
        try:
            queue.send_message(f"{len(ready_us)}", delay_seconds=delay_s)
        except RequestThrottled:
            continue
        except ResponseLostError:
            pass
        ready_us[f"{len(ready_us)}"] = sim.now_us + seconds(delay_s)
    done, handles = set(), set()
    while queue.snapshot().total:
        found = []
        try:
            found = queue.receive_message(max_number_of_messages=10)
            for delivery in found:
                queue.delete_message(delivery.receipt_handle)
        except (ResponseLostError, RequestThrottled):
            pass
        for delivery in found:
            assert ready_us[delivery.body] <= sim.now_us
            assert delivery.receipt_handle not in handles
            handles.add(delivery.receipt_handle)
            done.add(delivery.body)
        sim.run_for(0.75)
    assert set(ready_us) == done
