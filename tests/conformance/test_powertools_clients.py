"""
Handlers of Powertools for AWS Lambda with real boto3 clients inside, deployed as modules and chained by queues.

A reads orders and sends an invoice for each through its client; B reads invoices, keeps the slow ones for longer with a
heartbeat, and tells a queue of receipts. Neither knows of a simulation.
"""

from __future__ import annotations

import json
import sys
from textwrap import dedent

import pytest

from lambdasim import Faults, RedrivePolicy, Simulation

RBIF = ("ReportBatchItemFailures",)

both = pytest.mark.parametrize("execution", ["plain", "interleaved"])

BILLING = """
    import json
    import os

    import boto3
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

    SQS = boto3.client("sqs")
    INVOICES = os.environ["INVOICES_QUEUE_URL"]
    PROCESSOR = BatchProcessor(event_type=EventType.SQS)

    def bill(record):
        order = json.loads(record.body)
        if order["price"] < 0:
            raise ValueError(order)
        SQS.send_message(
            QueueUrl=INVOICES,
            MessageBody=record.body,
            MessageAttributes={"currency": {"DataType": "String", "StringValue": "EUR"}},
        )

    def handler(event, context):
        return process_partial_response(event=event, record_handler=bill, processor=PROCESSOR, context=context)
"""

MAILING = """
    import json
    import os
    import time

    import boto3
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

    SQS = boto3.resource("sqs")
    OWN = SQS.Queue(os.environ["INVOICES_QUEUE_URL"])
    RECEIPTS = SQS.get_queue_by_name(QueueName="receipts")
    PROCESSOR = BatchProcessor(event_type=EventType.SQS)

    def mail(record):
        invoice = json.loads(record.body)
        if invoice["price"] > 1_000:  # somebody looks at it: hold the message for that long
            OWN.Message(record.receipt_handle).change_visibility(VisibilityTimeout=120)
            time.sleep(40)
        RECEIPTS.send_message(MessageBody=f"{invoice['id']} {record.message_attributes['currency'].string_value}")

    def handler(event, context):
        return process_partial_response(event=event, record_handler=mail, processor=PROCESSOR, context=context)
"""


@pytest.fixture
def deployed(tmp_path, monkeypatch):
    """The modules, and an environment that says nothing of AWS."""
    (tmp_path / "billing.py").write_text(dedent(BILLING), encoding="utf-8")
    (tmp_path / "mailing.py").write_text(dedent(MAILING), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    yield
    assert {"billing", "mailing"}.isdisjoint(sys.modules)


def chain(sim):
    """Build orders → billing → invoices → mailing → receipts."""
    dead = sim.create_queue("dead")
    orders = sim.create_queue("orders", visibility_timeout=60, redrive_policy=RedrivePolicy(dead, max_receive_count=3))
    invoices = sim.create_queue("invoices", visibility_timeout=60)
    receipts = sim.create_queue("receipts")
    variables = {"INVOICES_QUEUE_URL": invoices.url}
    billing = sim.create_function("billing", "billing.handler", environment=variables, timeout=10)
    mailing = sim.create_function("mailing", "mailing.handler", environment=variables, timeout=60)
    sim.create_event_source_mapping(orders, billing, function_response_types=RBIF)
    sim.create_event_source_mapping(invoices, mailing, function_response_types=RBIF, batch_size=1)
    return orders, invoices, receipts, dead


@both
@pytest.mark.usefixtures("deployed")
def test_chained_queues(execution):
    sim = Simulation(execution=execution)
    orders, invoices, receipts, dead = chain(sim)
    client = sim.client("sqs")
    for number, price in enumerate((10, -1, 2_000, 30)):
        client.send_message(QueueUrl=orders.url, MessageBody=json.dumps({"id": f"o-{number}", "price": price}))
    sim.run()
    assert sorted(message.body for message in receipts.messages) == ["o-0 EUR", "o-2 EUR", "o-3 EUR"]
    (given_up,) = dead.messages
    assert json.loads(given_up.body)["id"] == "o-1"
    assert given_up.receive_count == 3
    assert (orders.messages, invoices.messages) == ((), ())
    assert invoices.snapshot().received == 3  # the heartbeat held the slow one: it came once
    sim.check_invariants()


@both
@pytest.mark.usefixtures("deployed")
def test_what_sqs_may_do_reaches_chained_handlers_too(execution):
    """Each order has its receipt at least once, whatever is lost or comes twice."""
    sim = Simulation(seed=3, execution=execution, faults=Faults.at_least_once())
    orders, _, receipts, dead = chain(sim)
    for number in range(200):
        orders.send_message(json.dumps({"id": f"o-{number}", "price": 10}))
    sim.run()
    seen = [message.body for message in receipts.messages]
    assert set(seen) == {f"o-{number} EUR" for number in range(200)}
    assert len(seen) > 200
    assert dead.messages == ()


@pytest.mark.usefixtures("deployed")
def test_the_same_seed_leads_to_the_same_run():
    traces = []
    for _ in range(2):
        sim = Simulation(seed=5, execution="interleaved", faults=Faults.at_least_once(), trace=None)
        orders, *_ = chain(sim)
        for number in range(50):
            orders.send_message(json.dumps({"id": f"o-{number}", "price": 10}))
        sim.run()
        traces.append(sim.trace.to_json_lines())
    assert traces[0] == traces[1]
