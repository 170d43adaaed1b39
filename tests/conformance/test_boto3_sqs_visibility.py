"""Visibility timeouts through real clients of boto3."""

from __future__ import annotations

import pytest

from tests.bridge import answered, assert_refused, bodies, error_of


def receive(sqs, url, **parameters):
    """The handle of the one message that there is to receive."""
    (message,) = sqs.receive_message(QueueUrl=url, **parameters)["Messages"]
    return message["ReceiptHandle"]


def change(sqs, url, handle, timeout):
    return sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=timeout)


@pytest.fixture
def filled(sqs, url):
    sqs.send_message(QueueUrl=url, MessageBody="a")
    return url


@pytest.mark.rule("SQS-003", "SQS-203", "SQS-240")
def test_message_returns_when_its_timeout_is_over(sim, sqs, filled):
    """After that of the queue, or that of the receive; a long poll waits for it."""
    first = receive(sqs, filled)
    sim.run(until_us=29_999_999)
    assert {} == answered(sqs.receive_message(QueueUrl=filled))
    sim.run(until=30)
    second = receive(sqs, filled, VisibilityTimeout=3)
    assert first != second
    (third,) = sqs.receive_message(QueueUrl=filled, WaitTimeSeconds=20, AttributeNames=["All"])["Messages"]
    assert (33, "3") == (sim.now, third["Attributes"]["ApproximateReceiveCount"])


@pytest.mark.rule("SQS-204", "SQS-205")
def test_timeout_of_zero(sqs, filled):
    """The message is received and counted, and there for the next call; once in one answer."""
    handles = [receive(sqs, filled, VisibilityTimeout=0, MaxNumberOfMessages=10) for _ in range(3)]
    assert 3 == len(set(handles))
    assert ["a"] == bodies(sqs.receive_message(QueueUrl=filled))
    assert {} == answered(sqs.receive_message(QueueUrl=filled))


@pytest.mark.rule("SQS-241", "SQS-242")
def test_change_counts_from_the_call_and_for_this_delivery_only(sim, sqs, filled):
    handle = receive(sqs, filled)
    for _ in range(4):  # a heartbeat
        sim.run_for(20)
        assert {} == answered(change(sqs, filled, handle, 30))
        assert {} == answered(sqs.receive_message(QueueUrl=filled))
    change(sqs, filled, handle, 1)
    sim.run_for(1)
    handle = receive(sqs, filled)
    sim.run_for(29)
    assert {} == answered(sqs.receive_message(QueueUrl=filled))
    change(sqs, filled, handle, 0)
    receive(sqs, filled)


@pytest.mark.rule("SQS-243", "SQS-246", "SQS-247")
def test_changes_that_are_refused(sim, sqs, filled):
    handle = receive(sqs, filled)
    for timeout in (-1, 43_201):
        assert_refused(
            "InvalidParameterValue",
            f"Value {timeout} for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.",
            change,
            sqs=sqs,
            url=filled,
            handle=handle,
            timeout=timeout,
        )
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        change(sqs, filled, "INVALID", 60)
    assert ("ReceiptHandleIsInvalid", 'The input receipt handle "INVALID" is not a valid receipt handle.') == error_of(
        change, sqs=sqs, url=filled, handle="INVALID", timeout=60
    )
    sqs.delete_message(QueueUrl=filled, ReceiptHandle=handle)
    assert_refused(
        "InvalidParameterValue",
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available "
        "for visibility timeout change.",
        change,
        sqs=sqs,
        url=filled,
        handle=handle,
        timeout=42,
    )


@pytest.mark.rule("SQS-244")
def test_twelve_hours_in_all(sim, sqs, filled):
    handle = receive(sqs, filled)
    change(sqs, filled, handle, 360)
    sim.run_for(300)
    assert_refused(
        "InvalidParameterValue",
        "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is "
        "beyond the limit [43200 seconds]",
        change,
        sqs=sqs,
        url=filled,
        handle=handle,
        timeout=43_200,
    )
    change(sqs, filled, handle, 42_900)
    sim.run_for(42_899)
    assert {} == answered(sqs.receive_message(QueueUrl=filled))
    sim.run_for(1)
    receive(sqs, filled)


@pytest.mark.rule("SQS-248")
def test_change_after_the_timeout_has_no_effect(sim, sqs, filled):
    handle = receive(sqs, filled, VisibilityTimeout=1)
    sim.run_for(2)
    assert {} == answered(change(sqs, filled, handle, 100))
    receive(sqs, filled)


@pytest.mark.rule("SQS-249")
def test_old_handle_changes_the_current_delivery(sim, sqs, filled):
    old = receive(sqs, filled, VisibilityTimeout=1)
    sim.run_for(2)
    receive(sqs, filled, VisibilityTimeout=1)
    for _ in range(2):
        change(sqs, filled, old, 100)
    sim.run_for(99)
    assert {} == answered(sqs.receive_message(QueueUrl=filled))
    change(sqs, filled, old, 0)
    receive(sqs, filled)


@pytest.mark.rule("SQS-302")
def test_message_that_comes_back_keeps_its_place(sim, sqs, filled):
    receive(sqs, filled, VisibilityTimeout=3)
    sim.run_for(1)
    sqs.send_message(QueueUrl=filled, MessageBody="b")
    sim.run_for(3)
    assert ["a", "b"] == bodies(sqs.receive_message(QueueUrl=filled, MaxNumberOfMessages=10))
