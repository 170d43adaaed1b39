"""
Receipt handles: opaque to callers, and all that a queue needs to know which delivery is meant (SQS-029, SQS-246).

A handle names the simulation, the queue, the message and the number of the delivery, with a checksum; so
a forged one, one of another queue and an old one are told apart without a table of handles.
"""

from __future__ import annotations

import re
from typing import Final

from lambdasim.clock import Series
from lambdasim.errors.sqs import ReceiptHandleIsInvalid

_HANDLE: Final = re.compile(
    "(?P<simulation>AQEB[0-9a-f]{8})(?P<queue>[0-9a-f]{16})"
    "(?P<sequence>[0-9a-f]{12})(?P<delivery>[0-9a-f]{8})(?P<check>[0-9a-f]{8})"
)


class Handles:
    """The handles of one queue."""

    __slots__ = ("_head", "_key", "_simulation")

    def __init__(self, simulation: Series, queue: Series) -> None:
        self._simulation = f"AQEB{simulation.digest.hex()[:8]}"
        self._head = f"{self._simulation}{queue.digest.hex()[32:48]}"
        self._key = int.from_bytes(simulation.digest[4:8], "big")

    def text(self, sequence: int, delivery: int) -> str:
        """Return the handle of this delivery of the message with this place in the queue."""
        return f"{self._head}{sequence:012x}{delivery:08x}{self._check(sequence, delivery):08x}"

    def _check(self, sequence: int, delivery: int) -> int:
        """Return 32 bits that a handle made up by hand will hardly have."""
        return (sequence * 0x9E3779B1 ^ delivery * 0x85EBCA6B ^ self._key) & 0xFFFFFFFF

    def parse(self, handle: str) -> tuple[int, int]:
        """
        Return (place of the message in the queue, number of the delivery).

        Raises:
            ReceiptHandleIsInvalid: The text is no handle of this simulation, or one of another queue (SQS-246).
        """
        found = _HANDLE.fullmatch(handle) if isinstance(handle, str) else None
        if found is not None and found["simulation"] == self._simulation:
            sequence, delivery, check = (int(digits, 16) for digits in found.group("sequence", "delivery", "check"))
            if check == self._check(sequence, delivery):
                if handle.startswith(self._head):
                    return sequence, delivery
                msg = f'The receipt handle "{handle}" is not valid for this queue.'
                raise ReceiptHandleIsInvalid(msg)
        msg = f'The input receipt handle "{handle}" is not a valid receipt handle.'
        raise ReceiptHandleIsInvalid(msg)
