"""A table from Postgres to the lake sinks: first load, unchanged, one per cent changed; beside the read side alone."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks import lake_references, lineitem, references
from benchmarks.table_copy import SETTINGS, Bench, dlt_environment, printed
from cli.arguments.urls import endpoint_of
from contracts.errors import ConfigError
from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from collections.abc import Callable

_SINKS = {"Iceberg": "iceberg+sqlite://{folder}", "Parquet": "file://{folder}"}
_PATIENCE_S = 90.0
"""A peer that has not ended by then is not waited for: that is the result."""
_OF_DLT = {"Iceberg": "iceberg", "Parquet": "file"}
_READ, _APPEND = "psql: COPY to nowhere", "pyiceberg: append of the same rows"


def measure(scale: float, *, dlt: bool) -> None:
    """Run every case of every lake sink there is, and print the table.

    Args:
        scale: TPC-H scale of the table.
        dlt: Measure dlt's filesystem destination too, in an environment of its own.
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
        dlt_of = dlt_environment(console) if dlt else None
        for name, url in _SINKS.items():
            if dlt_of is not None:
                _first_load_of_dlt(bench, rows, name, dlt_of)
            if _is_known(url):
                _lives(bench, rows, name, url.format(folder=Path(scratch) / name))
        _peer(
            bench, "pyiceberg: upsert of 1 %", rows // 100, lambda: lake_references.pyiceberg("upsert", parquet, peer)
        )
        if dlt_of is not None:  # the table is changed by one per cent now
            _peer(
                bench,
                "dlt, Iceberg: merge of the whole table, 1 % changed",
                rows,
                lambda: _dlt(bench, "Iceberg", dlt_of),
            )
    console.print(printed(bench))


def _first_load_of_dlt(bench: Bench, rows: int, name: str, python: Path) -> None:
    _peer(bench, f"dlt, {name}, first load", rows, lambda: _dlt(bench, name, python, "load"), _READ)


def _dlt(bench: Bench, name: str, python: Path, *more: str) -> lake_references.Measured:
    folder = bench.folder / f"dlt {name}"
    sink = f"{_OF_DLT[name]}://{folder}"
    source = bench.postgres.url("source")
    return references.dlt_copy(python, source, sink, bench.folder / "dlt", *more, most_s=_PATIENCE_S)


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


def _peer(bench: Bench, name: str, rows: int, run: Callable[[], lake_references.Measured], against: str = "") -> None:
    """A peer may crash at this size; then that is the result."""
    try:
        bench.case(name, rows, run, against)
    except RuntimeError as error:
        bench.console.print(f"{name} failed: {str(error).splitlines()[0][:200]}")


def _is_known(url: str) -> bool:
    try:
        endpoint_of(url.format(folder="/nowhere"), "sink")
    except ConfigError:
        return False
    return True
