"""One slice, read: ids are listed, issues fetched by id, children completed, and everything listed accounted for.

Listing by search and fetching by id are two steps because pages of a search move while issues change, come short and
lag behind, whereas an id list says exactly what has to arrive. An id that does not arrive is looked for once more in
the newest state of the index: it is gone, or it is a gap.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from connectors.http.client import Refusal
from connectors.jira import jql, rows
from connectors.jira.client import RECONCILED
from connectors.jira.errors import typed_errors
from connectors.jira.names import RENAMED
from connectors.jira.rows import ChildReader, IssueReader, Parent
from contracts.plan import IngestionSlice, SliceReport

if TYPE_CHECKING:
    from connectors.jira.client import JiraClient
    from contracts.catalog import DatasetDescriptor

Frames = Generator[pl.DataFrame, None, SliceReport]
_ROWS_PER_BATCH = 500
_ISSUE_FIELDS = ("*all", "-comment", "-worklog")


class _Listed(msgspec.Struct):
    comments: list[msgspec.Raw] = []
    worklogs: list[msgspec.Raw] = []
    total: int = 0


class _ProjectRef(msgspec.Struct):
    key: str | None = None


class _ChildFields(msgspec.Struct):
    project: _ProjectRef | None = None
    comment: _Listed | None = None
    worklog: _Listed | None = None


class _Issue(msgspec.Struct):
    id: str
    key: str | None = None
    fields: _ChildFields = msgspec.field(default_factory=_ChildFields)


class _FetchedId(msgspec.Struct):
    id: str


class Orphan(msgspec.Struct):
    """A child as it comes without its issue; a comment names the issue in its own address only."""

    id: str
    self: str = ""
    issueId: str | None = None  # noqa: N815 - Jira's name

    @property
    def issue_id(self) -> str | None:
        """Its issue, None where the payload does not name it."""
        match = _IN_ADDRESS.search(self.self)
        return self.issueId or (match.group(1) if match else None)


_issue, _id = msgspec.json.Decoder(_Issue).decode, msgspec.json.Decoder(_FetchedId).decode
_orphan = msgspec.json.Decoder(Orphan).decode
_IN_ADDRESS = re.compile(r"/issue/(\d+)/comment/")


class IssueSliceReader:
    """One pass over one slice of a unit that is found through issues. Use once.

    Args:
        client: The site.
        dataset: Issues, comments or worklogs.
        piece: Its ``params`` hold ``jql``, or ``ids``, or neither for a project that is not seen.
        below: Issues below those that the slice lists are read too, where they meet these conditions (JQL): they name
            their parent by its key, and are not updated when it moves. None: they are not.
    """

    def __init__(
        self,
        client: JiraClient,
        dataset: DatasetDescriptor,
        piece: IngestionSlice,
        below: Sequence[str] | None = None,
    ) -> None:
        self._client, self._dataset, self._piece, self._below = client, dataset, piece, below
        self._followed: set[str] = set()
        self._expected = 0
        self._gaps: list[str] = []
        self._issues = IssueReader(dataset, client.config.base_url) if dataset.name == "issues" else None
        self._children = None if self._issues else ChildReader(dataset, client.config.base_url)

    def frames(self) -> Frames:
        """Batches of about 500 rows, at least one; then what was promised and what was withheld."""
        frames: list[pl.DataFrame] = [self._empty()]
        with typed_errors(what=self._dataset.dataset_id):
            for frame in self._read():
                frames.append(frame)
                if sum(one.height for one in frames) >= _ROWS_PER_BATCH:
                    yield pl.concat(frames)
                    frames = []
        if frames:
            yield pl.concat(frames)
        tells = ("project", RENAMED) if self._gaps else ()
        observed = {name: self._piece.params[name] for name in tells if name in self._piece.params}
        return SliceReport(expected_rows=self._expected, observed=observed, gaps=tuple(self._gaps))

    def _empty(self) -> pl.DataFrame:
        return self._issues.frame([]) if self._issues else self._children.frame([])  # type: ignore[union-attr]

    def _read(self) -> Iterator[pl.DataFrame]:
        if "children" in self._piece.params:
            yield from self._children_by_id([str(one) for one in self._piece.params["children"]])  # type: ignore[union-attr]
            return
        ids = self._ids()
        arrived: set[str] = set()
        for chunk in chunks(ids, self._client.config.page_size):
            try:
                payloads = self._client.issues(chunk, self._fields)
            except Refusal as refusal:
                self._gaps.append(f"{len(chunk)} issue(s) could not be fetched ({refusal})")
                arrived |= set(chunk)
                continue
            arrived |= {_id(payload).id for payload in payloads}
            yield self._issues.frame(payloads) if self._issues else self._with_children(payloads)
            if self._issues:
                self._expected += len(payloads)
        self._account_for([one for one in ids if one not in arrived])

    @property
    def _fields(self) -> Sequence[str]:
        return _ISSUE_FIELDS if self._issues else ("project", self._dataset.name.removesuffix("s"))

    def _ids(self) -> list[str]:
        """Ids of the slice, each once."""
        params = self._piece.params
        if "ids" in params:
            return [str(one) for one in params["ids"]]  # type: ignore[union-attr]
        if "jql" not in params:
            self._gaps.append(f"project {params.get('project')} does not exist or may not be seen")
            return []
        projects = [str(one) for one in params.get("projects", ())]  # type: ignore[union-attr]
        listed = list(dict.fromkeys(self._search(str(params["jql"]), projects)))
        if self._below is not None:
            below = {one for chunk in chunks(listed, 100) for one in self._ids_below(chunk, self._below)}
            self._followed = below - set(listed)
        return [*listed, *sorted(self._followed)]

    def _ids_below(self, parents: Sequence[str], conditions: Sequence[str]) -> list[str]:
        """Ids of the children of some issues; of one that was deleted since it was listed there are none."""
        try:
            query = jql.all_of([jql.numbers_in("parent", parents), *conditions])
            return [one for page in self._client.ids(query) for one in page]
        except Refusal as refusal:
            if refusal.status == 400 and len(parents) > 1:
                middle = len(parents) // 2
                return [
                    one for part in (parents[:middle], parents[middle:]) for one in self._ids_below(part, conditions)
                ]
            if self._may_be_there(parents[0]):
                self._gaps.append(f"children of issue {parents[0]} could not be listed ({refusal})")
            return []

    def _search(self, query: str, projects: Sequence[str]) -> list[str]:
        """Ids that match; of several projects those of each that the search does not refuse."""
        try:
            return [one for page in self._client.ids(query) for one in page]
        except Refusal as refusal:
            if refusal.status != 400 or len(projects) < 2:
                self._gaps.append(f"the search was refused ({refusal})")
                return []
        middle = len(projects) // 2
        conditions = [str(one) for one in self._piece.params["conditions"]]  # type: ignore[union-attr]
        return [
            one
            for part in (projects[:middle], projects[middle:])
            for one in self._search(jql.all_of([jql.one_of("project", part), *conditions]), part)
        ]

    def _account_for(self, missing: Sequence[str]) -> None:
        """Listed and not arrived: deleted meanwhile, or a gap."""
        listed = [one for chunk in chunks(missing, RECONCILED) for one in self._still_listed(chunk)]
        for one in listed:
            if self._may_be_there(one):
                self._gaps.append(f"issue {one} is listed but does not arrive")
                self._expected += 1 if self._issues else 0

    def _still_listed(self, chunk: Sequence[str]) -> list[str]:
        query = self._piece.params.get("jql")
        if query is None or "projects" in self._piece.params:
            return list(chunk)
        present = {one for page in self._client.ids(str(query), chunk) for one in page}
        return [one for one in chunk if one in present or one in self._followed]

    def _may_be_there(self, issue_id: str) -> bool:
        """False when the site answers that it has no such issue; a refusal of another kind proves nothing."""
        try:
            return self._client.has_issue(issue_id)
        except Refusal:
            return True

    def _with_children(self, payloads: Sequence[msgspec.Raw]) -> pl.DataFrame:
        children_with_issue: list[tuple[Parent, msgspec.Raw]] = []
        for payload in payloads:
            issue = _issue(payload)
            children = self._children_of(issue)
            self._expected += len(children)
            children_with_issue += [(_parent(issue), child) for child in children]
        assert self._children is not None  # noqa: S101 - made beside this reading
        return self._children.frame(children_with_issue)

    def _children_by_id(self, ids: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Children that a census found missing, with their issues."""
        kind = self._dataset.name.removesuffix("s")
        for chunk in chunks(ids, 1000):
            payloads = self._client.children(kind, chunk)
            children_with_issue = [(_orphan(payload).issue_id, payload) for payload in payloads]
            parents: dict[str, Parent] = {}
            for some in chunks(sorted({one for one, _ in children_with_issue if one}), 100):
                issues = [_issue(payload) for payload in self._client.issues(some, ("project",))]
                parents |= {one.id: _parent(one) for one in issues}
            arrived = [(parents[one], payload) for one, payload in children_with_issue if one in parents]
            self._expected += len(arrived)
            # A child that is asked for by id and not there was deleted; so was one whose issue is not there.
            lost = {one for one, _ in children_with_issue if one not in parents}
            for one in lost:
                if one is None or self._may_be_there(one):
                    self._gaps.append(f"{self._dataset.name} of issue {one} are listed and do not arrive")
            assert self._children is not None  # noqa: S101 - made beside this reading
            yield self._children.frame(arrived)

    def _children_of(self, issue: _Issue) -> list[msgspec.Raw]:
        """All of an issue's children; the list inside the issue counts only when it is complete."""
        comments = self._dataset.name == "comments"
        listed = issue.fields.comment if comments else issue.fields.worklog
        if listed is not None:
            inside = listed.comments if comments else listed.worklogs
            if len(inside) == listed.total:
                return inside
        try:
            return self._client.comments(issue.id) if comments else self._client.worklogs(issue.id)
        except Refusal as refusal:
            if self._client.issues([issue.id], ("project",)):
                self._gaps.append(f"{self._dataset.name} of issue {issue.id} could not be read ({refusal})")
            return []


def _parent(issue: _Issue) -> Parent:
    return Parent(issue.id, issue.key, issue.fields.project.key if issue.fields.project else None)


def read_list(client: JiraClient, dataset: DatasetDescriptor) -> Frames:
    """Projects or users: the API lists all of them.

    Raises:
        SourceAuthError: The login does not hold any more at the end.
        SourcePrivilegeError: The list is refused.
        SourceValueError: A payload is not shaped as documented.
    """
    with typed_errors(what=dataset.dataset_id):
        return (yield from _listed(client, dataset))


def _listed(client: JiraClient, dataset: DatasetDescriptor) -> Frames:
    make, pages = (rows.projects, client.projects) if dataset.name == "projects" else (rows.users, client.users)
    base_url, read = client.config.base_url, 0
    yield make(dataset, [], base_url)
    for page in pages():
        yield make(dataset, page, base_url)
        read += len(page)
    client.myself()  # a login that lapsed half-way looks like the end of the list
    return SliceReport(expected_rows=read)


def chunks(items: Sequence[str], size: int) -> Iterator[list[str]]:
    """Lists of at most ``size``, in order."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
