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

_DIGITS: Final = re.compile("[0-9a-f]{28}")
_QUEUE: Final = re.compile("[0-9a-f]{16}")
_HEAD_CHARS: Final = 28  # simulation and queue
_SIMULATION_CHARS: Final = 12
_MIX: Final = 0x9E3779B1  # spreads neighbouring numbers over 32 bits: a handle made up by hand will hardly fit
_MASK: Final = 0xFFFFFFFF


class Handles:
    """The handles of one queue."""

    __slots__ = ("_head", "_key", "_simulation")

    def __init__(self, simulation: Series, queue: Series) -> None:
        self._simulation = f"AQEB{simulation.digest.hex()[:8]}"
        self._head = f"{self._simulation}{queue.digest.hex()[32:48]}"
        self._key = int.from_bytes(simulation.digest[4:8], "big")

    def text(self, sequence: int, delivery: int) -> str:
        """Return the handle of this delivery of the message with this place in the queue."""
        number = sequence << 24 | delivery
        return f"{self._head}{number << 32 | (number * _MIX + self._key) & _MASK:028x}"  # one number formats fastest

    def parse(self, handle: object) -> tuple[int, int]:
        """
        Return (place of the message in the queue, number of the delivery).

        Raises:
            ReceiptHandleIsInvalid: The text is no handle of this simulation, or one of another queue (SQS-246).
        """
        if isinstance(handle, str) and handle.startswith(self._simulation):
            text = handle[_HEAD_CHARS:]
            digits = int(text, 16) if _DIGITS.fullmatch(text) else 0
            number = digits >> 32
            if digits and digits & _MASK == (number * _MIX + self._key) & _MASK:
                if handle.startswith(self._head):
                    return number >> 24, number & 0xFFFFFF
                if _QUEUE.fullmatch(handle, _SIMULATION_CHARS, _HEAD_CHARS):
                    msg = f'The receipt handle "{handle}" is not valid for this queue.'
                    raise ReceiptHandleIsInvalid(msg)
        msg = f'The input receipt handle "{handle}" is not a valid receipt handle.'
        raise ReceiptHandleIsInvalid(msg)
