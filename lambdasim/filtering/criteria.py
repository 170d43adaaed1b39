"""`FilterCriteria`: how filters are checked and kept, and whether a record passes (FLT-010 to FLT-019, FLT-120)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from attrs import field, frozen

from lambdasim.errors import ParamValidationError, UsageError
from lambdasim.errors.lambda_ import InvalidParameterValueException, ValidationException
from lambdasim.filtering import texts
from lambdasim.filtering.patterns import DIALECTS, Pattern, PatternError, compile_text
from lambdasim.filtering.views import SOURCES, Payload, Source, fitted, kinds_of, metadata_of, payload_of
from lambdasim.settings import flag, maybe, one_of, span, whole
from lambdasim.units import Duration

PATTERN_CHARS_MAX: Final = 4_096
PIPES_FILTERS_MAX: Final = 5  # no quota raises it (FLT-105)
_PIPES_FORBIDDEN: Final = (
    "awsRegion",
    "eventSource",
    "eventSourceARN",
    "eventVersion",
    "eventID",
    "eventName",
    "invokeIdentityArn",
    "eventSourceKey",
)


@frozen(kw_only=True)
class FilterModel:
    """How filters are read (FLT-130)."""

    dialect: Literal["lambda", "pipes", "eventbridge"] | None = field(
        default=None, validator=maybe(one_of("lambda", "pipes", "eventbridge"))
    )  #: None: that of the source (FLT-080)
    number_equality: Literal["value", "literal"] = field(default="value", validator=one_of("value", "literal"))
    strict_keys: bool = field(default=False, validator=flag)  #: only the data key may be tested (FLT-095)
    max_filters: int = field(default=5, validator=whole(1, 10))  #: FLT-012
    update_delay_s: Duration = field(default=0, validator=span())  #: until updated filters apply (FLT-019)


class Filters:
    """
    The filters of one mapping or pipe.

    Args:
        patterns: JSON texts, in order.
        source: `sqs`, `kinesis`, `dynamodb`, `kafka`, `mq` or `documentdb`.
        model: How they are read.
        is_pipe: Whether they are those of a pipe.
    Raises:
        ValidationException: A text is too long; of a pipe, also what is wrong with a pattern.
        InvalidParameterValueException: Too many filters, none allowed for the source, or a pattern that is not valid;
            `reason`, `filter_index` and `path` say more than AWS does (FLT-121).
    """

    __slots__ = ("_fitted", "_is_about_data", "_patterns", "_read", "_source", "texts")

    def __init__(
        self, patterns: Sequence[str | None], *, source: str, model: FilterModel | None = None, is_pipe: bool = False
    ) -> None:
        model = FilterModel() if model is None else model
        for number, text in enumerate(patterns, start=1):
            if text is not None and len(text) > PATTERN_CHARS_MAX:
                msg = (
                    f"1 validation error detected: Value '{text}' at 'filterCriteria.filters.{number}.member.pattern' "
                    f"failed to satisfy constraint: Member must have length less than or equal to {PATTERN_CHARS_MAX}"
                )
                raise ValidationException(msg)
        limit = min(model.max_filters, PIPES_FILTERS_MAX) if is_pipe else model.max_filters
        if len(patterns) > limit:
            msg = f"The number of filters exceeds the limit of {limit}."
            raise (ValidationException if is_pipe else InvalidParameterValueException)(msg)
        if patterns and source == "documentdb":
            msg = "Unsupported FilterCriteria parameter for given event source mapping type."
            raise InvalidParameterValueException(msg)
        if source != "documentdb" and source not in SOURCES:
            msg = f"source={source!r}: it is one of {', '.join(SOURCES)} or documentdb"
            raise UsageError(msg)
        self.texts = tuple(patterns)
        self._source = SOURCES.get(source, SOURCES["sqs"])
        self._patterns = tuple(
            self._compile(index, text or "", model, is_pipe=is_pipe) for index, text in enumerate(patterns)
        )
        self._fitted = {
            kind: [
                [fit for branch in pattern.branches if (fit := fitted(self._source, branch, kind)) is not None]
                for pattern in self._patterns
            ]
            for kind in Payload
        }
        self._read = {path: None for pattern in self._patterns for path in pattern.prefixes}
        self._is_about_data = any(
            any(kinds_of(self._source, branch)) for pattern in self._patterns for branch in pattern.branches
        )

    def _compile(self, index: int, text: str, model: FilterModel, *, is_pipe: bool) -> Pattern:
        dialect = model.dialect or ("pipes" if is_pipe else "lambda")
        try:
            pattern = compile_text(text, dialect=dialect, is_textual=model.number_equality == "literal")
            _check_source(pattern, self._source, model, is_pipe=is_pipe)
        except PatternError as error:
            kind = ValidationException if is_pipe else InvalidParameterValueException
            refused: Any = kind("Invalid filter pattern definition.", reason=error.reason)
            refused.filter_index, refused.path = index, error.path
            raise refused from error
        return pattern

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._patterns)

    def accepts(self, record: Mapping[str, Any]) -> bool:
        """
        Return whether a record passes: at least one filter matches, or there is none (FLT-011, FLT-015).

        Args:
            record: As it stands in an event. Its payload is parsed once at most, and only if a filter asks for it; so
                are its metadata. What JSON cannot hold does not pass.
        """
        if not self._patterns:
            return True
        source = self._source
        read = {key: value for key, value in metadata_of(source, record).items() if key in self._read}
        kind = Payload.PLAIN
        try:
            view = texts.normalise(read) if read else {}
            if self._is_about_data:
                kind, view[source.data_key] = payload_of(source, record)
        except ValueError:
            return False
        for pattern, branches in zip(self._patterns, self._fitted[kind], strict=True):
            leaves = pattern.leaves_of(view) if branches else {}
            if any(branch.matches(leaves) for branch in branches):
                return True
        return False


def _check_source(pattern: Pattern, source: Source, model: FilterModel, *, is_pipe: bool) -> None:
    """Refuse what a source does not allow (FLT-095, FLT-100, FLT-101, FLT-105)."""
    for branch in pattern.branches:
        for path in branch.paths:
            top = path.partition(".")[0]
            if not source.allows_plain and path == source.data_key:
                raise PatternError(f'"{path}" must be an object', path)
            if model.strict_keys and top != source.data_key:
                raise PatternError(f'"{top}" is not allowed, only "{source.data_key}" is', path)
            if is_pipe and top in _PIPES_FORBIDDEN:
                raise PatternError(f'"{top}" is not allowed in patterns of pipes', path)


def parse_criteria(given: object) -> tuple[str | None, ...]:
    """
    Return the patterns of `FilterCriteria` in AWS's form; a filter without a pattern is None (FLT-010, FLT-018).

    Raises:
        ParamValidationError: A wrong type, or a key that there is not (FLT-014).
    """
    if given is None:
        return ()
    if not isinstance(given, Mapping) or any(key != "Filters" for key in given):
        msg = f"filter_criteria={given!r}: give {{'Filters': [{{'Pattern': '…'}}, …]}}"
        raise ParamValidationError(msg)
    filters = given.get("Filters", ())
    if not isinstance(filters, list | tuple):
        msg = f"Filters={filters!r} is no list"
        raise ParamValidationError(msg)
    found: list[str | None] = []
    for entry in filters:
        if not isinstance(entry, Mapping) or any(key != "Pattern" for key in entry):
            msg = f"filter {entry!r}: give {{'Pattern': '…'}}"
            raise ParamValidationError(msg)
        pattern = entry.get("Pattern", "")
        if not isinstance(pattern, str):
            msg = f"Pattern={pattern!r} is no text"
            raise ParamValidationError(msg)
        found.append(pattern if "Pattern" in entry else None)
    return tuple(found)


__all__ = ["DIALECTS", "FilterModel", "Filters", "parse_criteria"]
