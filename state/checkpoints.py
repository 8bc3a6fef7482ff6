"""Checkpoints of one vendor's endpoints: load, save, reset, list.

Only one run writes a key at a time. Every save names the version that was read last, so that a store which can compare
(``KvStore.compare_and_set``) rejects a second writer. Correctness rests on the sink's receipts, not on these values.
"""

from __future__ import annotations

import logging
from threading import RLock
from typing import TYPE_CHECKING

from contracts.errors import CheckpointConflictError
from contracts.receipts import RunRef
from contracts.state import Checkpoint, checkpoint_key, transient_key
from state.entries import read_as
from state.keys import CHECKPOINTS

if TYPE_CHECKING:
    from contracts.model import Json
    from contracts.state import KvEntry, KvKey, KvStore

TRANSIENT = "transient"
"""Field of a source's checkpoint that is stored under its own key: cursors per dimension, for example per project."""

_log = logging.getLogger(__name__)


class Checkpoints:
    """Saved progress per (endpoint, unit, sink). Thread-safe: calls that use the store are serialised.

    Args:
        store: Where the values live.
        vendor: The endpoint's vendor, as its descriptor says; a part of every key.
    """

    def __init__(self, store: KvStore, vendor: str) -> None:
        self._store = store
        self._vendor = vendor
        self._versions: dict[KvKey, int] = {}
        self._lock = RLock()

    def load(self, ref: RunRef) -> Checkpoint | None:
        """The checkpoint, or None when nothing was ever saved.

        Raises:
            StateUnavailableError: The store did not answer.
            ConfigInvalidError: The stored value was edited and is no longer valid.
        """
        key = self._key(ref)
        entry = self._get(key)
        return None if entry is None else read_as(Checkpoint, entry.value, key)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write the checkpoint. The caller guarantees I4: every row that the cursor covers is committed in the sink.

        Raises:
            CheckpointConflictError: Another writer changed it since it was last loaded or saved here.
            StateUnavailableError: The store did not answer.
        """
        key = checkpoint_key(self._vendor, checkpoint.endpoint_id, checkpoint.unit_id, checkpoint.sink_id)
        self._put(key, checkpoint.model_dump(mode="json"))

    def reset(self, ref: RunRef) -> bool:
        """Delete checkpoint and transient state, so that the next run reads everything. False when there were none."""
        removed = [self._remove(key) for key in (self._key(ref), self._transient_key(ref))]
        return any(removed)

    def load_transient(self, ref: RunRef) -> Json | None:
        """The transient state (cursors per dimension), or None."""
        entry = self._get(self._transient_key(ref))
        return None if entry is None else entry.value

    def save_transient(self, ref: RunRef, value: Json) -> bool:
        """Write the transient state. False when another writer was first: the next run reads more, no row is lost.

        Raises:
            StateUnavailableError: The store did not answer.
        """
        key = self._transient_key(ref)
        try:
            self._put(key, value)
        except CheckpointConflictError as error:
            _log.warning("Transient state of %s was not saved: %s", ref, error)
            return False
        return True

    def progress(self, ref: RunRef) -> Json | None:
        """The checkpoint as its source wrote it: the cursor, with the transient state as its field ``transient``.

        None before the first save.
        """
        checkpoint = self.load(ref)
        if checkpoint is None:
            return None
        transient = self.load_transient(ref)
        return checkpoint.cursor if transient is None else {**checkpoint.cursor, TRANSIENT: transient}

    def save_progress(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint as its source returned it: first the field ``transient`` under its own key, then the rest.

        Raises:
            CheckpointConflictError: As ``save``. A conflict on the transient part is only logged.
            StateUnavailableError: As ``save``.
        """
        transient = checkpoint.cursor.get(TRANSIENT)
        if isinstance(transient, dict):
            ref = RunRef(endpoint_id=checkpoint.endpoint_id, unit_id=checkpoint.unit_id, sink_id=checkpoint.sink_id)
            self.save_transient(ref, transient)
        cursor = {name: value for name, value in checkpoint.cursor.items() if name != TRANSIENT}
        self.save(checkpoint.model_copy(update={"cursor": cursor}))

    def list(self, endpoint_id: str | None = None) -> tuple[Checkpoint, ...]:
        """Every checkpoint of the vendor (of one endpoint if given), by endpoint and key; without transient state.

        Raises:
            ConfigInvalidError: One of them is not valid; the error names its key.
        """
        entries = self._store.list(CHECKPOINTS, endpoint_id)
        return tuple(read_as(Checkpoint, each.value, each.key) for each in entries if self._is_checkpoint(each))

    def _is_checkpoint(self, entry: KvEntry) -> bool:
        key = entry.key.key
        return key.startswith(f"ingest::{self._vendor}::") and not key.endswith("::transient")

    def _key(self, ref: RunRef) -> KvKey:
        return checkpoint_key(self._vendor, ref.endpoint_id, ref.unit_id, ref.sink_id)

    def _transient_key(self, ref: RunRef) -> KvKey:
        return transient_key(self._vendor, ref.endpoint_id, ref.unit_id, ref.sink_id)

    def _get(self, key: KvKey) -> KvEntry | None:
        with self._lock:
            entry = self._store.get(key)
            self._versions[key] = 0 if entry is None else entry.version
        return entry

    def _put(self, key: KvKey, value: Json) -> None:
        with self._lock:
            if key not in self._versions:
                self._get(key)
            # Popped, so that after a failure the next attempt reads the current version.
            expected = self._versions.pop(key)
            self._versions[key] = self._store.put(key, value, expected).version

    def _remove(self, key: KvKey) -> bool:
        with self._lock:
            self._versions.pop(key, None)
            return self._store.delete(key)
