"""Collects batches and stores a part whenever the next rows would exceed its maximum size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from contracts.errors import SourceSchemaChangedError, StagingRefusedError
from contracts.staging import Batch, StagedPart
from staging import layout, parquet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from staging.store import ObjectStore


class PartWriter:
    """Writes the rows of one session as parts of at most ``part_bytes`` in memory; a larger row is a part of its own.

    Buffers at most ``part_bytes`` of rows besides the current batch, plus one encoded part. For one thread.
    """

    def __init__(self, store: ObjectStore, session: str, part_bytes: int) -> None:
        """A writer without columns; the first batch sets them."""
        self._store = store
        self._session = session
        self._part_bytes = part_bytes
        self._schema: pl.Schema | None = None
        self._frames: list[pl.DataFrame] = []
        self._frames_bytes = 0
        self._parts: list[StagedPart] = []
        self._refusal = ""
        self.touched = False
        """True if an object may exist in the store."""

    @property
    def parts(self) -> tuple[StagedPart, ...]:
        """Parts stored so far, in order."""
        return tuple(self._parts)

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """(name, polars dtype as text) in order; empty before the first batch."""
        return () if self._schema is None else parquet.describe(self._schema)

    def write_batch(self, batch: Batch) -> int:
        """Append the rows of ``batch`` and return their number.

        Raises:
            SourceSchemaChangedError: Its columns differ from the first batch's; none of its rows were written.
            StagingRefusedError: The session is sealed or closed, or an earlier write failed partway.
            StageError: The store failed; the session can no longer be sealed.
        """
        self._require_open()
        frame = batch if isinstance(batch, pl.DataFrame) else pl.DataFrame(batch)
        self._require_columns(frame.schema)
        try:
            for piece, size in _pieces(frame, self._part_bytes):
                self._append(piece, size)
        except BaseException:
            # Some rows may be written already, so writing the batch again would duplicate them.
            self.stop("an earlier write failed partway")
            raise
        return frame.height

    def finish(self) -> None:
        """Store the buffered rows; a session with columns but no rows gets one empty part. Idempotent."""
        self._require_open()
        if self._schema is not None and not (self._frames or self._parts):
            self._frames.append(self._schema.to_frame())
        self._store_part()

    def stop(self, why: str) -> None:
        """Refuse further batches and release the buffered rows."""
        self._refusal = why
        self._frames.clear()

    def _append(self, piece: pl.DataFrame, size: int) -> None:
        if piece.height == 0:
            return
        if self._frames_bytes + size > self._part_bytes:
            self._store_part()
        self._frames.append(piece)
        self._frames_bytes += size

    def _store_part(self) -> None:
        if not self._frames:
            return
        part = parquet.encode(self._frames)
        key = layout.part_key(self._session, len(self._parts))
        self.touched = True
        self._store.put(key, part.content)
        self._parts.append(StagedPart(key=key, rows=part.rows, bytes=len(part.content), sha256=part.sha256))
        self._frames.clear()
        self._frames_bytes = 0

    def _require_open(self) -> None:
        if self._refusal:
            raise StagingRefusedError(
                f"Staging session {self._session!r} accepts no more rows: {self._refusal}",
                "Allocate a new session with a new attempt.",
                key=self._session,
            )

    def _require_columns(self, schema: pl.Schema) -> None:
        if self._schema is None:
            self._schema = schema
        elif schema != self._schema or list(schema) != list(self._schema):
            raise SourceSchemaChangedError(
                f"A batch for staging session {self._session!r} has different columns from the first one: "
                f"{_difference(self._schema, schema)}",
                "Collect the catalog and run again; every batch of a slice must have the same columns.",
                key=self._session,
            )


def _pieces(frame: pl.DataFrame, bound_bytes: int) -> Iterator[tuple[pl.DataFrame, int]]:
    size = parquet.size_bytes(frame)
    if size <= bound_bytes or frame.height <= 1:
        yield frame, size
        return
    rows = -(-frame.height // -(-size // bound_bytes))
    for offset in range(0, frame.height, rows):
        # Rows differ in size, so an equal share of them can still be too large.
        yield from _pieces(frame.slice(offset, rows), bound_bytes)


def _difference(first: pl.Schema, later: pl.Schema) -> str:
    before, after = dict(parquet.describe(first)), dict(parquet.describe(later))
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return ", ".join(f"{name!r} {before.get(name)} -> {after.get(name)}" for name in names) or "their order"
