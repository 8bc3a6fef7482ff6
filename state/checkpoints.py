"""Checkpoints of one vendor's endpoints: load, save at a bounded rate, reset, list.

One run writes a key at a time. The versions seen here are shown with every save, so that a second writer is
noticed where the store can compare (``KvStore.compare_and_set``). Exactness rests on the sink's receipts.
"""

from __future__ import annotations

import logging
import time
from threading import RLock
from typing import TYPE_CHECKING

from contracts.errors import CheckpointConflictError
from contracts.receipts import RunRef
from contracts.state import Checkpoint, checkpoint_key, transient_key
from state.entries import read_as
from state.keys import CHECKPOINTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.model import Json
    from contracts.state import KvEntry, KvKey, KvStore

TRANSIENT = "transient"
"""Entry of a source's checkpoint that is kept beside it: cursors by dimension, for example by project."""

_log = logging.getLogger(__name__)


class Checkpoints:
    """Saved progress per (endpoint, unit, sink); safe between threads, which wait for each other.

    Args:
        store: Where the values live.
        vendor: The endpoint's vendor, as its descriptor says; a part of every key.
        save_every_s: Least seconds between two saves by ``offer``; ``save`` is never held back.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        store: KvStore,
        vendor: str,
        save_every_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._vendor = vendor
        self._save_every_s = save_every_s
        self._clock = clock
        self._versions: dict[KvKey, int] = {}
        self._saved_at: dict[KvKey, float] = {}
        self._lock = RLock()

    def load(self, ref: RunRef) -> Checkpoint | None:
        """The checkpoint, or None when nothing was ever saved.

        Raises:
            StateUnavailableError: The store did not answer.
            ConfigInvalidError: Somebody edited the value so that it cannot be read.
        """
        key = self._key(ref)
        entry = self._get(key)
        return None if entry is None else read_as(Checkpoint, entry.value, key)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write now. The caller answers for I4: every row the cursor covers is committed in the sink.

        Raises:
            CheckpointConflictError: Somebody wrote it since it was last loaded or saved here.
            StateUnavailableError: The store did not answer.
        """
        key = checkpoint_key(self._vendor, checkpoint.endpoint_id, checkpoint.unit_id, checkpoint.sink_id)
        with self._lock:
            self._put(key, checkpoint.model_dump(mode="json"))
            self._saved_at[key] = self._clock()

    def offer(self, checkpoint: Checkpoint) -> bool:
        """Save unless the last save is younger than ``save_every_s``; True when it was saved.

        What is not saved is not kept: the run offers a newer one later, and saves the last one itself.

        Raises:
            CheckpointConflictError: As ``save``.
            StateUnavailableError: As ``save``.
        """
        key = checkpoint_key(self._vendor, checkpoint.endpoint_id, checkpoint.unit_id, checkpoint.sink_id)
        with self._lock:
            last = self._saved_at.get(key)
            if last is not None and self._clock() - last < self._save_every_s:
                return False
            self.save(checkpoint)
        return True

    def reset(self, ref: RunRef) -> bool:
        """Forget checkpoint and transient state: the next run reads everything. False when there was none."""
        removed = [self._remove(key) for key in (self._key(ref), self._transient_key(ref))]
        return any(removed)

    def load_transient(self, ref: RunRef) -> Json | None:
        """The cursors kept beside the checkpoint, or None."""
        entry = self._get(self._transient_key(ref))
        return None if entry is None else entry.value

    def save_transient(self, ref: RunRef, value: Json) -> bool:
        """Write the cursors kept beside the checkpoint; False when somebody else did first: a re-read, no data lost.

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
        """What a source is given back: the cursor, and under ``transient`` what is kept beside it; None at first."""
        held, beside = self.load(ref), self.load_transient(ref)
        if held is None or beside is None:
            return None if held is None else held.cursor
        return {**held.cursor, TRANSIENT: beside}

    def save_progress(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint as a source gave it: ``transient`` first and beside it, the rest as the cursor.

        Raises:
            CheckpointConflictError: As ``save``. Of the transient part a lost race is only noted.
            StateUnavailableError: As ``save``.
        """
        beside = checkpoint.cursor.get(TRANSIENT)
        if isinstance(beside, dict):
            ref = RunRef(endpoint_id=checkpoint.endpoint_id, unit_id=checkpoint.unit_id, sink_id=checkpoint.sink_id)
            self.save_transient(ref, beside)
        cursor = {name: value for name, value in checkpoint.cursor.items() if name != TRANSIENT}
        self.save(checkpoint.model_copy(update={"cursor": cursor}))

    def list(self, endpoint_id: str | None = None) -> tuple[Checkpoint, ...]:
        """Every checkpoint of the vendor (and endpoint), by endpoint and key; transient state is left out.

        Raises:
            ConfigInvalidError: One of them cannot be read; the error names its key.
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
            # Popped, so that after any failure the next attempt looks at what is there.
            expected = self._versions.pop(key)
            self._versions[key] = self._store.put(key, value, expected).version

    def _remove(self, key: KvKey) -> bool:
        with self._lock:
            self._versions.pop(key, None)
            self._saved_at.pop(key, None)
            return self._store.delete(key)
