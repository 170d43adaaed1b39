"""
Receipt handles: opaque to callers, and all that a queue needs to know which delivery is meant (SQS-029, SQS-246).

A handle names the simulation, the queue, the message and the number of the delivery, with a checksum; so
a forged one, one of another queue and an old one are told apart without a table of handles.
"""

from __future__ import annotations

import re
from typing import Final

from lambdasim.clock import Series
from lambdasim.errors.sqs import MissingRequiredParameterException, ReceiptHandleIsInvalid
from lambdasim.sqs.checks import check_text

_HANDLE: Final = re.compile("(?P<simulation>AQEB[0-9a-f]{8})[0-9a-f]{16}(?P<digits>[0-9a-f]{28})")
_HEAD_CHARS: Final = 28  # what names the simulation and the queue
_are_digits: Final = re.compile("[0-9a-f]{28}").fullmatch
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
            MissingRequiredParameterException: There is no handle.
            ReceiptHandleIsInvalid: The text is no handle of this simulation, or one of another queue (SQS-246).
        """
        if type(handle) is str and handle.startswith(self._head) and _are_digits(handle, _HEAD_CHARS):
            digits = int(handle[_HEAD_CHARS:], 16)
            number = digits >> 32
            if digits & _MASK == (number * _MIX + self._key) & _MASK:
                return number >> 24, number & 0xFFFFFF
        return self._parse_strange(handle)

    def _parse_strange(self, handle: object) -> tuple[int, int]:
        """Say what is wrong with a handle, if anything is: a subclass of `str` may be right."""
        if handle is None:
            msg = "The request must contain the parameter ReceiptHandle."
            raise MissingRequiredParameterException(msg)
        handle = check_text(handle, "receipt_handle")
        found = _HANDLE.fullmatch(handle)
        if found is not None and found["simulation"] == self._simulation:
            digits = int(found["digits"], 16)
            number, check = digits >> 32, digits & _MASK
            if check == (number * _MIX + self._key) & _MASK:
                if found[0].startswith(self._head):
                    return number >> 24, number & 0xFFFFFF
                msg = f'The receipt handle "{handle}" is not valid for this queue.'
                raise ReceiptHandleIsInvalid(msg)
        msg = f'The input receipt handle "{handle}" is not a valid receipt handle.'
        raise ReceiptHandleIsInvalid(msg)
