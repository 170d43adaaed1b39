"""What it costs: prices, and the arithmetic of a bill."""

from __future__ import annotations

from decimal import Decimal

from attrs import field, frozen

_MILLION = 1_000_000
_MB_MS = 1024 * 1000  # megabytes times milliseconds in a GB-second
_MINUTE_S = 60
_HOUR_S = 3_600


@frozen(kw_only=True)
class PriceBook:
    """
    Prices in USD, as of us-east-1 (LAM-340): a snapshot, for estimates. Free tiers and volume tiers are not applied.

    >>> book = PriceBook()
    >>> book.lambda_cost(requests=30_000_000, mb_ms=30_000_000 * 1024 * 1000)
    Decimal('506.00')
    """

    requests_per_million: Decimal = Decimal("0.20")
    gb_second_x86: Decimal = Decimal("0.0000166667")
    gb_second_arm: Decimal = Decimal("0.0000133334")
    provisioned_gb_second: Decimal = Decimal("0.0000041667")  #: of what is set aside, used or not (LAM-302)
    provisioned_duration_gb_second: Decimal = Decimal("0.0000097222")  #: of what runs on it
    event_poller_unit_hour: Decimal = Decimal("0.00925")  #: of mappings in provisioned mode (LAM-303)
    sqs_requests_per_million: Decimal = Decimal("0.40")
    cents: Decimal = field(default=Decimal("0.01"), repr=False)  #: to what a total for people is rounded

    def lambda_cost(
        self,
        *,
        requests: int,
        mb_ms: int,
        architecture: str = "x86_64",
        provisioned_mb_ms: int = 0,
        allocated_mb_ms: int = 0,
    ) -> Decimal:
        """
        Return what invocations cost, rounded to cents.

        Args:
            requests: Admitted invocations (LAM-301).
            mb_ms: Billed milliseconds times megabytes of memory, summed: a whole number; of on-demand invocations.
            architecture: `x86_64` or `arm64`.
            provisioned_mb_ms: The same of invocations on provisioned environments.
            allocated_mb_ms: The same of provisioned concurrency that was set aside, used or not (LAM-302).
        """
        exact = self.lambda_cost_exact(
            requests=requests,
            mb_ms=mb_ms,
            architecture=architecture,
            provisioned_mb_ms=provisioned_mb_ms,
            allocated_mb_ms=allocated_mb_ms,
        )
        return exact.quantize(self.cents)

    def lambda_cost_exact(
        self,
        *,
        requests: int,
        mb_ms: int,
        architecture: str = "x86_64",
        provisioned_mb_ms: int = 0,
        allocated_mb_ms: int = 0,
    ) -> Decimal:
        """Return the same without rounding."""
        price = self.gb_second_arm if architecture == "arm64" else self.gb_second_x86
        return (
            Decimal(mb_ms) / _MB_MS * price
            + Decimal(provisioned_mb_ms) / _MB_MS * self.provisioned_duration_gb_second
            + Decimal(allocated_mb_ms) / _MB_MS * self.provisioned_gb_second
            + Decimal(requests) / _MILLION * self.requests_per_million
        )

    def poller_cost(self, *, seconds: int, units: int = 1) -> Decimal:
        """Return what pollers of mappings in provisioned mode cost: per second, a minute at least (LAM-303)."""
        return Decimal(max(seconds, _MINUTE_S) * units) / _HOUR_S * self.event_poller_unit_hour

    def sqs_cost_exact(self, *, billed_requests: int) -> Decimal:
        """Return what SQS requests cost, with payloads counted per started 64 KiB (SQS-604)."""
        return Decimal(billed_requests) / _MILLION * self.sqs_requests_per_million


def billed_milliseconds(duration_us: int, init_us: int = 0) -> int:
    """Return the billed milliseconds of one on-demand invocation: rounded up on the exact sum, at least 1 (LAM-300)."""
    return max(1, -(-(duration_us + init_us) // 1000))
