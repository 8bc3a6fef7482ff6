"""Sessions over any store: one that is being written, and one that is sealed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from contracts.errors import StageError, StageUnsealedError, StagingRefusedError
from contracts.staging import StagingContext, StagingHandle, StagingManifest
from staging import layout
from staging.reader import PartReader
from staging.seal import write_seal
from staging.writer import PartWriter

if TYPE_CHECKING:
    from contracts.model import Json
    from staging.store import ObjectStore

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Area:
    """A storage area for sessions: the store, and its names in handles and keys."""

    provider_id: str
    bucket: str
    store: ObjectStore
    root: str = ""
    """Prefix of all keys; empty, or ending with ``/``."""

    def remove(self, session: str) -> None:
        """Delete every object of the session, ``_SUCCESS`` first, so that a half-deleted session is not sealed."""
        keys = [stored.key for stored in self.store.list(session)]
        success = layout.success_key(session)
        if success in keys:
            self.store.delete([success])
        self.store.delete([key for key in keys if key != success])


class SealedSession:
    """A sealed session, for reading only."""

    def __init__(self, area: Area, handle: StagingHandle) -> None:
        """The session of the handle; ``reader`` verifies its seal."""
        self._area = area
        self._handle = handle

    @property
    def id(self) -> str:
        """The session's key prefix."""
        return self._handle.key

    def writer(self) -> NoReturn:
        """Refused: a sealed session is read-only."""
        raise _refused(self.id, "is sealed")

    def seal(self, metadata: Json | None = None) -> NoReturn:  # noqa: ARG002 - as the contract has it
        """Refused: it is sealed already."""
        raise _refused(self.id, "is sealed")

    def reader(self) -> PartReader:
        """A reader. Errors as in PartReader."""
        return PartReader(self._area.store, self._handle)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class OpenSession:
    """A session that is being written, and can be read once sealed. For one thread."""

    def __init__(self, area: Area, context: StagingContext, part_bytes: int) -> None:
        """An empty session. Nothing is stored until the first part is full."""
        self._area = area
        self._context = context
        self._id = layout.session_key(context, area.root)
        self._writer = PartWriter(area.store, self._id, part_bytes)
        self._handle: StagingHandle | None = None
        self._closed = False

    @property
    def id(self) -> str:
        """The session's key prefix."""
        return self._id

    def writer(self) -> PartWriter:
        """The one writer.

        Raises:
            StagingRefusedError: The session is sealed or closed.
        """
        self._require_open()
        return self._writer

    def seal(self, metadata: Json | None = None) -> StagingHandle:
        """Store the buffered rows, the manifest and, last, ``_SUCCESS``. Can be repeated after a StageError.

        Raises:
            StagingRefusedError: The session is sealed or closed, or an earlier write failed partway.
        """
        self._require_open()
        self._writer.finish()
        manifest = self._manifest(metadata or {})
        self._writer.touched = True
        seal = write_seal(self._area.store, self._id, manifest)
        self._writer.stop("it is sealed")
        self._handle = StagingHandle(
            provider=self._area.provider_id,
            bucket=self._area.bucket,
            key=self._id,
            rows=seal.rows,
            bytes=seal.bytes,
            sha256=seal.manifest_sha256,
            metadata=manifest.metadata,
        )
        return self._handle

    def reader(self) -> PartReader:
        """A reader of the sealed session.

        Raises:
            StageUnsealedError: It is not sealed yet.
        """
        if self._handle is None:
            what = f"Staging session {self._id!r} is not sealed yet"
            raise StageUnsealedError(what, "Seal it first.", key=self._id)
        return PartReader(self._area.store, self._handle)

    def close(self) -> None:
        """Release buffers and, if the session is unsealed, delete its stored parts.

        Never raises a StageError: parts that could not be deleted are left to the cleaner.
        """
        if self._handle is not None or self._closed:
            return
        self._closed = True
        self._writer.stop("it is closed")
        if self._writer.touched:
            try:
                self._area.remove(self._id)
            except StageError as error:
                # Raising here would hide the error that made the caller close the session.
                _log.warning("Left unsealed parts in %s for the staging cleaner: %s", self._id, error.code)

    def _manifest(self, metadata: Json) -> StagingManifest:
        return StagingManifest(
            context=self._context,
            parts=self._writer.parts,
            columns=self._writer.columns,
            sealed_at=datetime.now(UTC),
            metadata=metadata,
        )

    def _require_open(self) -> None:
        if self._handle is not None or self._closed:
            raise _refused(self._id, "is sealed" if self._handle is not None else "is closed")


def _refused(session: str, why: str) -> StagingRefusedError:
    what = f"Staging session {session!r} cannot be written: it {why}"
    return StagingRefusedError(what, "Allocate a new session with a new attempt.", key=session)
