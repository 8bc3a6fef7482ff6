"""A site of 20,000 pages, 50 ms a request: ours beside what latency makes unavoidable.

The floor is requests x latency / allowed concurrency. The site is served by this process, the run is one of its own.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import measured
from sandbox.confluence import ConfluenceSite, SandboxConfluence
from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from benchmarks.measure import Measured

LATENCY_S, CONCURRENCY = 0.05, 8
HEADINGS = (
    "case", "rows", "seconds", "rows/s", "requests", "per 1,000 pages", "floor s", "x floor", "peak MiB", "CPU s",
)  # fmt: skip


def measure(pages: int) -> None:
    """Run over a site of so many pages and print the table."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    site = ConfluenceSite(spaces=tuple(f"S{number}" for number in range(12)), pages=pages)
    table = Table(title=f"A site of {pages:,} pages, {LATENCY_S * 1000:.0f} ms a request, {CONCURRENCY} at once")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "case" else "right")
    with SandboxPostgres() as postgres, SandboxConfluence(site, latency_s=LATENCY_S) as server:
        sink = postgres.create_database("sink")
        for unit in ("page", "comment", "link"):
            checkpoint: Any = None
            for mode in ("full", "incremental"):
                if mode == "incremental":
                    _change(site)
                made, checkpoint = _one(server, sink, unit, mode, checkpoint)
                case = f"confluence.{unit}, {mode}" + (", 1 % changed" if mode == "incremental" else "")
                table.add_row(case, *(f"{one:,}" for one in _figures(made, pages)))
                console.print(f"{case}: {made['seconds']:.1f} s")
    console.print(table)


def _change(site: ConfluenceSite) -> None:
    """One page in a hundred gets another body and a comment."""
    site.advance(3600)
    for key in sorted(site.truth("page"))[::100]:
        site.edit(int(key), body=(("text", "edited"), ("external", "https://example.com/", "there")))
        site.comment(int(key), "changed")
    site.advance(3600)


def _one(server: SandboxConfluence, sink: str, unit: str, mode: str, checkpoint: Any) -> tuple[dict[str, Any], Any]:
    login = {"base_url": server.url, "email": server.email, "api_token": server.token, "concurrency": CONCURRENCY}
    request = {"template": "http.confluence", "site": login, "sink": sink, "unit": f"confluence.{unit}", "mode": mode}
    request["checkpoint"] = checkpoint
    before = len(server.requests)
    result: Measured = measured([sys.executable, "-m", "benchmarks.source_run", json.dumps(request)])
    report = json.loads(result.output.strip().splitlines()[-1])
    made = {**report, "requests": len(server.requests) - before, "peak_mib": result.peak_mib, "cpu_s": result.cpu_s}
    return made, report["checkpoint"]


def _figures(made: dict[str, Any], pages: int) -> tuple[float, ...]:
    floor_s = made["requests"] * LATENCY_S / CONCURRENCY
    return (
        made["rows"],
        round(made["seconds"], 2),
        round(made["rows"] / made["seconds"]),
        made["requests"],
        round(made["requests"] * 1000 / pages, 1),
        round(floor_s, 2),
        round(made["seconds"] / floor_s, 2),
        round(made["peak_mib"]),
        round(made["cpu_s"], 1),
    )
