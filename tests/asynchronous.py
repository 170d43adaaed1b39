"""What the tests of asynchronous invocation share: a handler that keeps a diary, records, counts and metrics."""

from __future__ import annotations

import json

SECOND = 1_000_000
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"
TOPIC = "arn:aws:sns:us-east-1:123456789012:results"
BUS = "arn:aws:events:us-east-1:123456789012:event-bus/results"
BUCKET = "arn:aws:s3:::results"
BAD = ValueError("bad order")


class Code:
    """
    A handler that keeps a diary: when it ran, for which request, with which event and as which version.

    Its runs end as the outcomes say, one after the other, and the last for ever: an exception is raised, anything else
    returned.
    """

    def __init__(self, sim, *outcomes):
        self.sim = sim
        self.outcomes = list(outcomes) or [None]
        self.starts = []
        self.requests = []
        self.events = []
        self.versions = []

    def __call__(self, event, context):
        outcome = self.outcomes[min(len(self.starts), len(self.outcomes) - 1)]
        self.starts.append(self.sim.now)
        self.requests.append(context.aws_request_id)
        self.events.append(event)
        self.versions.append(context.function_version)
        if isinstance(outcome, BaseException):
            raise outcome.with_traceback(None)
        return outcome


def create(sim, *outcomes, name="worker", duration=2, **others):
    """Return a function that takes 2 s, and its diary."""
    code = Code(sim, *outcomes)
    return sim.create_function(name, code, duration=duration, **others), code


def as_json(payload):
    """Return what begins with a letter, such as `first`, as the JSON text of it; anything else stays as it is."""
    return json.dumps(payload) if isinstance(payload, str) and payload[:1].isalpha() else payload


def send(function, payload=None, **others):
    """Invoke with `Event`; return the request id of the event. A payload may be a word."""
    assert function.invoke(as_json(payload), invocation_type="Event", **others).status_code == 202
    return function.events[-1].request_id


def records(queue):
    """Return what is in a queue, as JSON, in order."""
    return [json.loads(message.body) for message in queue.messages]


def conditions(queue):
    """Return condition and count of the records in a queue."""
    contexts = [record["requestContext"] for record in records(queue)]
    return [(context["condition"], context["approximateInvokeCount"]) for context in contexts]


def counts(function):
    """Return how many events were received, succeeded, were dropped, are queued and run."""
    found = function.async_snapshot()
    return found.received, found.succeeded, found.dropped, found.queued, found.running


def series(sim, name, statistic="Sum", **dimensions):
    """Return the pairs (minute, value) of a metric of the function `worker`, or of other dimensions."""
    return list(sim.metrics.series("AWS/Lambda", name, statistic, **(dimensions or {"FunctionName": "worker"})))


def total(sim, name, **dimensions):
    """Return the sum of a metric over all time."""
    return sum(value for _, value in series(sim, name, **dimensions))


def call(sim, function, payload="other", *, at_s=0):
    """Let another caller invoke a function synchronously at some instant. A payload may be a word."""

    async def caller():
        if at_s:
            await sim.sleep(at_s - sim.now)
        await function.wait_invoke(as_json(payload))

    sim.spawn(caller())
