"""
What is deployed: from the parameters of a client to code and configuration, and from these to AWS's answers.

Much of what AWS keeps of a function changes nothing in a simulation: its role, its VPC, its layers. It is checked for
its form, kept with the version that it belongs to (`details`), and shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final

from lambdasim.bridges.asking import Asked, check_length, check_pattern, check_word
from lambdasim.errors.lambda_ import InvalidParameterValueException, ValidationException
from lambdasim.lambda_ import Function, FunctionConfiguration
from lambdasim.lambda_.modules import RuntimeStartError
from lambdasim.lambda_.packages import Package
from lambdasim.lambda_.version import check_range

DESCRIPTION_MAX: Final = 256
_BEING_CREATED: Final = "The function is being created."
_EPHEMERAL_STORAGE_MB: Final = (512, 10_240)  # Lambda Developer Guide, Lambda quotas

_ROLE_PATTERN: Final = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
_HANDLER_MAX: Final = 128
_is_handler: Final = re.compile(r"[^\s]+").fullmatch
_is_role: Final = re.compile(_ROLE_PATTERN).fullmatch
_KEY_PATTERN: Final = r"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()"
_is_key: Final = re.compile(_KEY_PATTERN).fullmatch
_LOG_GROUP_PATTERN: Final = r"[\.\-_/#A-Za-z0-9]+"
_is_log_group: Final = re.compile(_LOG_GROUP_PATTERN).fullmatch
_LOGGING_WORDS: Final = {
    "LogFormat": ("JSON", "Text"),
    "ApplicationLogLevel": ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"),
    "SystemLogLevel": ("DEBUG", "INFO", "WARN"),
}
_is_runtime: Final = re.compile(
    r"nodejs(4\.3(-edge)?|\d\.10|\d+\.x)?|java(8|8\.al2|11|17|21|25)|python(2\.7|3\.\d+)|dotnet(core\d\.\d|\d+)|go1\.x"
    r"|ruby\d\.\d|provided(\.al2(023)?)?"
).fullmatch
_RUNTIMES: Final = (
    "nodejs20.x, provided.al2023, python3.12, java17, nodejs16.x, dotnet8, python3.10, java11, python3.11, dotnet6, "
    "java21, nodejs18.x, provided.al2, ruby3.3, java8.al2, ruby3.2, python3.8, python3.9, python3.13, nodejs22.x"
)

# What is kept and shown as it is given.
_ECHOED: Final = ("Runtime", "Role", "KMSKeyArn", "PackageType")
# What is not shown where it is empty, or was never given.
_OPTIONAL: Final = (
    "Runtime",
    "Role",
    "Handler",
    "KMSKeyArn",
    "VpcConfig",
    "Layers",
    "FileSystemConfigs",
    "ImageConfigResponse",
)
# What lists do not show.
_NOT_LISTED: Final = (
    "State",
    "StateReason",
    "StateReasonCode",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "RuntimeVersionConfig",
)

CREATING: Final = {"State": "Pending", "StateReason": _BEING_CREATED, "StateReasonCode": "Creating"}
# AWS also has the reason code "Creating" here, which its service model does not know.
UPDATING: Final = {"State": "Active", "LastUpdateStatus": "InProgress", "LastUpdateStatusReason": _BEING_CREATED}
SETTLED: Final = {"State": "Active", "LastUpdateStatus": "Successful"}


# ---- from parameters


def configuration_of(asked: Asked, before: Mapping[str, Any], *, is_new: bool) -> dict[str, Any]:
    """
    Return the keywords of `create_function` and `update_function_configuration` that the parameters stand for.

    Args:
        before: The details there are.
        is_new: Whether what is not given takes its default; else it stays.
    """
    keywords: dict[str, Any] = {}
    for name, keyword in (("Timeout", "timeout"), ("MemorySize", "memory_size"), ("Description", "description")):
        if name in asked.parameters:
            keywords[keyword] = asked.parameters[name]
    if "DeadLetterConfig" in asked.parameters:
        keywords["dead_letter_target_arn"] = asked.parameters["DeadLetterConfig"].get("TargetArn")
    if "Environment" in asked.parameters:
        keywords["environment"] = asked.parameters["Environment"].get("Variables", {})
    if "LogGroup" in asked.get("LoggingConfig", {}):
        keywords["log_group"] = asked.parameters["LoggingConfig"]["LogGroup"]
    details = _details_of(asked.parameters, before, is_new=is_new)
    if is_new or details != before:
        keywords["details"] = details
    return keywords


def _details_of(parameters: Mapping[str, Any], before: Mapping[str, Any], *, is_new: bool) -> dict[str, Any]:
    details = dict(before)
    _check_details(parameters)
    for name in (*_ECHOED, "Handler"):
        if name in parameters:
            details[name] = parameters[name]
    if "Environment" in parameters:
        details["Environment"] = True  # shown from then on, even if there are no variables in it
    if "TracingConfig" in parameters:
        details["TracingConfig"] = {"Mode": parameters["TracingConfig"].get("Mode", "PassThrough")}
    if "Layers" in parameters:
        details["Layers"] = [{"Arn": arn, "CodeSize": 0} for arn in parameters["Layers"]]
    if "FileSystemConfigs" in parameters:
        details["FileSystemConfigs"] = list(parameters["FileSystemConfigs"])
    if "EphemeralStorage" in parameters:
        details["EphemeralStorage"] = dict(parameters["EphemeralStorage"])
    if "SnapStart" in parameters:
        apply_on = parameters["SnapStart"].get("ApplyOn", "None")
        details["SnapStart"] = {"ApplyOn": apply_on, "OptimizationStatus": "Off"}
    if "ImageConfig" in parameters:
        details["ImageConfigResponse"] = {"ImageConfig": dict(parameters["ImageConfig"])}
    if "LoggingConfig" in parameters:
        details["LoggingConfig"] = _logging_of(parameters["LoggingConfig"], before.get("LoggingConfig", {}))
    if "VpcConfig" in parameters:
        given = parameters["VpcConfig"]
        if not is_new or given.get("SubnetIds") or given.get("SecurityGroupIds"):
            details["VpcConfig"] = {
                "SubnetIds": list(given.get("SubnetIds", ())),
                "SecurityGroupIds": list(given.get("SecurityGroupIds", ())),
                "VpcId": "",
                "Ipv6AllowedForDualStack": given.get("Ipv6AllowedForDualStack", False),
            }
    if "SourceKMSKeyArn" in parameters.get("Code", parameters):
        details["SourceKMSKeyArn"] = parameters.get("Code", parameters)["SourceKMSKeyArn"]
    return details


def _check_details(parameters: Mapping[str, Any]) -> None:
    """Refuse what AWS refuses by its form alone."""
    if "Role" in parameters:
        check_pattern("role", parameters["Role"], _ROLE_PATTERN, fits=_is_role(parameters["Role"]) is not None)
    check_length("description", parameters.get("Description", ""), DESCRIPTION_MAX)
    if "Handler" in parameters:
        check_length("handler", parameters["Handler"], _HANDLER_MAX)
        check_pattern("handler", parameters["Handler"], r"[^\s]+", fits=_is_handler(parameters["Handler"]) is not None)
    runtime = parameters.get("Runtime")
    if runtime is not None and _is_runtime(runtime) is None:
        msg = (
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{_RUNTIMES}] or be a valid ARN"
        )
        raise InvalidParameterValueException(msg)
    if "PackageType" in parameters:
        check_word("packageType", parameters["PackageType"], ("Image", "Zip"))
    if "Mode" in parameters.get("TracingConfig", {}):
        check_word("tracingConfig.mode", parameters["TracingConfig"]["Mode"], ("Active", "PassThrough"))
    if "ApplyOn" in parameters.get("SnapStart", {}):
        check_word("snapStart.applyOn", parameters["SnapStart"]["ApplyOn"], ("PublishedVersions", "None"))
    if "KMSKeyArn" in parameters:
        key = parameters["KMSKeyArn"]
        check_pattern("kMSKeyArn", key, _KEY_PATTERN, fits=_is_key(key) is not None)
    _check_logging(parameters.get("LoggingConfig", {}))
    if "EphemeralStorage" in parameters:
        check_range("ephemeralStorage.size", parameters["EphemeralStorage"]["Size"], *_EPHEMERAL_STORAGE_MB)
    architectures = parameters.get("Architectures", ["x86_64"])
    if len(architectures) != 1 or architectures[0] not in ("x86_64", "arm64"):
        msg = (
            f"1 validation error detected: Value '[{', '.join(architectures)}]' at 'architectures' failed to satisfy "
            "constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member "
            "must not be null]"
        )
        raise ValidationException(msg)


def _check_logging(given: Mapping[str, Any]) -> None:
    for name, words in _LOGGING_WORDS.items():
        if name in given:
            check_word(f"loggingConfig.{name[0].lower()}{name[1:]}", given[name], words)
    if "LogGroup" in given:
        group = given["LogGroup"]
        check_pattern("loggingConfig.logGroup", group, _LOG_GROUP_PATTERN, fits=_is_log_group(group) is not None)


def _logging_of(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a logging configuration; the group is one of the function's own settings."""
    found = {**before, **{name: value for name, value in given.items() if name != "LogGroup"}}
    if found.get("LogFormat") == "JSON":
        return {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", **found}
    return found


def code_of(asked: Asked, name: str, given: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the keywords of `create_function` and `update_function_code` for the code that a client sends.

    What was registered for the function runs in its place, wherever the code is said to be. Without that only what
    Python can import runs: other runtimes get an error of the init from each invocation.

    Args:
        name: Of the function.
        given: Where the code is: `Code` of CreateFunction, or the like.
        details: With `Handler` and `Runtime`.
    Raises:
        InvalidParameterValueException: No code, or none that there is.
    """
    bucket, key, image = given.get("S3Bucket"), given.get("S3Key"), given.get("ImageUri")
    content = given.get("ZipFile")
    if content is None and (bucket is None or key is None) and image is None:
        msg = "Please provide a source for function code."
        raise InvalidParameterValueException(msg)
    registered = asked.simulation._functions.code_for(name, details.get("Handler"))
    if registered is not None:
        if content is None:  # nobody reads it; it has a digest
            content = (image or f"s3://{bucket}/{key}?versionId={given.get('S3ObjectVersion', '')}").encode()
        return {
            "handler": registered.handler,
            "init": registered.init,
            "execution": registered.execution,
            "duration": registered.duration,
            "failure_rate": registered.failure_rate,
            "zip_file": content,
        }
    if image is not None:
        msg = f"Source image {image} does not exist. Provide a valid source image."
        raise InvalidParameterValueException(msg)
    if content is None:
        msg = (
            "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does "
            "not exist"
        )
        raise InvalidParameterValueException(msg)
    return _zipped(name, content, details)


def _zipped(name: str, content: bytes, details: Mapping[str, Any]) -> dict[str, Any]:
    _ = Package(content).files  # which refuses what is no package
    runtime = details.get("Runtime", "")
    if runtime.startswith("python"):
        return {"handler": details.get("Handler"), "zip_file": content}
    return {"init": _refuse_to_start(name, runtime), "zip_file": content}


def _refuse_to_start(name: str, runtime: str) -> Callable[[], Any]:
    def init() -> Any:
        msg = f"{runtime or 'This runtime'} is not modelled: say what runs with sim.register_handler({name!r}, …)"
        raise RuntimeStartError("Runtime.NotModelled", msg)

    return init


def redeployed(asked: Asked, function: Function, details: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the keywords of `update_function_code` for another handler or runtime; None if the code stays."""
    code = function.latest.code
    if code.package is not None:
        return code_of(asked, function.name, {"ZipFile": code.package.content}, details)
    if isinstance(code.handler, str):
        return {"handler": details["Handler"]} if details.get("Handler") else None
    return None  # an object runs, whatever the text says


# ---- to answers


def describe(asked: Asked, found: FunctionConfiguration, state: Mapping[str, str] = SETTLED) -> dict[str, Any]:
    """
    Return a function, or one of its versions, as AWS's `FunctionConfiguration`.

    Args:
        found: What the function says.
        state: What the answer says of its state. A change shows as under way in the answer to it.
    """
    details = found.details
    modified = asked.at(found.last_modified_at_us)
    answer: dict[str, Any] = {
        "FunctionName": found.function_name,
        "FunctionArn": found.function_arn,
        "CodeSize": found.code_size,
        "Description": found.description,
        "Timeout": found.timeout,
        "MemorySize": found.memory_size,
        "LastModified": f"{modified:%Y-%m-%dT%H:%M:%S}.{modified.microsecond // 1000:03d}+0000",
        "CodeSha256": found.code_sha256,
        "Version": found.version,
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": found.revision_id,
        "PackageType": "Zip",
        "Architectures": [found.architecture],
        "EphemeralStorage": {"Size": _EPHEMERAL_STORAGE_MB[0]},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", **details.get("LoggingConfig", {}), "LogGroup": found.log_group},
        **state,
    }
    for name in ("TracingConfig", "PackageType", "EphemeralStorage", "SnapStart"):
        if name in details:
            answer[name] = details[name]
    for name in _OPTIONAL:
        if details.get(name):
            answer[name] = details[name]
    if found.handler is not None:
        answer["Handler"] = found.handler
    if found.environment or "Environment" in details:
        answer["Environment"] = {"Variables": dict(found.environment)}
    if found.dead_letter_target_arn is not None:
        answer["DeadLetterConfig"] = {"TargetArn": found.dead_letter_target_arn}
    if "Runtime" in details and answer["PackageType"] == "Zip":
        partition = found.function_arn.split(":")[1]
        digest = sha256(details["Runtime"].encode()).hexdigest()
        arn = f"arn:{partition}:lambda:{asked.region}::runtime:{digest}"
        answer["RuntimeVersionConfig"] = {"RuntimeVersionArn": arn}
    return answer


def listed(asked: Asked, found: FunctionConfiguration) -> dict[str, Any]:
    """Return the same as lists show it."""
    return {name: value for name, value in describe(asked, found).items() if name not in _NOT_LISTED}


def place_of_code(asked: Asked, found: FunctionConfiguration) -> dict[str, Any]:
    """Return where AWS would say that the code is. Nothing can be fetched there."""
    details = found.details
    if details.get("PackageType") == "Image":
        uri = details.get("ImageUri", "")
        return {"RepositoryType": "ECR", "ImageUri": uri, "ResolvedImageUri": uri}
    account_id = found.function_arn.split(":")[4]
    host = f"awslambda-{asked.region}-tasks.s3.{asked.region}.amazonaws.com"
    place = {
        "RepositoryType": "S3",
        "Location": f"https://{host}/snapshots/{account_id}/{found.function_name}-{found.revision_id}",
    }
    if "SourceKMSKeyArn" in details:
        place["SourceKMSKeyArn"] = details["SourceKMSKeyArn"]
    return place


__all__ = [
    "CREATING",
    "DESCRIPTION_MAX",
    "SETTLED",
    "UPDATING",
    "code_of",
    "configuration_of",
    "describe",
    "listed",
    "place_of_code",
    "redeployed",
]
