"""What may go wrong, in one flat class: the imperfections that AWS permits, all off by default."""

from __future__ import annotations

from lambdasim.sqs.faults import SqsFaults


class Faults(SqsFaults):
    """
    What may go wrong in a simulation; given as `faults=` to it, or narrower to one queue.

    A field at its off value means that nothing of the kind ever happens, and nobody is asked. Any other value permits
    it, and is its probability for whoever draws lots. The fields are those of `SqsFaults`.
    """
