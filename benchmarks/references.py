"""What we are measured against: psql by hand, and dlt on its fastest Postgres path."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.lineitem import KEY
from benchmarks.measure import Measured, measured
from connectors.postgres.copy_encoder import DRIVER, ENCODER

if TYPE_CHECKING:
    from sandbox.postgres import SandboxPostgres

_COLUMNS = [
    "l_orderkey",
    "l_partkey",
    "l_suppkey",
    "l_linenumber",
    "l_quantity",
    "l_extendedprice",
    "l_discount",
    "l_tax",
    "l_returnflag",
    "l_linestatus",
    "l_shipdate",
    "l_commitdate",
    "l_receiptdate",
    "l_shipinstruct",
    "l_shipmode",
    "l_comment",
]


def _pipe(postgres: SandboxPostgres, source: str, sink: str, sink_sql: str) -> Measured:
    psql = shlex.quote(str(postgres.bin("psql")))
    out = f"{psql} -qX {shlex.quote(postgres.url(source))} -c 'COPY public.lineitem TO STDOUT (FORMAT binary)'"
    into = f"{psql} -qX {shlex.quote(postgres.url(sink))} -v ON_ERROR_STOP=1 {sink_sql}"
    return measured(["bash", "-o", "pipefail", "-c", f"{out} | {into}"])


def copy_pipe(postgres: SandboxPostgres, source: str, sink: str) -> Measured:
    """COPY out piped to COPY into the table with its primary key; the table must exist and be empty."""
    return _pipe(postgres, source, sink, "-c 'COPY public.lineitem FROM STDIN (FORMAT binary)'")


def work_table_upsert(postgres: SandboxPostgres, source: str, sink: str) -> Measured:
    """COPY out piped to a work table, then INSERT … ON CONFLICT DO UPDATE of every row."""
    assigned = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)
    merge = f"INSERT INTO public.lineitem SELECT * FROM work ON CONFLICT ({KEY}) DO UPDATE SET {assigned}"
    steps = ["CREATE TEMP TABLE work (LIKE public.lineitem)", "COPY work FROM STDIN (FORMAT binary)", merge]
    return _pipe(postgres, source, sink, " ".join(f"-c {shlex.quote(step)}" for step in steps))


def dlt_python(root: Path) -> Path | None:
    """The interpreter of dlt's own environment, or None when it was not made."""
    python = root / ".venv-dlt" / "bin" / "python"
    return python if python.exists() else None


def dlt_copy(
    python: Path, source_url: str, sink_url: str, folder: Path, *more: str, most_s: float | None = None
) -> Measured:
    """dlt: connectorx to Parquet to ADBC or files, merge by upsert; ``load`` as more only appends."""
    env = {"DLT_DATA_DIR": str(folder), "RUNTIME__DLTHUB_TELEMETRY": "false", "PYTHONPATH": "", "NO_COLOR": "1"}
    script = Path(__file__).with_name("dlt_pipeline.py")
    return measured([str(python), str(script), source_url, sink_url, *more], env=env, most_s=most_s)


def nucleus_copy(
    source_url: str, sink_url: str, *more: str, table: str = "public.lineitem", encoder: str = DRIVER
) -> Measured:
    """Our one-liner, as a user types it; by the encoder that everybody has, or the other one."""
    command = str(Path(sys.executable).parent / "nucleus")
    env = {"NO_COLOR": "1", "PATH": os.environ["PATH"], ENCODER: encoder}
    return measured([command, "copy", source_url, table, sink_url, *more], env=env)


def profiled_copy(source_url: str, sink_url: str, file: Path, encoder: str = DRIVER) -> Measured:
    """A copy of lineitem by a process that writes to the file where its CPU went."""
    words = ("copy", source_url, "public.lineitem", sink_url)
    env = {"NO_COLOR": "1", ENCODER: encoder}
    return measured([sys.executable, "-m", "benchmarks.cpu_profile", str(file), *words], env=env)
