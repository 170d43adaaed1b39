"""Threads that call clients while `patch_boto3(threads=True)` is in: one runs at a time, the same way in every run."""

from __future__ import annotations

import _thread
import asyncio
import base64
import concurrent.futures
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from functools import partial
from threading import Lock
from time import sleep

import boto3
import botocore.waiter
import pytest
from botocore.config import Config

from lambdasim import LambdaConfig, Simulation, SqsConfig
from lambdasim.errors import SimulationStalledError, UsageError
from tests.bridge_lambda import ECHO, create

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
EARLY_LOCK = threading.Lock()
EARLY_RLOCK = threading.RLock()
EARLY_POOL = ThreadPoolExecutor(2)
CLIENT = boto3.client("sqs", config=Config(retries={"mode": "standard"}), **KEYS)
PLACES = {
    (threading, "Lock"): threading.Lock,
    (threading, "RLock"): threading.RLock,
    (threading, "_allocate_lock"): threading._allocate_lock,
    (threading.Thread, "start"): threading.Thread.start,
    (threading.Thread, "join"): threading.Thread.join,
    (ThreadPoolExecutor, "submit"): ThreadPoolExecutor.submit,
    (queue, "SimpleQueue"): queue.SimpleQueue,
    (time, "sleep"): time.sleep,
    (botocore.waiter, "time"): time,
}
NAMES = {"EARLY_LOCK": EARLY_LOCK, "EARLY_RLOCK": EARLY_RLOCK, "Lock": Lock, "sleep": sleep}


@pytest.fixture(autouse=True)
def _nothing_stays():
    yield
    for (owner, name), value in PLACES.items():
        assert vars(owner)[name] is value, name
    assert {name: globals()[name] for name in NAMES} == NAMES


@pytest.fixture
def orders(sim):
    found = sim.create_queue("orders")
    for number in range(6):
        found.send_message(f"order {number}")
    return found


@pytest.fixture
def sqs(sim):
    return sim.client("sqs")


def started(*targets):
    """Start a thread for each."""
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def joined(*targets):
    """Start a thread for each, and wait for all of them."""
    for thread in started(*targets):
        thread.join()


# ---- threads of a test


def play(log):
    """Let three workers of a pool receive and delete six messages."""
    sim = Simulation(settings=[SqsConfig(call_latency_s=0.01)])
    orders = sim.create_queue("orders")
    for number in range(6):
        orders.send_message(f"order {number}")
    sqs = sim.client("sqs")
    start = sim.now_us

    def work(number):
        (message,) = sqs.receive_message(QueueUrl=orders.url, WaitTimeSeconds=1)["Messages"]
        log.append((sim.now_us - start, number, message["Body"]))
        time.sleep(1)
        sqs.delete_message(QueueUrl=orders.url, ReceiptHandle=message["ReceiptHandle"])
        return message["Body"]

    with sim.patch_boto3(threads=True), ThreadPoolExecutor(3) as pool:
        log.append(list(pool.map(work, range(6))))
    log.append((sim.now_us - start, orders.snapshot().deleted))
    log.append(sim.trace.to_json_lines())
    return log


def test_a_pool_works_side_by_side_in_simulated_time():
    log = play([])
    assert log[:6] == [
        *((10_000, number, f"order {number}") for number in range(3)),
        *((1_030_000, number, f"order {number}") for number in range(3, 6)),
    ]
    assert log[6] == [f"order {number}" for number in range(6)]
    assert log[7] == (2_040_000, 6)


def test_every_run_is_the_same():
    assert play([]) == play([])


def test_threads_go_on_in_the_order_in_which_they_were_started(sim, sqs):
    log = []

    def work(name):
        for step in range(3):
            log.append((step, name))
            sqs.list_queues()

    with sim.patch_boto3(threads=True):
        joined(*(partial(work, name) for name in "abc"))
    assert log == [(step, name) for step in range(3) for name in "abc"]


def test_a_call_of_the_test_lets_threads_run(sim, sqs, orders):
    done = []
    with sim.patch_boto3(threads=True):
        started(lambda: done.append(sqs.purge_queue(QueueUrl=orders.url)))
        while not done:
            sqs.list_queues()
    assert (sim.now, orders.visible) == (0, 0)


def test_time_passes_only_where_all_threads_wait(sim, sqs, orders):
    log = []

    def beat():
        for _ in range(3):
            time.sleep(10)
            log.append(sim.now)

    with sim.patch_boto3(threads=True):
        (thread,) = started(beat)
        assert sim.now == 0
        time.sleep(25)
        assert log == [10, 20]
        thread.join()
    assert log == [10, 20, 30]


def test_a_long_poll_of_one_thread_ends_with_the_send_of_another(sim, sqs):
    sim.create_queue("orders")
    found = []

    def receive():
        url = CLIENT.get_queue_url(QueueName="orders")["QueueUrl"]
        answer = CLIENT.receive_message(QueueUrl=url, WaitTimeSeconds=20)
        found.append((sim.now, answer["Messages"][0]["Body"]))

    def send():
        time.sleep(3)
        sqs.send_message(QueueUrl=sim.queue("orders").url, MessageBody="order 1")

    with sim.patch_boto3(threads=True):
        joined(receive, send)
    assert found == [(3, "order 1")]


def test_locks_events_conditions_and_queues_wait_in_simulated_time(sim):
    log = []
    with sim.patch_boto3(threads=True):
        ready, stop, lock = queue.Queue(), threading.Event(), threading.RLock()

        def produce():
            for number in range(3):
                with lock, lock:
                    time.sleep(1)
                ready.put(number)
            stop.set()

        def consume():
            for _ in range(3):
                log.append((ready.get(), sim.now))
                with lock:
                    log.append(("has it", sim.now))

        def watch():
            while not stop.wait(timeout=0.75):
                log.append(("not yet", sim.now))

        joined(produce, consume, watch)
    assert log == [  # who gives a lock back and takes it again at once, is the first to have it
        ("not yet", 0.75),
        (0, 1),
        ("not yet", 1.5),
        ("not yet", 2.25),
        ("has it", 3),
        (1, 3),
        ("has it", 3),
        (2, 3),
        ("has it", 3),
    ]


def test_waits_with_a_time_limit_end_with_it(sim):
    with sim.patch_boto3(threads=True):
        lock = threading.Lock()
        lock.acquire()
        found = []
        joined(lambda: found.append((lock.acquire(timeout=2), sim.now)))
        assert found == [(False, 2)]
        assert not lock.acquire(timeout=3)
        assert sim.now == 5
        with pytest.raises(queue.Empty):
            queue.Queue().get(timeout=1)
        (thread,) = started(lambda: time.sleep(10))
        thread.join(timeout=4)
        assert (thread.is_alive(), sim.now) == (True, 10)
        thread.join()
        assert (thread.is_alive(), sim.now) == (False, 16)


def test_locks_are_locks(sim):
    with sim.patch_boto3(threads=True):
        lock = threading.Lock()
        assert (lock.acquire(), lock.locked(), lock.acquire(blocking=False)) == (True, True, False)
        assert repr(lock) == "<locked lock of a simulation>"
        with pytest.raises(ValueError, match="timeout"):
            lock.acquire(blocking=False, timeout=1)
        lock.release()
        assert repr(lock) == "<unlocked lock of a simulation>"
        with pytest.raises(RuntimeError, match="unlocked"):
            lock.release()


def test_time_limits_of_a_thread_are_those_of_its_clock(sim):
    found = []

    def get():
        time.sleep(0.5)
        with pytest.raises(queue.Empty):
            queue.Queue().get(timeout=0.25)
        found.append(sim.now)

    with sim.patch_boto3(threads=True):
        joined(get)
    assert found == [0.75]


def test_a_timer_goes_off_in_simulated_time(sim):
    seen = []
    with sim.patch_boto3(threads=True):
        timer = threading.Timer(60, lambda: seen.append(sim.now))
        timer.start()
        timer.join()
    assert seen == [60]


def test_results_come_as_they_are_completed(sim):
    def work(duration):
        time.sleep(duration)
        return duration

    with sim.patch_boto3(threads=True), ThreadPoolExecutor() as pool:
        futures = [pool.submit(work, duration) for duration in (3, 1, 2)]
        assert [future.result() for future in as_completed(futures)] == [1, 2, 3]
        late = pool.submit(work, 5)
        with pytest.raises(concurrent.futures.TimeoutError):
            late.result(timeout=2)
        assert sim.now == 5
        assert late.result() == 5


def test_locks_and_pools_that_were_made_before_work_as_well(sim, sqs, orders):
    log = []

    def work(name):
        with EARLY_LOCK, EARLY_RLOCK:
            log.append(name)
            sqs.list_queues()
            sleep(1)
            log.append(name)

    with sim.patch_boto3(threads=True):
        joined(partial(work, "a"), partial(work, "b"))
        assert log == ["a", "a", "b", "b"]
        assert EARLY_POOL.submit(work, "c").result() is None
        own = Lock()
        own.acquire()
        started(own.release)
        assert own.acquire()
    assert sim.now == 3
    assert EARLY_POOL.submit(sorted, [2, 1]).result() == [1, 2]  # its thread is one like any other again


def test_waiters_of_several_threads_wait_side_by_side(sim):
    client = sim.client("lambda")
    done = []

    def wait(name):
        client.get_waiter("function_exists").wait(FunctionName=name)
        done.append((name, sim.now))

    with sim.patch_boto3(threads=True):
        threads = started(partial(wait, "first"), partial(wait, "second"))
        sim.call_at(2, create, client, "second", ECHO)
        sim.call_at(7, create, client, "first", ECHO)
        for thread in threads:
            thread.join()
    assert done == [("second", 2), ("first", 7)]


# ---- what may go wrong


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_exception_ends_its_thread_and_nothing_else(sim, monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append((args.exc_type, args.thread.name)))

    def fail():
        CLIENT.get_queue_url(QueueName="nowhere")

    with sim.patch_boto3(threads=True):
        failing = threading.Thread(target=fail, name="failing")
        failing.start()
        joined(partial(sim.create_queue, "orders"))
        failing.join()
        with ThreadPoolExecutor() as pool, pytest.raises(CLIENT.exceptions.QueueDoesNotExist):
            pool.submit(fail).result()
    assert seen == [(CLIENT.exceptions.QueueDoesNotExist, "failing")]
    assert [queue.name for queue in sim.queues] == ["orders"]


def test_an_interrupt_waits_until_the_thread_stops(sim):
    """Who interrupts a test does so where it stands, and the next thread has its turn as ever."""
    log = []

    def work():
        _thread.interrupt_main()
        log.append("goes on")
        time.sleep(1)
        log.append(sim.now)

    with sim.patch_boto3(threads=True):
        (thread,) = started(work)
        with pytest.raises(KeyboardInterrupt):
            time.sleep(0.5)
        assert log == ["goes on"]
        thread.join()
    assert log == ["goes on", 1]


def test_a_deadlock_is_reported(sim):
    with sim.patch_boto3(threads=True):
        first, second = threading.Lock(), threading.Lock()

        def take(one, other):
            with one:
                time.sleep(1)
                with other:
                    raise AssertionError

        threads = started(partial(take, first, second), partial(take, second, first))
        with pytest.raises(SimulationStalledError, match=r"MainThread waits .* so do the threads .* at 1\.0 s"):
            threads[0].join()


def test_threads_that_still_run_end_with_the_patch(sim):
    log = []

    def beat():
        try:
            while True:
                time.sleep(1)
                log.append(sim.now)
        finally:
            log.append("ended")

    def swallow():
        while True:
            with suppress(BaseException):
                time.sleep(1)

    threads = []

    @sim.patch_boto3(threads=True)
    def run():
        threads.extend(started(beat, swallow))
        time.sleep(2.5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert log == [1, 2, "ended"]
    assert not threads[0].is_alive()
    sim.run()
    assert log == [1, 2, "ended"]


def test_threads_end_with_locks_that_others_have(sim):
    """What a thread does on its way out is refused where it would wait."""
    log = []
    with sim.patch_boto3(threads=True):
        lock = threading.Lock()

        def hold():
            with lock:
                time.sleep(100)

        def wait():
            try:
                time.sleep(100)
            finally:
                with lock:
                    log.append("not without the lock")

        stuck = threading.Lock()
        stuck.acquire()
        threads = started(wait, hold, stuck.acquire)
        pool = ThreadPoolExecutor(2)
        futures = [pool.submit(stuck.acquire), pool.submit(sim.create_queue, "orders")]
        futures[1].result()
    assert log == []
    for thread in threads:
        assert not thread.is_alive()
    pool.shutdown()
    assert isinstance(futures[0].exception(), SystemExit)


def test_a_pool_that_still_has_work_starts_no_threads_any_more(sim):
    inner = []

    def work():
        inner.extend(started(partial(time.sleep, 1)))
        time.sleep(5)

    with sim.patch_boto3(threads=True):
        pool = ThreadPoolExecutor(1)
        futures = [pool.submit(work) for _ in range(3)]
        time.sleep(2)
    assert [type(future.exception()).__name__ for future in futures] == ["ThreadEnded"] * 3
    assert [thread.is_alive() for thread in inner] == [False]
    pool.shutdown()


def test_a_long_poll_ends_with_its_thread(sim, sqs):
    orders = sim.create_queue("orders")
    with sim.patch_boto3(threads=True):
        (thread,) = started(partial(sqs.receive_message, QueueUrl=orders.url, WaitTimeSeconds=20))
        time.sleep(1)
    assert not thread.is_alive()
    orders.send_message("order 1")
    sim.run_for(0)
    assert (orders.visible, orders.in_flight) == (1, 0)  # nobody is there to receive it


def test_a_thread_that_never_had_its_turn_never_runs(sim):
    log = []
    with sim.patch_boto3(threads=True):
        (thread,) = started(partial(log.append, 1))
    assert (log, thread.is_alive()) == ([], False)


def test_a_thread_is_started_once(sim):
    with sim.patch_boto3(threads=True):
        (thread,) = started(list)
        thread.join()
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
        with pytest.raises(RuntimeError, match="current thread"):
            threading.current_thread().join()


def test_threads_of_nobody_are_as_they_always_are(sim):
    """A thread that was started before is none of the simulation's."""
    begin, seen, end = queue.SimpleQueue(), queue.SimpleQueue(), queue.SimpleQueue()

    def work():
        begin.get()
        try:
            CLIENT.list_queues()
        except UsageError as error:
            seen.put(str(error))
        time.sleep(0)
        lock = threading.Lock()
        with lock:
            inner = threading.Thread(target=end.put, args=[lock.acquire(timeout=0.001)])
            inner.start()
            inner.join()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    with sim.patch_boto3(threads=True):
        begin.put(None)
        assert "comes from another thread than that of the simulation" in seen.get()
        assert end.get() is False
        thread.join()
    assert sim.now == 0


def test_without_the_option_threads_are_refused(sim, sqs):
    seen = []

    def call():
        with pytest.raises(UsageError, match=r"patch_boto3\(threads=True\)"):
            sqs.list_queues()
        seen.append(1)

    with sim.patch_boto3():
        joined(call)
    assert seen == [1]


def test_event_loops_do_not_wait_for_threads(sim):
    async def main():
        with pytest.raises(UsageError, match="event loop of asyncio"):
            await asyncio.to_thread(CLIENT.list_queues)

    with sim.patch_boto3(threads=True):
        asyncio.run(main())


def test_patches_may_be_nested(sim):
    other, log = Simulation(), []
    patch = sim.patch_boto3(threads=True)
    with patch:
        joined(partial(CLIENT.create_queue, QueueName="outer"))
        with other.patch_boto3(threads=True):
            joined(lambda: log.append(time.sleep(5)), partial(CLIENT.create_queue, QueueName="inner"))
        with patch:
            joined(partial(CLIENT.create_queue, QueueName="again"))
        (thread,) = started(lambda: time.sleep(1))
        thread.join()
    assert [queue.name for queue in sim.queues] == ["outer", "again"]
    assert [queue.name for queue in other.queues] == ["inner"]
    assert (sim.now, other.now, log) == (1, 5, [None])


def test_it_decorates_functions(sim):
    @sim.patch_boto3(threads=True)
    def run():
        with ThreadPoolExecutor() as pool:
            return pool.submit(CLIENT.create_queue, QueueName="orders").result()["QueueUrl"]

    assert run() == sim.queue("orders").url


# ---- threads of handlers


def beating(client_of_handler, log, sim):
    """A handler that works for 10 s while a thread of it keeps its message away from others."""

    def handler(event, _):
        (record,) = event["Records"]
        over = threading.Event()

        def beat():
            while not over.wait(3):
                client_of_handler.change_message_visibility(
                    QueueUrl=sim.queue("orders").url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=5
                )
                log.append(sim.now)

        heart = threading.Thread(target=beat)
        heart.start()
        time.sleep(10)
        over.set()
        heart.join()

    return handler


def test_a_thread_of_an_interleaved_handler_works_beside_it():
    sim = Simulation(execution="interleaved")
    orders = sim.create_queue("orders", visibility_timeout=5)
    log = []
    worker = sim.create_function("worker", beating(CLIENT, log, sim), timeout=20)
    with sim.patch_boto3(threads=True):
        orders.send_message("order 1")
        (message,) = orders.receive_message()
        event = {"Records": [{"receiptHandle": message.receipt_handle}]}
        assert worker.invoke(event).function_error is None
    assert log == [3, 6, 9]
    assert orders.in_flight == 1  # until 14 s
    sim.run_for(4)
    assert orders.visible == 1


def test_threads_of_a_handler_see_its_world():
    sim = Simulation(execution="interleaved")
    seen = []

    def handler(event, context):
        import os

        def look():
            print("from a thread")  # noqa: T201 - it comes in the log
            seen.append((os.environ["STAGE"], os.environ["AWS_LAMBDA_FUNCTION_NAME"], time.time(), event))
            context.sleep(1)
            time.sleep(1)
            seen.append((os.environ["STAGE"], time.monotonic()))

        with ThreadPoolExecutor() as pool:
            pool.submit(look).result()
        return time.time()

    worker = sim.create_function("worker", handler, environment={"STAGE": "test"})
    with sim.patch_boto3(threads=True):
        result = worker.invoke(1, log_type="Tail")
    start_s = sim.clock.start_us / 1e6
    assert seen == [("test", "worker", start_s, 1), ("test", 2)]
    assert result.value == start_s + 2
    assert "from a thread" in base64.b64decode(result.log_result).decode()


def test_handlers_with_threads_run_side_by_side():
    sim = Simulation(settings=[LambdaConfig(call_latency_s=0.5)], execution="interleaved")
    log = []

    def handler(event, _):
        def look(step):
            sim.client("lambda").list_functions()
            log.append((event, step, sim.now))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(look, range(3)))

    worker = sim.create_function("worker", handler)
    with sim.patch_boto3(threads=True):
        for event in (1, 2):
            worker.invoke(event, invocation_type="Event")
        sim.run()
    assert log == [
        *((event, step, 0.5) for event in (1, 2) for step in (0, 1)),
        (1, 2, 1),
        (2, 2, 1),
    ]


def test_threads_of_a_process_that_ends_end_with_it():
    sim = Simulation(execution="interleaved")
    log = []

    def handler(_event, _):
        def beat():
            try:
                while True:
                    time.sleep(1)
                    log.append(sim.now)
            finally:
                log.append("ended")

        threading.Thread(target=beat).start()
        time.sleep(60)

    worker = sim.create_function("worker", handler, timeout=3)
    with sim.patch_boto3(threads=True):
        assert worker.invoke().function_error == "Unhandled"
        sim.run()
    assert log == [1, 2, 3, "ended"]


def test_threads_of_a_plain_handler_take_turns_within_its_duration(sim, sqs, orders):
    log = []

    def handler(_event, _):
        def work(number):
            answer = sqs.receive_message(QueueUrl=orders.url)
            log.append((number, answer["Messages"][0]["Body"]))
            time.sleep(2)
            return time.monotonic()

        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(work, range(6)))

    worker = sim.create_function("worker", handler, timeout=10, duration=0)
    with sim.patch_boto3(threads=True):
        assert worker.invoke().value == [2, 2, 2, 4, 4, 4]
    assert log == [(number, f"order {number}") for number in range(6)]
    assert sim.now == 4


@pytest.mark.parametrize("execution", ["plain", "interleaved"])
def test_handlers_wait_with_a_time_limit(sim, execution):
    def handler(_event, _):
        with pytest.raises(queue.Empty):
            queue.Queue().get(timeout=2)
        first = time.monotonic()
        (thread,) = started(partial(time.sleep, 10))
        thread.join(timeout=3)
        return [first, time.monotonic(), thread.is_alive()]

    worker = sim.create_function("worker", handler, timeout=30, execution=execution, duration=0)
    with sim.patch_boto3(threads=True):
        assert worker.invoke().value == [2, 5, True]


def test_a_call_of_a_plain_handler_lets_its_threads_run(sim, sqs):
    def handler(_event, _):
        done = []
        started(partial(done.append, 1))
        calls = 0
        while not done:
            sqs.list_queues()
            calls += 1
        return calls

    worker = sim.create_function("worker", handler)
    with sim.patch_boto3(threads=True):
        assert worker.invoke().value == 1


def test_a_pool_of_an_environment_is_used_again(sim):
    def init():
        pool = ThreadPoolExecutor(1)
        return lambda event, _: pool.submit(lambda: event + 1).result()

    plain = sim.create_function("plain", init=init)
    interleaved = sim.create_function("interleaved", init=init, execution="interleaved")
    with sim.patch_boto3(threads=True):
        assert [plain.invoke(number).value for number in (1, 2)] == [2, 3]
        assert [interleaved.invoke(number).value for number in (1, 2)] == [2, 3]


def test_a_deadlock_in_a_plain_handler_is_its_error(sim):
    def handler(_event, _):
        lock = threading.Lock()
        lock.acquire()
        (thread,) = started(lock.acquire)
        thread.join()

    worker = sim.create_function("worker", handler)
    with sim.patch_boto3(threads=True):
        answer = worker.invoke()
    assert answer.function_error == "Unhandled"
    assert "SimulationStalledError" in answer.payload.decode()


def test_a_thread_of_a_plain_handler_that_asks_again_and_again_is_noticed(sim, sqs, monkeypatch):
    monkeypatch.setattr("lambdasim.bridges.strands._AT_ONCE_MAX", 100)
    sim.create_queue("orders")

    def handler(_event, _):
        def poll():
            while "Messages" not in sqs.receive_message(QueueUrl=sim.queue("orders").url, WaitTimeSeconds=20):
                pass

        joined(poll)

    worker = sim.create_function("worker", handler)
    with sim.patch_boto3(threads=True):
        assert "where time stands still" in worker.invoke().payload.decode()


def test_a_plain_handler_whose_threads_take_too_long_times_out(sim):
    def handler(_event, _):
        joined(lambda: time.sleep(5))

    worker = sim.create_function("worker", handler, timeout=3)
    with sim.patch_boto3(threads=True):
        assert "timed out" in worker.invoke().payload.decode()
    assert sim.now == 3


def test_threads_of_a_callback_have_no_time(sim, sqs, orders):
    log = []

    def act():
        joined(
            lambda: log.append(sqs.receive_message(QueueUrl=orders.url)["Messages"][0]["Body"]), partial(time.sleep, 5)
        )
        log.append(sim.now)

    with sim.patch_boto3(threads=True):
        sim.call_at(1, act)
        sim.run()
    assert log == ["order 0", 1]
