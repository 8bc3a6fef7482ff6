"""The pipe between source and sink: sessions of Parquet parts that are sealed before anybody reads them.

A session goes ``open -> sealed -> consumed -> expired``. Only a sealed one has a handle, and only handles travel.
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
    """Rows in columns: anything that exports the Arrow C stream (a polars DataFrame does)."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The Arrow PyCapsule stream of the rows."""
        ...


class StagingContext(Contract):
    """Which slice of which run a session is for."""

    workspace_id: str = "default"
    endpoint_id: str
    unit_id: str
    run_id: str
    slice_key: str
    sequence: int
    attempt: str
    """Unique per try, so that a retry never meets the half-written parts of the one before."""


class StagedPart(Contract):
    """One Parquet object of a session."""

    key: str
    rows: int
    bytes: int
    sha256: str


class StagingManifest(Contract):
    """What a sealed session holds. Its JSON is stored beside the parts; ``_SUCCESS`` carries its sha256."""

    context: StagingContext
    parts: tuple[StagedPart, ...]
    columns: tuple[tuple[str, str], ...]
    """(name, polars dtype in words) in order; empty when no batch was written."""
    sealed_at: datetime
    metadata: Json = {}

    @property
    def report(self) -> SliceReport:
        """What the source said of the slice after reading it; empty where it said nothing."""
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
    """A small reference to a sealed session: all that a task returns besides counters."""

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
    """Takes batches and cuts them into parts bounded in bytes."""

    def write_batch(self, batch: Batch) -> int:
        """Append the rows of ``batch``; returns how many there were. Every batch must have the same columns."""
        ...


class RecordReader(Protocol):
    """Gives the rows of a sealed session back, in the order they were written."""

    @property
    def manifest(self) -> StagingManifest:
        """What the session holds."""
        ...

    def iter_batches(self, chunk_size: int | None = None) -> Iterator[Any]:
        """Polars DataFrames in order; at most ``chunk_size`` rows each, or one per part when None.

        Raises:
            StageCorruptError: A part's sha256 or row count differs from the manifest.
        """
        ...


class StagingSession(Protocol):
    """One slice's place in staging."""

    @property
    def id(self) -> str:
        """The session's key prefix."""
        ...

    def writer(self) -> RecordWriter:
        """The one writer of an open session."""
        ...

    def seal(self, metadata: Json | None = None) -> StagingHandle:
        """Write the rest, the manifest and ``_SUCCESS``; afterwards the session is read-only."""
        ...

    def reader(self) -> RecordReader:
        """A reader of the sealed session.

        Raises:
            StageUnsealedError: There is no ``_SUCCESS``, or it does not fit the manifest.
        """
        ...

    def close(self) -> None:
        """Let go of buffers. An unsealed session's parts are removed; a sealed session stays."""
        ...


class StagedSessionInfo(Contract):
    """One session as a listing shows it."""

    key: str
    state: SessionState
    rows: int
    bytes: int
    modified_at: datetime
    """Of the newest object in it, UTC."""
    run_id: str
    endpoint_id: str


class StagingProvider(Protocol):
    """A place where sessions live."""

    @property
    def provider_id(self) -> str:
        """``memory``, ``local`` or ``s3``."""
        ...

    def test_connection(self) -> None:
        """Write, read and delete a small object.

        Raises:
            StagingUnavailableError: The area does not answer or is full.
            StagingRefusedError: Bucket or folder missing, or credentials refused.
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
            StageUnsealedError: It is not sealed, or not there.
        """
        ...

    def mark_consumed(self, handle: StagingHandle) -> None:
        """Note that a sink has committed the session's rows; it stays until its time to live is over."""
        ...

    def delete(self, key: str) -> None:
        """Remove every object of the session at that key; removing what is gone already is no error."""
        ...

    def sessions(self, endpoint_id: str | None = None, run_id: str | None = None) -> Iterable[StagedSessionInfo]:
        """Every session in the area, open ones too, ordered by key."""
        ...
