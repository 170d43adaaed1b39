"""What may go wrong, in one flat class: the imperfections that AWS permits, all off by default."""

from __future__ import annotations

from typing import Any, Self

from attrs import field, fields, frozen

from lambdasim.esm.faults import EsmFaults
from lambdasim.lambda_.faults import AsyncFaults, LambdaFaults
from lambdasim.settings import number
from lambdasim.sqs.faults import SqsFaults


@frozen(kw_only=True, slots=False)
class Faults(SqsFaults, LambdaFaults):
    """
    What may go wrong in a simulation; given as `faults=` to it, or narrower to one queue, function or mapping.

    A field at its off value means that nothing of the kind ever happens, and nobody is asked. Any other value permits
    it, and is its probability for whoever draws lots. The fields are those of `SqsFaults`, `LambdaFaults`,
    `AsyncFaults` and `EsmFaults`; a name that two of them share begins with that of its group.
    """

    order: float = field(default=0.0, validator=number(0, 1))  #: see `AsyncFaults.order`
    async_retry_delay: float = field(default=0.0, validator=number(0, 1))  #: see `AsyncFaults.retry_delay`
    async_duplicate: float = field(default=0.0, validator=number(0, 1))  #: see `AsyncFaults.duplicate`
    event_lost: float = field(default=0.0, validator=number(0, 1))  #: see `AsyncFaults.event_lost`
    delivery_fails: float = field(default=0.0, validator=number(0, 1))  #: see `AsyncFaults.delivery_fails`

    dispatch: float = field(default=0.0, validator=number(0, 1))  #: see `EsmFaults.dispatch`
    esm_poll_error: float = field(default=0.0, validator=number(0, 1))  #: see `EsmFaults.poll_error`
    split_receive: float = field(default=0.0, validator=number(0, 1))  #: see `EsmFaults.split_receive`
    poller_lost: float = field(default=0.0, validator=number(0, 1))  #: see `EsmFaults.poller_lost`
    delete_fails: float = field(default=0.0, validator=number(0, 1))  #: see `EsmFaults.delete_fails`
    system_error: float = field(default=0.0, validator=number(0, 1))  #: see `EsmFaults.system_error`
    overshoot: float = field(default=0.0, validator=number(0, 1))  #: see `EsmFaults.overshoot`
    esm_retry_delay: float = field(default=0.0, validator=number(0, 1))  #: see `EsmFaults.retry_delay`
    window: float = field(default=0.0, validator=number(0, 1))  #: see `EsmFaults.window`
    disabled_by_lambda: float = field(default=0.0, validator=number(0, 1))  #: see `EsmFaults.disabled_by_lambda`

    @classmethod
    def permitted(cls) -> Self:
        """
        Return all that AWS permits, for choosers that explore; what it forbids on FIFO queues is not asked there.

        Sizes are those of `at_least_once` (SQS-641), every probability is a hundredth. A run at whose points option 0
        is always taken is the run without faults.
        """
        odds: dict[str, Any] = {
            entry.name: 0.01
            for entry in fields(cls)
            if entry.default == 0.0 and isinstance(entry.default, float) and entry.name != "approx_noise"
        }
        return cls(**odds, reorder_window=10, short_poll_shards=4, short_poll_sample=3, poll_wakeup="random")

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

    @property
    def mapping(self) -> EsmFaults:
        """What concerns event source mappings."""
        return EsmFaults(
            dispatch=self.dispatch,
            poll_error=self.esm_poll_error,
            split_receive=self.split_receive,
            poller_lost=self.poller_lost,
            delete_fails=self.delete_fails,
            system_error=self.system_error,
            overshoot=self.overshoot,
            retry_delay=self.esm_retry_delay,
            window=self.window,
            disabled_by_lambda=self.disabled_by_lambda,
        )


GROUPS = (SqsFaults, LambdaFaults, AsyncFaults, EsmFaults)


def sqs_part(faults: object) -> SqsFaults | None:
    """Return what concerns queues; None where nothing does."""
    return faults if isinstance(faults, SqsFaults) else None


def lambda_part(faults: object) -> LambdaFaults | None:
    """Return what concerns functions; None where nothing does."""
    return faults if isinstance(faults, LambdaFaults) else None


def async_part(faults: object) -> AsyncFaults | None:
    """Return what concerns asynchronous invocations; None where nothing does."""
    return faults.asynchronous if isinstance(faults, Faults) else faults if isinstance(faults, AsyncFaults) else None


def esm_part(faults: object) -> EsmFaults | None:
    """Return what concerns event source mappings; None where nothing does."""
    return faults.mapping if isinstance(faults, Faults) else faults if isinstance(faults, EsmFaults) else None
