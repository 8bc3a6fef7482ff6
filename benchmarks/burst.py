"""Twelve runs asked for at once on one worker: when they end, and how long the webhook takes to answer meanwhile.

The reference is the same twelve tables one after the other, which no burst can be slower than and be worth it.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.api_latency import ENVIRONMENT, milliseconds, p99, post
from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from flows.local.control_plane import LocalControlPlane
    from flows.prefect_api.runs import Runs

RUNS, ROWS = 12, 50_000
ASK_EVERY_S = 1.1
"""The same call signed twice in a second is refused as a replay."""


def measure() -> None:
    """Print the table; about three minutes."""
    from flows.local.contexts import using  # noqa: PLC0415 - loads Prefect
    from flows.local.up import down, up  # noqa: PLC0415
    from flows.wiring import close_live, open_workspace  # noqa: PLC0415

    os.environ |= ENVIRONMENT
    table = Table("case", "all ended, s", "longest run, s", "webhook p50 ms", "webhook p99 ms", title=f"{RUNS} runs")
    with SandboxPostgres() as postgres, tempfile.TemporaryDirectory() as folder:
        source, sink = postgres.create_database("source"), postgres.create_database("sink")
        for number in range(RUNS):
            rows = f"SELECT g AS id, repeat('x', 100) AS note FROM generate_series(1, {ROWS}) g"
            keyed = f"ALTER TABLE t{number} ADD PRIMARY KEY (id)"
            postgres.psql(f"CREATE TABLE t{number} AS {rows}; {keyed}", database="source")
        note = up(Path(folder), api=True)
        try:
            with using(note), open_workspace(Path(folder)) as workspace:
                workspace.endpoints.add("source", "jdbc.postgres", {"url": source})
                workspace.endpoints.add("sink", "jdbc.postgres", {"url": sink})
                workspace.catalogs.save(workspace.source("source").collect_catalog("source"))
                _took(note, workspace.runs, "warm", at_once=1, most=1)
                for case, at_once in (("one after the other", 1), ("all at once", RUNS)):
                    table.add_row(case, *_took(note, workspace.runs, case, at_once=at_once))
        finally:
            close_live()
            down(Path(folder))
    Console().print(table)


def _took(note: LocalControlPlane, runs: Runs, case: str, *, at_once: int, most: int = RUNS) -> tuple[str, ...]:
    """Ask for the runs, so many at the same time, and for one of them again and again until all have ended."""
    began, ids = time.perf_counter(), []
    with httpx.Client(base_url=str(note.nucleus_api_url), trust_env=False, timeout=60) as client:

        def ask(number: int) -> float:
            asked = time.perf_counter()
            fields = {"endpointId": "source", "unitId": f"public.t{number}", "sinkId": "sink"}
            answer = post(client, {**fields, "idempotencyKey": f"{case}-{number}"})
            if answer.status_code != 202:
                raise RuntimeError(answer.text)
            ids.append(str(answer.json()["runId"]))
            return time.perf_counter() - asked

        took: list[float] = []
        with ThreadPoolExecutor(at_once) as pool:
            for first in range(0, most, at_once):
                took.extend(pool.map(ask, range(first, first + at_once)))
                while not _ended(runs, ids):
                    time.sleep(ASK_EVERY_S)
                    took.append(ask(first))
    found = [run for run in map(runs.get, set(ids)) if run is not None and run.began_at and run.ended_at]
    longest = max((run.ended_at - run.began_at).total_seconds() for run in found if run.ended_at and run.began_at)
    return (
        f"{time.perf_counter() - began:.1f}",
        f"{longest:.1f}",
        f"{milliseconds(sorted(took)[len(took) // 2])}",
        f"{milliseconds(p99(took))}",
    )


def _ended(runs: Runs, ids: list[str]) -> bool:
    states = {run.state if (run := runs.get(each)) else "gone" for each in set(ids)}
    if states & {"FAILED", "CRASHED", "CANCELLED", "gone"}:
        raise RuntimeError(f"a run did not succeed: {states}")
    return states == {"COMPLETED"}
