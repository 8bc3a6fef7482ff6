"""What Prefect costs per slice: the same unit through the flow and through the bare stages, one after the other."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from rich.console import Console

    from contracts.unit import UnitPolicy
    from flows.wiring import Workspace

ROWS = 200_000
SLICE_BYTES = 256 * 1024
UNIT = "public.small_slices"


def rows(console: Console) -> list[dict[str, object]]:
    """One row of the benchmark's table; takes about a minute, most of it starting Prefect."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    from contracts.unit import UnitPolicy  # noqa: PLC0415 - Prefect is loaded only here
    from flows.local.contexts import running_control_plane  # noqa: PLC0415
    from flows.wiring import open_workspace  # noqa: PLC0415

    policy = UnitPolicy(target_slice_bytes=SLICE_BYTES)
    with SandboxPostgres() as postgres, tempfile.TemporaryDirectory() as folder:
        for database in ("source", "bare", "flow"):
            postgres.create_database(database)
        postgres.psql(
            f"CREATE TABLE {UNIT} AS SELECT i AS id, md5(i::text) AS body FROM generate_series(1, {ROWS}) i;"
            f"ALTER TABLE {UNIT} ADD PRIMARY KEY (id); ANALYZE",
            database="source",
        )
        with running_control_plane(Path(folder), worker=False), open_workspace(Path(folder)) as workspace:
            for database in ("source", "bare", "flow"):
                workspace.endpoints.add(database, "jdbc.postgres", {"url": postgres.url(database)})
            workspace.catalogs.save(workspace.source("source").collect_catalog("source"))
            slices, bare_s = _bare(workspace, policy)
            flow_s = _flow(policy)
    overhead_ms = (flow_s - bare_s) / slices * 1000
    console.print(f"{slices} slices: {bare_s:.2f} s bare, {flow_s:.2f} s on Prefect, {overhead_ms:.0f} ms a slice")
    name = f"Prefect's overhead per slice, ms ({slices} slices)"
    return [
        {
            "case": name,
            "seconds": round(flow_s, 2),
            "ratio": round(overhead_ms),
            "against": "bare stages",
            "aim": "<= 40",
        }
    ]


def _bare(workspace: Workspace, policy: UnitPolicy) -> tuple[int, float]:
    """(slices, seconds) of the run without Prefect."""
    from contracts.receipts import RunRef  # noqa: PLC0415
    from flows.stages.plan import RunRequest  # noqa: PLC0415
    from flows.stages.run import UnitRun  # noqa: PLC0415

    unit = workspace.unit("source", UNIT)
    ref = RunRef(endpoint_id="source", unit_id=UNIT, sink_id="bare")
    request = RunRequest(ref=ref, unit=unit, mode="full", policy=policy)
    started = time.monotonic()
    run = UnitRun(workspace.source("source"), workspace.sink("bare"), workspace.staging(), request)
    return run.execute().slices_done, time.monotonic() - started


def _flow(policy: UnitPolicy) -> float:
    """Seconds of the same run as a flow run."""
    from flows.ingest_unit import ingest_unit  # noqa: PLC0415

    started = time.monotonic()
    ingest_unit("source", UNIT, "flow", policy=policy.model_dump(mode="json"))
    return time.monotonic() - started
