"""The census of one state of an Iceberg table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyiceberg.manifest import DataFile

from connectors.iceberg import files
from connectors.iceberg.files import LiveFile
from connectors.iceberg.target import schema_of
from connectors.lake.census import KeyCensus

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from pyiceberg.table import Table

    from connectors.iceberg.files import ManifestCache
    from connectors.iceberg.target import IcebergTarget
    from contracts.plan import IngestionPlan
    from contracts.staging import RecordReader


class SnapshotFiles:
    """The files of a table's current snapshot."""

    def __init__(self, table: Table, cache: ManifestCache) -> None:
        self._table, self._live = table, cache.live_files(table)
        self.columns = schema_of(table)

    def live(self) -> list[LiveFile]:
        """Each with its deletes."""
        return self._live

    def read(self, file: LiveFile, names: Sequence[str] | None = None) -> pl.DataFrame:
        """In the table's present schema."""
        return files.read(self._table, file, names)

    def write(self, frame: pl.DataFrame) -> list[DataFile]:
        """Not part of the table yet."""
        return files.write(self._table, frame)

    def dropped(self, file: LiveFile) -> DataFile:
        """The file itself, without its deletes."""
        return file.data


class Census(KeyCensus[LiveFile, DataFile]):
    """The rows of a reader as keys of the table, against the table's files; ``table`` is all that is looked at."""

    def __init__(
        self,
        target: IcebergTarget,
        plan: IngestionPlan,
        table: Table,
        cache: ManifestCache,
        reader: RecordReader | None,
    ) -> None:
        super().__init__(target, plan, SnapshotFiles(table, cache), reader)
