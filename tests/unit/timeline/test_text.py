"""The timeline as a table: whole texts, what is folded, cut and coloured."""

from __future__ import annotations

import datetime as dt
import io
import re
import sys

import pytest

from lambdasim import Simulation
from lambdasim.errors import UsageError
from lambdasim.timeline.lines import HEAD, TAIL
from tests.unit.timeline.scenarios import fifo, poison, race, retries, throttles

POISON = """\
seconds  queue   message   invocation      what happened
 0       orders  orders#1                  sent: 'bad'
 0       orders  orders#1                  received, for the 1st time
 0               orders#1  worker#1 env A  started in a new environment
 0.1             orders#1  worker#1 env A  raised ValueError('poison')
         … 29.9 s later
30       orders  orders#1                  visible again
30       orders  orders#1                  received, for the 2nd time
30               orders#1  worker#2 env A  started
30.1             orders#1  worker#2 env A  raised ValueError('poison')
         … 29.9 s later
60       orders  orders#1                  visible again
60       orders  orders#1                  received, for the 3rd time
60               orders#1  worker#3 env A  started
60.1             orders#1  worker#3 env A  raised ValueError('poison')
         … 29.9 s later
90       orders  orders#1                  visible again
90       orders  orders#1                  moved to orders-dlq: it was received 3 times, and maxReceiveCount is 3"""

RACE = """\
seconds     queue   message   invocation      what happened
0           orders  orders#1                  sent: 'o-1'
0           orders  orders#1                  received, for the 1st time
0        !  orders  orders#1                  SQS delivers it once more, though it is in flight
0           orders  orders#1                  visible again
0           orders  orders#1                  received, for the 2nd time
0                   orders#1  charge#1 env A  started in a new environment
0                   orders#1  charge#2 env B  started in a new environment
0.001                         charge#1 env A  'o-1' in set -> False
0.001                         charge#2 env B  'o-1' in set -> False
0.002                         charge#1 env A  list.append('o-1')
0.002                         charge#2 env B  list.append('o-1')
0.003                         charge#1 env A  set.add('o-1')
0.003                         charge#2 env B  set.add('o-1')
0.003               orders#1  charge#1 env A  returned None
0.003               orders#1  charge#2 env B  returned None
0.003       orders  orders#1                  its deletion was acknowledged, and it stays
0.003       orders  orders#1                  deleted

!  not the default; to play it again: duplicate orders#1 @0"""

FIFO = """\
seconds  queue        message              invocation    what happened
 0       orders.fifo  orders.fifo#1 to #3                sent: 'a', 'b', 'c'
 0       orders.fifo  orders.fifo#1 to #3                received, for the 1st time
 0                    orders.fifo#1 to #3  ship#1 env A  started in a new environment
 0.1                  orders.fifo#1 to #3  ship#1 env A  reported orders.fifo#2, #3 as failed
 0.1     orders.fifo  orders.fifo#1                      deleted
         … 29.9 s later
30       orders.fifo  orders.fifo#2, #3                  visible again
30       orders.fifo  orders.fifo#2, #3                  received, for the 2nd time
30                    orders.fifo#2, #3    ship#2 env A  started
30.1                  orders.fifo#2, #3    ship#2 env A  reported no failure
30.1     orders.fifo  orders.fifo#2, #3                  deleted"""

RETRIES = """\
seconds  queue   message   invocation    what happened
  0                        bill          event 1 accepted: {"order":1}
  0                        bill#1 env A  started on event 1 in a new environment
  0.1                      bill#1 env A  raised KeyError('price')
         … 60 s later
 60.1                      bill#2 env A  started on event 1, attempt 2
 60.2                      bill#2 env A  raised KeyError('price')
         … 120 s later
180.2                      bill#3 env A  started on event 1, attempt 3
180.3                      bill#3 env A  raised KeyError('price')
180.3                      bill          event 1 given up: RetriesExhausted
180.3    failed  failed#1                sent: '{"version":"1.0","timestamp":"2026-01...'"""

REASON = "ReservedFunctionConcurrentInvocationLimitExceeded"
THROTTLES = f"""\
seconds  queue  message     invocation      what happened
 0       jobs   jobs#1, #2                  sent: 'job 0', 'job 1'
 0       jobs   jobs#1, #2                  received, for the 1st time
 0              jobs#1      worker#1 env A  started in a new environment
 0              jobs#2      worker          throttled 3 times, until 3 s: {REASON}
 5              jobs#1      worker#1 env A  succeeded
 5       jobs   jobs#1                      deleted
 7              jobs#2      worker#2 env A  started
12              jobs#2      worker#2 env A  succeeded
12       jobs   jobs#2                      deleted"""


@pytest.mark.parametrize(
    ("play", "text"),
    [(poison, POISON), (race, RACE), (fifo, FIFO), (retries, RETRIES), (throttles, THROTTLES)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_story_is_told_whole(play, text):
    """What happened, who, when; the same in every run."""
    assert text == str(play().timeline())


def rows(timeline):
    """Return the lines of a table, without its head."""
    return str(timeline).splitlines()[1:]


def steady(seconds, **options):
    """A message that fails every other second."""
    sim = Simulation(trace=None)
    queue = sim.create_queue("jobs", visibility_timeout=2)
    sim.create_event_source_mapping(queue, sim.create_function("work", timeout=1, failure_rate=1, **options))
    queue.send_message("bad")
    sim.run(until=seconds)
    return sim


def test_what_repeats_is_said_once_with_a_count():
    """The first round and the last one stay; hundreds between them are one line."""
    assert rows(steady(1_000).timeline()) == [
        "    0    jobs   jobs#1                   sent: 'bad'",
        "    0    jobs   jobs#1                   received, for the 1st time",
        "    0           jobs#1   work#1 env A    started in a new environment",
        "    0.1         jobs#1   work#1 env A    failed",
        "         … 1.9 s later",
        "    2    jobs   jobs#1                   visible again",
        "    2    jobs   jobs#1                   received, for the 2nd time",
        "    2           jobs#1                   … the 4 lines above 498 times more, until 998 s",
        "  998           jobs#1   work#500 env A  started",
        "  998.1         jobs#1   work#500 env A  failed",
        "         … 1.9 s later",
        "1,000    jobs   jobs#1                   visible again",
        "1,000    jobs   jobs#1                   received, for the 501st time",
        "1,000           jobs#1   work#501 env A  started",
    ]


def test_nothing_out_of_the_ordinary_is_folded():
    """A delivery that is not the first, an error in other words, and each choice break the pattern."""
    sim = Simulation(trace=None)
    queue = sim.create_queue("jobs", visibility_timeout=2)
    failed = []

    def work(event, context):
        if event["Records"][0]["body"] == "job 5" and not failed:
            failed.append(event)
            raise KeyError(context.function_name)

    sim.create_event_source_mapping(queue, sim.create_function("work", work, timeout=1), batch_size=1)
    sim.feed(queue, range(20), message=lambda number: f"job {number}")
    sim.run()
    told = rows(sim.timeline())
    assert any("raised KeyError('work')" in line for line in told)
    assert any("received, for the 2nd time" in line for line in told)
    assert 2 == sum("times more" in line for line in told)


def test_too_long_a_table_is_cut_with_a_word_on_it():
    """Beginning and end are there, and what to do."""
    sim = Simulation(trace=None)
    worker = sim.create_function("work", lambda event, context: event["n"])
    for number in range(2_000):
        worker.invoke({"n": number})
    told = rows(sim.timeline())
    assert HEAD + TAIL + 1 == len(told)
    assert "… 3,000 lines are left out here: narrow it with messages=, since= or until=" in told[HEAD]
    assert told[0].endswith("work#1 env A     started in a new environment")
    assert told[-1].endswith("work#2000 env A  returned 1999")


def test_messages_narrow_it_to_what_touched_them():
    """What befell a message, the invocations that ran it with all they did, and the choices about these."""
    sim = race(2)
    one = next(entry[3] for entry in sim.trace.entries() if entry[1].name == "message sent")
    named, given = (str(sim.timeline(messages=each)) for each in ("orders#1", one))
    assert named == given == str(sim.timeline(messages=[one, "orders#1"]))
    assert "! " in named
    assert "charge#2 env B" in named
    other = str(sim.timeline(messages=["orders#2"]))
    assert "! " not in other
    assert "charge#1 env A" in other
    assert "charge#2" not in other
    assert other.endswith("0.006    orders  orders#2                      deleted")


def test_messages_are_followed_through_queues():
    """To the dead-letter queue, and back by a move task, after which they are new messages."""
    sim = poison()
    (dead,) = sim.queue("orders-dlq").messages
    sim.start_message_move_task(dead.dead_letter_queue_source_arn.replace("orders", "orders-dlq"))
    sim.queue("orders").send_message("another")
    sim.run(until=91)
    for name in ("orders#1", "orders#2"):
        told = str(sim.timeline(messages=name))
        assert "sent: 'bad'" in told
        assert "moved to orders by a move task: it is orders#2 now" in told
        assert "worker#4 env A  raised ValueError('poison')" in told
        assert "another" not in told


def test_strange_messages_are_refused():
    """A name that the trace does not have says which it has; a number is no message."""
    sim = poison()
    with pytest.raises(UsageError, match=re.escape("no message of this name; those it has: orders#1")):
        sim.timeline(messages=["orders#7"])
    with pytest.raises(UsageError, match="give messages, or names of messages"):
        sim.timeline(messages=[7])


def test_instants_narrow_it():
    """Both ends are inclusive; seconds or datetimes."""
    sim = poison()
    assert [line[:4] for line in rows(sim.timeline(since=30, until=60))] == ["30  "] * 3 + ["30.1", "    "] + [
        "60  "
    ] * 3
    later = dt.datetime(2026, 1, 1, 0, 0, 31, tzinfo=dt.UTC)
    assert rows(sim.timeline(since=later))[0].split()[:2] == ["60", "orders"]
    assert rows(sim.timeline(since=later)) == rows(sim.timeline(since=31))
    assert "nothing happened" == str(sim.timeline(since=31, until=59))


def test_it_says_what_the_trace_does_not_have():
    """Off, too short, or nothing happened."""
    assert str(Simulation(trace=0).timeline()).startswith("(nothing was recorded: make the simulation with trace=None")
    assert "nothing happened" == str(Simulation().timeline())
    sim = Simulation(trace=2)
    sim.create_queue("orders").send_message_batch([{"id": each, "message_body": each} for each in "abc"])
    head, _, *table = str(sim.timeline()).splitlines()
    assert head == "(the trace keeps 2 records: what was before is not shown (trace=None keeps all))"
    assert table[1] == "0        orders  orders#2, #3  sent: 'b', 'c'"


def test_what_happens_later_is_not_in_it():
    """A timeline is of the instant at which it was asked for."""
    sim = Simulation()
    queue = sim.create_queue("orders")
    queue.send_message("a")
    timeline = sim.timeline()
    queue.send_message("b")
    assert ["0        orders  orders#1  sent: 'a'"] == rows(timeline)


def test_long_lines_are_broken_between_words():
    """Only the words are; columns stay."""
    told = race().timeline().to_text(width=80).splitlines()
    assert told[3] == "0        !  orders  orders#1                  SQS delivers it once more, though"
    assert told[4] == f"{'':46}it is in flight"
    assert 80 >= max(map(len, told))


def test_colours_change_nothing_else():
    """Choices and failures are marked for a terminal; without the codes it is the same text."""
    timeline = race().timeline()
    coloured = timeline.to_text(colour=True)
    assert timeline.to_text() == "\n".join(
        line.rstrip() for line in re.sub("\x1b\\[[0-9;]*m", "", coloured).splitlines()
    )
    assert "\x1b[1;33mSQS delivers it once more, though it is in flight\x1b[0m" in coloured
    assert "\x1b[31mraised ValueError('poison')\x1b[0m" in poison().timeline().to_text(colour=True)


class Terminal(io.StringIO):
    """A text file that says that it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("file", "variables", "options", "is_coloured"),
    [
        (Terminal, {}, {}, True),
        (Terminal, {"NO_COLOR": "1"}, {}, False),
        (Terminal, {"NO_COLOR": "1"}, {"colour": True}, True),
        (Terminal, {}, {"colour": False}, False),
        (io.StringIO, {}, {}, False),
        (io.StringIO, {}, {"colour": True}, True),
    ],
)
def test_it_is_printed_in_colours_on_a_terminal(monkeypatch, file, variables, options, is_coloured):
    """As wide as it is, and not where NO_COLOR is set."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "77")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", printed := file())
    poison().timeline().print(**options)
    told = printed.getvalue()
    assert is_coloured == ("\x1b[" in told)
    plain = re.sub("\x1b\\[[0-9;]*m", "", told)
    assert ("\n90       orders  orders#1                  moved to orders-dlq: it was\n" in plain) == (file is Terminal)


def test_each_kind_of_thing_has_its_line():
    """Queues that go, environments that are reclaimed, batches that are given up, messages that are let loose."""
    sim = Simulation(trace=None)
    jobs = sim.create_queue("jobs", visibility_timeout=6)
    worker = sim.create_function("work", duration=5, timeout=5, reserved_concurrent_executions=1)
    sim.create_event_source_mapping(jobs, worker, batch_size=1)
    jobs.send_message("a")
    jobs.send_message("b")
    sim.run(until=2)
    jobs.redeliver(jobs.messages[0])
    sim.run(until=8_000)
    spare = sim.create_queue("spare", message_retention_period=60)
    spare.send_message("old", delay_seconds=10)
    sim.run(until=8_100)
    sim.create_queue("gone").send_message("x")
    sim.queue("gone").purge_queue()
    sim.queue("gone").delete_queue()
    told = str(sim.timeline())
    assert "jobs#1                    let loose once more" in told
    assert "given up by the mapping to work: it comes back by its visibility timeout" in told
    assert "work env A    environment reclaimed" in told
    assert "spare#1                   visible: its delay is over\n" in told
    assert "spare#1                   expired: its retention is over\n" in told
    assert "gone#1                    purged\n" in told
    assert told.endswith("gone                             queue deleted")
    assert "concurrency limit" not in told
    assert sim.timeline().to_html().count("<svg") == 1


def test_long_lists_of_messages_are_cut_between_names():
    """The column stays narrow."""
    sim = Simulation()
    queue = sim.create_queue("orders", visibility_timeout=1)
    for number in range(40):
        queue.send_message(f"{number}")
    deliveries = [each for _ in range(2) for each in queue.receive_message(max_number_of_messages=10)]
    for delivery in deliveries:
        if int(delivery.body) % 2:
            queue.delete_message(delivery.receipt_handle)
    last = rows(sim.timeline())[-1]
    assert last == "0        orders  orders#2, #4, #6, #8, #10, #12, …  deleted"


def test_only_what_is_alike_at_one_instant_is_one_line():
    """Other instants have lines of their own, and so has a message that something befalls twice."""
    sim = Simulation()
    queue = sim.create_queue("orders", visibility_timeout=0)
    queue.send_message("a")
    sim.run(until=1)
    queue.send_message("b")
    queue.send_message("c")
    sim.call_later(1, queue.send_message, "d")
    sim.run()
    assert rows(sim.timeline()) == [
        "0        orders  orders#1      sent: 'a'",
        "1        orders  orders#2, #3  sent: 'b', 'c'",
        "2        orders  orders#4      sent: 'd'",
    ]
    assert repr(sim.timeline()) == str(sim.timeline())
