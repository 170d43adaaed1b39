"""The errors of Amazon SQS, under the names of their shapes (SQS-620)."""

from __future__ import annotations

from . import SqsError


class QueueDoesNotExist(SqsError):
    """No queue has this name, URL or ARN (SQS-025)."""

    code = "AWS.SimpleQueueService.NonExistentQueue"


class QueueNameExists(SqsError):
    """A queue of this name exists with other attributes (SQS-041)."""

    code = "QueueAlreadyExists"


class QueueDeletedRecently(SqsError):
    """A queue of this name was deleted less than 60 s ago (SQS-043)."""

    code = "AWS.SimpleQueueService.QueueDeletedRecently"


class PurgeQueueInProgress(SqsError):
    """The queue was purged less than 60 s ago (SQS-481)."""

    code = "AWS.SimpleQueueService.PurgeQueueInProgress"
    http_status = 403


class EmptyBatchRequest(SqsError):
    """A batch without entries (SQS-181)."""

    code = "AWS.SimpleQueueService.EmptyBatchRequest"


class TooManyEntriesInBatchRequest(SqsError):
    """A batch of more than ten entries (SQS-181)."""

    code = "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"


class BatchEntryIdsNotDistinct(SqsError):
    """Two entries of a batch share an id (SQS-181)."""

    code = "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"


class InvalidBatchEntryId(SqsError):
    """The id of an entry has illegal characters or length (SQS-181)."""

    code = "AWS.SimpleQueueService.InvalidBatchEntryId"


class BatchRequestTooLong(SqsError):
    """The entries of a batch are too large together (SQS-181)."""

    code = "AWS.SimpleQueueService.BatchRequestTooLong"


class MessageNotInflight(SqsError):
    """The message is not in flight (SQS-248, strict)."""

    code = "AWS.SimpleQueueService.MessageNotInflight"


class UnsupportedOperation(SqsError):
    """The operation is not possible here (SQS-461)."""

    code = "AWS.SimpleQueueService.UnsupportedOperation"


class OverLimit(SqsError):
    """Too many messages are in flight, or too many actions were named (SQS-410, SQS-550)."""

    http_status = 403


class ReceiptHandleIsInvalid(SqsError):
    """This queue never issued the handle (SQS-246)."""


class InvalidMessageContents(SqsError):
    """The body has characters that SQS does not carry (SQS-121)."""


class InvalidAttributeName(SqsError):
    """No such attribute (SQS-082)."""


class InvalidAttributeValue(SqsError):
    """An attribute cannot have this value (SQS-082)."""


class InvalidParameterValueException(SqsError):
    """Everything else about values."""

    code = "InvalidParameterValue"


class MissingRequiredParameterException(SqsError):
    """A parameter is missing (SQS-122)."""

    code = "MissingParameter"


class ResourceNotFoundException(SqsError):
    """No such move task or queue (SQS-461)."""

    http_status = 404


class RequestThrottled(SqsError):
    """Too many requests (SQS-414)."""


class InvalidAddress(SqsError):
    """The address belongs to another endpoint (SQS-026)."""


class InvalidSecurity(SqsError):
    """Only by injection (SQS-553)."""


class InvalidIdFormat(SqsError):
    """Only by injection; deprecated by AWS (SQS-620)."""


class KmsDisabled(SqsError):
    """Only by injection (SQS-553)."""


class KmsInvalidState(SqsError):
    """Only by injection (SQS-553)."""


class KmsNotFound(SqsError):
    """Only by injection (SQS-553)."""


class KmsOptInRequired(SqsError):
    """Only by injection (SQS-553)."""


class KmsThrottled(SqsError):
    """Only by injection (SQS-553)."""


class KmsAccessDenied(SqsError):
    """Only by injection (SQS-553)."""


class KmsInvalidKeyUsage(SqsError):
    """Only by injection (SQS-553)."""


__all__ = [
    "BatchEntryIdsNotDistinct",
    "BatchRequestTooLong",
    "EmptyBatchRequest",
    "InvalidAddress",
    "InvalidAttributeName",
    "InvalidAttributeValue",
    "InvalidBatchEntryId",
    "InvalidIdFormat",
    "InvalidMessageContents",
    "InvalidParameterValueException",
    "InvalidSecurity",
    "KmsAccessDenied",
    "KmsDisabled",
    "KmsInvalidKeyUsage",
    "KmsInvalidState",
    "KmsNotFound",
    "KmsOptInRequired",
    "KmsThrottled",
    "MessageNotInflight",
    "MissingRequiredParameterException",
    "OverLimit",
    "PurgeQueueInProgress",
    "QueueDeletedRecently",
    "QueueDoesNotExist",
    "QueueNameExists",
    "ReceiptHandleIsInvalid",
    "RequestThrottled",
    "ResourceNotFoundException",
    "TooManyEntriesInBatchRequest",
    "UnsupportedOperation",
]
