"""Beside the lake sinks: the read side alone, and pyiceberg's own append and upsert. Run as a process of its own.

``python -m benchmarks.lake_references append|upsert PARQUET WAREHOUSE``: the table of that file is appended whole, or
one per cent of its rows is changed and upserted.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog

from benchmarks.measure import Measured, measured

if TYPE_CHECKING:
    from sandbox.postgres import SandboxPostgres

_TABLE = ("bench", "lineitem")


def read_alone(postgres: SandboxPostgres, source: str) -> Measured:
    """COPY out in binary, to nowhere."""
    psql = shlex.quote(str(postgres.bin("psql")))
    copy = "COPY public.lineitem TO STDOUT (FORMAT binary)"
    command = f"{psql} -qX {shlex.quote(postgres.url(source))} -c '{copy}' > /dev/null"
    return measured(["bash", "-c", command])


def pyiceberg(what: str, parquet: Path, warehouse: Path) -> Measured:
    """One of the commands of this module, as a whole process."""
    return measured([sys.executable, "-m", "benchmarks.lake_references", what, str(parquet), str(warehouse)])


def _append(parquet: Path, warehouse: Path) -> None:
    rows = pq.read_table(parquet)
    catalog = _catalog(warehouse)
    catalog.create_namespace_if_not_exists(_TABLE[0])
    catalog.create_table(_TABLE, rows.schema).append(rows)


def _upsert(parquet: Path, warehouse: Path) -> None:
    rows = pq.read_table(parquet)
    one_per_cent = rows.take([*range(0, rows.num_rows, 100)])
    changed = pc.binary_join_element_wise(one_per_cent["l_comment"].cast("string"), "!", "")
    place = one_per_cent.schema.get_field_index("l_comment")
    table = _catalog(warehouse).load_table(_TABLE)
    table.upsert(one_per_cent.set_column(place, "l_comment", changed), join_cols=["l_orderkey", "l_linenumber"])


def _catalog(warehouse: Path) -> SqlCatalog:
    warehouse.mkdir(parents=True, exist_ok=True)
    return SqlCatalog("bench", uri=f"sqlite:///{warehouse}/catalog.db", warehouse=f"file://{warehouse}")


if __name__ == "__main__":
    {"append": _append, "upsert": _upsert}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
