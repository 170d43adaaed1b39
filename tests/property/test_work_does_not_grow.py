"""
Law: what a message costs does not depend on how many others there are: slots, records, groups, messages that wait.

Counted in lines of the library that run, never timed. What only happens at the beginning is there in both of the sizes
that are compared, and makes the small one dearer; a loop over the others would make the large one dearer by far.
"""

from __future__ import annotations

import sys

import pytest

from lambdasim import BackoffModel, PollModel, ScalingModel, ScalingRate, Simulation
from tests.counting import Lines

pytestmark = pytest.mark.filterwarnings("ignore:handlers read the real clock")

FEW, MANY = 8, 300  # slots; as many invocations are in flight
MARGIN = 1.1
LONG_LOOKS = {"heapify", "index", "remove", "sort", "sorted"}  # of all that there is, in a single line
RBIF = ("ReportBatchItemFailures",)
ROUND_ROBIN = PollModel(dispatch="round_robin")


class Uneven:
    """Durations of half a second to one and a half: no two slots end at one instant."""

    def sample(self, random):
        return 0.5 + random.random()


def takes_all(event, context):
    """Succeed."""


def fails(event, context):
    raise ValueError


def names_half(event, context):
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"][::2]]}


class World:
    """A backlog, and a mapping with so many slots that reads it."""

    def __init__(self, slots, messages, handler=None, *, group=None, body=None, reserve=None, settings=(), **given):
        scaling = ScalingModel(initial=slots, step_per_minute=0)
        self.sim = Simulation(
            trace=0, concurrent_executions=5_000, settings=[scaling, ScalingRate(mode="off"), *settings]
        )
        fifo = {} if group is None else {"content_based_deduplication": True}
        visibility = given.pop("visibility", 40_000)
        self.queue = self.sim.create_queue("orders.fifo" if fifo else "orders", visibility_timeout=visibility, **fifo)
        for number in range(messages):
            sent = {} if group is None else {"message_group_id": group(number)}
            self.queue.send_message(str(number) if body is None else body(number), **sent)
        self.worker = self.sim.create_function(
            "worker",
            handler,
            duration=given.pop("duration", Uneven()),
            timeout=given.pop("timeout", 3),
            reserved_concurrent_executions=reserve,
        )
        self.mapping = self.sim.create_event_source_mapping(self.queue, self.worker, **given)

    def lines(self, until=None):
        """Count the lines that run until all is done, or until an instant."""
        with Lines() as work:
            self.sim.run(until=until)
        return work.count


# ---- slots

BUSY = {
    "no handler": {},
    "a handler": {"handler": takes_all},
    "batches of four": {"batch_size": 4},
    "partial answers": {"batch_size": 4, "handler": names_half, "function_response_types": RBIF},
    "a window": {"batch_size": 2, "maximum_batching_window_in_seconds": 1},
    "in turns": {"settings": [ROUND_ROBIN]},
    "in turns with a window": {
        "batch_size": 2,
        "maximum_batching_window_in_seconds": 1,
        "settings": [ROUND_ROBIN],
    },
    "groups": {"group": str},
    "ends at one instant": {"duration": 1},
    "receives that take time": {"settings": [PollModel(receive_latency_s=0.05)]},
}


def busy(slots, kind):
    """A world with a batch for each slot, and another for every fourth."""
    given = {"batch_size": 1, **BUSY[kind]}
    return World(slots, given["batch_size"] * (slots + slots // 4), **given)


@pytest.mark.parametrize("kind", BUSY)
def test_a_batch_is_no_more_work_with_many_invocations_in_flight(kind):
    lines = []
    for slots in (FEW, MANY):
        world = busy(slots, kind)
        lines.append(world.lines(until=100) / world.queue.snapshot().sent)
        assert world.worker.snapshot().invocations == slots + slots // 4
        peak = world.sim.metrics.series("AWS/Lambda", "ConcurrentExecutions", "Maximum", FunctionName="worker")
        assert max(peak.values) == slots
    assert lines[1] <= MARGIN * lines[0]


def test_a_batch_is_no_more_work_with_many_provisioned_pollers():
    """Each has ten slots."""

    def lines(pollers):
        world = World(1, 20 * pollers, batch_size=1, minimum_pollers=pollers, maximum_pollers=pollers)
        work = world.lines()
        assert world.queue.snapshot().deleted == 20 * pollers
        assert world.mapping.snapshot().pollers == 10 * pollers
        return work / pollers

    assert lines(30) <= MARGIN * lines(2)


def long_looks(sim, until, names=LONG_LOOKS):
    """Return the looks at all that there is while a simulation runs."""
    seen = []

    def profile(frame, event, function):
        if event == "c_call" and function.__name__ in names and "lambdasim" in frame.f_globals["__name__"]:
            seen.append(function.__name__)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        sim.run(until=until)
    finally:
        sys.setprofile(before)
    return seen


@pytest.mark.parametrize("kind", ["no handler", "in turns", "groups", "receives that take time"])
def test_nothing_is_sorted_or_searched_for_while_many_invocations_are_in_flight(kind):
    world = busy(MANY, kind)
    seen = long_looks(world.sim, 100)
    assert world.worker.snapshot().invocations == MANY + MANY // 4
    assert len(seen) <= 20  # cancelled timers are swept out now and then, fewer times the more there are


@pytest.mark.parametrize("left", [{"minimum_pollers": 2}, {"minimum_pollers": None, "maximum_pollers": None}], ids=str)
def test_the_line_is_not_searched_for_each_slot_of_many_pollers_that_are_given_up(left):
    """Three hundred slots wait since the same instant, and most of them end at one, too."""
    pollers = MANY // 10
    world = World(1, 0, batch_size=1, minimum_pollers=pollers, maximum_pollers=pollers)
    world.sim.run(until=1)
    world.mapping.update_event_source_mapping(**left)
    seen = long_looks(world.sim, 100, {"heapify"})  # a poller looks through its own ten slots
    assert world.mapping.snapshot().pollers == (20 if world.mapping.minimum_pollers else 1)
    assert len(seen) <= 20


@pytest.mark.parametrize("settings", [[], [ROUND_ROBIN]], ids=["greedy", "in turns"])
@pytest.mark.parametrize("window", [0, 5])
def test_a_message_is_no_more_work_the_more_slots_wait_for_it(settings, window):
    """The receives of all slots end at instants of their own, two of them between any two messages."""

    def lines(slots):
        step = 40 / slots
        world = World(
            slots,
            slots,
            body=lambda number: str(1 + number * 20 / slots),
            duration=lambda event: float(event["Records"][0]["body"]),
            timeout=60,
            batch_size=1,
            settings=settings,
        )
        world.sim.run(until=30)
        world.mapping.update_event_source_mapping(batch_size=4, maximum_batching_window_in_seconds=window)
        world.sim.run(until=40)
        assert world.mapping.snapshot().pollers == slots
        for number in range(200):
            world.sim.call_at(60 + number * step, world.queue.send_message, "0.001")
        work = world.lines(until=60 + 200 * step)
        assert world.queue.snapshot().sent == slots + 200
        return work

    assert lines(MANY) <= MARGIN * lines(50)


# ---- throttles

THROTTLED = {
    "reserve of 0": {"reserve": 0},
    "reserve of 1": {"reserve": 1},
    "back-off": {"reserve": 0, "settings": []},
    "drops": {"reserve": 0, "visibility": 8},
}


def throttled(slots, messages, kind):
    given = {"batch_size": 1, "settings": [BackoffModel.OFF], **THROTTLED[kind]}
    world = World(slots, messages, **given)
    work = world.lines(until=10)
    snapshot = world.worker.snapshot()
    assert snapshot.throttles >= slots
    return work / (snapshot.throttles + snapshot.invocations)


@pytest.mark.parametrize("kind", THROTTLED)
def test_an_attempt_is_no_more_work_with_many_slots_that_are_throttled(kind):
    assert throttled(MANY, 2 * MANY, kind) <= MARGIN * throttled(20, 40, kind)


@pytest.mark.parametrize("kind", THROTTLED)
def test_an_attempt_is_no_more_work_the_more_messages_are_throttled(kind):
    assert throttled(20, 2_000, kind) <= MARGIN * throttled(20, 200, kind)


# ---- records

ANSWERS = {
    "success": {},
    "half of them named": {"handler": names_half, "function_response_types": RBIF},
    "failure": {"handler": fails},
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(("few", "many"), [(10, 1_000), (2_000, 5_000)], ids=["10 to 1000", "2000 to 5000"])
def test_a_record_is_no_more_work_in_a_larger_batch(few, many, answer):
    """Batches that may reach the payload limit are measured record by record; so they are compared apart."""
    lines = []
    for size in (few, many):
        window = {} if size == 10 else {"maximum_batching_window_in_seconds": 1}
        sent = max(size, 1_000)
        world = World(1, sent, batch_size=size, settings=[BackoffModel.OFF], **ANSWERS[answer], **window)
        lines.append(world.lines(until=2_000) / sent)
        assert world.worker.snapshot().invocations == sent // size
        assert world.queue.snapshot().deleted == {"success": sent, "failure": 0}.get(answer, sent // 2)
    assert lines[1] <= MARGIN * lines[0]


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_record_of_a_fifo_queue_is_no_more_work_in_a_larger_batch(answer):
    def lines(size):
        world = World(1, 1_000, group=lambda number: str(number % 50), batch_size=size, **ANSWERS[answer])
        return world.lines(until=100) / world.mapping.snapshot().polled_event_count

    assert lines(10) <= lines(1)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("per_group", [1, 10, 500])
def test_a_record_of_a_fifo_queue_is_no_more_work_the_more_groups_there_are(per_group, answer):
    def lines(messages):
        world = World(
            5, messages, group=lambda number: str(number // per_group), settings=[BackoffModel.OFF], **ANSWERS[answer]
        )
        return world.lines(until=10_000) / world.mapping.snapshot().polled_event_count

    assert lines(600) <= MARGIN * lines(120)


# ---- messages that wait

BACKLOGS = {
    "standard": {},
    "a window": {"batch_size": 100, "maximum_batching_window_in_seconds": 1},
    "a group each": {"group": str},
    "ten groups": {"group": lambda number: str(number % 10)},
    "a filter": {"filter_criteria": {"Filters": [{"Pattern": '{"body":[{"prefix":"1"}]}'}]}},
}


@pytest.mark.parametrize("kind", BACKLOGS)
def test_a_batch_is_no_more_work_with_a_backlog_behind_it(kind):
    def lines(messages):
        world = World(5, messages, body=lambda number: f"1{number}", **BACKLOGS[kind])
        with Lines() as work:
            world.sim.run_until(lambda: world.worker.snapshot().invocations == 20)
        return work.count

    assert lines(10_000) <= MARGIN * lines(2_500)


# ---- filters

PATTERNS = {
    "bodies": '{"body":[{"prefix":"keep"}]}',
    "inside of bodies": '{"body":{"k":[{"anything-but":["w","x"]}],"n":[{"numeric":[">",3]}]}}',
    "metadata": '{"attributes":{"ApproximateReceiveCount":["2"]}}',
}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("share", [0, 2])
def test_a_record_is_no_more_work_the_more_are_filtered(pattern, share):
    """None is kept, or every other one."""

    def body(number):
        is_kept = share and number % share
        if pattern == "bodies":
            return f"keep {number}" if is_kept else f"{number}"
        return f'{{"k":"{"v" if is_kept else "w"}","n":{number + 9}}}'

    def lines(messages):
        filters = {"Filters": [{"Pattern": '{"messageId":["x"]}'}, {"Pattern": PATTERNS[pattern]}]}
        world = World(5, messages, body=body, filter_criteria=filters)
        work = world.lines()
        found = world.mapping.snapshot()
        assert found.polled_event_count == world.queue.snapshot().deleted == messages
        assert (found.filtered_out_event_count < messages) is bool(share and pattern != "metadata")
        return work / messages

    assert lines(500) <= MARGIN * lines(100)
