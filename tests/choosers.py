"""Choosers for tests: they say what they are told to, and remember what they were asked."""

from __future__ import annotations


class Says:
    """Answers one point with these indexes, one after the other, and everything else with 0."""

    def __init__(self, name, *answers):
        self.name = name
        self.answers = list(answers)
        self.asked = []

    def choose(self, point, options):
        self.asked.append((point.name, point.owner, len(options)))
        return self.answers.pop(0) if point.name == self.name and self.answers else 0


def happened(sim):
    """Return the lines of the trace, without those that say which choices were made."""
    return [record.to_json() for record in sim.trace.records if record.kind != "choice made"]
