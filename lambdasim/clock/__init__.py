"""Simulated time and everything that must be the same in every run. Knows nothing of AWS."""

from lambdasim.clock.choices import Benign, ChoicePoint, Chooser, Seeded
from lambdasim.clock.clock import Clock, Priority, Timer
from lambdasim.clock.identifiers import Identifiers, Series
from lambdasim.clock.streams import Streams
from lambdasim.clock.tasks import Signal, Task
from lambdasim.clock.trace import Kind, Record, Subscription, Trace

__all__ = [
    "Benign",
    "ChoicePoint",
    "Chooser",
    "Clock",
    "Identifiers",
    "Kind",
    "Priority",
    "Record",
    "Seeded",
    "Series",
    "Signal",
    "Streams",
    "Subscription",
    "Task",
    "Timer",
    "Trace",
]
