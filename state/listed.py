"""A view of a store that knows whole namespaces from one list, for those who read many of their entries."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from contracts.model import Json
    from contracts.state import KvEntry, KvKey, KvStore


class _NamespaceList(NamedTuple):
    at: float
    entries: dict[KvKey, KvEntry]


class _Own(NamedTuple):
    """What was written here, which a list that was asked for before may lack."""

    at: float
    entry: KvEntry | None


class ListedStore:
    """A ``KvStore`` over another one; what it lists of some namespaces it believes for a while. Safe between threads.

    What is written through it is seen by it at once. What others write is seen when the list is read again, so it is
    for namespaces that nobody compares and sets.

    Args:
        store: Where the values live.
        believed_s: Namespace to seconds that a list of it is believed; all other namespaces are passed through.
        now: Seconds of a monotonic clock.
    """

    def __init__(
        self, store: KvStore, believed_s: Mapping[str, float], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._believed_s, self._now = store, dict(believed_s), now
        self._lists: dict[tuple[str, str], _NamespaceList] = {}
        self._own: dict[KvKey, _Own] = {}
        self._lock = Lock()
        self._reading = {name: Lock() for name in believed_s}

    @property
    def compare_and_set(self) -> bool:
        """As the store's."""
        return self._store.compare_and_set

    def get(self, key: KvKey) -> KvEntry | None:
        """The entry, or None; of a listed namespace as it was when its scope was listed."""
        if key.namespace not in self._believed_s:
            return self._store.get(key)
        return self._listed(key.namespace, key.scope_id).get(key)

    def put(self, key: KvKey, value: Json, expected_version: int | None = None) -> KvEntry:
        """As the store's, and the entry is known here from now on."""
        entry = self._store.put(key, value, expected_version)
        self._note(key, entry)
        return entry

    def delete(self, key: KvKey) -> bool:
        """As the store's."""
        deleted = self._store.delete(key)
        self._note(key, None)
        return deleted

    def list(self, namespace: str, scope_id: str | None = None) -> tuple[KvEntry, ...]:
        """As the store's; of a scope of a listed namespace what is known here."""
        if scope_id is None or namespace not in self._believed_s:
            return self._store.list(namespace, scope_id)
        known = self._listed(namespace, scope_id)
        with self._lock:
            entries = [*known.values()]
        return tuple(sorted(entries, key=lambda entry: entry.key.key))

    def close(self) -> None:
        """Close the store."""
        if hasattr(self._store, "close"):
            self._store.close()

    def _listed(self, namespace: str, scope_id: str) -> dict[KvKey, KvEntry]:
        address = (namespace, scope_id)
        with self._reading[namespace]:  # one reads, the others wait for what it has read
            asked_at = self._now()
            listed = self._lists.get(address)
            if listed is None or asked_at - listed.at > self._believed_s[namespace]:
                entries = {entry.key: entry for entry in self._store.list(namespace, scope_id)}
                with self._lock:
                    for key, own in self._own.items():
                        if (key.namespace, key.scope_id) == address and own.at >= asked_at:
                            _set(entries, key, own.entry)
                    listed = self._lists[address] = _NamespaceList(asked_at, entries)
        return listed.entries

    def _note(self, key: KvKey, entry: KvEntry | None) -> None:
        if key.namespace not in self._believed_s:
            return
        with self._lock:
            self._own[key] = _Own(self._now(), entry)
            listed = self._lists.get((key.namespace, key.scope_id))
            if listed is not None:
                _set(listed.entries, key, entry)


def _set(entries: dict[KvKey, KvEntry], key: KvKey, entry: KvEntry | None) -> None:
    if entry is None:
        entries.pop(key, None)
    else:
        entries[key] = entry
