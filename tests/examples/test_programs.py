"""The programs that the library was designed around, as a user would write them."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from lambdasim import RedrivePolicy, Simulation


@pytest.fixture(params=["plain", "interleaved"])
def sim(request):
    return Simulation(execution=request.param)


def test_poison_is_dead_lettered(sim):
    """The first test that anybody writes."""
    dlq = sim.create_queue("orders-dlq")
    orders = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, max_receive_count=3))
    sim.create_event_source_mapping(orders, sim.create_function("worker", Mock(side_effect=ValueError("poison"))))
    orders.send_message("bad")
    sim.run()
    assert [m.body for m in dlq.messages] == ["bad"]
    assert sim.now == 90


def test_each_order_is_invoiced(sim, tmp_path, monkeypatch):
    """The deployed module, which reads its environment when it is imported; here it writes to a file instead of AWS."""
    (tmp_path / "billing_app.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "INVOICES = Path(os.environ['INVOICES'])\n"
        "def handler(event, context):\n"
        "    with INVOICES.open('a') as file:\n"
        "        for record in event['Records']:\n"
        "            file.write('invoice for ' + record['body'] + '\\n')\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    invoices = tmp_path / "invoices"
    orders = sim.create_queue("orders")
    worker = sim.create_function("worker", "billing_app.handler", environment={"INVOICES": str(invoices)})
    sim.create_event_source_mapping(orders, worker)
    orders.send_message("o-1")
    sim.run()
    assert invoices.read_text(encoding="utf-8") == "invoice for o-1\n"


def test_the_deployed_module_with_its_own_client(sim, monkeypatch, tmp_path):
    """The module makes its boto3 client and reads `os.environ` when it is imported."""
    (tmp_path / "invoicing_app.py").write_text(
        "import os\n"
        "import boto3\n"
        "SQS = boto3.client('sqs')\n"
        "INVOICES = os.environ['INVOICES_QUEUE_URL']\n"
        "def handler(event, context):\n"
        "    for record in event['Records']:\n"
        "        SQS.send_message(QueueUrl=INVOICES, MessageBody='invoice for ' + record['body'])\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    orders, invoices = sim.create_queue("orders"), sim.create_queue("invoices")
    worker = sim.create_function("worker", "invoicing_app.handler", environment={"INVOICES_QUEUE_URL": invoices.url})
    sim.create_event_source_mapping(orders, worker)
    sim.client("sqs").send_message(QueueUrl=orders.url, MessageBody="o-1")
    sim.run()
    assert [message.body for message in invoices.messages] == ["invoice for o-1"]


def test_why_did_this_message_never_run():
    """A story, and what a look at the configuration would have said before."""
    sim = Simulation()
    dlq = sim.create_queue("jobs-dlq")
    jobs = sim.create_queue("jobs", redrive_policy=RedrivePolicy(dlq, max_receive_count=2))
    worker = sim.create_function("worker", duration=20, timeout=20, reserved_concurrent_executions=1)
    mapping = sim.create_event_source_mapping(jobs, worker, batch_size=1)
    for n in range(20):
        jobs.send_message(f"job-{n}")
    sim.run()
    story = next(m for m in dlq.messages if not m.invocations).story()
    assert "worker throttled: ReservedFunctionConcurrentInvocationLimitExceeded" in story
    assert "moved from jobs to jobs-dlq: it was received 2 times, and maxReceiveCount is 2" in story
    assert story.endswith("no function ever ran it")
    codes = [finding.code for finding in mapping.check_configuration()]
    assert {"VISIBILITY_BELOW_6X", "MAX_RECEIVE_COUNT_BELOW_5", "RESERVED_BELOW_5", "RESERVED_BELOW_ESM_CAP"} <= {
        *codes
    }
