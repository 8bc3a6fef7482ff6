"""Staging between source and sink: sessions of Parquet parts that are sealed before they are read.

The life of a session is ``open -> sealed -> consumed -> expired``. Only a sealed session has a handle, and only handles
cross a task boundary.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from contracts.model import Contract, Json
from contracts.plan import SliceReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SessionState = Literal["open", "sealed", "consumed"]


class Batch(Protocol):
    """Columnar rows: any object that exports an Arrow C stream, for example a polars DataFrame."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The Arrow PyCapsule stream of the rows."""
        ...


class StagingContext(Contract):
    """The run, slice and attempt that a session belongs to."""

    workspace_id: str = "default"
    endpoint_id: str
    unit_id: str
    run_id: str
    slice_key: str
    sequence: int
    attempt: str
    """Unique per attempt, so that a retry never sees the half-written parts of an earlier attempt."""


class StagedPart(Contract):
    """One Parquet object of a session."""

    key: str
    rows: int
    bytes: int
    sha256: str


class StagingManifest(Contract):
    """The contents of a sealed session. Stored as JSON next to the parts; ``_SUCCESS`` contains its sha256."""

    context: StagingContext
    parts: tuple[StagedPart, ...]
    columns: tuple[tuple[str, str], ...]
    """(name, polars dtype as text) in order; empty when no batch was written."""
    sealed_at: datetime
    metadata: Json = {}

    @property
    def report(self) -> SliceReport:
        """What the source reported about the slice after reading it; empty if it reported nothing."""
        return SliceReport.model_validate(self.metadata.get("report", {}))

    @property
    def rows(self) -> int:
        """Rows in all parts."""
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        """Bytes of all parts as stored."""
        return sum(part.bytes for part in self.parts)


class StagingHandle(Contract):
    """A small reference to a sealed session. Tasks return nothing else but counters."""

    provider: str
    bucket: str
    """Bucket, folder or memory area."""
    key: str
    """Key prefix of the session, ending with ``/``."""
    rows: int
    bytes: int
    sha256: str
    """Of the manifest."""
    content_type: str = "application/vnd.apache.parquet"
    metadata: Json = {}


class RecordWriter(Protocol):
    """Writes batches as parts of bounded size in bytes."""

    def write_batch(self, batch: Batch) -> int:
        """Append the rows of ``batch`` and return their number. Every batch must have the same columns."""
        ...


class RecordReader(Protocol):
    """Reads the rows of a sealed session in the order in which they were written."""

    @property
    def manifest(self) -> StagingManifest:
        """The contents of the session."""
        ...

    def iter_batches(self, chunk_size: int | None = None) -> Iterator[Any]:
        """Polars DataFrames in order; at most ``chunk_size`` rows each, or one per part when None.

        Raises:
            StageCorruptError: A part's sha256 or row count differs from the manifest.
        """
        ...


class StagingSession(Protocol):
    """The staged data of one attempt at one slice."""

    @property
    def id(self) -> str:
        """The session's key prefix."""
        ...

    def writer(self) -> RecordWriter:
        """The one writer of an open session."""
        ...

    def seal(self, metadata: Json | None = None) -> StagingHandle:
        """Write buffered rows, the manifest and ``_SUCCESS``. Afterwards the session is read-only."""
        ...

    def reader(self) -> RecordReader:
        """A reader of the sealed session.

        Raises:
            StageUnsealedError: ``_SUCCESS`` is missing or does not match the manifest.
        """
        ...

    def close(self) -> None:
        """Release buffers. The parts of an unsealed session are deleted; a sealed session is kept."""
        ...


class StagedSessionInfo(Contract):
    """One session in a listing."""

    key: str
    state: SessionState
    rows: int
    bytes: int
    modified_at: datetime
    """Modification time of the newest object in it, UTC."""
    run_id: str
    endpoint_id: str


class StagingProvider(Protocol):
    """A storage area for sessions."""

    @property
    def provider_id(self) -> str:
        """``memory``, ``local`` or ``s3``."""
        ...

    def test_connection(self) -> None:
        """Write, read and delete a small object.

        Raises:
            StagingUnavailableError: The area does not respond or is full.
            StagingRefusedError: The bucket or folder is missing, or the credentials were refused.
        """
        ...

    def allocate_session(self, context: StagingContext) -> StagingSession:
        """A new open session for that slice and attempt."""
        ...

    def open_session(self, handle: StagingHandle) -> StagingSession:
        """The sealed session behind a handle, for reading."""
        ...

    def handle(self, key: str) -> StagingHandle:
        """The handle of the sealed session at that key.

        Raises:
            StageUnsealedError: The session is not sealed or does not exist.
        """
        ...

    def mark_consumed(self, handle: StagingHandle) -> None:
        """Record that a sink committed the session's rows. The session is kept until its time to live has passed."""
        ...

    def delete(self, key: str) -> None:
        """Delete every object of the session at that key. Idempotent."""
        ...

    def sessions(self, endpoint_id: str | None = None, run_id: str | None = None) -> Iterable[StagedSessionInfo]:
        """All sessions in the area, open ones included, ordered by key."""
        ...
