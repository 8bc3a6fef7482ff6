"""One slice into the table: which files it touches, what they become, and what is new.

``copy``        no file can hold a key of the slice: its rows are new files
``difference``  files whose key bounds overlap the slice's are read one at a time; those that hold different rows are
                written again with the new ones in their place, and rows that are new are new files
``replace``     the unit has no key: every file goes and the slice's come, in one commit

Copy-on-write and not merge-on-read: the live files are then the table, for every reader, without a view that resolves
versions. What it costs is that one changed row writes its file again. Memory is one file and the slice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from connectors.lake.difference import SliceDifference
from connectors.lake.storage_types import dtype_of
from connectors.lake.values import converted
from connectors.object_parquet.files import bounds_of, may_hold
from connectors.slice_receipts import SliceCounts
from contracts.errors import SinkSchemaConflictError

if TYPE_CHECKING:
    from connectors.object_parquet.files import Bounds, DataFiles
    from connectors.object_parquet.manifests import DataFileEntry, TableState
    from connectors.object_parquet.target import ParquetTable
    from contracts.plan import IngestionPlan
    from contracts.staging import RecordReader


@dataclass
class WrittenFiles(SliceCounts):
    """What happened to the rows of a slice, and the files that say so.

    Attributes:
        added: New data files.
        removed: Paths that are no longer part of the table.
    """

    added: list[DataFileEntry] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


class ParquetSliceWrite:
    """Writes the staged rows of one slice, against as many states of the table as it takes."""

    def __init__(
        self, files: DataFiles, target: ParquetTable, plan: IngestionPlan, reader: RecordReader, *, empty: bool
    ) -> None:
        self._files, self._target, self._plan, self._empty = files, target, plan, empty
        batches = list(reader.iter_batches())
        self._staged = pl.concat(batches) if batches else pl.DataFrame()
        self._written: WrittenFiles | None = None
        self._state: TableState | None = None
        self._bounds: Bounds = {}

    def against(self, state: TableState) -> WrittenFiles:
        """The slice's files for this state; those of an earlier one serve where nothing of it changed."""
        if self._written is None or not self._still_right(state):
            self.discard()
            self._state = state
            self._written = self._write(state)
        return self._written

    def discard(self) -> None:
        """Remove what was written; only for files of which it is certain that no commit brought them in."""
        if self._written is not None:
            self._files.discard(self._written.added)
        self._written = None

    def _still_right(self, state: TableState) -> bool:
        """Same columns, every file to remove still there, and no new file that can hold one of the slice's keys."""
        assert self._written is not None  # noqa: S101 — the caller looked
        assert self._state is not None  # noqa: S101
        if self._state.table_id != state.table_id or self._state.columns != state.columns:
            return False
        if not set(self._written.removed) <= state.files.keys():
            return False
        if not self._target.key:
            return self._state.files.keys() == state.files.keys()
        new = (file for path, file in state.files.items() if path not in self._state.files)
        return not any(may_hold(file, self._bounds) for file in new)

    def _write(self, state: TableState) -> WrittenFiles:
        frame = self._fitted(state)
        if not self._target.key:
            return WrittenFiles(
                "replace",
                inserted=frame.height,
                deleted=state.rows,
                added=self._files.write(state, frame),
                removed=list(state.files),
            )
        return self._difference(state, frame) if frame.height else WrittenFiles("nothing")

    def _difference(self, state: TableState, frame: pl.DataFrame) -> WrittenFiles:
        target = self._target
        diff = SliceDifference(target, frame, self._plan.policy.cursor_columns, self._plan.on_gone)
        self._bounds = bounds_of(diff.rows, target.key)
        looked_at = target.looked_at(set(state.columns))
        made = WrittenFiles("copy" if self._empty else "difference", duplicate=diff.duplicates)
        for path, file in state.files.items():
            if not may_hold(file, self._bounds) or not diff.concerns(self._files.read(state, file, looked_at)):
                continue
            made.strategy = "difference"
            rows = diff.apply(self._files.read(state, file))
            if rows is not None:
                made.removed.append(path)
                made.added += self._files.write(state, rows)
        new = diff.new
        made.added += self._files.write(state, new)
        made.inserted, made.updated, made.unchanged = new.height, diff.updated, diff.unchanged
        return made

    def _fitted(self, state: TableState) -> pl.DataFrame:
        wanted = {name: dtype_of(stored) for name, (_, stored) in state.columns.items()}
        if bad := [name for name in self._staged.columns if name not in wanted]:
            raise SinkSchemaConflictError(
                f"{self._target} cannot take {', '.join(bad)}", "Collect the catalog and run again.", conflicts=bad
            )
        return converted(self._staged, wanted, str(self._target))
