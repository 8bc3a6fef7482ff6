"""The data files of a table: which there are, whether they can hold certain keys, reading one, writing new ones."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import polars as pl
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, _dataframe_to_data_files, schema_to_pyarrow
from pyiceberg.manifest import DataFile, ManifestContent
from pyiceberg.table import FileScanTask
from pyiceberg.types import (
    DateType,
    DecimalType,
    IntegerType,
    LongType,
    PrimitiveType,
    StringType,
    TimestampType,
    TimestamptzType,
)

from connectors.iceberg.errors import translated
from connectors.iceberg.target import schema_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

_CACHED_FILES = 200_000
_DAYS = (-719_162, 2_932_896)
_MICROSECONDS = (_DAYS[0] * 86_400_000_000, _DAYS[1] * 86_400_000_000)
"""Python's years 1 to 9999, as Iceberg's integers: pyiceberg makes bounds of dates and times through ``datetime``."""


class LiveFile(NamedTuple):
    """A data file and the deletes that other writers put beside it."""

    data: DataFile
    task: FileScanTask

    @property
    def path(self) -> str:
        """Where it lies; it identifies the file."""
        return self.data.file_path


class ManifestCache:
    """Data files by manifest. Manifests never change, so what was read once need not be read again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[DataFile, ...]] = OrderedDict()

    def live_files(self, table: Table) -> list[LiveFile]:
        """Every data file of the table's current snapshot."""
        snapshot = table.current_snapshot()
        if snapshot is None:
            return []
        with translated("reading manifests"):
            manifests = snapshot.manifests(table.io)
            if any(manifest.content == ManifestContent.DELETES for manifest in manifests):
                # Another engine wrote deletes: only pyiceberg's planner knows which belong to which file.
                return [LiveFile(task.file, task) for task in table.scan().plan_files()]
            found = itertools.chain.from_iterable(self._files(table, manifest) for manifest in manifests)
            return [LiveFile(data, FileScanTask(data)) for data in found]

    def _files(self, table: Table, manifest: ManifestFile) -> tuple[DataFile, ...]:
        path = manifest.manifest_path
        with self._lock:
            if path in self._kept:
                self._kept.move_to_end(path)
                return self._kept[path]
        files = tuple(entry.data_file for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True))
        with self._lock:
            self._kept[path] = files
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > _CACHED_FILES:
                self._kept.popitem(last=False)
        return files


class Bounds(NamedTuple):
    """The least and the greatest value that a slice has in one column, as Iceberg's own values."""

    field_id: int
    kind: PrimitiveType
    low: Any
    high: Any


def bounds_of(table: Table, frame: pl.DataFrame, names: Sequence[str]) -> list[Bounds]:
    """Bounds by which files are left out; none for types whose order is not certain to be the same everywhere."""
    found = []
    for name in names:
        field = table.schema().find_field(name)
        values = frame[name]
        if isinstance(field.field_type, DateType | TimestampType | TimestamptzType):
            values = values.to_physical()
        elif not isinstance(field.field_type, IntegerType | LongType | StringType | DecimalType):
            continue
        found.append(Bounds(field.field_id, field.field_type, values.min(), values.max()))
    return found


def may_hold(data: DataFile, bounds: Iterable[Bounds]) -> bool:
    """False when the file's statistics say that no row of it lies within all the bounds."""
    return all(_overlaps(data, each) for each in bounds)


def _overlaps(data: DataFile, bounds: Bounds) -> bool:
    low = (data.lower_bounds or {}).get(bounds.field_id)
    high = (data.upper_bounds or {}).get(bounds.field_id)
    if bounds.low is None or bounds.high is None:
        return False
    above = low is not None and _value(bounds.kind, low) > bounds.high
    below = high is not None and _value(bounds.kind, high) < bounds.low
    return not (above or below)


def _value(kind: PrimitiveType, said: bytes) -> Any:
    # A file from before a promotion has bounds of the narrower type.
    if isinstance(kind, LongType) and len(said) == 4:
        return from_bytes(IntegerType(), said)
    return from_bytes(kind, said)


def read(table: Table, file: LiveFile, names: Sequence[str] | None = None) -> pl.DataFrame:
    """A file's rows in the table's present schema; only these columns, if names are given."""
    schema = table.schema() if names is None else table.schema().select(*names)
    with translated(f"reading {file.path}"):
        rows = ArrowScan(table.metadata, table.io, schema, AlwaysTrue()).to_table([file.task])
    frame = pl.from_arrow(rows, rechunk=False)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 — a table is never a series
    dtypes = schema_of(table)
    wanted = [field.name for field in schema.fields]
    return frame.select(pl.col(name).cast(dtypes[name] or frame.schema[name]) for name in wanted)


def write(table: Table, frame: pl.DataFrame, metadata: TableMetadata | None = None) -> list[DataFile]:
    """New data files with these rows, at most of the table's target size each; not part of the table yet.

    Columns that the frame lacks are null. File names carry an id of their own for each call: pyiceberg numbers the
    files of one call only, and two calls with one id would write over each other's.
    """
    if frame.height == 0:
        return []
    base = metadata or table.metadata
    schema = base.schema()
    missing = [field.name for field in schema.fields if field.name not in frame.columns]
    whole = frame.with_columns(pl.lit(None).alias(name) for name in missing).select(f.name for f in schema.fields)
    arrow = whole.to_arrow().cast(schema_to_pyarrow(schema, include_field_ids=False))
    with translated("writing data files"):
        made = _dataframe_to_data_files(
            _without_bounds(base, whole), arrow, table.io, write_uuid=uuid4(), counter=itertools.count()
        )
        return list(made)


def _without_bounds(metadata: TableMetadata, frame: pl.DataFrame) -> TableMetadata:
    """The same metadata, asking for no bounds of columns whose values Python's own dates cannot express."""
    far = {}
    for name, dtype in frame.schema.items():
        ends = _DAYS if dtype == pl.Date else _MICROSECONDS if isinstance(dtype, pl.Datetime) else None
        if ends is not None and not frame[name].to_physical().is_between(ends[0], ends[1]).fill_null(value=True).all():
            far[f"write.metadata.metrics.column.{name}"] = "counts"
    if not far:
        return metadata
    return metadata.model_copy(update={"properties": {**metadata.properties, **far}})


def discard(table: Table, files: Iterable[DataFile]) -> None:
    """Remove files that never became part of the table; what cannot be removed is left to the orphan removal."""
    for file in files:
        with suppress(OSError):
            table.io.delete(file.file_path)
