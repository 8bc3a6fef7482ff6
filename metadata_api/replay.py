"""Signed requests are taken once. What was seen is kept where a restart does not lose it.

Kept in a table store, whose insert of a key that must not exist is atomic between threads, processes and, on
Postgres, machines: the one NUCLEUS_KV_URL names, else a SQLite file under the home. Blocks would do it too, at a fifth
of a second each and for every operator to scroll past.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from contracts.errors import CheckpointConflictError
from contracts.state import KvKey
from metadata_api.errors import ReplayedError
from metadata_api.signing import WINDOW_S
from state.table import open_table_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contracts.state import KvStore

NAMESPACE = "api_requests"
_SPAN_S = 2 * WINDOW_S
"""Longest that a signature is valid: from a clock that is fast to one that is slow."""


class ReplayGuard:
    """Remembers signatures for as long as they are valid. Safe between threads.

    Args:
        store: One with compare-and-set.
        now: Unix seconds.
    """

    def __init__(self, store: KvStore, now: Callable[[], float] = time.time) -> None:
        if not store.compare_and_set:
            raise ValueError("the store cannot refuse a key that exists")
        self._store, self._now = store, now

    def take(self, digest: str) -> None:
        """Note the signature.

        Raises:
            ReplayedError: It was taken before.
            StateUnavailableError: The store did not answer.
        """
        key = KvKey(namespace=NAMESPACE, scope_id="signatures", key=digest)
        try:
            self._store.put(key, {"span": self._span()}, 0)
        except CheckpointConflictError:
            raise ReplayedError(
                "This signed request came before", "Sign it again; an idempotencyKey keeps it from starting twice."
            ) from None

    def sweep(self) -> None:
        """Forget what can no longer be replayed; for a thread that nobody waits for."""
        for entry in self._store.list(NAMESPACE):
            if int(str(entry.value.get("span", 0))) < self._span() - 1:
                self._store.delete(entry.key)

    def close(self) -> None:
        """Close the store's connections."""
        if hasattr(self._store, "close"):
            self._store.close()

    def _span(self) -> int:
        return int(self._now() // _SPAN_S)


def open_guard(home: Path) -> ReplayGuard:
    """The guard over the configured table store, or a file under ``home``."""
    url = os.environ.get("NUCLEUS_KV_URL") or f"sqlite:///{home.absolute()}/api-requests.sqlite3"
    return ReplayGuard(open_table_store(url))
