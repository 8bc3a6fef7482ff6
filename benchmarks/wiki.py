"""A site of 20,000 pages, 50 ms a request: ours beside what latency and CPU make unavoidable."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console

from benchmarks.source_case import CONCURRENCY, LATENCY_S, SourceCases
from benchmarks.stand_in import StandInProcess
from sandbox.confluence import ConfluenceSite, SandboxConfluence
from sandbox.postgres import SandboxPostgres

SPACES = 12


def measure(pages: int) -> None:
    """Run over a site of so many pages and print the table."""
    console = Console(width=None if sys.stdout.isatty() else 180)
    with SandboxPostgres() as postgres, StandInProcess(serving, pages) as server:
        cases = SourceCases("http.confluence", {**server.ask(login), "concurrency": CONCURRENCY}, server, postgres)
        for unit in ("page", "comment", "link"):
            cases.measure(f"confluence.{unit}", change_pages)
    latency = f"{LATENCY_S * 1000:.0f} ms a request, {CONCURRENCY} at once"
    console.print(cases.table(f"A site of {pages:,} pages, {latency}"))


def serving(pages: int) -> SandboxConfluence:
    """The site."""
    site = ConfluenceSite(spaces=tuple(f"S{number}" for number in range(SPACES)), pages=pages)
    return SandboxConfluence(site, latency_s=LATENCY_S)


def login(server: SandboxConfluence) -> dict[str, str]:
    """How it is reached."""
    return {"base_url": server.url, "email": server.email, "api_token": server.token}


def change_pages(server: SandboxConfluence) -> None:
    """One page in a hundred gets another body and a comment."""
    site: Any = server.site
    site.advance(3600)
    for key in sorted(site.truth("page"))[::100]:
        site.edit(int(key), body=(("text", "edited"), ("external", "https://example.com/", "there")))
        site.comment(int(key), "changed")
    site.advance(3600)
