"""Operational state: a small versioned key-value store, and the keys of checkpoints in it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from contracts.model import Contract, Json

if TYPE_CHECKING:
    from collections.abc import Sequence


class KvKey(Contract):
    """The full address of a value."""

    namespace: str
    scope_id: str
    key: str


class KvEntry(Contract):
    """A value and its version; versions start at 1."""

    key: KvKey
    value: Json
    version: int
    updated_at: datetime


class KvStore(Protocol):
    """Persistent values. Drivers differ in their guarantees: see ``compare_and_set``."""

    @property
    def compare_and_set(self) -> bool:
        """True if ``expected_version`` is enforced atomically, also against concurrent writers."""
        ...

    def get(self, key: KvKey) -> KvEntry | None:
        """The entry, or None."""
        ...

    def put(self, key: KvKey, value: Json, expected_version: int | None = None) -> KvEntry:
        """Write the value if the stored version is ``expected_version``; 0 means no entry, None means any version.

        Raises:
            CheckpointConflictError: The stored version is another one.
            StateUnavailableError: The store did not respond.
        """
        ...

    def delete(self, key: KvKey) -> bool:
        """Remove the entry; False when there was none."""
        ...

    def list(self, namespace: str, scope_id: str | None = None) -> tuple[KvEntry, ...]:
        """All entries of the namespace (of one scope if given), ordered by scope and key."""
        ...


class SqlDatabase(Protocol):
    """A few tables, asked in portable SQL with parameters ``$1``, ``$2``. Thread-safe."""

    def create(self) -> None:
        """Create the tables if they are missing. Several processes may do so concurrently."""
        ...

    def run(self, statement: str, values: tuple[str | int | None, ...]) -> Sequence[tuple[Any, ...]]:
        """Execute and commit one statement; return its rows.

        Raises:
            StateUnavailableError: The database did not respond or refused the statement.
        """
        ...

    def close(self) -> None:
        """Close idle connections. The database can be used again afterwards."""
        ...


class Checkpoint(Contract):
    """Saved progress of one (endpoint, unit, sink) (also known as: bookmark, state)."""

    endpoint_id: str
    unit_id: str
    sink_id: str
    cursor: Json
    """Only the source interprets it; for a SQL cursor ``{settled, pending}``."""
    last_run_id: str
    last_updated_at: datetime
    stats: Json = {}


def checkpoint_key(vendor: str, endpoint_id: str, unit_id: str, sink_id: str) -> KvKey:
    """The key of a checkpoint, the same for every kind of source; ``::`` inside an id is escaped."""
    vendor, endpoint, unit, sink = (_escaped(part) for part in (vendor, endpoint_id, unit_id, sink_id))
    key = f"ingest::{vendor}::endpoint::{endpoint}::unit::{unit}::sink::{sink}"
    return KvKey(namespace="ingestion", scope_id=endpoint_id, key=key)


def transient_key(vendor: str, endpoint_id: str, unit_id: str, sink_id: str) -> KvKey:
    """The key of the transient state (cursors per dimension), which is versioned independently of the checkpoint."""
    base = checkpoint_key(vendor, endpoint_id, unit_id, sink_id)
    return base.model_copy(update={"key": f"{base.key}::transient"})


def _escaped(part: str) -> str:
    return part.replace("%", "%25").replace("::", "%3A%3A")
