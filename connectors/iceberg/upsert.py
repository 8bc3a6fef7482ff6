"""One slice into the table: which files it touches, what they become, and what is new.

``copy``        no file can hold a key of the slice: its rows are new files
``difference``  files whose bounds overlap the slice's keys are read one at a time; those that hold different rows are
                written again with the new ones in their place (copy-on-write), and rows that are new are new files
``replace``     the unit has no key: every file goes and the slice's come, in one snapshot

``Table.upsert`` of pyiceberg is not used: it holds the table in memory, and did not survive 1 % of a million rows.
Memory here is one file and the slice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from connectors.iceberg import files
from connectors.iceberg.target import schema_of
from connectors.lake.difference import SliceDifference
from connectors.lake.values import converted
from connectors.slice_receipts import SliceCounts
from contracts.errors import SinkSchemaConflictError

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from connectors.iceberg.files import Bounds, LiveFile, ManifestCache
    from connectors.iceberg.target import IcebergTarget
    from contracts.plan import IngestionPlan
    from contracts.staging import RecordReader


@dataclass
class WrittenSlice(SliceCounts):
    """What happened to the rows of a slice, and the files that say so.

    Attributes:
        added: New data files.
        removed: Files that are no longer part of the table.
    """

    added: list[DataFile] = field(default_factory=list)
    removed: list[DataFile] = field(default_factory=list)


class SliceWrite:
    """Writes the staged rows of one slice, against as many states of the table as it takes."""

    def __init__(
        self, cache: ManifestCache, target: IcebergTarget, plan: IngestionPlan, reader: RecordReader, *, empty: bool
    ) -> None:
        self._cache, self._target, self._plan, self._empty = cache, target, plan, empty
        self._staged = _frame_of(reader)
        self._written: WrittenSlice | None = None
        self._state: tuple[int, int] | None = None
        self._seen: set[str] = set()
        self._bounds: list[list[Bounds]] = []

    def against(self, table: Table) -> WrittenSlice:
        """The slice's files for this state of the table; those of an earlier one serve where nothing of it changed."""
        live = self._cache.live_files(table)
        if self._written is None or not self._still_right(table, live):
            self.discard(table)
            self._state = _state_of(table)
            self._seen = {file.path for file in live}
            self._written = self._write(table, live)
        return self._written

    def discard(self, table: Table) -> None:
        """Remove what was written; only for files of which it is certain that no commit brought them in."""
        if self._written is not None:
            files.discard(table, self._written.added)
        self._written = None

    def _still_right(self, table: Table, live: list[LiveFile]) -> bool:
        """Same schema, every file to remove still there, and no new file that can hold one of the slice's keys."""
        assert self._written is not None  # noqa: S101 — the caller looked
        paths = {file.path for file in live}
        if self._state != _state_of(table) or not {file.file_path for file in self._written.removed} <= paths:
            return False
        if not self._target.key:
            return paths == self._seen
        return not any(self._may_concern(file) for file in live if file.path not in self._seen)

    def _may_concern(self, file: LiveFile) -> bool:
        return any(files.may_hold(file.data, bounds) for bounds in self._bounds)

    def _write(self, table: Table, live: list[LiveFile]) -> WrittenSlice:
        frame = self._fitted(table)
        if not self._target.key:
            return WrittenSlice(
                "replace",
                inserted=frame.height,
                deleted=sum(file.data.record_count for file in live),
                added=files.write(table, frame),
                removed=[file.data for file in live],
            )
        if frame.height == 0:
            return WrittenSlice("nothing")
        return self._difference(table, live, frame)

    def _difference(self, table: Table, live: list[LiveFile], frame: pl.DataFrame) -> WrittenSlice:
        target = self._target
        diff = SliceDifference(target, frame, self._plan.policy.cursor_columns, self._plan.on_gone)
        places = [target.key] if target.owner is None else [target.key, target.identity]
        self._bounds = [files.bounds_of(table, diff.rows, place) for place in places]
        looked_at = target.looked_at(set(schema_of(table)))
        made = WrittenSlice("copy" if self._empty else "difference", duplicate=diff.duplicates)
        for file in filter(self._may_concern, live):
            if not diff.concerns(files.read(table, file, looked_at)):
                continue
            made.strategy = "difference"
            rows = diff.apply(files.read(table, file))
            if rows is not None:
                made.removed.append(file.data)
                made.added += files.write(table, rows)
        new = diff.new
        made.added += files.write(table, new)
        made.inserted, made.updated, made.unchanged = new.height, diff.updated, diff.unchanged
        made.deleted = diff.removed
        return made

    def _fitted(self, table: Table) -> pl.DataFrame:
        known = schema_of(table)
        wanted = {name: dtype for name, dtype in known.items() if dtype is not None}
        if bad := [name for name in self._staged.columns if name not in wanted]:
            raise SinkSchemaConflictError(
                f"{self._target} cannot take {', '.join(bad)}", "Collect the catalog and run again.", conflicts=bad
            )
        return converted(self._staged, wanted, str(self._target))


def _state_of(table: Table) -> tuple[int, int]:
    return table.metadata.current_schema_id, table.metadata.default_spec_id


def _frame_of(reader: RecordReader) -> pl.DataFrame:
    batches = list(reader.iter_batches())
    return pl.concat(batches) if batches else pl.DataFrame()
