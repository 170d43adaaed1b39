"""Work that is counted instead of timed: the same on every machine."""

from __future__ import annotations

import sys


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
