"""The matcher by itself, as EventBridge's `TestEventPattern` is."""

from __future__ import annotations

from lambdasim.errors import ParamValidationError, UsageError
from lambdasim.errors.events import InvalidEventPatternException
from lambdasim.filtering.criteria import FilterModel
from lambdasim.filtering.patterns import DIALECTS, Pattern, PatternError, compile_text


def compile_pattern(text: str, dialect: str = "eventbridge", model: FilterModel | None = None) -> Pattern:
    """
    Compile a pattern, for matching as often as one likes.

    Args:
        text: JSON.
        dialect: `lambda`, `pipes` or `eventbridge`: which operators there are (FLT-080).
        model: `number_equality` counts; its `dialect`, if there is one, wins.
    Returns:
        A pattern with `matches(record)` and `matches_text(json)`.
    Raises:
        InvalidEventPatternException: What is wrong with it first; `reason` and `path` say where.
        UsageError: No such dialect.

    >>> compile_pattern('{"state": ["open", {"prefix": "re"}]}').matches({"state": "reopened"})
    True

    Rules: FLT-001, FLT-002, FLT-020 to FLT-080, FLT-120. Runtime: of a match, linear in the record where no arrays of
    objects are involved.
    """
    model = FilterModel() if model is None else model
    if not isinstance(text, str):
        msg = f"pattern={text!r} is no text; give JSON"
        raise ParamValidationError(msg)
    dialect = dialect if model.dialect is None else model.dialect
    if dialect not in DIALECTS:
        msg = f"dialect={dialect!r}: it is one of {', '.join(DIALECTS)}"
        raise UsageError(msg)
    try:
        return compile_text(text, dialect=dialect, is_textual=model.number_equality == "literal")
    except PatternError as error:
        msg = f"Event pattern is not valid. Reason: {error.reason}"
        raise InvalidEventPatternException(msg, reason=error.reason, path=error.path) from error
