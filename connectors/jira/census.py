"""Which keys a site has: lists of them, and answers about single ones, for what a list leaves open."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from connectors.http.client import Refusal
from connectors.jira import jql, units
from connectors.jira.client import RECONCILED
from connectors.jira.errors import typed_errors
from connectors.jira.planning import selected_projects
from connectors.jira.progress import JiraCheckpoint
from connectors.jira.reading import IssueSliceReader, Orphan, chunks, read_list
from connectors.jira.scope import scope_of
from connectors.slicing import MAX_KEYS_BYTES, key_chunks
from contracts.errors import CompletenessGapError
from contracts.plan import IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from datetime import datetime

    from connectors.jira.client import JiraClient
    from contracts.plan import IngestionPlan, SliceReport

_orphan = msgspec.json.Decoder(Orphan).decode
_VERSION = {
    "id": pl.String(),
    "key": pl.String(),
    "project_key": pl.String(),
    "status": pl.String(),
    "updated": pl.Datetime("us", "UTC"),
}
_ISSUES_PER_FETCH, _CHILDREN_PER_FETCH, _ISSUES_PER_SEARCH, _PROJECTS_PER_SEARCH = 100, 1000, 500, 500


class SiteKeys:
    """The keys of one plan's unit.

    Args:
        client: The site.
        plan: Its unit, its selectors and where it began.
    """

    def __init__(self, client: JiraClient, plan: IngestionPlan) -> None:
        self._client, self._plan, self._dataset = client, plan, plan.unit.dataset
        self._key = plan.unit.primary_key[0]
        self._scope = scope_of(plan.unit, plan.policy, selectable=units.is_found_by_issue(self._dataset))

    def listed(self) -> Iterator[pl.DataFrame]:
        """Keys of everything inside the unit's selectors; the login is proven before and after.

        Raises:
            CompletenessGapError: Part of it could not be listed: what is missing then is not gone.
        """
        self._client.myself()
        if units.is_found_by_issue(self._dataset):
            for piece in self._slices():
                yield from self._of(piece)
        else:
            yield from (frame.select(self._key) for frame in read_list(self._client, self._dataset))
        self._client.myself()

    def deleted(self) -> Iterator[pl.DataFrame] | None:
        """Worklogs deleted since the last run: the one kind of row Jira keeps a record of when it goes."""
        read = self._read_before()
        if self._dataset.name != "worklogs" or not read:
            return None
        since = min(read.values()) - timedelta(seconds=self._client.config.overlap_s)
        return self._deleted_since(jql.milliseconds(since))

    def parents(self) -> Iterator[pl.DataFrame] | None:
        """Issues whose comments or worklogs an incremental run reads: those updated since it last looked."""
        if units.is_found_by_issue(self._dataset) and self._dataset.name != "issues" and self._read_before():
            return self._parents()
        return None

    def absent(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Those of the keys that the site does not have inside the selectors; a list that was read is believed.

        Raises:
            CompletenessGapError: The site does not say.
        """
        if not units.is_found_by_issue(self._dataset):
            return keys
        ids = keys[self._key].cast(pl.String).to_list()
        with typed_errors(what=self._dataset.dataset_id):
            there = self._issues_there(ids) if self._dataset.name == "issues" else self._children_there(ids)
        return keys.filter(~pl.col(self._key).is_in(sorted(there)))

    # --- lists -----------------------------------------------------------------------------------------------------

    def _slices(self) -> Iterator[IngestionSlice]:
        with typed_errors():
            projects, unseen = selected_projects(self._client, self._scope)
        if unseen:
            raise self._incomplete(f"project {unseen[0]} may not be seen")
        for index, project in enumerate(projects):
            query = jql.all_of([f"project = {jql.quoted(project)}", *self._scope.conditions])
            yield IngestionSlice(key=project, sequence=index, params={"project": project, "jql": query})

    def _of(self, piece: IngestionSlice) -> Iterator[pl.DataFrame]:
        if self._dataset.name == "issues":
            try:
                yield from self._issues(str(piece.params["jql"]))
            except Refusal as refusal:
                raise self._incomplete(str(refusal)) from refusal
            return
        report = yield from self._children_of(piece)
        if report.gaps:
            raise self._incomplete(report.gaps[0])

    def _issues(self, query: str) -> Iterator[pl.DataFrame]:
        """Ids; for an incremental run with what tells whether it read each issue as it is now."""
        if self._plan.mode == "incremental":
            for versions in self._client.versions(query):
                yield pl.DataFrame([one.row for one in versions], schema=_VERSION, orient="row")
        else:
            for page in self._client.ids(query):
                yield pl.DataFrame({self._key: page}, schema={self._key: pl.String})

    def _children_of(self, piece: IngestionSlice) -> Generator[pl.DataFrame, None, SliceReport]:
        frames = IssueSliceReader(self._client, self._dataset, piece).frames()
        while True:
            try:
                yield next(frames).select(self._key)
            except StopIteration as end:
                report: SliceReport = end.value
                return report

    def _read_before(self) -> dict[str, datetime]:
        """Watermarks by project of the plan's checkpoint."""
        before = JiraCheckpoint.read(self._plan.checkpoint_before, self._scope.fingerprint(self._plan.unit))
        return before.watermarks

    def _deleted_since(self, since_ms: int) -> Iterator[pl.DataFrame]:
        with typed_errors():
            for page in self._client.deleted_worklogs(since_ms):
                yield pl.DataFrame({self._key: page}, schema={self._key: pl.String})

    def _parents(self) -> Iterator[pl.DataFrame]:
        read = self._read_before()
        by_condition: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for project in sorted({str(one.params["project"]) for one in self._plan.slices if "jql" in one.params}):
            since = read.get(project)
            overlap = timedelta(seconds=self._client.config.overlap_s)
            updated = [jql.at_least("updated", jql.milliseconds(since - overlap))] if since else []
            by_condition[tuple(updated)].append(project)
        for conditions, projects in by_condition.items():
            for chunk in key_chunks(projects, _PROJECTS_PER_SEARCH, MAX_KEYS_BYTES):
                query = jql.all_of([jql.one_of("project", chunk), *conditions, *self._scope.conditions])
                try:
                    for page in self._client.names(query):
                        yield pl.DataFrame(
                            {"issue_id": [one.id for one in page], "issue_key": [one.key for one in page]},
                            schema={"issue_id": pl.String, "issue_key": pl.String},
                        )
                except Refusal as refusal:
                    raise self._incomplete(str(refusal)) from refusal

    # --- single keys -----------------------------------------------------------------------------------------------

    def _issues_there(self, ids: Sequence[str]) -> set[str]:
        fetched = (self._client.issues(chunk, ("project",)) for chunk in chunks(ids, _ISSUES_PER_FETCH))
        return self._selected([_orphan(payload).id for payloads in fetched for payload in payloads])

    def _children_there(self, ids: Sequence[str]) -> set[str]:
        kind = self._dataset.name.removesuffix("s")
        fetched = (self._client.children(kind, chunk) for chunk in chunks(ids, _CHILDREN_PER_FETCH))
        issue_of = {one.id: one.issue_id for payloads in fetched for one in map(_orphan, payloads)}
        nameless = [child for child, issue in issue_of.items() if issue is None]
        if nameless:
            raise self._incomplete(f"{kind} {nameless[0]} does not name its issue")
        selected = self._selected(sorted({issue for issue in issue_of.values() if issue is not None}))
        return {child for child, issue in issue_of.items() if issue in selected}

    def _selected(self, ids: Sequence[str]) -> set[str]:
        """Those of the issues that a search finds inside the selectors; the rest in the newest state of the index."""
        present = {one for chunk in chunks(ids, _ISSUES_PER_SEARCH) for one in self._found(chunk, ())}
        rest = [one for one in ids if one not in present]
        return present | {one for chunk in chunks(rest, RECONCILED) for one in self._found(chunk, chunk)}

    def _found(self, ids: Sequence[str], fresh: Sequence[str]) -> list[str]:
        inside = self._scope.selected(self._client.config.project_keys)
        query = jql.all_of([jql.numbers_in("id", ids), *inside])
        try:
            return [one for page in self._client.ids(query, fresh) for one in page]
        except Refusal as refusal:
            if refusal.status != 400:
                raise
            if len(ids) > 1:
                middle = len(ids) // 2
                return [one for part in (ids[:middle], ids[middle:]) for one in self._found(part, fresh and part)]
            if self._client.has_issue(ids[0]):
                raise self._incomplete(f"issue {ids[0]} is there, and a search for it is refused ({refusal})") from None
            return []

    def _incomplete(self, why: str) -> CompletenessGapError:
        return CompletenessGapError(
            f"{self._dataset.dataset_id} cannot be compared with the site: {why}",
            "Nothing was removed; run again.",
            gaps=[why],
        )
