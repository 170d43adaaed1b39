"""Whatever is permitted is played against a handler, and what must come out is computed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import Faults
from lambdasim.clock.choices import parse_script
from lambdasim.errors import UsageError
from lambdasim.errors.sqs import MissingRequiredParameterException
from lambdasim.testing import ReplayWarning, assert_idempotent, idempotency
from lambdasim.testing.idempotency import is_blend


def naive(sim):
    """Looks first, charges then, and takes it down last."""
    done, charges = sim.remote(set(), name="done"), sim.remote([], name="charges")

    def charge(event, _):
        for record in event["Records"]:
            if record["body"] not in done:
                charges.append(record["body"])
                done.add(record["body"])

    return charge, lambda: charges


def atomic(sim):
    """Looks, charges and takes it down in one."""
    charges = sim.remote({}, name="charges")

    def charge(event, _):
        for record in event["Records"]:
            charges.setdefault(record["body"], len(record["body"]))

    return charge, lambda: charges


def failure_of(make, messages, **arguments):
    with pytest.raises(AssertionError) as raised:
        assert_idempotent(make, messages, **arguments)
    return raised.value


def script_of(error):
    return error.__notes__[-1].partition('replay="')[2].rpartition('"')[0]


def test_a_race_is_found_shrunk_and_told():
    error = failure_of(naive, ["o-1", "o-2", "o-3"])
    assert str(error).startswith("the handler is not idempotent: 1 message and 1 misfortune are enough")
    assert "expected: ['o-1']\ngot:      ['o-1', 'o-1']\nmessages: 'o-1'" in str(error)
    assert "charges.append('o-1')" in error.__notes__[0]
    assert "duplicate orders#1 @0" == script_of(error)


def test_a_handler_that_is_idempotent_passes_with_all_single_misfortunes_and_many_more():
    report = assert_idempotent(atomic, ["o-1", "o-2"], runs=200)
    assert 200 == report.runs == sum(report.departures.values())
    assert 2 == report.departures[0]
    assert report.departures[1] > 50
    assert report.departures[2] > 50


def test_few_misfortunes_are_played_to_the_end():
    report = assert_idempotent(atomic, ["o-1"], faults=Faults(duplicate_probability=0.5), at_most=1)
    again = assert_idempotent(atomic, ["o-1"], faults=Faults(duplicate_probability=0.5), at_most=1)
    assert report == again
    assert report.runs < 30  # three instants of a duplicate, and who goes first where handlers are ready together


def test_none_at_all_is_one_run_for_each_number_of_messages():
    assert {0: 3} == assert_idempotent(atomic, ["a", "b", "c"], at_most=0).departures


def test_the_search_is_the_same_with_one_seed():
    first, second = (failure_of(naive, ["o-1", "o-2"], seed=5) for _ in range(2))
    assert (str(first), first.__notes__) == (str(second), second.__notes__)


# ---- replay


def test_a_script_is_played_before_anything_else():
    error = failure_of(naive, ["o-1"], replay="duplicate orders#1 @0", runs=0)
    assert "found in the script that was given" in str(error)
    assert "duplicate orders#1 @0" == script_of(error)


def test_a_script_that_breaks_nothing_any_more_passes_and_says_so_where_it_does_not_apply():
    assert 5 == assert_idempotent(atomic, ["o-1"], replay="duplicate orders#1 @0", runs=5).runs
    with pytest.warns(ReplayWarning, match="no longer apply: crash charge#9 @7") as caught:
        assert_idempotent(atomic, ["o-1"], replay="crash charge#9 @7", runs=1)
    assert __file__ == caught[0].filename


# ---- what must come out


def test_effects_that_overwrite_each_other_show_in_a_list():
    def make(sim):
        writes, state = sim.remote([], name="writes"), sim.remote({}, name="state")

        def handle(event, _):
            for record in event["Records"]:
                state[record["body"]] = "paid"
                writes.append(record["body"])

        return handle, lambda: writes

    assert "got:      ['o-1', 'o-1']" in str(failure_of(make, ["o-1"]))


def test_the_state_in_the_end_may_be_all_that_matters():
    def make(sim):
        state = sim.remote({}, name="state")

        def handle(event, _):
            for record in event["Records"]:
                state[record["body"]] = "paid"

        return handle, lambda: state

    assert_idempotent(make, ["o-1", "o-2"], runs=150)


def last_write(sim):
    """Keeps the last value that came, whatever its key."""
    state = sim.remote({}, name="state")

    def handle(event, _):
        for record in event["Records"]:
            state["last"] = record["body"]

    return handle, lambda: state


def test_any_order_is_right_on_a_standard_queue():
    assert_idempotent(last_write, ["a", "b"], runs=100, faults=Faults(reorder_window=2, split_receive=0.1))


def test_on_a_fifo_queue_the_order_within_a_group_matters():
    """An older message whose delete failed comes again after the newer one: AWS permits that."""
    error = failure_of(last_write, ["a", "b"], queue_name="orders.fifo")
    assert "expected: {'last': 'b'}\ngot:      {'last': 'a'}" in str(error)
    assert "delete_fails orders.fifo#1 @0.002" == script_of(error)


def test_on_a_fifo_queue_a_handler_that_knows_the_order_passes():
    def make(sim):
        state = sim.remote({}, name="state")

        def handle(event, _):
            for record in event["Records"]:
                number = int(record["attributes"]["SequenceNumber"])
                state.update({"last": max(state.get("last", (0, "")), (number, record["body"]))})

        return handle, lambda: state.get("last", (0, ""))[1]

    assert_idempotent(make, ["a", "b"], queue_name="orders.fifo", runs=150)


def test_what_is_right_can_be_given():
    assert_idempotent(atomic, ["ab", "c"], expected={"ab": 2, "c": 1}, runs=20)
    assert "expected: {}" in str(failure_of(atomic, ["ab"], expected={}))


def test_a_list_that_is_given_may_come_in_any_order_from_a_standard_queue():
    def make(sim):
        seen = sim.remote([], name="seen")

        def handle(event, _):
            for record in event["Records"]:
                if record["body"] not in seen:
                    seen.append(record["body"])

        return handle, lambda: seen

    faults = Faults(reorder_window=2, split_receive=0.1)
    assert_idempotent(make, ["a", "b"], expected=["b", "a"], faults=faults, runs=50)
    error = failure_of(make, ["a", "b"], expected=["b", "a"], faults=faults, queue_name="q.fifo", runs=50)
    assert "expected: ['b', 'a']\ngot:      ['a', 'b']" in str(error)


def test_a_message_that_is_never_done_is_a_failure():
    def make(sim):
        seen = sim.remote({}, name="seen")

        def handle(event, _):
            if seen.setdefault("first", True):
                raise ValueError("poison")

        return handle, lambda: seen

    error = failure_of(make, ["o-1"], within=200)
    assert "1 message and no misfortune is enough" in str(error)
    assert "after 200 simulated seconds there is still orders#1" in str(error)
    assert "fails without any misfortune" in error.__notes__[-1]


def test_without_a_redrive_policy_nothing_is_lost_in_a_dead_letter_queue():
    """And with one, what ends there need not be done."""

    def make(sim):
        tries = sim.remote([], name="tries")

        def handle(event, _):
            for record in event["Records"]:
                if record["attributes"]["ApproximateReceiveCount"] == "1":
                    raise ValueError("not at the first time")
                if record["body"] not in tries:
                    tries.append(record["body"])

        return handle, lambda: tries

    assert_idempotent(make, ["o-1"], faults=Faults(poller_lost=0.1, crash=0.1), runs=30)
    assert_idempotent(make, ["o-1"], faults=Faults(poller_lost=0.1, crash=0.1), runs=30, max_receive_count=2)


def test_a_message_that_is_done_only_beside_others_is_a_failure():
    """By itself it is never done, so nothing is known to be right."""

    def make(sim):
        seen = sim.remote([], name="seen")

        def handle(event, _):
            if len(event["Records"]) == 1:
                raise ValueError("too few")
            seen.extend(record["body"] for record in event["Records"])

        return handle, lambda: seen

    error = failure_of(make, ["a", "b"], within=100)
    assert "never gets done with it" in str(error)


def test_messages_in_a_dead_letter_queue_are_told_by_their_place_among_those_that_were_sent():
    """The third message dies whatever happens: the others have to be done, also where only some of them are played."""

    def make(sim):
        seen = sim.remote({}, name="seen")

        def handle(event, _):
            for record in event["Records"]:
                if record["body"] == "poison":
                    raise ValueError("poison")
                seen.setdefault(record["body"], 1)

        return handle, lambda: seen

    messages = ["a", "b", "poison"]
    assert_idempotent(make, messages, batch_size=1, max_receive_count=3, runs=120)


def dead_or_done(sim):
    """Does what it can, and fails for good with what it cannot do."""
    done = sim.remote([], name="done")

    def handle(event, _):
        for record in event["Records"]:
            if record["body"] == "bad":
                raise ValueError("bad")
            if record["body"] not in done:
                done.append(record["body"])

    return handle, lambda: list(done)


def test_what_is_expected_may_be_missing_for_messages_that_died_of_misfortunes():
    script = "crash handle#1 @0; crash handle#3 @30"
    given = {"expected": ["a"], "batch_size": 1, "max_receive_count": 2, "replay": script, "runs": 0}
    assert_idempotent(dead_or_done, ["a", "bad"], faults=Faults(crash=0.1), **given)
    error = failure_of(dead_or_done, ["a", "bad"], faults=Faults(crash=0.1), **{**given, "expected": ["b"], "runs": 1})
    assert "expected: ['b']" in str(error)


def test_a_failure_in_many_messages_is_told_with_few():
    """Read-modify-write goes wrong by itself where twenty messages are worked on at a time; two of them will do."""

    def make(sim):
        counter = sim.remote({"n": 0}, name="counter")

        def handle(event, _):
            for _record in event["Records"]:
                counter["n"] = counter["n"] + 1

        return handle, lambda: counter["n"]

    error = failure_of(make, [f"{number}" for number in range(12)], batch_size=3)
    assert str(error).startswith("the handler is not idempotent: ")
    assert len(str(error).rpartition("messages: ")[2].split(", ")) <= 3


def test_an_assertion_of_the_handler_is_a_finding():
    def make(sim):
        seen = sim.remote({}, name="seen")

        def handle(event, _):
            assert seen.setdefault("by", event["Records"][0]["receiptHandle"]) == event["Records"][0]["receiptHandle"]

        return handle, lambda: seen

    error = failure_of(make, ["o-1"])
    assert "AssertionError left the run" in str(error)
    assert isinstance(error.__cause__, AssertionError)


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=3), max_size=3), st.randoms())
def test_sequences_run_together_are_known_as_such(parts, random):
    whole, left = [], [list(part) for part in parts]
    while any(left):
        whole.append(random.choice([part for part in left if part]).pop(0))
    assert is_blend(whole, parts)
    assert not is_blend([*whole, "a"], parts)
    assert not is_blend(["d", *whole[1:]], parts) or not whole


# ---- forms of handlers, of messages and of queues


def as_coroutine(sim):
    seen = sim.remote([], name="seen")

    async def handle(event, context):
        for record in event["Records"]:
            if record["body"] not in seen:
                await context.sleep(0.01)
                seen.append(record["body"])

    return handle, lambda: seen


def as_factory(sim):
    charges = sim.remote([], name="charges")

    def init():
        cache = set()

        def handle(event, _):
            for record in event["Records"]:
                if record["body"] not in cache:
                    charges.append(record["body"])
                    cache.add(record["body"])

        return handle

    return {"init": init}, lambda: charges


@pytest.mark.parametrize("make", [as_coroutine, as_factory])
def test_handlers_have_any_form(make):
    assert "are enough" in str(failure_of(make, ["o-1"]))


def test_a_deployed_module_is_imported_afresh_for_each_run(tmp_path, monkeypatch):
    (tmp_path / "deployed_app.py").write_text(
        "import os\nseen = set()\n\ndef handler(event, context):\n    for record in event['Records']:\n"
        "        assert os.environ['STAGE'] == 'test'\n        seen.add(record['body'])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    deployed = {"handler": "deployed_app.handler", "environment": {"STAGE": "test"}}
    assert 30 == assert_idempotent(lambda sim: (deployed, list), ["o-1"], runs=30).runs


def test_partial_responses_are_understood():
    def make(sim):
        charges = sim.remote({}, name="charges")

        def handle(event, _):
            failed = []
            for record in event["Records"]:
                tries = record["attributes"]["ApproximateReceiveCount"]
                if record["body"] == "late" and tries == "1":
                    failed.append({"itemIdentifier": record["messageId"]})
                else:
                    charges.setdefault(record["body"], 1)
            return {"batchItemFailures": failed}

        return handle, lambda: charges

    messages = ["soon", "late"]
    assert_idempotent(make, messages, function_response_types=("ReportBatchItemFailures",), runs=100)
    with pytest.warns(UserWarning, match="batchItemFailures"):
        failure_of(make, messages)


def test_messages_may_have_parameters_and_make_the_queue_a_fifo_queue():
    messages = [
        {"message_body": "a", "message_group_id": "g", "message_deduplication_id": "1"},
        {"message_body": "b", "message_group_id": "h", "message_deduplication_id": "2"},
    ]
    error = failure_of(naive, messages)
    assert "orders.fifo#1" in error.__notes__[0]


@pytest.mark.parametrize(
    ("messages", "text"),
    [([], "give at least one"), ("o-1", "give at least one"), ([5], "give a body"), ([{}], "give a body")],
)
def test_messages_that_mean_nothing_are_refused(messages, text):
    with pytest.raises(UsageError, match=text):
        assert_idempotent(atomic, messages)


def test_queue_function_and_mapping_take_further_keywords():
    seen = {}

    def make(sim):
        def handle(event, context):
            seen["memory"] = context.memory_limit_in_mb
            seen["records"] = max(seen.get("records", 0), len(event["Records"]))

        return handle, list

    assert_idempotent(
        make,
        ["a", "b", "c"],
        runs=10,
        batch_size=2,
        queue={"visibility_timeout": 60},
        function={"memory_size": 256, "timeout": 10},
        mapping={"maximum_concurrency": 2},
    )
    assert {"memory": "256", "records": 2} == {**seen, "memory": str(seen["memory"])}


# ---- what is right when messages meet


def sum_of(sim):
    """Reads, adds and writes: two at once lose one of the two."""
    account = sim.remote({"balance": 0}, name="account")

    def add(event, _):
        for record in event["Records"]:
            account["balance"] = account["balance"] + int(record["body"])

    return add, lambda: account["balance"]


def test_what_two_invocations_did_at_a_time_is_not_taken_for_right():
    error = failure_of(sum_of, ["3", "4"], batch_size=1, at_most=0)
    assert "expected: 7 (or in another order)" in str(error)


def test_a_batch_of_which_only_the_first_message_is_done_is_not_right():
    def make(sim):
        done = sim.remote([], name="done")
        return lambda event, _: done.append(event["Records"][0]["body"]), lambda: done

    assert "got:      ['a']" in str(failure_of(make, ["a", "b"], at_most=0))


def test_one_record_for_the_whole_batch_is_right():
    def make(sim):
        done = sim.remote({}, name="done")

        def handle(event, _):
            bodies = tuple(record["body"] for record in event["Records"])
            done.setdefault(max(bodies), "newest")

        return handle, lambda: done

    assert 2 == assert_idempotent(make, ["a", "b"], at_most=0).runs


def test_records_run_together_are_right_only_of_messages_that_do_the_same_alone():
    def make(sim):
        done = sim.remote([], name="done")

        def handle(event, _):
            for record in event["Records"]:
                if not done:
                    done.append(record["body"])

        return handle, lambda: done

    assert "(or in another order)\ngot:      ['b', 'a']" not in str(failure_of(make, ["a", "b"], batch_size=1))


def test_who_lets_his_own_message_go_while_at_work_is_told_so():
    def make(sim):
        done = sim.remote([], name="done")

        def handle(event, _):
            for record in event["Records"]:
                if record["attributes"]["ApproximateReceiveCount"] == "1":
                    sim.queue("orders").change_message_visibility(record["receiptHandle"], 1)
                    time.sleep(2)
                done.append(record["body"])

        return handle, lambda: done

    assert "delivered one by one, a message is handled twice at the same time" in str(failure_of(make, ["a"]))


def test_a_message_may_come_later_and_overtake():
    def make(sim):
        seen, newest = sim.remote([], name="seen"), sim.remote({}, name="newest")

        def handle(event, _):
            for record in event["Records"]:
                seen.append(record["body"])
                newest["body"] = max(seen)

        return handle, lambda: newest

    error = failure_of(make, ["a", "b"], batch_size=1)
    assert {"later", "stall"} == {step.name for step in parse_script(script_of(error))}
    assert "! " in error.__notes__[0]
    assert "it is sent 1 s after those before it" in error.__notes__[0]


def test_a_script_found_with_the_second_message_is_found_with_both():
    def make(sim):
        done = sim.remote([], name="done")

        def handle(event, _):
            for record in event["Records"]:
                if record["body"] == "b" or record["body"] not in done:
                    done.append(record["body"])

        return handle, lambda: done

    error = failure_of(make, ["a", "b"], queue_name="orders.fifo")
    again = failure_of(make, ["a", "b"], queue_name="orders.fifo", replay=script_of(error), runs=0)
    assert str(error).partition("\n")[2] == str(again).partition("\n")[2]


def test_a_batch_in_which_the_handler_has_a_message_come_back_says_nothing_of_the_order():
    """It was not delivered once: on a FIFO queue, what comes behind its successor is out of order."""

    def make(sim):
        steps, tried = sim.remote([], name="steps"), sim.remote(set(), name="tried")

        def goes_on(event, _):
            failures = []
            for record in event["Records"]:
                if record["body"] == "update" and "update" not in tried:
                    tried.add("update")
                    failures.append({"itemIdentifier": record["messageId"]})
                elif record["body"] not in steps:
                    steps.append(record["body"])
            return {"batchItemFailures": failures}

        return goes_on, lambda: steps

    error = failure_of(
        make,
        ["create", "update", "delete"],
        queue_name="orders.fifo",
        function_response_types=("ReportBatchItemFailures",),
    )
    assert "2 messages and no misfortune are enough" in str(error)
    assert "expected: ['update', 'delete']\ngot:      ['delete', 'update']" in str(error)


# ---- wrong use


def nothing(event, _):
    """Do nothing."""


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (5, "make=5 cannot be called"),
        (lambda _: None, r"returned None; it must return two things, \(handler, effects\)"),
        (lambda _: nothing, "it must return two things"),
        (lambda _: (nothing, list, 1), "it must return two things"),
        (lambda _: (nothing, []), r"returned \[\] as effects; it must be callable, such as lambda: \[\]"),
        (lambda _: (None, list), "returned no handler"),
        (
            lambda _: (nothing, lambda: iter(_ for _ in ())),
            "effects.. returned a generator, of which no copy can be made",
        ),
        (lambda _: (nothing, lambda: None), "effects.. returned None in every run"),
    ],
)
def test_a_world_that_is_made_wrongly_is_no_finding(make, text):
    with pytest.raises(UsageError, match=text):
        assert_idempotent(make, ["o-1"])


@pytest.mark.parametrize("wrong", [{"runs": -1}, {"runs": "5"}, {"at_most": -1}, {"at_most": True}])
def test_a_bound_that_is_no_number_is_refused(wrong):
    with pytest.raises(UsageError, match="is no number; give 0 or more"):
        assert_idempotent(atomic, ["o-1"], **wrong)


def test_a_message_that_no_queue_takes_is_no_finding():
    with pytest.raises(MissingRequiredParameterException, match="MessageBody"):
        assert_idempotent(atomic, ["o-1", ""])


def test_a_record_that_is_another_one_in_each_run_is_told_so():
    kept = []

    def make(_):
        return lambda event, _: kept.append(event["Records"][0]["body"]), lambda: kept

    error = failure_of(make, ["o-1"])
    assert "when the same was played once more: the record depends on something else" in str(error)
    assert "once more" not in str(failure_of(naive, ["o-1"]))


def test_looking_for_fewer_messages_comes_to_an_end(monkeypatch):
    """There are 1,350 ways to choose at most three of twenty, and many runs of each."""
    monkeypatch.setattr(idempotency, "_SHRINKING_MAX", 30)
    monkeypatch.setattr(idempotency, "_ORDERS_MAX", 2)
    made = []

    def make(sim):
        made.append(sim)
        count = sim.remote([0], name="count")

        def add(event, _):
            for _ in event["Records"]:
                count[0] = count[0] + 1

        return add, lambda: count[0]

    error = failure_of(make, [f"o-{number}" for number in range(20)], at_most=0)
    assert "20 messages and no misfortune are enough" in str(error)
    assert len(made) < 300
