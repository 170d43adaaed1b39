"""
AWS Lambda as clients of boto3 call it: operations and parameters by AWS's names, over the objects of a simulation.

Each operation is a method of the same name in our spelling, and a line in the table of its class that says which
parameters it understands. What is in no table is not modelled: an operation is refused as AWS refuses one that it does
not know, a parameter by a `UsageError`, so that nobody takes for simulated what is passed over.

| class | operations on |
|---|---|
| `Functions` | functions, their versions and aliases |
| `Concurrency` | what is reserved and provisioned (`invocations`) |
| `Invocations` | invokes, and what becomes of asynchronous ones (`invocations`) |
| `Mappings` | event source mappings (`mappings`) |
| `Permissions` | resource policies, which are kept and shown (`permissions`) |
| `TagsOfAll` | tags |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Final

from lambdasim.bridges.asking import Answer, Asked, check_length, check_pattern, check_revision, check_word
from lambdasim.bridges.calls import Calls
from lambdasim.bridges.deployments import (
    CREATING,
    DESCRIPTION_MAX,
    SETTLED,
    UPDATING,
    code_of,
    configuration_of,
    describe,
    listed,
    place_of_code,
    redeployed,
)
from lambdasim.bridges.invocations import Concurrency, Invocations
from lambdasim.bridges.mappings import Mappings
from lambdasim.bridges.permissions import Permissions
from lambdasim.bridges.records import Call
from lambdasim.clock.words import describe_call
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import (
    InvalidParameterValueException,
    TooManyRequestsException,
    UnknownOperationException,
    ValidationException,
)
from lambdasim.esm import EventSourceMapping
from lambdasim.faults import lambda_part
from lambdasim.lambda_ import AliasConfiguration, Function, FunctionConfiguration, LambdaConfig
from lambdasim.lambda_.configured import NOT_GIVEN
from lambdasim.lambda_.names import LATEST, parse_reference
from lambdasim.simulation import Simulation
from lambdasim.sqs.limits import partition_of

_RATE: Final = "RateLimitExceeded"
# Whose objects let others run before the effect.
_POINTS_THEMSELVES: Final = frozenset({"Invoke", "InvokeAsync", "InvokeWithResponseStream"})
_NO_SOURCE: Final = "Runtime and Handler are mandatory parameters for functions created with deployment packages."
_ARN_PATTERN: Final = (
    r"arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+"
    r"(:(\$LATEST|[a-zA-Z0-9-_]+))?|event-source-mapping:[a-zA-Z0-9]{8}-[a-zA-Z0-9]{4}-[a-zA-Z0-9]{4}-[a-zA-Z0-9]{4}-"
    r"[a-zA-Z0-9]{12})"
)
_is_resource: Final = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:\d{12}:"
    r"(function:(?P<name>[a-zA-Z0-9-_]+)(?P<qualifier>:(\$LATEST|[a-zA-Z0-9-_]+))?"
    r"|event-source-mapping:(?P<uuid>[a-zA-Z0-9-]+))"
).fullmatch


class LambdaService:
    """
    Answers calls of Lambda. There is one for each simulation: it keeps the policies of functions.

    Args:
        simulation: Who knows the rest.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._calls: dict[str, Calls] = {}  # by Region
        self._operations: dict[str, tuple[Callable[[Asked], Answer], frozenset[str]]] = {}
        for group in (Functions(), Concurrency(), Invocations(), Mappings(), Permissions(), TagsOfAll()):
            for operation, known in group.OPERATIONS.items():
                name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()
                self._operations[operation] = getattr(group, name), frozenset(known.split())

    @property
    def operations(self) -> Mapping[str, frozenset[str]]:
        """The operations that are modelled, and which of their parameters are."""
        return {operation: known for operation, (_, known) in self._operations.items()}

    def answer(self, call: Call) -> Answer:
        """
        Return the result of a call, by the names of the service model.

        Raises:
            AwsError: As AWS would answer.
            ResponseLostError: The answer is lost on the way.
            UsageError: A parameter that is not modelled, or a call that has no meaning where it is made.
        """
        found = self._operations.get(call.operation)
        if found is None:
            msg = (
                f"{call.operation} is not modelled: a simulation has functions, versions, aliases, concurrency, "
                "invocations, and event source mappings of queues"
            )
            raise UnknownOperationException(msg)
        act, known = found
        beyond = [name for name in call.parameters if name not in known]
        if beyond:
            msg = f"{call.operation}: {', '.join(beyond)} is not modelled; leave it out"
            raise UsageError(msg)
        simulation = self._simulation
        region = call.region or simulation.region
        _, endpoint = simulation._endpoint(region, simulation.account_id)
        asked = Asked(simulation, endpoint, region, _Given(call.parameters))
        try:
            is_point = call.operation not in _POINTS_THEMSELVES
            traces = is_point and simulation.clock.trace.active and simulation.clock.fiber is not None
            text = describe_call(f"lambda.{call.operation}", (), call.parameters) if traces else ""
            return self._calls_in(region).make(partial(act, asked), is_point=is_point, text=text)
        except TooManyRequestsException as error:
            if error.reason is not None and error.reason.endswith(_RATE):  # it is that of a second (LAM-211)
                vars(error)["retryAfterSeconds"] = "1"
            raise

    def _calls_in(self, region: str) -> Calls:
        found = self._calls.get(region)
        if found is None:
            simulation = self._simulation
            found = self._calls[region] = Calls(
                simulation.clock,
                simulation._settings.get(LambdaConfig).call_latency_s,
                lambda_part(simulation.faults),
                f"arn:{partition_of(region)}:lambda:{region}:{simulation.account_id}",
            )
        return found


class _Given(dict[str, Any]):
    """The parameters of a call. What has to be there and is not, AWS takes for null."""

    def __missing__(self, name: str) -> Any:
        msg = (
            f"1 validation error detected: Value null at '{name[0].lower()}{name[1:]}' failed to satisfy constraint: "
            "Member must not be null"
        )
        raise ValidationException(msg)


class Functions:
    """Functions, their versions and aliases."""

    OPERATIONS: ClassVar = {
        "CreateFunction": (
            "FunctionName Runtime Role Handler Code Description Timeout MemorySize Publish VpcConfig PackageType "
            "DeadLetterConfig Environment KMSKeyArn TracingConfig Tags Layers FileSystemConfigs ImageConfig "
            "Architectures EphemeralStorage SnapStart LoggingConfig"
        ),
        "GetFunction": "FunctionName Qualifier",
        "GetFunctionConfiguration": "FunctionName Qualifier",
        "ListFunctions": "FunctionVersion Marker MaxItems",
        "UpdateFunctionCode": (
            "FunctionName ZipFile S3Bucket S3Key S3ObjectVersion S3ObjectStorageMode ImageUri Architectures Publish "
            "DryRun RevisionId SourceKMSKeyArn"
        ),
        "UpdateFunctionConfiguration": (
            "FunctionName Role Handler Description Timeout MemorySize VpcConfig Environment Runtime DeadLetterConfig "
            "KMSKeyArn TracingConfig RevisionId Layers FileSystemConfigs ImageConfig EphemeralStorage SnapStart "
            "LoggingConfig"
        ),
        "DeleteFunction": "FunctionName Qualifier",
        "PublishVersion": "FunctionName CodeSha256 Description RevisionId",
        "ListVersionsByFunction": "FunctionName Marker MaxItems",
        "CreateAlias": "FunctionName Name FunctionVersion Description RoutingConfig",
        "GetAlias": "FunctionName Name",
        "UpdateAlias": "FunctionName Name FunctionVersion Description RoutingConfig RevisionId",
        "DeleteAlias": "FunctionName Name",
        "ListAliases": "FunctionName FunctionVersion Marker MaxItems",
        "GetAccountSettings": "",
    }

    def create_function(self, asked: Asked) -> Answer:
        """Make a function; the answer shows it while it is being made."""
        reference = parse_reference(asked.parameters["FunctionName"], is_new=True)
        code, name = asked.parameters["Code"], reference.name
        details = configuration_of(asked, {}, is_new=True)
        kept = details["details"]
        is_image = kept.get("PackageType") == "Image"
        if is_image and "ImageUri" in code:
            kept["ImageUri"] = code["ImageUri"]
        if not is_image and not (kept.get("Runtime") and kept.get("Handler")):
            raise InvalidParameterValueException(_NO_SOURCE)
        function = asked.simulation.create_function(
            name,
            **code_of(asked, name, code, kept),
            **details,
            architecture=asked.get("Architectures", ["x86_64"])[0],
            tags=asked.get("Tags"),
            region=asked.region,
        )
        found = function.get_function_configuration()
        if asked.get("Publish"):
            function.publish_version()
            return describe(asked, found, CREATING) | {"Version": "1"}
        return describe(asked, found, CREATING)

    def get_function(self, asked: Asked) -> Answer:
        """Return a function, where its code is, its tags and its reserve."""
        function, qualifier = asked.named()
        found = function.get_function_configuration(qualifier)
        answer = {"Configuration": describe(asked, found), "Code": place_of_code(asked, found)}
        if function.list_tags():
            answer["Tags"] = function.list_tags()
        if function.reserved_concurrent_executions is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrent_executions}
        return answer

    def get_function_configuration(self, asked: Asked) -> Answer:
        """Return what a function, version or alias is configured as."""
        function, qualifier = asked.named()
        return describe(asked, function.get_function_configuration(qualifier))

    def list_functions(self, asked: Asked) -> Answer:
        """List functions by name, with all their versions if that is asked for."""
        if "FunctionVersion" in asked.parameters:
            check_word("functionVersion", asked.parameters["FunctionVersion"], ("ALL",))
        functions = sorted(asked.endpoint.functions(), key=lambda function: function.name)
        found: list[FunctionConfiguration] = []
        for function in functions:
            if asked.get("FunctionVersion") == "ALL":
                found += function.list_versions_by_function()
            else:
                found.append(function.get_function_configuration())
        return asked.page(
            found,
            lambda one: f"{one.function_name}:{_order_of(one)}",
            lambda one: listed(asked, one),
            "Functions",
        )

    def update_function_code(self, asked: Asked) -> Answer:
        """Deploy other code."""
        function = asked.function()
        before = function.latest.configuration.details
        check_revision(asked.get("RevisionId"), function.latest.revision)
        details = {"Handler": _handler_of(function), **before}
        if "ImageUri" in asked.parameters and before.get("PackageType", "Zip") == "Zip":
            msg = "Please don't provide ImageUri when updating a function with packageType Zip."
            raise InvalidParameterValueException(msg)
        code = code_of(asked, function.name, asked.parameters, details)
        if asked.get("DryRun"):
            return describe(asked, function.get_function_configuration())
        kept = configuration_of(asked, before, is_new=False).get("details", before)
        if "ImageUri" in asked.parameters:
            kept = {**kept, "ImageUri": asked.parameters["ImageUri"]}
        if kept != before:
            function.update_function_configuration(details=kept)
        architecture = asked.get("Architectures", [NOT_GIVEN])[0]
        found = function.update_function_code(**code, architecture=architecture)
        if asked.get("Publish"):
            found = function.publish_version()
        return describe(asked, found, UPDATING)

    def update_function_configuration(self, asked: Asked) -> Answer:
        """Change the configuration of `$LATEST`."""
        function = asked.function()
        before = function.latest.configuration.details
        check_revision(asked.get("RevisionId"), function.latest.revision)
        changes = configuration_of(asked, before, is_new=False)
        code = None
        if "Handler" in asked.parameters or "Runtime" in asked.parameters:
            details = changes.get("details", before)
            code = redeployed(asked, function, {"Handler": _handler_of(function), **details})
        found = function.update_function_configuration(**changes)
        if code is not None:
            found = function.update_function_code(**code)
        return describe(asked, found, UPDATING)

    def delete_function(self, asked: Asked) -> Answer:
        """Delete a function, or one of its versions."""
        function, qualifier = asked.named()
        function.delete_function(qualifier)
        return {"StatusCode": 204}

    def publish_version(self, asked: Asked) -> Answer:
        """Freeze `$LATEST` under the next number; without a change since the last one that one is answered."""
        function = asked.function()
        check_length("description", asked.get("Description", ""), DESCRIPTION_MAX)
        check_revision(asked.get("RevisionId"), function.latest.revision)
        current, given = function.latest.code.sha256, asked.get("CodeSha256")
        if given and given != current:
            msg = (
                f"CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({current}). Please try again "
                "with the CodeSHA256 in $LATEST."
            )
            raise InvalidParameterValueException(msg)
        before = len(function.list_versions_by_function())
        found = function.publish_version(asked.get("Description", ""))
        is_new = len(function.list_versions_by_function()) > before
        return describe(asked, found, CREATING if is_new else SETTLED)

    def list_versions_by_function(self, asked: Asked) -> Answer:
        """List `$LATEST` and the versions, by number."""
        function, _ = asked.named()
        return asked.page(
            function.list_versions_by_function(),
            _order_of,
            lambda one: listed(asked, one),
            "Versions",
        )

    def create_alias(self, asked: Asked) -> Answer:
        """Give a version a name."""
        check_length("description", asked.get("Description", ""), DESCRIPTION_MAX)
        found = asked.function().create_alias(
            asked.parameters["Name"],
            asked.parameters["FunctionVersion"],
            asked.get("Description", ""),
            additional_version_weights=_weights_of(asked),
        )
        return _alias(found)

    def get_alias(self, asked: Asked) -> Answer:
        """Return an alias."""
        return _alias(asked.function().get_alias(asked.parameters["Name"]))

    def update_alias(self, asked: Asked) -> Answer:
        """Let an alias stand for something else."""
        function, name = asked.function(), asked.parameters["Name"]
        check_length("description", asked.get("Description", ""), DESCRIPTION_MAX)
        check_revision(asked.get("RevisionId"), function._alias_to_change(name).revision_id)
        weights = _weights_of(asked) if "RoutingConfig" in asked.parameters else NOT_GIVEN
        found = function.update_alias(
            name,
            function_version=asked.get("FunctionVersion", NOT_GIVEN),
            description=asked.get("Description", NOT_GIVEN),
            additional_version_weights=weights,
        )
        return _alias(found)

    def delete_alias(self, asked: Asked) -> Answer:
        """Remove an alias."""
        asked.function().delete_alias(asked.parameters["Name"])
        return {}

    def list_aliases(self, asked: Asked) -> Answer:
        """List aliases by name."""
        aliases = asked.function().list_aliases(asked.get("FunctionVersion"))
        return asked.page(aliases, lambda alias: alias.name, _alias, "Aliases")

    def get_account_settings(self, asked: Asked) -> Answer:
        """Return the quotas of the account and what is in use."""
        settings = asked.endpoint.get_account_settings()
        versions = [
            version for function in asked.endpoint.functions() for version in function.list_versions_by_function()
        ]
        return {
            "AccountLimit": {  # sizes: Lambda Developer Guide, Lambda quotas
                "TotalCodeSize": 80_530_636_800,
                "CodeSizeUnzipped": 262_144_000,
                "CodeSizeZipped": 52_428_800,
                "ConcurrentExecutions": settings.concurrent_executions,
                "UnreservedConcurrentExecutions": settings.unreserved_concurrent_executions,
            },
            "AccountUsage": {
                "TotalCodeSize": sum(version.code_size for version in versions),
                "FunctionCount": settings.function_count,
            },
        }


class TagsOfAll:
    """Tags of functions and mappings."""

    OPERATIONS: ClassVar = {
        "TagResource": "Resource Tags",
        "UntagResource": "Resource TagKeys",
        "ListTags": "Resource",
    }

    def tag_resource(self, asked: Asked) -> Answer:
        """Add tags."""
        tags = asked.parameters["Tags"]
        self._resource(asked).tag_resource(tags)
        return {}

    def untag_resource(self, asked: Asked) -> Answer:
        """Remove tags."""
        keys = asked.parameters["TagKeys"]
        self._resource(asked).untag_resource(keys)
        return {}

    def list_tags(self, asked: Asked) -> Answer:
        """Return the tags."""
        return {"Tags": self._resource(asked).list_tags()}

    @staticmethod
    def _resource(asked: Asked) -> Function | EventSourceMapping:
        """Return what an ARN stands for."""
        arn = asked.parameters["Resource"]
        found = _is_resource(arn)
        check_pattern("resource", arn, _ARN_PATTERN, fits=found is not None)
        assert found is not None
        if found["uuid"] is not None:
            return asked.simulation.event_source_mapping(found["uuid"])
        if found["qualifier"] is not None:
            msg = "Tags on function aliases and versions are not supported. Please specify a function ARN."
            raise InvalidParameterValueException(msg)
        return asked._replace(parameters={"FunctionName": arn}).function()


# ---- parts of answers


def _order_of(found: FunctionConfiguration) -> str:
    """Return what versions are in order by: `$LATEST` first."""
    return f"{0 if found.version == LATEST else int(found.version):020d}"


def _handler_of(function: Function) -> str | None:
    handler = function.latest.code.handler
    return handler if isinstance(handler, str) else None


def _weights_of(asked: Asked) -> Mapping[str, float]:
    weights: Mapping[str, float] = asked.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    return weights


def _alias(found: AliasConfiguration) -> Answer:
    answer: Answer = {
        "AliasArn": found.alias_arn,
        "Name": found.name,
        "FunctionVersion": found.function_version,
        "Description": found.description,
        "RevisionId": found.revision_id,
    }
    if found.additional_version_weights:
        answer["RoutingConfig"] = {"AdditionalVersionWeights": dict(found.additional_version_weights)}
    return answer


__all__ = ["LambdaService"]
