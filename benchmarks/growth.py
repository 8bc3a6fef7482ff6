"""What many units, many slices and many schedules cost Prefect's server, and whether it grows with their number.

On Postgres, where the machine has one with pg_trgm, and on SQLite. The flows run in this process. Seconds are read when
a quarter, a half and all are done: cost that grows linearly is the same in the first quarter and in the last half.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.many_tables import create_table
from benchmarks.measure import cpu_s, mib
from benchmarks.prefect_database import prefect_database, prefect_on
from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.local.control_plane import LocalControlPlane
    from flows.wiring import Workspace

PARALLEL = 8
SLICED = "public.sliced"
SLICE_ROWS = 1_000
"""About 70 KiB: the smallest slices that a policy may ask for have 64."""
LOOKED_AT_S = 130.0
"""Two rounds of Prefect's scheduler."""
HEADINGS = (
    "on", "what", "number", "ms each", "first quarter", "last half", "server CPU ms each", "server MiB before", "after",
    "flow MiB before", "after",
)  # fmt: skip


def measure(units: int, slices: int, schedules: int) -> None:
    """Print the table.

    Args:
        units: Tables of five rows, through one run of ``ingest-endpoint``.
        slices: Of one table, through one run of ``ingest-unit``.
        schedules: Hourly ones of units, on a pool that is paused.
    """
    console = Console(width=160)
    os.environ |= {"PREFECT_LOGGING_LEVEL": "CRITICAL", "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
    table = Table(*HEADINGS, title=f"{os.cpu_count()} cores shared by flow, Prefect's server and databases")
    with prefect_database() as database:
        for kind, url in (("Postgres", database), ("SQLite", None)):
            if kind == "Postgres" and url is None:
                console.print("No Postgres with pg_trgm on this machine: SQLite only")
                continue
            for row in _on(kind, url, console, units, slices, schedules):
                table.add_row(*map(str, row))
    console.print(table)


def _on(
    kind: str, database: str | None, console: Console, units: int, slices: int, schedules: int
) -> Iterator[tuple[Any, ...]]:
    from flows.local.contexts import running_control_plane  # noqa: PLC0415 - Prefect is loaded only here
    from flows.wiring import close_live, open_workspace  # noqa: PLC0415

    with prefect_on(database), SandboxPostgres() as postgres, tempfile.TemporaryDirectory() as folder:
        for name in ("many", "one", "sink"):
            postgres.create_database(name)
        postgres.psql("".join(create_table(number) for number in range(units)), database="many")
        postgres.psql(
            f"CREATE TABLE {SLICED} AS SELECT i AS id, md5(i::text) AS body"
            f" FROM generate_series(1, {slices * SLICE_ROWS}) i; ALTER TABLE {SLICED} ADD PRIMARY KEY (id); ANALYZE",
            database="one",
        )
        with running_control_plane(Path(folder)) as plane, open_workspace(Path(folder)) as workspace:
            for name in ("many", "one", "sink"):
                workspace.endpoints.add(name, "jdbc.postgres", {"url": postgres.url(name)})
            for name in ("many", "one"):
                workspace.catalogs.save(workspace.source(name).collect_catalog(name))
            for what, wanted, work in (
                ("units", units, lambda watch: _units(watch, units)),
                ("slices", slices, lambda watch: _slices(watch, postgres, slices)),
            ):
                watch = Watch(plane, wanted)
                work(watch)
                row = (kind, what, *watch.figures())
                console.print(*row)
                yield row
            row = (kind, "schedules", *_schedules(workspace, plane, schedules))
            console.print(*row)
            yield row
        close_live()


class Watch:
    """Seconds, CPU and memory while so many things are done.

    Args:
        plane: Whose server is watched.
        wanted: How many things will be done.
    """

    def __init__(self, plane: LocalControlPlane, wanted: int) -> None:
        self._wanted, self._server, self._own = wanted, psutil.Process(plane.pids["server"]), psutil.Process()
        self._lock, self._done = threading.Lock(), 0
        self._at: dict[int, float] = {}
        self._began = time.monotonic()
        self._before = cpu_s(self._server), mib(self._server), mib(self._own)

    def one_more(self) -> None:
        """Something is done; from any thread."""
        with self._lock:
            self._done += 1
            self._at[self._done] = time.monotonic()

    def figures(self) -> tuple[Any, ...]:
        """Of the table, from the number on; raises RuntimeError when less was done than wanted."""
        ended = time.monotonic()
        if self._done < 0.9 * self._wanted:  # slices are cut by estimates
            raise RuntimeError(f"{self._done} of {self._wanted} were done")
        done = self._done
        quarter, half = max(done // 4, 1), max(done // 2, 1)
        cpu_before, server_mib, own_mib = self._before
        return (
            done,
            _ms((ended - self._began) / done),
            _ms((self._at[quarter] - self._began) / quarter),
            _ms((self._at[done] - self._at[half]) / max(done - half, 1)),
            _ms((cpu_s(self._server) - cpu_before) / done),
            server_mib,
            mib(self._server),
            own_mib,
            mib(self._own),
        )


def _units(watch: Watch, wanted: int) -> None:
    from flows import ingest_endpoint as module  # noqa: PLC0415
    from flows.ingest_unit import ingest_unit  # noqa: PLC0415

    def told(*arguments: Any, **options: Any) -> Any:
        result = ingest_unit(*arguments, **options)
        watch.one_more()
        return result

    with patch.object(module, "ingest_unit", told):
        done = module.ingest_endpoint("many", "sink", parallel_units=PARALLEL)["units"]
    if len(done) != wanted:
        raise RuntimeError(f"{len(done)} of {wanted} units were done")


def _slices(watch: Watch, postgres: SandboxPostgres, wanted: int) -> None:
    from flows.execution.unit_run import attach  # noqa: PLC0415
    from flows.ingest_unit import ingest_unit  # noqa: PLC0415
    from flows.stages.run import SilentObserver  # noqa: PLC0415
    from flows.stages.slices import RunControl  # noqa: PLC0415

    class Counting(SilentObserver):
        def upserted(self, piece: Any, receipt: Any) -> None:  # noqa: ARG002
            watch.one_more()

    size = int(postgres.psql(f"SELECT pg_relation_size('{SLICED}')", database="one"))
    with attach(Counting(), RunControl()):
        ingest_unit("one", SLICED, "sink", policy={"target_slice_bytes": max(size // wanted, 65_536)})


def _schedules(workspace: Workspace, plane: LocalControlPlane, wanted: int) -> tuple[Any, ...]:
    """CPU of the server in two rounds of its scheduler, beside as long without schedules."""
    from contracts.unit import UnitConfig  # noqa: PLC0415
    from flows.prefect_api.schedules import sync_schedules  # noqa: PLC0415

    server, own = psutil.Process(plane.pids["server"]), psutil.Process()
    before, own_before = mib(server), mib(own)
    workspace.plane.call("PATCH", "/work_pools/nucleus", {"is_paused": True})
    idle_s = _spent(server)
    configs = [
        UnitConfig(
            endpoint_id="many", unit_id=f"public.s{number:06}", sink_id="sink", schedule=f"{number % 60} * * * *"
        )
        for number in range(wanted)
    ]
    began = time.monotonic()
    sync_schedules(workspace.plane, configs, frozenset())
    made_s = time.monotonic() - began
    spent_s = _spent(server) - idle_s
    each = _ms(spent_s / 2 / max(wanted, 1))
    return wanted, _ms(made_s / max(wanted, 1)), "", "", f"{each} a round", before, mib(server), own_before, mib(own)


def _spent(server: psutil.Process) -> float:
    before = cpu_s(server)
    time.sleep(LOOKED_AT_S)
    return cpu_s(server) - before


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
