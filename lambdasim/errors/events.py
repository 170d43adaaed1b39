"""The error of EventBridge's pattern language, under the name of its shape."""

from __future__ import annotations

from . import AwsError


class InvalidEventPatternException(AwsError):
    """A pattern is not valid; `reason` says why, and `path` where (FLT-120, FLT-121)."""

    def __init__(self, message: str, *, reason: str | None = None, path: str = "") -> None:
        super().__init__(message, reason=reason)
        self.path = path


__all__ = ["InvalidEventPatternException"]
