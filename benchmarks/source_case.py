"""Cases of a source against a stand-in, at several latencies, beside the floors of latency and CPU.

The floor of latency is requests x latency / allowed concurrency: no client of the API can be faster. The floor of CPU
is what the client and the database need of the cores that they, the stand-in and everything else here share: on a
machine of two cores it can be the higher one, and at a low latency it is.

Each case is run once unmeasured and without latency, so that what is measured meets answers that are rendered.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil
from rich.table import Table

from benchmarks.measure import measured

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.stand_in import StandInProcess
    from sandbox.http_service import HttpService
    from sandbox.postgres import SandboxPostgres

CONCURRENCY = 8
HEADINGS = (
    "case", "latency ms", "rows", "seconds", "rows/s", "requests", "floor s", "x floor", "peak MiB", "client CPU s",
    "database CPU s", "stand-in CPU s", "CPU floor s",
)  # fmt: skip


@dataclass
class SourceCases:
    """Cases of one source.

    Args:
        template: Of the source.
        login: Configuration of the endpoint.
        server: The stand-in.
        postgres: Where rows go.
        latencies_ms: Of each request; every case is measured at each.
    """

    template: str
    login: dict[str, Any]
    server: StandInProcess[Any]
    postgres: SandboxPostgres
    latencies_ms: Sequence[int]
    rows: list[dict[str, Any]] = field(default_factory=list)

    def measure(self, unit: str, change: Callable[[Any], None], at_once: int = CONCURRENCY) -> None:
        """Two cases, full, and incremental after a change of the stand-in's data, at each latency in its own database.

        Args:
            unit: Its id.
            change: Changes one row in a hundred.
            at_once: Requests that the API allows at once; 1 where a list is read page by page.
        """
        latencies = (0, *self.latencies_ms)
        name = unit.rpartition(".")[2]
        sinks = {each: self.postgres.create_database(f"{name}_{each}") for each in latencies}
        before: dict[int, Any] = dict.fromkeys(latencies)
        for mode in ("full", "incremental"):
            if mode == "incremental":
                self.server.change(change)
            for latency in latencies:
                self.server.ask(partial(_take, seconds=latency / 1000))
                made, before[latency] = self._one(unit, mode, sinks[latency], before[latency])
                if latency:
                    case = f"{unit}, {mode}" + (", 1 % changed" if mode == "incremental" else "")
                    self.rows.append({"case": case, "latency": latency, **_figures(made, latency / 1000 / at_once)})

    def table(self, title: str) -> Table:
        """What a person reads."""
        table = Table(title=title)
        for heading in HEADINGS:
            table.add_column(heading, justify="left" if heading == "case" else "right")
        for row in self.rows:
            table.add_row(*(f"{one:,}" if isinstance(one, int | float) else one for one in row.values()))
        return table

    def _one(self, unit: str, mode: str, sink: str, checkpoint: Any) -> tuple[dict[str, Any], Any]:
        request = {
            "template": self.template, "site": self.login, "sink": sink, "unit": unit, "mode": mode,
            "checkpoint": checkpoint,
        }  # fmt: skip
        before, database = self.server.use(), _cpu_s(self.postgres)
        result = measured([sys.executable, "-m", "benchmarks.source_run"], text=json.dumps(request))
        report = json.loads(result.output.strip().splitlines()[-1])
        after = self.server.use()
        made = {
            **report,
            "requests": after.requests - before.requests,
            "stand_in_s": after.cpu_s - before.cpu_s,
            "database_s": _cpu_s(self.postgres) - database,
            "peak_mib": result.peak_mib,
        }
        return made, report["checkpoint"]


def _take(service: HttpService[Any], seconds: float) -> None:
    """So long for each request."""
    service.latency_s = seconds


def _cpu_s(postgres: SandboxPostgres) -> float:
    """CPU seconds of a database server, of its connections that ended too."""
    server = psutil.Process(int((postgres.data_folder / "postmaster.pid").read_text().splitlines()[0]))
    spent = 0.0
    for one in (*server.children(), server):  # the server counts children that have ended
        with suppress(psutil.NoSuchProcess):
            spent += sum(one.cpu_times()[:4])
    return spent


def _figures(made: dict[str, Any], seconds_per_request: float) -> dict[str, Any]:
    floor_s = made["requests"] * seconds_per_request
    cpu_floor_s = (made["cpu_s"] + made["database_s"] + made["stand_in_s"]) / (os.cpu_count() or 1)
    return {
        "rows": made["rows"],
        "seconds": round(made["seconds"], 2),
        "rows/s": round(made["rows"] / made["seconds"]),
        "requests": made["requests"],
        "floor s": round(floor_s, 2),
        "x floor": round(made["seconds"] / floor_s, 2),
        "peak MiB": round(made["peak_mib"]),
        "client CPU s": round(made["cpu_s"], 2),
        "database CPU s": round(made["database_s"], 2),
        "stand-in CPU s": round(made["stand_in_s"], 2),
        "CPU floor s": round(max(cpu_floor_s, made["cpu_s"]), 2),
    }
