"""The provider, the same for every store: allocate, open, mark, list and delete sessions."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING
from uuid import uuid4

from contracts.errors import StagingRefusedError, StagingUnavailableError
from contracts.staging import SessionState, StagedSessionInfo, StagingContext, StagingHandle
from staging import layout
from staging.seal import read_manifest, read_seal
from staging.session import Area, OpenSession, SealedSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from staging.store import ObjectStore, StoredObject


class StoreStaging:
    """A StagingProvider over any ObjectStore; safe to use from several threads at once."""

    def __init__(self, area: Area, part_bytes: int) -> None:
        """Sessions in ``area``, cut into parts of at most ``part_bytes`` in memory."""
        self._area = area
        self._part_bytes = part_bytes

    def __repr__(self) -> str:
        """Names the place and nothing else."""
        return f"<{self.provider_id} staging in {self._area.bucket!r} below {self._area.root!r}>"

    @property
    def provider_id(self) -> str:
        """``memory``, ``local`` or ``s3``."""
        return self._area.provider_id

    @property
    def bucket(self) -> str:
        """Bucket, folder or memory area, as handles name it."""
        return self._area.bucket

    @property
    def store(self) -> ObjectStore:
        """The objects themselves, for tools and tests."""
        return self._area.store

    def test_connection(self) -> None:
        """Write, read and delete a small object.

        Raises:
            StagingUnavailableError: The area does not answer, is full, or gave other bytes back.
            StagingRefusedError: Bucket or folder missing, or credentials refused.
        """
        token = uuid4().hex
        key = layout.probe_key(token, self._area.root)
        self.store.put(key, token.encode())
        try:
            found = self.store.get(key)
        finally:
            self.store.delete([key])
        if found != token.encode():
            raise StagingUnavailableError(
                f"The {self.provider_id} staging area {self.bucket!r} did not give back what was written",
                "Check that it shows an object to a reader as soon as it is written.",
            )

    def allocate_session(self, context: StagingContext) -> OpenSession:
        """A new open session for that slice and attempt; nothing is stored yet."""
        return OpenSession(self._area, context, self._part_bytes)

    def open_session(self, handle: StagingHandle) -> SealedSession:
        """The sealed session behind a handle, for reading; its seal is checked by ``reader()``.

        Raises:
            StagingRefusedError: The handle belongs to another area.
        """
        self._require_mine(handle)
        return SealedSession(self._area, handle)

    def handle(self, key: str) -> StagingHandle:
        """The handle of the sealed session at that key, as its writer got it.

        Raises:
            StageUnsealedError: It is not sealed, or not there.
            StagingRefusedError: The key is not a session's.
        """
        self._require_session(key)
        seal = read_seal(self.store, key)
        manifest = read_manifest(self.store, key, seal.manifest_sha256 if seal else "")
        return StagingHandle(
            provider=self.provider_id,
            bucket=self.bucket,
            key=key,
            rows=manifest.rows,
            bytes=manifest.bytes,
            sha256=seal.manifest_sha256 if seal else "",
            metadata=manifest.metadata,
        )

    def mark_consumed(self, handle: StagingHandle) -> None:
        """Note that a sink has committed the session's rows; harmless when repeated."""
        self._require_mine(handle)
        self.store.put(layout.consumed_key(handle.key), datetime.now(UTC).isoformat().encode())

    def delete(self, key: str) -> None:
        """Remove every object of the session at that key; removing what is gone already is no error.

        Raises:
            StagingRefusedError: The key is not a session's.
        """
        self._require_session(key)
        self._area.remove(key)

    def sessions(self, endpoint_id: str | None = None, run_id: str | None = None) -> Iterator[StagedSessionInfo]:
        """Every session in the area, open ones too, ordered by key; ``bytes`` counts all its objects.

        Reads one small object per sealed session, as the iterator advances.
        """
        listed = sorted(self.store.list(layout.area_prefix(self._area.root)))
        for session, group in groupby(listed, key=lambda stored: layout.session_of(stored.key)):
            place = layout.parse_session(session, self._area.root)
            if place is None or endpoint_id not in {None, place.endpoint_id}:
                continue
            if run_id in {None, place.run_id}:
                yield self._describe(session, place, tuple(group))

    def _describe(
        self, session: str, place: layout.SessionPlace, objects: tuple[StoredObject, ...]
    ) -> StagedSessionInfo:
        state = _state(session, objects)
        seal = None if state == "open" else read_seal(self.store, session)
        return StagedSessionInfo(
            key=session,
            state=state,
            rows=seal.rows if seal else 0,
            bytes=sum(stored.size_bytes for stored in objects),
            modified_at=max(stored.modified_at for stored in objects),
            run_id=place.run_id,
            endpoint_id=place.endpoint_id,
        )

    def _require_mine(self, handle: StagingHandle) -> None:
        if (handle.provider, handle.bucket) != (self.provider_id, self.bucket):
            found, mine = f"{handle.provider} {handle.bucket!r}", f"{self.provider_id} {self.bucket!r}"
            raise StagingRefusedError(
                f"The handle is for {found}, not for {mine}",
                "Open it with the staging area it was written to.",
            )
        self._require_session(handle.key)

    def _require_session(self, key: str) -> None:
        if layout.parse_session(key, self._area.root) is None:
            raise StagingRefusedError(
                f"{key!r} is not a staging session's key",
                "Take it from a handle or from `nucleus staging list`.",
            )


def _state(session: str, objects: Iterable[StoredObject]) -> SessionState:
    keys = {stored.key for stored in objects}
    if layout.success_key(session) not in keys:
        return "open"
    return "consumed" if layout.consumed_key(session) in keys else "sealed"
