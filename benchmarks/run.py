"""``make bench``: what ours takes beside references that run in the same minutes. ARGS="--only tables" runs one part.

Every figure is a ratio to a reference on the same machine; absolute seconds only serve to read the ratios.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmarks import (
    api_latency,
    burst,
    console_pages,
    dask_workers,
    drives,
    growth,
    issue_tracker,
    lake,
    many_tables,
    table_copy,
    wiki,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NumberT = TypeVar("NumberT", int, float)
PARTS: dict[str, tuple[str, Callable[[argparse.Namespace], None]]] = {
    "tables": (
        "a table from one Postgres to another, beside psql and dlt; Prefect's cost per slice",
        lambda chosen: table_copy.measure(chosen.scale, chosen.memory_scales, dlt=not chosen.no_dlt, file=chosen.json),
    ),
    "lake": (
        "the same table into lake sinks, beside the read side alone, dlt and pyiceberg",
        lambda chosen: lake.measure(chosen.scale, dlt=not chosen.no_dlt),
    ),
    "many": (
        "many tiny tables through one flow: seconds, API calls, threads and memory",
        lambda chosen: many_tables.measure(chosen.tables, chosen.parallel),
    ),
    "growth": (
        "many units, slices and schedules, Prefect's server on Postgres and on SQLite: does it grow linearly",
        lambda chosen: growth.measure(chosen.units, chosen.slices, chosen.schedules),
    ),
    "dask": (
        "a table whose slices wait for a server, by one Dask worker and by two",
        lambda _: dask_workers.measure(),
    ),
    "tracker": (
        "issues of a site, beside what latency and CPU make unavoidable",
        lambda chosen: issue_tracker.measure(chosen.issues, chosen.latencies),
    ),
    "wiki": (
        "pages of a site, beside what latency and CPU make unavoidable",
        lambda chosen: wiki.measure(chosen.pages, chosen.latencies),
    ),
    "drives": (
        "items of drives, beside what latency and CPU make unavoidable",
        lambda chosen: drives.measure(chosen.items, chosen.latencies),
    ),
    "api": (
        "acceptance, start and statuses, beside Prefect's own API",
        lambda _: api_latency.measure(),
    ),
    "console": (
        "pages of the console over a thousand units, memory, and what ten open pages ask",
        lambda _: console_pages.measure(),
    ),
    "burst": (
        "twelve runs asked for at once on one worker, beside one after the other",
        lambda _: burst.measure(),
    ),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the chosen parts, all of them by default."""
    chosen = parser().parse_args(arguments)
    for part in chosen.only or PARTS:
        PARTS[part][1](chosen)


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = "; ".join(f"{name}: {about}" for name, (about, _) in PARTS.items())
    made.add_argument("--only", action="append", choices=PARTS, help=f"run this part only; repeatable. {parts}")
    made.add_argument("--scale", type=float, default=0.5, help="tables: TPC-H scale of the main table")
    made.add_argument(
        "--memory-scales", type=several(float), default="0.1,0.5,2.0", help="tables: peak memory at these"
    )
    made.add_argument("--no-dlt", action="store_true", help="tables, lake: leave dlt out")
    made.add_argument("--json", type=Path, help="tables: also write the rows there")
    made.add_argument("--tables", type=int, default=200, help="many: how many tables")
    made.add_argument("--parallel", type=int, default=8, help="many: tables at the same time")
    made.add_argument("--units", type=int, default=200, help="growth: tables of five rows")
    made.add_argument("--slices", type=int, default=1_000, help="growth: slices of one table")
    made.add_argument("--schedules", type=int, default=500, help="growth: hourly schedules of units")
    made.add_argument("--issues", type=int, default=50_000, help="tracker: issues of the site")
    made.add_argument("--pages", type=int, default=20_000, help="wiki: pages of the site")
    made.add_argument("--items", type=int, default=100_000, help="drives: items of all drives together")
    made.add_argument("--latencies", type=several(int), default="50,250", help="tracker, wiki, drives: ms a request")
    return made


def several(number: Callable[[str], NumberT]) -> Callable[[str], list[NumberT]]:
    """What reads ``0.1,0.5`` as numbers; empty for none."""
    return lambda text: [number(each) for each in text.split(",") if each]


if __name__ == "__main__":
    main()
