"""Which clients a simulation answers, where their calls go, and what of the process is as it was afterwards."""

from __future__ import annotations

import asyncio
import inspect
import random
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import boto3
import botocore.endpoint
import botocore.httpsession
import botocore.session
import botocore.signers
import botocore.waiter
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from lambdasim import Faults, Simulation
from lambdasim.bridges.records import Answer
from lambdasim.bridges.wire import response_of
from lambdasim.errors import UsageError

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
STANDARD = Config(retries={"mode": "standard"})  # as is the default today
EARLY = boto3.client("sqs", config=STANDARD, **KEYS)  # before there was any simulation
PLACES = [
    (botocore.endpoint.Endpoint, "_do_get_response"),
    (botocore.endpoint.Endpoint, "_needs_retry"),
    (botocore.waiter.Waiter, "wait"),
    (botocore.signers.RequestSigner, "sign"),
    (botocore.session.Session, "create_client"),
]
AT_FIRST = [owner.__dict__[name] for owner, name in PLACES]


class LeftTheSimulationError(Exception):
    """A test touched the network."""


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*_args):
        raise LeftTheSimulationError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(botocore.httpsession.URLLib3Session, "send", refuse)


@pytest.fixture(autouse=True)
def _nothing_stays():
    clock, finders = time.sleep, list(sys.meta_path)
    yield
    assert [owner.__dict__[name] for owner, name in PLACES] == AT_FIRST
    assert time.sleep in (clock, None)  # None: a test put it there
    assert sys.meta_path == finders


@pytest.fixture
def _unconfigured(monkeypatch):
    """A process in which nobody has said anything about AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


class Choose:
    """Answers the last option at the first *times* questions about one point."""

    def __init__(self, name, times):
        self.name = name
        self.times = times

    def choose(self, point, options):
        if point.name != self.name or not self.times:
            return 0
        self.times -= 1
        return len(options) - 1


# ---- which clients


def test_a_client_of_a_simulation_asks_it_and_nobody_else(sim):
    orders = sim.create_queue("orders")
    client = sim.client("sqs")
    assert client.get_queue_url(QueueName="orders")["QueueUrl"] == orders.url
    client.send_message(QueueUrl=orders.url, MessageBody="order 1")
    assert [message.body for message in orders.messages] == ["order 1"]
    with pytest.raises(LeftTheSimulationError):
        EARLY.list_queues()


def test_clients_of_several_simulations_work_side_by_side():
    first, second = Simulation(), Simulation(region="eu-west-1")
    first.create_queue("here")
    second.create_queue("there")
    one, other = first.client("sqs"), second.client("sqs")
    assert other.meta.region_name == "eu-west-1"
    assert one.list_queues()["QueueUrls"] == [first.queue("here").url]
    with first.patch_boto3():
        assert other.list_queues()["QueueUrls"] == [second.queue("there").url]
        assert EARLY.list_queues()["QueueUrls"] == [first.queue("here").url]


def test_a_resource_of_a_simulation(sim):
    queue = sim.resource("sqs").create_queue(QueueName="orders")
    queue.send_message(MessageBody="order 1")
    (message,) = queue.receive_messages()
    message.delete()
    assert (queue.url, sim.queue("orders").deleted) == (sim.queue("orders").url, 1)


@pytest.mark.parametrize("make", ["client", "resource"])
def test_there_are_no_clients_of_other_services(sim, make):
    with pytest.raises(UsageError, match="'s3': a simulation answers for 'sqs' and 'lambda'"):
        getattr(sim, make)("s3")


def test_queues_live_in_the_region_of_the_client(sim):
    client = sim.client("sqs", region_name="eu-central-1")
    url = client.create_queue(QueueName="orders")["QueueUrl"]
    assert "eu-central-1" in url
    assert sim.client("sqs").list_queues().get("QueueUrls") is None
    assert sim.list_queues().queue_urls == ()
    with sim.patch_boto3():
        assert boto3.client("sqs", **{**KEYS, "region_name": "eu-central-1"}).list_queues()["QueueUrls"] == [url]


def test_every_client_of_the_process_asks_the_simulation_that_is_patched_in(sim):
    with sim.patch_boto3():
        late = boto3.client("sqs", **KEYS)
        url = late.create_queue(QueueName="orders")["QueueUrl"]
        EARLY.send_message(QueueUrl=url, MessageBody="order 1")
        boto3.resource("sqs", **KEYS).Queue(url).send_message(MessageBody="order 2")
    assert [message.body for message in sim.queue("orders").messages] == ["order 1", "order 2"]
    with pytest.raises(LeftTheSimulationError):
        late.list_queues()


def test_the_innermost_patch_counts():
    outer, inner = Simulation(), Simulation()
    with outer.patch_boto3():
        with inner.patch_boto3():
            EARLY.create_queue(QueueName="inner")
        EARLY.create_queue(QueueName="outer")
    assert [queue.name for queue in (*outer.queues, *inner.queues)] == ["outer", "inner"]


def test_the_same_patch_may_be_entered_again(sim):
    patch = sim.patch_boto3(sleep=True)
    for name in ("first", "second"):
        with patch:
            with patch:
                EARLY.create_queue(QueueName=name)
            time.sleep(1)
    assert ([queue.name for queue in sim.queues], sim.now) == (["first", "second"], 2)


def test_a_patch_decorates_functions(sim):
    @sim.patch_boto3()
    def make(name):
        """Make a queue."""
        return EARLY.create_queue(QueueName=name)["QueueUrl"]

    assert (make.__name__, make.__doc__) == ("make", "Make a queue.")
    assert make("orders") == sim.queue("orders").url
    with pytest.raises(LeftTheSimulationError):
        EARLY.list_queues()


def test_a_patch_decorates_what_runs_later_than_it_is_called(sim):
    """A coroutine, a generator, such as a fixture of pytest, and both at once."""

    @sim.patch_boto3()
    async def make(name):
        await asyncio.sleep(0)
        return EARLY.create_queue(QueueName=name)["QueueUrl"]

    @sim.patch_boto3()
    def made(name):
        yield EARLY.create_queue(QueueName=name)["QueueUrl"]

    @sim.patch_boto3()
    async def made_later(name):
        yield EARLY.create_queue(QueueName=name)["QueueUrl"]

    async def first_of(items):
        return [item async for item in items]

    urls = [asyncio.run(make("one")), *made("two"), *asyncio.run(first_of(made_later("three")))]
    assert urls == [sim.queue(name).url for name in ("one", "two", "three")]
    assert inspect.iscoroutinefunction(make)
    assert inspect.isgeneratorfunction(made)
    assert inspect.isasyncgenfunction(made_later)


def test_a_patch_decorates_no_classes(sim):
    """Their tests would not be found any more."""
    with pytest.raises(UsageError, match="TestOrders is a class; decorate its methods"):
        sim.patch_boto3()(type("TestOrders", (), {}))


@pytest.mark.parametrize("options", [{}, {"sleep": True}, {"threads": True}])
def test_patches_may_end_in_another_order(options):
    """As those that are begun in `setUp`, and ended by hand."""
    patches = [Simulation().patch_boto3(**options) for _ in range(3)]
    sleep, start = time.sleep, threading.Thread.start
    for patch in patches:
        patch.__enter__()
    for patch in (patches[1], patches[0], patches[2]):
        patch.__exit__(None, None, None)
    assert [owner.__dict__[name] for owner, name in PLACES] == AT_FIRST
    assert (time.sleep, threading.Thread.start) == (sleep, start)


def test_a_patch_that_a_handler_leaves_behind_ends_with_its_turn(sim):
    other = Simulation()

    def handler(_event, _context):
        other.patch_boto3().__enter__()
        EARLY.create_queue(QueueName="left")

    sim.create_function("worker", handler).invoke()
    assert [queue.name for queue in (*sim.queues, *other.queues)] == ["left"]
    with pytest.raises(LeftTheSimulationError):
        EARLY.list_queues()


def test_nothing_stays_patched_whatever_happens(sim):
    with pytest.raises(ZeroDivisionError), sim.patch_boto3(sleep=True):
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt), sim.patch_boto3():
        raise KeyboardInterrupt
    assert [owner.__dict__[name] for owner, name in PLACES] == AT_FIRST


def test_a_patch_takes_those_with_it_that_were_left_behind(sim):
    with sim.patch_boto3():
        Simulation().patch_boto3().__enter__()
        sim.patch_boto3(sleep=True).__enter__()
    assert [owner.__dict__[name] for owner, name in PLACES] == AT_FIRST
    outer, inner = Simulation().patch_boto3(), Simulation().patch_boto3()
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    with sim.patch_boto3():
        EARLY.create_queue(QueueName="orders")
    assert [queue.name for queue in sim.queues] == ["orders"]
    inner.__exit__(None, None, None)
    assert [owner.__dict__[name] for owner, name in PLACES] == AT_FIRST


@pytest.mark.usefixtures("_unconfigured")
def test_clients_need_neither_region_nor_credentials(sim):
    url = sim.create_queue("orders").url
    with sim.patch_boto3():
        client = boto3.client("sqs")
        assert client.meta.region_name == sim.region
        client.send_message(QueueUrl=url, MessageBody="order 1")
        boto3.resource("sqs").Queue(url).send_message(MessageBody="order 2")
    sim.client("sqs").send_message(QueueUrl=url, MessageBody="order 3")
    assert len(sim.queue("orders").messages) == 3


@pytest.mark.usefixtures("_unconfigured")
def test_a_client_without_credentials_that_was_made_before(sim, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    early = boto3.client("sqs", region_name="us-east-1")
    with sim.patch_boto3():
        early.create_queue(QueueName="orders")
    assert sim.queue("orders")


CONFIGURATION = """
[default]
region = eu-west-1
[profile assumed]
role_arn = arn:aws:iam::123456789012:role/developer
source_profile = base
[profile base]
aws_access_key_id = x
aws_secret_access_key = x
[profile sso]
sso_start_url = https://example.awsapps.com/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = developer
[profile program]
credential_process = /nowhere/program
"""
FETCHED = [
    {"AWS_PROFILE": "assumed"},
    {"AWS_PROFILE": "sso"},
    {"AWS_PROFILE": "program"},
    {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/credentials"},
    {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/builder"},
]


@pytest.mark.usefixtures("_unconfigured")
@pytest.mark.parametrize("variables", FETCHED, ids=lambda variables: next(iter(variables.values())))
def test_credentials_are_not_fetched(sim, monkeypatch, tmp_path, variables):
    """Neither from a network nor from a program: on machines of developers and in containers as well."""
    (tmp_path / "config").write_text(CONFIGURATION)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with sim.patch_boto3():
        boto3.client("sqs").create_queue(QueueName="orders")
        assert boto3.client("lambda").list_functions()["Functions"] == []
    assert len(sim.queues) == 1


@pytest.mark.usefixtures("_unconfigured")
def test_credentials_of_earlier_clients_are_not_fetched_again(sim, monkeypatch, tmp_path):
    (tmp_path / "config").write_text(CONFIGURATION)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    early = boto3.Session(profile_name="assumed").client("sqs", region_name="eu-west-1")
    seen = []
    early.meta.events.register("before-sign.sqs", lambda **_: seen.append("before-sign"))
    with sim.patch_boto3():
        url = early.create_queue(QueueName="orders")["QueueUrl"]
    assert "eu-west-1" in url
    assert seen == ["before-sign"]
    with pytest.raises(LeftTheSimulationError):
        early.list_queues()


@pytest.mark.usefixtures("_unconfigured")
def test_a_region_may_be_said_in_a_config_or_be_empty(sim, monkeypatch):
    config = Config(region_name="eu-west-1")
    with sim.patch_boto3():
        assert boto3.client("sqs", config=config).meta.region_name == "eu-west-1"
        monkeypatch.setenv("AWS_DEFAULT_REGION", "")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        assert boto3.client("sqs").meta.region_name == sim.region
        client = botocore.session.Session().create_client("sqs", "eu-west-2", None, False)
        assert client.meta.endpoint_url == "http://sqs.eu-west-2.amazonaws.com"
    assert sim.client("sqs", config=config).meta.region_name == "eu-west-1"


def test_an_option_that_is_none_is_left_out(sim):
    """As with `region_name=os.environ.get("AWS_REGION")`."""
    client = sim.client("sqs", region_name=None, aws_access_key_id=None, aws_secret_access_key=None)
    assert client.meta.region_name == sim.region
    client.create_queue(QueueName="orders")
    assert sim.resource("sqs", region_name=None).get_queue_by_name(QueueName="orders").url == sim.queue("orders").url


# ---- other services


def answer_of_others(request, **_):
    return AWSResponse(request.url, 200, {}, response_of(Answer(200, {}, b'{"TableNames": ["one"]}'), "").raw)


def test_calls_to_other_services_go_where_they_would_have_gone(sim):
    tables = boto3.client("dynamodb", **KEYS)
    with sim.patch_boto3():
        with pytest.raises(LeftTheSimulationError):
            boto3.client("dynamodb", **KEYS, config=Config(retries={"max_attempts": 0})).list_tables()
        tables.meta.events.register("before-send.dynamodb", answer_of_others)  # as a mock of another library does
        assert tables.list_tables()["TableNames"] == ["one"]


def test_calls_to_other_services_may_be_refused(sim):
    tables = boto3.client("dynamodb", **KEYS)
    with (
        sim.patch_boto3(others=False),
        pytest.raises(UsageError, match=r"dynamodb\.ListTables would leave the simulation: it answers SQS and Lambda"),
    ):
        tables.list_tables()


# ---- time


def test_a_long_poll_from_a_test_drives_simulated_time(sim):
    orders = sim.create_queue("orders")
    sim.call_later(7, orders.send_message, "order 1")
    client = sim.client("sqs")
    assert client.receive_message(QueueUrl=orders.url, WaitTimeSeconds=20)["Messages"][0]["Body"] == "order 1"
    assert sim.now == 7
    assert "Messages" not in client.receive_message(QueueUrl=orders.url, WaitTimeSeconds=20)
    assert sim.now == 27


def test_a_long_poll_in_a_callback_answers_at_once(sim):
    orders = sim.create_queue("orders")
    seen = []

    def look():
        seen.append((EARLY.receive_message(QueueUrl=orders.url, WaitTimeSeconds=20).get("Messages"), sim.now))

    with sim.patch_boto3():
        sim.call_later(1, look)
        sim.run()
    assert seen == [(None, 1)]


def test_retries_of_a_client_take_simulated_time(monkeypatch):
    sim = Simulation(faults=Faults(throttle_probability=0.5), choices=Choose("sqs.throttle", 2))
    orders = sim.create_queue("orders")
    monkeypatch.setattr(time, "sleep", None)  # whoever calls the real one fails
    config = Config(retries={"mode": "standard", "total_max_attempts": 3})
    answer = sim.client("sqs", config=config).send_message(QueueUrl=orders.url, MessageBody="order 1")
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert 0 < sim.now <= 3
    assert orders.sent == 1


def test_retries_under_a_patch_take_simulated_time(monkeypatch):
    sim = Simulation(faults=Faults(throttle_probability=0.5), choices=Choose("sqs.throttle", 2))
    orders = sim.create_queue("orders")
    monkeypatch.setattr(time, "sleep", None)
    with sim.patch_boto3():
        assert EARLY.send_message(QueueUrl=orders.url, MessageBody="order 1")["ResponseMetadata"]["RetryAttempts"] == 2
    assert sim.now > 0


def test_a_lost_answer_is_a_time_out_that_the_client_tries_again(monkeypatch):
    sim = Simulation(faults=Faults(lost_send_ack_probability=0.5), choices=Choose("sqs.lost_send_ack", 1))
    orders = sim.create_queue("orders")
    monkeypatch.setattr(time, "sleep", None)
    answer = sim.client("sqs").send_message(QueueUrl=orders.url, MessageBody="order 1")
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    assert [message.body for message in orders.messages] == ["order 1", "order 1"]
    assert answer["MessageId"] == orders.messages[1].message_id


def test_a_client_that_gives_up_sees_the_time_out():
    sim = Simulation(faults=Faults(lost_send_ack_probability=1.0))
    orders = sim.create_queue("orders")
    client = sim.client("sqs", config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(ReadTimeoutError):
        client.send_message(QueueUrl=orders.url, MessageBody="order 1")
    assert orders.visible == 1


def test_sleep_of_a_test_lets_simulated_time_pass_if_asked(sim):
    with sim.patch_boto3(sleep=True):
        time.sleep(90)
    assert sim.now == 90


def test_the_answer_says_when_it_was_given(sim):
    sim.run_for(3600)
    headers = sim.client("sqs").list_queues()["ResponseMetadata"]["HTTPHeaders"]
    assert headers["date"] == "Thu, 01 Jan 2026 01:00:00 GMT"


# ---- handlers


def test_handlers_reach_the_simulation_without_a_patch(sim):
    orders, invoices = sim.create_queue("orders"), sim.create_queue("invoices")

    def handler(event, _):
        for record in event["Records"]:
            EARLY.send_message(QueueUrl=invoices.url, MessageBody=f"invoice for {record['body']}")

    sim.create_event_source_mapping(orders, sim.create_function("worker", handler))
    orders.send_message("order 1")
    sim.run()
    assert [message.body for message in invoices.messages] == ["invoice for order 1"]
    with pytest.raises(LeftTheSimulationError):
        EARLY.list_queues()


@pytest.mark.usefixtures("_unconfigured")
def test_a_handler_makes_clients_of_the_region_of_its_function(sim):
    worker = sim.create_function("worker", lambda *_: boto3.client("sqs").meta.region_name, region="eu-west-3")
    assert worker.invoke().value == "eu-west-3"


def test_a_plain_handler_that_polls_gets_at_once_what_there_is(sim):
    orders = sim.create_queue("orders")

    def handler(*_):
        return EARLY.receive_message(QueueUrl=orders.url, WaitTimeSeconds=20).get("Messages")

    worker = sim.create_function("worker", handler, timeout=60)
    assert (worker.invoke().value, sim.now) == (None, pytest.approx(0.1))


def test_a_call_suspends_an_interleaved_handler_and_nobody_else():
    sim = Simulation(execution="interleaved")
    orders = sim.create_queue("orders")
    seen = []

    def poll(*_):
        seen.append(("asks", sim.now))
        (message,) = EARLY.receive_message(QueueUrl=orders.url, WaitTimeSeconds=20)["Messages"]
        seen.append((message["Body"], sim.now))

    def send(*_):
        time.sleep(5)
        EARLY.send_message(QueueUrl=orders.url, MessageBody="order 1")
        seen.append(("sent", sim.now))

    for handler in (poll, send):
        sim.create_function(handler.__name__, handler, timeout=60).invoke(invocation_type="Event")
    while sim.step():
        assert [owner.__dict__[name] for owner, name in PLACES] == AT_FIRST  # while it is suspended, too
    assert seen[0][0] == "asks"
    assert sorted(seen[1:]) == [("order 1", pytest.approx(5, abs=0.1)), ("sent", pytest.approx(5, abs=0.1))]


def test_a_client_in_a_handler_retries_in_the_time_of_the_handler():
    sim = Simulation(faults=Faults(throttle_probability=0.5), choices=Choose("sqs.throttle", 2))
    orders = sim.create_queue("orders")
    client = boto3.client("sqs", **KEYS, config=Config(retries={"mode": "standard"}))
    worker = sim.create_function(
        "worker", lambda *_: client.send_message(QueueUrl=orders.url, MessageBody="order 1"), duration=0, timeout=60
    )
    assert worker.invoke().function_error is None
    assert (orders.visible, sim.now > 0) == (1, True)


def test_an_error_of_the_service_is_one_that_a_handler_may_catch(sim):
    def handler(*_):
        try:
            EARLY.get_queue_url(QueueName="nowhere")
        except ClientError as error:
            return error.response["Error"]["Code"]

    assert sim.create_function("worker", handler).invoke().value == "AWS.SimpleQueueService.NonExistentQueue"


def test_botocore_that_a_handler_imports_first_is_patched_on_its_way_in():
    program = """
        import sys
        from lambdasim import Simulation

        def handler(event, context):
            import boto3
            return boto3.client("sqs").list_queues()["ResponseMetadata"]["HTTPStatusCode"]

        sim = Simulation()
        worker = sim.create_function("worker", handler, timeout=60)
        assert "botocore" not in sys.modules
        assert worker.invoke().value == 200, worker.invocations[-1].exception
        assert all(type(finder).__name__ != "_Finder" for finder in sys.meta_path)
        import botocore.endpoint
        assert botocore.endpoint.Endpoint._do_get_response.__module__ == "botocore.endpoint"
        assert type(botocore.endpoint.__spec__.loader).__name__ == "SourceFileLoader"
        assert worker.invoke().value == 200
    """
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-P", "-c", textwrap.dedent(program)], check=True, cwd=root)


def test_a_patch_does_not_import_botocore_but_waits_for_it():
    program = """
        import sys
        from lambdasim import Simulation

        sim = Simulation()
        with sim.patch_boto3():
            assert "botocore" not in sys.modules
            import boto3
            boto3.client("sqs").create_queue(QueueName="orders")
        assert [queue.name for queue in sim.queues] == ["orders"]
        import botocore.endpoint, botocore.session
        assert botocore.endpoint.Endpoint._do_get_response.__module__ == "botocore.endpoint"
        assert botocore.session.Session.create_client.__module__ == "botocore.session"
    """
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-P", "-c", textwrap.dedent(program)], check=True, cwd=root)


def test_a_patch_without_boto3_says_what_is_missing(sim, monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(UsageError, match=r"lambdasim\[boto3\]"):
        sim.patch_boto3().__enter__()


# ---- threads


def test_calls_from_another_thread_are_refused(sim):
    client = sim.client("sqs")
    seen = []

    def call():
        try:
            client.list_queues()
        except UsageError as error:
            seen.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert len(seen) == 1
    assert "comes from another thread than that of the simulation" in seen[0]


# ---- what else belongs to the process


@pytest.mark.parametrize("mode", ["legacy", "standard"])
def test_pauses_of_clients_come_from_the_seed(mode):
    """Random numbers of the process neither decide about them nor are used up."""
    ends = []
    for noise in (1, 2):
        random.seed(noise)
        before = random.getstate()
        sim = Simulation(faults=Faults(lost_send_ack_probability=0.5), choices=Choose("sqs.lost_send_ack", 2))
        orders = sim.create_queue("orders")
        config = Config(retries={"mode": mode, "total_max_attempts": 3})
        sim.client("sqs", config=config).send_message(QueueUrl=orders.url, MessageBody="order 1")
        assert random.getstate() == before
        ends.append(sim.now_us)
    assert ends[0] == ends[1] > 0


def test_clients_of_interleaved_handlers_retry_side_by_side():
    """Each pauses in its own time, and nothing of the process is exchanged meanwhile."""
    sim = Simulation(
        execution="interleaved", faults=Faults(throttle_probability=0.5), choices=Choose("sqs.throttle", 6)
    )
    orders = sim.create_queue("orders")
    clock = botocore.endpoint.time

    def handler(event, _):
        EARLY.send_message(QueueUrl=orders.url, MessageBody=event)

    worker = sim.create_function("worker", handler, timeout=60)
    for number in range(3):
        worker.invoke(f'"{number}"', invocation_type="Event")
    while sim.step():
        assert botocore.endpoint.time is clock
    assert sorted(message.body for message in orders.messages) == ["0", "1", "2"]
    assert len({invocation.ended_at_us for invocation in worker.invocations}) > 1
