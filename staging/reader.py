"""The reader: a sealed session's rows, every part proven against the manifest before it is used."""

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
    """Reads one part at a time, so memory is bounded by a part. May be iterated again."""

    def __init__(self, store: ObjectStore, handle: StagingHandle) -> None:
        """Check the seal against the handle.

        Raises:
            StageUnsealedError: There is no ``_SUCCESS``, or it does not fit the manifest.
            StageCorruptError: The session is not the one the handle was made for.
        """
        self._store = store
        self._manifest = read_manifest(store, handle.key, handle.sha256)

    @property
    def manifest(self) -> StagingManifest:
        """What the session holds."""
        return self._manifest

    def iter_batches(self, chunk_size: int | None = None) -> Iterator[pl.DataFrame]:
        """Frames in the order written; at most ``chunk_size`` rows each, or one per part when None.

        A session whose batches had no rows gives one empty frame with its columns.

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
            step = "Run again: the slice is exported anew."
            raise StageCorruptError(f"Staged part {part.key!r} is missing", step, key=part.key)
        return parquet.decode(content, part, self._manifest.columns)
