"""Amazon SQS: a queue, usable on its own."""

from lambdasim.sqs.limits import SqsConfig
from lambdasim.sqs.message import Delivery, Flight, Message, QueueSnapshot, SendMessageResult, State
from lambdasim.sqs.queue import Queue
from lambdasim.sqs.redrive import RedrivePolicy

__all__ = [
    "Delivery",
    "Flight",
    "Message",
    "Queue",
    "QueueSnapshot",
    "RedrivePolicy",
    "SendMessageResult",
    "SqsConfig",
    "State",
]
