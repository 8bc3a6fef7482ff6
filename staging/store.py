"""What a place must be able to do to hold sessions: keep bytes under keys. Everything else is shared."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime


class StoredObject(NamedTuple):
    """One object as a listing shows it."""

    key: str
    size_bytes: int
    modified_at: datetime
    """UTC."""


class ObjectStore(Protocol):
    """Bytes under keys; safe to call from several threads at once.

    Every method raises StagingUnavailableError when the place does not answer or is full, and
    StagingRefusedError when it does not exist or does not allow the call.
    """

    def put(self, key: str, content: bytes) -> None:
        """Write or replace the object, whole or not at all."""
        ...

    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None when there is none."""
        ...

    def list(self, prefix: str) -> Iterable[StoredObject]:
        """Objects below ``prefix`` (empty, or ending with ``/``), in any order."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Remove the objects; one that is gone already is no error."""
        ...
