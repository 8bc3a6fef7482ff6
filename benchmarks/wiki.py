"""A site of 20,000 pages: ours beside what latency and CPU make unavoidable."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks.source_case import CONCURRENCY, SourceCases
from benchmarks.stand_in import StandInProcess
from sandbox.confluence import ConfluenceSite, SandboxConfluence
from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from collections.abc import Sequence

SPACES = 12
COMMENT_LISTS = 2
"""Comments at the foot and in the text: a list each, which is read page by page."""


def measure(pages: int, latencies_ms: Sequence[int]) -> None:
    """Run over a site of so many pages and print the table."""
    console = Console(width=None if sys.stdout.isatty() else 180)
    with SandboxPostgres() as postgres, StandInProcess(serving, pages) as server:
        site = {**server.ask(login), "concurrency": CONCURRENCY}
        cases = SourceCases("http.confluence", site, server, postgres, latencies_ms)
        for unit, at_once in (("page", CONCURRENCY), ("comment", COMMENT_LISTS), ("link", CONCURRENCY)):
            cases.measure(f"confluence.{unit}", change_pages, at_once)
    console.print(cases.table(f"A site of {pages:,} pages, {CONCURRENCY} requests at once"))


def serving(pages: int) -> SandboxConfluence:
    """The site."""
    site = ConfluenceSite(spaces=tuple(f"S{number}" for number in range(SPACES)), pages=pages)
    return SandboxConfluence(site)


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
