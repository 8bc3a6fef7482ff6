"""The staging provider for any store: allocates, opens, marks, lists and deletes sessions."""

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
    """A StagingProvider over any ObjectStore. Thread-safe."""

    def __init__(self, area: Area, part_bytes: int) -> None:
        """Sessions in ``area``, in parts of at most ``part_bytes`` in memory."""
        self._area = area
        self._part_bytes = part_bytes

    def __repr__(self) -> str:
        """Provider, bucket and prefix, no credentials."""
        return f"<{self.provider_id} staging in {self._area.bucket!r} below {self._area.root!r}>"

    @property
    def provider_id(self) -> str:
        """``memory``, ``local`` or ``s3``."""
        return self._area.provider_id

    @property
    def bucket(self) -> str:
        """Bucket, folder or memory area, as in handles."""
        return self._area.bucket

    @property
    def store(self) -> ObjectStore:
        """The objects themselves, for tools and tests."""
        return self._area.store

    def test_connection(self) -> None:
        """Write, read and delete a small object.

        Raises:
            StagingUnavailableError: The area does not respond, is full, or returned different bytes.
            StagingRefusedError: The bucket or folder is missing, or the credentials were refused.
        """
        token = uuid4().hex
        key = layout.probe_key(token, self._area.root)
        self.store.put(key, token.encode())
        try:
            content = self.store.get(key)
        finally:
            self.store.delete([key])
        if content != token.encode():
            raise StagingUnavailableError(
                f"The {self.provider_id} staging area {self.bucket!r} did not return the object that was just written",
                "Check that it lets readers see an object as soon as it is written.",
            )

    def allocate_session(self, context: StagingContext) -> OpenSession:
        """A new open session for that slice and attempt; nothing is stored yet."""
        return OpenSession(self._area, context, self._part_bytes)

    def open_session(self, handle: StagingHandle) -> SealedSession:
        """The sealed session behind a handle, for reading; its seal is checked by ``reader()``.

        Raises:
            StagingRefusedError: The handle belongs to another area.
        """
        self._require_own(handle)
        return SealedSession(self._area, handle)

    def handle(self, key: str) -> StagingHandle:
        """The handle of the sealed session at that key, equal to the one that its writer received.

        Raises:
            StageUnsealedError: The session is not sealed or does not exist.
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
        """Record that a sink has committed the session's rows. Idempotent."""
        self._require_own(handle)
        self.store.put(layout.consumed_key(handle.key), datetime.now(UTC).isoformat().encode())

    def delete(self, key: str) -> None:
        """Delete every object of the session at that key. Idempotent.

        Raises:
            StagingRefusedError: The key is not a session's.
        """
        self._require_session(key)
        self._area.remove(key)

    def sessions(self, endpoint_id: str | None = None, run_id: str | None = None) -> Iterator[StagedSessionInfo]:
        """All sessions in the area, open ones included, ordered by key; ``bytes`` includes all objects of a session.

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
        self, session: str, place: layout.SessionPath, objects: tuple[StoredObject, ...]
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

    def _require_own(self, handle: StagingHandle) -> None:
        if (handle.provider, handle.bucket) != (self.provider_id, self.bucket):
            theirs, ours = f"{handle.provider} {handle.bucket!r}", f"{self.provider_id} {self.bucket!r}"
            raise StagingRefusedError(
                f"The handle is for {theirs}, not for {ours}",
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
