"""A table from one Postgres to another, ours beside psql and dlt, in one run on one machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks import cpu_profile, lineitem, prefect_overhead, references
from connectors.postgres.copy_encoder import DRIVER, PGPQ
from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.measure import Measured

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "maintenance_work_mem": "256MB"}
ENCODERS = {"": DRIVER, " by pgpq": PGPQ}
"""What stands in a case's name, and what encodes the rows."""
PIPE, UPSERT = "psql: COPY piped to COPY, keyed table", "psql: COPY to work table, ON CONFLICT"


class Bench:
    """Runs cases against one server and collects rows of the table."""

    def __init__(self, postgres: SandboxPostgres, folder: Path, console: Console) -> None:
        self.postgres, self.folder, self.console = postgres, folder, console
        self.rows: list[dict[str, object]] = []
        self.results: dict[str, Measured] = {}

    def case(self, name: str, rows: int, run: Callable[[], Measured], against: str = "", aim: str = "") -> Measured:
        """Run, keep, and print one line at once."""
        result = run()
        self.results[name] = result
        ratio = result.seconds / self.results[against].seconds if against else None
        self.rows.append(
            {
                "case": name, "seconds": round(result.seconds, 2), "rows_per_s": round(rows / result.seconds),
                "peak_mib": round(result.peak_mib), "cpu_s": round(result.cpu_s, 1),
                "ratio": round(ratio, 2) if ratio else None, "against": against, "aim": aim,
            }
        )  # fmt: skip
        self.console.print(f"{name}: {result.seconds:.2f} s" + (f" = {ratio:.2f} x {against}" if ratio else ""))
        return result

    def empty_sink(self, *, table: bool) -> None:
        """A fresh sink database, with the keyed table when a reference needs it."""
        self.postgres.drop_database("sink")
        self.postgres.create_database("sink")
        if table:
            self.postgres.psql(lineitem.CREATE.format(extra=""), database="sink")
        lineitem.settle(self.postgres, "sink")

    def ours(self, source: str, *more: str, table: str = "public.lineitem", encoder: str = DRIVER) -> Measured:
        """One ``nucleus copy``."""
        sink = self.postgres.url("sink")
        return references.nucleus_copy(self.postgres.url(source), sink, *more, table=table, encoder=encoder)


def full_loads(bench: Bench, rows: int) -> None:
    """First load and unchanged second run by either encoder, references first, ours right after."""
    pg = bench.postgres
    bench.empty_sink(table=True)
    bench.case(PIPE, rows, lambda: references.copy_pipe(pg, "source", "sink"))
    for words, encoder in ENCODERS.items():
        first, again = (f"nucleus copy{words}, {what}" for what in ("first load", "nothing changed"))
        bench.empty_sink(table=False)
        bench.case(first, rows, lambda encoder=encoder: bench.ours("source", encoder=encoder), PIPE, "<= 1.5")  # type: ignore[misc]
        lineitem.settle(pg, "sink")
        bench.case(again, rows, lambda encoder=encoder: bench.ours("source", encoder=encoder))  # type: ignore[misc]
    bench.case(f"{UPSERT}, unchanged", rows, lambda: references.work_table_upsert(pg, "source", "sink"))
    for words in ENCODERS:
        _ratio_to(bench, f"nucleus copy{words}, nothing changed", f"{UPSERT}, unchanged", "<= 0.6")


def profiles(bench: Bench) -> list[Table]:
    """Where the CPU of a first load and of an unchanged run goes; these runs are not among the cases."""
    made, file = [], bench.folder / "profile.json"
    for words, encoder in ENCODERS.items():
        bench.empty_sink(table=False)
        for name in ("first load", "nothing changed"):
            references.profiled_copy(bench.postgres.url("source"), bench.postgres.url("sink"), file, encoder)
            made.append(cpu_profile.table_of(f"nucleus copy{words}, {name}", json.loads(file.read_text())))
            lineitem.settle(bench.postgres, "sink")
    return made


def against_dlt(bench: Bench, rows: int, python: Path) -> None:
    """The peer beside the first load and the unchanged run."""
    bench.empty_sink(table=False)
    for name, ours in (
        ("first load", "nucleus copy, first load"),
        ("nothing changed", "nucleus copy, nothing changed"),
    ):
        peer = f"dlt, {name}"
        bench.case(
            peer,
            rows,
            lambda: references.dlt_copy(
                python, bench.postgres.url("source"), bench.postgres.url("sink"), bench.folder / "dlt"
            ),
        )
        aim = "<= 0.5" if name == "first load" else ""
        bench.rows.append(_compared(bench, ours, peer, aim))


def _ratio_to(bench: Bench, ours: str, reference: str, aim: str) -> None:
    bench.rows.append(_compared(bench, ours, reference, aim))


def _compared(bench: Bench, ours: str, reference: str, aim: str) -> dict[str, object]:
    ratio = bench.results[ours].seconds / bench.results[reference].seconds
    bench.console.print(f"{ours} = {ratio:.2f} x {reference}")
    return {"case": f"{ours} (again)", "seconds": round(bench.results[ours].seconds, 2), "ratio": round(ratio, 2),
            "against": reference, "aim": aim}  # fmt: skip


def incremental(bench: Bench, parquet: Path) -> None:
    """Nothing, one and four percent changed: time must follow the change."""
    pg = bench.postgres
    pg.drop_database("changing")
    pg.create_database("changing")
    rows = lineitem.load(pg, "changing", parquet, updated_at=True)
    bench.empty_sink(table=False)
    cursor = ("--incremental", "updated_at")
    bench.case("incremental, first load", rows, lambda: bench.ours("changing", *cursor))
    for percent in (0, 1, 4):
        if percent:
            lineitem.change(pg, "changing", percent)
        lineitem.settle(pg, "sink")
        changed = rows * percent // 100
        name = f"incremental, {percent} % changed"
        bench.case(
            name, changed, lambda: bench.ours("changing", *cursor), "incremental, first load", "follows the change"
        )
    pg.drop_database("changing")


def memory(bench: Bench, folder: Path, scales: list[float]) -> None:
    """Peak memory at several sizes of the table."""
    for scale in scales:
        name = f"sf{scale:g}".replace(".", "_")
        bench.postgres.create_database(name)
        rows = lineitem.load(bench.postgres, name, lineitem.generate(folder, scale))
        bench.empty_sink(table=False)
        bench.case(f"memory at scale {scale:g}", rows, lambda name=name: bench.ours(name), aim="<= 400 MiB")  # type: ignore[misc]
        bench.postgres.drop_database(name)


def start_up(bench: Bench) -> None:
    """Ten rows: what a run costs before it moves anything."""
    bench.postgres.psql("CREATE TABLE public.ten AS SELECT i AS id FROM generate_series(1, 10) i", database="source")
    bench.postgres.psql("ALTER TABLE public.ten ADD PRIMARY KEY (id)", database="source")
    bench.empty_sink(table=False)
    bench.case("ten rows", 10, lambda: bench.ours("source", table="public.ten"), aim="<= 1 s")


def printed(bench: Bench) -> Table:
    """The table a person reads."""
    table = Table(title="nucleus copy beside its references")
    for heading in ("case", "seconds", "rows/s", "peak MiB", "CPU s", "ratio", "against", "aim"):
        table.add_column(heading, justify="left" if heading in ("case", "against", "aim") else "right")
    for row in bench.rows:
        keys = ("case", "seconds", "rows_per_s", "peak_mib", "cpu_s", "ratio", "against", "aim")
        table.add_row(
            *(
                "" if row.get(key) is None else f"{row[key]:,}" if isinstance(row[key], int) else str(row[key])
                for key in keys
            )
        )
    return table


def dlt_environment(console: Console) -> Path | None:
    """The peer's own environment, made once; None (said aloud) when it cannot be made."""
    if found := references.dlt_python(ROOT):
        return found
    console.print("making dlt's environment …")
    home = ROOT / ".venv-dlt"
    try:
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        lock = ROOT / "requirements" / "dlt.lock"
        install = [home / "bin" / "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", lock]
        subprocess.run(install, check=True)
    except subprocess.CalledProcessError as error:
        console.print(f"dlt is left out: its environment could not be made ({error})")
        shutil.rmtree(home, ignore_errors=True)
    return references.dlt_python(ROOT)


def measure(scale: float, memory_scales: Sequence[float], *, dlt: bool, file: Path | None) -> None:
    """Run every case and print the table.

    Args:
        scale: TPC-H scale of the main table.
        memory_scales: Show the peak memory at each.
        dlt: Measure dlt beside ours, in an environment of its own.
        file: Also write the rows there, as JSON.
    """
    console = Console(width=None if sys.stdout.isatty() else 150)
    folder = Path(tempfile.gettempdir()) / "nucleus-bench"
    with SandboxPostgres(durable=True, settings=SETTINGS) as postgres, tempfile.TemporaryDirectory() as scratch:
        bench = Bench(postgres, Path(scratch), console)
        parquet = lineitem.generate(folder, scale)
        postgres.create_database("source")
        postgres.create_database("sink")
        rows = lineitem.load(postgres, "source", parquet)
        start_up(bench)
        full_loads(bench, rows)
        tables = profiles(bench)
        if dlt and (python := dlt_environment(console)):
            against_dlt(bench, rows, python)
        incremental(bench, parquet)
        memory(bench, folder, memory_scales)
        bench.rows += prefect_overhead.rows(console)
    console.print(printed(bench), *tables)
    if file:
        file.write_text(json.dumps(bench.rows, indent=2) + "\n")
