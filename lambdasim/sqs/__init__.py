"""Amazon SQS: a queue, usable on its own."""

from lambdasim.sqs.faults import SqsFaults
from lambdasim.sqs.limits import SqsConfig, SqsCostModel
from lambdasim.sqs.message import Flight, Message, State
from lambdasim.sqs.queue import Queue
from lambdasim.sqs.redrive import RedrivePolicy
from lambdasim.sqs.registry import Endpoint, Registry
from lambdasim.sqs.results import Delivery, QueueSnapshot, SendMessageResult

__all__ = [
    "Delivery",
    "Endpoint",
    "Flight",
    "Message",
    "Queue",
    "QueueSnapshot",
    "RedrivePolicy",
    "Registry",
    "SendMessageResult",
    "SqsConfig",
    "SqsCostModel",
    "SqsFaults",
    "State",
]
