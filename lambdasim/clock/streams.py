"""Random streams by name: a new draw in one stream moves no other (SQS-007)."""

from __future__ import annotations

from hashlib import sha256
from random import Random


class Streams:
    """Named random streams, all from one seed. `streams["a name"]` is the same stream every time."""

    __slots__ = ("_open", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._open: dict[str, Random] = {}

    def __getitem__(self, name: str) -> Random:
        """Return the stream of this name. Only `random()` of it is the same on every Python."""
        stream = self._open.get(name)
        if stream is None:
            digest = sha256(f"{self.seed}/{name}".encode()).digest()
            stream = self._open[name] = Random(int.from_bytes(digest, "big"))
        return stream
