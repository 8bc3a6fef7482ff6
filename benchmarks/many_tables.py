"""What a table costs, however small: the flow ``ingest-endpoint`` over many tables of five rows, twice.

The flow runs in this process, which counts its requests to the Prefect API, its threads and its memory. Memory is
read whenever a quarter, a half and all of the tables are done: what is flat does not grow from one to the next.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.measure import cpu_s, mib
from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.local.control_plane import LocalControlPlane

ROWS = 5
AIM_S = 0.25
HEADINGS = (
    "case", "seconds a table", "calls a table", "CPU ms a table", "of it the server's", "threads before", "after",
    "MiB before", "MiB at 1/4", "MiB at 1/2", "MiB after", "after gc", "aim",
)  # fmt: skip


class Requests:
    """What this process asks of the Prefect API, and its memory whenever a unit has ended.

    Attributes:
        count: Requests so far.
        mib: Resident memory, once for each unit that was begun.
    """

    def __init__(self) -> None:
        self.count, self.mib = 0, list[int]()
        self._own = psutil.Process()

    def note(self, request: httpx.Request) -> None:
        """One more; httpx sends it from any thread."""
        self.count += 1
        if request.method == "POST" and request.url.path.endswith("/task_runs/"):
            self.mib.append(mib(self._own))


def rows(console: Console, tables: int, parallel: int) -> list[dict[str, Any]]:
    """One row of the table per run; the first one makes every table in the sink, the second finds nothing changed."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    from flows.local.contexts import running_control_plane  # noqa: PLC0415 - Prefect is loaded only here
    from flows.wiring import close_live, open_workspace  # noqa: PLC0415

    console.print(f"making {tables:,} tables …")
    with SandboxPostgres() as postgres, tempfile.TemporaryDirectory() as folder:
        for database in ("source", "sink"):
            postgres.create_database(database)
        postgres.psql("".join(create_table(number) for number in range(tables)), database="source")
        with running_control_plane(Path(folder), worker=False) as plane, _counted() as calls:
            with open_workspace(Path(folder)) as workspace:
                for database in ("source", "sink"):
                    workspace.endpoints.add(database, "jdbc.postgres", {"url": postgres.url(database)})
                workspace.catalogs.save(workspace.source("source").collect_catalog("source"))
            cases = ("first run", "nothing changed")
            rows = [_measured(console, case, tables, parallel, plane, calls) for case in cases]
            close_live()
    return rows


def measure(tables: int, parallel: int) -> None:
    """Run and print the table.

    Args:
        tables: How many.
        parallel: Units at the same time, 1 to 16.
    """
    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table(title=f"{tables:,} tables of {ROWS} rows, {parallel} at a time")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in {"case", "aim"} else "right")
    for row in rows(console, tables, parallel):
        table.add_row(*(str(row[heading]) for heading in HEADINGS))
    console.print(table)


def create_table(number: int) -> str:
    """SQL that makes and fills one table of the benchmark."""
    return (
        f"CREATE TABLE public.t{number:05} AS SELECT i AS id, md5(i::text) AS body FROM generate_series(1, {ROWS}) i;"
        f"ALTER TABLE public.t{number:05} ADD PRIMARY KEY (id);"
    )


def _ingest(parallel: int) -> int:
    """Units that were ingested."""
    from flows.ingest_endpoint import ingest_endpoint  # noqa: PLC0415

    return len(ingest_endpoint("source", "sink", parallel_units=parallel)["units"])


def _measured(
    console: Console, case: str, tables: int, parallel: int, plane: LocalControlPlane, calls: Requests
) -> dict[str, Any]:
    own, server = psutil.Process(), psutil.Process(plane.pids["server"])
    before = threading.active_count(), mib(own), cpu_s(own), cpu_s(server), calls.count
    calls.mib.clear()
    started = time.monotonic()
    ingested = _ingest(parallel)
    seconds = time.monotonic() - started
    if ingested != tables:
        raise RuntimeError(f"{ingested} of {tables} tables were ingested")
    own_s, server_s = cpu_s(own) - before[2], cpu_s(server) - before[3]
    console.print(f"{case}: {seconds:.1f} s = {seconds / tables:.3f} s a table")
    quarter, half, whole = (calls.mib[max(tables // part, 1) - 1] for part in (4, 2, 1))
    gc.collect()
    figures = (
        case, round(seconds / tables, 3), round((calls.count - before[4]) / tables, 1),
        round((own_s + server_s) / tables * 1000), round(server_s / tables * 1000), before[0],
        threading.active_count(), before[1], quarter, half, whole, mib(own), f"<= {AIM_S} s, flat memory",
    )  # fmt: skip
    return dict(zip(HEADINGS, figures, strict=True))


@contextmanager
def _counted() -> Iterator[Requests]:
    """The requests that this process sends while the context is open."""
    calls = Requests()
    send, send_async = httpx.Client.send, httpx.AsyncClient.send

    def sent(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        calls.note(request)
        return send(self, request, **options)

    async def sent_async(self: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        calls.note(request)
        return await send_async(self, request, **options)

    httpx.Client.send, httpx.AsyncClient.send = sent, sent_async  # type: ignore[method-assign]
    try:
        yield calls
    finally:
        httpx.Client.send, httpx.AsyncClient.send = send, send_async  # type: ignore[method-assign]
