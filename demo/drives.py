"""The demo's fourth chapter: drives into the tables that the pages of the wiki are in, and what changed on them."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from contracts.unit import UnitPolicy
from demo.world import CDM, DRIVES, SINK, STAGING
from flows.collect_catalog import collect_catalog
from flows.ingest_unit import ingest_unit

if TYPE_CHECKING:
    from rich.console import Console

    from demo.world import World

UNITS = ("drive", "item")


class DrivesChapter:
    """Moves the drives' units and compares them with the drives."""

    def __init__(self, place: World, console: Console) -> None:
        self.place, self.console = place, console

    def tell(self) -> list[tuple[str, bool, str]]:
        """The chapter; (table, equal, rows) of each."""
        collect_catalog(DRIVES)
        self.console.print(f"[bold]Drives into the same tables: {len(UNITS)} units[/bold]")
        for name in UNITS:
            config = self.place.workspace.units.config(DRIVES, f"onedrive.{name}")
            changes = {"sink_id": CDM, "data_mode": "cdm", "policy": UnitPolicy(max_delete_fraction=1.0)}
            self.place.workspace.units.configure(config.model_copy(update=changes))
            self._move(name, "full")
        self.place.drives.site.advance(3600)
        self.place.drives.site.churn(40, random.Random(11))  # noqa: S311 - repeatable
        self._move("item", "incremental")
        return self._compare()

    def _move(self, name: str, mode: str) -> None:
        started, requests_before = time.monotonic(), len(self.place.drives.requests)
        summary: dict[str, Any] = ingest_unit(DRIVES, f"onedrive.{name}", CDM, mode=mode, staging_id=STAGING)
        self.console.print(
            f"  onedrive.{name}: {summary['rows_read']:,} read, {summary['rows_inserted']:,} inserted, "
            f"{summary['rows_updated']:,} updated in {time.monotonic() - started:.1f} s, "
            f"{len(self.place.drives.requests) - requests_before} requests ({mode})"
        )

    def _compare(self) -> list[tuple[str, bool, str]]:
        rows = {f"{key}|{row['path']}" for key, row in self.place.drives.site.truth("item").items()}
        sql = "SELECT source_id, path FROM cdm_doc.cdm_item WHERE deleted_at IS NULL AND dataset_id = 'onedrive.item'"
        there = self.place.postgres.psql(sql, database=SINK).splitlines()
        return [("cdm_doc.cdm_item (files)", set(there) == rows, f"{len(there):,} rows")]
