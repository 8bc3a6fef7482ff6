"""The demo's last chapter: one table into Parquet files and into Iceberg, read back by a program that knows neither."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import duckdb
from pyiceberg.catalog import load_catalog

from connectors.lake.local import LocalObjects
from connectors.object_parquet.latest import duckdb_text, live_table
from contracts.unit import UnitPolicy
from demo.world import PARQUET, SOURCE, STAGING, WAREHOUSE
from flows.ingest_unit import ingest_unit
from sandbox.data import CHANGING

if TYPE_CHECKING:
    from rich.console import Console

    from demo.world import World

_COLUMNS = "id, name, amount, epoch_us(updated_at)"


class LakeChapter:
    """Moves the table that the writer has changed, twice, and compares what DuckDB reads with the source."""

    def __init__(self, place: World, console: Console) -> None:
        self.place, self.console = place, console

    def tell(self) -> list[tuple[str, bool, str]]:
        """The chapter; (table, equal, rows) of each."""
        self.console.print(f"[bold]{CHANGING} into Parquet files and into an Iceberg warehouse, twice[/bold]")
        for sink in (PARQUET, WAREHOUSE):
            self._move(sink)
        self.place.postgres.psql(f"UPDATE {CHANGING} SET amount = amount + 1 WHERE id % 50 = 0", database=SOURCE)  # noqa: S608
        for sink in (PARQUET, WAREHOUSE):
            self._move(sink)
        columns = "id, name, amount, (extract(epoch FROM updated_at) * 1000000)::bigint"
        source = self.place.postgres.psql(f"SELECT {columns} FROM {CHANGING}", database=SOURCE).splitlines()  # noqa: S608
        return [
            ("Parquet, by DuckDB", self._parquet() == set(source), f"{len(source):,} rows"),
            ("Iceberg, by DuckDB", self._iceberg() == set(source), f"{len(source):,} rows"),
        ]

    def _move(self, sink: str) -> None:
        started = time.monotonic()
        policy = UnitPolicy(on_gone="delete").model_dump(include={"on_gone"})
        summary: dict[str, Any] = ingest_unit(SOURCE, CHANGING, sink, mode="full", policy=policy, staging_id=STAGING)
        self.console.print(
            f"  {CHANGING} → {sink}: {summary['rows_read']:,} read, {summary['rows_inserted']:,} inserted, "
            f"{summary['rows_updated']:,} updated, {summary['rows_unchanged']:,} unchanged "
            f"in {time.monotonic() - started:.1f} s"
        )

    def _parquet(self) -> set[str]:
        table = live_table(LocalObjects(self.place.lake / PARQUET), CHANGING.replace(".", "/"))
        with duckdb.connect() as connection:
            return _lines(connection.sql(f"SELECT {_COLUMNS} FROM ({duckdb_text(table)})"))  # noqa: S608

    def _iceberg(self) -> set[str]:
        uri = f"sqlite:///{self.place.lake / WAREHOUSE / 'catalog.db'}"
        rows = load_catalog("nucleus", type="sql", uri=uri).load_table(CHANGING).scan().to_arrow()
        with duckdb.connect() as connection:
            connection.register("iceberg_rows", rows)
            return _lines(connection.sql(f"SELECT {_COLUMNS} FROM iceberg_rows"))  # noqa: S608


def _lines(found: duckdb.DuckDBPyRelation) -> set[str]:
    """As psql prints them."""
    return {"|".join("" if value is None else str(value) for value in row) for row in found.fetchall()}
