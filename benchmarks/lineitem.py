"""The benchmark's table: TPC-H lineitem, generated, loaded, changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from adbc_driver_postgresql import dbapi

if TYPE_CHECKING:
    from sandbox.postgres import SandboxPostgres

CREATE = """
CREATE TABLE public.lineitem (
    l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber integer, l_quantity numeric(15,2),
    l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag char(1),
    l_linestatus char(1), l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct char(25),
    l_shipmode char(10), l_comment varchar(44){extra}, PRIMARY KEY (l_orderkey, l_linenumber))
"""
KEY = "l_orderkey, l_linenumber"
CHUNK_ROWS = 500_000


def generate(folder: Path, scale: float) -> Path:
    """The Parquet file of that scale, made once."""
    place = folder / f"sf{scale:g}"
    if not (place / "lineitem.parquet").exists():
        place.mkdir(parents=True, exist_ok=True)
        tool = Path(sys.executable).parent / "tpchgen-cli"
        subprocess.run(
            [tool, "parquet", "-s", f"{scale:g}", "-T", "lineitem", "--output-dir", place],
            check=True,
            capture_output=True,
        )
    return place / "lineitem.parquet"


def load(postgres: SandboxPostgres, database: str, parquet: Path, *, updated_at: bool = False) -> int:
    """Make and fill ``public.lineitem``; with ``updated_at`` it gets an indexed cursor column. Returns the rows."""
    extra = ", updated_at timestamptz NOT NULL DEFAULT clock_timestamp()" if updated_at else ""
    postgres.psql(CREATE.format(extra=extra), database=database)
    connection = dbapi.connect(postgres.url(database), autocommit=True)
    rows = 0
    with connection, connection.cursor() as cursor:
        frame = pl.read_parquet(parquet, memory_map=True)
        for start in range(0, frame.height, CHUNK_ROWS):
            chunk = frame[start : start + CHUNK_ROWS].with_columns(pl.col(pl.String).cast(pl.String))
            cursor.adbc_ingest("lineitem", chunk, mode="append", db_schema_name="public")
            rows += chunk.height
    if updated_at:
        postgres.psql("CREATE INDEX ON public.lineitem (updated_at)", database=database)
    settle(postgres, database)
    return rows


def settle(postgres: SandboxPostgres, database: str) -> None:
    """Statistics, visibility and a checkpoint, so that no run pays for the one before."""
    postgres.psql("VACUUM ANALYZE", database=database)
    postgres.psql("CHECKPOINT", database=database)


def change(postgres: SandboxPostgres, database: str, percent: int) -> None:
    """Change that share of the rows, spread over the table."""
    postgres.psql(
        "UPDATE public.lineitem SET l_comment = 'changed ' || left(l_comment, 30), updated_at = clock_timestamp() "
        f"WHERE l_orderkey % 100 < {percent}",
        database=database,
    )
    settle(postgres, database)
