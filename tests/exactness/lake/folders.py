"""A table of PostgreSQL that moves into Parquet files in a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import duckdb

from connectors.object_parquet.config import ParquetConfig
from connectors.object_parquet.latest import live_table
from connectors.object_parquet.sink import ParquetSink
from contracts.errors import SinkNotProvisionedError
from tests.exactness.lake.warehouses import LAKE_ROWS, SOURCE_ROWS, WarehousePair
from tests.exactness.moving import TABLE
from tests.exactness.worker import Fuse, FusedCalls

if TYPE_CHECKING:
    from connectors.object_parquet.latest import LiveTable

_FOLDER = TABLE.replace(".", "/")


@dataclass
class FolderPair(WarehousePair):
    """A database and a folder, looked at by DuckDB: the files that the manifests name."""

    maker: ClassVar[str] = "tests.exactness.lake.folders:FusedParquetSink"
    sink_template: ClassVar[str] = "object.parquet"
    looking: ParquetSink = field(init=False)  # type: ignore[assignment]

    @property
    def sink_url(self) -> str:
        """The folder."""
        return f"file://{self.sink}"

    def open_sink(self) -> ParquetSink:  # type: ignore[override]
        """The production sink, which removes strays of any age."""
        return ParquetSink(ParquetConfig.model_validate({"url": self.sink_url, "orphan_grace_s": 0}))

    def both(self) -> tuple[list[str], list[str]]:
        """All rows of the table as sorted text: source, sink. A doubled row shows."""
        table = self._table()
        with duckdb.connect() as connection:
            found = table is not None and connection.execute(LAKE_ROWS, [list(table.paths)]).fetchall()
        return sorted(self.write(SOURCE_ROWS).splitlines()), sorted(row[0] for row in found or [])

    def strays(self) -> set[str]:
        """Files of rows that no manifest names, after a compaction."""
        self.looking.compact(self.ref)
        table = self._table()
        there = {str(path) for path in (Path(self.sink) / _FOLDER / "data").rglob("*") if path.is_file()}
        return there - set(table.paths if table is not None else ())

    def _table(self) -> LiveTable | None:
        try:
            return live_table(self.looking.place.objects, _FOLDER)
        except SinkNotProvisionedError:
            return None


class FusedParquetSink(FusedCalls, ParquetSink):
    """A sink that tells the fuse, also between the files of a slice and the manifest that makes them the table's."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(ParquetConfig.model_validate({"url": url}))
        self._fuse = fuse
        put = self.place.objects.put_if_absent

        def told(key: str, content: bytes) -> bool:
            operation = json.loads(content)["operation"] if "/manifests/" in key else ""
            if operation in {"slice", "census"}:
                fuse.at("census-filed" if operation == "census" else "receipt-filed")
            return put(key, content)

        self.place.objects.put_if_absent = told  # type: ignore[method-assign]
