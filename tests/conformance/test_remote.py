"""`sim.remote`: an object behind a wire, each operation on which is a scheduling point of an interleaved handler."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, defaultdict, deque
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import ColdStartModel, Simulation
from lambdasim.errors import UsageError
from lambdasim.lambda_ import InvocationTimedOut
from lambdasim.lambda_.remote import Remote

TOGETHER = ColdStartModel(init_s=1)  # inits that end together: all handlers start as events of one class


@pytest.fixture
def sim():
    return Simulation(execution="interleaved")


class Store:
    """A persistence layer such as a user may have written."""

    kind = "memory"

    def __init__(self):
        self.rows = {"a": 1}
        self.opened = 0
        self.is_open = False

    def __enter__(self):
        self.opened += 1
        self.is_open = True
        return self

    def __exit__(self, *error):
        self.is_open = False
        return error[0] is KeyError

    def get(self, key, default=None):
        return self.rows.get(key, default)

    def put(self, *, key, value):
        self.rows[key] = value

    def fail(self):
        raise LookupError("no such row")

    @contextmanager
    def transaction(self):
        before = dict(self.rows)
        try:
            yield self.rows
        except BaseException:
            self.rows = before
            raise

    def scan(self):
        yield from sorted(self.rows)

    def __getitem__(self, key):
        return self.rows[key]

    def __len__(self):
        return len(self.rows)

    def __call__(self, key):
        return self.rows[key]

    @property
    def size(self):
        return len(self.rows)


def run_in(sim, execution, body, timeout=60):
    """Let a handler call *body*; return what it returned, or raise what it raised."""
    found = []

    def handler(event, context):
        found.append(body())

    worker = sim.create_function(
        f"worker-{len(sim.functions)}", handler, execution=execution, duration=0, timeout=timeout
    )
    worker.invoke()
    if worker.invocations[0].exception is not None:
        raise worker.invocations[0].exception
    return found[0]


PLACES = ("outside", "plain", "interleaved")


def run_at(place, sim, body):
    return body() if place == "outside" else run_in(sim, place, body)


# ---- it behaves as the object does


def changed(container, change):
    change(container)
    return container


READS = {
    "item": ({"a": 1}, lambda d: d["a"]),
    "missing item": ({"a": 1}, lambda d: d["b"]),
    "get": ({"a": 1}, lambda d: d.get("b", 5)),
    "in dict": ({"a": 1}, lambda d: ("a" in d, "b" in d, "b" not in d)),
    "len": ({"a": 1}, len),
    "bool": ({"a": 1}, bool),
    "no bool": ([], bool),
    "not": (set(), lambda s: not s),
    "keys": ({"a": 1, "b": 2}, list),
    "items": ({"a": 1, "b": 2}, lambda d: list(d.items())),
    "values": ({"a": 1, "b": 2}, lambda d: sum(d.values())),
    "for": ([1, 2, 3], lambda numbers: [number + 1 for number in numbers]),
    "unpack": ([1, 2, 3], lambda numbers: max(*numbers)),
    "unpack dict": ({"a": 1}, lambda d: dict(**d)),
    "sorted": ({3, 1, 2}, sorted),
    "reversed": ([1, 2, 3], lambda numbers: list(reversed(numbers))),
    "slice": ([1, 2, 3], lambda numbers: numbers[1:]),
    "equal": ({"a": 1}, lambda d: (d == {"a": 1}, {"a": 1} == d, d != {"a": 1}, d == 5)),
    "equal sets": ({1, 2}, lambda s: s == {1, 2}),
    "less": ({1}, lambda s: s < {1, 2}),
    "union": ({1}, lambda s: s | {2}),
    "union from the right": ({1}, lambda s: {2} | s),
    "intersection": ({1, 2}, lambda s: s & {2, 3}),
    "difference": ({1, 2}, lambda s: s - {2}),
    "add": ([1], lambda numbers: numbers + [2]),  # noqa: RUF005 - the operator is what is tested
    "times": ([1], lambda numbers: numbers * 2),
    "merge": ({"a": 1}, lambda d: d | {"b": 2}),
    "count": ([1, 1], lambda numbers: numbers.count(1)),
    "attribute": (Store(), lambda store: store.kind),
    "property": (Store(), lambda store: store.size),
    "missing attribute": (Store(), lambda store: store.nothing),
    "getattr": (Store(), lambda store: getattr(store, "nothing", 5)),
    "hasattr": (Store(), lambda store: (hasattr(store, "kind"), hasattr(store, "nothing"))),
    "method": (Store(), lambda store: store.get("a")),
    "own item": (Store(), lambda store: store["a"]),
    "own len": (Store(), len),
    "call": (Store(), lambda store: store("a")),
    "a function": (lambda number: number + 1, lambda function: function(1)),
    "error": (Store(), lambda store: store.fail()),
    "scan": (Store(), lambda store: list(store.scan())),
    "default": (defaultdict(list), lambda d: d["new"]),
    "first of a queue": (deque([1, 2]), lambda d: d[0]),
    "next": (iter([1, 2]), next),
    "end of an iterator": (iter([]), lambda numbers: next(numbers, "over")),
}

CHANGES = {
    "set item": ({}, lambda d: d.__setitem__("a", 1)),
    "delete item": ({"a": 1}, lambda d: d.__delitem__("a")),
    "delete missing item": ({}, lambda d: d.__delitem__("a")),
    "update": ({}, lambda d: d.update(a=1)),
    "setdefault": ({"a": 1}, lambda d: (d.setdefault("a", 2), d.setdefault("b", 3))),
    "pop": ({"a": 1}, lambda d: (d.pop("a"), d.pop("b", 0))),
    "add": (set(), lambda s: (s.add(1), s.add(1))),
    "discard": ({1}, lambda s: (s.discard(1), s.discard(2))),
    "remove": (set(), lambda s: s.remove(1)),
    "append": ([], lambda numbers: numbers.append(1)),
    "extend": ([], lambda numbers: numbers.extend([2, 1])),
    "sort": ([2, 1], lambda numbers: numbers.sort()),
    "clear": ([2, 1], lambda numbers: numbers.clear()),
    "set slice": ([1, 2], lambda numbers: numbers.__setitem__(slice(0, 1), [5, 6])),
    "count up": (Counter(), lambda counter: counter.update("aab")),
    "move": (OrderedDict(a=1, b=2), lambda d: d.move_to_end("a")),
}


def outcome(call):
    """Return what came of a call, as something that compares."""
    try:
        return type(found := call()).__name__, found
    except Exception as error:  # noqa: BLE001 - whatever the object raises
        return type(error), error.args


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("thing", "read"), READS.values(), ids=READS)
def test_an_operation_answers_or_raises_as_the_object_does(sim, place, thing, read):
    if "iterator" in type(thing).__name__:
        items = list(thing)
        wanted = outcome(lambda: read(iter(items)))
        assert wanted == run_at(place, sim, lambda: outcome(lambda: read(sim.remote(iter(items)))))
        return
    wanted = outcome(lambda: read(thing))
    remote = sim.remote(thing)
    assert wanted == run_at(place, sim, lambda: outcome(lambda: read(remote)))


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("make", "change"), CHANGES.values(), ids=CHANGES)
def test_an_operation_changes_the_object_itself(sim, place, make, change):
    def copy():
        return type(make)(make)

    expected, mine = copy(), copy()
    wanted = outcome(lambda: change(expected))
    assert wanted == run_at(place, sim, lambda: outcome(lambda: change(sim.remote(mine))))
    assert expected == mine


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("place", PLACES)
def test_attributes_are_set_and_deleted_on_the_object_itself(sim, place):
    store = Store()
    remote = sim.remote(store)

    def body():
        remote.is_open = True
        remote.extra = 5
        del remote.opened
        return remote.extra

    assert 5 == run_at(place, sim, body)
    assert {"rows": {"a": 1}, "is_open": True, "extra": 5} == vars(store)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("place", PLACES)
def test_updates_in_place_keep_it_remote(sim, place):
    numbers, tags = [1], {1}

    def body():
        remote_numbers, remote_tags = sim.remote(numbers), sim.remote(tags)
        remote_numbers += [2]
        remote_tags |= {2}
        remote_tags -= {1}
        return type(remote_numbers) is type(remote_tags) is type(sim.remote([]))

    assert run_at(place, sim, body)
    assert [1, 2] == numbers
    assert {2} == tags


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("place", PLACES)
def test_what_comes_back_is_plain(sim, place):
    inner = {"rows": []}
    remote = sim.remote({"inner": inner, "list": [1]})
    found = run_at(place, sim, lambda: (remote["inner"], remote.get("list"), sim.remote(Store()).rows))
    assert [dict, list, dict] == [type(value) for value in found]
    assert found[0] is inner


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("place", PLACES)
def test_a_context_manager_is_entered_and_left_with_the_error(sim, place):
    store = Store()
    remote = sim.remote(store)

    def body():
        with remote as entered:
            seen = [store.is_open, entered.get("a")]
        with remote:
            raise KeyError("swallowed by the store")
        with pytest.raises(ValueError, match="passes"), remote:  # reached, as the error above is swallowed
            raise ValueError("passes")
        return [*seen, store.is_open, store.opened]

    assert [True, 1, False, 3] == run_at(place, sim, body)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("place", PLACES)
def test_a_context_manager_that_a_method_returns_works_and_rolls_back(sim, place):
    store = Store()
    remote = sim.remote(store)

    def body():
        with remote.transaction() as rows:
            rows["b"] = 2
        with pytest.raises(TypeError), remote.transaction() as rows:
            rows[[]] = rows.setdefault("c", 3)  # a list is no key
        return sorted(store.rows)

    assert ["a", "b"] == run_at(place, sim, body)


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("place", ["outside", "plain"])
def test_a_lock_of_the_standard_library_may_be_remote(sim, place):
    lock = threading.Lock()
    remote = sim.remote(lock)

    def body():
        with remote:
            held = lock.locked()
        return held, lock.locked(), remote.locked()

    assert (True, False, False) == run_at(place, sim, body)


@pytest.mark.rule("LAM-041")
def test_outside_of_handlers_nothing_waits_and_no_time_passes(sim):
    remote = sim.remote({"a": 1}, latency=5)
    remote["b"] = remote["a"] + 1
    assert {"a": 1, "b": 2} == remote
    seen = []
    sim.call_at(1, lambda: seen.append((len(remote), sim.now)))

    async def process():
        await sim.sleep(2)
        seen.append((len(remote), sim.now))

    sim.spawn(process())
    sim.run()
    assert [(2, 1), (2, 2)] == seen
    assert 2 == sim.now


@pytest.mark.rule("LAM-041")
def test_it_says_what_it_stands_for(sim):
    assert "{'a': 1}" in repr(sim.remote({"a": 1}))


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("latency", [-1, float("nan"), float("inf"), "fast"])
def test_what_is_no_latency_is_refused(sim, latency):
    with pytest.raises(UsageError, match="latency"):
        sim.remote({}, latency=latency)


# ---- scheduling points


def two_with(sim, body, latency=0):
    """Let two interleaved handlers that start together do this; return who did what, in order."""
    done = []

    def handler(event, context):
        body(lambda step: done.append(f"{event[0]}{step}"))

    worker = sim.create_function("worker", handler, settings=[TOGETHER], timeout=60)
    for event in "ab":
        worker.invoke([event], invocation_type="Event")
    sim.run()
    assert 0 == worker.snapshot().errors, [invocation.exception for invocation in worker.invocations]
    return done


OVERTAKEN = {
    "item": lambda remote: remote["a"],
    "set item": lambda remote: remote.__setitem__("b", 1),
    "delete item": lambda remote: remote.pop("b", None),
    "len": len,
    "in": lambda remote: "a" in remote,
    "not in": lambda remote: "a" not in remote,
    "bool": lambda remote: 1 if remote else 2,
    "equal": lambda remote: remote == {"a": 1},
    "not equal": lambda remote: remote != {"a": 1},
    "method": lambda remote: remote.get("a"),
}


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("operation", OVERTAKEN.values(), ids=OVERTAKEN)
def test_every_operation_is_one_scheduling_point(sim, operation):
    remote = sim.remote({"a": 1})

    def body(tell):
        tell(1)
        operation(remote)
        tell(2)
        operation(remote)
        tell(3)

    assert ["a1", "b1", "a2", "b2", "a3", "b3"] == two_with(sim, body)


@pytest.mark.rule("LAM-041")
def test_each_step_of_an_iteration_is_one(sim):
    remote = sim.remote([1, 2])

    def body(tell):
        for number in remote:
            tell(number)
        tell("end")

    assert ["a1", "b1", "a2", "b2", "aend", "bend"] == two_with(sim, body)


@pytest.mark.rule("LAM-041")
def test_each_step_of_an_iterator_that_a_method_returns_is_one(sim):
    remote = sim.remote(Store())

    def body(tell):
        for key in remote.scan():
            tell(key)
        tell("end")

    assert ["aa", "ba", "aend", "bend"] == two_with(sim, body)


@pytest.mark.rule("LAM-041")
def test_entering_and_leaving_a_context_manager_are_two(sim):
    remote = sim.remote(Store())

    def body(tell):
        tell(0)
        with remote:
            tell(1)
        tell(2)

    assert ["a0", "b0", "a1", "b1", "a2", "b2"] == two_with(sim, body)


@pytest.mark.rule("LAM-041")
def test_attributes_are_scheduling_points_and_a_method_is_one_when_it_is_called(sim):
    remote = sim.remote(Store())

    def body(tell):
        tell(0)
        get = remote.get
        tell(1)
        get("a")
        tell(2)
        _ = remote.rows
        tell(3)
        remote.is_open = True
        tell(4)

    assert ["a0", "a1", "b0", "b1", "a2", "b2", "a3", "b3", "a4", "b4"] == two_with(sim, body)


@pytest.mark.rule("LAM-041")
def test_values_that_came_back_are_none(sim):
    remote = sim.remote({"rows": []})

    def body(tell):
        rows = remote["rows"]
        tell(1)
        rows.append(1)
        len(rows)
        tell(2)

    assert ["a1", "a2", "b1", "b2"] == two_with(sim, body)


@pytest.mark.rule("LAM-041")
def test_a_handler_is_suspended_before_the_effect(sim):
    numbers = []
    remote = sim.remote(numbers)

    def body(tell):
        tell(len(numbers))
        remote.append(1)
        tell(len(numbers))

    assert ["a0", "b0", "a1", "b2"] == two_with(sim, body)


@pytest.mark.rule("LAM-041")
def test_two_remotes_of_one_object_share_it(sim):
    own = []
    first, second = sim.remote(own), sim.remote(own, latency=1)
    first.append(1)
    second.append(2)
    assert [1, 2] == own == first == second


@pytest.mark.rule("LAM-041")
def test_a_remote_inside_of_a_remote_is_two_wires(sim):
    inner = sim.remote({"a": 1}, latency=1)
    outer = sim.remote({"inner": inner}, latency=1)

    def body():
        found = outer["inner"]["a"]
        return found, sim.now

    assert (1, 2) == run_in(sim, "interleaved", body)


# ---- latency


@pytest.mark.rule("LAM-041", "LAM-042")
@pytest.mark.parametrize("latency", [0, 0.5, Decimal("0.000001"), timedelta(seconds=2), 3])
@pytest.mark.parametrize("execution", ["plain", "interleaved"])
def test_an_operation_takes_its_latency(sim, execution, latency):
    remote = sim.remote({"a": 1}, latency=latency)
    in_us = round((latency.total_seconds() if isinstance(latency, timedelta) else latency) * 1_000_000)

    def handler(event, context):
        before = time.time_ns()
        answers = remote["a"], len(remote)
        return [*answers, (time.time_ns() - before) // 1_000]

    worker = sim.create_function("worker", handler, execution=execution, duration=0, timeout=60)
    assert [1, 1, 2 * in_us] == worker.invoke().value
    assert 2 * in_us == sim.now_us == worker.invocations[0].duration_us


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize(
    ("looked_at_us", "wanted"), [(499_999, []), (500_001, ["x"]), (999_999, ["x"]), (1_500_001, ["x", "y"])]
)
def test_the_effect_is_in_the_middle_of_the_latency(sim, looked_at_us, wanted):
    own = []
    remote = sim.remote(own, latency=1)

    def handler(event, context):
        remote.append("x")
        remote.append("y")

    sim.create_function("worker", handler).invoke(invocation_type="Event")
    sim.run(until_us=looked_at_us)
    assert wanted == own
    sim.run()
    assert 2 == sim.now


@pytest.mark.rule("LAM-041", "LAM-045")
@pytest.mark.parametrize(
    ("slept", "is_done", "goes_on"),
    [
        ("2", True, True),
        ("2.000001", True, False),
        ("2.4", True, False),
        ("2.5", True, False),
        ("2.500001", False, False),
    ],
)
def test_a_deadline_inside_of_the_latency_leaves_the_effect_done_or_not(sim, slept, is_done, goes_on):
    """One second: the effect after half of it, at 3 s the handler's time is over."""
    own, told = [], []
    remote = sim.remote(own, latency=1)

    def handler(event, context):
        time.sleep(float(slept))
        try:
            remote.append("x")
        except InvocationTimedOut:
            told.append(sim.now)
            raise
        return "answer"

    result = sim.create_function("worker", handler).invoke()
    sim.run()
    assert (["x"] if is_done else []) == own
    assert ([] if goes_on else [3]) == told
    assert ("answer" if goes_on else "Sandbox.Timedout") == (result.value if goes_on else result.value["errorType"])


@pytest.mark.rule("LAM-041", "LAM-045")
def test_what_a_handler_holds_when_its_time_is_over_stays_held(sim):
    """Its process is gone: nobody is there to say so to the other side."""
    store = Store()
    remote = sim.remote(store)

    def handler(event, context):
        with remote:
            time.sleep(event)

    worker = sim.create_function("worker", handler)
    worker.invoke(2)
    assert (1, False) == (store.opened, store.is_open)
    worker.invoke(10)
    assert (2, True) == (store.opened, store.is_open)


@pytest.mark.rule("LAM-041", "LAM-102")
def test_the_latency_of_a_plain_handler_adds_to_its_duration_and_may_time_it_out(sim):
    own = []
    remote = sim.remote(own, latency=1)

    def handler(event, context):
        for number in range(event):
            remote.append(number)
        return sim.now

    worker = sim.create_function("worker", handler, execution="plain", duration=0)
    assert 0 == worker.invoke(3).value
    assert [0, 1, 2] == own
    assert 3 == sim.now
    assert "Sandbox.Timedout" == worker.invoke(10).value["errorType"]
    assert 6 == sim.now


@pytest.mark.rule("LAM-041")
@pytest.mark.parametrize("execution", ["plain", "interleaved"])
def test_an_error_of_the_object_takes_the_latency_too(sim, execution):
    remote = sim.remote(Store(), latency=1)

    def handler(event, context):
        remote.fail()

    worker = sim.create_function("worker", handler, execution=execution, duration=0)
    assert "LookupError" == worker.invoke().value["errorType"]
    assert 1 == sim.now


@pytest.mark.rule("LAM-041")
def test_coroutine_handlers_and_plain_callbacks_pass_through(sim):
    remote = sim.remote({"a": 1})

    async def handler(event, context):
        remote["b"] = 2
        await context.sleep(1)
        return dict(remote.items())

    assert {"a": 1, "b": 2} == sim.create_function("worker", handler).invoke().value


@pytest.mark.rule("LAM-041")
def test_an_object_that_sleeps_itself_suspends_the_handler_in_the_middle_of_its_operation(sim):
    class Slow(list):
        def append(self, item):
            seen = len(self)
            time.sleep(1)
            super().append((item, seen))

    own = Slow()
    remote = sim.remote(own, latency=1)

    def handler(event, context):
        remote.append(event)
        return sim.now

    worker = sim.create_function("worker", handler, timeout=10, settings=[TOGETHER])
    for event in (1, 2):
        worker.invoke(event, invocation_type="Event")
    sim.run()
    assert [(1, 0), (2, 0)] == own
    assert [3, 3] == [invocation.result for invocation in worker.invocations]


@pytest.mark.rule("LAM-041")
def test_every_function_of_a_simulation_may_share_a_remote_object(sim):
    own = []
    remote = sim.remote(own, latency=0.5)
    for name in "ab":
        function = sim.create_function(name, lambda event, context: remote.append(context.function_name))
        function.invoke(invocation_type="Event")
    sim.run()
    assert ["a", "b"] == own
    assert 0.5 == sim.now


# ---- laws


@pytest.mark.rule("LAM-041")
@given(
    latencies=st.lists(st.sampled_from([0, 1, 100_000, 500_000]), min_size=1, max_size=3),
    keys=st.lists(st.sampled_from("abc"), min_size=1, max_size=5),
)
def test_conditional_writes_let_each_key_be_owned_once(latencies, keys):
    """Whatever the latencies are, and however the handlers overlap: one operation is not torn apart."""
    sim = Simulation(execution="interleaved")
    owners, effects = sim.remote({}, latency=Decimal(latencies[0]).scaleb(-6)), []

    def handler(event, context):
        time.sleep(event["pause_us"] / 1_000_000)
        if owners.setdefault(event["key"], context.aws_request_id) == context.aws_request_id:
            effects.append(event["key"])

    worker = sim.create_function("worker", handler, timeout=60)
    for number, key in enumerate(keys):
        pause_us = latencies[number % len(latencies)]
        worker.invoke({"key": key, "pause_us": pause_us}, invocation_type="Event")
    sim.run()
    assert sorted(set(keys)) == sorted(effects)
    assert 0 == worker.snapshot().errors


class Shelf:
    """What has a lock, and takes things by keyword."""

    def __init__(self):
        self.lock = threading.Lock()
        self.kept = None

    def put(self, operation=None, *, thing=None):
        self.kept = thing
        return operation


def test_what_is_remote_meets_the_object_itself_at_the_other_end(sim):
    """By keyword, by assignment, and whatever the keyword is called."""
    things, shelf = {"a": 1}, Shelf()
    remote = sim.remote(shelf)
    assert remote.put(operation=1, thing=sim.remote(things)) == 1
    assert shelf.kept is things
    remote.kept = sim.remote(shelf)
    assert shelf.kept is shelf


def test_context_managers_and_iterators_are_remote_wherever_they_come_from(sim):
    """Also those that are attributes or items, and what an operator returns."""
    far = [1, 2]
    for found in (sim.remote(Shelf()).lock, sim.remote({"lock": threading.Lock()})["lock"], reversed(sim.remote(far))):
        assert type(found) is Remote
    assert list(reversed(sim.remote(far))) == [2, 1]
