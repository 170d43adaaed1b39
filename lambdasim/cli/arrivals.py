"""The tables of arrivals: when messages come to a queue."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Discriminator, Field, PlainValidator, PrivateAttr, ValidationInfo, model_validator

from lambdasim import SqsConfig
from lambdasim.cli.tables import Factor, FromOne, Name, Table, Time, TimeAboveZero, YesNo
from lambdasim.cli.values import Choice, Number, Seconds, Whole
from lambdasim.units import seconds
from lambdasim.workload import Arrivals, Burst, Bursts, ConstantRate, IntervalCounts, PiecewiseRate, Poisson
from lambdasim.workload.arrivals import RATE_MAX, RATE_MIN

_SQS: Final = SqsConfig()

PerSecond = Annotated[int | float, PlainValidator(Number(RATE_MIN, RATE_MAX, of="arrivals a second"))]
Spread = Annotated[str, PlainValidator(Choice(("even", "poisson")))]


class ArrivalsTable(Table):
    """Messages that arrive at a queue."""

    library: ClassVar[type[Arrivals]]  #: of the process that it stands for

    queue: Name
    message_size: Annotated[int, PlainValidator(Whole(1, _SQS.max_payload_bytes, "bytes"))] | None = None

    def make(self, end_us: int | None) -> Arrivals:
        """Return the process; one that repeats itself does so up to *end_us*, where the arrivals of a scenario end."""
        del end_us
        return self.library(**self._figures())

    @property
    def first(self) -> tuple[str, Seconds] | None:
        """The key that says when the first message may come, and what it says."""
        given = self._figures()
        return next(((key, given[key]) for key in ("at", "start") if key in given), None)

    def _figures(self) -> dict[str, Any]:
        return self.given("queue", "kind", "message_size")

    @model_validator(mode="after")
    def _check(self) -> ArrivalsTable:
        self.make(None)
        return self


class ConstantArrivals(ArrivalsTable):
    """Evenly spaced arrivals."""

    tag = "constant"
    library = ConstantRate
    kind: Literal["constant"]
    rate_per_s: PerSecond
    start: Time | None = None
    duration: Time | None = None


class PoissonArrivals(ArrivalsTable):
    """Independent arrivals at a mean rate."""

    tag = "poisson"
    library = Poisson
    kind: Literal["poisson"]
    rate_per_s: PerSecond
    start: Time | None = None
    duration: Time | None = None


class SegmentTable(Table):
    """A time with a rate of its own."""

    duration: TimeAboveZero
    rate_per_s: Annotated[int | float, PlainValidator(Number(RATE_MIN, RATE_MAX, "arrivals a second", or_zero=True))]


class PiecewiseArrivals(ArrivalsTable):
    """A rate that changes in steps."""

    tag = "piecewise"
    kind: Literal["piecewise"]
    segments: Annotated[list[SegmentTable], Field(min_length=1)]
    spread: Spread | None = None
    repeat: YesNo | None = None

    def make(self, end_us: int | None) -> Arrivals:
        """Return the process; one that repeats itself does so up to *end_us*."""
        segments = [(segment.duration, segment.rate_per_s) for segment in self.segments]
        if self.repeat and end_us is not None:
            around, segments, begin_us = cycle(segments), [], 0
            while begin_us < end_us:
                segments.append(next(around))
                begin_us += seconds(segments[-1][0])
        return PiecewiseRate(segments, **({} if self.spread is None else {"poisson": self.spread == "poisson"}))


class BurstArrivals(ArrivalsTable):
    """Many arrivals in one instant."""

    tag = "burst"
    library = Burst
    kind: Literal["burst"]
    count: FromOne
    at: Time | None = None


class BurstsArrivals(ArrivalsTable):
    """Bursts at equal distances."""

    tag = "bursts"
    library = Bursts
    kind: Literal["bursts"]
    count: FromOne
    every: TimeAboveZero
    times: FromOne | None = None
    start: Time | None = None


class CsvArrivals(ArrivalsTable):
    """Counts by interval from a file, which lies where the scenario says, seen from the scenario's own folder."""

    tag = "csv"
    kind: Literal["csv"]
    file: Name
    interval: TimeAboveZero | None = None
    spread: Spread | None = None
    duration: TimeAboveZero | None = None
    scale: Factor | None = None
    timestamp_column: Name | None = None
    value_column: Name | None = None

    _read: IntervalCounts = PrivateAttr()

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> CsvArrivals:
        path = Path((info.context or {}).get("folder", ""), self.file)
        figures = self.given("queue", "kind", "message_size", "file")
        try:
            self._read = IntervalCounts.from_csv(path, **figures)
        except OSError as error:
            raise ValueError(f'file="{self.file}" cannot be read: {error.strerror}: {path}') from error
        return self

    def make(self, end_us: int | None) -> Arrivals:
        """Return the process."""
        del end_us
        return self._read


AnyArrivals = Annotated[
    ConstantArrivals | PoissonArrivals | PiecewiseArrivals | BurstArrivals | BurstsArrivals | CsvArrivals,
    Discriminator("kind"),
]
