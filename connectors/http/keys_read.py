"""Which keys a run has read, remembered in little room: a list of keys that lacks one of them is too narrow.

A service's list of keys may hide what its list of rows shows (archived pages, by a default filter). What the list
lacks counts as gone, so rows would be removed that the run has just read.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_KEYS = 100_000
"""Remembered at a time; of more keys a part is remembered, half of it whenever that is too many."""
_LARGEST = 2**64


class KeysRead:
    """Hashes of keys, of all or of a part that is chosen by the hash. Safe between threads.

    Args:
        key: Names of the key columns.
        most: Hashes to remember.
    """

    def __init__(self, key: Sequence[str], most: int = MOST_KEYS) -> None:
        self._key, self._most, self._lock = list(key), most, Lock()
        self._below, self._hashes = _LARGEST, set[int]()

    def add(self, frame: pl.DataFrame) -> None:
        """Rows were read."""
        hashes = self._hashed(frame)
        with self._lock:
            self._hashes |= {one for one in hashes if one < self._below}
            while len(self._hashes) > self._most:
                self._below //= 2
                self._hashes = {one for one in self._hashes if one < self._below}

    def all(self) -> frozenset[int]:
        """What is remembered."""
        with self._lock:
            return frozenset(self._hashes)

    def left_of(self, hashes: frozenset[int], listed: pl.DataFrame) -> frozenset[int]:
        """Those of the hashes that no listed row has."""
        return hashes.difference(self._hashed(listed)) if hashes else hashes

    def among(self, hashes: frozenset[int], frame: pl.DataFrame) -> pl.DataFrame:
        """Keys of the frame's rows that have one of these hashes."""
        keys = frame.select(self._key)
        return keys.filter(pl.Series([one in hashes for one in self._hashed(frame)], dtype=pl.Boolean))

    def _hashed(self, frame: pl.DataFrame) -> list[int]:
        return frame.select(self._key).hash_rows(seed=7).to_list() if frame.height else []
