"""``make run``: fill, move, change, move again, compare; exits with 1 when source and sink differ anywhere."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")

from contracts.endpoint import PlanRequest
from contracts.errors import IngestionError
from contracts.traits import SupportsContentHash
from contracts.unit import UnitPolicy
from demo.drives import DrivesChapter
from demo.lake import LakeChapter
from demo.tracker import Tracker
from demo.wiki import WikiChapter
from demo.world import SINK, SOURCE, STAGING, World, world
from flows.collect_catalog import collect_catalog
from flows.ingest_unit import ingest_unit
from flows.prefect_api.client import login_file
from sandbox.data import CHANGING, Writer, run_pgbench

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.unit import EndpointUnitDescriptor

ROOT = Path(__file__).resolve().parent.parent
SLICE_BYTES = 8 * 1024 * 1024
WORK_S = 5


class Demo:
    """The story, one chapter a method."""

    def __init__(self, place: World, console: Console) -> None:
        self.place, self.console = place, console
        self.moved: list[dict[str, Any]] = []
        self.checks: list[tuple[str, bool, str]] = []
        self.tracker, self.wiki = Tracker(place, console), WikiChapter(place, console)

    def tell(self) -> bool:
        """The whole story; True when every check passed."""
        units = self.catalogue()
        first = "went on with what an earlier demo left" if self.place.resumed else "first load"
        self.say("Full runs while the writer writes")
        with Writer(self.place.postgres.url(SOURCE)):
            self.move(units, "full", first)
            self.say(f"pgbench and the writer work for {WORK_S} seconds")
            transactions = run_pgbench(self.place.postgres, SOURCE, WORK_S, 2)
        self.say(f"{transactions} transactions later: incremental where there is a cursor, full elsewhere")
        changing = [unit for unit in units if unit.unit_id == CHANGING]
        self.move(changing, "incremental", "what changed")
        self.move([unit for unit in units if unit not in changing], "full", "after the changes")
        self.move(changing, "full", "a full run finds deletes too")
        self.compare(units)
        self.checks += self.tracker.tell()
        self.checks += self.wiki.tell()
        self.checks += DrivesChapter(self.place, self.console).tell()
        self.checks += LakeChapter(self.place, self.console).tell()
        return all(passed for _, passed, _ in self.checks)

    def say(self, line: str) -> None:
        """One line of the story."""
        self.console.print(f"[bold]{line}[/bold]")

    def catalogue(self) -> tuple[EndpointUnitDescriptor, ...]:
        """Collect the catalog and set the units' policies."""
        catalog = collect_catalog(SOURCE)
        self.say(f"Catalog collected: {catalog['datasets']} datasets")
        units = self.place.workspace.list_units(SOURCE)
        for unit in units:
            cursor = ("updated_at",) if unit.unit_id == CHANGING else ()
            policy = UnitPolicy(target_slice_bytes=SLICE_BYTES, cursor_columns=cursor)
            config = self.place.workspace.units.config(SOURCE, unit.unit_id)
            self.place.workspace.units.configure(config.model_copy(update={"policy": policy, "sink_id": SINK}))
        return units

    def move(
        self, units: tuple[EndpointUnitDescriptor, ...] | list[EndpointUnitDescriptor], mode: str, why: str
    ) -> None:
        """One flow run per unit."""
        for unit in units:
            started = time.monotonic()
            summary: dict[str, Any] = ingest_unit(SOURCE, unit.unit_id, SINK, mode=mode, staging_id=STAGING)
            seconds = time.monotonic() - started
            self.moved.append({"unit": unit.unit_id, "mode": mode, "why": why, **summary, "wall_s": seconds})
            self.console.print(
                f"  {unit.unit_id}: {summary['rows_read']:,} read, {summary['rows_inserted']:,} inserted, "
                f"{summary['rows_updated']:,} updated, {summary['rows_deleted']:,} deleted in {seconds:.1f} s"
                + (" (resumed)" if summary["resumed"] else "")
            )

    def compare(self, units: Sequence[EndpointUnitDescriptor]) -> None:
        """Count and content of every table, source against sink."""
        source, sink = self.place.workspace.source(SOURCE), self.place.workspace.sink(SINK)
        if not isinstance(source, SupportsContentHash) or not isinstance(sink, SupportsContentHash):
            raise TypeError("the demo's endpoints can be compared")
        for unit in units:
            request = PlanRequest(endpoint_id=SOURCE, unit=unit, mode="full", policy=UnitPolicy())
            plan = self.place.workspace.source(SOURCE).plan(request)
            pairs = [(source.content_hash(plan, piece), sink.content_hash(plan, piece)) for piece in plan.slices]
            rows = sum(here.rows for here, _ in pairs)
            self.checks.append((unit.unit_id, all(here == there for here, there in pairs), f"{rows:,} rows"))

    def show(self) -> None:
        """The two tables at the end."""
        table = Table(title="What moved")
        for heading in (
            "unit",
            "mode",
            "rows read",
            "MiB staged",
            "seconds",
            "rows/s",
            "inserted",
            "updated",
            "unchanged",
        ):
            table.add_column(heading, justify="left" if heading in ("unit", "mode") else "right")
        for each in [*self.moved, *self.tracker.moved]:
            table.add_row(
                each["unit"], each["mode"], f"{each['rows_read']:,}", f"{each['bytes_staged'] / 2**20:.1f}",
                f"{each['wall_s']:.1f}", f"{each['rows_read'] / max(each['wall_s'], 1e-9):,.0f}",
                f"{each['rows_inserted']:,}", f"{each['rows_updated']:,}", f"{each['rows_unchanged']:,}",
            )  # fmt: skip
        self.console.print(table)
        result = Table(title="Source and sink compared")
        for heading in ("table", "rows", "equal"):
            result.add_column(heading)
        for name, passed, rows in self.checks:
            result.add_row(name, rows, "[green]yes[/green]" if passed else "[red]NO[/red]")
        self.console.print(result)
        self.tracker.show()
        self.wiki.show()


def main() -> int:
    """Run the demo; 0 when everything is equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".sandbox", help="where the demo's world lives")
    parser.add_argument("--stay", action="store_true", help="keep it all up, with the console, until Enter is pressed")
    options = parser.parse_args()
    logging.getLogger("prefect").setLevel(logging.WARNING)
    console = Console(width=None if sys.stdout.isatty() else 120)
    started = time.monotonic()
    console.print("Starting Postgres, an S3 server and Prefect on this machine …")
    try:
        with world(options.folder, console=options.stay) as place:
            demo = Demo(place, console)
            good = demo.tell()
            demo.show()
            console.print(
                f"Everything {'is equal' if good else 'is NOT equal'}; {time.monotonic() - started:.0f} seconds."
            )
            console.print("Next: docs/operations.md; `.venv/bin/nucleus --help`; look around in the console with")
            console.print('  make run ARGS="--stay"')
            if options.stay:
                login = login_file(place.workspace.home)
                console.print(f"Prefect: {place.ui_url} (password: the line in {login})")
                console.print(f"Console: {place.console_url} (no token is asked of whoever is on this machine)")
                console.input("Press Enter to end. ")
    except KeyboardInterrupt:
        console.print("Stopped. Run it again: it resumes.")
        return 130
    except IngestionError as error:
        console.print(f"[red]{error.code}[/red] {error}")
        return 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
