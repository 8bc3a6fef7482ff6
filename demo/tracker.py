"""The demo's second chapter: a Jira site into common-model tables, a change, an incremental run, a question."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.table import Table

from cdm_mappers.models import MODELS
from contracts.unit import UnitPolicy
from demo.world import CDM, SINK, SITE, STAGING
from flows.collect_catalog import collect_catalog
from flows.ingest_unit import ingest_unit
from flows.operations.cdm import provision_cdm

if TYPE_CHECKING:
    from rich.console import Console

    from demo.world import World

QUESTION = """
SELECT p.name, i.status_category, count(DISTINCT i.cdm_id), count(DISTINCT c.cdm_id), count(DISTINCT w.cdm_id)
FROM cdm_work.cdm_item i
JOIN cdm_work.cdm_project p ON p.cdm_id = i.project_cdm_id
LEFT JOIN cdm_work.cdm_comment c ON c.item_cdm_id = i.cdm_id AND c.deleted_at IS NULL
LEFT JOIN cdm_work.cdm_worklog w ON w.item_cdm_id = i.cdm_id AND w.deleted_at IS NULL
WHERE i.deleted_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2
"""


class Tracker:
    """Moves the site's units and compares them with the site."""

    def __init__(self, place: World, console: Console) -> None:
        self.place, self.console = place, console
        self.moved: list[dict[str, Any]] = []

    def tell(self) -> list[tuple[str, bool, str]]:
        """The chapter; (table, equal, rows) of each."""
        collect_catalog(SITE)
        for model in MODELS:
            provision_cdm(self.place.workspace, CDM, model)
        units = self.place.workspace.list_units(SITE)
        self.console.print(f"[bold]A Jira site into common tables: {len(units)} units[/bold]")
        for unit in units:
            config = self.place.workspace.units.config(SITE, unit.unit_id)
            changes = {"sink_id": CDM, "data_mode": "cdm", "policy": UnitPolicy(max_delete_fraction=1.0)}
            self.place.workspace.units.configure(config.model_copy(update=changes))
            self._move(unit.unit_id, "full")
        self._work()
        for name in ("issues", "comments", "worklogs"):
            self._move(f"jira.{name}", "incremental")
        return self._compare()

    def _move(self, unit_id: str, mode: str) -> None:
        started, requests_before = time.monotonic(), len(self.place.site.requests)
        summary: dict[str, Any] = ingest_unit(SITE, unit_id, CDM, mode=mode, staging_id=STAGING)
        seconds = time.monotonic() - started
        self.moved.append({"unit": unit_id, "mode": mode, **summary, "wall_s": seconds})
        self.console.print(
            f"  {unit_id}: {summary['rows_read']:,} read, {summary['rows_inserted']:,} inserted, "
            f"{summary['rows_updated']:,} updated in {seconds:.1f} s, "
            f"{len(self.place.site.requests) - requests_before} requests ({mode})"
        )

    def _work(self) -> None:
        """People work on the site for a while."""
        site = self.place.site.site
        site.pass_time(3600)
        for issue in site.issues()[::100]:
            site.edit(issue, status="5")
            site.comment(issue, "Done.")
            site.log_work(issue, 1800)
        site.move(site.issues()[7], "WEB")

    def _compare(self) -> list[tuple[str, bool, str]]:
        site = self.place.site.site
        issues = site.issues()
        wanted = {
            "cdm_item": {f"{one.issue_id}|{one.key}|{one.status}" for one in issues},
            "cdm_comment": {child.child_id for one in issues for child in one.comments},
            "cdm_worklog": {child.child_id for one in issues for child in one.worklogs},
            "cdm_project": {one["id"] for one in site.projects()},
            "cdm_user": {one["accountId"] for one in site.people()},
        }
        checks = []
        for table, rows in wanted.items():
            columns = "source_id, source_issue_key, status" if table == "cdm_item" else "source_id"
            sql = f"SELECT {columns} FROM cdm_work.{table} WHERE deleted_at IS NULL"  # noqa: S608
            there = self.place.postgres.psql(sql, database=SINK).splitlines()
            checks.append((f"cdm_work.{table}", sorted(there) == sorted(rows), f"{len(there):,} rows"))
        return checks

    def show(self) -> None:
        """An answer from the common tables."""
        table = Table(title="What the common tables say")
        for heading in ("project", "state", "items", "comments", "worklogs"):
            table.add_column(heading)
        for line in self.place.postgres.psql(QUESTION, database=SINK).splitlines():
            table.add_row(*line.split("|"))
        self.console.print(table)
