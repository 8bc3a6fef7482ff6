"""The census of one state of a table of Parquet files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.lake.census import KeyCensus
from connectors.lake.storage_types import dtype_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from connectors.object_parquet.files import DataFiles
    from connectors.object_parquet.manifests import DataFileEntry, TableState
    from connectors.object_parquet.target import ParquetTable
    from contracts.catalog import LogicalType
    from contracts.plan import IngestionPlan
    from contracts.staging import RecordReader


class StateFiles:
    """The live files of one state."""

    def __init__(self, files: DataFiles, state: TableState) -> None:
        self._files, self._state = files, state
        self.columns: Mapping[str, pl.DataType | None] = {
            name: dtype_of(stored) for name, (_, stored) in state.columns.items()
        }

    @staticmethod
    def widened(state: TableState, columns: Mapping[str, tuple[LogicalType, str]]) -> TableState:
        """The state with these columns in other types."""
        return replace(state, columns={**state.columns, **columns})

    def live(self) -> list[DataFileEntry]:
        """Every file."""
        return list(self._state.files.values())

    def read(self, file: DataFileEntry, names: Sequence[str] | None = None) -> pl.DataFrame:
        """In the table's present types."""
        return self._files.read(self._state, file, names)

    def write(self, frame: pl.DataFrame) -> list[DataFileEntry]:
        """Not part of the table yet."""
        return self._files.write(self._state, frame)

    def dropped(self, file: DataFileEntry) -> DataFileEntry:
        """The file itself."""
        return file


def census_of(
    target: ParquetTable, plan: IngestionPlan, files: StateFiles, keys: RecordReader | None
) -> KeyCensus[DataFileEntry, DataFileEntry]:
    """Keys of a reader against the table's files."""
    return KeyCensus(target, plan, files, keys)
