"""Reads the rows of a sealed session. Every part is verified against the manifest before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import StageCorruptError
from staging import parquet
from staging.seal import read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from contracts.staging import StagedPart, StagingHandle, StagingManifest
    from staging.store import ObjectStore


class PartReader:
    """Reads one part at a time, so that a part's size bounds the memory. Can be iterated repeatedly."""

    def __init__(self, store: ObjectStore, handle: StagingHandle) -> None:
        """Check the seal against the handle.

        Raises:
            StageUnsealedError: ``_SUCCESS`` is missing or does not match the manifest.
            StageCorruptError: The handle was created for a different session.
        """
        self._store = store
        self._manifest = read_manifest(store, handle.key, handle.sha256)

    @property
    def manifest(self) -> StagingManifest:
        """The contents of the session."""
        return self._manifest

    def iter_batches(self, chunk_size: int | None = None) -> Iterator[pl.DataFrame]:
        """Frames in the order written; at most ``chunk_size`` rows each, or one per part when None.

        A session whose batches had no rows yields one empty frame with its columns.

        Raises:
            StageCorruptError: A part is missing, or its sha256, rows or columns differ from the manifest.
            ValueError: ``chunk_size`` is below 1.
        """
        if chunk_size is not None and chunk_size < 1:
            message = f"chunk_size must be at least 1 row, not {chunk_size}"
            raise ValueError(message)
        for part in self._manifest.parts:
            frame = self._read(part)
            if chunk_size is None or frame.height <= chunk_size:
                yield frame
            else:
                yield from frame.iter_slices(chunk_size)

    def _read(self, part: StagedPart) -> pl.DataFrame:
        content = self._store.get(part.key)
        if content is None:
            step = "Run again: the slice is exported again."
            raise StageCorruptError(f"Staged part {part.key!r} is missing", step, key=part.key)
        return parquet.decode(content, part, self._manifest.columns)
