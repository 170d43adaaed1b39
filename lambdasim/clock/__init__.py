"""Simulated time and everything that must be the same in every run. Knows nothing of AWS."""

from lambdasim.clock.choices import (
    CHOSEN,
    Benign,
    Choice,
    ChoicePoint,
    Chooser,
    Scripted,
    Seeded,
    script_of,
)
from lambdasim.clock.clock import Clock, Priority, Timer
from lambdasim.clock.identifiers import Identifiers, Series
from lambdasim.clock.streams import Streams
from lambdasim.clock.tasks import Signal, Task
from lambdasim.clock.trace import Kind, Record, Subscription, Trace

__all__ = [
    "CHOSEN",
    "Benign",
    "Choice",
    "ChoicePoint",
    "Chooser",
    "Clock",
    "Identifiers",
    "Kind",
    "Priority",
    "Record",
    "Scripted",
    "Seeded",
    "Series",
    "Signal",
    "Streams",
    "Subscription",
    "Task",
    "Timer",
    "Trace",
    "script_of",
]
