"""Event source mappings, as clients of boto3 call them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from lambdasim.bridges.asking import Answer, Asked, check_pattern, check_words
from lambdasim.errors.lambda_ import InvalidParameterValueException, ResourceNotFoundException
from lambdasim.esm import EventSourceMapping
from lambdasim.esm.configuration import EventSourceMappingConfiguration
from lambdasim.esm.limits import OTHER_SOURCES
from lambdasim.lambda_.configured import NOT_GIVEN
from lambdasim.lambda_.names import check_qualifier, parse_reference

_LIST_MAX: Final = 100  # ESM-035
_AT_CREATION_ONLY: Final = (
    "StartingPosition",
    "StartingPositionTimestamp",
    "Topics",
    "Queues",
    "SelfManagedEventSource",
)
_OTHERS_AT_CREATION: Final = " ".join(OTHER_SOURCES.values())
_OTHERS: Final = " ".join(name for name in OTHER_SOURCES.values() if name not in _AT_CREATION_ONLY)
_SETTINGS: Final = (
    "FunctionName Enabled BatchSize FilterCriteria KMSKeyArn MetricsConfig ScalingConfig "
    "MaximumBatchingWindowInSeconds FunctionResponseTypes ProvisionedPollerConfig"
)

_ARN_PATTERN: Final = (
    r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:([a-z]{2}(-gov)?(-iso([a-z])?)?-[a-z]+-\d{1})?:(\d{12})?:(.*)"
)
_is_arn: Final = re.compile(_ARN_PATTERN).fullmatch


class Mappings:
    """Event source mappings of queues."""

    OPERATIONS: ClassVar = {
        "CreateEventSourceMapping": f"EventSourceArn Tags {_SETTINGS} {_OTHERS_AT_CREATION}",
        "GetEventSourceMapping": "UUID",
        "UpdateEventSourceMapping": f"UUID {_SETTINGS} {_OTHERS}",
        "DeleteEventSourceMapping": "UUID",
        "ListEventSourceMappings": "EventSourceArn FunctionName Marker MaxItems",
    }

    def create_event_source_mapping(self, asked: Asked) -> Answer:
        """Let a function read a queue."""
        source = asked.get("EventSourceArn")
        if source is None:
            msg = "Unrecognized event source."
            raise InvalidParameterValueException(msg)
        check_pattern("eventSourceArn", source, _ARN_PATTERN, fits=_is_arn(source) is not None)
        reference = parse_reference(asked.parameters["FunctionName"])
        if reference.region not in (None, asked.region):
            msg = "Function does not exist"
            raise InvalidParameterValueException(msg)
        function_arn = asked.arn(reference)
        if reference.qualifier is not None:
            function_arn = f"{function_arn}:{reference.qualifier}"
        settings = _settings_of(asked.parameters)
        mapping = asked.simulation.create_event_source_mapping(
            source,
            function_arn,
            tags=asked.get("Tags"),
            **settings,
        )
        return _describe(asked, mapping.get_event_source_mapping())

    def get_event_source_mapping(self, asked: Asked) -> Answer:
        """Return a mapping."""
        return _describe(asked, _found(asked).get_event_source_mapping())

    def update_event_source_mapping(self, asked: Asked) -> Answer:
        """Change what is given of a mapping."""
        mapping = _found(asked)
        changes = _settings_of(asked.parameters)
        if "FunctionName" in asked.parameters:
            try:
                function, qualifier = asked.named()
                function.target(check_qualifier(qualifier))
            except ResourceNotFoundException as error:
                msg = "Function does not exist"
                raise InvalidParameterValueException(msg) from error
            changes |= {"function": function, "qualifier": qualifier}
        return _describe(asked, mapping.update_event_source_mapping(**changes))

    def delete_event_source_mapping(self, asked: Asked) -> Answer:
        """Remove a mapping."""
        return _describe(asked, _found(asked).delete_event_source_mapping())

    def list_event_source_mappings(self, asked: Asked) -> Answer:
        """List mappings in order of creation, those of one queue, or those of one function."""
        found = [mapping for mapping in asked.simulation.event_source_mappings if _is_here(asked, mapping)]
        source = asked.get("EventSourceArn")
        if source is not None:
            found = [mapping for mapping in found if mapping.queue.arn == source]
        if "FunctionName" in asked.parameters:
            function, qualifier = asked.named()
            found = [mapping for mapping in found if mapping.function is function]
            if qualifier is not None:
                found = [mapping for mapping in found if mapping.qualifier == check_qualifier(qualifier)]
        return asked.page(
            found,
            lambda mapping: f"{mapping.number:020d}",
            lambda mapping: _describe(asked, mapping.show_in_list()),
            "EventSourceMappings",
            size=_LIST_MAX,
        )


def _is_here(asked: Asked, mapping: EventSourceMapping) -> bool:
    _, _, _, region, account_id, _ = mapping.function.arn.split(":", 5)
    return (region, account_id) == (asked.region, asked.simulation.account_id)


def _found(asked: Asked) -> EventSourceMapping:
    mapping = asked.simulation.event_source_mapping(asked.parameters["UUID"])
    if not _is_here(asked, mapping):
        msg = "The resource you requested does not exist."
        raise ResourceNotFoundException(msg)
    return mapping


def _settings_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords that parameters of creation and update stand for."""
    settings = {
        keyword: parameters[name]
        for name, keyword in (
            ("Enabled", "enabled"),
            ("BatchSize", "batch_size"),
            ("MaximumBatchingWindowInSeconds", "maximum_batching_window_in_seconds"),
            ("FilterCriteria", "filter_criteria"),
        )
        if name in parameters
    }
    settings |= {keyword: parameters[name] for keyword, name in OTHER_SOURCES.items() if name in parameters}
    if "KMSKeyArn" in parameters:
        settings["kms_key_arn"] = parameters["KMSKeyArn"] or None
    if "ScalingConfig" in parameters:
        settings["maximum_concurrency"] = parameters["ScalingConfig"].get("MaximumConcurrency")
    if "FunctionResponseTypes" in parameters:
        types = parameters["FunctionResponseTypes"]
        check_words("functionResponseTypes", types, ["ReportBatchItemFailures"])
        settings["function_response_types"] = tuple(types)
    if "MetricsConfig" in parameters:
        metrics = parameters["MetricsConfig"].get("Metrics", [])
        check_words("metricsConfig.metrics", metrics, ["EventCount"])
        settings["metrics"] = tuple(metrics)
    if "ProvisionedPollerConfig" in parameters:
        config = parameters["ProvisionedPollerConfig"]
        if "PollerGroupName" in config:
            msg = "Unsupported PollerGroupName parameter for given event source mapping type."
            raise InvalidParameterValueException(msg)
        unset = NOT_GIVEN if config else None  # an empty configuration ends provisioned mode
        for name, keyword in (("MinimumPollers", "minimum_pollers"), ("MaximumPollers", "maximum_pollers")):
            if config.get(name, unset) is not NOT_GIVEN:
                settings[keyword] = config.get(name)
    return settings


def _describe(asked: Asked, found: EventSourceMappingConfiguration) -> Answer:
    answer: Answer = {
        "UUID": found.uuid,
        "EventSourceMappingArn": found.event_source_mapping_arn,
        "EventSourceArn": found.event_source_arn,
        "FunctionArn": found.function_arn,
        "BatchSize": found.batch_size,
        "MaximumBatchingWindowInSeconds": found.maximum_batching_window_in_seconds,
        "FunctionResponseTypes": list(found.function_response_types),
        "State": found.state,
        "StateTransitionReason": found.state_transition_reason,
        "LastModified": asked.at(found.last_modified_at_us),
    }
    if found.filter_criteria is not None:
        answer["FilterCriteria"] = found.filter_criteria
    if found.maximum_concurrency is not None:
        answer["ScalingConfig"] = {"MaximumConcurrency": found.maximum_concurrency}
    if found.minimum_pollers is not None:
        answer["ProvisionedPollerConfig"] = {
            "MinimumPollers": found.minimum_pollers,
            "MaximumPollers": found.maximum_pollers,
        }
    if found.metrics:
        answer["MetricsConfig"] = {"Metrics": list(found.metrics)}
    if found.kms_key_arn is not None:
        answer["KMSKeyArn"] = found.kms_key_arn
    return answer


__all__ = ["Mappings"]
