"""Operational state: a small key-value store with versions, and the one scheme of keys over it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from contracts.model import Contract, Json


class KvKey(Contract):
    """``{namespace, scope_id, key}``: the whole address of a value."""

    namespace: str
    scope_id: str
    key: str


class KvEntry(Contract):
    """A value and the version it was written as, from 1."""

    key: KvKey
    value: Json
    version: int
    updated_at: datetime


class KvStore(Protocol):
    """Values that outlive a process. Drivers differ in strength: see ``compare_and_set``."""

    @property
    def compare_and_set(self) -> bool:
        """True when ``expected_version`` is enforced against writers racing with this one."""
        ...

    def get(self, key: KvKey) -> KvEntry | None:
        """The entry, or None."""
        ...

    def put(self, key: KvKey, value: Json, expected_version: int | None = None) -> KvEntry:
        """Write the value; ``expected_version`` 0 means it must not exist, None means whatever is there.

        Raises:
            CheckpointConflictError: The version there is another one.
            StateUnavailableError: The store did not answer.
        """
        ...

    def delete(self, key: KvKey) -> bool:
        """Remove the entry; False when there was none."""
        ...

    def list(self, namespace: str, scope_id: str | None = None) -> tuple[KvEntry, ...]:
        """Every entry of the namespace (and scope), ordered by scope and key."""
        ...


class Checkpoint(Contract):
    """Saved progress of one (endpoint, unit, sink) (also known as: bookmark, state)."""

    endpoint_id: str
    unit_id: str
    sink_id: str
    cursor: Json
    """The source's own: for a SQL cursor ``{settled, pending}``."""
    last_run_id: str
    last_updated_at: datetime
    stats: Json = {}


def checkpoint_key(vendor: str, endpoint_id: str, unit_id: str, sink_id: str) -> KvKey:
    """Where the checkpoint lives, for every source alike; a ``::`` inside an id is escaped."""
    vendor, endpoint, unit, sink = (_escaped(part) for part in (vendor, endpoint_id, unit_id, sink_id))
    key = f"ingest::{vendor}::endpoint::{endpoint}::unit::{unit}::sink::{sink}"
    return KvKey(namespace="ingestion", scope_id=endpoint_id, key=key)


def transient_key(vendor: str, endpoint_id: str, unit_id: str, sink_id: str) -> KvKey:
    """Where per-dimension cursors live, beside the checkpoint and with a version of their own."""
    base = checkpoint_key(vendor, endpoint_id, unit_id, sink_id)
    return base.model_copy(update={"key": f"{base.key}::transient"})


def _escaped(part: str) -> str:
    return part.replace("%", "%25").replace("::", "%3A%3A")
