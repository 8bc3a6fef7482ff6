"""A site of 50,000 issues with comments and worklogs: ours beside what latency and CPU make unavoidable."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
from rich.console import Console

from benchmarks.source_case import CONCURRENCY, SourceCases
from benchmarks.stand_in import StandInProcess
from cdm_mappers import jira_work
from connectors.jira import units
from connectors.jira.rows import IssueReader
from contracts.mapping import MapContext
from sandbox.jira import JiraSite, SandboxJira, samples
from sandbox.jira.render import Renderer
from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from collections.abc import Sequence

FIELDS = ("*all", "-comment", "-worklog")


def measure(issues: int, latencies_ms: Sequence[int]) -> None:
    """Run over a site of so many issues and print the table."""
    console = Console(width=None if sys.stdout.isatty() else 180)
    with SandboxPostgres() as postgres, StandInProcess(serving, issues) as server:
        site = {**server.ask(login), "concurrency": CONCURRENCY}
        cases = SourceCases("http.jira", site, server, postgres, latencies_ms)
        for unit in ("issues", "comments", "worklogs"):
            cases.measure(f"jira.{unit}", change_issues)
    console.print(cases.table(f"A site of {issues:,} issues, {CONCURRENCY} requests at once"))
    console.print(_mapping())


def serving(issues: int) -> SandboxJira:
    """The site."""
    return SandboxJira(JiraSite(projects=("AND", "OPS", "WEB"), issues=issues, comments=2, worklogs=2))


def login(server: SandboxJira) -> dict[str, str]:
    """How it is reached."""
    return {"base_url": server.url, "email": server.email, "api_token": server.token}


def change_issues(server: SandboxJira) -> None:
    """One issue in a hundred gets a new summary, a comment and a worklog."""
    site = server.site
    site.pass_time(3600)
    for issue in site.issues()[::100]:
        site.edit(issue, summary=f"{issue.summary}, edited")
        site.comment(issue, "changed")
        site.log_work(issue, 600)
    site.pass_time(3600)


def _mapping() -> str:
    """Issues a second through the item mapper, staged rows to common rows."""
    fields = tuple(units.CustomField(one["id"], one["name"], one["schema"]["type"]) for one in samples.FIELDS)
    dataset = next(one for one in units.datasets("jira", fields, None) if one.name == "issues")
    site = JiraSite(issues=2_000)
    render = Renderer(site)
    payloads = [render.issue(one, FIELDS, search=False) for one in site.issues()]
    frame = pl.concat([IssueReader(dataset, "https://site").frame(payloads)] * 25)
    context = MapContext(endpoint_id="site", dataset=dataset, ingested_at=datetime.now(UTC))
    cpu = time.process_time()
    mapped = jira_work.item(frame.lazy(), context).collect()
    cpu_s = time.process_time() - cpu
    return f"mapping issues to items: {mapped.height / cpu_s:,.0f} rows per CPU second, aim 50,000"
