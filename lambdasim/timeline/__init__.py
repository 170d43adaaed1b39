"""What happened in a simulation, for people: text in columns, and a picture."""

from lambdasim.timeline.timeline import Timeline

__all__ = ["Timeline"]
