"""Reading a table without the sink: its live files, as polars and as SQL of other engines.

A table is the rows of the files that its newest manifest state names, without tombstoned ones. Files are written anew
when a row of theirs changes, so no engine has to resolve versions. A list of files is one moment of the table: files
that a later run replaced stay readable for the grace time (``orphan_grace_s``).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from connectors.lake.storage_types import dtype_of
from connectors.object_parquet.manifests import ManifestLog
from connectors.object_parquet.publishing import hive_text
from connectors.object_parquet.target import TOMBSTONE
from contracts.errors import SinkNotProvisionedError

if TYPE_CHECKING:
    from connectors.lake.objects import Objects
    from connectors.object_parquet.manifests import TableState
    from connectors.object_parquet.target import ParquetTable


class LiveTable(NamedTuple):
    """One moment of a table.

    Attributes:
        state: As its manifests say.
        paths: Of its live files, as other programs name them.
        keys: The same files below the root.
    """

    state: TableState
    paths: tuple[str, ...]
    keys: tuple[str, ...]


def live_table(objects: Objects, folder: str) -> LiveTable:
    """The table in a folder below the root, as it is now.

    Raises:
        SinkNotProvisionedError: There is none.
    """
    state = ManifestLog(objects, folder).load()
    if state is None:
        raise SinkNotProvisionedError(f"There is no table in {objects.uri(folder)}", "Run an ingestion into it first.")
    keys = tuple(f"{folder}/{path}" for path in state.files)
    return LiveTable(state, tuple(objects.uri(key) for key in keys), keys)


def latest(objects: Objects, folder: str) -> pl.DataFrame:
    """The live rows of a table, in its columns' types. The whole table is held in memory."""
    table = live_table(objects, folder)
    wanted = {name: dtype_of(stored) for name, (_, stored) in table.state.columns.items()}
    frames = [pl.DataFrame(schema=wanted)]
    for key in table.keys:
        held = objects.get(key)
        if held is None:
            raise SinkNotProvisionedError(f"{objects.uri(key)} is gone", "A later run replaced it: read again.")
        frames.append(pl.read_parquet(io.BytesIO(held[0]), hive_partitioning=False))
    rows = pl.concat(frames, how="diagonal")
    return rows.filter(pl.col(TOMBSTONE).is_null()) if TOMBSTONE in rows.columns else rows


def polars_text(table: LiveTable) -> str:
    """An expression of Python that reads the rows with polars (``pl``), lazily."""
    marked = f'.filter(pl.col("{TOMBSTONE}").is_null())' if TOMBSTONE in table.state.columns else ""
    # A file from before a column was added lacks it; the newest files have them all.
    return (
        f"pl.concat([pl.scan_parquet(f, hive_partitioning=False) for f in {list(table.paths)!r}], "
        f'how="diagonal"){marked}'
    )


def duckdb_text(table: LiveTable) -> str:
    """A query of DuckDB."""
    files = ", ".join(_text(path) for path in table.paths)
    marked = f" WHERE {TOMBSTONE} IS NULL" if TOMBSTONE in table.state.columns else ""
    return f"SELECT * FROM read_parquet([{files}], union_by_name = true, hive_partitioning = false){marked}"  # noqa: S608 — quoted above


def spark_text(table: LiveTable) -> str:
    """A line of PySpark (not part of our tests)."""
    marked = f'.where("{TOMBSTONE} IS NULL")' if TOMBSTONE in table.state.columns else ""
    return f'spark.read.option("mergeSchema", "true").parquet(*{list(table.paths)!r}){marked}'


def lines_for(objects: Objects, target: ParquetTable, *, in_hdfs: bool = False) -> dict[str, str]:
    """Every line above, by the program it is for; of HDFS only those of programs that read it by themselves."""
    table = live_table(objects, target.folder)
    lines = {
        "duckdb": duckdb_text(table),
        "polars": polars_text(table),
        "spark": spark_text(table),
        "hive": hive_text(objects, target.folder, table.state, f"{target.namespace}_{target.name}"),
    }
    return {name: line for name, line in lines.items() if not in_hdfs or name in {"spark", "hive"}}


def _text(path: str) -> str:
    return "'" + path.replace("'", "''") + "'"
