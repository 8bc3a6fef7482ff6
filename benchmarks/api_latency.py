"""The API under load: acceptance at 20 requests/s, start of the flow on a warm worker, statuses over 1,000 units.

The reference is Prefect's own ``create_flow_run`` at the same rate, in turns with ours and beginning with as few
waiting runs. The work pool is paused while requests are accepted: what is measured is the API and the server beside
it, not the runs.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.prefect_database import prefect_database, prefect_on
from contracts.catalog import CatalogSnapshot, ColumnDescriptor, DatasetDescriptor
from contracts.receipts import RunRef
from flows.prefect_api.client import saved_login
from flows.prefect_api.runs import DEPLOYMENT
from metadata_api.signing import SIGNATURE, TIMESTAMP, sign
from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.local.control_plane import LocalControlPlane
    from flows.wiring import Workspace

RATE, SECONDS, ROUNDS = 20, 10, 3
SETTLE_S = 3.0
"""For the events of what was deleted."""
UNITS = 1_000
KEY, TOKEN = "bench-key-0123456789", "bench-token-0123456789"
ENVIRONMENT = {
    "NUCLEUS_API_SIGNING_KEYS": f"bench:{KEY}",
    "NUCLEUS_API_TOKENS": f"viewer:{TOKEN}",
    "NUCLEUS_API_RATE": "1000",
    "PREFECT_LOGGING_LEVEL": "WARNING",
}
"""Of an API that is measured."""
HEADINGS = ("case", "p50 ms", "p99 ms", "reference p99 ms", "ratio", "aim")


def measure() -> None:
    """Print the table; about six minutes."""
    console = Console()
    os.environ |= ENVIRONMENT
    with prefect_database() as database:
        found = _rows(console, "Postgres", database) if database else []
    found += _rows(console, "SQLite", None)
    table = Table(*HEADINGS, title=f"The API, {os.cpu_count()} cores shared with the Prefect server")
    for row in found:
        table.add_row(*(str(row.get(name, "")) for name in HEADINGS))
    console.print(table)


def _rows(console: Console, kind: str, database: str | None) -> list[dict[str, Any]]:
    from flows.local.contexts import using  # noqa: PLC0415 - loads Prefect
    from flows.local.up import down, up  # noqa: PLC0415
    from flows.wiring import close_live, open_workspace  # noqa: PLC0415

    console.print(f"Prefect's server on {kind} …")
    with prefect_on(database), SandboxPostgres() as postgres, tempfile.TemporaryDirectory() as folder:
        source, sink = postgres.create_database("source"), postgres.create_database("sink")
        postgres.psql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)", database="source")
        note = up(Path(folder), api=True)
        try:
            with using(note), open_workspace(Path(folder)) as workspace:
                _register(workspace, source, sink)
                made = [
                    _accepting(note, workspace, kind),
                    _beginning(note, workspace, kind),
                    _statuses(note, kind),
                ]
        finally:
            close_live()
            down(Path(folder))
    for row in made:
        console.print(f"{row['case']}: p50 {row['p50 ms']} ms, p99 {row['p99 ms']} ms")
    return made


def _register(workspace: Workspace, source: str, sink: str) -> None:
    workspace.endpoints.add("source", "jdbc.postgres", {"url": source})
    workspace.endpoints.add("sink", "jdbc.postgres", {"url": sink})
    workspace.endpoints.add("many", "jdbc.postgres", {"url": source})
    workspace.catalogs.save(workspace.source("source").collect_catalog("source"))
    column = ColumnDescriptor(name="id", declared_type="integer", logical_type="int32", nullable=False)
    datasets = tuple(
        DatasetDescriptor(
            dataset_id=f"public.t{n:04d}",
            kind="table",
            namespace="public",
            name=f"t{n:04d}",
            columns=(column,),
            primary_key=("id",),
        )
        for n in range(UNITS)
    )
    workspace.catalogs.save(CatalogSnapshot(endpoint_id="many", collected_at=datetime.now(UTC), datasets=datasets))
    for each in datasets:
        workspace.states.running(RunRef(endpoint_id="many", unit_id=each.dataset_id, sink_id="sink"), "before")


def _accepting(note: LocalControlPlane, workspace: Workspace, kind: str) -> dict[str, Any]:
    workspace.plane.call("PATCH", "/work_pools/nucleus", {"is_paused": True})
    deployment = workspace.plane.call("GET", f"/deployments/name/{DEPLOYMENT}")["id"]
    parameters = {"endpoint_id": "source", "unit_id": "public.t", "sink_id": "sink"}
    client = httpx.Client(base_url=str(note.nucleus_api_url), trust_env=False)
    user, _, password = str(saved_login(note.home)).partition(":")
    server = httpx.Client(base_url=note.api_url, timeout=60, trust_env=False, auth=(user, password))

    def by_webhook(number: int) -> int:
        fields = {"endpointId": "source", "unitId": "public.t", "sinkId": "sink", "idempotencyKey": f"{kind}-{number}"}
        return post(client, fields).status_code

    def by_prefect(number: int) -> int:
        body = {"parameters": parameters, "idempotency_key": f"reference-{kind}-{number}"}
        for _ in range(50):  # a server on SQLite refuses some: its callers try again
            answer = server.post(f"/deployments/{deployment}/create_flow_run", json=body)
            if answer.status_code != 503:
                break
            time.sleep(0.05)
        return answer.status_code

    with client, server:
        ours: list[float] = []
        theirs: list[float] = []
        for number in range(ROUNDS):
            first = number * RATE * SECONDS
            for call, wanted, took in ((by_webhook, 202, ours), (by_prefect, 201, theirs)):
                _forget_waiting(workspace)
                [call(-first - n) for n in range(1, 6)]  # connections and facts of a caller who is there all the time
                took.extend(_at_rate(call, wanted, first))
    _forget_waiting(workspace)
    workspace.plane.call("PATCH", "/work_pools/nucleus", {"is_paused": False})
    reference = p99(theirs)
    return {
        **_row(f"webhook accepted, {RATE}/s, {kind}", ours, "p99 <= 150 ms"),
        "reference p99 ms": milliseconds(reference),
        "ratio": round(p99(ours) / reference, 2),
    }


def _beginning(note: LocalControlPlane, workspace: Workspace, kind: str) -> dict[str, Any]:
    """Acceptance to the flow's first state RUNNING, five in a row; the first, which warms the worker, is left out."""
    took = []
    with httpx.Client(base_url=str(note.nucleus_api_url), trust_env=False, timeout=60) as client:
        for number in range(6):
            fields = {
                "endpointId": "source",
                "unitId": "public.t",
                "sinkId": "sink",
                "idempotencyKey": f"begin-{kind}-{number}",
            }
            run_id, accepted_at = post(client, fields).json()["runId"], datetime.now(UTC)
            while (run := workspace.runs.get(run_id)) is None or run.state != "COMPLETED":
                if run is not None and run.state in {"FAILED", "CRASHED"}:
                    raise RuntimeError(run.message)
                time.sleep(0.2)
            if run.began_at is not None:
                took.append((run.began_at - accepted_at).total_seconds())
    return _row(f"flow begins on a warm worker, {kind}", took[1:], "<= 5,000 ms")


def _statuses(note: LocalControlPlane, kind: str) -> dict[str, Any]:
    query = {"query": '{ ingestionStatuses(endpointId: "many") { unitId state lastRunAt stats checkpoint } }'}
    headers = {"authorization": f"Bearer {TOKEN}"}
    took = []
    with httpx.Client(base_url=str(note.nucleus_api_url), trust_env=False, timeout=60, headers=headers) as client:
        for _ in range(12):
            began = time.perf_counter()
            found = client.post("/graphql", json=query).json()["data"]["ingestionStatuses"]
            took.append(time.perf_counter() - began)
            if len(found) != UNITS:
                raise RuntimeError(f"{len(found)} statuses of {UNITS}")
    return _row(f"ingestionStatuses over {UNITS:,} units, {kind}", took[2:], "<= 300 ms")


def post(client: httpx.Client, fields: dict[str, Any]) -> httpx.Response:
    """One signed call of the webhook."""
    body, at = json.dumps(fields).encode(), int(time.time())
    headers = {TIMESTAMP: str(at), SIGNATURE: sign(KEY, at, body), "content-type": "application/json"}
    return client.post("/webhooks/ingestion", content=body, headers=headers, timeout=60)


def _forget_waiting(workspace: Workspace) -> None:
    for run in [*workspace.runs.find(("SCHEDULED",))]:
        workspace.plane.call("DELETE", f"/flow_runs/{run.run_id}")
    time.sleep(SETTLE_S)


def _at_rate(call: Callable[[int], int], wanted: int, first: int) -> list[float]:
    """Seconds of each call; calls begin on time whether or not earlier ones have ended."""
    began = time.perf_counter()

    def one(number: int) -> float:
        due = began + number / RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        status = call(first + number)
        if status != wanted:
            raise RuntimeError(f"call {number} was answered {status}")
        return time.perf_counter() - due

    with ThreadPoolExecutor(RATE) as pool:
        return list(pool.map(one, range(RATE * SECONDS)))


def _row(case: str, took_s: list[float], aim: str) -> dict[str, Any]:
    return {
        "case": case,
        "p50 ms": milliseconds(statistics.median(took_s)),
        "p99 ms": milliseconds(p99(took_s)),
        "aim": aim,
    }


def milliseconds(took_s: float) -> int:
    """Whole ones, for a table."""
    return round(took_s * 1000)


def p99(took: list[float]) -> float:
    """The time that one call in a hundred exceeds."""
    return sorted(took)[min(len(took) - 1, int(len(took) * 0.99))]
