"""SQS §5: redrive policies, and who may name a queue as its dead-letter queue."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import Clock, Queue, RedrivePolicy, Simulation, SqsConfig
from lambdasim.errors import UsageError
from lambdasim.errors.sqs import InvalidAttributeValue, InvalidParameterValueException
from lambdasim.units import seconds

PREFIX = "arn:aws:sqs:us-east-1:123456789012:"
ARN = f"{PREFIX}dlq"


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


def shown(queue, name):
    return queue.get_queue_attributes([name]).attributes.get(name)


# ---- redrive policies


@pytest.mark.rule("SQS-100")
@pytest.mark.parametrize("count", [1, 2, 1_000])
@pytest.mark.parametrize("form", ["object", "object with an arn", "dictionary", "numeric string", "text"])
def test_a_redrive_policy_may_be_an_object_a_dictionary_or_text(sim, form, count):
    dlq = sim.create_queue("dlq")
    policy = {
        "object": RedrivePolicy(dlq, max_receive_count=count),
        "object with an arn": RedrivePolicy(dlq.arn, count),
        "dictionary": {"deadLetterTargetArn": dlq.arn, "maxReceiveCount": count},
        "numeric string": {"deadLetterTargetArn": dlq.arn, "maxReceiveCount": f"{count}"},
        "text": f'{{ "maxReceiveCount":"{count}","deadLetterTargetArn":"{dlq.arn}" }}',
    }[form]
    queue = sim.create_queue("orders", redrive_policy=policy)
    assert dlq is queue.dead_letter_queue
    assert count == queue.max_receive_count
    if form == "text":
        assert policy == queue.redrive_policy
    else:
        said = json.loads(queue.redrive_policy)
        assert (dlq.arn, count) == (said["deadLetterTargetArn"], int(said["maxReceiveCount"]))


@pytest.mark.rule("SQS-100")
@pytest.mark.parametrize("count", ["1", "1000", '"1"', '"1000"', '"007"'])
def test_the_text_of_a_policy_is_returned_as_it_was_given(sim, count):
    sim.create_queue("dlq")
    text = f'{{ "maxReceiveCount" :{count},\n"deadLetterTargetArn":"{ARN}" }}'
    queue = sim.create_queue("orders")
    queue.set_queue_attributes({"RedrivePolicy": text})
    assert text == shown(queue, "RedrivePolicy") == queue.redrive_policy
    assert int(count.strip('"')) == queue.max_receive_count


@pytest.mark.rule("SQS-100", "SQS-430")
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_numeric_string_counts_as_the_number(sim, count):
    dlq = sim.create_queue("dlq")
    text = f'{{"maxReceiveCount": "{count}", "deadLetterTargetArn": "{ARN}"}}'
    queue = sim.create_queue("orders", attributes={"RedrivePolicy": text, "VisibilityTimeout": "0"})
    queue.send_message("a")
    for _ in range(count):
        assert ["a"] == bodies(queue.receive_message())
    assert [] == queue.receive_message()
    assert 1 == dlq.approximate_number_of_messages


def test_a_queue_without_a_policy_has_none(queue):
    assert queue.redrive_policy is None
    assert queue.dead_letter_queue is None
    assert queue.max_receive_count is None


MISSING = "Redrive policy does not contain mandatory attribute: {}."
COUNT = "Invalid value for maxReceiveCount: {}, valid values are from 1 to 1000 both inclusive."
KEYS = "Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn]."
MALFORMED = "Invalid value for deadLetterTargetArn."
OTHER_SERVICE = "Only SQS queues are valid resources for deadLetterTargetArn."
NO_TARGET = "Dead letter target does not exist."
OTHER_TYPE = "Dead-letter queue must be same type of queue as the source.."


def policy_text(arn=ARN, count=3, **more):
    return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": count, **more})


REFUSED = [
    (json.dumps({"deadLetterTargetArn": ARN}), MISSING.format("maxReceiveCount")),
    (json.dumps({"maxReceiveCount": 3}), MISSING.format("deadLetterTargetArn")),
    (policy_text(count=0), COUNT.format(0)),
    (policy_text(count=1_001), COUNT.format(1_001)),
    (policy_text(count="0"), COUNT.format(0)),
    (policy_text(count="1001"), COUNT.format(1_001)),
    (policy_text(count=-1), COUNT.format(-1)),
    (policy_text(count=1.5), COUNT.format(1.5)),
    (policy_text(count="1.5"), COUNT.format(1.5)),
    (policy_text(count="many"), COUNT.format("many")),
    (policy_text(count=""), COUNT.format("")),
    (policy_text(more=1), KEYS),
    (policy_text(MaxReceiveCount=3), KEYS),
    (policy_text("dlq"), MALFORMED),
    (policy_text(""), MALFORMED),
    (policy_text("arn:aws:sqs"), MALFORMED),
    (policy_text("https://sqs.us-east-1.amazonaws.com/123456789012/dlq"), MALFORMED),
    (policy_text("arn:aws:sns:us-east-1:123456789012:dlq"), OTHER_SERVICE),
    (policy_text("arn:aws:lambda:us-east-1:123456789012:function:dlq"), OTHER_SERVICE),
    (policy_text(f"{PREFIX}nope"), NO_TARGET),
    (policy_text(f"{PREFIX}DLQ"), NO_TARGET),
    (policy_text("arn:aws:sqs:eu-west-1:123456789012:dlq"), NO_TARGET),
    (policy_text("arn:aws:sqs:us-east-1:111122223333:dlq"), NO_TARGET),
    (policy_text(f"{PREFIX}dlq.fifo"), OTHER_TYPE),
]


@pytest.mark.rule("SQS-101", "SQS-103")
@pytest.mark.parametrize(("policy", "reason"), REFUSED)
@pytest.mark.parametrize("place", ["create", "set"])
def test_a_wrong_redrive_policy_is_refused_with_its_reason(sim, place, policy, reason):
    sim.create_queue("dlq")
    sim.create_queue("dlq.fifo")
    sim.create_queue("dlq", region="eu-west-1")
    sim.create_queue("dlq", account_id="111122223333")
    queue = sim.create_queue("orders")
    call = queue.set_queue_attributes if place == "set" else (lambda given: sim.create_queue("new", attributes=given))
    with pytest.raises(InvalidParameterValueException) as caught:
        call({"RedrivePolicy": policy})
    assert f"Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}" == caught.value.message
    assert "InvalidParameterValue" == caught.value.code
    assert queue.redrive_policy is None
    assert 5 == len(sim.queues)


@pytest.mark.rule("SQS-101")
@pytest.mark.parametrize("count", [None, True, False, [3], {"n": 3}, 10**30])
def test_what_is_no_number_at_all_is_no_count(sim, count):
    sim.create_queue("dlq")
    with pytest.raises(InvalidParameterValueException, match="Invalid value for maxReceiveCount"):
        sim.create_queue("orders", attributes={"RedrivePolicy": policy_text(count=count)})


@pytest.mark.rule("SQS-101")
def test_a_fifo_queue_needs_a_fifo_queue_for_its_dead_letters(sim):
    dlq = sim.create_queue("dlq")
    fifo = sim.create_queue("dlq.fifo")
    with pytest.raises(InvalidParameterValueException) as caught:
        sim.create_queue("orders.fifo", redrive_policy=RedrivePolicy(dlq, 3))
    assert caught.value.message.endswith(f"for parameter RedrivePolicy is invalid. Reason: {OTHER_TYPE}")
    queue = sim.create_queue("orders.fifo", redrive_policy=RedrivePolicy(fifo, 3))
    assert fifo is queue.dead_letter_queue


@pytest.mark.rule("SQS-102")
@pytest.mark.parametrize("policy", ["x", "[]", "3", '"text"', "null", "{", " ", "{'a': 1}"])
@pytest.mark.parametrize("place", ["create", "set"])
def test_a_redrive_policy_that_is_no_json_object_is_refused(sim, queue, place, policy):
    call = queue.set_queue_attributes if place == "set" else (lambda given: sim.create_queue("new", attributes=given))
    with pytest.raises(InvalidAttributeValue) as caught:
        call({"RedrivePolicy": policy})
    assert (
        "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map."
        == caught.value.message
    )
    assert "InvalidAttributeValue" == caught.value.code


@pytest.mark.rule("SQS-103")
@pytest.mark.parametrize("place", [{"region": "eu-west-1"}, {"account_id": "111122223333"}])
def test_a_dead_letter_queue_elsewhere_does_not_exist(clock, place):
    dlq = Queue("dlq", clock, settings=[SqsConfig(**place)])
    with pytest.raises(InvalidParameterValueException, match=r"Reason: Dead letter target does not exist\.$"):
        Queue("orders", clock, redrive_policy=RedrivePolicy(dlq, 3))


@pytest.mark.rule("SQS-103")
def test_queues_elsewhere_have_dead_letter_queues_there(sim):
    place = {"region": "eu-west-1", "account_id": "111122223333"}
    dlq = sim.create_queue("dlq", **place)
    queue = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1), **place)
    queue.send_message("a")
    for _ in range(2):
        queue.receive_message()
    assert 1 == dlq.approximate_number_of_messages


def test_a_dead_letter_queue_of_another_simulation_is_refused(sim):
    dlq = Simulation().create_queue("dlq")
    with pytest.raises(UsageError):
        sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, 3))


def test_the_first_wrong_attribute_is_that_of_the_sorted_order(sim):
    for wrong, name in (
        ({"VisibilityTimeout": "-1", "RedrivePolicy": "x"}, "RedrivePolicy"),
        ({"ReceiveMessageWaitTimeSeconds": "-1", "RedrivePolicy": "x"}, "ReceiveMessageWaitTimeSeconds"),
        ({"RedriveAllowPolicy": '{"redrivePermission": "x"}', "RedrivePolicy": "x"}, "RedriveAllowPolicy"),
    ):
        with pytest.raises((InvalidAttributeValue, InvalidParameterValueException), match=f"parameter {name}[. ]"):
            sim.create_queue("orders", attributes=wrong)


# ---- redrive allow policies


FORMAT = "Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format."
NO_ARNS = "When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values."
ELEVEN = "The maximum number of source queue ARNs you can specify is 10."
NOT_BY_QUEUE = "To specify one or more source queue ARNs, you must set redrivePermission to byQueue."


def allow_text(permission, *names):
    """Return the text of a policy of this permission; with names, those of the source queues."""
    arns = {"sourceQueueArns": [f"{PREFIX}{name}" for name in names]} if names else {}
    return json.dumps({"redrivePermission": permission, **arns})


@pytest.mark.rule("SQS-104")
@pytest.mark.parametrize(
    "policy",
    [
        allow_text("allowAll"),
        allow_text("denyAll"),
        allow_text("byQueue", "orders"),
        allow_text("byQueue", *(f"q{number}" for number in range(10))),
    ],
)
def test_legal_allow_policies_are_kept_as_they_were_given(sim, policy):
    spaced = f" {policy} "
    queue = sim.create_queue("dlq", attributes={"RedriveAllowPolicy": spaced})
    assert spaced == shown(queue, "RedriveAllowPolicy") == queue.redrive_allow_policy
    typed = sim.create_queue("typed", redrive_allow_policy=json.loads(policy))
    assert json.loads(policy) == json.loads(shown(typed, "RedriveAllowPolicy"))


@pytest.mark.rule("SQS-105")
@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("x", FORMAT),
        ("[]", FORMAT),
        ("3", FORMAT),
        ("null", FORMAT),
        ("{}", FORMAT),
        ('{"redrivePermission": "allowall"}', FORMAT),
        ('{"redrivePermission": ""}', FORMAT),
        ('{"redrivePermission": null}', FORMAT),
        ('{"redrivePermission": ["allowAll"]}', FORMAT),
        ('{"redrivePermission": "allowAll", "more": 1}', FORMAT),
        ('{"RedrivePermission": "allowAll"}', FORMAT),
        (allow_text("byQueue"), NO_ARNS),
        ('{"redrivePermission": "byQueue", "sourceQueueArns": []}', NO_ARNS),
        (allow_text("byQueue", *(f"q{number}" for number in range(11))), ELEVEN),
        (allow_text("allowAll", "orders"), NOT_BY_QUEUE),
        (allow_text("denyAll", "orders"), NOT_BY_QUEUE),
    ],
)
@pytest.mark.parametrize("place", ["create", "set"])
def test_a_wrong_allow_policy_is_refused_with_its_reason(sim, queue, place, policy, reason):
    call = queue.set_queue_attributes if place == "set" else (lambda given: sim.create_queue("new", attributes=given))
    with pytest.raises(InvalidParameterValueException) as caught:
        call({"RedriveAllowPolicy": policy})
    assert f"Invalid value for the parameter RedriveAllowPolicy. Reason: {reason}" == caught.value.message
    assert "InvalidParameterValue" == caught.value.code
    assert queue.redrive_allow_policy is None
    assert (queue,) == sim.queues


ALLOWED = {
    "unset": (None, True),
    "allowAll": (allow_text("allowAll"), True),
    "denyAll": (allow_text("denyAll"), False),
    "byQueue, named": (allow_text("byQueue", "orders"), True),
    "byQueue, named last": (allow_text("byQueue", *(f"q{number}" for number in range(9)), "orders"), True),
    "byQueue, another": (allow_text("byQueue", "order", "orders2"), False),
}


@pytest.mark.rule("SQS-104", "SQS-106")
@pytest.mark.parametrize("case", ALLOWED)
@pytest.mark.parametrize("place", ["create", "set"])
def test_a_dead_letter_queue_says_whose_it_may_be(sim, case, place):
    allow, is_allowed = ALLOWED[case]
    sim.create_queue("dlq", attributes={} if allow is None else {"RedriveAllowPolicy": allow})
    policy = policy_text()
    queue = sim.create_queue("orders") if place == "set" else None
    call = queue.set_queue_attributes if queue else (lambda given: sim.create_queue("orders", attributes=given))
    if is_allowed:
        call({"RedrivePolicy": policy})
        assert policy == shown(sim.queue("orders"), "RedrivePolicy")
    else:
        with pytest.raises(InvalidParameterValueException) as caught:
            call({"RedrivePolicy": policy})
        assert (
            f"Value {policy} for parameter RedrivePolicy is invalid. Reason: "
            "Dead letter target does not allow this queue as a source." == caught.value.message
        )
        assert "InvalidParameterValue" == caught.value.code
        assert queue is None or queue.redrive_policy is None


@pytest.mark.rule("SQS-106")
@pytest.mark.parametrize("allow", [allow_text("denyAll"), allow_text("byQueue", "another")])
def test_policies_in_place_are_not_examined_again_when_the_allow_policy_changes(sim, allow):
    dlq = sim.create_queue("dlq")
    queue = sim.create_queue("orders", visibility_timeout=0, redrive_policy=RedrivePolicy(dlq, 1))
    queue.send_message("a")
    queue.receive_message()
    dlq.set_queue_attributes({"RedriveAllowPolicy": allow})
    assert [] == queue.receive_message()
    assert 1 == dlq.approximate_number_of_messages
    with pytest.raises(InvalidParameterValueException, match="does not allow this queue"):
        queue.set_queue_attributes({"RedrivePolicy": policy_text(count=2)})
    assert 1 == queue.max_receive_count
    dlq.set_queue_attributes({"RedriveAllowPolicy": ""})
    queue.set_queue_attributes({"RedrivePolicy": policy_text(count=2)})
    assert 2 == queue.max_receive_count


@pytest.mark.rule("SQS-041", "SQS-106")
def test_a_refused_policy_is_refused_before_values_are_compared(sim):
    sim.create_queue("dlq", attributes={"RedriveAllowPolicy": allow_text("denyAll")})
    sim.create_queue("orders")
    with pytest.raises(InvalidParameterValueException, match="does not allow this queue"):
        sim.create_queue("orders", attributes={"RedrivePolicy": policy_text()})


# ---- chains and circles


# Names of queues end so, and sends to them have these parameters.
SENDS = {
    "standard": ("", {}),
    "tenants": ("", {"message_group_id": "g"}),
    "fifo": (".fifo", {"message_group_id": "g", "message_deduplication_id": "d"}),
}


@pytest.mark.rule("SQS-107", "SQS-431")
@pytest.mark.parametrize("kind", SENDS)
def test_in_a_chain_each_queue_has_a_count_of_its_own(sim, kind):
    suffix, parameters = SENDS[kind]
    last = sim.create_queue(f"q3{suffix}", visibility_timeout=0)
    middle = sim.create_queue(f"q2{suffix}", visibility_timeout=0, redrive_policy=RedrivePolicy(last, 3))
    first = sim.create_queue(f"q1{suffix}", visibility_timeout=0, redrive_policy=RedrivePolicy(middle, 2))
    first.send_message("a", **parameters)
    found = []
    for queue in (first, middle, last):
        while deliveries := queue.receive_message():
            found.append((queue.name[:2], deliveries[0].receive_count))
            if len(found) > 6:
                break
    assert [("q1", 1), ("q1", 2), ("q2", 3), ("q2", 4), ("q2", 5), ("q3", 6), ("q3", 7)] == found
    sim.check_invariants()


@pytest.mark.rule("SQS-107")
def test_a_message_goes_round_in_a_circle(sim):
    left = sim.create_queue("left", visibility_timeout=0)
    right = sim.create_queue("right", visibility_timeout=0, redrive_policy=RedrivePolicy(left, 2))
    left.set_queue_attributes(redrive_policy=RedrivePolicy(right, 1))
    left.send_message("a")
    turns = (left, left, right, right, right, left, left, right)
    found = [[delivery.receive_count for delivery in queue.receive_message()] for queue in turns]
    assert [[1], [], [2], [3], [], [4], [], [5]] == found
    sim.check_invariants()


@pytest.mark.rule("SQS-107", "SQS-304", "SQS-433")
def test_a_queue_may_be_its_own_dead_letter_queue(sim):
    queue = sim.create_queue("orders", visibility_timeout=10)
    queue.set_queue_attributes(redrive_policy=RedrivePolicy(queue, 2))
    queue.send_message("poison")
    found = []
    for _ in range(7):
        found.append(
            [
                (delivery.receive_count, delivery.attributes.get("DeadLetterQueueSourceArn"))
                for delivery in queue.receive_message(attribute_names=["All"])
            ]
        )
        sim.run_for(10)
    assert [[(1, None)], [(2, None)], [], [(3, queue.arn)], [(4, queue.arn)], [], [(5, queue.arn)]] == found
    assert 1 == queue.snapshot().visible
    sim.check_invariants()


@pytest.mark.rule("SQS-107", "SQS-300", "SQS-304")
def test_a_message_that_reenters_its_own_queue_goes_behind_what_was_sent_before_the_move(sim):
    queue = sim.create_queue("orders", visibility_timeout=5)
    queue.set_queue_attributes(redrive_policy=RedrivePolicy(queue, 1))
    queue.send_message("poison")
    queue.receive_message()
    sim.run(until=5)
    queue.send_message("fresh")
    sim.run(until=6)
    assert ["fresh"] == bodies(queue.receive_message(max_number_of_messages=10))
    assert ["poison"] == bodies(queue.receive_message(max_number_of_messages=10))


@pytest.mark.rule("SQS-107", "SQS-435")
def test_a_fifo_message_that_reenters_its_own_queue_goes_to_the_tail_of_its_group(sim):
    queue = sim.create_queue("orders.fifo", visibility_timeout=5)
    queue.set_queue_attributes(redrive_policy=RedrivePolicy(queue, 1))
    sent = [queue.send_message(body, message_group_id="g", message_deduplication_id=body) for body in "ab"]
    queue.receive_message()
    sim.run(until=5)
    (second,) = queue.receive_message(max_number_of_messages=10)
    assert "b" == second.body
    queue.delete_message(second.receipt_handle)
    (first,) = queue.receive_message(max_number_of_messages=10, attribute_names=["All"])
    assert ("a", 2, sent[0].message_id) == (first.body, first.receive_count, first.message_id)
    assert sent[0].message_id == first.message_deduplication_id
    assert int(first.sequence_number) > int(sent[1].sequence_number)
    assert queue.arn == first.attributes["DeadLetterQueueSourceArn"]


@pytest.mark.rule("SQS-107")
@given(st.integers(1, 4), st.integers(1, 30))
def test_its_own_dead_letter_queue_skips_one_receive_after_each_full_count(count, receives):
    clock = Clock()
    queue = Queue("orders", clock, visibility_timeout=1)
    queue.set_queue_attributes(redrive_policy=RedrivePolicy(queue, count))
    queue.send_message("a")
    found = []
    for _ in range(receives):
        found.append(len(queue.receive_message()))
        clock.run(until_us=clock.now_us + seconds(1))
    assert [int(number % (count + 1) != count) for number in range(receives)] == found


@pytest.mark.rule("SQS-107", "SQS-208")
@pytest.mark.parametrize("kind", SENDS)
@pytest.mark.parametrize("is_process", [False, True])
def test_a_long_poll_fares_alike_whether_it_began_before_or_after_a_message_was_used_up(kind, is_process):
    def play(begins_at_s):
        sim = Simulation()
        suffix, parameters = SENDS[kind]
        queue = sim.create_queue(f"orders{suffix}", visibility_timeout=5)
        queue.set_queue_attributes(redrive_policy=RedrivePolicy(queue, 1))
        queue.send_message("a", **parameters)
        queue.receive_message()
        sim.run(until=begins_at_s)
        log = []

        async def listen():
            log.append((bodies(await queue.wait_receive(wait_time_seconds=20)), sim.now))

        if is_process:
            sim.spawn(listen())
            sim.run()
            return log[0]
        return bodies(queue.receive_message(wait_time_seconds=20)), sim.now

    before, after = play(4), play(6)
    assert before[0] == after[0]
    assert (before[1], after[1]) == ((5.0, 6.0) if before[0] else (24.0, 26.0))
