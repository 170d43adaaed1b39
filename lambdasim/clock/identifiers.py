"""Identifiers that look like AWS's, derived from the seed, the owner and a counter, never from chance or time."""

from __future__ import annotations

from hashlib import sha256
from typing import Any


class Series:
    """
    The identifiers of one kind and owner, by number: 1, 2, 3 and so on.

    Numbers are kept where many are needed; the text is made when somebody looks (SQS-028, LAM-046).
    """

    __slots__ = ("_head", "digest", "last", "owner")

    def __init__(self, digest: bytes) -> None:
        self.digest = digest  #: 32 bytes of this kind and owner, for other derived texts
        self.last = 0  #: the number given last
        self.owner: Any = None  #: whoever has it now, if it wants to be known
        text = digest.hex()
        # 74 bits of the digest, and 48 of the counter: two series never meet in practice
        self._head = f"{text[:8]}-{text[8:12]}-4{text[12:15]}-{0x8 | digest[8] & 0x3:x}{text[17:20]}-"

    def next(self) -> int:
        """Count on, and return the new number."""
        self.last += 1
        return self.last

    def text(self, number: int) -> str:
        """Return the identifier of this number, in the form of a version 4 UUID."""
        return f"{self._head}{number:012x}"


class Identifiers:
    """All series of one simulation. An owner that is made again goes on counting."""

    __slots__ = ("_series", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._series: dict[tuple[str, str], Series] = {}

    def series(self, kind: str, owner: str) -> Series:
        """Return the one series of this kind and owner."""
        series = self._series.get((kind, owner))
        if series is None:
            digest = sha256(f"{self.seed}/{kind}/{owner}".encode()).digest()
            series = self._series[kind, owner] = Series(digest)
        return series
