"""The interface of an object store. Everything else about staging is the same for all stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime


class StoredObject(NamedTuple):
    """One object in a listing."""

    key: str
    size_bytes: int
    modified_at: datetime
    """UTC."""


class ObjectStore(Protocol):
    """Bytes stored under keys. Thread-safe.

    Every method raises StagingUnavailableError if the store does not respond or is full, and StagingRefusedError if it
    does not exist or does not allow the call.
    """

    def put(self, key: str, content: bytes) -> None:
        """Write or replace the object atomically."""
        ...

    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None if it does not exist."""
        ...

    def list(self, prefix: str) -> Iterable[StoredObject]:
        """Objects below ``prefix`` (empty, or ending with ``/``), in any order."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Delete the objects. Objects that do not exist are ignored."""
        ...
