"""The third chapter: a Confluence site into the documents family, a change, and a question across both families."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from rich.table import Table

from contracts.unit import UnitPolicy
from demo.world import CDM, SINK, STAGING, WIKI
from flows.collect_catalog import collect_catalog
from flows.ingest_unit import ingest_unit

if TYPE_CHECKING:
    from rich.console import Console

    from demo.world import World

UNITS = ("space", "page", "attachment", "comment", "version", "link")
CHANGING = UNITS[1:]
QUESTION = """
SELECT w.source_issue_key, w.status, count(DISTINCT d.cdm_id), min(d.title)
FROM cdm_doc.cdm_link l
JOIN cdm_work.cdm_item w ON w.cdm_id = l.target_cdm_id AND w.deleted_at IS NULL
JOIN cdm_doc.cdm_item d ON d.cdm_id = l.item_cdm_id AND d.deleted_at IS NULL
WHERE l.deleted_at IS NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT 8
"""


class WikiChapter:
    """Moves the site's units and compares them with the site."""

    def __init__(self, place: World, console: Console) -> None:
        self.place, self.console = place, console

    def tell(self) -> list[tuple[str, bool, str]]:
        """The chapter; (table, equal, rows) of each."""
        collect_catalog(WIKI)
        self.console.print(f"[bold]A Confluence site into common tables: {len(UNITS)} units[/bold]")
        for name in UNITS:
            config = self.place.workspace.units.config(WIKI, f"confluence.{name}")
            policy = UnitPolicy(max_delete_fraction=1.0, census_every_s=0)
            changes = {"sink_id": CDM, "data_mode": "cdm", "policy": policy}
            self.place.workspace.units.configure(config.model_copy(update=changes))
            self._move(name, "full")
        self.place.wiki.site.advance(3600)
        self.place.wiki.site.churn(60, random.Random(7))  # noqa: S311 - repeatable
        for name in CHANGING:
            self._move(name, "incremental")
        return self._compare()

    def _move(self, name: str, mode: str) -> None:
        started, requests_before = time.monotonic(), len(self.place.wiki.requests)
        summary: dict[str, Any] = ingest_unit(WIKI, f"confluence.{name}", CDM, mode=mode, staging_id=STAGING)
        self.console.print(
            f"  confluence.{name}: {summary['rows_read']:,} read, {summary['rows_inserted']:,} inserted, "
            f"{summary['rows_updated']:,} updated in {time.monotonic() - started:.1f} s, "
            f"{len(self.place.wiki.requests) - requests_before} requests ({mode})"
        )

    def _compare(self) -> list[tuple[str, bool, str]]:
        truth = self.place.wiki.site.truth
        items = {**truth("page"), **truth("attachment")}
        versions = {key for key, row in truth("version").items() if row["content_type"] != "attachment"}
        wanted = {
            "cdm_item": {f"{key}|{row['version']}" for key, row in items.items()},
            "cdm_comment": set(truth("comment")),
            "cdm_revision": versions,
            "cdm_link": {f"{key[0]}|{row['occurrences']}" for key, row in truth("link").items()},
        }
        columns = {"cdm_item": "source_id, revision_number", "cdm_link": "split_part(source_id, ':', 1), occurrences"}
        checks = []
        for table, rows in wanted.items():
            ours = "deleted_at IS NULL AND dataset_id LIKE 'confluence.%'"  # drives of an earlier demo are there too
            sql = f"SELECT {columns.get(table, 'source_id')} FROM cdm_doc.{table} WHERE {ours}"  # noqa: S608
            there = self.place.postgres.psql(sql, database=SINK).splitlines()
            checks.append((f"cdm_doc.{table}", set(there) == rows, f"{len(there):,} rows"))
        return checks

    def show(self) -> None:
        """Which issues the pages speak of."""
        table = Table(title="Issues that pages mention, from both families")
        for heading in ("issue", "status", "pages", "one of them"):
            table.add_column(heading)
        for line in self.place.postgres.psql(QUESTION, database=SINK).splitlines():
            table.add_row(*line.split("|", 3))
        self.console.print(table)
