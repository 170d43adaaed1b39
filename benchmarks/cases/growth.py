"""Microseconds of single operations beside a backlog of a million and beside a hundred, each in a fresh process."""

from functools import partial

from benchmarks.growth import KINDS, OPERATIONS
from benchmarks.timing import Aim, Group, Row, in_fresh_process

FEW, MANY = 100, 1_000_000


class Column:
    """The operations on a queue of one kind with one backlog: measured all at once, read one by one."""

    def __init__(self, kind, waiting):
        self.kind = kind
        self.waiting = waiting
        self.unread = {}

    def read(self, operation, messages):
        """Return the microseconds of this operation; measure again when they were read before."""
        if operation not in self.unread:
            self.unread = in_fresh_process("benchmarks.growth", self.kind, self.waiting, messages)
        return self.unread.pop(operation)


def group_of(kind):
    few, many = Column(kind, FEW), Column(kind, MANY)
    sides = {}
    for operation in OPERATIONS:
        sides[f"{operation}, few"] = partial(few.read, operation)
        sides[f"{operation}, many"] = partial(many.read, operation)
    rows = tuple(
        Row(
            f"{kind}: {operation}, 1,000,000 waiting, beside 100",
            f"{operation}, many",
            f"{operation}, few",
            Aim(1.25, at_least=False),
        )
        for operation in OPERATIONS
    )
    return Group(sides=sides, rows=rows, size=5_000, unit=" µs", rounds=3)


GROUPS = tuple(group_of(kind) for kind in KINDS)
