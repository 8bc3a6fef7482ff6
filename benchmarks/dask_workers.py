"""What a second Dask worker brings: one table whose slices each wait for a server, by one worker and by two.

The sink's server holds every slice for half a second, as a source or a network far away would; the work itself is
small. Both clusters are processes of this machine with one thread each, and threads of the flow's process run beside.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import distributed
from rich.console import Console
from rich.table import Table

from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

ROWS = 80_000
WAIT_S = 0.5
UNIT = "public.orders"
_SOURCE = (
    f"CREATE TABLE public.orders AS SELECT i AS id, repeat('x', 200) AS note FROM generate_series(1, {ROWS}) i;"
    "ALTER TABLE public.orders ADD PRIMARY KEY (id); ANALYZE"
)
_WAIT = (
    "CREATE FUNCTION wait_a_moment() RETURNS trigger LANGUAGE plpgsql AS "
    f"'BEGIN PERFORM pg_sleep({WAIT_S}); RETURN NEW; END';"
    "CREATE TRIGGER wait_a_moment BEFORE INSERT ON nucleus.receipts FOR EACH ROW EXECUTE FUNCTION wait_a_moment()"
)


def measure() -> None:
    """Run and print the table."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    from flows.local.contexts import running_control_plane  # noqa: PLC0415 - Prefect is loaded only here
    from flows.wiring import close_live, open_workspace  # noqa: PLC0415

    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table(title=f"{ROWS:,} rows whose slices each wait {WAIT_S} s for a server")
    for heading in ("where", "slices", "seconds", "against one worker", "aim"):
        table.add_column(heading)
    with SandboxPostgres() as postgres, tempfile.TemporaryDirectory() as folder:
        for database in ("source", "sink"):
            postgres.create_database(database)
        postgres.psql(_SOURCE, database="source")
        with running_control_plane(Path(folder), worker=False):
            with open_workspace(Path(folder)) as workspace:
                for database in ("source", "sink"):
                    workspace.endpoints.add(database, "jdbc.postgres", {"url": postgres.url(database)})
                workspace.catalogs.save(workspace.source("source").collect_catalog("source"))
            _run()  # makes the tables, and loads what is loaded once
            postgres.psql(_WAIT, database="sink")
            one = None
            for workers in (1, 2):
                with _cluster(workers) as cluster:
                    options = {"task_runner": "dask", "dask_scheduler": cluster.scheduler_address}
                    _run(**options)  # each worker loads what it needs
                    slices, seconds = _run(**options)
                one = one or seconds
                aim = ">= 1.8" if workers > 1 else ""
                table.add_row(f"{workers} worker(s)", str(slices), f"{seconds:.1f}", f"{one / seconds:.2f}", aim)
            slices, seconds = _run()
            table.add_row("threads", str(slices), f"{seconds:.1f}", f"{(one or seconds) / seconds:.2f}", "")
            close_live()
    console.print(table)


def _cluster(workers: int) -> AbstractContextManager[Any]:
    options: dict[str, Any] = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    made: AbstractContextManager[Any] = distributed.LocalCluster(n_workers=workers, silence_logs=50, **options)
    return made


def _run(**options: Any) -> tuple[int, float]:
    """(slices, seconds) of a run that moves every row."""
    from flows.ingest_unit import ingest_unit  # noqa: PLC0415

    started = time.monotonic()
    policy = {"target_slice_bytes": 512 * 1024, "parallel_slices": 4}
    summary = ingest_unit("source", UNIT, "sink", policy=policy, fresh=True, **options)
    return int(summary["slices_done"]), time.monotonic() - started
