"""Pages of the console over a thousand units: server time by page, memory of the API, and what ten open pages ask.

The Prefect server runs on SQLite, as ``nucleus up`` starts it, and keeps the state in blocks. The reference of a page
is one call of Prefect's API in the same minute.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from contracts.catalog import CatalogSnapshot, ColumnDescriptor, DatasetDescriptor
from contracts.receipts import RunRef
from contracts.unit import UnitConfig

if TYPE_CHECKING:
    from flows.local.control_plane import LocalControlPlane
    from flows.wiring import Workspace

UNITS, CONFIGURED, TRIES, OPEN_PAGES, POLLS = 1_000, 100, 10, 10, 10
PAUSE_S = 2.2
"""As a page polls: longer than an answer is kept, so that each try has the next one read."""
HEADINGS = ("page", "p50 ms", "p95 ms", "aim")
PAGES = {
    "overview": "/console",
    "overview, its living part": "/console/board",
    "endpoint, 50 of the units": "/console/endpoints/many",
    "endpoint, a search": "/console/endpoints/many?search=t09&state=failed",
    "unit": "/console/unit?endpoint=many&unit=public.t0500",
    "unit, its living part": "/console/unit/live?endpoint=many&unit=public.t0500",
    "data": "/console/data",
}


def measure() -> None:
    """Print the tables; about four minutes."""
    from flows.local.contexts import running_control_plane  # noqa: PLC0415 - loads Prefect
    from flows.wiring import close_live, open_workspace  # noqa: PLC0415

    console = Console()
    os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
    with tempfile.TemporaryDirectory() as folder:
        with running_control_plane(Path(folder), console=True) as note, open_workspace(Path(folder)) as workspace:
            console.print(f"Registering {UNITS:,} units …")
            _register(workspace, Path(folder))
            _show(console, note, workspace)
        close_live()


def _register(workspace: Workspace, folder: Path) -> None:
    (folder / "many.db").touch()
    workspace.endpoints.add("many", "jdbc.sqlite", {"path": str(folder / "many.db")})
    workspace.endpoints.add("files", "object.parquet", {"root": str(folder / "files")})
    column = ColumnDescriptor(name="id", declared_type="integer", logical_type="int64", nullable=False)
    names = [f"t{number:04d}" for number in range(UNITS)]
    datasets = tuple(
        DatasetDescriptor(
            dataset_id=f"public.{name}", kind="table", namespace="public", name=name, columns=(column,),
            primary_key=("id",),
        )
        for name in names
    )  # fmt: skip
    workspace.catalogs.save(CatalogSnapshot(endpoint_id="many", collected_at=datetime.now(UTC), datasets=datasets))
    for each in datasets:
        ref = RunRef(endpoint_id="many", unit_id=each.dataset_id, sink_id="files")
        workspace.states.succeeded(ref, "before", {"rows_read": 5, "rows_staged": 5})
    for each in datasets[:CONFIGURED]:
        workspace.units.configure(UnitConfig(endpoint_id="many", unit_id=each.dataset_id, sink_id="files"))


def _show(console: Console, note: LocalControlPlane, workspace: Workspace) -> None:
    process = psutil.Process(note.pids["api"])
    table = Table(*HEADINGS, title=f"Server time of pages, {UNITS:,} units, {os.cpu_count()} cores")
    with httpx.Client(base_url=str(note.nucleus_api_url), trust_env=False, timeout=60) as client:
        for path in PAGES.values():
            client.get(path).raise_for_status()  # what a first visit reads is read
        reference = _times(lambda: workspace.plane.call("GET", "/health"))
        for name, path in PAGES.items():
            table.add_row(*_row(name, _times(lambda path=path: client.get(path).raise_for_status()), "<= 200"))  # type: ignore[misc]
        table.add_row(*_row("reference: one call of Prefect's API", reference, ""))
        console.print(table)
        console.print(f"Memory of the API: {process.memory_info().rss / 2**20:.0f} MiB")
        alone, ten = (_cpu_of_polls(process, client, pages) for pages in (1, OPEN_PAGES))
        console.print(f"CPU of the API, {POLLS} polls: {alone:.2f} s with one page open, {ten:.2f} s with {OPEN_PAGES}")


def _times(call: Any) -> list[float]:
    took = []
    for _ in range(TRIES):
        time.sleep(PAUSE_S)
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return took


def _cpu_of_polls(process: psutil.Process, client: httpx.Client, pages: int) -> float:
    """CPU seconds of the API while so many pages poll the board."""
    before = sum(process.cpu_times()[:2])
    with ThreadPoolExecutor(pages) as pool:
        for _ in range(POLLS):
            list(pool.map(lambda _: client.get("/console/board").raise_for_status(), range(pages)))
            time.sleep(PAUSE_S)
    return float(sum(process.cpu_times()[:2]) - before)


def _row(name: str, took_s: list[float], aim: str) -> tuple[str, str, str, str]:
    ordered = sorted(took_s)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return name, f"{statistics.median(took_s) * 1000:.0f}", f"{p95 * 1000:.0f}", aim
