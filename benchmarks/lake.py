"""A table from Postgres to the lake sinks: first load, unchanged, one per cent changed; beside the read side alone."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import lake_references, lineitem, references
from benchmarks.table_copy import SETTINGS, Bench, printed
from cli.arguments.urls import endpoint_of
from contracts.errors import ConfigError
from sandbox.postgres import SandboxPostgres

_SINKS = {"Iceberg": "iceberg+sqlite://{folder}", "Parquet": "file://{folder}"}
_READ, _APPEND = "psql: COPY to nowhere", "pyiceberg: append of the same rows"


def measure(scale: float) -> None:
    """Run every case of every lake sink there is, and print the table.

    Args:
        scale: TPC-H scale of the table.
    """
    console = Console(width=None if sys.stdout.isatty() else 150)
    parquet = lineitem.generate(Path(tempfile.gettempdir()) / "nucleus-bench", scale)
    with SandboxPostgres(durable=True, settings=SETTINGS) as postgres, tempfile.TemporaryDirectory() as scratch:
        bench = Bench(postgres, Path(scratch), console)
        postgres.create_database("source")
        rows = lineitem.load(postgres, "source", parquet, updated_at=True)
        bench.case(_READ, rows, lambda: lake_references.read_alone(postgres, "source"))
        peer = Path(scratch) / "pyiceberg"
        bench.case(_APPEND, rows, lambda: lake_references.pyiceberg("append", parquet, peer))
        for name, url in _SINKS.items():
            if _is_known(url):
                _lives(bench, rows, name, url.format(folder=Path(scratch) / name))
        _upsert_of_the_peer(bench, rows, parquet, peer)
    console.print(printed(bench))


def _lives(bench: Bench, rows: int, name: str, sink: str) -> None:
    source, cursor = bench.postgres.url("source"), ("--incremental", "updated_at")

    def copied(*more: str) -> lake_references.Measured:
        return references.nucleus_copy(source, sink, *more)

    bench.case(f"{name}, first load", rows, copied, _READ, "<= 1.2")
    bench.case(f"{name}, whole table read again, unchanged", rows, copied, _READ)
    bench.case(f"{name}, first incremental", rows, lambda: copied(*cursor), _READ)
    lineitem.change(bench.postgres, "source", 1)
    aim = f"<= {1.5 * rows / 1e6:.1f} s"
    bench.case(f"{name}, 1 % changed, spread over the table", rows // 100, lambda: copied(*cursor), "", aim)


def _upsert_of_the_peer(bench: Bench, rows: int, parquet: Path, peer: Path) -> None:
    """The peer is known to crash at this size; then that is the result."""
    try:
        bench.case("pyiceberg: upsert of 1 %", rows // 100, lambda: lake_references.pyiceberg("upsert", parquet, peer))
    except RuntimeError as error:
        bench.console.print(f"pyiceberg: upsert of 1 % failed: {str(error).splitlines()[0][:200]}")


def _is_known(url: str) -> bool:
    try:
        endpoint_of(url.format(folder="/nowhere"), "sink")
    except ConfigError:
        return False
    return True
