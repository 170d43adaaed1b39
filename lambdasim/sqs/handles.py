"""
Receipt handles: opaque to callers, and all that a queue needs to know which delivery is meant (SQS-029, SQS-246).

A handle names the simulation, the queue, the message and the number of the delivery, with a checksum over all of it; so
a forged one, one of another queue and an old one are told apart without a table of handles.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from lambdasim.clock import Series
from lambdasim.errors.sqs import ReceiptHandleIsInvalid

_LENGTH: Final = 4 + 8 + 16 + 12 + 8 + 8  # mark, simulation, queue, message, delivery, checksum


class Handles:
    """The handles of one queue."""

    __slots__ = ("_head", "_simulation")

    def __init__(self, simulation: Series, queue: Series) -> None:
        self._simulation = f"AQEB{simulation.digest.hex()[:8]}"
        self._head = f"{self._simulation}{queue.digest.hex()[32:48]}"

    def text(self, sequence: int, delivery: int) -> str:
        """Return the handle of this delivery of the message with this place in the queue."""
        text = f"{self._head}{sequence:012x}{delivery:08x}"
        return f"{text}{crc32(text.encode()):08x}"

    def parse(self, handle: str) -> tuple[int, int]:
        """
        Return (place of the message in the queue, number of the delivery).

        Raises:
            ReceiptHandleIsInvalid: The text is no handle of this simulation, or one of another queue (SQS-246).
        """
        if (
            not isinstance(handle, str)
            or len(handle) != _LENGTH
            or not handle.startswith(self._simulation)
            or not handle.isascii()
            or f"{crc32(handle[:-8].encode()):08x}" != handle[-8:]
        ):
            msg = f'The input receipt handle "{handle}" is not a valid receipt handle.'
            raise ReceiptHandleIsInvalid(msg)
        if not handle.startswith(self._head):
            msg = f'The receipt handle "{handle}" is not valid for this queue.'
            raise ReceiptHandleIsInvalid(msg)
        return int(handle[28:40], 16), int(handle[40:48], 16)
