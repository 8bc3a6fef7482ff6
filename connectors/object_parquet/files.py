"""Data files: written, read in the table's present types, and what their key bounds say about them."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

import polars as pl

from connectors.lake.storage_types import dtype_of
from connectors.object_parquet.config import LOAD_DATE
from connectors.object_parquet.manifests import DataFileEntry
from contracts.errors import SinkNotProvisionedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors.lake.objects import Objects
    from connectors.object_parquet.config import ParquetConfig
    from connectors.object_parquet.manifests import Bound, TableState
    from connectors.object_parquet.target import ParquetTable

OURS = re.compile(r"/data/(.*/)?[0-9a-f]{32}\.parquet$")
"""How keys of data files end that a sink of this kind wrote."""
_LONGEST = 64

Bounds = dict[str, tuple["Bound", "Bound"]]


class DataFiles:
    """The data files of one table."""

    def __init__(self, objects: Objects, config: ParquetConfig, target: ParquetTable) -> None:
        self._objects, self._config, self._target = objects, config, target

    def read(self, state: TableState, file: DataFileEntry, names: Sequence[str] | None = None) -> pl.DataFrame:
        """A file's rows in the table's types; only these columns, if names are given. Missing ones are null.

        Raises:
            SinkNotProvisionedError: The file is gone.
        """
        held = self._objects.get(f"{self._target.folder}/{file.path}")
        if held is None:
            raise SinkNotProvisionedError(
                f"{self._target}: {file.path} is gone",
                "Restore it, or remove the table's folder and run again.",
                table=str(self._target),
            )
        content = io.BytesIO(held[0])
        wanted = {name: dtype_of(state.columns[name][1]) for name in (names or state.columns)}
        there = pl.read_parquet_schema(content)
        content.seek(0)
        frame = pl.read_parquet(content, columns=[name for name in wanted if name in there], hive_partitioning=False)
        if not frame.width:
            frame = pl.DataFrame({"__nucleus_rows": pl.repeat(None, file.rows, eager=True)})
        return frame.select(
            (pl.col(name) if name in there else pl.lit(None)).cast(dtype).alias(name) for name, dtype in wanted.items()
        )

    def write(self, state: TableState, frame: pl.DataFrame) -> list[DataFileEntry]:
        """New files with these rows; not part of the table yet. Columns that the frame lacks are null."""
        if frame.height == 0:
            return []
        whole = frame.select(
            (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype_of(stored)).alias(name)
            for name, (_, stored) in state.columns.items()
        )
        return [self._written(place, piece) for place, part in self._parts(whole) for piece in self._cut(part)]

    def discard(self, files: Sequence[DataFileEntry]) -> None:
        """Remove files of which it is certain that no commit brought them in."""
        self._objects.delete([f"{self._target.folder}/{file.path}" for file in files])

    def _parts(self, frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
        column = self._target.partition
        if column is None:
            yield "data", frame
        elif column == LOAD_DATE:
            yield f"data/load_date={datetime.now(UTC):%Y-%m-%d}", frame
        else:
            for part in frame.partition_by(column, maintain_order=True):
                value = part[column].cast(pl.String)[0]
                said = "__HIVE_DEFAULT_PARTITION__" if value is None else quote(value, safe="")[:200]
                yield f"data/{quote(column, safe='')}={said}", part

    def _cut(self, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
        rows = max(1, frame.height * self._config.target_file_bytes // max(1, int(frame.estimated_size())))
        return frame.iter_slices(rows)

    def _written(self, place: str, frame: pl.DataFrame) -> DataFileEntry:
        content = io.BytesIO()
        frame.write_parquet(content, compression=self._config.compression)
        path = f"{place}/{uuid4().hex}.parquet"
        self._objects.put(f"{self._target.folder}/{path}", content.getvalue())
        size = content.getbuffer().nbytes
        return DataFileEntry(path=path, rows=frame.height, bytes=size, bounds=bounds_of(frame, self._target.key))


def bounds_of(frame: pl.DataFrame, key: Sequence[str]) -> Bounds:
    """Least and greatest values of key columns of a kind that has bounds here."""
    found: Bounds = {}
    for name in key:
        values = frame[name]
        if values.dtype.is_integer() or values.dtype.is_temporal():
            numbers = values.to_physical()
            low, high = numbers.min(), numbers.max()
            if isinstance(low, int) and isinstance(high, int):
                found[name] = (low, high)
        elif values.dtype == pl.String:
            least, greatest = values.min(), values.max()
            if isinstance(least, str) and isinstance(greatest, str):
                found[name] = (least[:_LONGEST], greatest if len(greatest) <= _LONGEST else None)
    return found


def may_hold(file: DataFileEntry, keys: Mapping[str, tuple[Bound, Bound]]) -> bool:
    """Whether a file can hold a key within these bounds."""
    for name, (low, high) in keys.items():
        least, greatest = file.bounds.get(name, (None, None))
        if _less(high, least) or _less(greatest, low):
            return False
    return True


def _less(one: Bound, other: Bound) -> bool:
    if isinstance(one, int) and isinstance(other, int):
        return one < other
    if isinstance(one, str) and isinstance(other, str):
        return one < other
    return False
