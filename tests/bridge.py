"""
Real clients of boto3 whose requests a simulation answers.

Today's clients write JSON. With `protocol="query"` they are made of the service model as it was before, and write and
read what pinned clients do.
"""

from __future__ import annotations

from functools import cache
from inspect import getmembers, isclass

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.session import Session

from lambdasim.bridges.records import Failure
from lambdasim.bridges.sqs import SqsService
from lambdasim.bridges.wire import Wire, response_of
from lambdasim.errors import AwsError, SqsError, sqs
from tests.unit.bridges.old_sqs import old_model

PROTOCOLS = ("json", "query")
KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
WIRE = Wire()

# What the service model requires, and AWS leaves out where it is empty.
_LEFT_OUT = {
    "ChangeMessageVisibilityBatch": ("Successful", "Failed"),
    "DeleteMessageBatch": ("Successful", "Failed"),
    "SendMessageBatch": ("Successful", "Failed"),
}


class Bridge:
    """Answers for one simulation; `calls` is what went over it, and `results` is what came back."""

    def __init__(self, sim, *, protocol="json"):
        self.service = SqsService(sim)
        self.calls = []
        self.results = []
        self._session = session(protocol)

    def client(self, region_name="us-east-1", **options):
        return self._attached(self._session.client("sqs", region_name=region_name, **KEYS, **options))

    def resource(self, region_name="us-east-1"):
        made = self._session.resource("sqs", region_name=region_name, **KEYS)
        self._attached(made.meta.client)
        return made

    def _attached(self, client):
        client.meta.events.register("before-send.sqs.*", self.respond)
        return client

    def respond(self, request, **_):
        call = WIRE.parse(request)
        self.calls.append(call)
        request_id = f"request-{len(self.calls)}"
        try:
            result = self.service.answer(call)
        except AwsError as error:
            failure = Failure(error.code, error.shape, error.message, error.http_status, error.sender_fault)
            self.results.append(failure)
            answer = WIRE.render_error(call, failure, request_id, check=True)
        else:
            self.results.append(result)
            complete = dict.fromkeys(_LEFT_OUT.get(call.operation, ()), ()) | result
            WIRE.render(call, complete, request_id, check=True)
            answer = WIRE.render(call, result, request_id)
        return response_of(answer, request.url)


class OldLoader(Loader):
    """Loads the service model of SQS as it was before JSON."""

    def load_service_model(self, service_name, type_name, api_version=None):
        description = super().load_service_model(service_name, type_name, api_version)
        if (service_name, type_name) != ("sqs", "service-2"):
            return description
        old = old_model(description)._service_description
        old["metadata"]["protocols"] = ["query"]
        old["metadata"].pop("awsQueryCompatible", None)
        for shape, kind in getmembers(sqs, isclass):
            if issubclass(kind, SqsError) and shape in old["shapes"]:
                error = {"code": kind.code, "httpStatusCode": kind.http_status, "senderFault": kind.sender_fault}
                old["shapes"][shape]["error"] = error
        return old


@cache
def session(protocol):
    """The session of all clients of a protocol: to load models takes long."""
    core = Session()
    if protocol == "query":
        core.register_component("data_loader", OldLoader())
    return boto3.Session(botocore_session=core)


def answered(result):
    """What a client was answered, without what is said of the answer itself."""
    return {name: value for name, value in result.items() if name != "ResponseMetadata"}


def refusal(call, **parameters):
    """The error, as a client sees it, that a call ends in."""
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    return raised.value.response


def error_of(call, **parameters):
    """The code and the message of that error."""
    error = refusal(call, **parameters)["Error"]
    return error["Code"], error["Message"]


def assert_refused(code, message, call, **parameters):
    """Assert that a call ends in this error."""
    assert (code, message) == error_of(call, **parameters)


def bodies(result):
    """Of the messages that a receive was answered with."""
    return [message["Body"] for message in result.get("Messages", ())]
