"""Drives of 100,000 items: ours beside what latency and CPU make unavoidable.

A drive's feed is one list that is read page by page, so as many requests are under way as there are drives. Memory is
that of the items as they were received, about 1 KB each, and of the parts in staging that are written at the same time.
"""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks.source_case import SourceCases
from benchmarks.stand_in import StandInProcess
from sandbox.onedrive import DriveSite, SandboxOneDrive
from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from collections.abc import Sequence

DRIVES = 2


def measure(items: int, latencies_ms: Sequence[int]) -> None:
    """Run over drives of so many items together and print the table."""
    console = Console(width=None if sys.stdout.isatty() else 180)
    with SandboxPostgres() as postgres, StandInProcess(serving, items) as server:
        cases = SourceCases("http.onedrive", server.ask(login), server, postgres, latencies_ms)
        cases.measure("onedrive.item", change_items, at_once=DRIVES)
    console.print(cases.table(f"{DRIVES} drives of {items:,} items together, a feed each"))


def serving(items: int) -> SandboxOneDrive:
    """The drives."""
    return SandboxOneDrive(DriveSite(drives=DRIVES, items=items))


def login(server: SandboxOneDrive) -> dict[str, Any]:
    """How they are reached."""
    return {
        "base_url": server.url,
        "login_url": server.login_url,
        "tenant": server.tenant,
        "client_id": server.client_id,
        "client_secret": server.client_secret,
        "drive_ids": [one.drive_id for one in server.site.drives()],
    }


def change_items(server: SandboxOneDrive) -> None:
    """One file in a hundred has other content."""
    site, chance = server.site, random.Random(1)  # noqa: S311 - repeatable
    for drive in site.drives():
        files = site.items(drive, "file")
        for item in chance.sample(files, max(1, len(files) // 100)):
            site.edit_file(item)
