"""State in memory, for tests and notebooks."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from contracts.state import KvEntry
from state.entries import conflict, decode, encode

if TYPE_CHECKING:
    from contracts.model import Json
    from contracts.state import KvKey


class MemoryKvStore:
    """A versioned dictionary. Thread-safe; values are copied when stored and when read."""

    def __init__(self) -> None:
        self._entries: dict[KvKey, KvEntry] = {}
        self._lock = Lock()

    @property
    def compare_and_set(self) -> bool:
        """True: a lock guards every write."""
        return True

    def get(self, key: KvKey) -> KvEntry | None:
        """The entry, or None."""
        with self._lock:
            entry = self._entries.get(key)
        return None if entry is None else entry.model_copy(deep=True)

    def put(self, key: KvKey, value: Json, expected_version: int | None = None) -> KvEntry:
        """Write the value if the stored version is ``expected_version``; 0 means no entry, None means any version.

        Raises:
            CheckpointConflictError: The stored version is another one.
        """
        copied = decode(encode(value), key)
        with self._lock:
            stored = self._entries.get(key)
            version = 0 if stored is None else stored.version
            if expected_version is not None and expected_version != version:
                raise conflict(key, expected_version, version)
            entry = KvEntry(key=key, value=copied, version=version + 1, updated_at=datetime.now(UTC))
            self._entries[key] = entry
        return entry.model_copy(deep=True)

    def delete(self, key: KvKey) -> bool:
        """Remove the entry; False when there was none."""
        with self._lock:
            return self._entries.pop(key, None) is not None

    def list(self, namespace: str, scope_id: str | None = None) -> tuple[KvEntry, ...]:
        """All entries of the namespace (of one scope if given), ordered by scope and key."""
        with self._lock:
            entries = list(self._entries.values())
        chosen = [e for e in entries if e.key.namespace == namespace and scope_id in {None, e.key.scope_id}]
        ordered = sorted(chosen, key=lambda entry: (entry.key.scope_id, entry.key.key))
        return tuple(entry.model_copy(deep=True) for entry in ordered)
