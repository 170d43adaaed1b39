"""The configuration of error handling (ASY §7), and the target of the dead-letter queue (ASY-097)."""

from __future__ import annotations

import pytest

from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    ResourceNotFoundException,
    ValidationException,
)
from tests.asynchronous import ARN, BAD, BUCKET, BUS, SECOND, TOPIC, conditions, counts, create, send

QUEUE = "arn:aws:sqs:us-east-1:123456789012:"
NOTHING = "You must specify at least one of error handling or destination setting."
NOBODY = "The function doesn't exist."


@pytest.fixture
def worker(sim):
    """A function with a version and an alias, that fails."""
    function, _ = create(sim, BAD)
    function.publish_version()
    function.create_alias("live", "1")
    return function


# ---- whose it is


@pytest.mark.rule("ASY-060")
@pytest.mark.parametrize("configured", ["$LATEST", "1", "live"])
def test_a_configuration_is_that_of_one_qualifier_and_of_no_other(sim, worker, queue, configured):
    worker.put_function_event_invoke_config(configured, maximum_retry_attempts=0, on_failure=queue)
    for qualifier in (None, "1", "live"):
        send(worker, qualifier=qualifier)
    sim.run(until=2)
    assert {event.qualifier or "$LATEST" for event in worker.events} == {"$LATEST", "1", "live"} - {configured}
    assert conditions(queue) == [("RetriesExhausted", 1)]
    sim.run()
    assert conditions(queue) == [("RetriesExhausted", 1)]
    assert worker.snapshot().invocations == 1 + 3 + 3


@pytest.mark.rule("ASY-060", "ASY-003")
@pytest.mark.parametrize("configured", ["$LATEST", "1", "live"])
def test_so_it_is_with_the_age(sim, worker, configured):
    worker.put_function_event_invoke_config(configured, maximum_event_age_in_seconds=60)
    for qualifier in (None, "1", "live"):
        send(worker, qualifier=qualifier)
    sim.run(until=2)
    assert {event.qualifier or "$LATEST" for event in worker.events} == {"$LATEST", "1", "live"} - {configured}


@pytest.mark.rule("ASY-060")
@pytest.mark.parametrize("latest", [None, "$LATEST"])
def test_without_a_qualifier_it_is_that_of_latest(sim, worker, latest):
    worker.put_function_event_invoke_config(latest, maximum_retry_attempts=0)
    for qualifier in (None, "$LATEST"):
        send(worker, qualifier=qualifier)
        assert worker.get_function_event_invoke_config(qualifier).maximum_retry_attempts == 0
    sim.run()
    assert worker.snapshot().invocations == 2


@pytest.mark.rule("ASY-060")
def test_a_function_without_one_has_two_retries_six_hours_and_no_destinations(sim, queue):
    worker, code = create(sim, BAD)
    send(worker)
    sim.run()
    assert code.starts == [0, 62, 184]
    assert counts(worker) == (1, 0, 1, 0, 0)
    assert queue.snapshot().sent == 0
    with pytest.raises(ResourceNotFoundException):
        worker.get_function_event_invoke_config()


# ---- ranges


@pytest.mark.rule("ASY-061")
@pytest.mark.parametrize(
    ("field", "member", "value", "bound"),
    [
        ("maximum_retry_attempts", "maximumRetryAttempts", -1, "greater than or equal to 0"),
        ("maximum_retry_attempts", "maximumRetryAttempts", 3, "less than or equal to 2"),
        ("maximum_event_age_in_seconds", "maximumEventAgeInSeconds", 59, "greater than or equal to 60"),
        ("maximum_event_age_in_seconds", "maximumEventAgeInSeconds", 0, "greater than or equal to 60"),
        ("maximum_event_age_in_seconds", "maximumEventAgeInSeconds", 21_601, "less than or equal to 21600"),
    ],
)
@pytest.mark.parametrize("operation", ["put", "update"])
def test_a_number_out_of_its_range_is_refused_with_the_bound(worker, operation, field, member, value, bound):
    worker.put_function_event_invoke_config(maximum_retry_attempts=1)
    change = getattr(worker, f"{operation}_function_event_invoke_config")
    with pytest.raises(ValidationException) as refusal:
        change(**{field: value})
    assert refusal.value.message == (
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must have "
        f"value {bound}"
    )
    found = worker.get_function_event_invoke_config()
    assert (found.maximum_retry_attempts, found.maximum_event_age_in_seconds) == (1, None)


@pytest.mark.rule("ASY-061")
@pytest.mark.parametrize("retries", [0, 1, 2])
@pytest.mark.parametrize("age", [60, 61, 21_599, 21_600])
def test_the_ends_of_the_ranges_are_allowed(worker, retries, age):
    found = worker.put_function_event_invoke_config(maximum_retry_attempts=retries, maximum_event_age_in_seconds=age)
    assert (found.maximum_retry_attempts, found.maximum_event_age_in_seconds) == (retries, age)
    assert worker.get_function_event_invoke_config() == found


# ---- put and update


def members(found):
    return found.maximum_retry_attempts, found.maximum_event_age_in_seconds, found.on_success, found.on_failure


@pytest.mark.rule("ASY-062")
def test_put_replaces_the_whole(worker, queue):
    worker.put_function_event_invoke_config(
        maximum_retry_attempts=1, maximum_event_age_in_seconds=100, on_success=queue, on_failure=BUCKET
    )
    assert members(worker.get_function_event_invoke_config()) == (1, 100, queue.arn, BUCKET)
    assert members(worker.put_function_event_invoke_config(on_failure=TOPIC)) == (None, None, None, TOPIC)
    assert members(worker.put_function_event_invoke_config(maximum_retry_attempts=0)) == (0, None, None, None)
    assert members(worker.get_function_event_invoke_config()) == (0, None, None, None)


@pytest.mark.rule("ASY-062")
def test_update_changes_what_is_given(worker, queue):
    worker.put_function_event_invoke_config(maximum_retry_attempts=1, on_success=queue, on_failure=BUCKET)
    found = worker.update_function_event_invoke_config(maximum_event_age_in_seconds=100)
    assert members(found) == (1, 100, queue.arn, BUCKET)
    assert members(worker.update_function_event_invoke_config(maximum_retry_attempts=2)) == (2, 100, queue.arn, BUCKET)
    assert members(worker.get_function_event_invoke_config()) == (2, 100, queue.arn, BUCKET)


@pytest.mark.rule("ASY-062")
def test_update_replaces_both_destinations_when_one_is_given(worker, queue):
    worker.put_function_event_invoke_config(maximum_retry_attempts=1, on_success=queue, on_failure=BUCKET)
    assert members(worker.update_function_event_invoke_config(on_failure=TOPIC)) == (1, None, None, TOPIC)
    assert members(worker.update_function_event_invoke_config(on_success=BUS)) == (1, None, BUS, None)


@pytest.mark.rule("ASY-062")
def test_a_put_of_one_qualifier_leaves_the_others(worker):
    worker.put_function_event_invoke_config(maximum_retry_attempts=0)
    worker.put_function_event_invoke_config("live", maximum_retry_attempts=1)
    worker.update_function_event_invoke_config("live", maximum_event_age_in_seconds=60)
    assert members(worker.get_function_event_invoke_config()) == (0, None, None, None)
    assert members(worker.get_function_event_invoke_config("live")) == (1, 60, None, None)


@pytest.mark.rule("ASY-063")
@pytest.mark.parametrize("qualifier", [None, "1", "live"])
def test_the_answer_has_the_qualified_arn_and_only_what_was_set(sim, worker, qualifier):
    sim.run(until=7)
    found = worker.put_function_event_invoke_config(qualifier, maximum_retry_attempts=0)
    assert found.function_arn == f"{ARN}worker:{qualifier or '$LATEST'}"
    assert found.last_modified_at_us == 7 * SECOND
    assert members(found) == (0, None, None, None)
    sim.run(until=9)
    assert worker.get_function_event_invoke_config(qualifier) == found
    again = worker.update_function_event_invoke_config(qualifier, on_success=TOPIC)
    assert again.last_modified_at_us == 9 * SECOND
    assert members(again) == (0, None, TOPIC, None)
    assert members(found) == (0, None, None, None)  # an answer is of its instant


@pytest.mark.rule("ASY-063", "ASY-070")
def test_a_destination_may_be_given_as_the_object(sim, worker, queue):
    other, _ = create(sim, name="other")
    found = worker.put_function_event_invoke_config(on_success=other, on_failure=queue)
    assert (found.on_success, found.on_failure) == (f"{ARN}other", queue.arn)
    assert found.maximum_retry_attempts is None


@pytest.mark.rule("ASY-064")
def test_publishing_a_version_copies_nothing(sim, worker):
    worker.put_function_event_invoke_config(maximum_retry_attempts=0)
    worker.update_function_configuration(description="new")
    assert worker.publish_version().version == "2"
    with pytest.raises(ResourceNotFoundException):
        worker.get_function_event_invoke_config("2")
    send(worker, qualifier="2")
    sim.run()
    assert worker.snapshot().invocations == 3


@pytest.mark.rule("ASY-064")
def test_delete_answers_nothing_and_the_defaults_are_back(sim, worker, queue):
    worker.put_function_event_invoke_config(maximum_retry_attempts=0, on_failure=queue)
    assert worker.delete_function_event_invoke_config() is None
    with pytest.raises(ResourceNotFoundException):
        worker.get_function_event_invoke_config()
    send(worker)
    sim.run()
    assert (worker.snapshot().invocations, queue.snapshot().sent) == (3, 0)


@pytest.mark.rule("ASY-064")
def test_the_list_has_an_entry_for_each_qualifier_in_order(worker):
    assert worker.list_function_event_invoke_configs() == ()
    made = {
        qualifier: worker.put_function_event_invoke_config(qualifier, maximum_retry_attempts=number)
        for number, qualifier in enumerate(("live", "1", "$LATEST"))
    }
    found = worker.list_function_event_invoke_configs()
    assert [one.function_arn.rpartition(":")[2] for one in found] == ["$LATEST", "1", "live"]
    assert found == (made["$LATEST"], made["1"], made["live"])
    worker.delete_function_event_invoke_config("1")
    assert worker.list_function_event_invoke_configs() == (made["$LATEST"], made["live"])


# ---- when it is read


@pytest.mark.rule("ASY-065")
@pytest.mark.parametrize(("at_us", "attempts"), [(2 * SECOND - 1, 1), (2 * SECOND, 2), (2 * SECOND + 1, 2)])
def test_retries_are_read_at_the_end_of_an_attempt(sim, queue, at_us, attempts):
    worker, _ = create(sim, BAD)
    worker.put_function_event_invoke_config(on_failure=queue)
    send(worker)
    sim.run(until_us=at_us)
    worker.update_function_event_invoke_config(maximum_retry_attempts=0)
    sim.run()
    assert conditions(queue) == [("RetriesExhausted", attempts)]


@pytest.mark.rule("ASY-065", "ASY-021")
@pytest.mark.parametrize(("age", "attempts"), [(61, 1), (62, 1), (63, 2)])
def test_the_age_is_read_at_the_try(sim, queue, age, attempts):
    """The retry was queued for 62 s when the age was six hours."""
    worker, _ = create(sim, BAD)
    worker.put_function_event_invoke_config(on_failure=queue)
    send(worker)
    sim.run(until=30)
    worker.update_function_event_invoke_config(maximum_event_age_in_seconds=age)
    sim.run()
    assert conditions(queue) == [("EventAgeExceeded", attempts)]
    assert queue.messages[0].sent_at_us == (62 if attempts == 1 else 64) * SECOND


@pytest.mark.rule("ASY-065")
def test_a_longer_age_saves_an_event_that_is_queued(sim, queue):
    worker, code = create(sim, BAD)
    worker.put_function_event_invoke_config(maximum_event_age_in_seconds=90, on_failure=queue)
    send(worker)
    sim.run(until=63)
    worker.update_function_event_invoke_config(maximum_event_age_in_seconds=21_600)
    sim.run()
    assert code.starts == [0, 62, 184]


@pytest.mark.rule("ASY-065")
def test_destinations_are_read_when_the_record_is_sent(sim, queue):
    worker, _ = create(sim, BAD)
    late = sim.create_queue("late")
    worker.put_function_event_invoke_config(on_failure=queue)
    send(worker)
    sim.run(until=185)
    worker.put_function_event_invoke_config(on_failure=late)
    sim.run()
    assert (queue.snapshot().sent, conditions(late)) == (0, [("RetriesExhausted", 3)])


@pytest.mark.rule("ASY-065")
def test_a_configuration_made_later_holds_for_events_already_queued(sim, queue):
    worker, _ = create(sim, BAD)
    send(worker)
    sim.run(until=30)
    worker.put_function_event_invoke_config(maximum_retry_attempts=1, on_failure=queue)
    sim.run()
    assert conditions(queue) == [("RetriesExhausted", 2)]


# ---- errors


def config(text_of_success="null", text_of_failure="null"):
    return (
        f"The provided destination config DestinationConfig(onSuccess={text_of_success}, onFailure={text_of_failure}) "
        "is invalid."
    )


LAMBDA_GONE = f"{ARN}nobody"
KINESIS = "arn:aws:kinesis:us-east-1:123456789012:stream/results"

REFUSALS = {
    "nothing given": ({}, InvalidParameterValueException, NOTHING),
    "a function that does not exist, for successes": (
        {"on_success": LAMBDA_GONE},
        InvalidParameterValueException,
        f"The destination ARN {LAMBDA_GONE} is invalid.",
    ),
    "a function that does not exist, for failures": (
        {"on_failure": LAMBDA_GONE},
        InvalidParameterValueException,
        f"The destination ARN {LAMBDA_GONE} is invalid.",
    ),
    "the function itself, for successes": (
        {"on_success": f"{ARN}worker"},
        InvalidParameterValueException,
        "You can't specify the function as a destination for itself.",
    ),
    "the function itself, for failures": (
        {"on_failure": f"{ARN}worker"},
        InvalidParameterValueException,
        "You can't specify the function as a destination for itself.",
    ),
    "a stream, for successes": (
        {"on_success": KINESIS},
        InvalidParameterValueException,
        config(f"OnSuccess(destination={KINESIS})"),
    ),
    "a stream, for failures": (
        {"on_failure": KINESIS},
        InvalidParameterValueException,
        config(text_of_failure=f"OnFailure(destination={KINESIS})"),
    ),
    "a bucket, for successes": (
        {"on_success": BUCKET},
        InvalidParameterValueException,
        config(f"OnSuccess(destination={BUCKET})"),
    ),
    "a bucket for successes and one for failures": (
        {"on_success": BUCKET, "on_failure": f"{BUCKET}-2"},
        InvalidParameterValueException,
        config(f"OnSuccess(destination={BUCKET})", f"OnFailure(destination={BUCKET}-2)"),
    ),
    "a stream beside a topic": (
        {"on_success": TOPIC, "on_failure": KINESIS},
        InvalidParameterValueException,
        config(f"OnSuccess(destination={TOPIC})", f"OnFailure(destination={KINESIS})"),
    ),
}


@pytest.mark.rule("ASY-066", "ASY-067")
@pytest.mark.parametrize("operation", ["put", "update"])
@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused_is_refused_with_its_text(worker, operation, name):
    given, error, text = REFUSALS[name]
    before = worker.put_function_event_invoke_config(maximum_retry_attempts=1)
    with pytest.raises(error) as refusal:
        getattr(worker, f"{operation}_function_event_invoke_config")(**given)
    assert type(refusal.value) is error
    assert refusal.value.message == text
    assert refusal.value.http_status == 400
    assert worker.get_function_event_invoke_config() == before


@pytest.mark.rule("ASY-066")
@pytest.mark.parametrize("operation", ["put", "update"])
@pytest.mark.parametrize("member", ["onSuccess", "onFailure"])
@pytest.mark.parametrize(
    "text",
    [
        "results",
        "arn:aws",
        "https://sqs.us-east-1.amazonaws.com/123456789012/results",
        "ARN:aws:sqs:us-east-1:123456789012:results",
    ],
)
def test_a_text_that_is_no_arn_is_a_breach_of_the_shape(worker, operation, member, text):
    worker.put_function_event_invoke_config(maximum_retry_attempts=1)
    field = {"onSuccess": "on_success", "onFailure": "on_failure"}[member]
    with pytest.raises(ValidationException) as refusal:
        getattr(worker, f"{operation}_function_event_invoke_config")(**{field: text})
    assert refusal.value.message.startswith(
        f"1 validation error detected: Value '{text}' at 'destinationConfig.{member}.destination' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: "
    )


@pytest.mark.rule("ASY-066")
@pytest.mark.parametrize("qualifier", ["7", "nobody"])
def test_a_qualifier_that_does_not_exist_cannot_be_configured(worker, qualifier):
    for operation in (worker.put_function_event_invoke_config, worker.update_function_event_invoke_config):
        with pytest.raises(ResourceNotFoundException) as refusal:
            operation(qualifier, maximum_retry_attempts=1)
        assert (refusal.value.message, refusal.value.http_status) == (NOBODY, 404)


@pytest.mark.rule("ASY-066")
@pytest.mark.parametrize("qualifier", [None, "1", "live", "7", "nobody"])
def test_a_qualifier_without_a_configuration_has_none_to_show_or_delete(worker, qualifier):
    text = f"The function {ARN}worker:{qualifier or '$LATEST'} doesn't have an EventInvokeConfig"
    operations = [worker.get_function_event_invoke_config, worker.delete_function_event_invoke_config]
    if qualifier not in ("7", "nobody"):
        operations.append(lambda qualifier: worker.update_function_event_invoke_config(qualifier, on_failure=TOPIC))
    for operation in operations:
        with pytest.raises(ResourceNotFoundException) as refusal:
            operation(qualifier)
        assert (refusal.value.message, refusal.value.http_status) == (text, 404)


@pytest.mark.rule("ASY-066")
def test_a_function_that_was_deleted_is_unknown(worker):
    worker.put_function_event_invoke_config(maximum_retry_attempts=1)
    worker.delete_function()
    for operation in (
        lambda: worker.put_function_event_invoke_config(maximum_retry_attempts=1),
        lambda: worker.update_function_event_invoke_config(maximum_retry_attempts=1),
        worker.list_function_event_invoke_configs,
    ):
        with pytest.raises(ResourceNotFoundException) as refusal:
            operation()
        assert refusal.value.message == NOBODY
    for operation in (worker.get_function_event_invoke_config, worker.delete_function_event_invoke_config):
        with pytest.raises(ResourceNotFoundException) as refusal:
            operation()
        assert refusal.value.message == f"The function {ARN}worker:$LATEST doesn't have an EventInvokeConfig"


@pytest.mark.rule("ASY-066")
def test_two_qualifiers_that_differ_are_refused(sim, worker):
    with pytest.raises(InvalidParameterValueException) as refusal:
        sim.invoke("worker:live", invocation_type="Event", qualifier="1")
    assert refusal.value.message == (
        "The derived qualifier from the function name does not match the specified qualifier."
    )
    assert sim.invoke("worker:live", invocation_type="Event", qualifier="live").status_code == 202
    assert counts(worker) == (1, 0, 0, 1, 0)


@pytest.mark.rule("ASY-066")
def test_a_version_of_the_function_as_its_own_destination_is_the_function_itself(worker):
    with pytest.raises(InvalidParameterValueException) as refusal:
        worker.put_function_event_invoke_config(on_success=f"{ARN}worker:live")
    assert refusal.value.message == "You can't specify the function as a destination for itself."
    with pytest.raises(InvalidParameterValueException) as refusal:
        worker.put_function_event_invoke_config("live", on_success=worker)
    assert refusal.value.message == "You can't specify the function as a destination for itself."


@pytest.mark.rule("ASY-068")
@pytest.mark.parametrize(
    "arn",
    [
        f"{QUEUE}nobody",
        f"{QUEUE}nobody.fifo",
        "arn:aws:sns:us-east-1:123456789012:nobody",
        "arn:aws:sns:us-east-1:123456789012:nobody.fifo",
        "arn:aws:events:us-east-1:123456789012:event-bus/nobody",
    ],
)
def test_a_queue_topic_or_bus_need_not_exist(worker, arn):
    found = worker.put_function_event_invoke_config(on_success=arn, on_failure=arn)
    assert (found.on_success, found.on_failure) == (arn, arn)


@pytest.mark.rule("ASY-068", "ASY-078")
def test_a_fifo_queue_is_accepted_and_fails_on_delivery(sim):
    fifo = sim.create_queue("results.fifo", content_based_deduplication=True)
    worker, _ = create(sim)
    assert worker.put_function_event_invoke_config(on_success=fifo).on_success == fifo.arn
    send(worker)
    sim.run()
    assert counts(worker) == (1, 1, 0, 0, 0)
    assert worker.async_snapshot().destination_delivery_failures == 1
    assert fifo.snapshot().sent == 0


# ---- the target of the dead-letter queue


@pytest.mark.rule("ASY-097")
@pytest.mark.parametrize(
    "arn",
    [f"{QUEUE}nobody", f"{QUEUE}nobody.fifo", TOPIC, f"{TOPIC}.fifo"],
)
def test_the_target_is_a_queue_or_a_topic_and_need_not_exist(sim, arn):
    worker, _ = create(sim, name="made", dead_letter_target_arn=arn)
    assert worker.get_function_configuration().dead_letter_target_arn == arn
    other, _ = create(sim, name="changed")
    assert other.get_function_configuration().dead_letter_target_arn is None
    assert other.update_function_configuration(dead_letter_target_arn=arn).dead_letter_target_arn == arn
    assert other.get_function_configuration().dead_letter_target_arn == arn


@pytest.mark.rule("ASY-097")
@pytest.mark.parametrize("text", ["results", f"{ARN}other", BUS, BUCKET, "arn:aws", KINESIS])
def test_anything_else_is_refused(sim, text):
    worker, _ = create(sim, dead_letter_target_arn=TOPIC)
    with pytest.raises(ValidationException) as refusal:
        worker.update_function_configuration(dead_letter_target_arn=text)
    assert refusal.value.message.startswith(f"1 validation error detected: Value '{text}' at ")
    assert worker.get_function_configuration().dead_letter_target_arn == TOPIC
    with pytest.raises(ValidationException):
        create(sim, name="other", dead_letter_target_arn=text)
    assert [one.name for one in sim.functions] == ["worker"]


@pytest.mark.rule("ASY-097")
@pytest.mark.parametrize("nothing", ["", None])
def test_the_empty_text_removes_it(sim, queue, nothing):
    worker, _ = create(sim, BAD, dead_letter_target_arn=queue.arn)
    worker.update_function_configuration(description="the target stays")
    assert worker.get_function_configuration().dead_letter_target_arn == queue.arn
    worker.update_function_configuration(dead_letter_target_arn=nothing)
    assert worker.get_function_configuration().dead_letter_target_arn is None
    send(worker)
    sim.run()
    assert (counts(worker), queue.snapshot().sent) == ((1, 0, 1, 0, 0), 0)
    assert worker.async_snapshot().dead_letter_errors == 0
