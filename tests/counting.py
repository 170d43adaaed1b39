"""Work that is counted instead of timed: the same on every machine."""

from __future__ import annotations

import sys
from collections import Counter
from functools import wraps

from lambdasim.clock import Clock, Timer


class Lines:
    """Counts the lines of lambdasim that run within it."""

    def __enter__(self):
        self.count = 0
        self._before = sys.gettrace()
        sys.settrace(self._enter_frame)
        return self

    def __exit__(self, *_):
        sys.settrace(self._before)

    def _enter_frame(self, frame, _event, _argument):
        """Watch this frame, unless it is somebody else's, such as a callback of the garbage collector."""
        return self._count if frame.f_globals.get("__name__", "").startswith("lambdasim") else None

    def _count(self, _frame, event, _argument):
        self.count += event == "line"
        return self._count


class AgendaWork:
    """Counts by name what is asked of the agendas of all clocks within it: to take something in, or to give it up."""

    OPERATIONS = ((Clock, "schedule"), (Clock, "timer"), (Clock, "rearm"), (Clock, "soon"), (Timer, "cancel"))

    def __enter__(self):
        self.counts = Counter()
        self._before = [(owner, name, getattr(owner, name)) for owner, name in self.OPERATIONS]
        for owner, name, operation in self._before:
            setattr(owner, name, self._counted(name, operation))
        return self

    def __exit__(self, *_):
        for owner, name, operation in self._before:
            setattr(owner, name, operation)

    @property
    def total(self):
        """All operations so far."""
        return self.counts.total()

    def _counted(self, name, operation):
        @wraps(operation)
        def counted(*args, **given):
            self.counts[name] += 1
            return operation(*args, **given)

        return counted
