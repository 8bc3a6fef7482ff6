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
from connectors.confluence.selection import SiteSelection
from connectors.confluence.units import BY_CONTENT, BY_LIST, PAGE
from connectors.http.client import Refusal
from connectors.http.rows import RowReader
from contracts.endpoint import PlanRequest
from contracts.errors import CompletenessGapError
from contracts.plan import IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.confluence.client import ConfluenceClient
    from connectors.confluence.labels import SiteLabels
    from contracts.plan import IngestionPlan

_VERSIONED = {
    "page": tuple(one.name for one in PAGE.columns if one.name not in {"body", "body_text", "url", "raw"}),
    "comment": ("id", "kind", "status", "container_id", "version", "last_modified", "resolution_status"),
    "attachment": ("id", "status", "title", "container_id", "version", "last_modified"),
    "link": ("id", "space_key", "last_modified"),
}
"""Columns that tell whether a row is as it was read."""


class SiteKeys:
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

    def parents(self) -> Iterator[pl.DataFrame] | None:
        """Pages and blog posts whose links or versions an incremental run reads."""
        scope = self._chosen.scope.fingerprint(self._plan.unit)
        before = ConfluenceCheckpoint.read(self._plan.checkpoint_before, scope)
        if self._name not in {"link", "version"} or not before.transient.spaces:
            return None
        return self._parents()

    def _parents(self) -> Iterator[pl.DataFrame]:
        for piece in self._plan.slices:
            ids = [str(one) for one in piece.params.get("ids") or ()]  # type: ignore[union-attr]
            yield pl.DataFrame({"content_id": ids}, schema={"content_id": pl.String})

    def _pages(self) -> Iterator[pl.DataFrame]:
        names, make = self._labels.names(), self._rows()
        reader = RowReader(PAGE)
        seen: set[str] = set()
        shown = _VERSIONED["page"] if self._plan.mode == "incremental" else ("id",)
        yield reader.frame([]).select(shown)
        for page in self._chosen.contents.payloads():
            heads = [
                make.page_head(kind, row, names.get(str(row["id"]), [])) for kind, row in page if str(row["id"]) not in seen
            ]
            seen |= {str(row["id"]) for _, row in page}
            frame = reader.frame(heads).select(shown)
            recent = self._chosen.scope.updated_from
            yield frame if recent is None else reader.frame(heads).filter(pl.col("last_modified") >= recent).select(shown)

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
        ids = sorted({key.split(":")[0] for key in keys})
        chosen = {one.space_id for one in self._chosen.spaces}
        there: dict[str, str] = {}
        found: set[str] = set()
        for start in range(0, len(ids), 250):
            for kind in KINDS:
                for row in self._client.contents(kind, ids[start : start + 250], bodies=self._name == "link"):
                    if str(row["spaceId"]) not in chosen:
                        continue
                    there[str(row["id"])] = kind
                    if self._name == "link":
                        found |= {str(one["id"]) for one in self._rows().links(kind, row)[0]}
        if self._name == "page":
            return set(there)
        if self._name == "version":
            for one, kind in there.items():
                found |= self._versions(one, kind)
        return found

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

