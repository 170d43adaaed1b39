"""When a batch closes, and when a throttled one is tried again or given up: pure decisions (ESM-085 to ESM-089, §9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from attrs import frozen

from lambdasim.esm.limits import BatchWindowModel, ThrottleRetry
from lambdasim.units import seconds

_FRAME_BYTES: Final = len('{"Records":[]}')
_RECORD_BYTES_MAX: Final = 4_096  # a record without its body and attributes, whatever its numbers and names are
_ESCAPED_MAX: Final = 6  # a byte of a body takes at most this many bytes in JSON: \u001f


def plan_window_end(arrived_at_us: int, previous_end_us: int | None, window_us: int, model: BatchWindowModel) -> int:
    """
    Return when the window of a batch ends whose first record came at *arrived_at_us* (ESM-087).

    A window opens when the previous invocation of the slot ends; one that has passed meanwhile opens with the record.
    """
    if (
        model.anchor == "previous_completion"
        and previous_end_us is not None
        and arrived_at_us < previous_end_us + window_us
    ):
        return previous_end_us + window_us
    return arrived_at_us + window_us


def plan_cut(held_bytes: int, held: int, sizes: Sequence[int], limit_bytes: int) -> int:
    """
    Return how many more records fit into a batch of *held* records whose JSON takes *held_bytes* (ESM-066, ESM-089).

    Args:
        held_bytes: Sum over the records in the batch, without frame and commas.
        held: Records in the batch.
        sizes: Bytes of JSON of the records that would join, in order.
        limit_bytes: Of the whole event.
    """
    total = _FRAME_BYTES + held_bytes + max(0, held - 1)
    for place, size in enumerate(sizes):
        total += size + (1 if held + place else 0)
        if total > limit_bytes:
            return place
    return len(sizes)


def largest_sure_message(batch_size: int, limit_bytes: int) -> int:
    """Return how many bytes messages may have so that no batch can reach the payload limit, whatever they are."""
    return ((limit_bytes - _FRAME_BYTES) // batch_size - _RECORD_BYTES_MAX) // _ESCAPED_MAX


@frozen
class Retry:
    """What becomes of a throttled batch: tried again at an instant, or dropped now."""

    at_us: int | None  #: None: dropped


def plan_retry(
    now_us: int,
    retries: int,
    deadline_us: int,
    timeout_us: int,
    model: ThrottleRetry,
    delayed: Callable[[int], int] | None = None,
) -> Retry:
    """
    Decide about a batch that was throttled at *now_us* after *retries* retries (ESM-170 to ESM-174).

    Args:
        now_us: Of the refusal.
        retries: Retries so far.
        deadline_us: Earliest end of a visibility timeout in the batch.
        timeout_us: Of the function.
        model: The figures.
        delayed: Says how long a usual delay becomes; None: it stays (`esm.retry_delay`).
    """
    most_us = seconds(model.max_delay_s)
    power = min(retries, most_us.bit_length())  # a higher one is as good as this, and an ever larger number
    delay_us = min(seconds(model.base_s) * model.factor**power, most_us)
    if delayed is not None:
        delay_us = delayed(delay_us)
    at_us = now_us + delay_us
    if model.drop_rule == "visibility_exceeded":
        return Retry(None if at_us >= deadline_us else at_us)
    return Retry(None if deadline_us - at_us < timeout_us else at_us)
