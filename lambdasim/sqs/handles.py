"""
Receipt handles: opaque to callers, and all that a queue needs to know which delivery is meant (SQS-029, SQS-246).

A handle names the simulation, the queue, the message and the number of the delivery, with a checksum; so
a forged one, one of another queue and an old one are told apart without a table of handles. Those shown lately are
remembered all the same, as most come back soon: to read one takes eight times as long as to look it up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from lambdasim.clock import Series
from lambdasim.errors.sqs import MissingRequiredParameterException, ReceiptHandleIsInvalid
from lambdasim.sqs.checks import check_text

_HANDLE: Final = re.compile("(?P<simulation>AQEB[0-9a-f]{8})[0-9a-f]{16}(?P<digits>[0-9a-f]{28})")
_HEAD_CHARS: Final = 28  # what names the simulation and the queue
_are_digits: Final = re.compile("[0-9a-f]{28}").fullmatch
_PRIME: Final = 0x3FFFFFDD  # what a number in a handle is a multiple of: one made up by hand will hardly be
_REMEMBERED: Final = 1_000  # handles; they are forgotten all at once


class Handles:
    """The handles of one queue."""

    __slots__ = ("_head", "_key", "_simulation", "shown")

    def __init__(self, simulation: Series, queue: Series) -> None:
        self._simulation = f"AQEB{simulation.digest.hex()[:8]}"
        self._head = f"{self._simulation}{queue.digest.hex()[32:48]}"
        self._key = int.from_bytes(simulation.digest[4:8], "big")
        self.shown: dict[object, tuple[int, int]] = {}  #: what `parse` would say of those shown lately

    def text(self, sequence: int, delivery: int) -> str:
        """Return the handle of this delivery of the message with this place in the queue."""
        return f"{self._head}{(sequence << 24 | delivery) * _PRIME + self._key:028x}"  # one number formats fastest

    def show(self, sequence: int, delivery: int) -> str:
        """Return the handle as `text` does, and remember it: whoever asked will come back with it."""
        shown = self.shown
        if len(shown) >= _REMEMBERED:
            shown.clear()
        handle = f"{self._head}{(sequence << 24 | delivery) * _PRIME + self._key:028x}"
        shown[handle] = sequence, delivery
        return handle

    def parse(self, handle: object) -> tuple[int, int]:
        """
        Return (place of the message in the queue, number of the delivery).

        Raises:
            MissingRequiredParameterException: There is no handle.
            ReceiptHandleIsInvalid: The text is no handle of this simulation, or one of another queue (SQS-246).
        """
        if type(handle) is not str:
            return self._parse_strange(handle)
        known = self.shown.get(handle)
        if known is not None:
            return known
        if handle.startswith(self._head) and _are_digits(handle, _HEAD_CHARS):
            number, rest = divmod(int(handle[_HEAD_CHARS:], 16) - self._key, _PRIME)
            if not rest and number > 0:
                return number >> 24, number & 0xFFFFFF
        return self._parse_strange(handle)

    def look_up(self, handles: Iterable[object]) -> list[tuple[int, int]] | None:
        """Return what `parse` says of handles that were all shown lately; None: of some it has to be asked."""
        try:
            found = list(map(self.shown.get, handles))
        except TypeError:  # one is no text, nor anything else that can be looked up
            return None
        return None if None in found else found  # type: ignore[return-value]  # there is no None in it

    def _parse_strange(self, handle: object) -> tuple[int, int]:
        """Say what is wrong with a handle, if anything is: a subclass of `str` may be right."""
        if handle is None:
            msg = "The request must contain the parameter ReceiptHandle."
            raise MissingRequiredParameterException(msg)
        handle = check_text(handle, "receipt_handle")
        found = _HANDLE.fullmatch(handle)
        if found is not None and found["simulation"] == self._simulation:
            number, rest = divmod(int(found["digits"], 16) - self._key, _PRIME)
            if not rest and number > 0:
                if found[0].startswith(self._head):
                    return number >> 24, number & 0xFFFFFF
                msg = f'The receipt handle "{handle}" is not valid for this queue.'
                raise ReceiptHandleIsInvalid(msg)
        msg = f'The input receipt handle "{handle}" is not a valid receipt handle.'
        raise ReceiptHandleIsInvalid(msg)
