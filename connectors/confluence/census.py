"""Which keys a site has: lists of them, and answers about single ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from connectors.confluence import rows
from connectors.confluence.client import typed_errors
from connectors.confluence.contents import KINDS
from connectors.confluence.planning import make_plan
from connectors.confluence.progress import ConfluenceCheckpoint
from connectors.confluence.reading import SliceRows
from connectors.confluence.scope import scope_of
from connectors.confluence.selection import SiteSelection
from connectors.confluence.units import ATTACHMENT, BY_CONTENT, BY_LIST, PAGE, ConfluenceUnit
from connectors.http.client import Refusal
from connectors.http.rows import RowReader
from contracts.endpoint import PlanRequest
from contracts.errors import CompletenessGapError
from contracts.plan import IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.confluence.client import ConfluenceClient
    from connectors.confluence.labels import SiteLabels
    from connectors.http.paging import Row
    from contracts.plan import IngestionPlan


def _all_but(unit: ConfluenceUnit, *names: str) -> tuple[str, ...]:
    return tuple(one.name for one in unit.columns if one.name not in names)


_VERSIONED = {
    "page": _all_but(PAGE, "body", "body_text", "url", "raw"),
    "comment": ("id", "kind", "status", "container_id", "version", "last_modified", "resolution_status"),
    "attachment": _all_but(ATTACHMENT, "url", "download_url", "raw"),
    "link": ("id", "space_key", "last_modified"),
}
"""Columns that tell whether a row is as it was read."""


def parents_read(plan: IngestionPlan) -> Iterator[pl.DataFrame] | None:
    """Pages and blog posts whose links or versions an incremental run reads; None for other units."""
    if plan.unit.dataset.name not in {"link", "version"}:
        return None
    scope = scope_of(plan.unit, plan.policy).fingerprint(plan.unit)
    if not ConfluenceCheckpoint.read(plan.checkpoint_before, scope).watermarks:
        return None
    slices = ([str(one) for one in piece.params.get("ids") or ()] for piece in plan.slices)  # type: ignore[union-attr]
    return (pl.DataFrame({"content_id": ids}, schema={"content_id": pl.String}) for ids in slices)


class ContentKeys:
    """The keys of one plan's unit.

    Args:
        client: The site.
        plan: Its unit, its selectors and where it began.
        labels: Of the whole site, read for this run.
    """

    def __init__(self, client: ConfluenceClient, plan: IngestionPlan, labels: SiteLabels) -> None:
        self._client, self._plan, self._labels = client, plan, labels
        self._name = plan.unit.dataset.name
        self._chosen = SiteSelection(client, plan.unit, plan.policy)

    def listed(self) -> Iterator[pl.DataFrame]:
        """Keys of everything inside the selectors, with what tells of a change; the login is proven at both ends.

        Raises:
            CompletenessGapError: Part of it could not be listed: what is missing then is not gone.
        """
        self._client.prove_login()
        if self._chosen.unseen:
            raise self._incomplete(f"space {self._chosen.unseen[0]} may not be seen")
        with typed_errors(what=self._plan.unit.unit_id):
            if self._name == "page":
                yield from self._pages()
            else:
                yield from self._by_reading()
        self._client.prove_login()

    def absent(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Those of the keys that the site does not have inside the selectors; a list that was read is believed."""
        if self._name not in BY_CONTENT | set(BY_LIST):
            return keys
        names = [str(one) for one in keys["id"].to_list()]
        with typed_errors(what=self._plan.unit.unit_id):
            there = self._files_there(names) if self._name in BY_LIST else self._contents_there(names)
        self._client.prove_login()
        return keys.filter(~pl.col("id").is_in(sorted(there)))

    def _pages(self) -> Iterator[pl.DataFrame]:
        names, make = self._labels.names(), self._rows()
        reader = RowReader(PAGE)
        seen: set[str] = set()
        shown = _VERSIONED["page"] if self._plan.mode == "incremental" else ("id",)

        def read(kind: str, page: list[Row]) -> pl.DataFrame:
            return reader.frame([make.page_head(kind, row, names.get(str(row["id"]), [])) for row in page])

        yield reader.frame([]).select(shown)
        for frame in self._chosen.contents.pages(read):
            fresh, recent = frame.filter(~pl.col("id").is_in(seen)), self._chosen.scope.updated_from
            seen.update(fresh["id"])
            yield (fresh if recent is None else fresh.filter(pl.col("last_modified") >= recent)).select(shown)

    def _by_reading(self) -> Iterator[pl.DataFrame]:
        """Units whose keys no list has alone are read as a full run reads them."""
        plan = self._plan
        request = PlanRequest(endpoint_id=plan.endpoint_id, unit=plan.unit, mode="full", policy=plan.policy)
        shown = _VERSIONED.get(self._name, ("id",)) if plan.mode == "incremental" else ("id",)
        for piece in make_plan(self._client, request).slices:
            frames = SliceRows(self._client, plan, piece, self._chosen, self._labels).frames()
            while True:
                try:
                    yield next(frames).select(shown)
                except StopIteration as end:
                    if end.value.gaps:
                        raise self._incomplete(end.value.gaps[0]) from None
                    break

    def _contents_there(self, keys: Sequence[str]) -> set[str]:
        """Keys of pages, links or versions that are there."""
        there = self._selected(sorted({key.split(":")[0] for key in keys}))
        if self._name == "page":
            return {str(row["id"]) for _, row in there}
        if self._name == "link":
            return {str(one["id"]) for kind, row in there for one in self._rows().links(kind, row)[0]}
        return {key for kind, row in there for key in self._versions(str(row["id"]), kind)}

    def _selected(self, ids: Sequence[str]) -> list[tuple[str, Row]]:
        """(kind, payload) of those of the contents that are there, in a selected space; for links with the body."""
        chosen, bodies = {one.space_id for one in self._chosen.spaces}, self._name == "link"
        return [
            (kind, row)
            for kind in KINDS
            for row in self._client.contents(kind, ids, bodies=bodies)
            if str(row["spaceId"]) in chosen
        ]

    def _versions(self, content_id: str, kind: str) -> set[str]:
        try:
            listed = self._client.versions_of(f"/{kind}s/{content_id}/versions")
        except Refusal as refusal:
            if refusal.status == 404:
                return set()
            raise
        return {f"{content_id}:{row['number']}" for row in listed}

    def _files_there(self, keys: Sequence[str]) -> set[str]:
        """Comments or files that are there, asked for one by one, and hang on something that is there."""
        piece = IngestionSlice(key="lookup", sequence=0, params={"one_by_one": [*keys]})
        frames = SliceRows(self._client, self._plan, piece, self._chosen, self._labels).frames()
        return {str(one) for frame in frames for one in frame["id"].to_list()}

    def _rows(self) -> rows.PayloadRows:
        return rows.PayloadRows(self._client.config.base_url, {one.space_id: one.key for one in self._chosen.spaces})

    def _incomplete(self, why: str) -> CompletenessGapError:
        return CompletenessGapError(
            f"{self._plan.unit.unit_id} cannot be compared with the site: {why}",
            "Nothing was removed; run again.",
            gaps=[why],
        )
