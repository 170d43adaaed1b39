"""What tests of Lambda through clients of boto3 share."""

from __future__ import annotations

import io
import zipfile
from contextlib import contextmanager

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

ACCOUNT = "123456789012"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"
NO_RETRIES = Config(retries={"total_max_attempts": 1})

# Whether the botocore that is installed knows what Lambda answers today; an older one passes over what is new to it.
_DELETION = Session().get_service_model("lambda").operation_model("DeleteFunction")
IS_TODAYS_BOTOCORE = _DELETION.output_shape is not None

ECHO = "def handler(event, context):\n    return event\n"


def client_of(sim, **options):
    """Return a client of Lambda whose answers are held against the service model, if that is today's."""
    sim._bridge.is_checked = IS_TODAYS_BOTOCORE
    return sim.client("lambda", config=NO_RETRIES, **options)


def zipped(files=None, **modules):
    """Return a deployment package with these files, or modules by name; the same bytes for the same content."""
    content = {**({} if files is None else files), **{f"{name}.py": text for name, text in modules.items()}}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, text in content.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return written.getvalue()


def create(client, name="worker", code=ECHO, **given):
    """Create a function with code of one module."""
    parameters = {
        "FunctionName": name,
        "Runtime": "python3.12",
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped(app=code)},
        **given,
    }
    return bare(client.create_function(**parameters))


def bare(answer):
    """Return an answer without what every answer has."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def status(answer):
    """Return the status of an answer."""
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def arn_of(name="worker", region=REGION):
    """Return the ARN of a function."""
    return f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"


@contextmanager
def refused(code, message=None, /, *, http_status=None, **members):
    """Expect an error of AWS with this code, text and status, and these members."""
    with pytest.raises(ClientError) as caught:
        yield caught
    response = caught.value.response
    assert code == response["Error"]["Code"]
    if message is not None:
        assert message == response["Error"]["Message"]
    if http_status is not None:
        assert http_status == response["ResponseMetadata"]["HTTPStatusCode"]
    for name, value in members.items():
        assert value == response.get(name), name
