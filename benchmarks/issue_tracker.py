"""A site of 50,000 issues with comments and worklogs, 50 ms a request: ours beside what latency makes unavoidable.

The floor is requests x latency / allowed concurrency. The site is served by this process, the run is one of its own.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.measure import measured
from cdm_mappers import jira_work
from connectors.jira import units
from connectors.jira.rows import IssueReader
from contracts.mapping import MapContext
from sandbox.jira import JiraSite, SandboxJira, samples
from sandbox.jira.render import Renderer
from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from benchmarks.measure import Measured

LATENCY_S, CONCURRENCY = 0.05, 8
FIELDS = ("*all", "-comment", "-worklog")
HEADINGS = (
    "case", "rows", "seconds", "rows/s", "requests", "per 1,000 issues", "floor s", "x floor", "peak MiB", "CPU s",
    "aim",
)  # fmt: skip


def rows(console: Console, issues: int) -> list[dict[str, Any]]:
    """One row of the table per case."""
    console.print(f"making a site of {issues:,} issues …")
    site = JiraSite(projects=("AND", "OPS", "WEB"), issues=issues, comments=2, worklogs=2)
    render = Renderer(site)
    for issue in site.issues():  # the site must not be what is measured
        for fields in (FIELDS, ("project", "comment"), ("project", "worklog")):
            render.issue(issue, fields, search=False)
    rows = []
    with SandboxPostgres() as postgres, SandboxJira(site, latency_s=LATENCY_S) as server:
        sink = postgres.create_database("sink")
        for unit in ("jira.issues", "jira.comments", "jira.worklogs"):
            checkpoint: Any = None
            for mode, aim in (("full", "<= 1.3 x floor, <= 512 MiB"), ("incremental", "follows the change")):
                if mode == "incremental":
                    _change(site)
                case = f"{unit}, {mode}" + (", 1 % changed" if mode == "incremental" else "")
                made, checkpoint = _one(server, sink, unit, mode, checkpoint)
                rows.append({"case": case, "aim": aim, **_figures(made, issues)})
                console.print(f"{case}: {rows[-1]['seconds']} s = {rows[-1]['x floor']} x floor")
    rows.append(_mapping())
    return rows


def _change(site: JiraSite) -> None:
    """One issue in a hundred gets a new summary, a comment and a worklog."""
    site.pass_time(3600)
    for issue in site.issues()[::100]:
        site.edit(issue, summary=f"{issue.summary}, edited")
        site.comment(issue, "changed")
        site.log_work(issue, 600)
    site.pass_time(3600)


def _one(server: SandboxJira, sink: str, unit: str, mode: str, checkpoint: Any) -> tuple[dict[str, Any], Any]:
    login = {"base_url": server.url, "email": server.email, "api_token": server.token, "concurrency": CONCURRENCY}
    request = {
        "template": "http.jira",
        "site": login,
        "sink": sink,
        "unit": unit,
        "mode": mode,
        "checkpoint": checkpoint,
    }
    before = len(server.requests)
    result: Measured = measured([sys.executable, "-m", "benchmarks.source_run"], text=json.dumps(request))
    report = json.loads(result.output.strip().splitlines()[-1])
    made = {**report, "requests": len(server.requests) - before, "peak_mib": result.peak_mib, "cpu_s": result.cpu_s}
    return made, report["checkpoint"]


def _figures(made: dict[str, Any], issues: int) -> dict[str, Any]:
    floor_s = made["requests"] * LATENCY_S / CONCURRENCY
    return {
        "rows": made["rows"],
        "seconds": round(made["seconds"], 2),
        "rows/s": round(made["rows"] / made["seconds"]),
        "requests": made["requests"],
        "per 1,000 issues": round(made["requests"] * 1000 / issues, 1),
        "floor s": round(floor_s, 2),
        "x floor": round(made["seconds"] / floor_s, 2),
        "peak MiB": round(made["peak_mib"]),
        "CPU s": round(made["cpu_s"], 1),
    }


def _mapping() -> dict[str, Any]:
    """Issues a second through the item mapper, staged rows to common rows."""
    fields = tuple(units.CustomField(one["id"], one["name"], one["schema"]["type"]) for one in samples.FIELDS)
    dataset = next(one for one in units.datasets("jira", fields, None) if one.name == "issues")
    site = JiraSite(issues=2_000)
    render = Renderer(site)
    payloads = [render.issue(one, FIELDS, search=False) for one in site.issues()]
    frame = pl.concat([IssueReader(dataset, "https://site").frame(payloads)] * 25)
    context = MapContext(endpoint_id="site", dataset=dataset, ingested_at=datetime.now(UTC))
    started, cpu = time.monotonic(), time.process_time()
    mapped = jira_work.item(frame.lazy(), context).collect()
    seconds, cpu_s = time.monotonic() - started, time.process_time() - cpu
    return {
        "case": "mapping issues to items", "rows": mapped.height, "seconds": round(seconds, 2),
        "rows/s": round(mapped.height / cpu_s), "CPU s": round(cpu_s, 2), "aim": ">= 50,000 issues/s per core",
    }  # fmt: skip


def printed(rows: list[dict[str, Any]]) -> Table:
    """The table a person reads; ``rows/s`` of mapping is per CPU second."""
    table = Table(title=f"A site, {LATENCY_S * 1000:.0f} ms a request, {CONCURRENCY} at once")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in {"case", "aim"} else "right")
    for row in rows:
        values = (row.get(heading, "") for heading in HEADINGS)
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in values))
    return table


def measure(issues: int) -> None:
    """Run over a site of so many issues and print the table."""
    console = Console(width=None if sys.stdout.isatty() else 170)
    console.print(printed(rows(console, issues)))
