"""Invocations and the concurrency that they need, as clients of boto3 call them."""

from __future__ import annotations

from typing import ClassVar

from lambdasim.bridges.asking import LIST_MAX, Answer, Asked
from lambdasim.lambda_ import EventInvokeConfig, ProvisionedConcurrencyConfig
from lambdasim.lambda_.configured import NOT_GIVEN
from lambdasim.lambda_.names import LATEST


class Concurrency:
    """What is reserved and provisioned."""

    OPERATIONS: ClassVar = {
        "PutFunctionConcurrency": "FunctionName ReservedConcurrentExecutions",
        "GetFunctionConcurrency": "FunctionName",
        "DeleteFunctionConcurrency": "FunctionName",
        "PutProvisionedConcurrencyConfig": "FunctionName Qualifier ProvisionedConcurrentExecutions",
        "GetProvisionedConcurrencyConfig": "FunctionName Qualifier",
        "DeleteProvisionedConcurrencyConfig": "FunctionName Qualifier",
        "ListProvisionedConcurrencyConfigs": "FunctionName Marker MaxItems",
    }

    def put_function_concurrency(self, asked: Asked) -> Answer:
        """Reserve concurrency."""
        function, qualifier = asked.named()
        amount = asked.parameters["ReservedConcurrentExecutions"]
        found = function.put_function_concurrency(amount, qualifier=qualifier)
        return {"ReservedConcurrentExecutions": found.reserved_concurrent_executions}

    def get_function_concurrency(self, asked: Asked) -> Answer:
        """Return what is reserved, if anything is."""
        function, qualifier = asked.named()
        found = function.get_function_concurrency(qualifier=qualifier).reserved_concurrent_executions
        return {} if found is None else {"ReservedConcurrentExecutions": found}

    def delete_function_concurrency(self, asked: Asked) -> Answer:
        """Give back what is reserved."""
        function, qualifier = asked.named()
        function.delete_function_concurrency(qualifier=qualifier)
        return {}

    def put_provisioned_concurrency_config(self, asked: Asked) -> Answer:
        """Have environments made ahead."""
        function, qualifier = asked.named()
        found = function.put_provisioned_concurrency_config(
            qualifier or LATEST, asked.parameters["ProvisionedConcurrentExecutions"]
        )
        return _provisioned(asked, found)

    def get_provisioned_concurrency_config(self, asked: Asked) -> Answer:
        """Return what is made ahead."""
        function, qualifier = asked.named()
        return _provisioned(asked, function.get_provisioned_concurrency_config(qualifier or LATEST))

    def delete_provisioned_concurrency_config(self, asked: Asked) -> Answer:
        """Let go what was made ahead."""
        function, qualifier = asked.named()
        function.delete_provisioned_concurrency_config(qualifier or LATEST)
        return {}

    def list_provisioned_concurrency_configs(self, asked: Asked) -> Answer:
        """List what is made ahead, by version and alias."""
        return asked.page(
            asked.function().list_provisioned_concurrency_configs(),
            lambda one: one.function_arn,
            lambda one: _provisioned(asked, one) | {"FunctionArn": one.function_arn},
            "ProvisionedConcurrencyConfigs",
            most=LIST_MAX,
        )


class Invocations:
    """Invokes, and what becomes of asynchronous ones."""

    OPERATIONS: ClassVar = {
        "Invoke": "FunctionName InvocationType LogType ClientContext Payload Qualifier",
        "InvokeAsync": "FunctionName InvokeArgs",
        "InvokeWithResponseStream": "FunctionName InvocationType LogType ClientContext Payload Qualifier",
        "PutFunctionEventInvokeConfig": (
            "FunctionName Qualifier MaximumRetryAttempts MaximumEventAgeInSeconds DestinationConfig"
        ),
        "UpdateFunctionEventInvokeConfig": (
            "FunctionName Qualifier MaximumRetryAttempts MaximumEventAgeInSeconds DestinationConfig"
        ),
        "GetFunctionEventInvokeConfig": "FunctionName Qualifier",
        "DeleteFunctionEventInvokeConfig": "FunctionName Qualifier",
        "ListFunctionEventInvokeConfigs": "FunctionName Marker MaxItems",
    }

    def invoke(self, asked: Asked) -> Answer:
        """Invoke a function: time runs until the answer is there, or the event is taken in."""
        function, qualifier = asked.named(LATEST)
        result = function.invoke(
            asked.get("Payload"),
            invocation_type=asked.get("InvocationType", "RequestResponse"),
            qualifier=qualifier,
            log_type=asked.get("LogType"),
            client_context=asked.get("ClientContext"),
        )
        answer: Answer = {"StatusCode": result.status_code, "Payload": result.payload}
        for member, value in (
            ("ExecutedVersion", result.executed_version),
            ("FunctionError", result.function_error),
            ("LogResult", result.log_result),
        ):
            if value is not None:
                answer[member] = value
        return answer

    def invoke_async(self, asked: Asked) -> Answer:
        """Take an event in, by the older name of it."""
        function, _ = asked.named(LATEST)
        return {"Status": function.invoke_async(asked.parameters["InvokeArgs"]).status_code}

    def invoke_with_response_stream(self, asked: Asked) -> Answer:
        """Invoke a function that does not stream: all of its answer is one chunk."""
        found = self.invoke(asked)
        end = {"LogResult": found["LogResult"]} if "LogResult" in found else {}
        if "FunctionError" in found:
            end |= {"ErrorCode": found["FunctionError"], "ErrorDetails": found["Payload"].decode()}
        chunks = [] if "FunctionError" in found else [{"PayloadChunk": {"Payload": found["Payload"]}}]
        answer = {name: found[name] for name in ("StatusCode", "ExecutedVersion") if name in found}
        return answer | {"EventStream": [*chunks, {"InvokeComplete": end}]}

    def put_function_event_invoke_config(self, asked: Asked) -> Answer:
        """Say how events are retried, and who hears of their end."""
        function, qualifier = asked.named(missing=_no_function)
        found = function.put_function_event_invoke_config(
            qualifier,
            maximum_retry_attempts=asked.get("MaximumRetryAttempts"),
            maximum_event_age_in_seconds=asked.get("MaximumEventAgeInSeconds"),
            **_destinations_of(asked),
        )
        return _event_config(asked, found)

    def update_function_event_invoke_config(self, asked: Asked) -> Answer:
        """Change some of it."""
        function, qualifier = asked.named(missing=_no_function)
        found = function.update_function_event_invoke_config(
            qualifier,
            maximum_retry_attempts=asked.get("MaximumRetryAttempts", NOT_GIVEN),
            maximum_event_age_in_seconds=asked.get("MaximumEventAgeInSeconds", NOT_GIVEN),
            **_destinations_of(asked),
        )
        return _event_config(asked, found)

    def get_function_event_invoke_config(self, asked: Asked) -> Answer:
        """Return what was said."""
        function, qualifier = asked.named(LATEST, missing=_no_event_config)
        return _event_config(asked, function.get_function_event_invoke_config(qualifier))

    def delete_function_event_invoke_config(self, asked: Asked) -> Answer:
        """Forget what was said."""
        function, qualifier = asked.named(LATEST, missing=_no_event_config)
        function.delete_function_event_invoke_config(qualifier)
        return {}

    def list_function_event_invoke_configs(self, asked: Asked) -> Answer:
        """List all of a function, by qualifier."""
        function, _ = asked.named(missing=_no_function)
        return asked.page(
            function.list_function_event_invoke_configs(),
            lambda config: config.function_arn,
            lambda config: _event_config(asked, config),
            "FunctionEventInvokeConfigs",
            most=LIST_MAX,
        )


# ---- parts of answers


def _provisioned(asked: Asked, found: ProvisionedConcurrencyConfig) -> Answer:
    answer: Answer = {
        "RequestedProvisionedConcurrentExecutions": found.requested_provisioned_concurrent_executions,
        "AllocatedProvisionedConcurrentExecutions": found.allocated_provisioned_concurrent_executions,
        "AvailableProvisionedConcurrentExecutions": found.available_provisioned_concurrent_executions,
        "Status": found.status,
        "LastModified": f"{asked.at(found.last_modified_at_us):%Y-%m-%dT%H:%M:%S}+0000",
    }
    if found.status_reason is not None:
        answer["StatusReason"] = found.status_reason
    return answer


def _destinations_of(asked: Asked) -> dict[str, str | None]:
    if "DestinationConfig" not in asked.parameters:
        return {}
    config = asked.parameters["DestinationConfig"]
    return {
        "on_success": config.get("OnSuccess", {}).get("Destination"),
        "on_failure": config.get("OnFailure", {}).get("Destination"),
    }


def _event_config(asked: Asked, found: EventInvokeConfig) -> Answer:
    answer: Answer = {
        "LastModified": asked.at(found.last_modified_at_us),
        "FunctionArn": found.function_arn,
        "DestinationConfig": {
            "OnSuccess": {} if found.on_success is None else {"Destination": found.on_success},
            "OnFailure": {} if found.on_failure is None else {"Destination": found.on_failure},
        },
    }
    if found.maximum_retry_attempts is not None:
        answer["MaximumRetryAttempts"] = found.maximum_retry_attempts
    if found.maximum_event_age_in_seconds is not None:
        answer["MaximumEventAgeInSeconds"] = found.maximum_event_age_in_seconds
    return answer


def _no_function(_arn: str) -> str:
    return "The function doesn't exist."


def _no_event_config(arn: str) -> str:
    return f"The function {arn} doesn't have an EventInvokeConfig"


__all__ = ["Concurrency", "Invocations"]
