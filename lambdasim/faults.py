"""What may go wrong, in one flat class: the imperfections that AWS permits, all off by default."""

from __future__ import annotations

from attrs import field, frozen

from lambdasim.lambda_.faults import AsyncFaults, LambdaFaults
from lambdasim.settings import number
from lambdasim.sqs.faults import SqsFaults


@frozen(kw_only=True, slots=False)
class Faults(SqsFaults, LambdaFaults):
    """
    What may go wrong in a simulation; given as `faults=` to it, or narrower to one queue or function.

    A field at its off value means that nothing of the kind ever happens, and nobody is asked. Any other value permits
    it, and is its probability for whoever draws lots. The fields are those of `SqsFaults`, `LambdaFaults` and
    `AsyncFaults`; where a name would not say enough it begins with that of its group.
    """

    order: float = field(default=0.0, validator=number(0, 1))  #: see `AsyncFaults.order`
    async_retry_delay: float = field(default=0.0, validator=number(0, 1))  #: see `AsyncFaults.retry_delay`
    async_duplicate: float = field(default=0.0, validator=number(0, 1))  #: see `AsyncFaults.duplicate`
    event_lost: float = field(default=0.0, validator=number(0, 1))  #: see `AsyncFaults.event_lost`
    delivery_fails: float = field(default=0.0, validator=number(0, 1))  #: see `AsyncFaults.delivery_fails`

    @property
    def asynchronous(self) -> AsyncFaults:
        """What concerns asynchronous invocations."""
        return AsyncFaults(
            order=self.order,
            retry_delay=self.async_retry_delay,
            duplicate=self.async_duplicate,
            event_lost=self.event_lost,
            delivery_fails=self.delivery_fails,
        )


GROUPS = (SqsFaults, LambdaFaults, AsyncFaults)


def sqs_part(faults: object) -> SqsFaults | None:
    """Return what concerns queues; None where nothing does."""
    return faults if isinstance(faults, SqsFaults) else None


def lambda_part(faults: object) -> LambdaFaults | None:
    """Return what concerns functions; None where nothing does."""
    return faults if isinstance(faults, LambdaFaults) else None


def async_part(faults: object) -> AsyncFaults | None:
    """Return what concerns asynchronous invocations; None where nothing does."""
    return faults.asynchronous if isinstance(faults, Faults) else faults if isinstance(faults, AsyncFaults) else None
